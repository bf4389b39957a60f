//! Reading cold rows: the same questions to a hot table, to a file in a local directory, to one in a bucket whose
//! requests wait 20 ms each, and to the `sqlite3` shell on a copy of the file.

use crate::archive::{Archive, alone, best, forget, shell};
use crate::common::{exec, one};
use crate::report::Report;
use crate::stage::Stage;
use postgres::Client;

/// One question.
struct Question {
    name: &'static str,
    /// `{t}` is the table.
    sql: String,
    /// The same for the shell.
    shell: String,
}

/// January 2025 in microseconds since 1970.
const START_US: i64 = 1_735_689_600_000_000;
const DAY_US: i64 = 86_400_000_000;

const TABLES: [&str; 3] = ["hot", "local", "remote"];

fn questions(rows: usize) -> Vec<Question> {
    let step = 30 * DAY_US / rows as i64;
    let id = rows as i64 / 2;
    let at = START_US + id * step;
    let (day, next) = (START_US + 9 * DAY_US, START_US + 10 * DAY_US);
    // one part in a hundred of the file
    let part = START_US + 12 * DAY_US;
    let part_end = part + 30 * DAY_US / 100;
    let ts = |us: i64| format!("to_timestamp({})", us as f64 / 1e6);
    let between = |from: i64, to: i64| format!("at >= {} AND at < {}", ts(from), ts(to));
    let raw = |from: i64, to: i64| format!("\"at\" >= {from} AND \"at\" < {to}");
    let question = |name, sql: String, shell: String| Question { name, sql, shell };
    vec![
        question(
            "point",
            format!("SELECT * FROM {{t}} WHERE id = {id} AND at = {}", ts(at)),
            format!("SELECT * FROM {{t}} WHERE id = {id} AND \"at\" = {at}"),
        ),
        question(
            "range, 1 %",
            format!("SELECT count(*), sum(value) FROM {{t}} WHERE {}", between(part, part_end)),
            format!("SELECT count(*), sum(value) FROM {{t}} WHERE {}", raw(part, part_end)),
        ),
        question(
            "device and day",
            format!("SELECT count(*), sum(value) FROM {{t}} WHERE device = 77 AND {}", between(day, next)),
            format!("SELECT count(*), sum(value) FROM {{t}} WHERE device = 77 AND {}", raw(day, next)),
        ),
        question(
            "last",
            "SELECT id, value FROM {t} ORDER BY at DESC LIMIT 1".into(),
            "SELECT id, value FROM {t} ORDER BY \"at\" DESC LIMIT 1".into(),
        ),
        question(
            "count",
            "SELECT count(*), min(at), max(at), max(id) FROM {t}".into(),
            "SELECT count(*), min(\"at\"), max(\"at\"), max(id) FROM {t}".into(),
        ),
        question(
            "sum of integers",
            "SELECT sum(size), count(size), min(device) FROM {t}".into(),
            "SELECT sum(size), count(size), min(device) FROM {t}".into(),
        ),
        question(
            "group by day",
            "SELECT strata.time_bucket(interval '1 day', at) d, count(*), max(id) FROM {t} GROUP BY 1 ORDER BY 1".into(),
            format!("SELECT \"at\" / {DAY_US} d, count(*), max(id) FROM {{t}} GROUP BY 1 ORDER BY 1"),
        ),
        question(
            "sum of floats",
            "SELECT sum(value) FROM {t}".into(),
            "SELECT sum(value) FROM {t}".into(),
        ),
        // what is printed is thrown away, by both; the answers above have been compared
        question(
            "full scan",
            "COPY (SELECT * FROM {t}) TO '/dev/null'".into(),
            "SELECT * FROM {t}".into(),
        ),
        question(
            "join",
            "SELECT d.name, count(*) FROM machine d JOIN {t} ON device = d.id WHERE d.id < 3 GROUP BY 1 ORDER BY 1".into(),
            "SELECT device, count(*) FROM {t} WHERE device < 3 GROUP BY 1 ORDER BY 1".into(),
        ),
    ]
}

fn make(stage: &Stage, archive: &Archive, rows: usize) {
    let mut session = stage.session();
    exec(
        &mut session,
        "CREATE TABLE machine (id int8 PRIMARY KEY, name text);
         INSERT INTO machine SELECT g, 'machine ' || g FROM generate_series(0, 499) g",
    );
    for table in TABLES {
        exec(
            &mut session,
            &format!(
                "CREATE TABLE {table} (id int8, at timestamptz, device int8, size int4, value float8, note text, PRIMARY KEY (id, at))
                     PARTITION BY RANGE (at);
                 CREATE INDEX ON {table} (device, at);
                 CREATE INDEX ON {table} (at);
                 SELECT FROM strata.create_hypertable('{table}', strata.by_range('at', interval '1 month'));
                 SELECT strata.premake_chunks('{table}', timestamptz '2025-01-01 00:00+00', timestamptz '2025-01-31 00:00+00');
                 INSERT INTO {table} SELECT g, timestamptz '2025-01-01 00:00+00' + g * (interval '30 days' / {rows}), g::int8 * 7919 % 500,
                     g % 1000, g * 0.25, rpad('note ' || g, 50, '.') FROM generate_series(0, {rows} - 1) g"
            ),
        );
    }
    exec(
        &mut session,
        "SELECT strata.set_cold_storage('remote', server => 'archive')",
    );
    exec(&mut session, "VACUUM ANALYZE hot");
    for table in ["local", "remote"] {
        archive.tier(&mut session, table);
        exec(&mut session, &format!("ANALYZE {table}"));
    }
}

