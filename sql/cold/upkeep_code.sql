-- Cold tier: collecting garbage, owning files, links to them.

CREATE FUNCTION strata.cold_gc(server name DEFAULT NULL, dry_run boolean DEFAULT true)
    RETURNS TABLE (action text, key text, bytes bigint, reason text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cold_gc_wrapper';
COMMENT ON FUNCTION strata.cold_gc(name, boolean) IS
    'Objects that no chunk needs: what would be deleted, or with dry_run => false what was; superusers only';

CREATE FUNCTION strata.cold_adopt(server name) RETURNS bigint
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cold_adopt_wrapper';
COMMENT ON FUNCTION strata.cold_adopt(name) IS
    'After failover or restore: this database owns the files of a server now; the number of files; superusers only';

CREATE FUNCTION strata.cold_fork(server name DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cold_fork_wrapper';
COMMENT ON FUNCTION strata.cold_fork(name) IS
    'For a copy: read the files of a server, or of all, never delete them, write under a new tag; superusers only';

CREATE FUNCTION strata.cold_url(file uuid, valid_for interval DEFAULT '15 minutes') RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cold_url_wrapper';
COMMENT ON FUNCTION strata.cold_url(uuid, interval) IS
    'A link by which anybody can download one file for a while, for the owner of its hypertable';

CREATE VIEW strata.cold_leases WITH (security_barrier) AS
SELECT l.server, l.folder, f.files, f.bytes, q.queued, q.queued_bytes,
       CASE WHEN l.stopped IS NOT NULL THEN 'stopped' WHEN l.last_value IS NULL THEN 'new' ELSE 'ours' END AS state,
       l.stopped AS reason, l.renewed_at, l.last_error
  FROM strata.cold_lease l
 CROSS JOIN LATERAL (
        SELECT pg_catalog.count(*) AS files, COALESCE(pg_catalog.sum(x.bytes), 0)::bigint AS bytes
          FROM strata.cold_file x
         WHERE x.state OPERATOR(pg_catalog.=) 'live' AND x.server OPERATOR(pg_catalog.=) l.server
           AND pg_catalog.split_part(x.key, '/', 1) OPERATOR(pg_catalog.=) l.folder) f
 CROSS JOIN LATERAL (
        SELECT pg_catalog.count(*) AS queued, COALESCE(pg_catalog.sum(x.bytes), 0)::bigint AS queued_bytes
          FROM strata.cold_delete_queue x
         WHERE x.server OPERATOR(pg_catalog.=) l.server
           AND pg_catalog.split_part(x.key, '/', 1) OPERATOR(pg_catalog.=) l.folder) q
 WHERE pg_catalog.pg_has_role('pg_monitor'::name, 'USAGE');
COMMENT ON VIEW strata.cold_leases IS
    'Folders of stores that this database writes to, whether it may delete there, and what is queued; for pg_monitor';
