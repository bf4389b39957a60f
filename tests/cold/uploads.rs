//! Uploads in parts: crashes in the middle, answers that are lost, stores that are away when one cleans up.

use crate::common::{Cluster, Fault, wait_until};
use crate::crash::{count_crashes, queue, wait_for_crash};
use crate::support::{ColdDb, Db, JANUARY, arm, chunk_state, exec, one, s3};

/// A server that sends even the small files of tests in parts.
fn in_parts() -> Cluster {
    Cluster::builder()
        .set("max_worker_processes", "16")
        .env("STRATA_TEST_PART_BYTES", "5242880")
        .start()
}

#[test]
fn interrupted_uploads_are_aborted_by_the_next_exporter() {
    let cluster = in_parts();
    let proxy = s3().proxy();
    let db = Db::new(&cluster, "uploads_crash");
    db.metrics();
    // the smallest part that a store takes is 5 MB
    db.run("UPDATE m SET note = repeat(md5(id::text), 500)");
    db.archive(&proxy.endpoint(), "");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    let hash = db.hash();
    for (point, away) in [
        ("cold.export.begun", false),
        ("cold.export.begun", true),
        ("cold.export.uploaded", false),
    ] {
        let crashes = count_crashes(&cluster);
        arm(&cluster, &format!("{point}:kill"));
        queue(&db);
        wait_for_crash(&cluster, crashes);
        arm(&cluster, "");
        let mut session = db.session();
        let intent = "SELECT key, upload_id FROM strata.cold_upload";
        let found = crate::support::rows(&mut session, intent);
        let (key, id) = found.split_once('|').expect("one intent");
        assert!(
            !id.is_empty(),
            "{point}: the id was committed before the first byte"
        );
        assert_eq!(db.hash(), hash, "{point}");
        proxy.reset();
        if away {
            proxy.inject("DELETE", "", Fault::Status(503));
        }
        db.tier("2025-02-01");
        proxy.clear();
        let aborted = proxy
            .requests()
            .iter()
            .any(|r| r.starts_with("DELETE") && r.contains(&format!("uploadId={id}")));
        assert!(aborted, "{point}: {:?}", proxy.requests());
        assert_eq!(chunk_state(&mut session, JANUARY), "live", "{point}");
        assert_ne!(db.keys()[0], key, "{point}: never the same name again");
        assert_eq!(db.hash(), hash, "{point}");
        let left = one(
            &mut session,
            "SELECT count(*) || ' ' || bool_and(expires_at <= now()) FROM strata.cold_upload HAVING count(*) > 0",
        );
        let queued = format!(
            "SELECT count(*) FROM strata.cold_delete_queue WHERE key = '{key}' AND reason = 'given up'"
        );
        if away {
            assert_eq!(left, "1 true", "the intent still knows how to abort it");
            exec(&mut session, "DELETE FROM strata.cold_upload");
        } else {
            assert_eq!(left, "", "{point}");
            assert_eq!(one(&mut session, &queued), "1", "{point}");
        }
        db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
        assert_eq!(db.hash(), hash, "{point}: hot again");
    }
}

/// The store has done what was asked of it, and the answer is lost: size and checksum decide.
#[test]
fn lost_answers_are_settled_by_looking() {
    let cluster = in_parts();
    let proxy = s3().proxy();
    let db = Db::new(&cluster, "uploads_lost");
    db.metrics();
    // the smallest part that a store takes is 5 MB
    db.run("UPDATE m SET note = repeat(md5(id::text), 500)");
    db.archive(&proxy.endpoint(), ", max_retries '1', request_timeout '2s'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    let hash = db.hash();
    // the answer to the first part, to the completion, to both requests that begin an upload
    for (method, part, times) in [
        ("PUT", "partNumber=1", 1),
        ("POST", "uploadId=", 1),
        ("POST", "uploads", 1),
    ] {
        proxy.inject_times(times, method, part, Fault::LoseAnswer);
        db.tier("2025-02-01");
        proxy.clear();
        assert_eq!(db.hash(), hash, "{method} {part}");
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_upload"),
            "0",
            "{method} {part}"
        );
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_check(deep => true) WHERE status = 'ok'"),
            "1"
        );
        db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    }
    // a store that fails in the middle: the chunk stays hot, the parts are not left lying
    proxy.reset();
    // no answer is lost here: a busy machine has time to give it
    db.run("ALTER SERVER archive OPTIONS (SET request_timeout '30s', SET max_retries '5')");
    proxy.inject("PUT", "partNumber=2", Fault::Status(403));
    let error = cluster
        .try_psql(
            "uploads_lost",
            "CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')",
        )
        .expect_err("a part was refused");
    proxy.clear();
    assert!(error.contains("access refused"), "{error}");
    wait_until("the upload is given up", || {
        let requests = proxy.requests();
        let mut gone = requests.iter().filter(|r| r.starts_with("DELETE"));
        gone.any(|r| r.contains("uploadId="))
    });
    assert_eq!(chunk_state(&mut db.session(), JANUARY), "hot");
    assert_eq!(db.hash(), hash);
    // its process forgets the upload when the store has answered
    wait_until("the upload is forgotten", || {
        db.one("SELECT count(*) FROM strata.cold_upload") == "0"
    });
    wait_until("the exporter has ended", || {
        db.one("SELECT count(*) FROM strata.cold_exports WHERE state = 'running'") == "0"
    });
}
