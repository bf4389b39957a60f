//! The plan node of a ColdScan, and what travels in it.
//!
//! Only copyable nodes: plans are cached and sent to workers. `plan.qual` holds the conditions that
//! PostgreSQL evaluates on every row; `custom_exprs` the values that the file is searched for, then
//! the exact conditions, which are evaluated on rows of the stub, and on rows of the file only when
//! a value turns out to have no form that SQLite could compare.

use super::cold_clause::{self, Clause};
use super::cold_path::cold_manifest;
use super::cold_value::Operand;
use super::custom_node::Planning;
use super::list;
use crate::cold::manifest::Manifest;
use crate::cold::order::Key;
use crate::cold::pushdown::{Class, Tree};
use pgrx::pg_sys;

/// A condition as the executor gets it.
pub(super) struct Condition {
    pub(super) tree: Tree,
    /// number of its expression among the exact ones; `None`: PostgreSQL evaluates it anyway
    pub(super) exact: Option<usize>,
    /// number of its expression in `plan.qual`, when the file narrows the rows by it
    pub(super) prefilter: Option<usize>,
}

const EXACT: i32 = 1;
const PREFILTER: i32 = 2;
const NEVER: i32 = 3;

/// What `custom_private` says.
#[derive(Default)]
pub(super) struct Private {
    pub(super) order: Vec<Key>,
    /// types of the columns that the values are compared with
    pub(super) values: Vec<pg_sys::Oid>,
    pub(super) conditions: Vec<Condition>,
}

/// Sort keys as integers, four each.
pub(super) fn write_order(keys: &[Key]) -> *mut pg_sys::List {
    let mut out = list::IntList::new();
    for key in keys {
        out.extend(&[
            i32::from(key.attnum),
            i32::from(key.descending),
            i32::from(key.nulls_first),
            key.collation as i32,
        ]);
    }
    out.into_list()
}

pub(super) fn read_order(numbers: &[i32]) -> Vec<Key> {
    numbers
        .chunks_exact(4)
        .map(|key| Key {
            attnum: key[0] as i16,
            descending: key[1] != 0,
            nulls_first: key[2] != 0,
            collation: key[3] as u32,
        })
        .collect()
}

/// Reads `custom_private` of a plan for a relation of this shape.
///
/// # Safety
/// `plan` must come from [`plan`], `desc` be the descriptor of its relation.
pub(super) unsafe fn read_private(
    plan: *const pg_sys::CustomScan,
    desc: pg_sys::TupleDesc,
) -> Private {
    // SAFETY: promised by the caller; attribute numbers were taken from this relation
    unsafe {
        let mut lists = list::pointers::<pg_sys::List>((*plan).custom_private);
        let mut next = || lists.next().map(|l| list::integers(l));
        // the price, which only the planner looks at
        next();
        let mut private = Private {
            order: read_order(&next().unwrap_or_default()),
            values: (next().unwrap_or_default().iter())
                .map(|oid| (*oid as u32).into())
                .collect(),
            conditions: vec![],
        };
        let encoding = |attnum: i16| {
            let attribute = super::compat::attribute(desc, (attnum - 1) as usize);
            super::cold_datum::encoding_of((*attribute).atttypid)
        };
        while let Some(numbers) = next() {
            let mut numbers = numbers.into_iter();
            let class = numbers.next().unwrap_or(NEVER);
            let place = numbers.next().and_then(|n| usize::try_from(n).ok());
            private.conditions.push(Condition {
                tree: Tree::read(&mut numbers, &encoding).unwrap_or(Tree::Opaque),
                exact: place.filter(|_| class == EXACT),
                prefilter: place.filter(|_| class == PREFILTER),
            });
        }
        private
    }
}

/// Expressions of a plan: values, then exact conditions.
///
/// # Safety
/// As for [`read_private`].
pub(super) unsafe fn expressions(
    plan: *const pg_sys::CustomScan,
    private: &Private,
) -> (Vec<Operand>, Vec<*mut pg_sys::Expr>) {
    // SAFETY: promised by the caller
    let mut all: Vec<*mut pg_sys::Expr> = unsafe { list::pointers((*plan).custom_exprs).collect() };
    let exact = all.split_off(private.values.len().min(all.len()));
    let values = all.iter().zip(&private.values);
    let operand = |(expr, column): (&*mut pg_sys::Expr, &pg_sys::Oid)| Operand {
        node: expr.cast(),
        column: *column,
    };
    (values.map(operand).collect(), exact)
}

/// # Safety
/// As for [`Node::plan`](super::custom_node::Node::plan).
pub(super) unsafe fn plan(planning: &Planning, scan: *mut pg_sys::CustomScan) {
    let (root, rel) = (planning.root, planning.rel);
    // SAFETY: the planner's own structures
    unsafe {
        let rte = *(*root).simple_rte_array.add((*rel).relid as usize);
        // a path of ours was made from the manifest a moment ago, under the same lock
        let manifest = cold_manifest((*rte).relid);
        let empty = Manifest::default();
        let manifest = manifest.as_deref().unwrap_or(&empty);
        let read = cold_clause::read(root, rel, manifest, planning.clauses);
        (*scan).scan.plan.qual = expressions_of(read.list.iter().filter(|c| !is_exact(c)));
        (*scan).scan.scanrelid = (*rel).relid;
        let mut exprs = std::ptr::null_mut();
        for value in &read.values {
            let copy = pg_sys::copyObjectImpl(value.node.cast());
            exprs = pg_sys::lappend(exprs, copy);
        }
        let exact = expressions_of(read.list.iter().filter(|c| is_exact(c)));
        (*scan).custom_exprs = pg_sys::list_concat(exprs, exact);
        // price and order
        let mut private = pg_sys::list_copy((*planning.path).custom_private);
        let columns = read.values.iter().map(|v| v.column.to_u32() as i32);
        let values = list::ints(&columns.collect::<Vec<i32>>());
        private = pg_sys::lappend(private, values.cast());
        for numbers in written(&read.list) {
            private = pg_sys::lappend(private, list::ints(&numbers).cast());
        }
        (*scan).custom_private = private;
    }
}

/// Class, place of the expression and tree of each condition. Also of those that the file cannot
/// compare: its bloom filters may know them.
fn written(clauses: &[Clause]) -> Vec<Vec<i32>> {
    let (mut exact, mut others) = (0, 0);
    let mut out = vec![];
    for clause in clauses {
        let (class, place) = match clause.class {
            Class::Exact => (EXACT, &mut exact),
            Class::Prefilter => (PREFILTER, &mut others),
            Class::Never => (NEVER, &mut others),
        };
        if clause.tree != Tree::Opaque {
            let mut numbers = vec![class, *place];
            clause.tree.write(&mut numbers);
            out.push(numbers);
        }
        *place += 1;
    }
    out
}

fn is_exact(clause: &Clause) -> bool {
    clause.class == Class::Exact
}

unsafe fn expressions_of<'c>(clauses: impl Iterator<Item = &'c Clause>) -> *mut pg_sys::List {
    clauses.fold(std::ptr::null_mut(), |exprs, clause| {
        // SAFETY: clauses of the planner
        unsafe { pg_sys::lappend(exprs, (*clause.info).clause.cast()) }
    })
}
