-- Job queues: settings, and the segments in which jobs lie. See src/queue/mod.rs.

-- One row of a segment. Columns that a claim writes are of fixed width and together, so that the record in the log
-- holds only them.
CREATE TYPE strata.queue_row AS (
  seq bigint,
  id bigint,
  lease_until timestamptz,
  claimed_at timestamptz,
  pushed_at timestamptz,
  qid integer,
  worker integer,
  lane smallint,
  attempt smallint,
  max_attempts smallint,
  fence smallint,
  state "char",
  kind text,
  unique_key text,
  group_key text,
  payload jsonb,
  progress jsonb,
  errors jsonb
);
COMMENT ON TYPE strata.queue_row IS 'one job in a segment of a queue; see the view strata.queue_jobs';
COMMENT ON COLUMN strata.queue_row.seq IS 'number of this delivery; the id of a job that has never come back';
COMMENT ON COLUMN strata.queue_row.id IS 'number of the job for ever';
COMMENT ON COLUMN strata.queue_row.lease_until IS 'when a running job is given to somebody else; infinity for a lease by session. When a job is due that waits for its time';
COMMENT ON COLUMN strata.queue_row.claimed_at IS 'when it was last given to a worker';
COMMENT ON COLUMN strata.queue_row.pushed_at IS 'when it was pushed';
COMMENT ON COLUMN strata.queue_row.qid IS 'its stream, see strata.queue_stream';
COMMENT ON COLUMN strata.queue_row.worker IS 'who has it, see strata.queue_worker';
COMMENT ON COLUMN strata.queue_row.lane IS '2 * (priority + 50), plus 1 for a job that has never come back';
COMMENT ON COLUMN strata.queue_row.attempt IS 'how often it was given to a worker';
COMMENT ON COLUMN strata.queue_row.max_attempts IS 'after so many attempts it has failed';
COMMENT ON COLUMN strata.queue_row.fence IS 'random bits that tell this delivery from one that was undone, and the length of its lease';
COMMENT ON COLUMN strata.queue_row.state IS 'r ready, w running, c running and to be cancelled, s waiting for its time, g for its group';
COMMENT ON COLUMN strata.queue_row.kind IS 'what kind of job it is, as its pusher says';
COMMENT ON COLUMN strata.queue_row.unique_key IS 'of the jobs of a queue with this key only one lives';
COMMENT ON COLUMN strata.queue_row.group_key IS 'of the jobs of a queue with this key only a limited number runs';
COMMENT ON COLUMN strata.queue_row.payload IS 'what its pusher gave it';
COMMENT ON COLUMN strata.queue_row.progress IS 'what its worker said last';
COMMENT ON COLUMN strata.queue_row.errors IS 'errors of earlier attempts, the oldest first';

CREATE SEQUENCE strata.queue_seq AS bigint;
COMMENT ON SEQUENCE strata.queue_seq IS 'numbers jobs and their deliveries';

CREATE SEQUENCE strata.queue_qid_seq AS integer;
COMMENT ON SEQUENCE strata.queue_qid_seq IS 'numbers queues and their streams';

