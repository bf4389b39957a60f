//! What `create_hypertable` adds to a table besides its key: CHECKs of core functions only, and the names
//! of columns with a meaning.

use super::bounds::{KeyType, Range};
use super::columns;
use super::create::{Request, Subject, one};
use super::dimension::{DimensionKind, GivenInterval};
use super::make::Maker;
use super::target::tables_of;
use super::unique::Conflicts;
use super::{catalog, chunks};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{qualified_name, quote_ident};
use crate::pg::owner::as_extension_owner;
use crate::pg::reader::as_reader;
use crate::pg::spi;
use pgrx::pg_sys;

/// Keeps ids out that tell no time. Core functions only: the table outlives the extension.
pub const V7_CHECK: &str = "strata_uuid_v7";
/// Rows end at or after their beginning.
pub const ORDER_CHECK: &str = "strata_end_after_start";

const HAS_CONSTRAINT: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint c
               WHERE c.conrelid OPERATOR(pg_catalog.=) $1 AND c.conname OPERATOR(pg_catalog.=) $2::pg_catalog.name)";

const HAS_KEY: &str = "
SELECT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnullsnotdistinct = $3 AND $2 = ARRAY(
    SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY u(k, o)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.k ORDER BY u.o))";

const SET_COLUMNS: &str = "
UPDATE strata.hypertable SET time_column = $2::pg_catalog.name, end_column = $3::pg_catalog.name,
  logical_key = $4::pg_catalog.name, chunk_interval = COALESCE($5::pg_catalog.interval, chunk_interval)
WHERE id OPERATOR(pg_catalog.=) $1";

fn wrong_type(message: String) -> Error {
    Error::new(Kind::WrongType, message)
}

/// Fails unless the columns named in the request exist and can play their part.
pub fn check(request: &Request, s: &Subject) -> Result<()> {
    let d = &request.dimension;
    if d.kind == DimensionKind::Hash {
        return Err(Error::new(
            Kind::InvalidParameter,
            "the first dimension of a hypertable is by range or by id, not by hash",
        )
        .hint("strata.add_dimension('table', strata.by_hash('column', 4)) adds a hash dimension"));
    }
    if d.kind == DimensionKind::Id
        && !matches!(
            s.grid.key,
            KeyType::Uuid | KeyType::Int2 | KeyType::Int4 | KeyType::Int8
        )
    {
        return Err(wrong_type(format!(
            "column \"{}\" of type {} is no id: by_id is for smallint, integer, bigint and uuid",
            s.key, s.column.type_name
        ))
        .hint(format!("strata.by_range('{}')", s.key)));
    }
    if let Some(name) = &d.time_column {
        let column = columns::need(&s.table, name)?;
        let time =
            catalog::key_type(column.type_oid).is_some_and(|t| t.is_time() && t != KeyType::Uuid);
        if !time {
            return Err(wrong_type(format!(
                "time_column \"{name}\" has type {}; it must be a date or a timestamp",
                column.type_name
            )));
        }
    }
    if let Some(name) = &request.end_column {
        let column = columns::need(&s.table, name)?;
        if *name == s.key || s.grid.key == KeyType::Uuid || column.type_oid != s.column.type_oid {
            return Err(wrong_type(format!(
                "end_column \"{name}\" of type {} does not go with key \"{}\" of type {}",
                column.type_name, s.key, s.column.type_name
            ))
            .detail(
                "It must be another column of the same type, and the key must not be a uuid.",
            ));
        }
    }
    if let Some(name) = &request.logical_key {
        columns::need(&s.table, name)?;
    }
    if let Some((column, partitions)) = &request.hash {
        columns::check_hash(&s.table, &s.key, column, *partitions)?;
    }
    Ok(())
}

/// The columns that each unique key must contain.
pub fn key_columns(request: &Request, s: &Subject) -> Vec<String> {
    let hash = request.hash.iter().map(|(column, _)| column.clone());
    std::iter::once(s.key.clone()).chain(hash).collect()
}

fn v7(key: &str) -> String {
    format!("(get_byte(uuid_send({key}), 6) >> 4) = 7")
}

