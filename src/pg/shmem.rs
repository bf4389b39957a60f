//! The board: the few words of shared memory by which sessions, launcher and workers find each other.
//!
//! It exists only when the library is preloaded; without it nobody can be woken and nothing is lost,
//! because every worker also looks by itself after `strata.worker_interval`.

use pgrx::lwlock::PgLwLock;
use pgrx::prelude::*;
use pgrx::shmem::AssertPGRXSharedMemory;
use pgrx::{pg_shmem_init, pg_sys};
use std::sync::atomic::{AtomicBool, Ordering};

/// Database workers that can run at once in a cluster.
const WORKERS: usize = 256;
/// Wishes that the launcher has not read yet; more than that and it looks everywhere.
const WISHES: usize = 64;

#[derive(Clone, Copy)]
struct Place {
    database: u32,
    /// address of a latch in shared memory, the same in all processes of a cluster
    latch: usize,
    /// somebody asked for a round since the last one
    called: bool,
    /// the earliest time at which there is something to do, of those noted since the last look
    due: i64,
    /// the end of the shortest lease of those noted since the last look
    lease_end: i64,
    /// when the worker looks without being told
    looks_at: i64,
}

#[derive(Clone, Copy)]
struct Board {
    launcher: usize,
    workers: [Place; WORKERS],
    wishes: [u32; WISHES],
    wish_count: usize,
    wish_all: bool,
}

const FREE: Place = Place {
    database: 0,
    latch: 0,
    called: false,
    due: i64::MAX,
    lease_end: i64::MAX,
    looks_at: i64::MAX,
};

// SAFETY: the name is ours alone, and Board holds no pointer into the heap
static BOARD: PgLwLock<AssertPGRXSharedMemory<Board>> =
    unsafe { PgLwLock::new(c"pg_strata board") };

static AVAILABLE: AtomicBool = AtomicBool::new(false);

/// Asks for the memory; only while preloading.
pub fn init() {
    pg_shmem_init!(BOARD = empty());
    AVAILABLE.store(true, Ordering::Relaxed);
}

fn empty() -> AssertPGRXSharedMemory<Board> {
    let board = Board {
        launcher: 0,
        workers: [FREE; WORKERS],
        wishes: [0; WISHES],
        wish_count: 0,
        wish_all: false,
    };
    // SAFETY: plain numbers
    unsafe { AssertPGRXSharedMemory::new(board) }
}

/// True when the library was preloaded, so that the board exists.
pub fn available() -> bool {
    AVAILABLE.load(Ordering::Relaxed)
}

/// What came of asking for the place of a database's worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The place is ours until this process ends.
    Ours,
    /// Another worker serves this database.
    Taken,
    /// All places are taken.
    Full,
}

/// Makes this process the one worker of `database`.
pub fn claim(database: pg_sys::Oid) -> Claim {
    let claim = {
        let mut board = BOARD.exclusive();
        let database = database.to_u32();
        if board.workers.iter().any(|p| p.database == database) {
            Claim::Taken
        } else if let Some(free) = board.workers.iter_mut().find(|p| p.database == 0) {
            *free = Place {
                database,
                latch: my_latch(),
                ..FREE
            };
            Claim::Ours
        } else {
            Claim::Full
        }
    };
    if claim == Claim::Ours {
        at_exit();
    }
    claim
}

/// Makes this process the launcher.
pub fn become_launcher() {
    BOARD.exclusive().launcher = my_latch();
    at_exit();
}

/// The databases whose worker runs.
pub fn served() -> Vec<u32> {
    if !available() {
        return Vec::new();
    }
    let board = BOARD.share();
    board
        .workers
        .iter()
        .map(|p| p.database)
        .filter(|d| *d != 0)
        .collect()
}

/// Makes the worker of `database` begin a round; false when there is none.
pub fn wake_worker(database: pg_sys::Oid) -> bool {
    if !available() {
        return false;
    }
    let latch = {
        let mut board = BOARD.exclusive();
        let database = database.to_u32();
        let place = board.workers.iter_mut().find(|p| p.database == database);
        place.map_or(0, |p| {
            p.called = true;
            p.latch
        })
    };
    set(latch)
}

/// What the worker of a database has to do at some time, in microseconds since 2000-01-01 UTC; `i64::MAX`: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// a job is due
    pub due: i64,
    /// a lease ends
    pub lease_end: i64,
}

impl Times {
    pub const NEVER: Times = Times {
        due: i64::MAX,
        lease_end: i64::MAX,
    };

    /// The earlier ones of both.
    #[must_use]
    pub fn and(self, other: Times) -> Times {
        Times {
            due: self.due.min(other.due),
            lease_end: self.lease_end.min(other.lease_end),
        }
    }
}

