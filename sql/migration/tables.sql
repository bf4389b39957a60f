-- Migrations: files, what is applied, and what happened. See src/migration/mod.rs.
-- Roles are kept by name, so that a dump and its restore keep all of it.

CREATE TABLE strata.migrate_ns (
  namespace text PRIMARY KEY,
  owner name NOT NULL,
  role name,
  search_path text,
  style text NOT NULL DEFAULT 'auto',
  mirror_tool text,
  mirror_relation text,
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  created_by name NOT NULL,
  CHECK ((mirror_tool IS NULL) OPERATOR(pg_catalog.=) (mirror_relation IS NULL))
);
COMMENT ON TABLE strata.migrate_ns IS 'independent sets of migrations';
COMMENT ON COLUMN strata.migrate_ns.namespace IS 'name of the set';
COMMENT ON COLUMN strata.migrate_ns.owner IS 'role whose members may register and run its files';
COMMENT ON COLUMN strata.migrate_ns.role IS 'role that each file starts as; NULL: who calls';
COMMENT ON COLUMN strata.migrate_ns.search_path IS 'search path that each file starts with; NULL: the one of the caller';
COMMENT ON COLUMN strata.migrate_ns.style IS 'how names of files are read';
COMMENT ON COLUMN strata.migrate_ns.mirror_tool IS 'another tool whose table is kept in step';
COMMENT ON COLUMN strata.migrate_ns.mirror_relation IS 'that table, with its schema';
COMMENT ON COLUMN strata.migrate_ns.settings IS 'lint_pages, keep_snapshots';
COMMENT ON COLUMN strata.migrate_ns.created_at IS 'when it was made';
COMMENT ON COLUMN strata.migrate_ns.created_by IS 'who made it';

CREATE TABLE strata.migrate_body (
  sha256 bytea PRIMARY KEY,
  marks text,
  body text NOT NULL
);
-- texts compress well, and are read whole
ALTER TABLE strata.migrate_body ALTER COLUMN body SET STORAGE EXTENDED;
COMMENT ON TABLE strata.migrate_body IS 'texts of migrations, each once; they stay, so that whatever ran can be undone';
COMMENT ON COLUMN strata.migrate_body.sha256 IS 'hash of the text without final line ends, and of its marks';
COMMENT ON COLUMN strata.migrate_body.marks IS 'tool whose marks tell its up from its down; NULL: all of it is one direction';
COMMENT ON COLUMN strata.migrate_body.body IS 'the text as it was registered first';

CREATE TABLE strata.migrate_file (
  namespace text NOT NULL REFERENCES strata.migrate_ns,
  kind text NOT NULL,
  version text NOT NULL,
  name text NOT NULL,
  sort_key numeric[] NOT NULL,
  up_filename text,
  down_filename text,
  up_sha bytea REFERENCES strata.migrate_body,
  up_fp bytea,
  down_sha bytea REFERENCES strata.migrate_body,
  down_fp bytea,
  headers jsonb NOT NULL DEFAULT '{}',
  facts jsonb NOT NULL DEFAULT '{}',
  present boolean NOT NULL DEFAULT true,
  parse_error text,
  registered_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  registered_by name NOT NULL,
  PRIMARY KEY (namespace, kind, version, name),
  CHECK (kind OPERATOR(pg_catalog.=) ANY (ARRAY['versioned', 'repeatable', 'baseline', 'verify', 'before_all', 'before_each',
    'after_each', 'after_all']))
);
CREATE UNIQUE INDEX migrate_file_version ON strata.migrate_file (namespace, kind, version)
  WHERE version OPERATOR(pg_catalog.<>) '';
COMMENT ON TABLE strata.migrate_file IS 'migrations as they were registered last';
COMMENT ON COLUMN strata.migrate_file.namespace IS 'see strata.migrate_ns';
COMMENT ON COLUMN strata.migrate_file.kind IS 'versioned, repeatable, baseline, verify, or when a hook runs';
COMMENT ON COLUMN strata.migrate_file.version IS 'without leading zeros; empty where the kind has none';
COMMENT ON COLUMN strata.migrate_file.name IS 'title';
COMMENT ON COLUMN strata.migrate_file.sort_key IS 'parts of the version';
COMMENT ON COLUMN strata.migrate_file.up_filename IS 'file that holds the way up';
COMMENT ON COLUMN strata.migrate_file.down_filename IS 'file that holds the way down';
COMMENT ON COLUMN strata.migrate_file.up_sha IS 'text of that file, see strata.migrate_body';
COMMENT ON COLUMN strata.migrate_file.up_fp IS 'hash of the tokens of the way up';
COMMENT ON COLUMN strata.migrate_file.down_sha IS 'text of that file, see strata.migrate_body';
COMMENT ON COLUMN strata.migrate_file.down_fp IS 'hash of the tokens of the way down';
COMMENT ON COLUMN strata.migrate_file.headers IS 'what the file says of itself in comments';
COMMENT ON COLUMN strata.migrate_file.facts IS 'what the parser said of its statements';
COMMENT ON COLUMN strata.migrate_file.present IS 'false: it was missing when its set was registered last';
COMMENT ON COLUMN strata.migrate_file.parse_error IS 'why its text does not parse';
COMMENT ON COLUMN strata.migrate_file.registered_at IS 'when';
COMMENT ON COLUMN strata.migrate_file.registered_by IS 'by whom';

