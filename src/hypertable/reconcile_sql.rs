//! The questions of `reconcile`: each row of an answer is one thing that is not as it should be, as the
//! action, what it is about, and the statements that mend it.
//!
//! They run with `search_path = pg_catalog, pg_temp`. `$1` is the hypertable, `$2` the name of its key.

pub const PENDING_DETACH: &str = "
SELECT 'finish detach', i.inhrelid::regclass::text,
       format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', i.inhparent::regclass, i.inhrelid::regclass)
FROM pg_inherits i WHERE i.inhparent = $1 AND i.inhdetachpending AND $2 <> ''";

pub const NOT_NULL: &str = "
SELECT 'set not null', format('%s.%I', a.attrelid::regclass, a.attname),
       format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', a.attrelid::regclass, a.attname)
FROM pg_attribute p JOIN (SELECT $1 AS rel UNION ALL SELECT t.relid FROM pg_partition_tree($1::regclass) t WHERE t.level = 1) t ON true
JOIN pg_attribute a ON a.attrelid = t.rel AND a.attname = $2 AND NOT a.attisdropped AND NOT a.attnotnull
WHERE p.attrelid = $1 AND p.attname = $2 AND (p.attnotnull OR a.attrelid = $1) ORDER BY 2";

// chunks that we made; those of the user lie where the user put them
pub const MOVED: &str = "
SELECT 'move to strata_chunks', c.oid::regclass::text,
       CASE WHEN taken.oid IS NOT NULL THEN format('ALTER TABLE %s RENAME TO %I;', c.oid::regclass, left(c.relname, 50) || '_' || c.oid) ELSE '' END
       || format('ALTER TABLE %I.%I SET SCHEMA strata_chunks', n.nspname,
                 CASE WHEN taken.oid IS NOT NULL THEN left(c.relname, 50) || '_' || c.oid ELSE c.relname END)
FROM pg_inherits i JOIN strata.chunk k ON k.chunk = i.inhrelid AND k.origin <> 'attach'
CROSS JOIN LATERAL pg_partition_tree(i.inhrelid) t
JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'strata_chunks'
LEFT JOIN pg_class taken ON taken.relname = c.relname AND taken.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'strata_chunks')
WHERE i.inhparent = $1 AND $2 <> '' ORDER BY 2";

pub const OWNERS: &str = "
SELECT 'change owner', c.oid::regclass::text, format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, pg_get_userbyid(p.relowner))
FROM pg_class p, pg_partition_tree($1::regclass) t JOIN pg_class c ON c.oid = t.relid
WHERE p.oid = $1 AND c.relowner <> p.relowner AND $2 <> '' ORDER BY 2";

// without it the owner makes no index of the hypertable: its parts lie there
pub const SCHEMA_RIGHT: &str = "
SELECT 'let owner make indexes', pg_get_userbyid(p.relowner)::text, format('GRANT CREATE ON SCHEMA %I TO %I', n.nspname, pg_get_userbyid(p.relowner))
FROM pg_class p, pg_namespace n
WHERE p.oid = $1 AND n.nspname = 'strata_chunks' AND NOT has_schema_privilege(p.relowner, n.oid, 'CREATE') AND $2 <> ''";

pub const ROW_SECURITY: &str = "
SELECT CASE WHEN p.relrowsecurity THEN 'enable row security' ELSE 'disable row security' END, c.oid::regclass::text,
       format('ALTER TABLE %s %s ROW LEVEL SECURITY', c.oid::regclass, CASE WHEN p.relrowsecurity THEN 'ENABLE' ELSE 'DISABLE' END)
FROM pg_class p, pg_partition_tree($1::regclass) t JOIN pg_class c ON c.oid = t.relid
WHERE p.oid = $1 AND c.relrowsecurity <> p.relrowsecurity AND $2 <> '' ORDER BY 2";

pub const INVALID_INDEXES: &str = "
SELECT 'rebuild index', x.indexrelid::regclass::text, format('REINDEX INDEX %s', x.indexrelid::regclass)
FROM pg_partition_tree($1::regclass) t JOIN pg_index x ON x.indrelid = t.relid JOIN pg_class c ON c.oid = x.indexrelid AND c.relkind = 'i'
WHERE NOT x.indisvalid AND $2 <> '' ORDER BY 2";

// an index of the hypertable without its part on a chunk: one that is equal is adopted, else one is made
pub const MISSING_INDEXES: &str = "
SELECT CASE WHEN same.name IS NULL THEN 'create index' ELSE 'attach index' END,
       format('%s on %s', x.indexrelid::regclass, chunk.oid::regclass),
       CASE WHEN same.name IS NOT NULL THEN ''
            WHEN con.oid IS NOT NULL THEN format('ALTER TABLE %s ADD CONSTRAINT %I %s;', chunk.oid::regclass, made.name, pg_get_constraintdef(con.oid))
            ELSE format('CREATE %sINDEX %I ON %s %s;', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, made.name, chunk.oid::regclass, def.tail) END
       || format('ALTER INDEX %s ATTACH PARTITION %s', x.indexrelid::regclass,
                 COALESCE(same.name, format('%I.%I', n.nspname, made.name)))
