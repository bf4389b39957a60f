#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::cold::store::{StoreError, StoreResult};
use crate::error::Kind;
use std::cell::{Cell as Slot, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A file in memory that fails on demand.
struct Memory {
    bytes: Vec<u8>,
    /// reads that still succeed
    left: Slot<u64>,
    trouble: RefCell<Option<Fault>>,
    reads: Slot<u64>,
}

#[derive(Clone)]
enum Fault {
    Error(StoreError),
    Panic(u64),
}

impl Memory {
    fn new(bytes: Vec<u8>) -> Rc<Memory> {
        Rc::new(Memory {
            bytes,
            left: Slot::new(u64::MAX),
            trouble: RefCell::new(None),
            reads: Slot::new(0),
        })
    }

    fn fail_after(&self, reads: u64, fault: Fault) {
        self.left.set(reads);
        *self.trouble.borrow_mut() = Some(fault);
    }

    fn heal(&self) {
        self.left.set(u64::MAX);
    }
}

/// What a panic carries here; PostgreSQL errors carry such a box as well.
#[derive(Debug, PartialEq)]
struct Payload(u64);

impl RangeRead for Memory {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()> {
        self.reads.set(self.reads.get() + 1);
        if self.left.get() == 0 {
            match self.trouble.borrow().clone().unwrap() {
                Fault::Error(e) => return Err(e),
                Fault::Panic(n) => resume_unwind(Box::new(Payload(n))),
            }
        }
        self.left.set(self.left.get() - 1);
        let from = usize::try_from(offset).unwrap();
        buf.copy_from_slice(&self.bytes[from..from + buf.len()]);
        Ok(())
    }

    fn stats(&self) -> ReadStats {
        ReadStats {
            gets: self.reads.get(),
            ..ReadStats::default()
        }
    }
}

/// Rows 1..=n: (i, 'text i', NULL or empty blob, -0.0 or NaN); about 27 rows a page, so a few
/// hundred make a tree.
fn file(n: i64) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size=32768; PRAGMA journal_mode=OFF;
         CREATE TABLE _cold_info(key TEXT PRIMARY KEY, value TEXT);
         INSERT INTO _cold_info VALUES('format', '1');
         CREATE TABLE _cold_columns(attnum INTEGER, name TEXT);
         CREATE TABLE x_raw(i INTEGER, t TEXT, b BLOB, f);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{n})
         INSERT INTO x_raw SELECT i, 'text '||i||' '||printf('%.1100c','x'),
           CASE WHEN i%2=1 THEN x'' END, CASE i WHEN 2 THEN 'NaN' ELSE -0.0 END FROM n;
         CREATE UNIQUE INDEX x_i ON x_raw(i);
         ANALYZE; VACUUM;"
    ))
    .unwrap();
    db.close().unwrap();
    std::fs::read(path).unwrap()
}

fn open(memory: &Rc<Memory>) -> Result<Rc<ColdDb>, SqliteError> {
    ColdDb::open(Rc::clone(memory) as Rc<dyn RangeRead>)
}

fn count(db: &Rc<ColdDb>) -> Result<i64, SqliteError> {
    let mut c = db.prepare("SELECT count(t) FROM x_raw")?;
    assert!(c.step()?);
    match c.value(0) {
        CellRef::Int(n) => Ok(n),
        other => unreachable!("{other:?}"),
    }
}

fn code(e: SqliteError) -> i32 {
    match e {
        SqliteError::Sqlite { code, .. } => code,
        SqliteError::Store(e) => unreachable!("{e}"),
    }
}

#[test]
fn reads_what_was_written() {
    let memory = Memory::new(file(500));
    let db = open(&memory).unwrap();
    db.check_table("x_raw").unwrap();
    let mut c = db
        .prepare("SELECT rowid, i, t, b, f FROM x_raw WHERE i >= ?1 ORDER BY i")
        .unwrap();
    assert_eq!(c.columns(), 5);
    c.bind(1, &Cell::Int(499)).unwrap();
    assert!(c.step().unwrap());
    assert_eq!(c.value(0), CellRef::Int(499));
    assert_eq!(c.value(1), CellRef::Int(499));
    assert!(matches!(c.value(2), CellRef::Text(t) if t.starts_with(b"text 499 xxx")));
    assert_eq!(c.value(3), CellRef::Blob(b""));
    assert!(matches!(c.value(4), CellRef::Real(f) if f == 0.0 && f.is_sign_negative()));
    assert_eq!(c.value(5), CellRef::Null);
    assert!(c.step().unwrap());
    assert_eq!(c.value(3), CellRef::Null);
    assert!(!c.step().unwrap());
    // again, with another value
    c.bind(1, &Cell::Int(500)).unwrap();
    assert!(c.step().unwrap());
    assert_eq!(c.value(0), CellRef::Int(500));
    assert!(db.stats().gets > 0);
    assert_eq!(db.stats().gets, memory.reads.get());
}

