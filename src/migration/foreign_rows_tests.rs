use super::*;

fn row(version: Option<&str>, name: Option<&str>, group: Option<&str>) -> ForeignVersion {
    ForeignVersion {
        version: version.map(str::to_owned),
        name: name.map(str::to_owned),
        group: group.map(str::to_owned),
        checksum: None,
        applied_at: None,
        state: ForeignState::Applied,
    }
}

fn table(tool: Tool, applied: Vec<ForeignVersion>) -> Imported {
    Imported {
        applied,
        ..Imported::empty(tool, 1)
    }
}

fn version(text: &str) -> Option<Version> {
    Version::parse(text)
}

#[test]
fn a_listed_version_is_found_under_any_spelling() {
    let read = table(Tool::Flyway, vec![row(Some("1.010.0"), Some("x"), None)]);
    assert!(
        read.find(version("1.10").as_ref(), "other title", None)
            .is_some()
    );
    assert!(read.find(version("1.1").as_ref(), "x", None).is_none());
    assert!(read.find(None, "x", None).is_none());
}

#[test]
fn text_that_is_no_number_is_never_taken_for_one() {
    let read = table(Tool::Diesel, vec![row(Some("20210705T1000"), None, None)]);
    assert!(read.find(version("20210705").as_ref(), "x", None).is_none());
    assert!(read.find(None, "x", None).is_none());
}

#[test]
fn what_is_listed_goes_before_what_is_below_the_mark() {
    let mut read = table(Tool::Flyway, vec![row(Some("2"), None, None)]);
    read.up_to = Some(UpTo {
        version: "3".to_owned(),
        state: ForeignState::Baseline,
    });
    let state = |text| {
        read.find(version(text).as_ref(), "x", None)
            .map(|found| found.0)
    };
    assert_eq!(state("1"), Some(ForeignState::Baseline));
    assert_eq!(state("2"), Some(ForeignState::Applied));
    assert_eq!(state("3.0"), Some(ForeignState::Baseline));
    assert_eq!(state("3.0.1"), None);
}

#[test]
fn repeatables_of_flyway_go_by_description() {
    let read = table(Tool::Flyway, vec![row(None, Some("all views"), None)]);
    assert!(read.find(None, "all_views", None).is_some());
    assert!(read.find(None, "views", None).is_none());
    // a versioned file of that title is another thing
    assert!(
        read.find(version("1").as_ref(), "all_views", None)
            .is_none()
    );
}

#[test]
fn names_may_carry_the_number() {
    let read = table(Tool::Sqitch, vec![row(None, Some("0001-words"), None)]);
    assert!(read.find(version("1").as_ref(), "words", None).is_some());
    assert!(read.find(version("2").as_ref(), "words", None).is_none());
    assert!(read.find(None, "words", None).is_none());
    assert!(
        read.find(version("9").as_ref(), "0001-words", None)
            .is_some()
    );
    // no separator, no number
    let read = table(Tool::Sqitch, vec![row(None, Some("7words"), None)]);
    assert!(read.find(version("7").as_ref(), "words", None).is_none());
}

#[test]
fn a_reworked_change_counts_by_its_last_row() {
    let mut later = row(None, Some("users"), Some("a"));
    later.applied_at = Some("later".to_owned());
    let read = table(
        Tool::Sqitch,
        vec![row(None, Some("users"), Some("a")), later.clone()],
    );
    assert_eq!(
        read.find(version("1").as_ref(), "users", None),
        Some((ForeignState::Applied, Some(&later)))
    );
}

#[test]
fn a_name_of_two_projects_is_nobodys_until_one_is_named() {
    let read = table(
        Tool::Sqitch,
        vec![
            row(None, Some("init"), Some("a")),
            row(None, Some("init"), Some("b")),
            row(None, Some("more"), Some("b")),
        ],
    );
    assert!(read.find(None, "init", None).is_none());
    assert!(read.find(None, "init", Some("a")).is_some());
    assert!(read.find(None, "init", Some("c")).is_none());
    assert!(read.find(None, "more", None).is_some());
    assert!(read.find(None, "more", Some("a")).is_none());
}

#[test]
fn failed_ones_are_no_head() {
    let mut failed = row(Some("9"), None, None);
    failed.state = ForeignState::Failed;
    let mut read = table(Tool::Sqlx, vec![row(Some("03"), None, None), failed]);
    read.set_head();
    read.set_dirty();
    assert_eq!(read.head.as_deref(), Some("3"));
    assert_eq!(read.dirty.unwrap().version.as_deref(), Some("9"));
}
