use super::samples::*;
use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::inverse_name::Space;
use ObjectKind as K;

fn none() -> Old {
    Old::default()
}

#[test]
fn new_tables_are_dropped() {
    let new = new_table("s.t", Vec::new(), Vec::new());
    let make = |change: fn(&mut CreateTable)| {
        let mut table = new.clone();
        change(&mut table);
        Ddl::CreateTable(table)
    };
    let there = none().with(&object(K::Table, "s.t"), 1, &["CREATE TABLE s.t ()"], &[]);
    comes_back(&make(|_| {}), &none(), &["syntax: DROP TABLE s.t"]);
    comes_back(&make(|_| {}), &there, &["syntax: DROP TABLE s.t"]);
    comes_back(
        &make(|t| t.if_not_exists = true),
        &none(),
        &["syntax: DROP TABLE s.t"],
    );
    comes_back(&make(|t| t.if_not_exists = true), &there, &[]);
    comes_back(&make(|t| t.temporary = true), &none(), &[]);
    comes_back(
        &make(|t| t.kind = K::ForeignTable),
        &none(),
        &["syntax: DROP FOREIGN TABLE s.t"],
    );
}

#[test]
fn new_indexes_are_dropped() {
    let make = |change: fn(&mut CreateIndex)| {
        let mut index = index("s.t", &["a", "b"]);
        change(&mut index);
        Ddl::CreateIndex(index)
    };
    comes_back(&make(|_| {}), &none(), &["syntax: DROP INDEX s.t_a_b_idx"]);
    let taken = none().taken(Space::Relations, "t_a_b_idx");
    comes_back(&make(|_| {}), &taken, &["syntax: DROP INDEX s.t_a_b_idx1"]);
    // not a constraint's
    let other = none().taken(Space::Constraints, "t_a_b_idx");
    comes_back(&make(|_| {}), &other, &["syntax: DROP INDEX s.t_a_b_idx"]);
    let named = |i: &mut CreateIndex| i.name = Some("My".into());
    comes_back(&make(named), &none(), &["syntax: DROP INDEX s.\"My\""]);
    comes_back(
        &make(|i| i.concurrently = true),
        &none(),
        &["syntax: DROP INDEX CONCURRENTLY s.t_a_b_idx"],
    );
    let kept = |i: &mut CreateIndex| {
        i.name = Some("i".into());
        i.if_not_exists = true;
    };
    comes_back(&make(kept), &none(), &["syntax: DROP INDEX s.i"]);
    let there = none().with(&object(K::Index, "s.i"), 1, &[], &[]);
    comes_back(&make(kept), &there, &[]);
    comes_back(
        &make(|i| i.name = Some("i".into())),
        &there,
        &["syntax: DROP INDEX s.i"],
    );
    comes_back(&make(|_| {}), &none().made("TABLE s.t"), &[]);
}

#[test]
fn names_are_changed_back() {
    for (object, sql) in [
        (object(K::Table, "s.t"), "ALTER TABLE s.n RENAME TO t"),
        (
            object(K::MaterializedView, "t"),
            "ALTER MATERIALIZED VIEW n RENAME TO t",
        ),
        (object(K::Index, "s.My"), "ALTER INDEX s.n RENAME TO \"My\""),
        (object(K::Schema, "s"), "ALTER SCHEMA n RENAME TO s"),
        (object(K::Role, "r"), "ALTER ROLE n RENAME TO r"),
        (
            Object::routine(K::Function, name("f"), &["integer"]),
            "ALTER FUNCTION n(integer) RENAME TO f",
        ),
        (
            part(K::Column, "c", "s.t"),
            "ALTER TABLE s.t RENAME COLUMN n TO c",
        ),
        (
            part(K::Constraint, "c", "t"),
            "ALTER TABLE t RENAME CONSTRAINT n TO c",
        ),
        (
            part(K::Attribute, "c", "t"),
            "ALTER TYPE t RENAME ATTRIBUTE n TO c",
        ),
        (
            part(K::DomainConstraint, "c", "d"),
            "ALTER DOMAIN d RENAME CONSTRAINT n TO c",
        ),
        (
            part(K::Trigger, "c", "t"),
            "ALTER TRIGGER n ON t RENAME TO c",
        ),
        (part(K::Policy, "c", "t"), "ALTER POLICY n ON t RENAME TO c"),
        (
            part(K::Label, "it's", "e"),
            "ALTER TYPE e RENAME VALUE 'n' TO 'it''s'",
        ),
    ] {
        comes_back(&rename(object, "n"), &none(), &[&format!("syntax: {sql}")]);
    }
}

