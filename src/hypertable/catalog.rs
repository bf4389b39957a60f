//! SPI statements about hypertables and their chunks.

use super::bounds::{Edge, Grid, KeyType, Range, Width};
use super::dimension::GivenInterval;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::partition::{BoundEnd, range_bound};
use crate::pg::{relation_facts, spi};
use pgrx::pg_sys;

const PARTITIONING: &str = "
SELECT p.partstrat::text, p.partnatts::int4, COALESCE(a.attname::text, ''), p.partdefid
FROM pg_catalog.pg_partitioned_table p
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) p.partrelid
  AND a.attnum OPERATOR(pg_catalog.=) p.partattrs[0] AND a.attnum OPERATOR(pg_catalog.>) 0
WHERE p.partrelid OPERATOR(pg_catalog.=) $1";

const HYPERTABLE: &str = "
SELECT h.id, h.premake, h.integer_interval,
       (extract(year FROM h.chunk_interval) OPERATOR(pg_catalog.*) 12 OPERATOR(pg_catalog.+) extract(month FROM h.chunk_interval))::int4,
       extract(day FROM h.chunk_interval)::int4,
       (extract(epoch FROM h.chunk_interval OPERATOR(pg_catalog.-) pg_catalog.date_trunc('day', h.chunk_interval))
         OPERATOR(pg_catalog.*) 1000000)::int8,
       COALESCE(h.chunk_options, '{}'),
       ((extract(epoch FROM h.chunk_origin) OPERATOR(pg_catalog.-) 946684800) OPERATOR(pg_catalog.*) 1000000)::int8,
       a.attname::text, a.atttypid
FROM strata.hypertable h
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) h.relation::oid
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) p.partrelid
  AND a.attnum OPERATOR(pg_catalog.=) p.partattrs[0] AND a.attnum OPERATOR(pg_catalog.>) 0
WHERE h.relation OPERATOR(pg_catalog.=) $1";

const PARENT: &str = "
SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
WHERE i.inhrelid OPERATOR(pg_catalog.=) $1 AND c.relispartition";

const CHUNKS: &str = "
SELECT c.oid, c.relpartbound::text, c.relkind::text
FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid
WHERE i.inhparent OPERATOR(pg_catalog.=) $1 AND c.relpartbound IS NOT NULL";

const BOUND: &str =
    "SELECT c.relpartbound::text FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1";

const CREATED: &str = "
SELECT pg_catalog.max(k.created_at) FROM strata.chunk k WHERE k.chunk OPERATOR(pg_catalog.=) $1";

const ALL: &str = "SELECT h.relation::oid FROM strata.hypertable h ORDER BY h.id";

const IS_HEAP: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_am a ON a.oid OPERATOR(pg_catalog.=) c.relam
               WHERE c.oid OPERATOR(pg_catalog.=) $1 AND a.amname OPERATOR(pg_catalog.=) 'heap')";

const ADD: &str = "
INSERT INTO strata.hypertable (relation, chunk_interval, integer_interval, chunk_options)
VALUES ($1::oid::regclass, $2::pg_catalog.interval, $3, $4) RETURNING id";

const SET_INTERVAL: &str = "
UPDATE strata.hypertable SET chunk_interval = $2::pg_catalog.interval, integer_interval = $3
WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass";

const SET_RATE_INTERVAL: &str = "
UPDATE strata.hypertable SET chunk_interval = $2::pg_catalog.interval
WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass";

const SET_ID_WIDTH: &str = "
UPDATE strata.hypertable SET integer_interval = $2 WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass";

const ANNOTATE: &str = "
INSERT INTO strata.chunk (chunk, origin) SELECT c::regclass, $2 FROM pg_catalog.unnest($1::oid[]) c
ON CONFLICT (chunk) DO UPDATE SET origin = EXCLUDED.origin, created_at = pg_catalog.now()";

/// What pg_class says about a table, and a column of it.
pub use crate::pg::relation_facts::{Column, Facts as Table};

/// How a partitioned table is partitioned.
#[derive(Debug, Clone)]
pub struct Partitioning {
    pub strategy: char,
    pub columns: i32,
    /// empty for an expression
    pub column: String,
    pub default: pg_sys::Oid,
}

/// A hypertable, as registered and as PostgreSQL knows it.
#[derive(Debug, Clone)]
pub struct Hypertable {
    pub id: i32,
    pub table: Table,
    pub key: String,
    pub key_type: pg_sys::Oid,
    pub grid: Grid,
    pub premake: i32,
    /// storage parameters of new chunks, as `name=value`
    pub chunk_options: Vec<String>,
    /// where chunks are counted from, in microseconds since 2000-01-01 UTC; `None` for the default
    pub origin_us: Option<i64>,
}

