-- Run by same_script.rs into a native partitioned table and into a hypertable without chunks: t (k, id, v, b), ten
-- numbers of k to a chunk, CHECK (v > 0), UNIQUE (k, id).
\set SHOW_CONTEXT always
\echo A prepared
PREPARE p(int,int) AS INSERT INTO t(k,id) VALUES($1,$2) RETURNING *;
SET plan_cache_mode=force_generic_plan;
EXECUTE p(1,1); EXECUTE p(111,1);
ALTER TABLE t ADD COLUMN c int DEFAULT 9;
EXECUTE p(121,1);
RESET plan_cache_mode;
DEALLOCATE p;
PREPARE p(int,int) AS INSERT INTO t(k,id) VALUES($1,$2) RETURNING *;
EXECUTE p(131,1);
\echo B cursors
BEGIN;
DECLARE c1 CURSOR WITH HOLD FOR SELECT * FROM t ORDER BY k;
FETCH 1 FROM c1;
INSERT INTO t(k,id) VALUES (222,1);
FETCH 1 FROM c1;
COMMIT;
FETCH ALL FROM c1; CLOSE c1;
BEGIN; DECLARE c2 CURSOR FOR SELECT k FROM t ORDER BY k; FETCH 1 FROM c2;
UPDATE t SET k = 333 WHERE CURRENT OF c2;
SELECT k FROM t ORDER BY k; 
MERGE INTO t USING (VALUES (444)) x(k) ON t.k=x.k WHEN NOT MATCHED THEN INSERT (k,id) VALUES (x.k, 7);
FETCH 10 FROM c2;
COMMIT;
\echo C copy in subtransaction
COPY t(k,id) FROM PROGRAM 'printf "501\t1\n511\t1\n"';
DO $$ BEGIN
 FOR i IN 1..3 LOOP
  BEGIN
   EXECUTE format('COPY t(k,id,v) FROM PROGRAM %L', format('printf "52%s\t%s\t%s\n53%s\t1\t1\n"', i, i, 2-i, i));
  EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'caught % %', SQLSTATE, regexp_replace(SQLERRM, 't_h\w*', 'leaf'); END;
 END LOOP; END $$;
SELECT k,id,v FROM t WHERE k >= 500 ORDER BY 1,2;
DO $$ DECLARE n int; BEGIN EXECUTE 'COPY t(k,id) FROM PROGRAM ''printf "541\t1\n542\t1\n"'''; GET DIAGNOSTICS n = ROW_COUNT; RAISE NOTICE 'rows %', n; END $$;
\echo D nested triggers into same table
CREATE FUNCTION nest() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
 IF NEW.b = 'nest' THEN INSERT INTO t(k,id,b) VALUES (NEW.k + 100, NEW.id, CASE WHEN NEW.k < 850 THEN 'nest' END); END IF; RETURN NEW; END $$;
