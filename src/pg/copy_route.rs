//! Which chunk a row of COPY belongs to: a search among the bounds, without asking the server for each
//! row. The server finds the leaf only once for each chunk.
#![allow(
    ffi_unwind_calls,
    reason = "errors pass over frames without destructors"
)]

use super::copy_demand;
use super::copy_leaf::{self, Leaf};
use super::copy_raw as raw;
use super::copy_run::Copy;
use pgrx::pg_sys::{self, *};
use std::ffi::{c_char, c_int};

/// The first fields of PartitionKeyData (utils/partcache.h), which the bindings do not know. The strategy
/// is one byte in 15 and four from 16 on: the pointers begin at byte 8 in both.
#[repr(C)]
pub(super) struct PartitionKey {
    strategy: [c_char; 8],
    partattrs: *mut AttrNumber,
    partexprs: *mut List,
    partopfamily: *mut Oid,
    partopcintype: *mut Oid,
    partsupfunc: *mut FmgrInfo,
    partcollation: *mut Oid,
}

/// Operator families whose order is that of the stored integers (pg_opfamily.dat).
const INTEGER_OPS: u32 = 1976;
const DATETIME_OPS: u32 = 434;

/// How a value of the key becomes an integer of the same order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Int2,
    Int4,
    Int8,
    /// only the server's own comparison will do
    Server,
}

/// Bounds of the chunks, as the current routing sees them. Plain data, see [`super::copy_raw`].
pub(super) struct Bounds {
    key: *mut PartitionKey,
    attno: usize,
    order: Order,
    desc: PartitionDesc,
    /// ends of ranges in order, without MAXVALUE
    ends: *mut i64,
    n: usize,
    /// one leaf for each partition, NULL until the first row
    leaves: *mut *mut Leaf,
    /// the leaf of the last row, and its range
    last: *mut Leaf,
    lo: i64,
    hi: i64,
    /// number of the partition that rows were last told to go to, and one; 0: none yet
    told: c_int,
}

impl Bounds {
    pub(super) const EMPTY: Bounds = Bounds {
        key: std::ptr::null_mut(),
        attno: 0,
        order: Order::Server,
        desc: std::ptr::null_mut(),
        ends: std::ptr::null_mut(),
        n: 0,
        leaves: std::ptr::null_mut(),
        last: std::ptr::null_mut(),
        lo: 0,
        hi: 0,
        told: 0,
    };
}

/// Sets up routing, and reads the bounds it will see.
///
/// # Safety
/// No leaf of an older routing may be in use.
pub(super) unsafe fn begin(c: *mut Copy) {
    // SAFETY: promised by the caller; everything lives in the query's memory
    unsafe {
        let estate = (*c).estate;
        let old = pg_sys::MemoryContextSwitchTo((*estate).es_query_cxt);
        (*c).routing = raw::ExecSetupPartitionTupleRouting(estate, (*c).rel);
        let desc = raw::PartitionDirectoryLookup((*estate).es_partition_directory, (*c).rel);
        let key = raw::RelationGetPartitionKey((*c).rel);
        let b = &raw mut (*c).bounds;
        (*b).key = key;
        (*b).attno = (*(*key).partattrs) as usize;
        (*b).order = order(key);
        (*b).desc = desc;
        let nparts = (*desc).nparts as usize;
        (*b).leaves = raw::palloc0(nparts.wrapping_add(1).wrapping_mul(8)).cast();
        (*b).last = std::ptr::null_mut();
        (*b).ends = std::ptr::null_mut();
        (*b).n = 0;
        if (*b).order != Order::Server && nparts > 0 {
            read_ends(b);
        }
        pg_sys::MemoryContextSwitchTo(old);
    }
}

