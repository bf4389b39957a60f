use crate::migration::name::tests::{NUMBERING, auto, line, read};
use crate::migration::name::{Direction, Lateness, parse};
use crate::migration::style::Style;

#[test]
fn flyways_letters() {
    for (filename, wanted) in [
        ("V1__t.sql", "versioned 1 [t] up"),
        ("V1.2__t.sql", "versioned 1.2 [t] up"),
        ("V1_2__t_u.sql", "versioned 1.2 [t_u] up"),
        ("V1_02.0__t.sql", "versioned 1.2 [t] up"),
        ("V1___t.sql", "versioned 1 [_t] up"),
        ("V1__a__b.sql", "versioned 1 [a__b] up"),
        ("V1__t.SQL", "versioned 1 [t] up"),
        ("V1.sql", "versioned 1 [] up"),
        ("V1__.sql", "versioned 1 [] up"),
        (
            "V20180102030405060708090__t.sql",
            "versioned 20180102030405060708090 [t] up",
        ),
        ("U1.2__t.sql", "versioned 1.2 [t] down"),
        ("R__t.sql", "repeatable - [t] up"),
        ("R__my views.sql", "repeatable - [my views] up"),
        ("B3__t.sql", "baseline 3 [t] up"),
        ("beforeMigrate.sql", "before_all - [] up"),
        ("beforeEachMigrate.sql", "before_each - [] up"),
        ("afterEachMigrate.sql", "after_each - [] up"),
        ("afterMigrate__grants.sql", "after_all - [grants] up"),
    ] {
        let wanted = format!("{wanted} flyway");
        assert_eq!(auto(filename), wanted);
        assert_eq!(line(filename, Style::Flyway), wanted);
    }
    assert_eq!(
        line("V1__t.down.sql", Style::Flyway),
        "versioned 1 [t.down] up flyway"
    );
    assert_eq!(parse("V0001.Name.up.sql", Style::Flyway), None);
    assert_eq!(parse("U1__t.verify.sql", Style::Flyway), None);
    for style in NUMBERING.into_iter().chain([Style::Diesel]) {
        assert_eq!(parse("V1__t.sql", style), None, "{style}");
        assert_eq!(parse("R__t.sql", style), None, "{style}");
    }
}

#[test]
fn u_is_forward_and_may_come_late_in_refinery() {
    let late = |f| read(f, Style::Refinery).lateness;
    assert_eq!(
        line("V1__t.sql", Style::Refinery),
        "versioned 1 [t] up refinery"
    );
    assert_eq!(
        line("U1__t_2.sql", Style::Refinery),
        "versioned 1 [t_2] up refinery"
    );
    assert_eq!(late("U1__t.sql"), Lateness::Allowed);
    assert_eq!(late("V1__t.sql"), Lateness::AsAsked);
    assert_eq!(read("U1__t.sql", Style::Auto).direction, Direction::Down);
    for bad in [
        "V1.2__t.sql",
        "V1.0__t.sql",
        "V1__.sql",
        "V1__a-b.sql",
        "V1.sql",
        "R__t.sql",
        "B1__t.sql",
        "V1__t.SQL",
        "V1__t.down.sql",
        "V9223372036854775808__t.sql",
    ] {
        assert_eq!(parse(bad, Style::Refinery), None, "{bad}");
    }
}

#[test]
fn v_names_in_pairs() {
    assert_eq!(auto("V0001.Name.up.sql"), "versioned 1 [Name] up auto");
    assert_eq!(auto("V0001.Name.down.sql"), "versioned 1 [Name] down auto");
    assert_eq!(
        auto("V1.2.My.Name.up.sql"),
        "versioned 1.2 [My.Name] up auto"
    );
    assert_eq!(auto("V1.2fa.up.sql"), "versioned 1 [2fa] up auto");
    assert_eq!(auto("V1__t.down.sql"), "versioned 1 [t] down auto");
    for bad in [
        "V0001.Name.sql",
        "U0001.Name.up.sql",
        "U1__t.down.sql",
        "R__t.down.sql",
        "B1__t.up.sql",
    ] {
        assert_eq!(parse(bad, Style::Auto), None, "{bad}");
    }
}
