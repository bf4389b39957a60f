use super::*;
use crate::migration::ddl::Ddl;
use crate::migration::ddl::samples::{drop_objects as dropping, name, new, object, part};
use crate::migration::inverse::samples::*;
use ObjectKind as K;

fn none() -> Old {
    Old::default()
}

fn make(object: &Object, if_exists: IfExists) -> Ddl {
    Ddl::Create(Create {
        if_exists,
        ..new(object.clone())
    })
}

fn drop(objects: &[Object], change: fn(&mut DropObjects)) -> Ddl {
    let mut drop = dropping(objects);
    change(&mut drop);
    Ddl::Drop(drop)
}

#[test]
fn new_objects_are_dropped() {
    for (object, sql) in [
        (object(K::View, "s.v"), "DROP VIEW s.v"),
        (object(K::Schema, "s"), "DROP SCHEMA s"),
        (object(K::Extension, "e"), "DROP EXTENSION e"),
        (
            Object::routine(K::Procedure, name("f"), &["text"]),
            "DROP PROCEDURE f(text)",
        ),
        (part(K::Trigger, "x", "t"), "DROP TRIGGER x ON t"),
        (part(K::Policy, "x", "t"), "DROP POLICY x ON t"),
        (object(K::EventTrigger, "x"), "DROP EVENT TRIGGER x"),
        (
            object(K::SearchDictionary, "x"),
            "DROP TEXT SEARCH DICTIONARY x",
        ),
    ] {
        let sql = format!("syntax: {sql}");
        for if_exists in [IfExists::Fails, IfExists::Keeps, IfExists::Replaces] {
            comes_back(&make(&object, if_exists), &none(), &[&sql]);
        }
        let there = none().with(&object, 1, &["x"], &[]);
        comes_back(&make(&object, IfExists::Keeps), &there, &[]);
        comes_back(&make(&object, IfExists::Fails), &there, &[&sql]);
        assert_eq!(note(&make(&object, IfExists::Fails), &none()), "");
    }
    let role = make(&object(K::Role, "r"), IfExists::Fails);
    assert!(note(&role, &none()).starts_with("fails while it owns anything"));
}

#[test]
fn parts_of_new_tables_and_temporary_objects_go_by_themselves() {
    let trigger = part(K::Trigger, "x", "t");
    comes_back(
        &make(&trigger, IfExists::Fails),
        &none().made("TABLE t"),
        &[],
    );
    let view = object(K::View, "v");
    comes_back(
        &make(&view, IfExists::Fails),
        &none().made("VIEW v"),
        &["syntax: DROP VIEW v"],
    );
    let temporary = Ddl::Create(Create {
        temporary: true,
        ..new(view)
    });
    comes_back(&temporary, &none(), &[]);
}

#[test]
fn what_was_replaced_comes_back() {
    let view = object(K::View, "v");
    let replace = make(&view, IfExists::Replaces);
    let old = || {
        none().with(
            &view,
            1,
            &["CREATE VIEW v AS SELECT 1"],
            &["GRANT SELECT ON v TO a"],
        )
    };
    comes_back(
        &replace,
        &old(),
        &[
            "catalog: DROP VIEW v",
            "catalog: CREATE VIEW v AS SELECT 1",
            "catalog: GRANT SELECT ON v TO a",
        ],
    );
    let other = definition(K::View, 2, &["CREATE VIEW w AS SELECT 2"], &[]);
    let used = old().depends(&view, other);
    comes_back(
        &replace,
        &used,
        &["catalog: CREATE OR REPLACE VIEW v AS SELECT 1"],
    );
    assert!(note(&replace, &used).starts_with("fails if the new view has more columns"));
    comes_back(&replace, &old().made("VIEW v"), &[]);
    let function = Object::routine(K::Function, name("f"), &[]);
    let replace = make(&function, IfExists::Replaces);
    let old = none().with(
        &function,
        1,
        &["CREATE OR REPLACE FUNCTION f() ..."],
        &["x"],
    );
    comes_back(
        &replace,
        &old,
        &["catalog: CREATE OR REPLACE FUNCTION f() ..."],
    );
    assert!(note(&replace, &old).starts_with("fails if the new one has more defaults"));
    let trigger = part(K::Trigger, "x", "t");
    let replace = make(&trigger, IfExists::Replaces);
    let old = none().with(&trigger, 1, &["CREATE TRIGGER x ..."], &[]);
    comes_back(
        &replace,
        &old,
        &["catalog: CREATE OR REPLACE TRIGGER x ..."],
    );
    assert_eq!(note(&replace, &old), "");
}

#[test]
fn what_was_dropped_comes_back_oldest_first() {
    let (v, w) = (object(K::View, "v"), object(K::View, "w"));
    let old = none().with(&v, 7, &["CREATE VIEW v"], &["COMMENT v"]).with(
        &w,
        3,
        &["CREATE VIEW w"],
        &["GRANT w"],
    );
    comes_back(
        &drop(&[v.clone(), w.clone()], |_| {}),
        &old,
        &[
            "catalog: CREATE VIEW w",
            "catalog: CREATE VIEW v",
            "catalog: GRANT w",
            "catalog: COMMENT v",
        ],
    );
    let gone = object(K::View, "x");
    let all = [gone, v, w];
    assert_eq!(told(&drop(&all, |d| d.if_exists = true), &old).len(), 4);
    let missing = told(&drop(&all, |_| {}), &old);
    assert_eq!(
        (missing.len(), missing[0].as_str()),
        (5, "manual: -- VIEW x")
    );
}

