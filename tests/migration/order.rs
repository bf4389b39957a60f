//! What comes before what: requirements, baseline files, repeatables; and settings of a namespace.

use crate::support::{database, exec, fails, one, register, rows, run, states};

#[test]
fn files_run_behind_what_they_require() {
    let db = database("order_requires");
    let mut s = db.session();
    let log = |name: &str, requires: &str| {
        let header = match requires {
            "" => String::new(),
            list => format!("-- strata: requires={list}\n"),
        };
        format!("{header}INSERT INTO log (name) VALUES ('{name}');")
    };
    exec(&mut s, "CREATE TABLE log (n serial, name text)");
    register(
        &mut s,
        &[
            ("1_a.up.sql", &log("1", "")),
            ("2_b.up.sql", &log("2", "R__views")),
            ("R__views.sql", &log("views", "1")),
            // by their names, but for what they require
            ("R__a.sql", &log("a", "R__z")),
            ("R__z.sql", &log("z", "2")),
        ],
    );
    let applied = "SELECT string_agg(outcome, ' ') FROM strata.migrate_up()";
    assert_eq!(
        one(&mut s, applied),
        "applied applied applied applied applied"
    );
    let order = "SELECT string_agg(name, ' ' ORDER BY n) FROM log";
    assert_eq!(one(&mut s, order), "1 views 2 z a");
    assert_eq!(run(&mut s, "migrate_up()"), "");
    // what cannot be is told before anything runs
    for (files, problem, code, named) in [
        (
            &[("3_c.up.sql", "99")][..],
            "unknown_requirement",
            "42704",
            "\"99\"",
        ),
        (
            &[("4_d.up.sql", "5"), ("5_e.up.sql", "")],
            "unmet_requirement",
            "55000",
            "\"5\"",
        ),
        (
            &[("R__c.sql", "R__d"), ("R__d.sql", "R__c")],
            "circle",
            "22023",
            "R__c -> R__d",
        ),
    ] {
        let texts: Vec<_> = files.iter().map(|(f, r)| (*f, log("never", r))).collect();
        let texts: Vec<_> = texts.iter().map(|(f, t)| (*f, t.as_str())).collect();
        register(&mut s, &texts);
        let problems = "SELECT string_agg(DISTINCT problem, ' ') FROM strata.migrate_validate()";
        assert_eq!(one(&mut s, problems), problem);
        let error = fails(&mut s, "SELECT strata.migrate_up()", code, &[]);
        let said = format!("{} {:?}", error.message(), error.detail());
        assert!(said.replace("\\\"", "\"").contains(named), "{said}");
        for (file, _) in files {
            let version = file.split_once('_').unwrap().0;
            let name = if version == "R" { file } else { version };
            let forget = format!("SELECT strata.migrate_unregister('{name}')");
            assert_eq!(one(&mut s, &forget), "t");
        }
    }
    assert_eq!(one(&mut s, order), "1 views 2 z a");
}

#[test]
fn a_baseline_file_stands_for_what_is_below_it() {
    let files = [
        ("V1__a.sql", "CREATE TABLE a ()"),
        ("V2__b.sql", "CREATE TABLE b ()"),
        (
            "B2__both.sql",
            "CREATE TABLE a (); CREATE TABLE b (); CREATE TABLE base ()",
        ),
        ("V3__c.sql", "CREATE TABLE c ()"),
    ];
    let db = database("order_baseline");
    let mut s = db.session();
    register(&mut s, &files);
    assert_eq!(run(&mut s, "migrate_up()"), "2 applied, 3 applied");
    // the file itself ran
    assert_eq!(
        states(&mut s),
        "1 baseline, 2 applied, 2 baseline, 3 applied"
    );
    assert_eq!(one(&mut s, "SELECT to_regclass('base') IS NOT NULL"), "t");
    assert_eq!(run(&mut s, "migrate_up()"), "");
    fails(
        &mut s,
        "SELECT strata.migrate_down(all_versions => true)",
        "55000",
        &["2"],
    );
    // where something is applied it is passed over
    let db = database("order_no_baseline");
    let mut s = db.session();
    register(&mut s, &files[..1]);
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    register(&mut s, &files);
    assert_eq!(run(&mut s, "migrate_up()"), "2 applied, 3 applied");
    assert_eq!(one(&mut s, "SELECT to_regclass('base') IS NULL"), "t");
}

