//! Rows of `strata.queue_key_*`: who has a unique key. Reached without the planner, and at every isolation level
//! as things are now: a look sees what running transactions are about to do, and waits for them.
//!
//! A new row is entered as `INSERT .. ON CONFLICT DO NOTHING` does it (execIndexing.c): speculatively, so that two
//! sessions that meet never wait for each other. The statement itself would fail at REPEATABLE READ.

use super::compat_segment as compat;
use pgrx::pg_sys;

/// Columns of `strata.queue_key_*`, counted from 0.
const ID: usize = 0;
const FREE_AT: usize = 1;
const QID: usize = 2;
const STATE: usize = 3;
const UNTIL_START: usize = 4;
const KEY: usize = 5;
const COLUMNS: usize = 6;

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// the job that has it, or had it last
    pub id: i64,
    /// not free before, in microseconds since 2000-01-01 UTC
    pub free_at: i64,
    /// one of [`HELD`], [`STARTED`] and [`ENDED`]
    pub state: u8,
    /// free when the job starts, not when it ends
    pub until_start: bool,
}

/// The job waits, or runs and keeps the key.
pub const HELD: u8 = b'h';
/// The job runs and does without the key.
pub const STARTED: u8 = b's';
/// The job has ended; only the time holds the key.
pub const ENDED: u8 = b'e';

/// A row and where it is.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub holder: Holder,
    tid: pg_sys::ItemPointerData,
}

/// An open table of keys, locked to the end of the transaction.
pub struct KeyStore {
    relation: pg_sys::Relation,
    index: pg_sys::Relation,
}

const MODE: pg_sys::LOCKMODE = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;

/// What a look came to.
enum Look {
    Nothing,
    Found(Entry),
    /// another transaction is about to add, change or remove the row
    Busy {
        xid: pg_sys::TransactionId,
        token: u32,
        tid: pg_sys::ItemPointerData,
    },
}

impl KeyStore {
    /// `None` if it has been dropped.
    pub fn open(table: pg_sys::Oid, index: pg_sys::Oid) -> Option<KeyStore> {
        // SAFETY: a relation that is gone gives NULL; the index goes and comes with its table
        unsafe {
            let relation = pg_sys::try_relation_open(table, MODE);
            if relation.is_null() {
                return None;
            }
            Some(KeyStore {
                relation,
                index: pg_sys::index_open(index, MODE),
            })
        }
    }

    /// Who has a key. Waits for whoever is just taking it or giving it back.
    pub fn look(&self, qid: i32, key: &str) -> Option<Entry> {
        loop {
            match self.look_once(qid, key) {
                Look::Nothing => return None,
                Look::Found(entry) => return Some(entry),
                Look::Busy { xid, token, tid } => self.wait(xid, token, tid),
            }
        }
    }

    /// The same without waiting: a key that somebody is just taking or giving back is not found.
    pub fn peek(&self, qid: i32, key: &str) -> Option<Entry> {
        match self.look_once(qid, key) {
            Look::Found(entry) => Some(entry),
            _ => None,
        }
    }

    /// True if somebody is just taking the key or giving it back: a look would wait.
    pub fn is_busy(&self, qid: i32, key: &str) -> bool {
        matches!(self.look_once(qid, key), Look::Busy { .. })
    }

    fn wait(&self, xid: pg_sys::TransactionId, token: u32, mut tid: pg_sys::ItemPointerData) {
        // SAFETY: no page is locked; a transaction that has ended meanwhile is not waited for
        unsafe {
            if token != 0 {
                pg_sys::SpeculativeInsertionWait(xid, token);
            } else {
                let why = pg_sys::XLTW_Oper::XLTW_InsertIndex;
                pg_sys::XactLockTableWait(xid, self.relation, &mut tid, why);
            }
        }
    }

