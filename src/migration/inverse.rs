//! The way back from one statement, for review: from its parse tree alone, or with the catalog as it was just before it
//! (design section 12, generate_down).
//!
//! Statements come in the order in which they are to run; those of a whole file in the reverse order of its statements.
//! Nothing comes back for what goes away with an object that the same migration has made.

use super::ask::literal;
use super::ddl::{
    CreateIndex, CreateTable, Ddl, DomainCommand, Name, Object, ObjectKind, Rename, Rows, Run,
};
use super::ddl_quote::ident;
pub use super::inverse_before::{Before, Definition, Held, OldColumn, OldDomain, OldRelation};
use super::inverse_name;
use super::set::words;

words! {
    /// `basis` of `migrate_generate_down`; later ones need a closer look.
    Basis {
        /// the statement alone
        Syntax = "syntax",
        /// the catalog as it was before it
        Catalog = "catalog",
        /// what was lost cannot come back; its structure can
        DataLoss = "data_loss",
        /// somebody has to write it
        Manual = "manual",
    }
}

/// One statement of the way back, or a comment where there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Without a semicolon; or one comment of one line, which begins with `--`.
    pub sql: String,
    pub basis: Basis,
    pub note: Option<String>,
}

impl Down {
    #[must_use]
    pub fn new(basis: Basis, sql: impl Into<String>) -> Down {
        Down {
            sql: sql.into(),
            basis,
            note: None,
        }
    }

    #[must_use]
    pub fn syntax(sql: impl Into<String>) -> Down {
        Down::new(Basis::Syntax, sql)
    }

    #[must_use]
    pub fn catalog(sql: impl Into<String>) -> Down {
        Down::new(Basis::Catalog, sql)
    }

    /// Something for somebody to do.
    #[must_use]
    pub fn manual(what: &str, note: impl Into<String>) -> Down {
        Down::new(Basis::Manual, comment(what)).note(note)
    }

    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Down {
        self.note = Some(note.into());
        self
    }
}

/// A comment of one line.
pub(super) fn comment(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    format!("-- {}", line.join(" "))
}

/// A text of these statements, one a line.
#[must_use]
pub fn script(downs: &[Down]) -> String {
    let line = |down: &Down| match down.sql.starts_with("--") {
        true => format!("{}\n", down.sql),
        false => format!("{};\n", down.sql),
    };
    downs.iter().map(line).collect()
}

/// The way back from a statement. `before`: the catalog as it was just before it.
#[must_use]
pub fn invert(ddl: &Ddl, before: &dyn Before) -> Vec<Down> {
    match ddl {
        Ddl::CreateTable(create) => create_table(create, before),
        Ddl::CreateIndex(create) => create_index(create, before),
        Ddl::Create(create) => super::inverse_make::create(create, before),
        Ddl::Drop(drop) => super::inverse_make::drop_objects(drop, before),
        Ddl::AlterTable(alter) => super::inverse_alter::alter_table(alter, before),
        Ddl::Rename(rename) => renamed(rename, before),
        Ddl::SetSchema {
            object,
            to,
            if_exists,
        } => set_schema(object, to, *if_exists, before),
        Ddl::SetOwner { object } => owner(object, before),
        Ddl::AddLabel {
            type_,
            label,
            if_not_exists,
        } => add_label(type_, label, *if_not_exists, before),
        Ddl::AlterDomain { domain, command } => alter_domain(domain, command, before),
        Ddl::Alter(object) => super::inverse_make::altered(object, before),
        Ddl::Comment(object) => super::inverse_rights::comment_on(object, before),
        Ddl::Grant(grant) => super::inverse_rights::grant(grant, before),
        Ddl::DefaultPrivileges(grant) => super::inverse_rights::default_privileges(grant),
        Ddl::GrantRole {
            revoke,
            roles,
            members,
            options,
        } => super::inverse_rights::grant_role(*revoke, *options, roles, members, before),
        Ddl::Rows(rows) => changed_rows(rows, before),
        Ddl::Run(run) => vec![ran(*run)],
        Ddl::Select { calls } => selected(calls),
        Ddl::Set(_)
        | Ddl::Transaction(_)
        | Ddl::Reindex { .. }
        | Ddl::Rewrite { .. }
        | Ddl::Refresh(_)
        | Ddl::Nothing => Vec::new(),
        Ddl::Other => vec![Down::manual(
            "a statement",
            "this kind of statement is not known",
        )],
    }
}

