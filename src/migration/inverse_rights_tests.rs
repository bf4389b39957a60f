use super::*;
use crate::migration::ddl::Ddl;
use crate::migration::ddl::samples::{object, part, strings};
use crate::migration::inverse::samples::*;
use ObjectKind as K;

fn none() -> Old {
    Old::default()
}

/// Privileges with `*` are grantable.
fn held(old: Old, object: &str, role: &str, privileges: &[&str]) -> Old {
    let mut old = old;
    let held = privileges.iter().map(|p| Held {
        privilege: p.trim_end_matches('*').to_owned(),
        grantable: p.ends_with('*'),
    });
    let key = (object.to_owned(), role.to_owned());
    old.privileges.insert(key, held.collect());
    old
}

/// `SELECT`, or `SELECT a b` of columns.
fn of(privileges: &[&str]) -> Vec<Privilege> {
    let privilege = |text: &&str| {
        let mut words = text.split(' ').map(str::to_owned);
        Privilege {
            name: words.next().unwrap_or_default(),
            columns: words.collect(),
        }
    };
    privileges.iter().map(privilege).collect()
}

fn grants(privileges: &[&str], objects: &[Object], roles: &[&str]) -> Grant {
    let role = |name: &&str| match *name {
        "PUBLIC" => Role::Public,
        name => Role::Named(name.to_owned()),
    };
    Grant {
        revoke: false,
        privileges: of(privileges),
        on: Targets::Objects(objects.to_vec()),
        roles: roles.iter().map(role).collect(),
        grant_option: false,
    }
}

fn revokes(grant: Grant) -> Ddl {
    Ddl::Grant(Grant {
        revoke: true,
        ..grant
    })
}

#[test]
fn comments() {
    let column = part(K::Column, "c", "t");
    let ddl = Ddl::Comment(column);
    comes_back(&ddl, &none(), &["catalog: COMMENT ON COLUMN t.c IS NULL"]);
    let mut old = none();
    old.comments.insert("COLUMN t.c".into(), "it's".into());
    comes_back(&ddl, &old, &["catalog: COMMENT ON COLUMN t.c IS 'it''s'"]);
    comes_back(&ddl, &old.made("TABLE t"), &[]);
}

#[test]
fn what_nobody_held_is_taken_away_at_once() {
    let (t, v) = (object(K::Table, "t"), object(K::View, "s.v"));
    let ddl = Ddl::Grant(grants(
        &["SELECT", "INSERT"],
        &[t.clone(), v.clone()],
        &["a", "PUBLIC"],
    ));
    let all = "syntax: REVOKE SELECT, INSERT ON TABLE t, s.v FROM a, PUBLIC";
    comes_back(&ddl, &none(), &[all]);
    // what is held besides does not matter
    let other = held(none(), "TABLE t", "a", &["DELETE"]);
    comes_back(&ddl, &other, &[all]);
    comes_back(
        &ddl,
        &none().made("TABLE t"),
        &["syntax: REVOKE SELECT, INSERT ON TABLE s.v FROM a, PUBLIC"],
    );
    comes_back(&ddl, &none().made("TABLE t").made("VIEW s.v"), &[]);
    let all = Ddl::Grant(grants(&[], &[t], &["a"]));
    comes_back(
        &all,
        &none(),
        &["syntax: REVOKE ALL PRIVILEGES ON TABLE t FROM a"],
    );
}

#[test]
fn kinds_have_their_words() {
    for (object, word) in [
        (object(K::MaterializedView, "x"), "TABLE x"),
        (object(K::ForeignTable, "x"), "TABLE x"),
        (object(K::Server, "x"), "FOREIGN SERVER x"),
        (object(K::ForeignDataWrapper, "x"), "FOREIGN DATA WRAPPER x"),
        (object(K::Schema, "x"), "SCHEMA x"),
        (
            Object::routine(
                K::Function,
                crate::migration::ddl::Name::bare("x"),
                &["text"],
            ),
            "FUNCTION x(text)",
        ),
    ] {
        let ddl = Ddl::Grant(grants(&["USAGE"], &[object], &["a"]));
        comes_back(
            &ddl,
            &none(),
            &[&format!("syntax: REVOKE USAGE ON {word} FROM a")],
        );
    }
}

#[test]
fn what_was_held_before_stays() {
    let (t, u) = (object(K::Table, "t"), object(K::Table, "u"));
    let ddl = Ddl::Grant(grants(&["SELECT", "INSERT"], &[t.clone(), u], &["a"]));
    let old = held(none(), "TABLE t", "a", &["SELECT", "DELETE"]);
    comes_back(
        &ddl,
        &old,
        &[
            "catalog: REVOKE INSERT ON TABLE t FROM a",
            "catalog: REVOKE SELECT, INSERT ON TABLE u FROM a",
        ],
    );
    let both = held(old, "TABLE u", "a", &["SELECT", "INSERT"]);
    comes_back(&ddl, &both, &["catalog: REVOKE INSERT ON TABLE t FROM a"]);
    let all = Ddl::Grant(grants(&[], &[t], &["a"]));
    let old = held(none(), "TABLE t", "a", &["SELECT", "DELETE*"]);
    comes_back(
        &all,
        &old,
        &[
            "catalog: REVOKE ALL PRIVILEGES ON TABLE t FROM a",
            "catalog: GRANT SELECT ON TABLE t TO a",
            "catalog: GRANT DELETE ON TABLE t TO a WITH GRANT OPTION",
        ],
    );
}

