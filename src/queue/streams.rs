//! Streams: the SQL jobs of one queue that run as one role have a number of their own, so that neither clients
//! nor runners of other roles ever look at them.

use super::known::Queue;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_watch, spi};
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::collections::HashMap;

// in a copy of the database numbers of roles may mean others: both must fit
const FIND: &str = "SELECT s.qid FROM strata.queue_stream s JOIN pg_roles r ON r.oid = s.run_as_oid \
    WHERE s.queue = $1 AND s.run_as_oid = $2 AND s.run_as = r.rolname ORDER BY s.qid LIMIT 1";
// two that are made at once are both served
const ADD: &str = "INSERT INTO strata.queue_stream (qid, queue, run_as, run_as_oid) \
    SELECT nextval('strata.queue_qid_seq'), $1, r.rolname, r.oid FROM pg_roles r WHERE r.oid = $2 RETURNING qid";
const ALL: &str = "SELECT s.qid, s.run_as_oid, s.run_as::text, r.oid IS NOT NULL, coalesce(r.rolcanlogin, false) \
    FROM strata.queue_stream s LEFT JOIN pg_roles r ON r.oid = s.run_as_oid ORDER BY s.qid";
const ADOPT: &str = "UPDATE strata.queue_stream s SET run_as_oid = coalesce(r.oid, 0) FROM strata.queue_stream o \
    LEFT JOIN pg_roles r ON r.rolname = o.run_as \
    WHERE o.qid = s.qid AND s.run_as_oid IS DISTINCT FROM coalesce(r.oid, 0)";
const RENAMED: &str = "UPDATE strata.queue_stream s SET run_as = r.rolname FROM pg_roles r \
    WHERE r.oid = s.run_as_oid AND r.rolname <> s.run_as";

#[derive(Default)]
struct Known {
    epoch: u64,
    found: HashMap<(i32, u32), i32>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The stream of a queue for jobs that run as `role`; made if there is none.
pub fn of(queue: &Queue, role: Oid) -> Result<i32> {
    let epoch = queue_watch::epoch();
    let key = (queue.qid, role.to_u32());
    let known = KNOWN.with_borrow(|k| (k.epoch == epoch).then(|| k.found.get(&key).copied()));
    if let Some(Some(stream)) = known {
        return Ok(stream);
    }
    let args = [queue.qid.into(), role.into()];
    let found = as_extension_owner(|| spi::read_kept(FIND, &args, |row| row.need(1)))?;
    let Some(stream) = found.into_iter().next() else {
        return add(queue, role);
    };
    KNOWN.with_borrow_mut(|k| {
        if k.epoch != epoch {
            *k = Known {
                epoch,
                ..Known::default()
            };
        }
        // what this transaction has made may be undone: it is not in here, see `add`
        k.found.insert(key, stream);
    });
    Ok(stream)
}

fn add(queue: &Queue, role: Oid) -> Result<i32> {
    let args = [queue.qid.into(), role.into()];
    let made = as_extension_owner(|| spi::write_one(ADD, &args, |row| row.need(1)))?;
    // also forgets it when this is rolled back
    queue_watch::changed("queue_stream");
    made.ok_or_else(|| crate::error::Error::internal("the role of a SQL job vanished"))
}

/// A stream, and who runs its jobs.
#[derive(Debug, Clone)]
pub struct Stream {
    pub qid: i32,
    pub role: Oid,
    pub role_name: String,
    /// false: the role was dropped
    pub role_exists: bool,
    pub can_login: bool,
}

/// All streams of this database.
pub fn all() -> Result<Vec<Stream>> {
    as_extension_owner(|| {
        spi::read_kept(ALL, &[], |row| {
            Ok(Stream {
                qid: row.need(1)?,
                role: row.need(2)?,
                role_name: row.need(3)?,
                role_exists: row.need(4)?,
                can_login: row.need(5)?,
            })
        })
    })
}

/// In a copy of the database: roles are found again by their names.
pub fn adopt() -> Result<()> {
    as_extension_owner(|| spi::execute(ADOPT, &[]))?;
    queue_watch::changed("queue_stream");
    Ok(())
}

/// Keeps names of roles current.
pub fn note_renamed() -> Result<()> {
    as_extension_owner(|| spi::execute(RENAMED, &[]).map(drop))
}
