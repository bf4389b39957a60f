//! locf and interpolate: one value for each row of a GapFill node.

use super::anyvalue::type_name;
use super::datum::Storage;
use super::gapfill::Mark;
use super::gapfill_layout::MarkerLayout;
use super::gapfill_limits::from_datum;
use crate::error::{Error, Kind, Result};
use crate::hypertable::bucket::{is_finite, is_finite_day};
use crate::hypertable::gapfill::{Line, Number, Point, between};
use pgrx::pg_sys;

type ExprState = *mut pg_sys::ExprState;

/// The row that the scan slot shows.
#[derive(Clone, Copy)]
pub struct Row {
    /// its bucket
    pub at: Option<i64>,
    pub context: *mut pg_sys::ExprContext,
    /// lives as long as the series
    pub memory: pg_sys::MemoryContext,
}

/// A value that is asked for at most once in a series.
enum Once<T> {
    NotYet,
    Known(T),
}

pub enum Marker {
    Locf(Locf),
    Interpolate(Interpolate),
}

pub struct Locf {
    value: ExprState,
    prev: ExprState,
    treat_null_as_missing: ExprState,
    storage: Storage,
    /// the last value of the series, which may be NULL
    last: Option<Option<pg_sys::Datum>>,
    before: Once<Option<pg_sys::Datum>>,
}

pub struct Interpolate {
    value: ExprState,
    prev: ExprState,
    next: ExprState,
    key: pg_sys::Oid,
    value_type: pg_sys::Oid,
    line: Line,
    before: Once<Option<Point>>,
    after: Once<Option<Point>>,
}

/// # Safety
/// An expression of a running node, or NULL.
unsafe fn eval(expr: ExprState, row: Row) -> Option<pg_sys::Datum> {
    if expr.is_null() {
        return None;
    }
    let mut null = false;
    // SAFETY: promised by the caller
    let value = unsafe { pg_sys::ExecEvalExprSwitchContext(expr, row.context, &mut null) };
    (!null).then_some(value)
}

impl Marker {
    /// `args` are NULL where not given.
    pub fn new(layout: &MarkerLayout, key: pg_sys::Oid, args: [ExprState; 3]) -> Marker {
        let [value, second, third] = args;
        match layout.mark {
            Mark::Interpolate => Marker::Interpolate(Interpolate {
                value,
                prev: second,
                next: third,
                key,
                value_type: layout.value_type,
                line: Line::default(),
                before: Once::NotYet,
                after: Once::NotYet,
            }),
            _ => Marker::Locf(Locf {
                value,
                prev: second,
                treat_null_as_missing: third,
                storage: Storage::of(layout.value_type),
                last: None,
                before: Once::NotYet,
            }),
        }
    }

    /// True when a value depends on later rows.
    pub fn looks_ahead(&self) -> bool {
        matches!(self, Marker::Interpolate(_))
    }

    /// A new series begins.
    pub fn reset(&mut self) {
        match self {
            Marker::Locf(locf) => {
                locf.last = None;
                locf.before = Once::NotYet;
            }
            Marker::Interpolate(line) => {
                line.line.clear();
                line.before = Once::NotYet;
                line.after = Once::NotYet;
            }
        }
    }

    /// True while it has to see more rows of the series before it can tell the value at `at`.
    pub fn wants_more(&mut self, at: Option<i64>) -> bool {
        match (self, at) {
            (Marker::Interpolate(line), Some(at)) => line.is_place(at) && line.line.wants_more(at),
            _ => false,
        }
    }

    /// Sees the next row of the series.
    ///
    /// # Safety
    /// The scan slot shows the row.
    pub unsafe fn learn(&mut self, row: Row) {
        if let Marker::Interpolate(line) = self
            && let Some(at) = row.at.filter(|at| line.is_place(*at))
        {
            // SAFETY: promised by the caller
            if let Some(value) = unsafe { eval(line.value, row) } {
                line.line.push(Some((at, number(line.value_type, value))));
            }
        }
    }

    /// The series has no more rows.
    pub fn learn_end(&mut self) {
        if let Marker::Interpolate(line) = self {
            line.line.push(None);
        }
    }

    /// The value in a row; `real` when the row comes from below. Rows are asked for in their order.
    ///
    /// # Safety
    /// The scan slot shows the row.
    pub unsafe fn value(&mut self, row: Row, real: bool) -> Result<Option<pg_sys::Datum>> {
        // SAFETY: promised by the caller
        unsafe {
            match self {
                Marker::Locf(locf) => Ok(locf.value(row, real)),
                Marker::Interpolate(line) => line.value(row, real),
            }
        }
    }
}

impl Locf {
    unsafe fn value(&mut self, row: Row, real: bool) -> Option<pg_sys::Datum> {
        // SAFETY: promised by the callers
        unsafe {
            if real {
                let value = eval(self.value, row);
                if value.is_some() || !self.skips_null(row) {
                    self.keep(value, row.memory);
                    return value;
                }
            }
            match self.last {
                Some(last) => last,
                None => self.before(row),
            }
        }
    }

    unsafe fn skips_null(&self, row: Row) -> bool {
        // SAFETY: promised by the callers
        unsafe { eval(self.treat_null_as_missing, row) }.is_some_and(|d| d.value() != 0)
    }

    unsafe fn keep(&mut self, value: Option<pg_sys::Datum>, memory: pg_sys::MemoryContext) {
        // SAFETY: the value before was copied here; it may be the one that is kept now
        unsafe {
            let copy = value.map(|v| self.storage.copy(v, memory));
            if let Some(Some(old)) = self.last.replace(copy) {
                self.storage.free(old);
            }
        }
    }

