use super::samples::*;
use super::*;

#[test]
fn what_changes_nothing_is_known() {
    let idle = [
        set("work_mem", Some(&["1MB"])),
        Ddl::Transaction(Transaction::Begin),
        Ddl::Nothing,
        Ddl::Select { calls: Vec::new() },
        Ddl::Rows(Rows::CopyTo { server: false }),
        Ddl::Rewrite { tables: Vec::new() },
        Ddl::Reindex {
            relation: None,
            concurrently: false,
        },
    ];
    for ddl in idle {
        assert!(!ddl.changes(), "{ddl:?}");
    }
    let busy = [
        create_table("t", Vec::new(), Vec::new()),
        Ddl::Select {
            calls: names(&["f"]),
        },
        Ddl::Rows(Rows::Insert(name("t"))),
        Ddl::Run(Run::Do),
        Ddl::Refresh(name("v")),
        Ddl::Other,
    ];
    for ddl in busy {
        assert!(ddl.changes(), "{ddl:?}");
    }
}

#[track_caller]
fn names_of(ddl: &Ddl, expected: &[&str]) {
    let found: Vec<String> = ddl.names().iter().map(|n| n.plain()).collect();
    assert_eq!(found, expected, "{ddl:?}");
}

#[test]
fn the_names_of_a_statement() {
    let child = column("a", "text").with(foreign_key(&["a"], "p"));
    let both = vec![child.clone()];
    names_of(
        &create_table("t", both.clone(), vec![foreign_key(&["a"], "s.q")]),
        &["p", "t", "s.q"],
    );
    let mut temporary = new_table("t", both, Vec::new());
    temporary.temporary = true;
    names_of(&Ddl::CreateTable(temporary), &["p"]);
    names_of(&Ddl::CreateIndex(index("t", &["a"])), &["t"]);
    names_of(&create(ObjectKind::View, "v"), &["v"]);
    names_of(&create(ObjectKind::Schema, "s"), &[]);
    let mut view = new(object(ObjectKind::View, "v"));
    view.temporary = true;
    names_of(&Ddl::Create(view), &[]);
    names_of(&add_column("t", child), &["p", "t"]);
    names_of(&add("t", foreign_key(&["a"], "t")), &["t"]);
    let partition = AlterCommand::DetachPartition {
        child: name("c"),
        concurrently: false,
    };
    names_of(&alter("t", partition), &["c", "t"]);
    names_of(
        &alter("t", AlterCommand::AttachPartition(name("c"))),
        &["c", "t"],
    );
    names_of(&alter("t", AlterCommand::Inherit(name("c"))), &["c", "t"]);
    names_of(&alter("t", AlterCommand::NoInherit(name("c"))), &["c", "t"]);
    names_of(&drop_one(ObjectKind::Table, "t"), &["t"]);
    names_of(&rename(part(ObjectKind::Column, "c", "t"), "d"), &["t"]);
    names_of(&Ddl::Comment(part(ObjectKind::Trigger, "x", "t")), &["t"]);
    names_of(&Ddl::Refresh(name("v")), &["v"]);
    names_of(
        &Ddl::AddLabel {
            type_: name("e"),
            label: "x".into(),
            if_not_exists: false,
        },
        &["e"],
    );
    names_of(
        &Ddl::Reindex {
            relation: Some((ObjectKind::Table, name("t"))),
            concurrently: true,
        },
        &["t"],
    );
    names_of(
        &Ddl::Rewrite {
            tables: names(&["b", "a", "b"]),
        },
        &["a", "b"],
    );
    names_of(&Ddl::Nothing, &[]);
    let grant = Grant {
        revoke: false,
        privileges: Vec::new(),
        on: Targets::Objects(vec![
            object(ObjectKind::Table, "t"),
            object(ObjectKind::Schema, "s"),
        ]),
        roles: vec![Role::Public],
        grant_option: false,
    };
    names_of(&Ddl::Grant(grant), &["t"]);
}

#[test]
fn the_tables_of_row_changes() {
    let table = name("t");
    let filtered = false;
    for rows in [
        Rows::Insert(table.clone()),
        Rows::Merge(table.clone()),
        Rows::Update {
            table: table.clone(),
            filtered,
        },
        Rows::Delete {
            table: table.clone(),
            filtered,
        },
        Rows::CopyFrom {
            table: table.clone(),
            server: false,
        },
        Rows::Truncate {
            tables: vec![table.clone()],
            cascade: false,
        },
    ] {
        names_of(&Ddl::Rows(rows), &["t"]);
    }
    names_of(&Ddl::Rows(Rows::CopyTo { server: true }), &[]);
}

#[test]
fn what_create_schema_holds_is_in_it() {
    for (mut ddl, expected) in [
        (create_table("t", Vec::new(), Vec::new()), &["s.t"][..]),
        (create(ObjectKind::View, "v"), &["s.v"]),
        (create(ObjectKind::View, "o.v"), &["o.v"]),
        (Ddl::CreateIndex(index("t", &["a"])), &["s.t"]),
        (
            Ddl::Create(new(part(ObjectKind::Trigger, "g", "t"))),
            &["s.t"],
        ),
        (Ddl::Nothing, &[]),
    ] {
        ddl.put_schema("s");
        names_of(&ddl, expected);
    }
}
