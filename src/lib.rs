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

pub mod queue;

pub mod migration;

pub mod worker;

#[allow(unsafe_code)]
pub mod pg;

mod sql_files;

#[cfg(not(panic = "unwind"))]
compile_error!("pg_strata needs panic = \"unwind\": PostgreSQL errors travel as panics");

::pgrx::pg_module_magic!(name, version);

/// Called once per process, in the postmaster when preloaded, else at the first use in a session.
#[pgrx::pg_guard]
#[allow(non_snake_case)]
pub extern "C-unwind" fn _PG_init() {
    pg::init();
    cold::init();
    hypertable::on_demand::init();
    hypertable::create_with::init();
    hypertable::clients::init();
    worker::register_step("premake", || hypertable::premake_all().map(|_| ()));
    worker::register_step("export", cold::start_if_pending);
    worker::register_job(cold::EXPORT_JOB, cold::run_queued);
    worker::register_step("cold_gc", cold::collect_garbage_if_due);
    worker::register_job(cold::GC_JOB, cold::collect_garbage);
    worker::register_task(cold::GC_JOB, cold::collect_garbage_now);
    queue::init();
    hypertable::policies();
    migration::init();
    worker::init();
}

#[cfg(any(test, feature = "pg_test"))]
#[path = "../pg_test/mod.rs"]
pub mod pg_test;
