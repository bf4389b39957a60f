use super::*;
use crate::migration::ddl::samples::{
    add, add_column, alter, altered, check, column, create, default, foreign_key, object, part,
    primary_key, primary_key_using, rename, set_not_null, set_type, unique,
};
use crate::migration::ddl::{ConstraintKind, Ddl};
use crate::migration::lint::samples::*;

fn volatile(type_: &str) -> Column {
    Column {
        default: default("gen"),
        ..column("x", type_)
    }
}

#[test]
fn looking_for_nulls() {
    by_size(&set_not_null("t", "a"), "- - warning warning error error");
    let mut catalog = Catalog::with("t", LARGE);
    let found = one(set_not_null("t", "a")).finding(&catalog);
    assert_eq!(found.rule, Rule::NotNullScan);
    assert_eq!(
        found.message,
        "all rows of \"public.t\" are read, locked against all others"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a IS NOT NULL) NOT VALID; \
             in the next file ALTER TABLE t VALIDATE CONSTRAINT t_a_check; \
             in the next ALTER TABLE t ALTER COLUMN a SET NOT NULL, DROP CONSTRAINT t_a_check"
        )
    );
    catalog.column_of("t", "a", true, false);
    one(set_not_null("t", "a")).is_quiet(&catalog);
    catalog.column_of("t", "a", false, true);
    one(set_not_null("t", "a")).is_quiet(&catalog);
    // it was NOT NULL, but the run has changed that
    catalog.column_of("t", "a", true, false);
    let open = alter("t", AlterCommand::DropNotNull("a".into()));
    one(open.clone())
        .then(set_not_null("t", "a"))
        .tells(&catalog, &["2 not_null_scan warning public.t.a"]);
    catalog.column_of("t", "a", true, true);
    one(open).then(set_not_null("t", "a")).is_quiet(&catalog);
    // of a column that is not there
    one(set_not_null("t", "x")).tells(&catalog, &["1 not_null_scan warning public.t.x"]);
    // a second time
    one(set_not_null("t", "b"))
        .then(set_not_null("t", "b"))
        .tells(&catalog, &["1 not_null_scan warning public.t.b"]);
    // a column of the run
    one(add_column("t", column("x", "text").not_null()))
        .then(set_not_null("t", "x"))
        .tells(&catalog, &["1 add_required_column error public.t.x"]);
    one(add_column("t", column("x", "text")))
        .then(set_not_null("t", "x"))
        .tells(&catalog, &["2 not_null_scan warning public.t.x"]);
}

#[test]
fn a_valid_check_of_the_run_is_as_good() {
    let mut catalog = Catalog::with("t", LARGE);
    let k = || check(&["a"], &["a"]).named("k");
    let valid = || alter("t", AlterCommand::ValidateConstraint("k".into()));
    let not_null = || set_not_null("t", "a");
    let scan = "3.sql 1 not_null_scan warning public.t.a";
    one(add("t", k().not_valid()))
        .file("2.sql")
        .then(valid())
        .file("3.sql")
        .then(not_null())
        .is_quiet(&catalog);
    one(add("t", k().not_valid()))
        .file("3.sql")
        .then(not_null())
        .tells(&catalog, &[scan]);
    // of another column; gone again; of the catalog
    one(add("t", check(&["b"], &["b"]).named("k").not_valid()))
        .file("2.sql")
        .then(valid())
        .file("3.sql")
        .then(not_null())
        .tells(&catalog, &[scan]);
    let gone = AlterCommand::DropConstraint {
        name: "k".into(),
        if_exists: false,
        cascade: false,
    };
    one(add("t", k().not_valid()))
        .file("2.sql")
        .then(valid())
        .then(alter("t", gone))
        .file("3.sql")
        .then(not_null())
        .tells(&catalog, &[scan]);
    catalog.constraints.insert(
        (stored("t"), "k".into()),
        crate::migration::lint::ConstraintFacts {
            valid: false,
            not_null: vec!["a".into()],
        },
    );
    one(valid()).then(not_null()).is_quiet(&catalog);
    one(valid())
        .then(rename(part(ObjectKind::Column, "a", "t"), "x"))
        .then(set_not_null("t", "x"))
        .tells(&catalog, &["2 rename_breaks_clients warning public.t.a"]);
}

