-- Single chunks: attached, detached, frozen, reordered. Output free of OIDs and times.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = 'America/Caracas';
CREATE SCHEMA ops;
CREATE SCHEMA "Ops";
SET search_path = ops;

CREATE TABLE "Device" (id int PRIMARY KEY);
INSERT INTO "Device" VALUES (1), (2);
CREATE TABLE "Log" (ts timestamptz NOT NULL, device int REFERENCES "Device", v int CHECK (v >= 0), note text, PRIMARY KEY (ts, device));
CREATE INDEX "Log v" ON "Log" (v);
CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := COALESCE(NEW.note, 'by trigger'); RETURN NEW; END $$;
CREATE TRIGGER "Count" BEFORE INSERT ON "Log" FOR EACH ROW EXECUTE FUNCTION count_up();
SELECT created FROM strata.create_hypertable('"Log"', strata.by_range('ts', INTERVAL '1 day'));
CREATE TABLE "Ops"."Log" (LIKE "Log");
SELECT created FROM strata.create_hypertable('"Ops"."Log"', strata.by_range('ts', INTERVAL '1 day'));
SELECT * FROM strata.premake_chunks('"Log"', '2024-01-01 00:00+00', '2024-01-04 00:00+00');
SELECT * FROM strata.premake_chunks('"Ops"."Log"', '2024-01-01 00:00+00', '2024-01-02 00:00+00');
INSERT INTO "Log" SELECT TIMESTAMPTZ '2024-01-01 00:00+00' + i * INTERVAL '1 hour', 1 + i % 2, i FROM generate_series(0, 71) i;

-- 1. detach_chunk: a table of its own, with rows, keys and foreign keys; attach_chunk: a chunk again
-- in a transaction block; outside of one PostgreSQL adds a CHECK of the range (DETACH CONCURRENTLY)
BEGIN;
CALL strata.detach_chunk('strata_chunks."Log_h1_20240102"');
COMMIT;
SELECT count(*) FROM "Log";
SELECT count(*), min(note) FROM strata_chunks."Log_h1_20240102";
SELECT conname, contype FROM pg_constraint WHERE conrelid = 'strata_chunks."Log_h1_20240102"'::regclass AND contype <> 'n' ORDER BY 1;
SELECT count(*) FROM strata.chunk k WHERE k.chunk = 'strata_chunks."Log_h1_20240102"'::regclass;
INSERT INTO strata_chunks."Log_h1_20240102" VALUES ('2024-01-03 00:00+00', 1, 1);
-- bounds are in UTC, whatever the session's zone
CALL strata.attach_chunk('"Log"', 'strata_chunks."Log_h1_20240102"', '{"ts": ["2024-01-02", "2024-01-03"]}');
DELETE FROM strata_chunks."Log_h1_20240102" WHERE ts >= '2024-01-03 00:00+00';
CALL strata.attach_chunk('"Log"', 'strata_chunks."Log_h1_20240102"', '{"ts": ["2024-01-02", "2024-01-03"]}');
SELECT count(*) FROM "Log";
SELECT chunk, range_start AT TIME ZONE 'UTC' AS range_start, range_end AT TIME ZONE 'UTC' AS range_end, origin FROM strata.chunks
WHERE hypertable_schema = 'ops' AND range_start < '2025-01-01' ORDER BY 2;
INSERT INTO "Log" VALUES ('2024-01-02 00:30+00', 3, 1);
INSERT INTO "Log" VALUES ('2024-01-02 00:30+00', 1, -1);
INSERT INTO "Log" VALUES ('2024-01-02 00:30+00', 1, 1) RETURNING note;
INSERT INTO "Log" VALUES ('2024-01-02 00:30+00', 1, 1);

