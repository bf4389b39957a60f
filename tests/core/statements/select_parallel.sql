create function sp_parallel_restricted(int) returns int as
  $$begin return $1; end$$ language plpgsql parallel restricted;

begin;

set parallel_setup_cost=0;

set parallel_tuple_cost=0;

set min_parallel_table_scan_size=0;

set max_parallel_workers_per_gather=4;

set enable_parallel_append to off;

reset enable_parallel_append;

set parallel_leader_participation = off;

select count(*) from tenk1 where stringu1 = 'GRAAAA';

set max_parallel_workers = 0;

select count(*) from tenk1 where stringu1 = 'GRAAAA';

reset max_parallel_workers;

reset parallel_leader_participation;

select sp_parallel_restricted(unique1) from tenk1
  where stringu1 = 'GRAAAA' order by 1;

select length(stringu1) from tenk1 group by length(stringu1);

select stringu1, count(*) from tenk1 group by stringu1 order by stringu1;

select  sum(sp_parallel_restricted(unique1)) from tenk1
	group by(sp_parallel_restricted(unique1));

prepare tenk1_count(integer) As select  count((unique1)) from tenk1 where hundred > $1;

execute tenk1_count(1);

deallocate tenk1_count;

select count(*) from tenk1 where (two, four) not in
	(select hundred, thousand from tenk2 where thousand > 100);

set enable_indexscan = off;

set enable_indexonlyscan = off;

set enable_bitmapscan = off;

select count(*) from tenk1
        where tenk1.unique1 = (Select max(tenk2.unique1) from tenk2);

select count(*) from tenk1
    where tenk1.unique1 = (Select max(tenk2.unique1) from tenk2);

reset enable_indexscan;

reset enable_indexonlyscan;

reset enable_bitmapscan;

set enable_seqscan to off;

set enable_bitmapscan to off;

select  count((unique1)) from tenk1 where hundred > 1;

select  count(*) from tenk1 where thousand > 95;

set enable_material = false;

select * from
  (select count(unique1) from tenk1 where hundred > 10) ss
  right join (values (1),(2),(3)) v(x) on true;

select * from
  (select count(*) from tenk1 where thousand > 99) ss
  right join (values (1),(2),(3)) v(x) on true;

reset enable_seqscan;

set enable_indexonlyscan to off;

set enable_indexscan to off;

select count(*) from tenk1
  left join (select tenk2.unique1 from tenk2 order by 1 limit 1000) ss
  on tenk1.unique1 < ss.unique1 + 1
  where tenk1.unique1 < 2;

reset enable_material;

reset enable_bitmapscan;

reset enable_indexonlyscan;

reset enable_indexscan;

set enable_seqscan to off;

set enable_indexscan to off;

set enable_hashjoin to off;

set enable_mergejoin to off;

set enable_material to off;

set work_mem='64kB';

reset enable_seqscan;

reset work_mem;

reset enable_indexscan;

reset enable_hashjoin;

reset enable_mergejoin;

reset enable_material;

reset effective_io_concurrency;

set enable_hashjoin to off;

set enable_nestloop to off;

select  count(*) from tenk1, tenk2 where tenk1.unique1 = tenk2.unique1;

reset enable_hashjoin;

reset enable_nestloop;

set enable_hashagg = false;

select count(*) from tenk1 group by twenty;

create function sp_simple_func(var1 integer) returns integer
as $$
begin
        return var1 + 10;
end;
$$ language plpgsql PARALLEL SAFE;

select ten, sp_simple_func(ten) from tenk1 where ten < 100 order by ten;

drop function sp_simple_func(integer);

select count(*), generate_series(1,2) from tenk1 group by twenty;

set parallel_leader_participation = off;

select count(*) from tenk1 group by twenty;

reset parallel_leader_participation;

set enable_material = false;

select * from
  (select string4, count(unique2)
   from tenk1 group by string4 order by string4) ss
  right join (values (1),(2),(3)) v(x) on true;

reset enable_material;

reset enable_hashagg;

select avg(unique1::int8) from tenk1;

select fivethous from tenk1 order by fivethous limit 4;

set max_parallel_workers = 0;

select string4 from tenk1 order by string4 limit 5;

set parallel_leader_participation = off;

select string4 from tenk1 order by string4 limit 5;

reset parallel_leader_participation;

reset max_parallel_workers;

SAVEPOINT settings;

SET LOCAL force_parallel_mode = 1;

select stringu1::int2 from tenk1 where unique1 = 1;

ROLLBACK TO SAVEPOINT settings;

SAVEPOINT settings;

SET LOCAL force_parallel_mode = 1;

ROLLBACK TO SAVEPOINT settings;

set force_parallel_mode = 1;

select count(*) from tenk1;

reset force_parallel_mode;

select count(*) from tenk1 a where (unique1, two) in
    (select unique1, row_number() over() from tenk1 b);

select * from tenk1 a where two in
    (select two from tenk1 b where stringu1 like '%AAAA' limit 3);

SAVEPOINT settings;

SET LOCAL force_parallel_mode = 1;

SELECT * FROM tenk1;

ROLLBACK TO SAVEPOINT settings;

SAVEPOINT settings;

SET LOCAL force_parallel_mode = 1;

select (stringu1 || repeat('abcd', 5000))::int2 from tenk1 where unique1 = 1;

ROLLBACK TO SAVEPOINT settings;

SAVEPOINT settings;

SET LOCAL parallel_setup_cost = 10;

SELECT unique1 FROM tenk1 WHERE fivethous = tenthous + 1
UNION ALL
SELECT unique1 FROM tenk1 WHERE fivethous = tenthous + 1;

ROLLBACK TO SAVEPOINT settings;

SELECT unique1 FROM tenk1 WHERE fivethous =
	(SELECT unique1 FROM tenk1 WHERE fivethous = 1 LIMIT 1)
UNION ALL
SELECT unique1 FROM tenk1 WHERE fivethous =
	(SELECT unique2 FROM tenk1 WHERE fivethous = 1 LIMIT 1)
ORDER BY 1;

SELECT generate_series(1, two), array(select generate_series(1, two))
  FROM tenk1 ORDER BY tenthous;

rollback;

set force_parallel_mode = 0;

set force_parallel_mode = 1;

reset force_parallel_mode;

BEGIN;

SET force_parallel_mode = on;

ROLLBACK;
