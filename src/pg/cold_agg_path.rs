//! Planning: aggregates of a hypertable as states of its chunks, those of cold chunks by ColdAgg.
//!
//! `Finalize Aggregate -> Append (Partial Aggregate (hot chunk), ColdAgg (file, and below it Partial
//! Aggregate (ColdScan), which aggregates late rows))`: one child for each chunk, so that chunks are
//! pruned at run time like those of a plain Append.

use super::cold_agg_groups::{self, Expected};
use super::cold_agg_target::{self, Wanted};
use super::cold_clause;
use super::cold_cost::Pricing;
use super::cold_path::cold_manifest;
use super::{cold_jit, list};
use crate::cold::aggregate;
use crate::cold::manifest::Manifest;
use crate::cold::pushdown::Class;
use pgrx::pg_sys;

/// create_upper_paths at UPPERREL_GROUP_AGG: adds a path in which files aggregate their own rows.
///
/// # Safety
/// Called by the planner with its own structures.
pub unsafe fn group_paths(
    root: *mut pg_sys::PlannerInfo,
    input: *mut pg_sys::RelOptInfo,
    grouped: *mut pg_sys::RelOptInfo,
    extra: *mut pg_sys::GroupPathExtraData,
) {
    // SAFETY: the planner's own, valid structs
    unsafe {
        if !super::guc::COLD_PUSHDOWN.get() || !is_simple(root, input, grouped, extra) {
            return;
        }
        let parse = (*root).parse;
        let target = cold_agg_target::partial(root, (*grouped).reltarget, (*extra).havingQual);
        let Some(wanted) = cold_agg_target::wanted(root, target, (*input).relid) else {
            return;
        };
        let mut chunks = Chunks {
            root,
            groups: cold_agg_groups::expected(root, input, target, &wanted),
            costs: costs(root, pg_sys::AggSplit::AGGSPLIT_INITIAL_SERIAL),
            paths: std::ptr::null_mut(),
            files: 0,
        };
        if !chunks.add(input, target) || chunks.files == 0 {
            return;
        }
        let last = pg_sys::create_agg_path(
            root,
            grouped,
            together(root, input, chunks.paths, target),
            (*grouped).reltarget,
            strategy(root),
            pg_sys::AggSplit::AGGSPLIT_FINAL_DESERIAL,
            (*parse).groupClause,
            (*extra).havingQual.cast(),
            &costs(root, pg_sys::AggSplit::AGGSPLIT_FINAL_DESERIAL),
            chunks.groups.all,
        );
        pg_sys::add_path(grouped, last.cast());
    }
}

/// The states of all chunks, one after the other.
unsafe fn together(
    root: *mut pg_sys::PlannerInfo,
    input: *mut pg_sys::RelOptInfo,
    paths: *mut pg_sys::List,
    target: *mut pg_sys::PathTarget,
) -> *mut pg_sys::Path {
    // SAFETY: the planner's own, valid structs; paths are those of its partitions
    unsafe {
        if (*input).part_rels.is_null() {
            let mut only = list::pointers(paths);
            return only.next().unwrap_or(std::ptr::null_mut());
        }
        let none = std::ptr::null_mut();
        // not of the upper relation: the table's conditions prune chunks at run time
        let all = pg_sys::create_append_path(
            root,
            input,
            paths,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            none,
            0,
            false,
            -1.0,
        );
        (*all).path.pathtarget = target;
        all.cast()
    }
}

/// One table, aggregates that can be split, groups that can be hashed.
unsafe fn is_simple(
    root: *mut pg_sys::PlannerInfo,
    input: *mut pg_sys::RelOptInfo,
    grouped: *mut pg_sys::RelOptInfo,
    extra: *mut pg_sys::GroupPathExtraData,
) -> bool {
    // SAFETY: the planner's own, valid structs
    unsafe {
        let parse = (*root).parse;
        let flags = |wanted: u32| (*extra).flags as u32 & wanted != 0;
        (*grouped).reloptkind == pg_sys::RelOptKind::RELOPT_UPPER_REL
            && (*input).reloptkind == pg_sys::RelOptKind::RELOPT_BASEREL
            && (*input).rtekind == pg_sys::RTEKind::RTE_RELATION
            && (*input).lateral_relids.is_null()
            && !extra.is_null()
            && flags(pg_sys::GROUPING_CAN_PARTIAL_AGG)
            && (*parse).groupingSets.is_null()
            && !(*parse).hasTargetSRFs
            && ((*parse).groupClause.is_null()
                || (flags(pg_sys::GROUPING_CAN_USE_HASH)
                    && pg_sys::grouping_is_hashable((*parse).groupClause)))
    }
}

