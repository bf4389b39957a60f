//! Jobs that look after chunks: dropping empty ones, writing them in the order of an index, statistics.

use super::bounds::{Edge, Range};
use super::catalog::{self, Chunk, Hypertable};
use super::leave_sql::{self, After, Place};
use super::{chunks, leave, place, retention, settings, target};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_qualified;
use crate::pg::owner::as_extension_owner;
use crate::pg::{bgworker, session, spi};
use crate::queue::{Job, Outcome};
use pgrx::pg_sys;
use serde_json::Value;

/// Names of the policies.
pub const DROP_EMPTY: &str = "policy_drop_empty";
pub const REORDER: &str = "policy_reorder";
pub const ANALYZE: &str = "policy_analyze";

/// The newest chunks are still written to: they are not reordered.
const LEFT_ALONE: usize = 3;

const IS_CLUSTERED: &str = "WITH RECURSIVE tree (rel) AS (SELECT $1::oid UNION ALL \
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.rel) \
    SELECT NOT EXISTS (SELECT FROM tree t JOIN pg_class c ON c.oid = t.rel AND c.relkind = 'r' \
    WHERE NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = t.rel AND x.indisclustered))";
const INDEX_OF: &str = "SELECT x.indexrelid FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid \
    WHERE x.indrelid = $1 AND c.relname = $2::name";

fn overlaps(a: Range, b: Range) -> bool {
    a.0 < b.1 && b.0 < a.1
}

/// The empty chunks that are old enough and that premake would not make again.
fn empty(h: &Hypertable) -> Result<Vec<Chunk>> {
    let Some(age_us) = settings::need(h.table.oid)?.drop_empty_after_us else {
        return Ok(Vec::new());
    };
    let ahead = chunks::ahead_ranges(h)?;
    let made_before = session::transaction_time().saturating_sub(age_us);
    let mut out = Vec::new();
    for c in catalog::chunks(h.table.oid, true)? {
        // one that we did not make has no known age
        let old = catalog::created_at(c.oid)?.is_some_and(|at| at < made_before);
        if old
            && !ahead.iter().any(|r| overlaps(*r, c.range))
            && leave_sql::place(c.oid)? == Place::Attached
            && !target::is_frozen(c.oid)?
            && !leave_sql::in_files(c.oid)?
            && !chunks::has_rows(&c)?
        {
            out.push(c);
        }
    }
    Ok(out)
}

pub fn drop_empty_needed(job: &Job) -> Result<bool> {
    Ok(!empty(&retention::of_job(job)?)?.is_empty())
}

/// Takes empty chunks out. One that got rows meanwhile is put back.
pub fn drop_empty(job: &Job) -> Outcome {
    let h = bgworker::transaction(|| retention::of_job(job))?;
    let turn = retention::take_turn(&h)?;
    let mut errors = leave::finish(h.table.oid)?;
    for c in bgworker::transaction(|| empty(&h))? {
        let stay = retention::take_out(&h, &[c], |c| {
            Ok(After::DropIf {
                bound: leave_sql::bound(c.oid)?,
                unless: None,
            })
        })?;
        errors.extend(retention::without_passing(stay)?);
    }
    drop(turn);
    retention::summary(errors)
}

/// The index of a reorder policy.
fn index_of(h: &Hypertable, job: &Job) -> Result<pg_sys::Oid> {
    let config: Value =
        serde_json::from_str(job.config.as_deref().unwrap_or("{}")).unwrap_or_default();
    let name = config.get("index_name").and_then(Value::as_str);
    index(h, name.unwrap_or_default())
}

/// The index of that name on the hypertable; 42704 when there is none.
pub fn index(h: &Hypertable, name: &str) -> Result<pg_sys::Oid> {
    let args = [h.table.oid.into(), name.into()];
    as_extension_owner(|| spi::read_one(INDEX_OF, &args, |r| r.need(1)))?.ok_or_else(|| {
        Error::new(
            Kind::UndefinedObject,
            format!("hypertable \"{}\" has no index \"{name}\"", h.table.name),
        )
    })
}

/// The oldest chunk that is not in the order of an index.
fn unordered(h: &Hypertable) -> Result<Option<Chunk>> {
    let mut all = catalog::chunks(h.table.oid, true)?;
    if let Some(now) = chunks::now(h)? {
        all.retain(|c| c.range.0 <= Edge::At(now));
    }
    all.truncate(all.len().saturating_sub(LEFT_ALONE));
    for c in all {
        let clustered = as_extension_owner(|| {
            spi::read_latest(IS_CLUSTERED, &[c.oid.into()], |r| r.need::<bool>(1))
        })?;
        if clustered.first() == Some(&false)
            && leave_sql::place(c.oid)? == Place::Attached
            && !leave_sql::in_files(c.oid)?
            && !target::is_frozen(c.oid)?
            && chunks::has_rows(&c)?
        {
            return Ok(Some(c));
        }
    }
    Ok(None)
}

pub fn reorder_needed(job: &Job) -> Result<bool> {
    let h = retention::of_job(job)?;
    Ok(unordered(&h)?.is_some())
}

/// Writes one chunk in the order of the index: each run one, so that readers wait for one at most.
pub fn reorder(job: &Job) -> Outcome {
    bgworker::limit_lock_waits(1_000);
    bgworker::transaction(|| {
        let h = retention::of_job(job)?;
        let index = index_of(&h, job)?;
        match unordered(&h)? {
            Some(c) => place::reorder(c.oid, Some(index), false),
            None => Ok(()),
        }
    })
}

/// Statistics of the hypertable itself, which autovacuum leaves alone. Makers of chunks wait meanwhile, so
/// only while the chunks ahead are there.
pub fn analyze(job: &Job) -> Outcome {
    bgworker::limit_lock_waits(200);
    bgworker::transaction(|| {
        let h = retention::of_job(job)?;
        chunks::premake(&h)?;
        let name = quote_qualified(&h.table.schema, &h.table.name);
        // core runs index expressions as the table's owner
        spi::execute(&format!("ANALYZE {name}"), &[]).map(|_| ())
    })
}
