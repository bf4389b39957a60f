//! Who may delete files: the rules about the object `_owner.json`, one in each folder `<database>-<tag>`.
//!
//! A copy of a data directory has the same tag as the origin and believes that the origin's files are its own. So
//! every copy writes a new random value into the object before it deletes anything, and remembers it. Whoever
//! finds a value that it never wrote has a twin, and stops. In doubt: read yes, delete no.
//!
//! 2026-11-21: the one that finds the stranger's value marks the object as disputed, so that the twin stops as
//! well, until somebody decides. Rejected: only the second one stops. The first may be a copy for tests that was
//! quicker than production, and what it drops would be deleted under production's hands a week later.

use serde::{Deserialize, Serialize};

/// Name of the object in a folder.
const OBJECT: &str = "_owner.json";

/// The folder of an object: the first part of its key.
#[must_use]
pub fn folder(key: &str) -> &str {
    key.split('/').next().unwrap_or(key)
}

/// Key of the object that says who owns a folder.
#[must_use]
pub fn lease_key(folder: &str) -> String {
    format!("{folder}/{OBJECT}")
}

/// True for names that [`super::name::file_name`] gives; only such objects are ever taken for leftovers.
#[must_use]
pub fn is_file_of_ours(key: &str) -> bool {
    let Some(stem) = key.strip_suffix(".sqlite") else {
        return false;
    };
    let name = stem.rsplit('/').next().unwrap_or(stem);
    let Some((rest, attempt)) = name.rsplit_once('-') else {
        return false;
    };
    let Some((rest, generation)) = rest.rsplit_once("-g") else {
        return false;
    };
    attempt.len() == 8
        && attempt.bytes().all(|b| b.is_ascii_hexdigit())
        && !generation.is_empty()
        && generation.bytes().all(|b| b.is_ascii_digit())
        && rest.matches("__").count() >= 3
}

/// Who a running database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// system identifier / database / installation
    pub token: String,
    pub timeline: u32,
}

/// What the catalog remembers of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    pub token: String,
    pub timeline: u32,
    /// Value that was written last.
    pub last: Option<String>,
    /// Value that was about to be written when the process stopped.
    pub intended: Option<String>,
    /// When somebody decided that the folder is ours, in microseconds since 1970; 0: never.
    pub adopted_us: i64,
}

/// Content of the object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub value: String,
    pub owner_token: String,
    pub timeline: u32,
    #[serde(default)]
    pub adopted_us: i64,
    /// Written by one that had lost the folder: nobody may delete.
    #[serde(default)]
    pub disputed: bool,
    /// For people: database, host, time.
    #[serde(default)]
    pub written_by: String,
}

impl Lease {
    /// Readable JSON, with a line end.
    #[must_use]
    pub fn json(&self) -> String {
        // plain fields: this cannot fail
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// `None` for anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Lease> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What was found in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Lease(Lease),
    /// Not our form.
    Unreadable,
}

/// Whether this database may delete in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Ours,
    /// Why not, for people.
    No(String),
    /// A twin has written there, and nobody decided that it may: why not, for people.
    Dispute(String),
}

/// The rule.
#[must_use]
pub fn judge(held: &Held, me: &Me, found: &Found) -> Verdict {
    if let Some(why) = changed(held, me) {
        return Verdict::No(why);
    }
    let lease = match found {
        Found::Lease(lease) => lease,
        // never written, or the process stopped before it was
        Found::Nothing if held.last.is_none() => return Verdict::Ours,
        Found::Nothing => return Verdict::No(String::from("its owner file is gone")),
        Found::Unreadable => return Verdict::No(String::from("its owner file cannot be read")),
    };
    let mine = [&held.last, &held.intended];
    if mine.into_iter().flatten().any(|v| *v == lease.value) {
        return Verdict::Ours;
    }
    let by = match lease.written_by.as_str() {
        "" => "somebody else",
        by => by,
    };
    if lease.disputed {
        return Verdict::No(format!(
            "two copies of this database use it; the other one is {by}"
        ));
    }
    let why = format!("it was taken over by {by}");
    let twin = lease.owner_token == me.token && lease.timeline == me.timeline;
    if twin && lease.adopted_us <= held.adopted_us {
        return Verdict::Dispute(why);
    }
    Verdict::No(why)
}

