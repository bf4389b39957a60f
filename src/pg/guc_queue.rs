//! Settings of the job queue.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use std::time::Duration;

/// Whether a transaction that did nothing but claim jobs waits for the disk (any user).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum ClaimAsync {
    /// it does not: a claim that is lost in a crash is given again
    #[name = c"auto"]
    Auto,
    /// it waits as `synchronous_commit` says
    #[name = c"off"]
    Off,
}

pub static CLAIM_ASYNC: GucSetting<ClaimAsync> = GucSetting::<ClaimAsync>::new(ClaimAsync::Auto);

/// Shortest time between two notifications of one database, in milliseconds (postgresql.conf).
pub static WAKE_INTERVAL_MS: GucSetting<i32> = GucSetting::<i32>::new(10);

/// The same as a duration.
pub fn wake_interval() -> Duration {
    Duration::from_millis(u64::try_from(WAKE_INTERVAL_MS.get()).unwrap_or(10))
}

/// Defines them.
pub(super) fn init() {
    GucRegistry::define_enum_guc(
        c"strata.claim_async",
        c"Whether a transaction that did nothing but claim jobs goes without waiting for the disk.",
        c"A claim that a crash has undone is given to the next worker. off: it waits as synchronous_commit says.",
        &CLAIM_ASYNC,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"strata.wake_interval",
        c"Shortest time between two notifications that the background worker sends for queues.",
        c"Jobs that become ready in between are told by one notification per queue.",
        &WAKE_INTERVAL_MS,
        1,
        60_000,
        GucContext::Sighup,
        GucFlags::UNIT_MS,
    );
}
