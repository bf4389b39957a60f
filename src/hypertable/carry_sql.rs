//! The questions of `carry`: each row of an answer is one statement that makes a thing again, and the role
//! that runs it (0: the usual one).
//!
//! They run with `search_path = pg_catalog, pg_temp` (see `chunks::ddl_settings`), so plain names mean
//! pg_catalog and all definitions come out qualified. `$1` is the table that has a thing, `$2` the quoted
//! name of the table that gets it.

pub const RENAME_INDEXES: &str = "
SELECT format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass, 'strata_old_' || i.indexrelid), 0::oid
FROM pg_index i WHERE i.indrelid = $1 AND $2 <> '' ORDER BY i.indexrelid";

pub const RENAME_STATISTICS: &str = "
SELECT format('ALTER STATISTICS %I.%I RENAME TO %I', n.nspname, s.stxname, 'strata_old_' || s.oid), 0::oid
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
WHERE s.stxrelid = $1 AND $2 <> '' ORDER BY s.oid";

pub const RENAME_IDENTITIES: &str = "
SELECT format('ALTER SEQUENCE %s RENAME TO %I', d.objid::regclass, 'strata_old_' || d.objid), 0::oid
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
  AND d.deptype = 'i' AND $2 <> '' ORDER BY d.objid";

