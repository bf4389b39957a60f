-- Migrations: proof and drift. See src/migration/api_proof.rs.

CREATE FUNCTION strata.migrate_verify_down(version text DEFAULT NULL, check_rows boolean DEFAULT false,
    namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, verdict text, differences jsonb, error text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_verify_down_wrapper';
COMMENT ON FUNCTION strata.migrate_verify_down(text, boolean, text)
  IS 'runs ups and downs, compares what they leave, and undoes all of it';

CREATE FUNCTION strata.migrate_verify_up(version text DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (version text, name text, verdict text, detail text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_verify_up_wrapper';
COMMENT ON FUNCTION strata.migrate_verify_up(text, text)
  IS 'runs ups twice, and the checks of N_title.verify.sql, and undoes all of it';

CREATE FUNCTION strata._migrate_fingerprint(schemas text[], acl boolean)
RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_fingerprint_wrapper';
COMMENT ON FUNCTION strata._migrate_fingerprint(text[], boolean) IS 'internal: strata.migrate_fingerprint()';

CREATE FUNCTION strata.migrate_fingerprint(schemas name[] DEFAULT NULL, acl boolean DEFAULT false)
RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
RETURN strata._migrate_fingerprint(schemas::text[], acl);
COMMENT ON FUNCTION strata.migrate_fingerprint(name[], boolean)
  IS 'sha256 over the objects of the database or of some schemas, in hex';

CREATE FUNCTION strata._migrate_snapshot(label text, schemas text[], namespace text)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_snapshot_wrapper';
COMMENT ON FUNCTION strata._migrate_snapshot(text, text[], text) IS 'internal: strata.migrate_snapshot()';

CREATE FUNCTION strata.migrate_snapshot(label text DEFAULT NULL, schemas name[] DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS bigint
LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN strata._migrate_snapshot(label, schemas::text[], namespace);
COMMENT ON FUNCTION strata.migrate_snapshot(text, name[], text)
  IS 'keeps what is there now, to be compared with later; returns its number';

CREATE FUNCTION strata.migrate_drift(since text DEFAULT NULL, namespace text DEFAULT 'default')
RETURNS TABLE (change text, kind text, object text, expected text, found text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_drift_wrapper';
COMMENT ON FUNCTION strata.migrate_drift(text, text)
  IS 'what has changed since the last run, or since a version or label';

CREATE FUNCTION strata.migrate_diff(from_snapshot bigint, to_snapshot bigint DEFAULT NULL,
    namespace text DEFAULT 'default')
RETURNS TABLE (change text, kind text, object text, expected text, found text)
LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'migrate_diff_wrapper';
COMMENT ON FUNCTION strata.migrate_diff(bigint, bigint, text)
  IS 'what differs between two snapshots, or between one and now';
