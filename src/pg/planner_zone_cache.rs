//! What this backend knows of closed chunks: the range of the time column in each.

use super::cold_state::raise;
use super::list;
use super::managed;
use super::owner::as_extension_owner;
use super::planner::{btree_family, kind_of};
use super::planner_clause::{plain_var, strategy};
use super::planner_now::constant;
use super::planner_zone::raw;
use super::spi;
use crate::error::Result;
use crate::hypertable::predicate::{Kind, Op};
use pgrx::pg_sys;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ffi::CString;
use std::rc::Rc;

/// Least and greatest time, by chunk.
pub(super) type Zones = HashMap<u32, (i64, i64)>;

/// Zones that plans may rest on, with their numbers; older ones are forgotten.
const KEPT: usize = 256;

const CHECKS: &str = "
SELECT c.conrelid, a.attnum, c.conbin::text
FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_constraint c ON c.conrelid = i.inhrelid AND c.conname = 'strata_zone' AND c.contype = 'c' AND c.convalidated
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.inhrelid AND a.attname = $2::name AND NOT a.attisdropped
WHERE i.inhparent = $1";

#[derive(Clone)]
struct Known {
    relation: u32,
    stamp: u32,
    zones: Rc<Zones>,
}

thread_local! {
    static CACHE: RefCell<HashMap<u32, Known>> = RefCell::new(HashMap::new());
    static HISTORY: RefCell<VecDeque<Known>> = const { RefCell::new(VecDeque::new()) };
    static GENERATION: Cell<u64> = const { Cell::new(0) };
    static NEXT: Cell<u32> = const { Cell::new(1) };
}

/// Drops what is not known any more; called for each invalidation of a relation, or of all.
pub(super) fn on_invalidation(relation: pg_sys::Oid) {
    GENERATION.set(GENERATION.get().wrapping_add(1));
    CACHE.with(|cache| {
        if let Ok(mut cache) = cache.try_borrow_mut() {
            let oid = relation.to_u32();
            cache.retain(|table, known| {
                relation != pg_sys::InvalidOid && *table != oid && !known.zones.contains_key(&oid)
            });
        }
    });
}

/// The zones of a table as of now, and the number under which they are kept.
pub(super) fn zones(relation: pg_sys::Oid) -> Option<(Rc<Zones>, u32)> {
    let known = current(relation)?;
    Some((known.zones, known.stamp))
}

fn current(relation: pg_sys::Oid) -> Option<Known> {
    // from its first call on that module hears of invalidations
    let table = managed::of(relation).unwrap_or_else(|e| raise(e))?;
    let column = table.time_column.clone()?;
    if let Some(known) = CACHE.with_borrow(|cache| cache.get(&relation.to_u32()).cloned()) {
        return Some(known);
    }
    let before = GENERATION.get();
    let zones = match load(relation, &column) {
        Ok(zones) => zones,
        Err(e) => raise(e),
    };
    let known = Known {
        relation: relation.to_u32(),
        stamp: NEXT.replace(NEXT.get().wrapping_add(1)),
        zones: Rc::new(zones),
    };
    HISTORY.with_borrow_mut(|history| {
        history.push_back(known.clone());
        if history.len() > KEPT {
            history.pop_front();
        }
    });
    if GENERATION.get() == before {
        CACHE.with_borrow_mut(|cache| cache.insert(known.relation, known.clone()));
    }
    Some(known)
}

fn load(relation: pg_sys::Oid, column: &str) -> Result<Zones> {
    let rows = as_extension_owner(|| {
        spi::read_latest(CHECKS, &[relation.into(), column.into()], |row| {
            Ok((
                row.get::<pg_sys::Oid>(1)?,
                row.get::<i16>(2)?,
                row.get::<String>(3)?,
            ))
        })
    })?;
    let mut zones = Zones::new();
    for (chunk, attnum, tree) in rows {
        let (Some(chunk), Some(attnum), Some(tree)) = (chunk, attnum, tree) else {
            continue;
        };
        // SAFETY: the stored form of a condition, as the catalog has it
        let range = CString::new(tree)
            .ok()
            .and_then(|tree| unsafe { range_of(&tree, attnum) });
        if let Some(range) = range {
            zones.insert(chunk.to_u32(), range);
        }
    }
    Ok(zones)
}

/// Whether no closed chunk was opened since these zones were read, as far as anybody committed.
pub(super) fn zones_still_hold(stamp: u32) -> bool {
    // SAFETY: in a transaction; callbacks drop what has changed
    unsafe { pg_sys::AcceptInvalidationMessages() };
    let found = HISTORY.with_borrow(|history| history.iter().find(|k| k.stamp == stamp).cloned());
    let Some(old) = found else {
        return false;
    };
    let Some(new) = current(old.relation.into()) else {
        return true; // no hypertable any more: a plain table with what it has
    };
    new.stamp == old.stamp
        || old.zones.iter().all(|(chunk, (least, greatest))| {
            match new.zones.get(chunk) {
                Some((l, g)) => l >= least && g <= greatest,
                // opened, unless it is a chunk no longer
                // SAFETY: a look-up in the system cache
                None => unsafe { !pg_sys::get_rel_relispartition((*chunk).into()) },
            }
        })
}

/// Range of a column by a CHECK: `column >= constant AND column <= constant`.
///
/// # Safety
/// `tree` must be the stored form of a condition.
unsafe fn range_of(tree: &std::ffi::CStr, attnum: i16) -> Option<(i64, i64)> {
    // SAFETY: written by nodeToString; tags are checked before each cast
    unsafe {
        let (mut least, mut greatest) = (None, None);
        let mut left = vec![pg_sys::stringToNode(tree.as_ptr()).cast::<pg_sys::Node>()];
        while let Some(node) = left.pop() {
            if node.is_null() {
                continue;
            }
            if (*node).type_ == pg_sys::NodeTag::T_BoolExpr {
                let and = node.cast::<pg_sys::BoolExpr>();
                if (*and).boolop == pg_sys::BoolExprType::AND_EXPR {
                    left.extend(list::pointers::<pg_sys::Node>((*and).args));
                }
                continue;
            }
            let Some((op, kind, value)) = constant_side(node, attnum) else {
                continue;
            };
            match op {
                Op::Ge => least = Some(raw(kind, value)),
                Op::Le => greatest = Some(raw(kind, value)),
                _ => {}
            }
        }
        least.zip(greatest)
    }
}

unsafe fn constant_side(node: *mut pg_sys::Node, attnum: i16) -> Option<(Op, Kind, pg_sys::Datum)> {
    // SAFETY: nodes are valid and tagged; inside a constraint the table has number 1
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_OpExpr {
            return None;
        }
        let expr = node.cast::<pg_sys::OpExpr>();
        let args: Vec<*mut pg_sys::Node> = list::pointers((*expr).args).collect();
        let &[left, right] = args.as_slice() else {
            return None;
        };
        let var = plain_var(left, 1).filter(|v| (**v).varattno == attnum)?;
        let op = strategy((*expr).opno, btree_family((*var).vartype))?;
        if pg_sys::exprType(right) != (*var).vartype {
            return None;
        }
        Some((op, kind_of((*var).vartype)?, constant(right)?))
    }
}
