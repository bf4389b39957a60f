//! What the others feel while old chunks are dropped.

use crate::measure::{Aim, Case, Goal, Row, Sample, Unit, in_turns, percentile, plain};
use crate::report::Report;
use crate::stage::{DAY, NATIVE, PARTMAN, PREMADE, Stage};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const QUIET: &str = "nobody drops";
const CHUNKS: i64 = 30;
/// Of these, the oldest are dropped.
const DROPPED: i64 = 5;

pub fn dropping(stage: &Stage, report: &mut Report, seconds: f64, runs: usize) {
    report.heading("Drop under load");
    report.say(&format!(
        "2 writers and 1 reader of the newest chunk, {seconds} s; meanwhile another session drops the {DROPPED} oldest of {CHUNKS} chunks,"
    ));
    report.say("while a transaction that has read an old chunk stays open for half of the time");
    let names = stage.contenders(&[QUIET, NATIVE, PREMADE, PARTMAN]);
    let mut longest: Vec<(&'static str, Sample)> = Vec::new();
    let rows = in_turns(runs, &names, |name, _| {
        let mut latencies = under_load(stage, name, seconds)?;
        let ms = |value: f64| Sample {
            value,
            ..Sample::default()
        };
        longest.push((name, ms(percentile(&mut latencies, 100.0))));
        Ok(ms(percentile(&mut latencies, 99.0)))
    });
    let waits = rows
        .iter()
        .map(|row| Row {
            name: row.name,
            samples: longest
                .iter()
                .filter(|(name, _)| *name == row.name && row.why_not.is_none())
                .map(|(_, sample)| *sample)
                .collect(),
            why_not: row.why_not.clone(),
        })
        .collect();
    report.case(&Case {
        title: "latency of the others, 99 of 100 are below".to_owned(),
        unit: Unit::Milliseconds,
        baseline: NATIVE,
        rows,
        goals: vec![Goal {
            name: PREMADE,
            aim: Aim::Times(0.9, QUIET),
        }],
    });
    report.case(&Case {
        title: "longest wait of the others".to_owned(),
        unit: Unit::Milliseconds,
        baseline: NATIVE,
        rows: waits,
        goals: vec![Goal {
            name: PREMADE,
            aim: Aim::AtMostMs(50.0),
        }],
    });
}

/// Latencies of the statements of writers and reader, in milliseconds.
fn under_load(stage: &Stage, name: &'static str, seconds: f64) -> Result<Vec<f64>, String> {
    let kind = if name == QUIET { NATIVE } else { name };
    let end = stage.today + DAY;
    let table = stage.table(kind, &["ts"], CHUNKS, end)?;
    let old = end - (CHUNKS - DROPPED) * DAY;
    fill_old(stage, table, end)?;
    let stop = AtomicBool::new(false);
    let newest = stage.today + DAY / 2;
    let write = format!(
        "INSERT INTO {table} VALUES (to_timestamp({newest} + random() * 1000), 1, 1.5, 'load')"
    );
    let read = format!(
        "SELECT count(*) FROM {table} WHERE ts >= to_timestamp({newest}) AND ts < to_timestamp({newest} + 5)"
    );
    std::thread::scope(|scope| {
        let work: Vec<_> = [&write, &write, &read]
            .into_iter()
            .map(|sql| scope.spawn(|| repeat(stage, sql, &stop)))
            .collect();
        let reader = scope.spawn(|| hold(stage, table, old, seconds / 2.0));
        std::thread::sleep(Duration::from_secs_f64(seconds / 10.0));
        let dropper = scope.spawn(|| match name {
            QUIET => Ok(()),
            _ => drop_old(stage, name, table, old),
        });
        std::thread::sleep(Duration::from_secs_f64(seconds * 0.9));
        stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for thread in work {
            all.extend(thread.join().expect("a client's thread")?);
        }
        reader.join().expect("the reader")?;
        dropper.join().expect("the session that drops")?;
        Ok(all)
    })
}

fn fill_old(stage: &Stage, table: &str, end: i64) -> Result<(), String> {
    let sql = format!(
        "INSERT INTO {table} SELECT to_timestamp({end} - 1 - g * 60), g % 10, g, 'x' FROM generate_series(0, {CHUNKS} * 1440 - 1) g"
    );
    stage.session().batch_execute(&sql).map_err(|e| plain(&e))
}

fn repeat(stage: &Stage, sql: &str, stop: &AtomicBool) -> Result<Vec<f64>, String> {
    let mut session = stage.session();
    let statement = session.prepare(sql).map_err(|e| plain(&e))?;
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        session.query(&statement, &[]).map_err(|e| plain(&e))?;
        latencies.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(latencies)
}

/// A transaction that has read an old chunk and stays open.
fn hold(stage: &Stage, table: &str, old: i64, seconds: f64) -> Result<(), String> {
    let mut session = stage.session();
    let read = format!("BEGIN; SELECT count(*) FROM {table} WHERE ts < to_timestamp({old})");
    session.batch_execute(&read).map_err(|e| plain(&e))?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    session.batch_execute("COMMIT").map_err(|e| plain(&e))
}

/// Drops all chunks before `old`, as a user of this contender does.
fn drop_old(stage: &Stage, name: &str, table: &str, old: i64) -> Result<(), String> {
    let mut session = stage.session();
    let result = match name {
        PREMADE => session.batch_execute(&format!(
            "SELECT count(*) FROM strata.drop_chunks('{table}', older_than => to_timestamp({old}))"
        )),
        PARTMAN => session.batch_execute(&format!(
            "SELECT partman.drop_partition_time('public.{table}', now() - to_timestamp({old}), p_keep_table => false)"
        )),
        _ => (CHUNKS - DROPPED..CHUNKS)
            .rev()
            .try_for_each(|i| session.batch_execute(&format!("DROP TABLE {table}_{i}"))),
    };
    result.map_err(|e| plain(&e))
}
