#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::HashSet;

fn sample<'a>() -> ObjectName<'a> {
    ObjectName {
        prefix: "cold",
        database: "shop",
        tag: "0a1b2c3d",
        schema: "public",
        hypertable: "metrics",
        range_start: "20250101T000000Z",
        range_end: "20250201T000000Z",
        hypertable_id: 1,
        space: None,
        generation: 1,
        attempt: [1, 0x93, 0xf2, 0xc1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
    }
}

#[test]
fn key_as_documented() {
    assert_eq!(
        object_key(&sample()),
        "cold/shop-0a1b2c3d/public.metrics/2025/\
         metrics__20250101T000000Z__20250201T000000Z__h1-g1-0193f2c1.sqlite"
    );
}

#[test]
fn prefix_slashes() {
    let mut name = sample();
    name.prefix = "";
    assert!(object_key(&name).starts_with("shop-"));
    name.prefix = "/a/b/";
    assert!(object_key(&name).starts_with("a/b/shop-"));
}

#[test]
fn integer_ranges_are_padded() {
    let mut name = sample();
    name.range_start = "0";
    name.range_end = "100000";
    name.space = Some(3);
    name.generation = 12;
    assert_eq!(
        object_key(&name),
        "cold/shop-0a1b2c3d/public.metrics/int/\
         metrics__0000000000000000000__0000000000000100000__h1-s3-g12-0193f2c1.sqlite"
    );
    assert_eq!(range_part("-5"), "-0000000000000000005");
    assert_eq!(range_part("9223372036854775807"), "9223372036854775807");
    assert_eq!(range_part("-9223372036854775808"), "-9223372036854775808");
    assert!(range_part("99") < range_part("100"));
    assert!(range_part("-1") < range_part("0"));
}

#[test]
fn years() {
    assert_eq!(year_folder("20250101T000000Z"), "2025");
    assert_eq!(year_folder("123450101T000000Z"), "12345");
    assert_eq!(year_folder("00010101T000000Z"), "0001");
    assert_eq!(year_folder("-00430101T000000Z"), "-0043");
    assert_eq!(year_folder("-20"), "int");
    assert_eq!(year_folder(""), "");
    assert_eq!(year_folder("ärger"), "~c3~a4rger");
}

#[test]
fn odd_bounds_cannot_leave_the_folder() {
    assert_eq!(range_part("../x"), "~2e~2e~2fx");
    assert_eq!(range_part("20250101T000000.5Z"), "20250101T000000.5Z");
    assert_eq!(year_folder("../../T"), "~2e~2e~2f~2e~2e~2f");
}

#[test]
fn slugs() {
    assert_eq!(slug("metrics_1-a"), "metrics_1-a");
    assert_eq!(slug("Metrics"), "~4detrics");
    assert_eq!(slug("a/b"), "a~2fb");
    assert_eq!(slug("."), "~2e");
    assert_eq!(slug(".."), "~2e~2e");
    assert_eq!(slug("~61"), "~7e61");
    assert_eq!(slug("zähler"), "z~c3~a4hler");
    assert_eq!(slug("a b\"c'"), "a~20b~22c~27");
    assert_eq!(slug(&"a".repeat(63)), "a".repeat(63));
}

#[test]
fn cut_slugs() {
    let long = "Ä".repeat(31);
    let cut = slug(&long);
    assert_eq!(cut.len(), 63 + 9);
    // the cut falls between escapes: 10 times ~c3~84, then one ~c3
    assert!(cut.starts_with(&"~c3~84".repeat(10)));
    assert_eq!(&cut[60..64], "~c3-");
    let other = format!("{}B", "Ä".repeat(30));
    assert_ne!(slug(&other), cut);
    assert_eq!(&slug(&other)[..63], &cut[..63]);
    // 62 plain characters and one escape: cut before the escape
    let edge = format!("{}/", "a".repeat(62));
    assert_eq!(&slug(&edge)[..64], format!("{}--", "a".repeat(62)));
}

#[test]
fn no_two_names_share_a_slug() {
    let pieces = [
        "a", "A", "~", "~61", "ä", ".", "/", "-", "_", " ", "~4", "41",
    ];
    let mut names = HashSet::new();
    let mut slugs = HashSet::new();
    for a in pieces {
        for b in pieces {
            for c in ["", "x", "x".repeat(60).as_str()] {
                let name = format!("{a}{b}{c}");
                if name.len() <= 63 && names.insert(name.clone()) {
                    assert!(slugs.insert(slug(&name)), "{name}");
                }
            }
        }
    }
}

#[test]
fn longest_names_fit_a_file_system_and_a_key() {
    let long = "Ж".repeat(31);
    let mut name = sample();
    name.database = &long;
    name.schema = &long;
    name.hypertable = &long;
    name.range_start = "-9223372036854775808";
    name.range_end = "-9223372036854775807";
    name.hypertable_id = i32::MAX;
    name.generation = i32::MAX;
    name.space = Some(u32::MAX);
    let key = object_key(&name);
    assert!(key.len() < 1024);
    assert!(key.split('/').all(|part| part.len() <= 255));
    assert!(
        key.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._~-".contains(&b))
    );
}

#[test]
fn tags_differ() {
    let install = [7u8; 16];
    let base = tag(7_000_000_000_000_000_001, 16_384, &install);
    assert_eq!(base.len(), 8);
    assert_eq!(base, tag(7_000_000_000_000_000_001, 16_384, &install));
    assert_ne!(base, tag(7_000_000_000_000_000_002, 16_384, &install));
    assert_ne!(base, tag(7_000_000_000_000_000_001, 16_385, &install));
    assert_ne!(base, tag(7_000_000_000_000_000_001, 16_384, &[8u8; 16]));
}

#[test]
fn attempts_differ() {
    let first = sample();
    let mut second = sample();
    second.attempt[0] = 2;
    assert_ne!(object_key(&first), object_key(&second));
}

proptest::proptest! {
    #[test]
    fn slug_is_safe(name in "\\PC{0,40}") {
        let s = slug(&name);
        proptest::prop_assert!(s.len() <= 72);
        proptest::prop_assert!(s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'~')));
    }

    #[test]
    fn whole_slugs_can_be_read_back(name in "[ -~äß]{0,20}") {
        let s = slug(&name);
        if s.len() <= 63 {
            let mut bytes = Vec::new();
            let mut rest = s.as_bytes();
            while let Some((first, tail)) = rest.split_first() {
                if *first == b'~' {
                    let digits = std::str::from_utf8(&tail[..2]).unwrap();
                    bytes.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &tail[2..];
                } else {
                    bytes.push(*first);
                    rest = tail;
                }
            }
            proptest::prop_assert_eq!(bytes, name.into_bytes());
        }
    }
}
