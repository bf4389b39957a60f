//! A proxy before the S3 server that counts, delays and breaks what passes through.

use super::http::Message;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// What happens to a request instead of the truth.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No answer, until the client leaves or the faults are cleared.
    Hang,
    /// An S3 error with this status; the request does not reach the server.
    Status(u16),
    /// The request reaches the server, its answer is lost with the connection.
    LoseAnswer,
    /// The head promises the whole body, the connection ends after this many bytes of it.
    CutBody(usize),
    /// Status 200 and the whole object where a range was asked for.
    WholeObject,
    /// Another entity tag in the answer.
    ETag(String),
    /// Another Content-Range than that of the bytes.
    ContentRange(&'static str),
    /// The body says that it is compressed.
    Encoded,
    /// One bit of the body is another one.
    FlipBit(usize),
    /// So many bytes of the body, then nothing more until the client leaves.
    HangInBody(usize),
    /// The connection is cut before any answer, with a reset.
    Reset,
    /// Nothing: for the first of several requests, whose later ones meet another fault.
    Pass,
}

/// Which requests a fault meets, and how often.
#[derive(Clone, Debug)]
struct Rule {
    method: &'static str,
    path_part: String,
    times: usize,
    fault: Fault,
}

/// What has passed since the start or the last [`FaultProxy::reset`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub gets: u64,
    pub heads: u64,
    pub puts: u64,
    pub deletes: u64,
    pub others: u64,
    /// Bytes of bodies sent to clients.
    pub bytes: u64,
    /// Hanging requests that the client gave up.
    pub abandoned: u64,
}

#[derive(Default)]
struct State {
    rules: VecDeque<Rule>,
    latency: Duration,
    counts: Counts,
    requests: Vec<String>,
    under_way: usize,
    most_at_once: usize,
    /// Entity tags by path, where ranges are answered from the objects' files.
    tags: Option<HashMap<String, String>>,
}

struct Shared {
    upstream: SocketAddr,
    objects: PathBuf,
    state: Mutex<State>,
    /// Set by Drop: every thread leaves.
    ended: AtomicBool,
}

