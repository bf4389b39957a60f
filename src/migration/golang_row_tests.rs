use super::super::foreign_read::applied;
use super::super::foreign_rows::Row;
use super::super::version::Version;
use super::*;
use crate::error::Kind as ErrorKind;

fn table(rows: &[(&str, &str)]) -> Imported {
    let rows: Vec<Row> = rows
        .iter()
        .map(|(version, dirty)| vec![Some((*version).to_owned()), Some((*dirty).to_owned())])
        .collect();
    applied(Tool::GolangMigrate, &rows).unwrap()
}

fn row(version: i64, dirty: bool) -> Option<GolangRow> {
    Some(GolangRow { version, dirty })
}

fn texts(writes: &[Write]) -> Vec<(&str, Vec<&str>)> {
    writes
        .iter()
        .map(|write| {
            let verb = write.sql.split(' ').next().unwrap();
            let values = write.params.iter().map(|p| p.value.as_deref().unwrap());
            (verb, values.collect())
        })
        .collect()
}

fn find(read: &Imported, version: u64) -> Option<ForeignState> {
    let version = Version::from(version);
    read.find(Some(&version), "x", None).map(|found| found.0)
}

#[test]
fn a_clean_row_means_everything_up_to_it() {
    let read = table(&[("1542684831", "false")]);
    assert_eq!(read.head.as_deref(), Some("1542684831"));
    assert_eq!(read.dirty, None);
    assert_eq!(find(&read, 1), Some(ForeignState::Applied));
    assert_eq!(find(&read, 1_542_684_831), Some(ForeignState::Applied));
    assert_eq!(find(&read, 1_542_684_832), None);
}

#[test]
fn a_dirty_row_is_reported_with_the_version_it_was_on_the_way_to() {
    let read = table(&[("5", "true")]);
    assert_eq!(read.dirty.unwrap().version.as_deref(), Some("5"));
    let read = table(&[("-1", "true")]);
    assert_eq!(read.dirty.clone().unwrap().version, None);
    assert_eq!((read.head.clone(), find(&read, 0)), (None, None));
}

#[test]
fn version_0_is_a_version() {
    let read = table(&[("0", "false")]);
    assert_eq!(read.head.as_deref(), Some("0"));
    assert_eq!(find(&read, 0), Some(ForeignState::Applied));
    assert_eq!(find(&read, 1), None);
}

#[test]
fn rows_that_golang_migrate_would_not_write_are_refused() {
    let cells = |version: &str, dirty: &str| -> Row {
        vec![Some(version.to_owned()), Some(dirty.to_owned())]
    };
    for rows in [
        vec![cells("1", "false"), cells("2", "false")],
        vec![cells("-2", "false")],
        vec![cells("1", "")],
        vec![vec![None, Some("false".to_owned())]],
    ] {
        let error = applied(Tool::GolangMigrate, &rows).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotInState);
    }
}

#[test]
fn the_row_is_updated_inserted_or_deleted_and_never_truncated() {
    let none = table(&[]);
    let five = table(&[("5", "false")]);
    assert_eq!(
        texts(&golang_writes(&none, row(3, false))),
        [("INSERT", vec!["3", "false"])]
    );
    assert_eq!(
        texts(&golang_writes(&five, row(3, false))),
        [("UPDATE", vec!["3", "false"])]
    );
    assert_eq!(texts(&golang_writes(&five, None)), [("DELETE", vec![])]);
    assert_eq!(golang_writes(&five, row(5, false)), []);
    assert_eq!(golang_writes(&none, None), []);
}

#[test]
fn dirty_rows_are_written_and_cleared() {
    let none = table(&[]);
    let five = table(&[("5", "false")]);
    let stuck = table(&[("5", "true")]);
    let first = table(&[("-1", "true")]);
    assert_eq!(
        texts(&golang_writes(&five, row(6, true))),
        [("UPDATE", vec!["6", "true"])]
    );
    assert_eq!(
        texts(&golang_writes(&none, row(-1, true))),
        [("INSERT", vec!["-1", "true"])]
    );
    assert_eq!(
        texts(&golang_writes(&stuck, row(5, false))),
        [("UPDATE", vec!["5", "false"])]
    );
    assert_eq!(texts(&golang_writes(&first, None)), [("DELETE", vec![])]);
    assert_eq!(golang_writes(&first, row(-1, true)), []);
    // clean and at nothing is no row; a row that says so by hand is taken away
    assert_eq!(
        texts(&golang_writes(&table(&[("-1", "false")]), None)),
        [("DELETE", vec![])]
    );
}

#[test]
fn columns_are_named_so_that_added_ones_keep_their_defaults() {
    let write = &golang_writes(&table(&[]), row(1, false))[0];
    assert!(
        write
            .sql
            .starts_with("INSERT INTO {} (version, dirty) VALUES")
    );
    assert_eq!(
        write.params.iter().map(|p| p.kind).collect::<Vec<_>>(),
        [ParamType::Int8, ParamType::Bool]
    );
}
