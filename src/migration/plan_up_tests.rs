use super::*;
use crate::migration::ask::Mode;
use crate::migration::set::State;
use crate::migration::set::samples::{row, sum, world};

#[test]
fn repeatables_run_last_and_again_when_they_change() {
    let mut w = world("R__b 1 R__a 2");
    w.says("up", "+1 +2 +R__a +R__b");
    w.says("up", "");
    w.touch("R__a");
    assert_eq!(w.plan("up").unwrap().cosmetic.len(), 1);
    w.says("up", "");
    w.edit("R__a");
    w.says("up", "+R__a");
    w.says("up", "");
    w.add("3 R__c");
    w.says("up", "+3 +R__c");
    w.prune("R__c");
    w.edit("R__c");
    w.says("up", "");
    // its other text is no reason to stop
    w.edit("R__b");
    w.says("down", "-3");
    w.says("redo", "-2 +2");
    w.says("up", "+3 +R__b");
}

#[test]
fn repeatables_wait_for_the_last_version() {
    let w = world("1 2 3 R__a");
    w.clone().says("up 2", "+1 +2");
    w.clone().says("up 3", "+1 +2 +3 +R__a");
    w.clone().says("up 9", "+1 +2 +3 +R__a");
    w.clone().says("up 0", "");
    w.clone().says("up to 2", "+1 +2");
    w.clone().says("up to 3", "+1 +2 +3 +R__a");
    w.clone().says("goto 2", "+1 +2");
    w.clone().says("goto 3", "+1 +2 +3 +R__a");
    w.clone().says("up to none", "");
    w.clone().says("goto none", "");
    let mut all = w.clone();
    all.says("up", "+1 +2 +3 +R__a");
    all.edit("R__a");
    all.clone().says("up to 2", "");
    all.clone().says("goto 2", "-3");
    all.clone().says("up to 3", "+R__a");
    // the head's file is gone, so the last file is not the last version
    all.prune("3");
    all.clone().says("up to 2", "");
    all.says("goto 2", "-3 +R__a");
    // what is left out as asked is no reason to wait
    let mut late = world("2 R__a");
    late.says("up", "+2 +R__a");
    late.add("1");
    late.edit("R__a");
    late.says("up ignore", "+R__a");
}

#[test]
fn repeatables_alone_run_once() {
    let mut w = world("R__a R__b");
    w.says("up", "+R__a +R__b");
    w.says("up", "");
    // their objects may need the tables that come now
    w.add("1");
    w.says("up", "+1 +R__a +R__b");
    w.says("up", "");
    world("R__a").says("goto none", "");
    world("R__a").says("up to none", "");
}

#[test]
fn repeatables_run_again_after_all_they_were_built_upon_was_reverted() {
    let mut w = world("1 2 R__a");
    w.says("up", "+1 +2 +R__a");
    w.says("down", "-2");
    w.says("up", "+2");
    w.says("down all", "-2 -1");
    w.clone().says("up", "+1 +2 +R__a");
    w.says("up 1", "+1");
    w.says("up 1", "+2 +R__a");
    w.says("up", "");
}

#[test]
fn requirements_pull_repeatables_forward() {
    let mut w = world("1 2>R__z 3 R__a R__z>R__m R__m");
    w.clone().says("up", "+1 +R__m +R__z +2 +3 +R__a");
    // also in a run that ends before the others
    w.says("up 1", "+1");
    w.says("up 1", "+R__m +R__z +2");
    w.says("up", "+3 +R__a");
    w.edit("R__z");
    w.add("4>R__z");
    w.clone().says("up to 4", "+R__z +4");
    w.add("5");
    w.says("up 1", "+R__z +4");
    w.says("up", "+5");
}

#[test]
fn requirements_of_what_is_there_are_met() {
    let mut w = world("1 3 B2");
    w.says("up", "+B2[1] +3");
    w.add("4>1,2,3 R__a>4,B2");
    let e = w.refuses("up");
    // B2 is no version by that name
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::UndefinedObject, "1 requirement is not known")
    );
    w.files.pop();
    w.add("R__a>4,3");
    w.prune("1");
    w.says("up", "+4 +R__a");
    let mut covered = world("1 2 B2 3>1,2");
    covered.says("up", "+B2[1 2] +3");
}

