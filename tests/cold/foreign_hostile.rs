//! Files that want to harm, stores that fail, and statements that are cancelled.

use crate::common::{Fault, sqlstate};
use crate::foreign::{Shelf, table, write};
use crate::support::{BUCKET, ColdDb, Db, exec, fails, one, rows, s3, server};
use std::time::{Duration, Instant};

const ROWS: &str = "CREATE TABLE t(id INTEGER PRIMARY KEY, k TEXT, b BLOB, r REAL);
    WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 2000)
    INSERT INTO t SELECT n, 'key' || n, zeroblob(n % 300), n / 3.0 FROM g; CREATE INDEX tk ON t(k)";

const COLUMNS: &str = "id bigint, k text COLLATE \"C\", b bytea, r float8";

/// Numbers that look like chance, the same in each run.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

#[test]
fn damaged_files_give_errors_and_no_crash() {
    let shelf = Shelf::new("foreign_damaged");
    shelf.sqlite("t.db", ROWS);
    shelf.db.run(&table(COLUMNS, "t.db", "t"));
    let path = shelf.folder.join("t.db");
    let whole = std::fs::read(&path).expect("the file");
    let mut session = shelf.db.session();
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    let mut chance = Chance(7);
    let mut refused = 0;
    for round in 0..120 {
        let mut bytes = whole.clone();
        match round % 4 {
            0 => bytes.truncate(chance.below(whole.len())),
            // header and schema
            1 => (0..4).for_each(|_| bytes[chance.below(4096)] = chance.below(256) as u8),
            2 => (0..30).for_each(|_| bytes[chance.below(whole.len())] = chance.below(256) as u8),
            // a page in the place of another
            _ => {
                let pages = whole.len() / 4096;
                let (from, to) = (chance.below(pages), chance.below(pages));
                bytes.copy_within(from * 4096..(from + 1) * 4096, to * 4096);
            }
        }
        // another file under this name, as a program would do it
        let fresh = shelf.folder.join("fresh");
        std::fs::write(&fresh, &bytes).expect("a file");
        std::fs::rename(&fresh, &path).expect("its name");
        for sql in [
            "SELECT count(*), sum(length(k)), sum(length(b)), sum(r) FROM t",
            "SELECT * FROM t WHERE k = 'key77'",
            "SELECT id FROM t ORDER BY k DESC LIMIT 5",
            "SELECT * FROM t WHERE id BETWEEN 100 AND 110",
            "CREATE SCHEMA s; IMPORT FOREIGN SCHEMA \"t.db\" FROM SERVER shelf INTO s; DROP SCHEMA s CASCADE",
            "ANALYZE t",
        ] {
            let Err(error) = session.batch_execute(sql) else {
                continue;
            };
            refused += 1;
            let code = sqlstate(&error);
            let known = [
                "XX001", "HV004", "42703", "0A000", "55000", "54000", "22003",
            ];
            assert!(
                known.contains(&code.as_str()),
                "round {round}: {sql}: {error:?}"
            );
        }
    }
    assert!(refused > 100, "{refused}");
    assert_eq!(one(&mut session, "SELECT pg_backend_pid()"), pid);
    std::fs::write(&path, &whole).expect("the file");
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "2000");
}