// pg_attver is the server's own mark (minor releases of 2026), not an option of the user
pub const COLUMN_SETTINGS: &str = "
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', $2, a.attname, a.attstattarget), 0::oid
FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', $2, a.attname, o.list), 0
FROM pg_attribute a, LATERAL (SELECT string_agg(o, ', ') AS list FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\\_attver=%') o
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND o.list IS NOT NULL";

pub const ROW_SECURITY: &str = "
SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', $2), 0::oid FROM pg_class c WHERE c.oid = $1 AND c.relrowsecurity";

pub const FORCE_ROW_SECURITY: &str = "
SELECT format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', $2), 0::oid FROM pg_class c WHERE c.oid = $1 AND c.relforcerowsecurity";

pub const STATISTICS: &str = "
SELECT x.sql, 0::oid FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace,
LATERAL (VALUES
  (1, pg_get_statisticsobjdef(s.oid)),
  (2, format('ALTER STATISTICS %I.%I OWNER TO %I', n.nspname, s.stxname, pg_get_userbyid(s.stxowner))),
  (3, CASE WHEN s.stxstattarget >= 0
      THEN format('ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, s.stxname, s.stxstattarget) END)) x(n, sql)
WHERE s.stxrelid = $1 AND x.sql IS NOT NULL AND $2 <> '' ORDER BY s.oid, x.n";

pub const INDEXES: &str = "
SELECT ic.relname::text, pg_get_indexdef(i.indexrelid), pg_get_constraintdef(c.oid), c.conname::text,
       COALESCE((SELECT string_agg(format('%s=%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ')
                 FROM unnest(ic.reloptions) o), ''),
       COALESCE(t.spcname::text, ''),
       ARRAY(SELECT format('ALTER INDEX %I.%I ALTER COLUMN %s SET STATISTICS %s', n.nspname, ic.relname, a.attnum, a.attstattarget)
             FROM pg_attribute a WHERE a.attrelid = ic.oid AND a.attstattarget >= 0 ORDER BY a.attnum),
       i.indexrelid
FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_namespace n ON n.oid = ic.relnamespace
LEFT JOIN pg_tablespace t ON t.oid = ic.reltablespace
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u', 'x')
WHERE i.indrelid = $1
ORDER BY i.indisprimary DESC, c.oid IS NULL, i.indexrelid";

pub const DROP_REFERENCES_IN: &str = "
SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname), 0::oid
FROM pg_constraint c WHERE c.confrelid = $1 AND c.conrelid <> $1 AND c.contype = 'f' AND c.conparentid = 0 AND $2 <> ''
ORDER BY c.oid";

pub const REFERENCES_OUT: &str = "
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $2, c.conname, pg_get_constraintdef(c.oid)), 0::oid
FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'f' AND c.conparentid = 0 ORDER BY c.oid";

pub const REFERENCES_IN: &str = "
SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid)), r.relowner
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE c.confrelid = $1 AND c.conrelid <> $1 AND c.contype = 'f' AND c.conparentid = 0 AND $2 <> '' ORDER BY c.oid";

pub const TRIGGERS: &str = "
SELECT x.sql, 0::oid FROM pg_trigger t, LATERAL (VALUES
  (1, pg_get_triggerdef(t.oid)),
  (2, CASE t.tgenabled WHEN 'D' THEN format('ALTER TABLE %s DISABLE TRIGGER %I', $2, t.tgname)
                       WHEN 'R' THEN format('ALTER TABLE %s ENABLE REPLICA TRIGGER %I', $2, t.tgname)
                       WHEN 'A' THEN format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', $2, t.tgname) END)) x(n, sql)
WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND x.sql IS NOT NULL ORDER BY t.oid, x.n";

// what goes when an extension goes
pub const EXTENSIONS: &str = "
SELECT CASE WHEN t.oid IS NULL THEN format('ALTER INDEX %s DEPENDS ON EXTENSION %I', i.indexrelid::regclass, e.extname)
            ELSE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION %I', t.tgname, $2, e.extname) END, 0::oid
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid AND i.indrelid = $1
LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid AND t.tgrelid = $1 AND NOT t.tgisinternal
WHERE d.deptype = 'x' AND (i.indexrelid IS NOT NULL OR t.oid IS NOT NULL) AND $2 <> '' ORDER BY 1";

pub const RULES: &str = "
SELECT x.sql, 0::oid FROM pg_rewrite r, LATERAL (VALUES
  (1, pg_get_ruledef(r.oid)),
  (2, CASE r.ev_enabled WHEN 'D' THEN format('ALTER TABLE %s DISABLE RULE %I', $2, r.rulename)
                        WHEN 'R' THEN format('ALTER TABLE %s ENABLE REPLICA RULE %I', $2, r.rulename)
                        WHEN 'A' THEN format('ALTER TABLE %s ENABLE ALWAYS RULE %I', $2, r.rulename) END)) x(n, sql)
WHERE r.ev_class = $1 AND x.sql IS NOT NULL ORDER BY r.oid, x.n";

pub const POLICIES: &str = "
SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, $2,
              CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
              CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
              (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ') FROM unnest(p.polroles) r))
       || COALESCE(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
       || COALESCE(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''), 0::oid
FROM pg_policy p WHERE p.polrelid = $1 ORDER BY p.oid";

pub const REPLICA_IDENTITY: &str = "
SELECT CASE c.relreplident WHEN 'n' THEN format('ALTER TABLE %s REPLICA IDENTITY NOTHING', $2)
                           WHEN 'f' THEN format('ALTER TABLE %s REPLICA IDENTITY FULL', $2)
                           ELSE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', $2, ic.relname) END, 0::oid
FROM pg_class c LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisreplident LEFT JOIN pg_class ic ON ic.oid = i.indexrelid
WHERE c.oid = $1 AND (c.relreplident IN ('n', 'f') OR c.relreplident = 'i' AND ic.oid IS NOT NULL)";

pub const OWNED_SEQUENCES: &str = "
SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, $2, a.attname), 0::oid
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'a'
ORDER BY d.objid";

pub const VIEWS: &str = "
WITH own AS (
  SELECT 'pg_class'::regclass::oid AS classid, $1::oid AS objid
  UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1
  UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = $1
  UNION ALL SELECT 'pg_type'::regclass, reltype FROM pg_class WHERE oid = $1)
SELECT DISTINCT ON (r.rulename <> '_RETURN', r.oid)
  CASE WHEN r.rulename = '_RETURN'
       THEN format('CREATE OR REPLACE VIEW %s%s AS %s', v.oid::regclass,
                   ' WITH (' || array_to_string(v.reloptions, ', ') || ')', pg_get_viewdef(v.oid))
       ELSE regexp_replace(pg_get_ruledef(r.oid), '^CREATE RULE', 'CREATE OR REPLACE RULE') END, 0::oid
FROM pg_depend d JOIN own o ON d.refclassid = o.classid AND d.refobjid = o.objid
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v'
WHERE $2 <> '' ORDER BY r.rulename <> '_RETURN', r.oid";

pub const PUBLICATIONS: &str = "
SELECT format('ALTER PUBLICATION %I ADD TABLE %s', p.pubname, $2)
       || COALESCE((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')'
                    FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum = ANY (r.prattrs::int2[])), '')
       || COALESCE(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', ''), 0::oid
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1 ORDER BY r.oid";

pub const COMMENTS: &str = "
SELECT CASE WHEN d.objsubid > 0 THEN format('COMMENT ON COLUMN %s.%I IS %L', $2, a.attname, d.description)
            ELSE format('COMMENT ON TABLE %s IS %L', $2, d.description) END, 0::oid
FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
WHERE d.classoid = 'pg_class'::regclass AND d.objoid = $1
UNION ALL
SELECT format('COMMENT ON INDEX %s IS %L', i.indexrelid::regclass, d.description), 0
FROM pg_index i JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = i.indexrelid WHERE i.indrelid = $1
UNION ALL
SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', c.conname,
              CASE WHEN c.conrelid = $1 THEN $2 ELSE c.conrelid::regclass::text END, d.description), 0
FROM pg_constraint c JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = c.oid
WHERE c.conrelid = $1 OR c.confrelid = $1 AND c.conparentid = 0
UNION ALL
SELECT format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, $2, d.description), 0
FROM pg_trigger t JOIN pg_description d ON d.classoid = 'pg_trigger'::regclass AND d.objoid = t.oid WHERE t.tgrelid = $1
UNION ALL
SELECT format('COMMENT ON RULE %I ON %s IS %L', r.rulename, $2, d.description), 0
FROM pg_rewrite r JOIN pg_description d ON d.classoid = 'pg_rewrite'::regclass AND d.objoid = r.oid WHERE r.ev_class = $1
UNION ALL
SELECT format('COMMENT ON POLICY %I ON %s IS %L', p.polname, $2, d.description), 0
FROM pg_policy p JOIN pg_description d ON d.classoid = 'pg_policy'::regclass AND d.objoid = p.oid WHERE p.polrelid = $1
UNION ALL
SELECT format('COMMENT ON STATISTICS %I.%I IS %L', n.nspname, s.stxname, d.description), 0
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
JOIN pg_description d ON d.classoid = 'pg_statistic_ext'::regclass AND d.objoid = s.oid WHERE s.stxrelid = $1
UNION ALL
SELECT format('COMMENT ON SEQUENCE %s IS %L', s.objid::regclass, d.description), 0
FROM pg_depend s JOIN pg_description d ON d.classoid = 'pg_class'::regclass AND d.objoid = s.objid
WHERE s.classid = 'pg_class'::regclass AND s.refclassid = 'pg_class'::regclass AND s.refobjid = $1 AND s.deptype = 'i' AND s.refobjsubid > 0
UNION ALL
SELECT format('COMMENT ON TYPE %s IS %L', $2, d.description), 0
FROM pg_class c JOIN pg_description d ON d.classoid = 'pg_type'::regclass AND d.objoid = c.reltype WHERE c.oid = $1";

pub const LABELS: &str = "
SELECT CASE WHEN l.objsubid > 0 THEN format('SECURITY LABEL FOR %I ON COLUMN %s.%I IS %L', l.provider, $2, a.attname, l.label)
            ELSE format('SECURITY LABEL FOR %I ON TABLE %s IS %L', l.provider, $2, l.label) END, 0::oid
FROM pg_seclabel l LEFT JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
WHERE l.classoid = 'pg_class'::regclass AND l.objoid = $1";

/// What LIKE does not copy: actions of ALTER TABLE (second column NULL), and security labels, as what comes
/// before the name of the table and what comes after it.
pub const FOR_CHUNKS: &str = "
SELECT format('ALTER COLUMN %I SET STATISTICS %s', a.attname, a.attstattarget), NULL
FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0
UNION ALL
SELECT format('ALTER COLUMN %I SET (%s)', a.attname, o.list), NULL
FROM pg_attribute a, LATERAL (SELECT string_agg(o, ', ') AS list FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg\\_attver=%') o
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND o.list IS NOT NULL
UNION ALL
SELECT format('SECURITY LABEL FOR %I ON %s ', l.provider, CASE WHEN l.objsubid > 0 THEN 'COLUMN' ELSE 'TABLE' END),
       format('%s IS %L', '.' || quote_ident(a.attname), l.label)
FROM pg_seclabel l LEFT JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid AND l.objsubid > 0
WHERE l.classoid = 'pg_class'::regclass AND l.objoid = $1";

// the owner's own grants first: others granted what they got from the owner
pub const GRANTS: &str = "
SELECT sql, CASE WHEN grantor = relowner THEN 0::oid ELSE grantor END FROM (
  SELECT 0 AS n, 0::bigint AS ord, format('REVOKE ALL ON %s %s FROM %I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, $2, pg_get_userbyid(c.relowner)) AS sql,
         c.relowner AS grantor, c.relowner
  FROM pg_class c WHERE c.oid = $1 AND c.relacl IS NOT NULL
  UNION ALL
  SELECT CASE WHEN a.grantor = c.relowner THEN 1 ELSE 2 END, a.ord,
         format('GRANT %s ON %s %s TO %s%s', a.privilege_type, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, $2,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), a.grantor, c.relowner
  FROM pg_class c, aclexplode(c.relacl) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, ord) WHERE c.oid = $1
  UNION ALL
  SELECT CASE WHEN a.grantor = c.relowner THEN 3 ELSE 4 END, a.ord,
         format('GRANT %s (%I) ON TABLE %s TO %s%s', a.privilege_type, t.attname, $2,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), a.grantor, c.relowner
  FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND NOT t.attisdropped,
       aclexplode(t.attacl) WITH ORDINALITY a(grantor, grantee, privilege_type, is_grantable, ord) WHERE c.oid = $1) g
ORDER BY n, ord";

pub const IDENTITIES: &str = "
SELECT a.attname::text, n.nspname::text, s.relname::text, s.oid
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'i'
ORDER BY a.attnum";

pub const REVOKES: &str = "
SELECT DISTINCT format('REVOKE ALL ON %s %s FROM %s CASCADE', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::regclass,
                       CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = $1 AND a.grantee <> c.relowner";

pub const OPTIONS: &str = "
SELECT COALESCE(c.reloptions, '{}') || COALESCE((SELECT array_agg('toast.' || o) FROM pg_class t, unnest(t.reloptions) o
                                                 WHERE t.oid = c.reltoastrelid), '{}')
FROM pg_class c WHERE c.oid = $1";

pub const COLUMNS: &str = "
SELECT quote_ident(a.attname) FROM pg_attribute a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum";

pub const CLUSTERED: &str = "
SELECT ic.relname::text FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = $1 AND i.indisclustered";

pub const CHILD_REPLICA_IDENTITY: &str = "
SELECT CASE p.relreplident WHEN 'n' THEN format('ALTER TABLE %s REPLICA IDENTITY NOTHING', $3)
                           WHEN 'f' THEN format('ALTER TABLE %s REPLICA IDENTITY FULL', $3)
                           ELSE (SELECT format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', $3, cc.relname)
                                 FROM pg_index pi JOIN pg_inherits h ON h.inhparent = pi.indexrelid
                                 JOIN pg_index ci ON ci.indexrelid = h.inhrelid AND ci.indrelid = $2
                                 JOIN pg_class cc ON cc.oid = ci.indexrelid
                                 WHERE pi.indrelid = $1 AND pi.indisreplident) END
FROM pg_class p WHERE p.oid = $1 AND p.relreplident <> 'd'";
