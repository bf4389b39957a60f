use super::*;
use proptest::prelude::*;

/// A stand-in for the lexer: plain strings, `$$` bodies, and both kinds of comment, without nesting.
fn regions(text: &str) -> Vec<Region> {
    let mut all = vec![Region::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let (open, close, region) = match rest {
            [b'-', b'-', ..] => (2, "\n", Region::LineComment),
            [b'/', b'*', ..] => (2, "*/", Region::BlockComment),
            [b'\'', ..] => (1, "'", Region::Quoted),
            [b'$', b'$', ..] => (2, "$$", Region::Quoted),
            _ => {
                at += 1;
                continue;
            }
        };
        let body = &text.as_bytes()[at + open..];
        let found = body
            .windows(close.len())
            .position(|w| w == close.as_bytes());
        let end = found.map_or(text.len(), |n| at + open + n + close.len());
        all[at..end].fill(region);
        at = end;
    }
    all
}

fn find_in(text: &str, style: Style) -> Result<Sections> {
    let regions = regions(text);
    Sections::find(text, style, |at| regions[at])
}

/// Up and down text.
fn cut(text: &str, style: Style) -> (&str, Option<&str>) {
    let s = find_in(text, style).expect(text);
    let down = s.down.as_ref().map(|d| &text[d.range.clone()]);
    (&text[s.up.range.clone()], down)
}

fn auto(text: &str) -> (&str, Option<&str>) {
    cut(text, Style::Auto)
}

fn error(text: &str) -> String {
    let e = find_in(text, Style::Auto).expect_err(text);
    assert_eq!(e.kind, Kind::InvalidParameter);
    e.message
}

#[test]
fn a_text_without_marks_is_all_up() {
    for text in [
        "",
        "SELECT 1;\n-- a comment\n",
        "-- see migrate:up\nSELECT 1;",
    ] {
        for style in Style::ALL {
            assert_eq!(find_in(text, style), Ok(Sections::whole(text)));
            assert_eq!(cut(text, style), (text, None));
        }
    }
    assert_eq!(Sections::whole("x").direction(), Direction::Up);
}

#[test]
fn each_tool_has_its_marks() {
    for (up, down, tool) in [
        ("-- migrate:up", "-- migrate:down", Tool::Dbmate),
        ("-- +goose Up", "-- +goose Down", Tool::Goose),
        ("-- +migrate Up", "-- +migrate Down", Tool::SqlMigrate),
    ] {
        let text = format!("-- head\n\n{up}\nA;\nB;\n{down}\nC;\n");
        let s = find_in(&text, Style::Auto).expect(&text);
        assert_eq!((s.tool, s.direction()), (Some(tool), Direction::Both));
        assert_eq!(auto(&text), ("A;\nB;\n", Some("C;\n")));
        assert_eq!(&text[s.head.clone()], "-- head\n\n");
        assert_eq!(
            (s.up.first_line, s.down.map(|d| d.first_line)),
            (4, Some(7))
        );
        // up only
        let text = format!("{up}\nA;");
        assert_eq!(auto(&text), ("A;", None));
        // ends with the mark
        assert_eq!(auto(&format!("{up}\n{down}")), ("", Some("")));
    }
    let tern = "A;\n---- create above / drop below ----\nB;\n";
    assert_eq!(auto(tern), ("A;\n", Some("B;\n")));
    assert_eq!(
        find_in(tern, Style::Auto).expect(tern).tool,
        Some(Tool::Tern)
    );
}

#[test]
fn line_ends_and_byte_order_marks_do_no_harm() {
    let text = "\u{feff}-- migrate:up\r\nA;\r\n-- migrate:down\r\nB;\r\n";
    assert_eq!(auto(text), ("A;\r\n", Some("B;\r\n")));
    let s = find_in(text, Style::Auto).expect(text);
    assert_eq!(
        (s.up.first_line, s.down.map(|d| d.first_line)),
        (2, Some(4))
    );
}

#[test]
fn bounds_of_statements_are_ignored() {
    let text = "-- +goose Up\n-- +goose StatementBegin\nA;\n-- +goose StatementEnd\n-- +goose Down\n\
                -- +goose StatementBegin\nB;\n-- +goose StatementEnd\n";
    let (up, down) = auto(text);
    assert_eq!(up, "-- +goose StatementBegin\nA;\n-- +goose StatementEnd\n");
    assert_eq!(
        down,
        Some("-- +goose StatementBegin\nB;\n-- +goose StatementEnd\n")
    );
}

#[test]
fn marks_in_quotes_bodies_and_block_comments_are_text() {
    for text in [
        "-- migrate:up\nSELECT '\n-- migrate:down\n';\n",
        "-- migrate:up\nDO $$\n-- migrate:down\n$$;\n",
        "-- migrate:up\n/*\n-- migrate:down\n*/\n",
        "-- migrate:up\nSELECT 1; -- migrate:down\n",
        "-- migrate:up\nSELECT 1; -- x\n'\n-- +goose Dwon'",
    ] {
        let (up, down) = auto(text);
        assert_eq!(
            (up, down),
            (&text["-- migrate:up\n".len()..], None),
            "{text}"
        );
    }
}

