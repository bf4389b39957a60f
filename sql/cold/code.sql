-- Cold tier: access method, wrapper, functions, views, event triggers.

CREATE FUNCTION strata._cold_handler(internal) RETURNS table_am_handler
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'strata_cold_handler';
CREATE ACCESS METHOD strata_cold TYPE TABLE HANDLER strata._cold_handler;

CREATE FUNCTION strata._sqlite_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', '_sqlite_validator_wrapper';
CREATE FUNCTION strata._sqlite_handler() RETURNS fdw_handler
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'strata_sqlite_handler';
CREATE FOREIGN DATA WRAPPER strata_sqlite HANDLER strata._sqlite_handler VALIDATOR strata._sqlite_validator;
CREATE SERVER strata_local FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file:');

CREATE FUNCTION strata.set_cold_storage(
    hypertable regclass,
    server name DEFAULT 'strata_local',
    late_rows text DEFAULT 'accept',
    cluster_by name[] DEFAULT NULL,
    bloom_columns name[] DEFAULT NULL,
    indexes text DEFAULT 'all',
    verify text DEFAULT 'full',
    full_text name[] DEFAULT NULL
) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'set_cold_storage_wrapper';

CREATE FUNCTION strata.remove_cold_storage(hypertable regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'remove_cold_storage_wrapper';

CREATE FUNCTION strata.tier_chunk(chunk regclass) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tier_chunk_wrapper';

CREATE PROCEDURE strata.tier_chunks(
    hypertable regclass,
    older_than "any" DEFAULT NULL::timestamptz,
    newer_than "any" DEFAULT NULL::timestamptz,
    over_bytes bigint DEFAULT NULL,
    max_chunks integer DEFAULT NULL,
    wait boolean DEFAULT true
)
    LANGUAGE c AS 'MODULE_PATHNAME', 'tier_chunks_wrapper';

CREATE FUNCTION strata.add_tiering_policy(
    hypertable regclass,
    move_after interval DEFAULT NULL,
    if_not_exists boolean DEFAULT false,
    keep_hot_bytes bigint DEFAULT NULL,
    schedule_interval interval DEFAULT interval '1 hour',
    max_per_run integer DEFAULT 4
) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'add_tiering_policy_wrapper';

CREATE FUNCTION strata.remove_tiering_policy(hypertable regclass, if_exists boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'remove_tiering_policy_wrapper';

CREATE PROCEDURE strata.untier_chunk(chunk regclass)
    LANGUAGE c AS 'MODULE_PATHNAME', 'untier_chunk_wrapper';

CREATE PROCEDURE strata.untier_chunks(
    hypertable regclass,
    older_than "any" DEFAULT NULL::timestamptz,
    newer_than "any" DEFAULT NULL::timestamptz
)
    LANGUAGE c AS 'MODULE_PATHNAME', 'untier_chunks_wrapper';

CREATE FUNCTION strata.cold_check(hypertable regclass DEFAULT NULL, deep boolean DEFAULT false)
    RETURNS TABLE (chunk regclass, key text, status text, detail text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cold_check_wrapper';

CREATE FUNCTION strata.cold_cache_reset() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cold_cache_reset_wrapper';

CREATE FUNCTION strata.cold_session_stats(
    OUT gets bigint, OUT bytes bigint, OUT cache_hits bigint, OUT wait_ms double precision
) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'cold_session_stats_wrapper';

CREATE FUNCTION strata._cold_session_files(
    OUT key text, OUT gets bigint, OUT bytes bigint, OUT cache_hits bigint, OUT wait_ms double precision
) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', '_cold_session_files_wrapper';

CREATE FUNCTION strata.cold_owner_token() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'cold_owner_token_wrapper';

CREATE FUNCTION strata._cold_late_rows(chunk regclass) RETURNS bigint
    LANGUAGE c STABLE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', '_cold_late_rows_wrapper';

-- Condition of a dump on the manifest: true, or an error when the rows are in the heap by now, which the dump reads.
CREATE FUNCTION strata._cold_dumped(file uuid, chunk regclass) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', '_cold_dumped_wrapper';

-- The views run with their owner's rights on the catalog and filter by the caller's.
CREATE VIEW strata.cold_files WITH (security_barrier) AS
SELECT f.id AS file, f.hypertable, f.chunk, f.range_start, f.range_end, f.rows,
       strata._cold_late_rows(f.chunk) AS late_rows, f.bytes, f.generation, f.server, f.key, f.etag, f.sha256,
       f.owner_token OPERATOR(pg_catalog.=) strata.cold_owner_token() AS owned, f.created_at
  FROM strata.cold_file f
 WHERE f.state OPERATOR(pg_catalog.=) 'live'
   AND pg_catalog.has_table_privilege(f.hypertable, 'SELECT');

CREATE VIEW strata.cold_session_files WITH (security_barrier) AS
SELECT f.file, f.hypertable, f.chunk, f.key, s.gets, s.bytes, s.cache_hits, s.wait_ms
  FROM strata._cold_session_files() s
  JOIN strata.cold_files f ON f.key OPERATOR(pg_catalog.=) s.key;

CREATE FUNCTION strata._cold_rows_read(chunk regclass) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', '_cold_rows_read_wrapper';

CREATE VIEW strata.cold_exports WITH (security_barrier) AS
SELECT e.id, e.chunk, e.state, e.step, e.attempt, e.queued_at, e.started_at, e.finished_at,
       CASE WHEN e.state OPERATOR(pg_catalog.=) 'running' AND e.step OPERATOR(pg_catalog.=) 'build'
            THEN coalesce(strata._cold_rows_read(e.chunk), e.rows_done) ELSE e.rows_done END AS rows_done,
       e.blocked_by, e.last_error
  FROM strata.cold_export e
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) e.chunk
 WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');

-- What pg_stat_progress_* shows of the server's own long commands.
CREATE VIEW strata.cold_progress WITH (security_barrier) AS
SELECT e.chunk, e.pid, e.step, e.attempt,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) e.started_at) AS running,
       CASE WHEN e.step OPERATOR(pg_catalog.=) 'build'
            THEN coalesce(strata._cold_rows_read(e.chunk), e.rows_done) ELSE e.rows_done END AS rows_done,
       coalesce(e.rows_total, CASE WHEN c.reltuples OPERATOR(pg_catalog.>=) 0 THEN c.reltuples::bigint END) AS rows_total,
       e.blocked_by
  FROM strata.cold_export e
  JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) e.chunk
 WHERE e.state OPERATOR(pg_catalog.=) 'running'
   AND pg_catalog.pg_has_role(c.relowner, 'USAGE');

