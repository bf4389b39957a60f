//! The process that runs SQL jobs of one role, connected as that role: RESET ROLE leads nowhere.
//!
//! A first transaction claims a job, so that its attempt is on disk whatever the job does. A second one runs the
//! command and ends the job: both or neither. Its failure is recorded by a third. The claim is leased to this
//! process and comes free with its end.

use super::claim::{self, Wanted};
use super::ended::job_ended;
use super::job::Outcome;
use super::known::{self, Queue};
use super::streams::{self, Stream};
use super::{answer, end, home, interrupts, workers};
use crate::error::{Error, Kind, Result};
use crate::pg::runner_slot::{self, Slot, Still};
use crate::pg::segment::column;
use crate::pg::sql_job::{self, Memory, SqlJob};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, inject, session, spi, time, timeout};
use crate::worker;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Kind of the task.
pub const KIND: &str = "sql";
/// Without a job for so long it leaves.
const IDLE: Duration = Duration::from_secs(5);
/// After so long it leaves when others wait for its place.
pub const TURN: Duration = Duration::from_secs(1);
/// How long it waits for a place that another one was faster to take: longer than a turn.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_FOR_PLACE: Duration = Duration::from_millis(20);
/// It looks for jobs so often, should nobody wake it.
const LOOK: Duration = Duration::from_secs(1);

/// A job that this process has claimed.
struct Claimed {
    queue: Rc<Queue>,
    stream: i32,
    id: i64,
    claim: i64,
    sql: SqlJob,
}

/// Runs jobs of the role with the number `argument`, which this process is connected as.
pub(super) fn task(argument: &str) -> Result<()> {
    let role: u32 = argument
        .parse()
        .map_err(|_| Error::internal("unreadable argument of a runner"))?;
    let Some(slot) = place() else {
        return Ok(());
    };
    sql_job::show_activity();
    let begun = Instant::now();
    let mut idle = begun;
    let mut last = 0;
    loop {
        if one(role, &mut last)? {
            if !slot.retake() {
                return Ok(());
            }
            idle = Instant::now();
            bgworker::wait(Duration::ZERO);
        } else {
            let left = IDLE.saturating_sub(idle.elapsed());
            if left.is_zero() || worker::gives_way() {
                return Ok(());
            }
            bgworker::report_idle();
            bgworker::wait(left.min(LOOK));
        }
        if begun.elapsed() >= TURN && runner_slot::somebody_waits() {
            return Ok(());
        }
    }
}

/// One of the places for such processes. Several databases may have seen the same one free: whoever comes too late
/// waits for a turn of another one, and for so long at least that nobody takes it for one that could not connect.
fn place() -> Option<Slot> {
    let begun = Instant::now();
    let mut waiting = false;
    loop {
        let place = runner_slot::take();
        let late = begun.elapsed() >= PATIENCE;
        if place.is_some() || late {
            if waiting {
                runner_slot::stop_waiting();
            }
            return place;
        }
        waiting = waiting || runner_slot::wait_for_one();
        bgworker::wait(LOOK_FOR_PLACE);
    }
}

/// Claims and runs one job; false if there is none. `last` is the stream that was served last.
fn one(role: u32, last: &mut i32) -> Result<bool> {
    let mut memory = Memory::new();
    let claimed = bgworker::transaction(|| claim(role, *last, &mut memory))?;
    let Some(job) = claimed else {
        return Ok(false);
    };
    *last = job.stream;
    inject::point("queue.sql.claimed");
    let outcome = if job.sql.atomic {
        run_atomic(&job, &mut memory)
    } else {
        run_alone(&job, &mut memory)
    };
    inject::point("queue.sql.ran");
    leave_job();
    match outcome {
        Ok(true) => {}
        Ok(false) => pgrx::log!(
            "pg_strata: job {} of queue \"{}\" was taken from its runner; what it did is rolled back{}",
            job.id,
            job.queue.name,
            if job.sql.atomic {
                ""
            } else {
                " as far as it has not committed"
            }
        ),
        Err(error) => failed(&job, &error)?,
    }
    tidy()?;
    Ok(true)
}

/// The next job of the role, its queues in turn. The attempt is on disk when this is committed.
fn claim(role: u32, last: i32, memory: &mut Memory) -> Result<Option<Claimed>> {
    if !worker::is_current() || !home::is_here()? {
        return Ok(None);
    }
    sql_job::commit_durably();
    let mut mine: Vec<i32> = streams::all()?
        .iter()
        // the jobs of one that was dropped meanwhile are ended by the background worker
        .filter(|s| s.role.to_u32() == role && s.role_exists)
        .map(|s| s.qid)
        .collect();
    let next = mine.iter().position(|s| *s > last).unwrap_or(0);
    mine.rotate_left(next);
    for stream in mine {
        let Some(queue) = known::by_number(stream)?.filter(|q| !q.paused) else {
            continue;
        };
        if let Some(claimed) = claim_of(&queue, stream, memory)? {
            return Ok(Some(claimed));
        }
    }
    Ok(None)
}

