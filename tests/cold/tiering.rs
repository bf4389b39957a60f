//! Several exporters, policies, ways to write and to check a file, room on disk, progress.

use crate::common::{Cluster, Stop, wait_until};
use crate::support::{
    Armed, ColdDb, Db, FEBRUARY, JANUARY, arm, chunk_state, exec, fails, one, rows, server,
    sqlite3, try_one, unknown_objects, wait_at, wait_cold,
};
use postgres::Client;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

const MARCH: &str = "strata_chunks.m_h1_20250301";
const ALL: &str = "older_than => '2025-04-01 00:00+00'::timestamptz";

fn armed() -> &'static Armed {
    static SERVER: OnceLock<Armed> = OnceLock::new();
    SERVER.get_or_init(Armed::new)
}

/// Exporters that rest in a step, which they do at an armed point only.
fn resting(session: &mut Client, step: &str) -> String {
    one(
        session,
        &format!(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_strata job%' \
             AND query = 'pg_strata: tiering, step {step}' AND wait_event = 'Extension'"
        ),
    )
}

#[test]
fn exporters_work_side_by_side_within_the_bound() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "tiering_parallel");
    db.metrics();
    let hash = db.hash();
    arm(&cluster, "cold.export.read:sleep");
    let mut session = db.session();
    for chunk in [JANUARY, FEBRUARY, MARCH] {
        one(
            &mut session,
            &format!("SELECT strata.tier_chunk('{chunk}')"),
        );
    }
    wait_until("two exporters are at work", || {
        resting(&mut session, "build") == "2"
    });
    let states = "SELECT string_agg(state, ' ' ORDER BY id) FROM strata.cold_exports";
    assert_eq!(one(&mut session, states), "running running queued");
    // whoever asks for more gets no third one
    for _ in 0..3 {
        one(
            &mut session,
            &format!("SELECT strata.tier_chunk('{MARCH}')"),
        );
    }
    assert_eq!(one(&mut session, states), "running running queued");
    let pids = "SELECT count(DISTINCT pid) FROM strata.cold_progress";
    assert_eq!(one(&mut session, pids), "2");
    arm(&cluster, "");
    for chunk in [JANUARY, FEBRUARY, MARCH] {
        wait_cold(&mut session, chunk);
    }
    assert_eq!(db.hash(), hash);
}

/// Without a launcher nobody starts an exporter later for whom no free process was left, and a process for every
/// chunk takes all that there are.
#[test]
fn a_transaction_that_tiers_many_chunks_starts_one_exporter() {
    let cluster = Cluster::builder()
        .set("log_min_messages", "debug1")
        .set("strata.cold_exporters", "1")
        .start();
    let db = Db::new(&cluster, "tiering_once");
    db.metrics();
    let tier = format!(
        "SELECT count(strata.tier_chunk(c)) FROM unnest('{{{JANUARY},{FEBRUARY},{MARCH}}}'::regclass[]) c"
    );
    let mut session = db.session();
    exec(&mut session, &format!("BEGIN; {tier}; ROLLBACK"));
    exec(&mut session, &tier);
    for chunk in [JANUARY, FEBRUARY, MARCH] {
        wait_cold(&mut session, chunk);
    }
    let log = cluster.log();
    // and not "unregistering", which is said of one that has ended
    let started = log
        .lines()
        .filter(|line| line.contains(" registering background worker") && line.contains("export"));
    assert_eq!(started.count(), 1);
}

/// A terminated exporter's chunk is taken up by another one, while CALL waits.
#[test]
fn terminated_exporter_is_replaced() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "tiering_replaced");
    db.metrics();
    let hash = db.hash();
    for point in [
        "cold.export.built",
        "cold.export.intended",
        "cold.export.verified",
    ] {
        arm(&cluster, &format!("{point}:sleep"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| db.tier("2025-02-01"));
            let mut session = db.session();
            wait_until("the exporter rests", || {
                let sql = "SELECT count(*) FROM pg_stat_activity a JOIN strata.cold_progress p USING (pid) \
                           WHERE a.wait_event = 'Extension' AND p.step IN ('build', 'upload', 'verify')";
                one(&mut session, sql) == "1"
            });
            let pid = one(&mut session, "SELECT pid FROM strata.cold_progress");
            cluster.configure(&[("strata.inject", "")]);
            assert_eq!(
                one(&mut session, &format!("SELECT pg_terminate_backend({pid})")),
                "t"
            );
            cluster.reload();
            waiting
                .join()
                .expect("the chunk is tiered by another exporter");
        });
        assert_eq!(chunk_state(&mut db.session(), JANUARY), "live", "{point}");
        assert_eq!(db.hash(), hash, "{point}");
        assert_eq!(
            db.one("SELECT count(*) FROM strata.cold_upload"),
            "0",
            "{point}"
        );
        assert_eq!(unknown_objects(&db), Vec::<String>::new(), "{point}");
        let temporary = cluster.data().join("base/pgsql_tmp");
        let left: Vec<_> = std::fs::read_dir(temporary)
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        assert!(left.is_empty(), "{point}: {left:?}");
        db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
    }
}

