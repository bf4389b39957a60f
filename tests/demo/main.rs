//! The demo: a year of weather becomes a hypertable, nine months of it become SQLite files, and every
//! question is still answered. Run it with `.ci/demo`; `--keep` leaves the server running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod map;
mod plan;
mod questions;
mod show;

use common::Cluster;
use flate2::read::GzDecoder;
use map::ChunkMap;
use postgres::Client;
use show::Show;
use std::io::{Read, Write};
use std::process::Command;
use std::time::Instant;

const DATABASE: &str = "demo";
const CUTOFF: &str = "2013-10-01 00:00+00";
const DATA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/nycflights13/weather.csv.gz"
);
const TABLE: &str = "CREATE TABLE weather (
    origin text, year int, month int, day int, hour int,
    temp float8, dewp float8, humid float8, wind_dir int, wind_speed float8, wind_gust float8,
    precip float8, pressure float8, visib float8,
    time_hour timestamptz NOT NULL,
    PRIMARY KEY (origin, time_hour));";

fn main() {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => {
            eprintln!("unknown argument {other}; the demo knows --keep");
            std::process::exit(2);
        }
    };
    let cluster = Cluster::builder().preload(true).start();
    let show = Show::new();
    show.title("pg_strata: old rows move to SQLite files, and still answer");
    show.text(
        "A private PostgreSQL server runs for this demo. Indented lines with > are the SQL that is run.",
    );
    cluster.create_database(DATABASE);
    let mut client = cluster.client(DATABASE);
    load(&show, &mut client);
    let before = digest(&mut client);
    make_hypertable(&show, &cluster, &mut client);
    let answers = questions::answers(&cluster);
    tier(&show, &mut client);
    questions::ask(&show, &cluster, &mut client, &answers);
    let key = open_a_file(&show, &cluster, &mut client);
    bring_back(&show, &mut client);
    compare(&show, &before, &digest(&mut client));
    drop(client);
    say_where(&show, &cluster, &key, keep);
    if keep {
        cluster.keep();
    }
}

fn load(show: &Show, client: &mut Client) {
    show.step("A plain table with real data");
    show.text("Hourly weather at New York's three airports in 2013 (nycflights13, public domain).");
    show.run(client, "CREATE EXTENSION pg_strata;");
    show.run(client, TABLE);
    let copy = "COPY weather FROM STDIN (FORMAT csv, HEADER, NULL 'NA');";
    show.sql(copy);
    let mut csv = Vec::new();
    GzDecoder::new(std::fs::File::open(DATA).expect("the data file"))
        .read_to_end(&mut csv)
        .expect("the data");
    let mut writer = client.copy_in(copy).expect("COPY");
    writer.write_all(&csv).expect("the rows");
    let rows = writer.finish().expect("COPY");
    show.result(&format!("{} rows", show::number(rows)));
}

fn make_hypertable(show: &Show, cluster: &Cluster, client: &mut Client) {
    show.step("A hypertable: one chunk per month");
    show.text(
        "The table keeps its name, its rows and its primary key. Each month becomes a partition.",
    );
    let sql = "SELECT created, chunks, rows_moved FROM strata.create_hypertable('weather',\n    \
               strata.by_range('time_hour', interval '1 month'), migrate_data => true);";
    show.sql(sql);
    show.table(cluster, DATABASE, sql);
    client.batch_execute("ANALYZE weather").expect("ANALYZE");
    show.text("Where the rows are now:");
    ChunkMap::read(client).draw(show);
}

fn tier(show: &Show, client: &mut Client) {
    show.step("Everything before October goes cold");
    let hot = ChunkMap::read(client);
    let sql = format!("CALL strata.tier_chunks('weather', older_than => timestamptz '{CUTOFF}');");
    show.sql(&sql);
    let start = Instant::now();
    client
        .batch_execute(&sql)
        .unwrap_or_else(|error| fail(&error));
    let map = ChunkMap::read(client).after(&hot);
    show.result(&format!(
        "{} chunks became SQLite files in {:.1} s: {} of table and indexes are now {} of files",
        map.cold(),
        start.elapsed().as_secs_f64(),
        show::bytes(map.bytes_before_tiering()),
        show::bytes(map.cold_bytes()),
    ));
    map.draw(show);
}

