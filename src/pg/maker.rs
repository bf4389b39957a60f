//! The maker: a background worker that makes missing chunks for a writer and commits them by itself.
//!
//! It joins the writer's lock group before it takes any lock. Without that, an ALTER TABLE that queues
//! behind the writer, or an earlier write of the writer to a table which the hypertable references, is a
//! deadlock that nobody detects. With it the two do not conflict with each other, and the detector sees
//! real deadlocks. A process joins one group and never leaves it, hence a maker per request.
//!
//! Because the two pass through each other's locks, a maker must not outlive the statement that it works
//! for: its end is awaited on every way out, also on errors.

use super::bgworker::{self, contain, transaction};
use super::subxact::Caught;
use super::{compat_executor, inject};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, PgSqlErrorCode, pg_guard, pg_sys};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// `backend_type` and application_name of a maker.
pub const MAKER: &str = "pg_strata maker";

/// Makes these chunks of a hypertable in the current transaction; returns how many were missing.
pub type Make = fn(relation: pg_sys::Oid, indexes: &[i64]) -> Result<u32>;

static MAKE: OnceLock<Make> = OnceLock::new();

/// Names the function that a maker runs.
pub fn set_make(make: Make) {
    MAKE.get_or_init(|| make);
}

const MAGIC: u64 = 0x7374_7261_7461_6d6b;
const ASKED: u32 = 0;
const DONE: u32 = 1;
const FAILED: u32 = 2;

/// What writer and maker share: a segment of dynamic shared memory that goes with them. The numbers of
/// the chunks follow it.
#[repr(C)]
struct Request {
    magic: u64,
    database: u32,
    relation: u32,
    leader: i32,
    leader_pid: i32,
    lock_timeout_ms: i32,
    count: u32,
    /// written last by the maker
    state: AtomicU32,
    made: u32,
    sqlstate: i32,
    message: Text<1024>,
    detail: Text<2048>,
    hint: Text<1024>,
}

#[repr(C)]
struct Text<const N: usize> {
    len: u32,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    fn set(&mut self, text: Option<&str>) {
        let text = text.unwrap_or_default();
        let mut len = text.len().min(N);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        self.bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        self.len = len as u32;
    }

    fn get(&self) -> Option<String> {
        let bytes = self.bytes.get(..self.len as usize)?;
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
    }
}

/// The writer's side of the shared segment.
struct Segment(*mut pg_sys::dsm_segment);

impl Segment {
    fn new(relation: pg_sys::Oid, indexes: &[i64]) -> Segment {
        let size = size_of::<Request>() + size_of_val(indexes);
        // SAFETY: a new segment of `size` bytes, aligned for any type; the numbers follow the struct,
        // whose size is a multiple of 8. Zero bytes are valid for every field
        unsafe {
            let segment = pg_sys::dsm_create(size, 0);
            let request = pg_sys::dsm_segment_address(segment).cast::<Request>();
            std::ptr::write_bytes(request.cast::<u8>(), 0, size);
            (*request).magic = MAGIC;
            (*request).database = pg_sys::MyDatabaseId.to_u32();
            (*request).relation = relation.to_u32();
            (*request).leader = compat_executor::my_proc_number();
            (*request).leader_pid = pg_sys::MyProcPid;
            (*request).lock_timeout_ms = pg_sys::LockTimeout;
            (*request).count = indexes.len() as u32;
            let numbers = request.add(1).cast::<i64>();
            std::ptr::copy_nonoverlapping(indexes.as_ptr(), numbers, indexes.len());
            Segment(segment)
        }
    }

    fn request(&self) -> *mut Request {
        // SAFETY: mapped until Drop
        unsafe { pg_sys::dsm_segment_address(self.0).cast() }
    }

    fn handle(&self) -> u32 {
        // SAFETY: mapped until Drop
        unsafe { pg_sys::dsm_segment_handle(self.0) }
    }

