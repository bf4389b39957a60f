//! Keys, error texts, and the local directory.

use super::local::LocalDir;
use super::*;
use crate::cold::name::hex;
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

#[test]
fn keys_stay_below_the_root() {
    for good in [
        "a",
        "a/b.sqlite",
        "db-1/public.t/2025/x~20__y.sqlite",
        "..a/b..",
    ] {
        assert_eq!(check_key(good), Ok(()), "{good}");
    }
    let long = "x".repeat(1025);
    for bad in [
        "", "/a", "a//b", "a/", "../a", "a/../b", "a/..", "./a", "a\0b", "a\nb", &long,
    ] {
        assert!(check_key(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn errors_name_the_key() {
    let e = StoreError::Missing.at("t/x.sqlite");
    assert_eq!(e.kind, Kind::FileMissing);
    assert_eq!(
        e.message,
        "cold file \"t/x.sqlite\": the object does not exist"
    );
    let short = StoreError::Short { wanted: 9, got: 4 };
    assert_eq!(short.kind(), Kind::DataCorrupted);
}

/// A directory with a file to store in it.
struct Place {
    folder: tempfile::TempDir,
    source: PathBuf,
    sha256: String,
    bytes: Vec<u8>,
}

fn place(size: u32) -> Place {
    let folder = tempfile::tempdir().expect("temporary folder");
    let source = folder.path().join("source");
    let bytes: Vec<u8> = (0..size).map(|n| (n ^ (n >> 8)) as u8).collect();
    fs::write(&source, &bytes).expect("write");
    Place {
        sha256: hex(&Sha256::digest(&bytes)),
        folder,
        source,
        bytes,
    }
}

/// All keys of a listing that has one page.
pub(super) fn keys(store: &dyn ObjectStore, prefix: &str) -> StoreResult<Vec<String>> {
    let page = store.list(prefix, None)?;
    assert_eq!(page.next, None);
    Ok(page.objects.into_iter().map(|o| o.key).collect())
}

impl Place {
    fn root(&self) -> PathBuf {
        self.folder.path().join("new").join("cold")
    }

    fn store(&self) -> Rc<LocalDir> {
        Rc::new(LocalDir::new(self.root(), Host::plain()))
    }

    fn put(&self, key: &str) -> StoreResult<Meta> {
        self.store()
            .put_if_absent(key, &self.source, &self.sha256, &[], &mut |_| Ok(()))
    }

    fn leftovers(&self) -> usize {
        let inside = |folder: PathBuf| fs::read_dir(folder).expect("folder").count();
        inside(self.root().join("a")) - 1
    }
}

#[test]
fn put_open_read_list_delete() {
    let p = place(200_000);
    let store = p.store();
    assert_eq!(
        keys(&*store, ""),
        Ok(vec![]),
        "a directory that is not there yet is empty"
    );
    let meta = p.put("a/b/x.sqlite").expect("put");
    assert_eq!(
        (meta.size, meta.sha256.as_ref()),
        (200_000, Some(&p.sha256))
    );
    let head = store.head("a/b/x.sqlite").expect("head");
    assert_eq!((head.size, &head.etag), (200_000, &meta.etag));

    let file = Rc::clone(&store)
        .open("a/b/x.sqlite", &meta.etag, meta.size)
        .expect("open");
    let mut buf = vec![0; 5000];
    file.read_at(123_456, &mut buf).expect("read");
    assert_eq!(buf, p.bytes[123_456..128_456]);
    assert_eq!((file.stats().gets, file.stats().bytes), (1, 5000));
    let short = StoreError::Short {
        wanted: 200_001,
        got: 200_000,
    };
    assert_eq!(file.read_at(199_999, &mut [0; 2]), Err(short));
    let range = store.get_range("a/b/x.sqlite", &meta.etag, 10, 20);
    assert_eq!(range, Ok(p.bytes[10..30].to_vec()));

    p.put("a/c.sqlite").expect("put");
    assert_eq!(keys(&*store, "a/b/"), Ok(vec!["a/b/x.sqlite".into()]));
    assert_eq!(
        keys(&*store, "a/"),
        Ok(vec!["a/b/x.sqlite".into(), "a/c.sqlite".into()])
    );
    assert_eq!(keys(&*store, "a/c"), Ok(vec!["a/c.sqlite".into()]));
    assert_eq!(store.delete("a/b/x.sqlite"), Ok(()));
    assert_eq!(
        store.delete("a/b/x.sqlite"),
        Ok(()),
        "missing is what was wanted"
    );
    assert_eq!(store.head("a/b/x.sqlite"), Err(StoreError::Missing));
    file.read_at(0, &mut buf)
        .expect("an open file outlives its name");
}

#[test]
fn modes_keep_others_out() {
    let p = place(10);
    p.put("a/x").expect("put");
    let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(p.root().join("a/x")), 0o600);
    assert_eq!(mode(p.root().join("a")), 0o700);
    assert_eq!(mode(p.root()), 0o700);
}

#[test]
fn a_taken_name_is_never_overwritten() {
    let p = place(1000);
    p.put("a/x").expect("put");
    fs::write(p.root().join("a/x"), "other").expect("write");
    assert_eq!(p.put("a/x"), Err(StoreError::Exists));
    assert_eq!(fs::read(p.root().join("a/x")).expect("read"), b"other");
    std::os::unix::fs::symlink("/nowhere", p.root().join("a/link")).expect("link");
    assert_eq!(
        p.put("a/link"),
        Err(StoreError::Exists),
        "not even a dangling link"
    );
    assert_eq!(p.leftovers(), 1, "the link; no temporary file");
}

#[test]
fn two_writers_of_one_name_one_wins() {
    let p = place(300_000);
    let won: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| p.put("a/x").map(|_| ())))
            .collect();
        let ends = tries.into_iter().map(|t| t.join().expect("no panic"));
        ends.filter(|end| match end {
            Ok(()) => true,
            Err(e) => {
                assert_eq!(*e, StoreError::Exists);
                false
            }
        })
        .count()
    });
    assert_eq!(won, 1);
    assert_eq!(p.leftovers(), 0);
}

