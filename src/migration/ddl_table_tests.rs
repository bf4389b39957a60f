use super::*;
use crate::migration::ddl::samples::*;

#[test]
fn columns_that_fill_themselves() {
    let plain = column("a", "text");
    assert!(!plain.fills_itself());
    let null = DefaultValue {
        null: true,
        calls: Vec::new(),
    };
    let with = |default| Column {
        default,
        ..plain.clone()
    };
    assert!(!with(Some(null)).fills_itself());
    assert!(with(default("")).fills_itself());
    assert!(column("a", "bigserial").fills_itself());
    let identity = Column {
        identity: true,
        ..plain.clone()
    };
    assert!(identity.fills_itself());
    for generated in [Generated::Stored, Generated::Virtual] {
        let generated = Some(generated);
        assert!(
            Column {
                generated,
                ..plain.clone()
            }
            .fills_itself()
        );
    }
}

#[test]
fn serial_is_a_word_of_its_own() {
    for word in [
        "serial",
        "serial2",
        "serial4",
        "serial8",
        "smallserial",
        "bigserial",
    ] {
        assert!(column("a", word).is_serial(), "{word}");
    }
    for word in ["s.serial", "pg_catalog.int4", "Serial"] {
        assert!(!column("a", word).is_serial(), "{word}");
    }
}

#[test]
fn constraints_of_columns_come_first() {
    let key = column("a", "text").with(primary_key(&["a"]));
    assert!(key.is_primary_key());
    assert!(!column("a", "text").with(unique(&["a"])).is_primary_key());
    let table = new_table("t", vec![key], vec![check(&["a"], &[])]);
    let kinds: Vec<bool> = table
        .all_constraints()
        .map(|c| matches!(c.kind, ConstraintKind::Check(_)))
        .collect();
    assert_eq!(kinds, [false, true]);
    assert_eq!(foreign_key(&["a"], "s.t").referenced(), Some(&name("s.t")));
    assert_eq!(unique(&["a"]).referenced(), None);
}

#[test]
fn leading_columns_end_at_an_expression() {
    let mut i = index("t", &["a", "b", "c"]);
    assert_eq!(i.leading_columns(), ["a", "b", "c"]);
    i.keys[1].column = None;
    assert_eq!(i.leading_columns(), ["a"]);
}

#[test]
fn firing_as_sql() {
    use Firing::{Always, Disabled, Origin, Replica};
    let sql = [Origin, Disabled, Replica, Always].map(Firing::sql);
    assert_eq!(
        sql,
        ["ENABLE", "DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"]
    );
}
