//! What may be deleted: the queue, uploads that came to nothing, and what no table names.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{guc, spi};

/// How long a value of an owner file must have stood to prove that no twin is at work: longer than a twin takes to
/// renew it, or to say again that it is disputed. The argument is the delay in seconds.
macro_rules! stand {
    ($delay:literal) => {
        concat!(
            "least(interval '8 hours', greatest(",
            $delay,
            " * interval '1 second' / 4, interval '1 hour'))"
        )
    };
}
pub(super) use stand;

const SERVERS: &str = "SELECT server FROM (SELECT server::text FROM strata.cold_lease UNION \
    SELECT server::text FROM strata.cold_delete_queue UNION SELECT server::text FROM strata.cold_upload) s \
    WHERE $1 IS NULL OR server = $1 ORDER BY server";

// $3: the delay in seconds; $5: only a look, which renews nothing. A file that any chunk needs is never deleted,
// whatever the queue says. Nor one for which it was not proven since it was queued that no twin is at work: the
// first to look after a long time would delete what the other one still needs
const QUEUE: &str = concat!(
    "SELECT q.key, q.bytes, q.reason, q.owner_token = $4, \
    EXISTS (SELECT FROM strata.cold_file f WHERE f.key = q.key AND f.state = 'live'), \
    q.queued_at + $3 * interval '1 second' <= clock_timestamp(), \
    to_char((q.queued_at + $3 * interval '1 second') AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), \
    coalesce(q.retry_at <= clock_timestamp(), true), q.last_error, \
    $3 = 0 OR EXISTS (SELECT FROM strata.cold_lease l WHERE l.server = q.server \
        AND l.folder = split_part(q.key, '/', 1) \
        AND q.queued_at <= CASE WHEN $5 AND l.renewed_at <= clock_timestamp() - ",
    stand!("$3"),
    " THEN l.renewed_at ELSE l.proven_at END) \
    FROM strata.cold_delete_queue q WHERE q.server = $1 AND ($2 IS NULL OR split_part(q.key, '/', 1) = $2) \
    ORDER BY q.queued_at, q.key"
);
const MAY_DELETE: &str = "SELECT EXISTS (SELECT FROM strata.cold_delete_queue q WHERE q.server = $1 AND q.key = $2 \
    AND q.owner_token = $4 AND q.queued_at + $3 * interval '1 second' <= clock_timestamp()) \
    AND NOT EXISTS (SELECT FROM strata.cold_file f WHERE f.key = $2 AND f.state = 'live')";
const DROP: &str = "DELETE FROM strata.cold_delete_queue WHERE server = $1 AND key = $2";
const FAILED: &str = "UPDATE strata.cold_delete_queue SET attempts = attempts + 1, last_error = $3, \
    retry_at = clock_timestamp() + least(power(2, least(attempts, 10)), 60) * interval '1 minute' \
    WHERE server = $1 AND key = $2";

const UPLOADS: &str = "SELECT key, upload_id, expires_at <= clock_timestamp() FROM strata.cold_upload \
    WHERE server = $1 AND split_part(key, '/', 1) = $2 ORDER BY started_at, key";
// the exporter's swap takes the intent away too: whoever is first decides what becomes of the object
const EXPIRED: &str = "DELETE FROM strata.cold_upload WHERE server = $1 AND key = $2 AND expires_at <= clock_timestamp()";
const QUEUE_ONE: &str = "INSERT INTO strata.cold_delete_queue (server, key, owner_token, bytes, reason) \
    SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM strata.cold_file WHERE key = $2) \
    AND NOT EXISTS (SELECT FROM strata.cold_upload WHERE key = $2) ON CONFLICT DO NOTHING";
// of all servers: two of them may name the same place
const UNKNOWN: &str = "SELECT k FROM unnest($1::text[]) k \
    WHERE NOT EXISTS (SELECT FROM strata.cold_file f WHERE f.key = k) \
    AND NOT EXISTS (SELECT FROM strata.cold_delete_queue q WHERE q.key = k) \
    AND NOT EXISTS (SELECT FROM strata.cold_upload u WHERE u.key = k)";

const NOTE: &str = "INSERT INTO strata.cold_gc_log (run, server, action, key, bytes, reason) \
    VALUES ($1::uuid, $2, $3, $4, $5, $6)";
