//! Background workers: registration, signals, waiting, transactions, what pg_stat_activity shows.

use super::subxact::Caught;
use super::{compat, guc};
use crate::error::Result;
use pgrx::bgworkers::{BackgroundWorker, BackgroundWorkerBuilder, BgWorkerStartTime};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys;
use pgrx::prelude::*;
use std::ffi::{CStr, CString};
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::Duration;

/// What a worker process runs: the database that it was started for (invalid: none) and its role.
pub type Main = fn(database: pg_sys::Oid, role: &str);

static MAIN: OnceLock<Main> = OnceLock::new();

/// Names the function that every worker of ours runs.
pub fn set_main(main: Main) {
    MAIN.get_or_init(|| main);
}

/// A worker to be started.
pub struct Worker<'a> {
    /// name in the server log and in `ps`
    pub name: &'a str,
    /// `backend_type` in pg_stat_activity
    pub kind: &'a str,
    pub database: pg_sys::Oid,
    /// passed to [`Main`], at most 127 bytes
    pub role: &'a str,
}

impl Worker<'_> {
    fn builder(&self) -> BackgroundWorkerBuilder {
        BackgroundWorkerBuilder::new(self.name)
            .set_type(self.kind)
            .set_library("pg_strata")
            .set_function("pg_strata_worker_main")
            .set_argument(Some(pg_sys::Datum::from(self.database.to_u32())))
            .set_extra(self.role)
            .enable_spi_access()
            .set_start_time(BgWorkerStartTime::RecoveryFinished)
    }

    /// Registers a worker that starts with the server and again after `restart`; only while preloading.
    pub fn with_server(&self, restart: Duration) {
        self.builder().set_restart_time(Some(restart)).load();
    }

    /// Starts the worker now, once; `None` when `max_worker_processes` is exhausted.
    ///
    /// This process is woken when the worker starts and when it ends.
    pub fn start(&self) -> Option<Handle> {
        // SAFETY: MyProcPid is a plain global
        let me = unsafe { pg_sys::MyProcPid };
        let mut worker = pg_sys::BackgroundWorker::from(
            &self.builder().set_restart_time(None).set_notify_pid(me),
        );
        let mut handle = std::ptr::null_mut();
        // SAFETY: both pointers live on this stack; the handle is allocated where it outlives
        // transactions, and freed by Drop
        let started = unsafe {
            PgMemoryContexts::TopMemoryContext
                .switch_to(|_| pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle))
        };
        // not `then_some`: a handle that was never set must not come into being, for it would be freed
        started.then(|| Handle(handle))
    }
}

/// A worker that this process started.
pub struct Handle(pub(super) *mut pg_sys::BackgroundWorkerHandle);

impl Handle {
    /// True when the worker has ended, or could not start.
    pub fn ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle came from RegisterDynamicBackgroundWorker and is freed only by Drop
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }

    /// The process, when it runs.
    pub fn pid(&self) -> Option<i32> {
        let mut pid = 0;
        // SAFETY: as above
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.0, &mut pid) };
        (status == pg_sys::BgwHandleStatus::BGWH_STARTED).then_some(pid)
    }

    /// Tells the worker to end.
    pub fn terminate(&self) {
        // SAFETY: as above
        unsafe { pg_sys::TerminateBackgroundWorker(self.0) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: palloc'd by RegisterDynamicBackgroundWorker, and nobody else holds it
        unsafe { pg_sys::pfree(self.0.cast()) }
    }
}

// The server's own signal handlers. Declared here and not taken from pgrx, whose versions are guarded
// Rust functions: those are neither C function pointers nor fit to run inside a signal handler.
unsafe extern "C-unwind" {
    fn die(signal: i32);
    fn SignalHandlerForConfigReload(signal: i32);
}

/// Entry point of every worker process.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_strata_worker_main(arg: pg_sys::Datum) {
    obey_signals();
    let database = pg_sys::Oid::from(arg.value() as u32);
    if let Some(main) = MAIN.get() {
        main(database, BackgroundWorker::get_extra());
    }
}

/// SIGTERM as in an ordinary session: it ends a running query too. A handler that only sets a flag keeps
/// `pg_ctl stop` waiting for the query. SIGINT (cancel) and SIGUSR1 are set up by the server.
pub(super) fn obey_signals() {
    // SAFETY: both are handlers of the server, made for this use; signals are still blocked
    unsafe {
        compat::pqsignal(pg_sys::SIGTERM as i32, Some(die));
        compat::pqsignal(pg_sys::SIGHUP as i32, Some(SignalHandlerForConfigReload));
        // until now the server has ignored it for us (bgworker.c, StartBackgroundWorker): one may be lost
        (&raw mut pg_sys::ConfigReloadPending).write_volatile(1);
        pg_sys::BackgroundWorkerUnblockSignals();
    }
}

