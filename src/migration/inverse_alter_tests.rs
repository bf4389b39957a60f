use super::*;
use crate::migration::ddl::Ddl;
use crate::migration::ddl::samples::{
    add, alter, altered, check, constraint, foreign_key, name, object, part, primary_key,
    primary_key_using, strings, unique,
};
use crate::migration::inverse::samples::*;
use crate::migration::inverse_name::Space;
use ObjectKind as K;

fn none() -> Old {
    Old::default()
}

#[test]
fn commands_are_taken_back_from_the_last_to_the_first() {
    let commands = vec![
        AlterCommand::AddConstraint(check(&["a"], &[]).named("k")),
        AlterCommand::AddConstraint(unique(&["a"])),
        AlterCommand::Inherit(name("p")),
    ];
    let mut ddl = altered("s.t", commands);
    comes_back(
        &Ddl::AlterTable(ddl.clone()),
        &none(),
        &[
            "syntax: ALTER TABLE s.t NO INHERIT p",
            "syntax: ALTER TABLE s.t DROP CONSTRAINT t_a_key",
            "syntax: ALTER TABLE s.t DROP CONSTRAINT k",
        ],
    );
    ddl.only = true;
    let first = told(&Ddl::AlterTable(ddl.clone()), &none()).remove(0);
    assert_eq!(first, "syntax: ALTER TABLE ONLY s.t NO INHERIT p");
    ddl.if_exists = true;
    comes_back(&Ddl::AlterTable(ddl.clone()), &none(), &[]);
    let there = none().with(&object(K::Table, "s.t"), 1, &[], &[]);
    assert_eq!(told(&Ddl::AlterTable(ddl.clone()), &there).len(), 3);
    comes_back(&Ddl::AlterTable(ddl), &there.made("TABLE s.t"), &[]);
}

#[test]
fn constraints_are_dropped_by_the_names_they_get() {
    let drop = |name: &str| format!("syntax: ALTER TABLE t DROP CONSTRAINT {name}");
    let fk = add("t", foreign_key(&["a"], "p"));
    comes_back(&fk, &none(), &[&drop("t_a_fkey")]);
    let taken = none().taken(Space::Constraints, "t_a_fkey");
    comes_back(&fk, &taken, &[&drop("t_a_fkey1")]);
    comes_back(
        &add("t", check(&["a"], &[]).named("My")),
        &none(),
        &[&drop("\"My\"")],
    );
    let not_null = constraint(ConstraintKind::NotNull, &["a"]);
    comes_back(&add("t", not_null), &none(), &[&drop("t_a_not_null")]);
    // two of one statement do not get one name
    let two = vec![
        AlterCommand::AddConstraint(check(&["a"], &[])),
        AlterCommand::AddConstraint(check(&["a"], &[])),
    ];
    comes_back(
        &Ddl::AlterTable(altered("t", two)),
        &none(),
        &[&drop("t_a_check1"), &drop("t_a_check")],
    );
}

#[test]
fn a_primary_key_leaves_not_null_behind() {
    let old = || {
        let old = none().column("t.a", "integer", |_| {});
        old.column("t.b", "integer", |c| c.not_null = true)
    };
    let drop = "syntax: ALTER TABLE t DROP CONSTRAINT t_pkey";
    let null = "catalog: ALTER TABLE t ALTER COLUMN a DROP NOT NULL";
    comes_back(&add("t", primary_key(&["a", "b"])), &old(), &[drop, null]);
    comes_back(&add("t", primary_key(&["b", "new"])), &old(), &[drop]);
    let fk = "syntax: ALTER TABLE t DROP CONSTRAINT t_a_fkey";
    comes_back(&add("t", foreign_key(&["a"], "p")), &old(), &[fk]);
    comes_back(
        &add("t", unique(&["a"])),
        &old(),
        &["syntax: ALTER TABLE t DROP CONSTRAINT t_a_key"],
    );
    let mut old = old().with(
        &object(K::Index, "i"),
        1,
        &["CREATE UNIQUE INDEX i ON t (a)"],
        &[],
    );
    old.index_columns.insert("i".into(), strings(&["a", "b"]));
    comes_back(
        &add("t", primary_key_using("i").named("k")),
        &old,
        &[
            "syntax: ALTER TABLE t DROP CONSTRAINT k",
            "catalog: CREATE UNIQUE INDEX i ON t (a)",
            null,
        ],
    );
    let kind = ConstraintKind::Unique {
        using_index: Some("i".into()),
        include: Vec::new(),
    };
    comes_back(
        &add("t", constraint(kind, &[])),
        &old,
        &[
            "syntax: ALTER TABLE t DROP CONSTRAINT i",
            "catalog: CREATE UNIQUE INDEX i ON t (a)",
        ],
    );
    let none_there = told(&add("t", primary_key_using("i")), &none());
    assert_eq!(none_there[1..], ["manual: -- INDEX i"]);
    // the index of a table in a schema is there as well
    let old = none().with(&object(K::Index, "s.i"), 1, &["CREATE INDEX"], &[]);
    let back = told(&add("s.t", primary_key_using("i")), &old);
    assert_eq!(back[1], "catalog: CREATE INDEX");
}

