-- time_bucket in all its forms, version 7 UUIDs, first, last, histogram.
SET search_path = public, strata;
SET DateStyle = ISO;
SET TimeZone = 'UTC';
SELECT proname, count(*), bool_and(provolatile = 'i') AS immutable, bool_and(proparallel = 's') AS parallel_safe,
       count(*) FILTER (WHERE proisstrict) AS strict
FROM pg_proc WHERE pronamespace = 'strata'::regnamespace
  AND proname IN ('time_bucket', 'generate_uuidv7', 'to_uuidv7', 'to_uuidv7_boundary', 'uuid_timestamp', 'uuid_timestamp_micros', 'uuid_version')
GROUP BY 1 ORDER BY 1;

-- weeks begin on Monday, months go by the calendar, before the origin as after it
SELECT time_bucket('1 week', timestamp '2024-01-05 13:00'), time_bucket('1 week', date '1999-12-31'),
       time_bucket('1 month', timestamp '1999-12-31'), time_bucket('3 months', timestamptz '2024-05-31 23:00+00'),
       time_bucket('1 year', date '0044-03-15 BC'), time_bucket('15 minutes', timestamp '1969-07-20 20:17:40');
-- origin and offset, by position and by name
SELECT time_bucket('1 day', timestamp '2024-01-05 13:00', timestamp '2000-01-01 18:00'),
       time_bucket('1 month', date '2024-03-30', origin => date '2023-12-31'),
       time_bucket('1 day', timestamptz '2024-01-05 05:00+00', "offset" => interval '6 hours'),
       time_bucket('1 month', timestamp '2024-01-03', interval '4 days');
-- sub-day widths of dates are cut to the date
SELECT time_bucket('18 hours', date '2024-01-05'), time_bucket('36 hours', date '2024-01-05');
-- local days are 23 to 25 hours long
SELECT d, time_bucket('1 day', d, 'Europe/Berlin') AS berlin, time_bucket('1 day', d, 'America/New_York') AS new_york
FROM generate_series(timestamptz '2024-03-30 22:00+00', '2024-03-31 23:00+00', '5 hours') d;
SELECT d, time_bucket('1 hour', d, 'Europe/Berlin') AS double_hour
FROM generate_series(timestamptz '2024-10-26 23:30+00', '2024-10-27 02:30+00', '30 minutes') d;
SELECT time_bucket('1 month', timestamptz '2024-01-31 23:30+00', 'Europe/Berlin'),
       time_bucket('1 day', timestamptz '2024-01-31 23:30+00', 'Europe/Berlin', "offset" => '2 hours'),
       time_bucket('1 day', timestamptz '2024-01-31 23:30+00', 'Europe/Berlin', origin => timestamptz '2024-01-01 12:00+00'),
       time_bucket('1 hour', timestamptz '2024-01-31 23:30+00', 'EST');
-- NULLs, infinity
SELECT time_bucket(NULL, date '2024-01-05') IS NULL, time_bucket('1 day', date '2024-01-05', NULL::date) IS NULL,
       time_bucket('1 day', now(), NULL::text) IS NULL, time_bucket('1 day', timestamptz '2024-01-05', 'UTC', NULL, NULL),
       time_bucket('1 month', timestamptz 'infinity', 'Europe/Berlin'), time_bucket('1 day', date '-infinity'), time_bucket('1 day', timestamp 'infinity');
-- integers, down to the least
SELECT time_bucket(10, -1), time_bucket(10::smallint, '-32760'::smallint, 2::smallint), time_bucket(5::bigint, 9223372036854775807, 3),
       time_bucket(1::bigint, '-9223372036854775808'::bigint);
-- refused
SELECT time_bucket('0 days', now());
SELECT time_bucket('-1 month', date '2024-01-05');
SELECT time_bucket('1 month 1 day', timestamp '2024-01-05');
SELECT time_bucket(0, 5);
SELECT time_bucket('1 day', now(), 'Mars/Olympus');
SELECT time_bucket('1 day', timestamp '2024-01-05', timestamp 'infinity');
SELECT time_bucket('1000 years', timestamp '4713-01-01 BC');
SELECT time_bucket('100000000 days', date '4713-01-01 BC');
SELECT time_bucket(100::smallint, '-32768'::smallint);
SELECT time_bucket('1 hour', date '5000000-01-01');
SELECT time_bucket('1 day', gen_random_uuid()) IS NULL;
\set VERBOSITY sqlstate
SELECT time_bucket('1 month 1 day', timestamp '2024-01-05');
SELECT time_bucket('1000 years', timestamp '4713-01-01 BC');
\set VERBOSITY default
-- indexes may use it
CREATE TABLE t (ts timestamptz, local timestamp);
CREATE INDEX ON t (time_bucket('1 day', ts)) WHERE time_bucket('1 day', local) > '2024-01-01';

-- ids
SELECT uuid_version(generate_uuidv7()), uuid_version('00000000-0000-4000-8000-000000000000'),
       generate_uuidv7() < generate_uuidv7() AS rising, abs(extract(epoch FROM uuid_timestamp_micros(generate_uuidv7()) - clock_timestamp())) < 60 AS now;
SELECT to_uuidv7_boundary('2025-09-04 11:01:02.345678+00'), uuid_timestamp('019913ce-f124-7835-96c7-a2df691caa98'),
       uuid_timestamp_micros(to_uuidv7_boundary('2025-09-04 11:01:02.345678+00')), to_uuidv7('2025-09-04') <> to_uuidv7('2025-09-04') AS random,
       time_bucket('1 hour', uuid '019913ce-f124-7835-96c7-a2df691caa98'), time_bucket('1 day', uuid '019913ce-f124-7835-96c7-a2df691caa98', 'Asia/Tokyo');
SELECT to_uuidv7('1969-12-31 23:59:59.999+00');
SELECT to_uuidv7_boundary('infinity');
SELECT uuid_timestamp('00000000-0000-4000-8000-000000000000');

-- first and last
CREATE TABLE v (g int, ts timestamptz, x int, s text);
INSERT INTO v VALUES (1, '2024-01-02', 2, 'b'), (1, '2024-01-01', NULL, NULL), (1, '2024-01-03', 3, 'c'), (1, NULL, 99, 'z'), (2, NULL, 1, 'a');
SELECT g, first(x, ts), last(x, ts), first(s, x), last(ts, s), last(v, ts) FROM v GROUP BY g ORDER BY g;
SELECT first(x, ts), last(x, ts) FROM v WHERE false;
SELECT ts, first(x, ts) OVER w, last(x, ts) OVER w FROM v WINDOW w AS (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING);
SELECT last(x, ts) FILTER (WHERE x < 3), last(x, ts ORDER BY x), count(DISTINCT g) FROM v;
SELECT first(x, point(1, 1)) FROM v;
SELECT first(x, x::smallint), last(x, x::bigint), first(x, x::numeric), last(x, ts::date), first(ARRAY[x], ts::timestamp) FROM v;

-- histogram
SELECT histogram(x, 1, 3, 2), histogram(x, 1, 3, 2) FILTER (WHERE x > 99) FROM v;
SELECT histogram(x, 0, 10, 5) FROM (VALUES (-1), (0), (1.99), (2), (9.999), (10), ('NaN'), (NULL)) v(x);
SELECT histogram(x, 0, 10, 0) FROM v;
SELECT histogram(x, 10, 10, 5) FROM v;
SELECT histogram(x, NULL, 10, 5) FROM v;
SELECT histogram(x, 0, 'Infinity', 5) FROM v;
SELECT histogram(x, 0, 10, x) FROM v;
