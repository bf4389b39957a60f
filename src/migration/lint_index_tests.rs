use super::*;
use crate::migration::ddl::Ddl;
use crate::migration::ddl::samples::*;
use crate::migration::lint::Outside;
use crate::migration::lint::samples::*;

fn build(change: fn(&mut CreateIndex)) -> Ddl {
    let mut index = index("t", &["a"]).named("i");
    change(&mut index);
    Ddl::CreateIndex(index)
}

fn drop_index(change: fn(&mut DropObjects)) -> Ddl {
    let mut drop = drop_objects(&[object(ObjectKind::Index, "i")]);
    change(&mut drop);
    Ddl::Drop(drop)
}

fn with_index(pages: u64) -> Catalog {
    let mut catalog = Catalog::with("t", pages);
    catalog.index_of("t", "i", &["a"]);
    catalog
}

fn partitioned() -> Catalog {
    let mut catalog = with_index(LARGE);
    catalog.relation_of("t", RelationKind::Partitioned, size(LARGE));
    catalog
}

#[test]
fn building_an_index_stops_writers() {
    by_size(&build(|_| {}), "- - info warning warning error");
    by_size(&build(|i| i.concurrently = true), "- - - - - -");
    // the rest of it is looked at in lint_tests
    let unnamed = build(|i| i.name = None);
    let found = sql("create index on t (a)", unnamed).finding(&Catalog::with("t", LARGE));
    assert_eq!(found.rule, Rule::IndexBlocksWrites);
    assert_eq!(
        found.message,
        "nobody writes to \"public.t\" while index is being built"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("create index CONCURRENTLY on t (a); -- run by CALL strata.migrate_deploy()")
    );
}

#[test]
fn partitions_get_their_indexes_one_by_one() {
    let catalog = partitioned();
    let found = sql(
        "CREATE INDEX j ON t (a)",
        build(|i| i.name = Some("j".into())),
    );
    assert_eq!(
        found.findings(&catalog)[0].suggestion.as_deref(),
        Some(
            "CREATE INDEX j ON ONLY t (a); CREATE INDEX CONCURRENTLY ... ON each partition; \
             ALTER INDEX j ATTACH PARTITION each of them"
        )
    );
    let only = build(|i| {
        i.only = true;
        i.method = "gin".into();
    });
    one(only.clone()).is_quiet(&catalog);
    let mut plain = partitioned();
    plain.relation_of("t", RelationKind::Table, size(LARGE));
    one(only).tells(&plain, &["1 index_blocks_writes info public.t"]);
}

#[test]
fn an_index_that_is_there_is_not_built() {
    let catalog = with_index(GB);
    let again = build(|i| i.if_not_exists = true);
    one(again.clone()).is_quiet(&catalog);
    one(drop_index(|d| d.concurrently = true))
        .then(again)
        .tells(&catalog, &["2 index_blocks_writes error public.t"]);
    let other = build(|i| {
        i.if_not_exists = true;
        i.name = Some("j".into());
        i.method = "gin".into();
    });
    one(other).tells(&catalog, &["1 index_blocks_writes error public.t"]);
}

#[test]
fn dropping_an_index_needs_the_table_for_a_moment() {
    let told = |pages| one(drop_index(|_| {})).told(&with_index(pages));
    assert!(told(SMALL).is_empty());
    assert_eq!(told(LARGE), ["1 drop_index_blocks info public.i"]);
    assert_eq!(told(GB), ["1 drop_index_blocks warning public.i"]);
    let found = one(drop_index(|_| {})).finding(&with_index(LARGE));
    assert_eq!(found.est_rows, Some(1_290));
    assert_eq!(
        found.message,
        "dropping index \"public.i\" waits for all who use \"public.t\", and all others wait behind it"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("DROP INDEX CONCURRENTLY i; -- run by CALL strata.migrate_deploy()")
    );
    let suggestion = |ddl| one(ddl).finding(&with_index(LARGE)).suggestion;
    assert_eq!(
        suggestion(drop_index(|d| d.if_exists = true)).as_deref(),
        Some("DROP INDEX CONCURRENTLY IF EXISTS i; -- run by CALL strata.migrate_deploy()")
    );
    assert_eq!(suggestion(drop_index(|d| d.cascade = true)), None);
    assert_eq!(
        one(drop_index(|_| {})).finding(&partitioned()).suggestion,
        None
    );
    one(drop_index(|d| d.concurrently = true)).is_quiet(&with_index(GB));
}

#[test]
fn an_index_belongs_to_its_table() {
    let catalog = with_index(GB);
    // of a new table, of none, and of one that has gone
    one(create_table("x", Vec::new(), Vec::new()))
        .then(Ddl::CreateIndex(index("x", &["a"]).named("k")))
        .then(drop_one(ObjectKind::Index, "k"))
        .is_quiet(&catalog);
    one(drop_one(ObjectKind::Index, "k")).is_quiet(&catalog);
    one(drop_index(|d| d.concurrently = true))
        .then(drop_index(|_| {}))
        .is_quiet(&catalog);
    one(drop_one(ObjectKind::Table, "t"))
        .then(drop_index(|_| {}))
        .tells(&catalog, &["1 drop_table error public.t"]);
    // by another name of its own, or of its table
    one(rename(object(ObjectKind::Index, "i"), "j"))
        .then(drop_index(|_| {}))
        .then(drop_one(ObjectKind::Index, "j"))
        .tells(&catalog, &["3 drop_index_blocks warning public.j"]);
    one(rename(object(ObjectKind::Table, "t"), "u"))
        .then(drop_index(|_| {}))
        .tells(
            &catalog,
            &[
                "1 rename_breaks_clients warning public.t",
                "2 drop_index_blocks warning public.i",
            ],
        );
    let two = [
        object(ObjectKind::Index, "i"),
        object(ObjectKind::Index, "public.i"),
    ];
    one(Ddl::Drop(drop_objects(&two))).tells(&catalog, &["1 drop_index_blocks warning public.i"]);
}