#[test]
fn dropped_constraints_come_back() {
    let drop = |if_exists, cascade| {
        let name = "k".to_owned();
        alter(
            "t",
            AlterCommand::DropConstraint {
                name,
                if_exists,
                cascade,
            },
        )
    };
    let k = part(K::Constraint, "k", "t");
    let fk = definition(
        K::Constraint,
        0,
        &["ALTER TABLE u ADD CONSTRAINT f ..."],
        &[],
    );
    let old = none()
        .with(&k, 1, &["ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)"], &[])
        .depends(&k, fk);
    let back = "catalog: ALTER TABLE t ADD CONSTRAINT k UNIQUE (a)";
    comes_back(&drop(false, false), &old, &[back]);
    comes_back(
        &drop(true, true),
        &old,
        &["catalog: ALTER TABLE u ADD CONSTRAINT f ...", back],
    );
    comes_back(&drop(true, false), &none(), &[]);
    comes_back(
        &drop(false, false),
        &none(),
        &["manual: -- CONSTRAINT k ON t"],
    );
}

#[test]
fn a_constraint_becomes_not_valid_again() {
    let ddl = alter("t", AlterCommand::ValidateConstraint("k".into()));
    let k = part(K::Constraint, "k", "t");
    let made = "ALTER TABLE t ADD CONSTRAINT k CHECK (a > 0)";
    comes_back(&ddl, &none().with(&k, 1, &[made], &[]), &[]);
    let not_valid = format!("{made} NOT VALID");
    comes_back(
        &ddl,
        &none().with(&k, 1, &[&not_valid], &[]),
        &[
            "catalog: ALTER TABLE t DROP CONSTRAINT k",
            &format!("catalog: {not_valid}"),
        ],
    );
    comes_back(&ddl, &none(), &["manual: -- CONSTRAINT k ON t"]);
}

#[test]
fn constraints_are_checked_when_they_were() {
    let ddl = alter("t", AlterCommand::AlterConstraint("K".into()));
    let k = part(K::Constraint, "K", "t");
    let made = "ALTER TABLE t ADD CONSTRAINT \"K\" FOREIGN KEY (a) REFERENCES u(a)";
    for (how, back) in [
        ("", "NOT DEFERRABLE"),
        (" DEFERRABLE", "DEFERRABLE INITIALLY IMMEDIATE"),
        (
            " DEFERRABLE INITIALLY DEFERRED",
            "DEFERRABLE INITIALLY DEFERRED",
        ),
    ] {
        let old = none().with(&k, 1, &[&format!("{made}{how}")], &[]);
        let sql = format!("catalog: ALTER TABLE t ALTER CONSTRAINT \"K\" {back}");
        comes_back(&ddl, &old, &[&sql]);
    }
    comes_back(&ddl, &none(), &["manual: -- CONSTRAINT \"K\" ON t"]);
}

#[test]
fn partitions() {
    let attach = |parent: &str| alter(parent, AlterCommand::AttachPartition(name("s.c")));
    comes_back(
        &attach("t"),
        &none(),
        &["syntax: ALTER TABLE t DETACH PARTITION s.c"],
    );
    assert!(note(&attach("t"), &none()).contains("ATTACH"));
    // the parent would take it along
    let parent = || none().made("TABLE t");
    comes_back(
        &attach("t"),
        &parent(),
        &["syntax: ALTER TABLE t DETACH PARTITION s.c"],
    );
    comes_back(&attach("t"), &parent().made("TABLE s.c"), &[]);
    comes_back(
        &attach("t"),
        &none().made("TABLE s.c"),
        &["syntax: ALTER TABLE t DETACH PARTITION s.c"],
    );
    let mut index = altered("i", vec![AlterCommand::AttachPartition(name("j"))]);
    index.kind = K::Index;
    comes_back(
        &Ddl::AlterTable(index),
        &none(),
        &["manual: -- ALTER INDEX i DETACH PARTITION j"],
    );
    let detach = AlterCommand::DetachPartition {
        child: name("c"),
        concurrently: true,
    };
    let detach = alter("t", detach);
    let mut old = none();
    old.bounds
        .insert("c".into(), "FOR VALUES FROM (1) TO (2)".into());
    comes_back(
        &detach,
        &old,
        &["catalog: ALTER TABLE t ATTACH PARTITION c FOR VALUES FROM (1) TO (2)"],
    );
    comes_back(&detach, &none(), &["manual: -- TABLE c"]);
}

