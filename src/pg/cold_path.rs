//! Planning: every path of a cold chunk is replaced by ColdScan.

use super::cold_am;
use super::cold_clause::{self, Clause, plain_var};
use super::cold_compare::{btree_family, bytewise};
use super::cold_cost::Pricing;
use super::cold_state::{self, raise};
use super::{cold_jit, cold_plan, list};
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::order::{self, Key, Served};
use crate::cold::pushdown::{Class, Op, Test, Tree};
use crate::error::{Error, Kind};
use pgrx::pg_sys;
use std::rc::Rc;

/// Manifest of a relation if it is a cold chunk. Cheap for every other relation.
pub(super) fn cold_manifest(relation: pg_sys::Oid) -> Option<Rc<Manifest>> {
    cold_manifest_next(relation, Vec::new)
}

/// The same, where relations that the planner looks at next are known.
fn cold_manifest_next(
    relation: pg_sys::Oid,
    others: impl FnOnce() -> Vec<pg_sys::Oid>,
) -> Option<Rc<Manifest>> {
    // SAFETY: the planner holds a lock on the relation; the reference is given back at once
    let ours = unsafe {
        let rel = pg_sys::RelationIdGetRelation(relation);
        if rel.is_null() {
            return None;
        }
        let ours = cold_am::is_ours(rel);
        pg_sys::RelationClose(rel);
        ours
    };
    // the server has asked for the relation's size before it calls any hook
    match ours.then(|| {
        cold_state::expect(relation, others);
        cold_state::of(relation)
    })? {
        ChunkState::Cold(manifest) => Some(manifest),
        _ => None,
    }
}

/// get_relation_info: no index path and no proof of uniqueness may rest on the stub's indexes.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn relation_info(
    root: *mut pg_sys::PlannerInfo,
    relation: pg_sys::Oid,
    inhparent: bool,
    rel: *mut pg_sys::RelOptInfo,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        if !inhparent && let Some(manifest) = cold_manifest_next(relation, || siblings(root, rel)) {
            super::cold_changed::demand_complete(&manifest);
            (*rel).indexlist = std::ptr::null_mut();
            (*rel).amflags = 0;
            (*rel).rel_parallel_workers = 0;
        }
    }
}

/// The partitions that the planner is about to open one after the other.
unsafe fn siblings(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
) -> Vec<pg_sys::Oid> {
    // SAFETY: the planner's own, valid structs; the parent is open and locked, and its descriptor is the one
    // that the planner itself goes through
    unsafe {
        let (children, directory) = (
            (*root).append_rel_array,
            (*(*root).glob).partition_directory,
        );
        if children.is_null() || directory.is_null() {
            return vec![];
        }
        let child = *children.add((*rel).relid as usize);
        if child.is_null() {
            return vec![];
        }
        let parent = (*child).parent_relid as usize;
        let live = (**(*root).simple_rel_array.add(parent)).live_parts;
        let rte = *(*root).simple_rte_array.add(parent);
        if live.is_null() || (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION {
            return vec![];
        }
        let parent = pg_sys::RelationIdGetRelation((*rte).relid);
        if parent.is_null() {
            return vec![];
        }
        let desc = pg_sys::PartitionDirectoryLookup(directory, parent);
        let mut found = vec![];
        let mut n = pg_sys::bms_next_member(live, -1);
        while n >= 0 && n < (*desc).nparts {
            found.push(*(*desc).oids.add(n as usize));
            n = pg_sys::bms_next_member(live, n);
        }
        pg_sys::RelationClose(parent);
        found
    }
}

/// set_rel_pathlist: puts ColdScan in the place of the stub's paths.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn rel_pathlist(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    rte: *mut pg_sys::RangeTblEntry,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        if (*rte).rtekind != pg_sys::RTEKind::RTE_RELATION
            || (*rte).inh
            || (*rte).relkind as u8 != pg_sys::RELKIND_RELATION
        {
            return;
        }
        let Some(manifest) = cold_manifest((*rte).relid) else {
            return;
        };
        if !(*rte).tablesample.is_null() {
            raise(Error::new(
                Kind::NotSupported,
                format!(
                    "TABLESAMPLE is not supported on cold chunk \"{}\"",
                    manifest.chunk_name
                ),
            ));
        }
        if pg_sys::is_dummy_rel(rel) || is_current_of(rel) {
            return;
        }
        (*rel).pathlist = std::ptr::null_mut();
        (*rel).partial_pathlist = std::ptr::null_mut();
        cold_jit::planning();
        let scans = Scans::new(root, rel, &manifest);
        scans.add_plain();
        scans.add_ordered();
        for outer in super::cold_param::outer_relations(root, rel) {
            scans.add_parameterised(outer);
        }
    }
}

/// WHERE CURRENT OF works through a TID scan only, which the planner prefers by cost. It finds
/// nothing here unless the cursor stands on a row of this chunk, and that row cannot change.
unsafe fn is_current_of(rel: *mut pg_sys::RelOptInfo) -> bool {
    // SAFETY: nodes of the planner are valid and tagged
    unsafe {
        list::pointers::<pg_sys::RestrictInfo>((*rel).baserestrictinfo).any(|info| {
            (*(*info).clause.cast::<pg_sys::Node>()).type_ == pg_sys::NodeTag::T_CurrentOfExpr
        })
    }
}

/// The paths of one cold chunk.
struct Scans<'m> {
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    manifest: &'m Manifest,
    clauses: Vec<Clause>,
    pricing: Pricing<'m>,
}