-- A dropped chunk takes its manifest row along and leaves its file in the delete queue.
CREATE FUNCTION strata._cold_on_drop() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_event_trigger_dropped_objects() o
                    WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0) THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM strata.cold_file f
         USING pg_event_trigger_dropped_objects() o
         WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND f.chunk::oid = o.objid
        RETURNING f.server, f.key, f.owner_token, f.chunk::oid AS chunk, f.generation, f.bytes
    )
    INSERT INTO strata.cold_delete_queue (server, key, owner_token, chunk, generation, bytes, reason)
    SELECT server, key, owner_token, chunk, generation, bytes, 'dropped' FROM gone WHERE key IS NOT NULL
    ON CONFLICT DO NOTHING;
    -- a chunk that was detached has only itself now
    UPDATE strata.cold_file f SET hypertable = f.chunk
      FROM pg_event_trigger_dropped_objects() o
     WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND f.hypertable::oid = o.objid;
    DELETE FROM strata.cold_setting s
     USING pg_event_trigger_dropped_objects() o
     WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND s.hypertable::oid = o.objid;
    DELETE FROM strata.cold_export e
     USING pg_event_trigger_dropped_objects() o
     WHERE o.classid = 'pg_class'::regclass AND o.objsubid = 0 AND e.chunk::oid = o.objid;
END
$$;
-- After every DROP: a table can go along with a type, a function or an operator class that its key needs. All
-- event triggers of this file fire ALWAYS, also where session_replication_role is replica.
CREATE EVENT TRIGGER strata_cold_drop ON sql_drop
    EXECUTE FUNCTION strata._cold_on_drop();
ALTER EVENT TRIGGER strata_cold_drop ENABLE ALWAYS;

