//! Small parts of a LazyScan: a comparison with the end of a window, constants, memory contexts.

use super::lazy_plan::Facts;
use crate::hypertable::predicate::Op;
use pgrx::pg_sys;

/// `key op value` in the window's query.
pub(super) unsafe fn bound(facts: &Facts, op: Op, value: pg_sys::Datum) -> *mut pg_sys::Node {
    let (mut length, mut by_value) = (0i16, false);
    let type_oid = pg_sys::Oid::from(facts.type_oid);
    let none = pg_sys::InvalidOid;
    // SAFETY: fresh nodes; the value is copied with its constant by the planner
    unsafe {
        pg_sys::get_typlenbyval(type_oid, &mut length, &mut by_value);
        let operator =
            pg_sys::get_opfamily_member(facts.family.into(), type_oid, type_oid, op.strategy());
        let var = pg_sys::makeVar(1, facts.attnum, type_oid, -1, none, 0);
        let constant = pg_sys::makeConst(type_oid, -1, none, length.into(), value, false, by_value);
        let clause = pg_sys::make_opclause(
            operator,
            pg_sys::BOOLOID,
            false,
            var.cast(),
            constant.cast(),
            none,
            none,
        )
        .cast::<pg_sys::OpExpr>();
        (*clause).opfuncid = pg_sys::get_opcode(operator);
        clause.cast()
    }
}

pub(super) fn int8(value: i64) -> *mut pg_sys::Node {
    // SAFETY: a fresh constant
    unsafe {
        let datum = pg_sys::Datum::from(value);
        let none = pg_sys::InvalidOid;
        pg_sys::makeConst(pg_sys::INT8OID, -1, none, 8, datum, false, true).cast()
    }
}

pub(super) unsafe fn new_context(parent: pg_sys::MemoryContext) -> pg_sys::MemoryContext {
    // SAFETY: the name is a constant; the context goes with its parent
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            parent,
            c"LazyScan".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// Runs `f` in another memory context; an error ends the statement, whose contexts are then reset.
pub(super) unsafe fn in_context<T>(context: pg_sys::MemoryContext, f: impl FnOnce() -> T) -> T {
    // SAFETY: the caller's context is valid
    unsafe {
        let old = pg_sys::MemoryContextSwitchTo(context);
        let out = f();
        pg_sys::MemoryContextSwitchTo(old);
        out
    }
}
