use super::super::lexer::tests::troublesome;
use super::*;
use proptest::prelude::*;

fn print(text: &str) -> String {
    hex(&fingerprint(text, ""))
}

fn same(a: &str, b: &str) {
    assert_eq!(print(a), print(b), "{a:?} and {b:?}");
}

fn different(a: &str, b: &str) {
    assert_ne!(print(a), print(b), "{a:?} and {b:?}");
}

fn content(text: &str) -> String {
    hex(&content_hash(text))
}

#[test]
fn the_content_hash_is_a_sha256_of_the_text() {
    // sha256sum
    let wanted = "17db4fd369edb9244b9f91d9aeed145c3d04ad8ba6e95d06247f07a63527d11a";
    assert_eq!(content("SELECT 1;"), wanted);
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(content(""), empty);
    assert_eq!(content("\r\n"), empty);
}

#[test]
fn final_line_ends_are_no_content() {
    let text = content("a\n b\nc");
    for same in [
        "a\n b\nc\n",
        "a\n b\nc\r\n\r\n",
        "a\n b\nc\n\n\n",
        // psql drops the LF of the last CRLF
        "a\n b\nc\r",
    ] {
        assert_eq!(content(same), text, "{same:?}");
    }
    for other in [
        "a\n b\nc ",
        "a\nb\nc",
        "a\r b\nc",
        "\na\n b\nc",
        "a\n\r\n b\nc",
        "A\n b\nc",
        "a\n b\n\u{feff}c",
        // within a string, that is what is stored; and one text is kept for all
        "a\r\n b\r\nc",
        "\u{feff}a\n b\nc",
    ] {
        assert_ne!(content(other), text, "{other:?}");
    }
    assert_ne!(content("a\r\r\nb"), content("a\nb"));
}

#[test]
fn long_texts_are_hashed_like_short_ones() {
    // around the sizes at which bytes are handed on
    for length in [
        SHORT_BYTES - 1,
        SHORT_BYTES,
        SHORT_BYTES + 1,
        WAITING_BYTES - 2,
        WAITING_BYTES - 1,
        WAITING_BYTES,
        WAITING_BYTES + 1,
        3 * WAITING_BYTES,
    ] {
        let text = "x\r\n".repeat(length / 3) + &"y".repeat(length % 3 + 1);
        assert_eq!(content(&text), hex(&Sha256::digest(text.as_bytes())));
        let long = format!("SELECT {}, '{}', 1", "N".repeat(length), "z".repeat(length));
        same(&long, &long.replace('N', "n"));
        different(&long, &long.replace("zz'", "zy'"));
        different(&long, &long.replacen("NN", "NM", 1));
    }
}

/// Item 7 of what must hold.
#[test]
fn cosmetic_changes_keep_the_fingerprint() {
    let text = "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (-1, 'x');";
    for cosmetic in [
        "create Table T(A INT,B Text);insert into t values(- 1,'x');",
        "\u{feff}CREATE TABLE t (a int, b text);\r\nINSERT INTO t VALUES (-1, 'x');\r\n",
        "-- it's new\nCREATE TABLE t\n(\n\ta int /* ' */,\n\tb text\n);\n\nINSERT INTO t VALUES (-1, 'x');\n\n\n",
        "CREATE/**/TABLE t (a int, b text); INSERT INTO t VALUES (-1, 'x'); -- done",
    ] {
        same(text, cosmetic);
        assert_ne!(content(text), content(cosmetic));
    }
    same(
        "SELECT e'a', B'1', x'f', u&'a', u&\"b\", n'c'",
        "SELECT E'a', b'1', X'f', U&'a', U&\"b\", N'c'",
    );
    same("SELECT 'a'\n  'b'", "SELECT 'a' -- c\r\n'b'");
    same("a::int[1:2]", "a :: int [ 1 : 2 ]");
    same("a =-1", "a = - 1");
    same("", "-- nothing\n/* at all */\n");
}

#[test]
fn crlf_is_lf_everywhere() {
    for text in [
        "SELECT 'a\nb', \"c\nd\", E'e\\\nf', 'g'\n'h';",
        "DO $$\nBEGIN\nEND\n$$;\n",
        "COPY t FROM stdin;\n1\ta\n\n\\.\nSELECT 1;\n",
        "COPY t FROM stdin;\n1\ta\n",
        "\\restrict a\nSELECT 1;\n\\echo b\n-- c\n\\unrestrict a\n",
    ] {
        same(text, &text.replace('\n', "\r\n"));
    }
}

