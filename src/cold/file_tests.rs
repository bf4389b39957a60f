#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::cold::name::hex;
use crate::error::Kind;
use rusqlite::types::Value;
use sha2::{Digest, Sha256};

fn column(attnum: i16, name: &str, type_name: &str, encoding: Encoding) -> ColumnSpec {
    ColumnSpec {
        attnum,
        name: name.into(),
        type_name: type_name.into(),
        type_oid: 0,
        deterministic: true,
        encoding,
        enum_labels: vec![],
    }
}

fn index(name: &str, unique: bool, columns: &[usize], descending: &[bool]) -> IndexSpec {
    IndexSpec {
        name: name.into(),
        unique,
        columns: columns.to_vec(),
        descending: descending.to_vec(),
    }
}

fn metrics() -> FileSpec {
    let mut color = column(9, "color", "color", Encoding::TypeText);
    color.enum_labels = vec![(16_390, "red".into()), (16_392, "it's \"blue\"".into())];
    FileSpec {
        table: "metrics".into(),
        columns: vec![
            column(1, "ts", "timestamp with time zone", Encoding::TimestampTz),
            column(2, "dev", "integer", Encoding::Int),
            column(4, "val", "double precision", Encoding::Float8),
            column(5, "note", "text", Encoding::Text),
            column(6, "id", "uuid", Encoding::Uuid),
            column(7, "day", "date", Encoding::Date),
            column(8, "ok", "boolean", Encoding::Bool),
            color,
            column(10, "data", "bytea", Encoding::Bytea),
            column(11, "at", "time without time zone", Encoding::Time),
        ],
        indexes: vec![
            index("metrics_pkey", true, &[4, 0], &[false, false]),
            index("metrics_dev_ts", false, &[1, 0], &[false, true]),
        ],
        full_text: vec![],
        info: vec![
            ("range_start".into(), "2025-01-01 00:00:00+00".into()),
            ("rows".into(), "a lie".into()),
        ],
    }
}

fn row(n: i64) -> Vec<Cell> {
    vec![
        Cell::Int(1_735_689_600_000_000 + n),
        Cell::Int(n % 7),
        Cell::Real(n as f64 / 4.0),
        Cell::Text(format!("note {n}")),
        Cell::Text(format!("00000000-0000-4000-8000-{n:012x}")),
        Cell::Int(20_089),
        Cell::Int(n % 2),
        Cell::Text("red".into()),
        Cell::Blob(vec![0, 255]),
        Cell::Int(86_400_000_000),
    ]
}

fn build(dir: &Path, spec: FileSpec, rows: &[Vec<Cell>]) -> Result<Built> {
    let mut builder = Builder::create(dir, spec)?;
    for row in rows {
        builder.add(row)?;
    }
    builder.finish()
}

