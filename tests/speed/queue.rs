//! The job queue against a hand-written table with SKIP LOCKED, and pgmq, in one run: what a commit costs decides,
//! so this server waits for its disk.

use crate::common::{exec, one};
use crate::contenders::{BATCH, Contender, NEXT, NOTIFY, PGMQ, POP, Place, TABLE};
use crate::measure::{Aim, Case, Goal, Sample, Unit, in_turns, percentile};
use crate::report::Report;
use crate::slow_disk::{DELAY_MS, SlowDisk};
use postgres::Client;
use std::time::{Duration, Instant};

pub struct Extent {
    pub runs: usize,
    /// of one sample
    pub seconds: f64,
    /// that lie ready when workers begin
    pub backlog: usize,
    /// that come and go under an old snapshot
    pub churn: usize,
}

/// Twice where commits are fast here: the goals are stated for a disk that takes 3 to 4 ms.
pub fn queue(report: &mut Report, extent: &Extent) {
    let own = Place::build(None);
    let fsync = fsync_ms(&own);
    let slow = (fsync < f64::from(DELAY_MS) - 1.0).then(SlowDisk::build);
    let (slow, why_not) = match slow {
        Some(Ok(disk)) => (Some(Place::build(Some(disk))), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, None),
    };
    introduce(&own, report, "this machine's disk", fsync);
    if let Some(reason) = why_not {
        report.say(&format!("no slower disk to judge the goals on ({reason})"));
    }
    // without another one this disk is the judge
    commits(&own, report, extent, fsync, slow.is_none());
    wal(&own, report);
    if let Some(slow) = &slow {
        let fsync = fsync_ms(slow);
        let what = format!("a disk slowed down by {DELAY_MS} ms per flush");
        introduce(slow, report, &what, fsync);
        report.say("all servers of this part load a library that sleeps in fdatasync(): same disk, same load");
        commits(slow, report, extent, fsync, true);
    }
    old_snapshot(&own, report, extent);
}

fn introduce(place: &Place, report: &mut Report, disk: &str, fsync: f64) {
    report.heading(&format!(
        "queue on {disk}: 200-byte payloads, prepared statements, history of failed jobs only"
    ));
    report.say(&format!(
        "{}; one commit of one small row takes {fsync:.2} ms (p50); fsync on, autovacuum on, 512 MB of buffers",
        place.about()
    ));
}

/// Everything in which commits wait for the disk.
fn commits(place: &Place, report: &mut Report, extent: &Extent, fsync: f64, judge: bool) {
    pushing(place, report, extent, judge);
    let workers: &[usize] = match place.is_slow() {
        true => &[16],
        false => &[1, 4, 16],
    };
    for workers in workers {
        working(place, report, extent, *workers, judge);
    }
    batches(place, report, extent, judge);
    wake_up(place, report, fsync, extent.runs);
}

/// What one wait for the disk costs here.
fn fsync_ms(place: &Place) -> f64 {
    let mut session = place.session();
    exec(&mut session, "CREATE TABLE one_row (n int)");
    let mut times: Vec<f64> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            exec(&mut session, "INSERT INTO one_row VALUES (1)");
            begun.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    percentile(&mut times, 50.0)
}

