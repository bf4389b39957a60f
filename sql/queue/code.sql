-- Schedules: functions, procedures, views, each with its comment. The Rust side is src/queue/api.rs.

CREATE FUNCTION strata.add_job(
  proc regproc, schedule_interval interval, config jsonb DEFAULT NULL, initial_start timestamptz DEFAULT NULL,
  scheduled boolean DEFAULT true, check_config regproc DEFAULT NULL, fixed_schedule boolean DEFAULT true,
  timezone text DEFAULT NULL, job_name text DEFAULT NULL)
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'add_job_wrapper';
COMMENT ON FUNCTION strata.add_job(regproc, interval, jsonb, timestamptz, boolean, regproc, boolean, text, text)
  IS 'runs proc(job_id integer, config jsonb) again and again, as the current user';

CREATE FUNCTION strata._alter_job(
  job_id integer, schedule_interval interval, max_runtime interval, max_retries integer, retry_period interval,
  scheduled boolean, config jsonb, next_start timestamptz, if_exists boolean, check_config regproc,
  fixed_schedule boolean, initial_start timestamptz, timezone text, job_name text)
RETURNS boolean LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'alter_job_wrapper';
COMMENT ON FUNCTION strata._alter_job(integer, interval, interval, integer, interval, boolean, jsonb, timestamptz,
  boolean, regproc, boolean, timestamptz, text, text) IS 'internal: alter_job without its result';

CREATE FUNCTION strata.delete_job(job_id integer)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'delete_job_wrapper';
COMMENT ON FUNCTION strata.delete_job(integer) IS 'removes a job; a run under way goes on to its end';

CREATE PROCEDURE strata.run_job(job_id integer)
LANGUAGE c AS 'MODULE_PATHNAME', 'run_job_wrapper';
COMMENT ON PROCEDURE strata.run_job(integer) IS 'runs a job now and waits for it';

CREATE PROCEDURE strata.run_maintenance()
LANGUAGE c AS 'MODULE_PATHNAME', 'run_maintenance_wrapper';
COMMENT ON PROCEDURE strata.run_maintenance() IS 'makes chunks ahead and runs all jobs that are due, for servers without our background worker';

CREATE FUNCTION strata.start_workers()
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'start_workers_wrapper';
COMMENT ON FUNCTION strata.start_workers() IS 'lets jobs run in a database that came from a dump; returns their number';
REVOKE ALL ON FUNCTION strata.start_workers() FROM PUBLIC;

CREATE FUNCTION strata.health()
RETURNS TABLE (name text, value text, ok boolean, hint text) ROWS 15
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'health_wrapper';
COMMENT ON FUNCTION strata.health()
  IS 'versions, processes and jobs of pg_strata in this database: what is not ok comes with a hint';

CREATE FUNCTION strata._here()
RETURNS text LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'here_wrapper';
COMMENT ON FUNCTION strata._here() IS 'internal: identifies this database';

CREATE FUNCTION strata._job_visible(owner oid)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT pg_catalog.pg_has_role($1, 'USAGE') OR pg_catalog.pg_has_role('pg_monitor', 'USAGE')
$$;
COMMENT ON FUNCTION strata._job_visible(oid) IS 'internal: true when the current user may see jobs of that role';

-- In a copy of the database roles have other OIDs: there the name tells who the owner is.
CREATE FUNCTION strata._job_owner(home text, name name, owner oid)
RETURNS oid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN $1 OPERATOR(pg_catalog.=) strata._here() THEN $3
              ELSE (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) $2) END
$$;
COMMENT ON FUNCTION strata._job_owner(text, name, oid) IS 'internal: the owner of a job, NULL when this server has no such role';

CREATE VIEW strata.jobs WITH (security_barrier = true) AS
SELECT j.id AS job_id,
       j.name::name AS application_name,
       j.schedule_interval,
       j.max_runtime,
       j.max_retries,
       j.retry_period,
       j.proc_schema,
       j.proc_name,
       COALESCE(pg_catalog.pg_get_userbyid(COALESCE(c.relowner, strata._job_owner(j.home, j.owner, j.owner_oid))), j.owner) AS owner,
       j.scheduled,
       j.fixed_schedule,
       j.config,
       s.next_start,
       j.initial_start,
       n.nspname AS hypertable_schema,
       c.relname AS hypertable_name,
       j.check_schema,
       j.check_name,
       j.timezone,
       j.home OPERATOR(pg_catalog.=) strata._here() AS active