fn open(built: &Built) -> Connection {
    Connection::open_with_flags(&built.path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

fn one<T: rusqlite::types::FromSql>(db: &Connection, sql: &str) -> T {
    db.query_row(sql, [], |r| r.get(0)).unwrap()
}

fn files_in(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn a_file_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..1000).map(row).collect();
    let built = build(dir.path(), metrics(), &rows).unwrap();
    assert_eq!(files_in(dir.path()), 1, "the working file is gone");
    assert_eq!(built.rows, 1000);
    let bytes = std::fs::read(&built.path).unwrap();
    assert_eq!(built.bytes, bytes.len() as u64);
    assert_eq!(built.sha256, hex(&Sha256::digest(&bytes)));

    let db = open(&built);
    assert_eq!(one::<i64>(&db, "PRAGMA page_size"), 32_768);
    assert_eq!(one::<i64>(&db, "PRAGMA application_id"), 0x5354_5254);
    assert_eq!(one::<i64>(&db, "PRAGMA user_version"), 1);
    assert_eq!(one::<String>(&db, "PRAGMA journal_mode"), "delete");
    assert_eq!(one::<i64>(&db, "PRAGMA auto_vacuum"), 0);
    assert_eq!(one::<String>(&db, "PRAGMA encoding"), "UTF-8");
    let (ts, id): (i64, String) = db
        .query_row("SELECT ts, id FROM metrics_raw WHERE rowid=1000", [], |r| {
            Ok((r.get(0)?, r.get(1)?))
        })
        .unwrap();
    assert_eq!(Cell::Int(ts), rows[999][0]);
    assert_eq!(Cell::Text(id), rows[999][4]);
    let plan: String = db
        .query_row(
            "EXPLAIN QUERY PLAN SELECT ts FROM metrics_raw WHERE dev=3 ORDER BY ts DESC",
            [],
            |r| r.get(3),
        )
        .unwrap();
    assert!(plan.contains("COVERING INDEX metrics_dev_ts"), "{plan}");
    assert!(one::<i64>(&db, "SELECT count(*) FROM sqlite_stat1") >= 2);
}

#[test]
fn the_view_is_for_humans() {
    let dir = tempfile::tempdir().unwrap();
    let built = build(dir.path(), metrics(), &[row(1)]).unwrap();
    let db = open(&built);
    let shown: Vec<Value> = db
        .query_row("SELECT * FROM metrics", [], |r| {
            (0..10).map(|n| r.get(n)).collect()
        })
        .unwrap();
    let text = |s: &str| Value::Text(s.into());
    assert_eq!(
        shown,
        [
            text("2025-01-01 00:00:00.000001+00"),
            Value::Integer(1),
            Value::Real(0.25),
            text("note 1"),
            text("00000000-0000-4000-8000-000000000001"),
            text("2025-01-01"),
            text("true"),
            text("red"),
            Value::Blob(vec![0, 255]),
            text("24:00:00.000000"),
        ]
    );
}

#[test]
fn info_and_columns() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows: Vec<_> = (1..=3).map(row).collect();
    rows[1][3] = Cell::Null;
    rows[1][2] = Cell::Real(f64::NAN);
    let built = build(dir.path(), metrics(), &rows).unwrap();
    let db = open(&built);
    let info = |key: &str| -> String {
        db.query_row("SELECT value FROM _cold_info WHERE key=?1", [key], |r| {
            r.get(0)
        })
        .unwrap()
    };
    assert_eq!(info("format"), "1");
    assert_eq!(info("table"), "metrics");
    assert_eq!(info("raw_table"), "metrics_raw");
    assert_eq!(info("rowid"), "rowid");
    assert_eq!(info("rows"), "3", "own facts win");
    assert_eq!(info("range_start"), "2025-01-01 00:00:00+00");
    let column = |name: &str, what: &str| -> Value {
        let sql = format!("SELECT {what} FROM _cold_columns WHERE name=?1");
        db.query_row(&sql, [name], |r| r.get(0)).unwrap()
    };
    assert_eq!(column("val", "attnum"), Value::Integer(4));
    assert_eq!(
        column("ts", "type"),
        Value::Text("timestamp with time zone".into())
    );
    assert_eq!(column("ts", "encoding"), Value::Text("timestamptz".into()));
    assert_eq!(column("ts", "min"), Value::Integer(1_735_689_600_000_001));
    assert_eq!(column("val", "max"), Value::Text("NaN".into()));
    assert_eq!(column("note", "nulls"), Value::Integer(1));
    assert_eq!(column("note", "bounds"), Value::Text("bytes".into()));
    assert_eq!(column("ts", "bounds"), Value::Text("value".into()));
    assert_eq!(column("color", "min"), Value::Null);
    assert_eq!(
        column("color", "enum_labels"),
        Value::Text(r#"[[16390,"red"],[16392,"it's \"blue\""]]"#.into())
    );
}

#[test]
fn bounds_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let spec = FileSpec {
        table: "t".into(),
        columns: vec![
            column(1, "ts", "timestamp", Encoding::Timestamp),
            column(2, "f", "real", Encoding::Float4),
            column(3, "s", "text", Encoding::Text),
            column(4, "b", "bytea", Encoding::Bytea),
            column(5, "n", "integer", Encoding::Int),
        ],
        indexes: vec![],
        full_text: vec![],
        info: vec![],
    };
    let rows = [
        vec![
            Cell::Int(5),
            Cell::Real(-0.0),
            Cell::Text("b".into()),
            Cell::Blob(vec![1]),
            Cell::Null,
        ],
        vec![
            Cell::Text("294277-01-01 00:00:00".into()),
            Cell::Real(f64::NAN),
            Cell::Text("B".into()),
            Cell::Blob(vec![2; 300]),
            Cell::Null,
        ],
        vec![
            Cell::Int(7),
            Cell::Real(f64::INFINITY),
            Cell::Text(String::new()),
            Cell::Blob(vec![]),
            Cell::Null,
        ],
    ];
    let built = build(dir.path(), spec, &rows).unwrap();
    let [ts, f, s, b, n] = built.columns.as_slice() else {
        unreachable!("five columns")
    };
    assert_eq!((ts.fallback, &ts.min, &ts.max), (1, &None, &None));
    assert_eq!(f.fallback, 0);
    assert_eq!(f.min, Some(Cell::Real(-0.0)));
    assert_eq!(f.max, Some(Cell::Text("NaN".into())));
    assert_eq!(s.min, Some(Cell::Text(String::new())));
    assert_eq!(s.max, Some(Cell::Text("b".into())));
    assert_eq!(b.min, Some(Cell::Blob(vec![])));
    assert_eq!(b.max, None, "too long to keep");
    assert_eq!((n.nulls, &n.min), (3, &None));
    let db = open(&built);
    // -0.0, NaN and the odd timestamp are in the file as they were
    let zero: f64 = one(&db, "SELECT f FROM t_raw WHERE rowid=1");
    assert!(zero == 0.0 && zero.is_sign_negative());
    assert_eq!(
        one::<String>(&db, "SELECT f FROM t_raw WHERE rowid=2"),
        "NaN"
    );
    assert_eq!(
        one::<String>(&db, "SELECT ts FROM t WHERE f='NaN'"),
        "294277-01-01 00:00:00"
    );
}

