-- How chunks are tiered: settings, limits, bounds of every kind of partition column, policies.
SET timezone = 'UTC';
SET client_min_messages = warning;

CREATE TABLE tier_m (
    id int8 NOT NULL, ts timestamptz NOT NULL, dev int, place point, tags jsonb, name text, PRIMARY KEY (id, ts));
INSERT INTO tier_m SELECT g, timestamptz '2025-01-01' + g * interval '6 hours', g % 5 FROM generate_series(0, 479) g;
SELECT created FROM strata.create_hypertable('tier_m', strata.by_range('ts', interval '1 month'), migrate_data => true);

-- what set_cold_storage refuses
SELECT strata.set_cold_storage(NULL);
SELECT strata.set_cold_storage('pg_class');
SELECT strata.set_cold_storage('tier_m', server => NULL);
SELECT strata.set_cold_storage('tier_m', late_rows => 'maybe');
SELECT strata.set_cold_storage('tier_m', indexes => 'some');
SELECT strata.set_cold_storage('tier_m', verify => 'hope');
SELECT strata.set_cold_storage('tier_m', verify => NULL);
SELECT strata.set_cold_storage('tier_m', cluster_by => ARRAY['nope']::name[]);
SELECT strata.set_cold_storage('tier_m', cluster_by => ARRAY['dev', 'dev']::name[]);
SELECT strata.set_cold_storage('tier_m', cluster_by => ARRAY[]::name[]);
SELECT strata.set_cold_storage('tier_m', cluster_by => ARRAY['dev', NULL]::name[]);
SELECT strata.set_cold_storage('tier_m', cluster_by => ARRAY['place']::name[]);
SELECT strata.set_cold_storage('tier_m', bloom_columns => ARRAY['tags']::name[]);
SELECT strata.set_cold_storage('tier_m', bloom_columns => ARRAY['nope']::name[]);
SELECT count(*) FROM strata.cold_setting WHERE hypertable = 'tier_m'::regclass;

-- what it takes, and tells
SELECT strata.set_cold_storage('tier_m', cluster_by => ARRAY['dev', 'ts']::name[], bloom_columns => ARRAY['name']::name[],
    indexes => 'unique', verify => 'sample');
SELECT hypertable, server, cluster_by, bloom_columns, indexes, verify FROM strata.cold_setting
WHERE hypertable = 'tier_m'::regclass;
RESET client_min_messages;
ALTER TABLE tier_m ENABLE ROW LEVEL SECURITY;
SELECT strata.set_cold_storage('tier_m');
ALTER TABLE tier_m DISABLE ROW LEVEL SECURITY;
SELECT hypertable, server, cluster_by, bloom_columns, indexes, verify FROM strata.cold_setting
WHERE hypertable = 'tier_m'::regclass;
SET client_min_messages = warning;
CREATE TABLE tier_amount (amount numeric, ts timestamptz, PRIMARY KEY (amount, ts)) PARTITION BY RANGE (ts);
SELECT created FROM strata.create_hypertable('tier_amount', strata.by_range('ts', interval '1 month'));
RESET client_min_messages;
SELECT strata.set_cold_storage('tier_amount');
SET client_min_messages = warning;
DROP TABLE tier_amount;
SELECT count(*) FROM strata.cold_setting WHERE hypertable::text ~ 'tier';

-- limits and bounds
CALL strata.tier_chunks('tier_m', max_chunks => 0);
CALL strata.tier_chunks('tier_m', over_bytes => -1);
CALL strata.tier_chunks('tier_m', older_than => 5);
CALL strata.tier_chunks('tier_m', older_than => interval '1 day', newer_than => timestamptz '2100-01-01');
CALL strata.tier_chunks('tier_m', newer_than => timestamptz '2025-02-01', older_than => date '2025-03-01');
SELECT range_start FROM strata.cold_files WHERE hypertable = 'tier_m'::regclass ORDER BY 1;
CALL strata.tier_chunks('tier_m', older_than => interval '1 day', max_chunks => 1);
SELECT range_start FROM strata.cold_files WHERE hypertable = 'tier_m'::regclass ORDER BY 1;
-- oldest first until the rest is small enough: nothing to do, then everything
CALL strata.tier_chunks('tier_m', over_bytes => 1000000000);
SELECT count(*) FROM strata.cold_files WHERE hypertable = 'tier_m'::regclass;
CALL strata.tier_chunks('tier_m', over_bytes => 0);
SELECT count(*), sum(rows) FROM strata.cold_files WHERE hypertable = 'tier_m'::regclass;
SELECT e.state, count(*) FROM strata.cold_exports e JOIN strata.chunks USING (chunk) WHERE hypertable_name = 'tier_m' GROUP BY 1;
SELECT * FROM strata.cold_progress;
SELECT count(*), sum(dev) FROM tier_m;
BEGIN;
CALL strata.tier_chunks('tier_m');
ROLLBACK;
CALL strata.untier_chunks('tier_m');
SELECT count(*), sum(dev) FROM tier_m;
BEGIN;
CALL strata.tier_chunks('tier_m', older_than => timestamptz '2025-02-01', wait => false);
SELECT e.state, c.range_start FROM strata.cold_exports e JOIN strata.chunks c USING (chunk) ORDER BY id DESC LIMIT 1;
ROLLBACK;
SELECT count(*) FROM strata.cold_exports WHERE state = 'queued';

