-- Job queues: retries, leases and workers.

CREATE FUNCTION strata.queue_fail(queue text, claim bigint, error text DEFAULT NULL, retry_in interval DEFAULT NULL,
    final boolean DEFAULT false)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_fail_wrapper';
COMMENT ON FUNCTION strata.queue_fail(text, bigint, text, interval, boolean)
    IS 'says that a job failed: scheduled (for its next attempt), failed for good, cancelled, or NULL if the claim is lost';

CREATE FUNCTION strata.queue_release(queue text, claim bigint, delay interval DEFAULT '0')
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_release_wrapper';
COMMENT ON FUNCTION strata.queue_release(text, bigint, interval)
    IS 'gives a job back, for later if there is a delay; the attempt is not counted; false if the claim is lost';

CREATE FUNCTION strata.queue_extend(queue text, claim bigint, lease interval DEFAULT NULL, progress jsonb DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_extend_wrapper';
COMMENT ON FUNCTION strata.queue_extend(text, bigint, interval, jsonb)
    IS 'renews the lease of a job and notes its progress: held, cancelled (somebody wants it to stop) or lost';

CREATE FUNCTION strata.queue_heartbeat(worker text)
RETURNS SETOF bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_heartbeat_wrapper';
COMMENT ON FUNCTION strata.queue_heartbeat(text)
    IS 'renews all leases by time of a worker; gives those of its claims that somebody wants to be cancelled';

CREATE FUNCTION strata.queue_requeue_in_progress(queue text, worker text DEFAULT NULL, older_than interval DEFAULT NULL,
    to_state text DEFAULT 'ready')
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_requeue_in_progress_wrapper';
COMMENT ON FUNCTION strata.queue_requeue_in_progress(text, text, interval, text)
    IS 'takes running jobs from their worker, or from all workers: they are ready again, or have failed; how many';
