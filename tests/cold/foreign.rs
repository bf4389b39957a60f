//! Foreign tables over SQLite files: of ours, of others, and of nobody's good will.

use crate::support::{ColdDb, Db, exec, fails, one, rows, s3, server};
use postgres::Client;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A database with a server `shelf` on a folder of its own.
pub struct Shelf {
    pub db: Db<'static>,
    pub folder: PathBuf,
}

impl Shelf {
    pub fn new(name: &'static str) -> Shelf {
        let db = Db::new(server(), name);
        let folder = db.cluster.sandbox().folder(name, 0o755);
        db.run(&format!(
            "CREATE SERVER shelf FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file://{}')",
            folder.display()
        ));
        Shelf { db, folder }
    }

    /// Runs a script on a file of the shelf with Debian's sqlite3 shell.
    #[track_caller]
    pub fn sqlite(&self, file: &str, sql: &str) {
        write(&self.folder.join(file), sql);
    }
}

#[track_caller]
pub fn write(path: &Path, sql: &str) {
    let output = Command::new("sqlite3")
        .args(["-batch", "-bail"])
        .arg(path)
        .arg(sql)
        .output()
        .expect("sqlite3, installed by .ci/setup");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {errors}");
}

pub fn table(columns: &str, file: &str, name: &str) -> String {
    format!(
        "CREATE FOREIGN TABLE {name} ({columns}) SERVER shelf OPTIONS (key '{file}', table '{name}')"
    )
}

const PEOPLE: &str = "CREATE TABLE people(ID INTEGER PRIMARY KEY, name TEXT, height REAL, born INTEGER, seen TEXT, photo BLOB);
    INSERT INTO people VALUES (1, 'Ada', 1.5, -1000000000, '2025-01-31 12:00:00', x'00ff'),
        (2, NULL, 2, 1700000000, '2025-02-01T00:00:00.25Z', NULL), (3, 'Zoë', NULL, NULL, '2025-02-01', x'');
    CREATE INDEX people_name ON people(name);";

const PEOPLE_COLUMNS: &str = "id int, name text, height float8, born timestamptz OPTIONS (as 'unix'), \
    seen timestamp OPTIONS (as 'iso'), photo bytea";

#[test]
fn rows_of_another_program_are_read() {
    let shelf = Shelf::new("foreign_read");
    shelf.sqlite("people.db", PEOPLE);
    shelf.db.run(&table(PEOPLE_COLUMNS, "people.db", "people"));
    let mut session = shelf.db.session();
    exec(&mut session, "SET timezone = 'UTC'");
    assert_eq!(
        rows(
            &mut session,
            "SELECT id, name, height, born, seen, encode(photo, 'hex') FROM people ORDER BY id"
        ),
        "1|Ada|1.5|1938-04-24 22:13:20+00|2025-01-31 12:00:00|00ff\n2||2|2023-11-14 22:13:20+00|2025-02-01 00:00:00.25|\n3|Zoë|||2025-02-01 00:00:00|",
    );
}

/// Every query gives the same with and without conditions inside the file.
#[track_caller]
fn same(session: &mut Client, queries: &[String]) {
    for query in queries {
        exec(session, "SET strata.cold_pushdown = on");
        let with = one(session, query);
        exec(session, "SET strata.cold_pushdown = off");
        assert_eq!(with, one(session, query), "{query}");
    }
}

