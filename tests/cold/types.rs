//! Every type and every edge value is the same hot, cold in a directory, cold on S3, and hot again.

use crate::support::{BUCKET, ColdDb, Db, exec, has_xml, one, rows, s3, server, sqlite3};
use postgres::Client;
use std::path::{Path, PathBuf};

const EVERY_TYPE: &str = include_str!("../data/every_type.sql");

const HASH: &str =
    "SELECT md5(string_agg(t::text, E'\\n' ORDER BY id, ts)) || ' ' || count(*) FROM every_type t";

/// Settings that change how values are written; none may change which values come out of a file.
const SETTINGS: [&str; 4] = [
    "RESET ALL",
    "SET timezone = 'Asia/Kathmandu'; SET datestyle = 'SQL, DMY'; SET intervalstyle = 'sql_standard'; \
     SET bytea_output = 'escape'; SET extra_float_digits = 0; SET search_path = public, pg_temp",
    "SET timezone = 'America/St_Johns'; SET datestyle = 'German'; SET intervalstyle = 'iso_8601'; \
     SET extra_float_digits = -15; SET search_path = ''; SET lc_numeric = 'C'; SET xmloption = document",
    "SET datestyle = 'Postgres, MDY'; SET intervalstyle = 'postgres_verbose'; SET timezone = 'Europe/London'; \
     SET default_text_search_config = 'simple'; SET array_nulls = off; SET quote_all_identifiers = on",
];

/// The rows under each of the settings, in one session.
fn hashes(session: &mut Client) -> Vec<String> {
    let found = SETTINGS.iter().map(|settings| {
        exec(session, "RESET ALL");
        exec(session, settings);
        one(
            session,
            &HASH.replace("every_type t", "public.every_type t"),
        )
    });
    let found = found.collect();
    exec(session, "RESET ALL");
    found
}

fn check_files(db: &Db, folder: &Path) {
    let listed = rows(
        &mut db.session(),
        "SELECT key, rows, bytes FROM strata.cold_files ORDER BY range_start",
    );
    let mut total = 0;
    for line in listed.lines() {
        let words: Vec<&str> = line.split('|').collect();
        let file: PathBuf = folder.join(words[0]);
        assert_eq!(
            file.metadata().expect("the file").len().to_string(),
            words[2]
        );
        assert_eq!(sqlite3(&file, "PRAGMA integrity_check"), "ok");
        assert_eq!(
            sqlite3(&file, "SELECT count(*) FROM every_type_raw"),
            words[1]
        );
        // all columns of all rows of the view: its expressions must hold for each value
        let view = sqlite3(
            &file,
            "SELECT count(*) FROM (SELECT * FROM every_type ORDER BY 1, 2)",
        );
        assert_eq!(view, words[1]);
        assert!(!sqlite3(&file, "SELECT * FROM every_type").is_empty());
        total += words[1].parse::<i64>().expect("a number of rows");
    }
    assert_eq!(
        total.to_string(),
        db.one("SELECT count(*) FROM every_type"),
        "rows of all files"
    );
}

#[test]
fn every_type_survives_the_round_trip() {
    let db = Db::empty(server(), "types");
    let script = if has_xml(&mut db.session()) {
        EVERY_TYPE.to_owned()
    } else {
        EVERY_TYPE
            .replace(" xml", " text")
            .replace("::xml[]", "::text[]")
    };
    db.run(&script);
    db.run("CREATE EXTENSION pg_strata");
    db.run("SELECT FROM strata.create_hypertable('every_type', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)");
    let mut session = db.session();
    let hot = hashes(&mut session);
    assert!(
        hot[0] != hot[1] && hot[0] != hot[2] && hot[0] != hot[3],
        "the settings change nothing"
    );

    db.run(
        "CALL strata.tier_chunks('every_type', older_than => timestamptz '2025-04-01 00:00+00')",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), min(generation), max(generation), bool_and(owned) FROM strata.cold_files"
        ),
        "3|1|1|t"
    );
    assert_eq!(hashes(&mut session), hot, "cold in the directory");
    assert_eq!(hashes(&mut db.session()), hot, "cold, in a new session");
    check_files(&db, &server().data().join("strata_cold"));
    let file = &db.local_files()[0];
    assert_eq!(
        sqlite3(file, "SELECT ts FROM every_type WHERE id = 1"),
        "2025-01-01 00:00:00.000000+00"
    );
    assert_eq!(
        db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"),
        "3"
    );

    db.run("CALL strata.untier_chunks('every_type')");
    assert_eq!(hashes(&mut session), hot, "hot again");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_files"), "0");

    db.archive(&s3().endpoint(), "");
    db.run("SELECT strata.set_cold_storage('every_type', server => 'archive')");
    db.run(
        "CALL strata.tier_chunks('every_type', older_than => timestamptz '2025-04-01 00:00+00')",
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), min(generation), max(generation), min(server), max(server) FROM strata.cold_files"
        ),
        "3|2|2|archive|archive"
    );
    assert_eq!(hashes(&mut session), hot, "cold on S3");
    check_files(&db, &s3().object_file(BUCKET, "types"));
    assert_eq!(
        db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"),
        "3"
    );

    db.run("CALL strata.untier_chunks('every_type')");
    assert_eq!(hashes(&mut session), hot, "hot after S3");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM strata.cold_delete_queue"
        ),
        "6"
    );
}

/// What stands in a file is what PostgreSQL says, also when it was computed and not read.
#[test]
fn binary_forms_are_equal() {
    let db = Db::new(server(), "binary");
    db.run(
        "CREATE TABLE b (id bigint, ts timestamptz NOT NULL, f4 float4, f8 float8, n numeric, v jsonb, PRIMARY KEY (id, ts));
         INSERT INTO b SELECT g, '2025-01-05 00:00+00', 'Infinity'::float4 - 'Infinity'::float4, -0.0::float8 * g, 1.10 * g, '{\"a\": 1.10}'
         FROM generate_series(1, 50) g;
         SELECT FROM strata.create_hypertable('b', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)",
    );
    let sent = "SELECT md5(string_agg(int8send(id) || timestamptz_send(ts) || float4send(f4) || float8send(f8) \
        || numeric_send(n) || jsonb_send(v), '' ORDER BY id)) FROM b";
    let hot = db.one(sent);
    db.run("CALL strata.tier_chunks('b', older_than => timestamptz '2025-02-01 00:00+00')");
    assert_eq!(db.one("SELECT count(*) FROM strata.cold_files"), "1");
    assert_eq!(db.one(sent), hot);
    db.run("CALL strata.untier_chunks('b')");
    assert_eq!(db.one(sent), hot);
}
