-- The surface of hypertables as users type it, and every error text. Output free of OIDs and times.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET IntervalStyle = postgres;
DROP EXTENSION IF EXISTS pg_strata;
CREATE EXTENSION pg_strata;
CREATE SCHEMA hyper_test;
SET search_path = hyper_test, public;
SET TimeZone = 'America/Caracas';

-- 1. Register a partitioned table: partitions are adopted where they are
CREATE TABLE reg (ts timestamptz, v int, PRIMARY KEY (ts, v)) PARTITION BY RANGE (ts);
CREATE TABLE reg_old PARTITION OF reg FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-02-10 00:00+00');
CREATE TABLE reg_rest PARTITION OF reg DEFAULT;
INSERT INTO reg VALUES ('2020-01-15 00:00+00', 1), ('2021-01-01', 2);
SELECT * FROM strata.create_hypertable('reg', strata.by_range('ts', INTERVAL '1 month'));
DELETE FROM reg WHERE v = 2;
SELECT created, rows_moved, report FROM strata.create_hypertable('reg', strata.by_range('ts', INTERVAL '1 month'));
SELECT chunks >= 4 AS premade FROM (SELECT num_chunks AS chunks FROM strata.hypertables WHERE hypertable_name = 'reg') x;
SELECT count(*) FROM strata.premake_chunks('reg', '2020-02-01 00:00+00', '2020-05-01 00:00+00');
SELECT chunk, range_start AT TIME ZONE 'UTC' AS range_start, range_end AT TIME ZONE 'UTC' AS range_end, origin, state FROM strata.chunks
WHERE hypertable_name = 'reg' AND range_start < '2021-01-01' ORDER BY range_start;
SELECT * FROM strata.premake_chunks('reg', '2020-02-01 00:00+00', '2020-05-01 00:00+00');
SELECT strata.create_hypertable('reg', strata.by_range('ts'));
SET client_min_messages = notice;
SELECT created FROM strata.create_hypertable('reg', strata.by_range('ts'), if_not_exists => true);
SELECT schema_name, table_name, created FROM strata.create_hypertable('reg', 'ts', if_not_exists => true);
SET client_min_messages = warning;
INSERT INTO reg VALUES ('2020-02-09 23:59:59+00', 1), ('2020-02-10 00:00+00', 2), ('2020-03-01 00:00+00', 3);
SELECT tableoid::regclass, v FROM reg WHERE ts < '2021-01-01' ORDER BY ts;
SELECT FROM strata.alter_hypertable('reg', on_missing_chunk => 'error');
INSERT INTO reg VALUES ('2019-01-01 00:00+00', 1);

