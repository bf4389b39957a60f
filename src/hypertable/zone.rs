//! Zone maps: a closed chunk has a CHECK with the least and greatest values of some columns, by which core
//! excludes it when it plans. Closing is a job; a late row opens the chunk again, see `zone_open.rs`.

use super::bounds::{Edge, Width};
use super::catalog::{self, Chunk, Hypertable};
use super::leave_sql::{self, Place};
use super::settings::{self, Settings};
use super::{chunks, reopen, retention, target};
use crate::error::Result;
use crate::pg::catalog::{invalidate, qualified_name, quote_ident, quote_literal};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, inject, session, spi};
use crate::queue::{Job, Outcome};
use pgrx::{JsonB, PgSqlErrorCode, pg_sys};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// Name of the policy.
pub const POLICY: &str = "policy_close";
/// Name of the CHECK.
pub const CHECK: &str = "strata_zone";
/// Readers of a chunk wait for its closing this long at most.
pub(super) const LOCK_MS: u32 = 100;
/// Types of the columns.
const ORDERED: [&str; 7] = [
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "date",
    "timestamp without time zone",
    "timestamp with time zone",
];
/// Between two tries for the lock of a chunk others get through.
pub(super) const PAUSE: Duration = Duration::from_millis(200);
const TRIES: u32 = 50;

const ZONE: &str = "SELECT k.zone::text FROM strata.chunk k WHERE k.chunk = $1::oid::regclass AND k.closed_at IS NOT NULL";
const CLOSED: &str = "INSERT INTO strata.chunk (chunk, origin, closed_at, zone) VALUES ($1::oid::regclass, 'user', now(), $2) \
    ON CONFLICT (chunk) DO UPDATE SET closed_at = excluded.closed_at, zone = excluded.zone";
const OPENED: &str = "UPDATE strata.chunk SET closed_at = NULL, zone = NULL WHERE chunk = $1::oid::regclass \
    AND closed_at IS NOT NULL";
const HAS_CHECK: &str = "SELECT convalidated FROM pg_constraint WHERE conrelid = $1 AND conname = 'strata_zone' AND contype = 'c'";
// those of any chunk, known to hold or not; and annotations whose CHECK is gone
const WITH_CHECK: &str = "SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = $1 AND NOT i.inhdetachpending AND ( \
    EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = i.inhrelid AND c.conname = 'strata_zone' AND c.contype = 'c') \
    OR EXISTS (SELECT FROM strata.chunk k WHERE k.chunk = i.inhrelid::regclass AND k.closed_at IS NOT NULL))";
// asked by every session: by the name, of which there are few
const ANY_CHECK: &str = "SELECT EXISTS (SELECT FROM pg_constraint c JOIN pg_inherits i ON i.inhrelid = c.conrelid \
    WHERE c.conname = 'strata_zone' AND c.contype = 'c' AND i.inhparent = $1)";
const COLUMN_TYPE: &str = "SELECT format_type(a.atttypid, NULL) FROM pg_attribute a WHERE a.attrelid = $1 \
    AND a.attname = $2::name AND a.attnum > 0 AND NOT a.attisdropped";

/// The columns that closed chunks keep the range of: those given to enable_chunk_skipping, and the time
/// column of a table that is partitioned by a number.
fn columns(h: &Hypertable, settings: &Settings) -> Vec<String> {
    let mut columns = settings.skipping.clone();
    if let Some(time) = settings
        .time_column
        .clone()
        .filter(|_| !h.grid.key.is_time())
    {
        columns.push(time);
    }
    columns.sort();
    columns.dedup();
    columns.retain(|c| *c != h.key);
    columns
}

/// True when late rows can open a chunk again: without that, none must be closed.
fn may_close(h: &Hypertable, settings: &Settings) -> bool {
    session::preloaded() && settings.create_missing && !columns(h, settings).is_empty()
}

