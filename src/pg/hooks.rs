//! Each hook of the server once: one static for the previous hook, one function that calls the parts
//! which nouns registered, then the previous hook or the server's own function.

use super::databases::{Command, command};
use super::gapfill_inline::Outer;
use super::with_options::{self, Prepared};
use crate::error::Result;
use pgrx::pg_sys;
use pgrx::pg_sys::ffi::pg_guard_ffi_boundary;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgMemoryContexts, prelude::*};
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

/// What runs before some utility statements; an error of it is the statement's.
pub type BeforeCommand = fn(&Command) -> Result<()>;

static BEFORE_COMMAND: Mutex<Vec<BeforeCommand>> = Mutex::new(Vec::new());

/// Registers a part that runs before the commands of [`Command`].
pub fn before_command(part: BeforeCommand) {
    let mut parts = BEFORE_COMMAND
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    parts.push(part);
}

static mut PREVIOUS_UTILITY: pg_sys::ProcessUtility_hook_type = None;
static mut PREVIOUS_EXECUTOR_START: pg_sys::ExecutorStart_hook_type = None;
static mut PREVIOUS_PATHLIST: pg_sys::set_rel_pathlist_hook_type = None;
static mut PREVIOUS_PLANNER: pg_sys::planner_hook_type = None;
static mut PREVIOUS_UPPER_PATHS: pg_sys::create_upper_paths_hook_type = None;
static mut PREVIOUS_RELATION_INFO: pg_sys::get_relation_info_hook_type = None;

