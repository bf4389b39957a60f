//! The frame of a plan node of ours: its tables of callbacks, its path, plan and state, and the value that runs.

use super::cold_state::raise;
use super::list;
use crate::error::Result;
use pgrx::{PgMemoryContexts, pg_guard, pg_sys};
use std::ffi::CStr;
use std::marker::PhantomData;

/// What ExecCustomScan is: the node's own, so that a row costs the guards that its node needs and no other.
pub(super) type Exec =
    unsafe extern "C-unwind" fn(*mut pg_sys::CustomScanState) -> *mut pg_sys::TupleTableSlot;

/// What runs in a node. It is dropped with the query's memory, also after an ERROR, which skips the node's end.
///
/// Each function but `EXEC` is called inside a guard, by the planner or the executor with its own structures;
/// that is what makes them safe to call.
pub(super) trait Node: Sized + 'static {
    /// In EXPLAIN, and in plans that travel to workers.
    const NAME: &'static CStr;
    const EXEC: Exec;

    /// The node's tables: one static, since paths, plans and states are told by its address.
    fn methods() -> &'static Methods<Self>;

    /// Completes the plan node of a path; only of nodes that can be copied.
    unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan);

    /// `es_query_cxt` is current.
    unsafe fn begin_scan(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        flags: i32,
    ) -> Result<Self>;

    unsafe fn rescan(&mut self, node: *mut pg_sys::CustomScanState);

    unsafe fn end_scan(&mut self, node: *mut pg_sys::CustomScanState);

    unsafe fn explain(
        &mut self,
        node: *mut pg_sys::CustomScanState,
        ancestors: *mut pg_sys::List,
        es: *mut pg_sys::ExplainState,
    );
}

/// What PlanCustomPath is called with.
pub(super) struct Planning {
    pub(super) root: *mut pg_sys::PlannerInfo,
    pub(super) rel: *mut pg_sys::RelOptInfo,
    pub(super) path: *mut pg_sys::CustomPath,
    pub(super) tlist: *mut pg_sys::List,
    pub(super) clauses: *mut pg_sys::List,
    /// plans of the path's children
    pub(super) plans: *mut pg_sys::List,
}

/// The tables that PostgreSQL calls a node by.
pub(super) struct Methods<N> {
    path: pg_sys::CustomPathMethods,
    scan: pg_sys::CustomScanMethods,
    exec: pg_sys::CustomExecMethods,
    node: PhantomData<fn() -> N>,
}

// SAFETY: constants: names and function pointers
unsafe impl<N> Sync for Methods<N> {}

impl<N: Node> Methods<N> {
    pub(super) const fn new() -> Self {
        Methods {
            path: pg_sys::CustomPathMethods {
                CustomName: N::NAME.as_ptr(),
                PlanCustomPath: Some(plan::<N>),
                // what a path keeps for its plan are numbers, or expressions above all joins
                ReparameterizeCustomPathByChild: None,
            },
            scan: pg_sys::CustomScanMethods {
                CustomName: N::NAME.as_ptr(),
                CreateCustomScanState: Some(create_state::<N>),
            },
            exec: pg_sys::CustomExecMethods {
                BeginCustomScan: Some(begin::<N>),
                ExecCustomScan: Some(N::EXEC),
                EndCustomScan: Some(end::<N>),
                ReScanCustomScan: Some(rescan::<N>),
                ExplainCustomScan: Some(explain::<N>),
                ..no_callbacks(N::NAME)
            },
            node: PhantomData,
        }
    }

    /// Makes the node known, so that plans can be read back and sent to parallel workers.
    pub(super) fn register(&'static self) {
        // SAFETY: registers a static once per process
        unsafe { pg_sys::RegisterCustomScanMethods(&self.scan) }
    }

    /// A path of the node with the relation's own columns, without rows, costs, order and parameters.
    ///
    /// # Safety
    /// `rel` must be a relation of the planner.
    pub(super) unsafe fn new_path(
        &'static self,
        rel: *mut pg_sys::RelOptInfo,
    ) -> *mut pg_sys::CustomPath {
        // SAFETY: promised by the caller; a fresh node
        unsafe {
            let size = size_of::<pg_sys::CustomPath>();
            let path = pg_sys::palloc0(size).cast::<pg_sys::CustomPath>();
            (*path).path.type_ = pg_sys::NodeTag::T_CustomPath;
            (*path).path.pathtype = pg_sys::NodeTag::T_CustomScan;
            (*path).path.parent = rel;
            (*path).path.pathtarget = (*rel).reltarget;
            (*path).methods = &self.path;
            path
        }
    }

    /// True for a path of this node.
    ///
    /// # Safety
    /// `path` must be a path of the planner.
    pub(super) unsafe fn is_path(&'static self, path: *const pg_sys::Path) -> bool {
        // SAFETY: promised by the caller; the tag is checked before the cast
        unsafe {
            (*path).type_ == pg_sys::NodeTag::T_CustomPath
                && std::ptr::eq((*path.cast::<pg_sys::CustomPath>()).methods, &self.path)
        }
    }

    /// True for a plan of this node.
    ///
    /// # Safety
    /// `plan` must be a plan node.
    pub(super) unsafe fn is_plan(&'static self, plan: *const pg_sys::Plan) -> bool {
        // SAFETY: promised by the caller; the tag is checked before the cast
        unsafe {
            (*plan).type_ == pg_sys::NodeTag::T_CustomScan
                && std::ptr::eq((*plan.cast::<pg_sys::CustomScan>()).methods, &self.scan)
        }
    }

