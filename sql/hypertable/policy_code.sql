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
