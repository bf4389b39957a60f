-- Hypertables: single chunks, tablespaces, sizes, conversion without a long lock and back, repair.
-- The Rust side is src/hypertable/api/{sizes,ops,life}.rs. Bodies in BEGIN ATOMIC are bound to their objects here and now,
-- so that no search_path of a caller changes what they mean.

CREATE FUNCTION strata._check_hypertable(relation oid)
RETURNS oid LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'check_hypertable_wrapper';
COMMENT ON FUNCTION strata._check_hypertable(oid) IS 'internal: its argument, or an error when that is no hypertable';

CREATE FUNCTION strata._leaf_sizes(hypertable regclass)
RETURNS TABLE (chunk oid, table_bytes bigint, index_bytes bigint, toast_bytes bigint)
LANGUAGE sql VOLATILE PARALLEL UNSAFE
BEGIN ATOMIC
  WITH RECURSIVE tree (chunk, leaf) AS (
    SELECT NULL::oid, strata._check_hypertable(hypertable)
    UNION ALL
    SELECT COALESCE(t.chunk, i.inhrelid), i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.leaf)
  SELECT t.chunk,
         COALESCE(pg_catalog.pg_relation_size(c.oid, 'main') + pg_catalog.pg_relation_size(c.oid, 'fsm')
                  + pg_catalog.pg_relation_size(c.oid, 'vm'), 0),
         COALESCE(pg_catalog.pg_indexes_size(c.oid), 0),
         COALESCE(CASE WHEN c.reltoastrelid <> 0 THEN pg_catalog.pg_total_relation_size(c.reltoastrelid) END, 0)
  FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.leaf;
END;
COMMENT ON FUNCTION strata._leaf_sizes(regclass) IS 'internal: bytes on disk of each table in a hypertable';

CREATE FUNCTION strata.hypertable_detailed_size(hypertable regclass)
RETURNS TABLE (table_bytes bigint, index_bytes bigint, toast_bytes bigint, total_bytes bigint, node_name name)
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE ROWS 1
BEGIN ATOMIC
  SELECT pg_catalog.sum(s.table_bytes)::bigint, pg_catalog.sum(s.index_bytes)::bigint, pg_catalog.sum(s.toast_bytes)::bigint,
         pg_catalog.sum(s.table_bytes + s.index_bytes + s.toast_bytes)::bigint, NULL::name
  FROM strata._leaf_sizes(hypertable) s;
END;
COMMENT ON FUNCTION strata.hypertable_detailed_size(regclass) IS 'bytes on this server''s disk of tables, indexes and TOAST of a hypertable';

CREATE FUNCTION strata.hypertable_size(hypertable regclass)
RETURNS bigint LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT d.total_bytes FROM strata.hypertable_detailed_size(hypertable) d;
END;
COMMENT ON FUNCTION strata.hypertable_size(regclass) IS 'bytes on this server''s disk of a hypertable, with indexes and TOAST';

CREATE FUNCTION strata.chunks_detailed_size(hypertable regclass)
RETURNS TABLE (chunk_schema name, chunk_name name, table_bytes bigint, index_bytes bigint, toast_bytes bigint,
               total_bytes bigint, node_name name)
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT n.nspname, c.relname, s.table_bytes, s.index_bytes, s.toast_bytes, s.table_bytes + s.index_bytes + s.toast_bytes, NULL::name
  FROM (SELECT l.chunk, pg_catalog.sum(l.table_bytes)::bigint AS table_bytes, pg_catalog.sum(l.index_bytes)::bigint AS index_bytes,
               pg_catalog.sum(l.toast_bytes)::bigint AS toast_bytes
        FROM strata._leaf_sizes(hypertable) l WHERE l.chunk IS NOT NULL GROUP BY l.chunk) s
  JOIN pg_catalog.pg_class c ON c.oid = s.chunk JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  ORDER BY 1, 2;
END;
COMMENT ON FUNCTION strata.chunks_detailed_size(regclass) IS 'the same per chunk, hash partitions of a chunk added up';