#[test]
fn no_condition_loses_a_row() {
    let shelf = Shelf::new("foreign_conditions");
    shelf.sqlite(
        "mixed.db",
        "CREATE TABLE mixed(i, r REAL, n NUMERIC, t TEXT, nc TEXT COLLATE NOCASE, any, u, d INTEGER);
         WITH RECURSIVE g(x) AS (SELECT -40 UNION ALL SELECT x + 1 FROM g WHERE x < 40)
         INSERT INTO mixed SELECT CASE WHEN x % 3 = 0 THEN x * 1.0 WHEN x % 7 = 0 THEN NULL ELSE x END, x / 4.0,
            CASE WHEN x % 2 THEN x ELSE x * 1.0 END, CASE WHEN x % 5 THEN 'k' || x END,
            CASE WHEN x % 2 THEN 'Key' || x ELSE 'kEY' || x END,
            CASE x % 3 WHEN 0 THEN x WHEN 1 THEN 't' || x ELSE x / 8.0 END,
            CASE WHEN x % 2 THEN x * 40000 ELSE x * 40000 + 0.75 END, x * 86399 FROM g;
         INSERT INTO mixed(r) VALUES (9007199254740992.0);
         CREATE INDEX mixed_i ON mixed(i); CREATE INDEX mixed_r ON mixed(r); CREATE INDEX mixed_n ON mixed(n);
         CREATE INDEX mixed_t ON mixed(t); CREATE INDEX mixed_nc ON mixed(nc); CREATE INDEX mixed_any ON mixed(any);
         CREATE INDEX mixed_u ON mixed(u); CREATE INDEX mixed_d ON mixed(d);",
    );
    shelf.db.run(&table(
        "i int, r float8, n bigint, t text COLLATE \"C\", nc text COLLATE \"C\", \"any\" text, \
         u timestamptz OPTIONS (as 'unix'), d date OPTIONS (as 'unix')",
        "mixed.db",
        "mixed",
    ));
    let mut queries = vec![];
    let mut ask = |condition: String| {
        queries.push(format!("SELECT md5(string_agg(m::text, ';' ORDER BY m::text)) || count(*) FROM mixed m WHERE {condition}"));
    };
    for op in ["=", "<", "<=", ">", ">=", "<>", "IS DISTINCT FROM"] {
        for value in [-40, -9, 0, 3, 7, 12] {
            ask(format!("i {op} {value}"));
            ask(format!("n {op} {value}"));
            ask(format!("r {op} {value} / 4.0"));
            ask(format!("t {op} 'k{value}'"));
            ask(format!("nc {op} 'Key{value}'"));
            ask(format!("\"any\" {op} '{value}'"));
            ask(format!("u {op} to_timestamp({value} * 40000)"));
            ask(format!("u {op} to_timestamp({value} * 40000 + 0.75)"));
            ask(format!("d {op} '1970-01-01'::date + {value}"));
        }
        ask(format!("u {op} 'infinity'"));
        ask(format!("d {op} '-infinity'"));
        ask(format!("r {op} 9007199254740993"));
        ask(format!("r {op} 'NaN'"));
    }
    for condition in [
        "i IN (3, 4, 5, NULL)",
        "i NOT IN (3, 4)",
        "NOT (i = 3 OR t = 'k4')",
        "t LIKE 'k1%'",
        "nc LIKE 'Key1%'",
        "i IS NULL",
        "t IS NOT NULL",
        "(i > 3) IS NOT TRUE",
        "i = 3 OR u < to_timestamp(0)",
        "d IN ('1970-01-05')",
        "NOT (u > to_timestamp(0))",
        "nc ^@ 'key'",
        "any IS NULL AND r > 5",
        "i = ANY (ARRAY[3.0, 4.0])",
    ] {
        ask(condition.replace("any ", "\"any\" "));
    }
    same(&mut shelf.db.session(), &queries);
    let mut session = shelf.db.session();
    let plan = rows(
        &mut session,
        "EXPLAIN (COSTS OFF) SELECT i FROM mixed WHERE i = 3 AND u >= to_timestamp(0)",
    );
    assert!(plan.contains("Foreign Scan on mixed"), "{plan}");
    assert!(plan.contains("(\"i\" = ?"), "{plan}");
    assert!(plan.contains("(\"u\" >= ?"), "{plan}");
    assert!(plan.contains("Cold File: mixed.db on shelf"), "{plan}");
    let joined = "SELECT string_agg(m.i::text, ',' ORDER BY m.i) FROM generate_series(2, 6) g, \
                  LATERAL (SELECT i FROM mixed WHERE i = g OFFSET 0) m";
    assert_eq!(one(&mut session, joined), "2,3,4,5,6");
    let plan = rows(&mut session, &format!("EXPLAIN (COSTS OFF) {joined}"));
    assert!(plan.contains("WHERE (\"i\" = ?1)"), "{plan}");
}

