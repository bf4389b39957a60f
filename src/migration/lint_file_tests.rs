use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{AlterCommand, DropObjects, Rows};
use crate::migration::lint::RelationKind;
use crate::migration::lint::samples::*;

const BEGIN: Ddl = Ddl::Transaction(Transaction::Begin);
const COMMIT: Ddl = Ddl::Transaction(Transaction::Commit);

fn concurrently() -> Ddl {
    let mut index = index("t", &["a"]).named("i");
    index.concurrently = true;
    Ddl::CreateIndex(index)
}

fn table(name: &str) -> Ddl {
    create_table(name, Vec::new(), Vec::new())
}

#[test]
fn a_wrapper_holds_no_concurrently() {
    let catalog = Catalog::with("t", 0);
    let build = |s: Script| s.outside("CREATE INDEX", Outside::Strips, concurrently());
    let found = build(one(BEGIN)).then(COMMIT).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.statement),
        (Rule::ConcurrentlyInWrapper, Severity::Error, Some(2))
    );
    assert_eq!(
        found.message,
        "CREATE INDEX CONCURRENTLY cannot run between BEGIN and COMMIT"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("the same file without BEGIN and COMMIT: CALL strata.migrate_deploy()")
    );
    build(Script::default()).is_quiet(&catalog);
    // behind the wrapper, or in another file
    let behind = build(one(BEGIN).then(Ddl::Nothing).then(COMMIT));
    behind.tells(&catalog, &["3 commit_inside warning -"]);
    build(one(BEGIN).then(Ddl::Nothing).file("2.sql")).is_quiet(&catalog);
    // VACUUM and so on just the same
    let vacuum = one(BEGIN).outside("VACUUM", Outside::Skips, Ddl::Nothing);
    let found = vacuum.finding(&catalog);
    assert_eq!(found.message, "VACUUM cannot run between BEGIN and COMMIT");
    let mut rolled_back = one(BEGIN).then(Ddl::Transaction(Transaction::Rollback));
    rolled_back = build(rolled_back);
    rolled_back.tells(&catalog, &["2 commit_inside error -"]);
    build(one(BEGIN).then(Ddl::Transaction(Transaction::Other)))
        .tells(&catalog, &["3 concurrently_in_wrapper error -"]);
}

#[test]
fn concurrently_needs_call_where_rows_are() {
    let build = |s: Script| s.outside("CREATE INDEX", Outside::Strips, concurrently());
    let found = build(Script::default()).finding(&Catalog::with("t", 1));
    assert_eq!(
        (found.rule, found.severity),
        (Rule::ConcurrentNeedsCall, Severity::Warning)
    );
    assert_eq!(
        found.message,
        "CREATE INDEX CONCURRENTLY cannot run in a transaction: migrate_up refuses this file"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("CALL strata.migrate_deploy()")
    );
    build(Script::default()).is_quiet(&Catalog::with("t", 0));
    build(one(table("t"))).is_quiet(&Catalog::with("u", 1));
    // pages without rows
    let mut empty = Catalog::with("t", 1);
    let none = crate::migration::lint::Size { rows: 0, ..size(1) };
    empty.relation_of("t", RelationKind::Table, none);
    build(Script::default()).is_quiet(&empty);
}

#[test]
fn each_statement_with_concurrently_names_its_table() {
    let mut catalog = Catalog::with("t", 1);
    catalog.index_of("t", "i", &["a"]);
    catalog.table("u", 0);
    catalog.index_of("u", "j", &["a"]);
    let drop = |index: &str| {
        Ddl::Drop(DropObjects {
            concurrently: true,
            ..drop_objects(&[object(ObjectKind::Index, index)])
        })
    };
    let reindex = |kind, name_: &str| Ddl::Reindex {
        relation: Some((kind, name(name_))),
        concurrently: true,
    };
    let detach = |parent: &str| {
        alter(
            parent,
            AlterCommand::DetachPartition {
                child: name("c"),
                concurrently: true,
            },
        )
    };
    for (rows, none) in [
        (drop("i"), drop("j")),
        (
            reindex(ObjectKind::Table, "t"),
            reindex(ObjectKind::Table, "u"),
        ),
        (
            reindex(ObjectKind::Index, "i"),
            reindex(ObjectKind::Index, "j"),
        ),
        (detach("t"), detach("u")),
    ] {
        let told = |ddl: Ddl| {
            let script = Script::default().outside("X", Outside::Strips, ddl);
            script.told(&catalog)
        };
        assert_eq!(
            told(rows.clone()),
            ["1 concurrent_needs_call warning -"],
            "{rows:?}"
        );
        assert!(told(none.clone()).is_empty(), "{none:?}");
    }
    let both = ["j", "i"].map(|i| object(ObjectKind::Index, i));
    let both = Script::default().outside("X", Outside::Strips, Ddl::Drop(drop_objects(&both)));
    let told = both.told(&catalog);
    assert!(
        told.contains(&"1 concurrent_needs_call warning -".to_owned()),
        "{told:?}"
    );
    let schema = Ddl::Reindex {
        relation: None,
        concurrently: true,
    };
    let all = Script::default().outside("REINDEX", Outside::Strips, schema);
    all.tells(&catalog, &["1 concurrent_needs_call warning -"]);
}

