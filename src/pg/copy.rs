//! COPY FROM into a hypertable: the server's own cannot be told of new chunks, because it keeps its
//! routing to itself (copyfrom.c). Ours does the same work in the same order, and makes chunks.
//!
//! Here: which statements are taken over, and what copy.c does before the first row. Everything that the
//! server would refuse is left to it. Frames without destructors only, see [`super::copy_raw`].
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::copy_raw as raw;
use super::{compat, compat_copy, copy_demand, copy_error, copy_run};
use pgrx::pg_sys::*;
use std::ffi::{CStr, c_char, c_void};

const ROW_EXCLUSIVE: LOCKMODE = RowExclusiveLock as LOCKMODE;
const NO_LOCK: LOCKMODE = NoLock as LOCKMODE;

/// Runs the statement when it is a COPY into a table whose chunks are made on demand; false: it is for
/// the next one.
///
/// # Safety
/// The arguments of a ProcessUtility hook. The caller must hold nothing with a destructor.
pub(super) unsafe fn process(
    statement: *mut PlannedStmt,
    query: *const c_char,
    read_only_tree: bool,
    environment: *mut QueryEnvironment,
    completion: *mut QueryCompletion,
) -> bool {
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        let node = (*statement).utilityStmt;
        if node.is_null() || (*node).type_ != NodeTag::T_CopyStmt {
            return false;
        }
        let stmt = node.cast::<CopyStmt>();
        if !(*stmt).is_from || (*stmt).relation.is_null() || !may_be_ours(stmt) {
            return false;
        }
        copy_demand::before_lock();
        let rel = raw::table_openrv((*stmt).relation, ROW_EXCLUSIVE);
        let demand = copy_demand::of(rel);
        if demand.is_null() || left_to_server(stmt, rel) {
            raw::table_close(rel, NO_LOCK);
            return false;
        }
        // what follows writes into the tree
        let stmt = if read_only_tree {
            raw::copyObjectImpl(stmt.cast()).cast()
        } else {
            stmt
        };
        let pstate = raw::make_parsestate(std::ptr::null_mut());
        (*pstate).p_sourcetext = query;
        (*pstate).p_queryEnv = environment;
        let rows = copy(pstate, stmt, rel, demand, None);
        if !completion.is_null() {
            (*completion).commandTag = CommandTag::CMDTAG_COPY;
            (*completion).nprocessed = rows;
        }
        raw::free_parsestate(pstate);
        // as the end of standard_ProcessUtility does
        raw::CommandCounterIncrement();
        true
    }
}

/// Cheap: is it a partitioned table, in a state to be written?
unsafe fn may_be_ours(stmt: *const CopyStmt) -> bool {
    // SAFETY: a COPY statement with a relation
    unsafe {
        if XactReadOnly || raw::IsInParallelMode() || !may_read(stmt) {
            return false;
        }
        let relid = raw::RangeVarGetRelidExtended(
            (*stmt).relation,
            NO_LOCK,
            RVROption::RVR_MISSING_OK,
            None,
            std::ptr::null_mut(),
        );
        relid != InvalidOid && raw::get_rel_relkind(relid) as u8 == RELKIND_PARTITIONED_TABLE
    }
}

/// True when the user may read the file or run the program.
unsafe fn may_read(stmt: *const CopyStmt) -> bool {
    // SAFETY: a COPY statement
    unsafe {
        let role = if (*stmt).filename.is_null() {
            return true;
        } else if (*stmt).is_program {
            ROLE_PG_EXECUTE_SERVER_PROGRAM
        } else {
            ROLE_PG_READ_SERVER_FILES
        };
        raw::has_privs_of_role(raw::GetUserId(), Oid::from(role))
    }
}

/// Row security and FREEZE: the server refuses both for a partitioned table.
unsafe fn left_to_server(stmt: *const CopyStmt, rel: Relation) -> bool {
    // SAFETY: the options of COPY are a list of DefElem
    unsafe {
        let options = (*stmt).options;
        if !options.is_null() {
            let mut i = 0;
            while i < (*options).length as usize {
                let option = (*(*options).elements.add(i)).ptr_value.cast::<DefElem>();
                if CStr::from_ptr((*option).defname) == c"freeze" && raw::defGetBoolean(option) {
                    return true;
                }
                i = i.wrapping_add(1);
            }
        }
        let rls = raw::check_enable_rls((*rel).rd_id, InvalidOid, true);
        rls == CheckEnableRlsResult::RLS_ENABLED as i32
    }
}

