//! When a schedule is due next: a cron pattern, or an interval counted from the time that it was made.

use super::cron::{self, Never, Pattern};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_args, spi, time};

const SECOND: i64 = 1_000_000;

/// A schedule as its owner wrote it. Times are in microseconds since 2000-01-01 UTC.
#[derive(Debug, Clone)]
pub enum When {
    Cron(Box<Pattern>),
    /// an interval in words
    Every(String),
}

struct Clock<'a>(time::Zone<'a>);

impl cron::Zone for Clock<'_> {
    type Error = Error;

    fn offset(&self, utc: i64) -> Result<i64> {
        let us = utc.saturating_mul(SECOND);
        Ok((self.0.to_local(us)? - us).div_euclid(SECOND))
    }
}

/// No time between two ticks is longer.
const LONGEST: i64 = 100 * 366 * 86_400 * SECOND;
const STEP: &str = "SELECT (least(extract(epoch FROM $1::interval), 9e12) * 1000000)::int8, \
    extract(day FROM $1::interval) < 0 OR extract(month FROM $1::interval) < 0";

// The first tick after $4: ticks are origin + k * step. Days and months go by the clock of the zone, other intervals
// by elapsed time. The guess of k is at most two off: months have 30.436875 days on average.
const TICK: &str = "WITH given AS ( \
      SELECT $1::timestamptz AS origin, $2::interval AS step, $3::text AS zone, $4::timestamptz AS after, \
             extract(year FROM $2::interval) * 12 + extract(month FROM $2::interval) AS months, \
             extract(day FROM $2::interval) AS days \
    ), guess AS ( \
      SELECT g.*, floor(extract(epoch FROM g.after - g.origin) / (g.months * 2629746 \
             + extract(epoch FROM g.step - make_interval(months => g.months::int))))::int8 AS k FROM given g \
    ), ticks AS ( \
      SELECT CASE WHEN g.months = 0 AND g.days = 0 THEN g.origin + n * g.step \
                  ELSE ((g.origin AT TIME ZONE g.zone) + n * g.step) AT TIME ZONE g.zone END AS at, g.after \
      FROM guess g, generate_series(greatest(g.k - 2, 1), greatest(g.k, 0) + 3) n \
    ) SELECT coalesce(min(t.at) FILTER (WHERE t.at > t.after), (SELECT g.after + g.step FROM given g)) FROM ticks t";

impl When {
    /// Reads a schedule; 22023 for what is none, 22007 for an interval that cannot be read.
    pub fn parse(text: &str) -> Result<When> {
        let pattern = match Pattern::parse(text) {
            Ok(pattern) => return Ok(When::Cron(Box::new(pattern))),
            Err(e) => e,
        };
        if looks_like_cron(text) {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("schedule \"{text}\" is no cron pattern: {pattern}"),
            )
            .hint(
                "Examples: '0 3 * * *', '*/5 * * * *', '@hourly', '*/10 * * * * *' (with seconds).",
            ));
        }
        // the server would say only that it is no interval
        if !text.contains(|c: char| c.is_ascii_digit()) {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("schedule \"{text}\" is neither a cron pattern nor an interval"),
            )
            .hint("Examples: '0 3 * * *', '@hourly', '30 seconds', '1 month'."));
        }
        let args = [text.into()];
        let step = as_extension_owner(|| {
            spi::read_latest(STEP, &args, |r| Ok((r.need::<i64>(1)?, r.need::<bool>(2)?)))
        })?;
        match step.first() {
            Some((us, false)) if *us > LONGEST => Err(Error::new(
                Kind::InvalidParameter,
                format!("schedule \"{text}\" must be at most 100 years"),
            )),
            Some((us, false)) if *us >= SECOND => Ok(When::Every(text.to_owned())),
            _ => Err(Error::new(
                Kind::InvalidParameter,
                format!("schedule \"{text}\" must be at least one second"),
            )),
        }
    }

    /// The first time after `after` that it is due.
    pub fn next(&self, made_at: i64, zone: &str, after: i64) -> Result<i64> {
        match self {
            When::Cron(pattern) => {
                let clock = Clock(time::Zone::named(zone)?);
                let next = pattern.next(&clock, after.div_euclid(SECOND));
                next.map(|s| s * SECOND).map_err(|e| match e {
                    Never::Zone(e) => e,
                    Never::Pattern(_) => Error::new(
                        Kind::InvalidParameter,
                        "the schedule is never due: no date fits it",
                    ),
                })
            }
            When::Every(step) => {
                let (origin, after) = (queue_args::time(made_at), queue_args::time(after));
                let args = [origin, step.as_str().into(), zone.into(), after];
                let found = as_extension_owner(|| {
                    spi::read_latest(TICK, &args, |r| {
                        r.need::<pgrx::datum::TimestampWithTimeZone>(1)
                    })
                })?;
                let found = found.into_iter().next();
                found
                    .map(i64::from)
                    .ok_or_else(|| Error::internal("an interval has no next tick"))
            }
        }
    }
}

/// Five or more fields without a unit of time, or a name.
fn looks_like_cron(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphabetic();
    let text = text.trim();
    text.starts_with('@')
        || text.contains('*')
        || (text.split_whitespace().count() >= 5 && !text.contains(word))
}
