//! pg_strata: hypertables whose old chunks live as SQLite files, and still answer.
//!
//! Nouns are folders; `pg` is the only place with `unsafe`. Start with `hypertable`, then `cold`.

#![cfg_attr(
    any(test, feature = "pg_test"),
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        reason = "a test that cannot go on must fail"
    )
)]

pub mod error;

pub mod hypertable;

pub mod cold;

pub mod worker;

#[allow(unsafe_code)]
pub mod pg;

#[cfg(not(panic = "unwind"))]
compile_error!("pg_strata needs panic = \"unwind\": PostgreSQL errors travel as panics");

::pgrx::pg_module_magic!(name, version);

pgrx::extension_sql_file!(
    "../sql/hypertable/tables.sql",
    name = "hypertable_tables",
    bootstrap
);
pgrx::extension_sql_file!(
    "../sql/cold/tables.sql",
    name = "cold_tables",
    requires = ["hypertable_tables"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/code.sql",
    name = "hypertable_code",
    requires = ["cold_tables"]
);
pgrx::extension_sql_file!(
    "../sql/cold/code.sql",
    name = "cold_code",
    requires = ["hypertable_code"]
);
pgrx::extension_sql_file!(
    "../sql/hypertable/comments.sql",
    name = "hypertable_comments",
    requires = ["cold_code"]
);
pgrx::extension_sql_file!(
    "../sql/cold/comments.sql",
    name = "cold_comments",
    requires = ["hypertable_comments"]
);
pgrx::extension_sql_file!("../sql/grants.sql", name = "grants", finalize);

/// Called once per process, in the postmaster when preloaded, else at the first use in a session.
#[pgrx::pg_guard]
#[allow(non_snake_case)]
pub extern "C-unwind" fn _PG_init() {
    pg::init();
    cold::init();
    worker::register_step("premake", || hypertable::premake_all().map(|_| ()));
    worker::register_step("export", cold::start_if_pending);
    worker::register_job(cold::EXPORT_JOB, cold::run_queued);
    worker::init();
}

#[cfg(any(test, feature = "pg_test"))]
#[path = "../pg_test/mod.rs"]
pub mod pg_test;
