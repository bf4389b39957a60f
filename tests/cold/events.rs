//! Events over time: payloads in, the same payloads out, hot, frozen and cold; queries that cannot do harm.

use crate::support::{
    Armed, ColdDb, Db, arm, exec, fails, one, rows, server, try_one, wait_at, wait_cold,
};
use postgres::Client;

const SEED: &str = r#"{"timestamp": 1673205162254, "labels": {"order_id": "111", "product_name": "tea"}, "value": "two boxes of green tea"}"#;
const JANUARY: &str = "'2023-01-01 00:00+00', '2023-02-01 00:00+00'";

/// A table `events` by month with one event a day in the first quarter of 2023.
fn quarter(name: &str) -> Db<'_> {
    let db = Db::new(server(), name);
    db.run(
        "SELECT strata.create_events(chunk_time_interval => '1 month', server => 'strata_local');
         SELECT strata.put_events((SELECT jsonb_agg(jsonb_build_object('timestamp', t::text,
             'labels', jsonb_build_object('day', extract(day FROM t)::int, 'kind', CASE WHEN extract(isodow FROM t) > 5 THEN 'weekend' ELSE 'work' END),
             'value', 'note ' || to_char(t, 'Month'))) FROM generate_series(timestamp '2023-01-01', '2023-03-31', '1 day') t))",
    );
    db
}

#[test]
fn the_example_comes_back_as_it_was_put() {
    let db = Db::new(server(), "events_seed");
    let mut session = db.session();
    assert_eq!(one(&mut session, "SELECT strata.create_events()"), "events");
    let id = one(&mut session, &format!("SELECT strata.put_event('{SEED}')"));
    assert_eq!(&id[14..15], "7", "a version 7 uuid: {id}");
    let out = format!("SELECT payload = '{SEED}' FROM strata.events_between({JANUARY})");
    assert_eq!(one(&mut session, &out), "t");
    assert_eq!(
        rows(
            &mut session,
            "SELECT id::text = (SELECT id::text FROM events), ts AT TIME ZONE 'UTC', labels->>'order_id', value FROM events"
        ),
        "t|2023-01-08 19:12:42.254|111|two boxes of green tea"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT strata.uuid_timestamp(id) = ts FROM events"
        ),
        "t"
    );
    let query = r#"SELECT strata.query_events($$SELECT payload->'labels'->>'product_name' AS product FROM events WHERE labels @> '{"order_id":"111"}'$$, "#;
    assert_eq!(
        one(&mut session, &format!("{query}{JANUARY})")),
        r#"{"product": "tea"}"#
    );
    // all digits of numbers, all scalars, microseconds, ids
    for payload in [
        r#"{"timestamp": "2023-01-09T00:00:00.000001Z", "labels": {}, "value": "x"}"#,
        r#"{"timestamp": 1673222400001, "labels": {"n": 12345678901234567890.10, "t": true, "z": null}}"#,
    ] {
        one(
            &mut session,
            &format!("SELECT strata.put_event('{payload}')"),
        );
    }
    exec(&mut session, "SET timezone = 'UTC'");
    assert_eq!(
        rows(
            &mut session,
            "SELECT payload FROM strata.events_between('2023-01-09+00', '2023-01-10+00')"
        ),
        "{\"value\": \"x\", \"labels\": {}, \"timestamp\": \"2023-01-09T00:00:00.000001+00:00\"}\n\
         {\"labels\": {\"n\": 12345678901234567890.10, \"t\": true, \"z\": null}, \"timestamp\": 1673222400001}"
    );
    for (value, text) in [
        ("1.10", "1.10"),
        ("false", "false"),
        ("12345678901234567890", "12345678901234567890"),
    ] {
        let id = one(
            &mut session,
            &format!("SELECT strata.put_event('{{\"timestamp\": 5, \"value\": {value}}}')"),
        );
        assert_eq!(
            one(
                &mut session,
                &format!("SELECT value FROM events WHERE id = '{id}'")
            ),
            text
        );
    }
}

