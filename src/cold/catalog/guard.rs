//! What must not be dropped while chunks are cold.

use super::guard_server::lock_servers;
use crate::error::{Error, Kind, Result};
use crate::pg::cold_state::not_while_cold;
use crate::pg::owner::{as_extension_owner, extension_owner};
use crate::pg::{catalog as pg_catalog, cold_datum, spi};
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
    WHERE u.classid = 'pg_class'::regclass";

const RETYPED: &str = "SELECT f.chunk::oid, a.attname::text, a.atttypid, c.encoding, c.type_name, \
    format_type(a.atttypid, a.atttypmod) FROM strata.cold_file f \
    JOIN strata.cold_column c ON c.file = f.id AND c.physical IS NOT NULL \
    JOIN pg_attribute a ON a.attrelid = f.chunk AND a.attnum = c.attnum AND NOT a.attisdropped \
    WHERE f.state = 'live' AND f.chunk_oid = f.chunk::oid AND c.type_name <> format_type(a.atttypid, a.atttypmod) \
    ORDER BY f.range_start";
// a chunk whose row came through a dump is read by names until the first ALTER TABLE
const IS_CURRENT: &str = "SELECT NOT EXISTS (SELECT FROM strata.cold_file f \
    JOIN pg_attribute a ON a.attrelid = f.chunk AND a.attnum > 0 AND NOT a.attisdropped \
    LEFT JOIN strata.cold_column c ON c.file = f.id AND c.attnum = a.attnum \
    WHERE f.chunk = $1 AND f.state = 'live' AND f.chunk_oid = f.chunk::oid AND c.attname IS DISTINCT FROM a.attname)";

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

/// 55000 when a column of a cold chunk has got a type whose values are stored in another form than the
/// file's, without having been rewritten.
pub fn retyped() -> Result<()> {
    let found = as_extension_owner(|| {
        spi::read_latest(RETYPED, &[], |row| {
            Ok((
                row.need::<pg_sys::Oid>(1)?,
                row.need::<String>(2)?,
                row.need::<pg_sys::Oid>(3)?,
                row.need::<String>(4)?,
                (row.need::<String>(5)?, row.need::<String>(6)?),
            ))
        })
    })?;
    for (chunk, column, type_oid, encoding, (old, new)) in found {
        if cold_datum::encoding_of(type_oid).as_str() != encoding {
            return Err(not_while_cold(
                chunk,
                &format!("change column \"{column}\" of {{}} from {old} to {new}"),
            ));
        }
    }
    Ok(())
}

/// True when the manifest, as a dump sees it, knows the columns of a chunk as they are.
pub fn is_current(chunk: pg_sys::Oid) -> Result<bool> {
    let found =
        as_extension_owner(|| spi::read_one(IS_CURRENT, &[chunk.into()], |row| row.need(1)))?;
    Ok(found == Some(true))
}
