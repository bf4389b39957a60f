//! Rules about new tables, and what the run has to know of them.

use super::ddl::{Column, Constraint, ConstraintKind, CreateTable, Name, ObjectKind};
use super::ddl_quote::idents;
use super::inverse_name;
use super::lint::{Harm, Note, Relation, RelationKind, Rule, Run};
use super::lint_table::{Added, ForeignKey, Index};

impl Run<'_> {
    /// CREATE TABLE.
    pub(super) fn create_table(&mut self, create: &CreateTable) {
        if create.if_not_exists && self.model.find(&create.table).is_some() {
            return;
        }
        let key = self.model.make(&create.table, create.temporary);
        if create.kind != ObjectKind::Table {
            return;
        }
        for column in &create.columns {
            self.remember_column(&key, column);
        }
        for constraint in create.all_constraints() {
            // what is copied from elsewhere may bring indexes along
            let seen = !(create.open && constraint.referenced().is_some());
            if seen {
                self.remember(&key, constraint);
            }
            self.look_at_key(&key, constraint, create.temporary);
        }
    }

    /// A primary key of one column that counts to two thousand million, or less.
    pub(super) fn look_at_key(&mut self, table: &Name, constraint: &Constraint, temporary: bool) {
        let ConstraintKind::PrimaryKey { using_index, .. } = &constraint.kind else {
            return;
        };
        let columns = match using_index {
            None => constraint.columns.clone(),
            Some(index) => self.columns_of(table, index),
        };
        let ([column], false) = (columns.as_slice(), temporary) else {
            return;
        };
        let Some(key) = self.model.find(table) else {
            return;
        };
        let Some(highest) = self.type_of(table, column).and_then(|t| highest(&t)) else {
            return;
        };
        let size = self.model.stored(table).map(|s| s.relation.size);
        let what = format!("{}.{column}", key.plain());
        let message = format!("primary key \"{what}\" ends at {highest}");
        let severity = self.grade(Harm::Design, size.unwrap_or_default());
        let mut note = Note::new(Rule::IntPrimaryKey, severity, message).object(what);
        note.size = size;
        self.add(note.suggest("bigint"));
    }

    fn columns_of(&mut self, table: &Name, index: &str) -> Vec<String> {
        let indexes = self.model.indexes(table);
        let index = indexes.and_then(|all| all.iter().find(|i| i.name == index));
        index.map_or_else(Vec::new, |i| i.leading.clone())
    }

    /// The type of a column, as the run or the catalog says it.
    fn type_of(&mut self, table: &Name, column: &str) -> Option<String> {
        let facts = self.model.facts();
        let (_, table) = self.model.table(table)?;
        let column = table.column(column);
        if column.type_.is_some() {
            return column.type_;
        }
        let (name, _) = table.stored.as_ref()?;
        Some(facts.column(name, &column.stored?)?.type_)
    }

    /// A constraint that a table has from here on: its index, what it says of NULLs, its foreign key.
    pub(super) fn remember(&mut self, key: &Name, constraint: &Constraint) {
        let (at, within) = (self.at, self.within);
        let facts = self.model.facts();
        let Some((key, table)) = self.model.table(key) else {
            return;
        };
        let columns = &constraint.columns;
        let chosen = inverse_name::of_constraint(&key.name, constraint, |_, _| false);
        let added = |foreign_key, not_null: &[String]| Added {
            foreign_key,
            valid: !constraint.not_valid,
            not_null: not_null.to_vec(),
            within,
        };
        match &constraint.kind {
            ConstraintKind::PrimaryKey { using_index, .. }
            | ConstraintKind::Unique { using_index, .. } => {
                let indexes = table.indexes(facts);
                let used = using_index.as_ref();
                let used = used.and_then(|name| indexes.iter_mut().find(|i| i.name == *name));
                let columns = match used {
                    // the index takes the name of the constraint
                    Some(index) => {
                        index.of_constraint = true;
                        if let Some(name) = &constraint.name {
                            name.clone_into(&mut index.name);
                        }
                        index.leading.clone()
                    }
                    None if using_index.is_none() => {
                        indexes.push(index_of_key(chosen, columns, at));
                        columns.clone()
                    }
                    None => Vec::new(),
                };
                if matches!(constraint.kind, ConstraintKind::PrimaryKey { .. }) {
                    for column in &columns {
                        table.change_column(column, |c| c.not_null = Some(true));
                    }
                }
            }
            ConstraintKind::ForeignKey { .. } => {
                table.constraints.insert(chosen.clone(), added(true, &[]));
                table.foreign_keys.push(ForeignKey {
                    name: chosen,
                    columns: columns.clone(),
                    at,
                });
            }
            ConstraintKind::Check(check) => {
                table
                    .constraints
                    .insert(chosen, added(false, &check.not_null));
            }
            ConstraintKind::NotNull => {
                table.constraints.insert(chosen, added(false, columns));
            }
            ConstraintKind::Exclude { .. } => {}
        }
    }

    /// What a new column of a table brings along; its constraints come separately.
    pub(super) fn remember_column(&mut self, table: &Name, column: &Column) {
        if let Some((_, table)) = self.model.table(table) {
            let required = column.not_null || column.is_primary_key();
            table.add_column(&column.name, &column.type_, required);
        }
    }

    /// Foreign keys that no index of the end serves.
    pub(super) fn foreign_keys_without_index(&mut self) {
        let facts = self.model.facts();
        let mut missing = Vec::new();
        for (key, table) in self.model.known() {
            let relation = table.stored.as_ref().map(|(_, relation)| *relation);
            let keys = table.foreign_keys.clone();
            let indexes = table.indexes(facts);
            let unserved = |f: &ForeignKey| !indexes.iter().any(|i| i.serves(&f.columns));
            let unserved = keys.into_iter().filter(unserved);
            missing.extend(unserved.map(|f| (key.clone(), relation, f)));
        }
        for (key, relation, foreign_key) in missing {
            self.foreign_key_without_index(&key, relation, &foreign_key);
        }
    }

    fn foreign_key_without_index(
        &mut self,
        key: &Name,
        relation: Option<Relation>,
        found: &ForeignKey,
    ) {
        let size = relation.map(|r| r.size);
        let columns = idents(&found.columns);
        let message = format!(
            "no index of \"{}\" begins with ({columns}): each delete of a referenced row reads all of it",
            key.plain()
        );
        let severity = self.grade(Harm::Design, size.unwrap_or_default());
        let mut note = Note::new(Rule::FkWithoutIndex, severity, message).object(key.plain());
        note.size = size;
        let large =
            |r: Relation| r.size.pages > self.lint_pages && r.kind != RelationKind::Partitioned;
        let concurrently = match relation.is_some_and(large) {
            true => "CONCURRENTLY ",
            false => "",
        };
        self.add_at(
            found.at,
            note.suggest(format!("CREATE INDEX {concurrently}ON {key} ({columns})")),
        );
    }
}

/// The index of a constraint.
fn index_of_key(name: String, columns: &[String], at: usize) -> Index {
    Index {
        name,
        method: "btree".to_owned(),
        unique: true,
        of_constraint: true,
        leading: columns.to_vec(),
        plain: true,
        partial: false,
        made_at: Some(at),
    }
}

/// The highest value of the integer types that are narrow for a key.
fn highest(type_: &str) -> Option<u32> {
    let name = type_.strip_prefix("pg_catalog.").unwrap_or(type_);
    match name {
        "int4" | "integer" | "serial" | "serial4" => Some(i32::MAX.unsigned_abs()),
        "int2" | "smallint" | "smallserial" | "serial2" => Some(u32::from(i16::MAX.unsigned_abs())),
        _ => None,
    }
}

#[cfg(test)]
#[path = "lint_create_tests.rs"]
mod tests;
