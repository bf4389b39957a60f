//! The aggregates first(value, time) and last(value, time).
//!
//! State: a [`Held`] in the aggregate's memory; NULL until a row with a time comes.

use super::call::{Call, c_function};
use super::cold_state::raise;
use super::datum::{Storage, bytea, bytea_bytes};
use crate::error::{Error, Kind};
use pgrx::pg_sys;
use std::cmp::Ordering;

/// The two types of a call site; lives as long as the query.
struct Types {
    value: pg_sys::Oid,
    time: pg_sys::Oid,
    value_storage: Storage,
    time_storage: Storage,
    compare: Compare,
}

#[derive(Clone, Copy)]
enum Compare {
    /// numbers of 64, 32 and 16 bits
    Long,
    Int,
    Short,
    /// the type's comparison function, which the type cache keeps
    Function(*mut pg_sys::FmgrInfo),
}

#[derive(Clone, Copy)]
struct Held {
    types: *const Types,
    /// `None` is NULL
    value: Option<pg_sys::Datum>,
    time: pg_sys::Datum,
}

impl Types {
    fn new(value: pg_sys::Oid, time: pg_sys::Oid) -> Types {
        let compare = match time {
            pg_sys::TIMESTAMPTZOID | pg_sys::TIMESTAMPOID | pg_sys::INT8OID => Compare::Long,
            pg_sys::DATEOID | pg_sys::INT4OID => Compare::Int,
            pg_sys::INT2OID => Compare::Short,
            _ => Compare::Function(comparison(time)),
        };
        Types {
            value,
            time,
            value_storage: Storage::of(value),
            time_storage: Storage::of(time),
            compare,
        }
    }

    /// The types of this call site, looked up once.
    fn of(call: Call, value: pg_sys::Oid, time: pg_sys::Oid) -> *const Types {
        let (kept, memory) = call.kept();
        // SAFETY: only this function writes the place, with a pointer to Types or nothing
        unsafe {
            let known = (*kept).cast::<Types>();
            if !known.is_null() && (*known).value == value && (*known).time == time {
                return known;
            }
            let types = pg_sys::MemoryContextAlloc(memory, size_of::<Types>()).cast::<Types>();
            types.write(Types::new(value, time));
            *kept = types.cast();
            types
        }
    }

    /// # Safety
    /// Both must be values of the time type.
    unsafe fn compare(
        &self,
        a: pg_sys::Datum,
        b: pg_sys::Datum,
        collation: pg_sys::Oid,
    ) -> Ordering {
        let (x, y) = (a.value(), b.value());
        match self.compare {
            Compare::Long => (x as i64).cmp(&(y as i64)),
            Compare::Int => (x as i32).cmp(&(y as i32)),
            Compare::Short => (x as i16).cmp(&(y as i16)),
            Compare::Function(f) => {
                // SAFETY: promised by the caller; the function is the type's own
                let sign = unsafe { pg_sys::FunctionCall2Coll(f, collation, a, b) };
                (sign.value() as i32).cmp(&0)
            }
        }
    }
}

fn comparison(time: pg_sys::Oid) -> *mut pg_sys::FmgrInfo {
    // SAFETY: entries of the type cache live as long as the process
    unsafe {
        let entry = pg_sys::lookup_type_cache(time, pg_sys::TYPECACHE_CMP_PROC_FINFO as i32);
        if (*entry).cmp_proc_finfo.fn_oid == pg_sys::InvalidOid {
            raise(Error::new(
                Kind::WrongType,
                format!(
                    "values of type {} have no order",
                    super::anyvalue::type_name(time)
                ),
            ));
        }
        &raw mut (*entry).cmp_proc_finfo
    }
}

fn memory(call: Call) -> pg_sys::MemoryContext {
    match call.aggregate_memory() {
        Some(memory) => memory,
        None => raise(Error::new(
            Kind::NotSupported,
            "this function works inside its aggregate only",
        )),
    }
}

/// Takes a row into the state if its time is `wanted` compared to the one held.
///
/// # Safety
/// `state` is the state of this aggregate or NULL; value and time have the types.
unsafe fn take(
    call: Call,
    memory: pg_sys::MemoryContext,
    state: Option<pg_sys::Datum>,
    row: Held,
    wanted: Ordering,
) -> pg_sys::Datum {
    // SAFETY: promised by the caller; what is freed was copied by an earlier call
    unsafe {
        let types = &*row.types;
        let held = match state {
            Some(state) => {
                let held = state.cast_mut_ptr::<Held>();
                if types.compare(row.time, (*held).time, call.collation()) != wanted {
                    return state;
                }
                types.time_storage.free((*held).time);
                if let Some(value) = (*held).value {
                    types.value_storage.free(value);
                }
                held
            }
            None => pg_sys::MemoryContextAlloc(memory, size_of::<Held>()).cast::<Held>(),
        };
        held.write(Held {
            types,
            value: row.value.map(|v| types.value_storage.copy(v, memory)),
            time: types.time_storage.copy(row.time, memory),
        });
        pg_sys::Datum::from(held)
    }
}

