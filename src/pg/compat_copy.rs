//! Differences between PostgreSQL 15, 16, 17 and 18 in what COPY uses. Called without guards, see
//! [`super::copy_raw`].
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::copy_raw as raw;
use pgrx::pg_sys::*;
use std::ffi::{c_char, c_int, c_void};

/// CopyFromStateData of copyfrom_internal.h, as far as we read it. The bindings do not know it.
#[repr(C)]
pub(super) struct CopyState {
    #[cfg(feature = "pg18")]
    routine: *const c_void,
    copy_src: c_int,
    copy_file: *mut c_void,
    fe_msgbuf: *mut c_void,
    eol_type: c_int,
    file_encoding: c_int,
    need_transcoding: bool,
    conversion_proc: Oid,
    pub(super) rel: Relation,
    attnumlist: *mut List,
    filename: *mut c_char,
    is_program: bool,
    data_source_cb: copy_data_source_cb,
    pub(super) opts: CopyFormatOptions,
    convert_select_flags: *mut bool,
    pub(super) filter: *mut List,
    pub(super) cur_relname: *const c_char,
    pub(super) cur_lineno: u64,
    cur_attname: *const c_char,
    cur_attval: *const c_char,
    #[cfg(not(feature = "pg15"))]
    relname_only: bool,
    copycontext: MemoryContext,
    num_defaults: AttrNumber,
    in_functions: *mut FmgrInfo,
    typioparams: *mut Oid,
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    escontext: *mut ErrorSaveContext,
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    num_errors: u64,
    defmap: *mut c_int,
    defexprs: *mut *mut ExprState,
    #[cfg(not(feature = "pg15"))]
    defaults: *mut bool,
    pub(super) volatile_defexprs: bool,
    pub(super) range_table: *mut List,
    #[cfg(not(feature = "pg15"))]
    rteperminfos: *mut List,
    pub(super) qualexpr: *mut ExprState,
    transition_capture: *mut TransitionCaptureState,
    attribute_buf: StringInfoData,
    max_fields: c_int,
    raw_fields: *mut *mut c_char,
    pub(super) line_buf: StringInfoData,
    pub(super) line_buf_valid: bool,
}

/// Marks the columns as inserted and checks the rights on them.
pub(super) unsafe fn check_insert(
    pstate: *mut ParseState,
    item: *mut ParseNamespaceItem,
    columns: *mut List,
) {
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller: an integer list, and the item of the only relation
    unsafe {
        let rte = (*item).p_rte;
        (*rte).requiredPerms = ACL_INSERT as AclMode;
        (*rte).insertedCols = with_columns((*rte).insertedCols, columns);
        permissions::ExecCheckRTPerms((*pstate).p_rtable, true);
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: as above
    unsafe {
        let perm = (*item).p_perminfo;
        (*perm).requiredPerms = ACL_INSERT as AclMode;
        (*perm).insertedCols = with_columns((*perm).insertedCols, columns);
        permissions::ExecCheckPermissions((*pstate).p_rtable, (*pstate).p_rteperminfos, true);
    }
}

unsafe fn with_columns(mut set: *mut Bitmapset, columns: *mut List) -> *mut Bitmapset {
    // SAFETY: an integer list
    unsafe {
        if columns.is_null() {
            return set;
        }
        let mut i = 0;
        while i < (*columns).length as usize {
            let attno = (*(*columns).elements.add(i)).int_value;
            set = raw::bms_add_member(set, attno.wrapping_sub(FirstLowInvalidHeapAttributeNumber));
            i = i.wrapping_add(1);
        }
        set
    }
}

#[allow(
    clashing_extern_declarations,
    reason = "the bindings know the same functions"
)]
mod permissions {
    use pgrx::pg_sys::*;

