//! Rules about ALTER TABLE: what writes or reads all rows under its lock, and what loses a column.

use super::ask::literal;
use super::ddl::{AlterCommand, AlterTable, Column, Generated, Name, ObjectKind, Using};
use super::ddl_quote::ident;
use super::lint::{Harm, Note, Rule, Run, Severity};
use super::lint_clause::{alter_parts, default_clause, using_clause};
use super::lint_model::Stored;

impl Run<'_> {
    /// ALTER TABLE.
    pub(super) fn alter_table(&mut self, alter: &AlterTable) {
        if !matches!(
            alter.kind,
            ObjectKind::Table | ObjectKind::ForeignTable | ObjectKind::MaterializedView
        ) {
            return;
        }
        let parts = alter_parts(self.sql()).filter(|p| p.commands.len() == alter.commands.len());
        for (n, command) in alter.commands.iter().enumerate() {
            let text = parts.as_ref().and_then(|p| p.commands.get(n));
            self.alter(&alter.table, command, text.map(String::as_str));
        }
    }

    /// `text`: that of the command, if it is known.
    fn alter(&mut self, table: &Name, command: &AlterCommand, text: Option<&str>) {
        let facts = self.model.facts();
        match command {
            AlterCommand::AddColumn {
                column,
                if_not_exists,
            } if !(*if_not_exists && self.has_column(table, &column.name)) => {
                self.add_column(table, column, text);
            }
            AlterCommand::DropColumn { column, .. } => {
                self.drop_column(table, column);
                if let Some((_, table)) = self.model.table(table) {
                    table.drop_column(facts, column);
                }
            }
            AlterCommand::SetNotNull(column) => self.set_not_null(table, column),
            AlterCommand::DropNotNull(column) => {
                if let Some((_, table)) = self.model.table(table) {
                    table.change_column(column, |c| c.not_null = Some(false));
                }
            }
            AlterCommand::SetType {
                column,
                type_,
                using,
            } => {
                self.set_type(table, column, type_, (*using, text));
            }
            AlterCommand::AddConstraint(constraint) => {
                self.add_constraint(table, constraint, text);
            }
            AlterCommand::ValidateConstraint(name) => self.validate(table, name),
            AlterCommand::DropConstraint { name, .. } => {
                if let Some((_, table)) = self.model.table(table) {
                    table.drop_constraint(facts, name);
                }
            }
            AlterCommand::SetLogged(true) => self.rewrites(table, "SET LOGGED"),
            AlterCommand::SetLogged(false) => self.rewrites(table, "SET UNLOGGED"),
            AlterCommand::SetTablespace => self.rewrites(table, "SET TABLESPACE"),
            AlterCommand::SetAccessMethod => self.rewrites(table, "SET ACCESS METHOD"),
            AlterCommand::SetExpression(_) => self.rewrites(table, "SET EXPRESSION"),
            _ => {}
        }
    }

    fn has_column(&mut self, table: &Name, column: &str) -> bool {
        let facts = self.model.facts();
        let Some((_, table)) = self.model.table(table) else {
            return false;
        };
        if table.is_added(column) {
            return true;
        }
        let stored = table.stored.as_ref();
        stored.is_some_and(|(name, _)| facts.column(name, column).is_some())
    }

    fn add_column(&mut self, table: &Name, column: &Column, text: Option<&str>) {
        let required = column.not_null || column.is_primary_key();
        if required
            && !column.fills_itself()
            && let Some((key, size)) = self.with_rows(table)
        {
            let what = format!("{}.{}", key.plain(), column.name);
            let message = format!(
                "\"{what}\" is NOT NULL without a default: this fails, because the table has rows"
            );
            let note = Note::new(Rule::AddRequiredColumn, Severity::Error, message);
            let (name, type_) = (ident(&column.name), &column.type_);
            let not_null = format!("ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL");
            let suggestion = format!(
                "ALTER TABLE {table} ADD COLUMN {name} {type_}; {}; {not_null}",
                backfill(table, &column.name, &format!("{name} = ..."))
            );
            self.add(note.object(&what).size(size).suggest(suggestion));
        }
        if let Some(found) = self.large(table) {
            self.new_column_rewrites(table, column, &found, text);
        }
        self.remember_column(table, column);
        for constraint in &column.constraints {
            self.add_column_constraint(table, column, constraint);
        }
    }

    fn new_column_rewrites(
        &mut self,
        table: &Name,
        column: &Column,
        found: &Stored,
        text: Option<&str>,
    ) {
        let calls = column.default.iter().flat_map(|d| &d.calls);
        let volatile = calls.into_iter().find(|f| self.model.is_volatile(f));
        let (rule, why, suggestion) = if let Some(function) = volatile {
            let why = format!("{}() gives each row another value", function.plain());
            (
                Rule::RewriteDefault,
                why,
                later_default(table, column, text),
            )
        } else if column.is_serial() {
            let why = format!("{} gives each row another value", column.type_);
            (
                Rule::RewriteDefault,
                why,
                Some(later_sequence(table, column)),
            )
        } else if column.identity {
            let why = "an identity gives each row another value".to_owned();
            (Rule::RewriteOther, why, Some(later_sequence(table, column)))
        } else if column.generated == Some(Generated::Stored) {
            let why = "a stored generated column is computed for each row".to_owned();
            (
                Rule::RewriteOther,
                why,
                Some(later_generated(table, column)),
            )
        } else {
            return;
        };
        let what = format!("{}.{}", found.key.plain(), column.name);
        let message =
            format!("adding \"{what}\" writes the table anew, locked against all others: {why}");
        let size = found.relation.size;
        let mut note = Note::new(rule, self.grade(Harm::All, size), message);
        note.suggestion = suggestion;
        self.add(note.object(what).size(size));
    }

    fn drop_column(&mut self, table: &Name, column: &str) {
        let Some((key, size)) = self.with_rows(table) else {
            return;
        };
        let made = self.model.table(table);
        if made.is_none_or(|(_, t)| t.is_made_column(column)) {
            return;
        }
        let what = format!("{}.{column}", key.plain());
        let message = format!(
            "the values of \"{what}\" in about {} rows are lost",
            size.rows
        );
        let note = Note::new(Rule::DropColumn, self.grade(Harm::Loss, size), message);
        let suggestion = format!(
            "ALTER TABLE {table} ALTER COLUMN {} DROP NOT NULL; -- and DROP COLUMN once no program reads it",
            ident(column)
        );
        self.add(note.object(what).size(size).suggest(suggestion));
    }

    fn set_not_null(&mut self, table: &Name, column: &str) {
        if let Some(found) = self.large(table)
            && !self.is_known_not_null(table, column)
        {
            let what = format!("{}.{column}", found.key.plain());
            let message = format!(
                "all rows of \"{}\" are read, locked against all others",
                found.key.plain()
            );
            let size = found.relation.size;
            let note = Note::new(Rule::NotNullScan, self.grade(Harm::All, size), message);
            let (check, name) = (
                ident(&format!("{}_{column}_check", found.key.name)),
                ident(column),
            );
            let suggestion = format!(
                "ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID; \
                 in the next file ALTER TABLE {table} VALIDATE CONSTRAINT {check}; \
                 in the next ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL, DROP CONSTRAINT {check}"
            );
            self.add(note.object(what).size(size).suggest(suggestion));
        }
        if let Some((_, table)) = self.model.table(table) {
            table.change_column(column, |c| c.not_null = Some(true));
        }
    }

    /// Whether the server need not look for NULLs.
    pub(super) fn is_known_not_null(&mut self, table: &Name, column: &str) -> bool {
        let facts = self.model.facts();
        let Some((_, table)) = self.model.table(table) else {
            return false;
        };
        let changed = table.column(column);
        if changed.not_null == Some(true) || table.is_checked_not_null(column) {
            return true;
        }
        let (Some((name, _)), Some(column)) = (&table.stored, changed.stored) else {
            return false;
        };
        let known = facts.column(name, &column);
        known.is_some_and(|c| {
            let not_null = changed.not_null.is_none() && c.not_null;
            not_null || c.checked_not_null
        })
    }

    fn set_type(
        &mut self,
        table: &Name,
        column: &str,
        type_: &str,
        (using, text): (Using, Option<&str>),
    ) {
        let facts = self.model.facts();
        if let Some(found) = self.large(table)
            && let Some((_, known)) = self.model.table(table)
        {
            let stored = known.column(column).stored;
            let rewrites = using == Using::Expression
                || stored.is_none_or(|stored| facts.rewrites(&found.name, &stored, type_));
            if rewrites {
                let what = format!("{}.{column}", found.key.plain());
                let message = format!(
                    "the new type of \"{what}\" writes the table anew, locked against all others"
                );
                let size = found.relation.size;
                let note = Note::new(Rule::RewriteType, self.grade(Harm::All, size), message);
                let (old, new) = (ident(column), ident(&format!("{column}_new")));
                let value = match using {
                    Using::Same => Some(old.clone()),
                    _ => text.and_then(using_clause),
                };
                let value = value.unwrap_or_else(|| "...".to_owned());
                let suggestion = format!(
                    "ALTER TABLE {table} ADD COLUMN {new} {type_}; {}; \
                     -- once programs write both, and it has the indexes and constraints of the old one: \
                     ALTER TABLE {table} DROP COLUMN {old}; ALTER TABLE {table} RENAME COLUMN {new} TO {old}",
                    backfill(table, &format!("{column}_new"), &format!("{new} = {value}"))
                );
                self.add(note.object(what).size(size).suggest(suggestion));
            }
        }
        if let Some((_, table)) = self.model.table(table) {
            table.change_column(column, |c| c.type_ = Some(type_.to_owned()));
        }
    }

    fn rewrites(&mut self, table: &Name, what: &str) {
        let Some(found) = self.large(table) else {
            return;
        };
        let key = found.key.plain();
        let message = format!("{what} writes \"{key}\" anew, locked against all others");
        let size = found.relation.size;
        let note = Note::new(Rule::RewriteOther, self.grade(Harm::All, size), message);
        self.add(note.object(key).size(size));
    }
}

