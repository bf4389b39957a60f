use super::*;

/// 1 `id`, 2 `ts` timestamptz with NULLs, 3 `odd` mixed, 4 added later, 5 `f` float.
fn manifest() -> Manifest {
    let column = |attnum, name: &str, encoding| FileColumn {
        attnum,
        physical: Some(name.into()),
        encoding,
        ..FileColumn::default()
    };
    Manifest {
        rows: 10,
        raw_table: "m_raw".into(),
        rowid_name: "rowid".into(),
        columns: vec![
            FileColumn {
                min: Some(Cell::Int(-3)),
                max: Some(Cell::Int(8)),
                ..column(1, "id", Encoding::Int)
            },
            FileColumn {
                has_nulls: true,
                nulls: Some(4),
                min: Some(Cell::Int(-7)),
                max: Some(Cell::Int(1_000)),
                ..column(2, "t\"s", Encoding::TimestampTz)
            },
            FileColumn {
                mixed: true,
                ..column(3, "odd", Encoding::Int)
            },
            FileColumn {
                physical: None,
                missing: Some("7".into()),
                ..column(4, "", Encoding::Int)
            },
            column(5, "f", Encoding::Float8),
        ],
        ..Manifest::default()
    }
}

fn bucket(width_us: i64, origin_us: i64) -> Output {
    Output::Bucket {
        attnum: 2,
        width_us,
        origin_us,
    }
}

#[test]
fn statements_name_columns_once_and_quote() {
    let keyed = [
        Output::Key(1),
        bucket(60, 125),
        Output::Rows,
        Output::Average(1),
        Output::Min(2),
    ];
    assert_eq!(
        rows(&manifest(), &keyed, "(\"id\" = ?1)", Some(2)),
        "SELECT \"id\", \"t\"\"s\" FROM \"m_raw\" NOT INDEXED \
         WHERE (\"rowid\" BETWEEN ?2 AND ?3) AND (\"id\" = ?1)"
    );
    assert_eq!(
        rows(&manifest(), &[Output::Rows], "", None),
        "SELECT 1 FROM \"m_raw\""
    );
    let outputs = [Output::Rows, Output::Average(1), Output::Max(2)];
    assert_eq!(
        whole(&manifest(), &outputs, "", None),
        "SELECT COUNT(*), COUNT(\"id\"), SUM(\"id\"), MAX(\"t\"\"s\") FROM \"m_raw\""
    );
}

#[test]
fn only_what_the_file_holds_in_plain_form_is_served() {
    let m = manifest();
    let serves = |output, encoding| super::serves(&m, output, encoding);
    for output in [Output::Key(1), Output::Sum(1), Output::Min(1)] {
        assert!(serves(output, Encoding::Int));
        assert!(!serves(output, Encoding::Oid), "another type now");
    }
    for attnum in [3, 4, 9] {
        assert!(!serves(Output::Key(attnum), Encoding::Int));
        assert!(!serves(Output::Max(attnum), Encoding::Int));
        assert!(!serves(Output::Average(attnum), Encoding::Int));
    }
    assert!(serves(Output::Count(3), Encoding::Int));
    assert!(!serves(Output::Count(4), Encoding::Int));
    assert!(!serves(Output::Sum(5), Encoding::Float8));
    let mut many = manifest();
    many.rows = MOST_SUMMED;
    assert!(!super::serves(&many, Output::Sum(1), Encoding::Int));
}

#[test]
fn floats_are_served_where_no_zero_can_be() {
    let mut m = manifest();
    let mut with = |min: f64, max: Cell| {
        m.columns[4].min = Some(Cell::Real(min));
        m.columns[4].max = Some(max);
        serves(&m, Output::Min(5), Encoding::Float8) && serves(&m, Output::Key(5), Encoding::Float8)
    };
    assert!(with(0.5, Cell::Text("NaN".into())));
    assert!(with(-2.0, Cell::Real(-0.5)));
    assert!(!with(-2.0, Cell::Real(0.0)));
    assert!(!with(-0.0, Cell::Real(3.0)));
    assert!(!with(-1.0, Cell::Text("NaN".into())));
    assert!(!serves(&manifest(), Output::Max(5), Encoding::Float8));
}

#[test]
fn buckets_need_finite_times() {
    let mut m = manifest();
    let at = |m: &Manifest, width| serves(m, bucket(width, 0), Encoding::TimestampTz);
    assert!(at(&m, 60));
    assert!(!at(&m, 0) && !at(&m, i64::MAX));
    assert!(!serves(&m, bucket(60, 0), Encoding::Int));
    for far in [i64::MAX, FAR_US] {
        m.columns[1].max = Some(Cell::Int(far));
        assert!(!at(&m, 60));
    }
    m.columns[1].max = None;
    assert!(!at(&m, 60));
    // the first timestamp of all, whose bucket may begin before it
    let first = -211_813_488_000_000_000 + 946_684_800_000_000;
    m.columns[1].min = Some(Cell::Int(first));
    m.columns[1].max = Some(Cell::Int(first));
    assert!(at(&m, 1));
    assert!(!at(&m, 7_000_000_000_000));
}

#[test]
fn the_manifest_answers_whole_files() {
    let m = manifest();
    let known = [
        Output::Rows,
        Output::Count(2),
        Output::Count(1),
        Output::Min(1),
        Output::Max(2),
    ];
    let expected = [10, 6, 10, -3, 1000].map(Cell::Int).to_vec();
    assert_eq!(from_manifest(&m, &known), Some(expected));
    for unknown in [Output::Sum(1), Output::Key(1), Output::Min(5)] {
        assert_eq!(from_manifest(&m, &[Output::Rows, unknown]), None);
    }
}

#[test]
fn outputs_travel_as_numbers() {
    let outputs = [
        Output::Key(7),
        Output::Rows,
        Output::Count(1),
        Output::Sum(2),
        Output::Average(3),
        Output::Min(4),
        Output::Max(5),
        bucket(86_400_000_000, -5),
        bucket(i64::MAX, i64::MIN),
    ];
    let mut numbers = vec![];
    outputs.iter().for_each(|o| o.write(&mut numbers));
    let mut numbers = numbers.into_iter();
    for output in outputs {
        assert_eq!(Output::read(&mut numbers), Some(output));
    }
    assert_eq!(Output::read(&mut numbers), None);
}
