-- Hypertables: functions, views, event trigger. The Rust side is src/hypertable/api.rs.

CREATE FUNCTION strata.by_range(column_name name, partition_interval anyelement DEFAULT NULL::bigint, partition_func regproc DEFAULT NULL)
RETURNS strata.dimension_info LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'by_range_wrapper';

CREATE FUNCTION strata.by_hash(column_name name, number_partitions integer, partition_func regproc DEFAULT NULL)
RETURNS strata.dimension_info LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'by_hash_wrapper';

CREATE FUNCTION strata.by_id(column_name name, time_column name DEFAULT NULL, partition_interval anyelement DEFAULT NULL::bigint)
RETURNS strata.dimension_info LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'by_id_wrapper';

CREATE FUNCTION strata.create_hypertable(
  relation regclass, dimension strata.dimension_info, create_default_indexes boolean DEFAULT true,
  if_not_exists boolean DEFAULT false, migrate_data boolean DEFAULT false, end_column name DEFAULT NULL,
  logical_key name DEFAULT NULL, on_conflicting_unique text DEFAULT 'error', dry_run boolean DEFAULT false)
RETURNS TABLE (hypertable_id integer, created boolean, chunks integer, rows_moved bigint, report jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'create_hypertable_wrapper';

CREATE FUNCTION strata._create_hypertable_named(
  relation regclass, dimension strata.dimension_info, partitioning_column name, number_partitions integer,
  associated_schema_name name, associated_table_prefix name, create_default_indexes boolean, if_not_exists boolean,
  partitioning_func regproc, migrate_data boolean)
RETURNS TABLE (hypertable_id integer, schema_name text, table_name text, created boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'create_hypertable_named_wrapper';

CREATE FUNCTION strata.create_hypertable(
  relation regclass, time_column_name name, partitioning_column name DEFAULT NULL, number_partitions integer DEFAULT NULL,
  associated_schema_name name DEFAULT NULL, associated_table_prefix name DEFAULT NULL,
  chunk_time_interval anyelement DEFAULT NULL::bigint, create_default_indexes boolean DEFAULT true,
  if_not_exists boolean DEFAULT false, partitioning_func regproc DEFAULT NULL, migrate_data boolean DEFAULT false,
  time_partitioning_func regproc DEFAULT NULL)
RETURNS TABLE (hypertable_id integer, schema_name name, table_name name, created boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1 AS $$
  SELECT n.hypertable_id, n.schema_name::name, n.table_name::name, n.created
  FROM strata._create_hypertable_named($1, strata.by_range($2, $7, $12), $3, $4, $5, $6, $8, $9, $10, $11) n
$$;

CREATE FUNCTION strata.set_chunk_time_interval(hypertable regclass, chunk_time_interval anyelement, dimension_name name DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'set_chunk_time_interval_wrapper';

CREATE FUNCTION strata.set_partitioning_interval(hypertable regclass, partition_interval anyelement, dimension_name name DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'set_chunk_time_interval_wrapper';

CREATE FUNCTION strata.set_number_partitions(hypertable regclass, number_partitions integer, dimension_name name DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'set_number_partitions_wrapper';

CREATE FUNCTION strata.set_integer_now_func(hypertable regclass, integer_now_func regproc, replace_if_exists boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'set_integer_now_func_wrapper';

CREATE FUNCTION strata.alter_hypertable(
  relation regclass, premake integer DEFAULT NULL, chunk_origin timestamptz DEFAULT NULL, on_missing_chunk text DEFAULT NULL,
  max_chunks_per_statement integer DEFAULT NULL, horizon_past interval DEFAULT NULL, horizon_future interval DEFAULT NULL,
  drop_empty_after interval DEFAULT NULL, lock_wait interval DEFAULT NULL, chunk_grants boolean DEFAULT NULL)
RETURNS jsonb LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'alter_hypertable_wrapper';

CREATE FUNCTION strata._two_kinds(column_name name)
RETURNS strata.dimension_info LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'two_kinds_wrapper';

CREATE FUNCTION strata._disable_chunk_skipping(hypertable regclass, column_name name, if_not_exists boolean)
RETURNS TABLE (hypertable_id integer, disabled boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'disable_chunk_skipping_wrapper';

CREATE FUNCTION strata.add_dimension(hypertable regclass, dimension strata.dimension_info, if_not_exists boolean DEFAULT false)
RETURNS TABLE (dimension_id integer, created boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'add_dimension_wrapper';

CREATE FUNCTION strata.add_dimension(
  hypertable regclass, column_name name, number_partitions integer DEFAULT NULL, chunk_time_interval anyelement DEFAULT NULL::bigint,
  partitioning_func regproc DEFAULT NULL, if_not_exists boolean DEFAULT false)
RETURNS TABLE (dimension_id integer, schema_name name, table_name name, column_name name, created boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1 AS $$
  SELECT d.dimension_id, n.nspname, c.relname, $2, d.created
  FROM strata.add_dimension($1, CASE WHEN $3 IS NOT NULL AND $4 IS NOT NULL THEN strata._two_kinds($2)
                                     WHEN $3 IS NULL THEN strata.by_range($2, $4, $5)
                                     ELSE strata.by_hash($2, $3, $5) END, $6) d,
       pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE c.oid OPERATOR(pg_catalog.=) $1
$$;

CREATE FUNCTION strata.enable_chunk_skipping(hypertable regclass, column_name name, if_not_exists boolean DEFAULT false)
RETURNS TABLE (column_stats_id integer, enabled boolean)
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'enable_chunk_skipping_wrapper';

CREATE FUNCTION strata.disable_chunk_skipping(hypertable regclass, column_name name, if_not_exists boolean DEFAULT false)
RETURNS TABLE (hypertable_id integer, column_name name, disabled boolean)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 1 AS $$
  SELECT d.hypertable_id, $2, d.disabled FROM strata._disable_chunk_skipping($1, $2, $3) d
$$;

CREATE FUNCTION strata.premake_chunks(relation regclass, from_value "any", to_value "any")
RETURNS SETOF regclass LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'premake_chunks_wrapper';

CREATE FUNCTION strata.show_chunks(
  relation regclass, older_than "any" DEFAULT NULL, newer_than "any" DEFAULT NULL,
  created_before "any" DEFAULT NULL, created_after "any" DEFAULT NULL)
RETURNS SETOF regclass LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'show_chunks_wrapper';

CREATE FUNCTION strata.drop_chunks(
  relation regclass, older_than "any" DEFAULT NULL, newer_than "any" DEFAULT NULL, verbose boolean DEFAULT false,
  created_before "any" DEFAULT NULL, created_after "any" DEFAULT NULL, concurrently boolean DEFAULT NULL)
RETURNS SETOF text LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'drop_chunks_wrapper';

CREATE FUNCTION strata._chunk_range(chunk oid, key_type oid)
RETURNS TABLE (range_start timestamptz, range_end timestamptz, range_start_integer bigint, range_end_integer bigint)
LANGUAGE c STABLE STRICT PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'chunk_range_wrapper';

-- A relation shows in our views to those who have any right on it, as in information_schema.
CREATE FUNCTION strata._visible(relation oid)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')
      OR pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
      OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
  FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1
$$;

CREATE VIEW strata.hypertables WITH (security_barrier = true) AS
SELECT n.nspname AS hypertable_schema,
       c.relname AS hypertable_name,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       (1 OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM strata.dimension d
                                  WHERE d.hypertable_id OPERATOR(pg_catalog.=) h.id))::smallint AS num_dimensions,
       k.chunks AS num_chunks,
       false AS compression_enabled,
       CASE WHEN pg_catalog.cardinality(h.tablespaces) OPERATOR(pg_catalog.>) 0 THEN h.tablespaces
            WHEN t.spcname IS NOT NULL THEN ARRAY[t.spcname] END AS tablespaces,
       a.attname AS primary_dimension,
       a.atttypid::pg_catalog.regtype AS primary_dimension_type,
       h.relation,
       COALESCE(h.integer_interval::text, h.chunk_interval::text) AS chunk_interval,
       h.end_column,
       h.logical_key,
       h.premake,
       k.cold AS cold_chunks,
       k.hot_bytes
FROM strata.hypertable h
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.relation
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) c.oid
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) p.partattrs[0]
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid OPERATOR(pg_catalog.=) c.reltablespace
CROSS JOIN LATERAL (
  SELECT pg_catalog.count(*) AS chunks,
         pg_catalog.count(*) FILTER (WHERE f.cold) AS cold,
         COALESCE(pg_catalog.sum(GREATEST(x.relpages, 0)::bigint OPERATOR(pg_catalog.+) l.pages) FILTER (WHERE f.cold IS NOT TRUE), 0)::bigint
           OPERATOR(pg_catalog.*) pg_catalog.current_setting('block_size')::bigint AS hot_bytes
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.inhrelid
  LEFT JOIN LATERAL (SELECT true AS cold FROM strata.cold_file f WHERE f.chunk OPERATOR(pg_catalog.=) x.oid
                     AND f.state OPERATOR(pg_catalog.=) 'live' LIMIT 1) f ON true
  CROSS JOIN LATERAL (
    -- hash sub-partitions
    SELECT COALESCE(pg_catalog.sum(GREATEST(y.relpages, 0)), 0) AS pages
    FROM pg_catalog.pg_inherits j JOIN pg_catalog.pg_class y ON y.oid OPERATOR(pg_catalog.=) j.inhrelid
    WHERE j.inhparent OPERATOR(pg_catalog.=) x.oid) l
  WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid) k
WHERE strata._visible(c.oid);

CREATE VIEW strata.chunks WITH (security_barrier = true) AS
SELECT n.nspname AS hypertable_schema,
       c.relname AS hypertable_name,
       xn.nspname AS chunk_schema,
       x.relname AS chunk_name,
       a.attname AS primary_dimension,
       a.atttypid::pg_catalog.regtype AS primary_dimension_type,
       r.range_start,
       r.range_end,
       r.range_start_integer,
       r.range_end_integer,
       false AS is_compressed,
       t.spcname AS chunk_tablespace,
       k.created_at AS chunk_creation_time,
       x.oid::pg_catalog.regclass AS chunk,
       COALESCE(k.origin, 'user') AS origin,
       CASE WHEN i.inhdetachpending THEN 'detaching'
            WHEN f.state IS NOT NULL THEN f.state
            WHEN k.closed_at IS NOT NULL THEN 'closed'
            ELSE 'hot' END AS state
FROM strata.hypertable h
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.relation
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) c.oid
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.=) p.partattrs[0]
JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) c.oid
JOIN pg_catalog.pg_class x ON x.oid OPERATOR(pg_catalog.=) i.inhrelid
JOIN pg_catalog.pg_namespace xn ON xn.oid OPERATOR(pg_catalog.=) x.relnamespace
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid OPERATOR(pg_catalog.=) x.reltablespace
LEFT JOIN strata.chunk k ON k.chunk OPERATOR(pg_catalog.=) x.oid
LEFT JOIN LATERAL (
  SELECT CASE WHEN pg_catalog.bool_or(f.state OPERATOR(pg_catalog.=) 'live') THEN 'cold' ELSE 'tiering' END AS state
  FROM strata.cold_file f WHERE f.chunk OPERATOR(pg_catalog.=) x.oid
  HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 0) f ON true
CROSS JOIN LATERAL strata._chunk_range(x.oid, a.atttypid) r
WHERE strata._visible(c.oid);

CREATE VIEW strata.dimensions WITH (security_barrier = true) AS
SELECT n.nspname AS hypertable_schema,
       c.relname AS hypertable_name,
       d.dimension_number,
       a.attname AS column_name,
       a.atttypid::pg_catalog.regtype AS column_type,
       d.dimension_type,
       d.time_interval,
       d.integer_interval,
       d.integer_now_func,
       d.num_partitions
FROM strata.hypertable h
JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) h.relation
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) c.oid
CROSS JOIN LATERAL (
  SELECT 1::bigint AS dimension_number, k.attname AS name, 'Time' AS dimension_type,
         CASE WHEN h.integer_interval IS NULL THEN h.chunk_interval END AS time_interval, h.integer_interval,
         (SELECT f.proname FROM pg_catalog.pg_proc f WHERE f.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure(h.integer_now_func)) AS integer_now_func,
         NULL::smallint AS num_partitions
  FROM pg_catalog.pg_attribute k
  WHERE k.attrelid OPERATOR(pg_catalog.=) c.oid AND k.attnum OPERATOR(pg_catalog.=) p.partattrs[0]
  UNION ALL
  SELECT 1 OPERATOR(pg_catalog.+) pg_catalog.row_number() OVER (ORDER BY x.id), x.column_name, 'Space',
         NULL, NULL, NULL, x.number_partitions::smallint
  FROM strata.dimension x WHERE x.hypertable_id OPERATOR(pg_catalog.=) h.id) d
JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) d.name
  AND NOT a.attisdropped
WHERE strata._visible(c.oid);

CREATE FUNCTION strata._has_column(relation regclass, name name)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT $2 IS NULL OR EXISTS (
    SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) $1
    AND a.attname OPERATOR(pg_catalog.=) $2 AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped)
