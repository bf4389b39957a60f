//! Event triggers that write down who changes what, and under which version.

use crate::common::{Cluster, Db};
use crate::support::{database, exec, fails, one, register, rows, run};
use postgres::Client;

const OUTSIDE: &str = "SELECT command || ' ' || kind || ' ' || coalesce(object, '-') || ' ' || role FROM strata.migrate_changes()";
const TRIGGERS: &str =
    "SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'strata_capture_%'";
const CHANGES: &str = "SELECT count(*) FROM strata.migrate_change";

fn captured(s: &mut Client) {
    exec(s, "SELECT strata.migrate_capture(true)");
}

/// What a version has changed.
#[track_caller]
fn of(s: &mut Client, version: &str) -> String {
    let sql = format!(
        "SELECT command || ' ' || kind || ' ' || coalesce(object, '-') FROM strata.migrate_changes('{version}')"
    );
    rows(s, &sql).replace('\n', ", ")
}

#[test]
fn changes_by_hand_are_written_down_while_it_is_on() {
    let db = database("capture_hand");
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE before ()");
    let fingerprint = one(&mut s, "SELECT strata.migrate_fingerprint()");
    captured(&mut s);
    captured(&mut s);
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'strata_capture_%' AND evtenabled = 'A'"
        ),
        "2"
    );
    // the triggers are ours and no drift, and making them is no change
    assert_eq!(
        one(&mut s, "SELECT strata.migrate_fingerprint()"),
        fingerprint
    );
    assert_eq!(one(&mut s, CHANGES), "0");
    exec(
        &mut s,
        "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE VIEW v AS SELECT * FROM t; CREATE SCHEMA \"My\"; CREATE TABLE \"My\".\"T\" ();
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER fires BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
         GRANT SELECT ON t TO PUBLIC; GRANT SELECT ON v, \"My\".\"T\" TO PUBLIC; REVOKE ALL ON FUNCTION f() FROM PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA \"My\" TO PUBLIC; COMMENT ON TABLE t IS 'x'; ALTER TABLE t ADD COLUMN b int",
    );
    exec(&mut s, "ALTER TABLE t DROP COLUMN b");
    exec(&mut s, "DROP TABLE t CASCADE; DROP SCHEMA \"My\" CASCADE");
    // nobody wants to know of these
    exec(
        &mut s,
        "CREATE TEMP TABLE gone (x int PRIMARY KEY); CREATE TRIGGER fires BEFORE INSERT ON gone FOR EACH ROW EXECUTE FUNCTION f();
         CREATE INDEX ON gone (x); DROP TRIGGER fires ON gone; DROP TABLE gone; CREATE TEMP VIEW w AS SELECT 1 AS x;
         INSERT INTO before DEFAULT VALUES; TRUNCATE before; ANALYZE before",
    );
    exec(&mut s, "BEGIN; CREATE TABLE never (); ROLLBACK");
    let me = one(&mut s, "SELECT current_user");
    let told = "CREATE TABLE table public.t, CREATE INDEX index public.t_pkey, CREATE VIEW view public.v, CREATE SCHEMA schema \"My\", \
        CREATE TABLE table \"My\".\"T\", CREATE FUNCTION function public.f(), CREATE TRIGGER trigger fires on public.t, GRANT table public.t, \
        GRANT table public.v, GRANT table \"My\".\"T\", REVOKE function f, GRANT table My.*, \
        COMMENT table public.t, ALTER TABLE table public.t, ALTER TABLE table column public.t.b, ALTER TABLE table public.t, \
        DROP TABLE table public.t, DROP TABLE view public.v, DROP SCHEMA schema \"My\", DROP SCHEMA table \"My\".\"T\"";
    let mut found: Vec<String> = rows(&mut s, OUTSIDE).lines().map(str::to_owned).collect();
    let mut expected: Vec<String> = told.split(", ").map(|l| format!("{l} {me}")).collect();
    // what one DROP takes along comes in no order
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    exec(
        &mut s,
        "SELECT strata.migrate_capture(false); SELECT strata.migrate_capture(false); CREATE TABLE after ()",
    );
    assert_eq!(rows(&mut s, OUTSIDE).lines().count(), expected.len());
    assert_eq!(one(&mut s, TRIGGERS), "0");
}

