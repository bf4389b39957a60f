use super::*;
use proptest::prelude::*;

fn version(text: &str) -> Option<Version> {
    Version::parse(text)
}

#[test]
fn refinery_equals_its_own_tests() {
    // refinery/tests/postgres.rs, the set `migrations_broken`
    let first =
        "CREATE TABLE persons (\n    id int,\n    name varchar(255),\n    city varchar(255)\n);\n";
    let second = "CREATE TABLE cars (\n    id int,\n    name varchar(255)\n);\n";
    for (number, name, text, narrow, wide) in [
        (
            1,
            "initial",
            first,
            2_959_965_718_684_201_605,
            13_938_959_368_620_441_626,
        ),
        (
            2,
            "add_cars_table",
            second,
            8_238_603_820_526_370_208,
            5_394_706_226_941_044_339,
        ),
        (
            7,
            "demo",
            "SELECT 1;\n",
            6_558_206_920_725_659_442,
            13_822_439_321_498_403_648,
        ),
    ] {
        assert_eq!(refinery(number, Width::Int4, name, text), Some(narrow));
        assert_eq!(refinery(number, Width::Int8, name, text), Some(wide));
    }
    assert_eq!(refinery(1 << 31, Width::Int4, "x", ""), None);
    assert!(refinery(1 << 31, Width::Int8, "x", "").is_some());
}

#[test]
fn refinery_is_verified_in_either_width_by_name_and_version() {
    for sum in [6_558_206_920_725_659_442, 13_822_439_321_498_403_648] {
        let sum = Checksum::Refinery(sum);
        assert_eq!(
            sum.verify(version("7").as_ref(), "demo", "SELECT 1;\n"),
            Verdict::Ok
        );
        assert_eq!(
            sum.verify(version("7").as_ref(), "demo", "SELECT 1;"),
            Verdict::Ok
        );
        for (number, name, text) in [
            ("8", "demo", "SELECT 1;\n"),
            ("7", "Demo", "SELECT 1;\n"),
            ("7", "demo", "SELECT 2;\n"),
            ("7.1", "demo", "SELECT 1;\n"),
        ] {
            let verdict = sum.verify(version(number).as_ref(), name, text);
            assert_eq!(verdict, Verdict::Differs, "{number} {name}");
        }
        assert_eq!(sum.verify(None, "demo", "SELECT 1;\n"), Verdict::Differs);
    }
}

#[test]
fn sqlx_is_sha_384() {
    assert!(hex(&sqlx("SELECT 1;\n")).starts_with("24454095d8d7876c"));
    // FIPS 180-4
    assert_eq!(
        hex(&sqlx("abc")),
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
         8086072ba1e7cc2358baeca134c825a7"
    );
    let sum = Checksum::Sqlx(sqlx("\u{feff}A;\r\nB;\r\n"));
    for text in ["\u{feff}A;\r\nB;\r\n", "A;\nB;\n", "A;\r\nB;\r", "A;\nB;"] {
        assert_eq!(sum.verify(None, "", text), Verdict::Ok, "{text:?}");
    }
    for text in ["A;\nB;\n\n\n", "A; \nB;\n", "A;B;", "a;\nB;\n"] {
        assert_eq!(sum.verify(None, "", text), Verdict::Differs, "{text:?}");
    }
}

#[test]
fn flyway_equals_rows_of_public_dumps() {
    assert_eq!(flyway("SELECT 1;\nSELECT 2;\n"), -1_665_099_012);
    // V2__add_pg_trgm_extension.sql
    assert_eq!(
        flyway("CREATE EXTENSION IF NOT EXISTS pg_trgm;\n"),
        1_704_763_490
    );
    assert_eq!(flyway(""), 0);
}

#[test]
fn flyway_sees_no_line_ends_and_no_mark() {
    let sum = flyway("a\nb");
    for same in [
        "a\nb\n",
        "a\r\nb\r\n",
        "a\rb",
        "\u{feff}a\nb",
        "a\n\n\nb",
        "ab",
    ] {
        assert_eq!(flyway(same), sum, "{same:?}");
    }
    assert_ne!(flyway("a b"), sum);
    // a mark that is not the first character counts
    assert_ne!(flyway("a\n\u{feff}b"), sum);
    assert_ne!(flyway("\n\u{feff}a\nb"), sum);
}

