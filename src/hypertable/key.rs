//! Types of keys, and their values as 64-bit numbers: integers as they are, dates in days and times in
//! microseconds since 2000-01-01 UTC. The value of a uuid is the time in a version 7 uuid.

use super::bounds::Edge;
use super::calendar as cal;
use cal::DAY_US;

/// Types that a range dimension can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    Int2,
    Int4,
    Int8,
    Date,
    Timestamp,
    TimestampTz,
    /// version 7: its first 48 bits count milliseconds since 1970
    Uuid,
}

/// Microseconds from 1970-01-01 to 2000-01-01.
const UNIX_US: i64 = 946_684_800_000_000;

impl KeyType {
    /// False for integers.
    #[must_use]
    pub fn is_time(self) -> bool {
        !matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// True where the type has values beyond the last chunk that could be made.
    #[must_use]
    pub fn ends_early(self) -> bool {
        self.is_time() && self != Self::Uuid
    }

    #[must_use]
    pub fn sql_name(self) -> &'static str {
        match self {
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Date => "date",
            Self::Timestamp => "timestamp without time zone",
            Self::TimestampTz => "timestamp with time zone",
            Self::Uuid => "uuid",
        }
    }

    /// The type of values that a user gives to mean points on this axis: a time for a uuid.
    #[must_use]
    pub fn point_name(self) -> &'static str {
        match self {
            Self::Uuid => Self::TimestampTz.sql_name(),
            key => key.sql_name(),
        }
    }

    /// Smallest and largest finite value.
    #[must_use]
    pub fn limits(self) -> (i64, i64) {
        match self {
            Self::Int2 => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Self::Int4 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Self::Int8 => (i64::MIN, i64::MAX),
            Self::Date => (cal::DATE_RANGE.0, cal::DATE_RANGE.1 - 1),
            Self::Timestamp | Self::TimestampTz => {
                (cal::TIMESTAMP_RANGE.0, cal::TIMESTAMP_RANGE.1 - 1)
            }
            Self::Uuid => (-UNIX_US, ((1 << 48) - 1) * 1000 - UNIX_US),
        }
    }

    /// An edge between chunks of a time key as microseconds since 2000-01-01 UTC.
    #[must_use]
    pub fn microseconds(self, edge: Edge) -> Option<i64> {
        edge.value().map(|v| v.saturating_mul(DAY_US / self.day()))
    }

    /// Units per day; only for times.
    pub(super) fn day(self) -> i64 {
        if self == Self::Date { 1 } else { DAY_US }
    }

    /// The value as PostgreSQL reads it back in any session. For a uuid the least one of version 7 that
    /// holds the time, as `strata.to_uuidv7_boundary` gives it.
    #[must_use]
    pub fn literal(self, value: i64) -> String {
        match self {
            Self::Int2 | Self::Int4 | Self::Int8 => value.to_string(),
            Self::Date => cal::format_date(value),
            Self::Timestamp => cal::format_timestamp(value, ""),
            Self::TimestampTz => cal::format_timestamp(value, "+00"),
            Self::Uuid => {
                let ms = value.saturating_add(UNIX_US).div_euclid(1000);
                let ms = ms.clamp(0, (1 << 48) - 1);
                format!(
                    "{:08x}-{:04x}-7000-8000-000000000000",
                    ms >> 16,
                    ms & 0xffff
                )
            }
        }
    }

    /// The value in the name of a chunk: `20240105`, `20240105t130000`, `500`, `m500`.
    #[must_use]
    pub fn compact(self, value: i64) -> String {
        match self {
            Self::Int2 | Self::Int4 | Self::Int8 if value < 0 => {
                format!("m{}", value.unsigned_abs())
            }
            Self::Int2 | Self::Int4 | Self::Int8 => value.to_string(),
            Self::Date => cal::compact(value.saturating_mul(DAY_US)),
            Self::Timestamp | Self::TimestampTz | Self::Uuid => cal::compact(value),
        }
    }

    /// The value in the name of a file: `20240105T130000Z`, or the number.
    #[must_use]
    pub fn basic_utc(self, value: i64) -> String {
        match self {
            Self::Int2 | Self::Int4 | Self::Int8 => value.to_string(),
            Self::Date => cal::basic_utc(value.saturating_mul(DAY_US)),
            Self::Timestamp | Self::TimestampTz | Self::Uuid => cal::basic_utc(value),
        }
    }
}
