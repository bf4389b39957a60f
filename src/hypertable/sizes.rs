//! Estimated rows, and bytes of one index over all chunks. The other sizes are SQL functions.

use crate::error::{Error, Kind, Result};
use crate::pg::catalog::relation_name;
use crate::pg::owner::as_extension_owner;
use crate::pg::{cold_stub, relation_rows, spi};
use pgrx::pg_sys;

const INDEX: &str = "
SELECT c.relkind::text, x.indrelid, EXISTS (SELECT FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) x.indrelid)
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index x ON x.indexrelid OPERATOR(pg_catalog.=) c.oid
WHERE c.oid OPERATOR(pg_catalog.=) $1";

// an index has no map of free space worth counting twice: all forks
const INDEX_SIZE: &str = "
WITH RECURSIVE tree (rel) AS (
  SELECT $1::oid
  UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent OPERATOR(pg_catalog.=) t.rel)
SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::int8
FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.rel WHERE c.relkind OPERATOR(pg_catalog.=) 'i'";

const LEAVES: &str = "
WITH RECURSIVE tree (rel) AS (
  SELECT $1::oid
  UNION ALL SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent OPERATOR(pg_catalog.=) t.rel)
SELECT c.oid, c.relkind::text, GREATEST(c.reltuples, 0)::float8,
       (SELECT f.rows FROM strata.cold_file f WHERE f.chunk OPERATOR(pg_catalog.=) c.oid AND f.state OPERATOR(pg_catalog.=) 'live')
FROM tree t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.rel";

/// Bytes of an index of a hypertable, over all its chunks.
pub fn of_index(index: pg_sys::Oid) -> Result<i64> {
    let found = as_extension_owner(|| {
        spi::read_one(INDEX, &[index.into()], |r| {
            Ok((r.need::<String>(1)?, r.need::<bool>(3)?))
        })
    })?;
    match found {
        Some((kind, true)) if kind == "I" => {}
        Some((kind, _)) if kind == "i" || kind == "I" => {
            return Err(Error::new(
                Kind::UndefinedObject,
                format!(
                    "\"{}\" is not an index of a hypertable",
                    relation_name(index)?
                ),
            ));
        }
        _ => {
            return Err(Error::new(
                Kind::WrongObjectType,
                format!("\"{}\" is not an index", relation_name(index)?),
            ));
        }
    }
    let bytes = spi::read_one(INDEX_SIZE, &[index.into()], |r| r.need(1))?;
    Ok(bytes.unwrap_or(0))
}

/// Rows of a table, partitioned or not, as the planner would guess; those of cold chunks exactly.
pub fn rows(relation: pg_sys::Oid) -> Result<i64> {
    let leaves = as_extension_owner(|| {
        spi::read(LEAVES, &[relation.into()], |r| {
            Ok((
                r.need::<pg_sys::Oid>(1)?,
                r.need::<String>(2)?,
                r.need::<f64>(3)?,
                r.get::<i64>(4)?,
            ))
        })
    })?;
    let mut total = 0.0;
    for (n, (oid, kind, tuples, cold)) in leaves.into_iter().enumerate() {
        total += match (kind.as_str(), cold) {
            (_, Some(rows)) => (rows + cold_stub::count_in_passing(oid).unwrap_or(0)) as f64,
            ("p", _) => 0.0,
            ("r" | "m", _) => relation_rows::estimate(oid).unwrap_or(tuples),
            ("f" | "t", _) => tuples,
            _ if n == 0 => {
                return Err(Error::new(
                    Kind::WrongObjectType,
                    format!("\"{}\" is not a table", relation_name(relation)?),
                ));
            }
            _ => 0.0,
        };
    }
    Ok(total.round() as i64)
}
