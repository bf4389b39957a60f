-- drop_hypertable: the plain table is what it was before it became a hypertable.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = 'UTC';
DROP ROLE IF EXISTS plain_owner, plain_reader;
CREATE ROLE plain_owner;
CREATE ROLE plain_reader;
CREATE SCHEMA "Plain";
GRANT USAGE, CREATE ON SCHEMA "Plain" TO plain_owner;
SET search_path = "Plain";

CREATE TABLE site (id int PRIMARY KEY);
INSERT INTO site SELECT generate_series(1, 3);
CREATE SEQUENCE note_seq;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := NEW.note + 1; RETURN NEW; END $$;
CREATE TABLE "Log" (
  id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5), gone int, ts timestamptz NOT NULL,
  site int REFERENCES site ON DELETE CASCADE, v numeric(8, 2) DEFAULT 1.5 CONSTRAINT "v positive" CHECK (v > 0),
  w numeric GENERATED ALWAYS AS (v * 2) STORED, note int DEFAULT nextval('note_seq'), t text COLLATE "C", PRIMARY KEY (id, ts), UNIQUE (ts, note) DEFERRABLE)
  WITH (fillfactor = 70);
ALTER TABLE "Log" DROP COLUMN gone;
ALTER SEQUENCE note_seq OWNED BY "Log".note;
CREATE INDEX "v big" ON "Log" (v) WHERE v > 5;
CREATE INDEX ON "Log" (ts DESC);
CREATE INDEX expr ON "Log" (lower(t)) INCLUDE (v) WITH (fillfactor = 60);
CREATE STATISTICS "Log stat" ON site, v FROM "Log";
ALTER TABLE "Log" ALTER t SET STORAGE external, ALTER v SET STATISTICS 300, ALTER t SET COMPRESSION pglz;
CREATE TRIGGER "Touch" BEFORE INSERT ON "Log" FOR EACH ROW WHEN (NEW.v > 1) EXECUTE FUNCTION touch();
ALTER TABLE "Log" DISABLE TRIGGER "Touch";
CREATE RULE quiet AS ON DELETE TO "Log" WHERE OLD.v > 1000 DO INSTEAD NOTHING;
ALTER TABLE "Log" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY seen ON "Log" FOR SELECT TO plain_reader USING (v < 100);
CREATE VIEW "Log view" WITH (security_barrier) AS SELECT id, max(v) AS v FROM "Log" GROUP BY id, ts;
CREATE PUBLICATION plain_pub FOR TABLE "Log";
CREATE TABLE child (lid bigint, lts timestamptz, CONSTRAINT "to Log" FOREIGN KEY (lid, lts) REFERENCES "Log" ON UPDATE CASCADE);
ALTER TABLE "Log" OWNER TO plain_owner;
ALTER SEQUENCE note_seq OWNER TO plain_owner;
GRANT SELECT, REFERENCES ON site TO plain_owner;
GRANT SELECT, UPDATE (v) ON "Log" TO plain_reader WITH GRANT OPTION;
GRANT INSERT ON "Log" TO PUBLIC;
COMMENT ON TABLE "Log" IS 'the log'; COMMENT ON COLUMN "Log".v IS 'a value'; COMMENT ON INDEX "v big" IS 'big ones';
COMMENT ON CONSTRAINT "v positive" ON "Log" IS 'positive'; COMMENT ON TRIGGER "Touch" ON "Log" IS 'touches'; COMMENT ON CONSTRAINT "to Log" ON child IS 'points at it';
ALTER TABLE "Log" REPLICA IDENTITY FULL;
ALTER TABLE "Log" DISABLE ROW LEVEL SECURITY;
INSERT INTO "Log" (ts, site, v, t) SELECT TIMESTAMPTZ '2024-01-01' + i * INTERVAL '1 hour', 1 + i % 3, 1 + i % 9, 't' || i FROM generate_series(0, 99) i;
ALTER TABLE "Log" ENABLE ROW LEVEL SECURITY;
INSERT INTO child SELECT id, ts FROM "Log" WHERE v = 3;

