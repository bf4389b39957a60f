//! Ways back that do not lead all the way back say so.

use crate::support::{database, exec, rows};
use postgres::Client;

/// Bases and notes of what is generated for an up in a namespace of its own.
fn told(s: &mut Client, namespace: &str, up: &str) -> String {
    let put = "SELECT FROM strata.migrate_register('1_x.up.sql', $1, $2)";
    s.query(put, &[&up, &namespace]).unwrap();
    rows(
        s,
        &format!("SELECT basis, sql, note FROM strata.migrate_generate_down('1', '{namespace}')"),
    )
}

#[test]
fn nothing_that_stays_changed_is_passed_over() {
    let db = database("down_doubt");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE ROLE doubt_1; CREATE ROLE doubt_2; GRANT doubt_1 TO doubt_2 WITH ADMIN OPTION; GRANT ALL ON SCHEMA public TO doubt_1;
         CREATE TABLE c (a int); CREATE INDEX c_a ON c (a);
         CREATE TABLE full_of (a int); INSERT INTO full_of VALUES (1);
         CREATE TABLE quiet (a text) WITH (toast.autovacuum_enabled = false);
         CREATE TABLE ident (a int GENERATED ALWAYS AS IDENTITY); GRANT SELECT ON SEQUENCE ident_a_seq TO doubt_2;
         CREATE FUNCTION definer() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'; ALTER FUNCTION definer OWNER TO doubt_1;
         CREATE VIEW owned AS SELECT 1 AS x; ALTER VIEW owned OWNER TO doubt_1;
         CREATE TYPE e AS ENUM ('a', 'b'); ALTER TYPE e OWNER TO doubt_1; COMMENT ON TYPE e IS 'said';
         CREATE FUNCTION fires() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER et ON sql_drop EXECUTE FUNCTION fires()",
    );
    let mut silent: Vec<String> = Vec::new();
    for (n, (up, basis, words)) in [
        // the catalog is not what it was, and no statement says so
        ("CLUSTER c USING c_a", "manual", "does not lead back"),
        (
            "ALTER TABLE full_of ALTER a TYPE text USING 'x' || a",
            "data_loss",
            "tried, and it fails: invalid input syntax for type integer",
        ),
        ("DROP TABLE quiet", "data_loss", "does not lead back"),
        ("DROP TABLE ident", "data_loss", "does not lead back"),
        // owners, with and without a role of the file's own
        (
            "SET ROLE doubt_1; DROP FUNCTION definer(); RESET ROLE",
            "manual",
            "had owner doubt_1",
        ),
        (
            "SET ROLE doubt_1; DROP VIEW owned; RESET ROLE",
            "manual",
            "had owner doubt_1",
        ),
        ("DROP TYPE e", "manual", "had owner doubt_1; comment: said"),
        // what is not of a schema
        (
            "COMMENT ON DATABASE down_doubt IS 'x'",
            "catalog",
            "IS NULL",
        ),
        (
            "GRANT CREATE ON DATABASE down_doubt TO doubt_2",
            "syntax",
            "REVOKE CREATE",
        ),
        ("COMMENT ON ROLE doubt_1 IS 'y'", "catalog", "IS NULL"),
        ("ALTER EVENT TRIGGER et DISABLE", "manual", ""),
        ("ALTER ROLE doubt_1 CREATEDB", "manual", ""),
        (
            "ALTER DATABASE down_doubt OWNER TO doubt_1",
            "catalog",
            "OWNER TO postgres",
        ),
        // options of a membership
        (
            "GRANT doubt_1 TO doubt_2 WITH ADMIN OPTION",
            "manual",
            "what they were before is not known",
        ),
        (
            "REVOKE ADMIN OPTION FOR doubt_1 FROM doubt_2",
            "manual",
            "what they were before is not known",
        ),
        (
            "REVOKE doubt_1 FROM doubt_2",
            "catalog",
            "without the options",
        ),
        // rows
        (
            "WITH d AS (DELETE FROM full_of RETURNING a) SELECT a FROM d",
            "manual",
            "the deleted rows are not kept",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let told = told(&mut s, &format!("n{n}"), up);
        if !told
            .lines()
            .any(|l| l.starts_with(basis) && l.contains(words))
        {
            silent.push(format!("{up}: {told}"));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
    // one that leads back is not doubted
    let sound = told(
        &mut s,
        "sound",
        "CREATE TABLE new (a int); ALTER TABLE c ADD b int",
    );
    assert_eq!(
        sound,
        "syntax|ALTER TABLE c DROP COLUMN b|\nsyntax|DROP TABLE new|"
    );
}
