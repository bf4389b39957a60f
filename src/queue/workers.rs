//! Workers: who has which jobs, and whether they are alive.
//!
//! A session that claims in the name of a worker, or with leases by session, gets a number of its own for that name:
//! so nobody waits for anybody. Heartbeats are kept by name.

use super::known::Queue;
use super::rights::{self, Privilege};
use super::{lease_code, sweep};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::queue_session::{self, Became};
use crate::pg::shmem::Times;
use crate::pg::{catalog, queue_args, session, spi};
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// How the claims of one call are leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// number in strata.queue_worker; 0: nobody said a name
    pub worker: i32,
    /// microseconds since 2000-01-01 UTC; `i64::MAX` ("infinity") for a lease by session
    pub until: i64,
    /// its length, see [`lease_code`]; 0 for a lease by session
    pub code: u8,
}

/// A lease that ends with its session.
pub const BY_SESSION: i64 = i64::MAX;

/// The lease of a claim of now.
pub fn lease(
    queue: &Queue,
    now: i64,
    worker: Option<&str>,
    lease_us: Option<i64>,
    session: bool,
) -> Result<Lease> {
    if session && lease_us.is_some() {
        return Err(
            Error::new(Kind::InvalidParameter, "a lease by session has no length")
                .hint("Leave out lease, or session."),
        );
    }
    let number = match (worker, session) {
        (None, false) => 0,
        _ => number(worker, session)?,
    };
    if session {
        return Ok(Lease {
            worker: number,
            until: BY_SESSION,
            code: 0,
        });
    }
    let length = lease_us.unwrap_or(queue.lease_us);
    Ok(Lease {
        worker: number,
        until: end(now, length),
        code: lease_code::encode(length),
    })
}

/// The end of a lease by time that begins now. The background worker hears of one that would end before its next
/// sweep.
pub fn end(now: i64, length_us: i64) -> i64 {
    let end = now.saturating_add(length_us).min(BY_SESSION - 1);
    if length_us < sweep::PAUSE_US {
        queue_session::at_commit(Times {
            lease_end: end,
            ..Times::NEVER
        });
    }
    end
}

/// The number of this session under a name.
struct Entry {
    number: i32,
    /// the transaction that wrote its row, until it is known to have committed
    written_by: Option<u32>,
}

#[derive(Default)]
struct Numbers {
    /// the table that they are in: the extension may have been dropped and made again
    table: Option<Oid>,
    numbers: HashMap<(Option<String>, bool), Entry>,
}

thread_local! {
    static NUMBERS: RefCell<Numbers> = RefCell::default();
}

const ADD: &str = "INSERT INTO strata.queue_worker (id, name, by_session, runner, pid, started) \
    VALUES (pg_catalog.nextval('strata.queue_worker_seq'), $1, $2, $3, $4, $5) RETURNING id";

/// This session, which leases by session, has no job any more under this name and takes none.
pub fn leave(name: &str) -> Result<()> {
    let key = (Some(name.to_string()), true);
    let entry = NUMBERS.with_borrow_mut(|known| known.numbers.remove(&key));
    entry.map_or(Ok(()), |entry| drop_all(vec![entry.number]))
}

/// Forgets workers that have no job any more, whether they are gone or not.
pub fn drop_all(numbers: Vec<i32>) -> Result<()> {
    as_extension_owner(|| spi::write_kept(FORGET, &[numbers.into()], |_| Ok(()))).map(drop)
}

/// Bytes of the name of a worker, at most: it must fit into a page of an index.
const LONGEST_NAME: usize = 1_000;

fn check_name(name: &str) -> Result<()> {
    if name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let length = name.len();
    Err(Error::new(
        Kind::InvalidParameter,
        format!("the name of the worker is {length} bytes long, more than {LONGEST_NAME}"),
    ))
}

fn number(name: Option<&str>, by_session: bool) -> Result<i32> {
    name.map_or(Ok(()), check_name)?;
    let table = catalog::relation_oid("strata", "queue_worker");
    let key = (name.map(str::to_string), by_session);
    let known = NUMBERS.with_borrow_mut(|known| {
        if known.table != table {
            *known = Numbers {
                table,
                ..Numbers::default()
            };
        }
        let entry = known.numbers.get_mut(&key)?;
        match entry.written_by.map(queue_session::became) {
            None | Some(Became::Running) => Some(entry.number),
            Some(Became::Committed) => {
                entry.written_by = None;
                Some(entry.number)
            }
            Some(Became::Undone) => None,
        }
    });
    if let Some(number) = known {
        return Ok(number);
    }
    let (pid, started) = queue_session::me();
    let args = [
        name.into(),
        by_session.into(),
        session::is_job().into(),
        pid.into(),
        queue_args::time(started),
    ];
    let added = as_extension_owner(|| spi::write_kept(ADD, &args, |row| row.need::<i32>(1)))?;
    let number = added
        .first()
        .copied()
        .ok_or_else(|| Error::internal("a worker got no number"))?;
    let entry = Entry {
        number,
        written_by: Some(queue_session::transaction()),
    };
    NUMBERS.with_borrow_mut(|known| known.numbers.insert(key, entry));
    if by_session {
        // from now on somebody has to look whether this session lives
        queue_session::at_commit(Times {
            due: i64::MIN,
            ..Times::NEVER
        });
    }
    Ok(number)
}