-- everything that the catalog says about the table, without numbers that change
CREATE FUNCTION about() RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog AS $$
  SELECT 'table ' || concat_ws(' ', relkind, relpersistence, pg_get_userbyid(relowner), relrowsecurity, relforcerowsecurity, relreplident, reloptions, obj_description(oid, 'pg_class'))
  FROM pg_class WHERE oid = '"Plain"."Log"'::regclass
  UNION ALL SELECT 'acl ' || a::text FROM pg_class, unnest(relacl) a WHERE oid = '"Plain"."Log"'::regclass
  UNION ALL SELECT 'column ' || concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, pg_get_expr(d.adbin, d.adrelid), attstorage, attcompression, attstattarget, attacl, col_description(attrelid, attnum), row_number() OVER (ORDER BY attnum))
  FROM pg_attribute LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum WHERE attrelid = '"Plain"."Log"'::regclass AND attnum > 0 AND NOT attisdropped
  UNION ALL SELECT 'constraint ' || concat_ws(' ', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated, obj_description(oid, 'pg_constraint'))
  FROM pg_constraint WHERE '"Plain"."Log"'::regclass IN (conrelid, confrelid) AND conparentid = 0 AND contype <> 'n'
  UNION ALL SELECT 'index ' || concat_ws(' ', replace(pg_get_indexdef(indexrelid), 'ON ONLY', 'ON'), indisvalid, c.reloptions, obj_description(indexrelid, 'pg_class')) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = '"Plain"."Log"'::regclass
  UNION ALL SELECT 'trigger ' || concat_ws(' ', pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger')) FROM pg_trigger WHERE tgrelid = '"Plain"."Log"'::regclass AND NOT tgisinternal
  UNION ALL SELECT 'rule ' || pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = '"Plain"."Log"'::regclass
  UNION ALL SELECT 'policy ' || concat_ws(' ', polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid)) FROM pg_policy WHERE polrelid = '"Plain"."Log"'::regclass
  UNION ALL SELECT 'statistics ' || pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = '"Plain"."Log"'::regclass
  UNION ALL SELECT 'view ' || concat_ws(' ', pg_get_viewdef('"Plain"."Log view"'::regclass), (SELECT reloptions FROM pg_class WHERE oid = '"Plain"."Log view"'::regclass))
  UNION ALL SELECT 'publication ' || pubname FROM pg_publication_tables WHERE schemaname = 'Plain'
  UNION ALL SELECT 'sequence ' || concat_ws(' ', s.seqrelid::regclass, s.seqstart, s.seqincrement, pg_sequence_last_value(s.seqrelid), pg_get_userbyid(c.relowner)) FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
    JOIN pg_depend d ON d.objid = s.seqrelid AND d.refobjid = '"Plain"."Log"'::regclass
