create temp view v1 as
  select 2+2 as f1;

create function cache_test_2() returns int as $$
begin
	return f1 from v1;
end$$ language plpgsql;

select cache_test_2();

create or replace temp view v1 as
  select 2+2+4 as f1;

select cache_test_2();

create or replace temp view v1 as
  select 2+2+4+(select max(unique1) from tenk1) as f1;

select cache_test_2();

set search_path = s1;

set search_path = s2;

reset search_path;

set plan_cache_mode to auto;

set plan_cache_mode to force_generic_plan;

set plan_cache_mode to auto;

set plan_cache_mode to force_custom_plan;
