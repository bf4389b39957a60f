//! Keeping side stores small: switches, moves of what still lives, and emptying.

use super::pair::{AFTER, HELD, Half, KEY, MOVED, Pair, SCHEDULED, TICKET};
use super::rotate::Transactions;
use crate::error::Result;
use crate::pg::catalog::{lock_relation, relation_oid};
use crate::pg::owner::{SettingScope, as_extension_owner};
use crate::pg::subxact::attempt;
use crate::pg::{queue_watch, spi};
use pgrx::pg_sys;

/// How long a switch waits for writers.
const PATIENCE: &str = "50ms";
/// So many dead rows are let be in any case.
const DEAD: i64 = 50_000;
/// Rows that one transaction moves.
const BATCH: i64 = 2_000;
/// All stores; one whose tables are not there yet is passed over.
const ALL: [Pair; 6] = [SCHEDULED, HELD, KEY, TICKET, MOVED, AFTER];
const SWITCH: &str = "INSERT INTO strata.queue_pair (name, current, clean) VALUES ($1, $2, false) \
    ON CONFLICT (name) DO UPDATE SET current = $2, clean = false, switched_at = pg_catalog.clock_timestamp()";
const CLEAN: &str = "INSERT INTO strata.queue_pair (name, current, clean) VALUES ($1, $2, true) \
    ON CONFLICT (name) DO UPDATE SET clean = true";
const ROWS: &str =
    "SELECT pg_catalog.pg_stat_get_live_tuples($1), pg_catalog.pg_stat_get_dead_tuples($1)";
/// Keeps writers away, and lets readers in.
const NO_WRITERS: pg_sys::LOCKMODE = pg_sys::ShareRowExclusiveLock as pg_sys::LOCKMODE;
const NOBODY: pg_sys::LOCKMODE = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;

impl Pair {
    fn table(&self, half: Half) -> String {
        format!("strata.{}_{}", self.name, half.letter())
    }

    /// The other table becomes the current one; false if writers do not let us, or if it is not empty.
    fn switch(&self) -> Result<bool> {
        let known = self.known()?;
        if known.open.old.is_some() || !lock_soon(known.oid(known.open.current), NO_WRITERS)? {
            return Ok(false);
        }
        if self.known()? != known {
            return Ok(false);
        }
        let to = known.open.current.other();
        as_extension_owner(|| spi::execute(SWITCH, &[self.name.into(), to.letter().into()]))?;
        queue_watch::changed("queue_pair");
        Ok(true)
    }

    /// Moves rows out of the old table; `None` if writers do not let us, `Some(true)` when it is empty.
    fn move_some(&self, old: Half) -> Result<Option<bool>> {
        let known = self.known()?;
        if !lock_soon(known.oid(old), NO_WRITERS)? {
            return Ok(None);
        }
        if self.known()?.open.old != Some(old) {
            return Ok(None);
        }
        let (from, to) = (self.table(old), self.table(old.other()));
        let moved = as_extension_owner(|| {
            spi::execute(
                &format!(
                    "WITH gone AS (DELETE FROM {from} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {from} LIMIT $1)) \
                     RETURNING *) INSERT INTO {to} SELECT * FROM gone"
                ),
                &[BATCH.into()],
            )
        })?;
        Ok(Some((moved as i64) < BATCH))
    }

    /// Empties the old table if nothing is left in it; false if somebody holds it, or has rows there.
    fn truncate(&self, old: Half) -> Result<bool> {
        let known = self.known()?;
        if !lock_soon(known.oid(old), NOBODY)? {
            return Ok(false);
        }
        if self.known()?.open.old != Some(old) {
            return Ok(false);
        }
        let table = self.table(old);
        as_extension_owner(|| {
            let rows = spi::read_latest(&format!("SELECT FROM {table} LIMIT 1"), &[], |_| Ok(()))?;
            if !rows.is_empty() {
                return Ok(false);
            }
            spi::execute(&format!("TRUNCATE {table}"), &[])?;
            let current = old.other().letter();
            spi::execute(CLEAN, &[self.name.into(), current.into()])?;
            queue_watch::changed("queue_pair");
            Ok(true)
        })
    }

    /// True when the current table is mostly dead.
    fn wants_switch(&self) -> Result<bool> {
        let known = self.known()?;
        let current = known.oid(known.open.current);
        let rows = spi::read_latest(ROWS, &[current.into()], |row| {
            Ok((row.need::<i64>(1)?, row.need::<i64>(2)?))
        })?;
        Ok(rows
            .first()
            .is_some_and(|(live, dead)| is_due(*live, *dead)))
    }
}

/// More dead rows than living ones, and enough of them.
fn is_due(live: i64, dead: i64) -> bool {
    dead > DEAD.max(live)
}

/// Locks a table until the transaction ends; false if that takes longer than [`PATIENCE`].
fn lock_soon(table: pg_sys::Oid, mode: pg_sys::LOCKMODE) -> Result<bool> {
    let tried = attempt(|| {
        let settings = SettingScope::new();
        settings.set("lock_timeout", PATIENCE);
        lock_relation(table, mode);
        Ok(())
    });
    match tried {
        Ok(done) => done.map(|()| true),
        Err(caught) if caught.code == pgrx::PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => Ok(false),
        Err(caught) => Err(caught.into()),
    }
}

/// The state of all stores after a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkeep {
    pub switched: u32,
    pub truncated: u32,
}

/// Switches stores that are mostly dead, moves what is left in old tables, and empties those. To be called by one
/// process at a time.
pub fn upkeep(tx: &impl Transactions) -> Result<Upkeep> {
    let mut done = Upkeep::default();
    for pair in ALL {
        let there = || Ok(relation_oid("strata", &format!("{}_a", pair.name)).is_some());
        if !tx.run(there)? {
            continue;
        }
        if tx.run(|| Ok(pair.known()?.open.old.is_none() && pair.wants_switch()?))?
            && tx.run(|| pair.switch())?
        {
            done.switched += 1;
        }
        let Some(old) = tx.run(|| Ok(pair.known()?.open.old))? else {
            continue;
        };
        let empty = loop {
            match tx.run(|| pair.move_some(old))? {
                Some(false) => {}
                Some(true) => break true,
                None => break false,
            }
        };
        if empty && tx.run(|| pair.truncate(old))? {
            done.truncated += 1;
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_switches_when_most_of_it_is_dead() {
        assert!(!is_due(0, 50_000));
        assert!(is_due(0, 50_001));
        assert!(!is_due(70_000, 60_000));
        assert!(is_due(70_000, 70_001));
    }
}
