-- A plain table with everything on it becomes a hypertable: nothing may be lost on the way.
SET client_min_messages = warning;
SET DateStyle = ISO;
DROP EXTENSION IF EXISTS pg_strata;
CREATE EXTENSION pg_strata;
SET TimeZone = 'Pacific/Kiritimati';
CREATE ROLE carry_owner NOLOGIN;
CREATE ROLE carry_reader NOLOGIN;
CREATE ROLE carry_friend NOLOGIN;
CREATE SCHEMA "Carry It";
CREATE SCHEMA carry_stats;
GRANT USAGE, CREATE ON SCHEMA "Carry It" TO carry_owner;
GRANT USAGE ON SCHEMA "Carry It" TO carry_reader, carry_friend;
GRANT USAGE, CREATE ON SCHEMA carry_stats TO carry_owner;
-- nothing of these may end up on the hypertable or its chunks
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO carry_friend;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO carry_friend;

CREATE TABLE "Carry It".station (id int PRIMARY KEY, name text);
ALTER TABLE "Carry It".station OWNER TO carry_owner;
SET ROLE carry_owner;
INSERT INTO "Carry It".station SELECT i, 'station ' || i FROM generate_series(1, 5) i;
CREATE SEQUENCE "Carry It"."Num seq" START 100;
CREATE FUNCTION "Carry It".note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION "Carry It".is_ok(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 > -1000';
CREATE TABLE "Carry It"."Meas Table" (
  gone_too int,
  id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5 MINVALUE 5 MAXVALUE 100000 CACHE 3 CYCLE),
  "Time" timestamptz DEFAULT now(),
  station int DEFAULT 1 CONSTRAINT station_fk REFERENCES "Carry It".station ON DELETE CASCADE,
  num int DEFAULT nextval('"Carry It"."Num seq"'),
  temp double precision CONSTRAINT "temp ok" CHECK (temp > -100),
  temp_f double precision GENERATED ALWAYS AS (temp * 9 / 5 + 32) STORED,
  payload text COLLATE "C" NOT NULL DEFAULT 'it''s "fine"',
  gone int,
  CONSTRAINT "Meas pk" PRIMARY KEY (id, "Time") WITH (fillfactor = 71),
  CONSTRAINT meas_unique UNIQUE (station, num, "Time") DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT both_fine CHECK ("Carry It".is_ok(num) AND station > 0)
) WITH (fillfactor = 77, autovacuum_enabled = off, toast.autovacuum_vacuum_scale_factor = 0.3);
ALTER TABLE "Carry It"."Meas Table" DROP COLUMN gone, DROP COLUMN gone_too;
ALTER SEQUENCE "Carry It"."Num seq" OWNED BY "Carry It"."Meas Table".num;
ALTER TABLE "Carry It"."Meas Table" ALTER COLUMN payload SET STORAGE EXTERNAL, ALTER COLUMN payload SET COMPRESSION pglz,
  ALTER COLUMN temp SET STATISTICS 500, ALTER COLUMN station SET (n_distinct = 5);
CREATE INDEX "expr IDX" ON "Carry It"."Meas Table" (lower(payload) COLLATE "C" text_pattern_ops, num DESC NULLS LAST) INCLUDE (temp) WITH (fillfactor = 66) WHERE num > 0;
ALTER INDEX "Carry It"."expr IDX" ALTER COLUMN 1 SET STATISTICS 321;
CREATE INDEX meas_brin ON "Carry It"."Meas Table" USING brin ("Time") WITH (pages_per_range = 8);
CREATE UNIQUE INDEX meas_uq2 ON "Carry It"."Meas Table" ("Time", payload) NULLS NOT DISTINCT;
CREATE STATISTICS carry_stats."Stat 1" (dependencies, mcv) ON station, num FROM "Carry It"."Meas Table";
ALTER STATISTICS carry_stats."Stat 1" SET STATISTICS 77;
CREATE TRIGGER "a trigger" BEFORE INSERT OR UPDATE OF temp ON "Carry It"."Meas Table" FOR EACH ROW WHEN (NEW.num > 3) EXECUTE FUNCTION "Carry It".note('x', 'it''s');
CREATE TRIGGER off_trigger AFTER DELETE ON "Carry It"."Meas Table" FOR EACH STATEMENT EXECUTE FUNCTION "Carry It".note();
CREATE TRIGGER replica_trigger AFTER INSERT ON "Carry It"."Meas Table" REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION "Carry It".note();
ALTER TABLE "Carry It"."Meas Table" DISABLE TRIGGER off_trigger;
ALTER TABLE "Carry It"."Meas Table" ENABLE REPLICA TRIGGER replica_trigger;
CREATE RULE "no nothing" AS ON DELETE TO "Carry It"."Meas Table" WHERE OLD.num = -1 DO INSTEAD NOTHING;
ALTER TABLE "Carry It"."Meas Table" ENABLE ALWAYS RULE "no nothing";
CREATE POLICY "own rows" ON "Carry It"."Meas Table" AS PERMISSIVE FOR SELECT TO carry_reader, carry_owner USING (station IN (SELECT s.id FROM "Carry It".station s));
CREATE POLICY strict ON "Carry It"."Meas Table" AS RESTRICTIVE USING (num > 0) WITH CHECK (num > 1);
ALTER TABLE "Carry It"."Meas Table" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE "Carry It".alarm (meas_id bigint, meas_time timestamptz, what text,
  CONSTRAINT alarm_fk FOREIGN KEY (meas_id, meas_time) REFERENCES "Carry It"."Meas Table" (id, "Time") ON UPDATE CASCADE DEFERRABLE);
