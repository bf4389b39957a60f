//! Numbers: samples taken in turns, their median and spread, goals.

use std::time::{Duration, Instant};

/// What a number means and which way is up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    RowsPerSecond,
    JobsPerSecond,
    Milliseconds,
}

/// One measurement. WAL and processor time are of the server's session, where they were asked for.
#[derive(Clone, Copy, Default)]
pub struct Sample {
    pub value: f64,
    pub wal_bytes_per_row: f64,
    pub cpu_seconds: f64,
}

impl From<Duration> for Sample {
    fn from(time: Duration) -> Sample {
        Sample {
            value: time.as_secs_f64() * 1000.0,
            ..Sample::default()
        }
    }
}

/// All measurements of one contender in one case; or the reason why there are none.
#[derive(Clone)]
pub struct Row {
    pub name: &'static str,
    pub samples: Vec<Sample>,
    pub why_not: Option<String>,
}

impl Row {
    pub fn median(&self) -> Option<f64> {
        median(self.samples.iter().map(|s| s.value).collect())
    }

    /// Half the distance between the smallest and the largest value, in per cent of the median.
    pub fn spread(&self) -> f64 {
        let values = self.samples.iter().map(|s| s.value);
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| {
            (low.min(v), high.max(v))
        });
        match self.median() {
            Some(median) if median > 0.0 => (high - low) / 2.0 / median * 100.0,
            _ => 0.0,
        }
    }

    pub fn wal_bytes_per_row(&self) -> f64 {
        median(self.samples.iter().map(|s| s.wal_bytes_per_row).collect()).unwrap_or(0.0)
    }

    pub fn cpu_seconds(&self) -> f64 {
        median(self.samples.iter().map(|s| s.cpu_seconds).collect()).unwrap_or(0.0)
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    let upper = values.len() / 2;
    Some((values[middle] + values[upper]) / 2.0)
}

/// What a contender has to reach.
pub struct Goal {
    pub name: &'static str,
    pub aim: Aim,
}

pub enum Aim {
    /// So many times as good as the other one.
    Times(f64, &'static str),
    AtMostMs(f64),
}

/// One table of the report.
pub struct Case {
    pub title: String,
    pub unit: Unit,
    /// Whose ratio is 1.
    pub baseline: &'static str,
    pub rows: Vec<Row>,
    pub goals: Vec<Goal>,
}

impl Case {
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// How many times as good as another one: above 1 is better, whatever the unit.
    pub fn ratio(&self, name: &str, other: &str) -> Option<f64> {
        let (own, other) = (self.row(name)?.median()?, self.row(other)?.median()?);
        Some(match self.unit {
            Unit::RowsPerSecond | Unit::JobsPerSecond => own / other,
            Unit::Milliseconds => other / own,
        })
    }

    pub fn reaches(&self, goal: &Goal) -> bool {
        match goal.aim {
            Aim::Times(times, other) => self.ratio(goal.name, other).is_some_and(|r| r >= times),
            Aim::AtMostMs(limit) => self
                .row(goal.name)
                .and_then(Row::median)
                .is_some_and(|ms| ms <= limit),
        }
    }
}

/// Takes `runs` samples of each contender in turns, A B C A B C, so that a slow minute of the machine hits
/// all. A contender that fails is asked no more.
pub fn in_turns(
    runs: usize,
    names: &[&'static str],
    mut sample: impl FnMut(&'static str, usize) -> Result<Sample, String>,
) -> Vec<Row> {
    let mut rows: Vec<Row> = names
        .iter()
        .map(|name| Row {
            name,
            samples: Vec::new(),
            why_not: None,
        })
        .collect();
    for run in 0..runs {
        for row in rows.iter_mut().filter(|row| row.why_not.is_none()) {
            match sample(row.name, run) {
                Ok(sample) => row.samples.push(sample),
                Err(reason) => {
                    row.samples.clear();
                    row.why_not = Some(reason);
                }
            }
        }
    }
    rows
}

/// How long something took.
pub fn timed<T>(work: impl FnOnce() -> Result<T, postgres::Error>) -> Result<Duration, String> {
    let start = Instant::now();
    work().map_err(|error| plain(&error))?;
    Ok(start.elapsed())
}

/// An error in one line.
pub fn plain(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => error.to_string(),
    }
}

/// The value below which so many of a hundred lie.
pub fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * percent / 100.0) as usize;
    values
        .get(index.min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}
