//! Against a server that answers from a script: what a store should not do, and does.

use super::*;

/// Answers each request with what the script makes of its head and number.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

pub(super) type Script = fn(&str, usize) -> Option<Vec<u8>>;

pub(super) fn scripted(script: Script) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let address = listener.local_addr().expect("address");
    let requests = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&requests);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || answer(socket, script, &log));
        }
    });
    Scripted { address, requests }
}

/// One request per connection; `None` hangs until the client goes away.
fn answer(mut socket: TcpStream, script: Script, log: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let length = head
        .split("content-length: ")
        .nth(1)
        .and_then(|n| n.lines().next()?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if socket.read_exact(&mut body).is_err() {
        return;
    }
    let number = {
        let mut log = log.lock().expect("no panic");
        log.push(head.clone());
        log.len() - 1
    };
    match script(&head, number) {
        Some(text) => drop(socket.write_all(&text)),
        None => drop(socket.read(&mut byte)),
    }
}

pub(super) fn http(status: &str, headers: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut text = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}");
    if !headers.contains("content-length") {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    Some(bytes)
}

pub(super) const FEW: &[(&str, &str)] = &[("max_retries", "1"), ("request_timeout", "300ms")];

fn ten(script: Script) -> (StoreResult<Vec<u8>>, Vec<String>) {
    let server = scripted(script);
    let store = store(server.address, "secret", FEW);
    let answer = store.get(request::Range {
        key: KEY.into(),
        etag: "e".into(),
        start: 20,
        len: 10,
        total: Some(100),
    });
    let requests = server.requests.lock().expect("no panic").clone();
    (answer, requests)
}

const TEN: &[u8] = b"0123456789";
const RANGE: &str = "etag: \"e\"\r\ncontent-range: bytes 20-29/100\r\n";

#[test]
fn requests_carry_range_and_condition() {
    let (answer, requests) = ten(|_, _| http("206 Partial Content", RANGE, TEN));
    assert_eq!(answer, Ok(TEN.to_vec()));
    assert_eq!(requests.len(), 1);
    for header in [
        "range: bytes=20-29\r",
        "if-match: \"e\"\r",
        "accept-encoding: identity\r",
    ] {
        assert!(requests[0].contains(header), "{header}: {}", requests[0]);
    }
    assert!(
        requests[0].starts_with("get /probe-bucket/pre%20fix/db-1/"),
        "{}",
        requests[0]
    );
}

#[test]
fn odd_answers_are_errors() {
    fn protocol(script: Script, why: &str) {
        let (answer, requests) = ten(script);
        let Err(StoreError::Protocol(text)) = &answer else {
            panic!("{why}: {answer:?}");
        };
        assert!(text.contains(why) && text.contains(KEY), "{why}: {text}");
        assert_eq!(requests.len(), 1, "{why}: not worth a second try");
    }
    protocol(|_, _| http("200 OK", RANGE, TEN), "200 instead of 206");
    protocol(
        |_, _| http("206 Partial Content", "etag: \"e\"\r\n", TEN),
        "no usable Content-Range",
    );
    protocol(
        |_, _| {
            http(
                "206 Partial Content",
                "content-range: bytes 30-39/100\r\n",
                TEN,
            )
        },
        "Content-Range 30-39",
    );
    protocol(
        |_, _| {
            let headers = format!("content-encoding: gzip\r\n{RANGE}");
            http("206 Partial Content", &headers, TEN)
        },
        "encoded",
    );
    protocol(
        |_, _| http("206 Partial Content", RANGE, b"01234567890"),
        "more bytes",
    );
}

#[test]
fn changed_objects_are_noticed() {
    let changed: [Script; 4] = [
        |_, _| {
            http(
                "206 X",
                "etag: \"f\"\r\ncontent-range: bytes 20-29/100\r\n",
                TEN,
            )
        },
        |_, _| {
            http(
                "206 X",
                "etag: \"e\"\r\ncontent-range: bytes 20-29/101\r\n",
                TEN,
            )
        },
        |_, _| http("412 Precondition Failed", "", b""),
        |_, _| http("416 Range Not Satisfiable", "", b""),
    ];
    for script in changed {
        let (answer, requests) = ten(script);
        assert!(matches!(answer, Err(StoreError::Changed(_))), "{answer:?}");
        assert_eq!(requests.len(), 1);
    }
}

#[test]
fn busy_stores_are_asked_again() {
    let (answer, requests) = ten(|_, number| match number {
        0 => http("503 Slow Down", "", b""),
        _ => http("206 Partial Content", RANGE, TEN),
    });
    assert_eq!((answer, requests.len()), (Ok(TEN.to_vec()), 2));

    let (answer, requests) = ten(|_, _| http("500 Oops", "", b""));
    assert!(
        matches!(answer, Err(StoreError::Unreachable(_))),
        "{answer:?}"
    );
    assert_eq!(requests.len(), 2, "max_retries 1");
    let (answer, requests) = ten(|_, _| http("429 Too Many Requests", "", b""));
    assert!(
        matches!(answer, Err(StoreError::Unreachable(_))),
        "{answer:?}"
    );
    assert_eq!(requests.len(), 2);
    let (answer, requests) = ten(|_, _| http("403 Forbidden", "", b""));
    assert!(
        matches!(answer, Err(StoreError::Forbidden(_))),
        "{answer:?}"
    );
    assert_eq!(requests.len(), 1);
}

#[test]
fn cut_bodies_are_asked_for_again_and_then_short() {
    let cut: Script = |_, _| {
        let headers = format!("content-length: 10\r\n{RANGE}");
        http("206 Partial Content", &headers, b"0123")
    };
    let (answer, requests) = ten(cut);
    assert!(
        matches!(answer, Err(StoreError::Short { wanted: 10, .. })),
        "{answer:?}"
    );
    assert_eq!(requests.len(), 2);
    let (answer, _) = ten(|_, _| http("206 Partial Content", RANGE, b"0123"));
    assert!(
        matches!(answer, Err(StoreError::Short { wanted: 10, got: 4 })),
        "{answer:?}"
    );
}

#[test]
fn hanging_and_absent_stores() {
    let begun = Instant::now();
    let (answer, requests) = ten(|_, _| None);
    assert!(matches!(answer, Err(StoreError::Timeout(_))), "{answer:?}");
    assert_eq!(requests.len(), 2);
    assert!(begun.elapsed() < Duration::from_secs(5));
    let hung = scripted(|_, _| None);
    let patient = [("max_retries", "9"), ("request_timeout", "200ms")];
    let head = store(hung.address, "secret", &patient).head(KEY);
    assert!(matches!(head, Err(StoreError::Timeout(_))), "{head:?}");
    let sent = hung.requests.lock().expect("no panic").len();
    assert_eq!(sent, 2, "a store that hangs gets one more try, not nine");

    let free = TcpListener::bind("127.0.0.1:0").expect("port");
    let address = free.local_addr().expect("address");
    drop(free);
    let absent = store(address, "secret", FEW).head(KEY);
    let Err(StoreError::Unreachable(text)) = absent else {
        panic!("{absent:?}");
    };
    assert!(text.contains("refused") && text.contains(KEY), "{text}");
}

thread_local! {
    static CANCEL_AFTER: Cell<u32> = const { Cell::new(0) };
}

#[test]
fn a_cancelled_request_leaves_the_store_usable() {
    let server = server();
    let hung = scripted(|_, _| None);
    let host = Host {
        wait_readable: |_, _| {
            std::thread::sleep(Duration::from_millis(1));
            CANCEL_AFTER.set(CANCEL_AFTER.get() - 1);
            assert!(CANCEL_AFTER.get() > 0, "cancelled");
        },
        ..Host::plain()
    };
    let good = store(server.address, "secret", &[]);
    let bad = store_in(host, hung.address, "secret", &[]);
    let file = source(100_000);
    let meta = file.put(&good, KEY).expect("put");
    for round in 0..20 {
        CANCEL_AFTER.set(1 + round % 7);
        let cancelled = catch_unwind(AssertUnwindSafe(|| bad.head("hangs")));
        assert!(cancelled.is_err());
        let at = u64::from(round) * 1000;
        let from = at as usize;
        let range = good.get_range(KEY, &meta.etag, at, 10);
        assert_eq!(range, Ok(file.bytes[from..from + 10].to_vec()));
    }
}

#[test]
fn cancelled_uploads_in_parts_are_aborted() {
    let server = scripted(|head, _| {
        if head.starts_with("post") {
            let body = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>";
            return http("200 OK", "", body);
        }
        match head.starts_with("put") {
            true => None,
            false => http("404 Not Found", "", b""),
        }
    });
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("file");
    let file = std::fs::File::create(&path).expect("file");
    file.set_len(11 << 20).expect("sparse");
    let host = Host {
        wait_readable: |_, _| {
            std::thread::sleep(Duration::from_millis(10));
            CANCEL_AFTER.set(CANCEL_AFTER.get() - 1);
            assert!(CANCEL_AFTER.get() > 0, "cancelled");
        },
        ..Host::plain()
    };
    let store = in_parts(host, server.address);
    CANCEL_AFTER.set(100);
    let seen = Arc::clone(&server.requests);
    let put = AssertUnwindSafe(|| store.put_if_absent(KEY, &path, "00", &[], &mut |_| Ok(())));
    assert!(catch_unwind(put).is_err());
    let begun = Instant::now();
    let aborted = || {
        let log = seen.lock().expect("no panic");
        log.iter()
            .any(|r| r.starts_with("delete") && r.contains("uploadid=u1"))
    };
    while !aborted() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the upload was not aborted"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn whoever_pays_says_so_in_every_request() {
    let server = scripted(|head, _| match head.starts_with("head") {
        true => http("200 OK", "etag: \"e\"\r\ncontent-length: 5\r\n", b""),
        false => http("206 Partial Content", RANGE, TEN),
    });
    let store = store(server.address, "secret", &[("requester_pays", "true")]);
    assert_eq!(store.get_range(KEY, "e", 20, 10), Ok(TEN.to_vec()));
    assert_eq!(store.head(KEY).map(|meta| meta.size), Ok(5));
    let requests = server.requests.lock().expect("no panic").clone();
    for request in requests {
        assert!(
            request.contains("x-amz-request-payer: requester\r"),
            "{request}"
        );
        // signed, or the store would not believe it
        let signed = request.split("signedheaders=").nth(1).unwrap_or_default();
        let signed = signed.split(',').next().unwrap_or_default();
        assert!(signed.contains("x-amz-request-payer"), "{request}");
    }
}