unsafe fn strategy(root: *mut pg_sys::PlannerInfo) -> pg_sys::AggStrategy::Type {
    // SAFETY: the planner's own query
    if unsafe { (*(*root).parse).groupClause.is_null() } {
        pg_sys::AggStrategy::AGG_PLAIN
    } else {
        pg_sys::AggStrategy::AGG_HASHED
    }
}

unsafe fn costs(
    root: *mut pg_sys::PlannerInfo,
    split: pg_sys::AggSplit::Type,
) -> pg_sys::AggClauseCosts {
    let mut costs = pg_sys::AggClauseCosts::default();
    // SAFETY: the planner's own struct; the costs live on this stack
    unsafe { super::ffi::get_agg_clause_costs(root, split, &mut costs) };
    costs
}

/// Paths that give states, one for each chunk.
struct Chunks {
    root: *mut pg_sys::PlannerInfo,
    groups: Expected,
    costs: pg_sys::AggClauseCosts,
    paths: *mut pg_sys::List,
    /// how many of them ask a file
    files: usize,
}

impl Chunks {
    /// False: there is something that cannot be split.
    unsafe fn add(
        &mut self,
        rel: *mut pg_sys::RelOptInfo,
        target: *mut pg_sys::PathTarget,
    ) -> bool {
        // SAFETY: the planner's own, valid structs
        unsafe {
            if pg_sys::is_dummy_rel(rel) {
                return true;
            }
            let rte = *(*self.root).simple_rte_array.add((*rel).relid as usize);
            if (*rte).inh {
                return self.add_children(rel, target);
            }
            let path = (*rel).cheapest_total_path;
            if path.is_null() || !(*path).param_info.is_null() {
                return false;
            }
            let path = match self.cold(rel, (*rte).relid, target) {
                Some(path) => {
                    self.files += 1;
                    path
                }
                None => self.aggregated(rel, path, target),
            };
            self.paths = pg_sys::lappend(self.paths, path.cast());
            true
        }
    }

    unsafe fn add_children(
        &mut self,
        rel: *mut pg_sys::RelOptInfo,
        target: *mut pg_sys::PathTarget,
    ) -> bool {
        // SAFETY: as above; part_rels has nparts entries
        unsafe {
            let partitioned = !(*rel).part_scheme.is_null()
                && !(*rel).boundinfo.is_null()
                && (*rel).nparts > 0
                && !(*rel).part_rels.is_null();
            if !partitioned {
                return false;
            }
            let mut n = -1;
            loop {
                n = pg_sys::bms_next_member((*rel).live_parts, n);
                if n < 0 {
                    return true;
                }
                let child = *(*rel).part_rels.add(n as usize);
                if !child.is_null() && !self.add(child, self.translated(child, target)) {
                    return false;
                }
            }
        }
    }

    /// The target with the columns of a partition, as the planner's own for children.
    unsafe fn translated(
        &self,
        child: *mut pg_sys::RelOptInfo,
        target: *mut pg_sys::PathTarget,
    ) -> *mut pg_sys::PathTarget {
        // SAFETY: as above
        unsafe {
            let mut n = 0;
            let infos = pg_sys::find_appinfos_by_relids(self.root, (*child).relids, &mut n);
            let copy = pg_sys::copy_pathtarget(target);
            let exprs = (*copy).exprs.cast();
            (*copy).exprs = pg_sys::adjust_appendrel_attrs(self.root, exprs, n, infos).cast();
            copy
        }
    }