#[test]
fn progress_is_seen_by_the_owner_only() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "tiering_progress");
    db.run("CREATE ROLE tiering_guest LOGIN");
    db.metrics();
    arm(&cluster, "cold.export.read:sleep");
    let mut session = db.session();
    one(
        &mut session,
        &format!("SELECT strata.tier_chunk('{JANUARY}')"),
    );
    wait_at(&mut session, "build");
    let seen = rows(
        &mut session,
        "SELECT chunk, step, attempt, rows_done BETWEEN 500 AND 744, rows_total, running IS NOT NULL FROM strata.cold_progress",
    );
    assert_eq!(seen, format!("{JANUARY}|build|1|t|744|t"));
    let done = "SELECT rows_done BETWEEN 500 AND 744 FROM strata.cold_exports";
    assert_eq!(one(&mut session, done), "t");
    let mut guest = db.session_as("tiering_guest");
    assert_eq!(rows(&mut guest, "SELECT * FROM strata.cold_progress"), "");
    let ask = format!("SELECT strata._cold_rows_read('{JANUARY}') IS NULL");
    fails_or(&mut guest, &ask);
    arm(&cluster, "");
    wait_cold(&mut session, JANUARY);
    wait_until("the job is done", || {
        rows(&mut session, "SELECT * FROM strata.cold_progress").is_empty()
    });
    assert_eq!(
        one(&mut session, "SELECT rows_done FROM strata.cold_exports"),
        "744"
    );
}

/// The name of a chunk is not for everybody; its number tells nothing.
fn fails_or(guest: &mut Client, ask: &str) {
    match crate::support::try_one(guest, ask) {
        Ok(answer) => assert_eq!(answer, "t"),
        Err(error) => assert_eq!(error.code().map(|c| c.code()), Some("42501"), "{error:?}"),
    }
}

/// The order of rows, the indexes, and all the ways to look at what was stored.
#[test]
fn files_are_written_as_set_cold_storage_says() {
    let db = Db::new(server(), "tiering_settings");
    db.metrics();
    let hash = db.hash();
    for (more, sorted, indexes) in [
        (
            "",
            "ts",
            "m_h1_20250101_dev_ts_idx m_h1_20250101_pkey m_h1_20250101_ts_idx",
        ),
        (
            ", cluster_by => '{dev}', verify => 'sample'",
            "dev, ts",
            "m_h1_20250101_dev_ts_idx m_h1_20250101_pkey m_h1_20250101_ts_idx",
        ),
        (
            ", cluster_by => '{dev,val}', indexes => 'unique', verify => 'checksum'",
            "dev, val, ts",
            "m_h1_20250101_pkey",
        ),
        (", indexes => 'none'", "ts", "m_h1_20250101_pkey"),
    ] {
        db.run(&format!("SELECT strata.set_cold_storage('m'{more})"));
        db.tier("2025-02-01");
        assert_eq!(db.hash(), hash, "{more}");
        let file = &db.local_files()[0];
        let unsorted = format!(
            "select count(*) from (select rowid as r, row_number() over (order by {sorted}) as n from m_raw) where r <> n"
        );
        assert_eq!(sqlite3(file, &unsorted), "0", "{more}");
        let names = "select group_concat(name, ' ') from (select name from sqlite_master where type = 'index' and name not like 'sqlite_%' order by name)";
        assert_eq!(sqlite3(file, names), indexes, "{more}");
        db.run(&format!("CALL strata.untier_chunk('{JANUARY}')"));
        assert_eq!(db.hash(), hash, "{more}: hot again");
    }
    // names follow their columns; one that is gone costs order, not rows
    db.run(
        "SELECT strata.set_cold_storage('m', cluster_by => '{val,note}', bloom_columns => '{note}');
         ALTER TABLE m RENAME val TO value; ALTER TABLE m RENAME note TO remark; ALTER TABLE m ADD note text",
    );
    let names = "SELECT cluster_by::text || bloom_columns::text FROM strata.cold_setting";
    assert_eq!(db.one(names), "{value,remark}{remark}");
    db.run("ALTER TABLE m DROP remark");
    let hash = db.hash();
    db.tier("2025-02-01");
    assert_eq!(db.hash(), hash);
}

