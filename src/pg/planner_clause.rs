//! Small clauses: a column compared with a value.

use super::planner::Key;
use crate::hypertable::predicate::{Kind, Op};
use pgrx::pg_sys;

/// The column of this relation that a node is.
pub(super) unsafe fn plain_var(
    node: *mut pg_sys::Node,
    relid: pg_sys::Index,
) -> Option<*mut pg_sys::Var> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_Var {
            return None;
        }
        let var = node.cast::<pg_sys::Var>();
        ((*var).varno as u32 == relid && (*var).varlevelsup == 0).then_some(var)
    }
}

/// Which comparison an operator is in a btree family.
pub(super) fn strategy(operator: pg_sys::Oid, family: pg_sys::Oid) -> Option<Op> {
    // SAFETY: a syscache look-up; 0 where the operator is no member
    Op::of_strategy(unsafe { pg_sys::get_op_opfamily_strategy(operator, family) })
}

/// The key where another column of the same row stands: nulled by the same outer joins.
pub(super) unsafe fn key_var(key: &Key, like: *mut pg_sys::Var) -> *mut pg_sys::Var {
    // SAFETY: a copy of a valid node; the key is a column without collation
    unsafe {
        let var = pg_sys::copyObjectImpl(like.cast()).cast::<pg_sys::Var>();
        (*var).varattno = key.attnum;
        (*var).varattnosyn = key.attnum;
        (*var).vartype = key.type_oid;
        (*var).vartypmod = -1;
        (*var).varcollid = pg_sys::InvalidOid;
        var
    }
}

/// `key op value` for a value in the units of the key.
pub(super) unsafe fn compare(
    key: &Key,
    var: *mut pg_sys::Var,
    op: Op,
    value: i64,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: a fresh constant of the key's type
    unsafe {
        let (length, by_value, datum) = match key.kind {
            Kind::Uuid => {
                let bytes = pg_sys::palloc0(16).cast::<u8>();
                let head = (value as u64).to_be_bytes();
                std::ptr::copy_nonoverlapping(head[2..].as_ptr(), bytes, 6);
                (16, false, pg_sys::Datum::from(bytes))
            }
            Kind::Date | Kind::Integer(_, 0..=0x7fff_ffff) => {
                let short = matches!(key.kind, Kind::Integer(_, 0..=0x7fff));
                let length = if short { 2 } else { 4 };
                let datum = if short {
                    pg_sys::Datum::from(i16::try_from(value).ok()?)
                } else {
                    pg_sys::Datum::from(i32::try_from(value).ok()?)
                };
                (length, true, datum)
            }
            _ => (8, true, pg_sys::Datum::from(value)),
        };
        let made = pg_sys::makeConst(
            key.type_oid,
            -1,
            pg_sys::InvalidOid,
            length,
            datum,
            false,
            by_value,
        );
        compare_expr(key, var, op, made.cast())
    }
}

/// `key op expression`, of the key's type.
pub(super) unsafe fn compare_expr(
    key: &Key,
    var: *mut pg_sys::Var,
    op: Op,
    value: *mut pg_sys::Node,
) -> Option<*mut pg_sys::Node> {
    // SAFETY: copies of valid nodes; core's operator of two values of the key's type
    unsafe {
        let operator =
            pg_sys::get_opfamily_member(key.family, key.type_oid, key.type_oid, op.strategy());
        if operator == pg_sys::InvalidOid {
            return None;
        }
        let clause = pg_sys::make_opclause(
            operator,
            pg_sys::BOOLOID,
            false,
            pg_sys::copyObjectImpl(var.cast()).cast(),
            value.cast(),
            pg_sys::InvalidOid,
            pg_sys::InvalidOid,
        )
        .cast::<pg_sys::OpExpr>();
        (*clause).opfuncid = pg_sys::get_opcode(operator);
        (*clause).location = DERIVED;
        Some(clause.cast())
    }
}

/// Where a clause of ours stands in the text of the query: nowhere. Nothing compares or prints negative places.
const DERIVED: i32 = -1501;

/// True for a clause that follows from the query's own and is not one of them.
///
/// # Safety
/// A valid operator expression.
pub(super) unsafe fn is_derived(clause: *const pg_sys::OpExpr) -> bool {
    // SAFETY: promised by the caller
    unsafe { (*clause).location == DERIVED }
}
