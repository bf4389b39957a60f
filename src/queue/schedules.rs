//! Schedules: jobs that are pushed when their time has come. Any number of processes may fire them: who has the
//! row of a schedule pushes its job and sets its next time, in one transaction.

use super::job::{NewJob, OnDuplicate, Unique};
use super::known::{self, Held, Queue};
use super::rights::{self, Privilege};
use super::schedule_sql::{self as sql, New, Schedule};
use super::scheduler::Tx;
use super::settings::check_name;
use super::when::When;
use super::{groups, home, keys, push, sql_push, streams};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::current_user;
use crate::pg::owner::UserScope;
use crate::pg::queue_call::NewSchedule;
use crate::pg::sql_job::SqlJob;
use crate::pg::subxact::attempt;
use crate::pg::time::{Zone, wall_clock};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// A tick is not missed yet when it is so late, in microseconds.
const LATE: i64 = 10_000_000;
/// After this time a round ends with the next job that it pushes, so that wake-ups stay prompt.
const ROUND: Duration = Duration::from_millis(20);
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// A schedule that somebody is in the way of is looked at again after this time.
const IN_THE_WAY: Duration = Duration::from_secs(1);

/// Makes or changes a schedule; its number.
pub fn schedule(args: &NewSchedule) -> Result<i64> {
    let queue = known::queue(&args.queue)?;
    rights::need(&queue, Privilege::Push)?;
    check(args)?;
    let user = current_user();
    let found = sql::by_name(&args.name)?;
    if let Some(old) = &found {
        check_owner(old, &args.name)?;
    }
    // a schedule without a queue would be nobody's
    let queue = known::hold(&queue)?;
    let owner = found.as_ref().and_then(|old| old.owner).unwrap_or(user);
    if let Some(command) = &args.command {
        sql_push::check_command(command, true)?;
        sql_push::check_role(user, args.run_as.unwrap_or(owner))?;
    }
    let when = When::parse(&args.schedule)?;
    let now = wall_clock();
    // also where no local time comes in
    Zone::named(&args.timezone)?.to_local(now)?;
    let new = New {
        name: &args.name,
        schedule: &args.schedule,
        payload: args.payload,
        command: args.command.as_deref(),
        timezone: &args.timezone,
        missed: &args.missed,
        overlap: args.overlap,
        paused: args.paused,
        run_as: args.run_as,
        owner,
    };
    let kept = found
        .as_ref()
        .filter(|old| old.schedule == args.schedule && old.timezone == args.timezone);
    let made_at = kept.map_or(now, |old| old.made_at);
    let next = when.next(made_at, &args.timezone, now)?;
    // what came due while it was paused was not missed
    let next = kept
        .filter(|old| !old.paused)
        .map_or(next, |old| old.next_run);
    crate::worker::wake_at_commit();
    sql::store(&queue, &new, made_at, next, found.is_some())?.ok_or_else(|| {
        Error::new(
            Kind::Retry,
            format!(
                "schedule \"{}\" was made or removed at the same moment",
                args.name
            ),
        )
    })
}

fn check(args: &NewSchedule) -> Result<()> {
    let bad = |text: String| Err(Error::new(Kind::InvalidParameter, text));
    check_name("name", &args.name)?;
    if !["skip", "once", "all"].contains(&args.missed.as_str()) {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("missed \"{}\" is not known", args.missed),
        )
        .hint("Use 'skip', 'once' or 'all'."));
    }
    if args.command.is_none() && args.run_as.is_some() {
        return bad("run_as is for schedules with a command".into());
    }
    Ok(())
}

/// 42501 unless the current user may be the owner of the schedule: what it pushes and runs, it does as that one.
fn check_owner(schedule: &Schedule, name: &str) -> Result<()> {
    let mine = match schedule.owner {
        Some(owner) => sql_push::may_become(current_user(), owner)?,
        // it was dropped: who administers the queue may take the schedule over
        None => administers(schedule)?,
    };
    if mine {
        return Ok(());
    }
    Err(Error::new(
        Kind::InsufficientPrivilege,
        format!("must be owner of schedule \"{name}\""),
    ))
}

fn administers(schedule: &Schedule) -> Result<bool> {
    let queue = known::by_number(schedule.qid)?;
    Ok(queue.is_some_and(|q| rights::need(&q, Privilege::Admin).is_ok()))
}

/// Removes a schedule; false if there is none of this name.
pub fn unschedule(name: &str) -> Result<bool> {
    let Some(found) = sql::by_name(name)? else {
        return Ok(false);
    };
    if !administers(&found)? {
        check_owner(&found, name)?;
    }
    sql::delete(name)
}

/// Fires what is due; how long until the next is.
pub fn fire(tx: Tx) -> Result<Duration> {
    let begun = Instant::now();
    // others are in the way of these: they are due still at the next look, and keep no other from its time
    let mut passed = Vec::new();
    loop {
        let fired = tx.run(|| {
            if !home::is_here()? {
                return Ok(None);
            }
            let Some(due) = sql::due(&passed)? else {
                return Ok(None);
            };
            Ok(Some((due.id, fire_one(&due)?)))
        })?;
        match fired {
            None => break,
            // takes no time from those behind it, which would wait as long as it
            Some((id, false)) => passed.push(id),
            Some((_, true)) if begun.elapsed() >= ROUND => return Ok(Duration::ZERO),
            Some((_, true)) => {}
        }
    }
    let longest = if passed.is_empty() {
        LONGEST_NAP
    } else {
        IN_THE_WAY
    };
    let left = tx.run(|| sql::until_next(&passed))?;
    Ok(left.map_or(longest, |ms| {
        // one more than asked for: the clock must have passed the time. One that is due is with somebody else
        let ms = u64::try_from(ms).unwrap_or(100).saturating_add(1);
        Duration::from_millis(ms).min(longest)
    }))
}

