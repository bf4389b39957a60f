//! Settings of a queue: which values they may have.

use crate::error::{Error, Kind, Result};

/// No time of a queue is longer. Ends of longer ones would be beyond what PostgreSQL can read.
pub const LONGEST_US: i64 = 100 * 365 * 86_400_000_000;
/// A lease must outlast the claim itself.
const SHORTEST_LEASE_US: i64 = 1_000;
/// Longest name of a queue, in characters.
const LONGEST_NAME: usize = 200;
/// Longest name of a channel, in bytes (async.c: below NAMEDATALEN).
const LONGEST_CHANNEL: usize = 63;

pub const KEEP: [&str; 3] = ["none", "failed", "all"];
pub const GROUP_ON_FAIL: [&str; 2] = ["continue", "hold"];
pub const NOTIFY: [&str; 3] = ["auto", "none", "transaction"];

/// Names of all settings, as `reset` of `alter_queue` takes them.
pub const NAMES: [&str; 14] = [
    "lease",
    "max_attempts",
    "retry_delay",
    "retry_factor",
    "retry_max",
    "retry_jitter",
    "keep",
    "dead_letter",
    "max_ready",
    "group_limit",
    "group_on_fail",
    "notify",
    "notify_channel",
    "dedicated",
];

/// The values of one queue. Times are texts that PostgreSQL reads, and microseconds beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings<T> {
    pub lease: T,
    pub max_attempts: i32,
    pub retry_delay: T,
    pub retry_factor: f64,
    pub retry_max: T,
    pub retry_jitter: f64,
    pub keep: String,
    pub dead_letter: Option<String>,
    pub max_ready: Option<i64>,
    pub group_limit: i32,
    pub group_on_fail: String,
    pub notify: String,
    pub notify_channel: String,
    pub dedicated: bool,
}

/// What is to be changed; `None` leaves a setting as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes<T> {
    pub lease: Option<T>,
    pub max_attempts: Option<i32>,
    pub retry_delay: Option<T>,
    pub retry_factor: Option<f64>,
    pub retry_max: Option<T>,
    pub retry_jitter: Option<f64>,
    pub keep: Option<String>,
    pub dead_letter: Option<String>,
    pub max_ready: Option<i64>,
    pub group_limit: Option<i32>,
    pub group_on_fail: Option<String>,
    pub notify: Option<String>,
    pub notify_channel: Option<String>,
    pub dedicated: Option<bool>,
}

fn bad(message: String) -> Error {
    Error::new(Kind::InvalidParameter, message)
}

fn within<N: PartialOrd + std::fmt::Display>(name: &str, value: N, from: N, to: N) -> Result<()> {
    // also false for NaN
    if value >= from && value <= to {
        return Ok(());
    }
    Err(bad(format!("{name} {value} is outside of {from} .. {to}")))
}

fn one_of(name: &str, value: &str, words: &[&str]) -> Result<()> {
    if words.contains(&value) {
        return Ok(());
    }
    let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    let (last, first) = quoted.split_last().map_or(("", &[][..]), |(l, f)| (l, f));
    Err(bad(format!("{name} \"{value}\" is not known"))
        .hint(format!("Use {} or {last}.", first.join(", "))))
}

fn time(name: &str, us: i64, from: i64) -> Result<()> {
    if (from..=LONGEST_US).contains(&us) {
        return Ok(());
    }
    let least = if from == 0 { "0" } else { "1 ms" };
    Err(bad(format!(
        "{name} must lie between {least} and 100 years"
    )))
}

/// 22023 unless a queue may have this name.
pub fn check_name(argument: &str, name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(bad(format!("{argument} must not be empty")));
    }
    if name.chars().any(char::is_control) {
        return Err(bad(format!("{argument} must not have control characters")));
    }
    let length = name.chars().count();
    if length > LONGEST_NAME {
        return Err(bad(format!(
            "{argument} has {length} characters, more than {LONGEST_NAME}"
        )));
    }
    Ok(())
}