/// COPY FROM STDIN of any table, whose rows come from `source` instead of the client; how many were stored.
///
/// # Safety
/// A COPY FROM statement of the parser with its text; in a transaction with a snapshot. The caller must hold nothing
/// with a destructor.
pub(super) unsafe fn from_source(
    stmt: *mut CopyStmt,
    query: *const c_char,
    source: copy_data_source_cb,
) -> u64 {
    // SAFETY: promised by the caller
    unsafe {
        raw::PreventCommandIfReadOnly(c"COPY FROM".as_ptr());
        let rel = raw::table_openrv((*stmt).relation, ROW_EXCLUSIVE);
        if raw::check_enable_rls((*rel).rd_id, InvalidOid, false)
            == CheckEnableRlsResult::RLS_ENABLED as i32
        {
            copy_error::row_security();
        }
        let demand = copy_demand::of(rel);
        let pstate = raw::make_parsestate(std::ptr::null_mut());
        (*pstate).p_sourcetext = query;
        let rows = copy(pstate, stmt, rel, demand, source);
        raw::free_parsestate(pstate);
        raw::CommandCounterIncrement();
        rows
    }
}

/// What DoCopy does (copy.c), up to the rows. Without `demand` the server's own loop stores them.
unsafe fn copy(
    pstate: *mut ParseState,
    stmt: *mut CopyStmt,
    rel: Relation,
    demand: *mut c_void,
    source: copy_data_source_cb,
) -> u64 {
    // SAFETY: as process; rel is open and stays so, or is opened again
    unsafe {
        let item = raw::addRangeTableEntryForRelation(
            pstate,
            rel,
            ROW_EXCLUSIVE,
            std::ptr::null_mut(),
            false,
            false,
        );
        let mut filter = std::ptr::null_mut();
        if !(*stmt).whereClause.is_null() {
            filter = transform_filter(pstate, stmt, rel, item);
        }
        let columns = raw::CopyGetAttnums((*rel).rd_att, rel, (*stmt).attlist);
        compat_copy::check_insert(pstate, item, columns);
        let cstate = raw::BeginCopyFrom(
            pstate,
            rel,
            filter.cast(),
            (*stmt).filename,
            (*stmt).is_program,
            source,
            (*stmt).attlist,
            (*stmt).options,
        );
        if !compat_copy::layout_is_known(cstate, rel, pstate) {
            copy_error::unknown_layout();
        }
        super::run_copy::begun(cstate);
        // The statement's snapshot is older than the lock. A chunk whose detaching it does not see would be written to,
        // and its end waits only for those who had the lock when it began: it might be gone before its first row.
        let newer = !super::session::transaction_snapshot_is_fixed();
        if newer {
            raw::PushActiveSnapshot(raw::GetTransactionSnapshot());
        }
        let rows = if demand.is_null() {
            raw::CopyFrom(cstate)
        } else {
            copy_run::run(cstate, demand)
        };
        if newer {
            raw::PopActiveSnapshot();
        }
        super::run_copy::ended();
        let rel = (*cstate).rel;
        raw::EndCopyFrom(cstate);
        raw::table_close(rel, NO_LOCK);
        rows
    }
}

/// The WHERE clause as an implicitly ANDed list, checked as copy.c checks it.
unsafe fn transform_filter(
    pstate: *mut ParseState,
    stmt: *mut CopyStmt,
    rel: Relation,
    item: *mut ParseNamespaceItem,
) -> *mut List {
    // SAFETY: as process
    unsafe {
        raw::addNSItemToQuery(pstate, item, false, true, true);
        let kind = ParseExprKind::EXPR_KIND_COPY_WHERE;
        let mut filter = raw::transformExpr(pstate, (*stmt).whereClause, kind);
        filter = raw::coerce_to_boolean(pstate, filter, c"WHERE".as_ptr());
        raw::assign_expr_collations(pstate, filter);
        refuse_generated(rel, filter);
        filter = raw::eval_const_expressions(std::ptr::null_mut(), filter);
        raw::make_ands_implicit(raw::canonicalize_qual(filter.cast(), false))
    }
}

/// Stored generated columns are not yet computed when the filter runs, and virtual ones never are.
unsafe fn refuse_generated(rel: Relation, filter: *mut Node) {
    // SAFETY: an expression over the columns of the open relation
    unsafe {
        let mut used = std::ptr::null_mut();
        raw::pull_varattnos(filter, 1, &mut used);
        let whole_row = raw::bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used);
        let desc = (*rel).rd_att;
        let mut attno = 1;
        while attno <= (*desc).natts {
            let att = compat::attribute(desc, (attno as usize).wrapping_sub(1));
            let uses =
                raw::bms_is_member(attno.wrapping_sub(FirstLowInvalidHeapAttributeNumber), used);
            if (uses || whole_row) && (*att).attgenerated != 0 {
                copy_error::generated_in_filter((&raw const (*att).attname.data).cast());
            }
            attno = attno.wrapping_add(1);
        }
    }
}
