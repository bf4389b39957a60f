//! Planning times, warm, over growing numbers of chunks.

use crate::measure::{Aim, Case, Goal, Sample, Unit, in_turns, plain};
use crate::report::Report;
use crate::stage::{DAY, HEAP, NATIVE, PARTMAN, PREMADE, Stage};
use postgres::Client;

/// A query with the time that the design promises at 1,000 chunks.
struct Query {
    title: &'static str,
    sql: &'static str,
    /// Counts executing too.
    whole: bool,
    goal_ms: Option<f64>,
}

const QUERIES: &[Query] = &[
    Query {
        title: "a constant range of a day",
        sql: "SELECT avg(value) FROM {t} WHERE ts >= '{from}' AND ts < '{to}'",
        whole: false,
        goal_ms: Some(0.3),
    },
    Query {
        title: "ts > now() - interval '1 day'",
        sql: "SELECT avg(value) FROM {t} WHERE ts > now() - interval '1 day'",
        whole: false,
        goal_ms: Some(1.0),
    },
    Query {
        title: "strata.time_bucket('1 hour', ts) >= a constant",
        sql: "SELECT avg(value) FROM {t} WHERE strata.time_bucket('1 hour', ts) >= '{from}'",
        whole: false,
        goal_ms: Some(1.0),
    },
    Query {
        title: "newest row of a device, without a range: planning and executing",
        sql: "SELECT * FROM {t} WHERE device = 3 ORDER BY ts DESC LIMIT 1",
        whole: true,
        goal_ms: Some(5.0),
    },
];

pub fn planning(stage: &Stage, report: &mut Report, chunks: &[i64], runs: usize) {
    for n in chunks {
        report.heading(&format!("Planning, {n} chunks"));
        let names: &[&'static str] = match n {
            // pg_partman's own making of more takes minutes, and its plans are the native ones
            ..=1000 => &[HEAP, NATIVE, PREMADE, PARTMAN],
            _ => &[HEAP, NATIVE, PREMADE],
        };
        // tomorrow is there as well, as in life
        let end = stage.today + 2 * DAY;
        let mut tables = Vec::new();
        for name in stage.contenders(names) {
            let made = stage.table(name, &["device, ts"], *n, end);
            tables.push((name, made.and_then(|t| fill(stage, t).map(|()| t))));
        }
        for query in QUERIES {
            report.case(&case(stage, query, *n, &tables, runs));
        }
        stage.drop_all();
    }
}

/// Some rows in the newest two days.
fn fill(stage: &Stage, table: &str) -> Result<(), String> {
    let sql = format!(
        "INSERT INTO {table} SELECT to_timestamp({} - g * 60), g % 10, g, 'x' FROM generate_series(1, 2000) g; ANALYZE {table}",
        stage.today + DAY
    );
    // ANALYZE of a heap only: of thousands of chunks it takes long and changes no figure here
    let sql = if table == "heap" {
        sql
    } else {
        sql.replace("; ANALYZE", "; -- ")
    };
    stage.session().batch_execute(&sql).map_err(|e| plain(&e))
}

fn case(
    stage: &Stage,
    query: &Query,
    n: i64,
    tables: &[(&'static str, Result<&'static str, String>)],
    runs: usize,
) -> Case {
    let names: Vec<&'static str> = tables.iter().map(|(name, _)| *name).collect();
    let mut sessions: Vec<Option<Client>> = tables.iter().map(|_| None).collect();
    let rows = in_turns(runs, &names, |name, _| {
        let i = names.iter().position(|n| *n == name).unwrap_or(0);
        let table = tables[i].1.clone()?;
        let session = sessions[i].get_or_insert_with(|| stage.session());
        let from = literal(session, stage.today - DAY)?;
        let to = literal(session, stage.today)?;
        let sql = query
            .sql
            .replace("{t}", table)
            .replace("{from}", &from)
            .replace("{to}", &to);
        time(session, &sql, query.whole)
    });
    let goals = query.goal_ms.filter(|_| n == 1000).map(|ms| Goal {
        name: PREMADE,
        aim: Aim::AtMostMs(ms),
    });
    Case {
        title: query.title.to_owned(),
        unit: Unit::Milliseconds,
        baseline: NATIVE,
        rows,
        goals: goals.into_iter().collect(),
    }
}

fn literal(session: &mut Client, seconds: i64) -> Result<String, String> {
    let sql = format!("SELECT to_timestamp({seconds})::text");
    let row = session.query_one(&sql, &[]).map_err(|e| plain(&e))?;
    Ok(row.get(0))
}

/// The server's own clock, at the third time the session plans this.
fn time(session: &mut Client, sql: &str, whole: bool) -> Result<Sample, String> {
    let options = if whole {
        "ANALYZE, TIMING OFF, SUMMARY"
    } else {
        "SUMMARY"
    };
    let explain = format!("EXPLAIN ({options}) {sql}");
    let mut value = 0.0;
    for _ in 0..3 {
        let lines = session.query(&explain, &[]).map_err(|e| plain(&e))?;
        let lines: Vec<String> = lines.iter().map(|row| row.get(0)).collect();
        let ms = |label: &str| -> f64 {
            let line = lines.iter().find_map(|line| line.strip_prefix(label));
            let figure = line.and_then(|rest| rest.trim_end_matches(" ms").parse().ok());
            figure.unwrap_or(0.0)
        };
        value = ms("Planning Time: ") + ms("Execution Time: ");
    }
    Ok(Sample {
        value,
        ..Sample::default()
    })
}
