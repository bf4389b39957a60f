//! Making, changing and dropping queues: who may, and what is refused.

use super::circle::check_circle;
use super::known::{self, Queue};
use super::rights::{self, Privilege};
use super::settings::check_name;
use super::settings_sql::{self as sql, Given, Stored, us};
use super::{after_all, home, own, queue_sql, schedule_sql};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{current_user, quote_literal};
use crate::pg::session;
use pgrx::pg_sys::Oid;

/// The ring that all queues share but dedicated ones.
const SHARED_RING: i32 = 1;

/// The ring of a dedicated queue: numbers of queues begin with 1.
fn own_ring(qid: i32) -> i32 {
    qid + SHARED_RING
}

fn taken(name: &str) -> Error {
    Error::new(
        Kind::DuplicateObject,
        format!("queue \"{name}\" already exists"),
    )
}

/// Makes a queue that belongs to the current user; false if there is one of this name.
pub fn create(name: &str, given: Given, if_not_exists: bool) -> Result<bool> {
    check_name("queue", name)?;
    own::check_name(name)?;
    let settings = sql::defaults().with(given);
    settings.check(us)?;
    let user = current_user();
    need_create(user)?;
    check_dead_letter(name, &settings)?;
    if !sql::exists(name)? {
        home::settle_first()?;
        let qid = sql::number()?;
        // numbers begin anew with the extension
        crate::pg::queue_counters::forget(qid);
        let ring = if settings.dedicated {
            own_ring(qid)
        } else {
            SHARED_RING
        };
        make_ring(ring)?;
        if sql::add(qid, name, ring, user, settings)? {
            tell_without_preload(name);
            return Ok(true);
        }
    }
    if !if_not_exists {
        return Err(taken(name));
    }
    session::notice(&format!("queue \"{name}\" already exists, skipping"), None);
    Ok(false)
}

fn need_create(role: Oid) -> Result<()> {
    let Some(grant) = sql::missing_create(role)? else {
        return Ok(());
    };
    Err(Error::new(
        Kind::InsufficientPrivilege,
        "permission denied to create queues in this database",
    )
    .hint(grant))
}

/// The first segment of a ring that has none. Nobody drops the ring until the transaction ends.
pub(super) fn make_ring(ring: i32) -> Result<()> {
    queue_sql::lock_ring(ring);
    if known::ring(ring)?.segments.is_empty() {
        queue_sql::make_segment(ring, 0, "tail")?;
    }
    Ok(())
}

/// Drops a ring that has no queue any more: segments would keep the extension from being dropped.
fn drop_unused(ring: i32) -> Result<()> {
    queue_sql::lock_ring(ring);
    if sql::is_unused(ring)? {
        sql::drop_ring(ring)?;
    }
    Ok(())
}

/// A dead letter queue must be there, take jobs from the current user, and not lead back.
fn check_dead_letter(name: &str, settings: &Stored) -> Result<()> {
    let Some(dead) = &settings.dead_letter else {
        return Ok(());
    };
    check_circle(name, dead, sql::dead_letter_of)?;
    rights::need(&*known::queue(dead)?, Privilege::Push)
}

fn tell_without_preload(name: &str) {
    if !session::preloaded() {
        session::notice(
            &format!(
                "queue \"{name}\" works, but slower: pg_strata is not preloaded, so waiting workers hear of jobs after up to 100 ms, \
                 NOTIFY comes after up to 250 ms, a job that was committed late or given back shows after up to 2 s, \
                 and after a restart nothing is scheduled until the first push or pop"
            ),
            Some(
                "shared_preload_libraries = 'pg_strata' in postgresql.conf, then restart the server",
            ),
        );
    }
}

