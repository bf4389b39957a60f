use super::*;
use crate::migration::ask::Mode;
use crate::migration::set::samples::{World, key, world};

/// The set of golang-migrate's own tests (migrate_test.go): 3 has no down, 5 no up.
const GOLANG: &str = "1 3u 4 5d 7";

/// Applies calls one after another; each with what it does and the head after it.
fn story(w: &mut World, calls: &[(&str, &str, &str)]) {
    for (words, steps, head) in calls {
        w.says(words, steps);
        assert_eq!(w.head(), *head, "{words}");
    }
}

#[test]
fn goto_reaches_each_version_as_golang_migrate_does() {
    let mut w = world(GOLANG);
    story(
        &mut w,
        &[
            ("goto 1", "+1", "1"),
            ("goto 3", "+3", "3"),
            ("goto 4", "+4", "4"),
            ("goto 5", "+5()", "5"),
            ("goto 7", "+7", "7"),
            ("goto 7", "", "7"),
            ("goto 5", "-7", "5"),
            ("goto 4", "-5", "4"),
            ("goto 3", "-4", "3"),
            ("goto 7", "+4 +5() +7", "7"),
        ],
    );
    for unknown in ["0", "2", "6", "8"] {
        let e = w.refuses(&format!("goto {unknown}"));
        assert_eq!(e.kind, Kind::UndefinedObject);
        assert_eq!(e.message, format!("version \"{unknown}\" does not exist"));
    }
    // golang-migrate goes down from 3 in silence
    assert_eq!(w.refuses("goto 1").kind, Kind::NoData);
}

#[test]
fn steps_reach_each_version_as_golang_migrate_does() {
    let mut w = world(GOLANG);
    story(
        &mut w,
        &[
            ("up 0", "", "-"),
            ("down", "", "-"),
            ("up 1", "+1", "1"),
            ("up 1", "+3", "3"),
            ("up 1", "+4", "4"),
            ("up 1", "+5()", "5"),
            ("up 1", "+7", "7"),
            ("up 1", "", "7"),
            ("down 1", "-7", "5"),
            ("down", "-5", "4"),
            ("down 0", "", "4"),
            ("down", "-4", "3"),
            ("down skip", "-3()", "1"),
            ("down", "-1", "-"),
            ("up 4", "+1 +3 +4 +5()", "5"),
            ("up 2", "+7", "7"),
            ("down 4 skip", "-7 -5 -4 -3()", "1"),
            ("down 2", "-1", "-"),
        ],
    );
}

#[test]
fn targets_and_tags_end_a_run() {
    let mut w = world("1 3 4 7");
    w.tags.insert("v1".to_owned(), Version::parse("4"));
    w.tags.insert("empty".to_owned(), None);
    story(
        &mut w,
        &[
            ("up to none", "", "-"),
            ("up to 0003", "+1 +3", "3"),
            ("up to 1", "", "3"),
            ("up to @empty", "", "3"),
            ("up to @v1", "+4", "4"),
            ("up", "+7", "7"),
            ("up", "", "7"),
            ("down to @v1", "-7", "4"),
            ("down to 4", "", "4"),
            // not applied yet: there is nothing above it to take back
            ("down to 7", "", "4"),
            ("down to none", "-4 -3 -1", "-"),
            ("down to 3", "", "-"),
            ("goto @v1", "+1 +3 +4", "4"),
            ("goto none", "-4 -3 -1", "-"),
            ("up", "+1 +3 +4 +7", "7"),
            ("down all", "-7 -4 -3 -1", "-"),
        ],
    );
    let e = w.refuses("goto @nope");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::UndefinedObject, "tag \"nope\" does not exist")
    );
    assert_eq!(w.refuses("up to 5").kind, Kind::UndefinedObject);
    assert_eq!(w.refuses("down to 5").kind, Kind::UndefinedObject);
}

#[test]
fn what_is_applied_may_be_a_target_without_its_file() {
    let mut w = world("1 3 4");
    w.says("up", "+1 +3 +4");
    w.prune("3");
    w.files.retain(|f| f.key != key("4"));
    w.says("up to 4", "");
    w.says("goto 3", "-4");
    w.says("up to 3", "");
    w.says("down", "-3");
    // gone and not applied: no longer a version of this set
    let e = w.refuses("up to 3");
    assert_eq!(e.kind, Kind::UndefinedObject);
    assert!(e.detail.is_some_and(|d| d.contains("no longer in the set")));
    w.says("up", "");
}

