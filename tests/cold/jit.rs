//! JIT is for work of PostgreSQL: the price of requests, bytes and SQLite's work decides how to read, not whether to compile.

use crate::ahead::months;
use crate::support::{ColdDb, Db, exec, one, rows, s3};
use postgres::Client;

/// Where everything cold is read, at a price above what JIT takes.
const UNTIL: &str = "ts < '2025-09-01 00:00+00'";

/// A table of eight cold files, and what EXPLAIN (ANALYZE) says. None where the server has no JIT.
fn jit_session(db: &Db) -> Option<Client> {
    let mut session = db.session();
    exec(&mut session, "SET max_parallel_workers_per_gather = 0");
    if one(&mut session, "SELECT pg_jit_available()") == "f" {
        eprintln!("skipped: pg_jit_available() is false");
        return None;
    }
    Some(session)
}

fn analyzed(session: &mut Client, sql: &str) -> String {
    rows(
        session,
        &format!("EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) {sql}"),
    )
}

/// The cost in the first line of a plan.
fn cost(plan: &str) -> f64 {
    let from = plan.find("..").expect("a cost") + 2;
    let end = plan[from..].find(' ').expect("rows") + from;
    plan[from..end].parse().expect("a number")
}

#[test]
fn files_far_away_do_not_make_jit_worth_it() {
    let proxy = s3().proxy();
    let db = months("jit_far", &proxy);
    let Some(mut session) = jit_session(&db) else {
        return;
    };
    exec(&mut session, "SET jit = on; SET jit_above_cost = 10000");
    let device = format!("y WHERE dev = 77 AND {UNTIL}");
    let file = db.keys().remove(0);
    exec(
        &mut session,
        &format!(
            "CREATE FOREIGN TABLE f (id bigint, dev int, note text) SERVER archive OPTIONS (key '{file}', table 'y_raw')"
        ),
    );
    exec(
        &mut session,
        "SET enable_hashjoin = off; SET enable_mergejoin = off",
    );
    for sql in [
        format!("SELECT note FROM {device}"),
        format!("SELECT sum(length(note)) FROM {device}"),
        format!("SELECT count(*), sum(dev) FROM y WHERE id > 3 AND {UNTIL}"),
        format!("SELECT * FROM {device} ORDER BY note LIMIT 3"),
        format!("SELECT (SELECT max(note) FROM {device}), 1"),
        format!("WITH c AS MATERIALIZED (SELECT * FROM {device}) SELECT count(*) FROM c"),
        format!("SELECT max(note) FROM (VALUES (1), (2), (3)) v(d), y WHERE dev = v.d AND {UNTIL}"),
        format!("SELECT note FROM {device} UNION ALL SELECT note FROM f WHERE length(note) > 500"),
        "SELECT count(*) FROM (VALUES (1), (2), (3)) v(d), f WHERE dev = v.d".to_owned(),
    ] {
        exec(&mut session, "SET strata.cold_get_cost = 20000");
        let plan = analyzed(&mut session, &sql);
        assert!(cost(&plan) > 10_000.0, "{plan}");
        assert!(!plan.contains("JIT:"), "{sql}\n{plan}");
    }
    // and with workers, who do as the leader says
    exec(
        &mut session,
        "RESET enable_hashjoin; RESET enable_mergejoin; SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0",
    );
    let plan = analyzed(
        &mut session,
        &format!("SELECT sum(length(note)) FROM {device}"),
    );
    assert!(plan.contains("Gather") && cost(&plan) > 10_000.0, "{plan}");
    assert!(!plan.contains("JIT:"), "{plan}");
}

/// The rest of a plan decides as everywhere: by the settings of the user, at every step.
#[test]
fn work_of_postgres_makes_jit_worth_it_as_ever() {
    let proxy = s3().proxy();
    let db = months("jit_near", &proxy);
    let Some(mut session) = jit_session(&db) else {
        return;
    };
    let sql = format!("SELECT sum(length(note)) FROM y WHERE length(note) > 5 AND {UNTIL}");
    let mut with = |settings: &str| {
        exec(
            &mut session,
            "RESET ALL; SET max_parallel_workers_per_gather = 0",
        );
        exec(
            &mut session,
            &format!("SET strata.cold_get_cost = 2000000; {settings}"),
        );
        let plan = analyzed(&mut session, &sql);
        assert!(cost(&plan) > 1e7, "{plan}");
        plan
    };
    let limits = |above, optimize, inline| {
        format!(
            "SET jit = on; SET jit_above_cost = {above}; SET jit_optimize_above_cost = {optimize}; SET jit_inline_above_cost = {inline}"
        )
    };
    let none = with(&limits("100000", "100000", "100000"));
    assert!(!none.contains("JIT:"), "{none}");
    let plain = with(&limits("20", "100000", "100000"));
    let says = |plan: &str, what: &str| assert!(plan.contains(what), "{what}: {plan}");
    says(&plain, "JIT:");
    says(
        &plain,
        "Inlining false, Optimization false, Expressions true",
    );
    says(
        &with(&limits("20", "20", "100000")),
        "Inlining false, Optimization true",
    );
    says(
        &with(&limits("20", "100000", "20")),
        "Inlining true, Optimization false",
    );
    says(
        &with(&limits("20", "-1", "-1")),
        "Inlining false, Optimization false",
    );
    // dear operators are work of PostgreSQL
    says(
        &with(&format!(
            "{}; SET cpu_operator_cost = 50",
            limits("100000", "-1", "-1")
        )),
        "JIT:",
    );
    for off in [
        limits("20", "20", "20") + "; SET jit = off",
        limits("-1", "-1", "-1"),
    ] {
        let plan = with(&off);
        assert!(!plan.contains("JIT:"), "{off}: {plan}");
    }
}

/// The library may be loaded by the statement that is planned.
#[test]
fn the_first_statement_of_a_session_is_judged_in_the_same_way() {
    let proxy = s3().proxy();
    let db = months("jit_first", &proxy);
    if jit_session(&db).is_none() {
        return;
    }
    let mut session = db.session();
    exec(
        &mut session,
        "SET jit = on; SET jit_above_cost = 1000; SET max_parallel_workers_per_gather = 0",
    );
    let sql = format!("SELECT note FROM y WHERE dev = 77 AND {UNTIL}");
    for _ in 0..2 {
        let plan = analyzed(&mut session, &sql);
        assert!(plan.contains("ColdScan") && cost(&plan) > 1000.0, "{plan}");
        assert!(!plan.contains("JIT:"), "{plan}");
    }
}
