//! time_bucket_gapfill, locf and interpolate as functions.
//!
//! A query that groups by time_bucket_gapfill gets a GapFill node above its aggregate
//! (gapfill_path.rs). How a call is recognised: the support function of each of the three, which the
//! planner calls for every call of it, puts a mark into the call where the collation of the arguments
//! stands; none of the three uses it. A marked time_bucket_gapfill is a plain time_bucket. A marked locf
//! or interpolate is replaced by a column of the node. A call without a mark is an error when it runs:
//! it stands in the wrong place, or the library was not preloaded.

use super::call::{Call, c_function};
use super::cold_state::raise;
use super::{compat, list, session};
use crate::error::{Error, Kind, Result};
use crate::hypertable::bucket::{Span, Width, bucket, bucket_date, bucket_integer, is_finite};
use crate::hypertable::gapfill::LocalTime;
use pgrx::pg_sys;
use std::ffi::CStr;

/// What a call is marked as. The numbers are no collation's: they lie far above what initdb gives and
/// are only ever compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Gapfill,
    Locf,
    Interpolate,
}

impl Mark {
    fn oid(self) -> pg_sys::Oid {
        pg_sys::Oid::from(match self {
            Mark::Gapfill => 0xFFF0_6701_u32,
            Mark::Locf => 0xFFF0_6702,
            Mark::Interpolate => 0xFFF0_6703,
        })
    }

    /// The mark of an expression that is a marked call.
    ///
    /// # Safety
    /// `node` must be NULL or a valid expression.
    pub unsafe fn of(node: *const pg_sys::Node) -> Option<Mark> {
        // SAFETY: promised by the caller; the tag is checked before the cast
        unsafe {
            if node.is_null() || (*node).type_ != pg_sys::NodeTag::T_FuncExpr {
                return None;
            }
            let mark = (*node.cast::<pg_sys::FuncExpr>()).inputcollid;
            [Mark::Gapfill, Mark::Locf, Mark::Interpolate]
                .into_iter()
                .find(|m| m.oid() == mark)
        }
    }
}

impl LocalTime for super::time::Zone<'_> {
    fn to_local(&self, utc: i64) -> Result<i64> {
        super::time::Zone::to_local(*self, utc)
    }
    fn to_utc(&self, local: i64) -> Result<i64> {
        super::time::Zone::to_utc(*self, local)
    }
    fn pause(&self) {
        super::catalog::check_for_interrupts();
    }
}

// ---- support functions ----

/// The planner's wish that a call be made simpler, if that is what it asks for.
///
/// # Safety
/// A call of a support function.
pub(super) unsafe fn to_simplify<'a>(call: Call) -> Option<&'a pg_sys::SupportRequestSimplify> {
    // SAFETY: the planner passes a node, whose tag is checked before the cast
    unsafe {
        let node = call.arg(0)?.cast_mut_ptr::<pg_sys::Node>();
        ((*node).type_ == pg_sys::NodeTag::T_SupportRequestSimplify).then(|| &*node.cast())
    }
}

/// Marks the call if its query groups by time_bucket_gapfill.
///
/// # Safety
/// A call of a support function.
unsafe fn support(call: Call, mark: Mark) -> pg_sys::Datum {
    // a NULL pointer, which is not SQL's NULL: nothing to say
    let nothing = pg_sys::Datum::from(0);
    // SAFETY: promised by the caller
    unsafe {
        let Some(request) = to_simplify(call) else {
            return nothing;
        };
        if (*request.fcall).inputcollid == mark.oid()
            || request.root.is_null()
            || !session::preloaded_here()
            || !groups_by_gapfill((*request.root).parse, (*request.fcall).funcid)
        {
            return nothing;
        }
        let marked = pg_sys::copyObjectImpl(request.fcall.cast()).cast::<pg_sys::FuncExpr>();
        (*marked).inputcollid = mark.oid();
        if mark == Mark::Gapfill {
            super::gapfill_literal::untyped_range(marked);
        }
        pg_sys::Datum::from(marked)
    }
}

/// True when an item of GROUP BY is a call of time_bucket_gapfill from the schema of `function`.
unsafe fn groups_by_gapfill(parse: *mut pg_sys::Query, function: pg_sys::Oid) -> bool {
    // SAFETY: the planner's own query
    unsafe {
        !parse.is_null()
            && (*parse).groupingSets.is_null()
            && grouped_by(parse) == Some(pg_sys::get_func_namespace(function))
    }
}

/// Schema of the time_bucket_gapfill that a query groups by.
///
/// # Safety
/// A query on its way to or through the planner.
pub unsafe fn grouped_by(parse: *mut pg_sys::Query) -> Option<pg_sys::Oid> {
    // SAFETY: promised by the caller; syscache look-ups give palloc'd strings or NULL
    unsafe {
        list::pointers::<pg_sys::SortGroupClause>((*parse).groupClause).find_map(|clause| {
            let tle = pg_sys::get_sortgroupclause_tle(clause, (*parse).targetList);
            let expr = compat::group_expression(parse, (*tle).expr.cast());
            if expr.is_null() || (*expr).type_ != pg_sys::NodeTag::T_FuncExpr {
                return None;
            }
            let id = (*expr.cast::<pg_sys::FuncExpr>()).funcid;
            let name = pg_sys::get_func_name(id);
            let ours = !name.is_null() && CStr::from_ptr(name) == c"time_bucket_gapfill";
            ours.then(|| pg_sys::get_func_namespace(id))
        })
    }
}

/// # Safety
/// A call of a support function.
unsafe fn support_gapfill(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { support(call, Mark::Gapfill) }
}

/// # Safety
/// A call of a support function.
unsafe fn support_locf(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { support(call, Mark::Locf) }
}