-- 2. show_chunks and drop_chunks: bounds of every kind
SELECT strata.show_chunks('reg', older_than => TIMESTAMPTZ '2020-04-01 00:00+00');
SELECT strata.show_chunks('reg', older_than => TIMESTAMPTZ '2020-04-01 00:00+00', newer_than => TIMESTAMPTZ '2020-02-10 00:00+00');
SELECT strata.show_chunks('reg', older_than => '2020-04-01 00:00+00');
SELECT strata.show_chunks('reg', older_than => '2020-04-01');       -- local midnight lies after 00:00 UTC here
SELECT strata.show_chunks('reg', older_than => DATE '2020-03-31');  -- and so does this, a day earlier
SELECT strata.show_chunks('reg', older_than => TIMESTAMP '2020-04-01 00:00');
SELECT count(*) FROM strata.show_chunks('reg', newer_than => INTERVAL '3 years');
SELECT count(*) FROM strata.show_chunks('reg', older_than => 'infinity'::timestamptz);
SELECT count(*) FROM strata.show_chunks('reg', newer_than => '-infinity'::timestamptz) x, strata.hypertables h WHERE h.relation = 'reg'::regclass AND x IS NULL;
SELECT count(*) > 5 AS made_now FROM strata.show_chunks('reg', created_after => INTERVAL '1 hour');
SELECT strata.show_chunks('reg', created_before => INTERVAL '1 hour');
SELECT strata.show_chunks('reg', older_than => 5);
SELECT strata.show_chunks('reg', older_than => 5.5);
SELECT strata.show_chunks('reg', older_than => true);
SELECT strata.show_chunks('reg', older_than => 'yesterday noon-ish');
SELECT strata.show_chunks('reg', older_than => INTERVAL '1 year', created_before => INTERVAL '1 year');
SELECT strata.show_chunks('reg', older_than => INTERVAL '1 year', newer_than => INTERVAL '1 month');
SELECT strata.show_chunks('reg', created_before => 5);
SELECT strata.show_chunks(NULL);
SELECT strata.drop_chunks('reg');
BEGIN;
SELECT strata.drop_chunks('reg', older_than => INTERVAL '1 year', concurrently => true);
ROLLBACK;
BEGIN;
SET LOCAL client_min_messages = notice;
SELECT strata.drop_chunks('reg', older_than => '2020-02-15 00:00+00', verbose => true);
ROLLBACK;
SELECT count(*) FROM reg;
SELECT strata.drop_chunks('reg', older_than => '2020-02-15 00:00+00', newer_than => '2019-01-01');
SELECT strata.drop_chunks('reg', older_than => '2020-02-15 00:00+00');
SELECT v FROM reg ORDER BY v;

-- 3. integers, from smallint to bigint
CREATE TABLE small (k smallint);
CREATE TABLE medium (k int NOT NULL);
CREATE TABLE big (k bigint PRIMARY KEY);
INSERT INTO small VALUES (-32768), (-1), (0), (32767);
INSERT INTO medium VALUES (5), (150000);
SELECT created, chunks, rows_moved, report->>'default_index' AS idx FROM strata.create_hypertable('small', strata.by_range('k'), migrate_data => true);
SELECT created, chunks, rows_moved FROM strata.create_hypertable('medium', strata.by_range('k'), migrate_data => true);
SELECT table_name, created FROM strata.create_hypertable('big', 'k', chunk_time_interval => 10, create_default_indexes => false);
SELECT chunk_name, range_start_integer, range_end_integer, range_start FROM strata.chunks
WHERE hypertable_name IN ('small', 'medium', 'big') ORDER BY hypertable_name, range_start_integer NULLS FIRST;
SELECT strata.premake_chunks('big', -15, -5);
SELECT strata.premake_chunks('big', 9223372036854775800, 9223372036854775807);
SELECT strata.premake_chunks('big', 0, 1000000);
SELECT strata.premake_chunks('big', 5, 5);
SELECT strata.premake_chunks('big', NULL, 5);
SELECT strata.premake_chunks('big', INTERVAL '1 day', 5);
SELECT strata.premake_chunks('small', 0, 40000);
SELECT strata.show_chunks('big', older_than => 10);
SELECT strata.show_chunks('big', older_than => INTERVAL '1 day');
SELECT strata.show_chunks('big', older_than => now());
SELECT hypertable_name, chunk_interval, primary_dimension, primary_dimension_type, num_chunks, premake, cold_chunks FROM strata.hypertables ORDER BY 1;

-- 4. dates and timestamps
CREATE TABLE dates (d date, x int);
INSERT INTO dates VALUES ('1999-12-31', 1), ('0044-03-15 BC', 2), ('2024-02-29', 3);
SELECT created, rows_moved FROM strata.create_hypertable('dates', strata.by_range('d', INTERVAL '1 year'), migrate_data => true);
SELECT chunk_name FROM strata.chunks WHERE hypertable_name = 'dates' AND range_start < '2025-01-01' ORDER BY range_start;
SELECT tableoid::regclass, * FROM dates ORDER BY d;
CREATE TABLE plain_ts (ts timestamp);
SELECT created FROM strata.create_hypertable('plain_ts', strata.by_range('ts', INTERVAL '6 hours'));
SELECT strata.premake_chunks('plain_ts', '2024-01-05 13:00', '2024-01-05 18:00:01');
SELECT strata.set_chunk_time_interval('plain_ts', INTERVAL '1 day');
SELECT strata.premake_chunks('plain_ts', TIMESTAMP '2024-01-05 00:00', TIMESTAMP '2024-01-06 00:00');
SELECT strata.set_chunk_time_interval('plain_ts', INTERVAL '1 month 1 day');
SELECT strata.set_chunk_time_interval('plain_ts', INTERVAL '1 day', 'x');
SELECT strata.set_chunk_time_interval('plain_ts', NULL::interval);
SELECT strata.premake_chunks('plain_ts', 'infinity', 'infinity');
SELECT strata.premake_chunks('plain_ts', '2024-01-01', 'infinity');

