//! Servers shared by the tests, databases of their own, and short ways to ask them.

use crate::common::{ACCESS_KEY, Cluster, REGION, S3Server, SECRET_KEY, wait_until};
use postgres::error::DbError;
use postgres::{Client, SimpleQueryMessage};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

pub const BUCKET: &str = "bucket";

/// A server without preload that all tests share which neither crash it nor arm stop points.
pub fn server() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| Cluster::builder().set("max_worker_processes", "24").start())
}

/// The S3 server that all tests share; keys of different tests differ in their prefix.
pub fn s3() -> &'static S3Server {
    static STORE: OnceLock<S3Server> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = S3Server::start();
        store.create_bucket(BUCKET);
        store
    })
}

/// A server whose stop points are armed by one test at a time.
pub struct Armed(Mutex<Cluster>);

impl Armed {
    pub fn new() -> Armed {
        let builder = Cluster::builder().set("max_worker_processes", "24");
        // an orphan of a crash is not to be waited for
        Armed(Mutex::new(builder.start()))
    }

    /// The server, alone.
    pub fn take(&self) -> MutexGuard<'_, Cluster> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Arms stop points (empty: none) for everything that starts or reloads from now on.
pub fn arm(cluster: &Cluster, points: &str) {
    cluster.configure(&[("strata.inject", points)]);
    cluster.reload();
}

/// A database with the extension.
pub struct Db<'a> {
    pub cluster: &'a Cluster,
    pub name: &'a str,
}

impl<'a> Db<'a> {
    pub fn new(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
        let db = Db::empty(cluster, name);
        db.run("CREATE EXTENSION pg_strata");
        db
    }

    pub fn empty(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
        cluster.create_database(name);
        Db { cluster, name }
    }

    /// A script in a psql of its own.
    #[track_caller]
    pub fn run(&self, sql: &str) -> String {
        self.cluster.psql(self.name, sql)
    }

    pub fn session(&self) -> Client {
        self.cluster.client(self.name)
    }

    pub fn session_as(&self, user: &str) -> Client {
        self.cluster.client_as(user, self.name)
    }

    /// One row and column, asked in a new session.
    #[track_caller]
    pub fn one(&self, sql: &str) -> String {
        one(&mut self.session(), sql)
    }

    /// The table `m`, by month: 2160 hours from January to March 2025, three chunks.
    pub fn metrics(&self) {
        self.run(METRICS);
    }

    /// Rows of `m` as one hash, and their number; in a new session.
    #[track_caller]
    pub fn hash(&self) -> String {
        self.one(HASH)
    }

    /// Tiers chunks of `m` that end before a date, and waits.
    #[track_caller]
    pub fn tier(&self, older_than: &str) {
        self.run(&format!(
            "CALL strata.tier_chunks('m', older_than => timestamptz '{older_than} 00:00+00')"
        ));
    }

    /// A server `archive` on the shared S3 server, reached by `endpoint`, for the tables of postgres.
    pub fn archive(&self, endpoint: &str, more: &str) {
        self.run(&format!(
            "CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://{BUCKET}/{}', \
             endpoint '{endpoint}', region '{REGION}', path_style 'true', allow_http 'true' {more}); \
             CREATE USER MAPPING FOR postgres SERVER archive \
             OPTIONS (access_key_id '{ACCESS_KEY}', secret_access_key '{SECRET_KEY}')",
            self.name
        ));
    }

    /// Keys of live files, oldest chunk first.
    pub fn keys(&self) -> Vec<String> {
        let sql = "SELECT string_agg(key, ' ' ORDER BY range_start) FROM strata.cold_files";
        let found = self.one(sql);
        found.split_whitespace().map(str::to_owned).collect()
    }

    /// The files of the built-in store that belong to live chunks, oldest first.
    pub fn local_files(&self) -> Vec<PathBuf> {
        let root = self.cluster.data().join("strata_cold");
        self.keys().iter().map(|key| root.join(key)).collect()
    }
}

const METRICS: &str = "
    CREATE TABLE m (id bigint, ts timestamptz NOT NULL, dev int NOT NULL, val float8, note text,
        PRIMARY KEY (id, ts));
    CREATE INDEX m_dev ON m (dev, ts);
    INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g % 7, g / 4.0,
        CASE WHEN g % 10 > 0 THEN 'n' || g END FROM generate_series(0, 2159) g;
    SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)";

