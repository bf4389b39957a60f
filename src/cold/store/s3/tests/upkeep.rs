//! Listings, unfinished uploads, small objects and links.

use super::scripted::{http, scripted};
use super::*;
use crate::cold::store::upkeep::{Unfinished, Upkeep};

#[test]
fn listings_come_in_pages_with_sizes_and_times() {
    let server = server();
    let store = store(server.address, "secret", &[]);
    let folder = server.folder.path().join(BUCKET).join("pre fix/many");
    std::fs::create_dir_all(&folder).expect("folder");
    for n in 0..1005 {
        std::fs::write(folder.join(format!("{n:04}")), "12345").expect("object");
    }
    let first = store.list("many/", None).expect("a page");
    assert_eq!(first.objects.len(), 1000);
    let second = store.list("many/", first.next.as_deref()).expect("a page");
    assert_eq!((second.objects.len(), &second.next), (5, &None));
    assert_eq!(second.objects[4].key, "many/1004");
    assert_eq!(second.objects[4].size, 5);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.expect("a clock").as_micros()).expect("this century");
    let age = now - second.objects[4].modified_us;
    assert!((-2_000_000..60_000_000).contains(&age), "{age}");
}

#[test]
fn a_small_object_changes_only_as_expected() {
    let server = server();
    let store = store(server.address, "secret", &[]);
    assert_eq!(store.read_small(KEY), Ok(None));
    assert_eq!(store.write_small(KEY, b"one", None), Ok(()));
    let one = store.read_small(KEY).expect("read").expect("one");
    assert_eq!(one.bytes, b"one");
    let changed = |r: StoreResult<()>| matches!(r, Err(StoreError::Changed(_)));
    assert!(changed(store.write_small(KEY, b"two", None)));
    assert!(changed(store.write_small(KEY, b"two", Some("0123"))));
    assert!(changed(store.write_small("other", b"two", Some("0123"))));
    assert_eq!(store.write_small(KEY, b"two", Some(&one.etag)), Ok(()));
    let two = store.read_small(KEY).expect("read").expect("two");
    assert_eq!(two.bytes, b"two");
    // a repetition of what was written already is not somebody else's write
    assert_eq!(store.write_small(KEY, b"two", Some(&one.etag)), Ok(()));
}

/// s3s-fs keeps no list of unfinished uploads, as some stores do not.
#[test]
fn a_store_that_cannot_list_uploads_has_none() {
    let server = server();
    let store = store(server.address, "secret", &[]);
    assert_eq!(store.unfinished("db-1/"), Ok(vec![]));
}

#[test]
fn unfinished_uploads_are_listed_and_aborted() {
    const FIRST: &str = "<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>true</IsTruncated>\
        <NextKeyMarker>pre fix/db-1/a</NextKeyMarker><NextUploadIdMarker>one</NextUploadIdMarker>\
        <Upload><Key>pre fix/db-1/a</Key><UploadId>one</UploadId><Initiated>1970-01-01T00:00:05.000Z</Initiated></Upload>\
        </ListMultipartUploadsResult>";
    const SECOND: &str = "<ListMultipartUploadsResult><Bucket>b</Bucket><IsTruncated>false</IsTruncated>\
        <Upload><Key>pre fix/db-1/b</Key><UploadId>two</UploadId><Initiated>1970-01-01T00:00:06.000Z</Initiated></Upload>\
        </ListMultipartUploadsResult>";
    let server = scripted(|head, number| match number {
        0 => http("200 OK", "", FIRST.as_bytes()),
        1 => http("200 OK", "", SECOND.as_bytes()),
        2 => http("204 No Content", "", b""),
        _ if head.starts_with("delete") => http(
            "404 Not Found",
            "",
            b"<Error><Code>NoSuchUpload</Code></Error>",
        ),
        _ => None,
    });
    let store = store(server.address, "secret", &[]);
    let found = store.unfinished("db-1/").expect("a list");
    let upload = |key: &str, id: &str, begun_us| Unfinished {
        key: key.into(),
        id: id.into(),
        begun_us,
    };
    let both = [
        upload("db-1/a", "one", 5_000_000),
        upload("db-1/b", "two", 6_000_000),
    ];
    assert_eq!(found, both);
    assert_eq!(store.abort_upload(&found[0].key, &found[0].id), Ok(()));
    assert_eq!(
        store.abort_upload(&found[1].key, &found[1].id),
        Ok(()),
        "gone is what was wanted"
    );
    let requests = server.requests.lock().expect("no panic");
    assert!(
        requests[1].contains("upload-id-marker=one"),
        "{}",
        requests[1]
    );
    assert!(
        requests[2].starts_with("delete /probe-bucket/pre%20fix/db-1/a?")
            && requests[2].contains("uploadid=one"),
        "{}",
        requests[2]
    );
}

/// The answer to a conditional write is lost, and its repetition refused: it has happened all the same.
#[test]
fn a_small_write_whose_answer_was_lost_is_no_conflict() {
    let server = scripted(|head, number| match number {
        0 => http("503 Slow Down", "", b""),
        1 => http("412 Precondition Failed", "", b""),
        _ if head.starts_with("get") => http("200 OK", "etag: \"new\"\r\n", b"two"),
        _ => None,
    });
    let store = store(server.address, "secret", &[]);
    assert_eq!(store.write_small(KEY, b"two", Some("old")), Ok(()));
    let requests = server.requests.lock().expect("no panic");
    assert!(requests[0].contains("if-match: \"old\""), "{}", requests[0]);
    assert!(!requests[0].contains("if-none-match"), "{}", requests[0]);
}

#[test]
fn links_work_without_credentials_and_for_a_while() {
    let server = server();
    let store = store(server.address, "secret", &[]);
    let file = source(1000);
    file.put(&store, KEY).expect("put");
    let url = store.url(KEY, Duration::from_secs(60)).expect("a link");
    let path = url
        .strip_prefix(&format!("http://{}", server.address))
        .expect("the endpoint");
    assert!(path.contains("X-Amz-Expires=60"), "{path}");
    assert!(!path.contains("secret"), "{path}");
    let get = |path: &str| {
        let mut socket = TcpStream::connect(server.address).expect("connect");
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            server.address
        );
        socket.write_all(request.as_bytes()).expect("send");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("an answer");
        answer
    };
    let answer = get(path);
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert!(answer.ends_with(&file.bytes));
    let forged = get(&path.replace("X-Amz-Expires=60", "X-Amz-Expires=600"));
    assert!(forged.starts_with(b"HTTP/1.1 403"));
    assert!(store.url(KEY, Duration::from_secs(8 * 86_400)).is_err());
}