/// Fills a column in small transactions, where it is still empty.
fn backfill(table: &Name, column: &str, set: &str) -> String {
    format!(
        "CALL strata.task_backfill({}, {}, {}, {})",
        literal(&format!("{}_{column}", table.name)),
        literal(&table.to_string()),
        literal(set),
        literal(&format!("{} IS NULL", ident(column))),
    )
}

/// The default for new rows at once, for old ones step by step.
fn later_default(table: &Name, column: &Column, text: Option<&str>) -> Option<String> {
    let (before, expression) = default_clause(text?)?;
    let name = ident(&column.name);
    Some(format!(
        "ALTER TABLE {table} {before}; ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {expression}; {}",
        backfill(table, &column.name, &format!("{name} = {expression}"))
    ))
}

/// The same with a sequence of its own.
fn later_sequence(table: &Name, column: &Column) -> String {
    let sequence = table.sibling(&format!("{}_{}_seq", table.name, column.name));
    let name = ident(&column.name);
    let next = format!("nextval({})", literal(&sequence.to_string()));
    format!(
        "ALTER TABLE {table} ADD COLUMN {name} bigint; CREATE SEQUENCE {sequence} OWNED BY {table}.{name}; \
         ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {next}; {}",
        backfill(table, &column.name, &format!("{name} = {next}"))
    )
}

fn later_generated(table: &Name, column: &Column) -> String {
    let name = ident(&column.name);
    format!(
        "ALTER TABLE {table} ADD COLUMN {name} {}; -- a trigger for new rows; {}",
        column.type_,
        backfill(table, &column.name, &format!("{name} = ..."))
    )
}

#[cfg(test)]
#[path = "lint_alter_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "lint_alter_column_tests.rs"]
mod column_tests;
