//! Settings under `strata.*`. None is postmaster-only: defining one after preload is FATAL.

use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting, PostgresGucEnum};
use pgrx::pg_sys;
use std::ffi::CString;
use std::time::Duration;

/// Filters are evaluated inside the SQLite file where that is exact (any user; for tests).
pub static COLD_PUSHDOWN: GucSetting<bool> = GucSetting::<bool>::new(true);

/// What queries do with cold files (any user).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum ColdReads {
    /// read them
    #[name = c"on"]
    On,
    /// skip them, and say so once per session
    #[name = c"off"]
    Off,
    /// raise instead of touching one
    #[name = c"error"]
    Error,
}

/// What pg_dump writes of a cold chunk (any user).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PostgresGucEnum)]
pub enum DumpCold {
    /// the manifest: the copy reads the same file
    #[name = c"manifest"]
    Manifest,
    /// the rows: the copy needs no file
    #[name = c"rows"]
    Rows,
}

/// What pg_dump writes of a cold chunk (any user).
pub static DUMP_COLD: GucSetting<DumpCold> = GucSetting::<DumpCold>::new(DumpCold::Manifest);

/// Whether queries read cold files (any user).
pub static COLD_READS: GucSetting<ColdReads> = GucSetting::<ColdReads>::new(ColdReads::On);

/// Planner units for one request to the store of a cold file (any user).
pub static COLD_GET_COST: GucSetting<f64> = GucSetting::<f64>::new(2000.0);

/// Planner units for one byte from the store of a cold file (any user).
pub static COLD_BYTE_COST: GucSetting<f64> = GucSetting::<f64>::new(0.0005);

/// Key ranges that follow from now() and time_bucket, and ordered scans in windows (any user).
pub static PLANNER: GucSetting<bool> = GucSetting::<bool>::new(true);

/// Directory of the built-in cold store, relative to the data directory or absolute (superuser).
pub static COLD_DIRECTORY: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c"strata_cold"));

/// Memory for blocks of cold files, per backend, in kilobytes (any user).
pub static COLD_CACHE_SIZE_KB: GucSetting<i32> = GucSetting::<i32>::new(65536);

/// Largest read-ahead of a remote cold file, in kilobytes (any user).
pub static COLD_READ_AHEAD_KB: GucSetting<i32> = GucSetting::<i32>::new(4096);

/// Cold files opened ahead below an Append (any user).
pub static COLD_PREFETCH: GucSetting<i32> = GucSetting::<i32>::new(4);

/// Directory on this server for blocks of remote cold files, shared by all backends; empty is none
/// (superuser).
pub static COLD_DISK_CACHE: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));

/// Bound of that directory, in megabytes (superuser).
pub static COLD_DISK_CACHE_SIZE_MB: GucSetting<i32> = GucSetting::<i32>::new(0);

/// Requests to remote stores that one statement may send; 0 is no limit (any user).
pub static COLD_GET_BUDGET: GucSetting<i32> = GucSetting::<i32>::new(0);

/// One attempt to lock a chunk for freezing or swapping lasts this long, in milliseconds (superuser).
pub static COLD_LOCK_TIMEOUT_MS: GucSetting<i32> = GucSetting::<i32>::new(100);

/// How long an export waits for locks and old snapshots before it gives up, in seconds (superuser).
pub static COLD_MAX_WAIT_S: GucSetting<i32> = GucSetting::<i32>::new(600);

/// The same as a duration.
pub fn cold_max_wait() -> Duration {
    Duration::from_secs(u64::try_from(COLD_MAX_WAIT_S.get()).unwrap_or(0).max(1))
}

/// How long a file that no chunk needs any more is kept, in seconds (postgresql.conf).
pub static COLD_GC_DELAY_S: GucSetting<i32> = GucSetting::<i32>::new(7 * 86_400);

/// Exports of one database that run at once (postgresql.conf).
pub static COLD_EXPORTERS: GucSetting<i32> = GucSetting::<i32>::new(2);

/// Where files are built before they are stored; empty: base/pgsql_tmp (superuser).
pub static COLD_TEMP_DIRECTORY: GucSetting<Option<CString>> =
    GucSetting::<Option<CString>>::new(Some(c""));

