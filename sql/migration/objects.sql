-- Migrations: the objects of a schema as text, behind migrate_fingerprint, migrate_snapshot, migrate_drift,
-- migrate_diff and migrate_verify_down. See src/migration/mod.rs.
--
-- A row is an object. Its definition is what has to be equal; its side is what counts as a note only: owner, comment,
-- position and descent of a column, name of an identity's sequence, whether a materialized view is populated, whether
-- a subscription is enabled. Identities are worded as event triggers word them ("t_check on public.t").
--
-- Out, beside system schemas, temporary objects, schema strata and members of extensions:
--  * schema strata_chunks and all in it: chunks come and go. So do the halves of a foreign key that stand for the
--    partitions it points to, and copies of a trigger on partitions, unless one is enabled otherwise than its model.
--  * an index that belongs to a constraint: the constraint's row tells of it, so one change is one row.
--  * NOT NULL constraints of PostgreSQL 17 and 18: columns and domains tell of them. A name that somebody gave counts,
--    for DROP CONSTRAINT works by it; one like t_c_not_null does not: it only says what the table was called once.
--  * what follows from something else: types of rows, arrays and multiranges, functions and casts of ranges, numbers of
--    columns, sequences of identities (told by the column; with ACLs a row "sequence public.t.c" holds theirs).
--  * rows, values of sequences, statistics, tablespaces, security labels, large objects, what is of the cluster,
--    settings of databases and roles, versions of collations, the extension pg_strata.
--  * secrets: options of user mappings, the connection of a subscription, and options of servers, wrappers and foreign
--    tables whose name or value looks like one; of these the name is told.
-- With a list of schemas, also what has no schema: extensions, casts, event triggers, publications, servers and so on.
--
-- A dump, restored by the same server version, gives the same list, but for notes and what pg_dump does not tell:
-- versions of extensions, invalid indexes, foreign keys switched off by DISABLE TRIGGER ALL.
--
-- ACLs: nothing granted yet is told as what is granted by default, so that GRANT followed by REVOKE is equal. The owner
-- is told as (owner), for owners are a note only. Grantors are left out: they do not change who may do what, but tell
-- who happened to run the GRANT.
--
-- The settings are those that the text of an expression depends on. Nothing of a user runs: what is called prints
-- catalog entries. It takes ACCESS SHARE locks on what views, rules and SQL bodies name, and on some versions on the
-- tables of printed expressions. No JIT: compiling this takes ten times as long as running it.
-- PARALLEL UNSAFE: it also runs amid DDL that is not committed.

