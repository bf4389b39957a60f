//! Late rows and their file become the next generation of it, through crashes, writers and old snapshots.

use crate::common::{Cluster, Stop, wait_until};
use crate::support::{
    Armed, ColdDb, Db, FEBRUARY, HASH, JANUARY, arm, chunk_state, exec, fails, one, rows, server,
    sqlite3, try_one, unknown_objects, wait_at,
};
use postgres::Client;
use std::sync::OnceLock;

/// Stop points of the exporter and the step that is shown while it rests there.
const STEPS: [(&str, &str); 9] = [
    ("cold.export.freezing", "freeze"),
    ("cold.export.frozen", "freeze"),
    ("cold.export.waited", "wait"),
    ("cold.export.built", "build"),
    ("cold.export.intended", "upload"),
    ("cold.export.uploaded", "upload"),
    ("cold.export.verified", "verify"),
    ("cold.export.swapping", "swap"),
    ("cold.export.swapped", "swap"),
];

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

/// January is cold, and has late rows of every kind: new, changed, gone, under a savepoint.
fn with_late_rows<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    db.tier("2025-02-01");
    add_late_rows(&db);
    db
}

fn add_late_rows(db: &Db) {
    db.run(
        "INSERT INTO m SELECT 9000 + g, '2025-01-20 00:30+00'::timestamptz + g * interval '1 hour', g % 7, g, 'late' FROM generate_series(0, 49) g;
         UPDATE m SET note = 'changed' WHERE id = 9001; DELETE FROM m WHERE id = 9002;
         BEGIN; INSERT INTO m VALUES (9100, '2025-01-20 00:30+00', 1); SAVEPOINT s;
         INSERT INTO m VALUES (9101, '2025-01-20 00:30+00', 1); ROLLBACK TO s; COMMIT;
         UPDATE m SET ts = '2025-01-31 23:59+00' WHERE id = 2000",
    );
}

fn queue(session: &mut Client) -> String {
    one(session, &format!("SELECT strata.tier_chunk('{JANUARY}')"))
}

fn generation(session: &mut Client) -> String {
    let sql =
        format!("SELECT generation FROM strata.cold_files WHERE chunk = '{JANUARY}'::regclass");
    one(session, &sql)
}

fn last_job(session: &mut Client, column: &str) -> String {
    let sql = format!(
        "SELECT {column} FROM strata.cold_exports WHERE chunk = '{JANUARY}'::regclass ORDER BY id DESC LIMIT 1"
    );
    one(session, &sql)
}

#[track_caller]
fn wait_merged(session: &mut Client, wanted: &str) {
    wait_until(&format!("generation {wanted}"), || {
        assert_ne!(
            last_job(session, "state"),
            "failed",
            "{}",
            last_job(session, "last_error")
        );
        generation(session) == wanted && last_job(session, "state") == "done"
    });
}

/// The rows are all there, once, in a file that is whole; no mark and no object is left over.
#[track_caller]
fn check_whole(db: &Db, hash: &str, at: &str) {
    assert_eq!(db.hash(), hash, "{at}");
    let mut session = db.session();
    assert_eq!(chunk_state(&mut session, JANUARY), "live", "{at}");
    let unfinished =
        "SELECT count(*) FROM strata.cold_upload u JOIN strata.cold_file f USING (server, key)";
    assert_eq!(one(&mut session, unfinished), "0", "{at}");
    let strangers = "SELECT count(*) FROM strata.cold_column c WHERE NOT EXISTS (SELECT FROM strata.cold_file f WHERE f.id = c.file)";
    assert_eq!(one(&mut session, strangers), "0", "{at}");
    assert_eq!(
        one(
            &mut session,
            &strangers.replace("cold_column", "cold_bloom")
        ),
        "0",
        "{at}"
    );
    let queued = "SELECT count(*) FROM strata.cold_delete_queue q JOIN strata.cold_file f USING (server, key)";
    assert_eq!(
        one(&mut session, queued),
        "0",
        "{at}: a live file is to be deleted"
    );
    assert_eq!(unknown_objects(db), Vec::<String>::new(), "{at}");
    let check = "SELECT count(*) FROM strata.cold_check(deep => true) WHERE status <> 'ok'";
    assert_eq!(one(&mut session, check), "0", "{at}");
    // readers and writers go on; the late row comes and goes
    fails(
        &mut session,
        "INSERT INTO m VALUES (5, '2025-01-01 05:00+00', 1)",
        "23505",
        &[],
    );
    fails(
        &mut session,
        "INSERT INTO m VALUES (9100, '2025-01-20 00:30+00', 1)",
        "23505",
        &[],
    );
    exec(
        &mut session,
        "INSERT INTO m VALUES (9900, '2025-01-20 00:30+00', 1); DELETE FROM m WHERE id = 9900",
    );
}

