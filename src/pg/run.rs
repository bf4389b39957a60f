//! Runs parsed statements one by one, as the caller, in his transaction: the loop of core for the scripts of
//! extensions (extension.c, execute_sql_string).

use super::parse::Parsed;
use super::parse_kind::{Kind, Outside};
use super::{compat_executor, list};
use crate::error::{Error, Kind as ErrorKind, Result};
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys::{self, NodeTag};

/// What is left of a statement without CONCURRENTLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stripped {
    Run,
    /// nothing: VACUUM
    Skip,
}

impl Parsed {
    /// Runs statement `n`; what it returns is discarded. Its errors are raised.
    pub fn execute(&self, n: usize) -> Result<()> {
        let Some(raw) = self.tree(n) else {
            return Err(Error::internal(format!("there is no statement {n}")));
        };
        let mut memory = PgMemoryContexts::new("pg_strata statement");
        // SAFETY: a tree of the parser with its text; the plans lie in a context that goes when they are done
        unsafe {
            memory.switch_to(|_| {
                pg_sys::CommandCounterIncrement();
                // as exec_simple_query: functions that are called while planning see what was done before
                let looks = pg_sys::analyze_requires_snapshot(raw);
                if looks {
                    pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
                }
                let queries = pg_sys::pg_analyze_and_rewrite_fixedparams(
                    raw,
                    self.sql().as_ptr(),
                    std::ptr::null(),
                    0,
                    std::ptr::null_mut(),
                );
                let plans = pg_sys::pg_plan_queries(
                    queries,
                    self.sql().as_ptr(),
                    pg_sys::CURSOR_OPT_PARALLEL_OK as i32,
                    std::ptr::null_mut(),
                );
                if looks {
                    pg_sys::PopActiveSnapshot();
                }
                let nowhere = pg_sys::CreateDestReceiver(pg_sys::CommandDest::DestNone);
                for plan in list::pointers::<pg_sys::PlannedStmt>(plans) {
                    run(plan, self, nowhere);
                }
            });
            pg_sys::CommandCounterIncrement();
        }
        Ok(())
    }

    /// Takes CONCURRENTLY out of statement `n`.
    pub fn strip(&self, n: usize) -> Result<Stripped> {
        let (Some(raw), Some(statement)) = (self.tree(n), self.statements.get(n)) else {
            return Err(Error::internal(format!("there is no statement {n}")));
        };
        let Kind::Outside(outside) = &statement.kind else {
            return Ok(Stripped::Run);
        };
        // SAFETY: the kind says what the tree is; nobody else has it
        unsafe {
            let node = (*raw).stmt;
            match outside {
                Outside::CreateIndexConcurrently => {
                    (*node.cast::<pg_sys::IndexStmt>()).concurrent = false;
                }
                Outside::DropIndexConcurrently => {
                    (*node.cast::<pg_sys::DropStmt>()).concurrent = false;
                }
                Outside::ReindexConcurrently => without_concurrently(node.cast()),
                Outside::DetachConcurrently => detach_at_once(node.cast()),
                Outside::Vacuum => return Ok(Stripped::Skip),
                Outside::ReindexMany
                | Outside::ClusterAll
                | Outside::Database
                | Outside::Tablespace
                | Outside::AlterSystem
                | Outside::Subscription
                | Outside::DiscardAll => {
                    let text = format!("{} cannot run in a transaction", statement.tag);
                    return Err(Error::new(ErrorKind::ActiveTransaction, text));
                }
            }
        }
        Ok(Stripped::Run)
    }
}

/// # Safety
/// A plan of the text of `parsed`, in a transaction.
unsafe fn run(plan: *mut pg_sys::PlannedStmt, parsed: &Parsed, nowhere: *mut pg_sys::DestReceiver) {
    // SAFETY: promised by the caller; start and end, push and pop are paired, and an error ends the transaction
    unsafe {
        pg_sys::CommandCounterIncrement();
        pg_sys::PushActiveSnapshot(pg_sys::GetTransactionSnapshot());
        if (*plan).utilityStmt.is_null() {
            let query = pg_sys::CreateQueryDesc(
                plan,
                parsed.sql().as_ptr(),
                pg_sys::GetActiveSnapshot(),
                std::ptr::null_mut(),
                nowhere,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                0,
            );
            pg_sys::ExecutorStart(query, 0);
            compat_executor::run_to_end(query);
            pg_sys::ExecutorFinish(query);
            pg_sys::ExecutorEnd(query);
            pg_sys::FreeQueryDesc(query);
        } else {
            pg_sys::ProcessUtility(
                plan,
                parsed.sql().as_ptr(),
                false,
                pg_sys::ProcessUtilityContext::PROCESS_UTILITY_QUERY,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                nowhere,
                std::ptr::null_mut(),
            );
        }
        pg_sys::PopActiveSnapshot();
    }
}

/// # Safety
/// A REINDEX of the parser.
unsafe fn without_concurrently(stmt: *mut pg_sys::ReindexStmt) {
    // SAFETY: promised by the caller; its options are a list of DefElem
    unsafe {
        for option in list::pointers::<pg_sys::DefElem>((*stmt).params) {
            if std::ffi::CStr::from_ptr((*option).defname) == c"concurrently" {
                (*option).arg = pg_sys::makeBoolean(false).cast();
            }
        }
    }
}

/// # Safety
/// An ALTER TABLE of the parser.
unsafe fn detach_at_once(stmt: *mut pg_sys::AlterTableStmt) {
    // SAFETY: promised by the caller; what DETACH PARTITION has is a PartitionCmd
    unsafe {
        for command in list::pointers::<pg_sys::AlterTableCmd>((*stmt).cmds) {
            let detach = (*command).subtype == pg_sys::AlterTableType::AT_DetachPartition;
            if detach && !(*command).def.is_null() {
                debug_assert!((*(*command).def).type_ == NodeTag::T_PartitionCmd);
                (*(*command).def.cast::<pg_sys::PartitionCmd>()).concurrent = false;
            }
        }
    }
}