#[test]
fn building_indexes_anew() {
    let again = |kind, what: &str, concurrently| Ddl::Reindex {
        relation: Some((kind, name(what))),
        concurrently,
    };
    by_size(
        &again(ObjectKind::Table, "t", false),
        "- - info warning warning error",
    );
    by_size(&again(ObjectKind::Table, "t", true), "- - - - - -");
    let catalog = with_index(LARGE);
    let found = sql("REINDEX INDEX i", again(ObjectKind::Index, "i", false)).finding(&catalog);
    assert_eq!(
        (found.rule, found.object.as_deref(), found.est_rows),
        (Rule::ReindexBlocks, Some("public.i"), Some(1_290))
    );
    assert_eq!(
        found.message,
        "nobody writes to \"public.t\", and few can read, while index \"public.i\" is built anew"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("REINDEX INDEX CONCURRENTLY i; -- run by CALL strata.migrate_deploy()")
    );
    let found = sql(
        "REINDEX (VERBOSE) TABLE t",
        again(ObjectKind::Table, "t", false),
    );
    let found = found.finding(&catalog);
    assert_eq!(
        found.message,
        "nobody writes to \"public.t\", and few can read, while each index of \"public.t\" is built anew"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some("REINDEX (VERBOSE) TABLE CONCURRENTLY t; -- run by CALL strata.migrate_deploy()")
    );
    one(again(ObjectKind::Index, "none", false)).is_quiet(&catalog);
    let all = Ddl::Reindex {
        relation: None,
        concurrently: false,
    };
    let script = Script::default().all("REINDEX SCHEMA s", "REINDEX", Outside::No, all);
    let found = script.finding(&catalog);
    assert_eq!((found.severity, found.object), (Severity::Warning, None));
    assert_eq!(
        found.suggestion.as_deref(),
        Some("REINDEX SCHEMA CONCURRENTLY s; -- run by CALL strata.migrate_deploy()")
    );
}

#[test]
fn two_indexes_of_the_same_columns() {
    let catalog = with_index(SMALL);
    let second = |change: fn(&mut CreateIndex)| {
        let mut index = index("t", &["a"]).named("j");
        change(&mut index);
        Ddl::CreateIndex(index)
    };
    let found = one(second(|_| {})).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.object.as_deref()),
        (Rule::DuplicateIndex, Severity::Info, Some("public.j"))
    );
    assert_eq!(
        found.message,
        "index \"j\" of \"public.t\" holds what \"i\" holds"
    );
    assert_eq!(found.suggestion.as_deref(), Some("DROP INDEX public.j"));
    assert_eq!(found.est_rows, Some(1_280));
    let concurrently = second(|i| i.concurrently = true);
    one(concurrently).tells(&with_index(LARGE), &["1 duplicate_index warning public.j"]);
    for other in [
        second(|i| i.partial = true),
        second(|i| i.method = "gin".into()),
        second(|i| i.keys[0].plain = false),
        second(|i| i.keys[0].column = None),
        second(|i| i.keys[0].column = Some("b".into())),
        second(|i| i.keys.push(i.keys[0].clone())),
    ] {
        one(other.clone()).is_quiet(&catalog);
    }
    let mut wide = with_index(SMALL);
    wide.index_of("t", "k", &["a", "b"]);
    let half = second(|i| {
        i.keys.push(i.keys[0].clone());
        i.keys[1].column = Some("b".into());
        i.keys[1].plain = false;
    });
    one(half).is_quiet(&wide);
    // no key without its index
    let using = |name: &str| add("t", primary_key_using("none").named(name));
    one(using("k")).then(using("l")).is_quiet(&catalog);
    // only what the run has made is told, if both are still there
    one(drop_one(ObjectKind::Index, "i"))
        .then(second(|_| {}))
        .is_quiet(&catalog);
    one(second(|_| {}))
        .then(drop_one(ObjectKind::Index, "i"))
        .is_quiet(&catalog);
    let mut two = with_index(SMALL);
    two.index_of("t", "j", &["a"]);
    one(Ddl::CreateIndex(index("t", &["b"]))).is_quiet(&two);
}

#[test]
fn the_index_that_says_less_is_the_spare_one() {
    let catalog = with_index(SMALL);
    let unique_index = || {
        let mut index = index("t", &["a"]).named("j");
        index.unique = true;
        Ddl::CreateIndex(index)
    };
    let found = one(unique_index()).finding(&catalog);
    assert_eq!(
        found.message,
        "index \"i\" of \"public.t\" holds what \"j\" holds"
    );
    assert_eq!(found.suggestion.as_deref(), Some("DROP INDEX public.i"));
    let found = one(add("t", unique(&["a"]))).finding(&catalog);
    assert_eq!(
        found.message,
        "index \"i\" of \"public.t\" holds what \"t_a_key\" holds"
    );
    // two constraints
    let table = create_table(
        "x",
        vec![column("a", "text")],
        vec![primary_key(&["a"]), unique(&["a"])],
    );
    let found = one(table).finding(&catalog);
    assert_eq!(
        found.message,
        "index \"x_a_key\" of \"public.x\" holds what \"x_pkey\" holds"
    );
    assert_eq!((found.suggestion, found.est_rows), (None, None));
    // the index of a constraint is named after it
    one(unique_index())
        .then(add("t", primary_key_using("j").named("k")))
        .tells(
            &catalog,
            &[
                "1 duplicate_index info public.i",
                "2 int_primary_key info public.t.a",
            ],
        );
}