fn stub_bytes(session: &mut Client) -> String {
    one(session, &format!("SELECT pg_relation_size('{JANUARY}')"))
}

#[test]
fn late_rows_become_part_of_the_next_generation() {
    let db = with_late_rows(server(), "merge_next");
    let old = db.local_files().remove(0);
    let hash = db.hash();
    let mut session = db.session();
    queue(&mut session);
    wait_merged(&mut session, "2");
    assert_eq!(stub_bytes(&mut session), "0");
    check_whole(&db, &hash, "after the merge");
    assert_eq!(
        one(
            &mut session,
            &format!("SELECT rows FROM strata.cold_files WHERE chunk = '{JANUARY}'::regclass")
        ),
        "795"
    );
    let queued = "SELECT reason || ' ' || generation FROM strata.cold_delete_queue";
    assert_eq!(one(&mut session, queued), "merged 1");
    assert!(old.exists(), "nothing is deleted inline");
    let new = db.local_files().remove(0);
    assert_eq!(sqlite3(&new, "SELECT count(id + 0) FROM m"), "795");
    // in the order of the file, late rows among the others
    let unordered = "SELECT count(*) FROM (SELECT ts < lag(ts) OVER (ORDER BY rowid) AS back FROM m_raw) WHERE back";
    assert_eq!(sqlite3(&new, unordered), "0");
    assert_eq!(
        sqlite3(&new, "SELECT note FROM m WHERE id = 9001"),
        "changed"
    );
    // somebody who was at work when the row was deleted may keep it for a moment
    wait_until("the deleted row is gone", || {
        exec(&mut session, "VACUUM m");
        stub_bytes(&mut session) == "0"
    });
    let error = fails(
        &mut session,
        &format!("SELECT strata.tier_chunk('{JANUARY}')"),
        "55000",
        &["cold already"],
    );
    assert!(error.hint().is_some());
    // once more, with a column that came meanwhile, and the way back
    exec(
        &mut session,
        "ALTER TABLE m ADD COLUMN extra int DEFAULT 7; ALTER TABLE m DROP COLUMN val; \
         INSERT INTO m (id, ts, dev, extra) VALUES (9200, '2025-01-20 00:30+00', 1, 8)",
    );
    let hash = db.hash();
    queue(&mut session);
    wait_merged(&mut session, "3");
    check_whole(&db, &hash, "after the second merge");
    assert_eq!(
        rows(
            &mut session,
            "SELECT extra FROM m WHERE id IN (5, 9200) ORDER BY id"
        ),
        "7\n8"
    );
    db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    assert_eq!(db.hash(), hash);
}

#[test]
fn killed_merge_leaves_a_whole_chunk() {
    let cluster = armed().take();
    let db = with_late_rows(&cluster, "merge_killed");
    let count = |cluster: &Cluster| cluster.log().matches("was terminated by signal 9").count();
    for (n, (point, _)) in STEPS.iter().enumerate() {
        let hash = db.hash();
        let before = generation(&mut db.session());
        let crashes = count(&cluster);
        arm(&cluster, &format!("{point}:kill"));
        // the crash may come before the answer
        let _ = try_one(
            &mut db.session(),
            &format!("SELECT strata.tier_chunk('{JANUARY}')"),
        );
        wait_until("the server has noticed the kill", || {
            count(&cluster) > crashes
        });
        cluster.wait_for_recovery();
        arm(&cluster, "");
        let mut session = db.session();
        let swapped = *point == "cold.export.swapped";
        let after = generation(&mut session);
        assert_eq!(
            after != before,
            swapped,
            "{point}: generation {before}, then {after}"
        );
        assert_eq!(stub_bytes(&mut session) == "0", swapped, "{point}");
        check_whole(&db, &hash, point);
        // whoever comes next takes it from there, and the late rows of meanwhile along
        db.run(&format!(
            "INSERT INTO m VALUES ({}, '2025-01-25 00:30+00', 1)",
            9300 + n
        ));
        let hash = db.hash();
        queue(&mut session);
        let next: i32 = after.parse().expect("a number");
        wait_merged_or_again(&mut session, next + 1);
        assert_eq!(stub_bytes(&mut session), "0", "{point}");
        check_whole(&db, &hash, point);
        db.run(&format!(
            "INSERT INTO m VALUES ({}, '2025-01-25 00:30+00', 1)",
            9400 + n
        ));
    }
}

#[track_caller]
fn wait_merged_or_again(session: &mut Client, at_least: i32) {
    wait_until(&format!("generation {at_least}"), || {
        generation(session)
            .parse::<i32>()
            .is_ok_and(|g| g >= at_least)
            && one(
                session,
                "SELECT count(*) FROM strata.cold_exports WHERE state IN ('queued', 'running')",
            ) == "0"
    });
}