#[test]
fn parents_and_owners() {
    let inherit = alter("t", AlterCommand::Inherit(name("s.p")));
    comes_back(&inherit, &none(), &["syntax: ALTER TABLE t NO INHERIT s.p"]);
    let no_inherit = alter("t", AlterCommand::NoInherit(name("s.p")));
    comes_back(&no_inherit, &none(), &["syntax: ALTER TABLE t INHERIT s.p"]);
    let mut old = none();
    old.owners.insert("TABLE t".into(), "a".into());
    comes_back(
        &alter("t", AlterCommand::SetOwner),
        &old,
        &["catalog: ALTER TABLE t OWNER TO a"],
    );
    comes_back(
        &alter("t", AlterCommand::Other),
        &none(),
        &["manual: -- ALTER TABLE t ..."],
    );
    let mut view = altered("v", vec![AlterCommand::SetOwner]);
    view.kind = K::View;
    old.owners.insert("VIEW v".into(), "b".into());
    comes_back(
        &Ddl::AlterTable(view),
        &old,
        &["catalog: ALTER VIEW v OWNER TO b"],
    );
}

#[track_caller]
fn wide(command: AlterCommand, change: impl FnOnce(&mut OldRelation), expected: &[&str]) {
    let old = none().relation("t", change);
    let expected: Vec<String> = expected
        .iter()
        .map(|e| format!("catalog: ALTER TABLE t {e}"))
        .collect();
    assert_eq!(told(&alter("t", command), &old), expected);
}

#[test]
fn what_is_set_for_all_of_a_table() {
    use AlterCommand as C;
    wide(
        C::RowSecurity(true),
        |_| {},
        &["DISABLE ROW LEVEL SECURITY"],
    );
    wide(C::RowSecurity(true), |r| r.row_security = true, &[]);
    wide(
        C::RowSecurity(false),
        |r| r.row_security = true,
        &["ENABLE ROW LEVEL SECURITY"],
    );
    wide(
        C::ForceRowSecurity(true),
        |_| {},
        &["NO FORCE ROW LEVEL SECURITY"],
    );
    wide(C::ForceRowSecurity(false), |_| {}, &[]);
    wide(
        C::ForceRowSecurity(false),
        |r| r.force_row_security = true,
        &["FORCE ROW LEVEL SECURITY"],
    );
    wide(C::SetLogged(false), |_| {}, &["SET LOGGED"]);
    wide(C::SetLogged(true), |_| {}, &[]);
    wide(C::SetLogged(true), |r| r.logged = false, &["SET UNLOGGED"]);
    wide(
        C::SetTablespace,
        |r| r.tablespace = "Fast".into(),
        &["SET TABLESPACE \"Fast\""],
    );
    wide(C::SetAccessMethod, |_| {}, &["SET ACCESS METHOD heap"]);
    wide(C::ClusterOn, |_| {}, &["SET WITHOUT CLUSTER"]);
    wide(
        C::ClusterOn,
        |r| r.clustered_on = Some("i".into()),
        &["CLUSTER ON i"],
    );
    wide(
        C::ReplicaIdentity,
        |r| r.replica_identity = "USING INDEX i".into(),
        &["REPLICA IDENTITY USING INDEX i"],
    );
    let options = || C::SetOptions(strings(&["fillfactor", "toast.x", "y"]));
    wide(options(), |_| {}, &["RESET (fillfactor, toast.x, y)"]);
    let some = vec![
        ("toast.x".to_owned(), "7".to_owned()),
        ("z".to_owned(), "8".to_owned()),
    ];
    wide(
        options(),
        |r| r.options = some,
        &["SET (toast.x = 7)", "RESET (fillfactor, y)"],
    );
    comes_back(
        &alter("t", C::SetTablespace),
        &none(),
        &["manual: -- TABLE t"],
    );
}

#[test]
fn triggers_and_rules_fire_as_they_did() {
    use Firing::{Always, Disabled, Origin, Replica};
    let named = |firing| AlterCommand::SetTrigger(Triggers::Named("B".into()), firing);
    let all = |firing| AlterCommand::SetTrigger(Triggers::All, firing);
    let user = |firing| AlterCommand::SetTrigger(Triggers::User, firing);
    let some = |r: &mut OldRelation| {
        r.triggers = fires(&[
            ("a", Origin),
            ("B", Always),
            ("c", Disabled),
            ("d", Replica),
        ]);
    };
    wide(named(Disabled), some, &["ENABLE ALWAYS TRIGGER \"B\""]);
    wide(named(Disabled), |_| {}, &[]);
    wide(
        all(Disabled),
        some,
        &[
            "ENABLE TRIGGER ALL",
            "ENABLE ALWAYS TRIGGER \"B\"",
            "DISABLE TRIGGER c",
            "ENABLE REPLICA TRIGGER d",
        ],
    );
    wide(user(Disabled), |_| {}, &["ENABLE TRIGGER USER"]);
    wide(all(Origin), |_| {}, &[]);
    wide(
        user(Origin),
        |r| r.triggers = fires(&[("c", Disabled)]),
        &["DISABLE TRIGGER c"],
    );
    let rule = || AlterCommand::SetRule("B".into(), Disabled);
    wide(
        rule(),
        |r| r.rules = fires(&[("a", Origin), ("B", Origin)]),
        &["ENABLE RULE \"B\""],
    );
    wide(rule(), some, &[]);
}