/// What the goals are about.
#[derive(Default)]
struct Figures {
    cold_ms: f64,
    warm_ms: f64,
    gets: u64,
    bytes: u64,
    hot_ms: f64,
    local_ms: f64,
    shell_ms: f64,
    off_ms: f64,
}

pub fn reading(stage: &Stage, archive: &Archive, report: &mut Report, rows: usize) {
    report.heading("reading: one cold file, 20 ms per request");
    make(stage, archive, rows);
    let mut session = alone(stage);
    let file = archive.file(&mut session, "remote");
    let size = file.metadata().map_or(0, |meta| meta.len());
    let head = one(
        &mut session,
        "SELECT max(length(bytes)) FROM strata.cold_head",
    )
    .parse::<u64>()
    .unwrap_or(0);
    let transfer_ms = transfer(archive, &mut session, size);
    report.say(&format!(
        "{rows} rows, file {:.1} MB, its head {} KB; the bucket gives {:.0} MB/s",
        size as f64 / 1e6,
        head / 1024,
        size as f64 / 1e3 / transfer_ms.max(0.001)
    ));
    report.say("question           cold s3: ms  GETs     KB  warm ms  pushdown off  local ms  hot ms  shell ms");
    let name = one(
        &mut session,
        "SELECT relname || '_raw' FROM pg_class WHERE oid = 'remote'::regclass",
    );
    let (mut wrong, mut found) = (0, Vec::new());
    for question in questions(rows) {
        let figures = ask(archive, &mut session, &question, &file, &name, &mut wrong);
        println!(
            "  {:<18}{:>10.1}{:>6}{:>8}{:>9.2}{:>14.2}{:>10.2}{:>8.2}{:>10.2}",
            question.name,
            figures.cold_ms,
            figures.gets,
            figures.bytes / 1024,
            figures.warm_ms,
            figures.off_ms,
            figures.local_ms,
            figures.hot_ms,
            figures.shell_ms
        );
        found.push((question.name, figures));
    }
    report.check("wrong answers", "0", &wrong.to_string(), wrong == 0);
    judge(report, &found, size, head, transfer_ms);
}

/// One file from the first to the last byte in requests of 4 MB, without waiting: milliseconds.
fn transfer(archive: &Archive, session: &mut Client, size: u64) -> f64 {
    let url = one(
        session,
        "SELECT strata.cold_url(file) FROM strata.cold_files WHERE hypertable = 'remote'::regclass",
    );
    let mut best = f64::MAX;
    for _ in 0..3 {
        best = best.min(archive.download_ms(&url, size, 4 << 20));
    }
    best
}

fn ask(
    archive: &Archive,
    session: &mut Client,
    question: &Question,
    file: &std::path::Path,
    raw: &str,
    wrong: &mut usize,
) -> Figures {
    let on = |table: &str| question.sql.replace("{t}", table);
    let (hot_ms, truth) = best(session, &on("hot"));
    let mut judge = |answer: &str| *wrong += usize::from(answer != truth);
    let (local_ms, answer) = best(session, &on("local"));
    judge(&answer);
    forget(session);
    let cold = archive.cost(session, &on("remote"));
    judge(&cold.answer);
    let (warm_ms, answer) = best(session, &on("remote"));
    judge(&answer);
    exec(session, "SET strata.cold_pushdown = off");
    let (off_ms, answer) = best(session, &on("remote"));
    judge(&answer);
    exec(session, "RESET strata.cold_pushdown");
    Figures {
        cold_ms: cold.ms,
        gets: cold.gets,
        bytes: cold.bytes,
        warm_ms,
        hot_ms,
        local_ms,
        off_ms,
        shell_ms: shell(file, &question.shell.replace("{t}", raw)),
    }
}

fn judge(report: &mut Report, found: &[(&str, Figures)], size: u64, head: u64, transfer_ms: f64) {
    let none = Figures::default();
    let of = |name: &str| {
        found
            .iter()
            .find(|(n, _)| *n == name)
            .map_or(&none, |(_, f)| f)
    };
    let point = of("point");
    report.check(
        "point lookup by primary key, nothing cached but the head in the manifest",
        "1-2 GETs, < 100 ms",
        &format!("{} GETs, {:.1} ms", point.gets, point.cold_ms),
        (1..=2).contains(&point.gets) && point.cold_ms < 100.0,
    );
    let range = of("range, 1 %");
    let limit = size / 50 + head;
    report.check(
        "range, 1 % of the file",
        &format!("at most {} KB", limit / 1024),
        &format!("{} KB in {} GETs", range.bytes / 1024, range.gets),
        range.bytes <= limit,
    );
    let count = of("count");
    report.check(
        "count, min and max of the whole file",
        "0 GETs",
        &format!("{} GETs", count.gets),
        count.gets == 0,
    );
    for name in ["sum of integers", "group by day"] {
        let figures = of(name);
        let times = figures.off_ms / figures.warm_ms.max(0.001);
        report.check(
            name,
            "at least 5x pushdown off",
            &format!("{times:.1}x"),
            times >= 5.0,
        );
    }
    let full = of("full scan");
    let allowed = 1.3 * (full.shell_ms + transfer_ms);
    report.check(
        "full scan, in the bucket",
        &format!("at most {allowed:.0} ms, 1.3x shell and transfer"),
        &format!("{:.0} ms", full.cold_ms),
        full.cold_ms <= allowed,
    );
    let allowed = 1.3 * full.shell_ms;
    report.check(
        "full scan, in a local directory",
        &format!("at most {allowed:.0} ms, 1.3x shell"),
        &format!("{:.0} ms", full.local_ms),
        full.local_ms <= allowed,
    );
}