impl Hypertable {
    /// The grid with another width, counted from the same origin.
    pub fn grid_of(&self, width: Width) -> Result<Grid> {
        grid(self.grid.key, width, self.origin_us)
    }
}

fn grid(key: KeyType, width: Width, origin_us: Option<i64>) -> Result<Grid> {
    match origin_us {
        Some(us) => Grid::with_origin(key, width, us),
        None => Ok(Grid::new(key, width)),
    }
}

/// A partition with a range; a DEFAULT partition is none.
#[derive(Debug, Clone, Copy)]
pub struct Chunk {
    pub oid: pg_sys::Oid,
    pub range: Range,
    pub relkind: char,
}

fn one_char(text: &str) -> char {
    text.chars().next().unwrap_or(' ')
}

/// The relation, or `None` when it does not exist (any more).
pub fn table(oid: pg_sys::Oid) -> Option<Table> {
    relation_facts::facts(oid)
}

pub fn partitioning(oid: pg_sys::Oid) -> Result<Option<Partitioning>> {
    spi::read_one(PARTITIONING, &[oid.into()], |r| {
        Ok(Partitioning {
            strategy: one_char(&r.need::<String>(1)?),
            columns: r.need(2)?,
            column: r.need(3)?,
            default: r.need(4)?,
        })
    })
}

/// A column of a table, `None` for one that does not exist.
pub fn column(oid: pg_sys::Oid, name: &str) -> Option<Column> {
    relation_facts::column(oid, name)
}

/// The type of a key, or `None` for types that cannot be one.
pub fn key_type(oid: pg_sys::Oid) -> Option<KeyType> {
    Some(match oid {
        pg_sys::INT2OID => KeyType::Int2,
        pg_sys::INT4OID => KeyType::Int4,
        pg_sys::INT8OID => KeyType::Int8,
        pg_sys::DATEOID => KeyType::Date,
        pg_sys::TIMESTAMPOID => KeyType::Timestamp,
        pg_sys::TIMESTAMPTZOID => KeyType::TimestampTz,
        pg_sys::UUIDOID => KeyType::Uuid,
        _ => return None,
    })
}

/// The hypertable registered for `oid`, or `None`. Also `None` where a registered table is no longer
/// partitioned by one column.
pub fn hypertable(oid: pg_sys::Oid) -> Result<Option<Hypertable>> {
    let Some(table) = table(oid) else {
        return Ok(None);
    };
    let row = |r: spi::LatestRow| {
        let key_type = r.need(10)?;
        let Some(key) = self::key_type(key_type) else {
            return Ok(None);
        };
        let interval = (r.get(4)?, r.get(5)?, r.get(6)?);
        let width = match (r.get(3)?, interval) {
            (Some(n), _) => Width::from_integer(key, n)?,
            (_, (Some(months), Some(days), Some(us))) => {
                Width::from_interval(key, months, days, us)?
            }
            _ => Width::default_for(key),
        };
        let origin_us = r.get(8)?;
        Ok(Some(Hypertable {
            id: r.need(1)?,
            table: table.clone(),
            key: r.need(9)?,
            key_type,
            grid: grid(key, width, origin_us)?,
            premake: r.need(2)?,
            chunk_options: r.need(7)?,
            origin_us,
        }))
    };
    let found = as_extension_owner(|| spi::read_kept(HYPERTABLE, &[oid.into()], row))?;
    Ok(found.into_iter().flatten().next())
}

/// The partitioned table that `oid` is a partition of.
pub fn parent(oid: pg_sys::Oid) -> Result<Option<pg_sys::Oid>> {
    spi::read_one(PARENT, &[oid.into()], |r| r.need(1))
}

fn edge(end: BoundEnd) -> Edge {
    match end {
        BoundEnd::MinValue => Edge::Min,
        BoundEnd::Value(v) => Edge::At(v),
        BoundEnd::MaxValue => Edge::Max,
    }
}

fn parse_range(bound: &str) -> Option<Range> {
    range_bound(bound).map(|(lo, hi)| (edge(lo), edge(hi)))
}

/// The range of a partition, `None` for anything else.
pub fn range_of(chunk: pg_sys::Oid) -> Result<Option<Range>> {
    let text = spi::read_one(BOUND, &[chunk.into()], |r| r.get::<String>(1))?.flatten();
    Ok(text.as_deref().and_then(parse_range))
}