/// A full-text index for whoever has the file and nothing else; its columns are followed by number, and
/// the table answers as without it.
#[test]
fn words_are_found_with_sqlite3_alone() {
    let db = Db::new(server(), "tiering_words");
    db.metrics();
    db.run(
        "ALTER TABLE m ADD COLUMN doc jsonb, ADD COLUMN rank text;
         UPDATE m SET note = note || CASE id % 100 WHEN 7 THEN ' valve leaking' ELSE ' fine' END, doc = jsonb_build_object('place', 'hall ' || id % 3)",
    );
    let mut session = db.session();
    for (list, says) in [
        ("{nope}", "42703"),
        ("{val}", "0A000"),
        ("{rank}", "0A000"),
        ("{}", "22023"),
        ("{note,note}", "22023"),
        ("{NULL}", "22004"),
    ] {
        let sql = format!("SELECT strata.set_cold_storage('m', full_text => '{list}')::text");
        let error = try_one(&mut session, &sql).expect_err(list);
        assert_eq!(error.code().map(|c| c.code()), Some(says), "{list}");
    }
    db.run("SELECT strata.set_cold_storage('m', full_text => '{note,doc}'); ALTER TABLE m RENAME note TO remark");
    let names = "SELECT full_text::text FROM strata.cold_setting";
    assert_eq!(db.one(names), "{remark,doc}");
    let hash = db.hash();
    db.tier("2025-03-01");
    assert_eq!(db.hash(), hash);
    let files = db.local_files();
    for (words, condition) in [
        ("leaking", "remark LIKE '%leaking'"),
        ("doc : hall doc : 2", "doc->>'place' = 'hall 2'"),
        ("remark : hall", "false"),
    ] {
        let sql = format!(
            "select count(*), coalesce(sum(r.id), 0) from m_fts f join m_raw r on r.rowid = f.rowid where m_fts match '{words}'"
        );
        let wanted = format!(
            "SELECT count(*) || '|' || coalesce(sum(id), 0) FROM m WHERE ts < '2025-02-01 00:00+00' AND {condition}"
        );
        assert_eq!(sqlite3(&files[0], &sql), db.one(&wanted), "{words}");
    }
    assert_eq!(sqlite3(&files[0], "pragma integrity_check"), "ok");
    // a merge writes it anew
    db.run(
        "INSERT INTO m (id, ts, dev, remark) VALUES (99999, '2025-01-05 00:00+00', 1, 'late and leaking')",
    );
    db.run(&format!("SELECT strata.tier_chunk('{JANUARY}')"));
    let merged = "SELECT count(*) FROM strata.cold_files WHERE generation = 2";
    wait_until("the merge is done", || db.one(merged) == "1");
    let file = &db.local_files()[0];
    assert_eq!(
        sqlite3(
            file,
            "select group_concat(id) from m_raw where rowid in (select rowid from m_fts where m_fts match 'late')"
        ),
        "99999"
    );
    // a name that SQLite keeps for itself comes later: nothing happens to the rows
    db.run("ALTER TABLE m DROP COLUMN rank");
    db.run("ALTER TABLE m RENAME remark TO rank");
    let hash = db.hash();
    let error = try_one(
        &mut session,
        "CALL strata.tier_chunks('m', older_than => timestamptz '2025-04-01 00:00+00')",
    );
    let text = format!(
        "{:?}",
        error.expect_err("an export that cannot be").as_db_error()
    );
    assert!(
        text.contains("full-text indexes cannot have a column"),
        "{text}"
    );
    assert_eq!(db.hash(), hash);
}

