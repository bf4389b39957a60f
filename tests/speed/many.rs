//! Many cold chunks: which of them are opened, what planning them costs, how far reading ahead hides the way to the
//! bucket; and what late rows cost.

use crate::archive::{Archive, LATENCY, alone, best, forget};
use crate::common::{exec, one, rows};
use crate::measure::percentile;
use crate::report::Report;
use crate::stage::Stage;
use postgres::Client;
use std::time::{Duration, Instant};

/// Files that one query reads, to see whether it reads ahead.
const FILES: usize = 8;

pub fn many(stage: &Stage, archive: &Archive, report: &mut Report, chunks: usize) {
    report.heading(&format!(
        "many: {chunks} cold chunks in the bucket, 20 ms per request"
    ));
    let mut session = alone(stage);
    make(&mut session, archive, chunks);
    nothing_to_read(archive, &mut session, report);
    planning(&mut session, report, chunks);
    by_uuid(archive, &mut session, report, chunks);
    ahead(archive, &mut session, report);
    late(archive, &mut session, report);
}

/// `spread`: one chunk a day, each with random ids, and one hot chunk; `spread_hot`: the same, all hot.
fn make(session: &mut Client, archive: &Archive, chunks: usize) {
    for table in ["spread", "spread_hot"] {
        exec(
            session,
            &format!(
                "CREATE TABLE {table} (id uuid, at timestamptz, device int8, value float8, note text, PRIMARY KEY (id, at))
                     PARTITION BY RANGE (at);
                 SELECT FROM strata.create_hypertable('{table}', strata.by_range('at', interval '1 day'));
                 SELECT strata.premake_chunks('{table}', timestamptz '2025-01-01 00:00+00',
                     timestamptz '2025-01-01 00:00+00' + {chunks} * interval '1 day');
                 INSERT INTO {table} SELECT md5(g::text)::uuid, timestamptz '2025-01-01 00:00+00' + g * interval '2 min',
                     g % 50, g, rpad('note ' || g, 50, '.') FROM generate_series(0, {chunks} * 720 - 1) g;
                 INSERT INTO {table} SELECT md5((-g)::text)::uuid, now() - g * interval '1 ms', 1, g, 'hot' FROM generate_series(1, 100) g"
            ),
        );
        exec(session, &format!("VACUUM ANALYZE {table}"));
    }
    exec(
        session,
        "SELECT strata.set_cold_storage('spread', server => 'archive')",
    );
    archive.tier(session, "spread");
    exec(session, "ANALYZE spread");
}

fn nothing_to_read(archive: &Archive, session: &mut Client, report: &mut Report) {
    for (what, sql) in [
        (
            "ORDER BY at DESC LIMIT 10",
            "SELECT id FROM spread ORDER BY at DESC LIMIT 10",
        ),
        ("max(at)", "SELECT max(at) FROM spread"),
        (
            "hot rows only",
            "SELECT count(*) FROM spread WHERE at > now() - interval '1 day'",
        ),
    ] {
        forget(session);
        let cost = archive.cost(session, sql);
        let value = format!("{} GETs, {:.1} ms", cost.gets, cost.ms);
        report.check(what, "0 GETs", &value, cost.gets == 0);
    }
}

/// Planning time of the same statement, cold and hot, shared out among the chunks.
fn planning(session: &mut Client, report: &mut Report, chunks: usize) {
    let mut time = |table: &str| {
        let sql = format!("EXPLAIN (SUMMARY) SELECT * FROM {table} WHERE device = 7 AND value > 3");
        let mut times: Vec<f64> = (0..20)
            .map(|_| {
                let plan = rows(session, &sql);
                let line = plan.lines().find(|l| l.starts_with("Planning Time: "));
                let number = line.and_then(|l| l.split(' ').nth(2)?.parse::<f64>().ok());
                number.expect("a planning time")
            })
            .collect();
        percentile(&mut times, 50.0)
    };
    let (cold, hot) = (time("spread"), time("spread_hot"));
    let each = (cold - hot) * 1000.0 / chunks as f64;
    report.check(
        "planning, more per cold chunk than per hot one",
        "at most 50 µs",
        &format!("{each:.0} µs ({cold:.2} ms cold, {hot:.2} ms hot)"),
        each <= 50.0,
    );
}

