//! Values of any type: copies and byte images.

use pgrx::{AnyElement, FromDatum, pg_sys};
use std::ffi::CString;

/// A value of type jsonb as its text, in the encoding of the database.
pub fn json_text(value: AnyElement) -> Vec<u8> {
    // SAFETY: the function takes a value of this type only, as its declaration says
    let text = unsafe {
        pgrx::direct_function_call::<&std::ffi::CStr>(pg_sys::jsonb_out, &[Some(value.datum())])
    };
    text.map(|text| text.to_bytes().to_vec())
        .unwrap_or_default()
}

/// How a type is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    len: i16,
    by_value: bool,
}

impl Storage {
    /// Must run inside a transaction.
    pub fn of(type_oid: pg_sys::Oid) -> Storage {
        let (mut len, mut by_value) = (0, false);
        // SAFETY: writes the two results; raises an error for an unknown type
        unsafe { pg_sys::get_typlenbyval(type_oid, &mut len, &mut by_value) };
        Storage { len, by_value }
    }

    /// A copy in this memory, without references to TOAST tables or expanded objects.
    ///
    /// # Safety
    /// `value` must be a value of this type, the memory context valid.
    pub unsafe fn copy(self, value: pg_sys::Datum, memory: pg_sys::MemoryContext) -> pg_sys::Datum {
        if self.by_value {
            return value;
        }
        // SAFETY: promised by the caller
        unsafe {
            let (bytes, len) = self.bytes(value);
            let copy = pg_sys::MemoryContextAlloc(memory, len);
            std::ptr::copy_nonoverlapping(bytes, copy.cast::<u8>(), len);
            pg_sys::Datum::from(copy)
        }
    }

    /// Frees what [`Self::copy`] made.
    ///
    /// # Safety
    /// `value` must come from `copy` and not be used any more.
    pub unsafe fn free(self, value: pg_sys::Datum) {
        if !self.by_value {
            // SAFETY: promised by the caller
            unsafe { pg_sys::pfree(value.cast_mut_ptr()) };
        }
    }

    /// Where a value that is not passed by value has its bytes, and how many.
    unsafe fn bytes(self, value: pg_sys::Datum) -> (*const u8, usize) {
        // SAFETY: promised by the callers
        unsafe {
            let at = value.cast_mut_ptr::<u8>();
            match self.len {
                -1 => {
                    let varlena = at.cast::<pg_sys::varlena>();
                    let flat = if pgrx::varatt_is_1b_e(varlena) {
                        pg_sys::pg_detoast_datum(varlena)
                    } else {
                        varlena
                    };
                    (flat.cast(), pgrx::varsize_any(flat))
                }
                -2 => {
                    let text = std::ffi::CStr::from_ptr(at.cast());
                    (at, text.to_bytes_with_nul().len())
                }
                len => (at, usize::from(len.unsigned_abs())),
            }
        }
    }

    /// Appends an image of the value that another process of this server can read.
    ///
    /// # Safety
    /// `value` must be a value of this type.
    pub unsafe fn write(self, value: pg_sys::Datum, to: &mut Vec<u8>) {
        if self.by_value {
            to.extend((value.value() as u64).to_ne_bytes());
            return;
        }
        // SAFETY: promised by the caller
        let bytes = unsafe {
            let (at, len) = self.bytes(value);
            std::slice::from_raw_parts(at, len)
        };
        to.extend((bytes.len() as u64).to_ne_bytes());
        to.extend(bytes);
    }

    /// Reads what [`Self::write`] wrote and moves the slice on. `None` for fewer bytes than there must be.
    ///
    /// # Safety
    /// The bytes must come from `write` for this type.
    pub unsafe fn read(self, from: &mut &[u8]) -> Option<pg_sys::Datum> {
        let (head, rest) = from.split_first_chunk::<8>()?;
        *from = rest;
        let number = u64::from_ne_bytes(*head) as usize;
        if self.by_value {
            return Some(pg_sys::Datum::from(number));
        }
        let (bytes, rest) = from.split_at_checked(number)?;
        *from = rest;
        // SAFETY: fresh memory of the right size, aligned for every type
        unsafe {
            let copy = pg_sys::palloc(bytes.len());
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), copy.cast::<u8>(), bytes.len());
            Some(pg_sys::Datum::from(copy))
        }
    }
}

/// A fresh bytea.
pub fn bytea(bytes: &[u8]) -> pg_sys::Datum {
    pgrx::IntoDatum::into_datum(bytes).unwrap_or(pg_sys::Datum::from(0))
}

/// The bytes of a bytea.
///
/// # Safety
/// `datum` must be a bytea that is not NULL and outlives the result.
pub unsafe fn bytea_bytes<'a>(datum: pg_sys::Datum) -> &'a [u8] {
    // SAFETY: promised by the caller
    unsafe {
        let flat = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
        pgrx::varlena_to_byte_slice(flat)
    }
}

/// Text as a value of type `name`, cut where the server would cut it; lives in the current memory context.
#[must_use]
pub fn name(text: &str) -> Option<AnyElement> {
    let name = name_datum(text)?;
    // SAFETY: a value of that type
    unsafe { AnyElement::from_polymorphic_datum(name, false, pg_sys::NAMEOID) }
}

pub(super) fn name_datum(text: &str) -> Option<pg_sys::Datum> {
    let text = CString::new(text).unwrap_or_default();
    let arg = Some(pg_sys::Datum::from(text.as_ptr()));
    // SAFETY: namein takes a NUL terminated string and copies it; never NULL
    unsafe { pgrx::direct_function_call_as_datum(pg_sys::namein, &[arg]) }
}