unsafe fn order(key: *const PartitionKey) -> Order {
    // SAFETY: a key on one column
    unsafe {
        let family = (*(*key).partopfamily).to_u32();
        match *(*key).partopcintype {
            INT2OID if family == INTEGER_OPS => Order::Int2,
            INT4OID if family == INTEGER_OPS => Order::Int4,
            INT8OID if family == INTEGER_OPS => Order::Int8,
            DATEOID if family == DATETIME_OPS => Order::Int4,
            TIMESTAMPOID | TIMESTAMPTZOID if family == DATETIME_OPS => Order::Int8,
            _ => Order::Server,
        }
    }
}

unsafe fn read_ends(b: *mut Bounds) {
    // SAFETY: range bounds of one column: one datum and one kind each
    unsafe {
        let info = (*(*b).desc).boundinfo;
        let n = (*info).ndatums as usize;
        (*b).ends = raw::palloc0(n.wrapping_add(1).wrapping_mul(8)).cast();
        let mut i = 0;
        while i < n {
            let end = match *(*(*info).kind.add(i)) {
                PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MINVALUE => i64::MIN,
                // the last one: no value reaches it
                PartitionRangeDatumKind::PARTITION_RANGE_DATUM_MAXVALUE => break,
                _ => number((*b).order, *(*(*info).datums.add(i))),
            };
            *(*b).ends.add(i) = end;
            i = i.wrapping_add(1);
        }
        (*b).n = i;
    }
}

#[inline(always)]
fn number(order: Order, value: Datum) -> i64 {
    let raw = value.value() as i64;
    match order {
        Order::Int2 => i64::from(raw as i16),
        Order::Int4 => i64::from(raw as i32),
        Order::Int8 | Order::Server => raw,
    }
}

/// The leaf for the row in the slot; NULL when no chunk holds its key. Raises the server's error for a
/// NULL key.
///
/// # Safety
/// The slot must hold a row of the root.
#[inline]
pub(super) unsafe fn leaf(c: *mut Copy) -> *mut Leaf {
    // SAFETY: promised by the caller
    unsafe {
        let b = &raw mut (*c).bounds;
        let i = (*b).attno.wrapping_sub(1);
        if *(*(*c).slot).tts_isnull.add(i) {
            // routes to a DEFAULT partition, or fails as it should
            return find(c, -1);
        }
        let value = *(*(*c).slot).tts_values.add(i);
        let (part, lo, hi);
        if (*b).order == Order::Server {
            if *(*(*b).key).partopcintype == UUIDOID && !is_version_7(value) {
                // refused with a hint, whether there is a chunk for it or not
                return std::ptr::null_mut();
            }
            part = search_by_server(b, value);
            (lo, hi) = (0, 0);
        } else {
            let number = number((*b).order, value);
            if !(*b).last.is_null() && number >= (*b).lo && number < (*b).hi {
                return (*b).last;
            }
            let below = ends_up_to((*b).ends, (*b).n, number);
            part = index(b, below);
            // ranges without a lower or an upper end are looked up each time
            let closed = below > 0 && below < (*b).n;
            lo = if closed {
                *(*b).ends.add(below.wrapping_sub(1))
            } else {
                0
            };
            hi = if closed { *(*b).ends.add(below) } else { 0 };
        }
        if part < 0 {
            let info = (*(*b).desc).boundinfo;
            if info.is_null() || (*info).default_index < 0 {
                return std::ptr::null_mut();
            }
            return find(c, -1);
        }
        let leaf = *(*b).leaves.add(part as usize);
        if leaf.is_null() && copy_demand::must_open(c.cast(), *(*(*b).desc).oids.add(part as usize))
        {
            return std::ptr::null_mut();
        }
        let leaf = if leaf.is_null() { find(c, part) } else { leaf };
        // not when the chunk is partitioned further: then the row decides
        if !(*(*b).leaves.add(part as usize)).is_null() {
            (*b).last = leaf;
            (*b).lo = lo;
            (*b).hi = hi;
        }
        leaf
    }
}

/// The first digit of byte 6 of a uuid is its version.
unsafe fn is_version_7(value: Datum) -> bool {
    // SAFETY: a uuid is a pointer to its 16 bytes
    unsafe { *value.cast_mut_ptr::<u8>().add(6) >> 4 == 7 }
}

