//! Whether ALTER COLUMN TYPE writes a table anew, and what stored CHECKs say of NULLs.

use super::compat_parse::type_of_text;
use super::list;
use super::subxact;
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::CString;

/// Whether a column of the type `from` has to be written anew to become one of type `to`, a name with modifiers: as
/// ATColumnChangeRequiresRewrite (tablecmds.c) says it. True also for what cannot be told, such as a type that is not
/// there.
#[must_use]
pub fn rewrites(from: pg_sys::Oid, from_modifier: i32, collation: pg_sys::Oid, to: &str) -> bool {
    let Ok(to) = CString::new(to) else {
        return true;
    };
    // modifiers that the type refuses are an error
    let told = subxact::attempt(|| {
        // SAFETY: a NUL terminated string, which outlives the call; in a transaction
        Ok(unsafe { cast_rewrites(from, from_modifier, collation, &to) })
    });
    !matches!(told, Ok(Ok(Some(false))))
}

/// # Safety
/// In a transaction.
unsafe fn cast_rewrites(
    from: pg_sys::Oid,
    from_modifier: i32,
    collation: pg_sys::Oid,
    to: &CString,
) -> Option<bool> {
    // SAFETY: promised by the caller; all nodes are made here or by the server
    unsafe {
        let (type_, modifier) = type_of_text(to.as_ptr())?;
        let var = pg_sys::makeVar(1, 1, from, from_modifier, collation, 0);
        let state = pg_sys::make_parsestate(std::ptr::null_mut());
        let cast = pg_sys::coerce_to_target_type(
            state,
            var.cast(),
            from,
            type_,
            modifier,
            pg_sys::CoercionContext::COERCION_ASSIGNMENT,
            pg_sys::CoercionForm::COERCE_IMPLICIT_CAST,
            -1,
        );
        if cast.is_null() {
            return None;
        }
        pg_sys::assign_expr_collations(state, cast);
        let mut node: *mut pg_sys::Node = pg_sys::expression_planner(cast.cast()).cast();
        loop {
            match (*node).type_ {
                NodeTag::T_Var => return Some(false),
                NodeTag::T_RelabelType => {
                    node = (*node.cast::<pg_sys::RelabelType>()).arg.cast();
                }
                NodeTag::T_CoerceToDomain => {
                    let domain = node.cast::<pg_sys::CoerceToDomain>();
                    if pg_sys::DomainHasConstraints((*domain).resulttype) {
                        return Some(true);
                    }
                    node = (*domain).arg.cast();
                }
                NodeTag::T_FuncExpr => {
                    let call = node.cast::<pg_sys::FuncExpr>();
                    // in a time zone that is always UTC both are the same number
                    let between = matches!(
                        (*call).funcid.to_u32(),
                        pg_sys::F_TIMESTAMP_TIMESTAMPTZ | pg_sys::F_TIMESTAMPTZ_TIMESTAMP
                    );
                    if !between || pg_sys::TimestampTimestampTzRequiresRewrite() {
                        return Some(true);
                    }
                    node = list::pointers::<pg_sys::Node>((*call).args).next()?;
                }
                _ => return Some(true),
            }
        }
    }
}

/// The numbers of the columns of which a stored CHECK (pg_constraint.conbin) says `c IS NOT NULL`, by itself or joined
/// by AND.
#[must_use]
pub fn not_null_columns(stored: &str) -> Vec<i16> {
    let mut found = Vec::new();
    let Ok(stored) = CString::new(stored) else {
        return found;
    };
    // SAFETY: text that the server has written; the nodes live as long as the current memory context
    unsafe { collect(pg_sys::stringToNode(stored.as_ptr()).cast(), &mut found) };
    found
}

/// # Safety
/// NULL, or an expression of a relation.
unsafe fn collect(node: *mut pg_sys::Node, found: &mut Vec<i16>) {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        if node.is_null() {
            return;
        }
        match (*node).type_ {
            NodeTag::T_NullTest => {
                let test = node.cast::<pg_sys::NullTest>();
                let arg = (*test).arg.cast::<pg_sys::Node>();
                let not_null = (*test).nulltesttype == pg_sys::NullTestType::IS_NOT_NULL;
                if not_null && !(*test).argisrow && (*arg).type_ == NodeTag::T_Var {
                    found.push((*arg.cast::<pg_sys::Var>()).varattno);
                }
            }
            NodeTag::T_BoolExpr => {
                let both = node.cast::<pg_sys::BoolExpr>();
                if (*both).boolop == pg_sys::BoolExprType::AND_EXPR {
                    pg_sys::check_stack_depth();
                    for arg in list::pointers::<pg_sys::Node>((*both).args) {
                        collect(arg, found);
                    }
                }
            }
            NodeTag::T_List => {
                for arg in list::pointers::<pg_sys::Node>(node.cast()) {
                    collect(arg, found);
                }
            }
            _ => {}
        }
    }
}
