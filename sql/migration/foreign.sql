-- Migrations: tables of other tools. See src/migration/api_foreign.rs.

CREATE FUNCTION strata.migrate_detect()
RETURNS TABLE (tool text, relation regclass, versions bigint, head text, dirty boolean, note text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_detect_wrapper';
COMMENT ON FUNCTION strata.migrate_detect()
  IS 'tables that look like those in which other tools keep what is applied';

CREATE FUNCTION strata.migrate_adopt(tool text DEFAULT 'auto', relation regclass DEFAULT NULL,
    dry_run boolean DEFAULT false, namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, state text, checksum text, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_adopt_wrapper';
COMMENT ON FUNCTION strata.migrate_adopt(text, regclass, boolean, text)
  IS 'counts as applied what the table of another tool says is applied, and checks its checksums';

CREATE FUNCTION strata.migrate_mirror(tool text, relation text DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_mirror_wrapper';
COMMENT ON FUNCTION strata.migrate_mirror(text, text, text)
  IS 'keeps the table of another tool in step from now on, so that either may be used next';

CREATE FUNCTION strata.migrate_unmirror(namespace text DEFAULT 'default')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_unmirror_wrapper';
COMMENT ON FUNCTION strata.migrate_unmirror(text)
  IS 'lets the table of the other tool be from now on; it stays as it is';

CREATE FUNCTION strata.migrate_export(tool text, relation text, namespace text DEFAULT 'default')
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_export_wrapper';
COMMENT ON FUNCTION strata.migrate_export(text, text, text)
  IS 'writes the table of another tool once, as it would have it now; returns its rows';
