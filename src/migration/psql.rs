//! The commands of psql that a migration may hold: those that pg_dump writes, and those that only tell something.

use super::command;
use crate::error::Result;

/// A command that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// nothing is to be done
    Ignore,
    /// `\echo` and its like
    Tell(String),
    /// `\set ON_ERROR_STOP`
    OnErrorStop(bool),
    /// `\encoding`
    Encoding(String),
    /// `\connect`, to this database
    Connect(String),
}

/// Why a command is refused, if it is. `restricted`: the token of a `\restrict` that is open (psql 15.14 and later);
/// until its `\unrestrict` no other command is taken.
pub fn refuse(name: &str, arguments: &str, restricted: &mut Option<String>) -> Option<String> {
    let token = arguments.trim();
    match (name, restricted.as_deref()) {
        ("restrict", None) if !token.is_empty() => {
            *restricted = Some(token.to_owned());
            None
        }
        ("unrestrict", Some(open)) if open == token => {
            *restricted = None;
            None
        }
        ("unrestrict", Some(_)) => Some("\\unrestrict has another key than \\restrict".to_owned()),
        ("restrict" | "unrestrict", _) => Some(format!("\\{name} is out of place")),
        (_, Some(_)) => Some(format!("\\{name} is not allowed after \\restrict")),
        (_, None) => match read(name, arguments) {
            Ok(Some(_)) => None,
            Ok(None) => Some(format!(
                "\\{name} is a command of psql that is not supported"
            )),
            Err(error) => Some(format!("\\{name}: {}", error.message)),
        },
    }
}

/// What a command does; `None` if it is not supported.
pub fn read(name: &str, arguments: &str) -> Result<Option<Command>> {
    let words = || command::arguments(arguments);
    Ok(Some(match name {
        "restrict" | "unrestrict" => Command::Ignore,
        "echo" | "qecho" | "warn" => Command::Tell(words()?.join(" ")),
        // the variables themselves are filled in before
        "set" | "unset" => match words()?.as_slice() {
            [variable, value] if variable == "ON_ERROR_STOP" && name == "set" => {
                Command::OnErrorStop(truth(value))
            }
            [variable] if variable == "ON_ERROR_STOP" => Command::OnErrorStop(name == "set"),
            _ => Command::Ignore,
        },
        "encoding" => match words()?.as_slice() {
            [encoding] => Command::Encoding(encoding.clone()),
            _ => return Ok(None),
        },
        "c" | "connect" => match words()?.as_slice() {
            [] => Command::Ignore,
            [database] => Command::Connect(database.trim_matches('"').to_owned()),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

/// As psql reads it (variables.c, ParseVariableBool): a prefix is enough.
fn truth(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    let is = |word: &str, least: usize| value.len() >= least && word.starts_with(&value);
    !(is("false", 1) || is("no", 1) || is("off", 2) || value == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_may_restrict_and_nothing_else_meanwhile() {
        let mut open = None;
        assert_eq!(refuse("restrict", " abc\n", &mut open), None);
        let why = refuse("echo", "x", &mut open).unwrap();
        assert_eq!(why, "\\echo is not allowed after \\restrict");
        assert!(refuse("unrestrict", "xyz", &mut open).is_some());
        assert_eq!(refuse("unrestrict", "abc", &mut open), None);
        assert_eq!(refuse("echo", "x", &mut open), None);
        assert!(refuse("unrestrict", "abc", &mut open).is_some());
        assert!(refuse("restrict", "", &mut open).is_some());
    }

    #[test]
    fn what_reaches_a_shell_or_a_client_is_refused() {
        for name in [
            "!", "copy", "gexec", "if", "endif", "o", "g", "prompt", "getenv", "w", "",
        ] {
            assert!(refuse(name, "x", &mut None).is_some(), "{name}");
        }
        assert!(refuse("echo", "`id`", &mut None).is_some());
    }

    #[test]
    fn variables_of_errors_are_read_as_psql_does() {
        for (name, arguments, stop) in [
            ("set", "ON_ERROR_STOP on", true),
            ("set", "ON_ERROR_STOP", true),
            ("set", "ON_ERROR_STOP 'off'", false),
            ("set", "ON_ERROR_STOP 0", false),
            ("set", "ON_ERROR_STOP F", false),
            ("unset", "ON_ERROR_STOP", false),
        ] {
            let read = read(name, arguments).unwrap();
            assert_eq!(read, Some(Command::OnErrorStop(stop)), "{arguments}");
        }
        assert_eq!(read("set", "x 1").unwrap(), Some(Command::Ignore));
        let two = read("echo", "'a  b' c").unwrap();
        assert_eq!(two, Some(Command::Tell("a  b c".to_owned())));
    }
}
