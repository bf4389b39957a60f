//! Looking at single files: links to them, and checks of what they hold.

use crate::common::sqlstate;
use crate::support::{BUCKET, ColdDb, Db, exec, fails, one, s3, server, try_one};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Body of the answer to a plain GET, without any credentials, with its status line.
fn get(url: &str) -> (String, Vec<u8>) {
    let rest = url.strip_prefix("http://").expect("plain http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut socket = TcpStream::connect(host).expect("a server");
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer");
    let end = answer
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .expect("headers");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.lines().next().unwrap_or_default().to_owned();
    (status, answer[end + 4..].to_vec())
}

#[test]
fn a_link_downloads_one_file_and_is_for_its_owner() {
    let db = Db::new(server(), "check_link");
    db.metrics();
    db.archive(&s3().endpoint(), "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-02-01");
    let mut session = db.session();
    let file = one(&mut session, "SELECT file FROM strata.cold_files");
    let url = one(&mut session, &format!("SELECT strata.cold_url('{file}')"));
    assert!(url.contains("X-Amz-Expires=900"), "{url}");
    assert!(!url.contains(crate::common::SECRET_KEY));
    let (status, body) = get(&url);
    assert!(status.contains("200"), "{status}");
    let object = s3().object_file(BUCKET, &format!("check_link/{}", db.keys()[0]));
    assert_eq!(body, fs::read(object).expect("an object"));
    assert!(
        get(&url.replace("Expires=900", "Expires=901"))
            .0
            .contains("403")
    );
    // no other file by the same signature
    assert!(
        get(&url.replace("/public.m/", "/public.n/"))
            .0
            .contains("403")
    );
    for (valid, code) in [
        ("interval '0'", "22023"),
        ("interval '-1 hour'", "22023"),
        ("interval '7 days 1 second'", "22023"),
        ("interval '1000000000 years'", "22008"),
        ("NULL", "22004"),
    ] {
        let sql = format!("SELECT strata.cold_url('{file}', {valid})");
        let error = try_one(&mut session, &sql).expect_err(&sql);
        let found = sqlstate(&error);
        assert!(
            found == code || (code == "22008" && found.starts_with("22")),
            "{sql}: {error:?}"
        );
    }
    assert!(
        one(
            &mut session,
            &format!("SELECT strata.cold_url('{file}', '7 days')")
        )
        .contains("=604800")
    );
    fails(
        &mut session,
        "SELECT strata.cold_url(gen_random_uuid())",
        "42704",
        &["does not exist"],
    );
    fails(
        &mut session,
        "SELECT strata.cold_url(NULL)",
        "22004",
        &["NULL"],
    );
    // the right to read the table is no right to a link: it would show all columns and all rows
    db.run("DROP ROLE IF EXISTS check_reader; CREATE ROLE check_reader LOGIN; GRANT SELECT ON m TO check_reader");
    let mut reader = db.session_as("check_reader");
    assert_eq!(
        one(&mut reader, "SELECT count(*) FROM strata.cold_files"),
        "1"
    );
    fails(
        &mut reader,
        &format!("SELECT strata.cold_url('{file}')"),
        "42501",
        &["owner"],
    );
    drop(reader);
    exec(
        &mut session,
        "DROP OWNED BY check_reader; DROP ROLE check_reader",
    );
    // errors do not tell it either
    db.run("ALTER SERVER archive OPTIONS (ADD profile 'nobody', ADD credentials_file '/nowhere')");
    assert!(
        !db.cluster.log().contains("X-Amz-Signature"),
        "a link was logged"
    );
}

#[test]
fn a_link_to_a_directory_names_the_file() {
    let db = Db::new(server(), "check_local");
    db.metrics();
    db.tier("2025-02-01");
    let url = db.one("SELECT strata.cold_url(file, '1 second') FROM strata.cold_files");
    let path = url
        .strip_prefix("file://")
        .expect("a file URL")
        .replace("%20", " ");
    assert_eq!(
        fs::read(path).expect("a file"),
        fs::read(&db.local_files()[0]).expect("a file")
    );
}

/// Where columns have changed since the export, the rows' hash cannot be compared: the bytes are.
#[test]
fn a_deep_check_sees_every_byte_after_columns_have_changed() {
    let db = Db::new(server(), "check_deep");
    db.metrics();
    db.tier("2025-02-01");
    let check = "SELECT status FROM strata.cold_check('m', deep => true)";
    assert_eq!(db.one(check), "ok");
    db.run("ALTER TABLE m ADD COLUMN more int DEFAULT 7; ALTER TABLE m DROP COLUMN val");
    assert_eq!(db.one(check), "ok");
    // a byte that neither SQLite nor the identity of the file looks at: between the cells of a page
    let path = &db.local_files()[0];
    let mut bytes = fs::read(path).expect("a file");
    let middle = 64 * 1024..bytes.len() - 64 * 1024;
    let free = bytes[middle.clone()]
        .windows(64)
        .position(|w| w.iter().all(|b| *b == 0));
    let at = middle.start + free.expect("unused bytes in a page") + 32;
    bytes[at] = 1;
    fs::write(path, bytes).expect("a file");
    assert_eq!(
        db.one("SELECT status FROM strata.cold_check('m')"),
        "ok",
        "not seen at a glance"
    );
    assert_eq!(db.one(check), "changed");
}