#[test]
fn values_that_do_not_fit_name_row_and_column() {
    let shelf = Shelf::new("foreign_misfit");
    shelf.sqlite(
        "bad.db",
        "CREATE TABLE bad(i, v, t, j, d, b, w); CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
         INSERT INTO keyed VALUES ('a', 1), ('b', 'x');
         INSERT INTO bad VALUES (1, 'abc', 'text', '{}', '2025-01-01', 1, 1), (40000, 'secretlong', CAST(x'ff' AS TEXT), '{', 17, 7, 'x');",
    );
    shelf.db.run(&table(
        "i smallint, v varchar(3), t text, j jsonb, d date, b boolean, w int",
        "bad.db",
        "bad",
    ));
    shelf.db.run(&table("k text, v int", "bad.db", "keyed"));
    let mut session = shelf.db.session();
    for column in ["i", "v", "t", "j", "d", "b", "w"] {
        let error = fails(
            &mut session,
            &format!("SELECT {column} FROM bad"),
            "HV004",
            &["does not fit", &format!("\"{column}\"")],
        );
        let detail = error.detail().unwrap_or_default();
        assert!(
            detail.contains("row 2 ") && detail.contains("bad.db"),
            "{detail}"
        );
        let all = format!("{error:?}");
        assert!(!all.contains("secretlong"), "{all}");
        assert_eq!(
            one(
                &mut session,
                &format!("SELECT {column} IS NULL FROM bad LIMIT 1")
            ),
            "f"
        );
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM bad"), "2");
    let error = fails(&mut session, "SELECT v FROM keyed", "HV004", &["\"v\""]);
    assert!(
        error.detail().unwrap_or_default().contains("row number 2"),
        "{error:?}"
    );
    assert_eq!(
        one(&mut session, "SELECT string_agg(k, ',') FROM keyed"),
        "a,b"
    );
    shelf.db.run(
        "CREATE DOMAIN small AS int CHECK (VALUE < 100);
        CREATE FOREIGN TABLE checked (i small) SERVER shelf OPTIONS (key 'bad.db', table 'bad')",
    );
    fails(&mut session, "SELECT i FROM checked", "23514", &["small"]);
}

#[test]
fn imported_files_of_ours_have_the_rows_and_types_of_the_chunk() {
    let db = Db::new(server(), "foreign_ours");
    db.metrics();
    let hot = "SELECT md5(string_agg(x::text, ';' ORDER BY id, ts)) || ' ' || count(*) FROM";
    let where_ = "x WHERE ts < '2025-02-01 00:00+00'";
    let before = db.one(&format!("{hot} m {where_}"));
    db.tier("2025-02-01");
    let key = db.keys().remove(0);
    db.run(&format!(
        "CREATE SCHEMA f; IMPORT FOREIGN SCHEMA main FROM SERVER strata_local INTO f OPTIONS (key '{key}')"
    ));
    let columns = "SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) \
                   FROM pg_attribute WHERE attrelid = 'f.m'::regclass AND attnum > 0";
    assert_eq!(
        db.one(columns),
        "id bigint, ts timestamp with time zone, dev integer, val double precision, note text"
    );
    assert_eq!(db.one(&format!("{hot} f.m {where_}")), before);
    let mut session = db.session();
    let plan = rows(
        &mut session,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT val FROM f.m WHERE id = 100 AND ts > '2025-01-02'",
    );
    assert!(plan.contains("Rows Read: 1"), "{plan}");
    let queries = [
        "id = 5",
        "ts <= '2025-01-03 00:00+00'",
        "note IS NULL",
        "note > 'n5'",
        "dev IN (1, 2)",
        "val < 3.5",
    ]
    .map(|c| {
        format!("SELECT md5(string_agg(x::text, ';' ORDER BY id)) || count(*) FROM f.m x WHERE {c}")
    });
    same(&mut session, &queries);
    exec(&mut session, "RESET strata.cold_pushdown");
    // someone has written into a copy of the file: what it says about itself is not believed
    let path = db.local_files().remove(0);
    let copy = path.with_file_name("edited.sqlite");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644)).unwrap();
    write(
        &copy,
        "UPDATE m_raw SET ts = 'soon' WHERE id = 7; INSERT INTO m_raw(id, ts, dev) VALUES (-1, 0, 1)",
    );
    let edited = key.rsplit_once('/').unwrap().0;
    db.run(&format!(
        "CREATE SCHEMA e; IMPORT FOREIGN SCHEMA main FROM SERVER strata_local INTO e OPTIONS (key '{edited}/edited.sqlite')"
    ));
    assert_eq!(
        one(&mut session, "SELECT ts = 'epoch' FROM e.m WHERE id = -1"),
        "t",
        "no stale zone map"
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM e.m WHERE ts = 'epoch'"),
        "1"
    );
    fails(
        &mut session,
        "SELECT max(ts) FROM e.m",
        "HV004",
        &["\"ts\""],
    );
    std::fs::remove_file(copy).unwrap();
}

