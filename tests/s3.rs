//! The in-process S3 server and the proxy before it, seen by the same client library that the extension uses.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use common::{ACCESS_KEY, Counts, Fault, FaultProxy, REGION, S3Server, SECRET_KEY, wait_until};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const BUCKET: &str = "bucket";
const KEY: &str = "folder/object";

fn client(endpoint: &str, secret: &str) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_timeout(Duration::from_secs(2))
        .build();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .credentials_provider(Credentials::new(ACCESS_KEY, secret, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .build();
    Client::from_conf(config)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// A server with a bucket, a proxy before it, and a client of the proxy.
fn behind_a_proxy() -> (S3Server, FaultProxy, Client) {
    let server = S3Server::start();
    server.create_bucket(BUCKET);
    let proxy = server.proxy();
    let client = client(&proxy.endpoint(), SECRET_KEY);
    (server, proxy, client)
}

/// Stores 100,000 bytes under [`KEY`].
async fn put(client: &Client) -> Result<(), String> {
    let body = ByteStream::from(content());
    let request = client.put_object().bucket(BUCKET).key(KEY).body(body);
    request.send().await.map(drop).map_err(text)
}

fn content() -> Vec<u8> {
    (0..100_000u32).map(|n| (n % 251) as u8).collect()
}

/// Bytes 1000 to 1999 of the object.
async fn get(client: &Client) -> Result<Vec<u8>, String> {
    let request = client.get_object().bucket(BUCKET).key(KEY);
    let answer = request
        .range("bytes=1000-1999")
        .send()
        .await
        .map_err(text)?;
    let body = answer.body.collect().await.map_err(|e| e.to_string())?;
    Ok(body.to_vec())
}

fn text(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

#[test]
fn signed_requests_work_and_others_do_not() {
    let server = S3Server::start();
    server.create_bucket(BUCKET);
    runtime().block_on(async {
        let good = client(&server.endpoint(), SECRET_KEY);
        put(&good).await.expect("a stored object");
        assert_eq!(get(&good).await.expect("a range"), content()[1000..2000]);
        let bad = client(&server.endpoint(), "wrong");
        let error = get(&bad).await.expect_err("a wrong signature");
        assert!(error.contains("SignatureDoesNotMatch"), "{error}");
    });
    assert_eq!(server.keys(BUCKET), [KEY]);
    let file = std::fs::read(server.object_file(BUCKET, KEY)).expect("the object's file");
    assert_eq!(file, content());
}

#[test]
fn proxy_counts_and_delays() {
    let (_server, proxy, client) = behind_a_proxy();
    runtime().block_on(async {
        put(&client).await.expect("a stored object");
        proxy.reset();
        proxy.latency(Duration::from_millis(60));
        let start = Instant::now();
        get(&client).await.expect("a range");
        assert!(start.elapsed() >= Duration::from_millis(60));
    });
    let expected = Counts {
        gets: 1,
        bytes: 1000,
        ..Counts::default()
    };
    assert_eq!(proxy.counts(), expected);
    let requests = proxy.requests();
    assert!(
        requests[0].starts_with("GET /bucket/folder/object"),
        "{requests:?}"
    );
    assert!(requests[0].ends_with("bytes=1000-1999"), "{requests:?}");
}

#[test]
fn faults_reach_the_client() {
    let (_server, proxy, client) = behind_a_proxy();
    runtime().block_on(async {
        put(&client).await.expect("a stored object");
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchKey"), (503, "SlowDown")] {
            proxy.inject_times(1, "GET", KEY, Fault::Status(status));
            let error = get(&client).await.expect_err("an error");
            assert!(error.contains(code), "{error}");
        }
        proxy.inject_times(1, "GET", KEY, Fault::CutBody(10));
        get(&client).await.expect_err("a short body");
        proxy.inject_times(1, "GET", KEY, Fault::WholeObject);
        assert_eq!(get(&client).await.expect("all"), content());
        proxy.inject_times(1, "PUT", KEY, Fault::LoseAnswer);
        put(&client).await.expect_err("no answer");
        assert_eq!(get(&client).await.expect("all is well again").len(), 1000);
    });
}

#[test]
fn changed_object_fails_a_conditional_get() {
    let (_server, proxy, client) = behind_a_proxy();
    runtime().block_on(async {
        put(&client).await.expect("a stored object");
        let head = client.head_object().bucket(BUCKET).key(KEY).send().await;
        let tag = head.expect("metadata").e_tag.expect("an entity tag");
        let conditional = || client.get_object().bucket(BUCKET).key(KEY).if_match(&tag);
        conditional().send().await.expect("the same object");
        proxy.inject_times(1, "GET", KEY, Fault::ETag("other".to_string()));
        let error = conditional().send().await.expect_err("another object");
        assert!(text(error).contains("PreconditionFailed"));
    });
}

#[test]
fn hanging_request_ends_with_the_client_or_the_fault() {
    let (_server, proxy, client) = behind_a_proxy();
    runtime().block_on(async {
        put(&client).await.expect("a stored object");
        proxy.inject("GET", KEY, Fault::Hang);
        let error = get(&client).await.expect_err("a timeout");
        assert!(error.contains("timeout"), "{error}");
    });
    wait_until("the proxy sees the client leave", || {
        proxy.counts().abandoned == 1
    });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime().block_on(get(&client)));
        wait_until("the second request hangs", || proxy.counts().gets == 2);
        proxy.clear();
        let body = waiting.join().expect("a thread").expect("an answer");
        assert_eq!(body.len(), 1000);
    });
}
