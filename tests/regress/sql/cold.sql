-- The cold tier as users type it: tier, read, what is refused, untier.
SET timezone = 'UTC';
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS pg_strata;
CREATE EXTENSION pg_strata;

-- EXPLAIN without what differs from run to run
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        line := regexp_replace(line, '-g(\d+)-[0-9a-f]{8}\.sqlite on (\w+) \(.*\)', '-g\1.sqlite on \2');
        line := regexp_replace(line, 'rows=(\d+)\.00', 'rows=\1');
        CONTINUE WHEN line ~ '(Index Searches|GETs|Bytes|Cache Hits|Heap Blocks|Heap Fetches|Buckets|Batches|Memory)';
        RETURN NEXT line;
    END LOOP;
END $$;

CREATE TABLE device (id int8 PRIMARY KEY, name text);
INSERT INTO device SELECT g, 'device ' || g FROM generate_series(1, 5) g;
CREATE TABLE metric (
    id int8 NOT NULL, ts timestamptz NOT NULL, device int8 REFERENCES device, value float8, note text,
    PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts);
-- without preload a notice says what is missing
SET client_min_messages = warning;
SELECT created FROM strata.create_hypertable('metric', strata.by_range('ts', interval '1 month'));
RESET client_min_messages;
SELECT strata.premake_chunks('metric', timestamptz '2025-01-01', timestamptz '2025-04-01');
INSERT INTO metric
SELECT g, timestamptz '2025-01-01' + g * interval '12 hours', 1 + g % 5, g * 0.5, CASE WHEN g % 7 > 0 THEN 'note ' || g END
  FROM generate_series(0, 179) g;
CREATE TABLE event (n int PRIMARY KEY, id int8, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES metric);
INSERT INTO event VALUES (1, 3, '2025-01-02 12:00');
SELECT md5(string_agg(m::text, ',' ORDER BY id)), count(*) FROM metric m \gset before_

SET client_min_messages = warning; -- two exporters end in any order
CALL strata.tier_chunks('metric', older_than => timestamptz '2025-03-01');
RESET client_min_messages;
SELECT chunk, range_start, range_end, rows, late_rows, generation, server, owned FROM strata.cold_files ORDER BY range_start;
SELECT chunk, state, attempt, last_error FROM strata.cold_exports ORDER BY id;
SELECT chunk, state FROM strata.chunks WHERE range_start < '2026-01-01' ORDER BY range_start;
SELECT md5(string_agg(m::text, ',' ORDER BY id)) = :'before_md5' AS same, count(*) FROM metric m;

-- what is read, and what is not
SELECT plan('SELECT * FROM metric WHERE id = 5 AND ts = ''2025-01-03 12:00''');
SELECT plan('SELECT value FROM metric WHERE ts >= ''2025-02-27'' AND ts < ''2025-03-02'' AND note IS NOT NULL');
SELECT plan('SELECT id FROM metric WHERE ts < ''2026-01-01'' ORDER BY ts DESC LIMIT 2');
SELECT plan('SELECT id FROM metric WHERE ts < ''2025-02-15'' ORDER BY ts LIMIT 2');
-- a column that only a projection above the scan needs
SELECT (ts AT TIME ZONE 'UTC')::date AS day, count(*), min(note) FROM metric WHERE ts < '2025-01-03' GROUP BY 1 ORDER BY 1;
SELECT device, sum(value), count(note) FROM metric GROUP BY 1 ORDER BY 1;
SELECT m.id, d.name FROM metric m JOIN device d ON d.id = m.device WHERE m.value BETWEEN 2 AND 3.5 ORDER BY 1;
SET strata.cold_pushdown = off;
SELECT plan('SELECT id FROM metric WHERE id = 5 AND ts < ''2025-02-01''');
RESET strata.cold_pushdown;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*), sum(value), count(note) FROM metric;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;

-- a statement fails only when it meets a cold row
UPDATE metric SET value = 0 WHERE id = 170;
UPDATE metric SET value = 0 WHERE id = 5;
DELETE FROM metric WHERE note = 'no such note';
DELETE FROM metric WHERE ts < '2025-01-02';
INSERT INTO metric VALUES (170, '2025-03-27', 1, 9, 'x') ON CONFLICT (id, ts) DO UPDATE SET note = 'met' RETURNING note;
INSERT INTO metric VALUES (5, '2025-01-03 12:00', 1, 9, 'x') ON CONFLICT (id, ts) DO UPDATE SET note = 'met';
INSERT INTO metric VALUES (999, '2025-01-15', 1, 9, 'late');
SELECT note, tableoid::regclass FROM metric WHERE id = 999;
DELETE FROM metric WHERE id = 999;
SELECT id FROM metric WHERE id = 5 FOR UPDATE;
SELECT id FROM metric WHERE id = 5 FOR KEY SHARE;

