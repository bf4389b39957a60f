//! Blocks of remote files in a directory of this server, shared by all backends.
//!
//! Off by default: files are read where they lie. A block that was changed here, or half written,
//! is not shown: it carries a checksum. The size is a bound, not a promise to the byte: each
//! process looks after it when it has written a sixteenth of it.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A block counts as used again when its last use is older.
const FRESH: Duration = Duration::from_secs(60);

/// Names of blocks that are being written.
const PART: &str = "part-";

thread_local! {
    /// bytes that this process has written since it last looked at the directory; none: never looked
    static WRITTEN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A directory and its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCache {
    root: PathBuf,
    limit: u64,
}

impl DiskCache {
    #[must_use]
    pub fn new(root: PathBuf, limit: u64) -> DiskCache {
        DiskCache { root, limit }
    }

    fn path(&self, id: &str, block: u64) -> PathBuf {
        self.root
            .join(id.get(..2).unwrap_or("__"))
            .join(format!("{id}.{block}"))
    }

    /// A block, if it is there and whole. `id` names the content, in characters fit for a file.
    #[must_use]
    pub fn get(&self, id: &str, block: u64) -> Option<Vec<u8>> {
        let path = self.path(id, block);
        let mut bytes = fs::read(&path).ok()?;
        let (data, sum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(data) != u32::from_be_bytes(*sum) {
            // damaged: the next one who asks the store writes it anew
            let _ = fs::remove_file(&path);
            return None;
        }
        touch(&path);
        bytes.truncate(bytes.len() - 4);
        Some(bytes)
    }

    /// Keeps a block. What goes wrong here only costs a request later.
    pub fn put(&self, id: &str, block: u64, data: &[u8]) {
        if data.len() as u64 > self.limit / 4 {
            return;
        }
        let size = data.len() as u64 + 4;
        if self.write(&self.path(id, block), data).is_err() {
            return;
        }
        let written = WRITTEN.get().map(|before| before + size);
        if written.is_none_or(|bytes| bytes > self.limit / 16) {
            WRITTEN.set(Some(0));
            let _ = self.sweep();
        } else {
            WRITTEN.set(written);
        }
    }

    /// Whole or not at all, also when the process dies.
    fn write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().unwrap_or(&self.root);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!("{PART}{}-{n}", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)?;
        let done = file
            .write_all(data)
            .and_then(|()| file.write_all(&crc32fast::hash(data).to_be_bytes()))
            .and_then(|()| fs::rename(&part, path));
        if done.is_err() {
            let _ = fs::remove_file(&part);
        }
        done
    }

    /// Removes the blocks used longest ago until there is room again.
    fn sweep(&self) -> io::Result<()> {
        let mut blocks = Vec::new();
        for folder in fs::read_dir(&self.root)?.flatten() {
            let Ok(entries) = fs::read_dir(folder.path()) else {
                continue;
            };
            for entry in entries.flatten() {
                if let Ok(meta) = entry.metadata()
                    && meta.is_file()
                {
                    let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                    blocks.push((used, meta.len(), entry.path()));
                }
            }
        }
        let mut total: u64 = blocks.iter().map(|(_, size, _)| size).sum();
        blocks.sort();
        for (_, size, path) in blocks {
            if total <= self.limit / 8 * 7 {
                break;
            }
            // another process may have been faster
            let _ = fs::remove_file(path);
            total -= size;
        }
        Ok(())
    }
}

fn touch(path: &Path) {
    let now = SystemTime::now();
    let used = fs::metadata(path).and_then(|meta| meta.modified());
    let old = used.is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age > FRESH));
    if old && let Ok(file) = File::options().write(true).open(path) {
        let _ = file.set_modified(now);
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn cache(limit: u64) -> (DiskCache, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        WRITTEN.set(None);
        (DiskCache::new(dir.path().join("cache"), limit), dir)
    }

    #[test]
    fn what_was_put_comes_back() {
        let (cache, _dir) = cache(1 << 20);
        assert_eq!(cache.get("abcd", 7), None);
        cache.put("abcd", 7, b"block");
        cache.put("abcd", 8, b"");
        assert_eq!(cache.get("abcd", 7).as_deref(), Some(&b"block"[..]));
        assert_eq!(cache.get("abcd", 8).as_deref(), Some(&b""[..]));
        assert_eq!(cache.get("abce", 7), None);
        cache.put("abcd", 7, b"again");
        assert_eq!(cache.get("abcd", 7).as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn damaged_blocks_are_not_shown() {
        let (cache, _dir) = cache(1 << 20);
        cache.put("abcd", 7, b"block");
        let path = cache.path("abcd", 7);
        let whole = fs::read(&path).expect("the block");
        for n in 0..whole.len() {
            let mut bad = whole.clone();
            bad[n] ^= 1;
            fs::write(&path, &bad).expect("write");
            assert_eq!(cache.get("abcd", 7), None, "byte {n}");
            assert!(!path.exists());
        }
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).expect("write");
            assert_eq!(cache.get("abcd", 7), None, "{len} bytes");
        }
    }

    #[test]
    fn the_directory_stays_within_its_bound() {
        let limit = 200_000;
        let (cache, _dir) = cache(limit);
        let block = vec![1; 10_000];
        for n in 0..100 {
            cache.put(&format!("{n:02}xx"), n, &block);
        }
        let folders = fs::read_dir(&cache.root).expect("the folder").flatten();
        let files = folders.flat_map(|f| fs::read_dir(f.path()).expect("a folder").flatten());
        let total: u64 = files.map(|f| f.metadata().expect("a file").len()).sum();
        assert!(total <= limit + limit / 16 + 10_004, "{total}");
        assert!(total > limit / 2, "{total}");
        assert!(cache.get("99xx", 99).is_some(), "the last one is there");
        cache.put("big", 0, &vec![0; 60_000]);
        assert_eq!(cache.get("big", 0), None, "it would push out the others");
    }
}
