//! Laws of runs, on random sets of files and random calls.

use super::*;
use crate::migration::ask::Mode;
use crate::migration::golang_row::GolangRow;
use crate::migration::golang_sync;
use crate::migration::set::samples::{World, files, world};
use crate::migration::status::{Shown, states};
use proptest::prelude::*;

/// Calls that leave nothing for the same call to do.
const TWICE: [&str; 6] = [
    "up",
    "up allow",
    "up ignore",
    "up to 5 allow",
    "goto 5 allow",
    "down to 3",
];

/// What happens to a namespace.
#[derive(Debug, Clone)]
enum Act {
    Call(String),
    /// a version arrives, leaves the set, or is changed
    Add(u8, u8),
    Prune(u8),
    Touch(u8),
}

fn call() -> impl Strategy<Value = String> {
    let late = prop::sample::select(vec!["", "allow", "ignore"]);
    let skip = prop::sample::select(vec!["", "skip"]);
    let up = (0..4_u8, 0..10_u8, 0..3_u8, late).prop_map(|(n, to, form, late)| match form {
        0 => format!("up {late}"),
        1 => format!("up {n} {late}"),
        _ => format!("up to {to} {late}"),
    });
    let down = (0..4_u8, 0..10_u8, 0..4_u8, skip).prop_map(|(n, to, form, skip)| match form {
        0 => format!("down {skip}"),
        1 => format!("down {n} {skip}"),
        2 => format!("down to {to} {skip}"),
        _ => format!("down all {skip}"),
    });
    let late = prop::sample::select(vec!["", "allow", "ignore"]);
    let goto = (0..10_u8, late).prop_map(|(to, late)| match to {
        0 => format!("goto none {late}"),
        to => format!("goto {to} {late}"),
    });
    let redo = (0..4_u8).prop_map(|n| format!("redo {n}"));
    prop_oneof![4 => up, 3 => down, 2 => goto, 1 => redo]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => call().prop_map(Act::Call),
        2 => (1..10_u8, 0..4_u8).prop_map(|(n, form)| Act::Add(n, form)),
        1 => (1..10_u8).prop_map(Act::Prune),
        1 => (1..10_u8).prop_map(Act::Touch),
    ]
}

/// Some of the versions 1 to 9, with and without up and down, and sometimes repeatables and a baseline.
fn spec() -> impl Strategy<Value = String> {
    let versions = prop::collection::btree_map(1..10_u8, 0..4_u8, 0..8);
    let extras = prop::sample::select(vec!["", "R__a R__b", "R__a>R__b R__b", "B4", "B4 R__a"]);
    (versions, extras).prop_map(|(versions, extras)| {
        let words = versions.iter().map(|(n, form)| word(*n, *form));
        let words: Vec<String> = words.collect();
        format!("{} {extras}", words.join(" "))
    })
}

fn word(n: u8, form: u8) -> String {
    let form = ["", "", "u", "d"][usize::from(form)];
    format!("{n}{form}")
}

impl World {
    /// Versions of the set below the head that are not applied.
    fn gaps(&self) -> BTreeSet<Version> {
        let set = Set::new(&self.files, &self.applied);
        let level = Level::without(&set, &BTreeSet::new());
        let below = set.versions.keys().filter(|v| Some(**v) < level.head());
        below
            .filter(|v| !level.own.contains(*v))
            .map(|v| (*v).clone())
            .collect()
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Call(words) => {
                if let Ok(plan) = self.plan(words) {
                    self.check_order(&plan, words);
                    // apply() fails where a step reverts what is not applied or applies what is
                    for step in &plan.steps {
                        self.apply(step);
                    }
                    self.check_end(words);
                }
            }
            Act::Add(n, form) => {
                let arrives = files(&word(*n, *form)).remove(0);
                let found = self.files.iter_mut().find(|f| f.key == arrives.key);
                match found {
                    Some(file) => file.present = true,
                    None => self.files.push(arrives),
                }
            }
            Act::Prune(n) => {
                for file in self
                    .files
                    .iter_mut()
                    .filter(|f| f.key.label() == n.to_string())
                {
                    file.present = false;
                }
            }
            Act::Touch(n) => {
                if self
                    .files
                    .iter()
                    .any(|f| f.key.label() == n.to_string() && f.up.is_some())
                {
                    self.touch(&n.to_string());
                }
            }
        }
    }

    /// Downs come first and follow the order of application; ups ascend, but for a redo; repeatables end it.
    fn check_order(&self, plan: &Plan, words: &str) {
        let order = |step: &Step| {
            let row = self.applied.iter().find(|r| r.key == step.key);
            row.map(|r| r.applied_order)
        };
        let is_down = |s: &&Step| s.direction == Direction::Down;
        let downs: Vec<&Step> = plan.steps.iter().take_while(is_down).collect();
        assert!(downs.is_sorted_by(|a, b| order(a) > order(b)), "{words}");
        let ups = plan.steps.iter().skip(downs.len());
        assert!(ups.clone().all(|s| s.direction == Direction::Up), "{words}");
        if words.starts_with("redo") {
            let redone = downs.iter().rev().map(|s| s.key.version.as_ref());
            assert!(redone.eq(ups.map(|s| s.key.version.as_ref())), "{words}");
            return;
        }
        let versions = ups.clone().take_while(|s| s.key.version.is_some());
        assert!(
            versions
                .clone()
                .is_sorted_by(|a, b| a.key.version < b.key.version),
            "{words}"
        );
        assert!(
            ups.skip(versions.count()).all(|s| s.key.version.is_none()),
            "{words}"
        );
    }

    /// What was asked for is reached.
    fn check_end(&self, words: &str) {
        let set = Set::new(&self.files, &self.applied);
        let words: Vec<&str> = words.split_whitespace().collect();
        match words.as_slice() {
            ["goto", "none", ..] | ["down", "all", ..] => assert_eq!(set.head(), None),
            ["goto", to, rest @ ..] => {
                let to = Version::parse(to).unwrap();
                assert!(set.head() <= Some(&to), "{words:?}");
                let left = set
                    .versions
                    .keys()
                    .any(|v| **v <= to && !set.done.contains_key(*v));
                // only what was to be ignored is left
                assert!(!left || rest.contains(&"ignore"), "{words:?}");
            }
            ["up", "to", ..] | ["redo", ..] => {}
            ["up"] | ["up", "allow" | "ignore"] => {
                let pending = states(&self.files, &self.applied).into_iter();
                let left = pending.filter(|r| {
                    let late = r.state == Shown::OutOfOrder && words.contains(&"ignore");
                    let waits = [Shown::Pending, Shown::OutOfOrder, Shown::RepeatablePending];
                    waits.contains(&r.state) && !late
                });
                assert_eq!(left.count(), 0, "{words:?}");
            }
            _ => {}
        }
    }
}

