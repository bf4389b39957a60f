-- Job queues: many jobs in one call, and waiting.

CREATE FUNCTION strata.queue_push_many(queue text, payloads jsonb[], unique_keys text[] DEFAULT NULL,
    group_keys text[] DEFAULT NULL, run_at timestamptz DEFAULT NULL, priority integer DEFAULT 0,
    max_attempts integer DEFAULT NULL, kind text DEFAULT NULL, on_duplicate text DEFAULT 'skip')
RETURNS bigint[]
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_push_many_wrapper';
COMMENT ON FUNCTION strata.queue_push_many(text, jsonb[], text[], text[], timestamptz, integer, integer, text, text)
    IS 'pushes a job for each payload; returns their ids in the same order, NULL where a key is taken';

CREATE FUNCTION strata.queue_complete_many(queue text, claims bigint[], results jsonb[] DEFAULT NULL,
    strict boolean DEFAULT false)
RETURNS bigint[]
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_complete_many_wrapper';
COMMENT ON FUNCTION strata.queue_complete_many(text, bigint[], jsonb[], boolean)
    IS 'ends jobs; returns the claims that are lost';

CREATE PROCEDURE strata.queue_wait(queue text, timeout interval DEFAULT '30 s', id bigint DEFAULT NULL,
    INOUT ready boolean DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'queue_wait_wrapper';
COMMENT ON PROCEDURE strata.queue_wait(text, interval, bigint, boolean)
    IS 'commits, and waits until a job is ready or the job id has ended: ready is true; or until the time is over';
