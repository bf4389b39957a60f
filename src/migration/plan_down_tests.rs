use super::*;
use crate::migration::ask::Mirror;
use crate::migration::set::samples::{World, row, sum, text, world};
use crate::migration::set::{Source, State};

#[test]
fn a_down_to_a_version_takes_back_what_came_after_it() {
    let mut w = world("1 3 5");
    w.says("up", "+1 +3 +5");
    w.add("2");
    let e = w.refuses("down to 2");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::NotInState, "version \"2\" is not applied")
    );
    assert_eq!(
        e.hint.as_deref(),
        Some("SELECT * FROM strata.migrate_goto('2')")
    );
    w.says("up allow", "+2");
    w.clone().says("down to 2", "");
    w.clone().says("down to 3", "-2 -5");
    w.clone().says("goto 2", "-5 -3");
    w.says("down to 1", "-2 -5 -3");
}

#[test]
fn a_down_is_the_one_that_was_kept() {
    let mut w = world("1 2 3 4u");
    w.says("up", "+1 +2 +3 +4");
    let kept = w.row("3").down_sha;
    let sha = |w: &World, words: &str| match w.plan(words).unwrap().steps[0].run {
        Run::Text(sha) => Some(sha),
        _ => None,
    };
    w.says("down skip", "-4()");
    // another text registered, another up, no file at all
    w.file("3").down = Some(text("better", ""));
    assert_eq!(sha(&w, "down"), kept);
    w.edit("3");
    assert_eq!(sha(&w, "down"), kept);
    w.files.clear();
    assert_eq!(sha(&w, "down"), kept);
    assert_eq!(kept, Some(sum("3 down|")));
    w.says("down all", "-3 -2 -1");
}

#[test]
fn a_down_that_came_later_serves_where_none_was_kept() {
    let mut w = world("1 2u");
    w.says("up", "+1 +2");
    let e = w.refuses("down");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::NoData, "1 version has no down text: \"2\"")
    );
    assert_eq!(
        e.hint.as_deref(),
        Some("SELECT * FROM strata.migrate_down(steps => 1, missing_down => 'skip')")
    );
    assert_eq!(
        w.refuses("goto none").hint.as_deref(),
        Some("SELECT * FROM strata.migrate_down(steps => 2, missing_down => 'skip')")
    );
    assert_eq!(
        w.refuses("down all").hint.as_deref(),
        Some("SELECT * FROM strata.migrate_down(all_versions => true, missing_down => 'skip')")
    );
    w.file("2").down = Some(text("2 down", ""));
    w.clone().says("down", "-2");
    // it belongs to another up
    w.edit("2");
    assert_eq!(w.refuses("down").kind, Kind::NoData);
}

#[test]
fn redo_takes_back_and_applies_again() {
    let mut w = world("1 3 5");
    w.says("redo", "");
    w.says("up", "+1 +3 +5");
    w.says("redo", "-5 +5");
    w.says("redo 2", "-5 -3 +3 +5");
    w.says("redo 9", "-5 -3 -1 +1 +3 +5");
    // in the order that is known to work here
    w.add("2");
    w.says("up allow", "+2");
    w.says("redo 2", "-2 -5 +5 +2");
    let plan = w.plan("redo").unwrap();
    assert!(plan.steps.iter().all(|s| s.cause == Cause::Redo));
    // the new text, and the old one where the file is gone
    w.edit("2");
    let registered = w.file("2").up;
    assert_eq!(w.plan("redo").unwrap().steps[1].up, registered);
    w.prune("2");
    let ran = w.row("2").up;
    let again = w.plan("redo").unwrap().steps.remove(1);
    assert_eq!((again.up, again.down_sha), (ran, w.row("2").down_sha));
    w.row("2").up = None;
    assert_eq!(w.refuses("redo").message, "version \"2\" has no up text");
}

