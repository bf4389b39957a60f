//! What lint says of files and texts, with the tables as they are.

use crate::support::{database, exec};
use postgres::Client;

/// What the rules say of a text: rule, severity, object.
#[track_caller]
pub fn told(s: &mut Client, body: &str) -> String {
    let sql = "SELECT rule || ' ' || severity || ' ' || coalesce(object, '-') FROM strata.migrate_lint(body => $1)";
    let found = s.query(sql, &[&body]);
    let found = found.unwrap_or_else(|e| panic!("{body}: {:?}", e.as_db_error()));
    let lines: Vec<String> = found.iter().map(|r| r.get(0)).collect();
    lines.join("\n")
}

/// Only these rules fire.
#[track_caller]
pub fn rules(s: &mut Client, body: &str, expected: &[&str]) {
    let found = told(s, body);
    let mut found: Vec<&str> = found.lines().filter_map(|l| l.split(' ').next()).collect();
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "{body}");
}

/// Tables: `big` has more than 128 pages, `small` a few rows, `bare` none.
pub const TABLES: &str = "
    CREATE TABLE big (id bigint PRIMARY KEY, n int NOT NULL, v varchar(10), t text, z timestamp, x int, y int);
    INSERT INTO big SELECT i, i, 'v', repeat('x', 200), now(), 1, 1 FROM generate_series(1, 8000) i;
    ALTER TABLE big ADD CONSTRAINT x_known CHECK (x IS NOT NULL AND n > 0);
    ALTER TABLE big ADD CONSTRAINT y_later CHECK (y IS NOT NULL) NOT VALID;
    CREATE INDEX big_n ON big (n);
    CREATE TABLE small (id int PRIMARY KEY, n int);
    INSERT INTO small SELECT i, i FROM generate_series(1, 20) i;
    CREATE TABLE bare (id bigint PRIMARY KEY, n int);
    CREATE TABLE parted (id bigint, n int) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100000);
    INSERT INTO parted SELECT i, i FROM generate_series(1, 40000) i;
    CREATE TABLE parted_empty (id bigint, n int) PARTITION BY RANGE (id);
    CREATE SCHEMA \"Größe\";
    CREATE TABLE \"Größe\".\"Zähler\" (id bigint PRIMARY KEY, \"Änderung\" int, t text);
    INSERT INTO \"Größe\".\"Zähler\" SELECT i, i, repeat('x', 200) FROM generate_series(1, 8000) i;
    CREATE MATERIALIZED VIEW seen AS SELECT * FROM big;
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE FUNCTION own_volatile() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1';
    CREATE FUNCTION own_stable() RETURNS int LANGUAGE sql STABLE AS 'SELECT 1'";

