-- Sizes, estimated rows and tablespaces of hypertables: compared with what PostgreSQL says about each part.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET DateStyle = ISO;
SET TimeZone = 'UTC';
CREATE SCHEMA sizes_a;
CREATE SCHEMA "Sizes B";

-- the same name in two schemas, one of them quoted; a name of 63 bytes
CREATE TABLE sizes_a."Readings" (ts timestamptz NOT NULL, device int, v text, PRIMARY KEY (ts, device));
CREATE TABLE "Sizes B"."Readings" (ts timestamptz NOT NULL, device int, v text, PRIMARY KEY (ts, device));
CREATE TABLE "Sizes B"."a name of sixty-three bytes, with blanks, a ""quote"" and dashes----" (ts timestamptz NOT NULL);
SELECT created FROM strata.create_hypertable('sizes_a."Readings"', strata.by_range('ts', INTERVAL '1 day'));
SELECT created FROM strata.create_hypertable('"Sizes B"."Readings"', strata.by_range('ts', INTERVAL '1 day'));
SELECT created FROM strata.create_hypertable((SELECT c.oid FROM pg_class c WHERE relname LIKE 'a name%' AND relkind IN ('r', 'p')), strata.by_range('ts', INTERVAL '1 day'));
SELECT count(*) FROM strata.premake_chunks('sizes_a."Readings"', TIMESTAMPTZ '2024-01-01', TIMESTAMPTZ '2024-01-04');
SELECT count(*) FROM strata.premake_chunks('"Sizes B"."Readings"', TIMESTAMPTZ '2024-01-01', TIMESTAMPTZ '2024-01-04');
INSERT INTO sizes_a."Readings" SELECT TIMESTAMPTZ '2024-01-01' + i * INTERVAL '1 minute', 1, repeat('x', 100) FROM generate_series(0, 2999) i;
INSERT INTO "Sizes B"."Readings" VALUES ('2024-01-01', 1, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i));
-- a partitioned chunk, as hash partitions make them
CREATE TABLE sizes_a.sub (LIKE sizes_a."Readings") PARTITION BY HASH (device);
CREATE TABLE sizes_a.sub_0 PARTITION OF sizes_a.sub FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE sizes_a.sub_1 PARTITION OF sizes_a.sub FOR VALUES WITH (MODULUS 2, REMAINDER 1);
ALTER TABLE sizes_a."Readings" ATTACH PARTITION sizes_a.sub FOR VALUES FROM ('2023-01-01') TO ('2023-01-02');
INSERT INTO sizes_a."Readings" SELECT TIMESTAMPTZ '2023-01-01' + i * INTERVAL '1 minute', i, 'y' FROM generate_series(0, 999) i;

-- 1. Sizes are the sums of what PostgreSQL says about the parts
CREATE VIEW parts AS SELECT h.relation, t.relid FROM strata.hypertables h, pg_partition_tree(h.relation) t;
SELECT h.relation,
       strata.hypertable_size(h.relation) = (SELECT sum(pg_total_relation_size(relid)) FROM parts p WHERE p.relation = h.relation) AS total,
       d.table_bytes + d.index_bytes + d.toast_bytes = d.total_bytes AS adds_up,
       d.index_bytes = (SELECT sum(pg_indexes_size(relid)) FROM parts p WHERE p.relation = h.relation) AS indexes,
       d.table_bytes + d.toast_bytes = (SELECT sum(pg_table_size(relid)) FROM parts p WHERE p.relation = h.relation) AS tables,
       d.node_name
FROM strata.hypertables h, strata.hypertable_detailed_size(h.relation) d ORDER BY 1::text;
SELECT chunk_schema, chunk_name, table_bytes > 0 AS rows, index_bytes > 0 AS indexes, toast_bytes > 8192 AS toasted,
       total_bytes = (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(format('%I.%I', chunk_schema, chunk_name))) AS exact, node_name
