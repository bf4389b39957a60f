//! Arguments of psql's commands, as psqlscanslash.l reads them.

use super::segments::is_blank;
use crate::error::{Error, Kind, Result};
use std::borrow::Cow;

/// Splits the arguments of a command, without their quotes: `'..'` with `''` and backslash sequences, `".."` which
/// keeps its quotes, and anything else up to a blank. Parts without blank between are one argument. Variables are not
/// looked at: [`super::vars::fill`] did that before.
///
/// 0A000: backquotes (psql would run a program), a second command on the line. 22023: a quote without end, an escape
/// that gives no UTF-8.
pub fn arguments(written: &str) -> Result<Vec<String>> {
    arguments_with(written, &mut |_| None)
}

/// The same. `variable` gets what begins with a colon outside of quotes, and tells how many bytes of it are a variable,
/// and the value.
pub(super) fn arguments_with<'v>(
    written: &str,
    variable: &mut impl FnMut(&str) -> Option<(usize, Cow<'v, str>)>,
) -> Result<Vec<String>> {
    let mut rest = written.trim_start_matches(is_blank);
    let mut found = Vec::new();
    while !rest.is_empty() {
        let mut argument = Vec::new();
        while let Some(c) = rest.chars().next().filter(|c| !is_blank(*c)) {
            rest = match c {
                '\'' => single_quoted(&rest[1..], &mut argument)?,
                '"' => double_quoted(rest, &mut argument)?,
                '`' => return Err(unsupported("a program in backquotes")),
                '\\' => return Err(unsupported("a second command on the line")),
                ':' if let Some((length, value)) = variable(rest) => {
                    argument.extend_from_slice(value.as_bytes());
                    &rest[length..]
                }
                _ => {
                    let (c, behind) = rest.split_at(c.len_utf8());
                    argument.extend_from_slice(c.as_bytes());
                    behind
                }
            };
        }
        found.push(String::from_utf8(argument).map_err(|_| invalid("is not UTF-8"))?);
        rest = rest.trim_start_matches(is_blank);
    }
    Ok(found)
}

/// Reads up to the closing quote; gives what is behind it.
fn single_quoted<'a>(text: &'a str, argument: &mut Vec<u8>) -> Result<&'a str> {
    let mut rest = text;
    loop {
        let Some(at) = rest.find(['\'', '\\']) else {
            return Err(invalid("has a quote without end"));
        };
        argument.extend_from_slice(&rest.as_bytes()[..at]);
        let behind = &rest[at + 1..];
        rest = if rest[at..].starts_with("''") {
            argument.push(b'\'');
            &behind[1..]
        } else if rest[at..].starts_with('\'') {
            return Ok(behind);
        } else {
            escape(behind, argument)?
        };
    }
}

/// Reads what follows a backslash.
fn escape<'a>(text: &'a str, argument: &mut Vec<u8>) -> Result<&'a str> {
    let digits = |from: usize, radix: u32, most: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let count = rest.chars().take(most).take_while(|c| c.is_digit(radix));
        &rest[..count.count()]
    };
    let octal = digits(0, 8, 3);
    let hex = if text.starts_with('x') {
        digits(1, 16, 2)
    } else {
        ""
    };
    if !octal.is_empty() {
        argument.push(byte(octal, 8)?);
        return Ok(&text[octal.len()..]);
    }
    if !hex.is_empty() {
        argument.push(byte(hex, 16)?);
        return Ok(&text[1 + hex.len()..]);
    }
    let Some(c) = text.chars().next() else {
        return Err(invalid("has a quote without end"));
    };
    let (written, behind) = text.split_at(c.len_utf8());
    match c {
        'n' => argument.push(b'\n'),
        't' => argument.push(b'\t'),
        'b' => argument.push(0x08),
        'r' => argument.push(b'\r'),
        'f' => argument.push(0x0c),
        _ => argument.extend_from_slice(written.as_bytes()),
    }
    Ok(behind)
}

fn byte(digits: &str, radix: u32) -> Result<u8> {
    // three octal digits may go beyond a byte; C takes the low eight bits
    match u32::from_str_radix(digits, radix).map(|n| n as u8) {
        Ok(0) | Err(_) => Err(invalid("holds a zero byte")),
        Ok(byte) => Ok(byte),
    }
}

/// Reads up to the closing quote and keeps both; gives what is behind.
fn double_quoted<'a>(text: &'a str, argument: &mut Vec<u8>) -> Result<&'a str> {
    let Some(end) = text[1..].find('"') else {
        return Err(invalid("has a quote without end"));
    };
    let (quoted, behind) = text.split_at(end + 2);
    argument.extend_from_slice(quoted.as_bytes());
    Ok(behind)
}

fn unsupported(what: &str) -> Error {
    Error::new(
        Kind::NotSupported,
        format!("{what} in a psql command is not supported"),
    )
}

fn invalid(what: &str) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("an argument of a psql command {what}"),
    )
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
