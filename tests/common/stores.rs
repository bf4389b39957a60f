//! S3 servers of others, each in a process of its own that ends with ours: `.ci/stores` installs them.

use super::http::Message;
use super::proxy::FaultProxy;
use super::sandbox::Sandbox;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The one bucket that each of them has.
pub const STORE_BUCKET: &str = "bucket";

/// A running server; ended when dropped, and by itself when this process is gone.
pub struct Store {
    process: Child,
    address: SocketAddr,
    keys: (&'static str, &'static str),
    sandbox: Sandbox,
}

impl Store {
    /// Versions, conditions on GET, lists of unfinished uploads; takes any signature.
    pub fn moto() -> Store {
        let mut command = Command::new(installed().join("python/bin/python"));
        command.arg(script("moto_server.py"));
        Store::start(command, ("any", "thing"))
    }

    /// Knows no conditional requests: what is there is overwritten without a word.
    pub fn s3rver() -> Store {
        let mut command = Command::new("node");
        command.env("NODE_PATH", installed().join("node_modules"));
        command.arg(script("s3rver.js"));
        Store::start(command, ("S3RVER", "S3RVER"))
    }

    fn start(mut command: Command, keys: (&'static str, &'static str)) -> Store {
        let sandbox = Sandbox::new();
        let mut process = command
            .arg(sandbox.path())
            .current_dir(sandbox.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let port: u16 = line.trim().parse().expect("its port");
        Store {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            keys,
            sandbox,
        }
    }

    /// The URL for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Access key and secret.
    pub fn keys(&self) -> (&'static str, &'static str) {
        self.keys
    }

    /// One request of the test's own, signed by nobody: status and body.
    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        let (status, body) = self.request_bytes(method, path, body);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    pub fn request_bytes(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        self.request_with(method, path, &[], body)
    }

    pub fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> (u16, Vec<u8>) {
        // moto wants to see which service is meant
        let scope = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request";
        let mut request = Message {
            first: format!("{method} {path} HTTP/1.1"),
            headers: Vec::new(),
            body: body.to_vec(),
        };
        request.set("host", &self.address.to_string());
        if self.keys.0 == "any" {
            request.set("authorization", scope);
        }
        for (name, value) in headers {
            request.set(name, value);
        }
        request.set("connection", "close");
        request.set("content-length", &body.len().to_string());
        let mut stream = TcpStream::connect(self.address).expect("the store");
        request.write(&mut stream).expect("a request");
        let answer = Message::read(&mut BufReader::new(stream), method == "HEAD");
        let answer = answer.expect("an answer").expect("an answer");
        (answer.word(1).parse().expect("a status"), answer.body)
    }

    /// A proxy before this server that counts requests and can break them.
    pub fn proxy(&self) -> FaultProxy {
        FaultProxy::start(self.address, self.sandbox.path().to_owned())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stores")
        .join(name)
}

/// Where `.ci/stores` has put them.
fn installed() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/stores");
    let output = Command::new("bash").arg(script).output().expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout)
        .expect("a path")
        .trim()
        .into()
}
