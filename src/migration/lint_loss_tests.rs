use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{Ddl, Object, Rows};
use crate::migration::lint::samples::*;
use crate::migration::lint::{RelationKind, Severity};

fn update(filtered: bool) -> Ddl {
    let table = name("t");
    Ddl::Rows(Rows::Update { table, filtered })
}

fn delete(filtered: bool) -> Ddl {
    let table = name("t");
    Ddl::Rows(Rows::Delete { table, filtered })
}

fn truncate(tables: &[&str]) -> Ddl {
    let tables = names(tables);
    let cascade = false;
    Ddl::Rows(Rows::Truncate { tables, cascade })
}

fn drop_schema(cascade: bool) -> Ddl {
    Ddl::Drop(DropObjects {
        cascade,
        ..drop_objects(&[object(ObjectKind::Schema, "s")])
    })
}

#[test]
fn lost_rows_are_told_whatever_the_size() {
    by_size(
        &drop_one(ObjectKind::Table, "t"),
        "- info warning warning error error",
    );
    by_size(&truncate(&["t"]), "- info warning warning error error");
    let dropped = one(drop_one(ObjectKind::Table, "t")).finding(&Catalog::with("t", LARGE));
    assert_eq!(dropped.rule, Rule::DropTable);
    assert_eq!(dropped.message, "about 1290 rows of \"public.t\" are lost");
    assert_eq!(
        dropped.suggestion.as_deref(),
        Some("ALTER TABLE t RENAME TO t_old; -- and DROP TABLE in a later release")
    );
    let emptied = one(truncate(&["t"])).finding(&Catalog::with("t", LARGE));
    assert_eq!(emptied.rule, Rule::Truncate);
    assert_eq!(
        emptied.message,
        "about 1290 rows of \"public.t\" are lost, and readers wait until the transaction ends"
    );
    assert_eq!(
        emptied.suggestion.as_deref(),
        Some("CREATE TABLE t_old AS TABLE t; -- beforehand, if anybody may want them back")
    );
}

#[test]
fn pages_without_rows_are_no_loss() {
    let mut catalog = Catalog::with("t", GB);
    let empty = Size {
        rows: 0,
        ..size(GB)
    };
    catalog.relation_of("t", RelationKind::Table, empty);
    one(drop_one(ObjectKind::Table, "t")).is_quiet(&catalog);
    one(truncate(&["t"])).is_quiet(&catalog);
    one(drop_column("t", "a")).is_quiet(&catalog);
}

#[test]
fn each_table_is_told() {
    let mut catalog = Catalog::with("t", LARGE);
    catalog.table("u", 1);
    catalog.table("v", 0);
    let objects = ["t", "u", "v"].map(|t| object(ObjectKind::Table, t));
    one(Ddl::Drop(drop_objects(&objects))).tells(
        &catalog,
        &[
            "1 drop_table warning public.t",
            "1 drop_table info public.u",
        ],
    );
    one(truncate(&["t", "v", "u"])).tells(
        &catalog,
        &["1 truncate warning public.t", "1 truncate info public.u"],
    );
}

#[test]
fn other_relations_hold_nothing_of_their_own() {
    let catalog = Catalog::with("t", GB);
    for kind in [
        ObjectKind::View,
        ObjectKind::MaterializedView,
        ObjectKind::Sequence,
        ObjectKind::Type,
    ] {
        one(drop_one(kind, "t")).is_quiet(&catalog);
    }
}

#[test]
fn a_dropped_table_is_gone() {
    let catalog = Catalog::with("t", GB);
    let first = "1 drop_table error public.t";
    one(drop_one(ObjectKind::Table, "t"))
        .then(drop_one(ObjectKind::Table, "t"))
        .then(delete(false))
        .tells(&catalog, &[first]);
    // and made again, it is a new one
    one(drop_one(ObjectKind::Table, "public.t"))
        .then(create_table("t", Vec::new(), Vec::new()))
        .then(truncate(&["t"]))
        .then(drop_one(ObjectKind::Table, "t"))
        .tells(&catalog, &[first]);
    one(drop_one(ObjectKind::MaterializedView, "t"))
        .then(truncate(&["t"]))
        .is_quiet(&catalog);
}

