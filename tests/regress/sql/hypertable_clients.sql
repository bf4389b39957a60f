-- Hypertables for clients of ordinary tables: the catalog lens.
\set VERBOSITY default
SET client_min_messages = warning;
CREATE ROLE lens_app LOGIN;
CREATE ROLE lens_other LOGIN;
GRANT ALL ON SCHEMA public TO lens_app;
CREATE TABLE wide (id bigint, ts timestamptz NOT NULL, v float8, PRIMARY KEY (id, ts));
CREATE TABLE bare (ts timestamptz NOT NULL, "Odd id" uuid);
CREATE TABLE number (id bigint PRIMARY KEY);
CREATE TABLE child (wide_id bigint, wide_ts timestamptz, FOREIGN KEY (wide_id, wide_ts) REFERENCES wide);
CREATE TABLE parted (ts timestamptz) PARTITION BY RANGE (ts);
SELECT created FROM strata.create_hypertable('wide', strata.by_range('ts', INTERVAL '1 month'));
SELECT created FROM strata.create_hypertable('bare', strata.by_range('ts'));
SELECT created FROM strata.create_hypertable('number', strata.by_range('id', 1000));
UPDATE strata.hypertable SET logical_key = 'id' WHERE relation = 'wide'::regclass;
UPDATE strata.hypertable SET logical_key = 'Odd id' WHERE relation = 'bare'::regclass;
GRANT ALL ON wide, bare, number, child, parted TO lens_app, lens_other;

-- what a client sees: kinds, keys, constraints
\set look 'SELECT relname, relkind FROM pg_class WHERE relnamespace = ''public''::regnamespace AND relkind IN (''r'', ''p'') ORDER BY 1; SELECT i.indrelid::regclass AS table, a.attname AS key FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indisprimary AND i.indnatts = 1 AND a.attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = ''public''::regnamespace) ORDER BY 1, 2; SELECT conrelid::regclass AS table, conname, contype, conkey FROM pg_constraint WHERE connamespace = ''public''::regnamespace AND contype IN (''p'', ''f'') ORDER BY 1, 2;'

SELECT strata.expose_to_client('lens_app');
SELECT role_name, relations, saved_search_path FROM strata.client_exposure;
\connect - lens_app
SHOW search_path;
:look
-- new objects land in the role's own schemas, and tools that qualify see the truth
CREATE TABLE made_by_client (a int);
SELECT relnamespace::regnamespace, relkind FROM pg_class WHERE relname = 'made_by_client';
SELECT relkind FROM pg_catalog.pg_class WHERE oid = 'wide'::regclass;
\d wide
INSERT INTO wide VALUES (1, now(), 2);
SELECT count(*) FROM wide;

-- another role sees what it always saw
\connect - lens_other
SHOW search_path;
SELECT relname, relkind FROM pg_class WHERE relname IN ('wide', 'bare', 'parted') ORDER BY 1;

-- some tables only; called again, the first path is remembered
\connect - postgres
ALTER ROLE lens_other IN DATABASE :DBNAME SET search_path = "$user", public, pg_catalog;
SELECT strata.expose_to_client('lens_other', ARRAY['wide']::regclass[]);
SELECT strata.expose_to_client('lens_other', ARRAY['wide', 'number']::regclass[]);
SELECT role_name, relations, saved_search_path FROM strata.client_exposure ORDER BY 1;
\connect - lens_other
SHOW search_path;
SELECT relname, relkind FROM pg_class WHERE relname IN ('wide', 'bare', 'number') AND relkind <> 'i' ORDER BY 1;

-- back
\connect - postgres
SELECT strata.unexpose_from_client('lens_other');
SELECT strata.unexpose_from_client('lens_app');
\connect - lens_other
SHOW search_path;
\connect - lens_app
SHOW search_path;
\connect - postgres
SELECT count(*) FROM strata.client_exposure;

