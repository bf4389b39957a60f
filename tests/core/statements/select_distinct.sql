SELECT DISTINCT two FROM onek ORDER BY 1;

SELECT DISTINCT ten FROM onek ORDER BY 1;

SELECT DISTINCT string4 FROM onek ORDER BY 1;

SELECT DISTINCT two, string4, ten
   FROM onek
   ORDER BY two using <, string4 using <, ten using <;

SELECT count(*) FROM
  (SELECT DISTINCT two, four, two FROM tenk1) ss;

SET work_mem='64kB';

SET enable_hashagg=FALSE;

SET jit_above_cost=0;

SET jit_above_cost TO DEFAULT;

SET enable_hashagg=TRUE;

SET enable_sort=FALSE;

SET jit_above_cost=0;

SET jit_above_cost TO DEFAULT;

SET enable_sort=TRUE;

SET work_mem TO DEFAULT;

SET parallel_tuple_cost=0;

SET parallel_setup_cost=0;

SET min_parallel_table_scan_size=0;

SET max_parallel_workers_per_gather=2;

SELECT DISTINCT four FROM tenk1;

CREATE OR REPLACE FUNCTION distinct_func(a INT) RETURNS INT AS $$
  BEGIN
    RETURN a;
  END;
$$ LANGUAGE plpgsql PARALLEL UNSAFE;

SELECT DISTINCT distinct_func(1) FROM tenk1;

CREATE OR REPLACE FUNCTION distinct_func(a INT) RETURNS INT AS $$
  BEGIN
    RETURN a;
  END;
$$ LANGUAGE plpgsql PARALLEL SAFE;

SELECT DISTINCT distinct_func(1) FROM tenk1;

RESET max_parallel_workers_per_gather;

RESET min_parallel_table_scan_size;

RESET parallel_setup_cost;

RESET parallel_tuple_cost;
