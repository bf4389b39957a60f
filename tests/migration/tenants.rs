//! The same files for many schemas.

use crate::support::{database, exec, fails, one, register, rows, run};

fn schemas(s: &mut postgres::Client) {
    exec(s, "CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA \"C c\"");
    register(
        s,
        &[
            (
                "1_t.up.sql",
                "CREATE TABLE t (x int); INSERT INTO t VALUES (1)",
            ),
            ("2_u.up.sql", "CREATE UNIQUE INDEX u ON t (x)"),
            ("2_u.down.sql", "DROP INDEX u"),
            ("1_t.down.sql", "DROP TABLE t"),
        ],
    );
}

#[test]
fn each_schema_has_a_state_of_its_own() {
    let db = database("tenants");
    let mut s = db.session();
    schemas(&mut s);
    let each = "SELECT tenant, applied, head, outcome, error FROM strata.migrate_up_each(ARRAY['a', 'b', 'C c']::name[], target => '1')";
    assert_eq!(
        rows(&mut s, each),
        "a|1|1|applied|\nb|1|1|applied|\nC c|1|1|applied|"
    );
    assert_eq!(
        rows(&mut s, each),
        "a|0|1|unchanged|\nb|0|1|unchanged|\nC c|0|1|unchanged|"
    );
    let tables =
        "SELECT count(*) FROM pg_tables WHERE tablename = 't' AND schemaname IN ('a', 'b', 'C c')";
    assert_eq!(one(&mut s, tables), "3");
    assert_eq!(one(&mut s, "SELECT strata.migrate_version() IS NULL"), "t");
    assert_eq!(
        one(&mut s, "SELECT strata.migrate_version(tenant => 'b')"),
        "1"
    );
    exec(&mut s, "INSERT INTO b.t VALUES (1)");
    // one that fails stops all of it, or itself
    let up = "SELECT tenant, applied, head, outcome, error IS NULL FROM strata.migrate_up_each('{a,b,C c}', on_error => '%')";
    let error = fails(&mut s, &up.replace('%', "stop"), "23505", &[]);
    assert!(
        error.where_().is_some_and(|w| w.contains("2_u.up.sql")),
        "{error:?}"
    );
    assert_eq!(
        one(&mut s, "SELECT strata.migrate_version(tenant => 'a')"),
        "1"
    );
    assert_eq!(
        rows(&mut s, &up.replace('%', "continue")),
        "a|1|2|applied|t\nb|0|1|failed|f\nC c|1|2|applied|t"
    );
    assert_eq!(run(&mut s, "migrate_down(tenant => 'a')"), "2 reverted");
    assert_eq!(
        one(&mut s, "SELECT strata.migrate_version(tenant => 'C c')"),
        "2"
    );
    exec(
        &mut s,
        "DELETE FROM b.t WHERE ctid = (SELECT min(ctid) FROM b.t)",
    );
    assert_eq!(
        rows(&mut s, &up.replace('%', "stop")),
        "a|1|2|applied|t\nb|1|2|applied|t\nC c|0|2|unchanged|t"
    );
    for (list, code) in [
        ("ARRAY['a', NULL]::name[]", "22004"),
        ("'{a,a}'", "22023"),
        ("'{a,nowhere}'", "42704"),
        ("NULL", "22004"),
    ] {
        fails(
            &mut s,
            &format!("SELECT strata.migrate_up_each({list})"),
            code,
            &[],
        );
    }
}

#[test]
fn a_deploy_of_many_schemas_goes_on_after_one_that_fails_and_says_so() {
    let db = database("tenants_deploy");
    let mut s = db.session();
    schemas(&mut s);
    exec(&mut s, "CREATE TABLE b.t (own int)");
    let call = "CALL strata.migrate_deploy_each('{a,b,nowhere,C c}')";
    let error = fails(&mut s, call, "42P07", &["\"t\" already exists"]);
    let detail = error.detail().unwrap_or_default();
    assert!(
        detail.contains("2 of 4 schemas failed: b, nowhere."),
        "{error:?}"
    );
    let heads = "SELECT string_agg(coalesce(strata.migrate_version(tenant => t), '-'), ' ' ORDER BY t) FROM unnest('{a,b,C c}'::name[]) t";
    assert_eq!(one(&mut s, heads), "2 2 -");
    let failed = "SELECT count(*), count(DISTINCT run) FROM strata.migrate_history(tenant => 'b') WHERE event = 'fail'";
    assert_eq!(rows(&mut s, failed), "1|1");
    exec(&mut s, "DROP TABLE b.t");
    fails(
        &mut s,
        "CALL strata.migrate_deploy_each('{nowhere,b}', on_error => 'stop')",
        "42704",
        &["nowhere"],
    );
    exec(&mut s, "CALL strata.migrate_deploy_each('{a,b,C c}')");
    assert_eq!(one(&mut s, heads), "2 2 2");
    exec(&mut s, "BEGIN");
    fails(
        &mut s,
        "CALL strata.migrate_deploy_each('{a}')",
        "25001",
        &["migrate_deploy_each"],
    );
}

#[test]
fn a_tenant_that_does_not_exist_migrates_nothing() {
    let db = database("tenant_typo");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("1_a.up.sql", "CREATE TABLE a ()"),
            ("1_a.down.sql", "DROP TABLE a"),
        ],
    );
    for call in [
        "SELECT strata.migrate_up(tenant => 'typo')",
        "SELECT strata.migrate_goto('1', tenant => 'typo')",
        "SELECT strata.migrate_redo(tenant => 'typo')",
        "SELECT strata.migrate_down(tenant => 'typo')",
        "CALL strata.migrate_deploy(tenant => 'typo')",
        "CALL strata.migrate_revert(tenant => 'typo')",
    ] {
        let error = fails(&mut s, call, "42704", &["schema \"typo\" does not exist"]);
        assert_eq!(error.hint(), Some("CREATE SCHEMA typo"), "{call}");
    }
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM pg_class WHERE relname = 'a'"),
        "0"
    );
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM strata.migrate_applied"),
        "0"
    );
}
