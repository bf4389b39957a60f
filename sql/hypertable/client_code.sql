-- Hypertables as clients of ordinary tables want them: the catalog lens. The Rust side is src/hypertable/clients.rs.

CREATE SCHEMA strata_lens;
GRANT USAGE ON SCHEMA strata_lens TO PUBLIC;
COMMENT ON SCHEMA strata_lens IS 'catalog views for clients that want ordinary tables; see strata.expose_to_client';

CREATE VIEW strata_lens.exposed WITH (security_barrier = true) AS
SELECT h.relation::oid AS relation, a.attnum AS key_column,
       EXISTS (SELECT FROM pg_catalog.pg_index i
               WHERE i.indrelid OPERATOR(pg_catalog.=) h.relation::oid AND i.indisprimary) AS has_primary_key
FROM strata.client_exposure e
JOIN strata.hypertable h ON e.relations IS NULL OR h.relation OPERATOR(pg_catalog.=) ANY (e.relations)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) h.relation::oid
  AND a.attname OPERATOR(pg_catalog.=) h.logical_key AND NOT a.attisdropped
WHERE e.role_name OPERATOR(pg_catalog.=) CURRENT_USER;
COMMENT ON VIEW strata_lens.exposed IS 'hypertables that the current role sees as ordinary tables';
GRANT SELECT ON strata_lens.exposed TO PUBLIC;

CREATE FUNCTION strata._build_lens()
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'build_lens_wrapper';
COMMENT ON FUNCTION strata._build_lens() IS 'internal: makes the views of strata_lens with the columns of this server';
REVOKE ALL ON FUNCTION strata._build_lens() FROM PUBLIC;

-- pg_class, pg_index and pg_constraint, with the columns that this server has
SELECT strata._build_lens();

CREATE FUNCTION strata.expose_to_client(role regrole, tables regclass[] DEFAULT NULL)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'expose_to_client_wrapper';
COMMENT ON FUNCTION strata.expose_to_client(regrole, regclass[])
  IS 'lets a role see hypertables as ordinary tables with a one-column primary key';

CREATE FUNCTION strata.unexpose_from_client(role regrole)
RETURNS void LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'unexpose_from_client_wrapper';
COMMENT ON FUNCTION strata.unexpose_from_client(regrole) IS 'takes back expose_to_client, and puts the search_path back';
