//! Blocks of remote files in a directory of this server, shared by all backends.
//!
//! Off by default: files are read where they lie. A block that was changed here, or half written,
//! is not shown: it carries a checksum. The size is a bound, not a promise to the byte: it is looked
//! after once for each sixteenth of it that was written. Only files with names of its own are ever
//! counted or removed: the directory may hold others. Folders that somebody else may write to are left
//! alone, since a checksum does not tell who has made a block.

use std::cell::Cell;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// A block counts as used again when its last use is older.
const FRESH: Duration = Duration::from_secs(60);

/// Names of blocks that are being written.
const PART: &str = "part-";

/// Characters of an id: a SHA-256.
const ID_LEN: usize = 64;

/// Nothing longer was ever written here.
const LONGEST: u64 = 1 << 20;

thread_local! {
    /// bytes that this process has written since it last looked at the directory; none: no block yet
    static WRITTEN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// A directory and its bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCache {
    root: PathBuf,
    limit: u64,
    /// number of the user whose folders are believed
    user: u32,
}

impl DiskCache {
    /// Makes nothing yet. `limit` in bytes; it is kept about, for other processes write too.
    #[must_use]
    pub fn new(root: PathBuf, limit: u64, user: u32) -> DiskCache {
        DiskCache { root, limit, user }
    }

    /// True for a folder of this user that nobody else may put files into, and no link to one.
    fn is_private(&self, folder: &Path) -> bool {
        fs::symlink_metadata(folder)
            .is_ok_and(|meta| meta.is_dir() && meta.uid() == self.user && meta.mode() & 0o022 == 0)
    }

    fn path(&self, id: &str, block: u64) -> PathBuf {
        self.root
            .join(id.get(..2).unwrap_or("__"))
            .join(format!("{id}.{block}"))
    }

    /// A block, if it is there and whole. `id` names the content: the 64 hex digits of a hash.
    #[must_use]
    pub fn get(&self, id: &str, block: u64) -> Option<Vec<u8>> {
        let path = self.path(id, block);
        self.is_private(path.parent()?).then_some(())?;
        let mut bytes = read(&path)?;
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
        // sessions are many, and short ones write little: each begins somewhere in its sixteenth, so
        // that all together look after the directory as often as one that writes as much
        let share = self.limit / 16;
        let random = || RandomState::new().build_hasher().finish();
        let before = WRITTEN.get().unwrap_or_else(|| random() % (share + 1));
        if before + size > share {
            WRITTEN.set(Some(0));
            let _ = self.sweep();
        } else {
            WRITTEN.set(Some(before + size));
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
        if !self.is_private(folder) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!("{PART}{}-{n}", std::process::id()));
        // left by a process that had our number, or laid there by somebody: never written through
        let _ = fs::remove_file(&part);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
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
            let group = folder.file_name();
            let group = group.to_str().filter(|name| is_hex(name, 2));
            let Some(group) = group.filter(|_| self.is_private(&folder.path())) else {
                continue;
            };
            let Ok(entries) = fs::read_dir(folder.path()) else {
                continue;
            };
            for entry in entries.flatten() {
                if is_ours(group, &entry.file_name().to_string_lossy())
                    && let Ok(meta) = entry.metadata()
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

fn is_hex(text: &str, len: usize) -> bool {
    let digits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.len() == len && text.bytes().all(digits)
}

/// True for the names that [`DiskCache::write`] makes in the folder `group`.
fn is_ours(group: &str, name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some(part) = name.strip_prefix(PART) {
        return part
            .split_once('-')
            .is_some_and(|(pid, n)| number(pid) && number(n));
    }
    name.split_once('.')
        .is_some_and(|(id, block)| is_hex(id, ID_LEN) && id.starts_with(group) && number(block))
}

/// A plain file of the length of a block; a pipe would block for ever, and a link leads elsewhere.
fn read(path: &Path) -> Option<Vec<u8>> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
        .ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > LONGEST {
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).ok()?);
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(bytes)
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

    /// An id that begins like this.
    fn id(start: &str) -> String {
        format!("{start:0<ID_LEN$}")
    }

    fn cache(limit: u64) -> (DiskCache, tempfile::TempDir) {
        let dir = tempfile::tempdir().expect("a folder");
        WRITTEN.set(None);
        let user = dir.path().metadata().expect("the folder").uid();
        (DiskCache::new(dir.path().join("cache"), limit, user), dir)
    }

    #[test]
    fn what_was_put_comes_back() {
        let (cache, _dir) = cache(1 << 20);
        assert_eq!(cache.get(&id("abcd"), 7), None);
        cache.put(&id("abcd"), 7, b"block");
        cache.put(&id("abcd"), 8, b"");
        assert_eq!(cache.get(&id("abcd"), 7).as_deref(), Some(&b"block"[..]));
        assert_eq!(cache.get(&id("abcd"), 8).as_deref(), Some(&b""[..]));
        assert_eq!(cache.get(&id("abce"), 7), None);
        cache.put(&id("abcd"), 7, b"again");
        assert_eq!(cache.get(&id("abcd"), 7).as_deref(), Some(&b"again"[..]));
    }

    #[test]
    fn damaged_blocks_are_not_shown() {
        let (cache, _dir) = cache(1 << 20);
        cache.put(&id("abcd"), 7, b"block");
        let path = cache.path(&id("abcd"), 7);
        let whole = fs::read(&path).expect("the block");
        for n in 0..whole.len() {
            let mut bad = whole.clone();
            bad[n] ^= 1;
            fs::write(&path, &bad).expect("write");
            assert_eq!(cache.get(&id("abcd"), 7), None, "byte {n}");
            assert!(!path.exists());
        }
        for len in 0..whole.len() {
            fs::write(&path, &whole[..len]).expect("write");
            assert_eq!(cache.get(&id("abcd"), 7), None, "{len} bytes");
        }
    }

    #[test]
    fn the_directory_stays_within_its_bound() {
        let limit = 200_000;
        let (cache, _dir) = cache(limit);
        let block = vec![1; 10_000];
        for n in 0..100 {
            cache.put(&id(&format!("{n:02}")), n, &block);
        }
        let folders = fs::read_dir(&cache.root).expect("the folder").flatten();
        let files = folders.flat_map(|f| fs::read_dir(f.path()).expect("a folder").flatten());
        let total: u64 = files.map(|f| f.metadata().expect("a file").len()).sum();
        assert!(total <= limit + limit / 16 + 10_004, "{total}");
        assert!(total > limit / 2, "{total}");
        assert!(cache.get(&id("99"), 99).is_some(), "the last one is there");
        cache.put(&id("b"), 0, &vec![0; 60_000]);
        assert_eq!(cache.get(&id("b"), 0), None, "it would push out the others");
    }

    /// Somebody may name a directory that other things lie in, such as the data directory itself.
    #[test]
    fn files_of_others_are_never_removed() {
        let limit = 200_000;
        let (cache, _dir) = cache(limit);
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        let (ours, other) = (id("ab"), id("cd"));
        let others = [
            "global/pg_control".to_owned(),
            "ab/notes.txt".to_owned(),
            "ab/1".to_owned(),
            format!("ab/{other}.1"),
            format!("ab/{ours}.1.old"),
            format!("ab/{ours}"),
            format!("abc/{ours}.1"),
            format!("AB/{}.1", id("AB")),
            "ab/part-of-something".to_owned(),
        ];
        let paths: Vec<PathBuf> = others.iter().map(|name| cache.root.join(name)).collect();
        for path in &paths {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, vec![0; 50_000]).expect("a file");
            let file = File::options().write(true).open(path).expect("a file");
            file.set_modified(long_ago).expect("its time");
        }
        let left = cache.root.join("ab/part-1-1");
        fs::write(&left, vec![0; 50_000]).expect("a file");
        let file = File::options().write(true).open(&left).expect("a file");
        file.set_modified(long_ago).expect("its time");
        for n in 0..100 {
            cache.put(&id(&format!("{n:02}")), n, &[1; 10_000]);
        }
        for path in paths {
            assert!(path.exists(), "{}", path.display());
        }
        assert!(!left.exists(), "what a killed process left behind goes");
        assert!(cache.get(&id("99"), 99).is_some(), "others do not count");
    }