const NOTES: &str =
    "SELECT action, key, bytes, reason FROM strata.cold_gc_log WHERE run = $1::uuid ORDER BY id";
const SWEEP: &str =
    "DELETE FROM strata.cold_gc_log WHERE at < clock_timestamp() - interval '90 days'";

// A folder wants work when something in it is due, when files came since its owner file was written (a copy of
// the database from before then must find itself out), or when that was a day ago, or a quarter of the delay. One
// that has stopped reminds its twin.
const DUE: &str = concat!(
    "SELECT DISTINCT l.server::text FROM strata.cold_lease l \
    JOIN pg_foreign_server s ON s.srvname = l.server \
    WHERE coalesce(l.retry_at <= clock_timestamp(), true) AND (l.stopped IS NOT NULL \
    OR coalesce(l.renewed_at < clock_timestamp() - least(interval '1 day', \
        greatest($1 * interval '1 second' / 4, interval '1 hour')), true) \
    OR EXISTS (SELECT FROM strata.cold_file f WHERE f.server = l.server AND f.state = 'live' \
        AND f.created_at > l.renewed_at AND split_part(f.key, '/', 1) = l.folder) \
    OR EXISTS (SELECT FROM strata.cold_upload u WHERE u.server = l.server \
        AND split_part(u.key, '/', 1) = l.folder AND u.expires_at <= clock_timestamp()) \
    OR EXISTS (SELECT FROM strata.cold_delete_queue q WHERE q.server = l.server \
        AND split_part(q.key, '/', 1) = l.folder AND q.owner_token = l.owner_token \
        AND q.queued_at + $1 * interval '1 second' <= clock_timestamp() \
        AND coalesce(q.retry_at <= clock_timestamp(), true) \
        AND ($1 = 0 OR coalesce(q.queued_at <= l.proven_at, false) \
        OR coalesce(l.renewed_at <= clock_timestamp() - ",
    stand!("$1"),
    ", true)) \
        AND NOT EXISTS (SELECT FROM strata.cold_file f WHERE f.key = q.key AND f.state = 'live')))"
);
const RENEWABLE: &str = "SELECT DISTINCT l.server::text FROM strata.cold_lease l \
    JOIN strata.cold_file f ON f.server = l.server AND f.state = 'live' AND split_part(f.key, '/', 1) = l.folder \
    WHERE l.stopped IS NULL AND coalesce(f.created_at > l.renewed_at, true)";

/// An object that no chunk needs any more.
#[derive(Debug, Clone)]
pub struct Queued {
    pub key: String,
    pub bytes: Option<i64>,
    pub reason: String,
    /// This database owns it.
    pub ours: bool,
    /// A live chunk has its rows there all the same.
    pub live: bool,
    /// The delay is over.
    pub due: bool,
    /// When it will be.
    pub due_at: String,
    /// False for a while after a failure.
    pub try_now: bool,
    pub last_error: Option<String>,
    /// No twin has written there since it was queued, as far as one can know.
    pub proven: bool,
}

/// An upload that was begun.
#[derive(Debug, Clone)]
pub struct Upload {
    pub key: String,
    pub upload_id: Option<String>,
    pub expired: bool,
}

/// One thing that was done, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub action: String,
    pub key: String,
    pub bytes: Option<i64>,
    pub reason: String,
}

pub(super) fn delay() -> i64 {
    i64::from(guc::COLD_GC_DELAY_S.get())
}

/// True when files are deleted as soon as they are queued.
pub fn nothing_waits() -> bool {
    delay() == 0
}

