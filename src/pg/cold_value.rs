//! Values of conditions: from Datums to what a cold file compares with.

use super::cold_datum::{Codec, base_type};
use crate::cold::mapping::Cell;
use crate::cold::pushdown::Value;
use pgrx::pg_sys;

/// Converts the values of one expression.
pub(super) struct ValueReader {
    /// of the type, or of the elements of an array, after the promotion
    codec: Codec,
    promotion: Option<Promotion>,
    element: Option<Element>,
}

/// How PostgreSQL brings a value to the type of the column before it compares them (date.c, timestamp.c).
#[derive(Clone, Copy)]
enum Promotion {
    DateToTimestamp,
    DateToTimestampTz,
    TimestampToTimestampTz,
}

impl Promotion {
    fn of(value: pg_sys::Oid, column: pg_sys::Oid) -> Option<Promotion> {
        match (value, column) {
            (pg_sys::DATEOID, pg_sys::TIMESTAMPOID) => Some(Promotion::DateToTimestamp),
            (pg_sys::DATEOID, pg_sys::TIMESTAMPTZOID) => Some(Promotion::DateToTimestampTz),
            (pg_sys::TIMESTAMPOID, pg_sys::TIMESTAMPTZOID) => {
                Some(Promotion::TimestampToTimestampTz)
            }
            _ => None,
        }
    }

    /// `None` beyond the range of the type, where PostgreSQL compares with more than it.
    fn apply(self, datum: pg_sys::Datum) -> Option<pg_sys::Datum> {
        let mut overflow = 0;
        let day = datum.value() as i32;
        // SAFETY: plain arithmetic with the time zone of the session; the mark lives on this stack
        let time = unsafe {
            match self {
                Promotion::DateToTimestamp => {
                    pg_sys::date2timestamp_opt_overflow(day, &mut overflow)
                }
                Promotion::DateToTimestampTz => {
                    pg_sys::date2timestamptz_opt_overflow(day, &mut overflow)
                }
                Promotion::TimestampToTimestampTz => {
                    pg_sys::timestamp2timestamptz_opt_overflow(datum.value() as i64, &mut overflow)
                }
            }
        };
        (overflow == 0).then(|| pg_sys::Datum::from(time))
    }
}

/// True when PostgreSQL compares a column of the one type with a value of the other by bringing the value to
/// the column's type. Not where it is the column that is changed.
pub(super) fn is_promoted(value: pg_sys::Oid, column: pg_sys::Oid) -> bool {
    Promotion::of(value, column).is_some()
}

struct Element {
    type_oid: pg_sys::Oid,
    len: i16,
    by_value: bool,
    align: core::ffi::c_char,
}

/// The type of an array's elements, below domains over arrays; `None` for other types.
pub(super) fn element_type(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let (base, _) = base_type(type_oid, -1);
    // SAFETY: a syscache look-up of an existing type
    let element = unsafe { pg_sys::get_element_type(base) };
    (element != pg_sys::InvalidOid).then_some(element)
}

impl ValueReader {
    /// For values of this type that are compared with a column of type `column`. Keeps function look-ups in
    /// the current memory context.
    pub(super) fn new(type_oid: pg_sys::Oid, column: pg_sys::Oid) -> Self {
        let element = element_type(type_oid).map(|type_oid| {
            let (mut len, mut by_value, mut align) = (0, false, 0);
            // SAFETY: out pointers live on this stack
            unsafe { pg_sys::get_typlenbyvalalign(type_oid, &mut len, &mut by_value, &mut align) };
            Element {
                type_oid,
                len,
                by_value,
                align,
            }
        });
        let plain = element.as_ref().map_or(type_oid, |e| e.type_oid);
        let (base, column) = (base_type(plain, -1).0, base_type(column, -1).0);
        let promotion = Promotion::of(base, column);
        let stored = if promotion.is_some() { column } else { plain };
        ValueReader {
            codec: Codec::new(stored, -1),
            promotion,
            element,
        }
    }

