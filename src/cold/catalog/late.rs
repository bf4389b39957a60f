//! What unique keys of a hypertable mean for late rows.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{cold_datum, spi};
use pgrx::pg_sys;

const KEYS: &str = "SELECT c.relname::text, k.n, a.atttypid, \
    i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR i.indisexclusion, coalesce(l.collisdeterministic, true) \
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
    CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:i.indnkeyatts - 1], (i.indcollation::oid[])[0:i.indnkeyatts - 1]) \
    WITH ORDINALITY AS k (attnum, collation, n) \
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum \
    LEFT JOIN pg_collation l ON l.oid = k.collation \
    WHERE i.indrelid = $1 AND (i.indisunique OR i.indisexclusion) ORDER BY c.relname, k.n";

/// Names of the unique and exclusion indexes of a table that a file cannot be asked about.
pub fn unprobeable(table: pg_sys::Oid) -> Result<Vec<String>> {
    as_extension_owner(|| {
        let columns = spi::read_latest(KEYS, &[table.into()], |row| {
            let special: bool = row.need(4)?;
            let deterministic: bool = row.need(5)?;
            let type_oid: Option<pg_sys::Oid> = row.get(3)?;
            let exact = type_oid.is_some_and(|t| cold_datum::encoding_of(t).eq_exact());
            Ok((row.need::<String>(1)?, special || !deterministic || !exact))
        })?;
        let mut names: Vec<String> = columns.into_iter().filter(|c| c.1).map(|c| c.0).collect();
        names.dedup();
        Ok(names)
    })
}
