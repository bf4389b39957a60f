//! What a transaction did to queues, told when it ends: rows that became ready, rows that are ready again,
//! and keys that a search had taken when it failed.
//!
//! Nothing here may raise an error: the callbacks run when it is too late for one.

use super::{notify, queue_async, queue_board, queue_wake};
use crate::queue::board::Name;
use crate::queue::hint::Key;
use crate::queue::ready::{Batches, Transaction};
use pgrx::{pg_guard, pg_sys};
use std::cell::{Cell, RefCell};

/// Keys that a running search has taken off the board.
struct Taken {
    name: Name,
    keys: Vec<Key>,
}

/// More ends of jobs of one transaction than this are told as "some".
const MANY: usize = 64;

/// A queue whose pushers send NOTIFY themselves.
struct Loud {
    qid: i32,
    name: String,
    channel: String,
}

thread_local! {
    static TRANSACTION: RefCell<Transaction> = const { RefCell::new(Transaction::new()) };
    static TAKEN: RefCell<Option<Taken>> = const { RefCell::new(None) };
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    /// jobs that this transaction has ended: queue and id
    static ENDED: RefCell<Vec<(i32, i64)>> = const { RefCell::new(Vec::new()) };
    static LOUD: RefCell<Vec<Loud>> = const { RefCell::new(Vec::new()) };
}

/// The name of a queue of this database on the boards.
pub fn name(qid: i32) -> Name {
    Name {
        // SAFETY: fixed for the life of the process
        database: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        qid,
    }
}

fn nesting() -> i32 {
    // SAFETY: reads the transaction state of this backend
    unsafe { pg_sys::GetCurrentTransactionNestLevel() }
}

/// A row that will be ready when the transaction commits, of a job that has never come back.
pub fn pushed(qid: i32, key: Key) {
    pushed_job(qid, key, key.seq);
}

/// A row that will be ready when the transaction commits, of the job `id`.
pub fn pushed_job(qid: i32, key: Key, id: i64) {
    watch();
    TRANSACTION.with_borrow_mut(|t| {
        t.pushed(nesting(), qid, key.lane, key.generation, key.seq, id);
    });
}

/// The commit of this transaction sends NOTIFY for the ready rows of this queue.
pub fn notify(qid: i32, name: &str, channel: &str) {
    LOUD.with_borrow_mut(|loud| {
        if !loud.iter().any(|l| l.qid == qid) {
            loud.push(Loud {
                qid,
                name: name.to_string(),
                channel: channel.to_string(),
            });
        }
    });
}

/// A job that has ended when the transaction commits.
pub fn job_ended(qid: i32, id: i64) {
    if queue_wake::shared() {
        watch();
        ENDED.with_borrow_mut(|ended| ended.push((qid, id)));
    }
}

/// What a notification says: the newest job and its queue.
pub fn notification(last: i64, queue: &str) -> String {
    format!("{last} {queue}")
}

/// A ready row that was locked, claimed or deleted, and is ready again if that is undone. To be called before
/// the row is touched: an error in between is then no hole.
pub fn locked(qid: i32, key: Key) {
    watch();
    TRANSACTION.with_borrow_mut(|t| t.locked(nesting(), qid, key.lane, key.generation, key.seq));
}

/// Keys that a search took off the board; they go back if it ends with an error.
pub fn taken(name: Name, keys: &[Key]) {
    watch();
    TAKEN.set(Some(Taken {
        name,
        keys: keys.to_vec(),
    }));
}

/// The search has ended in good order.
pub fn returned() {
    TAKEN.set(None);
}

/// Has this process told when transactions end.
pub(super) fn watch() {
    if WATCHING.replace(true) {
        return;
    }
    // SAFETY: callbacks of the right types, registered once per process
    unsafe {
        pg_sys::RegisterXactCallback(Some(ended), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(sub_ended), std::ptr::null_mut());
    }
}

fn give_back() {
    if let Some(taken) = TAKEN.take() {
        queue_board::with(taken.name, |board| board.give_back(taken.name, &taken.keys));
    }
}

fn note(batches: &Batches) {
    for batch in batches.iter() {
        let name = name(batch.qid);
        queue_board::with(name, |board| board.note(name, &batch.ready));
    }
    if queue_wake::shared() {
        for batch in batches.iter() {
            queue_wake::ready(name(batch.qid), batch.count, batch.last);
        }
    }
}

fn note_ended() {
    let mut ended = ENDED.take();
    ended.sort_unstable();
    for of_queue in ended.chunk_by(|a, b| a.0 == b.0) {
        let few = of_queue.len() <= MANY;
        let ids: Vec<i64> = of_queue.iter().filter(|_| few).map(|e| e.1).collect();
        queue_wake::ended(name(of_queue[0].0), &ids);
    }
}

/// The last moment for what may fail.
fn before_commit() {
    let loud = LOUD.take();
    if !loud.is_empty() {
        let news = TRANSACTION.with_borrow(Transaction::newest);
        for queue in loud {
            let last = news.iter().filter(|(qid, _)| *qid == queue.qid);
            if let Some(last) = last.map(|(_, last)| *last).max() {
                notify::send(&queue.channel, &notification(last, &queue.name));
            }
        }
    }
    queue_async::before_commit();
}

#[pg_guard]
unsafe extern "C-unwind" fn ended(event: pg_sys::XactEvent::Type, _arg: *mut core::ffi::c_void) {
    use pg_sys::XactEvent as Event;
    match event {
        Event::XACT_EVENT_PRE_COMMIT => return before_commit(),
        Event::XACT_EVENT_PRE_PREPARE | Event::XACT_EVENT_PARALLEL_PRE_COMMIT => return,
        _ => queue_async::ended(),
    }
    LOUD.with_borrow_mut(Vec::clear);
    match event {
        // others can see the change: both come after ProcArrayEndTransaction (xact.c)
        Event::XACT_EVENT_COMMIT | Event::XACT_EVENT_PARALLEL_COMMIT => {
            give_back();
            note(&TRANSACTION.with_borrow_mut(Transaction::commit));
            note_ended();
        }
        Event::XACT_EVENT_ABORT | Event::XACT_EVENT_PARALLEL_ABORT => {
            give_back();
            ENDED.with_borrow_mut(Vec::clear);
            note(&TRANSACTION.with_borrow_mut(Transaction::abort));
        }
        // no callback runs when it is committed or rolled back: the sweep finds its rows
        Event::XACT_EVENT_PREPARE => {
            give_back();
            ENDED.with_borrow_mut(Vec::clear);
            TRANSACTION.set(Transaction::new());
        }
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn sub_ended(
    event: pg_sys::SubXactEvent::Type,
    _mine: pg_sys::SubTransactionId,
    _parent: pg_sys::SubTransactionId,
    _arg: *mut core::ffi::c_void,
) {
    use pg_sys::SubXactEvent as Event;
    match event {
        Event::SUBXACT_EVENT_COMMIT_SUB => {
            TRANSACTION.with_borrow_mut(|t| t.sub_commit(nesting()));
        }
        Event::SUBXACT_EVENT_ABORT_SUB => {
            give_back();
            let again = TRANSACTION.with_borrow_mut(|t| t.sub_abort(nesting()));
            note(&again);
        }
        _ => {}
    }
}
