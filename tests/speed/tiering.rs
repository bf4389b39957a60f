//! Tiering and bringing back: rows per second of one exporter, its memory, and what writers and readers notice.

use crate::common::{exec, one};
use crate::report::Report;
use crate::stage::Stage;
use postgres::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const TABLE: &str = "
    CREATE TABLE tiered (id int8, at timestamptz, device int8, value float8, note text, PRIMARY KEY (id, at))
        PARTITION BY RANGE (at);
    SELECT FROM strata.create_hypertable('tiered', strata.by_range('at', interval '1 month'));
    SELECT strata.premake_chunks('tiered', timestamptz '2025-01-01 00:00+00', timestamptz '2025-03-01 00:00+00')";
const CALL: &str =
    "CALL strata.tier_chunks('tiered', older_than => timestamptz '2025-02-01 00:00+00')";

/// Largest resident memory of a process so far, in megabytes, without what it shares.
fn peak_mb(pid: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| {
        let line = status.lines().find(|l| l.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    Some(kilobytes("RssAnon:")? / 1024.0)
}

/// Statements one after another until told to stop; their times, sorted.
fn repeat(mut session: Client, sql: &dyn Fn(usize) -> String, stop: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let begun = Instant::now();
        exec(&mut session, &sql(times.len()));
        times.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    times.sort_unstable();
    times
}

fn p99(times: &[Duration]) -> f64 {
    let at = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |t| t.as_secs_f64() * 1000.0)
}

fn longest(times: &[Duration]) -> f64 {
    times.last().map_or(0.0, |t| t.as_secs_f64() * 1000.0)
}

pub fn tiering(stage: &Stage, report: &mut Report, rows: usize) {
    report.heading("tiering: one chunk of 5 columns into a file of the local store, and back");
    let mut session = stage.session();
    exec(&mut session, TABLE);
    exec(
        &mut session,
        &format!(
            "INSERT INTO tiered SELECT g, timestamptz '2025-01-01 00:00+00' + g * (interval '30 days' / {rows}), g % 1000,
                 g * 0.25, 'note ' || g % 5000 FROM generate_series(0, {rows} - 1) g"
        ),
    );
    exec(&mut session, "VACUUM ANALYZE tiered");
    let insert = |n: usize| {
        format!(
            "INSERT INTO tiered VALUES ({n}, timestamptz '2025-02-10 00:00+00', 1, 1, 'hot') ON CONFLICT DO NOTHING"
        )
    };
    let read = |n: usize| {
        format!(
            "SELECT id FROM tiered WHERE id = {n} AND at = timestamptz '2025-01-01 00:00+00' + {n} * (interval '30 days' / {rows})"
        )
    };
    let alone = {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer =
                scope.spawn(|| repeat(stage.session(), &|n| insert(1_000_000_000 + n), &stop));
            std::thread::sleep(Duration::from_secs(1));
            stop.store(true, Ordering::SeqCst);
            writer.join().expect("the writer")
        })
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| repeat(stage.session(), &|n| insert(2_000_000_000 + n), &stop));
        let reader = scope.spawn(|| repeat(stage.session(), &|n| read(n % rows), &stop));
        let memory = scope.spawn(|| {
            let mut session = stage.session();
            let mut peak: f64 = 0.0;
            while !stop.load(Ordering::SeqCst) {
                let pid = one(&mut session, "SELECT pid FROM strata.cold_progress");
                peak = peak.max(peak_mb(&pid).unwrap_or(0.0));
                std::thread::sleep(Duration::from_millis(5));
            }
            peak
        });
        let begun = Instant::now();
        exec(&mut session, CALL);
        let tiered = begun.elapsed();
        let begun = Instant::now();
        exec(&mut session, "CALL strata.untier_chunks('tiered')");
        let back = begun.elapsed();
        stop.store(true, Ordering::SeqCst);
        let (writes, reads) = (
            writer.join().expect("the writer"),
            reader.join().expect("the reader"),
        );
        let peak = memory.join().expect("the observer");
        report.say(&format!(
            "export with a writer and a reader beside it: {rows} rows in {:.2} s; back: {:.0} rows/s",
            tiered.as_secs_f64(),
            rows as f64 / back.as_secs_f64()
        ));
        let limit = 64.0 + 64.0;
        report.check(
            "memory of an export",
            "at most 64 MB + maintenance_work_mem (64 MB)",
            &format!("{peak:.0} MB of its own"),
            peak <= limit,
        );
        let (before, meanwhile) = (p99(&alone), p99(&writes));
        report.check(
            "inserts into the next chunk meanwhile, 99 of 100",
            "within 10 % of those before",
            &format!(
                "{meanwhile:.2} ms, {before:.2} ms before; longest {:.0} ms",
                longest(&writes)
            ),
            meanwhile <= before * 1.1,
        );
        report.check(
            "reads of this chunk by key, longest wait",
            "at most 2 x strata.cold_lock_timeout + 50 ms = 250 ms",
            &format!(
                "{:.0} ms; 99 of 100 within {:.2} ms",
                longest(&reads),
                p99(&reads)
            ),
            longest(&reads) <= 250.0,
        );
    });
    // without others
    exec(&mut session, CALL);
    let ms = one(
        &mut session,
        "SELECT extract(epoch FROM finished_at - started_at) * 1000 FROM strata.cold_exports ORDER BY id DESC LIMIT 1",
    );
    let speed = rows as f64 / ms.parse::<f64>().unwrap_or(f64::MAX) * 1000.0;
    report.check(
        "export, one process, from claim to end",
        "at least 100,000 rows/s",
        &format!("{speed:.0} rows/s"),
        speed >= 100_000.0,
    );
    exec(
        &mut session,
        "SET client_min_messages = error; DROP TABLE tiered",
    );
}