fn create_table(create: &CreateTable, before: &dyn Before) -> Vec<Down> {
    let table = Object::new(create.kind, create.table.clone());
    if create.temporary || (create.if_not_exists && before.exists(&table)) {
        return Vec::new();
    }
    vec![Down::syntax(format!("DROP {}", table.sql()))]
}

fn create_index(create: &CreateIndex, before: &dyn Before) -> Vec<Down> {
    let table = Object::new(ObjectKind::Table, create.table.clone());
    let name = inverse_name::of_index(&create.table.name, create, |space, name| {
        before.is_taken(&create.table, name, space)
    });
    let index = Object::new(ObjectKind::Index, create.table.sibling(&name));
    let kept = create.if_not_exists && before.exists(&index);
    if kept || before.is_made_here(&table) {
        return Vec::new();
    }
    let concurrently = if create.concurrently {
        "CONCURRENTLY "
    } else {
        ""
    };
    vec![Down::syntax(format!(
        "DROP INDEX {concurrently}{}",
        index.name
    ))]
}

fn renamed(rename: &Rename, before: &dyn Before) -> Vec<Down> {
    let Rename {
        object,
        to,
        if_exists,
    } = rename;
    if *if_exists && !before.exists(object) {
        return Vec::new();
    }
    if object.kind.is_part() && before.is_made_here(object) {
        return Vec::new();
    }
    let old = ident(&object.name.name);
    let new = object.renamed(to);
    let sql = match (&object.on, object.kind) {
        (Some(on), ObjectKind::Column | ObjectKind::Constraint) => {
            format!(
                "ALTER TABLE {on} RENAME {} {} TO {old}",
                object.word(),
                ident(to)
            )
        }
        (Some(on), ObjectKind::Attribute) => {
            format!("ALTER TYPE {on} RENAME ATTRIBUTE {} TO {old}", ident(to))
        }
        (Some(on), ObjectKind::DomainConstraint) => {
            format!("ALTER DOMAIN {on} RENAME CONSTRAINT {} TO {old}", ident(to))
        }
        (Some(on), ObjectKind::Label) => {
            let (new, old) = (literal(to), literal(&object.name.name));
            format!("ALTER TYPE {on} RENAME VALUE {new} TO {old}")
        }
        _ => format!("ALTER {} RENAME TO {old}", new.sql()),
    };
    vec![Down::syntax(sql)]
}

fn set_schema(object: &Object, to: &str, if_exists: bool, before: &dyn Before) -> Vec<Down> {
    if if_exists && !before.exists(object) {
        return Vec::new();
    }
    let mut moved = object.clone();
    moved.name.schema = Some(to.to_owned());
    let (old, basis) = match &object.name.schema {
        Some(schema) => (schema.clone(), Basis::Syntax),
        None => match before.schema(object) {
            Some(schema) => (schema, Basis::Catalog),
            None => return vec![unknown(object)],
        },
    };
    let sql = format!("ALTER {} SET SCHEMA {}", moved.sql(), ident(&old));
    vec![Down::new(basis, sql)]
}

/// OWNER TO of anything but tables.
pub(super) fn owner(object: &Object, before: &dyn Before) -> Vec<Down> {
    if before.is_made_here(object) {
        return Vec::new();
    }
    match before.owner(object) {
        Some(owner) => {
            let sql = format!("ALTER {} OWNER TO {}", object.sql(), ident(&owner));
            vec![Down::catalog(sql)]
        }
        None => vec![unknown(object)],
    }
}

/// For what the catalog should have known.
pub(super) fn unknown(object: &Object) -> Down {
    let note = format!("{} was not found before the statement", object.sql());
    Down::manual(&object.sql(), note)
}

fn add_label(type_: &Name, label: &str, if_not_exists: bool, before: &dyn Before) -> Vec<Down> {
    let object = Object::new(ObjectKind::Type, type_.clone());
    let old = Object::part(ObjectKind::Label, label, type_);
    if before.is_made_here(&object) || (if_not_exists && before.exists(&old)) {
        return Vec::new();
    }
    let what = format!("ALTER TYPE {type_} without the label {}", literal(label));
    let note = "a label cannot be removed: make the type anew under another name, move the columns to it, drop the old one";
    vec![Down::manual(&what, note)]
}