$$;

-- Columns that the catalog names for a hypertable.
CREATE FUNCTION strata._column_names(hypertable_id integer)
RETURNS TABLE (name name, found boolean) LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT n.name, strata._has_column(h.relation, n.name)
  FROM strata.hypertable h CROSS JOIN LATERAL (
    SELECT pg_catalog.unnest(ARRAY[h.time_column, h.end_column, h.logical_key]) AS name
    UNION ALL SELECT d.column_name FROM strata.dimension d WHERE d.hypertable_id OPERATOR(pg_catalog.=) h.id
    UNION ALL SELECT s.column_name FROM strata.chunk_skipping s WHERE s.hypertable_id OPERATOR(pg_catalog.=) h.id
    UNION ALL SELECT pg_catalog.unnest(k.columns) FROM strata.leaf_key k WHERE k.hypertable_id OPERATOR(pg_catalog.=) h.id) n
  WHERE h.id OPERATOR(pg_catalog.=) $1 AND n.name IS NOT NULL
$$;

-- Who owns no hypertable any more makes no indexes of chunks: the role can be dropped.
CREATE FUNCTION strata._let_owners_go()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
  owner oid;
BEGIN
  IF pg_catalog.to_regnamespace('strata_chunks') IS NULL THEN
    RETURN;
  END IF;
  LOCK TABLE strata.leaf_key IN SHARE UPDATE EXCLUSIVE MODE;
  FOR owner IN
    SELECT DISTINCT a.grantee FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
    WHERE n.nspname = 'strata_chunks' AND a.privilege_type = 'CREATE' AND a.grantee <> 0 AND a.grantee <> n.nspowner
      AND NOT EXISTS (SELECT FROM strata.hypertable h JOIN pg_catalog.pg_class c ON c.oid = h.relation WHERE c.relowner = a.grantee)
  LOOP
    EXECUTE pg_catalog.format('REVOKE USAGE, CREATE ON SCHEMA strata_chunks FROM %I', pg_catalog.pg_get_userbyid(owner));
  END LOOP;
