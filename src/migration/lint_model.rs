//! What the statements of a run so far have made of the schema: the catalog as it is, and the changes on top of it.

use super::ddl::{CreateIndex, Name};
use super::lint_facts::{Facts, Relation};
use super::lint_table::{Index, Table};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Where temporary tables live; searched before all other schemas.
const TEMP: &str = "pg_temp";

/// A relation that was there before the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// its name by now
    pub key: Name,
    /// its name in the catalog
    pub name: Name,
    pub relation: Relation,
}

/// Follows a run. A *key* is the name that a relation has by now, with its schema.
pub struct Model<'f> {
    facts: &'f dyn Facts,
    filename: String,
    path: Vec<String>,
    /// `None`: dropped, renamed, or never there
    relations: BTreeMap<Name, Option<Table>>,
    schemas: HashSet<String>,
    /// types and domains that the run has made
    types: HashSet<Name>,
    /// functions that the run has made, and whether they are volatile
    functions: HashMap<Name, bool>,
}

impl<'f> Model<'f> {
    #[must_use]
    pub fn new(facts: &'f dyn Facts) -> Model<'f> {
        Model {
            facts,
            filename: String::new(),
            path: Vec::new(),
            relations: BTreeMap::new(),
            schemas: HashSet::new(),
            types: HashSet::new(),
            functions: HashMap::new(),
        }
    }

    #[must_use]
    pub fn facts(&self) -> &'f dyn Facts {
        self.facts
    }

    /// Temporary tables and settings of the file before are gone.
    pub fn begin_file(&mut self, filename: &str) {
        self.relations
            .retain(|key, _| key.schema.as_deref() != Some(TEMP));
        filename.clone_into(&mut self.filename);
        self.path = self.facts.search_path(filename);
    }

    /// `None`: as the file began.
    pub fn set_path(&mut self, path: Option<&[String]>) {
        self.path = match path {
            Some(path) => path.to_vec(),
            None => self.facts.search_path(&self.filename),
        };
    }

    fn has_schema(&self, schema: &str) -> bool {
        self.schemas.contains(schema) || self.facts.has_schema(schema)
    }

    /// The name with the schema in which it is made.
    #[must_use]
    pub fn made_as(&self, name: &Name, temporary: bool) -> Name {
        if temporary {
            return Name::new(Some(TEMP), &name.name);
        }
        if name.schema.is_some() {
            return name.clone();
        }
        let schema = self.path.iter().find(|s| self.has_schema(s));
        Name::new(Some(schema.map_or("", String::as_str)), &name.name)
    }

    /// Columns of this type, which is the first of its name in the search path that has any.
    #[must_use]
    pub fn columns_of_type(&self, type_: &Name) -> Vec<(Name, String)> {
        if type_.schema.is_some() {
            return self.facts.columns_of_type(type_);
        }
        let within = |schema: &String| {
            let found = self
                .facts
                .columns_of_type(&Name::new(Some(schema), &type_.name));
            (!found.is_empty()).then_some(found)
        };
        self.path.iter().find_map(within).unwrap_or_default()
    }

    /// The names that it may stand for, in the order of the search path.
    fn candidates(&self, name: &Name) -> Vec<Name> {
        if name.schema.is_some() {
            return vec![name.clone()];
        }
        let schemas = std::iter::once(TEMP).chain(self.path.iter().map(String::as_str));
        schemas
            .map(|schema| Name::new(Some(schema), &name.name))
            .collect()
    }

    /// The key of a relation, if there is one now.
    pub fn find(&mut self, name: &Name) -> Option<Name> {
        let candidates = self.candidates(name);
        candidates.into_iter().find(|key| self.is_there(key))
    }

    fn is_there(&mut self, key: &Name) -> bool {
        if let Some(known) = self.relations.get(key) {
            return known.is_some();
        }
        let relation = match key.schema.as_deref() {
            Some(TEMP) => None,
            _ => self.facts.relation(key),
        };
        let table = relation.map(|r| Table::stored(key.clone(), r));
        let there = table.is_some();
        self.relations.insert(key.clone(), table);
        there
    }

    /// The relation with its key, if there is one now.
    pub fn table(&mut self, name: &Name) -> Option<(Name, &mut Table)> {
        let key = self.find(name)?;
        let table = self.relations.get_mut(&key)?.as_mut()?;
        Some((key, table))
    }

    /// The relation as the catalog has it; `None` for one that the run has made, and for one that is not there.
    pub fn stored(&mut self, name: &Name) -> Option<Stored> {
        let (key, table) = self.table(name)?;
        let (name, relation) = table.stored.clone()?;
        Some(Stored {
            key,
            name,
            relation,
        })
    }

    /// A relation is made; its key.
    pub fn make(&mut self, name: &Name, temporary: bool) -> Name {
        let key = self.made_as(name, temporary);
        self.relations.insert(key.clone(), Some(Table::made()));
        key
    }

    pub fn drop_relation(&mut self, name: &Name) {
        if let Some(key) = self.find(name) {
            self.relations.insert(key, None);
        }
    }

