//! Unique keys of files: which columns, and what counts as equal there.

use super::LiveFile;
use crate::cold::manifest::Manifest;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

/// The key columns of the index `i`: name, family, collation, in the order of the index.
macro_rules! key_columns {
    () => {
        "SELECT a.attname, format('%s.%s', pn.nspname, p.opfname) AS family, \
         CASE WHEN c.collisdeterministic IS FALSE THEN format('%s.%s', cn.nspname, c.collname) ELSE '' END AS coll, u.n \
         FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1], (i.indclass::oid[])[0:i.indnkeyatts - 1], \
             (i.indcollation::oid[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS u(attnum, class, coll, n) \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum \
         JOIN pg_opclass o ON o.oid = u.class JOIN pg_opfamily p ON p.oid = o.opcfamily \
         JOIN pg_namespace pn ON pn.oid = p.opfnamespace \
         LEFT JOIN pg_collation c ON c.oid = u.coll LEFT JOIN pg_namespace cn ON cn.oid = c.collnamespace"
    };
}

const ADD: &str = concat!(
    "INSERT INTO strata.cold_key (file, index_name, columns, families, collations, nulls_equal) \
     SELECT $1::uuid, x.relname, k.columns, k.families, k.collations, i.indnullsnotdistinct \
     FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid CROSS JOIN LATERAL (SELECT array_agg(w.attname ORDER BY w.n) AS columns, \
     array_agg(w.family ORDER BY w.n) AS families, array_agg(w.coll ORDER BY w.n) AS collations FROM (",
    key_columns!(),
    ") w) k WHERE i.indrelid = $2 AND i.indisunique AND x.relname = ANY ($3::text[]::name[])"
);

// a deterministic collation takes no two texts for equal that another one tells apart
const COVERS: &str = concat!(
    "WITH wanted AS (SELECT w.*, i.indnullsnotdistinct AS nulls_equal FROM pg_index i CROSS JOIN LATERAL (",
    key_columns!(),
    ") w WHERE i.indexrelid = $2) \
     SELECT EXISTS (SELECT FROM strata.cold_key k WHERE k.file = $1::uuid \
         AND cardinality(k.columns) = (SELECT count(*) FROM wanted) \
         AND NOT EXISTS (SELECT FROM unnest(k.columns) AS u(name) WHERE u.name NOT IN (SELECT attname FROM wanted)) \
         AND NOT EXISTS (SELECT FROM wanted w WHERE NOT EXISTS ( \
             SELECT FROM unnest(k.columns, k.families, k.collations) AS u(name, family, coll) \
             WHERE u.name = w.attname AND u.family = w.family AND (w.coll = '' OR w.coll = u.coll))) \
         AND (k.nulls_equal OR NOT EXISTS (SELECT FROM wanted w JOIN strata.cold_column c ON c.file = k.file \
             AND c.attname = w.attname WHERE w.nulls_equal AND c.nulls IS DISTINCT FROM 0)))"
);

/// Records the keys of a file that becomes live. The chunk is locked exclusively, with the indexes that the file
/// carries.
pub(super) fn add(manifest: &Manifest, live: &LiveFile<'_>) -> Result<()> {
    let unique = live.indexes.iter().filter(|i| i.unique);
    let names: Vec<String> = unique.map(|i| i.name.clone()).collect();
    let args = [
        manifest.file.as_str().into(),
        live.chunk.into(),
        names.into(),
    ];
    spi::execute(ADD, &args).map(|_| ())
}

/// True when no two rows of a file can have the same key in this unique index of its chunk: the file has a key over
/// the same columns that takes for equal whatever the index does.
pub fn covers(file: &str, index: pg_sys::Oid) -> Result<bool> {
    let found = as_extension_owner(|| {
        spi::read_latest(COVERS, &[file.into(), index.into()], |row| row.need(1))
    })?;
    Ok(found.first() == Some(&true))
}
