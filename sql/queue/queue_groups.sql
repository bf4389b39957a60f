-- Job queues: groups and their limits. See src/queue/groups.rs; pairs of tables, see src/queue/pair.rs.

-- Jobs that wait for their group, or for other jobs: rows as in a segment.
CREATE TABLE strata.queue_held_a OF strata.queue_row (
  PRIMARY KEY (qid, id)
) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
CREATE INDEX queue_held_a_group ON strata.queue_held_a (seq, id) WHERE state = 'g';
CREATE INDEX queue_held_a_after ON strata.queue_held_a (id) WHERE state = 'a';
COMMENT ON TABLE strata.queue_held_a IS 'jobs that wait for their group (state g, seq is the number of the group) or for other jobs (state a)';

CREATE TABLE strata.queue_held_b OF strata.queue_row (
  PRIMARY KEY (qid, id)
) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
CREATE INDEX queue_held_b_group ON strata.queue_held_b (seq, id) WHERE state = 'g';
CREATE INDEX queue_held_b_after ON strata.queue_held_b (id) WHERE state = 'a';
COMMENT ON TABLE strata.queue_held_b IS 'jobs that wait for their group or for other jobs; the other table of the pair';

CREATE TABLE strata.queue_ticket_a (
  number bigint NOT NULL,
  n integer NOT NULL,
  id bigint NOT NULL,
  qid integer NOT NULL,
  failed boolean NOT NULL,
  PRIMARY KEY (number, n)
) WITH (autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_ticket_a IS 'members of groups that may be ready or run';
COMMENT ON COLUMN strata.queue_ticket_a.number IS 'number of the group, a hash of its queue and key';
COMMENT ON COLUMN strata.queue_ticket_a.n IS 'from 1 to the limit of the group';
COMMENT ON COLUMN strata.queue_ticket_a.id IS 'the job that has it';
COMMENT ON COLUMN strata.queue_ticket_a.qid IS 'number of the queue';
COMMENT ON COLUMN strata.queue_ticket_a.failed IS 'the job has failed, and stops its group';

CREATE TABLE strata.queue_ticket_b (
  LIKE strata.queue_ticket_a INCLUDING ALL
) WITH (autovacuum_enabled = off);
COMMENT ON TABLE strata.queue_ticket_b IS 'members of groups that may be ready or run; the other table of the pair';

CREATE TABLE strata.queue_limit (
  number bigint PRIMARY KEY,
  qid integer NOT NULL,
  group_key text NOT NULL,
  max_running integer NOT NULL CHECK (max_running >= 0)
);
COMMENT ON TABLE strata.queue_limit IS 'groups with a limit of their own';
COMMENT ON COLUMN strata.queue_limit.number IS 'number of the group, a hash of its queue and key';
COMMENT ON COLUMN strata.queue_limit.qid IS 'number of the queue';
COMMENT ON COLUMN strata.queue_limit.group_key IS 'key of the group';
COMMENT ON COLUMN strata.queue_limit.max_running IS 'so many of its jobs may be ready or running at once';

REVOKE ALL ON TABLE strata.queue_held_a, strata.queue_held_b, strata.queue_ticket_a, strata.queue_ticket_b,
  strata.queue_limit FROM PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('strata.queue_held_a', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_held_b', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_ticket_a', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_ticket_b', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_limit', '');