/// Shows one file through SQLite's own shell; returns its path.
fn open_a_file(show: &Show, cluster: &Cluster, client: &mut Client) -> String {
    show.step("A cold chunk is a plain SQLite file");
    let row = client
        .query_one(
            "SELECT chunk::text, key, current_setting('strata.cold_directory'), rows
             FROM strata.cold_files WHERE hypertable = 'weather'::regclass ORDER BY range_start LIMIT 1",
            &[],
        )
        .unwrap_or_else(|error| fail(&error));
    let (chunk, key, folder, rows): (String, String, String, i64) =
        (row.get(0), row.get(1), row.get(2), row.get(3));
    let file = cluster.data().join(folder).join(&key);
    show.text(&format!(
        "{chunk}, {} rows, is this file:",
        show::number(rows as u64)
    ));
    show.text(&file.display().to_string());
    let sql = "SELECT origin, time_hour, temp, wind_speed FROM weather ORDER BY temp LIMIT 3;";
    show.command(&format!("sqlite3 -readonly -box {key} \"{sql}\""));
    let output = Command::new("sqlite3")
        .args(["-readonly", "-box"])
        .arg(&file)
        .arg(sql)
        .output()
        .expect("sqlite3, installed by .ci/setup");
    assert!(
        output.status.success(),
        "sqlite3: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    show.block(&String::from_utf8_lossy(&output.stdout));
    file.display().to_string()
}

fn bring_back(show: &Show, client: &mut Client) {
    show.step("A chunk comes back");
    let row = client.query_one(
        "SELECT chunk::text FROM strata.cold_files WHERE hypertable = 'weather'::regclass
         ORDER BY range_start DESC LIMIT 1",
        &[],
    );
    let chunk: String = row.unwrap_or_else(|error| fail(&error)).get(0);
    show.run(client, &format!("CALL strata.untier_chunk('{chunk}');"));
    ChunkMap::read(client).draw(show);
}

/// One hash over all rows in order.
fn digest(client: &mut Client) -> String {
    let row = client.query_one(
        "SELECT md5(string_agg(w::text, E'\\n' ORDER BY origin, time_hour)) FROM weather w",
        &[],
    );
    row.unwrap_or_else(|error| fail(&error)).get(0)
}

fn compare(show: &Show, before: &str, after: &str) {
    show.step("Nothing was lost on the way");
    show.text(&format!(
        "md5 of all rows of the plain table, at the start:       {before}"
    ));
    show.text(&format!(
        "md5 of all rows now, hot, cold and brought back again: {after}"
    ));
    assert_eq!(before, after, "the rows have changed");
    show.result("the same");
}

fn say_where(show: &Show, cluster: &Cluster, file: &str, keep: bool) {
    show.step("Where everything lies");
    let folder = cluster.sandbox().path().display();
    if keep {
        show.text(&format!("server, data and log: {folder}"));
        show.text(&format!("a cold file:          {file}"));
        show.text(&format!(
            "connect:              psql -h {} -U postgres {DATABASE}",
            cluster.socket().display()
        ));
        show.text(&format!(
            "end it:               kill -INT {} && sleep 2 && rm -r {folder}",
            cluster.postmaster()
        ));
    } else {
        show.text(&format!(
            "This demo's server lay in {folder}; it is stopped and removed now."
        ));
        show.text("`.ci/demo --keep` leaves it running and says how to connect.");
    }
    show.text(
        "Cold files go to the folder strata.cold_directory, or to any S3 bucket: see README.md.",
    );
}

/// Ends the demo with the server's own words.
fn fail(error: &postgres::Error) -> ! {
    match error.as_db_error() {
        Some(db) => panic!(
            "{}: {} {} {}",
            db.severity(),
            db.message(),
            db.detail().unwrap_or_default(),
            db.hint().unwrap_or_default()
        ),
        None => panic!("{error}"),
    }
}
