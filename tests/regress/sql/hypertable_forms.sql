-- The forms in which a hypertable is made, its settings, and what follows when it is altered. Free of now().
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET IntervalStyle = postgres;
SET TimeZone = 'America/Caracas';
CREATE EXTENSION IF NOT EXISTS pg_strata;
-- loads the library, which sees CREATE TABLE ... WITH from then on
SELECT strata.by_range('ts', INTERVAL '1 day');

-- 1. CREATE TABLE ... WITH
CREATE TABLE w1 (ts timestamptz, v int) WITH (tsdb.hypertable, tsdb.chunk_interval = '1 day', fillfactor = 70);
SET client_min_messages = notice;
CREATE TABLE IF NOT EXISTS w1 (ts timestamptz, v int) WITH (tsdb.hypertable);
CREATE TABLE w2 (ts timestamptz, at date, v int, PRIMARY KEY (at, v))
WITH (timescaledb.hypertable, timescaledb.partition_column = 'at', timescaledb.chunk_interval = '1 month',
      timescaledb.create_default_indexes = false, timescaledb.segmentby = 'v', timescaledb.orderby = 'ts');
SET client_min_messages = warning;
CREATE TABLE w3 (LIKE w1, x serial) WITH (strata.hypertable);
CREATE TABLE w4 (id bigint, v int) WITH (tsdb.hypertable, tsdb.partition_column = 'id', tsdb.chunk_interval = 500);
CREATE TABLE w5 (ts timestamptz, v int) PARTITION BY RANGE (ts) WITH (tsdb.hypertable);
CREATE SCHEMA made CREATE TABLE w6 (ts timestamptz) WITH (tsdb.hypertable);
SELECT hypertable_schema, hypertable_name, primary_dimension, chunk_interval, num_chunks > 2 AS premade
FROM strata.hypertables WHERE hypertable_name LIKE 'w_' ORDER BY 2;
SELECT count(*) FROM strata.premake_chunks('w1', '2020-01-01 00:00+00', '2020-01-03 00:00+00');
SELECT c.relname, c.reloptions FROM pg_class c WHERE c.relname LIKE 'w1_h%_2020010_' ORDER BY 1;
SELECT indexdef FROM pg_indexes WHERE tablename IN ('w1', 'w2', 'w4') ORDER BY tablename, indexname;
-- refused
CREATE TABLE x (ts timestamptz, at date) WITH (tsdb.hypertable);
CREATE TABLE x (v int) WITH (tsdb.hypertable);
CREATE TEMPORARY TABLE x (ts timestamptz) WITH (tsdb.hypertable);
CREATE UNLOGGED TABLE x (ts timestamptz) WITH (tsdb.hypertable);
CREATE TABLE x WITH (tsdb.hypertable) AS SELECT now() AS ts;
CREATE TABLE x PARTITION OF w5 FOR VALUES FROM ('2020-01-01') TO ('2020-01-02') WITH (tsdb.hypertable);
CREATE TABLE x (ts timestamptz) WITH (tsdb.chunk_interval = '1 day');
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, tsdb.colour = 'red');
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, tsdb.chunk_interval = 'a week');
CREATE TABLE x (ts timestamptz, id int PRIMARY KEY) WITH (tsdb.hypertable);
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, nonsense = 1);
CREATE TABLE x (ts timestamptz) WITH (other.hypertable);
ALTER TABLE w1 SET (timescaledb.compress, timescaledb.compress_segmentby = 'v');
ALTER TABLE w1 SET (tsdb.chunk_interval = '1 day');
CREATE MATERIALIZED VIEW x WITH (timescaledb.continuous) AS SELECT 1;
SELECT to_regclass('x');

-- 2. alter_hypertable and the other settings
SELECT strata.alter_hypertable('w1') - 'hypertable_id';
SELECT strata.alter_hypertable('w1', premake => 0, chunk_origin => '2000-01-01 06:00+00', on_missing_chunk => 'error',
  max_chunks_per_statement => 3, horizon_past => '1 year', horizon_future => '2 days', drop_empty_after => '30 days',
  lock_wait => '3 s', chunk_grants => true) - 'hypertable_id';