    unsafe extern "C-unwind" {
        #[cfg(feature = "pg15")]
        pub fn ExecCheckRTPerms(range_table: *mut List, raise: bool) -> bool;
        #[cfg(not(feature = "pg15"))]
        pub fn ExecCheckPermissions(range_table: *mut List, infos: *mut List, raise: bool) -> bool;

        #[cfg(feature = "pg15")]
        pub fn ExecInitRangeTable(estate: *mut EState, range_table: *mut List);
        #[cfg(any(feature = "pg16", feature = "pg17"))]
        pub fn ExecInitRangeTable(estate: *mut EState, range_table: *mut List, infos: *mut List);
        #[cfg(feature = "pg18")]
        pub fn ExecInitRangeTable(
            estate: *mut EState,
            range_table: *mut List,
            infos: *mut List,
            unpruned: *mut Bitmapset,
        );
        #[cfg(feature = "pg18")]
        pub fn bms_make_singleton(member: i32) -> *mut Bitmapset;

        #[cfg(any(feature = "pg15", feature = "pg16"))]
        pub fn CheckValidResultRel(info: *mut ResultRelInfo, operation: CmdType::Type);
        #[cfg(feature = "pg17")]
        pub fn CheckValidResultRel(
            info: *mut ResultRelInfo,
            operation: CmdType::Type,
            merge_actions: *mut List,
        );
        #[cfg(feature = "pg18")]
        pub fn CheckValidResultRel(
            info: *mut ResultRelInfo,
            operation: CmdType::Type,
            on_conflict: OnConflictAction::Type,
            merge_actions: *mut List,
        );

        #[cfg(feature = "pg15")]
        pub fn ExecInsertIndexTuples(
            info: *mut ResultRelInfo,
            slot: *mut TupleTableSlot,
            estate: *mut EState,
            update: bool,
            no_duplicate_error: bool,
            conflict: *mut bool,
            arbiters: *mut List,
        ) -> *mut List;
        #[cfg(not(feature = "pg15"))]
        pub fn ExecInsertIndexTuples(
            info: *mut ResultRelInfo,
            slot: *mut TupleTableSlot,
            estate: *mut EState,
            update: bool,
            no_duplicate_error: bool,
            conflict: *mut bool,
            arbiters: *mut List,
            only_summarizing: bool,
        ) -> *mut List;
        #[cfg(not(feature = "pg15"))]
        pub fn ExecGetRootToChildMap(
            info: *mut ResultRelInfo,
            estate: *mut EState,
        ) -> *mut TupleConversionMap;
    }
}

/// ExecInitRangeTable with what COPY's parse state holds.
pub(super) unsafe fn init_range_table(estate: *mut EState, cstate: *const CopyState) {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(feature = "pg15")]
        permissions::ExecInitRangeTable(estate, (*cstate).range_table);
        #[cfg(any(feature = "pg16", feature = "pg17"))]
        permissions::ExecInitRangeTable(estate, (*cstate).range_table, (*cstate).rteperminfos);
        #[cfg(feature = "pg18")]
        permissions::ExecInitRangeTable(
            estate,
            (*cstate).range_table,
            (*cstate).rteperminfos,
            permissions::bms_make_singleton(1),
        );
    }
}

pub(super) unsafe fn check_valid_target(info: *mut ResultRelInfo) {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        permissions::CheckValidResultRel(info, CmdType::CMD_INSERT);
        #[cfg(feature = "pg17")]
        permissions::CheckValidResultRel(info, CmdType::CMD_INSERT, std::ptr::null_mut());
        #[cfg(feature = "pg18")]
        permissions::CheckValidResultRel(
            info,
            CmdType::CMD_INSERT,
            OnConflictAction::ONCONFLICT_NONE,
            std::ptr::null_mut(),
        );
    }
}

const NO_CONFLICT: *mut bool = std::ptr::null_mut();
const NO_ARBITERS: *mut List = std::ptr::null_mut();

/// Index entries for a row that was inserted; the list of deferred checks.
pub(super) unsafe fn insert_index_tuples(
    info: *mut ResultRelInfo,
    slot: *mut TupleTableSlot,
    estate: *mut EState,
) -> *mut List {
    // SAFETY: promised by the caller
    unsafe {
        #[cfg(feature = "pg15")]
        {
            permissions::ExecInsertIndexTuples(
                info,
                slot,
                estate,
                false,
                false,
                NO_CONFLICT,
                NO_ARBITERS,
            )
        }
        #[cfg(not(feature = "pg15"))]
        {
            permissions::ExecInsertIndexTuples(
                info,
                slot,
                estate,
                false,
                false,
                NO_CONFLICT,
                NO_ARBITERS,
                false,
            )
        }
    }
}

