//! A running LazyScan: which window is open, how it was planned, and its rows.

use super::lazy_edges::{Edge, Edges};
use super::lazy_parts::{bound, in_context, int8, new_context};
use super::lazy_path::InWindow;
use super::lazy_plan::Facts;
use crate::hypertable::predicate::Op;
use crate::hypertable::window::{Window, Windows};
use pgrx::pg_sys;
use std::collections::HashMap;

/// Plans kept for the next rescan. Conditions that change with each outer row make other windows each time.
const PLANS: usize = 64;

/// What decides the plan of a window: its chunks, and the chunks of the whole scan.
type PlanKey = (Window, (usize, usize));

pub(super) struct Run {
    node: *mut pg_sys::CustomScanState,
    estate: *mut pg_sys::EState,
    facts: Facts,
    query: *mut pg_sys::Query,
    states: Vec<*mut pg_sys::ExprState>,
    columns: i32,
    /// who started the statement
    user: pg_sys::Oid,
    /// kept open, so that nobody in this session alters the table meanwhile; NULL after the end
    relation: pg_sys::Relation,
    edges: Option<Edges>,
    params: pg_sys::ParamListInfo,
    /// chunks and windows of this scan, once it is under way
    scan: Option<((usize, usize), Windows)>,
    open: *mut pg_sys::QueryDesc,
    plans: HashMap<PlanKey, *mut pg_sys::PlannedStmt>,
    /// rows that the outer query takes at most; with another number windows are planned anew
    limit: Option<i64>,
    /// holds the plans
    context: pg_sys::MemoryContext,
    pub(super) windows_read: i64,
    pub(super) windows_planned: i64,
    pub(super) chunks_read: i64,
}

impl Run {
    /// # Safety
    /// Called by BeginCustomScan with the executor's structures and the plan's own expressions.
    pub(super) unsafe fn new(
        node: *mut pg_sys::CustomScanState,
        estate: *mut pg_sys::EState,
        facts: Facts,
        query: *mut pg_sys::Query,
        exprs: &[*mut pg_sys::Expr],
        columns: i32,
        explain_only: bool,
    ) -> Run {
        // SAFETY: promised by the caller; the lock on the table was taken when the plan was made or taken up
        unsafe {
            let states = exprs
                .iter()
                .map(|e| pg_sys::ExecInitExpr(*e, &mut (*node).ss.ps))
                .collect();
            let relation = if explain_only {
                std::ptr::null_mut()
            } else {
                pg_sys::table_open(facts.relation.into(), pg_sys::NoLock as i32)
            };
            let params = pg_sys::makeParamList(facts.params as i32);
            for (i, expr) in exprs.iter().take(facts.params).enumerate() {
                let param = (*params).params.as_mut_ptr().add(i);
                let outer = expr.cast::<pg_sys::Param>();
                (*param).ptype = (*outer).paramtype;
                // a statement's own parameters stay; those of an outer row change with each rescan
                let fixed = (*outer).paramkind == pg_sys::ParamKind::PARAM_EXTERN;
                let flags = if fixed { pg_sys::PARAM_FLAG_CONST } else { 0 };
                (*param).pflags = flags as u16;
            }
            Run {
                node,
                estate,
                facts,
                query,
                states,
                columns,
                user: pg_sys::GetUserId(),
                relation,
                edges: None,
                params,
                scan: None,
                open: std::ptr::null_mut(),
                plans: HashMap::new(),
                limit: None,
                context: new_context((*estate).es_query_cxt),
                windows_read: 0,
                windows_planned: 0,
                chunks_read: 0,
            }
        }
    }

    /// The next row in `slot`, or an empty slot.
    ///
    /// # Safety
    /// Called while the node is executed; `slot` is its scan slot.
    pub(super) unsafe fn next(
        &mut self,
        slot: *mut pg_sys::TupleTableSlot,
    ) -> *mut pg_sys::TupleTableSlot {
        // SAFETY: promised by the caller
        unsafe {
            pg_sys::ExecClearTuple(slot);
            loop {
                if self.open.is_null() && !self.open_next() {
                    return slot;
                }
                let inner = (*self.open).estate;
                if !(*inner).es_per_tuple_exprcontext.is_null() {
                    let per_tuple = (*(*inner).es_per_tuple_exprcontext).ecxt_per_tuple_memory;
                    pg_sys::MemoryContextReset(per_tuple);
                }
                let row = in_context((*inner).es_query_cxt, || {
                    pg_sys::ExecProcNode((*self.open).planstate)
                });
                if row.is_null() || ((*row).tts_flags & pg_sys::TTS_FLAG_EMPTY as u16) != 0 {
                    self.close();
                    continue;
                }
                if i32::from((*row).tts_nvalid) < self.columns {
                    pg_sys::slot_getsomeattrs_int(row, self.columns);
                }
                let n = self.columns as usize;
                std::ptr::copy_nonoverlapping((*row).tts_values, (*slot).tts_values, n);
                std::ptr::copy_nonoverlapping((*row).tts_isnull, (*slot).tts_isnull, n);
                return pg_sys::ExecStoreVirtualTuple(slot);
            }
        }
    }

