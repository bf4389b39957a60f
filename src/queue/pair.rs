//! Side stores: pairs of tables of one shape. Writers use the current one, everybody reads both. When the
//! current one is mostly dead, the other one becomes current; what still lives in the old one is moved, and it is
//! emptied by TRUNCATE: so a store stays small whatever the oldest snapshot is.
//!
//! How to use a store:
//! * **to write**: `let open = MOVED.write()?;`, then insert into `open.current`, and delete or update in each of
//!   `open.halves()`, by [`crate::pg::spi::write_kept`] (see also `crate::pg::queue_rows`), with statements made by
//!   [`each`]. From `write` to the end of the transaction all writers agree which table is
//!   the current one, and no row moves: a row is found where a look of now sees it. A unique index on each table
//!   keeps a key unique over both, if one looks into the old table (`open.old`) before the insert.
//! * **to read**: `MOVED.read()?;`, then one statement over both tables, by `read_kept` (made by [`both`]).
//!   It sees each row once.
//!
//! Switches and moves wait up to 50 ms for writers, and writers for them about as long; a transaction
//! that stays open longer delays the switch, never another writer.

use crate::error::Result;
use crate::pg::catalog::{lock_relation, relation_oid};
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_watch, spi};
use pgrx::pg_sys;
use std::cell::RefCell;
use std::collections::HashMap;

/// A side store; the tables are `strata.<name>_a` and `strata.<name>_b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    pub name: &'static str,
}

/// Jobs that wait for their time.
pub const SCHEDULED: Pair = Pair::new("queue_scheduled");
/// Jobs that wait for their group, or for other jobs.
pub const HELD: Pair = Pair::new("queue_held");
/// Unique keys of living jobs.
pub const KEY: Pair = Pair::new("queue_key");
/// Rights of group members to be ready or to run.
pub const TICKET: Pair = Pair::new("queue_ticket");
/// Where jobs lie that have come back.
pub const MOVED: Pair = Pair::new("queue_moved");
/// Which jobs wait for which others.
pub const AFTER: Pair = Pair::new("queue_after");

/// One table of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    A,
    B,
}

impl Half {
    pub(super) fn other(self) -> Half {
        match self {
            Half::A => Half::B,
            Half::B => Half::A,
        }
    }

    pub(super) fn letter(self) -> &'static str {
        match self {
            Half::A => "a",
            Half::B => "b",
        }
    }
}

/// The same statement for either table.
#[derive(Debug, Clone, Copy)]
pub struct Each {
    pub a: &'static str,
    pub b: &'static str,
}

impl Each {
    /// The statement for one table.
    #[must_use]
    pub fn of(&self, half: Half) -> &'static str {
        match half {
            Half::A => self.a,
            Half::B => self.b,
        }
    }
}

/// `each!("DELETE FROM ", "queue_moved", " WHERE qid = $1")`: the statement for either table, as an [`Each`].
macro_rules! each {
    ($before:literal, $pair:literal, $after:literal) => {
        $crate::queue::pair::Each {
            a: concat!($before, "strata.", $pair, "_a", $after),
            b: concat!($before, "strata.", $pair, "_b", $after),
        }
    };
}
pub(super) use each;

/// `both!("SELECT seq FROM ", "queue_moved", " WHERE qid = $1")`: a query of both tables.
macro_rules! both {
    ($before:literal, $pair:literal, $after:literal) => {
        concat!(
            $before,
            "strata.",
            $pair,
            "_a",
            $after,
            " UNION ALL ",
            $before,
            "strata.",
            $pair,
            "_b",
            $after
        )
    };
}
pub(super) use both;

/// A store that this transaction may write to, until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// takes new rows
    pub current: Half,
    /// has rows of before; `None`: the other table is empty
    pub old: Option<Half>,
}

impl Open {
    /// The tables that may have rows; the current one first.
    pub fn halves(&self) -> impl Iterator<Item = Half> + use<> {
        std::iter::once(self.current).chain(self.old)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) open: Open,
    a: pg_sys::Oid,
    b: pg_sys::Oid,
}

impl Known {
    pub(super) fn oid(&self, half: Half) -> pg_sys::Oid {
        match half {
            Half::A => self.a,
            Half::B => self.b,
        }
    }
}

#[derive(Default)]
struct Cache {
    epoch: u64,
    pairs: HashMap<&'static str, Known>,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

const STATE: &str = "SELECT current = 'a', clean FROM strata.queue_pair WHERE name = $1";

const ROW_EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;

impl Pair {
    const fn new(name: &'static str) -> Pair {
        Pair { name }
    }

    /// Opens the store for writing. Locks its tables RowExclusive until the transaction ends.
    pub fn write(&self) -> Result<Open> {
        loop {
            let known = self.known()?;
            lock_relation(known.oid(known.open.current), ROW_EXCLUSIVE);
            // the lock lets in what others have changed: is it still the current one?
            if self.known()? != known {
                continue;
            }
            if let Some(old) = known.open.old {
                lock_relation(known.oid(old), ROW_EXCLUSIVE);
                // emptied meanwhile: there is nothing left to be found in it
                if self.known()? != known {
                    continue;
                }
            }
            return Ok(known.open);
        }
    }

    /// Locks both tables AccessShare until the transaction ends, so that a look afterwards sees each row once.
    pub fn read(&self) -> Result<()> {
        let known = self.known()?;
        for half in [Half::A, Half::B] {
            lock_relation(known.oid(half), pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        }
        Ok(())
    }

    pub(super) fn known(&self) -> Result<Known> {
        let epoch = queue_watch::epoch();
        let cached = CACHE.with_borrow(|c| {
            (c.epoch == epoch)
                .then(|| c.pairs.get(self.name).copied())
                .flatten()
        });
        if let Some(known) = cached {
            return Ok(known);
        }
        let table = |half: Half| {
            let name = format!("{}_{}", self.name, half.letter());
            relation_oid("strata", &name).ok_or_else(|| {
                crate::error::Error::internal(format!("table strata.{name} does not exist"))
            })
        };
        let state = as_extension_owner(|| {
            spi::read_kept(STATE, &[self.name.into()], |row| {
                Ok((row.need::<bool>(1)?, row.need::<bool>(2)?))
            })
        })?;
        // a store that nobody has looked after yet may come from a dump, with rows in both
        let (is_a, clean) = state.first().copied().unwrap_or((true, false));
        let current = if is_a { Half::A } else { Half::B };
        let known = Known {
            open: Open {
                current,
                old: (!clean).then(|| current.other()),
            },
            a: table(Half::A)?,
            b: table(Half::B)?,
        };
        if queue_watch::epoch() == epoch {
            CACHE.with_borrow_mut(|c| {
                if c.epoch != epoch {
                    *c = Cache {
                        epoch,
                        ..Cache::default()
                    };
                }
                c.pairs.insert(self.name, known);
            });
        }
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_name_one_table_or_both() {
        const GO: Each = each!("DELETE FROM ", "queue_x", " WHERE i = $1");
        assert_eq!(GO.of(Half::B), "DELETE FROM strata.queue_x_b WHERE i = $1");
        assert_eq!(
            both!("SELECT FROM ", "queue_x", ""),
            "SELECT FROM strata.queue_x_a UNION ALL SELECT FROM strata.queue_x_b"
        );
    }
}
