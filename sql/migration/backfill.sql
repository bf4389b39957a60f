-- Data migration tasks that update a table in batches, see tasks.sql.
--
-- Backfills. The position is saved in the transaction of its rows, with the number of the call that runs the backfill.
-- Another call is kept out while the process of that one still runs that statement, by pg_stat_activity: that outlasts
-- each COMMIT, and ends with an error, a cancel or a kill. A lock that does so would be one that anybody can take.

-- ---- backfill: parts that run as the caller. What runs text of users has no SET clause for search_path; the rest has.

CREATE FUNCTION strata._task_key_index(relation oid, key_columns name[])
RETURNS oid LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  -- an index that gives each row one place: no nulls, no expressions, no part of the rows
  SELECT i.indexrelid
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree'
  CROSS JOIN LATERAL (
    SELECT array_agg(t.attname ORDER BY t.attname) AS names, bool_and(t.attnotnull AND NOT EXISTS (
        SELECT FROM pg_constraint n WHERE n.conrelid = $1 AND n.contype = 'n' AND n.conkey[1] = t.attnum
          AND NOT n.convalidated)) AS filled
    FROM unnest(i.indkey::smallint[]) WITH ORDINALITY k (attnum, place)
    JOIN pg_attribute t ON t.attrelid = $1 AND t.attnum = k.attnum
    WHERE k.place <= i.indnkeyatts
  ) f
  WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND f.filled
    AND CASE WHEN $2 IS NULL THEN i.indisprimary
          ELSE f.names = (SELECT array_agg(g ORDER BY g) FROM unnest($2) g) END
  ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1
$$;
COMMENT ON FUNCTION strata._task_key_index(oid, name[])
  IS 'internal: the primary key of a table, or a unique index on just these columns';

CREATE FUNCTION strata._task_plan(relation regclass, key_columns name[], changed text[])
RETURNS jsonb LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  c pg_class;
  index oid;
  child regclass;
  plan jsonb;
  names name[];
  wrong name;
