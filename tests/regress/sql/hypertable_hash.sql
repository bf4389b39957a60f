-- Hash dimensions: new chunks are partitioned again. Free of now().
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = 'UTC';
CREATE EXTENSION IF NOT EXISTS pg_strata;
SELECT strata.by_hash('device', 4);

-- 1. the older argument style makes both dimensions at once
CREATE TABLE h (ts timestamptz NOT NULL, dev int, v text COLLATE "C", CHECK (dev < 1000), PRIMARY KEY (dev, ts));
CREATE STATISTICS h_stat ON dev, v FROM h;
CREATE INDEX h_v ON h (v);
SELECT table_name, created FROM strata.create_hypertable('h', 'ts', 'dev', 3, chunk_time_interval => INTERVAL '1 month');
SELECT indexdef FROM pg_indexes WHERE tablename = 'h' ORDER BY 1;
SELECT strata.premake_chunks('h', '2024-01-01', '2024-02-01');
SELECT c.relname, c.relkind, pg_get_expr(c.relpartbound, c.oid) AS bound, (SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid) AS indexes,
       (SELECT count(*) FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c') AS checks
FROM pg_class c WHERE c.relname LIKE 'h_h_\_20240101%' AND c.relkind IN ('r', 'p') ORDER BY 1;
INSERT INTO h SELECT '2024-01-05', g, g FROM generate_series(1, 30) g;
SELECT tableoid::regclass, count(*) FROM h GROUP BY 1 ORDER BY 1;
INSERT INTO h VALUES ('2024-01-05', 5, 'x') ON CONFLICT (dev, ts) DO UPDATE SET v = 'x' RETURNING dev, v;
EXPLAIN (COSTS OFF) SELECT * FROM h WHERE dev = 5 AND ts >= '2024-01-01' AND ts < '2024-02-01';
SELECT hypertable_name, num_dimensions FROM strata.hypertables;
SELECT dimension_number, column_name, column_type, dimension_type, time_interval, num_partitions FROM strata.dimensions ORDER BY 1;
SELECT chunk_name, range_start FROM strata.chunks WHERE range_start < '2025-01-01';

-- 2. the number of partitions of new chunks
SELECT strata.set_number_partitions('h', 2);
SELECT strata.premake_chunks('h', '2024-02-01', '2024-02-02');
SELECT relname FROM pg_class WHERE relname LIKE 'h_h_\_202402%' AND relkind IN ('r', 'p') ORDER BY 1;
SELECT strata.set_number_partitions('h', 0);
SELECT strata.set_number_partitions('h', 2, 'ts');
SELECT strata.add_dimension('h', strata.by_hash('v', 2));
SELECT strata.add_dimension('h', strata.by_hash('dev', 2));
SELECT created FROM strata.add_dimension('h', strata.by_hash('dev', 2), if_not_exists => true);
SELECT strata.add_dimension('h', strata.by_range('v', 5));
SELECT strata.add_dimension('h', 'v', 2, INTERVAL '1 day');
SELECT strata.add_dimension('h', 'v', chunk_time_interval => INTERVAL '1 day');

-- 3. a later dimension: chunks that exist stay as they are; a key must contain the column
CREATE TABLE later (ts timestamptz NOT NULL, dev int, j json, n int GENERATED ALWAYS AS (1) STORED);
SELECT created FROM strata.create_hypertable('later', strata.by_range('ts'));
SELECT strata.set_number_partitions('later', 2);
SELECT strata.premake_chunks('later', '2024-01-01', '2024-01-02');
SELECT strata.add_dimension('later', strata.by_hash('j', 2));
SELECT strata.add_dimension('later', strata.by_hash('n', 2));
SELECT strata.add_dimension('later', strata.by_hash('gone', 2));
SELECT strata.add_dimension('later', strata.by_hash('dev', 40000));
SELECT schema_name, table_name, column_name, created FROM strata.add_dimension('later', 'dev', 2);
SELECT strata.premake_chunks('later', '2024-01-08', '2024-01-09');
SELECT relname, relkind FROM pg_class WHERE relname LIKE 'later_h_\_2024%' AND relkind IN ('r', 'p') ORDER BY 1;
CREATE TABLE keyed (ts timestamptz NOT NULL PRIMARY KEY, dev int);
SELECT strata.create_hypertable('keyed', 'ts', 'dev', 2);
SELECT created FROM strata.create_hypertable('keyed', strata.by_range('ts'));
SELECT strata.add_dimension('keyed', strata.by_hash('dev', 2));

-- 4. what chunks carry reaches their parts; whole chunks go
ALTER TABLE h REPLICA IDENTITY USING INDEX h_pkey;
ALTER TABLE h ENABLE ROW LEVEL SECURITY;
ALTER TABLE h ALTER v SET STATISTICS 50;
SELECT strata.premake_chunks('h', '2024-03-01', '2024-03-02');
SELECT c.relname, c.relreplident, c.relrowsecurity, a.attstattarget FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'v'
WHERE c.relname LIKE 'h_h_\_202403%' AND c.relkind IN ('r', 'p') ORDER BY 1;
SELECT count(*) FROM strata.drop_chunks('h', older_than => TIMESTAMPTZ '2024-02-01');
SELECT count(*) FROM pg_class WHERE relname LIKE 'h_h_\_202401%' AND relkind IN ('r', 'p');
SELECT count(*) FROM h;
DROP TABLE h, later, keyed;
SELECT count(*) FROM strata.dimension;
