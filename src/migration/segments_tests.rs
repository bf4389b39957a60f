use super::super::lexer::tests::troublesome;
use super::*;
use proptest::prelude::*;

/// A segment in short: `S` SQL, `s` SQL with escapes in strings, `D` data, `C` and `c` a command between and in
/// statements.
fn short<'a>(text: &'a str, segment: &Segment<'a>) -> (char, &'a str) {
    let all = &text[segment.range.clone()];
    match &segment.kind {
        SegmentKind::Sql { strings, .. } => match strings {
            Strings::Standard => ('S', all),
            Strings::Escaped => ('s', all),
        },
        SegmentKind::Copy { data } => ('D', &text[data.clone()]),
        SegmentKind::Command { place, .. } => match place {
            Place::BetweenStatements => ('C', all),
            Place::InStatement => ('c', all),
        },
    }
}

fn pieces(text: &str, piece_bytes: usize) -> Vec<(char, &str)> {
    let all = cut(text, piece_bytes).expect(text);
    all.iter().map(|s| short(text, s)).collect()
}

fn whole(text: &str) -> Vec<(char, &str)> {
    pieces(text, PIECE_BYTES)
}

#[test]
fn sql_is_one_segment() {
    let text = "-- a\nBEGIN;\nSELECT ';\\';\nEND;\n";
    assert_eq!(whole(text), [('S', text)]);
    assert_eq!(whole("SELECT 1"), [('S', "SELECT 1")]);
    assert_eq!(whole(" -- only this"), [('S', " -- only this")]);
    assert_eq!(whole(""), []);
}

#[test]
fn a_byte_order_mark_is_left_out_and_counted() {
    let text = "\u{feff}SELECT 1;";
    assert_eq!(whole(text), [('S', "SELECT 1;")]);
    assert_eq!(cut(text, 1).expect(text)[0].range, 3..12);
    assert_eq!(whole("\u{feff}"), []);
    assert_eq!(whole("\u{feff}\\x"), [('C', "\\x")]);
}

#[test]
fn copy_data_begin_on_the_next_line() {
    assert_eq!(
        whole("COPY t FROM stdin;\n1\t;'\n\\N\t$$\n\\.\nSELECT 1;\n"),
        [
            ('S', "COPY t FROM stdin;\n"),
            ('D', "1\t;'\n\\N\t$$\n"),
            ('S', "SELECT 1;\n"),
        ]
    );
    assert_eq!(
        whole("COPY t FROM stdin;  -- x; \t/* y */ \r\n1\r\n\\.\r\nSELECT 1"),
        [
            ('S', "COPY t FROM stdin;  -- x; \t/* y */ \r\n"),
            ('D', "1\r\n"),
            ('S', "SELECT 1"),
        ]
    );
    let text = "SELECT 0; COPY t FROM stdin;\n\\.\nCOPY u FROM stdin;\n\n2\n\\.\n";
    assert_eq!(
        whole(text),
        [
            ('S', "SELECT 0; COPY t FROM stdin;\n"),
            ('D', ""),
            ('S', "COPY u FROM stdin;\n"),
            ('D', "\n2\n"),
        ]
    );
    assert_eq!(cut(text, PIECE_BYTES).expect(text)[1].range, 29..32);
}

#[test]
fn copy_data_end_with_the_text_at_last() {
    for (text, data) in [
        ("COPY t FROM stdin;\n1\n2\n", "1\n2\n"),
        ("COPY t FROM stdin;\n1\n2", "1\n2"),
        ("COPY t FROM stdin; /* x */\n1", "1"),
        ("COPY t FROM stdin;\n1\n\\.", "1\n"),
        ("COPY t FROM stdin;\n1\n\\.\r", "1\n"),
        ("COPY t FROM stdin;\n", ""),
        ("COPY t FROM stdin;", ""),
        ("COPY t FROM stdin; -- x", ""),
        ("COPY t FROM stdin", ""),
        ("COPY t FROM stdin /* x */\n", ""),
    ] {
        let found = whole(text);
        assert_eq!(found.len(), 2, "{text}");
        assert_eq!(found[1], ('D', data), "{text}");
    }
}

#[test]
fn only_a_line_of_its_own_ends_copy_data() {
    let rows = "\\\\.\na\\.\n\\. \n\\..\n \\.\n\\.x\n\\.\\.\n.\n\\\n";
    let filler = "x\n".repeat(40);
    for data in [
        rows.to_owned(),
        format!("{rows}{filler}{rows}{filler}"),
        filler,
    ] {
        for before in 0..40 {
            let data = format!("{}\n{data}", "y".repeat(before));
            let text = format!("COPY t FROM stdin;\n{data}\\.\nSELECT 1;");
            let wanted = [('D', data.as_str()), ('S', "SELECT 1;")];
            assert_eq!(whole(&text)[1..], wanted);
        }
    }
}