#[test]
fn flyway_repeatables_with_placeholders_cannot_be_verified() {
    let crc = flyway("CREATE VIEW v AS SELECT 'prod'");
    let text = "CREATE VIEW v AS SELECT '${env}'";
    let of = |repeatable| Checksum::Flyway { crc, repeatable };
    assert_eq!(of(true).verify(None, "v", text), Verdict::None);
    assert_eq!(of(false).verify(None, "v", text), Verdict::Differs);
    assert_eq!(of(true).verify(None, "v", "SELECT 1"), Verdict::Differs);
    let unfilled = Checksum::Flyway {
        crc: flyway(text),
        repeatable: true,
    };
    assert_eq!(unfilled.verify(None, "v", text), Verdict::Ok);
}

#[test]
fn prisma_is_sha_256_also_in_its_old_spelling() {
    // checksum.rs of Prisma
    let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(prisma("hello"), sum);
    let of = |sum: &str| Checksum::Prisma(sum.to_owned());
    assert_eq!(of(sum).verify(None, "", "hello"), Verdict::Ok);
    assert_eq!(of(sum).verify(None, "", "hello\n"), Verdict::Ok);
    // the bytes 0e, 1b ... with their zeros: `0e` becomes `e`, `04` becomes `4`
    let old = "2cf24dba5fb0a3e26e83b2ac5b9e29e1b161e5c1fa7425e7343362938b9824";
    assert_eq!(of(old).verify(None, "", "hello"), Verdict::Ok);
    assert_eq!(of(old).verify(None, "", "hallo"), Verdict::Differs);
    assert_eq!(of("").verify(None, "", "hello"), Verdict::Differs);
    // a CR alone is no line end
    let sum = prisma("ab\r\ncd\rab\r\n");
    assert_eq!(of(&sum).verify(None, "", "ab\ncd\rab\n"), Verdict::Ok);
    assert_eq!(of(&sum).verify(None, "", "ab\ncd\nab\n"), Verdict::Differs);
}

#[test]
fn sqitch_is_sha_1_of_the_script() {
    let sum = Checksum::Sqitch("a9993e364706816aba3e25717850c26c9cd0d89d".to_owned());
    assert_eq!(sum.verify(None, "x", "abc"), Verdict::Ok);
    assert_eq!(sum.verify(None, "x", "abc\n"), Verdict::Ok);
    assert_eq!(sum.verify(None, "x", "abd"), Verdict::Differs);
}

#[test]
fn graphile_equals_its_own_tests() {
    // __tests__/helpers.ts and the snapshots
    let first = "sha1:e00ec93314a423ee5cc68d1182ad52f16442d7df";
    let second = "sha1:bddc1ead3310dc1c42cdc7f63537ebdff2e9fd7b";
    let body = |table| format!("create table if not exists {table} (id serial primary key);");
    assert_eq!(graphile(&body("foo"), None), first);
    let file = format!(
        "--! Previous: -\n--! Hash: {first}\n--! Message: My text\n\n{}\n",
        body("foo")
    );
    assert_eq!(graphile(&file, None), first);
    let file = "drop type if exists user_role;\ncreate type user_role as enum ('User');";
    assert_eq!(graphile(file, Some(first)), second);
    // this mark is no header, it counts
    let file = "--! no-transaction\nALTER TYPE user_role ADD VALUE IF NOT EXISTS 'Admin';";
    let third = "sha1:2d248344ac299ebbad2aeba5bfec2ae3c3cb0a4f";
    assert_eq!(graphile(file, Some(second)), third);
    assert_ne!(graphile(file, Some(first)), third);
    assert_ne!(graphile(file, None), third);
    let file = format!("--! Previous: -\n--! Hash: {first}\n\n{}\n", body("foo"));
    let sum = Checksum::Graphile {
        hash: first.to_owned(),
        previous: None,
    };
    assert_eq!(sum.verify(None, "", &file), Verdict::Ok);
    assert_eq!(
        sum.verify(None, "", &file.replace('\n', "\r\n")),
        Verdict::Ok
    );
    assert_eq!(
        sum.verify(None, "", &file.replace("foo", "bar")),
        Verdict::Differs
    );
}

