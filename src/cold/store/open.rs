//! From options to a store, one per backend and set of options.

use super::local::LocalDir;
use super::{Host, ObjectStore};
use crate::cold::server_options::{Location, MappingOptions, ServerOptions};
use crate::error::{Error, Kind, Result};
use crate::pg::{guc, latch};
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

/// The store that these options name. Stores are kept for the life of the backend: connections,
/// credentials and cached blocks belong to exactly one set of options.
///
/// 0A000 when the options need a feature that this build lacks.
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
    use std::os::unix::ffi::OsStringExt;
    let text = guc::COLD_DIRECTORY.get().map(|text| text.into_bytes());
    match text {
        Some(bytes) if !bytes.is_empty() => std::ffi::OsString::from_vec(bytes).into(),
        _ => PathBuf::from("strata_cold"),
    }
}

fn open_s3(_: &ServerOptions, _: &MappingOptions) -> Result<Rc<dyn ObjectStore>> {
    Err(Error::new(
        Kind::NotSupported,
        "this build of pg_strata has no S3 client",
    ))
}
