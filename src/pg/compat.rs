//! Differences between PostgreSQL 15, 16, 17 and 18: the only file with `cfg(feature = "pgNN")`.

use pgrx::pg_sys;

/// # Safety
/// Must run inside a transaction.
pub unsafe fn relation_ownercheck(relation: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::pg_class_ownercheck(relation, role)
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::object_ownercheck(pg_sys::RelationRelationId, relation, role)
    }
}

/// The record of a string setting of the server; NULL if there is none of this name.
///
/// # Safety
/// Must be called in the main thread.
pub unsafe fn string_setting(name: &core::ffi::CStr) -> *mut pg_sys::config_string {
    #[cfg(feature = "pg15")]
    // SAFETY: the server's own array of settings
    let found = unsafe {
        let all = pg_sys::get_guc_variables();
        (0..pg_sys::GetNumConfigOptions() as usize)
            .map(|i| *all.add(i))
            .find(|known| core::ffi::CStr::from_ptr((**known).name) == name)
            .unwrap_or(core::ptr::null_mut())
    };
    #[cfg(not(feature = "pg15"))]
    // SAFETY: a NUL terminated name; an unknown one gives NULL
    let found = unsafe { pg_sys::find_option(name.as_ptr(), false, true, 0) };
    // SAFETY: NULL or a record of the server
    unsafe {
        if found.is_null() || (*found).vartype != pg_sys::config_type::PGC_STRING {
            return core::ptr::null_mut();
        }
    }
    found.cast()
}

/// Last argument of the access method callback tuple_update.
#[cfg(feature = "pg15")]
pub type UpdateIndexes = bool;
/// Last argument of the access method callback tuple_update.
#[cfg(not(feature = "pg15"))]
pub type UpdateIndexes = pg_sys::TU_UpdateIndexes::Type;

#[cfg(feature = "pg15")]
type FileNode = pg_sys::RelFileNode;
#[cfg(not(feature = "pg15"))]
type FileNode = pg_sys::RelFileLocator;

#[allow(ffi_unwind_calls, reason = "called inside pg_guard_ffi_boundary")]
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn set_new_filenode(
    rel: pg_sys::Relation,
    node: *const FileNode,
    persistence: core::ffi::c_char,
    freeze_xid: *mut pg_sys::TransactionId,
    min_multi: *mut pg_sys::MultiXactId,
) {
    super::cold_am_ddl::before_new_filenode(rel);
    // SAFETY: heap's routine is a constant; the arguments are the server's
    unsafe {
        #[cfg(feature = "pg15")]
        let f = (*pg_sys::GetHeapamTableAmRoutine()).relation_set_new_filenode;
        #[cfg(not(feature = "pg15"))]
        let f = (*pg_sys::GetHeapamTableAmRoutine()).relation_set_new_filelocator;
        if let Some(f) = f {
            pg_sys::ffi::pg_guard_ffi_boundary(|| f(rel, node, persistence, freeze_xid, min_multi));
        }
    }
}

/// Puts our callback for a new, empty file (TRUNCATE, rewrites) into the routine.
pub fn set_new_filenode_callback(am: &mut pg_sys::TableAmRoutine) {
    #[cfg(feature = "pg15")]
    {
        am.relation_set_new_filenode = Some(set_new_filenode);
    }
    #[cfg(not(feature = "pg15"))]
    {
        am.relation_set_new_filelocator = Some(set_new_filenode);
    }
}

#[cfg(any(feature = "pg15", feature = "pg16"))]
#[allow(ffi_unwind_calls, reason = "called inside pg_guard_ffi_boundary")]
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn analyze_next_block(
    scan: pg_sys::TableScanDesc,
    block: pg_sys::BlockNumber,
    strategy: pg_sys::BufferAccessStrategy,
) -> bool {
    if super::cold_am_ddl::analyze_skips(scan) {
        return false;
    }
    // SAFETY: heap's routine is a constant; the arguments are the server's
    unsafe {
        match (*pg_sys::GetHeapamTableAmRoutine()).scan_analyze_next_block {
            Some(f) => pg_sys::ffi::pg_guard_ffi_boundary(|| f(scan, block, strategy)),
            None => false,
        }
    }
}

#[cfg(any(feature = "pg17", feature = "pg18"))]
#[allow(ffi_unwind_calls, reason = "called inside pg_guard_ffi_boundary")]
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn analyze_next_block(
    scan: pg_sys::TableScanDesc,
    stream: *mut pg_sys::ReadStream,
) -> bool {
    if super::cold_am_ddl::analyze_skips(scan) {
        return false;
    }
    // SAFETY: heap's routine is a constant; the arguments are the server's
    unsafe {
        match (*pg_sys::GetHeapamTableAmRoutine()).scan_analyze_next_block {
            Some(f) => pg_sys::ffi::pg_guard_ffi_boundary(|| f(scan, stream)),
            None => false,
        }
    }
}

