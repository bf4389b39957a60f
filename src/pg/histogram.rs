//! The aggregate histogram(value, min, max, nbuckets): its state lies in the aggregate's memory, a
//! [`Header`] and the counters behind it.

use super::call::{Call, c_function};
use super::cold_state::raise;
use super::datum::{bytea, bytea_bytes};
use crate::error::{Error, Kind};
use crate::hypertable::histogram::{Histogram, changed, counters, from_bytes};
use pgrx::{IntoDatum, pg_sys};

fn inside(call: Call) -> pg_sys::MemoryContext {
    match call.aggregate_memory() {
        Some(memory) => memory,
        None => raise(Error::new(
            Kind::NotSupported,
            "this function works inside its aggregate only",
        )),
    }
}

#[repr(C)]
struct Header {
    min: f64,
    max: f64,
    counters: usize,
}

/// # Safety
/// A state of this aggregate, used by nobody else meanwhile.
unsafe fn view<'a>(state: pg_sys::Datum) -> Histogram<'a> {
    // SAFETY: promised by the caller; new_state() made room for that many counters
    unsafe {
        let header = state.cast_mut_ptr::<Header>();
        Histogram {
            min: (*header).min,
            max: (*header).max,
            counts: std::slice::from_raw_parts_mut(header.add(1).cast(), (*header).counters),
        }
    }
}

/// # Safety
/// The argument must be a state of this aggregate, used by nobody else meanwhile.
unsafe fn state<'a>(call: Call, n: usize) -> Option<Histogram<'a>> {
    // SAFETY: promised by the caller
    call.arg(n).map(|state| unsafe { view(state) })
}

/// A state that has counted nothing.
fn new_state(min: f64, max: f64, counters: usize, memory: pg_sys::MemoryContext) -> pg_sys::Datum {
    let size = size_of::<Header>() + counters * size_of::<i32>();
    // SAFETY: fresh memory of the right size, aligned for every type
    unsafe {
        let header = pg_sys::MemoryContextAllocZero(memory, size).cast::<Header>();
        header.write(Header { min, max, counters });
        pg_sys::Datum::from(header)
    }
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
    let place = call.arg(0).unwrap_or_else(|| {
        let n = counters(min, max, buckets).unwrap_or_else(|e| raise(e));
        new_state(min, max, n, memory)
    });
    // SAFETY: the state is this aggregate's
    let mut histogram = unsafe { view(place) };
    if !histogram.is_like(min, max, buckets) {
        raise(changed());
    }
    histogram.add(number(value)).unwrap_or_else(|e| raise(e));
    place
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
        let place = call
            .arg(0)
            .unwrap_or_else(|| new_state(other.min, other.max, other.counts.len(), memory));
        view(place).merge(&other).unwrap_or_else(|e| raise(e));
        place
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
        let image = call.arg(0).and_then(|image| from_bytes(bytea_bytes(image)));
        let Some((min, max, counts)) = image else {
            raise(Error::internal("the state of an aggregate is cut short"));
        };
        let place = new_state(min, max, counts.len(), pg_sys::CurrentMemoryContext);
        let histogram = view(place);
        histogram
            .counts
            .iter_mut()
            .zip(counts)
            .for_each(|(to, n)| *to = n);
        place
    }
}

/// # Safety
/// A call as (internal, ...).
unsafe fn counts(call: Call) -> pg_sys::Datum {
    inside(call);
    // SAFETY: the state is this aggregate's
    call.answer(unsafe { state(call, 0) }.and_then(|h| h.counts.to_vec().into_datum()))
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