BEGIN
  SELECT * INTO c FROM pg_class k WHERE k.oid = relation;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'relation with OID % does not exist', relation::oid USING ERRCODE = 'undefined_table';
  ELSIF c.relkind NOT IN ('r', 'p') THEN
    RAISE EXCEPTION '"%" is not a table', c.relname
      USING ERRCODE = 'wrong_object_type',
        DETAIL = 'Backfills are for tables, also partitioned ones: not for views or foreign tables.';
  END IF;
  index := strata._task_key_index(relation, key_columns);
  IF index IS NULL AND key_columns IS NULL THEN
    RAISE EXCEPTION 'table "%" has no primary key', c.relname
      USING ERRCODE = 'undefined_object',
        HINT = 'key_columns => ''{a,b}'' names columns of a unique index, all of them NOT NULL.';
  ELSIF index IS NULL THEN
    RAISE EXCEPTION 'table "%" has no unique index on just these columns, all of them NOT NULL: %', c.relname,
        array_to_string(key_columns, ', ')
      USING ERRCODE = 'undefined_object', HINT = 'Without key_columns the primary key is used.';
  END IF;
  SELECT jsonb_build_object('table', format('%I.%I', n.nspname, c.relname), 'name', quote_ident(c.relname),
      'oid', c.oid,
      'keys', jsonb_agg(jsonb_build_object('name', t.attname, 'column', quote_ident(t.attname),
        'type', format('%I.%I', tn.nspname, ty.typname), 'lt', op.names[1], 'le', op.names[2], 'eq', op.names[3],
        'ge', op.names[4], 'gt', op.names[5]) ORDER BY k.place)),
      array_agg(t.attname ORDER BY k.place), min(ty.typname) FILTER (WHERE ty.oid = 'money'::regtype)
    INTO plan, names, wrong
    FROM pg_index i
    CROSS JOIN LATERAL unnest(i.indkey::smallint[], i.indclass::oid[]) WITH ORDINALITY k (attnum, opclass, place)
    JOIN pg_attribute t ON t.attrelid = relation AND t.attnum = k.attnum
    JOIN pg_opclass o ON o.oid = k.opclass
    JOIN pg_type ot ON ot.oid = o.opcintype
    -- the type that the index compares; the type of the column where that is anyarray and the like
    JOIN pg_type ty ON ty.oid = CASE WHEN ot.typtype <> 'p' THEN ot.oid ELSE (
      WITH RECURSIVE base AS (
        SELECT b.oid, b.typbasetype, b.typtype FROM pg_type b WHERE b.oid = t.atttypid
        UNION ALL
        SELECT b.oid, b.typbasetype, b.typtype FROM base d JOIN pg_type b ON b.oid = d.typbasetype
          WHERE d.typtype = 'd')
      SELECT b.oid FROM base b WHERE b.typtype <> 'd') END
    JOIN pg_namespace tn ON tn.oid = ty.typnamespace
    CROSS JOIN LATERAL (
      SELECT array_agg(format('OPERATOR(%I.%s)', pn.nspname, p.oprname) ORDER BY a.amopstrategy) AS names
      FROM pg_amop a JOIN pg_operator p ON p.oid = a.amopopr JOIN pg_namespace pn ON pn.oid = p.oprnamespace
      WHERE a.amopfamily = o.opcfamily AND a.amoplefttype = o.opcintype AND a.amoprighttype = o.opcintype
    ) op
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE i.indexrelid = index AND k.place <= i.indnkeyatts
    GROUP BY n.nspname;
  IF wrong IS NOT NULL THEN
    -- its text means another value where lc_monetary is another
    RAISE EXCEPTION 'a key of type money is not supported' USING ERRCODE = 'feature_not_supported';
  END IF;
  -- also what is generated from an assigned column
  SELECT k INTO wrong FROM unnest(names) k
    WHERE k = ANY (changed) OR EXISTS (
      SELECT FROM pg_attribute t JOIN pg_attrdef g ON g.adrelid = t.attrelid AND g.adnum = t.attnum
      JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = relation AND d.refobjsubid > 0
      JOIN pg_attribute s ON s.attrelid = relation AND s.attnum = d.refobjsubid AND s.attname = ANY (changed)
      WHERE t.attrelid = relation AND t.attname = k AND t.attgenerated <> '')
    LIMIT 1;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'set_clause changes key column "%"', wrong
      USING ERRCODE = 'feature_not_supported',
        DETAIL = 'Rows are visited by key: one that gets another key could be visited twice, or not at all.';
  END IF;
  FOR child IN
    WITH RECURSIVE below AS (
      SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = relation
      UNION
      SELECT h.inhrelid FROM below b JOIN pg_inherits h ON h.inhparent = b.inhrelid)
    SELECT b.inhrelid FROM below b WHERE c.relkind = 'r'
  LOOP
    IF strata._task_key_index(child, names) IS NULL THEN
      RAISE EXCEPTION 'table %, which inherits from "%", has no unique index on the key of that', child, c.relname
        USING ERRCODE = 'undefined_object', DETAIL = 'Each batch would read all of it.';
    END IF;
  END LOOP;
  RETURN plan || jsonb_build_object('rows', (
    SELECT CASE WHEN bool_and(l.reltuples >= 0) THEN sum(l.reltuples)::bigint END
    FROM pg_class l
    WHERE l.relkind = 'r' AND (l.oid = relation OR l.oid IN (
      WITH RECURSIVE below AS (
        SELECT h.inhrelid FROM pg_inherits h WHERE h.inhparent = relation
        UNION
        SELECT h.inhrelid FROM below b JOIN pg_inherits h ON h.inhparent = b.inhrelid)
      SELECT b.inhrelid FROM below b))));
END
$$;
COMMENT ON FUNCTION strata._task_plan(regclass, name[], text[])
  IS 'internal: what a backfill must know of a table and its key; refuses tables that it is not for';

