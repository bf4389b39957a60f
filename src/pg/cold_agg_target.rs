//! From the planner's expressions to what a cold file can aggregate.
//!
//! The smallest doubt about an expression means that PostgreSQL aggregates.

use super::cold_clause::plain_var;
use super::cold_compare::{bytewise, deterministic};
use super::cold_datum::{encoding_of, is_utf8};
use super::{list, planner_bucket};
use crate::cold::aggregate::Output;
use crate::cold::mapping::{EPOCH_US, Encoding};
use crate::hypertable::bucket::ORIGIN_US;
use crate::hypertable::predicate::{Bucket, Span, Width};
use pgrx::pg_sys;
use pgrx::pg_sys::NodeTag as Tag;

/// An output, and the encoding that its column has by its type.
pub(super) type Wanted = (Output, Encoding);

/// What a node below the last aggregation gives: keys and states (make_partial_grouping_target,
/// planner.c, which is not exported).
///
/// # Safety
/// The planner's own structures.
pub(super) unsafe fn partial(
    root: *mut pg_sys::PlannerInfo,
    grouped: *mut pg_sys::PathTarget,
    having: *mut pg_sys::Node,
) -> *mut pg_sys::PathTarget {
    // SAFETY: promised by the caller; what is made is palloc'd
    unsafe {
        let target = pg_sys::create_empty_pathtarget();
        let mut others = std::ptr::null_mut();
        for (n, expr) in list::pointers::<pg_sys::Expr>((*grouped).exprs).enumerate() {
            let number = sort_group(grouped, n);
            if is_key(root, number) {
                pg_sys::add_column_to_pathtarget(target, expr, number);
            } else {
                others = pg_sys::lappend(others, expr.cast());
            }
        }
        if !having.is_null() {
            others = pg_sys::lappend(others, having.cast());
        }
        let flags = pg_sys::PVC_INCLUDE_AGGREGATES
            | pg_sys::PVC_RECURSE_WINDOWFUNCS
            | pg_sys::PVC_INCLUDE_PLACEHOLDERS;
        let needed = pg_sys::pull_var_clause(others.cast(), flags as i32);
        pg_sys::add_new_columns_to_pathtarget(target, needed);
        let mut exprs = std::ptr::null_mut();
        for expr in list::pointers::<pg_sys::Node>((*target).exprs) {
            let expr = if (*expr).type_ == Tag::T_Aggref {
                let copy = pg_sys::palloc(size_of::<pg_sys::Aggref>()).cast::<pg_sys::Aggref>();
                std::ptr::copy_nonoverlapping(expr.cast(), copy, 1);
                let split = pg_sys::AggSplit::AGGSPLIT_INITIAL_SERIAL;
                pg_sys::mark_partial_aggref(copy, split);
                copy.cast()
            } else {
                expr
            };
            exprs = pg_sys::lappend(exprs, expr.cast());
        }
        (*target).exprs = exprs;
        pg_sys::set_pathtarget_cost_width(root, target)
    }
}

unsafe fn sort_group(target: *mut pg_sys::PathTarget, n: usize) -> pg_sys::Index {
    // SAFETY: the array, if there, is as long as the list of expressions
    unsafe {
        if (*target).sortgrouprefs.is_null() {
            0
        } else {
            *(*target).sortgrouprefs.add(n)
        }
    }
}

unsafe fn is_key(root: *mut pg_sys::PlannerInfo, number: pg_sys::Index) -> bool {
    // SAFETY: the planner's own query
    unsafe {
        let groups = (*(*root).parse).groupClause;
        number != 0 && !pg_sys::get_sortgroupref_clause_noerr(number, groups).is_null()
    }
}

/// The outputs of a partial target over one relation. None: not all of them are for a file.
///
/// # Safety
/// The planner's own structures; `target` as [`partial`] makes it.
pub(super) unsafe fn wanted(
    root: *mut pg_sys::PlannerInfo,
    target: *mut pg_sys::PathTarget,
    relid: pg_sys::Index,
) -> Option<Vec<Wanted>> {
    // SAFETY: promised by the caller
    unsafe {
        list::pointers::<pg_sys::Node>((*target).exprs)
            .enumerate()
            .map(|(n, expr)| {
                if is_key(root, sort_group(target, n)) {
                    key(expr, relid)
                } else if (*expr).type_ == Tag::T_Aggref {
                    aggregate(expr.cast(), relid)
                } else {
                    None
                }
            })
            .collect()
    }
}