    unsafe fn before(&mut self, row: Row) -> Option<pg_sys::Datum> {
        if let Once::Known(value) = self.before {
            return value;
        }
        // SAFETY: promised by the callers
        let value = unsafe { eval(self.prev, row).map(|v| self.storage.copy(v, row.memory)) };
        self.before = Once::Known(value);
        value
    }
}

impl Interpolate {
    /// False for infinity, which is no place on a line.
    fn is_place(&self, at: i64) -> bool {
        match self.key {
            pg_sys::DATEOID => i32::try_from(at).is_ok_and(is_finite_day),
            pg_sys::TIMESTAMPOID | pg_sys::TIMESTAMPTZOID => is_finite(at),
            _ => true,
        }
    }

    unsafe fn value(&mut self, row: Row, real: bool) -> Result<Option<pg_sys::Datum>> {
        // SAFETY: promised by the callers
        unsafe {
            if real && let Some(value) = eval(self.value, row) {
                return Ok(Some(value));
            }
            let Some(at) = row.at.filter(|at| self.is_place(*at)) else {
                return Ok(None);
            };
            // the rows needed have been seen
            let (before, after) = self.line.around();
            let before = match before {
                None => self.edge(row, true)?,
                known => known,
            };
            let after = match after {
                None if before.is_some() => self.edge(row, false)?,
                known => known,
            };
            Ok(match (before, after) {
                (Some(a), Some(b)) => Some(datum(self.value_type, between(a, b, at))),
                _ => None,
            })
        }
    }

    unsafe fn edge(&mut self, row: Row, before: bool) -> Result<Option<Point>> {
        let (known, expr, name) = match before {
            true => (&self.before, self.prev, "prev"),
            false => (&self.after, self.next, "next"),
        };
        if let Once::Known(point) = known {
            return Ok(*point);
        }
        // SAFETY: promised by the callers
        let point = unsafe {
            match eval(expr, row) {
                Some(record) => self.point(name, record)?,
                None => None,
            }
        };
        let place = if before {
            &mut self.before
        } else {
            &mut self.after
        };
        *place = Once::Known(point);
        Ok(point)
    }

    /// A record of (time, value). Its own row type says what it holds: nothing is read before that has been
    /// compared with the types that the call has.
    unsafe fn point(&self, name: &str, record: pg_sys::Datum) -> Result<Option<Point>> {
        // SAFETY: the value is a record; the descriptor belongs to its row type
        unsafe {
            let tuple = pg_sys::pg_detoast_datum(record.cast_mut_ptr());
            let header = tuple.cast::<pg_sys::HeapTupleHeaderData>();
            let fields = (*header).t_choice.t_datum;
            let desc =
                pg_sys::lookup_rowtype_tupdesc_copy(fields.datum_typeid, fields.datum_typmod);
            let n = (*desc).natts as usize;
            let types: Vec<pg_sys::Oid> = (0..n)
                .map(|i| super::compat::attribute(desc, i))
                .map(|a| {
                    if (*a).attisdropped {
                        pg_sys::InvalidOid
                    } else {
                        (*a).atttypid
                    }
                })
                .collect();
            if types != [self.key, self.value_type] {
                return Err(self.wrong_record(name, &types));
            }
            let field = |n: i16| {
                let mut null = false;
                let value = pg_sys::GetAttributeByNum(header, n, &mut null);
                (!null).then_some(value)
            };
            let (Some(time), Some(value)) = (field(1), field(2)) else {
                return Ok(None);
            };
            let time = from_datum(self.key, time);
            let point = || (time, number(self.value_type, value));
            Ok(self.is_place(time).then(point))
        }
    }

    fn wrong_record(&self, name: &str, types: &[pg_sys::Oid]) -> Error {
        let list = |types: &[pg_sys::Oid]| {
            let known = types.iter().filter(|t| **t != pg_sys::InvalidOid);
            known.map(|t| type_name(*t)).collect::<Vec<_>>().join(", ")
        };
        let wanted = list(&[self.key, self.value_type]);
        Error::new(
            Kind::WrongType,
            format!(
                "{name} of interpolate must be a record of ({wanted}), not of ({})",
                list(types)
            ),
        )
        .hint("cast both fields: (SELECT (time::type, value::type) FROM ...)")
    }
}

fn number(value_type: pg_sys::Oid, datum: pg_sys::Datum) -> Number {
    match value_type {
        pg_sys::FLOAT4OID => Number::Float(f32::from_bits(datum.value() as u32).into()),
        pg_sys::FLOAT8OID => Number::Float(f64::from_bits(datum.value() as u64)),
        _ => Number::Int(from_datum(value_type, datum)),
    }
}

fn datum(value_type: pg_sys::Oid, number: Number) -> pg_sys::Datum {
    match (value_type, number) {
        (pg_sys::FLOAT4OID, Number::Float(x)) => pg_sys::Datum::from((x as f32).to_bits()),
        (_, Number::Float(x)) => pg_sys::Datum::from(x.to_bits()),
        // a line that goes on behind its points ends where the type ends
        (pg_sys::INT2OID, Number::Int(n)) => {
            pg_sys::Datum::from(n.clamp(i16::MIN.into(), i16::MAX.into()))
        }
        (pg_sys::INT4OID, Number::Int(n)) => {
            pg_sys::Datum::from(n.clamp(i32::MIN.into(), i32::MAX.into()))
        }
        (_, Number::Int(n)) => pg_sys::Datum::from(n),
    }
}
