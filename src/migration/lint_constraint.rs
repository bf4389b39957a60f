//! Rules about new constraints: those that read all rows, or build an index, under the lock that they need.

use super::ddl::{Column, Constraint, ConstraintKind, Name};
use super::ddl_quote::{ident, idents};
use super::inverse_name;
use super::lint::{Harm, Note, RelationKind, Rule, Run, Severity};
use super::lint_clause::key_options;
use super::lint_model::Stored;
use super::lint_table::Added;

/// Said of a statement that has to be committed before the next one is of use.
const NEXT_FILE: &str = "; in the next file ";

impl Run<'_> {
    /// A constraint of a column that is being added.
    pub(super) fn add_column_constraint(
        &mut self,
        table: &Name,
        column: &Column,
        constraint: &Constraint,
    ) {
        // without a default all its values are NULL, and the server knows (transformAlterTableStmt, parse_utilcmd.c)
        let empty = column.default.is_none() && constraint.referenced().is_some();
        if !empty {
            self.look_at_constraint(table, constraint, None);
        }
        self.look_at_key(table, constraint, false);
        self.remember(table, constraint);
    }

    /// ADD CONSTRAINT. `text`: that of the command, if it is known.
    pub(super) fn add_constraint(
        &mut self,
        table: &Name,
        constraint: &Constraint,
        text: Option<&str>,
    ) {
        self.look_at_constraint(table, constraint, text);
        self.look_at_key(table, constraint, false);
        self.remember(table, constraint);
    }

    fn look_at_constraint(&mut self, table: &Name, constraint: &Constraint, text: Option<&str>) {
        let Some(found) = self.large(table) else {
            return;
        };
        match &constraint.kind {
            ConstraintKind::ForeignKey { .. } if !constraint.not_valid => {
                self.reads_all(Rule::FkScan, &found, table, constraint, text);
            }
            ConstraintKind::Check(_) if !constraint.not_valid => {
                self.reads_all(Rule::CheckScan, &found, table, constraint, text);
            }
            ConstraintKind::NotNull if !constraint.not_valid => {
                let column = constraint.columns.first();
                if !column.is_some_and(|c| self.is_known_not_null(table, c)) {
                    self.reads_all(Rule::NotNullScan, &found, table, constraint, text);
                }
            }
            ConstraintKind::PrimaryKey { using_index, .. }
            | ConstraintKind::Unique { using_index, .. } => match using_index {
                None => self.builds_index(&found, table, constraint, text),
                Some(index) => self.key_of_index(&found, table, constraint, index),
            },
            ConstraintKind::Exclude { .. } => self.builds_index(&found, table, constraint, text),
            _ => {}
        }
    }

    fn reads_all(
        &mut self,
        rule: Rule,
        found: &Stored,
        table: &Name,
        constraint: &Constraint,
        text: Option<&str>,
    ) {
        let (key, size) = (found.key.plain(), found.relation.size);
        let (harm, who) = match rule {
            // SHARE ROW EXCLUSIVE
            Rule::FkScan => (Harm::Writes, "nobody writes to it"),
            _ => (Harm::All, "nobody reads or writes it"),
        };
        let name = inverse_name::of_constraint(&found.key.name, constraint, |_, _| false);
        let message =
            format!("all rows of \"{key}\" are checked for \"{name}\", and {who} meanwhile");
        let mut note = Note::new(rule, self.grade(harm, size), message);
        note = note.object(&key).size(size);
        // NOT VALID foreign keys of partitioned tables came with 18
        let partitioned = found.relation.kind == RelationKind::Partitioned;
        let refused = partitioned && rule == Rule::FkScan && self.model.facts().server_major() < 18;
        if let Some(text) = text.filter(|_| !refused) {
            note = note.suggest(format!(
                "ALTER TABLE {table} {text} NOT VALID{NEXT_FILE}ALTER TABLE {table} VALIDATE CONSTRAINT {}",
                ident(&name)
            ));
        }
        self.add(note);
    }

    fn builds_index(
        &mut self,
        found: &Stored,
        table: &Name,
        constraint: &Constraint,
        text: Option<&str>,
    ) {
        let (key, size) = (found.key.plain(), found.relation.size);
        let name = inverse_name::of_constraint(&found.key.name, constraint, |_, _| false);
        let message =
            format!("the index of \"{name}\" is built while nobody reads or writes \"{key}\"");
        let note = Note::new(
            Rule::UniqueBuildsIndex,
            self.grade(Harm::All, size),
            message,
        );
        let mut note = note.object(key).size(size);
        let (word, include) = match &constraint.kind {
            ConstraintKind::PrimaryKey { include, .. } => ("PRIMARY KEY", include),
            ConstraintKind::Unique { include, .. } => ("UNIQUE", include),
            // no index that is built beforehand can be used
            _ => {
                self.add(note);
                return;
            }
        };
        // nor of a partitioned table, nor of a column that is not there yet
        let Some(text) = text.filter(|_| found.relation.kind != RelationKind::Partitioned) else {
            self.add(note);
            return;
        };
        let (of_index, of_constraint) = key_options(text);
        let (name, columns) = (ident(&name), idents(&constraint.columns));
        let include = match include.as_slice() {
            [] => String::new(),
            list => format!(" INCLUDE ({})", idents(list)),
        };
        note = note.suggest(format!(
            "CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({columns}){include}{of_index}; \
             ALTER TABLE {table} ADD CONSTRAINT {name} {word} USING INDEX {name}{of_constraint}; \
             -- run by CALL strata.migrate_deploy()"
        ));
        self.add(note);
    }

    /// A primary key whose index is there reads all rows where a column of it may be NULL.
    fn key_of_index(&mut self, found: &Stored, table: &Name, constraint: &Constraint, index: &str) {
        if !matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }) {
            return;
        }
        let indexes = self.model.indexes(table);
        let index = indexes.and_then(|all| all.iter().find(|i| i.name == index));
        let columns = index.map_or_else(Vec::new, |i| i.leading.clone());
        let open = columns.iter().find(|c| !self.is_known_not_null(table, c));
        let Some(column) = open else { return };
        let what = format!("{}.{column}", found.key.plain());
        let message = format!(
            "all rows of \"{}\" are read, locked against all others: \"{what}\" is not NOT NULL",
            found.key.plain()
        );
        let size = found.relation.size;
        let note = Note::new(Rule::NotNullScan, self.grade(Harm::All, size), message);
        let (check, column) = (
            ident(&format!("{}_{column}_check", found.key.name)),
            ident(column),
        );
        let suggestion = format!(
            "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID\
             {NEXT_FILE}ALTER TABLE {table} VALIDATE CONSTRAINT {check}; and then the primary key"
        );
        self.add(note.object(what).size(size).suggest(suggestion));
    }

    /// VALIDATE CONSTRAINT: its own lock lets others write, but not the one that adding it in the same transaction took.
    pub(super) fn validate(&mut self, table: &Name, name: &str) {
        let facts = self.model.facts();
        let within = self.within;
        let found = self.large(table);
        let Some((_, known)) = self.model.table(table) else {
            return;
        };
        let Some(added) = known.constraints.get_mut(name) else {
            let stored = known.stored.as_ref();
            let constraint = stored.and_then(|(stored, _)| facts.constraint(stored, name));
            if let Some(constraint) = constraint {
                let added = Added {
                    foreign_key: false,
                    valid: true,
                    not_null: constraint.not_null,
                    within,
                };
                known.constraints.insert(name.to_owned(), added);
            }
            return;
        };
        let was_valid = std::mem::replace(&mut added.valid, true);
        let rule = match added.foreign_key {
            true => Rule::FkScan,
            false => Rule::CheckScan,
        };
        let Some(found) = found.filter(|_| !was_valid && added.within == within) else {
            return;
        };
        let (key, size) = (found.key.plain(), found.relation.size);
        let message = format!(
            "\"{name}\" is validated in the transaction that adds it: its lock on \"{key}\" is held meanwhile"
        );
        let note = Note::new(rule, Severity::Info, message).object(key);
        let suggestion = format!(
            "ALTER TABLE {table} VALIDATE CONSTRAINT {} in the next file; CALL strata.migrate_deploy()",
            ident(name)
        );
        self.add(note.size(size).suggest(suggestion));
    }
}

#[cfg(test)]
#[path = "lint_constraint_tests.rs"]
mod tests;
