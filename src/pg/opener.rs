//! The opener: a node under the ModifyTable of an UPDATE or MERGE that opens closed chunks.
//!
//! A closed chunk has a CHECK with the range of some columns, and an UPDATE may leave that range. Before the
//! first row of such a chunk is changed, a maker drops the CHECK. Rows that are inserted, or come from another
//! chunk, pass the router, which does the same.

use super::demand::{Demand, raise};
use super::managed;
use super::placed_node::{PlacedNode, is_empty};
use super::router::target;
use super::{ffi, maker, spi};
use crate::error::{Error, Kind, Result};
use pgrx::{pg_guard, pg_sys};
use std::ffi::CStr;

/// PostgreSQL's struct first; palloc'd, with nothing of Rust's inside.
#[repr(C)]
struct Opener {
    css: pg_sys::CustomScanState,
    child: *mut pg_sys::PlanState,
    node: *mut pg_sys::ModifyTableState,
    demand: Demand,
    /// column that tells the chunk of a row; 0: there is one chunk only
    column: i32,
    last: pg_sys::Oid,
}

static NODE: PlacedNode = PlacedNode::new(c"ChunkOpener", exec, end, None);

/// Puts an opener under the node, if its table may have closed chunks.
///
/// # Safety
/// `state` must be NULL or an initialised plan state that has not been run.
pub(super) unsafe fn visit(state: *mut pg_sys::PlanState, known: &Demand) {
    // SAFETY: promised by the caller
    unsafe {
        let Some((node, demand)) = target(state, Some(known)) else {
            return;
        };
        if (*node).operation == pg_sys::CmdType::CMD_INSERT {
            return;
        }
        match managed::rules(demand.relation()) {
            Ok(Some(rules)) if rules.closes() => put_under(node, demand),
            Ok(_) => {}
            Err(e) => raise(e),
        }
    }
}

unsafe fn put_under(node: *mut pg_sys::ModifyTableState, demand: Demand) {
    // SAFETY: the executor's own structures; everything new lives as long as the query
    unsafe {
        let source = (*node).ps.lefttree;
        let opener = NODE.put_under::<Opener>(node);
        (*opener).child = source;
        (*opener).node = node;
        (*opener).demand = demand;
        (*opener).column = (*node).mt_resultOidAttno;
    }
}

