//! Working directories of exports, where the server itself removes leftovers of a crash.

use crate::error::{Error, Kind, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A directory below `base/pgsql_tmp`, removed by Drop. The prefix `pgsql_tmp` makes the server
/// remove it at its next start, and keeps it out of base backups.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes a fresh directory; the current directory is the data directory.
    pub fn create() -> Result<Self> {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(format!(
            "base/pgsql_tmp/pgsql_tmp_strata.{}.{n}",
            std::process::id()
        ));
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|e| {
                Error::new(
                    Kind::Io,
                    format!("could not create directory \"{}\": {e}", path.display()),
                )
            })?;
        Ok(TempDir(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // what stays behind is removed at the next start of the server
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
