//! Names that programs know, and that are gone behind the run.

use super::ask::literal;
use super::ddl::{Name, Object, ObjectKind, Rename};
use super::ddl_quote::ident;
use super::lint::{Harm, Note, Rule, Run, Severity, Size};

/// A relation that has lost its name.
#[derive(Debug, Clone)]
pub struct Renamed {
    /// with its schema
    from: Name,
    at: usize,
    size: Size,
    /// what it is called now
    to: Name,
    kind: ObjectKind,
}

impl Run<'_> {
    /// RENAME.
    pub(super) fn rename(&mut self, rename: &Rename) {
        let Rename { object, to, .. } = rename;
        match object.kind {
            ObjectKind::Index => self.model.rename_index(&object.name, to),
            kind if kind.is_relation() => self.rename_relation(object, |key| key.sibling(to)),
            ObjectKind::Column => self.rename_column(object, to),
            ObjectKind::Constraint => {
                let facts = self.model.facts();
                let table = object.on.as_ref().and_then(|on| self.model.table(on));
                if let Some((_, table)) = table {
                    table.rename_constraint(facts, &object.name.name, to);
                }
            }
            ObjectKind::Label => self.rename_label(object, to),
            ObjectKind::Schema => self.rename_schema(object, to),
            ObjectKind::Type | ObjectKind::Domain => self.model.rename_type(&object.name, to),
            _ => {}
        }
    }

    /// SET SCHEMA.
    pub(super) fn set_schema(&mut self, object: &Object, to: &str) {
        if object.kind.is_relation() && object.kind != ObjectKind::Index {
            self.rename_relation(object, |key| Name::new(Some(to), &key.name));
        }
    }

    fn rename_relation(&mut self, object: &Object, to: impl Fn(&Name) -> Name) {
        if let Some(found) = self.model.stored(&object.name)
            && object.kind != ObjectKind::Sequence
        {
            let (to, from) = (to(&found.key), found.key);
            let (at, size, kind) = (self.at, found.relation.size, object.kind);
            self.renames.push(Renamed {
                from,
                at,
                size,
                to,
                kind,
            });
        }
        self.model.move_relation(&object.name, to);
    }

    fn rename_column(&mut self, object: &Object, to: &str) {
        let Some(on) = &object.on else { return };
        let column = &object.name.name;
        let facts = self.model.facts();
        let Some((key, table)) = self.model.table(on) else {
            return;
        };
        let stored = table
            .stored
            .clone()
            .filter(|_| !table.is_made_column(column));
        table.rename_column(facts, column, to);
        let Some((_, relation)) = stored else { return };
        let what = format!("{}.{column}", key.plain());
        let (old, new) = (ident(column), ident(to));
        let message =
            format!("column \"{what}\" becomes \"{to}\": programs that know the old name fail");
        let note = Note::new(
            Rule::RenameBreaksClients,
            self.grade(Harm::Clients, relation.size),
            message,
        );
        let task = literal(&format!("{}_{to}", key.name));
        let (table, set) = (literal(&on.to_string()), literal(&format!("{new} = {old}")));
        let suggestion = format!(
            "ALTER TABLE {on} ADD COLUMN {new} ...; CALL strata.task_backfill({task}, {table}, {set}); \
             -- and ALTER TABLE {on} DROP COLUMN {old} in a later release"
        );
        self.add(note.object(what).size(relation.size).suggest(suggestion));
    }

    fn rename_label(&mut self, object: &Object, to: &str) {
        let Some(type_) = &object.on else { return };
        if self.model.is_made_type(type_) {
            return;
        }
        let label = &object.name.name;
        let message = format!(
            "label '{label}' of \"{}\" becomes '{to}': programs that know the old one fail",
            type_.plain()
        );
        let note = Note::new(Rule::RenameBreaksClients, Severity::Warning, message);
        let note = note.object(type_.plain());
        let value = literal(to);
        self.add(note.suggest(format!("ALTER TYPE {type_} ADD VALUE {value}")));
    }

    fn rename_schema(&mut self, object: &Object, to: &str) {
        let schema = &object.name.name;
        if !self.model.is_made_schema(schema) {
            let size = self.model.facts().schema_size(schema);
            let message = format!(
                "schema \"{schema}\" becomes \"{to}\": programs that know the old name fail"
            );
            let severity = self.grade(Harm::Clients, size);
            let note = Note::new(Rule::RenameBreaksClients, severity, message);
            self.add(note.object(schema).size(size));
        }
        self.model.rename_schema(schema, to);
    }

    /// Relations whose old name nothing has taken over.
    pub(super) fn broken_names(&mut self) {
        for renamed in std::mem::take(&mut self.renames) {
            let Renamed {
                from,
                at,
                size,
                to,
                kind,
            } = renamed;
            if self.model.find(&from).is_some() {
                continue;
            }
            let message = format!(
                "\"{}\" becomes \"{}\": programs that know the old name fail",
                from.plain(),
                to.plain()
            );
            let note = Note::new(
                Rule::RenameBreaksClients,
                self.grade(Harm::Clients, size),
                message,
            );
            let mut note = note.object(from.plain()).size(size);
            if matches!(
                kind,
                ObjectKind::Table | ObjectKind::View | ObjectKind::MaterializedView
            ) {
                note = note.suggest(format!("CREATE VIEW {from} AS SELECT * FROM {to}"));
            }
            self.add_at(at, note);
        }
    }
}

#[cfg(test)]
#[path = "lint_rename_tests.rs"]
mod tests;
