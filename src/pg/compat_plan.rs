//! Planner structures that differ between PostgreSQL 15 and 18.

use pgrx::pg_sys;

/// A restriction on a base relation, as if it had stood in WHERE.
///
/// # Safety
/// `clause` must mention base relations of `root` only, outside of any outer join.
pub(super) unsafe fn restriction(
    root: *mut pg_sys::PlannerInfo,
    clause: *mut pg_sys::Expr,
    security_level: pg_sys::Index,
) -> *mut pg_sys::RestrictInfo {
    let null = std::ptr::null_mut();
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::make_restrictinfo(
            root,
            clause,
            true,
            false,
            false,
            security_level,
            null,
            null,
            null,
        )
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::make_restrictinfo(
            root,
            clause,
            true,
            false,
            false,
            false,
            security_level,
            null,
            null,
            null,
        )
    }
}

/// Makes a clause sort upwards by this operator, NULLs last. 18 keeps the direction apart from the operator.
///
/// # Safety
/// A clause that may be changed; `less` is a less-than operator for its type.
pub(super) unsafe fn sort_upwards(clause: *mut pg_sys::SortGroupClause, less: pg_sys::Oid) {
    // SAFETY: promised by the caller
    unsafe {
        (*clause).sortop = less;
        (*clause).nulls_first = false;
        #[cfg(feature = "pg18")]
        {
            (*clause).reverse_sort = false;
        }
    }
}

/// Gives the only table of a window's query what the outer query has for it: before 16 the permissions
/// lie in the range table entry and were checked there, since then an entry of their own is expected.
///
/// # Safety
/// `rte` must be a copy of an entry of `parse`, and belong to `query`.
pub(super) unsafe fn carry_permissions(
    query: *mut pg_sys::Query,
    rte: *mut pg_sys::RangeTblEntry,
    parse: *mut pg_sys::Query,
) {
    #[cfg(feature = "pg15")]
    // SAFETY: promised by the caller
    unsafe {
        let _ = (query, parse);
        (*rte).requiredPerms = 0;
    }
    #[cfg(not(feature = "pg15"))]
    // SAFETY: promised by the caller
    unsafe {
        let info = pg_sys::getRTEPermissionInfo((*parse).rteperminfos, rte);
        let info = pg_sys::copyObjectImpl(info.cast());
        (*query).rteperminfos = pg_sys::lappend(std::ptr::null_mut(), info);
        (*rte).perminfoindex = 1;
    }
}

/// Whose rights count when the permissions are looked at again: the user's who started the statement.
///
/// # Safety
/// `query` must come from [`carry_permissions`].
pub(super) unsafe fn set_user(query: *mut pg_sys::Query, user: pg_sys::Oid) {
    #[cfg(feature = "pg15")]
    let _ = (query, user);
    #[cfg(not(feature = "pg15"))]
    // SAFETY: promised by the caller
    unsafe {
        use super::list::pointers;
        for info in pointers::<pg_sys::RTEPermissionInfo>((*query).rteperminfos) {
            if (*info).checkAsUser == pg_sys::InvalidOid {
                (*info).checkAsUser = user;
            }
        }
    }
}

/// What a path costs, and how many rows it gives.
pub(super) struct PathCost {
    pub(super) rows: f64,
    pub(super) startup: f64,
    pub(super) total: f64,
}

/// A path of a foreign table. 17 has conditions of a join that is pushed down, 18 counts disabled nodes.
///
/// # Safety
/// The planner's own structures.
pub(super) unsafe fn foreign_path(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    cost: &PathCost,
    keys: *mut pg_sys::List,
    outer: pg_sys::Relids,
    private: *mut pg_sys::List,
) -> *mut pg_sys::ForeignPath {
    let target = std::ptr::null_mut();
    let path = std::ptr::null_mut();
    let PathCost {
        rows,
        startup,
        total,
    } = *cost;
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: promised by the caller
    unsafe {
        pg_sys::create_foreignscan_path(
            root, rel, target, rows, startup, total, keys, outer, path, private,
        )
    }
    #[cfg(feature = "pg17")]
    // SAFETY: promised by the caller
    unsafe {
        let joined = std::ptr::null_mut();
        pg_sys::create_foreignscan_path(
            root, rel, target, rows, startup, total, keys, outer, path, joined, private,
        )
    }
    #[cfg(feature = "pg18")]
    // SAFETY: promised by the caller
    unsafe {
        let joined = std::ptr::null_mut();
        pg_sys::create_foreignscan_path(
            root, rel, target, rows, 0, startup, total, keys, outer, path, joined, private,
        )
    }
}

/// Whose user mapping a foreign scan goes by: the role that permissions are checked for.
///
/// # Safety
/// A node of the executor.
pub(super) unsafe fn foreign_user(node: *mut pg_sys::ForeignScanState) -> pg_sys::Oid {
    // SAFETY: promised by the caller
    let user = unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        #[cfg(feature = "pg15")]
        {
            let table = (*(*node).ss.ps.state).es_range_table;
            let entry = ((*plan).scan.scanrelid - 1) as usize;
            let rte = super::list::pointers::<pg_sys::RangeTblEntry>(table).nth(entry);
            rte.map_or(pg_sys::InvalidOid, |rte| (*rte).checkAsUser)
        }
        #[cfg(not(feature = "pg15"))]
        {
            (*plan).checkAsUser
        }
    };
    if user == pg_sys::InvalidOid {
        return super::catalog::current_user();
    }
    user
}
