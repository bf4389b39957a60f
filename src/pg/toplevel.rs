//! One statement as a client would send it: outside of any transaction, through a portal, so that it may
//! commit inside (DETACH PARTITION CONCURRENTLY, CALL of a procedure that commits). Only in workers.

use super::bgworker::contain;
use super::compat;
use super::subxact::Caught;
use crate::error::{Error, Result};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgXactCallbackEvent, pg_sys, register_xact_callback};
use std::ffi::CString;
use std::panic::AssertUnwindSafe;

/// Runs `sql`, one statement. As `user` (if given) in a security-restricted operation, but only up to the
/// statement's first commit: what it does after that it does as the worker. Hence not for code of users.
///
/// `with_first_commit` runs at the end of the first transaction and belongs to it: it takes effect
/// together with what the statement has done up to there, or not at all.
pub fn run(
    sql: &str,
    user: Option<pg_sys::Oid>,
    with_first_commit: impl FnOnce() -> Result<()> + 'static,
) -> std::result::Result<(), Caught> {
    let sql = CString::new(sql).map_err(|_| Error::internal("NUL in a statement"))?;
    // outlives the statement's transactions, and on error the portal that points into it
    let mut memory = PgMemoryContexts::new("pg_strata top-level statement");
    contain(|| {
        // SAFETY: a worker has no transaction open between its steps
        unsafe {
            pg_sys::SetCurrentStatementStartTimestamp();
            pg_sys::StartTransactionCommand();
        }
        if let Some(user) = user {
            become_until_commit(user);
        }
        let with_first_commit = AssertUnwindSafe(with_first_commit);
        register_xact_callback(PgXactCallbackEvent::PreCommit, move || {
            let with_first_commit = with_first_commit;
            under_snapshot(with_first_commit.0);
        });
        // SAFETY: the context lives until after the transaction's end
        unsafe {
            memory.set_as_current();
            let nowhere = pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone);
            execute(&sql, &[], std::ptr::null_mut(), nowhere);
            pg_sys::CommitTransactionCommand();
        }
        Ok(())
    })
}

/// An abort restores the user by itself; a commit leaves it, even with SECURITY_RESTRICTED_OPERATION set,
/// which the next transaction of the same statement must not begin with.
fn become_until_commit(user: pg_sys::Oid) {
    let (mut before, mut context) = (pg_sys::InvalidOid, 0);
    // the last one for core's foreign key checks, which a forced policy must not mislead
    let flags = pg_sys::SECURITY_RESTRICTED_OPERATION
        | pg_sys::SECURITY_LOCAL_USERID_CHANGE
        | pg_sys::SECURITY_NOFORCE_RLS;
    // SAFETY: both out pointers live on this stack; inside a transaction
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut before, &mut context);
        pg_sys::SetUserIdAndSecContext(user, context | flags as i32);
    }
    register_xact_callback(PgXactCallbackEvent::Commit, move || {
        // SAFETY: sets two words to what they were
        unsafe { pg_sys::SetUserIdAndSecContext(before, context) }
    });
}

/// Errors roll the transaction back.
fn under_snapshot(f: impl FnOnce() -> Result<()>) {
    // SAFETY: before the commit the transaction is still whole; push and pop are paired but on error,
    // which ends the transaction
    unsafe { pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot()) };
    if let Err(error) = f() {
        ErrorReport::from(error).report(pgrx::PgLogLevel::ERROR);
    }
    // SAFETY: as above
    unsafe { pg_sys::PopActiveSnapshot() };
}

/// The middle of exec_simple_query (postgres.c:1043 on), for one statement without a client, with arguments of
/// these types.
///
/// # Safety
/// In a transaction, with no portal running, and in a memory context that outlives the transaction; so do the
/// arguments and the receiver.
pub(super) unsafe fn execute(
    sql: &CString,
    types: &[pg_sys::Oid],
    params: pg_sys::ParamListInfo,
    receiver: *mut pg_sys::DestReceiver,
) {
    // SAFETY: promised by the caller; each call gets what the one before it made
    unsafe {
        let parsed = pg_sys::pg_parse_query(sql.as_ptr());
        let Some(raw) = super::list::pointers::<pg_sys::RawStmt>(parsed).next() else {
            return;
        };
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        let queries = pg_sys::pg_analyze_and_rewrite_fixedparams(
            raw,
            sql.as_ptr(),
            types.as_ptr(),
            types.len() as i32,
            std::ptr::null_mut(),
        );
        let plans = pg_sys::pg_plan_queries(queries, sql.as_ptr(), 0, params);
        pg_sys::PopActiveSnapshot();
        let portal = pg_sys::CreatePortal(c"".as_ptr(), true, true);
        (*portal).visible = false;
        pg_sys::PortalDefineQuery(
            portal,
            std::ptr::null(),
            sql.as_ptr(),
            pg_sys::CreateCommandTag((*raw).stmt),
            plans,
            std::ptr::null_mut(),
        );
        pg_sys::PortalStart(portal, params, 0, std::ptr::null_mut());
        compat::run_top_level_portal(portal, receiver);
        pg_sys::PortalDrop(portal, false);
    }
}

/// True when a set-returning function is called directly by a statement of the client that is a transaction of
/// its own: not in a block, not by another function, and nothing was written before.
#[allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "pgrx passes the live call data"
)]
pub fn is_lone_call(call: pg_sys::FunctionCallInfo) -> bool {
    // SAFETY: the call data of the running function; every pointer is checked before use
    unsafe {
        if pg_sys::IsTransactionBlock()
            || pg_sys::GetCurrentTransactionNestLevel() != 1
            || pg_sys::GetTopTransactionIdIfAny() != pg_sys::InvalidTransactionId
            || pg_sys::ActivePortal.is_null()
        {
            return false;
        }
        let query = (*pg_sys::ActivePortal).queryDesc;
        let result = (*call).resultinfo.cast::<pg_sys::ReturnSetInfo>();
        // a statement that writes may roll back after us
        if query.is_null()
            || (*query).operation != pg_sys::CmdType::CMD_SELECT
            || (*(*query).plannedstmt).hasModifyingCTE
            || result.is_null()
            || (*result).type_ != pg_sys::NodeTag::T_ReturnSetInfo
            || (*result).econtext.is_null()
        {
            return false;
        }
        // the statement of the portal, and not one that a function runs inside of it
        (*(*result).econtext).ecxt_estate == (*query).estate
    }
}