#[test]
fn only_marks_of_the_style_count() {
    let text = "-- migrate:up\nA;\n-- migrate:down\nB;\n";
    assert_eq!(cut(text, Style::Dbmate), ("A;\n", Some("B;\n")));
    for style in [
        Style::Goose,
        Style::Tern,
        Style::SqlMigrate,
        Style::Sqlx,
        Style::Flyway,
    ] {
        assert_eq!(cut(text, style), (text, None), "{style}");
    }
    let foreign = "-- +goose Up\n-- +goose NO TRANSACTION\n-- +goose Dwon\n-- +goose ENVSUB ON\nA;";
    assert_eq!(
        find_in(foreign, Style::Dbmate),
        Ok(Sections::whole(foreign))
    );
}

#[test]
fn the_wrong_order_is_refused() {
    assert_eq!(
        error("A;\n-- migrate:down\nB;\n-- migrate:up\n"),
        "\"-- migrate:down\" in line 2 comes before \"-- migrate:up\""
    );
    assert!(error("-- +goose Down\nB;").contains("line 1 comes before"));
    assert!(error("-- +migrate Down\nB;\n-- +migrate Up\nA;").contains("line 1 comes before"));
}

#[test]
fn doubled_marks_are_refused() {
    assert_eq!(
        error("-- migrate:up\nA;\n-- migrate:down\nB;\n-- migrate:up\n"),
        "\"-- migrate:up\" in line 5 was given before, in line 1"
    );
    assert_eq!(
        error("-- +goose Up\n-- +goose Down\n-- +goose Down\n"),
        "\"-- +goose Down\" in line 3 was given before, in line 2"
    );
    let tern = "---- create above / drop below ----\n";
    assert!(error(&format!("{tern}{tern}")).contains("line 2 was given before, in line 1"));
}

#[test]
fn marks_of_two_tools_are_refused() {
    assert_eq!(
        error("-- migrate:up\nA;\n-- +goose Down\nB;"),
        "\"-- +goose Down\" in line 3 is of another tool than \"-- migrate:up\" in line 1"
    );
    assert!(
        error("---- create above / drop below ----\n-- migrate:up").contains("of another tool")
    );
}

#[test]
fn what_looks_like_a_mark_is_never_passed_over() {
    assert_eq!(
        error("-- migrate:up\nA;\n  -- migrate:down\nB;"),
        "\"-- migrate:down\" in line 3 must begin its line"
    );
    for before in ["  ", "A; ", "-- x ", "A;"] {
        let text = format!("A;\n{before}---- create above / drop below ----\nB;");
        assert!(
            error(&text).ends_with("in line 2 must begin its line"),
            "{text}"
        );
        assert!(find_in(&text, Style::Tern).is_err() && find_in(&text, Style::Goose).is_ok());
    }
    let quoted = "SELECT ' ---- create above / drop below ----';";
    assert_eq!(auto(quoted), (quoted, None));
    assert_eq!(
        error("-- +goose Up\nA;\n-- +goose Dwon\nB;"),
        "\"-- +goose Dwon\" in line 3 is not known"
    );
    assert_eq!(
        error("-- migrate:up\nA;\n-- migrate:dwon\nB;"),
        "\"-- migrate:dwon\" in line 3 is not known"
    );
    assert!(find_in("-- migrate:dwon\nB;", Style::Dbmate).is_err());
    // prose, as long as nothing says that dbmate is meant
    let prose = "-- migrate:rows of all users\nA;";
    assert_eq!(auto(prose), (prose, None));
    let other = "-- migrate:up\n-- +goose Dwon\nA;";
    assert_eq!(auto(other).0, "-- +goose Dwon\nA;");
}

#[test]
fn text_before_the_first_mark_is_refused() {
    assert_eq!(
        error("-- a\nSET x = 1;\n-- migrate:up\nA;"),
        "line 2 stands before \"-- migrate:up\" in line 3"
    );
    assert!(error("'x'\n-- +migrate Up\n").starts_with("line 1 stands"));
    assert!(error("/* a */ B;\n\n-- +goose Up\n").starts_with("line 1 stands"));
    let text = "\u{feff}\n/* a\nb */\n  -- c\n\n-- +goose Up\nA;";
    assert_eq!(auto(text), ("A;", None));
}

#[test]
fn no_transaction_belongs_to_file_or_section() {
    let by = |text: &str| {
        let s = find_in(text, Style::Auto).expect(text);
        (s.up.no_transaction, s.down.and_then(|d| d.no_transaction))
    };
    let dbmate = Some(NoTransaction::Dbmate);
    assert_eq!(
        by("-- migrate:up transaction:false\n-- migrate:down"),
        (dbmate, None)
    );
    assert_eq!(
        by("-- migrate:up\n-- migrate:down transaction:false"),
        (None, dbmate)
    );
    let goose = Some(NoTransaction::Goose);
    assert_eq!(
        by("-- +goose Up\nA;\n-- +goose Down\nB;\n-- +goose NO TRANSACTION"),
        (goose, goose)
    );
    assert_eq!(by("A;\n-- +goose NO TRANSACTION\n"), (goose, None));
    assert_eq!(by("SELECT '\n-- +goose NO TRANSACTION\n'"), (None, None));
    let tern = Some(NoTransaction::Tern);
    let mark = "---- create above / drop below ----";
    assert_eq!(
        by(&format!("A;\n{mark}\n---- tern: disable-tx ----\nB;")),
        (None, tern)
    );
    assert_eq!(
        by(&format!("---- tern: disable-tx ----\nA;\n{mark}\nB;")),
        (tern, None)
    );
    assert_eq!(
        by("-- migrate:up\n-- +goose NO TRANSACTION\nA;"),
        (None, None)
    );
    assert_eq!(
        by("-- +migrate Up notransaction\nA;"),
        (Some(NoTransaction::SqlMigrate), None)
    );
}

