use super::*;
use crate::migration::set::Direction;
use crate::migration::set::samples::{World, row, text, world};

/// `1 applied, 2 pending (note)`
fn shown(w: &World) -> Vec<String> {
    let rows = states(&w.files, &w.applied);
    let line = |r: &StatusRow<'_>| {
        let note = r
            .note
            .as_ref()
            .map_or_else(String::new, |n| format!(" ({n})"));
        format!("{} {}{note}", r.key.label(), r.state.word())
    };
    rows.iter().map(line).collect()
}

#[test]
fn versions_come_first_and_ascending() {
    let mut w = world("R__b 10 9 R__a 1.2 H__each 3-");
    assert_eq!(
        shown(&w),
        [
            "1.2 pending",
            "9 pending",
            "10 pending",
            "R__a repeatable_pending (never ran)",
            "R__b repeatable_pending (never ran)",
        ]
    );
    w.says("up", "+1.2 +9 +10 +R__a +R__b");
    assert_eq!(
        shown(&w),
        [
            "1.2 applied",
            "9 applied",
            "10 applied",
            "R__a applied",
            "R__b applied"
        ]
    );
}

#[test]
fn every_state_is_shown() {
    assert_eq!(Shown::WORDS.len(), 12);
    let mut w = world("1 2 3 4 5 6 7 8 9 R__a R__b");
    w.says("up", "+1 +2 +3 +4 +5 +6 +7 +8 +9 +R__a +R__b");
    w.touch("2");
    w.edit("3");
    w.prune("4");
    w.fail("5", Direction::Up, 3);
    w.row("6").state = State::Running;
    w.row("7").state = State::Waiting;
    w.row("8").state = State::AppliedWithErrors;
    w.row("9").state = State::Baseline;
    w.edit("R__b");
    w.add("8.5 10 11~");
    assert_eq!(
        shown(&w),
        [
            "1 applied",
            "2 cosmetic",
            "3 modified (the registered text is not the one that ran)",
            "4 missing_file (no longer in the set)",
            "5 failed (\"5\" (n5): up stopped after statement 3)",
            "6 running (a worker is at its up)",
            "7 waiting (a deferred statement is not done)",
            "8 applied_with_errors (statements failed)",
            "8.5 out_of_order (below the head \"9\")",
            "9 baseline",
            "10 pending",
            "11 pending",
            "R__a applied",
            "R__b repeatable_pending (the text changed since it ran)",
        ]
    );
    w.add("8.6~");
    assert!(shown(&w).contains(&"8.6 pending (may come late)".to_owned()));
}

#[test]
fn what_is_under_way_or_stopped_comes_before_its_text() {
    let mut w = world("1");
    w.says("up", "+1");
    w.edit("1");
    for (state, word) in [
        (State::Failed, "1 failed"),
        (State::Running, "1 running"),
        (State::Waiting, "1 waiting"),
        (State::Baseline, "1 baseline"),
        // really modified: that stops runs
        (State::AppliedWithErrors, "1 modified"),
    ] {
        w.row("1").state = state;
        assert!(shown(&w)[0].starts_with(word), "{state:?}");
    }
    w.touch("1");
    assert!(shown(&w)[0].starts_with("1 applied_with_errors"));
    w.files.clear();
    w.row("1").state = State::Baseline;
    assert_eq!(shown(&w), ["1 baseline"], "a baseline needs no file");
}

#[test]
fn the_head_that_counts_for_lateness_may_have_failed() {
    let mut w = world("1 2 3");
    w.says("up 1", "+1");
    w.fail("3", Direction::Up, 1);
    assert_eq!(shown(&w)[1], "2 out_of_order (below the head \"3\")");
}

#[test]
fn a_baseline_file_is_shown_while_it_will_run_or_has_run() {
    let mut w = world("1 B1 2 B2 3");
    assert_eq!(
        shown(&w),
        [
            "1 pending (becomes a baseline with \"B2\")",
            "B2 pending",
            "2 pending (becomes a baseline with \"B2\")",
            "3 pending",
        ]
    );
    w.clone().says("up 1", "+B2[1 2]");
    let mut used = w.clone();
    used.says("up", "+B2[1 2] +3");
    assert_eq!(
        shown(&used),
        ["1 baseline", "B2 applied", "2 baseline", "3 applied"]
    );
    w.says("up to 1", "+B1[1]");
    assert_eq!(
        shown(&w),
        ["B1 applied", "1 baseline", "2 pending", "3 pending"]
    );
    w.applied = vec![row("1", 1)];
    assert_eq!(shown(&w), ["1 applied", "2 pending", "3 pending"]);
}

#[test]
fn notes_say_where_a_row_comes_from_and_what_is_odd() {
    let mut w = world("1 2 3d 4");
    w.says("up 2", "+1 +2");
    w.row("1").source = Source::Adopt;
    w.file("1").key.name = "tariffs".to_owned();
    w.file("2").down = Some(text("better", ""));
    w.file("4").up_error = Some("syntax error".to_owned());
    assert_eq!(
        shown(&w),
        [
            "1 applied (did not run here: adopt; ran as \"n1\")",
            "2 applied (a down would run as it was, not as registered)",
            "3 pending (no up text)",
            "4 pending (up does not parse: syntax error)",
        ]
    );
    let rows = states(&w.files, &w.applied);
    assert_eq!(rows[0].key.name, "tariffs");
    assert_eq!(rows[0].applied, Some(&w.applied[0]));
    assert_eq!(rows[0].file.map(|f| &f.key), Some(rows[0].key));
}

#[test]
fn has_down_says_whether_one_could_run() {
    let mut w = world("1 2u 3u 4 5u");
    w.says("up 4", "+1 +2 +3 +4");
    w.file("2").down = Some(text("came later", ""));
    w.file("4").down = None;
    let downs: Vec<bool> = states(&w.files, &w.applied)
        .iter()
        .map(|r| r.has_down)
        .collect();
    assert_eq!(downs, [true, true, false, true, false]);
    w.files.clear();
    let downs: Vec<bool> = states(&w.files, &w.applied)
        .iter()
        .map(|r| r.has_down)
        .collect();
    assert_eq!(downs, [true, false, false, true]);
}

#[test]
fn repeatables_are_pending_when_a_run_would_run_them() {
    let mut w = world("1 R__a R__b R__c R__d");
    w.says("up", "+1 +R__a +R__b +R__c +R__d");
    w.touch("R__a");
    w.prune("R__b");
    w.row("R__c").state = State::AppliedWithErrors;
    w.fail("R__d", Direction::Up, 2);
    assert_eq!(
        shown(&w)[1..],
        [
            "R__a cosmetic",
            "R__b missing_file (no longer in the set)",
            "R__c applied_with_errors (statements failed)",
            "R__d failed (\"R__d\": up stopped after statement 2)",
        ]
    );
    w.row("R__d").state = State::Applied;
    w.says("down", "-1");
    let note = "repeatable_pending (what it was built upon has been reverted)";
    assert_eq!(shown(&w)[1], format!("R__a {note}"));
    w.says("up", "+1 +R__a +R__c +R__d");
    assert_eq!(shown(&w)[1], "R__a applied");
}
