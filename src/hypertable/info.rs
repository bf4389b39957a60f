//! What other nouns and the worker ask of hypertables.

use super::bounds::Edge;
use super::select::{self, Bounds};
use super::{age, catalog, chunks, policy};
use crate::error::{Error, Kind, Result};
use crate::pg::anyvalue::AnyValue;
use crate::pg::catalog::relation_name;
use crate::pg::owner::SettingScope;
use crate::pg::session::has_written;
use crate::pg::spi;
use crate::pg::subxact::{Caught, attempt};
use crate::queue;
use pgrx::pg_sys;

/// A chunk and its place in its hypertable.
#[derive(Debug, Clone)]
pub struct ChunkInfo {
    pub chunk: pg_sys::Oid,
    pub hypertable: pg_sys::Oid,
    pub hypertable_id: i32,
    pub schema: String,
    pub name: String,
    /// name of the time column
    pub key: String,
    pub key_type: pg_sys::Oid,
    /// false for numbers, which have no clock
    pub key_is_time: bool,
    /// as in the bound, in UTC, without quotes; MINVALUE and MAXVALUE for open ends
    pub range_start: String,
    pub range_end: String,
    /// `20250101T000000Z`, or the number
    pub range_start_utc_compact: String,
    pub range_end_utc_compact: String,
    /// where the range ends, in microseconds since 2000-01-01 UTC; `None` for numbers and for MAXVALUE
    pub range_end_us: Option<i64>,
}

/// The chunk, or 42704 when the relation is no chunk of a hypertable. Takes no lock.
pub fn chunk_info(chunk: pg_sys::Oid) -> Result<ChunkInfo> {
    let no_chunk = || {
        let name = relation_name(chunk)?;
        Ok::<_, Error>(
            Error::new(
                Kind::UndefinedObject,
                format!("\"{name}\" is not a chunk of a hypertable"),
            )
            .hint("SELECT strata.show_chunks('table') lists the chunks of a hypertable"),
        )
    };
    let Some(parent) = catalog::parent(chunk)? else {
        return Err(no_chunk()?);
    };
    let (Some(h), Some((lo, hi)), Some(table)) = (
        catalog::hypertable(parent)?,
        catalog::range_of(chunk)?,
        catalog::table(chunk),
    ) else {
        return Err(no_chunk()?);
    };
    let key = h.grid.key;
    let text = |e: Edge| e.sql(key).trim_matches('\'').to_string();
    let compact = |e: Edge| match e {
        Edge::Min => "min".to_string(),
        Edge::At(v) => key.basic_utc(v),
        Edge::Max => "max".to_string(),
    };
    Ok(ChunkInfo {
        chunk,
        hypertable: parent,
        hypertable_id: h.id,
        schema: table.schema,
        name: table.name,
        key: h.key,
        key_type: h.key_type,
        key_is_time: key.is_time(),
        range_start: text(lo),
        range_end: text(hi),
        range_start_utc_compact: compact(lo),
        range_end_utc_compact: compact(hi),
        range_end_us: key.is_time().then(|| key.microseconds(hi)).flatten(),
    })
}

/// One round of premake for all hypertables of this database; returns the number of chunks made.
///
/// Each hypertable has a subtransaction and a lock_timeout of 200 ms: a queued lock request on a
/// referenced table would stall its writers. What fails is logged and tried again in the next round.
pub fn premake_all() -> Result<i32> {
    let settings = SettingScope::new();
    settings.set("lock_timeout", "200ms");
    let mut made = 0;
    for relation in catalog::all_hypertables()? {
        if queue::is_switched_off(relation, policy::PREMAKE)? {
            continue;
        }
        let one = attempt(|| {
            if has_written() {
                // with an id of its own the subtransaction reads afresh, not through the statement's snapshot
                spi::execute("SELECT 1", &[])?;
            }
            match catalog::hypertable(relation)? {
                Some(h) if h.table.relkind == 'p' => chunks::premake(&h),
                _ => Ok(0),
            }
        });
        let error = match one {
            Ok(Ok(n)) => {
                made += n;
                if n > 0 {
                    policy::note_step(relation, policy::PREMAKE, &Ok(()))?;
                }
                continue;
            }
            Ok(Err(e)) => Caught::from(e),
            Err(caught) => caught,
        };
        policy::note_step(relation, policy::PREMAKE, &Err(error.clone()))?;
        let name = relation_name(relation).unwrap_or_else(|_| relation.to_u32().to_string());
        pgrx::log!(
            "pg_strata: premake of hypertable \"{name}\" failed, will try again: {}",
            error.message
        );
    }
    Ok(made)
}

/// True when chunks are as old as the times in their rows: their bounds are ids.
pub fn ages_by_rows(relation: pg_sys::Oid) -> Result<bool> {
    Ok(age::time_column(&chunks::hypertable(relation)?)?.is_some())
}

/// 42704 unless the relation is a hypertable.
pub fn check_hypertable(relation: pg_sys::Oid) -> Result<()> {
    chunks::hypertable(relation).map(|_| ())
}

/// The chunks wholly before `older_than` and wholly at or after `newer_than`, oldest first.
pub fn chunks_between(
    hypertable: pg_sys::Oid,
    older_than: Option<AnyValue>,
    newer_than: Option<AnyValue>,
) -> Result<Vec<pg_sys::Oid>> {
    let h = chunks::hypertable(hypertable)?;
    let bounds = Bounds {
        older_than,
        newer_than,
        ..Bounds::default()
    };
    let mut found = select::chunks(&h, &bounds, false)?;
    found.sort_by_key(|chunk| chunk.range.0);
    Ok(found.into_iter().map(|chunk| chunk.oid).collect())
}
