//! Where marks of what is to be looked at lie: in shared memory if the library was preloaded, otherwise in the
//! session. Also the locks of groups, which a transaction holds to its end.
//!
//! Nothing here raises an error when a transaction ends.

use super::shmem;
use crate::queue::dirty::{Dirty, Mark, What};
use crate::queue::room::Rooms;
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Marks of all databases.
const SHARED: usize = 4096;
/// Marks of a session without shared memory.
const OWN: usize = 256;
/// Groups that one transaction locks, at most: locks of all sessions share one table of the server.
const MOST_LOCKS: usize = 64;

/// Bounded queues of which it is known how much room they have.
const BOUNDED: usize = 128;

struct Shared {
    marks: Dirty<SHARED>,
    rooms: Rooms<BOUNDED>,
}

const NAME: &std::ffi::CStr = c"pg_strata queue marks";

static MARKS: AtomicPtr<Shared> = AtomicPtr::new(std::ptr::null_mut());
static LOCK: AtomicPtr<pg_sys::LWLock> = AtomicPtr::new(std::ptr::null_mut());
static mut PREVIOUS_REQUEST: pg_sys::shmem_request_hook_type = None;
static mut PREVIOUS_STARTUP: pg_sys::shmem_startup_hook_type = None;

/// What the running transaction has to tell when it ends.
#[derive(Default)]
struct Transaction {
    /// however it ends
    always: HashSet<Mark>,
    /// what it has done about these marks is void if it is undone
    done: HashSet<Mark>,
    /// groups that it has locked
    locked: HashSet<Mark>,
}

