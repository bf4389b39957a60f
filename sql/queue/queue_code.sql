-- Job queues: what is called for every job.

CREATE FUNCTION strata.queue_push(queue text, payload jsonb, unique_key text DEFAULT NULL,
    run_at timestamptz DEFAULT NULL, priority integer DEFAULT 0, max_attempts integer DEFAULT NULL,
    group_key text DEFAULT NULL, kind text DEFAULT NULL, on_duplicate text DEFAULT 'skip',
    unique_until text DEFAULT 'done', unique_for interval DEFAULT NULL, after bigint[] DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_push_wrapper';
COMMENT ON FUNCTION strata.queue_push(text, jsonb, text, timestamptz, integer, integer, text, text, text, text,
    interval, bigint[]) IS 'pushes a job; returns its id, or NULL if its key is taken';

CREATE FUNCTION strata.queue_pop(queue text, worker text DEFAULT NULL, n integer DEFAULT 1,
    lease interval DEFAULT NULL, session boolean DEFAULT false)
RETURNS TABLE (id bigint, claim bigint, payload jsonb, kind text, attempt integer, priority integer, group_key text,
    pushed_at timestamptz, lease_until timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_pop_wrapper';
COMMENT ON FUNCTION strata.queue_pop(text, text, integer, interval, boolean) IS 'gives ready jobs to a worker';

CREATE FUNCTION strata.queue_next(queue text, worker text DEFAULT NULL, done bigint[] DEFAULT '{}',
    results jsonb[] DEFAULT NULL, n integer DEFAULT 1, lease interval DEFAULT NULL, session boolean DEFAULT false,
    strict boolean DEFAULT false)
RETURNS TABLE (id bigint, claim bigint, payload jsonb, kind text, attempt integer, priority integer, group_key text,
    pushed_at timestamptz, lease_until timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_next_wrapper';
COMMENT ON FUNCTION strata.queue_next(text, text, bigint[], jsonb[], integer, interval, boolean, boolean)
    IS 'completes jobs and gives the next ones, in one transaction';

CREATE FUNCTION strata.queue_complete(queue text, claim bigint, result jsonb DEFAULT NULL, strict boolean DEFAULT false)
RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_complete_wrapper';
COMMENT ON FUNCTION strata.queue_complete(text, bigint, jsonb, boolean) IS 'ends a job; false if the claim is lost';

CREATE PROCEDURE strata.queue_maintain()
LANGUAGE c AS 'MODULE_PATHNAME', 'queue_maintain_wrapper';
COMMENT ON PROCEDURE strata.queue_maintain() IS 'one round of housekeeping of all queues, for servers without our background worker';

CREATE FUNCTION strata.queue_limit(queue text, group_key text, max_running integer)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_limit_wrapper';
COMMENT ON FUNCTION strata.queue_limit(text, text, integer)
    IS 'how many jobs of a group may be ready or running at once; NULL: as many as the queue says';
