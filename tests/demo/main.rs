//! The product on real data, for somebody who has never seen it: `.ci/demo`, or `cargo demo` when the
//! extension is installed. `--keep` leaves the server running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a demo that fails says why and stops

#[path = "../common/mod.rs"]
mod common;
mod map;
mod plan;
mod questions;
mod screen;

use common::Cluster;
use screen::{Screen, kilobytes, thousands};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const DATABASE: &str = "demo";

// Looked at before the key was chosen: of the 26,115 rows none lacks time_hour, and (origin, time_hour) has
// no duplicates. The local columns year to hour are no key: 2013-11-03 01:00 is there twice at each of the
// three airports, when the clocks go back.
const TABLE: &str = "\
CREATE TABLE weather (
    origin text NOT NULL,                                        -- EWR, JFK or LGA
    year smallint, month smallint, day smallint, hour smallint,  -- New York's clock
    temp float8, dewp float8, humid float8,                      -- degrees Fahrenheit, per cent
    wind_dir smallint, wind_speed float8, wind_gust float8,      -- miles per hour
    precip float8, pressure float8, visib float8,                -- inches, millibars, miles
    time_hour timestamptz NOT NULL,
    PRIMARY KEY (origin, time_hour)
);";
const COPY: &str = "COPY weather FROM STDIN (FORMAT csv, HEADER, NULL 'NA');";

const TIER: &str =
    "CALL strata.tier_chunks('weather', older_than => timestamptz '2013-10-01 00:00+00');";
const FINGERPRINT: &str =
    "SELECT md5(string_agg(w::text, ';' ORDER BY origin, time_hour)) FROM weather w";
const FEBRUARY: &str = "strata_chunks.weather_h1_20130201";

/// What a statement wrote.
struct Answer {
    ok: bool,
    out: String,
    err: String,
}

struct Demo {
    cluster: Cluster,
    client: postgres::Client,
    screen: Screen,
}

