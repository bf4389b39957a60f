-- Policies of hypertables, each with its comment. The Rust side is src/hypertable/api/policies.rs.

CREATE FUNCTION strata.add_retention_policy(
  relation regclass, drop_after "any" DEFAULT NULL, if_not_exists boolean DEFAULT false,
  schedule_interval interval DEFAULT NULL, initial_start timestamptz DEFAULT NULL, timezone text DEFAULT NULL,
  drop_created_before interval DEFAULT NULL)
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'add_retention_policy_wrapper';
COMMENT ON FUNCTION strata.add_retention_policy(regclass, "any", boolean, interval, timestamptz, text, interval)
  IS 'drops chunks that are older than drop_after, again and again';

CREATE FUNCTION strata.remove_retention_policy(relation regclass, if_exists boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'remove_retention_policy_wrapper';
COMMENT ON FUNCTION strata.remove_retention_policy(regclass, boolean) IS 'stops dropping old chunks';

CREATE FUNCTION strata.add_reorder_policy(
  hypertable regclass, index_name name, if_not_exists boolean DEFAULT false, initial_start timestamptz DEFAULT NULL,
  timezone text DEFAULT NULL)
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'add_reorder_policy_wrapper';
COMMENT ON FUNCTION strata.add_reorder_policy(regclass, name, boolean, timestamptz, text)
  IS 'writes chunks in the order of an index once they are old, one after the other';

CREATE FUNCTION strata.remove_reorder_policy(hypertable regclass, if_exists boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'remove_reorder_policy_wrapper';
COMMENT ON FUNCTION strata.remove_reorder_policy(regclass, boolean) IS 'stops writing chunks in the order of an index';

-- Columnstore and continuous aggregates: for scripts that call them. All of them raise 0A000 with what to do instead.

CREATE FUNCTION strata.compress_chunk(
  chunk regclass, if_not_compressed boolean DEFAULT true, recompress boolean DEFAULT false)
RETURNS regclass LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON FUNCTION strata.compress_chunk(regclass, boolean, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE FUNCTION strata.decompress_chunk(chunk regclass, if_compressed boolean DEFAULT true)
RETURNS regclass LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON FUNCTION strata.decompress_chunk(regclass, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE PROCEDURE strata.recompress_chunk(chunk regclass, if_not_compressed boolean DEFAULT true)
LANGUAGE c AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON PROCEDURE strata.recompress_chunk(regclass, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE FUNCTION strata.add_compression_policy(
  hypertable regclass, compress_after "any" DEFAULT NULL, if_not_exists boolean DEFAULT false,
  schedule_interval interval DEFAULT NULL, initial_start timestamptz DEFAULT NULL, timezone text DEFAULT NULL,
  compress_created_before interval DEFAULT NULL)
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON FUNCTION strata.add_compression_policy(regclass, "any", boolean, interval, timestamptz, text, interval)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE FUNCTION strata.remove_compression_policy(hypertable regclass, if_exists boolean DEFAULT false)
RETURNS boolean LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON FUNCTION strata.remove_compression_policy(regclass, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE PROCEDURE strata.convert_to_columnstore(
  chunk regclass, if_not_columnstore boolean DEFAULT true, recompress boolean DEFAULT false)
LANGUAGE c AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON PROCEDURE strata.convert_to_columnstore(regclass, boolean, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE PROCEDURE strata.convert_to_rowstore(chunk regclass, if_columnstore boolean DEFAULT true)
LANGUAGE c AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON PROCEDURE strata.convert_to_rowstore(regclass, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE PROCEDURE strata.add_columnstore_policy(
  hypertable regclass, after "any" DEFAULT NULL, if_not_exists boolean DEFAULT false,
  schedule_interval interval DEFAULT NULL, initial_start timestamptz DEFAULT NULL, timezone text DEFAULT NULL,
  created_before interval DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON PROCEDURE strata.add_columnstore_policy(regclass, "any", boolean, interval, timestamptz, text, interval)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE PROCEDURE strata.remove_columnstore_policy(hypertable regclass, if_exists boolean DEFAULT false)
LANGUAGE c AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON PROCEDURE strata.remove_columnstore_policy(regclass, boolean)
  IS 'not supported: there is no columnstore: see strata.tier_chunks';

CREATE PROCEDURE strata.refresh_continuous_aggregate(
  continuous_aggregate regclass, window_start "any", window_end "any", force boolean DEFAULT false,
  options jsonb DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON PROCEDURE strata.refresh_continuous_aggregate(regclass, "any", "any", boolean, jsonb)
  IS 'not supported: planned';

CREATE FUNCTION strata.add_continuous_aggregate_policy(
  continuous_aggregate regclass, start_offset "any", end_offset "any", schedule_interval interval,
  if_not_exists boolean DEFAULT false, initial_start timestamptz DEFAULT NULL, timezone text DEFAULT NULL)
RETURNS integer LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON FUNCTION strata.add_continuous_aggregate_policy(regclass, "any", "any", interval, boolean, timestamptz, text)
  IS 'not supported: planned';

CREATE FUNCTION strata.remove_continuous_aggregate_policy(continuous_aggregate regclass, if_exists boolean DEFAULT false)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'not_supported_wrapper';
COMMENT ON FUNCTION strata.remove_continuous_aggregate_policy(regclass, boolean)
  IS 'not supported: planned';
