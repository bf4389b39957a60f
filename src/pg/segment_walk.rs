//! Walking through a segment in the order of its index.

use super::compat_segment as compat;
use super::segment::{Found, Segment, Values};
use super::segment_chain;
use super::segment_lanes::{Lanes, Place};
use pgrx::pg_sys;
use std::cell::RefCell;

thread_local! {
    static LANES: RefCell<Lanes> = RefCell::default();
}

/// The latest snapshot, for as long as this lives.
pub struct Latest(pub(super) pg_sys::Snapshot);

impl Latest {
    /// Sees what has been committed by now and what this transaction has done before, at every isolation level.
    #[must_use]
    pub fn take() -> Latest {
        // SAFETY: inside a transaction; registered with the current resource owner, which an error empties
        unsafe {
            pg_sys::CommandCounterIncrement();
            Latest(pg_sys::RegisterSnapshot(pg_sys::GetLatestSnapshot()))
        }
    }
}

impl Drop for Latest {
    fn drop(&mut self) {
        // after an error the end of the (sub)transaction does it: see `Walk`
        if std::thread::panicking() {
            return;
        }
        // SAFETY: registered by `take`
        unsafe { pg_sys::UnregisterSnapshot(self.0) }
    }
}

/// An entry of the index: the row may be gone, or not there yet.
pub struct Entry {
    pub lane: i16,
    pub seq: i64,
    /// the version that the snapshot sees
    pub found: Option<Found>,
}

/// A walk along the index of a segment.
pub struct Walk<'a> {
    segment: &'a Segment,
    snapshot: pg_sys::Snapshot,
    scan: pg_sys::IndexScanDesc,
    serializable: bool,
    buffer: pg_sys::Buffer,
    /// the last version that was seen, for its values
    tuple: pg_sys::HeapTupleData,
    /// what a walk in steps has not come to yet
    rest: Option<Rest>,
}

/// The server reads all entries of a page of the index that fit at once, some hundreds: a walk that will need few
/// of them says where it is likely to end, and goes on only if it does not.
#[derive(Clone, Copy)]
struct Rest {
    qid: i32,
    lane: i16,
    from: i64,
    /// of the next step
    width: i64,
    /// nothing was found yet
    empty: bool,
    /// as in the search before
    quiet: bool,
}

/// A step that is longer than this has no end.
const LONGEST_STEP: i64 = 2_000;
/// How much longer each step is than the one before.
const FASTER: i64 = 16;

const QID: pg_sys::AttrNumber = 1;
const LANE: pg_sys::AttrNumber = 2;
const SEQ: pg_sys::AttrNumber = 3;
/// Where lane and number are in an index tuple (qid int4, lane int2, seq int8).
const AT_LANE: usize = 12;
const AT_SEQ: usize = 16;

