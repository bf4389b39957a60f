use super::samples::*;
use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{Set, Transaction};
use crate::migration::inverse_name::Space;
use ObjectKind as K;

fn none() -> Old {
    Old::default()
}

#[test]
fn domains() {
    let alter = |command| Ddl::AlterDomain {
        domain: name("s.d"),
        command,
    };
    let old = |not_null, default: Option<&str>| {
        let mut old = none();
        let default = default.map(str::to_owned);
        old.domains
            .insert("s.d".into(), OldDomain { default, not_null });
        old
    };
    use DomainCommand as C;
    comes_back(
        &alter(C::Default),
        &old(false, Some("1")),
        &["catalog: ALTER DOMAIN s.d SET DEFAULT 1"],
    );
    comes_back(
        &alter(C::Default),
        &old(false, None),
        &["catalog: ALTER DOMAIN s.d DROP DEFAULT"],
    );
    comes_back(
        &alter(C::SetNotNull),
        &old(false, None),
        &["syntax: ALTER DOMAIN s.d DROP NOT NULL"],
    );
    comes_back(&alter(C::SetNotNull), &old(true, None), &[]);
    comes_back(
        &alter(C::DropNotNull),
        &old(true, None),
        &["catalog: ALTER DOMAIN s.d SET NOT NULL"],
    );
    comes_back(&alter(C::DropNotNull), &old(false, None), &[]);
    let named = C::AddConstraint(Some("My".into()));
    comes_back(
        &alter(named),
        &old(false, None),
        &["syntax: ALTER DOMAIN s.d DROP CONSTRAINT \"My\""],
    );
    let unnamed = || alter(C::AddConstraint(None));
    comes_back(
        &unnamed(),
        &old(false, None),
        &["syntax: ALTER DOMAIN s.d DROP CONSTRAINT d_check"],
    );
    let taken = old(false, None).taken(Space::Constraints, "d_check");
    comes_back(
        &unnamed(),
        &taken,
        &["syntax: ALTER DOMAIN s.d DROP CONSTRAINT d_check1"],
    );
    let made = "ALTER DOMAIN s.d ADD CONSTRAINT k CHECK (VALUE > 0) NOT VALID";
    let there = old(false, None).with(&part(K::DomainConstraint, "k", "s.d"), 1, &[made], &[]);
    let again = format!("catalog: {made}");
    let drop = |if_exists| {
        alter(C::DropConstraint {
            name: "k".into(),
            if_exists,
        })
    };
    comes_back(&drop(false), &there, &[&again]);
    comes_back(&drop(true), &old(false, None), &[]);
    comes_back(
        &drop(false),
        &old(false, None),
        &["manual: -- CONSTRAINT k ON DOMAIN s.d"],
    );
    comes_back(
        &alter(C::Validate("k".into())),
        &there,
        &["catalog: ALTER DOMAIN s.d DROP CONSTRAINT k", &again],
    );
    let made = "ALTER DOMAIN s.d ADD CONSTRAINT k CHECK (VALUE > 0)";
    let k = part(K::DomainConstraint, "k", "s.d");
    let valid = old(false, None).with(&k, 1, &[made], &[]);
    comes_back(&alter(C::Validate("k".into())), &valid, &[]);
    comes_back(
        &alter(C::Validate("k".into())),
        &old(false, None),
        &["manual: -- CONSTRAINT k ON DOMAIN s.d"],
    );
    comes_back(&unnamed(), &none(), &["manual: -- DOMAIN s.d"]);
    comes_back(&unnamed(), &none().made("DOMAIN s.d"), &[]);
}

#[test]
fn rows_are_for_somebody_to_bring_back() {
    let table = || name("t");
    for (rows, sql) in [
        (Rows::Insert(table()), "manual: -- DELETE FROM t"),
        (
            Rows::CopyFrom {
                table: table(),
                server: false,
            },
            "manual: -- DELETE FROM t",
        ),
        (
            Rows::Update {
                table: table(),
                filtered: true,
            },
            "manual: -- UPDATE t",
        ),
        (
            Rows::Delete {
                table: table(),
                filtered: true,
            },
            "manual: -- INSERT INTO t",
        ),
        (Rows::Merge(table()), "manual: -- MERGE INTO t"),
    ] {
        comes_back(&Ddl::Rows(rows.clone()), &none(), &[sql]);
        assert!(!note(&Ddl::Rows(rows.clone()), &none()).is_empty());
        comes_back(&Ddl::Rows(rows), &none().made("TABLE t"), &[]);
    }
    let truncate = Ddl::Rows(Rows::Truncate {
        tables: names(&["t", "u", "v"]),
        cascade: false,
    });
    comes_back(
        &truncate,
        &none().made("TABLE u"),
        &["data_loss: -- INSERT INTO t", "data_loss: -- INSERT INTO v"],
    );
    comes_back(&Ddl::Rows(Rows::CopyTo { server: true }), &none(), &[]);
}

#[test]
fn code_that_is_not_seen_is_manual() {
    for (run, sql) in [
        (Run::Do, "DO"),
        (Run::Call, "CALL"),
        (Run::Prepared, "EXECUTE"),
    ] {
        comes_back(&Ddl::Run(run), &none(), &[&format!("manual: -- {sql}")]);
        assert!(note(&Ddl::Run(run), &none()).ends_with("is not known"));
    }
    let select = |calls: &[&str]| Ddl::Select {
        calls: names(calls),
    };
    comes_back(&select(&[]), &none(), &[]);
    comes_back(&select(&["now", "pg_catalog.set_config"]), &none(), &[]);
    comes_back(
        &select(&["now", "s.set_config"]),
        &none(),
        &["manual: -- SELECT s.set_config(...)"],
    );
    comes_back(&select(&["f"]), &none(), &["manual: -- SELECT f(...)"]);
    assert_eq!(note(&select(&["f"]), &none()), "what f() does is not known");
    for sequence in ["setval", "nextval"] {
        let ddl = select(&[sequence]);
        assert_eq!(
            note(&ddl, &none()),
            "the value that a sequence had is not kept"
        );
    }
    comes_back(&Ddl::Other, &none(), &["manual: -- a statement"]);
}

#[test]
fn some_statements_leave_nothing_behind() {
    for ddl in [
        Ddl::Nothing,
        Ddl::Transaction(Transaction::Commit),
        Ddl::Refresh(name("v")),
        Ddl::Rewrite { tables: Vec::new() },
        Ddl::Reindex {
            relation: None,
            concurrently: false,
        },
        Ddl::Set(Set {
            name: "x".into(),
            to: None,
            local: false,
        }),
    ] {
        comes_back(&ddl, &none(), &[]);
    }
}

#[test]
fn a_script_is_a_text_that_runs() {
    let downs = [
        Down::syntax("DROP TABLE t"),
        Down::manual("UPDATE\n  t", "why"),
        Down::catalog("CREATE VIEW v AS\n SELECT 1").note("x"),
    ];
    assert_eq!(
        script(&downs),
        "DROP TABLE t;\n-- UPDATE t\nCREATE VIEW v AS\n SELECT 1;\n"
    );
    assert_eq!(downs[1].note.as_deref(), Some("why"));
    assert!(Basis::Syntax < Basis::Catalog && Basis::Catalog < Basis::DataLoss);
    assert_eq!(Basis::WORDS, ["syntax", "catalog", "data_loss", "manual"]);
}
