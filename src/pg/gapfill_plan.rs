//! The path and the plan node of gap filling.

use super::custom_node::Planning;
use super::gapfill::Mark;
use super::gapfill_layout::{BoundLayout, Layout, MarkerLayout};
use super::gapfill_path::Input;
use super::gapfill_query::GapQuery;
use super::list;
use pgrx::pg_sys;

type Exprs = Vec<*mut pg_sys::Expr>;

/// (layout, expressions, markers, conditions on filled values)
///
/// # Safety
/// The planner's own structures.
pub unsafe fn private(
    query: &GapQuery,
    input: &Input,
    quals: *mut pg_sys::List,
) -> *mut pg_sys::List {
    // SAFETY: expressions of the query; lists are palloc'd
    unsafe {
        let mut exprs: Exprs = vec![query.width];
        let optional = [query.zone, query.start, query.finish];
        exprs.extend(optional.iter().filter(|e| !e.is_null()));
        exprs.extend(query.bounds.iter().map(|b| b.value));
        let markers = query
            .markers
            .iter()
            .map(|m| marker(*m, &mut exprs))
            .collect();
        let layout = Layout {
            key: pg_sys::exprType(query.call.cast()),
            classes: input.classes.clone(),
            others: input.others.clone(),
            zone: !query.zone.is_null(),
            start: !query.start.is_null(),
            finish: !query.finish.is_null(),
            bounds: query
                .bounds
                .iter()
                .map(|b| BoundLayout {
                    side: b.side,
                    inclusive: b.inclusive,
                    value_type: pg_sys::exprType(b.value.cast()),
                })
                .collect(),
            markers,
        };
        let list_of = |items: &mut dyn Iterator<Item = *mut core::ffi::c_void>| {
            items.fold(std::ptr::null_mut(), |l, item| pg_sys::lappend(l, item))
        };
        let parts = [
            layout.to_list(),
            list_of(&mut exprs.iter().map(|e| e.cast())),
            list_of(&mut query.markers.iter().map(|m| m.cast())),
            quals,
        ];
        list_of(&mut parts.iter().map(|p| p.cast()))
    }
}

/// Arguments that are NULL by their text are left out.
unsafe fn marker(call: *mut pg_sys::FuncExpr, exprs: &mut Exprs) -> MarkerLayout {
    let mut present = [false; 3];
    // SAFETY: a marked call of the query with three arguments
    unsafe {
        for (i, arg) in list::pointers::<pg_sys::Expr>((*call).args)
            .take(3)
            .enumerate()
        {
            let null = (*arg.cast::<pg_sys::Node>()).type_ == pg_sys::NodeTag::T_Const
                && (*arg.cast::<pg_sys::Const>()).constisnull;
            present[i] = i == 0 || !null;
            if present[i] {
                exprs.push(arg);
            }
        }
        MarkerLayout {
            mark: Mark::of(call.cast()).unwrap_or(Mark::Locf),
            value_type: (*call).funcresulttype,
            present,
        }
    }
}

/// The path above one that aggregates, sorted if need be.
///
/// # Safety
/// The planner's own structures.
pub unsafe fn fill(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    path: *mut pg_sys::Path,
    input: &Input,
    private: *mut pg_sys::List,
) -> *mut pg_sys::CustomPath {
    // SAFETY: the planner's own, valid structs; the node is fresh
    unsafe {
        let ordered = if pg_sys::pathkeys_contained_in(input.order, (*path).pathkeys) {
            path
        } else {
            pg_sys::create_sort_path(root, rel, path, input.order, -1.0).cast()
        };
        let fill = super::gapfill_node::METHODS.new_path(rel);
        // the gaps are not known: as many as there are rows
        (*fill).path.rows = ((*ordered).rows * 2.0).max(1.0);
        (*fill).path.startup_cost = (*ordered).startup_cost;
        (*fill).path.total_cost =
            (*ordered).total_cost + (*fill).path.rows * pg_sys::cpu_tuple_cost * 2.0;
        (*fill).path.pathkeys = input.order;
        (*fill).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
        (*fill).custom_paths = pg_sys::lappend(std::ptr::null_mut(), ordered.cast());
        (*fill).custom_private = private;
        fill
    }
}

/// The node's own row: the columns of the input, then one for each locf and interpolate. Whatever stands
/// above finds these calls whole in that row.
///
/// # Safety
/// As for [`Node::plan`](super::custom_node::Node::plan).
pub(super) unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
    // SAFETY: the planner's own structures
    unsafe {
        let mut parts = list::pointers::<pg_sys::List>((*planning.path).custom_private);
        let mut part = || parts.next().unwrap_or(std::ptr::null_mut());
        let (layout, exprs, markers, quals) = (part(), part(), part(), part());
        (*scan).scan.plan.qual = pg_sys::copyObjectImpl(quals.cast()).cast();
        (*scan).custom_plans = planning.plans;
        (*scan).custom_exprs = pg_sys::copyObjectImpl(exprs.cast()).cast();
        (*scan).custom_private = pg_sys::lappend(std::ptr::null_mut(), layout.cast());
        let mut row: *mut pg_sys::List = std::ptr::null_mut();
        let mut column = |expr: *mut pg_sys::Expr| {
            let copy = pg_sys::copyObjectImpl(expr.cast()).cast();
            let n = if row.is_null() { 0 } else { (*row).length };
            let entry = pg_sys::makeTargetEntry(copy, n as i16 + 1, std::ptr::null_mut(), false);
            row = pg_sys::lappend(row, entry.cast());
        };
        for plan in list::pointers::<pg_sys::Plan>(planning.plans) {
            for entry in list::pointers::<pg_sys::TargetEntry>((*plan).targetlist) {
                column((*entry).expr);
            }
        }
        for marker in list::pointers::<pg_sys::Expr>(markers) {
            column(marker);
        }
        (*scan).custom_scan_tlist = row;
    }
}
