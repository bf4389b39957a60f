//! Questions behind [`super::inverse_catalog`]. They run with `search_path = pg_catalog, pg_temp`, so that what they
//! print has its schema.

/// Options of a sequence, of `s`, a row of pg_sequence.
macro_rules! sequence_options {
    () => {
        "concat_ws(' ', 'START WITH', s.seqstart, 'INCREMENT BY', s.seqincrement, 'MINVALUE', s.seqmin, 'MAXVALUE', \
           s.seqmax, 'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)"
    };
}

/// `GENERATED .. AS IDENTITY (..)` of `a`, a row of pg_attribute.
macro_rules! identity {
    () => {
        concat!(
            "CASE WHEN a.attidentity <> '' THEN (SELECT format('GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)', \
               CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, s.seqrelid::regclass, ",
            sequence_options!(),
            ") FROM pg_depend x JOIN pg_sequence s ON s.seqrelid = x.objid WHERE x.classid = 'pg_class'::regclass \
               AND x.refclassid = 'pg_class'::regclass AND x.refobjid = a.attrelid AND x.refobjsubid = a.attnum \
               AND x.deptype = 'i') END"
        )
    };
}

/// Whether the default `d` of a column takes its values from a sequence of its own, as serial makes it.
macro_rules! is_serial {
    () => {
        "EXISTS (SELECT FROM pg_depend x JOIN pg_depend o ON o.classid = 'pg_class'::regclass AND o.objid = x.refobjid \
           AND o.refclassid = 'pg_class'::regclass AND o.refobjid = d.adrelid AND o.deptype = 'a' \
           WHERE x.classid = 'pg_attrdef'::regclass AND x.objid = d.oid AND x.refclassid = 'pg_class'::regclass)"
    };
}

/// A column as CREATE TABLE has it, of `a` with its default `d` and type `t`.
macro_rules! column {
    () => {
        concat!(
            "concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), \
               CASE a.attcompression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END, \
               CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END, \
               CASE WHEN a.attgenerated = 's' THEN format('GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid)) \
                 WHEN a.attgenerated = 'v' THEN format('GENERATED ALWAYS AS (%s) VIRTUAL', pg_get_expr(d.adbin, d.adrelid)) \
                 WHEN a.attidentity <> '' THEN ",
            identity!(),
            " WHEN d.oid IS NOT NULL AND NOT ",
            is_serial!(),
            " THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END, CASE WHEN a.attnotnull THEN 'NOT NULL' END)"
        )
    };
}

/// Columns with their defaults and types.
macro_rules! columns {
    () => {
        "pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    };
}

/// What makes column $2 of table $1 an identity.
pub const IDENTITY: &str = concat!(
    "SELECT ",
    identity!(),
    " FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2"
);

/// A table $1.
pub const TABLE: &str = concat!(
    "SELECT concat_ws(' ', 'CREATE', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END, 'TABLE', c.oid::regclass, \
       '(' || coalesce((SELECT string_agg(",
    column!(),
    ", ', ' ORDER BY a.attnum) FROM ",
    columns!(),
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')', \
       CASE c.relkind WHEN 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END, \
       CASE WHEN am.amname <> 'heap' THEN 'USING ' || quote_ident(am.amname) END, \
       'WITH (' || array_to_string(c.reloptions, ', ') || ')', 'TABLESPACE ' || quote_ident(ts.spcname)) \
     FROM pg_class c LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace \
     WHERE c.oid = $1 AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.reloftype = 0"
);

/// A column $2 of table $1.
pub const COLUMN: &str = concat!(
    "SELECT format('ALTER TABLE %s ADD COLUMN %s', a.attrelid::regclass, ",
    column!(),
    ") FROM ",
    columns!(),
    " JOIN pg_class c ON c.oid = a.attrelid WHERE a.attrelid = $1 AND a.attnum = $2 AND NOT a.attisdropped \
       AND c.relkind IN ('r', 'p', 'f')"
);