    /// # Safety
    /// `datum` must be a value of the type, or `null` true.
    pub(super) unsafe fn read(&mut self, datum: pg_sys::Datum, null: bool) -> Value {
        if self.element.is_some() {
            // SAFETY: promised by the caller
            return unsafe { self.read_array(datum, null) };
        }
        if null {
            return Value::One(Cell::Null);
        }
        self.cell(datum).map_or(Value::Unusable, Value::One)
    }

    /// `None` when it is stored in another class than its column, if at all.
    fn cell(&mut self, datum: pg_sys::Datum) -> Option<Cell> {
        let datum = match self.promotion {
            Some(promotion) => promotion.apply(datum)?,
            None => datum,
        };
        let cell = self.codec.encode(datum);
        (!self.codec.encoding.is_fallback(cell.as_ref())).then_some(cell)
    }

    unsafe fn read_array(&mut self, datum: pg_sys::Datum, null: bool) -> Value {
        if null {
            return Value::NullArray;
        }
        let Some(element) = &self.element else {
            return Value::Unusable;
        };
        // SAFETY: promised by the caller; the arrays live in the current context
        let (datums, nulls) = unsafe {
            let array = pg_sys::pg_detoast_datum(datum.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            let (mut datums, mut nulls, mut n) = (std::ptr::null_mut(), std::ptr::null_mut(), 0);
            pg_sys::deconstruct_array(
                array,
                element.type_oid,
                i32::from(element.len),
                element.by_value,
                element.align,
                &mut datums,
                &mut nulls,
                &mut n,
            );
            let n = usize::try_from(n).unwrap_or(0);
            if n == 0 {
                return Value::Many(vec![], false);
            }
            (
                std::slice::from_raw_parts(datums, n),
                std::slice::from_raw_parts(nulls, n),
            )
        };
        let mut cells = Vec::with_capacity(datums.len());
        for (datum, null) in datums.iter().zip(nulls) {
            if !*null {
                match self.cell(*datum) {
                    Some(cell) => cells.push(cell),
                    None => return Value::Unusable,
                }
            }
        }
        Value::Many(cells, nulls.contains(&true))
    }
}

/// An expression, and the type of the column that its value is compared with.
#[derive(Clone, Copy)]
pub(super) struct Operand {
    pub(super) node: *mut pg_sys::Node,
    pub(super) column: pg_sys::Oid,
}

impl Operand {
    /// # Safety
    /// The node must be an expression of the planner or of a plan.
    pub(super) unsafe fn reader(&self) -> ValueReader {
        // SAFETY: promised by the caller
        ValueReader::new(unsafe { pg_sys::exprType(self.node) }, self.column)
    }
}

/// The values that are known without running anything: constants.
///
/// # Safety
/// The nodes must be expressions of the planner or of a plan.
pub(super) unsafe fn constants(operands: &[Operand]) -> Vec<Value> {
    let read = |operand: &Operand| {
        // SAFETY: promised by the caller; the tag is checked before the cast
        unsafe {
            if (*operand.node).type_ != pg_sys::NodeTag::T_Const {
                return Value::Unknown;
            }
            let constant = operand.node.cast::<pg_sys::Const>();
            operand
                .reader()
                .read((*constant).constvalue, (*constant).constisnull)
        }
    };
    operands.iter().map(read).collect()
}

/// The value of an expression in stored form; by-reference values are copied.
///
/// # Safety
/// `expr` must have been initialised for a node with this context.
pub(super) unsafe fn evaluate(
    expr: *mut pg_sys::ExprState,
    reader: &mut ValueReader,
    context: *mut pg_sys::ExprContext,
) -> Value {
    // SAFETY: promised by the caller
    unsafe {
        let old = pg_sys::MemoryContextSwitchTo((*context).ecxt_per_tuple_memory);
        let mut null = false;
        let datum = pg_sys::ExecEvalExpr(expr, context, &mut null);
        let value = reader.read(datum, null);
        pg_sys::MemoryContextSwitchTo(old);
        value
    }
}
