//! Values of conditions: from Datums to what a cold file compares with.

use super::cold_datum::{Codec, base_type};
use crate::cold::mapping::Cell;
use crate::cold::pushdown::Value;
use pgrx::pg_sys;

/// Converts the values of one expression.
pub(super) struct ValueReader {
    /// of the type, or of the elements of an array
    codec: Codec,
    element: Option<Element>,
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
    /// For values of this type. Keeps function look-ups in the current memory context.
    pub(super) fn new(type_oid: pg_sys::Oid) -> Self {
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
        ValueReader {
            codec: Codec::new(plain, -1),
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

/// The values that are known without running anything: constants.
///
/// # Safety
/// `nodes` must be expressions of the planner or of a plan.
pub(super) unsafe fn constants(nodes: &[*mut pg_sys::Node]) -> Vec<Value> {
    let read = |node: &*mut pg_sys::Node| {
        // SAFETY: promised by the caller; the tag is checked before the cast
        unsafe {
            if (**node).type_ != pg_sys::NodeTag::T_Const {
                return Value::Unknown;
            }
            let constant = node.cast::<pg_sys::Const>();
            ValueReader::new((*constant).consttype)
                .read((*constant).constvalue, (*constant).constisnull)
        }
    };
    nodes.iter().map(read).collect()
}
