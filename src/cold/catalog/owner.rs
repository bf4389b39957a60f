//! Who owns which folder of which server, as far as this database knows.

use super::gc::{delay, stand};
use crate::cold::catalog::spec;
use crate::cold::owner::{Held, Me, folder};
use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};

// folders are enlisted before the first object is sent there, under the identity of that moment
const ENLIST: &str = "INSERT INTO strata.cold_lease (server, folder, owner_token, timeline) VALUES ($1, $2, $3, $4) \
    ON CONFLICT DO NOTHING";
// the last one: its value is too young to prove anything, and nobody needs another one
const LEASES: &str = concat!(
    "SELECT server::text, folder, owner_token, timeline, last_value, intended_value, \
    coalesce((extract(epoch FROM adopted_at) * 1000000)::bigint, 0), stopped, \
    $2 > 0 AND l.intended_value IS NULL AND coalesce(l.renewed_at > clock_timestamp() - ",
    stand!("$2"),
    ", false) AND NOT EXISTS (SELECT FROM strata.cold_file f WHERE f.server = l.server AND f.state = 'live' \
        AND f.created_at > l.renewed_at AND split_part(f.key, '/', 1) = l.folder) \
    FROM strata.cold_lease l WHERE $1 IS NULL OR server = $1 ORDER BY server, folder"
);
// written only by those who know what the row says: an adoption may have come in between
const INTEND: &str = "UPDATE strata.cold_lease SET intended_value = $5 WHERE server = $1 AND folder = $2 \
    AND last_value IS NOT DISTINCT FROM $3 AND intended_value IS NOT DISTINCT FROM $4 AND stopped IS NULL";
// the value before it was found as it had been left, and had stood long enough for a twin to object
const WRITTEN: &str = concat!(
    "UPDATE strata.cold_lease SET last_value = $3, intended_value = NULL, \
    proven_at = CASE WHEN renewed_at <= clock_timestamp() - ",
    stand!("$4"),
    " THEN renewed_at ELSE proven_at END, \
    renewed_at = clock_timestamp(), failures = 0, retry_at = NULL, last_error = NULL \
    WHERE server = $1 AND folder = $2 AND intended_value = $3"
);
const STOP: &str = "UPDATE strata.cold_lease SET stopped = $5 WHERE server = $1 AND folder = $2 \
    AND last_value IS NOT DISTINCT FROM $3 AND intended_value IS NOT DISTINCT FROM $4 AND stopped IS NULL";
const REMINDED: &str = concat!(
    "UPDATE strata.cold_lease SET retry_at = clock_timestamp() + ",
    stand!("$3"),
    " / 2 WHERE server = $1 AND folder = $2 AND stopped IS NOT NULL"
);
// 1 minute, 2, 4, ... an hour
const FAILED: &str = "UPDATE strata.cold_lease SET failures = failures + 1, last_error = $3, \
    retry_at = clock_timestamp() + least(power(2, least(failures, 10)), 60) * interval '1 minute' \
    WHERE server = $1 AND folder = $2";

// live files, and what is left of others
const FOLDERS: &str = "SELECT folder FROM (SELECT split_part(key, '/', 1) AS folder FROM strata.cold_file \
    WHERE server = $1 AND state = 'live' \
    UNION SELECT split_part(key, '/', 1) FROM strata.cold_delete_queue WHERE server = $1 \
    UNION SELECT split_part(key, '/', 1) FROM strata.cold_upload WHERE server = $1 \
    UNION SELECT l.folder FROM strata.cold_lease l WHERE l.server = $1) f ORDER BY folder";
const ADOPT: &str = "INSERT INTO strata.cold_lease (server, folder, owner_token, timeline, last_value, adopted_at, \
    renewed_at) VALUES ($1, $2, $3, $4, $5, to_timestamp($6 / 1000000.0), clock_timestamp()) \
    ON CONFLICT (server, folder) DO UPDATE SET owner_token = excluded.owner_token, timeline = excluded.timeline, \
    last_value = excluded.last_value, intended_value = NULL, adopted_at = excluded.adopted_at, proven_at = NULL, \
    renewed_at = excluded.renewed_at, stopped = NULL, failures = 0, retry_at = NULL, last_error = NULL";
const ADOPT_FILES: &str =
    "UPDATE strata.cold_file SET owner_token = $2 WHERE server = $1 AND state = 'live'";
const ADOPT_QUEUE: &str = "UPDATE strata.cold_delete_queue SET owner_token = $2 WHERE server = $1";

const NEW_INSTALL: &str = "UPDATE strata.cold_owner SET install = gen_random_uuid()";
// what stays ours gets the new token
const KEEP_FILES: &str =
    "UPDATE strata.cold_file SET owner_token = $3 WHERE server <> $1 AND owner_token = $2";
const KEEP_QUEUE: &str =
    "UPDATE strata.cold_delete_queue SET owner_token = $3 WHERE server <> $1 AND owner_token = $2";
const KEEP_LEASES: &str =
    "UPDATE strata.cold_lease SET owner_token = $3 WHERE server <> $1 AND owner_token = $2";
const LEAVE_LEASES: &str = "DELETE FROM strata.cold_lease WHERE $1 IS NULL OR server = $1";
const LEAVE_QUEUE: &str = "DELETE FROM strata.cold_delete_queue WHERE $1 IS NULL OR server = $1";
const LEAVE_UPLOADS: &str = "DELETE FROM strata.cold_upload WHERE $1 IS NULL OR server = $1";
const COUNT: &str =
    "SELECT count(*) FROM strata.cold_file WHERE state = 'live' AND ($1 IS NULL OR server = $1)";
const HERE: &str = "SELECT format('database \"%s\" on host %s, port %s, %s UTC', current_database(), $1, \
    current_setting('port'), to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS'))";