-- A chunk that a restore has made as an ordinary table does not read its file: its rows would be missing without a word.
-- What the extension itself adds is frozen first.
CREATE FUNCTION strata._cold_restored() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_am a ON a.oid = c.relam
                    WHERE c.oid = NEW.chunk::oid AND a.amname = 'strata_cold') THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the file of cold chunk %s cannot be restored: the table has another access method', NEW.chunk),
            HINT = 'Restore schema and data of one dump, without --no-table-access-method; or take the rows along: '
                   'PGOPTIONS=''-c strata.dump_cold=rows'' pg_dump ...';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER strata_restored AFTER INSERT ON strata.cold_file
    FOR EACH ROW WHEN (NEW.state OPERATOR(pg_catalog.=) 'live') EXECUTE FUNCTION strata._cold_restored();
ALTER TABLE strata.cold_file ENABLE ALWAYS TRIGGER strata_restored;

-- instead of foreign keys: see strata.dimension
CREATE FUNCTION strata._cold_forgotten() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM strata.cold_column c WHERE c.file = OLD.id;
    DELETE FROM strata.cold_key k WHERE k.file = OLD.id;
    DELETE FROM strata.cold_bloom b WHERE b.file = OLD.id;
    DELETE FROM strata.cold_merge g WHERE g.chunk = OLD.chunk::oid;
    DELETE FROM strata.cold_head h WHERE h.file = OLD.id;
    DELETE FROM strata.cold_sum s WHERE s.file = OLD.id;
    DELETE FROM strata.cold_run r WHERE r.file = OLD.id;
    DELETE FROM strata.cold_index i WHERE i.file = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER strata_forgotten AFTER DELETE ON strata.cold_file
    FOR EACH ROW EXECUTE FUNCTION strata._cold_forgotten();
ALTER TABLE strata.cold_file ENABLE ALWAYS TRIGGER strata_forgotten;

-- A restore loads the manifest while sessions may have looked at the chunks already. What the extension itself
-- writes it announces chunk by chunk.
CREATE FUNCTION strata._cold_changed() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'strata_cold_changed';
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_file
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_file ENABLE ALWAYS TRIGGER strata_changed;
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_column
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_column ENABLE ALWAYS TRIGGER strata_changed;
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_key
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_key ENABLE ALWAYS TRIGGER strata_changed;
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_index
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_index ENABLE ALWAYS TRIGGER strata_changed;
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_bloom
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_bloom ENABLE ALWAYS TRIGGER strata_changed;
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_setting
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_setting ENABLE ALWAYS TRIGGER strata_changed;
CREATE TRIGGER strata_changed AFTER INSERT OR UPDATE OR DELETE ON strata.cold_merge
    FOR EACH STATEMENT EXECUTE FUNCTION strata._cold_changed();
ALTER TABLE strata.cold_merge ENABLE ALWAYS TRIGGER strata_changed;

-- The catalog of the cold tier is that of one database: a subscription FOR ALL TABLES of another one brings its rows
-- here as well, where the chunks get theirs by themselves.
CREATE FUNCTION strata._cold_unreplicated() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'strata_cold_unreplicated';
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT c.relname FROM pg_catalog.pg_class c
              WHERE c.relnamespace OPERATOR(pg_catalog.=) 'strata'::pg_catalog.regnamespace
                AND c.relname OPERATOR(pg_catalog.~) '^cold_' AND c.relkind OPERATOR(pg_catalog.=) 'r'
    LOOP
        EXECUTE pg_catalog.format('CREATE TRIGGER strata_unreplicated BEFORE INSERT OR UPDATE OR DELETE ON strata.%I '
            'FOR EACH ROW EXECUTE FUNCTION strata._cold_unreplicated()', t.relname);
        EXECUTE pg_catalog.format('ALTER TABLE strata.%I ENABLE ALWAYS TRIGGER strata_unreplicated', t.relname);
    END LOOP;
END
$$;

CREATE FUNCTION strata._cold_guard() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'strata_cold_guard';
CREATE EVENT TRIGGER strata_cold_guard ON ddl_command_start
    WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA', 'DROP LANGUAGE', 'DROP SERVER', 'DROP OWNED', 'DROP ACCESS METHOD',
        'ALTER TYPE', 'ALTER SERVER')
    EXECUTE FUNCTION strata._cold_guard();
