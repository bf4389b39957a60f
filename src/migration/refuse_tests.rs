use super::*;
use crate::migration::set::samples::{file, key, row, world};

#[test]
fn lists_are_short_in_the_message_and_whole_in_the_detail() {
    let keys: Vec<Key> = ["1", "2", "R__a", "4", "5"].map(key).to_vec();
    let refer = |n: usize| keys.iter().take(n).collect::<Vec<&Key>>();
    assert_eq!(message(&refer(1), "is one", "are many"), "1 is one: \"1\"");
    assert_eq!(
        message(&refer(3), "is one", "are many"),
        "3 are many: \"1\", \"2\", \"R__a\""
    );
    assert_eq!(
        message(&refer(5), "is one", "are many"),
        "5 are many: \"1\", \"2\", \"R__a\", ..."
    );
    let mut w = world("1 2 3 4 5");
    w.says("up", "+1 +2 +3 +4 +5");
    for label in ["1", "2", "3", "4", "5"] {
        w.edit(label);
    }
    let e = w.refuses("up");
    assert_eq!(
        e.message,
        "5 applied versions were changed after they ran: \"1\", \"2\", \"3\", ..."
    );
    assert_eq!(e.detail.unwrap().lines().count(), 5);
}

#[test]
fn a_worker_at_work_stops_all_runs() {
    let mut w = world("1 2 R__a");
    w.says("up", "+1 +2 +R__a");
    w.row("2").state = State::Running;
    for words in ["up", "up 0", "down", "goto 1", "redo"] {
        let e = w.refuses(words);
        assert_eq!(e.kind, Kind::InUse, "{words}");
        assert_eq!(e.message, "1 version is being run: \"2\"");
        assert_eq!(
            e.hint.as_deref(),
            Some("SELECT * FROM strata.migrate_status()")
        );
    }
    // more than a failure that is there as well
    w.fail("1", Direction::Up, 1);
    assert_eq!(w.refuses("up").kind, Kind::InUse);
    w.mode = Mode::Call;
    assert_eq!(w.refuses("up").kind, Kind::InUse);
}

#[test]
fn two_files_of_one_version_stop_all_runs() {
    let mut w = world("1 2");
    let mut other = file("2");
    other.key.name = "other".to_owned();
    w.files.push(other);
    let e = w.refuses("up 0");
    assert_eq!(
        (e.kind, e.message.as_str()),
        (Kind::DuplicateObject, "two files claim \"2\"")
    );
    assert_eq!(
        e.detail.as_deref(),
        Some("\"2\" (n2) and \"2\" (other) cannot both be.")
    );
    w.prune("2");
    w.says("up", "+1 +2");
    assert_eq!(w.row("1").key.name, "n1");
}

#[test]
fn several_failures_are_listed_and_the_first_is_helped() {
    let mut w = world("1 2 3 R__a");
    w.says("up", "+1 +2 +3 +R__a");
    w.fail("R__a", Direction::Up, 1);
    w.fail("3", Direction::Down, 2);
    let e = w.refuses("up");
    assert_eq!(e.message, "2 versions have failed: \"3\", \"R__a\"");
    assert_eq!(
        e.detail.as_deref(),
        Some(
            "\"3\" (n3): down stopped after statement 2.\n\"R__a\": up stopped after statement 1."
        )
    );
    assert_eq!(e.hint.as_deref(), Some("CALL strata.migrate_revert()"));
    // none is passed over because the other one could go on
    w.mode = Mode::Call;
    assert_eq!(w.refuses("up").message, "1 version has failed: \"3\"");
    assert_eq!(w.refuses("down").message, "1 version has failed: \"R__a\"");
    // a down without text cannot go on
    w.applied.retain(|r| r.key.label() != "R__a");
    w.row("3").down_sha = None;
    let hint = "SELECT * FROM strata.migrate_repair(version => '3', reason => 'why')";
    assert_eq!(w.refuses("down").hint.as_deref(), Some(hint));
}

#[test]
fn a_failed_repeatable_without_its_file_can_be_repaired() {
    let mut w = world("1");
    w.applied = vec![row("1", 1)];
    w.fail("R__gone", Direction::Up, 1);
    let hint = "SELECT * FROM strata.migrate_repair(reason => 'why')";
    assert_eq!(w.refuses("up").hint.as_deref(), Some(hint));
}

#[test]
fn texts_of_errors_follow_the_rules() {
    let mut w = world("1 2u 3");
    w.says("up", "+1 +2 +3");
    let mut late = w.clone();
    late.add("2.5");
    let mut changed = w.clone();
    changed.edit("3");
    let mut failed = w.clone();
    failed.fail("3", Direction::Up, 1);
    let mut unread = w.clone();
    unread.add("4");
    unread.file("4").up_error = Some("syntax error".to_owned());
    for e in [
        late.refuses("up"),
        changed.refuses("up"),
        failed.refuses("up"),
        unread.refuses("up"),
        w.refuses("down 2"),
        w.refuses("up to 9"),
        w.refuses("up to @x"),
    ] {
        let first = e.message.chars().next().unwrap();
        assert!(
            !first.is_uppercase() && !e.message.ends_with('.'),
            "{}",
            e.message
        );
        assert!(e.message.contains('"'), "names it: {}", e.message);
        let hint = e.hint.unwrap_or_else(|| "SELECT ()".to_owned());
        let command = hint.starts_with("SELECT ") || hint.starts_with("CALL ");
        assert!(command && hint.ends_with(')'), "{hint}");
    }
}