    /// Opens the next window; false when there is none.
    unsafe fn open_next(&mut self) -> bool {
        // SAFETY: called while the node is executed
        unsafe {
            if self.scan.is_none() {
                self.begin_scan();
            }
            let Some((all, windows)) = &mut self.scan else {
                return false;
            };
            let all = *all;
            let Some(window) = windows.next() else {
                return false;
            };
            let plan = match self.plans.get(&(window, all)) {
                Some(plan) => *plan,
                None => {
                    if self.plans.len() >= PLANS {
                        self.forget_plans();
                    }
                    let plan = self.plan(window, all);
                    self.plans.insert((window, all), plan);
                    self.windows_planned += 1;
                    plan
                }
            };
            self.windows_read += 1;
            self.chunks_read += (window.end - window.start) as i64;
            self.open = in_context((*self.estate).es_query_cxt, || {
                let desc = pg_sys::CreateQueryDesc(
                    plan,
                    (*self.estate).es_sourceText,
                    (*self.estate).es_snapshot,
                    std::ptr::null_mut(),
                    pg_sys::None_Receiver,
                    self.params,
                    (*self.estate).es_queryEnv,
                    0,
                );
                pg_sys::ExecutorStart(desc, 0);
                desc
            });
            true
        }
    }

    /// Evaluates parameters, limit and bounds, and finds the chunks that they leave.
    unsafe fn begin_scan(&mut self) {
        // SAFETY: called while the node is executed; the relation is open
        unsafe {
            for i in 0..self.facts.params {
                let param = (*self.params).params.as_mut_ptr().add(i);
                let value = self.evaluate(i);
                (*param).isnull = value.is_none();
                (*param).value = value.unwrap_or(pg_sys::Datum::null());
            }
            let limit = self.row_limit();
            if limit != self.limit {
                self.forget_plans();
                self.limit = limit;
            }
            if self.edges.is_none() {
                let desc = pg_sys::RelationGetPartitionDesc(self.relation, true);
                self.edges = Edges::of((*desc).boundinfo);
            }
            let first = self.states.len() - self.facts.bounds.len();
            let mut bounds = Vec::with_capacity(self.facts.bounds.len());
            let mut never = false;
            for (i, strategy) in self.facts.bounds.iter().enumerate() {
                match (Op::of_strategy(*strategy), self.evaluate(first + i)) {
                    (Some(op), Some(value)) => bounds.push((op, value)),
                    // no comparison with NULL is true
                    _ => never = true,
                }
            }
            // with a DEFAULT partition, attached since the plan was made: one window over everything
            let (start, end) = match &self.edges {
                _ if never => (0, 0),
                Some(edges) => edges.within(self.facts.type_oid.into(), &bounds),
                None => (0, 1),
            };
            let windows = Windows::new(start, end, self.facts.descending);
            self.scan = Some(((start, end), windows));
        }
    }

    /// Called while no window is open.
    fn forget_plans(&mut self) {
        self.plans.clear();
        // SAFETY: the context is this struct's own, and holds nothing but the plans
        unsafe { pg_sys::MemoryContextReset(self.context) }
    }

    /// Rows that the outer query can take, if that is known.
    unsafe fn row_limit(&self) -> Option<i64> {
        if !self.facts.has_limit {
            return None;
        }
        let place = self.facts.params;
        // SAFETY: called while the node is executed
        unsafe {
            let count = self.evaluate(place)?.value() as i64;
            let offset = if self.facts.has_offset {
                self.evaluate(place + 1).map_or(0, |d| d.value() as i64)
            } else {
                0
            };
            (count >= 0 && offset >= 0)
                .then(|| count.checked_add(offset))
                .flatten()
        }
    }

