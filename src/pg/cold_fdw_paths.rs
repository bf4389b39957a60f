//! Planning of foreign tables over SQLite files: how many rows, by which index, in which order.
//!
//! The file is looked at where that pays: always in a directory; behind a network only for a table
//! that was never analyzed, for joins and for orders. A file that cannot be read is no reason to
//! refuse a plan: the scan will say so, if it ever runs.

use super::cold_clause::{self, Clause, plain_var};
use super::cold_cost::Pricing;
use super::cold_fdw::foreign_table;
use super::cold_foreign_file::ForeignFile;
use super::cold_foreign_open::{Opened, sortable};
use super::cold_path::{fixed_column, wanted_order};
use super::cold_state::{ForeignAccess, catalog};
use super::{cold_jit, cold_param, cold_plan, compat, compat_plan, list};
use crate::cold::manifest::{FileIndex, Manifest};
use crate::cold::order;
use crate::cold::pushdown::Class;
use crate::error::Result;
use compat_plan::PathCost;
use pgrx::{pg_guard, pg_sys};

/// Rows of a table that nobody has counted, in a file that was not looked at.
const UNKNOWN_ROWS: f64 = 10_000.0;

#[pg_guard]
unsafe extern "C-unwind" fn forget(arg: *mut core::ffi::c_void) {
    // SAFETY: the pointer that rel_size leaked; the context calls back once
    drop(unsafe { Box::from_raw(arg.cast::<Manifest>()) });
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn rel_size(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    relation: pg_sys::Oid,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let analyzed = (*rel).tuples > 0.0;
        let needs = Needs {
            rows: !analyzed,
            others: (*rel).has_eclass_joins || !(*rel).joininfo.is_null() || wants_order(root, rel),
            user: (*rel).userid,
        };
        let mut manifest = look(relation, &needs)
            .unwrap_or_default()
            .unwrap_or(Manifest {
                rows: UNKNOWN_ROWS as i64,
                ..Manifest::default()
            });
        if analyzed {
            manifest.rows = (*rel).tuples as i64;
        }
        // none would mean that the file need not be read
        manifest.rows = manifest.rows.max(1);
        (*rel).tuples = manifest.rows as f64;
        pg_sys::set_baserel_size_estimates(root, rel);
        if manifest.bytes == 0 {
            let width = f64::from((*(*rel).reltarget).width.max(1));
            manifest.bytes = ((*rel).tuples * width) as u64;
        }
        // lives as long as the other structs of this plan
        let kept = Box::into_raw(Box::new(manifest));
        let size = size_of::<pg_sys::MemoryContextCallback>();
        let callback = pg_sys::palloc0(size).cast::<pg_sys::MemoryContextCallback>();
        (*callback).func = Some(forget);
        (*callback).arg = kept.cast();
        pg_sys::MemoryContextRegisterResetCallback(pg_sys::CurrentMemoryContext, callback);
        (*rel).fdw_private = kept.cast();
    }
}

/// What a look at the file is for.
struct Needs {
    rows: bool,
    /// joins or an order
    others: bool,
    user: pg_sys::Oid,
}

/// True when rows of this relation are asked for in an order of plain columns.
unsafe fn wants_order(root: *mut pg_sys::PlannerInfo, rel: *mut pg_sys::RelOptInfo) -> bool {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let first = list::pointers::<pg_sys::PathKey>((*root).query_pathkeys).next();
        first.is_some_and(|key| {
            compat::class_members((*key).pk_eclass, rel)
                .iter()
                .any(|m| plain_var((**m).em_expr.cast(), (*rel).relid).is_some())
        })
    }
}

/// The file as it is now; none where it is not worth it.
unsafe fn look(relation: pg_sys::Oid, needs: &Needs) -> Result<Option<Manifest>> {
    let table = foreign_table(relation)?;
    // SAFETY: the planner holds a lock on the relation; the reference is given back at once
    unsafe {
        let rel = pg_sys::RelationIdGetRelation(relation);
        if rel.is_null() {
            return Ok(None);
        }
        let user = if needs.user == pg_sys::InvalidOid {
            super::catalog::current_user()
        } else {
            needs.user
        };
        let access = ForeignAccess {
            server: table.server,
            user,
            owner: (*(*rel).rd_rel).relowner,
            key: &table.options.key,
        };
        let seen = (|| {
            let store = (catalog().foreign_store)(&access)?;
            if !store.is_local && !needs.rows && !needs.others {
                return Ok(None);
            }
            let file = ForeignFile::open(store, &table.options.key)?;
            let mut opened = Opened::of_relation(file, &table.options.table, rel)?;
            opened.read_indexes()?;
            let rows = opened.file.row_estimate(&opened.table)?;
            opened.manifest.rows = rows as i64;
            opened.manifest.indexes.extend(by_rowid(&opened.manifest));
            Ok(Some(opened.manifest))
        })();
        pg_sys::RelationClose(rel);
        seen
    }
}