#[test]
fn the_clients_environment_is_not_to_be_had() {
    let e = find_in("-- +goose Up\n-- +goose ENVSUB ON\nA;", Style::Auto).expect_err("refused");
    assert_eq!(e.kind, Kind::NotSupported);
    assert_eq!(
        e.message,
        "\"-- +goose ENVSUB ON\" in line 2 is not supported"
    );
}

#[test]
fn templates_are_found_outside_of_quotes_and_comments() {
    let line = |text: &str| {
        let regions = regions(text);
        template_line(text, |at| regions[at])
    };
    assert_eq!(line("SELECT 1;\r\n\r\nCREATE TABLE {{.name}} ();"), Some(3));
    assert_eq!(line("\u{feff}{{ template \"shared.sql\" . }}"), Some(1));
    assert_eq!(line("SELECT \"{{.name}}\";"), Some(1));
    assert_eq!(line("SELECT '{{1,2},{3,4}}'::int[];\n{{x}}"), Some(2));
    for fine in [
        "",
        "SELECT '{{1,2},{3,4}}'::int[][];",
        "-- {{ x }}\nSELECT 1;",
        "/* {{ */",
        "DO $$ BEGIN PERFORM '{{'; END $$;",
        "SELECT { {",
    ] {
        assert_eq!(line(fine), None, "{fine}");
    }
    let text = "A;\n{{x}}";
    let e = refuse_template(text, |_| Region::Code).expect_err(text);
    assert_eq!(e.kind, Kind::NotSupported);
    assert_eq!(
        e.message,
        "text template in line 2 is not supported: \"{{\""
    );
    assert_eq!(refuse_template(text, |_| Region::Quoted), Ok(()));
}

#[test]
fn lines_have_numbers_and_ends() {
    let all = |text| {
        let parts = |l: Line<'_>| (l.number, l.start, l.text.len(), l.next);
        lines(text).map(parts).collect::<Vec<_>>()
    };
    assert_eq!(
        all("a\nb\r\n\r\nc"),
        [(1, 0, 1, 2), (2, 2, 1, 5), (3, 5, 0, 7), (4, 7, 1, 8)]
    );
    assert_eq!(all("\u{feff}a\rb\n"), [(1, 3, 1, 5), (1, 5, 1, 7)]);
    assert_eq!(all("\n"), [(1, 0, 0, 1)]);
    assert!(all("").is_empty() && all("\u{feff}").is_empty());
    // as old as that
    assert_eq!(
        auto("-- migrate:up\rA;\r-- migrate:down\rB;"),
        ("A;\r", Some("B;"))
    );
}

const PIECES: &str = "(-- migrate:up\n|-- migrate:down\n|-- \\+goose Up\n|-- \\+goose Down\r\n|\
    -- migrate:up|-- migrate:down\r|'|\\$\\$|/\\*|\\*/|---- create above / drop below ----\n|A;|\n| |\u{e9}|-- x\n){0,12}";

proptest! {
    #[test]
    fn ranges_are_in_order_and_lines_are_right(text in PIECES) {
        let line_of = |text: &str, at| Lines::of(text, at).line;
        for style in Style::ALL {
            let Ok(s) = find_in(&text, style) else { continue };
            prop_assert_eq!(s.up.first_line, line_of(&text, s.up.range.start));
            prop_assert!(s.head.end <= s.up.range.start && text.get(s.up.range.clone()).is_some());
            let Some(down) = s.down else {
                prop_assert_eq!(s.up.range.end, text.len());
                continue;
            };
            prop_assert_eq!(down.first_line, line_of(&text, down.range.start));
            prop_assert!(s.up.range.end < down.range.start);
            prop_assert_eq!(down.range.end, text.len());
            // only the mark lies between
            let between = &text[s.up.range.end..down.range.start];
            prop_assert_eq!(lines(between).count(), 1);
        }
    }

    #[test]
    fn a_down_is_never_a_part_of_the_up(text in PIECES) {
        let regions = regions(&text);
        if let Ok(s) = find_in(&text, Style::Auto) {
            let up = &text[s.up.range.clone()];
            for (at, _) in up.match_indices("-- migrate:down") {
                let starts_line = at == 0 || up[..at].ends_with('\n');
                prop_assert!(!starts_line || regions[s.up.range.start + at] != Region::LineComment);
            }
        }
    }
}
