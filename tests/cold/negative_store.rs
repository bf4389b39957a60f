//! A store that knows no conditions (s3rver): it overwrites what is there without a word. Everything that is safe
//! elsewhere must be safe here.

use crate::common::{Cluster, Fault, FaultProxy, STORE_BUCKET, Stop, Store};
use crate::crash::{count_crashes, queue, wait_for_crash};
use crate::other_stores::put_on;
use crate::support::{ColdDb, Db, JANUARY, arm, chunk_state, one, server};
use std::collections::HashSet;
use std::sync::OnceLock;

const RUN: &str = "SELECT string_agg(action || ' ' || reason, E'\\n' ORDER BY action, reason) FROM strata.cold_gc(dry_run => false)";
const AGE: &str = "UPDATE strata.cold_delete_queue SET queued_at = queued_at - interval '8 days', retry_at = NULL;
    UPDATE strata.cold_lease SET renewed_at = renewed_at - interval '1 day', proven_at = proven_at - interval '1 day'";

fn s3rver() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(Store::s3rver)
}

/// Keys of the objects, owner files and all, below a prefix.
fn objects(prefix: &str) -> HashSet<String> {
    let list = format!("/{STORE_BUCKET}?list-type=2&prefix={prefix}/");
    let (status, text) = s3rver().request("GET", &list, b"");
    assert_eq!(status, 200, "{text}");
    let keys = text.split("<Key>").skip(1);
    let inner = keys.filter_map(|k| {
        k.split("</Key>")
            .next()?
            .strip_prefix(&format!("{prefix}/"))
    });
    inner.map(str::to_owned).collect()
}

fn has(prefix: &str, key: &str) -> bool {
    objects(prefix).contains(key)
}

/// No object was sent twice, whole or by completing an upload. Owner files are what is written again and again.
#[track_caller]
fn nothing_was_overwritten(proxy: &FaultProxy) {
    let mut seen = HashSet::new();
    for request in proxy.requests() {
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let (name, query) = path.split_once('?').unwrap_or((path, ""));
        let writes = match method {
            "PUT" => !query.contains("partNumber="),
            "POST" => query.contains("uploadId="),
            _ => false,
        };
        if writes && !name.ends_with("/_owner.json") {
            assert!(seen.insert(name.to_owned()), "{name} was written twice");
        }
    }
    assert!(!seen.is_empty(), "the test looked at the wrong proxy");
}

/// A database with `m` on this store.
fn ready<'a>(
    cluster: &'a Cluster,
    name: &'a str,
    proxy: &FaultProxy,
    prefix: &str,
    more: &str,
) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    put_on(&db, s3rver(), &proxy.endpoint(), prefix, more);
    db
}

/// What makes it the negative case: else these tests would prove nothing.
#[test]
fn it_overwrites_whatever_the_condition_says() {
    let proxy = s3rver().proxy();
    let db = ready(server(), "negative_case", &proxy, "negative_case", "");
    db.tier("2025-02-01");
    let path = format!("/{STORE_BUCKET}/negative_case/x");
    for body in [&b"first"[..], b"second"] {
        let (status, _) = s3rver().request_with("PUT", &path, &[("if-none-match", "*")], body);
        assert_eq!(status, 200);
    }
    assert_eq!(s3rver().request("GET", &path, b"").1, "second");
    let (status, _) = s3rver().request_with("GET", &path, &[("if-match", "\"other\"")], b"");
    assert_eq!(status, 200);
    // and what is overwritten there is an error for whoever reads it, not another answer
    let (hash, key) = (db.hash(), db.keys()[0].clone());
    let path = format!("/{STORE_BUCKET}/negative_case/{key}");
    let (_, whole) = s3rver().request_bytes("GET", &path, b"");
    let mut other = whole.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    assert_eq!(s3rver().request_bytes("PUT", &path, &other).0, 200);
    let error = db
        .cluster
        .try_psql("negative_case", "SELECT count(note || '') FROM m");
    let error = error.expect_err("another object");
    assert!(
        error.contains("changed") && error.contains("m_h1_20250101"),
        "{error}"
    );
    assert_eq!(s3rver().request_bytes("PUT", &path, &whole).0, 200);
    assert_eq!(db.hash(), hash);
}

