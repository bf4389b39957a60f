//! A directory as a store: the default, and all that a single server needs.
//!
//! Read by `pread` in the backend: no thread, no cache of our own (the kernel has one).
//!
//! Identity (etag) = size and a hash of the first and the last 32 KiB. It must survive `cp -r`,
//! restores and moves of the directory, so it cannot depend on inode or time; it must be cheap at
//! open, so it cannot hash the whole file. The first page of a SQLite file holds its change counter
//! and schema, so another export never has the same identity; damage in the middle is found by the
//! page checksums in the catalog, when the page is read.

use super::folders::{make_directories, sync_directory};
use super::{
    Host, Meta, ObjectStore, RangeRead, ReadStats, StoreError, StoreResult, Written, check_key,
    count,
};
use crate::cold::facts::FileFacts;
use crate::cold::name::hex;
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Names of files that a put has not finished; never listed.
pub(super) const TEMPORARY: &str = ".strata-put-";

/// Bytes at each end that the identity covers.
const IDENTITY_BYTES: u64 = 32 * 1024;

/// Interrupts are served once per this many bytes of a copy.
const COPY_BYTES: usize = 1024 * 1024;

/// A store below one directory, made on the first put.
#[derive(Debug)]
pub struct LocalDir {
    pub(super) root: PathBuf,
    pub(super) host: Host,
}

impl LocalDir {
    pub fn new(root: impl Into<PathBuf>, host: Host) -> LocalDir {
        LocalDir {
            root: root.into(),
            host,
        }
    }

    pub(super) fn path(&self, key: &str) -> StoreResult<PathBuf> {
        check_key(key)?;
        Ok(self.root.join(key))
    }

    /// Writes the temporary file; returns size, identity and the hash of what was written.
    fn copy_to(&self, source: &Path, temporary: &Path) -> io::Result<(u64, String)> {
        let mut from = File::open(source)?;
        let mut to = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)?;
        let mut hash = Sha256::new();
        let mut size = 0u64;
        let mut buffer = vec![0u8; COPY_BYTES];
        loop {
            (self.host.check_interrupts)();
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hash.update(&buffer[..n]);
            to.write_all(&buffer[..n])?;
            size += n as u64;
        }
        to.sync_all()?;
        Ok((size, hex(&hash.finalize())))
    }
}

impl ObjectStore for LocalDir {
    fn head(&self, key: &str) -> StoreResult<Meta> {
        let file = open_regular(&self.path(key)?).map_err(|e| failed("read", key, &e))?;
        identity(&file).map_err(|e| failed("read", key, &e))
    }

    fn get_range(&self, key: &str, etag: &str, start: u64, len: u64) -> StoreResult<Vec<u8>> {
        let file = open_regular(&self.path(key)?).map_err(|e| failed("read", key, &e))?;
        let meta = identity(&file).map_err(|e| failed("read", key, &e))?;
        same_identity(key, &meta, etag)?;
        let end = start.saturating_add(len);
        if end > meta.size {
            return Err(StoreError::Short {
                wanted: end,
                got: meta.size,
            });
        }
        let mut bytes = vec![0u8; usize::try_from(len).unwrap_or(usize::MAX)];
        read_exact_at(&file, start, &mut bytes, key)?;
        Ok(bytes)
    }

    fn put_if_absent(
        &self,
        key: &str,
        file: &Path,
        sha256: &str,
        _meta: &[(&str, String)],
        begun: &mut dyn FnMut(&str) -> StoreResult<()>,
    ) -> StoreResult<Meta> {
        let target = self.path(key)?;
        let write = |e: io::Error| failed("write", key, &e);
        let parent = target.parent().unwrap_or(&self.root);
        make_directories(parent).map_err(write)?;
        if target.symlink_metadata().is_ok() {
            return Err(StoreError::Exists);
        }
        let name = format!("{TEMPORARY}{}", uuid::Uuid::new_v4());
        let temporary = Temporary(parent.join(&name));
        begun(&name)?;
        let (_, written) = self.copy_to(file, &temporary.0).map_err(write)?;
        if written != sha256 {
            return Err(StoreError::Io(format!(
                "cannot write \"{key}\": the file to be stored does not have the expected sha256"
            )));
        }
        // a hard link, not a rename: it fails when the name is taken
        match fs::hard_link(&temporary.0, &target) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(StoreError::Exists),
            other => other.map_err(write)?,
        }
        drop(temporary);
        sync_directory(parent).map_err(write)?;
        let mut meta = self.head(key)?;
        meta.sha256 = Some(written);
        Ok(meta)
    }

    fn abort_upload(&self, key: &str, upload_id: &str) -> StoreResult<()> {
        let target = self.path(key)?;
        // never another name than one that a put has made up
        let ours = upload_id.strip_prefix(TEMPORARY).unwrap_or_default();
        if uuid::Uuid::parse_str(ours).is_err() {
            return Err(StoreError::Protocol(format!(
                "\"{}\" is no upload of this store",
                upload_id.escape_default()
            )));
        }
        let parent = target.parent().unwrap_or(&self.root);
        match fs::remove_file(parent.join(upload_id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("delete", key, &e)),
            _ => Ok(()),
        }
    }

    fn delete(&self, key: &str) -> StoreResult<()> {
        let path = self.path(key)?;
        match fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(failed("delete", key, &e)),
            Ok(()) => {
                let parent = path.parent().unwrap_or(&self.root);
                sync_directory(parent).map_err(|e| failed("delete", key, &e))
            }
        }
    }

    fn open_known(
        self: Rc<Self>,
        key: &str,
        etag: &str,
        size: u64,
        facts: Rc<FileFacts>,
    ) -> StoreResult<Box<dyn RangeRead>> {
        let path = self.path(key)?;
        let file = open_regular(&path).map_err(|e| failed("read", key, &e))?;
        let meta = identity(&file).map_err(|e| failed("read", key, &e))?;
        if meta.size < size {
            return Err(StoreError::Short {
                wanted: size,
                got: meta.size,
            });
        }
        same_identity(key, &meta, etag)?;
        let found = file.metadata().map_err(|e| failed("read", key, &e))?;
        let place = (found.dev(), found.ino());
        // beyond the process's budget of descriptors, open for each read instead of failing
        let held = (self.host.acquire_fd)().then_some(file);
        Ok(Box::new(LocalFile {
            key: key.into(),
            path,
            place,
            size: meta.size,
            file: held,
            facts,
            host: self.host,
            stats: Cell::default(),
        }))
    }
}

