//! Questions about types: whether they have an order, and whether their text form can be read back.

use super::cold_datum::base_type;
use pgrx::pg_sys;

/// Types whose input function only raises an error (pg_type.dat: pg_node_tree, pg_ndistinct, pg_dependencies,
/// pg_mcv_list, pg_ddl_command, gtsvector, pg_brin_bloom_summary, pg_brin_minmax_multi_summary).
const ONE_WAY: [u32; 8] = [194, 3361, 3402, 5017, 32, 3642, 4600, 4601];

/// The type below domains, and below arrays of it.
fn innermost(type_oid: pg_sys::Oid) -> pg_sys::Oid {
    let mut found = base_type(type_oid, -1).0;
    loop {
        // SAFETY: a syscache look-up; InvalidOid for what is no array
        let element = unsafe { pg_sys::get_base_element_type(found) };
        if element == pg_sys::InvalidOid {
            return found;
        }
        found = base_type(element, -1).0;
    }
}

/// True when values of the type can be written as text, but not read.
pub fn is_one_way(type_oid: u32) -> bool {
    ONE_WAY.contains(&innermost(type_oid.into()).to_u32())
}

/// `<` of the type's default btree class; `None` when it has none.
pub fn less_than(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    // SAFETY: the entry lives as long as the process
    let operator =
        unsafe { (*pg_sys::lookup_type_cache(type_oid, pg_sys::TYPECACHE_LT_OPR as i32)).lt_opr };
    (operator != pg_sys::InvalidOid).then_some(operator)
}

/// True when values of the type can be sorted.
pub fn has_order(type_oid: u32) -> bool {
    less_than(type_oid.into()).is_some()
}
