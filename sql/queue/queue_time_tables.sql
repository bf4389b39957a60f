-- Job queues: side stores, and jobs that wait for their time. See src/queue/pair.rs.

CREATE TABLE strata.queue_pair (
  name name PRIMARY KEY,
  current text NOT NULL CHECK (current IN ('a', 'b')),
  clean boolean NOT NULL,
  switched_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE strata.queue_pair IS 'side stores of queues, each of two tables that are used in turn';
COMMENT ON COLUMN strata.queue_pair.name IS 'name of the tables without the last letter';
COMMENT ON COLUMN strata.queue_pair.current IS 'the table that takes new rows';
COMMENT ON COLUMN strata.queue_pair.clean IS 'true: the other table is empty';
COMMENT ON COLUMN strata.queue_pair.switched_at IS 'when the current table became it';

CREATE TABLE strata.queue_scheduled_a OF strata.queue_row (PRIMARY KEY (qid, id));
CREATE TABLE strata.queue_scheduled_b OF strata.queue_row (PRIMARY KEY (qid, id));
CREATE INDEX queue_scheduled_a_due ON strata.queue_scheduled_a (lease_until, seq);
CREATE INDEX queue_scheduled_b_due ON strata.queue_scheduled_b (lease_until, seq);
COMMENT ON TABLE strata.queue_scheduled_a IS 'jobs that wait for their time, which is in lease_until';
COMMENT ON TABLE strata.queue_scheduled_b IS 'jobs that wait for their time, which is in lease_until';

CREATE SEQUENCE strata.queue_worker_seq AS integer CYCLE;
COMMENT ON SEQUENCE strata.queue_worker_seq IS 'numbers sessions that work for queues';

CREATE TABLE strata.queue_worker (
  id integer PRIMARY KEY,
  name text,
  by_session boolean NOT NULL,
  runner boolean NOT NULL,
  pid integer NOT NULL,
  started timestamptz NOT NULL
);
CREATE INDEX queue_worker_name ON strata.queue_worker (name);
COMMENT ON TABLE strata.queue_worker IS 'sessions that work for queues, one row for each name that they use';
COMMENT ON COLUMN strata.queue_worker.id IS 'its number in rows of running jobs';
COMMENT ON COLUMN strata.queue_worker.name IS 'what the worker calls itself; NULL if it says nothing';
COMMENT ON COLUMN strata.queue_worker.by_session IS 'true: its leases end with the session';
COMMENT ON COLUMN strata.queue_worker.runner IS 'true: a background process of ours that runs SQL jobs';
COMMENT ON COLUMN strata.queue_worker.pid IS 'process of the session';
COMMENT ON COLUMN strata.queue_worker.started IS 'when the session began';

CREATE TABLE strata.queue_beat (
  name text NOT NULL,
  role oid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (name, role)
) WITH (fillfactor = 50);
COMMENT ON TABLE strata.queue_beat IS 'last signs of life of workers';
COMMENT ON COLUMN strata.queue_beat.name IS 'name of the worker';
COMMENT ON COLUMN strata.queue_beat.role IS 'who said so';
COMMENT ON COLUMN strata.queue_beat.at IS 'when';

CREATE TABLE strata.queue_asked (
  qid integer NOT NULL,
  claim bigint NOT NULL,
  worker integer NOT NULL,
  PRIMARY KEY (qid, claim)
);
COMMENT ON TABLE strata.queue_asked IS 'running jobs that somebody wants to be cancelled, until they end';
COMMENT ON COLUMN strata.queue_asked.qid IS 'stream of the job';
COMMENT ON COLUMN strata.queue_asked.claim IS 'the delivery';
COMMENT ON COLUMN strata.queue_asked.worker IS 'who has it, see strata.queue_worker';

REVOKE ALL ON SEQUENCE strata.queue_worker_seq FROM PUBLIC;
REVOKE ALL ON TABLE strata.queue_worker, strata.queue_beat, strata.queue_asked FROM PUBLIC;
REVOKE ALL ON TABLE strata.queue_pair, strata.queue_scheduled_a, strata.queue_scheduled_b FROM PUBLIC;

-- queue_pair is not dumped: after a restore both tables may have rows, as a store without a row there says
SELECT pg_catalog.pg_extension_config_dump('strata.queue_scheduled_a', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_scheduled_b', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_worker', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_worker_seq', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_beat', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_asked', '');
