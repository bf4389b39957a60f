//! Files far away below a Parallel Append: what is lost there weighs against it.
//!
//! One process asks the next files ahead, and waits for several at once. Below a Parallel Append nobody
//! knows who will take the next file, and what one process has fetched is of no use to another: there a
//! worker waits for one file after the other. The planner, which shares out the waiting among the workers
//! and knows of no reading ahead, would always choose that.

use super::{cold_jit, cold_scan, guc, list};
use pgrx::pg_sys;

/// So many of these files are waited for at a time where they are asked ahead.
pub(super) fn together(files: f64) -> f64 {
    let ahead = f64::from(guc::COLD_PREFETCH.get().max(0));
    (ahead + 1.0).min(files).max(1.0)
}

/// set_rel_pathlist of a table with children: the waiting of each worker costs as much more as less of it
/// overlaps.
///
/// # Safety
/// Called by the planner with its own structures.
pub(super) unsafe fn charge(rel: *mut pg_sys::RelOptInfo) {
    // SAFETY: the planner's own, valid structs; paths are told apart by their tags
    unsafe {
        let mut changed = false;
        for path in list::pointers::<pg_sys::Path>((*rel).partial_pathlist) {
            if (*path).type_ != pg_sys::NodeTag::T_AppendPath || !(*path).parallel_aware {
                continue;
            }
            let (mut files, mut waiting) = (0.0, 0.0);
            let append = path.cast::<pg_sys::AppendPath>();
            for child in list::pointers::<pg_sys::Path>((*append).subpaths) {
                if let Some(price) = far_away(child) {
                    files += 1.0;
                    waiting += price;
                }
            }
            let more = waiting * (together(files) - 1.0);
            if more > 0.0 {
                (*path).total_cost += more / f64::from((*path).parallel_workers.max(1));
                changed = true;
            }
        }
        if changed {
            sort(rel);
        }
    }
}

/// The planner takes the first for the cheapest.
unsafe fn sort(rel: *mut pg_sys::RelOptInfo) {
    // SAFETY: as above
    unsafe {
        let mut paths: Vec<_> = list::pointers::<pg_sys::Path>((*rel).partial_pathlist).collect();
        paths.sort_by(|a, b| (**a).total_cost.total_cmp(&(**b).total_cost));
        let fresh = paths.into_iter().fold(std::ptr::null_mut(), |list, path| {
            pg_sys::lappend(list, path.cast())
        });
        (*rel).partial_pathlist = fresh;
    }
}

/// The price of a file behind a network, if that is what a path reads.
unsafe fn far_away(path: *mut pg_sys::Path) -> Option<f64> {
    // SAFETY: as above
    unsafe {
        if (*path).type_ == pg_sys::NodeTag::T_ProjectionPath {
            return far_away((*path.cast::<pg_sys::ProjectionPath>()).subpath);
        }
        if !cold_scan::METHODS.is_path(path) {
            return None;
        }
        cold_jit::first((*path.cast::<pg_sys::CustomPath>()).custom_private).far_away()
    }
}