/// What lies in the store is not what was written: whatever the level of checking, the heap stays.
#[test]
fn damage_before_the_swap_is_found_at_every_level() {
    let cluster = armed().take();
    for level in ["full", "sample", "checksum"] {
        let name = format!("tiering_verify_{level}");
        let db = Db::new(&cluster, &name);
        db.metrics();
        db.run(&format!(
            "SELECT strata.set_cold_storage('m', verify => '{level}')"
        ));
        let hash = db.hash();
        arm(&cluster, "cold.export.uploaded:sleep");
        let mut session = db.session();
        one(
            &mut session,
            &format!("SELECT strata.tier_chunk('{JANUARY}')"),
        );
        wait_at(&mut session, "upload");
        let key = one(&mut session, "SELECT key FROM strata.cold_upload");
        let file = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(cluster.data().join("strata_cold").join(key))
            .expect("the object");
        // in the middle, where the identity of a local file does not look: the text of a row
        let mut bytes = vec![0; file.metadata().expect("a size").len() as usize];
        file.read_exact_at(&mut bytes, 0).expect("the file");
        let at = (40_000..bytes.len()).find(|i| bytes[*i..].starts_with(b"n31"));
        file.write_all_at(b"x", at.expect("a row") as u64)
            .expect("damage");
        arm(&cluster, "");
        wait_until("the export has failed", || {
            one(&mut session, "SELECT state FROM strata.cold_exports") == "failed"
        });
        let error = one(&mut session, "SELECT last_error FROM strata.cold_exports");
        let expected = if level == "full" {
            "does not hold the same rows"
        } else {
            "another checksum"
        };
        assert!(error.contains(expected), "{level}: {error}");
        assert_eq!(chunk_state(&mut session, JANUARY), "hot", "{level}");
        assert_eq!(db.hash(), hash, "{level}");
        assert_eq!(unknown_objects(&db), Vec::<String>::new(), "{level}");
        db.tier("2025-02-01");
        assert_eq!(db.hash(), hash, "{level}, second time");
    }
}

#[test]
fn files_are_built_where_the_administrator_says() {
    let cluster = Cluster::builder().start();
    let db = Db::new(&cluster, "tiering_room");
    db.metrics();
    let hash = db.hash();
    let folder = cluster.sandbox().folder("build_here", 0o700);
    // what a killed exporter of this server left goes, whatever else lies there stays
    let system = db.one("SELECT system_identifier FROM pg_control_system()");
    let gone = folder.join(format!("pgsql_tmp_strata.{system}.4000000.0"));
    let stays = folder.join("pgsql_tmp_strata.1.4000000.0");
    for path in [&gone, &stays] {
        std::fs::create_dir(path).expect("a folder");
        std::fs::write(path.join("cold.1.work"), "x").expect("a file");
        cluster.user().own(path);
    }
    cluster.configure(&[("strata.cold_temp_directory", &folder.display().to_string())]);
    cluster.reload();
    db.tier("2025-02-01");
    assert_eq!(db.hash(), hash);
    assert!(!gone.exists() && stays.exists());
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 1);
    // a place that cannot be used fails the export before anything has changed
    cluster.configure(&[("strata.cold_temp_directory", "/proc/none")]);
    cluster.reload();
    let error = cluster
        .try_psql(
            "tiering_room",
            &format!("CALL strata.tier_chunks('m', {ALL}, max_chunks => 1)"),
        )
        .expect_err("no place to build");
    assert!(error.contains("/proc"), "{error}");
    assert_eq!(chunk_state(&mut db.session(), FEBRUARY), "hot");
    assert_eq!(db.hash(), hash);
}

