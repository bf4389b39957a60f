-- CREATE TABLE ... WITH (tsdb.hypertable): odd spellings and odd places.
ALTER DATABASE hypertable_with SET session_preload_libraries = 'pg_strata';
\c -
SET client_min_messages = warning;

-- names, cases and namespaces
CREATE TABLE "Mixed" ("Time stamp" timestamptz NOT NULL, v int) WITH (TSDB.Hypertable, "tsdb".partition_column = 'Time stamp', timescaledb.chunk_interval = '1 day', strata.create_default_indexes = off);
CREATE TABLE folded (ts timestamptz NOT NULL, "TS" timestamptz) WITH (tsdb.hypertable = 'on', tsdb.partition_column = TS, tsdb.chunk_interval = 86400000000);
CREATE TABLE liked (LIKE "Mixed" INCLUDING ALL, extra text) WITH (tsdb.hypertable = 1);
CREATE TABLE whole (id bigint) WITH (tsdb.hypertable, tsdb.partition_column = id, tsdb.chunk_interval = 1000);
SELECT hypertable_name, primary_dimension, chunk_interval FROM strata.hypertables ORDER BY 1;
SELECT tablename, count(*) FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'Mixed' GROUP BY 1 ORDER BY 1;

-- of two values neither is taken
\set VERBOSITY default
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, tsdb.hypertable);
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, timescaledb.hypertable = false);
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, tsdb.chunk_interval = '1 day', strata.chunk_time_interval = '2 days');
CREATE TABLE x (ts timestamptz, at date) WITH (tsdb.hypertable, tsdb.partition_column = ts, tsdb.time_column = at);
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable = maybe);
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable = false);
CREATE TABLE x (ts timestamptz) WITH ("TSDB".hypertable);
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, tsdb.chunk_interval = '-1 day');
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable, tsdb.partition_column = 'TS');
CREATE TABLE x (ts timestamptz, v int) PARTITION BY LIST (v) WITH (tsdb.hypertable);
CREATE TABLE x (ts timestamptz, v int) PARTITION BY RANGE (ts, v) WITH (tsdb.hypertable);
CREATE TABLE x (ts timestamptz, at date) PARTITION BY RANGE (ts) WITH (tsdb.hypertable, tsdb.partition_column = at);
CREATE TABLE pg_temp.x (ts timestamptz) WITH (tsdb.hypertable);
CREATE TABLE nowhere.x (ts timestamptz) WITH (tsdb.hypertable);
CREATE VIEW x WITH (tsdb.hypertable) AS SELECT now() AS ts;
ALTER INDEX folded_ts_idx SET (tsdb.chunk_interval = '1 day');
SELECT to_regclass('x');

-- in functions, in several statements at once, in schemas, prepared, and after an error
DO $$ BEGIN
  CREATE TABLE in_block (ts timestamptz NOT NULL) WITH (tsdb.hypertable);
  EXECUTE 'CREATE TABLE in_string (ts date) WITH (tsdb.hypertable)';
  BEGIN
    CREATE TABLE in_vain (ts timestamptz, id int PRIMARY KEY) WITH (tsdb.hypertable);
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
END $$;
CREATE FUNCTION make(name text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('CREATE TABLE %I (ts timestamptz) WITH (tsdb.hypertable)', name); END $$;
SELECT make('made "here"'), make('in_function');
CREATE SCHEMA inner_one CREATE TABLE deep (ts timestamptz) WITH (tsdb.hypertable) CREATE VIEW seen AS SELECT * FROM deep;
SET search_path = inner_one, public;
CREATE TABLE folded (ts timestamptz) WITH (tsdb.hypertable) \; INSERT INTO folded VALUES ('2024-01-01') RETURNING ts::date \; CREATE TABLE later (ts timestamptz) WITH (tsdb.hypertable);
CREATE TABLE IF NOT EXISTS folded (ts date) WITH (tsdb.hypertable, tsdb.chunk_interval = '1 hour');
RESET search_path;
BEGIN;
CREATE TABLE kept (ts timestamptz) WITH (tsdb.hypertable);
SAVEPOINT s;
CREATE TABLE lost (ts timestamptz) WITH (tsdb.hypertable);
INSERT INTO lost VALUES (now());
ROLLBACK TO s;
COMMIT;
SELECT hypertable_schema, hypertable_name FROM strata.hypertables WHERE hypertable_name NOT IN ('Mixed', 'liked', 'whole') ORDER BY 1, 2;

-- event triggers see one table, and can forbid it
CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE r record;
BEGIN
  FOR r IN SELECT object_identity FROM pg_event_trigger_ddl_commands() WHERE command_tag = 'CREATE TABLE' AND schema_name = 'public' LOOP
    RAISE WARNING 'made %', r.object_identity;
    IF r.object_identity ~ 'forbidden' THEN RAISE EXCEPTION 'not this one'; END IF;
  END LOOP;
END $$;
CREATE EVENT TRIGGER told ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION told();
CREATE TABLE watched (ts timestamptz) WITH (tsdb.hypertable);
CREATE TABLE forbidden (ts timestamptz) WITH (tsdb.hypertable);
DROP EVENT TRIGGER told;
SELECT hypertable_name FROM strata.hypertables WHERE hypertable_name IN ('watched', 'forbidden');

-- without the extension the options are nobody's
DROP EXTENSION pg_strata;
CREATE TABLE x (ts timestamptz) WITH (tsdb.hypertable);