CREATE TRIGGER n1 AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION nest();
INSERT INTO t(k,id,b) VALUES (605,90,'nest');
SELECT k,id,b FROM t WHERE id=90 ORDER BY 1;
COPY t(k,id,b) FROM PROGRAM 'printf "606\t91\tnest\n607\t92\tx\n"';
SELECT k,id,b FROM t WHERE id IN (91,92) ORDER BY 1;
DROP TRIGGER n1 ON t;
CREATE TRIGGER n1 BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION nest();
COPY t(k,id,b) FROM PROGRAM 'printf "618\t93\tnest\n628\t94\tnest\n638\t95\tnest\n"';
INSERT INTO t(k,id,b) SELECT 648+g*10, 96, 'nest' FROM generate_series(0,3) g;
SELECT k,id,b FROM t WHERE id BETWEEN 93 AND 96 ORDER BY 1;
DROP TRIGGER n1 ON t;
\echo E views and rules
CREATE VIEW w AS SELECT k,id,v FROM t WHERE v > 3 WITH CHECK OPTION;
INSERT INTO w(k,id,v) VALUES (701,1,4);
INSERT INTO w(k,id,v) VALUES (711,1,2);
UPDATE w SET k = 721 WHERE k = 701;
UPDATE w SET k = 731, v = 1 WHERE k = 721;
SELECT * FROM w WHERE k > 700;
CREATE VIEW w2 AS SELECT * FROM t;
CREATE FUNCTION iof() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t(k,id) VALUES (NEW.k,NEW.id); RETURN NEW; END $$;
CREATE TRIGGER iof INSTEAD OF INSERT ON w2 FOR EACH ROW EXECUTE FUNCTION iof();
COPY w2(k,id) FROM PROGRAM 'printf "741\t1\n751\t1\n"';
COPY w(k,id) FROM PROGRAM 'printf "741\t1\n751\t1\n"';
CREATE TABLE other(k int, id int);
CREATE RULE r AS ON INSERT TO other DO ALSO INSERT INTO t(k,id) VALUES (NEW.k, NEW.id);
INSERT INTO other VALUES (761,1),(771,1);
CREATE RULE r2 AS ON UPDATE TO other DO INSTEAD UPDATE t SET k = NEW.k WHERE t.k = OLD.k;
UPDATE other SET k = k + 20;
SELECT k,id FROM t WHERE k > 740 ORDER BY 1;
\echo F same table, conflicts
INSERT INTO t(k,id,v) SELECT k + 3 - (k % 10) + 40, id + 1000, v FROM t WHERE k < 300 RETURNING k, id;
INSERT INTO t(k,id,v) VALUES (801,1,5),(801,1,6),(811,1,7) ON CONFLICT (k,id) DO UPDATE SET v = excluded.v + 10;
INSERT INTO t(k,id,v) VALUES (801,1,5),(821,1,6) ON CONFLICT (k,id) DO UPDATE SET v = t.v + excluded.v RETURNING k,v;
INSERT INTO t(k,id,v) VALUES (801,1,5) ON CONFLICT (k,id) DO UPDATE SET k = 950;
SELECT k,v FROM t WHERE k BETWEEN 800 AND 830 ORDER BY 1;
\echo G isolation
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t WHERE k > 900;
INSERT INTO t(k,id) VALUES (901,1),(911,1); SELECT k,id FROM t WHERE k > 900 ORDER BY 1; UPDATE t SET k = k + 20 WHERE k > 900; SELECT k FROM t WHERE k > 900 ORDER BY 1;
COPY t(k,id) FROM PROGRAM 'printf "941\t1\n951\t1\n"';
SELECT k FROM t WHERE k > 900 ORDER BY 1; COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM t WHERE k > 900; INSERT INTO t(k,id) SELECT k+150, id FROM t WHERE k BETWEEN 800 AND 830; SAVEPOINT a; INSERT INTO t(k,id) VALUES (991,1); ROLLBACK TO a; SELECT k FROM t WHERE k > 900 ORDER BY 1; COMMIT;
\echo H replica role
SET session_replication_role=replica; INSERT INTO t(k,id) VALUES (81,5); RESET session_replication_role;
SELECT k FROM t WHERE id = 5 ORDER BY 1;
\echo I security definer, roles
CREATE ROLE script_joe; GRANT INSERT(k,id) ON t TO script_joe;
CREATE FUNCTION def(int) RETURNS void LANGUAGE sql SECURITY DEFINER AS 'INSERT INTO t(k,id) VALUES ($1, 77)';
SET ROLE script_joe; INSERT INTO t(k,id) VALUES (61,6); INSERT INTO t(k,id,v) VALUES (62,6,1); SELECT def(71);
COPY t(k,id) FROM PROGRAM 'printf "1\t1\n"';
RESET ROLE; SELECT k,id FROM t WHERE id IN (6,77) ORDER BY 1;
DROP OWNED BY script_joe; DROP ROLE script_joe;
\echo J read only
BEGIN READ ONLY; INSERT INTO t(k,id) VALUES (1,99); ROLLBACK;
BEGIN READ ONLY; COPY t(k,id) FROM PROGRAM 'printf "1\t1\n"'; ROLLBACK;
\echo K stats
SELECT pg_stat_force_next_flush();
SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables WHERE relid IN (SELECT relid FROM pg_partition_tree('t') WHERE isleaf);
\echo L cte
WITH a AS (INSERT INTO t(k,id) VALUES (41,41) RETURNING *), b AS (UPDATE t SET k = 51 WHERE k = 131 RETURNING k), c AS (DELETE FROM t WHERE k = 121 RETURNING k) INSERT INTO t(k,id) SELECT k + 1, id + 1 FROM a UNION ALL SELECT k + 2, 9 FROM b UNION ALL SELECT k+3, 10 FROM c RETURNING k,id;
\echo M sql function and do
CREATE FUNCTION many(int) RETURNS SETOF t LANGUAGE sql AS 'INSERT INTO t(k,id) SELECT 20 + g, $1 FROM generate_series(0,12,6) g RETURNING *';
SELECT k,id FROM many(3) ORDER BY 1;
SELECT k, id FROM many(4) LIMIT 1;
SELECT k,id FROM t WHERE id IN (3,4) AND k < 40 ORDER BY 1,2;
DO $$ DECLARE r record; BEGIN FOR r IN INSERT INTO t(k,id) SELECT g*10+9, 500 FROM generate_series(0,4) g RETURNING k LOOP RAISE NOTICE 'row %', r.k; END LOOP; END $$;
\echo N errors
INSERT INTO t(k,id) VALUES (NULL,1);
INSERT INTO t(k,id,v) VALUES (55,1,-1);
COPY t(k,id,v) FROM PROGRAM 'printf "56\t1\t3\n57\t1\t-1\n"';
COPY t(k,id,v) FROM PROGRAM 'printf "56\t1\t3\n\\\\N\t1\t-1\n"';
COPY t(k,id,v) FROM PROGRAM 'printf "56\t1\t3\n56\t1\t4\n"';
SELECT k, id, v, b, c FROM t ORDER BY 1,2,3;
