//! What must not be dropped while chunks are cold.

use crate::error::{Error, Kind, Result};
use crate::pg::owner::{as_extension_owner, extension_owner};
use crate::pg::{catalog as pg_catalog, cold_state, session, spi};
use pgrx::pg_sys;

const COLD: &str = "SELECT count(*), min(chunk::text) FROM strata.cold_file WHERE state = 'live'";
const ON_SERVER: &str =
    "SELECT count(*), min(chunk::text) FROM strata.cold_file WHERE state = 'live' AND server = $1";

// frozen chunks, and those that were emptied while they were cold, hold their rows themselves
const OF_METHOD: &str = "SELECT count(*), min(c.oid::regclass::text) FROM pg_class c JOIN pg_am a ON a.oid = c.relam \
    WHERE a.amname = 'strata_cold'";
const ON_SERVERS_OF: &str = "SELECT count(*), min(chunk::text) FROM strata.cold_file WHERE state = 'live' \
    AND server IN (SELECT srvname FROM pg_foreign_server WHERE srvowner = ANY ($1::oid[]))";
// columns may use a type through arrays, domains, ranges and composites
const OF_TYPE: &str = "WITH RECURSIVE users (classid, objid) AS (SELECT 'pg_type'::regclass::oid, $1::oid UNION \
    SELECT d.classid, d.objid FROM pg_depend d JOIN users u ON d.refclassid = u.classid AND d.refobjid = u.objid \
    WHERE d.classid IN ('pg_type'::regclass, 'pg_class'::regclass)) \
    SELECT count(*), min(f.chunk::text) FROM strata.cold_file f JOIN users u ON u.objid = f.chunk \
    WHERE u.classid = 'pg_class'::regclass AND f.state = 'live'";

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
fn lock_servers(names: &[String], owners: &[pg_sys::Oid]) -> Result<bool> {
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
            "Copy them to the new location, with the same names, or set the old one again: \
             until then their chunks cannot be read.",
        );
    }
    chunks.into_iter().for_each(cold_state::invalidate);
    Ok(())
}

fn refuse_if_any(what: &str, found: Vec<(i64, Option<String>)>) -> Result<()> {
    match found.into_iter().next() {
        Some((count, Some(first))) if count > 0 => Err(Error::new(
            Kind::NotInState,
            format!("cannot drop {what} while {count} chunks are cold"),
        )
        .detail(format!(
            "Their only rows are in files of the cold tier; the first is {first}."
        ))
        .hint("CALL strata.untier_chunks('table'); for each hypertable in strata.cold_files.")),
        _ => Ok(()),
    }
}

fn count(sql: &str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Vec<(i64, Option<String>)>> {
    as_extension_owner(|| spi::read_latest(sql, args, |row| Ok((row.need(1)?, row.get(2)?))))
}

/// 55000 when a chunk is cold: it would be dropped with the extension's access method. Otherwise takes from
/// the users' tables what only the extension can undo.
pub fn drop_extension() -> Result<()> {
    if pg_catalog::extension().is_none() {
        return Ok(());
    }
    refuse_if_any("extension \"pg_strata\"", count(COLD, &[])?)?;
    match count(OF_METHOD, &[])?.into_iter().next() {
        Some((count, Some(first))) if count > 0 => Err(Error::new(
            Kind::NotInState,
            format!(
                "cannot drop extension \"pg_strata\" while {count} tables use its access method"
            ),
        )
        .detail(format!(
            "They would be dropped with it; the first is {first}."
        ))
        .hint(format!("ALTER TABLE {first} SET ACCESS METHOD heap;"))),
        _ => crate::hypertable::open_closed_chunks(),
    }
}

/// 55000 when a cold chunk's file lies on one of these servers.
pub fn drop_servers(names: &[String]) -> Result<()> {
    lock_servers(names, &[])?;
    for name in names {
        refuse_if_any(
            &format!("server \"{name}\""),
            count(ON_SERVER, &[name.as_str().into()])?,
        )?;
    }
    Ok(())
}

/// 55000 when the extension's owner is among `roles` and a chunk is cold.
pub fn drop_owned(roles: &[pg_sys::Oid]) -> Result<()> {
    if extension_owner().is_some_and(|owner| roles.contains(&owner)) {
        refuse_if_any("the objects of the extension's owner", count(COLD, &[])?)?;
    }
    lock_servers(&[], roles)?;
    refuse_if_any(
        "the servers of a role",
        count(ON_SERVERS_OF, &[roles.to_vec().into()])?,
    )
}

/// 55000 when a cold chunk has values of this type: files hold its text form, which would be read
/// by the new definition.
pub fn alter_type(type_oid: pg_sys::Oid) -> Result<()> {
    let found = count(OF_TYPE, &[type_oid.into()])?;
    match found.into_iter().next() {
        Some((count, Some(first))) if count > 0 => Err(Error::new(
            Kind::NotInState,
            format!("cannot alter a type that {count} cold chunks have values of"),
        )
        .detail(format!(
            "Files of the cold tier hold its text form; the first chunk is {first}."
        ))
        .hint("Bring the chunks back first: CALL strata.untier_chunks('table');")),
        _ => Ok(()),
    }
}
