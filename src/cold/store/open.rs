//! From options to a store, one per backend and set of options.

use super::local::LocalDir;
use super::{Host, ObjectStore};
use crate::cold::server_options::{Location, MappingOptions, ServerOptions};
use crate::error::Result;
use crate::pg::{guc, latch};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::rc::Rc;

/// The backend as a store sees it.
fn backend() -> Host {
    Host {
        check_interrupts: latch::check_interrupts,
        wait_readable: latch::wait_readable,
        acquire_fd: latch::acquire_fd,
        release_fd: latch::release_fd,
        cache_bytes: || u64::try_from(guc::COLD_CACHE_SIZE_KB.get()).unwrap_or(0) * 1024,
    }
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
