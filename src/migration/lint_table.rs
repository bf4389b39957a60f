//! A table as a run so far has made it.

use super::ddl::Name;
use super::lint_facts::{Facts, Relation};
use std::collections::HashMap;

/// What is known of a relation.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// as the catalog has it; `None`: the run has made it
    pub stored: Option<(Name, Relation)>,
    /// columns that the run has changed, by their names now
    columns: HashMap<String, Column>,
    /// constraints that the run has added or made valid
    pub constraints: HashMap<String, Added>,
    /// foreign keys that the run has added
    pub foreign_keys: Vec<ForeignKey>,
    /// `None`: not asked for yet
    indexes: Option<Vec<Index>>,
}

/// A column by its name now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Column {
    /// its name in the catalog; `None`: the run has made it
    pub stored: Option<String>,
    /// what the run has made of it
    pub not_null: Option<bool>,
    pub type_: Option<String>,
}

/// A constraint that the run has added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// a foreign key; else a check
    pub foreign_key: bool,
    pub valid: bool,
    /// columns that it says are not null
    pub not_null: Vec<String>,
    /// the file and transaction that has added it
    pub within: (usize, usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    pub name: String,
    pub columns: Vec<String>,
    /// the statement that has made it
    pub at: usize,
}

/// An index by its name now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub method: String,
    pub unique: bool,
    pub of_constraint: bool,
    /// key columns up to the first expression
    pub leading: Vec<String>,
    /// nothing but columns in their usual order
    pub plain: bool,
    pub partial: bool,
    /// the statement that has made it
    pub made_at: Option<usize>,
}

impl Index {
    /// Whether a search by these columns, in any order, can use it.
    #[must_use]
    pub fn serves(&self, columns: &[String]) -> bool {
        let Some(leading) = self.leading.get(..columns.len()) else {
            return false;
        };
        let searchable = self.method == "btree" || (self.method == "hash" && columns.len() == 1);
        searchable && !self.partial && columns.iter().all(|c| leading.contains(c))
    }

    /// Whether both hold the same keys of the same rows.
    #[must_use]
    pub fn equals(&self, other: &Index) -> bool {
        let whole = |i: &Index| i.plain && !i.partial;
        whole(self) && whole(other) && self.method == other.method && self.leading == other.leading
    }
}

impl Table {
    #[must_use]
    pub fn made() -> Table {
        Table {
            indexes: Some(Vec::new()),
            ..Table::default()
        }
    }

    #[must_use]
    pub fn stored(name: Name, relation: Relation) -> Table {
        Table {
            stored: Some((name, relation)),
            ..Table::default()
        }
    }

    /// A column by its name now.
    #[must_use]
    pub fn column(&self, name: &str) -> Column {
        self.columns.get(name).cloned().unwrap_or_else(|| Column {
            stored: self.stored.is_some().then(|| name.to_owned()),
            ..Column::default()
        })
    }

    /// Whether the run has made this column, or all of the table.
    #[must_use]
    pub fn is_made_column(&self, name: &str) -> bool {
        self.column(name).stored.is_none()
    }

    /// Whether the run has added or changed a column of this name, which it has now.
    #[must_use]
    pub fn is_added(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    pub fn add_column(&mut self, name: &str, type_: &str, not_null: bool) {
        let column = Column {
            stored: None,
            not_null: Some(not_null),
            type_: Some(type_.to_owned()),
        };
        self.columns.insert(name.to_owned(), column);
    }

    /// Changes what is known of a column.
    pub fn change_column(&mut self, name: &str, change: impl FnOnce(&mut Column)) {
        let mut column = self.column(name);
        change(&mut column);
        self.columns.insert(name.to_owned(), column);
    }

    /// Indexes and constraints of the column go with it.
    pub fn drop_column(&mut self, facts: &dyn Facts, name: &str) {
        self.columns.remove(name);
        let uses = |columns: &[String]| columns.iter().any(|c| c == name);
        self.indexes(facts).retain(|i| !uses(&i.leading));
        self.foreign_keys.retain(|f| !uses(&f.columns));
        self.constraints.retain(|_, c| !uses(&c.not_null));
    }

    pub fn rename_column(&mut self, facts: &dyn Facts, name: &str, to: &str) {
        let column = self.column(name);
        self.columns.remove(name);
        self.columns.insert(to.to_owned(), column);
        let lists = self
            .indexes
            .get_or_insert_with(|| ask(facts, self.stored.as_ref()))
            .iter_mut()
            .map(|i| &mut i.leading)
            .chain(self.foreign_keys.iter_mut().map(|f| &mut f.columns))
            .chain(self.constraints.values_mut().map(|c| &mut c.not_null));
        for column in lists.flatten().filter(|c| c.as_str() == name) {
            to.clone_into(column);
        }
    }

    pub fn drop_constraint(&mut self, facts: &dyn Facts, name: &str) {
        self.constraints.remove(name);
        self.foreign_keys.retain(|f| f.name != name);
        self.indexes(facts)
            .retain(|i| !(i.of_constraint && i.name == name));
    }

    pub fn rename_constraint(&mut self, facts: &dyn Facts, name: &str, to: &str) {
        if let Some(added) = self.constraints.remove(name) {
            self.constraints.insert(to.to_owned(), added);
        }
        let foreign_keys = self.foreign_keys.iter_mut().map(|f| &mut f.name);
        let of_constraint = |i: &&mut Index| i.of_constraint;
        let indexes = self
            .indexes
            .get_or_insert_with(|| ask(facts, self.stored.as_ref()));
        let indexes = indexes
            .iter_mut()
            .filter(of_constraint)
            .map(|i| &mut i.name);
        for found in foreign_keys.chain(indexes).filter(|n| n.as_str() == name) {
            to.clone_into(found);
        }
    }

    /// What it has now.
    pub fn indexes(&mut self, facts: &dyn Facts) -> &mut Vec<Index> {
        self.indexes
            .get_or_insert_with(|| ask(facts, self.stored.as_ref()))
    }

    /// Whether it has such an index, as far as that was asked for.
    #[must_use]
    pub fn has_known_index(&self, name: &str) -> bool {
        let mut known = self.indexes.iter().flatten();
        known.any(|i| i.name == name)
    }

    /// Whether the run has given it an index that it still has.
    #[must_use]
    pub fn has_new_index(&self) -> bool {
        let mut known = self.indexes.iter().flatten();
        known.any(|i| i.made_at.is_some())
    }

    /// Whether a valid constraint that the run has added says that the column is not null.
    #[must_use]
    pub fn is_checked_not_null(&self, column: &str) -> bool {
        let mut valid = self.constraints.values().filter(|c| c.valid);
        valid.any(|c| c.not_null.iter().any(|n| n == column))
    }
}

fn ask(facts: &dyn Facts, stored: Option<&(Name, Relation)>) -> Vec<Index> {
    let Some((name, _)) = stored else {
        return Vec::new();
    };
    let indexes = facts.indexes(name).into_iter().map(|i| Index {
        name: i.name,
        method: i.method,
        unique: i.unique,
        of_constraint: i.of_constraint,
        leading: i.leading,
        plain: i.plain,
        partial: i.partial,
        made_at: None,
    });
    indexes.collect()
}

#[cfg(test)]
#[path = "lint_table_tests.rs"]
mod tests;
