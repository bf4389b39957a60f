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
       ((extract(epoch FROM h.chunk_origin) OPERATOR(pg_catalog.-) 946684800) OPERATOR(pg_catalog.*) 1000000)::int8,
       ARRAY(SELECT d.column_name::text FROM strata.dimension d
             WHERE d.hypertable_id OPERATOR(pg_catalog.=) h.id ORDER BY d.id),
       ARRAY(SELECT d.number_partitions FROM strata.dimension d
             WHERE d.hypertable_id OPERATOR(pg_catalog.=) h.id ORDER BY d.id),
       ARRAY(SELECT pg_catalog.array_to_json(k.columns)::text FROM strata.leaf_key k
             WHERE k.hypertable_id OPERATOR(pg_catalog.=) h.id ORDER BY k.id),
       ARRAY(SELECT k.nulls_not_distinct FROM strata.leaf_key k
             WHERE k.hypertable_id OPERATOR(pg_catalog.=) h.id ORDER BY k.id),
       ARRAY(SELECT s.column_name::text FROM strata.chunk_skipping s
             WHERE s.hypertable_id OPERATOR(pg_catalog.=) h.id ORDER BY s.id)
FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1";

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
    let found = as_extension_owner(|| {
        spi::read_kept(SETTINGS, &[relation.into()], |r| {
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
                hashes: hashes(r.need(14)?, r.need(15)?),
                leaf_keys: leaf_keys(&r.need::<Vec<String>>(16)?, r.need(17)?)?,
                skipping: r.need(18)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}

fn hashes(columns: Vec<String>, partitions: Vec<i32>) -> Vec<HashDimension> {
    let both = columns.into_iter().zip(partitions);
    both.map(|(column, partitions)| HashDimension { column, partitions })
        .collect()
}

fn leaf_keys(columns: &[String], nulls_not_distinct: Vec<bool>) -> Result<Vec<LeafKey>> {
    let both = columns.iter().zip(nulls_not_distinct);
    both.map(|(columns, nulls_not_distinct)| {
        Ok(LeafKey {
            columns: serde_json::from_str(columns)
                .map_err(|e| Error::internal(format!("columns of a key: {e}")))?,
            nulls_not_distinct,
        })
    })
    .collect()
}