/// The proxy and its controls. Ends when dropped.
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl FaultProxy {
    /// `objects`: the folder of the server's buckets.
    pub fn start(upstream: SocketAddr, objects: PathBuf) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream,
            objects,
            state: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.ended.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // Errors end the connection, as they would with a real server.
                thread::spawn(move || shared.converse(client));
            }
        });
        FaultProxy { address, shared }
    }

    /// The URL for clients.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request waits this long before it goes on.
    pub fn latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Ranges of objects that the server has named once are read from their files from now on: benchmarks measure
    /// the client, not how fast this server was built to be.
    pub fn answer_from_files(&self) {
        self.state().tags = Some(HashMap::new());
    }

    /// Breaks all requests of `method` (empty: any) whose path contains `path_part`, until cleared.
    pub fn inject(&self, method: &'static str, path_part: &str, fault: Fault) {
        self.inject_times(usize::MAX, method, path_part, fault);
    }

    /// Like [`FaultProxy::inject`], for the next `times` requests only.
    pub fn inject_times(&self, times: usize, method: &'static str, path_part: &str, fault: Fault) {
        let path_part = path_part.to_string();
        self.state().rules.push_back(Rule {
            method,
            path_part,
            times,
            fault,
        });
    }

    /// Ends all faults; hanging requests are answered.
    pub fn clear(&self) {
        self.state().rules.clear();
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Each request as `METHOD path range`.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// The largest number of requests that were under way at one moment.
    pub fn most_at_once(&self) -> usize {
        self.state().most_at_once
    }

    /// Counts and requests begin anew.
    pub fn reset(&self) {
        let mut state = self.state();
        state.counts = Counts::default();
        state.requests.clear();
        state.most_at_once = 0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the proxy's state")
    }

    /// Serves one connection, request after request.
    fn converse(&self, mut client: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        while let Some(request) = Message::read(&mut reader, false)? {
            if self.ended.load(Ordering::SeqCst) {
                break;
            }
            let fault = self.record(&request);
            // not in one statement: the state would stay locked, and requests wait for each other
            let latency = self.state().latency;
            thread::sleep(latency);
            let answered = self.answer(request, fault, &mut client);
            self.state().under_way -= 1;
            if !answered? {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
        Ok(())
    }

    /// Counts a request and takes the fault that meets it.
    fn record(&self, request: &Message) -> Option<Fault> {
        let (method, path) = (request.word(0), request.word(1));
        let mut state = self.state();
        let counter = match method {
            "GET" => &mut state.counts.gets,
            "HEAD" => &mut state.counts.heads,
            "PUT" => &mut state.counts.puts,
            "DELETE" => &mut state.counts.deletes,
            _ => &mut state.counts.others,
        };
        *counter += 1;
        state.under_way += 1;
        state.most_at_once = state.most_at_once.max(state.under_way);
        let range = request.header("range").unwrap_or_default();
        state
            .requests
            .push(format!("{method} {path} {range}").trim_end().to_string());
        let rule = state.rules.iter_mut().find(|rule| {
            rule.times > 0
                && (rule.method.is_empty() || rule.method == method)
                && path.contains(&rule.path_part)
        })?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    /// Answers one request. False: the connection ends.
    fn answer(
        &self,
        request: Message,
        fault: Option<Fault>,
        client: &mut TcpStream,
    ) -> io::Result<bool> {
        match fault {
            Some(Fault::Hang) if !self.wait_for_clearing(client)? => return Ok(false),
            Some(Fault::Status(status)) => {
                self.reply(&error(status, request.word(0) == "HEAD"), client)?;
                return Ok(true);
            }
            Some(Fault::Reset) => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => {}
        }
        let mut response = self.forward(&request)?;
        match fault {
            Some(Fault::LoseAnswer) => return Ok(false),
            Some(Fault::HangInBody(bytes)) => {
                client.write_all(response.head().as_bytes())?;
                client.write_all(&response.body[..bytes.min(response.body.len())])?;
                self.wait_for_clearing(client)?;
                return Ok(false);
            }
            Some(Fault::ContentRange(text)) => response.set("content-range", text),
            Some(Fault::Encoded) => response.set("content-encoding", "gzip"),
            Some(Fault::FlipBit(at)) => {
                let at = at % response.body.len().max(1);
                response
                    .body
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= 1);
            }
            Some(Fault::CutBody(bytes)) => {
                client.write_all(response.head().as_bytes())?;
                client.write_all(&response.body[..bytes.min(response.body.len())])?;
                return Ok(false);
            }
            Some(Fault::ETag(tag)) => response.set("etag", &format!("\"{tag}\"")),
            Some(Fault::WholeObject) => self.widen(&request, &mut response)?,
            _ => {}
        }
        let refused = request.word(0) == "GET"
            && request.header("if-match").is_some_and(|wanted| {
                wanted != "*" && response.header("etag").is_some_and(|found| found != wanted)
            });
        if refused {
            response = error(412, false);
        }
        self.reply(&response, client)?;
        Ok(true)
    }

    fn reply(&self, response: &Message, client: &mut TcpStream) -> io::Result<()> {
        self.state().counts.bytes += response.body.len() as u64;
        response.write(client)
    }

    /// Asks the server, over a connection of its own.
    fn forward(&self, request: &Message) -> io::Result<Message> {
        if let Some(answer) = self.range_of_file(request) {
            return Ok(answer);
        }
        let path = request.word(1).to_owned();
        let mut request = request.clone();
        request.set("connection", "close");
        let mut upstream = TcpStream::connect(self.upstream)?;
        request.write(&mut upstream)?;
        let bodyless = request.word(0) == "HEAD";
        let mut response = Message::read(&mut BufReader::new(upstream), bodyless)?
            .ok_or_else(|| io::Error::other("no answer from the server"))?;
        response.remove("connection");
        if !bodyless && response.word(1) != "204" && response.header("content-length").is_none() {
            response.set("content-length", "0");
        }
        if let (Some(tags), Some(tag)) = (&mut self.state().tags, response.header("etag")) {
            tags.insert(plain_path(&path).to_owned(), tag.to_owned());
        }
        Ok(response)
    }

    /// The range that is asked for, if this proxy may answer it by itself.
    fn range_of_file(&self, request: &Message) -> Option<Message> {
        let path = plain_path(request.word(1));
        let tag = self.state().tags.as_ref()?.get(path)?.clone();
        let (start, end) = request
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let (start, end): (u64, u64) = (start.parse().ok()?, end.parse().ok()?);
        let file = File::open(self.objects.join(path.trim_start_matches('/'))).ok()?;
        let size = file.metadata().ok()?.len();
        let length = usize::try_from((end + 1).min(size).checked_sub(start)?).ok()?;
        let mut body = vec![0; length];
        file.read_exact_at(&mut body, start).ok()?;
        let last = start + length as u64 - 1;
        let headers = [
            ("etag", tag),
            ("content-range", format!("bytes {start}-{last}/{size}")),
            ("content-length", length.to_string()),
        ];
        Some(Message {
            first: "HTTP/1.1 206 Partial Content".to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
            body,
        })
    }

    /// Turns the answer to a range into the whole object.
    fn widen(&self, request: &Message, response: &mut Message) -> io::Result<()> {
        let path = request.word(1).split('?').next().unwrap_or_default();
        response.body = std::fs::read(self.objects.join(path.trim_start_matches('/')))?;
        response.first = "HTTP/1.1 200 OK".to_string();
        response.remove("content-range");
        response.set("content-length", &response.body.len().to_string());
        Ok(())
    }

    /// Waits while hanging requests are asked for. False: the client has left, or the proxy ends.
    fn wait_for_clearing(&self, client: &TcpStream) -> io::Result<bool> {
        client.set_read_timeout(Some(Duration::from_millis(20)))?;
        loop {
            if self.ended.load(Ordering::SeqCst) {
                return Ok(false);
            }
            if self.state().rules.is_empty() {
                client.set_read_timeout(None)?;
                return Ok(true);
            }
            match client.peek(&mut [0]) {
                Ok(0) => {
                    self.state().counts.abandoned += 1;
                    return Ok(false);
                }
                // A client in a hurry: the next request is there already.
                Ok(_) => thread::sleep(Duration::from_millis(20)),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                    _ => {
                        self.state().counts.abandoned += 1;
                        return Ok(false);
                    }
                },
            }
        }
    }
}

/// Without what follows the question mark.
fn plain_path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// An error in S3's form.
fn error(status: u16, bodyless: bool) -> Message {
    let code = match status {
        403 => "AccessDenied",
        404 => "NoSuchKey",
        412 => "PreconditionFailed",
        503 => "SlowDown",
        _ => "InternalError",
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <Error><Code>{code}</Code><Message>made by the test</Message></Error>"
    );
    let body = if bodyless { String::new() } else { body };
    Message {
        first: format!("HTTP/1.1 {status} {code}"),
        headers: vec![
            ("content-type".to_string(), "application/xml".to_string()),
            ("content-length".to_string(), body.len().to_string()),
        ],
        body: body.into_bytes(),
    }
}
