use super::*;

fn read(written: &str) -> Vec<String> {
    arguments(written).expect(written)
}

fn refused(written: &str) -> (Kind, String) {
    let error = arguments(written).expect_err(written);
    (error.kind, error.message)
}

#[test]
fn blanks_part_arguments() {
    assert_eq!(read(""), [""; 0]);
    assert_eq!(read(" a\t b;c  größe "), ["a", "b;c", "größe"]);
    assert_eq!(read("abcDEF123"), ["abcDEF123"]);
}

#[test]
fn single_quotes_hold_blanks_and_escapes() {
    assert_eq!(read("'a b' ''"), ["a b", ""]);
    assert_eq!(read("'it''s'"), ["it's"]);
    assert_eq!(read(r"'a\nb\t\'\\\x\q'"), ["a\nb\t'\\xq"]);
    assert_eq!(read(r"'\101\x42\x4a3\1012'"), ["ABJ3A2"]);
    assert_eq!(read(r"'\303\251\xc3\xa9'"), ["éé"]);
    assert_eq!(read(r"'\ä'"), ["ä"]);
}

#[test]
fn parts_without_blanks_are_one() {
    assert_eq!(read("a'b c'd\"e f\"g"), ["ab cd\"e f\"g"]);
    assert_eq!(read("\"A b\" c"), ["\"A b\"", "c"]);
    assert_eq!(read("'a'':b'"), ["a':b"]);
}

#[test]
fn what_psql_would_run_or_read_otherwise_is_refused() {
    let kinds = ["`date`", "a \\\\ SELECT 1", "a \\echo b", "a\\b"].map(|a| refused(a).0);
    assert_eq!(kinds, [Kind::NotSupported; 4]);
    let kinds = [
        "'a", "\"a", r"'a\'", "'\\", r"'\000'", r"'\400'", r"'\377'", r"'\x0'",
    ];
    for written in kinds {
        assert_eq!(refused(written).0, Kind::InvalidParameter, "{written}");
    }
    assert_eq!(
        refused("x `rm`").1,
        "a program in backquotes in a psql command is not supported"
    );
    // they are characters in quotes
    assert_eq!(read(r"'`a`' 'b\\c'"), ["`a`", "b\\c"]);
}
