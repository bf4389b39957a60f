//! Advice on statements before they run: parse trees, compared with the live catalog (design section 13).
//!
//! What is about time and locks is quiet on a table that the run has made, and on one of at most `lint_pages` pages. Lost
//! rows, and programs that stop working, do not depend on size: there a small table only makes the finding an info.

use super::ddl::{Ddl, Name, Rows, Transaction};
pub use super::lint_down::{Down, FileDown, downs};
pub use super::lint_facts::{
    ColumnFacts, ConstraintFacts, Extension, Facts, IndexFacts, Relation, RelationKind,
};
use super::lint_file::FileState;
pub use super::lint_grade::{Harm, Severity, Size, grade};
use super::lint_model::{Model, Stored};
use super::lint_text::Label;
use super::set::words;

words! {
    /// `rule` of `migrate_lint`.
    Rule {
        IndexBlocksWrites = "index_blocks_writes",
        DropIndexBlocks = "drop_index_blocks",
        ReindexBlocks = "reindex_blocks",
        RewriteType = "rewrite_type",
        RewriteDefault = "rewrite_default",
        RewriteOther = "rewrite_other",
        NotNullScan = "not_null_scan",
        FkScan = "fk_scan",
        CheckScan = "check_scan",
        UniqueBuildsIndex = "unique_builds_index",
        AddRequiredColumn = "add_required_column",
        DropColumn = "drop_column",
        DropTable = "drop_table",
        Truncate = "truncate",
        DropSchemaCascade = "drop_schema_cascade",
        RenameBreaksClients = "rename_breaks_clients",
        EnumSameTransaction = "enum_same_transaction",
        ConcurrentlyInWrapper = "concurrently_in_wrapper",
        CommitInside = "commit_inside",
        ConcurrentNeedsCall = "concurrent_needs_call",
        FkWithoutIndex = "fk_without_index",
        DuplicateIndex = "duplicate_index",
        IntPrimaryKey = "int_primary_key",
        NameTooLong = "name_too_long",
        UpdateAllRows = "update_all_rows",
        UnqualifiedAfterSearchPath = "unqualified_after_search_path",
        SetLeaks = "set_leaks",
        RoleInCluster = "role_in_cluster",
        DependsOnSuperuser = "depends_on_superuser",
        MissingDown = "missing_down",
        EmptyDown = "empty_down",
        DownNotParsed = "down_not_parsed",
        /// no rule of the statements: the text of a registered file cannot be read to its end
        NotParsed = "not_parsed",
    }
}

/// Whether a statement may run in a transaction, as an atomic run decides with `nontransactional => 'auto'`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// it may
    No,
    /// only without CONCURRENTLY, which is dropped where no table that it names has rows
    Strips,
    /// it is left out: VACUUM
    Skips,
    Never,
}

/// One statement of a run, or one of several parts of it (see [`Ddl`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<'a> {
    pub filename: &'a str,
    /// number in the file, from 1
    pub statement: i32,
    /// line of its first token in the file
    pub line: usize,
    /// its text, without its semicolon
    pub sql: &'a str,
    /// command tag, such as `CREATE TABLE`
    pub tag: &'a str,
    pub outside: Outside,
    pub ddl: Ddl,
}

/// A row of `migrate_lint`, but for the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub filename: String,
    /// `None` for what is about a whole file
    pub statement: Option<i32>,
    pub line: Option<usize>,
    pub rule: Rule,
    pub severity: Severity,
    /// without quotes: `t`, `t.c`
    pub object: Option<String>,
    pub est_rows: Option<u64>,
    pub bytes: Option<u64>,
    pub message: String,
    /// SQL to use instead, or the call that makes it right
    pub suggestion: Option<String>,
}

/// What a rule says of a statement.
pub(super) struct Note {
    pub rule: Rule,
    pub severity: Severity,
    pub object: Option<String>,
    pub size: Option<Size>,
    pub message: String,
    pub suggestion: Option<String>,
}

impl Note {
    pub fn new(rule: Rule, severity: Severity, message: String) -> Note {
        Note {
            rule,
            severity,
            object: None,
            size: None,
            message,
            suggestion: None,
        }
    }

    pub fn object(mut self, object: impl Into<String>) -> Note {
        self.object = Some(object.into());
        self
    }

    pub fn size(mut self, size: Size) -> Note {
        self.size = Some(size);
        self
    }

    pub fn suggest(mut self, suggestion: impl Into<String>) -> Note {
        self.suggestion = Some(suggestion.into());
        self
    }
}

/// A run that is being looked at.
pub(super) struct Run<'a> {
    pub model: Model<'a>,
    pub lint_pages: u64,
    pub statements: &'a [Located<'a>],
    /// the statement that is being looked at
    pub at: usize,
    pub file: FileState,
    /// counts files and COMMITs within them: (file, transaction)
    pub within: (usize, usize),
    pub labels: Vec<Label>,
    pub renames: Vec<super::lint_rename::Renamed>,
    notes: Vec<(usize, Note)>,
}