#[test]
fn rules_fire_on_large_tables_and_are_quiet_on_small_ones() {
    let db = database("lint_rules");
    db.run(TABLES);
    let mut s = db.session();
    exec(&mut s, "SET timezone = 'Europe/Berlin'");
    for (body, expected) in [
        // `$` is a table: what is said of the large one, nothing of the small and the new one
        ("CREATE INDEX extra ON $ (n, id)", "index_blocks_writes"),
        ("REINDEX TABLE $", "reindex_blocks"),
        ("ALTER TABLE $ ALTER COLUMN n TYPE bigint", "rewrite_type"),
        (
            "ALTER TABLE $ ADD COLUMN c float DEFAULT random()",
            "rewrite_default",
        ),
        (
            "ALTER TABLE $ ADD COLUMN c int DEFAULT own_volatile()",
            "rewrite_default",
        ),
        ("ALTER TABLE $ ADD COLUMN c bigserial", "rewrite_default"),
        (
            "ALTER TABLE $ ADD COLUMN c bigint GENERATED ALWAYS AS (n * 2) STORED",
            "rewrite_other",
        ),
        (
            "ALTER TABLE $ ADD COLUMN c bigint GENERATED ALWAYS AS IDENTITY",
            "rewrite_other",
        ),
        ("ALTER TABLE $ SET UNLOGGED", "rewrite_other"),
        ("VACUUM FULL $", "rewrite_other"),
        ("ALTER TABLE $ ADD CONSTRAINT c CHECK (n > 0)", "check_scan"),
        (
            "ALTER TABLE $ ADD CONSTRAINT c UNIQUE (n, id)",
            "unique_builds_index",
        ),
        ("UPDATE $ SET n = 1", "update_all_rows"),
        ("DELETE FROM $", "update_all_rows"),
    ] {
        rules(&mut s, &body.replace('$', "big"), &[expected]);
        rules(&mut s, &body.replace('$', "small"), &[]);
        let new = format!(
            "CREATE TABLE fresh (id bigint PRIMARY KEY, n int); {}",
            body.replace('$', "fresh")
        );
        rules(&mut s, &new, &[]);
    }
    for (body, expected) in [
        ("DROP INDEX big_n", &["drop_index_blocks"][..]),
        ("REINDEX INDEX big_n", &["reindex_blocks"]),
        (
            "ALTER TABLE big ALTER COLUMN t SET NOT NULL",
            &["not_null_scan"],
        ),
        (
            "ALTER TABLE big ALTER COLUMN y SET NOT NULL",
            &["not_null_scan"],
        ),
        // known by a CHECK that is valid, or by itself
        ("ALTER TABLE big ALTER COLUMN x SET NOT NULL", &[]),
        ("ALTER TABLE big ALTER COLUMN n SET NOT NULL", &[]),
        ("ALTER TABLE small ALTER COLUMN n SET NOT NULL", &[]),
        // no new type, and no new values
        ("ALTER TABLE big ALTER COLUMN v TYPE varchar(20)", &[]),
        ("ALTER TABLE big ALTER COLUMN v TYPE text", &[]),
        ("ALTER TABLE big ALTER COLUMN t TYPE varchar", &[]),
        (
            "ALTER TABLE big ALTER COLUMN v TYPE varchar(5)",
            &["rewrite_type"],
        ),
        (
            "ALTER TABLE big ALTER COLUMN t TYPE varchar(20)",
            &["rewrite_type"],
        ),
        (
            "ALTER TABLE big ALTER COLUMN z TYPE timestamptz",
            &["rewrite_type"],
        ),
        (
            "SET LOCAL timezone = 'UTC'; ALTER TABLE big ALTER COLUMN t TYPE text USING lower(t)",
            &["rewrite_type"],
        ),
        ("ALTER TABLE big ADD COLUMN c int DEFAULT 5", &[]),
        (
            "ALTER TABLE big ADD COLUMN c timestamptz DEFAULT now()",
            &[],
        ),
        ("ALTER TABLE big ADD COLUMN c int DEFAULT own_stable()", &[]),
        ("ALTER TABLE big ADD COLUMN c int", &[]),
        (
            "ALTER TABLE big ADD CONSTRAINT c CHECK (n > 1) NOT VALID",
            &[],
        ),
        ("UPDATE big SET n = 1 WHERE id = 1", &[]),
        ("CREATE INDEX ON parted (n)", &["index_blocks_writes"]),
        ("CREATE INDEX ON parted_empty (n)", &[]),
        (
            "ALTER TABLE parted_1 ALTER COLUMN n TYPE bigint",
            &["rewrite_type"],
        ),
        (
            "ALTER TABLE parted ALTER COLUMN n TYPE bigint",
            &["rewrite_type"],
        ),
        ("CREATE INDEX ON seen (n)", &["index_blocks_writes"]),
        (
            "CREATE INDEX ON \"Größe\".\"Zähler\" (\"Änderung\")",
            &["index_blocks_writes"],
        ),
        (
            "SET LOCAL search_path = \"Größe\"; ALTER TABLE \"Zähler\" ALTER COLUMN \"Änderung\" SET NOT NULL",
            &["not_null_scan"],
        ),
    ] {
        rules(&mut s, body, expected);
    }
    assert_eq!(
        told(&mut s, "CREATE INDEX ON \"Größe\".\"Zähler\" (t)"),
        "index_blocks_writes info Größe.Zähler"
    );
    // in UTC both are the same number
    exec(&mut s, "SET timezone = 'UTC'");
    rules(
        &mut s,
        "ALTER TABLE big ALTER COLUMN z TYPE timestamptz",
        &[],
    );
    // the lock of somebody else is not waited for, and the last known size is taken
    exec(&mut s, "ANALYZE big");
    let mut other = db.session();
    exec(&mut other, "BEGIN; LOCK big");
    rules(
        &mut s,
        "CREATE INDEX ON big (n, id)",
        &["index_blocks_writes"],
    );
    exec(&mut other, "ROLLBACK");
}

