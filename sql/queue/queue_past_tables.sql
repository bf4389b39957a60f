-- History of ended jobs. The hypertable strata.queue_ended is no member of the extension: it is made when it is first
-- needed, and stays with its data when the extension goes. See src/queue/past.rs.

-- Ended jobs for which the hypertable had no chunk or no room in time; they are moved there later.
CREATE TABLE strata.queue_history_overflow (
  id bigint NOT NULL,
  pushed_at timestamptz NOT NULL,
  started_at timestamptz,
  finished_at timestamptz NOT NULL,
  qid integer NOT NULL,
  stream integer NOT NULL,
  attempts smallint NOT NULL,
  max_attempts smallint NOT NULL,
  priority smallint NOT NULL,
  state text NOT NULL,
  queue text NOT NULL,
  kind text,
  worker text,
  unique_key text,
  group_key text,
  payload jsonb,
  result jsonb,
  progress jsonb,
  errors jsonb,
  PRIMARY KEY (id, finished_at)
);
COMMENT ON TABLE strata.queue_history_overflow IS 'ended jobs that are on their way to strata.queue_ended; see the view strata.queue_history';
COMMENT ON COLUMN strata.queue_history_overflow.id IS 'number of the job';
COMMENT ON COLUMN strata.queue_history_overflow.pushed_at IS 'when it was pushed';
COMMENT ON COLUMN strata.queue_history_overflow.started_at IS 'when it was last given to a worker';
COMMENT ON COLUMN strata.queue_history_overflow.finished_at IS 'when it ended';
COMMENT ON COLUMN strata.queue_history_overflow.qid IS 'number of its queue';
COMMENT ON COLUMN strata.queue_history_overflow.stream IS 'its stream, see strata.queue_stream; the number of the queue for jobs of clients';
COMMENT ON COLUMN strata.queue_history_overflow.attempts IS 'how often it was given to a worker';
COMMENT ON COLUMN strata.queue_history_overflow.max_attempts IS 'after so many attempts it would have failed';
COMMENT ON COLUMN strata.queue_history_overflow.priority IS 'smaller ones go first';
COMMENT ON COLUMN strata.queue_history_overflow.state IS 'done, failed or cancelled';
COMMENT ON COLUMN strata.queue_history_overflow.queue IS 'name of its queue at that time';
COMMENT ON COLUMN strata.queue_history_overflow.kind IS 'what kind of job it is, as its pusher says';
COMMENT ON COLUMN strata.queue_history_overflow.worker IS 'who had it last';
COMMENT ON COLUMN strata.queue_history_overflow.unique_key IS 'its unique key';
COMMENT ON COLUMN strata.queue_history_overflow.group_key IS 'its group';
COMMENT ON COLUMN strata.queue_history_overflow.payload IS 'what its pusher gave it';
COMMENT ON COLUMN strata.queue_history_overflow.result IS 'what its worker gave back';
COMMENT ON COLUMN strata.queue_history_overflow.progress IS 'what its worker said last';
COMMENT ON COLUMN strata.queue_history_overflow.errors IS 'errors of its attempts and the reason of its cancelling, the oldest first';

-- Where living jobs lie that have come back, and so have another number than their id. See src/queue/find.rs, and
-- src/queue/pair.rs for the two tables.
CREATE TABLE strata.queue_moved_a (
  id bigint NOT NULL,
  seq bigint NOT NULL,
  qid integer NOT NULL,
  lane smallint NOT NULL,
  PRIMARY KEY (qid, id)
) WITH (fillfactor = 70, autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_moved_a IS 'numbers of jobs that have come back';
COMMENT ON COLUMN strata.queue_moved_a.id IS 'number of the job for ever';
COMMENT ON COLUMN strata.queue_moved_a.seq IS 'number that it has now';
COMMENT ON COLUMN strata.queue_moved_a.qid IS 'its stream, see strata.queue_stream';
COMMENT ON COLUMN strata.queue_moved_a.lane IS 'the lane that it has now';

CREATE TABLE strata.queue_moved_b (
  LIKE strata.queue_moved_a INCLUDING ALL
) WITH (fillfactor = 70, autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_moved_b IS 'numbers of jobs that have come back; the other table of the pair';

REVOKE ALL ON TABLE strata.queue_history_overflow, strata.queue_moved_a, strata.queue_moved_b FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('strata.queue_moved_a', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_moved_b', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_history_overflow', '');

-- A history that an earlier life of the extension left behind: its numbers are not given out again.
DO $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
             JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.relowner
             WHERE n.nspname OPERATOR(pg_catalog.=) 'strata' AND c.relname OPERATOR(pg_catalog.=) 'queue_ended'
               AND c.relkind OPERATOR(pg_catalog.=) 'p' AND r.rolname OPERATOR(pg_catalog.=) CURRENT_USER) THEN
    PERFORM pg_catalog.setval('strata.queue_seq', greatest(pg_catalog.max(e.id), 1)),
            pg_catalog.setval('strata.queue_qid_seq', greatest(pg_catalog.max(e.stream), pg_catalog.max(e.qid), 1))
    FROM strata.queue_ended e;
  END IF;
END $$;
