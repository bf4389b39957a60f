-- What stands above a cold scan in the plan gets every column that it needs: answers are the same before and after.
SET timezone = 'UTC';
SET client_min_messages = warning;
CREATE TABLE target (place text, ts timestamptz, a float8, b int, c text, PRIMARY KEY (place, ts));
INSERT INTO target
SELECT chr(65 + n % 3), timestamptz '2024-01-01 00:00+00' + n * interval '3 hours', n % 97, n, 'c' || n % 11
FROM generate_series(0, 900) n;
SELECT created, rows_moved FROM strata.create_hypertable('target', strata.by_range('ts', interval '1 month'), migrate_data => true);

CREATE VIEW answers AS
SELECT 'group by an expression' AS question, string_agg(q::text, ' ' ORDER BY q) AS answer
FROM (SELECT to_char(ts, 'YYYY-MM') AS month, sum(a), max(c) FROM target WHERE place = 'A' GROUP BY 1) q
UNION ALL
SELECT 'sort by one column, show expressions of others', string_agg(q::text, ' ')
FROM (SELECT upper(c) AS c, round(a::numeric, 1) AS a, ts FROM target WHERE b < 800 ORDER BY a DESC, b LIMIT 5) q
UNION ALL
SELECT 'distinct on', string_agg(q::text, ' ' ORDER BY q)
FROM (SELECT DISTINCT ON (place) place, ts::date AS day, avg(a) FROM target GROUP BY 1, 2 ORDER BY 1, 3, 2) q
UNION ALL
SELECT 'join', string_agg(q::text, ' ' ORDER BY q)
FROM (SELECT x.c || y.c AS pair, count(*) FROM target x JOIN target y ON y.b = x.b + 1 GROUP BY 1) q
UNION ALL
SELECT 'window', string_agg(q::text, ' ' ORDER BY q)
FROM (SELECT DISTINCT place, first_value(c) OVER (PARTITION BY place ORDER BY a DESC, b) FROM target) q
UNION ALL
SELECT 'no column at all', count(*)::text FROM target
UNION ALL
SELECT 'whole rows', md5(string_agg(t::text, ' ' ORDER BY place, ts)) FROM target t;

CREATE TABLE before AS TABLE answers;
CALL strata.tier_chunks('target', older_than => timestamptz '2024-04-01 00:00+00');
SELECT state, count(*) FROM strata.chunks
WHERE hypertable_name = 'target' AND range_start < '2025-01-01' GROUP BY 1 ORDER BY 1;
SELECT question, b.answer IS NOT NULL AND b.answer = a.answer AS same FROM before b JOIN answers a USING (question) ORDER BY 1;

CALL strata.untier_chunks('target');
SELECT count(*) AS cold_files FROM strata.cold_files WHERE hypertable = 'target'::regclass;
SELECT question, b.answer = a.answer AS same FROM before b JOIN answers a USING (question) ORDER BY 1;
DROP VIEW answers;
DROP TABLE before, target;
