//! A directory in order: listing in the order of keys, temporary files, small objects, `file:` links.

use super::folders::{make_directories, sync_directory};
use super::local::{LocalDir, TEMPORARY, Temporary, failed, identity, open_regular};
use super::upkeep::{Listed, Page, SMALL_MAX, Small, Unfinished, Upkeep};
use super::{StoreError, StoreResult, check_key};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Objects of one page, as stores have it.
const PAGE: usize = 1000;

/// How long a small write waits for another one in the same directory.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

impl Upkeep for LocalDir {
    fn list(&self, prefix: &str, from: Option<&str>) -> StoreResult<Page> {
        let folder = folder_of(prefix)?;
        let mut walk = Walk {
            store: self,
            prefix,
            from,
            temporary: false,
            most: PAGE + 1,
            found: Vec::new(),
        };
        walk.folder(folder)
            .map_err(|e| failed("list", folder, &e))?;
        let mut objects = walk.found;
        let more = objects.len() > PAGE;
        objects.truncate(PAGE);
        let last = objects.last().filter(|_| more);
        Ok(Page {
            next: last.map(|object| object.key.clone()),
            objects,
        })
    }

    fn unfinished(&self, prefix: &str) -> StoreResult<Vec<Unfinished>> {
        let folder = folder_of(prefix)?;
        let mut walk = Walk {
            store: self,
            prefix,
            from: None,
            temporary: true,
            most: usize::MAX,
            found: Vec::new(),
        };
        walk.folder(folder)
            .map_err(|e| failed("list", folder, &e))?;
        let upload = |file: Listed| Unfinished {
            id: file.key.rsplit('/').next().unwrap_or_default().to_owned(),
            key: file.key,
            begun_us: file.modified_us,
        };
        Ok(walk.found.into_iter().map(upload).collect())
    }

    fn read_small(&self, key: &str) -> StoreResult<Option<Small>> {
        let read = |e: io::Error| failed("read", key, &e);
        let file = match open_regular(&self.path(key)?) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(read)?,
        };
        small(&file, key).map(Some)
    }

    fn write_small(&self, key: &str, bytes: &[u8], instead_of: Option<&str>) -> StoreResult<()> {
        let write = |e: io::Error| failed("write", key, &e);
        let target = self.path(key)?;
        let parent = target.parent().unwrap_or(&self.root);
        make_directories(parent).map_err(write)?;
        let _alone = self.lock(parent, key)?;
        let there = self.read_small(key)?.map(|found| found.etag);
        if there.as_deref() != instead_of {
            return Err(StoreError::Changed(format!(
                "\"{key}\" was written by somebody else"
            )));
        }
        let temporary = Temporary(parent.join(format!("{TEMPORARY}{}", uuid::Uuid::new_v4())));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary.0)
            .map_err(write)?;
        file.write_all(bytes).map_err(write)?;
        file.sync_all().map_err(write)?;
        fs::rename(&temporary.0, &target).map_err(write)?;
        sync_directory(parent).map_err(write)
    }

    fn url(&self, key: &str, _valid_for: Duration) -> StoreResult<String> {
        // backends run in the data directory
        let path = std::path::absolute(self.path(key)?).map_err(|e| failed("name", key, &e))?;
        Ok(file_url(&path))
    }
}

impl LocalDir {
    /// The lock of a directory, which ends with the returned file, or with the process.
    fn lock(&self, folder: &Path, key: &str) -> StoreResult<File> {
        let broken = |e: io::Error| failed("lock", key, &e);
        let file = File::open(folder).map_err(broken)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(broken(e)),
                Err(TryLockError::WouldBlock) if waited >= LOCK_LIMIT => {
                    return Err(StoreError::Timeout(format!("\"{key}\" is locked")));
                }
                Err(TryLockError::WouldBlock) => {
                    (self.host.check_interrupts)();
                    let nap = Duration::from_millis(20);
                    std::thread::sleep(nap);
                    waited += nap;
                }
            }
        }
    }
}

