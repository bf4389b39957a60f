//! Servers that files of cold chunks lie on, and commands that change them.

use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{catalog as pg_catalog, cold_state, session, spi};
use pgrx::pg_sys;

// commands by others fail, and must not wait or hold anybody up before they do
const MINE: &str = "SELECT s.oid FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw \
    WHERE w.fdwname = 'strata_sqlite' AND (s.srvname = ANY ($1::text[]) OR s.srvowner = ANY ($2::oid[])) \
    AND pg_has_role($3::oid, s.srvowner, 'USAGE') ORDER BY s.oid";
const ELSEWHERE: &str = "SELECT f.chunk::oid FROM strata.cold_file f JOIN pg_foreign_server s ON s.srvname = f.server \
    WHERE f.state = 'live' AND f.server = $1 AND NOT EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) o \
    WHERE o.option_name = 'location' AND o.option_value = $2)";
const UPLOADING: &str = "SELECT count(*) FROM strata.cold_upload WHERE server = $1";
const OF_SERVER: &str =
    "SELECT chunk::oid FROM strata.cold_file WHERE state = 'live' AND server = $1";
// what a dropped server of the new name has left can be nobody's folder any more
const RENAME: [&str; 5] = [
    "DELETE FROM strata.cold_lease WHERE server = $2 AND $1 <> $2",
    "UPDATE strata.cold_lease SET server = $2 WHERE server = $1",
    "UPDATE strata.cold_delete_queue SET server = $2 WHERE server = $1",
    "UPDATE strata.cold_setting SET server = $2 WHERE server = $1",
    "UPDATE strata.cold_file SET server = $2 WHERE server = $1",
];

/// Waits for exports that are about to make a file on one of these servers, of these names or owners, the only copy
/// of a chunk, and keeps others from it to the end of the transaction. False when none is the caller's.
pub(super) fn lock_servers(names: &[String], owners: &[pg_sys::Oid]) -> Result<bool> {
    let user = pg_catalog::current_user();
    as_extension_owner(|| {
        let args = [names.to_vec().into(), owners.to_vec().into(), user.into()];
        let found = spi::read_latest(MINE, &args, |row| row.need::<pg_sys::Oid>(1))?;
        for server in &found {
            pg_catalog::lock_object(
                pg_sys::ForeignServerRelationId,
                *server,
                pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE,
            );
        }
        Ok(!found.is_empty())
    })
}

/// The catalog goes with a server that gets a new name. 55000 while a file is being sent there.
pub fn rename_server(old: &str, new: &str) -> Result<()> {
    if !lock_servers(&[old.to_owned()], &[])? {
        return Ok(());
    }
    let chunks = as_extension_owner(|| {
        let sending = spi::read_latest(UPLOADING, &[old.into()], |row| row.need::<i64>(1))?;
        if sending.first().is_some_and(|n| *n > 0) {
            return Err(Error::new(
                Kind::NotInState,
                format!("cannot rename server \"{old}\" while files are sent to it"),
            )
            .hint("SELECT * FROM strata.cold_progress; tells how far they are."));
        }
        for update in RENAME {
            spi::execute(update, &[old.into(), new.into()])?;
        }
        spi::read_latest(OF_SERVER, &[new.into()], |row| row.need(1))
    })?;
    chunks.into_iter().for_each(cold_state::invalidate);
    Ok(())
}

/// Warns of a new location, which the files of cold chunks do not follow by themselves.
pub fn alter_server(name: &str, location: Option<&str>) -> Result<()> {
    if !lock_servers(&[name.to_owned()], &[])? {
        return Ok(());
    }
    let Some(location) = location else {
        return Ok(());
    };
    let chunks = as_extension_owner(|| {
        let args = [name.into(), location.into()];
        spi::read_latest(ELSEWHERE, &args, |row| row.need(1))
    })?;
    if !chunks.is_empty() {
        session::warning(
            &format!(
                "the files of {} cold chunks stay where server \"{name}\" had them",
                chunks.len()
            ),
            Some(
                "Copy them to the new location, with the same names, or set the old one again: \
             until then their chunks cannot be read.",
            ),
        );
    }
    chunks.into_iter().for_each(cold_state::invalidate);
    Ok(())
}