#[test]
fn every_kind_of_parameter() {
    let db = open(&Memory::new(file(3))).unwrap();
    let mut c = db.prepare("SELECT ?1, typeof(?1)").unwrap();
    for (cell, kind) in [
        (Cell::Null, "null"),
        (Cell::Int(i64::MIN), "integer"),
        (Cell::Real(-0.0), "real"),
        (Cell::Real(f64::INFINITY), "real"),
        (Cell::Text(String::new()), "text"),
        (Cell::Text("a\0ä".into()), "text"),
        (Cell::Blob(vec![]), "blob"),
        (Cell::Blob(vec![0, 255]), "blob"),
    ] {
        c.bind(1, &cell).unwrap();
        assert!(c.step().unwrap());
        assert_eq!(c.value(0), cell.as_ref());
        assert_eq!(c.value(1), CellRef::Text(kind.as_bytes()));
    }
    c.bind(1, &Cell::Real(f64::NAN)).unwrap();
    assert!(c.step().unwrap());
    assert_eq!(c.value(0), CellRef::Text(b"NaN"));
    assert_eq!(code(c.bind(2, &Cell::Null).unwrap_err()), ffi::SQLITE_RANGE);
    assert_eq!(code(c.bind(0, &Cell::Null).unwrap_err()), ffi::SQLITE_RANGE);
}

#[test]
fn store_errors_come_out_as_they_are() {
    let bytes = file(500);
    for e in [
        StoreError::Missing,
        StoreError::Changed("etag".into()),
        StoreError::Forbidden("no".into()),
        StoreError::Unreachable("gone".into()),
        StoreError::Timeout("slow".into()),
        StoreError::Short { wanted: 9, got: 1 },
        StoreError::Exists,
        StoreError::Protocol("odd".into()),
        StoreError::Io("disk".into()),
    ] {
        let want = SqliteError::Store(e.clone());
        // while opening
        let memory = Memory::new(bytes.clone());
        memory.fail_after(0, Fault::Error(e.clone()));
        assert_eq!(open(&memory).err(), Some(want.clone()));
        assert_eq!(memory.reads.get(), 1, "asked once, not again and again");
        assert_eq!(Rc::strong_count(&memory), 1, "nothing stays open");
        // while reading; afterwards the connection works again
        let memory = Memory::new(bytes.clone());
        let db = open(&memory).unwrap();
        memory.fail_after(3, Fault::Error(e));
        assert_eq!(count(&db), Err(want));
        memory.heal();
        assert_eq!(count(&db), Ok(500));
    }
}

#[test]
fn panics_come_out_as_they_are() {
    let bytes = file(500);
    // while opening
    let memory = Memory::new(bytes.clone());
    memory.fail_after(0, Fault::Panic(41));
    let caught = catch_unwind(AssertUnwindSafe(|| open(&memory).is_ok())).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&Payload(41)));
    assert_eq!(Rc::strong_count(&memory), 1);
    // in the middle of a statement, which can be used again
    let memory = Memory::new(bytes);
    let db = open(&memory).unwrap();
    let mut c = db.prepare("SELECT i, t FROM x_raw").unwrap();
    assert!(c.step().unwrap());
    memory.fail_after(2, Fault::Panic(42));
    let caught = catch_unwind(AssertUnwindSafe(|| while c.step().unwrap() {})).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&Payload(42)));
    memory.heal();
    let mut rows = 0;
    while c.step().unwrap() {
        rows += 1;
    }
    assert_eq!(rows, 500);
    // everything is dropped while a panic unwinds
    memory.fail_after(0, Fault::Panic(43));
    drop(c);
    drop(db);
    let again = Rc::clone(&memory);
    let caught = catch_unwind(AssertUnwindSafe(move || {
        again.heal();
        let db = open(&again).unwrap();
        let mut c = db.prepare("SELECT i, t FROM x_raw").unwrap();
        assert!(c.step().unwrap());
        again.fail_after(1, Fault::Panic(44));
        while c.step().unwrap() {}
    }))
    .unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&Payload(44)));
    assert_eq!(Rc::strong_count(&memory), 1, "closed by the unwinding");
}

thread_local! {
    static CHECKS: Slot<u32> = const { Slot::new(0) };
}

#[test]
fn the_interrupt_check_can_stop_a_statement() {
    fn check() {
        let n = CHECKS.get() + 1;
        CHECKS.set(n);
        if n == 5 {
            resume_unwind(Box::new(Payload(7)));
        }
    }
    let memory = Memory::new(file(3));
    let db = ColdDb::open_with(Rc::clone(&memory) as Rc<dyn RangeRead>, check).unwrap();
    let mut c = db
        .prepare(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT count(*) FROM n",
        )
        .unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| c.step())).unwrap_err();
    assert_eq!(caught.downcast_ref(), Some(&Payload(7)));
    assert_eq!(CHECKS.get(), 5);
    assert_eq!(count(&db), Ok(3));
}