    /// A relation gets another name or schema.
    pub fn move_relation(&mut self, name: &Name, to: impl FnOnce(&Name) -> Name) {
        let Some(key) = self.find(name) else { return };
        let table = self.relations.insert(key.clone(), None).flatten();
        self.relations.insert(to(&key), table);
    }

    pub fn make_schema(&mut self, schema: &str) {
        self.schemas.insert(schema.to_owned());
    }

    #[must_use]
    pub fn is_made_schema(&self, schema: &str) -> bool {
        self.schemas.contains(schema)
    }

    /// What the run knows in it gets along; tables that no statement has named yet are not known by their new name.
    pub fn rename_schema(&mut self, schema: &str, to: &str) {
        let inside = |key: &&Name| key.schema.as_deref() == Some(schema);
        let keys: Vec<Name> = self.relations.keys().filter(inside).cloned().collect();
        for key in keys {
            let table = self.relations.insert(key.clone(), None).flatten();
            self.relations.insert(Name::new(Some(to), &key.name), table);
        }
        if self.schemas.remove(schema) {
            self.schemas.insert(to.to_owned());
        }
    }

    pub fn drop_schema(&mut self, schema: &str) {
        self.schemas.remove(schema);
        for (key, table) in &mut self.relations {
            if key.schema.as_deref() == Some(schema) {
                *table = None;
            }
        }
    }

    pub fn make_type(&mut self, name: &Name) {
        let key = self.made_as(name, false);
        self.types.insert(key);
    }

    #[must_use]
    pub fn is_made_type(&self, name: &Name) -> bool {
        let candidates = self.candidates(name);
        candidates.iter().any(|key| self.types.contains(key))
    }

    /// A type gets another name.
    pub fn rename_type(&mut self, name: &Name, to: &str) {
        for key in self.candidates(name) {
            if self.types.remove(&key) {
                self.types.insert(key.sibling(to));
                return;
            }
        }
    }

    pub fn make_function(&mut self, name: &Name, volatile: bool) {
        let key = self.made_as(name, false);
        *self.functions.entry(key).or_default() |= volatile;
    }

    #[must_use]
    pub fn is_volatile(&self, function: &Name) -> bool {
        let candidates = self.candidates(function);
        let made = candidates.iter().find_map(|key| self.functions.get(key));
        made.copied()
            .unwrap_or_else(|| self.facts.is_volatile(function))
    }

    /// The indexes that a table has now.
    pub fn indexes(&mut self, table: &Name) -> Option<&mut Vec<Index>> {
        let facts = self.facts;
        let (_, table) = self.table(table)?;
        Some(table.indexes(facts))
    }

    /// The key of the table of an index.
    pub fn table_of_index(&mut self, index: &Name) -> Option<Name> {
        self.candidates(index)
            .into_iter()
            .find_map(|key| self.table_of(&key))
    }

    fn table_of(&mut self, index: &Name) -> Option<Name> {
        let schema = index.schema.as_deref();
        let made = self.relations.iter().find(|(key, table)| {
            key.schema.as_deref() == schema
                && table
                    .as_ref()
                    .is_some_and(|t| t.has_known_index(&index.name))
        });
        if let Some((key, _)) = made {
            return Some(key.clone());
        }
        let stored = self.facts.table_of_index(index)?;
        let renamed = self.relations.iter().find(|(_, table)| {
            let stored_as = table.as_ref().and_then(|t| t.stored.as_ref());
            stored_as.is_some_and(|(name, _)| *name == stored)
        });
        let key = match renamed {
            Some((key, _)) => key.clone(),
            None => self.find(&stored)?,
        };
        // it may have been dropped
        let indexes = self.indexes(&key)?;
        indexes.iter().any(|i| i.name == index.name).then_some(key)
    }

    /// An index is made.
    pub fn add_index(&mut self, index: &CreateIndex, name: String, at: usize) {
        let made = Index {
            name,
            method: index.method.clone(),
            unique: index.unique,
            of_constraint: false,
            leading: index.leading_columns(),
            plain: index.keys.iter().all(|k| k.plain && k.column.is_some()),
            partial: index.partial,
            made_at: Some(at),
        };
        if let Some(indexes) = self.indexes(&index.table) {
            indexes.push(made);
        }
    }

    pub fn drop_index(&mut self, index: &Name) {
        if let Some(table) = self.table_of_index(index)
            && let Some(indexes) = self.indexes(&table)
        {
            indexes.retain(|i| i.name != index.name);
        }
    }

    pub fn rename_index(&mut self, index: &Name, to: &str) {
        if let Some(table) = self.table_of_index(index)
            && let Some(indexes) = self.indexes(&table)
        {
            let found = indexes.iter_mut().find(|i| i.name == index.name);
            if let Some(index) = found {
                to.clone_into(&mut index.name);
            }
        }
    }

    /// All relations that are there, of which the run knows, by key, in order of keys; but temporary ones.
    pub fn known(&mut self) -> Vec<(&Name, &mut Table)> {
        let lasts = |key: &Name| key.schema.as_deref() != Some(TEMP);
        let tables = self.relations.iter_mut().filter(|(key, _)| lasts(key));
        tables
            .filter_map(|(key, table)| Some((key, table.as_mut()?)))
            .collect()
    }
}

#[cfg(test)]
#[path = "lint_model_tests.rs"]
mod tests;