/// What ModifyTable calls for each row. No destructor may live in this frame.
#[allow(
    ffi_unwind_calls,
    reason = "a frame without destructors: an error of the source jumps over it, as over C"
)]
unsafe extern "C-unwind" fn exec(state: *mut pg_sys::PlanState) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: the executor's own node, which begins our struct; a slot has as many values as valid ones
    unsafe {
        let opener = state.cast::<Opener>();
        let slot = match (*(*opener).child).ExecProcNode {
            Some(next) => next((*opener).child),
            None => return std::ptr::null_mut(),
        };
        if is_empty(slot) {
            return slot;
        }
        let at = (*opener).column;
        let chunk = if at > 0 {
            if i32::from((*slot).tts_nvalid) < at {
                ffi::raw::slot_getsomeattrs_int(slot, at);
            }
            let at = (at - 1) as usize;
            // a row of MERGE without a match
            if *(*slot).tts_isnull.add(at) {
                return slot;
            }
            pg_sys::Oid::from((*(*slot).tts_values.add(at)).value() as u32)
        } else {
            (*(*(*(*opener).node).resultRelInfo).ri_RelationDesc).rd_id
        };
        if chunk != (*opener).last {
            (*opener).last = chunk;
            see(opener, chunk);
        }
        slot
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn see(opener: *mut Opener, chunk: pg_sys::Oid) {
    // SAFETY: called by the node's own function, inside a statement
    unsafe {
        let opener = &*opener;
        if opener.demand.must_open(chunk)
            && opener.may_leave(chunk)
            && let Err(e) = opener.open(chunk)
        {
            raise(e);
        }
    }
}

impl Opener {
    fn root(&self) -> *mut pg_sys::ResultRelInfo {
        // SAFETY: the node is initialised
        unsafe { (*self.node).rootResultRelInfo }
    }

    /// True when this statement may set a column that the chunk's CHECK is about.
    unsafe fn may_leave(&self, chunk: pg_sys::Oid) -> bool {
        // SAFETY: the entry is held while it is read; the chunk is locked by the statement
        unsafe {
            if (*self.node).operation != pg_sys::CmdType::CMD_UPDATE {
                return true;
            }
            let relation = pg_sys::RelationIdGetRelation(chunk);
            if relation.is_null() {
                return false;
            }
            let triggers = (*relation).trigdesc;
            // a trigger may set any column
            let touched = !triggers.is_null() && (*triggers).trig_update_before_row
                || self.sets_column_of_check(relation);
            pg_sys::RelationClose(relation);
            touched
        }
    }

    unsafe fn sets_column_of_check(&self, relation: pg_sys::Relation) -> bool {
        const OFFSET: i32 = pg_sys::FirstLowInvalidHeapAttributeNumber;
        // SAFETY: as of the caller
        unsafe {
            let root = self.root();
            let updated = pg_sys::ExecGetUpdatedCols(root, (*self.node).ps.state);
            let constraints = (*(*relation).rd_att).constr;
            if constraints.is_null() {
                return false;
            }
            let mut columns = std::ptr::null_mut();
            for i in 0..usize::from((*constraints).num_check) {
                let check = &*(*constraints).check.add(i);
                if CStr::from_ptr(check.ccname) == c"strata_zone" {
                    let condition = pg_sys::stringToNode(check.ccbin);
                    pg_sys::pull_varattnos(condition.cast(), 1, &mut columns);
                }
            }
            let mut member = -1;
            loop {
                member = pg_sys::bms_next_member(columns, member);
                if member < 0 {
                    return false;
                }
                let number = (member + OFFSET) as i16;
                let name = pg_sys::get_attname((*relation).rd_id, number, true);
                if name.is_null() {
                    return true;
                }
                let desc = (*(*root).ri_RelationDesc).rd_id;
                let in_root = i32::from(pg_sys::get_attnum(desc, name));
                let generated = pg_sys::get_attgenerated(desc, in_root as i16) != 0;
                if generated || pg_sys::bms_is_member(in_root - OFFSET, updated) {
                    return true;
                }
            }
        }
    }

    /// Has a maker drop the CHECK, and waits for it.
    unsafe fn open(&self, chunk: pg_sys::Oid) -> Result<()> {
        let relation = self.demand.relation();
        let Some(rules) = managed::rules(relation)? else {
            return Ok(());
        };
        // SAFETY: the target of the node is open
        unsafe {
            let root = (*self.root()).ri_RelationDesc;
            if !self.demand.is_clean() && Demand::needs_in_process(root) {
                return Err(Error::new(
                    Kind::NotInState,
                    format!(
                        "no closed chunk of hypertable \"{}\" can be changed inside this transaction",
                        rules.table_name()
                    ),
                )
                .detail("It has changed or locked the table, so that a background worker must not touch it.")
                .hint("commit first"));
            }
        }
        if let Some(at) = first_value(relation, chunk)? {
            maker::make(relation, &[rules.number(at)], rules.patience());
            // SAFETY: inside a transaction
            unsafe { pg_sys::AcceptInvalidationMessages() }
        }
        Ok(())
    }
}

const BOUND: &str = "WITH RECURSIVE up (rel, parent) AS (
  SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid OPERATOR(pg_catalog.=) $2
  UNION ALL SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i JOIN up u ON i.inhrelid OPERATOR(pg_catalog.=) u.parent)
SELECT c.relpartbound::text FROM up u JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) u.rel
WHERE u.parent OPERATOR(pg_catalog.=) $1";

/// A key value that belongs into the chunk that the table is, or is a part of.
fn first_value(hypertable: pg_sys::Oid, table: pg_sys::Oid) -> Result<Option<i64>> {
    use super::partition::BoundEnd;
    let args = [hypertable.into(), table.into()];
    let bound = spi::read_latest(BOUND, &args, |r| r.get::<String>(1))?;
    let bound = bound.into_iter().next().flatten();
    Ok(bound
        .and_then(|text| super::partition::range_bound(&text))
        .and_then(|ends| match ends {
            (BoundEnd::Value(lo), _) => Some(lo),
            (_, BoundEnd::Value(hi)) => Some(hi.saturating_sub(1)),
            _ => None,
        }))
}

/// No destructor may live in this frame.
#[allow(
    ffi_unwind_calls,
    reason = "a frame without destructors: an error jumps over it, as over C"
)]
unsafe extern "C-unwind" fn end(state: *mut pg_sys::CustomScanState) {
    // SAFETY: the executor's own node, which begins our struct; called once
    unsafe { ffi::raw::ExecEndNode((*state.cast::<Opener>()).child) }
}