#[test]
fn what_a_text_does_counts() {
    different("SELECT 'a'", "SELECT 'A'");
    different("SELECT 'a '", "SELECT 'a'");
    different("SELECT 'a\nb'", "SELECT 'a\n\nb'");
    different("SELECT \"a\"", "SELECT \"A\"");
    different("SELECT \"a\"", "SELECT a");
    different("DO $$ x $$", "DO $$ X $$");
    different("DO $$ -- x\n $$", "DO $$ -- y\n $$");
    different("DO $$a$$", "DO $b$a$b$");
    different("SELECT 1", "SELECT 2");
    different("SELECT 1", "SELECT 1.0");
    different("SELECT 1", "SELECT 1;");
    different("SELECT $1", "SELECT $2");
    different("SELECT E'a'", "SELECT 'a'");
    different("SELECT B'1'", "SELECT X'1'");
    different("SELECT U&'a'", "SELECT 'a'");
    different("SELECT N'a'", "SELECT n 'a'");
    different("SELECT 'a'\n'b'", "SELECT 'a' 'b'");
    different("SELECT größe", "SELECT GRÖSSE");
    // only ASCII letters are the same in both cases
    different("SELECT größe", "SELECT GRÖßE");
    same("SELECT größe", "SELECT GRößE");
}

#[test]
fn tokens_that_the_server_parts_stay_apart() {
    different("SELECT a b", "SELECT ab");
    different("SELECT 1 2", "SELECT 12");
    different("SELECT 1 .5", "SELECT 1.5");
    different("SELECT - -1", "SELECT --1");
    different("SELECT - -1", "SELECT -1");
    different("SELECT a - > b", "SELECT a -> b");
    different("SELECT a : : b", "SELECT a :: b");
    different("SELECT a / * b", "SELECT a /* b");
    different("SELECT 'a''b'", "SELECT 'a' 'b'");
    different("SELECT e 'a'", "SELECT e'a'");
    different("SELECT a$b$", "SELECT a $b$");
    same("SELECT -1", "SELECT - 1");
    same("SELECT 2- -1", "SELECT 2 - - 1");
}

#[test]
fn copy_data_count_byte_for_byte() {
    let copy = |data: &str| format!("COPY t FROM stdin;\n{data}\\.\nSELECT 1;");
    let data = copy("1\ta\n2\t-- b\n");
    for other in [
        "1\ta\n2\t-- c\n",
        "1\ta\n2\t -- b\n",
        "1\tA\n2\t-- b\n",
        "1\ta\n\n2\t-- b\n",
        "1\ta\n",
    ] {
        different(&data, &copy(other));
    }
    same(
        &data,
        &data.replace("COPY t FROM stdin", "copy t\n from STDIN /* x */"),
    );
    // the same characters as SQL are something else
    different(
        "COPY t FROM stdin;\nSELECT 1;",
        "COPY t FROM 'a';\nSELECT 1;",
    );
    different(
        "COPY t FROM stdin;\n\\.\nSELECT 1;",
        "COPY t FROM stdin;\nSELECT 1;",
    );
}

#[test]
fn commands_of_psql_count() {
    different("\\echo a", "\\echo b");
    different("\\echo a", "\\warn a");
    different("\\echo a", "\\echo A");
    different("\\echo a", "");
    different("\\echo a b", "\\echo a  b");
    different("SELECT 1 \\echo a\n;", "SELECT 1; \\echo a\n");
    same("\\echo a", "\n  \\echo  a \t\r\n");
    // pg_dump makes up a new one each time
    same(
        "\\restrict a\nSELECT 1;\n\\unrestrict a",
        "\\restrict b\nSELECT 1;\n\\unrestrict b",
    );
    different("\\restrict a\nSELECT 1;\n\\unrestrict a", "SELECT 1;");
}

#[test]
fn how_strings_are_read_follows_the_text() {
    let off = |rest: &str| format!("SET standard_conforming_strings = off; SELECT {rest}");
    same(&off("'a\\' -- b'"), &off("  'a\\' -- b'"));
    different(&off("'a\\' -- b'"), &off("'a\\' -- c'"));
    same("SELECT 'a\\' -- b'", "SELECT 'a\\' -- c'");
}

#[test]
fn a_text_that_nobody_understands_has_a_fingerprint() {
    different("SELECT 'a", "SELECT 'b");
    different("SELECT /* a", "SELECT /* b");
    different(
        "COPY t FROM stdin; SELECT 1;",
        "COPY t FROM stdin; SELECT 2;",
    );
    different("COPY t FROM stdin; SELECT", "COPY t FROM stdin; DELETE");
    same(
        "COPY t FROM stdin; SELECT 1;\n",
        "copy t FROM stdin; SELECT 1;\r\n",
    );
}

#[test]
fn variables_of_psql_have_a_case() {
    different("SELECT :a", "SELECT :A");
    different("SELECT :'a'", "SELECT :'A'");
    same("SELECT :a, b", "select :a , B");
    same(
        "SELECT a::B, a := B, a[1 : B]",
        "SELECT a::b, a := b, a[1 : b]",
    );
}

#[test]
fn headers_count() {
    assert_ne!(
        fingerprint("SELECT 1", ""),
        fingerprint("SELECT 1", "lock_timeout=5s")
    );
    assert_ne!(fingerprint("b", "a"), fingerprint("a b", ""));
    assert_eq!(fingerprint("b", "a"), fingerprint("B", "a"));
}

