use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{AlterCommand, Ddl};
use crate::migration::lint::Severity;
use crate::migration::lint::samples::*;

fn key(type_: &str) -> Ddl {
    let id = column("id", type_).with(primary_key(&["id"]));
    create_table("x", vec![id], Vec::new())
}

fn references(columns: &[&str]) -> Ddl {
    let all = ["a", "b"].map(|c| column(c, "text")).to_vec();
    create_table("x", all, vec![foreign_key(columns, "p")])
}

const NO_INDEX: &str = "1 fk_without_index info public.x";

#[test]
fn narrow_keys() {
    let catalog = Catalog::with("t", 0);
    for (type_, highest) in [
        ("pg_catalog.int4", "2147483647"),
        ("integer", "2147483647"),
        ("int4", "2147483647"),
        ("serial", "2147483647"),
        ("serial4", "2147483647"),
        ("pg_catalog.int2", "32767"),
        ("smallint", "32767"),
        ("smallserial", "32767"),
        ("serial2", "32767"),
    ] {
        let found = one(key(type_)).finding(&catalog);
        assert_eq!(
            (found.rule, found.severity, found.est_rows),
            (Rule::IntPrimaryKey, Severity::Info, None)
        );
        assert_eq!(
            found.message,
            format!("primary key \"public.x.id\" ends at {highest}")
        );
        assert_eq!(found.object.as_deref(), Some("public.x.id"));
        assert_eq!(found.suggestion.as_deref(), Some("bigint"));
    }
    for type_ in [
        "pg_catalog.int8",
        "bigint",
        "bigserial",
        "uuid",
        "text",
        "s.int4",
    ] {
        one(key(type_)).is_quiet(&catalog);
    }
}

#[test]
fn keys_of_one_column_that_stay() {
    let catalog = Catalog::with("t", 0);
    let columns = || vec![column("a", "integer"), column("b", "integer")];
    let both = vec![primary_key(&["a", "b"])];
    one(create_table("x", columns(), both)).is_quiet(&catalog);
    one(create_table("x", columns(), vec![primary_key(&["b"])]))
        .tells(&catalog, &["1 int_primary_key info public.x.b"]);
    one(create_table("x", columns(), vec![unique(&["b"])])).is_quiet(&catalog);
    let mut temporary = new_table("x", columns(), vec![primary_key(&["b"])]);
    temporary.temporary = true;
    one(Ddl::CreateTable(temporary)).is_quiet(&catalog);
    // as pg_dump writes it
    one(create_table("x", columns(), Vec::new()))
        .then(add("x", primary_key(&["a"])))
        .tells(&catalog, &["2 int_primary_key info public.x.a"]);
    one(create_table("x", columns(), Vec::new()))
        .then(set_type(
            "x",
            "a",
            "bigint",
            crate::migration::ddl::Using::Same,
        ))
        .then(add("x", primary_key(&["a"])))
        .is_quiet(&catalog);
}

#[test]
fn keys_of_tables_that_are_there() {
    let mut catalog = Catalog::with("t", LARGE);
    catalog.column_of("t", "a", true, false);
    catalog.index_of("t", "i", &["a"]);
    let found = one(add("t", primary_key_using("i"))).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.est_rows),
        (Rule::IntPrimaryKey, Severity::Warning, Some(1_290))
    );
    one(add("t", primary_key_using("none"))).is_quiet(&catalog);
    // by its name in the catalog
    one(rename(part(ObjectKind::Column, "a", "t"), "x"))
        .then(add("t", primary_key_using("i")))
        .tells(
            &catalog,
            &[
                "1 rename_breaks_clients warning public.t.a",
                "2 int_primary_key warning public.t.x",
            ],
        );
    let serial = column("id", "serial").with(primary_key(&["id"]));
    let small = Catalog::with("t", SMALL);
    one(add_column("t", serial)).tells(&small, &["1 int_primary_key info public.t.id"]);
}

