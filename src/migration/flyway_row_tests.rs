use super::super::foreign_rows::ForeignState;
use super::super::version::Version;
use super::*;

fn file<'a>(kind: Kind, version: Option<&'a Version>, written: Option<&'a str>) -> AppliedFile<'a> {
    AppliedFile {
        kind,
        version,
        written_version: written,
        title: "add_pg_trgm_extension",
        filename: "V2__add_pg_trgm_extension.sql",
        text: None,
        applied_at_us: 0,
        duration_ns: 43_999_999,
    }
}

fn values(write: &Write) -> Vec<Option<&str>> {
    write.params.iter().map(|p| p.value.as_deref()).collect()
}

#[test]
fn a_row_as_in_a_public_dump() {
    let two = Version::parse("2").unwrap();
    let write = insert(
        &file(Kind::Versioned, Some(&two), Some("2")),
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n",
    );
    assert_eq!(
        values(&write),
        [
            Some("2"),
            Some("add pg trgm extension"),
            Some("SQL"),
            Some("V2__add_pg_trgm_extension.sql"),
            Some("1704763490"),
            Some("43")
        ]
    );
}

#[test]
fn versions_stand_as_they_are_written_in_the_name() {
    let version = Version::parse("118.1").unwrap();
    let write = insert(&file(Kind::Versioned, Some(&version), Some("118.001")), "");
    assert_eq!(values(&write)[0], Some("118.001"));
    let write = insert(&file(Kind::Versioned, Some(&version), None), "");
    assert_eq!(values(&write)[0], Some("118.1"));
}

#[test]
fn repeatables_have_no_version_and_baselines_their_type() {
    let write = insert(&file(Kind::Repeatable, None, None), "");
    assert_eq!(values(&write)[0], None);
    assert_eq!(values(&write)[2], Some("SQL"));
    let three = Version::parse("3").unwrap();
    let write = insert(&file(Kind::Baseline, Some(&three), Some("3")), "");
    assert_eq!(values(&write)[2], Some("SQL_BASELINE"));
}

#[test]
fn what_is_too_long_is_cut_as_flyway_cuts_it() {
    let title = "é".repeat(201);
    let path = "p".repeat(1001);
    let mut long = file(Kind::Repeatable, None, None);
    (long.title, long.filename) = (&title, &path);
    let write = insert(&long, "");
    let (description, script) = (values(&write)[1].unwrap(), values(&write)[3].unwrap());
    assert_eq!(description, format!("{}...", "é".repeat(197)));
    assert_eq!(script, format!("...{}", "p".repeat(997)));
    let title = "t".repeat(200);
    long.title = &title;
    assert_eq!(values(&insert(&long, ""))[1], Some(title.as_str()));
}

#[test]
fn a_month_is_too_long_for_the_column() {
    let mut slow = file(Kind::Repeatable, None, None);
    slow.duration_ns = i64::MAX;
    assert_eq!(values(&insert(&slow, ""))[5], Some("2147483647"));
}

#[test]
fn nothing_is_deleted_a_row_strikes_out_another() {
    let mut row = ForeignVersion {
        version: Some("02".to_owned()),
        name: Some("add pg trgm extension".to_owned()),
        group: None,
        checksum: None,
        applied_at: None,
        state: ForeignState::Applied,
    };
    let write = strike_out(&row, false).unwrap();
    assert!(write.sql.starts_with("INSERT INTO {}"));
    assert!(write.sql.contains("'DELETE'"));
    // by the text in the table
    assert_eq!(values(&write), [Some("02")]);
    assert_eq!(strike_out(&row, true), Some(write));
    row.version = None;
    assert_eq!(
        values(&strike_out(&row, false).unwrap()),
        [Some("add pg trgm extension")]
    );
    // a repeatable that runs again gets its next row, that is all
    assert_eq!(strike_out(&row, true), None);
}
