//! Short ways to run backfills and to watch them.

use crate::common::{try_one, wait_until};
use crate::support::{exec, fails, one, rows};
use postgres::Client;
use postgres::error::DbError;
use std::thread::JoinHandle;

/// A table of 500 rows.
pub const ROWS: &str = "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0); INSERT INTO t SELECT generate_series(1, 500)";
/// Locks of the process whose id follows.
pub const LOCKS: &str = "SELECT count(*) FROM pg_locks WHERE locktype IN ('relation', 'transactionid', 'tuple', 'advisory') AND pid = ";

/// What the table has is what the task says: the rows up to its position, once, and no others.
#[track_caller]
pub fn one_thing(s: &mut Client, n: i32, state: &str) {
    let sql = format!(
        "SELECT (SELECT done FROM strata.task_progress('k')) = count(*) FILTER (WHERE n = {n}), max(n) = {n}, \
         COALESCE(max(id) FILTER (WHERE n = {n}), 0) = (SELECT COALESCE(last_key[1], '0')::int FROM strata.task WHERE task = 'k'), \
         (SELECT state FROM strata.task_progress('k')) FROM t"
    );
    assert_eq!(rows(s, &sql), format!("t|t|t|{state}"));
}

/// `CALL strata.task_backfill(…)`: rows that it says it has done.
#[track_caller]
pub fn fill(s: &mut Client, arguments: &str) -> String {
    one(s, &format!("CALL strata.task_backfill({arguments})"))
}

/// Like [`fails`]; DETAIL and HINT must hold all of `more`.
#[track_caller]
pub fn refused(s: &mut Client, sql: &str, code: &str, words: &[&str], more: &[&str]) -> DbError {
    let error = fails(s, sql, code, words);
    let told = format!(
        "{}\n{}",
        error.detail().unwrap_or_default(),
        error.hint().unwrap_or_default()
    );
    for word in more {
        assert!(told.contains(word), "no {word:?} in {error:?}");
    }
    error
}

/// Runs the statement that the HINT names, which ends with a semicolon.
#[track_caller]
pub fn follow(s: &mut Client, error: &DbError) {
    let hint = error.hint().unwrap_or_else(|| panic!("no hint: {error:?}"));
    let (statement, _) = hint.split_once(';').expect("a statement in the hint");
    exec(s, statement);
}

/// A statement that runs in a thread.
pub struct Beside {
    /// The process that runs it.
    pub pid: String,
    thread: JoinHandle<Result<String, postgres::Error>>,
}

impl Beside {
    pub fn run(mut session: Client, sql: &str) -> Beside {
        let pid = one(&mut session, "SELECT pg_backend_pid()");
        let sql = sql.to_owned();
        let thread = std::thread::spawn(move || try_one(&mut session, &sql));
        Beside { pid, thread }
    }

    /// A backfill.
    pub fn fill(session: Client, arguments: &str) -> Beside {
        Beside::run(session, &format!("CALL strata.task_backfill({arguments})"))
    }

    /// Waits until `condition` holds of the row of pg_stat_activity.
    #[track_caller]
    pub fn until(&self, watch: &mut Client, condition: &str) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND {condition}",
            self.pid
        );
        wait_until(condition, || one(watch, &sql) == "1");
    }

    /// Waits until it sleeps, between tries or batches.
    #[track_caller]
    pub fn until_asleep(&self, watch: &mut Client) {
        self.until(watch, "wait_event = 'PgSleep'");
    }

    /// Waits until it sleeps and holds no lock.
    #[track_caller]
    pub fn until_idle(&self, watch: &mut Client) {
        let free = format!("wait_event = 'PgSleep' AND ({LOCKS}{}) = 0", self.pid);
        self.until(watch, &free);
    }

    /// Waits until it waits for a lock.
    #[track_caller]
    pub fn until_blocked(&self, watch: &mut Client) {
        self.until(watch, "wait_event_type = 'Lock'");
    }

    pub fn end(self) -> Result<String, postgres::Error> {
        self.thread.join().expect("no panic")
    }

    /// What it gave.
    #[track_caller]
    pub fn done(self) -> String {
        self.end().unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// The error that it ended with; empty for a connection that broke.
    #[track_caller]
    pub fn error(self) -> String {
        let error = self.end().expect_err("an error");
        error.as_db_error().map_or_else(String::new, |e| {
            format!(
                "{}: {}\n{}\n{}",
                e.code().code(),
                e.message(),
                e.detail().unwrap_or_default(),
                e.hint().unwrap_or_default()
            )
        })
    }
}
