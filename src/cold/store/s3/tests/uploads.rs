//! Uploads in parts: their id is known before the first byte of content, and ends what was interrupted.

use super::*;

fn upload_parts(server: &Server, key: &str) -> usize {
    // s3s-fs keeps parts beside the buckets, under hidden names
    let entries = std::fs::read_dir(server.folder.path()).expect("folder");
    let hidden = entries
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(".upload"));
    assert!(!key.is_empty());
    hidden.count()
}

#[test]
fn the_id_comes_before_the_content_and_aborts_it() {
    let server = server();
    let store = in_parts(Host::plain(), server.address);
    let file = source((10 << 20) + 12_345);
    let mut ids = Vec::new();
    // whoever cannot record the id writes nothing
    let end = store.put_if_absent(KEY, &file.path(), &file.sha256, &[], &mut |id| {
        ids.push(id.to_owned());
        Err(StoreError::Io("not recorded".into()))
    });
    assert_eq!(end, Err(StoreError::Io("not recorded".into())));
    assert_eq!(ids.len(), 1);
    assert_eq!(store.head(KEY), Err(StoreError::Missing));
    assert_eq!(upload_parts(&server, KEY), 0);
    // again, under the same name, and to the end; then it is too late to abort
    let end = store.put_if_absent(KEY, &file.path(), &file.sha256, &[], &mut |id| {
        ids.push(id.to_owned());
        Ok(())
    });
    let meta = end.expect("put");
    assert_ne!(ids[0], ids[1]);
    let _ = store.abort_upload(KEY, &ids[1]);
    assert_eq!(store.head(KEY), Ok(meta));
}

#[test]
fn small_files_need_no_id() {
    let server = server();
    let store = in_parts(Host::plain(), server.address);
    let file = source(1 << 20);
    let end = store.put_if_absent(KEY, &file.path(), &file.sha256, &[], &mut |id| {
        Err(StoreError::Io(id.to_owned()))
    });
    assert_eq!(end.expect("put").size, 1 << 20);
}

#[test]
fn aborting_what_is_gone_is_fine_and_a_dead_store_is_told() {
    let gone = super::scripted::scripted(|_, _| super::scripted::http("404 Not Found", "", b""));
    let store = store(gone.address, "secret", super::scripted::FEW);
    assert_eq!(store.abort_upload(KEY, "u1"), Ok(()));
    let log = gone.requests.lock().expect("no panic").clone();
    assert!(
        log[0].starts_with("delete") && log[0].contains("uploadid=u1"),
        "{log:?}"
    );
    let dead = super::scripted::scripted(|_, _| super::scripted::http("503 Busy", "", b""));
    let store = super::store(dead.address, "secret", super::scripted::FEW);
    assert!(matches!(
        store.abort_upload(KEY, "u1"),
        Err(StoreError::Unreachable(_))
    ));
}