-- 2. attach_chunk: a table of the user, where it lies; owner and row security become the hypertable's
DROP ROLE IF EXISTS ops_owner, ops_other;
CREATE ROLE ops_owner;
CREATE ROLE ops_other;
GRANT USAGE, CREATE ON SCHEMA ops, "Ops" TO ops_owner, ops_other;
CREATE TABLE "Ops"."Old rows" (note text, v int CHECK (v >= 0), device int NOT NULL, extra int, ts timestamptz NOT NULL);
ALTER TABLE "Ops"."Old rows" DROP COLUMN extra, ADD CONSTRAINT "Log_v_check" CHECK (v >= 0);
INSERT INTO "Ops"."Old rows" VALUES ('old', 1, 1, '2023-06-01 00:00+00');
CALL strata.attach_chunk('"Log"', '"Ops"."Old rows"', '{"ts": [null, "2023-07-01T00:00:00Z"]}');
SELECT tableoid::regclass, * FROM "Log" WHERE ts < '2024-01-01 00:00+00';
ALTER TABLE "Log" OWNER TO ops_owner;
ALTER TABLE "Log" ENABLE ROW LEVEL SECURITY;
CREATE TABLE "Ops".more (LIKE "Log" INCLUDING CONSTRAINTS);
CALL strata.attach_chunk('"Log"', '"Ops".more', '{"ts": ["2030-01-01 00:00+00", "infinity"]}');
SELECT pg_get_userbyid(relowner), relrowsecurity, pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = '"Ops".more'::regclass;

-- 3. attach_chunk: what it refuses
CREATE TABLE plain (LIKE "Log" INCLUDING CONSTRAINTS);
CREATE VIEW ops_view AS SELECT * FROM "Log";
CALL strata.attach_chunk('plain', '"Log"', '{"ts": [null, null]}');
CALL strata.attach_chunk('"Log"', '"Log"', '{"ts": [null, null]}');
CALL strata.attach_chunk('"Log"', '"Ops"."Log"', '{"ts": [null, null]}');
CALL strata.attach_chunk('"Log"', 'ops_view', '{"ts": [null, null]}');
CALL strata.attach_chunk('"Log"', 'strata_chunks."Log_h1_20240101"', '{"ts": [null, null]}');
CALL strata.attach_chunk('"Log"', 'plain', '[1]');
CALL strata.attach_chunk('"Log"', 'plain', '{"device": [1, 2]}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["2022-01-01", "2022-02-01"], "device": [1, 2]}');
CALL strata.attach_chunk('"Log"', 'plain', '{}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["2022-01-01"]}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["2022-02-01", "2022-01-01"]}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": [1, 2]}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": [{}, 1.5]}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["no time", "2022-02-01"]}');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["2024-01-01 00:00+00", "2024-01-01 01:00+00"]}');
CALL strata.attach_chunk('"Log"', 'plain', NULL);
CALL strata.attach_chunk('"Log"', '"Device"', '{"ts": ["2024-02-01", "2024-03-01"]}');
CALL strata.detach_chunk('plain');
CALL strata.detach_chunk('"Log"');
CALL strata.detach_chunk(NULL);
-- an integer key takes numbers, also as text
CREATE TABLE numbers (n int NOT NULL);
SELECT created FROM strata.create_hypertable('numbers', strata.by_range('n', 10));
CREATE TABLE numbers_old (n int NOT NULL);
CALL strata.attach_chunk('numbers', 'numbers_old', '{"n": [-20, "-10"]}');
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = 'numbers_old';