-- 5. intervals that are none
CREATE TABLE t (ts timestamptz NOT NULL, id int, note text);
SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '0'));
SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '-1 day'));
SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '1 month 2 days'));
SELECT strata.create_hypertable('t', strata.by_range('ts', INTERVAL '10 milliseconds'));
SELECT strata.create_hypertable('t', strata.by_range('ts', 7));
SELECT strata.create_hypertable('t', strata.by_range('ts', 'a week'::text));
SELECT strata.create_hypertable('t', strata.by_range('id', INTERVAL '1 day'));
SELECT strata.create_hypertable('t', strata.by_range('id', -5));
SELECT strata.create_hypertable('t', '{"column": "ts"}'::jsonb);
SELECT strata.create_hypertable('t', '{"type": "hash", "column": "ts"}'::strata.dimension_info);
SELECT strata.create_hypertable('t', '7'::jsonb);

-- 6. arguments that do not go together, and NULLs
SELECT strata.create_hypertable('t', strata.by_hash('id', 4));
SELECT strata.create_hypertable('t', strata.by_id('ts', 'ts'));
SELECT strata.create_hypertable('t', strata.by_id('id', 'note'));
SELECT strata.create_hypertable('t', strata.by_range('ts', partition_func => 'pg_catalog.lower(text)'::regprocedure::oid::regproc));
SELECT strata.create_hypertable('t', strata.by_range('ts'), end_column => 'id');
SELECT strata.create_hypertable('t', strata.by_range('ts'), logical_key => 'idd');
SELECT strata.create_hypertable('t', strata.by_range('ts'), on_conflicting_unique => NULL);
SELECT strata.create_hypertable('t', strata.by_range('ts'), on_conflicting_unique => 'ignore');
SELECT strata.create_hypertable('t', 'ts', 'id', 0);
SELECT strata.create_hypertable('t', 'ts', 'id');
SELECT strata.create_hypertable('t', 'ts', 'ts', 4);
SELECT strata.create_hypertable('t', 'ts', associated_schema_name => 'public');
SELECT strata.create_hypertable('t', 'ts', associated_table_prefix => 'x');
SELECT strata.create_hypertable(NULL, strata.by_range('ts'));
SELECT strata.create_hypertable('t', NULL::strata.dimension_info);
SELECT strata.create_hypertable('t', strata.by_range(NULL));
SELECT strata.create_hypertable('t', strata.by_range('ts'), migrate_data => NULL);

