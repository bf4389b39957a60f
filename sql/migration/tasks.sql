-- Data migration tasks: what is done of a task is remembered, so that a program or a server that is killed goes on.
--
-- Who calls. The tables belong to the owner of the extension, and the functions that need them run as that role; then
-- current_user is no longer the caller. So they take the caller as their first argument, of a type whose values must be
-- the current role: the check runs where the argument is made, before the role changes, and a role can name nobody but
-- itself. Everybody may call these functions, and nobody may make tables or types that would keep such a value.
--
-- Locks. Whoever begins or marks holds an advisory lock on the number of the task, shared, to the end of the transaction;
-- task_finish() and task_clear() take it alone, so they wait for transactions that mark, and no mark comes in behind them.
-- Whoever holds it waits neither for the row nor for another that begins the task, so that one that begins and ends it in
-- one transaction meets nobody in a circle: of several that begin at once only one writes, whose turn a second lock is.
-- The first halves of their keys are the letters STRM (1398035021, marks) and STRB (1398035010, begins). Locks of the row
-- would not do: FOR KEY SHARE may be granted beside FOR UPDATE (heapam.c, heap_lock_tuple: once it has the page again it
-- looks for updates only), and was seen to be lost beside DELETE. What these locks cannot do is to keep strangers out:
-- like all advisory locks anybody can take them, and make others wait.
--
-- No count is kept while a task runs: marks are counted when somebody asks.

CREATE FUNCTION strata._may_commit() RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', '_may_commit_wrapper';
COMMENT ON FUNCTION strata._may_commit() IS 'internal: whether the procedure that asks may commit';

CREATE FUNCTION strata._task_clauses(set_clause text, where_clause text) RETURNS text[]
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', '_task_clauses_wrapper';
COMMENT ON FUNCTION strata._task_clauses(text, text)
  IS 'internal: columns that a backfill assigns; an error unless these are one SET list and one expression';

CREATE DOMAIN strata.calling_role AS name NOT NULL
  CONSTRAINT is_current_role CHECK (VALUE OPERATOR(pg_catalog.=) CURRENT_USER);
COMMENT ON DOMAIN strata.calling_role
  IS 'internal: the role that calls a function; a role cannot make the value of another';
REVOKE ALL ON TYPE strata.calling_role FROM PUBLIC;
-- nor what ALTER DEFAULT PRIVILEGES gives: a column of this type keeps whoever wrote a row, for the owner of the table
DO $$
DECLARE
  grantee name;
BEGIN
  FOR grantee IN
    SELECT pg_catalog.pg_get_userbyid(a.grantee)
    FROM pg_catalog.pg_type t CROSS JOIN LATERAL pg_catalog.aclexplode(t.typacl) a
    WHERE t.oid OPERATOR(pg_catalog.=) 'strata.calling_role'::pg_catalog.regtype
      AND a.grantee OPERATOR(pg_catalog.<>) t.typowner
  LOOP
    EXECUTE pg_catalog.format('REVOKE ALL ON TYPE strata.calling_role FROM %I CASCADE', grantee);
  END LOOP;
END
$$;

CREATE TABLE strata.task (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task text COLLATE "C" NOT NULL UNIQUE,
  owner name NOT NULL,
  total bigint,
  note text,
  started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  run_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  last_at timestamptz,
  finished_at timestamptz,
  marks_done bigint,
  relation text,
  set_clause text,
  where_clause text,
  key_columns name[],
  last_key text[],
  complete boolean NOT NULL DEFAULT false,
  rows_done bigint NOT NULL DEFAULT 0,
  rows_seen bigint NOT NULL DEFAULT 0,
  rows_expected bigint,
  run_rows bigint NOT NULL DEFAULT 0,
  run_seen bigint NOT NULL DEFAULT 0,
  runner uuid,
  runner_pid integer,
  runner_at timestamptz,
  relation_at text
);
COMMENT ON TABLE strata.task IS 'data migration tasks';
COMMENT ON COLUMN strata.task.id IS 'number that its marks have';
COMMENT ON SEQUENCE strata.task_id_seq IS 'numbers tasks';
COMMENT ON COLUMN strata.task.task IS 'name';
COMMENT ON COLUMN strata.task.owner IS 'role that began it; it and its members may go on';
COMMENT ON COLUMN strata.task.total IS 'how many ids or rows there are, as task_begin() was told';
COMMENT ON COLUMN strata.task.note IS 'as task_begin() was told';
COMMENT ON COLUMN strata.task.started_at IS 'when it was begun from nothing, or again after its end';
COMMENT ON COLUMN strata.task.run_at IS 'when it was begun or continued last; speed is counted from here';
COMMENT ON COLUMN strata.task.last_at
  IS 'when the last batch of its backfill was done; of a finished task, also when its last mark was made';
