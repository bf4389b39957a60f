//! Nested loops with a cold chunk on the inner side: which relations may hand it values.
//!
//! An Append below a nested loop needs a path with the same outer relations from each child, also
//! where a child cannot search by the value: so each join clause that may move down counts.

use super::list;
use pgrx::{pg_guard, pg_sys};

/// More sets than these are not tried: each costs planning time in every chunk.
const MOST: usize = 8;

/// Sets of outer relations worth a path.
///
/// # Safety
/// Called by the planner with its own structures, after the equivalence classes are complete.
pub(super) unsafe fn outer_relations(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
) -> Vec<pg_sys::Relids> {
    // SAFETY: promised by the caller
    unsafe {
        let mut found = Found {
            rel,
            sets: vec![],
            all: std::ptr::null_mut(),
        };
        for info in list::pointers((*rel).joininfo) {
            found.add(info);
        }
        if (*rel).has_eclass_joins {
            let mut search = Search {
                current: std::ptr::null_mut(),
                used: vec![],
            };
            loop {
                search.current = std::ptr::null_mut();
                let clauses = pg_sys::generate_implied_equalities_for_column(
                    root,
                    rel,
                    Some(matches_expression),
                    (&raw mut search).cast(),
                    (*rel).lateral_referencers,
                );
                if search.current.is_null() {
                    break;
                }
                for info in list::pointers(clauses) {
                    found.add(info);
                }
                search.used.push(search.current);
            }
        }
        // values from several relations at once
        if found.sets.len() > 1 && !found.knows(found.all) {
            found.sets.push(found.all);
        }
        found.sets
    }
}

struct Found {
    rel: *mut pg_sys::RelOptInfo,
    sets: Vec<pg_sys::Relids>,
    all: pg_sys::Relids,
}

impl Found {
    unsafe fn knows(&self, set: pg_sys::Relids) -> bool {
        // SAFETY: sets of the planner
        self.sets
            .iter()
            .any(|known| unsafe { pg_sys::bms_equal(*known, set) })
    }

    unsafe fn add(&mut self, info: *mut pg_sys::RestrictInfo) {
        // SAFETY: the planner's own structures; the sets are fresh
        unsafe {
            if self.sets.len() >= MOST || !pg_sys::join_clause_is_movable_to(info, self.rel) {
                return;
            }
            let outer = pg_sys::bms_union((*info).clause_relids, (*self.rel).lateral_relids);
            let outer = pg_sys::bms_del_member(outer, (*self.rel).relid as i32);
            if pg_sys::bms_num_members(outer) == 0 || self.knows(outer) {
                return;
            }
            self.all = pg_sys::bms_union(self.all, outer);
            self.sets.push(outer);
        }
    }
}

struct Search {
    current: *mut pg_sys::Expr,
    used: Vec<*mut pg_sys::Expr>,
}

/// Takes the first expression of the relation that was not taken before, then only that one.
#[pg_guard]
unsafe extern "C-unwind" fn matches_expression(
    _root: *mut pg_sys::PlannerInfo,
    _rel: *mut pg_sys::RelOptInfo,
    _class: *mut pg_sys::EquivalenceClass,
    member: *mut pg_sys::EquivalenceMember,
    search: *mut core::ffi::c_void,
) -> bool {
    // SAFETY: the planner hands on what outer_relations gave it
    unsafe {
        let search = &mut *search.cast::<Search>();
        let expr = (*member).em_expr;
        let same = |other: *mut pg_sys::Expr| pg_sys::equal(expr.cast(), other.cast());
        if !search.current.is_null() {
            return same(search.current);
        }
        if search.used.iter().any(|used| same(*used)) {
            return false;
        }
        search.current = expr;
        true
    }
}