ALTER EVENT TRIGGER strata_cold_guard ENABLE ALWAYS;

-- ALTER VIEW and the like rename columns of tables as well.
-- Columns of files are matched by number. A dump has them renumbered (dropped ones are gone), so
-- numbers are looked up by name once more before the first ALTER TABLE there. Columns that are gone
-- keep a row, under a negative number: that the file has more columns than the table is known by it.
CREATE FUNCTION strata._cold_before_alter_now() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE strata.cold_setting s SET hypertable_oid = s.hypertable::oid,
           cluster_attnums = (SELECT array_agg(a.attnum ORDER BY u.n) FROM unnest(s.cluster_by) WITH ORDINALITY AS u(name, n)
                                JOIN pg_attribute a ON a.attrelid = s.hypertable AND a.attname = u.name AND NOT a.attisdropped),
           bloom_attnums = (SELECT array_agg(a.attnum ORDER BY u.n) FROM unnest(s.bloom_columns) WITH ORDINALITY AS u(name, n)
                              JOIN pg_attribute a ON a.attrelid = s.hypertable AND a.attname = u.name AND NOT a.attisdropped),
           full_text_attnums = (SELECT array_agg(a.attnum ORDER BY u.n) FROM unnest(s.full_text) WITH ORDINALITY AS u(name, n)
                                  JOIN pg_attribute a ON a.attrelid = s.hypertable AND a.attname = u.name AND NOT a.attisdropped)
     WHERE s.hypertable_oid <> s.hypertable::oid;
    IF NOT EXISTS (SELECT FROM strata.cold_file WHERE chunk_oid <> chunk::oid) THEN
        RETURN;
    END IF;
    -- a parallel restore may be loading the columns just now: all of a file's or none
    LOCK TABLE strata.cold_column IN SHARE ROW EXCLUSIVE MODE;
    -- three steps, since the new numbers may be taken by old ones
    UPDATE strata.cold_column c SET attnum = - 10000 - c.attnum
      FROM strata.cold_file f
     WHERE f.id = c.file AND f.chunk_oid <> f.chunk::oid AND c.attnum > 0;
    UPDATE strata.cold_column c SET attnum = a.attnum
      FROM strata.cold_file f, pg_attribute a
     WHERE f.id = c.file AND f.chunk_oid <> f.chunk::oid AND c.attnum < -10000
       AND a.attrelid = f.chunk AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped;
    UPDATE strata.cold_column c SET attnum = gone.attnum
      FROM (SELECT g.file, g.attnum AS old,
                   (SELECT least(min(x.attnum), 0) FROM strata.cold_column x
                     WHERE x.file = g.file AND x.attnum BETWEEN -10000 AND -1)
                   - row_number() OVER (PARTITION BY g.file ORDER BY g.attnum) AS attnum
              FROM strata.cold_column g WHERE g.attnum < -10000) gone
     WHERE c.file = gone.file AND c.attnum = gone.old;
    UPDATE strata.cold_file f SET chunk_oid = chunk::oid
     WHERE chunk_oid <> chunk::oid AND EXISTS (SELECT FROM strata.cold_column c WHERE c.file = f.id);
END
$$;
CREATE FUNCTION strata._cold_before_alter() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'strata_cold_before_alter';
CREATE EVENT TRIGGER strata_cold_before_alter ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE')
    EXECUTE FUNCTION strata._cold_before_alter();
ALTER EVENT TRIGGER strata_cold_before_alter ENABLE ALWAYS;

-- Keeps column names current, and the value that a column added later has in every cold row:
-- pg_attribute forgets it in a dump.
CREATE FUNCTION strata._cold_after_alter_now() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET timezone = 'UTC'
    SET extra_float_digits = 3 SET bytea_output = 'hex' SET lc_monetary = 'C' SET xmloption = 'content' AS $$
