//! The value of `dimension_info`: what `by_range`, `by_hash` and `by_id` say about a dimension.

use super::bounds::{KeyType, Width};
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// `{"type": "range", "column": "ts", "interval": {"months": 0, "days": 7, "microseconds": 0}}`;
/// the interval of an integer column is a number, a missing one means the default.
/// `{"type": "hash", "column": "device", "partitions": 4}`.
/// `{"type": "id", "column": "id", "time_column": "created_at", "interval": 1000000}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    #[serde(rename = "type")]
    pub kind: DimensionKind,
    pub column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<GivenInterval>,
    /// only of a hash dimension
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// only of an id dimension
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_column: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DimensionKind {
    Range,
    Hash,
    /// by growing numbers or version 7 uuids, whose time is in another column
    Id,
}

/// An interval as the user gave it, before the type of the column is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GivenInterval {
    Number(i64),
    Fields {
        months: i32,
        days: i32,
        microseconds: i64,
    },
}

impl Dimension {
    pub fn parse(value: serde_json::Value) -> Result<Dimension> {
        let bad = |why: String| {
            Error::new(
                Kind::InvalidParameter,
                format!("invalid dimension_info: {why}"),
            )
            .hint("make it with strata.by_range('column', INTERVAL '7 days')")
        };
        let d: Dimension = serde_json::from_value(value).map_err(|e| bad(e.to_string()))?;
        let hash = d.kind == DimensionKind::Hash;
        if hash != d.partitions.is_some() || (hash && d.interval.is_some()) {
            return Err(bad(
                "partitions belong to a hash dimension, an interval to the others".into(),
            ));
        }
        if d.time_column.is_some() && d.kind != DimensionKind::Id {
            return Err(bad("time_column belongs to an id dimension".into()));
        }
        Ok(d)
    }

    /// The chunk width for a column of type `key`.
    pub fn width(&self, key: KeyType) -> Result<Width> {
        match (self.interval, self.rate_interval(key)) {
            (Some(given), None) => given.width(key),
            _ => Ok(Width::default_for(key)),
        }
    }

    /// For growing numbers without a width of their own: the time that a chunk should hold.
    #[must_use]
    pub fn rate_interval(&self, key: KeyType) -> Option<GivenInterval> {
        match self.interval {
            _ if self.kind != DimensionKind::Id || key.is_time() || self.time_column.is_none() => {
                None
            }
            Some(GivenInterval::Number(_)) => None,
            Some(given) => Some(given),
            None => Some(GivenInterval::Fields {
                months: 0,
                days: 7,
                microseconds: 0,
            }),
        }
    }
}

impl GivenInterval {
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, GivenInterval::Number(_))
    }

    /// As PostgreSQL reads it back; `None` for a number.
    #[must_use]
    pub fn text(self) -> Option<String> {
        match self {
            GivenInterval::Number(_) => None,
            GivenInterval::Fields {
                months,
                days,
                microseconds,
            } => Some(format!(
                "{months} mons {days} days {microseconds} microseconds"
            )),
        }
    }

    pub fn width(self, key: KeyType) -> Result<Width> {
        match self {
            GivenInterval::Number(n) => Width::from_integer(key, n),
            GivenInterval::Fields {
                months,
                days,
                microseconds,
            } => Width::from_interval(key, months, days, microseconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn round_trip_and_defaults() {
        let d = Dimension::parse(json!({"type": "range", "column": "Odd \"name\""})).unwrap();
        assert_eq!(d.interval, None);
        assert_eq!(d.width(KeyType::Int4).unwrap(), Width::Units(100_000));
        let d = Dimension {
            interval: Some(GivenInterval::Fields {
                months: 1,
                days: 0,
                microseconds: 0,
            }),
            ..d
        };
        let again = Dimension::parse(serde_json::to_value(&d).unwrap()).unwrap();
        assert_eq!(again, d);
        assert_eq!(again.width(KeyType::Date).unwrap(), Width::Months(1));
    }

    #[test]
    fn ids_follow_a_rate_unless_they_have_a_width() {
        let parse = |v| Dimension::parse(v).unwrap();
        let d = parse(json!({"type": "id", "column": "id", "time_column": "at"}));
        assert!(d.rate_interval(KeyType::Int8).is_some());
        assert_eq!(d.width(KeyType::Int8).unwrap(), Width::Units(1_000_000));
        assert_eq!(d.rate_interval(KeyType::Uuid), None);
        let d = parse(json!({"type": "id", "column": "id", "time_column": "at", "interval": 500}));
        assert_eq!(d.rate_interval(KeyType::Int8), None);
        assert_eq!(d.width(KeyType::Int8).unwrap(), Width::Units(500));
        let d = parse(json!({"type": "id", "column": "id"}));
        assert_eq!(d.rate_interval(KeyType::Int8), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            json!({}),
            json!({"type": "range"}),
            json!({"type": "hash", "column": "a"}),
            json!({"type": "hash", "column": "a", "partitions": 4, "interval": 4}),
            json!({"type": "range", "column": "a", "partitions": 4}),
            json!({"type": "range", "column": "a", "time_column": "b"}),
            json!({"type": "range", "column": "a", "interval": "1 day"}),
            json!({"type": "range", "column": "a", "x": 1}),
        ] {
            assert_eq!(
                Dimension::parse(bad).unwrap_err().kind,
                Kind::InvalidParameter
            );
        }
    }
}
