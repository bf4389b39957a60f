use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{AlterCommand, Ddl, Transaction};
use crate::migration::lint::ConstraintFacts;
use crate::migration::lint::samples::*;

fn indexed(pages: u64) -> Catalog {
    let mut catalog = Catalog::with("t", pages);
    catalog.index_of("t", "i", &["a", "b"]);
    catalog
}

#[test]
fn foreign_keys_read_all_rows() {
    let script = |fk: Constraint| one(add("t", fk));
    let told = |pages| script(foreign_key(&["a"], "p")).told(&indexed(pages));
    assert!(told(0).is_empty() && told(SMALL).is_empty());
    for (pages, severity) in [(LARGE, "info"), (MB_10, "warning"), (GB, "error")] {
        assert_eq!(told(pages), [format!("1 fk_scan {severity} public.t")]);
    }
    let found = sql(
        "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p",
        add("t", foreign_key(&["a"], "p")),
    );
    let found = found.finding(&indexed(LARGE));
    assert_eq!(
        found.message,
        "all rows of \"public.t\" are checked for \"t_a_fkey\", and nobody writes to it meanwhile"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p NOT VALID; \
             in the next file ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey"
        )
    );
    script(foreign_key(&["a"], "p").not_valid()).is_quiet(&indexed(GB));
    assert_eq!(
        script(foreign_key(&["a"], "p"))
            .finding(&indexed(GB))
            .suggestion,
        None
    );
}

#[test]
fn checks_read_all_rows() {
    by_size(
        &add("t", check(&["a"], &[])),
        "- - warning warning error error",
    );
    by_size(&add("t", check(&["a"], &[]).not_valid()), "- - - - - -");
    let text = "ALTER TABLE t ADD CONSTRAINT \"K\" CHECK (a > 0)";
    let found = sql(text, add("t", check(&["a"], &[]).named("K"))).finding(&indexed(LARGE));
    assert_eq!(found.rule, Rule::CheckScan);
    assert_eq!(
        found.message,
        "all rows of \"public.t\" are checked for \"K\", and nobody reads or writes it meanwhile"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD CONSTRAINT \"K\" CHECK (a > 0) NOT VALID; \
             in the next file ALTER TABLE t VALIDATE CONSTRAINT \"K\""
        )
    );
}

#[test]
fn not_null_as_a_constraint() {
    let not_null = |columns: &[&str]| constraint(ConstraintKind::NotNull, columns);
    by_size(
        &add("t", not_null(&["a"])),
        "- - warning warning error error",
    );
    by_size(&add("t", not_null(&["a"]).not_valid()), "- - - - - -");
    let mut catalog = Catalog::with("t", LARGE);
    catalog.column_of("t", "a", true, false);
    one(add("t", not_null(&["a"]))).is_quiet(&catalog);
    one(add("t", not_null(&["b"]))).tells(&catalog, &["1 not_null_scan warning public.t"]);
}

#[test]
fn keys_build_an_index() {
    by_size(&add("t", unique(&["a"])), "- - warning warning error error");
    let catalog = Catalog::with("t", LARGE);
    let text = "ALTER TABLE t ADD UNIQUE (a, \"Order\")";
    let found = sql(text, add("t", unique(&["a", "Order"]))).finding(&catalog);
    assert_eq!(found.rule, Rule::UniqueBuildsIndex);
    assert_eq!(
        found.message,
        "the index of \"t_a_Order_key\" is built while nobody reads or writes \"public.t\""
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "CREATE UNIQUE INDEX CONCURRENTLY \"t_a_Order_key\" ON t (a, \"Order\"); \
             ALTER TABLE t ADD CONSTRAINT \"t_a_Order_key\" UNIQUE USING INDEX \"t_a_Order_key\"; \
             -- run by CALL strata.migrate_deploy()"
        )
    );
    let include = vec!["c".to_owned()];
    let key = ConstraintKind::PrimaryKey {
        using_index: None,
        include,
    };
    let key = || add("t", constraint(key.clone(), &["a", "b"]).named("k"));
    let text = "ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY (a, b) INCLUDE (c) WITH (fillfactor = 70) INITIALLY DEFERRED";
    let found = sql(text, key()).finding(&catalog);
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "CREATE UNIQUE INDEX CONCURRENTLY k ON t (a, b) INCLUDE (c) WITH (fillfactor = 70); \
             ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY USING INDEX k INITIALLY DEFERRED; \
             -- run by CALL strata.migrate_deploy()"
        )
    );
    // what it says beyond its columns is not known
    assert_eq!(one(key()).finding(&catalog).suggestion, None);
    let exclude = ConstraintKind::Exclude {
        include: Vec::new(),
    };
    let found = one(add("t", constraint(exclude, &["a"]))).finding(&catalog);
    assert_eq!(
        found.message,
        "the index of \"t_a_excl\" is built while nobody reads or writes \"public.t\""
    );
    assert_eq!(found.suggestion, None);
}

