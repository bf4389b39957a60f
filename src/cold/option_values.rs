//! Values of server options, one function per kind; each error names the option.

use crate::error::{Error, Kind, Result};
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

pub(super) fn unknown(kind: &str, name: &str, known: &[&str]) -> Error {
    let error = invalid(format!("unknown {kind} option \"{name}\""));
    let near = known
        .iter()
        .map(|candidate| (distance(name, candidate), *candidate))
        .filter(|(d, candidate)| *d <= 3.min(candidate.len() / 2))
        .min();
    match near {
        Some((_, candidate)) => error.hint(format!("perhaps you meant \"{candidate}\"")),
        None => error.hint(format!("known options: {}", known.join(", "))),
    }
}

/// Edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

pub(super) fn word(name: &str, value: &str) -> Result<String> {
    if value.is_empty() || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid(format!(
            "option \"{name}\" must not be empty or hold blanks"
        )));
    }
    Ok(value.to_owned())
}

/// As `word`; apart from it so that nobody ever adds the value to the message.
pub(super) fn secret(name: &str, value: &str) -> Result<String> {
    word(name, value)
}

pub(super) fn absolute(name: &str, value: &str) -> Result<PathBuf> {
    if !value.starts_with('/') || value.chars().any(char::is_control) {
        return Err(invalid(format!(
            "option \"{name}\" must be an absolute path on the server"
        )));
    }
    Ok(value.into())
}

pub(super) fn boolean(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(invalid(format!(
            "option \"{name}\" must be true or false, not \"{value}\""
        ))),
    }
}

pub(super) fn number(name: &str, value: &str, min: u32, max: u32) -> Result<u32> {
    match value.parse::<u32>() {
        Ok(n) if (min..=max).contains(&n) => Ok(n),
        _ => Err(invalid(format!(
            "option \"{name}\" must be a number from {min} to {max}, not \"{value}\""
        ))),
    }
}

/// `500ms`, `2s`, `1min`; 10 ms to 10 minutes.
pub(super) fn timeout(name: &str, value: &str) -> Result<Duration> {
    let text = value.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit_ms = match text[digits..].trim_start() {
        "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        _ => None,
    };
    let ms = unit_ms
        .zip(text[..digits].parse::<u64>().ok())
        .and_then(|(unit, n)| n.checked_mul(unit));
    match ms {
        Some(ms @ 10..=600_000) => Ok(Duration::from_millis(ms)),
        _ => Err(invalid(format!(
            "option \"{name}\" must be a time from 10ms to 10min such as '2s', not \"{value}\""
        ))),
    }
}

pub(super) fn encryption(name: &str, value: &str) -> Result<String> {
    match value {
        "AES256" | "aws:kms" | "aws:kms:dsse" => Ok(value.to_owned()),
        _ => Err(invalid(format!(
            "option \"{name}\" must be AES256, aws:kms or aws:kms:dsse, not \"{value}\""
        ))),
    }
}

/// Classes whose objects can be read at once; stores other than S3 have names of their own.
pub(super) fn storage_class(name: &str, value: &str) -> Result<String> {
    if matches!(value, "GLACIER" | "DEEP_ARCHIVE") {
        return Err(invalid(format!(
            "option \"{name}\" must be a class that can be read at once, not \"{value}\""
        ))
        .hint("cold files are read in place; GLACIER_IR keeps them archived and readable"));
    }
    word(name, value)
}