SELECT strata.premake_chunks('w1', '2020-01-05 00:00+00', '2020-01-05 07:00+00');
SELECT strata.premake_chunks('w1', '2021-01-05 00:00+00', '2021-01-09 00:00+00');
SELECT j ->> 'horizon_past' AS past, j ->> 'horizon_future' AS future, j ->> 'drop_empty_after' AS empty
FROM strata.alter_hypertable('w1', horizon_past => '0', drop_empty_after => '0') j;
SELECT strata.set_chunk_time_interval('w1', INTERVAL '1 month');
SELECT strata.alter_hypertable('w1', chunk_origin => '2001-02-01 00:00+00') ->> 'chunk_origin';
SELECT strata.set_partitioning_interval('w1', INTERVAL '2 months', 'ts');
SELECT chunk_interval FROM strata.hypertables WHERE hypertable_name = 'w1';
SELECT strata.alter_hypertable('w1', premake => -1);
SELECT strata.alter_hypertable('w1', on_missing_chunk => 'ignore');
SELECT strata.alter_hypertable('w1', max_chunks_per_statement => 0);
SELECT strata.alter_hypertable('w1', lock_wait => '-1 s');
SELECT strata.alter_hypertable('w1', chunk_origin => 'infinity');
SELECT strata.alter_hypertable('w1', chunk_origin => '2001-02-03 00:00+00');
SELECT strata.alter_hypertable('w4', chunk_origin => '2001-02-03 00:00+00');
SELECT strata.alter_hypertable('w4', horizon_past => '1 day');
SELECT strata.alter_hypertable('pg_class');
SELECT strata.set_chunk_time_interval('w1', INTERVAL '1 day', 'v');
-- grants on chunks, for those who ask
CREATE ROLE strata_reader;
GRANT SELECT ON w1 TO strata_reader;
GRANT INSERT (v) ON w1 TO strata_reader;
SELECT x AS chunk, has_table_privilege('strata_reader', x, 'SELECT') AS reads, has_column_privilege('strata_reader', x, 'v', 'INSERT') AS inserts
FROM strata.premake_chunks('w1', '2022-01-01 00:00+00', '2022-01-02 00:00+00') x;
ALTER TABLE w1 ENABLE ROW LEVEL SECURITY;
SELECT has_table_privilege('strata_reader', x, 'SELECT') AS reads
FROM strata.premake_chunks('w1', '2023-01-01 00:00+00', '2023-01-02 00:00+00') x;
SELECT strata.alter_hypertable('w1', chunk_grants => true);
-- the current value of an integer key
CREATE FUNCTION now4() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 10000::bigint';
CREATE FUNCTION now4v() RETURNS bigint LANGUAGE sql AS 'SELECT 10000::bigint';
SELECT strata.set_integer_now_func('w4', 'now4v');
SELECT strata.set_integer_now_func('w4', 'now');
SELECT strata.set_integer_now_func('w1', 'now4');
SELECT strata.set_integer_now_func('w4', 'now4');
SELECT strata.set_integer_now_func('w4', 'now4');
SELECT strata.set_integer_now_func('w4', 'now4', replace_if_exists => true);
SELECT hypertable_name, dimension_number, column_name, column_type, dimension_type, time_interval, integer_interval, integer_now_func, num_partitions
FROM strata.dimensions WHERE hypertable_name IN ('w1', 'w4') ORDER BY 1;

