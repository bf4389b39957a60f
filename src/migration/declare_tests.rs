use super::*;
use crate::error::Kind;
use crate::migration::set::samples::{World, key, row, text, v, world};

/// `+3` counts as applied, `=3` as a baseline, `-3` goes, `~3` is repaired.
fn show(changes: &[Change]) -> String {
    let signs = changes.iter().map(|c| {
        let sign = match c.what {
            What::Applied => "+",
            What::Baseline => "=",
            What::Reverted => "-",
            What::TextAccepted | What::FailureCleared | What::ErrorsAccepted => "~",
        };
        format!("{sign}{}", c.key.label())
    });
    signs.collect::<Vec<_>>().join(" ")
}

fn forced(w: &mut World, version: Option<&str>) -> String {
    let version = version.map(v);
    let changes = force(&w.files, &w.applied, version.as_ref(), &w.context()).unwrap();
    w.change(&changes);
    show(&changes)
}

fn baselined(w: &mut World, version: &str) -> String {
    let changes = baseline(&w.files, &w.applied, &v(version), &w.context()).unwrap();
    w.change(&changes);
    show(&changes)
}

fn repaired(w: &mut World, version: Option<&str>) -> Vec<(String, &'static str)> {
    let version = version.map(v);
    let changes = repair(&w.files, &w.applied, version.as_ref(), &w.context()).unwrap();
    w.change(&changes);
    changes
        .iter()
        .map(|c| (c.key.label(), c.what.word()))
        .collect()
}

#[test]
fn force_sets_the_head_and_runs_nothing() {
    let mut w = world("1 2 3 4 5- R__a");
    assert_eq!(forced(&mut w, Some("3")), "+1 +2 +3");
    assert_eq!(w.standing(), "1 2 3");
    assert_eq!(w.row("2").source, Source::Force);
    assert_eq!(w.kept("2"), w.registered("2"));
    assert_eq!(forced(&mut w, Some("3")), "", "again changes nothing");
    assert_eq!(forced(&mut w, Some("1")), "-3 -2");
    assert_eq!(forced(&mut w, Some("4")), "+2 +3 +4");
    w.says("up", "+R__a");
    assert_eq!(forced(&mut w, None), "-4 -3 -2 -1 -R__a");
    assert_eq!(w.standing(), "");
    w.says("up", "+1 +2 +3 +4 +R__a");
    assert_eq!(forced(&mut w, Some("2")), "-4 -3");
    w.says("down", "-2");
}

#[test]
fn force_needs_a_version_that_is_known() {
    let mut w = world("1 2 5-");
    for unknown in ["3", "5", "0"] {
        let e = force(&w.files, &w.applied, Some(&v(unknown)), &w.context()).unwrap_err();
        assert_eq!(e.kind, Kind::UndefinedObject, "{unknown}");
    }
    // applied, its file gone
    w.applied = vec![row("5", 1)];
    assert_eq!(forced(&mut w, Some("5")), "+1 +2");
    assert_eq!(w.row("5").source, Source::Run);
}

#[test]
fn force_clears_what_failed() {
    let mut w = world("1 2 3 R__a");
    w.says("up", "+1 +2 +3 +R__a");
    w.fail("2", Direction::Up, 4);
    w.fail("3", Direction::Down, 1);
    w.fail("R__a", Direction::Up, 1);
    assert_eq!(forced(&mut w.clone(), Some("1")), "-3 -2 ~R__a");
    w.prune("3");
    assert_eq!(forced(&mut w, Some("3")), "+2 +3 ~R__a");
    assert_eq!(w.standing(), "1 2 3");
    assert_eq!(w.row("2").state, State::Applied);
    w.says("up", "+R__a");
}

#[test]
fn force_leaves_late_versions_no_gap() {
    let mut w = world("1 5");
    w.says("up", "+1 +5");
    w.add("3");
    assert_eq!(w.refuses("up").kind, Kind::NotInState);
    assert_eq!(forced(&mut w, Some("5")), "+3");
    w.says("up", "");
    w.says("down", "-3");
}

#[test]
fn a_worker_at_work_stops_all_three() {
    let mut w = world("1 2");
    w.says("up", "+1 +2");
    w.row("2").state = State::Running;
    let (files, applied) = (w.files.clone(), w.applied.clone());
    let context = w.context();
    let errors = [
        force(&files, &applied, None, &context).unwrap_err().kind,
        baseline(&files, &applied, &v("1"), &context)
            .unwrap_err()
            .kind,
        repair(&files, &applied, None, &context).unwrap_err().kind,
    ];
    assert_eq!(errors, [Kind::InUse; 3]);
}

#[test]
fn a_baseline_counts_everything_up_to_it() {
    let mut w = world("1 2 3 4");
    w.says("up 1", "+1");
    assert_eq!(baselined(&mut w, "3"), "=2 =3");
    assert_eq!(baselined(&mut w, "3"), "");
    assert_eq!(w.row("2").state, State::Baseline);
    assert_eq!(w.row("1").state, State::Applied, "it did run");
    assert_eq!(w.head(), "3");
    w.says("up", "+4");
    w.says("down", "-4");
    // what comes late is not passed over in silence
    w.add("2.5");
    assert_eq!(w.refuses("up").kind, Kind::NotInState);
    assert_eq!(baselined(&mut w, "3"), "=2.5");
    // below the head: nothing above it goes
    w.says("up", "+4");
    assert_eq!(baselined(&mut w, "1"), "");
    assert_eq!(w.head(), "4");
}

