//! The end of a delivery: its worker answers with the claim.

use super::claim_id::Claim;
use super::ended::job_ended;
use super::job::Outcome;
use super::known::{self, Queue};
use super::lease_code;
use crate::error::Result;
use crate::pg::call::Value;
use crate::pg::catalog;
use crate::pg::segment::{Change, Found, Segment, Values, column};
use crate::pg::segment_walk::{Latest, Walk};

/// Ends the job of a claim as done; false if the claim was lost.
pub fn complete(queue: &Queue, claim: i64, result: Option<Value>) -> Result<bool> {
    let Some(row) = take(queue, queue.qid, claim)? else {
        return Ok(false);
    };
    job_ended(queue, &row, &Outcome::Done { result })?;
    Ok(true)
}

/// Ends the jobs of these claims as done; the claims that were lost, in the order in which they were given. Rows
/// are locked in the order of their numbers, so that two calls never wait for each other in a circle.
pub fn complete_all(queue: &Queue, claims: &[(i64, Option<Value>)]) -> Result<Vec<i64>> {
    if let [(claim, result)] = claims {
        let done = complete(queue, *claim, *result)?;
        return Ok(if done { Vec::new() } else { vec![*claim] });
    }
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|n| claims[*n].0);
    let mut lost = Vec::new();
    let ring = known::ring(queue.ring)?;
    let snapshot = Latest::take();
    let open = |s: &known::Segment| (s.first_seq, Segment::open(s.table, s.index));
    let mut segments: Vec<_> = ring.segments.iter().map(open).collect();
    let mut places: Vec<Place<'_>> = segments
        .iter()
        .filter_map(|(first_seq, segment)| Some((*first_seq, segment.as_ref()?)))
        .map(|(first_seq, segment)| Place {
            first_seq,
            segment,
            walk: Walk::new(segment, &snapshot),
            used: false,
        })
        .collect();
    let mut before = None;
    for n in order {
        let (claim, result) = claims[n];
        // the snapshot shows still what this call has ended
        if before.replace(claim) == Some(claim) {
            lost.push(n);
            continue;
        }
        // what is not where its number fits, or was touched by others since, is looked for with care
        let done = match take_there(&mut places, queue.qid, claim) {
            Some(row) => job_ended(queue, &row, &Outcome::Done { result }).map(|()| true)?,
            None => complete(queue, claim, result)?,
        };
        if !done {
            lost.push(n);
        }
    }
    let used: Vec<bool> = places.iter().map(|p| p.used).collect();
    drop(places);
    let open = segments.iter_mut().filter_map(|(_, s)| s.as_mut());
    open.zip(used)
        .filter(|(_, used)| !used)
        .for_each(|(segment, _)| segment.release());
    lost.sort_unstable();
    Ok(lost.into_iter().map(|n| claims[n].0).collect())
}

/// A segment that running rows are looked for in, one after another.
struct Place<'a> {
    first_seq: i64,
    segment: &'a Segment,
    walk: Walk<'a>,
    /// a row of it was deleted
    used: bool,
}

/// Deletes the running row of a delivery if it lies where its number fits and nobody has touched it since the
/// snapshot; its values.
fn take_there(places: &mut [Place<'_>], stream: i32, claim: i64) -> Option<Values> {
    let claim = Claim::unpack(claim)?;
    let place = places.iter_mut().rfind(|p| p.first_seq <= claim.seq)?;
    place.walk.to_row(stream, claim.lane.number(), claim.seq);
    while let Some(entry) = place.walk.next() {
        if let Some(found) = entry.found.filter(|f| is_of(&f.row, claim)) {
            let copy = found.row.copy();
            let done = place.segment.delete(&found, true) == Change::Done;
            place.used |= done;
            return done.then_some(copy);
        }
    }
    None
}

/// Deletes the running row of a delivery and gives its values, which live in the current memory context; `None`
/// if the claim was lost. `stream` is the queue's own number or that of SQL jobs of a role.
pub fn take(queue: &Queue, stream: i32, claim: i64) -> Result<Option<Values>> {
    visit(queue, stream, claim, |segment, row, found| {
        let copy = row.copy();
        match segment.delete(found, true) {
            Change::Done => Some(copy),
            Change::Missed => None,
        }
    })
}

/// Looks for the running row of a delivery and does something to it; `None` from `work`: another transaction has
/// changed the row, so it is looked for again.
pub fn visit<T>(
    queue: &Queue,
    stream: i32,
    claim: i64,
    work: impl Fn(&Segment, &Values, &Found) -> Option<T>,
) -> Result<Option<T>> {
    let Some(claim) = Claim::unpack(claim) else {
        return Ok(None);
    };
    loop {
        let ring = known::ring(queue.ring)?;
        let snapshot = Latest::take();
        let mut missed = false;
        // most likely where its number fits, but running rows may have been moved on
        let fits = ring.segments.iter().rposition(|s| s.first_seq <= claim.seq);
        let others = (0..ring.segments.len())
            .rev()
            .filter(|at| Some(*at) != fits);
        for known in fits
            .into_iter()
            .chain(others)
            .filter_map(|at| ring.segments.get(at))
        {
            let Some(mut segment) = Segment::open(known.table, known.index) else {
                continue;
            };
            let mut walk = Walk::new(&segment, &snapshot);
            walk.to_row(stream, claim.lane.number(), claim.seq);
            let found = loop {
                match walk.next() {
                    None => break None,
                    Some(entry) => {
                        if let Some(found) = entry.found.filter(|f| is_of(&f.row, claim)) {
                            break Some(found);
                        }
                    }
                }
            };
            let done = found
                .as_ref()
                .map(|found| work(&segment, &found.row, found));
            drop(walk);
            match done {
                Some(Some(out)) => return Ok(Some(out)),
                Some(None) => missed = true,
                None => segment.release(),
            }
        }
        // segments that this transaction has locked before say nothing of new ones, to which the row may have moved
        catalog::accept_invalidations();
        if !missed && known::ring(queue.ring)? == ring {
            return Ok(None);
        }
        catalog::check_for_interrupts();
    }
}

fn is_of(row: &Values, claim: Claim) -> bool {
    row.is_running() && lease_code::unpack(row.short(column::FENCE)).0 == claim.fence
}
