//! A real S3-protocol server in this process: signatures are checked, objects lie in plain files.

use super::local::LocalPort;
use super::proxy::FaultProxy;
use super::sandbox::Sandbox;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder as Connections;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpListener;

pub const ACCESS_KEY: &str = "STRATATESTKEY";
pub const SECRET_KEY: &str = "strata/test/secret";
pub const REGION: &str = "us-east-1";

/// Serves buckets from a sandbox on 127.0.0.1 until dropped. Knows nothing of versions, and ignores
/// `If-Match` on GET: go through [`S3Server::proxy`], which obeys it as S3 does.
pub struct S3Server {
    port: LocalPort,
    sandbox: Sandbox,
}

impl S3Server {
    pub fn start() -> S3Server {
        let sandbox = Sandbox::new();
        let root = sandbox.path().join("buckets");
        fs::create_dir(&root).expect("a folder");
        let files = s3s_fs::FileSystem::new(root).expect("a store of files");
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        S3Server {
            port: LocalPort::start(|listener| serve(listener, service)),
            sandbox,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The URL for clients that go straight to the server.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    pub fn create_bucket(&self, name: &str) {
        fs::create_dir_all(self.root().join(name)).expect("a bucket");
    }

    /// The file that holds an object.
    pub fn object_file(&self, bucket: &str, key: &str) -> PathBuf {
        self.root().join(bucket).join(key)
    }

    /// Keys in a bucket, sorted.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let root = self.root().join(bucket);
        let mut folders = vec![root.clone()];
        let mut keys = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a bucket").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let key = path.strip_prefix(&root).expect("a key");
                    keys.push(key.to_string_lossy().into_owned());
                }
            }
        }
        keys.sort();
        keys
    }

    /// A proxy before this server that counts requests and can break them.
    pub fn proxy(&self) -> FaultProxy {
        FaultProxy::start(self.address(), self.root())
    }

    fn root(&self) -> PathBuf {
        self.sandbox.path().join("buckets")
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let connections = Connections::new(TokioExecutor::new());
            // A client that goes away in mid-request is no failure of the server.
            let _ = connections
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}
