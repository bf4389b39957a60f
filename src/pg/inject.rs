//! Named stop points for crash tests; empty without the feature `inject`.
//!
//! Armed by the superuser setting `strata.inject`, a list such as `cold.swap:kill, worker.premake:sleep`:
//! `error` raises an error, `sleep` waits until it is cancelled or the setting no longer says so,
//! `kill` ends this process as kill -9 does, `fault` makes [`fault`] true.

/// What an armed point does.
#[cfg_attr(not(feature = "inject"), allow(dead_code))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Error,
    Sleep,
    Kill,
    Fault,
}

#[cfg_attr(not(feature = "inject"), allow(dead_code))]
fn action(armed: &str, name: &str) -> Option<Action> {
    let mut entries = armed.split(',').filter_map(|e| e.trim().rsplit_once(':'));
    let (_, what) = entries.find(|(point, _)| point.trim() == name)?;
    match what.trim() {
        "error" => Some(Action::Error),
        "sleep" => Some(Action::Sleep),
        "kill" => Some(Action::Kill),
        "fault" => Some(Action::Fault),
        _ => None,
    }
}

/// Does what the setting demands for the point `name`; usually nothing.
#[cfg(not(feature = "inject"))]
#[inline(always)]
pub fn point(_name: &str) {}

/// Does what the setting demands for the point `name`; usually nothing.
#[cfg(feature = "inject")]
pub fn point(name: &str) {
    use super::bgworker::{pause, reload_settings};
    use crate::error::Error;
    use pgrx::pg_sys::panic::ErrorReport;

    loop {
        match armed(name) {
            None | Some(Action::Fault) => return,
            Some(Action::Error) => {
                let error = Error::internal(format!("injected error at \"{name}\""));
                ErrorReport::from(error).report(pgrx::PgLogLevel::ERROR);
            }
            // SAFETY: a system call without memory arguments
            Some(Action::Kill) => unsafe {
                libc::kill(libc::getpid(), libc::SIGKILL);
            },
            Some(Action::Sleep) => {
                pause(std::time::Duration::from_millis(100));
                // normally read between statements only; a test must be able to end the sleep
                reload_settings();
            }
        }
    }
}

/// True when the setting says that what cannot be brought about in a test is the case here.
#[cfg(feature = "inject")]
pub fn fault(name: &str) -> bool {
    armed(name) == Some(Action::Fault)
}

/// True when the setting says that what cannot be brought about in a test is the case here.
#[cfg(not(feature = "inject"))]
#[inline(always)]
pub fn fault(_name: &str) -> bool {
    false
}

#[cfg(feature = "inject")]
fn armed(name: &str) -> Option<Action> {
    let armed = super::guc::INJECT.get()?;
    action(armed.to_str().ok()?, name)
}

#[cfg(test)]
mod tests {
    use super::{Action, action};

    #[test]
    fn finds_the_entry_of_the_point() {
        let armed = "a.b:error, c:sleep ,d : kill";
        assert_eq!(action(armed, "a.b"), Some(Action::Error));
        assert_eq!(action(armed, "c"), Some(Action::Sleep));
        assert_eq!(action(armed, "d"), Some(Action::Kill));
        assert_eq!(action("e:fault", "e"), Some(Action::Fault));
    }

    #[test]
    fn other_points_and_words_do_nothing() {
        assert_eq!(action("a:error", "b"), None);
        assert_eq!(action("a:error", "a:error"), None);
        assert_eq!(action("a:explode", "a"), None);
        assert_eq!(action("a", "a"), None);
        assert_eq!(action("", ""), None);
    }
}