thread_local! {
    static LOCAL: RefCell<Dirty<OWN>> = const { RefCell::new(Dirty::new()) };
    static TRANSACTION: RefCell<Transaction> = RefCell::default();
    static WATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Asks for the memory; only while preloading.
pub fn init() {
    // SAFETY: hooks are plain globals, set in the main thread while the library is preloaded
    unsafe {
        PREVIOUS_REQUEST = pg_sys::shmem_request_hook;
        pg_sys::shmem_request_hook = Some(request);
        PREVIOUS_STARTUP = pg_sys::shmem_startup_hook;
        pg_sys::shmem_startup_hook = Some(startup);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn request() {
    // SAFETY: called by the server while it counts its shared memory
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_REQUEST {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        pg_sys::RequestAddinShmemSpace(size_of::<Shared>());
        pg_sys::RequestNamedLWLockTranche(NAME.as_ptr(), 1);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn startup() {
    // SAFETY: called by the server when shared memory is there, which is aligned as for any type
    unsafe {
        #[allow(ffi_unwind_calls)] // errors of the previous hook stop at the boundary
        if let Some(previous) = PREVIOUS_STARTUP {
            pg_sys::ffi::pg_guard_ffi_boundary(|| previous());
        }
        let mut found = false;
        let marks = pg_sys::ShmemInitStruct(NAME.as_ptr(), size_of::<Shared>(), &mut found);
        let marks = marks.cast::<Shared>();
        if !found {
            marks.write(Shared {
                marks: Dirty::new(),
                rooms: Rooms::new(),
            });
        }
        MARKS.store(marks, Ordering::Relaxed);
        let lock = pg_sys::GetNamedLWLockTranche(NAME.as_ptr());
        LOCK.store(&raw mut (*lock).lock, Ordering::Relaxed);
    }
}

/// True when sessions share their marks.
pub fn shared() -> bool {
    !MARKS.load(Ordering::Relaxed).is_null()
}

/// The database of this session, as in marks.
pub fn database() -> u32 {
    // SAFETY: fixed for the life of the process
    unsafe { pg_sys::MyDatabaseId }.to_u32()
}

fn lock(exclusive: bool) -> *mut pg_sys::LWLock {
    let lock = LOCK.load(Ordering::Relaxed);
    let mode = match exclusive {
        true => pg_sys::LWLockMode::LW_EXCLUSIVE,
        false => pg_sys::LWLockMode::LW_SHARED,
    };
    // SAFETY: the lock of the marks; held only while plain numbers are looked at
    unsafe { pg_sys::LWLockAcquire(lock, mode) };
    lock
}

/// Takes up to `most` marks of this database, of one queue if one is named.
pub fn take(qid: Option<i32>, most: usize) -> Vec<Mark> {
    let database = database();
    let wanted = |m: &Mark| m.database == database && qid.is_none_or(|qid| qid == m.qid);
    let marks = MARKS.load(Ordering::Relaxed);
    if marks.is_null() {
        return LOCAL.with_borrow_mut(|marks| marks.take(most, wanted));
    }
    // SAFETY: made at the start of the server; reading the count without the lock is a guess that is right the next
    // time, everything else happens under the lock
    unsafe {
        if (*marks).marks.is_empty() {
            return Vec::new();
        }
        let lock = lock(true);
        let out = (*marks).marks.take(most, wanted);
        pg_sys::LWLockRelease(lock);
        out
    }
}

/// True if there may be marks.
pub fn any() -> bool {
    let marks = MARKS.load(Ordering::Relaxed);
    // SAFETY: as above
    !marks.is_null() && unsafe { !(*marks).marks.is_empty() }
}

/// Up to `most` marks of a queue that this transaction will leave: what it has pushed itself.
pub fn own(qid: i32, most: usize) -> Vec<Mark> {
    TRANSACTION.with_borrow(|t| {
        let of_queue = t.always.iter().filter(|m| m.qid == qid);
        of_queue.take(most).copied().collect()
    })
}

/// Marks that were lost for want of room; when this changes, everything is to be looked at.
pub fn lost() -> u64 {
    let marks = MARKS.load(Ordering::Relaxed);
    if marks.is_null() {
        return LOCAL.with_borrow(Dirty::lost);
    }
    // SAFETY: as above
    unsafe {
        let lock = lock(false);
        let out = (*marks).marks.lost();
        pg_sys::LWLockRelease(lock);
        out
    }
}

fn put(mark: Mark) {
    let marks = MARKS.load(Ordering::Relaxed);
    if marks.is_null() {
        // nobody calls PostgreSQL with the set borrowed, so this never fails
        LOCAL.with_borrow_mut(|marks| marks.put(mark));
        return;
    }
    // SAFETY: as above
    unsafe {
        let lock = lock(true);
        (*marks).marks.put(mark);
        pg_sys::LWLockRelease(lock);
    }
}

fn is_marked(mark: &Mark) -> bool {
    let marks = MARKS.load(Ordering::Relaxed);
    if marks.is_null() {
        return LOCAL.with_borrow(|marks| marks.has(mark));
    }
    // SAFETY: as above
    unsafe {
        let lock = lock(false);
        let out = (*marks).marks.has(mark);
        pg_sys::LWLockRelease(lock);
        out
    }
}

/// Works on what is known of bounded queues; `None` without shared memory.
fn with_rooms<T>(work: impl FnOnce(&mut Rooms<BOUNDED>) -> T) -> Option<T> {
    let shared = MARKS.load(Ordering::Relaxed);
    if shared.is_null() {
        return None;
    }
    // SAFETY: as above; `work` looks at plain numbers and cannot leave otherwise than by returning
    unsafe {
        let lock = lock(true);
        let out = work(&mut (*shared).rooms);
        pg_sys::LWLockRelease(lock);
        Some(out)
    }
}

/// Takes room for `n` jobs of a bounded queue; false: count.
pub fn take_room(qid: i32, max: i64, n: i64) -> bool {
    with_rooms(|rooms| rooms.take(database(), qid, max, n)).unwrap_or(false)
}

/// A bounded queue has room for so many more jobs.
pub fn set_room(qid: i32, max: i64, left: i64) {
    with_rooms(|rooms| rooms.set(database(), qid, max, left));
}

/// A bounded queue has got a ready job that was not pushed just now.
pub fn shrink_room(qid: i32) {
    with_rooms(|rooms| rooms.shrink(database(), qid));
}

/// To be looked at when this transaction has ended.
pub fn mark(mark: Mark) {
    note(|t| &mut t.always, mark);
}

/// Somebody else is at it, or it failed: to be looked at later.
pub fn give_back(mark: Mark) {
    put(mark);
}

/// This transaction has done what a mark asks for: to be looked at again if it is undone.
pub fn done(mark: Mark) {
    note(|t| &mut t.done, mark);
}

fn note(list: impl Fn(&mut Transaction) -> &mut HashSet<Mark>, mark: Mark) {
    watch();
    TRANSACTION.with_borrow_mut(|t| list(t).insert(mark));
}

/// Locks a group to the end of the transaction; false if another transaction has it, or this one has locked too
/// many.
pub fn try_lock(mark: Mark) -> bool {
    watch();
    let (known, many) = TRANSACTION.with_borrow(|t| {
        let many = t.locked.len() >= MOST_LOCKS;
        (t.locked.contains(&mark), many)
    });
    if many && !known {
        return false;
    }
    let tag = pg_sys::LOCKTAG {
        locktag_field1: mark.database,
        locktag_field2: (mark.number as u64 >> 32) as u32,
        locktag_field3: mark.number as u32,
        // out of reach of users, whose advisory locks have 1 and 2 here
        locktag_field4: 16 + mark.what as u16,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    };
    let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
    // SAFETY: the tag is valid; the lock goes with the transaction, or with the subtransaction if that is undone
    let got = unsafe { pg_sys::LockAcquire(&tag, mode, false, true) };
    if got == pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL {
        return false;
    }
    TRANSACTION.with_borrow_mut(|t| t.locked.insert(mark));
    true
}

fn watch() {
    if WATCHING.replace(true) {
        return;
    }
    // SAFETY: callbacks of the right types, registered once per process
    unsafe {
        pg_sys::RegisterXactCallback(Some(ended), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(sub_ended), std::ptr::null_mut());
    }
}

fn tell(marks: &HashSet<Mark>) {
    marks.iter().for_each(|mark| put(*mark));
    if !marks.is_empty() {
        shmem::tap_worker(database());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ended(event: pg_sys::XactEvent::Type, _arg: *mut core::ffi::c_void) {
    use pg_sys::XactEvent as Event;
    let committed = match event {
        Event::XACT_EVENT_COMMIT | Event::XACT_EVENT_PARALLEL_COMMIT => true,
        // no callback runs when it is committed: whoever looks at everything finds what it leaves
        Event::XACT_EVENT_ABORT | Event::XACT_EVENT_PARALLEL_ABORT | Event::XACT_EVENT_PREPARE => {
            false
        }
        _ => return,
    };
    let t = TRANSACTION.take();
    tell(&t.always);
    if !committed {
        tell(&t.done);
    }
    // whoever came while a group was locked has gone again without it
    if t.locked.iter().any(is_marked) {
        shmem::tap_worker(database());
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn sub_ended(
    event: pg_sys::SubXactEvent::Type,
    _mine: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut core::ffi::c_void,
) {
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        // what was done may have been done in it; a mark too many costs a look
        let done = TRANSACTION.with_borrow(|t| t.done.clone());
        tell(&done);
        // its locks are gone, and are asked for anew; whoever came meanwhile hears of it at the end
    }
}

/// The mark of a group of this database.
#[must_use]
pub fn group(qid: i32, number: i64) -> Mark {
    Mark {
        database: database(),
        qid,
        number,
        what: What::Group,
    }
}

/// The mark of a job of this database that waits for others.
#[must_use]
pub fn child(qid: i32, id: i64) -> Mark {
    Mark {
        database: database(),
        qid,
        number: id,
        what: What::Child,
    }
}

/// The mark of a job of this database that waits for others, whose parents may be about to end.
#[must_use]
pub fn pushed(qid: i32, id: i64) -> Mark {
    Mark {
        what: What::Pushed,
        ..child(qid, id)
    }
}