#[test]
fn a_row_that_claims_a_gigabyte_is_an_error() {
    let shelf = Shelf::new("foreign_huge");
    shelf.sqlite(
        "big.db",
        "PRAGMA page_size = 4096; CREATE TABLE big(b); INSERT INTO big VALUES (x'00')",
    );
    shelf.db.run(&table("b bytea", "big.db", "big"));
    let path = shelf.folder.join("big.db");
    let mut bytes = std::fs::read(&path).expect("the file");
    // the only cell of page 2: size 1.3 GB, rowid 1, header of 6 bytes, a blob; no overflow page is there
    let varint = |n: u64| -> Vec<u8> {
        (0..5)
            .rev()
            .map(|i| ((n >> (7 * i)) & 0x7f) as u8 | if i > 0 { 0x80 } else { 0 })
            .collect()
    };
    let mut cell = varint(1_300_000_006);
    cell.push(1);
    cell.push(6);
    cell.extend(varint(12 + 2 * 1_300_000_000));
    cell.resize(3000, 0);
    let at = 4096 + 900;
    bytes[at..at + cell.len()].copy_from_slice(&cell);
    bytes[4096 + 8..4096 + 10].copy_from_slice(&900u16.to_be_bytes());
    bytes[4096 + 5..4096 + 7].copy_from_slice(&900u16.to_be_bytes());
    std::fs::write(&path, &bytes).expect("the file");
    let mut session = shelf.db.session();
    let error = session
        .batch_execute("SELECT length(b) FROM big")
        .expect_err("no such row");
    let code = sqlstate(&error);
    assert!(["XX001", "54000"].contains(&code.as_str()), "{error:?}");
    assert_eq!(one(&mut session, "SELECT 1"), "1");
}