#[test]
fn a_prefix_is_that_of_its_statements() {
    let text = "-- a\nSELECT 1; SELECT 'b';\nSELECT 3;";
    let end = text.find("\nSELECT 3").expect("the third");
    let prefix = prefix_fingerprint(text, end);
    let same =
        |other: &str, end: usize| assert_eq!(prefix_fingerprint(other, end), prefix, "{other}");
    same("select 1;select 'b';", 20);
    same("select 1;select 'b'; SELECT 4; \\x", 20);
    same("\u{feff}SELECT 1;\r\nSELECT 'b';\r\nSELECT", 25);
    same("select 1;select 'b';", 99);
    for (other, end) in [
        ("SELECT 1; SELECT 'c';", 21),
        (text, text.len()),
        (text, 14),
        (text, end - 1),
        (text, 0),
    ] {
        assert_ne!(prefix_fingerprint(other, end), prefix, "{other} {end}");
    }
    // within a character, and data of COPY
    assert_eq!(prefix_fingerprint("é", 1), prefix_fingerprint("", 0));
    let copy = "COPY t FROM stdin;\n1\n\\.\nSELECT 2;";
    assert_eq!(
        prefix_fingerprint(copy, 24),
        prefix_fingerprint(&copy[..24], 24)
    );
    assert_ne!(
        prefix_fingerprint(copy, 24),
        prefix_fingerprint(&copy.replace('1', "3"), 24)
    );
}

#[test]
fn hex_digits_are_lower_case() {
    assert_eq!(hex(&[0, 1, 0x9a, 0xff]), "00019aff");
    assert_eq!(hex(&[]), "");
}

/// None may ever change: they are stored in databases.
#[test]
fn fingerprints_of_old_stay() {
    let text = "\\restrict a\nSELECT \"b\", 'c', E'd', u&\"e\", U&'f', n'g', b'0', x'1' 'h'\n'i', $$j$$, 1.5, $1::k - 2;\n\
                COPY l FROM stdin;\nm\n\\.\n\\echo n\n";
    assert_eq!(
        print(text),
        "3d2ddd5a689bc99626f85cb4c6af283d55acb1390106f5670787b31977767188"
    );
    assert_eq!(
        print("COPY t FROM stdin; x"),
        "5132c4f0800b8ab44750b408d8ebf40831369a3ce6cda1e9d25bc3737fec7c22"
    );
    assert_eq!(
        hex(&fingerprint("SELECT 'a", "o=p")),
        "8bc4155b13932c1000c443f370e3e6cb4e037929f7e0d83cd35a3e83bca79ac6"
    );
    let by_hand = Sha256::digest(b"\x10select\0\x13'A'\0\x1d;\0");
    assert_eq!(
        prefix_fingerprint("SELECT 'A'; SELECT 2;", 11)[..],
        by_hand[..]
    );
}

/// The tokens, as a list.
fn tokens(text: &str) -> Option<Vec<(TokenKind, String)>> {
    let mut found = Vec::new();
    let mut segments = Segments::new(text, Strings::Standard, usize::MAX);
    while let Some(segment) = segments.advance(&mut |token| {
        if token.is_code() {
            found.push((token.kind, token.of(text).to_ascii_lowercase()));
        }
        None
    }) {
        // other things than tokens have tests of their own
        if !matches!(segment.ok()?.kind, SegmentKind::Sql { .. }) {
            return None;
        }
    }
    Some(found)
}

proptest! {
    #[test]
    fn fingerprints_are_equal_where_tokens_are(a in troublesome(), b in troublesome()) {
        let lower = (a.to_ascii_lowercase(), b.to_ascii_lowercase());
        let (a, b) = (lower.0.trim_end(), lower.1.trim_end());
        if let (Some(x), Some(y)) = (tokens(a), tokens(b)) {
            let normal = |t: Vec<(TokenKind, String)>| -> Vec<_> {
                t.into_iter().map(|(k, s)| (k, s.replace("\r\n", "\n"))).collect()
            };
            prop_assert_eq!(fingerprint(a, "") == fingerprint(b, ""), normal(x) == normal(y));
        }
    }

    #[test]
    fn line_ends_and_marks_never_count(text in troublesome()) {
        let lf = text.replace('\r', "");
        let crlf = format!("\u{feff}{}\r\n", lf.replace('\n', "\r\n"));
        prop_assert_eq!(fingerprint(&lf, ""), fingerprint(&crlf, ""));
        prop_assert_eq!(content_hash(&lf) == content_hash(&crlf), false);
    }

    #[test]
    fn the_whole_is_a_prefix_of_itself(text in troublesome(), more in troublesome()) {
        let both = format!("{text}{more}");
        prop_assert_eq!(prefix_fingerprint(&both, text.len()), prefix_fingerprint(&text, usize::MAX));
    }
}
