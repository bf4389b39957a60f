-- Job queues: unique keys. See src/queue/keys.rs; two tables of one shape, see src/queue/pair.rs.

-- Columns of fixed width go first, and none is NULL: rows are read by their place.
CREATE TABLE strata.queue_key_a (
  id bigint NOT NULL,
  free_at timestamptz NOT NULL,
  qid integer NOT NULL,
  state "char" NOT NULL,
  until_start boolean NOT NULL,
  key text COLLATE "C" NOT NULL,
  PRIMARY KEY (qid, key)
) WITH (fillfactor = 80, autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_key_a IS 'unique keys of jobs';
COMMENT ON COLUMN strata.queue_key_a.id IS 'the job that has the key, or had it last';
COMMENT ON COLUMN strata.queue_key_a.free_at IS 'the key is not free before this time';
COMMENT ON COLUMN strata.queue_key_a.qid IS 'number of the queue';
COMMENT ON COLUMN strata.queue_key_a.state IS 'h held, s its job has started and does without it, e its job has ended';
COMMENT ON COLUMN strata.queue_key_a.until_start IS 'free when the job starts, not when it ends';
COMMENT ON COLUMN strata.queue_key_a.key IS 'the key';

CREATE TABLE strata.queue_key_b (
  LIKE strata.queue_key_a INCLUDING ALL
) WITH (fillfactor = 80, autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_key_b IS 'unique keys of jobs; the other table of the pair';

REVOKE ALL ON TABLE strata.queue_key_a, strata.queue_key_b FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('strata.queue_key_a', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_key_b', '');
