//! Errors of users' statements with everything that they carry: a guard hands on the message, and loses position,
//! context and the names that drivers ask for.

use super::parse::ErrorContext;
use super::subxact::Caught;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgTryBuilder, pg_guard, pg_sys};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::AssertUnwindSafe;

/// What ErrorData (elog.h) says of an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WholeError {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    pub context: Option<String>,
    pub schema: Option<String>,
    pub table: Option<String>,
    pub column: Option<String>,
    pub datatype: Option<String>,
    pub constraint: Option<String>,
    /// character of the statement that it is about, from 1; 0 for none
    pub position: i32,
    /// the same for a statement that was not sent by the client
    pub internal_position: i32,
    pub internal_query: Option<String>,
    /// where the statement stands that it is about
    pub at: Option<At>,
    detail_log: Option<String>,
    code: i32,
}

/// A statement of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    pub file: String,
    /// from 1
    pub statement: i32,
    pub line: usize,
    pub column: usize,
}

impl WholeError {
    /// The same for an error of ours, or one of which no more is known.
    #[must_use]
    pub fn of(caught: &Caught) -> WholeError {
        WholeError {
            sqlstate: sqlstate(caught.code as i32),
            message: caught.message.clone(),
            detail: caught.detail.clone(),
            hint: caught.hint.clone(),
            code: caught.code as i32,
            ..WholeError::default()
        }
    }
}

/// Who runs statements of users, and knows where they stand.
pub trait Place {
    /// Adds to an error of the statement that is being run. Must not call the server.
    fn explain(&self, error: &mut WholeError);
}

thread_local! {
    static LAST: RefCell<Option<WholeError>> = const { RefCell::new(None) };
}

/// Runs `f`; errors that leave it are explained by `place`, and kept whole for [`border`] and [`take`].
pub fn watched<T>(place: &dyn Place, f: impl FnOnce() -> T) -> T {
    let mut arg: *const dyn Place = place;
    let _context = ErrorContext::push(keep, (&raw mut arg).cast());
    f()
}

#[pg_guard]
unsafe extern "C-unwind" fn keep(arg: *mut c_void) {
    // SAFETY: the pointer of `watched`, whose frame and argument outlive the callback
    unsafe {
        let place: &dyn Place = &**arg.cast::<*const dyn Place>();
        if let Some(mut error) = current() {
            place.explain(&mut error);
            LAST.with_borrow_mut(|last| *last = Some(error));
        }
    }
}

/// The error that is being reported; `None` for a notice or warning.
///
/// # Safety
/// Only from an error context callback.
unsafe fn current() -> Option<WholeError> {
    // SAFETY: there is an error on the stack of errors; its copy lies in a context of its own, which CopyErrorData
    // wants, and Rust copies what it needs before that goes
    unsafe {
        let mut memory = PgMemoryContexts::new("pg_strata error");
        memory.switch_to(|_| {
            let data = &*pg_sys::CopyErrorData();
            (data.elevel >= PgLogLevel::ERROR as i32).then(|| WholeError {
                sqlstate: sqlstate(data.sqlerrcode),
                message: text(data.message).unwrap_or_default(),
                detail: text(data.detail),
                hint: text(data.hint),
                context: text(data.context),
                schema: text(data.schema_name),
                table: text(data.table_name),
                column: text(data.column_name),
                datatype: text(data.datatype_name),
                constraint: text(data.constraint_name),
                position: data.cursorpos,
                internal_position: data.internalpos,
                internal_query: text(data.internalquery),
                at: None,
                detail_log: text(data.detail_log),
                code: data.sqlerrcode,
            })
        })
    }
}

/// # Safety
/// NULL, or a NUL terminated string.
unsafe fn text(s: *const c_char) -> Option<String> {
    // SAFETY: promised by the caller
    (!s.is_null()).then(|| unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned())
}

/// Five characters of six bits each (elog.h, MAKE_SQLSTATE).
fn sqlstate(code: i32) -> String {
    (0..5)
        .map(|n| char::from(((code >> (6 * n)) & 0x3F) as u8 + b'0'))
        .collect()
}