-- What VACUUM and ANALYZE last wrote down; what they have not seen yet is measured.
CREATE FUNCTION strata.hypertable_approximate_detailed_size(relation regclass)
RETURNS TABLE (table_bytes bigint, index_bytes bigint, toast_bytes bigint, total_bytes bigint)
LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE ROWS 1
BEGIN ATOMIC
  WITH RECURSIVE tree (leaf) AS (
    SELECT strata._check_hypertable(relation)
    UNION ALL
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree t ON i.inhparent = t.leaf),
  part (kind, rel, index) AS (
    SELECT 'table', t.leaf, false FROM tree t
    UNION ALL SELECT 'toast', c.reltoastrelid, false FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.leaf WHERE c.reltoastrelid <> 0
    UNION ALL SELECT 'index', x.indexrelid, true FROM tree t JOIN pg_catalog.pg_index x ON x.indrelid = t.leaf
    UNION ALL SELECT 'toast', x.indexrelid, true FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.leaf
              JOIN pg_catalog.pg_index x ON x.indrelid = c.reltoastrelid),
  sized (kind, bytes) AS (
    SELECT p.kind, CASE WHEN c.relpages > 0 AND (p.index OR m.amname = 'heap')
                        THEN c.relpages::bigint * pg_catalog.current_setting('block_size')::bigint
                        ELSE COALESCE(pg_catalog.pg_relation_size(c.oid), 0) END
    FROM part p JOIN pg_catalog.pg_class c ON c.oid = p.rel JOIN pg_catalog.pg_am m ON m.oid = c.relam
    WHERE c.relkind NOT IN ('p', 'I'))
  SELECT COALESCE(pg_catalog.sum(s.bytes) FILTER (WHERE s.kind = 'table'), 0)::bigint,
         COALESCE(pg_catalog.sum(s.bytes) FILTER (WHERE s.kind = 'index'), 0)::bigint,
         COALESCE(pg_catalog.sum(s.bytes) FILTER (WHERE s.kind = 'toast'), 0)::bigint,
         COALESCE(pg_catalog.sum(s.bytes), 0)::bigint
  FROM (SELECT 1) one LEFT JOIN sized s ON true;
END;
COMMENT ON FUNCTION strata.hypertable_approximate_detailed_size(regclass) IS 'like hypertable_detailed_size, from the sizes that VACUUM and ANALYZE wrote down';

CREATE FUNCTION strata.hypertable_approximate_size(hypertable regclass)
RETURNS bigint LANGUAGE sql VOLATILE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT d.total_bytes FROM strata.hypertable_approximate_detailed_size(hypertable) d;
END;
COMMENT ON FUNCTION strata.hypertable_approximate_size(regclass) IS 'like hypertable_size, from the sizes that VACUUM and ANALYZE wrote down';

CREATE FUNCTION strata.hypertable_index_size(index_name regclass)
RETURNS bigint LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hypertable_index_size_wrapper';
COMMENT ON FUNCTION strata.hypertable_index_size(regclass) IS 'bytes on disk of one index of a hypertable, over all chunks';

CREATE FUNCTION strata.approximate_row_count(relation regclass)
RETURNS bigint LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'approximate_row_count_wrapper';
COMMENT ON FUNCTION strata.approximate_row_count(regclass) IS 'rows of a table or hypertable as the planner estimates them; rows of cold chunks are counted exactly';