#[test]
fn foreign_keys_want_an_index() {
    let catalog = Catalog::with("p", 0);
    let found = one(references(&["a", "b"])).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.est_rows),
        (Rule::FkWithoutIndex, Severity::Info, None)
    );
    assert_eq!(
        found.message,
        "no index of \"public.x\" begins with (a, b): each delete of a referenced row reads all of it"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE INDEX ON public.x (a, b)")
    );
    let on = |columns: &[&str]| Ddl::CreateIndex(index("x", columns).named("i"));
    one(references(&["a"])).then(on(&["a"])).is_quiet(&catalog);
    one(references(&["a"]))
        .then(on(&["a", "b"]))
        .is_quiet(&catalog);
    one(references(&["a", "b"]))
        .then(on(&["b", "a"]))
        .is_quiet(&catalog);
    one(references(&["a"]))
        .then(on(&["b", "a"]))
        .tells(&catalog, &[NO_INDEX]);
    one(references(&["a", "b"]))
        .then(on(&["a"]))
        .tells(&catalog, &[NO_INDEX]);
    // in a later file, or gone again
    one(references(&["a"]))
        .file("2.sql")
        .then(on(&["a"]))
        .is_quiet(&catalog);
    one(references(&["a"]))
        .then(on(&["a"]))
        .then(drop_one(ObjectKind::Index, "i"))
        .tells(&catalog, &[NO_INDEX]);
    one(references(&["a"]))
        .then(drop_one(ObjectKind::Table, "x"))
        .is_quiet(&catalog);
    one(references(&["a"]))
        .then(drop_column("x", "a"))
        .is_quiet(&catalog);
}

#[test]
fn only_some_indexes_serve_a_foreign_key() {
    let catalog = Catalog::with("p", 0);
    let after = |change: fn(&mut crate::migration::ddl::CreateIndex)| {
        let mut index = index("x", &["a"]).named("i");
        change(&mut index);
        one(references(&["a"]))
            .then(Ddl::CreateIndex(index))
            .told(&catalog)
    };
    assert!(after(|_| {}).is_empty());
    assert!(after(|i| i.method = "hash".into()).is_empty());
    assert!(after(|i| i.keys[0].plain = false).is_empty());
    assert_eq!(after(|i| i.method = "gin".into()), [NO_INDEX]);
    assert_eq!(after(|i| i.partial = true), [NO_INDEX]);
    assert_eq!(after(|i| i.keys[0].column = None), [NO_INDEX]);
    let mut hash = index("x", &["a", "b"]);
    hash.method = "hash".into();
    one(references(&["a", "b"]))
        .then(Ddl::CreateIndex(hash))
        .tells(&catalog, &[NO_INDEX]);
}

#[test]
fn keys_serve_foreign_keys_as_indexes_do() {
    let catalog = Catalog::with("p", 0);
    for constraint in [primary_key(&["a", "b"]), unique(&["a"])] {
        let columns = ["a", "b"].map(|c| column(c, "text")).to_vec();
        let both = vec![foreign_key(&["a"], "p"), constraint];
        one(create_table("x", columns, both)).is_quiet(&catalog);
    }
    let exclude = constraint(
        ConstraintKind::Exclude {
            include: Vec::new(),
        },
        &["a"],
    );
    let columns = vec![column("a", "text")];
    let both = vec![foreign_key(&["a"], "p"), exclude];
    one(create_table("x", columns, both)).tells(&catalog, &[NO_INDEX]);
    // by its column's own clause, and dropped again
    let own = column("a", "text").with(foreign_key(&["a"], "p"));
    one(create_table("x", vec![own.clone()], Vec::new())).tells(&catalog, &[NO_INDEX]);
    one(create_table("x", vec![own], Vec::new()))
        .then(alter(
            "x",
            AlterCommand::DropConstraint {
                name: "x_a_fkey".into(),
                if_exists: false,
                cascade: false,
            },
        ))
        .is_quiet(&catalog);
}

