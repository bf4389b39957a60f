-- time_bucket_gapfill, locf, interpolate.
ALTER DATABASE hypertable_gapfill SET session_preload_libraries = 'pg_strata';
\c -
SET search_path = public, strata;
SET DateStyle = ISO;
SET TimeZone = 'UTC';
SET enable_hashagg = off;
CREATE TABLE m (ts timestamptz, dev int, v float8, n int);
INSERT INTO m VALUES ('2024-01-01 01:10', 1, 10, 10), ('2024-01-01 04:10', 1, 40, 40), ('2024-01-01 02:10', 2, 5, NULL), ('2024-01-01 00:30', 2, 1, 1);
SELECT time_bucket_gapfill('1 hour', ts) AS b, dev, avg(v), locf(avg(v)), interpolate(avg(v)) + 1 AS line, interpolate(max(n)) AS whole
FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY b, dev ORDER BY dev, b;
EXPLAIN (COSTS OFF) SELECT time_bucket_gapfill('1 hour', ts) AS b, dev, locf(avg(v))
FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY b, dev HAVING count(*) > 0 AND locf(avg(v)) > 0 ORDER BY dev, b;

-- the range: arguments, conditions, both; rows outside come out too
SELECT time_bucket_gapfill('1 hour', ts, start => '2024-01-01 02:00', finish => '2024-01-01 04:00') AS b, count(*), locf(sum(v)), interpolate(sum(v)) FROM m GROUP BY 1;
SELECT time_bucket_gapfill('3 hours', ts) AS b, count(*) FROM m WHERE '2024-01-01 00:00' < ts AND ts <= '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill('3 hours', ts, finish => '2024-01-01 12:00') AS b, count(*) FROM m WHERE ts BETWEEN '2024-01-01' AND '2024-01-01 03:00' AND ts >= '2023-12-31' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', m.ts) AS b, count(*) FROM m JOIN (VALUES (1)) d(dev) ON m.dev = d.dev AND m.ts >= '2024-01-01' WHERE m.ts < '2024-01-01 03:00' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' OR ts < '2024-01-01 06:00' GROUP BY b;
SELECT time_bucket_gapfill('1 hour', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' GROUP BY b;
-- untyped literals: a range, unless the third is a time zone
SELECT time_bucket_gapfill('1 hour', ts, '2024-01-01 02:00', '2024-01-01 04:00') AS b, locf(sum(v)) FROM m GROUP BY 1 HAVING time_bucket_gapfill('1 hour', ts, '2024-01-01 02:00', '2024-01-01 04:00') < '2024-01-01 04:00' ORDER BY time_bucket_gapfill('1 hour', ts, '2024-01-01 02:00', '2024-01-01 04:00') DESC;
SELECT time_bucket_gapfill('1 hour', ts, '2024-01-01 03:00') AS b, count(*) FROM m WHERE ts < '2024-01-01 05:00' GROUP BY b;
SELECT time_bucket_gapfill('1 day', ts, 'yesterday', 'now') IS NOT NULL AS b, count(*) FROM m GROUP BY time_bucket_gapfill('1 day', ts, 'yesterday', 'now') ORDER BY 2 LIMIT 1;
SELECT time_bucket_gapfill('1 day', ts, '+03', '2024-01-01', '2024-01-02') AS b, count(*) FROM m GROUP BY 1;
SELECT time_bucket_gapfill('1 day', ts, 'Asia/Tokyo', '2024-01-01', '2024-01-02') AS b, count(*) FROM m GROUP BY 1;
SELECT time_bucket_gapfill('1 day', ts, '2024-01-x1', '2024-01-02') AS b, count(*) FROM m GROUP BY 1;
SELECT time_bucket_gapfill('1 day', ts, 'Nowhere', '2024-01-01', '2024-01-02') AS b, count(*) FROM m GROUP BY 1;
SELECT time_bucket('1 day', ts, '2024-01-01') FROM m;
SELECT time_bucket_gapfill('1 hour', ts) AS b FROM m WHERE ts >= '-infinity' AND ts < '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', ts, start => now() - random() * interval '1 h', finish => now()) AS b FROM m GROUP BY 1;
SELECT time_bucket_gapfill(n * interval '1 hour', ts) AS b FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill(NULL::interval, ts) AS b FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1;