/// Old chunks go by themselves, a few per run; what fails is told where jobs tell it.
#[test]
fn policies_tier_by_age_and_by_size() {
    let mut cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("strata.worker_interval", "1s")
        .start();
    let db = Db::new(&cluster, "tiering_policy");
    db.metrics();
    let hash = db.hash();
    db.run(
        "SELECT strata.add_tiering_policy('m', move_after => '30 days', max_per_run => 1, schedule_interval => '1 s')",
    );
    let mut session = db.session();
    for chunk in [JANUARY, FEBRUARY, MARCH] {
        wait_cold(&mut session, chunk);
    }
    assert_eq!(db.hash(), hash);
    // one chunk a run, oldest first
    let order = "SELECT string_agg(chunk::text, ' ' ORDER BY id) FROM strata.cold_exports";
    assert_eq!(
        one(&mut session, order),
        format!("{JANUARY} {FEBRUARY} {MARCH}")
    );
    let runs = "SELECT count(*) >= 3 AND bool_and(succeeded) FROM strata.job_history WHERE proc_name = 'policy_tiering'";
    wait_until("each run is on record", || one(&mut session, runs) == "t");
    exec(
        &mut session,
        "SELECT strata.remove_tiering_policy('m'); CALL strata.untier_chunks('m')",
    );
    // by size: the oldest go until the rest is small enough, whatever their age
    let size = "SELECT pg_total_relation_size('strata_chunks.m_h1_20250301')";
    let march: i64 = one(&mut session, size).parse().expect("a size");
    exec(
        &mut session,
        &format!(
            "SELECT strata.add_tiering_policy('m', keep_hot_bytes => {}, schedule_interval => '1 s')",
            march * 3
        ),
    );
    wait_cold(&mut session, JANUARY);
    wait_until("a run has found nothing to do", || {
        one(
            &mut session,
            "SELECT last_run_status FROM strata.job_stats JOIN strata.jobs USING (job_id) WHERE proc_name = 'policy_tiering'",
        ) == "Success"
    });
    assert_eq!(chunk_state(&mut session, MARCH), "hot");
    assert_eq!(db.hash(), hash);
    // a store that cannot be written to
    exec(
        &mut session,
        "CREATE SERVER nowhere FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 'file:///proc/nowhere');
         SELECT strata.remove_tiering_policy('m'); SELECT strata.set_cold_storage('m', server => 'nowhere');
         SELECT strata.add_tiering_policy('m', move_after => '30 days', schedule_interval => '1 s')",
    );
    let failed =
        "SELECT err_message FROM strata.job_errors WHERE proc_name = 'policy_tiering' LIMIT 1";
    wait_until("the failure is on record", || {
        one(&mut session, failed).contains("stay hot")
    });
    assert_eq!(db.hash(), hash);
    exec(&mut session, "SELECT strata.remove_tiering_policy('m')");
    drop(session);
    cluster.stop(Stop::Fast);
}

/// One locked chunk: the policy is asked all the same, and no schedule of the database waits for it.
#[test]
fn locked_chunk_holds_up_no_schedule() {
    let mut cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("strata.worker_interval", "1s")
        .start();
    let db = Db::new(&cluster, "tiering_locked");
    db.metrics();
    db.tier("2025-03-01");
    let mut blocker = db.session();
    exec(
        &mut blocker,
        &format!("BEGIN; LOCK TABLE {JANUARY} IN ACCESS EXCLUSIVE MODE"),
    );
    let mut session = db.session();
    // nothing is that old; then nothing is that large, which has to look at sizes
    for policy in [
        "move_after => '1000 years'",
        "keep_hot_bytes => 1099511627776",
    ] {
        let job = one(
            &mut session,
            &format!("SELECT strata.add_tiering_policy('m', {policy}, schedule_interval => '1 s')"),
        );
        let asked = format!(
            "SELECT next_start > (SELECT initial_start FROM strata.jobs WHERE job_id = {job}) + interval '1 s' \
             FROM strata.jobs WHERE job_id = {job}"
        );
        wait_until("the policy was asked", || one(&mut session, &asked) == "t");
        exec(&mut session, "SELECT strata.remove_tiering_policy('m')");
    }
    exec(&mut blocker, "ROLLBACK");
    drop((blocker, session));
    cluster.stop(Stop::Fast);
}

/// Retention takes cold chunks like hot ones; their files wait in the delete queue.
#[test]
fn retention_drops_cold_chunks() {
    let cluster = Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "16")
        .set("strata.worker_interval", "1s")
        .start();
    let db = Db::new(&cluster, "tiering_retention");
    db.metrics();
    db.tier("2025-03-01");
    let paths = db.local_files();
    db.run("SELECT strata.add_retention_policy('m', drop_after => interval '1 day', schedule_interval => '1 s')");
    let mut session = db.session();
    wait_until("all chunks are gone", || {
        one(
            &mut session,
            "SELECT count(*) FROM strata.chunks WHERE range_end < now() - interval '1 day'",
        ) == "0"
    });
    assert_eq!(one(&mut session, "SELECT count(id + 0) FROM m"), "0");
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM strata.cold_file"),
        "0"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT string_agg(reason, ' ') FROM strata.cold_delete_queue"
        ),
        "dropped dropped"
    );
    assert!(paths.iter().all(|p| p.exists()));
    assert_eq!(unknown_objects(&db), Vec::<String>::new());
}

