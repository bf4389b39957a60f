//! Keys whose job has ended and whose time has passed (`unique_for`). The next push of such a key takes it over;
//! those that nobody pushes again are deleted here, a part of the tables at a time.

use super::pair::{Each, Half, KEY, each};
use super::rotate::Transactions;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Pages that one transaction looks at: there is no index to find these keys by.
const PAGES: i64 = 256;
/// A round goes on for so long.
const ROUND: Duration = Duration::from_millis(20);

const SIZE: Each = each!(
    "SELECT pg_relation_size('",
    "queue_key",
    "') / current_setting('block_size')::bigint"
);
/// A key that somebody is just taking over is left to him.
const TIDY: Each = Each {
    a: "DELETE FROM strata.queue_key_a WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_key_a \
        WHERE ctid >= format('(%s,0)', $1)::tid AND ctid < format('(%s,0)', $2)::tid \
        AND state = 'e' AND free_at <= clock_timestamp() FOR UPDATE SKIP LOCKED)) RETURNING 1",
    b: "DELETE FROM strata.queue_key_b WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.queue_key_b \
        WHERE ctid >= format('(%s,0)', $1)::tid AND ctid < format('(%s,0)', $2)::tid \
        AND state = 'e' AND free_at <= clock_timestamp() FOR UPDATE SKIP LOCKED)) RETURNING 1",
};

thread_local! {
    /// where the next round goes on in each table
    static NEXT: Cell<[i64; 2]> = const { Cell::new([0; 2]) };
}

/// Deletes keys that nobody holds any more; how many.
pub fn tidy(tx: &impl Transactions) -> Result<usize> {
    let mut next = NEXT.get();
    let mut deleted = 0;
    let begun = Instant::now();
    for (half, from) in [Half::A, Half::B].into_iter().zip(&mut next) {
        loop {
            let (gone, to) = tx.run(|| some(half, *from))?;
            deleted += gone;
            *from = to;
            if to == 0 || begun.elapsed() > ROUND {
                break;
            }
        }
    }
    NEXT.set(next);
    Ok(deleted)
}

/// Looks at some pages; how many keys were deleted, and the page to go on with, 0 at the end.
fn some(half: Half, from: i64) -> Result<(usize, i64)> {
    let size = as_extension_owner(|| spi::read_kept(SIZE.of(half), &[], |row| row.need::<i64>(1)))?;
    if size.first().is_none_or(|pages| *pages <= from) {
        return Ok((0, 0));
    }
    KEY.write()?;
    let to = from + PAGES;
    let gone = as_extension_owner(|| {
        spi::write_kept(TIDY.of(half), &[from.into(), to.into()], |_| Ok(()))
    })?;
    let done = size.first().is_none_or(|pages| *pages <= to);
    Ok((gone.len(), if done { 0 } else { to }))
}
