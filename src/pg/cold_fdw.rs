//! The wrapper `strata_sqlite`: foreign tables over SQLite files, read-only.

use super::cold_clause;
use super::cold_fdw_scan as scan;
use super::cold_state::raise;
use super::cold_value::Operand;
use super::{cold_fdw_analyze, cold_fdw_import, cold_fdw_paths, cold_plan, compat, list};
use crate::cold::foreign::{self, ColumnOptions, TableOptions};
use crate::cold::manifest::Manifest;
use crate::cold::order::Key;
use crate::cold::pushdown::Tree;
use crate::error::Result;
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

/// The handler function that CREATE FOREIGN DATA WRAPPER names.
#[unsafe(no_mangle)]
#[pg_guard]
pub extern "C-unwind" fn strata_sqlite_handler(_call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: a fresh node of this size; the server keeps a copy
    unsafe {
        let routine = pg_sys::palloc0(size_of::<pg_sys::FdwRoutine>()).cast::<pg_sys::FdwRoutine>();
        (*routine).type_ = pg_sys::NodeTag::T_FdwRoutine;
        (*routine).GetForeignRelSize = Some(cold_fdw_paths::rel_size);
        (*routine).GetForeignPaths = Some(cold_fdw_paths::paths);
        (*routine).GetForeignPlan = Some(plan);
        (*routine).BeginForeignScan = Some(scan::begin);
        (*routine).IterateForeignScan = Some(scan::iterate);
        (*routine).ReScanForeignScan = Some(scan::rescan);
        (*routine).EndForeignScan = Some(scan::end);
        (*routine).ExplainForeignScan = Some(scan::explain_scan);
        (*routine).AnalyzeForeignTable = Some(cold_fdw_analyze::analyze);
        (*routine).ImportForeignSchema = Some(cold_fdw_import::import);
        pg_sys::Datum::from(routine)
    }
}

/// Calling convention of the handler (fmgr.h).
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_strata_sqlite_handler() -> &'static pg_sys::Pg_finfo_record {
    static CONVENTION: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &CONVENTION
}

/// A foreign table by its catalog row.
pub(super) struct ForeignTable {
    pub(super) server: pg_sys::Oid,
    pub(super) options: TableOptions,
}

pub(super) fn foreign_table(relation: pg_sys::Oid) -> Result<ForeignTable> {
    // SAFETY: the caller holds a lock on the foreign table; the struct is palloc'd
    let (server, options) = unsafe {
        let table = pg_sys::GetForeignTable(relation);
        ((*table).serverid, pairs((*table).options))
    };
    Ok(ForeignTable {
        server,
        options: foreign::parse_table(&options)?,
    })
}

pub(super) fn column_options(relation: pg_sys::Oid, attnum: i16) -> Result<ColumnOptions> {
    // SAFETY: as above
    let options = unsafe { pairs(pg_sys::GetForeignColumnOptions(relation, attnum)) };
    foreign::parse_column(&options)
}

