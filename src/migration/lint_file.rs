//! Rules about a file as a whole: wrappers, settings, and names without a schema.

use super::ddl::{Ddl, Name, ObjectKind, Set, Transaction};
use super::ddl_quote::ident;
use super::lint::{Located, Note, Outside, Rule, Run, Severity};

/// What a file has done so far, from its first statement on.
#[derive(Debug, Clone, Default)]
pub struct FileState {
    /// behind a BEGIN that no COMMIT has ended
    wrapped: bool,
    /// a COMMIT that nothing but transaction commands follows, yet
    commit: Option<usize>,
    /// settings that were changed for the session, with the statement that did it first
    leaks: Vec<(String, usize)>,
    /// `search_path` was changed for the session: the line, and whether a name was found since
    path_set: Option<(usize, bool)>,
}

impl Run<'_> {
    /// Wrappers, and statements that stand in one and may not.
    pub(super) fn look_at_transaction(&mut self, here: &Located<'_>) {
        match here.transaction() {
            Some(Transaction::Begin) => self.file.wrapped = true,
            Some(Transaction::Commit) => {
                self.file.wrapped = false;
                self.file.commit = Some(self.at);
                self.within.1 += 1;
            }
            Some(Transaction::Rollback) => {
                self.file.wrapped = false;
                let message = "this ROLLBACK would undo the migration itself: no run takes it";
                self.add(Note::new(
                    Rule::CommitInside,
                    Severity::Error,
                    message.into(),
                ));
            }
            Some(Transaction::Other) => {}
            None => self.look_at_outside(here),
        }
        if !here.is_transaction()
            && let Some(commit) = self.file.commit.take()
        {
            let message = "statements follow this COMMIT: migrate_up does not commit here, \
                 and a failure behind it leaves half a file with migrate_deploy";
            let note = Note::new(Rule::CommitInside, Severity::Warning, message.into());
            self.add_at(commit, note.suggest("a file of its own for what follows"));
        }
    }

    fn look_at_outside(&mut self, here: &Located<'_>) {
        if here.outside == Outside::No {
            return;
        }
        let what = match here.outside {
            Outside::Strips => format!("{} CONCURRENTLY", here.tag),
            _ => here.tag.to_owned(),
        };
        if self.file.wrapped {
            let message = format!("{what} cannot run between BEGIN and COMMIT");
            let note = Note::new(Rule::ConcurrentlyInWrapper, Severity::Error, message);
            self.add(
                note.suggest(
                    "the same file without BEGIN and COMMIT: CALL strata.migrate_deploy()",
                ),
            );
        }
        let tables = self.tables_of(&here.ddl);
        let stops = match here.outside {
            Outside::Never => true,
            Outside::Strips => tables.is_none_or(|t| t.iter().any(|t| self.has_rows(t))),
            Outside::No | Outside::Skips => false,
        };
        if stops {
            let message =
                format!("{what} cannot run in a transaction: migrate_up refuses this file");
            let note = Note::new(Rule::ConcurrentNeedsCall, Severity::Warning, message);
            self.add(note.suggest("CALL strata.migrate_deploy()"));
        }
    }

    /// The tables that a statement with CONCURRENTLY works on; `None`: it does not say which.
    fn tables_of(&mut self, ddl: &Ddl) -> Option<Vec<Name>> {
        match ddl {
            Ddl::CreateIndex(index) => Some(vec![index.table.clone()]),
            Ddl::AlterTable(alter) => Some(vec![alter.table.clone()]),
            Ddl::Drop(drop) => {
                let indexes = drop.objects.iter().map(|o| &o.name);
                Some(
                    indexes
                        .filter_map(|i| self.model.table_of_index(i))
                        .collect(),
                )
            }
            Ddl::Reindex { relation, .. } => match relation.as_ref()? {
                (ObjectKind::Index, index) => {
                    Some(self.model.table_of_index(index).into_iter().collect())
                }
                (_, table) => Some(vec![table.clone()]),
            },
            _ => None,
        }
    }

    fn has_rows(&mut self, table: &Name) -> bool {
        let stored = self.model.stored(table);
        stored.is_some_and(|s| s.relation.size.rows > 0)
    }

    /// SET, RESET.
    pub(super) fn set(&mut self, set: &Set) {
        if set.name == "search_path" || set.name.is_empty() {
            self.model.set_path(set.to.as_deref());
        }
        if set.local {
            return;
        }
        let leaks = set.to.is_some();
        if set.name.is_empty() {
            self.file.leaks.clear();
        } else if !leaks {
            self.file.leaks.retain(|(name, _)| *name != set.name);
        } else if !self.file.leaks.iter().any(|(name, _)| *name == set.name) {
            self.file.leaks.push((set.name.clone(), self.at));
        }
        if set.name == "search_path" || set.name.is_empty() {
            let line = self.here().map_or(0, |s| s.line);
            self.file.path_set = leaks.then_some((line, false));
        }
    }

    /// Settings that are still changed at the end of the file.
    pub(super) fn end_file(&mut self) {
        let leaks = std::mem::take(&mut self.file.leaks);
        let Some(((first, at), others)) = leaks.split_first() else {
            return;
        };
        let more = match others.len() {
            0 => String::new(),
            1 => " and 1 other setting".to_owned(),
            n => format!(" and {n} other settings"),
        };
        let message = format!(
            "SET without LOCAL: \"{first}\"{more} would stay changed in a session of another tool; \
             here it ends with the file"
        );
        let note = Note::new(Rule::SetLeaks, Severity::Info, message).object(first);
        self.add_at(
            *at,
            note.suggest(format!("SET LOCAL {} = ...", ident(first))),
        );
    }

    /// Names whose schema a SET of the file decides.
    pub(super) fn look_at_names(&mut self, here: &Located<'_>) {
        let Some((line, false)) = self.file.path_set else {
            return;
        };
        let names = here.ddl.names();
        let bare = names.into_iter().find(|n| n.schema.is_none());
        let Some(name) = bare else { return };
        let key = self.model.find(name);
        let schema = key.and_then(|k| k.schema);
        if schema.as_deref() == Some("pg_temp") {
            return;
        }
        self.file.path_set = Some((line, true));
        let made = schema.or_else(|| self.model.made_as(name, false).schema);
        let schema = made.filter(|s| !s.is_empty());
        let message = format!(
            "\"{}\" has no schema: the search_path that line {line} sets decides where it is",
            name.plain()
        );
        let note = Note::new(Rule::UnqualifiedAfterSearchPath, Severity::Info, message);
        let whole = Name::new(Some(schema.as_deref().unwrap_or("public")), &name.name);
        let suggestion = match &schema {
            Some(schema) => {
                format!("{whole}; or, above the first statement: -- strata: search_path={schema}")
            }
            None => whole.to_string(),
        };
        self.add(note.object(name.plain()).suggest(suggestion));
    }
}

#[cfg(test)]
#[path = "lint_file_tests.rs"]
mod tests;