#[test]
fn other_files_are_imported_by_declared_types() {
    let shelf = Shelf::new("foreign_import");
    shelf.sqlite("people.db", PEOPLE);
    shelf.sqlite(
        "people.db",
        "CREATE TABLE \"odd \"\" name\"(\"a'b\" VARCHAR(9), \"c); DROP TABLE x; --\" NUMERIC, plain); CREATE VIEW v AS SELECT 1;
         CREATE TABLE computed(a INT, b INT AS (a + 1)); INSERT INTO computed(a) VALUES (1);
         INSERT INTO \"odd \"\" name\" VALUES ('x', 1.5, 3)",
    );
    shelf
        .db
        .run("CREATE SCHEMA f; IMPORT FOREIGN SCHEMA \"people.db\" FROM SERVER shelf INTO f");
    let columns = "SELECT string_agg(attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod), ', ' \
                   ORDER BY attrelid::regclass::text COLLATE \"C\", attnum) FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid \
                   WHERE relkind = 'f' AND attnum > 0";
    assert_eq!(
        shelf.db.one(columns),
        "f.\"odd \"\" name\".a'b text, f.\"odd \"\" name\".c); DROP TABLE x; -- text, f.\"odd \"\" name\".plain text, \
         f.computed.a bigint, f.people.ID bigint, f.people.name text, f.people.height double precision, f.people.born bigint, \
         f.people.seen text, f.people.photo bytea"
    );
    assert_eq!(
        shelf.db.one("SELECT t::text FROM f.\"odd \"\" name\" t"),
        "(x,1.5,3)"
    );
    assert_eq!(
        shelf
            .db
            .one("SELECT count(*) || ' ' || sum(\"ID\") FROM f.people"),
        "3 6"
    );
    shelf.db.run("CREATE SCHEMA g; IMPORT FOREIGN SCHEMA \"people.db\" LIMIT TO (people) FROM SERVER shelf INTO g");
    assert_eq!(
        shelf
            .db
            .one("SELECT count(*) FROM pg_class WHERE relnamespace = 'g'::regnamespace"),
        "1"
    );
}

#[test]
fn names_that_postgres_gives_to_nobody_are_imported_under_others() {
    let shelf = Shelf::new("foreign_names");
    shelf.sqlite(
        "names.db",
        &format!(
            "CREATE TABLE names(ctid INT, column_1 INT, XMIN INT, tableoid TEXT, column_3, \"{}\" INT);
             INSERT INTO names VALUES (1, 2, 3, '4', '5', 6)",
            "n".repeat(64)
        ),
    );
    shelf
        .db
        .run("IMPORT FOREIGN SCHEMA \"names.db\" FROM SERVER shelf INTO public");
    let columns = "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute \
                   WHERE attrelid = 'names'::regclass AND attnum > 0";
    assert_eq!(
        shelf.db.one(columns),
        "column_1,column_2,XMIN,column_4,column_3,column_6"
    );
    assert_eq!(shelf.db.one("SELECT n::text FROM names n"), "(1,2,3,4,5,6)");
}