EXCEPTION WHEN lock_not_available THEN
  NULL; -- the next time
END
$$;

-- Keeps the catalog right when hypertables and chunks are dropped, by whatever command.
CREATE FUNCTION strata._hypertable_dropped()
RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM strata.chunk k USING pg_catalog.pg_event_trigger_dropped_objects() d
  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND k.chunk = d.objid;
  DELETE FROM strata.detaching t USING pg_catalog.pg_event_trigger_dropped_objects() d
  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND t.chunk = d.objid;
  DELETE FROM strata.hypertable h USING pg_catalog.pg_event_trigger_dropped_objects() d
  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND h.relation = d.objid;
  IF FOUND THEN
    PERFORM strata._let_owners_go();
  END IF;
  -- an empty list stays one: NULL would mean all. A dump would give the number to some other table.
  UPDATE strata.client_exposure e SET relations = ARRAY(
    SELECT u.relation FROM pg_catalog.unnest(e.relations) WITH ORDINALITY u(relation, n)
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d
      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND d.objid = u.relation) ORDER BY u.n)
  WHERE EXISTS (SELECT FROM pg_catalog.pg_event_trigger_dropped_objects() d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0 AND d.objid = ANY (e.relations::oid[]));
END
$$;

CREATE FUNCTION strata._hypertable_forgotten()
RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  DELETE FROM strata.dimension d WHERE d.hypertable_id = OLD.id;
  DELETE FROM strata.chunk_skipping s WHERE s.hypertable_id = OLD.id;
  DELETE FROM strata.leaf_key k WHERE k.hypertable_id = OLD.id;
  DELETE FROM strata.job j WHERE j.hypertable = OLD.relation;
  RETURN NULL;