#[test]
fn grant_options() {
    let t = object(K::Table, "t");
    let with_option = |grant: Grant| Grant {
        grant_option: true,
        ..grant
    };
    let old = held(none(), "TABLE t", "a", &["SELECT", "INSERT*"]);
    let some = || {
        grants(
            &["SELECT", "INSERT", "DELETE"],
            std::slice::from_ref(&t),
            &["a"],
        )
    };
    comes_back(
        &Ddl::Grant(with_option(some())),
        &old,
        &[
            "catalog: REVOKE DELETE ON TABLE t FROM a",
            "catalog: REVOKE GRANT OPTION FOR SELECT ON TABLE t FROM a",
        ],
    );
    comes_back(
        &Ddl::Grant(some()),
        &old,
        &["catalog: REVOKE DELETE ON TABLE t FROM a"],
    );
    comes_back(
        &revokes(with_option(some())),
        &old,
        &["catalog: GRANT INSERT ON TABLE t TO a WITH GRANT OPTION"],
    );
    comes_back(
        &revokes(some()),
        &old,
        &[
            "catalog: GRANT SELECT ON TABLE t TO a",
            "catalog: GRANT INSERT ON TABLE t TO a WITH GRANT OPTION",
        ],
    );
    let all = Ddl::Grant(with_option(grants(&[], &[t], &["a"])));
    let back = told(&all, &held(none(), "TABLE t", "a", &["SELECT"]));
    assert_eq!(back[1..], ["catalog: GRANT SELECT ON TABLE t TO a"]);
}

#[test]
fn what_was_taken_away_is_given_back_to_those_who_held_it() {
    let t = object(K::Table, "t");
    let ddl = revokes(grants(
        &["SELECT", "INSERT"],
        std::slice::from_ref(&t),
        &["a", "b"],
    ));
    let old = held(none(), "TABLE t", "b", &["INSERT", "DELETE"]);
    comes_back(&ddl, &old, &["catalog: GRANT INSERT ON TABLE t TO b"]);
    comes_back(&ddl, &none(), &[]);
    let all = revokes(grants(&[], &[t], &["b"]));
    comes_back(
        &all,
        &old,
        &["catalog: GRANT INSERT, DELETE ON TABLE t TO b"],
    );
}

#[test]
fn columns_and_whole_schemas_are_not_compared() {
    let t = object(K::Table, "t");
    let columns = grants(&["SELECT a B", "INSERT"], &[t], &["a"]);
    let grant = Ddl::Grant(columns.clone());
    comes_back(
        &grant,
        &none(),
        &["syntax: REVOKE SELECT (a, \"B\"), INSERT ON TABLE t FROM a"],
    );
    assert_eq!(
        note(&grant, &none()),
        "takes away what was held before as well"
    );
    comes_back(&grant, &none().made("TABLE t"), &[]);
    comes_back(
        &revokes(columns),
        &none(),
        &["manual: -- GRANT SELECT (a, \"B\"), INSERT ON TABLE t TO a"],
    );
    let all = Grant {
        on: Targets::AllInSchemas(K::Sequence, strings(&["s", "R"])),
        ..grants(&[], &[], &["a"])
    };
    comes_back(
        &Ddl::Grant(all.clone()),
        &none(),
        &["syntax: REVOKE ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA s, \"R\" FROM a"],
    );
    comes_back(
        &revokes(all),
        &none(),
        &["manual: -- GRANT ALL PRIVILEGES ON ALL SEQUENCES IN SCHEMA s, \"R\" TO a"],
    );
}

#[test]
fn defaults_for_later_objects() {
    let later = |of: Vec<Role>, schemas: &[&str]| Grant {
        on: Targets::Later {
            kind: K::Table,
            of,
            schemas: strings(schemas),
        },
        ..grants(&["SELECT"], &[], &["a"])
    };
    comes_back(
        &Ddl::DefaultPrivileges(later(Vec::new(), &[])),
        &none(),
        &["syntax: ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM a"],
    );
    let mut revoke = later(vec![Role::Named("o".into()), Role::CurrentUser], &["s"]);
    revoke.revoke = true;
    comes_back(
        &Ddl::DefaultPrivileges(revoke),
        &none(),
        &[
            "syntax: ALTER DEFAULT PRIVILEGES FOR ROLE o, CURRENT_USER IN SCHEMA s GRANT SELECT ON TABLES TO a",
        ],
    );
    // neither is anything else's target
    assert!(default_privileges(&grants(&[], &[], &[])).is_empty());
    assert!(grant(&later(Vec::new(), &[]), &none()).is_empty());
}

#[test]
fn memberships() {
    let with = |revoke, options| Ddl::GrantRole {
        revoke,
        roles: strings(&["r", "Q"]),
        members: vec![Role::Named("a".into()), Role::CurrentUser],
        options,
    };
    let ddl = |revoke| with(revoke, false);
    let mut old = none();
    old.members.insert(("r".into(), "a".into()));
    comes_back(
        &ddl(false),
        &old,
        &[
            "syntax: REVOKE r FROM CURRENT_USER",
            "syntax: REVOKE \"Q\" FROM a",
            "syntax: REVOKE \"Q\" FROM CURRENT_USER",
        ],
    );
    comes_back(&ddl(true), &old, &["catalog: GRANT r TO a"]);
    let options = [
        "manual: -- the options of the membership of a in r",
        "manual: -- the options of the membership of CURRENT_USER in r",
        "manual: -- the options of the membership of a in \"Q\"",
        "manual: -- the options of the membership of CURRENT_USER in \"Q\"",
    ];
    comes_back(&with(false, true), &old, &options);
    comes_back(&with(true, true), &old, &options);
}
