//! Jobs that wait until other jobs have ended.
//!
//! For each parent that lives a child has a row in `strata.queue_after_*`. Whoever ends a parent takes the row away and
//! brings the child on its way if that was the last one; a parent that failed fails the child. Nobody waits for
//! anybody: what somebody else has is passed over, and a mark is left, so that the next pop or the background worker
//! looks at the child. There are two kinds of marks:
//! * **counted**: left by who ended one of several parents. Two of them that end at the same instant do not see what
//!   the other one takes away, but whoever looks after both does.
//! * **searched**: left by the push. A parent that was just being ended did not see the new row; so once the row can be
//!   seen, all parents are looked for, again and again while somebody may just be ending one. Whoever ends a
//!   parent later sees the row.
//!
//! Marks are lost in a crash; a look around at all children that wait finds what they would have told.

use super::after_sql::{
    ADD, CHILDREN, CIRCLE, ONE_LEFT, PARENTS, REMOVE, REMOVE_ALL, REMOVE_ALL_WAITING, SET_FAILED,
    TAKE, WITH_ERROR,
};
use super::claim_id::Lane;
use super::dirty::Mark;
use super::ended::job_ended;
use super::find::{self, Moved};
use super::job::Outcome;
use super::known::{self, Held, Queue};
use super::pair::{self, Each};
use super::parents::{self, Parent};
use super::scheduled::by_index;
use super::{groups_sql, push, wake_sql};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Values, column};
use crate::pg::{catalog, queue_args, queue_dirty, queue_memory, queue_rows, queue_seq, spi};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// State of a job that waits for others. Its time, if it has one, is in `lease_until`.
pub const WAITS: u8 = b'a';

thread_local! {
    /// ends of parents that are still to be looked at, while one is
    static ENDS: RefCell<Option<Vec<(i64, bool)>>> = const { RefCell::new(None) };
}

/// Holds a job until these have ended; false if all of them have. A job whose parent has failed ends here.
pub fn hold(queue: &Queue, row: &mut Values, parents: &[i64]) -> Result<bool> {
    let id = row.long(column::ID);
    let parents: BTreeSet<i64> = parents.iter().copied().collect();
    check_numbers(&parents)?;
    if row.long(column::SEQ) != id {
        check_circle(id, &parents)?;
        change(REMOVE_ALL_WAITING, &[id.into()])?;
    }
    let mut living = Vec::new();
    for parent in parents {
        match parents::state(queue, parent)? {
            Parent::Lives(qid) => living.push((parent, qid)),
            Parent::Leaves | Parent::Done => {}
            Parent::Failed => {
                fail(queue, *row, parent)?;
                return Ok(true);
            }
        }
    }
    if living.is_empty() {
        return Ok(false);
    }
    let open = pair::AFTER.write()?;
    as_extension_owner(|| {
        for (parent, qid) in living {
            let args = [parent.into(), id.into(), queue.qid.into(), qid.into()];
            spi::write_kept(ADD.of(open.current), &args, |_| Ok(()))?;
        }
        Ok::<_, Error>(())
    })?;
    row.set_state(WAITS);
    let held = pair::HELD.write()?;
    as_extension_owner(|| queue_rows::put(groups_sql::HOLD.of(held.current), row))?;
    queue_dirty::mark(queue_dirty::pushed(queue.qid, id));
    Ok(true)
}

/// 22023 for a number that no job can have.
fn check_numbers(parents: &BTreeSet<i64>) -> Result<()> {
    let last = wake_sql::last_number()?;
    let Some(unknown) = parents.iter().find(|p| !(1..=last).contains(*p)) else {
        return Ok(());
    };
    Err(Error::new(
        Kind::InvalidParameter,
        format!("job {unknown} in after does not exist"),
    )
    .hint("after takes the ids that strata.queue_push() has returned."))
}