-- parameters
PREPARE p(timestamptz, timestamptz, interval) AS SELECT time_bucket_gapfill($3, ts) AS b, count(*) FROM m WHERE ts >= $1 AND ts < $2 GROUP BY b;
SET plan_cache_mode = force_generic_plan;
EXECUTE p('2024-01-01', '2024-01-01 05:00', '2 hours');
EXECUTE p('2024-01-01 01:00', '2024-01-01 03:00', '1 hour');
EXECUTE p('2024-01-01', NULL, '1 hour');
SET plan_cache_mode = force_custom_plan;
EXECUTE p('2024-01-01', '2024-01-01 05:00', '2 hours');
EXECUTE p('2024-01-01', NULL, '1 hour');
RESET plan_cache_mode;

-- no rows
SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*), locf(min(v), 7.5::float8), interpolate(sum(v)) FROM m WHERE ts >= '2030-01-01' AND ts < '2030-01-01 04:00' GROUP BY 1;
SELECT time_bucket_gapfill('2 hours', ts) AS b, dev, count(*) FROM m WHERE ts >= '2030-01-01' AND ts < '2030-01-01 04:00' GROUP BY 1, 2;
SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2030-01-01' AND ts < '2030-01-01 04:00' AND false GROUP BY 1;
SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2030-01-05' AND ts < '2030-01-01' GROUP BY 1;

-- conditions that are never true do not take the range along
SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*), locf(sum(v), 5::float8) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' AND dev IN (NULL) AND (1 <> 1) GROUP BY 1;
SELECT time_bucket_gapfill('2 hours', ts) AS b, dev, count(*) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' AND (1 <> 1) GROUP BY 1, 2;
SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' AND ts < NULL AND (1 <> 1) GROUP BY 1;
SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' AND (1 <> 1) GROUP BY 1;
SELECT count(*), count(c) FROM (SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) AS c FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' AND NULL GROUP BY 1) x;
EXPLAIN (COSTS OFF) SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' AND 1 <> 1 GROUP BY 1;
PREPARE never(int) AS SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' AND dev = $1 GROUP BY 1;
SET plan_cache_mode = force_custom_plan;
EXECUTE never(NULL);
SET plan_cache_mode = force_generic_plan;
EXECUTE never(NULL);
RESET plan_cache_mode;

SELECT time_bucket_gapfill('2 hours', ts) AS b, count(*) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' GROUP BY 1 HAVING count(*) > 0 AND 1 <> 1;

-- HAVING on aggregates chooses groups, HAVING on buckets and filled values chooses rows
SELECT time_bucket_gapfill('1 hour', ts) AS b, sum(v), locf(sum(v)) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 05:00' GROUP BY 1 HAVING sum(v) > 4;
SELECT time_bucket_gapfill('1 hour', ts) AS b, sum(v) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 05:00' GROUP BY 1
HAVING locf(sum(v)) < 40 AND time_bucket_gapfill('1 hour', ts) > '2024-01-01 00:00' ORDER BY locf(sum(v)) DESC, b;
-- conditions outside stay outside, those on whole series go in
CREATE VIEW filled AS SELECT time_bucket_gapfill('1 hour', ts) AS b, dev, sum(v) AS s FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' GROUP BY 1, 2;
SELECT * FROM filled WHERE s IS NULL AND dev = 1;
SELECT * FROM filled WHERE b > '2024-01-01 01:00' AND dev = 2;
EXPLAIN (COSTS OFF) SELECT * FROM filled WHERE s IS NULL AND dev > 0;
WITH f AS (SELECT * FROM filled) SELECT count(*) FROM f WHERE s IS NULL;
SELECT EXISTS (SELECT FROM filled WHERE s IS NULL AND b = '2024-01-01 02:00' AND dev = 2);