/// Looks at the statements of a run in the order in which they run, file after file; a file's statements stand
/// together. Findings come in that order. `lint_pages`: up to that many pages a table counts as small.
#[must_use]
pub fn lint(statements: &[Located<'_>], facts: &dyn Facts, lint_pages: u64) -> Vec<Finding> {
    let mut run = Run {
        model: Model::new(facts),
        lint_pages,
        statements,
        at: 0,
        file: FileState::default(),
        within: (0, 0),
        labels: Vec::new(),
        renames: Vec::new(),
        notes: Vec::new(),
    };
    for at in 0..statements.len() {
        run.see(at);
    }
    run.end_file();
    run.end();
    run.notes.sort_by_key(|(at, _)| *at);
    let notes = std::mem::take(&mut run.notes).into_iter();
    notes
        .filter_map(|(at, note)| Some(finding(statements.get(at)?, note)))
        .collect()
}

fn finding(at: &Located<'_>, note: Note) -> Finding {
    Finding {
        filename: at.filename.to_owned(),
        statement: Some(at.statement),
        line: Some(at.line),
        rule: note.rule,
        severity: note.severity,
        object: note.object,
        est_rows: note.size.map(|s| s.rows),
        bytes: note.size.map(|s| s.bytes),
        message: note.message,
        suggestion: note.suggestion,
    }
}

impl<'a> Run<'a> {
    /// The statement that is being looked at.
    pub fn here(&self) -> Option<&'a Located<'a>> {
        self.statements.get(self.at)
    }

    pub fn sql(&self) -> &'a str {
        self.here().map_or("", |s| s.sql)
    }

    pub fn add(&mut self, note: Note) {
        self.add_at(self.at, note);
    }

    pub fn add_at(&mut self, at: usize, note: Note) {
        self.notes.push((at, note));
    }

    /// The relation, where what takes time on it is worth a word: it was there before the run, and is not small.
    pub fn large(&mut self, table: &Name) -> Option<Stored> {
        let found = self.model.stored(table)?;
        (found.relation.size.pages > self.lint_pages).then_some(found)
    }

    /// How bad it is on a relation of that size.
    pub fn grade(&self, harm: Harm, size: Size) -> Severity {
        grade(harm, size.pages, self.lint_pages)
    }

    fn see(&mut self, at: usize) {
        let statements = self.statements;
        let Some(here) = statements.get(at) else {
            return;
        };
        let before = at.checked_sub(1).and_then(|n| statements.get(n));
        if before.is_none_or(|b| b.filename != here.filename) {
            self.end_file();
            self.within = (self.within.0 + 1, 0);
            self.file = FileState::default();
            self.model.begin_file(here.filename);
        }
        self.at = at;
        self.look_at_transaction(here);
        // the parts of one statement have one text
        if before.is_none_or(|b| (b.filename, b.statement) != (here.filename, here.statement)) {
            self.look_at_text(here);
        }
        self.look_at_names(here);
        self.look_at_rights(here);
        self.look_at(&here.ddl);
    }

    fn look_at(&mut self, ddl: &Ddl) {
        match ddl {
            Ddl::CreateTable(create) => self.create_table(create),
            Ddl::CreateIndex(create) => self.create_index(create),
            Ddl::Create(create) => self.create(create),
            Ddl::Drop(drop) => self.drop_objects(drop),
            Ddl::AlterTable(alter) => self.alter_table(alter),
            Ddl::Rename(rename) => self.rename(rename),
            Ddl::SetSchema { object, to, .. } => self.set_schema(object, to),
            Ddl::AddLabel { type_, label, .. } => self.add_label(type_, label),
            Ddl::Rows(rows) => self.rows(rows),
            Ddl::Set(set) => self.set(set),
            Ddl::Reindex {
                relation,
                concurrently: false,
            } => self.reindex(relation.as_ref()),
            Ddl::Rewrite { tables } => self.rewrite(tables),
            _ => {}
        }
    }

    fn rows(&mut self, rows: &Rows) {
        match rows {
            Rows::Update {
                table,
                filtered: false,
            } => self.update_all(table),
            Rows::Delete {
                table,
                filtered: false,
            } => self.delete_all(table),
            Rows::Truncate { tables, .. } => self.truncate(tables),
            _ => {}
        }
    }

    /// What only the end of the run shows.
    fn end(&mut self) {
        self.foreign_keys_without_index();
        self.duplicate_indexes();
        self.broken_names();
    }
}

impl Located<'_> {
    /// Whether it only begins or ends a transaction, or sets something in one.
    pub(super) fn is_transaction(&self) -> bool {
        matches!(self.ddl, Ddl::Transaction(_))
    }

    /// The transaction command that it is.
    pub(super) fn transaction(&self) -> Option<Transaction> {
        match self.ddl {
            Ddl::Transaction(command) => Some(command),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "lint_samples.rs"]
pub mod samples;

#[cfg(test)]
#[path = "lint_tests.rs"]
mod tests;
