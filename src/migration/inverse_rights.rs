//! The way back from COMMENT, GRANT and REVOKE.

use super::ask::literal;
use super::ddl::{Grant, Object, ObjectKind, Privilege, Role, Targets};
use super::ddl_quote::{ident, idents};
use super::inverse::{Before, Down, Held};

/// COMMENT ON.
pub(super) fn comment_on(object: &Object, before: &dyn Before) -> Vec<Down> {
    if before.is_made_here(object) {
        return Vec::new();
    }
    let old = before.comment(object);
    let old = old.map_or_else(|| "NULL".to_owned(), |text| literal(&text));
    vec![Down::catalog(format!(
        "COMMENT ON {} IS {old}",
        object.sql()
    ))]
}

/// GRANT and REVOKE of privileges.
pub(super) fn grant(grant: &Grant, before: &dyn Before) -> Vec<Down> {
    let columns = grant.privileges.iter().any(|p| !p.columns.is_empty());
    match &grant.on {
        Targets::Objects(objects) if !columns => of_objects(grant, objects, before),
        Targets::Objects(objects) => {
            let made = |o: &Object| before.is_made_here(o);
            let old: Vec<&Object> = objects.iter().filter(|o| !made(o)).collect();
            all_at_once(grant, &on(&old))
        }
        Targets::AllInSchemas(kind, schemas) => {
            let on = format!("ALL {}S IN SCHEMA {}", kind.word(), idents(schemas));
            all_at_once(grant, &on)
        }
        Targets::Later { .. } => Vec::new(),
    }
}

/// What cannot be compared with what was held before.
fn all_at_once(grant: &Grant, on: &str) -> Vec<Down> {
    if on.is_empty() {
        return Vec::new();
    }
    let (privileges, roles) = (list(&grant.privileges), roles(&grant.roles));
    if grant.revoke {
        let what = format!("GRANT {privileges} ON {on} TO {roles}");
        return vec![Down::manual(&what, "what was held before is not known")];
    }
    let note = "takes away what was held before as well";
    vec![Down::syntax(format!("REVOKE {privileges} ON {on} FROM {roles}")).note(note)]
}

/// `TABLE a, b`; empty for none.
fn on(objects: &[&Object]) -> String {
    let Some(first) = objects.first() else {
        return String::new();
    };
    let names: Vec<String> = objects.iter().map(|o| o.name_sql()).collect();
    format!("{} {}", grant_word(first.kind), names.join(", "))
}

/// GRANT says TABLE of all that has rows, and spells out what a server is.
fn grant_word(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::ForeignTable => "TABLE",
        ObjectKind::Server => "FOREIGN SERVER",
        kind => kind.word(),
    }
}

fn roles(roles: &[Role]) -> String {
    let names: Vec<String> = roles.iter().map(ToString::to_string).collect();
    names.join(", ")
}

fn list(privileges: &[Privilege]) -> String {
    if privileges.is_empty() {
        return "ALL PRIVILEGES".to_owned();
    }
    let sql = |p: &Privilege| match p.columns.as_slice() {
        [] => p.name.clone(),
        columns => format!("{} ({})", p.name, idents(columns)),
    };
    let all: Vec<String> = privileges.iter().map(sql).collect();
    all.join(", ")
}

fn of_objects(grant: &Grant, objects: &[Object], before: &dyn Before) -> Vec<Down> {
    let objects: Vec<&Object> = objects.iter().filter(|o| !before.is_made_here(o)).collect();
    let named = |privilege: &str| {
        grant.privileges.is_empty() || grant.privileges.iter().any(|p| p.name == privilege)
    };
    let held = |object: &Object, role: &Role| {
        let held = before.privileges(object, role).into_iter();
        held.filter(|h| named(&h.privilege)).collect::<Vec<Held>>()
    };
    let pairs = objects
        .iter()
        .flat_map(|o| grant.roles.iter().map(move |r| (*o, r)));
    let pairs: Vec<_> = pairs.map(|(o, r)| (o, r, held(o, r))).collect();
    if grant.revoke {
        return pairs
            .iter()
            .flat_map(|(object, role, held)| given_back(grant, object, role, held))
            .collect();
    }
    if pairs.iter().all(|(.., held)| held.is_empty()) {
        let on = on(&objects);
        if on.is_empty() {
            return Vec::new();
        }
        let sql = format!(
            "REVOKE {} ON {on} FROM {}",
            list(&grant.privileges),
            roles(&grant.roles)
        );
        return vec![Down::syntax(sql)];
    }
    pairs
        .iter()
        .flat_map(|(object, role, held)| taken_back(grant, object, role, held))
        .collect()
}

