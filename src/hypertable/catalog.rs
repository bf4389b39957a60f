//! SPI statements about hypertables and their chunks.

use super::bounds::{Edge, Grid, KeyType, Range, Width};
use super::dimension::GivenInterval;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::partition::{BoundEnd, range_bound};
use crate::pg::spi;
use pgrx::pg_sys;

const TABLE: &str = "
SELECT c.relname::text, n.nspname::text, c.relkind::text, c.relpersistence::text, c.relispartition, c.relowner,
       pg_catalog.pg_get_userbyid(c.relowner)::text,
       c.relnamespace::oid OPERATOR(pg_catalog.=) ANY ('{pg_catalog,information_schema}'::pg_catalog.regnamespace[]::pg_catalog.oid[])
         OR c.oid OPERATOR(pg_catalog.<) 16384::pg_catalog.oid,
       EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
               AND d.objid OPERATOR(pg_catalog.=) c.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'),
       c.reltuples
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE c.oid OPERATOR(pg_catalog.=) $1";

const PARTITIONING: &str = "
SELECT p.partstrat::text, p.partnatts::int4, COALESCE(a.attname::text, ''), p.partdefid
FROM pg_catalog.pg_partitioned_table p
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) p.partrelid
  AND a.attnum OPERATOR(pg_catalog.=) p.partattrs[0] AND a.attnum OPERATOR(pg_catalog.>) 0
WHERE p.partrelid OPERATOR(pg_catalog.=) $1";

const COLUMN: &str = "
SELECT a.atttypid, a.attnotnull, a.attgenerated::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a
WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name
  AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped";

const HYPERTABLE: &str = "
SELECT h.id, h.premake, h.integer_interval,
       (extract(year FROM h.chunk_interval) OPERATOR(pg_catalog.*) 12 OPERATOR(pg_catalog.+) extract(month FROM h.chunk_interval))::int4,
       extract(day FROM h.chunk_interval)::int4,
       (extract(epoch FROM h.chunk_interval OPERATOR(pg_catalog.-) pg_catalog.date_trunc('day', h.chunk_interval))
         OPERATOR(pg_catalog.*) 1000000)::int8,
       COALESCE(h.chunk_options, '{}'),
       ((extract(epoch FROM h.chunk_origin) OPERATOR(pg_catalog.-) 946684800) OPERATOR(pg_catalog.*) 1000000)::int8
FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1";

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
INSERT INTO strata.chunk (chunk, origin) VALUES ($1::oid::regclass, $2)
ON CONFLICT (chunk) DO UPDATE SET origin = EXCLUDED.origin, created_at = pg_catalog.now()";

/// What pg_class says about a table that may become a hypertable.
#[derive(Debug, Clone)]
pub struct Table {
    pub oid: pg_sys::Oid,
    pub name: String,
    pub schema: String,
    pub relkind: char,
    pub persistence: char,
    pub is_partition: bool,
    pub owner: pg_sys::Oid,
    pub owner_name: String,
    pub is_system: bool,
    pub is_member: bool,
}

/// How a partitioned table is partitioned.
#[derive(Debug, Clone)]
pub struct Partitioning {
    pub strategy: char,
    pub columns: i32,
    /// empty for an expression
    pub column: String,
    pub default: pg_sys::Oid,
}

/// A column that may become the key.
#[derive(Debug, Clone)]
pub struct Column {
    pub type_oid: pg_sys::Oid,
    pub not_null: bool,
    pub generated: bool,
    pub type_name: String,
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
pub fn table(oid: pg_sys::Oid) -> Result<Option<Table>> {
    spi::read_one(TABLE, &[oid.into()], |r| {
        Ok(Table {
            oid,
            name: r.need(1)?,
            schema: r.need(2)?,
            relkind: one_char(&r.need::<String>(3)?),
            persistence: one_char(&r.need::<String>(4)?),
            is_partition: r.need(5)?,
            owner: r.need(6)?,
            owner_name: r.need(7)?,
            is_system: r.need(8)?,
            is_member: r.need(9)?,
        })
    })
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

pub fn column(oid: pg_sys::Oid, name: &str) -> Result<Option<Column>> {
    spi::read_one(COLUMN, &[oid.into(), name.into()], |r| {
        Ok(Column {
            type_oid: r.need(1)?,
            not_null: r.need(2)?,
            generated: !r.need::<String>(3)?.is_empty(),
            type_name: r.need(4)?,
        })
    })
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
/// partitioned by range of one column.
pub fn hypertable(oid: pg_sys::Oid) -> Result<Option<Hypertable>> {
    struct Row(
        i32,
        i32,
        Option<i64>,
        Option<i32>,
        Option<i32>,
        Option<i64>,
        Vec<String>,
        Option<i64>,
    );
    let row = as_extension_owner(|| {
        spi::read_one(HYPERTABLE, &[oid.into()], |r| {
            Ok(Row(
                r.need(1)?,
                r.need(2)?,
                r.get(3)?,
                r.get(4)?,
                r.get(5)?,
                r.get(6)?,
                r.need(7)?,
                r.get(8)?,
            ))
        })
    })?;
    let (Some(row), Some(table), Some(part)) = (row, table(oid)?, partitioning(oid)?) else {
        return Ok(None);
    };
    let Some(column) = column(oid, &part.column)? else {
        return Ok(None);
    };
    let Some(key) = key_type(column.type_oid) else {
        return Ok(None);
    };
    let width = match (row.2, row.3, row.4, row.5) {
        (Some(n), ..) => Width::from_integer(key, n)?,
        (_, Some(months), Some(days), Some(us)) => Width::from_interval(key, months, days, us)?,
        _ => Width::default_for(key),
    };
    Ok(Some(Hypertable {
        id: row.0,
        table,
        key: part.column,
        key_type: column.type_oid,
        grid: grid(key, width, row.7)?,
        premake: row.1,
        chunk_options: row.6,
        origin_us: row.7,
    }))
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
    as_extension_owner(|| spi::execute(ANNOTATE, &[chunk.into(), origin.into()]))?;
    Ok(())
}
