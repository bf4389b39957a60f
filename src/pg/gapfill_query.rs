//! What a query that groups by time_bucket_gapfill asks for, and what it must not ask for.

use super::cold_state::raise;
use super::gapfill::Mark;
use super::gapfill_range::{self, Bound};
use super::list;
use crate::error::{Error, Kind};
use pgrx::{pg_guard, pg_sys};

/// The marked calls in an expression, each once.
#[derive(Default)]
pub struct Calls {
    pub gapfill: Vec<*mut pg_sys::FuncExpr>,
    pub markers: Vec<*mut pg_sys::FuncExpr>,
    depth: u32,
    nested: bool,
}

impl Calls {
    /// # Safety
    /// `node` must be NULL or a valid expression or list of them.
    pub unsafe fn add(&mut self, node: *mut pg_sys::Node) {
        // SAFETY: promised by the caller
        unsafe { collect(node, std::ptr::from_mut(self).cast()) };
    }

    /// # Safety
    /// `node` must be NULL or a valid expression or list of them.
    pub unsafe fn within(node: *mut pg_sys::Node) -> Calls {
        let mut calls = Calls::default();
        // SAFETY: promised by the caller
        unsafe { calls.add(node) };
        calls
    }

    unsafe fn take(&mut self, mark: Mark, call: *mut pg_sys::FuncExpr) {
        if mark != Mark::Gapfill && self.depth > 0 {
            self.nested = true;
        }
        let calls = match mark {
            Mark::Gapfill => &mut self.gapfill,
            _ => &mut self.markers,
        };
        // SAFETY: valid expressions
        if !unsafe { holds(calls, call) } {
            calls.push(call);
        }
    }
}

/// # Safety
/// All are valid expressions.
pub unsafe fn holds(calls: &[*mut pg_sys::FuncExpr], call: *mut pg_sys::FuncExpr) -> bool {
    // SAFETY: promised by the caller
    calls
        .iter()
        .any(|c| unsafe { pg_sys::equal(c.cast(), call.cast()) })
}

#[pg_guard]
unsafe extern "C-unwind" fn collect(
    node: *mut pg_sys::Node,
    context: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: the walker passes valid nodes, and the context that add() gave
    unsafe {
        if node.is_null() {
            return false;
        }
        let calls = &mut *context.cast::<Calls>();
        let mark = Mark::of(node);
        if let Some(mark) = mark {
            calls.take(mark, node.cast());
        }
        let inner =
            mark.is_some_and(|m| m != Mark::Gapfill) || (*node).type_ == pg_sys::NodeTag::T_Aggref;
        calls.depth += u32::from(inner);
        pg_sys::expression_tree_walker(node, Some(collect), context);
        (*context.cast::<Calls>()).depth -= u32::from(inner);
        false
    }
}

fn refused(message: &str) -> Error {
    Error::new(Kind::NotSupported, message)
}

/// A query that groups by time_bucket_gapfill.
pub struct GapQuery {
    /// the item of GROUP BY
    pub clause: *mut pg_sys::SortGroupClause,
    pub call: *mut pg_sys::FuncExpr,
    /// locf and interpolate in the select list and ORDER BY
    pub listed: Vec<*mut pg_sys::FuncExpr>,
    /// those and the ones in HAVING
    pub markers: Vec<*mut pg_sys::FuncExpr>,
    /// width, zone, start and finish; NULL where not given
    pub width: *mut pg_sys::Expr,
    pub zone: *mut pg_sys::Expr,
    pub start: *mut pg_sys::Expr,
    pub finish: *mut pg_sys::Expr,
    pub bounds: Vec<Bound>,
}

/// The call in GROUP BY, if there is one. Cheap for every other query.
unsafe fn grouped_call(
    root: *mut pg_sys::PlannerInfo,
) -> Option<(*mut pg_sys::SortGroupClause, *mut pg_sys::FuncExpr)> {
    // SAFETY: the planner's own structures
    unsafe {
        let mut found = None;
        for clause in list::pointers::<pg_sys::SortGroupClause>((*(*root).parse).groupClause) {
            let expr = pg_sys::get_sortgroupclause_expr(clause, (*root).processed_tlist);
            if Mark::of(expr) == Some(Mark::Gapfill) {
                if found.is_some() {
                    raise(refused(
                        "a query can have one call of time_bucket_gapfill only",
                    ));
                }
                found = Some((clause, expr.cast()));
            }
        }
        found
    }
}