/// Changes a queue of the current user.
pub fn alter(
    name: &str,
    given: Given,
    reset: &[String],
    rename_to: Option<&str>,
    owner: Option<Oid>,
) -> Result<()> {
    let queue = known::queue(name)?;
    rights::need_owner(&queue)?;
    given.check_against(reset)?;
    let before = sql::locked(queue.qid)?.ok_or_else(|| known::unknown(name))?;
    let new_dead_letter = given.dead_letter.is_some();
    let mut after = before.clone().with(given);
    after.reset(reset, sql::defaults())?;
    after.check(us)?;
    if new_dead_letter {
        check_dead_letter(name, &after)?;
    }
    if after.dedicated != before.dedicated {
        move_to_ring(&queue, after.dedicated)?;
    }
    sql::change(queue.qid, after)?;
    if let Some(owner) = owner {
        hand_over(&queue, owner)?;
    }
    match rename_to {
        Some(to) if to != name => rename(name, to),
        _ => Ok(()),
    }
}

fn rename(from: &str, to: &str) -> Result<()> {
    check_name("rename_to", to)?;
    own::check_name(to)?;
    if sql::exists(to)? {
        return Err(taken(to));
    }
    sql::rename(from, to)
}

fn hand_over(queue: &Queue, to: Oid) -> Result<()> {
    if !session::has_role(to.to_u32()) {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            format!(
                "must be a member of the new owner of queue \"{}\"",
                queue.name
            ),
        ));
    }
    need_create(to)?;
    sql::set_owner(queue.qid, to)
}

/// Jobs do not move between rings: a worker looks for its claim where the queue lies.
fn move_to_ring(queue: &Queue, dedicated: bool) -> Result<()> {
    let Some(queue) = known::hold_alone(queue)? else {
        return Err(known::unknown(&queue.name));
    };
    let jobs = sql::jobs_in_segments(queue.ring, &sql::numbers(queue.qid)?)?;
    if jobs > 0 {
        let jobs = count(jobs);
        return Err(Error::new(
            Kind::InUse,
            format!(
                "dedicated of queue \"{}\" cannot change while it has {jobs} ready or running",
                queue.name
            ),
        )
        .hint("Try again when its workers have done them."));
    }
    let ring = if dedicated {
        own_ring(queue.qid)
    } else {
        SHARED_RING
    };
    make_ring(ring)?;
    sql::set_ring(queue.qid, ring)?;
    drop_unused(queue.ring)
}

/// Drops a queue of the current user, with its jobs if need be.
pub fn drop(name: &str, force: bool) -> Result<()> {
    let queue = known::queue(name)?;
    rights::need_owner(&queue)?;
    schedule_sql::lock_of_queue(queue.qid)?;
    let Some(queue) = known::hold_alone(&queue)? else {
        return Err(known::unknown(name));
    };
    let numbers = sql::numbers(queue.qid)?;
    if !force {
        refuse_while_used(&queue, &numbers)?;
    }
    let waiting = after_all::children_of(&queue)?;
    sql::forget(queue.qid, &queue.name, &numbers)?;
    after_all::fail_children(&waiting)?;
    let qid = queue.qid;
    crate::pg::xact::at_commit(move || crate::pg::queue_counters::forget(qid));
    drop_unused(queue.ring)
}

/// `1 job`, `2 jobs`
fn count(jobs: i64) -> String {
    format!("{jobs} {}", if jobs == 1 { "job" } else { "jobs" })
}

fn refuse_while_used(queue: &Queue, numbers: &[i32]) -> Result<()> {
    let name = &queue.name;
    let drop_it = format!(
        "SELECT strata.drop_queue({}, force => true);",
        quote_literal(name)
    );
    let used = |message: String| Err(Error::new(Kind::InUse, message).hint(drop_it.clone()));
    let jobs = sql::live_jobs(numbers)?;
    if jobs > 0 {
        return used(format!("queue \"{name}\" has {}", count(jobs)));
    }
    match sql::dead_letter_for(name)?.as_slice() {
        [] => Ok(()),
        [one, ..] => used(format!(
            "queue \"{name}\" is the dead_letter of queue \"{one}\""
        )),
    }
}

/// Pauses a queue, or ends that.
pub fn pause(name: &str, paused: bool) -> Result<()> {
    let queue = known::queue(name)?;
    rights::need(&queue, Privilege::Admin)?;
    sql::set_paused(queue.qid, paused)
}
