#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use proptest::prelude::*;
use rusqlite::Connection;
use rusqlite::types::{Value, ValueRef};
use std::cmp::Ordering;

const ALL: [Encoding; 14] = [
    Encoding::Int,
    Encoding::Bool,
    Encoding::Float4,
    Encoding::Float8,
    Encoding::Text,
    Encoding::Bytea,
    Encoding::Uuid,
    Encoding::Date,
    Encoding::Time,
    Encoding::Timestamp,
    Encoding::TimestampTz,
    Encoding::Oid,
    Encoding::Xid8,
    Encoding::TypeText,
];

#[test]
fn encoding_names_round_trip() {
    for e in ALL {
        assert_eq!(Encoding::parse(e.as_str()), Some(e));
    }
    assert_eq!(Encoding::parse("INT"), None);
    assert_eq!(Encoding::parse(""), None);
}

#[test]
fn encodings_of_types() {
    for (oid, want) in [
        (21, Encoding::Int),
        (23, Encoding::Int),
        (20, Encoding::Int),
        (16, Encoding::Bool),
        (700, Encoding::Float4),
        (701, Encoding::Float8),
        (25, Encoding::Text),
        (1043, Encoding::Text),
        (17, Encoding::Bytea),
        (2950, Encoding::Uuid),
        (1082, Encoding::Date),
        (1083, Encoding::Time),
        (1114, Encoding::Timestamp),
        (1184, Encoding::TimestampTz),
        (26, Encoding::Oid),
        (2205, Encoding::TypeText), // regclass
        (4191, Encoding::TypeText), // regcollation
        (5069, Encoding::Xid8),
        (1700, Encoding::TypeText), // numeric
        (1042, Encoding::TypeText), // bpchar
        (19, Encoding::TypeText),   // name
        (18, Encoding::TypeText),   // "char"
        (1266, Encoding::TypeText), // timetz
        (1186, Encoding::TypeText), // interval
        (114, Encoding::TypeText),  // json
        (1007, Encoding::TypeText), // int4[]
    ] {
        assert_eq!(encoding_for(oid, oid), want, "{oid}");
        assert_eq!(encoding_for(oid, 0), want, "{oid}");
        assert_eq!(encoding_for(99_999, oid), want, "domain over {oid}");
    }
}

#[test]
fn declared_types_are_plain() {
    for e in ALL {
        assert!(["INTEGER", "REAL", "TEXT", "BLOB", ""].contains(&e.declared_type()));
    }
}

#[test]
fn timestamps_at_the_edges() {
    assert_eq!(timestamp_to_stored(0), Some(EPOCH_US));
    assert_eq!(timestamp_to_stored(-EPOCH_US), Some(0));
    assert_eq!(timestamp_to_stored(i64::MAX), Some(i64::MAX));
    assert_eq!(timestamp_to_stored(i64::MIN), Some(i64::MIN));
    // 4714-11-24 BC, the first timestamp there is
    assert_eq!(
        timestamp_to_stored(-211_813_488_000_000_000),
        Some(-210_866_803_200_000_000)
    );
    // 294276-12-31 23:59:59.999999, the last one, does not fit
    assert_eq!(timestamp_to_stored(9_223_371_331_199_999_999), None);
    // one finite value would read as infinity
    assert_eq!(timestamp_to_stored(i64::MAX - EPOCH_US), None);
    assert_eq!(
        timestamp_to_stored(i64::MAX - EPOCH_US - 1),
        Some(i64::MAX - 1)
    );
    assert_eq!(timestamp_from_stored(-210_866_803_200_000_001), None);
    assert_eq!(
        timestamp_from_stored(-210_866_803_200_000_000),
        Some(-211_813_488_000_000_000)
    );
    assert_eq!(timestamp_from_stored(i64::MIN + 1), None);
    assert_eq!(timestamp_from_stored(i64::MIN + EPOCH_US), None);
}

