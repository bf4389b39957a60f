//! Rules that need a statement's text: labels that are used too early, and names that are cut.

use super::ddl::{Ddl, Name};
use super::ddl_quote::NAME_BYTES;
use super::lint::{Located, Note, Rule, Run, Severity};
use super::lint_clause::{has_string, long_names};

/// A label that the run has added to an enum type.
#[derive(Debug, Clone)]
pub struct Label {
    type_: String,
    label: String,
    at: usize,
    within: (usize, usize),
    /// a use of it was told
    told: bool,
}

impl Run<'_> {
    /// ALTER TYPE ADD VALUE.
    pub(super) fn add_label(&mut self, type_: &Name, label: &str) {
        // usable at once where the type comes from the same transaction (pg_enum.c of 17)
        if self.model.facts().server_major() >= 17 && self.model.is_made_type(type_) {
            return;
        }
        self.labels.push(Label {
            type_: type_.plain(),
            label: label.to_owned(),
            at: self.at,
            within: self.within,
            told: false,
        });
    }

    /// What the text alone tells.
    pub(super) fn look_at_text(&mut self, here: &Located<'_>) {
        if may_use_labels(&here.ddl) {
            self.labels_in(here);
        }
        for name in long_names(here.sql) {
            let bytes = name.len();
            let message = format!(
                "name \"{name}\" has {bytes} bytes: the server cuts it to {NAME_BYTES}, and two such may become one"
            );
            let note = Note::new(Rule::NameTooLong, Severity::Warning, message);
            let short = name.get(..name.floor_char_boundary(NAME_BYTES));
            self.add(note.object(name.clone()).suggest(format!(
                "\"{}\" is what it becomes",
                short.unwrap_or_default()
            )));
        }
    }

    fn labels_in(&mut self, here: &Located<'_>) {
        let deep = matches!(here.ddl, Ddl::Run(_));
        let mut labels = std::mem::take(&mut self.labels);
        for label in labels.iter_mut().filter(|l| !l.told) {
            if !has_string(here.sql, &label.label, deep) {
                continue;
            }
            label.told = true;
            let line = self.statements.get(label.at).map_or(0, |s| s.line);
            let file = self.statements.get(label.at).map_or("", |s| s.filename);
            let Label {
                type_,
                label: value,
                ..
            } = &*label;
            // migrate_deploy has committed it by then
            let (severity, wherefrom, suggestion) = if label.within == self.within {
                let suggestion = "ALTER TYPE ... ADD VALUE in a file of its own, and CALL strata.migrate_deploy()";
                (Severity::Error, format!("line {line}"), suggestion)
            } else {
                let wherefrom = format!("line {line} of {file}");
                (Severity::Warning, wherefrom, "CALL strata.migrate_deploy()")
            };
            let message = format!(
                "'{value}' may be the label that {wherefrom} adds to \"{type_}\": \
                 it cannot be used in the transaction that adds it"
            );
            let note = Note::new(Rule::EnumSameTransaction, severity, message);
            self.add(note.object(type_).suggest(suggestion));
        }
        self.labels = labels;
    }
}

/// Whether a string in it may be read as a value of an enum while it runs.
fn may_use_labels(ddl: &Ddl) -> bool {
    !matches!(
        ddl,
        Ddl::AddLabel { .. }
            | Ddl::Comment(_)
            | Ddl::Set(_)
            | Ddl::Transaction(_)
            | Ddl::Rename(_)
            | Ddl::Nothing
    )
}

#[cfg(test)]
#[path = "lint_text_tests.rs"]
mod tests;