FROM pg_index x JOIN pg_class ic ON ic.oid = x.indexrelid
LEFT JOIN pg_constraint con ON con.conindid = x.indexrelid AND con.conrelid = x.indrelid AND con.contype IN ('p', 'u', 'x')
-- counted, not searched for: the name of an index can hold anything
CROSS JOIN LATERAL (SELECT substr(pg_get_indexdef(x.indexrelid), 1 + length(
  format('CREATE %sINDEX %I ON ONLY %s ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, ic.relname, x.indrelid::regclass))) AS tail) def
JOIN pg_inherits i ON i.inhparent = x.indrelid AND NOT i.inhdetachpending
JOIN pg_class chunk ON chunk.oid = i.inhrelid JOIN pg_namespace n ON n.oid = chunk.relnamespace
CROSS JOIN LATERAL (SELECT left(chunk.relname, 45) || '_i' || x.indexrelid AS name) made
LEFT JOIN LATERAL (
  SELECT o.indexrelid::regclass::text AS name FROM pg_index o
  LEFT JOIN pg_constraint oc ON oc.conindid = o.indexrelid AND oc.conrelid = o.indrelid AND oc.contype IN ('p', 'u', 'x')
  WHERE o.indrelid = chunk.oid AND o.indisvalid AND o.indisunique = x.indisunique AND o.indisprimary = x.indisprimary
    AND (oc.oid IS NULL) = (con.oid IS NULL) AND chunk.relkind = 'r'
    AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = o.indexrelid)
    AND right(pg_get_indexdef(o.indexrelid), length(def.tail) + 1) = ' ' || def.tail
  ORDER BY o.indexrelid LIMIT 1) same ON true
WHERE x.indrelid = $1 AND $2 <> ''
  AND NOT EXISTS (SELECT FROM pg_inherits h JOIN pg_index o ON o.indexrelid = h.inhrelid
                  WHERE h.inhparent = x.indexrelid AND o.indrelid = chunk.oid)
ORDER BY x.indexrelid, chunk.oid::regclass::text";

pub const FROZEN: &str = "
SELECT 'freeze', k.chunk::text, ''
FROM strata.chunk k JOIN pg_inherits i ON i.inhrelid = k.chunk
WHERE i.inhparent = $1 AND k.frozen AND $2 <> ''
  AND ((SELECT count(*) FROM pg_constraint c WHERE c.conrelid = k.chunk AND c.conname = 'strata_frozen')
       + (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = k.chunk AND t.tgname IN ('strata_frozen', 'strata_frozen_truncate'))) < 3
ORDER BY 2";

pub const LOST_COLUMNS: &str = "
SELECT 'forget column', format('%s %s', x.what, x.col),
       format('UPDATE strata.hypertable SET %I = NULL WHERE relation = %s::oid::regclass', x.what, $1::int8)
FROM strata.hypertable h, LATERAL (VALUES ('time_column', h.time_column), ('end_column', h.end_column), ('logical_key', h.logical_key)) x(what, col)
WHERE h.relation = $1 AND x.col IS NOT NULL AND $2 <> ''
  AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = $1 AND a.attname = x.col AND NOT a.attisdropped)
UNION ALL
SELECT 'forget dimension', d.column_name::text, format('DELETE FROM strata.dimension WHERE id = %s', d.id)
FROM strata.dimension d JOIN strata.hypertable h ON h.id = d.hypertable_id
WHERE h.relation = $1 AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = $1 AND a.attname = d.column_name AND NOT a.attisdropped)
UNION ALL
SELECT 'forget tablespace', s.name::text,
       format('UPDATE strata.hypertable SET tablespaces = array_remove(tablespaces, %L::name) WHERE id = %s', s.name, h.id)
FROM strata.hypertable h, unnest(h.tablespaces) s(name)
WHERE h.relation = $1 AND NOT EXISTS (SELECT FROM pg_tablespace t WHERE t.spcname = s.name)
ORDER BY 1, 2";

pub const LOST_CHUNKS: &str = "
SELECT 'forget chunk', k.chunk::text, format('DELETE FROM strata.chunk WHERE chunk = %s::oid::regclass', k.chunk::oid::int8)
FROM strata.chunk k
WHERE NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = k.chunk AND c.relispartition)
ORDER BY 2";

pub const LOST_HYPERTABLES: &str = "
SELECT 'forget hypertable', h.relation::text, format('DELETE FROM strata.hypertable WHERE id = %s', h.id)
FROM strata.hypertable h WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = h.relation) ORDER BY 2";