CREATE SEQUENCE strata.migrate_order_seq AS bigint;
COMMENT ON SEQUENCE strata.migrate_order_seq IS 'numbers migrations in the order in which they were applied';

CREATE TABLE strata.migrate_applied (
  namespace text NOT NULL REFERENCES strata.migrate_ns,
  tenant name NOT NULL,
  kind text NOT NULL,
  version text NOT NULL,
  name text NOT NULL,
  sort_key numeric[] NOT NULL,
  state text NOT NULL,
  direction text NOT NULL DEFAULT 'up',
  up_sha bytea REFERENCES strata.migrate_body,
  up_fp bytea,
  down_sha bytea REFERENCES strata.migrate_body,
  statements integer NOT NULL DEFAULT 0,
  statements_done integer,
  prefix_fp bytea,
  settings jsonb,
  was text,
  run uuid,
  applied_order bigint NOT NULL DEFAULT pg_catalog.nextval('strata.migrate_order_seq'),
  applied_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  applied_by name NOT NULL,
  duration interval,
  source text NOT NULL,
  PRIMARY KEY (namespace, tenant, kind, version, name),
  CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['applied', 'applied_with_errors', 'baseline', 'failed', 'running',
    'waiting'])),
  CHECK (source OPERATOR(pg_catalog.=) ANY (ARRAY['run', 'baseline', 'force', 'adopt', 'mirror']))
);
COMMENT ON TABLE strata.migrate_applied IS 'what is applied to this database';
COMMENT ON COLUMN strata.migrate_applied.namespace IS 'see strata.migrate_ns';
COMMENT ON COLUMN strata.migrate_applied.tenant IS 'schema that it was applied to; empty: the database';
COMMENT ON COLUMN strata.migrate_applied.kind IS 'versioned or repeatable';
COMMENT ON COLUMN strata.migrate_applied.version IS 'empty for a repeatable one';
COMMENT ON COLUMN strata.migrate_applied.name IS 'title';
COMMENT ON COLUMN strata.migrate_applied.sort_key IS 'parts of the version';
COMMENT ON COLUMN strata.migrate_applied.state IS 'applied, applied_with_errors, baseline, failed, running or waiting';
COMMENT ON COLUMN strata.migrate_applied.direction IS 'what a failed or running one was doing: up or down';
COMMENT ON COLUMN strata.migrate_applied.up_sha IS 'text as it ran';
COMMENT ON COLUMN strata.migrate_applied.up_fp IS 'hash of its tokens';
COMMENT ON COLUMN strata.migrate_applied.down_sha IS 'text of the way down at that time';
COMMENT ON COLUMN strata.migrate_applied.statements IS 'how many it has';
COMMENT ON COLUMN strata.migrate_applied.statements_done IS 'of a failed one: so many have taken effect';
COMMENT ON COLUMN strata.migrate_applied.prefix_fp IS 'of a failed one: hash of the tokens of these';
COMMENT ON COLUMN strata.migrate_applied.settings IS 'of a running or failed one: what these have SET';
COMMENT ON COLUMN strata.migrate_applied.was IS 'state before a way down that is being run or has failed';
COMMENT ON COLUMN strata.migrate_applied.run IS 'the call that applied it';
COMMENT ON COLUMN strata.migrate_applied.applied_order IS 'what was applied later has a larger number';
COMMENT ON COLUMN strata.migrate_applied.applied_at IS 'when';
COMMENT ON COLUMN strata.migrate_applied.applied_by IS 'by whom';
COMMENT ON COLUMN strata.migrate_applied.duration IS 'how long it took';
COMMENT ON COLUMN strata.migrate_applied.source IS 'run, baseline, force, adopt or mirror';

