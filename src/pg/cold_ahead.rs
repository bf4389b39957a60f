//! The first requests of files that come next, sent while the backend waits for another one.
//!
//! The statement of such a file runs in trial mode: where it would wait, the bytes are asked for and
//! it gives up; it runs again when they may be there. So exactly those bytes are fetched that the
//! scan will ask for first, whatever access path SQLite takes.

use super::cold_files;
use super::sqlite::{Cursor, SqliteError};
use crate::cold::manifest::Manifest;
use crate::cold::mapping::Cell;
use crate::cold::store::{Hint, StoreError};
use crate::error::Result;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many rows of a statement are found beforehand: each row of an index scan may lie elsewhere.
const ROWS: u32 = 64;

/// A statement to run before its scan starts.
pub struct Statement {
    pub manifest: Rc<Manifest>,
    pub sql: String,
    pub binds: Vec<Cell>,
    pub hint: Hint,
}

struct Ahead {
    /// who asked: a query, which takes its entries along when it ends
    owner: usize,
    statement: Statement,
    cursor: Option<Cursor>,
}

thread_local! {
    static AHEAD: RefCell<Vec<Ahead>> = const { RefCell::new(Vec::new()) };
}

/// An answer has come that nobody has looked at. Of this process: it has one thread that asks.
static NEWS: AtomicBool = AtomicBool::new(false);

/// An answer has come; called on the thread that asks.
pub fn answered() {
    NEWS.store(true, Ordering::Relaxed);
}

/// Puts a statement on the list, if its file is remote. It asks for nothing before [`advance`]: what the
/// backend itself waits for goes first.
pub fn plan(owner: usize, statement: Statement) -> Result<()> {
    if !cold_files::open_ahead(&statement.manifest)? {
        return Ok(());
    }
    AHEAD.with_borrow_mut(|all| {
        all.push(Ahead {
            owner,
            statement,
            cursor: None,
        });
    });
    NEWS.store(true, Ordering::Relaxed);
    Ok(())
}

/// The scan of this file begins: from here it asks by itself.
pub fn stop(owner: usize, file: &str) {
    remove(|ahead| ahead.owner == owner && ahead.statement.manifest.file == file);
}

/// The query ends.
pub fn forget(owner: usize) {
    remove(|ahead| ahead.owner == owner);
}

fn remove(which: impl Fn(&Ahead) -> bool) {
    let gone: Vec<Ahead> = AHEAD.with_borrow_mut(|all| all.extract_if(.., |a| which(a)).collect());
    // statements end outside of the borrow
    drop(gone);
}

/// The same, called while SQLite works: only when something may have changed.
pub fn glance() {
    if NEWS.load(Ordering::Relaxed) {
        advance();
    }
}

/// Runs all of them as far as their bytes are here. Called while the backend waits.
pub fn advance() {
    let all = AHEAD.take();
    // also inside of itself
    if all.is_empty() {
        return;
    }
    NEWS.store(false, Ordering::Relaxed);
    let waiting: Vec<Ahead> = all.into_iter().filter_map(step).collect();
    AHEAD.with_borrow_mut(|all| all.extend(waiting));
}

/// One of them; `None` when there is nothing more to do for it. What goes wrong is left to the
/// scan, which will meet it again and say so.
fn step(mut ahead: Ahead) -> Option<Ahead> {
    match run(&mut ahead) {
        Err(SqliteError::Store(StoreError::NotHere)) => Some(ahead),
        Ok(()) | Err(_) => None,
    }
}

fn run(ahead: &mut Ahead) -> std::result::Result<(), SqliteError> {
    let db = cold_files::db_ahead(&ahead.statement.manifest)?;
    // a scan of the same file is what the backend waits in
    if db.is_busy() {
        return Err(SqliteError::Store(StoreError::NotHere));
    }
    db.trial(|| {
        let cursor = match &mut ahead.cursor {
            Some(cursor) => cursor,
            empty => {
                let mut cursor = db.prepare(&ahead.statement.sql)?;
                for (i, cell) in ahead.statement.binds.iter().enumerate() {
                    cursor.bind(i + 1, cell)?;
                }
                db.hint(ahead.statement.hint);
                empty.insert(cursor)
            }
        };
        let mut rows = 0;
        while rows < ROWS && cursor.step()? {
            rows += 1;
        }
        cursor.reset();
        Ok(())
    })
}
