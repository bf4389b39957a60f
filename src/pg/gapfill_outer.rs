//! Conditions of an outer query on the result of gap filling stay outside.
//!
//! The planner moves a condition on a column of a subquery into it, below GROUP BY or into HAVING. There it
//! would choose among rows before gaps are filled, and what it takes away would come back as gaps. It leaves
//! columns alone that hold a volatile function. time_bucket_gapfill is declared volatile for this, and here
//! every other computed column gets a volatile function around it, which its support function takes off
//! again when the subquery is planned. Conditions on plain group columns move in: they choose whole series.

use super::call::{Call, c_function};
use super::gapfill::grouped_by;
use super::list;
use pgrx::{pg_guard, pg_sys};

/// planner hook: prepares the subqueries of a query.
///
/// # Safety
/// A query on its way to the planner, which may be changed.
pub unsafe fn prepare(query: *mut pg_sys::Query) {
    // SAFETY: promised by the caller; cast by the kinds of the entries
    unsafe {
        for rte in list::pointers::<pg_sys::RangeTblEntry>((*query).rtable) {
            if (*rte).rtekind == pg_sys::RTEKind::RTE_SUBQUERY && !(*rte).subquery.is_null() {
                prepare_inner((*rte).subquery);
            }
        }
        for cte in list::pointers::<pg_sys::CommonTableExpr>((*query).cteList) {
            let inner = (*cte).ctequery;
            if !inner.is_null() && (*inner).type_ == pg_sys::NodeTag::T_Query {
                prepare_inner(inner.cast());
            }
        }
        if (*query).hasSubLinks {
            let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
            let null = std::ptr::null_mut();
            pg_sys::query_tree_walker(query, Some(sublinks), null, flags as i32);
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn sublinks(
    node: *mut pg_sys::Node,
    context: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: the walker passes valid nodes
    unsafe {
        if node.is_null() {
            return false;
        }
        if (*node).type_ == pg_sys::NodeTag::T_Query {
            prepare_inner(node.cast());
            return false;
        }
        pg_sys::expression_tree_walker(node, Some(sublinks), context)
    }
}

unsafe fn prepare_inner(query: *mut pg_sys::Query) {
    // SAFETY: promised by the callers
    unsafe {
        prepare(query);
        let Some(schema) = grouped_by(query) else {
            return;
        };
        let Some(shield) = shield_function(schema) else {
            return;
        };
        for entry in list::pointers::<pg_sys::TargetEntry>((*query).targetList) {
            let item = (*entry).ressortgroupref;
            let grouped = item != 0
                && !pg_sys::get_sortgroupref_clause_noerr(item, (*query).groupClause).is_null();
            let expr = (*entry).expr.cast::<pg_sys::Node>();
            if !grouped && !(*entry).resjunk && !pg_sys::expression_returns_set(expr) {
                (*entry).expr = pg_sys::makeFuncExpr(
                    shield,
                    pg_sys::exprType(expr),
                    pg_sys::lappend(std::ptr::null_mut(), expr.cast()),
                    pg_sys::exprCollation(expr),
                    pg_sys::InvalidOid,
                    pg_sys::CoercionForm::COERCE_EXPLICIT_CALL,
                )
                .cast();
            }
        }
    }
}

/// The function _gapfilled in the extension's schema.
unsafe fn shield_function(schema: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: palloc'd names; a look-up that may find nothing
    unsafe {
        let schema = pg_sys::get_namespace_name(schema);
        if schema.is_null() {
            return None;
        }
        let name = pg_sys::pstrdup(c"_gapfilled".as_ptr());
        let names = pg_sys::lappend(std::ptr::null_mut(), pg_sys::makeString(schema).cast());
        let names = pg_sys::lappend(names, pg_sys::makeString(name).cast());
        let argument = [pg_sys::ANYELEMENTOID];
        let function = pg_sys::LookupFuncName(names, 1, argument.as_ptr(), true);
        (function != pg_sys::InvalidOid).then_some(function)
    }
}

/// The value itself; runs only if a plan was made without the support function.
///
/// # Safety
/// A call as (anyelement).
unsafe fn same(call: Call) -> pg_sys::Datum {
    call.answer(call.arg(0))
}

/// Takes the function off again.
///
/// # Safety
/// A call of a support function.
unsafe fn take_off(call: Call) -> pg_sys::Datum {
    let nothing = pg_sys::Datum::from(0);
    let Some(request) = call.arg(0) else {
        return nothing;
    };
    // SAFETY: the planner passes a node, whose tag is checked before the cast
    unsafe {
        let node = request.cast_mut_ptr::<pg_sys::Node>();
        if (*node).type_ != pg_sys::NodeTag::T_SupportRequestSimplify {
            return nothing;
        }
        let request = &*node.cast::<pg_sys::SupportRequestSimplify>();
        let mut args = list::pointers::<pg_sys::Node>((*request.fcall).args);
        args.next().map_or(nothing, pg_sys::Datum::from)
    }
}

c_function!(gapfilled_wrapper, pg_finfo_gapfilled_wrapper, same);
c_function!(
    gapfilled_support_wrapper,
    pg_finfo_gapfilled_support_wrapper,
    take_off
);