CREATE TABLE strata.migrate_event (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  event text NOT NULL,
  namespace text NOT NULL,
  tenant name NOT NULL,
  version text,
  name text,
  run uuid,
  session_role name NOT NULL DEFAULT SESSION_USER,
  effective_role name NOT NULL,
  client inet DEFAULT pg_catalog.inet_client_addr(),
  application text DEFAULT pg_catalog.current_setting('application_name'),
  xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
  server text NOT NULL DEFAULT pg_catalog.current_setting('server_version'),
  duration interval,
  statements integer,
  error jsonb,
  reason text
);
CREATE INDEX migrate_event_version ON strata.migrate_event (namespace, version);
COMMENT ON TABLE strata.migrate_event IS 'what happened to migrations; rows are only added';
COMMENT ON COLUMN strata.migrate_event.id IS 'number';
COMMENT ON SEQUENCE strata.migrate_event_id_seq IS 'numbers what happens to migrations';
COMMENT ON COLUMN strata.migrate_event.at IS 'when';
COMMENT ON COLUMN strata.migrate_event.event IS 'up, down, redo, force, baseline, repair, fail, adopt, mirror, skip or deferred_done';
COMMENT ON COLUMN strata.migrate_event.namespace IS 'see strata.migrate_ns';
COMMENT ON COLUMN strata.migrate_event.tenant IS 'schema; empty: the database';
COMMENT ON COLUMN strata.migrate_event.version IS 'of which migration';
COMMENT ON COLUMN strata.migrate_event.name IS 'its title';
COMMENT ON COLUMN strata.migrate_event.run IS 'the call that did it';
COMMENT ON COLUMN strata.migrate_event.session_role IS 'role that was connected';
COMMENT ON COLUMN strata.migrate_event.effective_role IS 'role that was active';
COMMENT ON COLUMN strata.migrate_event.client IS 'address of the client';
COMMENT ON COLUMN strata.migrate_event.application IS 'its application_name';
COMMENT ON COLUMN strata.migrate_event.xid IS 'transaction';
COMMENT ON COLUMN strata.migrate_event.server IS 'version of the server';
COMMENT ON COLUMN strata.migrate_event.duration IS 'how long it took';
COMMENT ON COLUMN strata.migrate_event.statements IS 'how many ran';
COMMENT ON COLUMN strata.migrate_event.error IS 'sqlstate, message, detail, file, line, column and statement of an error';
COMMENT ON COLUMN strata.migrate_event.reason IS 'what the caller gave as reason';

CREATE TABLE strata.migrate_job (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace text NOT NULL REFERENCES strata.migrate_ns,
  tenant name NOT NULL,
  run uuid NOT NULL,
  kind text NOT NULL,
  version text NOT NULL,
  name text NOT NULL,
  direction text NOT NULL,
  filename text NOT NULL,
  statement integer NOT NULL,
  line integer NOT NULL,
  command text NOT NULL,
  sql text NOT NULL,
  session_role name NOT NULL,
  role name,
  settings jsonb NOT NULL DEFAULT '{}',
  prefix_fp bytea,
  deferred boolean NOT NULL DEFAULT false,
  state text NOT NULL DEFAULT 'running',
  attempts integer NOT NULL DEFAULT 0,
  not_before timestamptz,
  error jsonb,
  made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  ended_at timestamptz,
  CHECK (state OPERATOR(pg_catalog.=) ANY (ARRAY['running', 'ran', 'done', 'failed', 'abandoned', 'waiting']))
);
CREATE INDEX migrate_job_living ON strata.migrate_job (namespace, tenant)
  WHERE state OPERATOR(pg_catalog.=) ANY (ARRAY['running', 'ran', 'waiting']);
COMMENT ON TABLE strata.migrate_job IS 'statements that no transaction takes, each run by a process of its own';
COMMENT ON COLUMN strata.migrate_job.id IS 'number';
COMMENT ON SEQUENCE strata.migrate_job_id_seq IS 'numbers statements that run by themselves';
COMMENT ON COLUMN strata.migrate_job.namespace IS 'see strata.migrate_ns';
COMMENT ON COLUMN strata.migrate_job.tenant IS 'schema; empty: the database';
COMMENT ON COLUMN strata.migrate_job.run IS 'the call that it belongs to';
COMMENT ON COLUMN strata.migrate_job.kind IS 'versioned, repeatable or baseline';
COMMENT ON COLUMN strata.migrate_job.version IS 'of which migration';
COMMENT ON COLUMN strata.migrate_job.name IS 'its title';
COMMENT ON COLUMN strata.migrate_job.direction IS 'up or down';
COMMENT ON COLUMN strata.migrate_job.filename IS 'file that the statement stands in';
COMMENT ON COLUMN strata.migrate_job.statement IS 'which statement of it, from 1';
COMMENT ON COLUMN strata.migrate_job.line IS 'the line that it begins on';
COMMENT ON COLUMN strata.migrate_job.command IS 'what it is, such as CREATE INDEX';
COMMENT ON COLUMN strata.migrate_job.sql IS 'its text';
COMMENT ON COLUMN strata.migrate_job.session_role IS 'role that its process connects as';
COMMENT ON COLUMN strata.migrate_job.role IS 'role that it makes the active one; NULL: the same';
COMMENT ON COLUMN strata.migrate_job.settings IS 'settings that are in force for it';
COMMENT ON COLUMN strata.migrate_job.prefix_fp IS 'hash of the tokens of the file up to its end';
COMMENT ON COLUMN strata.migrate_job.deferred IS 'put off by a run in one transaction';
COMMENT ON COLUMN strata.migrate_job.state IS 'running; ran: its run has not noticed yet; done, failed, abandoned; waiting: to be run later';
COMMENT ON COLUMN strata.migrate_job.attempts IS 'how often it was begun';
COMMENT ON COLUMN strata.migrate_job.not_before IS 'one that was put off is not tried before';
COMMENT ON COLUMN strata.migrate_job.error IS 'the error of the last attempt';
COMMENT ON COLUMN strata.migrate_job.made_at IS 'when it was written down';
COMMENT ON COLUMN strata.migrate_job.ended_at IS 'when it ended';