/// Starts a worker with an entry point and an argument of its own, once; NULL-free handle in
/// TopMemoryContext, or `None` when `max_worker_processes` is exhausted.
pub(super) fn start_once(
    name: &str,
    function: &CStr,
    argument: u32,
) -> Option<*mut pg_sys::BackgroundWorkerHandle> {
    let function = function.to_str().ok()?;
    // SAFETY: MyProcPid is a plain global; both pointers live on this stack
    unsafe {
        let builder = BackgroundWorkerBuilder::new(name)
            .set_type(name)
            .set_library("pg_strata")
            .set_function(function)
            .set_argument(Some(pg_sys::Datum::from(argument)))
            .enable_spi_access()
            .set_start_time(BgWorkerStartTime::RecoveryFinished)
            .set_restart_time(None)
            .set_notify_pid(pg_sys::MyProcPid);
        let mut worker = pg_sys::BackgroundWorker::from(&builder);
        let mut handle = std::ptr::null_mut();
        let started = PgMemoryContexts::TopMemoryContext
            .switch_to(|_| pg_sys::RegisterDynamicBackgroundWorker(&mut worker, &mut handle));
        started.then_some(handle)
    }
}

/// Sets a setting for the rest of this process's life; outside of transactions.
pub fn set_for_life(name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) {
        override_setting(&name, &value);
    }
}

/// Settings that a database or role may have changed, and that our work must not depend on.
const SETTINGS: [(&CStr, &CStr); 7] = [
    (c"search_path", c"pg_catalog, pg_temp"),
    (c"role", c"none"),
    (c"default_transaction_read_only", c"off"),
    (c"default_transaction_isolation", c"read committed"),
    (c"statement_timeout", c"0"),
    (c"lock_timeout", c"0"),
    (c"idle_in_transaction_session_timeout", c"0"),
];

/// Connects to a database as the bootstrap superuser, or to the shared catalogs only.
pub fn connect(database: Option<pg_sys::Oid>, application: &str) {
    for (name, value) in SETTINGS {
        override_setting(name, value);
    }
    if let Ok(application) = CString::new(application) {
        override_setting(c"application_name", &application);
    }
    BackgroundWorker::connect_worker_to_spi_by_oid(database, None);
}

fn override_setting(name: &CStr, value: &CStr) {
    // SAFETY: both strings are NUL terminated; core does the same in autovacuum workers
    unsafe {
        pg_sys::SetConfigOption(
            name.as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_SUSET,
            pg_sys::GucSource::PGC_S_OVERRIDE,
        );
    }
}

/// Connects as `role`, with the settings that the role and the database have. `flags` of
/// [`compat::nologin_flags`] for a role that may not log in.
pub fn connect_as(database: pg_sys::Oid, role: pg_sys::Oid, flags: u32, application: &str) {
    if let Ok(application) = CString::new(application) {
        override_setting(c"application_name", &application);
    }
    // SAFETY: called once, in a worker that is not connected yet
    unsafe { pg_sys::BackgroundWorkerInitializeConnectionByOid(database, role, flags) }
}

/// Limits waits for locks from now on in this process; 0 for no limit. Unlike a SET of a transaction it
/// holds through the commits inside of a statement.
pub fn limit_lock_waits(timeout_ms: u32) {
    if let Ok(value) = CString::new(timeout_ms.to_string()) {
        // SAFETY: both strings are NUL terminated
        unsafe {
            pg_sys::SetConfigOption(
                c"lock_timeout".as_ptr(),
                value.as_ptr(),
                pg_sys::GucContext::PGC_SUSET,
                pg_sys::GucSource::PGC_S_SESSION,
            );
        }
    }
}

/// Drops a cancel that arrived after the work that it was meant for.
pub fn forget_cancel() {
    // SAFETY: a word that signal handlers set
    unsafe { (&raw mut pg_sys::QueryCancelPending).write_volatile(0) }
}

/// Puts settings back to what they were when this process connected: for use after code of users.
pub fn reset_settings() {
    // SAFETY: outside of a transaction, as RESET ALL in autocommit
    unsafe { pg_sys::ResetAllOptions() }
}

/// Shows `what` as running in pg_stat_activity.
pub fn report_active(what: &str) {
    if let Ok(what) = CString::new(what) {
        // SAFETY: the string is copied; needs only the own backend status entry
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_RUNNING, what.as_ptr());
        }
    }
}

/// Shows this process as idle, and hands its statistics over.
pub fn report_idle() {
    // SAFETY: outside of a transaction, as both demand
    unsafe {
        pg_sys::pgstat_report_stat(true);
        pg_sys::pgstat_report_activity(pg_sys::BackendState::STATE_IDLE, std::ptr::null());
    }
}