#[test]
fn text_behind_copy_from_stdin_is_refused_with_its_line() {
    for rest in [
        "SELECT 1;",
        ";",
        "\\echo x",
        "-- x\rSELECT 1;",
        "/* x\n*/",
        "'a'",
    ] {
        let text = format!("\u{feff}SELECT 1;\r\n\nCOPY t FROM\nstdin; {rest}\n1\n\\.\n");
        let mut segments = Segments::new(&text, Strings::Standard, PIECE_BYTES);
        let error = segments.next().expect("one").expect_err(rest);
        assert_eq!(error.kind, Kind::NotSupported, "{rest}");
        assert_eq!(
            error.message, "text behind COPY FROM STDIN on line 4 is not supported",
            "{rest}"
        );
        assert_eq!(segments.next(), None);
    }
}

#[test]
fn a_backslash_begins_a_command_to_the_end_of_its_line() {
    let text = "\\restrict abc\nSELECT 1;\n  \\echo 'a;b' -- x\r\nSELECT 2;\\unrestrict abc";
    assert_eq!(
        whole(text),
        [
            ('C', "\\restrict abc\n"),
            ('S', "SELECT 1;\n  "),
            ('C', "\\echo 'a;b' -- x\r\n"),
            ('S', "SELECT 2;"),
            ('C', "\\unrestrict abc"),
        ]
    );
    let all = cut(text, PIECE_BYTES).expect(text);
    let named = all.iter().filter_map(|s| match s.kind {
        SegmentKind::Command {
            name, arguments, ..
        } => Some((name, arguments)),
        _ => None,
    });
    let wanted = [
        ("restrict", "abc"),
        ("echo", "'a;b' -- x"),
        ("unrestrict", "abc"),
    ];
    assert_eq!(named.collect::<Vec<_>>(), wanted);
}

#[test]
fn a_command_may_stand_in_a_statement() {
    assert_eq!(
        whole("SELECT 1 \\gexec\nSELECT 2\n\\g x\n;"),
        [
            ('S', "SELECT 1 "),
            ('c', "\\gexec\n"),
            ('S', "SELECT 2\n"),
            ('c', "\\g x\n"),
            ('S', ";"),
        ]
    );
    // comments are no statement; what was open stays so
    assert_eq!(whole("-- x\n/* y */ \\x\n")[1], ('C', "\\x\n"));
    let text = "SELECT (1;\n\\x\n2); \\y\n";
    assert_eq!(
        pieces(text, 0)[1..],
        [('c', "\\x\n"), ('S', "2);"), ('S', " "), ('C', "\\y\n")]
    );
    assert_eq!(
        whole("SELECT 1\\; SELECT 2;\n")[1],
        ('c', "\\; SELECT 2;\n")
    );
}

#[test]
fn names_of_commands() {
    let named = |text| match cut(text, 1).expect(text).pop().map(|s| s.kind) {
        Some(SegmentKind::Command {
            name, arguments, ..
        }) => (name, arguments),
        other => panic!("{other:?}"),
    };
    assert_eq!(named("\\.\n"), (".", ""));
    assert_eq!(named("\\"), ("", ""));
    assert_eq!(named("\\ x"), ("", "x"));
    assert_eq!(named("\\!rm -rf /"), ("!rm", "-rf /"));
    assert_eq!(named("\\x\\y z "), ("x", "\\y z"));
    assert_eq!(named("\\set größe\t'ä' \r\n"), ("set", "größe\t'ä'"));
}

#[test]
fn backslashes_in_quotes_are_no_commands() {
    let text = "SELECT '\\a', \"\\b\", $$\\c$$, E'\\'\\d' /* \\e */; -- \\f\n";
    assert_eq!(whole(text), [('S', text)]);
}

#[test]
fn strings_change_with_their_setting() {
    let text = "SELECT '\\'; SET standard_conforming_strings = off; SELECT '\\';';\n\
                SET standard_conforming_strings TO on; SELECT '\\'";
    assert_eq!(
        whole(text),
        [
            ('S', "SELECT '\\'; SET standard_conforming_strings = off;"),
            (
                's',
                " SELECT '\\';';\nSET standard_conforming_strings TO on;"
            ),
            ('S', " SELECT '\\'"),
        ]
    );
    let text = "SELECT '\\''; RESET ALL; SELECT '\\''";
    let from_escaped = Segments::new(text, Strings::Escaped, 1 << 20).map(|s| s.map(|s| s.range));
    assert_eq!(
        from_escaped.collect::<Result<Vec<_>>>(),
        Ok(vec![0..23, 23..text.len()])
    );
}

#[test]
fn what_is_not_ended_is_part_of_the_sql() {
    let text = "SELECT 1;\nSELECT 'a\\.\n";
    let all = cut(text, 1).expect(text);
    let kind = |unterminated| SegmentKind::Sql {
        strings: Strings::Standard,
        unterminated,
    };
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].kind, kind(None));
    assert_eq!(all[1].kind, kind(Some((Open::String, 17))));
}