-- prev and next, NULLs
INSERT INTO m VALUES (NULL, 1, 99, 9), ('2024-01-01 00:00', NULL, NULL, 3);
SELECT time_bucket_gapfill('2 hours', ts, start => '2024-01-01', finish => '2024-01-01 06:00') AS b, dev, sum(v), locf(sum(v)), locf(sum(v), treat_null_as_missing => true) AS skip,
       locf(sum(v), (SELECT -1.0 * m.dev)::float8, true) AS prev, interpolate(sum(v)) FROM m GROUP BY 1, 2;
SELECT time_bucket_gapfill('1 hour', ts) AS b, dev, interpolate(sum(v), (SELECT (timestamptz '2023-12-31 23:00', 0::float8)), (SELECT (timestamptz '2024-01-01 07:00', m.dev::float8)))
FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' AND dev > 0 GROUP BY 1, 2;
SELECT time_bucket_gapfill('1 hour', ts) AS b, interpolate(sum(v), (SELECT (1, 2))) FROM m WHERE ts >= '2023-12-31 23:00' AND ts < '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', ts) AS b, interpolate(sum(v), (SELECT m FROM m LIMIT 1)) FROM m WHERE ts >= '2023-12-31 23:00' AND ts < '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill('3 hours', ts) AS b, interpolate(sum(v), (SELECT (NULL::timestamptz, 2::float8))) FROM m WHERE ts >= '2023-12-31 23:00' AND ts < '2024-01-01 06:00' GROUP BY 1;

-- above and around: windows, set-returning functions, LATERAL, cursors, dependent columns
SELECT time_bucket_gapfill('1 hour', ts) AS b, locf(avg(v)), lag(locf(avg(v))) OVER (ORDER BY time_bucket_gapfill('1 hour', ts)), row_number() OVER ()
FROM m WHERE ts >= '2024-01-01 01:00' AND ts < '2024-01-01 05:00' GROUP BY b;
SELECT time_bucket_gapfill('1 hour', ts) AS b, generate_series(1, 2), coalesce(locf(sum(v)), 0) FROM m WHERE ts >= '2024-01-01 02:00' AND ts < '2024-01-01 04:00' GROUP BY 1;
CREATE TABLE d (dev int PRIMARY KEY, name text, since timestamptz);
INSERT INTO d VALUES (1, 'one', '2024-01-01 00:30'), (2, 'two', '2024-01-01 02:00');
SELECT d.name, x.* FROM d, LATERAL (SELECT time_bucket_gapfill('2 hours', ts) AS b, interpolate(sum(v)) FROM m WHERE m.dev = d.dev AND ts >= d.since AND ts < '2024-01-01 06:00' GROUP BY b) x ORDER BY 1, 2;
SELECT time_bucket_gapfill('2 hours', ts) AS b, d.dev, d.name, upper(d.name), sum(v) FROM m JOIN d USING (dev) WHERE ts >= '2024-01-01' AND ts < '2024-01-01 04:00' GROUP BY 1, d.dev;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT time_bucket_gapfill('1 hour', ts) AS b, interpolate(sum(v)) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1;
FETCH 2 FROM c;
FETCH LAST FROM c;
FETCH BACKWARD 2 FROM c;
COMMIT;