CREATE FUNCTION strata._migrate_objects(schemas name[], acl boolean, except_relations oid[])
RETURNS TABLE (kind text, identity text, definition text, side text)
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 3000
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET standard_conforming_strings = on
SET DateStyle = 'ISO, MDY'
SET IntervalStyle = 'postgres'
SET TimeZone = 'UTC'
SET extra_float_digits = 1
SET bytea_output = 'hex'
SET lc_monetary = 'C'
SET jit = off
AS $query$
WITH member AS MATERIALIZED (
  SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
), depends (class, object, extensions) AS (
  SELECT d.classid, d.objid, string_agg(quote_ident(e.extname), ', ' ORDER BY e.extname)
  FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
  WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'
  GROUP BY d.classid, d.objid
), ns AS MATERIALIZED (
  SELECT n.oid, quote_ident(n.nspname) AS name, n.nspowner, n.nspacl
  FROM pg_namespace n
  WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'strata', 'strata_chunks')
    AND (schemas IS NULL OR n.nspname = ANY (schemas))
), rel AS MATERIALIZED (
  SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relowner, c.relacl, c.relpersistence, c.reloftype,
    c.relispartition, c.relpartbound, c.relam, c.reloptions, c.reltoastrelid, c.relreplident, c.relrowsecurity,
    c.relforcerowsecurity, c.relispopulated
  FROM pg_class c
  JOIN ns ON ns.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S')
    AND c.oid <> ALL (coalesce(except_relations, '{}'))
    AND c.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_class'::regclass)
    AND (c.relkind <> 'c' OR c.reltype NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_type'::regclass))
), seq AS MATERIALIZED (
  SELECT r.oid, r.name, r.relowner, r.relacl, d.deptype, d.refobjid, d.refobjsubid,
    concat_ws(' ', CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED' END, 'SEQUENCE AS', format_type(s.seqtypid, NULL),
      'START', s.seqstart, 'INCREMENT', s.seqincrement, 'MINVALUE', s.seqmin, 'MAXVALUE', s.seqmax,
      'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' END) AS definition
  FROM rel r
  JOIN pg_sequence s ON s.seqrelid = r.oid
  LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.objsubid = 0
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  WHERE r.relkind = 'S'
), options (class, object, list) AS (
  SELECT o.class, o.object, string_agg(quote_ident(t.option_name) || CASE
      WHEN t.option_name ~* 'pass|pwd|secret|token|key|cred|auth|private|conn|dsn'
        OR t.option_value ~* '://[^/]*@|(pass\w*|pwd|secret|token|key|sig\w*)\s*=' THEN ' (not shown)'
      ELSE ' ' || quote_literal(t.option_value)
    END, ', ' ORDER BY t.option_name COLLATE "C")
  FROM (
    SELECT 'pg_foreign_data_wrapper'::regclass, w.oid, w.fdwoptions FROM pg_foreign_data_wrapper w
    UNION ALL
    SELECT 'pg_foreign_server'::regclass, s.oid, s.srvoptions FROM pg_foreign_server s
    UNION ALL
    SELECT 'pg_foreign_table'::regclass, f.ftrelid, f.ftoptions FROM pg_foreign_table f
  ) o (class, object, list)
  CROSS JOIN LATERAL pg_options_to_table(o.list) t
  GROUP BY o.class, o.object
), target (index, list) AS (
  -- statistics targets of an index's expressions
  SELECT a.attrelid, string_agg(format('%s %s', a.attnum, a.attstattarget), ', ' ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_index i ON i.indexrelid = a.attrelid
  WHERE a.attstattarget >= 0 AND a.attnum > 0 AND NOT a.attisdropped
  GROUP BY a.attrelid
), object (kind, identity, definition, class, object, part, owner, acl_items, acl_kind, note) AS MATERIALIZED (
  SELECT 'schema', n.name, 'SCHEMA', 'pg_namespace'::regclass::oid, n.oid, 0, n.nspowner, n.nspacl, 'n'::"char",
    NULL::text
  FROM ns n
  WHERE n.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_namespace'::regclass)

  UNION ALL
  -- tables and views
  SELECT CASE r.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
      ELSE 'table' END,
    r.name,
    concat_ws(' ',
      CASE r.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
      CASE r.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
        ELSE 'TABLE' END,
      CASE WHEN r.reloftype <> 0 THEN 'OF ' || r.reloftype::regtype::text END,
      CASE r.relkind WHEN 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(r.oid) END,
      CASE WHEN r.relispartition THEN 'PARTITION OF ' || parent.names ELSE 'INHERITS (' || parent.names || ')' END,
      CASE WHEN r.relispartition THEN pg_get_expr(r.relpartbound, r.oid) END,
      CASE WHEN parent.detaching THEN 'DETACH PENDING' END,
      'SERVER ' || quote_ident(fs.srvname),
      'OPTIONS (' || o.list || ')',
      'USING ' || quote_ident(am.amname),
      CASE WHEN r.reloptions IS NOT NULL OR toast.reloptions IS NOT NULL THEN (
        SELECT 'WITH (' || string_agg(x.item, ', ' ORDER BY x.item COLLATE "C") || ')'
        FROM (SELECT unnest(r.reloptions) UNION ALL SELECT 'toast.' || unnest(toast.reloptions)) x (item)) END,
      CASE WHEN r.relkind IN ('r', 'p', 'm') THEN CASE r.relreplident WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
        WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX' END END,
      CASE WHEN r.relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END,
      CASE WHEN r.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
      CASE WHEN r.relkind IN ('v', 'm') THEN E'AS\n' || pg_get_viewdef(r.oid) END),
    'pg_class'::regclass, r.oid, 0, r.relowner, r.relacl, 'r',
    CASE WHEN r.relkind = 'm' AND NOT r.relispopulated THEN 'not populated' END
  FROM rel r
  LEFT JOIN pg_am am ON am.oid = r.relam
  LEFT JOIN pg_class toast ON toast.oid = r.reltoastrelid AND toast.reloptions IS NOT NULL
  LEFT JOIN pg_foreign_table ft ON ft.ftrelid = r.oid
  LEFT JOIN pg_foreign_server fs ON fs.oid = ft.ftserver
  LEFT JOIN options o ON o.class = 'pg_foreign_table'::regclass AND o.object = r.oid
  LEFT JOIN (
    SELECT i.inhrelid, bool_or(i.inhdetachpending),
      string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
    FROM pg_inherits i
    WHERE i.inhrelid IN (SELECT r.oid FROM rel r)
    GROUP BY i.inhrelid
  ) parent (child, detaching, names) ON parent.child = r.oid
  WHERE r.relkind NOT IN ('S', 'c')

  UNION ALL
  -- columns of tables and views, attributes of composite types
  SELECT 'column', r.name || '.' || quote_ident(a.attname),
    concat_ws(' ',
      format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation::text END,
      CASE WHEN a.attstorage <> t.typstorage THEN 'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN'
        WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
      CASE a.attcompression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END,
      CASE WHEN a.attstattarget >= 0 THEN 'STATISTICS ' || a.attstattarget END,
      -- pg_attver is a mark that minor releases since August 2026 put on every column
      CASE WHEN a.attoptions IS NOT NULL THEN (SELECT 'WITH (' || string_agg(x.item, ', ' ORDER BY x.item COLLATE "C")
        || ')' FROM unnest(a.attoptions) x (item) WHERE x.item !~ '^pg_') END,
      CASE WHEN a.attfdwoptions IS NOT NULL THEN (SELECT 'OPTIONS (' || string_agg(quote_ident(x.option_name) || ' '
        || quote_literal(x.option_value), ', ' ORDER BY x.option_name COLLATE "C") || ')'
        FROM pg_options_to_table(a.attfdwoptions) x) END,
      CASE WHEN a.attnotnull THEN concat_ws(' ',
        CASE WHEN nn.conname !~ '_not_null[0-9]*$' THEN 'CONSTRAINT ' || quote_ident(nn.conname) END,
        'NOT NULL',
        CASE WHEN nn.connoinherit THEN 'NO INHERIT' END,
        CASE WHEN NOT nn.convalidated THEN 'NOT VALID' END) END,
      CASE a.attgenerated WHEN '' THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)
        ELSE 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') '
          || CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END END,
      CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS' WHEN 'd' THEN 'GENERATED BY DEFAULT' END
        || ' AS IDENTITY (' || s.definition || ')'),
    'pg_class'::regclass, r.oid, a.attnum, r.relowner, a.attacl, CASE WHEN a.attacl IS NOT NULL THEN 'c'::"char" END,
    concat_ws('; ',
      'position ' || row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum),
      CASE WHEN a.attinhcount > 0 THEN CASE WHEN a.attislocal THEN 'inherited and local' ELSE 'inherited' END END,
      CASE WHEN a.attidentity <> '' THEN 'sequence ' || s.name END)
  FROM rel r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_constraint nn ON nn.contype = 'n' AND nn.conrelid = a.attrelid AND nn.conkey[1] = a.attnum
  LEFT JOIN seq s ON s.deptype = 'i' AND s.refobjid = a.attrelid AND s.refobjsubid = a.attnum
  WHERE r.relkind <> 'S'

  UNION ALL
  SELECT 'index', i.indexrelid::regclass::text,
    concat_ws(' ', pg_get_indexdef(i.indexrelid),
      'PARTITION OF ' || parent.inhparent::regclass::text,
      'STATISTICS (' || t.list || ')',
      CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
      CASE WHEN i.indisclustered THEN 'CLUSTERED' END,
      CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END),
    'pg_class'::regclass, i.indexrelid, 0, NULL, NULL, NULL, NULL
  FROM rel r
  JOIN pg_index i ON i.indrelid = r.oid
  LEFT JOIN pg_inherits parent ON parent.inhrelid = i.indexrelid
  LEFT JOIN target t ON t.index = i.indexrelid
  WHERE i.indexrelid NOT IN (SELECT c.conindid FROM pg_constraint c WHERE c.contype IN ('p', 'u', 'x'))

  UNION ALL
  -- constraints of tables; those of domains are told by the domain
  SELECT 'constraint', quote_ident(c.conname) || ' on ' || r.name,
    concat_ws(' ', pg_get_constraintdef(c.oid),
      CASE WHEN c.contype <> 'x' THEN 'WITH (' || array_to_string(ic.reloptions, ', ') || ')' END,
      'PARTITION OF ' || quote_ident(parent.conname),
      'STATISTICS (' || t.list || ')',
      CASE WHEN NOT i.indisvalid THEN 'INVALID' END,
      CASE WHEN i.indisclustered THEN 'CLUSTERED' END,
      CASE WHEN i.indisreplident THEN 'REPLICA IDENTITY' END,
      'TRIGGERS ' || fired.states),
    'pg_constraint'::regclass, c.oid, 0, NULL, NULL, NULL,
    concat_ws('; ',
      CASE WHEN c.coninhcount > 0 THEN CASE WHEN c.conislocal THEN 'inherited and local' ELSE 'inherited' END END,
      'comment on index: ' || said.description)
  FROM rel r
  JOIN pg_constraint c ON c.conrelid = r.oid
  LEFT JOIN pg_constraint parent ON parent.oid = c.conparentid
  LEFT JOIN pg_index i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_class ic ON ic.oid = i.indexrelid AND ic.reloptions IS NOT NULL
  LEFT JOIN target t ON t.index = i.indexrelid
  LEFT JOIN pg_description said ON said.objoid = i.indexrelid AND said.classoid = 'pg_class'::regclass
    AND said.objsubid = 0
  LEFT JOIN (
    -- ALTER TABLE ... DISABLE TRIGGER ALL switches foreign keys off
    SELECT g.tgconstraint, string_agg(DISTINCT CASE g.tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA'
      ELSE 'ALWAYS' END || ' on ' || g.tgrelid::regclass::text, ', ')
    FROM pg_trigger g
    WHERE g.tgisinternal AND g.tgenabled <> 'O'
    GROUP BY g.tgconstraint
  ) fired (con, states) ON fired.con = c.oid
  WHERE c.contype IN ('c', 'f', 'p', 'u', 'x') AND (c.conparentid = 0 OR c.confrelid = parent.confrelid)

  UNION ALL
  SELECT 'trigger', quote_ident(g.tgname) || ' on ' || r.name,
    concat_ws(' ', pg_get_triggerdef(g.oid), CASE g.tgenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA'
      WHEN 'A' THEN 'ALWAYS' END),
    'pg_trigger'::regclass, g.oid, 0, NULL, NULL, NULL, NULL
  FROM rel r
  JOIN pg_trigger g ON g.tgrelid = r.oid
  LEFT JOIN pg_trigger parent ON parent.oid = g.tgparentid
  WHERE NOT g.tgisinternal
    AND (g.tgparentid = 0 OR g.tgenabled <> parent.tgenabled OR g.tgname <> parent.tgname)

  UNION ALL
  SELECT 'policy', quote_ident(p.polname) || ' on ' || r.name,
    concat_ws(' ',
      CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
      'FOR', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
        ELSE 'ALL' END,
      'TO', (SELECT string_agg(x.name, ', ' ORDER BY x.name COLLATE "C") FROM (
        SELECT CASE y.role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(y.role)) END
        FROM unnest(p.polroles) y (role)) x (name)),
      'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
      'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
    'pg_policy'::regclass, p.oid, 0, NULL, NULL, NULL, NULL
  FROM rel r
  JOIN pg_policy p ON p.polrelid = r.oid

  UNION ALL
  SELECT 'rule', quote_ident(w.rulename) || ' on ' || r.name,
    concat_ws(' ', pg_get_ruledef(w.oid), CASE w.ev_enabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA'
      WHEN 'A' THEN 'ALWAYS' END),
    'pg_rewrite'::regclass, w.oid, 0, NULL, NULL, NULL, NULL
  FROM rel r
  JOIN pg_rewrite w ON w.ev_class = r.oid
  WHERE w.rulename <> '_RETURN'

  UNION ALL
  SELECT 'statistics', quote_ident(n.nspname) || '.' || quote_ident(s.stxname),
    concat_ws(' ', pg_get_statisticsobjdef(s.oid), CASE WHEN s.stxstattarget >= 0 THEN 'STATISTICS '
      || s.stxstattarget END),
    'pg_statistic_ext'::regclass, s.oid, 0, s.stxowner, NULL, NULL, NULL
  FROM rel r
  JOIN pg_statistic_ext s ON s.stxrelid = r.oid
  JOIN pg_namespace n ON n.oid = s.stxnamespace

  UNION ALL
  SELECT 'sequence', s.name,
    concat_ws(' ', s.definition, 'OWNED BY ' || r.name || '.' || quote_ident(a.attname)),
    'pg_class'::regclass, s.oid, 0, s.relowner, s.relacl, 's', NULL
  FROM seq s
  LEFT JOIN rel r ON r.oid = s.refobjid
  LEFT JOIN pg_attribute a ON a.attrelid = s.refobjid AND a.attnum = s.refobjsubid
  WHERE s.deptype IS NULL OR s.deptype = 'a' AND r.oid IS NOT NULL

  UNION ALL
  SELECT 'sequence', r.name || '.' || quote_ident(a.attname), 'SEQUENCE OF IDENTITY',
    'pg_class'::regclass, s.oid, 0, s.relowner, s.relacl, 's', 'sequence ' || s.name
  FROM seq s
  JOIN rel r ON r.oid = s.refobjid
  JOIN pg_attribute a ON a.attrelid = s.refobjid AND a.attnum = s.refobjsubid
  WHERE acl AND s.deptype = 'i'

  UNION ALL
  SELECT CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
    p.oid::regprocedure::text,
    CASE WHEN p.prokind <> 'a' THEN rtrim(pg_get_functiondef(p.oid), E'\n') ELSE concat_ws(' ',
      'AGGREGATE (' || pg_get_function_arguments(p.oid) || ')',
      CASE g.aggkind WHEN 'o' THEN 'ORDERED SET' WHEN 'h' THEN 'HYPOTHETICAL' END,
      'RETURNS', format_type(p.prorettype, NULL),
      'SFUNC', g.aggtransfn::oid::regprocedure, 'STYPE', format_type(g.aggtranstype, NULL),
      'SSPACE ' || nullif(g.aggtransspace, 0),
      'FINALFUNC ' || nullif(g.aggfinalfn::oid, 0)::regprocedure::text, CASE WHEN g.aggfinalextra THEN 'EXTRA' END,
      'MODIFY', g.aggfinalmodify,
      'COMBINEFUNC ' || nullif(g.aggcombinefn::oid, 0)::regprocedure::text,
      'SERIALFUNC ' || nullif(g.aggserialfn::oid, 0)::regprocedure::text,
      'DESERIALFUNC ' || nullif(g.aggdeserialfn::oid, 0)::regprocedure::text,
      'INITCOND ' || quote_literal(g.agginitval),
      'MSFUNC ' || nullif(g.aggmtransfn::oid, 0)::regprocedure::text,
      'MINVFUNC ' || nullif(g.aggminvtransfn::oid, 0)::regprocedure::text,
      'MSTYPE ' || format_type(nullif(g.aggmtranstype, 0), NULL),
      'MSSPACE ' || nullif(g.aggmtransspace, 0),
      'MFINALFUNC ' || nullif(g.aggmfinalfn::oid, 0)::regprocedure::text, CASE WHEN g.aggmfinalextra THEN 'EXTRA' END,
      CASE WHEN g.aggmtransfn <> 0 THEN concat('MODIFY ', g.aggmfinalmodify) END,
      'MINITCOND ' || quote_literal(g.aggminitval),
      'SORTOP ' || nullif(g.aggsortop, 0)::regoperator::text,
      'PARALLEL', p.proparallel) END,
    'pg_proc'::regclass, p.oid, 0, p.proowner, p.proacl, 'f', NULL
  FROM pg_proc p
  JOIN ns ON ns.oid = p.pronamespace
  LEFT JOIN pg_aggregate g ON g.aggfnoid = p.oid
  WHERE p.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_proc'::regclass)
    AND p.oid NOT IN (SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'i')

  UNION ALL
  SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'e' THEN 'enum' ELSE 'type' END,
    t.oid::regtype::text,
    CASE t.typtype
      WHEN 'c' THEN 'COMPOSITE TYPE'
      WHEN 'e' THEN 'ENUM (' || concat(e.labels) || ')'
      WHEN 'd' THEN concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod),
        (SELECT 'COLLATE ' || t.typcollation::regcollation::text FROM pg_type b
          WHERE b.oid = t.typbasetype AND b.typcollation <> t.typcollation),
        'DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault),
        CASE WHEN t.typnotnull THEN concat('CONSTRAINT ' || quote_ident(con.given) || ' ', 'NOT NULL') END,
        con.list)
      WHEN 'r' THEN (SELECT concat_ws(' ', 'RANGE SUBTYPE', format_type(g.rngsubtype, NULL),
          'OPCLASS', quote_ident(n.nspname) || '.' || quote_ident(o.opcname),
          'COLLATION ' || nullif(g.rngcollation, 0)::regcollation::text,
          'CANONICAL ' || nullif(g.rngcanonical::oid, 0)::regprocedure::text,
          'DIFF ' || nullif(g.rngsubdiff::oid, 0)::regprocedure::text,
          'MULTIRANGE', g.rngmultitypid::regtype)
        FROM pg_range g JOIN pg_opclass o ON o.oid = g.rngsubopc JOIN pg_namespace n ON n.oid = o.opcnamespace
        WHERE g.rngtypid = t.oid)
      WHEN 'b' THEN concat_ws(' ', 'BASE TYPE INPUT', t.typinput::oid::regprocedure,
        'OUTPUT', t.typoutput::oid::regprocedure,
        'RECEIVE ' || nullif(t.typreceive::oid, 0)::regprocedure::text,
        'SEND ' || nullif(t.typsend::oid, 0)::regprocedure::text,
        'TYPMOD_IN ' || nullif(t.typmodin::oid, 0)::regprocedure::text,
        'TYPMOD_OUT ' || nullif(t.typmodout::oid, 0)::regprocedure::text,
        'ANALYZE ' || nullif(t.typanalyze::oid, 0)::regprocedure::text,
        'SUBSCRIPT ' || nullif(t.typsubscript::oid, 0)::regprocedure::text,
        'INTERNALLENGTH', t.typlen, CASE WHEN t.typbyval THEN 'PASSEDBYVALUE' END, 'ALIGNMENT', t.typalign,
        'STORAGE', t.typstorage, 'CATEGORY', quote_literal(t.typcategory::text),
        CASE WHEN t.typispreferred THEN 'PREFERRED' END, 'DEFAULT ' || quote_literal(t.typdefault),
        'ELEMENT ' || nullif(t.typelem, 0)::regtype::text, 'DELIMITER', quote_literal(t.typdelim::text),
        CASE WHEN t.typcollation <> 0 THEN 'COLLATABLE' END)
      ELSE 'SHELL TYPE' END,
    'pg_type'::regclass, t.oid, 0, t.typowner, t.typacl, 'T',
    con.comments
  FROM pg_type t
  JOIN ns ON ns.oid = t.typnamespace
  LEFT JOIN (
    SELECT l.enumtypid, string_agg(quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
    FROM pg_enum l
    GROUP BY l.enumtypid
  ) e (type, labels) ON e.type = t.oid
  LEFT JOIN (
    SELECT c.contypid, min(c.conname::text) FILTER (WHERE c.contype = 'n' AND c.conname !~ '_not_null[0-9]*$'),
      string_agg('CONSTRAINT ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid), ' ' ORDER BY c.conname)
        FILTER (WHERE c.contype <> 'n'),
      string_agg('comment on ' || quote_ident(c.conname) || ': ' || s.description, '; ' ORDER BY c.conname)
    FROM pg_constraint c
    LEFT JOIN pg_description s ON s.objoid = c.oid AND s.classoid = 'pg_constraint'::regclass
    WHERE c.contypid <> 0
    GROUP BY c.contypid
  ) con (type, given, list, comments) ON con.type = t.oid
  WHERE t.typtype <> 'm'
    AND (t.typtype <> 'c' OR t.typrelid IN (SELECT r.oid FROM rel r WHERE r.relkind = 'c'))
    -- types of arrays
    AND (t.typelem = 0 OR t.typarray <> 0)
    AND t.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_type'::regclass)

  UNION ALL
  SELECT 'operator', o.oid::regoperator::text,
    concat_ws(' ', 'FUNCTION', nullif(o.oprcode::oid, 0)::regprocedure,
      'RETURNS ' || format_type(nullif(o.oprresult, 0), NULL),
      'COMMUTATOR ' || nullif(o.oprcom, 0)::regoperator::text,
      'NEGATOR ' || nullif(o.oprnegate, 0)::regoperator::text,
      'RESTRICT ' || nullif(o.oprrest::oid, 0)::regprocedure::text,
      'JOIN ' || nullif(o.oprjoin::oid, 0)::regprocedure::text,
      CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END),
    'pg_operator'::regclass, o.oid, 0, o.oprowner, NULL, NULL, NULL
  FROM pg_operator o
  JOIN ns ON ns.oid = o.oprnamespace
  WHERE o.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_operator'::regclass)

  UNION ALL
  SELECT 'operator family', ns.name || '.' || quote_ident(f.opfname) || ' USING ' || quote_ident(am.amname),
    concat_ws(E'\n', 'OPERATOR FAMILY',
      (SELECT string_agg(x.item, E'\n' ORDER BY x.item COLLATE "C") FROM (
        SELECT concat_ws(' ', 'OPERATOR', o.amopstrategy, o.amopopr::regoperator, (SELECT 'FOR ORDER BY '
          || quote_ident(sn.nspname) || '.' || quote_ident(sf.opfname) FROM pg_opfamily sf
          JOIN pg_namespace sn ON sn.oid = sf.opfnamespace WHERE sf.oid = o.amopsortfamily))
        FROM pg_amop o WHERE o.amopfamily = f.oid
        UNION ALL
        SELECT format('FUNCTION %s (%s, %s) %s', p.amprocnum, format_type(p.amproclefttype, NULL),
          format_type(p.amprocrighttype, NULL), p.amproc::oid::regprocedure)
        FROM pg_amproc p WHERE p.amprocfamily = f.oid) x (item))),
    'pg_opfamily'::regclass, f.oid, 0, f.opfowner, NULL, NULL, NULL
  FROM pg_opfamily f
  JOIN ns ON ns.oid = f.opfnamespace
  JOIN pg_am am ON am.oid = f.opfmethod
  WHERE f.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_opfamily'::regclass)

  UNION ALL
  SELECT 'operator class', ns.name || '.' || quote_ident(o.opcname) || ' USING ' || quote_ident(am.amname),
    concat_ws(' ', 'OPERATOR CLASS', CASE WHEN o.opcdefault THEN 'DEFAULT' END,
      'FOR TYPE', format_type(o.opcintype, NULL), 'FAMILY', quote_ident(fn.nspname) || '.' || quote_ident(f.opfname),
      'STORAGE ' || format_type(nullif(o.opckeytype, 0), NULL)),
    'pg_opclass'::regclass, o.oid, 0, o.opcowner, NULL, NULL, NULL
  FROM pg_opclass o
  JOIN ns ON ns.oid = o.opcnamespace
  JOIN pg_am am ON am.oid = o.opcmethod
  JOIN pg_opfamily f ON f.oid = o.opcfamily
  JOIN pg_namespace fn ON fn.oid = f.opfnamespace
  WHERE o.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_opclass'::regclass)

  UNION ALL
  -- the locale's column has another name since 17, rules are new in 16
  SELECT 'collation', c.oid::regcollation::text,
    concat_ws(' ', 'COLLATION PROVIDER', c.collprovider,
      CASE WHEN NOT c.collisdeterministic THEN 'NOT DETERMINISTIC' END,
      'LC_COLLATE ' || quote_literal(c.collcollate), 'LC_CTYPE ' || quote_literal(c.collctype),
      'LOCALE ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale')),
      'RULES ' || quote_literal(to_jsonb(c) ->> 'collicurules')),
    'pg_collation'::regclass, c.oid, 0, c.collowner, NULL, NULL, NULL
  FROM pg_collation c
  JOIN ns ON ns.oid = c.collnamespace
  WHERE c.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_collation'::regclass)

  UNION ALL
  SELECT 'conversion', ns.name || '.' || quote_ident(c.conname),
    concat_ws(' ', CASE WHEN c.condefault THEN 'DEFAULT' END, 'CONVERSION FOR', pg_encoding_to_char(c.conforencoding),
      'TO', pg_encoding_to_char(c.contoencoding), 'FROM', c.conproc::oid::regprocedure),
    'pg_conversion'::regclass, c.oid, 0, c.conowner, NULL, NULL, NULL
  FROM pg_conversion c
  JOIN ns ON ns.oid = c.connamespace
  WHERE c.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_conversion'::regclass)

  UNION ALL
  -- tokens of the built-in parser have names; asking another parser would run its code
  SELECT 'text search configuration', ns.name || '.' || quote_ident(c.cfgname),
    concat_ws(E'\n', 'PARSER ' || quote_ident(pn.nspname) || '.' || quote_ident(p.prsname),
      (SELECT string_agg(x.item, E'\n' ORDER BY x.item COLLATE "C") FROM (
        SELECT 'MAPPING FOR ' || coalesce(k.alias, m.maptokentype::text) || ' WITH '
          || string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno)
        FROM pg_ts_config_map m
        LEFT JOIN ts_token_type(3722) k ON c.cfgparser = 3722 AND k.tokid = m.maptokentype
        WHERE m.mapcfg = c.oid
        GROUP BY m.maptokentype, k.alias) x (item))),
    'pg_ts_config'::regclass, c.oid, 0, c.cfgowner, NULL, NULL, NULL
  FROM pg_ts_config c
  JOIN ns ON ns.oid = c.cfgnamespace
  JOIN pg_ts_parser p ON p.oid = c.cfgparser
  JOIN pg_namespace pn ON pn.oid = p.prsnamespace
  WHERE c.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_ts_config'::regclass)

  UNION ALL
  SELECT 'text search dictionary', ns.name || '.' || quote_ident(d.dictname),
    concat_ws(' ', 'TEMPLATE', quote_ident(tn.nspname) || '.' || quote_ident(t.tmplname), d.dictinitoption),
    'pg_ts_dict'::regclass, d.oid, 0, d.dictowner, NULL, NULL, NULL
  FROM pg_ts_dict d
  JOIN ns ON ns.oid = d.dictnamespace
  JOIN pg_ts_template t ON t.oid = d.dicttemplate
  JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
  WHERE d.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_ts_dict'::regclass)

  UNION ALL
  SELECT 'text search parser', ns.name || '.' || quote_ident(p.prsname),
    concat_ws(' ', 'START', p.prsstart::oid::regprocedure, 'GETTOKEN', p.prstoken::oid::regprocedure,
      'END', p.prsend::oid::regprocedure, 'HEADLINE ' || nullif(p.prsheadline::oid, 0)::regprocedure::text,
      'LEXTYPES', p.prslextype::oid::regprocedure),
    'pg_ts_parser'::regclass, p.oid, 0, NULL, NULL, NULL, NULL
  FROM pg_ts_parser p
  JOIN ns ON ns.oid = p.prsnamespace
  WHERE p.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_ts_parser'::regclass)

  UNION ALL
  SELECT 'text search template', ns.name || '.' || quote_ident(t.tmplname),
    concat_ws(' ', 'INIT ' || nullif(t.tmplinit::oid, 0)::regprocedure::text,
      'LEXIZE', t.tmpllexize::oid::regprocedure),
    'pg_ts_template'::regclass, t.oid, 0, NULL, NULL, NULL, NULL
  FROM pg_ts_template t
  JOIN ns ON ns.oid = t.tmplnamespace
  WHERE t.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_ts_template'::regclass)

  UNION ALL
  SELECT 'default privileges',
    concat_ws(' ', 'for role', quote_ident(pg_get_userbyid(d.defaclrole)), 'in schema ' || ns.name, 'on',
      CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
        WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' WHEN 'L' THEN 'large objects' ELSE d.defaclobjtype::text END),
    'DEFAULT PRIVILEGES', 'pg_default_acl'::regclass, d.oid, 0, d.defaclrole, d.defaclacl, d.defaclobjtype, NULL
  FROM pg_default_acl d
  LEFT JOIN ns ON ns.oid = d.defaclnamespace
  WHERE acl AND (ns.oid IS NOT NULL OR d.defaclnamespace = 0 AND schemas IS NULL)

  -- what has no schema
  UNION ALL
  SELECT 'extension', quote_ident(e.extname),
    concat_ws(' ', 'EXTENSION SCHEMA', quote_ident(n.nspname), 'VERSION', quote_literal(e.extversion)),
    'pg_extension'::regclass, e.oid, 0, e.extowner, NULL, NULL, NULL
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
  WHERE schemas IS NULL AND e.extname <> 'pg_strata'

  UNION ALL
  SELECT 'event trigger', quote_ident(v.evtname),
    concat_ws(' ', 'ON', v.evtevent,
      (SELECT 'WHEN TAG IN (' || string_agg(quote_literal(x.tag), ', ' ORDER BY x.tag COLLATE "C") || ')'
        FROM unnest(v.evttags) x (tag)),
      'EXECUTE', v.evtfoid::regprocedure, CASE v.evtenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'REPLICA'
        WHEN 'A' THEN 'ALWAYS' END),
    'pg_event_trigger'::regclass, v.oid, 0, v.evtowner, NULL, NULL, NULL
  FROM pg_event_trigger v
  WHERE schemas IS NULL
    AND v.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_event_trigger'::regclass)

  UNION ALL
  SELECT 'cast', format('(%s AS %s)', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
    concat_ws(' ',
      CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure::text WHEN 'i' THEN 'WITH INOUT'
        ELSE 'WITHOUT FUNCTION' END,
      CASE c.castcontext WHEN 'a' THEN 'AS ASSIGNMENT' WHEN 'i' THEN 'AS IMPLICIT' END),
    'pg_cast'::regclass, c.oid, 0, NULL, NULL, NULL, NULL
  FROM pg_cast c
  WHERE schemas IS NULL AND c.oid >= 16384
    AND c.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_cast'::regclass)
    AND c.oid NOT IN (SELECT d.objid FROM pg_depend d WHERE d.classid = 'pg_cast'::regclass AND d.deptype = 'i')

  UNION ALL
  SELECT 'transform', format('for %s language %I', format_type(t.trftype, NULL), l.lanname),
    concat_ws(' ', 'FROM SQL ' || nullif(t.trffromsql::oid, 0)::regprocedure::text,
      'TO SQL ' || nullif(t.trftosql::oid, 0)::regprocedure::text),
    'pg_transform'::regclass, t.oid, 0, NULL, NULL, NULL, NULL
  FROM pg_transform t
  JOIN pg_language l ON l.oid = t.trflang
  WHERE schemas IS NULL
    AND t.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_transform'::regclass)

  UNION ALL
  SELECT 'language', quote_ident(l.lanname),
    concat_ws(' ', CASE WHEN l.lanpltrusted THEN 'TRUSTED' END, 'LANGUAGE HANDLER', l.lanplcallfoid::regprocedure,
      'INLINE ' || nullif(l.laninline, 0)::regprocedure::text,
      'VALIDATOR ' || nullif(l.lanvalidator, 0)::regprocedure::text),
    'pg_language'::regclass, l.oid, 0, l.lanowner, l.lanacl, 'l', NULL
  FROM pg_language l
  WHERE schemas IS NULL AND l.oid >= 16384
    AND l.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_language'::regclass)

  UNION ALL
  SELECT 'access method', quote_ident(a.amname),
    concat_ws(' ', 'TYPE', CASE a.amtype WHEN 't' THEN 'TABLE' ELSE 'INDEX' END,
      'HANDLER', a.amhandler::oid::regprocedure),
    'pg_am'::regclass, a.oid, 0, NULL, NULL, NULL, NULL
  FROM pg_am a
  WHERE schemas IS NULL AND a.oid >= 16384
    AND a.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_am'::regclass)

  UNION ALL
  -- generated columns can be published since 18
  SELECT 'publication', quote_ident(p.pubname),
    concat_ws(' ', 'PUBLISH', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
        CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
        CASE WHEN p.pubtruncate THEN 'truncate' END),
      CASE WHEN p.pubviaroot THEN 'VIA ROOT' END,
      'GENERATED ' || (to_jsonb(p) ->> 'pubgencols'),
      CASE WHEN p.puballtables THEN 'FOR ALL TABLES' END,
      (SELECT 'FOR TABLES IN SCHEMA ' || string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname)
        FROM pg_publication_namespace x JOIN pg_namespace n ON n.oid = x.pnnspid WHERE x.pnpubid = p.oid),
      (SELECT 'FOR TABLE ' || string_agg(concat_ws(' ', x.prrelid::regclass,
            (SELECT '(' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) || ')' FROM pg_attribute a
              WHERE a.attrelid = x.prrelid AND a.attnum = ANY (x.prattrs)),
            'WHERE ' || pg_get_expr(x.prqual, x.prrelid)), ', ' ORDER BY n.nspname, c.relname)
        FROM pg_publication_rel x
        JOIN pg_class c ON c.oid = x.prrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE x.prpubid = p.oid AND n.nspname <> 'strata_chunks'
          AND c.oid <> ALL (coalesce(except_relations, '{}')))),
    'pg_publication'::regclass, p.oid, 0, p.pubowner, NULL, NULL, NULL
  FROM pg_publication p
  WHERE schemas IS NULL
    AND p.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_publication'::regclass)

  UNION ALL
  -- not to_jsonb: only some columns may be read, and the connection holds a password
  SELECT 'subscription', quote_ident(s.subname),
    concat_ws(' ', 'PUBLICATION', (SELECT string_agg(quote_ident(x.name), ', ' ORDER BY x.name COLLATE "C")
        FROM unnest(s.subpublications) x (name)),
      'SLOT ' || quote_ident(s.subslotname), 'SYNCHRONOUS_COMMIT', s.subsynccommit,
      CASE WHEN s.subbinary THEN 'BINARY' END, 'STREAMING', s.substream, 'TWO_PHASE', s.subtwophasestate <> 'd',
      CASE WHEN s.subdisableonerr THEN 'DISABLE_ON_ERROR' END),
    'pg_subscription'::regclass, s.oid, 0, s.subowner, NULL, NULL,
    concat_ws('; ', CASE WHEN NOT s.subenabled THEN 'not enabled' END,
      'comment: ' || shobj_description(s.oid, 'pg_subscription'))
  FROM pg_subscription s
  JOIN pg_database b ON b.oid = s.subdbid AND b.datname = current_database()
  WHERE schemas IS NULL

  UNION ALL
  SELECT 'foreign-data wrapper', quote_ident(w.fdwname),
    concat_ws(' ', 'FOREIGN DATA WRAPPER', 'HANDLER ' || nullif(w.fdwhandler, 0)::regprocedure::text,
      'VALIDATOR ' || nullif(w.fdwvalidator, 0)::regprocedure::text, 'OPTIONS (' || o.list || ')'),
    'pg_foreign_data_wrapper'::regclass, w.oid, 0, w.fdwowner, w.fdwacl, 'F', NULL
  FROM pg_foreign_data_wrapper w
  LEFT JOIN options o ON o.class = 'pg_foreign_data_wrapper'::regclass AND o.object = w.oid
  WHERE schemas IS NULL
    AND w.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_foreign_data_wrapper'::regclass)

  UNION ALL
  SELECT 'server', quote_ident(s.srvname),
    concat_ws(' ', 'SERVER', 'TYPE ' || quote_literal(s.srvtype), 'VERSION ' || quote_literal(s.srvversion),
      'FOREIGN DATA WRAPPER', quote_ident(w.fdwname), 'OPTIONS (' || o.list || ')'),
    'pg_foreign_server'::regclass, s.oid, 0, s.srvowner, s.srvacl, 'S', NULL
  FROM pg_foreign_server s
  JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
  LEFT JOIN options o ON o.class = 'pg_foreign_server'::regclass AND o.object = s.oid
  WHERE schemas IS NULL
    AND s.oid NOT IN (SELECT m.objid FROM member m WHERE m.classid = 'pg_foreign_server'::regclass)

  UNION ALL
  SELECT 'user mapping', format('%s on server %I', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END,
      u.srvname),
    'USER MAPPING', 'pg_user_mapping'::regclass, u.umid, 0, NULL, NULL, NULL, NULL
  FROM pg_user_mappings u
  WHERE schemas IS NULL
), granted (kind, owner, items, list) AS MATERIALIZED (
  -- many objects share an ACL: each one is told once
  SELECT x.kind, x.owner, x.items, (
    SELECT string_agg(z.who || ': ' || z.what, '; ' ORDER BY z.who COLLATE "C") FROM (
      SELECT y.who, string_agg(y.privilege || CASE WHEN y.grantable THEN '*' ELSE '' END, ', '
        ORDER BY y.privilege COLLATE "C")
      FROM (
        SELECT CASE a.grantee WHEN x.owner THEN '(owner)' WHEN 0 THEN 'PUBLIC'
            ELSE quote_ident(pg_get_userbyid(a.grantee)) END, a.privilege_type, bool_or(a.is_grantable)
        FROM aclexplode(coalesce(x.items, acldefault(x.kind, x.owner))) a
        GROUP BY a.grantee, a.privilege_type
      ) y (who, privilege, grantable)
      GROUP BY y.who
    ) z (who, what))
  FROM (
    SELECT DISTINCT o.acl_kind, o.owner, o.acl_items FROM object o WHERE o.acl_kind IS NOT NULL
  ) x (kind, owner, items)
  WHERE acl
)
SELECT o.kind, o.identity,
  concat_ws(E'\n',
    -- v IN ('a', 'b') of a varchar is printed in one way when it is new, and in another after a dump and restore:
    -- (ARRAY['a'::character varying, ...])::text[] and ARRAY[('a'::character varying)::text, ...]
    CASE WHEN o.definition LIKE '%''::character varying%' AND o.class <> 'pg_proc'::regclass
      THEN regexp_replace(regexp_replace(o.definition,
        '\((ARRAY\[(?:''(?:[^'']|'''')*''::character varying(?:, )?)+\])\)::text\[\]', '\1', 'g'),
        '\((''(?:[^'']|'''')*''::character varying)\)::text', '\1', 'g')
      ELSE o.definition END,
    'DEPENDS ON EXTENSION ' || p.extensions,
    'ACL ' || CASE WHEN acl AND o.acl_kind IS NOT NULL THEN coalesce(g.list, CASE o.acl_kind WHEN 'c' THEN NULL
      ELSE 'none' END) END),
  nullif(concat_ws('; ', 'owner ' || CASE o.part WHEN 0 THEN quote_ident(pg_get_userbyid(o.owner)) END,
    nullif(o.note, ''), 'comment: ' || d.description), '')
FROM object o
LEFT JOIN depends p ON p.class = o.class AND p.object = o.object AND o.part = 0
LEFT JOIN pg_description d ON d.classoid = o.class AND d.objoid = o.object AND d.objsubid = o.part
LEFT JOIN granted g ON g.kind = o.acl_kind AND g.owner = o.owner AND g.items IS NOT DISTINCT FROM o.acl_items
  -- IS NOT DISTINCT FROM alone cannot be hashed
  AND coalesce(hash_array(g.items), 0) = coalesce(hash_array(o.acl_items), 0)
ORDER BY o.kind COLLATE "C", o.identity COLLATE "C"
$query$;
COMMENT ON FUNCTION strata._migrate_objects(name[], boolean, oid[])
  IS 'internal: objects of the database or of some schemas as text';
REVOKE ALL ON FUNCTION strata._migrate_objects(name[], boolean, oid[]) FROM PUBLIC;
