//! A bucket of another make (moto): versions, conditions on GET, lists of unfinished uploads.

use crate::common::{Cluster, REGION, STORE_BUCKET, Store};
use crate::support::{ColdDb, Db, FEBRUARY, JANUARY, fails, server};
use std::sync::OnceLock;

const RUN: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc(dry_run => false)";
const LOOK: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc()";
const AGE: &str = "UPDATE strata.cold_delete_queue SET queued_at = queued_at - interval '8 days', retry_at = NULL;
    UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '1 day', proven_at = proven_at - interval '1 day'";
const CHECK: &str = "SELECT string_agg(status, ',' ORDER BY key) FROM strata.cold_check('m')";

fn moto() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(Store::moto)
}

/// The server `archive` of a database on another store, and `m` on that server.
pub fn put_on(db: &Db, store: &Store, endpoint: &str, prefix: &str, more: &str) {
    let (id, secret) = store.keys();
    db.run(&format!(
        "CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://{STORE_BUCKET}/{prefix}',
             endpoint '{endpoint}', region '{REGION}', allow_http 'true' {more});
         CREATE USER MAPPING FOR postgres SERVER archive OPTIONS (access_key_id '{id}', secret_access_key '{secret}');
         SELECT strata.set_cold_storage('m', server => 'archive')"
    ));
}

/// A database with `m`, January and February of it cold in moto's bucket.
fn cold<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    put_on(&db, moto(), &moto().endpoint(), name, "");
    let hash = db.hash();
    db.tier("2025-03-01");
    assert_eq!(db.hash(), hash);
    db
}

fn path(db: &Db, key: &str) -> String {
    format!("/{STORE_BUCKET}/{}/{key}", db.name)
}

/// Versions of one object in the list of the bucket, newest first: their ids.
fn versions(db: &Db, key: &str) -> Vec<String> {
    let list = format!("/{STORE_BUCKET}?versions&prefix={}/{key}", db.name);
    let (status, text) = moto().request("GET", &list, b"");
    assert_eq!(status, 200, "{text}");
    let found = text.split("<Version>").skip(1);
    let id = |v: &str| {
        v.split("<VersionId>")
            .nth(1)?
            .split('<')
            .next()
            .map(str::to_owned)
    };
    found.filter_map(id).collect()
}

#[test]
fn what_is_deleted_in_a_versioned_bucket_can_be_had_back() {
    let db = cold(server(), "other_versions");
    let (hash, keys) = (db.hash(), db.keys());
    assert_eq!(
        db.one("SELECT string_agg(status, ',') FROM strata.cold_check('m', deep => true)"),
        "ok,ok"
    );
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    assert_eq!(db.one(RUN), "", "nothing is due");
    db.run(AGE);
    assert_eq!(db.one(RUN), "delete untiered");
    let status = |key: &str| moto().request("HEAD", &path(&db, key), b"").0;
    assert_eq!([status(&keys[0]), status(&keys[1])], [404, 200]);
    assert_eq!(
        versions(&db, &keys[0]).len(),
        1,
        "the bucket keeps what was there"
    );
    assert_eq!(versions(&db, &keys[1]).len(), 1, "written once");
    assert_eq!(db.hash(), hash);
    assert_eq!(db.one(RUN), "", "and is not asked again");
}

#[test]
fn an_object_that_was_overwritten_is_an_error_until_its_version_is_back() {
    let db = cold(server(), "other_overwritten");
    let (hash, key) = (db.hash(), db.keys()[0].clone());
    let (_, whole) = moto().request_bytes("GET", &path(&db, &key), b"");
    let mut other = whole.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    assert_eq!(moto().request_bytes("PUT", &path(&db, &key), &other).0, 200);
    let short = key.rsplit('/').next().expect("a name");
    for sql in [
        "SELECT count(note || '') FROM m",
        "SELECT * FROM m WHERE id = 5 AND ts = '2025-01-01 05:00+00'",
        "SELECT count(*) FROM strata_chunks.m_h1_20250101 WHERE note <> ''",
    ] {
        let error = fails(&mut db.session(), sql, "XX001", &["m_h1_20250101"]);
        assert!(error.message().contains(short), "{error:?}");
    }
    assert_eq!(db.one(CHECK), "changed,ok");
    // what needs no file, and what needs only the other one
    assert_eq!(
        db.one("SELECT count(*) FROM m WHERE ts >= '2025-03-01 00:00+00'"),
        "744"
    );
    assert_eq!(
        db.one("SELECT note FROM m WHERE id = 801 AND ts = '2025-02-03 09:00+00'"),
        "n801"
    );
    // the newest version goes, and with it the trouble
    let ids = versions(&db, &key);
    assert_eq!(ids.len(), 2);
    let newest = format!("{}?versionId={}", path(&db, &key), ids[0]);
    assert_eq!(moto().request("DELETE", &newest, b"").0, 204);
    assert_eq!(db.one(CHECK), "ok,ok");
    assert_eq!(db.hash(), hash);
}

#[test]
fn uploads_that_nobody_remembers_are_found_in_the_list_and_aborted() {
    let db = cold(server(), "other_uploads");
    let folder = db.one("SELECT folder FROM strata.cold_leases");
    let begin = |key: &str| {
        let (status, text) = moto().request("POST", &format!("{}?uploads", path(&db, key)), b"");
        assert_eq!(status, 200, "{text}");
    };
    // moto says of all of them that they began in 2010
    begin(&format!("{folder}/public.m/2025/forgotten.sqlite"));
    begin("another-0badcafe/public.m/2025/forgotten.sqlite");
    let unfinished = || {
        let list = format!("/{STORE_BUCKET}?uploads&prefix={}/", db.name);
        moto()
            .request("GET", &list, b"")
            .1
            .matches("<Upload>")
            .count()
    };
    assert_eq!(unfinished(), 2);
    assert_eq!(db.one(LOOK), "abort unfinished upload");
    assert_eq!(unfinished(), 2, "a look changes nothing");
    assert_eq!(db.one(RUN), "abort unfinished upload");
    assert_eq!(
        unfinished(),
        1,
        "the folder of another database is left alone"
    );
    assert_eq!(db.one(RUN), "");
}

#[test]
fn files_in_parts_arrive_whole() {
    let cluster = Cluster::builder()
        .set("max_worker_processes", "16")
        .env("STRATA_TEST_PART_BYTES", "5242880")
        .start();
    let db = Db::new(&cluster, "other_parts");
    db.metrics();
    db.run("UPDATE m SET note = repeat(md5(id::text), 500)");
    let proxy = moto().proxy();
    put_on(&db, moto(), &proxy.endpoint(), "other_parts", "");
    let hash = db.hash();
    db.tier("2025-03-01");
    let parts = proxy
        .requests()
        .iter()
        .filter(|r| r.contains("partNumber="))
        .count();
    assert!(parts >= 4, "{:?}", proxy.requests());
    assert_eq!(db.hash(), hash);
    assert_eq!(
        db.one("SELECT string_agg(status, ',') FROM strata.cold_check('m', deep => true)"),
        "ok,ok"
    );
    for key in db.keys() {
        assert_eq!(versions(&db, &key).len(), 1, "written once");
    }
    db.run(&format!("CALL strata.untier_chunk('{FEBRUARY}')"));
    assert_eq!(db.hash(), hash);
}
