//! COPY and INSERT: rows per second, WAL and processor time; latency of the first row of a chunk.

use crate::measure::{Aim, Case, Goal, Sample, Unit, in_turns, plain, timed};
use crate::report::Report;
use crate::stage::{DAY, DEMAND, HEAP, NATIVE, PARTMAN, PREMADE, Stage};
use postgres::Client;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const DEVICES: usize = 1000;

/// A moment in seconds since 1970 and a device: what the rows differ in.
type Key = (i64, i32);

/// Rows spread evenly over the days before `end`, in order of time.
fn keys(rows: usize, days: i64, end: i64) -> Vec<Key> {
    let start = end - days * DAY;
    (0..rows)
        .map(|i| {
            let moment = start + (i as i64 * days * DAY) / rows as i64;
            (moment, (i * 7919 % DEVICES) as i32)
        })
        .collect()
}

/// The same rows in an order without any sense, the same every time.
fn shuffled(mut keys: Vec<Key>) -> Vec<Key> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for i in (1..keys.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        keys.swap(i, (state % (i as u64 + 1)) as usize);
    }
    keys
}

/// The rows as COPY reads them, with moments as the server prints them.
fn text(keys: &[Key]) -> Vec<u8> {
    let mut out = Vec::with_capacity(keys.len() * 56);
    for (moment, device) in keys {
        let day = moment.div_euclid(DAY);
        let second = moment.rem_euclid(DAY);
        let (year, month, date) = civil(day);
        let _ = writeln!(
            out,
            "{year:04}-{month:02}-{date:02} {:02}:{:02}:{:02}+00\t{device}\t{:.3}\tmeasured",
            second / 3600,
            second / 60 % 60,
            second % 60,
            (moment % 1000) as f64 / 7.0
        );
    }
    out
}

/// Days since 1970 to a date (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day: i64) -> (i64, i64, i64) {
    let z = day + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

/// A session that knows its process, to ask for processor time.
struct Watched {
    client: Client,
    pid: i32,
}

impl Watched {
    fn new(stage: &Stage) -> Watched {
        let mut client = stage.session();
        let row = client.query_one("SELECT pg_backend_pid()", &[]);
        Watched {
            pid: row.expect("a pid").get(0),
            client,
        }
    }

    /// User and system time of the session so far. Ticks are hundredths of a second on Linux.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = after_name.split_whitespace().skip(11).take(2);
        ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
    }
}

fn wal_position(client: &mut Client) -> i64 {
    let sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint";
    client.query_one(sql, &[]).expect("a position").get(0)
}

fn copy(client: &mut Client, table: &str, data: &[u8]) -> Result<(), postgres::Error> {
    let mut writer = client.copy_in(&format!("COPY {table} FROM STDIN"))?;
    for piece in data.chunks(1 << 16) {
        if writer.write_all(piece).is_err() {
            break; // the server has given up; finish() knows why
        }
    }
    writer.finish().map(drop)
}

/// Copies each part by a client of its own, at the same time.
fn copy_at_once(
    stage: &Stage,
    table: &str,
    parts: &[Vec<u8>],
    rows: usize,
) -> Result<Sample, String> {
    let mut clients: Vec<Watched> = parts.iter().map(|_| Watched::new(stage)).collect();
    let before: f64 = clients.iter().map(Watched::cpu_seconds).sum();
    let wal = wal_position(&mut clients[0].client);
    let start = Instant::now();
    let results: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .zip(parts)
            .map(|(watched, part)| {
                scope.spawn(|| copy(&mut watched.client, table, part).map_err(|e| plain(&e)))
            })
            .collect();
        let joined = threads.into_iter().map(|t| t.join());
        joined.map(|r| r.expect("a client's thread")).collect()
    });
    let took = start.elapsed().as_secs_f64();
    results.into_iter().collect::<Result<(), String>>()?;
    let wal = wal_position(&mut clients[0].client) - wal;
    Ok(Sample {
        value: rows as f64 / took,
        wal_bytes_per_row: wal as f64 / rows as f64,
        cpu_seconds: clients.iter().map(Watched::cpu_seconds).sum::<f64>() - before,
    })
}

/// What is copied and into what.
struct Load<'a> {
    title: &'a str,
    indexes: &'a [&'a str],
    days: i64,
    shuffle: bool,
    clients: usize,
    names: &'a [&'static str],
    goals: Vec<Goal>,
}

fn copy_case(stage: &Stage, rows: usize, runs: usize, load: Load<'_>) -> Case {
    let end = stage.today + DAY;
    let mut keys = keys(rows, load.days, end);
    if load.shuffle {
        keys = shuffled(keys);
    }
    let parts: Vec<Vec<u8>> = (0..load.clients)
        .map(|n| {
            let own: Vec<Key> = keys.iter().skip(n).step_by(load.clients).copied().collect();
            text(&own)
        })
        .collect();
    let rows_of = in_turns(runs, &stage.contenders(load.names), |name, _| {
        let table = stage.table(name, load.indexes, load.days, end)?;
        copy_at_once(stage, table, &parts, rows)
    });
    Case {
        title: load.title.to_owned(),
        unit: Unit::RowsPerSecond,
        baseline: NATIVE,
        rows: rows_of,
        goals: load.goals,
    }
}

const ALL: &[&str] = &[HEAP, NATIVE, PREMADE, DEMAND, PARTMAN];

