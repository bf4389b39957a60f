//! 23505 for a late row whose key is in the file, word by word and field by field as the server says it.

use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgSqlErrorCode, pg_guard, pg_sys};
use std::ffi::{CStr, c_char, c_int};

/// What the error says. In memory of PostgreSQL, for frames without destructors.
#[repr(C)]
pub(super) struct Duplicate {
    index: *mut c_char,
    /// NULL where the one who inserts may not see the key
    key: *mut c_char,
    /// number of the row among those that are inserted together
    pub(super) row: usize,
}

/// The server's error functions without a guard: the error leaves from here.
#[allow(
    clashing_extern_declarations,
    reason = "the bindings know the same functions"
)]
mod raw {
    use super::{c_char, c_int, pg_sys};

    unsafe extern "C-unwind" {
        /// utils/elog.h
        pub fn errstart(level: c_int, domain: *const c_char) -> bool;
        /// utils/elog.h
        pub fn errcode(code: c_int) -> c_int;
        /// utils/elog.h
        pub fn errmsg(format: *const c_char, ...) -> c_int;
        /// utils/elog.h
        pub fn errdetail(format: *const c_char, ...) -> c_int;
        /// utils/elog.h
        pub fn errfinish(file: *const c_char, line: c_int, function: *const c_char);
        /// utils/rel.h
        pub fn errtableconstraint(rel: pg_sys::Relation, name: *const c_char) -> c_int;
    }
}

/// Describes the duplicate for [`report`], in the current memory context.
///
/// # Safety
/// `rel` must be open, `index` one of its unique indexes, `slot` hold the row with all attributes read.
pub(super) unsafe fn describe(
    rel: pg_sys::Relation,
    index: pg_sys::Oid,
    slot: *mut pg_sys::TupleTableSlot,
) -> *mut Duplicate {
    // SAFETY: promised by the caller; the index has at most INDEX_MAX_KEYS columns
    unsafe {
        let out = pg_sys::palloc0(size_of::<Duplicate>()).cast::<Duplicate>();
        let index = pg_sys::RelationIdGetRelation(index);
        if index.is_null() {
            (*out).index = pg_sys::pstrdup((*(*rel).rd_rel).relname.data.as_ptr());
            return out;
        }
        (*out).index = pg_sys::pstrdup((*(*index).rd_rel).relname.data.as_ptr());
        let form = (*index).rd_index;
        let n = (*form).indnatts as usize;
        let mut values = vec![pg_sys::Datum::null(); n];
        let mut nulls = vec![true; n];
        for (i, attnum) in (*form).indkey.values.as_slice(n).iter().enumerate() {
            if *attnum > 0 {
                let at = (*attnum - 1) as usize;
                values[i] = *(*slot).tts_values.add(at);
                nulls[i] = *(*slot).tts_isnull.add(at);
            }
        }
        (*out).key =
            pg_sys::BuildIndexValueDescription(index, values.as_mut_ptr(), nulls.as_mut_ptr());
        pg_sys::RelationClose(index);
        out
    }
}

/// 23505 as the server says it when it builds a unique index.
///
/// # Safety
/// As [`describe`].
pub(super) unsafe fn raise_in_build(
    rel: pg_sys::Relation,
    index: pg_sys::Relation,
    slot: *mut pg_sys::TupleTableSlot,
) -> ! {
    // SAFETY: promised by the caller; the strings live in the current memory context
    let (name, key) = unsafe {
        let found = &*describe(rel, (*index).rd_id, slot);
        let text = |t: *const c_char| CStr::from_ptr(t).to_string_lossy().into_owned();
        (
            text(found.index),
            (!found.key.is_null()).then(|| text(found.key)),
        )
    };
    let code = PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION;
    let message = format!("could not create unique index \"{name}\"");
    let report = ErrorReport::new(code, message, "");
    let report = match key {
        Some(key) => report.set_detail(format!("Key {key} is in the chunk's file, too.")),
        None => report,
    };
    report.report(pgrx::PgLogLevel::ERROR);
    unreachable!("an ERROR does not return")
}

/// Raises the error, if there is one. No destructor may live in this frame or in the caller's.
///
/// # Safety
/// `rel` must be open; `duplicate` NULL or from [`describe`].
#[allow(
    ffi_unwind_calls,
    reason = "the error passes over frames without destructors"
)]
pub(super) unsafe fn report(rel: pg_sys::Relation, duplicate: *mut Duplicate) {
    if duplicate.is_null() {
        return;
    }
    // SAFETY: promised by the caller; formats and arguments belong together
    unsafe {
        if raw::errstart(pgrx::PgLogLevel::ERROR as c_int, std::ptr::null()) {
            raw::errcode(PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION as c_int);
            raw::errmsg(
                c"duplicate key value violates unique constraint \"%s\"".as_ptr(),
                (*duplicate).index,
            );
            if !(*duplicate).key.is_null() {
                raw::errdetail(c"Key %s already exists.".as_ptr(), (*duplicate).key);
            }
            raw::errtableconstraint(rel, (*duplicate).index);
            raw::errfinish(c"cold_duplicate.rs".as_ptr(), 0, c"pg_strata".as_ptr());
        }
        never();
    }
}

/// An ERROR does not return.
#[pg_guard]
extern "C-unwind" fn never() {
    super::cold_state::raise(crate::error::Error::internal("an error returned"))
}