/// How many of the sorted ends are at or below the value.
#[inline]
unsafe fn ends_up_to(ends: *const i64, n: usize, value: i64) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low.wrapping_add(high) >> 1;
        // SAFETY: middle is below n
        if unsafe { *ends.add(middle) } <= value {
            low = middle.wrapping_add(1);
        } else {
            high = middle;
        }
    }
    low
}

/// Number of the partition between two ends, -1 in a gap.
#[inline]
unsafe fn index(b: *const Bounds, below: usize) -> c_int {
    // SAFETY: indexes has one entry more than there are ends
    unsafe {
        let info = (*(*b).desc).boundinfo;
        if info.is_null() {
            return -1;
        }
        *(*info).indexes.add(below)
    }
}

unsafe fn search_by_server(b: *const Bounds, mut value: Datum) -> c_int {
    // SAFETY: a key on one column, and its bounds
    unsafe {
        let info = (*(*b).desc).boundinfo;
        if info.is_null() || (*info).ndatums == 0 {
            return -1;
        }
        let mut equal = false;
        let key = (*b).key;
        let at = raw::partition_range_datum_bsearch(
            (*key).partsupfunc,
            (*key).partcollation,
            info,
            1,
            &mut value,
            &mut equal,
        );
        *(*info).indexes.add(at.wrapping_add(1) as usize)
    }
}

/// The server finds the leaf of the row in the slot, or raises its error. `part`: number of the partition
/// of the root, if known.
pub(super) unsafe fn find(c: *mut Copy, part: c_int) -> *mut Leaf {
    // SAFETY: the slot holds a row of the root
    unsafe {
        let info = raw::ExecFindPartition(
            (*c).mtstate,
            (*c).root,
            (*c).routing,
            (*c).slot,
            (*c).estate,
        );
        let mut leaf = (*info).ri_CopyMultiInsertBuffer.cast::<Leaf>();
        if leaf.is_null() {
            leaf = copy_leaf::open(c, info);
        }
        let b = &raw mut (*c).bounds;
        if part >= 0 {
            if *(*(*b).desc).is_leaf.add(part as usize) {
                *(*b).leaves.add(part as usize) = leaf;
            }
            // once for each chunk: it may be the newest, and the next ones should be made ahead
            if (*b).told != part.wrapping_add(1) {
                (*b).told = part.wrapping_add(1);
                let _ = copy_demand::locate(c.cast());
            }
        }
        leaf
    }
}

/// Throws the routing away and makes a new one, which sees the chunks of now.
///
/// # Safety
/// All leaves must have been written out.
pub(super) unsafe fn refresh(c: *mut Copy) {
    // SAFETY: promised by the caller
    unsafe {
        end(c);
        copy_demand::routing_is_new(c.cast());
        let estate = (*c).estate;
        if !(*estate).es_partition_directory.is_null() {
            raw::DestroyPartitionDirectory((*estate).es_partition_directory);
            (*estate).es_partition_directory = std::ptr::null_mut();
        }
        begin(c);
    }
}

/// Closes the leaves and the routing.
pub(super) unsafe fn end(c: *mut Copy) {
    // SAFETY: as refresh
    unsafe {
        copy_leaf::close_all(c);
        if !(*c).routing.is_null() {
            raw::ExecCleanupTupleRouting((*c).mtstate, (*c).routing);
            (*c).routing = std::ptr::null_mut();
        }
        // queued AFTER triggers look their relation up there: it is closed now, they open it again
        raw::list_free((*(*c).estate).es_tuple_routing_result_relations);
        (*(*c).estate).es_tuple_routing_result_relations = std::ptr::null_mut();
        let b = &raw mut (*c).bounds;
        if !(*b).leaves.is_null() {
            raw::pfree((*b).leaves.cast());
        }
        if !(*b).ends.is_null() {
            raw::pfree((*b).ends.cast());
        }
        *b = Bounds::EMPTY;
    }
}