#[test]
fn a_wrong_hash_leaves_nothing() {
    let p = place(1000);
    p.put("a/x").expect("put");
    let e = p
        .store()
        .put_if_absent("a/y", &p.source, "00", &[], &mut |_| Ok(()));
    assert!(matches!(e, Err(StoreError::Io(text)) if text.contains("sha256")));
    assert_eq!(p.store().head("a/y"), Err(StoreError::Missing));
    assert_eq!(p.leftovers(), 0);
}

#[test]
fn a_cancelled_put_leaves_nothing() {
    let p = place(3_000_000);
    p.put("a/x").expect("put");
    let host = Host {
        check_interrupts: || panic!("cancelled"),
        ..Host::plain()
    };
    let store = LocalDir::new(p.root(), host);
    let put = std::panic::AssertUnwindSafe(|| {
        store.put_if_absent("a/y", &p.source, &p.sha256, &[], &mut |_| Ok(()))
    });
    assert!(std::panic::catch_unwind(put).is_err());
    assert_eq!(p.leftovers(), 0);
}

#[test]
fn the_temporary_name_is_known_first_and_removes_what_a_crash_left() {
    let p = place(1000);
    p.put("a/x").expect("put");
    let store = p.store();
    let mut names = Vec::new();
    let put = store.put_if_absent("a/y", &p.source, &p.sha256, &[], &mut |name| {
        names.push(name.to_owned());
        Err(StoreError::Io("not recorded".into()))
    });
    assert_eq!(put, Err(StoreError::Io("not recorded".into())));
    assert_eq!(p.leftovers(), 0);
    // as if the process had been killed in the middle
    fs::write(p.root().join("a").join(&names[0]), "half").expect("write");
    assert_eq!(p.leftovers(), 1);
    assert_eq!(store.abort_upload("a/y", &names[0]), Ok(()));
    assert_eq!(p.leftovers(), 0);
    assert_eq!(store.abort_upload("a/y", &names[0]), Ok(()), "again");
    for name in ["x", "../x", "", ".strata-put-x", ".strata-put-../x"] {
        assert!(
            matches!(
                store.abort_upload("a/y", name),
                Err(StoreError::Protocol(_))
            ),
            "{name}"
        );
    }
    assert!(store.head("a/x").is_ok());
}

