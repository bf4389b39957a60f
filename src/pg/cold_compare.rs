//! Which comparisons of PostgreSQL SQLite makes in the same way, by types and collations.

use super::cold_datum::{base_type, encoding_of, is_utf8};
use crate::cold::mapping::Encoding;
use crate::cold::pushdown::{Op, Test};
use pgrx::pg_sys;

/// Types whose text form is the same for equal values only (pg_type.dat): macaddr, macaddr8, bit,
/// varbit, pg_lsn.
const EQUAL_TEXTS: [u32; 5] = [829, 774, 1560, 1562, 3220];

/// True for collations that compare bytes, when the file holds the same bytes.
pub(super) fn bytewise(collation: pg_sys::Oid) -> bool {
    // SAFETY: plain look-ups of an existing collation
    collation != pg_sys::InvalidOid
        && is_utf8()
        && unsafe { super::compat_collation::compares_bytes(collation) }
}

pub(super) fn deterministic(collation: pg_sys::Oid) -> bool {
    // SAFETY: a syscache look-up of an existing collation
    collation != pg_sys::InvalidOid && unsafe { pg_sys::get_collation_isdeterministic(collation) }
}

/// The default btree operator family of a type (of its base type for domains).
pub(super) fn btree_family(type_oid: pg_sys::Oid) -> Option<pg_sys::Oid> {
    let (base, _) = base_type(type_oid, -1);
    // SAFETY: the type cache entry lives for the session
    let family = unsafe {
        (*pg_sys::lookup_type_cache(base, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32)).btree_opf
    };
    (family != pg_sys::InvalidOid).then_some(family)
}

/// How SQLite compares stored forms of these types: exactly, as a superset for equality, or not at all.
pub(super) fn comparison_of(
    column: pg_sys::Oid,
    value: pg_sys::Oid,
    collation: pg_sys::Oid,
    op: Op,
) -> Option<(Test, bool)> {
    let (encoding, other) = (encoding_of(column), encoding_of(value));
    let (base, other_base) = (base_type(column, -1).0, base_type(value, -1).0);
    match encoding {
        Encoding::TypeText if base == other_base && base == pg_sys::NUMERICOID => {
            Some((Test::Near(op), false))
        }
        Encoding::TypeText => {
            (op == Op::Eq && base == other_base && EQUAL_TEXTS.contains(&base.to_u32()))
                .then_some((Test::Compare(op), false))
        }
        Encoding::Text if other == Encoding::Text => {
            if op.is_ordering() {
                return bytewise(collation).then_some((Test::Compare(op), true));
            }
            // another encoding of the server may write two texts as one
            deterministic(collation).then_some((Test::Compare(op), is_utf8()))
        }
        _ if super::cold_value::is_promoted(other_base, base) => Some((Test::Compare(op), true)),
        _ => {
            let floats = [Encoding::Float4, Encoding::Float8];
            let same = encoding == other || (floats.contains(&encoding) && floats.contains(&other));
            let known = if op.is_ordering() {
                encoding.order_exact(false)
            } else {
                encoding.eq_exact()
            };
            (same && known).then_some((Test::Compare(op), true))
        }
    }
}

/// The operators by which a column of this type is sorted, ascending and descending.
pub(super) fn btree_operators(type_oid: pg_sys::Oid) -> (pg_sys::Oid, pg_sys::Oid) {
    let (base, _) = base_type(type_oid, -1);
    let wanted = pg_sys::TYPECACHE_LT_OPR | pg_sys::TYPECACHE_GT_OPR;
    // SAFETY: the type cache entry lives for the session
    unsafe {
        let entry = pg_sys::lookup_type_cache(base, wanted as i32);
        ((*entry).lt_opr, (*entry).gt_opr)
    }
}