$$;
CREATE TABLE before AS SELECT a FROM about() a;
CREATE TABLE rows_before AS SELECT "Log"::text AS r FROM "Log";
SELECT created, rows_moved FROM strata.create_hypertable('"Log"', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
SELECT count(*) > 4 AS chunks FROM strata.chunks WHERE hypertable_name = 'Log';

SELECT strata.drop_hypertable('"Log"');
SELECT 'lost' AS what, a FROM (SELECT a FROM before EXCEPT ALL SELECT about()) x UNION ALL SELECT 'new', a FROM (SELECT about() AS a EXCEPT ALL SELECT a FROM before) x;
SELECT count(*) AS lost FROM (SELECT r FROM rows_before EXCEPT ALL SELECT "Log"::text FROM "Log") x;
SELECT count(*), min(id), max(id), sum(w) FROM "Log";
SELECT (SELECT count(*) FROM strata.hypertable) AS hypertables, (SELECT count(*) FROM strata.chunk) AS chunks,
       (SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('strata_chunks')) AS tables, (SELECT count(*) FROM pg_class WHERE relname LIKE 'strata\_old%') AS old;
INSERT INTO "Log" (ts, site) VALUES ('2030-01-01', 1) RETURNING id, v, w;
INSERT INTO child VALUES (1, '2024-01-01');
INSERT INTO "Log" (ts, site) VALUES ('2030-01-01', 9);

-- and round again, keeping only the table
SELECT created FROM strata.create_hypertable('"Log"', strata.by_range('ts', INTERVAL '1 day'), migrate_data => true);
SELECT strata.drop_hypertable('"Log"', keep_data => false);
TRUNCATE child;
DELETE FROM before WHERE a LIKE 'sequence %';
SELECT strata.create_hypertable('"Log"', strata.by_range('ts', INTERVAL '1 day')) IS NOT NULL AS again;
SELECT strata.drop_hypertable('"Log"', keep_data => false);
SELECT 'lost' AS what, a FROM (SELECT a FROM before EXCEPT ALL SELECT about()) x;
SELECT count(*) FROM "Log";

-- rules of the hypertable go with it; a table of our own making comes back with the options of its chunks
CREATE TABLE span (a int NOT NULL, b int);
SELECT created FROM strata.create_hypertable('span', strata.by_range('a', 10), end_column => 'b');
INSERT INTO span VALUES (1, 2), (2, NULL);
SELECT strata.drop_hypertable('span');
SELECT count(*) FROM pg_constraint WHERE conrelid = 'span'::regclass AND contype = 'c';
SELECT * FROM span ORDER BY a;

-- keys that were unique in each chunk become keys of the table, or are said to be gone
CREATE TABLE leafy (id int PRIMARY KEY, n int NOT NULL, UNIQUE (id, n));
INSERT INTO leafy SELECT i, i FROM generate_series(1, 30) i;
SELECT created FROM strata.create_hypertable('leafy', strata.by_range('n', 10), migrate_data => true, on_conflicting_unique => 'leaf');
SELECT strata.drop_hypertable('leafy');
INSERT INTO leafy VALUES (1, 25);
DROP TABLE leafy;
CREATE TABLE leafy (id int PRIMARY KEY, n int NOT NULL);
INSERT INTO leafy SELECT i, i FROM generate_series(1, 30) i;
SELECT created FROM strata.create_hypertable('leafy', strata.by_range('n', 10), migrate_data => true, on_conflicting_unique => 'leaf');
INSERT INTO leafy VALUES (1, 25);
SELECT strata.drop_hypertable('leafy');
SELECT count(*) FROM leafy;

-- the same name in two schemas
CREATE SCHEMA plain_two;
CREATE TABLE "Plain".same (n int NOT NULL); CREATE TABLE plain_two.same (n int NOT NULL);
SELECT created FROM strata.create_hypertable('"Plain".same', strata.by_range('n', 10));
SELECT created FROM strata.create_hypertable('plain_two.same', strata.by_range('n', 10));
INSERT INTO "Plain".same VALUES (1); INSERT INTO plain_two.same VALUES (2);
SELECT strata.drop_hypertable('plain_two.same');
SELECT c.oid::regclass, c.relkind FROM pg_class c WHERE relname = 'same' ORDER BY 1::text;
SELECT n FROM "Plain".same; SELECT n FROM plain_two.same;

-- what it refuses
CREATE FUNCTION takes("Plain".same) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE MATERIALIZED VIEW mat AS SELECT * FROM "Plain".same;
SELECT strata.drop_hypertable('same');
DROP FUNCTION takes; DROP MATERIALIZED VIEW mat;
SELECT strata.drop_hypertable('plain_two.same');
SELECT strata.drop_hypertable(NULL);
SELECT strata.drop_hypertable('same', NULL);
SET strata.move_limit = 0;
SELECT strata.drop_hypertable('same');
RESET strata.move_limit;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT strata.drop_hypertable('same');
ROLLBACK;
SELECT strata.freeze_chunk(chunk) FROM strata.show_chunks('same') chunk LIMIT 1;
SELECT strata.drop_hypertable('same');
SELECT count(strata.unfreeze_chunk(chunk)) > 0 AS thawed FROM strata.show_chunks('same') chunk;
SET ROLE plain_owner;
SELECT strata.drop_hypertable('"Plain".same');
RESET ROLE;
BEGIN;
SELECT strata.drop_hypertable('same');
SELECT relkind FROM pg_class WHERE oid = 'same'::regclass;
ROLLBACK;
SELECT relkind FROM pg_class WHERE oid = 'same'::regclass;
SELECT n FROM same;
-- cold chunks come back first
SELECT strata.set_cold_storage('same');
DROP PUBLICATION plain_pub;
DROP SCHEMA "Plain", plain_two CASCADE;
DROP ROLE plain_owner, plain_reader;