-- 7. tables that cannot be hypertables
SELECT strata.create_hypertable('t', strata.by_range('nope'));
SELECT strata.create_hypertable('t', strata.by_range('note'));
SELECT strata.create_hypertable('no_such_table', strata.by_range('ts'));
SELECT strata.create_hypertable(999999999::regclass, strata.by_range('ts'));
SELECT strata.create_hypertable('pg_class', strata.by_range('oid'));
CREATE VIEW v AS SELECT * FROM t;
SELECT strata.create_hypertable('v', strata.by_range('ts'));
CREATE MATERIALIZED VIEW mv AS SELECT * FROM t;
SELECT strata.create_hypertable('mv', strata.by_range('ts'));
CREATE SEQUENCE s;
SELECT strata.create_hypertable('s', strata.by_range('ts'));
CREATE INDEX t_i ON t (id);
SELECT strata.create_hypertable('t_i', strata.by_range('ts'));
CREATE TEMPORARY TABLE tmp (ts timestamptz);
SELECT strata.create_hypertable('tmp', strata.by_range('ts'));
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE ft (ts timestamptz) SERVER nowhere;
SELECT strata.create_hypertable('ft', strata.by_range('ts'));
SELECT strata.create_hypertable('strata.hypertable', strata.by_range('created_at'));
CREATE TABLE by_list (ts timestamptz, r int) PARTITION BY LIST (r);
CREATE TABLE by_hash (ts timestamptz, r int) PARTITION BY HASH (r);
CREATE TABLE by_two (ts timestamptz, r int) PARTITION BY RANGE (ts, r);
CREATE TABLE by_expr (ts timestamptz, r int) PARTITION BY RANGE (date_trunc('day', ts AT TIME ZONE 'UTC'));
CREATE TABLE by_other (ts timestamptz, r int) PARTITION BY RANGE (r);
SELECT strata.create_hypertable('by_list', strata.by_range('ts'));
SELECT strata.create_hypertable('by_hash', strata.by_range('ts'));
SELECT strata.create_hypertable('by_two', strata.by_range('ts'));
SELECT strata.create_hypertable('by_expr', strata.by_range('ts'));
SELECT strata.create_hypertable('by_other', strata.by_range('ts'));
-- from version 18 on, the server refuses such a table itself
DO $$
BEGIN
    CREATE UNLOGGED TABLE by_unlogged (ts timestamptz) PARTITION BY RANGE (ts);
    PERFORM strata.create_hypertable('by_unlogged', strata.by_range('ts'));
    RAISE 'no error';
EXCEPTION WHEN wrong_object_type OR feature_not_supported OR object_not_in_prerequisite_state THEN
    IF SQLERRM NOT IN ('partitioned tables cannot be unlogged', 'unlogged table "by_unlogged" cannot become a hypertable') THEN
        RAISE;
    END IF;
END $$;
-- open-ended partitions are neighbours like others
CREATE TABLE by_open (k int) PARTITION BY RANGE (k);
CREATE TABLE by_open_min PARTITION OF by_open FOR VALUES FROM (MINVALUE) TO (150000);
CREATE TABLE by_open_max PARTITION OF by_open FOR VALUES FROM (950000) TO (MAXVALUE) PARTITION BY LIST (k);
SELECT created, chunks FROM strata.create_hypertable('by_open', strata.by_range('k'));
SELECT strata.premake_chunks('by_open', 0, 1000000);
SELECT strata.show_chunks('by_open', older_than => 300000);
SELECT strata.show_chunks('by_open', newer_than => 900000);
SELECT strata.create_hypertable((SELECT chunk FROM strata.chunks WHERE hypertable_name = 'big' ORDER BY range_start_integer LIMIT 1), strata.by_range('k'));
DROP MATERIALIZED VIEW mv;
DROP VIEW v;