/// Installs the hooks; once per process, never under pg_upgrade.
pub fn init() {
    // SAFETY: hooks are plain globals, set in the main thread while the library is loaded
    unsafe {
        PREVIOUS_UTILITY = pg_sys::ProcessUtility_hook;
        pg_sys::ProcessUtility_hook = Some(process_utility);
        PREVIOUS_EXECUTOR_START = pg_sys::ExecutorStart_hook;
        pg_sys::ExecutorStart_hook = Some(executor_start);
        PREVIOUS_PATHLIST = pg_sys::set_rel_pathlist_hook;
        pg_sys::set_rel_pathlist_hook = Some(rel_pathlist);
        PREVIOUS_PLANNER = pg_sys::planner_hook;
        pg_sys::planner_hook = Some(planner);
        PREVIOUS_UPPER_PATHS = pg_sys::create_upper_paths_hook;
        pg_sys::create_upper_paths_hook = Some(upper_paths);
        PREVIOUS_RELATION_INFO = pg_sys::get_relation_info_hook;
        pg_sys::get_relation_info_hook = Some(relation_info);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn executor_start(query: *mut pg_sys::QueryDesc, flags: i32) {
    // pgrx's standard_ExecutorStart has a boundary inside already
    // SAFETY: the arguments are passed on as they came; the closure owns nothing
    let start = || unsafe {
        match PREVIOUS_EXECUTOR_START {
            #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
            Some(previous) => pg_guard_ffi_boundary(|| previous(query, flags)),
            None => pg_sys::standard_ExecutorStart(query, flags),
        }
    };
    // SAFETY: the server passes a query that is to be started
    unsafe {
        super::planner_zone::check((*query).plannedstmt);
        super::cold_jit::start((*query).plannedstmt);
        super::router::start(query, flags, start)
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn rel_pathlist(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    rti: pg_sys::Index,
    rte: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the arguments are passed on as they came; the closure owns nothing
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_PATHLIST {
            pg_guard_ffi_boundary(|| previous(root, rel, rti, rte));
        }
        super::cold_path::rel_pathlist(root, rel, rte);
        super::lazy_path::rel_pathlist(root, rel);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn planner(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: i32,
    params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the arguments are passed on; the planner may change its query
    unsafe {
        let mut outer = Outer::new(params);
        let _here = super::cold_jit::Here::begin();
        super::gapfill_outer::prepare(&mut outer, query);
        let spare = super::planner_zone::spare(query);
        let mut plan = next_planner(query, text, options, params);
        if !spare.is_null() {
            if !super::planner_zone::holds(plan) {
                let _off = super::planner_zone::Off::begin();
                plan = next_planner(spare, text, options, params);
            }
            super::planner_zone::planned(plan);
        }
        outer.finish(plan);
        super::cold_jit::decide(plan);
        plan
    }
}

unsafe fn next_planner(
    query: *mut pg_sys::Query,
    text: *const c_char,
    options: i32,
    params: pg_sys::ParamListInfo,
) -> *mut pg_sys::PlannedStmt {
    // SAFETY: the arguments are passed on; the closure owns nothing
    unsafe {
        match PREVIOUS_PLANNER {
            #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
            Some(previous) => pg_guard_ffi_boundary(|| previous(query, text, options, params)),
            None => pg_sys::standard_planner(query, text, options, params),
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn upper_paths(
    root: *mut pg_sys::PlannerInfo,
    stage: pg_sys::UpperRelationKind::Type,
    input: *mut pg_sys::RelOptInfo,
    output: *mut pg_sys::RelOptInfo,
    extra: *mut core::ffi::c_void,
) {
    // SAFETY: the arguments are passed on as they came; the closure owns nothing
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_UPPER_PATHS {
            pg_guard_ffi_boundary(|| previous(root, stage, input, output, extra));
        }
        if stage == pg_sys::UpperRelationKind::UPPERREL_GROUP_AGG {
            super::gapfill_path::group_paths(root, input, output);
            super::cold_agg_path::group_paths(root, input, output, extra.cast());
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn relation_info(
    root: *mut pg_sys::PlannerInfo,
    relation: pg_sys::Oid,
    inhparent: bool,
    rel: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: as above
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_RELATION_INFO {
            pg_guard_ffi_boundary(|| previous(root, relation, inhparent, rel));
        }
        super::cold_path::relation_info(root, relation, inhparent, rel);
        if inhparent {
            super::planner::relation_info(root, relation, rel);
        }
    }
}

/// What runs before a utility statement: nouns' parts, guarded.
#[pg_guard]
unsafe extern "C-unwind" fn before_utility(statement: *mut pg_sys::PlannedStmt) {
    // SAFETY: the server passes a utility statement
    let Some(command) = (unsafe { command((*statement).utilityStmt) }) else {
        return;
    };
    let parts = BEFORE_COMMAND
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for part in parts {
        if let Err(e) = part(&command) {
            ErrorReport::from(e).report(PgLogLevel::ERROR);
        }
    }
}

/// Not guarded: it holds nothing with a destructor, so an error of the statement passes over it as it
/// passes over C. A guard would take its CONTEXT, its position in the statement and the names of
/// constraints from every error of every utility statement.
#[allow(clippy::too_many_arguments)]
#[allow(ffi_unwind_calls, reason = "nothing to unwind in this frame")]
unsafe extern "C-unwind" fn process_utility(
    statement: *mut pg_sys::PlannedStmt,
    query: *const c_char,
    read_only_tree: bool,
    context: pg_sys::ProcessUtilityContext::Type,
    params: pg_sys::ParamListInfo,
    environment: *mut pg_sys::QueryEnvironment,
    dest: *mut pg_sys::DestReceiver,
    completion: *mut pg_sys::QueryCompletion,
) {
    // SAFETY: the arguments are passed on as they came
    unsafe {
        if super::guest::is_active() && super::guest::utility(statement) {
            return;
        }
        before_utility(statement);
        super::cold_guard::before(statement);
        if super::copy::process(statement, query, read_only_tree, environment, completion) {
            return;
        }
        let with = before_create(statement);
        let statement = if with.is_null() {
            statement
        } else {
            (*with).statement
        };
        let altering = super::cold_reads::enter(statement);
        let next = match PREVIOUS_UTILITY {
            Some(previous) => previous,
            None => super::copy_raw::standard_ProcessUtility,
        };
        next(
            statement,
            query,
            read_only_tree,
            context,
            params,
            environment,
            dest,
            completion,
        );
        super::cold_reads::leave(altering);
        if !with.is_null() {
            after_create(with);
        }
    }
}

/// Takes options of ours out of a CREATE TABLE; NULL when there are none. The answer lives as long as the
/// current memory context.
#[pg_guard]
unsafe extern "C-unwind" fn before_create(statement: *mut pg_sys::PlannedStmt) -> *mut Prepared {
    // SAFETY: the server passes a utility statement
    match unsafe { with_options::prepare(statement) } {
        Ok(None) => std::ptr::null_mut(),
        Ok(Some(with)) => PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(with),
        Err(e) => {
            ErrorReport::from(e).report(PgLogLevel::ERROR);
            std::ptr::null_mut()
        }
    }
}

/// Makes a hypertable of the new table.
#[pg_guard]
unsafe extern "C-unwind" fn after_create(with: *mut Prepared) {
    // SAFETY: comes from `before_create`, and the statement has been run
    if let Err(e) = unsafe { with_options::finish(&*with) } {
        ErrorReport::from(e).report(PgLogLevel::ERROR);
    }
}
