//! The way back from CREATE, DROP and ALTER of whole objects.

use super::ddl::{Create, DropObjects, IfExists, Object, ObjectKind};
use super::inverse::{Basis, Before, Definition, Down, unknown};
use super::lint_clause::insert_after;

/// Everything but tables and indexes.
pub(super) fn create(create: &Create, before: &dyn Before) -> Vec<Down> {
    let object = &create.object;
    let within = object.kind.is_part() && before.is_made_here(object);
    if create.temporary || within {
        return Vec::new();
    }
    if create.if_exists != IfExists::Fails && before.exists(object) {
        return match create.if_exists {
            IfExists::Replaces => replaced(object, before),
            _ => Vec::new(),
        };
    }
    let down = Down::syntax(format!("DROP {}", object.sql()));
    vec![match object.kind {
        ObjectKind::Role => down.note("fails while it owns anything or has rights in any database"),
        _ => down,
    }]
}

/// An object that is there is replaced.
fn replaced(object: &Object, before: &dyn Before) -> Vec<Down> {
    if before.is_made_here(object) {
        return Vec::new();
    }
    let Some(definition) = before.definition(object) else {
        return vec![unknown(object)];
    };
    // a view gets new columns by OR REPLACE, but does not lose any
    if object.kind == ObjectKind::View && before.dependents(object).is_empty() {
        let drop = Down::catalog(format!("DROP {}", object.sql()));
        return std::iter::once(drop)
            .chain(made_again(&[definition]))
            .collect();
    }
    let note = match object.kind {
        ObjectKind::View => Some("fails if the new view has more columns: others depend on it"),
        kind if kind.is_routine() => {
            Some("fails if the new one has more defaults, or other names of arguments")
        }
        _ => None,
    };
    let down = |sql: &String| {
        let down = Down::catalog(or_replace(sql));
        match note {
            Some(note) => down.note(note),
            None => down,
        }
    };
    definition.create.iter().map(down).collect()
}

/// `CREATE OR REPLACE` for `CREATE`.
fn or_replace(sql: &str) -> String {
    match sql.strip_prefix("CREATE ") {
        Some(rest) if !rest.starts_with("OR REPLACE ") => format!("CREATE OR REPLACE {rest}"),
        _ => sql.to_owned(),
    }
}

/// DROP.
pub(super) fn drop_objects(drop: &DropObjects, before: &dyn Before) -> Vec<Down> {
    let mut definitions = Vec::new();
    let mut downs = Vec::new();
    for object in &drop.objects {
        if object.kind.is_part() && before.is_made_here(object) {
            continue;
        }
        match before.definition(object) {
            Some(definition) => definitions.push(definition),
            None if drop.if_exists && !before.exists(object) => {}
            None => downs.push(unknown(object)),
        }
        if drop.cascade {
            definitions.extend(before.dependents(object));
        }
    }
    let mut again = made_again(&definitions);
    if drop.concurrently {
        for down in again.iter_mut().filter(|d| d.sql.starts_with("CREATE ")) {
            if let Some(sql) = insert_after(&down.sql, &["index"], "CONCURRENTLY") {
                down.sql = sql;
            }
        }
    }
    // what the migration itself has made holds nothing that anybody misses
    if !drop.cascade && drop.objects.iter().all(|o| before.is_made_here(o)) {
        again = again.into_iter().map(|d| Down::catalog(d.sql)).collect();
    }
    downs.extend(again);
    downs
}

/// All of them, what was made first first; then what may name others. Each statement once, for what two of them have in
/// common, such as a foreign key between two tables.
pub(super) fn made_again(definitions: &[Definition]) -> Vec<Down> {
    let mut sorted: Vec<&Definition> = definitions.iter().collect();
    sorted.sort_by_key(|d| d.oid);
    let mut downs: Vec<Down> = Vec::new();
    let mut push = |down: Down| {
        if !downs.iter().any(|d| d.sql == down.sql) {
            downs.push(down);
        }
    };
    for definition in &sorted {
        for (n, sql) in definition.create.iter().enumerate() {
            let lost = match definition.kind {
                ObjectKind::Table => "the rows are lost",
                ObjectKind::Column | ObjectKind::Attribute => "the values are lost",
                _ => "",
            };
            push(match (lost, n) {
                ("", _) | (_, 1..) => Down::catalog(sql),
                (lost, _) => Down::new(Basis::DataLoss, sql).note(lost),
            });
        }
    }
    for definition in &sorted {
        for sql in &definition.links {
            push(Down::catalog(sql));
        }
    }
    downs
}

/// An object that was dropped, or is about to be made anew, by its definition.
pub(super) fn restored(object: &Object, if_exists: bool, before: &dyn Before) -> Vec<Down> {
    match before.definition(object) {
        Some(definition) => made_again(&[definition]),
        None if if_exists && !before.exists(object) => Vec::new(),
        None => vec![unknown(object)],
    }
}

/// A constraint that was validated: one that was valid stays so, another is made anew as it was. `drop`: drops it.
pub(super) fn not_valid_again(object: &Object, drop: &str, before: &dyn Before) -> Vec<Down> {
    let Some(definition) = before.definition(object) else {
        return vec![unknown(object)];
    };
    let first = definition.create.first();
    if !first.is_some_and(|sql| sql.contains(" NOT VALID")) {
        return Vec::new();
    }
    let drop = Down::catalog(drop);
    std::iter::once(drop)
        .chain(made_again(&[definition]))
        .collect()
}

/// ALTER of an object without subcommands.
pub(super) fn altered(object: &Object, before: &dyn Before) -> Vec<Down> {
    if before.is_made_here(object) {
        return Vec::new();
    }
    let Some(definition) = before.definition(object) else {
        return vec![unknown(object)];
    };
    match object.kind {
        ObjectKind::Policy => {
            let drop = Down::catalog(format!("DROP {}", object.sql()));
            std::iter::once(drop)
                .chain(made_again(&[definition]))
                .collect()
        }
        ObjectKind::Sequence => {
            let alter = |sql: &String| {
                let changed = sql.strip_prefix("CREATE SEQUENCE ");
                let changed = changed.map(|rest| format!("ALTER SEQUENCE {rest}"));
                Down::catalog(changed.unwrap_or_else(|| sql.clone())).note("its value stays")
            };
            let links = definition.links.iter().map(Down::catalog);
            definition.create.iter().map(alter).chain(links).collect()
        }
        kind if kind.is_routine() => {
            let replace = |sql: &String| Down::catalog(or_replace(sql));
            let links = definition.links.iter().map(Down::catalog);
            definition.create.iter().map(replace).chain(links).collect()
        }
        _ => {
            let note = format!("it was: {}", definition.create.join("; "));
            vec![Down::manual(&format!("ALTER {}", object.sql()), note)]
        }
    }
}

#[cfg(test)]
#[path = "inverse_make_tests.rs"]
mod tests;
