//! Event trigger that refuses commands which would take cold chunks, or the way to them, along.

use super::cold_state::{catalog, raise};
use super::list;
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;
use std::sync::OnceLock;

/// What runs before the extension goes, once nothing speaks against it.
pub type BeforeDrop = fn() -> Result<()>;

static BEFORE_DROP: OnceLock<BeforeDrop> = OnceLock::new();

/// Registers it.
pub fn before_drop_extension(part: BeforeDrop) {
    BEFORE_DROP.get_or_init(|| part);
}

fn before_drop() -> Result<()> {
    BEFORE_DROP.get().map_or(Ok(()), |part| part())
}

/// ddl_command_start on DROP EXTENSION, SCHEMA, LANGUAGE, SERVER, OWNED, and on ALTER TYPE, ALTER SERVER.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn strata_cold_guard(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: called by the event trigger machinery with its own data
    unsafe {
        let context = (*call).context;
        if !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData {
            let tree = (*context.cast::<pg_sys::EventTriggerData>()).parsetree;
            if !tree.is_null() {
                check(tree, true);
            }
        }
    }
    pg_sys::Datum::null()
}

/// Calling convention of the trigger function (fmgr.h).
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_strata_cold_guard() -> &'static pg_sys::Pg_finfo_record {
    static CONVENTION: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &CONVENTION
}

/// The same from the hook of utility statements: a superuser may have switched event triggers off.
#[pg_guard]
pub(super) unsafe extern "C-unwind" fn before(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: the server passes a utility statement
    unsafe {
        let tree = (*statement).utilityStmt;
        let drops = matches!(
            (*tree).type_,
            pg_sys::NodeTag::T_DropStmt | pg_sys::NodeTag::T_DropOwnedStmt
        );
        if drops && super::catalog::extension().is_some() {
            check(tree, false);
        }
    }
}

