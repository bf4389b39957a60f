//! Servers that the tests of migrations share, and files for them.

use crate::common::Cluster;
pub use crate::common::{Db, exec, fails, one, rows};
use postgres::Client;
use std::sync::OnceLock;

/// Migrations need no preload.
pub fn plain() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| Cluster::builder().set("max_connections", "100").start())
}

/// A database without migrations.
pub fn database(name: &str) -> Db<'_> {
    Db::new(plain(), name)
}

/// Registers files, which must be taken; what became of each.
#[track_caller]
pub fn register(s: &mut Client, files: &[(&str, &str)]) -> String {
    files
        .iter()
        .map(|(name, body)| {
            let sql = "SELECT change FROM strata.migrate_register($1, $2)";
            let row = s.query_one(sql, &[name, body]);
            let row = row.unwrap_or_else(|e| panic!("{name}: {:?}", e.as_db_error()));
            row.get::<_, String>(0)
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a run says: version, direction, outcome.
#[track_caller]
pub fn run(s: &mut Client, call: &str) -> String {
    let sql = format!("SELECT version || ' ' || outcome FROM strata.{call}");
    rows(s, &sql).replace('\n', ", ")
}

/// The highest applied version; empty for none.
#[track_caller]
pub fn head(s: &mut Client) -> String {
    one(s, "SELECT coalesce(strata.migrate_version(), '')")
}

/// Versions and states.
#[track_caller]
pub fn states(s: &mut Client) -> String {
    let sql = "SELECT coalesce(version, name) || ' ' || state FROM strata.migrate_status()";
    rows(s, sql).replace('\n', ", ")
}

/// Everything that a session has of its own.
pub fn session_state(s: &mut Client) -> String {
    rows(
        s,
        "SELECT name, setting FROM pg_settings WHERE name !~ '^(plpgsql|strata)[.]' UNION ALL SELECT 'user', current_user::text \
         UNION ALL SELECT 'prepared', name FROM pg_prepared_statements \
         UNION ALL SELECT 'temporary', pg_describe_object(classid, objid, 0) FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = pg_my_temp_schema() \
         UNION ALL SELECT 'cursor', name FROM pg_cursors WHERE statement !~ 'pg_my_temp_schema' \
         UNION ALL SELECT 'session', session_user::text \
         UNION ALL SELECT 'advisory', objid::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \
         ORDER BY 1, 2",
    )
}

/// Nothing of what a session has is another than it was.
#[track_caller]
pub fn same_session(s: &mut Client, before: &str) {
    let now = session_state(s);
    let gone = before.lines().filter(|l| !now.lines().any(|n| n == *l));
    let new = now.lines().filter(|l| !before.lines().any(|b| b == *l));
    let changed: Vec<_> = gone
        .map(|l| format!("- {l}"))
        .chain(new.map(|l| format!("+ {l}")))
        .collect();
    assert!(changed.is_empty(), "{changed:?}");
}
