//! What is done for each row of a scan, without the guard of a call into PostgreSQL: that takes as long as
//! all the rest. None of it can raise an error; where one could, the guarded function is called.

use pgrx::pg_sys;

mod raw {
    use pgrx::pg_sys;

    #[allow(
        clashing_extern_declarations,
        reason = "the bindings know the same function"
    )]
    unsafe extern "C" {
        /// utils/palloc.h
        pub(super) fn palloc_extended(
            size: pg_sys::Size,
            flags: core::ffi::c_int,
        ) -> *mut core::ffi::c_void;
    }
}

/// As ExecClearTuple.
///
/// # Safety
/// A slot of the executor.
pub(super) unsafe fn clear(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: promised by the caller
    unsafe {
        let is_virtual = std::ptr::eq((*slot).tts_ops, &raw const pg_sys::TTSOpsVirtual);
        if !is_virtual || (*slot).tts_flags & pg_sys::TTS_FLAG_SHOULDFREE as u16 != 0 {
            pg_sys::ExecClearTuple(slot);
            return;
        }
        // tts_virtual_clear (execTuples.c)
        (*slot).tts_nvalid = 0;
        (*slot).tts_flags |= pg_sys::TTS_FLAG_EMPTY as u16;
        let tid = &mut (*slot).tts_tid;
        tid.ip_blkid.bi_hi = u16::MAX;
        tid.ip_blkid.bi_lo = u16::MAX;
        tid.ip_posid = pg_sys::InvalidOffsetNumber;
    }
}

/// As ExecStoreVirtualTuple.
///
/// # Safety
/// An empty virtual slot, its values filled in.
pub(super) unsafe fn store(slot: *mut pg_sys::TupleTableSlot) {
    // SAFETY: promised by the caller
    unsafe {
        (*slot).tts_flags &= !(pg_sys::TTS_FLAG_EMPTY as u16);
        (*slot).tts_nvalid = (*(*slot).tts_tupleDescriptor).natts as i16;
    }
}

/// As MemoryContextReset, which mostly finds that there is nothing to do.
///
/// # Safety
/// A memory context in which nothing is in use.
pub(super) unsafe fn reset(memory: pg_sys::MemoryContext) {
    // SAFETY: promised by the caller
    unsafe {
        if !(*memory).isReset || !(*memory).firstchild.is_null() {
            pg_sys::MemoryContextReset(memory);
        }
    }
}

/// Memory in the current context.
fn allocate(size: usize) -> *mut u8 {
    // MaxAllocSize (memutils.h)
    if size <= 0x3fff_ffff {
        // SAFETY: without memory it comes back with NULL
        let memory =
            unsafe { raw::palloc_extended(size, pg_sys::MCXT_ALLOC_NO_OOM as core::ffi::c_int) };
        if !memory.is_null() {
            return memory.cast();
        }
    }
    // SAFETY: raises the error
    unsafe { pg_sys::palloc(size).cast() }
}

/// A text or bytea of these bytes, in the current memory context.
pub(super) fn varlena(bytes: &[u8]) -> pg_sys::Datum {
    let size = bytes.len() + pg_sys::VARHDRSZ;
    let value = allocate(size);
    // SAFETY: fresh memory of that size, aligned as all of palloc's
    unsafe {
        pgrx::set_varsize_4b(value.cast(), size as i32);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), value.add(pg_sys::VARHDRSZ), bytes.len());
    }
    pg_sys::Datum::from(value)
}

/// A value of fixed length that is passed by reference, in the current memory context.
pub(super) fn fixed<const N: usize>(bytes: [u8; N]) -> pg_sys::Datum {
    let value = allocate(N);
    // SAFETY: fresh memory of that size
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), value, N) };
    pg_sys::Datum::from(value)
}