#[test]
fn nothing_is_written() {
    let shelf = Shelf::new("foreign_write");
    shelf.sqlite("people.db", PEOPLE);
    shelf.db.run(&table(PEOPLE_COLUMNS, "people.db", "people"));
    let mut session = shelf.db.session();
    for sql in [
        "INSERT INTO people(id) VALUES (9)",
        "UPDATE people SET name = 'x'",
        "DELETE FROM people",
        "TRUNCATE people",
    ] {
        let error = session.batch_execute(sql).expect_err(sql);
        let code = error
            .code()
            .map(|c| c.code().to_owned())
            .unwrap_or_default();
        assert!(
            ["0A000", "42809", "55000"].contains(&code.as_str()),
            "{sql}: {error:?}"
        );
    }
    assert_eq!(one(&mut session, "SELECT count(*) FROM people"), "3");
}

#[test]
fn files_with_pending_changes_are_refused() {
    let shelf = Shelf::new("foreign_wal");
    shelf.sqlite(
        "log.db",
        "PRAGMA journal_mode = wal; CREATE TABLE log(i INTEGER); INSERT INTO log VALUES (1)",
    );
    shelf.db.run(&table("i int", "log.db", "log"));
    let mut session = shelf.db.session();
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM log"),
        "1",
        "its log is empty"
    );
    let wal = shelf.folder.join("log.db-wal");
    std::fs::write(&wal, b"not empty").unwrap();
    let error = fails(
        &mut session,
        "SELECT * FROM log",
        "55000",
        &["log.db-wal", "pending"],
    );
    assert!(
        error.hint().unwrap_or_default().contains("checkpoint"),
        "{error:?}"
    );
    std::fs::remove_file(&wal).unwrap();
    let journal = shelf.folder.join("log.db-journal");
    std::fs::write(
        &journal,
        [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7, 0, 0],
    )
    .unwrap();
    fails(
        &mut session,
        "SELECT * FROM log",
        "55000",
        &["log.db-journal"],
    );
    std::fs::write(&journal, [0; 100]).unwrap();
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM log"),
        "1",
        "a journal that was ended"
    );
}

#[test]
fn only_plain_tables_that_are_named_are_read() {
    let shelf = Shelf::new("foreign_plain");
    shelf.sqlite(
        "x.db",
        "CREATE TABLE t(i); CREATE VIEW v AS SELECT * FROM t; CREATE VIRTUAL TABLE f USING fts4(a)",
    );
    std::fs::write(shelf.folder.join("noise.db"), vec![0x5a; 9000]).unwrap();
    let mut session = shelf.db.session();
    for (file, name, code) in [
        ("x.db", "v", "XX001"),
        ("x.db", "f", "XX001"),
        ("x.db", "missing", "XX001"),
        ("x.db", "sqlite_master", "XX001"),
        ("none.db", "t", "58P01"),
        ("noise.db", "t", "XX001"),
    ] {
        exec(
            &mut session,
            &format!(
                "CREATE FOREIGN TABLE bad (i int) SERVER shelf OPTIONS (key '{file}', table '{name}')"
            ),
        );
        fails(&mut session, "SELECT * FROM bad", code, &[file]);
        exec(&mut session, "DROP FOREIGN TABLE bad");
    }
    exec(
        &mut session,
        "CREATE FOREIGN TABLE t (i int, j int) SERVER shelf OPTIONS (key 'x.db', table 't')",
    );
    fails(&mut session, "SELECT j FROM t", "42703", &["\"j\""]);
    assert_eq!(one(&mut session, "SELECT count(i) FROM t"), "0");
    for (options, word) in [
        ("key '../x.db', table 't'", "key"),
        ("key 'x.db'", "table"),
        ("key 'x.db', table 't', tabel 'x'", "tabel"),
    ] {
        let sql = format!("CREATE FOREIGN TABLE bad (i int) SERVER shelf OPTIONS ({options})");
        fails(&mut session, &sql, "22023", &[word]);
    }
    let sql = "CREATE FOREIGN TABLE bad (i int OPTIONS (as 'minutes')) SERVER shelf OPTIONS (key 'x', table 't')";
    fails(&mut session, sql, "22023", &["unix_ms"]);
    exec(
        &mut session,
        "CREATE FOREIGN TABLE bad (i int OPTIONS (as 'unix')) SERVER shelf OPTIONS (key 'x.db', table 't')",
    );
    fails(&mut session, "SELECT * FROM bad", "42804", &["\"as\""]);
}