/// After a REVOKE: what the role held of it.
fn given_back(grant: &Grant, object: &Object, role: &Role, held: &[Held]) -> Vec<Down> {
    let on = on(&[object]);
    let mut downs = Vec::new();
    for grantable in [false, true] {
        // GRANT OPTION FOR takes only the option away
        if grant.grant_option && !grantable {
            continue;
        }
        let back: Vec<&str> = held
            .iter()
            .filter(|h| h.grantable == grantable)
            .map(|h| h.privilege.as_str())
            .collect();
        if !back.is_empty() {
            let option = if grantable { " WITH GRANT OPTION" } else { "" };
            let sql = format!("GRANT {} ON {on} TO {role}{option}", back.join(", "));
            downs.push(Down::catalog(sql));
        }
    }
    downs
}

/// After a GRANT: what the role did not hold.
fn taken_back(grant: &Grant, object: &Object, role: &Role, held: &[Held]) -> Vec<Down> {
    let on = on(&[object]);
    let mut downs = Vec::new();
    let revoke = |what: &str| Down::catalog(format!("REVOKE {what} ON {on} FROM {role}"));
    if grant.privileges.is_empty() {
        // which ones ALL has added depends on the kind of object: all go, and come back as they were
        downs.push(revoke("ALL PRIVILEGES"));
        downs.extend(given_back(
            &Grant {
                grant_option: false,
                ..grant.clone()
            },
            object,
            role,
            held,
        ));
        return downs;
    }
    let find = |name: &str| held.iter().find(|h| h.privilege == name);
    let names = grant.privileges.iter().map(|p| p.name.as_str());
    let new: Vec<&str> = names.clone().filter(|n| find(n).is_none()).collect();
    if !new.is_empty() {
        downs.push(revoke(&new.join(", ")));
    }
    let more = |n: &&str| grant.grant_option && find(n).is_some_and(|h| !h.grantable);
    let options: Vec<&str> = names.filter(more).collect();
    if !options.is_empty() {
        downs.push(revoke(&format!("GRANT OPTION FOR {}", options.join(", "))));
    }
    downs
}

/// ALTER DEFAULT PRIVILEGES.
pub(super) fn default_privileges(grant: &Grant) -> Vec<Down> {
    let Targets::Later { kind, of, schemas } = &grant.on else {
        return Vec::new();
    };
    let mut sql = "ALTER DEFAULT PRIVILEGES".to_owned();
    if !of.is_empty() {
        sql.push_str(&format!(" FOR ROLE {}", roles(of)));
    }
    if !schemas.is_empty() {
        sql.push_str(&format!(" IN SCHEMA {}", idents(schemas)));
    }
    let (privileges, to) = (list(&grant.privileges), roles(&grant.roles));
    let action = match grant.revoke {
        true => format!("GRANT {privileges} ON {}S TO {to}", kind.word()),
        false => format!("REVOKE {privileges} ON {}S FROM {to}", kind.word()),
    };
    let note = "right if the defaults were the server's own before";
    vec![Down::syntax(format!("{sql} {action}")).note(note)]
}

/// GRANT and REVOKE of roles.
pub(super) fn grant_role(
    revoke: bool,
    options: bool,
    granted: &[String],
    members: &[Role],
    before: &dyn Before,
) -> Vec<Down> {
    let pairs = granted
        .iter()
        .flat_map(|role| members.iter().map(move |member| (role, member)));
    if options {
        let what = |(role, member): (&String, &Role)| {
            let what = format!(
                "the options of the membership of {member} in {}",
                ident(role)
            );
            Down::manual(&what, "what they were before is not known")
        };
        return pairs.map(what).collect();
    }
    // GRANT to one who is a member, and REVOKE from one who is none, did nothing
    let changed = pairs.filter(|(role, member)| before.is_member(role, member) == revoke);
    let down = |(role, member): (&String, &Role)| {
        let role = ident(role);
        match revoke {
            true => Down::catalog(format!("GRANT {role} TO {member}"))
                .note("without the options, such as ADMIN, that it may have had"),
            false => Down::syntax(format!("REVOKE {role} FROM {member}")),
        }
    };
    changed.map(down).collect()
}

#[cfg(test)]
#[path = "inverse_rights_tests.rs"]
mod tests;
