//! Looks at locks and at pg_class before and after each statement of a file that is only tried.

use super::explain_rows::{self, Change, Held, Relation, Relations};
use super::scene::Watcher;
use crate::error::Result;
use crate::pg::catalog::quote_ident;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment_walk::Latest;
use crate::pg::spi;
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Instant;

// those of the server's own catalogs are of no interest, and reading them takes some
const LOCKS: &str = "SELECT l.relation, l.mode FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
    WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted AND d.datname = current_database() \
      AND l.relation::int8 >= 16384";
// The size of the main fork is asked of the file: the lock that this takes is held already. Of what belongs to a table,
// which may not be locked, the estimate has to do.
const RELATIONS: &str = "SELECT c.oid, n.nspname::text, format('%I.%I', n.nspname, c.relname), c.relkind::text, \
      c.relpersistence = 't', c.relfilenode, CASE WHEN c.reltuples >= 0 THEN c.reltuples::int8 END, \
      CASE WHEN c.relkind IN ('r', 'm', 'i', 't', 'S') THEN \
        greatest(pg_relation_size(c.oid), c.relpages::int8 * b.size) + coalesce((SELECT sum(o.relpages)::int8 * b.size \
          FROM pg_class o LEFT JOIN pg_index x ON x.indexrelid = o.oid \
          WHERE o.oid = c.reltoastrelid OR x.indrelid IN (c.oid, nullif(c.reltoastrelid, 0))), 0) END, \
      i.indrelid \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid, \
      (SELECT current_setting('block_size')::int8) b(size) \
    WHERE c.oid = ANY ($1::oid[])";
const SIZE: &str = "SELECT pg_total_relation_size($1)";
// as the file: by its search path
const NAMED: &str = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";

/// What one statement did.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub statement: i32,
    pub change: Change,
    pub us: i64,
    /// the relation that it names first, if it was there before
    pub named: Option<u32>,
}

/// Notes what each statement does. For all files of one trial.
#[derive(Default)]
pub struct Watching {
    seen: RefCell<Vec<Seen>>,
    /// relations that earlier statements have made
    made: RefCell<BTreeSet<u32>>,
    /// what the statements of the file name, in their order
    names: RefCell<Vec<Option<String>>>,
    /// the statement that was run last, and what was held behind it
    last: RefCell<Option<(i32, Held)>>,
}

impl Watching {
    /// Begins a file whose statements name these objects first, as written.
    pub fn begin(&self, names: Vec<Option<String>>) {
        self.names.replace(names);
        self.last.take();
    }

    /// What is held before a statement. Nothing comes between two that follow each other.
    fn held_before(&self, statement: i32) -> Result<Held> {
        match self.last.take() {
            Some((last, held)) if last + 1 == statement => Ok(held),
            _ => held(),
        }
    }

    fn named(&self, statement: i32) -> Result<Option<u32>> {
        let at = usize::try_from(statement)
            .ok()
            .and_then(|n| n.checked_sub(1));
        let names = self.names.borrow();
        let Some(name) = at.and_then(|n| names.get(n)).and_then(Option::as_deref) else {
            return Ok(None);
        };
        let parts: Vec<String> = name.split('.').map(quote_ident).collect();
        // more is the name of a column, or of another database
        if parts.len() > 2 {
            return Ok(None);
        }
        let name = parts.join(".");
        let found = spi::read_latest(NAMED, &[name.into()], |r| r.get::<Oid>(1))?;
        Ok(found.into_iter().flatten().next().map(|oid| oid.to_u32()))
    }

    /// What has been seen since it was asked last.
    pub fn take(&self) -> Vec<Seen> {
        self.seen.take()
    }

    /// Relations that have been made by now.
    pub fn made(&self) -> BTreeSet<u32> {
        self.made.borrow().clone()
    }
}

impl Watcher for Watching {
    fn around(&self, statement: i32, work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let named = self.named(statement)?;
        let size = named.map_or(Ok(None), size)?.zip(named);
        let held_before = self.held_before(statement)?;
        let snapshot = Latest::take();
        let begun = Instant::now();
        work()?;
        let us = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
        let held = held()?;
        // whatever becomes of those that the file has made itself, nobody waits for them
        let made = self.made();
        let oids: Vec<u32> = held.keys().copied().filter(|o| !made.contains(o)).collect();
        let change = Change {
            before: spi::as_of(&snapshot, || relations(&oids))?,
            now: relations(&oids)?,
            held_before,
            held,
            size: size.map(|(bytes, oid)| (oid, bytes)),
        };
        self.made.borrow_mut().extend(explain_rows::made(&change));
        self.last.replace(Some((statement, change.held.clone())));
        let seen = Seen {
            statement,
            change,
            us,
            named,
        };
        self.seen.borrow_mut().push(seen);
        Ok(())
    }
}

/// What it has on disk now: a statement that drops or empties it leaves nothing to measure.
fn size(oid: u32) -> Result<Option<i64>> {
    let oid = Oid::from(oid);
    let found = as_extension_owner(|| spi::read_kept(SIZE, &[oid.into()], |r| r.get::<i64>(1)))?;
    Ok(found.into_iter().flatten().next())
}

fn held() -> Result<Held> {
    let locks = as_extension_owner(|| {
        spi::read_kept(LOCKS, &[], |r| {
            let relation: Oid = r.need(1)?;
            let mode: String = r.need(2)?;
            Ok((relation.to_u32(), explain_rows::mode(&mode)))
        })
    })?;
    let mut held = Held::new();
    for (relation, mode) in locks {
        let strongest = held.entry(relation).or_default();
        *strongest = mode.max(*strongest);
    }
    Ok(held)
}

fn relations(oids: &[u32]) -> Result<Relations> {
    let oids: Vec<i64> = oids.iter().map(|oid| i64::from(*oid)).collect();
    let found = as_extension_owner(|| {
        spi::read_kept(RELATIONS, &[oids.into()], |r| {
            let oid: Oid = r.need(1)?;
            let kind: String = r.need(4)?;
            let file: Oid = r.need(6)?;
            let relation = Relation {
                schema: r.need(2)?,
                name: r.need(3)?,
                kind: kind.chars().next().unwrap_or(' '),
                temporary: r.need(5)?,
                file: file.to_u32(),
                rows: r.get(7)?,
                bytes: r.get(8)?,
                table: r.get::<Oid>(9)?.map(|oid| oid.to_u32()),
            };
            Ok((oid.to_u32(), relation))
        })
    })?;
    Ok(found.into_iter().collect())
}
