//! Missing, damaged and unreachable files: errors that name chunk and object, never other rows.

use crate::common::{Fault, FaultProxy};
use crate::support::{BUCKET, ColdDb, Db, exec, fails, one, s3, server, try_one};
use postgres::Client;
use std::fs;
use std::path::Path;

/// `m` on S3 behind a proxy, or in the built-in directory.
fn cold<'a>(name: &'a str, proxy: Option<&FaultProxy>, options: &str) -> Db<'a> {
    let db = Db::new(server(), name);
    db.metrics();
    if let Some(proxy) = proxy {
        db.archive(&proxy.endpoint(), options);
        db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    }
    db.tier("2025-03-01");
    db
}

const READS: [&str; 6] = [
    "SELECT count(id + 0) FROM m",
    "SELECT * FROM m WHERE id = 5",
    "SELECT note FROM m ORDER BY ts LIMIT 1",
    "SELECT count(id + 0) FROM strata_chunks.m_h1_20250101",
    "SELECT sum(dev), min(dev) FROM m",
    "CREATE TABLE copy AS SELECT * FROM m",
];

/// Statements that need no cold row go on whatever happens to the files.
#[track_caller]
fn hot_answers(session: &mut Client) {
    let hot = "SELECT count(*) FROM m WHERE ts >= '2025-03-01 00:00+00'";
    assert_eq!(one(session, hot), "744");
    exec(
        session,
        "UPDATE m SET note = note WHERE id = 2000 AND ts > '2025-03-01 00:00+00'",
    );
    exec(
        session,
        "INSERT INTO m VALUES (9000, '2025-03-20 00:30+00', 1); DELETE FROM m WHERE id = 9000 AND ts > '2025-03-01 00:00+00'",
    );
    assert_eq!(
        one(
            session,
            "SELECT max(ts) FROM m WHERE ts > now() - interval '3 years' AND ts < '2025-02-01 00:00+00' AND false"
        ),
        ""
    );
}

/// Each read of January fails in a new session with this code, naming chunk and object.
#[track_caller]
fn reads_fail(db: &Db, code: &str) {
    let key = db.keys().remove(0);
    for sql in READS {
        let mut session = db.session();
        // workers would begin with any file
        exec(&mut session, "SET max_parallel_workers_per_gather = 0");
        fails(&mut session, sql, code, &["m_h1_20250101", &key]);
        hot_answers(&mut session);
    }
    let mut session = db.session();
    fails(
        &mut session,
        "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')",
        code,
        &["m_h1_20250101", &key],
    );
}

/// The other cold chunk is not touched by what happened to January.
#[track_caller]
fn february_answers(db: &Db) {
    let february =
        "SELECT count(*) FROM m WHERE ts >= '2025-02-02 00:00+00' AND ts < '2025-02-03 00:00+00'";
    assert_eq!(db.one(february), "24");
}

fn check_status(db: &Db) -> String {
    db.one("SELECT string_agg(status, ' ' ORDER BY key) FROM strata.cold_check(deep => true)")
}

/// Does something to the bytes of a file and leaves its times as they are.
fn damage(file: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let before = fs::read(file).expect("the file");
    let times = fs::metadata(file)
        .expect("the file")
        .modified()
        .expect("a time");
    let mut bytes = before.clone();
    change(&mut bytes);
    fs::write(file, &bytes).expect("the damaged file");
    let handle = fs::File::options()
        .write(true)
        .open(file)
        .expect("the file");
    handle.set_modified(times).expect("its time");
    before
}

#[test]
fn missing_or_damaged_file_in_a_directory() {
    let db = cold("faults_folder", None, "");
    let hash = db.hash();
    let file = db.local_files().remove(0);
    let mut open = db.session();
    assert_eq!(one(&mut open, "SELECT count(id + 0) FROM m"), "2160");

    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).expect("rename");
    reads_fail(&db, "58P01");
    february_answers(&db);
    assert_eq!(check_status(&db), "missing ok");
    // a foreign key cannot be checked without the file: the child is not let in
    let mut session = db.session();
    exec(
        &mut session,
        "CREATE TABLE child (id bigint, ts timestamptz, FOREIGN KEY (id, ts) REFERENCES m (id, ts))",
    );
    fails(
        &mut session,
        "INSERT INTO child VALUES (5, '2025-01-01 05:00+00')",
        "58P01",
        &["m_h1_20250101"],
    );
    fs::rename(&aside, &file).expect("rename");
    assert_eq!(db.hash(), hash);

    let bytes = damage(&file, |bytes| bytes.truncate(bytes.len() / 2));
    reads_fail(&db, "XX001");
    assert_eq!(check_status(&db), "changed ok");
    damage(&file, |now| *now = bytes.clone());
    damage(&file, |now| now.clear());
    reads_fail(&db, "XX001");
    damage(&file, |now| *now = bytes.clone());
    // the session that had the file open still answers rightly or not at all
    match try_one(&mut open, "SELECT count(id + 0) FROM m") {
        Ok(count) => assert_eq!(count, "2160"),
        Err(error) => assert!(error.as_db_error().is_some(), "{error:?}"),
    }
}