/// The whole content of an opened file, with its identity.
fn small(file: &File, key: &str) -> StoreResult<Small> {
    let read = |e: io::Error| failed("read", key, &e);
    let meta = identity(file).map_err(read)?;
    if meta.size > SMALL_MAX {
        return Err(StoreError::Protocol(format!(
            "\"{key}\" has {} bytes",
            meta.size
        )));
    }
    let mut bytes = Vec::new();
    // bounded by SMALL_MAX also when somebody writes to it just now
    let mut limited = file.take(SMALL_MAX);
    limited.read_to_end(&mut bytes).map_err(read)?;
    Ok(Small {
        bytes,
        etag: meta.etag,
    })
}

/// The folder that holds everything that begins with `prefix`.
fn folder_of(prefix: &str) -> StoreResult<&str> {
    if !prefix.is_empty() {
        check_key(prefix.strip_suffix('/').unwrap_or(prefix))?;
    }
    Ok(prefix.rsplit_once('/').map_or("", |(folder, _)| folder))
}

/// A walk through folders in the order of their keys, which is that of bytes: `a-b` stands before `a/b`.
struct Walk<'a> {
    store: &'a LocalDir,
    prefix: &'a str,
    /// the last key of the page before
    from: Option<&'a str>,
    /// temporary files, and nothing else
    temporary: bool,
    most: usize,
    found: Vec<Listed>,
}

impl Walk<'_> {
    /// `folder` without its slash, empty for the root.
    fn folder(&mut self, folder: &str) -> io::Result<()> {
        (self.store.host.check_interrupts)();
        let entries = match fs::read_dir(self.store.root.join(folder)) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut keys = Vec::new();
        for entry in entries {
            let entry = entry?;
            // keys are text: a name that is not cannot be one of ours
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let kind = entry.file_type()?;
            let slash = if folder.is_empty() { "" } else { "/" };
            if kind.is_dir() {
                keys.push(format!("{folder}{slash}{name}/"));
            } else if kind.is_file() && name.starts_with(TEMPORARY) == self.temporary {
                keys.push(format!("{folder}{slash}{name}"));
            }
        }
        keys.sort_unstable();
        for key in keys {
            if self.found.len() >= self.most {
                break;
            }
            match key.strip_suffix('/') {
                Some(inner) if self.may_hold(&key) => self.folder(inner)?,
                Some(_) => {}
                None => self.file(key)?,
            }
        }
        Ok(())
    }

    /// Whether a folder (with its slash) can hold keys that are asked for.
    fn may_hold(&self, folder: &str) -> bool {
        let passed = |from: &str| from > folder && !from.starts_with(folder);
        (folder.starts_with(self.prefix) || self.prefix.starts_with(folder))
            && !self.from.is_some_and(passed)
    }

    fn file(&mut self, key: String) -> io::Result<()> {
        if !key.starts_with(self.prefix) || self.from.is_some_and(|from| key.as_str() <= from) {
            return Ok(());
        }
        match fs::symlink_metadata(self.store.root.join(&key)) {
            // deleted since the folder was read
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
            Ok(meta) => {
                self.found.push(Listed {
                    size: meta.len(),
                    modified_us: since_1970(meta.modified()?),
                    key,
                });
                Ok(())
            }
        }
    }
}

