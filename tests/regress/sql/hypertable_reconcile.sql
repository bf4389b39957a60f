-- reconcile_hypertable: one drift after the other, each mended once; the second call returns no rows.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = 'UTC';
DROP ROLE IF EXISTS rec_owner;
CREATE ROLE rec_owner;
CREATE SCHEMA "Rec";
CREATE SCHEMA elsewhere;
SET search_path = "Rec";
-- without it there is no drift of these kinds
ALTER EVENT TRIGGER strata_hypertable_altered DISABLE;
CREATE TABLE "Span" (a int NOT NULL, b int, d int, t text, PRIMARY KEY (a, d));
CREATE INDEX "by t" ON "Span" (lower(t)) WHERE d > 0;
SELECT created FROM strata.create_hypertable('"Span"', strata.by_range('a', 10), end_column => 'b', logical_key => 'd');
SELECT strata.premake_chunks('"Span"', 0, 40);
INSERT INTO "Span" SELECT i, i + 1, i, 't' || i FROM generate_series(0, 29) i;
-- a second one of the same name, which stays untouched
CREATE TABLE elsewhere."Span" (a int NOT NULL);
SELECT created FROM strata.create_hypertable('elsewhere."Span"', strata.by_range('a', 10));
CREATE FUNCTION twice() RETURNS TABLE (run int, action text, detail text) LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY SELECT 0, r.* FROM strata.reconcile_hypertable('"Rec"."Span"', dry_run => true) r;
  RETURN QUERY SELECT 1, r.* FROM strata.reconcile_hypertable('"Rec"."Span"') r;
  RETURN QUERY SELECT 2, r.* FROM strata.reconcile_hypertable('"Rec"."Span"') r;
END $$;
SELECT * FROM twice();

-- 1. the key may be NULL
ALTER TABLE "Span" DROP CONSTRAINT "Span_pkey";
ALTER TABLE "Span" ALTER a DROP NOT NULL;
SELECT * FROM twice();
ALTER TABLE "Span" ADD PRIMARY KEY (a, d);
SELECT * FROM twice();

-- 2. CHECKs of the hypertable and of a chunk
ALTER TABLE "Span" DROP CONSTRAINT strata_end_after_start;
ALTER TABLE strata_chunks."Span_h1_10" DROP CONSTRAINT strata_end;
SELECT * FROM twice();

-- 3. a chunk that lies elsewhere; its name may be taken
ALTER TABLE strata_chunks."Span_h1_20" SET SCHEMA elsewhere;
SELECT * FROM twice();
SELECT chunk FROM strata.chunks WHERE range_start_integer = 20;

-- 4. owner, row security
ALTER TABLE "Span" OWNER TO rec_owner;
ALTER TABLE "Span" ENABLE ROW LEVEL SECURITY;
ALTER TABLE strata_chunks."Span_h1_20" ENABLE ROW LEVEL SECURITY;
SELECT action, count(*) > 3 AS several, min(run), max(run) FROM twice() GROUP BY 1 ORDER BY 1;
ALTER TABLE "Span" DISABLE ROW LEVEL SECURITY;
SELECT action, count(*) > 3 AS several, min(run), max(run) FROM twice() GROUP BY 1 ORDER BY 1;

-- 5. indexes: one that chunks lack, one that a chunk has on its own, a unique one, a broken one
CREATE INDEX lacking ON ONLY "Span" (d, lower(t)) WHERE d > 5;
CREATE INDEX chunk_own ON strata_chunks."Span_h1_0" (d, lower(t)) WHERE d > 5;
SELECT run, action, regexp_replace(detail, '.* on ', '') AS chunk FROM twice() WHERE detail !~ '_h1_[3-9]0"$';
SELECT indisvalid FROM pg_index WHERE indexrelid = 'lacking'::regclass;
SELECT count(*) = (SELECT count(*) FROM pg_inherits WHERE inhparent = '"Span"'::regclass) AS everywhere FROM pg_inherits WHERE inhparent = 'lacking'::regclass;
ALTER TABLE ONLY "Span" ADD CONSTRAINT "uniq" UNIQUE (a, b);
SELECT run, action, count(*) > 2 AS several FROM twice() GROUP BY 1, 2 ORDER BY 1;
SELECT indisvalid FROM pg_index WHERE indexrelid = 'uniq'::regclass;
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'strata_chunks.chunk_own'::regclass;
SELECT * FROM twice();

-- 6. annotations and settings of what is gone
INSERT INTO strata.chunk (chunk, origin) VALUES ('"Span"'::regclass, 'user');
INSERT INTO strata.hypertable (relation, integer_interval) VALUES (4294967290::oid::regclass, 5);
UPDATE strata.hypertable SET tablespaces = '{nowhere}' WHERE relation = '"Span"'::regclass;
SELECT * FROM twice();
ALTER TABLE "Span" ADD x int;
UPDATE strata.hypertable SET logical_key = 'x' WHERE relation = '"Span"'::regclass;
ALTER TABLE "Span" DROP x;
SELECT * FROM twice();

-- 7. the guards of a frozen chunk
SELECT strata.freeze_chunk('strata_chunks."Span_h1_0"');
DROP TRIGGER strata_frozen ON strata_chunks."Span_h1_0";
SELECT * FROM twice();
DELETE FROM "Span" WHERE a = 1;
SELECT strata.unfreeze_chunk('strata_chunks."Span_h1_0"');

-- 8. what cannot be mended is said, and stays for the next call
ALTER TABLE "Span" DROP CONSTRAINT strata_end_after_start;
UPDATE "Span" SET b = 10 WHERE a = 15;
SET client_min_messages = warning;
SELECT * FROM strata.reconcile_hypertable('"Span"');
UPDATE "Span" SET b = 16 WHERE a = 15;
SELECT * FROM twice();

-- 9. rights and nonsense
SELECT strata.reconcile_hypertable('pg_class');
SELECT strata.reconcile_hypertable(NULL);
SELECT strata.reconcile_hypertable('"Span"', NULL);
CREATE ROLE rec_other;
GRANT USAGE ON SCHEMA "Rec" TO rec_other, rec_owner;
SET ROLE rec_other;
SELECT strata.reconcile_hypertable('"Rec"."Span"');
SET ROLE rec_owner;
SELECT * FROM strata.reconcile_hypertable('"Rec"."Span"');
RESET ROLE;
SELECT count(*), sum(a) FROM "Span";
DROP SCHEMA "Rec", elsewhere CASCADE;
DROP ROLE rec_owner, rec_other;
