//! Advisory locks that outlive transactions: for procedures that commit while they hold them. An abort, which ends the
//! procedure, gives them back; so do a cancel and the end of the session.

use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};

/// A lock, as `pg_advisory_lock` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// two numbers
    Pair(i32, i32),
    /// one
    Single(i64),
}

const SHARED: pg_sys::LOCKMODE = pg_sys::ShareLock as pg_sys::LOCKMODE;
const ALONE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;

thread_local! {
    static HELD: RefCell<Vec<(Key, pg_sys::LOCKMODE)>> = const { RefCell::new(Vec::new()) };
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

impl Key {
    /// As lockfuncs.c makes it (SET_LOCKTAG_INT32, SET_LOCKTAG_INT64).
    pub(super) fn tag(self) -> pg_sys::LOCKTAG {
        let (first, second, kind) = match self {
            Key::Pair(a, b) => (a.cast_unsigned(), b.cast_unsigned(), 2),
            Key::Single(n) => {
                let n = n.cast_unsigned();
                ((n >> 32) as u32, n as u32, 1)
            }
        };
        pg_sys::LOCKTAG {
            // SAFETY: a word of this process
            locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
            locktag_field2: first,
            locktag_field3: second,
            locktag_field4: kind,
            locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
            locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
        }
    }

    /// Tries to take it for the session; true if it is ours now.
    #[must_use]
    pub fn try_take(self, shared: bool) -> bool {
        watch_aborts();
        let mode = if shared { SHARED } else { ALONE };
        let tag = self.tag();
        // SAFETY: a tag on this stack; true, true: for the session, without waiting
        let got = unsafe { pg_sys::LockAcquire(&tag, mode, true, true) };
        let taken = got != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL;
        if taken {
            HELD.with_borrow_mut(|held| held.push((self, mode)));
        }
        taken
    }
}

impl Key {
    /// Tries to take it alone to the end of the transaction; true if it is ours now.
    #[must_use]
    pub fn try_take_in_transaction(self) -> bool {
        let tag = self.tag();
        // SAFETY: a tag on this stack; false, true: for the transaction, without waiting
        let got = unsafe { pg_sys::LockAcquire(&tag, ALONE, false, true) };
        got != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
    }
}

/// Gives back all but this one.
pub fn release_others(keep: Key) {
    let kept = HELD.with_borrow_mut(|held| {
        let (kept, others) = std::mem::take(held)
            .into_iter()
            .partition(|(key, _)| *key == keep);
        *held = others;
        kept
    });
    release_all();
    HELD.with_borrow_mut(|held: &mut Vec<(Key, pg_sys::LOCKMODE)>| *held = kept);
}

/// False when somebody in this session, as `pg_advisory_unlock_all` does, has given back what is ours.
#[must_use]
pub fn are_held() -> bool {
    HELD.with_borrow(|held| held.iter().all(|(key, mode)| is_held(*key, *mode)))
}

/// True for what [`Key::try_take`] has taken.
pub(super) fn is_ours(tag: &pg_sys::LOCKTAG, mode: pg_sys::LOCKMODE) -> bool {
    let same = |key: Key| {
        let own = key.tag();
        let fields = |t: &pg_sys::LOCKTAG| (t.locktag_field1, t.locktag_field2, t.locktag_field3);
        fields(&own) == fields(tag) && own.locktag_field4 == tag.locktag_field4
    };
    HELD.with_borrow(|held| held.iter().any(|(key, of)| *of == mode && same(*key)))
}

fn is_held(key: Key, mode: pg_sys::LOCKMODE) -> bool {
    let tag = key.tag();
    // SAFETY: a tag that was just made; a look into the table of locks of this process
    unsafe { super::compat::lock_held(&tag, mode) }
}

/// Gives back all that [`Key::try_take`] has taken in this session.
pub fn release_all() {
    let held = HELD.with_borrow_mut(std::mem::take);
    for (key, mode) in held.into_iter().rev() {
        // one that is gone already would be a WARNING
        if is_held(key, mode) {
            let tag = key.tag();
            // SAFETY: held by this session
            unsafe { pg_sys::LockRelease(&tag, mode, true) };
        }
    }
}

fn watch_aborts() {
    if !WATCHED.replace(true) {
        // SAFETY: a function that stays
        unsafe { pg_sys::RegisterXactCallback(Some(ended), std::ptr::null_mut()) }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn ended(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    if event == pg_sys::XactEvent::XACT_EVENT_ABORT {
        release_all();
    }
}