-- 4. freeze_chunk: no INSERT, UPDATE, DELETE or TRUNCATE, and none of ours removes the chunk
SELECT strata.freeze_chunk('strata_chunks."Log_h1_20240101"'), strata.freeze_chunk('strata_chunks."Log_h1_20240101"');
INSERT INTO "Log" VALUES ('2024-01-01 00:30+00', 1, 1);
INSERT INTO "Log" VALUES ('2024-01-01 00:00+00', 1, 1) ON CONFLICT (ts, device) DO UPDATE SET v = 5;
UPDATE "Log" SET v = 7 WHERE ts = '2024-01-01 01:00+00';
UPDATE "Log" SET ts = '2024-01-03 00:45+00' WHERE ts = '2024-01-01 01:00+00';
UPDATE "Log" SET ts = '2024-01-01 00:45+00' WHERE ts = '2024-01-03 01:00+00';
DELETE FROM "Log" WHERE ts = '2024-01-01 01:00+00';
DELETE FROM strata_chunks."Log_h1_20240101";
COPY strata_chunks."Log_h1_20240101" FROM STDIN;
2024-01-01 00:31+00	1	1	\N
\.
TRUNCATE "Log";
TRUNCATE strata_chunks."Log_h1_20240101";
SELECT strata.drop_chunks('"Log"', older_than => TIMESTAMPTZ '2024-01-02 00:00+00', newer_than => TIMESTAMPTZ '2024-01-01 00:00+00');
CALL strata.detach_chunk('strata_chunks."Log_h1_20240101"');
SELECT strata.tier_chunk('strata_chunks."Log_h1_20240101"');
-- reading, and everything with other chunks, goes on; a row that is not there may be deleted
SELECT count(*) FROM "Log" WHERE ts < '2024-01-02 00:00+00' AND ts >= '2024-01-01 00:00+00';
DELETE FROM "Log" WHERE ts = '2024-01-01 01:30+00';
DELETE FROM "Log" WHERE ts = '2024-01-02 00:30+00';
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240101"', '"Log_pkey"');
-- it holds without the library and for replication too
SET session_replication_role = replica;
DELETE FROM "Log" WHERE ts = '2024-01-01 01:00+00';
RESET session_replication_role;
SELECT strata.unfreeze_chunk('strata_chunks."Log_h1_20240101"'), strata.unfreeze_chunk('strata_chunks."Log_h1_20240101"');
UPDATE "Log" SET v = 7 WHERE ts = '2024-01-01 01:00+00';
DELETE FROM "Log" WHERE ts = '2024-01-01 01:00+00' RETURNING v;
SELECT tgname FROM pg_trigger WHERE tgrelid = 'strata_chunks."Log_h1_20240101"'::regclass AND NOT tgisinternal;
SELECT strata.freeze_chunk('plain');
SELECT strata.unfreeze_chunk('"Log"');

-- 5. reorder_chunk: by the chunk's index, the hypertable's, or the last one
CREATE INDEX own_index ON strata_chunks."Log_h1_20240103" (note, v);
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"');
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', 'strata_chunks.own_index');
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', '"Log v"');
SET client_min_messages = notice;
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', verbose => true);
SET client_min_messages = warning;
SELECT count(*) FROM "Log" WHERE ts >= '2024-01-03 00:00+00' AND ts < '2024-01-04 00:00+00';
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', '"Ops"."Log_ts_idx"');
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', 'strata_chunks."Log_h2_20240101_ts_idx"');
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', 'plain');
SELECT strata.reorder_chunk('"Log"');
SELECT strata.reorder_chunk(NULL);

-- 6. Only the owner of the hypertable; the chunk's own owner does not matter
SET ROLE ops_other;
SELECT strata.freeze_chunk('strata_chunks."Log_h1_20240103"');
SELECT strata.unfreeze_chunk('strata_chunks."Log_h1_20240103"');
SELECT strata.reorder_chunk('strata_chunks."Log_h1_20240103"', 'strata_chunks.own_index');
CALL strata.detach_chunk('strata_chunks."Log_h1_20240103"');
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["2022-01-01", "2022-02-01"]}');
RESET ROLE;
SET ROLE ops_owner;
CALL strata.attach_chunk('"Log"', 'plain', '{"ts": ["2022-01-01", "2022-02-01"]}');
SELECT strata.freeze_chunk('strata_chunks."Log_h1_20240103"'), strata.unfreeze_chunk('strata_chunks."Log_h1_20240103"');
CALL strata.detach_chunk('strata_chunks."Log_h1_20240103"');
SELECT count(*) FROM strata_chunks."Log_h1_20240103";
SELECT count(*) FROM ONLY ops."Log";
RESET ROLE;

-- 7. In a transaction: rolls back, and says that the table stays locked
SET client_min_messages = notice;
BEGIN;
CALL strata.detach_chunk('strata_chunks."Log_h1_20240102"');
ROLLBACK;
SET client_min_messages = warning;
SELECT count(*) FROM "Log" WHERE ts >= '2024-01-02 00:00+00' AND ts < '2024-01-03 00:00+00';