/// Sequences of columns ($2: of one) of table $1, and the defaults that take their values from them.
pub const SERIALS: &str = concat!(
    "SELECT unnest(ARRAY[format('CREATE SEQUENCE %s AS %s %s', s.seqrelid::regclass, format_type(s.seqtypid, NULL), ",
    sequence_options!(),
    "), format('ALTER SEQUENCE %s OWNED BY %s.%I', s.seqrelid::regclass, a.attrelid::regclass, a.attname), \
       CASE WHEN d.oid IS NOT NULL THEN format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', a.attrelid::regclass, \
         a.attname, pg_get_expr(d.adbin, d.adrelid)) END]) \
     FROM pg_depend o JOIN pg_sequence s ON s.seqrelid = o.objid \
     JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid \
     LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjid = $1 \
       AND o.deptype = 'a' AND ($2 = 0 OR a.attnum = $2) ORDER BY s.seqrelid"
);

/// What belongs to a relation $1 or its column $2, or hangs on it: in their order; `true`: names other relations.
pub const PARTS: &str = "SELECT x.links, x.sql FROM ( \
  SELECT false, 10, k.oid, format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, \
      pg_get_constraintdef(k.oid)) \
    FROM pg_constraint k WHERE k.conrelid = $1 AND k.contype IN ('p', 'u', 'x', 'c') AND k.conparentid = 0 \
      AND ($2 = 0 OR $2 = ANY (k.conkey)) \
  UNION ALL SELECT false, 20, i.inhparent, CASE WHEN c.relispartition \
      THEN format('ALTER TABLE %s ATTACH PARTITION %s %s', i.inhparent::regclass, c.oid::regclass, pg_get_expr(c.relpartbound, c.oid)) \
      ELSE format('ALTER TABLE %s INHERIT %s', c.oid::regclass, i.inhparent::regclass) END \
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = $1 AND $2 = 0 AND c.relkind IN ('r', 'p') \
  UNION ALL SELECT true, 10, i.indexrelid, CASE c.relkind WHEN 'I' \
      THEN replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ') ELSE pg_get_indexdef(c.oid) END \
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND i.indisvalid \
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) \
      AND NOT c.relispartition AND ($2 = 0 OR $2 = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend x \
        WHERE x.classid = 'pg_class'::regclass AND x.objid = i.indexrelid AND x.refclassid = 'pg_class'::regclass \
          AND x.refobjid = $1 AND x.refobjsubid = $2)) \
  UNION ALL SELECT true, 20, k.oid, format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, \
      pg_get_constraintdef(k.oid)) \
    FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 AND (k.conrelid = $1 AND ($2 = 0 OR $2 = ANY (k.conkey)) \
      OR k.confrelid = $1 AND ($2 = 0 OR $2 = ANY (k.confkey))) \
  UNION ALL SELECT true, 30, t.oid, pg_get_triggerdef(t.oid) FROM pg_trigger t WHERE t.tgrelid = $1 \
      AND NOT t.tgisinternal AND t.tgparentid = 0 AND ($2 = 0 OR $2 = ANY (t.tgattr)) \
  UNION ALL SELECT true, 31, t.oid, format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass, CASE t.tgenabled \
      WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname) \
    FROM pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'O' \
      AND ($2 = 0 OR $2 = ANY (t.tgattr)) \
  UNION ALL SELECT true, 40, r.oid, rtrim(pg_get_ruledef(r.oid), ';') FROM pg_rewrite r WHERE r.ev_class = $1 \
      AND r.rulename <> '_RETURN' AND $2 = 0 \
  UNION ALL SELECT true, 50, p.oid, concat_ws(' ', format('CREATE POLICY %I ON %s', p.polname, p.polrelid::regclass), \
      CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END, 'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' \
        WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
      'TO ' || (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ' ORDER BY n) \
        FROM unnest(p.polroles) WITH ORDINALITY u (r, n)), \
      'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') \
    FROM pg_policy p WHERE p.polrelid = $1 AND $2 = 0 \
  UNION ALL SELECT true, 51, c.oid, format('ALTER TABLE %s %s ROW LEVEL SECURITY', c.oid::regclass, w) FROM pg_class c \
    CROSS JOIN LATERAL (VALUES (c.relrowsecurity, 'ENABLE'), (c.relforcerowsecurity, 'FORCE')) v (yes, w) \
    WHERE c.oid = $1 AND v.yes AND $2 = 0 \
  UNION ALL SELECT true, 60, s.oid, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s WHERE s.stxrelid = $1 \
      AND ($2 = 0 OR $2 = ANY (s.stxkeys)) \
  UNION ALL SELECT true, 61, c.oid, format('ALTER TABLE %s REPLICA IDENTITY %s', c.oid::regclass, CASE c.relreplident \
      WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'USING INDEX ' || (SELECT quote_ident(x.relname) FROM pg_index i \
        JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END) \
    FROM pg_class c WHERE c.oid = $1 AND c.relkind IN ('r', 'p') AND c.relreplident <> 'd' AND $2 = 0 \
  UNION ALL SELECT true, 62, a.attnum::int8, format('ALTER TABLE %s ALTER COLUMN %I %s', a.attrelid::regclass, a.attname, v.what) \
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid CROSS JOIN LATERAL (VALUES \
      (CASE WHEN a.attstattarget >= 0 THEN 'SET STATISTICS ' || a.attstattarget END), \
      (CASE WHEN a.attstorage <> t.typstorage THEN 'SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' \
        WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END), \
      ((SELECT 'SET (' || string_agg(o, ', ') || ')' FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\\_attver=%'))) v (what) \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND ($2 = 0 OR a.attnum = $2) AND v.what IS NOT NULL \
      AND c.relkind IN ('r', 'p', 'm') \
  UNION ALL SELECT true, 70, d.objsubid::int8, format('COMMENT ON %s IS %L', CASE WHEN d.objsubid > 0 \
      THEN format('COLUMN %s.%I', c.oid::regclass, a.attname) ELSE format('%s %s', CASE c.relkind WHEN 'v' THEN 'VIEW' \
        WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'i' THEN 'INDEX' WHEN 'I' THEN 'INDEX' \
        ELSE 'TABLE' END, c.oid::regclass) END, d.description) \
    FROM pg_description d JOIN pg_class c ON c.oid = d.objoid \
    LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid \
    WHERE d.classoid = 'pg_class'::regclass AND d.objoid = $1 AND ($2 = 0 OR d.objsubid = $2) \
  UNION ALL SELECT true, 80, 0, format('ALTER TABLE %s OWNER TO %s', c.oid::regclass, c.relowner::regrole) FROM pg_class c \
    WHERE c.oid = $1 AND $2 = 0 AND c.relkind IN ('r', 'p', 'v', 'm', 'S') AND c.relowner <> current_user::regrole \
  UNION ALL SELECT true, 90, 0, format('%s ON %s %s', g.what, CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' || c.oid::regclass \
      ELSE c.oid::regclass::text END, g.who) FROM pg_class c \
    CROSS JOIN LATERAL strata._migrate_acl(c.relacl, CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner, NULL) g \
    WHERE c.oid = $1 AND $2 = 0 \
  UNION ALL SELECT true, 91, a.attnum::int8, format('%s ON %s %s', g.what, a.attrelid::regclass, g.who) \
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
    CROSS JOIN LATERAL strata._migrate_acl(a.attacl, 'c'::\"char\", c.relowner, a.attname) g \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND ($2 = 0 OR a.attnum = $2) \
  ) x (links, rank, oid, sql) WHERE x.sql IS NOT NULL ORDER BY x.rank, x.oid";

pub const PARTITIONS: &str = "SELECT i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
    WHERE i.inhparent = $1 AND c.relispartition AND c.relkind IN ('r', 'p') ORDER BY i.inhrelid";

/// A view, also a materialized one.
pub const VIEW: &str = "SELECT concat_ws(' ', 'CREATE', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, \
    c.oid::regclass, 'WITH (' || array_to_string(c.reloptions, ', ') || ')', 'AS', rtrim(pg_get_viewdef(c.oid), '; '), \
    CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'WITH NO DATA' END) FROM pg_class c WHERE c.oid = $1";
pub const SEQUENCE: &str = concat!(
    "SELECT unnest(ARRAY[format('CREATE SEQUENCE %s AS %s %s', s.seqrelid::regclass, format_type(s.seqtypid, NULL), ",
    sequence_options!(),
    ")]) FROM pg_sequence s WHERE s.seqrelid = $1"
);
pub const SEQUENCE_OWNER: &str = "SELECT format('ALTER SEQUENCE %s OWNED BY %s', s.seqrelid::regclass, coalesce((SELECT \
    format('%s.%I', a.attrelid::regclass, a.attname) FROM pg_depend o JOIN pg_attribute a ON a.attrelid = o.refobjid \
      AND a.attnum = o.refobjsubid WHERE o.classid = 'pg_class'::regclass AND o.objid = s.seqrelid \
      AND o.refclassid = 'pg_class'::regclass AND o.deptype = 'a'), 'NONE')) FROM pg_sequence s WHERE s.seqrelid = $1";
pub const INDEX: &str = "SELECT CASE c.relkind WHEN 'I' THEN replace(pg_get_indexdef(c.oid), ' ON ONLY ', ' ON ') \
    ELSE pg_get_indexdef(c.oid) END FROM pg_class c WHERE c.oid = $1";
pub const CONSTRAINT: &str = "SELECT format('ALTER %s %s ADD CONSTRAINT %I %s', \
    CASE WHEN k.contypid <> 0 THEN 'DOMAIN' ELSE 'TABLE' END, \
    CASE WHEN k.contypid <> 0 THEN k.contypid::regtype::text ELSE k.conrelid::regclass::text END, k.conname, \
    pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.oid = $1";
pub const TRIGGER: &str = "SELECT unnest(ARRAY[pg_get_triggerdef(t.oid), CASE WHEN t.tgenabled <> 'O' THEN \
    format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass, CASE t.tgenabled WHEN 'D' THEN 'DISABLE' \
      WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, t.tgname) END]) FROM pg_trigger t WHERE t.oid = $1";
pub const RULE: &str = "SELECT rtrim(pg_get_ruledef($1), ';')";
pub const POLICY: &str = "SELECT concat_ws(' ', format('CREATE POLICY %I ON %s', p.polname, p.polrelid::regclass), \
      CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END, 'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' \
        WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
      'TO ' || (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ' ORDER BY n) \
        FROM unnest(p.polroles) WITH ORDINALITY u (r, n)), \
      'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') \
    FROM pg_policy p WHERE p.oid = $1";
pub const FUNCTION: &str = "SELECT rtrim(pg_get_functiondef(p.oid), E'\\n') FROM pg_proc p WHERE p.oid = $1 AND p.prokind <> 'a'";
pub const FUNCTION_LINKS: &str = "SELECT x.sql FROM ( \
  SELECT 1, format('COMMENT ON ROUTINE %s IS %L', $1::regprocedure, d.description) FROM pg_description d \
    WHERE d.classoid = 'pg_proc'::regclass AND d.objoid = $1 \
  UNION ALL SELECT 2, format('ALTER ROUTINE %s OWNER TO %s', $1::regprocedure, p.proowner::regrole) FROM pg_proc p \
    WHERE p.oid = $1 AND p.proowner <> current_user::regrole \
  UNION ALL SELECT 3, format('%s ON ROUTINE %s %s', g.what, $1::regprocedure, g.who) FROM pg_proc p \
    CROSS JOIN LATERAL strata._migrate_acl(p.proacl, 'f', p.proowner, NULL) g WHERE p.oid = $1) x (n, sql) ORDER BY x.n";
pub const TYPE: &str = "SELECT CASE t.typtype \
    WHEN 'e' THEN format('CREATE TYPE %s AS ENUM (%s)', t.oid::regtype, (SELECT string_agg(quote_literal(e.enumlabel), ', ' \
      ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)) \
    WHEN 'c' THEN format('CREATE TYPE %s AS (%s)', t.oid::regtype, (SELECT string_agg(concat_ws(' ', quote_ident(a.attname), \
      format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum) FROM pg_attribute a \
      WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)) \
    WHEN 'r' THEN (SELECT format('CREATE TYPE %s AS RANGE (%s)', t.oid::regtype, concat_ws(', ', \
      'SUBTYPE = ' || format_type(r.rngsubtype, NULL), \
      CASE WHEN r.rngcanonical <> 0 THEN 'CANONICAL = ' || r.rngcanonical::regproc END, \
      CASE WHEN r.rngsubdiff <> 0 THEN 'SUBTYPE_DIFF = ' || r.rngsubdiff::regproc END)) FROM pg_range r WHERE r.rngtypid = t.oid) \
    WHEN 'd' THEN concat_ws(' ', 'CREATE DOMAIN', t.oid::regtype, 'AS', format_type(t.typbasetype, t.typtypmod), \
      'DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), CASE WHEN t.typnotnull THEN 'NOT NULL' END, \
      (SELECT string_agg(format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)), ' ' ORDER BY k.oid) \
        FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c')) \
    END FROM pg_type t WHERE t.oid = $1";
pub const ATTRIBUTE: &str = "SELECT format('ALTER TYPE %s ADD ATTRIBUTE %I %s', c.reltype::regtype, a.attname, \
    format_type(a.atttypid, a.atttypmod)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
    WHERE a.attrelid = $1 AND a.attnum = $2";
pub const SCHEMA: &str =
    "SELECT format('CREATE SCHEMA %I', n.nspname) FROM pg_namespace n WHERE n.oid = $1";
pub const SCHEMA_LINKS: &str = "SELECT x.sql FROM ( \
  SELECT 1, format('COMMENT ON SCHEMA %s IS %L', $1::regnamespace, d.description) FROM pg_description d \
    WHERE d.classoid = 'pg_namespace'::regclass AND d.objoid = $1 \
  UNION ALL SELECT 2, format('ALTER SCHEMA %s OWNER TO %s', $1::regnamespace, n.nspowner::regrole) FROM pg_namespace n \
    WHERE n.oid = $1 AND n.nspowner <> current_user::regrole \
  UNION ALL SELECT 3, format('%s ON SCHEMA %s %s', g.what, $1::regnamespace, g.who) FROM pg_namespace n \
    CROSS JOIN LATERAL strata._migrate_acl(n.nspacl, 'n', n.nspowner, NULL) g WHERE n.oid = $1) x (n, sql) ORDER BY x.n";
pub const EXTENSION: &str = "SELECT format('CREATE EXTENSION %I WITH SCHEMA %I VERSION %L', e.extname, n.nspname, e.extversion) \
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.oid = $1";
pub const STATISTICS: &str = "SELECT pg_get_statisticsobjdef($1)";
pub const DEFAULT: &str = "SELECT format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', a.attrelid::regclass, a.attname, \
    pg_get_expr(d.adbin, d.adrelid)) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
    WHERE d.oid = $1";

/// What goes with an object ($1, $2, $3: class, object, part), by class, object and part; without what is part of it.
pub const DEPENDENTS: &str = "WITH RECURSIVE found (class, object, part) AS ( \
  SELECT $1::oid, $2::oid, $3::int4 \
  UNION SELECT g.class, g.object, g.part FROM found f \
    JOIN pg_depend d ON d.refclassid = f.class AND d.refobjid = f.object AND (f.part = 0 OR d.refobjsubid = f.part) \
      AND d.deptype IN ('n', 'a', 'i', 'P', 'S') \
    LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN' \
    LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid \
    CROSS JOIN LATERAL (VALUES (CASE WHEN r.oid IS NOT NULL THEN 'pg_class'::regclass::oid ELSE d.classid END, \
      coalesce(r.ev_class, d.objid), CASE WHEN r.oid IS NOT NULL THEN 0 ELSE d.objsubid END)) g (class, object, part) \
    WHERE (g.class, g.object) <> (f.class, f.object) OR g.part <> 0 AND f.part = 0 AND g.class <> f.class) \
SELECT DISTINCT f.class::regclass::text, f.object, f.part FROM found f \
LEFT JOIN pg_class c ON f.class = 'pg_class'::regclass AND c.oid = f.object \
LEFT JOIN pg_index i ON f.class = 'pg_class'::regclass AND i.indexrelid = f.object \
LEFT JOIN pg_type t ON f.class = 'pg_type'::regclass AND t.oid = f.object \
LEFT JOIN pg_class tc ON tc.oid = t.typrelid \
LEFT JOIN pg_constraint k ON f.class = 'pg_constraint'::regclass AND k.oid = f.object \
LEFT JOIN pg_trigger g ON f.class = 'pg_trigger'::regclass AND g.oid = f.object \
LEFT JOIN pg_policy p ON f.class = 'pg_policy'::regclass AND p.oid = f.object \
LEFT JOIN pg_rewrite r ON f.class = 'pg_rewrite'::regclass AND r.oid = f.object \
LEFT JOIN pg_attrdef d ON f.class = 'pg_attrdef'::regclass AND d.oid = f.object \
LEFT JOIN pg_statistic_ext s ON f.class = 'pg_statistic_ext'::regclass AND s.oid = f.object \
CROSS JOIN LATERAL (VALUES (coalesce(i.indrelid, nullif(k.conrelid, 0), nullif(k.contypid, 0), g.tgrelid, p.polrelid, \
  r.ev_class, d.adrelid, s.stxrelid, CASE WHEN f.part <> 0 THEN f.object END))) v (of_whole) \
WHERE (f.class, f.object, f.part) <> ($1, $2, $3) AND f.class::regclass::text IN ('pg_class', 'pg_proc', 'pg_type', \
  'pg_constraint', 'pg_trigger', 'pg_policy', 'pg_rewrite', 'pg_attrdef', 'pg_statistic_ext') \
  AND NOT EXISTS (SELECT FROM found w WHERE w.object = v.of_whole AND w.part = 0 AND w.class::regclass::text IN ('pg_class', 'pg_type')) \
  AND (c.oid IS NULL OR c.relkind IN ('r', 'p', 'v', 'm', 'S', 'i', 'I') AND NOT c.relispartition) \
  AND NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend o WHERE o.classid = 'pg_class'::regclass AND o.objid = c.oid \
    AND o.refclassid = 'pg_class'::regclass AND o.deptype IN ('a', 'i'))) IS TRUE \
  AND NOT EXISTS (SELECT FROM pg_constraint x WHERE x.conindid = i.indexrelid AND x.contype IN ('p', 'u', 'x')) \
  AND (t.oid IS NULL OR t.typtype IN ('e', 'd', 'r') OR tc.relkind = 'c') \
  AND (k.oid IS NULL OR k.conparentid = 0 AND k.contype IN ('p', 'u', 'x', 'c', 'f')) \
  AND (g.oid IS NULL OR NOT g.tgisinternal AND g.tgparentid = 0) \
  AND (d.oid IS NULL OR NOT EXISTS (SELECT FROM found w WHERE w.class = 'pg_class'::regclass AND w.object = d.adrelid \
    AND w.part = d.adnum) AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = d.adrelid AND a.attnum = d.adnum \
    AND a.attgenerated <> '')) ORDER BY f.object, f.part";