fn case(
    place: &Place,
    extent: &Extent,
    title: &str,
    names: &[&'static str],
    goals: Vec<Goal>,
    sample: impl Fn(&Contender, Duration) -> Result<f64, String>,
) -> Case {
    let names: Vec<&'static str> = names
        .iter()
        .copied()
        .filter(|n| *n != PGMQ || place.has_pgmq())
        .collect();
    let goals = goals
        .into_iter()
        .filter(|goal| !matches!(goal.aim, Aim::Times(_, PGMQ)) || place.has_pgmq())
        .collect();
    let time = Duration::from_secs_f64(extent.seconds);
    let rows = in_turns(extent.runs, &names, |name, _| {
        let contender = Contender::fresh(place, name)?;
        let value = sample(&contender, time)?;
        contender.remove()?;
        Ok(Sample {
            value,
            ..Sample::default()
        })
    });
    Case {
        title: title.to_owned(),
        unit: Unit::JobsPerSecond,
        baseline: TABLE,
        rows,
        goals,
    }
}

fn times(name: &'static str, times: f64, other: &'static str) -> Goal {
    Goal {
        name,
        aim: Aim::Times(times, other),
    }
}

/// Goals count on one disk only.
fn goals(judge: bool, goals: Vec<Goal>) -> Vec<Goal> {
    if judge { goals } else { Vec::new() }
}

fn pushing(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    let goals = goals(judge, vec![times(POP, 1.5, TABLE)]);
    let case = case(
        place,
        extent,
        "push one by one, 16 clients (pg_strata wakes waiters; the table only where it says so)",
        &[TABLE, NOTIFY, PGMQ, POP],
        goals,
        |c, time| c.push(16, time),
    );
    report.case(&case);
}

fn working(place: &Place, report: &mut Report, extent: &Extent, workers: usize, judge: bool) {
    let goals = match workers {
        16 => goals(judge, vec![times(NEXT, 3.0, TABLE), times(NEXT, 4.0, PGMQ)]),
        _ => Vec::new(),
    };
    let case = case(
        place,
        extent,
        &format!("claim + complete, {workers} workers"),
        &[TABLE, PGMQ, POP, NEXT],
        goals,
        |c, time| {
            c.fill(extent.backlog)?;
            c.work(workers, time)
        },
    );
    report.case(&case);
}

fn batches(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    let goals = || goals(judge, vec![times(POP, 1.5, TABLE)]);
    let title = format!("push batches of {BATCH}, 4 clients");
    let names = [TABLE, PGMQ, POP];
    let pushed = case(place, extent, &title, &names, goals(), |c, time| {
        c.push_batches(4, time)
    });
    report.case(&pushed);
    let title = format!("claim + complete batches of {BATCH}, 4 workers");
    let names = [TABLE, PGMQ, POP, NEXT];
    let worked = case(place, extent, &title, &names, goals(), |c, _| {
        c.work_in_batches(4, extent.backlog * 3)
    });
    report.case(&worked);
}

/// From the begin of a push to the moment when an idle waiter is back at its client. Both sessions have done the same
/// once before: what a session reads at its first call is another figure.
fn wake_up(place: &Place, report: &mut Report, fsync: f64, runs: usize) {
    let mut medians = Vec::new();
    let mut first = Vec::new();
    for _ in 0..runs {
        let strata = Contender::fresh(place, POP).expect("a queue");
        let (mut pusher, mut waiter) = (place.session(), place.session());
        first.push(one_wake_up(&mut pusher, &mut waiter, &strata.queue));
        let mut times: Vec<f64> = (0..50)
            .map(|_| one_wake_up(&mut pusher, &mut waiter, &strata.queue))
            .collect();
        medians.push(percentile(&mut times, 50.0));
        drop((pusher, waiter));
        strata.remove().expect("a queue that can be dropped");
    }
    let p50 = percentile(&mut medians, 50.0);
    report.check(
        "begin of a push to an idle waiter awake, p50",
        &format!("at most two commits, {:.2} ms", 2.0 * fsync),
        &format!("{p50:.2} ms"),
        p50 <= 2.0 * fsync,
    );
    let first = percentile(&mut first, 50.0);
    report.say(&format!(
        "  the same for the first calls of two new sessions: {first:.2} ms"
    ));
}

fn one_wake_up(pusher: &mut Client, waiter: &mut Client, queue: &str) -> f64 {
    let pid = one(waiter, "SELECT pg_backend_pid()");
    let call = format!("CALL strata.queue_wait('{queue}', '20 s')");
    let asleep = format!("SELECT wait_event = 'Extension' FROM pg_stat_activity WHERE pid = {pid}");
    let pop =
        format!("SELECT strata.queue_complete('{queue}', claim) FROM strata.queue_pop('{queue}')");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            let ready = one(waiter, &call);
            let woken = Instant::now();
            assert_eq!(ready, "t");
            exec(waiter, &pop);
            woken
        });
        while one(pusher, &asleep) != "t" {
            std::thread::sleep(Duration::from_millis(1));
        }
        let begun = Instant::now();
        exec(pusher, &format!("SELECT strata.queue_push('{queue}', '1')"));
        let woken = waiting.join().expect("a waiter");
        woken.saturating_duration_since(begun).as_secs_f64() * 1000.0
    })
}

