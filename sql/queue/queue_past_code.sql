-- Jobs that have ended, and jobs by their id.

-- As long as there is no strata.queue_ended; see the function below.
CREATE VIEW strata.queue_history WITH (security_barrier = true) AS
SELECT h.id, q.name AS queue, h.kind, h.state, h.payload, h.result, h.errors, h.attempts::integer AS attempts, h.worker,
  h.pushed_at, h.started_at, h.finished_at
FROM strata.queue_history_overflow h JOIN strata.queue q ON q.qid OPERATOR(pg_catalog.=) h.qid
WHERE strata._queue_readable(q.qid);
COMMENT ON VIEW strata.queue_history IS 'ended jobs of the queues that you may read';
GRANT SELECT ON strata.queue_history TO PUBLIC;

CREATE FUNCTION strata._queue_show_ended() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CREATE OR REPLACE VIEW strata.queue_history WITH (security_barrier = true) AS
    SELECT h.id, q.name AS queue, h.kind, h.state, h.payload, h.result, h.errors, h.attempts::integer AS attempts,
      h.worker, h.pushed_at, h.started_at, h.finished_at
    FROM (SELECT id, qid, kind, state, payload, result, errors, attempts, worker, pushed_at, started_at, finished_at
          FROM strata.queue_history_overflow
          UNION ALL
          SELECT id, qid, kind, state, payload, result, errors, attempts, worker, pushed_at, started_at, finished_at
          FROM strata.queue_ended) h
    JOIN strata.queue q ON q.qid = h.qid
    WHERE strata._queue_readable(q.qid);
END
$$;
COMMENT ON FUNCTION strata._queue_show_ended() IS 'internal: adds strata.queue_ended to the view strata.queue_history';
REVOKE ALL ON FUNCTION strata._queue_show_ended() FROM PUBLIC;

CREATE FUNCTION strata.queue_result(queue text, id bigint)
RETURNS TABLE (state text, result jsonb, progress jsonb, error text, attempt integer, pushed_at timestamptz,
    started_at timestamptz, finished_at timestamptz)
LANGUAGE c STABLE PARALLEL UNSAFE ROWS 1
AS 'MODULE_PATHNAME', 'queue_result_wrapper';
COMMENT ON FUNCTION strata.queue_result(text, bigint) IS 'what is known of a job, living or ended';

CREATE FUNCTION strata.queue_cancel(queue text, id bigint, reason text DEFAULT NULL)
RETURNS text LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'queue_cancel_wrapper';
COMMENT ON FUNCTION strata.queue_cancel(text, bigint, text)
  IS 'cancels a job: cancelled, or requested when it runs; NULL when it is not known or has ended';

CREATE FUNCTION strata.queue_change(queue text, id bigint, priority integer DEFAULT NULL, run_at timestamptz DEFAULT NULL,
  payload jsonb DEFAULT NULL)
RETURNS boolean LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'queue_change_wrapper';
COMMENT ON FUNCTION strata.queue_change(text, bigint, integer, timestamptz, jsonb)
  IS 'changes a job that waits: NULL leaves what it is; false when it does not wait';

CREATE FUNCTION strata.queue_retry(queue text, id bigint)
RETURNS boolean LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'queue_retry_wrapper';
COMMENT ON FUNCTION strata.queue_retry(text, bigint) IS 'brings a failed or cancelled job back from the history';

CREATE FUNCTION strata.queue_purge(queue text)
RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'queue_purge_wrapper';
COMMENT ON FUNCTION strata.queue_purge(text) IS 'cancels all jobs that wait; returns how many';

CREATE FUNCTION strata.queue_length(queue text, state text DEFAULT 'ready')
RETURNS bigint LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'queue_length_wrapper';
COMMENT ON FUNCTION strata.queue_length(text, text) IS 'number of jobs that are ready, running, scheduled or held';

CREATE FUNCTION strata._queue_jobs()
RETURNS TABLE (id bigint, qid integer, state text, kind text, priority integer, payload jsonb, progress jsonb, errors jsonb,
  attempt integer, max_attempts integer, unique_key text, group_key text, worker integer, run_at timestamptz,
  pushed_at timestamptz, started_at timestamptz, lease_until timestamptz)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'queue_jobs_wrapper';
COMMENT ON FUNCTION strata._queue_jobs() IS 'internal: living jobs that the current user may read';

CREATE VIEW strata.queue_jobs WITH (security_barrier = true) AS
SELECT j.id, CASE WHEN j.qid OPERATOR(pg_catalog.<) 0 THEN 'strata.jobs' ELSE q.name END AS queue, j.kind, j.state, j.priority, j.payload, j.progress, j.errors, j.attempt, j.max_attempts,
  j.unique_key, j.group_key, w.name AS worker, j.run_at, j.pushed_at, j.started_at, j.lease_until
FROM strata._queue_jobs() j LEFT JOIN strata.queue q ON q.qid OPERATOR(pg_catalog.=) j.qid
LEFT JOIN strata.queue_worker w ON w.id OPERATOR(pg_catalog.=) j.worker
WHERE q.qid IS NOT NULL OR j.qid OPERATOR(pg_catalog.<) 0;
COMMENT ON VIEW strata.queue_jobs IS 'living jobs of the queues that you may read';
COMMENT ON COLUMN strata.queue_jobs.queue IS 'strata.jobs for runs of jobs and policies, which the owner of pg_strata sees';
GRANT SELECT ON strata.queue_jobs TO PUBLIC;