#[test]
fn what_a_migration_changes_is_told_by_its_version() {
    let db = database("capture_versions");
    let mut s = db.session();
    captured(&mut s);
    register(
        &mut s,
        &[
            ("before_all.sql", "CREATE TABLE IF NOT EXISTS hooked ()"),
            (
                "before_each.sql",
                "CREATE OR REPLACE VIEW each AS SELECT 1 AS x",
            ),
            ("001_a.up.sql", "CREATE TABLE a (x int)"),
            ("001_a.down.sql", "DROP TABLE a"),
            (
                "2_b.up.sql",
                "CREATE TABLE b (x int); COMMIT; CREATE INDEX CONCURRENTLY b_x ON b (x); ALTER TABLE b ADD COLUMN y int",
            ),
            ("2_b.down.sql", "DROP TABLE b"),
            ("3_c.up.sql", "CREATE TABLE c ()"),
            ("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT 1 AS x"),
        ],
    );
    // what is only tried is no change
    exec(
        &mut s,
        "SELECT strata.migrate_explain(); SELECT strata.migrate_verify_down()",
    );
    assert_eq!(one(&mut s, CHANGES), "0");
    assert_eq!(run(&mut s, "migrate_up(steps => 1)"), "1 applied");
    assert_eq!(
        of(&mut s, "1"),
        "CREATE VIEW view public.each, CREATE TABLE table public.a"
    );
    assert_eq!(of(&mut s, "0001"), of(&mut s, "1"));
    assert_eq!(of(&mut s, ""), "CREATE TABLE table public.hooked");
    exec(&mut s, "CALL strata.migrate_deploy()");
    assert_eq!(
        of(&mut s, "2"),
        "CREATE VIEW view public.each, CREATE TABLE table public.b, CREATE INDEX index public.b_x, ALTER TABLE table public.b"
    );
    assert_eq!(
        of(&mut s, "3"),
        "CREATE VIEW view public.each, CREATE TABLE table public.c"
    );
    assert!(of(&mut s, "R__views").ends_with("CREATE VIEW view public.v"));
    assert_eq!(
        rows(&mut s, OUTSIDE),
        "",
        "nothing was changed but by migrations"
    );
    // the run is over
    exec(&mut s, "CREATE TABLE by_hand ()");
    assert_eq!(rows(&mut s, OUTSIDE).lines().count(), 1);
    // taken back: the same version, and its run is that of the history
    register(
        &mut s,
        &[
            ("4_d.up.sql", "CREATE TABLE d ()"),
            ("4_d.down.sql", "DROP TABLE d"),
            ("before_each.sql", "SELECT 1"),
        ],
    );
    exec(
        &mut s,
        "SELECT strata.migrate_up(); SELECT strata.migrate_down()",
    );
    assert_eq!(
        of(&mut s, "4"),
        "CREATE TABLE table public.d, DROP TABLE table public.d"
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.migrate_change c JOIN strata.migrate_event e USING (run, namespace, version) WHERE c.version = '4'"
        ),
        "2"
    );
    // a file that fails leaves nothing, and the marker does not stay
    register(&mut s, &[("4_d.up.sql", "CREATE TABLE d (); SELECT 1 / 0")]);
    fails(&mut s, "SELECT strata.migrate_up()", "22012", &[]);
    fails(&mut s, "CALL strata.migrate_deploy()", "22012", &[]);
    exec(&mut s, "CREATE TABLE by_hand_too ()");
    assert_eq!(of(&mut s, "4").matches("CREATE").count(), 1);
    assert_eq!(rows(&mut s, OUTSIDE).lines().count(), 2);
}

