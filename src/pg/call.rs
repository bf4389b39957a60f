//! Functions with PostgreSQL's own calling convention, for arguments that pgrx has no types for:
//! aggregate states and values of any type.

use pgrx::pg_sys;

/// Declares `$name_wrapper` for `LANGUAGE c` and its calling convention (fmgr.h).
macro_rules! c_function {
    ($name:ident, $info:ident, $body:path) => {
        #[unsafe(no_mangle)]
        #[pgrx::pg_guard]
        unsafe extern "C-unwind" fn $name(
            call: pgrx::pg_sys::FunctionCallInfo,
        ) -> pgrx::pg_sys::Datum {
            // SAFETY: the server passes a valid call
            unsafe { $body(crate::pg::call::Call::new(call)) }
        }

        #[unsafe(no_mangle)]
        extern "C" fn $info() -> &'static pgrx::pg_sys::Pg_finfo_record {
            static CONVENTION: pgrx::pg_sys::Pg_finfo_record =
                pgrx::pg_sys::Pg_finfo_record { api_version: 1 };
            &CONVENTION
        }
    };
}
pub(super) use c_function;

/// The name that the running function was called by.
#[allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "pgrx passes the live call data"
)]
pub fn function_name(call: pg_sys::FunctionCallInfo) -> String {
    // SAFETY: the call data of the running function; the name is palloc'd
    unsafe {
        let info = (*call).flinfo;
        if info.is_null() {
            return String::new();
        }
        let name = pg_sys::get_func_name((*info).fn_oid);
        if name.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(name)
            .to_string_lossy()
            .into_owned()
    }
}

/// One call of a function.
#[derive(Clone, Copy)]
pub struct Call(pg_sys::FunctionCallInfo);

impl Call {
    /// # Safety
    /// The call must be valid as long as the result is used.
    pub unsafe fn new(call: pg_sys::FunctionCallInfo) -> Call {
        Call(call)
    }

    /// An argument that is not NULL.
    pub fn arg(self, n: usize) -> Option<pg_sys::Datum> {
        // SAFETY: a valid call has as many arguments as it says
        unsafe {
            if n >= (*self.0).nargs as usize {
                return None;
            }
            let arg = &(*self.0).args.as_slice(n + 1)[n];
            (!arg.isnull).then_some(arg.value)
        }
    }

    /// NULL as the result.
    pub fn null(self) -> pg_sys::Datum {
        // SAFETY: the flag is the function's to set
        unsafe { (*self.0).isnull = true };
        pg_sys::Datum::from(0)
    }

    /// A result, or NULL.
    pub fn answer(self, value: Option<pg_sys::Datum>) -> pg_sys::Datum {
        value.unwrap_or_else(|| self.null())
    }

    pub fn collation(self) -> pg_sys::Oid {
        // SAFETY: a field of a valid call
        unsafe { (*self.0).fncollation }
    }

    /// Type of an argument as the query has it.
    pub fn arg_type(self, n: i32) -> pg_sys::Oid {
        // SAFETY: the server gives every call its function
        unsafe { pg_sys::get_fn_expr_argtype((*self.0).flinfo, n) }
    }

    /// The memory of the aggregate's state; `None` outside an aggregate.
    pub fn aggregate_memory(self) -> Option<pg_sys::MemoryContext> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: asks the server about the caller of this call
        let inside = unsafe { pg_sys::AggCheckCallContext(self.0, &mut memory) };
        (inside != 0).then_some(memory)
    }

    /// What this call site keeps between calls, and the memory that lives as long.
    pub fn kept(self) -> (*mut *mut core::ffi::c_void, pg_sys::MemoryContext) {
        // SAFETY: the server gives every call its function
        unsafe {
            let function = (*self.0).flinfo;
            (&raw mut (*function).fn_extra, (*function).fn_mcxt)
        }
    }
}