#[test]
fn rules_of_loss_names_and_keys_fire() {
    let db = database("lint_loss");
    db.run(TABLES);
    let mut s = db.session();
    for (body, expected) in [
        (
            "ALTER TABLE small ADD COLUMN c int NOT NULL",
            "add_required_column error public.small.c",
        ),
        ("ALTER TABLE bare ADD COLUMN c int NOT NULL", ""),
        ("ALTER TABLE small ADD COLUMN c int NOT NULL DEFAULT 1", ""),
        (
            "ALTER TABLE big DROP COLUMN v",
            "drop_column warning public.big.v",
        ),
        (
            "ALTER TABLE small DROP COLUMN n",
            "drop_column info public.small.n",
        ),
        ("ALTER TABLE bare DROP COLUMN n", ""),
        ("DROP TABLE big", "drop_table warning public.big"),
        ("DROP TABLE small", "drop_table info public.small"),
        ("DROP TABLE bare", ""),
        ("DROP TABLE IF EXISTS nowhere", ""),
        ("TRUNCATE small", "truncate info public.small"),
        ("TRUNCATE bare", ""),
        (
            "DROP SCHEMA \"Größe\" CASCADE",
            "drop_schema_cascade warning Größe",
        ),
        ("DROP SCHEMA \"Größe\"", ""),
        (
            "ALTER TABLE big RENAME TO large",
            "rename_breaks_clients warning public.big",
        ),
        (
            "ALTER TABLE big RENAME TO large; CREATE VIEW big AS SELECT * FROM large",
            "",
        ),
        (
            "ALTER TABLE small RENAME COLUMN n TO m",
            "rename_breaks_clients info public.small.n",
        ),
        (
            "ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'",
            "rename_breaks_clients warning mood",
        ),
        (
            "ALTER SCHEMA \"Größe\" RENAME TO size",
            "rename_breaks_clients warning Größe",
        ),
        (
            "CREATE TABLE fresh (a int); ALTER TABLE fresh RENAME COLUMN a TO b; ALTER TABLE fresh RENAME TO other",
            "",
        ),
        (
            "ALTER TYPE mood ADD VALUE 'new'; CREATE TABLE m (m mood DEFAULT 'new')",
            "enum_same_transaction error mood",
        ),
        (
            "ALTER TYPE mood ADD VALUE 'new'; CREATE TABLE m (m mood DEFAULT 'ok')",
            "",
        ),
        (
            "BEGIN; CREATE INDEX CONCURRENTLY c ON bare (n); COMMIT",
            "concurrently_in_wrapper error -",
        ),
        (
            "CREATE INDEX CONCURRENTLY c ON small (n, id)",
            "concurrent_needs_call warning -",
        ),
        ("CREATE INDEX CONCURRENTLY c ON bare (n)", ""),
        (
            "DROP INDEX CONCURRENTLY big_n",
            "concurrent_needs_call warning -",
        ),
        (
            "CREATE TABLE a (); COMMIT; CREATE TABLE b ()",
            "commit_inside warning -",
        ),
        ("BEGIN; CREATE TABLE a (); COMMIT;", ""),
        (
            "CREATE TABLE f (id bigint PRIMARY KEY, b bigint REFERENCES bare)",
            "fk_without_index info public.f",
        ),
        (
            "CREATE TABLE f (id bigint PRIMARY KEY, b bigint REFERENCES bare); CREATE INDEX ON f (b)",
            "",
        ),
        (
            "CREATE INDEX again ON small (id)",
            "duplicate_index info public.again",
        ),
        (
            "CREATE TABLE k (id serial PRIMARY KEY)",
            "int_primary_key info public.k.id",
        ),
        ("CREATE TABLE k (id bigserial PRIMARY KEY)", ""),
        (
            "CREATE TABLE a (a_name_of_seventy_bytes_is_cut_by_the_server_so_that_two_may_become_one int)",
            "name_too_long warning a_name_of_seventy_bytes_is_cut_by_the_server_so_that_two_may_become_one",
        ),
        (
            "SET search_path = \"Größe\"; CREATE TABLE a ()",
            "set_leaks info search_path\nunqualified_after_search_path info a",
        ),
        (
            "SELECT set_config('search_path', 'public', false); CREATE TABLE a ()",
            "set_leaks info search_path\nunqualified_after_search_path info a",
        ),
        ("SET LOCAL search_path = public; CREATE TABLE a ()", ""),
        ("SET work_mem = '1MB'", "set_leaks info work_mem"),
        ("SET work_mem = '1MB'; RESET work_mem", ""),
        ("CREATE ROLE r", "role_in_cluster warning r"),
        (
            "CREATE EXTENSION file_fdw",
            "depends_on_superuser warning file_fdw",
        ),
        ("CREATE EXTENSION citext", ""),
        ("COPY small TO '/tmp/x'", "depends_on_superuser warning -"),
    ] {
        assert_eq!(told(&mut s, body), expected, "{body}");
    }
    rules(
        &mut s,
        "ALTER TABLE big ADD CONSTRAINT f FOREIGN KEY (n) REFERENCES small",
        &["fk_scan"],
    );
    rules(
        &mut s,
        "ALTER TABLE big ADD CONSTRAINT f FOREIGN KEY (n) REFERENCES small NOT VALID",
        &[],
    );
    // figures, and something to do instead
    let row = s
        .query_one(
            "SELECT statement, line, est_rows BETWEEN 7000 AND 9000, bytes > 1600000, message, suggestion, version IS NULL AND filename IS NULL \
             FROM strata.migrate_lint(body => E'-- first\\n;;\\n\\n  CREATE INDEX big_x ON big (x)')",
            &[],
        )
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), (Some(1), Some(4)));
    assert!(row.get::<_, bool>(2) && row.get::<_, bool>(3) && row.get::<_, bool>(6));
    assert!(row.get::<_, String>(4).contains("public.big"));
    assert_eq!(
        row.get::<_, String>(5),
        "CREATE INDEX CONCURRENTLY big_x ON big (x); -- run by CALL strata.migrate_deploy()"
    );
}

