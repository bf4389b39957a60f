use super::*;
use crate::migration::ddl::samples::{name, object, part};

#[test]
fn objects_are_named_as_drop_names_them() {
    use ObjectKind as K;
    for (object, sql) in [
        (object(K::Table, "s.Order"), "TABLE s.\"Order\""),
        (object(K::MaterializedView, "v"), "MATERIALIZED VIEW v"),
        (part(K::Column, "c", "s.t"), "COLUMN s.t.c"),
        (part(K::Attribute, "c", "t"), "ATTRIBUTE t.c"),
        (part(K::Trigger, "x", "t"), "TRIGGER x ON t"),
        (part(K::Policy, "my x", "t"), "POLICY \"my x\" ON t"),
        (part(K::Constraint, "c", "t"), "CONSTRAINT c ON t"),
        (
            part(K::DomainConstraint, "c", "d"),
            "CONSTRAINT c ON DOMAIN d",
        ),
        (
            Object::routine(K::Function, name("f"), &["integer", "s.t[]"]),
            "FUNCTION f(integer, s.t[])",
        ),
        (Object::routine(K::Function, name("f"), &[]), "FUNCTION f()"),
        (
            Object::routine(K::Aggregate, name("f"), &[]),
            "AGGREGATE f(*)",
        ),
        (object(K::Function, "f"), "FUNCTION f"),
        (
            object(K::SearchConfiguration, "c"),
            "TEXT SEARCH CONFIGURATION c",
        ),
    ] {
        assert_eq!(object.sql(), sql);
    }
    assert_eq!(part(K::Column, "c", "s.t").plain(), "s.t.c");
    assert_eq!(object(K::Table, "s.t").plain(), "s.t");
    assert_eq!(object(K::Table, "s.t").renamed("u").sql(), "TABLE s.u");
    assert_eq!(
        part(K::Trigger, "x", "t").renamed("y").sql(),
        "TRIGGER y ON t"
    );
}

#[test]
fn kinds_fall_into_groups() {
    use ObjectKind as K;
    let count = |is: fn(K) -> bool| {
        let all = ObjectKind::WORDS.iter().filter_map(|w| ObjectKind::of(w));
        all.filter(|k| is(*k)).count()
    };
    assert_eq!(count(ObjectKind::is_relation), 6);
    assert_eq!(count(ObjectKind::is_part), 8);
    assert_eq!(count(ObjectKind::is_routine), 4);
    assert!(K::Index.is_relation() && !K::Type.is_relation());
    assert!(K::Label.is_part() && !K::Table.is_part());
    assert!(K::Procedure.is_routine() && !K::View.is_routine());
}

#[test]
fn a_search_path_has_no_say_in_some_names() {
    use ObjectKind as K;
    for kind in [
        K::Schema,
        K::Role,
        K::Extension,
        K::Publication,
        K::EventTrigger,
        K::Server,
    ] {
        assert!(object(kind, "x").names().is_empty(), "{kind:?}");
    }
    assert_eq!(object(K::Type, "x").names(), [&name("x")]);
    assert_eq!(part(K::Rule, "x", "t").names(), [&name("t")]);
}

#[test]
fn roles_as_sql() {
    let all = [
        Role::Named("My".into()),
        Role::Public,
        Role::CurrentRole,
        Role::CurrentUser,
        Role::SessionUser,
    ];
    let sql: Vec<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(
        sql,
        [
            "\"My\"",
            "PUBLIC",
            "CURRENT_ROLE",
            "CURRENT_USER",
            "SESSION_USER"
        ]
    );
}
