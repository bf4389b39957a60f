//! Settings and transaction commands as plain data.

use super::list;
use super::parse_ddl_name::{Constant, constant, dotted};
use super::parse_kind::{self, text};
use crate::migration::ddl::{Ddl, Set, Transaction, names_in};
use pgrx::pg_sys::{self, NodeTag};

/// `SELECT set_config('name', 'value', is_local)`, and nothing else.
///
/// # Safety
/// A SelectStmt of the parser.
pub(super) unsafe fn set_config(stmt: *mut pg_sys::SelectStmt) -> Option<Set> {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        let mut targets = list::pointers::<pg_sys::ResTarget>((*stmt).targetList);
        let (target, None) = (targets.next()?, targets.next()) else {
            return None;
        };
        let value = (*target).val;
        let alone = (*stmt).fromClause.is_null() && (*stmt).whereClause.is_null();
        if !alone || value.is_null() || (*value).type_ != NodeTag::T_FuncCall {
            return None;
        }
        let call = value.cast::<pg_sys::FuncCall>();
        let function = dotted((*call).funcname)?;
        if function.name != "set_config" || function.schema.is_some_and(|s| s != "pg_catalog") {
            return None;
        }
        let args: Vec<*mut pg_sys::Node> = list::pointers((*call).args).collect();
        let [setting, to, local] = args.as_slice() else {
            return None;
        };
        let Some(Constant::Text(setting)) = constant(*setting) else {
            return None;
        };
        let Some(Constant::Bool(local)) = constant(*local) else {
            return None;
        };
        let to = constant(*to)?.into_text();
        Some(Set {
            name: setting.to_ascii_lowercase(),
            to: to.map(|list| names_in(&list)),
            local,
        })
    }
}

/// # Safety
/// A VariableSetStmt of the parser.
pub(super) unsafe fn set(stmt: *const pg_sys::VariableSetStmt) -> Ddl {
    use pg_sys::VariableSetKind as K;
    // SAFETY: promised by the caller
    unsafe {
        let values = || {
            let args = list::pointers::<pg_sys::Node>((*stmt).args);
            args.filter_map(|a| constant(a)?.into_text()).collect()
        };
        let to = match (*stmt).kind {
            K::VAR_SET_MULTI => return Ddl::Nothing,
            K::VAR_SET_VALUE => Some(values()),
            _ => None,
        };
        Ddl::Set(Set {
            name: text((*stmt).name),
            to,
            local: (*stmt).is_local,
        })
    }
}

/// # Safety
/// A DiscardStmt of the parser.
pub(super) unsafe fn discard(stmt: *const pg_sys::DiscardStmt) -> Ddl {
    // SAFETY: promised by the caller
    let target = unsafe { (*stmt).target };
    if target != pg_sys::DiscardMode::DISCARD_ALL {
        return Ddl::Nothing;
    }
    Ddl::Set(Set {
        name: String::new(),
        to: None,
        local: false,
    })
}

/// # Safety
/// A TransactionStmt of the parser.
pub(super) unsafe fn transaction(stmt: *mut pg_sys::TransactionStmt) -> Transaction {
    // SAFETY: promised by the caller
    match unsafe { parse_kind::transaction(stmt) } {
        parse_kind::Transaction::Begin { .. } => Transaction::Begin,
        parse_kind::Transaction::Commit { .. } => Transaction::Commit,
        parse_kind::Transaction::Rollback => Transaction::Rollback,
        _ => Transaction::Other,
    }
}
