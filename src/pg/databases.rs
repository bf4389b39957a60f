//! The list of databases, and utility statements about them, seen from outside of any database.

use pgrx::{PgList, pg_sys};
use std::ffi::CStr;

/// Databases that accept connections and are not templates; also without being in a database.
///
/// Must run inside a transaction.
pub fn connectable() -> Vec<u32> {
    let mut found = Vec::new();
    // SAFETY: a plain scan of a shared catalog, as autovacuum's launcher does; GETSTRUCT by hand
    unsafe {
        let relation =
            pg_sys::table_open(pg_sys::DatabaseRelationId, pg_sys::AccessShareLock as i32);
        let scan = pg_sys::systable_beginscan(
            relation,
            pg_sys::InvalidOid,
            false,
            std::ptr::null_mut(),
            0,
            std::ptr::null_mut(),
        );
        loop {
            let tuple = pg_sys::systable_getnext(scan);
            if tuple.is_null() {
                break;
            }
            let header = (*tuple).t_data;
            let row = header
                .cast::<u8>()
                .add((*header).t_hoff.into())
                .cast::<pg_sys::FormData_pg_database>();
            // a connection limit of -2 marks a database whose DROP was interrupted
            if (*row).datallowconn && !(*row).datistemplate && (*row).datconnlimit != -2 {
                found.push((*row).oid.to_u32());
            }
        }
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(relation, pg_sys::AccessShareLock as i32);
    }
    found
}

/// What a utility statement is about, as far as workers care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// An extension may come, go or change in this database.
    Extension,
    /// A database is copied.
    CopyDatabase { template: String },
    /// A database is dropped, renamed or moved: nobody may be connected.
    ChangeDatabase { name: String },
    /// Other properties of a database change.
    AlterDatabase,
    /// A column of a table gets another type.
    Retype { relation: pg_sys::Oid },
}

/// Sorts a statement; `None` for nearly all of them.
///
/// # Safety
/// `statement` must be the node of a utility statement.
pub unsafe fn command(statement: *const pg_sys::Node) -> Option<Command> {
    use pg_sys::NodeTag as Tag;
    // SAFETY: each cast follows the node's tag
    unsafe {
        match (*statement).type_ {
            Tag::T_CreateExtensionStmt | Tag::T_AlterExtensionStmt | Tag::T_DropOwnedStmt => {
                Some(Command::Extension)
            }
            Tag::T_DropStmt => {
                let kind = (*statement.cast::<pg_sys::DropStmt>()).removeType;
                let ours = kind == pg_sys::ObjectType::OBJECT_EXTENSION
                    || kind == pg_sys::ObjectType::OBJECT_SCHEMA;
                ours.then_some(Command::Extension)
            }
            Tag::T_DropdbStmt => text((*statement.cast::<pg_sys::DropdbStmt>()).dbname).map(change),
            Tag::T_RenameStmt => {
                let rename = statement.cast::<pg_sys::RenameStmt>();
                let database = (*rename).renameType == pg_sys::ObjectType::OBJECT_DATABASE;
                database
                    .then(|| text((*rename).subname).map(change))
                    .flatten()
            }
            Tag::T_AlterTableStmt => {
                let alter = statement.cast::<pg_sys::AlterTableStmt>();
                let kind = pg_sys::AlterTableType::AT_AlterColumnType;
                let retypes = PgList::<pg_sys::AlterTableCmd>::from_pg((*alter).cmds)
                    .iter_ptr()
                    .any(|c| (*c).subtype == kind);
                if !retypes || (*alter).relation.is_null() {
                    return None;
                }
                // without a lock: the command itself looks again
                let flags = pg_sys::RVROption::RVR_MISSING_OK;
                let relation = pg_sys::RangeVarGetRelidExtended(
                    (*alter).relation,
                    pg_sys::NoLock as pg_sys::LOCKMODE,
                    flags,
                    None,
                    std::ptr::null_mut(),
                );
                (relation != pg_sys::InvalidOid).then_some(Command::Retype { relation })
            }
            Tag::T_AlterDatabaseStmt => {
                let alter = statement.cast::<pg_sys::AlterDatabaseStmt>();
                match option((*alter).options, c"tablespace") {
                    Some(_) => text((*alter).dbname).map(change),
                    None => Some(Command::AlterDatabase),
                }
            }
            Tag::T_CreatedbStmt => {
                let create = statement.cast::<pg_sys::CreatedbStmt>();
                Some(Command::CopyDatabase {
                    template: option((*create).options, c"template")
                        .unwrap_or_else(|| "template1".into()),
                })
            }
            _ => None,
        }
    }
}

fn change(name: String) -> Command {
    Command::ChangeDatabase { name }
}

/// # Safety
/// `text` must be NULL or a NUL terminated string.
unsafe fn text(text: *const std::ffi::c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: promised by the caller
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().ok().map(str::to_string)
}

/// # Safety
/// `options` must be a list of DefElem, or NIL.
unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<String> {
    // SAFETY: promised by the caller; DEFAULT has no argument
    unsafe {
        let options = PgList::<pg_sys::DefElem>::from_pg(options);
        let found = options
            .iter_ptr()
            .find(|o| CStr::from_ptr((**o).defname) == name && !(**o).arg.is_null());
        found.and_then(|o| text(pg_sys::defGetString(o)))
    }
}

/// True on a standby, where no database can change.
pub fn in_recovery() -> bool {
    // SAFETY: reads a flag
    unsafe { pg_sys::RecoveryInProgress() }
}

/// How the lock of [`lock`] bars others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barring {
    /// New connections wait; as CREATE DATABASE locks its template.
    Connections,
    /// Everybody waits; as DROP DATABASE locks.
    Everything,
}

/// Locks a database to the end of the transaction, as the commands about it do themselves.
pub fn lock(database: pg_sys::Oid, barring: Barring) {
    let mode = match barring {
        Barring::Connections => pg_sys::ShareLock,
        Barring::Everything => pg_sys::AccessExclusiveLock,
    };
    // SAFETY: locking by OID is legal for any OID; released at transaction end
    unsafe { pg_sys::LockSharedObject(pg_sys::DatabaseRelationId, database, 0, mode as i32) }
}

/// True when somebody waits until nobody is connected to a database, as DROP DATABASE does. Inside of a transaction.
pub fn is_wanted_alone(database: pg_sys::Oid) -> bool {
    let tag = pg_sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: pg_sys::DatabaseRelationId.to_u32(),
        locktag_field3: database.to_u32(),
        locktag_field4: 0,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::DEFAULT_LOCKMETHOD as u8,
    };
    // what a new connection takes for a moment
    let mode = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the tag is valid; released at once
    unsafe {
        let free = pg_sys::LockAcquire(&tag, mode, false, true)
            != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
        if free {
            pg_sys::LockRelease(&tag, mode, false);
        }
        !free
    }
}