    /// What the maker answered, `None` while it works.
    fn answer(&self) -> Option<std::result::Result<u32, Caught>> {
        // SAFETY: the state is written after everything else, and nothing is written after it
        let request = unsafe { &*self.request() };
        match request.state.load(Ordering::Acquire) {
            DONE => Some(Ok(request.made)),
            FAILED => Some(Err(Caught {
                code: PgSqlErrorCode::from(request.sqlstate),
                message: request.message.get().unwrap_or_default(),
                detail: request.detail.get(),
                hint: request.hint.get(),
            })),
            _ => None,
        }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: mapped once, unmapped once
        unsafe { pg_sys::dsm_detach(self.0) }
    }
}

/// The maker that this process waits for, for the exit callback.
static mut RUNNING: *mut pg_sys::BackgroundWorkerHandle = std::ptr::null_mut();

/// A maker that was started. Dropped before it has answered, it is ended, and its end awaited.
struct Running {
    handle: *mut pg_sys::BackgroundWorkerHandle,
    answered: bool,
}

impl Running {
    fn start(segment: u32) -> Option<Running> {
        let handle = bgworker::start_once(MAKER, c"pg_strata_maker_main", segment)?;
        // SAFETY: plain globals of this process
        unsafe {
            at_exit();
            RUNNING = handle;
        }
        Some(Running {
            handle,
            answered: false,
        })
    }

    fn ended(&self) -> bool {
        let mut pid = 0;
        // SAFETY: the handle lives until Drop
        let status = unsafe { pg_sys::GetBackgroundWorkerPid(self.handle, &mut pid) };
        status == pg_sys::BgwHandleStatus::BGWH_STOPPED
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: the handle is freed here only. Interrupts are held as parallel query does in the same
        // place: the wait is short, and a second cancel must not leave the maker behind
        unsafe {
            if !self.answered {
                pg_sys::InterruptHoldoffCount += 1;
                pg_sys::TerminateBackgroundWorker(self.handle);
                pg_sys::WaitForBackgroundWorkerShutdown(self.handle);
                pg_sys::InterruptHoldoffCount -= 1;
            }
            RUNNING = std::ptr::null_mut();
            pg_sys::pfree(self.handle.cast());
        }
    }
}

/// Registers [`leave`] once per process.
fn at_exit() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // SAFETY: the callback matches the type that before_shmem_exit wants
        unsafe { pg_sys::before_shmem_exit(Some(leave), pg_sys::Datum::from(0)) }
    });
}

/// A session that is terminated (FATAL runs no Drop) takes its maker along.
#[pg_guard]
unsafe extern "C-unwind" fn leave(_code: i32, _arg: pg_sys::Datum) {
    // SAFETY: NULL, or a handle that lives in TopMemoryContext
    unsafe {
        if !RUNNING.is_null() {
            pg_sys::TerminateBackgroundWorker(RUNNING);
        }
    }
}

/// Has a maker make the chunks numbered `indexes`, and waits for it. Returns how many were missing.
/// Raises the maker's error as its own; 53400 when no worker is free for `patience`.
pub fn make(relation: pg_sys::Oid, indexes: &[i64], patience: Duration) -> u32 {
    // SAFETY: not in a parallel worker, which may not write at all
    unsafe { pg_sys::BecomeLockGroupLeader() }
    let segment = Segment::new(relation, indexes);
    let mut running = wait_for_start(&segment, patience);
    loop {
        // in this order: a maker that has ended answers no more
        let ended = running.ended();
        if let Some(answer) = segment.answer() {
            running.answered = true;
            drop(running);
            drop(segment);
            return answer.unwrap_or_else(|caught| raise(caught.raise()));
        }
        if ended {
            drop(running);
            raise(
                ErrorReport::new(
                    PgSqlErrorCode::ERRCODE_OPERATOR_INTERVENTION,
                    "the background worker that makes chunks was ended",
                    "",
                )
                .set_hint("the server log says why; run the statement again"),
            );
        }
        // the maker and the postmaster wake us; the rest is for safety
        bgworker::pause(Duration::from_millis(100));
    }
}