COMMENT ON COLUMN strata.task.finished_at IS 'when it was finished; NULL: it was not';
COMMENT ON COLUMN strata.task.marks_done IS 'how many marks it had when it was finished';
COMMENT ON COLUMN strata.task.relation IS 'table of its backfill, with the schema';
COMMENT ON COLUMN strata.task.set_clause IS 'what the backfill sets';
COMMENT ON COLUMN strata.task.where_clause IS 'rows that the backfill is for; NULL: all';
COMMENT ON COLUMN strata.task.key_columns IS 'key columns of the backfill, in the order of their index';
COMMENT ON COLUMN strata.task.last_key IS 'the rows up to this key are done; NULL: none';
COMMENT ON COLUMN strata.task.complete IS 'true: the backfill has come to the end of the table';
COMMENT ON COLUMN strata.task.rows_done IS 'rows that the backfill has updated';
COMMENT ON COLUMN strata.task.rows_seen IS 'rows that it has passed, updated or not';
COMMENT ON COLUMN strata.task.rows_expected
  IS 'how many rows the table had, estimated when the backfill was called last';
COMMENT ON COLUMN strata.task.run_rows IS 'rows_done at run_at';
COMMENT ON COLUMN strata.task.run_seen IS 'rows_seen at run_at';
COMMENT ON COLUMN strata.task.runner IS 'the call that runs the backfill; NULL: it ended by itself';
COMMENT ON COLUMN strata.task.runner_pid IS 'process of that call';
COMMENT ON COLUMN strata.task.runner_at IS 'start of that call, as in pg_stat_activity.query_start';
COMMENT ON COLUMN strata.task.relation_at IS 'server and database of the table, and its OID there: another table of its name is told apart';

-- Makes the end of a task a change of its key: a mark under an older snapshot, which would not see it, fails with 40001.
CREATE UNIQUE INDEX task_finished_at_idx ON strata.task (finished_at, id);
COMMENT ON INDEX strata.task_finished_at_idx IS 'lets no snapshot from before the end of a task mark in it';

-- The widest column first: no padding in a table of many small rows. No foreign key: it would lock the row of the task
-- for each mark, and the functions do that once.
CREATE TABLE strata.task_mark (
  marked_at timestamptz NOT NULL,
  task_id integer NOT NULL,
  old_id text COLLATE "C" NOT NULL,
  new_id text COLLATE "C",
  PRIMARY KEY (task_id, old_id)
);
COMMENT ON TABLE strata.task_mark IS 'what is done of data migration tasks';
COMMENT ON COLUMN strata.task_mark.marked_at IS 'when';
COMMENT ON COLUMN strata.task_mark.task_id IS 'see strata.task';
COMMENT ON COLUMN strata.task_mark.old_id IS 'what is done';
COMMENT ON COLUMN strata.task_mark.new_id IS 'its new name';

REVOKE ALL ON TABLE strata.task, strata.task_mark FROM PUBLIC;
REVOKE ALL ON SEQUENCE strata.task_id_seq FROM PUBLIC;

-- ---- whose task it is

