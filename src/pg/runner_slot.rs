//! How many processes run SQL jobs in the whole cluster: numbered session locks that belong to no database, so
//! that the limit holds without preload as well.
//!
//! Number 0 is held, shared, by background workers that found none free: who has one and sees that leaves when
//! its turn is over.

use super::guc;
use super::spi::refuse_in_recovery;
use pgrx::pg_sys;

/// Takes the place of a catalog's number in these locks; the name of this extension in ASCII.
const OURS: u32 = 0x7374_7261;
const EXCLUSIVE: pg_sys::LOCKMODE = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
const SHARED: pg_sys::LOCKMODE = pg_sys::ShareLock as pg_sys::LOCKMODE;

fn tag(kind: u16, number: u32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: 0,
        locktag_field2: OURS,
        locktag_field3: number,
        locktag_field4: kind,
        locktag_type: pg_sys::LockTagType::LOCKTAG_OBJECT as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

const SLOT: u16 = 0;
const SWITCH: u16 = 1;

fn lock(tag: &pg_sys::LOCKTAG, mode: pg_sys::LOCKMODE) -> bool {
    refuse_in_recovery();
    // SAFETY: the tag is valid; a session lock needs no transaction
    let got = unsafe { pg_sys::LockAcquire(tag, mode, true, true) };
    match got {
        pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL => false,
        pg_sys::LockAcquireResult::LOCKACQUIRE_OK => true,
        _ => {
            unlock(tag, mode);
            true
        }
    }
}

fn unlock(tag: &pg_sys::LOCKTAG, mode: pg_sys::LOCKMODE) {
    // SAFETY: as above; the callers hold it
    unsafe { pg_sys::LockRelease(tag, mode, true) };
}

/// One of `strata.max_runners` places; kept until the process ends.
pub struct Slot(u32);

/// Takes a free place, if there is one.
pub fn take() -> Option<Slot> {
    let most = u32::try_from(guc::MAX_RUNNERS.get()).unwrap_or(0);
    (1..=most)
        .find(|n| lock(&tag(SLOT, *n), EXCLUSIVE))
        .map(Slot)
}

impl Slot {
    /// Takes it again after code of users may have let go of it; false if somebody else has it now, or there are
    /// fewer places than before.
    pub fn retake(&self) -> bool {
        let most = u32::try_from(guc::MAX_RUNNERS.get()).unwrap_or(0);
        self.0 <= most && lock(&tag(SLOT, self.0), EXCLUSIVE)
    }
}

/// True if a process that is started now finds a place.
pub fn any_free() -> bool {
    match take() {
        Some(slot) => {
            unlock(&tag(SLOT, slot.0), EXCLUSIVE);
            true
        }
        None => false,
    }
}

/// Tells those who have a place that this process waits for one.
pub fn wait_for_one() -> bool {
    lock(&tag(SLOT, 0), SHARED)
}

/// Ends what [`wait_for_one`] began.
pub fn stop_waiting() {
    unlock(&tag(SLOT, 0), SHARED);
}

/// True if another process waits for a place.
pub fn somebody_waits() -> bool {
    let free = lock(&tag(SLOT, 0), EXCLUSIVE);
    if free {
        unlock(&tag(SLOT, 0), EXCLUSIVE);
    }
    !free
}

/// Wakes a process if it sleeps.
pub fn wake(pid: i32) {
    // SAFETY: PGPROCs stay where they are; should the process have changed meanwhile, the new one wakes once for
    // nothing
    unsafe {
        let process = pg_sys::BackendPidGetProc(pid);
        if !process.is_null() {
            pg_sys::SetLatch(&raw mut (*process).procLatch);
        }
    }
}

/// While alive, the process `pid` stays with the job that it runs, or with none.
pub struct Still(u32);

impl Still {
    /// `None` if somebody else holds it for the moment.
    pub fn with(pid: i32) -> Option<Still> {
        let pid = pid as u32;
        // not `then_some`: a Still that never held the lock would let go of it
        lock(&tag(SWITCH, pid), EXCLUSIVE).then(|| Still(pid))
    }

    /// Of this process: waits for whoever is about to cancel its job.
    pub fn me() -> Still {
        // SAFETY: a plain global
        let me = unsafe { pg_sys::MyProcPid };
        loop {
            if let Some(still) = Still::with(me) {
                return still;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

impl Drop for Still {
    fn drop(&mut self) {
        unlock(&tag(SWITCH, self.0), EXCLUSIVE);
    }
}
