//! Files that nobody vouches for: damaged, foreign, hostile.

use super::*;

/// Any database, made by any program.
fn foreign(sql: &str) -> Rc<Memory> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    Memory::new(std::fs::read(path).unwrap())
}

fn use_everything(memory: &Rc<Memory>) -> Result<i64, SqliteError> {
    let db = open(memory)?;
    db.check_table("x_raw")?;
    let mut sum = 0;
    for sql in [
        "SELECT i, t, b, f FROM x_raw",
        "SELECT i FROM x_raw WHERE i > 3 ORDER BY i DESC",
        "SELECT t FROM x_raw WHERE i = 77",
        "SELECT key, value FROM _cold_info",
        "SELECT * FROM _cold_columns",
    ] {
        let mut c = db.prepare(sql)?;
        while c.step()? {
            for n in 0..c.columns() {
                if let CellRef::Text(b) | CellRef::Blob(b) = c.value(n) {
                    sum += b.len() as i64;
                }
            }
        }
    }
    Ok(sum)
}

#[test]
fn damaged_files_are_errors() {
    let bytes = file(150);
    let good = use_everything(&Memory::new(bytes.clone())).unwrap();
    assert!(good > 150 * 1100);
    for len in [
        0, 1, 16, 99, 100, 512, 4096, 32_767, 32_768, 65_536, 100_000,
    ] {
        let e = use_everything(&Memory::new(bytes[..len].to_vec())).unwrap_err();
        assert_eq!(e.kind(), Kind::DataCorrupted, "{len}: {e}");
    }
    // a fixed sequence of flips all over the file; the answer may be an error, never a crash
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut errors = 0;
    for round in 0..600 {
        let mut bad = bytes.clone();
        for _ in 0..=round % 8 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let span = if round % 2 == 0 {
                4096
            } else {
                bad.len() as u64
            };
            let at = usize::try_from(seed % span).unwrap();
            bad[at] ^= 1 << (seed >> 61);
        }
        errors += i32::from(use_everything(&Memory::new(bad)).is_err());
    }
    assert!(errors > 10, "{errors}");
    let noise = vec![0x5a; 70_000];
    let e = use_everything(&Memory::new(noise)).unwrap_err();
    assert_eq!(code(e), ffi::SQLITE_NOTADB);
}

#[test]
fn only_plain_tables() {
    for sql in [
        "CREATE TABLE y(i); CREATE VIEW x_raw AS SELECT * FROM y",
        "CREATE VIRTUAL TABLE x_raw USING fts5(i)",
        "CREATE TABLE y(i); CREATE INDEX x_raw ON y(i)",
        "CREATE TABLE y(i)",
    ] {
        let db = open(&foreign(sql)).unwrap();
        let e = db.check_table("x_raw").unwrap_err();
        assert_eq!(code(e), ffi::SQLITE_CORRUPT, "{sql}");
    }
    open(&foreign("CREATE TABLE X_RAW(i)"))
        .unwrap()
        .check_table("x_raw")
        .unwrap();
    // a view does not run, even when it is named
    let db = open(&foreign(
        "CREATE TABLE y(i); CREATE VIEW v AS SELECT * FROM y",
    ))
    .unwrap();
    assert!(db.prepare("SELECT * FROM v").is_err());
}

#[test]
fn the_connection_is_locked_down() {
    let db = open(&Memory::new(file(3))).unwrap();
    for sql in [
        // without DQS a missing column is an error, not a string
        "SELECT \"nope\" FROM x_raw",
        "SELECT 1 FROM nowhere",
        "",
        "-- nothing",
    ] {
        assert!(db.prepare(sql).is_err(), "{sql}");
    }
    for sql in [
        "SELECT load_extension('x')",
        "INSERT INTO x_raw(i) VALUES (1)",
        "CREATE TABLE z(i)",
        "DROP TABLE x_raw",
        "ATTACH 'other' AS other",
        "VACUUM",
        "PRAGMA user_version=9",
    ] {
        let outcome = db.prepare(sql).and_then(|mut c| c.step());
        assert!(outcome.is_err(), "{sql}");
    }
    for (sql, want) in [
        ("PRAGMA temp_store", CellRef::Int(2)),
        ("PRAGMA cell_size_check", CellRef::Int(1)),
        ("PRAGMA trusted_schema", CellRef::Int(0)),
        ("PRAGMA query_only", CellRef::Int(1)),
        ("PRAGMA cache_size", CellRef::Int(-2000)),
    ] {
        let mut c = db.prepare(sql).unwrap();
        assert!(c.step().unwrap());
        assert_eq!(c.value(0), want, "{sql}");
    }
    assert_eq!(count(&db), Ok(3));
}

#[test]
fn strange_databases() {
    let utf16 = foreign("PRAGMA encoding='UTF-16le'; CREATE TABLE x_raw(t)");
    assert_eq!(code(open(&utf16).unwrap_err()), ffi::SQLITE_CORRUPT);
    // WAL in the header: an error or an answer, no crash and no second file
    let wal = foreign("PRAGMA journal_mode=WAL; CREATE TABLE x_raw(t)");
    if let Ok(db) = open(&wal) {
        assert_eq!(count(&db).unwrap_or(0), 0);
    }
    assert_eq!(Rc::strong_count(&wal), 1);
}

#[test]
fn only_offered_names_open() {
    use rusqlite::{Connection, OpenFlags};
    open(&Memory::new(file(1))).unwrap();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    for name in ["cold-1", "file:cold-1?immutable=1", "/etc/passwd", ""] {
        let opened = Connection::open_with_flags_and_vfs(name, flags, NAME);
        let read = opened.and_then(|db| {
            db.query_row("SELECT count(*) FROM sqlite_master", [], |r| {
                r.get::<_, i64>(0)
            })
        });
        assert!(read.is_err() || read == Ok(0) && name.is_empty(), "{name}");
    }
}