END
$$;

CREATE TRIGGER strata_forgotten AFTER DELETE ON strata.hypertable
  FOR EACH ROW EXECUTE FUNCTION strata._hypertable_forgotten();
ALTER TABLE strata.hypertable ENABLE ALWAYS TRIGGER strata_forgotten;

-- ALWAYS: also where session_replication_role is replica
CREATE EVENT TRIGGER strata_hypertable_dropped ON sql_drop
  EXECUTE FUNCTION strata._hypertable_dropped();
ALTER EVENT TRIGGER strata_hypertable_dropped ENABLE ALWAYS;

-- Keeps the catalog right when hypertables are altered: names of columns, owners of chunks, the key's NOT NULL.
CREATE FUNCTION strata._hypertable_altered_now()
RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  h record;
  c record;
BEGIN
  FOR h IN
    SELECT t.id, t.relation, k.attname AS key, k.attnotnull, r.relowner, r.relname, a.attname AS renamed
    FROM pg_catalog.pg_event_trigger_ddl_commands() d
    JOIN strata.hypertable t ON t.relation = d.objid
    JOIN pg_catalog.pg_class r ON r.oid = d.objid
    JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = r.oid
    JOIN pg_catalog.pg_attribute k ON k.attrelid = r.oid AND k.attnum = p.partattrs[0]
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = d.objsubid AND d.objsubid > 0
    WHERE d.classid = 'pg_catalog.pg_class'::regclass
  LOOP
    IF NOT h.attnotnull THEN
      RAISE EXCEPTION 'column "%" of hypertable "%" must stay NOT NULL', h.key, h.relname
        USING ERRCODE = '55000', DETAIL = 'It is the key: a row without it belongs to no chunk.',
              HINT = pg_catalog.format('SELECT strata.drop_hypertable(%L) makes a plain table of it', h.relation::text);
    END IF;
    IF NOT EXISTS (SELECT FROM strata._column_names(h.id) n WHERE NOT n.found) THEN
      NULL;
    ELSIF h.renamed IS NOT NULL THEN
      -- the one name that is gone is the old one of the column that was renamed
      UPDATE strata.hypertable t SET
        time_column = CASE WHEN strata._has_column(t.relation, t.time_column) THEN t.time_column ELSE h.renamed END,
        end_column = CASE WHEN strata._has_column(t.relation, t.end_column) THEN t.end_column ELSE h.renamed END,
        logical_key = CASE WHEN strata._has_column(t.relation, t.logical_key) THEN t.logical_key ELSE h.renamed END
      WHERE t.id = h.id;
      UPDATE strata.dimension SET column_name = h.renamed
      WHERE hypertable_id = h.id AND NOT strata._has_column(h.relation, column_name);
      UPDATE strata.chunk_skipping SET column_name = h.renamed
      WHERE hypertable_id = h.id AND NOT strata._has_column(h.relation, column_name);
      UPDATE strata.leaf_key SET columns = ARRAY(
        SELECT CASE WHEN strata._has_column(h.relation, u.name) THEN u.name ELSE h.renamed END
        FROM pg_catalog.unnest(columns) WITH ORDINALITY u(name, n) ORDER BY u.n)
      WHERE hypertable_id = h.id;
    ELSE
      UPDATE strata.hypertable t SET
        time_column = CASE WHEN strata._has_column(t.relation, t.time_column) THEN t.time_column END,
        end_column = CASE WHEN strata._has_column(t.relation, t.end_column) THEN t.end_column END,
        logical_key = CASE WHEN strata._has_column(t.relation, t.logical_key) THEN t.logical_key END,
        chunk_interval = CASE WHEN t.integer_interval IS NULL OR strata._has_column(t.relation, t.time_column)
                              THEN t.chunk_interval END
      WHERE t.id = h.id;
      DELETE FROM strata.dimension WHERE hypertable_id = h.id AND NOT strata._has_column(h.relation, column_name);
      DELETE FROM strata.chunk_skipping WHERE hypertable_id = h.id AND NOT strata._has_column(h.relation, column_name);
      DELETE FROM strata.leaf_key k WHERE hypertable_id = h.id
        AND EXISTS (SELECT FROM pg_catalog.unnest(k.columns) u(name) WHERE NOT strata._has_column(h.relation, u.name));
    END IF;
    -- chunks closed for a column that is gone, or has another name, are closed again
    UPDATE strata.chunk k SET closed_at = NULL, zone = NULL
    FROM pg_catalog.pg_inherits i
    WHERE i.inhparent = h.relation AND k.chunk = i.inhrelid AND k.closed_at IS NOT NULL AND EXISTS (
      SELECT FROM pg_catalog.jsonb_object_keys(k.zone) n(name) WHERE NOT strata._has_column(h.relation, n.name::name));
    -- one chunk tells whether the owner has changed: looking at all of them would cost every command
    IF EXISTS (SELECT FROM (SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = h.relation LIMIT 1) x
               JOIN pg_catalog.pg_class o ON o.oid = x.inhrelid WHERE o.relowner <> h.relowner) THEN
      -- core makes the chunks' parts of an index there, as the owner
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = h.relowner AND r.rolsuper) THEN
        EXECUTE pg_catalog.format('GRANT CREATE ON SCHEMA strata_chunks TO %I', pg_catalog.pg_get_userbyid(h.relowner));
      END IF;
      FOR c IN
        -- not pg_partition_tree: it takes a weak lock on each, and two who make it a strong one are a deadlock
        WITH RECURSIVE tree AS (
          SELECT h.relation::oid AS relid
          UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid)
        SELECT o.oid FROM tree JOIN pg_catalog.pg_class o ON o.oid = tree.relid
        WHERE o.relowner <> h.relowner ORDER BY o.oid
      LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, pg_catalog.pg_get_userbyid(h.relowner));
      END LOOP;
      PERFORM strata._let_owners_go();
    END IF;
  END LOOP;