/// Sleeps until woken or until `timeout` is over; ends the process when it was told to. True when
/// postgresql.conf was read again.
pub fn wait(timeout: Duration) -> bool {
    wait_latch(timeout);
    // SAFETY: plain words that signal handlers set. Outside of a transaction a cancel means nothing,
    // and would raise an error that nobody awaits
    unsafe {
        if (&raw const pg_sys::ProcDiePending).read_volatile() != 0 {
            exit();
        }
        (&raw mut pg_sys::QueryCancelPending).write_volatile(0);
    }
    pgrx::check_for_interrupts!();
    reload_settings()
}

/// Sleeps a little inside of a running statement, which a cancel or shutdown may end.
pub fn pause(time: Duration) {
    wait_latch(time);
    pgrx::check_for_interrupts!();
}

fn wait_latch(timeout: Duration) {
    let timeout = timeout.as_millis().min(i32::MAX as u128) as std::ffi::c_long;
    let events = pg_sys::WL_LATCH_SET | pg_sys::WL_TIMEOUT | pg_sys::WL_EXIT_ON_PM_DEATH;
    // SAFETY: waits on the own latch, which every process has
    unsafe {
        pg_sys::WaitLatch(
            pg_sys::MyLatch,
            events as i32,
            timeout,
            pg_sys::PG_WAIT_EXTENSION,
        );
        pg_sys::ResetLatch(pg_sys::MyLatch);
    }
}

/// Reads postgresql.conf again when the server was told to; true if so.
pub fn reload_settings() -> bool {
    // SAFETY: the flag is a plain word that the SIGHUP handler sets
    unsafe {
        let told = (&raw const pg_sys::ConfigReloadPending).read_volatile() != 0;
        if told {
            (&raw mut pg_sys::ConfigReloadPending).write_volatile(0);
            pg_sys::ProcessConfigFile(pg_sys::GucContext::PGC_SIGHUP);
        }
        told
    }
}

/// Pause between rounds, from `strata.worker_interval`.
pub fn interval() -> Duration {
    Duration::from_secs(u64::try_from(guc::WORKER_INTERVAL_S.get()).unwrap_or(60))
}

/// Ends without an error line. Status 1 brings back a worker that has a restart time; 0 never would.
fn exit() -> ! {
    // SAFETY: MyBgworkerEntry is set in every worker; proc_exit runs all exit callbacks
    unsafe {
        let once = (*pg_sys::MyBgworkerEntry).bgw_restart_time == pg_sys::BGW_NEVER_RESTART;
        pg_sys::proc_exit(i32::from(!once));
    }
    // pgrx declares proc_exit as returning for PostgreSQL 18
    #[allow(unreachable_code)]
    std::process::abort()
}

/// Runs `f`, which may raise errors of PostgreSQL; afterwards no transaction is open if it failed.
///
/// Without a subtransaction this is right only because nothing of the failed work goes on. A
/// shutdown is FATAL in a worker and does not come back here.
pub fn contain<T>(f: impl FnOnce() -> Result<T>) -> std::result::Result<T, Caught> {
    let out = PgTryBuilder::new(AssertUnwindSafe(|| f().map_err(Caught::from)))
        .catch_others(|e| Err(Caught::of_error(&e)))
        .execute();
    if out.is_err() {
        // SAFETY: legal in every transaction state, and leaves none open
        unsafe { pg_sys::AbortOutOfAnyTransaction() }
    }
    out
}

/// Runs `f` in a transaction of its own, with a snapshot; rolled back when it fails. Not nested. The extension
/// is not dropped meanwhile.
pub fn transaction<T>(f: impl FnOnce() -> Result<T>) -> std::result::Result<T, Caught> {
    contain(|| {
        // SAFETY: no transaction is open in a worker between its steps
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
            // a process that is connected as a role has the role's defaults
            pg_sys::XactReadOnly = false;
            pg_sys::XactIsoLevel = pg_sys::XACT_READ_COMMITTED as i32;
        }
        super::catalog::hold_extension();
        // SAFETY: in the transaction that has begun
        unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
        let out = f()?;
        // SAFETY: pairs with the calls above
        unsafe {
            pg_sys::PopActiveSnapshot();
            pg_sys::CommitTransactionCommand();
        }
        Ok(out)
    })
}

/// Takes a new snapshot in place of the one that [`transaction`] has taken: what is read afterwards may be newer,
/// and nobody waits for the old one any more. Only right inside of `transaction`.
pub fn renew_snapshot() {
    // SAFETY: the active snapshot is the one that `transaction` pushed, and it pops the new one
    unsafe {
        pg_sys::PopActiveSnapshot();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
    }
}

/// True in a background worker, ours or not.
pub fn is_worker() -> bool {
    // SAFETY: set once in background workers, NULL elsewhere
    unsafe { !(&raw const pg_sys::MyBgworkerEntry).read().is_null() }
}

/// The database of this process.
pub fn my_database() -> pg_sys::Oid {
    // SAFETY: a plain global
    unsafe { pg_sys::MyDatabaseId }
}
