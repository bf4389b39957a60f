//! The aggregate histogram(value, min, max, nbuckets): its state is a [`Histogram`] that goes with the
//! aggregate's memory.

use super::call::{Call, c_function};
use super::cold_state::raise;
use super::datum::{bytea, bytea_bytes};
use crate::error::{Error, Kind};
use crate::hypertable::histogram::{Histogram, changed};
use pgrx::{IntoDatum, PgMemoryContexts, pg_sys};

fn inside(call: Call) -> pg_sys::MemoryContext {
    match call.aggregate_memory() {
        Some(memory) => memory,
        None => raise(Error::new(
            Kind::NotSupported,
            "this function works inside its aggregate only",
        )),
    }
}

/// # Safety
/// The argument must be a state of this aggregate, used by nobody else meanwhile.
unsafe fn state<'a>(call: Call, n: usize) -> Option<&'a mut Histogram> {
    // SAFETY: promised by the caller
    call.arg(n)
        .map(|state| unsafe { &mut *state.cast_mut_ptr::<Histogram>() })
}

/// Moves a state into memory that drops it.
fn keep(histogram: Histogram, memory: pg_sys::MemoryContext) -> *mut Histogram {
    PgMemoryContexts::For(memory).leak_and_drop_on_delete(histogram)
}

/// # Safety
/// A call as (internal, float8, float8, float8, integer).
unsafe fn step(call: Call) -> pg_sys::Datum {
    let memory = inside(call);
    let Some(value) = call.arg(1) else {
        return call.answer(call.arg(0));
    };
    let (Some(min), Some(max), Some(buckets)) = (call.arg(2), call.arg(3), call.arg(4)) else {
        raise(Error::new(
            Kind::NullNotAllowed,
            "min, max and nbuckets must not be NULL",
        ));
    };
    let number = |datum: pg_sys::Datum| f64::from_bits(datum.value() as u64);
    let (min, max, buckets) = (number(min), number(max), buckets.value() as i32);
    // SAFETY: the state is this aggregate's
    let histogram = match unsafe { state(call, 0) } {
        Some(histogram) if histogram.is_like(min, max, buckets) => histogram,
        Some(_) => raise(changed()),
        None => {
            let new = Histogram::new(min, max, buckets).unwrap_or_else(|e| raise(e));
            // SAFETY: just made
            unsafe { &mut *keep(new, memory) }
        }
    };
    histogram.add(number(value)).unwrap_or_else(|e| raise(e));
    pg_sys::Datum::from(std::ptr::from_mut(histogram))
}

/// # Safety
/// A call as (internal, internal).
unsafe fn combine(call: Call) -> pg_sys::Datum {
    let memory = inside(call);
    // SAFETY: both are states of this aggregate, and two
    unsafe {
        let Some(other) = state(call, 1) else {
            return call.answer(call.arg(0));
        };
        match state(call, 0) {
            Some(histogram) => {
                histogram.merge(other).unwrap_or_else(|e| raise(e));
                call.answer(call.arg(0))
            }
            None => pg_sys::Datum::from(keep(other.clone(), memory)),
        }
    }
}

/// # Safety
/// A call as (internal).
unsafe fn serialize(call: Call) -> pg_sys::Datum {
    inside(call);
    // SAFETY: the state is this aggregate's
    call.answer(unsafe { state(call, 0) }.map(|h| bytea(&h.to_bytes())))
}

/// # Safety
/// A call as (bytea, internal), which is STRICT.
unsafe fn deserialize(call: Call) -> pg_sys::Datum {
    inside(call);
    // SAFETY: the image is a bytea; the result lives as long as the caller's memory
    unsafe {
        let histogram = call
            .arg(0)
            .and_then(|image| Histogram::from_bytes(bytea_bytes(image)));
        let Some(histogram) = histogram else {
            raise(Error::internal("the state of an aggregate is cut short"));
        };
        pg_sys::Datum::from(keep(histogram, pg_sys::CurrentMemoryContext))
    }
}

/// # Safety
/// A call as (internal, ...).
unsafe fn counts(call: Call) -> pg_sys::Datum {
    inside(call);
    // SAFETY: the state is this aggregate's
    call.answer(unsafe { state(call, 0) }.and_then(|h| h.counts.clone().into_datum()))
}

c_function!(
    histogram_step_wrapper,
    pg_finfo_histogram_step_wrapper,
    step
);
c_function!(
    histogram_combine_wrapper,
    pg_finfo_histogram_combine_wrapper,
    combine
);
c_function!(
    histogram_serialize_wrapper,
    pg_finfo_histogram_serialize_wrapper,
    serialize
);
c_function!(
    histogram_deserialize_wrapper,
    pg_finfo_histogram_deserialize_wrapper,
    deserialize
);
c_function!(
    histogram_counts_wrapper,
    pg_finfo_histogram_counts_wrapper,
    counts
);