CREATE FUNCTION strata._task_check_backfill(relation regclass, set_clause text, batch_size integer, pause interval,
  lock_timeout interval, max_batches integer)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF relation IS NULL OR set_clause IS NULL OR batch_size IS NULL OR pause IS NULL THEN
    RAISE EXCEPTION '% must not be null', CASE WHEN relation IS NULL THEN 'relation'
        WHEN set_clause IS NULL THEN 'set_clause' WHEN batch_size IS NULL THEN 'batch_size' ELSE 'pause' END
      USING ERRCODE = 'null_value_not_allowed';
  ELSIF batch_size < 1 OR max_batches < 1 THEN
    RAISE EXCEPTION '% must be at least 1', CASE WHEN batch_size < 1 THEN 'batch_size' ELSE 'max_batches' END
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF pause < '0' OR lock_timeout < '0' OR EXTRACT(epoch FROM lock_timeout) > 2147483 THEN
    RAISE EXCEPTION '% is out of range: %', CASE WHEN pause < '0' THEN 'pause' ELSE 'lock_timeout' END,
        CASE WHEN pause < '0' THEN pause ELSE lock_timeout END
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'a backfill cannot run at isolation level %', upper(current_setting('transaction_isolation'))
      USING ERRCODE = 'active_sql_transaction', HINT = 'SET default_transaction_isolation = ''read committed'';';
  END IF;
  RETURN CASE WHEN lock_timeout IS NULL THEN current_setting('lock_timeout')
    -- 0 would be for ever
    WHEN lock_timeout = '0' THEN '0' ELSE GREATEST(ceil(EXTRACT(epoch FROM lock_timeout) * 1000), 1)::text END;
END
$$;
COMMENT ON FUNCTION strata._task_check_backfill(regclass, text, integer, interval, interval, integer)
  IS 'internal: refuses bad arguments of a backfill, and returns its lock_timeout as a setting';

CREATE FUNCTION strata._task_beyond(plan jsonb, alias text, operator text, edge text[])
RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- of gt or le, what the columns before the last are compared by first
  wide text := CASE operator WHEN 'gt' THEN 'ge' ELSE 'le' END;
  beyond text := CASE operator WHEN 'gt' THEN 'gt' ELSE 'lt' END;
  columns text[];
  literals text[];
  condition text;