#[test]
fn requirements_that_cannot_be_met_stop_the_run() {
    let unmet = |who: &str, what: &str| {
        let detail = format!("{who} requires \"{what}\", which is not applied by then.");
        (Kind::NotInState, Some(detail))
    };
    let cases = [
        // a version that comes later
        ("", "1>3 3", "up", unmet("\"1\" (n1)", "3")),
        ("", "1>3 3", "up 1", unmet("\"1\" (n1)", "3")),
        ("2", "1>3 3", "up allow", unmet("\"1\" (n1)", "3")),
        // one that is left out
        ("5", "6>3 3", "up ignore", unmet("\"6\" (n6)", "3")),
        ("5", "R__a>3 3", "up ignore", unmet("\"R__a\"", "3")),
        // a repeatable that has to run earlier than it can
        ("", "1>R__a 2 R__a>2", "up", unmet("\"R__a\"", "2")),
    ];
    for (before, spec, words, expected) in cases {
        let mut w = world(before);
        w.run("up").unwrap();
        w.add(spec);
        let e = w.refuses(words);
        assert_eq!((e.kind, e.detail), expected, "{spec}: {words}");
    }
    // not needed by what runs
    let mut w = world("1 2>3 3");
    w.says("up 1", "+1");
    assert_eq!(w.refuses("up").message, "1 requirement is not met");
}

#[test]
fn a_failed_version_stops_functions() {
    let mut w = world("1 2 3");
    w.says("up 1", "+1");
    w.fail("2", Direction::Up, 4);
    for words in ["up", "up to 1", "down", "goto 3", "redo"] {
        let e = w.refuses(words);
        assert_eq!(e.kind, Kind::NotInState, "{words}");
        assert_eq!(e.message, "1 version has failed: \"2\"");
        assert_eq!(
            e.detail.as_deref(),
            Some("\"2\" (n2): up stopped after statement 4.")
        );
        assert_eq!(e.hint.as_deref(), Some("CALL strata.migrate_deploy()"));
    }
    w.prune("2");
    let hint = "SELECT * FROM strata.migrate_repair(version => '2', reason => 'why')";
    assert_eq!(w.refuses("up").hint.as_deref(), Some(hint));
    w.mode = Mode::Call;
    assert_eq!(w.refuses("up").hint.as_deref(), Some(hint));
}

#[test]
fn a_procedure_goes_on_with_what_failed() {
    let mut w = world("1 2 3 R__a");
    w.says("up 1", "+1");
    w.fail("2", Direction::Up, 4);
    w.mode = Mode::Call;
    let plan = w.plan("up").unwrap();
    let rest = Run::Rest {
        sha: w.file("2").up.unwrap().sha,
        statements_done: 4,
        prefix: Some(sum("prefix")),
    };
    assert_eq!(plan.steps[0].run, rest);
    w.clone().says("up", "+2..4 +3 +R__a");
    w.clone().says("up 1", "+2..4");
    w.clone().says("up to 2", "+2..4");
    w.clone().says("up 0", "");
    let e = w.refuses("up to 1");
    assert_eq!(
        e.message,
        "version \"2\" has failed and lies beyond the target"
    );
    // the other way it cannot go
    let e = w.refuses("down");
    assert_eq!(e.hint.as_deref(), Some("CALL strata.migrate_deploy()"));
    // a version that comes now is late, and runs after it
    w.add("1.5");
    assert_eq!(
        w.refuses("up").message,
        "1 pending version is out of order: \"1.5\""
    );
    w.clone().says("up allow", "+2..4 +1.5 +3 +R__a");
    // the row keeps its name
    w.file("2").key.name = "renamed".to_owned();
    let plan = w.plan("up allow").unwrap();
    assert_eq!(plan.steps[0].key.name, "n2");
}

#[test]
fn a_procedure_goes_on_with_failed_repeatables_and_baselines() {
    let mut w = world("1 2 R__a R__b");
    w.mode = Mode::Call;
    w.says("up 1", "+1");
    w.fail("R__b", Direction::Up, 1);
    w.clone().says("up", "+2 +R__a +R__b..1");
    w.says("up to 1", "+R__b..1");
    let mut w = world("1 2 B2 3");
    w.mode = Mode::Call;
    w.fail("B2", Direction::Up, 7);
    w.clone().says("up 1", "+B2..7[1 2]");
    w.says("up", "+B2..7[1 2] +3");
    w.says("up", "");
}

