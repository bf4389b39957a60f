set enable_hashjoin = off;

set enable_mergejoin = off;

set enable_mergejoin = on;

set enable_nestloop = off;

set enable_nestloop = on;

set enable_mergejoin = off;

set enable_mergejoin = on;

set enable_nestloop = off;

set enable_nestloop = on;

set enable_mergejoin = off;

select * from tenk1 where unique1 = unique1 and unique2 = unique2;

select * from tenk1 where unique1 = unique1 or unique2 = unique2;
