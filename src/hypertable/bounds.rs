//! Chunk arithmetic: which chunk a value falls into, where it begins and ends, what it is called.
//!
//! Always in UTC: no session time zone moves a boundary. Values are 64-bit numbers, see `key.rs`.

use super::calendar as cal;
pub use super::key::KeyType;
use crate::error::{Error, Kind, Result};
use cal::DAY_US;

/// One end of a chunk. The order of the variants is their order on the number line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    Min,
    At(i64),
    Max,
}

/// Width of a chunk, in units of the key or in calendar months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Units(i64),
    Months(i32),
}

/// Type, width and origin of the range dimension of one hypertable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub key: KeyType,
    pub width: Width,
    /// where chunk 0 begins, in units of the key; for months, the number of its month since 2000-01
    origin: i64,
}

/// A range `[lo, hi)`.
pub type Range = (Edge, Edge);

impl Edge {
    /// As in `FOR VALUES FROM (...)`: a quoted literal, or MINVALUE, MAXVALUE.
    #[must_use]
    pub fn sql(self, key: KeyType) -> String {
        match self {
            Edge::Min => "MINVALUE".into(),
            Edge::Max => "MAXVALUE".into(),
            // no quote can occur in the text of a number or time
            Edge::At(v) => format!("'{}'", key.literal(v)),
        }
    }

    #[must_use]
    pub fn value(self) -> Option<i64> {
        match self {
            Edge::At(v) => Some(v),
            _ => None,
        }
    }
}

impl Width {
    /// The width that a key gets when nobody chose one.
    #[must_use]
    pub fn default_for(key: KeyType) -> Width {
        match key {
            KeyType::Int2 => Width::Units(10_000),
            KeyType::Int4 => Width::Units(100_000),
            KeyType::Int8 => Width::Units(1_000_000),
            _ => Width::Units(7 * key.day()),
        }
    }

    /// From an integer: units of an integer key, microseconds of a time key (as TimescaleDB reads it).
    pub fn from_integer(key: KeyType, n: i64) -> Result<Width> {
        if key.is_time() {
            return Self::from_interval(key, 0, 0, n).map_err(|e| {
                e.hint("an integer counts microseconds here; give an interval, such as INTERVAL '7 days'")
            });
        }
        let max = key.limits().1;
        if n <= 0 {
            return Err(bad(format!("chunk interval must be positive, not {n}")));
        }
        if n > max {
            return Err(bad(format!(
                "chunk interval {n} is too large for a column of type {}",
                key.sql_name()
            )));
        }
        Ok(Width::Units(n))
    }

    /// From the three fields of an interval.
    pub fn from_interval(key: KeyType, months: i32, days: i32, us: i64) -> Result<Width> {
        if !key.is_time() {
            return Err(Error::new(
                Kind::WrongType,
                format!(
                    "chunk interval for a column of type {} must be an integer, not an interval",
                    key.sql_name()
                ),
            ));
        }
        if months != 0 && (days != 0 || us != 0) {
            return Err(
                bad("chunk interval must not mix months with days or times")
                    .hint("give whole months, such as INTERVAL '1 month', or days, such as INTERVAL '30 days'"),
            );
        }
        if months > 0 {
            return Ok(Width::Months(months));
        }
        let total = i128::from(days) * i128::from(DAY_US) + i128::from(us);
        if months < 0 || total <= 0 {
            return Err(bad("chunk interval must be positive"));
        }
        if total < 1_000_000 {
            return Err(bad(format!(
                "chunk interval of {total} microseconds is too short; the shortest is 1 second"
            )));
        }
        let total = i64::try_from(total).map_err(|_| bad("chunk interval is too long"))?;
        if key == KeyType::Uuid && total % 1000 != 0 {
            return Err(bad(
                "chunk interval for a column of type uuid must be whole milliseconds",
            ));
        }
        if key == KeyType::Date {
            if total % DAY_US != 0 {
                return Err(bad(
                    "chunk interval for a column of type date must be whole days",
                ));
            }
            return Ok(Width::Units(total / DAY_US));
        }
        Ok(Width::Units(total))
    }

    /// `1 mons`, `7 days`, `0 days 06:00:00.000000` or a number, as PostgreSQL reads it back.
    #[must_use]
    pub fn text(self, key: KeyType) -> String {
        match self {
            Width::Months(m) => format!("{m} mons"),
            Width::Units(n) if !key.is_time() => n.to_string(),
            Width::Units(n) => {
                let (days, rest) = (n / key.day(), n % key.day());
                if rest == 0 {
                    return format!("{days} days");
                }
                let (s, us) = (rest / 1_000_000, rest % 1_000_000);
                format!(
                    "{days} days {:02}:{:02}:{:02}.{us:06}",
                    s / 3600,
                    s / 60 % 60,
                    s % 60
                )
            }
        }
    }
}

impl Grid {
    /// Chunks counted from Monday 2000-01-03, so that weeks begin on Monday; months from 2000-01, integers
    /// from 0.
    #[must_use]
    pub fn new(key: KeyType, width: Width) -> Grid {
        let origin = match width {
            Width::Units(_) if key.is_time() => 2 * key.day(),
            _ => 0,
        };
        Grid { key, width, origin }
    }