unsafe fn key(expr: *mut pg_sys::Node, relid: pg_sys::Index) -> Option<Wanted> {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        if (*expr).type_ == Tag::T_FuncExpr {
            return bucket(expr.cast(), relid);
        }
        let (attnum, encoding) = column(expr, relid)?;
        // another encoding of the server may write two texts as one
        let fits =
            encoding != Encoding::Text || (is_utf8() && deterministic(pg_sys::exprCollation(expr)));
        fits.then_some((Output::Key(attnum), encoding))
    }
}

/// A column of the relation, also below a relabel that leaves its stored form what it is.
unsafe fn column(expr: *mut pg_sys::Node, relid: pg_sys::Index) -> Option<(i16, Encoding)> {
    // SAFETY: as above
    unsafe {
        let var = plain_var(expr, relid)?;
        let encoding = encoding_of((*var).vartype);
        let same = encoding_of(pg_sys::exprType(expr)) == encoding;
        same.then_some(((*var).varattno, encoding))
    }
}

/// `time_bucket` of a fixed width, which is the same in every session.
unsafe fn bucket(call: *mut pg_sys::FuncExpr, relid: pg_sys::Index) -> Option<Wanted> {
    // SAFETY: as above
    unsafe {
        let args: Vec<*mut pg_sys::Node> = list::pointers((*call).args).collect();
        if !(2..=3).contains(&args.len()) || !planner_bucket::is_time_bucket((*call).funcid) {
            return None;
        }
        let (attnum, encoding) = column(args[1], relid)?;
        let times = [Encoding::Timestamp, Encoding::TimestampTz];
        if !times.contains(&encoding) || encoding_of((*call).funcresulttype) != encoding {
            return None;
        }
        let Bucket::Time {
            width: Width::Micros(width_us),
            origin_us,
            offset,
            zone: false,
        } = planner_bucket::bucket_of(&args)?
        else {
            return None;
        };
        if offset != Span::default() {
            return None;
        }
        let origin_us = origin_us.unwrap_or(ORIGIN_US).checked_add(EPOCH_US)?;
        let output = Output::Bucket {
            attnum,
            width_us,
            origin_us,
        };
        Some((output, encoding))
    }
}

/// The built-in aggregates by their numbers (pg_proc.dat), with a plain value as state.
unsafe fn aggregate(call: *mut pg_sys::Aggref, relid: pg_sys::Index) -> Option<Wanted> {
    // SAFETY: as above
    unsafe {
        let plain = (*call).aggkind as u8 == b'n'
            && (*call).aggdirectargs.is_null()
            && (*call).aggorder.is_null()
            && (*call).aggdistinct.is_null()
            && (*call).aggfilter.is_null()
            && !(*call).aggvariadic
            && (*call).agglevelsup == 0;
        if !plain {
            return None;
        }
        let args: Vec<*mut pg_sys::TargetEntry> = list::pointers((*call).args).collect();
        let function = (*call).aggfnoid.to_u32();
        let arg = match args.as_slice() {
            [] => return (function == 2803).then_some((Output::Rows, Encoding::Int)),
            [arg] => (**arg).expr.cast::<pg_sys::Node>(),
            _ => return None,
        };
        if function == 2147 {
            return counted(arg, relid);
        }
        let (attnum, encoding) = column(arg, relid)?;
        let output = match function {
            2108 | 2109 => Output::Sum(attnum),
            2101 | 2102 => Output::Average(attnum),
            // int8, int4, int2, oid, float4, float8; date, time; timestamp, timestamptz; text
            2115..=2120 | 2122 | 2123 | 2126 | 2127 | 2129 => Output::Max(attnum),
            2131..=2136 | 2138 | 2139 | 2142 | 2143 | 2145 => Output::Min(attnum),
            _ => return None,
        };
        let fits = encoding != Encoding::Text || bytewise((*call).inputcollid);
        fits.then_some((output, encoding))
    }
}

/// `count(column)`, and `count(1)`, which counts rows.
unsafe fn counted(arg: *mut pg_sys::Node, relid: pg_sys::Index) -> Option<Wanted> {
    // SAFETY: as above
    unsafe {
        if (*arg).type_ == Tag::T_Const {
            let null = (*arg.cast::<pg_sys::Const>()).constisnull;
            return (!null).then_some((Output::Rows, Encoding::Int));
        }
        let var = plain_var(arg, relid)?;
        let encoding = encoding_of((*var).vartype);
        Some((Output::Count((*var).varattno), encoding))
    }
}
