use super::TokenKind::*;
use super::*;
use proptest::prelude::*;

pub(super) fn read(text: &str, strings: Strings) -> Vec<(TokenKind, &str)> {
    let tokens = Tokens::new(text, strings).filter(|t| t.kind != Blank);
    tokens.map(|t| (t.kind, t.of(text))).collect()
}

/// Each `(kind, text)` after the other is what the text reads as, blanks left out.
pub(super) fn check(text: &str, wanted: &[(TokenKind, &str)]) {
    assert_eq!(read(text, Strings::Standard), wanted, "{text}");
}

#[test]
fn words_take_digits_dollars_and_letters_beyond_ascii() {
    check(
        "a$b$ _x1 größe ЖЁ a\u{a0}b",
        &[
            (Word, "a$b$"),
            (Word, "_x1"),
            (Word, "größe"),
            (Word, "ЖЁ"),
            (Word, "a\u{a0}b"),
        ],
    );
}

#[test]
fn all_blanks_are_one_token() {
    let text = " \t\r\n\x0b\x0c a";
    let first = Tokens::new(text, Strings::Standard).next();
    assert_eq!(first.map(|t| (t.kind, t.end)), Some((Blank, 7)));
}

#[test]
fn line_comments_end_before_lf_and_cr() {
    check("--a;'\nb", &[(LineComment, "--a;'"), (Word, "b")]);
    check("--a\r\nb", &[(LineComment, "--a"), (Word, "b")]);
    check("--a\rb", &[(LineComment, "--a"), (Word, "b")]);
    check("-- a", &[(LineComment, "-- a")]);
}

#[test]
fn block_comments_nest() {
    check(
        "/*a/*b*/;'*/c",
        &[(BlockComment, "/*a/*b*/;'*/"), (Word, "c")],
    );
    check("/**/x", &[(BlockComment, "/**/"), (Word, "x")]);
    check("/***/x", &[(BlockComment, "/***/"), (Word, "x")]);
    check(
        "/*/*/**/*/*/x",
        &[(BlockComment, "/*/*/**/*/*/"), (Word, "x")],
    );
    check("/*//**/ */x", &[(BlockComment, "/*//**/ */"), (Word, "x")]);
    check(
        "a /* /* */",
        &[(Word, "a"), (Unterminated(Open::Comment), "/* /* */")],
    );
}

#[test]
fn comments_end_operators() {
    check(
        "a+--b\n*/*c*/-",
        &[
            (Word, "a"),
            (Operator, "+"),
            (LineComment, "--b"),
            (Operator, "*"),
            (BlockComment, "/*c*/"),
            (Operator, "-"),
        ],
    );
    check(
        "a/b*/-c",
        &[
            (Word, "a"),
            (Operator, "/"),
            (Word, "b"),
            (Operator, "*/"),
            (Operator, "-"),
            (Word, "c"),
        ],
    );
    check("@@/*c*/", &[(Operator, "@@"), (BlockComment, "/*c*/")]);
    check("@---x", &[(Operator, "@"), (LineComment, "---x")]);
}

#[test]
fn signs_at_the_end_of_an_operator_stand_alone() {
    check("=-1", &[(Operator, "="), (Operator, "-"), (Number, "1")]);
    check(
        "<=+-",
        &[(Operator, "<="), (Operator, "+"), (Operator, "-")],
    );
    check("- -1", &[(Operator, "-"), (Operator, "-"), (Number, "1")]);
    check("+-+", &[(Operator, "+"), (Operator, "-"), (Operator, "+")]);
    check("@-", &[(Operator, "@-")]);
    check("+-@", &[(Operator, "+-@")]);
    check("->>", &[(Operator, "->>")]);
    check(
        "*<>=-+",
        &[(Operator, "*<>="), (Operator, "-"), (Operator, "+")],
    );
}

#[test]
fn numbers_and_parameters() {
    for number in [
        "1",
        "12.5",
        "1.",
        ".5",
        "1e5",
        "1.5E-10",
        "1e+5",
        "0x1F",
        "1_000",
        "1_000.000_1",
        "1a",
        "1e5x",
    ] {
        check(number, &[(Number, number)]);
    }
    check(
        "1..10",
        &[(Number, "1"), (Punctuation, ".."), (Number, "10")],
    );
    check("1.5.2", &[(Number, "1.5"), (Number, ".2")]);
    check("1-2", &[(Number, "1"), (Operator, "-"), (Number, "2")]);
    check("1e-x", &[(Number, "1e-"), (Word, "x")]);
    check(
        "$1 $12+$1",
        &[
            (Parameter, "$1"),
            (Parameter, "$12"),
            (Operator, "+"),
            (Parameter, "$1"),
        ],
    );
}

