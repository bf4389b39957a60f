//! `strata.health()`: one row for each thing that should be right, with a hint where it is not. Reads only, so
//! that it works on a standby, and without the library being preloaded.

use super::catalog::here;
use crate::error::Result;
use crate::pg::catalog::{current_user, extension};
use crate::pg::owner::as_extension_owner;
use crate::pg::session;
use crate::pg::spi::{self, LatestRow};

/// Name, value, whether that is as it should be, and what to do otherwise.
pub type Finding = (String, Option<String>, bool, Option<String>);

// $1 version of the library, $2 preloaded
const SERVER: &str = "
WITH act AS (SELECT a.pid, a.backend_type AS kind, a.datid FROM pg_stat_activity a),
here AS (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
-- what is no background worker has a kind of the server's own
slots AS (SELECT count(*) AS used, current_setting('max_worker_processes')::int8 AS most FROM act WHERE kind NOT IN (
  'client backend', 'autovacuum launcher', 'autovacuum worker', 'background writer', 'checkpointer', 'archiver',
  'walwriter', 'walsender', 'walreceiver', 'walsummarizer', 'startup', 'slotsync worker', 'io worker', 'logger',
  'standalone backend')),
ours AS (SELECT min(pid) FILTER (WHERE kind = 'pg_strata launcher') AS launcher,
  min(pid) FILTER (WHERE kind = 'pg_strata worker' AND datid = (SELECT oid FROM here)) AS worker,
  count(*) FILTER (WHERE kind = 'pg_strata job' AND datid = (SELECT oid FROM here)) AS jobs,
  count(*) FILTER (WHERE kind = 'pg_strata maker' AND datid = (SELECT oid FROM here)) AS makers FROM act),
server AS (SELECT pg_is_in_recovery() AS standby, $2 AS preloaded)
SELECT f.name, f.value, f.ok, CASE WHEN NOT f.ok THEN f.hint END FROM ours, slots, server, LATERAL (VALUES
  ('library version', $1, true, NULL),
  ('catalog version', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'pg_strata'),
   EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_strata' AND e.extversion = $1),
   'ALTER EXTENSION pg_strata UPDATE, or restart the server if that was done'),
  ('preloaded', CASE WHEN preloaded THEN 'yes' ELSE 'no' END, preloaded,
   'shared_preload_libraries = ''pg_strata'' in postgresql.conf, then restart the server; until then CALL strata.run_maintenance()'),
  ('standby', CASE WHEN standby THEN 'yes: reads only, nothing runs' ELSE 'no' END, true, NULL),
  ('launcher', CASE WHEN launcher IS NOT NULL THEN 'runs as process ' || launcher ELSE 'does not run' END,
   launcher IS NOT NULL OR standby OR NOT preloaded, 'the server log says why; it is started again after 5 seconds'),
  ('worker of this database', CASE WHEN worker IS NOT NULL THEN 'runs as process ' || worker ELSE 'does not run' END,
   worker IS NOT NULL OR standby OR NOT preloaded, 'it may be starting; otherwise the server log says why'),
  ('background workers', format('%s of %s in use', used, most), used < most,
   'raise max_worker_processes in postgresql.conf and restart the server'),
  ('chunk makers', makers::text, true, NULL),
  ('running jobs', format('%s of %s', jobs, current_setting('strata.max_running_jobs')),
   current_setting('strata.max_running_jobs')::int8 > 0, 'strata.max_running_jobs = 2 in postgresql.conf'))
  AS f(name, value, ok, hint)";

// $1 who asks, $2 this database as jobs know it
const JOBS: &str = "
WITH jobs AS (
  SELECT j.id, j.scheduled, j.home, s.failures, s.last_ok, s.next_start FROM strata.job j
  LEFT JOIN strata.job_state s ON s.job_id = j.id LEFT JOIN pg_class c ON c.oid = j.hypertable
  WHERE pg_has_role($1, coalesce(c.relowner, strata._job_owner(j.home, j.owner, j.owner_oid)), 'USAGE') OR pg_has_role($1, 'pg_monitor', 'USAGE')),
error AS (SELECT r.finish_time, r.job_id, r.sqlerrcode, r.err_message FROM strata.job_run r
  WHERE NOT r.succeeded AND r.job_id IN (SELECT id FROM jobs) ORDER BY r.id DESC LIMIT 1),
leaving AS (SELECT count(*) AS n, min(d.noted_at) AS since FROM strata.detaching d WHERE d.action <> 'failed')
SELECT f.name, f.value, f.ok, CASE WHEN NOT f.ok THEN f.hint END FROM leaving, LATERAL (VALUES
  ('jobs', (SELECT count(*) FILTER (WHERE scheduled)::text FROM jobs), true, NULL),
  ('jobs of another database', (SELECT count(*)::text FROM jobs WHERE home <> $2),
   NOT EXISTS (SELECT FROM jobs WHERE home <> $2), 'SELECT strata.start_workers() lets them run here'),
  ('failing jobs', (SELECT count(*)::text FROM jobs WHERE failures > 0),
   NOT EXISTS (SELECT FROM jobs WHERE failures > 0), 'SELECT * FROM strata.job_errors'),
  ('jobs that gave up', (SELECT count(*)::text FROM jobs WHERE NOT scheduled AND last_ok = false),
   NOT EXISTS (SELECT FROM jobs WHERE NOT scheduled AND last_ok = false), 'SELECT strata.alter_job(job_id, scheduled => true)'),
  ('overdue jobs', (SELECT count(*)::text FROM jobs WHERE scheduled AND home = $2 AND next_start < clock_timestamp() - interval '5 minutes'),
   NOT EXISTS (SELECT FROM jobs WHERE scheduled AND home = $2 AND next_start < clock_timestamp() - interval '5 minutes'),
   'jobs that run for long hold the others up: give them a max_runtime, or raise strata.max_running_jobs'),
  ('last error', (SELECT format('%s job %s: %s %s', date_trunc('second', finish_time), job_id, sqlerrcode, err_message) FROM error), true, NULL),
  ('chunks on their way out', n::text, n = 0 OR since > clock_timestamp() - interval '1 hour',
   'old transactions or locks hold them up: SELECT * FROM pg_stat_activity ORDER BY xact_start'))
  AS f(name, value, ok, hint)";

fn finding(row: LatestRow) -> Result<Finding> {
    Ok((row.need(1)?, row.get(2)?, row.need(3)?, row.get(4)?))
}

/// What is to be known, for the current user: of jobs those that it may see.
pub fn look() -> Result<Vec<Finding>> {
    let version = env!("CARGO_PKG_VERSION");
    let (user, home) = (current_user(), here());
    as_extension_owner(|| {
        let args = [version.into(), session::preloaded().into()];
        let mut out = spi::read_latest(SERVER, &args, finding)?;
        // an older catalog may lack what is asked for
        if extension().is_some_and(|e| e.version == version) {
            out.extend(spi::read_latest(
                JOBS,
                &[user.into(), home.into()],
                finding,
            )?);
        }
        Ok(out)
    })
}
