//! A bucket behind a proxy that makes each request wait, and what reading from it costs.

use crate::common::{
    ACCESS_KEY, FaultProxy, Message, REGION, S3Server, SECRET_KEY, exec, one, rows,
};
use crate::stage::Stage;
use postgres::Client;
use std::io::BufReader;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What each request to the bucket waits.
pub const LATENCY: Duration = Duration::from_millis(20);

pub struct Archive {
    pub server: S3Server,
    pub proxy: FaultProxy,
}

/// One statement.
pub struct Cost {
    pub answer: String,
    pub ms: f64,
    pub gets: u64,
    pub bytes: u64,
}

impl Archive {
    /// A bucket, and the foreign server `archive` that leads to it.
    pub fn build(stage: &Stage) -> Archive {
        let server = S3Server::start();
        server.create_bucket("bucket");
        let proxy = server.proxy();
        proxy.answer_from_files();
        exec(
            &mut stage.session(),
            &format!(
                "CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://bucket/speed',
                     endpoint '{}', region '{REGION}', allow_http 'true');
                 CREATE USER MAPPING FOR postgres SERVER archive
                     OPTIONS (access_key_id '{ACCESS_KEY}', secret_access_key '{SECRET_KEY}')",
                proxy.endpoint()
            ),
        );
        Archive { server, proxy }
    }

    /// The object's file, for whoever reads it without this extension.
    pub fn file(&self, session: &mut Client, table: &str) -> PathBuf {
        let sql =
            format!("SELECT key FROM strata.cold_files WHERE hypertable = '{table}'::regclass");
        let key = one(session, &sql);
        self.server.object_file("bucket", &format!("speed/{key}"))
    }

    /// Moves every chunk of a table that has rows; the network is fast meanwhile.
    pub fn tier(&self, session: &mut Client, table: &str) {
        exec(
            session,
            &format!(
                "CALL strata.tier_chunks('{table}', older_than => timestamptz '2025-12-01 00:00+00')"
            ),
        );
    }

    /// Reads a whole object by its link in requests of so many bytes, without waiting: milliseconds.
    pub fn download_ms(&self, url: &str, size: u64, step: u64) -> f64 {
        let rest = url.strip_prefix("http://").expect("a link");
        let (host, path) = rest.split_once('/').expect("a link");
        let mut stream = TcpStream::connect(host).expect("the proxy");
        let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
        let begun = Instant::now();
        for start in (0..size).step_by(step as usize) {
            let end = (start + step).min(size) - 1;
            let request = Message {
                first: format!("GET /{path} HTTP/1.1"),
                headers: vec![
                    ("host".to_owned(), host.to_owned()),
                    ("range".to_owned(), format!("bytes={start}-{end}")),
                ],
                body: Vec::new(),
            };
            request.write(&mut stream).expect("a request");
            let answer = Message::read(&mut reader, false)
                .expect("an answer")
                .expect("an answer");
            assert_eq!(
                answer.body.len() as u64,
                end + 1 - start,
                "{}",
                answer.first
            );
        }
        begun.elapsed().as_secs_f64() * 1000.0
    }

    /// Runs a statement while each request waits. What the proxy has counted must be what the session says.
    pub fn cost(&self, session: &mut Client, sql: &str) -> Cost {
        const STATS: &str = "SELECT gets FROM strata.cold_session_stats()";
        let before = one(session, STATS);
        self.proxy.latency(LATENCY);
        self.proxy.reset();
        let begun = Instant::now();
        let answer = rows(session, sql);
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        let counts = self.proxy.counts();
        self.proxy.latency(Duration::ZERO);
        let after = one(session, STATS);
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        // parallel workers count for themselves; here are none
        assert_eq!(number(&after) - number(&before), counts.gets, "{sql}");
        Cost {
            answer,
            ms,
            gets: counts.gets,
            bytes: counts.bytes,
        }
    }
}

/// A session whose statements run in one process: workers would count, and cache, for themselves.
pub fn alone(stage: &Stage) -> Client {
    let mut session = stage.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    session
}

/// Nothing of any file in memory.
pub fn forget(session: &mut Client) {
    exec(session, "SELECT strata.cold_cache_reset()");
}

/// Milliseconds and answer of a statement, the best of three: other programs only ever make it slower.
pub fn best(session: &mut Client, sql: &str) -> (f64, String) {
    let mut best = f64::MAX;
    let mut answer = String::new();
    for _ in 0..3 {
        let begun = Instant::now();
        answer = rows(session, sql);
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
    }
    (best, answer)
}

/// The same for the `sqlite3` shell on a file of the local disk.
pub fn shell(file: &std::path::Path, sql: &str) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        let output = Command::new("sqlite3")
            .args(["-batch", "-readonly"])
            .arg(file)
            .arg(sql)
            .stdout(Stdio::null())
            .output()
            .expect("sqlite3, installed by .ci/setup");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {errors}");
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
    }
    best
}