    /// What runs in a state of this node, if it is one.
    ///
    /// # Safety
    /// `state` must be a node of the executor, initialised.
    pub(super) unsafe fn run_of(&'static self, state: *mut pg_sys::PlanState) -> Option<*mut N> {
        // SAFETY: promised by the caller; the tag and the methods are checked before the casts
        unsafe {
            let ours = (*state).type_ == pg_sys::NodeTag::T_CustomScanState
                && std::ptr::eq(
                    (*state.cast::<pg_sys::CustomScanState>()).methods,
                    &self.exec,
                );
            ours.then(|| (*state.cast::<State<N>>()).run)
        }
    }
}

/// The table of a node that does nothing.
pub(super) const fn no_callbacks(name: &'static CStr) -> pg_sys::CustomExecMethods {
    pg_sys::CustomExecMethods {
        CustomName: name.as_ptr(),
        BeginCustomScan: None,
        ExecCustomScan: None,
        EndCustomScan: None,
        ReScanCustomScan: None,
        MarkPosCustomScan: None,
        RestrPosCustomScan: None,
        EstimateDSMCustomScan: None,
        InitializeDSMCustomScan: None,
        ReInitializeDSMCustomScan: None,
        InitializeWorkerCustomScan: None,
        ShutdownCustomScan: None,
        ExplainCustomScan: None,
    }
}

/// PostgreSQL's struct first.
#[repr(C)]
struct State<N> {
    css: pg_sys::CustomScanState,
    /// owned by the query's memory context
    run: *mut N,
}

/// What runs in a node.
///
/// # Safety
/// `node` must be an initialised state of this node; nobody else may use what runs in it meanwhile.
#[inline]
pub(super) unsafe fn run<'a, N: Node>(node: *mut pg_sys::CustomScanState) -> &'a mut N {
    // SAFETY: promised by the caller
    unsafe { &mut *(*node.cast::<State<N>>()).run }
}

#[pg_guard]
unsafe extern "C-unwind" fn plan<N: Node>(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    path: *mut pg_sys::CustomPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    plans: *mut pg_sys::List,
) -> *mut pg_sys::Plan {
    // SAFETY: the planner's own structures; the node is fresh
    unsafe {
        let size = size_of::<pg_sys::CustomScan>();
        let scan = pg_sys::palloc0(size).cast::<pg_sys::CustomScan>();
        (*scan).scan.plan.type_ = pg_sys::NodeTag::T_CustomScan;
        (*scan).scan.plan.targetlist = tlist;
        (*scan).flags = (*path).flags;
        (*scan).methods = &N::methods().scan;
        let planning = Planning {
            root,
            rel,
            path,
            tlist,
            clauses,
            plans,
        };
        N::plan(&planning, scan);
        scan.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn create_state<N: Node>(
    _scan: *mut pg_sys::CustomScan,
) -> *mut pg_sys::Node {
    // SAFETY: a fresh node of the size of our struct, which begins with PostgreSQL's
    unsafe {
        let state = pg_sys::palloc0(size_of::<State<N>>()).cast::<State<N>>();
        (*state).css.ss.ps.type_ = pg_sys::NodeTag::T_CustomScanState;
        (*state).css.methods = &N::methods().exec;
        state.cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn begin<N: Node>(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    flags: i32,
) {
    // SAFETY: the executor's own structures; es_query_cxt is current
    unsafe {
        let run = N::begin_scan(node, estate, flags).unwrap_or_else(|e| raise(e));
        let mut memory = PgMemoryContexts::For((*estate).es_query_cxt);
        (*node.cast::<State<N>>()).run = memory.leak_and_drop_on_delete(run);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn rescan<N: Node>(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe {
        run::<N>(node).rescan(node);
        pg_sys::ExecScanReScan(&mut (*node).ss);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn end<N: Node>(node: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe { run::<N>(node).end_scan(node) }
}

#[pg_guard]
unsafe extern "C-unwind" fn explain<N: Node>(
    node: *mut pg_sys::CustomScanState,
    ancestors: *mut pg_sys::List,
    es: *mut pg_sys::ExplainState,
) {
    // SAFETY: the executor's own node, which begins our struct
    unsafe { run::<N>(node).explain(node, ancestors, es) }
}

/// Initialises the plans below a node.
///
/// # Safety
/// As for [`Node::begin_scan`].
pub(super) unsafe fn init_children(
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    flags: i32,
) {
    // SAFETY: promised by the caller
    unsafe {
        let scan = (*node).ss.ps.plan.cast::<pg_sys::CustomScan>();
        for below in list::pointers::<pg_sys::Plan>((*scan).custom_plans) {
            let state = pg_sys::ExecInitNode(below, estate, flags);
            (*node).custom_ps = pg_sys::lappend((*node).custom_ps, state.cast());
        }
    }
}

/// The only node below; NULL: none.
///
/// # Safety
/// `node` must be a state of ours.
pub(super) unsafe fn child(node: *mut pg_sys::CustomScanState) -> *mut pg_sys::PlanState {
    // SAFETY: promised by the caller
    let mut children = unsafe { list::pointers((*node).custom_ps) };
    children.next().unwrap_or(std::ptr::null_mut())
}

/// Begins the node below anew. True: its parameters have changed, and its first row begins it.
///
/// # Safety
/// `node` must be a state of ours with a node below.
pub(super) unsafe fn rescan_child(node: *mut pg_sys::CustomScanState) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        let child = child(node);
        if !(*node).ss.ps.chgParam.is_null() {
            pg_sys::UpdateChangedParamSet(child, (*node).ss.ps.chgParam);
        }
        let changed = !(*child).chgParam.is_null();
        if !changed {
            pg_sys::ExecReScan(child);
        }
        changed
    }
}
