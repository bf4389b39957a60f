//! Against s3s-fs (real signatures, ranges, conditional writes) and against a server that answers
//! from a script (everything that a sane store does not do).

mod scripted;
mod served;
mod upkeep;
mod uploads;

use super::*;
use crate::cold::name::hex;
use crate::cold::server_options::{parse_mapping, parse_server};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

const BUCKET: &str = "probe-bucket";

/// An S3 server in this process, over a temporary folder.
struct Server {
    address: SocketAddr,
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

fn server() -> Server {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(folder.path().join(BUCKET)).expect("bucket");
    let mut builder = s3s::service::S3ServiceBuilder::new(
        s3s_fs::FileSystem::new(folder.path()).expect("file system"),
    );
    builder.set_auth(s3s::auth::SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .expect("port");
    let address = listener.local_addr().expect("address");
    runtime.spawn(async move {
        use hyper_util::rt::{TokioExecutor, TokioIo};
        use hyper_util::server::conn::auto;
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let http = auto::Builder::new(TokioExecutor::new());
                let served = http.serve_connection(TokioIo::new(socket), service).await;
                drop(served);
            });
        }
    });
    Server {
        address,
        folder,
        _runtime: runtime,
    }
}

fn own(options: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    options.iter().map(owned).collect()
}

fn store(address: SocketAddr, secret: &str, more: &[(&str, &str)]) -> Rc<S3> {
    store_in(Host::plain(), address, secret, more)
}

fn store_in(host: Host, address: SocketAddr, secret: &str, more: &[(&str, &str)]) -> Rc<S3> {
    let endpoint = format!("http://{address}");
    let mut options = vec![
        ("location", "s3://probe-bucket/pre fix"),
        ("endpoint", &endpoint),
        ("allow_http", "true"),
    ];
    options.extend(more);
    let options = parse_server(&own(&options)).expect("options");
    let keys = [("access_key_id", "key"), ("secret_access_key", secret)];
    let mapping = parse_mapping(&own(&keys)).expect("mapping");
    Rc::new(S3::new(&options, &mapping, &|_| None, host).expect("store"))
}

/// A store that sends files above 6 MiB in parts of 5 MiB, the smallest that S3 takes.
fn in_parts(host: Host, address: SocketAddr) -> Rc<S3> {
    let mut store = Rc::into_inner(store_in(host, address, "secret", &[])).expect("only owner");
    Arc::get_mut(&mut store.remote).expect("only owner").sizes = upload::Sizes {
        single_max: 6 << 20,
        part: 5 << 20,
    };
    Rc::new(store)
}

/// A file to store, with its hash.
struct Source {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    sha256: String,
}

fn source(size: u64) -> Source {
    let folder = tempfile::tempdir().expect("temporary folder");
    let bytes: Vec<u8> = (0..size)
        .map(|n| (n ^ (n >> 8) ^ (n >> 17)) as u8)
        .collect();
    std::fs::write(folder.path().join("file"), &bytes).expect("write");
    Source {
        sha256: hex(&Sha256::digest(&bytes)),
        folder,
        bytes,
    }
}

impl Source {
    fn path(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn put(&self, store: &S3, key: &str) -> StoreResult<Meta> {
        let meta = [
            ("rows", "5".to_owned()),
            ("range", "2025 – 2026".to_owned()),
        ];
        store.put_if_absent(key, &self.path(), &self.sha256, &meta, &mut |_| Ok(()))
    }
}

const KEY: &str = "db-1/public.t/2025/t__20250101T000000Z~x-g1.sqlite";