/// The gap-filling query that is being planned, if it is one. Raises what it must not hold.
///
/// # Safety
/// Called by the planner at the time of grouping.
pub unsafe fn find(root: *mut pg_sys::PlannerInfo) -> Option<GapQuery> {
    // SAFETY: the planner's own structures
    unsafe {
        let (clause, call) = grouped_call(root)?;
        let parse = (*root).parse;
        let mut calls = Calls::within((*root).processed_tlist.cast());
        let listed = calls.markers.clone();
        calls.add((*parse).havingQual);
        // a condition on the bucket in HAVING has become one in WHERE
        let everywhere = Calls::within((*parse).jointree.cast());
        let mut gapfill = calls.gapfill.iter().chain(&everywhere.gapfill);
        if gapfill.any(|c| !pg_sys::equal(c.cast(), call.cast())) {
            raise(refused(
                "a query can have one call of time_bucket_gapfill only",
            ));
        }
        if calls.nested {
            raise(refused(
                "locf and interpolate cannot stand in each other or in an aggregate",
            ));
        }
        let args: Vec<*mut pg_sys::Expr> = list::pointers((*call).args).collect();
        let (width, time, zone, start, finish) = match *args.as_slice() {
            [width, time, start, finish] => (width, time, std::ptr::null_mut(), start, finish),
            [width, time, zone, start, finish] => (width, time, zone, start, finish),
            _ => raise(Error::internal("time_bucket_gapfill has 4 or 5 arguments")),
        };
        fixed("bucket_width", width);
        fixed("timezone", zone);
        fixed("start", start);
        fixed("finish", finish);
        let query = GapQuery {
            clause,
            call,
            listed,
            markers: calls.markers,
            width,
            zone,
            start: given(start),
            finish: given(finish),
            bounds: gapfill_range::bounds(parse, time),
        };
        Some(query)
    }
}

unsafe fn fixed(name: &str, arg: *mut pg_sys::Expr) {
    // SAFETY: NULL or a valid expression
    if !arg.is_null() && !unsafe { gapfill_range::is_fixed(arg.cast()) } {
        raise(Error::new(
            Kind::InvalidParameter,
            format!("{name} of time_bucket_gapfill must be the same for all rows"),
        ));
    }
}

/// NULL for an argument that is NULL by its text.
unsafe fn given(arg: *mut pg_sys::Expr) -> *mut pg_sys::Expr {
    // SAFETY: a valid expression, cast by its tag
    let absent = unsafe {
        (*arg.cast::<pg_sys::Node>()).type_ == pg_sys::NodeTag::T_Const
            && (*arg.cast::<pg_sys::Const>()).constisnull
    };
    if absent { std::ptr::null_mut() } else { arg }
}

/// Splits conditions of HAVING: those on aggregates choose the groups that are filled; those on the bucket
/// and on filled values are for the rows after.
///
/// # Safety
/// A list of valid expressions.
pub unsafe fn split_having(quals: *mut pg_sys::List) -> (*mut pg_sys::List, *mut pg_sys::List) {
    let (mut before, mut after) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: promised by the caller
    unsafe {
        for qual in list::pointers::<pg_sys::Node>(quals) {
            if pg_sys::contain_agg_clause(qual) && Calls::within(qual).markers.is_empty() {
                before = pg_sys::lappend(before, qual.cast());
            } else {
                after = pg_sys::lappend(after, qual.cast());
            }
        }
    }
    (before, after)
}

/// What expressions above an aggregate need from it besides `given`: aggregates, and columns that the group
/// columns determine.
pub struct Needed<'a> {
    pub given: &'a [*mut pg_sys::Node],
    pub columns: Vec<*mut pg_sys::Node>,
}

impl Needed<'_> {
    /// # Safety
    /// `node` must be NULL or a valid expression.
    pub unsafe fn add(&mut self, node: *mut pg_sys::Node) {
        // SAFETY: promised by the caller
        unsafe { need(node, std::ptr::from_mut(self).cast()) };
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn need(node: *mut pg_sys::Node, context: *mut core::ffi::c_void) -> bool {
    use pg_sys::NodeTag as T;
    // SAFETY: the walker passes valid nodes, and the context that add() gave
    unsafe {
        if node.is_null() {
            return false;
        }
        let needed = &mut *context.cast::<Needed>();
        let mut known = needed.given.iter().chain(&needed.columns);
        if known.any(|k| pg_sys::equal(k.cast(), node.cast())) {
            return false;
        }
        if matches!(
            (*node).type_,
            T::T_Var | T::T_Aggref | T::T_PlaceHolderVar | T::T_GroupingFunc
        ) {
            needed.columns.push(node);
            return false;
        }
        pg_sys::expression_tree_walker(node, Some(need), context)
    }
}
