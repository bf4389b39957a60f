//! Forty pairs as teams have them, against psql on the same files.

use crate::common::{Db, succeeds};
use crate::support::{exec, head, one, plain, rows};

/// Pairs wrapped in BEGIN and COMMIT or END.
fn pairs() -> Vec<(String, String, String)> {
    (1..=40)
        .map(|n| {
            let (begin, end) = match n % 3 {
                0 => ("BEGIN;", "COMMIT;"),
                1 => ("begin transaction;", "END;"),
                _ => ("START TRANSACTION;", "COMMIT"),
            };
            let up = format!(
                "{begin}\nCREATE TABLE t{n} (id int PRIMARY KEY, name text DEFAULT 'a;b', parent int{});\n\
                 CREATE INDEX ON t{n} (name);\n\
                 CREATE FUNCTION f{n}() RETURNS int LANGUAGE plpgsql AS $body$ BEGIN RETURN {n}; END; $body$;\n\
                 CREATE VIEW v{n} AS SELECT id, name FROM t{n} WHERE id > f{n}();\n\
                 INSERT INTO t{n} VALUES (1, 'it''s', NULL);\n{end}\n",
                if n > 1 { format!(" REFERENCES t{}", n - 1) } else { String::new() }
            );
            let down = format!("{begin}\nDROP VIEW v{n};\nDROP FUNCTION f{n}();\nDROP TABLE t{n};\n{end}");
            (format!("{n:06}_table_{n}"), up, down)
        })
        .collect()
}

fn schema(db: &Db<'_>) -> String {
    let dump = succeeds(
        db.cluster
            .tool("pg_dump")
            .args(["-s", "-n", "public", db.name]),
    );
    // its key changes with each dump
    let lines = dump
        .lines()
        .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn forty_wrapped_pairs_end_in_the_schema_that_psql_makes() {
    let by_psql = Db::empty(plain(), "by_psql");
    let ours = Db::new(plain(), "forty");
    let mut s = ours.session();
    let pairs = pairs();
    let mut files = Vec::new();
    for (name, up, down) in &pairs {
        by_psql.run(up);
        files.push((format!("{name}.up.sql"), up.clone()));
        files.push((format!("{name}.down.sql"), down.clone()));
    }
    let set: Vec<String> = files
        .iter()
        .map(|(n, b)| format!("'{n}', '{}'", b.replace('\'', "''")))
        .collect();
    let sql = format!(
        "SELECT count(*) FROM strata.migrate_register_all(jsonb_object(ARRAY[{}]))",
        set.join(", ")
    );
    assert_eq!(one(&mut s, &sql), "80");
    let up = "SELECT count(*), sum(statements), min(outcome) FROM strata.migrate_up()";
    assert_eq!(rows(&mut s, up), "40|280|applied");
    let native = schema(&by_psql);
    assert!(native.contains("CREATE VIEW public.v40"), "{native}");
    assert_eq!(schema(&ours), native);
    let down = "SELECT count(*), min(outcome) FROM strata.migrate_down(all_versions => true)";
    assert_eq!(rows(&mut s, down), "40|reverted");
    let left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(one(&mut s, left), "0");
    assert_eq!(rows(&mut s, up), "40|280|applied");
    assert_eq!(schema(&ours), native);
    assert_eq!(head(&mut s), "40");
}

#[test]
fn a_wrapped_file_that_fails_leaves_nothing_and_its_next_text_just_works() {
    let db = Db::new(plain(), "wrapped_fails");
    let mut s = db.session();
    let register = "SELECT strata.migrate_register('1_a.up.sql', $1)";
    let bad = "BEGIN; CREATE TABLE a (x int); INSERT INTO a VALUES (1), (1 / 0); COMMIT;";
    s.execute(register, &[&bad]).unwrap();
    let error = s.execute("SELECT strata.migrate_up()", &[]).unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "22012", "{error:?}");
    assert_eq!(error.detail(), Some("Nothing was changed."));
    assert_eq!(one(&mut s, "SELECT to_regclass('a') IS NULL"), "t");
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype IN ('advisory', 'relation') AND pid = pg_backend_pid() AND relation IS DISTINCT FROM 'pg_locks'::regclass";
    assert_eq!(one(&mut s, locks), "0");
    assert_eq!(head(&mut s), "");
    let good = "BEGIN; CREATE TABLE a (x int); INSERT INTO a VALUES (1); COMMIT;";
    s.execute(register, &[&good]).unwrap();
    assert_eq!(
        rows(&mut s, "SELECT outcome FROM strata.migrate_up()"),
        "applied"
    );
    exec(&mut s, "DROP TABLE a");
}

#[test]
fn file_three_of_five_fails_and_none_is_kept() {
    let db = Db::new(plain(), "three_of_five");
    let mut s = db.session();
    for n in 1..=5 {
        let body = if n == 3 {
            "CREATE TABLE t1 ()".to_string()
        } else {
            format!("CREATE TABLE t{n} ()")
        };
        let name = format!("{n}_t.up.sql");
        s.execute("SELECT strata.migrate_register($1, $2)", &[&name, &body])
            .unwrap();
    }
    let error = s.execute("SELECT strata.migrate_up()", &[]).unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code().code(), "42P07", "{error:?}");
    let detail = error.detail().unwrap();
    assert_eq!(
        detail,
        "Nothing was changed: the 2 earlier files of this call were rolled back as well."
    );
    assert_eq!(one(&mut s, "SELECT to_regclass('t1') IS NULL"), "t");
    assert_eq!(head(&mut s), "");
}
