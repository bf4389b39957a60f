use super::*;
use crate::migration::lint::samples::*;

fn index(name: &str, leading: &[&str]) -> Index {
    Index {
        name: name.into(),
        method: "btree".into(),
        unique: false,
        of_constraint: false,
        leading: leading.iter().map(|c| (*c).to_owned()).collect(),
        plain: true,
        partial: false,
        made_at: None,
    }
}

#[test]
fn an_index_serves_its_leading_columns() {
    let i = index("i", &["a", "b", "c"]);
    let serves = |columns: &[&str]| {
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        i.serves(&columns)
    };
    assert!(serves(&["a"]) && serves(&["b", "a"]) && serves(&["c", "b", "a"]));
    assert!(!serves(&["b"]) && !serves(&["a", "c"]) && !serves(&["a", "b", "c", "d"]));
}

#[test]
fn equal_indexes_have_the_same_columns_in_order() {
    let i = index("i", &["a", "b"]);
    assert!(i.equals(&index("j", &["a", "b"])));
    assert!(!i.equals(&index("j", &["b", "a"])));
    let odd = Index {
        plain: false,
        ..index("j", &["a", "b"])
    };
    assert!(!i.equals(&odd) && !odd.equals(&i) && !odd.equals(&odd));
}

#[test]
fn columns_keep_their_names_in_the_catalog() {
    let catalog = Catalog::with("t", 1);
    let relation = catalog.relations[&stored("t")];
    let mut t = Table::stored(stored("t"), relation);
    assert_eq!(t.column("a").stored.as_deref(), Some("a"));
    t.rename_column(&catalog, "a", "b");
    assert_eq!(t.column("b").stored.as_deref(), Some("a"));
    assert!(t.is_added("b") && !t.is_added("a"));
    t.add_column("c", "text", true);
    assert!(t.is_made_column("c") && !t.is_made_column("d"));
    assert_eq!(t.column("c").not_null, Some(true));
    t.rename_column(&catalog, "c", "e");
    assert!(t.is_added("e") && !t.is_added("c") && t.is_made_column("e"));
    t.rename_column(&catalog, "e", "c");
    t.drop_column(&catalog, "c");
    assert!(!t.is_added("c"));
    assert!(Table::made().is_made_column("a"));
}

#[test]
fn constraints_and_keys_go_with_their_column_or_name() {
    let mut catalog = Catalog::with("t", 1);
    catalog.index_of("t", "i", &["a", "b"]);
    catalog.index_of("t", "j", &["b"]);
    let relation = catalog.relations[&stored("t")];
    let mut t = Table::stored(stored("t"), relation);
    let added = |column: &str| Added {
        foreign_key: false,
        valid: true,
        not_null: vec![column.into()],
        within: (1, 0),
    };
    let key = |name: &str, column: &str| ForeignKey {
        name: name.into(),
        columns: vec![column.into()],
        at: 0,
    };
    t.constraints.insert("k".into(), added("a"));
    t.constraints.insert("l".into(), added("b"));
    t.foreign_keys = vec![key("f", "a"), key("g", "b")];
    t.rename_column(&catalog, "b", "x");
    assert!(t.is_checked_not_null("x") && !t.is_checked_not_null("b"));
    t.rename_constraint(&catalog, "g", "h");
    let mut dropped = t.clone();
    dropped.drop_column(&catalog, "a");
    assert_eq!(dropped.foreign_keys, [key("h", "x")]);
    let left: Vec<&str> = dropped
        .indexes(&catalog)
        .iter()
        .map(|i| i.name.as_str())
        .collect();
    assert_eq!(left, ["j"]);
    assert!(!dropped.is_checked_not_null("a") && dropped.is_checked_not_null("x"));
    t.drop_constraint(&catalog, "h");
    assert_eq!(t.foreign_keys, [key("f", "a")]);
    t.drop_constraint(&catalog, "k");
    assert!(!t.is_checked_not_null("a"));
    // an index of that name is no constraint
    t.drop_constraint(&catalog, "i");
    assert_eq!(t.indexes(&catalog).len(), 2);
    t.rename_constraint(&catalog, "j", "y");
    assert!(t.has_known_index("j") && !t.has_known_index("y"));
    t.indexes(&catalog)[1].of_constraint = true;
    t.rename_constraint(&catalog, "j", "y");
    assert!(t.has_known_index("y") && !t.has_new_index());
    t.drop_constraint(&catalog, "y");
    assert_eq!(t.indexes(&catalog).len(), 1);
    t.rename_constraint(&catalog, "l", "m");
    assert!(t.constraints.contains_key("m") && !t.constraints.contains_key("l"));
}
