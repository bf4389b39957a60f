//! Statements that make, change and drop queues; all run as the extension's owner.

use super::own;
use super::settings::{Changes, Settings};
use crate::error::{Error, Result};
use crate::pg::catalog::quote_qualified;
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_watch, spi};
use pgrx::datum::Interval;
use pgrx::pg_sys::Oid;

pub type Stored = Settings<Interval>;

/// What `create_queue` takes for what is not given.
pub fn defaults() -> Stored {
    Settings {
        lease: Interval::from_micros(300_000_000),
        max_attempts: 5,
        retry_delay: Interval::from_micros(5_000_000),
        retry_factor: 2.0,
        retry_max: Interval::from_micros(3_600_000_000),
        retry_jitter: 0.1,
        keep: "failed".into(),
        dead_letter: None,
        max_ready: None,
        group_limit: 1,
        group_on_fail: "continue".into(),
        notify: "auto".into(),
        notify_channel: "strata_queue".into(),
        dedicated: false,
    }
}

/// What an SQL function was given; NULL leaves a setting as it is.
pub type Given = Changes<Interval>;

/// Microseconds of a setting, a month being 30 days.
pub fn us(time: &Interval) -> i64 {
    let days = i64::from(time.months()) * 30 + i64::from(time.days());
    days.saturating_mul(86_400_000_000)
        .saturating_add(time.micros())
}

const NUMBER: &str = "SELECT nextval('strata.queue_qid_seq')::int4";
const EXISTS: &str = "SELECT true FROM strata.queue WHERE name = $1";
const ADD: &str = "INSERT INTO strata.queue (qid, name, owner, owner_oid, ring, lease, max_attempts, retry_delay, \
    retry_factor, retry_max, retry_jitter, keep, dead_letter, max_ready, group_limit, group_on_fail, notify, notify_channel) \
    SELECT $14, $15, r.rolname, r.oid, $16, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13 \
    FROM pg_roles r WHERE r.oid = $17 ON CONFLICT (name) DO NOTHING RETURNING qid";
const CHANGE: &str = "UPDATE strata.queue SET lease = $1, max_attempts = $2, retry_delay = $3, retry_factor = $4, \
    retry_max = $5, retry_jitter = $6, keep = $7, dead_letter = $8, max_ready = $9, group_limit = $10, \
    group_on_fail = $11, notify = $12, notify_channel = $13 WHERE qid = $14";
const STORED: &str = "SELECT lease, max_attempts, retry_delay, retry_factor, retry_max, retry_jitter, keep, dead_letter, \
    max_ready, group_limit, group_on_fail, notify, notify_channel, ring > 1 FROM strata.queue WHERE qid = $1 FOR UPDATE";

/// True when there is a queue of this name.
pub fn exists(name: &str) -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(EXISTS, &[name.into()], |_| Ok(())))?;
    Ok(!found.is_empty())
}

/// A number for a new queue.
pub fn number() -> Result<i32> {
    let number = as_extension_owner(|| spi::write_one(NUMBER, &[], |r| r.need(1)))?;
    number.ok_or_else(|| Error::internal("no number for a queue"))
}

/// Adds a queue; false if the name is taken.
pub fn add(qid: i32, name: &str, ring: i32, owner: Oid, settings: Stored) -> Result<bool> {
    as_extension_owner(|| {
        let s = settings;
        let args = [
            s.lease.into(),
            s.max_attempts.into(),
            s.retry_delay.into(),
            s.retry_factor.into(),
            s.retry_max.into(),
            s.retry_jitter.into(),
            s.keep.into(),
            s.dead_letter.into(),
            s.max_ready.into(),
            s.group_limit.into(),
            s.group_on_fail.into(),
            s.notify.into(),
            s.notify_channel.into(),
            qid.into(),
            name.into(),
            ring.into(),
            owner.into(),
        ];
        let made = spi::write_one(ADD, &args, |r| r.need::<i32>(1))?;
        queue_watch::changed("queue");
        Ok(made.is_some())
    })
}

/// The settings of a queue, which nobody else changes to the end of the transaction. `None`: it was dropped.
pub fn locked(qid: i32) -> Result<Option<Stored>> {
    as_extension_owner(|| {
        spi::write_one(STORED, &[qid.into()], |r| {
            Ok(Settings {
                lease: r.need(1)?,
                max_attempts: r.need(2)?,
                retry_delay: r.need(3)?,
                retry_factor: r.need(4)?,
                retry_max: r.need(5)?,
                retry_jitter: r.need(6)?,
                keep: r.need(7)?,
                dead_letter: r.get(8)?,
                max_ready: r.get(9)?,
                group_limit: r.need(10)?,
                group_on_fail: r.need(11)?,
                notify: r.need(12)?,
                notify_channel: r.need(13)?,
                dedicated: r.need(14)?,
            })
        })
    })
}