BEGIN
    UPDATE strata.cold_setting s SET cluster_by = renamed.names
      FROM (SELECT t.hypertable, array_agg(a.attname ORDER BY u.n) AS names
              FROM strata.cold_setting t CROSS JOIN unnest(t.cluster_attnums) WITH ORDINALITY AS u(attnum, n)
              JOIN pg_attribute a ON a.attrelid = t.hypertable AND a.attnum = u.attnum AND NOT a.attisdropped
             WHERE t.hypertable_oid = t.hypertable::oid GROUP BY t.hypertable) renamed
     WHERE renamed.hypertable = s.hypertable AND s.cluster_by <> renamed.names;
    UPDATE strata.cold_setting s SET bloom_columns = renamed.names
      FROM (SELECT t.hypertable, array_agg(a.attname ORDER BY u.n) AS names
              FROM strata.cold_setting t CROSS JOIN unnest(t.bloom_attnums) WITH ORDINALITY AS u(attnum, n)
              JOIN pg_attribute a ON a.attrelid = t.hypertable AND a.attnum = u.attnum AND NOT a.attisdropped
             WHERE t.hypertable_oid = t.hypertable::oid GROUP BY t.hypertable) renamed
     WHERE renamed.hypertable = s.hypertable AND s.bloom_columns <> renamed.names;
    UPDATE strata.cold_setting s SET full_text = renamed.names
      FROM (SELECT t.hypertable, array_agg(a.attname ORDER BY u.n) AS names
              FROM strata.cold_setting t CROSS JOIN unnest(t.full_text_attnums) WITH ORDINALITY AS u(attnum, n)
              JOIN pg_attribute a ON a.attrelid = t.hypertable AND a.attnum = u.attnum AND NOT a.attisdropped
             WHERE t.hypertable_oid = t.hypertable::oid GROUP BY t.hypertable) renamed
     WHERE renamed.hypertable = s.hypertable AND s.full_text <> renamed.names;
    IF NOT EXISTS (SELECT FROM strata.cold_file WHERE state = 'live') THEN
        RETURN;
    END IF;
    -- names of a file's keys are those of its columns; a dropped column takes the name that
    -- pg_attribute gives it, so that nobody finds it again by a name that is used once more
    UPDATE strata.cold_key k SET columns = renamed.columns
      FROM (SELECT k.file, k.index_name, array_agg(a.attname ORDER BY u.n) AS columns
              FROM strata.cold_key k
              JOIN strata.cold_file f ON f.id = k.file AND f.state = 'live' AND f.chunk_oid = f.chunk::oid
             CROSS JOIN unnest(k.columns) WITH ORDINALITY AS u(name, n)
              JOIN strata.cold_column c ON c.file = k.file AND c.attname = u.name AND c.attnum > 0
              JOIN pg_attribute a ON a.attrelid = f.chunk AND a.attnum = c.attnum
             GROUP BY k.file, k.index_name) renamed
     WHERE k.file = renamed.file AND k.index_name = renamed.index_name AND k.columns <> renamed.columns
       AND cardinality(k.columns) = cardinality(renamed.columns);
    UPDATE strata.cold_column c SET attname = a.attname
      FROM strata.cold_file f, pg_attribute a
     WHERE f.id = c.file AND f.state = 'live' AND f.chunk_oid = f.chunk::oid
       AND a.attrelid = f.chunk AND a.attnum = c.attnum AND c.attnum > 0 AND c.attname <> a.attname;
    INSERT INTO strata.cold_column (file, attnum, attname, type_name, encoding, missing)
    SELECT f.id, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), 'typetext',
           array_to_string(a.attmissingval, '')
      FROM strata.cold_file f
      JOIN pg_attribute a ON a.attrelid = f.chunk AND a.attnum > 0 AND NOT a.attisdropped
     WHERE f.state = 'live' AND f.chunk_oid = f.chunk::oid
    ON CONFLICT (file, attnum) DO NOTHING;
END
$$;
CREATE FUNCTION strata._cold_after_alter() RETURNS event_trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'strata_cold_after_alter';
CREATE EVENT TRIGGER strata_cold_after_alter ON ddl_command_end
    WHEN TAG IN ('ALTER TABLE', 'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER FOREIGN TABLE')
    EXECUTE FUNCTION strata._cold_after_alter();
ALTER EVENT TRIGGER strata_cold_after_alter ENABLE ALWAYS;
