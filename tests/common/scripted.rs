//! A server that answers requests from a function, and counts them.

use super::http::Message;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

type Script = fn(&str, &str) -> (u16, String);

/// Ends when dropped.
pub struct Scripted {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    connections: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Scripted {
    /// `script` makes status and body from the first line of a request and its body.
    pub fn start(script: Script) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Scripted {
            address: listener.local_addr().expect("an address"),
            seen: Arc::default(),
            connections: Arc::default(),
            ended: Arc::default(),
        };
        let (seen, ended) = (Arc::clone(&server.seen), Arc::clone(&server.ended));
        let connections = Arc::clone(&server.connections);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                connections.fetch_add(1, Ordering::SeqCst);
                let seen = Arc::clone(&seen);
                thread::spawn(move || converse(client, script, &seen));
            }
        });
        server
    }

    /// The URL for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// First lines of the requests.
    pub fn requests(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().map(|(first, _)| first.clone()).collect()
    }

    /// Their bodies.
    pub fn bodies(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("no panic");
        seen.iter().map(|(_, body)| body.clone()).collect()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // wakes the thread that accepts
        let _ = TcpStream::connect(self.address);
    }
}

fn converse(client: TcpStream, script: Script, seen: &Mutex<Vec<(String, String)>>) -> Option<()> {
    let mut out = client.try_clone().ok()?;
    let mut reader = BufReader::new(client);
    while let Some(request) = Message::read(&mut reader, false).ok()? {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let entry = (request.first.clone(), body.clone());
        seen.lock().expect("no panic").push(entry);
        let (status, body) = script(&request.first, &body);
        let answer = Message {
            first: format!("HTTP/1.1 {status} Scripted"),
            headers: vec![
                ("content-length".to_owned(), body.len().to_string()),
                // what the instance metadata service wants to see on its tokens
                (
                    "x-aws-ec2-metadata-token-ttl-seconds".to_owned(),
                    "600".to_owned(),
                ),
            ],
            body: body.into_bytes(),
        };
        answer.write(&mut out).ok()?;
    }
    Some(())
}
