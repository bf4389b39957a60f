//! Servers shared by the tests, databases of their own, and short ways to ask them.

use crate::common::{ACCESS_KEY, Cluster, REGION, S3Server, SECRET_KEY, wait_until};
pub use crate::common::{
    Armed, Db, arm, exec, fails, force_parallel, has_icu, has_xml, one, rows, try_one,
};
use postgres::Client;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

pub const BUCKET: &str = "bucket";

/// A server without preload that all tests share which neither crash it nor arm stop points.
pub fn server() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| Cluster::builder().set("max_worker_processes", "24").start())
}

/// The S3 server that all tests share; keys of different tests differ in their prefix.
pub fn s3() -> &'static S3Server {
    static STORE: OnceLock<S3Server> = OnceLock::new();
    STORE.get_or_init(|| {
        let store = S3Server::start();
        store.create_bucket(BUCKET);
        store
    })
}

/// What the tests of the cold tier do with a database.
pub trait ColdDb {
    /// The table `m`, by month: 2160 hours from January to March 2025, three chunks.
    fn metrics(&self);
    /// Rows of `m` as one hash, and their number; in a new session.
    fn hash(&self) -> String;
    /// Tiers chunks of `m` that end before a date, and waits.
    fn tier(&self, older_than: &str);
    /// A server `archive` on the shared S3 server, reached by `endpoint`, for the tables of postgres.
    fn archive(&self, endpoint: &str, more: &str);
    /// Keys of live files, oldest chunk first.
    fn keys(&self) -> Vec<String>;
    /// The files of the built-in store that belong to live chunks, oldest first.
    fn local_files(&self) -> Vec<PathBuf>;
}

impl ColdDb for Db<'_> {
    fn metrics(&self) {
        self.run(METRICS);
    }

    #[track_caller]
    fn hash(&self) -> String {
        self.one(HASH)
    }

    #[track_caller]
    fn tier(&self, older_than: &str) {
        self.run(&format!(
            "CALL strata.tier_chunks('m', older_than => timestamptz '{older_than} 00:00+00')"
        ));
    }

    /// In sessions of their own: what a session knows of a chunk it keeps.
    #[track_caller]
    fn archive(&self, endpoint: &str, more: &str) {
        self.run(&format!(
            "CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://{BUCKET}/{}', \
             endpoint '{endpoint}', region '{REGION}', path_style 'true', allow_http 'true' {more}); \
             CREATE USER MAPPING FOR postgres SERVER archive \
             OPTIONS (access_key_id '{ACCESS_KEY}', secret_access_key '{SECRET_KEY}')",
            self.name
        ));
    }

    fn keys(&self) -> Vec<String> {
        let sql = "SELECT string_agg(key, ' ' ORDER BY range_start) FROM strata.cold_files";
        let found = self.one(sql);
        found.split_whitespace().map(str::to_owned).collect()
    }

    fn local_files(&self) -> Vec<PathBuf> {
        let root = self.cluster.data().join("strata_cold");
        self.keys().iter().map(|key| root.join(key)).collect()
    }
}

const METRICS: &str = "
    CREATE TABLE m (id bigint, ts timestamptz NOT NULL, dev int NOT NULL, val float8, note text,
        PRIMARY KEY (id, ts));
    CREATE INDEX m_dev ON m (dev, ts);
    INSERT INTO m SELECT g, '2025-01-01 00:00+00'::timestamptz + g * interval '1 hour', g % 7, g / 4.0,
        CASE WHEN g % 10 > 0 THEN 'n' || g END FROM generate_series(0, 2159) g;
    SELECT FROM strata.create_hypertable('m', strata.by_range('ts', INTERVAL '1 month'), migrate_data => true)";

/// Chunks of `m` in a database where it is the first hypertable.
pub const JANUARY: &str = "strata_chunks.m_h1_20250101";
pub const FEBRUARY: &str = "strata_chunks.m_h1_20250201";

pub const HASH: &str =
    "SELECT md5(string_agg(m::text, E'\\n' ORDER BY id, ts)) || ' ' || count(*) FROM m";

/// What Debian's sqlite3 shell prints.
#[track_caller]
pub fn sqlite3(file: &std::path::Path, sql: &str) -> String {
    assert!(file.exists(), "no file {}", file.display());
    let output = Command::new("sqlite3")
        .args(["-batch", "-bail", "-readonly"])
        .arg(file)
        .arg(sql)
        .output()
        .expect("sqlite3, installed by .ci/setup");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {errors}");
    // bytea comes out as it is
    String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned()
}

/// How a chunk stands in the catalog: hot, frozen or live.
pub fn chunk_state(session: &mut Client, chunk: &str) -> String {
    let sql = format!(
        "SELECT coalesce((SELECT state FROM strata.cold_file WHERE chunk = '{chunk}'::regclass), 'hot')"
    );
    one(session, &sql)
}

/// Waits until the job of a chunk has ended well.
#[track_caller]
pub fn wait_cold(session: &mut Client, chunk: &str) {
    wait_until(&format!("{chunk} is cold"), || {
        let sql = format!(
            "SELECT coalesce(last_error, '') FROM strata.cold_exports WHERE chunk = '{chunk}'::regclass AND state = 'failed'"
        );
        let failure = one(session, &sql);
        assert_eq!(failure, "", "the export failed");
        chunk_state(session, chunk) == "live"
    });
}

/// Like [`wait_cold`] while the server may crash and come back.
pub fn wait_cold_through_crashes(db: &Db, chunk: &str) {
    let sql = format!("SELECT count(*) FROM strata.cold_files WHERE chunk = '{chunk}'::regclass");
    wait_until(&format!("{chunk} is cold"), || {
        let Ok(mut session) = db.cluster.try_client(db.name) else {
            return false;
        };
        try_one(&mut session, &sql).is_ok_and(|count| count == "1")
    });
}

/// Waits until the exporter rests in this step, which it does at an armed point only.
#[track_caller]
pub fn wait_at(session: &mut Client, step: &str) {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_strata job%' \
         AND query = 'pg_strata: tiering, step {step}' AND wait_event = 'Extension'"
    );
    let mut seen = 0;
    wait_until(&format!("the exporter rests in step {step}"), || {
        seen = if one(session, &sql) == "1" {
            seen + 1
        } else {
            0
        };
        seen >= 3
    });
}

/// Files of this database in the built-in store that neither the manifest nor an intent nor the
/// delete queue names.
pub fn unknown_objects(db: &Db) -> Vec<String> {
    let root = db.cluster.data().join("strata_cold");
    let known = db.one(
        "SELECT string_agg(key, ' ') FROM (SELECT key FROM strata.cold_file WHERE key IS NOT NULL \
         UNION ALL SELECT key FROM strata.cold_upload UNION ALL SELECT key FROM strata.cold_delete_queue) k",
    );
    let mut folders = vec![root.clone()];
    let mut unknown = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let key = path.strip_prefix(&root).expect("a key").to_string_lossy();
            // the owner file belongs to the folder
            let ours = key.starts_with(&format!("{}-", db.name)) && !key.ends_with("/_owner.json");
            if ours && !known.split(' ').any(|k| k == key) {
                unknown.push(key.into_owned());
            }
        }
    }
    unknown
}
