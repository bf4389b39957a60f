//! Payloads, good and bad.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn us(timestamp: Value) -> Option<i64> {
    let event = read(&json!({ "timestamp": timestamp }), None).ok()?;
    Some(event.us + EPOCH_2000_US)
}

fn why(payload: Value) -> String {
    let error = read(&payload, None).unwrap_err();
    assert_eq!(error.kind, Kind::InvalidParameter, "{payload}");
    error.message
}

#[test]
fn the_example_of_the_seed() {
    let payload =
        json!({"timestamp": 1_673_205_162_254_i64, "labels": {"order_id": "111"}, "value": "x"});
    let event = read(&payload, None).unwrap();
    assert_eq!(event.id, None);
    assert_eq!(event.us + EPOCH_2000_US, 1_673_205_162_254_000);
}

#[test]
fn times_in_text() {
    let at = |text: &str| us(json!(text));
    assert_eq!(at("1970-01-01"), Some(0));
    assert_eq!(at("1970-01-02T00:00Z"), Some(DAY_US));
    assert_eq!(at("1970-01-01T01:02:03"), Some(3_723_000_000));
    assert_eq!(at("1970-01-01 01:00:00.5+01"), Some(500_000));
    assert_eq!(at("1970-01-01T01:00:00,000001+01:00"), Some(1));
    assert_eq!(at("1970-01-01t00:00:00-0530"), Some(19_800_000_000));
    assert_eq!(at("1970-01-01T24:00:00Z"), Some(DAY_US));
    assert_eq!(at("1970-01-01T00:00:60z"), Some(60_000_000));
    assert_eq!(at("2024-02-29T12:00:00Z"), Some(1_709_208_000_000_000));
    assert_eq!(at("1970-01-01T00:00:00.123456789Z"), Some(123_456));
    for bad in [
        "",
        "now",
        "today",
        "infinity",
        "2025",
        "2025-1-5",
        "2025-02-29",
        "2025-13-01",
        "2025-00-01",
        "2025-01-00",
        "2025-01-32",
        "2025-01-05X00:00",
        "2025-01-05T",
        "2025-01-05T25:00",
        "2025-01-05T24:00:01",
        "2025-01-05T00:60",
        "2025-01-05T00:00:61",
        "2025-01-05T00:00:00.",
        "2025-01-05T00:00.5",
        "2025-01-05T00:00:00Zx",
        "2025-01-05T00:00:00+1",
        "2025-01-05T00:00:00+16:00",
        "2025-01-05T00:00:00+01:60",
        "2025-01-05T00:00:00 Europe/Berlin",
        "2025-01-05T00:00:00+",
        "é025-01-05",
        "2025-01-0é",
        "+025-01-05",
        "2025-01-05T-1:00",
        "2025-01-05T00:00:00--1:0",
        " 2025-01-05",
    ] {
        assert_eq!(at(bad), None, "{bad:?}");
    }
}

#[test]
fn bad_payloads_name_their_key() {
    for (payload, word) in [
        (json!(5), "JSON object"),
        (json!([]), "JSON object"),
        (json!({}), "\"timestamp\" is missing"),
        (json!({"timestamp": null}), "\"timestamp\" must be"),
        (json!({"timestamp": true}), "\"timestamp\" must be"),
        (json!({"timestamp": 1.5}), "whole number"),
        (json!({"timestamp": -0.5}), "whole number"),
        (json!({"timestamp": 1e300}), "out of range"),
        (json!({"timestamp": -1e300}), "out of range"),
        (json!({"timestamp": u64::MAX}), "out of range"),
        (json!({"timestamp": i64::MAX}), "out of range"),
        (json!({"timestamp": -1}), "out of range"),
        (json!({"timestamp": MS_END}), "out of range"),
        (json!({"timestamp": "1969-12-31"}), "out of range"),
        (json!({"timestamp": "yesterday"}), "ISO 8601"),
        (json!({"timestamp": 1, "more": 1}), "unknown key \"more\""),
        (
            json!({"timestamp": 1, "Labels": {}}),
            "unknown key \"Labels\"",
        ),
        (json!({"timestamp": 1, "labels": []}), "\"labels\" must be"),
        (
            json!({"timestamp": 1, "labels": null}),
            "\"labels\" must be",
        ),
        (
            json!({"timestamp": 1, "labels": {"a": {}}}),
            "\"labels\": \"a\"",
        ),
        (
            json!({"timestamp": 1, "labels": {"b": [1]}}),
            "\"labels\": \"b\"",
        ),
        (json!({"timestamp": 1, "value": {}}), "\"value\""),
        (json!({"timestamp": 1, "value": [1]}), "\"value\""),
        (json!({"timestamp": 1, "id": 5}), "\"id\""),
        (json!({"timestamp": 1, "id": "x"}), "\"id\""),
        (json!({"timestamp": 1, "id": null}), "\"id\""),
    ] {
        let why = why(payload.clone());
        assert!(why.contains(word), "{payload}: {why}");
    }
    let second = read(&json!({}), Some(2)).unwrap_err();
    assert!(
        second.message.starts_with("payload 2: "),
        "{}",
        second.message
    );
}

#[test]
fn scalars_are_scalars() {
    for scalar in [json!("x"), json!(1.25), json!(null), json!(false)] {
        let payload = json!({"timestamp": 0, "labels": {"a": scalar}, "value": scalar});
        assert!(read(&payload, None).is_ok(), "{payload}");
    }
    let id = "01853FBB-C2AE-7000-8000-000000000001";
    let event = read(&json!({"timestamp": 0, "id": id}), None).unwrap();
    assert_eq!(event.id.map(|i| i[..2].to_vec()), Some(vec![0x01, 0x85]));
    assert_eq!(us(json!(MS_END - 1)), Some((MS_END - 1) * 1000));
}

proptest! {
    #[test]
    fn text_never_panics(text in "\\PC{0,30}") {
        let _ = iso_8601(&text);
    }

    #[test]
    fn near_misses_never_panic(text in "[0-9TZ:+. -]{0,32}") {
        let _ = iso_8601(&text);
    }

    #[test]
    fn milliseconds_and_text_agree(ms in 0..250_000_000_000_000_i64) {
        let (day, h, mi, s, frac) = crate::hypertable::calendar::clock(ms * 1000 - EPOCH_2000_US);
        let (y, m, d) = crate::hypertable::calendar::civil(day);
        prop_assume!(y < 10_000);
        let text = format!("{y:04}-{m:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{frac:06}Z");
        prop_assert_eq!(us(json!(text)), Some(ms * 1000));
        prop_assert_eq!(us(json!(ms)), Some(ms * 1000));
    }
}