/// Chunks of `m` in a database where it is the first hypertable.
pub const JANUARY: &str = "strata_chunks.m_h1_20250101";
pub const FEBRUARY: &str = "strata_chunks.m_h1_20250201";

pub const HASH: &str =
    "SELECT md5(string_agg(m::text, E'\\n' ORDER BY id, ts)) || ' ' || count(*) FROM m";

/// First column of the first row; empty when it is NULL or there is no row.
#[track_caller]
pub fn one(session: &mut Client, sql: &str) -> String {
    match try_one(session, sql) {
        Ok(text) => text,
        Err(error) => panic!("{error:?}\nin: {sql}"),
    }
}

/// Like [`one`]. Goes without parameters and prepared statements, as psql does.
pub fn try_one(session: &mut Client, sql: &str) -> Result<String, postgres::Error> {
    let messages = session.simple_query(sql)?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    Ok(row.unwrap_or_default())
}

/// All rows, columns separated by `|`, rows by line ends; NULL is empty.
#[track_caller]
pub fn rows(session: &mut Client, sql: &str) -> String {
    let messages = session.simple_query(sql);
    let messages = messages.unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
    let lines = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(
            (0..row.len())
                .map(|i| row.get(i).unwrap_or_default())
                .collect::<Vec<_>>()
                .join("|"),
        ),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[track_caller]
pub fn exec(session: &mut Client, sql: &str) {
    session
        .batch_execute(sql)
        .unwrap_or_else(|error| panic!("{error:?}\nin: {sql}"));
}

/// The statement must fail with this SQLSTATE, and its message must hold all of these words.
#[track_caller]
pub fn fails(session: &mut Client, sql: &str, code: &str, words: &[&str]) -> DbError {
    let Err(error) = session.batch_execute(sql) else {
        panic!("no error, expected {code} from: {sql}");
    };
    let error = error
        .as_db_error()
        .unwrap_or_else(|| panic!("the connection broke: {error:?}\nin: {sql}"))
        .clone();
    assert_eq!(error.code().code(), code, "{error:?}\nin: {sql}");
    for word in words {
        assert!(error.message().contains(word), "no {word:?} in {error:?}");
    }
    error
}

/// What Debian's sqlite3 shell prints.
#[track_caller]
pub fn sqlite3(file: &std::path::Path, sql: &str) -> String {
    assert!(file.exists(), "no file {}", file.display());
    let output = Command::new("sqlite3")
        .args(["-batch", "-bail", "-readonly"])
        .arg(file)
        .arg(sql)
        .output()
        .expect("sqlite3, installed by .ci/setup");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {errors}");
    String::from_utf8(output.stdout)
        .expect("UTF-8")
        .trim_end()
        .to_owned()
}

/// How a chunk stands in the catalog: hot, frozen or live.
pub fn chunk_state(session: &mut Client, chunk: &str) -> String {
    let sql = format!(
        "SELECT coalesce((SELECT state FROM strata.cold_file WHERE chunk = '{chunk}'::regclass), 'hot')"
    );
    one(session, &sql)
}

/// Waits until the job of a chunk has ended well.
#[track_caller]
pub fn wait_cold(session: &mut Client, chunk: &str) {
    wait_until(&format!("{chunk} is cold"), || {
        let sql = format!(
            "SELECT coalesce(last_error, '') FROM strata.cold_exports WHERE chunk = '{chunk}'::regclass AND state = 'failed'"
        );
        let failure = one(session, &sql);
        assert_eq!(failure, "", "the export failed");
        chunk_state(session, chunk) == "live"
    });
}

/// Like [`wait_cold`] while the server may crash and come back.
pub fn wait_cold_through_crashes(db: &Db, chunk: &str) {
    let sql = format!("SELECT count(*) FROM strata.cold_files WHERE chunk = '{chunk}'::regclass");
    wait_until(&format!("{chunk} is cold"), || {
        let Ok(mut session) = db.cluster.try_client(db.name) else {
            return false;
        };
        try_one(&mut session, &sql).is_ok_and(|count| count == "1")
    });
}

/// Waits until the exporter rests in this step, which it does at an armed point only.
#[track_caller]
pub fn wait_at(session: &mut Client, step: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_strata job%' \
         AND query = 'pg_strata: tiering, step {step}' AND wait_event = 'Extension'"
    );
    let mut seen = 0;
    wait_until(&format!("the exporter rests in step {step}"), || {
        seen = if one(session, &sql) == "1" {
            seen + 1
        } else {
            0
        };
        seen >= 3
    });
}