#[test]
fn a_procedure_goes_on_with_a_down_that_failed() {
    let mut w = world("1 2 3");
    w.says("up", "+1 +2 +3");
    w.fail("3", Direction::Down, 2);
    let e = w.refuses("down");
    assert_eq!(
        e.detail.as_deref(),
        Some("\"3\" (n3): down stopped after statement 2.")
    );
    assert_eq!(e.hint.as_deref(), Some("CALL strata.migrate_revert()"));
    w.mode = Mode::Call;
    assert_eq!(
        w.refuses("up").hint.as_deref(),
        Some("CALL strata.migrate_revert()")
    );
    w.clone().says("down", "-3..2");
    w.clone().says("down 2", "-3..2 -2");
    w.clone().says("down to 1", "-3..2 -2");
    w.clone().says("down all", "-3..2 -2 -1");
    w.files.clear();
    w.says("down all", "-3..2 -2 -1");
}

#[test]
fn a_text_that_does_not_parse_stops_the_run_that_needs_it() {
    let mut w = world("1 2 3 R__a H__each");
    w.file("2").up_error = Some("syntax error at line 3".to_owned());
    w.file("R__a").up_error = Some("a variable is not set: \"x\"".to_owned());
    w.file("1").down_error = Some("never mind".to_owned());
    w.clone().says("up 1", "+1");
    let e = w.refuses("up");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::Syntax, "2 texts do not parse: \"2\", \"R__a\"")
    );
    assert_eq!(
        e.detail.as_deref(),
        Some("\"2\" (n2) up: syntax error at line 3\n\"R__a\" up: a variable is not set: \"x\"")
    );
    // hooks run around every file
    w.file("H__each").up_error = Some("syntax error".to_owned());
    assert_eq!(w.refuses("up 1").message, "1 text does not parse: \"each\"");
    w.prune("H__each");
    w.says("up 1", "+1");
    w.prune("2");
    w.prune("R__a");
    w.says("up", "+3");
}

#[test]
fn golang_migrate_needs_numbers_and_no_exceptions() {
    let mut w = world("1 2.5 9223372036854775807 9223372036854775808");
    w.mirror = Mirror::OneNumber;
    let e = w.refuses("up");
    assert_eq!(e.kind, Kind::InvalidParameter);
    assert_eq!(
        e.detail.as_deref(),
        Some("\"2.5\" is not.\n\"9223372036854775808\" is not.")
    );
    w.clone().says("up 1", "+1");
    w.files.retain(|f| f.key.label() != "2.5");
    w.says("up 2", "+1 +9223372036854775807");
    for words in ["up ignore", "goto 1 ignore"] {
        let e = w.refuses(words);
        assert_eq!(e.kind, Kind::InvalidParameter);
        assert!(
            e.hint
                .is_some_and(|h| h.ends_with("out_of_order => 'allow')"))
        );
    }
    w.add("5");
    assert_eq!(w.refuses("up").kind, Kind::NotInState);
    w.says("up 1 allow", "+5");
}

#[test]
fn errors_that_were_passed_over_count_as_applied() {
    let mut w = world("1 2 R__a");
    w.says("up", "+1 +2 +R__a");
    w.row("2").state = State::AppliedWithErrors;
    w.row("R__a").state = State::AppliedWithErrors;
    w.says("up", "");
    assert_eq!(w.head(), "2");
    w.row("2").state = State::Waiting;
    w.says("up", "");
}

#[test]
fn a_baseline_file_needs_that_no_version_was_ever_applied() {
    let mut w = world("1 2 B2 3");
    w.applied = vec![row("R__gone", 1)];
    w.clone().says("up", "+B2[1 2] +3");
    w.applied = vec![row("7", 1)];
    assert_eq!(w.refuses("up").kind, Kind::NotInState);
    // reverted in the same run is as good
    let mut w = world("2 B2 5 R__a");
    w.applied = vec![row("5", 1)];
    w.clone().says("goto 2", "-5 +B2[2]");
    // beside a version, a baseline file is not what comes next
    let mut w = world("1 B4 R__a");
    w.says("up to 1", "+1 +R__a");
    w.says("up", "");
    // a version that comes later is not taken for applied, even with the same number
    let mut w = world("B4");
    w.says("up", "+B4");
    w.add("4");
    let detail = "\"4\" (n4) has the number of an applied baseline.";
    assert_eq!(w.refuses("up").detail.as_deref(), Some(detail));
    w.says("up allow", "+4");
    w.says("down", "-4");
    // what covered versions require does not matter
    let mut w = world("1>99 2 B2 3");
    w.says("up", "+B2[1 2] +3");
    w.prune("B2");
    w.says("up", "");
}