#[test]
fn some_statements_are_left_out_and_some_never_run() {
    let catalog = Catalog::with("t", 0);
    let run = |outside| Script::default().outside("ALTER SYSTEM", outside, Ddl::Nothing);
    run(Outside::No).is_quiet(&catalog);
    run(Outside::Skips).is_quiet(&catalog);
    let found = run(Outside::Never).finding(&catalog);
    assert_eq!(
        found.message,
        "ALTER SYSTEM cannot run in a transaction: migrate_up refuses this file"
    );
}

#[test]
fn a_commit_is_inside_when_anything_follows() {
    let catalog = Catalog::with("t", 0);
    one(BEGIN).then(table("x")).then(COMMIT).is_quiet(&catalog);
    one(BEGIN)
        .then(table("x"))
        .then(COMMIT)
        .then(BEGIN)
        .then(COMMIT)
        .is_quiet(&catalog);
    let script = one(BEGIN)
        .then(table("x"))
        .then(COMMIT)
        .then(BEGIN)
        .then(table("y"))
        .then(table("z"))
        .then(COMMIT);
    let found = script.finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.statement),
        (Rule::CommitInside, Severity::Warning, Some(3))
    );
    assert!(found.message.starts_with("statements follow this COMMIT: "));
    assert_eq!(
        found.suggestion.as_deref(),
        Some("a file of its own for what follows")
    );
    // each of them; and the next file is another
    one(COMMIT)
        .then(table("x"))
        .then(COMMIT)
        .then(table("y"))
        .then(COMMIT)
        .file("2.sql")
        .then(table("z"))
        .tells(
            &catalog,
            &[
                "1.sql 1 commit_inside warning -",
                "1.sql 3 commit_inside warning -",
            ],
        );
    let rollback = one(Ddl::Transaction(Transaction::Rollback)).finding(&catalog);
    assert_eq!(rollback.severity, Severity::Error);
}

#[test]
fn settings_that_last_are_told_once_a_file() {
    let catalog = Catalog::with("t", 0);
    let memory = || set("work_mem", Some(&["1MB"]));
    let found = one(memory()).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.object.as_deref()),
        (Rule::SetLeaks, Severity::Info, Some("work_mem"))
    );
    assert_eq!(
        found.message,
        "SET without LOCAL: \"work_mem\" would stay changed in a session of another tool; here it ends with the file"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("SET LOCAL work_mem = ...")
    );
    let timeout = || set("lock_timeout", Some(&["1s"]));
    let two = one(memory())
        .then(timeout())
        .then(memory())
        .finding(&catalog);
    assert!(
        two.message
            .contains("\"work_mem\" and 1 other setting would")
    );
    let three = one(memory())
        .then(timeout())
        .then(set("role", Some(&["x"])));
    let three = three.finding(&catalog);
    assert!(
        three
            .message
            .contains("\"work_mem\" and 2 other settings would")
    );
    one(memory()).file("2.sql").then(timeout()).tells(
        &catalog,
        &[
            "1.sql 1 set_leaks info work_mem",
            "2.sql 1 set_leaks info lock_timeout",
        ],
    );
}