/// Largest plain table that create_hypertable moves row by row, in megabytes (any user).
pub static MOVE_LIMIT_MB: GucSetting<i32> = GucSetting::<i32>::new(64);

/// Pause between two rounds of a database worker, in seconds (postgresql.conf).
pub static WORKER_INTERVAL_S: GucSetting<i32> = GucSetting::<i32>::new(60);

/// Row versions after which a segment of a queue is full (postgresql.conf).
pub static QUEUE_SEGMENT_ROWS: GucSetting<i32> = GucSetting::<i32>::new(200_000);

/// A segment of a queue with many dead rows is not full before this age, in seconds (postgresql.conf).
pub static QUEUE_SEGMENT_AGE_S: GucSetting<i32> = GucSetting::<i32>::new(15);

/// Jobs of one database that run at once (postgresql.conf).
pub static MAX_RUNNING_JOBS: GucSetting<i32> = GucSetting::<i32>::new(2);

/// Processes of the whole server that run SQL jobs of queues (postgresql.conf).
pub static MAX_RUNNERS: GucSetting<i32> = GucSetting::<i32>::new(4);

/// How long the detaching of a chunk waits for sessions that use it before it leaves the rest to the next
/// run, in seconds (postgresql.conf).
pub static DETACH_WAIT_S: GucSetting<i32> = GucSetting::<i32>::new(60);

/// Armed stop points of the `inject` feature (superuser).
pub static INJECT: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

