-- Job queues: jobs that the database runs by itself. See src/queue/runner.rs.

CREATE FUNCTION strata.queue_push_sql(queue text, command text, payload jsonb DEFAULT NULL,
    run_as regrole DEFAULT NULL, timeout interval DEFAULT NULL, atomic boolean DEFAULT true,
    unique_key text DEFAULT NULL, run_at timestamptz DEFAULT NULL, priority integer DEFAULT 0,
    max_attempts integer DEFAULT NULL, group_key text DEFAULT NULL, kind text DEFAULT NULL,
    on_duplicate text DEFAULT 'skip', unique_until text DEFAULT 'done', unique_for interval DEFAULT NULL,
    after bigint[] DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'queue_push_sql_wrapper';
COMMENT ON FUNCTION strata.queue_push_sql(text, text, jsonb, regrole, interval, boolean, text, timestamptz, integer,
    integer, text, text, text, text, interval, bigint[])
  IS 'pushes a command that the database runs by itself, with $1 = payload and $2 = job id; returns the id of the job';

-- SQL jobs that are to be cancelled while they run. Not dumped.
CREATE TABLE strata.queue_interrupt (
  id bigint PRIMARY KEY
);
COMMENT ON TABLE strata.queue_interrupt IS 'running SQL jobs that somebody has cancelled, until they are interrupted';
COMMENT ON COLUMN strata.queue_interrupt.id IS 'the job';
REVOKE ALL ON TABLE strata.queue_interrupt FROM PUBLIC;