impl<T> Settings<T> {
    /// 22023 for a value that a setting cannot have. `us` gives the microseconds of a time.
    pub fn check(&self, us: impl Fn(&T) -> i64) -> Result<()> {
        time("lease", us(&self.lease), SHORTEST_LEASE_US)?;
        within("max_attempts", self.max_attempts, 1, i32::from(i16::MAX))?;
        time("retry_delay", us(&self.retry_delay), 0)?;
        within("retry_factor", self.retry_factor, 1.0, 1000.0)?;
        time("retry_max", us(&self.retry_max), 0)?;
        within("retry_jitter", self.retry_jitter, 0.0, 1.0)?;
        one_of("keep", &self.keep, &KEEP)?;
        within("max_ready", self.max_ready.unwrap_or(1), 1, i64::MAX)?;
        within("group_limit", self.group_limit, 1, i32::MAX)?;
        one_of("group_on_fail", &self.group_on_fail, &GROUP_ON_FAIL)?;
        one_of("notify", &self.notify, &NOTIFY)?;
        check_channel(&self.notify_channel)
    }

    /// The settings after these changes.
    #[must_use]
    pub fn with(self, changes: Changes<T>) -> Settings<T> {
        Settings {
            lease: changes.lease.unwrap_or(self.lease),
            max_attempts: changes.max_attempts.unwrap_or(self.max_attempts),
            retry_delay: changes.retry_delay.unwrap_or(self.retry_delay),
            retry_factor: changes.retry_factor.unwrap_or(self.retry_factor),
            retry_max: changes.retry_max.unwrap_or(self.retry_max),
            retry_jitter: changes.retry_jitter.unwrap_or(self.retry_jitter),
            keep: changes.keep.unwrap_or(self.keep),
            dead_letter: changes.dead_letter.or(self.dead_letter),
            max_ready: changes.max_ready.or(self.max_ready),
            group_limit: changes.group_limit.unwrap_or(self.group_limit),
            group_on_fail: changes.group_on_fail.unwrap_or(self.group_on_fail),
            notify: changes.notify.unwrap_or(self.notify),
            notify_channel: changes.notify_channel.unwrap_or(self.notify_channel),
            dedicated: changes.dedicated.unwrap_or(self.dedicated),
        }
    }

    /// Puts these settings back to `defaults`; 22023 for a name that is none.
    pub fn reset(&mut self, names: &[String], defaults: Settings<T>) -> Result<()> {
        let unknown: Vec<&str> = names
            .iter()
            .map(String::as_str)
            .filter(|n| !NAMES.contains(n))
            .collect();
        if let Some(first) = unknown.first() {
            return Err(bad(format!("queues have no setting \"{first}\""))
                .detail(format!("Not known: {}.", unknown.join(", ")))
                .hint(format!("Settings are {}.", NAMES.join(", "))));
        }
        let is = |name: &str| names.iter().any(|n| n == name);
        macro_rules! put_back {
            ($($name:ident),*) => {
                $(if is(stringify!($name)) { self.$name = defaults.$name; })*
            };
        }
        put_back!(
            lease,
            max_attempts,
            retry_delay,
            retry_factor,
            retry_max,
            retry_jitter,
            keep,
            dead_letter,
            max_ready,
            group_limit,
            group_on_fail,
            notify,
            notify_channel,
            dedicated
        );
        Ok(())
    }
}

impl<T> Changes<T> {
    /// 22023 if a setting is to be changed and put back at once.
    pub fn check_against(&self, reset: &[String]) -> Result<()> {
        macro_rules! given {
            ($($name:ident),*) => {
                [$((stringify!($name), self.$name.is_some())),*]
            };
        }
        let given = given!(
            lease,
            max_attempts,
            retry_delay,
            retry_factor,
            retry_max,
            retry_jitter,
            keep,
            dead_letter,
            max_ready,
            group_limit,
            group_on_fail,
            notify,
            notify_channel,
            dedicated
        );
        let twice = given
            .iter()
            .find(|(name, given)| *given && reset.iter().any(|r| r == name));
        match twice {
            None => Ok(()),
            Some((name, _)) => Err(bad(format!("{name} is both given and in reset"))),
        }
    }
}