/// With `prepares`, what must be done before the extension goes is done.
unsafe fn check(tree: *mut pg_sys::Node, prepares: bool) {
    let before_drop = || if prepares { before_drop() } else { Ok(()) };
    // SAFETY: the parse tree of the running command
    let out = unsafe {
        match (*tree).type_ {
            pg_sys::NodeTag::T_DropStmt => {
                let drop = tree.cast::<pg_sys::DropStmt>();
                let names = names((*drop).objects);
                match (*drop).removeType {
                    pg_sys::ObjectType::OBJECT_EXTENSION
                    | pg_sys::ObjectType::OBJECT_SCHEMA
                    | pg_sys::ObjectType::OBJECT_LANGUAGE
                        if takes_extension_along((*drop).removeType, &names) =>
                    {
                        (catalog().drop_extension)().and_then(|()| before_drop())
                    }
                    pg_sys::ObjectType::OBJECT_FOREIGN_SERVER => (catalog().drop_servers)(&names),
                    pg_sys::ObjectType::OBJECT_ACCESS_METHOD
                        if names.iter().any(|name| name == "strata_cold") =>
                    {
                        (catalog().drop_extension)()
                    }
                    _ => Ok(()),
                }
            }
            pg_sys::NodeTag::T_DropOwnedStmt => {
                let roles = list::pointers::<pg_sys::RoleSpec>(
                    (*tree.cast::<pg_sys::DropOwnedStmt>()).roles,
                )
                .map(|role| pg_sys::get_rolespec_oid(role, true))
                .collect::<Vec<_>>();
                (catalog().drop_owned)(&roles).and_then(|()| {
                    match super::owner::extension_owner() {
                        Some(owner) if roles.contains(&owner) => before_drop(),
                        _ => Ok(()),
                    }
                })
            }
            pg_sys::NodeTag::T_AlterForeignServerStmt => {
                let alter = tree.cast::<pg_sys::AlterForeignServerStmt>();
                let name = CStr::from_ptr((*alter).servername).to_string_lossy();
                let location = option((*alter).options, c"location");
                (catalog().alter_server)(&name, location.as_deref())
            }
            pg_sys::NodeTag::T_RenameStmt => {
                let rename = tree.cast::<pg_sys::RenameStmt>();
                let object = (*rename).object;
                if (*rename).renameType == pg_sys::ObjectType::OBJECT_FOREIGN_SERVER
                    && !object.is_null()
                    && (*object).type_ == pg_sys::NodeTag::T_String
                {
                    let old = CStr::from_ptr((*object.cast::<pg_sys::String>()).sval);
                    let new = CStr::from_ptr((*rename).newname);
                    (catalog().rename_server)(&old.to_string_lossy(), &new.to_string_lossy())
                } else {
                    Ok(())
                }
            }
            pg_sys::NodeTag::T_AlterEnumStmt | pg_sys::NodeTag::T_AlterTableStmt => {
                match altered_type(tree) {
                    Some(type_oid) => (catalog().alter_type)(type_oid),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    };
    if let Err(e) = out {
        raise(e);
    }
}

/// The extension goes with its schema and with the language of its functions, and all chunks of its
/// access method go with it.
fn takes_extension_along(kind: pg_sys::ObjectType::Type, names: &[String]) -> bool {
    let fatal: &[&str] = match kind {
        pg_sys::ObjectType::OBJECT_EXTENSION => &["pg_strata", "plpgsql"],
        pg_sys::ObjectType::OBJECT_SCHEMA => &["strata"],
        _ => &["plpgsql"],
    };
    names.iter().any(|name| fatal.contains(&name.as_str()))
}

/// The type of an ALTER TYPE that renames a label, or adds or drops attributes of a composite.
unsafe fn altered_type(tree: *mut pg_sys::Node) -> Option<pg_sys::Oid> {
    // SAFETY: the parse tree of the running command; look-ups by its names
    let found = unsafe {
        if (*tree).type_ == pg_sys::NodeTag::T_AlterEnumStmt {
            let alter = tree.cast::<pg_sys::AlterEnumStmt>();
            if (*alter).oldVal.is_null() {
                return None;
            }
            let name = pg_sys::makeTypeNameFromNameList((*alter).typeName);
            pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name, true)
        } else {
            let alter = tree.cast::<pg_sys::AlterTableStmt>();
            if (*alter).objtype != pg_sys::ObjectType::OBJECT_TYPE {
                return None;
            }
            let relation = pg_sys::RangeVarGetRelidExtended(
                (*alter).relation,
                pg_sys::NoLock as pg_sys::LOCKMODE,
                pg_sys::RVROption::RVR_MISSING_OK,
                None,
                std::ptr::null_mut(),
            );
            pg_sys::get_rel_type_id(relation)
        }
    };
    (found != pg_sys::InvalidOid).then_some(found)
}

/// The new value of an option in a list of DefElems.
unsafe fn option(options: *mut pg_sys::List, name: &CStr) -> Option<String> {
    // SAFETY: promised by the caller: the options of a parsed command; the value is a copy
    unsafe {
        list::pointers::<pg_sys::DefElem>(options)
            .filter(|e| CStr::from_ptr((**e).defname) == name && !(**e).arg.is_null())
            .last()
            .map(|e| {
                CStr::from_ptr(pg_sys::defGetString(e))
                    .to_string_lossy()
                    .into_owned()
            })
    }
}

/// The names in a list of String nodes (objects with one-part names).
unsafe fn names(objects: *mut pg_sys::List) -> Vec<String> {
    // SAFETY: promised by the caller
    unsafe {
        list::pointers::<pg_sys::Node>(objects)
            .filter(|node| (**node).type_ == pg_sys::NodeTag::T_String)
            .map(|node| {
                let text = (*node.cast::<pg_sys::String>()).sval;
                CStr::from_ptr(text).to_string_lossy().into_owned()
            })
            .collect()
    }
}
