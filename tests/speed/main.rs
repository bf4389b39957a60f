//! Measures pg_strata against a plain heap, native partitions made ahead, and pg_partman: `cargo measure`.
//!
//! Figures count with a release build only (`.ci/install --release`), on a machine that does nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a benchmark that fails says why and stops

mod archive;
#[path = "../common/mod.rs"]
mod common;
mod contenders;
mod dropping;
mod loading;
mod many;
mod measure;
mod migrate;
mod migrate_files;
mod planning;
mod queue;
mod reading;
mod report;
mod slow_disk;
mod stage;
mod tiering;

use common::PgConfig;
use report::Report;
use stage::Stage;
use std::time::Instant;

const HELP: &str = "\
cargo measure [--scale N] [--runs N] [--files N] [--fsync] [--smoke]
              [--only copy,insert,first,planning,drop,tiering,queue,migrate]
  --scale N  1 (default) takes about 2 minutes: 200,000 rows, up to 1,000 chunks; N times the rows,
             from 2 on also 5,000 chunks
  --runs N   measurements of each cell, in turns (default 5); medians are printed
  --files N  files of the part `migrate` (default 1000, for which its goals are stated)
  --only     these parts; `queue` (about 8 minutes, N times the churned jobs) and `migrate` (about 10 minutes,
             most of them psql once per file) run only when they are named
  --fsync    the server waits for the disk, as in production; off, figures vary less
  --smoke    tiny numbers, to see that the benchmark itself works; with `migrate`";

struct Options {
    rows: usize,
    runs: usize,
    chunks: Vec<i64>,
    load_seconds: f64,
    files: usize,
    only: Option<String>,
    fsync: bool,
    smoke: bool,
}

impl Options {
    /// True for a part that --only names.
    fn names(&self, part: &str) -> bool {
        self.parts().any(|name| name == part)
    }

    fn parts(&self) -> impl Iterator<Item = &str> {
        self.only.iter().flat_map(|only| only.split(','))
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rows: 200_000,
        runs: 5,
        chunks: vec![10, 100, 1000],
        load_seconds: 1.5,
        files: migrate::GOAL_FILES,
        only: None,
        fsync: false,
        smoke: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--scale" => {
                let scale: usize = value()?.parse().map_err(|_| "--scale: a number")?;
                options.rows *= scale.max(1);
                options.load_seconds *= scale.clamp(1, 4) as f64;
                if scale > 1 {
                    options.chunks.push(5000);
                }
            }
            "--runs" => options.runs = value()?.parse().map_err(|_| "--runs: a number")?,
            "--files" => options.files = value()?.parse().map_err(|_| "--files: a number")?,
            "--only" => options.only = Some(value()?),
            "--fsync" => options.fsync = true,
            "--smoke" => {
                options.smoke = true;
                options.rows = 2000;
                options.runs = 1;
                options.chunks = vec![10];
                options.load_seconds = 0.3;
                options.files = options.files.min(20);
            }
            _ => return Err(HELP.to_owned()),
        }
    }
    Ok(options)
}

fn main() {
    let options = match options() {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            std::process::exit(2);
        }
    };
    let start = Instant::now();
    let mut report = Report::new(!options.smoke);
    if options.smoke {
        println!("a smoke run: the figures mean nothing");
    }
    if options.names("queue") {
        queues(&mut report, &options);
    }
    if options.names("migrate") || (options.smoke && options.only.is_none()) {
        migrations(&mut report, &options);
    }
    // these two have servers of their own
    if options.only.is_some() && options.parts().all(|p| p == "queue" || p == "migrate") {
        report.sum_up();
        return println!("{:.0} s in all", start.elapsed().as_secs_f64());
    }
    if !options.smoke {
        stage::install_partman();
    }
    let stage = Stage::build(options.fsync);
    introduce(&stage, &report, &options);
    let wanted = |part: &str| options.only.is_none() || options.names(part);
    if wanted("copy") {
        loading::copies(&stage, &mut report, options.rows, options.runs);
    }
    if wanted("insert") {
        loading::inserts(&stage, &mut report, options.rows, options.runs);
    }
    if wanted("first") {
        loading::first_rows(&stage, &mut report, options.runs);
    }
    stage.drop_all();
    if wanted("planning") {
        planning::planning(&stage, &mut report, &options.chunks, options.runs);
    }
    if wanted("drop") {
        dropping::dropping(&stage, &mut report, options.load_seconds, options.runs);
    }
    if wanted("tiering") {
        let archive = archive::Archive::build(&stage);
        tiering::tiering(&stage, &mut report, options.rows);
        // as many rows as the figures of the design are about, when the scale is 1
        reading::reading(&stage, &archive, &mut report, options.rows * 2);
        let chunks = if options.smoke { 10 } else { 100 };
        many::many(&stage, &archive, &mut report, chunks);
    }
    report.sum_up();
    println!("{:.0} s in all", start.elapsed().as_secs_f64());
}

fn queues(report: &mut Report, options: &Options) {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    report.say(&format!("{processors} processors; {}", build()));
    let scale = options.rows / 200_000;
    let extent = match options.smoke {
        true => queue::Extent {
            runs: 1,
            seconds: 1.0,
            backlog: 20_000,
            churn: 2_000,
        },
        false => queue::Extent {
            runs: options.runs.min(3),
            seconds: 3.0,
            backlog: 60_000,
            churn: 200_000 * scale.max(1),
        },
    };
    queue::queue(report, &extent);
}

fn migrations(report: &mut Report, options: &Options) {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    report.say(&format!("{processors} processors; {}", build()));
    let extent = migrate::Extent {
        runs: options.runs,
        files: options.files.max(1),
        rows: options.rows,
        ids: options.rows,
    };
    migrate::migrate(report, &extent);
}

/// What was measured, where and how.
fn introduce(stage: &Stage, report: &Report, options: &Options) {
    let mut session = stage.session();
    let server = common::one(
        &mut session,
        "SELECT current_setting('server_version') || ', pg_strata ' || extversion FROM pg_extension WHERE extname = 'pg_strata'",
    );
    let partman = stage.partman.as_deref().unwrap_or("not installed");
    println!("PostgreSQL {server}, pg_partman {partman}");
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    report.say(&format!(
        "{processors} processors; {}; fsync {}, autovacuum off, shared_buffers 1 GB; library preloaded",
        build(),
        if options.fsync { "on" } else { "off" },
    ));
    report.say(&format!(
        "median of {} in turns, ± half the range; a ratio above 1 is better, the bar is the ratio, │ marks 1",
        options.runs
    ));
}

/// How the installed library was built, as .ci/install has noted it.
fn build() -> String {
    let program = std::env::current_exe().expect("own path");
    let target = program
        .ancestors()
        .find(|path| path.join("CACHEDIR.TAG").exists());
    let major = PgConfig::get().major;
    let folder = match major {
        15 => "install".to_owned(),
        _ => format!("pg{major}/install"),
    };
    let arguments =
        target.and_then(|t| std::fs::read_to_string(t.join(folder).join("arguments")).ok());
    match arguments {
        Some(text) if text.contains("--release") => "release build".to_owned(),
        _ => "NOT known to be a release build (.ci/install --release): figures are no figures"
            .to_owned(),
    }
}
