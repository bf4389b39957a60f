//! Migrations against psql on the same files, in one run; and what looks at them, with all of them applied.

use crate::common::{Cluster, exec, one};
use crate::measure::{Aim, Case, Goal, Row, Sample, Unit, in_turns, percentile, plain, timed};
use crate::migrate_files::{Pair, copy_block, pairs};
use crate::report::Report;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const EACH: &str = "psql, once per file";
const FILES: &str = "psql, per file";
const WHOLE: &str = "psql -1, one file";
const UP: &str = "pg_strata, migrate_up";
const DEPLOY: &str = "pg_strata, deploy";
const COPY: &str = "psql, COPY";

/// The goals are stated for so many files.
pub const GOAL_FILES: usize = 1_000;
/// Pairs whose downs are tried.
const TRIED: usize = 300;
/// Ids marked by one call.
const BATCH: usize = 5_000;

pub struct Extent {
    pub runs: usize,
    pub files: usize,
    /// of the COPY block
    pub rows: usize,
    /// that are marked
    pub ids: usize,
}

/// The server, and the files in forms that psql takes.
struct Place {
    cluster: Cluster,
    folder: PathBuf,
    pairs: Vec<Pair>,
}

impl Place {
    fn build(files: usize) -> Place {
        let cluster = Cluster::builder()
            .set("fsync", "on")
            .set("shared_buffers", "512MB")
            .set("max_wal_size", "2GB")
            .set("checkpoint_timeout", "1h")
            .set("max_locks_per_transaction", "256")
            .set("jit", "off")
            .start();
        let folder = cluster.sandbox().folder("migrations", 0o755);
        let pairs = pairs(files);
        let (mut all, mut bare) = (String::new(), String::new());
        for pair in &pairs {
            write(&folder.join(pair.up_name()), &pair.wrapped_up());
            all.push_str(&pair.wrapped_up());
            bare.push_str(&pair.up);
        }
        write(&folder.join("all"), &all);
        write(&folder.join("bare"), &bare);
        Place {
            cluster,
            folder,
            pairs,
        }
    }

