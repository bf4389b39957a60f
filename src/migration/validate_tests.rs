use super::*;
use crate::migration::set::Direction;
use crate::migration::set::samples::{World, file, text, world};

fn problems(w: &World) -> Vec<String> {
    let found = validate(&w.files, &w.applied);
    found
        .iter()
        .map(|f| format!("{} {}", f.key.label(), f.problem.word()))
        .collect()
}

fn details(w: &World) -> Vec<String> {
    validate(&w.files, &w.applied)
        .into_iter()
        .map(|f| f.detail)
        .collect()
}

#[test]
fn nothing_is_found_when_all_is_well() {
    let mut w = world("1 2 B2 R__a>2 3>1,R__a 4-");
    assert_eq!(problems(&w), Vec::<String>::new());
    w.says("up", "+B2[1 2] +R__a +3");
    assert_eq!(problems(&w), Vec::<String>::new());
    // neither cosmetic changes, nor files that a baseline stands for, nor pending ones
    w.touch("3");
    w.prune("1");
    w.edit("R__a");
    w.add("5 R__new");
    assert_eq!(problems(&w), Vec::<String>::new());
}

#[test]
fn each_problem_is_found() {
    let mut w = world("1 2 3 4 5 R__a");
    w.says("up", "+1 +2 +3 +4 +5 +R__a");
    w.edit("1");
    w.prune("2");
    w.fail("3", Direction::Up, 2);
    w.row("4").state = State::AppliedWithErrors;
    w.prune("R__a");
    w.add("4.5 4.6~ 6u 7d 8 9>99,R__a,R__z 10>11 11 R__x>R__y R__y>R__x");
    w.file("8").up_error = Some("syntax error".to_owned());
    w.file("8").down_error = Some("syntax error as well".to_owned());
    assert_eq!(
        problems(&w),
        [
            "1 modified",
            "2 missing_file",
            "3 failed",
            "4 applied_with_errors",
            "4.5 out_of_order",
            "6 missing_down",
            "7 missing_up",
            "8 not_parsed",
            "8 not_parsed",
            "9 unknown_requirement",
            "9 unknown_requirement",
            "10 unmet_requirement",
            "R__a missing_file",
            "R__x circle",
        ]
    );
    let details = details(&w);
    assert_eq!(details[2], "\"3\" (n3): up stopped after statement 2.");
    assert_eq!(details[4], "It is pending below the head \"5\".");
    assert_eq!(
        details[7..9],
        ["up: syntax error", "down: syntax error as well"]
    );
    assert_eq!(details[9], "It requires \"99\", which does not exist.");
    assert_eq!(details[10], "It requires \"R__z\", which does not exist.");
    assert_eq!(details[11], "It requires \"11\", which comes after it.");
    assert_eq!(details[13], "R__x -> R__y -> R__x.");
}

#[test]
fn two_files_of_one_version_are_found() {
    let mut w = world("1 2");
    let mut other = file("2");
    other.key.name = "other".to_owned();
    w.files.push(other);
    assert_eq!(problems(&w), ["2 duplicate"]);
    assert_eq!(
        details(&w),
        ["\"2\" (n2) and \"2\" (other) cannot both be."]
    );
}

#[test]
fn a_set_without_downs_misses_none() {
    let mut w = world("1u 2u 3u R__a B1");
    assert_eq!(problems(&w), Vec::<String>::new());
    w.file("2").down = Some(text("2 down", ""));
    assert_eq!(problems(&w), ["1 missing_down", "3 missing_down"]);
    // what ran with a down has it
    let mut w = world("1 2");
    w.says("up", "+1 +2");
    w.file("1").down = None;
    assert_eq!(problems(&w), Vec::<String>::new());
    w.row("1").down_sha = None;
    assert_eq!(problems(&w), ["1 missing_down"]);
}

#[test]
fn hooks_and_checks_are_looked_at_as_well() {
    let mut w = world("1 H__before_each");
    w.file("H__before_each").up_error = Some("syntax error".to_owned());
    assert_eq!(problems(&w), ["before_each not_parsed"]);
    w.prune("H__before_each");
    assert_eq!(problems(&w), Vec::<String>::new());
}

#[test]
fn a_requirement_of_a_later_version_that_is_applied_is_met() {
    let mut w = world("3");
    w.says("up", "+3");
    w.add("2>3");
    assert_eq!(problems(&w), ["2 out_of_order"]);
    w.says("up allow", "+2");
    assert_eq!(problems(&w), Vec::<String>::new());
    w.says("goto 2", "-3");
    // it was applied in time
    assert_eq!(problems(&w), Vec::<String>::new());
}