fn alter_domain(domain: &Name, command: &DomainCommand, before: &dyn Before) -> Vec<Down> {
    let object = Object::new(ObjectKind::Domain, domain.clone());
    if before.is_made_here(&object) {
        return Vec::new();
    }
    let alter = |what: &str| format!("ALTER DOMAIN {domain} {what}");
    let Some(old) = before.domain(domain) else {
        return vec![unknown(&object)];
    };
    let part = |name: &str| Object::part(ObjectKind::DomainConstraint, name, domain);
    let drop = |name: &str| alter(&format!("DROP CONSTRAINT {}", ident(name)));
    match command {
        DomainCommand::Default => {
            let what = old.default.map(|d| format!("SET DEFAULT {d}"));
            let what = what.unwrap_or_else(|| "DROP DEFAULT".to_owned());
            vec![Down::catalog(alter(&what))]
        }
        DomainCommand::SetNotNull if !old.not_null => vec![Down::syntax(alter("DROP NOT NULL"))],
        DomainCommand::DropNotNull if old.not_null => vec![Down::catalog(alter("SET NOT NULL"))],
        DomainCommand::SetNotNull | DomainCommand::DropNotNull => Vec::new(),
        DomainCommand::AddConstraint(name) => {
            let name = name.clone().unwrap_or_else(|| {
                let taken =
                    |name: &str| before.is_taken(domain, name, inverse_name::Space::Constraints);
                inverse_name::of_domain(&domain.name, taken)
            });
            vec![Down::syntax(drop(&name))]
        }
        DomainCommand::DropConstraint { name, if_exists } => {
            super::inverse_make::restored(&part(name), *if_exists, before)
        }
        DomainCommand::Validate(name) => {
            super::inverse_make::not_valid_again(&part(name), &drop(name), before)
        }
    }
}

fn changed_rows(rows: &Rows, before: &dyn Before) -> Vec<Down> {
    let made =
        |table: &&Name| before.is_made_here(&Object::new(ObjectKind::Table, (*table).clone()));
    let names = rows.names();
    let tables: Vec<&Name> = names.into_iter().filter(|t| !made(t)).collect();
    let down = |table: &Name| match rows {
        Rows::Insert(_) => Down::manual(&format!("DELETE FROM {table}"), "rows were inserted"),
        Rows::CopyFrom { .. } => {
            Down::manual(&format!("DELETE FROM {table}"), "rows were copied into it")
        }
        Rows::Update { .. } => {
            Down::manual(&format!("UPDATE {table}"), "the old values are not kept")
        }
        Rows::Delete { .. } => Down::manual(
            &format!("INSERT INTO {table}"),
            "the deleted rows are not kept",
        ),
        // COPY TO names no table
        Rows::Merge(_) | Rows::CopyTo { .. } => Down::manual(
            &format!("MERGE INTO {table}"),
            "rows were written or deleted",
        ),
        Rows::Truncate { .. } => {
            Down::new(Basis::DataLoss, comment(&format!("INSERT INTO {table}")))
                .note("all rows were lost")
        }
    };
    tables.into_iter().map(down).collect()
}

fn ran(run: Run) -> Down {
    let (what, note) = match run {
        Run::Do => ("DO", "what the block does is not known"),
        Run::Call => ("CALL", "what the procedure does is not known"),
        Run::Prepared => ("EXECUTE", "what the statement does is not known"),
    };
    Down::manual(what, note)
}

/// Functions that change nothing that stays.
const HARMLESS: [&str; 6] = [
    "set_config",
    "current_setting",
    "pg_sleep",
    "pg_advisory_lock",
    "pg_advisory_xact_lock",
    "now",
];

fn selected(calls: &[Name]) -> Vec<Down> {
    let harmless = |name: &Name| {
        let core = name.schema.as_deref().is_none_or(|s| s == "pg_catalog");
        core && HARMLESS.contains(&name.name.as_str())
    };
    let Some(first) = calls.iter().find(|name| !harmless(name)) else {
        return Vec::new();
    };
    let note = match first.name.as_str() {
        "setval" | "nextval" => "the value that a sequence had is not kept".to_owned(),
        name => format!("what {name}() does is not known"),
    };
    vec![Down::manual(&format!("SELECT {first}(...)"), note)]
}

#[cfg(test)]
#[path = "inverse_samples.rs"]
pub mod samples;

#[cfg(test)]
#[path = "inverse_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "inverse_rows_tests.rs"]
mod rows_tests;
