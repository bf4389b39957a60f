//! Databases that are not in UTF-8: ASCII runs in all of them, and what cannot be read is named.

use crate::common::Db;
use crate::support::{exec, fails, one, plain, register, rows, run};

/// A database of this encoding.
fn encoded<'a>(name: &'a str, encoding: &str) -> Db<'a> {
    let server = plain();
    let make =
        format!("CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LOCALE 'C'");
    server.psql("postgres", &make);
    let db = Db {
        cluster: server,
        name,
    };
    db.run("CREATE EXTENSION pg_strata");
    db
}

#[test]
fn names_of_files_are_text_of_the_database() {
    use std::os::unix::ffi::OsStrExt;
    let eucjp = encoded("encoding_eucjp", "EUC_JP");
    let folder = plain().sandbox().folder("names", 0o755);
    std::fs::write(folder.join("1_é€.up.sql"), "SELECT 1").unwrap();
    let load = format!("SELECT strata.migrate_load_dir('{}')", folder.display());
    let mut s = eucjp.session();
    fails(
        &mut s,
        &load,
        "22021",
        &["1_\\u{e9}\\u{20ac}.up.sql", "byte 2"],
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.migrate_file"), "0");
    let mut s = encoded("encoding_utf8", "UTF8").session();
    assert_eq!(rows(&mut s, &load).lines().count(), 1);
    std::fs::write(
        folder.join(std::ffi::OsStr::from_bytes(b"2_\xe9.up.sql")),
        "SELECT 1",
    )
    .unwrap();
    fails(&mut s, &load, "22021", &["2_", "byte 2"]);
}

#[test]
fn text_that_is_not_ascii_is_refused_by_name_in_latin1() {
    let db = encoded("encoding_latin", "LATIN1");
    let mut s = db.session();
    // the client speaks UTF-8, the server makes one byte of each é
    fails(
        &mut s,
        "SELECT strata.migrate_register('1_a.up.sql', 'SELECT ''é''')",
        "22021",
        &["1_a.up.sql", "byte 8"],
    );
    let all = r#"SELECT strata.migrate_register_all('{"1_a.up.sql": "SELECT 1", "2_b.up.sql": "SELECT \"é\""}')"#;
    fails(&mut s, all, "22021", &["2_b.up.sql", "byte 8"]);
    let folder = db.cluster.sandbox().folder("latin", 0o755);
    std::fs::write(folder.join("3_c.up.sql"), b"-- caf\xe9").unwrap();
    let load = format!("SELECT strata.migrate_load_dir('{}')", folder.display());
    fails(&mut s, &load, "22021", &["3_c.up.sql", "byte 6"]);
    std::fs::write(folder.join("3_c.up.sql"), "-- café").unwrap();
    fails(&mut s, &load, "22021", &["3_c.up.sql", "byte 6"]);
    std::fs::remove_file(folder.join("3_c.up.sql")).unwrap();
    std::fs::write(folder.join("4_é.up.sql"), "SELECT 1").unwrap();
    fails(&mut s, &load, "22021", &["4_\\u{e9}.up.sql", "byte 2"]);
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.migrate_file"), "0");
    // by their numbers, all characters can be written
    register(
        &mut s,
        &[
            (
                "1_a.up.sql",
                "CREATE TABLE U&\"caf\\00e9\" (x text CHECK (x <> 'none'));\nINSERT INTO U&\"caf\\00e9\" VALUES (U&'\\00e9t\\00e9');",
            ),
            ("1_a.down.sql", "DROP TABLE U&\"caf\\00e9\""),
        ],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(rows(&mut s, "SELECT x FROM café"), "été");
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    fails(
        &mut s,
        "SELECT * FROM strata.migrate_drift()",
        "0A000",
        &["LATIN1"],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_fingerprint()",
        "0A000",
        &["LATIN1"],
    );
    // an error about such names keeps its SQLSTATE and place
    register(
        &mut s,
        &[(
            "2_b.up.sql",
            "SELECT 1;\nINSERT INTO U&\"caf\\00e9\" VALUES ('none');",
        )],
    );
    fails(
        &mut s,
        "SELECT strata.migrate_up()",
        "23514",
        &["new row for relation"],
    );
    fails(
        &mut s,
        "CALL strata.migrate_deploy()",
        "23514",
        &["new row for relation"],
    );
    assert_eq!(one(&mut s, "SELECT strata.migrate_version()"), "1");
}

#[test]
fn utf8_runs_as_it_is_where_bytes_are_bytes() {
    let db = encoded("encoding_ascii", "SQL_ASCII");
    let mut s = db.session();
    exec(&mut s, "SET client_encoding = 'SQL_ASCII'");
    register(
        &mut s,
        &[
            (
                "1_grüße.up.sql",
                "CREATE TABLE café (x text);\nINSERT INTO café VALUES ('été 漢字');\nCOPY café FROM STDIN;\nnaïve\n\\.\n",
            ),
            ("1_grüße.down.sql", "DROP TABLE café"),
        ],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied");
    assert_eq!(rows(&mut s, "SELECT x FROM café"), "été 漢字\nnaïve");
    assert_eq!(run(&mut s, "migrate_down()"), "1 reverted");
    exec(&mut s, "CALL strata.migrate_deploy()");
    let folder = db.cluster.sandbox().folder("ascii", 0o755);
    std::fs::write(folder.join("2_b.up.sql"), b"-- caf\xe9").unwrap();
    let load = format!("SELECT strata.migrate_load_dir('{}')", folder.display());
    fails(&mut s, &load, "22021", &["2_b.up.sql", "byte 6"]);
}