/// # Safety
/// A call of a support function.
unsafe fn support_interpolate(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { support(call, Mark::Interpolate) }
}

c_function!(
    gapfill_support_wrapper,
    pg_finfo_gapfill_support_wrapper,
    support_gapfill
);
c_function!(
    locf_support_wrapper,
    pg_finfo_locf_support_wrapper,
    support_locf
);
c_function!(
    interpolate_support_wrapper,
    pg_finfo_interpolate_support_wrapper,
    support_interpolate
);

// ---- the functions ----

fn not_preloaded() -> Error {
    Error::new(
        Kind::NotSupported,
        "gap filling works only where pg_strata is preloaded",
    )
    .hint("shared_preload_libraries = 'pg_strata' in postgresql.conf, then restart the server")
}

fn check_place(call: Call) {
    if call.collation() == Mark::Gapfill.oid() {
        return;
    }
    raise(if session::preloaded_here() {
        Error::new(
            Kind::NotSupported,
            "time_bucket_gapfill must be an item of GROUP BY, by itself and without GROUPING SETS",
        )
        .hint("use it in a subquery to compute with its result")
    } else {
        not_preloaded()
    })
}

/// locf and interpolate never run: a GapFill node has their results.
///
/// # Safety
/// A call with any arguments.
unsafe fn out_of_place(_call: Call) -> pg_sys::Datum {
    raise(if session::preloaded_here() {
        Error::new(
            Kind::NotSupported,
            "locf and interpolate work only in the select list, HAVING or ORDER BY of a query that groups by time_bucket_gapfill",
        )
    } else {
        not_preloaded()
    })
}

/// The fields of an interval.
///
/// # Safety
/// `datum` must be an interval that is not NULL.
pub unsafe fn span(datum: pg_sys::Datum) -> Span {
    // SAFETY: promised by the caller
    let interval = unsafe { &*datum.cast_mut_ptr::<pg_sys::Interval>() };
    Span {
        months: interval.month,
        days: interval.day,
        us: interval.time,
    }
}

/// The text of a text value.
///
/// # Safety
/// `datum` must be a text that is not NULL.
pub unsafe fn text(datum: pg_sys::Datum) -> String {
    // SAFETY: promised by the caller
    unsafe { pgrx::FromDatum::from_datum(datum, false) }.unwrap_or_default()
}

/// Answers with what `f` makes of width and time; NULL if one of them is NULL.
fn answer(call: Call, f: impl Fn(pg_sys::Datum, usize) -> Result<i64>) -> pg_sys::Datum {
    check_place(call);
    let (Some(width), Some(ts)) = (call.arg(0), call.arg(1)) else {
        return call.null();
    };
    match f(width, ts.value()) {
        Ok(value) => pg_sys::Datum::from(value),
        Err(e) => raise(e),
    }
}

unsafe fn gapfill_int2(call: Call) -> pg_sys::Datum {
    let min = i64::from(i16::MIN);
    answer(call, |w, ts| {
        bucket_integer((w.value() as i16).into(), (ts as i16).into(), 0, min)
    })
}

unsafe fn gapfill_int4(call: Call) -> pg_sys::Datum {
    let min = i64::from(i32::MIN);
    answer(call, |w, ts| {
        bucket_integer((w.value() as i32).into(), (ts as i32).into(), 0, min)
    })
}

unsafe fn gapfill_int8(call: Call) -> pg_sys::Datum {
    answer(call, |w, ts| {
        bucket_integer(w.value() as i64, ts as i64, 0, i64::MIN)
    })
}

unsafe fn gapfill_date(call: Call) -> pg_sys::Datum {
    // SAFETY: the first argument is an interval
    let width = |w| Width::of(unsafe { span(w) });
    answer(call, |w, ts| {
        Ok(bucket_date(width(w)?, ts as i32, None, Span::default())?.into())
    })
}

unsafe fn gapfill_time(call: Call) -> pg_sys::Datum {
    // SAFETY: the first argument is an interval
    let width = |w| Width::of(unsafe { span(w) });
    answer(call, |w, ts| {
        bucket(width(w)?, ts as i64, None, Span::default())
    })
}

unsafe fn gapfill_zone(call: Call) -> pg_sys::Datum {
    let Some(zone) = call.arg(2) else {
        check_place(call);
        return call.null();
    };
    // SAFETY: the third argument is a text, the first an interval
    let (name, width) = unsafe { (text(zone), |w| Width::of(span(w))) };
    answer(call, |w, ts| {
        let (width, ts) = (width(w)?, ts as i64);
        let zone = super::time::Zone::named(&name)?;
        if !is_finite(ts) {
            return Ok(ts);
        }
        zone.to_utc(bucket(width, zone.to_local(ts)?, None, Span::default())?)
    })
}

c_function!(
    gapfill_int2_wrapper,
    pg_finfo_gapfill_int2_wrapper,
    gapfill_int2
);
c_function!(
    gapfill_int4_wrapper,
    pg_finfo_gapfill_int4_wrapper,
    gapfill_int4
);
c_function!(
    gapfill_int8_wrapper,
    pg_finfo_gapfill_int8_wrapper,
    gapfill_int8
);
c_function!(
    gapfill_date_wrapper,
    pg_finfo_gapfill_date_wrapper,
    gapfill_date
);
c_function!(
    gapfill_time_wrapper,
    pg_finfo_gapfill_time_wrapper,
    gapfill_time
);
c_function!(
    gapfill_zone_wrapper,
    pg_finfo_gapfill_zone_wrapper,
    gapfill_zone
);
c_function!(locf_wrapper, pg_finfo_locf_wrapper, out_of_place);
c_function!(
    interpolate_wrapper,
    pg_finfo_interpolate_wrapper,
    out_of_place
);