    /// In a directory that others may write to they could make the folders first, and lay blocks into them.
    #[test]
    fn folders_of_others_are_not_believed() {
        let (cache, dir) = cache(100_000);
        let folder = cache.root.join("ab");
        let mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&folder, mode).expect("its mode");
        };
        cache.put(&id("ab"), 1, b"block");
        mode(0o777);
        assert_eq!(
            cache.get(&id("ab"), 1),
            None,
            "anybody may have put it there"
        );
        cache.put(&id("ab"), 2, b"block");
        assert!(!cache.path(&id("ab"), 2).exists());
        mode(0o700);
        assert!(cache.get(&id("ab"), 1).is_some());
        let other = DiskCache {
            user: cache.user + 1,
            ..cache.clone()
        };
        assert_eq!(other.get(&id("ab"), 1), None, "of another user");
        let aside = dir.path().join("aside");
        fs::rename(&folder, &aside).expect("rename");
        std::os::unix::fs::symlink(&aside, &folder).expect("a link");
        assert_eq!(cache.get(&id("ab"), 1), None, "behind a link");
        for n in 0..100 {
            cache.put(&id("cd"), n, &[1; 10_000]);
        }
        assert!(
            aside.join(format!("{}.1", id("ab"))).exists(),
            "not ours to remove"
        );
    }

    #[test]
    fn links_are_neither_written_nor_read_through() {
        let (cache, dir) = cache(1 << 20);
        let precious = dir.path().join("precious");
        fs::write(&precious, b"precious").expect("a file");
        let folder = cache.root.join("ab");
        fs::create_dir_all(&folder).expect("a folder");
        for n in 0..1000 {
            let part = folder.join(format!("{PART}{}-{n}", std::process::id()));
            std::os::unix::fs::symlink(&precious, part).expect("a link");
        }
        cache.put(&id("ab"), 1, b"block");
        assert_eq!(fs::read(&precious).expect("the file"), b"precious");
        assert_eq!(cache.get(&id("ab"), 1).as_deref(), Some(&b"block"[..]));
        let path = cache.path(&id("ab"), 1);
        let aside = dir.path().join("aside");
        fs::rename(&path, &aside).expect("rename");
        std::os::unix::fs::symlink(&aside, &path).expect("a link");
        assert_eq!(cache.get(&id("ab"), 1), None);
    }
}
