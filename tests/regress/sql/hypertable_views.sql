-- The information views: columns in their order, who sees what, and their names for scripts of TimescaleDB.
SET client_min_messages = warning;
SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'strata'::regnamespace AND c.relname IN ('hypertables', 'chunks', 'dimensions', 'jobs', 'job_stats', 'job_errors', 'job_history')
ORDER BY c.relname, a.attnum;

CREATE ROLE view_owner;
CREATE ROLE view_reader;
CREATE ROLE view_column;
CREATE ROLE view_nobody;
GRANT CREATE ON SCHEMA public TO view_owner;
SET ROLE view_owner;
CREATE TABLE seen (ts timestamptz NOT NULL, id int, v float8);
CREATE TABLE "Own one" (n bigint NOT NULL, v int);
SELECT created FROM strata.create_hypertable('seen', strata.by_range('ts', INTERVAL '1 day'));
SELECT created FROM strata.create_hypertable('"Own one"', strata.by_range('n', 10));
SELECT created FROM strata.add_dimension('seen', strata.by_hash('id', 2));
SELECT count(*) > 0 FROM strata.premake_chunks('seen', '2020-01-01 00:00+00', '2020-01-03 00:00+00');
SELECT job_id > 0 FROM (SELECT strata.add_retention_policy('seen', INTERVAL '100 years') AS job_id) x;
GRANT SELECT ON seen TO view_reader;
GRANT SELECT (v) ON seen TO view_column;
RESET ROLE;
\set look 'SELECT (SELECT count(*) FROM strata.hypertables) AS hypertables, (SELECT count(*) FROM strata.chunks WHERE range_start < ''2021-01-01'') AS chunks, (SELECT count(*) FROM strata.dimensions) AS dimensions, (SELECT count(*) > 0 FROM strata.jobs) AS jobs, (SELECT count(*) > 0 FROM strata.job_stats) AS stats;'
SET ROLE view_owner;
:look
SET ROLE view_reader;
:look
SET ROLE view_column;
:look
SET ROLE view_nobody;
:look
-- a function that tells what it sees does not see more
CREATE FUNCTION pg_temp.tells(name) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE WARNING '%', $1; RETURN true; END $$;
SELECT hypertable_name FROM strata.hypertables WHERE pg_temp.tells(hypertable_name);
SELECT job_id FROM strata.jobs WHERE pg_temp.tells(application_name);
\set VERBOSITY sqlstate
SELECT * FROM strata.hypertable;
SELECT * FROM strata.job;
\set VERBOSITY default
DROP FUNCTION pg_temp.tells(name);
RESET ROLE;
SELECT hypertable_name, num_dimensions, primary_dimension, primary_dimension_type, relation, compression_enabled, tablespaces FROM strata.hypertables ORDER BY 1;
SELECT hypertable_name, dimension_number, column_name, column_type, dimension_type, time_interval, integer_interval, num_partitions FROM strata.dimensions ORDER BY 1, 2;

-- the names of TimescaleDB: not beside it
BEGIN;
SET LOCAL allow_system_table_mods = on;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 99999, 'timescaledb', extowner, extnamespace, false, '2.0' FROM pg_extension WHERE extname = 'plpgsql';
\set VERBOSITY default
SELECT strata.install_timescale_names();
ROLLBACK;
SELECT strata.install_timescale_names();
SELECT v.name, count(*) AS columns, count(*) FILTER (WHERE a.attname = o.attname AND a.atttypid = o.atttypid) AS same
FROM unnest(ARRAY['hypertables', 'chunks', 'dimensions', 'jobs', 'job_stats', 'job_errors', 'job_history']) v(name)
JOIN pg_attribute o ON o.attrelid = ('strata.' || v.name)::regclass AND o.attnum > 0
LEFT JOIN pg_attribute a ON a.attrelid = ('timescaledb_information.' || v.name)::regclass AND a.attnum = o.attnum
GROUP BY 1 ORDER BY 1;
SET ROLE view_reader;
SELECT hypertable_name, num_dimensions FROM timescaledb_information.hypertables;
SET ROLE view_nobody;
SELECT count(*) FROM timescaledb_information.hypertables;
SELECT count(*) FROM timescaledb_information.jobs;
SELECT strata.install_timescale_names();
RESET ROLE;
DROP SCHEMA timescaledb_information CASCADE;
DROP TABLE seen, "Own one";
DROP OWNED BY view_owner;
DROP ROLE view_owner, view_reader, view_column, view_nobody;