/// Bytes of log from push to end, without images of whole pages: those depend on checkpoints alone.
fn wal(place: &Place, report: &mut Report) {
    const JOBS: usize = 2000;
    place.set("full_page_writes", "off");
    for name in [TABLE, PGMQ, POP, NEXT] {
        if name == PGMQ && !place.has_pgmq() {
            continue;
        }
        let mut session = place.session();
        let contender = Contender::fresh(place, name).expect("a queue");
        let before = position(&mut session);
        contender.push_so_many(JOBS).expect("pushes");
        let pushed = position(&mut session);
        contender.work_so_many(JOBS).expect("a worker");
        let done = position(&mut session);
        let each = |bytes: i64| bytes as f64 / JOBS as f64;
        let text = format!(
            "{:.0} bytes ({:.0} for the push)",
            each(done - before),
            each(pushed - before)
        );
        let what = format!("log per job, push to end: {name}");
        if name == NEXT {
            let met = each(done - before) <= 700.0;
            report.check(&what, "at most 700 bytes", &text, met);
        } else {
            report.say(&format!("  {what}: {text}"));
        }
        contender.remove().expect("a queue that can be dropped");
    }
    place.set("full_page_writes", "on");
}

fn position(session: &mut Client) -> i64 {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    one(session, sql).parse().expect("a position")
}

/// Jobs come and go while somebody holds an old snapshot. Commits do not wait here: the disk would hide what it
/// costs to walk over the dead.
fn old_snapshot(place: &Place, report: &mut Report, extent: &Extent) {
    report.heading(&format!(
        "queue: {} jobs come and go under one old snapshot, then 4 workers (commits do not wait)",
        extent.churn
    ));
    let time = Duration::from_secs_f64(extent.seconds);
    for name in [TABLE, PGMQ, NEXT] {
        if name == PGMQ && !place.has_pgmq() {
            continue;
        }
        let kept = keeps(place, name, extent, time);
        let what = format!("rate kept: {name}");
        match kept {
            Ok((fresh, after)) => {
                let part = after / fresh * 100.0;
                let text = format!("{part:.0} % ({fresh:.0} jobs/s fresh, {after:.0} after)");
                if name == NEXT {
                    report.check(&what, "at least 95 %", &text, part >= 95.0);
                } else {
                    report.say(&format!("  {what}: {text}"));
                }
            }
            Err(error) => report.say(&format!("  {what}: {error}")),
        }
    }
}

/// So many times as many jobs lie ready.
const HURRIED: usize = 5;

fn keeps(
    place: &Place,
    name: &'static str,
    extent: &Extent,
    time: Duration,
) -> Result<(f64, f64), String> {
    let mut contender = Contender::fresh(place, name)?;
    contender.hurried = true;
    // where no commit waits, workers are several times as fast
    contender.fill(extent.backlog * HURRIED)?;
    let fresh = contender.work(4, time)?;
    contender.empty()?;
    let mut holder = place.session();
    exec(
        &mut holder,
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class",
    );
    contender.churn(extent.churn)?;
    contender.fill(extent.backlog * HURRIED)?;
    let after = contender.work(4, time)?;
    exec(&mut holder, "ROLLBACK");
    contender.remove()?;
    Ok((fresh, after))
}
