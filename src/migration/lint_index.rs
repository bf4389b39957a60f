//! Rules about indexes.

use super::ddl::{CreateIndex, DropObjects, Name, ObjectKind};
use super::ddl_quote::ident;
use super::inverse_name;
use super::lint::{Harm, Note, RelationKind, Rule, Run, Severity, Size};
use super::lint_clause::insert_after;
use super::lint_table::Index;

/// Said of a statement that runs outside of transactions.
const BY_CALL: &str = "; -- run by CALL strata.migrate_deploy()";

impl Run<'_> {
    /// CREATE INDEX.
    pub(super) fn create_index(&mut self, create: &CreateIndex) {
        if create.if_not_exists
            && let Some(name) = &create.name
            && self
                .model
                .table_of_index(&create.table.sibling(name))
                .is_some()
        {
            return;
        }
        if let Some(found) = self.large(&create.table).filter(|_| !create.concurrently) {
            let partitioned = found.relation.kind == RelationKind::Partitioned;
            // the index of the parent alone is only an entry in the catalog
            if !(partitioned && create.only) {
                let suggestion = match partitioned {
                    false => self.concurrently(&["index"]),
                    true => partition_by_partition(self.sql(), create),
                };
                self.blocks_writes(create, &found.key, found.relation.size, suggestion);
            }
        }
        if let Some(key) = self.model.find(&create.table) {
            let name = inverse_name::of_index(&key.name, create, |_, _| false);
            self.model.add_index(create, name, self.at);
        }
    }

    /// The statement with CONCURRENTLY behind one of these words.
    fn concurrently(&self, behind: &[&str]) -> Option<String> {
        let sql = insert_after(self.sql(), behind, "CONCURRENTLY")?;
        Some(sql + BY_CALL)
    }

    fn blocks_writes(
        &mut self,
        create: &CreateIndex,
        table: &Name,
        size: Size,
        suggestion: Option<String>,
    ) {
        let name = create.name.as_ref();
        let name = name.map_or_else(String::new, |n| format!(" \"{n}\""));
        let table = table.plain();
        let message = format!("nobody writes to \"{table}\" while index{name} is being built");
        let severity = self.grade(Harm::Writes, size);
        let mut note = Note::new(Rule::IndexBlocksWrites, severity, message);
        note.suggestion = suggestion;
        self.add(note.object(table).size(size));
    }

    /// DROP INDEX of one index.
    pub(super) fn drop_index(&mut self, index: &Name, drop: &DropObjects) {
        let table = self.model.table_of_index(index);
        let found = table.and_then(|t| self.large(&t));
        if let Some(found) = found.filter(|_| !drop.concurrently) {
            let (what, size) = (found.key.sibling(&index.name).plain(), found.relation.size);
            let message = format!(
                "dropping index \"{what}\" waits for all who use \"{}\", and all others wait behind it",
                found.key.plain()
            );
            let note = Note::new(
                Rule::DropIndexBlocks,
                self.grade(Harm::Moment, size),
                message,
            );
            let mut note = note.object(what).size(size);
            // not supported for partitioned tables, nor with CASCADE
            if found.relation.kind != RelationKind::Partitioned && !drop.cascade {
                let if_exists = if drop.if_exists { "IF EXISTS " } else { "" };
                note = note.suggest(format!(
                    "DROP INDEX CONCURRENTLY {if_exists}{index}{BY_CALL}"
                ));
            }
            self.add(note);
        }
        self.model.drop_index(index);
    }

    /// REINDEX without CONCURRENTLY.
    pub(super) fn reindex(&mut self, relation: Option<&(ObjectKind, Name)>) {
        let suggestion = self.concurrently(&["index", "table", "schema", "database"]);
        let Some((kind, name)) = relation else {
            let message =
                "nobody writes to a table, and few can read, while its indexes are built anew";
            let mut note = Note::new(Rule::ReindexBlocks, Severity::Warning, message.to_owned());
            note.suggestion = suggestion;
            self.add(note);
            return;
        };
        let table = match kind {
            ObjectKind::Index => self.model.table_of_index(name),
            _ => Some(name.clone()),
        };
        let Some(found) = table.and_then(|t| self.large(&t)) else {
            return;
        };
        let (what, each) = match kind {
            ObjectKind::Index => (found.key.sibling(&name.name).plain(), "index"),
            _ => (found.key.plain(), "each index of"),
        };
        let message = format!(
            "nobody writes to \"{}\", and few can read, while {each} \"{what}\" is built anew",
            found.key.plain()
        );
        let size = found.relation.size;
        let mut note = Note::new(Rule::ReindexBlocks, self.grade(Harm::Writes, size), message);
        note.suggestion = suggestion;
        self.add(note.object(what).size(size));
    }

    /// Indexes of the run that hold what another one holds, at its end.
    pub(super) fn duplicate_indexes(&mut self) {
        let facts = self.model.facts();
        let mut found = Vec::new();
        for (key, table) in self.model.known() {
            let size = table.stored.as_ref().map(|(_, relation)| relation.size);
            // asking for the indexes of a table that got none is of no use
            if !table.has_new_index() {
                continue;
            }
            let indexes = table.indexes(facts);
            for (n, index) in indexes.iter().enumerate() {
                let Some(at) = index.made_at else { continue };
                let earlier = indexes.iter().take(n);
                if let Some(other) = earlier.into_iter().find(|other| other.equals(index)) {
                    found.push((key.clone(), size, at, other.clone(), index.clone()));
                }
            }
        }
        for (key, size, at, old, new) in found {
            self.duplicate_index(&key, size, at, (&old, &new));
        }
    }

    fn duplicate_index(
        &mut self,
        table: &Name,
        size: Option<Size>,
        at: usize,
        (old, new): (&Index, &Index),
    ) {
        // which of the two says nothing that the other does not say
        let needed = |i: &Index| (i.of_constraint, i.unique);
        let (spare, kept) = if needed(new) > needed(old) {
            (old, new)
        } else {
            (new, old)
        };
        let message = format!(
            "index \"{}\" of \"{}\" holds what \"{}\" holds",
            spare.name,
            table.plain(),
            kept.name
        );
        let severity = self.grade(Harm::Design, size.unwrap_or_default());
        let name = table.sibling(&spare.name);
        let mut note = Note::new(Rule::DuplicateIndex, severity, message).object(name.plain());
        note.size = size;
        if !spare.of_constraint {
            note = note.suggest(format!("DROP INDEX {name}"));
        }
        self.add_at(at, note);
    }
}

/// An index of a partitioned table without a long lock.
fn partition_by_partition(sql: &str, create: &CreateIndex) -> Option<String> {
    let parent = insert_after(sql, &["on"], "ONLY")?;
    let name = create.name.as_deref().map_or("...".to_owned(), ident);
    Some(format!(
        "{parent}; CREATE INDEX CONCURRENTLY ... ON each partition; ALTER INDEX {name} ATTACH PARTITION each of them"
    ))
}

#[cfg(test)]
#[path = "lint_index_tests.rs"]
mod tests;
