#![allow(clippy::unwrap_used)]

use super::*;
use crate::cold::mapping::Cell;
use proptest::prelude::*;
use rusqlite::types::ValueRef;
use std::ops::ControlFlow;

struct File {
    bytes: Vec<u8>,
    page_size: u32,
    roots: Vec<(String, u32)>,
    _dir: tempfile::TempDir,
    db: rusqlite::Connection,
}

/// Rows of every kind; each `long`th has a text of several pages.
fn file(page_size: u32, rows: i64, long: i64) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size={page_size}; PRAGMA journal_mode=OFF;
         CREATE TABLE x(i INTEGER, r, t TEXT, b BLOB, n INTEGER);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{rows})
         INSERT INTO x(rowid, i, r, t, b, n) SELECT i*3-100,
           CASE i % 9 WHEN 0 THEN 0 WHEN 1 THEN 1 WHEN 2 THEN -1 WHEN 3 THEN -128-i WHEN 4 THEN 8388607-i
             WHEN 5 THEN -2147483648+i WHEN 6 THEN 140737488355327-i WHEN 7 THEN -9223372036854775807-1+i END,
           CASE i % 4 WHEN 0 THEN -0.0 WHEN 1 THEN i/7.0 WHEN 2 THEN 'NaN' ELSE 9e999 END,
           CASE WHEN i % {long} = 0 THEN printf('%.*c', {page_size} * (i % 5), 'ä') || i
             WHEN i % 5 > 0 THEN printf('%.*c', i % 60, 'x') END,
           CASE i % 3 WHEN 0 THEN x'' WHEN 1 THEN zeroblob(i % 40) END, i
         FROM n WHERE i <= {rows};
         CREATE INDEX x_in ON x(i, n); CREATE INDEX x_t ON x(t, n);"
    ))
    .unwrap();
    let mut listed = db
        .prepare("SELECT name, rootpage FROM sqlite_master")
        .unwrap();
    let roots: Vec<(String, u32)> = listed
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    drop(listed);
    File {
        bytes: std::fs::read(path).unwrap(),
        page_size,
        roots,
        _dir: dir,
        db,
    }
}

impl File {
    fn walk(&self, name: &str, columns: &[usize]) -> Walk {
        let root = self.roots.iter().find(|(n, _)| n == name).unwrap().1;
        Walk::new(Tree {
            root,
            is_index: name != "x",
            page_size: self.page_size,
            reserved: 0,
            pages: self.bytes.len() as u32 / self.page_size,
            columns: columns.to_vec(),
        })
        .unwrap()
    }

    /// All entries as SQLite has them; the rowid last.
    fn truth(&self, sql: &str) -> Vec<Vec<Cell>> {
        let mut rows = self.db.prepare(sql).unwrap();
        let width = rows.column_count();
        let cells = rows.query_map([], |row| {
            let cell = |n| match row.get_ref(n).unwrap() {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(v) => Cell::Int(v),
                ValueRef::Real(v) => Cell::Real(v),
                ValueRef::Text(v) => CellRef::Text(v).to_cell(),
                ValueRef::Blob(v) => Cell::Blob(v.to_vec()),
            };
            Ok((0..width).map(cell).collect())
        });
        cells.unwrap().map(Result::unwrap).collect()
    }
}

fn reader(bytes: &[u8]) -> impl FnMut(u64, &mut [u8]) -> Result<(), Malformed> {
    |at, buf| {
        let at = usize::try_from(at).unwrap();
        buf.copy_from_slice(&bytes[at..at + buf.len()]);
        Ok(())
    }
}

fn all(walk: &mut Walk, bytes: &[u8], width: usize) -> Result<Vec<Vec<Cell>>, Malformed> {
    let mut read = reader(bytes);
    let mut found = Vec::new();
    while walk.next(&mut read)? {
        found.push((0..width).map(|n| walk.value(n).to_cell()).collect());
    }
    Ok(found)
}

