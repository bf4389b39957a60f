-- Events over time: sugar over an ordinary hypertable. All of it runs with the caller's rights.

CREATE FUNCTION strata.create_events(
    name text DEFAULT 'events',
    chunk_time_interval interval DEFAULT '1 day',
    server name DEFAULT NULL
) RETURNS regclass
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'create_events_wrapper';
COMMENT ON FUNCTION strata.create_events(text, interval, name) IS
    'Makes a hypertable of events (id, ts, labels, value); with a server, its chunks can be tiered there';

-- the default is looked up in the caller's search_path at each call
CREATE FUNCTION strata.put_event(payload jsonb, events regclass DEFAULT pg_catalog.to_regclass('events')) RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'put_event_wrapper';
COMMENT ON FUNCTION strata.put_event(jsonb, regclass) IS
    'Adds one event {timestamp, labels, value, id} and returns its id; the same id and timestamp again adds nothing';

CREATE FUNCTION strata.put_events(payloads jsonb, events regclass DEFAULT pg_catalog.to_regclass('events')) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'put_events_wrapper';
COMMENT ON FUNCTION strata.put_events(jsonb, regclass) IS
    'Adds an array of events, all or none, and returns how many were new';

CREATE FUNCTION strata._events_between_sql(
    range_start timestamptz, range_end timestamptz, labels jsonb, search text, events regclass
) RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', '_events_between_sql_wrapper';
COMMENT ON FUNCTION strata._events_between_sql(timestamptz, timestamptz, jsonb, text, regclass) IS
    'Internal: the statement behind events_between';

CREATE FUNCTION strata._events_between(
    from_time timestamptz, to_time timestamptz, wanted jsonb, words text, source regclass
) RETURNS TABLE (id uuid, ts timestamptz, labels jsonb, value text, payload jsonb)
    LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN QUERY EXECUTE strata._events_between_sql(from_time, to_time, wanted, words, source)
        USING from_time, to_time, wanted, words;
END
$$;
COMMENT ON FUNCTION strata._events_between(timestamptz, timestamptz, jsonb, text, regclass) IS
    'Internal: events_between under names that PL/pgSQL takes';

CREATE FUNCTION strata.events_between(
    range_start timestamptz,
    range_end timestamptz,
    labels jsonb DEFAULT '{}',
    search text DEFAULT NULL,
    events regclass DEFAULT pg_catalog.to_regclass('events')
) RETURNS TABLE (id uuid, ts timestamptz, labels jsonb, value text, payload jsonb)
    LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT e.id, e.ts, e.labels, e.value, e.payload FROM strata._events_between($1, $2, $3, $4, $5) e
$$;
COMMENT ON FUNCTION strata.events_between(timestamptz, timestamptz, jsonb, text, regclass) IS
    'Events from range_start to before range_end that have these labels, and all of these words';

CREATE FUNCTION strata._query_events_sql(
    query text, range_start timestamptz, range_end timestamptz, events regclass
) RETURNS text
    LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', '_query_events_sql_wrapper';
COMMENT ON FUNCTION strata._query_events_sql(text, timestamptz, timestamptz, regclass) IS
    'Internal: the statement behind query_events';

CREATE FUNCTION strata.query_events(
    query text,
    range_start timestamptz,
    range_end timestamptz,
    events regclass DEFAULT pg_catalog.to_regclass('events')
) RETURNS SETOF jsonb
    LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE AS $$
DECLARE
    done boolean := false;
BEGIN
    -- from PostgreSQL 16 on a function cannot have SET transaction_read_only, and what is read-only stays so: a
    -- subtransaction that is rolled back takes the setting along, but not the rows that were returned
    BEGIN
        PERFORM pg_catalog.set_config('transaction_read_only', 'on', true);
        RETURN QUERY EXECUTE strata._query_events_sql(query, range_start, range_end, events)
            USING range_start, range_end;
        done := true;
        RAISE EXCEPTION USING ERRCODE = 'STRRO', MESSAGE = 'the query has been run';
    EXCEPTION WHEN SQLSTATE 'STRRO' THEN
        -- variables are not rolled back: an error of the query itself may have the same code
        IF NOT done THEN
            RAISE;
        END IF;
    END;
END
$$;
COMMENT ON FUNCTION strata.query_events(text, timestamptz, timestamptz, regclass) IS
    'Runs a SELECT over the name events, bound to the events of a range: read-only, with the caller''s rights';
