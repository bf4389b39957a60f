//! Chunks that leave only if they have no rows, or none that are too young: they are looked at under the lock
//! that marks them, and once more when they are out, for a statement that had begun before may still write.

use super::leave::drop_locked;
use super::leave_sql::{self as sql, After, Noted, Place};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{
    lock_relation, qualified_name, quote_ident, relation_name, try_lock_relation,
};
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::reader::as_reader;
use crate::pg::spi;
use crate::pg::subxact::{Caught, attempt};
use pgrx::{PgSqlErrorCode, pg_sys};

const COLUMNS: &str = "SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a \
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''";

/// True when the chunk has a row that fulfils the condition, by the latest state.
fn has_rows(chunk: pg_sys::Oid, condition: Option<&str>) -> Result<bool> {
    let name = qualified_name(chunk)?;
    let sql = format!(
        "SELECT EXISTS (SELECT FROM {name} c WHERE {})",
        condition.unwrap_or("true")
    );
    let found = as_reader(chunk, || spi::read_latest(&sql, &[], |r| r.need::<bool>(1)))?;
    Ok(found.first() != Some(&false))
}

/// 55006 when the chunk must stay: it has got such rows, or somebody is just writing to it. To be called in the
/// transaction that marks it as detaching: who comes later does not find it any more.
pub fn refuse_rows(chunk: pg_sys::Oid, after: &After) -> Result<()> {
    let After::DropIf { unless, .. } = after else {
        return Ok(());
    };
    let stays = |why: &str| -> Result<()> {
        let name = relation_name(chunk)?;
        Err(Error::new(
            Kind::InUse,
            format!("chunk \"{name}\" stays: {why}"),
        ))
    };
    if !try_lock_relation(chunk, pg_sys::ShareLock as pg_sys::LOCKMODE) {
        return stays("a transaction is writing to it");
    }
    match has_rows(chunk, unless.as_deref())? {
        true => stays("it has got rows"),
        false => Ok(()),
    }
}

/// Looks at a detached chunk under a lock, and drops it, or puts it back into the hypertable if it has rows
/// that belong there. True: it may go, and its table is emptied and dropped as others are.
pub fn check(
    hypertable: pg_sys::Oid,
    noted: &Noted,
    bound: &str,
    unless: Option<&str>,
) -> Result<bool> {
    let chunk = noted.chunk;
    lock_relation(chunk, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
    if sql::place(chunk)? != Place::Detached {
        return sql::forget(chunk, false).map(|()| false);
    }
    if has_rows(chunk, unless)? {
        return put_back(hypertable, noted, bound).map(|()| false);
    }
    if unless.is_some() {
        sql::note(chunk, hypertable, noted.owner, &After::Drop)?;
        return Ok(true);
    }
    drop_locked(chunk).map(|()| false)
}

fn put_back(hypertable: pg_sys::Oid, noted: &Noted, bound: &str) -> Result<()> {
    let chunk = noted.chunk;
    let (parent, name) = (qualified_name(hypertable)?, qualified_name(chunk)?);
    let attached = attempt(|| {
        let _owner = UserScope::reader(noted.owner);
        spi::execute(
            &format!("ALTER TABLE {parent} ATTACH PARTITION {name} {bound}"),
            &[],
        )
    });
    match attached {
        Ok(Ok(_)) => sql::forget(chunk, false),
        Ok(Err(e)) => Err(e),
        // there is a new chunk in its place
        Err(e) if e.code == PgSqlErrorCode::ERRCODE_INVALID_OBJECT_DEFINITION => {
            move_rows(&parent, &name, noted)?;
            drop_locked(chunk)
        }
        Err(e) => raise(e),
    }
}

/// The rows were checked and triggers fired when they were written.
fn move_rows(parent: &str, name: &str, noted: &Noted) -> Result<()> {
    let columns = as_extension_owner(|| {
        spi::read_one(COLUMNS, &[noted.chunk.into()], |r| r.need::<String>(1))
    })?
    .unwrap_or_else(|| quote_ident("?"));
    let settings = SettingScope::new();
    settings.set("session_replication_role", "replica");
    settings.set("row_security", "off");
    let _owner = UserScope::reader(noted.owner);
    spi::execute(
        &format!(
            "INSERT INTO {parent} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {name}"
        ),
        &[],
    )
    .map(|_| ())
}

fn raise<T>(e: Caught) -> Result<T> {
    e.raise().report(pgrx::PgLogLevel::ERROR);
    Err(Error::internal("an error did not end the transaction"))
}