COMMENT ON CONSTRAINT alarm_fk ON "Carry It".alarm IS 'alarm comment';
CREATE VIEW "Carry It"."Hot view" WITH (security_barrier = true) AS SELECT id, "Time" AS at, temp FROM "Carry It"."Meas Table" WHERE temp > 30;
CREATE VIEW "Carry It".grouped AS SELECT m.*, count(*) AS n FROM "Carry It"."Meas Table" m GROUP BY m.id, m."Time";
CREATE VIEW "Carry It".second AS SELECT * FROM "Carry It"."Hot view";
ALTER VIEW "Carry It"."Hot view" ALTER COLUMN temp SET DEFAULT 31;
COMMENT ON VIEW "Carry It"."Hot view" IS 'hot';
GRANT SELECT ON "Carry It"."Hot view" TO carry_reader;
ALTER TABLE "Carry It"."Meas Table" REPLICA IDENTITY USING INDEX "Meas pk";
REVOKE TRUNCATE ON "Carry It"."Meas Table" FROM carry_owner;
GRANT SELECT, INSERT ON "Carry It"."Meas Table" TO carry_reader WITH GRANT OPTION;
GRANT UPDATE (temp, payload), REFERENCES (station) ON "Carry It"."Meas Table" TO carry_reader;
GRANT DELETE ON "Carry It"."Meas Table" TO PUBLIC;
GRANT USAGE ON SEQUENCE "Carry It"."Meas Table_id_seq" TO carry_reader;
SET ROLE carry_reader;
GRANT SELECT ON "Carry It"."Meas Table" TO carry_friend;
SET ROLE carry_owner;
COMMENT ON TABLE "Carry It"."Meas Table" IS 'it''s a table';
COMMENT ON COLUMN "Carry It"."Meas Table"."Time" IS 'when';
COMMENT ON CONSTRAINT "Meas pk" ON "Carry It"."Meas Table" IS 'pk comment';
COMMENT ON CONSTRAINT "temp ok" ON "Carry It"."Meas Table" IS 'check comment';
COMMENT ON INDEX "Carry It"."expr IDX" IS 'index comment';
COMMENT ON TRIGGER "a trigger" ON "Carry It"."Meas Table" IS 'trigger comment';
COMMENT ON RULE "no nothing" ON "Carry It"."Meas Table" IS 'rule comment';
COMMENT ON POLICY strict ON "Carry It"."Meas Table" IS 'policy comment';
COMMENT ON STATISTICS carry_stats."Stat 1" IS 'statistics comment';
COMMENT ON SEQUENCE "Carry It"."Meas Table_id_seq" IS 'identity comment';
RESET ROLE;
-- the server warns about a wal_level that nothing here depends on
SET client_min_messages = error;
CREATE PUBLICATION carry_pub FOR TABLE "Carry It"."Meas Table" (id, "Time", temp) WHERE (id > 0) WITH (publish_via_partition_root = true);
SET client_min_messages = warning;
INSERT INTO "Carry It"."Meas Table" ("Time", station, temp, payload)
  SELECT timestamptz '2024-01-31 10:00+00' + i * interval '9 hours', i % 5 + 1, i, repeat('p' || i, 5) FROM generate_series(1, 100) i;
INSERT INTO "Carry It".alarm SELECT id, "Time", 'high' FROM "Carry It"."Meas Table" WHERE temp > 95;