#[test]
fn nothing_in_a_file_is_run() {
    let shelf = Shelf::new("foreign_tricks");
    shelf.sqlite(
        "x.db",
        "CREATE TABLE secret(i); INSERT INTO secret VALUES (42); CREATE TABLE \"od'd \"\" ; name\"(\"a\"\"b\" INT);
         INSERT INTO \"od'd \"\" ; name\" VALUES (7); CREATE TABLE g(a INT, b INT GENERATED ALWAYS AS (a + 1) VIRTUAL, c INT AS (a * 2) STORED);
         INSERT INTO g(a) VALUES (1); CREATE TABLE w(k TEXT PRIMARY KEY, rowid INT, v) WITHOUT ROWID; INSERT INTO w VALUES ('a', 1, 2);
         CREATE TABLE c(i INT CHECK (i < 10) DEFAULT (randomblob(5))); INSERT INTO c VALUES (3);
         CREATE TABLE e(i INT); CREATE INDEX ei ON e(abs(i)); INSERT INTO e VALUES (-3);
         CREATE TABLE r(rowid INT, _rowid_ INT, oid INT); INSERT INTO r VALUES (5, 6, 7);
         CREATE TRIGGER trick BEFORE INSERT ON c BEGIN DELETE FROM secret; END; CREATE VIEW v AS SELECT * FROM secret",
    );
    // a view under the name of a table, written into the schema
    shelf.sqlite(
        "y.db",
        "CREATE TABLE t(i); INSERT INTO t VALUES (1); CREATE TABLE u(i); PRAGMA writable_schema = on;
         UPDATE sqlite_master SET sql = 'CREATE VIEW t AS SELECT sum(i) AS i FROM u' WHERE name = 't'",
    );
    let mut session = shelf.db.session();
    exec(
        &mut session,
        "CREATE FOREIGN TABLE odd (x int OPTIONS (column_name 'a\"b')) SERVER shelf OPTIONS (key 'x.db', table 'od''d \" ; name');
         CREATE FOREIGN TABLE g (a int, b int, c int) SERVER shelf OPTIONS (key 'x.db', table 'g');
         CREATE FOREIGN TABLE w (k text, rowid int, v int) SERVER shelf OPTIONS (key 'x.db', table 'w');
         CREATE FOREIGN TABLE e (i int) SERVER shelf OPTIONS (key 'x.db', table 'E');
         CREATE FOREIGN TABLE r (rowid int, _rowid_ int, oid int) SERVER shelf OPTIONS (key 'x.db', table 'r');
         CREATE FOREIGN TABLE t (i int) SERVER shelf OPTIONS (key 'y.db', table 't');
         CREATE FOREIGN TABLE none () SERVER shelf OPTIONS (key 'x.db', table 'w');
         CREATE FOREIGN TABLE attached (i int) SERVER shelf OPTIONS (key 'x.db', table 'temp.secret')",
    );
    assert_eq!(rows(&mut session, "SELECT x FROM odd WHERE x = 7"), "7");
    assert_eq!(rows(&mut session, "SELECT a FROM g"), "1");
    fails(&mut session, "SELECT b FROM g", "0A000", &["\"b\""]);
    fails(&mut session, "SELECT c FROM g", "0A000", &["\"c\""]);
    assert_eq!(rows(&mut session, "SELECT * FROM w WHERE k = 'a'"), "a|1|2");
    assert_eq!(rows(&mut session, "SELECT * FROM w ORDER BY k"), "a|1|2");
    assert_eq!(rows(&mut session, "SELECT i FROM e ORDER BY i"), "-3");
    assert_eq!(
        rows(&mut session, "SELECT * FROM r ORDER BY rowid"),
        "5|6|7"
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM none"), "1");
    fails(&mut session, "SELECT * FROM t", "XX001", &["y.db"]);
    fails(&mut session, "SELECT * FROM attached", "XX001", &["x.db"]);
    // a name that PostgreSQL allows and stores do not
    let long = format!(
        "IMPORT FOREIGN SCHEMA \"{}\" FROM SERVER shelf INTO public",
        "a/".repeat(40) + "x.db"
    );
    let error = fails(&mut session, &long, "58P01", &[]);
    assert!(
        error.hint().unwrap_or_default().contains("63 bytes"),
        "{error:?}"
    );
}

#[test]
fn a_long_scan_is_cancelled_and_a_changed_file_noticed() {
    let shelf = Shelf::new("foreign_cancel");
    shelf.sqlite(
        "long.db",
        "CREATE TABLE long(i INT, t TEXT); WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 100000)
         INSERT INTO long SELECT n, 'some text ' || n FROM g",
    );
    shelf.db.run(&table("i int, t text", "long.db", "long"));
    let mut session = shelf.db.session();
    exec(
        &mut session,
        "SET statement_timeout = '500ms'; SET enable_material = off; SET enable_hashjoin = off; SET enable_mergejoin = off",
    );
    for sql in [
        "SELECT count(*) FROM long a, long b",
        // no row comes out of SQLite
        "SELECT count(*) FROM generate_series(1, 100000) g JOIN long ON long.i = g + 1000000",
    ] {
        let start = Instant::now();
        fails(&mut session, sql, "57014", &[]);
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "{:?}",
            start.elapsed()
        );
    }
    exec(&mut session, "SET statement_timeout = 0");
    assert_eq!(one(&mut session, "SELECT count(*) FROM long"), "100000");
    let path = shelf.folder.join("long.db");
    exec(
        &mut session,
        "BEGIN; DECLARE c CURSOR FOR SELECT i FROM long",
    );
    assert_eq!(rows(&mut session, "FETCH 2 FROM c"), "1\n2");
    write(&path, "UPDATE long SET i = i + 1 WHERE i > 90000");
    fails(
        &mut session,
        "FETCH ALL FROM c",
        "XX001",
        &["long.db", "changed"],
    );
    exec(
        &mut session,
        "ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT i FROM long",
    );
    assert_eq!(rows(&mut session, "FETCH 2 FROM c"), "1\n2");
    write(&path, "UPDATE long SET i = i + 1 WHERE i > 90000");
    fails(&mut session, "CLOSE c", "XX001", &["long.db", "changed"]);
    // another file under its name is no change of this one
    exec(
        &mut session,
        "ROLLBACK; BEGIN; DECLARE c CURSOR FOR SELECT i FROM long",
    );
    assert_eq!(rows(&mut session, "FETCH 1 FROM c"), "1");
    let other = shelf.folder.join("other.db");
    write(
        &other,
        "CREATE TABLE long(i INT, t TEXT); INSERT INTO long VALUES (5, 'five')",
    );
    std::fs::rename(&other, &path).expect("its name");
    assert_eq!(one(&mut session, "SELECT count(*) FROM long"), "1");
    assert_eq!(one(&mut session, "MOVE ALL FROM c"), "");
    exec(&mut session, "COMMIT");
    assert_eq!(one(&mut session, "SELECT i FROM long"), "5");
}

