use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{Create, Ddl, IfExists};
use crate::migration::lint::RelationKind;
use crate::migration::lint::samples::*;

fn table() -> Ddl {
    rename(object(ObjectKind::Table, "t"), "u")
}

fn schema_of(kind: ObjectKind) -> Ddl {
    Ddl::SetSchema {
        object: object(kind, "t"),
        to: "s".into(),
        if_exists: false,
    }
}

#[test]
fn programs_know_the_old_name_of_a_table() {
    by_size(&table(), "info info warning warning warning warning");
    by_size(
        &schema_of(ObjectKind::Table),
        "info info warning warning warning warning",
    );
    let catalog = Catalog::with("t", LARGE);
    let found = one(table()).finding(&catalog);
    assert_eq!(found.rule, Rule::RenameBreaksClients);
    assert_eq!(found.object.as_deref(), Some("public.t"));
    assert_eq!(
        found.message,
        "\"public.t\" becomes \"public.u\": programs that know the old name fail"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE VIEW public.t AS SELECT * FROM public.u")
    );
    let found = one(schema_of(ObjectKind::View)).finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE VIEW public.t AS SELECT * FROM s.t")
    );
}

#[test]
fn a_view_of_the_old_name_makes_it_right() {
    let catalog = Catalog::with("t", LARGE);
    let view = |if_exists| {
        Ddl::Create(Create {
            if_exists,
            ..new(object(ObjectKind::View, "t"))
        })
    };
    one(table()).then(view(IfExists::Fails)).is_quiet(&catalog);
    one(table())
        .file("2.sql")
        .then(view(IfExists::Replaces))
        .is_quiet(&catalog);
    one(table())
        .then(rename(object(ObjectKind::Table, "u"), "t"))
        .tells(&catalog, &["2 rename_breaks_clients warning public.u"]);
}

#[test]
fn a_renamed_table_is_known_by_its_new_name() {
    let mut catalog = Catalog::with("t", GB);
    catalog.column_of("t", "a", true, false);
    let first = "1 rename_breaks_clients warning public.t";
    one(table())
        .then(drop_one(ObjectKind::Table, "u"))
        .tells(&catalog, &[first, "2 drop_table error public.u"]);
    one(table())
        .then(drop_one(ObjectKind::Table, "t"))
        .tells(&catalog, &[first]);
    // its columns are asked for by the name that the catalog has
    one(table())
        .then(set_not_null("u", "a"))
        .then(set_not_null("u", "b"))
        .tells(&catalog, &[first, "3 not_null_scan error public.u.b"]);
    let moved = one(schema_of(ObjectKind::Table)).then(drop_one(ObjectKind::Table, "s.t"));
    moved.tells(&catalog, &[first, "2 drop_table error s.t"]);
}

#[test]
fn only_what_programs_read_matters() {
    let mut catalog = Catalog::with("t", GB);
    catalog.index_of("t", "i", &["a"]);
    for quiet in [
        rename(object(ObjectKind::Index, "i"), "j"),
        rename(object(ObjectKind::Sequence, "t"), "j"),
        rename(part(ObjectKind::Constraint, "k", "t"), "j"),
        rename(part(ObjectKind::Trigger, "k", "t"), "j"),
        rename(object(ObjectKind::Function, "f"), "j"),
        rename(object(ObjectKind::Type, "f"), "j"),
        schema_of(ObjectKind::Function),
        schema_of(ObjectKind::Index),
    ] {
        one(quiet).is_quiet(&catalog);
    }
}

#[test]
fn columns() {
    let column = || rename(part(ObjectKind::Column, "a", "t"), "x");
    by_size(&column(), "info info warning warning warning warning");
    let catalog = Catalog::with("t", LARGE);
    let found = one(column()).finding(&catalog);
    assert_eq!(found.object.as_deref(), Some("public.t.a"));
    assert_eq!(
        found.message,
        "column \"public.t.a\" becomes \"x\": programs that know the old name fail"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD COLUMN x ...; CALL strata.task_backfill('t_x', 't', 'x = a'); \
             -- and ALTER TABLE t DROP COLUMN a in a later release"
        )
    );
    // one that the run has made
    one(add_column(
        "t",
        crate::migration::ddl::samples::column("a", "text"),
    ))
    .then(column())
    .is_quiet(&catalog);
    // known by its new name
    let mut catalog = Catalog::with("t", LARGE);
    catalog.column_of("t", "a", true, false);
    let told = "1 rename_breaks_clients warning public.t.a";
    one(column())
        .then(set_not_null("t", "x"))
        .tells(&catalog, &[told]);
}

#[test]
fn labels() {
    let catalog = Catalog::with("t", 0);
    let label = || rename(part(ObjectKind::Label, "old", "mood"), "it's");
    let found = one(label()).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.object.as_deref()),
        (Rule::RenameBreaksClients, Severity::Warning, Some("mood"))
    );
    assert_eq!(
        found.message,
        "label 'old' of \"mood\" becomes 'it's': programs that know the old one fail"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("ALTER TYPE mood ADD VALUE 'it''s'")
    );
    one(create(ObjectKind::Type, "mood"))
        .then(label())
        .is_quiet(&catalog);
    // by another name since
    one(create(ObjectKind::Type, "feeling"))
        .then(rename(object(ObjectKind::Type, "feeling"), "mood"))
        .then(label())
        .is_quiet(&catalog);
    one(create(ObjectKind::Type, "mood"))
        .then(rename(object(ObjectKind::Type, "mood"), "feeling"))
        .then(label())
        .tells(&catalog, &["3 rename_breaks_clients warning mood"]);
}

#[test]
fn schemas() {
    let mut catalog = Catalog::with("s.t", GB);
    catalog.schemas.insert("s".into(), size(LARGE));
    let schema = || rename(object(ObjectKind::Schema, "s"), "r");
    let found = one(schema()).finding(&catalog);
    assert_eq!(
        (found.severity, found.object.as_deref(), found.est_rows),
        (Severity::Warning, Some("s"), Some(1_290))
    );
    assert_eq!(
        found.message,
        "schema \"s\" becomes \"r\": programs that know the old name fail"
    );
    one(create(ObjectKind::Schema, "s"))
        .then(schema())
        .is_quiet(&catalog);
    // new under its new name as well
    one(create(ObjectKind::Schema, "s"))
        .then(schema())
        .then(rename(object(ObjectKind::Schema, "r"), "q"))
        .is_quiet(&catalog);
    // what is known in it goes along
    one(create_table("s.x", Vec::new(), Vec::new()))
        .then(set_not_null("s.t", "a"))
        .then(schema())
        .then(drop_one(ObjectKind::Table, "r.t"))
        .then(drop_one(ObjectKind::Table, "r.x"))
        .then(drop_one(ObjectKind::Table, "s.t"))
        .tells(
            &catalog,
            &[
                "2 not_null_scan error s.t.a",
                "3 rename_breaks_clients warning s",
                "4 drop_table error r.t",
            ],
        );
}

#[test]
fn a_view_that_is_renamed() {
    let mut catalog = Catalog::with("t", 0);
    catalog.relation_of("v", RelationKind::Other, size(0));
    let found = one(rename(object(ObjectKind::View, "v"), "w")).finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE VIEW public.v AS SELECT * FROM public.w")
    );
    let foreign = rename(object(ObjectKind::ForeignTable, "v"), "w");
    assert_eq!(one(foreign).finding(&catalog).suggestion, None);
}
