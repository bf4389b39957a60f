//! Costs of the ways to read a cold file, from the planner's selectivities.

use super::cold_clause::{Clause, Clauses};
use super::{cold_value, guc};
use crate::cold::cost::{self, Access, Narrowing, Prices};
use crate::cold::manifest::{FileIndex, Manifest};
use crate::cold::pushdown::{self, Class, Op, Test, Tree};
use pgrx::pg_sys;

/// Prices the ways to read one chunk.
pub(super) struct Pricing<'m> {
    root: *mut pg_sys::PlannerInfo,
    relid: pg_sys::Index,
    manifest: &'m Manifest,
    prices: Prices,
    skipped: bool,
}

impl<'m> Pricing<'m> {
    /// # Safety
    /// The planner's own structures.
    pub(super) unsafe fn new(
        root: *mut pg_sys::PlannerInfo,
        rel: *mut pg_sys::RelOptInfo,
        manifest: &'m Manifest,
        clauses: &Clauses,
    ) -> Self {
        // SAFETY: promised by the caller
        let (values, relid) = unsafe { (cold_value::constants(&clauses.values), (*rel).relid) };
        let trees = clauses.list.iter().map(|c| &c.tree);
        let off = !guc::COLD_PUSHDOWN.get();
        Pricing {
            root,
            relid,
            manifest,
            prices: Prices::of(
                manifest,
                guc::COLD_GET_COST.get(),
                guc::COLD_BYTE_COST.get(),
            ),
            skipped: !off && pushdown::push(manifest, trees, &values).none_fits,
        }
    }

    /// By the zone map and the constants of the query no row of the file fits. When the scan starts
    /// this is found out again: nothing rests on it but the costs.
    pub(super) fn is_skipped(&self) -> bool {
        self.skipped
    }

    /// The best way without an order, the file opened first.
    pub(super) fn plain(&self, clauses: &[Clause]) -> f64 {
        if self.skipped {
            return 0.0;
        }
        self.prices.units(cost::open()) + self.best(&clauses.iter().collect::<Vec<_>>())
    }

    /// Reading in the order of an index.
    pub(super) fn by_index(&self, index: usize, clauses: &[Clause]) -> f64 {
        let Some(index) = self.manifest.indexes.get(index) else {
            return self.plain(clauses);
        };
        if self.skipped {
            return 0.0;
        }
        let clauses: Vec<&Clause> = clauses.iter().collect();
        let narrowing = self.narrowing(index, &clauses).unwrap_or(Narrowing {
            fraction: 1.0,
            together: self.leads_along(index),
        });
        self.prices.units(cost::open())
            + self.units(cost::by_index(self.manifest, narrowing), narrowing.fraction)
    }

    /// The inner side of a nested loop, once.
    pub(super) fn inner<'c>(&self, clauses: impl Iterator<Item = &'c Clause>) -> f64 {
        if self.skipped {
            return 0.0;
        }
        self.best(&clauses.collect::<Vec<_>>())
    }

    fn best(&self, clauses: &[&Clause]) -> f64 {
        let full = self.units(cost::full(self.manifest), 1.0);
        if !guc::COLD_PUSHDOWN.get() {
            return full;
        }
        let by_index = self.manifest.indexes.iter().filter_map(|index| {
            let narrowing = self.narrowing(index, clauses)?;
            let access = cost::by_index(self.manifest, narrowing);
            Some(self.units(access, narrowing.fraction))
        });
        by_index.fold(full, f64::min)
    }

    /// Requests, bytes, and what SQLite does with the rows that it sees.
    fn units(&self, access: Access, fraction: f64) -> f64 {
        let rows = self.manifest.rows.max(1) as f64 * fraction;
        // SAFETY: a setting of the server, read in the main thread
        let each = unsafe { pg_sys::cpu_operator_cost };
        self.prices.units(access) + rows * each
    }

    fn leads_along(&self, index: &FileIndex) -> bool {
        let first = index.columns.first().map(|(attnum, _)| *attnum);
        first
            .and_then(|a| self.manifest.column(a))
            .is_some_and(|c| c.ascending)
    }

    /// What the conditions on the first columns of an index leave of the rows: equalities, then one
    /// range. None: nothing on its first column.
    fn narrowing(&self, index: &FileIndex, clauses: &[&Clause]) -> Option<Narrowing> {
        let mut used: Vec<*mut pg_sys::RestrictInfo> = vec![];
        for (attnum, _) in &index.columns {
            let on = |tests: fn(Test) -> bool| {
                let found = clauses
                    .iter()
                    .filter(|c| column_test(c, *attnum).is_some_and(tests));
                found.map(|c| c.info).collect::<Vec<_>>()
            };
            let equal = on(|t| matches!(t, Test::Compare(Op::Eq) | Test::Any));
            if equal.is_empty() {
                used.extend(on(|t| matches!(t, Test::Compare(op) if op.is_ordering())));
                break;
            }
            used.extend(equal);
        }
        if used.is_empty() {
            return None;
        }
        // SAFETY: clauses of the planner, as it does for its own indexes; other relations' columns
        // count as constants
        let fraction = unsafe {
            let list = used.iter().fold(std::ptr::null_mut(), |list, info| {
                pg_sys::lappend(list, info.cast())
            });
            let none = std::ptr::null_mut();
            let inner = pg_sys::JoinType::JOIN_INNER;
            pg_sys::clauselist_selectivity(self.root, list, self.relid as i32, inner, none)
        };
        Some(Narrowing {
            fraction,
            together: self.leads_along(index),
        })
    }
}

/// The test of a clause that looks at this column alone, if SQLite can search by it.
fn column_test(clause: &Clause, attnum: i16) -> Option<Test> {
    match &clause.tree {
        Tree::Leaf(leaf) if leaf.attnum == attnum && clause.class != Class::Never => {
            Some(leaf.test)
        }
        _ => None,
    }
}
