//! A column that is never below the key: `end <= c` says that the key is not above `c` either.

use super::list;
use super::planner::Key;
use super::planner_clause::{compare_expr, plain_var, strategy};
use crate::hypertable::predicate::Op;
use pgrx::pg_sys;
use std::ffi::CString;

/// Number of the end column, if a validated CHECK of the table really says `end >= key`.
pub(super) unsafe fn checked_end(relation: pg_sys::Oid, key: &Key, column: &str) -> Option<i16> {
    let name = CString::new(column).ok()?;
    // SAFETY: the planner holds a lock on the relation; the reference is given back at once
    unsafe {
        let attnum = pg_sys::get_attnum(relation, name.as_ptr());
        if attnum <= 0 || pg_sys::get_atttype(relation, attnum) != key.type_oid {
            return None;
        }
        let rel = pg_sys::RelationIdGetRelation(relation);
        if rel.is_null() {
            return None;
        }
        let constraints = (*(*rel).rd_att).constr;
        let found = !constraints.is_null()
            && (0..(*constraints).num_check as usize).any(|i| {
                let check = (*constraints).check.add(i);
                (*check).ccvalid && says_so((*check).ccbin, key, attnum)
            });
        pg_sys::RelationClose(rel);
        found.then_some(attnum)
    }
}

unsafe fn says_so(tree: *const core::ffi::c_char, key: &Key, end: i16) -> bool {
    // SAFETY: the text of a CHECK, written by nodeToString; tags are checked before each cast
    unsafe {
        let node = pg_sys::stringToNode(tree).cast::<pg_sys::Node>();
        if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_OpExpr {
            return false;
        }
        let expr = node.cast::<pg_sys::OpExpr>();
        let args: Vec<*mut pg_sys::Node> = list::pointers((*expr).args).collect();
        let &[left, right] = args.as_slice() else {
            return false;
        };
        // inside a constraint the table has number 1
        let columns = plain_var(left, 1).zip(plain_var(right, 1));
        let Some((left, right)) = columns.map(|(l, r)| ((*l).varattno, (*r).varattno)) else {
            return false;
        };
        let op = strategy((*expr).opno, key.family);
        (left == end && right == key.attnum && matches!(op, Some(Op::Ge | Op::Gt | Op::Eq)))
            || (left == key.attnum && right == end && matches!(op, Some(Op::Le | Op::Lt | Op::Eq)))
    }
}

/// `key <= value` out of `end <= value`; `value` is used as it stands, constant or not.
pub(super) unsafe fn before_end(
    key: &Key,
    op: Op,
    start: *mut pg_sys::Var,
    value: *mut pg_sys::Node,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if pg_sys::exprType(value) != key.type_oid || !repeatable(value) {
            return None;
        }
        let op = if op == Op::Lt { Op::Lt } else { Op::Le };
        compare_expr(key, start, op, pg_sys::copyObjectImpl(value.cast()).cast())
    }
}

/// True for an expression that may be evaluated once more: no columns, subqueries, side effects.
pub(super) unsafe fn repeatable(node: *mut pg_sys::Node) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        !pg_sys::contain_var_clause(node)
            && !pg_sys::contain_volatile_functions(node)
            && !pg_sys::contain_subplans(node)
    }
}