fn claim_of(queue: &Rc<Queue>, stream: i32, memory: &mut Memory) -> Result<Option<Claimed>> {
    let now = time::wall_clock();
    let wanted = Wanted {
        stream,
        n: 1,
        now,
        lease: workers::lease(queue, now, None, None, true)?,
    };
    let Some(delivery) = claim::claim(queue, &wanted)?.into_iter().next() else {
        return Ok(None);
    };
    let payload = delivery.row.value(column::PAYLOAD);
    let payload = payload.ok_or_else(|| Error::internal("a SQL job has no payload"))?;
    let id = delivery.row.long(column::ID);
    let sql = SqlJob::unpack(payload, memory)?;
    // before the commit: who is told then that the job runs finds this process by it
    bgworker::report_active(&interrupts::activity(id, &queue.name, &sql.command));
    Ok(Some(Claimed {
        queue: Rc::clone(queue),
        stream,
        id,
        claim: delivery.claim.pack(),
        sql,
    }))
}

/// What would come at the commit belongs to the command: deferred checks, and queries of cursors WITH HOLD. They
/// count as its errors, within its time, and as long as it can be cancelled.
const BEFORE_COMMIT: [&str; 2] = ["SET CONSTRAINTS ALL IMMEDIATE", "CLOSE ALL"];

/// Runs the command and ends the job, in one transaction; false if the claim was lost.
fn run_atomic(job: &Claimed, memory: &mut Memory) -> std::result::Result<bool, Caught> {
    let mut lost = false;
    let out = bgworker::transaction(|| {
        let limit = timeout::Limit::new(job.sql.timeout_ms);
        let result = sql_job::run(&job.sql, job.id, memory)?;
        for statement in BEFORE_COMMIT {
            spi::execute(statement, &[])?;
        }
        drop(limit);
        inject::point("queue.sql.completing");
        lost = !complete(job, &Outcome::Done { result })?;
        if lost {
            return Err(Error::new(Kind::NotInState, "the claim was lost"));
        }
        Ok(true)
    });
    match out {
        Err(_) if lost => Ok(false),
        out => out,
    }
}

/// Runs the command by itself and ends the job afterwards; false if the claim was lost.
fn run_alone(job: &Claimed, memory: &mut Memory) -> std::result::Result<bool, Caught> {
    let result = {
        let _limit = timeout::Limit::new(job.sql.timeout_ms);
        sql_job::run_alone(&job.sql, job.id, memory)?
    };
    // a cancel that comes now would undo nothing
    leave_job();
    bgworker::transaction(|| complete(job, &Outcome::Done { result }))
}

fn complete(job: &Claimed, outcome: &Outcome) -> Result<bool> {
    let Some(row) = end::take(&job.queue, job.stream, job.claim)? else {
        return Ok(false);
    };
    job_ended(&job.queue, &row, outcome)?;
    Ok(true)
}

/// From here on nobody cancels this process for the job's sake, and what was sent before has arrived.
fn leave_job() {
    let _still = Still::me();
    bgworker::report_active("pg_strata: between two jobs");
    // signals that were sent are delivered at the latest when a call of the system returns
    std::thread::yield_now();
    bgworker::forget_cancel();
}

/// Records a failure, in a transaction of its own.
fn failed(job: &Claimed, error: &Caught) -> Result<()> {
    let text = error_text(error);
    pgrx::log!(
        "pg_strata: job {} of queue \"{}\" failed: {text}",
        job.id,
        job.queue.name
    );
    // unless the claim was lost, or somebody wants the job cancelled
    bgworker::transaction(|| {
        answer::fail(&job.queue, job.stream, job.claim, Some(&text), None, false)
    })?;
    Ok(())
}

/// Most jobs of a role that is gone which one call ends.
const BURIED: usize = 100;

/// Ends jobs whose role was dropped.
pub(super) fn bury(stream: &Stream) -> Result<()> {
    let Some(queue) = known::by_number(stream.qid)? else {
        return Ok(());
    };
    let now = time::wall_clock();
    let wanted = Wanted {
        stream: stream.qid,
        n: BURIED,
        now,
        lease: workers::lease(&queue, now, None, None, false)?,
    };
    let text = format!("role \"{}\" does not exist any more", stream.role_name);
    for delivery in claim::claim(&queue, &wanted)? {
        let claim = delivery.claim.pack();
        answer::fail(&queue, stream.qid, claim, Some(&text), None, true)?;
    }
    Ok(())
}

/// What the list of a job's errors says of one.
fn error_text(error: &Caught) -> String {
    let mut text = format!(
        "{} (SQLSTATE {})",
        error.message,
        session::unpack_sqlstate(error.code as i32)
    );
    if let Some(detail) = &error.detail {
        text.push_str("; detail: ");
        text.push_str(detail);
    }
    if let Some(hint) = &error.hint {
        text.push_str("; hint: ");
        text.push_str(hint);
    }
    text
}

/// What code of users may leave in a session, undone as by DISCARD ALL.
const TIDY: [&str; 6] = [
    "RESET SESSION AUTHORIZATION",
    "CLOSE ALL",
    "DEALLOCATE ALL",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
    "SELECT pg_catalog.pg_advisory_unlock_all()",
];

fn tidy() -> Result<()> {
    bgworker::reset_settings();
    bgworker::transaction(|| {
        for statement in TIDY {
            spi::execute(statement, &[])?;
        }
        Ok(())
    })?;
    Ok(())
}
