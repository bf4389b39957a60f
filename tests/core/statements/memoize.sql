SET enable_hashjoin TO off;

SET enable_bitmapscan TO off;

SELECT COUNT(*),AVG(t1.unique1) FROM tenk1 t1
INNER JOIN tenk1 t2 ON t1.unique1 = t2.twenty
WHERE t2.unique1 < 1000;

SET enable_mergejoin TO off;

SET work_mem TO '64kB';

SET hash_mem_multiplier TO 1.0;

SET enable_seqscan TO off;

SET enable_partitionwise_join TO on;

RESET enable_partitionwise_join;

RESET enable_seqscan;

RESET enable_mergejoin;

RESET work_mem;

RESET hash_mem_multiplier;

RESET enable_bitmapscan;

RESET enable_hashjoin;

SET min_parallel_table_scan_size TO 0;

SET parallel_setup_cost TO 0;

SET parallel_tuple_cost TO 0;

SET max_parallel_workers_per_gather TO 2;

RESET max_parallel_workers_per_gather;

RESET parallel_tuple_cost;

RESET parallel_setup_cost;

RESET min_parallel_table_scan_size;
