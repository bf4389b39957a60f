//! Cases of COPY, each run three times: on a native partitioned table, on a hypertable whose chunks are
//! there, and on one whose chunks are all missing.

use crate::common::{Cluster, Db, exec, rows};
use postgres::Client;
use std::io::Write;
use std::sync::{LazyLock, Mutex, PoisonError};

pub static SERVER: LazyLock<Cluster> = LazyLock::new(|| {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "100")
        .start()
});

/// A table, and what is copied into it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub name: &'a str,
    /// columns and constraints of table `t`; the key is `ts`, in days of January 2024
    pub columns: &'a str,
    /// after the table and its partitions are made
    pub setup: &'a str,
    pub copy: &'a str,
    pub data: &'a [u8],
    /// what is compared, besides the rows of `t`
    pub also: &'a str,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Case {
            name: "",
            columns: "ts timestamptz NOT NULL, a int, b text",
            setup: "",
            copy: "COPY t FROM STDIN",
            data: b"",
            also: "SELECT 1",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Native,
    Made,
    Missing,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Native => "native",
            Kind::Made => "made",
            Kind::Missing => "missing",
        }
    }
}

/// Three databases, lent to one case at a time: making them anew for each would take most of the time.
struct Lent(usize);

static FREE: Mutex<(usize, Vec<usize>)> = Mutex::new((0, Vec::new()));

impl Lent {
    fn take() -> Lent {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = free.1.pop() {
            return Lent(old);
        }
        free.0 += 1;
        let lent = Lent(free.0);
        drop(free);
        for kind in [Kind::Native, Kind::Made, Kind::Missing] {
            let name = lent.database(kind);
            SERVER.create_database(&name);
            if kind != Kind::Native {
                SERVER.psql(&name, "CREATE EXTENSION pg_strata");
            }
        }
        lent
    }

    fn database(&self, kind: Kind) -> String {
        format!("{}_{}", kind.name(), self.0)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // what a failed case left behind is cleared away by the next one
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.1.push(self.0);
    }
}

/// Makes the table of a case in all three ways and gives each to `f`, with its database.
pub fn three<T>(case: &Case, mut f: impl FnMut(&str, Client) -> T) -> [T; 3] {
    let lent = Lent::take();
    [Kind::Native, Kind::Made, Kind::Missing].map(|kind| {
        let database = lent.database(kind);
        let session = table(case, kind, &database);
        f(&database, session)
    })
}

/// A hypertable without chunks in a database that nobody else uses.
pub fn alone(name: &str, case: &Case) -> Client {
    Db::new(&SERVER, name);
    table(case, Kind::Missing, name)
}

/// Makes table `t` in an empty schema.
fn table(case: &Case, kind: Kind, database: &str) -> Client {
    let mut session = SERVER.client(database);
    exec(
        &mut session,
        "SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public;
         GRANT USAGE ON SCHEMA public TO public; RESET client_min_messages",
    );
    exec(
        &mut session,
        &format!(
            "SET timezone = 'UTC'; CREATE TABLE t ({}) PARTITION BY RANGE (ts)",
            case.columns
        ),
    );
    match kind {
        Kind::Native => exec(
            &mut session,
            "DO $$ BEGIN FOR i IN 0..30 LOOP
               EXECUTE format('CREATE TABLE %I PARTITION OF t FOR VALUES FROM (%L) TO (%L)',
                 't_h_' || to_char(date '2024-01-01' + i, 'YYYYMMDD'),
                 date '2024-01-01' + i, date '2024-01-02' + i); END LOOP; END $$",
        ),
        Kind::Made | Kind::Missing => exec(
            &mut session,
            "SELECT FROM strata.create_hypertable('t', strata.by_range('ts', interval '1 day'),
                 create_default_indexes => false)",
        ),
    }
    if kind == Kind::Made {
        let make = "SELECT strata.premake_chunks('t', timestamptz '2024-01-01',
                                                 timestamptz '2024-01-31')";
        exec(&mut session, make);
    }
    exec(&mut session, case.setup);
    session
}

/// The row count of a COPY, or its error with everything that the client sees of it.
pub fn copy_in(session: &mut Client, sql: &str, data: &[u8]) -> Result<u64, String> {
    let outcome = session.copy_in(sql).and_then(|mut writer| {
        // an error of the server shows at the end
        let _ = writer.write_all(data);
        writer.finish()
    });
    outcome.map_err(|error| {
        let Some(db) = error.as_db_error() else {
            panic!("the connection broke: {error:?}\nin: {sql}");
        };
        format!(
            "{} {} | {} | {} | {} | {} {}",
            db.code().code(),
            db.message(),
            db.detail().unwrap_or_default(),
            db.hint().unwrap_or_default(),
            db.where_().unwrap_or_default(),
            db.constraint().unwrap_or_default(),
            db.column().unwrap_or_default(),
        )
    })
}

fn outcome(case: &Case, database: &str, mut session: Client) -> String {
    let said = match copy_in(&mut session, case.copy, case.data) {
        Ok(n) => format!("COPY {n}"),
        Err(error) => {
            // the driver loses step when COPY fails before it asks for data
            session = SERVER.client(database);
            exec(&mut session, "SET timezone = 'UTC'");
            error
        }
    };
    let kept = rows(
        &mut session,
        "SELECT t::text, tableoid::regclass FROM t ORDER BY 1",
    );
    let also = rows(&mut session, case.also);
    leaf_names(&format!("{said}\n{kept}\n{also}"))
}

/// Schema and number of the hypertable cut out of names such as `strata_chunks.t_h12_20240102`.
pub fn leaf_names(text: &str) -> String {
    let text = text.replace("strata_chunks.", "").replace("public.", "");
    let mut parts = text.split("t_h");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        out.push_str("t_h");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

/// All three ways give the same; returns it.
#[track_caller]
pub fn same(case: Case) -> String {
    let [native, made, missing] =
        three(&case, |database, session| outcome(&case, database, session));
    assert_eq!(made, native, "{}: chunks were there", case.name);
    assert_eq!(missing, native, "{}: chunks were missing", case.name);
    native
}

pub const ROWS: &[u8] = b"2024-01-02 10:00\t1\tone\n2024-01-05 10:00\t2\t\\N\n\
2024-01-02 11:00\t3\tthree\n2024-01-20 10:00\t4\tfour\n2024-01-05 00:00\t5\tfive\n";
