//! What must not be dropped while chunks are cold.

use crate::error::{Error, Kind, Result};
use crate::pg::owner::{as_extension_owner, extension_owner};
use crate::pg::{catalog as pg_catalog, spi};
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