    unsafe fn aggregated(
        &self,
        rel: *mut pg_sys::RelOptInfo,
        path: *mut pg_sys::Path,
        target: *mut pg_sys::PathTarget,
    ) -> *mut pg_sys::Path {
        // SAFETY: as above
        unsafe {
            pg_sys::create_agg_path(
                self.root,
                rel,
                path,
                target,
                strategy(self.root),
                pg_sys::AggSplit::AGGSPLIT_INITIAL_SERIAL,
                (*(*self.root).parse).groupClause,
                std::ptr::null_mut(),
                &self.costs,
                self.groups.each.min((*path).rows.max(1.0)),
            )
            .cast()
        }
    }

    /// ColdAgg for a cold chunk whose file can do all that is asked.
    unsafe fn cold(
        &self,
        rel: *mut pg_sys::RelOptInfo,
        relation: pg_sys::Oid,
        target: *mut pg_sys::PathTarget,
    ) -> Option<*mut pg_sys::Path> {
        // SAFETY: as above; a fresh node
        unsafe {
            let manifest = cold_manifest(relation)?;
            let wanted = cold_agg_target::wanted(self.root, target, (*rel).relid)?;
            let infos = (*rel).baserestrictinfo;
            let clauses = cold_clause::read(self.root, rel, &manifest, infos);
            let exact = clauses.list.iter().all(|c| c.class == Class::Exact);
            let served = wanted
                .iter()
                .all(|(output, encoding)| aggregate::serves(&manifest, *output, *encoding));
            if !exact || !served {
                return None;
            }
            let late = late_rows((*rel).cheapest_total_path)?;
            let pricing = Pricing::new(self.root, rel, &manifest, &clauses);
            let cost = if from_manifest(&manifest, &wanted) && clauses.list.is_empty() {
                0.0
            } else {
                let rows = (*rel).rows * wanted.len() as f64;
                pricing.plain(&clauses.list) + rows * pg_sys::cpu_operator_cost
            };
            let path = super::cold_agg::METHODS.new_path(rel);
            (*path).path.pathtarget = target;
            (*path).path.parallel_safe = (*rel).consider_parallel;
            (*path).path.rows = self.groups.each.min((*rel).rows.max(1.0));
            let child = self.aggregated(rel, late, target);
            (*path).path.total_cost =
                cost + (*child).total_cost + (*path).path.rows * pg_sys::cpu_tuple_cost;
            (*path).custom_paths = pg_sys::lappend(std::ptr::null_mut(), child.cast());
            let mut numbers = vec![];
            wanted.iter().for_each(|(o, _)| o.write(&mut numbers));
            let private = pg_sys::lappend(std::ptr::null_mut(), cold_jit::write(cost).cast());
            (*path).custom_private = pg_sys::lappend(private, list::ints(&numbers).cast());
            Some(path.cast())
        }
    }
}

fn from_manifest(manifest: &Manifest, wanted: &[Wanted]) -> bool {
    let outputs: Vec<aggregate::Output> = wanted.iter().map(|(o, _)| *o).collect();
    aggregate::from_manifest(manifest, &outputs).is_some()
}

/// The scan of a chunk as one that gives late rows: the same path at another price.
unsafe fn late_rows(path: *mut pg_sys::Path) -> Option<*mut pg_sys::Path> {
    // SAFETY: a path of the planner, cast by its tag; the copies are palloc'd
    unsafe {
        let copy = if super::cold_scan::METHODS.is_path(path) {
            copied(path.cast::<pg_sys::CustomPath>()).cast::<pg_sys::Path>()
        } else if (*path).type_ == pg_sys::NodeTag::T_ProjectionPath {
            let projection = copied(path.cast::<pg_sys::ProjectionPath>());
            (*projection).subpath = late_rows((*projection).subpath)?;
            projection.cast()
        } else {
            return None;
        };
        (*copy).rows = 1.0;
        (*copy).startup_cost = 0.0;
        (*copy).total_cost = pg_sys::cpu_tuple_cost;
        Some(copy)
    }
}

unsafe fn copied<T>(node: *const T) -> *mut T {
    // SAFETY: a fresh piece of memory of the right size
    unsafe {
        let copy = pg_sys::palloc(size_of::<T>()).cast::<T>();
        std::ptr::copy_nonoverlapping(node, copy, 1);
        copy
    }
}
