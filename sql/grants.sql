-- Who may do what. Functions check ownership themselves; internal ones are not for PUBLIC.
GRANT USAGE ON SCHEMA strata TO PUBLIC;

REVOKE ALL ON TABLE strata.cold_setting, strata.cold_file, strata.cold_column, strata.cold_key, strata.cold_index,
    strata.cold_touch, strata.cold_export, strata.cold_upload, strata.cold_delete_queue,
    strata.cold_owner, strata.cold_head, strata.cold_sum, strata.cold_run,
    strata.cold_dump_mark FROM PUBLIC;
GRANT SELECT ON strata.cold_files, strata.cold_exports, strata.cold_progress, strata.cold_session_files TO PUBLIC;

REVOKE ALL ON FUNCTION strata._cold_restored() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_handler(internal) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._sqlite_handler() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._sqlite_validator(text[], oid) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_on_drop() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_changed() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_unreplicated() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_forgotten() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_guard() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_before_alter() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_after_alter() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_before_alter_now() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._cold_after_alter_now() FROM PUBLIC;

-- the directory inside the data directory: its use is bounded by what the role may store anyway
GRANT USAGE ON FOREIGN SERVER strata_local TO PUBLIC;

-- owning files and deleting them
REVOKE ALL ON TABLE strata.cold_lease, strata.cold_gc_log FROM PUBLIC;
GRANT SELECT ON strata.cold_leases TO PUBLIC;
REVOKE ALL ON FUNCTION strata.cold_gc(name, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata.cold_adopt(name) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata.cold_fork(name) FROM PUBLIC;

-- What ALTER DEFAULT PRIVILEGES of the installing role gives to others is for tables of theirs: who may write to
-- these tables, or make objects in this schema, can have commands run as the owner of the extension.
DO $$
DECLARE
  statement text;
BEGIN
  FOR statement IN
    WITH members AS (
      SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
      WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
        AND d.deptype OPERATOR(pg_catalog.=) 'e' AND e.extname OPERATOR(pg_catalog.=) 'pg_strata'
    ), granted AS (
      SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END
             OPERATOR(pg_catalog.||) c.oid::pg_catalog.regclass::text AS object, a.grantee,
             CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::oid AND c.relkind OPERATOR(pg_catalog.=) 'v'
                  THEN 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER' ELSE 'ALL' END AS what
      FROM members m JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) m.objid
      CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) a
      WHERE m.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
        AND a.grantee OPERATOR(pg_catalog.<>) c.relowner
        -- views are for everybody, to be read
        AND (a.grantee OPERATOR(pg_catalog.<>) 0::oid OR c.relkind OPERATOR(pg_catalog.<>) 'v'
             OR a.privilege_type OPERATOR(pg_catalog.<>) 'SELECT')
      UNION
      SELECT 'ROUTINE ' OPERATOR(pg_catalog.||) p.oid::pg_catalog.regprocedure::text, a.grantee, 'ALL'
      FROM members m JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) m.objid
      CROSS JOIN LATERAL pg_catalog.aclexplode(p.proacl) a
      WHERE m.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND a.grantee OPERATOR(pg_catalog.<>) p.proowner AND a.grantee OPERATOR(pg_catalog.<>) 0::oid
    )
    SELECT pg_catalog.format('REVOKE %s ON %s FROM %s CASCADE', g.what, g.object,
             CASE WHEN g.grantee OPERATOR(pg_catalog.=) 0::oid THEN 'PUBLIC'
                  ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(g.grantee)) END)
    FROM granted g
    UNION
    SELECT pg_catalog.format('REVOKE CREATE ON SCHEMA strata FROM %s CASCADE',
             CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::oid THEN 'PUBLIC'
                  ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END)
    FROM pg_catalog.pg_namespace n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a
    WHERE n.nspname OPERATOR(pg_catalog.=) 'strata' AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner
      AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
  LOOP
    EXECUTE statement;
  END LOOP;
END
$$;
