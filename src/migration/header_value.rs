//! How `key=value` is written in a header line: words, quotes, lists, times.

use super::version::Version;
use crate::error::{Error, Kind};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// One `key` or `key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub key: String,
    /// Text in single quotes has lost them; double quotes are still there, since they belong to identifiers.
    pub value: Option<String>,
}

/// Cuts a line into its items. A comma joins what blanks would part, so `a=1, 2` is one item. `Err` is the key whose
/// value has a quote without end.
pub(super) fn items(line: &str) -> Result<Vec<Item>, String> {
    let mut chars = line.chars().peekable();
    let mut items = Vec::new();
    loop {
        skip_blanks(&mut chars);
        if chars.peek().is_none() {
            return Ok(items);
        }
        let mut key = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            key.push(c);
        }
        skip_blanks(&mut chars);
        let mut value = None;
        if chars.next_if_eq(&'=').is_some() {
            skip_blanks(&mut chars);
            if chars.peek().is_some() {
                value = Some(read_value(&mut chars).ok_or_else(|| key.clone())?);
            }
        }
        items.push(Item { key, value });
    }
}

fn skip_blanks(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn read_value(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut value = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\'' => quoted(chars, c, &mut value)?,
            '"' => {
                let mut name = String::new();
                quoted(chars, c, &mut name)?;
                value.push_str(&quote(&name));
            }
            blank if blank.is_whitespace() => {
                skip_blanks(chars);
                if !value.ends_with(',') && chars.peek() != Some(&',') {
                    break;
                }
            }
            other => value.push(other),
        }
    }
    Some(value)
}

/// Reads up to the closing quote; a doubled one stands for itself. `None` if there is no end.
fn quoted(chars: &mut Peekable<Chars<'_>>, quote: char, into: &mut String) -> Option<()> {
    loop {
        let c = chars.next()?;
        if c != quote {
            into.push(c);
        } else if chars.next_if_eq(&quote).is_some() {
            into.push(quote);
        } else {
            return Some(());
        }
    }
}

/// An identifier in double quotes.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The value without the double quotes around all of it.
pub(super) fn scalar(value: &str) -> &str {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    inner.filter(|v| !v.contains('"')).unwrap_or(value)
}

/// Identifiers parted by commas; unquoted ones in lower case, as the server reads `search_path` (SplitIdentifierString
/// in varlena.c). An empty text is the empty list. `None` for empty names, blanks inside a name, and loose quotes.
pub(super) fn identifiers(text: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut chars = text.chars().peekable();
    skip_blanks(&mut chars);
    while chars.peek().is_some() {
        let mut name = String::new();
        if chars.next_if_eq(&'"').is_some() {
            quoted(&mut chars, '"', &mut name)?;
        } else {
            while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !matches!(c, ',' | '"')) {
                name.push(c.to_ascii_lowercase());
            }
        }
        skip_blanks(&mut chars);
        let comma = chars.next_if_eq(&',').is_some();
        skip_blanks(&mut chars);
        // more must follow a comma, and only a comma
        if name.is_empty() || comma != chars.peek().is_some() {
            return None;
        }
        names.push(name);
    }
    Some(names)
}

/// A time in milliseconds, as PostgreSQL reads settings (`5s`, `1.5min`, a plain number is ms), and as it reads
/// intervals of one unit (`5 seconds`). `None` for what is none, and beyond 2147483647 ms.
pub(super) fn milliseconds(text: &str) -> Option<u32> {
    let number_end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at_checked(number_end.unwrap_or(text.len()))?;
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "us" => 0.001,
        "" | "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        _ => return None,
    };
    let ms = (number.parse::<f64>().ok()? * factor).round();
    (ms <= f64::from(i32::MAX)).then_some(ms as u32)
}

/// A file that must have run before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Requirement {
    Version(Version),
    /// the title of a repeatable
    Repeatable(String),
}

impl Requirement {
    /// Reads `12` or `R__title`, the latter also with `.sql`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Requirement> {
        if let Some(title) = text.strip_prefix("R__") {
            let title = title.strip_suffix(".sql").unwrap_or(title);
            return (!title.is_empty()).then(|| Requirement::Repeatable(title.to_owned()));
        }
        Version::parse(text).map(Requirement::Version)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Requirement::Version(version) => version.fmt(f),
            Requirement::Repeatable(title) => write!(f, "R__{title}"),
        }
    }
}

impl From<Requirement> for String {
    fn from(requirement: Requirement) -> Self {
        requirement.to_string()
    }
}