/// Fails with the number of rows that break a rule which the hypertable will have.
pub fn check_rows(request: &Request, s: &Subject) -> Result<()> {
    let key = quote_ident(&s.key);
    let count = |condition: String| {
        as_reader(s.table.oid, || {
            one::<i64>(&format!(
                "SELECT count(*) FROM {} WHERE {condition}",
                s.target
            ))
        })
    };
    let violation = |message| Err(Error::new(Kind::CheckViolation, message));
    if s.grid.key == KeyType::Uuid {
        let n = count(format!("NOT ({})", v7(&key)))?;
        if n > 0 {
            return violation(format!(
                "uuids of table \"{}\" in column \"{}\" that are not of version 7: {n}",
                s.table.name, s.key
            ))
            .map_err(|e: Error| {
                e.detail("Only version 7 begins with a time, by which chunks are cut.")
                    .hint("make new ids with strata.generate_uuidv7()")
            });
        }
    }
    if let Some(end) = &request.end_column {
        let n = count(format!("{} < {key}", quote_ident(end)))?;
        if n > 0 {
            return violation(format!(
                "rows of table \"{}\" with \"{end}\" before \"{}\": {n}",
                s.table.name, s.key
            ));
        }
    }
    Ok(())
}

/// Names and conditions of the rules of a hypertable.
pub fn rules(key: &str, uuid: bool, end_column: Option<&str>) -> Vec<(&'static str, String)> {
    let key = quote_ident(key);
    let mut out = Vec::new();
    if uuid {
        out.push((V7_CHECK, v7(&key)));
    }
    if let Some(end) = end_column {
        out.push((ORDER_CHECK, format!("{} >= {key}", quote_ident(end))));
    }
    out
}

/// The rules that the hypertable gets, as table constraints; not those that it has.
pub fn checks(request: &Request, s: &Subject) -> Result<Vec<String>> {
    let uuid = s.grid.key == KeyType::Uuid;
    let mut missing = Vec::new();
    for (name, condition) in rules(&s.key, uuid, request.end_column.as_deref()) {
        let args = [s.table.oid.into(), name.into()];
        if spi::write_one(HAS_CONSTRAINT, &args, |r| r.need::<bool>(1))? != Some(true) {
            missing.push(format!("CONSTRAINT {name} CHECK ({condition})"));
        }
    }
    Ok(missing)
}

/// Registers the table with everything that was asked for; returns its number.
pub fn enroll(
    request: &Request,
    s: &Subject,
    relation: pg_sys::Oid,
    options: &[String],
    conflicts: Option<&Conflicts>,
) -> Result<i32> {
    let options = Some(options.to_vec()).filter(|o| !o.is_empty());
    let id = catalog::add_hypertable(relation, s.grid, options)?;
    let d = &request.dimension;
    let rate = d.rate_interval(s.grid.key).and_then(GivenInterval::text);
    let args = [
        id.into(),
        d.time_column.clone().into(),
        request.end_column.clone().into(),
        request.logical_key.clone().into(),
        rate.into(),
    ];
    as_extension_owner(|| spi::execute(SET_COLUMNS, &args))?;
    if let Some((column, partitions)) = &request.hash {
        columns::add_hash(id, column, *partitions)?;
    }
    conflicts.map_or(Ok(()), |c| c.enroll(id))?;
    super::policy::enroll(relation, s.table.owner)?;
    as_extension_owner(|| chunks::admit(&s.table))?;
    Ok(id)
}

/// Gives a chunk that was not made by us what new ones are made with.
pub fn complete(maker: &Maker, chunk: pg_sys::Oid, range: Range) -> Result<()> {
    let name = qualified_name(chunk)?;
    let has_check = [chunk.into(), super::make::END_CHECK.into()];
    for check in maker.checks(range) {
        if spi::write_one(HAS_CONSTRAINT, &has_check, |r| r.need::<bool>(1))? != Some(true) {
            as_extension_owner(|| spi::execute(&format!("ALTER TABLE {name} ADD {check}"), &[]))?;
        }
    }
    let keys = &maker.settings().leaf_keys;
    for leaf in tables_of(chunk)?.iter().filter(|l| l.relkind == 'r') {
        for (key, sql) in keys.iter().zip(maker.leaf_keys(&leaf.qualified())) {
            let args = [
                leaf.oid.into(),
                key.columns.clone().into(),
                key.nulls_not_distinct.into(),
            ];
            if spi::write_one(HAS_KEY, &args, |r| r.need::<bool>(1))? != Some(true) {
                as_extension_owner(|| spi::execute(&sql, &[]))?;
            }
        }
    }
    Ok(())
}
