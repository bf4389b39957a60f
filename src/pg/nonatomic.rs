//! Procedures that commit: transaction control inside CALL.

use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;

/// 25001 unless the running CALL may commit: not inside a transaction block, not inside a function.
/// `call` is what pgrx passes to the running procedure.
#[allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "pgrx passes the live call data"
)]
pub fn check_call(call: pg_sys::FunctionCallInfo, what: &str, hint: &str) -> Result<()> {
    // SAFETY: the call data of the running procedure; the context of a CALL is a CallContext node
    let atomic = unsafe {
        let context = (*call).context;
        context.is_null()
            || (*context).type_ != pg_sys::NodeTag::T_CallContext
            || (*context.cast::<pg_sys::CallContext>()).atomic
    };
    if atomic {
        return Err(Error::new(
            Kind::ActiveTransaction,
            format!("{what} cannot run inside a transaction block"),
        )
        .hint(hint));
    }
    Ok(())
}

/// True while a procedure runs that may commit, for a function that it calls.
#[must_use]
pub fn may_commit() -> bool {
    // SAFETY: reads a word of this process
    unsafe { pg_sys::SPI_inside_nonatomic_context() }
}

/// Commits, and begins a new transaction without a snapshot. Only after [`check_call`].
pub fn commit() -> Result<()> {
    // SAFETY: connect and finish are paired; an error ends both with the transaction
    unsafe {
        if pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32)
            != pg_sys::SPI_OK_CONNECT as i32
        {
            return Err(Error::internal("SPI_connect failed"));
        }
        pg_sys::SPI_commit();
        pg_sys::SPI_finish();
    }
    Ok(())
}

/// Runs `f` under a snapshot of its own, as a procedure needs after [`commit`].
pub fn with_snapshot<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // SAFETY: push and pop are paired whatever comes back; an error that is raised ends the transaction
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
    let out = f();
    // SAFETY: as above
    unsafe { pg_sys::PopActiveSnapshot() };
    out
}

/// Runs one statement that may commit, such as the CALL of a procedure. Only after [`check_call`].
pub fn call(sql: &str) -> Result<()> {
    let sql = std::ffi::CString::new(sql).map_err(|_| Error::internal("NUL in a statement"))?;
    // SAFETY: connect and finish are paired; an error ends both with the transaction. The options are plain
    // data that the call only reads
    unsafe {
        if pg_sys::SPI_connect_ext(pg_sys::SPI_OPT_NONATOMIC as i32)
            != pg_sys::SPI_OK_CONNECT as i32
        {
            return Err(Error::internal("SPI_connect failed"));
        }
        let options = pg_sys::SPIExecuteOptions {
            allow_nonatomic: true,
            ..Default::default()
        };
        let status = pg_sys::SPI_execute_extended(sql.as_ptr(), &options);
        pg_sys::SPI_finish();
        if status < 0 {
            return Err(Error::internal(format!(
                "a call returned SPI status {status}"
            )));
        }
    }
    Ok(())
}