/// Tells the worker of `database` when there is something to do. It is woken if it does not look that early anyway.
/// May be called when a transaction ends.
pub fn note_times(database: pg_sys::Oid, times: Times) {
    if !available() {
        return;
    }
    let latch = {
        let mut board = BOARD.exclusive();
        let database = database.to_u32();
        let place = board.workers.iter_mut().find(|p| p.database == database);
        place.map_or(0, |p| {
            p.due = p.due.min(times.due);
            p.lease_end = p.lease_end.min(times.lease_end);
            let woken = times.due.min(times.lease_end) < p.looks_at;
            if woken { p.latch } else { 0 }
        })
    };
    set(latch);
}

/// The earliest times that were noted since the last call, for the worker of `database`.
pub fn take_times(database: pg_sys::Oid) -> Times {
    if !available() {
        return Times::NEVER;
    }
    let mut board = BOARD.exclusive();
    let database = database.to_u32();
    let place = board.workers.iter_mut().find(|p| p.database == database);
    place.map_or(Times::NEVER, |p| Times {
        due: std::mem::replace(&mut p.due, i64::MAX),
        lease_end: std::mem::replace(&mut p.lease_end, i64::MAX),
    })
}

/// The worker of `database` looks at this time without being told; true if something earlier was noted meanwhile.
pub fn will_look_at(database: pg_sys::Oid, at: i64) -> bool {
    if !available() {
        return false;
    }
    let mut board = BOARD.exclusive();
    let database = database.to_u32();
    let place = board.workers.iter_mut().find(|p| p.database == database);
    place.is_some_and(|p| {
        p.looks_at = at;
        p.due.min(p.lease_end) < at
    })
}

/// Wakes the worker of `database` without asking for a round. May be called when a transaction ends.
pub fn tap_worker(database: u32) {
    if !available() {
        return;
    }
    let latch = {
        let board = BOARD.share();
        let place = board.workers.iter().find(|p| p.database == database);
        place.map_or(0, |p| p.latch)
    };
    set(latch);
}

/// True when a round was asked for since the last [`take_call`].
pub fn is_called(database: pg_sys::Oid) -> bool {
    if !available() {
        return false;
    }
    let board = BOARD.share();
    let database = database.to_u32();
    board
        .workers
        .iter()
        .any(|p| p.database == database && p.called)
}

/// True when a round was asked for since the last call.
pub fn take_call(database: pg_sys::Oid) -> bool {
    if !available() {
        return false;
    }
    let mut board = BOARD.exclusive();
    let database = database.to_u32();
    let place = board.workers.iter_mut().find(|p| p.database == database);
    place.is_some_and(|p| std::mem::take(&mut p.called))
}

/// Tells the launcher that `database` may need a worker now (`None`: look at the list of databases).
pub fn wake_launcher(database: Option<pg_sys::Oid>) {
    if !available() {
        return;
    }
    let latch = {
        let mut board = BOARD.exclusive();
        if let Some(database) = database {
            let n = board.wish_count;
            if n < WISHES {
                board.wishes[n] = database.to_u32();
                board.wish_count = n + 1;
            } else {
                board.wish_all = true;
            }
        }
        board.launcher
    };
    set(latch);
}

/// What sessions wished since the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wishes {
    Databases(Vec<u32>),
    All,
}

/// Takes the wishes off the board.
pub fn take_wishes() -> Wishes {
    let mut board = BOARD.exclusive();
    let taken = board.wishes[..board.wish_count].to_vec();
    let all = board.wish_all;
    board.wish_count = 0;
    board.wish_all = false;
    if all {
        Wishes::All
    } else {
        Wishes::Databases(taken)
    }
}

fn my_latch() -> usize {
    // SAFETY: a process with shared memory access has its latch in PGPROC, which stays where it is
    unsafe { pg_sys::MyLatch as usize }
}

fn set(latch: usize) -> bool {
    if latch == 0 {
        return false;
    }
    // SAFETY: latches on the board lie in PGPROC: valid memory for the life of the cluster. Should
    // the process have changed meanwhile, the new one wakes once for nothing
    unsafe { pg_sys::SetLatch(latch as *mut pg_sys::Latch) };
    true
}

fn at_exit() {
    // SAFETY: the callback matches the type that before_shmem_exit wants
    unsafe { pg_sys::before_shmem_exit(Some(leave), pg_sys::Datum::from(0)) }
}

/// Takes this process off the board; a killed process takes the whole memory with it.
#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, _arg: pg_sys::Datum) {
    let mine = my_latch();
    let launcher = {
        let mut board = BOARD.exclusive();
        for place in board.workers.iter_mut().filter(|p| p.latch == mine) {
            *place = FREE;
        }
        if board.launcher == mine {
            board.launcher = 0;
        }
        board.launcher
    };
    set(launcher);
}