    /// Chunks counted from a time in microseconds since 2000-01-01 UTC.
    pub fn with_origin(key: KeyType, width: Width, origin_us: i64) -> Result<Grid> {
        if !key.is_time() {
            return Err(bad(format!(
                "chunk_origin is a time, and the key has type {}; its chunks are counted from 0",
                key.sql_name()
            )));
        }
        let day = origin_us.div_euclid(DAY_US);
        let origin = match width {
            Width::Months(_) if origin_us % DAY_US != 0 || cal::civil(day).2 != 1 => {
                return Err(bad(
                    "chunk_origin must be the first day of a month, 00:00 UTC, for chunks of months",
                ));
            }
            Width::Months(_) => cal::month_number(day),
            Width::Units(_) if key == KeyType::Date && origin_us % DAY_US != 0 => {
                return Err(bad("chunk_origin must be 00:00 UTC for a key of type date"));
            }
            Width::Units(_) if key == KeyType::Date => day,
            Width::Units(_) if key == KeyType::Uuid && origin_us % 1000 != 0 => {
                return Err(bad(
                    "chunk_origin must be whole milliseconds for a key of type uuid",
                ));
            }
            Width::Units(_) => origin_us,
        };
        Ok(Grid { key, width, origin })
    }

    /// Where chunk 0 begins, in units of the key; for months, the number of its month since 2000-01.
    #[must_use]
    pub fn origin(&self) -> i64 {
        self.origin
    }

    /// Number of the chunk that `value` falls into; chunk 0 begins at the origin.
    #[must_use]
    pub fn index(&self, value: i64) -> i64 {
        match self.width {
            Width::Units(n) => {
                let i = (i128::from(value) - i128::from(self.origin)).div_euclid(i128::from(n));
                // |value - origin| / n fits whenever n > 1; for n = 1 the origin is 0 (integers) or small
                i64::try_from(i).unwrap_or(if i < 0 { i64::MIN } else { i64::MAX })
            }
            Width::Months(m) => (cal::month_number(value.div_euclid(self.key.day())) - self.origin)
                .div_euclid(i64::from(m)),
        }
    }

    /// The range of chunk number `index`. Integers and uuids end in MINVALUE and MAXVALUE at the limits of
    /// their type, so that each value has a chunk; times beyond the limits are 22008.
    pub fn range(&self, index: i64) -> Result<Range> {
        let lo = self.start(i128::from(index));
        let hi = self.start(i128::from(index) + 1);
        let (min, max) = self.key.limits();
        let (min, max) = (i128::from(min), i128::from(max));
        if hi <= min || lo > max || (self.key.ends_early() && (lo < min || hi > max)) {
            return Err(Error::new(
                Kind::DatetimeOverflow,
                format!(
                    "chunk bounds are out of range for type {}",
                    self.key.sql_name()
                ),
            ));
        }
        Ok((
            i64::try_from(lo)
                .ok()
                .filter(|_| lo > min)
                .map_or(Edge::Min, Edge::At),
            i64::try_from(hi)
                .ok()
                .filter(|_| hi <= max)
                .map_or(Edge::Max, Edge::At),
        ))
    }

    fn start(&self, index: i128) -> i128 {
        match self.width {
            Width::Units(n) => i128::from(self.origin) + index * i128::from(n),
            Width::Months(m) => {
                let month = index.saturating_mul(i128::from(m)) + i128::from(self.origin);
                // beyond +-30 million years nothing is in range: keep the arithmetic small
                let month = month.clamp(-360_000_000, 360_000_000);
                i128::from(cal::month_start(month as i64)) * i128::from(self.key.day())
            }
        }
    }

    /// Numbers of the first and the last chunk that touch `[from, to)`; `from` < `to`.
    #[must_use]
    pub fn span(&self, from: i64, to: i64) -> (i64, i64) {
        (self.index(from), self.index(to.saturating_sub(1)))
    }
}

/// The parts of `wanted` that no range of `taken` covers, in order. `taken` need not be sorted.
#[must_use]
pub fn gaps(wanted: Range, taken: &[Range]) -> Vec<Range> {
    let mut taken: Vec<Range> = taken.to_vec();
    taken.sort_unstable();
    let mut out = Vec::new();
    let mut at = wanted.0;
    for (lo, hi) in taken {
        if hi <= at {
            continue;
        }
        if lo >= wanted.1 {
            break;
        }
        if lo > at {
            out.push((at, lo));
        }
        at = hi;
    }
    if at < wanted.1 {
        out.push((at, wanted.1));
    }
    out
}

/// PostgreSQL cuts longer names.
const NAME_BYTES: usize = 63;

/// The beginning of a name, cut between characters.
fn cut(name: &str, bytes: usize) -> &str {
    let mut cut = name.len().min(bytes);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    &name[..cut]
}

/// `_p32767`: so many bytes are left for the names of hash partitions, which would lose the end of the chunk's.
const LEAF_BYTES: usize = 7;

/// `<table, cut to 30 bytes>_h<id>_<lo>`; `attempt` 2, 3, ... when the name is taken.
#[must_use]
pub fn chunk_name(table: &str, id: i32, lo: Edge, key: KeyType, attempt: u32) -> String {
    let lo = match lo {
        Edge::Min => "min".to_string(),
        Edge::Max => "max".to_string(),
        Edge::At(v) => key.compact(v),
    };
    let mut end = format!("_h{id}_{lo}");
    if attempt > 1 {
        end += &format!("_{attempt}");
    }
    format!(
        "{}{end}",
        cut(table, 30.min(NAME_BYTES - LEAF_BYTES - end.len()))
    )
}

/// The name of hash partition `number` of a chunk.
#[must_use]
pub fn leaf_name(chunk: &str, number: i32) -> String {
    part_name(chunk, &format!("_p{number}"))
}

/// The name of something of a chunk, with this end.
#[must_use]
pub fn part_name(chunk: &str, end: &str) -> String {
    format!("{}{end}", cut(chunk, NAME_BYTES - end.len()))
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

#[cfg(test)]
#[path = "bounds_test.rs"]
mod tests;