/// What is to be done about a schedule that is due.
struct Plan {
    push: bool,
    /// the tick is one of several that were missed, and each gets its job
    late: bool,
    next_run: i64,
}

fn plan(due: &Schedule, now: i64) -> Result<Plan> {
    let when = When::parse(&due.schedule)?;
    let next = |after| when.next(due.made_at, &due.timezone, after);
    let late = now - due.next_run > LATE;
    let all = due.missed == "all";
    Ok(Plan {
        push: !late || due.missed != "skip",
        late: late && all,
        next_run: next(if late && !all { now } else { due.next_run })?,
    })
}

/// False if somebody else is in the way.
fn fire_one(due: &Schedule) -> Result<bool> {
    let planned = attempt(|| plan(due, wall_clock()));
    let planned = match planned {
        Ok(Ok(plan)) => plan,
        // a zone that this server does not know, say: it must not spin
        Ok(Err(e)) => return sql::failed(due.id, None, &e.message).map(|()| true),
        Err(e) => return sql::failed(due.id, None, &e.message).map(|()| true),
    };
    if !planned.push {
        return sql::skipped(due.id, planned.next_run).map(|()| true);
    }
    let out = attempt(|| push_job(due, planned.late));
    let error = match out {
        Ok(Ok(Pushed::InTheWay)) => return Ok(false),
        Ok(Ok(Pushed::Done(job))) => {
            return sql::ran(due.id, planned.next_run, job).map(|()| true);
        }
        Ok(Err(e)) => e.message,
        Err(e) if will_pass(e.code) => return Ok(false),
        Err(e) => e.message,
    };
    pgrx::log!(
        "pg_strata: schedule {} could not push its job: {error}",
        due.id
    );
    sql::failed(due.id, Some(planned.next_run), &error).map(|()| true)
}

/// True for errors that say only that somebody else was in the way.
fn will_pass(code: PgSqlErrorCode) -> bool {
    use PgSqlErrorCode as C;
    matches!(
        code,
        C::ERRCODE_LOCK_NOT_AVAILABLE
            | C::ERRCODE_T_R_DEADLOCK_DETECTED
            | C::ERRCODE_T_R_SERIALIZATION_FAILURE
    )
}

fn gone(role: &str) -> Error {
    Error::new(
        Kind::UndefinedObject,
        format!("role \"{role}\" does not exist any more"),
    )
}

/// What became of the job of a tick.
enum Pushed {
    /// its number; `None`: the last one lives, and there may be no other
    Done(Option<i64>),
    /// another transaction has in hand what it needs
    InTheWay,
}

/// Pushes the job of a tick as the owner of the schedule.
fn push_job(due: &Schedule, late: bool) -> Result<Pushed> {
    let owner = due.owner.ok_or_else(|| gone(&due.owner_name))?;
    let queue = known::by_number(due.qid)?
        .ok_or_else(|| Error::new(Kind::UndefinedObject, "its queue does not exist any more"))?;
    let _owner = UserScope::local(owner);
    rights::need(&queue, Privilege::Push)?;
    // whoever drops the queue, or ends the last job, may take his time, and all other queues would wait with us
    if matches!(known::hold_now(due.qid)?, Held::Busy) {
        return Ok(Pushed::InTheWay);
    }
    let whole = format!("schedule:{}", due.id);
    let key = if due.overlap || late {
        format!("{whole}:{}", due.next_run)
    } else {
        whole.clone()
    };
    if keys::is_busy(&queue, Some(&key))? {
        return Ok(Pushed::InTheWay);
    }
    // jobs that make up for missed times come one after the other
    let in_turn = !due.overlap && due.missed == "all";
    if in_turn && queue.group_limit != 1 {
        groups::one_at_a_time(&queue, &whole)?;
    }
    let job = NewJob {
        payload: due.payload,
        unique: Some(Unique {
            key,
            on_duplicate: OnDuplicate::Skip,
            ..Unique::default()
        }),
        group_key: in_turn.then_some(whole),
        ..NewJob::default()
    };
    let Some(command) = &due.command else {
        return push::push(&queue, &job).map(Pushed::Done);
    };
    let role = match (&due.run_as_name, due.run_as) {
        (None, _) => owner,
        (Some(_), Some(role)) => role,
        (Some(name), None) => return Err(gone(name)),
    };
    push_command(&queue, command, owner, role, job).map(Pushed::Done)
}

fn push_command(
    queue: &Queue,
    command: &str,
    owner: Oid,
    role: Oid,
    job: NewJob,
) -> Result<Option<i64>> {
    sql_push::check_role(owner, role)?;
    let packed = SqlJob {
        command: command.to_owned(),
        payload: job.payload,
        timeout_ms: 0,
        atomic: true,
    };
    let job = NewJob {
        payload: Some(packed.pack()?),
        stream: Some(streams::of(queue, role)?),
        ..job
    };
    push::push(queue, &job)
}