fn texts(sql: &str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Vec<String>> {
    as_extension_owner(|| spi::read_latest(sql, args, |row| row.need(1)))
}

/// Servers that the catalog has something to do with.
pub fn servers(server: Option<&str>) -> Result<Vec<String>> {
    texts(SERVERS, &[server.into()])
}

/// The queue of a server, or of one of its folders; `token` is this database's. A look would renew the owner file
/// if it were more than that.
pub fn queue(
    server: &str,
    folder: Option<&str>,
    token: &str,
    looks_only: bool,
) -> Result<Vec<Queued>> {
    let args = [
        server.into(),
        folder.into(),
        delay().into(),
        token.into(),
        looks_only.into(),
    ];
    as_extension_owner(|| {
        spi::read_latest(QUEUE, &args, |row| {
            Ok(Queued {
                key: row.need(1)?,
                bytes: row.get(2)?,
                reason: row.need(3)?,
                ours: row.get(4)?.unwrap_or(false),
                live: row.need(5)?,
                due: row.need(6)?,
                due_at: row.need(7)?,
                try_now: row.need(8)?,
                last_error: row.get(9)?,
                proven: row.need(10)?,
            })
        })
    })
}

/// Asked again right before an object is deleted.
pub fn may_delete(server: &str, key: &str, token: &str) -> Result<bool> {
    let args = [server.into(), key.into(), delay().into(), token.into()];
    as_extension_owner(|| {
        Ok(spi::read_latest(MAY_DELETE, &args, |row| row.need(1))?.first() == Some(&true))
    })
}

/// The object is gone, or none of our business.
pub fn drop_queued(server: &str, key: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(DROP, &[server.into(), key.into()])).map(|_| ())
}

/// The object could not be deleted; it is tried again later.
pub fn delete_failed(server: &str, key: &str, error: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(FAILED, &[server.into(), key.into(), error.into()]))
        .map(|_| ())
}

/// Uploads into a folder that have not become a file.
pub fn uploads(server: &str, folder: &str) -> Result<Vec<Upload>> {
    as_extension_owner(|| {
        spi::read_latest(UPLOADS, &[server.into(), folder.into()], |row| {
            Ok(Upload {
                key: row.need(1)?,
                upload_id: row.get(2)?,
                expired: row.need(3)?,
            })
        })
    })
}

/// An object to be queued for deletion.
pub struct Leftover<'a> {
    pub server: &'a str,
    pub key: &'a str,
    pub token: &'a str,
    pub bytes: Option<i64>,
    pub reason: &'a str,
}

/// Takes the intent of an expired upload away; the object, if there is one, joins the queue. False when the
/// exporter was quicker.
pub fn upload_expired(left: &Leftover<'_>, exists: bool) -> Result<bool> {
    as_extension_owner(|| {
        if spi::execute(EXPIRED, &[left.server.into(), left.key.into()])? != 1 {
            return Ok(false);
        }
        if exists {
            queue_one(left)?;
        }
        Ok(true)
    })
}

fn queue_one(left: &Leftover<'_>) -> Result<bool> {
    let args = [
        left.server.into(),
        left.key.into(),
        left.token.into(),
        left.bytes.into(),
        left.reason.into(),
    ];
    Ok(spi::execute(QUEUE_ONE, &args)? == 1)
}

/// An object that nothing names joins the queue. False when something names it by now.
pub fn queue_orphan(left: &Leftover<'_>) -> Result<bool> {
    as_extension_owner(|| queue_one(left))
}

/// Those keys that neither the manifest nor the queue nor an intent names, on whatever server.
pub fn unknown(keys: Vec<String>) -> Result<Vec<String>> {
    texts(UNKNOWN, &[keys.into()])
}

/// Writes down what a run has done.
pub fn note(run: &str, server: &str, a: &Action) -> Result<()> {
    let args = [
        run.into(),
        server.into(),
        a.action.as_str().into(),
        a.key.as_str().into(),
        a.bytes.into(),
        a.reason.as_str().into(),
    ];
    as_extension_owner(|| spi::execute(NOTE, &args)).map(|_| ())
}

/// What a run has written down.
pub fn notes(run: &str) -> Result<Vec<Action>> {
    as_extension_owner(|| {
        spi::read_latest(NOTES, &[run.into()], |row| {
            Ok(Action {
                action: row.need(1)?,
                key: row.need(2)?,
                bytes: row.get(3)?,
                reason: row.need(4)?,
            })
        })
    })
}

/// Forgets what was done long ago.
pub fn sweep_notes() -> Result<()> {
    as_extension_owner(|| spi::execute(SWEEP, &[])).map(|_| ())
}

/// Servers with a folder that wants work.
pub fn due() -> Result<Vec<String>> {
    texts(DUE, &[delay().into()])
}

/// Servers with a folder whose owner file is older than its newest file.
pub fn renewable() -> Result<Vec<String>> {
    texts(RENEWABLE, &[])
}
