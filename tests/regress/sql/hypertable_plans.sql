-- What the planner makes of conditions on hypertables, and the ordered scan in windows.
SET client_min_messages = warning;
CREATE TABLE m (ts timestamptz NOT NULL, device int NOT NULL, v int) PARTITION BY RANGE (ts);
SELECT created FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 day'), create_default_indexes => false);
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT count(*) FROM strata.premake_chunks('m', '2024-01-01'::timestamptz, '2024-03-01'::timestamptz);
CREATE INDEX m_device ON m (device, ts DESC);
INSERT INTO m SELECT '2024-01-01'::timestamptz + i * interval '1 hour', i % 3, i FROM generate_series(0, 1400) i;

-- Buckets become ranges of the key: exact where the value is on the grid.
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE strata.time_bucket('1 day', ts) = '2024-01-10';
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE strata.time_bucket('2 days', ts) < '2024-01-03';
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE '2024-02-27' < strata.time_bucket('12 hours', ts) AND ts < '2024-03-01';
-- A zone makes buckets of 23 to 25 hours: two days of margin on both sides.
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE strata.time_bucket('1 day', ts, 'Europe/Berlin') < '2024-01-01';
CREATE VIEW daily AS SELECT strata.time_bucket('1 day', ts) AS day, device, sum(v) AS v FROM m GROUP BY 1, 2;
SELECT * FROM daily WHERE day = '2024-02-01' ORDER BY device;
PREPARE since(timestamptz) AS SELECT * FROM m WHERE strata.time_bucket('1 day', ts) >= $1 AND ts < '2024-03-01';
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE since('2024-02-29');
RESET plan_cache_mode;
SET strata.planner = off;
SELECT count(*) FROM m WHERE strata.time_bucket('2 days', ts) < '2024-01-03';
SET strata.planner = on;
SELECT count(*) FROM m WHERE strata.time_bucket('2 days', ts) < '2024-01-03';

-- The newest row of a device: 60 chunks, planned one after another.
EXPLAIN (COSTS OFF) SELECT * FROM m WHERE device = 1 ORDER BY ts DESC LIMIT 2;
SELECT * FROM m WHERE device = 1 ORDER BY ts DESC LIMIT 2;
SELECT * FROM m WHERE v % 500 = 7 ORDER BY ts, v OFFSET 1;
SELECT * FROM m WHERE v % 500 = 7 ORDER BY ts, v LIMIT 9 OFFSET 1;
SELECT d, x.v FROM (VALUES (0), (1), (2), (3)) d(d) LEFT JOIN LATERAL (SELECT v FROM m WHERE device = d ORDER BY ts DESC LIMIT 1) x ON true ORDER BY d;
SELECT min(ts), max(ts) FROM m WHERE device = 2;

-- Not for it: no limit, another order, few chunks, row locks, aggregates, ties.
CREATE FUNCTION lazy(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN ' || query LOOP
    IF line LIKE '%LazyScan%' THEN RETURN true; END IF;
  END LOOP;
  RETURN false;
END $$;
SELECT q, lazy('SELECT * FROM m ' || q) FROM (VALUES
  ('ORDER BY ts LIMIT 1'), ('ORDER BY ts, device DESC LIMIT 1'), ('ORDER BY ts'), ('ORDER BY device, ts LIMIT 1'),
  ('WHERE ts < ''2024-01-20'' ORDER BY ts LIMIT 1'), ('WHERE ts < ''2024-02-20'' ORDER BY ts LIMIT 1'),
  ('ORDER BY ts LIMIT 1 FOR UPDATE'), ('ORDER BY ts FETCH FIRST ROW WITH TIES'), ('TABLESAMPLE SYSTEM (50) ORDER BY ts LIMIT 1'),
  ('WHERE random() > 2 ORDER BY ts LIMIT 1'), ('WHERE v IN (SELECT device FROM m) ORDER BY ts LIMIT 1')) t(q);
DROP TABLE m CASCADE;