/// All chunks of a partitioned table, oldest first. `fresh` looks at the newest committed state (and
/// assigns a transaction id), which matters right after a lock was waited for.
pub fn chunks(parent: pg_sys::Oid, fresh: bool) -> Result<Vec<Chunk>> {
    let row = |r: spi::Row| {
        let range = parse_range(&r.need::<String>(2)?);
        let (oid, relkind) = (r.need(1)?, one_char(&r.need::<String>(3)?));
        Ok(range.map(|range| Chunk {
            oid,
            range,
            relkind,
        }))
    };
    let args = [parent.into()];
    let rows = if fresh {
        spi::write(CHUNKS, &args, row)?
    } else {
        spi::read(CHUNKS, &args, row)?
    };
    let mut chunks: Vec<Chunk> = rows.into_iter().flatten().collect();
    chunks.sort_unstable_by_key(|c| c.range);
    Ok(chunks)
}

/// When we made the chunk, in microseconds since 2000-01-01; `None` when it has no annotation.
pub fn created_at(chunk: pg_sys::Oid) -> Result<Option<i64>> {
    let at = as_extension_owner(|| {
        spi::read_one(CREATED, &[chunk.into()], |r| {
            r.get::<pgrx::datum::TimestampWithTimeZone>(1)
        })
    })?;
    Ok(at.flatten().map(i64::from))
}

/// All registered relations, also ones that exist no more.
pub fn all_hypertables() -> Result<Vec<pg_sys::Oid>> {
    as_extension_owner(|| spi::read(ALL, &[], |r| r.need(1)))
}

/// True for an ordinary heap table: its rows lie in its own file.
pub fn is_heap(chunk: pg_sys::Oid) -> Result<bool> {
    let heap = spi::read_one(IS_HEAP, &[chunk.into()], |r| r.need(1))?;
    Ok(heap.unwrap_or(false))
}

fn interval_columns(key: KeyType, width: Width) -> (Option<String>, Option<i64>) {
    match width {
        Width::Units(n) if !key.is_time() => (None, Some(n)),
        w => (Some(w.text(key)), None),
    }
}

/// Registers a partitioned table; returns its hypertable id.
pub fn add_hypertable(
    relation: pg_sys::Oid,
    grid: Grid,
    options: Option<Vec<String>>,
) -> Result<i32> {
    crate::pg::demand::changed(relation);
    let (interval, number) = interval_columns(grid.key, grid.width);
    as_extension_owner(|| {
        spi::write_one(
            ADD,
            &[
                relation.into(),
                interval.into(),
                number.into(),
                options.into(),
            ],
            |r| r.need(1),
        )
    })?
    .ok_or_else(|| crate::error::Error::internal("no hypertable id"))
}

pub fn set_interval(relation: pg_sys::Oid, grid: Grid) -> Result<()> {
    crate::pg::demand::changed(relation);
    let (interval, number) = interval_columns(grid.key, grid.width);
    as_extension_owner(|| {
        spi::execute(
            SET_INTERVAL,
            &[relation.into(), interval.into(), number.into()],
        )
    })?;
    Ok(())
}

/// Of a table partitioned by growing ids: the time that a chunk should hold.
pub fn set_rate_interval(relation: pg_sys::Oid, interval: GivenInterval) -> Result<()> {
    crate::pg::demand::changed(relation);
    as_extension_owner(|| {
        spi::execute(
            SET_RATE_INTERVAL,
            &[relation.into(), interval.text().into()],
        )
    })?;
    Ok(())
}

/// Of such a table: how many ids a new chunk holds.
pub fn set_id_width(relation: pg_sys::Oid, ids: i64) -> Result<()> {
    crate::pg::demand::changed(relation);
    as_extension_owner(|| spi::execute(SET_ID_WIDTH, &[relation.into(), ids.into()]))?;
    Ok(())
}

/// Writes the annotation of a new chunk.
pub fn annotate(chunk: pg_sys::Oid, origin: &str) -> Result<()> {
    annotate_all(&[chunk], origin)
}

/// Writes the annotations of new chunks, all at once.
pub fn annotate_all(chunks: &[pg_sys::Oid], origin: &str) -> Result<()> {
    if !chunks.is_empty() {
        let args = [chunks.to_vec().into(), origin.into()];
        as_extension_owner(|| spi::execute(ANNOTATE, &args))?;
    }
    Ok(())
}

/// The ranges of all partitions, also of those that are being detached, lowest first; from the server's own
/// descriptor of the table, which ATTACH reads as well. The table must be locked.
pub fn taken(h: &Hypertable) -> Vec<Range> {
    let ranges = crate::pg::partition::ranges(h.table.oid, h.key_type);
    ranges
        .into_iter()
        .map(|(lo, hi)| (edge(lo), edge(hi)))
        .collect()
}