-- all key types
CREATE TABLE k (a int2, b int4, c int8, d date, t timestamp, z timestamptz);
INSERT INTO k SELECT g, g, g, date '2024-01-01' + g, timestamp '2024-01-01' + g * interval '1 h', timestamptz '2024-03-30 12:00' + g * interval '1 h' FROM generate_series(1, 29, 7) g;
SELECT time_bucket_gapfill(5::int2, a) AS x, interpolate(max(a)) FROM k WHERE a >= 0::int2 AND a < 30::int2 GROUP BY 1;
SELECT time_bucket_gapfill(5, b) AS x, interpolate(max(b)), interpolate(max(b)::real) FROM k WHERE b > 3::int8 AND 29::int2 >= b GROUP BY 1;
SELECT time_bucket_gapfill(5::int8, c) AS x, interpolate(max(c)), locf(array_agg(c)), locf(max(c::text)) FROM k WHERE c BETWEEN 3 AND 22 GROUP BY 1;
SELECT time_bucket_gapfill('5 days', d) AS x, locf(max(b)) FROM k WHERE d >= '2024-01-03' AND d < '2024-01-20' GROUP BY 1;
SELECT time_bucket_gapfill('1 month', d) AS x, locf(max(b)) FROM k WHERE d >= '2023-12-03' AND d < timestamp '2024-03-01 12:00' GROUP BY 1;
SELECT time_bucket_gapfill('6 hours', t) AS x, locf(max(b)) FROM k WHERE t >= '2024-01-01' AND t < date '2024-01-02' GROUP BY 1;
SELECT time_bucket_gapfill('1 day', z, 'Europe/Berlin') AS x, count(*) FROM k WHERE z >= '2024-03-29 23:00+00' AND z < '2024-04-01 22:00+00' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', z, 'Europe/Berlin', '2024-03-31 00:00+01', '2024-03-31 05:00+02') AS x FROM k WHERE false GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', z, 'Europe/Berlin', '2024-10-27 00:00+02', '2024-10-27 05:00+01') AS x FROM k WHERE false GROUP BY 1;
SELECT time_bucket_gapfill('1 day', z, 'Nowhere/City') AS x FROM k WHERE z >= '2024-02-10' AND z < '2024-05-01' GROUP BY 1;

-- ranges wider than the type, and lines between extremes
SELECT time_bucket_gapfill(16384::int2, a) AS x, count(*) FROM k WHERE a >= -100000 AND a < 100000 GROUP BY 1;
SELECT time_bucket_gapfill(10000::int2, a) AS x, count(*) FROM k WHERE a >= -100000 AND a < 100000 GROUP BY 1;
SELECT time_bucket_gapfill(4611686018427387904, n) AS x, interpolate(max(v)) FROM (VALUES (int8 '-9223372036854775808', int8 '9223372036854775807'), (9223372036854775807, -9223372036854775808)) q(n, v)
WHERE n >= -9223372036854775808 AND n <= 9223372036854775807 GROUP BY 1;
SELECT time_bucket_gapfill(1, n) AS x, interpolate(max(f)), interpolate(max(i), (SELECT (2, 2000000000)), (SELECT (5, 2147483647)))
FROM (VALUES (3, 1e308::float8, 2100000000), (7, -1e308, -5)) q(n, f, i) WHERE n >= 1 AND n < 9 GROUP BY 1;

-- refused
SELECT time_bucket_gapfill('1 hour', ts) FROM m;
SELECT time_bucket_gapfill('1 hour', ts)::date FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', ts), dev FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY ROLLUP (1, 2);
SELECT time_bucket_gapfill('1 hour', ts), time_bucket_gapfill('2 hours', ts) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1, 2;
SELECT count(*) FROM m WHERE time_bucket_gapfill('1 hour', ts) > '2024-01-01';
SELECT locf(1);
SELECT interpolate(max(n)) FROM m;
SELECT time_bucket_gapfill('1 hour', ts), locf(interpolate(sum(v))) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1;
SELECT time_bucket_gapfill('1 hour', ts), avg(locf(v)) FROM m WHERE ts >= '2024-01-01' AND ts < '2024-01-01 06:00' GROUP BY 1;
\set VERBOSITY sqlstate
SELECT time_bucket_gapfill('1 hour', ts) FROM m;
SELECT time_bucket_gapfill('1 hour', ts) FROM m GROUP BY 1;
