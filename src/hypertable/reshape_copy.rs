//! Filling the new tables of `reshape` while others write to the old ones.

use super::bounds::{Edge, Range};
use super::reshape::{Part, Reshape};
use super::reshape_sql as sql;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{lock_relation, qualified_name, quote_ident};
use crate::pg::guc::MOVE_LIMIT_MB;
use crate::pg::heap_delta::{self, Changes, Held, Tid};
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::spi;
use crate::pg::subxact::attempt;
use crate::pg::{bgworker, inject};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;
use std::time::Duration;

/// So many rows that came meanwhile are copied under the lock.
const CAME: usize = 200_000;
/// So many rows that went are looked for in the new tables, by an index on the key; without one each of
/// them is a reading of a new table.
const GONE: usize = 5_000;
const GONE_WITHOUT_INDEX: usize = 10;
/// How often everything is copied while others write.
const ROUNDS: u32 = 3;
const ATTEMPTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(300);

impl Reshape<'_> {
    /// Fills the new tables. On return the hypertable, what is linked to it, and the sources are locked, and
    /// the new tables hold what they hold.
    pub(super) fn copy(&self, verb: &str) -> Result<()> {
        let mut before = Held::latest();
        self.copy_all(&before)?;
        for round in 1..=ROUNDS {
            inject::point("hypertable.reshape.copied");
            if let Some(changes) = self.lock(verb, || self.changes(&before))? {
                self.catch_up(&before, changes)?;
                before.release();
                return Ok(());
            }
            before.release();
            if round == ROUNDS {
                break;
            }
            self.truncate()?;
            before = Held::latest();
            self.copy_all(&before)?;
        }
        self.copy_locked(verb)
    }

    pub(super) fn condition(&self, range: Range) -> String {
        let (key, kind) = (quote_ident(&self.h.key), self.h.grid.key);
        let mut out = format!("{key} IS NOT NULL");
        if range.0 != Edge::Min {
            out += &format!(" AND {key} >= {}", range.0.sql(kind));
        }
        if range.1 != Edge::Max {
            out += &format!(" AND {key} < {}", range.1.sql(kind));
        }
        out
    }

    fn copying(&self, part: &Part, source: pg_sys::Oid, which: &str) -> Result<String> {
        let list = self.columns.join(", ");
        Ok(format!(
            "INSERT INTO {} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM ONLY {} WHERE {}{which}",
            part.qualified(),
            qualified_name(source)?,
            self.condition(part.range)
        ))
    }

    /// As the owner, for the expressions of generated columns and indexes; no policy hides a row from this
    /// owner, forced or not.
    fn copy_all(&self, snapshot: &Held) -> Result<()> {
        let _owner = UserScope::reader(self.h.table.owner);
        for part in &self.parts {
            for source in &self.sources {
                snapshot.execute(&self.copying(part, source.oid, "")?)?;
            }
        }
        Ok(())
    }

    /// AccessExclusiveLock on the hypertable, what is linked to it, and the sources; nobody queues behind
    /// an attempt for more than 200 ms. Then looks; when that says `None`, the locks are given back.
    fn lock<T>(&self, verb: &str, look: impl Fn() -> Result<Option<T>>) -> Result<Option<T>> {
        for _ in 0..ATTEMPTS {
            let settings = SettingScope::new();
            settings.set("lock_timeout", super::patience::LOCK_TIMEOUT);
            let mut seen = None;
            let tried = attempt(|| {
                self.lock_now()?;
                seen = Some(look()?);
                match &seen {
                    Some(Some(_)) => Ok(()),
                    _ => Err(Error::internal("the locks go back")),
                }
            });
            match (tried, seen) {
                (Ok(_), Some(seen)) => return Ok(seen),
                (Ok(Err(error)), None) => return Err(error),
                (Err(caught), _) if caught.code != PgSqlErrorCode::ERRCODE_LOCK_NOT_AVAILABLE => {
                    return super::patience::raise(caught);
                }
                _ => {}
            }
            drop(settings);
            bgworker::pause(PAUSE);
        }
        Err(Error::new(
            Kind::LockNotAvailable,
            format!(
                "hypertable \"{}\" was in use all the time: gave up to {verb} after {ATTEMPTS} attempts to lock it",
                self.h.table.name
            ),
        )
        .detail("Each attempt gives up after 200 ms, so that nobody waits behind it. Nothing has changed."))
    }

    /// What was changed since the snapshot, one for each source; `None` when that is too much.
    fn changes(&self, before: &Held) -> Result<Option<Vec<Changes>>> {
        let found = self.sources.iter().map(|c| {
            let gone = match self.has_index(c.oid)? {
                true => GONE,
                false => GONE_WITHOUT_INDEX,
            };
            Ok(heap_delta::changes(c.oid, before, CAME, gone))
        });
        found.collect()
    }

    fn lock_now(&self) -> Result<()> {
        let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        lock_relation(self.h.table.oid, mode);
        for oid in spi::write(sql::LINKED, &[self.h.table.oid.into()], |r| r.need(1))? {
            lock_relation(oid, mode);
        }
        for c in &self.sources {
            lock_relation(c.oid, mode);
        }
        Ok(())
    }

    fn has_index(&self, source: pg_sys::Oid) -> Result<bool> {
        let args = [source.into(), self.h.key.as_str().into()];
        Ok(spi::write_one(sql::HAS_INDEX, &args, |r| r.need(1))?.unwrap_or(false))
    }

    /// What others committed since the copy was made.
    fn catch_up(&self, before: &Held, changes: Vec<Changes>) -> Result<()> {
        let sources = || self.sources.iter().zip(&changes);
        let _owner = UserScope::reader(self.h.table.owner);
        // first what went: its unique keys may have come again
        for (source, changes) in sources() {
            for tid in &changes.gone {
                self.remove(before, source.oid, *tid)?;
            }
        }
        let now = Held::latest();
        for (source, changes) in sources() {
            for some in changes.came.chunks(10_000) {
                let list: Vec<String> =
                    some.iter().map(|(b, l)| format!("\"({b},{l})\"")).collect();
                let which = format!(" AND ctid = ANY ('{{{}}}'::tid[])", list.join(","));
                for part in &self.parts {
                    now.execute(&self.copying(part, source.oid, &which)?)?;
                }
            }
        }
        now.release();
        Ok(())
    }

    /// Takes the copy of a row away: any that is equal to it, bit by bit.
    fn remove(&self, before: &Held, source: pg_sys::Oid, (block, line): Tid) -> Result<()> {
        let (key, source) = (quote_ident(&self.h.key), qualified_name(source)?);
        let row = |of: &str| {
            let columns: Vec<String> = self.columns.iter().map(|c| format!("{of}.{c}")).collect();
            format!("ROW({})::record", columns.join(", "))
        };
        let same = format!("{} *= {}", row("n"), row("o"));
        let mut removed = 0;
        for part in &self.parts {
            let now = before.with_own();
            let table = part.qualified();
            removed += now.execute(&format!(
                "DELETE FROM {table} WHERE ctid = (SELECT n.ctid FROM ONLY {source} o JOIN ONLY {table} n ON n.{key} = o.{key} \
                 WHERE o.ctid = '({block},{line})' AND {same} LIMIT 1)"
            ))?;
            now.release();
        }
        match removed {
            1 => Ok(()),
            _ => Err(Error::internal("the copy of a changed row was not found")),
        }
    }

    fn truncate(&self) -> Result<()> {
        for part in &self.parts {
            let truncate = format!("TRUNCATE {}", part.qualified());
            as_extension_owner(|| spi::execute(&truncate, &[]))?;
        }
        Ok(())
    }

    /// The last resort for chunks that are small enough for it.
    fn copy_locked(&self, verb: &str) -> Result<()> {
        let mut bytes = 0;
        for c in &self.sources {
            bytes += spi::write_one(sql::SIZE, &[c.oid.into()], |r| r.need::<i64>(1))?.unwrap_or(0);
        }
        let (mb, limit) = (
            (bytes + (1 << 20) - 1) >> 20,
            i64::from(MOVE_LIMIT_MB.get()),
        );
        if mb > limit {
            return Err(Error::new(
                Kind::NotInState,
                format!("cannot {verb}: too many rows were changed or deleted while {mb} MB were copied {ROUNDS} times"),
            )
            .detail("Nothing has changed.")
            .hint(format!(
                "try again at a quieter time, or SET strata.move_limit = '{mb}MB' to copy under a lock"
            )));
        }
        self.truncate()?;
        self.lock(verb, || Ok(Some(())))?;
        let now = Held::latest();
        self.copy_all(&now)?;
        now.release();
        Ok(())
    }
}
