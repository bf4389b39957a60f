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

/// A value that is handed on as it came: nobody of ours looks into it.
#[derive(Clone, Copy)]
pub struct Value(pg_sys::Datum);

impl Value {
    pub(super) fn datum(self) -> pg_sys::Datum {
        self.0
    }

    pub(super) fn of(datum: pg_sys::Datum) -> Value {
        Value(datum)
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

    /// What the server says of the call; NULL for one of a query.
    pub(super) fn context(self) -> *mut pg_sys::Node {
        // SAFETY: a field of a valid call
        unsafe { (*self.0).context }
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

    /// An argument that is handed on.
    pub fn value(self, n: usize) -> Option<Value> {
        self.arg(n).map(Value)
    }

    /// The elements of an argument that is an array of a type passed by reference, as jsonb is.
    pub fn values(self, n: usize) -> Option<Vec<Option<Value>>> {
        let array = self.arg(n)?;
        // SAFETY: the declaration of the function says that it is an array; the server allocates both lists,
        // and the elements point into the detoasted array, which lives as long as the call
        unsafe {
            let array = pg_sys::pg_detoast_datum(array.cast_mut_ptr()).cast::<pg_sys::ArrayType>();
            let (mut length, mut by_value, mut align) = (0, false, 0);
            pg_sys::get_typlenbyvalalign((*array).elemtype, &mut length, &mut by_value, &mut align);
            let (mut values, mut nulls, mut count) =
                (std::ptr::null_mut(), std::ptr::null_mut(), 0);
            pg_sys::deconstruct_array(
                array,
                (*array).elemtype,
                i32::from(length),
                by_value,
                align,
                &mut values,
                &mut nulls,
                &mut count,
            );
            let count = usize::try_from(count).unwrap_or(0);
            let one = |n| (!*nulls.add(n)).then(|| Value(*values.add(n)));
            Some((0..count).map(one).collect())
        }
    }

    /// An argument of a type that pgrx knows; `None` for NULL.
    pub fn get<T: pgrx::FromDatum>(self, n: usize) -> Option<T> {
        let datum = self.arg(n)?;
        // SAFETY: the declaration of the function says the type
        unsafe { T::from_datum(datum, false) }
    }

    /// Gives rows as the result, all at once.
    pub fn rows(self, rows: impl Iterator<Item = Vec<Option<pg_sys::Datum>>>) -> pg_sys::Datum {
        self.rows_by(|put| rows.for_each(put))
    }

    /// Gives those rows as the result that `f` hands over; their values are copied at once.
    pub fn rows_by(
        self,
        f: impl FnOnce(&mut dyn FnMut(Vec<Option<pg_sys::Datum>>)),
    ) -> pg_sys::Datum {
        // SAFETY: the server checks that the caller takes a set
        let result = unsafe {
            // the columns as the server has looked them up already, where it has
            let result = (*self.0).resultinfo.cast::<pg_sys::ReturnSetInfo>();
            let known = !result.is_null()
                && (*result).type_ == pg_sys::NodeTag::T_ReturnSetInfo
                && !(*result).expectedDesc.is_null();
            let flags = u32::from(known) * pg_sys::MAT_SRF_USE_EXPECTED_DESC;
            pg_sys::InitMaterializedSRF(self.0, flags);
            (*self.0).resultinfo.cast::<pg_sys::ReturnSetInfo>()
        };
        f(&mut |row| {
            let nulls: Vec<bool> = row.iter().map(Option::is_none).collect();
            let values: Vec<pg_sys::Datum> = row
                .into_iter()
                .map(|v| v.unwrap_or(pg_sys::Datum::null()))
                .collect();
            // SAFETY: rows have as many values as the declaration of the function says
            unsafe {
                pg_sys::tuplestore_putvalues(
                    (*result).setResult,
                    (*result).setDesc,
                    values.as_ptr().cast_mut(),
                    nulls.as_ptr().cast_mut(),
                );
            }
        });
        self.null()
    }

    /// A row as the result, with the columns that the declaration names as OUT.
    pub fn record(self, mut values: Vec<Option<pg_sys::Datum>>) -> pg_sys::Datum {
        let mut nulls: Vec<bool> = values.iter().map(Option::is_none).collect();
        let mut values: Vec<pg_sys::Datum> = values
            .iter_mut()
            .map(|v| v.take().unwrap_or(pg_sys::Datum::null()))
            .collect();
        // SAFETY: as many values as the function has OUT arguments; the row lives in the current memory context
        unsafe {
            let mut columns: pg_sys::TupleDesc = std::ptr::null_mut();
            pg_sys::get_call_result_type(self.0, std::ptr::null_mut(), &mut columns);
            let columns = pg_sys::BlessTupleDesc(columns);
            let row = pg_sys::heap_form_tuple(columns, values.as_mut_ptr(), nulls.as_mut_ptr());
            pg_sys::HeapTupleHeaderGetDatum((*row).t_data)
        }
    }

    /// 25001 unless the running procedure may commit.
    pub fn check_nonatomic(self, what: &str, hint: &str) -> crate::error::Result<()> {
        super::nonatomic::check_call(self.0, what, hint)
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
