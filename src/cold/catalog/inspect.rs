//! Single files, for those who look at them.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const FILE: &str = "SELECT f.server::text, f.key, f.hypertable::oid FROM strata.cold_file f \
    WHERE f.id = $1::uuid AND f.state = 'live'";
const SHA256: &str = "SELECT f.sha256 FROM strata.cold_file f WHERE f.id = $1::uuid";

/// Where a live file is, and whose.
pub struct File {
    pub server: String,
    pub key: String,
    pub hypertable: pg_sys::Oid,
}

/// A live file by its id; `None` when there is none.
pub fn file(id: &str) -> Result<Option<File>> {
    let found = as_extension_owner(|| {
        spi::read_latest(FILE, &[id.into()], |row| {
            Ok(File {
                server: row.need(1)?,
                key: row.need(2)?,
                hypertable: row.need(3)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}

/// Hash of a file's bytes as it was written.
pub fn sha256(id: &str) -> Result<Option<String>> {
    let found =
        as_extension_owner(|| spi::read_latest(SHA256, &[id.into()], |row| row.get::<String>(1)))?;
    Ok(found.into_iter().next().flatten())
}