/// 22023 if a job that is replaced would wait for itself. A new job cannot: nobody waits for it. One such push at a
/// time, so that two of them do not make a circle together.
fn check_circle(id: i64, parents: &BTreeSet<i64>) -> Result<()> {
    if let Some(class) = catalog::relation_oid("strata", "queue_after_a") {
        let one = pg_sys::Oid::from(1);
        catalog::lock_object(class, one, pg_sys::ExclusiveLock as pg_sys::LOCKMODE);
    }
    let parents: Vec<i64> = parents.iter().copied().collect();
    let circle = as_extension_owner(|| {
        spi::read_kept(CIRCLE, &[parents.into(), id.into()], |row| {
            row.need::<bool>(1)
        })
    })?;
    if circle.first() != Some(&true) {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidParameter,
        format!("job {id} would wait for itself"),
    )
    .detail("The push replaces it, and after names it, or a job that waits for it.")
    .hint("SELECT id, state FROM strata.queue_jobs; shows the jobs that live."))
}

/// Runs a statement in each table of the store; true if it has changed a row.
fn change(sql: Each, args: &[DatumWithOid<'_>]) -> Result<bool> {
    let open = pair::AFTER.write()?;
    as_extension_owner(|| {
        let mut changed = 0;
        for half in open.halves() {
            changed += spi::write_kept(sql.of(half), args, |_| Ok(()))?.len();
        }
        Ok(changed > 0)
    })
}

fn nobody_waits() -> bool {
    queue_rows::is_empty("queue_after_a") && queue_rows::is_empty("queue_after_b")
}

/// A job has ended: the children that waited for it only go on, or fail with it.
pub fn parent_ended(id: i64, done: bool) -> Result<()> {
    if nobody_waits() {
        return Ok(());
    }
    let nested = ENDS.with_borrow_mut(|ends| match ends {
        Some(ends) => {
            ends.push((id, done));
            true
        }
        None => {
            *ends = Some(vec![(id, done)]);
            false
        }
    });
    if nested {
        // children of children, however deep: one after the other
        return Ok(());
    }
    let _end = End;
    while let Some((id, done)) = ENDS.with_borrow_mut(|e| e.as_mut().and_then(Vec::pop)) {
        for (child, qid) in children(id)? {
            queue_memory::for_a_while(|| one_ended(id, done, child, qid))?;
            catalog::check_for_interrupts();
        }
    }
    Ok(())
}

struct End;

impl Drop for End {
    fn drop(&mut self) {
        ENDS.set(None);
    }
}

fn children(parent: i64) -> Result<Vec<(i64, i32)>> {
    pair::AFTER.read()?;
    as_extension_owner(|| {
        spi::read_kept(CHILDREN, &[parent.into()], |row| {
            Ok((row.need(1)?, row.need(2)?))
        })
    })
}

pub(super) fn one_ended(parent: i64, done: bool, child: i64, qid: i32) -> Result<()> {
    // its queue may have been dropped meanwhile, and the child with it
    let Some(queue) = known::by_number(qid)? else {
        return Ok(());
    };
    let args = [parent.into(), child.into()];
    let noted = match done {
        true => change(REMOVE, &args)?,
        false => change(SET_FAILED, &args)?,
    };
    if !noted {
        // somebody ends the child, and that may be undone
        queue_dirty::mark(queue_dirty::pushed(qid, child));
    }
    if !check(&queue, child)? {
        queue_dirty::mark(queue_dirty::child(qid, child));
    }
    Ok(())
}

/// Brings a child on its way if nothing keeps it any more; false if something does, or somebody has it.
pub fn check(queue: &Queue, child: i64) -> Result<bool> {
    let queue = match known::hold_now(queue.qid)? {
        Held::Here(queue) => queue,
        Held::Gone => return Ok(false),
        // if that is undone, the child is to be looked at
        Held::Busy => {
            queue_dirty::give_back(queue_dirty::pushed(queue.qid, child));
            return Ok(false);
        }
    };
    let queue = &*queue;
    pair::AFTER.read()?;
    let left = by_index(|| {
        spi::read_kept(ONE_LEFT, &[child.into()], |row| {
            Ok((row.need::<i64>(1)?, row.need::<bool>(2)?))
        })
    })?;
    let failed = match left.first() {
        Some((_, false)) => return Ok(false),
        Some((parent, true)) => Some(*parent),
        None => None,
    };
    // who has it leaves a mark, too
    let Some(row) = take(queue, child)? else {
        return Ok(false);
    };
    forget(&row)?;
    match failed {
        Some(parent) => fail(queue, row, parent)?,
        None => go_on(queue, row)?,
    }
    Ok(true)
}

/// Looks what has become of the parents of a child, and brings it on its way if nothing keeps it. False: somebody may
/// just be ending one of them, or there are more than `most`.
pub fn search(queue: &Queue, child: i64, most: usize) -> Result<bool> {
    pair::AFTER.read()?;
    let parents = as_extension_owner(|| {
        spi::read_kept(PARENTS, &[child.into()], |row| {
            Ok((
                row.need::<i64>(1)?,
                row.need::<i32>(2)?,
                row.need::<bool>(3)?,
            ))
        })
    })?;
    if parents.len() > most {
        return Ok(false);
    }
    let mut settled = true;
    for (parent, qid, _) in parents.into_iter().filter(|(_, _, failed)| !*failed) {
        let args = [parent.into(), child.into()];
        match parents::look_again(parent, qid)? {
            Parent::Lives(_) => {}
            Parent::Leaves => settled = false,
            Parent::Done => drop(change(REMOVE, &args)?),
            Parent::Failed => drop(change(SET_FAILED, &args)?),
        }
        catalog::check_for_interrupts();
    }
    Ok(check(queue, child)? || settled)
}

/// Never waits: `None` for a child that somebody has, too.
fn take(queue: &Queue, child: i64) -> Result<Option<Values>> {
    let streams = find::streams(queue)?;
    let held = pair::HELD.write()?;
    for half in held.halves() {
        let args = [streams.clone().into(), child.into()];
        let row = as_extension_owner(|| queue_rows::take(TAKE.of(half), &args))?;
        if let Some(row) = row.into_iter().next() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// The child goes where it waits next, behind those that are there already.
fn go_on(queue: &Queue, mut row: Values) -> Result<()> {
    let lane = Lane::from_number(row.short(column::LANE))
        .ok_or_else(|| Error::internal("a held job has no lane"))?;
    let seq = queue_seq::next();
    row.set_long(column::SEQ, seq);
    let (qid, id) = (row.int(column::QID), row.long(column::ID));
    find::moved(&[Moved { qid, id, lane, seq }])?;
    push::place(queue, row)
}

/// Ends a child because of its parent.
fn fail(queue: &Queue, mut row: Values, parent: i64) -> Result<()> {
    let args = [
        queue_args::column(&row, column::ERRORS),
        i32::from(row.short(column::ATTEMPT)).into(),
        parent.into(),
    ];
    let errors = as_extension_owner(|| spi::read_kept(WITH_ERROR, &args, |row| Ok(row.value(1))))?;
    row.set_value(column::ERRORS, errors.into_iter().next().flatten());
    row.clear(column::LEASE_UNTIL);
    job_ended(queue, &row, &Outcome::Failed)
}

/// A job that waited for others has been taken out of the store. If that is undone, it is to be looked at.
pub fn forget(row: &Values) -> Result<()> {
    let Some(mark) = mark_of(row)? else {
        return Ok(());
    };
    queue_dirty::done(mark);
    change(REMOVE_ALL, &[mark.number.into()]).map(drop)
}

/// The same for a job that lives on under its id.
pub fn forget_replaced(row: &Values) -> Result<()> {
    let Some(mark) = mark_of(row)? else {
        return Ok(());
    };
    queue_dirty::done(mark);
    change(REMOVE_ALL_WAITING, &[mark.number.into()]).map(drop)
}

/// A row that may wait for others is about to be changed, and whoever would bring it on its way passes it over
/// meanwhile.
pub fn touched(row: &Values) -> Result<()> {
    if let Some(mark) = mark_of(row)? {
        queue_dirty::mark(mark);
    }
    Ok(())
}

/// The mark of a job that waits for others.
fn mark_of(row: &Values) -> Result<Option<Mark>> {
    if row.state() != WAITS {
        return Ok(None);
    }
    let queue = known::by_number(row.int(column::QID))?;
    Ok(queue.map(|queue| queue_dirty::pushed(queue.qid, row.long(column::ID))))
}