-- somebody set another path meanwhile: it stays
SELECT strata.expose_to_client('lens_app');
ALTER ROLE lens_app IN DATABASE :DBNAME SET search_path = public;
SELECT strata.unexpose_from_client('lens_app');
\connect - lens_app
SHOW search_path;

-- mistakes
\connect - postgres
SELECT strata.unexpose_from_client('lens_app');
SELECT strata.expose_to_client(NULL);
SELECT strata.expose_to_client('nobody at all');
SELECT strata.expose_to_client('lens_app', '{}');
SELECT strata.expose_to_client('lens_app', ARRAY[NULL]::regclass[]);
SELECT strata.expose_to_client('lens_app', ARRAY['parted']::regclass[]);
SET ROLE lens_app;
\set VERBOSITY sqlstate
SELECT strata.expose_to_client('lens_other');
\set VERBOSITY default
RESET ROLE;
SELECT count(*) FROM strata.client_exposure;

-- the views have the columns of this server, in its order
SELECT c.relname, count(*) FILTER (WHERE a.attname IS DISTINCT FROM l.attname OR a.atttypid <> l.atttypid) AS differences
FROM pg_class c JOIN pg_class v ON v.relname = c.relname AND v.relnamespace = 'strata_lens'::regnamespace
JOIN LATERAL (SELECT attname, atttypid, row_number() OVER (ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) a ON true
LEFT JOIN LATERAL (SELECT attname, atttypid, row_number() OVER (ORDER BY attnum) FROM pg_attribute WHERE attrelid = v.oid AND attnum > 0) l
  ON l.row_number = a.row_number
WHERE c.relnamespace = 'pg_catalog'::regnamespace GROUP BY 1 ORDER BY 1;

-- odd names; a key that is renamed and dropped; a table that is dropped
CREATE ROLE "Odd ""one""" LOGIN;
GRANT SELECT ON wide, number TO "Odd ""one""";
ALTER ROLE "Odd ""one""" SET search_path = 'Strange, "schema"', PUBLIC, '$user';
SELECT strata.expose_to_client('"Odd ""one"""', ARRAY['wide', 'number']::regclass[]);
ALTER TABLE wide RENAME id TO "new id";
\connect - "Odd ""one"""
SHOW search_path;
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = 'wide'::regclass AND indisprimary;
-- nothing of others, and nothing to write
\set VERBOSITY sqlstate
SELECT * FROM strata.client_exposure;
UPDATE pg_class SET relkind = 'r';
DELETE FROM strata_lens.exposed;
CREATE VIEW strata_lens.mine AS SELECT 1;
SELECT strata._build_lens();
\set VERBOSITY default
SELECT relation::regclass, key_column FROM strata_lens.exposed ORDER BY 1;
\connect - postgres
SET client_min_messages = warning;
DROP TABLE number;
SELECT relations FROM strata.client_exposure WHERE role_name = 'Odd "one"';
ALTER TABLE wide DROP CONSTRAINT wide_pkey CASCADE, DROP "new id";
DROP TABLE wide, child;
SELECT relations FROM strata.client_exposure WHERE role_name = 'Odd "one"';
SET ROLE "Odd ""one""";
SELECT count(*) FROM strata_lens.exposed;
RESET ROLE;

-- the extension goes: every role has the path back that it had, and one that somebody changed stays
SELECT strata.expose_to_client('lens_other');
SELECT strata.expose_to_client('lens_app');
ALTER ROLE lens_app IN DATABASE :DBNAME SET search_path = other;
SELECT r.rolname, s.setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1;
CREATE VIEW in_the_way AS SELECT * FROM strata.hypertables;
DROP EXTENSION pg_strata;
SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%strata_lens%';
DROP VIEW in_the_way;
DROP EXTENSION pg_strata;
SELECT r.rolname, s.setconfig FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1;
SELECT count(*) FROM pg_namespace WHERE nspname = 'strata_lens';
DROP OWNED BY lens_app, lens_other, "Odd ""one""";
DROP ROLE lens_app, lens_other, "Odd ""one""";