/// A folder of a server that this database writes to, or owns.
#[derive(Debug, Clone)]
pub struct Folder {
    pub server: String,
    pub folder: String,
    pub held: Held,
    /// Why nothing is deleted there until somebody decides.
    pub stopped: Option<String>,
    /// The value there was written so lately that a new one would prove nothing, and no file came since.
    pub young: bool,
}

/// Who this database is now. Not on a standby, which has no timeline of its own.
pub fn me() -> Result<Me> {
    Ok(Me {
        token: spec::identity()?.token(),
        timeline: session::timeline(),
    })
}

/// Notes that an object is about to be sent to this folder of this server: in the transaction of its intent.
pub fn enlist(server: &str, key: &str) -> Result<()> {
    let me = me()?;
    let args = [
        server.into(),
        folder(key).into(),
        me.token.as_str().into(),
        i64::from(me.timeline).into(),
    ];
    as_extension_owner(|| spi::execute(ENLIST, &args)).map(|_| ())
}

/// All folders, or those of one server.
pub fn folders(server: Option<&str>) -> Result<Vec<Folder>> {
    as_extension_owner(|| {
        spi::read_latest(LEASES, &[server.into(), delay().into()], |row| {
            Ok(Folder {
                server: row.need(1)?,
                folder: row.need(2)?,
                held: Held {
                    token: row.need(3)?,
                    timeline: u32::try_from(row.need::<i64>(4)?).unwrap_or(0),
                    last: row.get(5)?,
                    intended: row.get(6)?,
                    adopted_us: row.need(7)?,
                },
                stopped: row.get(8)?,
                young: row.need(9)?,
            })
        })
    })
}

fn if_unchanged(sql: &str, f: &Folder, value: &str) -> Result<bool> {
    let args = [
        f.server.as_str().into(),
        f.folder.as_str().into(),
        f.held.last.as_deref().into(),
        f.held.intended.as_deref().into(),
        value.into(),
    ];
    as_extension_owner(|| spi::execute(sql, &args)).map(|n| n == 1)
}

/// Records the value that is about to be written; must be committed before. False when the row has changed.
pub fn intend(folder: &Folder, value: &str) -> Result<bool> {
    if_unchanged(INTEND, folder, value)
}

/// The value lies in the store. False when the row has changed.
pub fn written(folder: &Folder, value: &str) -> Result<bool> {
    let args = [
        folder.server.as_str().into(),
        folder.folder.as_str().into(),
        value.into(),
        delay().into(),
    ];
    as_extension_owner(|| spi::execute(WRITTEN, &args)).map(|n| n == 1)
}

/// Nothing is deleted there any more until somebody decides; unless the row has changed.
pub fn stop(folder: &Folder, why: &str) -> Result<bool> {
    if_unchanged(STOP, folder, why)
}

/// The twin was told once more; that is enough for some hours.
pub fn reminded(folder: &Folder) -> Result<()> {
    let args = [
        folder.server.as_str().into(),
        folder.folder.as_str().into(),
        delay().into(),
    ];
    as_extension_owner(|| spi::execute(REMINDED, &args)).map(|_| ())
}

/// The folder could not be worked on; it is left alone for a while.
pub fn failed(folder: &Folder, error: &str) -> Result<()> {
    let args = [
        folder.server.as_str().into(),
        folder.folder.as_str().into(),
        error.into(),
    ];
    as_extension_owner(|| spi::execute(FAILED, &args)).map(|_| ())
}

/// Every folder of a server that the catalog names, whoever wrote there.
pub fn named_folders(server: &str) -> Result<Vec<String>> {
    as_extension_owner(|| spi::read_latest(FOLDERS, &[server.into()], |row| row.need(1)))
}

/// A folder is ours since this moment, with this value in it.
pub fn adopt_folder(server: &str, folder: &str, me: &Me, value: &str, at_us: i64) -> Result<()> {
    let args = [
        server.into(),
        folder.into(),
        me.token.as_str().into(),
        i64::from(me.timeline).into(),
        value.into(),
        at_us.into(),
    ];
    as_extension_owner(|| spi::execute(ADOPT, &args)).map(|_| ())
}

/// All files of a server are ours; their number.
pub fn adopt_files(server: &str, me: &Me) -> Result<i64> {
    let args = [server.into(), me.token.as_str().into()];
    as_extension_owner(|| {
        spi::execute(ADOPT_QUEUE, &args)?;
        let files = spi::execute(ADOPT_FILES, &args)?;
        Ok(i64::try_from(files).unwrap_or(i64::MAX))
    })
}

/// A new identity, under which the files of one server, or of all, are somebody else's; their number.
pub fn fork(server: Option<&str>) -> Result<i64> {
    as_extension_owner(|| {
        let old = spec::identity()?.token();
        spi::execute(NEW_INSTALL, &[])?;
        let new = spec::identity()?.token();
        if let Some(server) = server {
            let args = [server.into(), old.as_str().into(), new.as_str().into()];
            for keep in [KEEP_FILES, KEEP_QUEUE, KEEP_LEASES] {
                spi::execute(keep, &args)?;
            }
        }
        for leave in [LEAVE_LEASES, LEAVE_QUEUE, LEAVE_UPLOADS] {
            spi::execute(leave, &[server.into()])?;
        }
        let count = spi::read_latest(COUNT, &[server.into()], |row| row.need(1))?;
        Ok(count.into_iter().next().unwrap_or(0))
    })
}

/// This database at this time, for people who find the owner file of a folder.
pub fn here() -> Result<String> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown",
        host => host,
    };
    let found = as_extension_owner(|| spi::read_latest(HERE, &[host.into()], |row| row.need(1)))?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| Error::internal("no answer"))
}