// of a name that nobody has there is nothing to be renewed, and nothing to be written
const BEAT: &str = "INSERT INTO strata.queue_beat (name, role, at) SELECT $1, $2, pg_catalog.clock_timestamp() \
    WHERE EXISTS (SELECT FROM strata.queue_worker w WHERE w.name = $1) \
    ON CONFLICT (name, role) DO UPDATE SET at = EXCLUDED.at";

/// Renews all leases by time of a worker, in the queues that the current user may pop.
pub fn beat(worker: &str) -> Result<()> {
    check_name(worker)?;
    let role = catalog::current_user();
    as_extension_owner(|| spi::write_kept(BEAT, &[worker.into(), role.into()], |_| Ok(())))
        .map(drop)
}

/// A worker whose session is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    pub number: i32,
    /// its leases ended with the session
    pub by_session: bool,
    /// it ran SQL jobs: the job may have ended it, and the whole server
    pub runner: bool,
}

// the start of a session is NULL for whoever may not see it: then it is taken for the one that it was
const GONE: &str = "SELECT w.id, w.by_session, w.runner FROM strata.queue_worker w WHERE NOT EXISTS ( \
    SELECT FROM pg_catalog.pg_stat_get_activity(NULL) a WHERE a.pid = w.pid \
    AND coalesce(a.backend_start, w.started) = w.started \
    AND a.datid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))";

/// The workers whose sessions are gone. To be called first in a transaction: what it then sees of the server's
/// sessions is not older than what it sees of the workers. In a copy, sessions of the database that was copied are
/// gone, too: they may live on the same server.
pub fn gone() -> Result<Vec<Gone>> {
    as_extension_owner(|| {
        spi::read_latest(GONE, &[], |row| {
            Ok(Gone {
                number: row.need(1)?,
                by_session: row.need(2)?,
                runner: row.need(3)?,
            })
        })
    })
}

const WATCHED: &str = "SELECT EXISTS (SELECT FROM strata.queue_worker WHERE by_session)";

/// True if there are leases that end with a session.
pub fn any_by_session() -> Result<bool> {
    let any = as_extension_owner(|| spi::read_latest(WATCHED, &[], |row| row.need(1)))?;
    Ok(any.first().copied().unwrap_or(false))
}

const MISSING: &str = "SELECT n FROM pg_catalog.unnest($1) n \
    WHERE NOT EXISTS (SELECT FROM strata.queue_worker w WHERE w.id = n)";

/// Those of these numbers that no session has: nobody is going to answer for their jobs.
pub fn missing(numbers: HashSet<i32>) -> Result<Vec<Gone>> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i32> = numbers.into_iter().collect();
    as_extension_owner(|| {
        spi::read_latest(MISSING, &[numbers.into()], |row| {
            Ok(Gone {
                number: row.need(1)?,
                by_session: true,
                runner: false,
            })
        })
    })
}

const FORGET: &str = "DELETE FROM strata.queue_worker WHERE id = ANY ($1)";
// never waits for a session that beats in a long transaction
const FORGET_BEATS: &str = "DELETE FROM strata.queue_beat WHERE ctid = ANY (ARRAY(SELECT b.ctid FROM strata.queue_beat b \
    WHERE b.at < pg_catalog.now() - interval '1 day' \
    AND NOT EXISTS (SELECT FROM strata.queue_worker w WHERE w.name = b.name) FOR UPDATE SKIP LOCKED))";

/// Forgets workers that are gone and have no job any more.
pub fn forget(gone: &[Gone], busy: &HashSet<i32>) -> Result<()> {
    let idle: Vec<i32> = gone
        .iter()
        .map(|g| g.number)
        .filter(|n| !busy.contains(n))
        .collect();
    as_extension_owner(|| {
        if !idle.is_empty() {
            spi::write(FORGET, &[idle.into()], |_| Ok(()))?;
        }
        spi::write(FORGET_BEATS, &[], |_| Ok(())).map(drop)
    })
}

const BEATS: &str = "SELECT b.role, (extract(epoch FROM b.at) * 1000000)::int8 - 946684800000000 \
    FROM strata.queue_worker w JOIN strata.queue_beat b ON b.name = w.name \
    JOIN pg_catalog.pg_authid r ON r.oid = b.role WHERE w.id = $1 AND NOT w.by_session";

/// Last heartbeats, asked for once in a transaction.
#[derive(Default)]
pub struct Beats(HashMap<(i32, i32), Option<i64>>);

impl Beats {
    /// When a worker, in the name of a role that may pop this queue, last said that it is alive.
    pub fn last(&mut self, worker: i32, queue: &Queue) -> Result<Option<i64>> {
        if worker == 0 {
            return Ok(None);
        }
        if let Some(known) = self.0.get(&(worker, queue.qid)) {
            return Ok(*known);
        }
        let beats = as_extension_owner(|| {
            spi::read_kept(BEATS, &[worker.into()], |row| {
                Ok((row.need::<Oid>(1)?, row.need::<i64>(2)?))
            })
        })?;
        let mut last = None;
        for (role, at) in beats {
            let _role = UserScope::local(role);
            if rights::need(queue, Privilege::Pop).is_ok() {
                last = last.max(Some(at));
            }
        }
        self.0.insert((worker, queue.qid), last);
        Ok(last)
    }
}

const NAMED: &str = "SELECT id FROM strata.queue_worker WHERE name = $1";

/// All numbers of a worker.
pub fn named(name: &str) -> Result<HashSet<i32>> {
    let found = as_extension_owner(|| spi::read_kept(NAMED, &[name.into()], |row| row.need(1)))?;
    Ok(found.into_iter().collect())
}