/// Chunks that are closed, or were about to be.
pub fn with_check(hypertable: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>> {
    as_extension_owner(|| spi::read_latest(WITH_CHECK, &[hypertable.into()], |r| r.need(1)))
}

/// True when a row may meet a closed chunk: also while those go that nobody wants closed any more.
pub fn has_closed(h: &Hypertable, settings: &Settings) -> Result<bool> {
    if may_close(h, settings) {
        return Ok(true);
    }
    let args = [h.table.oid.into()];
    let found = as_extension_owner(|| spi::read_kept(ANY_CHECK, &args, |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

/// Whether the chunk has the CHECK, and whether it is known to hold.
fn check_of(chunk: pg_sys::Oid) -> Result<Option<bool>> {
    let found = as_extension_owner(|| spi::read_latest(HAS_CHECK, &[chunk.into()], |r| r.need(1)))?;
    Ok(found.into_iter().next())
}

/// The columns that the chunk was closed with; `None` when it is open.
fn closed_with(chunk: pg_sys::Oid) -> Result<Option<Vec<String>>> {
    let found =
        as_extension_owner(|| spi::read_latest(ZONE, &[chunk.into()], |r| r.get::<String>(1)))?;
    let Some(zone) = found.into_iter().next() else {
        return Ok(None);
    };
    let zone = zone.and_then(|z| serde_json::from_str::<Map<String, Value>>(&z).ok());
    let zone = zone.unwrap_or_default();
    // a CHECK goes with a column of it
    if zone.values().any(|v| !v.is_null()) && check_of(chunk)? != Some(true) {
        return Ok(None);
    }
    let mut names: Vec<String> = zone.keys().cloned().collect();
    names.sort();
    Ok(Some(names))
}

/// A value from which on chunks are too young to be closed: an interval before now, or before the newest
/// chunk that has rows.
fn too_young(h: &Hypertable, all: &[Chunk]) -> Result<Option<i64>> {
    let newest = match chunks::now_of(h.grid.key) {
        Some(now) => now,
        None => {
            let mut newest = None;
            for c in all.iter().rev() {
                if chunks::has_rows(c)? {
                    newest = c.range.0.value();
                    break;
                }
            }
            let Some(newest) = newest else {
                return Ok(None);
            };
            newest
        }
    };
    let index = h.grid.index(newest);
    Ok(
        match (h.grid.width, h.grid.range(index.saturating_sub(1))) {
            (Width::Units(n), _) => Some(newest.saturating_sub(n)),
            (_, Ok((Edge::At(lo), _))) => Some(lo),
            _ => None,
        },
    )
}

/// Chunks that should be closed and are not, oldest first, and those that are closed for other columns.
fn candidates(h: &Hypertable, wanted: &[String]) -> Result<Vec<Chunk>> {
    let all = catalog::chunks(h.table.oid, true)?;
    let Some(limit) = too_young(h, &all)? else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    for c in all {
        if c.range.1 > Edge::At(limit)
            || closed_with(c.oid)?.is_some_and(|columns| columns == wanted)
            || leave_sql::in_files(c.oid)?
            || leave_sql::place(c.oid)? != Place::Attached
            || target::is_frozen(c.oid)?
            || !chunks::has_rows(&c)?
        {
            continue;
        }
        out.push(c);
    }
    Ok(out)
}

/// Whether there is a chunk to close.
pub fn needed(job: &Job) -> Result<bool> {
    let h = retention::of_job(job)?;
    let settings = settings::need(h.table.oid)?;
    if !may_close(&h, &settings) || reopen::is_subscribed(&h)? {
        return Ok(!with_check(h.table.oid)?.is_empty());
    }
    Ok(!candidates(&h, &columns(&h, &settings))?.is_empty())
}

/// Closes all chunks that change no more.
pub fn run(job: &Job) -> Outcome {
    bgworker::limit_lock_waits(LOCK_MS);
    let (h, wanted, found, unwanted) = bgworker::transaction(|| {
        let h = retention::of_job(job)?;
        let settings = settings::need(h.table.oid)?;
        if !may_close(&h, &settings) || reopen::is_subscribed(&h)? {
            let unwanted = with_check(h.table.oid)?;
            return Ok((h, Vec::new(), Vec::new(), unwanted));
        }
        let wanted = columns(&h, &settings);
        let found = candidates(&h, &wanted)?;
        Ok((h, wanted, found, Vec::new()))
    })?;
    let mut errors = Vec::new();
    let mut changed = !unwanted.is_empty();
    for chunk in unwanted {
        if let Err(e) = open_patiently(&h, chunk) {
            errors.push(e);
        }
    }
    for c in found {
        match close(&h, c.oid, &wanted) {
            // in use, or written to meanwhile: the next run tries again
            Err(e) if is_passing(&e) => pgrx::log!(
                "pg_strata: chunk {} stays open: {}",
                c.oid.to_u32(),
                e.message
            ),
            Err(e) => errors.push(e),
            Ok(()) => changed = true,
        }
    }
    if changed {
        // plans may leave out what is closed now; writers need not look for what is closed no more
        bgworker::transaction(|| {
            invalidate(h.table.oid);
            Ok(())
        })?;
    }
    retention::summary(errors)
}

/// Tries for a while: as long as it has the CHECK, nobody may write beyond it.
fn open_patiently(h: &Hypertable, chunk: pg_sys::Oid) -> Outcome {
    let mut tries = 0;
    loop {
        match bgworker::transaction(|| open(h, chunk)) {
            Err(e) if is_passing(&e) && tries < TRIES => {
                tries += 1;
                bgworker::pause(PAUSE);
            }
            out => return out.map(|_| ()),
        }
    }
}

pub fn is_passing(e: &Caught) -> bool {
    use PgSqlErrorCode as C;
    matches!(
        e.code,
        C::ERRCODE_LOCK_NOT_AVAILABLE
            | C::ERRCODE_CHECK_VIOLATION
            | C::ERRCODE_T_R_DEADLOCK_DETECTED
    )
}

/// Three short transactions: a CHECK that nobody has proved yet keeps what is read now from getting wrong;
/// proving it lets readers and writers go on.
fn close(h: &Hypertable, chunk: pg_sys::Oid, wanted: &[String]) -> Outcome {
    bgworker::transaction(|| open(h, chunk))?;
    let zone = bgworker::transaction(|| {
        let _settings = chunks::ddl_settings();
        let (zone, condition) = measure(h, chunk, wanted)?;
        if let Some(condition) = condition {
            let name = qualified_name(chunk)?;
            let _owner = UserScope::restricted(h.table.owner);
            spi::execute(
                &format!("ALTER TABLE {name} ADD CONSTRAINT {CHECK} CHECK ({condition}) NOT VALID"),
                &[],
            )?;
        }
        Ok(zone)
    })?;
    inject::point("hypertable.zone.added");
    let proved = bgworker::transaction(|| {
        if check_of(chunk)? == Some(false) {
            let name = qualified_name(chunk)?;
            let _owner = UserScope::restricted(h.table.owner);
            spi::execute(
                &format!("ALTER TABLE {name} VALIDATE CONSTRAINT {CHECK}"),
                &[],
            )?;
        }
        as_extension_owner(|| spi::execute(CLOSED, &[chunk.into(), JsonB(zone.into()).into()]))
            .map(|_| ())
    });
    if proved.is_err() {
        // a row came between the measuring and the CHECK
        bgworker::transaction(|| open(h, chunk))?;
    }
    proved
}

/// What the columns hold, for the catalog and as a condition.
fn measure(
    h: &Hypertable,
    chunk: pg_sys::Oid,
    wanted: &[String],
) -> Result<(Map<String, Value>, Option<String>)> {
    let name = qualified_name(chunk)?;
    let (mut zone, mut conditions) = (Map::new(), Vec::new());
    for column in wanted {
        let of = as_extension_owner(|| {
            spi::read_one(COLUMN_TYPE, &[chunk.into(), column.as_str().into()], |r| {
                r.need::<String>(1)
            })
        })?;
        // the column may have got another type since: one whose order may change proves nothing
        let Some(of) = of.filter(|of| ORDERED.contains(&of.as_str())) else {
            zone.insert(column.clone(), Value::Null);
            continue;
        };
        let quoted = quote_ident(column);
        let end = |order: &str| -> Result<Option<String>> {
            // the column's own output function and order: without `c.` it would be the order of the text
            let _owner = UserScope::reader(h.table.owner);
            spi::read_one(
                &format!(
                    "SELECT c.{quoted}::pg_catalog.text FROM {name} c WHERE c.{quoted} IS NOT NULL ORDER BY c.{quoted} {order} LIMIT 1"
                ),
                &[],
                |r| r.need(1),
            )
        };
        let (Some(least), Some(greatest)) = (end("ASC")?, end("DESC")?) else {
            zone.insert(column.clone(), Value::Null);
            continue;
        };
        conditions.push(format!(
            "{quoted} >= {}::{of} AND {quoted} <= {}::{of}",
            quote_literal(&least),
            quote_literal(&greatest)
        ));
        zone.insert(column.clone(), json!({"min": least, "max": greatest}));
    }
    let condition = (!conditions.is_empty()).then(|| conditions.join(" AND "));
    Ok((zone, condition))
}

/// Drops the CHECK of a chunk, in this transaction: AccessExclusiveLock on the chunk alone. False when it had
/// none.
pub fn open(h: &Hypertable, chunk: pg_sys::Oid) -> Result<bool> {
    let had = check_of(chunk)?.is_some();
    if had {
        let name = qualified_name(chunk)?;
        reopen::let_in(h.table.owner, chunk)?;
        let _owner = UserScope::restricted(h.table.owner);
        spi::execute(
            &format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {CHECK}"),
            &[],
        )?;
    }
    as_extension_owner(|| spi::execute(OPENED, &[chunk.into()]))?;
    Ok(had)
}

/// The same for a chunk that is about to go where a late row could not open it any more.
pub fn open_chunk(relation: pg_sys::Oid, chunk: pg_sys::Oid) -> Result<bool> {
    match super::catalog::hypertable(relation)? {
        Some(h) => open(&h, chunk),
        None => Ok(false),
    }
}
