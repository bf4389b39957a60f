-- Job queues: who may do what, and where the queues of this database are at home. See src/queue/rights.rs, home.rs.

CREATE TABLE strata.queue_grant (
  qid integer NOT NULL,
  role name NOT NULL,
  role_oid oid NOT NULL,
  privilege text NOT NULL CHECK (privilege IN ('push', 'pop', 'read', 'admin')),
  PRIMARY KEY (qid, privilege, role_oid, role)
);
COMMENT ON TABLE strata.queue_grant IS 'rights on queues that roles other than their owners have';
COMMENT ON COLUMN strata.queue_grant.qid IS 'number of the queue';
COMMENT ON COLUMN strata.queue_grant.role IS 'name of the role, to find it again after a restore; public for everybody';
COMMENT ON COLUMN strata.queue_grant.role_oid IS 'the role; 0 for everybody';
COMMENT ON COLUMN strata.queue_grant.privilege IS 'push, pop, read or admin';

CREATE TABLE strata.queue_home (
  home text NOT NULL,
  one boolean PRIMARY KEY DEFAULT true CHECK (one)
);
COMMENT ON TABLE strata.queue_home IS 'the database that the queues were made in; a copy has another one until strata.start_workers()';
COMMENT ON COLUMN strata.queue_home.home IS 'identity of the server and the database';
COMMENT ON COLUMN strata.queue_home.one IS 'there is at most one row';

-- A restore into the very database that the dump came from is a copy, too, and not complete while this row comes.
-- The table of ended jobs is no member of the extension: it has come before this row, and is to be seen.
CREATE FUNCTION strata._queue_restored() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.home := '';
    IF EXISTS (SELECT FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner
               WHERE c.relname = 'queue_ended' AND c.relnamespace = 'strata'::regnamespace AND c.relkind = 'p'
                 AND o.rolname = current_user) THEN
        PERFORM strata._queue_show_ended();
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION strata._queue_restored() IS 'internal: restored queues are at home nowhere until strata.start_workers()';
REVOKE ALL ON FUNCTION strata._queue_restored() FROM PUBLIC;
CREATE TRIGGER strata_restored BEFORE INSERT ON strata.queue_home
    FOR EACH ROW EXECUTE FUNCTION strata._queue_restored();
COMMENT ON TRIGGER strata_restored ON strata.queue_home IS 'a restored row says nothing';
ALTER TABLE strata.queue_home ENABLE ALWAYS TRIGGER strata_restored;

REVOKE ALL ON TABLE strata.queue_grant, strata.queue_home FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('strata.queue_grant', '');
SELECT pg_catalog.pg_extension_config_dump('strata.queue_home', '');
