//! Advisory locks of this session, read where the server keeps them: also when a transaction has failed.

use pgrx::pg_sys;
use std::collections::BTreeSet;

/// The fields of a LOCKTAG, and the mode.
type Held = (u32, u32, u32, u16, pg_sys::LOCKMODE);

/// Those that are held at one moment, by the session or by its transaction.
#[derive(Debug, Default)]
pub struct Advisory(BTreeSet<Held>);

fn tag(held: &Held) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        locktag_field1: held.0,
        locktag_field2: held.1,
        locktag_field3: held.2,
        locktag_field4: held.3,
        locktag_type: pg_sys::LockTagType::LOCKTAG_ADVISORY as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

/// The advisory locks of all sessions, each with its process. Needs no transaction.
fn all() -> Vec<(i32, pg_sys::LOCKTAG, pg_sys::LOCKMASK)> {
    // SAFETY: a copy in the current memory context, of as many items as it says
    unsafe {
        let data = pg_sys::GetLockStatusData();
        let count = usize::try_from((*data).nelements).unwrap_or(0);
        let locks = (0..count).map(|n| &*(*data).locks.add(n));
        let advisory = pg_sys::LockTagType::LOCKTAG_ADVISORY as u8;
        let found = locks
            .filter(|lock| lock.locktag.locktag_type == advisory)
            .map(|lock| (lock.pid, lock.locktag, lock.holdMask))
            .collect();
        pg_sys::pfree((*data).locks.cast());
        pg_sys::pfree(data.cast());
        found
    }
}

/// True for a lock of this process.
fn is_own(pid: i32) -> bool {
    // SAFETY: a word of this process
    pid == unsafe { pg_sys::MyProcPid }
}

/// Other processes that hold a lock and keep this one from it, also those that are idle. `shared`: as this one wants it.
#[must_use]
pub fn holders(key: super::session_lock::Key, shared: bool) -> Vec<i32> {
    let wanted = key.tag();
    let fields = |t: &pg_sys::LOCKTAG| {
        let key = (t.locktag_field1, t.locktag_field2, t.locktag_field3);
        (key, t.locktag_field4)
    };
    let bars = match shared {
        true => 1 << pg_sys::ExclusiveLock,
        false => !0,
    };
    let bar = all().into_iter().filter(|(pid, tag, held)| {
        !is_own(*pid) && held & bars != 0 && fields(tag) == fields(&wanted)
    });
    let mut pids: Vec<i32> = bar.map(|(pid, ..)| pid).collect();
    pids.sort_unstable();
    pids.dedup();
    pids
}

impl Advisory {
    /// Needs no transaction. Locks of all sessions are copied, so it is not for each statement.
    #[must_use]
    pub fn now() -> Advisory {
        let mut found = BTreeSet::new();
        for (_, t, held) in all().into_iter().filter(|(pid, ..)| is_own(*pid)) {
            let modes = (1..=pg_sys::MaxLockMode as i32).filter(|m| held & (1 << m) != 0);
            found.extend(modes.map(|mode| {
                let fields = (t.locktag_field1, t.locktag_field2, t.locktag_field3);
                (fields.0, fields.1, fields.2, t.locktag_field4, mode)
            }));
        }
        Advisory(found)
    }

    /// Gives back what the session has taken since; what ends with the transaction is left to it. How often a lock is
    /// held is not known: one that was there already stays.
    pub fn release_others(&self) {
        let now = Advisory::now();
        let _quiet = Quiet::begin();
        for held in now.0.difference(&self.0) {
            let tag = tag(held);
            // a run has its own, which end with it
            if super::session_lock::is_ours(&tag, held.4) {
                continue;
            }
            // SAFETY: held by this process; false, and a warning that nobody sees, where it is the transaction's
            unsafe {
                while super::compat::lock_held(&tag, held.4)
                    && pg_sys::LockRelease(&tag, held.4, true)
                {}
            }
        }
    }

    /// Takes again what the session has given back since. False where somebody else has that now.
    #[must_use]
    pub fn take_again(&self) -> bool {
        let now = Advisory::now();
        self.0.difference(&now.0).fold(true, |all, held| {
            // SAFETY: a tag on this stack; only what a session holds can be given back before its transaction ends
            let got = unsafe { pg_sys::LockAcquire(&tag(held), held.4, true, true) };
            all && got != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
        })
    }
}

/// While alive, warnings are neither sent nor logged.
struct Quiet {
    client: i32,
    log: i32,
}

impl Quiet {
    fn begin() -> Quiet {
        // SAFETY: plain words of this process
        unsafe {
            let quiet = Quiet {
                client: pg_sys::client_min_messages,
                log: pg_sys::log_min_messages,
            };
            pg_sys::client_min_messages = pgrx::PgLogLevel::ERROR as i32;
            pg_sys::log_min_messages = pgrx::PgLogLevel::ERROR as i32;
            quiet
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: as above
        unsafe {
            pg_sys::client_min_messages = self.client;
            pg_sys::log_min_messages = self.log;
        }
    }
}