/// What tells that this server is not quite the one that wrote there.
#[must_use]
pub fn changed(held: &Held, me: &Me) -> Option<String> {
    let system = |token: &str| token.split('/').next().unwrap_or_default().to_owned();
    let (then, now) = (system(&held.token), system(&me.token));
    if then != now {
        return Some(format!(
            "another database system wrote there: identifier {then}, this one has {now}"
        ));
    }
    if held.token != me.token {
        return Some(String::from("another database wrote there"));
    }
    (held.timeline != me.timeline).then(|| {
        format!(
            "the server was promoted or restored since: timeline {}, now {}",
            held.timeline, me.timeline
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> Me {
        Me {
            token: "7/5/abc".into(),
            timeline: 1,
        }
    }

    fn held() -> Held {
        Held {
            token: me().token,
            timeline: 1,
            last: Some("one".into()),
            intended: None,
            adopted_us: 0,
        }
    }

    fn lease(value: &str) -> Lease {
        Lease {
            value: value.into(),
            owner_token: me().token,
            timeline: 1,
            written_by: "database \"x\" on host y".into(),
            ..Lease::default()
        }
    }

    fn no(verdict: &Verdict, word: &str) {
        let Verdict::No(why) = verdict else {
            panic!("{verdict:?}");
        };
        assert!(why.contains(word), "{why}");
    }

    #[test]
    fn what_i_wrote_or_was_about_to_write_is_mine() {
        let mut held = held();
        let found = |value| Found::Lease(lease(value));
        assert_eq!(judge(&held, &me(), &found("one")), Verdict::Ours);
        held.intended = Some("two".into());
        assert_eq!(judge(&held, &me(), &found("one")), Verdict::Ours);
        assert_eq!(judge(&held, &me(), &found("two")), Verdict::Ours);
        held.last = None;
        assert_eq!(judge(&held, &me(), &found("two")), Verdict::Ours);
        assert_eq!(judge(&held, &me(), &Found::Nothing), Verdict::Ours);
        held.intended = None;
        assert_eq!(judge(&held, &me(), &Found::Nothing), Verdict::Ours);
    }

    #[test]
    fn a_stranger_or_nothing_stops_me() {
        let mut held = held();
        no(&judge(&held, &me(), &Found::Nothing), "gone");
        no(&judge(&held, &me(), &Found::Unreadable), "cannot be read");
        let twin = judge(&held, &me(), &Found::Lease(lease("two")));
        let Verdict::Dispute(why) = twin else {
            panic!("{twin:?}");
        };
        assert!(why.contains("host y"), "{why}");
        // never written by me: the twin came first
        held.last = None;
        let twin = judge(&held, &me(), &Found::Lease(lease("two")));
        assert!(matches!(twin, Verdict::Dispute(_)));
    }

    #[test]
    fn a_decision_is_respected_and_a_dispute_is_not_repeated() {
        let mut held = held();
        held.adopted_us = 5;
        let mut other = lease("two");
        other.adopted_us = 5;
        let verdict = judge(&held, &me(), &Found::Lease(other.clone()));
        assert!(matches!(verdict, Verdict::Dispute(_)));
        other.adopted_us = 6;
        no(
            &judge(&held, &me(), &Found::Lease(other.clone())),
            "taken over",
        );
        other.adopted_us = 0;
        other.disputed = true;
        no(
            &judge(&held, &me(), &Found::Lease(other.clone())),
            "two copies",
        );
        // only an adoption can have brought these there
        for stranger in [
            Lease {
                owner_token: "7/6/abc".into(),
                ..lease("two")
            },
            Lease {
                timeline: 2,
                ..lease("two")
            },
        ] {
            no(&judge(&held, &me(), &Found::Lease(stranger)), "taken over");
        }
    }

    #[test]
    fn another_timeline_or_system_stops_me_whatever_lies_there() {
        let held = held();
        let found = Found::Lease(lease("one"));
        let later = Me {
            timeline: 2,
            ..me()
        };
        no(&judge(&held, &later, &found), "timeline 1, now 2");
        let moved = Me {
            token: "8/5/abc".into(),
            ..me()
        };
        no(
            &judge(&held, &moved, &found),
            "identifier 7, this one has 8",
        );
        let forked = Me {
            token: "7/5/def".into(),
            ..me()
        };
        no(&judge(&held, &forked, &found), "another database");
    }

    #[test]
    fn the_object_is_json_that_comes_back() {
        let lease = Lease {
            adopted_us: 7,
            disputed: true,
            ..lease("one")
        };
        assert_eq!(Lease::parse(lease.json().as_bytes()), Some(lease));
        let short = br#"{"value": "v", "owner_token": "t", "timeline": 3, "more": 1}"#;
        assert_eq!(Lease::parse(short).map(|l| l.timeline), Some(3));
        for bad in ["", "{}", "[]", "{\"value\": 1}", "x"] {
            assert_eq!(Lease::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn names_of_files_and_folders() {
        let key = "db-0a1b2c3d/public.m/2025/m__20250101T000000Z__20250201T000000Z__h1-g12-0193f2c1.sqlite";
        assert_eq!(folder(key), "db-0a1b2c3d");
        assert_eq!(lease_key(folder(key)), "db-0a1b2c3d/_owner.json");
        assert!(is_file_of_ours(key));
        assert!(is_file_of_ours("m__1__2__h1-s3-g1-0193f2c1.sqlite"));
        for other in [
            "db-0a1b2c3d/_owner.json",
            "db-0a1b2c3d/README",
            "db-0a1b2c3d/copy of m.sqlite",
            "m__1__2__h1-g1-0193f2c1.sqlite.bak",
            "m__1__2__h1-g-0193f2c1.sqlite",
            "m__1__2__h1-g1-0193f2cx.sqlite",
            "m__1__h1-g1-0193f2c1.sqlite",
            "my-g1-0193f2c1.sqlite",
        ] {
            assert!(!is_file_of_ours(other), "{other}");
        }
    }
}