#[test]
fn deferred_statements_and_tenants_have_their_version() {
    let db = database("capture_tenants");
    let mut s = db.session();
    captured(&mut s);
    exec(
        &mut s,
        "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE big (x int); INSERT INTO big VALUES (1)",
    );
    register(&mut s, &[("1_a.up.sql", "CREATE TABLE a ()")]);
    exec(&mut s, "SELECT strata.migrate_up_each('{one,two}')");
    assert_eq!(
        of(&mut s, "1"),
        "CREATE TABLE table one.a, CREATE TABLE table two.a"
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT tenant, object FROM strata.migrate_change WHERE version = '1' ORDER BY id"
        ),
        "one|one.a\ntwo|two.a"
    );
    register(
        &mut s,
        &[("2_b.up.sql", "CREATE INDEX CONCURRENTLY big_x ON big (x)")],
    );
    assert_eq!(
        run(&mut s, "migrate_up(nontransactional => 'defer')"),
        "1 applied, 2 waiting"
    );
    crate::common::wait_until("the index", || {
        one(
            &mut s,
            "SELECT state FROM strata.migrate_status() WHERE version = '2'",
        ) == "applied"
    });
    assert_eq!(of(&mut s, "2"), "CREATE INDEX index public.big_x");
}

#[test]
fn who_may_see_what() {
    let db = database("capture_rights");
    db.run(
        "CREATE ROLE ca_owner LOGIN; CREATE ROLE ca_member LOGIN IN ROLE ca_owner; CREATE ROLE ca_other LOGIN; CREATE ROLE ca_watcher LOGIN IN ROLE pg_monitor;
         GRANT CREATE ON DATABASE capture_rights TO ca_owner; GRANT CREATE ON SCHEMA public TO PUBLIC; SELECT strata.migrate_capture(true)",
    );
    let mut owner = db.session_as("ca_owner");
    register(&mut owner, &[("1_a.up.sql", "CREATE TABLE a ()")]);
    assert_eq!(run(&mut owner, "migrate_up()"), "1 applied");
    exec(&mut owner, "CREATE TABLE by_owner ()");
    let mut other = db.session_as("ca_other");
    exec(&mut other, "CREATE TABLE by_other ()");
    db.run(
        "CREATE TABLE by_superuser (); SET ROLE ca_other; CREATE TABLE by_superuser_as_other ()",
    );
    let see =
        |s: &mut Client| rows(s, "SELECT object FROM strata.migrate_changes()").replace('\n', " ");
    assert_eq!(see(&mut owner), "public.by_owner");
    let mut member = db.session_as("ca_member");
    assert_eq!(see(&mut member), "public.by_owner");
    assert_eq!(
        see(&mut other),
        "public.by_other public.by_superuser_as_other"
    );
    let all = "public.by_owner public.by_other public.by_superuser public.by_superuser_as_other";
    let mut watcher = db.session_as("ca_watcher");
    assert_eq!(see(&mut watcher), all);
    assert_eq!(see(&mut db.session()), all);
    for s in [&mut owner, &mut member, &mut watcher] {
        assert_eq!(of(s, "1"), "CREATE TABLE table public.a");
    }
    fails(
        &mut other,
        "SELECT strata.migrate_changes('1')",
        "42501",
        &["denied"],
    );
    assert_eq!(
        rows(
            &mut watcher,
            "SELECT strata.migrate_changes('1', 'nowhere')"
        ),
        ""
    );
    fails(
        &mut other,
        "SELECT strata.migrate_changes('1', 'nowhere')",
        "42704",
        &["nowhere"],
    );
    for s in [&mut owner, &mut watcher] {
        for enable in [true, false] {
            fails(
                s,
                &format!("SELECT strata.migrate_capture({enable})"),
                "42501",
                &["denied"],
            );
        }
        for sql in [
            "SELECT * FROM strata.migrate_change",
            "DELETE FROM strata.migrate_change",
            "INSERT INTO strata.migrate_change (command, kind, role, session_role) VALUES ('x', 'x', 'x', 'x')",
            "SELECT strata._migrate_captured()",
        ] {
            fails(s, sql, "42501", &["denied"]);
        }
    }
    let mut s = db.session();
    fails(
        &mut s,
        "SELECT strata.migrate_capture(NULL)",
        "22004",
        &["enable"],
    );
    fails(
        &mut s,
        "SELECT strata._migrate_captured()",
        "0A000",
        &["event trigger"],
    );
    // the role that is active counts, as for other commands
    exec(&mut s, "SET ROLE ca_owner");
    fails(
        &mut s,
        "SELECT strata.migrate_capture(false)",
        "42501",
        &["denied"],
    );
}

