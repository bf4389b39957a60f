-- Migrations: the functions. See src/migration/api_*.rs.

CREATE FUNCTION strata.migrate_configure(namespace text, owner name DEFAULT NULL, role name DEFAULT NULL,
    search_path text DEFAULT NULL, style text DEFAULT NULL, settings jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_configure_wrapper';
COMMENT ON FUNCTION strata.migrate_configure(text, name, name, text, text, jsonb)
  IS 'makes or changes a namespace of migrations';

CREATE FUNCTION strata.migrate_namespaces()
RETURNS TABLE (namespace text, owner name, role name, search_path text, style text, mirror_tool text,
    mirror_relation text, files integer, head text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_namespaces_wrapper';
COMMENT ON FUNCTION strata.migrate_namespaces()
  IS 'namespaces of migrations that you may see';

CREATE FUNCTION strata.migrate_drop_namespace(namespace text, force boolean DEFAULT false)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_drop_namespace_wrapper';
COMMENT ON FUNCTION strata.migrate_drop_namespace(text, boolean)
  IS 'forgets a namespace with its files; with force also what is applied. What was migrated stays, and its history';

CREATE FUNCTION strata.migrate_register(filename text, body text, namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, kind text, direction text, change text, statements integer, needs text,
    warning text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_register_wrapper';
COMMENT ON FUNCTION strata.migrate_register(text, text, text)
  IS 'registers one file';

CREATE FUNCTION strata.migrate_register_all(files jsonb, prune boolean DEFAULT false,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, kind text, direction text, change text, statements integer, needs text,
    warning text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_register_all_wrapper';
COMMENT ON FUNCTION strata.migrate_register_all(jsonb, boolean, text)
  IS 'registers a set of files: an object of texts by name; prune marks the others as missing';

CREATE FUNCTION strata._migrate_load(files jsonb, prune boolean, namespace text)
RETURNS TABLE (version text, name text, kind text, direction text, change text, statements integer, needs text,
    warning text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_load_wrapper';
COMMENT ON FUNCTION strata._migrate_load(jsonb, boolean, text)
  IS 'internal: for the script of strata.migrate_loader()';

CREATE FUNCTION strata.migrate_load_dir(path text, pattern text DEFAULT '*.sql', prune boolean DEFAULT false,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, kind text, direction text, change text, statements integer, needs text,
    warning text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_load_dir_wrapper';
COMMENT ON FUNCTION strata.migrate_load_dir(text, text, boolean, text)
  IS 'registers the files of a directory of the server';

CREATE FUNCTION strata.migrate_loader()
RETURNS text
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'migrate_loader_wrapper';
COMMENT ON FUNCTION strata.migrate_loader()
  IS 'a script of the shell that registers the files of a directory of the client, through psql';

CREATE FUNCTION strata.migrate_unregister(version text, namespace text DEFAULT 'default')
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_unregister_wrapper';
COMMENT ON FUNCTION strata.migrate_unregister(text, text)
  IS 'forgets a file that is not applied';

CREATE FUNCTION strata.migrate_parse_name(filename text, style text DEFAULT 'auto')
RETURNS TABLE (version text, name text, kind text, direction text, style text)
LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'migrate_parse_name_wrapper';
COMMENT ON FUNCTION strata.migrate_parse_name(text, text)
  IS 'how the name of a file is read; no row when it is none of a migration';

CREATE FUNCTION strata.migrate_split(body text)
RETURNS TABLE (statement integer, line integer, command text, mode text, sql text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_split_wrapper';
COMMENT ON FUNCTION strata.migrate_split(text)
  IS 'statements of a text, as they would be run';

CREATE FUNCTION strata.migrate_source(version text, direction text DEFAULT 'up', as_applied boolean DEFAULT true,
    namespace text DEFAULT 'default')
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_source_wrapper';
COMMENT ON FUNCTION strata.migrate_source(text, text, boolean, text)
  IS 'text of a migration: as it ran, or as it is registered';

CREATE FUNCTION strata.migrate_up(steps integer DEFAULT NULL, target text DEFAULT NULL, dry_run boolean DEFAULT false,
    out_of_order text DEFAULT 'error', nontransactional text DEFAULT 'auto', on_error text DEFAULT 'stop',
    existing_roles text DEFAULT 'error', lock_timeout interval DEFAULT '3s', wait interval DEFAULT '1 min',
    search_path text DEFAULT NULL, vars jsonb DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, direction text, outcome text, statements integer, errors integer,
    duration interval, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_up_wrapper';
COMMENT ON FUNCTION strata.migrate_up(integer, text, boolean, text, text, text, text, interval, interval, text, jsonb,
    name, text)
  IS 'applies what is pending, all of it or nothing';

CREATE FUNCTION strata.migrate_down(steps integer DEFAULT 1, target text DEFAULT NULL,
    all_versions boolean DEFAULT false, dry_run boolean DEFAULT false, missing_down text DEFAULT 'error',
    nontransactional text DEFAULT 'auto', lock_timeout interval DEFAULT '3s', wait interval DEFAULT '1 min',
    search_path text DEFAULT NULL, vars jsonb DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, direction text, outcome text, statements integer, errors integer,
    duration interval, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_down_wrapper';
COMMENT ON FUNCTION strata.migrate_down(integer, text, boolean, boolean, text, text, interval, interval, text, jsonb,
    name, text)
  IS 'takes back what was applied last, by the texts as they were then';

CREATE FUNCTION strata.migrate_goto(target text, dry_run boolean DEFAULT false, out_of_order text DEFAULT 'error',
    nontransactional text DEFAULT 'auto', lock_timeout interval DEFAULT '3s', wait interval DEFAULT '1 min',
    search_path text DEFAULT NULL, vars jsonb DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, direction text, outcome text, statements integer, errors integer,
    duration interval, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_goto_wrapper';
COMMENT ON FUNCTION strata.migrate_goto(text, boolean, text, text, interval, interval, text, jsonb, name, text)
  IS 'goes up or down to a version';

CREATE FUNCTION strata.migrate_redo(steps integer DEFAULT 1, dry_run boolean DEFAULT false,
    lock_timeout interval DEFAULT '3s', vars jsonb DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, direction text, outcome text, statements integer, errors integer,
    duration interval, note text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_redo_wrapper';
COMMENT ON FUNCTION strata.migrate_redo(integer, boolean, interval, jsonb, name, text)
  IS 'takes back what was applied last, and applies it again';

CREATE PROCEDURE strata.migrate_deploy(steps integer DEFAULT NULL, target text DEFAULT NULL,
    out_of_order text DEFAULT 'error', on_error text DEFAULT 'stop', existing_roles text DEFAULT 'error',
    lock_timeout interval DEFAULT '3s', retries integer DEFAULT 5, wait interval DEFAULT '10 min',
    search_path text DEFAULT NULL, vars jsonb DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default', INOUT run uuid DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'migrate_deploy_wrapper';
COMMENT ON PROCEDURE strata.migrate_deploy(integer, text, text, text, text, interval, integer, interval, text, jsonb,
    name, text, uuid)
  IS 'applies what is pending, each file in a transaction of its own, and statements that no transaction takes by themselves';

CREATE PROCEDURE strata.migrate_revert(steps integer DEFAULT 1, target text DEFAULT NULL,
    all_versions boolean DEFAULT false, missing_down text DEFAULT 'error', lock_timeout interval DEFAULT '3s',
    retries integer DEFAULT 5, wait interval DEFAULT '10 min', search_path text DEFAULT NULL, vars jsonb DEFAULT NULL,
    tenant name DEFAULT NULL, namespace text DEFAULT 'default', INOUT run uuid DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'migrate_revert_wrapper';
COMMENT ON PROCEDURE strata.migrate_revert(integer, text, boolean, text, interval, integer, interval, text, jsonb, name,
    text, uuid)
  IS 'takes back what was applied last, each file in a transaction of its own';

CREATE FUNCTION strata.migrate_up_each(schemas name[], target text DEFAULT NULL, on_error text DEFAULT 'stop',
    lock_timeout interval DEFAULT '3s', vars jsonb DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (tenant name, applied integer, head text, outcome text, duration interval, error text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_up_each_wrapper';
COMMENT ON FUNCTION strata.migrate_up_each(name[], text, text, interval, jsonb, text)
  IS 'applies what is pending to each of these schemas';

CREATE PROCEDURE strata.migrate_deploy_each(schemas name[], target text DEFAULT NULL,
    on_error text DEFAULT 'continue', lock_timeout interval DEFAULT '3s', retries integer DEFAULT 5,
    vars jsonb DEFAULT NULL, namespace text DEFAULT 'default', INOUT run uuid DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'migrate_deploy_each_wrapper';
COMMENT ON PROCEDURE strata.migrate_deploy_each(name[], text, text, interval, integer, jsonb, text, uuid)
  IS 'applies what is pending to each of these schemas, each file in a transaction of its own';

CREATE FUNCTION strata.migrate_version(tenant name DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_version_wrapper';
COMMENT ON FUNCTION strata.migrate_version(name, text)
  IS 'highest version that is applied; NULL for none';

CREATE FUNCTION strata.migrate_status(tenant name DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, kind text, state text, has_down boolean, applied_at timestamptz,
    applied_by name, duration interval, statements integer, note text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_status_wrapper';
COMMENT ON FUNCTION strata.migrate_status(name, text)
  IS 'migrations and how they stand';

CREATE FUNCTION strata.migrate_pending(tenant name DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (step integer, version text, name text, kind text, statements integer, needs text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_pending_wrapper';
COMMENT ON FUNCTION strata.migrate_pending(name, text)
  IS 'what would be applied next, in order';

CREATE FUNCTION strata.migrate_plan(target text DEFAULT NULL, direction text DEFAULT 'up', vars jsonb DEFAULT NULL,
    tenant name DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (step integer, version text, filename text, statement integer, line integer, command text, mode text,
    object text, sql text, note text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_plan_wrapper';
COMMENT ON FUNCTION strata.migrate_plan(text, text, jsonb, name, text)
  IS 'statements that would run, in order; runs nothing';

CREATE FUNCTION strata.migrate_history(run uuid DEFAULT NULL, version text DEFAULT NULL,
    since timestamptz DEFAULT NULL, max_rows integer DEFAULT 1000, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (id bigint, at timestamptz, event text, version text, name text, run uuid, session_role name,
    effective_role name, client inet, application text, xid xid8, server text, duration interval, statements integer,
    error jsonb, reason text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_history_wrapper';
COMMENT ON FUNCTION strata.migrate_history(uuid, text, timestamptz, integer, name, text)
  IS 'what happened to migrations, the newest first';

CREATE FUNCTION strata.migrate_validate(tenant name DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (version text, problem text, detail text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_validate_wrapper';
COMMENT ON FUNCTION strata.migrate_validate(name, text)
  IS 'what is wrong with files and state; no row: nothing';

CREATE FUNCTION strata.migrate_deferred(namespace text DEFAULT 'default')
RETURNS TABLE (id bigint, version text, statement integer, line integer, sql text, state text, attempts integer,
    last_error text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_deferred_wrapper';
COMMENT ON FUNCTION strata.migrate_deferred(text)
  IS 'statements that a run in one transaction has put off, and how they stand';

CREATE FUNCTION strata.migrate_force(version text, reason text, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_force_wrapper';
COMMENT ON FUNCTION strata.migrate_force(text, text, name, text)
  IS 'says which version is the last applied one, and runs nothing; NULL: none is';

CREATE FUNCTION strata.migrate_baseline(version text, reason text DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_baseline_wrapper';
COMMENT ON FUNCTION strata.migrate_baseline(text, text, name, text)
  IS 'says that everything up to a version is there already';

CREATE FUNCTION strata.migrate_repair(version text DEFAULT NULL, reason text DEFAULT NULL, tenant name DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, change text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_repair_wrapper';
COMMENT ON FUNCTION strata.migrate_repair(text, text, name, text)
  IS 'accepts changed texts of applied migrations, and clears failed ones';

CREATE FUNCTION strata.migrate_tag(tag text, version text DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_tag_wrapper';
COMMENT ON FUNCTION strata.migrate_tag(text, text, text)
  IS 'names a version, for targets; without one, the highest applied';