-- what there is, as text without OIDs
CREATE VIEW carry_state AS
WITH t AS (SELECT '"Carry It"."Meas Table"'::regclass AS t)
SELECT 'table' AS kind, format('%s %s %s %s %s', relname, relowner::regrole, relrowsecurity, relforcerowsecurity, relreplident) AS what FROM pg_class, t WHERE oid = t
UNION ALL SELECT 'column', format('%s %s notnull=%s default=%s gen=%s ident=%s storage=%s compression=%s stats=%s options=%s collation=%s', attname, format_type(atttypid, atttypmod), attnotnull OR attname = 'Time',
    pg_get_expr(adbin, adrelid), attgenerated, attidentity, attstorage, attcompression, attstattarget,
    (SELECT string_agg(o, ',') FROM unnest(attoptions) o WHERE o NOT LIKE 'pg_attver%'), attcollation::regcollation)
  FROM t, pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attrelid = t AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'column order', string_agg(attname, ', ' ORDER BY attnum) FROM t, pg_attribute WHERE attrelid = t AND attnum > 0 AND NOT attisdropped
UNION ALL SELECT 'constraint', format('%s on %s: %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
  FROM t, pg_constraint WHERE (conrelid = t OR confrelid = t) AND conparentid = 0
UNION ALL SELECT 'index', format('%s %s replident=%s stats=%s options=%s %s', relname, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON '), indisreplident,
    (SELECT array_agg(attstattarget ORDER BY attnum) FROM pg_attribute WHERE attrelid = indexrelid), reloptions, obj_description(indexrelid, 'pg_class'))
  FROM t, pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = t
UNION ALL SELECT 'statistics', format('%s %s %s %s', pg_get_statisticsobjdef(oid), stxstattarget, stxowner::regrole, obj_description(oid, 'pg_statistic_ext')) FROM t, pg_statistic_ext WHERE stxrelid = t
UNION ALL SELECT 'trigger', format('%s %s %s', pg_get_triggerdef(oid), tgenabled, obj_description(oid, 'pg_trigger')) FROM t, pg_trigger WHERE tgrelid = t AND NOT tgisinternal
UNION ALL SELECT 'rule', format('%s %s %s', pg_get_ruledef(oid), ev_enabled, obj_description(oid, 'pg_rewrite')) FROM t, pg_rewrite WHERE ev_class = t
UNION ALL SELECT 'policy', format('%s %s %s %s %s %s %s', polname, polpermissive, polcmd, (SELECT array_agg(r::regrole ORDER BY 1) FROM unnest(polroles) r), pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid), obj_description(oid, 'pg_policy')) FROM t, pg_policy WHERE polrelid = t
UNION ALL SELECT 'acl', a::text FROM t, pg_class c, unnest(c.relacl) a WHERE c.oid = t
UNION ALL SELECT 'column acl', attname || ' ' || attacl::text FROM t, pg_attribute WHERE attrelid = t AND attacl IS NOT NULL
UNION ALL SELECT 'comment', format('%s %s', objsubid, description) FROM t, pg_description WHERE objoid = t AND objsubid = 0
UNION ALL SELECT 'column comment', format('%s %s', attname, description) FROM t, pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid WHERE objoid = t AND objsubid > 0
UNION ALL SELECT 'sequence', format('%s %s owner=%s acl=%s comment=%s %s start=%s inc=%s min=%s max=%s cache=%s cycle=%s last=%s', deptype, attname, relowner::regrole, relacl, obj_description(c.oid, 'pg_class'), c.oid::regclass, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle, pg_sequence_last_value(c.oid))
  FROM t, pg_depend d JOIN pg_class c ON c.oid = d.objid AND relkind = 'S' JOIN pg_sequence ON seqrelid = c.oid JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid WHERE refobjid = t AND d.classid = 'pg_class'::regclass
UNION ALL SELECT 'view', format('%s %s %s %s %s %s', c.oid::regclass, relowner::regrole, relacl, reloptions, pg_get_viewdef(c.oid), obj_description(c.oid, 'pg_class')) FROM pg_class c WHERE relkind = 'v' AND relnamespace = '"Carry It"'::regnamespace
UNION ALL SELECT 'view default', pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = '"Carry It"."Hot view"'::regclass
UNION ALL SELECT 'publication', format('%s %s %s', prpubid, (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = t AND attnum = ANY (prattrs::int2[])), pg_get_expr(prqual, prrelid)) FROM t, pg_publication_rel WHERE prrelid = t;
CREATE TABLE carry_before AS SELECT * FROM carry_state;
-- since version 18 NOT NULL is a constraint
SELECT kind, count(*) FROM carry_before WHERE what NOT LIKE '%: NOT NULL%' GROUP BY kind ORDER BY kind COLLATE "C";
CREATE TABLE carry_rows AS SELECT m::text AS r FROM "Carry It"."Meas Table" m;