/// Puts our ANALYZE callback into the routine.
pub fn set_analyze_callbacks(am: &mut pg_sys::TableAmRoutine) {
    am.scan_analyze_next_block = Some(analyze_next_block);
}

/// True in a worker that applies a logical replication stream.
pub fn is_logical_worker() -> bool {
    // SAFETY: asks for a flag of this process
    unsafe { pg_sys::IsLogicalWorker() }
}

/// Gives the relation a new, empty main file inside this transaction.
///
/// # Safety
/// The relation must be open and locked AccessExclusive.
pub unsafe fn new_empty_file(rel: pg_sys::Relation) {
    // SAFETY: promised by the caller
    unsafe {
        let persistence = (*(*rel).rd_rel).relpersistence;
        #[cfg(feature = "pg15")]
        pg_sys::RelationSetNewRelfilenode(rel, persistence);
        #[cfg(not(feature = "pg15"))]
        pg_sys::RelationSetNewRelfilenumber(rel, persistence);
    }
}

/// Rebuilds all indexes of a relation and of its TOAST table.
pub fn reindex(relation: pg_sys::Oid) {
    let mut params = pg_sys::ReindexParams::default();
    let flags = pg_sys::REINDEX_REL_PROCESS_TOAST as i32;
    // SAFETY: the caller holds AccessExclusiveLock; the params live on this stack
    unsafe {
        #[cfg(any(feature = "pg15", feature = "pg16"))]
        pg_sys::reindex_relation(relation, flags, &mut params);
        #[cfg(any(feature = "pg17", feature = "pg18"))]
        pg_sys::reindex_relation(std::ptr::null(), relation, flags, &mut params);
    }
}

/// Descriptor of one column (0-based).
///
/// # Safety
/// `desc` must be valid and have more than `i` attributes.
pub unsafe fn attribute(desc: pg_sys::TupleDesc, i: usize) -> *mut pg_sys::FormData_pg_attribute {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        (*desc).attrs.as_mut_ptr().add(i)
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::TupleDescAttr(desc, i as i32)
    }
}

/// True when a sort key is descending.
///
/// # Safety
/// `key` must be a valid path key.
pub unsafe fn is_descending(key: *const pg_sys::PathKey) -> bool {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        (*key).pk_strategy == pg_sys::BTGreaterStrategyNumber as i32
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller
    unsafe {
        (*key).pk_cmptype == pg_sys::CompareType::COMPARE_GT
    }
}

/// The expressions of an equivalence class that belong to this relation alone, partitions included.
///
/// # Safety
/// Both must be structs of the planner.
pub unsafe fn class_members(
    class: *const pg_sys::EquivalenceClass,
    rel: *const pg_sys::RelOptInfo,
) -> Vec<*mut pg_sys::EquivalenceMember> {
    use super::list::pointers;
    // SAFETY: promised by the caller; before 18 the members of partitions are in the common list, since
    // then in one list per partition, by its range table index
    unsafe {
        let all = pointers::<pg_sys::EquivalenceMember>((*class).ec_members);
        #[cfg(feature = "pg18")]
        let all = {
            let index = (*rel).relid as usize;
            let has = index < (*class).ec_childmembers_size as usize;
            let lists = (*class).ec_childmembers;
            let own = if has {
                *lists.add(index)
            } else {
                std::ptr::null_mut()
            };
            all.chain(pointers::<pg_sys::EquivalenceMember>(own))
        };
        // each partition goes through the members of all: a call of the server for each would be felt
        let own = super::list::words((*rel).relids);
        all.filter(|member| super::list::same_sets(super::list::words((**member).em_relids), own))
            .collect()
    }
}

/// # Safety
/// `handler` must be fit to run as a signal handler, in the main thread.
pub unsafe fn pqsignal(signal: i32, handler: pg_sys::pqsigfunc) {
    #[cfg(not(feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::pqsignal(signal, handler);
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::pqsignal_be(signal, handler);
    }
}

/// Number of a relation's main file.
pub(super) fn file_number(rel: pg_sys::Relation) -> u32 {
    // SAFETY: callers pass an open relation
    unsafe {
        #[cfg(feature = "pg15")]
        {
            (*rel).rd_node.relNode.to_u32()
        }
        #[cfg(not(feature = "pg15"))]
        {
            (*rel).rd_locator.relNumber.to_u32()
        }
    }
}