#[test]
fn types_that_are_written_anew() {
    by_size(
        &set_type("t", "a", "text", Using::Same),
        "- - warning warning error error",
    );
    let mut catalog = Catalog::with("t", LARGE);
    let found = one(set_type("t", "a", "pg_catalog.int8", Using::Same)).finding(&catalog);
    assert_eq!(found.rule, Rule::RewriteType);
    assert_eq!(
        found.message,
        "the new type of \"public.t.a\" writes the table anew, locked against all others"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD COLUMN a_new pg_catalog.int8; \
             CALL strata.task_backfill('t_a_new', 't', 'a_new = a', 'a_new IS NULL'); \
             -- once programs write both, and it has the indexes and constraints of the old one: \
             ALTER TABLE t DROP COLUMN a; ALTER TABLE t RENAME COLUMN a_new TO a"
        )
    );
    catalog
        .binary
        .insert((stored("t"), "a".into(), "text".into()));
    one(set_type("t", "a", "text", Using::Same)).is_quiet(&catalog);
    one(set_type("t", "a", "text", Using::Expression))
        .tells(&catalog, &["1 rewrite_type warning public.t.a"]);
    one(set_type("t", "b", "text", Using::Same))
        .tells(&catalog, &["1 rewrite_type warning public.t.b"]);
    // by the names that the catalog has
    one(rename(object(ObjectKind::Table, "t"), "u"))
        .then(rename(part(ObjectKind::Column, "a", "u"), "x"))
        .then(set_type("u", "x", "text", Using::Same))
        .tells(
            &catalog,
            &[
                "1 rename_breaks_clients warning public.t",
                "2 rename_breaks_clients warning public.u.a",
            ],
        );
    // of the run: nobody knows
    one(add_column("t", column("x", "text")))
        .then(set_type("t", "x", "text", Using::Same))
        .tells(&catalog, &["2 rewrite_type warning public.t.x"]);
    let text = "ALTER TABLE t ALTER a TYPE date USING to_date(a, 'YYYY')";
    let found = sql(text, set_type("t", "a", "date", Using::Expression)).finding(&catalog);
    assert!(
        found
            .suggestion
            .is_some_and(|s| s.contains("'a_new = to_date(a, ''YYYY'')'"))
    );
}

#[test]
fn other_commands_that_write_all_rows() {
    let catalog = Catalog::with("t", LARGE);
    for (command, what) in [
        (AlterCommand::SetLogged(true), "SET LOGGED"),
        (AlterCommand::SetLogged(false), "SET UNLOGGED"),
        (AlterCommand::SetTablespace, "SET TABLESPACE"),
        (AlterCommand::SetAccessMethod, "SET ACCESS METHOD"),
        (AlterCommand::SetExpression("a".into()), "SET EXPRESSION"),
    ] {
        by_size(
            &alter("t", command.clone()),
            "- - warning warning error error",
        );
        let found = one(alter("t", command)).finding(&catalog);
        assert_eq!(found.rule, Rule::RewriteOther);
        assert_eq!(
            found.message,
            format!("{what} writes \"public.t\" anew, locked against all others")
        );
    }
    for quiet in [
        AlterCommand::SetDefault("a".into()),
        AlterCommand::DropNotNull("a".into()),
        AlterCommand::AddIdentity("a".into()),
        AlterCommand::SetOwner,
        AlterCommand::RowSecurity(true),
        AlterCommand::SetOptions(vec!["fillfactor".into()]),
        AlterCommand::Other,
    ] {
        one(alter("t", quiet)).is_quiet(&catalog);
    }
}