#[test]
fn versions_are_numbers_with_dots() {
    let mut w = world("1.10 1.9 20170412214116 9 10 1.9.1");
    w.says("up", "+1.9 +1.9.1 +1.10 +9 +10 +20170412214116");
    w.says("down 3", "-20170412214116 -10 -9");
}

#[test]
fn a_late_lower_version_stops_runs_unless_told_otherwise() {
    let mut w = world("1 5 7");
    w.says("up", "+1 +5 +7");
    w.add("3 4 9");
    let e = w.refuses("up");
    assert_eq!(e.kind, Kind::NotInState);
    assert_eq!(
        e.message,
        "2 pending versions are out of order: \"3\", \"4\""
    );
    assert_eq!(
        e.detail.as_deref(),
        Some("\"3\" (n3) lies below the head \"7\".\n\"4\" (n4) lies below the head \"7\".")
    );
    let hint = |e: crate::error::Error| e.hint.unwrap();
    assert_eq!(
        hint(e),
        "SELECT * FROM strata.migrate_up(out_of_order => 'allow')"
    );
    assert_eq!(
        hint(w.refuses("up 1")),
        "SELECT * FROM strata.migrate_up(steps => 1, out_of_order => 'allow')"
    );
    assert_eq!(
        hint(w.refuses("goto 9")),
        "SELECT * FROM strata.migrate_goto(target => '9', out_of_order => 'allow')"
    );
    // no step, or none that comes near them
    w.says("up 0", "");
    w.says("up to 1", "");
    // its own down is never run while it is not applied
    let mut ignoring = w.clone();
    ignoring.says("up ignore", "+9");
    ignoring.says("down all", "-9 -7 -5 -1");
    // downs follow the order of application
    w.says("up 2 allow", "+3 +4");
    w.says("up", "+9");
    w.says("down 4", "-9 -4 -3 -7");
    w.says("up allow", "+3 +4 +7 +9");
}

#[test]
fn goto_judges_lateness_after_its_downs() {
    let mut w = world("1 3 5 7");
    w.says("up", "+1 +3 +5 +7");
    w.add("4");
    let mut to_4 = w.clone();
    to_4.says("goto 4", "-7 -5 +4");
    assert_eq!(
        w.refuses("goto 5").message,
        "1 pending version is out of order: \"4\""
    );
    w.clone().says("goto 5 ignore", "-7");
    w.clone().says("goto 5 allow", "-7 +4");
    // 4 was never applied, so its down does not run (golang-migrate#179)
    w.says("goto 3", "-7 -5");
    w.says("up", "+4 +5 +7");
}

#[test]
fn files_that_may_come_late_are_not_out_of_order() {
    let mut w = world("1 5");
    w.says("up", "+1 +5");
    w.add("3~ 4~");
    w.clone().says("up ignore", "+3 +4");
    w.says("up", "+3 +4");
    w.add("2");
    assert_eq!(
        w.refuses("up").message,
        "1 pending version is out of order: \"2\""
    );
}

#[test]
fn a_changed_text_stops_runs_and_a_cosmetic_change_is_recorded() {
    let mut w = world("1 2 3 4");
    w.says("up to 3", "+1 +2 +3");
    w.touch("1");
    let plan = w.plan("up").unwrap();
    let (ran, registered) = (w.row("1").up.unwrap(), w.file("1").up.unwrap());
    let cosmetic = Cosmetic {
        key: key("1"),
        ran,
        registered,
    };
    assert_eq!(plan.cosmetic, [cosmetic]);
    w.row("1").state = State::Baseline;
    assert!(
        w.plan("up").unwrap().cosmetic.is_empty(),
        "it did not run here"
    );
    w.edit("2");
    w.edit("3");
    for words in ["up", "up 0", "goto 4", "goto 2"] {
        assert_eq!(w.refuses(words).kind, Kind::NotInState, "{words}");
    }
    let e = w.refuses("up");
    assert_eq!(
        e.message,
        "2 applied versions were changed after they ran: \"2\", \"3\""
    );
    assert_eq!(
        e.hint.as_deref(),
        Some("SELECT * FROM strata.migrate_repair(reason => 'why')")
    );
    // what is taken back by its own text is not in the way
    let e = w.refuses("redo");
    assert_eq!(
        e.message,
        "1 applied version was changed after it ran: \"2\""
    );
    assert_eq!(
        e.hint.as_deref(),
        Some("SELECT * FROM strata.migrate_repair(version => '2', reason => 'why')")
    );
    w.clone().says("goto 1", "-3 -2");
    // a rollback does not depend on what the files say now
    w.clone().says("down", "-3");
    w.clone().says("redo 2", "-3 -2 +2 +3");
}

