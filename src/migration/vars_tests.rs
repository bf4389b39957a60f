use super::super::lexer::tests::troublesome;
use super::*;
use proptest::prelude::*;

fn known() -> Vars {
    let vars = [
        ("n", "7"),
        ("t", "my table"),
        ("s", "it's"),
        ("b", "a\\b'"),
        ("q", "say \"x\""),
        ("empty", ""),
        ("nested", "f(:n, :'s')"),
        ("self", ":self + :other"),
        ("other", ":self"),
        ("größe", "XL"),
        ("1", "one"),
    ];
    vars.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn filled(text: &str) -> String {
    let filled = fill(text, &known(), Syntax::Psql, Strings::Standard);
    filled.expect(text).text.into_owned()
}

fn unchanged(text: &str) {
    let found = fill(text, &known(), Syntax::Psql, Strings::Standard).expect(text);
    assert_eq!(found.text, text);
    assert!(matches!(found.text, Cow::Borrowed(_)), "{text}");
}

fn refused(text: &str, vars: &[(&str, &str)]) -> Error {
    let vars = vars.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    fill(text, &vars.collect(), Syntax::Psql, Strings::Standard).expect_err(text)
}

#[test]
fn the_four_forms() {
    assert_eq!(
        filled("SELECT :n, :'n', :\"n\", :{?n}"),
        "SELECT 7, '7', \"7\", TRUE"
    );
    assert_eq!(filled("SELECT :{?no}"), "SELECT FALSE");
    assert_eq!(filled("(:n)+:n;x:n"), "(7)+7;x7");
    assert_eq!(filled(":größe:größe"), "XLXL");
    assert_eq!(filled("a:empty;b"), "a;b");
    assert_eq!(filled("x->>:'n'"), "x->>'7'");
    assert_eq!(filled(":n$x"), "7$x");
}

#[test]
fn values_are_quoted_rightly() {
    assert_eq!(filled(":'s'"), "'it''s'");
    assert_eq!(filled("x=:'b'"), "x= E'a\\\\b'''");
    assert_eq!(filled(":\"q\" :\"t\""), "\"say \"\"x\"\"\" \"my table\"");
    assert_eq!(filled(":'empty'"), "''");
    assert_eq!(filled(":'nested'"), "'f(:n, :''s'')'");
}

#[test]
fn what_is_no_variable_stays() {
    for text in [
        "SELECT a::n, b:=n, c[1:2], d[x:y], ':n', E'\\':n', \":n\", $$:n$$, $a$ :'n' $a$",
        "-- :n\n/* :n /* :n */ :n */",
        "SELECT :no, :'no', :\"no\", : n, :, :'n, :'n x'",
        "SELECT :{n}, :{?}, :{?n",
        "COPY t FROM stdin;\n:n\t:'n'\n\\.\n",
        "SELECT 1::text;",
        "SELECT 1",
        "",
    ] {
        unchanged(text);
    }
    // names are the same only in the same case
    assert_eq!(filled(":N :n"), ":N 7");
    // psql fills a slice as well if there is such a variable
    assert_eq!(filled("a[1:n] b[1:1] c[:n:2]"), "a[17] b[1one] c[7:2]");
    assert_eq!(filled("a:::n"), "a::7");
}

#[test]
fn text_around_copy_data_is_filled() {
    let text = "COPY :\"t\" FROM stdin;\n:n\n\\.\nSELECT :n;";
    assert_eq!(
        filled(text),
        "COPY \"my table\" FROM stdin;\n:n\n\\.\nSELECT 7;"
    );
}

#[test]
fn strings_are_read_as_the_text_says() {
    let text = "SELECT '\\', :n; SET standard_conforming_strings = off; SELECT '\\', :n';";
    assert_eq!(filled(text), text.replacen(":n", "7", 1));
    let found = fill("'\\', :n'", &known(), Syntax::Psql, Strings::Escaped).expect("text");
    assert_eq!(found.text, "'\\', :n'");
}

#[test]
fn values_hold_variables() {
    assert_eq!(filled(":nested"), "f(7, 'it''s')");
    // as psql, which skips recursive expansion
    assert_eq!(filled(":self"), ":self + :self");
    let deep: Vars = (0..99)
        .map(|n| (format!("v{n}"), format!(":v{}", n + 1)))
        .collect();
    let found = fill(":v70", &deep, Syntax::Psql, Strings::Standard).expect("not too deep");
    assert_eq!(found.text, ":v99");
    let error = fill("\n:v0", &deep, Syntax::Psql, Strings::Standard).expect_err("too deep");
    assert_eq!(error.kind, Kind::LimitExceeded);
    assert_eq!(
        error.message,
        "variables lie in variables more than 32 deep at \"v32\" (line 2)"
    );
}

#[test]
fn a_value_must_not_change_how_the_rest_is_read() {
    for (value, what) in [
        ("'a", "quoted string"),
        ("/* a", "/* comment"),
        ("$$", "dollar-quoted string"),
        ("\"", "quoted identifier"),
    ] {
        let error = refused("SELECT 1;\n\nSELECT :x;", &[("x", value)]);
        assert_eq!(error.kind, Kind::InvalidParameter);
        let wanted = format!("value of variable \"x\" ends in an unterminated {what} (line 3)");
        assert_eq!(error.message, wanted);
        assert!(error.hint.is_some_and(|h| h.contains(":'x'")));
    }
    let values: Vars = [("x".to_owned(), "'a".to_owned())].into();
    let found = fill(":'x' -- :x", &values, Syntax::Psql, Strings::Standard).expect("text");
    assert_eq!(found.text, "'''a' -- :x");
}

#[test]
fn set_and_unset_change_the_variables_behind_them() {
    assert_eq!(
        filled(":n;\n\\set n 8\n:n;\n\\set n 'a b' c:n\n:'n'\n\\unset n\n:n\n\\set n\n<:n>"),
        ":n;\n\\set n 8\n:n;\n\\set n 'a b' c:n\n:'n'\n\\unset n\n:n\n\\set n\n<:n>"
            .replacen(":n;", "7;", 1)
            .replacen(":n;", "8;", 1)
            .replacen("n 'a b' c:n", "'n' 'a b' 'c8'", 1)
            .replacen(":'n'", "'a bc8'", 1)
            .replacen("<:n>", "<>", 1)
    );
    assert_eq!(filled("\\echo n\n:n"), "\\echo n\n7");
    // whoever runs it refuses it
    unchanged("\\echo :n \\\\ SELECT 1\n\\! `:n`\n");
    assert_eq!(
        filled("\\set z :n\nSELECT :z;\\set z 1\n"),
        "\\set 'z' '7'\nSELECT 7;\\set z 1\n"
    );
}

#[test]
fn values_in_commands_stay_one_argument() {
    let vars: Vars = [("x".to_owned(), "it's a\\b\nc".to_owned())].into();
    let text = "\\echo :x a:x':x' \":x\" ':x\\':x' :'x' :y\n:n";
    let found = fill(text, &vars, Syntax::Psql, Strings::Standard).expect(text);
    let line = found.text.lines().next().expect("a line");
    let read = command::arguments(line.strip_prefix("\\echo").expect("echo")).expect(line);
    let wanted = [
        "it's a\\b\nc",
        "ait's a\\b\nc:x",
        "\":x\"",
        ":x':x",
        " E'it''s a\\\\b\nc'",
        ":y",
    ];
    assert_eq!(read, wanted);
}

#[test]
fn errors_in_commands_and_of_the_text_have_a_line() {
    let error = refused("SELECT 1;\n\\set x `date`\n:x", &[]);
    assert_eq!(error.kind, Kind::NotSupported);
    assert_eq!(
        error.message,
        "a program in backquotes in a psql command is not supported (line 2)"
    );
    let error = refused(":x;\nCOPY t FROM stdin; x", &[]);
    assert_eq!(
        error.message,
        "text behind COPY FROM STDIN on line 2 is not supported"
    );
}

#[test]
fn lines_of_errors_are_those_of_the_file() {
    for (text, wanted) in [
        (
            "\n\\set x :y`date`",
            "psql command is not supported (line 11)",
        ),
        ("\n;COPY t FROM stdin; :y", "on line 11 is not supported"),
        ("SELECT\n:x", "quoted string (line 11)"),
    ] {
        let vars: Vars = [("x".to_owned(), "'".to_owned())].into();
        let found = fill_from_line(text, 10, &vars, Syntax::Psql, Strings::Standard);
        let error = found.expect_err(text);
        assert!(error.message.ends_with(wanted), "{}", error.message);
    }
}

#[test]
fn offsets_lead_back_to_the_original() {
    let text = "\u{feff}SELECT :'s', :n,\n:empty x, :no y;";
    let found = fill(text, &known(), Syntax::Psql, Strings::Standard).expect(text);
    assert_eq!(found.text, "\u{feff}SELECT 'it''s', 7,\n x, :no y;");
    for part in ["SELECT", ",\n", " x", ":no", " y", ";"] {
        let (here, there) = (found.text.find(part), text.find(part));
        assert_eq!(here.map(|at| found.original(at)), there, "{part}");
    }
    let value = found.text.find("it''s").expect("a value");
    assert_eq!(
        found.original(value),
        text.find(":'s'").expect("a variable")
    );
    assert_eq!(
        found.original(value + 3),
        text.find(":'s'").expect("a variable")
    );
    assert_eq!(found.original(found.text.len()), text.len());
}

#[test]
fn a_text_that_grows_too_long_is_refused() {
    let mut vars: Vars = (0..30)
        .map(|n| (format!("v{n}"), format!(":v{} :v{}", n + 1, n + 1)))
        .collect();
    vars.insert("v30".to_owned(), "x".repeat(1 << 10));
    let error = fill(":v0", &vars, Syntax::Psql, Strings::Standard).expect_err("too long");
    assert_eq!(error.kind, Kind::LimitExceeded);
    assert!(error.message.contains("1048576 bytes"), "{}", error.message);
}

proptest! {
    /// Without variables nothing changes but `:{?x}`; with them, what is outside of edits stays.
    #[test]
    fn what_is_not_a_variable_stays(text in troublesome()) {
        if let Ok(found) = fill(&text, &Vars::new(), Syntax::Psql, Strings::Standard) {
            prop_assert_eq!(found.text, text.as_str());
        }
        let vars: Vars = [("a".to_owned(), "<value>".to_owned())].into();
        if let Ok(found) = fill(&text, &vars, Syntax::Psql, Strings::Standard) {
            for (at, c) in found.text.char_indices() {
                let original = found.original(at);
                prop_assert!(text.is_char_boundary(original));
                let is_same = text[original..].starts_with([c, ':']);
                // of a command, all arguments are one edit
                prop_assert!(is_same || text.contains('\\'));
            }
            prop_assert_eq!(found.original(found.text.len()), text.len());
        }
    }

    /// A literal and a quoted name read as one token each, however strings are read, and a name has no other quotes.
    #[test]
    fn quoted_values_are_one_token(value in "[a'\"\\\\ \n;é$-]{0,12}") {
        for strings in [Strings::Standard, Strings::Escaped] {
            let text = format!("a{}y", literal(&value));
            let code = Tokens::new(&text, strings).filter(|t| t.is_code()).count();
            prop_assert_eq!(code, 3);
        }
        let name = quoted_name(&value);
        let read = Tokens::new(&name, Strings::Standard).map(|t| t.kind).collect::<Vec<_>>();
        prop_assert_eq!(read, [TokenKind::QuotedName]);
        let read = command::arguments(&argument(&value)).map_err(|e| e.message);
        prop_assert_eq!(read, Ok(vec![value]));
    }
}