#[test]
fn columns_that_cascade_takes_along_are_lost() {
    let db = database("advice_cascade");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);
         CREATE TABLE app.t (id int, a app.mood, b app.mood[], n positive); INSERT INTO app.t VALUES (1, 'ok', '{sad}', 1);
         CREATE TABLE empty (a app.mood); ANALYZE app.t",
    );
    let lint = |s: &mut Client, body: &str| {
        let sql = "SELECT rule, object FROM strata.migrate_lint(body => $1) WHERE rule = 'drop_column' ORDER BY 2";
        let found = s.query(sql, &[&body]).unwrap();
        let line = |r: &postgres::Row| format!("{} {}", r.get::<_, &str>(0), r.get::<_, &str>(1));
        found.iter().map(line).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        lint(&mut s, "DROP TYPE app.mood CASCADE"),
        "drop_column app.t.a, drop_column app.t.b"
    );
    assert_eq!(
        lint(&mut s, "DROP DOMAIN positive CASCADE"),
        "drop_column app.t.n"
    );
    assert_eq!(
        lint(&mut s, "SET search_path = app; DROP TYPE mood CASCADE"),
        "drop_column app.t.a, drop_column app.t.b"
    );
    assert_eq!(lint(&mut s, "DROP TYPE app.mood"), "");
}
