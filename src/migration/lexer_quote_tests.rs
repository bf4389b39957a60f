use super::TokenKind::*;
use super::tests::{check, read};
use super::*;

#[test]
fn standard_strings_know_no_backslash() {
    check(r"'a\';", &[(String, r"'a\'"), (Semicolon, ";")]);
    check("'it''s;'';'x", &[(String, "'it''s;'';'"), (Word, "x")]);
    check("''''", &[(String, "''''")]);
    check("'' ''", &[(String, "''"), (String, "''")]);
}

#[test]
fn escape_strings_do() {
    check(
        r"E'a\';' e'\\'",
        &[(EscapeString, r"E'a\';'"), (EscapeString, r"e'\\'")],
    );
    check(r"E'\''''", &[(EscapeString, r"E'\''''")]);
    check("E'\\ä'", &[(EscapeString, "E'\\ä'")]);
    let escaped = |text| read(text, Strings::Escaped);
    assert_eq!(escaped(r"'a\';'"), [(String, r"'a\';'")]);
    assert_eq!(escaped(r"n'a\';'"), [(NationalString, r"n'a\';'")]);
    // these three are the same whatever the setting is
    assert_eq!(escaped(r"U&'\'"), [(UnicodeString, r"U&'\'")]);
    assert_eq!(escaped(r"b'\'"), [(BitString, r"b'\'")]);
    assert_eq!(escaped("$$\\$$"), [(DollarString, "$$\\$$")]);
}

#[test]
fn prefixes_are_single_letters() {
    check("a&'b'", &[(Word, "a"), (Operator, "&"), (String, "'b'")]);
    check("ux'b'", &[(Word, "ux"), (String, "'b'")]);
    check(
        "B'01' x'1F' N'n'",
        &[
            (BitString, "B'01'"),
            (HexString, "x'1F'"),
            (NationalString, "N'n'"),
        ],
    );
    check("ee'\\'", &[(Word, "ee"), (String, "'\\'")]);
    check("e 'a'", &[(Word, "e"), (String, "'a'")]);
    check("_b'0'", &[(Word, "_b"), (String, "'0'")]);
    check("u&1", &[(Word, "u"), (Operator, "&"), (Number, "1")]);
    check("uu&'a'", &[(Word, "uu"), (Operator, "&"), (String, "'a'")]);
    check("U& 'a'", &[(Word, "U"), (Operator, "&"), (String, "'a'")]);
    check(
        r"u&'\0061' U&'\'",
        &[(UnicodeString, r"u&'\0061'"), (UnicodeString, r"U&'\'")],
    );
}

#[test]
fn bit_strings_double_no_quotes() {
    check("B'0''1'", &[(BitString, "B'0'"), (String, "'1'")]);
}

#[test]
fn quoted_names() {
    check(
        r#""a""b;" u&"d\0061" "'" "\" "#,
        &[
            (QuotedName, r#""a""b;""#),
            (UnicodeName, r#"u&"d\0061""#),
            (QuotedName, r#""'""#),
            (QuotedName, r#""\""#),
        ],
    );
    check(
        "a\"b\"c",
        &[(Word, "a"), (QuotedName, "\"b\""), (Word, "c")],
    );
}

#[test]
fn a_string_goes_on_behind_a_line_end_in_its_own_manner() {
    check("'a'\n'b'", &[(String, "'a'"), (Continuation, "'b'")]);
    check(
        "E'a' -- it's\r\n\t'b\\'' 'c'",
        &[
            (EscapeString, "E'a'"),
            (LineComment, "-- it's"),
            (Continuation, "'b\\''"),
            (String, "'c'"),
        ],
    );
    check(
        "E'a'\r'\\''\n'\\''",
        &[
            (EscapeString, "E'a'"),
            (Continuation, "'\\''"),
            (Continuation, "'\\''"),
        ],
    );
    // no line end, or more than blanks and line comments between
    check("E'a' '\\'", &[(EscapeString, "E'a'"), (String, "'\\'")]);
    check(
        "E'a'\n/**/'\\'",
        &[
            (EscapeString, "E'a'"),
            (BlockComment, "/**/"),
            (String, "'\\'"),
        ],
    );
    check(
        "E'a'\n-'\\'",
        &[(EscapeString, "E'a'"), (Operator, "-"), (String, "'\\'")],
    );
    check(
        "E'a'\nE'b'",
        &[(EscapeString, "E'a'"), (EscapeString, "E'b'")],
    );
    check("$$a$$\n'\\'", &[(DollarString, "$$a$$"), (String, "'\\'")]);
    let bits = [(BitString, "B'0'"), (Continuation, r"'1\'")];
    assert_eq!(read("B'0'\n'1\\'", Strings::Escaped), bits);
    let plain = [(String, "'a'"), (Continuation, r"'\''")];
    assert_eq!(read("'a'\n'\\''", Strings::Escaped), plain);
}

#[test]
fn dollar_strings() {
    check("$$a;'$$;", &[(DollarString, "$$a;'$$"), (Semicolon, ";")]);
    check("$a$ $$ $b$ $a$", &[(DollarString, "$a$ $$ $b$ $a$")]);
    check("$ä1_$x$ä1_$", &[(DollarString, "$ä1_$x$ä1_$")]);
    check("$A$ $a$ $A$", &[(DollarString, "$A$ $a$ $A$")]);
    // the end may share its dollar with something that is not the end
    check("$a$x$b$a$", &[(DollarString, "$a$x$b$a$")]);
    check("$a$$$a$", &[(DollarString, "$a$$$a$")]);
    check("$$$$x", &[(DollarString, "$$$$"), (Word, "x")]);
    check("1$$ ; $$", &[(Number, "1"), (DollarString, "$$ ; $$")]);
    check("a$$b$$", &[(Word, "a$$b$$")]);
    check("$a b$", &[(Punctuation, "$"), (Word, "a"), (Word, "b$")]);
    check("$1$$ $$", &[(Parameter, "$1"), (DollarString, "$$ $$")]);
    check("$a$ $A$", &[(Unterminated(Open::DollarString), "$a$ $A$")]);
}
