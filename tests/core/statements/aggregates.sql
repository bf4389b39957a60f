SET extra_float_digits = 0;

SELECT avg(four) AS avg_1 FROM onek;

SELECT avg(a) AS avg_32 FROM aggtest WHERE a < 100;

SELECT avg(b)::numeric(10,3) AS avg_107_943 FROM aggtest;

SELECT sum(four) AS sum_1500 FROM onek;

SELECT sum(a) AS sum_198 FROM aggtest;

SELECT sum(b) AS avg_431_773 FROM aggtest;

SELECT max(four) AS max_3 FROM onek;

SELECT max(a) AS max_100 FROM aggtest;

SELECT max(aggtest.b) AS max_324_78 FROM aggtest;

SELECT stddev_pop(b) FROM aggtest;

SELECT stddev_samp(b) FROM aggtest;

SELECT var_pop(b) FROM aggtest;

SELECT var_samp(b) FROM aggtest;

SELECT stddev_pop(b::numeric) FROM aggtest;

SELECT stddev_samp(b::numeric) FROM aggtest;

SELECT var_pop(b::numeric) FROM aggtest;

SELECT var_samp(b::numeric) FROM aggtest;

SELECT regr_count(b, a) FROM aggtest;

SELECT regr_sxx(b, a) FROM aggtest;

SELECT regr_syy(b, a) FROM aggtest;

SELECT regr_sxy(b, a) FROM aggtest;

SELECT regr_avgx(b, a), regr_avgy(b, a) FROM aggtest;

SELECT regr_r2(b, a) FROM aggtest;

SELECT regr_slope(b, a), regr_intercept(b, a) FROM aggtest;

SELECT covar_pop(b, a), covar_samp(b, a) FROM aggtest;

SELECT corr(b, a) FROM aggtest;

SELECT count(*), sum(x), regr_sxx(y,x), sum(y),regr_syy(y,x), regr_sxy(y,x)
FROM regr_test WHERE x IN (10,20,30,80);

SELECT count(*), sum(x), regr_sxx(y,x), sum(y),regr_syy(y,x), regr_sxy(y,x)
FROM regr_test;

SELECT count(*), sum(x), regr_sxx(y,x), sum(y),regr_syy(y,x), regr_sxy(y,x)
FROM regr_test WHERE x IN (10,20,30);

SELECT count(*), sum(x), regr_sxx(y,x), sum(y),regr_syy(y,x), regr_sxy(y,x)
FROM regr_test WHERE x IN (80,100);

SELECT count(four) AS cnt_1000 FROM onek;

SELECT count(DISTINCT four) AS cnt_4 FROM onek;

select ten, count(*), sum(four) from onek
group by ten order by ten;

select ten, count(four), sum(DISTINCT four) from onek
group by ten order by ten;

select ten, sum(distinct four) from onek a
group by ten
having exists (select 1 from onek b where sum(distinct a.four) = b.four);

select ten, sum(distinct four) from onek a
group by ten
having exists (select 1 from onek b
               where sum(distinct a.four + b.four) = b.four);

select min(unique1) from tenk1;

select max(unique1) from tenk1;

select max(unique1) from tenk1 where unique1 < 42;

select max(unique1) from tenk1 where unique1 > 42;

begin;

set local max_parallel_workers_per_gather = 0;

select max(unique1) from tenk1 where unique1 > 42000;

rollback;

select max(tenthous) from tenk1 where thousand = 33;

select min(tenthous) from tenk1 where thousand = 33;

select f1, (select min(unique1) from tenk1 where unique1 > f1) AS gt
    from int4_tbl;

select f1, (select min(unique1) from tenk1 where unique1 > f1) AS gt
  from int4_tbl;

select distinct max(unique2) from tenk1;

select max(unique2) from tenk1 order by 1;

select max(unique2) from tenk1 order by max(unique2);

select max(unique2) from tenk1 order by max(unique2)+1;

select max(unique2), generate_series(1,3) as g from tenk1 order by g desc;

select max(100) from tenk1;

begin;

set local enable_sort = off;

select f1, (select distinct min(t1.f1) from int4_tbl t1 where t1.f1 = t0.f1)
  from int4_tbl t0;

select f1, (select distinct min(t1.f1) from int4_tbl t1 where t1.f1 = t0.f1)
from int4_tbl t0;

rollback;

select max(min(unique1)) from tenk1;

select (select max(min(unique1)) from int8_tbl) from tenk1;

select avg((select avg(a1.col1 order by (select avg(a2.col2) from tenk1 a3))
            from tenk1 a1(col1)))
from tenk1 a2(col2);

create temp table t1 (a int, b int, c int, d int, primary key (a, b));

drop table t1 cascade;

create temp table t1(f1 int, f2 bigint);

select string_agg(distinct f1, ',' order by f1) from varchar_tbl;

select string_agg(distinct f1::text, ',' order by f1) from varchar_tbl;

select string_agg(distinct f1, ',' order by f1::text) from varchar_tbl;

select string_agg(distinct f1::text, ',' order by f1::text) from varchar_tbl;

select string_agg(v, '') from bytea_test_table;