fn same(found: &[Vec<Cell>], truth: &[Vec<Cell>]) {
    assert_eq!(found.len(), truth.len());
    for (n, (a, b)) in found.iter().zip(truth).enumerate() {
        // bits, not numbers: -0.0 is not 0.0
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "entry {n}");
    }
}

#[test]
fn a_table_is_read_as_sqlite_reads_it() {
    for (page_size, rows, long) in [
        (512, 3000, 7),
        (1024, 1, 2),
        (4096, 2000, 50),
        (32768, 5000, 900),
        (65536, 3000, 1000),
    ] {
        let file = file(page_size, rows, long);
        let mut walk = file.walk("x", &[0, 1, 2, 3, 4]);
        let found = all(&mut walk, &file.bytes, 5).unwrap();
        assert_eq!(walk.entries(), rows);
        same(
            &found,
            &file.truth("SELECT i, r, t, b, n FROM x ORDER BY rowid"),
        );
        // some columns, in another order, one of them behind a text that goes on in other pages
        let mut walk = file.walk("x", &[4, 0]);
        let found = all(&mut walk, &file.bytes, 2).unwrap();
        same(&found, &file.truth("SELECT n, i FROM x ORDER BY rowid"));
        // none at all; columns that the records do not have
        let found = all(&mut file.walk("x", &[]), &file.bytes, 0).unwrap();
        assert_eq!(found.len() as i64, rows);
        let found = all(&mut file.walk("x", &[9]), &file.bytes, 1).unwrap();
        assert!(found.iter().all(|row| row[0] == Cell::Null));
    }
}

#[test]
fn an_index_is_read_as_sqlite_reads_it() {
    for (page_size, rows, long) in [(512, 3000, 7), (4096, 40_000, 5000), (32768, 60_000, 9000)] {
        let file = file(page_size, rows, long);
        let found = all(&mut file.walk("x_in", &[0, 1, 2]), &file.bytes, 3).unwrap();
        same(
            &found,
            &file.truth("SELECT i, n, rowid FROM x INDEXED BY x_in ORDER BY i, n"),
        );
        let found = all(&mut file.walk("x_t", &[1, 0]), &file.bytes, 2).unwrap();
        same(
            &found,
            &file.truth("SELECT n, t FROM x INDEXED BY x_t ORDER BY t, n"),
        );
    }
}

/// The list of types takes more than 127 bytes, which its length takes two bytes to say.
#[test]
fn a_wide_table_is_read_as_sqlite_reads_it() {
    let narrow = file(4096, 3, 2);
    let list = |of: &dyn Fn(i64) -> String| (0..300).map(of).collect::<Vec<_>>().join(", ");
    let path = narrow._dir.path().join("wide");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size=4096; PRAGMA journal_mode=OFF; CREATE TABLE x({});
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<90)
         INSERT INTO x SELECT {} FROM n",
        list(&|c| format!("c{c}")),
        list(&|c| match c % 4 {
            0 => format!("i * {c} - 700"),
            1 => "printf('%.*c', i % 90, 'x')".to_owned(),
            2 => "NULL".to_owned(),
            _ => format!("i / {c}.0"),
        }),
    ))
    .unwrap();
    let wide = File {
        bytes: std::fs::read(path).unwrap(),
        roots: vec![("x".to_owned(), 2)],
        db,
        ..narrow
    };
    let found = all(&mut wide.walk("x", &[299, 0, 121, 150]), &wide.bytes, 4).unwrap();
    same(
        &found,
        &wide.truth("SELECT c299, c0, c121, c150 FROM x ORDER BY rowid"),
    );
}

#[test]
fn rowids_are_told() {
    let file = file(1024, 500, 9);
    let mut walk = file.walk("x", &[4]);
    let mut read = reader(&file.bytes);
    for n in 1..=500 {
        assert!(walk.next(&mut read).unwrap());
        assert_eq!(
            (walk.rowid(), walk.value(0)),
            (n * 3 - 100, CellRef::Int(n))
        );
    }
    assert!(!walk.next(&mut read).unwrap());
    assert!(!walk.next(&mut read).unwrap());
}

