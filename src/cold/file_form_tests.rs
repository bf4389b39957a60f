//! What other programs see: names, versions, the sqlite3 shell.

use super::*;
use crate::cold::mapping::quote_name;
use std::process::Command;

#[test]
fn odd_names() {
    let dir = tempfile::tempdir().unwrap();
    for table in [
        "x_raw",
        "_cold_info",
        "_COLD_columns",
        "sqlite_master",
        "select",
        "a\"b'c",
        "ä ö",
        "_cold_info_raw",
    ] {
        let names = [
            "A", "a", "rowid", "OID", "_rowid_", "a\"b", "it's", "?1", "Ä", "value",
        ];
        let spec = FileSpec {
            table: table.into(),
            columns: names
                .iter()
                .zip(1i16..)
                .map(|(n, i)| column(i, n, "integer", Encoding::Int))
                .collect(),
            indexes: vec![
                index(table, false, &[0], &[]),
                index(&format!("{table}_raw"), true, &[1], &[true]),
                index("sqlite_i", false, &[2, 5], &[]),
                index("SQLITE_I", false, &[4], &[]),
            ],
            full_text: vec![],
            info: vec![],
        };
        let cells = |n: i64| (0..10).map(|c| Cell::Int(n * 100 + c)).collect::<Vec<_>>();
        let built = build(dir.path(), spec, &[cells(7), cells(8)]).unwrap();
        let layout = &built.layout;
        let db = open(&built);
        let raw = quote_name(&layout.raw_table);
        let list: Vec<String> = layout.columns.iter().map(|c| quote_name(c)).collect();
        let sql = format!(
            "SELECT {}, {} FROM {raw} WHERE {} = 2",
            list.join(","),
            layout.rowid,
            layout.rowid
        );
        let read: Vec<i64> = db
            .query_row(&sql, [], |r| (0..11).map(|n| r.get(n)).collect())
            .unwrap();
        assert_eq!(
            read,
            [800, 801, 802, 803, 804, 805, 806, 807, 808, 809, 2],
            "{table}"
        );
        let view = format!("SELECT * FROM {}", quote_name(&layout.view));
        let shown: i64 = db.query_row(&view, [], |r| r.get(9)).unwrap();
        assert_eq!(shown, 709);
        let name: String = one(
            &db,
            "SELECT physical_name FROM _cold_columns WHERE name='a'",
        );
        assert_eq!(name, layout.columns[1]);
        assert_eq!(
            one::<i64>(
                &db,
                "SELECT count(*) FROM sqlite_master WHERE type='index' AND sql IS NOT NULL"
            ),
            4
        );
    }
}

/// Whatever tables, columns and indexes are called: words lead to rows, in the file and in the shell.
#[test]
fn words_are_found_in_the_file_itself() {
    let dir = tempfile::tempdir().unwrap();
    let text = |s: &str| Cell::Text(s.to_owned());
    for table in ["notes", "a\"b'c", "sqlite_notes", "select"] {
        let mut spec = metrics();
        spec.table = table.into();
        spec.columns = vec![
            column(1, "it's \"x\"", "text", Encoding::Text),
            column(2, "data", "jsonb", Encoding::TypeText),
            column(3, &format!("{table}_fts"), "text", Encoding::Text),
        ];
        spec.indexes = vec![
            index(&format!("{table}_fts_idx"), false, &[2], &[]),
            index(&format!("{table}_fts__DATA"), false, &[2], &[]),
        ];
        spec.full_text = vec![0, 1, 2];
        let rows = [
            vec![
                text("Größe der Pumpe"),
                text("{\"state\": \"pump broken\"}"),
                Cell::Null,
            ],
            vec![Cell::Null, text("{}"), text("broken")],
            vec![text("unbroken"), Cell::Null, text("pump pump")],
        ];
        let built = build(dir.path(), spec, &rows).unwrap();
        let words: String = one(
            &open(&built),
            "SELECT value FROM _cold_info WHERE key='full_text'",
        );
        let words = quote_name(&words);
        for (query, found) in [
            ("broken", "1,2"),
            ("PUMP", "1,3"),
            ("grosse OR größe", "1"),
            ("nothing", ""),
        ] {
            let sql = format!(
                "SELECT coalesce(group_concat(n), '') FROM (SELECT rowid AS n FROM {words} WHERE {words} MATCH {} ORDER BY 1)",
                quote_literal(query)
            );
            assert_eq!(
                one::<String>(&open(&built), &sql),
                found,
                "{table}: {query}"
            );
            let sql = format!("INSERT INTO {words}({words}, rank) VALUES('integrity-check', 1);");
            // a file that we may write to, as whoever downloads one has it
            rusqlite::Connection::open(&built.path)
                .unwrap()
                .execute_batch(&sql)
                .unwrap();
        }
        let text: String = one(
            &open(&built),
            &format!("SELECT \"it's \"\"x\"\"\" FROM {words} WHERE {words} MATCH 'pumpe'"),
        );
        assert_eq!(text, "Größe der Pumpe");
    }
}

/// Old programs read the file: rollback-journal versions and schema format 4 (SQLite 3.3) in the
/// header, no newer syntax in the schema.
#[test]
fn nothing_newer_than_3_8_3() {
    let dir = tempfile::tempdir().unwrap();
    let built = build(dir.path(), metrics(), &[row(1), row(2)]).unwrap();
    let bytes = std::fs::read(&built.path).unwrap();
    assert_eq!(&bytes[..16], b"SQLite format 3\0");
    assert_eq!(&bytes[18..20], [1, 1]);
    assert_eq!(&bytes[44..48], [0, 0, 0, 4]);
    let db = open(&built);
    let sql: String = one(
        &db,
        "SELECT upper(group_concat(sql, ' ')) FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'",
    );
    for newer in [
        "STRICT",
        "GENERATED",
        "WITHOUT",
        "UNIXEPOCH(",
        "FORMAT(",
        "->",
    ] {
        assert!(!sql.contains(newer), "{newer} in {sql}");
    }
}

/// Needs the sqlite3 program; without it there is nothing to compare with.
#[test]
fn the_sqlite3_shell_reads_it() {
    let found = Command::new("sqlite3").arg("-version").output();
    if !found.is_ok_and(|o| o.status.success()) {
        eprintln!("no sqlite3 program here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..5000).map(row).collect();
    let built = build(dir.path(), metrics(), &rows).unwrap();
    let sql = "PRAGMA integrity_check; SELECT * FROM metrics LIMIT 1 OFFSET 3; \
               SELECT count(*), max(ts) FROM metrics_raw; \
               SELECT group_concat(name) FROM _cold_columns;";
    let out = Command::new("sqlite3")
        .arg("-readonly")
        .arg(&built.path)
        .arg(sql)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).replace("\0", "");
    let lines: Vec<&str> = text.lines().collect();
    assert!(out.status.success(), "{out:?}");
    assert_eq!(lines[0], "ok");
    assert!(
        lines[1].starts_with(
            "2025-01-01 00:00:00.000003+00|3|0.75|note 3|\
             00000000-0000-4000-8000-000000000003|2025-01-01|true|red|"
        ),
        "{text}"
    );
    assert!(lines[2..].contains(&"5000|1735689600004999"), "{text}");
    assert!(
        lines[2..].contains(&"ts,dev,val,note,id,day,ok,color,data,at"),
        "{text}"
    );
}
