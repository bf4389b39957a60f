//! What a team brings: numbered pairs, all of them wrapped, a data dump as the last file, and golang-migrate's table.

use crate::common::{Db, succeeds};
use crate::support::{exec, one, plain, register, rows, run};

const DATA: &str = r#"INSERT INTO client SELECT n, 'client ' || n, CASE WHEN n % 7 > 0 THEN E'a\tb\\c\n''d''' END FROM generate_series(1, 300) n;
    INSERT INTO reading SELECT n, 1 + n % 300, n / 7.0, '2024-01-01 UTC'::timestamptz + n * interval '1 min' FROM generate_series(1, 2000) n;
    SELECT setval('reading_id_seq', 2000)"#;
const SUMS: &str = "SELECT (SELECT md5(string_agg(c::text, '|' ORDER BY id)) FROM client c), (SELECT md5(string_agg(r::text, '|' ORDER BY id)) FROM reading r), (SELECT last_value FROM reading_id_seq)";

fn pairs() -> Vec<(String, String, String)> {
    [
        ("client", "CREATE TABLE client (id int PRIMARY KEY, name text NOT NULL, note text);\nCREATE INDEX client_name ON client (name);", "DROP TABLE client;"),
        ("reading", "CREATE TABLE reading (id serial PRIMARY KEY, client int NOT NULL REFERENCES client DEFERRABLE INITIALLY DEFERRED, v numeric, at timestamptz);", "DROP TABLE reading;"),
        ("mean", "CREATE FUNCTION mean(int) RETURNS numeric LANGUAGE sql STABLE AS $$\n  SELECT avg(v) FROM reading WHERE client = $1; -- BEGIN; COMMIT;\n$$;", "DROP FUNCTION mean(int);"),
        ("view", "CREATE VIEW latest AS SELECT DISTINCT ON (client) * FROM reading ORDER BY client, at DESC;", "DROP VIEW latest;"),
        ("kind", "CREATE TYPE kind AS ENUM ('a', 'b');\nALTER TABLE client ADD COLUMN kind kind NOT NULL DEFAULT 'a';", "ALTER TABLE client DROP COLUMN kind;\nDROP TYPE kind;"),
    ]
    .iter()
    .zip(1..)
    .map(|((name, up, down), n)| {
        let (begin, end) = if n % 2 == 0 { ("BEGIN;", "END;") } else { ("BEGIN;", "COMMIT;") };
        let wrap = |sql: &str| format!("{begin}\n\n{sql}\n\n{end}\n");
        (format!("{n:06}_{name}"), wrap(up), wrap(down))
    })
    .collect()
}

/// The schema as pg_dump has it, without what only one side has.
fn schema(db: &Db<'_>) -> String {
    let mut dump = db.cluster.tool("pg_dump");
    dump.args(["-s", "-n", "public", "-T", "schema_migrations", db.name]);
    let dump = succeeds(&mut dump);
    let lines = dump
        .lines()
        .filter(|l| !l.starts_with("\\restrict") && !l.starts_with("\\unrestrict"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn wrapped_pairs_and_a_data_dump_beside_golang_migrate_end_as_with_psql() {
    let by_psql = Db::empty(plain(), "whole_psql");
    for (_, up, _) in pairs() {
        by_psql.run(&up);
    }
    by_psql.run(DATA);
    let mut p = by_psql.session();
    let (sums, made) = (rows(&mut p, SUMS), schema(&by_psql));
    for (n, form) in [&[][..], &["--inserts"], &["--rows-per-insert=100"]]
        .into_iter()
        .enumerate()
    {
        let mut dump = plain().tool("pg_dump");
        dump.args(["--data-only", "whole_psql"]).args(form);
        let data = succeeds(&mut dump);
        let db = Db::new(plain(), Box::leak(format!("whole_{n}").into_boxed_str()));
        let mut s = db.session();
        // golang-migrate has come as far as 2
        exec(
            &mut s,
            "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        );
        for (_, up, _) in pairs().iter().take(2) {
            db.run(up);
        }
        exec(&mut s, "INSERT INTO schema_migrations VALUES (2, false)");
        for (name, up, down) in pairs() {
            register(
                &mut s,
                &[
                    (&format!("{name}.up.sql"), &up),
                    (&format!("{name}.down.sql"), &down),
                ],
            );
        }
        register(
            &mut s,
            &[
                ("999999_client_data.up.sql", &data),
                (
                    "999999_client_data.down.sql",
                    "BEGIN;\nTRUNCATE reading, client;\nEND;\n",
                ),
            ],
        );
        exec(&mut s, "SELECT strata.migrate_mirror('golang-migrate')");
        let row = "SELECT version || ' ' || dirty FROM schema_migrations";
        assert_eq!(
            run(&mut s, "migrate_up()"),
            "3 applied, 4 applied, 5 applied, 999999 applied",
            "{form:?}"
        );
        assert_eq!(one(&mut s, row), "999999 false");
        assert_eq!(rows(&mut s, SUMS), sums, "{form:?}");
        assert_eq!(schema(&db), made, "{form:?}");
        assert_eq!(run(&mut s, "migrate_down()"), "999999 reverted");
        assert_eq!(one(&mut s, row), "5 false");
        assert_eq!(one(&mut s, "SELECT count(*) FROM reading"), "0");
        exec(&mut s, "CALL strata.migrate_deploy()");
        assert_eq!(one(&mut s, row), "999999 false");
        assert_eq!(rows(&mut s, SUMS), sums, "{form:?}");
        assert_eq!(schema(&db), made, "{form:?}");
        assert_eq!(rows(&mut s, "SELECT * FROM strata.migrate_validate()"), "");
        // to the very beginning and back
        let all = "999999 reverted, 5 reverted, 4 reverted, 3 reverted, 2 reverted, 1 reverted";
        assert_eq!(run(&mut s, "migrate_down(all_versions => true)"), all);
        assert_eq!(one(&mut s, "SELECT count(*) FROM schema_migrations"), "0");
        assert_eq!(run(&mut s, "migrate_up()").matches("applied").count(), 6);
        assert_eq!(
            (rows(&mut s, SUMS), schema(&db)),
            (sums.clone(), made.clone()),
            "{form:?}"
        );
    }
}
