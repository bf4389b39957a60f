//! The value of `dimension_info`: what `by_range` says about a dimension.

use super::bounds::{KeyType, Width};
use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

/// `{"type": "range", "column": "ts", "interval": {"months": 0, "days": 7, "microseconds": 0}}`;
/// the interval of an integer column is a number, a missing one means the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    #[serde(rename = "type")]
    pub kind: DimensionKind,
    pub column: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<GivenInterval>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DimensionKind {
    Range,
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
        serde_json::from_value(value).map_err(|e| {
            Error::new(
                Kind::InvalidParameter,
                format!("invalid dimension_info: {e}"),
            )
            .hint("make it with strata.by_range('column', INTERVAL '7 days')")
        })
    }

    /// The chunk width for a column of type `key`.
    pub fn width(&self, key: KeyType) -> Result<Width> {
        self.interval
            .map_or_else(|| Ok(Width::default_for(key)), |given| given.width(key))
    }
}

impl GivenInterval {
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
    fn nonsense_is_refused() {
        for bad in [
            json!({}),
            json!({"type": "range"}),
            json!({"type": "hash", "column": "a"}),
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
