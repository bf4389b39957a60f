//! Groups: of the jobs of a queue with one group key only so many are ready or running, the others are held in
//! order.
//!
//! A member's right to be in a segment is a ticket. Tickets are given under the lock of the group only, which nobody
//! waits for; they are kept through retries, and given back in the transaction that ends the job. A push only adds
//! to the store of held jobs, and whoever finds the lock taken leaves a mark: the next pop, or the background
//! worker, looks at marked groups. So no open transaction delays anything but its own group.

use super::claim_id::Lane;
use super::dirty::{Mark, What};
use super::find::{self, Moved};
use super::groups_sql::{
    ALL, FIRST_LIMIT, FORGET_FAILED, GIVE, GIVE_BACK, HOLD, LIMIT, NO_LIMIT, OLDEST, OWN_TICKET,
    SET_FAILED, SET_LIMIT, TAKE, TICKETS,
};
use super::known::{self, Held, Queue};
use super::marks::Taken;
use super::pair::{self, Each, Half};
use super::rotate::Transactions;
use super::scheduler::Tx;
use super::{after, after_all, push};
use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Values, column};
use crate::pg::{queue_dirty, queue_rows, queue_seq, spi};
use crate::worker::Prompt;
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// State of a job that waits for its group. Its `seq` is the number of the group.
pub const WAITS: u8 = b'g';
/// Marked groups that a pop looks at in any case.
pub const FEW: usize = 4;
/// Parents of a job that a pop looks for.
const PARENTS: usize = 64;
/// Groups that one transaction of the background worker looks at.
const MANY: usize = 64;
/// Groups that one look at all of them sees.
const AROUND: i64 = 1_000;
/// Sessions without shared memory look at all groups so often.
const PAUSE: Duration = Duration::from_millis(500);

thread_local! {
    static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
    static LOST: Cell<u64> = const { Cell::new(0) };
    /// where the next look at all groups goes on, for each table
    static NEXT: Cell<[i64; 2]> = const { Cell::new([i64::MIN; 2]) };
}

/// The number of a group: a hash (FNV-1a, mixed) of the queue and the key, the same for ever, as it is stored. Two
/// groups with one number would share a limit, no more.
#[must_use]
pub fn number(qid: i32, key: &str) -> i64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in qid.to_le_bytes().iter().chain(key.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash ^ (hash >> 33)) as i64
}

fn number_of(queue: &Queue, row: &Values) -> Option<i64> {
    row.text(column::GROUP_KEY)
        .map(|key| number(queue.qid, &key))
}

/// Holds a job that is a member of a group; false if it is none, or has its ticket already.
pub fn hold(queue: &Queue, row: &mut Values) -> Result<bool> {
    let Some(number) = number_of(queue, row) else {
        return Ok(false);
    };
    let id = row.long(column::ID);
    // a job that has never come back has never had a ticket
    if row.long(column::SEQ) != id && has_ticket(number, id)? {
        return Ok(false);
    }
    row.set_long(column::SEQ, number);
    row.set_state(WAITS);
    let held = pair::HELD.write()?;
    as_extension_owner(|| queue_rows::put(HOLD.of(held.current), row))?;
    queue_dirty::mark(queue_dirty::group(queue.qid, number));
    Ok(true)
}

/// A job that comes back keeps its place. One that has failed and is retried by hand ends the stop of its group.
fn has_ticket(number: i64, id: i64) -> Result<bool> {
    let args = [number.into(), id.into()];
    as_extension_owner(|| {
        let own = spi::read_kept(OWN_TICKET, &args, |row| row.need::<bool>(1))?;
        match own.first() {
            // somebody may just be taking it away, to let the group go on
            Some(true) => set_failed(number, id, false),
            other => Ok(other.is_some()),
        }
    })
}

/// True if it has a ticket.
fn set_failed(number: i64, id: i64, failed: bool) -> Result<bool> {
    let args = [number.into(), id.into(), failed.into()];
    change(SET_FAILED, &args)
}