#[test]
fn graphile_headers() {
    let hash = graphile("select 1;", Some("sha1:aa"));
    for same in [
        "--! Previous: sha1:aa\n--! Hash: x\n\nselect 1;\n",
        "--! AllowInvalidHash\n\n\nselect 1;",
        "\u{feff}\n select 1;\t\n",
    ] {
        assert_eq!(graphile(same, Some("sha1:aa")), hash, "{same:?}");
    }
    // these lines belong to the body: small letter, no blank, no header first
    for other in [
        "--! no-transaction\nselect 1;",
        "--!Previous: a\nselect 1;",
        "select 1;\n--! Hash: x",
        "--! Two words\nselect 1;",
    ] {
        assert_ne!(graphile(other, Some("sha1:aa")), hash, "{other:?}");
    }
    let sum = Checksum::Graphile {
        hash,
        previous: Some("sha1:aa".to_owned()),
    };
    let edited = "--! Previous: sha1:aa\n--! AllowInvalidHash\n\nselect 2;\n";
    assert_eq!(sum.verify(None, "", edited), Verdict::None);
    let edited = "--! Previous: sha1:aa\n\n--! AllowInvalidHash\nselect 2;\n";
    assert_eq!(sum.verify(None, "", edited), Verdict::Differs);
}

#[test]
fn words_of_the_verdicts() {
    let words: Vec<&str> = [Verdict::Ok, Verdict::Differs, Verdict::None]
        .iter()
        .map(|verdict| verdict.as_str())
        .collect();
    assert_eq!(words, ["ok", "differs", "none"]);
}

#[test]
fn hexadecimal_digits() {
    assert_eq!(unhex("00ffA0"), Some(vec![0, 255, 160]));
    assert_eq!(unhex(""), Some(Vec::new()));
    for bad in ["0", "0x", "zz", "+1", "é"] {
        assert_eq!(unhex(bad), None, "{bad}");
    }
    assert_eq!(hex(&[0, 255, 160]), "00ffa0");
}

/// What may happen to a file on its way to us: line ends converted, the mark dropped, one final newline lost.
fn arrives(file: &str, crlf: bool, unmarked: bool, lost: bool) -> String {
    let lf = file.replace("\r\n", "\n");
    let mut text = if crlf { lf.replace('\n', "\r\n") } else { lf };
    if unmarked && text.starts_with(BOM) {
        text = text.split_off(BOM.len_utf8());
    }
    if lost && text.ends_with('\n') {
        text.pop();
    }
    text
}

proptest! {
    #[test]
    fn every_way_to_arrive_is_recognised(
        mark: bool, body in "[a-c \n]{0,12}", file_crlf: bool,
        crlf: bool, unmarked: bool, lost: bool,
    ) {
        let file = arrives(&format!("{}{body}", if mark { "\u{feff}" } else { "" }), file_crlf, false, false);
        let text = arrives(&file, crlf, unmarked, lost);
        let seven = version("7");
        let sums = [
            Checksum::Sqlx(sqlx(&file)),
            Checksum::Prisma(prisma(&file)),
            Checksum::Sqitch(sha1_hex(file.as_bytes())),
            Checksum::Flyway { crc: flyway(&file), repeatable: false },
            Checksum::Refinery(refinery(7, Width::Int4, "t", &file).unwrap()),
            Checksum::Refinery(refinery(7, Width::Int8, "t", &file).unwrap()),
        ];
        for sum in sums {
            prop_assert_eq!(sum.verify(seven.as_ref(), "t", &text), Verdict::Ok, "{:?} {:?} {:?}", sum, file, text);
        }
    }

    #[test]
    fn another_letter_is_noticed(before in "[a-c\n]{0,8}", after in "[a-c\n]{0,8}") {
        let (file, text) = (format!("{before}x{after}"), format!("{before}y{after}"));
        let sums = [
            Checksum::Sqlx(sqlx(&file)),
            Checksum::Prisma(prisma(&file)),
            Checksum::Sqitch(sha1_hex(file.as_bytes())),
            Checksum::Flyway { crc: flyway(&file), repeatable: true },
            Checksum::Refinery(refinery(7, Width::Int4, "t", &file).unwrap()),
            Checksum::Graphile { hash: graphile(&file, None), previous: None },
        ];
        for sum in sums {
            prop_assert_eq!(sum.verify(version("7").as_ref(), "t", &text), Verdict::Differs);
        }
    }
}