#[test]
fn tables_only_and_command_by_command() {
    let catalog = Catalog::with("t", LARGE);
    let commands = vec![
        AlterCommand::AddColumn {
            column: volatile("uuid"),
            if_not_exists: false,
        },
        AlterCommand::SetNotNull("a".into()),
    ];
    let mut both = altered("t", commands);
    let text = "ALTER TABLE t ADD x uuid DEFAULT gen(), ALTER a SET NOT NULL";
    let found = sql(text, Ddl::AlterTable(both.clone())).findings(&catalog);
    assert_eq!(found.len(), 2);
    assert!(
        found[0]
            .suggestion
            .as_deref()
            .unwrap()
            .starts_with("ALTER TABLE t ADD x uuid; ")
    );
    // a text that is not of these commands says nothing
    let found = sql(
        "ALTER TABLE t ADD x uuid DEFAULT gen()",
        Ddl::AlterTable(both.clone()),
    );
    assert_eq!(found.findings(&catalog)[0].suggestion, None);
    for kind in [ObjectKind::ForeignTable, ObjectKind::MaterializedView] {
        both.kind = kind;
        assert_eq!(
            one(Ddl::AlterTable(both.clone())).told(&catalog).len(),
            2,
            "{kind:?}"
        );
    }
    for kind in [
        ObjectKind::Index,
        ObjectKind::View,
        ObjectKind::Sequence,
        ObjectKind::Type,
    ] {
        both.kind = kind;
        one(Ddl::AlterTable(both.clone())).is_quiet(&catalog);
    }
}

#[test]
fn constraints_of_a_new_column() {
    let catalog = Catalog::with("t", LARGE);
    let no_index = "1 fk_without_index warning public.t";
    let with = |constraint| column("x", "text").with(constraint);
    // its values are all NULL
    one(add_column("t", with(foreign_key(&["x"], "p")))).tells(&catalog, &[no_index]);
    let filled = Column {
        default: default(""),
        ..with(foreign_key(&["x"], "p"))
    };
    one(add_column("t", filled)).tells(&catalog, &["1 fk_scan info public.t", no_index]);
    one(add_column("t", with(check(&["x"], &[]))))
        .tells(&catalog, &["1 check_scan warning public.t"]);
    one(add_column("t", with(unique(&["x"]))))
        .tells(&catalog, &["1 unique_builds_index warning public.t"]);
    let serial = column("x", "bigserial").with(primary_key(&["x"]));
    one(add_column("t", serial)).tells(
        &catalog,
        &[
            "1 rewrite_default warning public.t.x",
            "1 unique_builds_index warning public.t",
        ],
    );
}

#[test]
fn a_primary_key_makes_its_columns_not_null() {
    let catalog = Catalog::with("t", LARGE);
    one(add("t", primary_key(&["a"])))
        .then(set_not_null("t", "a"))
        .tells(
            &catalog,
            &[
                "1 unique_builds_index warning public.t",
                "1 int_primary_key warning public.t.a",
            ],
        );
    let mut indexed = Catalog::with("t", LARGE);
    indexed.index_of("t", "i", &["a"]);
    one(add("t", primary_key_using("i")))
        .then(set_not_null("t", "a"))
        .tells(
            &indexed,
            &[
                "1 not_null_scan warning public.t.a",
                "1 int_primary_key warning public.t.a",
            ],
        );
    one(add("t", unique(&["a"])))
        .then(set_not_null("t", "a"))
        .tells(
            &catalog,
            &[
                "1 unique_builds_index warning public.t",
                "2 not_null_scan warning public.t.a",
            ],
        );
    let not_null = crate::migration::ddl::samples::constraint(ConstraintKind::NotNull, &["a"]);
    one(add("t", not_null))
        .then(set_not_null("t", "a"))
        .tells(&catalog, &["1 not_null_scan warning public.t"]);
    // a type of the same name as the table changes nothing
    one(create(ObjectKind::Type, "t"))
        .then(set_not_null("t", "a"))
        .tells(&catalog, &["2 not_null_scan warning public.t.a"]);
}
