//! Working directories of exports: where they lie, whether there is room, and what dead processes left.

use crate::error::{Error, Kind, Result};
use crate::pg::{disk, guc, inject};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Where the server itself removes leftovers at its next start, and what base backups leave out. The current
/// directory is the data directory.
const DEFAULT: &str = "base/pgsql_tmp";

/// What stays free beside a file that is being built.
const RESERVE_BYTES: u64 = 64 << 20;

/// A directory for one export, removed by Drop.
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes a fresh directory; `server` tells servers apart that share `strata.cold_temp_directory`.
    pub fn create(server: u64) -> Result<Self> {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent().join(format!("{}{}.{n}", prefix(server), std::process::id()));
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

    /// The directory, which goes with this value.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // what stays behind is removed by the next exporter, or at the next start of the server
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn parent() -> PathBuf {
    match guc::COLD_TEMP_DIRECTORY.get().map(|text| text.into_bytes()) {
        Some(bytes) if !bytes.is_empty() => OsString::from_vec(bytes).into(),
        _ => PathBuf::from(DEFAULT),
    }
}

/// The server removes what begins with `pgsql_tmp` in its own directory.
fn prefix(server: u64) -> String {
    format!("pgsql_tmp_strata.{server}.")
}

/// Process that made a directory of this name, if it is one of ours.
fn maker(name: &str, server: u64) -> Option<i32> {
    let (pid, number) = name.strip_prefix(&prefix(server))?.split_once('.')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

/// Removes what exporters left that were killed while the server went on.
pub fn sweep(server: u64) {
    let Ok(entries) = std::fs::read_dir(parent()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| maker(name, server));
        if pid.is_some_and(|pid| !disk::process_exists(pid)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// 53100 unless a chunk of `bytes` on disk can be written there: the rows sorted, the file, and its final form.
pub fn check_room(chunk: &str, bytes: u64) -> Result<()> {
    let place = parent();
    // it may not exist before the first export
    let there = place.ancestors().find(|p| p.exists()).map(Path::to_owned);
    let there = there
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or_else(|| PathBuf::from("."));
    let free = disk::free_bytes(&there).map_err(|e| {
        Error::new(
            Kind::Io,
            format!(
                "could not look at file system of \"{}\": {e}",
                place.display()
            ),
        )
    })?;
    let free = match inject::fault("cold.temp.full") {
        true => 0,
        false => free,
    };
    let needed = bytes.saturating_mul(2).saturating_add(RESERVE_BYTES);
    if free >= needed {
        return Ok(());
    }
    Err(Error::new(
        Kind::DiskFull,
        format!(
            "not enough room in \"{}\" to tier chunk \"{chunk}\": {} MB needed, {} MB free",
            place.display(),
            needed >> 20,
            free >> 20
        ),
    )
    .hint("Make room, or point strata.cold_temp_directory at a larger file system."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_this_server_are_ours() {
        assert_eq!(maker("pgsql_tmp_strata.77.123.0", 77), Some(123));
        for name in [
            "pgsql_tmp_strata.7.123.0",
            "pgsql_tmp_strata.77.123",
            "pgsql_tmp_strata.77.123.x",
            "pgsql_tmp123.0",
            "",
        ] {
            assert_eq!(maker(name, 77), None, "{name}");
        }
    }
}