#[test]
fn baselines_are_not_reverted() {
    let mut w = world("1 2 B2 3 4");
    w.says("up", "+B2[1 2] +3 +4");
    w.clone().says("down to 2", "-4 -3");
    w.clone().says("down 9", "-4 -3");
    w.clone().says("goto 2", "-4 -3");
    for words in [
        "down all",
        "down to 1",
        "down to none",
        "goto 1",
        "goto none",
    ] {
        let e = w.refuses(words);
        assert_eq!(e.kind, Kind::NotInState, "{words}");
        assert_eq!(
            e.hint.as_deref(),
            Some("SELECT * FROM strata.migrate_down(target => '2')")
        );
    }
    let e = w.refuses("goto 1");
    assert_eq!(
        e.message,
        "2 versions are a baseline and cannot be reverted: \"2\", \"B2\""
    );
    w.says("down 2", "-4 -3");
    w.says("down 0", "");
    for words in ["down", "redo", "down to 1", "down all", "goto none"] {
        let hint = w.refuses(words).hint.unwrap();
        let commands: Vec<&str> = hint.split("; ").collect();
        assert_eq!(
            commands,
            [
                "SELECT strata.migrate_force(NULL, 'why')",
                "SELECT strata.migrate_force('2', 'why')"
            ]
        );
    }
    // a mark without versions stands for nothing that has a down
    w.applied = vec![row("B38", 1)];
    assert_eq!(w.refuses("down").hint, None);
}

#[test]
fn a_source_does_not_matter_to_downs() {
    let mut w = world("1 2 3");
    w.says("up", "+1 +2 +3");
    w.row("3").source = Source::Force;
    w.row("2").source = Source::Adopt;
    w.row("1").state = State::AppliedWithErrors;
    w.says("down all", "-3 -2 -1");
}

#[test]
fn a_deferred_statement_is_waited_for() {
    let mut w = world("1 2 3");
    w.says("up", "+1 +2 +3");
    w.row("2").state = State::Waiting;
    w.clone().says("down", "-3");
    for words in ["down 2", "down all", "goto 1", "redo 2"] {
        let e = w.refuses(words);
        assert_eq!(e.kind, Kind::InUse, "{words}");
        let text = "1 version has a deferred statement that is not done: \"2\"";
        assert_eq!(e.message, text);
        assert_eq!(
            e.hint.as_deref(),
            Some("SELECT * FROM strata.migrate_deferred()")
        );
    }
    // later files do not wait
    w.add("4");
    w.says("up", "+4");
}

#[test]
fn a_down_that_does_not_parse_stops_the_run_that_needs_it() {
    let mut w = world("1 2 3");
    w.file("2").down_error = Some("syntax error at or near \"DORP\"".to_owned());
    w.says("up", "+1 +2 +3");
    w.clone().says("down", "-3");
    let e = w.refuses("down 2");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::Syntax, "1 text does not parse: \"2\"")
    );
    let detail = "\"2\" (n2) down: syntax error at or near \"DORP\"";
    assert_eq!(e.detail.as_deref(), Some(detail));
    assert_eq!(w.refuses("redo 2").kind, Kind::Syntax);
    // the one that was kept is another text
    w.row("2").down_sha = Some(sum("kept"));
    w.says("down 2", "-3 -2");
}

#[test]
fn golang_migrate_cannot_be_told_of_a_gap() {
    let mut w = world("1 3 5");
    w.mirror = Mirror::OneNumber;
    w.says("up", "+1 +3 +5");
    w.add("2");
    w.says("up allow", "+2");
    let e = w.refuses("down");
    assert_eq!(e.kind, Kind::NotInState);
    let text = "1 version below the head would not be applied any more: \"2\"";
    assert_eq!(e.message, text);
    assert_eq!(
        e.hint.as_deref(),
        Some("SELECT * FROM strata.migrate_goto('1')")
    );
    w.clone().says("goto 1", "-2 -5 -3");
    w.clone().says("down 3", "-2 -5 -3");
    w.clone().says("redo", "-2 +2");
    assert_eq!(w.refuses("down 2").kind, Kind::NotInState);
    // golang-migrate does not look for a version without a file
    let mut gone = w.clone();
    gone.prune("2");
    gone.says("down", "-2");
    w.mirror = Mirror::AnySet;
    w.says("down", "-2");
}

#[test]
fn rows_of_one_moment_are_taken_by_version() {
    let mut w = world("1 2 10");
    w.applied = ["10", "1", "2"].map(|l| row(l, 7)).to_vec();
    w.clone().says("down all", "-10 -2 -1");
    w.says("down to 2", "-10");
}