FROM strata.job j
LEFT JOIN strata.job_state s ON s.job_id OPERATOR(pg_catalog.=) j.id
LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) j.hypertable
LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE strata._job_visible(COALESCE(c.relowner, strata._job_owner(j.home, j.owner, j.owner_oid)));
COMMENT ON VIEW strata.jobs IS 'jobs and policies of roles that the current user is a member of';
COMMENT ON COLUMN strata.jobs.active IS 'false in a copy of the database, until strata.start_workers()';

CREATE FUNCTION strata.alter_job(
  job_id integer, schedule_interval interval DEFAULT NULL, max_runtime interval DEFAULT NULL,
  max_retries integer DEFAULT NULL, retry_period interval DEFAULT NULL, scheduled boolean DEFAULT NULL,
  config jsonb DEFAULT NULL, next_start timestamptz DEFAULT NULL, if_exists boolean DEFAULT false,
  check_config regproc DEFAULT NULL, fixed_schedule boolean DEFAULT NULL, initial_start timestamptz DEFAULT NULL,
  timezone text DEFAULT NULL, job_name text DEFAULT NULL)
RETURNS TABLE (job_id integer, schedule_interval interval, max_runtime interval, max_retries integer,
  retry_period interval, scheduled boolean, config jsonb, next_start timestamptz, check_config text,
  fixed_schedule boolean, initial_start timestamptz, timezone text, application_name name)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1 AS $$
  SELECT strata._alter_job($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14);
  SELECT j.job_id, j.schedule_interval, j.max_runtime, j.max_retries, j.retry_period, j.scheduled, j.config,
         j.next_start, pg_catalog.quote_ident(j.check_schema) OPERATOR(pg_catalog.||) '.'
           OPERATOR(pg_catalog.||) pg_catalog.quote_ident(j.check_name),
         j.fixed_schedule, j.initial_start, j.timezone, j.application_name
  FROM strata.jobs j WHERE j.job_id OPERATOR(pg_catalog.=) $1
$$;
COMMENT ON FUNCTION strata.alter_job(integer, interval, interval, integer, interval, boolean, jsonb, timestamptz,
  boolean, regproc, boolean, timestamptz, text, text) IS 'changes a job; NULL leaves a setting as it is';

CREATE VIEW strata.job_stats WITH (security_barrier = true) AS
SELECT n.nspname AS hypertable_schema,
       c.relname AS hypertable_name,
       j.id AS job_id,
       s.started_at AS last_run_started_at,
       s.succeeded_at AS last_successful_finish,
       CASE s.last_ok WHEN true THEN 'Success' WHEN false THEN 'Failed' END AS last_run_status,
       CASE WHEN r.running THEN 'Running' WHEN j.scheduled THEN 'Scheduled' ELSE 'Paused' END AS job_status,
       s.finished_at OPERATOR(pg_catalog.-) s.started_at AS last_run_duration,
       s.next_start,
       COALESCE(s.total_runs, 0) AS total_runs,
       COALESCE(s.total_successes, 0) AS total_successes,
       COALESCE(s.total_failures, 0) AS total_failures
FROM strata.job j
LEFT JOIN strata.job_state s ON s.job_id OPERATOR(pg_catalog.=) j.id
LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) j.hypertable
LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
LEFT JOIN (
  SELECT l.objid, true AS running
  FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_database d ON d.oid OPERATOR(pg_catalog.=) l.database
  WHERE l.locktype OPERATOR(pg_catalog.=) 'object' AND d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()
    AND l.classid OPERATOR(pg_catalog.=) 'strata.job'::pg_catalog.regclass AND l.granted
) r ON r.objid OPERATOR(pg_catalog.=) j.id::oid
WHERE strata._job_visible(COALESCE(c.relowner, strata._job_owner(j.home, j.owner, j.owner_oid)));
COMMENT ON VIEW strata.job_stats IS 'how each job stands';

CREATE VIEW strata.job_history WITH (security_barrier = true) AS
SELECT r.id, r.job_id, r.succeeded, r.proc_schema, r.proc_name, r.pid, r.start_time, r.finish_time,
       r.sqlerrcode, r.err_message, r.config
FROM strata.job_run r WHERE strata._job_visible(r.owner_oid);
COMMENT ON VIEW strata.job_history IS 'ended runs of jobs: failed ones of 30 days, others of 7';

CREATE VIEW strata.job_errors WITH (security_barrier = true) AS
SELECT r.job_id, r.proc_schema, r.proc_name, r.pid, r.start_time, r.finish_time, r.sqlerrcode, r.err_message
FROM strata.job_run r WHERE NOT r.succeeded AND strata._job_visible(r.owner_oid);
COMMENT ON VIEW strata.job_errors IS 'failed runs of jobs in the last 30 days';

GRANT SELECT ON strata.jobs, strata.job_stats, strata.job_history, strata.job_errors TO PUBLIC;
