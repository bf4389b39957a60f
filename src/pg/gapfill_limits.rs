//! The range of one execution of GapFill: width, time zone, start and finish, evaluated when it begins.

use super::gapfill;
use super::gapfill_layout::{BoundLayout, Layout};
use super::gapfill_path::no_range;
use super::time::Zone;
use crate::error::{Error, Kind, Result};
use crate::hypertable::bucket::{Width, is_finite, is_finite_day};
use crate::hypertable::calendar::DAY_US;
use crate::hypertable::gapfill::{Buckets, Limit, LocalTime, Side, Step, edge};
use pgrx::pg_sys;

type ExprState = *mut pg_sys::ExprState;

/// Expressions of a node, NULL where not given.
pub struct Limits {
    key: pg_sys::Oid,
    context: *mut pg_sys::ExprContext,
    width: ExprState,
    zone: Option<ExprState>,
    start: ExprState,
    finish: ExprState,
    bounds: Vec<(BoundLayout, ExprState)>,
}

impl Limits {
    /// Takes its expressions from `next`, in the order of the layout.
    pub fn new(
        layout: &Layout,
        context: *mut pg_sys::ExprContext,
        next: &mut dyn FnMut(bool) -> ExprState,
    ) -> Limits {
        Limits {
            key: layout.key,
            context,
            width: next(true),
            zone: layout.zone.then(|| next(true)),
            start: next(layout.start),
            finish: next(layout.finish),
            bounds: layout.bounds.iter().map(|b| (*b, next(true))).collect(),
        }
    }

    unsafe fn eval(&self, expr: ExprState) -> Option<pg_sys::Datum> {
        if expr.is_null() {
            return None;
        }
        let mut null = false;
        // SAFETY: an expression of this node; its value lives as long as the current row
        let value = unsafe { pg_sys::ExecEvalExprSwitchContext(expr, self.context, &mut null) };
        (!null).then_some(value)
    }

    /// The buckets of a series and the name of the time zone; `None` when no row can meet the conditions, and
    /// nothing else tells the range.
    ///
    /// # Safety
    /// Called while the node runs.
    pub unsafe fn buckets(&self) -> Result<Option<(Buckets, Option<String>)>> {
        // SAFETY: promised by the caller
        unsafe {
            let step = self.step()?;
            let name = match self.zone {
                None => None,
                Some(zone) => match self.eval(zone) {
                    Some(zone) => Some(gapfill::text(zone)),
                    None => return Err(null_argument("timezone")),
                },
            };
            let start = self.limit(self.start, Side::Start)?;
            let finish = self.limit(self.finish, Side::Finish)?;
            let (Some(start), Some(finish)) = (start, finish) else {
                return Ok(None);
            };
            let zone = name.as_deref().map(Zone::named).transpose()?;
            let zone = zone.as_ref().map(|z| z as &dyn LocalTime);
            Ok(Some((Buckets::new(step, start, finish, zone)?, name)))
        }
    }

    unsafe fn step(&self) -> Result<Step> {
        // SAFETY: the type of the width follows from the key's
        unsafe {
            let width = self
                .eval(self.width)
                .ok_or_else(|| null_argument("bucket_width"))?;
            let integer = |min: i64, max: i64| {
                let width = from_datum(self.key, width);
                Step::Integer { width, min, max }
            };
            Ok(match self.key {
                pg_sys::INT2OID => integer(i16::MIN.into(), i16::MAX.into()),
                pg_sys::INT4OID => integer(i32::MIN.into(), i32::MAX.into()),
                pg_sys::INT8OID => integer(i64::MIN, i64::MAX),
                pg_sys::DATEOID => Step::Date(Width::of(gapfill::span(width))?),
                _ => Step::Time(Width::of(gapfill::span(width))?),
            })
        }
    }

    /// One end of the range: the argument if it is not NULL, else the narrowest condition.
    unsafe fn limit(&self, arg: ExprState, side: Side) -> Result<Option<i64>> {
        let (name, condition) = match side {
            Side::Start => ("start", ">="),
            Side::Finish => ("finish", "<"),
        };
        let key = self.key;
        // SAFETY: the argument has the type of the key, each bound the type that the layout says
        let value = unsafe {
            match self.eval(arg) {
                Some(value) => Some(from_datum(key, value)),
                None => {
                    let bounds = self.bounds.iter();
                    let edges = bounds.filter(|(b, _)| b.side == side).filter_map(|(b, e)| {
                        let value = self.eval(*e)?;
                        Some(edge(side, limit_of(key, b.value_type, value), b.inclusive))
                    });
                    match side {
                        Side::Start => edges.max(),
                        Side::Finish => edges.min(),
                    }
                }
            }
        };
        let Some(value) = value else {
            // an argument that is NULL, and no condition; or conditions that compare with NULL
            return if !arg.is_null() && !self.bounds.iter().any(|(b, _)| b.side == side) {
                Err(no_range(name, condition))
            } else {
                Ok(None)
            };
        };
        let finite = match key {
            pg_sys::DATEOID => i32::try_from(value).is_ok_and(is_finite_day),
            pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => is_finite(value),
            _ => true,
        };
        if finite {
            Ok(Some(value))
        } else {
            Err(Error::new(
                Kind::InvalidParameter,
                format!("{name} of time_bucket_gapfill must be finite"),
            ))
        }
    }
}

fn null_argument(name: &str) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("{name} of time_bucket_gapfill must not be NULL"),
    )
}

/// A value of a key's type as a number.
pub fn from_datum(key: pg_sys::Oid, datum: pg_sys::Datum) -> i64 {
    match key {
        pg_sys::INT2OID => (datum.value() as i16).into(),
        pg_sys::INT4OID | pg_sys::DATEOID => (datum.value() as i32).into(),
        _ => datum.value() as i64,
    }
}

/// A value that a condition compares the key with, in units of the key.
fn limit_of(key: pg_sys::Oid, value_type: pg_sys::Oid, datum: pg_sys::Datum) -> Limit {
    let value = from_datum(value_type, datum);
    if key == pg_sys::DATEOID && value_type == pg_sys::TIMESTAMPOID {
        return match is_finite(value) {
            true => Limit {
                value: value.div_euclid(DAY_US),
                more: value.rem_euclid(DAY_US) != 0,
            },
            false => Limit { value, more: false },
        };
    }
    Limit { value, more: false }
}