    unsafe fn evaluate(&self, i: usize) -> Option<pg_sys::Datum> {
        let mut null = false;
        // SAFETY: the expression was initialised for this node
        let value = unsafe {
            let context = (*self.node).ss.ps.ps_ExprContext;
            pg_sys::ExecEvalExprSwitchContext(self.states[i], context, &mut null)
        };
        (!null).then_some(value)
    }

    /// Plans the query over one window. Planning garbage goes at once.
    unsafe fn plan(&mut self, window: Window, all: (usize, usize)) -> *mut pg_sys::PlannedStmt {
        // SAFETY: called while the node is executed, under its snapshot
        unsafe {
            let garbage = new_context(self.context);
            let planned = in_context(garbage, || {
                let query = pg_sys::copyObjectImpl(self.query.cast()).cast::<pg_sys::Query>();
                super::compat_plan::set_user(query, self.user);
                let (lower, upper) = self.ends(window, all);
                let from = (*query).jointree;
                let mut quals = std::ptr::null_mut();
                if !(*from).quals.is_null() {
                    quals = pg_sys::lappend(quals, (*from).quals.cast());
                }
                for (op, edge) in [(Op::Ge, lower), (Op::Lt, upper)] {
                    if let Edge::At(value) = edge {
                        quals = pg_sys::lappend(quals, bound(&self.facts, op, value).cast());
                    }
                }
                if !quals.is_null() {
                    (*from).quals = pg_sys::make_ands_explicit(quals).cast();
                }
                if let Some(limit) = self.limit {
                    (*query).limitCount = int8(limit);
                    (*query).limitOption = pg_sys::LimitOption::LIMIT_OPTION_COUNT;
                }
                let _alone = InWindow::begin();
                let text = (*self.estate).es_sourceText;
                pg_sys::pg_plan_query(query, text, 0, self.params)
            });
            let kept = in_context(self.context, || {
                pg_sys::copyObjectImpl(planned.cast()).cast::<pg_sys::PlannedStmt>()
            });
            pg_sys::MemoryContextDelete(garbage);
            kept
        }
    }

    /// Keys of a window: from its first chunk to the next window's, so that gaps between chunks belong
    /// to one. The ends of the scan lie at chunks that its conditions exclude, or are open.
    fn ends(&self, window: Window, all: (usize, usize)) -> (Edge, Edge) {
        let Some(edges) = &self.edges else {
            return (Edge::Min, Edge::Max);
        };
        let lower = if window.start > all.0 {
            edges.lower(window.start)
        } else if all.0 > 0 {
            edges.upper(all.0 - 1)
        } else {
            Edge::Min
        };
        let upper = if window.end < edges.len() {
            edges.lower(window.end)
        } else {
            Edge::Max
        };
        (lower, upper)
    }

    unsafe fn close(&mut self) {
        let desc = std::mem::replace(&mut self.open, std::ptr::null_mut());
        if desc.is_null() {
            return;
        }
        // SAFETY: started by open_next, ended once
        unsafe {
            pg_sys::ExecutorFinish(desc);
            pg_sys::ExecutorEnd(desc);
            pg_sys::FreeQueryDesc(desc);
        }
    }

    /// Starts again; parameters may be others by then.
    ///
    /// # Safety
    /// Called while the node is executed.
    pub(super) unsafe fn restart(&mut self) {
        // SAFETY: promised by the caller
        unsafe { self.close() };
        self.scan = None;
    }

    /// # Safety
    /// Called by EndCustomScan.
    pub(super) unsafe fn finish(&mut self) {
        // SAFETY: the relation was opened by new and is closed once
        unsafe {
            self.close();
            if !self.relation.is_null() {
                pg_sys::table_close(self.relation, pg_sys::NoLock as i32);
                self.relation = std::ptr::null_mut();
            }
        }
    }

    pub(super) fn table_name(&self) -> String {
        super::catalog::relation_name(self.facts.relation.into()).unwrap_or_default()
    }

    /// The first sort key, as in ORDER BY.
    pub(super) fn order(&self) -> String {
        // SAFETY: a look-up that gives NULL or a NUL terminated string
        let name = unsafe {
            let name = pg_sys::get_attname(self.facts.relation.into(), self.facts.attnum, true);
            if name.is_null() {
                return String::new();
            }
            std::ffi::CStr::from_ptr(name)
                .to_string_lossy()
                .into_owned()
        };
        let name = super::catalog::quote_ident(&name);
        if self.facts.descending {
            format!("{name} DESC")
        } else {
            name
        }
    }
}
