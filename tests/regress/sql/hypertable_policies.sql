-- Jobs and policies as users type them; what runs in the background is due in another century.
SET client_min_messages = warning;
CREATE TABLE m (ts timestamptz NOT NULL, v int) PARTITION BY RANGE (ts);
SELECT created FROM strata.create_hypertable('m', strata.by_range('ts', interval '1 day'));
SELECT job_id, application_name, schedule_interval, scheduled, proc_name FROM strata.jobs ORDER BY job_id;

-- retention
SELECT strata.add_retention_policy('m', interval '1000 days', initial_start => '2200-01-01 UTC') > 1000 AS added;
SELECT strata.add_retention_policy('m', interval '1000 days');
SELECT strata.add_retention_policy('m', interval '1000 days', if_not_exists => true);
SELECT schedule_interval, config, fixed_schedule, initial_start = '2200-01-01 UTC' AS starts FROM strata.jobs
WHERE proc_name = 'policy_retention';
SELECT strata.remove_retention_policy('m');
SELECT strata.remove_retention_policy('m');
SELECT strata.remove_retention_policy('m', if_exists => true);
SELECT strata.add_retention_policy('m', 5);
SELECT strata.add_retention_policy('m');
SELECT strata.add_retention_policy('m', interval '1 day', drop_created_before => interval '1 day');
SELECT strata.add_retention_policy('pg_class', interval '1 day');
SELECT strata.add_retention_policy('m', interval '1 day', timezone => 'Nowhere/Land');
SELECT strata.add_retention_policy('m', interval '1 day', schedule_interval => '0');

-- integer keys have an age only by a function
CREATE TABLE n (id bigint NOT NULL) PARTITION BY RANGE (id);
SELECT created FROM strata.create_hypertable('n', strata.by_range('id', 100));
SELECT strata.add_retention_policy('n', 100);
CREATE FUNCTION n_now() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1000::bigint';
SELECT strata.set_integer_now_func('n', 'n_now');
SELECT strata.add_retention_policy('n', interval '1 day');
SELECT strata.add_retention_policy('n', 500, initial_start => '2200-01-01 UTC') > 0 AS added;
SELECT config FROM strata.jobs WHERE proc_name = 'policy_retention';

-- reorder
SELECT strata.add_reorder_policy('m', 'nothing');
SELECT strata.add_reorder_policy('m', 'm_ts_idx', initial_start => '2200-01-01 UTC') > 0 AS added;
SELECT strata.remove_reorder_policy('m');

-- jobs of users
CREATE PROCEDURE work(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'worked with %', config; END $$;
CREATE FUNCTION check_it(config jsonb) RETURNS void LANGUAGE plpgsql AS
  $$ BEGIN IF config->>'x' IS NULL THEN RAISE EXCEPTION 'x is missing'; END IF; END $$;
CREATE FUNCTION no_job(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
SELECT strata.add_job('no_job', '1 hour');
SELECT strata.add_job('nothing', '1 hour');
SELECT strata.add_job('work', NULL);
SELECT strata.add_job('work', '-1 hour');
SELECT strata.add_job('work', '1 hour', initial_start => 'infinity');
SELECT strata.add_job('work', '1 hour', check_config => 'check_it');
SELECT strata.add_job('work', '1 hour', '{"x": 1}', scheduled => false, check_config => 'check_it', job_name => 'mine') AS id \gset
SELECT schedule_interval, max_runtime, max_retries, retry_period, scheduled, config, check_config, fixed_schedule, application_name
FROM strata.alter_job(:id, max_runtime => '1 min', max_retries => 3, retry_period => '10 s', schedule_interval => '2 hours');
SELECT strata.alter_job(:id, config => '{"y": 1}');
SELECT strata.alter_job(:id, max_retries => -2);
SELECT strata.alter_job(0, scheduled => true);
SELECT * FROM strata.alter_job(0, if_exists => true);
CALL strata.run_job(:id);
CALL strata.run_job(0);
BEGIN;
CALL strata.run_job(:id);
ROLLBACK;
SELECT total_runs, total_successes, total_failures, last_run_status, job_status FROM strata.job_stats WHERE job_id = :id;
SELECT succeeded, proc_name, sqlerrcode, config FROM strata.job_history WHERE job_id = :id;
SELECT strata.delete_job(:id);
SELECT strata.delete_job(0);

-- policies go with their table
DROP TABLE m, n;
SELECT count(*) FROM strata.jobs;