#[test]
fn pieces_are_cut_behind_statements() {
    let text = "SELECT 1;SELECT 2;SELECT 3; -- x\n";
    let lengths = |n| {
        pieces(text, n)
            .iter()
            .map(|p| p.1.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(lengths(0), [9, 9, 9, 6]);
    assert_eq!(lengths(9), [9, 9, 9, 6]);
    assert_eq!(lengths(10), [18, 15]);
    assert_eq!(lengths(27), [27, 6]);
    assert_eq!(lengths(28), [33]);
}

#[test]
fn pieces_have_a_length_that_does_not_grow_with_the_text() {
    let statement = "INSERT INTO t VALUES (1, 'x;''y'); ";
    let text = statement.repeat(5 * PIECE_BYTES / statement.len());
    let all = cut(&text, PIECE_BYTES).expect("segments");
    assert_eq!(all.len(), 5);
    assert!(
        all.iter()
            .all(|s| s.range.len() < PIECE_BYTES + statement.len())
    );
}

/// What pg_dump 15.14 writes, with rows that look like something else.
const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict Yx3\n\nSET statement_timeout = 0;\n\
    SET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
    CREATE FUNCTION public.f() RETURNS text\n    LANGUAGE sql\n    BEGIN ATOMIC\n SELECT\n        CASE\n            \
    WHEN true THEN 'a;b'::text\n            ELSE NULL::text\n        END AS \"case\";\nEND;\n\n\
    COPY public.t (id, note) FROM stdin;\n1\tBEGIN; COMMIT;\n2\t$$ it's \"\n3\ta\\tb\\nc\n4\t\\N\n5\t\\\\.\n\\\\.\t6\n\\.\n\n\n\
    COPY public.empty (id) FROM stdin;\n\\.\n\nINSERT INTO public.u VALUES ('\\.\n');\n\\unrestrict Yx3\n\n";

#[test]
fn a_dump_is_cut_as_psql_does() {
    let found = whole(DUMP);
    let kinds: String = found.iter().map(|p| p.0).collect();
    assert_eq!(kinds, "SCSSDSDSCS");
    let rows = "1\tBEGIN; COMMIT;\n2\t$$ it's \"\n3\ta\\tb\\nc\n4\t\\N\n5\t\\\\.\n\\\\.\t6\n";
    assert_eq!(found[4].1, rows);
    assert!(found[3].1.ends_with("FROM stdin;\n"));
    assert!(found[7].1.contains("'\\.\n'"));
    let crlf = DUMP.replace('\n', "\r\n");
    let kinds: String = whole(&crlf).iter().map(|p| p.0).collect();
    assert_eq!(kinds, "SCSSDSDSCS");
}

/// Statements, with what may stand between them.
fn script() -> impl Strategy<Value = Vec<String>> {
    let statement = prop::sample::select(vec![
        "SELECT ';';",
        "BEGIN;",
        "END;",
        ";",
        "INSERT INTO t VALUES (E'\\';', $a$;$$;$a$);",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; END;",
        "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b;);",
        "DO $$BEGIN END;$$;",
        "COPY (SELECT 1) TO STDOUT;",
        "SELECT 'a'\n'b;';",
        "SELECT \"a;\", U&'\\003b;';",
    ]);
    let blank = prop::sample::select(vec![
        "",
        " ",
        "\n",
        "\r\n",
        "-- ;\n",
        "/* ; /* */ ; */",
        "\t",
    ]);
    prop::collection::vec(
        (blank, statement).prop_map(|(b, s)| format!("{b}{s}")),
        0..12,
    )
}

proptest! {
    #[test]
    fn pieces_of_any_length_hold_the_same_statements(script in script(), piece_bytes in 0..200_usize) {
        let text = script.concat();
        let single: Vec<&str> = script.iter().map(String::as_str).collect();
        let each: Vec<&str> = pieces(&text, 0).into_iter().map(|p| p.1).collect();
        prop_assert_eq!(&each, &single);
        let mut statements = Vec::new();
        for (_, piece) in pieces(&text, piece_bytes) {
            statements.extend(pieces(piece, 0).into_iter().map(|p| p.1));
        }
        prop_assert_eq!(&statements, &single);
    }

    /// Also of a text that nobody understands.
    #[test]
    fn segments_cover_the_text(text in troublesome(), piece_bytes in 0..40_usize) {
        let mut at = 0;
        for segment in Segments::new(&text, Strings::Standard, piece_bytes) {
            let Ok(segment) = segment else { return Ok(()) };
            prop_assert_eq!(segment.range.start, at);
            let may_be_empty = matches!(segment.kind, SegmentKind::Copy { .. });
            prop_assert!(segment.range.end > at || may_be_empty);
            at = segment.range.end;
        }
        prop_assert_eq!(at, text.len());
    }

    #[test]
    fn longer_pieces_are_made_of_shorter_ones(text in troublesome(), piece_bytes in 1..40_usize) {
        let ends = |n| Segments::new(&text, Strings::Standard, n)
            .map(|s| s.map(|s| (s.range.end, matches!(s.kind, SegmentKind::Sql { .. }))).unwrap_or_default())
            .collect::<Vec<_>>();
        let short = ends(0);
        prop_assert!(ends(piece_bytes).iter().all(|end| short.contains(end)));
    }
}