-- 8. all blockers at once, and nothing changed
CREATE TYPE row_of AS (ts timestamptz, id int);
CREATE TABLE typed OF row_of;
CREATE TABLE parent_table (ts timestamptz);
CREATE UNLOGGED TABLE mess (id int PRIMARY KEY, code text UNIQUE, ts timestamptz, n int CHECK (n > 0) NO INHERIT, ref int) INHERITS (parent_table);
CREATE UNIQUE INDEX mess_expr ON mess (lower(code));
ALTER TABLE mess ADD CONSTRAINT later CHECK (n < 100) NOT VALID;
CREATE FUNCTION nop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE MATERIALIZED VIEW mess_mv AS SELECT * FROM mess;
CREATE FUNCTION uses_row(mess) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION atomic() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM mess; END;
CREATE TABLE holder (m mess);
CREATE TABLE mess_child () INHERITS (mess);
CREATE TEMPORARY VIEW tv AS SELECT * FROM mess;
SELECT strata.create_hypertable('mess', strata.by_range('ts'));
SELECT report->'blockers'->>0 AS first_blocker, jsonb_array_length(report->'blockers') AS blockers FROM strata.create_hypertable('mess', strata.by_range('ts'), dry_run => true);
SELECT strata.create_hypertable('typed', strata.by_range('ts'));
CREATE TABLE gen (a int, k int GENERATED ALWAYS AS (a) STORED);
SELECT strata.create_hypertable('gen', strata.by_range('k'));
CREATE TABLE row_trans (ts timestamptz);
CREATE TRIGGER trans AFTER INSERT ON row_trans REFERENCING NEW TABLE AS new_rows FOR EACH ROW EXECUTE FUNCTION nop();
SELECT strata.create_hypertable('row_trans', strata.by_range('ts'));
CREATE TABLE guarded (x int);
CREATE POLICY uses_row_trans ON guarded USING (EXISTS (SELECT FROM row_trans));
DROP TRIGGER trans ON row_trans;
SELECT strata.create_hypertable('row_trans', strata.by_range('ts'));
CREATE TABLE uniq (id int PRIMARY KEY, ts timestamptz);
SELECT strata.create_hypertable('uniq', strata.by_range('ts'));
DROP TABLE mess, mess_child CASCADE;
SELECT count(*) FROM strata.hypertables WHERE hypertable_name IN ('mess', 'typed', 'gen', 'uniq', 't');

