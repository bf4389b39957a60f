//! Columns that a hypertable uses besides its key: hash dimensions and chunk skipping.

use super::catalog::{self, Column, Hypertable, Table};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{can_hash, quote_ident};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const ADD_HASH: &str = "
INSERT INTO strata.dimension (hypertable_id, column_name, number_partitions) VALUES ($1, $2::pg_catalog.name, $3) RETURNING id";

const HASH_ID: &str = "
SELECT d.id FROM strata.dimension d
WHERE d.hypertable_id OPERATOR(pg_catalog.=) $1 AND d.column_name OPERATOR(pg_catalog.=) $2::pg_catalog.name";

const SET_PARTITIONS: &str = "
UPDATE strata.dimension SET number_partitions = $3
WHERE hypertable_id OPERATOR(pg_catalog.=) $1 AND column_name OPERATOR(pg_catalog.=) $2::pg_catalog.name";

const ADD_SKIPPING: &str = "
INSERT INTO strata.chunk_skipping (hypertable_id, column_name) VALUES ($1, $2::pg_catalog.name) RETURNING id";

const SKIPPING_ID: &str = "
SELECT s.id FROM strata.chunk_skipping s
WHERE s.hypertable_id OPERATOR(pg_catalog.=) $1 AND s.column_name OPERATOR(pg_catalog.=) $2::pg_catalog.name";

const DROP_SKIPPING: &str =
    "DELETE FROM strata.chunk_skipping s WHERE s.id OPERATOR(pg_catalog.=) $1";

// unique indexes that lack the column: hash partitions could not keep them
const NARROW_KEYS: &str = "
SELECT pg_catalog.quote_ident(x.relname::text)
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.indexrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid AND a.attname OPERATOR(pg_catalog.=) $2::pg_catalog.name
WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisunique
  AND NOT a.attnum OPERATOR(pg_catalog.=) ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts OPERATOR(pg_catalog.-) 1])
ORDER BY 1";

/// The column, or 42703.
pub fn need(table: &Table, name: &str) -> Result<Column> {
    catalog::column(table.oid, name).ok_or_else(|| {
        Error::new(
            Kind::UndefinedColumn,
            format!(
                "column \"{name}\" of table \"{}\" does not exist",
                table.name
            ),
        )
    })
}

/// Fails unless new chunks of the table can be partitioned by hash of the column.
pub fn check_hash(table: &Table, key: &str, column: &str, partitions: i32) -> Result<()> {
    let found = need(table, column)?;
    if !(1..=32767).contains(&partitions) {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("number_partitions must be between 1 and 32767, not {partitions}"),
        ));
    }
    let why = if column == key {
        "is the range dimension already"
    } else if found.generated {
        "is generated, and a generated column cannot be a partition key"
    } else if !can_hash(found.type_oid) {
        "has a type without a hash operator class"
    } else {
        return Ok(());
    };
    Err(Error::new(
        Kind::NotSupported,
        format!(
            "column \"{column}\" of table \"{}\" cannot be a hash dimension: it {why}",
            table.name
        ),
    ))
}

/// Unique indexes of the table that do not contain the column, quoted.
pub fn narrow_keys(table: pg_sys::Oid, column: &str) -> Result<Vec<String>> {
    spi::write(NARROW_KEYS, &[table.into(), column.into()], |r| r.need(1))
}

/// Registers a hash dimension that has been checked; returns its number.
pub fn add_hash(hypertable: i32, column: &str, partitions: i32) -> Result<i32> {
    let args = [hypertable.into(), column.into(), partitions.into()];
    as_extension_owner(|| spi::write_one(ADD_HASH, &args, |r| r.need(1)))?
        .ok_or_else(|| Error::internal("no dimension id"))
}

pub fn hash_id(hypertable: i32, column: &str) -> Result<Option<i32>> {
    as_extension_owner(|| {
        spi::write_one(HASH_ID, &[hypertable.into(), column.into()], |r| r.need(1))
    })
}

/// False when there is no such hash dimension.
pub fn set_partitions(hypertable: i32, column: &str, partitions: i32) -> Result<bool> {
    let args = [hypertable.into(), column.into(), partitions.into()];
    Ok(as_extension_owner(|| spi::execute(SET_PARTITIONS, &args))? > 0)
}

/// Adds a hash dimension to a hypertable: 42P16 where a unique key lacks the column, 0A000 for a second one.
pub fn new_hash(
    h: &Hypertable,
    existing: &[super::settings::HashDimension],
    column: &str,
    partitions: i32,
) -> Result<i32> {
    check_hash(&h.table, &h.key, column, partitions)?;
    if let Some(other) = existing.first() {
        return Err(Error::new(
            Kind::NotSupported,
            format!(
                "hypertable \"{}\" has a hash dimension already: \"{}\"",
                h.table.name, other.column
            ),
        )
        .detail("A hypertable has one range dimension and at most one hash dimension."));
    }
    let narrow = narrow_keys(h.table.oid, column)?;
    if !narrow.is_empty() {
        return Err(Error::new(
            Kind::InvalidTableDefinition,
            format!("unique keys of hypertable \"{}\" do not contain column \"{column}\"", h.table.name),
        )
        .detail(format!("Keys: {}.", narrow.join(", ")))
        .hint(format!(
            "a key over hash partitions must contain the hashed column: ALTER TABLE ... DROP CONSTRAINT ..., ADD PRIMARY KEY (..., {})",
            quote_ident(column)
        )));
    }
    add_hash(h.id, column, partitions)
}

/// Number of the entry, or `None`.
pub fn skipping_id(hypertable: i32, column: &str) -> Result<Option<i32>> {
    as_extension_owner(|| {
        spi::write_one(SKIPPING_ID, &[hypertable.into(), column.into()], |r| {
            r.need(1)
        })
    })
}

/// Enters a column for chunk skipping; 42804 for types whose least and greatest value says nothing.
pub fn add_skipping(h: &Hypertable, column: &str) -> Result<i32> {
    let found = need(&h.table, column)?;
    let ordered = [
        pg_sys::INT2OID,
        pg_sys::INT4OID,
        pg_sys::INT8OID,
        pg_sys::NUMERICOID,
        pg_sys::DATEOID,
        pg_sys::TIMESTAMPOID,
        pg_sys::TIMESTAMPTZOID,
    ];
    if !ordered.contains(&found.type_oid) {
        return Err(Error::new(
            Kind::WrongType,
            format!(
                "chunk skipping is not for column \"{column}\" of type {}",
                found.type_name
            ),
        )
        .detail("The types are smallint, integer, bigint, numeric, date and both timestamps."));
    }
    if column == h.key {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("column \"{column}\" is the key: its range is known for every chunk"),
        ));
    }
    let args = [h.id.into(), column.into()];
    as_extension_owner(|| spi::write_one(ADD_SKIPPING, &args, |r| r.need(1)))?
        .ok_or_else(|| Error::internal("no entry"))
}

pub fn drop_skipping(id: i32) -> Result<()> {
    as_extension_owner(|| spi::execute(DROP_SKIPPING, &[id.into()]))?;
    Ok(())
}
