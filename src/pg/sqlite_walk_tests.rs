#![allow(clippy::unwrap_used)]

use super::*;
use crate::cold::store::{RangeRead, ReadStats, StoreResult};

struct Memory(Vec<u8>);

impl RangeRead for Memory {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> StoreResult<()> {
        let from = usize::try_from(offset).unwrap();
        buf.copy_from_slice(&self.0[from..from + buf.len()]);
        Ok(())
    }

    fn stats(&self) -> ReadStats {
        ReadStats::default()
    }
}

/// A file with the table `x` of this definition and 1,000 rows of its columns `a` and `b`.
fn open(table: &str) -> Rc<ColdDb> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size=1024; PRAGMA journal_mode=OFF; {table};
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<1000)
         INSERT INTO x(a, b) SELECT i, printf('%.*c', i % 90, 'y') FROM n;
         ANALYZE; VACUUM;"
    ))
    .unwrap();
    db.close().unwrap();
    let reader: Rc<dyn RangeRead> = Rc::new(Memory(std::fs::read(path).unwrap()));
    ColdDb::open_with(reader, || {}).unwrap()
}

fn sums(walker: &mut Walker) -> (i64, i64) {
    let mut sums = (0, 0);
    while walker.step().unwrap() {
        if let (CellRef::Int(a), CellRef::Text(b)) = (walker.value(0), walker.value(1)) {
            sums = (sums.0 + a, sums.1 + b.len() as i64);
        }
    }
    sums
}

#[test]
fn the_table_or_the_index_that_sqlite_would_read() {
    for (more, sql, is_index) in [
        ("", "SELECT a, b FROM x", false),
        ("", "SELECT sum(a), count(b) FROM x", false),
        (
            "CREATE INDEX x_ab ON x(a, b)",
            "SELECT a, b, c FROM x",
            false,
        ),
        ("CREATE INDEX x_ab ON x(b, a)", "SELECT a, b FROM x", true),
        (
            "CREATE UNIQUE INDEX \"x i\"\"y\" ON x(a, b)",
            "SELECT a, b FROM x",
            true,
        ),
    ] {
        // the last column makes rows of the table longer than entries of the index
        let db = open(&format!(
            "CREATE TABLE x(\"b\" TEXT, c TEXT DEFAULT 'a text of some length, which is in no index', a INTEGER); {more}"
        ));
        let mut walker = db.walker(sql, "x", &["a", "b"]).unwrap().unwrap();
        assert_eq!(walker.walk.is_index(), is_index, "{sql} {more}");
        // SQLite makes one letter of none
        let letters = (1..=1000).map(|n: i64| (n % 90).max(1)).sum();
        let truth = (500_500, letters);
        assert_eq!(sums(&mut walker), truth, "{sql} {more}");
        assert_eq!(walker.entries(), 1000);
    }
}

#[test]
fn tables_whose_records_hold_something_else_are_left_to_sqlite() {
    for table in [
        "CREATE TABLE x(a INTEGER PRIMARY KEY, b TEXT)",
        "CREATE TABLE x(a INTEGER, b TEXT, PRIMARY KEY(a)) WITHOUT ROWID",
        "CREATE TABLE x(a REAL, b TEXT)",
        "CREATE TABLE x(a DOUBLE, b TEXT)",
        "CREATE TABLE x(a INTEGER, b TEXT, c INTEGER AS (a + 1))",
    ] {
        let db = open(table);
        let walker = db.walker("SELECT a, b FROM x", "x", &["a", "b"]);
        assert!(walker.unwrap().is_none(), "{table}");
    }
}

#[test]
fn what_is_no_reading_from_end_to_end_is_left_to_sqlite() {
    let db = open("CREATE TABLE x(a INTEGER, b TEXT); CREATE INDEX x_a ON x(a)");
    for sql in [
        "SELECT min(a) FROM x",
        "SELECT a, b FROM x WHERE a = 5",
        "SELECT a, b FROM x ORDER BY b",
        "SELECT a, b FROM x UNION ALL SELECT a, b FROM x",
        "SELECT 1",
    ] {
        let walker = db.walker(sql, "x", &["a"]).unwrap();
        assert!(walker.is_none(), "{sql}");
    }
    // another table, a column that is not there
    let plain = "SELECT a, b FROM x";
    assert!(db.walker(plain, "y", &["a"]).unwrap().is_none());
    assert!(db.walker(plain, "x", &["z"]).unwrap().is_none());
    assert!(db.walker(plain, "x", &["a", "b"]).unwrap().is_some());
}
