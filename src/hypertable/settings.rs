//! What the owner of a hypertable may choose, as `strata.hypertable` and `strata.dimension` hold it.

use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const SETTINGS: &str = "
SELECT h.on_missing_chunk OPERATOR(pg_catalog.=) 'create', h.max_chunks_per_statement, h.chunk_grants,
       h.time_column::text, h.end_column::text, h.logical_key::text, pg_catalog.to_regprocedure(h.integer_now_func)::oid, h.tablespaces::text[],
       (extract(epoch FROM h.lock_wait) OPERATOR(pg_catalog.*) 1000)::int8,
       (extract(epoch FROM h.horizon_past) OPERATOR(pg_catalog.*) 1000000)::int8,
       (extract(epoch FROM h.horizon_future) OPERATOR(pg_catalog.*) 1000000)::int8,
       (extract(epoch FROM h.drop_empty_after) OPERATOR(pg_catalog.*) 1000000)::int8,
       ((extract(epoch FROM h.chunk_origin) OPERATOR(pg_catalog.-) 946684800) OPERATOR(pg_catalog.*) 1000000)::int8
FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1";

const HASHES: &str = "
SELECT d.column_name::text, d.number_partitions
FROM strata.dimension d JOIN strata.hypertable h ON h.id OPERATOR(pg_catalog.=) d.hypertable_id
WHERE h.relation OPERATOR(pg_catalog.=) $1 ORDER BY d.id";

const LEAF_KEYS: &str = "
SELECT k.columns::text[], k.nulls_not_distinct
FROM strata.leaf_key k JOIN strata.hypertable h ON h.id OPERATOR(pg_catalog.=) k.hypertable_id
WHERE h.relation OPERATOR(pg_catalog.=) $1 ORDER BY k.id";

const SKIPPING: &str = "
SELECT s.column_name::text
FROM strata.chunk_skipping s JOIN strata.hypertable h ON h.id OPERATOR(pg_catalog.=) s.hypertable_id
WHERE h.relation OPERATOR(pg_catalog.=) $1 ORDER BY s.id";

/// A key that is unique inside each chunk only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafKey {
    pub columns: Vec<String>,
    pub nulls_not_distinct: bool,
}

/// A hash dimension: each new chunk is partitioned again by this column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashDimension {
    pub column: String,
    pub partitions: i32,
}

/// Settings of one hypertable; months in intervals count 30 days here.
#[derive(Debug, Clone)]
pub struct Settings {
    /// false: a row without a chunk is core's error 23514
    pub create_missing: bool,
    pub max_chunks_per_statement: i32,
    pub chunk_grants: bool,
    /// of a table partitioned by id
    pub time_column: Option<String>,
    pub end_column: Option<String>,
    pub logical_key: Option<String>,
    pub integer_now_func: Option<pg_sys::Oid>,
    /// taken in turn by new chunks; empty: the hypertable's own
    pub tablespaces: Vec<String>,
    pub lock_wait_ms: i64,
    pub horizon_past_us: Option<i64>,
    pub horizon_future_us: Option<i64>,
    pub drop_empty_after_us: Option<i64>,
    /// microseconds since 2000-01-01 UTC; `None` for the default
    pub origin_us: Option<i64>,
    pub hashes: Vec<HashDimension>,
    pub leaf_keys: Vec<LeafKey>,
    /// columns given to `enable_chunk_skipping`
    pub skipping: Vec<String>,
}

/// The settings of a hypertable.
pub fn need(relation: pg_sys::Oid) -> Result<Settings> {
    of(relation)?.ok_or_else(|| Error::internal("a hypertable without settings"))
}

/// The settings of a registered table, or `None`.
pub fn of(relation: pg_sys::Oid) -> Result<Option<Settings>> {
    as_extension_owner(|| {
        let hashes = spi::read(HASHES, &[relation.into()], |r| {
            Ok(HashDimension {
                column: r.need(1)?,
                partitions: r.need(2)?,
            })
        })?;
        let leaf_keys = spi::read(LEAF_KEYS, &[relation.into()], |r| {
            Ok(LeafKey {
                columns: r.need(1)?,
                nulls_not_distinct: r.need(2)?,
            })
        })?;
        let skipping = spi::read(SKIPPING, &[relation.into()], |r| r.need::<String>(1))?;
        spi::read_one(SETTINGS, &[relation.into()], |r| {
            Ok(Settings {
                create_missing: r.need(1)?,
                max_chunks_per_statement: r.need(2)?,
                chunk_grants: r.need(3)?,
                time_column: r.get(4)?,
                end_column: r.get(5)?,
                logical_key: r.get(6)?,
                integer_now_func: r.get(7)?,
                tablespaces: r.need(8)?,
                lock_wait_ms: r.need(9)?,
                horizon_past_us: r.get(10)?,
                horizon_future_us: r.get(11)?,
                drop_empty_after_us: r.get(12)?,
                origin_us: r.get(13)?,
                hashes: hashes.clone(),
                leaf_keys: leaf_keys.clone(),
                skipping: skipping.clone(),
            })
        })
    })
}