-- 3. end_column: chunks that begin later hold no row that ends earlier
CREATE TABLE e (start_ts timestamptz NOT NULL, end_ts timestamptz, id int PRIMARY KEY, UNIQUE (id, start_ts));
INSERT INTO e SELECT '2024-01-01 00:00+00'::timestamptz + g * INTERVAL '12 hours', '2024-01-01 06:00+00'::timestamptz + g * INTERVAL '12 hours', g
FROM generate_series(0, 41) g;
INSERT INTO e VALUES ('2024-02-01', '2024-01-01', 1000);
SELECT * FROM strata.create_hypertable('e', strata.by_range('start_ts'), end_column => 'end_ts', migrate_data => true, on_conflicting_unique => 'drop');
DELETE FROM e WHERE id = 1000;
INSERT INTO e VALUES ('2024-01-03', NULL, 1000);
SELECT report FROM strata.create_hypertable('e', strata.by_range('start_ts'), end_column => 'end_ts', migrate_data => true,
  on_conflicting_unique => 'leaf', logical_key => 'id', dry_run => true);
SELECT rows_moved, report FROM strata.create_hypertable('e', strata.by_range('start_ts'), end_column => 'end_ts', migrate_data => true,
  on_conflicting_unique => 'leaf', logical_key => 'id');
SELECT end_column, logical_key FROM strata.hypertables WHERE hypertable_name = 'e';
EXPLAIN (COSTS OFF) SELECT * FROM e WHERE start_ts >= '2024-01-08 00:00+00' AND end_ts <= '2024-01-10 00:00+00';
SELECT count(*) FROM e WHERE start_ts >= '2024-01-08 00:00+00' AND end_ts <= '2024-01-10 00:00+00';
INSERT INTO e VALUES ('2024-01-09 00:00+00', '2024-01-02 00:00+00', 2000);
INSERT INTO e VALUES ('2024-01-02 00:00+00', '2024-01-01 00:00+00', 2000);
INSERT INTO e VALUES ('2024-01-02 00:00+00', '2024-01-03 00:00+00', 1);
INSERT INTO e VALUES ('2024-01-09 00:00+00', '2024-01-10 00:00+00', 1) RETURNING id;
SELECT conname, count(*) > 3 AS on_chunks FROM pg_constraint WHERE conrelid IN (SELECT strata.show_chunks('e')) AND contype = 'c' GROUP BY 1 ORDER BY 1;
SELECT strata.create_hypertable('w2', strata.by_range('at'), end_column => 'v', if_not_exists => true) IS NULL AS skipped;
CREATE TABLE e2 (a date, b timestamptz, c date GENERATED ALWAYS AS ('2020-01-01'::date) STORED);
SELECT strata.create_hypertable('e2', strata.by_range('a'), end_column => 'b');
SELECT strata.create_hypertable('e2', strata.by_range('a'), end_column => 'a');
SELECT strata.create_hypertable('e2', strata.by_range('a'), end_column => 'z');

-- 4. on_conflicting_unique: every action is reported, none is taken silently
CREATE TABLE k (id int PRIMARY KEY, ts timestamptz NOT NULL, code text, n int);
CREATE UNIQUE INDEX k_code ON k (lower(code)) WHERE n > 0;
ALTER TABLE k ADD CONSTRAINT k_n UNIQUE (n) DEFERRABLE;
COMMENT ON INDEX k_code IS 'codes';
COMMENT ON CONSTRAINT k_n ON k IS 'numbers';
SELECT strata.create_hypertable('k', strata.by_range('ts'));
SELECT strata.create_hypertable('k', strata.by_range('ts'), on_conflicting_unique => 'leaf');
BEGIN;
SELECT report -> 'unique_keys' FROM strata.create_hypertable('k', strata.by_range('ts'), on_conflicting_unique => 'widen');
SELECT indexdef FROM pg_indexes WHERE tablename = 'k' ORDER BY 1;
SELECT obj_description('k_code'::regclass), pg_get_constraintdef(oid), obj_description(oid) FROM pg_constraint WHERE conname = 'k_n' AND conrelid = 'k'::regclass;
ROLLBACK;
BEGIN;
SELECT report -> 'unique_keys' FROM strata.create_hypertable('k', strata.by_range('ts'), on_conflicting_unique => 'drop');
SELECT indexdef FROM pg_indexes WHERE tablename = 'k' ORDER BY 1;
ROLLBACK;
CREATE TABLE k_ref (k int REFERENCES k);
ALTER TABLE k REPLICA IDENTITY USING INDEX k_pkey;
SELECT strata.create_hypertable('k', strata.by_range('ts'), on_conflicting_unique => 'widen');
SELECT strata.create_hypertable('k', strata.by_range('ts'), on_conflicting_unique => 'drop');