#[test]
fn immediate_shutdown_during_a_merge_leaves_a_whole_chunk() {
    let mut cluster = armed().take();
    let name = "merge_shutdown";
    with_late_rows(&cluster, name);
    for (point, step) in [STEPS[1], STEPS[5], STEPS[7]] {
        let hash;
        {
            let db = Db {
                cluster: &cluster,
                name,
            };
            hash = db.hash();
            arm(&cluster, &format!("{point}:sleep"));
            queue(&mut db.session());
            wait_at(&mut db.session(), step);
        }
        cluster.configure(&[("strata.inject", "")]);
        cluster.restart(Stop::Immediate);
        let db = Db {
            cluster: &cluster,
            name,
        };
        check_whole(&db, &hash, point);
    }
    let db = Db {
        cluster: &cluster,
        name,
    };
    let hash = db.hash();
    let mut session = db.session();
    queue(&mut session);
    wait_merged(&mut session, "2");
    check_whole(&db, &hash, "in the end");
}

#[test]
fn failed_merge_leaves_the_chunk_as_it_was() {
    let cluster = armed().take();
    let db = with_late_rows(&cluster, "merge_failed");
    let hash = db.hash();
    let mut session = db.session();
    for (point, _) in &STEPS[..STEPS.len() - 1] {
        arm(&cluster, &format!("{point}:error"));
        queue(&mut session);
        wait_until("the job has failed", || {
            last_job(&mut session, "state") == "failed"
        });
        arm(&cluster, "");
        assert!(
            last_job(&mut session, "last_error").contains(point),
            "{point}"
        );
        assert_eq!(generation(&mut session), "1", "{point}");
        assert_eq!(
            one(&mut session, "SELECT count(*) FROM strata.cold_merge"),
            "0",
            "{point}"
        );
        check_whole(&db, &hash, point);
    }
    // damage must not travel on into the next file
    let file = db.local_files().remove(0);
    let whole = std::fs::read(&file).expect("the file");
    let mut damaged = whole.clone();
    let at = damaged
        .windows(4)
        .position(|w| w == b"n123")
        .expect("a note");
    damaged[at + 1] = b'9';
    std::fs::write(&file, &damaged).expect("written");
    queue(&mut session);
    wait_until("the job has failed", || {
        last_job(&mut session, "state") == "failed"
    });
    assert_eq!(generation(&mut session), "1");
    std::fs::write(&file, &whole).expect("written");
    queue(&mut session);
    wait_merged(&mut session, "2");
    check_whole(&db, &hash, "after repair");
}

/// A writer at any step: it is not refused, it waits for no longer than a lock attempt, and its rows are there.
#[test]
fn writers_during_a_merge_win() {
    let cluster = armed().take();
    for (n, (point, step)) in [STEPS[1], STEPS[3], STEPS[6]].into_iter().enumerate() {
        let name = format!("merge_writers_{n}");
        let db = with_late_rows(&cluster, &name);
        arm(&cluster, &format!("{point}:sleep"));
        let mut session = db.session();
        queue(&mut session);
        wait_at(&mut session, step);
        let mut writer = db.session();
        exec(
            &mut writer,
            "SET lock_timeout = '2s'; INSERT INTO m VALUES (9500, '2025-01-25 00:30+00', 1); \
             UPDATE m SET note = 'meanwhile' WHERE id = 9003; DELETE FROM m WHERE id = 9004; \
             INSERT INTO m VALUES (9501, '2025-03-20 00:30+00', 1)",
        );
        exec(
            &mut writer,
            "BEGIN; UPDATE m SET note = 'never' WHERE id = 9005; ROLLBACK",
        );
        fails(
            &mut writer,
            "INSERT INTO m VALUES (9500, '2025-01-25 00:30+00', 1)",
            "23505",
            &[],
        );
        fails(
            &mut writer,
            "UPDATE m SET note = 'x' WHERE id = 5",
            "55000",
            &[],
        );
        let hash = db.hash();
        arm(&cluster, "");
        wait_merged(&mut session, "2");
        check_whole(&db, &hash, point);
        assert_eq!(
            one(&mut session, "SELECT note FROM m WHERE id = 9003"),
            "meanwhile"
        );
        let attempts: i32 = last_job(&mut session, "attempt").parse().expect("a number");
        assert!(attempts >= 2, "{point}: {attempts} attempts");
    }
}