#[test]
fn a_baseline_needs_no_file_when_all_files_lie_above_it() {
    let mut w = world("39 40");
    assert_eq!(baselined(&mut w, "38"), "=B38");
    assert_eq!(w.row_named(&mark("38")).state, State::Baseline);
    assert_eq!(baselined(&mut w, "38"), "");
    assert_eq!(w.head(), "38");
    w.says("up", "+39 +40");
    w.says("down to 38", "-40 -39");
    let mut w = world("1 40");
    let e = baseline(&w.files, &w.applied, &v("38"), &w.context()).unwrap_err();
    assert_eq!(e.kind, Kind::UndefinedObject);
    assert_eq!(baselined(&mut w, "0"), "=B0");
    // a baseline file that is there is not run any more
    let mut w = world("B3 4");
    assert_eq!(baselined(&mut w, "3"), "=B3");
    assert_eq!(w.row("B3").key, key("B3"));
    w.says("up", "+4");
}

fn mark(version: &str) -> Key {
    Key {
        kind: FileKind::Baseline,
        version: Some(v(version)),
        name: String::new(),
    }
}

#[test]
fn a_baseline_settles_what_failed() {
    let mut w = world("1 2 3");
    w.says("up 1", "+1");
    w.fail("2", Direction::Up, 3);
    assert_eq!(baselined(&mut w, "2"), "=2");
    w.says("up", "+3");
}

#[test]
fn force_makes_baselines_revertible_when_it_begins_anew() {
    let mut w = world("1 2");
    assert_eq!(baselined(&mut w, "2"), "=1 =2");
    assert_eq!(forced(&mut w, Some("2")), "", "a baseline stays one");
    assert_eq!(w.refuses("down").kind, Kind::NotInState);
    // the two commands of the hint
    assert_eq!(forced(&mut w, None), "-2 -1");
    assert_eq!(forced(&mut w, Some("2")), "+1 +2");
    w.says("down", "-2");
}

#[test]
fn repair_accepts_texts() {
    let mut w = world("1 2 3 4 5");
    w.says("up", "+1 +2 +3 +4 +5");
    w.edit("2");
    w.touch("3");
    w.file("4").down = Some(text("better", ""));
    w.prune("5");
    let one = repaired(&mut w.clone(), Some("2"));
    assert_eq!(one, [("2".to_owned(), "text accepted")]);
    let all = repaired(&mut w, None);
    let labels: Vec<&str> = all.iter().map(|(l, _)| l.as_str()).collect();
    assert_eq!(labels, ["2", "3", "4"]);
    assert_eq!(repaired(&mut w, None), []);
    assert_eq!(w.kept("2"), w.registered("2"));
    assert_eq!(w.row("2").source, Source::Run);
    assert_eq!(w.kept("4"), w.registered("4"));
    assert!(w.plan("up").unwrap().cosmetic.is_empty());
    // without a registered down the kept one stays
    let kept = w.row("1").down_sha;
    w.edit("1");
    w.file("1").down = None;
    repaired(&mut w, None);
    assert_eq!(w.row("1").down_sha, kept);
}

#[test]
fn repair_clears_failures_and_errors() {
    let mut w = world("1 2 3 4 R__a R__b");
    w.says("up", "+1 +2 +3 +4 +R__a +R__b");
    w.fail("2", Direction::Up, 4);
    w.fail("3", Direction::Down, 1);
    w.fail("R__a", Direction::Up, 1);
    w.row("4").state = State::AppliedWithErrors;
    w.edit("4");
    w.edit("R__b");
    let own = |l: &str, what: &'static str| (l.to_owned(), what);
    assert_eq!(
        repaired(&mut w, None),
        [
            own("2", "failure cleared"),
            own("3", "failure cleared"),
            own("4", "text accepted"),
            own("4", "errors accepted"),
            own("R__a", "failure cleared"),
        ]
    );
    assert_eq!(w.standing(), "1 3 4 R__b");
    assert_eq!(
        (w.row("4").state, w.row("4").up),
        (State::Applied, w.file("4").up)
    );
    w.says("up allow", "+2 +R__a +R__b");
    // and the half reverted one is reverted from the beginning
    w.says("goto 2", "-4 -3");
}

#[test]
fn repair_needs_a_version_that_is_known() {
    let mut w = world("1 2");
    w.says("up 1", "+1");
    let e = repair(&w.files, &w.applied, Some(&v("7")), &w.context()).unwrap_err();
    assert_eq!(e.kind, Kind::UndefinedObject);
    assert_eq!(repaired(&mut w, Some("1")), []);
    assert_eq!(repaired(&mut w, Some("2")), []);
    // adopted without a text: there is nothing it could differ from
    w.row("1").up = None;
    w.row("1").down_sha = None;
    w.row("1").source = Source::Adopt;
    assert_eq!(repaired(&mut w, None), []);
}
