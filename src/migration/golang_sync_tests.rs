use super::*;
use crate::migration::ask::Mirror;
use crate::migration::set::samples::{World, row, world};

fn mirrored(spec: &str) -> World {
    let mut w = world(spec);
    w.mirror = Mirror::OneNumber;
    w
}

fn clean(version: i64) -> Option<GolangRow> {
    Some(GolangRow {
        version,
        dirty: false,
    })
}

fn dirty_at(version: i64) -> Option<GolangRow> {
    Some(GolangRow {
        version,
        dirty: true,
    })
}

/// `+3` became applied, `-3` reverted.
fn synced(w: &mut World, row: Option<GolangRow>) -> String {
    let changes = sync(&w.files, &w.applied, row, &w.context()).unwrap();
    w.change(&changes);
    let signs = changes.iter().map(|c| {
        let sign = if c.row.is_some() { "+" } else { "-" };
        format!("{sign}{}", c.key.label())
    });
    signs.collect::<Vec<_>>().join(" ")
}

#[test]
fn what_golang_migrate_did_is_followed() {
    let mut w = mirrored("1 3 4 7");
    for (row, changes, standing) in [
        (None, "", ""),
        (clean(3), "+1 +3", "1 3"),
        (clean(3), "", "1 3"),
        (clean(7), "+4 +7", "1 3 4 7"),
        (clean(3), "-7 -4", "1 3"),
        (clean(1), "-3", "1"),
        (None, "-1", ""),
        (clean(7), "+1 +3 +4 +7", "1 3 4 7"),
        (clean(-1), "-7 -4 -3 -1", ""),
    ] {
        assert_eq!(synced(&mut w, row), changes, "{row:?}");
        assert_eq!(w.standing(), standing, "{row:?}");
    }
    assert_eq!(synced(&mut w, clean(4)), "+1 +3 +4");
    assert_eq!(w.row("3").source, Source::Mirror);
    assert_eq!(w.kept("3"), w.registered("3"));
    w.says("up", "+7");
    w.says("down 2", "-7 -4");
}

#[test]
fn rows_go_in_the_reverse_of_their_order() {
    let mut w = mirrored("1 3 5");
    w.says("up", "+1 +3 +5");
    w.add("2");
    w.says("up allow", "+2");
    assert_eq!(synced(&mut w, clean(1)), "-2 -5 -3");
}

#[test]
fn a_late_version_is_not_taken_for_applied() {
    let mut w = mirrored("1 5");
    w.says("up", "+1 +5");
    w.add("3 7");
    assert_eq!(synced(&mut w, clean(5)), "");
    // golang-migrate ran 7 and passed over 3
    assert_eq!(synced(&mut w, clean(7)), "+7");
    assert_eq!(
        w.refuses("up").message,
        "1 pending version is out of order: \"3\""
    );
    w.says("up allow", "+3");
}

#[test]
fn a_version_that_has_no_file_is_kept() {
    let mut w = mirrored("1 2");
    w.says("up", "+1 +2");
    assert_eq!(synced(&mut w, clean(6)), "+6");
    assert_eq!(
        (w.head().as_str(), synced(&mut w, clean(6)).as_str()),
        ("6", "")
    );
    w.says("up", "");
    assert_eq!(w.refuses("down").kind, Kind::NoData);
    // it ran without the baseline file of that number, which then must not run
    let mut other = mirrored("B6 7");
    assert_eq!(synced(&mut other, clean(6)), "+6");
    other.says("up", "+7");
    // its file arrives
    w.add("5 6");
    assert_eq!(
        w.refuses("up").message,
        "1 pending version is out of order: \"5\""
    );
    assert_eq!(synced(&mut w, clean(2)), "-6");
}

#[test]
fn a_dirty_row_of_another_stops_the_run() {
    let mut w = mirrored("1 2");
    w.says("up", "+1 +2");
    let refused = |w: &World, version| {
        sync(&w.files, &w.applied, dirty_at(version), &w.context()).unwrap_err()
    };
    for (version, hint) in [(3, "'3'"), (2, "'2'"), (0, "'0'"), (-1, "NULL")] {
        let e = refused(&w, version);
        assert_eq!(
            (e.kind, e.message),
            (
                Kind::NotInState,
                format!("dirty database version {version}")
            )
        );
        let hint = format!("SELECT strata.migrate_force({hint}, 'why')");
        assert_eq!(e.hint, Some(hint));
    }
    // our own failure is another one
    w.fail("2", Direction::Up, 1);
    assert_eq!(refused(&w, 3).message, "dirty database version 3");
}

#[test]
fn our_own_dirty_row_is_left_to_the_plan() {
    let mut w = mirrored("1 2 3");
    w.says("up 2", "+1 +2");
    w.fail("3", Direction::Up, 2);
    let up = dirty_row(
        &w.applied,
        w.files[2].key.version.as_ref().unwrap(),
        Direction::Up,
    );
    assert_eq!(Some(up), dirty_at(3));
    assert_eq!(synced(&mut w, Some(up)), "");
    assert_eq!(w.refuses("up").message, "1 version has failed: \"3\"");
    w.row("3").state = State::Running;
    assert_eq!(synced(&mut w, Some(up)), "");
    // on the way down it is the next lower one, or -1
    w.row("3").state = State::Failed;
    w.row("3").direction = Direction::Down;
    assert_eq!(synced(&mut w, dirty_at(2)), "");
    let late = [row("1", 1), row("5", 2), row("3", 3)];
    let three = &late[2].key;
    let down = dirty_row(&late, three.version.as_ref().unwrap(), Direction::Down);
    assert_eq!(Some(down), dirty_at(1));
    w.applied = vec![row("1", 1)];
    w.fail("1", Direction::Down, 1);
    assert_eq!(synced(&mut w, dirty_at(-1)), "");
}

#[test]
fn a_clean_row_settles_what_failed() {
    let mut w = mirrored("1 2 3");
    w.says("up 2", "+1 +2");
    w.fail("3", Direction::Up, 2);
    let mut back = w.clone();
    assert_eq!(synced(&mut back, clean(2)), "-3");
    back.says("up", "+3");
    assert_eq!(synced(&mut w, clean(3)), "+3");
    assert_eq!(w.standing(), "1 2 3");
    w.says("up", "");
}

#[test]
fn baselines_go_with_the_row() {
    let mut w = mirrored("1 2 B2 3");
    w.says("up", "+B2[1 2] +3");
    assert_eq!(synced(&mut w, clean(2)), "-3");
    assert_eq!(synced(&mut w, None), "-B2 -2 -1");
}