impl<'m> Scans<'m> {
    unsafe fn new(
        root: *mut pg_sys::PlannerInfo,
        rel: *mut pg_sys::RelOptInfo,
        manifest: &'m Manifest,
    ) -> Self {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let infos = (*rel).baserestrictinfo;
            let clauses = cold_clause::read(root, rel, manifest, infos);
            Scans {
                root,
                rel,
                manifest,
                pricing: Pricing::new(root, rel, manifest, &clauses),
                clauses: clauses.list,
            }
        }
    }

    unsafe fn add_plain(&self) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            // the target list may hold LATERAL references, also where no qual does
            let path = self.path((*self.rel).lateral_relids);
            self.charge(path, self.pricing.plain(&self.clauses), &[]);
            pg_sys::add_path(self.rel, path.cast());
        }
    }

    unsafe fn add_ordered(&self) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let wanted = wanted_order(self.root, self.rel, self.manifest);
            let fixed: Vec<i16> = self.clauses.iter().filter_map(fixed_column).collect();
            let Some(served) = order::served(self.manifest, &wanted, &fixed) else {
                return;
            };
            let path = self.path((*self.rel).lateral_relids);
            let keys = (*self.root).query_pathkeys;
            (*path).path.pathkeys = pg_sys::list_copy_head(keys, served.keys as i32);
            self.charge(path, self.ordered_cost(served), &wanted[..served.keys]);
            pg_sys::add_path(self.rel, path.cast());
        }
    }

    fn ordered_cost(&self, served: Served) -> f64 {
        let plain = self.pricing.plain(&self.clauses);
        match served.index {
            // a little dearer than no order, so that it is chosen where the order is of use
            None => plain * 1.01,
            Some(index) => self
                .pricing
                .by_index(index, &self.clauses)
                .max(plain * 1.01),
        }
    }

    /// A nested loop with this chunk on its inner side: the file is open already when the second
    /// row of the outer side comes.
    unsafe fn add_parameterised(&self, outer: pg_sys::Relids) {
        // SAFETY: the planner's own, valid structs
        unsafe {
            let path = self.path(outer);
            let info = (*path).path.param_info;
            if info.is_null() {
                return;
            }
            let more = cold_clause::read(self.root, self.rel, self.manifest, (*info).ppi_clauses);
            let cost = self.pricing.inner(self.clauses.iter().chain(&more.list));
            self.charge(path, cost, &[]);
            pg_sys::add_path(self.rel, path.cast());
        }
    }

    /// Adds the price of the file to a path, and what its plan has to know.
    unsafe fn charge(&self, path: *mut pg_sys::CustomPath, price: f64, order: &[Key]) {
        // SAFETY: a fresh path of ours
        unsafe {
            (*path).path.total_cost += price;
            let price = cold_jit::write(price);
            let private = pg_sys::lappend(std::ptr::null_mut(), price.cast());
            (*path).custom_private = pg_sys::lappend(private, cold_plan::write_order(order).cast());
        }
    }

    /// Startup is free on purpose: an ordered Append sums its children's startup costs, and a file
    /// that is never asked for a row is never opened.
    unsafe fn path(&self, outer: pg_sys::Relids) -> *mut pg_sys::CustomPath {
        // SAFETY: a fresh node; rel is the planner's valid struct
        unsafe {
            let rel = self.rel;
            let path = super::cold_scan::METHODS.new_path(rel);
            let parameters = pg_sys::get_baserel_parampathinfo(self.root, rel, outer);
            (*path).path.param_info = parameters;
            let rows = if parameters.is_null() {
                (*rel).rows
            } else {
                (*parameters).ppi_rows
            };
            let rows = if self.pricing.is_skipped() { 1.0 } else { rows };
            (*path).path.rows = rows;
            (*path).path.parallel_safe = (*rel).consider_parallel;
            (*path).path.startup_cost = 0.0;
            (*path).path.total_cost =
                rows * (pg_sys::cpu_tuple_cost + 2.0 * pg_sys::cpu_operator_cost);
            (*path).flags = pg_sys::CUSTOMPATH_SUPPORT_PROJECTION;
            path
        }
    }
}

/// The sort keys of the query, as far as they are plain columns that SQLite sorts in the same way,
/// from the first on.
///
/// # Safety
/// The planner's own structures.
pub(super) unsafe fn wanted_order(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    manifest: &Manifest,
) -> Vec<Key> {
    // SAFETY: walks the planner's own lists
    unsafe {
        list::pointers::<pg_sys::PathKey>((*root).query_pathkeys)
            .map_while(|key| wanted_key(rel, manifest, key))
            .collect()
    }
}

unsafe fn wanted_key(
    rel: *mut pg_sys::RelOptInfo,
    manifest: &Manifest,
    key: *mut pg_sys::PathKey,
) -> Option<Key> {
    // SAFETY: as above
    unsafe {
        let class = (*key).pk_eclass;
        if (*class).ec_has_volatile {
            return None;
        }
        let member = *super::compat::class_members(class, rel).first()?;
        let var = plain_var((*member).em_expr.cast(), (*rel).relid)?;
        let encoding = super::cold_datum::encoding_of((*var).vartype);
        let collation = (*class).ec_collation;
        let column = manifest.column((*var).varattno)?;
        let same = btree_family((*var).vartype) == Some((*key).pk_opfamily)
            && encoding.order_exact(bytewise(collation));
        let readable = column.physical.is_some() && !column.mixed;
        (same && readable && column.encoding == encoding).then(|| Key {
            attnum: (*var).varattno,
            descending: super::compat::is_descending(key),
            nulls_first: (*key).pk_nulls_first,
            collation: collation.to_u32(),
        })
    }
}

/// The column that a clause holds at one value.
pub(super) fn fixed_column(clause: &Clause) -> Option<i16> {
    match &clause.tree {
        Tree::Leaf(leaf) if leaf.test == Test::Compare(Op::Eq) && clause.class == Class::Exact => {
            Some(leaf.attnum)
        }
        _ => None,
    }
}