CREATE FUNCTION strata.attach_tablespace(tablespace name, hypertable regclass, if_not_attached boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'attach_tablespace_wrapper';
COMMENT ON FUNCTION strata.attach_tablespace(name, regclass, boolean) IS 'adds a tablespace to those that new chunks take in turn';

CREATE FUNCTION strata.detach_tablespace(tablespace name, hypertable regclass DEFAULT NULL, if_attached boolean DEFAULT false)
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'detach_tablespace_wrapper';
COMMENT ON FUNCTION strata.detach_tablespace(name, regclass, boolean) IS 'new chunks no longer go to this tablespace; without hypertable: of none of the caller''s hypertables';

CREATE FUNCTION strata.detach_tablespaces(hypertable regclass)
RETURNS integer LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'detach_tablespaces_wrapper';
COMMENT ON FUNCTION strata.detach_tablespaces(regclass) IS 'new chunks go where the hypertable itself lies; returns how many tablespaces were detached';

CREATE FUNCTION strata._show_tablespaces(hypertable oid)
RETURNS SETOF text LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'show_tablespaces_wrapper';
COMMENT ON FUNCTION strata._show_tablespaces(oid) IS 'internal: show_tablespaces';

CREATE FUNCTION strata.show_tablespaces(hypertable regclass)
RETURNS SETOF name LANGUAGE sql STABLE STRICT PARALLEL UNSAFE
BEGIN ATOMIC
  SELECT t::name FROM strata._show_tablespaces(hypertable) t;
END;
COMMENT ON FUNCTION strata.show_tablespaces(regclass) IS 'tablespaces that new chunks of a hypertable take in turn';

CREATE PROCEDURE strata.attach_chunk(hypertable regclass, chunk regclass, slices jsonb)
LANGUAGE c AS 'MODULE_PATHNAME', 'attach_chunk_wrapper';
COMMENT ON PROCEDURE strata.attach_chunk(regclass, regclass, jsonb) IS 'makes a table a chunk: slices => ''{"key": ["from", "to"]}''';

CREATE PROCEDURE strata.detach_chunk(chunk regclass)
LANGUAGE c AS 'MODULE_PATHNAME', 'detach_chunk_wrapper';
COMMENT ON PROCEDURE strata.detach_chunk(regclass) IS 'makes a chunk a table of its own; its rows are kept';

CREATE FUNCTION strata.freeze_chunk(chunk regclass)
RETURNS boolean LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'freeze_chunk_wrapper';
COMMENT ON FUNCTION strata.freeze_chunk(regclass) IS 'refuses changes of the chunk''s rows and its removal; false when it was frozen already';

CREATE FUNCTION strata.unfreeze_chunk(chunk regclass)
RETURNS boolean LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'unfreeze_chunk_wrapper';
COMMENT ON FUNCTION strata.unfreeze_chunk(regclass) IS 'undoes freeze_chunk; false when the chunk was not frozen';

CREATE FUNCTION strata.reorder_chunk(chunk regclass, index regclass DEFAULT NULL, verbose boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'reorder_chunk_wrapper';
COMMENT ON FUNCTION strata.reorder_chunk(regclass, regclass, boolean) IS 'writes a chunk again in the order of an index, as CLUSTER does';

CREATE FUNCTION strata.move_chunk(
  chunk regclass, destination_tablespace name, index_destination_tablespace name DEFAULT NULL,
  reorder_index regclass DEFAULT NULL, verbose boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'move_chunk_wrapper';
COMMENT ON FUNCTION strata.move_chunk(regclass, name, name, regclass, boolean) IS 'moves a chunk and its indexes to another tablespace';

CREATE PROCEDURE strata.create_hypertable_online(
  relation regclass, dimension strata.dimension_info, end_column name DEFAULT NULL, logical_key name DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'create_hypertable_online_wrapper';
COMMENT ON PROCEDURE strata.create_hypertable_online(regclass, strata.dimension_info, name, name)
  IS 'makes a hypertable of a large table while it is read and written; can be called again after any failure';

CREATE FUNCTION strata.drop_hypertable(relation regclass, keep_data boolean DEFAULT true)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'drop_hypertable_wrapper';
COMMENT ON FUNCTION strata.drop_hypertable(regclass, boolean) IS 'makes a hypertable one plain table again, with its rows and everything on it';

CREATE FUNCTION strata.reconcile_hypertable(relation regclass, dry_run boolean DEFAULT false)
RETURNS TABLE (action text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'reconcile_hypertable_wrapper';
COMMENT ON FUNCTION strata.reconcile_hypertable(regclass, boolean) IS 'mends what other commands changed on a hypertable and its chunks; returns what it did';

CREATE PROCEDURE strata.split_chunk(chunk regclass, split_at "any" DEFAULT NULL::timestamptz)
LANGUAGE c AS 'MODULE_PATHNAME', 'split_chunk_wrapper';
COMMENT ON PROCEDURE strata.split_chunk(regclass, "any") IS 'makes two chunks of one, by default at a boundary of the grid in its middle';

CREATE PROCEDURE strata.merge_chunks(chunk1 regclass, chunk2 regclass, concurrently boolean DEFAULT false)
LANGUAGE c AS 'MODULE_PATHNAME', 'merge_two_chunks_wrapper';
COMMENT ON PROCEDURE strata.merge_chunks(regclass, regclass, boolean) IS 'makes one chunk of two neighbours';

CREATE PROCEDURE strata.merge_chunks(chunks regclass[])
LANGUAGE c AS 'MODULE_PATHNAME', 'merge_chunk_list_wrapper';
COMMENT ON PROCEDURE strata.merge_chunks(regclass[]) IS 'makes one chunk of several neighbours';
