-- Cold tier: access method, wrapper, functions, views, event triggers.

CREATE FUNCTION strata._cold_handler(internal) RETURNS table_am_handler
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'strata_cold_handler';
CREATE ACCESS METHOD strata_cold TYPE TABLE HANDLER strata._cold_handler;

CREATE FUNCTION strata._sqlite_validator(options text[], catalog oid) RETURNS void
    LANGUAGE c STRICT AS 'MODULE_PATHNAME', '_sqlite_validator_wrapper';
CREATE FOREIGN DATA WRAPPER strata_sqlite VALIDATOR strata._sqlite_validator;
CREATE SERVER strata_local FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file:');

CREATE FUNCTION strata.set_cold_storage(
    hypertable regclass,
    server name DEFAULT 'strata_local',
    late_rows text DEFAULT 'reject',
    cluster_by name[] DEFAULT NULL,
    bloom_columns name[] DEFAULT NULL,
    indexes text DEFAULT 'all',
    verify text DEFAULT 'full'
) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'set_cold_storage_wrapper';

CREATE FUNCTION strata.remove_cold_storage(hypertable regclass) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'remove_cold_storage_wrapper';

CREATE FUNCTION strata.tier_chunk(chunk regclass) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'tier_chunk_wrapper';

CREATE FUNCTION strata._chunks_to_tier(
    hypertable regclass, older_than "any", newer_than "any", over_bytes bigint, max_chunks integer
) RETURNS SETOF regclass
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', '_chunks_to_tier_wrapper';

CREATE PROCEDURE strata.tier_chunks(
    hypertable regclass,
    older_than "any" DEFAULT NULL::timestamptz,
    newer_than "any" DEFAULT NULL::timestamptz,
    over_bytes bigint DEFAULT NULL,
    max_chunks integer DEFAULT NULL,
    wait boolean DEFAULT true
)
    LANGUAGE c AS 'MODULE_PATHNAME', 'tier_chunks_wrapper';

CREATE PROCEDURE strata.untier_chunk(chunk regclass)
    LANGUAGE c AS 'MODULE_PATHNAME', 'untier_chunk_wrapper';

CREATE PROCEDURE strata.untier_chunks(
    hypertable regclass,
    older_than "any" DEFAULT NULL::timestamptz,
    newer_than "any" DEFAULT NULL::timestamptz
)
    LANGUAGE c AS 'MODULE_PATHNAME', 'untier_chunks_wrapper';
