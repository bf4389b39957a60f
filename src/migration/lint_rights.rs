//! Rules about rights that not every role has, and what the run makes besides tables and indexes.

use super::ddl::{Create, Ddl, DropObjects, IfExists, Name, Object, ObjectKind, Rows};
use super::ddl_quote::ident;
use super::lint::{Harm, Located, Note, Rule, Run, Severity};

impl Run<'_> {
    /// Roles, and what only a superuser may do.
    pub(super) fn look_at_rights(&mut self, here: &Located<'_>) {
        match &here.ddl {
            Ddl::Create(create) => {
                self.look_at_role(&create.object, here.tag);
                if self.needs_superuser(create) {
                    self.depends_on_superuser(here.tag, Some(&create.object));
                }
            }
            Ddl::Drop(DropObjects { objects, .. }) => {
                for object in objects {
                    self.look_at_role(object, here.tag);
                }
            }
            Ddl::Rows(Rows::CopyFrom { server: true, .. } | Rows::CopyTo { server: true }) => {
                self.depends_on_superuser("COPY with a file of the server", None);
            }
            Ddl::Other if SUPERUSER_TAGS.contains(&here.tag) => {
                self.depends_on_superuser(here.tag, None);
            }
            _ => {}
        }
    }

    fn look_at_role(&mut self, object: &Object, tag: &str) {
        if object.kind != ObjectKind::Role {
            return;
        }
        let role = object.plain();
        let message = format!(
            "role \"{role}\" belongs to all databases of the cluster: {tag} fails, or does harm, in the second one"
        );
        let note = Note::new(Rule::RoleInCluster, Severity::Warning, message).object(role);
        let suggestion = match tag.starts_with("CREATE") {
            true => "SELECT * FROM strata.migrate_up(existing_roles => 'skip')",
            false => "roles are made and dropped outside of migrations",
        };
        self.add(note.suggest(suggestion));
    }

    fn needs_superuser(&self, create: &Create) -> bool {
        match create.object.kind {
            ObjectKind::EventTrigger
            | ObjectKind::ForeignDataWrapper
            | ObjectKind::AccessMethod
            | ObjectKind::Subscription => true,
            ObjectKind::Extension => {
                let known = self.model.facts().extension(&create.object.name.name);
                !known.is_some_and(|extension| {
                    let kept = create.if_exists == IfExists::Keeps && extension.installed;
                    kept || extension.trusted
                })
            }
            _ => create.superuser,
        }
    }

    fn depends_on_superuser(&mut self, what: &str, object: Option<&Object>) {
        let named = object.map_or_else(String::new, |o| format!(" \"{}\"", o.plain()));
        let message = format!("{what}{named} needs a superuser, or a role close to one");
        let mut note = Note::new(Rule::DependsOnSuperuser, Severity::Warning, message);
        if let Some(object) = object {
            note = note.object(object.plain());
            if object.kind == ObjectKind::Extension {
                let name = ident(&object.name.name);
                note = note.suggest(format!(
                    "CREATE EXTENSION IF NOT EXISTS {name}; -- and once, by a superuser, beforehand"
                ));
            }
        }
        self.add(note);
    }

    /// Every object but tables and indexes.
    pub(super) fn create(&mut self, create: &Create) {
        let object = &create.object;
        match object.kind {
            ObjectKind::Schema => {
                let there = self.model.facts().has_schema(&object.name.name);
                if !(create.if_exists == IfExists::Keeps && there) {
                    self.model.make_schema(&object.name.name);
                }
            }
            ObjectKind::View | ObjectKind::MaterializedView | ObjectKind::Sequence => {
                let kept =
                    create.if_exists != IfExists::Fails && self.model.find(&object.name).is_some();
                if !kept {
                    self.model.make(&object.name, create.temporary);
                }
            }
            ObjectKind::Type | ObjectKind::Domain => self.model.make_type(&object.name),
            kind if kind.is_routine() => {
                self.model.make_function(&object.name, create.volatile);
            }
            _ => {}
        }
    }

    /// CLUSTER, VACUUM FULL.
    pub(super) fn rewrite(&mut self, tables: &[Name]) {
        let what = self.here().map_or("", |s| s.tag);
        if tables.is_empty() {
            let message =
                format!("{what} of all tables writes each of them anew, locked against all others");
            self.add(Note::new(Rule::RewriteOther, Severity::Error, message));
        }
        for table in tables {
            if let Some(found) = self.large(table) {
                let (key, size) = (found.key.plain(), found.relation.size);
                let message = format!("{what} writes \"{key}\" anew, locked against all others");
                let note = Note::new(Rule::RewriteOther, self.grade(Harm::All, size), message);
                self.add(note.object(key).size(size));
            }
        }
    }
}

/// Statements of no other rule that a superuser, or a role close to one, has to run.
const SUPERUSER_TAGS: [&str; 6] = [
    "ALTER SYSTEM",
    "CREATE TABLESPACE",
    "DROP TABLESPACE",
    "CREATE OPERATOR CLASS",
    "CREATE OPERATOR FAMILY",
    "CREATE TRANSFORM",
];

#[cfg(test)]
#[path = "lint_rights_tests.rs"]
mod tests;