/// The table itself is the index of its rowid, as far as costs go.
fn by_rowid(manifest: &Manifest) -> Option<FileIndex> {
    let column = manifest.columns.iter().find(|c| c.ascending)?;
    Some(FileIndex {
        columns: vec![(column.attnum, false)],
        unique: true,
    })
}

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn paths(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _relation: pg_sys::Oid,
) {
    // SAFETY: the planner's own, valid structs; fdw_private is from rel_size
    unsafe {
        let manifest = &*(*rel).fdw_private.cast::<Manifest>();
        let clauses = cold_clause::read(root, rel, manifest, (*rel).baserestrictinfo);
        let ways = Ways {
            root,
            rel,
            manifest,
            pricing: Pricing::new(root, rel, manifest, &clauses),
            clauses: clauses.list,
        };
        ways.add_plain();
        ways.add_ordered();
        for outer in cold_param::outer_relations(root, rel) {
            ways.add_parameterised(outer);
        }
    }
}

/// The ways to read one file.
struct Ways<'m> {
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    manifest: &'m Manifest,
    clauses: Vec<Clause>,
    pricing: Pricing<'m>,
}

impl Ways<'_> {
    /// Rows that come out of the file: the conditions that it does not understand drop none there.
    unsafe fn fetched<'c>(&self, clauses: impl Iterator<Item = &'c Clause>) -> f64 {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let mut pushed = std::ptr::null_mut();
            for clause in clauses.filter(|c| c.class != Class::Never) {
                pushed = pg_sys::lappend(pushed, clause.info.cast());
            }
            let part = pg_sys::clauselist_selectivity(
                self.root,
                pushed,
                (*self.rel).relid as i32,
                pg_sys::JoinType::JOIN_INNER,
                std::ptr::null_mut(),
            );
            ((*self.rel).tuples * part).max(1.0)
        }
    }

    /// Values of these rows, and all conditions on them.
    unsafe fn handling(&self, fetched: f64) -> f64 {
        // SAFETY: the planner's own, valid struct, and settings
        unsafe {
            let each = pg_sys::cpu_tuple_cost + 2.0 * pg_sys::cpu_operator_cost;
            fetched * (each + (*self.rel).baserestrictcost.per_tuple)
        }
    }

    unsafe fn add(
        &self,
        rows: f64,
        (price, handling): (f64, f64),
        outer: pg_sys::Relids,
        pathkeys: *mut pg_sys::List,
        keys: &[order::Key],
    ) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let startup = (*self.rel).baserestrictcost.startup;
            let cost = PathCost {
                rows,
                startup,
                total: startup + price + handling,
            };
            let price = pg_sys::lappend(std::ptr::null_mut(), cold_jit::write(price).cast());
            let private = pg_sys::lappend(price, cold_plan::write_order(keys).cast());
            let path =
                compat_plan::foreign_path(self.root, self.rel, &cost, pathkeys, outer, private);
            pg_sys::add_path(self.rel, path.cast());
        }
    }

    unsafe fn add_plain(&self) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let handling = self.handling(self.fetched(self.clauses.iter()));
            let price = self.pricing.plain(&self.clauses);
            let none = std::ptr::null_mut();
            // the target list may hold LATERAL references, also where no condition does
            let outer = (*self.rel).lateral_relids;
            self.add((*self.rel).rows, (price, handling), outer, none, &[]);
        }
    }

    unsafe fn add_ordered(&self) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let mut wanted = wanted_order(self.root, self.rel, self.manifest);
            wanted.truncate(sortable(self.manifest, &wanted));
            let fixed: Vec<i16> = self.clauses.iter().filter_map(fixed_column).collect();
            let Some(served) = order::served(self.manifest, &wanted, &fixed) else {
                return;
            };
            let plain = self.pricing.plain(&self.clauses);
            let price = match served.index {
                None => plain * 1.01,
                Some(index) => self
                    .pricing
                    .by_index(index, &self.clauses)
                    .max(plain * 1.01),
            };
            let handling = self.handling(self.fetched(self.clauses.iter()));
            let keys = (*self.root).query_pathkeys;
            let pathkeys = pg_sys::list_copy_head(keys, served.keys as i32);
            let outer = (*self.rel).lateral_relids;
            let (rows, wanted) = ((*self.rel).rows, &wanted[..served.keys]);
            self.add(rows, (price, handling), outer, pathkeys, wanted);
        }
    }

    /// The inner side of a nested loop: the file is open already when the second row of the outer
    /// side comes.
    unsafe fn add_parameterised(&self, outer: pg_sys::Relids) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let info = pg_sys::get_baserel_parampathinfo(self.root, self.rel, outer);
            if info.is_null() {
                return;
            }
            let more = cold_clause::read(self.root, self.rel, self.manifest, (*info).ppi_clauses);
            let all = || self.clauses.iter().chain(&more.list);
            let costs = (
                self.pricing.inner(all()),
                self.handling(self.fetched(all())),
            );
            let none = std::ptr::null_mut();
            self.add((*info).ppi_rows, costs, outer, none, &[]);
        }
    }
}