#[test]
fn settings_that_are_put_back_do_not_leak() {
    let catalog = Catalog::with("t", 0);
    let memory = || set("work_mem", Some(&["1MB"]));
    let timeout = || set("lock_timeout", Some(&["1s"]));
    one(memory()).then(set("work_mem", None)).is_quiet(&catalog);
    one(memory())
        .then(timeout())
        .then(set("", None))
        .is_quiet(&catalog);
    one(memory())
        .then(timeout())
        .then(set("work_mem", None))
        .tells(&catalog, &["2 set_leaks info lock_timeout"]);
    one(set("work_mem", None))
        .then(memory())
        .tells(&catalog, &["2 set_leaks info work_mem"]);
    let local = |name: &str| {
        Ddl::Set(Set {
            name: name.into(),
            to: Some(vec!["s".into()]),
            local: true,
        })
    };
    one(local("work_mem"))
        .then(local("search_path"))
        .then(table("x"))
        .is_quiet(&catalog);
}

#[test]
fn names_without_a_schema_behind_a_search_path() {
    let mut catalog = Catalog::with("s.t", 0);
    catalog.schemas.insert("s".into(), size(0));
    let path = || set("search_path", Some(&["s", "public"]));
    let leaks = "1 set_leaks info search_path";
    let found = one(path())
        .then(table("x"))
        .then(table("y"))
        .findings(&catalog);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[1].rule, found[1].severity, found[1].statement),
        (Rule::UnqualifiedAfterSearchPath, Severity::Info, Some(2))
    );
    assert_eq!(found[1].object.as_deref(), Some("x"));
    assert_eq!(
        found[1].message,
        "\"x\" has no schema: the search_path that line 10 sets decides where it is"
    );
    assert_eq!(
        found[1].suggestion.as_deref(),
        Some("s.x; or, above the first statement: -- strata: search_path=s")
    );
    one(path()).then(table("s.x")).tells(&catalog, &[leaks]);
    one(path())
        .then(set("search_path", None))
        .then(table("x"))
        .is_quiet(&catalog);
    one(path())
        .then(set("", None))
        .then(table("x"))
        .is_quiet(&catalog);
    // one that is there: its own schema
    let found = one(path())
        .then(drop_one(ObjectKind::View, "t"))
        .findings(&catalog);
    assert!(
        found[1]
            .suggestion
            .as_deref()
            .unwrap()
            .starts_with("s.t; or")
    );
    // an empty path finds no schema
    let none = one(set("search_path", Some(&[])))
        .then(table("x"))
        .findings(&catalog);
    assert_eq!(none[1].suggestion.as_deref(), Some("public.x"));
    // each SET anew
    one(path())
        .then(table("x"))
        .then(path())
        .then(table("y"))
        .tells(
            &catalog,
            &[
                leaks,
                "2 unqualified_after_search_path info x",
                "4 unqualified_after_search_path info y",
            ],
        );
    one(path())
        .file("2.sql")
        .then(table("x"))
        .tells(&catalog, &["1.sql 1 set_leaks info search_path"]);
}

#[test]
fn temporary_tables_need_no_schema() {
    let catalog = Catalog::with("s.t", 0);
    let mut temporary = new_table("x", Vec::new(), Vec::new());
    temporary.temporary = true;
    one(set("search_path", Some(&["s"])))
        .then(Ddl::CreateTable(temporary))
        .then(Ddl::Rows(Rows::Insert(name("x"))))
        .tells(&catalog, &["1 set_leaks info search_path"]);
}

#[test]
fn a_search_path_says_which_table_is_meant() {
    let mut catalog = Catalog::with("t", 0);
    catalog.table("s.t", GB);
    let truncate = || drop_one(ObjectKind::Table, "t");
    one(truncate()).is_quiet(&catalog);
    let local = Ddl::Set(Set {
        name: "search_path".into(),
        to: Some(vec!["s".into()]),
        local: true,
    });
    one(local.clone())
        .then(truncate())
        .tells(&catalog, &["2 drop_table error s.t"]);
    // up to the end of the file, or RESET
    one(local.clone())
        .file("2.sql")
        .then(truncate())
        .is_quiet(&catalog);
    one(local)
        .then(set("search_path", None))
        .then(truncate())
        .is_quiet(&catalog);
    catalog
        .paths
        .insert("1.sql".into(), vec!["s".into(), "public".into()]);
    one(truncate()).tells(&catalog, &["1 drop_table error s.t"]);
}
