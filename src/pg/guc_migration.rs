//! Settings of migrations.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

/// So many captured changes are kept, those of migrations and the others together; 0: all (postgresql.conf).
pub static CAPTURE_KEEP: GucSetting<i32> = GucSetting::<i32>::new(100_000);

/// Defines them.
pub(super) fn init() {
    GucRegistry::define_int_guc(
        c"strata.capture_keep",
        c"How many of the changes that strata.migrate_capture() has captured are kept.",
        c"Older ones are deleted from time to time while new ones come; 0 keeps all.",
        &CAPTURE_KEEP,
        0,
        i32::MAX,
        GucContext::Sighup,
        GucFlags::default(),
    );
}
