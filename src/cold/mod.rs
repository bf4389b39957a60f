//! The cold tier: old chunks as SQLite files in a store, read in place through the hypertable.
//!
//! Invariant: a row moves between heap and file only when every snapshot that can still be used
//! agrees about it, and the catalog change that says so is the one atomic point.

pub mod aggregate;
pub mod api;
pub mod blocks;
pub mod bloom;
pub mod bloom_keys;
pub mod cache;
pub mod catalog;
mod cell;
mod check;
pub mod column_stats;
pub mod content;
pub mod cost;
pub mod credentials;
pub mod disk_cache;
pub mod event_api;
mod event_table;
pub mod events;
pub mod export;
mod export_check;
mod export_file;
mod export_freeze;
mod export_swap;
pub mod facts;
pub mod file;
mod file_check;
pub mod file_map;
pub mod file_schema;
mod flights;
pub mod foreign;
pub mod foreign_time;
mod gc;
mod gc_run;
mod gc_search;
pub mod groups;
mod inspect;
#[cfg(feature = "s3")]
pub mod io_thread;
mod lease;
mod link;
pub mod manifest;
pub mod mapping;
pub mod merge;
pub mod name;
mod option_values;
pub mod order;
pub mod owner;
pub mod pages;
mod policy;
mod prefix;
pub mod pushdown;
mod pushdown_sql;
pub mod readahead;
mod record;
pub mod runs;
pub mod server_options;
pub mod servers;
pub mod storage;
pub mod store;
pub mod sums;
mod temp;
mod tier;
mod untier;
pub mod upkeep_api;
mod upkeep_stores;
mod zone;

pub use export::{JOB as EXPORT_JOB, run_queued, start_if_pending};
pub use gc_run::{
    JOB as GC_JOB, renew_after_export, run_job as collect_garbage, run_task as collect_garbage_now,
    start_if_due as collect_garbage_if_due,
};

use crate::pg::cold_state::{Catalog, set_catalog};

/// Tells `pg` where the manifest is; once, when the library is loaded.
pub fn init() {
    policy::init();
    set_catalog(Catalog {
        states_of: catalog::states_of,
        bloom_bits: catalog::bloom::bits,
        file_in_snapshot: catalog::file_in_snapshot,
        forget: catalog::forget_file,
        key_covers: catalog::keys::covers,
        facts: catalog::layout::facts,
        runs: catalog::layout::runs,
        store: servers::store_for,
        foreign_store: servers::store_for_foreign,
        drop_extension: catalog::guard::drop_extension,
        drop_servers: catalog::guard::drop_servers,
        alter_server: catalog::guard_server::alter_server,
        rename_server: catalog::guard_server::rename_server,
        retyped: catalog::guard::retyped,
        is_current: catalog::guard::is_current,
        alter_type: catalog::guard::alter_type,
        drop_owned: catalog::guard::drop_owned,
    });
}
