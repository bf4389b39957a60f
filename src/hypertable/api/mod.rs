//! SQL surface of hypertables; declared in sql/hypertable/code.sql.

mod alter;
mod chunks;
mod clients;
mod create;
mod foreign;
mod life;
mod ops;
mod policies;
mod sizes;
mod time;
mod time_zone;

use super::dimension::GivenInterval;
use crate::error::{Error, Kind};
use crate::pg::anyvalue::{AnyValue, any_value};
use pgrx::AnyElement;
use std::ffi::CStr;

pub(super) type Checked<T> = crate::error::Result<T>;

pub(super) fn need<T>(value: Option<T>, argument: &str) -> Checked<T> {
    value.ok_or_else(|| Error::new(Kind::NullNotAllowed, format!("{argument} must not be NULL")))
}

pub(super) fn later<T>(value: Option<T>, what: &str, instead: &str) -> Checked<()> {
    match value {
        None => Ok(()),
        Some(_) => {
            Err(Error::new(Kind::NotSupported, format!("{what} is not supported")).hint(instead))
        }
    }
}

pub(super) fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

pub(super) fn given_interval(
    argument: &str,
    value: Option<&AnyElement>,
) -> Checked<Option<GivenInterval>> {
    let Some(value) = value else { return Ok(None) };
    Ok(Some(match any_value(value) {
        AnyValue::Int(n) => GivenInterval::Number(n),
        AnyValue::Interval { months, days, us } => GivenInterval::Fields {
            months,
            days,
            microseconds: us,
        },
        _ => {
            let given = crate::pg::anyvalue::type_name(value.oid());
            return Err(Error::new(
                Kind::WrongType,
                format!("{argument} must be an interval or an integer, not {given}"),
            )
            .hint("INTERVAL '7 days' for a time column, 100000 for an integer column"));
        }
    }))
}