/// Two databases of one server with the same table in the same place, a dump of one, and a copy of the data folder:
/// five writers, one bucket, one prefix.
#[test]
fn databases_dumps_and_copies_never_share_a_name_nor_delete_from_each_other() {
    let proxy = s3rver().proxy();
    let prefix = "negative_shared";
    let mut origin = Cluster::builder().set("max_worker_processes", "24").start();
    let one_db = ready(&origin, "one", &proxy, prefix, "");
    let two_db = ready(&origin, "two", &proxy, prefix, "");
    let hash = one_db.hash();
    for db in [&one_db, &two_db] {
        db.tier("2025-02-01");
        assert_eq!(db.one(RUN), "");
    }
    origin.dump_into("one", &origin, "dumped");
    origin.stop(Stop::Fast);
    let mut copy = origin.copy();
    origin.start();
    copy.start();
    let db = |cluster, name| Db { cluster, name };
    let all = [
        db(&origin, "one"),
        db(&origin, "two"),
        db(&origin, "dumped"),
        db(&copy, "one"),
        db(&copy, "two"),
    ];
    for db in &all {
        db.tier("2025-03-01");
        assert_eq!(db.hash(), hash, "{}", db.name);
    }
    let february: HashSet<String> = all.iter().map(|db| db.keys()[1].clone()).collect();
    assert_eq!(february.len(), 5, "{february:?}");
    nothing_was_overwritten(&proxy);
    // the origin wrote last; the copy notices, drops all the same, and may not delete
    let before = objects(prefix);
    let out = all[3].one(RUN);
    assert!(out.starts_with("stopped it was taken over"), "{out}");
    all[3].run("DROP TABLE m");
    all[3].run(AGE);
    assert!(all[3].one(RUN).starts_with("stopped it was taken over"));
    let out = all[0].one(RUN);
    assert!(
        out.starts_with("stopped two copies of this database use it"),
        "{out}"
    );
    // until somebody decides
    assert_eq!(all[0].one("SELECT strata.cold_adopt('archive')"), "2");
    assert_eq!(all[0].one(RUN), "");
    assert!(all[3].one(RUN).starts_with("stopped "));
    // the dump forgets what it never owned, and deletes what it wrote
    let (january, own) = (all[2].keys()[0].clone(), all[2].keys()[1].clone());
    all[2].run("DROP TABLE m");
    all[2].run(AGE);
    assert_eq!(
        all[2].one(RUN),
        "delete dropped\nforget dropped, but another database owns it"
    );
    let mut expected = before;
    assert!(expected.remove(&own));
    assert!(expected.contains(&january));
    // folders of owners who wrote their first file in between are as they were
    let left = objects(prefix);
    assert!(
        expected.is_subset(&left),
        "{:?}",
        expected.difference(&left)
    );
    assert!(!left.contains(&own));
    for db in [&all[0], &all[1], &all[4]] {
        assert_eq!(db.hash(), hash);
        assert_eq!(
            db.one("SELECT string_agg(status, ',') FROM strata.cold_check('m')"),
            "ok,ok"
        );
    }
}

#[test]
fn a_lost_answer_never_leads_to_a_second_write() {
    let proxy = s3rver().proxy();
    let more = ", max_retries '2', request_timeout '3s'";
    let db = ready(server(), "negative_lost", &proxy, "negative_lost", more);
    let hash = db.hash();
    // one answer is lost, all are, or the store is busy at first: a refused request wrote nothing
    for (times, busy) in [(1, 0), (9, 0), (1, 1)] {
        proxy.reset();
        proxy.inject_times(busy, "PUT", ".sqlite", Fault::Status(503));
        proxy.inject_times(times, "PUT", ".sqlite", Fault::LoseAnswer);
        db.tier("2025-02-01");
        proxy.clear();
        let requests = proxy.requests();
        let puts = requests
            .iter()
            .filter(|r| r.starts_with("PUT") && r.contains(".sqlite"));
        assert_eq!(puts.count(), 1 + busy, "{requests:?}");
        assert_eq!(db.hash(), hash);
        assert_eq!(
            db.one("SELECT status FROM strata.cold_check('m', deep => true)"),
            "ok"
        );
        db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
        assert_eq!(db.hash(), hash);
    }
    // written, and nobody can find out: the chunk stays hot, and the object is not forgotten
    proxy.reset();
    proxy.inject("PUT", ".sqlite", Fault::LoseAnswer);
    proxy.inject_times(1, "HEAD", ".sqlite", Fault::Pass);
    proxy.inject("HEAD", ".sqlite", Fault::Status(503));
    let sql = "CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')";
    db.cluster
        .try_psql(db.name, sql)
        .expect_err("an unknown outcome");
    proxy.clear();
    nothing_was_overwritten(&proxy);
    assert_eq!(chunk_state(&mut db.session(), JANUARY), "hot");
    let requests = proxy.requests();
    let puts = requests
        .iter()
        .filter(|r| r.starts_with("PUT") && r.contains(".sqlite"));
    let keys = puts.filter_map(|r| r.split("negative_lost/").nth(1)?.split('?').next());
    for key in keys {
        assert!(has("negative_lost", key));
        let known = format!(
            "SELECT count(*) FROM (SELECT key FROM strata.cold_upload \
             UNION ALL SELECT key FROM strata.cold_delete_queue) k WHERE key = '{key}'"
        );
        assert_eq!(db.one(&known), "1", "somebody will clear it away");
    }
    assert_eq!(db.hash(), hash);
}

#[test]
fn an_exporter_that_died_is_followed_by_one_with_another_name() {
    let cluster = Cluster::builder().set("max_worker_processes", "16").start();
    let proxy = s3rver().proxy();
    let prefix = "negative_crash";
    let db = ready(&cluster, "crash", &proxy, prefix, "");
    let hash = db.hash();
    let crashes = count_crashes(&cluster);
    arm(&cluster, "cold.export.uploaded:kill");
    queue(&db);
    wait_for_crash(&cluster, crashes);
    arm(&cluster, "");
    let left = db.one("SELECT key FROM strata.cold_upload");
    assert!(has(prefix, &left), "uploaded, and nobody has said so");
    db.tier("2025-02-01");
    assert_ne!(db.keys()[0], left);
    nothing_was_overwritten(&proxy);
    assert_eq!(db.hash(), hash);
    // what the dead one left is cleared away in its time, and nothing else
    db.run(AGE);
    db.run("UPDATE strata.cold_upload SET expires_at = now() - interval '1 hour'");
    for _ in 0..2 {
        let _ = one(&mut db.session(), RUN);
        db.run(AGE);
    }
    assert!(!has(prefix, &left));
    assert!(has(prefix, &db.keys()[0]));
    assert_eq!(db.hash(), hash);
}