fn since_1970(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// RFC 8089; every byte that is not unreserved is written `%hh`.
fn file_url(path: &Path) -> String {
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(*byte));
            }
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::store::{Host, ObjectStore};

    fn store(folder: &tempfile::TempDir) -> LocalDir {
        LocalDir::new(folder.path().join("new"), Host::plain())
    }

    fn keys(store: &LocalDir, prefix: &str) -> Vec<String> {
        let (mut keys, mut from) = (Vec::new(), None);
        loop {
            let page = store.list(prefix, from.as_deref()).expect("a page");
            assert!(page.objects.len() <= PAGE);
            keys.extend(page.objects.into_iter().map(|o| o.key));
            match page.next {
                None => return keys,
                next => from = next,
            }
        }
    }

    #[test]
    fn pages_have_every_key_once_in_the_order_of_bytes() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = store(&folder);
        assert_eq!(store.list("", None), Ok(Page::default()), "not there yet");
        let mut expected = Vec::new();
        for n in 0..700 {
            for key in [
                format!("a/{n}"),
                format!("a/{n}/x"),
                format!("a/{n}-y"),
                format!("b/{n}"),
            ] {
                // a key cannot be a folder too
                if key == format!("a/{n}") {
                    continue;
                }
                let path = store.root.join(&key);
                fs::create_dir_all(path.parent().expect("parent")).expect("folders");
                fs::write(path, "12345").expect("write");
                expected.push(key);
            }
        }
        fs::write(store.root.join("a").join(format!("{TEMPORARY}1")), "x").expect("write");
        expected.sort_unstable();
        assert_eq!(keys(&store, ""), expected);
        let below = |prefix: &str| -> Vec<String> {
            let below = expected.iter().filter(|k| k.starts_with(prefix));
            below.cloned().collect()
        };
        for prefix in ["a/", "a/1", "a/1/", "b/69", "a/699/x", "c", "b/699999"] {
            assert_eq!(keys(&store, prefix), below(prefix), "{prefix}");
        }
        let object = &store.list("b/5", None).expect("a page").objects[0];
        assert_eq!(object.size, 5);
        assert!(since_1970(SystemTime::now()) - object.modified_us < 60_000_000);
        assert!(store.list("../", None).is_err());
    }

    #[test]
    fn temporary_files_are_found_and_nothing_else() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = store(&folder);
        fs::create_dir_all(store.root.join("a/b")).expect("folders");
        let name = format!("a/b/{TEMPORARY}{}", uuid::Uuid::new_v4());
        fs::write(store.root.join(&name), "x").expect("write");
        fs::write(store.root.join("a/b/file"), "x").expect("write");
        let left = store.unfinished("a/").expect("a list");
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].key, name);
        assert_eq!(store.unfinished("c/"), Ok(vec![]));
        let abort = || store.abort_upload(&left[0].key, &left[0].id);
        assert_eq!(abort(), Ok(()));
        assert_eq!(abort(), Ok(()), "gone is what was wanted");
        assert_eq!(keys(&store, ""), ["a/b/file"]);
    }

    #[test]
    fn a_small_object_changes_only_as_expected() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = store(&folder);
        assert_eq!(store.read_small("a/x.json"), Ok(None));
        assert_eq!(store.write_small("a/x.json", b"one", None), Ok(()));
        let one = store.read_small("a/x.json").expect("read").expect("one");
        assert_eq!(one.bytes, b"one");
        let changed = |r: StoreResult<()>| matches!(r, Err(StoreError::Changed(_)));
        assert!(changed(store.write_small("a/x.json", b"two", None)));
        assert!(changed(store.write_small(
            "a/x.json",
            b"two",
            Some("other")
        )));
        assert_eq!(
            store.write_small("a/x.json", b"two", Some(&one.etag)),
            Ok(())
        );
        assert!(changed(store.write_small(
            "a/x.json",
            b"three",
            Some(&one.etag)
        )));
        let two = store.read_small("a/x.json").expect("read").expect("two");
        assert_eq!(two.bytes, b"two");
        assert!(changed(store.write_small("a/y.json", b"", Some(&two.etag))));
        assert_eq!(
            keys(&store, ""),
            ["a/x.json"],
            "no temporary file stays behind"
        );
        fs::write(store.root.join("a/big"), vec![0; 70_000]).expect("write");
        assert!(store.read_small("a/big").is_err());
    }

    #[test]
    fn links_to_files_are_urls() {
        let path = Path::new("/a b/100%/é#?.sqlite");
        assert_eq!(file_url(path), "file:///a%20b/100%25/%C3%A9%23%3F.sqlite");
    }
}
