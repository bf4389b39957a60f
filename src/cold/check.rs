//! Whether a chunk can be moved, said before anything is done.

use crate::cold::catalog::spec;
use crate::cold::storage;
use crate::error::{Error, Kind, Result};
use crate::hypertable::{self, ChunkInfo};
use pgrx::pg_sys;

fn refuse(kind: Kind, chunk: &str, why: &str) -> Error {
    Error::new(kind, format!("cannot tier chunk \"{chunk}\": {why}"))
}

/// The chunk's place in its hypertable, or why it cannot go cold.
///
/// 42704 no chunk of a hypertable, 55000 its range has not ended, 0A000 what files cannot carry.
pub fn check_chunk(chunk: pg_sys::Oid) -> Result<ChunkInfo> {
    let info = hypertable::chunk_info(chunk)?;
    let kinds = spec::relation(chunk)?;
    let name = info.name.as_str();
    if kinds.relkind != "r" {
        return Err(refuse(
            Kind::NotSupported,
            name,
            "it has partitions of its own",
        ));
    }
    if kinds.persistence != "p" {
        return Err(
            refuse(Kind::NotSupported, name, "it is not logged").hint(format!(
                "ALTER TABLE {} SET LOGGED;",
                crate::pg::catalog::qualified_name(chunk)?
            )),
        );
    }
    if !has_ended(&info) {
        return Err(refuse(
            Kind::NotInState,
            name,
            &format!("its range ends at {}, later than now", info.range_end),
        ));
    }
    hypertable::refuse_frozen(chunk, "tier")?;
    let columns = spec::columns(chunk)?;
    storage::check_types(chunk, &columns)?;
    let special: Vec<String> = spec::indexes(chunk, &columns)?
        .into_iter()
        .filter(|i| i.exclusion || (i.spec.unique && (i.special || !i.btree)))
        .map(|i| i.spec.name)
        .collect();
    if !special.is_empty() {
        return Err(refuse(
            Kind::NotSupported,
            name,
            "unique indexes with expressions or a predicate, and exclusion constraints, cannot be kept",
        )
        .detail(format!("Indexes: {}.", special.join(", "))));
    }
    Ok(info)
}

/// Chunks of a number range have no clock: they may always go.
fn has_ended(info: &ChunkInfo) -> bool {
    match info.range_end_us {
        Some(end) => end <= crate::pg::session::transaction_time(),
        None => !info.key_is_time && info.range_end != "MAXVALUE",
    }
}