#[test]
fn rights_of_the_owner_decide_about_files() {
    let shelf = Shelf::new("foreign_rights");
    shelf.sqlite("people.db", PEOPLE);
    shelf.db.run(
        "CREATE ROLE fdw_reader; CREATE ROLE fdw_user; GRANT USAGE ON FOREIGN SERVER shelf TO fdw_reader, fdw_user;
         GRANT pg_read_server_files TO fdw_reader; GRANT CREATE, USAGE ON SCHEMA public TO fdw_reader, fdw_user",
    );
    let mut session = shelf.db.session();
    exec(&mut session, "SET ROLE fdw_user");
    exec(&mut session, &table("id int", "people.db", "people"));
    fails(
        &mut session,
        "SELECT * FROM people",
        "42501",
        &["people.db"],
    );
    fails(
        &mut session,
        "IMPORT FOREIGN SCHEMA \"people.db\" FROM SERVER shelf INTO public",
        "42501",
        &["people.db"],
    );
    exec(&mut session, "RESET ROLE");
    fails(
        &mut session,
        "SELECT * FROM people",
        "42501",
        &["people.db"],
    );
    exec(
        &mut session,
        "DROP FOREIGN TABLE people; SET ROLE fdw_reader",
    );
    exec(&mut session, &table("id int", "people.db", "people"));
    assert_eq!(one(&mut session, "SELECT count(*) FROM people"), "3");
    exec(
        &mut session,
        "GRANT SELECT ON people TO fdw_user; SET ROLE fdw_user",
    );
    assert_eq!(
        one(&mut session, "SELECT sum(id) FROM people"),
        "6",
        "as for any table"
    );
}

#[test]
fn files_in_a_bucket_follow_mapping_and_hypertable() {
    let db = Db::new(server(), "foreign_bucket");
    db.archive(&s3().endpoint(), "");
    db.metrics();
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-02-01");
    let key = db.keys().remove(0);
    db.run(&format!(
        "CREATE SCHEMA f; IMPORT FOREIGN SCHEMA main FROM SERVER archive INTO f OPTIONS (key '{key}')"
    ));
    assert_eq!(
        db.one("SELECT count(*) FROM f.m"),
        db.one("SELECT count(*) FROM m WHERE ts < '2025-02-01 00:00+00'")
    );
    let mut session = db.session();
    let plan = rows(
        &mut session,
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT note FROM f.m WHERE id = 300",
    );
    assert!(plan.contains("Rows Read: 1"), "{plan}");
    db.run("CREATE ROLE fdw_bucket; GRANT USAGE ON FOREIGN SERVER archive TO fdw_bucket; CREATE SCHEMA g AUTHORIZATION fdw_bucket");
    let import =
        format!("IMPORT FOREIGN SCHEMA main FROM SERVER archive INTO g OPTIONS (key '{key}')");
    exec(&mut session, "SET ROLE fdw_bucket");
    let error = fails(&mut session, &import, "42501", &[&key]);
    assert!(
        error.detail().unwrap_or_default().contains("hypertable"),
        "{error:?}"
    );
    exec(
        &mut session,
        "RESET ROLE; GRANT SELECT ON m TO fdw_bucket; SET ROLE fdw_bucket",
    );
    // no credentials of its own: those of postgres are not used
    assert!(session.batch_execute(&import).is_err());
    exec(
        &mut session,
        "RESET ROLE; ALTER TABLE m ENABLE ROW LEVEL SECURITY; SET ROLE fdw_bucket",
    );
    let error = fails(&mut session, &import, "42501", &[&key]);
    assert!(
        error.detail().unwrap_or_default().contains("hypertable"),
        "{error:?}"
    );
}
