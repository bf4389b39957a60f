use super::*;
use proptest::prelude::*;

fn version(text: &str) -> Version {
    Version::parse(text).expect(text)
}

#[test]
fn a_version_has_one_spelling() {
    for (written, canonical) in [
        ("38", "38"),
        ("000038", "38"),
        ("38.0", "38"),
        ("38.0.0", "38"),
        ("0", "0"),
        ("000", "0"),
        ("0.0", "0"),
        ("0.1", "0.1"),
        ("1.0.1", "1.0.1"),
        ("01.002.0300", "1.2.300"),
        ("20170412214116", "20170412214116"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        assert_eq!(version(written).as_str(), canonical, "{written}");
        assert_eq!(version(written), version(canonical));
    }
}

#[test]
fn what_is_no_version_is_refused() {
    for text in [
        "", ".", "1.", ".1", "1..2", "-1", "+1", " 1", "1 ", "1_2", "1a", "v1", "none", "@x",
        "1e3", "1,2", "1-2", "\u{661}",
    ] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
    assert!(Version::parse(&"9".repeat(255)).is_some());
    assert_eq!(Version::parse(&"9".repeat(256)), None);
}

#[test]
fn underscores_are_dots_for_flyway_only() {
    assert_eq!(Version::parse_flyway("1_2.3_0"), Version::parse("1.2.3"));
    for text in ["_1", "1_", "1__2", "1._2", "-1", ""] {
        assert_eq!(Version::parse_flyway(text), None, "{text}");
    }
}

#[test]
fn order_is_by_numbers() {
    let ascending = [
        "0",
        "0.1",
        "1",
        "1.0.1",
        "1.1",
        "1.9",
        "1.10",
        "1.10.1",
        "2",
        "10",
        "20170412214116",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999999999999999999999999",
        "100000000000000000000000000000000000000000000",
    ];
    for (i, a) in ascending.iter().enumerate() {
        for (j, b) in ascending.iter().enumerate() {
            assert_eq!(version(a).cmp(&version(b)), i.cmp(&j), "{a} and {b}");
        }
    }
}

#[test]
fn the_sort_key_holds_the_parts() {
    assert_eq!(version("0038").sort_key(), ["38"]);
    assert_eq!(version("01.20.0.3.0").sort_key(), ["1", "20", "0", "3"]);
    assert_eq!(version("0").sort_key(), ["0"]);
}

#[test]
fn mirrors_get_a_number_where_it_fits() {
    assert_eq!(version("000038").as_bigint(), Some(38));
    assert_eq!(version("9223372036854775807").as_bigint(), Some(i64::MAX));
    assert_eq!(version("9223372036854775808").as_bigint(), None);
    assert_eq!(version("1.2").as_bigint(), None);
    assert_eq!(version("1.0").as_bigint(), Some(1));
    assert_eq!(version("18446744073709551615").as_u64(), Some(u64::MAX));
    assert_eq!(version("18446744073709551616").as_u64(), None);
    assert_eq!(Version::from(38), version("38"));
}

#[test]
fn targets_are_versions_tags_and_none() {
    let parse = |t| Target::parse(t).expect(t);
    assert_eq!(parse("38"), Target::Version(version("38")));
    assert_eq!(parse("000038"), parse("38"));
    assert_eq!(parse("1.2"), Target::Version(version("1.2")));
    assert_eq!(parse("@v1.0"), Target::Tag("v1.0".to_owned()));
    assert_eq!(parse("@none"), Target::Tag("none".to_owned()));
    assert_eq!(parse("none"), Target::None);
    for text in ["38", "1.2", "@release", "none"] {
        assert_eq!(parse(text).to_string(), text);
    }
    for bad in ["", "@", "NONE", "head", "-1", "1_2", "38 "] {
        let e = Target::parse(bad).expect_err(bad);
        assert_eq!(e.kind, Kind::InvalidParameter);
        assert_eq!(e.message, format!("target \"{bad}\" is not known"));
    }
}

#[test]
fn versions_pass_through_json_and_are_checked() {
    let text = serde_json::to_string(&version("01.20")).expect("json");
    assert_eq!(text, "\"1.20\"");
    let back: Version = serde_json::from_str("\"0038\"").expect("a version");
    assert_eq!(back, version("38"));
    assert!(serde_json::from_str::<Version>("\"x\"").is_err());
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof!["[0-9]{1,3}", "0{0,3}[0-9]{1,35}"]
}

fn numbers() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(number(), 1..5)
}

/// Numbers without the zeros at the end.
fn big(parts: &[String]) -> Vec<u128> {
    let mut all: Vec<u128> = parts.iter().map(|p| p.parse().expect("a u128")).collect();
    while all.len() > 1 && all.last() == Some(&0) {
        all.pop();
    }
    all
}

proptest! {
    #[test]
    fn order_agrees_with_big_integers(a in numbers(), b in numbers()) {
        let (x, y) = (version(&a.join(".")), version(&b.join(".")));
        prop_assert_eq!(x.cmp(&y), big(&a).cmp(&big(&b)));
        prop_assert_eq!(x == y, big(&a) == big(&b));
        let key: Vec<u128> = x.sort_key().iter().map(|p| p.parse().expect("a u128")).collect();
        prop_assert_eq!(key, big(&a));
    }

    #[test]
    fn order_agrees_with_length_beyond_all_types(a in "[1-9][0-9]{60,90}", b in "[1-9][0-9]{60,90}") {
        let padded = |t: &str| format!("{t:0>100}");
        prop_assert_eq!(version(&a).cmp(&version(&b)), padded(&a).cmp(&padded(&b)));
    }

    #[test]
    fn what_is_shown_can_be_read(parts in numbers()) {
        let v = version(&parts.join("."));
        prop_assert_eq!(Version::parse(&v.to_string()), Some(v.clone()));
        prop_assert_eq!(version(&v.sort_key().join(".")), v.clone());
        prop_assert_eq!(Target::parse(&v.to_string()).expect("a target"), Target::Version(v));
    }

    #[test]
    fn any_text_is_read_without_harm(text in ".{0,40}") {
        if let Some(v) = Version::parse(&text) {
            prop_assert!(v.as_str().len() <= text.len());
        }
    }
}