#[test]
fn flipped_bits_are_never_other_rows() {
    let db = cold("faults_bits", None, "");
    let hash = db.hash();
    let file = db.local_files().remove(0);
    let size = fs::metadata(&file).expect("the file").len() as usize;
    let mut refused = 0;
    for n in 0..24 {
        let at = (n * 7919 + 13 * n * n * n) % size;
        let bytes = damage(&file, |bytes| bytes[at] ^= 1 << (n % 8));
        // the recorded identity of a local file is more than its size: any change shows
        match try_one(&mut db.session(), crate::support::HASH) {
            Ok(found) => assert_eq!(found, hash, "byte {at}"),
            Err(error) => {
                let error = error.as_db_error().expect("an error of the server").clone();
                assert_eq!(error.code().code(), "XX001", "byte {at}: {error:?}");
                assert!(error.message().contains("m_h1_20250101"), "{error:?}");
                refused += 1;
            }
        }
        damage(&file, |now| *now = bytes);
    }
    assert!(refused > 0, "no change was noticed");
}

#[test]
fn missing_or_damaged_object_on_s3() {
    let proxy = s3().proxy();
    let db = cold("faults_s3", Some(&proxy), ", max_retries '1'");
    let hash = db.hash();
    let key = db.keys().remove(0);
    let file = s3().object_file(BUCKET, &format!("faults_s3/{key}"));

    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).expect("rename");
    reads_fail(&db, "58P01");
    february_answers(&db);
    assert_eq!(check_status(&db), "missing ok");
    fs::rename(&aside, &file).expect("rename");
    assert_eq!(db.hash(), hash);

    let bytes = damage(&file, |bytes| bytes.truncate(bytes.len() / 2));
    reads_fail(&db, "XX001");
    damage(&file, |now| *now = bytes.clone());
    assert_eq!(db.hash(), hash);
    // this store does not notice what happens to its files: the checksums of the pages do
    damage(&file, |bytes| {
        let at = bytes.windows(4).position(|window| window == b"n123");
        bytes[at.expect("a stored text")] ^= 4;
    });
    for sql in [READS[2], crate::support::HASH] {
        fails(&mut db.session(), sql, "XX001", &["m_h1_20250101", &key]);
    }
    assert_eq!(check_status(&db), "changed ok");
    let untier = "CALL strata.untier_chunk('strata_chunks.m_h1_20250101')";
    fails(&mut db.session(), untier, "XX001", &[&key]);
    damage(&file, |now| *now = bytes.clone());
    assert_eq!(check_status(&db), "ok ok");
    // another object under the same name: the store tells by its entity tag
    proxy.inject("GET", &key, Fault::ETag("other".to_owned()));
    reads_fail(&db, "XX001");
    proxy.clear();
    proxy.inject("GET", &key, Fault::Status(412));
    reads_fail(&db, "XX001");
    proxy.clear();
    assert_eq!(db.hash(), hash);
}

