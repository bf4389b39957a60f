//! Dead letters: copies of jobs that failed for good, in a queue for them.
//!
//! A copy is a new job: `{"origin": {"queue", "id", "kind", "attempts", "pushed_at", "errors"}, "payload": ...}`, with the
//! kind and priority of the job. It is taken whatever limits the other queue has: a job that fails must not be
//! refused. Settings in a circle (`create_queue` refuses them, but queues are renamed and made later) end with
//! the first queue that a copy has been in already.

use super::claim_id::Lane;
use super::known::{self, Queue};
use super::push;
use crate::error::Result;
use crate::pg::call::Value;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{READY, Values, column};
use crate::pg::{queue_args, queue_seq, spi, time};

const COPY: &str = "SELECT jsonb_build_object('origin', jsonb_build_object('queue', $1::text, 'id', $2, 'kind', $3, \
    'attempts', $4, 'pushed_at', $5, 'errors', $6), 'payload', $7), \
    jsonb_path_exists($7, '$.**{0 to 32}.origin.queue ? (@ == $queue)', jsonb_build_object('queue', $8::text))";

/// Copies a job that has failed for good to the dead letter queue of its queue, if there is one.
pub fn copy(queue: &Queue, row: &Values) -> Result<()> {
    let Some(name) = queue.dead_letter.as_deref().filter(|n| *n != queue.name) else {
        return Ok(());
    };
    let none = |_| {
        pgrx::warning!(
            "job {} of queue \"{}\" has no dead letter: queue \"{name}\" does not exist",
            row.long(column::ID),
            queue.name
        );
    };
    // somebody may just be dropping it
    let Ok(target) = known::queue(name)
        .and_then(|q| known::hold(&q))
        .map_err(none)
    else {
        return Ok(());
    };
    let Some((payload, circle)) = letter(queue, row, name)? else {
        return Ok(());
    };
    if circle {
        return Ok(());
    }
    let lane = Lane::from_number(row.short(column::LANE)).map_or(0, Lane::priority);
    let seq = queue_seq::next();
    let mut copy = Values::new();
    copy.set_long(column::SEQ, seq);
    copy.set_long(column::ID, seq);
    copy.set_long(column::PUSHED_AT, time::wall_clock());
    copy.set_int(column::QID, target.qid);
    copy.set_short(column::LANE, push::lane(lane)?.number());
    copy.set_short(column::ATTEMPT, 0);
    copy.set_short(column::MAX_ATTEMPTS, target.max_attempts);
    copy.set_state(READY);
    copy.set_value(column::KIND, row.value(column::KIND));
    copy.set_value(column::PAYLOAD, Some(payload));
    push::ready(&target, copy)
}

/// The payload of a copy, and whether it has been in that queue before.
fn letter(queue: &Queue, row: &Values, to: &str) -> Result<Option<(Value, bool)>> {
    let of = |column| queue_args::column(row, column);
    let args = [
        queue.name.as_str().into(),
        of(column::ID),
        of(column::KIND),
        of(column::ATTEMPT),
        of(column::PUSHED_AT),
        of(column::ERRORS),
        of(column::PAYLOAD),
        to.into(),
    ];
    as_extension_owner(|| {
        let letters = spi::read_kept(COPY, &args, |row| {
            Ok(row.value(1).zip(row.get::<bool>(2)?.or(Some(false))))
        })?;
        Ok(letters.into_iter().next().flatten())
    })
}