#[test]
fn the_rest() {
    check(
        "a.b::c:=d[1:n];\\x{}",
        &[
            (Word, "a"),
            (Punctuation, "."),
            (Word, "b"),
            (Punctuation, "::"),
            (Word, "c"),
            (Punctuation, ":="),
            (Word, "d"),
            (Punctuation, "["),
            (Number, "1"),
            (Colon, ":"),
            (Word, "n"),
            (Punctuation, "]"),
            (Semicolon, ";"),
            (Backslash, "\\"),
            (Word, "x"),
            (Punctuation, "{"),
            (Punctuation, "}"),
        ],
    );
    check(":::a", &[(Punctuation, "::"), (Colon, ":"), (Word, "a")]);
}

#[test]
fn what_is_not_ended_tells_where_it_began() {
    for (text, open) in [
        ("'a''", Open::String),
        ("E'a\\'", Open::String),
        ("E'a\\", Open::String),
        ("U&'", Open::String),
        ("N'", Open::String),
        ("b'01", Open::BitString),
        ("X'", Open::HexString),
        ("\"a\"\"", Open::Name),
        ("u&\"", Open::Name),
        ("$x$ $", Open::DollarString),
        ("/* ;", Open::Comment),
    ] {
        let text = format!("a {text}");
        let last = Tokens::new(&text, Strings::Standard).last();
        let wanted = Token {
            kind: Unterminated(open),
            start: 2,
            end: text.len(),
        };
        assert_eq!(last, Some(wanted), "{text}");
    }
    let words = [Open::Comment, Open::Name, Open::DollarString].map(|o| o.to_string());
    assert_eq!(
        words,
        ["/* comment", "quoted identifier", "dollar-quoted string"]
    );
}

#[test]
fn the_first_code_is_behind_blanks_and_comments() {
    let text = "a; -- b\n/* c */ \r\n d ; -- e";
    assert_eq!(first_code(text, 2..20), text.find('d').unwrap());
    assert_eq!(first_code(text, 0..2), 0);
    assert_eq!(first_code(text, 22..text.len()), text.len());
    assert_eq!(first_code("\\x", 0..2), 0);
    assert_eq!(first_code("  'a", 0..4), 2);
}

#[test]
fn long_texts_need_time_in_proportion() {
    // each of these was quadratic in some lexer
    for unit in [
        "+-", "$a", "/*", "'a' ", "E'", "-", "$a$b", "\"\"", "(", "a.", "''",
    ] {
        let text = unit.repeat(200_000);
        let last = Tokens::new(&text, Strings::Standard).last();
        assert_eq!(last.map(|t| t.end), Some(text.len()), "{unit}");
    }
}

/// What makes trouble, in any order.
pub(in super::super) fn troublesome() -> impl Strategy<Value = std::string::String> {
    let parts = prop::sample::select(vec![
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        "$",
        "--",
        "-",
        "/*",
        "*/",
        "\\",
        "E'",
        "U&'",
        "b'",
        "n'",
        "a",
        "ä",
        "1",
        ".",
        "e",
        ";",
        ":",
        ":a",
        "(",
        ")",
        " ",
        "\n",
        "\r\n",
        "\r",
        "+",
        "@",
        "copy t from stdin;",
        "\\.",
        "\n\\.\n",
        "begin atomic",
        "end",
        "create function f()",
        "set standard_conforming_strings = off;",
        "\\echo x\n",
    ]);
    prop::collection::vec(parts, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn tokens_cover_the_text(text in troublesome(), escaped: bool) {
        let strings = if escaped { Strings::Escaped } else { Strings::Standard };
        let mut at = 0;
        for token in Tokens::new(&text, strings) {
            prop_assert_eq!(token.start, at);
            prop_assert!(token.end > at && text.is_char_boundary(token.end));
            at = token.end;
        }
        prop_assert_eq!(at, text.len());
    }

    /// A token reads the same when nothing stands before it, so a text can be read from any token on.
    #[test]
    fn tokens_depend_on_nothing_before_them(text in troublesome()) {
        let all: Vec<Token> = Tokens::new(&text, Strings::Standard).collect();
        let mut tokens = Tokens::new(&text, Strings::Standard);
        for (n, token) in all.iter().enumerate() {
            // but for the parts of a string, and signs that are cut off an operator
            let may_go_on = matches!(token.kind, Continuation | Unterminated(_));
            if may_go_on && token.of(&text).starts_with('\'') || token.kind == Operator {
                continue;
            }
            tokens.seek(token.start);
            let again: Vec<Token> = tokens.clone().take(1).collect();
            prop_assert_eq!(again.first(), all.get(n));
        }
    }
}