#[test]
fn dates_at_the_edges() {
    assert_eq!(date_to_stored(0), 10_957);
    assert_eq!(date_to_stored(i32::MAX), 2_147_483_647);
    assert_eq!(date_to_stored(i32::MIN), -2_147_483_648);
    // 5874897-12-31 and 4714-11-24 BC
    assert_eq!(
        date_from_stored(date_to_stored(2_145_031_948)),
        Some(2_145_031_948)
    );
    assert_eq!(
        date_from_stored(date_to_stored(-2_451_545)),
        Some(-2_451_545)
    );
    assert_eq!(date_from_stored(i64::MAX), None);
    assert_eq!(date_from_stored(i64::MIN), None);
    assert_eq!(date_from_stored(i64::from(i32::MAX) + 1), None);
}

#[test]
fn times_at_the_edges() {
    assert_eq!(time_from_stored(0), Some(0));
    assert_eq!(time_from_stored(86_400_000_000), Some(86_400_000_000));
    assert_eq!(time_from_stored(86_400_000_001), None);
    assert_eq!(time_from_stored(-1), None);
}

#[test]
fn uuids() {
    let bytes = [
        0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a,
        0x11,
    ];
    let text = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    assert_eq!(uuid_to_text(&bytes), text);
    assert_eq!(uuid_from_text(text.as_bytes()), Some(bytes));
    for bad in [
        "",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
        "A0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g",
        "a0eebc9-99c0b-4ef8-bb6d-6bb9bd380a11",
        "a0eebc99-9c0b-4ef8-bb6d--bb9bd380a11",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1-",
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a-1",
    ] {
        assert_eq!(uuid_from_text(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn every_nan_keeps_its_bits() {
    // NaN, what inf - inf gives on x86, one with a payload
    for (bits, fallback) in [
        (0x7ff8_0000_0000_0000, false),
        (0xfff8_0000_0000_0000, true),
        (0x7ff8_0000_0000_0001, true),
    ] {
        let cell = float_to_cell(f64::from_bits(bits));
        assert_eq!(float_from_cell(cell.as_ref()).unwrap().to_bits(), bits);
        assert_eq!(Encoding::Float8.is_fallback(cell.as_ref()), fallback);
    }
    // the same through float4
    let cell = float_to_cell(f64::from(f32::from_bits(0xffc0_0000)));
    assert_eq!(
        (float_from_cell(cell.as_ref()).unwrap() as f32).to_bits(),
        0xffc0_0000
    );
    let number = 1.5f64.to_bits().to_be_bytes();
    assert_eq!(float_from_cell(CellRef::Blob(&number)), None);
    assert_eq!(float_from_cell(CellRef::Blob(b"x")), None);
}

#[test]
fn fallback_values() {
    use CellRef as C;
    for e in ALL {
        assert!(!e.is_fallback(C::Null));
    }
    assert!(Encoding::TimestampTz.is_fallback(C::Text(b"294276-12-31 00:00:00+00")));
    assert!(!Encoding::TimestampTz.is_fallback(C::Int(0)));
    assert!(Encoding::Text.is_fallback(C::Blob(b"\xff")));
    assert!(!Encoding::Text.is_fallback(C::Text(b"x")));
    assert!(!Encoding::Float8.is_fallback(C::Text(b"NaN")));
    assert!(Encoding::Float8.is_fallback(C::Text(b"nan")));
    assert!(Encoding::Xid8.is_fallback(C::Text(b"18446744073709551615")));
    assert!(!Encoding::Xid8.is_fallback(C::Int(7)));
    assert!(!Encoding::Bytea.is_fallback(C::Blob(b"")));
    assert!(Encoding::Bytea.is_fallback(C::Text(b"")));
    assert!(Encoding::Text.is_fallback(C::Int(1)));
}

/// Every float and xid8 comes back from a column with the declared type of its encoding.
#[test]
fn sqlite_keeps_what_affinity_would_change() {
    let db = Connection::open_in_memory().unwrap();
    for (e, cell) in [
        (Encoding::Float8, Cell::Real(-0.0)),
        (Encoding::Float8, Cell::Real(1.0)),
        (Encoding::Float8, Cell::Real(f64::NEG_INFINITY)),
        (Encoding::Float8, Cell::Real(5e-324)),
        (Encoding::Float8, float_to_cell(f64::NAN)),
        (Encoding::Float4, Cell::Real(f64::from(0.1f32))),
        (Encoding::Xid8, xid8_to_cell(u64::MAX)),
        (Encoding::Xid8, xid8_to_cell(7)),
        (Encoding::TypeText, Cell::Text("1.10".into())),
        (Encoding::TypeText, Cell::Text("2025".into())),
        (Encoding::Text, Cell::Text(String::new())),
        (Encoding::Int, Cell::Int(i64::MIN)),
        (
            Encoding::TimestampTz,
            Cell::Text("294276-12-31 23:59:59.999999+00".into()),
        ),
        (Encoding::Bytea, Cell::Blob(vec![])),
    ] {
        let stored: Value = match &cell {
            Cell::Null => Value::Null,
            Cell::Int(i) => Value::Integer(*i),
            Cell::Real(r) => Value::Real(*r),
            Cell::Text(t) => Value::Text(t.clone()),
            Cell::Blob(b) => Value::Blob(b.clone()),
        };
        db.execute_batch(&format!(
            "drop table if exists t; create table t(c {})",
            e.declared_type()
        ))
        .unwrap();
        db.execute("insert into t values(?1)", [&stored]).unwrap();
        let same = db
            .query_row("select c from t", [], |r| {
                Ok(match (r.get_ref(0)?, cell.as_ref()) {
                    (ValueRef::Real(a), CellRef::Real(b)) => a.to_bits() == b.to_bits(),
                    (ValueRef::Integer(a), CellRef::Int(b)) => a == b,
                    (ValueRef::Text(a), CellRef::Text(b))
                    | (ValueRef::Blob(a), CellRef::Blob(b)) => a == b,
                    _ => false,
                })
            })
            .unwrap();
        assert!(same, "{e:?} {cell:?}");
    }
}

fn shown(e: Encoding, value: Option<i64>) -> Option<String> {
    let db = Connection::open_in_memory().unwrap();
    db.query_row(
        &format!(
            "select cast({} as text) from (select ?1 as \"c\")",
            view_expression(e, "\"c\"")
        ),
        [value],
        |r| r.get(0),
    )
    .unwrap()
}

#[test]
fn views() {
    let tz = |v| shown(Encoding::TimestampTz, Some(v)).unwrap();
    assert_eq!(tz(0), "1970-01-01 00:00:00.000000+00");
    assert_eq!(tz(-1), "1969-12-31 23:59:59.999999+00");
    assert_eq!(tz(1_735_689_600_123_456), "2025-01-01 00:00:00.123456+00");
    assert_eq!(tz(-62_135_596_800_000_000), "0001-01-01 00:00:00.000000+00");
    assert_eq!(tz(253_402_300_799_999_999), "9999-12-31 23:59:59.999999+00");
    assert_eq!(tz(253_402_300_800_000_000), "253402300800000000");
    assert_eq!(tz(-62_135_596_800_000_001), "-62135596800000001");
    assert_eq!(tz(i64::MAX), "infinity");
    assert_eq!(tz(i64::MIN), "-infinity");
    let ts = |v| shown(Encoding::Timestamp, Some(v)).unwrap();
    assert_eq!(ts(-1), "1969-12-31 23:59:59.999999");
    let date = |v| shown(Encoding::Date, Some(v)).unwrap();
    assert_eq!(date(0), "1970-01-01");
    assert_eq!(date(-719_162), "0001-01-01");
    assert_eq!(date(2_932_896), "9999-12-31");
    assert_eq!(date(2_932_897), "2932897");
    assert_eq!(date(2_147_483_647), "infinity");
    assert_eq!(date(-2_147_483_648), "-infinity");
    let time = |v| shown(Encoding::Time, Some(v)).unwrap();
    assert_eq!(time(0), "00:00:00.000000");
    assert_eq!(time(86_399_999_999), "23:59:59.999999");
    assert_eq!(time(86_400_000_000), "24:00:00.000000");
    assert_eq!(shown(Encoding::Bool, Some(1)).unwrap(), "true");
    assert_eq!(shown(Encoding::Bool, Some(0)).unwrap(), "false");
    for e in ALL {
        assert_eq!(shown(e, None), None, "{e:?}");
    }
}

#[test]
fn order_follows_sqlite() {
    use CellRef as C;
    let sorted = [
        C::Null,
        C::Real(f64::NEG_INFINITY),
        C::Int(i64::MIN),
        C::Int(-1),
        C::Real(-0.5),
        C::Int(0),
        C::Real(0.5),
        C::Int(i64::MAX),
        C::Real(9_223_372_036_854_775_808.0),
        C::Real(f64::INFINITY),
        C::Text(b""),
        C::Text(b"NaN"),
        C::Text(b"a"),
        C::Text(b"ab"),
        C::Blob(b""),
        C::Blob(b"\xff"),
    ];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(a.order(b), i.cmp(&j), "{a:?} {b:?}");
        }
    }
    assert_eq!(C::Real(-0.0).order(&C::Real(0.0)), Ordering::Equal);
    assert_eq!(C::Int(3).order(&C::Real(3.0)), Ordering::Equal);
}

#[test]
fn quoting() {
    assert_eq!(quote_name("a\"b"), "\"a\"\"b\"");
    assert_eq!(quote_literal("it's"), "'it''s'");
    let db = Connection::open_in_memory().unwrap();
    for odd in ["a\"b", "select", "ä;--", "[x]", "`", "x'y", " "] {
        let sql = format!(
            "create table {0}(c); drop table {0}; select {1}",
            quote_name(odd),
            quote_literal(odd)
        );
        db.execute_batch(&sql).unwrap();
        let back: String = db
            .query_row(&format!("select {}", quote_literal(odd)), [], |r| r.get(0))
            .unwrap();
        assert_eq!(back, odd);
    }
}

proptest! {
    #[test]
    fn any_timestamp(us in -211_813_488_000_000_000i64..9_223_371_331_200_000_000) {
        if let Some(stored) = timestamp_to_stored(us) {
            prop_assert_eq!(timestamp_from_stored(stored), Some(us));
        }
    }

    #[test]
    fn any_stored_timestamp(stored in any::<i64>()) {
        if let Some(us) = timestamp_from_stored(stored) {
            prop_assert_eq!(timestamp_to_stored(us), Some(stored));
        }
    }

    #[test]
    fn timestamp_order_is_kept(a in any::<i64>(), b in any::<i64>()) {
        if let (Some(x), Some(y)) = (timestamp_to_stored(a), timestamp_to_stored(b)) {
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
        }
    }

    #[test]
    fn any_date(days in -2_451_545i32..=2_145_031_948) {
        prop_assert_eq!(date_from_stored(date_to_stored(days)), Some(days));
    }

    #[test]
    fn any_uuid(bytes in any::<[u8; 16]>(), other in any::<[u8; 16]>()) {
        let text = uuid_to_text(&bytes);
        prop_assert_eq!(uuid_from_text(text.as_bytes()), Some(bytes));
        prop_assert_eq!(bytes.cmp(&other), text.cmp(&uuid_to_text(&other)));
    }

    #[test]
    fn any_float(bits in any::<u64>()) {
        let cell = float_to_cell(f64::from_bits(bits));
        prop_assert_eq!(float_from_cell(cell.as_ref()).map(f64::to_bits), Some(bits));
    }

    #[test]
    fn any_xid8(x in any::<u64>()) {
        prop_assert_eq!(xid8_from_cell(xid8_to_cell(x).as_ref()), Some(x));
    }

    #[test]
    fn uuid_text_never_panics(text in proptest::collection::vec(any::<u8>(), 30..40)) {
        let _ = uuid_from_text(&text);
    }
}