/// A key without time: the bloom filters say which files are worth opening.
fn by_uuid(archive: &Archive, session: &mut Client, report: &mut Report, chunks: usize) {
    let tries = 20;
    let (mut opened, mut gets, mut wrong, mut ms) = (0, 0, 0, 0.0);
    for n in 0..tries {
        // half of them are there
        let number = if n % 2 == 0 {
            n * 31 % (chunks * 720)
        } else {
            100_000_000 + n
        };
        let sql = format!("SELECT value FROM spread WHERE id = md5('{number}')::uuid");
        forget(session);
        let cost = archive.cost(session, &sql);
        let expected = if n % 2 == 0 {
            number.to_string()
        } else {
            String::new()
        };
        wrong += usize::from(cost.answer != expected);
        gets += cost.gets;
        ms += cost.ms;
        let plan = rows(session, &format!("EXPLAIN (ANALYZE, TIMING OFF) {sql}"));
        let files = plan.lines().filter(|l| l.contains("Cold File: "));
        let (files, skipped) = files.fold((0, 0), |(files, skipped), line| {
            (
                files + 1,
                skipped + usize::from(line.contains(" skipped (")),
            )
        });
        opened += files - skipped - (n + 1) % 2;
    }
    let each = opened as f64 / tries as f64;
    report.check("wrong answers", "0", &wrong.to_string(), wrong == 0);
    report.check(
        &format!("lookup by random uuid over {chunks} cold chunks"),
        "at most 1 file opened for nothing, on average",
        &format!(
            "{each:.2} files, {:.1} GETs, {:.1} ms",
            gets as f64 / tries as f64,
            ms / tries as f64
        ),
        each <= 1.0,
    );
}

fn ahead(archive: &Archive, session: &mut Client, report: &mut Report) {
    let sql = format!(
        "SELECT count(*), sum(value), min(note) FROM spread WHERE at < timestamptz '2025-01-01 00:00+00' + {FILES} * interval '1 day'"
    );
    let mut time = |ahead: usize| {
        exec(session, &format!("SET strata.cold_prefetch = {ahead}"));
        let mut times = Vec::new();
        let mut gets = 0;
        for _ in 0..5 {
            forget(session);
            let cost = archive.cost(session, &sql);
            times.push(cost.ms);
            gets = cost.gets;
        }
        (percentile(&mut times, 50.0), gets)
    };
    let ((one_by_one, gets), (ahead, _)) = (time(0), time(4));
    let (warm, _) = best(session, &sql);
    exec(session, "RESET strata.cold_prefetch");
    let shared = by_workers(archive, session, &sql);
    let hidden = (one_by_one - ahead) / (one_by_one - warm).max(0.001) * 100.0;
    report.check(
        &format!("{FILES} files in one query: waiting hidden by reading ahead"),
        "at least 70 %",
        &format!("{hidden:.0} % ({one_by_one:.0} ms one after another in {gets} GETs, {ahead:.0} ms ahead, {warm:.0} ms warm)"),
        hidden >= 70.0,
    );
    report.say(&format!(
        "the same by two workers, one file each at a time: {shared:.0} ms"
    ));
}

/// Milliseconds of a statement below a Parallel Append. Workers begin with nothing in memory.
fn by_workers(archive: &Archive, session: &mut Client, sql: &str) -> f64 {
    exec(
        session,
        "SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET strata.cold_prefetch = 0",
    );
    let plan = rows(session, &format!("EXPLAIN {sql}"));
    assert!(plan.contains("Parallel Append"), "{plan}");
    archive.proxy.latency(LATENCY);
    let mut times = Vec::new();
    for _ in 0..5 {
        forget(session);
        let begun = Instant::now();
        rows(session, sql);
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    archive.proxy.latency(Duration::ZERO);
    exec(
        session,
        "SET max_parallel_workers_per_gather = 0; RESET parallel_setup_cost; RESET strata.cold_prefetch",
    );
    percentile(&mut times, 50.0)
}

fn late(archive: &Archive, session: &mut Client, report: &mut Report) {
    let mut insert = |table: &str, from: usize, count: usize| {
        let begun = Instant::now();
        for n in from..from + count {
            exec(
                session,
                &format!(
                    "INSERT INTO {table} VALUES (md5('late {n}')::uuid, timestamptz '2025-01-02 00:00+00' + {n} * interval '1 s', 1, 1, 'late')"
                ),
            );
        }
        begun.elapsed().as_secs_f64() * 1000.0 / count as f64
    };
    let (mut cold, mut hot) = (Vec::new(), Vec::new());
    insert("spread", 0, 20);
    insert("spread_hot", 0, 20);
    for turn in 0..5 {
        cold.push(insert("spread", 100 + turn * 200, 200));
        hot.push(insert("spread_hot", 100 + turn * 200, 200));
    }
    let (cold, hot) = (percentile(&mut cold, 50.0), percentile(&mut hot, 50.0));
    let ratio = cold / hot;
    report.check(
        "late insert of a new key",
        "at most 1.5x a hot insert",
        &format!("{ratio:.2}x ({cold:.3} ms, hot {hot:.3} ms)"),
        ratio <= 1.5,
    );
    // a key that is in the file: the bloom filter cannot say no
    exec(session, "SELECT strata.cold_cache_reset()");
    let known = "INSERT INTO spread VALUES (md5('800')::uuid, timestamptz '2025-01-01 00:00+00' + 800 * interval '2 min', 1, 1, 'again') ON CONFLICT DO NOTHING";
    let cost = archive.cost(session, known);
    report.check(
        "late insert whose key must be looked for",
        "1 GET",
        &format!("{} GETs, {:.1} ms", cost.gets, cost.ms),
        cost.gets == 1,
    );
    let count = one(
        session,
        "SELECT count(*) FROM spread WHERE id = md5('800')::uuid",
    );
    report.check("and is not doubled", "1 row", &count, count == "1");
}