/// How a row of the root becomes a row of the leaf; NULL when they are laid out alike.
pub(super) unsafe fn root_to_child(
    info: *mut ResultRelInfo,
    estate: *mut EState,
) -> *mut TupleConversionMap {
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller
    unsafe {
        let _ = estate;
        (*info).ri_RootToPartitionMap
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: as above
    unsafe {
        permissions::ExecGetRootToChildMap(info, estate)
    }
}

/// After a row was read: true when ON_ERROR skips it. Raises when REJECT_LIMIT is passed.
#[inline(always)]
pub(super) unsafe fn skipped(cstate: *mut CopyState) -> bool {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    {
        let _ = cstate;
        false
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: BeginCopyFrom makes the error context for every ON_ERROR but stop
    unsafe {
        if (*cstate).opts.on_error == CopyOnErrorChoice::COPY_ON_ERROR_STOP
            || !(*(*cstate).escontext).error_occurred
        {
            return false;
        }
        (*(*cstate).escontext).error_occurred = false;
        raw::pgstat_progress_update_param(
            PROGRESS_COPY_TUPLES_SKIPPED as c_int,
            (*cstate).num_errors as i64,
        );
        #[cfg(feature = "pg18")]
        if (*cstate).opts.reject_limit > 0
            && (*cstate).num_errors > (*cstate).opts.reject_limit as u64
        {
            super::copy_error::too_many_skipped((*cstate).opts.reject_limit);
        }
        true
    }
}

/// Makes the WHERE clause ready to run.
pub(super) unsafe fn prepare_filter(cstate: *mut CopyState, parent: *mut PlanState) {
    // SAFETY: promised by the caller
    unsafe {
        if !(*cstate).filter.is_null() {
            (*cstate).qualexpr = raw::ExecInitQual((*cstate).filter, parent);
        }
    }
}

/// How many rows ON_ERROR skipped, if the client is to be told.
pub(super) unsafe fn skipped_to_tell(cstate: *const CopyState) -> u64 {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    {
        let _ = cstate;
        0
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        let quiet = (*cstate).opts.on_error == CopyOnErrorChoice::COPY_ON_ERROR_STOP
            || (*cstate).opts.log_verbosity < CopyLogVerbosityChoice::COPY_LOG_VERBOSITY_DEFAULT;
        if quiet { 0 } else { (*cstate).num_errors }
    }
}

/// True when a CHECK constraint is enforced (not so only from 18 on).
pub(super) unsafe fn enforced(check: *const ConstrCheck) -> bool {
    #[cfg(not(feature = "pg18"))]
    {
        let _ = check;
        true
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller
    unsafe {
        (*check).ccenforced
    }
}

/// True when the struct above is this server's.
pub(super) unsafe fn layout_is_known(
    cstate: *const CopyState,
    rel: Relation,
    pstate: *const ParseState,
) -> bool {
    // SAFETY: the struct is longer than what is compared
    unsafe {
        (*cstate).rel == rel
            && (*cstate).cur_relname == (&raw const (*(*rel).rd_rel).relname.data).cast()
            && (*cstate).range_table == (*pstate).p_rtable
            && (*cstate).cur_lineno <= 1
    }
}

/// Offsets of rel, cur_lineno, volatile_defexprs, qualexpr and line_buf_valid, as a C compiler sees
/// copyfrom_internal.h on a 64-bit machine.
const OFFSETS: [usize; 5] = {
    #[cfg(feature = "pg15")]
    {
        [40, 240, 312, 328, 408]
    }
    #[cfg(feature = "pg16")]
    {
        [40, 256, 344, 368, 448]
    }
    #[cfg(feature = "pg17")]
    {
        [40, 280, 384, 408, 488]
    }
    #[cfg(feature = "pg18")]
    {
        [48, 296, 400, 424, 504]
    }
};
const _: () = {
    assert!(std::mem::offset_of!(CopyState, rel) == OFFSETS[0]);
    assert!(std::mem::offset_of!(CopyState, cur_lineno) == OFFSETS[1]);
    assert!(std::mem::offset_of!(CopyState, volatile_defexprs) == OFFSETS[2]);
    assert!(std::mem::offset_of!(CopyState, qualexpr) == OFFSETS[3]);
    assert!(std::mem::offset_of!(CopyState, line_buf_valid) == OFFSETS[4]);
};
