//! The server, and the contenders' tables: one row per device and moment, one chunk per day.

use crate::common::{Cluster, PgConfig, exec, one};
use crate::measure::plain;
use postgres::Client;

pub const HEAP: &str = "plain heap";
pub const NATIVE: &str = "native, premade";
pub const PREMADE: &str = "pg_strata, premade";
pub const DEMAND: &str = "pg_strata, on demand";
pub const PARTMAN: &str = "pg_partman";

const DATABASE: &str = "speed";
/// Chunks made in one transaction.
const BATCH: i64 = 400;
/// Chunks that a hypertable has ahead of its newest rows: the default of `premake`.
const AHEAD: i64 = 2;

pub struct Stage {
    pub cluster: Cluster,
    /// Midnight of today, in seconds since 1970.
    pub today: i64,
    pub partman: Option<String>,
}

pub const DAY: i64 = 86_400;

impl Stage {
    pub fn build(fsync: bool) -> Stage {
        let cluster = Cluster::builder()
            .preload(true)
            .set("fsync", if fsync { "on" } else { "off" })
            .set("shared_buffers", "1GB")
            .set("max_wal_size", "16GB")
            .set("checkpoint_timeout", "1h")
            .set("autovacuum", "off")
            .set("max_locks_per_transaction", "2048")
            .set("max_worker_processes", "16")
            .set("jit", "off")
            .start();
        cluster.create_database(DATABASE);
        let mut session = cluster.client(DATABASE);
        exec(&mut session, "CREATE EXTENSION pg_strata");
        let today = one(
            &mut session,
            "SELECT extract(epoch FROM date_trunc('day', now()))::bigint",
        );
        let partman = partman(&mut session);
        Stage {
            cluster,
            today: today.parse().expect("a number"),
            partman,
        }
    }

    pub fn session(&self) -> Client {
        let mut session = self.cluster.client(DATABASE);
        exec(&mut session, "SET client_min_messages = warning");
        session
    }

    /// An empty table of this contender with one chunk for each of the `days` before `end` (a midnight).
    /// `indexes` are column lists. Returns its name.
    pub fn table(
        &self,
        name: &'static str,
        indexes: &[&str],
        days: i64,
        end: i64,
    ) -> Result<&'static str, String> {
        let table = table_name(name);
        let mut session = self.session();
        drop_table(&mut session, table).map_err(|e| plain(&e))?;
        let partitioned = if name == HEAP {
            ""
        } else {
            " PARTITION BY RANGE (ts)"
        };
        let mut sql = format!(
            "CREATE TABLE {table} (ts timestamptz NOT NULL, device int NOT NULL, value float8, note text){partitioned};"
        );
        for columns in indexes {
            sql += &format!("CREATE INDEX ON {table} ({columns});");
        }
        session.batch_execute(&sql).map_err(|e| plain(&e))?;
        let result = match name {
            NATIVE => make_natively(&mut session, table, days, end),
            PREMADE => make_hypertable(&mut session, table, Some((days, end))),
            DEMAND => make_hypertable(&mut session, table, None),
            PARTMAN => self.make_with_partman(&mut session, table, days, end),
            _ => Ok(()),
        };
        result.map_err(|e| plain(&e))?;
        Ok(table)
    }

    pub fn drop_all(&self) {
        let mut session = self.session();
        for name in [HEAP, NATIVE, PREMADE, DEMAND, PARTMAN] {
            drop_table(&mut session, table_name(name)).expect("a table that can be dropped");
        }
    }

    /// The contenders without pg_partman where it is missing.
    pub fn contenders(&self, names: &[&'static str]) -> Vec<&'static str> {
        let here = |name: &&&str| **name != PARTMAN || self.partman.is_some();
        names.iter().filter(here).copied().collect()
    }

    fn make_with_partman(
        &self,
        session: &mut Client,
        table: &str,
        days: i64,
        end: i64,
    ) -> Result<(), postgres::Error> {
        let version = self.partman.as_deref().unwrap_or_default();
        session.batch_execute("DELETE FROM partman.part_config")?;
        let start = format!(
            "to_char(to_timestamp({}) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
            end - days * DAY
        );
        let ahead = ((end - self.today) / DAY).max(1);
        let how = match version {
            old if old.starts_with('4') => "'native', 'daily'",
            _ => "'1 day', 'range'",
        };
        session.batch_execute(&format!(
            "SELECT partman.create_parent('public.{table}', 'ts', {how}, p_premake => {ahead}, p_start_partition => {start})"
        ))
    }
}

fn table_name(name: &str) -> &'static str {
    match name {
        HEAP => "heap",
        NATIVE => "native",
        PREMADE => "premade",
        DEMAND => "demand",
        _ => "partman",
    }
}