CREATE FUNCTION strata._task_is_for(caller name, owner name)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT COALESCE((SELECT pg_has_role($1, r.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = $2),
                  -- the owner is gone
                  (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = $1), false)
$$;
COMMENT ON FUNCTION strata._task_is_for(name, name) IS 'internal: whether a role may go on with tasks of another';
REVOKE ALL ON FUNCTION strata._task_is_for(name, name) FROM PUBLIC;

CREATE FUNCTION strata._task_check(caller name, owner name, task text)
RETURNS void LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT strata._task_is_for(caller, owner) THEN
    RAISE EXCEPTION 'permission denied for task "%"', task
      USING ERRCODE = 'insufficient_privilege', DETAIL = format('It belongs to role "%s".', owner);
  END IF;
END
$$;
COMMENT ON FUNCTION strata._task_check(name, name, text)
  IS 'internal: 42501 for roles that may not go on with tasks of the owner';
REVOKE ALL ON FUNCTION strata._task_check(name, name, text) FROM PUBLIC;

CREATE FUNCTION strata._task_check_name(task text)
RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF task IS NULL THEN
    RAISE EXCEPTION 'the name of a task must not be null' USING ERRCODE = 'null_value_not_allowed';
  ELSIF task COLLATE "C" = '' THEN
    RAISE EXCEPTION 'the name of a task must not be empty' USING ERRCODE = 'invalid_parameter_value';
  END IF;
END
$$;
COMMENT ON FUNCTION strata._task_check_name(text) IS 'internal: refuses names of tasks that are none';
REVOKE ALL ON FUNCTION strata._task_check_name(text) FROM PUBLIC;

CREATE FUNCTION strata._task_check_ids(ids text[], argument text)
RETURNS void LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF array_ndims(ids) > 1 THEN
    RAISE EXCEPTION '% has % dimensions, not one', argument, array_ndims(ids)
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF array_position(ids, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'element % of % is null', array_position(ids, NULL), argument
      USING ERRCODE = 'null_value_not_allowed';
  END IF;
END
$$;
COMMENT ON FUNCTION strata._task_check_ids(text[], text) IS 'internal: refuses lists of lists, and NULL among ids';
REVOKE ALL ON FUNCTION strata._task_check_ids(text[], text) FROM PUBLIC;

CREATE FUNCTION strata._task_number(caller name, task text)
RETURNS integer LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  found_id integer;
  found_owner name;
BEGIN
  PERFORM strata._task_check_name(task);
  SELECT t.id, t.owner INTO found_id, found_owner FROM strata.task t WHERE t.task = $2 COLLATE "C";
  IF FOUND THEN
    PERFORM strata._task_check(caller, found_owner, task);
  END IF;
  RETURN found_id;
END
$$;
COMMENT ON FUNCTION strata._task_number(name, text) IS 'internal: number of a task, for reading; NULL: there is none';
REVOKE ALL ON FUNCTION strata._task_number(name, text) FROM PUBLIC;

CREATE FUNCTION strata._task_join(number integer) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT pg_advisory_xact_lock_shared(1398035021, $1)
$$;
COMMENT ON FUNCTION strata._task_join(integer) IS 'internal: waits for whoever ends a task, and keeps others from that';
REVOKE ALL ON FUNCTION strata._task_join(integer) FROM PUBLIC;

CREATE FUNCTION strata._task_to_end(caller name, task text)
RETURNS strata.task LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer;
  t strata.task;
BEGIN
  LOOP
    number := strata._task_number(caller, task);
    EXIT WHEN number IS NULL;
    -- waits for transactions that mark
    PERFORM pg_advisory_xact_lock(1398035021, number);
    SELECT * INTO t FROM strata.task k WHERE k.id = number FOR UPDATE;
    EXIT WHEN FOUND;
  END LOOP;
  RETURN t;
END
$$;
COMMENT ON FUNCTION strata._task_to_end(name, text)
  IS 'internal: a task that nobody else begins, marks or ends; NULL: there is none';
REVOKE ALL ON FUNCTION strata._task_to_end(name, text) FROM PUBLIC;

CREATE FUNCTION strata._task_number_to_mark(caller name, task text)
RETURNS integer LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer;
  t strata.task;
BEGIN
  PERFORM strata._task_check_name(task);
  LOOP
    number := strata._task_number(caller, task);
    IF number IS NULL THEN
      INSERT INTO strata.task (task, owner) VALUES (task, caller) ON CONFLICT ON CONSTRAINT task_task_key DO NOTHING;
      CONTINUE;
    END IF;
    PERFORM strata._task_join(number);
    IF current_setting('transaction_isolation') = 'read committed' THEN
      SELECT * INTO t FROM strata.task k WHERE k.id = number;
    ELSE
      -- 40001 when it has been ended since the snapshot was taken
      SELECT * INTO t FROM strata.task k WHERE k.id = number FOR KEY SHARE;
    END IF;
    CONTINUE WHEN NOT FOUND;
    PERFORM strata._task_check(caller, t.owner, task);
    IF t.finished_at IS NOT NULL THEN
      RAISE EXCEPTION 'task "%" is finished', task
        USING ERRCODE = 'object_not_in_prerequisite_state',
          HINT = format('SELECT strata.task_begin(%L); begins it again.', task);
    END IF;
    RETURN number;
  END LOOP;
END
$$;
COMMENT ON FUNCTION strata._task_number_to_mark(name, text)
  IS 'internal: number of a task that is begun if need be, and stays as it is to the end of the transaction';
REVOKE ALL ON FUNCTION strata._task_number_to_mark(name, text) FROM PUBLIC;

CREATE FUNCTION strata._task_continues(task strata.task)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT ($1).complete OR ($1).last_key IS NOT NULL OR EXISTS (SELECT FROM strata.task_mark m WHERE m.task_id = ($1).id)
$$;
COMMENT ON FUNCTION strata._task_continues(strata.task)
  IS 'internal: whether a task has marks, or a position in a table';
REVOKE ALL ON FUNCTION strata._task_continues(strata.task) FROM PUBLIC;

-- ---- begin and end

CREATE FUNCTION strata._task_begin(caller strata.calling_role, task text, total bigint, note text)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer;
  turn boolean := total IS NOT NULL OR note IS NOT NULL;
  t strata.task;
  continues boolean;
BEGIN
  PERFORM strata._task_check_name(task);
  IF total < 0 THEN
    RAISE EXCEPTION 'total must not be negative: %', total USING ERRCODE = 'invalid_parameter_value';
  END IF;
  LOOP
    number := strata._task_number(caller, task);
    IF number IS NULL THEN
      INSERT INTO strata.task (task, owner, total, note) VALUES (task, caller, total, note)
        ON CONFLICT ON CONSTRAINT task_task_key DO NOTHING;
      IF FOUND THEN
        RETURN false;
      END IF;
      CONTINUE;
    END IF;
    IF turn THEN
      PERFORM pg_advisory_xact_lock(1398035010, number);
    END IF;
    BEGIN
      -- whoever ends it is waited for
      PERFORM strata._task_join(number);
      SELECT * INTO t FROM strata.task k WHERE k.id = number;
      EXIT WHEN FOUND AND pg_try_advisory_xact_lock(1398035010, number);
      IF FOUND AND t.finished_at IS NULL THEN
        -- workers that only join do not wait for one that began in a long transaction
        RETURN strata._task_continues(t);
      END IF;
      RAISE EXCEPTION USING ERRCODE = 'object_in_use';
    EXCEPTION WHEN object_in_use THEN
      -- without the lock of whoever joins
      turn := true;
    END;
  END LOOP;
  PERFORM strata._task_check(caller, t.owner, task);
  SELECT * INTO t FROM strata.task k WHERE k.id = number FOR NO KEY UPDATE;
  continues := strata._task_continues(t);
  UPDATE strata.task k
    SET total = COALESCE($3, k.total), note = COALESCE($4, k.note), run_at = clock_timestamp(),
      run_rows = k.rows_done, run_seen = k.rows_seen
    WHERE k.id = t.id;
  IF t.finished_at IS NOT NULL THEN
    UPDATE strata.task k
      SET started_at = clock_timestamp(), finished_at = NULL, marks_done = NULL,
        total = CASE WHEN continues THEN COALESCE($3, k.total) ELSE $3 END,
        note = CASE WHEN continues THEN COALESCE($4, k.note) ELSE $4 END,
        last_at = CASE WHEN continues THEN k.last_at END,
        rows_done = CASE WHEN continues THEN k.rows_done ELSE 0 END,
        rows_seen = CASE WHEN continues THEN k.rows_seen ELSE 0 END,
        run_rows = CASE WHEN continues THEN k.rows_done ELSE 0 END,
        run_seen = CASE WHEN continues THEN k.rows_seen ELSE 0 END,
        relation = CASE WHEN continues THEN k.relation END,
        rows_expected = CASE WHEN continues THEN k.rows_expected END
      WHERE k.id = t.id;
  END IF;
  RETURN continues;
END
$$;
COMMENT ON FUNCTION strata._task_begin(strata.calling_role, text, bigint, text)
  IS 'internal: strata.task_begin() as the owner of the extension';

CREATE FUNCTION strata.task_begin(task text, total bigint DEFAULT NULL, note text DEFAULT NULL)
RETURNS boolean LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
  SELECT strata._task_begin(CURRENT_USER::strata.calling_role, $1, $2, $3)
$$;
COMMENT ON FUNCTION strata.task_begin(text, bigint, text)
  IS 'begins a task of yours, also again after its end: true when an earlier run is continued';

CREATE FUNCTION strata._task_is_continuing(caller strata.calling_role, task text)
RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer := strata._task_number(caller, task);
BEGIN
  RETURN COALESCE((SELECT strata._task_continues(t) FROM strata.task t WHERE t.id = number), false);
END
$$;
COMMENT ON FUNCTION strata._task_is_continuing(strata.calling_role, text)
  IS 'internal: strata.task_is_continuing() as the owner of the extension';

CREATE FUNCTION strata.task_is_continuing(task text)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT strata._task_is_continuing(CURRENT_USER::strata.calling_role, $1)
$$;
COMMENT ON FUNCTION strata.task_is_continuing(text)
  IS 'true when something of a task is done: it has marks, or a position in a table';

CREATE FUNCTION strata._task_finish(caller strata.calling_role, task text, keep_marks boolean)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t strata.task;
  marks bigint;
  newest timestamptz;
BEGIN
  IF keep_marks IS NULL THEN
    RAISE EXCEPTION 'keep_marks must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  t := strata._task_to_end(caller, task);
  IF t.id IS NULL THEN
    RAISE EXCEPTION 'task "%" does not exist', task
      USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM strata.task_progress(); lists the tasks.';
  END IF;
  PERFORM strata._task_check(caller, t.owner, task);
  IF t.finished_at IS NULL THEN
    SELECT count(*), max(m.marked_at) INTO marks, newest FROM strata.task_mark m WHERE m.task_id = t.id;
    UPDATE strata.task k
      SET finished_at = clock_timestamp(), marks_done = marks, last_at = GREATEST(k.last_at, newest), runner = NULL
      WHERE k.id = t.id;
  END IF;
  IF NOT keep_marks THEN
    DELETE FROM strata.task_mark m WHERE m.task_id = t.id;
    UPDATE strata.task k
      SET last_key = NULL, complete = false,
        rows_expected = CASE WHEN k.complete THEN k.rows_seen ELSE k.rows_expected END
      WHERE k.id = t.id AND (k.complete OR k.last_key IS NOT NULL);
  END IF;
END
$$;
COMMENT ON FUNCTION strata._task_finish(strata.calling_role, text, boolean)
  IS 'internal: strata.task_finish() as the owner of the extension';

CREATE FUNCTION strata.task_finish(task text, keep_marks boolean DEFAULT false)
RETURNS void LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
  SELECT strata._task_finish(CURRENT_USER::strata.calling_role, $1, $2)
$$;
COMMENT ON FUNCTION strata.task_finish(text, boolean)
  IS 'ends a task: removes its marks or keeps them, and keeps its counts';

CREATE FUNCTION strata._task_clear(caller strata.calling_role, task text)
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  t strata.task;
  removed bigint := 0;
BEGIN
  t := strata._task_to_end(caller, task);
  IF t.id IS NOT NULL THEN
    PERFORM strata._task_check(caller, t.owner, task);
    DELETE FROM strata.task_mark m WHERE m.task_id = t.id;
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM strata.task k WHERE k.id = t.id;
  END IF;
  RETURN removed;
END
$$;
COMMENT ON FUNCTION strata._task_clear(strata.calling_role, text)
  IS 'internal: strata.task_clear() as the owner of the extension';

CREATE FUNCTION strata.task_clear(task text)
RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
  SELECT strata._task_clear(CURRENT_USER::strata.calling_role, $1)
$$;
COMMENT ON FUNCTION strata.task_clear(text)
  IS 'forgets a task, so that it starts from nothing; returns how many marks it had';

-- ---- marks

CREATE FUNCTION strata._task_mark(caller strata.calling_role, task text, old_id text, new_id text)
RETURNS boolean LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer := strata._task_number_to_mark(caller, task);
BEGIN
  IF old_id IS NULL THEN
    RAISE EXCEPTION 'old_id must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  INSERT INTO strata.task_mark (marked_at, task_id, old_id, new_id) VALUES (clock_timestamp(), number, old_id, new_id)
    ON CONFLICT ON CONSTRAINT task_mark_pkey DO NOTHING;
  IF FOUND THEN
    RETURN true;
  END IF;
  IF new_id IS NOT NULL AND EXISTS (SELECT FROM strata.task_mark m
      WHERE m.task_id = number AND m.old_id = $3 COLLATE "C" AND m.new_id IS DISTINCT FROM $4 COLLATE "C") THEN
    PERFORM strata._task_refuse(task, old_id);
  END IF;
  RETURN false;
END
$$;
COMMENT ON FUNCTION strata._task_mark(strata.calling_role, text, text, text)
  IS 'internal: strata.task_mark() as the owner of the extension';

CREATE FUNCTION strata._task_refuse(task text, old_id text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'id "%" of task "%" is marked with another new id', old_id, task
    USING ERRCODE = 'unique_violation',
      HINT = format('SELECT strata.task_new_id(%L, %L); shows the new id that it has.', task, old_id);
END
$$;
COMMENT ON FUNCTION strata._task_refuse(text, text) IS 'internal: 23505 for an id that has another new id';
REVOKE ALL ON FUNCTION strata._task_refuse(text, text) FROM PUBLIC;

CREATE FUNCTION strata.task_mark(task text, old_id text, new_id text DEFAULT NULL)
RETURNS boolean LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
  SELECT strata._task_mark(CURRENT_USER::strata.calling_role, $1, $2, $3)
$$;
COMMENT ON FUNCTION strata.task_mark(text, text, text)
  IS 'marks an id as done, and begins the task if need be: false when it was marked before';

CREATE FUNCTION strata._task_mark_many(caller strata.calling_role, task text, old_ids text[], new_ids text[])
RETURNS bigint LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer := strata._task_number_to_mark(caller, task);
  given bigint := COALESCE(cardinality(old_ids), 0);
  marked bigint;
  refused text;
BEGIN
  IF new_ids IS NOT NULL AND given <> cardinality(new_ids) THEN
    RAISE EXCEPTION 'old_ids has % elements, and new_ids has %', given, cardinality(new_ids)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM strata._task_check_ids(old_ids, 'old_ids');
  -- in one order, so that workers with the same ids wait for each other and never in a circle
  IF new_ids IS NULL THEN
    INSERT INTO strata.task_mark (marked_at, task_id, old_id)
      SELECT clock_timestamp(), number, u.old_id FROM unnest(old_ids) u (old_id) ORDER BY u.old_id COLLATE "C"
      ON CONFLICT ON CONSTRAINT task_mark_pkey DO NOTHING;
  ELSE
    INSERT INTO strata.task_mark (marked_at, task_id, old_id, new_id)
      SELECT clock_timestamp(), number, u.old_id, u.new_id
        FROM unnest(old_ids, new_ids) u (old_id, new_id)
        ORDER BY u.old_id COLLATE "C"
      ON CONFLICT ON CONSTRAINT task_mark_pkey DO NOTHING;
  END IF;
  GET DIAGNOSTICS marked = ROW_COUNT;
  IF marked < given AND new_ids IS NOT NULL THEN
    SELECT u.old_id INTO refused
      FROM unnest(old_ids, new_ids) u (old_id, new_id)
      JOIN strata.task_mark m ON m.task_id = number AND m.old_id = u.old_id COLLATE "C"
      WHERE u.new_id IS NOT NULL AND m.new_id IS DISTINCT FROM u.new_id COLLATE "C"
      LIMIT 1;
    IF FOUND THEN
      PERFORM strata._task_refuse(task, refused);
    END IF;
  END IF;
  RETURN marked;
END
$$;
COMMENT ON FUNCTION strata._task_mark_many(strata.calling_role, text, text[], text[])
  IS 'internal: strata.task_mark_many() as the owner of the extension';

CREATE FUNCTION strata.task_mark_many(task text, old_ids text[], new_ids text[] DEFAULT NULL)
RETURNS bigint LANGUAGE sql VOLATILE PARALLEL UNSAFE AS $$
  SELECT strata._task_mark_many(CURRENT_USER::strata.calling_role, $1, $2, $3)
$$;
COMMENT ON FUNCTION strata.task_mark_many(text, text[], text[])
  IS 'marks ids as done, and begins the task if need be; returns how many were not marked before';

CREATE FUNCTION strata._task_is_marked(caller strata.calling_role, task text, old_id text)
RETURNS boolean LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer := strata._task_number(caller, task);
BEGIN
  IF old_id IS NULL THEN
    RAISE EXCEPTION 'old_id must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  RETURN EXISTS (SELECT FROM strata.task_mark m WHERE m.task_id = number AND m.old_id = $3 COLLATE "C");
END
$$;
COMMENT ON FUNCTION strata._task_is_marked(strata.calling_role, text, text)
  IS 'internal: strata.task_is_marked() as the owner of the extension';

CREATE FUNCTION strata.task_is_marked(task text, old_id text)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT strata._task_is_marked(CURRENT_USER::strata.calling_role, $1, $2)
$$;
COMMENT ON FUNCTION strata.task_is_marked(text, text) IS 'true when an id is marked as done';

CREATE FUNCTION strata._task_new_id(caller strata.calling_role, task text, old_id text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer := strata._task_number(caller, task);
BEGIN
  IF old_id IS NULL THEN
    RAISE EXCEPTION 'old_id must not be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  RETURN (SELECT m.new_id FROM strata.task_mark m WHERE m.task_id = number AND m.old_id = $3 COLLATE "C");
END
$$;
COMMENT ON FUNCTION strata._task_new_id(strata.calling_role, text, text)
  IS 'internal: strata.task_new_id() as the owner of the extension';

CREATE FUNCTION strata.task_new_id(task text, old_id text)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT strata._task_new_id(CURRENT_USER::strata.calling_role, $1, $2)
$$;
COMMENT ON FUNCTION strata.task_new_id(text, text) IS 'new name of an id; NULL when it is not marked, or has none';

CREATE FUNCTION strata._task_unmarked(caller strata.calling_role, task text, ids text[])
RETURNS SETOF text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  number integer := strata._task_number(caller, task);
BEGIN
  PERFORM strata._task_check_ids(ids, 'ids');
  RETURN QUERY
    SELECT u.id FROM unnest(ids) WITH ORDINALITY u (id, place)
    WHERE NOT EXISTS (SELECT FROM strata.task_mark m WHERE m.task_id = number AND m.old_id = u.id COLLATE "C")
    ORDER BY u.place;
END
$$;
COMMENT ON FUNCTION strata._task_unmarked(strata.calling_role, text, text[])
  IS 'internal: strata.task_unmarked() as the owner of the extension';

CREATE FUNCTION strata.task_unmarked(task text, ids text[])
RETURNS SETOF text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT strata._task_unmarked(CURRENT_USER::strata.calling_role, $1, $2)
$$;
COMMENT ON FUNCTION strata.task_unmarked(text, text[])
  IS 'what is left of a batch: the ids that are not marked, in their order';