#[test]
fn the_identity_survives_a_copy_and_notices_changes() {
    let p = place(200_000);
    let meta = p.put("a/x").expect("put");
    let path = p.root().join("a/x");
    let store = p.store();
    let open = |size| Rc::clone(&store).open("a/x", &meta.etag, size).map(|_| ());

    fs::copy(&path, p.root().join("copy")).expect("copy");
    fs::rename(p.root().join("copy"), &path).expect("rename");
    assert_eq!(
        open(meta.size),
        Ok(()),
        "another inode, another time, the same file"
    );

    for damaged in [0, 199_999] {
        let mut bytes = p.bytes.clone();
        bytes[damaged] ^= 1;
        fs::write(&path, &bytes).expect("write");
        assert!(
            matches!(open(meta.size), Err(StoreError::Changed(_))),
            "{damaged}"
        );
        let range = store.get_range("a/x", &meta.etag, 0, 1);
        assert!(matches!(range, Err(StoreError::Changed(_))));
    }
    fs::write(&path, &p.bytes[..150_000]).expect("write");
    let short = StoreError::Short {
        wanted: 200_000,
        got: 150_000,
    };
    assert_eq!(open(meta.size), Err(short));
    fs::remove_file(&path).expect("remove");
    assert_eq!(open(meta.size), Err(StoreError::Missing));
    fs::create_dir(&path).expect("mkdir");
    assert_eq!(
        open(meta.size),
        Err(StoreError::Missing),
        "a directory is no object"
    );
}

#[test]
fn empty_and_tiny_objects() {
    for size in [0, 1, 32_768, 32_769] {
        let p = place(size);
        let meta = p.put("a/x").expect("put");
        assert_eq!(meta.size, u64::from(size));
        assert_eq!(p.store().head("a/x").expect("head").etag, meta.etag);
    }
}

#[test]
fn keys_that_leave_the_root_are_refused_by_every_call() {
    let p = place(10);
    let store = p.store();
    let key = "../source";
    let refused = |e: StoreError| matches!(e, StoreError::Protocol(_));
    assert!(store.head(key).is_err_and(refused));
    assert!(store.get_range(key, "e", 0, 1).is_err_and(refused));
    assert!(p.put(key).is_err_and(refused));
    assert!(store.delete(key).is_err_and(refused));
    assert!(store.list("../", None).map(|_| ()).is_err_and(refused));
    assert!(Rc::clone(&store).open(key, "e", 1).is_err_and(refused));
    assert!(p.source.exists());
}

static DESCRIPTORS: AtomicI64 = AtomicI64::new(0);

#[test]
fn beyond_the_descriptor_budget_files_are_opened_per_read() {
    let p = place(100_000);
    let meta = p.put("a/x").expect("put");
    let host = Host {
        acquire_fd: || {
            DESCRIPTORS.fetch_add(1, Ordering::SeqCst) < 1 || {
                DESCRIPTORS.fetch_sub(1, Ordering::SeqCst);
                false
            }
        },
        release_fd: || {
            DESCRIPTORS.fetch_sub(1, Ordering::SeqCst);
        },
        ..Host::plain()
    };
    let store = Rc::new(LocalDir::new(p.root(), host));
    let open = || {
        Rc::clone(&store)
            .open("a/x", &meta.etag, meta.size)
            .expect("open")
    };
    let (first, second) = (open(), open());
    let mut buf = [0; 100];
    for file in [&first, &second] {
        file.read_at(77, &mut buf).expect("read");
        assert_eq!(buf, p.bytes[77..177]);
    }
    fs::copy(p.root().join("a/x"), p.root().join("copy")).expect("copy");
    fs::rename(p.root().join("copy"), p.root().join("a/x")).expect("rename");
    assert_eq!(first.read_at(0, &mut buf), Ok(()));
    let replaced = second.read_at(0, &mut buf);
    assert!(
        matches!(replaced, Err(StoreError::Changed(_))),
        "{replaced:?}"
    );
    drop((first, second));
    assert_eq!(DESCRIPTORS.load(Ordering::SeqCst), 0);
}