#[test]
fn refused_and_failing_requests() {
    let proxy = s3().proxy();
    let options = ", max_retries '1', connect_timeout '500ms', request_timeout '500ms'";
    let db = cold("faults_http", Some(&proxy), options);
    let hash = db.hash();
    let key = db.keys().remove(0);
    for (fault, code) in [
        (Fault::Status(403), "42501"),
        (Fault::Status(404), "58P01"),
        (Fault::Status(500), "58030"),
        (Fault::Status(503), "58030"),
        (Fault::CutBody(1000), "XX001"),
        (Fault::LoseAnswer, "58030"),
        (Fault::Reset, "58030"),
        (Fault::Hang, "58030"),
        (Fault::HangInBody(1000), "58030"),
        (Fault::ETag("other".to_owned()), "XX001"),
        (Fault::ContentRange("bytes 0-9/100000"), "XX001"),
        (Fault::ContentRange("bytes 5-9"), "58030"),
        (Fault::Encoded, "58030"),
        (Fault::FlipBit(5000), "XX001"),
    ] {
        eprintln!("{fault:?}");
        proxy.inject("GET", &key, fault);
        let mut session = db.session();
        let error = fails(&mut session, READS[0], code, &["m_h1_20250101", &key]);
        let secret = format!("{error:?}");
        assert!(!secret.contains(crate::common::SECRET_KEY), "{secret}");
        hot_answers(&mut session);
        proxy.clear();
        // the same session, as if nothing had been
        assert_eq!(one(&mut session, crate::support::HASH), hash);
    }
    // a short fault is not noticed at all
    for fault in [
        Fault::Status(500),
        Fault::Status(503),
        Fault::LoseAnswer,
        Fault::Reset,
        Fault::HangInBody(10),
        Fault::CutBody(10),
        Fault::FlipBit(5000),
    ] {
        proxy.inject_times(1, "GET", &key, fault);
        assert_eq!(db.hash(), hash);
        proxy.clear();
    }
    // a store that sends more than was asked for: an error, or the right rows
    proxy.inject("GET", &key, Fault::WholeObject);
    match try_one(&mut db.session(), crate::support::HASH) {
        Ok(found) => assert_eq!(found, hash),
        Err(error) => assert!(error.to_string().contains("db error"), "{error}"),
    }
    proxy.clear();
    let log = db.cluster.log();
    assert!(
        !log.contains(crate::common::SECRET_KEY),
        "the secret key is in the log"
    );
}

#[test]
fn unreachable_store() {
    let proxy = s3().proxy();
    let db = cold(
        "faults_gone",
        Some(&proxy),
        ", max_retries '1', connect_timeout '500ms'",
    );
    let hash = db.hash();
    drop(proxy);
    reads_fail(&db, "58030");
    assert_eq!(check_status(&db), "unreachable unreachable");
    db.run(&format!(
        "ALTER SERVER archive OPTIONS (SET endpoint '{}')",
        s3().endpoint()
    ));
    assert_eq!(db.hash(), hash);
    // wrong keys are refused by the store
    db.run(
        "ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (SET secret_access_key 'wrong')",
    );
    reads_fail(&db, "42501");
    let secret = crate::common::SECRET_KEY;
    db.run(&format!(
        "ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (SET secret_access_key '{secret}')"
    ));
    assert_eq!(db.hash(), hash);
}

/// Exports to a store with faults fail with a reason or try again; the rows stay.
#[test]
fn exports_survive_a_bad_store() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "faults_export");
    db.metrics();
    let hash = db.hash();
    db.archive(
        &proxy.endpoint(),
        ", max_retries '1', connect_timeout '500ms', request_timeout '500ms'",
    );
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    for fault in [Fault::Status(403), Fault::Status(500), Fault::Hang] {
        proxy.inject("PUT", "", fault.clone());
        let call = "CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')";
        let error = db.cluster.try_psql(db.name, call).expect_err("an upload");
        assert!(error.contains("m_h1_20250101"), "{error}");
        proxy.clear();
        assert_eq!(db.hash(), hash, "{fault:?}");
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_file"),
            "0",
            "{fault:?}"
        );
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_upload"),
            "0",
            "{fault:?}"
        );
    }
    // the answer to the upload is lost: a HEAD finds the object, or another name is taken
    proxy.inject_times(1, "PUT", "", Fault::LoseAnswer);
    db.tier("2025-03-01");
    proxy.clear();
    assert_eq!(db.hash(), hash);
    assert_eq!(
        db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"),
        "2"
    );
    let known = db.one("SELECT count(*) FROM (SELECT key FROM strata.cold_file UNION SELECT key FROM strata.cold_delete_queue) k");
    let objects = s3()
        .keys(BUCKET)
        .into_iter()
        .filter(|key| key.starts_with("faults_export/"));
    let objects: Vec<String> = objects.filter(|key| key.ends_with(".sqlite")).collect();
    assert!(
        objects.len() <= known.parse::<usize>().expect("a number"),
        "{objects:?}"
    );
}
