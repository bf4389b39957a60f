use super::super::foreign_hash::Verdict;
use super::super::foreign_read::applied;
use super::super::foreign_rows::Row;
use super::*;

/// Rows of version, description, type, checksum, success; `-` is NULL.
fn log(text: &str) -> Imported {
    applied(Tool::Flyway, &cells(text)).unwrap()
}

fn cells(text: &str) -> Vec<Row> {
    text.lines()
        .map(|line| {
            let cell: Vec<&str> = line.trim_start().split('|').collect();
            let some = |at: usize| (cell[at] != "-").then(|| cell[at].to_owned());
            // the moment stands before the last column
            let at = Some("2026-04-25T11:51:02.344661Z".to_owned());
            vec![some(0), some(1), some(2), some(3), at, some(4)]
        })
        .collect()
}

fn counts(read: &Imported) -> Vec<(&str, ForeignState)> {
    read.applied
        .iter()
        .map(|row| {
            let name = row.version.as_deref().or(row.name.as_deref());
            (name.unwrap(), row.state)
        })
        .collect()
}

fn find(read: &Imported, version: &str) -> Option<ForeignState> {
    let version = Version::parse(version);
    read.find(version.as_ref(), "x", None).map(|found| found.0)
}

use ForeignState::{Applied, Baseline, Failed};

#[test]
fn a_log_of_a_public_dump() {
    let read = log("0|<< Flyway Baseline >>|BASELINE|-|true
         1|init auth tables|SQL|-368439005|true
         1.1|add indexes|SQL|616671893|true");
    assert_eq!(
        counts(&read),
        [("0", Baseline), ("1", Applied), ("1.1", Applied)]
    );
    assert_eq!(read.head.as_deref(), Some("1.1"));
    assert_eq!(read.dirty, None);
    assert_eq!(
        read.applied[1].checksum,
        Some(Checksum::Flyway {
            crc: -368_439_005,
            repeatable: false
        })
    );
    assert_eq!(read.applied[1].name.as_deref(), Some("init auth tables"));
    assert_eq!(
        read.applied[1].applied_at.as_deref(),
        Some("2026-04-25T11:51:02.344661Z")
    );
    assert_eq!(find(&read, "1.2"), None);
    assert_eq!(find(&read, "1.0"), Some(Applied));
}

#[test]
fn a_schema_row_is_no_version() {
    for version in ["-", "0"] {
        let read = log(&format!(
            "{version}|<< Flyway Schema Creation >>|SCHEMA|-|true\n1.0.0|Quarkus|SQL|1558141439|true"
        ));
        assert_eq!(counts(&read), [("1.0.0", Applied)]);
        assert_eq!(read.head.as_deref(), Some("1"));
        assert_eq!(find(&read, "0"), None);
    }
}

#[test]
fn everything_up_to_a_baseline_counts() {
    let read = log("53|Baseline v53|BASELINE|-|true\n54|next|SQL|1|true");
    assert_eq!(find(&read, "1"), Some(Baseline));
    assert_eq!(find(&read, "53"), Some(Baseline));
    assert_eq!(find(&read, "53.1"), None);
    assert_eq!(find(&read, "54"), Some(Applied));
    // a baseline file that ran has a checksum and counts the same
    let read = log("3|create table|SQL_BASELINE|77|true\n2|late|BASELINE|-|true");
    assert_eq!(find(&read, "3"), Some(Applied));
    assert_eq!(find(&read, "2.9"), Some(Baseline));
    assert_eq!(read.head.as_deref(), Some("3"));
    let Some((_, Some(row))) = read.find(Version::parse("3").as_ref(), "x", None) else {
        panic!("not listed");
    };
    assert!(row.checksum.is_some());
}

#[test]
fn undone_and_deleted_versions_do_not_count() {
    let read = log("1|a|SQL|1|true\n2|b|SQL|2|true\n2|b|UNDO_SQL|3|true");
    assert_eq!(counts(&read), [("1", Applied)]);
    assert_eq!(read.head.as_deref(), Some("1"));
    // applied once more
    let read = log("1|a|SQL|1|true\n2|b|SQL|2|true\n2|b|UNDO_SQL|3|true\n2|b|SQL|4|true");
    assert_eq!(counts(&read), [("1", Applied), ("2", Applied)]);
    let read =
        log("1|a|SQL|1|true\n2|b|SQL|2|true\n2|b|DELETE|2|true\n-|v|SQL|5|true\n-|v|DELETE|5|true");
    assert_eq!(counts(&read), [("1", Applied)]);
    // 2.0 is 2
    let read = log("2|b|SQL|2|true\n2.0|b|DELETE|2|true");
    assert!(read.applied.is_empty());
    // what the user declared stays
    let read = log("1|a|BASELINE|-|true\n1|a|DELETE|-|true");
    assert_eq!(find(&read, "1"), Some(Baseline));
}

#[test]
fn of_a_repeatable_the_last_run_counts() {
    let read = log(
        "1|a|SQL|1|true\n-|all views|SQL|10|true\n-|all views|SQL|11|true\n-|other|SQL|12|true",
    );
    assert_eq!(
        counts(&read),
        [("1", Applied), ("all views", Applied), ("other", Applied)]
    );
    assert_eq!(
        read.applied[1].checksum,
        Some(Checksum::Flyway {
            crc: 11,
            repeatable: true
        })
    );
    assert_eq!(read.head.as_deref(), Some("1"));
}

#[test]
fn a_failed_row_makes_the_table_dirty() {
    let read = log("1|a|SQL|1|true\n2|b|SQL|2|false");
    assert_eq!(counts(&read), [("1", Applied), ("2", Failed)]);
    assert_eq!(read.head.as_deref(), Some("1"));
    assert_eq!(read.dirty.clone().unwrap().version.as_deref(), Some("2"));
    assert_eq!(find(&read, "2"), Some(Failed));
    // the next try went well
    let read = log("2|b|SQL|2|false\n2|b|SQL|2|true");
    assert_eq!(read.dirty, None);
    // an undo that failed
    let read = log("2|b|SQL|2|true\n2|b|UNDO_SQL|2|false");
    assert_eq!(counts(&read), [("2", Failed)]);
}

#[test]
fn migrations_in_java_have_no_text_to_verify() {
    let read = log("1|a|SPRING_JDBC|9|true\n2|b|JDBC|-|true\n3|c|SQL|9|true");
    assert_eq!(read.applied[0].checksum, None);
    assert_eq!(
        read.note.as_deref(),
        Some("Flyway ran 2 migrations that are not SQL files.")
    );
    assert_eq!(read.head.as_deref(), Some("3"));
}

#[test]
fn a_type_that_is_not_known_stops_the_reading() {
    let error = applied(Tool::Flyway, &cells("1|a|SQL|1|true\n2|b|SNAPSHOT|1|true")).unwrap_err();
    assert_eq!(
        error.message,
        "row 2 of the table of \"flyway\" has \"SNAPSHOT\" for type"
    );
}

#[test]
fn a_checksum_is_verified() {
    let read = log("2|add pg trgm extension|SQL|1704763490|true");
    let sum = read.applied[0].checksum.clone().unwrap();
    let two = Version::parse("2");
    let verify = |text| sum.verify(two.as_ref(), "add_pg_trgm_extension", text);
    assert_eq!(
        verify("CREATE EXTENSION IF NOT EXISTS pg_trgm;\r\n"),
        Verdict::Ok
    );
    assert_eq!(verify("CREATE EXTENSION pg_trgm;\n"), Verdict::Differs);
}
