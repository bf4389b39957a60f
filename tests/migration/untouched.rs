//! What a rollback does not take back, in calls that promise to leave everything as it was.

use crate::support::{database, exec, one, register, rows};

#[test]
fn sequences_that_a_trial_sets_back_are_where_they_were() {
    let db = database("untouched_sequences");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE SEQUENCE up; SELECT setval('up', 50); CREATE SEQUENCE \"Do wn\" INCREMENT -1 MAXVALUE 1000 START 900;
         SELECT setval('\"Do wn\"', 800); CREATE SEQUENCE fresh START 7; CREATE SEQUENCE drawn; CREATE SEQUENCE held; SELECT setval('held', 9)",
    );
    let moves = "SELECT setval('up', 1, false), setval('\"Do wn\"', 900), nextval('fresh'), nextval('drawn'), nextval('drawn');";
    let stand = "SELECT (SELECT (last_value, is_called) FROM up), (SELECT (last_value, is_called) FROM \"Do wn\"),
        (SELECT last_value FROM fresh), (SELECT last_value FROM drawn), (SELECT (last_value, is_called) FROM held)";
    let at = |drawn: i32| format!("(50,t)|(800,t)|8|{drawn}|(9,t)");
    register(
        &mut s,
        &[
            ("1_a.up.sql", moves),
            ("1_a.down.sql", "SELECT setval('up', 2)"),
        ],
    );
    // somebody is changing one: nobody waits for him
    let mut other = db.session();
    exec(&mut other, "BEGIN; ALTER SEQUENCE held INCREMENT 2");
    exec(&mut s, "SELECT * FROM strata.migrate_explain()");
    assert_eq!(
        rows(
            &mut s,
            &stand.replace(", (SELECT (last_value, is_called) FROM held)", "")
        ),
        "(50,t)|(800,t)|7|2"
    );
    exec(&mut other, "ROLLBACK");
    exec(&mut s, "SELECT * FROM strata.migrate_verify_down()");
    assert_eq!(rows(&mut s, stand), at(4));
    exec(&mut s, "SELECT * FROM strata.migrate_verify_up()");
    let verified = rows(&mut s, stand);
    assert!(verified.starts_with("(50,t)|(800,t)|"), "{verified}");
    // also where it fails, or is canceled
    for (end, code) in [("SELECT 1 / 0", "22012"), ("SELECT pg_sleep(60)", "57014")] {
        exec(&mut s, "SET statement_timeout = '3 s'");
        let body = format!("SELECT strata.migrate_explain(body => $b${moves} {end}$b$)");
        crate::support::fails(&mut s, &body, code, &[]);
        let left = rows(&mut s, stand);
        assert!(left.starts_with("(50,t)|(800,t)|"), "{left}");
    }
    assert_eq!(one(&mut s, "SELECT nextval('up')"), "51");
    assert_eq!(one(&mut s, "SELECT nextval('\"Do wn\"')"), "799");
}

#[test]
fn an_explanation_neither_writes_files_nor_runs_programs() {
    let db = database("untouched_files");
    let mut s = db.session();
    let folder = db.cluster.sandbox().folder("untouched", 0o777);
    let (file, program) = (folder.join("file"), folder.join("program"));
    let body = format!(
        "CREATE TABLE ct (x text); COPY ct TO '{}'; COPY ct FROM PROGRAM 'echo hi | tee {}';",
        file.display(),
        program.display()
    );
    let explained = rows(
        &mut s,
        &format!(
            "SELECT statement, note FROM strata.migrate_explain(body => $b${body}$b$) ORDER BY 1"
        ),
    );
    let notes: Vec<&str> = explained.lines().skip(1).collect();
    assert_eq!(
        notes,
        [
            "2|not run: no rollback takes back what it does",
            "3|not run: no rollback takes back what it does"
        ]
    );
    assert!(!file.exists() && !program.exists());
}
