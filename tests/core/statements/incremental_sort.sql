select * from (select * from tenk1 order by four) t order by four, ten;

select * from (select * from tenk1 order by four) t order by four, ten
limit 1;

set work_mem to '2MB';

select * from (select * from tenk1 order by four) t order by four, ten;

reset work_mem;

create table t(a integer, b integer);

insert into t(a, b) select i/100 + 1, i + 1 from generate_series(0, 999) n(i);

analyze t;

delete from t;

insert into t(a, b) select i/50 + 1, i + 1 from generate_series(0, 999) n(i);

analyze t;

delete from t;

insert into t(a, b) select (case when i < 5 then i else 9 end), i from generate_series(1, 1000) n(i);

analyze t;

begin;

set local enable_hashjoin = off;

set local enable_mergejoin = off;

set local enable_material = off;

set local enable_sort = off;

rollback;

delete from t;

insert into t(a, b) select i / 10, i from generate_series(1, 1000) n(i);

analyze t;

delete from t;

insert into t(a, b) select i, i from generate_series(1, 1000) n(i);

analyze t;

delete from t;

drop table t;

set min_parallel_table_scan_size = '1kB';

set min_parallel_index_scan_size = '1kB';

set parallel_setup_cost = 0;

set parallel_tuple_cost = 0;

set max_parallel_workers_per_gather = 2;

create table t (a int, b int, c int);

insert into t select mod(i,10),mod(i,10),i from generate_series(1,10000) s(i);

create index on t (a);

analyze t;

set enable_incremental_sort = off;

set enable_incremental_sort = on;

set enable_hashagg to off;

drop table t;

set enable_hashagg=off;

set enable_seqscan=off;

set enable_incremental_sort = off;

set parallel_tuple_cost=0;

set parallel_setup_cost=0;

set min_parallel_table_scan_size = 0;

set min_parallel_index_scan_size = 0;

select count(*)
from tenk1 t1
join tenk1 t2 on t1.unique1 = t2.unique2
join tenk1 t3 on t2.unique1 = t3.unique1
order by count(*);
