//! Tablespaces that new chunks of a hypertable take in turn: a list in `strata.hypertable`.

use super::catalog;
use super::chunks;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::check_owner;
use crate::pg::owner::as_extension_owner;
use crate::pg::session::notice;
use crate::pg::spi;
use pgrx::pg_sys;

const MAY_CREATE: &str = "
SELECT pg_catalog.has_tablespace_privilege($2::oid, t.oid, 'CREATE'), t.spcname OPERATOR(pg_catalog.=) 'pg_global'
FROM pg_catalog.pg_tablespace t WHERE t.spcname OPERATOR(pg_catalog.=) $1::pg_catalog.name";
const LIST: &str = "
SELECT pg_catalog.unnest(h.tablespaces)::text FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1";
const ATTACH: &str = "
UPDATE strata.hypertable SET tablespaces = pg_catalog.array_append(tablespaces, $2::pg_catalog.name)
WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass AND NOT $2::pg_catalog.name OPERATOR(pg_catalog.=) ANY (tablespaces)";
const DETACH: &str = "
UPDATE strata.hypertable SET tablespaces = pg_catalog.array_remove(tablespaces, $2::pg_catalog.name)
WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass AND $2::pg_catalog.name OPERATOR(pg_catalog.=) ANY (tablespaces)";
const DETACH_ALL: &str = "
WITH old AS (SELECT id, tablespaces FROM strata.hypertable
             WHERE relation OPERATOR(pg_catalog.=) $1::oid::regclass FOR UPDATE)
UPDATE strata.hypertable h SET tablespaces = '{}' FROM old WHERE h.id OPERATOR(pg_catalog.=) old.id
RETURNING pg_catalog.cardinality(old.tablespaces)";

/// The attached tablespaces, in the order of their use. 42704 when the relation is no hypertable.
pub fn of(hypertable: pg_sys::Oid) -> Result<Vec<String>> {
    let h = chunks::hypertable(hypertable)?;
    as_extension_owner(|| spi::read(LIST, &[h.table.oid.into()], |r| r.need(1)))
}

/// Adds one to the list. 42710 when it is there, unless `lenient`.
pub fn attach(tablespace: &str, hypertable: pg_sys::Oid, lenient: bool) -> Result<()> {
    let h = chunks::hypertable(hypertable)?;
    check_owner(h.table.oid)?;
    let found = spi::read_one(
        MAY_CREATE,
        &[tablespace.into(), h.table.owner.into()],
        |r| Ok((r.need::<bool>(1)?, r.need::<bool>(2)?)),
    )?;
    match found {
        None => return Err(no_tablespace(tablespace)),
        Some((_, true)) => {
            return Err(Error::new(
                Kind::InvalidParameter,
                "only shared relations can be placed in tablespace \"pg_global\"",
            ));
        }
        // chunks are made as the owner of the hypertable, whoever writes
        Some((false, _)) => {
            return Err(Error::new(
                Kind::InsufficientPrivilege,
                format!(
                    "role \"{}\" must have CREATE on tablespace \"{tablespace}\"",
                    h.table.owner_name
                ),
            )
            .detail("New chunks belong to the owner of the hypertable.")
            .hint(format!(
                "GRANT CREATE ON TABLESPACE {} TO {}",
                crate::pg::catalog::quote_ident(tablespace),
                crate::pg::catalog::quote_ident(&h.table.owner_name)
            )));
        }
        Some((true, _)) => {}
    }
    let args = [h.table.oid.into(), tablespace.into()];
    if as_extension_owner(|| spi::execute(ATTACH, &args))? == 1 {
        return Ok(());
    }
    let message = format!(
        "tablespace \"{tablespace}\" is already attached to hypertable \"{}\"",
        h.table.name
    );
    if !lenient {
        return Err(Error::new(Kind::DuplicateObject, message));
    }
    notice(&format!("{message}, skipping"), None);
    Ok(())
}

fn no_tablespace(tablespace: &str) -> Error {
    Error::new(
        Kind::UndefinedObject,
        format!("tablespace \"{tablespace}\" does not exist"),
    )
}

fn remove(tablespace: &str, hypertable: pg_sys::Oid) -> Result<i32> {
    let args = [hypertable.into(), tablespace.into()];
    Ok(as_extension_owner(|| spi::execute(DETACH, &args))? as i32)
}

/// Takes one off the list of one hypertable. Also one that was dropped since: the list holds names.
pub fn detach(tablespace: &str, hypertable: pg_sys::Oid, lenient: bool) -> Result<i32> {
    let h = chunks::hypertable(hypertable)?;
    check_owner(h.table.oid)?;
    let n = remove(tablespace, h.table.oid)?;
    if n == 0 {
        not_attached(
            format!(
                "tablespace \"{tablespace}\" is not attached to hypertable \"{}\"",
                h.table.name
            ),
            lenient,
        )?;
    }
    Ok(n)
}

/// Takes one off the lists of all hypertables that the caller owns; returns how many lists had it.
pub fn detach_everywhere(tablespace: &str, lenient: bool) -> Result<i32> {
    let mut n = 0;
    for relation in catalog::all_hypertables()? {
        if catalog::table(relation).is_some() && check_owner(relation).is_ok() {
            n += remove(tablespace, relation)?;
        }
    }
    if n == 0 {
        not_attached(
            format!("tablespace \"{tablespace}\" is not attached to any hypertable of yours"),
            lenient,
        )?;
    }
    Ok(n)
}

fn not_attached(message: String, lenient: bool) -> Result<()> {
    if !lenient {
        return Err(Error::new(Kind::UndefinedObject, message));
    }
    notice(&format!("{message}, skipping"), None);
    Ok(())
}

/// Empties the list of one hypertable; returns how many it held.
pub fn detach_all(hypertable: pg_sys::Oid) -> Result<i32> {
    let h = chunks::hypertable(hypertable)?;
    check_owner(h.table.oid)?;
    let n =
        as_extension_owner(|| spi::write_one(DETACH_ALL, &[h.table.oid.into()], |r| r.need(1)))?;
    Ok(n.unwrap_or(0))
}