#[test]
fn old_snapshots_see_the_same_rows_before_and_after_a_merge() {
    let cluster = armed().take();
    let db = with_late_rows(&cluster, "merge_snapshots");
    // one that is older than the last changes: the merge waits for it
    let mut old = db.session();
    exec(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    one(&mut old, "SELECT count(*) FROM pg_class");
    let seen = db.hash();
    let pid = one(&mut old, "SELECT pg_backend_pid()");
    db.run(
        "UPDATE m SET note = 'newer' WHERE id = 9003; DELETE FROM m WHERE id = 9004; \
         INSERT INTO m VALUES (9500, '2025-01-25 00:30+00', 1)",
    );
    let now = db.hash();
    arm(&cluster, "cold.export.built:sleep");
    let mut session = db.session();
    queue(&mut session);
    wait_until("the merge waits for the snapshot", || {
        last_job(&mut session, "blocked_by").contains(&format!("pid {pid} "))
    });
    assert_eq!(one(&mut old, HASH), seen);
    exec(&mut old, "COMMIT");
    // one from between freeze and swap: it looks at the chunk for the first time after the swap
    wait_at(&mut session, "build");
    let mut between = db.session();
    exec(&mut between, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    one(&mut between, "SELECT count(*) FROM pg_class");
    arm(&cluster, "");
    wait_merged(&mut session, "2");
    db.run("INSERT INTO m VALUES (9501, '2025-01-25 00:30+00', 1)");
    assert_eq!(one(&mut between, HASH), now);
    exec(&mut between, "COMMIT");
    assert_eq!(
        one(&mut between, "SELECT count(*) FROM m WHERE id = 9501"),
        "1"
    );
}

/// A cursor in mid-file and a prepared plan go on from one file to the next.
#[test]
fn readers_go_on_over_a_merge() {
    let db = with_late_rows(server(), "merge_readers");
    let mut reader = db.session();
    exec(
        &mut reader,
        "PREPARE late AS SELECT count(*) FROM m WHERE id BETWEEN 9000 AND 9100; SET plan_cache_mode = force_generic_plan",
    );
    assert_eq!(one(&mut reader, "EXECUTE late"), "50");
    let mut cursor = db.session();
    exec(
        &mut cursor,
        "BEGIN; DECLARE c CURSOR FOR SELECT id FROM m WHERE ts < '2025-02-01' ORDER BY ts; FETCH 100 c",
    );
    let mut session = db.session();
    queue(&mut session);
    wait_until("the merge waits for the cursor", || {
        !last_job(&mut session, "blocked_by").is_empty()
    });
    assert_eq!(rows(&mut cursor, "FETCH ALL c").lines().count(), 695);
    exec(&mut cursor, "COMMIT");
    wait_merged(&mut session, "2");
    assert_eq!(one(&mut reader, "EXECUTE late"), "50");
    assert_eq!(
        one(
            &mut reader,
            &format!("SELECT count(id + 0) FROM {FEBRUARY}")
        ),
        "672"
    );
}

/// Whoever brings a chunk back while its merge is queued or under way finds it hot afterwards, with all its rows, until
/// somebody asks for it again.
#[test]
fn untiered_chunk_stays_hot_though_a_merge_was_under_way() {
    let cluster = armed().take();
    let db = with_late_rows(&cluster, "merge_untiered");
    // nothing in the file must be needed to notice
    db.run("ALTER TABLE m DROP CONSTRAINT m_pkey");
    let hash = db.hash();
    let mut session = db.session();
    let untier = format!("CALL strata.untier_chunk('{JANUARY}')");
    for (n, (point, step)) in [STEPS[1], STEPS[3], STEPS[6]].into_iter().enumerate() {
        arm(&cluster, &format!("{point}:sleep"));
        queue(&mut session);
        wait_at(&mut session, step);
        exec(&mut session, &untier);
        arm(&cluster, "");
        wait_until("the merge has given up", || {
            last_job(&mut session, "state") == "failed"
        });
        assert!(
            last_job(&mut session, "last_error").contains("untiered"),
            "{point}: {}",
            last_job(&mut session, "last_error")
        );
        assert_eq!(chunk_state(&mut session, JANUARY), "hot", "{point}");
        assert_eq!(db.hash(), hash, "{point}");
        // asked for again it goes, and has late rows once more
        queue(&mut session);
        wait_until("cold again", || last_job(&mut session, "state") == "done");
        assert_eq!(db.hash(), hash, "{point}");
        exec(
            &mut session,
            &format!(
                "INSERT INTO m VALUES (77000{n}, '2025-01-03 00:30+00', 1); DELETE FROM m WHERE id = 77000{n}"
            ),
        );
    }
    // asked for again while the old job still runs: the job goes on with it
    arm(&cluster, &format!("{}:sleep", STEPS[3].0));
    queue(&mut session);
    wait_at(&mut session, STEPS[3].1);
    exec(&mut session, &untier);
    queue(&mut session);
    arm(&cluster, "");
    wait_until("cold once more", || {
        last_job(&mut session, "state") == "done"
    });
    assert_eq!(chunk_state(&mut session, JANUARY), "live");
    assert_eq!(db.hash(), hash);
}
