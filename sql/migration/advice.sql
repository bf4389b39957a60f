-- Migrations: advice. See src/migration/api_advice.rs.

CREATE FUNCTION strata.migrate_lint(version text DEFAULT NULL, body text DEFAULT NULL,
    min_severity text DEFAULT 'info', namespace text DEFAULT 'default')
RETURNS TABLE (version text, filename text, statement integer, line integer, rule text, severity text, object text,
  est_rows bigint, bytes bigint, message text, suggestion text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_lint_wrapper';
COMMENT ON FUNCTION strata.migrate_lint(text, text, text, text)
  IS 'what pending files, one version, or a text would do to the tables as they are; runs nothing';

CREATE FUNCTION strata.migrate_generate_down(version text, namespace text DEFAULT 'default')
RETURNS TABLE (step integer, sql text, basis text, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_generate_down_wrapper';
COMMENT ON FUNCTION strata.migrate_generate_down(text, text)
  IS 'the way back from a version, for review: its up is run, looked at and undone';

CREATE FUNCTION strata._migrate_acl(acl aclitem[], kind "char", owner oid, of_column name)
RETURNS TABLE (what text, who text)
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $query$
  WITH has AS (
    SELECT x.grantee, x.privilege_type, x.is_grantable
    FROM aclexplode(acl) x WHERE x.grantee <> owner
  ), born AS (
    SELECT x.grantee, x.privilege_type, x.is_grantable
    FROM aclexplode(acldefault(kind, owner)) x WHERE x.grantee <> owner
  )
  SELECT concat('GRANT ', h.privilege_type, ' (' || quote_ident(of_column) || ')'),
    concat('TO ', CASE h.grantee WHEN 0 THEN 'PUBLIC' ELSE h.grantee::regrole::text END,
      CASE WHEN h.is_grantable THEN ' WITH GRANT OPTION' END)
  FROM has h WHERE (h.grantee, h.privilege_type, h.is_grantable) NOT IN (SELECT * FROM born)
  UNION ALL
  SELECT concat('REVOKE ', b.privilege_type),
    concat('FROM ', CASE b.grantee WHEN 0 THEN 'PUBLIC' ELSE b.grantee::regrole::text END)
  FROM born b WHERE acl IS NOT NULL AND (b.grantee, b.privilege_type) NOT IN (
    SELECT h.grantee, h.privilege_type FROM has h)
  ORDER BY 1, 2
$query$;
COMMENT ON FUNCTION strata._migrate_acl(aclitem[], "char", oid, name)
  IS 'internal: how the privileges of an object become what they are, beside what is granted by default';
