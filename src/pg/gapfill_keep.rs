//! Conditions that are never true, as `device IN (NULL) AND 1 = 0` of a generated query: the planner makes
//! one constant of the whole WHERE and forgets the conditions that tell the range. Wrapped into a stable
//! function they stay conditions of their own, looked at once before the first row, and a series without
//! rows is filled like any other.

use super::gapfill_inline::Outer;
use super::gapfill_outer::own_function;
use super::list;
use pgrx::pg_sys;
use std::ffi::CStr;

/// Name of the stable function.
pub const FUNCTION: &CStr = c"_gapfill_if";

/// Wraps the conditions of WHERE, joined by AND, that are constant and not true. With one in HAVING there are
/// no rows.
///
/// # Safety
/// A gap-filling query on its way to the planner, whose time_bucket_gapfill is in `schema`.
pub unsafe fn conditions(outer: &Outer, query: *mut pg_sys::Query, schema: pg_sys::Oid) {
    // SAFETY: promised by the caller
    unsafe {
        let (jointree, having) = ((*query).jointree, (*query).havingQual);
        let root = outer.planner(query);
        if !jointree.is_null()
            && !(*jointree).quals.is_null()
            && let Some(function) = own_function(schema, FUNCTION, pg_sys::BOOLOID)
        {
            (*jointree).quals = wrapped(root, (*jointree).quals, function);
        }
        // the planner would move it to WHERE, where it makes gaps
        if !having.is_null() && never_in(root, having) {
            let zero = pg_sys::Datum::from(0);
            let none = pg_sys::makeConst(
                pg_sys::INT8OID,
                -1,
                pg_sys::InvalidOid,
                8,
                zero,
                false,
                true,
            );
            (*query).limitCount = none.cast();
            (*query).limitOption = pg_sys::LimitOption::LIMIT_OPTION_COUNT;
        }
    }
}

/// True when one of the conditions joined by AND is never true.
unsafe fn never_in(root: *mut pg_sys::PlannerInfo, node: *mut pg_sys::Node) -> bool {
    // SAFETY: expressions of the query, cast by their tags
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_BoolExpr {
            let both = node.cast::<pg_sys::BoolExpr>();
            if (*both).boolop == pg_sys::BoolExprType::AND_EXPR {
                return list::pointers((*both).args).any(|arg| never_in(root, arg));
            }
        }
        let copy = pg_sys::copyObjectImpl(node.cast()).cast();
        is_never(pg_sys::eval_const_expressions(root, copy))
    }
}

unsafe fn wrapped(
    root: *mut pg_sys::PlannerInfo,
    node: *mut pg_sys::Node,
    function: pg_sys::Oid,
) -> *mut pg_sys::Node {
    // SAFETY: expressions of the query, cast by their tags
    unsafe {
        if (*node).type_ == pg_sys::NodeTag::T_BoolExpr {
            let both = node.cast::<pg_sys::BoolExpr>();
            if (*both).boolop == pg_sys::BoolExprType::AND_EXPR {
                (*both).args = list::pointers::<pg_sys::Node>((*both).args)
                    .map(|arg| wrapped(root, arg, function))
                    .fold(std::ptr::null_mut(), |l, arg| {
                        pg_sys::lappend(l, arg.cast())
                    });
                return node;
            }
        }
        if !never_in(root, node) {
            return node;
        }
        pg_sys::makeFuncExpr(
            function,
            pg_sys::BOOLOID,
            pg_sys::lappend(std::ptr::null_mut(), node.cast()),
            pg_sys::InvalidOid,
            pg_sys::InvalidOid,
            pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
        )
        .cast()
    }
}

/// True for a constant condition that is false or NULL, and for one that has been wrapped.
///
/// # Safety
/// A valid expression.
pub unsafe fn is_never(node: *mut pg_sys::Node) -> bool {
    // SAFETY: promised by the caller; cast by the tags
    unsafe {
        match (*node).type_ {
            pg_sys::NodeTag::T_Const => {
                let constant = node.cast::<pg_sys::Const>();
                (*constant).constisnull || (*constant).constvalue.value() == 0
            }
            pg_sys::NodeTag::T_FuncExpr => {
                let call = node.cast::<pg_sys::FuncExpr>();
                let name = pg_sys::get_func_name((*call).funcid);
                (*call).funcresulttype == pg_sys::BOOLOID
                    && !name.is_null()
                    && CStr::from_ptr(name) == FUNCTION
            }
            _ => false,
        }
    }
}