#[test]
fn schemas_go_with_all_that_is_in_them() {
    let mut catalog = Catalog::with("t", GB);
    catalog.schemas.insert("s".into(), size(LARGE));
    catalog.table("s.x", GB);
    let found = one(drop_schema(true)).finding(&catalog);
    assert_eq!(found.rule, Rule::DropSchemaCascade);
    assert_eq!(found.severity, Severity::Warning);
    assert_eq!(found.object.as_deref(), Some("s"));
    assert_eq!(found.est_rows, Some(1_290));
    assert_eq!(
        found.message,
        "all tables of schema \"s\" go with it, and about 1290 rows"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("DROP SCHEMA s; -- behind a DROP of each object in it")
    );
    one(drop_schema(false)).is_quiet(&catalog);
    one(create(ObjectKind::Schema, "s"))
        .then(drop_schema(true))
        .is_quiet(&catalog);
    // what was in it is gone
    one(truncate(&["s.x"]))
        .then(drop_schema(true))
        .then(truncate(&["s.x"]))
        .tells(
            &catalog,
            &["1 truncate error s.x", "2 drop_schema_cascade warning s"],
        );
    catalog.schemas.insert("s".into(), size(0));
    one(drop_schema(true)).is_quiet(&catalog);
}

#[test]
fn all_rows_at_once() {
    by_size(&update(false), "- - info warning warning error");
    by_size(&delete(false), "- - info warning warning error");
    let catalog = Catalog::with("t", GB);
    one(update(true)).is_quiet(&catalog);
    one(delete(true)).is_quiet(&catalog);
    let found = sql("UPDATE t SET a = 'x', b = 1", update(false)).finding(&catalog);
    assert_eq!(found.rule, Rule::UpdateAllRows);
    assert_eq!(
        found.message,
        "about 1310720 rows of \"public.t\" are written anew in one transaction, and stay locked until it ends"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CALL strata.task_backfill('backfill_t', 't', 'a = ''x'', b = 1')")
    );
    let found = sql("UPDATE t SET a = 1 FROM u", update(false)).finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CALL strata.task_backfill('backfill_t', 't', '...')")
    );
    let found = one(delete(false)).finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("TRUNCATE t; -- if no foreign key refers to it")
    );
    assert_eq!(
        found.message,
        "about 1310720 rows of \"public.t\" are deleted one by one in one transaction, and stay locked until it ends"
    );
}

#[test]
fn parts_of_tables_are_no_relations() {
    let catalog = Catalog::with("t", GB);
    let trigger: Object = part(ObjectKind::Trigger, "x", "t");
    one(Ddl::Drop(drop_objects(&[trigger])))
        .then(truncate(&["t"]))
        .tells(&catalog, &["2 truncate error public.t"]);
    // nor is what has the name of one
    one(drop_one(ObjectKind::Function, "t"))
        .then(truncate(&["t"]))
        .tells(&catalog, &["2 truncate error public.t"]);
}

#[test]
fn columns_that_go_with_their_type_are_lost() {
    let mut catalog = Catalog::with("t", LARGE);
    let table = Name::new(Some("public"), "t");
    let columns = vec![(table, "Mood".to_owned())];
    catalog
        .of_type
        .insert("public.mood".to_owned(), columns.clone());
    catalog.of_type.insert("citext".to_owned(), columns);
    let drop = |kind, name: &str, cascade| {
        Ddl::Drop(DropObjects {
            cascade,
            ..drop_objects(&[object(kind, name)])
        })
    };
    for (kind, with) in [
        (ObjectKind::Type, "mood"),
        (ObjectKind::Domain, "mood"),
        (ObjectKind::Extension, "citext"),
    ] {
        let found = one(drop(kind, with, true)).finding(&catalog);
        assert_eq!(found.rule, Rule::DropColumn);
        let word = if kind == ObjectKind::Extension {
            "extension"
        } else {
            "type"
        };
        assert_eq!(
            found.message,
            format!(
                "\"public.t.Mood\" goes with {word} \"{with}\", and its values in about 1290 rows are lost"
            )
        );
        assert_eq!(
            found.suggestion.as_deref(),
            Some(
                "ALTER TABLE public.t ALTER COLUMN \"Mood\" TYPE text USING \"Mood\"::text; -- beforehand, to keep them"
            )
        );
        one(drop(kind, with, false)).is_quiet(&catalog);
        one(drop(kind, "other", true)).is_quiet(&catalog);
    }
}