CREATE TABLE tier_n (n int PRIMARY KEY, v int) PARTITION BY RANGE (n);
SELECT created FROM strata.create_hypertable('tier_n', strata.by_range('n', 100));
DO $$ BEGIN PERFORM strata.premake_chunks('tier_n', 0, 400); END $$; -- a worker may have made some already
INSERT INTO tier_n SELECT g, g FROM generate_series(0, 349) g;
CALL strata.tier_chunks('tier_n', older_than => 200);
SELECT range_start, rows FROM strata.cold_files WHERE hypertable = 'tier_n'::regclass ORDER BY 1;
CALL strata.tier_chunks('tier_n', older_than => interval '1 day');
SELECT count(*), sum(v) FROM tier_n;

CREATE TABLE tier_d (d date, v int) PARTITION BY RANGE (d);
SELECT created FROM strata.create_hypertable('tier_d', strata.by_range('d', interval '1 week'));
SELECT count(*) FROM strata.premake_chunks('tier_d', date '2025-01-06', date '2025-01-27');
INSERT INTO tier_d SELECT date '2025-01-06' + g, g FROM generate_series(0, 20) g;
CALL strata.tier_chunks('tier_d', older_than => date '2025-01-20');
SELECT rows, range_start, range_end FROM strata.cold_files WHERE hypertable = 'tier_d'::regclass ORDER BY range_start;
SELECT count(*), sum(v) FROM tier_d;

-- policies
SELECT strata.add_tiering_policy('tier_m');
SELECT strata.add_tiering_policy(NULL, interval '1 day');
SELECT strata.add_tiering_policy('pg_class', interval '1 day');
SELECT strata.add_tiering_policy('tier_m', interval '-1 day');
SELECT strata.add_tiering_policy('tier_m', interval '1 day', max_per_run => 0);
SELECT strata.add_tiering_policy('tier_m', keep_hot_bytes => -1);
SELECT strata.add_tiering_policy('tier_m', interval '1 day', schedule_interval => interval '0');
SELECT strata.add_tiering_policy('tier_n', interval '1 day');
SELECT strata.remove_tiering_policy('tier_m');
SELECT strata.add_tiering_policy('tier_m', interval '30 days', schedule_interval => interval '1 day') > 0 AS made;
SELECT strata.add_tiering_policy('tier_m', interval '30 days');
RESET client_min_messages;
SELECT strata.add_tiering_policy('tier_m', interval '30 days', if_not_exists => true);
SELECT strata.add_tiering_policy('tier_m', interval '60 days', if_not_exists => true);
SELECT strata.remove_tiering_policy('tier_n', if_exists => true);
SELECT proc_name, schedule_interval, config, hypertable_name FROM strata.jobs WHERE proc_name = 'policy_tiering';
SELECT strata.remove_tiering_policy('tier_m');
SELECT count(*) FROM strata.jobs WHERE proc_name = 'policy_tiering';

-- only the owner
CREATE ROLE regress_tiering_other;
SET ROLE regress_tiering_other;
SELECT strata.add_tiering_policy('tier_m', interval '30 days');
SELECT strata.remove_tiering_policy('tier_m', if_exists => true);
SELECT strata.set_cold_storage('tier_m');
SELECT strata._cold_rows_read('tier_m');
RESET ROLE;
DROP ROLE regress_tiering_other;
SET client_min_messages = warning;
DROP TABLE tier_m, tier_n, tier_d;
