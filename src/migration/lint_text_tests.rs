use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{ObjectKind, Rows, Run as Code, Transaction};
use crate::migration::lint::samples::*;

fn add() -> Ddl {
    Ddl::AddLabel {
        type_: name("mood"),
        label: "it's".into(),
        if_not_exists: false,
    }
}

fn insert() -> Ddl {
    Ddl::Rows(Rows::Insert(name("t")))
}

const USE: &str = "INSERT INTO t VALUES ('it''s')";

#[test]
fn a_label_is_not_used_in_its_transaction() {
    let catalog = Catalog::with("t", 0);
    let found = one(add()).text(USE, insert()).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.statement),
        (Rule::EnumSameTransaction, Severity::Error, Some(2))
    );
    assert_eq!(found.object.as_deref(), Some("mood"));
    assert_eq!(
        found.message,
        "'it's' may be the label that line 10 adds to \"mood\": it cannot be used in the transaction that adds it"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("ALTER TYPE ... ADD VALUE in a file of its own, and CALL strata.migrate_deploy()")
    );
    // other strings, or before it
    one(add())
        .text("INSERT INTO t VALUES ('its')", insert())
        .is_quiet(&catalog);
    sql(USE, insert()).then(add()).is_quiet(&catalog);
    // once
    one(add())
        .text(USE, insert())
        .text(USE, insert())
        .tells(&catalog, &["2 enum_same_transaction error mood"]);
}

#[test]
fn deploy_commits_between_files_and_at_commit() {
    let catalog = Catalog::with("t", 0);
    let found = one(add())
        .file("2.sql")
        .text(USE, insert())
        .finding(&catalog);
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(found.filename, "2.sql");
    assert!(
        found
            .message
            .contains("the label that line 10 of 1.sql adds")
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CALL strata.migrate_deploy()")
    );
    one(add())
        .then(Ddl::Transaction(Transaction::Commit))
        .text(USE, insert())
        .tells(
            &catalog,
            &[
                "2 commit_inside warning -",
                "3 enum_same_transaction warning mood",
            ],
        );
}

#[test]
fn some_statements_use_no_label() {
    let catalog = Catalog::with("t", 0);
    let table = object(ObjectKind::Table, "t");
    for ddl in [
        Ddl::Comment(table),
        set("x.y", None),
        Ddl::Transaction(Transaction::Other),
        rename(part(ObjectKind::Label, "it's", "mood"), "x"),
        Ddl::Nothing,
        Ddl::AddLabel {
            type_: name("mood"),
            label: "other".into(),
            if_not_exists: false,
        },
    ] {
        let told = one(add()).text(USE, ddl.clone()).findings(&catalog);
        let of_labels = told.iter().filter(|f| f.rule == Rule::EnumSameTransaction);
        assert_eq!(of_labels.count(), 0, "{ddl:?}");
    }
    // the body of a DO runs, that of a function does not
    let body = "DO $$ BEGIN PERFORM 'it''s'; END $$";
    one(add())
        .text(body, Ddl::Run(Code::Do))
        .tells(&catalog, &["2 enum_same_transaction error mood"]);
    one(add())
        .text(body, create(ObjectKind::Function, "f"))
        .is_quiet(&catalog);
}

#[test]
fn a_type_of_the_same_transaction_takes_labels_from_17_on() {
    let mut catalog = Catalog::with("t", 0);
    let made = || {
        one(create(ObjectKind::Type, "mood"))
            .then(add())
            .text(USE, insert())
    };
    made().tells(&catalog, &["3 enum_same_transaction error mood"]);
    catalog.major = 16;
    made().tells(&catalog, &["3 enum_same_transaction error mood"]);
    catalog.major = 17;
    made().is_quiet(&catalog);
    one(add())
        .text(USE, insert())
        .tells(&catalog, &["2 enum_same_transaction error mood"]);
}

#[test]
fn names_that_are_cut_are_told_once_a_statement() {
    let catalog = Catalog::with("t", 0);
    let long: &'static str =
        "CREATE VIEW abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_0123456789x AS SELECT 1";
    let view = || create(ObjectKind::View, "v");
    let found = sql(long, view()).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity),
        (Rule::NameTooLong, Severity::Warning)
    );
    let name = "abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_0123456789x";
    assert_eq!(found.object.as_deref(), Some(name));
    assert_eq!(
        found.message,
        format!(
            "name \"{name}\" has 65 bytes: the server cuts it to 63, and two such may become one"
        )
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "\"abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_012345678\" is what it becomes"
        )
    );
    // parts of one statement have one text
    let mut script = sql(long, view());
    script = script.part(view());
    assert_eq!(script.findings(&catalog).len(), 1);
    sql(long, view()).text(long, view()).tells(
        &catalog,
        &[
            &format!("1 name_too_long warning {name}"),
            &format!("2 name_too_long warning {name}"),
        ],
    );
}