-- keys and foreign keys
INSERT INTO event VALUES (2, 5, '2025-01-03 12:00');
INSERT INTO event VALUES (3, 5, '2025-01-03 13:00');
DELETE FROM device WHERE id = 1;
SELECT indexrelid::regclass, indisvalid, indisunique FROM pg_index
 WHERE indrelid IN ('metric'::regclass, 'strata_chunks.metric_h1_20250101'::regclass) ORDER BY 1;

-- DDL
ALTER TABLE metric ADD COLUMN extra int DEFAULT 7;
ALTER TABLE metric RENAME COLUMN note TO remark;
SELECT id, remark, extra FROM metric WHERE id IN (1, 178) ORDER BY id;
ALTER TABLE metric DROP COLUMN remark;
ALTER TABLE metric ADD COLUMN remark text;
SELECT id, remark, extra FROM metric WHERE id IN (1, 178) ORDER BY id;
CREATE INDEX ON metric (value);
CREATE UNIQUE INDEX ON metric (id, ts, value);
ALTER TABLE metric ADD CHECK (value >= 0);
ALTER TABLE metric ADD CHECK (value > 5);
ALTER TABLE metric ALTER COLUMN value TYPE numeric;
VACUUM FULL strata_chunks.metric_h1_20250101;
SELECT * FROM metric TABLESAMPLE SYSTEM (10);
DROP SERVER strata_local;
DROP EXTENSION pg_strata;
DROP EXTENSION pg_strata CASCADE;

-- bad input
SELECT strata.tier_chunk('device');
SELECT strata.tier_chunk('strata_chunks.metric_h1_20250201');
SELECT strata.tier_chunk(NULL);
CALL strata.tier_chunks(NULL);
CALL strata.tier_chunks('device');
CALL strata.tier_chunks('metric', older_than => 'yesterdayish'::text);
BEGIN; CALL strata.tier_chunks('metric'); ROLLBACK;
CALL strata.untier_chunk('strata_chunks.metric_h1_20250301');
SELECT strata.set_cold_storage('metric', 'nowhere');
SELECT strata.set_cold_storage('metric', late_rows => 'accept');
SELECT strata.remove_cold_storage('metric');
CREATE SERVER bad FOREIGN DATA WRAPPER strata_sqlite;
CREATE SERVER bad FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://bucket', regoin 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER strata_local OPTIONS (secret_access_key '');

-- privileges
CREATE ROLE regress_cold_other;
SET ROLE regress_cold_other;
SELECT count(*) FROM strata.cold_files;
SELECT strata.tier_chunk('strata_chunks.metric_h1_20250301');
CALL strata.untier_chunk('strata_chunks.metric_h1_20250101');
SELECT count(*) FROM strata.cold_file;
SELECT count(*) FROM strata_chunks.metric_h1_20250101;
RESET ROLE;
DROP ROLE regress_cold_other;

-- and back
SELECT chunk, status, detail FROM strata.cold_check('metric', deep => true) ORDER BY 1;
CALL strata.untier_chunks('metric');
SELECT count(*) FROM strata.cold_files;
SELECT count(*), sum(value), max(extra) FROM metric;
UPDATE metric SET value = 1 WHERE id = 5;
-- dropping a cold chunk leaves its file in the delete queue
CALL strata.tier_chunks('metric', older_than => timestamptz '2025-02-01');
SELECT generation FROM strata.cold_files;
DROP TABLE event;
BEGIN;
SELECT strata.drop_chunks('metric', older_than => timestamptz '2025-02-01');
SELECT count(*) FROM strata.cold_files;
ROLLBACK;
SELECT count(*) FROM strata.cold_files;
TRUNCATE strata_chunks.metric_h1_20250101;
SELECT count(*) FROM strata.cold_files;
SELECT reason, generation FROM strata.cold_delete_queue ORDER BY queued_at, generation, key LIKE '%20250101T%' DESC;
DROP TABLE metric, device;
DROP FUNCTION plan(text);
DROP EXTENSION pg_strata;
CREATE EXTENSION pg_strata;
