//! Planning of gap filling: every way to aggregate gets a sort by the other group columns and the bucket,
//! and a GapFill node above.

use super::cold_state::raise;
use super::gapfill_layout::{Class, GroupColumn};
use super::gapfill_plan::{fill, private};
use super::gapfill_query::{self, Calls, GapQuery, Needed, holds, split_having};
use super::{gapfill_range, list};
use crate::error::{Error, Kind};
use crate::hypertable::gapfill::Side;
use pgrx::pg_sys;

/// What the aggregate below has to deliver.
pub struct Input {
    pub target: *mut pg_sys::PathTarget,
    pub classes: Vec<Class>,
    pub others: Vec<GroupColumn>,
    /// other group columns, then the bucket
    pub order: *mut pg_sys::List,
}

/// create_upper_paths for grouping: puts GapFill above the paths of a gap-filling query.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn group_paths(
    root: *mut pg_sys::PlannerInfo,
    input_rel: *mut pg_sys::RelOptInfo,
    rel: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let whole = (*rel).reloptkind == pg_sys::RelOptKind::RELOPT_UPPER_REL;
        if !whole || (*(*root).parse).groupClause.is_null() {
            return;
        }
        let Some(query) = gapfill_query::find(root) else {
            return;
        };
        check_range(root, &query);
        add_missing_markers(&query, (*rel).reltarget);
        let having = (*(*root).parse).havingQual.cast();
        let (before, after) = split_having(having);
        let input = input(root, &query, (*rel).reltarget, after);
        let mut paths = aggregations((*rel).pathlist, input.target);
        if paths.is_empty() {
            paths.push(own_aggregation(root, input_rel, rel, input.target, before));
        }
        let private = private(&query, &input, after);
        (*rel).pathlist = std::ptr::null_mut();
        (*rel).partial_pathlist = std::ptr::null_mut();
        for path in paths {
            pg_sys::add_path(rel, fill(root, rel, path, &input, private).cast());
        }
    }
}

/// The range must be known, unless no row can come at all.
unsafe fn check_range(root: *mut pg_sys::PlannerInfo, query: &GapQuery) {
    for (side, arg, name, condition) in [
        (Side::Start, query.start, "start", ">="),
        (Side::Finish, query.finish, "finish", "<"),
    ] {
        // SAFETY: the planner's own query
        let known = !arg.is_null()
            || query.bounds.iter().any(|b| b.side == side)
            || unsafe { gapfill_range::never((*root).parse) };
        if !known {
            raise(no_range(name, condition));
        }
    }
}

/// 22023: nothing tells where the series begins or ends.
pub fn no_range(name: &str, condition: &str) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("time_bucket_gapfill does not know its {name}"),
    )
    .hint(format!(
        "give the argument {name}, or a condition such as WHERE time {condition} '2025-01-01' on the same column, joined by AND"
    ))
}

/// Where window functions or set-returning functions take expressions apart, locf and interpolate would
/// be computed above: they become columns of their own, which the nodes above find.
unsafe fn add_missing_markers(query: &GapQuery, target: *mut pg_sys::PathTarget) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let present = Calls::within((*target).exprs.cast()).markers;
        for marker in &query.listed {
            if !holds(&present, *marker) {
                pg_sys::add_column_to_pathtarget(target, marker.cast(), 0);
            }
        }
    }
}

unsafe fn input(
    root: *mut pg_sys::PlannerInfo,
    query: &GapQuery,
    output: *mut pg_sys::PathTarget,
    quals: *mut pg_sys::List,
) -> Input {
    // SAFETY: the planner's own, valid structs; what is made is palloc'd
    unsafe {
        let target = pg_sys::create_empty_pathtarget();
        let (mut others, mut order) = (Vec::new(), std::ptr::null_mut());
        let groups = (*(*root).parse).groupClause;
        for clause in list::pointers::<pg_sys::SortGroupClause>(groups) {
            let expr = pg_sys::get_sortgroupclause_expr(clause, (*root).processed_tlist);
            pg_sys::add_column_to_pathtarget(target, expr.cast(), (*clause).tleSortGroupRef);
            if clause != query.clause {
                others.push(GroupColumn {
                    attnum: (*(*target).exprs).length as i16,
                    equality: (*clause).eqop,
                    collation: pg_sys::exprCollation(expr),
                });
                order = pg_sys::lappend(order, sortable(clause, expr).cast());
            }
        }
        order = pg_sys::lappend(order, rising(query).cast());
        let given: Vec<*mut pg_sys::Node> = list::pointers((*target).exprs).collect();
        let mut needed = Needed {
            given: &given,
            columns: vec![],
        };
        let markers = query.markers.iter().map(|m| m.cast());
        let quals = list::pointers(quals);
        for expr in list::pointers((*output).exprs).chain(markers).chain(quals) {
            needed.add(expr);
        }
        for column in needed.columns {
            pg_sys::add_column_to_pathtarget(target, column.cast(), 0);
        }
        let classes = list::pointers::<pg_sys::Node>((*target).exprs)
            .map(|expr| match () {
                () if pg_sys::equal(expr.cast(), query.call.cast()) => Class::Bucket,
                () if (*expr).type_ == pg_sys::NodeTag::T_Aggref => Class::Null,
                () => Class::Copy,
            })
            .collect();
        Input {
            target: pg_sys::set_pathtarget_cost_width(root, target),
            classes,
            others,
            order: pg_sys::make_pathkeys_for_sortclauses(root, order, (*root).processed_tlist),
        }
    }
}

