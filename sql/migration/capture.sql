-- Migrations: changes of the schema as event triggers see them. See src/migration/capture.rs.

CREATE TABLE strata.migrate_change (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  namespace text,
  tenant name,
  version text,
  run uuid,
  command text NOT NULL,
  kind text NOT NULL,
  object text,
  role name NOT NULL,
  session_role name NOT NULL,
  xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id()
);
CREATE INDEX migrate_change_version ON strata.migrate_change (namespace, version);
COMMENT ON TABLE strata.migrate_change IS 'changes of the schema while strata.migrate_capture() is on; setting strata.capture_keep says how many are kept';
COMMENT ON COLUMN strata.migrate_change.id IS 'number';
COMMENT ON COLUMN strata.migrate_change.at IS 'when';
COMMENT ON COLUMN strata.migrate_change.namespace IS 'of the migration that did it; NULL: none';
COMMENT ON COLUMN strata.migrate_change.tenant IS 'schema that it was run for; empty: the database';
COMMENT ON COLUMN strata.migrate_change.version IS 'version, or R__name; empty: hooks around a run; NULL: no migration';
COMMENT ON COLUMN strata.migrate_change.run IS 'the call that ran it';
COMMENT ON COLUMN strata.migrate_change.command IS 'such as ALTER TABLE';
COMMENT ON COLUMN strata.migrate_change.kind IS 'such as table; of a dropped object, what it was';
COMMENT ON COLUMN strata.migrate_change.object IS 'with its schema, quoted where that is needed';
COMMENT ON COLUMN strata.migrate_change.role IS 'role that was active';
COMMENT ON COLUMN strata.migrate_change.session_role IS 'role that was connected';
COMMENT ON COLUMN strata.migrate_change.xid IS 'transaction';
REVOKE ALL ON TABLE strata.migrate_change FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_change', '');
COMMENT ON SEQUENCE strata.migrate_change_id_seq IS 'numbers changes that were noted';
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_change_id_seq', '');

CREATE FUNCTION strata._migrate_captured() RETURNS event_trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'migrate_captured_wrapper';
COMMENT ON FUNCTION strata._migrate_captured() IS 'internal: notes a change of the schema in strata.migrate_change';
REVOKE ALL ON FUNCTION strata._migrate_captured() FROM PUBLIC;

CREATE FUNCTION strata.migrate_capture(enable boolean) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_capture_wrapper';
COMMENT ON FUNCTION strata.migrate_capture(boolean)
  IS 'has event triggers write down who changes what in this database, or not any more; not part of a dump: call it again after a restore';

CREATE FUNCTION strata.migrate_changes(version text DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (at timestamptz, version text, command text, kind text, object text, role name)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_changes_wrapper';
COMMENT ON FUNCTION strata.migrate_changes(text, text)
  IS 'what a version has changed, or with NULL what no migration has; while strata.migrate_capture() is on';
