//! Conditions of an outer query on the result of gap filling stay outside.
//!
//! The planner moves a condition on a column of a subquery into it, below GROUP BY or into HAVING. There it
//! would choose among rows before gaps are filled, and what it takes away would come back as gaps. It leaves
//! columns alone that hold a volatile function. time_bucket_gapfill is declared volatile for this, and here
//! every other computed column gets a volatile function around it, which its support function takes off
//! again when the subquery is planned. Conditions on plain group columns move in: they choose whole series.

use super::call::{Call, c_function};
use super::gapfill::{grouped_by, to_simplify};
use super::gapfill_inline::Outer;
use super::{gapfill_keep, list};
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

/// planner hook: prepares a query and those within it. True if one of them fills gaps.
///
/// # Safety
/// A query on its way to the planner, which may be changed.
pub unsafe fn prepare(outer: &mut Outer, query: *mut pg_sys::Query) -> bool {
    // SAFETY: promised by the caller; cast by the kinds of the entries
    unsafe {
        let mut found = false;
        for rte in list::pointers::<pg_sys::RangeTblEntry>((*query).rtable) {
            if (*rte).rtekind == pg_sys::RTEKind::RTE_SUBQUERY && !(*rte).subquery.is_null() {
                found |= prepare_inner(outer, (*rte).subquery);
            } else if (*rte).rtekind == pg_sys::RTEKind::RTE_FUNCTION {
                found |= outer.inline(query, rte, |outer, body| prepare_inner(outer, body));
            }
        }
        for cte in list::pointers::<pg_sys::CommonTableExpr>((*query).cteList) {
            let inner = (*cte).ctequery;
            if !inner.is_null() && (*inner).type_ == pg_sys::NodeTag::T_Query {
                found |= prepare_inner(outer, inner.cast());
            }
        }
        if (*query).hasSubLinks {
            let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
            let mut search = Search { outer, found };
            let context = (&raw mut search).cast();
            pg_sys::query_tree_walker(query, Some(sublinks), context, flags as i32);
            found = search.found;
            return fills(search.outer, query).is_some() || found;
        }
        fills(outer, query).is_some() || found
    }
}

struct Search<'a> {
    outer: &'a mut Outer,
    found: bool,
}

#[pg_guard]
unsafe extern "C-unwind" fn sublinks(
    node: *mut pg_sys::Node,
    context: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: the walker passes valid nodes, and the context that prepare() gave
    unsafe {
        if node.is_null() {
            return false;
        }
        if (*node).type_ == pg_sys::NodeTag::T_Query {
            let search = &mut *context.cast::<Search>();
            search.found |= prepare_inner(search.outer, node.cast());
            return false;
        }
        pg_sys::expression_tree_walker(node, Some(sublinks), context)
    }
}

/// The schema of the functions when the query itself fills gaps.
unsafe fn fills(outer: &Outer, query: *mut pg_sys::Query) -> Option<pg_sys::Oid> {
    // SAFETY: promised by the callers
    unsafe {
        let schema = grouped_by(query)?;
        gapfill_keep::conditions(outer, query, schema);
        Some(schema)
    }
}

unsafe fn prepare_inner(outer: &mut Outer, query: *mut pg_sys::Query) -> bool {
    // SAFETY: promised by the callers
    unsafe {
        let found = prepare(outer, query);
        let Some(schema) = grouped_by(query) else {
            return found;
        };
        let shield = own_function(schema, c"_gapfilled", pg_sys::ANYELEMENTOID);
        let Some(shield) = shield else {
            return found;
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
        found
    }
}

/// A function of one argument in the extension's schema.
///
/// # Safety
/// Called while a query is planned.
pub unsafe fn own_function(
    schema: pg_sys::Oid,
    name: &CStr,
    argument: pg_sys::Oid,
) -> Option<pg_sys::Oid> {
    // SAFETY: palloc'd names; a look-up that may find nothing
    unsafe {
        let schema = pg_sys::get_namespace_name(schema);
        if schema.is_null() {
            return None;
        }
        let name = pg_sys::pstrdup(name.as_ptr());
        let names = pg_sys::lappend(std::ptr::null_mut(), pg_sys::makeString(schema).cast());
        let names = pg_sys::lappend(names, pg_sys::makeString(name).cast());
        let argument = [argument];
        let function = pg_sys::LookupFuncName(names, 1, argument.as_ptr(), true);
        (function != pg_sys::InvalidOid).then_some(function)
    }
}

/// The value itself. As _gapfilled it runs only if a plan was made without the support function.
///
/// # Safety
/// A call with one argument, of the type of the result.
unsafe fn same(call: Call) -> pg_sys::Datum {
    call.answer(call.arg(0))
}

/// Takes the function off again.
///
/// # Safety
/// A call of a support function.
unsafe fn take_off(call: Call) -> pg_sys::Datum {
    let nothing = pg_sys::Datum::from(0);
    // SAFETY: promised by the caller
    unsafe {
        let Some(request) = to_simplify(call) else {
            return nothing;
        };
        let mut args = list::pointers::<pg_sys::Node>((*request.fcall).args);
        args.next().map_or(nothing, pg_sys::Datum::from)
    }
}

c_function!(gapfilled_wrapper, pg_finfo_gapfilled_wrapper, same);
c_function!(gapfill_if_wrapper, pg_finfo_gapfill_if_wrapper, same);
c_function!(
    gapfilled_support_wrapper,
    pg_finfo_gapfilled_support_wrapper,
    take_off
);