pub fn copies(stage: &Stage, report: &mut Report, rows: usize, runs: usize) {
    report.heading("COPY");
    report.say(&format!(
        "{rows} rows of (ts, device, value, note); one chunk per day; ratios to native premade partitions"
    ));
    let at_least = |times| {
        vec![Goal {
            name: PREMADE,
            aim: Aim::Times(times, NATIVE),
        }]
    };
    let ordered = |title, indexes, clients| Load {
        title,
        indexes,
        days: 10,
        shuffle: false,
        clients,
        names: ALL,
        goals: at_least(1.0),
    };
    for load in [
        ordered("in order of time, 10 chunks, no index", &[], 1),
        ordered("in order of time, 10 chunks, index (ts)", &["ts"], 1),
        ordered(
            "in order of time, 10 chunks, index (device, ts)",
            &["device, ts"],
            1,
        ),
        ordered(
            "the same by 2 clients, index (device, ts)",
            &["device, ts"],
            2,
        ),
        Load {
            title: "shuffled over 100 chunks, index (ts); on demand: none of them there yet",
            indexes: &["ts"],
            days: 100,
            shuffle: true,
            clients: 1,
            names: ALL,
            goals: vec![Goal {
                name: DEMAND,
                aim: Aim::Times(0.9, NATIVE),
            }],
        },
    ] {
        report.case(&copy_case(stage, rows, runs, load));
    }
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds as u64)
}

/// Inserts all rows in statements of `batch` rows, prepared once, one transaction each.
fn insert(
    client: &mut Client,
    table: &str,
    keys: &[Key],
    batch: usize,
) -> Result<(), postgres::Error> {
    if batch == 1 {
        let sql = format!("INSERT INTO {table} VALUES ($1, $2, 1.5, 'measured')");
        let statement = client.prepare(&sql)?;
        for (seconds, device) in keys {
            client.execute(&statement, &[&moment(*seconds), device])?;
        }
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO {table} SELECT t, d, 1.5, 'measured' FROM unnest($1::timestamptz[], $2::int[]) AS u(t, d)"
    );
    let statement = client.prepare(&sql)?;
    for rows in keys.chunks(batch) {
        let moments: Vec<SystemTime> = rows.iter().map(|(seconds, _)| moment(*seconds)).collect();
        let devices: Vec<i32> = rows.iter().map(|(_, device)| *device).collect();
        client.execute(&statement, &[&moments, &devices])?;
    }
    Ok(())
}

pub fn inserts(stage: &Stage, report: &mut Report, rows: usize, runs: usize) {
    report.heading("INSERT");
    report.say(
        "prepared statements, each its own transaction, into 10 chunks, index (ts); on demand: makes them on the way",
    );
    let end = stage.today + DAY;
    for (batch, rows) in [(1, rows / 40), (100, rows / 4), (1000, rows / 2)] {
        let keys = keys(rows, 10, end);
        let rows_of = in_turns(runs, &stage.contenders(ALL), |name, _| {
            let table = stage.table(name, &["ts"], 10, end)?;
            let took = timed(|| insert(&mut stage.session(), table, &keys, batch))?;
            Ok(Sample {
                value: rows as f64 / took.as_secs_f64(),
                ..Sample::default()
            })
        });
        report.case(&Case {
            title: match batch {
                1 => format!("{rows} single rows"),
                _ => format!("{rows} rows in batches of {batch}"),
            },
            unit: Unit::RowsPerSecond,
            baseline: NATIVE,
            rows: rows_of,
            goals: vec![Goal {
                name: PREMADE,
                aim: Aim::Times(0.97, NATIVE),
            }],
        });
    }
}

pub fn first_rows(stage: &Stage, report: &mut Report, runs: usize) {
    report.heading("First row of a chunk");
    let end = stage.today + DAY;
    let names = stage.contenders(ALL);
    let rows = in_turns(runs, &names, |name, _| {
        if name == PARTMAN {
            return Err("such a row goes into the DEFAULT partition and stays there".to_owned());
        }
        let table = stage.table(name, &["ts"], 10, end)?;
        let mut session = stage.session();
        let sql = format!("INSERT INTO {table} VALUES ($1, 1, 1.5, 'first')");
        let statement = session.prepare(&sql).map_err(|e| plain(&e))?;
        let mut add = |day: i64| timed(|| session.execute(&statement, &[&moment(end - day * DAY)]));
        add(1)?;
        Ok(Sample::from(add(5)?))
    });
    report.case(&Case {
        title: "one row, the session has written another chunk before".to_owned(),
        unit: Unit::Milliseconds,
        baseline: NATIVE,
        rows,
        goals: vec![
            Goal {
                name: DEMAND,
                aim: Aim::AtMostMs(50.0),
            },
            Goal {
                name: PREMADE,
                aim: Aim::AtMostMs(1.0),
            },
        ],
    });
    let rows = in_turns(runs, &[NATIVE, PREMADE, DEMAND], |name, _| {
        let table = stage.table(name, &["ts"], 10, end)?;
        let (mut first, mut second) = (stage.session(), stage.session());
        let add = |day: i64| {
            format!(
                "INSERT INTO {table} VALUES (to_timestamp({}), 1, 1.5, 'x')",
                end - day * DAY
            )
        };
        let open = format!("BEGIN; {}", add(5));
        first.batch_execute(&open).map_err(|e| plain(&e))?;
        let both = format!("SET statement_timeout = '5s'; {}; {}", add(5), add(6));
        let took = timed(|| second.batch_execute(&both))?;
        first.batch_execute("COMMIT").map_err(|e| plain(&e))?;
        Ok(Sample::from(took))
    });
    report.case(&Case {
        title: "another session's transaction is open that made a chunk: a row there and one in a further new chunk".to_owned(),
        unit: Unit::Milliseconds,
        baseline: NATIVE,
        rows,
        goals: vec![Goal {
            name: DEMAND,
            aim: Aim::AtMostMs(100.0),
        }],
    });
}
