//! Many jobs in one call.

use crate::support::{exec, one, plain, preloaded, rows, with_queue};

#[test]
fn many_jobs_are_pushed_in_order() {
    for (server, name) in [(preloaded(), "many"), (plain(), "many")] {
        let db = with_queue(server, name);
        let mut s = db.session();
        let ids = one(
            &mut s,
            r#"SELECT strata.queue_push_many('q', ARRAY['1', NULL, '{"a": [2]}']::jsonb[], priority => 5, kind => 'k', max_attempts => 2)"#,
        );
        assert_eq!(ids, "{1,2,3}");
        assert_eq!(
            rows(
                &mut s,
                "SELECT id, payload, priority, kind, attempt FROM strata.queue_pop('q', n => 5)"
            ),
            "1|1|5|k|1\n2||5|k|1\n3|{\"a\": [2]}|5|k|1"
        );
        assert_eq!(
            one(&mut s, "SELECT strata.queue_push_many('q', '{}')"),
            "{}"
        );
        exec(&mut s, "BEGIN");
        exec(
            &mut s,
            "SELECT strata.queue_push_many('q', ARRAY['1']::jsonb[])",
        );
        exec(&mut s, "ROLLBACK");
        assert_eq!(rows(&mut s, "SELECT id FROM strata.queue_pop('q')"), "");
    }
}

#[test]
fn a_large_batch_is_delivered_whole_and_once() {
    let db = with_queue(preloaded(), "batch");
    let mut s = db.session();
    let sql = "SELECT cardinality(strata.queue_push_many('q', array_agg(to_jsonb(repeat('x', 1 + g % 300)))))
               FROM generate_series(1, 5000) g";
    assert_eq!(one(&mut s, sql), "5000");
    let sql = "SELECT count(DISTINCT id), sum(length(payload #>> '{}')) FROM strata.queue_pop('q', n => 6000)";
    let expected = "SELECT 5000, sum(1 + g % 300) FROM generate_series(1, 5000) g";
    assert_eq!(rows(&mut s, sql), rows(&mut s, expected));
    assert_eq!(rows(&mut s, "SELECT id FROM strata.queue_pop('q')"), "");
}

#[test]
fn good_claims_end_and_the_others_are_reported() {
    let db = with_queue(preloaded(), "mixed");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_push_many('q', array_agg(to_jsonb(g))) FROM generate_series(1, 6) g",
    );
    let claims: Vec<String> = rows(&mut s, "SELECT claim FROM strata.queue_pop('q', n => 5)")
        .lines()
        .map(str::to_owned)
        .collect();
    let [a, b, c, d, e] = claims.as_slice() else {
        panic!("{claims:?}");
    };
    let ask = |s: &mut postgres::Client, claims: &str, more: &str| {
        one(
            s,
            &format!("SELECT strata.queue_complete_many('q', '{{{claims}}}'{more})"),
        )
    };
    assert_eq!(ask(&mut s, b, ""), "{}");
    // one is lost, one is an id, one is unknown, one is twice
    let lost = ask(&mut s, &format!("999999999999,{b},{a},1,{a}"), "");
    assert_eq!(lost, format!("{{999999999999,{b},1,{a}}}"));
    let strict = format!("SELECT strata.queue_complete_many('q', '{{{c},{b}}}', strict => true)");
    let error = s.batch_execute(&strict).expect_err("one is lost");
    assert_eq!(error.code().map(|c| c.code()), Some("55000"));
    // nothing of it happened; queue_next ends the good ones too
    let next = format!("SELECT payload FROM strata.queue_next('q', done => '{{{b},{c},77}}')");
    assert_eq!(rows(&mut s, &next), "6");
    let results = ", '{1,2}'";
    assert_eq!(
        ask(&mut s, &format!("{c},{d}"), results),
        format!("{{{c}}}")
    );
    for (sql, code) in [
        (format!("'{{{e},NULL}}'"), "22004"),
        (format!("'{{{e}}}', '{{1,2}}'"), "22023"),
        ("NULL".to_owned(), "22004"),
    ] {
        let sql = format!("SELECT strata.queue_complete_many('q', {sql})");
        let error = s.batch_execute(&sql).expect_err(&sql);
        assert_eq!(error.code().map(|c| c.code()), Some(code), "{sql}");
    }
    assert_eq!(ask(&mut s, e, ""), "{}", "untouched by errors");
}

#[test]
fn bad_arguments_of_many_jobs_are_errors() {
    let db = with_queue(preloaded(), "badmany");
    let mut s = db.session();
    for (arguments, code) in [
        ("'nope', '{1}'", "42704"),
        ("'q', NULL", "22004"),
        ("'q', '{1,2}', unique_keys => '{a}'", "22023"),
        ("'q', '{1,2}', group_keys => '{a,b,c}'", "22023"),
        ("'q', '{1}', priority => 99", "22023"),
        ("'q', '{1}', max_attempts => 0", "22023"),
        ("'q', '{1}', on_duplicate => 'x'", "22023"),
    ] {
        let sql = format!("SELECT strata.queue_push_many({arguments})");
        let error = s.batch_execute(&sql).expect_err(&sql);
        assert_eq!(error.code().map(|c| c.code()), Some(code), "{sql}");
    }
    assert_eq!(rows(&mut s, "SELECT id FROM strata.queue_pop('q')"), "");
}