unsafe fn sortable(
    clause: *mut pg_sys::SortGroupClause,
    expr: *mut pg_sys::Node,
) -> *mut pg_sys::SortGroupClause {
    // SAFETY: a clause of the query and its expression
    unsafe {
        if (*clause).sortop == pg_sys::InvalidOid {
            let name = super::anyvalue::type_name(pg_sys::exprType(expr));
            raise(Error::new(
                Kind::NotSupported,
                format!("time_bucket_gapfill cannot group by type {name}, which has no order"),
            ));
        }
        clause
    }
}

/// The bucket in rising order, whatever ORDER BY says.
unsafe fn rising(query: &GapQuery) -> *mut pg_sys::SortGroupClause {
    // SAFETY: a copy of the query's clause; entries of the type cache live as long as the process
    unsafe {
        let clause = pg_sys::copyObjectImpl(query.clause.cast()).cast::<pg_sys::SortGroupClause>();
        let key = pg_sys::exprType(query.call.cast());
        let entry = pg_sys::lookup_type_cache(key, pg_sys::TYPECACHE_LT_OPR as i32);
        super::compat_plan::sort_upwards(clause, (*entry).lt_opr);
        clause
    }
}

/// Copies of the paths that aggregate, which deliver the input of GapFill and leave conditions on filled
/// values to it.
unsafe fn aggregations(
    paths: *mut pg_sys::List,
    target: *mut pg_sys::PathTarget,
) -> Vec<*mut pg_sys::Path> {
    // SAFETY: paths of the planner, cast by their tags; the copies are palloc'd
    unsafe {
        let mut found = Vec::new();
        for path in list::pointers::<pg_sys::Path>(paths) {
            let copy = match (*path).type_ {
                pg_sys::NodeTag::T_AggPath => {
                    let copy = copied(path.cast::<pg_sys::AggPath>());
                    (*copy).qual = split_having((*copy).qual).0;
                    copy.cast::<pg_sys::Path>()
                }
                pg_sys::NodeTag::T_GroupPath => {
                    let copy = copied(path.cast::<pg_sys::GroupPath>());
                    (*copy).qual = split_having((*copy).qual).0;
                    copy.cast()
                }
                _ => continue,
            };
            (*copy).pathtarget = target;
            found.push(copy);
        }
        found
    }
}

unsafe fn copied<T>(node: *const T) -> *mut T {
    // SAFETY: a fresh piece of memory of the right size
    unsafe {
        let copy = pg_sys::palloc(size_of::<T>()).cast::<T>();
        std::ptr::copy_nonoverlapping(node, copy, 1);
        copy
    }
}

/// A sorted aggregate over the cheapest input, for when partitions are aggregated one by one only.
unsafe fn own_aggregation(
    root: *mut pg_sys::PlannerInfo,
    input_rel: *mut pg_sys::RelOptInfo,
    rel: *mut pg_sys::RelOptInfo,
    target: *mut pg_sys::PathTarget,
    having: *mut pg_sys::List,
) -> *mut pg_sys::Path {
    // SAFETY: the planner's own, valid structs
    unsafe {
        // there is nothing to choose from: the cost of the functions does not matter
        let costs = pg_sys::AggClauseCosts::default();
        let cheapest = (*input_rel).cheapest_total_path;
        let sorted = pg_sys::create_sort_path(root, rel, cheapest, (*root).group_pathkeys, -1.0);
        let groups = ((*cheapest).rows / 10.0).max(1.0);
        pg_sys::create_agg_path(
            root,
            rel,
            sorted.cast(),
            target,
            pg_sys::AggStrategy::AGG_SORTED,
            pg_sys::AggSplit::AGGSPLIT_SIMPLE,
            (*(*root).parse).groupClause,
            having,
            &costs,
            groups,
        )
        .cast()
    }
}
