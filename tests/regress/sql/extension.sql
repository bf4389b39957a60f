-- Every object of the extension is accounted for.
-- Without a comment: none. (Types of tables, array types and the like have none and need none.)
SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS without_comment
FROM pg_depend d
WHERE d.refclassid = 'pg_extension'::regclass
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_strata')
    AND d.deptype = 'e'
    AND d.classid <> 'pg_type'::regclass
    AND obj_description(d.objid, d.classid::regclass::name) IS NULL
    AND shobj_description(d.objid, d.classid::regclass::name) IS NULL
ORDER BY 1;

-- Internal functions that everybody may call: those that views and SQL functions call with the caller's rights.
SELECT p.oid::regprocedure AS internal_but_public
FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE d.refclassid = 'pg_extension'::regclass
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_strata')
    AND p.proname LIKE '\_%'
    AND has_function_privilege('public', p.oid, 'EXECUTE')
ORDER BY 1;

-- Everything lies in the extension's schema.
SELECT p.oid::regprocedure AS elsewhere
FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE d.refclassid = 'pg_extension'::regclass
    AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_strata')
    AND p.pronamespace <> 'strata'::regnamespace
ORDER BY 1;

-- Catalog tables are nobody's to write.
SELECT c.oid::regclass AS writable_by_all
FROM pg_class c
WHERE c.relnamespace = 'strata'::regnamespace AND c.relkind IN ('r', 'v')
    AND has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
ORDER BY 1;

-- Not in dumps, on purpose: what belongs to this server alone.
SELECT c.oid::regclass AS not_dumped
FROM pg_class c
CROSS JOIN pg_extension e
WHERE e.extname = 'pg_strata' AND c.relnamespace = 'strata'::regnamespace AND c.relkind IN ('r', 'S')
    AND (c.oid = ANY (e.extconfig)) IS NOT TRUE
ORDER BY 1;
