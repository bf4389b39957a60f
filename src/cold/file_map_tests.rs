#![allow(clippy::expect_used, clippy::panic)]

use super::*;
use crate::cold::file::{Builder, Built, ColumnSpec, FileSpec, IndexSpec};
use crate::cold::mapping::{Cell, Encoding};

/// `rows` rows of about 100 bytes; id falls, n ascends in pairs.
fn build(dir: &Path, rows: i64) -> Built {
    let column = |attnum, name: &str, encoding| ColumnSpec {
        attnum,
        name: name.into(),
        type_name: "x".into(),
        encoding,
        enum_labels: vec![],
        type_oid: 0,
        deterministic: true,
    };
    let spec = FileSpec {
        table: "m".into(),
        columns: vec![
            column(1, "id", Encoding::Int),
            column(2, "n", Encoding::Int),
            column(3, "note", Encoding::Text),
        ],
        indexes: vec![IndexSpec {
            name: "m_pkey".into(),
            unique: true,
            columns: vec![0],
            descending: vec![],
        }],
        full_text: vec![],
        info: vec![],
    };
    let mut builder = Builder::create(dir, spec).expect("a builder");
    for n in 0..rows {
        let note = format!("{n:0>90}");
        let row = [Cell::Int(-n), Cell::Int(n / 2), Cell::Text(note)];
        builder.add(&row).expect("a row");
    }
    builder.finish().expect("a file")
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn run_maps_lead_to_the_rows() {
    let dir = temp();
    let built = build(dir.path(), 60_000);
    assert!(built.bytes > 6 << 20);
    let [(column, map)] = built.map.runs.as_slice() else {
        panic!("{:?}", built.map.runs);
    };
    assert_eq!(column, "n", "the other columns do not ascend");
    let (keys, rowids, offsets, (last_rowid, last_key, end)) = map.parts();
    assert_eq!((last_rowid, last_key), (60_000, 29_999));
    assert!((20..=30).contains(&keys.len()), "{keys:?}");
    assert!(end <= built.bytes && end % 32_768 == 0);
    for (key, rowid) in keys.iter().zip(rowids) {
        assert_eq!(*key, (rowid - 1) / 2);
    }
    // the text of the first row of a run lies in the run's first page, or SQLite is another one
    let bytes = std::fs::read(&built.path).expect("the file");
    for (rowid, offset) in rowids.iter().zip(offsets) {
        let start = usize::try_from(*offset).expect("small");
        let text = format!("{:0>90}", rowid - 1);
        let page = &bytes[start..start + 32_768];
        let found = page.windows(90).any(|w| w == text.as_bytes());
        assert!(found, "row {rowid} at {offset}");
    }
}

#[test]
fn the_head_holds_what_every_lookup_needs() {
    let dir = temp();
    let built = build(dir.path(), 60_000);
    let (page_size, numbers, bytes) = built.map.head.parts();
    assert_eq!(page_size, 32_768);
    assert!(numbers.contains(&1) && bytes.len() as u64 <= HEAD_MAX);
    let file = std::fs::read(&built.path).expect("the file");
    for (n, page) in numbers.iter().zip(bytes.chunks(32_768)) {
        let start = usize::try_from((n - 1) * page_size).expect("small");
        assert_eq!(page, &file[start..start + 32_768], "page {n}");
    }
    // root pages of the table and of its index are inner pages, and there
    let db = Connection::open(&built.path).expect("the file");
    let mut roots = db
        .prepare("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'm_raw'")
        .expect("sql");
    let roots = roots.query_map([], |r| r.get::<_, i64>(0)).expect("rows");
    let roots: Vec<u64> = roots.map(|r| r.expect("a page").cast_unsigned()).collect();
    assert_eq!(roots.len(), 2);
    assert!(roots.iter().all(|root| numbers.contains(root)), "{roots:?}");
}

#[test]
fn sums_are_those_of_the_file() {
    let dir = temp();
    let built = build(dir.path(), 1000);
    let bytes = std::fs::read(&built.path).expect("the file");
    assert_eq!(built.map.sums.damaged(0, &bytes), None);
    let mut bad = bytes.clone();
    let last = bad.len() - 1;
    bad[last] ^= 2;
    assert_eq!(
        built.map.sums.damaged(0, &bad),
        Some(bytes.len() as u64 / 32_768)
    );
}

#[test]
fn an_empty_file_and_a_tiny_one() {
    let dir = temp();
    assert!(build(dir.path(), 0).map.runs.is_empty());
    let tiny = build(dir.path(), 3);
    let all = tiny.map.runs[0].1.between(None, None).expect("rows");
    assert_eq!((all.first, all.last), (1, 3));
    assert!(all.start < all.end && all.end <= tiny.bytes);
}

#[test]
fn numbers_of_variable_length() {
    assert_eq!(varint(&[5, 9]), Some(5));
    assert_eq!(varint(&[0x81, 0x00]), Some(128));
    assert_eq!(varint(&[0xff; 9]), Some(-1));
    assert_eq!(varint(&[0x81]), None);
    assert_eq!(varint(&[]), None);
}
