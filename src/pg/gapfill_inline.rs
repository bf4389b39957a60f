//! SQL functions that gap-fill. The planner puts the body of a set-returning SQL function in the place of
//! its call, after the planner hook: conditions of the caller would move into a body that nobody prepared.
//! Those that gap-fill are put in here instead, by the same function of the server.

use super::list;
use pgrx::pg_sys;

/// SQLlanguageId (pg_language.dat)
const SQL_LANGUAGE: u32 = 14;

/// What the planner knows from outside, and what the finished plan must know of what was put in here.
pub struct Outer {
    pub params: pg_sys::ParamListInfo,
    pub functions: *mut pg_sys::List,
    pub depends_on_role: bool,
}

impl Outer {
    pub fn new(params: pg_sys::ParamListInfo) -> Outer {
        Outer {
            params,
            functions: std::ptr::null_mut(),
            depends_on_role: false,
        }
    }

    /// A planner at work on `query`, as far as simplifying expressions asks for one.
    ///
    /// # Safety
    /// The query must be valid.
    pub unsafe fn planner(&self, query: *mut pg_sys::Query) -> *mut pg_sys::PlannerInfo {
        // SAFETY: fresh nodes, all zero but for what is set
        unsafe {
            let glob = pg_sys::palloc0(size_of::<pg_sys::PlannerGlobal>());
            let glob = glob.cast::<pg_sys::PlannerGlobal>();
            (*glob).type_ = pg_sys::NodeTag::T_PlannerGlobal;
            (*glob).boundParams = self.params;
            let root = pg_sys::palloc0(size_of::<pg_sys::PlannerInfo>());
            let root = root.cast::<pg_sys::PlannerInfo>();
            (*root).type_ = pg_sys::NodeTag::T_PlannerInfo;
            (*root).parse = query;
            (*root).glob = glob;
            (*root).query_level = 1;
            root
        }
    }

    /// Tells the plan what it depends on: it must be made again when a function that was put in changes.
    ///
    /// # Safety
    /// The plan of the query that was prepared.
    pub unsafe fn finish(&self, plan: *mut pg_sys::PlannedStmt) {
        // SAFETY: promised by the caller
        unsafe {
            if !self.functions.is_null() {
                (*plan).invalItems = pg_sys::list_concat((*plan).invalItems, self.functions);
            }
            (*plan).dependsOnRole |= self.depends_on_role;
        }
    }

    /// Makes a subquery of a call in FROM when `wanted` says so of the body. `wanted` may change the body.
    ///
    /// # Safety
    /// An entry of the range table of `query`.
    pub unsafe fn inline(
        &mut self,
        query: *mut pg_sys::Query,
        rte: *mut pg_sys::RangeTblEntry,
        wanted: impl FnOnce(&mut Outer, *mut pg_sys::Query) -> bool,
    ) -> bool {
        // SAFETY: promised by the caller; the server's own function looks at a copy
        unsafe {
            if !may_inline(rte) {
                return false;
            }
            let root = self.planner(query);
            let copy = pg_sys::copyObjectImpl(rte.cast()).cast::<pg_sys::RangeTblEntry>();
            (*copy).functions =
                pg_sys::eval_const_expressions(root, (*copy).functions.cast()).cast();
            let body = pg_sys::inline_set_returning_function(root, copy);
            if body.is_null() || !wanted(self, body) {
                return false;
            }
            // as preprocess_function_rtes() does
            (*rte).rtekind = pg_sys::RTEKind::RTE_SUBQUERY;
            (*rte).subquery = body;
            (*rte).security_barrier = false;
            (*rte).functions = (*copy).functions;
            (*rte).funcordinality = false;
            self.functions = pg_sys::list_concat(self.functions, (*(*root).glob).invalItems);
            self.depends_on_role |= (*(*root).glob).dependsOnRole;
            true
        }
    }
}

/// Whether it is worth a look: a call of one set-returning SQL function that is not volatile.
unsafe fn may_inline(rte: *mut pg_sys::RangeTblEntry) -> bool {
    // SAFETY: an entry of the planner's query; the tuple is released before its fields go
    unsafe {
        if (*rte).funcordinality || (*rte).functions.is_null() || (*(*rte).functions).length != 1 {
            return false;
        }
        let call = list::pointers::<pg_sys::RangeTblFunction>((*rte).functions)
            .map(|f| (*f).funcexpr)
            .find(|e| (**e).type_ == pg_sys::NodeTag::T_FuncExpr);
        let Some(call) = call.map(|c| c.cast::<pg_sys::FuncExpr>()) else {
            return false;
        };
        if !(*call).funcretset {
            return false;
        }
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::PROCOID as i32,
            pg_sys::Datum::from((*call).funcid),
        );
        if tuple.is_null() {
            return false;
        }
        let form = pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let sql = (*form).prolang == pg_sys::Oid::from(SQL_LANGUAGE)
            && (*form).provolatile as u8 != pg_sys::PROVOLATILE_VOLATILE;
        pg_sys::ReleaseSysCache(tuple);
        sql
    }
}
