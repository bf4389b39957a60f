-- Migrations: what statements lock and write anew. See src/migration/explain.rs.

CREATE FUNCTION strata.migrate_explain(version text DEFAULT NULL, body text DEFAULT NULL, direction text DEFAULT 'up',
    lock_timeout interval DEFAULT '3s', namespace text DEFAULT 'default')
RETURNS TABLE (version text, filename text, statement integer, line integer, command text, object text, lock_mode text,
    rewrites text[], est_rows bigint, bytes bigint, duration interval, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_explain_wrapper';
COMMENT ON FUNCTION strata.migrate_explain(text, text, text, interval, text)
  IS 'runs statements, tells which relations they lock and write anew, and rolls all of it back; the locks are held meanwhile';