/// Runs a statement in each table of tickets; true if it has changed a row.
fn change(sql: Each, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<bool> {
    let open = pair::TICKET.write()?;
    as_extension_owner(|| {
        let mut changed = 0;
        for half in open.halves() {
            changed += spi::write_kept(sql.of(half), args, |_| Ok(()))?.len();
        }
        Ok(changed > 0)
    })
}

/// A member has ended: the next one of its key is admitted, unless a failed one stops its group.
pub fn leave(queue: &Queue, row: &Values, failed: bool) -> Result<()> {
    let Some(number) = number_of(queue, row) else {
        return Ok(());
    };
    let id = row.long(column::ID);
    if failed && queue.group_holds && set_failed(number, id, true)? {
        return Ok(());
    }
    let mark = queue_dirty::group(queue.qid, number);
    if !change(GIVE_BACK, &[number.into(), id.into()])? {
        look_again(queue, row);
    } else if queue_dirty::try_lock(mark) {
        admit(queue, number)?;
    } else {
        queue_dirty::mark(mark);
    }
    Ok(())
}

/// A job that waits for its group was locked: who would have admitted it meanwhile has passed the group by.
pub fn look_again(queue: &Queue, row: &Values) {
    if row.state() == WAITS
        && let Some(number) = number_of(queue, row)
    {
        queue_dirty::mark(queue_dirty::group(queue.qid, number));
    }
}

/// Admits held jobs of some marked groups of a queue, before or after a search; never waits. True if there were any.
pub fn admit_some(queue: &Queue, most: usize) -> Result<bool> {
    if !queue_dirty::shared() && LOOKED.get().is_none_or(|at| at.elapsed() > PAUSE) {
        LOOKED.set(Some(Instant::now()));
        look_around()?;
        after_all::look_around(PARENTS)?;
    }
    let mut admitted = 0;
    for mark in queue_dirty::own(queue.qid, most) {
        match mark.what {
            What::Child => admitted += usize::from(after::check(queue, mark.number)?),
            What::Group if queue_dirty::try_lock(mark) => admitted += admit(queue, mark.number)?,
            What::Group | What::Pushed => {}
        }
    }
    let marks = Taken(queue_dirty::take(Some(queue.qid), most));
    admitted += marks.each(|mark| Ok(Some(admit_marked(queue, mark, PARENTS)?)))?;
    Ok(admitted > 0)
}

/// Runs at every waking of the background worker: marked groups, and where no commit can wake it, all of them.
pub(super) fn prompt() -> Result<Prompt> {
    if queue_dirty::shared() {
        let (there, begun) = (queue_dirty::any(), Instant::now());
        admit_all(&Tx::Worker, false)?;
        return Ok(after_all::prompt(there, begun));
    }
    let left = LOOKED
        .get()
        .map_or(Duration::ZERO, |at| PAUSE.saturating_sub(at.elapsed()));
    if !left.is_zero() {
        return Ok(Prompt::again(left));
    }
    LOOKED.set(Some(Instant::now()));
    admit_all(&Tx::Worker, true)?;
    Ok(Prompt::again(PAUSE))
}

/// All marked groups, and a look around.
pub fn admit_all(tx: &impl Transactions, around: bool) -> Result<()> {
    let lost = queue_dirty::lost();
    if around || LOST.replace(lost) != lost {
        tx.run(look_around)?;
        tx.run(|| after_all::look_around(usize::MAX))?;
    }
    loop {
        let marks = queue_dirty::take(None, MANY);
        if marks.is_empty() {
            return Ok(());
        }
        let (seen, marks) = (marks.len(), Taken(marks));
        let admitted = tx.run(|| {
            marks.each(|mark| {
                // the marks of a queue that was dropped go with it
                let queue = known::by_number(mark.qid)?;
                let admit = |queue: Rc<Queue>| admit_marked(&queue, mark, usize::MAX);
                queue.map(admit).transpose()
            })
        })?;
        // those whose groups are locked come back, and would be taken again at once
        if seen < MANY || admitted == 0 {
            return Ok(());
        }
    }
}

/// `parents`: so many of a job that waits for others are looked for.
fn admit_marked(queue: &Queue, mark: Mark, parents: usize) -> Result<usize> {
    if mark.what != What::Group {
        return after_all::look_at(queue, mark, parents);
    }
    // who drops the queue may take his time, and others wait for none of its groups
    if matches!(known::hold_now(queue.qid)?, Held::Busy) {
        queue_dirty::give_back(mark);
        return Ok(0);
    }
    if !queue_dirty::try_lock(mark) {
        queue_dirty::give_back(mark);
        // who has ended before the mark was back has not seen it
        if !queue_dirty::try_lock(mark) {
            return Ok(0);
        }
    }
    queue_dirty::done(mark);
    admit(queue, mark.number)
}

/// Gives the free tickets of a group to its oldest held members; how many. Its lock is held.
fn admit(queue: &Queue, number: i64) -> Result<usize> {
    match known::hold_now(queue.qid)? {
        Held::Here(_) => {}
        Held::Gone => return Ok(0),
        Held::Busy => {
            queue_dirty::mark(queue_dirty::group(queue.qid, number));
            return Ok(0);
        }
    }
    let mut tickets = as_extension_owner(|| {
        spi::read_kept(TICKETS, &[number.into()], |row| {
            Ok((row.need::<i32>(1)?, row.need::<bool>(2)?))
        })
    })?;
    if tickets.iter().any(|(_, failed)| *failed) {
        if queue.group_holds {
            return Ok(0);
        }
        // the queue was told since to go on after failures
        change(FORGET_FAILED, &[number.into()])?;
        tickets.retain(|(_, failed)| !failed);
    }
    let taken: Vec<i32> = tickets.into_iter().map(|(n, _)| n).collect();
    let limit =
        as_extension_owner(|| spi::read_kept(LIMIT, &[number.into()], |row| row.need::<i32>(1)))?;
    let limit = limit.first().copied().unwrap_or(queue.group_limit);
    let free = free_tickets(limit, &taken);
    if free.is_empty() {
        return Ok(0);
    }
    let most = free.len() as i64;
    let oldest = as_extension_owner(|| {
        spi::read_kept(OLDEST, &[number.into(), most.into()], |row| {
            row.need::<i64>(1)
        })
    })?;
    let mut admitted = 0;
    for (n, id) in free.iter().zip(oldest) {
        let Some(row) = take(number, id)? else {
            // somebody cancels it, or changes it: the order stays, so the others wait for him, who marks the group
            // when he ends
            break;
        };
        enter(queue, number, *n, row)?;
        admitted += 1;
    }
    Ok(admitted)
}

/// The numbers below the limit that nobody has: as many as there is room for, also after the limit was lowered.
fn free_tickets(limit: i32, taken: &[i32]) -> Vec<i32> {
    let room = usize::try_from(limit)
        .unwrap_or(0)
        .saturating_sub(taken.len());
    (1..=limit)
        .filter(|n| !taken.contains(n))
        .take(room.min(1_000))
        .collect()
}

fn take(number: i64, id: i64) -> Result<Option<Values>> {
    let held = pair::HELD.write()?;
    for half in held.halves() {
        let args = [number.into(), id.into()];
        let row = as_extension_owner(|| queue_rows::take(TAKE.of(half), &args))?;
        if let Some(row) = row.into_iter().next() {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// A member with its ticket becomes ready, behind those that are ready already.
fn enter(queue: &Queue, number: i64, n: i32, mut row: Values) -> Result<()> {
    let id = row.long(column::ID);
    let args = [number.into(), n.into(), id.into(), queue.qid.into()];
    let open = pair::TICKET.write()?;
    as_extension_owner(|| spi::write_kept(GIVE.of(open.current), &args, |_| Ok(())))?;
    let lane = Lane::from_number(row.short(column::LANE))
        .ok_or_else(|| Error::internal("a held job has no lane"))?;
    let seq = queue_seq::next();
    row.set_long(column::SEQ, seq);
    let qid = row.int(column::QID);
    find::moved(&[Moved { qid, id, lane, seq }])?;
    push::ready(queue, row)
}

/// Marks groups that have room and held members, whatever was forgotten: a part of all groups, the next part the
/// next time.
fn look_around() -> Result<()> {
    pair::HELD.read()?;
    pair::TICKET.read()?;
    let mut next = NEXT.get();
    for (half, from) in [Half::A, Half::B].into_iter().zip(&mut next) {
        let groups = as_extension_owner(|| {
            spi::read_kept(ALL.of(half), &[(*from).into(), AROUND.into()], |row| {
                Ok((row.need(1)?, row.need::<i32>(2)?, row.need::<bool>(3)?))
            })
        })?;
        let last: Option<&(i64, i32, bool)> =
            groups.last().filter(|_| groups.len() as i64 == AROUND);
        *from = last.map_or(i64::MIN, |(number, _, _)| *number);
        for (number, qid, _) in groups.into_iter().filter(|(_, _, room)| *room) {
            queue_dirty::give_back(queue_dirty::group(qid, number));
        }
    }
    NEXT.set(next);
    Ok(())
}

/// Sets the limit of one key, or removes it; a group that a failed job has stopped goes on.
pub fn set_limit(queue: &Queue, key: &str, limit: Option<i32>) -> Result<()> {
    known::hold(queue)?;
    let number = number(queue.qid, key);
    as_extension_owner(|| match limit {
        Some(limit) => {
            let args = [number.into(), queue.qid.into(), key.into(), limit.into()];
            spi::execute(SET_LIMIT, &args)
        }
        None => spi::execute(NO_LIMIT, &[number.into()]),
    })?;
    change(FORGET_FAILED, &[number.into()])?;
    queue_dirty::mark(queue_dirty::group(queue.qid, number));
    Ok(())
}

/// One job of this key at a time, unless somebody has said otherwise.
pub fn one_at_a_time(queue: &Queue, key: &str) -> Result<()> {
    let args = [
        number(queue.qid, key).into(),
        queue.qid.into(),
        key.into(),
        1.into(),
    ];
    as_extension_owner(|| spi::execute(FIRST_LIMIT, &args).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_groups_never_change() {
        assert_eq!(number(1, "a"), number(1, "a"));
        assert_ne!(number(1, "a"), number(2, "a"));
        assert_ne!(number(1, "a"), number(1, "b"));
        assert_eq!(number(7, "customer 12"), 3907367654577226384);
    }

    #[test]
    fn there_are_as_many_tickets_as_the_limit_says() {
        assert_eq!(free_tickets(1, &[]), [1]);
        assert!(free_tickets(1, &[1]).is_empty());
        assert_eq!(free_tickets(3, &[2]), [1, 3]);
        assert!(free_tickets(2, &[5, 1]).is_empty(), "the limit was lowered");
        assert_eq!(free_tickets(2, &[5]), [1]);
        assert!(free_tickets(0, &[]).is_empty());
    }
}