#[test]
fn rows_do_not_come_back_with_their_table() {
    let (t, u) = (object(K::Table, "t"), object(K::Table, "u"));
    let link = "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u";
    let old = || {
        none()
            .with(
                &t,
                2,
                &["CREATE TABLE t ()", "ALTER TABLE t X"],
                &["CREATE INDEX i", link],
            )
            .with(&u, 1, &["CREATE TABLE u ()"], &[link])
    };
    let both = [t.clone(), u.clone()];
    comes_back(
        &drop(&both, |_| {}),
        &old(),
        &[
            "data_loss: CREATE TABLE u ()",
            "data_loss: CREATE TABLE t ()",
            "catalog: ALTER TABLE t X",
            // what links both, once
            &format!("catalog: {link}"),
            "catalog: CREATE INDEX i",
        ],
    );
    let downs = crate::migration::inverse::invert(&drop(&both, |_| {}), &old());
    assert_eq!(downs[0].note.as_deref(), Some("the rows are lost"));
    assert_eq!(downs[2].note, None);
    // nobody misses the rows of a table that the migration has made
    let made = old().made("TABLE t");
    let all = told(&drop(std::slice::from_ref(&t), |_| {}), &made);
    assert_eq!(all[0], "catalog: CREATE TABLE t ()");
    assert_eq!(
        told(&drop(&both, |_| {}), &made)[0],
        "data_loss: CREATE TABLE u ()"
    );
    let cascade = told(&drop(&[t], |d| d.cascade = true), &made);
    assert_eq!(cascade[0], "data_loss: CREATE TABLE t ()");
}

#[test]
fn cascade_takes_others_along() {
    let type_ = object(K::Type, "e");
    let column = definition(
        K::Column,
        1,
        &["ALTER TABLE t ADD COLUMN c e"],
        &["CREATE INDEX i"],
    );
    let old = none()
        .with(&type_, 5, &["CREATE TYPE e AS ENUM ()"], &[])
        .depends(&type_, column);
    comes_back(
        &drop(std::slice::from_ref(&type_), |_| {}),
        &old,
        &["catalog: CREATE TYPE e AS ENUM ()"],
    );
    let mut later = old;
    later.dependents.get_mut("TYPE e").unwrap()[0].oid = 9;
    comes_back(
        &drop(&[type_], |d| d.cascade = true),
        &later,
        &[
            "catalog: CREATE TYPE e AS ENUM ()",
            "data_loss: ALTER TABLE t ADD COLUMN c e",
            "catalog: CREATE INDEX i",
        ],
    );
}

#[test]
fn indexes_come_back_the_way_they_went() {
    let index = object(K::Index, "i");
    let old = none().with(
        &index,
        1,
        &["CREATE UNIQUE INDEX i ON t USING btree (a)"],
        &["COMMENT ON INDEX i IS 'x'"],
    );
    comes_back(
        &drop(std::slice::from_ref(&index), |_| {}),
        &old,
        &[
            "catalog: CREATE UNIQUE INDEX i ON t USING btree (a)",
            "catalog: COMMENT ON INDEX i IS 'x'",
        ],
    );
    comes_back(
        &drop(&[index], |d| d.concurrently = true),
        &old,
        &[
            "catalog: CREATE UNIQUE INDEX CONCURRENTLY i ON t USING btree (a)",
            "catalog: COMMENT ON INDEX i IS 'x'",
        ],
    );
}

#[test]
fn parts_of_new_tables_need_not_come_back() {
    let trigger = part(K::Trigger, "x", "t");
    let old = none().with(&trigger, 1, &["CREATE TRIGGER x"], &[]);
    comes_back(
        &drop(std::slice::from_ref(&trigger), |_| {}),
        &old,
        &["catalog: CREATE TRIGGER x"],
    );
    comes_back(&drop(&[trigger], |_| {}), &old.made("TABLE t"), &[]);
}

#[test]
fn what_was_altered_is_put_back() {
    let altered = |object: &Object, create: &str, links: &[&str]| {
        let old = none().with(object, 1, &[create], links);
        told(&Ddl::Alter(object.clone()), &old)
    };
    assert_eq!(
        altered(&part(K::Policy, "p", "t"), "CREATE POLICY p ON t", &[]),
        [
            "catalog: DROP POLICY p ON t",
            "catalog: CREATE POLICY p ON t"
        ]
    );
    assert_eq!(
        altered(
            &object(K::Sequence, "s"),
            "CREATE SEQUENCE s INCREMENT BY 1",
            &["ALTER SEQUENCE s OWNED BY NONE"]
        ),
        [
            "catalog: ALTER SEQUENCE s INCREMENT BY 1",
            "catalog: ALTER SEQUENCE s OWNED BY NONE"
        ]
    );
    let function = Object::routine(K::Function, name("f"), &[]);
    assert_eq!(
        altered(&function, "CREATE FUNCTION f() ...", &["GRANT x"]),
        [
            "catalog: CREATE OR REPLACE FUNCTION f() ...",
            "catalog: GRANT x"
        ]
    );
    let publication = object(K::Publication, "p");
    assert_eq!(
        altered(&publication, "CREATE PUBLICATION p", &[]),
        ["manual: -- ALTER PUBLICATION p"]
    );
    let old = none().with(&publication, 1, &["CREATE PUBLICATION p", "y"], &[]);
    let ddl = Ddl::Alter(publication);
    assert_eq!(note(&ddl, &old), "it was: CREATE PUBLICATION p; y");
    comes_back(&ddl, &none(), &["manual: -- PUBLICATION p"]);
    comes_back(&ddl, &old.made("PUBLICATION p"), &[]);
}