select string_agg(v, '') from bytea_test_table;

select string_agg(v, '') from bytea_test_table;

select string_agg(v, NULL) from bytea_test_table;

select string_agg(v, decode('ee', 'hex')) from bytea_test_table;

select min(unique1) filter (where unique1 > 100) from tenk1;

select sum(1/ten) filter (where ten > 0) from tenk1;

select ten, sum(distinct four) filter (where four::text ~ '123') from onek a
group by ten;

select ten, sum(distinct four) filter (where four > 10) from onek a
group by ten
having exists (select 1 from onek b where sum(distinct a.four) = b.four);

select sum(unique1) FILTER (WHERE
  unique1 IN (SELECT unique1 FROM onek where unique1 < 100)) FROM tenk1;

select max(unique1) filter (where sum(ten) > 0) from tenk1;

select (select max(unique1) filter (where sum(ten) > 0) from int8_tbl) from tenk1;

select max(unique1) filter (where bool_or(ten > 0)) from tenk1;

select (select max(unique1) filter (where bool_or(ten > 0)) from int8_tbl) from tenk1;

select percentile_cont(0.5) within group (order by b) from aggtest;

select percentile_cont(0.5) within group (order by b), sum(b) from aggtest;

select percentile_cont(0.5) within group (order by thousand) from tenk1;

select percentile_disc(0.5) within group (order by thousand) from tenk1;

select percentile_disc(array[0,0.1,0.25,0.5,0.75,0.9,1]) within group (order by thousand)
from tenk1;

select percentile_cont(array[0,0.25,0.5,0.75,1]) within group (order by thousand)
from tenk1;

select percentile_disc(array[[null,1,0.5],[0.75,0.25,null]]) within group (order by thousand)
from tenk1;

select ten, mode() within group (order by string4) from tenk1 group by ten;

create view aggordview1 as
select ten,
       percentile_disc(0.5) within group (order by thousand) as p50,
       percentile_disc(0.5) within group (order by thousand) filter (where hundred=1) as px,
       rank(5,'AZZZZ',50) within group (order by hundred, string4 desc, hundred)
  from tenk1
 group by ten order by ten;

select * from aggordview1 order by ten;

drop view aggordview1;

BEGIN;

CREATE FUNCTION balkifnull(int8, int4)
RETURNS int8
STRICT
LANGUAGE plpgsql AS $$
BEGIN
    IF $1 IS NULL THEN
       RAISE 'erroneously called with NULL argument';
    END IF;
    RETURN NULL;
END$$;

CREATE AGGREGATE balk(int4)
(
    SFUNC = balkifnull(int8, int4),
    STYPE = int8,
    PARALLEL = SAFE,
    INITCOND = '0'
);

SELECT balk(hundred) FROM tenk1;

ROLLBACK;

BEGIN;

CREATE FUNCTION balkifnull(int8, int8)
RETURNS int8
PARALLEL SAFE
STRICT
LANGUAGE plpgsql AS $$
BEGIN
    IF $1 IS NULL THEN
       RAISE 'erroneously called with NULL argument';
    END IF;
    RETURN NULL;
END$$;

CREATE AGGREGATE balk(int4)
(
    SFUNC = int4_sum(int8, int4),
    STYPE = int8,
    COMBINEFUNC = balkifnull(int8, int8),
    PARALLEL = SAFE,
    INITCOND = '0'
);

SET LOCAL parallel_setup_cost=0;

SET LOCAL max_parallel_workers_per_gather=4;

SELECT balk(hundred) FROM tenk1;

ROLLBACK;

BEGIN;

SET parallel_setup_cost = 0;

SET parallel_tuple_cost = 0;

SET min_parallel_table_scan_size = 0;

SET max_parallel_workers_per_gather = 4;

SET parallel_leader_participation = off;

SET enable_indexonlyscan = off;

SELECT variance(unique1::int4), sum(unique1::int8), regr_count(unique1::float8, unique1::float8)
FROM (SELECT * FROM tenk1
      UNION ALL SELECT * FROM tenk1
      UNION ALL SELECT * FROM tenk1
      UNION ALL SELECT * FROM tenk1) u;

SELECT variance(unique1::int8), avg(unique1::numeric)
FROM (SELECT * FROM tenk1
      UNION ALL SELECT * FROM tenk1
      UNION ALL SELECT * FROM tenk1
      UNION ALL SELECT * FROM tenk1) u;

ROLLBACK;

set enable_memoize to off;

select 1 from tenk1
   where (hundred, thousand) in (select twothousand, twothousand from onek);

reset enable_memoize;

set enable_sort=false;

set work_mem='64kB';

select unique1, count(*), sum(twothousand) from tenk1
group by unique1
having sum(fivethous) > 4975
order by sum(twothousand);

set work_mem to default;

set enable_sort to default;

set work_mem='64kB';

set enable_hashagg = false;

set jit_above_cost = 0;

set jit_above_cost to default;

set enable_hashagg = true;

set enable_sort = false;

set jit_above_cost = 0;

set jit_above_cost to default;

set enable_sort = true;

set work_mem to default;