/// Stores the settings of a queue, but for where its jobs lie.
pub fn change(qid: i32, settings: Stored) -> Result<()> {
    as_extension_owner(|| {
        let s = settings;
        let args = [
            s.lease.into(),
            s.max_attempts.into(),
            s.retry_delay.into(),
            s.retry_factor.into(),
            s.retry_max.into(),
            s.retry_jitter.into(),
            s.keep.into(),
            s.dead_letter.into(),
            s.max_ready.into(),
            s.group_limit.into(),
            s.group_on_fail.into(),
            s.notify.into(),
            s.notify_channel.into(),
            qid.into(),
        ];
        spi::execute(CHANGE, &args)?;
        queue_watch::changed("queue");
        Ok(())
    })
}

const RENAME: &str = "UPDATE strata.queue SET name = $2 WHERE name = $1";
const RENAME_DEAD: &str = "UPDATE strata.queue SET dead_letter = $2 WHERE dead_letter = $1";
const OWNER: &str = "UPDATE strata.queue q SET owner = r.rolname, owner_oid = r.oid FROM pg_roles r \
    WHERE q.qid = $1 AND r.oid = $2";
const PAUSE: &str = "UPDATE strata.queue SET paused = $2 WHERE qid = $1 AND paused <> $2";
const RING: &str = "UPDATE strata.queue SET ring = $2 WHERE qid = $1";
const MISSING_CREATE: &str = "SELECT format('GRANT CREATE ON DATABASE %I TO %s', current_database(), $1::regrole) \
    WHERE NOT has_database_privilege($1::oid, current_database(), 'CREATE')";
const DEAD_OF: &str = "SELECT dead_letter FROM strata.queue WHERE name = $1";
const DEAD_FOR: &str =
    "SELECT name FROM strata.queue WHERE dead_letter = $1 AND name <> $1 ORDER BY name";
const NO_DEAD: &str = "UPDATE strata.queue SET dead_letter = NULL WHERE dead_letter = $1";