CREATE TABLE strata.migrate_snap (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  namespace text NOT NULL REFERENCES strata.migrate_ns,
  label text,
  run uuid,
  version text,
  schemas name[],
  fingerprint text NOT NULL,
  objects jsonb NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
CREATE INDEX migrate_snap_namespace ON strata.migrate_snap (namespace, id);
COMMENT ON TABLE strata.migrate_snap IS 'the objects of the database as they were after a run, or when somebody asked';
COMMENT ON COLUMN strata.migrate_snap.id IS 'number';
COMMENT ON SEQUENCE strata.migrate_snap_id_seq IS 'numbers snapshots';
COMMENT ON COLUMN strata.migrate_snap.namespace IS 'see strata.migrate_ns';
COMMENT ON COLUMN strata.migrate_snap.label IS 'name that somebody gave; such a snapshot stays';
COMMENT ON COLUMN strata.migrate_snap.run IS 'the call at whose end it was taken';
COMMENT ON COLUMN strata.migrate_snap.version IS 'highest applied version then';
COMMENT ON COLUMN strata.migrate_snap.schemas IS 'schemas that it is of; NULL: all';
COMMENT ON COLUMN strata.migrate_snap.fingerprint IS 'hash of the definitions';
COMMENT ON COLUMN strata.migrate_snap.objects IS 'kind, identity, definition and notes of each object';
COMMENT ON COLUMN strata.migrate_snap.taken_at IS 'when';

CREATE TABLE strata.migrate_tag_name (
  namespace text NOT NULL REFERENCES strata.migrate_ns,
  tag text NOT NULL,
  version text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  made_by name NOT NULL,
  PRIMARY KEY (namespace, tag)
);
COMMENT ON TABLE strata.migrate_tag_name IS 'names of versions, which targets may use';
COMMENT ON COLUMN strata.migrate_tag_name.namespace IS 'see strata.migrate_ns';
COMMENT ON COLUMN strata.migrate_tag_name.tag IS 'name, without @';
COMMENT ON COLUMN strata.migrate_tag_name.version IS 'of which version';
COMMENT ON COLUMN strata.migrate_tag_name.made_at IS 'when';
COMMENT ON COLUMN strata.migrate_tag_name.made_by IS 'by whom';

CREATE FUNCTION strata._migrate_event_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'the history of migrations is only added to'
    USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'strata.migrate_drop_namespace() removes a namespace, and keeps its history.';
END
$$;
COMMENT ON FUNCTION strata._migrate_event_stays() IS 'internal: refuses changes of strata.migrate_event';
REVOKE ALL ON FUNCTION strata._migrate_event_stays() FROM PUBLIC;
CREATE TRIGGER migrate_event_rows BEFORE UPDATE OR DELETE ON strata.migrate_event
  FOR EACH ROW EXECUTE FUNCTION strata._migrate_event_stays();
CREATE TRIGGER migrate_event_table BEFORE TRUNCATE ON strata.migrate_event
  FOR EACH STATEMENT EXECUTE FUNCTION strata._migrate_event_stays();
-- also in sessions that replicate or restore
ALTER TABLE strata.migrate_event ENABLE ALWAYS TRIGGER migrate_event_rows;
ALTER TABLE strata.migrate_event ENABLE ALWAYS TRIGGER migrate_event_table;

REVOKE ALL ON TABLE strata.migrate_ns, strata.migrate_body, strata.migrate_file, strata.migrate_applied,
  strata.migrate_event, strata.migrate_job, strata.migrate_snap, strata.migrate_tag_name FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('strata.migrate_ns', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_body', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_file', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_applied', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_event', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_job', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_snap', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_tag_name', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_order_seq', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_job_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('strata.migrate_snap_id_seq', '');