#[test]
fn so_many_snapshots_are_kept_as_the_namespace_says() {
    let db = database("order_snapshots");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.migrate_configure('default', settings => '{\"keep_snapshots\": 2}')",
    );
    for n in 1..=4 {
        let file = format!("{n}_a.up.sql");
        register(&mut s, &[(&file, &format!("CREATE TABLE t{n} ()"))]);
        run(&mut s, "migrate_up()");
    }
    let kept = "SELECT string_agg(version, ' ' ORDER BY id) FROM strata.migrate_snap";
    assert_eq!(one(&mut s, kept), "3 4");
    let since = "SELECT object FROM strata.migrate_drift(since => '3')";
    assert_eq!(rows(&mut s, since), "public.t4");
    fails(
        &mut s,
        "SELECT * FROM strata.migrate_drift(since => '2')",
        "42704",
        &["\"2\""],
    );
    for (settings, code) in [
        ("{\"keep_snapshots\": -1}", "22023"),
        ("{\"other\": 1}", "22023"),
    ] {
        let sql = format!("SELECT strata.migrate_configure('default', settings => '{settings}')");
        fails(&mut s, &sql, code, &[]);
    }
}

#[test]
fn a_dump_of_a_newer_server_sets_what_this_one_does_not_know() {
    let db = database("order_unknown");
    let mut s = db.session();
    let dump = "--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\nSET parameter_of_version_99 = 0;\nCREATE TABLE public.a ();\n";
    let plain = "SET parameter_of_version_99 = 0;\nCREATE TABLE b ();";
    register(
        &mut s,
        &[("1_dump.up.sql", dump), ("2_plain.up.sql", plain)],
    );
    assert_eq!(run(&mut s, "migrate_up(target => '1')"), "1 applied");
    let note = "SELECT note FROM strata.migrate_history() h, LATERAL (SELECT h.reason AS note) n WHERE event = 'up'";
    rows(&mut s, note);
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "42704",
        &["parameter_of_version_99"],
    );
    assert_eq!(states(&mut s), "1 applied, 2 pending");
}

#[test]
fn repeatables_and_hooks_are_forgotten_by_name() {
    let db = database("order_forget");
    let mut s = db.session();
    register(
        &mut s,
        &[
            ("R__a.sql", "SELECT 1"),
            ("R__b b.sql", "SELECT 1"),
            ("before_all.sql", "SELECT 1"),
            ("after_each.sql", "SELECT 1"),
        ],
    );
    let forget = |s: &mut postgres::Client, name: &str| {
        one(s, &format!("SELECT strata.migrate_unregister('{name}')"))
    };
    let left = "SELECT string_agg(up_filename, ', ' ORDER BY up_filename) FROM strata.migrate_file";
    assert_eq!(forget(&mut s, "R__a"), "t");
    assert_eq!(forget(&mut s, "before_all"), "t");
    assert_eq!(one(&mut s, left), "R__b b.sql, after_each.sql");
    assert_eq!(forget(&mut s, "after_each.sql"), "t");
    exec(&mut s, "SELECT strata.migrate_up()");
    fails(
        &mut s,
        "SELECT strata.migrate_unregister('R__b b')",
        "55000",
        &["\"R__b b\" is applied"],
    );
    for name in ["R__a", "before_all", "after_each.sql"] {
        assert_eq!(forget(&mut s, name), "f");
    }
    for name in ["x", ""] {
        let sql = format!("SELECT strata.migrate_unregister('{name}')");
        fails(&mut s, &sql, "22023", &["is not a version"]);
    }
    assert_eq!(one(&mut s, left), "R__b b.sql");
}