fn update(sql: &str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<()> {
    as_extension_owner(|| spi::execute(sql, args))?;
    queue_watch::changed("queue");
    Ok(())
}

/// Gives a queue another name, also where it is a dead letter queue.
pub fn rename(from: &str, to: &str) -> Result<()> {
    update(RENAME, &[from.into(), to.into()])?;
    update(RENAME_DEAD, &[from.into(), to.into()])
}

pub fn set_owner(qid: i32, owner: Oid) -> Result<()> {
    update(OWNER, &[qid.into(), owner.into()])
}

pub fn set_paused(qid: i32, paused: bool) -> Result<()> {
    update(PAUSE, &[qid.into(), paused.into()])
}

pub fn set_ring(qid: i32, ring: i32) -> Result<()> {
    update(RING, &[qid.into(), ring.into()])
}

/// What lets a role make objects in this database; `None` if it may.
pub fn missing_create(role: Oid) -> Result<Option<String>> {
    as_extension_owner(|| spi::read_one(MISSING_CREATE, &[role.into()], |r| r.need(1)))
}

/// The dead letter queue of a queue.
pub fn dead_letter_of(name: &str) -> Result<Option<String>> {
    let found = as_extension_owner(|| spi::read_latest(DEAD_OF, &[name.into()], |r| r.get(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// Queues whose failed jobs are copied to this one.
pub fn dead_letter_for(name: &str) -> Result<Vec<String>> {
    as_extension_owner(|| spi::read_latest(DEAD_FOR, &[name.into()], |r| r.need(1)))
}

const STREAMS: &str = "SELECT qid FROM strata.queue_stream WHERE queue = $1";
// the history outlives its queue; everything else of ours that knows a queue by its number goes with it
const TABLES: &str = "SELECT c.relname::text, c.reloftype = 'strata.queue_row'::regtype FROM pg_class c \
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'qid' \
    WHERE c.relnamespace = 'strata'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
    AND c.relname NOT IN ('queue', 'queue_stream') AND c.relname NOT LIKE 'queue\\_history%' \
    AND c.relname NOT LIKE 'queue\\_ended%' AND pg_get_userbyid(c.relowner) = current_user ORDER BY c.relname";

/// Numbers under which the jobs of a queue lie: its own, and those of its streams.
pub fn numbers(qid: i32) -> Result<Vec<i32>> {
    if own::is_own(qid) {
        return own::streams();
    }
    let mut all = vec![qid];
    all.extend(as_extension_owner(|| {
        spi::read_latest(STREAMS, &[qid.into()], |r| r.need::<i32>(1))
    })?);
    Ok(all)
}

/// Tables with a column `qid`, and whether their rows are jobs.
fn tables() -> Result<Vec<(String, bool)>> {
    as_extension_owner(|| {
        spi::read_latest(TABLES, &[], |r| {
            let name: String = r.need(1)?;
            Ok((quote_qualified("strata", &name), r.need(2)?))
        })
    })
}

/// In the order in which the end of a job locks its rows, so that nobody who ends one waits in a circle: the job, its
/// ticket, its key, and the rest.
fn in_order(mut tables: Vec<(String, bool)>) -> Vec<String> {
    tables.sort_by_key(|(table, jobs)| {
        let is = |name: &str| table.contains(name);
        (!jobs, !is("queue_ticket"), !is("queue_key"))
    });
    tables.into_iter().map(|(table, _)| table).collect()
}

/// Number of living jobs of a queue, as of now.
pub fn live_jobs(numbers: &[i32]) -> Result<i64> {
    let mut all = 0;
    for (table, _) in tables()?.iter().filter(|(_, jobs)| *jobs) {
        all += count(table, numbers)?;
    }
    Ok(all)
}

fn count(table: &str, numbers: &[i32]) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM {table} WHERE qid = ANY ($1)");
    let args = [numbers.to_vec().into()];
    let found = as_extension_owner(|| spi::read_latest(&sql, &args, |r| r.need(1)))?;
    Ok(found.first().copied().unwrap_or(0))
}

/// Jobs of a queue that are ready or running: those that lie in the segments of its ring.
pub fn jobs_in_segments(ring: i32, numbers: &[i32]) -> Result<i64> {
    let mut all = 0;
    for segment in &super::known::ring(ring)?.segments {
        let table = crate::pg::catalog::qualified_name(segment.table)?;
        all += count(&table, numbers)?;
    }
    Ok(all)
}

const FORGET_STREAMS: &str = "DELETE FROM strata.queue_stream WHERE queue = $1";
const FORGET: &str = "DELETE FROM strata.queue WHERE qid = $1";

/// Deletes a queue and everything that knows it by its number, but for its history.
pub fn forget(qid: i32, name: &str, numbers: &[i32]) -> Result<()> {
    as_extension_owner(|| {
        let tables = in_order(tables()?);
        // from now on nothing is moved from one half of a store to the other
        let lock = format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE", tables.join(", "));
        spi::execute(&lock, &[])?;
        for table in tables {
            let sql = format!("DELETE FROM {table} WHERE qid = ANY ($1)");
            spi::execute_latest(&sql, &[numbers.to_vec().into()])?;
        }
        spi::execute(FORGET_STREAMS, &[qid.into()])?;
        spi::execute(NO_DEAD, &[name.into()])?;
        spi::execute(FORGET, &[qid.into()])?;
        Ok::<_, Error>(())
    })?;
    for table in ["queue", "queue_stream", "queue_grant"] {
        queue_watch::changed(table);
    }
    Ok(())
}

const SEGMENTS: &str = "SELECT name::text FROM strata.queue_segment WHERE ring = $1";
const FORGET_SEGMENTS: &str =
    "DELETE FROM strata.queue_segment WHERE ring = $1 AND name = ANY ($2)";

const NAMES: &str = "SELECT name FROM strata.queue ORDER BY name";
// both halves of a store, see `pair`
const STORES: &str = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'strata'::regnamespace \
    AND c.relkind = 'r' AND c.relname IN ($1 || '_a', $1 || '_b')";

/// Names of all queues.
pub fn names() -> Result<Vec<String>> {
    as_extension_owner(|| spi::read_latest(NAMES, &[], |r| r.need(1)))
}

/// Number of jobs in a store of waiting ones, by the number of their queue or stream.
pub fn waiting(store: &str) -> Result<Vec<(i32, i64)>> {
    as_extension_owner(|| {
        let mut all = Vec::new();
        for name in spi::read_latest(STORES, &[store.into()], |r| r.need::<String>(1))? {
            let table = quote_qualified("strata", &name);
            let sql = format!("SELECT qid, count(*) FROM {table} GROUP BY qid");
            all.extend(spi::read_latest(&sql, &[], |r| {
                Ok((r.need(1)?, r.need(2)?))
            })?);
        }
        Ok(all)
    })
}

const USED: &str = "SELECT true FROM strata.queue WHERE ring = $1 LIMIT 1";

/// True when no queue has its jobs in this ring.
pub fn is_unused(ring: i32) -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(USED, &[ring.into()], |_| Ok(())))?;
    Ok(found.is_empty())
}

/// Drops all segments of a ring.
pub fn drop_ring(ring: i32) -> Result<()> {
    as_extension_owner(|| {
        // until the first ones are locked the background worker may make others
        loop {
            let names = spi::read_latest(SEGMENTS, &[ring.into()], |r| r.need::<String>(1))?;
            if names.is_empty() {
                break;
            }
            for name in &names {
                let table = quote_qualified("strata", name);
                spi::execute(&format!("DROP TABLE IF EXISTS {table}"), &[])?;
            }
            spi::write_kept(FORGET_SEGMENTS, &[ring.into(), names.into()], |_| Ok(()))?;
        }
        queue_watch::changed("queue_segment");
        Ok(())
    })
}
