//! Objects that an upload may leave behind, and their numbers.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const INTENT: &str = "INSERT INTO strata.cold_upload (key, server, chunk) VALUES ($1, $2, $3)";
const BEGUN: &str = "UPDATE strata.cold_upload SET upload_id = $3 WHERE key = $1 AND server = $2";
const DONE: &str = "DELETE FROM strata.cold_upload WHERE key = $1 AND server = $2";
const EXPIRE: &str =
    "UPDATE strata.cold_upload SET expires_at = now() WHERE key = $1 AND server = $2";
const OF_CHUNK: &str = "SELECT key, server::text, upload_id FROM strata.cold_upload WHERE chunk = $1 ORDER BY started_at";
const QUEUE_DELETE: &str = "INSERT INTO strata.cold_delete_queue (key, server, owner_token, reason) \
    SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM strata.cold_file WHERE server = $2 AND key = $1) \
    ON CONFLICT DO NOTHING";
const GENERATION: &str = "SELECT 1 + greatest( \
    (SELECT coalesce(max(generation), 0) FROM strata.cold_export WHERE chunk = $1::oid), \
    (SELECT coalesce(max(generation), 0) FROM strata.cold_delete_queue WHERE chunk = $1::oid), \
    (SELECT coalesce(max(generation), 0) FROM strata.cold_file WHERE chunk = $1::oid))";

/// An object that an upload was meant to make, or has made.
pub struct Intent {
    pub key: String,
    pub server: String,
    /// of an upload in parts (local: the name of the temporary file), once it has begun
    pub upload_id: Option<String>,
}

/// Records that an object may come to exist; must be committed before its first byte is sent.
pub fn intend(key: &str, server: &str, chunk: pg_sys::Oid) -> Result<()> {
    as_extension_owner(|| spi::execute(INTENT, &[key.into(), server.into(), chunk.into()]))
        .map(|_| ())
}

/// Records what an interrupted upload is aborted by.
pub fn begun(key: &str, server: &str, upload_id: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(BEGUN, &[key.into(), server.into(), upload_id.into()]))
        .map(|_| ())
}

/// The object belongs to the manifest now. False when the intent is gone: then it is on its way to being deleted.
pub fn used(key: &str, server: &str) -> Result<bool> {
    let done = as_extension_owner(|| spi::execute(DONE, &[key.into(), server.into()]))?;
    Ok(done == 1)
}

/// Leaves the rest to the collection of garbage, from now on.
pub fn expire(key: &str, server: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(EXPIRE, &[key.into(), server.into()])).map(|_| ())
}

/// What uploads of a chunk have left.
pub fn of_chunk(chunk: pg_sys::Oid) -> Result<Vec<Intent>> {
    as_extension_owner(|| {
        spi::read_latest(OF_CHUNK, &[chunk.into()], |row| {
            Ok(Intent {
                key: row.need(1)?,
                server: row.need(2)?,
                upload_id: row.get(3)?,
            })
        })
    })
}

/// The object belongs to nobody, whether it exists or not.
pub fn give_up(key: &str, server: &str, token: &str) -> Result<()> {
    as_extension_owner(|| {
        spi::execute(
            QUEUE_DELETE,
            &[key.into(), server.into(), token.into(), "given up".into()],
        )?;
        spi::execute(DONE, &[key.into(), server.into()])
    })
    .map(|_| ())
}

/// Number of the next generation of a chunk: every export writes a file of its own.
pub fn next_generation(chunk: pg_sys::Oid) -> Result<i32> {
    let found =
        as_extension_owner(|| spi::read_latest(GENERATION, &[chunk.into()], |row| row.need(1)))?;
    Ok(found.into_iter().next().unwrap_or(1))
}