#[test]
fn renaming_what_may_not_be_there() {
    let rename = |object: Object| {
        Ddl::Rename(Rename {
            object,
            to: "n".into(),
            if_exists: true,
        })
    };
    let table = object(K::Table, "t");
    comes_back(&rename(table.clone()), &none(), &[]);
    let there = none().with(&table, 1, &[], &[]);
    comes_back(
        &rename(table.clone()),
        &there,
        &["syntax: ALTER TABLE n RENAME TO t"],
    );
    // the way back drops it by its first name
    comes_back(
        &rename(table),
        &there.made("TABLE t"),
        &["syntax: ALTER TABLE n RENAME TO t"],
    );
    let column = part(K::Column, "c", "t");
    let there = none().with(&column, 1, &[], &[]);
    comes_back(
        &rename(column.clone()),
        &there,
        &["syntax: ALTER TABLE t RENAME COLUMN n TO c"],
    );
    comes_back(&rename(column), &there.made("TABLE t"), &[]);
}

#[test]
fn schemas_are_changed_back() {
    let move_ = |object: Object, if_exists| Ddl::SetSchema {
        object,
        to: "new".into(),
        if_exists,
    };
    let table = object(K::Table, "s.t");
    comes_back(
        &move_(table.clone(), false),
        &none(),
        &["syntax: ALTER TABLE new.t SET SCHEMA s"],
    );
    comes_back(&move_(table, true), &none(), &[]);
    let function = Object::routine(K::Function, name("f"), &["text"]);
    comes_back(
        &move_(function.clone(), false),
        &none(),
        &["manual: -- FUNCTION f(text)"],
    );
    let mut old = none().with(&function, 1, &[], &[]);
    old.schemas.insert("FUNCTION f(text)".into(), "My".into());
    let back = ["catalog: ALTER FUNCTION new.f(text) SET SCHEMA \"My\""];
    comes_back(&move_(function.clone(), false), &old, &back);
    comes_back(&move_(function, true), &old, &back);
}

#[test]
fn owners_come_back() {
    let object = object(K::Schema, "s");
    let ddl = Ddl::SetOwner {
        object: object.clone(),
    };
    comes_back(&ddl, &none(), &["manual: -- SCHEMA s"]);
    assert_eq!(
        note(&ddl, &none()),
        "SCHEMA s was not found before the statement"
    );
    let mut old = none();
    old.owners.insert("SCHEMA s".into(), "My".into());
    comes_back(&ddl, &old, &["catalog: ALTER SCHEMA s OWNER TO \"My\""]);
    comes_back(&ddl, &old.made("SCHEMA s"), &[]);
}

#[test]
fn labels_stay() {
    let add = |if_not_exists| Ddl::AddLabel {
        type_: name("e"),
        label: "it's".into(),
        if_not_exists,
    };
    comes_back(
        &add(false),
        &none(),
        &["manual: -- ALTER TYPE e without the label 'it''s'"],
    );
    assert!(note(&add(false), &none()).starts_with("a label cannot be removed: "));
    let there = none().with(&part(K::Label, "it's", "e"), 1, &[], &[]);
    comes_back(&add(true), &there, &[]);
    assert_eq!(told(&add(true), &none()).len(), 1);
    assert_eq!(told(&add(false), &there).len(), 1);
    comes_back(&add(false), &none().made("TYPE e"), &[]);
}