FROM strata.chunks_detailed_size('sizes_a."Readings"') WHERE chunk_name !~ '_202[5-9]';
SELECT chunk_name, toast_bytes > 8192 AS toasted FROM strata.chunks_detailed_size('"Sizes B"."Readings"') WHERE chunk_name !~ '_202[5-9]';
SELECT strata.hypertable_index_size('sizes_a."Readings_pkey"') = sum(pg_table_size(indexrelid)) AS exact
FROM pg_index WHERE indisprimary AND indrelid IN (SELECT relid FROM parts WHERE relation = 'sizes_a."Readings"'::regclass);

-- 2. Approximate ones come from the catalog once VACUUM has seen the tables, and are measured before
SELECT a.table_bytes > 0 AND a.table_bytes <= d.table_bytes AS close, a.total_bytes <= d.total_bytes AS total,
       strata.hypertable_approximate_size('sizes_a."Readings"') = a.total_bytes AS same
FROM strata.hypertable_approximate_detailed_size('sizes_a."Readings"') a, strata.hypertable_detailed_size('sizes_a."Readings"') d;
VACUUM ANALYZE sizes_a."Readings";
SELECT a.table_bytes = sum(c.relpages) * 8192 AS from_catalog
FROM strata.hypertable_approximate_detailed_size('sizes_a."Readings"') a, pg_class c
WHERE c.oid IN (SELECT relid FROM parts WHERE relation = 'sizes_a."Readings"'::regclass) AND c.relkind = 'r' GROUP BY a.table_bytes;
SELECT strata.approximate_row_count('sizes_a."Readings"'), strata.approximate_row_count('sizes_a.sub'), strata.approximate_row_count('sizes_a.sub_0') > 0 AS leaf;
INSERT INTO sizes_a."Readings" SELECT TIMESTAMPTZ '2024-01-03 10:00' + i * INTERVAL '1 second', 2, repeat('x', 100) FROM generate_series(0, 2999) i;
SELECT strata.approximate_row_count('sizes_a."Readings"') BETWEEN 5500 AND 8500 AS grows_with_the_file;
SELECT strata.approximate_row_count('pg_catalog.pg_class') > 100 AS plain_table, strata.approximate_row_count('"Sizes B"."a name of sixty-three bytes, with blanks, a ""quote"" and dashes----"') AS empty;

-- 3. What they refuse; NULL gives NULL
SELECT strata.hypertable_size('pg_class');
SELECT strata.chunks_detailed_size('sizes_a.sub');
SELECT strata.hypertable_approximate_size('parts');
SELECT strata.hypertable_index_size('pg_class');
SELECT strata.hypertable_index_size('pg_class_oid_index');
SELECT strata.hypertable_index_size('strata_chunks."Readings_h1_20240101_pkey"');
SELECT strata.approximate_row_count('parts');
SELECT strata.approximate_row_count('pg_class_oid_index');
SELECT strata.hypertable_size(NULL) IS NULL AS is_null, strata.approximate_row_count(NULL) IS NULL AS is_null;

-- 4. Tablespaces
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE sizes_one LOCATION '';
CREATE TABLESPACE "Sizes Two" LOCATION '';
SELECT strata.attach_tablespace('sizes_one', 'sizes_a."Readings"');
SELECT strata.attach_tablespace('Sizes Two', 'sizes_a."Readings"');
SELECT strata.attach_tablespace('sizes_one', '"Sizes B"."Readings"');
SELECT * FROM strata.show_tablespaces('sizes_a."Readings"');
SELECT strata.attach_tablespace('sizes_one', 'sizes_a."Readings"');
SET client_min_messages = notice;
SELECT strata.attach_tablespace('sizes_one', 'sizes_a."Readings"', if_not_attached => true);
SELECT strata.attach_tablespace('nowhere', 'sizes_a."Readings"');
SELECT strata.attach_tablespace('pg_global', 'sizes_a."Readings"');
SELECT strata.attach_tablespace('sizes_one', 'pg_class');
SELECT strata.detach_tablespace('Sizes Two', 'sizes_a."Readings"');
SELECT strata.detach_tablespace('Sizes Two', 'sizes_a."Readings"');
SELECT strata.detach_tablespace('Sizes Two', 'sizes_a."Readings"', if_attached => true);
SELECT strata.detach_tablespace('sizes_one');
SELECT strata.detach_tablespace('sizes_one');
SELECT strata.detach_tablespace('sizes_one', if_attached => true);
SELECT strata.detach_tablespace(NULL);
SELECT strata.attach_tablespace('sizes_one', 'sizes_a."Readings"'), strata.attach_tablespace('Sizes Two', 'sizes_a."Readings"');
SELECT strata.detach_tablespaces('sizes_a."Readings"'), strata.detach_tablespaces('"Sizes B"."Readings"');
SELECT count(*) FROM strata.show_tablespaces('sizes_a."Readings"');