CREATE TABLE strata.queue (
  qid integer PRIMARY KEY,
  name text NOT NULL UNIQUE,
  owner name NOT NULL,
  owner_oid oid NOT NULL,
  ring integer NOT NULL,
  lease interval NOT NULL,
  max_attempts integer NOT NULL,
  retry_delay interval NOT NULL,
  retry_factor double precision NOT NULL,
  retry_max interval NOT NULL,
  retry_jitter double precision NOT NULL,
  keep text NOT NULL CHECK (keep IN ('none', 'failed', 'all')),
  dead_letter text,
  max_ready bigint,
  group_limit integer NOT NULL,
  group_on_fail text NOT NULL CHECK (group_on_fail IN ('continue', 'hold')),
  notify text NOT NULL CHECK (notify IN ('auto', 'none', 'transaction')),
  notify_channel text NOT NULL,
  paused boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE strata.queue IS 'queues and their settings; see the view strata.queues';
COMMENT ON COLUMN strata.queue.qid IS 'number of the queue, and of its stream of jobs for clients';
COMMENT ON COLUMN strata.queue.name IS 'name of the queue';
COMMENT ON COLUMN strata.queue.owner IS 'name of its owner, to find the role again after a restore';
COMMENT ON COLUMN strata.queue.owner_oid IS 'its owner';
COMMENT ON COLUMN strata.queue.ring IS 'the ring of segments that its jobs lie in';
COMMENT ON COLUMN strata.queue.lease IS 'how long a worker may be silent';
COMMENT ON COLUMN strata.queue.max_attempts IS 'after so many attempts a job has failed';
COMMENT ON COLUMN strata.queue.retry_delay IS 'time before the second attempt';
COMMENT ON COLUMN strata.queue.retry_factor IS 'each further delay is so many times the one before';
COMMENT ON COLUMN strata.queue.retry_max IS 'no delay is longer';
COMMENT ON COLUMN strata.queue.retry_jitter IS 'each delay is longer or shorter by up to this fraction';
COMMENT ON COLUMN strata.queue.keep IS 'which ended jobs go to the history: none, failed or all';
COMMENT ON COLUMN strata.queue.dead_letter IS 'queue that gets a copy of every job that failed for good';
COMMENT ON COLUMN strata.queue.max_ready IS 'so many jobs may wait; NULL for any number';
COMMENT ON COLUMN strata.queue.group_limit IS 'so many jobs of a group may be ready or running at once';
COMMENT ON COLUMN strata.queue.group_on_fail IS 'what a failed job does to its group: continue or hold';
COMMENT ON COLUMN strata.queue.notify IS 'who sends NOTIFY: auto (the background worker), none, or transaction (the pusher)';
COMMENT ON COLUMN strata.queue.notify_channel IS 'channel of these notifications';
COMMENT ON COLUMN strata.queue.paused IS 'true: pop gives nothing';

CREATE TABLE strata.queue_stream (
  qid integer PRIMARY KEY,
  queue integer NOT NULL,
  run_as name NOT NULL,
  run_as_oid oid NOT NULL
);
CREATE INDEX queue_stream_queue ON strata.queue_stream (queue, run_as_oid);
COMMENT ON TABLE strata.queue_stream IS 'SQL jobs of a queue that run as one role are a stream of their own';
COMMENT ON COLUMN strata.queue_stream.qid IS 'number of the stream in the rows of its jobs';
COMMENT ON COLUMN strata.queue_stream.queue IS 'number of the queue';
COMMENT ON COLUMN strata.queue_stream.run_as IS 'name of the role, to find it again after a restore';
COMMENT ON COLUMN strata.queue_stream.run_as_oid IS 'the role that runs its jobs';

CREATE TABLE strata.queue_segment (
  ring integer NOT NULL,
  slot integer NOT NULL CHECK (slot BETWEEN 0 AND 255),
  name name NOT NULL,
  generation bigint NOT NULL,
  first_seq bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('tail', 'full', 'draining', 'parked', 'free')),
  turned_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  PRIMARY KEY (ring, slot)
);
CREATE UNIQUE INDEX queue_segment_tail ON strata.queue_segment (ring) WHERE state = 'tail';
COMMENT ON TABLE strata.queue_segment IS 'tables that jobs lie in';
COMMENT ON COLUMN strata.queue_segment.ring IS 'segments of one shape that are used in turn; 0 is the project''s own, 1 is shared';
COMMENT ON COLUMN strata.queue_segment.slot IS 'number in the ring';
COMMENT ON COLUMN strata.queue_segment.name IS 'the table, in the schema of the extension';
COMMENT ON COLUMN strata.queue_segment.generation IS 'counts its lives between two truncations, over the whole ring';
COMMENT ON COLUMN strata.queue_segment.first_seq IS 'no fresh job in it has a smaller number';
COMMENT ON COLUMN strata.queue_segment.state IS 'tail takes new jobs; full and draining are read; parked is read and truncated when nobody reads it; free is empty';
COMMENT ON COLUMN strata.queue_segment.turned_at IS 'when it came into this state';

REVOKE ALL ON TABLE strata.queue, strata.queue_stream, strata.queue_segment FROM PUBLIC;
REVOKE ALL ON SEQUENCE strata.queue_seq, strata.queue_qid_seq FROM PUBLIC;
REVOKE ALL ON TYPE strata.queue_row FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('strata.queue', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_stream', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_segment', 'WHERE ring <> 0');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_seq', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_qid_seq', '');