/// Settings of queries that read cold files.
fn define_cold_reads() {
    GucRegistry::define_enum_guc(
        c"strata.cold_reads",
        c"Whether queries read the files of cold chunks.",
        c"off leaves their rows out, error raises instead of reading one.",
        &COLD_READS,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_enum_guc(
        c"strata.dump_cold",
        c"What pg_dump writes of a cold chunk: the manifest of its file, or the rows.",
        c"To be set by PGOPTIONS for the whole of a dump.",
        &DUMP_COLD,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_float_guc(
        c"strata.cold_get_cost",
        c"Planner's cost of one request to the store of a cold file.",
        c"Local directories cost 4 per request, whatever this says.",
        &COLD_GET_COST,
        0.0,
        f64::MAX,
        GucContext::Userset,
        GucFlags::EXPLAIN,
    );
    GucRegistry::define_float_guc(
        c"strata.cold_byte_cost",
        c"Planner's cost of one byte from the store of a cold file.",
        c"Local directories cost nothing per byte.",
        &COLD_BYTE_COST,
        0.0,
        f64::MAX,
        GucContext::Userset,
        GucFlags::EXPLAIN,
    );
}

/// Defines all settings and reserves the prefix.
pub fn init() {
    GucRegistry::define_bool_guc(
        c"strata.cold_pushdown",
        c"Evaluates filters inside cold files where that is exact.",
        c"Off fetches all rows of a cold file and filters them locally.",
        &COLD_PUSHDOWN,
        GucContext::Userset,
        GucFlags::default(),
    );
    define_cold_reads();
    GucRegistry::define_bool_guc(
        c"strata.planner",
        c"Prunes chunks by now() and time_bucket, and reads ordered chunks one after another.",
        c"Off plans hypertables as PostgreSQL does.",
        &PLANNER,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"strata.cold_directory",
        c"Directory of the built-in cold store strata_local.",
        c"Relative to the data directory, or absolute.",
        &COLD_DIRECTORY,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_int_guc(
        c"strata.cold_cache_size",
        c"Memory for blocks of remote cold files, per backend.",
        c"",
        &COLD_CACHE_SIZE_KB,
        1024,
        16 * 1024 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    init_cold_reading();
    GucRegistry::define_int_guc(
        c"strata.cold_lock_timeout",
        c"Duration of one attempt to lock a chunk for tiering.",
        c"",
        &COLD_LOCK_TIMEOUT_MS,
        1,
        60_000,
        GucContext::Suset,
        GucFlags::UNIT_MS,
    );
    GucRegistry::define_int_guc(
        c"strata.cold_max_wait",
        c"How long tiering waits for locks and old snapshots before it gives up.",
        c"",
        &COLD_MAX_WAIT_S,
        1,
        86_400,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"strata.cold_gc_delay",
        c"How long a file that no chunk needs any more is kept.",
        c"Must cover the window of point-in-time recovery and the largest lag of a standby.",
        &COLD_GC_DELAY_S,
        0,
        10 * 365 * 86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"strata.cold_exporters",
        c"Chunks of one database that are tiered at once.",
        c"Each takes one of max_worker_processes, and maintenance_work_mem.",
        &COLD_EXPORTERS,
        1,
        64,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"strata.cold_temp_directory",
        c"Directory in which cold files are built before they are stored.",
        c"Empty: the directory of the server's own temporary files.",
        &COLD_TEMP_DIRECTORY,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_int_guc(
        c"strata.move_limit",
        c"Largest plain table that create_hypertable moves row by row.",
        c"",
        &MOVE_LIMIT_MB,
        0,
        1024 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_MB,
    );
    GucRegistry::define_int_guc(
        c"strata.worker_interval",
        c"Pause between two rounds of a database worker.",
        c"",
        &WORKER_INTERVAL_S,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"strata.queue_segment_rows",
        c"Row versions after which a segment of a queue is full.",
        c"With a tenth of it dead it is full, too, after strata.queue_segment_age.",
        &QUEUE_SEGMENT_ROWS,
        1_000,
        5_000_000,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"strata.queue_segment_age",
        c"Age before which dead rows alone do not make a segment of a queue full.",
        c"",
        &QUEUE_SEGMENT_AGE_S,
        0,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    GucRegistry::define_int_guc(
        c"strata.max_running_jobs",
        c"Jobs and policies of one database that run at once.",
        c"Each takes one of max_worker_processes; 0 runs none.",
        &MAX_RUNNING_JOBS,
        0,
        256,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"strata.max_runners",
        c"Processes of the whole server that run SQL jobs of queues.",
        c"Each takes one of max_worker_processes; they serve databases, queues and roles in turn. 0 runs none.",
        &MAX_RUNNERS,
        0,
        256,
        GucContext::Sighup,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"strata.detach_wait",
        c"How long the detaching of a chunk waits for sessions that use it.",
        c"The chunk is invisible meanwhile; the next run goes on with it.",
        &DETACH_WAIT_S,
        1,
        86_400,
        GucContext::Sighup,
        GucFlags::UNIT_S,
    );
    #[cfg(feature = "inject")]
    GucRegistry::define_string_guc(
        c"strata.inject",
        c"Armed stop points, for crash tests.",
        c"A comma-separated list of name:error, name:sleep, name:kill.",
        &INJECT,
        GucContext::Suset,
        GucFlags::NO_SHOW_ALL,
    );
    super::guc_queue::init();
    super::guc_migration::init();
    // SAFETY: the prefix is a constant NUL terminated string
    unsafe { pg_sys::MarkGUCPrefixReserved(c"strata".as_ptr()) }
}

fn init_cold_reading() {
    GucRegistry::define_int_guc(
        c"strata.cold_read_ahead",
        c"Largest read-ahead of a remote cold file.",
        c"At most a quarter of strata.cold_cache_size is used.",
        &COLD_READ_AHEAD_KB,
        64,
        8 * 1024,
        GucContext::Userset,
        GucFlags::UNIT_KB,
    );
    GucRegistry::define_int_guc(
        c"strata.cold_prefetch",
        c"Remote cold files whose first bytes are fetched ahead below an Append.",
        c"0 turns it off.",
        &COLD_PREFETCH,
        0,
        64,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_int_guc(
        c"strata.cold_get_budget",
        c"Requests to remote stores that one statement may send.",
        c"A statement that needs more fails; 0 is no limit. Parallel workers count for themselves.",
        &COLD_GET_BUDGET,
        0,
        i32::MAX,
        GucContext::Userset,
        GucFlags::default(),
    );
    GucRegistry::define_string_guc(
        c"strata.cold_disk_cache",
        c"Directory on this server for blocks of remote cold files.",
        c"Shared by all backends; empty turns it off.",
        &COLD_DISK_CACHE,
        GucContext::Suset,
        GucFlags::SUPERUSER_ONLY,
    );
    GucRegistry::define_int_guc(
        c"strata.cold_disk_cache_size",
        c"Bound of the directory strata.cold_disk_cache.",
        c"0 turns it off.",
        &COLD_DISK_CACHE_SIZE_MB,
        0,
        i32::MAX,
        GucContext::Suset,
        GucFlags::UNIT_MB,
    );
}