    /// Runs psql to its end.
    fn psql(&self, database: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.cluster.tool("psql");
        command
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database])
            .args(arguments)
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .stdout(Stdio::null());
        let output = command.output().map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn file(&self, database: &str, options: &[&str], name: &str) -> Result<(), String> {
        let path = self.folder.join(name);
        let path = path.to_string_lossy();
        let mut arguments = options.to_vec();
        arguments.extend(["-f", &path]);
        self.psql(database, &arguments)
    }

    /// A database, with the extension where it takes part. Every sample has one of its own, and begins behind a
    /// checkpoint, so that none falls due while it is taken.
    fn database(&self, name: &str, extension: bool) {
        exec(
            &mut self.cluster.client("postgres"),
            &format!("DROP DATABASE IF EXISTS {name}"),
        );
        self.cluster.create_database(name);
        if extension {
            self.cluster.psql(name, "CREATE EXTENSION pg_strata");
        }
        exec(&mut self.cluster.client("postgres"), "CHECKPOINT");
    }

    /// Registers the first `n` versions; how long it took.
    fn register(&self, database: &str, n: usize, downs: bool) -> Result<Duration, String> {
        let mut files = serde_json::Map::new();
        for pair in self.pairs.iter().take(n) {
            files.insert(pair.up_name(), pair.wrapped_up().into());
            if downs {
                files.insert(pair.down_name(), pair.wrapped_down().into());
            }
        }
        let files = serde_json::Value::Object(files).to_string();
        let mut session = self.cluster.client(database);
        let sql = "SELECT count(*) FROM strata.migrate_register_all($1::text::jsonb)";
        timed(|| session.query_one(sql, &[&files]))
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

pub fn migrate(report: &mut Report, extent: &Extent) {
    let place = Place::build(extent.files);
    let judge = extent.files == GOAL_FILES;
    report.heading(&format!("migrations: {} small files", extent.files));
    report.say("wrapped in BEGIN and COMMIT; tables, indexes, foreign keys, views, triggers, rows; fsync on, not preloaded");
    if !judge {
        report.say(&format!(
            "the goals are stated for {GOAL_FILES} files: none is judged here"
        ));
    }
    applying(&place, report, extent, judge);
    looking(&place, report, extent, judge);
    advising(&place, report, extent, judge);
    trying(&place, report, extent, judge);
    copying(&place, report, extent, judge);
    marking(&place, report, extent, judge);
}

fn times(name: &'static str, times: f64, other: &'static str) -> Goal {
    Goal {
        name,
        aim: Aim::Times(times, other),
    }
}

/// Goals count for the number of files that they are stated for.
fn judged(judge: bool, goals: Vec<Goal>) -> Vec<Goal> {
    if judge { goals } else { Vec::new() }
}

/// A figure with an upper limit.
fn limit(report: &mut Report, judge: bool, what: &str, limit_ms: f64, mut values: Vec<f64>) {
    let median = percentile(&mut values, 50.0);
    let value = format!("{median:.1} ms");
    match judge {
        true => report.check(
            what,
            &format!("at most {limit_ms} ms"),
            &value,
            median <= limit_ms,
        ),
        false => report.say(&format!("  {what}: {value}")),
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// All files into an empty database. The last one that a call has migrated is left for what looks at it.
fn applying(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    let registered = std::cell::RefCell::new(Vec::new());
    let names = [EACH, FILES, WHOLE, UP, DEPLOY];
    let rows: Vec<Row> = in_turns(extent.runs, &names, |name, _| {
        let ours = name.starts_with("pg_strata");
        let database = if name == UP { "applied" } else { "fresh" };
        place.database(database, ours);
        if ours {
            let took = place.register(database, extent.files, false)?;
            registered.borrow_mut().push(ms(took));
        }
        let begun = Instant::now();
        match name {
            EACH => place
                .pairs
                .iter()
                .try_for_each(|pair| place.file(database, &[], &pair.up_name()))?,
            FILES => place.file(database, &[], "all")?,
            WHOLE => place.file(database, &["-1"], "bare")?,
            UP => place.psql(
                database,
                &["-c", "SELECT count(*) FROM strata.migrate_up()"],
            )?,
            _ => place.psql(database, &["-c", "CALL strata.migrate_deploy()"])?,
        }
        let took = begun.elapsed();
        let sql = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
        let made = one(&mut place.cluster.client(database), sql);
        let tables = place
            .pairs
            .iter()
            .filter(|p| p.up.starts_with("CREATE TABLE"));
        match made == tables.count().to_string() {
            true => Ok(Sample::from(took)),
            false => Err(format!("made {made} tables")),
        }
    });
    let one_transaction = vec![times(UP, 1.0, WHOLE), times(UP, 3.0, EACH)];
    // what a procedure commits file by file is compared with the same by psql
    let many = vec![times(DEPLOY, 1.0, FILES)];
    for (title, baseline, of, goals) in [
        (
            "apply all of them, in one transaction",
            WHOLE,
            [EACH, WHOLE, UP],
            one_transaction,
        ),
        (
            "apply all of them, a transaction per file",
            FILES,
            [EACH, FILES, DEPLOY],
            many,
        ),
    ] {
        let chosen = rows.iter().filter(|row| of.contains(&row.name));
        report.case(&Case {
            title: title.to_owned(),
            unit: Unit::Milliseconds,
            baseline,
            rows: chosen.cloned().collect(),
            goals: judged(judge, goals),
        });
    }
    println!();
    limit(
        report,
        judge,
        "registering them in one call",
        1_000.0,
        registered.into_inner(),
    );
}

/// What only looks, with all files applied. A session's first call reads catalogs, and is told apart.
fn looking(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    for (what, sql) in [
        (
            "migrate_status",
            "SELECT count(*) FROM strata.migrate_status()",
        ),
        (
            "migrate_drift",
            "SELECT count(*) FROM strata.migrate_drift()",
        ),
        ("migrate_fingerprint", "SELECT strata.migrate_fingerprint()"),
    ] {
        let (mut first, mut next) = (Vec::new(), Vec::new());
        for _ in 0..extent.runs {
            let mut session = place.cluster.client("applied");
            for times in [&mut first, &mut next] {
                let begun = Instant::now();
                one(&mut session, sql);
                times.push(ms(begun.elapsed()));
            }
        }
        let first = percentile(&mut first, 50.0);
        let what = format!(
            "{what} with {} applied (first call of a session {first:.0} ms)",
            extent.files
        );
        limit(report, judge, &what, 250.0, next);
    }
}

/// Advice on files that are pending.
fn advising(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    place.database("advised", true);
    let taken = place.register("advised", extent.files, true);
    taken.expect("files that are taken");
    let mut values = Vec::new();
    for _ in 0..extent.runs {
        let mut session = place.cluster.client("advised");
        let begun = Instant::now();
        one(&mut session, "SELECT count(*) FROM strata.migrate_lint()");
        values.push(ms(begun.elapsed()));
    }
    let what = format!("migrate_lint of {} pending files", extent.files);
    limit(report, judge, &what, 2_000.0, values);
}

/// Ups and downs that are tried and undone.
fn trying(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    let pairs = TRIED.min(extent.files);
    let mut values = Vec::new();
    for _ in 0..extent.runs {
        place.database("tried", true);
        place
            .register("tried", pairs, true)
            .expect("files that are taken");
        let mut session = place.cluster.client("tried");
        let begun = Instant::now();
        let bad = one(
            &mut session,
            "SELECT string_agg(version || ' ' || verdict || ' ' || coalesce(error, differences::text, ''), '; ') \
             FILTER (WHERE verdict <> 'ok') FROM strata.migrate_verify_down()",
        );
        values.push(ms(begun.elapsed()));
        assert!(bad.is_empty(), "downs that do not undo their ups: {bad}");
    }
    limit(
        report,
        judge,
        &format!("migrate_verify_down of {pairs} pairs"),
        60_000.0,
        values,
    );
}

/// One COPY block, by psql and as a file.
fn copying(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    let table = "CREATE TABLE copied (id bigint, device integer, value float8, note text)";
    let block = copy_block("copied", extent.rows);
    write(&place.folder.join("copy"), &block);
    let rows = in_turns(extent.runs, &[COPY, UP], |name, _| {
        place.database("copies", true);
        let mut session = place.cluster.client("copies");
        session.batch_execute(table).map_err(|e| plain(&e))?;
        let register = "SELECT count(*) FROM strata.migrate_register('1_copy.up.sql', $1)";
        session
            .query_one(register, &[&block])
            .map_err(|e| plain(&e))?;
        let begun = Instant::now();
        match name {
            COPY => place.file("copies", &[], "copy")?,
            _ => place.psql(
                "copies",
                &["-c", "SELECT count(*) FROM strata.migrate_up()"],
            )?,
        }
        let took = begun.elapsed();
        let found = one(&mut session, "SELECT count(*) FROM copied");
        if found != extent.rows.to_string() {
            return Err(format!("{found} rows"));
        }
        Ok(Sample {
            value: extent.rows as f64 / took.as_secs_f64(),
            ..Sample::default()
        })
    });
    report.case(&Case {
        title: format!("a COPY block of {} rows", extent.rows),
        unit: Unit::RowsPerSecond,
        baseline: COPY,
        rows,
        goals: judged(judge, vec![times(UP, 0.8, COPY)]),
    });
}

/// Ids of a task, marked in batches.
fn marking(place: &Place, report: &mut Report, extent: &Extent, judge: bool) {
    let mut values = Vec::new();
    let ids: Vec<String> = (0..extent.ids).map(|i| format!("object {i}")).collect();
    for _ in 0..extent.runs {
        place.database("marked", true);
        let mut session = place.cluster.client("marked");
        let begun = Instant::now();
        for batch in ids.chunks(BATCH) {
            session
                .query_one("SELECT strata.task_mark_many('moving', $1)", &[&batch])
                .expect("ids that can be marked");
        }
        values.push(extent.ids as f64 / begun.elapsed().as_secs_f64());
        let found = one(
            &mut session,
            "SELECT done FROM strata.task_progress('moving')",
        );
        assert_eq!(found, extent.ids.to_string(), "ids that are marked");
    }
    let speed = percentile(&mut values, 50.0);
    let what = format!("task_mark_many, {} ids in calls of {BATCH}", extent.ids);
    let value = format!("{:.1} k ids/s", speed / 1000.0);
    println!();
    match judge {
        true => report.check(&what, "at least 50 k ids/s", &value, speed >= 50_000.0),
        false => report.say(&format!("  {what}: {value}")),
    }
}
