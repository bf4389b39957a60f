-- How far data migration tasks are, see tasks.sql.

CREATE FUNCTION strata._task_alive(pid integer, at timestamptz)
RETURNS boolean LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
  -- a process that tells nothing counts as alive; on a standby, processes of the primary are not known
  SELECT pg_is_in_recovery() OR EXISTS (
    SELECT FROM pg_stat_activity a
    WHERE a.pid = $1 AND (a.state IS NULL OR a.state = 'disabled' OR (a.state = 'active' AND a.query_start = $2)))
$$;
COMMENT ON FUNCTION strata._task_alive(integer, timestamptz)
  IS 'internal: whether a process still runs the statement that it began then';
REVOKE ALL ON FUNCTION strata._task_alive(integer, timestamptz) FROM PUBLIC;

CREATE FUNCTION strata._task_progress(caller strata.calling_role, task text)
RETURNS TABLE (name text, state text, started_at timestamptz, last_at timestamptz, done bigint, total bigint,
  percent numeric, per_second numeric, eta interval, note text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN QUERY
  WITH seen AS (
    SELECT t.*, m.marks, m.marks_run, m.newest,
      CASE WHEN t.finished_at IS NOT NULL THEN 'finished'
        WHEN t.relation IS NULL THEN 'running'
        WHEN t.runner IS NOT NULL AND strata._task_alive(t.runner_pid, t.runner_at) THEN 'running'
        ELSE 'stopped' END AS state_now
    FROM strata.task t
    LEFT JOIN LATERAL (
      SELECT count(*) AS marks, count(*) FILTER (WHERE k.marked_at >= t.run_at) AS marks_run, max(k.marked_at) AS newest
      FROM strata.task_mark k WHERE k.task_id = t.id AND t.finished_at IS NULL
    ) m ON true
    WHERE (t.task = $2 COLLATE "C" OR $2 IS NULL)
      AND (strata._task_is_for($1, t.owner) OR pg_has_role($1, 'pg_monitor', 'USAGE'))
  ), counted AS (
    SELECT s.*, GREATEST(s.last_at, s.newest) AS at,
      s.rows_done + COALESCE(s.marks_done, s.marks) AS all_done,
      -- how much is done of how much: by the total that was given, else by the place in the table
      CASE WHEN s.total IS NOT NULL THEN s.rows_done + COALESCE(s.marks_done, s.marks)
        WHEN s.complete THEN s.rows_seen
        ELSE LEAST(s.rows_seen, s.rows_expected) END AS part,
      CASE WHEN s.total IS NOT NULL THEN s.total
        WHEN s.complete THEN s.rows_seen
        ELSE NULLIF(s.rows_expected, 0) END AS whole,
      CASE WHEN s.finished_at IS NOT NULL
        THEN (s.rows_done + s.marks_done) / NULLIF(EXTRACT(epoch FROM s.finished_at - s.started_at), 0)
        ELSE (s.rows_done - s.run_rows + s.marks_run)
          / NULLIF(EXTRACT(epoch FROM GREATEST(s.last_at, s.newest) - s.run_at), 0) END AS speed,
      CASE WHEN s.total IS NOT NULL THEN s.rows_done - s.run_rows + s.marks_run ELSE s.rows_seen - s.run_seen END
        / NULLIF(EXTRACT(epoch FROM GREATEST(s.last_at, s.newest) - s.run_at), 0) AS part_speed
    FROM seen s
  )
  SELECT c.task, c.state_now, c.started_at, c.at, c.all_done, c.total,
    -- LEAST and GREATEST pass over nulls
    CASE WHEN c.whole = 0 THEN 100.0 WHEN c.whole > 0 THEN round(LEAST(c.part * 100.0 / c.whole, 100.0), 1) END,
    CASE WHEN c.speed >= 0 THEN round(c.speed, 1) END,
    CASE WHEN c.state_now = 'running' AND c.part_speed > 0 AND c.whole IS NOT NULL
      THEN date_trunc('second', make_interval(secs => LEAST(GREATEST(c.whole - c.part, 0) / c.part_speed, 1e9)::float8))
      END,
    c.note
  FROM counted c ORDER BY c.task;
END
$$;
COMMENT ON FUNCTION strata._task_progress(strata.calling_role, text)
  IS 'internal: strata.task_progress() as the owner of the extension';

CREATE FUNCTION strata.task_progress(task text DEFAULT NULL)
RETURNS TABLE (task text, state text, started_at timestamptz, last_at timestamptz, done bigint, total bigint,
  percent numeric, per_second numeric, eta interval, note text)
LANGUAGE sql STABLE PARALLEL RESTRICTED AS $$
  SELECT * FROM strata._task_progress(CURRENT_USER::strata.calling_role, $1)
$$;
COMMENT ON FUNCTION strata.task_progress(text)
  IS 'how far a task is, or all that you may see: running, stopped (a backfill that nobody runs) or finished';