-- since version 17 an owner has one privilege more, MAINTAIN
CREATE FUNCTION settled(report jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_set(report, '{carried,privileges}',
        to_jsonb((report->'carried'->>'privileges')::int - (current_setting('server_version_num')::int >= 170000)::int))
$$;

-- a dry run changes nothing
SELECT created, chunks, rows_moved, jsonb_pretty(settled(report)) FROM strata.create_hypertable('"Carry It"."Meas Table"', strata.by_range('Time', INTERVAL '1 week'), migrate_data => true, dry_run => true);
SELECT count(*) FROM ((TABLE carry_state EXCEPT TABLE carry_before) UNION ALL (TABLE carry_before EXCEPT TABLE carry_state)) x;

SET ROLE carry_owner;
SELECT created, rows_moved, settled(report)->'carried' AS carried, report->'not_carried' AS not_carried, report->>'set_not_null' AS set_not_null
FROM strata.create_hypertable('"Carry It"."Meas Table"', strata.by_range('Time', INTERVAL '1 week'), migrate_data => true, create_default_indexes => false);
RESET ROLE;
-- nothing lost, nothing gained
SELECT * FROM (SELECT 'gained' AS x, * FROM (TABLE carry_state EXCEPT TABLE carry_before) g UNION ALL SELECT 'lost', * FROM (TABLE carry_before EXCEPT TABLE carry_state) l) x ORDER BY 2, 1, 3;
SELECT count(*) AS rows_that_differ FROM ((SELECT m::text FROM "Carry It"."Meas Table" m EXCEPT TABLE carry_rows) UNION ALL (TABLE carry_rows EXCEPT SELECT m::text FROM "Carry It"."Meas Table" m)) x;
SELECT count(*) AS leftovers FROM pg_class WHERE relname LIKE 'strata\_old%';
SELECT count(*) AS leftovers FROM pg_statistic_ext WHERE stxname LIKE 'strata\_old%';

-- chunks: owner, options, replica identity, flags, no grants; the same for a chunk that comes later
SELECT count(*) FROM strata.premake_chunks('"Carry It"."Meas Table"', '2030-01-01 00:00+00', '2030-01-02 00:00+00');
SELECT DISTINCT relowner::regrole, replace(relacl::text, 'tm/', 't/') AS relacl, reloptions, (SELECT reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid) AS toast, relreplident, relrowsecurity, relforcerowsecurity,
  (SELECT attstattarget FROM pg_attribute WHERE attrelid = c.oid AND attname = 'temp') AS stats,
  (SELECT attstorage::text || attcompression::text FROM pg_attribute WHERE attrelid = c.oid AND attname = 'payload') AS storage,
  (SELECT count(*) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) AS triggers,
  (SELECT string_agg(tgenabled::text, '' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) AS enabled,
  (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype <> 'n') AS constraints, (SELECT count(*) FROM pg_index WHERE indrelid = c.oid AND indisvalid) AS indexes,
  (SELECT count(*) FROM pg_statistic_ext WHERE stxrelid = c.oid) AS statistics
FROM strata.chunks k JOIN pg_class c ON c.oid = k.chunk WHERE k.hypertable_name = 'Meas Table';
SELECT chunk_name FROM strata.chunks WHERE hypertable_name = 'Meas Table' AND range_start < '2024-03-01' ORDER BY range_start;
-- keys work: identity goes on where it was, foreign keys both ways
INSERT INTO "Carry It"."Meas Table" ("Time", station, temp) VALUES ('2030-01-01 12:00+00', 1, 1) RETURNING id, num;
INSERT INTO "Carry It"."Meas Table" ("Time", station, temp) VALUES ('2030-01-01 12:00+00', 99, 1);
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
SELECT attempt('DELETE FROM "Carry It"."Meas Table" WHERE temp = 96');
INSERT INTO "Carry It".alarm VALUES (-1, '2024-02-01', 'none');
SELECT count(*) FROM "Carry It"."Hot view";
SELECT count(*) FROM "Carry It".second;

SELECT attempt('SELECT strata.drop_chunks(''"Carry It"."Meas Table"'', newer_than => TIMESTAMPTZ ''2024-02-10 00:00+00'')');
DROP TABLE "Carry It".alarm;
SELECT count(*) >= 8 FROM strata.drop_chunks('"Carry It"."Meas Table"', newer_than => TIMESTAMPTZ '2024-02-10 00:00+00');
DROP VIEW carry_state;
DROP PUBLICATION carry_pub;
DROP SCHEMA "Carry It", carry_stats CASCADE;
DROP TABLE carry_before, carry_rows;
SELECT count(*) AS registered FROM strata.hypertable WHERE relation::text LIKE '%Meas%';
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM carry_friend;
ALTER DEFAULT PRIVILEGES REVOKE ALL ON SEQUENCES FROM carry_friend;
DROP OWNED BY carry_owner, carry_reader, carry_friend;
DROP ROLE carry_owner, carry_reader, carry_friend;