#[test]
fn bad_payloads_are_refused_by_the_name_of_their_key() {
    let db = Db::new(server(), "events_bad");
    db.run("SELECT strata.create_events()");
    let mut session = db.session();
    for (payload, word) in [
        ("[]", "JSON object"),
        ("{}", "timestamp"),
        (r#"{"timestamp": "soon"}"#, "timestamp"),
        (r#"{"timestamp": -1}"#, "out of range"),
        (r#"{"timestamp": 99999999999999999999}"#, "out of range"),
        (r#"{"timestamp": 1000.5}"#, "whole number"),
        (r#"{"timestamp": 1e400}"#, "payload"),
        (r#"{"timestamp": 1, "labels": {"a": [1]}}"#, "labels"),
        (r#"{"timestamp": 1, "value": {}}"#, "value"),
        (r#"{"timestamp": 1, "id": "7"}"#, "id"),
        (r#"{"timestamp": 1, "labels": {}, "Value": 1}"#, "Value"),
    ] {
        fails(
            &mut session,
            &format!("SELECT strata.put_event('{payload}')"),
            "22023",
            &[word],
        );
        let batch = format!(r#"SELECT strata.put_events('[{{"timestamp": 1}}, {payload}]')"#);
        fails(&mut session, &batch, "22023", &[word]);
    }
    fails(
        &mut session,
        "SELECT strata.put_events('{}')",
        "22023",
        &["array"],
    );
    for sql in [
        "SELECT strata.put_event(NULL)",
        "SELECT strata.put_events(NULL)",
        "SELECT FROM strata.events_between(NULL, now())",
        "SELECT FROM strata.events_between(now(), NULL)",
        "SELECT strata.query_events(NULL, now(), now())",
        "SELECT strata.query_events('SELECT 1', NULL, now())",
        "SELECT strata.create_events(NULL)",
    ] {
        fails(&mut session, sql, "22004", &["must not be NULL"]);
    }
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM events"),
        "0",
        "a batch is put whole or not at all"
    );
    assert_eq!(one(&mut session, "SELECT strata.put_events('[]')"), "0");
    let missing = fails(
        &mut session,
        "SELECT strata.put_event('{\"timestamp\": 1}', to_regclass('nothing'))",
        "42P01",
        &["does not exist"],
    );
    assert!(missing.hint().unwrap_or_default().contains("create_events"));
    exec(&mut session, "CREATE TABLE plain (id int, ts timestamptz)");
    for sql in [
        "SELECT strata.put_event('{\"timestamp\": 1}', 'plain')",
        "SELECT strata.put_events('[]', 'plain')",
        "SELECT FROM strata.events_between(now(), now(), events => 'plain')",
        "SELECT strata.query_events('SELECT 1', now(), now(), 'plain')",
    ] {
        fails(
            &mut session,
            sql,
            "42809",
            &["no table of events", "plain"][1..],
        );
    }
    fails(
        &mut session,
        "SELECT strata.create_events()",
        "42P07",
        &["events"],
    );
    fails(
        &mut session,
        "SELECT strata.create_events('a.b.c')",
        "22023",
        &["a.b.c"],
    );
    fails(
        &mut session,
        "SELECT strata.create_events('x y')",
        "22023",
        &["x y"],
    );
    fails(
        &mut session,
        "SELECT strata.create_events('other', server => 'nowhere')",
        "42704",
        &["nowhere"],
    );
    assert_eq!(one(&mut session, "SELECT to_regclass('other')"), "");
}

#[test]
fn tables_of_other_names_and_schemas() {
    let db = Db::new(server(), "events_names");
    db.run("CREATE SCHEMA \"S s\"; CREATE ROLE events_user LOGIN; GRANT USAGE, CREATE ON SCHEMA \"S s\" TO events_user");
    let mut user = db.session_as("events_user");
    assert_eq!(
        one(
            &mut user,
            "SELECT strata.create_events('\"S s\".\"My Events\"', '1 hour')"
        ),
        "\"S s\".\"My Events\""
    );
    let put = "SELECT strata.put_event('{\"timestamp\": \"2023-01-05T12:00Z\", \"labels\": {\"a\": 1}}', '\"S s\".\"My Events\"')";
    one(&mut user, put);
    assert_eq!(
        one(
            &mut user,
            "SELECT count(*) FROM strata.events_between('2023-01-05+00', '2023-01-06+00', '{\"a\": 1}', events => '\"S s\".\"My Events\"')"
        ),
        "1"
    );
    assert_eq!(
        one(
            &mut user,
            "SELECT strata.query_events('SELECT count(*) AS n FROM events', '2023-01-05+00', '2023-01-06+00', '\"S s\".\"My Events\"')"
        ),
        "{\"n\": 1}"
    );
    // the default table is the one in the caller's path
    fails(
        &mut user,
        "SELECT strata.put_event('{\"timestamp\": 1}')",
        "42P01",
        &["events"],
    );
    exec(&mut user, "SET search_path = \"S s\"");
    exec(&mut user, "SELECT strata.create_events()");
    one(&mut user, "SELECT strata.put_event('{\"timestamp\": 1}')");
    assert_eq!(one(&mut user, "SELECT count(*) FROM \"S s\".events"), "1");
    // somebody else may do what the table's grants say
    db.run("CREATE ROLE events_guest LOGIN; GRANT USAGE ON SCHEMA \"S s\" TO events_guest");
    let mut guest = db.session_as("events_guest");
    exec(&mut guest, "SET search_path = \"S s\"");
    for sql in [
        "SELECT strata.put_event('{\"timestamp\": 2}')",
        "SELECT FROM strata.events_between('1970-01-01', '1971-01-01')",
        "SELECT strata.query_events('SELECT 1 FROM events', '1970-01-01', '1971-01-01')",
    ] {
        fails(&mut guest, sql, "42501", &["events"]);
    }
    // whoever adds an event learns whether it was there: INSERT alone is not enough, as for ON CONFLICT elsewhere
    let put = "SELECT strata.put_event('{\"timestamp\": 3}')";
    exec(&mut user, "GRANT INSERT ON \"S s\".events TO events_guest");
    fails(&mut guest, put, "42501", &["events"]);
    exec(
        &mut user,
        "GRANT SELECT (id, ts) ON \"S s\".events TO events_guest",
    );
    one(&mut guest, put);
    fails(
        &mut guest,
        "SELECT value FROM \"S s\".events",
        "42501",
        &["events"],
    );
    exec(
        &mut user,
        "DELETE FROM \"S s\".events WHERE ts = '1970-01-01 00:00:00.003+00'; GRANT SELECT ON \"S s\".events TO events_guest",
    );
    one(&mut guest, "SELECT strata.put_event('{\"timestamp\": 2}')");
    // row security is the caller's too
    exec(
        &mut user,
        "ALTER TABLE \"S s\".events ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON \"S s\".events FOR SELECT TO events_guest USING (ts > '1970-01-01 00:00:00.001+00')",
    );
    assert_eq!(
        one(
            &mut guest,
            "SELECT count(*) FROM strata.events_between('1970-01-01+00', '1971-01-01+00')"
        ),
        "1"
    );
    assert_eq!(
        one(
            &mut guest,
            "SELECT strata.query_events('SELECT count(*) AS n FROM events', '1970-01-01+00', '1971-01-01+00')"
        ),
        "{\"n\": 1}"
    );
    drop((user, guest));
    db.run("DROP OWNED BY events_user, events_guest CASCADE; DROP ROLE events_user, events_guest");
}

#[test]
fn ranges_labels_and_words() {
    let db = quarter("events_search");
    let mut session = db.session();
    let count = |session: &mut Client, more: &str| {
        one(
            session,
            &format!(
                "SELECT count(*) FROM strata.events_between('2023-01-01+00', '2023-04-01+00'{more})"
            ),
        )
    };
    assert_eq!(count(&mut session, ""), "90");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.events_between('2023-01-31+00', '2023-02-01+00')"
        ),
        "1",
        "half-open"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.events_between('2023-02-01+00', '2023-01-01+00')"
        ),
        "0"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.events_between('-infinity', 'infinity')"
        ),
        "90"
    );
    assert_eq!(count(&mut session, ", '{\"day\": 31}'"), "2");
    assert_eq!(
        count(&mut session, ", '{\"day\": 31, \"kind\": \"work\"}'"),
        "2"
    );
    assert_eq!(count(&mut session, ", '{\"kind\": \"weekend\"}'"), "25");
    assert_eq!(
        count(&mut session, ", search => 'FEBRUARY note'"),
        "28",
        "all words, in any order and case"
    );
    assert_eq!(
        count(&mut session, ", search => 'february weekend'"),
        "8",
        "in value or label values"
    );
    assert_eq!(count(&mut session, ", search => 'february march'"), "0");
    assert_eq!(
        count(&mut session, ", search => 'kind'"),
        "0",
        "names of labels are no words"
    );
    assert_eq!(count(&mut session, ", search => ' '"), "90");
    assert_eq!(count(&mut session, ", '{\"day\": 1}', 'january'"), "1");
    fails(
        &mut session,
        "SELECT FROM strata.events_between(now(), now(), '[1]')",
        "22023",
        &["labels"],
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT bool_and(a) FROM (SELECT ts >= lag(ts) OVER () AS a FROM strata.events_between('2023-01-01+00', '2023-04-01+00')) x"
        ),
        "t"
    );
}

#[test]
fn queries_read_only_what_they_may_and_change_nothing() {
    let db = quarter("events_query");
    db.run("CREATE TABLE other (n int); INSERT INTO other VALUES (7);
            CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO other VALUES (1) RETURNING n';
            CREATE SEQUENCE s");
    let mut session = db.session();
    let ask = |query: &str| {
        format!(
            "SELECT string_agg(q::text, ',') FROM strata.query_events($q${query}$q$, {JANUARY}) q"
        )
    };
    for (query, answer) in [
        ("SELECT count(*) AS n FROM events", r#"{"n": 31}"#),
        ("SELECT count(*) AS n FROM events;", r#"{"n": 31}"#),
        (
            "SELECT count(*) AS n FROM events; -- and no more",
            r#"{"n": 31}"#,
        ),
        (
            "/* a */ SELECT count(*) AS n FROM events -- b",
            r#"{"n": 31}"#,
        ),
        ("VALUES (1), (2)", r#"{"column1": 1},{"column1": 2}"#),
        ("SELECT n FROM other", r#"{"n": 7}"#),
        (
            "WITH events AS (SELECT 5 AS n) SELECT n FROM events",
            r#"{"n": 5}"#,
        ),
        (
            "SELECT a.value FROM events a JOIN events b USING (id, ts) WHERE a.ts < '2023-01-02+00'",
            r#"{"value": "note January  "}"#,
        ),
        ("SELECT q FROM (SELECT 1) q(q)", r#"{"q": 1}"#),
        (
            "SELECT labels->>'kind' AS kind, count(*) AS n FROM events GROUP BY 1 ORDER BY 1",
            r#"{"n": 9, "kind": "weekend"},{"n": 22, "kind": "work"}"#,
        ),
        ("SELECT 1 AS n WHERE false", ""),
    ] {
        assert_eq!(one(&mut session, &ask(query)), answer, "{query}");
    }
    for (query, code) in [
        ("SELECT 1) q; DROP TABLE other; --", "42601"),
        ("SELECT 1; DROP TABLE other", "22023"),
        ("SELECT 1; SELECT 2", "22023"),
        ("DELETE FROM other", "22023"),
        ("DROP TABLE other", "22023"),
        ("", "22023"),
        (" -- nothing", "22023"),
        ("SELECT 1 /*", "42601"),
        ("SELECT 'x", "42601"),
        ("SELECT (1", "42601"),
        ("SELECT 1 INTO made", "42601"),
        (
            "WITH x AS (DELETE FROM other RETURNING n) SELECT * FROM x",
            "0A000",
        ),
        ("SELECT n FROM other FOR UPDATE", "25006"),
        ("SELECT writes()", "25006"),
        ("SELECT nextval('s')", "25006"),
        (
            "SELECT set_config('transaction_read_only', 'off', true) AS a, writes() AS b",
            "25001",
        ),
        ("SELECT count(*), count(value) FROM events", "42701"),
        ("SELECT $3", "42P02"),
        ("SELECT nothing FROM events", "42703"),
    ] {
        let Err(error) = try_one(&mut session, &ask(query)) else {
            panic!("no error from {query}");
        };
        assert_eq!(
            error.code().map(|c| c.code().to_owned()).as_deref(),
            Some(code),
            "{query}: {error:?}"
        );
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM other"), "1");
    // an error of the query stays one, whatever its code: never the rows before it alone
    exec(
        &mut session,
        "CREATE FUNCTION stops(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN
             IF n = 2 THEN RAISE EXCEPTION USING ERRCODE = 'STRRO', MESSAGE = 'stopped'; END IF;
             RETURN n; END $$",
    );
    let stops = ask("SELECT stops(g) AS n FROM generate_series(1, 3) g");
    fails(&mut session, &stops, "STRRO", &["stopped"]);
    // the transaction can write again afterwards, also after an error
    exec(&mut session, "BEGIN");
    one(&mut session, &ask("SELECT 1"));
    exec(&mut session, "INSERT INTO other VALUES (8); SAVEPOINT a");
    try_one(&mut session, &ask("SELECT writes()")).expect_err("read-only");
    exec(
        &mut session,
        "ROLLBACK TO a; INSERT INTO other VALUES (9); COMMIT",
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM other"), "3");
    // operators of ours are not those of the caller's path; the caller's query has the caller's path
    exec(
        &mut session,
        "CREATE SCHEMA evil; CREATE TABLE evil.mine (n int); INSERT INTO evil.mine VALUES (5);
         CREATE FUNCTION evil.lie(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR evil.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = evil.lie);
         CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $$SELECT '0'::jsonb$$;
         SET search_path = evil, pg_catalog, public",
    );
    assert_eq!(
        one(&mut session, &ask("SELECT count(*) AS n FROM events")),
        r#"{"n": 31}"#
    );
    assert_eq!(one(&mut session, &ask("SELECT n FROM mine")), r#"{"n": 5}"#);
    assert_eq!(
        one(
            &mut session,
            &format!("SELECT count(*) FROM strata.events_between({JANUARY})")
        ),
        "31"
    );
}

/// The state of the chunk of January changes under the same questions.
#[test]
fn events_are_the_same_hot_and_cold() {
    let db = quarter("events_cold");
    let mut session = db.session();
    let questions = [
        "SELECT md5(string_agg(e::text, ',' ORDER BY e.id)) || count(*) FROM strata.events_between('2023-01-01+00', '2023-04-01+00') e",
        "SELECT md5(string_agg(e::text, ',' ORDER BY e.id)) || count(*) FROM strata.events_between('2023-01-10+00', '2023-02-10+00', '{\"kind\": \"weekend\"}', 'note') e",
        "SELECT string_agg(q::text, ',') FROM strata.query_events('SELECT labels->>''kind'' AS k, count(*) AS n, min(ts) AS t FROM events GROUP BY 1 ORDER BY 1', '2023-01-01+00', '2023-04-01+00') q",
    ];
    let answers: Vec<String> = questions.iter().map(|q| one(&mut session, q)).collect();
    db.run("CALL strata.tier_chunks('events', older_than => timestamptz '2023-03-01 00:00+00')");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_files"), "2");
    for (question, answer) in questions.iter().zip(&answers) {
        assert_eq!(one(&mut session, question), *answer, "{question}");
    }
    // months that are not asked for are not looked at
    let explain =
        |session: &mut Client, sql: &str| rows(session, &format!("EXPLAIN (COSTS OFF) {sql}"));
    let statement = one(&mut session, "SELECT strata._query_events_sql('SELECT count(*) AS n FROM events', now(), now(), 'events')")
        .replace("$1", "timestamptz '2023-03-01+00'")
        .replace("$2", "timestamptz '2023-04-01+00'");
    let plan = explain(&mut session, &statement);
    assert!(!plan.contains("ColdScan"), "{plan}");
    let file = &db.local_files()[0];
    let hidden = file.with_extension("hidden");
    std::fs::rename(file, &hidden).expect("a file");
    let query = |range: &str| {
        format!("SELECT strata.query_events('SELECT count(*) AS n FROM events', {range})")
    };
    let mut fresh = db.session();
    assert_eq!(
        one(&mut fresh, &query("'2023-02-01+00', '2023-04-01+00'")),
        "{\"n\": 59}"
    );
    fails(
        &mut fresh,
        &query("'2023-01-31+00', '2023-04-01+00'"),
        "58P01",
        &["events_h1_20230101"],
    );
    std::fs::rename(&hidden, file).expect("a file");
    assert_eq!(
        one(
            &mut session,
            "SELECT bool_and(owned) FROM strata.cold_files"
        ),
        "t"
    );
}

/// An event is put once, whatever state its chunk is in.
#[test]
fn the_same_event_twice_adds_no_row() {
    let db = quarter("events_twice");
    let mut session = db.session();
    let payload = r#"{"timestamp": "2023-03-05T05:00Z", "id": "01853fbb-c2ae-7000-8000-000000000001", "value": "once"}"#;
    let put = format!("SELECT strata.put_event('{payload}')");
    let count = "SELECT count(*) FROM events";
    for _ in 0..3 {
        assert_eq!(
            one(&mut session, &put),
            "01853fbb-c2ae-7000-8000-000000000001"
        );
        assert_eq!(one(&mut session, count), "91");
    }
    let batch = format!(
        "SELECT strata.put_events('[{payload}, {{\"timestamp\": \"2023-03-05T05:01Z\"}}, {payload}]')"
    );
    assert_eq!(one(&mut session, &batch), "1");
    assert_eq!(one(&mut session, count), "92");
    // another time is another event
    one(&mut session, &put.replace("05:00Z", "06:00Z"));
    assert_eq!(one(&mut session, count), "93");
    // a month-old chunk that is still hot, and times without a chunk
    one(&mut session, &put.replace("2023-03-05", "2023-01-05"));
    one(&mut session, &put.replace("2023-03-05", "1999-12-31"));
    assert_eq!(one(&mut session, count), "95");
    assert_eq!(
        one(
            &mut session,
            "SELECT value FROM strata.events_between('1999-01-01', '2000-01-01')"
        ),
        "once"
    );
}

/// A month-old event comes while its chunk is hot, on its way, cold, and cold again: each once, and each
/// query sees all of them.
#[test]
fn late_events_are_taken_once_whatever_state_their_chunk_is_in() {
    let armed = Armed::new();
    let cluster = armed.take();
    let db = Db::new(&cluster, "events_states");
    db.run(
        "SELECT strata.create_events(chunk_time_interval => '1 month', server => 'strata_local');
         SELECT strata.put_events((SELECT jsonb_agg(jsonb_build_object('timestamp', t::text, 'value', 'first',
             'id', '01853fbb-c2ae-7000-8000-' || to_char(t, 'YYYYMMDDHH24MI'), 'labels', '{\"kind\": \"old\"}'::jsonb))
             FROM generate_series(timestamp '2023-01-01', '2023-01-31', '1 day') t))",
    );
    let mut session = db.session();
    let chunk = "strata_chunks.events_h1_20230101";
    let mut minute = 0;
    let mut check = |session: &mut Client, state: &str| {
        minute += 1;
        put_old_and_new(session, state, minute);
    };
    check(&mut session, "hot");
    arm(&cluster, "cold.export.built:sleep");
    let tier = format!("SELECT strata.tier_chunk('{chunk}')");
    one(&mut session, &tier);
    wait_at(&mut session, "build");
    check(&mut session, "frozen");
    // the writer wins: this attempt is given up, and another one takes the event along
    arm(&cluster, "");
    wait_cold(&mut session, chunk);
    check(&mut session, "cold");
    check(&mut session, "cold, with late rows");
    one(&mut session, &tier);
    crate::common::wait_until("the late rows are in the file", || {
        one(&mut session, "SELECT generation FROM strata.cold_files") == "2"
    });
    check(&mut session, "merged");
}

/// Events that are there, one by one and in a batch; then one that is not, twice.
fn put_old_and_new(session: &mut Client, state: &str, minute: u32) {
    let old = |day: u32| {
        format!(
            r#"{{"timestamp": "2023-01-{day:02}", "value": "again", "id": "01853fbb-c2ae-7000-8000-202301{day:02}0000"}}"#
        )
    };
    let late = format!(
        r#"{{"timestamp": "2023-01-10T00:{minute:02}Z", "value": "late {minute}", "labels": {{"kind": "late"}}, "id": "01853fbb-c2ae-7000-8000-2023011000{minute:02}"}}"#
    );
    let count = |session: &mut Client| {
        let count = one(session, "SELECT count(*) FROM events");
        count.parse::<u32>().expect("a number")
    };
    let before = count(session);
    one(session, &format!("SELECT strata.put_event('{}')", old(5)));
    let batch = format!(
        "SELECT strata.put_events('[{}, {late}, {}]')",
        old(6),
        old(7)
    );
    assert_eq!(one(session, &batch), "1", "{state}");
    assert_eq!(one(session, &batch), "0", "{state}");
    one(session, &format!("SELECT strata.put_event('{late}')"));
    let wanted = format!("{0} {0}", before + 1);
    for question in [
        "SELECT count(*) || ' ' || count(DISTINCT (id, ts)) FROM events".to_owned(),
        format!(
            "SELECT count(*) || ' ' || count(DISTINCT id) FROM strata.events_between({JANUARY})"
        ),
        format!(
            "SELECT (q->>'n') || ' ' || (q->>'d') FROM strata.query_events('SELECT count(*) AS n, \
             count(DISTINCT id) AS d FROM events', {JANUARY}) q"
        ),
    ] {
        assert_eq!(one(session, &question), wanted, "{state}: {question}");
    }
    let found = format!(
        "SELECT count(*) FROM strata.events_between({JANUARY}, '{{\"kind\": \"late\"}}', 'late {minute}')"
    );
    assert_eq!(one(session, &found), "1", "{state}");
    let again =
        format!("SELECT count(*) FROM strata.events_between({JANUARY}) WHERE value = 'again'");
    assert_eq!(one(session, &again), "0", "{state}");
}

/// What a role may not see of the table it does not see through these functions, hot or cold.
#[test]
fn rights_and_row_security_hold_for_events() {
    let db = quarter("events_rights");
    db.run(
        "CREATE ROLE events_reader; CREATE ROLE events_nobody; GRANT SELECT, INSERT ON events TO events_reader;
         ALTER TABLE events ENABLE ROW LEVEL SECURITY;
         CREATE POLICY weekend ON events FOR SELECT TO events_reader USING (labels->>'kind' = 'weekend');
         CREATE POLICY put ON events FOR INSERT TO events_reader WITH CHECK (value <> 'forged');
         CREATE FUNCTION leaks(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
             $$ BEGIN PERFORM set_config('test.seen', (current_setting('test.seen')::int + 1)::text, false); RETURN true; END $$",
    );
    let mut session = db.session();
    let check = |session: &mut Client, state: &str| {
        exec(session, "SET ROLE events_nobody");
        for sql in [
            format!("SELECT FROM strata.events_between({JANUARY})"),
            format!("SELECT strata.query_events('SELECT id FROM events', {JANUARY})"),
            r#"SELECT strata.put_event('{"timestamp": "2023-01-05"}')"#.to_owned(),
        ] {
            fails(session, &sql, "42501", &["events"]);
        }
        exec(session, "SET ROLE events_reader; SET test.seen = 0");
        for source in [
            format!("strata.events_between({JANUARY})"),
            "events WHERE ts < '2023-02-01+00' AND".to_owned(),
        ] {
            let word = if source.ends_with("AND") { "" } else { "WHERE" };
            let leaky = format!("SELECT count(*) FROM {source} {word} leaks(value)");
            assert_eq!(one(session, &leaky), "9", "{state}");
        }
        let seen = one(session, "SHOW test.seen");
        assert_eq!(seen, "18", "{state}: a function was shown hidden rows");
        let query = format!(
            "SELECT strata.query_events('SELECT count(*) AS n, bool_and(labels->>''kind'' = ''weekend'') AS w FROM events', {JANUARY})"
        );
        assert_eq!(one(session, &query), r#"{"n": 9, "w": true}"#, "{state}");
        let forged = r#"SELECT strata.put_event('{"timestamp": "2023-01-05", "value": "forged"}')"#;
        fails(session, forged, "42501", &["row-level security"]);
        exec(session, "RESET ROLE");
    };
    check(&mut session, "hot");
    db.run("CALL strata.tier_chunks('events', older_than => timestamptz '2023-03-01 00:00+00')");
    check(&mut session, "cold");
    db.run("DROP OWNED BY events_reader; DROP ROLE events_reader, events_nobody");
}

/// Three years of months, all cold: a question about one year reads the files of that year.
#[test]
fn a_year_reads_only_its_own_files() {
    let db = Db::new(server(), "events_years");
    db.run(
        "SELECT strata.create_events(chunk_time_interval => '1 month', server => 'strata_local');
         SELECT strata.put_events((SELECT jsonb_agg(jsonb_build_object('timestamp', t::text, 'value', 'v'))
             FROM generate_series(timestamp '2021-11-15', '2023-02-15', '1 month') t));
         CALL strata.tier_chunks('events', older_than => timestamptz '2024-01-01 00:00+00')",
    );
    assert_eq!(db.keys().len(), 16);
    for sql in [
        "SELECT q->>'n' FROM strata.query_events($$SELECT count(*) AS n FROM events WHERE value = 'v'$$, '2022-01-01+00', '2023-01-01+00') q",
        "SELECT count(*) FROM strata.events_between('2022-01-01+00', '2023-01-01+00', search => 'v')",
    ] {
        let mut session = db.session();
        assert_eq!(one(&mut session, sql), "12");
        let read = "SELECT count(*) || ' ' || bool_and(key LIKE '%/2022/%') FROM strata.cold_session_files WHERE gets > 0";
        assert_eq!(one(&mut session, read), "12 true", "{sql}");
    }
}
