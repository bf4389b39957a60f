//! Rules about rows that are lost, and about statements that touch all of them.

use super::ask::literal;
use super::ddl::{DropObjects, Name, ObjectKind};
use super::ddl_quote::ident;
use super::lint::{Harm, Note, Rule, Run, Size};
use super::lint_clause::set_clause;

impl Run<'_> {
    /// DROP.
    pub(super) fn drop_objects(&mut self, drop: &DropObjects) {
        for object in &drop.objects {
            match object.kind {
                ObjectKind::Index => self.drop_index(&object.name, drop),
                ObjectKind::Schema => self.drop_schema(&object.name.name, drop.cascade),
                ObjectKind::Type | ObjectKind::Domain if drop.cascade => {
                    let columns = self.model.columns_of_type(&object.name);
                    self.go_with(&columns, &format!("type \"{}\"", object.name.plain()));
                }
                ObjectKind::Extension if drop.cascade => {
                    let columns = self.model.facts().columns_of_extension(&object.name.name);
                    self.go_with(&columns, &format!("extension \"{}\"", object.name.name));
                }
                kind if kind.is_relation() => {
                    if kind == ObjectKind::Table {
                        self.drop_table(&object.name);
                    }
                    self.model.drop_relation(&object.name);
                }
                _ => {}
            }
        }
    }

    /// A relation that was there before the run and has rows: its name by now, and its size.
    pub(super) fn with_rows(&mut self, table: &Name) -> Option<(Name, Size)> {
        let found = self.model.stored(table)?;
        let size = found.relation.size;
        (size.rows > 0).then_some((found.key, size))
    }

    fn drop_table(&mut self, table: &Name) {
        let Some((key, size)) = self.with_rows(table) else {
            return;
        };
        let message = format!("about {} rows of \"{}\" are lost", size.rows, key.plain());
        let note = Note::new(Rule::DropTable, self.grade(Harm::Loss, size), message);
        let old = ident(&format!("{}_old", key.name));
        let suggestion =
            format!("ALTER TABLE {table} RENAME TO {old}; -- and DROP TABLE in a later release");
        self.add(note.object(key.plain()).size(size).suggest(suggestion));
    }

    /// Columns that CASCADE takes along.
    fn go_with(&mut self, columns: &[(Name, String)], with: &str) {
        for (table, column) in columns {
            let Some((key, size)) = self.with_rows(table) else {
                continue;
            };
            let what = format!("{}.{column}", key.plain());
            let message = format!(
                "\"{what}\" goes with {with}, and its values in about {} rows are lost",
                size.rows
            );
            let note = Note::new(Rule::DropColumn, self.grade(Harm::Loss, size), message);
            let name = ident(column);
            let suggestion = format!(
                "ALTER TABLE {key} ALTER COLUMN {name} TYPE text USING {name}::text; -- beforehand, to keep them"
            );
            self.add(note.object(what).size(size).suggest(suggestion));
        }
    }

    fn drop_schema(&mut self, schema: &str, cascade: bool) {
        let size = self.model.facts().schema_size(schema);
        if cascade && !self.model.is_made_schema(schema) && size.rows > 0 {
            let message = format!(
                "all tables of schema \"{schema}\" go with it, and about {} rows",
                size.rows
            );
            let severity = self.grade(Harm::Loss, size);
            let note = Note::new(Rule::DropSchemaCascade, severity, message);
            let suggestion = format!(
                "DROP SCHEMA {}; -- behind a DROP of each object in it",
                ident(schema)
            );
            self.add(note.object(schema).size(size).suggest(suggestion));
        }
        self.model.drop_schema(schema);
    }

    /// TRUNCATE.
    pub(super) fn truncate(&mut self, tables: &[Name]) {
        for table in tables {
            let Some((key, size)) = self.with_rows(table) else {
                continue;
            };
            let message = format!(
                "about {} rows of \"{}\" are lost, and readers wait until the transaction ends",
                size.rows,
                key.plain()
            );
            let note = Note::new(Rule::Truncate, self.grade(Harm::Loss, size), message);
            let copy = table.sibling(&format!("{}_old", key.name));
            let suggestion = format!(
                "CREATE TABLE {copy} AS TABLE {table}; -- beforehand, if anybody may want them back"
            );
            self.add(note.object(key.plain()).size(size).suggest(suggestion));
        }
    }

    /// UPDATE without WHERE.
    pub(super) fn update_all(&mut self, table: &Name) {
        let set = set_clause(self.sql());
        let set = set.map_or_else(|| "'...'".to_owned(), |set| literal(&set));
        let suggestion = format!(
            "CALL strata.task_backfill({}, {}, {set})",
            literal(&format!("backfill_{}", table.name)),
            literal(&table.to_string()),
        );
        self.all_rows(table, "written anew", suggestion);
    }

    /// DELETE without WHERE.
    pub(super) fn delete_all(&mut self, table: &Name) {
        let suggestion = format!("TRUNCATE {table}; -- if no foreign key refers to it");
        self.all_rows(table, "deleted one by one", suggestion);
    }

    fn all_rows(&mut self, table: &Name, what: &str, suggestion: String) {
        let Some(found) = self.large(table) else {
            return;
        };
        let (key, size) = (found.key.plain(), found.relation.size);
        let message = format!(
            "about {} rows of \"{key}\" are {what} in one transaction, and stay locked until it ends",
            size.rows
        );
        let note = Note::new(Rule::UpdateAllRows, self.grade(Harm::Writes, size), message);
        self.add(note.object(key).size(size).suggest(suggestion));
    }
}

#[cfg(test)]
#[path = "lint_loss_tests.rs"]
mod tests;