/// Drops the chunks first, in pieces: each lock counts.
fn drop_table(session: &mut Client, table: &str) -> Result<(), postgres::Error> {
    let chunks = format!(
        "SELECT string_agg(c::regclass::text, ', ') FROM
             (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('{table}') LIMIT {BATCH}) x(c)"
    );
    while let Some(list) = session.query_one(&chunks, &[])?.get::<_, Option<String>>(0) {
        session.batch_execute(&format!("DROP TABLE {list}"))?;
    }
    session.batch_execute(&format!("DROP TABLE IF EXISTS {table}"))
}

fn make_natively(
    session: &mut Client,
    table: &str,
    days: i64,
    end: i64,
) -> Result<(), postgres::Error> {
    let mut made = 0;
    while made < days {
        let next = (made + BATCH).min(days);
        session.batch_execute(&format!(
            "DO $$ BEGIN FOR i IN {made}..{next} - 1 LOOP
                 EXECUTE format('CREATE TABLE {table}_%s PARTITION OF {table} FOR VALUES FROM (%L) TO (%L)', i,
                     to_timestamp({end} - (i + 1) * {DAY}::bigint), to_timestamp({end} - i * {DAY}::bigint));
             END LOOP; END $$"
        ))?;
        made = next;
    }
    Ok(())
}

fn make_hypertable(
    session: &mut Client,
    table: &str,
    premade: Option<(i64, i64)>,
) -> Result<(), postgres::Error> {
    session.batch_execute(&format!(
        "SELECT FROM strata.create_hypertable('{table}', strata.by_range('ts', INTERVAL '1 day'), create_default_indexes => false)"
    ))?;
    let Some((days, end)) = premade else {
        return Ok(());
    };
    // and the next ones, as in operation: else the worker makes them while the rows of the last are timed
    let mut made = -AHEAD;
    while made < days {
        let next = (made + BATCH).min(days);
        session.batch_execute(&format!(
            "SELECT count(*) FROM strata.premake_chunks('{table}', to_timestamp({}), to_timestamp({}))",
            end - next * DAY,
            end - made * DAY
        ))?;
        made = next;
    }
    Ok(())
}

/// pg_partman in this database: its version, or None.
fn partman(session: &mut Client) -> Option<String> {
    let there = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_partman'";
    if one(session, there) == "0" {
        return None;
    }
    exec(
        session,
        "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman",
    );
    Some(one(
        session,
        "SELECT extversion FROM pg_extension WHERE extname = 'pg_partman'",
    ))
}

/// Installs Debian's pg_partman when the server is Debian's and we may. Says what it does.
pub fn install_partman() {
    let config = PgConfig::get();
    let control = config.share.join("extension/pg_partman.control");
    if control.exists() {
        return;
    }
    let package = format!("postgresql-{}-partman", config.major);
    let debian =
        config.bin == std::path::Path::new(&format!("/usr/lib/postgresql/{}/bin", config.major));
    if !debian || !crate::common::is_root() {
        println!(
            "pg_partman is not installed in this server: it does not take part (Debian: apt-get install {package})"
        );
        return;
    }
    println!("installing {package} with apt-get, for the comparison");
    let done = std::process::Command::new("apt-get")
        .args(["install", "-y", "-qq", "--no-install-recommends", &package])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output();
    if !done.is_ok_and(|output| output.status.success()) {
        println!("apt-get could not install {package}: pg_partman does not take part");
    }
}
