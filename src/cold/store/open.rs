//! From options to a store, one per backend and set of options.

use super::local::LocalDir;
use super::{Host, Limits, ObjectStore, StoreError, StoreResult, is_past_caches, session_stats};
use crate::cold::disk_cache::DiskCache;
use crate::cold::server_options::{Location, MappingOptions, ServerOptions};
use crate::error::Result;
use crate::pg::{cold_ahead, guc, latch, session};
use std::cell::Cell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;

/// The backend as a store sees it.
fn backend() -> Host {
    Host {
        check_interrupts: latch::check_interrupts,
        wait_readable: latch::wait_readable,
        while_waiting: cold_ahead::advance,
        acquire_fd: latch::acquire_fd,
        release_fd: latch::release_fd,
        limits: Limits {
            cache: || kilobytes(guc::COLD_CACHE_SIZE_KB.get()),
            read_ahead: || kilobytes(guc::COLD_READ_AHEAD_KB.get()),
            may_request,
            disk,
        },
    }
}

fn kilobytes(setting: i32) -> u64 {
    u64::try_from(setting).unwrap_or(0) * 1024
}

/// `strata.cold_disk_cache`; a relative path lies in the data directory, where backends run.
fn disk() -> Option<DiskCache> {
    let megabytes = u64::try_from(guc::COLD_DISK_CACHE_SIZE_MB.get()).unwrap_or(0);
    let path = guc::COLD_DISK_CACHE.get()?.into_bytes();
    let on = megabytes > 0 && !path.is_empty() && !is_past_caches();
    let user = crate::pg::disk::user();
    on.then(|| DiskCache::new(OsString::from_vec(path).into(), megabytes << 20, user))
}

thread_local! {
    /// The running statement, and the session's requests before its first.
    static STATEMENT: Cell<(i64, u64)> = const { Cell::new((0, 0)) };
}

/// `strata.cold_get_budget`, per statement and process. Exports and merges work for nobody's
/// statement.
fn may_request() -> StoreResult<()> {
    let (statement, sent) = (session::statement_start(), session_stats().gets);
    if STATEMENT.get().0 != statement {
        STATEMENT.set((statement, sent));
    }
    let budget = u64::try_from(guc::COLD_GET_BUDGET.get()).unwrap_or(0);
    let used = sent.saturating_sub(STATEMENT.get().1);
    if budget == 0 || used < budget || session::is_job() {
        return Ok(());
    }
    Err(StoreError::Budget(budget))
}

/// The store that these options name. S3 stores are kept for the life of the backend: connections,
/// credentials and cached blocks belong to exactly one set of options.
///
/// `ambient_credentials` must have been decided by the caller, who knows the owner of the server
/// (`ServerOptions::ambient`); left open it means no.
/// 0A000 when this build lacks the client, 22023 when `ca_file` cannot be used.
pub fn open_store(
    options: &ServerOptions,
    credentials: &MappingOptions,
) -> Result<Rc<dyn ObjectStore>> {
    match &options.location {
        Location::Directory(path) => {
            let root = path.clone().unwrap_or_else(default_directory);
            Ok(Rc::new(LocalDir::new(root, backend())))
        }
        Location::S3 { .. } => open_s3(options, credentials),
    }
}

/// `strata.cold_directory`; a relative one lies in the data directory, where backends run.
fn default_directory() -> PathBuf {
    let text = guc::COLD_DIRECTORY.get().map(|text| text.into_bytes());
    match text {
        Some(bytes) if !bytes.is_empty() => OsString::from_vec(bytes).into(),
        _ => PathBuf::from("strata_cold"),
    }
}

#[cfg(feature = "s3")]
fn open_s3(options: &ServerOptions, credentials: &MappingOptions) -> Result<Rc<dyn ObjectStore>> {
    use super::s3::S3;
    use std::cell::RefCell;
    use std::collections::HashMap;

    type Options = (ServerOptions, MappingOptions);
    thread_local! {
        static STORES: RefCell<HashMap<Options, Rc<S3>>> = RefCell::default();
    }
    let options = (options.clone(), credentials.clone());
    if let Some(known) = STORES.with_borrow(|stores| stores.get(&options).cloned()) {
        return Ok(known);
    }
    // read here, before the I/O thread exists: PostgreSQL may change the environment later
    let environment = |name: &str| std::env::var(name).ok();
    let store = Rc::new(S3::new(&options.0, &options.1, &environment, backend())?);
    latch::at_exit(crate::cold::io_thread::stop);
    STORES.with_borrow_mut(|stores| {
        // options change rarely; a session that sees many versions keeps only the last ones
        if stores.len() >= 64 {
            stores.clear();
        }
        stores.insert(options, Rc::clone(&store))
    });
    Ok(store)
}

#[cfg(not(feature = "s3"))]
fn open_s3(_: &ServerOptions, _: &MappingOptions) -> Result<Rc<dyn ObjectStore>> {
    Err(crate::error::Error::new(
        crate::error::Kind::NotSupported,
        "this build of pg_strata has no S3 client",
    ))
}