/// A chunk that is dropped in the middle of its export takes the job along, and leaves nothing unknown.
#[test]
fn chunk_dropped_during_its_export() {
    let cluster = armed().take();
    for (n, (point, step)) in [
        ("cold.export.frozen", "freeze"),
        ("cold.export.intended", "upload"),
        ("cold.export.verified", "verify"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("tiering_dropped_{n}");
        let db = Db::new(&cluster, &name);
        db.metrics();
        arm(&cluster, &format!("{point}:sleep"));
        let mut session = db.session();
        one(
            &mut session,
            &format!("SELECT strata.tier_chunk('{JANUARY}')"),
        );
        wait_at(&mut session, step);
        exec(
            &mut session,
            &format!("SET lock_timeout = '10s'; DROP TABLE {JANUARY}"),
        );
        arm(&cluster, "");
        wait_until("the exporter is gone", || {
            one(
                &mut session,
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_strata job' AND datname = current_database()",
            ) == "0"
        });
        assert_eq!(
            one(&mut session, "SELECT count(id + 0) FROM m"),
            "1416",
            "{point}"
        );
        assert_eq!(
            one(&mut session, "SELECT count(*) FROM strata.cold_file"),
            "0",
            "{point}"
        );
        assert_eq!(unknown_objects(&db), Vec::<String>::new(), "{point}");
        db.tier("2025-03-01");
        assert_eq!(
            one(&mut session, "SELECT count(id + 0) FROM m"),
            "1416",
            "{point}"
        );
    }
}

#[test]
fn waiting_is_refused_inside_a_transaction_block() {
    let db = Db::new(server(), "tiering_block");
    db.metrics();
    let mut session = db.session();
    exec(&mut session, "BEGIN");
    fails(
        &mut session,
        &format!("CALL strata.tier_chunks('m', {ALL})"),
        "25001",
        &["transaction block"],
    );
    exec(&mut session, "ROLLBACK; BEGIN");
    exec(
        &mut session,
        &format!("CALL strata.tier_chunks('m', {ALL}, wait => false)"),
    );
    assert_eq!(chunk_state(&mut session, JANUARY), "hot");
    exec(&mut session, "COMMIT");
    for chunk in [JANUARY, FEBRUARY, MARCH] {
        wait_cold(&mut session, chunk);
    }
}

/// Whoever collects garbage takes the intent first: then the object may be gone at any time, and no chunk may
/// come to need it.
#[test]
fn swap_needs_its_intent() {
    let cluster = armed().take();
    let db = Db::new(&cluster, "tiering_intent");
    db.metrics();
    let hash = db.hash();
    arm(&cluster, "cold.export.verified:sleep");
    let mut session = db.session();
    one(
        &mut session,
        &format!("SELECT strata.tier_chunk('{JANUARY}')"),
    );
    wait_at(&mut session, "verify");
    let key = one(&mut session, "DELETE FROM strata.cold_upload RETURNING key");
    arm(&cluster, "");
    wait_until("the export has failed", || {
        one(&mut session, "SELECT state FROM strata.cold_exports") == "failed"
    });
    let error = one(&mut session, "SELECT last_error FROM strata.cold_exports");
    assert!(error.contains("its intent has expired"), "{error}");
    assert_eq!(chunk_state(&mut session, JANUARY), "hot");
    let queued = format!("SELECT count(*) FROM strata.cold_delete_queue WHERE key = '{key}'");
    assert_eq!(one(&mut session, &queued), "1");
    assert_eq!(db.hash(), hash);
    db.tier("2025-02-01");
    assert_eq!(db.hash(), hash);
}

/// Dropping a database, or asking for a process's memory, makes each process look up for a moment: that is no
/// reason to give up an export.
#[test]
fn exports_go_on_when_they_are_interrupted_without_being_cancelled() {
    let db = Db::new(server(), "tiering_nudged");
    db.run(
        "CREATE TABLE m (id bigint, ts timestamptz NOT NULL, note text, PRIMARY KEY (id, ts));
         CREATE INDEX ON m (note, ts);
         INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 second', md5(g::text)
             FROM generate_series(0, 149999) g;
         SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true);",
    );
    let mut session = db.session();
    let queue = format!("SELECT strata.tier_chunk('{JANUARY}')");
    one(&mut session, &queue);
    let mut nudged = 0;
    wait_until("the chunk is cold", || {
        let nudge = "SELECT count(pg_log_backend_memory_contexts(pid)) FROM pg_stat_activity
            WHERE backend_type LIKE 'pg_strata job%' AND datname = current_database()";
        nudged += usize::from(one(&mut session, nudge) != "0");
        let failure = "SELECT min(last_error) FROM strata.cold_exports";
        assert_eq!(one(&mut session, failure), "", "after {nudged} nudges");
        chunk_state(&mut session, JANUARY) == "live"
    });
    assert!(nudged > 5, "only {nudged} nudges");
}