END
$$;

-- Runs the other one after commands that can concern it: not after each ATTACH.
CREATE FUNCTION strata._hypertable_altered()
RETURNS event_trigger LANGUAGE c AS 'MODULE_PATHNAME', 'strata_hypertable_altered';

-- ALTER VIEW and the like rename columns of tables as well
CREATE EVENT TRIGGER strata_hypertable_altered ON ddl_command_end
  WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE')
  EXECUTE FUNCTION strata._hypertable_altered();
ALTER EVENT TRIGGER strata_hypertable_altered ENABLE ALWAYS;

-- Views of the names that scripts for TimescaleDB ask. Not members of the extension: they are dumped.
CREATE FUNCTION strata.install_timescale_names()
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  name text;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'timescaledb') THEN
    RAISE EXCEPTION 'extension "timescaledb" is installed in this database'
      USING ERRCODE = '55000', DETAIL = 'Schema timescaledb_information belongs to it.';
  END IF;
  IF pg_catalog.to_regnamespace('timescaledb_information') IS NULL THEN
    CREATE SCHEMA timescaledb_information;
    GRANT USAGE ON SCHEMA timescaledb_information TO PUBLIC;
  END IF;
  FOREACH name IN ARRAY ARRAY['hypertables', 'chunks', 'dimensions', 'jobs', 'job_stats', 'job_errors', 'job_history'] LOOP
    IF pg_catalog.to_regclass('strata.' || name) IS NOT NULL THEN
      EXECUTE pg_catalog.format('CREATE OR REPLACE VIEW timescaledb_information.%I AS SELECT * FROM strata.%I', name, name);
      EXECUTE pg_catalog.format('GRANT SELECT ON timescaledb_information.%I TO PUBLIC', name);
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON FUNCTION strata._hypertable_altered() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._hypertable_altered_now() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._column_names(integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._hypertable_dropped() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._let_owners_go() FROM PUBLIC;
REVOKE ALL ON FUNCTION strata._hypertable_forgotten() FROM PUBLIC;
GRANT SELECT ON strata.hypertables, strata.chunks, strata.dimensions TO PUBLIC;