#[test]
fn failing_stores_give_errors_that_name_the_file() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "foreign_faults");
    db.archive(
        &proxy.endpoint(),
        ", max_retries '1', connect_timeout '500ms', request_timeout '500ms'",
    );
    let folder = db.cluster.sandbox().folder("foreign_faults", 0o755);
    let file = folder.join("t.db");
    write(&file, ROWS);
    let object = s3().object_file(BUCKET, "foreign_faults/t.db");
    std::fs::create_dir_all(object.parent().expect("a folder")).expect("a folder");
    std::fs::copy(&file, &object).expect("an object");
    db.run(&format!(
        "CREATE FOREIGN TABLE t ({COLUMNS}) SERVER archive OPTIONS (key 't.db', table 't')"
    ));
    let whole = "SELECT count(*), sum(id), sum(length(b)) FROM t";
    let mut session = db.session();
    let before = rows(&mut session, whole);
    assert_eq!(before, "2000|2001000|289200");
    for (method, fault, code) in [
        ("HEAD", Fault::Status(403), "42501"),
        ("HEAD", Fault::Status(404), "58P01"),
        ("HEAD", Fault::Status(503), "58030"),
        ("GET", Fault::Status(403), "42501"),
        ("GET", Fault::Status(404), "58P01"),
        ("GET", Fault::Status(500), "58030"),
        ("GET", Fault::CutBody(1000), "XX001"),
        ("GET", Fault::Hang, "58030"),
        ("GET", Fault::ETag("other".to_owned()), "XX001"),
    ] {
        eprintln!("{method} {fault:?}");
        proxy.inject(method, "t.db", fault);
        let mut session = db.session();
        let error = fails(&mut session, whole, code, &["t.db"]);
        let all = format!("{error:?}");
        assert!(!all.contains(crate::common::SECRET_KEY), "{all}");
        assert_eq!(one(&mut session, "SELECT count(*) FROM t WHERE false"), "0");
        proxy.clear();
        assert_eq!(rows(&mut session, whole), before);
    }
    let plan = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json) SELECT * FROM t WHERE k = 'key55'";
    let plan = rows(&mut db.session(), plan);
    for word in [
        "\"Cold File\": \"t.db on archive",
        "\"Rows Read\": 1",
        "\"GETs\": ",
        "\"Cold SQL\": ",
    ] {
        assert!(plan.contains(word), "{plan}");
    }
    // another object under this name between two statements
    write(&file, "DELETE FROM t WHERE id > 10");
    std::fs::copy(&file, &object).expect("an object");
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "10");
    db.run("CREATE ROLE fdw_nobody; GRANT SELECT ON t TO fdw_nobody; GRANT USAGE ON FOREIGN SERVER archive TO fdw_nobody");
    exec(&mut session, "SET ROLE fdw_nobody");
    assert!(
        session.batch_execute("SELECT * FROM t").is_err(),
        "the mapping of postgres is not for others"
    );
    let (key, secret) = (crate::common::ACCESS_KEY, crate::common::SECRET_KEY);
    db.run(&format!(
        "CREATE USER MAPPING FOR fdw_nobody SERVER archive OPTIONS (access_key_id '{key}', secret_access_key '{secret}')"
    ));
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "10");
    db.run(
        "ALTER USER MAPPING FOR fdw_nobody SERVER archive OPTIONS (SET secret_access_key 'wrong')",
    );
    fails(&mut session, "SELECT count(*) FROM t", "42501", &["t.db"]);
    // the owner of a view answers for what it shows
    db.run("CREATE VIEW shown AS SELECT id FROM t; GRANT SELECT ON shown TO fdw_nobody");
    assert_eq!(one(&mut session, "SELECT count(*) FROM shown"), "10");
}