/// # Safety
/// A call as (internal, anyelement, "any").
unsafe fn step(call: Call, wanted: Ordering) -> pg_sys::Datum {
    let (memory, state) = (memory(call), call.arg(0));
    let Some(time) = call.arg(2) else {
        return call.answer(state);
    };
    // SAFETY: the state is this aggregate's; the arguments have the types that the query says
    unsafe {
        let types = match state {
            Some(state) => (*state.cast_mut_ptr::<Held>()).types,
            None => Types::of(call, call.arg_type(1), call.arg_type(2)),
        };
        let value = call.arg(1);
        take(call, memory, state, Held { types, value, time }, wanted)
    }
}

/// # Safety
/// A call as (internal, internal).
unsafe fn combine(call: Call, wanted: Ordering) -> pg_sys::Datum {
    let (memory, state) = (memory(call), call.arg(0));
    let Some(other) = call.arg(1) else {
        return call.answer(state);
    };
    // SAFETY: both are states of this aggregate
    unsafe { take(call, memory, state, *other.cast_mut_ptr::<Held>(), wanted) }
}

/// # Safety
/// A call as (internal, anyelement, "any").
unsafe fn first_step(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { step(call, Ordering::Less) }
}

/// # Safety
/// A call as (internal, anyelement, "any").
unsafe fn last_step(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { step(call, Ordering::Greater) }
}

/// # Safety
/// A call as (internal, internal).
unsafe fn first_combine(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { combine(call, Ordering::Less) }
}

/// # Safety
/// A call as (internal, internal).
unsafe fn last_combine(call: Call) -> pg_sys::Datum {
    // SAFETY: promised by the caller
    unsafe { combine(call, Ordering::Greater) }
}

/// # Safety
/// A call as (internal, anyelement, "any").
unsafe fn held_value(call: Call) -> pg_sys::Datum {
    memory(call);
    // SAFETY: the state is this aggregate's
    let value = call
        .arg(0)
        .and_then(|state| unsafe { (*state.cast_mut_ptr::<Held>()).value });
    call.answer(value)
}

/// Type OIDs, whether there is a value, the value, the time.
///
/// # Safety
/// A call as (internal), which is STRICT.
unsafe fn held_serialize(call: Call) -> pg_sys::Datum {
    memory(call);
    let Some(state) = call.arg(0) else {
        return call.null();
    };
    // SAFETY: the state is this aggregate's
    unsafe {
        let held = &*state.cast_mut_ptr::<Held>();
        let types = &*held.types;
        let mut image = Vec::with_capacity(64);
        image.extend(types.value.to_u32().to_ne_bytes());
        image.extend(types.time.to_u32().to_ne_bytes());
        image.push(u8::from(held.value.is_some()));
        if let Some(value) = held.value {
            types.value_storage.write(value, &mut image);
        }
        types.time_storage.write(held.time, &mut image);
        bytea(&image)
    }
}

/// # Safety
/// A call as (bytea, internal), which is STRICT.
unsafe fn held_deserialize(call: Call) -> pg_sys::Datum {
    memory(call);
    let Some(image) = call.arg(0) else {
        return call.null();
    };
    // SAFETY: the image was written by held_serialize in a process of the same query
    unsafe {
        let held = read(call, bytea_bytes(image));
        let Some(held) = held else {
            raise(Error::internal("the state of an aggregate is cut short"));
        };
        let state = pg_sys::palloc(size_of::<Held>()).cast::<Held>();
        state.write(held);
        pg_sys::Datum::from(state)
    }
}

unsafe fn read(call: Call, mut image: &[u8]) -> Option<Held> {
    let oid = |image: &mut &[u8]| {
        let (head, rest) = image.split_first_chunk::<4>()?;
        *image = rest;
        Some(pg_sys::Oid::from(u32::from_ne_bytes(*head)))
    };
    let types = Types::of(call, oid(&mut image)?, oid(&mut image)?);
    let (present, mut image) = image.split_first()?;
    // SAFETY: promised by the caller
    unsafe {
        let value = match present {
            0 => None,
            _ => Some((*types).value_storage.read(&mut image)?),
        };
        let time = (*types).time_storage.read(&mut image)?;
        Some(Held { types, value, time })
    }
}

c_function!(first_step_wrapper, pg_finfo_first_step_wrapper, first_step);
c_function!(last_step_wrapper, pg_finfo_last_step_wrapper, last_step);
c_function!(
    first_combine_wrapper,
    pg_finfo_first_combine_wrapper,
    first_combine
);
c_function!(
    last_combine_wrapper,
    pg_finfo_last_combine_wrapper,
    last_combine
);
c_function!(held_value_wrapper, pg_finfo_held_value_wrapper, held_value);
c_function!(
    held_serialize_wrapper,
    pg_finfo_held_serialize_wrapper,
    held_serialize
);
c_function!(
    held_deserialize_wrapper,
    pg_finfo_held_deserialize_wrapper,
    held_deserialize
);