impl<'a> Walk<'a> {
    /// Not placed yet: see [`Walk::to_lane`], [`Walk::to`].
    #[must_use]
    pub fn new(segment: &'a Segment, snapshot: &'a Latest) -> Walk<'a> {
        // SAFETY: both relations are open and locked for as long as the segment
        unsafe {
            let serializable = segment_chain::serializable();
            // entries are judged by their rows alone; of this snapshot no page of the index is noted as read
            let of_index = if serializable {
                &raw mut pg_sys::SnapshotAnyData
            } else {
                snapshot.0
            };
            let scan = compat::begin_index_scan(segment.relation(), segment.index(), of_index, 4);
            // entries say where they are even if their rows are gone
            (*scan).xs_want_itup = true;
            Walk {
                segment,
                snapshot: snapshot.0,
                scan,
                serializable,
                buffer: pg_sys::InvalidBuffer as pg_sys::Buffer,
                tuple: std::mem::zeroed(),
                rest: None,
            }
        }
    }

    fn lanes_of(&self, qid: i32) -> Place {
        // SAFETY: an open index
        let index = unsafe { (*self.segment.index()).rd_id }.to_u32();
        Place { index, qid }
    }

    /// The next lane of this queue above `lane` that may have entries: there are none between the two. To be
    /// followed by a placement.
    pub fn lane_above(&mut self, qid: i32, lane: i16) -> Option<i16> {
        let place = self.lanes_of(qid);
        let expected = LANES.with_borrow(|lanes| lanes.above(place, lane));
        let of_queue = key(QID, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT4EQ, qid);
        let above = key(
            LANE,
            pg_sys::BTGreaterStrategyNumber,
            pg_sys::F_INT2GT,
            lane,
        );
        match expected {
            // read no further than to the lane that is most likely the next
            Some(next) => self.place(&[
                of_queue,
                above,
                key(LANE, pg_sys::BTLessStrategyNumber, pg_sys::F_INT2LT, next),
            ]),
            None => self.place(&[of_queue, above]),
        }
        let Some((found, _, _)) = self.next_entry() else {
            return expected;
        };
        LANES.with_borrow_mut(|lanes| lanes.saw(place, found));
        Some(found)
    }

    /// Goes to the entries of a lane from this number on.
    pub fn to(&mut self, qid: i32, lane: i16, seq: i64) {
        self.place(&[
            key(QID, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT4EQ, qid),
            key(LANE, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT2EQ, lane),
            key(
                SEQ,
                pg_sys::BTGreaterEqualStrategyNumber,
                pg_sys::F_INT8GE,
                seq,
            ),
        ]);
    }

    /// The same for a walk that is likely to end within so many numbers. What is added to the index between its
    /// steps may be missed, as by any walk that has passed the place.
    pub fn to_near(&mut self, qid: i32, lane: i16, seq: i64, width: i64) {
        let place = self.lanes_of(qid);
        let quiet = LANES.with_borrow(|lanes| lanes.is_quiet(place, lane));
        self.step(Rest {
            qid,
            lane,
            from: seq,
            // most likely there is nothing again: one step tells
            width: if quiet { i64::MAX } else { width },
            empty: true,
            quiet,
        });
    }

    /// The next part of a walk in steps.
    fn step(&mut self, mut rest: Rest) {
        let end = rest.from.checked_add(rest.width);
        let Some(end) = end.filter(|_| rest.width <= LONGEST_STEP) else {
            self.to(rest.qid, rest.lane, rest.from);
            // the end of this one is the end of the lane
            rest.width = 0;
            self.rest = Some(rest);
            return;
        };
        let Rest {
            qid, lane, from, ..
        } = rest;
        self.place(&[
            key(QID, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT4EQ, qid),
            key(LANE, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT2EQ, lane),
            key(
                SEQ,
                pg_sys::BTGreaterEqualStrategyNumber,
                pg_sys::F_INT8GE,
                from,
            ),
            key(SEQ, pg_sys::BTLessStrategyNumber, pg_sys::F_INT8LT, end),
        ]);
        rest.from = end;
        rest.width = rest.width.saturating_mul(FASTER);
        self.rest = Some(rest);
    }

    /// Goes to one row.
    pub fn to_row(&mut self, qid: i32, lane: i16, seq: i64) {
        self.place(&[
            key(QID, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT4EQ, qid),
            key(LANE, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT2EQ, lane),
            key(SEQ, pg_sys::BTEqualStrategyNumber, pg_sys::F_INT8EQ, seq),
        ]);
    }

    /// Goes to the first entry of a queue, in all of its lanes.
    pub fn to_queue(&mut self, qid: i32) {
        self.place(&[key(
            QID,
            pg_sys::BTEqualStrategyNumber,
            pg_sys::F_INT4EQ,
            qid,
        )]);
    }

    /// True if another transaction has changed or locked the version that was found last, and may yet commit.
    pub fn is_taken(&self) -> bool {
        // SAFETY: the buffer of the version is pinned until the walk goes on; its marks may change meanwhile,
        // but only from "not known" to what is asked for here
        unsafe {
            let header = self.tuple.t_data;
            let marks = u32::from((*header).t_infomask);
            if marks & pg_sys::HEAP_XMAX_INVALID != 0 {
                return false;
            }
            let locker = (*header).t_choice.t_heap.t_xmax;
            if marks & pg_sys::HEAP_XMAX_IS_MULTI != 0 {
                return pg_sys::MultiXactIdIsRunning(locker, false);
            }
            pg_sys::TransactionIdIsInProgress(locker)
                || (!pg_sys::HeapTupleHeaderIsOnlyLocked(header)
                    && pg_sys::TransactionIdDidCommit(locker))
        }
    }

    fn place(&mut self, keys: &[pg_sys::ScanKeyData]) {
        self.rest = None;
        // SAFETY: the scan was begun with room for four keys, which it copies
        unsafe {
            (*self.scan).numberOfKeys = keys.len() as i32;
            pg_sys::index_rescan(
                self.scan,
                keys.as_ptr().cast_mut(),
                keys.len() as i32,
                std::ptr::null_mut(),
                0,
            );
        }
    }

    /// The next entry, whatever its row is.
    #[allow(
        clippy::should_implement_trait,
        reason = "what it gives ends with the next call"
    )]
    pub fn next(&mut self) -> Option<Entry> {
        let (lane, seq, tid) = loop {
            match (self.next_entry(), self.rest) {
                (Some(entry), _) => break entry,
                (None, None) => return None,
                (None, Some(rest)) if rest.width > 0 => self.step(rest),
                (None, Some(rest)) => {
                    self.rest = None;
                    if rest.empty {
                        let place = self.lanes_of(rest.qid);
                        LANES.with_borrow_mut(|lanes| lanes.missed(place, rest.lane));
                    }
                    return None;
                }
            }
        };
        if let Some(rest) = self.rest.filter(|rest| rest.empty) {
            if rest.quiet {
                let place = self.lanes_of(rest.qid);
                LANES.with_borrow_mut(|lanes| lanes.saw(place, lane));
            }
            self.rest = Some(Rest {
                empty: false,
                ..rest
            });
        }
        let found = self.fetch(tid);
        Some(Entry { lane, seq, found })
    }

    fn next_entry(&mut self) -> Option<(i16, i64, pg_sys::ItemPointerData)> {
        // SAFETY: a placed scan; the index tuple stays until the next call
        unsafe {
            let tid =
                pg_sys::index_getnext_tid(self.scan, pg_sys::ScanDirection::ForwardScanDirection);
            if tid.is_null() {
                return None;
            }
            // three columns of fixed width, none of them NULL: itup.h, IndexInfoFindDataOffset
            let data = (*self.scan).xs_itup.cast::<u8>();
            let lane = data.add(AT_LANE).cast::<i16>().read_unaligned();
            let seq = data.add(AT_SEQ).cast::<i64>().read_unaligned();
            Some((lane, seq, *tid))
        }
    }

    /// The version that the snapshot sees. Unlike the table's own fetch this never prunes the page: rows of a
    /// segment go by TRUNCATE, and pruning costs log for nothing.
    fn fetch(&mut self, tid: pg_sys::ItemPointerData) -> Option<Found> {
        // SAFETY: the tid comes from the index; the buffer is pinned until the next fetch, so that the values
        // stay; locked only for the look
        unsafe {
            let relation = self.segment.relation();
            let block = pgrx::itemptr::item_pointer_get_block_number(&tid);
            self.buffer = pg_sys::ReleaseAndReadBuffer(self.buffer, relation, block);
            pg_sys::LockBuffer(self.buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            let (mut tid, mut all_dead) = (tid, false);
            let seen = if self.serializable {
                let found = segment_chain::find(relation, self.buffer, &tid, self.snapshot);
                if let Some(tuple) = found {
                    self.tuple = tuple;
                }
                found.is_some()
            } else {
                pg_sys::heap_hot_search_buffer(
                    &mut tid,
                    relation,
                    self.buffer,
                    self.snapshot,
                    &mut self.tuple,
                    &mut all_dead,
                    true,
                )
            };
            pg_sys::LockBuffer(self.buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            if !seen {
                // on a standby the primary says what is dead: genam.c, RelationGetIndexScan
                (*self.scan).kill_prior_tuple = all_dead && !(*self.scan).xactStartedInRecovery;
                return None;
            }
            let mut row = Values::new();
            pg_sys::heap_deform_tuple(
                &mut self.tuple,
                (*relation).rd_att,
                row.values.as_mut_ptr(),
                row.nulls.as_mut_ptr(),
            );
            Some(Found {
                tid: self.tuple.t_self,
                row,
            })
        }
    }
}

impl Drop for Walk<'_> {
    fn drop(&mut self) {
        // An error of the server comes through here with the locks of pages that it was raised under: the end of a
        // scan would wait for one of them for ever. The end of the (sub)transaction gives everything back.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: begun by `new`; the buffer is pinned or invalid
        unsafe {
            if self.buffer != pg_sys::InvalidBuffer as pg_sys::Buffer {
                pg_sys::ReleaseBuffer(self.buffer);
            }
            pg_sys::index_endscan(self.scan);
        }
    }
}

fn key(
    column: pg_sys::AttrNumber,
    strategy: u32,
    function: u32,
    value: impl Into<pg_sys::Datum>,
) -> pg_sys::ScanKeyData {
    // SAFETY: an all-zero key is filled in by the server; functions are built-in comparisons
    unsafe {
        let mut key: pg_sys::ScanKeyData = std::mem::zeroed();
        pg_sys::ScanKeyInit(
            &mut key,
            column,
            strategy as pg_sys::StrategyNumber,
            pg_sys::Oid::from(function),
            value.into(),
        );
        key
    }
}