#[test]
fn foreign_keys_of_tables_that_are_there() {
    let mut catalog = Catalog::with("t", LARGE);
    let fk = || add("t", foreign_key(&["a"], "p").not_valid());
    let found = one(fk()).finding(&catalog);
    assert_eq!(
        (found.severity, found.est_rows),
        (Severity::Warning, Some(1_290))
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE INDEX CONCURRENTLY ON public.t (a)")
    );
    let small = Catalog::with("t", SMALL);
    let found = one(fk()).finding(&small);
    assert_eq!(found.severity, Severity::Info);
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CREATE INDEX ON public.t (a)")
    );
    catalog.index_of("t", "i", &["a"]);
    one(fk()).is_quiet(&catalog);
    one(fk())
        .then(rename(object(ObjectKind::Index, "i"), "j"))
        .is_quiet(&catalog);
    let mut gone = drop_objects(&[object(ObjectKind::Index, "i")]);
    gone.concurrently = true;
    one(fk())
        .then(Ddl::Drop(gone))
        .tells(&catalog, &["1 fk_without_index warning public.t"]);
    // the column has another name by then
    one(fk())
        .then(rename(part(ObjectKind::Column, "a", "t"), "x"))
        .tells(&catalog, &["2 rename_breaks_clients warning public.t.a"]);
}

#[test]
fn an_index_goes_with_the_constraint_that_took_it() {
    let mut catalog = Catalog::with("t", SMALL);
    catalog.index_of("t", "i", &["b"]);
    let drop = |name: &str| {
        let name = name.to_owned();
        let (if_exists, cascade) = (false, false);
        alter(
            "t",
            AlterCommand::DropConstraint {
                name,
                if_exists,
                cascade,
            },
        )
    };
    let key = || {
        one(add("t", foreign_key(&["b"], "p"))).then(add("t", primary_key_using("i").named("k")))
    };
    let int = "2 int_primary_key info public.t.b";
    key().tells(&catalog, &[int]);
    key().then(drop("i")).tells(&catalog, &[int]);
    key()
        .then(drop("k"))
        .tells(&catalog, &["1 fk_without_index info public.t", int]);
}

#[test]
fn what_is_copied_may_bring_indexes_along() {
    let catalog = Catalog::with("p", 0);
    let mut open = new_table(
        "x",
        vec![column("a", "integer")],
        vec![foreign_key(&["a"], "p"), primary_key(&["a"])],
    );
    open.constraints.pop();
    open.open = true;
    one(Ddl::CreateTable(open.clone())).is_quiet(&catalog);
    open.constraints.push(primary_key(&["a"]));
    one(Ddl::CreateTable(open)).tells(&catalog, &["1 int_primary_key info public.x.a"]);
    let mut foreign = new_table("x", Vec::new(), vec![foreign_key(&["a"], "p")]);
    foreign.kind = ObjectKind::ForeignTable;
    one(Ddl::CreateTable(foreign)).is_quiet(&catalog);
    let mut temporary = new_table("x", Vec::new(), vec![foreign_key(&["a"], "p")]);
    temporary.temporary = true;
    one(Ddl::CreateTable(temporary)).is_quiet(&catalog);
}

#[test]
fn if_not_exists_makes_nothing_that_is_there() {
    let catalog = Catalog::with("t", GB);
    let make = |if_not_exists| {
        let mut table = new_table("t", vec![column("a", "serial")], vec![primary_key(&["a"])]);
        table.if_not_exists = if_not_exists;
        Ddl::CreateTable(table)
    };
    one(make(true))
        .then(drop_one(ObjectKind::Table, "t"))
        .tells(&catalog, &["2 drop_table error public.t"]);
    one(make(true)).is_quiet(&catalog);
    one(make(true)).tells(
        &Catalog::with("u", 0),
        &["1 int_primary_key info public.t.a"],
    );
    one(make(false)).tells(&catalog, &["1 int_primary_key info public.t.a"]);
}