impl TryFrom<String> for Requirement {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        Requirement::parse(&text).ok_or_else(|| {
            let text = format!("\"{text}\" is neither a version nor a repeatable");
            Error::new(Kind::InvalidParameter, text)
        })
    }
}

/// Requirements parted by commas; `None` if one is none.
pub(super) fn requirements(text: &str) -> Option<Vec<Requirement>> {
    text.split(',')
        .map(|r| Requirement::parse(r.trim()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(line: &str) -> Vec<(String, Option<String>)> {
        let all = items(line).expect(line);
        all.into_iter().map(|i| (i.key, i.value)).collect()
    }

    fn pair(key: &str, value: &str) -> (String, Option<String>) {
        (key.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn items_are_parted_by_blanks_and_joined_by_commas() {
        assert_eq!(pairs("  "), []);
        assert_eq!(
            pairs("a b=1\tc"),
            [("a".into(), None), pair("b", "1"), ("c".into(), None)]
        );
        assert_eq!(pairs("a = 1 b= 2"), [pair("a", "1"), pair("b", "2")]);
        assert_eq!(pairs("a=x, y ,z b=1"), [pair("a", "x,y,z"), pair("b", "1")]);
        assert_eq!(
            pairs("a='x y''z' b=''"),
            [pair("a", "x y'z"), pair("b", "")]
        );
        assert_eq!(pairs("a=\"X \"\"Y\",z"), [pair("a", "\"X \"\"Y\",z")]);
        assert_eq!(pairs("a= "), [("a".into(), None)]);
        assert_eq!(pairs("=x"), [pair("", "x")]);
        assert_eq!(items("b=1 a='x"), Err("a".to_owned()));
        assert_eq!(items("a=\"x"), Err("a".to_owned()));
    }

    #[test]
    fn double_quotes_around_all_of_a_value_go() {
        assert_eq!(scalar("\"5s\""), "5s");
        assert_eq!(scalar("5s"), "5s");
        assert_eq!(scalar("\"a\",\"b\""), "\"a\",\"b\"");
        assert_eq!(scalar("\""), "\"");
    }

    #[test]
    fn identifiers_are_read_as_the_server_does() {
        let read = |t| identifiers(t).expect(t);
        assert_eq!(read("App, \"My, \"\"S\"\"\" ,x"), ["app", "My, \"S\"", "x"]);
        assert_eq!(read("\"$user\",public"), ["$user", "public"]);
        assert!(read(" ").is_empty());
        for bad in ["a b", "a,", ",a", "a,,b", "\"a", "a\"b\"", "\"\"", "\"a\"b"] {
            assert_eq!(identifiers(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, ms) in [
            ("5s", 5_000),
            ("250", 250),
            ("250ms", 250),
            ("1.5min", 90_000),
            ("1 min", 60_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1600us", 2),
            ("5 seconds", 5_000),
            ("0", 0),
            ("2147483647", 2_147_483_647),
        ] {
            assert_eq!(milliseconds(text), Some(ms), "{text}");
        }
        for bad in [
            "",
            "s",
            "-1s",
            "5x",
            "5 s s",
            "1..5s",
            ".5s",
            "2147483648",
            "25d",
            "1e3",
            "inf",
            "5m",
        ] {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn requirements_are_versions_and_repeatables() {
        let shown = |t| {
            let all = requirements(t)?;
            Some(all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            shown("012, R__my views ,1.2").expect("a list"),
            ["12", "R__my views", "1.2"]
        );
        assert_eq!(shown("R__v.sql").expect("a list"), ["R__v"]);
        for bad in ["", "12,", "R__", "R__.sql", "views", "@tag", "V12"] {
            assert_eq!(requirements(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn quoted_identifiers_come_back(names in prop::collection::vec("[a-zA-Z$\", ']{1,8}", 1..4)) {
            let text = names.iter().map(|n| quote(n)).collect::<Vec<_>>().join(",");
            prop_assert_eq!(identifiers(&text), Some(names.clone()));
            let all = items(&format!("k={text} x"));
            let value = all.ok().and_then(|i| i.first()?.value.clone());
            prop_assert_eq!(value.as_deref().and_then(identifiers), Some(names));
        }

        #[test]
        fn any_line_is_read_without_harm(line in ".{0,40}") {
            for item in items(&line).unwrap_or_default() {
                let _ = item.value.as_deref().map(identifiers);
            }
            let _ = (identifiers(&line), milliseconds(&line), requirements(&line));
        }
    }
}