#[test]
fn a_dump_keeps_what_was_captured_and_a_restore_is_not_captured() {
    let db = database("capture_dump");
    let mut s = db.session();
    captured(&mut s);
    register(&mut s, &[("1_a.up.sql", "CREATE TABLE a (x int)")]);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    exec(
        &mut s,
        "CREATE TABLE b (); CREATE MATERIALIZED VIEW m AS SELECT 1 AS x",
    );
    let (before, version) = (rows(&mut s, OUTSIDE), of(&mut s, "1"));
    let dump = db.cluster.dump("capture_dump");
    let restored = Db::empty(db.cluster, "capture_restored");
    restored.run(&dump);
    let mut r = restored.session();
    assert_eq!(rows(&mut r, OUTSIDE), before);
    assert_eq!(of(&mut r, "1"), version);
    assert_eq!(one(&mut r, TRIGGERS), "0");
    exec(
        &mut r,
        "CREATE TABLE c (); SELECT strata.migrate_capture(true); CREATE TABLE d ()",
    );
    // numbers go on where they were
    assert_eq!(
        one(
            &mut r,
            "SELECT object FROM strata.migrate_change ORDER BY id DESC LIMIT 1"
        ),
        "public.d"
    );
}

#[test]
fn the_extension_goes_with_its_triggers_and_others_come_and_go_as_one() {
    let db = database("capture_drop");
    let mut s = db.session();
    captured(&mut s);
    let offered = "SELECT name FROM pg_available_extensions WHERE name IN ('hstore', 'citext', 'pg_trgm', 'lo') ORDER BY 1 LIMIT 1";
    let other = one(&mut s, offered);
    if other.is_empty() {
        println!("this server has no other extensions: what needs one is left out");
    } else {
        exec(
            &mut s,
            &format!("CREATE EXTENSION {other}; DROP EXTENSION {other}"),
        );
        assert_eq!(
            rows(
                &mut s,
                "SELECT command, kind, object FROM strata.migrate_changes()"
            ),
            format!("CREATE EXTENSION|extension|{other}\nDROP EXTENSION|extension|{other}")
        );
    }
    fails(
        &mut s,
        "DROP EVENT TRIGGER strata_capture_ddl",
        "2BP01",
        &["extension pg_strata"],
    );
    // what was switched off is on again
    exec(
        &mut s,
        "ALTER EVENT TRIGGER strata_capture_drop DISABLE; SELECT strata.migrate_capture(true)",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM pg_event_trigger WHERE evtname LIKE 'strata_capture_%' AND evtenabled = 'A'"
        ),
        "2"
    );
    exec(&mut s, "DROP EXTENSION pg_strata");
    assert_eq!(one(&mut s, TRIGGERS), "0");
    exec(
        &mut s,
        "CREATE TABLE free (); CREATE EXTENSION pg_strata; SELECT strata.migrate_capture(true); CREATE TABLE again ()",
    );
    assert_eq!(
        rows(&mut s, "SELECT object FROM strata.migrate_changes()"),
        "public.again"
    );
    exec(&mut s, "ALTER EXTENSION pg_strata UPDATE");
    exec(
        &mut s,
        "BEGIN; DROP EXTENSION pg_strata; ROLLBACK; CREATE TABLE more ()",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT max(object) FROM strata.migrate_changes() WHERE kind = 'table'"
        ),
        "public.more"
    );
}