#[test]
fn partitioned_tables_have_no_other_way() {
    let mut catalog = indexed(LARGE);
    catalog.relation_of("t", RelationKind::Partitioned, size(LARGE));
    let text = "ALTER TABLE t ADD ...";
    let suggestion = |constraint: Constraint, catalog: &Catalog| {
        let found = sql(text, add("t", constraint)).findings(catalog);
        found[0].suggestion.clone()
    };
    assert_eq!(suggestion(unique(&["c"]), &catalog), None);
    assert_eq!(suggestion(foreign_key(&["a"], "p"), &catalog), None);
    assert!(suggestion(check(&["a"], &[]), &catalog).is_some());
    let other = suggestion(foreign_key(&["c"], "p").not_valid(), &catalog);
    assert_eq!(other.as_deref(), Some("CREATE INDEX ON public.t (c)"));
    catalog.major = 18;
    assert!(suggestion(foreign_key(&["a"], "p"), &catalog).is_some());
}

#[test]
fn keys_of_an_index_that_is_there() {
    let mut catalog = indexed(LARGE);
    let kind = ConstraintKind::Unique {
        using_index: Some("i".into()),
        include: Vec::new(),
    };
    one(add("t", constraint(kind, &[]))).is_quiet(&catalog);
    let key = || add("t", primary_key_using("i"));
    let found = one(key()).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.object.as_deref()),
        (Rule::NotNullScan, Severity::Warning, Some("public.t.a"))
    );
    assert_eq!(
        found.message,
        "all rows of \"public.t\" are read, locked against all others: \"public.t.a\" is not NOT NULL"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD CONSTRAINT t_a_check CHECK (a IS NOT NULL) NOT VALID; \
             in the next file ALTER TABLE t VALIDATE CONSTRAINT t_a_check; and then the primary key"
        )
    );
    catalog.column_of("t", "a", true, false);
    one(key()).tells(&catalog, &["1 not_null_scan warning public.t.b"]);
    catalog.column_of("t", "b", false, true);
    one(key()).is_quiet(&catalog);
    one(key()).is_quiet(&Catalog::with("t", LARGE));
}

#[test]
fn validating_at_once_gains_nothing() {
    let catalog = indexed(GB);
    let fk = || add("t", foreign_key(&["a"], "p").not_valid());
    let k = || add("t", check(&["a"], &[]).named("k").not_valid());
    let valid = |name: &str| alter("t", AlterCommand::ValidateConstraint(name.into()));
    let found = one(fk()).then(valid("t_a_fkey")).finding(&catalog);
    assert_eq!(
        (found.rule, found.severity, found.statement, found.est_rows),
        (Rule::FkScan, Severity::Info, Some(2), Some(1_310_720))
    );
    assert_eq!(
        found.message,
        "\"t_a_fkey\" is validated in the transaction that adds it: its lock on \"public.t\" is held meanwhile"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t VALIDATE CONSTRAINT t_a_fkey in the next file; CALL strata.migrate_deploy()"
        )
    );
    one(k())
        .then(valid("k"))
        .tells(&catalog, &["2 check_scan info public.t"]);
    let null = constraint(ConstraintKind::NotNull, &["a"]).named("k");
    one(add("t", null.not_valid()))
        .then(valid("k"))
        .tells(&catalog, &["2 check_scan info public.t"]);
    // in the next file, behind a COMMIT, twice, or on a small table
    one(k()).file("2.sql").then(valid("k")).is_quiet(&catalog);
    one(k())
        .then(Ddl::Transaction(Transaction::Commit))
        .then(valid("k"))
        .tells(&catalog, &["2 commit_inside warning -"]);
    one(k())
        .then(valid("k"))
        .then(valid("k"))
        .tells(&catalog, &["2 check_scan info public.t"]);
    one(k()).then(valid("k")).is_quiet(&indexed(SMALL));
    one(add("t", check(&["a"], &[]).named("k")))
        .then(valid("k"))
        .is_quiet(&indexed(SMALL));
}

#[test]
fn a_constraint_that_is_there_locks_out_nobody() {
    let mut catalog = indexed(GB);
    let valid = || alter("t", AlterCommand::ValidateConstraint("k".into()));
    one(valid()).is_quiet(&catalog);
    for was_valid in [false, true] {
        let facts = ConstraintFacts {
            valid: was_valid,
            not_null: Vec::new(),
        };
        catalog.constraints.insert((stored("t"), "k".into()), facts);
        one(valid()).then(valid()).is_quiet(&catalog);
    }
    // renamed on the way
    one(add("t", check(&["a"], &[]).named("o").not_valid()))
        .then(rename(
            part(crate::migration::ddl::ObjectKind::Constraint, "o", "t"),
            "n",
        ))
        .then(alter("t", AlterCommand::ValidateConstraint("n".into())))
        .tells(&catalog, &["3 check_scan info public.t"]);
}
