//! Chunks that a hypertable finds when it is registered: what an earlier installation left on them is known
//! again, so that it neither stays for ever nor is missing from new chunks.

use super::catalog::Chunk;
use super::create::Subject;
use super::target::tables_of;
use super::zone;
use crate::error::Result;
use crate::pg::catalog::qualified_name;
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::spi;
use pgrx::pg_sys;

const HAS_CHECK: &str = "
SELECT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'c' AND c.conname = $2::name)";

const FROZEN: &str = "UPDATE strata.chunk SET frozen = true WHERE chunk = $1::oid::regclass";

// plain unique keys that each leaf has and the table has not, as on_conflicting_unique => 'leaf' makes them
const LEAF_KEYS: &str = "
WITH leaf AS (SELECT t.relid FROM pg_partition_tree($1::oid::regclass) t WHERE t.isleaf AND t.level > 0),
key AS (
  SELECT i.indrelid, i.indnullsnotdistinct AS nulls,
         ARRAY(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY u(k, o)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.k ORDER BY u.o) AS columns
  FROM leaf l JOIN pg_index i ON i.indrelid = l.relid
  WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
    AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid))
SELECT k.columns, k.nulls FROM key k GROUP BY k.columns, k.nulls
HAVING count(DISTINCT k.indrelid) = (SELECT count(*) FROM leaf) ORDER BY 1, 2";

const ADD_LEAF_KEY: &str = "
INSERT INTO strata.leaf_key (hypertable_id, columns, nulls_not_distinct) VALUES ($1, $2::name[], $3)";

/// Does it; returns the columns of the keys that are unique in each chunk. The caller holds
/// AccessExclusiveLock on the hypertable; chunks with a zone map are locked so, too.
pub fn adopt(s: &Subject, hypertable: i32, chunks: &[Chunk]) -> Result<Vec<Vec<String>>> {
    for c in chunks {
        for leaf in tables_of(c.oid)? {
            mark(s.table.owner, leaf.oid)?;
        }
    }
    let keys = spi::write(LEAF_KEYS, &[s.table.oid.into()], |r| {
        Ok((r.need::<Vec<String>>(1)?, r.need::<bool>(2)?))
    })?;
    for (columns, nulls) in &keys {
        let args = [hypertable.into(), columns.clone().into(), (*nulls).into()];
        as_extension_owner(|| spi::execute(ADD_LEAF_KEY, &args))?;
    }
    Ok(keys.into_iter().map(|(columns, _)| columns).collect())
}

fn has_check(relation: pg_sys::Oid, name: &str) -> Result<bool> {
    let args = [relation.into(), name.into()];
    Ok(spi::write_one(HAS_CHECK, &args, |r| r.need(1))?.unwrap_or(false))
}

/// What the table was as a chunk before: frozen chunks are known as such, closed ones are open. For an owner of
/// the table.
pub fn mark(owner: pg_sys::Oid, table: pg_sys::Oid) -> Result<()> {
    if has_check(table, super::freeze::NAME)? {
        as_extension_owner(|| spi::execute(FROZEN, &[table.into()]))?;
    }
    // nobody knows any more that it is closed: a late row would be refused for ever
    if has_check(table, zone::CHECK)? {
        let sql = format!(
            "ALTER TABLE {} DROP CONSTRAINT {}",
            qualified_name(table)?,
            zone::CHECK
        );
        let _owner = UserScope::restricted(owner);
        spi::execute(&sql, &[])?;
    }
    Ok(())
}