#[test]
fn an_empty_table_has_no_rows() {
    let file = file(512, 0, 1);
    assert_eq!(
        all(&mut file.walk("x", &[0]), &file.bytes, 1)
            .unwrap()
            .len(),
        0
    );
}

#[test]
fn errors_of_the_store_come_out() {
    #[derive(Debug, PartialEq)]
    enum Trouble {
        Store(u64),
        Pages(Malformed),
    }
    impl From<Malformed> for Trouble {
        fn from(e: Malformed) -> Self {
            Trouble::Pages(e)
        }
    }
    let file = file(512, 2000, 7);
    let pages = file.bytes.len() / 512;
    let mut failed = 0;
    for allowed in (0..pages).step_by(pages / 40) {
        let mut walk = file.walk("x", &[2, 4]);
        let mut reads = 0;
        let mut plain = reader(&file.bytes);
        let mut read = |at, buf: &mut [u8]| {
            reads += 1;
            if reads > allowed {
                return Err(Trouble::Store(at));
            }
            plain(at, buf).map_err(Trouble::Pages)
        };
        let end = (0..).try_for_each(|_| match walk.next(&mut read) {
            Ok(true) => ControlFlow::Continue(()),
            Ok(false) => ControlFlow::Break(Ok(())),
            Err(e) => ControlFlow::Break(Err(e)),
        });
        let ControlFlow::Break(end) = end else {
            continue;
        };
        match end {
            Ok(()) => assert_eq!(walk.entries(), 2000),
            Err(e) => {
                assert!(matches!(e, Trouble::Store(_)), "{e:?}");
                failed += 1;
            }
        }
    }
    assert!(failed > 5);
}

#[test]
fn rings_and_wrong_pages_are_errors() {
    let file = file(512, 2000, 1000);
    let root = file.walk("x", &[]).tree.root as usize;
    let spoil = |at: usize, bytes: &[u8]| {
        let mut bad = file.bytes.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        all(&mut file.walk("x", &[0]), &bad, 1).unwrap_err()
    };
    let page = (root - 1) * 512;
    let own = (root as u32).to_be_bytes();
    // the last page below is the root itself; none; one beyond the end; the one of the schema
    assert_eq!(spoil(page + 8, &own), Malformed("rows out of order"));
    let beyond = Malformed("a page that the file does not have");
    assert_eq!(spoil(page + 8, &[0; 4]), beyond);
    assert_eq!(spoil(page + 8, &[0, 255, 255, 255]), beyond);
    assert_eq!(spoil(page + 8, &[0, 0, 0, 1]), beyond);
    assert_eq!(spoil(page, &[0x0a]), Malformed("a page of another kind"));
    assert_eq!(
        spoil(page + 3, &[255]),
        Malformed("more entries than a page holds")
    );
    // the first page below is the root itself
    let first = usize::from(u16::from_be_bytes([
        file.bytes[page + 12],
        file.bytes[page + 13],
    ]));
    assert_eq!(spoil(page + first, &own), Malformed("a tree too deep"));
}

#[test]
fn strange_sizes_are_refused() {
    let tree = |page_size, reserved| Tree {
        root: 2,
        is_index: false,
        page_size,
        reserved,
        pages: 2,
        columns: vec![],
    };
    assert!(Walk::new(tree(512, 32)).is_some());
    for (size, reserved) in [(512, 33), (0, 0), (256, 0), (1000, 0), (131_072, 0)] {
        assert!(
            Walk::new(tree(size, reserved)).is_none(),
            "{size} {reserved}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No damage makes it panic, or go on for ever.
    #[test]
    fn damage_is_survived(
        index in any::<bool>(),
        harm in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
    ) {
        thread_local! {
            static FILE: File = file(512, 400, 7);
        }
        FILE.with(|file| {
            let mut bad = file.bytes.clone();
            for (at, value) in &harm {
                let at = at.index(bad.len());
                bad[at] = *value;
            }
            let name = if index { "x_t" } else { "x" };
            if let Ok(found) = all(&mut file.walk(name, &[1, 0, 4]), &bad, 3) {
                assert!(found.len() < bad.len());
            }
        });
    }
}