#[test]
fn unique_indexes() {
    let spec = || FileSpec {
        table: "t".into(),
        columns: vec![column(1, "s", "text", Encoding::Text)],
        indexes: vec![index("t_key", true, &[0], &[])],
        full_text: vec![],
        info: vec![],
    };
    let text = |s: &str| vec![Cell::Text(s.into())];
    let dir = tempfile::tempdir().unwrap();
    let rows = [
        vec![Cell::Null],
        vec![Cell::Null],
        text("a"),
        text("A"),
        text(""),
    ];
    let built = build(dir.path(), spec(), &rows).unwrap();
    assert_eq!(built.columns[0].nulls, 2);
    std::fs::remove_file(built.path).unwrap();

    let e = build(dir.path(), spec(), &[text("a"), text("a")]).unwrap_err();
    assert_eq!(e.kind, Kind::DataCorrupted);
    assert_eq!(files_in(dir.path()), 0, "nothing stays behind");
}

#[test]
fn no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let built = build(dir.path(), metrics(), &[]).unwrap();
    assert_eq!(built.rows, 0);
    assert_eq!(one::<i64>(&open(&built), "SELECT count(*) FROM metrics"), 0);
}

#[test]
fn nothing_stays_of_a_dropped_builder() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Builder::create(dir.path(), metrics()).unwrap();
    builder.add(&row(1)).unwrap();
    assert!(builder.add(&row(1)[1..]).is_err());
    assert_eq!(files_in(dir.path()), 1);
    drop(builder);
    assert_eq!(files_in(dir.path()), 0);
}

#[test]
fn stops_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut builder = Builder::create(dir.path(), metrics()).unwrap();
    for n in 0..20_000 {
        builder.add(&row(n)).unwrap();
    }
    builder.stop_when(|| true).unwrap();
    let e = builder.finish().unwrap_err();
    assert_eq!(e.kind, Kind::Retry);
    assert_eq!(files_in(dir.path()), 0);
}

#[test]
fn bad_specifications_and_folders() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = metrics();
    spec.indexes[0].columns = vec![10];
    assert!(Builder::create(dir.path(), spec).is_err());
    let mut spec = metrics();
    spec.columns.clear();
    spec.indexes.clear();
    assert!(Builder::create(dir.path(), spec).is_err());
    let missing = dir.path().join("missing");
    let e = Builder::create(&missing, metrics()).err().unwrap();
    assert_eq!(e.kind, Kind::Io);
}

#[test]
fn two_builders_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut a = Builder::create(dir.path(), metrics()).unwrap();
    let mut b = Builder::create(dir.path(), metrics()).unwrap();
    a.add(&row(1)).unwrap();
    b.add(&row(2)).unwrap();
    b.add(&row(3)).unwrap();
    let (a, b) = (a.finish().unwrap(), b.finish().unwrap());
    assert_eq!((a.rows, b.rows), (1, 2));
    assert_ne!(a.path, b.path);
}

#[path = "file_form_tests.rs"]
mod form;
