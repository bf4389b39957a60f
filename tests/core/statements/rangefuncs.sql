CREATE OR REPLACE FUNCTION rngfuncr(in f1 int, out f2 int, out text)
AS $$select $1-1, $1::text || 'z'$$ LANGUAGE sql;

SELECT f1, rngfuncr(f1) FROM int4_tbl;

CREATE OR REPLACE FUNCTION rngfuncb(in f1 int, inout f2 int, out text)
AS $$select $2-1, $1::text || 'z'$$ LANGUAGE sql;

SELECT f1, rngfuncb(f1, f1/2) FROM int4_tbl;

DROP FUNCTION rngfuncr(in f2 int, out f1 int, out text);

DROP FUNCTION rngfuncb(in f1 int, inout f2 int);

set work_mem='64kB';

reset work_mem;

create function extractq2(t int8_tbl) returns int8 as $$
  select t.q2
$$ language sql immutable;

select x from int8_tbl, extractq2(int8_tbl) f(x);

create function extractq2_2(t int8_tbl) returns table(ret1 int8) as $$
  select extractq2(t) offset 0
$$ language sql immutable;

select x from int8_tbl, extractq2_2(int8_tbl) f(x);

create function extractq2_2_opt(t int8_tbl) returns table(ret1 int8) as $$
  select extractq2(t)
$$ language sql immutable;

select x from int8_tbl, extractq2_2_opt(int8_tbl) f(x);

select * from int8_tbl, coalesce(row(1)) as (a int, b int);