-- 5. chunk skipping
SELECT * FROM strata.enable_chunk_skipping('e', 'id');
SELECT * FROM strata.enable_chunk_skipping('e', 'id');
SELECT * FROM strata.enable_chunk_skipping('e', 'id', if_not_exists => true);
SELECT strata.enable_chunk_skipping('e', 'start_ts');
SELECT strata.enable_chunk_skipping('w2', 'nope');
SELECT column_name, disabled FROM strata.disable_chunk_skipping('e', 'id');
SELECT strata.disable_chunk_skipping('e', 'id');
SELECT disabled FROM strata.disable_chunk_skipping('e', 'id', if_not_exists => true);

-- 6. what follows ALTER TABLE
ALTER TABLE e ALTER start_ts DROP NOT NULL;
SELECT strata.enable_chunk_skipping('e', 'id') IS NOT NULL;
ALTER TABLE e RENAME end_ts TO "Till";
ALTER TABLE e RENAME id TO "Id";
ALTER TABLE e RENAME start_ts TO "From";
ALTER TABLE e RENAME TO "E";
ALTER TABLE "E" SET SCHEMA made;
SELECT hypertable_schema, hypertable_name, primary_dimension, end_column, logical_key FROM strata.hypertables WHERE relation = 'made."E"'::regclass;
SELECT strata.premake_chunks('made."E"', '2025-01-01 00:00+00', '2025-01-02 00:00+00') AS made;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = (SELECT strata.show_chunks('made."E"', newer_than => '2024-12-30 00:00+00', older_than => '2025-01-06 00:00+00')) AND contype = 'c' ORDER BY 1;
SELECT indexdef LIKE '%UNIQUE%("Id")' AS leaf_key FROM pg_indexes WHERE tablename LIKE 'E_h%_20241230' ORDER BY 1;
ALTER TABLE made."E" OWNER TO strata_reader;
SELECT DISTINCT relowner::regrole FROM pg_class WHERE oid IN (SELECT strata.show_chunks('made."E"'));
ALTER TABLE made."E" DROP COLUMN "Till", DROP COLUMN "Id";
SELECT s -> 'end_column' AS end_column, s -> 'logical_key' AS logical_key, s -> 'chunk_skipping' AS skipping FROM strata.alter_hypertable('made."E"') s;
SELECT count(*) FROM strata.leaf_key;

-- 7. the extension goes and comes back
SELECT strata.alter_hypertable('w2', premake => 0) IS NOT NULL;
DROP EXTENSION pg_strata;
SELECT count(*) FROM w1;
INSERT INTO w2 SELECT NULL, split_part(pg_get_expr(relpartbound, oid), '''', 2)::date, 7 FROM pg_class WHERE relname LIKE 'w2_h%' AND relkind = 'r' AND relispartition LIMIT 1;
CREATE EXTENSION pg_strata;
SELECT created, report -> 'action' AS action FROM strata.create_hypertable('w2', strata.by_range('at', INTERVAL '1 month'), if_not_exists => true);
SELECT created FROM strata.create_hypertable('made."E"', strata.by_range('From'), if_not_exists => true);
SELECT v FROM w2;
SELECT count(*) FROM strata.premake_chunks('w2', '2019-01-01', '2019-02-02');

-- 8. names that scripts for TimescaleDB ask
SELECT strata.install_timescale_names();
SELECT strata.install_timescale_names();
SELECT hypertable_name, num_dimensions FROM timescaledb_information.hypertables ORDER BY 1;
SELECT column_name, dimension_type FROM timescaledb_information.dimensions ORDER BY 1;
DROP SCHEMA timescaledb_information CASCADE;
DROP TABLE w1, w2, w3, w4, w5, k, k_ref, e2, made.w6, made."E";
SELECT count(*) FROM strata.hypertable;
DROP ROLE strata_reader;