fn wait_for_start(segment: &Segment, patience: Duration) -> Running {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_millis(5);
    loop {
        if let Some(running) = Running::start(segment.handle()) {
            return running;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            raise(ErrorReport::from(
                Error::new(
                    Kind::ConfiguredLimit,
                    format!(
                        "no background worker was free to make a chunk within {} ms",
                        patience.as_millis()
                    ),
                )
                .hint("raise max_worker_processes in postgresql.conf and restart the server, or make chunks ahead: strata.premake_chunks"),
            ));
        }
        bgworker::pause(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

fn raise(report: ErrorReport) -> ! {
    report.report(PgLogLevel::ERROR);
    unreachable!("an error returns")
}

/// Entry point of a maker; the argument is the handle of the segment.
#[pg_guard]
#[unsafe(no_mangle)]
pub extern "C-unwind" fn pg_strata_maker_main(arg: pg_sys::Datum) {
    bgworker::obey_signals();
    // SAFETY: the segment stays mapped to the end of the process; what it holds is checked by its mark
    let request = unsafe {
        let owner = pg_sys::ResourceOwnerCreate(std::ptr::null_mut(), c"pg_strata maker".as_ptr());
        pg_sys::CurrentResourceOwner = owner;
        let segment = pg_sys::dsm_attach(arg.value() as u32);
        if segment.is_null() {
            return; // the writer has gone
        }
        pg_sys::dsm_pin_mapping(segment);
        let request = pg_sys::dsm_segment_address(segment).cast::<Request>();
        if (*request).magic != MAGIC {
            return;
        }
        let leader = (*pg_sys::ProcGlobal)
            .allProcs
            .add((*request).leader as usize);
        // before anything that takes a lock
        if !pg_sys::BecomeLockGroupMember(leader, (*request).leader_pid) {
            return;
        }
        request
    };
    // SAFETY: written by the writer before this process was started
    let (database, relation, lock_timeout_ms, indexes) = unsafe {
        let count = (*request).count as usize;
        (
            pg_sys::Oid::from((*request).database),
            pg_sys::Oid::from((*request).relation),
            (*request).lock_timeout_ms,
            std::slice::from_raw_parts(request.add(1).cast::<i64>(), count).to_vec(),
        )
    };
    bgworker::connect(Some(database), MAKER);
    let outcome = work(relation, &indexes, lock_timeout_ms);
    // SAFETY: still mapped; the writer reads the other fields after `state` only
    unsafe { answer(request, outcome) }
}

fn work(
    relation: pg_sys::Oid,
    indexes: &[i64],
    lock_timeout_ms: i32,
) -> std::result::Result<u32, Caught> {
    bgworker::report_active("pg_strata: making chunks");
    // The writer's commit record follows ours in the log, so its flush covers ours.
    contain(|| {
        bgworker::set_for_life("synchronous_commit", "off");
        bgworker::set_for_life("lock_timeout", &lock_timeout_ms.to_string());
        Ok(())
    })?;
    transaction(|| {
        inject::point("maker.before_work");
        let make = MAKE
            .get()
            .ok_or_else(|| Error::internal("no function to make chunks"))?;
        let made = make(relation, indexes)?;
        inject::point("maker.before_commit");
        Ok(made)
    })
}

/// # Safety
/// `request` must be mapped.
unsafe fn answer(request: *mut Request, outcome: std::result::Result<u32, Caught>) {
    // SAFETY: promised by the caller; the leader's place in the array of processes stays where it is,
    // and another process in it wakes once for nothing
    unsafe {
        let state = match outcome {
            Ok(made) => {
                (*request).made = made;
                DONE
            }
            Err(caught) => {
                (*request).sqlstate = caught.code as i32;
                (*request).message.set(Some(&caught.message));
                (*request).detail.set(caught.detail.as_deref());
                (*request).hint.set(caught.hint.as_deref());
                FAILED
            }
        };
        debug_assert_ne!(state, ASKED);
        (*request).state.store(state, Ordering::Release);
        let leader = (*pg_sys::ProcGlobal)
            .allProcs
            .add((*request).leader as usize);
        pg_sys::SetLatch(&raw mut (*leader).procLatch);
    }
}

const _: () = assert!(size_of::<Request>().is_multiple_of(8) && align_of::<Request>() == 8);
