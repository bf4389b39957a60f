//! Against s3s-fs: what a sane store does.

use super::*;
use crate::cold::store::Upkeep;
use crate::cold::store::tests::keys;

#[test]
fn put_head_read_list_delete() {
    let server = server();
    let store = store(server.address, "secret", &[]);
    let file = source(300_000);
    assert_eq!(store.head(KEY), Err(StoreError::Missing));
    let meta = file.put(&store, KEY).expect("put");
    assert_eq!(
        (meta.size, meta.sha256.as_ref()),
        (300_000, Some(&file.sha256))
    );
    assert_eq!(store.head(KEY), Ok(meta.clone()));
    assert!(
        server
            .folder
            .path()
            .join(BUCKET)
            .join("pre fix")
            .join(KEY)
            .exists()
    );

    let range = store.get_range(KEY, &meta.etag, 65_536, 1000);
    assert_eq!(range, Ok(file.bytes[65_536..66_536].to_vec()));
    assert_eq!(store.get_range(KEY, &meta.etag, 5, 0), Ok(vec![]));
    assert_eq!(
        store.get_range(KEY, &meta.etag, 299_999, 1),
        Ok(file.bytes[299_999..].to_vec())
    );

    let opened = Rc::clone(&store)
        .open(KEY, &meta.etag, meta.size)
        .expect("open");
    let mut all = vec![0; 300_000];
    for (n, page) in all.chunks_mut(32_768).enumerate() {
        opened.read_at(n as u64 * 32_768, page).expect("read");
    }
    assert_eq!(all, file.bytes);
    assert!(
        opened.stats().gets <= 3 && opened.stats().bytes == 300_000,
        "{:?}",
        opened.stats()
    );
    assert!(opened.stats().wait_us > 0);

    file.put(&store, "other").expect("put");
    assert_eq!(
        keys(&*store, ""),
        Ok(vec![KEY.to_owned(), "other".to_owned()])
    );
    assert_eq!(keys(&*store, "db-1/"), Ok(vec![KEY.to_owned()]));
    assert_eq!(store.delete(KEY), Ok(()));
    assert_eq!(store.delete(KEY), Ok(()), "missing is what was wanted");
    assert_eq!(store.head(KEY), Err(StoreError::Missing));
    assert_eq!(
        store.get_range(KEY, &meta.etag, 0, 1),
        Err(StoreError::Missing)
    );
}

#[test]
fn a_taken_name_is_never_overwritten() {
    let server = server();
    let store = store(server.address, "secret", &[]);
    let (first, second) = (source(1000), source(2000));
    let meta = first.put(&store, KEY).expect("put");
    assert_eq!(second.put(&store, KEY), Err(StoreError::Exists));
    assert_eq!(
        first.put(&store, KEY),
        Err(StoreError::Exists),
        "nor by the same content"
    );
    assert_eq!(store.head(KEY), Ok(meta));
}

#[test]
fn wrong_secret_wrong_etag_wrong_size_wrong_range() {
    let server = server();
    let good = store(server.address, "secret", &[]);
    let file = source(100_000);
    let meta = file.put(&good, KEY).expect("put");

    let bad = store(server.address, "hush-hush", &[]);
    for refused in [
        bad.head(KEY).map(|_| ()),
        bad.get_range(KEY, &meta.etag, 0, 1).map(|_| ()),
        bad.list("", None).map(|_| ()),
        bad.delete(KEY),
        file.put(&bad, "new").map(|_| ()),
    ] {
        assert!(
            matches!(refused, Err(StoreError::Forbidden(_))),
            "{refused:?}"
        );
        assert!(!format!("{refused:?}").contains("hush"));
    }
    let changed = good.get_range(KEY, "0123", 0, 1);
    assert!(
        matches!(changed, Err(StoreError::Changed(_))),
        "{changed:?}"
    );
    let beyond = good.get_range(KEY, &meta.etag, 100_005, 5);
    assert!(matches!(beyond, Err(StoreError::Changed(_))), "{beyond:?}");
    let (wanted, got) = (100_010, 100_000);
    let tail = good.get_range(KEY, &meta.etag, 99_990, 20);
    assert_eq!(tail, Err(StoreError::Short { wanted, got }));
    let other = Rc::clone(&good)
        .open(KEY, &meta.etag, 100_001)
        .expect("nothing is sent");
    let read = other.read_at(0, &mut [0; 10]);
    assert!(
        matches!(read, Err(StoreError::Changed(_) | StoreError::Short { .. })),
        "{read:?}"
    );
}

#[test]
fn no_credentials_is_an_error_at_once() {
    let server = server();
    let endpoint = format!("http://{}", server.address);
    let options = own(&[
        ("location", "s3://probe-bucket"),
        ("endpoint", &endpoint),
        ("allow_http", "true"),
    ]);
    let options = parse_server(&options).expect("options");
    let none = MappingOptions::default();
    let store = S3::new(&options, &none, &|_| None, Host::plain()).expect("store");
    let begun = Instant::now();
    let head = store.head(KEY);
    let Err(StoreError::Forbidden(text)) = head else {
        panic!("{head:?}");
    };
    assert!(text.contains("the user mapping has no keys"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn credentials_from_a_file() {
    let server = server();
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("credentials");
    let text = "[default]\naws_access_key_id = key\naws_secret_access_key = nonsense\n\
                [archive]\naws_access_key_id = key\naws_secret_access_key = secret\n\
                [metadata]\nrole_arn = arn:aws:iam::1:role/x\ncredential_source = Ec2InstanceMetadata\n";
    std::fs::write(&path, text).expect("write");
    let endpoint = format!("http://{}", server.address);
    let head = |profile: &str, file: &str| {
        let options = own(&[
            ("location", "s3://probe-bucket"),
            ("endpoint", &endpoint),
            ("allow_http", "true"),
            ("credentials_file", file),
            ("profile", profile),
        ]);
        let options = parse_server(&options).expect("options");
        let none = MappingOptions::default();
        let store = S3::new(&options, &none, &|_| None, Host::plain()).expect("store");
        store.head(KEY)
    };
    let file = path.to_str().expect("text");
    assert_eq!(head("archive", file), Err(StoreError::Missing));
    for (profile, file) in [("default", file), ("nobody", file), ("archive", "/nowhere")] {
        let refused = head(profile, file);
        assert!(
            matches!(refused, Err(StoreError::Forbidden(_))),
            "{profile} {file} {refused:?}"
        );
    }
    let Err(StoreError::Forbidden(text)) = head("metadata", file) else {
        panic!("must be refused");
    };
    assert!(text.contains("not enabled"), "{text}");
}

#[test]
fn large_files_go_up_in_parts() {
    let server = server();
    let store = in_parts(Host::plain(), server.address);
    let file = source((10 << 20) + 12_345);
    let meta = file.put(&store, KEY).expect("put");
    assert_eq!(meta.size, file.bytes.len() as u64);
    assert_eq!(meta.sha256.as_ref(), Some(&file.sha256));
    assert!(meta.etag.ends_with("-3"), "three parts: {}", meta.etag);
    for start in [0, (5 << 20) - 10, (10 << 20) - 10, meta.size - 20] {
        let at = start as usize;
        let range = store.get_range(KEY, &meta.etag, start, 20);
        assert_eq!(range, Ok(file.bytes[at..at + 20].to_vec()));
    }
    assert_eq!(file.put(&store, KEY), Err(StoreError::Exists));
}
