//! What a caller asks of a run besides its extent, checked.

use super::header::OnError;
use super::vars::Vars;
use crate::error::{Error, Kind, Result};
use pgrx::datum::Interval;
use serde_json::Value;

/// What an atomic run does with statements that may not run in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// strip where the table is new or empty, else error
    Auto,
    Error,
    Strip,
    /// run them when the transaction is committed
    Defer,
}

/// The arguments that all runs share.
#[derive(Debug, Clone)]
pub struct Call {
    pub namespace: String,
    pub tenant: Option<String>,
    /// of several schemas, all of which are rolled back with this one
    pub among: bool,
    pub dry_run: bool,
    pub outside: Outside,
    pub on_error: OnError,
    pub skip_roles: bool,
    pub lock_timeout_ms: i64,
    pub wait_ms: i64,
    pub search_path: Option<String>,
    pub vars: Vars,
}

fn not_one_of(argument: &str, value: &str, words: &[&str]) -> Error {
    let list: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    Error::new(
        Kind::InvalidParameter,
        format!("{argument} \"{value}\" is not known"),
    )
    .hint(format!("Use one of {}.", list.join(", ")))
}

/// The value of an argument with a fixed list of words; 22023 for others.
pub fn outside(word: &str) -> Result<Outside> {
    match word {
        "auto" => Ok(Outside::Auto),
        "error" => Ok(Outside::Error),
        "strip" => Ok(Outside::Strip),
        "defer" => Ok(Outside::Defer),
        _ => Err(not_one_of(
            "nontransactional",
            word,
            &["auto", "error", "strip", "defer"],
        )),
    }
}

/// As [`outside`].
pub fn on_error(word: &str) -> Result<OnError> {
    match word {
        "stop" => Ok(OnError::Stop),
        "continue" => Ok(OnError::Continue),
        _ => Err(not_one_of("on_error", word, &["stop", "continue"])),
    }
}

/// As [`outside`]; true for `skip`.
pub fn skip_roles(word: &str) -> Result<bool> {
    match word {
        "error" => Ok(false),
        "skip" => Ok(true),
        _ => Err(not_one_of("existing_roles", word, &["error", "skip"])),
    }
}

/// Longest time that settings of the server take, in milliseconds.
const LONGEST_MS: i64 = i32::MAX as i64;

/// Milliseconds of an interval; 22023 if it is negative.
pub fn milliseconds(argument: &str, interval: &Interval) -> Result<i64> {
    let days = i64::from(interval.months()) * 30 + i64::from(interval.days());
    let us = days
        .saturating_mul(86_400_000_000)
        .saturating_add(interval.micros());
    if us < 0 {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("{argument} must not be negative"),
        ));
    }
    // one that is shorter than a millisecond is not "for ever"
    Ok(us.div_ceil_ms().min(LONGEST_MS))
}

trait DivCeil {
    fn div_ceil_ms(self) -> i64;
}

impl DivCeil for i64 {
    fn div_ceil_ms(self) -> i64 {
        self / 1_000 + i64::from(self % 1_000 > 0)
    }
}

/// Variables, from a JSON object of strings, numbers and truth values; 22023 for others.
pub fn vars(object: Option<Value>) -> Result<Vars> {
    let bad = |what: &str| {
        Error::new(Kind::InvalidParameter, what.to_owned())
            .hint("vars => '{\"schema\": \"app\", \"limit\": 10}'")
    };
    let Some(object) = object else {
        return Ok(Vars::new());
    };
    let Value::Object(object) = object else {
        return Err(bad("vars must be a JSON object"));
    };
    object
        .into_iter()
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            Value::Bool(truth) => Ok((name, truth.to_string())),
            _ => Err(bad(&format!(
                "the value of variable \"{name}\" must be a string, a number or a truth value"
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_are_plain() {
        let vars = vars(Some(serde_json::json!({"a": "x", "b": 1.50, "c": true}))).unwrap();
        let text: Vec<_> = vars.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(text, ["a=x", "b=1.5", "c=true"]);
        assert!(super::vars(Some(serde_json::json!({"a": null}))).is_err());
        assert!(super::vars(Some(serde_json::json!([1]))).is_err());
        assert!(super::vars(None).unwrap().is_empty());
    }

    #[test]
    fn words_are_taken_as_they_are() {
        assert_eq!(outside("strip").unwrap(), Outside::Strip);
        assert_eq!(outside("STRIP").unwrap_err().kind, Kind::InvalidParameter);
        assert_eq!(on_error("continue").unwrap(), OnError::Continue);
        assert!(on_error("").is_err());
        assert!(skip_roles("skip").unwrap());
        assert!(skip_roles("yes").is_err());
    }
}
