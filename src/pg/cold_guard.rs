//! Event trigger that refuses commands which would take cold chunks, or the way to them, along.

use super::cold_state::{catalog, raise};
use super::list;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

/// ddl_command_start on DROP EXTENSION, DROP SERVER, DROP OWNED.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn strata_cold_guard(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: called by the event trigger machinery with its own data
    unsafe {
        let context = (*call).context;
        if !context.is_null() && (*context).type_ == pg_sys::NodeTag::T_EventTriggerData {
            let tree = (*context.cast::<pg_sys::EventTriggerData>()).parsetree;
            if !tree.is_null() {
                check(tree);
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

unsafe fn check(tree: *mut pg_sys::Node) {
    // SAFETY: the parse tree of the running command
    let out = unsafe {
        match (*tree).type_ {
            pg_sys::NodeTag::T_DropStmt => {
                let drop = tree.cast::<pg_sys::DropStmt>();
                let names = names((*drop).objects);
                match (*drop).removeType {
                    pg_sys::ObjectType::OBJECT_EXTENSION => (catalog().drop_extensions)(&names),
                    pg_sys::ObjectType::OBJECT_FOREIGN_SERVER => (catalog().drop_servers)(&names),
                    _ => Ok(()),
                }
            }
            pg_sys::NodeTag::T_DropOwnedStmt => {
                let roles = list::pointers::<pg_sys::RoleSpec>(
                    (*tree.cast::<pg_sys::DropOwnedStmt>()).roles,
                )
                .map(|role| pg_sys::get_rolespec_oid(role, true))
                .collect::<Vec<_>>();
                (catalog().drop_owned)(&roles)
            }
            _ => Ok(()),
        }
    };
    if let Err(e) = out {
        raise(e);
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
