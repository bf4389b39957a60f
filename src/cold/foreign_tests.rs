use super::*;

fn column(declared: &str) -> Declared {
    Declared {
        name: "c".into(),
        type_name: declared.into(),
        affinity: Affinity::of(declared),
        binary: true,
        generated: false,
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
    list.iter().map(own).collect()
}

#[test]
fn options_are_checked() {
    let good = parse_table(&pairs(&[("key", "a/b.sqlite"), ("table", "t")])).unwrap();
    assert_eq!(good.key, "a/b.sqlite");
    for bad in [
        vec![("key", "a")],
        vec![("table", "t")],
        vec![("key", "../x"), ("table", "t")],
        vec![("key", "/x"), ("table", "t")],
        vec![("key", "a"), ("table", "")],
        vec![("key", "a"), ("table", "t"), ("keys", "b")],
    ] {
        assert!(parse_table(&pairs(&bad)).is_err(), "{bad:?}");
    }
    assert_eq!(
        parse_column(&pairs(&[("as", "unix")])).unwrap().form,
        Some(TimeForm::Unix)
    );
    for bad in [("as", "minutes"), ("at", "unix"), ("column_name", "")] {
        assert!(parse_column(&pairs(&[bad])).is_err(), "{bad:?}");
    }
}

#[test]
fn affinities_follow_the_declared_type() {
    for (declared, affinity, imported) in [
        ("INTEGER", Affinity::Integer, "bigint"),
        ("tinyint(1)", Affinity::Integer, "bigint"),
        ("VARCHAR(10)", Affinity::Text, "text"),
        ("BLOB", Affinity::None, "bytea"),
        ("", Affinity::None, "text"),
        ("DOUBLE", Affinity::Real, "double precision"),
        ("DATETIME", Affinity::Numeric, "text"),
        ("DECIMAL(10,5)", Affinity::Numeric, "text"),
    ] {
        assert_eq!(Affinity::of(declared), affinity, "{declared}");
        assert_eq!(affinity.imported_type(declared), imported, "{declared}");
    }
}

#[test]
fn what_fits_and_what_does_not() {
    use CellRef as C;
    use Encoding as E;
    let of = |encoding, cell, declared| fit(encoding, None, cell, &column(declared));
    let int = |i| Some(Fit::Stored(Cell::Int(i)));
    assert_eq!(of(E::Int, C::Int(1), ""), Some(Fit::Same));
    assert_eq!(of(E::Int, C::Real(3.0), ""), int(3));
    assert_eq!(of(E::Int, C::Real(3.5), ""), None);
    assert_eq!(of(E::Int, C::Real(1e19), ""), None);
    assert_eq!(of(E::Int, C::Real(9_223_372_036_854_775_808.0), ""), None);
    assert_eq!(of(E::Int, C::Text(b"12"), ""), None);
    assert_eq!(of(E::Bool, C::Int(2), ""), None);
    assert_eq!(
        of(E::Float8, C::Int(2), ""),
        Some(Fit::Stored(Cell::Real(2.0)))
    );
    assert_eq!(
        of(E::Float8, C::Int(9_007_199_254_740_993), ""),
        None,
        "rounded"
    );
    assert_eq!(of(E::Float8, C::Int(i64::MAX), ""), None, "rounded");
    assert_eq!(of(E::Text, C::Text(b"a\xff"), "TEXT"), None);
    assert_eq!(of(E::Text, C::Text(b"a\0b"), "TEXT"), None);
    assert_eq!(of(E::Text, C::Blob(b"a"), "TEXT"), None);
    assert_eq!(of(E::Text, C::Int(1), "TEXT"), None);
    assert_eq!(
        of(E::Text, C::Int(1), ""),
        Some(Fit::Stored(Cell::Text("1".into())))
    );
    assert_eq!(of(E::Bytea, C::Text(b"a"), "BLOB"), None);
    assert_eq!(of(E::TimestampTz, C::Int(1), "INTEGER"), None);
    assert_eq!(of(E::Date, C::Text(b"1970-01-02"), "TEXT"), int(1));
}

#[test]
fn comparisons_only_where_they_are_the_same() {
    use Encoding as E;
    assert!(compares(E::Int, &column("INTEGER")));
    assert!(!compares(E::Int, &column("REAL")), "its index rounds");
    assert!(!compares(E::Int, &column("TEXT")));
    assert!(compares(E::Text, &column("TEXT")));
    assert!(!compares(E::Text, &column("")), "it may hold numbers");
    let mut nocase = column("TEXT");
    nocase.binary = false;
    assert!(!compares(E::Text, &nocase));
    assert!(!compares(E::Float4, &column("REAL")));
    assert!(!compares(E::TypeText, &column("TEXT")));
}

#[test]
fn edited_files_of_ours_are_noticed() {
    use CellRef as C;
    use Encoding as E;
    assert!(is_sound(E::Timestamp, false, C::Int(1), true));
    assert!(!is_sound(E::Timestamp, false, C::Text(b"2025-01-01"), true));
    assert!(is_sound(E::Timestamp, true, C::Text(b"2025-01-01"), true));
    assert!(!is_sound(E::Text, true, C::Blob(b"\xff"), true));
    assert!(is_sound(E::Text, true, C::Blob(b"\xff"), false));
    assert!(!is_sound(E::Text, false, C::Text(b"a\0"), false));
    assert!(!is_sound(E::Bool, false, C::Int(7), true));
}

#[test]
fn type_names_of_files_are_no_commands() {
    for good in [
        "integer",
        "numeric(10,2)",
        "character varying(5)",
        "timestamp(3) with time zone",
        "text[]",
        "numeric(3,-2)",
    ] {
        assert!(is_builtin_type(good), "{good}");
    }
    for bad in [
        "",
        "integer)",
        "integer; DROP TABLE x",
        "text OPTIONS (as 'x')",
        "numeric(1,2",
        "numeric()",
        "numeric(a)",
        ")(",
        "public.mood",
        "integer[]x",
        "numeric(1)(2)",
    ] {
        assert!(!is_builtin_type(bad), "{bad}");
    }
}

#[test]
fn numbers_as_text_read_back() {
    for r in [0.0, 1.0, -2.5, 1e300, 5e-324, 0.1, 123_456_789.123] {
        assert_eq!(real_text(r).parse::<f64>().unwrap(), r);
    }
}
