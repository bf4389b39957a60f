use super::samples::{file, key, row, text, v, world};
use super::*;

#[test]
fn words_are_read_as_they_are_written() {
    for word in State::WORDS {
        assert_eq!(State::of(word).map(State::word), Some(*word));
    }
    assert_eq!(State::WORDS.len(), 6);
    assert_eq!(
        State::of("applied_with_errors"),
        Some(State::AppliedWithErrors)
    );
    for bad in ["", "Applied", "applied ", "pending"] {
        assert_eq!(State::of(bad), None);
    }
    assert_eq!(
        Source::WORDS,
        ["run", "baseline", "force", "adopt", "mirror"]
    );
    assert_eq!(Direction::of("down"), Some(Direction::Down));
}

#[test]
fn labels_name_what_they_are_about() {
    let lines = ["12", "1.2", "B3", "R__views"].map(|l| key(l).line());
    assert_eq!(
        lines,
        [
            "\"12\" (n12)",
            "\"1.2\" (n1.2)",
            "\"B3\" (all)",
            "\"R__views\""
        ]
    );
    let unnamed = Key {
        name: String::new(),
        ..key("7")
    };
    assert_eq!(unnamed.line(), "\"7\"");
}

#[test]
fn the_head_is_the_highest_version_whose_effects_are_there() {
    let mut w = world("1 2 9 10");
    assert_eq!(w.head(), "-");
    w.applied = ["2", "10", "9", "R__z"].map(|l| row(l, 1)).to_vec();
    assert_eq!(w.head(), "10");
    for (state, head) in [
        (State::Failed, "9"),
        (State::Running, "9"),
        (State::Waiting, "10"),
        (State::AppliedWithErrors, "10"),
        (State::Baseline, "10"),
    ] {
        w.row("10").state = state;
        assert_eq!(w.head(), head, "{state:?}");
        let set = Set::new(&w.files, &w.applied);
        assert_eq!(set.front(), Some(&v("10")), "{state:?}");
    }
    w.applied = vec![row("B12", 1), row("3", 2)];
    assert_eq!(w.head(), "12");
}

#[test]
fn a_version_is_found_by_its_number_and_a_repeatable_by_its_name() {
    let mut w = world("3 R__a 4-");
    w.file("3").key.name = "renamed".to_owned();
    w.applied = ["3", "R__a", "4", "5"].map(|l| row(l, 1)).to_vec();
    let set = Set::new(&w.files, &w.applied);
    let found: Vec<Option<String>> = w
        .applied
        .iter()
        .map(|r| set.file_of(r).map(|f| f.key.name.clone()))
        .collect();
    assert_eq!(
        found,
        [Some("renamed".to_owned()), Some("a".to_owned()), None, None]
    );
    assert!(set.knows(&v("3")) && set.knows(&v("4")) && set.knows(&v("5.0")));
    assert!(!set.knows(&v("6")));
    assert!(
        !Set::new(&w.files, &[]).knows(&v("4")),
        "gone and never applied"
    );
}

#[test]
fn texts_are_compared_by_both_hashes() {
    let mut w = world("3 R__a");
    w.applied = vec![row("3", 1), row("R__a", 2)];
    let change = |w: &super::samples::World, at: usize| {
        let set = Set::new(&w.files, &w.applied);
        (
            set.text_change(&w.applied[at]),
            set.is_modified(&w.applied[at]),
        )
    };
    assert_eq!(change(&w, 0), (TextChange::Same, false));
    w.touch("3");
    assert_eq!(change(&w, 0), (TextChange::Cosmetic, false));
    w.edit("3");
    assert_eq!(change(&w, 0), (TextChange::Modified, true));
    w.row("3").state = State::Baseline;
    assert_eq!(
        change(&w, 0),
        (TextChange::Modified, false),
        "it never ran here"
    );
    w.row("3").state = State::Failed;
    assert!(!change(&w, 0).1, "its prefix is compared instead");
    w.row("3").state = State::Applied;
    w.row("3").up = None;
    assert_eq!(
        change(&w, 0),
        (TextChange::Modified, true),
        "it ran without an up, and what came since has not run"
    );
    w.row("3").source = Source::Adopt;
    assert_eq!(change(&w, 0), (TextChange::Unknown, false));
    w.row("3").up = Some(text("x", ""));
    w.file("3").up = None;
    assert_eq!(change(&w, 0), (TextChange::Missing, false));
    w.edit("R__a");
    assert_eq!(
        change(&w, 1),
        (TextChange::Modified, false),
        "it runs again instead"
    );
    w.prune("R__a");
    assert_eq!(change(&w, 1), (TextChange::Missing, false));
}

#[test]
fn two_present_files_cannot_have_one_place() {
    let mut w = world("3 4 R__a B3 3- R__a-");
    assert!(Set::new(&w.files, &[]).duplicates.is_empty());
    let mut other = file("3");
    other.key.name = "other".to_owned();
    w.files.push(other);
    w.add("R__a");
    let set = Set::new(&w.files, &[]);
    let names: Vec<(&str, &str)> = set
        .duplicates
        .iter()
        .map(|(a, b)| (a.key.name.as_str(), b.key.name.as_str()))
        .collect();
    assert_eq!(names, [("n3", "other"), ("a", "a")]);
}