fn after(spec: &str, acts: &[Act]) -> World {
    let mut w = world(spec);
    for act in acts {
        w.act(act);
    }
    w
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_keeps_the_order_and_reaches_its_end(spec in spec(), acts in prop::collection::vec(act(), 0..20)) {
        after(&spec, &acts);
    }

    #[test]
    fn a_second_call_finds_nothing_to_do(
        spec in spec(),
        acts in prop::collection::vec(act(), 0..12),
        words in prop::sample::select(&TWICE[..]),
    ) {
        let mut w = after(&spec, &acts);
        if w.run(words).is_ok() {
            w.says(words, "");
        }
    }

    #[test]
    fn all_down_and_all_up_again_is_the_same(spec in spec(), acts in prop::collection::vec(act(), 0..12)) {
        let mut w = after(&spec, &acts);
        if w.run("up allow").is_err() {
            return Ok(());
        }
        // files that are gone come back no more, and baselines do not go
        let head = w.standing();
        let gone = states(&w.files, &w.applied).iter().any(|r| r.state == Shown::MissingFile);
        if w.run("down all skip").is_err() {
            prop_assert!(w.applied.iter().any(|r| r.key.version.is_some() && !r.revertible()));
            return Ok(());
        }
        w.run("up").unwrap();
        if !gone && !head.contains('B') && !w.standing().contains('B') {
            prop_assert_eq!(w.standing(), head);
        }
        w.says("up", "");
    }

    #[test]
    fn steps_one_by_one_do_what_all_at_once_does(spec in spec(), acts in prop::collection::vec(act(), 0..12)) {
        let w = after(&spec, &acts);
        let Ok(plan) = w.plan("up allow") else {
            return Ok(());
        };
        let mut single = w.clone();
        for _ in 0..plan.steps.len() {
            single.run("up 1 allow").unwrap();
        }
        let mut all = w;
        all.run("up allow").unwrap();
        single.run("up").unwrap();
        prop_assert_eq!(single.standing(), all.standing());
        let mut down = all.clone();
        if let Ok(plan) = all.plan("down all skip") {
            for _ in 0..plan.steps.len() {
                down.run("down skip").unwrap();
            }
            all.run("down all skip").unwrap();
            prop_assert_eq!(down.standing(), all.standing());
        }
    }

    #[test]
    fn a_redo_changes_nothing(spec in spec(), acts in prop::collection::vec(act(), 0..12), n in 0..5_u8) {
        let mut w = after(&spec, &acts);
        let before = w.standing();
        if w.run(&format!("redo {n}")).is_ok() {
            prop_assert_eq!(w.standing(), before);
        }
    }

    /// One number is enough for golang-migrate: a call never leaves a version out below the head, and what was left
    /// out before, because it came late, is not forgotten.
    #[test]
    fn a_mirror_never_forgets_anything(spec in spec(), acts in prop::collection::vec(act(), 0..20)) {
        let mut w = world(&spec);
        w.mirror = Mirror::OneNumber;
        for act in &acts {
            let before = w.gaps();
            w.act(act);
            let brings = matches!(act, Act::Add(..));
            prop_assert!(brings || w.gaps().is_subset(&before), "{:?} {:?}", act, w.gaps());
            let set = Set::new(&w.files, &w.applied);
            let number = set.head().and_then(Version::as_bigint);
            let row = number.map(|version| GolangRow { version, dirty: false });
            prop_assert_eq!(golang_sync::sync(&w.files, &w.applied, row, &w.context()).unwrap(), []);
        }
        // nothing is applied that would be lost if only the number were known
        let mut other = w.clone();
        let number = Set::new(&w.files, &w.applied).head().and_then(Version::as_bigint);
        other.applied.retain(|r| r.key.version.is_none());
        let row = number.map(|version| GolangRow { version, dirty: false });
        let changes = golang_sync::sync(&other.files, &other.applied, row, &other.context()).unwrap();
        other.change(&changes);
        prop_assert_eq!(other.head(), w.head());
    }

    /// The procedure plans what the function does, where nothing has failed.
    #[test]
    fn both_ways_of_running_decide_alike(spec in spec(), acts in prop::collection::vec(act(), 0..12), words in call()) {
        let w = after(&spec, &acts);
        let mut call = w.clone();
        call.mode = Mode::Call;
        match (w.plan(&words), call.plan(&words)) {
            (Ok(a), Ok(b)) => prop_assert_eq!(a, b),
            (Err(a), Err(b)) => prop_assert_eq!((a.kind, a.message, a.detail), (b.kind, b.message, b.detail)),
            (a, b) => prop_assert!(false, "{a:?} {b:?}"),
        }
    }
}
