//! GRANT and REVOKE as plain data.

use super::list;
use super::parse_ddl_name::{self as name, role, roles, strings};
use super::parse_kind::{optional, text};
use crate::migration::ddl::{Ddl, Grant, Object, Privilege, Targets};
use pgrx::pg_sys;

/// # Safety
/// A list of AccessPriv.
unsafe fn privileges(all: *mut pg_sys::List) -> Vec<Privilege> {
    // SAFETY: promised by the caller
    unsafe {
        list::pointers::<pg_sys::AccessPriv>(all)
            .map(|p| Privilege {
                name: optional((*p).priv_name).map_or("ALL".to_owned(), |n| n.to_ascii_uppercase()),
                columns: strings((*p).cols),
            })
            .collect()
    }
}

/// # Safety
/// A GrantStmt of the parser.
unsafe fn grant_on(stmt: *const pg_sys::GrantStmt, on: Targets) -> Grant {
    // SAFETY: promised by the caller
    unsafe {
        Grant {
            revoke: !(*stmt).is_grant,
            privileges: privileges((*stmt).privileges),
            on,
            roles: roles((*stmt).grantees),
            grant_option: (*stmt).grant_option,
        }
    }
}

/// `None` for objects that the model does not have.
///
/// # Safety
/// A GrantStmt of the parser.
pub(super) unsafe fn grant(stmt: *const pg_sys::GrantStmt) -> Option<Grant> {
    // SAFETY: promised by the caller
    unsafe {
        let kind = name::kind((*stmt).objtype)?;
        let on = match (*stmt).targtype {
            pg_sys::GrantTargetType::ACL_TARGET_OBJECT => {
                let named = list::pointers::<pg_sys::Node>((*stmt).objects);
                let objects: Option<Vec<Object>> = named.map(|n| name::object(kind, n)).collect();
                Targets::Objects(objects?)
            }
            pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA => {
                Targets::AllInSchemas(kind, strings((*stmt).objects))
            }
            _ => return None,
        };
        Some(grant_on(stmt, on))
    }
}

/// # Safety
/// An AlterDefaultPrivilegesStmt of the parser.
pub(super) unsafe fn default_privileges(
    stmt: *const pg_sys::AlterDefaultPrivilegesStmt,
) -> Option<Grant> {
    // SAFETY: promised by the caller; both options are lists
    unsafe {
        let action = (*stmt).action;
        let (mut of, mut schemas) = (Vec::new(), Vec::new());
        for option in list::pointers::<pg_sys::DefElem>((*stmt).options) {
            let all = (*option).arg.cast::<pg_sys::List>();
            match text((*option).defname).as_str() {
                "roles" => of = roles(all),
                "schemas" => schemas = strings(all),
                _ => return None,
            }
        }
        let kind = name::kind((*action).objtype)?;
        Some(grant_on(action, Targets::Later { kind, of, schemas }))
    }
}

/// # Safety
/// A GrantRoleStmt of the parser.
pub(super) unsafe fn grant_role(stmt: *const pg_sys::GrantRoleStmt) -> Ddl {
    // SAFETY: promised by the caller
    unsafe {
        let granted = list::pointers::<pg_sys::AccessPriv>((*stmt).granted_roles);
        let members = list::pointers((*stmt).grantee_roles);
        Ddl::GrantRole {
            revoke: !(*stmt).is_grant,
            roles: granted.map(|p| text((*p).priv_name)).collect(),
            members: members.map(|r| role(r)).collect(),
            options: super::compat_parse::has_options(stmt),
        }
    }
}
