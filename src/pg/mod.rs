//! Everything that touches PostgreSQL's C interface: the only folder with `unsafe`.
//!
//! A wrapper here returns owned or lifetime-bound safe values, checks its own preconditions and
//! releases by Drop. No rule of a noun lives here: nouns register functions or implement traits.

mod altered;
pub mod anyvalue;
pub mod bgworker;
pub(crate) mod call;
pub mod catalog;
mod cold_agg;
mod cold_agg_file;
mod cold_agg_groups;
mod cold_agg_path;
mod cold_agg_run;
mod cold_agg_target;
pub mod cold_ahead;
pub mod cold_am;
mod cold_am_ddl;
mod cold_am_write;
pub mod cold_bloom;
mod cold_changed;
mod cold_clause;
mod cold_compare;
mod cold_conflict;
pub mod cold_copy;
mod cold_cost;
pub mod cold_datum;
mod cold_dump;
mod cold_duplicate;
mod cold_explain;
mod cold_fdw;
mod cold_fdw_analyze;
mod cold_fdw_import;
mod cold_fdw_paths;
mod cold_fdw_scan;
mod cold_fetch;
pub mod cold_files;
mod cold_first;
mod cold_foreign_file;
mod cold_foreign_index;
mod cold_foreign_open;
mod cold_foreign_value;
pub mod cold_guard;
mod cold_heap;
mod cold_jit;
mod cold_late;
mod cold_late_index;
mod cold_missing;
pub mod cold_move;
mod cold_param;
mod cold_path;
mod cold_plan;
mod cold_prefetch;
mod cold_probe;
mod cold_probe_ask;
pub mod cold_probe_keys;
mod cold_range;
pub mod cold_reader;
mod cold_reads;
mod cold_rows;
mod cold_rule_out;
mod cold_run;
pub mod cold_scan;
mod cold_slot;
mod cold_start;
pub mod cold_state;
pub mod cold_stub;
pub mod cold_types;
pub mod cold_untier;
mod cold_value;
pub mod compat;
mod compat_collation;
mod compat_copy;
mod compat_executor;
mod compat_plan;
mod compat_segment;
mod compat_swap;
pub mod compat_wait;
mod copy;
mod copy_demand;
mod copy_error;
mod copy_flush;
mod copy_leaf;
mod copy_park;
mod copy_raw;
mod copy_route;
mod copy_run;
mod copy_spool;
mod custom_node;
pub mod databases;
mod datum;
pub mod demand;
mod demand_here;
mod demand_place;
mod demand_rules;
pub mod disk;
mod explain;
pub mod ffi;
mod first_last;
pub mod foreign_words;
mod gapfill;
mod gapfill_inline;
mod gapfill_keep;
mod gapfill_layout;
mod gapfill_limits;
mod gapfill_literal;
mod gapfill_marker;
mod gapfill_node;
mod gapfill_outer;
mod gapfill_output;
mod gapfill_path;
mod gapfill_plan;
mod gapfill_query;
mod gapfill_range;
mod gapfill_run;
pub mod guc;
pub mod guc_queue;
pub mod heap_delta;
mod histogram;
pub mod hooks;
pub mod inject;
pub mod json;
pub mod json_arg;
pub mod key_store;
pub mod latch;
mod lazy_edges;
mod lazy_limit;
mod lazy_parts;
mod lazy_path;
mod lazy_plan;
pub mod lazy_scan;
mod lazy_window;
mod list;
pub mod maker;
pub mod managed;
pub mod nonatomic;
pub mod notify;
pub mod object_lock;
mod opener;
pub mod owner;
pub mod partition;
mod placed_node;
mod planner;
mod planner_bucket;
mod planner_clause;
mod planner_end;
mod planner_join;
mod planner_now;
mod planner_zone;
mod planner_zone_cache;
pub mod progress;
pub mod query_shape;
pub mod queue_args;
pub mod queue_async;
pub mod queue_board;
pub mod queue_call;
pub mod queue_counters;
pub mod queue_dirty;
pub mod queue_many_call;
pub mod queue_memory;
pub mod queue_past;
pub mod queue_rows;
pub mod queue_seq;
pub mod queue_session;
pub mod queue_wake;
pub mod queue_watch;
pub mod queue_xact;
pub mod random;
pub mod reader;
pub mod relation_facts;
pub mod relation_rows;
mod router;
mod router_ahead;
mod router_key;
mod router_merge;
mod router_move;
mod router_node;
mod router_store;
pub mod runner_slot;
pub mod segment;
mod segment_chain;
mod segment_indexes;
mod segment_lanes;
pub mod segment_look;
pub mod segment_sweep;
mod segment_values;
pub mod segment_walk;
pub mod session;
pub mod shmem;
pub mod sigmask;
pub mod spi;
mod spi_args;
mod spi_row;
mod spool;
pub mod sql_command;
pub mod sql_job;
pub mod sqlite;
mod sqlite_cursor;
mod sqlite_error;
mod sqlite_vfs;
mod sqlite_walk;
pub mod subxact;
pub mod time;
mod time_zone;
pub mod timeout;
pub mod toplevel;
pub mod with_options;
mod with_words;
pub mod xact;

/// Installs settings and hooks. Under pg_upgrade nothing but the settings is installed.
pub fn init() {
    guc::init();
    if binary_upgrade() {
        return;
    }
    hooks::init();
    cold_scan::METHODS.register();
    cold_agg::METHODS.register();
    gapfill_node::METHODS.register();
    lazy_scan::METHODS.register();
    time_zone::init();
    sqlite::set_interrupt_check(|| {
        catalog::check_for_interrupts();
        cold_ahead::glance();
    });
    if preloading() {
        shmem::init();
        queue_board::init();
        queue_dirty::init();
        queue_counters::init();
        queue_wake::init();
    }
}

/// True while the postmaster loads `shared_preload_libraries`.
pub fn preloading() -> bool {
    // SAFETY: a plain global flag, read in the main thread
    unsafe { pgrx::pg_sys::process_shared_preload_libraries_in_progress }
}

/// True in a server that pg_upgrade started.
pub fn binary_upgrade() -> bool {
    // SAFETY: a plain global flag, read in the main thread
    unsafe { pgrx::pg_sys::IsBinaryUpgrade }
}