/// Puts back what [`take`] has taken.
pub fn keep_whole(whole: WholeError) {
    LAST.with_borrow_mut(|last| *last = Some(whole));
}

/// The whole of an error that has just been caught, if it came out of [`watched`].
#[must_use]
pub fn take(caught: &Caught) -> Option<WholeError> {
    let last = LAST.with_borrow_mut(Option::take)?;
    // a SQLSTATE that is not one of the server's own is lost on the way
    let same = last.code == caught.code as i32
        || caught.code == pgrx::PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
    (same && last.message == caught.message).then_some(last)
}

/// Raises an error that was caught before, for [`border`] to let it out whole. May be called anywhere.
#[allow(clippy::panic, reason = "the report does not come back")]
pub fn again(whole: WholeError) -> ! {
    let code = pgrx::PgSqlErrorCode::from(whole.code as isize as i32);
    let report = ErrorReport::new(code, whole.message.clone(), "");
    LAST.with_borrow_mut(|last| *last = Some(whole));
    report.report(PgLogLevel::ERROR);
    panic!("an error did not end the statement")
}

/// Runs `f`, the body of a function of ours; an error that came out of [`watched`] goes on whole.
///
/// To be called where nothing with a destructor is alive but what `f` takes: the error jumps over the frame.
#[allow(clippy::result_large_err, reason = "one for each call of a client")]
pub fn border<T>(f: impl FnOnce() -> T) -> T {
    LAST.with_borrow_mut(Option::take);
    let out = PgTryBuilder::new(AssertUnwindSafe(|| Ok(f())))
        .catch_others(|error| match take(&Caught::of_error(&error)) {
            Some(whole) => Err(whole),
            None => error.rethrow(),
        })
        .execute();
    match out {
        Ok(out) => out,
        Err(whole) => raise(whole),
    }
}

#[allow(
    clashing_extern_declarations,
    reason = "the bindings know the same function, with a guard"
)]
mod raw {
    unsafe extern "C-unwind" {
        pub(super) fn ThrowErrorData(data: *mut pgrx::pg_sys::ErrorData);
    }
}

/// Raises an error with all that it carries.
#[allow(
    ffi_unwind_calls,
    clippy::panic,
    reason = "the error passes over a frame without destructors; it does not come back"
)]
pub fn raise(error: WholeError) -> ! {
    let data = error_data(&error);
    drop(error);
    // SAFETY: palloc'd strings; nothing with a destructor is alive
    unsafe { raw::ThrowErrorData(data) }
    panic!("an error did not end the statement")
}

/// In the current memory context.
fn error_data(error: &WholeError) -> *mut pg_sys::ErrorData {
    // SAFETY: zeroed memory is a valid ErrorData; the strings are copied into the current memory context
    unsafe {
        let data: *mut pg_sys::ErrorData = pg_sys::palloc0(size_of::<pg_sys::ErrorData>()).cast();
        (*data).elevel = PgLogLevel::ERROR as c_int;
        (*data).sqlerrcode = error.code;
        (*data).message = palloced(Some(&error.message));
        (*data).detail = palloced(error.detail.as_deref());
        (*data).detail_log = palloced(error.detail_log.as_deref());
        (*data).hint = palloced(error.hint.as_deref());
        (*data).context = palloced(error.context.as_deref());
        (*data).schema_name = palloced(error.schema.as_deref());
        (*data).table_name = palloced(error.table.as_deref());
        (*data).column_name = palloced(error.column.as_deref());
        (*data).datatype_name = palloced(error.datatype.as_deref());
        (*data).constraint_name = palloced(error.constraint.as_deref());
        (*data).cursorpos = error.position;
        (*data).internalpos = error.internal_position;
        (*data).internalquery = palloced(error.internal_query.as_deref());
        data
    }
}

/// # Safety
/// In a memory context.
unsafe fn palloced(text: Option<&str>) -> *mut c_char {
    let Some(text) = text.and_then(|t| CString::new(t).ok()) else {
        return std::ptr::null_mut();
    };
    // SAFETY: promised by the caller; NUL terminated
    unsafe { pg_sys::pstrdup(text.as_ptr()) }
}
