-- Job queues: settings and rights. The Rust side is src/queue/settings_api.rs.

CREATE FUNCTION strata.create_queue(queue text, lease interval DEFAULT '5 min', max_attempts integer DEFAULT 5,
    retry_delay interval DEFAULT '5 s', retry_factor double precision DEFAULT 2, retry_max interval DEFAULT '1 h',
    retry_jitter double precision DEFAULT 0.1, keep text DEFAULT 'failed', dead_letter text DEFAULT NULL,
    max_ready bigint DEFAULT NULL, group_limit integer DEFAULT 1, group_on_fail text DEFAULT 'continue',
    notify text DEFAULT 'auto', notify_channel text DEFAULT 'strata_queue', dedicated boolean DEFAULT false,
    if_not_exists boolean DEFAULT false)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'create_queue_wrapper';
COMMENT ON FUNCTION strata.create_queue(text, interval, integer, interval, double precision, interval, double precision,
    text, text, bigint, integer, text, text, text, boolean, boolean) IS 'makes a queue; true when it was made';

CREATE FUNCTION strata.alter_queue(queue text, lease interval DEFAULT NULL, max_attempts integer DEFAULT NULL,
    retry_delay interval DEFAULT NULL, retry_factor double precision DEFAULT NULL, retry_max interval DEFAULT NULL,
    retry_jitter double precision DEFAULT NULL, keep text DEFAULT NULL, dead_letter text DEFAULT NULL,
    max_ready bigint DEFAULT NULL, group_limit integer DEFAULT NULL, group_on_fail text DEFAULT NULL,
    notify text DEFAULT NULL, notify_channel text DEFAULT NULL, dedicated boolean DEFAULT NULL,
    reset text[] DEFAULT '{}', rename_to text DEFAULT NULL, owner regrole DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'alter_queue_wrapper';
COMMENT ON FUNCTION strata.alter_queue(text, interval, integer, interval, double precision, interval, double precision,
    text, text, bigint, integer, text, text, text, boolean, text[], text, regrole)
    IS 'changes settings of a queue: NULL leaves one as it is, reset puts it back to the default';

CREATE FUNCTION strata.drop_queue(queue text, force boolean DEFAULT false, if_exists boolean DEFAULT false)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'drop_queue_wrapper';
COMMENT ON FUNCTION strata.drop_queue(text, boolean, boolean) IS 'drops a queue; with its jobs only by force';

CREATE FUNCTION strata.queue_pause(queue text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_pause_wrapper';
COMMENT ON FUNCTION strata.queue_pause(text) IS 'pops give nothing until queue_resume';

CREATE FUNCTION strata.queue_resume(queue text)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_resume_wrapper';
COMMENT ON FUNCTION strata.queue_resume(text) IS 'ends queue_pause';

CREATE FUNCTION strata.queue_grant(queue text, role regrole, VARIADIC privileges text[])
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_grant_wrapper';
COMMENT ON FUNCTION strata.queue_grant(text, regrole, text[]) IS 'gives a role push, pop, read or admin on a queue';

CREATE FUNCTION strata.queue_revoke(queue text, role regrole, VARIADIC privileges text[])
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_revoke_wrapper';
COMMENT ON FUNCTION strata.queue_revoke(text, regrole, text[]) IS 'takes push, pop, read or admin on a queue from a role';

CREATE FUNCTION strata._queue_readable(qid integer)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'queue_readable_wrapper';
COMMENT ON FUNCTION strata._queue_readable(integer)
    IS 'internal: true when the current user may read the queue with this number, or a stream of it';

CREATE VIEW strata.queues WITH (security_barrier = true) AS
SELECT q.name AS queue,
       CASE WHEN h.home OPERATOR(pg_catalog.=) strata._here() THEN o.rolname ELSE n.rolname END AS owner,
       q.paused,
       q.lease, q.max_attempts, q.retry_delay, q.retry_factor, q.retry_max, q.retry_jitter, q.keep, q.dead_letter,
       q.max_ready, q.group_limit, q.group_on_fail, q.notify, q.notify_channel,
       q.ring OPERATOR(pg_catalog.>) 1 AS dedicated,
       COALESCE(h.home OPERATOR(pg_catalog.=) strata._here(), false) AS active
FROM strata.queue q
LEFT JOIN strata.queue_home h ON true
LEFT JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) q.owner_oid
LEFT JOIN pg_catalog.pg_roles n ON n.rolname OPERATOR(pg_catalog.=) q.owner
WHERE strata._queue_readable(q.qid);
COMMENT ON VIEW strata.queues IS 'settings of the queues that the current user may read';
COMMENT ON COLUMN strata.queues.active IS 'false in a copy of the database, until strata.start_workers()';
GRANT SELECT ON strata.queues TO PUBLIC;

CREATE FUNCTION strata._queue_stats()
RETURNS TABLE (queue text, ready bigint, running bigint, scheduled bigint, held bigint, oldest_ready timestamptz,
    pushed bigint, done bigint, failed bigint, retried bigint, segments integer, parked integer, workers integer,
    pushed_per_s double precision, done_per_s double precision)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 20
AS 'MODULE_PATHNAME', 'queue_stats_wrapper';
COMMENT ON FUNCTION strata._queue_stats() IS 'internal: rows of strata.queue_stats for the current user';

CREATE VIEW strata.queue_stats WITH (security_barrier = true) AS
SELECT s.queue, s.ready, s.running, s.scheduled, s.held, s.oldest_ready, s.pushed, s.done, s.failed, s.retried,
       s.segments, s.parked, s.workers, s.pushed_per_s, s.done_per_s
FROM strata._queue_stats() s;
COMMENT ON VIEW strata.queue_stats IS 'how the queues stand that the current user may read';
COMMENT ON COLUMN strata.queue_stats.oldest_ready IS 'when the oldest of its ready jobs was pushed';
COMMENT ON COLUMN strata.queue_stats.pushed IS 'jobs pushed since the server was started; this and the other counters are NULL without preload';
COMMENT ON COLUMN strata.queue_stats.segments IS 'tables that its jobs lie in, with those of all queues that share them';
COMMENT ON COLUMN strata.queue_stats.workers IS 'workers with a name or a lease by session that have a job of it';
COMMENT ON COLUMN strata.queue_stats.pushed_per_s IS 'over the last minute';
GRANT SELECT ON strata.queue_stats TO PUBLIC;

CREATE FUNCTION strata.queue_top()
RETURNS SETOF text
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 20
AS 'MODULE_PATHNAME', 'queue_top_wrapper';
COMMENT ON FUNCTION strata.queue_top() IS 'the queues that the current user may read as a picture for a terminal: \watch it';

CREATE FUNCTION strata._queue_workers()
RETURNS TABLE (queue text, worker integer, running bigint, claimed_at timestamptz, lease_until timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 20
AS 'MODULE_PATHNAME', 'queue_workers_wrapper';
COMMENT ON FUNCTION strata._queue_workers() IS 'internal: who has jobs of the queues that the current user may read';

CREATE VIEW strata.queue_workers WITH (security_barrier = true) AS
SELECT s.queue, w.name AS worker, w.pid, COALESCE(w.by_session, false) AS session, s.running, s.claimed_at,
       CASE WHEN s.lease_until OPERATOR(pg_catalog.<>) 'infinity'::timestamptz THEN s.lease_until END AS lease_until
FROM strata._queue_workers() s
LEFT JOIN strata.queue_worker w ON w.id OPERATOR(pg_catalog.=) s.worker;
COMMENT ON VIEW strata.queue_workers IS 'who has jobs of the queues that the current user may read';
COMMENT ON COLUMN strata.queue_workers.worker IS 'what the worker calls itself; NULL if it says nothing';
COMMENT ON COLUMN strata.queue_workers.claimed_at IS 'when it got the oldest of them';
COMMENT ON COLUMN strata.queue_workers.lease_until IS 'when the first of their leases ends; NULL for leases by session';
GRANT SELECT ON strata.queue_workers TO PUBLIC;
