//! Folders of a store that is a directory: making, listing, making durable.

use super::local::TEMPORARY;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Adds the keys in one folder, and the folders in it that may hold more.
pub(super) fn list_folder(
    root: &Path,
    folder: &str,
    prefix: &str,
    keys: &mut Vec<String>,
    folders: &mut Vec<String>,
) -> io::Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        // keys are text: a name that is not cannot be one of ours
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if name.starts_with(TEMPORARY) {
            continue;
        }
        let key = match folder {
            "" => name,
            _ => format!("{folder}/{name}"),
        };
        let kind = entry.file_type()?;
        if kind.is_dir() && (key.starts_with(prefix) || prefix.starts_with(&key)) {
            folders.push(key);
        } else if kind.is_file() && key.starts_with(prefix) {
            keys.push(key);
        }
    }
    Ok(())
}

/// Makes missing directories and makes each new entry durable in its parent.
pub(super) fn make_directories(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    make_directories(parent)?;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // another session made it at the same time
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        other => other,
    }?;
    sync_directory(parent)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    File::open(path)?.sync_all()
}