-- 5. Rights: the owner of the hypertable needs CREATE on the tablespace, others may not touch the list
SET client_min_messages = warning;
DROP ROLE IF EXISTS sizes_owner, sizes_other;
CREATE ROLE sizes_owner;
CREATE ROLE sizes_other;
ALTER TABLE "Sizes B"."Readings" OWNER TO sizes_owner;
SELECT strata.attach_tablespace('sizes_one', '"Sizes B"."Readings"');
GRANT CREATE ON TABLESPACE sizes_one TO sizes_owner;
GRANT USAGE ON SCHEMA "Sizes B", sizes_a TO sizes_owner, sizes_other;
SET ROLE sizes_other;
SELECT strata.attach_tablespace('sizes_one', '"Sizes B"."Readings"');
SELECT strata.detach_tablespace('sizes_one', '"Sizes B"."Readings"');
SELECT strata.detach_tablespaces('"Sizes B"."Readings"');
SELECT strata.hypertable_size('"Sizes B"."Readings"') > 0 AS sizes_are_public;
RESET ROLE;
SELECT strata.attach_tablespace('sizes_one', 'sizes_a."Readings"');
SET ROLE sizes_owner;
SELECT strata.attach_tablespace('sizes_one', '"Sizes B"."Readings"');
-- only off the caller's own lists
SELECT strata.detach_tablespace('sizes_one');
RESET ROLE;
SELECT * FROM strata.show_tablespaces('sizes_a."Readings"');

-- 6. move_chunk: table, TOAST and indexes
SELECT strata.move_chunk('strata_chunks."Readings_h1_20240101"', 'sizes_one', 'Sizes Two', reorder_index => '"sizes_a"."Readings_pkey"');
SELECT c.relname, t.spcname FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE c.relname LIKE 'Readings_h1_20240101%' ORDER BY 1;
SELECT chunk_tablespace FROM strata.chunks WHERE chunk = 'strata_chunks."Readings_h1_20240101"'::regclass;
SELECT strata.move_chunk('sizes_a.sub', 'sizes_one');
SELECT count(*) AS parts, count(*) FILTER (WHERE t.spcname = 'sizes_one') AS moved FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE c.oid IN (SELECT relid FROM pg_partition_tree('sizes_a.sub')) OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT relid FROM pg_partition_tree('sizes_a.sub')));
SELECT strata.move_chunk('strata_chunks."Readings_h1_20240101"', 'nowhere');
SELECT strata.move_chunk('strata_chunks."Readings_h1_20240101"', NULL);
SELECT strata.move_chunk('sizes_a."Readings"', 'sizes_one');
SET ROLE sizes_owner;
SELECT strata.move_chunk('strata_chunks."Readings_h2_20240101"', 'Sizes Two');
SELECT strata.move_chunk('strata_chunks."Readings_h1_20240101"', 'sizes_one');
SET client_min_messages = notice;
SELECT strata.move_chunk('strata_chunks."Readings_h2_20240101"', 'sizes_one', verbose => true);
SET client_min_messages = warning;
RESET ROLE;
SELECT count(*) FROM sizes_a."Readings";

DROP SCHEMA sizes_a, "Sizes B" CASCADE;
DROP TABLESPACE sizes_one;
DROP TABLESPACE "Sizes Two";
DROP ROLE sizes_owner, sizes_other;