#[test]
fn changes_go_on_when_they_cannot_be_written_down() {
    let db = database("capture_locked");
    let (mut s, mut other) = (db.session(), db.session());
    captured(&mut s);
    exec(&mut s, "CREATE TABLE a (x int)");
    exec(&mut other, "BEGIN; LOCK TABLE strata.migrate_change");
    exec(
        &mut s,
        "SET lock_timeout = '1ms'; CREATE TABLE b (); DROP TABLE b",
    );
    exec(&mut other, "ROLLBACK");
    assert_eq!(
        rows(&mut s, "SELECT object FROM strata.migrate_changes()"),
        "public.a"
    );
    // whoever may do little is captured as everybody else, whatever he has set
    db.run("CREATE ROLE ca_little LOGIN; GRANT CREATE ON SCHEMA public TO ca_little");
    let mut little = db.session_as("ca_little");
    exec(
        &mut little,
        "CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'called as %', current_user; END $$;
         SET search_path = public, pg_catalog; SET default_transaction_read_only = off; CREATE TABLE l (x int)",
    );
    exec(
        &mut little,
        "BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE l2 (); COMMIT",
    );
    assert_eq!(
        rows(
            &mut little,
            "SELECT object, role FROM strata.migrate_changes()"
        ),
        "public.lower(pg_catalog.text)|ca_little\npublic.l|ca_little\npublic.l2|ca_little"
    );
    // the name is known to whoever was connected, and to whom he had made himself
    exec(
        &mut s,
        "RESET lock_timeout; SET session_replication_role = replica; CREATE TABLE replicated (); RESET session_replication_role",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.migrate_changes() WHERE object = 'public.replicated'"
        ),
        "1"
    );
    // one trigger of the user that makes objects itself
    exec(
        &mut s,
        "CREATE FUNCTION made() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'CREATE VIEW' THEN CREATE TABLE from_trigger (); END IF; END $$;
         CREATE EVENT TRIGGER a_first ON ddl_command_end EXECUTE FUNCTION made(); CREATE VIEW seen AS SELECT 1 AS x",
    );
    assert_eq!(
        one(
            &mut s,
            "SELECT string_agg(object, ' ' ORDER BY object) FROM strata.migrate_changes() WHERE object IN ('public.seen', 'public.from_trigger')"
        ),
        "public.from_trigger public.seen"
    );
}

#[test]
fn two_sessions_switch_it_on_at_once() {
    let db = database("capture_twice");
    for _ in 0..5 {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| captured(&mut db.session()));
            }
        });
        assert_eq!(db.one(TRIGGERS), "2");
        db.run("SELECT strata.migrate_capture(false)");
    }
}

/// Chunks come and go: on demand, by policies, by hand; queues make tables of their own.
#[test]
fn what_the_extension_makes_for_itself_is_no_change() {
    let server = Cluster::builder().preload(true).start();
    let db = Db::new(&server, "capture_chunks");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE h (ts timestamptz NOT NULL, v int, PRIMARY KEY (ts, v)); CREATE ROLE ca_reader; GRANT SELECT ON h TO ca_reader;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER fires BEFORE INSERT ON h FOR EACH ROW EXECUTE FUNCTION f();
         SELECT strata.create_hypertable('h', 'ts'); CREATE INDEX h_v ON h (v); COMMENT ON TABLE h IS 'x'",
    );
    captured(&mut s);
    exec(
        &mut s,
        "INSERT INTO h SELECT '2024-01-01'::timestamptz + n * interval '30 days', n FROM generate_series(1, 5) n",
    );
    exec(
        &mut s,
        "SELECT strata.drop_chunks('h', older_than => '2024-03-01'::timestamptz)",
    );
    exec(&mut s, "SELECT strata.create_queue('jobs')");
    assert_eq!(
        rows(
            &mut s,
            "SELECT command, kind, object FROM strata.migrate_changes()"
        ),
        ""
    );
    exec(
        &mut s,
        "ALTER TABLE h ADD COLUMN w int; CREATE INDEX h_w ON h (w)",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT command, kind, object FROM strata.migrate_changes()"
        ),
        "ALTER TABLE|table|public.h\nCREATE INDEX|index|public.h_w"
    );
}