BEGIN
  IF edge IS NULL THEN
    RETURN 'true';
  END IF;
  SELECT array_agg(format('%s.%s::%s', alias, k.key ->> 'column', k.key ->> 'type') ORDER BY k.place),
      array_agg(format('%L::%s', edge[k.place], k.key ->> 'type') ORDER BY k.place)
    INTO columns, literals
    FROM jsonb_array_elements(plan -> 'keys') WITH ORDINALITY k (key, place);
  IF cardinality(columns) = 1 THEN
    RETURN format('%s %s %s', columns[1], plan #>> ARRAY['keys', '0', operator], literals[1]);
  END IF;
  -- the first column alone as well: the planner estimates a range from it, and none from rows
  IF (SELECT count(DISTINCT k.key ->> operator) FROM jsonb_array_elements(plan -> 'keys') k (key)) = 1 THEN
    RETURN format('%s %s %s AND ROW(%s) %s ROW(%s)', columns[1], plan #>> ARRAY['keys', '0', wide], literals[1],
      array_to_string(columns, ', '), plan #>> ARRAY['keys', '0', operator], array_to_string(literals, ', '));
  END IF;
  FOR n IN REVERSE cardinality(columns) .. 1 LOOP
    condition := CASE WHEN condition IS NULL
      THEN format('%s %s %s', columns[n], plan #>> ARRAY['keys', (n - 1)::text, operator], literals[n])
      ELSE format('%s %s %s AND (%s %s %s OR (%s))', columns[n], plan #>> ARRAY['keys', (n - 1)::text, wide],
        literals[n], columns[n], plan #>> ARRAY['keys', (n - 1)::text, beyond], literals[n], condition) END;
  END LOOP;
  RETURN condition;
END
$$;
COMMENT ON FUNCTION strata._task_beyond(jsonb, text, text, text[])
  IS 'internal: condition for rows after (gt) or up to (le) a key';

CREATE FUNCTION strata._task_window_text(plan jsonb, low text[], batch_size integer)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  -- the last of n rows, its key as text, and whether that text is the key
  SELECT format('SELECT x.n, x.keys, %s FROM (SELECT w.*, ARRAY[%s] AS keys FROM ('
      'SELECT * FROM (SELECT pg_catalog.row_number() OVER (ORDER BY %s) AS n, %s'
      ' FROM %s AS t WHERE %s ORDER BY %s LIMIT %s) s ORDER BY s.n DESC LIMIT 1) w) x',
    string_agg(format('x.k%s %s x.keys[%s]::%s', k.place, k.key ->> 'eq', k.place, k.key ->> 'type'), ' AND '),
    string_agg(format('strata._task_key_text(w.k%s)', k.place), ', ' ORDER BY k.place),
    string_agg(format('t.%s USING %s', k.key ->> 'column', k.key ->> 'lt'), ', ' ORDER BY k.place),
    string_agg(format('t.%s::%s AS k%s', k.key ->> 'column', k.key ->> 'type', k.place), ', ' ORDER BY k.place),
    $1 ->> 'table', strata._task_beyond($1, 't', 'gt', $2),
    string_agg(format('t.%s USING %s', k.key ->> 'column', k.key ->> 'lt'), ', ' ORDER BY k.place), $3)
  FROM jsonb_array_elements($1 -> 'keys') WITH ORDINALITY k (key, place)
$$;
COMMENT ON FUNCTION strata._task_window_text(jsonb, text[], integer)
  IS 'internal: statement that finds the last key of a batch';

CREATE FUNCTION strata._task_update_text(plan jsonb, set_clause text, where_clause text, low text[], high text[])
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  -- a line feed ends a comment at the end of a clause
  SELECT format(E'UPDATE %s SET %s\nWHERE %s AND %s AND (%s\n)', $1 ->> 'table', $2,
    strata._task_beyond($1, $1 ->> 'name', 'gt', $4), strata._task_beyond($1, $1 ->> 'name', 'le', $5),
    COALESCE($3, 'true'))
$$;
COMMENT ON FUNCTION strata._task_update_text(jsonb, text, text, text[], text[])
  IS 'internal: statement that updates a batch';

CREATE FUNCTION strata._task_key_text(key anyelement)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET timezone = 'UTC'
SET extra_float_digits = 3 AS $$
  -- by the output function of the type, not by a cast to text, which may be another. Read under any settings, what it
  -- gives is the same value: dates begin with the year, times have their zone, floats all their digits
  SELECT format('%s', $1)
$$;
COMMENT ON FUNCTION strata._task_key_text(anyelement)
  IS 'internal: a value as text that means the same under any settings';

CREATE FUNCTION strata._task_window(plan jsonb, low text[], batch_size integer, OUT seen bigint, OUT last_key text[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
-- whatever the planner expects: along the index, never the whole table; jit, as it would compile what seems so costly
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
  exact boolean;
BEGIN
  EXECUTE strata._task_window_text(plan, low, batch_size) INTO seen, last_key, exact;
  IF NOT exact THEN
    RAISE EXCEPTION 'a key of % is another value when it is read back from text', plan OPERATOR(pg_catalog.->>) 'table'
      USING ERRCODE = 'feature_not_supported', HINT = 'key_columns names the columns of another unique index.';
  END IF;
  seen := COALESCE(seen, 0);
END
$$;
COMMENT ON FUNCTION strata._task_window(jsonb, text[], integer)
  IS 'internal: how many rows the next batch looks at, and the last key of them';

-- ---- backfill: parts that write its position

CREATE FUNCTION strata._task_run(caller strata.calling_role, task text, plan jsonb, set_clause text, where_clause text,
  OUT runner uuid, OUT last_key text[])
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
  t strata.task;
  columns name[] := (SELECT array_agg(k.key ->> 'name' ORDER BY k.place)
    FROM jsonb_array_elements(plan -> 'keys') WITH ORDINALITY k (key, place));
  differs text;
  here text := (SELECT format('%s/%s/', c.system_identifier, d.oid)
    FROM pg_control_system() c, pg_database d WHERE d.datname = current_database());
BEGIN
  PERFORM strata._task_number($1, $2);
  LOOP
    SELECT * INTO t FROM strata.task k WHERE k.task = $2 COLLATE "C" FOR NO KEY UPDATE;
    EXIT WHEN FOUND;
    INSERT INTO strata.task (task, owner) VALUES ($2, $1) ON CONFLICT ON CONSTRAINT task_task_key DO NOTHING;
  END LOOP;
  PERFORM strata._task_check($1, t.owner, $2);
  PERFORM pg_stat_clear_snapshot();
  -- a session does one thing at a time, whatever it tells of itself
  IF t.runner IS NOT NULL AND t.runner_pid <> pg_backend_pid() AND strata._task_alive(t.runner_pid, t.runner_at) THEN
    RAISE EXCEPTION 'task "%" is being run by another session', $2
      USING ERRCODE = 'object_in_use', DETAIL = format('The process has the id %s.', t.runner_pid),
        HINT = format('SELECT * FROM strata.task_progress(%L); shows how far it is.', $2);
  END IF;
  IF t.complete OR t.last_key IS NOT NULL THEN
    differs := CASE WHEN t.relation IS DISTINCT FROM $3 ->> 'table' THEN 'relation'
      WHEN t.set_clause IS DISTINCT FROM $4 THEN 'set_clause'
      WHEN t.where_clause IS DISTINCT FROM $5 THEN 'where_clause'
      WHEN t.key_columns IS DISTINCT FROM columns THEN 'key_columns' END;
    IF differs IS NOT NULL THEN
      RAISE EXCEPTION 'task "%" was begun with another %', $2, differs
        USING ERRCODE = 'object_not_in_prerequisite_state',
          DETAIL = CASE WHEN t.complete THEN 'It is done.' ELSE 'A part of the rows is done.' END,
          HINT = format('SELECT strata.task_clear(%L); forgets what is done. Or give this backfill another name.', $2);
    -- in a copy of the database, the table that was copied has the OID that it got there
    ELSIF starts_with(t.relation_at, here) AND t.relation_at <> here || ($3 ->> 'oid') THEN
      RAISE EXCEPTION 'table % of task "%" is another one than it was', t.relation, $2
        USING ERRCODE = 'object_not_in_prerequisite_state',
          DETAIL = 'A table of this name was made since; what is done was done to the old one.',
          HINT = format('SELECT strata.task_clear(%L); forgets what is done. Or give this backfill another name.', $2);
    END IF;
  ELSIF t.rows_seen > 0 OR t.finished_at IS NOT NULL THEN
    UPDATE strata.task k SET rows_done = 0, rows_seen = 0 WHERE k.id = t.id;
  END IF;
  IF t.complete THEN
    UPDATE strata.task k
      SET finished_at = COALESCE(k.finished_at, clock_timestamp()), runner = NULL,
        marks_done = COALESCE(k.marks_done, (SELECT count(*) FROM strata.task_mark m WHERE m.task_id = k.id))
      WHERE k.id = t.id;
    RETURN;
  END IF;
  runner := gen_random_uuid();
  last_key := t.last_key;
  UPDATE strata.task k
    SET relation = $3 ->> 'table', relation_at = here || ($3 ->> 'oid'), set_clause = $4, where_clause = $5, key_columns = columns,
      rows_expected = ($3 ->> 'rows')::bigint, run_at = clock_timestamp(),
      run_rows = k.rows_done, run_seen = k.rows_seen,
      started_at = CASE WHEN k.finished_at IS NULL THEN k.started_at ELSE clock_timestamp() END,
      finished_at = NULL, marks_done = NULL,
      runner = _task_run.runner, runner_pid = pg_backend_pid(), 
      runner_at = COALESCE((SELECT a.query_start FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()), statement_timestamp())
    WHERE k.id = t.id;
END
$$;
COMMENT ON FUNCTION strata._task_run(strata.calling_role, text, jsonb, text, text)
  IS 'internal: begins or continues a backfill: number of the run, NULL when all is done, and the last key done';

CREATE FUNCTION strata._task_step(caller strata.calling_role, task text, runner uuid, last_key text[], changed bigint,
  seen bigint, complete boolean, ends boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- the number of the run is no secret: pg_read_all_data sees it
  PERFORM strata._task_number($1, $2);
  UPDATE strata.task k
    SET last_key = COALESCE($4, k.last_key), rows_done = k.rows_done + $5, rows_seen = k.rows_seen + $6,
      last_at = clock_timestamp(), complete = $7, runner = CASE WHEN $8 THEN NULL ELSE k.runner END,
      finished_at = CASE WHEN $7 THEN clock_timestamp() END,
      marks_done = CASE WHEN $7 THEN (SELECT count(*) FROM strata.task_mark m WHERE m.task_id = k.id) END
    WHERE k.task = $2 COLLATE "C" AND k.runner = $3;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'task "%" was finished, cleared or taken over by another session', $2
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'The last batch is rolled back.';
  END IF;
END
$$;
COMMENT ON FUNCTION strata._task_step(strata.calling_role, text, uuid, text[], bigint, bigint, boolean, boolean)
  IS 'internal: keeps the position of a backfill, in the transaction of its rows';

-- No SET clause, no EXCEPTION block around COMMIT and not SECURITY DEFINER: COMMIT is refused there. So all names and
-- operators have their schema.
CREATE PROCEDURE strata.task_backfill(task text, relation regclass, set_clause text, where_clause text DEFAULT NULL,
  key_columns name[] DEFAULT NULL, batch_size integer DEFAULT 5000, pause interval DEFAULT '0',
  lock_timeout interval DEFAULT '3s', max_batches integer DEFAULT NULL, INOUT rows_done bigint DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
  plan pg_catalog.jsonb;
  timeout pg_catalog.text;
  runner pg_catalog.uuid;
  low pg_catalog.text[];
  high pg_catalog.text[];
  seen pg_catalog.int8;
  changed pg_catalog.int8;
  complete pg_catalog.bool;
  ends pg_catalog.bool;
  batches pg_catalog.int4 := 0;
  tries pg_catalog.int4 := 0;
  seconds pg_catalog.float8 := 0;
  blocked pg_catalog.text;
BEGIN
  IF NOT strata._may_commit() THEN
    RAISE EXCEPTION 'strata.task_backfill() cannot run inside a transaction block'
      USING ERRCODE = 'active_sql_transaction',
        DETAIL = 'It commits after each batch.',
        HINT = 'CALL it on its own with autocommit: not between BEGIN and COMMIT, and not in a function.';
  END IF;
  timeout := strata._task_check_backfill(relation, set_clause, batch_size, pause, lock_timeout, max_batches);
  plan := strata._task_plan(relation, key_columns, strata._task_clauses(set_clause, where_clause));
  rows_done := 0;
  PERFORM pg_catalog.set_config('lock_timeout', timeout, true);
  SELECT r.runner, r.last_key INTO runner, low
    FROM strata._task_run(CURRENT_USER::strata.calling_role, task, plan, set_clause, where_clause) r;
  COMMIT;
  IF runner IS NULL THEN
    RAISE NOTICE 'task "%" is done', task
      USING HINT = pg_catalog.format('SELECT strata.task_clear(%L); forgets that, so that it can run again.', task);
    RETURN;
  END IF;
  LOOP
    -- no lock is held here
    IF seconds OPERATOR(pg_catalog.>) 0::pg_catalog.float8 THEN
      PERFORM pg_catalog.pg_sleep(seconds);
    END IF;
    blocked := NULL;
    -- rolled back with all its locks where one of them is not got
    BEGIN
      PERFORM pg_catalog.set_config('lock_timeout', timeout, true);
      SELECT w.seen, w.last_key INTO seen, high FROM strata._task_window(plan, low, batch_size) w;
      -- locked now: by its name it is found in each batch
      IF NOT COALESCE(pg_catalog.to_regclass(plan OPERATOR(pg_catalog.->>) 'table')::pg_catalog.oid
          OPERATOR(pg_catalog.=) relation::pg_catalog.oid, false) THEN
        RAISE EXCEPTION 'table % is another one than it was when the backfill began', plan OPERATOR(pg_catalog.->>) 'table'
          USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = pg_catalog.format('Batches before this are kept: %s rows.', rows_done),
            HINT = pg_catalog.format('SELECT strata.task_clear(%L); forgets what is done, for a backfill of the new table.', task);
      END IF;
      changed := 0;
      IF seen OPERATOR(pg_catalog.>) 0 THEN
        EXECUTE strata._task_update_text(plan, set_clause, where_clause, low, high);
        GET DIAGNOSTICS changed = ROW_COUNT;
      END IF;
      complete := seen OPERATOR(pg_catalog.<) batch_size;
      ends := complete OR COALESCE((batches OPERATOR(pg_catalog.+) 1) OPERATOR(pg_catalog.>=) max_batches, false);
      PERFORM strata._task_step(CURRENT_USER::strata.calling_role, task, runner, high, changed, seen, complete, ends);
    EXCEPTION WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
      GET STACKED DIAGNOSTICS blocked = MESSAGE_TEXT;
    END;
    IF blocked IS NULL THEN
      COMMIT;
      batches := batches OPERATOR(pg_catalog.+) 1;
      rows_done := rows_done OPERATOR(pg_catalog.+) changed;
      EXIT WHEN ends;
      low := high;
      tries := 0;
      seconds := CASE WHEN changed OPERATOR(pg_catalog.>) 0 THEN pg_catalog.date_part('epoch', pause) ELSE 0 END;
    ELSE
      tries := tries OPERATOR(pg_catalog.+) 1;
      IF tries OPERATOR(pg_catalog.>) 5 THEN
        RAISE EXCEPTION 'rows of % stay locked by other sessions', plan OPERATOR(pg_catalog.->>) 'table'
          USING ERRCODE = 'lock_not_available',
            DETAIL = pg_catalog.format('Tried %s times, the last error was: %s. Batches before this are kept: %s rows.',
              tries, blocked, rows_done),
            HINT = 'The same CALL goes on here.';
      END IF;
      COMMIT;
      -- 1 s, doubled each time, with a jitter of a quarter
      seconds := pg_catalog.power(2::pg_catalog.float8, (tries OPERATOR(pg_catalog.-) 1)::pg_catalog.float8)
        OPERATOR(pg_catalog.*) (0.75::pg_catalog.float8 OPERATOR(pg_catalog.+)
          (pg_catalog.random() OPERATOR(pg_catalog./) 2::pg_catalog.float8));
    END IF;
  END LOOP;
END
$$;
COMMENT ON PROCEDURE
  strata.task_backfill(text, regclass, text, text, name[], integer, interval, interval, integer, bigint)
  IS 'updates a table by key, a transaction per batch; after a kill the same CALL goes on. rows_done: by this call';

SELECT pg_catalog.pg_extension_config_dump('strata.task', '');
SELECT pg_catalog.pg_extension_config_dump('strata.task_mark', '');
SELECT pg_catalog.pg_extension_config_dump('strata.task_id_seq', '');