-- 9. rows that do not fit
CREATE TABLE filled (ts timestamptz, x int);
INSERT INTO filled VALUES (NULL, 1), (NULL, 2), ('2024-01-01', 3);
SELECT strata.create_hypertable('filled', strata.by_range('ts'));
SELECT strata.create_hypertable('filled', strata.by_range('ts'), migrate_data => true);
DELETE FROM filled WHERE x = 1;
SELECT strata.create_hypertable('filled', strata.by_range('ts'), migrate_data => true);
UPDATE filled SET ts = 'infinity' WHERE ts IS NULL;
SELECT strata.create_hypertable('filled', strata.by_range('ts'), migrate_data => true);
UPDATE filled SET ts = '1024-01-01' WHERE x = 2;
SELECT hypertable_id, created, report FROM strata.create_hypertable('filled', strata.by_range('ts', INTERVAL '1 second'), dry_run => true);
BEGIN;
SET LOCAL strata.move_limit = 0;
SELECT chunks, rows_moved, report->>'action' AS action FROM strata.create_hypertable('filled', strata.by_range('ts'), migrate_data => true);
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT strata.create_hypertable('filled', strata.by_range('ts'), migrate_data => true);
ROLLBACK;
INSERT INTO filled SELECT timestamptz '2000-01-01 00:00+00' + i * interval '1 day' FROM generate_series(1, 1200) i;
SELECT strata.create_hypertable('filled', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
SELECT created, rows_moved FROM strata.create_hypertable('filled', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
SELECT count(*), count(DISTINCT tableoid) FROM filled;

-- 10. rights: the owner may all of it, others nothing
CREATE ROLE hyper_owner NOLOGIN;
CREATE ROLE hyper_other NOLOGIN;
-- the owner has no right to create anything in the schema of the table
GRANT USAGE ON SCHEMA hyper_test TO hyper_owner, hyper_other;
CREATE TABLE mine (ts timestamptz, x int);
ALTER TABLE mine OWNER TO hyper_owner;
INSERT INTO mine VALUES ('2020-01-01 11:00+00', 0);
SET ROLE hyper_other;
SELECT strata.create_hypertable('mine', strata.by_range('ts'));
SET ROLE hyper_owner;
SELECT created, rows_moved FROM strata.create_hypertable('mine', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
SELECT strata.premake_chunks('mine', '2020-01-01 00:00+00', '2020-01-03 00:00+00');
CREATE TABLE not_allowed (x int);
INSERT INTO mine VALUES ('2020-01-01 12:00+00', 1);
SELECT count(*) FROM strata.hypertables;
SELECT count(*) FROM strata.hypertable;
SET ROLE hyper_other;
SELECT count(*) FROM strata.hypertables;
SELECT count(*) FROM strata.chunks;
SELECT strata.drop_chunks('mine', older_than => '2021-01-01');
SELECT strata.premake_chunks('mine', '2020-01-01', '2020-01-03');
SELECT strata.set_chunk_time_interval('mine', INTERVAL '1 hour');
RESET ROLE;
GRANT SELECT, INSERT ON mine TO hyper_other;
SET ROLE hyper_other;
SELECT hypertable_name, owner FROM strata.hypertables;
INSERT INTO mine VALUES ('2020-01-02 12:00+00', 2);
SELECT count(*) FROM mine;
SELECT count(*) FROM strata_chunks.mine_h12_20200101;
SELECT chunk_name, has_table_privilege('hyper_other', chunk, 'SELECT') AS may FROM strata.chunks WHERE range_start < '2021-01-01' ORDER BY 1;
SET ROLE hyper_owner;
SELECT strata.drop_chunks('mine', older_than => '2021-01-01');
RESET ROLE;

-- 11. names and the catalog
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."Täble ""x"" with a name of exactly sixty-three bytes, yes! 12345" ("The Time" timestamptz);
SELECT created FROM strata.create_hypertable('"Odd Schema"."Täble ""x"" with a name of exactly sixty-three bytes, yes! 12345"', strata.by_range('The Time', INTERVAL '1 hour'));
SELECT strata.premake_chunks('"Odd Schema"."Täble ""x"" with a name of exactly sixty-three bytes, yes! 12345"', '2024-01-05 13:00+00', '2024-01-05 14:00+00');
CREATE TABLE "Odd Schema".mine (ts timestamptz);
SELECT created FROM strata.create_hypertable('"Odd Schema".mine', 'ts');
SELECT hypertable_schema, count(*) FROM strata.hypertables WHERE hypertable_name = 'mine' GROUP BY 1 ORDER BY 1;
ALTER TABLE "Odd Schema".mine RENAME COLUMN ts TO "At";
ALTER TABLE "Odd Schema".mine RENAME TO "Not mine";
CREATE SCHEMA other;
ALTER TABLE "Odd Schema"."Not mine" SET SCHEMA other;
SELECT hypertable_schema, hypertable_name, primary_dimension FROM strata.hypertables WHERE hypertable_name = 'Not mine';
-- a detached chunk keeps its name: the next one gets a suffix
ALTER TABLE big DETACH PARTITION strata_chunks.big_h4_0;
SELECT strata.premake_chunks('big', 0, 1);
SELECT strata.show_chunks('strata_chunks.big_h4_0');
DROP TABLE other."Not mine";
DROP SCHEMA other;
DROP SCHEMA "Odd Schema" CASCADE;
DROP TABLE mine, strata_chunks.big_h4_0;
SELECT count(*) FROM strata.hypertable WHERE relation NOT IN (SELECT oid FROM pg_class);
SELECT count(*) FROM strata.chunk WHERE chunk NOT IN (SELECT oid FROM pg_class);
DROP OWNED BY hyper_owner, hyper_other;
DROP ROLE hyper_owner, hyper_other;

-- 12. foreign keys and views of other owners, a partitioned table that refers to it, and one to itself
CREATE ROLE fk_owner NOLOGIN;
CREATE ROLE fk_other NOLOGIN;
GRANT USAGE, CREATE ON SCHEMA hyper_test TO fk_owner, fk_other;
SET ROLE fk_owner;
CREATE TABLE fk_base (id int, ts timestamptz, up int, up_ts timestamptz, PRIMARY KEY (id, ts), CONSTRAINT up_fk FOREIGN KEY (up, up_ts) REFERENCES fk_base);
INSERT INTO fk_base SELECT i, timestamptz '2024-01-01 00:00+00' + i * interval '10 days', 1, timestamptz '2024-01-11 00:00+00' FROM generate_series(1, 10) i;
GRANT SELECT, REFERENCES ON fk_base TO fk_other;
SET ROLE fk_other;
CREATE TABLE fk_ref (id int, ts timestamptz, CONSTRAINT ref_fk FOREIGN KEY (id, ts) REFERENCES fk_base) PARTITION BY LIST (id);
CREATE TABLE fk_ref1 PARTITION OF fk_ref FOR VALUES IN (1, 2);
INSERT INTO fk_ref SELECT id, ts FROM fk_base WHERE id < 3;
CREATE VIEW fk_view AS SELECT id, ts FROM fk_base WHERE id > 2;
CREATE RULE fk_rule AS ON INSERT TO fk_view DO INSTEAD INSERT INTO fk_base (id, ts) VALUES (NEW.id, NEW.ts);
SET ROLE fk_owner;
SELECT created, rows_moved, (report->'carried') - 'privileges' AS carried FROM strata.create_hypertable('fk_base', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);
RESET ROLE;
SELECT conname, conrelid::regclass, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname IN ('ref_fk', 'up_fk') AND conparentid = 0 AND conrelid::regclass::text IN ('fk_ref', 'fk_base') ORDER BY 1;
SELECT c.relname, c.relowner::regrole, pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE rulename = 'fk_rule';
SELECT count(*) FROM fk_view;
INSERT INTO fk_ref VALUES (2, '2024-01-01');
-- the server names the copies of a foreign key in its own way in each version
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN foreign_key_violation OR restrict_violation THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN regexp_replace(SQLERRM, 'constraint "\w+"', 'constraint') || '; ' || detail;
END $$;
SELECT attempt('DELETE FROM fk_base WHERE id = 2');
SELECT attempt('DELETE FROM fk_base WHERE id = 1');
DELETE FROM fk_base WHERE id = 5 RETURNING id;
-- a chunk whose rows are referenced stays, the hypertable with it
-- (the server asks the two keys in the order in which its catalog happens to hold them, and reads the other table as the owner of this one)
GRANT SELECT ON fk_ref TO fk_owner;
SELECT attempt('SELECT strata.drop_chunks(''fk_base'', older_than => TIMESTAMPTZ ''2024-03-01 00:00+00'')')
    ~ '^removing partition "fk_base_h15_20240101" violates foreign key constraint; Key .* is still referenced from table "fk_(base|ref)"\.$' AS refused;
SELECT count(*) FROM strata.show_chunks('fk_base', older_than => TIMESTAMPTZ '2024-03-01 00:00+00');
-- the owner changes: chunks of both owners are made and dropped
ALTER TABLE fk_base OWNER TO fk_other;
SET ROLE fk_other;
SELECT strata.premake_chunks('fk_base', '2023-01-01 00:00+00', '2023-02-01 00:00+00');
DROP TABLE fk_ref;
ALTER TABLE fk_base DROP CONSTRAINT up_fk;
SELECT count(*) FROM strata.drop_chunks('fk_base', older_than => TIMESTAMPTZ '2024-03-01 00:00+00');
RESET ROLE;
DROP TABLE fk_base CASCADE;
DROP OWNED BY fk_owner, fk_other;
DROP ROLE fk_owner, fk_other;

-- 13. without the extension the tables stay
SELECT count(*) FROM reg;
DROP EXTENSION pg_strata;
SELECT count(*) FROM reg;
SELECT count(*) FROM pg_inherits WHERE inhparent = 'big'::regclass;
CREATE EXTENSION pg_strata;
SELECT created, report->'adopted_partitions' AS adopted FROM strata.create_hypertable('big', strata.by_range('k', 10));
DROP SCHEMA hyper_test CASCADE;
DROP FOREIGN DATA WRAPPER nowhere CASCADE;
SELECT count(*) FROM strata.hypertables;