#[test]
fn the_oldest_are_deleted_while_new_ones_come() {
    let server = Cluster::builder()
        .set("strata.capture_keep", "1500")
        .start();
    let db = Db::new(&server, "capture_keep");
    let mut s = db.session();
    captured(&mut s);
    // of both kinds together
    exec(
        &mut s,
        "DO $$ BEGIN FOR n IN 1..3100 LOOP EXECUTE 'COMMENT ON SCHEMA public IS ' || quote_literal(n); END LOOP; END $$",
    );
    let kept = "SELECT min(id) > 1400, max(id), count(*) < 1700 FROM strata.migrate_change";
    assert_eq!(rows(&mut s, kept), "t|3100|t");
    // what is rolled back takes numbers, and no place
    let before = one(&mut s, "SELECT count(*) FROM strata.migrate_change");
    exec(
        &mut s,
        "DO $$ BEGIN FOR n IN 1..2000 LOOP BEGIN COMMENT ON SCHEMA public IS 'x'; IF n < 2000 THEN RAISE EXCEPTION 'u'; END IF;
           EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$",
    );
    assert_eq!(
        one(&mut s, "SELECT max(id) FROM strata.migrate_change"),
        "5100"
    );
    exec(
        &mut s,
        "DO $$ BEGIN FOR n IN 1..899 LOOP BEGIN COMMENT ON SCHEMA public IS 'x'; RAISE EXCEPTION 'u'; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$",
    );
    exec(&mut s, "COMMENT ON SCHEMA public IS 'the 6000th'");
    let after = rows(
        &mut s,
        "SELECT count(*), max(id) FROM strata.migrate_change",
    );
    assert!(before.parse::<i32>().unwrap() >= 1500, "{before}");
    assert_eq!(after, "1500|6000");
    server.configure(&[("strata.capture_keep", "0")]);
    server.reload();
    let mut s = db.session();
    exec(
        &mut s,
        "DO $$ BEGIN FOR n IN 1..2000 LOOP EXECUTE 'COMMENT ON SCHEMA public IS ' || quote_literal(n); END LOOP; END $$",
    );
    assert_eq!(
        rows(
            &mut s,
            "SELECT max(id), count(*) = 3500 FROM strata.migrate_change"
        ),
        "8000|t"
    );
}

#[test]
fn a_standby_shows_what_was_captured() {
    let server = Cluster::builder().start();
    let db = Db::new(&server, "capture_standby");
    let mut s = db.session();
    captured(&mut s);
    exec(&mut s, "CREATE TABLE a ()");
    register(&mut s, &[("1_b.up.sql", "CREATE TABLE b ()")]);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    let standby = server.standby();
    let mut r = standby.client("capture_standby");
    assert_eq!(
        one(&mut r, "SELECT object FROM strata.migrate_changes()"),
        "public.a"
    );
    assert_eq!(of(&mut r, "1"), "CREATE TABLE table public.b");
    for call in [
        "migrate_capture(true)",
        "migrate_capture(false)",
        "migrate_explain()",
        "migrate_explain(body => 'SELECT 1')",
    ] {
        fails(
            &mut r,
            &format!("SELECT strata.{call}"),
            "25006",
            &["recovery"],
        );
    }
}
