//! The questions of `reshape`. They run with `search_path = pg_catalog, pg_temp`.

pub const COLUMNS: &str = "
SELECT quote_ident(a.attname) FROM pg_attribute a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum";

/// Storage parameters and tablespace, as clauses of CREATE TABLE.
pub const STORAGE: &str = "
SELECT COALESCE((SELECT ' WITH (' || string_agg(format('%s=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') || ')'
                 FROM (SELECT unnest(c.reloptions) AS o UNION ALL
                       SELECT 'toast.' || unnest(t.reloptions) FROM pg_class t WHERE t.oid = c.reltoastrelid) x), '')
       || COALESCE((SELECT format(' TABLESPACE %I', s.spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace), '')
FROM pg_class c WHERE c.oid = $1";

/// The indexes and unique keys of `$1` as commands that make them on `$2`, and their tablespaces.
pub const INDEXES: &str = "
SELECT CASE WHEN c.oid IS NULL
       THEN format('CREATE %sINDEX ON %s %s', x.uniq, $2, substr(pg_get_indexdef(i.indexrelid), 1 + length(
              format('CREATE %sINDEX %I ON %s ', x.uniq, ic.relname, i.indrelid::regclass))))
       ELSE format('ALTER TABLE %s ADD %s', $2,
              CASE WHEN o.list IS NULL THEN x.def
                   ELSE regexp_replace(x.def, '( DEFERRABLE( INITIALLY DEFERRED)?)?$', replace(format(' WITH (%s)', o.list), '\\', '\\\\') || '\\1') END) END,
       COALESCE(t.spcname::text, '')
FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
LEFT JOIN pg_tablespace t ON t.oid = ic.reltablespace
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u', 'x')
CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS uniq, pg_get_constraintdef(c.oid) AS def) x
CROSS JOIN LATERAL (SELECT string_agg(format('%s=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') AS list
                    FROM unnest(ic.reloptions) o) o
WHERE i.indrelid = $1 ORDER BY i.indisprimary DESC, c.oid IS NULL, i.indexrelid";

/// Whether rows of `$1` are found by an index on the key, `$2`.
pub const HAS_INDEX: &str = "
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = $2::name
  WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL)";

pub const SIZE: &str = "SELECT pg_table_size($1::oid::regclass)";

/// What LIKE and ATTACH would lose.
pub const OWN_OBJECTS: &str = "
SELECT format('Trigger \"%s\".', t.tgname) FROM pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0
UNION ALL SELECT format('Rule \"%s\".', r.rulename) FROM pg_rewrite r WHERE r.ev_class = $1
UNION ALL SELECT format('Policy \"%s\".', p.polname) FROM pg_policy p WHERE p.polrelid = $1
UNION ALL SELECT format('Foreign key \"%s\".', c.conname) FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'f' AND c.conparentid = 0
UNION ALL SELECT format('Foreign key \"%s\" of table %s to it.', c.conname, c.conrelid::regclass)
FROM pg_constraint c WHERE c.confrelid = $1 AND c.contype = 'f' AND c.conparentid = 0
UNION ALL SELECT format('Publication \"%s\".', p.pubname) FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1
UNION ALL SELECT DISTINCT format('View %s of it.', w.ev_class::regclass) FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND w.ev_class <> $1
UNION ALL SELECT 'Grants.' FROM pg_class c WHERE c.oid = $1 AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
ORDER BY 1";

/// From the working name `$2` to the name of the chunk, `$3`: indexes and statistics, then the table. Where the
/// names of columns leave no room for that of the chunk, a number tells the indexes of chunks apart.
pub const RENAME: &str = "
SELECT x.sql FROM (
  SELECT 1 AS n, format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass,
    CASE WHEN octet_length($3 || y.suffix) <= 63 THEN $3 || y.suffix
         ELSE left($3, 51 - octet_length($3) + length($3)) || '_i' || i.indexrelid END) AS sql
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid CROSS JOIN LATERAL (SELECT substr(c.relname, length($2) + 1) AS suffix) y
  WHERE i.indrelid = $1 AND starts_with(c.relname, $2)
  UNION ALL
  SELECT 2, format('ALTER STATISTICS %I.%I RENAME TO %I', n.nspname, s.stxname,
    CASE WHEN octet_length($3 || y.suffix) <= 63 THEN $3 || y.suffix
         ELSE left($3, 51 - octet_length($3) + length($3)) || '_s' || s.oid END)
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace CROSS JOIN LATERAL (SELECT substr(s.stxname, length($2) + 1) AS suffix) y
  WHERE s.stxrelid = $1 AND starts_with(s.stxname, $2)
  UNION ALL
  SELECT 3, format('ALTER TABLE %s RENAME TO %I', $1::regclass, $3)) x ORDER BY x.n, x.sql";

/// Tables that foreign keys link: their triggers go and come with the chunks.
pub const LINKED: &str = "
SELECT DISTINCT x.oid FROM (
  SELECT c.conrelid FROM pg_constraint c WHERE c.confrelid = $1 AND c.contype = 'f'
  UNION SELECT c.confrelid FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'f') x(oid)
WHERE x.oid <> $1 ORDER BY 1";