impl Demo {
    /// Runs one statement in a psql session of its own.
    fn psql(&self, options: &[&str], sql: &str) -> Answer {
        let output = self
            .cluster
            .tool("psql")
            .args(["-X", "-q", "-P", "footer=off", "-P", "null=-"])
            .args(["-d", DATABASE, "-c", sql])
            .args(options)
            .output()
            .expect("psql");
        Answer {
            ok: output.status.success(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Shows a statement and what psql answers; it must succeed.
    fn run(&self, sql: &str) {
        self.screen.statement(sql);
        let answer = self.psql(&[], sql);
        assert!(answer.ok, "{}\nin: {sql}", answer.err);
        let text = format!("{}{}", answer.out, answer.err);
        if !text.trim().is_empty() {
            self.screen.result(&text);
        }
    }

    /// Shows a statement that must be refused, and the error.
    fn refused(&self, sql: &str, because: &str) {
        self.screen.statement(sql);
        let answer = self.psql(&[], sql);
        assert!(!answer.ok, "not refused: {sql}");
        assert!(answer.err.contains(because), "{}\nin: {sql}", answer.err);
        self.screen.result(&answer.err);
    }

    /// Shows a query, its result, and what was read for it.
    fn ask(&self, sql: &str, chunks: usize) -> plan::Reads {
        self.run(sql);
        let explained = self.psql(&["-At"], &format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}"));
        assert!(explained.ok, "{}\nin: EXPLAIN {sql}", explained.err);
        let reads = plan::Reads::of(&explained.out);
        self.screen.note(&reads.summary(chunks));
        reads
    }

    fn text(&mut self, sql: &str) -> String {
        self.client.query_one(sql, &[]).expect(sql).get(0)
    }

    fn number(&mut self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).expect(sql).get(0)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let keep = arguments.iter().any(|argument| argument == "--keep");
    if let Some(unknown) = arguments.iter().find(|argument| *argument != "--keep") {
        eprintln!(
            "demo: unknown argument {unknown}; the only one is --keep, which leaves the server running"
        );
        return ExitCode::from(2);
    }
    let mut demo = start();
    load(&mut demo);
    make_hypertable(&mut demo);
    let answers = questions::answers(&demo);
    tier(&mut demo);
    let chunks = usize::try_from(demo.number("SELECT count(*) FROM strata.chunks")).unwrap();
    questions::ask_all(&demo, chunks, &answers);
    open_file(&mut demo);
    write_to_it(&demo);
    bring_back(&mut demo, chunks);
    finish(demo, keep);
    ExitCode::SUCCESS
}

fn start() -> Demo {
    let screen = Screen::new();
    println!(
        "{}",
        screen.paint(
            screen::Colour::Bold,
            "pg_strata: tables whose old months lie in SQLite files, and still answer every query"
        )
    );
    let cluster = Cluster::builder().preload(true).start();
    cluster.create_database(DATABASE);
    let mut client = cluster.client(DATABASE);
    let version: String = client
        .query_one("SELECT split_part(version(), ' (', 1)", &[])
        .expect("the version")
        .get(0);
    screen.say(&format!(
        "A private {version} server runs in {}; nothing else on this machine is touched.",
        cluster.sandbox().path().display()
    ));
    Demo {
        cluster,
        client,
        screen,
    }
}

fn load(demo: &mut Demo) {
    demo.screen
        .step("An ordinary table: the weather at New York's airports, hour by hour, 2013");
    demo.run("CREATE EXTENSION pg_strata;");
    demo.run(TABLE);
    demo.screen.statement(COPY);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nycflights13/weather.csv.gz");
    let file =
        std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut into = demo.client.copy_in(COPY).expect("COPY");
    std::io::copy(&mut flate2::read::GzDecoder::new(file), &mut into).expect("COPY");
    let rows = into.finish().expect("COPY");
    let size = demo.number("SELECT pg_total_relation_size('weather')");
    demo.screen.result(&format!(
        "{} rows, {} with the index",
        thousands(rows as i64),
        kilobytes(size)
    ));
}

fn make_hypertable(demo: &mut Demo) {
    demo.screen
        .step("It becomes a hypertable: one chunk per month, rows and primary key stay");
    demo.run(
        "SELECT created, chunks, rows_moved FROM strata.create_hypertable('weather',\n    \
         strata.by_range('time_hour', interval '1 month'), migrate_data => true);",
    );
    demo.screen.say(
        "A chunk is a partition. Queries, INSERT, the primary key and foreign keys work as before; new \
         chunks are made ahead of time by a background worker.",
    );
}

fn tier(demo: &mut Demo) {
    let before = demo.text(FINGERPRINT);
    demo.screen.step("All but the last quarter goes cold");
    demo.run(TIER);
    demo.screen.say(
        "Each cold chunk is now one immutable SQLite file in a store: here a directory, just as well an S3 \
         bucket. The chunk stays a partition of the table, with next to nothing in the database:",
    );
    let sizes = map::draw(&demo.screen, &mut demo.client, "weather");
    demo.screen.say(&format!(
        "The files are not compressed, carry the indexes and can be read by anybody's sqlite3, so they are \
         larger than the chunks were; but only {} are left in the database.",
        kilobytes(sizes.disk)
    ));
    let after = demo.text(FINGERPRINT);
    assert_eq!(before, after, "the table reads otherwise than before");
    demo.screen.say(&format!(
        "The MD5 over all rows, {after}, is the same before and after: nobody who asks sees a difference."
    ));
}

/// The folder of the store and one file in it, from the catalog.
fn file_of(demo: &mut Demo, chunk: &str) -> PathBuf {
    let key = demo.text(&format!(
        "SELECT key FROM strata.cold_files WHERE chunk = '{chunk}'::regclass"
    ));
    let store = demo.text("SHOW strata.cold_directory");
    demo.cluster.data().join(store).join(key)
}

fn open_file(demo: &mut Demo) {
    demo.screen
        .step("A cold chunk is a file that needs no PostgreSQL");
    let path = file_of(demo, FEBRUARY);
    let sql = "SELECT origin, time_hour, temp, wind_speed, precip FROM weather LIMIT 3";
    let folder = path.parent().expect("a folder").display().to_string();
    let name = path.file_name().expect("a name").to_string_lossy();
    demo.screen
        .statement(&format!("cd {folder}\nsqlite3 {name} \\\n    \"{sql}\""));
    let output = Command::new("sqlite3")
        .args(["-batch", "-readonly", "-header", "-column"])
        .arg(&path)
        .arg(sql)
        .output()
        .expect("the shell sqlite3, installed by .ci/setup");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.lines().count() >= 4,
        "sqlite3: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    demo.screen.result(&text);
}

fn write_to_it(demo: &Demo) {
    demo.screen
        .step("Hot rows change as ever; cold rows cannot be changed by accident");
    demo.run(
        "INSERT INTO weather (origin, time_hour, temp) VALUES ('JFK', '2013-12-30 12:00+00', 40.1)\n\
         ON CONFLICT (origin, time_hour) DO UPDATE SET temp = EXCLUDED.temp\n\
         RETURNING origin, time_hour, temp, humid;",
    );
    demo.screen.say(
        "The wind of 1,048 miles per hour above is an error of the source. But February is cold:",
    );
    demo.refused(questions::MEND, "cold chunk");
}

fn bring_back(demo: &mut Demo, chunks: usize) {
    demo.screen
        .step("One chunk comes back, is mended, and goes cold again");
    demo.run(&format!("CALL strata.untier_chunk('{FEBRUARY}');"));
    demo.run(questions::MEND);
    map::draw(&demo.screen, &mut demo.client, "weather");
    demo.run(TIER);
    let reads = demo.ask(questions::WINDIEST, chunks);
    assert!(reads.files() > 0, "no file was read");
}

fn finish(demo: Demo, keep: bool) {
    let Demo {
        cluster,
        mut client,
        screen,
    } = demo;
    let store: String = client
        .query_one("SHOW strata.cold_directory", &[])
        .expect("a setting")
        .get(0);
    drop(client);
    screen.step("Where everything lies");
    let store = cluster.data().join(store);
    screen.result(&format!(
        "data directory   {}\ncold directory   {}\nlist of files    SELECT * FROM strata.cold_files;\nlist of chunks   SELECT * FROM strata.chunks;",
        cluster.data().display(),
        store.display()
    ));
    if keep {
        let bin = &common::PgConfig::get().bin;
        // pg_ctl, too, refuses root
        let user = if common::is_root() {
            "runuser -u postgres -- "
        } else {
            ""
        };
        screen.say(
            "The server goes on running (--keep). Look around, then stop it and remove its folder:",
        );
        screen.statement(&format!(
            "{} -h {} -U postgres {DATABASE}\n{user}{} -D {} -m fast stop\nrm -r {}",
            bin.join("psql").display(),
            cluster.socket().display(),
            bin.join("pg_ctl").display(),
            cluster.data().display(),
            cluster.sandbox().path().display(),
        ));
        cluster.keep();
    } else {
        screen.say(
            "The server and its folder are gone now. `.ci/demo --keep` leaves them, to look around; README.md \
             tells how to use pg_strata on a server of your own.",
        );
    }
}