/// Options as pairs of texts.
///
/// # Safety
/// `options` must be a list of DefElem.
pub(super) unsafe fn pairs(options: *mut pg_sys::List) -> Vec<(String, String)> {
    // SAFETY: a list of DefElem whose values are strings, as the validator got them
    unsafe {
        list::pointers::<pg_sys::DefElem>(options)
            .map(|def| {
                let name = CStr::from_ptr((*def).defname)
                    .to_string_lossy()
                    .into_owned();
                let value = CStr::from_ptr(pg_sys::defGetString(def));
                (name, value.to_string_lossy().into_owned())
            })
            .collect()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn plan(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _relation: pg_sys::Oid,
    best: *mut pg_sys::ForeignPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    outer_plan: *mut pg_sys::Plan,
) -> *mut pg_sys::ForeignScan {
    // SAFETY: the planner's own, valid structs
    unsafe {
        // trees alone matter: what the file can do is found out when it is open
        let read = cold_clause::read(root, rel, &Manifest::default(), clauses);
        let mut values = std::ptr::null_mut();
        for value in &read.values {
            values = pg_sys::lappend(values, pg_sys::copyObjectImpl(value.node.cast()));
        }
        let columns = read.values.iter().map(|v| v.column.to_u32() as i32);
        let columns = list::ints(&columns.collect::<Vec<i32>>());
        let needed = list::ints(&needed(rel, clauses));
        // price and order
        let mut private = pg_sys::list_copy((*best).fdw_private);
        private = pg_sys::lappend(private, needed.cast());
        private = pg_sys::lappend(private, columns.cast());
        for clause in read.list.iter().filter(|c| c.tree != Tree::Opaque) {
            let mut numbers = vec![];
            clause.tree.write(&mut numbers);
            private = pg_sys::lappend(private, list::ints(&numbers).cast());
        }
        let all = pg_sys::extract_actual_clauses(clauses, false);
        let none = std::ptr::null_mut();
        pg_sys::make_foreignscan(
            tlist,
            all,
            (*rel).relid,
            values,
            private,
            none,
            none,
            outer_plan,
        )
    }
}

/// Attributes that anybody asks for; 0 is the whole row. The target list does not tell: the planner
/// puts all columns into it where that saves a projection.
unsafe fn needed(rel: *mut pg_sys::RelOptInfo, clauses: *mut pg_sys::List) -> Vec<i32> {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let mut set = std::ptr::null_mut();
        let conditions = pg_sys::extract_actual_clauses(clauses, false);
        for node in [(*(*rel).reltarget).exprs, conditions] {
            pg_sys::pull_varattnos(node.cast(), (*rel).relid, &mut set);
        }
        let first = pg_sys::FirstLowInvalidHeapAttributeNumber;
        (0..=i32::from((*rel).max_attr))
            .filter(|n| pg_sys::bms_is_member(*n - first, set))
            .collect()
    }
}

/// True for a scan of ours.
///
/// # Safety
/// `plan` must be a node of a finished plan.
pub(super) unsafe fn is_ours(plan: *const pg_sys::ForeignScan) -> bool {
    // SAFETY: promised by the caller; the routine is palloc'd
    unsafe {
        let server = (*plan).fs_server;
        if server == pg_sys::InvalidOid {
            return false;
        }
        let begin: unsafe extern "C-unwind" fn(*mut pg_sys::ForeignScanState, i32) = scan::begin;
        let routine = pg_sys::GetFdwRoutineByServerId(server);
        (*routine)
            .BeginForeignScan
            .is_some_and(|f| std::ptr::fn_addr_eq(f, begin))
    }
}

/// What travels in a plan.
pub(super) struct Planned {
    pub(super) order: Vec<Key>,
    /// attributes to read; 0 is the whole row
    pub(super) needed: Vec<i32>,
    pub(super) trees: Vec<Tree>,
    /// the conditions' values, with the types of the columns that they are compared with
    pub(super) operands: Vec<Operand>,
}

/// # Safety
/// `plan` must come from [`plan`], `desc` be the descriptor of its relation.
pub(super) unsafe fn read_private(
    plan: *const pg_sys::ForeignScan,
    desc: pg_sys::TupleDesc,
) -> Planned {
    // SAFETY: promised by the caller; attribute numbers were taken from this relation
    unsafe {
        let encoding = |attnum: i16| {
            let attribute = compat::attribute(desc, (attnum - 1) as usize);
            super::cold_datum::encoding_of((*attribute).atttypid)
        };
        let mut lists = list::pointers::<pg_sys::List>((*plan).fdw_private);
        // the price, which only the planner looks at
        lists.next();
        let order = lists.next().map(|l| list::integers(l)).unwrap_or_default();
        let needed = lists.next().map(|l| list::integers(l)).unwrap_or_default();
        let columns = lists.next().map(|l| list::integers(l)).unwrap_or_default();
        let operands = list::pointers::<pg_sys::Node>((*plan).fdw_exprs)
            .zip(columns)
            .map(|(node, column)| Operand {
                node,
                column: (column as u32).into(),
            })
            .collect();
        let trees = lists
            .map(|numbers| {
                let mut numbers = list::integers(numbers).into_iter();
                Tree::read(&mut numbers, &encoding).unwrap_or(Tree::Opaque)
            })
            .collect();
        Planned {
            order: cold_plan::read_order(&order),
            needed,
            trees,
            operands,
        }
    }
}

/// For the import: raises an error of ours.
pub(super) fn or_raise<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|e| raise(e))
}