#[test]
fn many_files_at_once() {
    let small: Vec<Vec<u8>> = (1..=4).map(file).collect();
    let open_files: Vec<(i64, Rc<Memory>, Rc<ColdDb>)> = (0..200)
        .map(|n| {
            let memory = Memory::new(small[n % 4].clone());
            let db = open(&memory).unwrap();
            (n as i64 % 4 + 1, memory, db)
        })
        .collect();
    for (rows, _, db) in open_files.iter().rev().chain(&open_files) {
        assert_eq!(count(db), Ok(*rows));
    }
    let memories: Vec<Rc<Memory>> = open_files.into_iter().map(|(_, m, _)| m).collect();
    assert!(memories.iter().all(|m| Rc::strong_count(m) == 1));
}

#[test]
fn a_cursor_keeps_its_file_open() {
    let memory = Memory::new(file(300));
    let db = open(&memory).unwrap();
    let mut c = db.prepare("SELECT i FROM x_raw").unwrap();
    drop(db);
    let mut rows = 0;
    while c.step().unwrap() {
        rows += 1;
    }
    assert_eq!(rows, 300);
    drop(c);
    assert_eq!(Rc::strong_count(&memory), 1);
}

#[path = "sqlite_foreign_tests.rs"]
mod foreign_files;

/// A file whose bytes arrive after they have been asked for; a read that waits is a failure here.
struct Arriving {
    bytes: Vec<u8>,
    asked: RefCell<std::collections::HashSet<u64>>,
}

impl RangeRead for Arriving {
    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()> {
        if !self.asked.borrow().contains(&(offset / 32768)) {
            return Err(StoreError::Timeout("this read would have waited".into()));
        }
        let from = usize::try_from(offset).unwrap();
        buf.copy_from_slice(&self.bytes[from..from + buf.len()]);
        Ok(())
    }

    fn read_if_here(&self, offset: u64, buf: &mut [u8]) -> StoreResult<bool> {
        if self.asked.borrow_mut().insert(offset / 32768) {
            return Ok(false);
        }
        self.read_at(offset, buf).map(|()| true)
    }

    fn stats(&self) -> ReadStats {
        ReadStats::default()
    }
}

#[test]
fn a_trial_never_waits_and_asks_for_what_the_scan_will_need() {
    let not_here = SqliteError::Store(StoreError::NotHere);
    let reader = Rc::new(Arriving {
        bytes: file(400),
        asked: RefCell::default(),
    });
    let mut opens = 0;
    let db = loop {
        match ColdDb::open_ahead(Rc::clone(&reader) as Rc<dyn RangeRead>) {
            Ok(db) => break db,
            Err(e) => assert_eq!(e, not_here),
        }
        opens += 1;
        assert!(opens < 10);
    };
    let sql = "SELECT t FROM x_raw WHERE i = 300";
    let mut trials = 0;
    let mut cursor = loop {
        match db.trial(|| db.prepare(sql)) {
            Ok(cursor) => break cursor,
            Err(e) => assert_eq!(e, not_here),
        }
        trials += 1;
        assert!(trials < 10);
    };
    loop {
        match db.trial(|| cursor.step()) {
            Ok(row) => break assert!(row),
            Err(e) => assert_eq!(e, not_here),
        }
        trials += 1;
        assert!(trials < 10);
    }
    assert!(trials > 0);
    drop(cursor);
    // the real scan finds everything there: nothing of the failed tries is left
    let mut cursor = db.prepare(sql).expect("sql");
    assert_eq!(cursor.step(), Ok(true));
    assert!(matches!(cursor.value(0), CellRef::Text(t) if t.starts_with(b"text 300 ")));
    assert_eq!(cursor.step(), Ok(false));
    assert!(reader.asked.borrow().len() < 10, "far from all pages");
}

#[test]
fn many_open_files_share_the_memory_for_pages() {
    let bytes = file(3);
    let open: Vec<_> = (0..200)
        .map(|_| ColdDb::open(Memory::new(bytes.clone())).unwrap())
        .collect();
    let pages = |db: &Rc<ColdDb>| {
        let mut ask = db.prepare("PRAGMA cache_size").unwrap();
        assert!(ask.step().unwrap());
        match ask.value(0) {
            CellRef::Int(n) => -n,
            other => unreachable!("{other:?}"),
        }
    };
    assert_eq!(pages(&open[0]), 2000);
    assert!(open.iter().map(pages).sum::<i64>() < 128 * 1024);
    drop(open);
    assert_eq!(pages(&ColdDb::open(Memory::new(bytes)).unwrap()), 2000);
}