#[test]
fn what_a_row_is_to_keep_comes_with_the_step() {
    let w = world("1 2d");
    let plan = w.plan("up").unwrap();
    let (one, two) = (&w.files[0], &w.files[1]);
    assert_eq!(plan.steps[0].up, one.up);
    assert_eq!(plan.steps[0].down_sha, one.down.map(|t| t.sha));
    assert_eq!(plan.steps[0].run, Run::Text(one.up.unwrap().sha));
    assert_eq!((plan.steps[1].run, plan.steps[1].up), (Run::NoUp, None));
    assert_eq!(plan.steps[1].down_sha, two.down.map(|t| t.sha));
    assert!(plan.cosmetic.is_empty());
}

#[test]
fn files_that_left_the_set_are_not_applied() {
    let mut w = world("1 2- 3");
    w.says("up", "+1 +3");
    w.prune("1");
    w.says("up", "");
    w.says("down 2", "-3 -1");
    w.says("up", "+3");
}

#[test]
fn a_baseline_file_runs_on_an_empty_database_only() {
    let mut w = world("1 2 B2 3 4 B4 5");
    w.clone().says("up", "+B4[1 2 3 4] +5");
    w.clone().says("up 1", "+B4[1 2 3 4]");
    w.clone().says("up to 3", "+B2[1 2] +3");
    w.clone().says("goto 2", "+B2[1 2]");
    w.clone().says("up to 1", "+1");
    w.says("up to 1", "+1");
    w.says("up", "+2 +3 +4 +5");
    w.says("down all", "-5 -4 -3 -2 -1");
    w.says("up", "+B4[1 2 3 4] +5");
    assert_eq!(w.row("3").state, State::Baseline);
    assert_eq!(w.row("B4").state, State::Applied);
    assert_eq!(
        (w.head().as_str(), w.refuses("down 0 all").kind),
        ("5", Kind::InvalidParameter)
    );
    w.says("up", "");
    w.add("2.5");
    assert_eq!(
        w.refuses("up").message,
        "1 pending version is out of order: \"2.5\""
    );
}

#[test]
fn hints_name_procedure_tenant_and_namespace() {
    let mut w = world("1 5u");
    w.says("up", "+1 +5");
    w.add("3");
    w.mode = Mode::Call;
    w.tenant = Some("o'hara");
    w.namespace = "crm";
    assert_eq!(
        w.refuses("up").hint.as_deref(),
        Some(
            "CALL strata.migrate_deploy(out_of_order => 'allow', tenant => 'o''hara', namespace => 'crm')"
        )
    );
    assert_eq!(
        w.refuses("down to 1").hint.as_deref(),
        Some(
            "CALL strata.migrate_revert(target => '1', missing_down => 'skip', tenant => 'o''hara', \
             namespace => 'crm')"
        )
    );
}

#[test]
fn arguments_that_do_not_go_together_are_refused() {
    let w = world("1 2");
    for (words, message) in [
        ("up 1 to 2", "steps and target cannot be given together"),
        ("down 2 to 1", "steps and target cannot be given together"),
        (
            "down 2 all",
            "steps and all_versions cannot be given together",
        ),
        (
            "down all to 1",
            "target and all_versions cannot be given together",
        ),
        ("up -1", "steps must not be negative, but is -1"),
        ("down -3", "steps must not be negative, but is -3"),
        ("redo -1", "steps must not be negative, but is -1"),
    ] {
        let e = w.refuses(words);
        assert_eq!(
            (e.kind, e.message.as_str()),
            (Kind::InvalidParameter, message),
            "{words}"
        );
    }
}