/// One opened file.
struct LocalFile {
    key: Rc<str>,
    path: PathBuf,
    /// Device and inode: the same file while it is open, whatever happens to its name.
    place: (u64, u64),
    size: u64,
    file: Option<File>,
    facts: Rc<FileFacts>,
    host: Host,
    stats: Cell<ReadStats>,
}

impl Drop for LocalFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            (self.host.release_fd)();
        }
    }
}

impl LocalFile {
    fn reopen(&self) -> StoreResult<File> {
        let read = |e: io::Error| failed("read", &self.key, &e);
        let file = open_regular(&self.path).map_err(read)?;
        let found = file.metadata().map_err(read)?;
        if (found.dev(), found.ino()) != self.place {
            return Err(StoreError::Changed(format!(
                "file \"{}\" was replaced while it was in use",
                self.key
            )));
        }
        Ok(file)
    }
}

impl RangeRead for LocalFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()> {
        match &self.file {
            Some(file) => read_exact_at(file, offset, buf, &self.key)?,
            None => read_exact_at(&self.reopen()?, offset, buf, &self.key)?,
        }
        let delta = ReadStats {
            gets: 1,
            bytes: buf.len() as u64,
            ..ReadStats::default()
        };
        self.stats.set(self.stats.get().plus(delta));
        count(&self.key, delta);
        let sums = self.facts.sums.as_ref();
        match sums.and_then(|sums| sums.damaged(offset, buf)) {
            Some(page) => Err(StoreError::Damaged(page)),
            None => Ok(()),
        }
    }

    fn stats(&self) -> ReadStats {
        self.stats.get()
    }

    fn written(&self) -> StoreResult<Option<Written>> {
        let reopened;
        let file = match &self.file {
            Some(file) => file,
            None => {
                reopened = self.reopen()?;
                &reopened
            }
        };
        let found = file.metadata().map_err(|e| failed("read", &self.key, &e))?;
        Ok(Some(Written {
            at: (found.mtime(), found.mtime_nsec()),
            size: found.size(),
        }))
    }
}

/// Removes the temporary file when a put ends, also by a panic.
pub(super) struct Temporary(pub(super) PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // nothing to do about a failure: the next worker sees a file of its prefix, never a key
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens a plain file; anything else (a pipe would block for ever) counts as missing.
pub(super) fn open_regular(path: &Path) -> io::Result<File> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(file)
}

pub(super) fn identity(file: &File) -> io::Result<Meta> {
    let size = file.metadata()?.len();
    let edge = size.min(IDENTITY_BYTES);
    let mut bytes = vec![0u8; usize::try_from(edge).unwrap_or(0)];
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    for start in [0, size - edge] {
        file.read_exact_at(&mut bytes, start)?;
        hash.update(&bytes);
    }
    Ok(Meta {
        size,
        etag: format!("{size}-{}", &hex(&hash.finalize())[..32]),
        sha256: None,
    })
}

fn same_identity(key: &str, meta: &Meta, etag: &str) -> StoreResult<()> {
    if meta.etag == etag {
        return Ok(());
    }
    Err(StoreError::Changed(format!(
        "\"{key}\" has identity {}, {etag} was recorded",
        meta.etag
    )))
}

fn read_exact_at(file: &File, offset: u64, buf: &mut [u8], key: &str) -> StoreResult<()> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => {
                return Err(StoreError::Short {
                    wanted: offset + buf.len() as u64,
                    got: offset + done as u64,
                });
            }
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(failed("read", key, &e)),
        }
    }
    Ok(())
}

pub(super) fn failed(what: &str, key: &str, e: &io::Error) -> StoreError {
    match e.kind() {
        io::ErrorKind::NotFound if what == "read" => StoreError::Missing,
        io::ErrorKind::PermissionDenied => {
            StoreError::Forbidden(format!("cannot {what} \"{key}\": {e}"))
        }
        _ => StoreError::Io(format!("cannot {what} \"{key}\": {e}")),
    }
}
