//! Uploads in parts: their id is known before the first byte of content, and ends what was interrupted.

use super::scripted::{FEW, Script, http, scripted};
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
    let gone = scripted(|_, _| http("404 Not Found", "", b""));
    let store = store(gone.address, "secret", FEW);
    assert_eq!(store.abort_upload(KEY, "u1"), Ok(()));
    let log = gone.requests.lock().expect("no panic").clone();
    assert!(
        log[0].starts_with("delete") && log[0].contains("uploadid=u1"),
        "{log:?}"
    );
    let dead = scripted(|_, _| http("503 Busy", "", b""));
    let store = super::store(dead.address, "secret", FEW);
    assert!(matches!(
        store.abort_upload(KEY, "u1"),
        Err(StoreError::Unreachable(_))
    ));
}

#[test]
fn an_upload_that_fails_is_aborted_once_by_whoever_has_its_id() {
    let server = scripted(|head, _| {
        match head {
        _ if head.starts_with("post") => http(
            "200 OK",
            "",
            b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        ),
        _ if head.starts_with("put") => http("403 Forbidden", "", b""),
        _ => http("404 Not Found", "", b""),
    }
    });
    let store = in_parts(Host::plain(), server.address);
    let file = source(11 << 20);
    let mut id = None;
    let end = store.put_if_absent(KEY, &file.path(), &file.sha256, &[], &mut |begun| {
        id = Some(begun.to_owned());
        Ok(())
    });
    assert!(matches!(end, Err(StoreError::Forbidden(_))), "{end:?}");
    let id = id.expect("an upload in parts");
    assert_eq!(store.abort_upload(KEY, &id), Ok(()));
    // requests that were left to themselves are sent with the next ones
    assert_eq!(store.head(KEY), Err(StoreError::Missing));
    let log = server.requests.lock().expect("no panic").clone();
    let aborts = log.iter().filter(|r| r.starts_with("delete"));
    assert_eq!(aborts.count(), 1, "{log:?}");
}

/// Each script is the life of one write whose outcome the client cannot know.
#[test]
fn lost_answers_of_writes_are_settled_by_looking() {
    let sha = hex(&Sha256::digest([0u8; 1000]));
    let file = source(0);
    std::fs::write(file.path(), [0u8; 1000]).expect("write");
    let put = |script: Script| {
        let server = scripted(script);
        let store = store(server.address, "secret", FEW);
        let end = store.put_if_absent(KEY, &file.path(), &sha, &[], &mut |_| Ok(()));
        let requests = server.requests.lock().expect("no panic").clone();
        let puts = requests.iter().filter(|r| r.starts_with("put")).count();
        let guarded = requests
            .iter()
            .filter(|r| r.contains("if-none-match: *"))
            .count();
        (end.map(|meta| meta.size), puts, guarded)
    };
    fn found(size: usize, hash: &str) -> Option<Vec<u8>> {
        let headers =
            format!("etag: \"e\"\r\nx-amz-meta-sha256: {hash}\r\ncontent-length: {size}\r\n");
        http("200 OK", &headers, b"")
    }
    fn zeros() -> String {
        hex(&Sha256::digest([0u8; 1000]))
    }
    // written, answer lost: it is not written again, whatever the store thinks of conditions
    let end = put(|head, n| match n {
        0 => http("404 Not Found", "", b""),
        1 => None,
        _ => found(1000, &zeros()).filter(|_| head.starts_with("head")),
    });
    assert_eq!(end, (Ok(1000), 1, 1));
    // the look comes too early, and the repetition is told "taken"
    let end = put(|head, n| match n {
        0 | 2 => http("404 Not Found", "", b""),
        1 => None,
        3 => http("412 Precondition Failed", "", b""),
        _ => found(1000, &zeros()).filter(|_| head.starts_with("head")),
    });
    assert_eq!(end, (Ok(1000), 2, 2));
    // answer lost, and something else lies there
    let end = put(|head, n| match n {
        0 => http("404 Not Found", "", b""),
        1 => None,
        _ => found(1000, "ff").filter(|_| head.starts_with("head")),
    });
    assert_eq!(end, (Err(StoreError::Exists), 1, 1));
    // somebody else's object
    let end = put(|_, n| match n {
        0 => http("404 Not Found", "", b""),
        1 => http("412 Precondition Failed", "", b""),
        _ => found(1000, "ff"),
    });
    assert_eq!(end, (Err(StoreError::Exists), 1, 1));
    // never written
    let (end, puts, _) = put(|head, _| match head.starts_with("put") {
        true => http("500 Oops", "", b""),
        false => http("404 Not Found", "", b""),
    });
    assert!(matches!(end, Err(StoreError::Unreachable(_))), "{end:?}");
    assert_eq!(puts, 2);
    // a store that does not know conditions, and a key without the right to list
    let end = put(|head, n| match (n, head.contains("if-none-match")) {
        (0, _) => http("403 Forbidden", "", b""),
        (_, true) => http("501 Not Implemented", "", b""),
        (_, false) if head.starts_with("put") => http("200 OK", "etag: \"e\"\r\n", b""),
        _ => found(1000, &zeros()),
    });
    assert_eq!(end, (Ok(1000), 2, 1));
    // a store that ignores the condition: the look before is the guard
    let end = put(|_, _| found(1000, &zeros()));
    assert_eq!(end, (Err(StoreError::Exists), 0, 0));
}