    fn look_once(&self, qid: i32, key: &str) -> Look {
        // SAFETY: relation and index are open; the dirty snapshot outlives the scan; the page of an entry is
        // pinned while its row is read, and locked while it is judged
        unsafe {
            pg_sys::CommandCounterIncrement();
            let mut dirty: pg_sys::SnapshotData = std::mem::zeroed();
            dirty.snapshot_type = pg_sys::SnapshotType::SNAPSHOT_DIRTY;
            let scan = compat::begin_index_scan(self.relation, self.index, &mut dirty, 2);
            let mut keys = scan_keys(qid, key);
            pg_sys::index_rescan(scan, keys.as_mut_ptr(), 2, std::ptr::null_mut(), 0);
            let mut out = Look::Nothing;
            loop {
                let forward = pg_sys::ScanDirection::ForwardScanDirection;
                let tid = pg_sys::index_getnext_tid(scan, forward);
                if tid.is_null() {
                    break;
                }
                if let Some(look) = self.judge(*tid, &mut dirty) {
                    out = look;
                    break;
                }
            }
            pg_sys::index_endscan(scan);
            out
        }
    }

    /// # Safety
    /// The place comes from the index.
    unsafe fn judge(
        &self,
        tid: pg_sys::ItemPointerData,
        dirty: &mut pg_sys::SnapshotData,
    ) -> Option<Look> {
        // SAFETY: promised by the caller; the buffer is given back here, and by the resource owner on error
        unsafe {
            let block = pgrx::itemptr::item_pointer_get_block_number(&tid);
            let buffer = pg_sys::ReadBuffer(self.relation, block);
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
            let (mut tid, mut tuple) = (tid, std::mem::zeroed());
            let seen = pg_sys::heap_hot_search_buffer(
                &mut tid,
                self.relation,
                buffer,
                dirty,
                &mut tuple,
                std::ptr::null_mut(),
                true,
            );
            pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_UNLOCK as i32);
            let look = seen.then(|| {
                let tid = tuple.t_self;
                match [dirty.xmin, dirty.xmax].into_iter().find(|x| is_set(*x)) {
                    Some(xid) => Look::Busy {
                        xid,
                        token: dirty.speculativeToken,
                        tid,
                    },
                    None => Look::Found(Entry {
                        holder: self.read(&mut tuple),
                        tid,
                    }),
                }
            });
            pg_sys::ReleaseBuffer(buffer);
            look
        }
    }

    /// # Safety
    /// A row of this table.
    unsafe fn read(&self, tuple: &mut pg_sys::HeapTupleData) -> Holder {
        let mut values = [pg_sys::Datum::null(); COLUMNS];
        let mut nulls = [false; COLUMNS];
        // SAFETY: promised by the caller; as many values as the table has columns, all NOT NULL
        unsafe {
            pg_sys::heap_deform_tuple(
                tuple,
                (*self.relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            );
        }
        Holder {
            id: values[ID].value() as i64,
            free_at: values[FREE_AT].value() as i64,
            state: values[STATE].value() as u8,
            until_start: values[UNTIL_START].value() != 0,
        }
    }

    fn form(&self, qid: i32, key: &str, holder: &Holder) -> (pg_sys::HeapTuple, pg_sys::Datum) {
        let mut values = [pg_sys::Datum::null(); COLUMNS];
        let mut nulls = [false; COLUMNS];
        values[ID] = holder.id.into();
        values[FREE_AT] = holder.free_at.into();
        values[QID] = qid.into();
        values[STATE] = pg_sys::Datum::from(holder.state as i8);
        values[UNTIL_START] = holder.until_start.into();
        values[KEY] = pgrx::IntoDatum::into_datum(key).unwrap_or(pg_sys::Datum::null());
        // SAFETY: values of the types of the table's columns
        let tuple = unsafe {
            pg_sys::heap_form_tuple(
                (*self.relation).rd_att,
                values.as_mut_ptr(),
                nulls.as_mut_ptr(),
            )
        };
        (tuple, values[KEY])
    }

    /// Enters a key; false if somebody was faster.
    pub fn add(&self, qid: i32, key: &str, holder: &Holder) -> bool {
        let (tuple, key) = self.form(qid, key, holder);
        // SAFETY: as ExecInsert does it with ON CONFLICT (nodeModifyTable.c); an error in between ends the
        // transaction, which makes the row void
        unsafe {
            let xid = pg_sys::GetCurrentTransactionId();
            let token = pg_sys::SpeculativeInsertionLockAcquire(xid);
            let mark = pg_sys::SpecTokenOffsetNumber as pg_sys::OffsetNumber;
            pgrx::itemptr::item_pointer_set_all(&mut (*(*tuple).t_data).t_ctid, token, mark);
            pg_sys::heap_insert(
                self.relation,
                tuple,
                pg_sys::GetCurrentCommandId(true),
                pg_sys::HEAP_INSERT_SPECULATIVE as i32,
                std::ptr::null_mut(),
            );
            let check = pg_sys::IndexUniqueCheck::UNIQUE_CHECK_PARTIAL;
            let alone = self.enter(qid, key, &mut (*tuple).t_self, check);
            if alone {
                pg_sys::heap_finish_speculative(self.relation, &mut (*tuple).t_self);
            } else {
                pg_sys::heap_abort_speculative(self.relation, &mut (*tuple).t_self);
            }
            pg_sys::SpeculativeInsertionLockRelease(xid);
            pg_sys::heap_freetuple(tuple);
            alone
        }
    }

    /// # Safety
    /// The place of a row of this table with this key.
    unsafe fn enter(
        &self,
        qid: i32,
        key: pg_sys::Datum,
        tid: pg_sys::ItemPointer,
        check: pg_sys::IndexUniqueCheck::Type,
    ) -> bool {
        let (mut keys, mut nulls) = ([qid.into(), key], [false; 2]);
        // SAFETY: promised by the caller
        unsafe {
            let info = pg_sys::BuildIndexInfo(self.index);
            let alone = pg_sys::index_insert(
                self.index,
                keys.as_mut_ptr(),
                nulls.as_mut_ptr(),
                tid,
                self.relation,
                check,
                false,
                info,
            );
            compat::end_of_index_inserts(self.index, info);
            alone
        }
    }

    /// Changes what was found; false if somebody has changed it meanwhile.
    pub fn change(&self, qid: i32, key: &str, entry: &Entry, holder: &Holder) -> bool {
        let (new, key) = self.form(qid, key, holder);
        let mut old = entry.tid;
        // SAFETY: the place was found by a look that saw a living row; the snapshot that every call runs under keeps
        // its versions, so nothing else can have come to that place
        unsafe {
            if compat::update(self.relation, &mut old, new) != pg_sys::TM_Result::TM_Ok {
                return false;
            }
            if u32::from((*(*new).t_data).t_infomask2) & pg_sys::HEAP_ONLY_TUPLE == 0 {
                let check = pg_sys::IndexUniqueCheck::UNIQUE_CHECK_YES;
                self.enter(qid, key, &mut (*new).t_self, check);
            }
            pg_sys::heap_freetuple(new);
            true
        }
    }

    /// Removes what was found; false if somebody has changed it meanwhile.
    pub fn remove(&self, entry: &Entry) -> bool {
        let mut tid = entry.tid;
        // SAFETY: as above
        unsafe {
            let mut failure: pg_sys::TM_FailureData = std::mem::zeroed();
            let out = pg_sys::heap_delete(
                self.relation,
                &mut tid,
                pg_sys::GetCurrentCommandId(true),
                std::ptr::null_mut(),
                true,
                &mut failure,
                false,
            );
            out == pg_sys::TM_Result::TM_Ok
        }
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        // SAFETY: both were opened by `open`; an error or the end of the transaction closes what is left
        unsafe {
            pg_sys::index_close(self.index, 0);
            pg_sys::relation_close(self.relation, 0);
        }
    }
}

fn is_set(xid: pg_sys::TransactionId) -> bool {
    xid != pg_sys::InvalidTransactionId
}

fn scan_keys(qid: i32, key: &str) -> [pg_sys::ScanKeyData; 2] {
    let text = pgrx::IntoDatum::into_datum(key).unwrap_or(pg_sys::Datum::null());
    let of = |column: pg_sys::AttrNumber, function: u32, value: pg_sys::Datum| {
        // SAFETY: an all-zero key is filled in by the server, with collation "C" as the column has it
        unsafe {
            let mut key: pg_sys::ScanKeyData = std::mem::zeroed();
            pg_sys::ScanKeyInit(
                &mut key,
                column,
                pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
                pg_sys::Oid::from(function),
                value,
            );
            key
        }
    };
    [
        of(1, pg_sys::F_INT4EQ, qid.into()),
        of(2, pg_sys::F_TEXTEQ, text),
    ]
}