/// Strategy number of an operator in a btree family, 6 for the negator of equality.
///
/// # Safety
/// Must run inside a transaction.
pub unsafe fn btree_strategy(operator: pg_sys::Oid, family: pg_sys::Oid) -> Option<i32> {
    use super::list::pointers;
    #[cfg(not(feature = "pg18"))]
    // SAFETY: the result is a list of palloc'd structs
    unsafe {
        pointers::<pg_sys::OpBtreeInterpretation>(pg_sys::get_op_btree_interpretation(operator))
            .find(|i| (**i).opfamily_id == family)
            .map(|i| (*i).strategy)
    }
    #[cfg(feature = "pg18")]
    // SAFETY: as above; the comparison types have the numbers of the btree strategies
    unsafe {
        pointers::<pg_sys::OpIndexInterpretation>(pg_sys::get_op_index_interpretation(operator))
            .find(|i| (**i).opfamily_id == family)
            .map(|i| (*i).cmptype as i32)
    }
}

/// True when this process holds exactly this lock.
///
/// # Safety
/// `tag` must be a valid lock tag.
pub unsafe fn lock_held(tag: &pg_sys::LOCKTAG, mode: pg_sys::LOCKMODE) -> bool {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::LockHeldByMe(tag, mode)
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::LockHeldByMe(tag, mode, false)
    }
}

/// Runs a portal to its end as a statement of the top level.
///
/// # Safety
/// The portal must have been started; `dest` must be a receiver.
pub unsafe fn run_top_level_portal(portal: pg_sys::Portal, dest: *mut pg_sys::DestReceiver) {
    let all = std::ffi::c_long::MAX;
    let none = std::ptr::null_mut();
    #[cfg(not(feature = "pg18"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::PortalRun(portal, all, true, true, dest, dest, none);
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::PortalRun(portal, all, true, dest, dest, none);
    }
}

/// Flags for a worker that connects as a role which may not log in; `None` where that is impossible.
pub fn nologin_flags() -> Option<u32> {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    {
        None
    }
    #[cfg(any(feature = "pg17", feature = "pg18"))]
    {
        Some(pg_sys::BGWORKER_BYPASS_ROLELOGINCHECK)
    }
}

/// The privilege on a role that lets its members become it, for pg_has_role().
pub fn become_privilege() -> &'static str {
    if cfg!(feature = "pg15") {
        "MEMBER"
    } else {
        "SET"
    }
}

/// PARTITION BY RANGE (column).
pub fn range_partition(column: &str) -> *mut pg_sys::PartitionSpec {
    use pgrx::PgBox;
    let name = |text: &str| {
        let text = std::ffi::CString::new(text).unwrap_or_default();
        // SAFETY: copies a NUL terminated string into the current memory context
        unsafe { pg_sys::pstrdup(text.as_ptr()) }
    };
    // SAFETY: both nodes are allocated zeroed, with their tags, and belong to the statement from here on
    unsafe {
        let mut key = PgBox::<pg_sys::PartitionElem>::alloc_node(pg_sys::NodeTag::T_PartitionElem);
        key.name = name(column);
        key.location = -1;
        let mut spec = PgBox::<pg_sys::PartitionSpec>::alloc_node(pg_sys::NodeTag::T_PartitionSpec);
        #[cfg(feature = "pg15")]
        {
            spec.strategy = name("range");
        }
        #[cfg(not(feature = "pg15"))]
        {
            spec.strategy = pg_sys::PartitionStrategy::PARTITION_STRATEGY_RANGE;
        }
        spec.partParams = pg_sys::lappend(std::ptr::null_mut(), key.into_pg().cast());
        spec.location = -1;
        spec.into_pg()
    }
}

/// An item of the select list that GROUP BY names, as an expression: PostgreSQL 18 keeps such expressions
/// apart and refers to them by a Var.
///
/// # Safety
/// The query must be the planner's own, `node` an expression of its select list.
pub unsafe fn group_expression(
    #[cfg_attr(not(feature = "pg18"), allow(unused_variables))] parse: *mut pg_sys::Query,
    node: *mut pg_sys::Node,
) -> *mut pg_sys::Node {
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        if (*parse).hasGroupRTE && (*node).type_ == pg_sys::NodeTag::T_Var {
            let var = node.cast::<pg_sys::Var>();
            let mut tables = super::list::pointers::<pg_sys::RangeTblEntry>((*parse).rtable);
            if let Some(rte) = tables.nth((*var).varno as usize - 1)
                && (*rte).rtekind == pg_sys::RTEKind::RTE_GROUP
                && (*var).varlevelsup == 0
            {
                let mut exprs = super::list::pointers::<pg_sys::Node>((*rte).groupexprs);
                return exprs.nth((*var).varattno as usize - 1).unwrap_or(node);
            }
        }
    }
    node
}
