use super::*;
use crate::migration::name::parse;

fn names(files: &[&str], style: Style) -> Vec<Name> {
    let parse = |f: &&str| parse(f, style).unwrap_or_else(|| panic!("{f} in style {style}"));
    files.iter().map(parse).collect()
}

fn check_all(files: &[&str], style: Style) -> Result<Vec<Orphan>> {
    let names = names(files, style);
    let pairs: Vec<(&str, &Name)> = files.iter().copied().zip(&names).collect();
    check(&pairs, "it's")
}

fn clash(files: &[&str]) -> Error {
    let e = check_all(files, Style::Auto).expect_err("a clash");
    assert_eq!(e.kind, ErrorKind::DuplicateObject);
    e
}

fn warnings(files: &[&str], style: Style) -> Vec<String> {
    let found = check_all(files, style).expect("no clash");
    found.iter().map(Orphan::warning).collect()
}

#[test]
fn a_whole_set_is_fine() {
    let files = [
        "1_a.up.sql",
        "1_a.down.sql",
        "1_a.verify.sql",
        "2_b.up.sql",
        "3_c.sql",
        "V4__d.sql",
        "U4__d.sql",
        "B4__base.sql",
        "R__views.sql",
        "R__grants.sql",
        "5_e/up.sql",
        "5_e/down.sql",
        "before_all.sql",
        "afterMigrate__a.sql",
        "afterMigrate__b.sql",
    ];
    assert_eq!(check_all(&files, Style::Auto), Ok(Vec::new()));
    assert_eq!(check(&[], "it's"), Ok(Vec::new()));
}

#[test]
fn two_files_with_one_version_are_both_named() {
    let e = clash(&["1_a.up.sql", "2_x.up.sql", "1_b.up.sql"]);
    assert_eq!(
        e.message,
        "two files claim version 1: \"1_a.up.sql\" and \"1_b.up.sql\""
    );
    assert_eq!(
        e.detail.as_deref(),
        Some("\"1_a.up.sql\" and \"1_b.up.sql\" claim version 1, up.")
    );
    assert!(e.hint.is_some());
    for pair in [
        ["38_a.up.sql", "000038_a.up.sql"],
        ["1_a.down.sql", "01_b.down.sql"],
        ["V1__a.sql", "V1.0__b.sql"],
        ["1_a.up.sql", "V1__b.sql"],
        ["1_a/up.sql", "1_a.up.sql"],
        ["1_a.up.sql", "x/1_a.up.sql"],
        ["1_a.sql", "1_b.sql"],
        ["1_a.verify.sql", "1_b.verify.sql"],
        ["B1__a.sql", "B1__b.sql"],
        ["R__a.sql", "x/R__a.sql"],
        ["before_all.sql", "beforeMigrate.sql"],
    ] {
        let e = clash(&pair);
        for file in pair {
            assert!(e.message.contains(&format!("\"{file}\"")), "{}", e.message);
        }
    }
}

#[test]
fn every_clash_is_in_the_detail_once() {
    let e = clash(&[
        "2_a.sql",
        "2_b.sql",
        "1_a.up.sql",
        "1_b.up.sql",
        "1_c.up.sql",
        "R__v.sql",
        "x/R__v.sql",
    ]);
    assert_eq!(
        e.message,
        "3 files claim version 1: \"1_a.up.sql\", \"1_b.up.sql\" and \"1_c.up.sql\""
    );
    assert_eq!(
        e.detail.as_deref(),
        Some(
            "\"1_a.up.sql\", \"1_b.up.sql\" and \"1_c.up.sql\" claim version 1, up. \
             \"2_a.sql\" and \"2_b.sql\" claim version 2, up. \
             \"R__v.sql\" and \"x/R__v.sql\" claim repeatable \"v\"."
        )
    );
}

#[test]
fn a_plain_file_claims_down_unless_told_otherwise() {
    let files = ["1_a.sql", "1_a.down.sql"];
    assert!(
        clash(&files)
            .message
            .starts_with("two files claim version 1")
    );
    let mut names = names(&files, Style::Auto);
    names[0].direction = Direction::Up;
    let pairs: Vec<(&str, &Name)> = files.iter().copied().zip(&names).collect();
    assert_eq!(check(&pairs, "it's"), Ok(Vec::new()));
}

#[test]
fn pairs_in_a_style_without_pairs_get_a_hint() {
    let e = check_all(&["1_a.up.sql", "1_a.down.sql"], Style::Goose).expect_err("a clash");
    assert_eq!(
        e.hint.as_deref(),
        Some(
            "If these are pairs: SELECT strata.migrate_configure('it''s', style => 'golang-migrate')"
        )
    );
}

#[test]
fn a_u_without_its_v_is_reported_with_the_style_that_may_be_meant() {
    let found = check_all(&["V1__a.sql", "U2__b.sql"], Style::Auto).expect("no clash");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lacks, Lacks::Versioned);
    assert_eq!(
        found[0].warning(),
        "\"U2__b.sql\" undoes version 2, which has no V file"
    );
    assert!(
        found[0]
            .hint("it's")
            .is_some_and(|h| h.contains("style => 'refinery'"))
    );
    assert!(warnings(&["V1__a.sql", "U2__b.sql"], Style::Refinery).is_empty());
    let e = check_all(&["V1__a.sql", "U1__b.sql"], Style::Refinery).expect_err("a clash");
    assert_eq!(e.kind, ErrorKind::DuplicateObject);
}

#[test]
fn files_without_an_up_are_reported() {
    assert_eq!(
        warnings(
            &["1_a.up.sql", "4_d.down.sql", "5_e.verify.sql"],
            Style::Auto
        ),
        [
            "\"4_d.down.sql\" is the down of version 4, which has no up",
            "\"5_e.verify.sql\" checks version 5, which has no up"
        ]
    );
    assert!(warnings(&["04_d.sql", "4_d.verify.sql"], Style::Auto).is_empty());
    let found = check_all(&["4_d.down.sql"], Style::Auto).expect("no clash");
    assert_eq!(found[0].hint("it's"), None);
}
