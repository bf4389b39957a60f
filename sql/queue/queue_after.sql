-- Job queues: jobs that wait for other jobs. See src/queue/after.rs; pairs of tables, see src/queue/pair.rs.

CREATE TABLE strata.queue_after_a (
  parent bigint NOT NULL,
  child bigint NOT NULL,
  qid integer NOT NULL,
  parent_qid integer NOT NULL,
  failed boolean NOT NULL,
  PRIMARY KEY (parent, child)
) WITH (autovacuum_enabled = off);
CREATE INDEX queue_after_a_child ON strata.queue_after_a (child);
CREATE INDEX queue_after_a_failed ON strata.queue_after_a (child) WHERE failed;
COMMENT ON TABLE strata.queue_after_a IS 'jobs that wait for other jobs';
COMMENT ON COLUMN strata.queue_after_a.parent IS 'the job that must have ended';
COMMENT ON COLUMN strata.queue_after_a.child IS 'the job that waits for it, in strata.queue_held_a or _b (state a)';
COMMENT ON COLUMN strata.queue_after_a.qid IS 'number of the queue of the job that waits';
COMMENT ON COLUMN strata.queue_after_a.parent_qid IS 'number of the queue of the job that must have ended';
COMMENT ON COLUMN strata.queue_after_a.failed IS 'the parent has failed or was cancelled, and the child fails with it';

CREATE TABLE strata.queue_after_b (
  LIKE strata.queue_after_a INCLUDING ALL
) WITH (autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_after_b IS 'jobs that wait for other jobs; the other table of the pair';

REVOKE ALL ON TABLE strata.queue_after_a, strata.queue_after_b FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('strata.queue_after_a', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_after_b', '');