fn check_channel(channel: &str) -> Result<()> {
    if channel.is_empty() {
        return Err(bad("notify_channel must not be empty".into()));
    }
    if channel.len() > LONGEST_CHANNEL {
        return Err(bad(format!(
            "notify_channel has {} bytes, more than {LONGEST_CHANNEL}",
            channel.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Settings<i64> {
        Settings {
            lease: 300_000_000,
            max_attempts: 5,
            retry_delay: 5_000_000,
            retry_factor: 2.0,
            retry_max: 3_600_000_000,
            retry_jitter: 0.1,
            keep: "failed".into(),
            dead_letter: None,
            max_ready: None,
            group_limit: 1,
            group_on_fail: "continue".into(),
            notify: "auto".into(),
            notify_channel: "strata_queue".into(),
            dedicated: false,
        }
    }

    fn nothing() -> Changes<i64> {
        Changes {
            lease: None,
            max_attempts: None,
            retry_delay: None,
            retry_factor: None,
            retry_max: None,
            retry_jitter: None,
            keep: None,
            dead_letter: None,
            max_ready: None,
            group_limit: None,
            group_on_fail: None,
            notify: None,
            notify_channel: None,
            dedicated: None,
        }
    }

    fn refused(change: impl FnOnce(&mut Settings<i64>)) -> String {
        let mut settings = defaults();
        change(&mut settings);
        let error = settings.check(|us| *us).expect_err("refused");
        assert_eq!(error.kind, Kind::InvalidParameter);
        error.message
    }

    #[test]
    fn defaults_are_accepted_and_each_bad_value_is_named() {
        assert!(defaults().check(|us| *us).is_ok());
        for (message, setting) in [
            (refused(|s| s.lease = 0), "lease"),
            (refused(|s| s.lease = i64::MAX), "lease"),
            (refused(|s| s.max_attempts = 0), "max_attempts"),
            (refused(|s| s.max_attempts = 32_768), "max_attempts"),
            (refused(|s| s.retry_delay = -1), "retry_delay"),
            (refused(|s| s.retry_factor = 0.5), "retry_factor"),
            (refused(|s| s.retry_factor = f64::NAN), "retry_factor"),
            (refused(|s| s.retry_max = -1), "retry_max"),
            (refused(|s| s.retry_jitter = 1.5), "retry_jitter"),
            (refused(|s| s.keep = "some".into()), "keep"),
            (refused(|s| s.max_ready = Some(0)), "max_ready"),
            (refused(|s| s.group_limit = 0), "group_limit"),
            (
                refused(|s| s.group_on_fail = String::new()),
                "group_on_fail",
            ),
            (refused(|s| s.notify = "always".into()), "notify"),
            (
                refused(|s| s.notify_channel = String::new()),
                "notify_channel",
            ),
            (
                refused(|s| s.notify_channel = "x".repeat(64)),
                "notify_channel",
            ),
        ] {
            assert!(message.starts_with(setting), "{message}");
        }
    }

    #[test]
    fn changes_leave_the_rest_as_it_is_and_reset_puts_back() {
        let changed = defaults().with(Changes {
            lease: Some(1_000),
            max_ready: Some(7),
            ..nothing()
        });
        assert_eq!(changed.lease, 1_000);
        assert_eq!(changed.max_ready, Some(7));
        assert_eq!(changed.max_attempts, 5);
        let mut back = changed.clone();
        assert!(back.reset(&["max_ready".into()], defaults()).is_ok());
        assert_eq!((back.lease, back.max_ready), (1_000, None));
        let all: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
        assert!(back.reset(&all, defaults()).is_ok());
        assert_eq!(back, defaults());
        assert!(back.reset(&["leese".into()], defaults()).is_err());
    }

    #[test]
    fn what_is_given_cannot_be_reset_too() {
        let given = Changes {
            keep: Some("all".into()),
            ..nothing()
        };
        assert!(given.check_against(&["lease".into()]).is_ok());
        assert!(given.check_against(&["keep".into()]).is_err());
    }

    #[test]
    fn names_are_short_and_printable() {
        assert!(check_name("queue", "Übersee: 1").is_ok());
        assert!(check_name("queue", "").is_err());
        assert!(check_name("queue", "a\nb").is_err());
        assert!(check_name("queue", &"x".repeat(201)).is_err());
    }
}
