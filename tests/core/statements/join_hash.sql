begin;

set local min_parallel_table_scan_size = 0;

set local parallel_setup_cost = 0;

set local enable_hashjoin = on;

savepoint settings;

set local max_parallel_workers_per_gather = 0;

set local work_mem = '4MB';

set local hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '4MB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = off;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '4MB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = on;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 0;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = off;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '192kB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = on;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 0;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = off;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 1;

set local work_mem = '192kB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = on;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 0;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = off;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 1;

set local work_mem = '128kB';

set local hash_mem_multiplier = 1.0;

set local enable_parallel_hash = on;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

set local work_mem = '4MB';

set local hash_mem_multiplier = 1.0;

set local parallel_leader_participation = off;

rollback to settings;

savepoint settings;

set enable_parallel_hash = off;

set parallel_leader_participation = off;

set min_parallel_table_scan_size = 0;

set parallel_setup_cost = 0;

set parallel_tuple_cost = 0;

set max_parallel_workers_per_gather = 2;

set enable_material = off;

set enable_mergejoin = off;

set work_mem = '64kB';

set hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set enable_parallel_hash = off;

set parallel_leader_participation = off;

set min_parallel_table_scan_size = 0;

set parallel_setup_cost = 0;

set parallel_tuple_cost = 0;

set max_parallel_workers_per_gather = 2;

set enable_material = off;

set enable_mergejoin = off;

set work_mem = '4MB';

set hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set enable_parallel_hash = on;

set parallel_leader_participation = off;

set min_parallel_table_scan_size = 0;

set parallel_setup_cost = 0;

set parallel_tuple_cost = 0;

set max_parallel_workers_per_gather = 2;

set enable_material = off;

set enable_mergejoin = off;

set work_mem = '64kB';

set hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set enable_parallel_hash = on;

set parallel_leader_participation = off;

set min_parallel_table_scan_size = 0;

set parallel_setup_cost = 0;

set parallel_tuple_cost = 0;

set max_parallel_workers_per_gather = 2;

set enable_material = off;

set enable_mergejoin = off;

set work_mem = '4MB';

set hash_mem_multiplier = 1.0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 0;

rollback to settings;

savepoint settings;

set local max_parallel_workers_per_gather = 2;

rollback to settings;

savepoint settings;

set max_parallel_workers_per_gather = 2;

set enable_parallel_hash = on;

set work_mem = '128kB';

set hash_mem_multiplier = 1.0;

rollback to settings;

rollback;

BEGIN;

SET LOCAL enable_sort = OFF;

SET LOCAL from_collapse_limit = 1;

ROLLBACK;

begin;

set local enable_hashjoin = on;

select i8.q2, ss.* from
int8_tbl i8,
lateral (select t1.fivethous, i4.f1 from tenk1 t1 join int4_tbl i4
         on t1.fivethous = i4.f1+i8.q2 order by 1,2) ss;

rollback;
