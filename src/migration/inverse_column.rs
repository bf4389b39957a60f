//! The way back from what ALTER TABLE does to a column.

use super::ddl::{AlterCommand, Column, ColumnSetting, Object, ObjectKind, Using};
use super::ddl_quote::ident;
use super::inverse::{Basis, Down, OldColumn, unknown};
use super::inverse_alter::Altering;
use super::inverse_make::{made_again, restored};
use super::inverse_type;

impl Altering<'_> {
    /// The column as it was.
    fn old(&self, column: &str) -> Option<OldColumn> {
        self.before.column(&self.alter.table, column)
    }

    fn part(&self, column: &str) -> Object {
        let kind = match self.alter.kind {
            ObjectKind::Type => ObjectKind::Attribute,
            _ => ObjectKind::Column,
        };
        Object::part(kind, column, &self.alter.table)
    }

    /// `ALTER TABLE t ALTER COLUMN c ...`
    fn alter_column(&self, column: &str, what: &str) -> String {
        let word = self.part(column).word();
        self.sql(&format!("ALTER {word} {} {what}", ident(column)))
    }

    /// What comes back for a command on the column as it was; nothing for a column that this statement adds.
    fn with_old(&self, column: &str, then: impl FnOnce(OldColumn) -> Vec<Down>) -> Vec<Down> {
        match self.old(column) {
            Some(old) => then(old),
            None if self.adds(column) => Vec::new(),
            None => vec![unknown(&self.part(column))],
        }
    }

    /// Whether the statement adds it.
    fn adds(&self, column: &str) -> bool {
        self.alter.commands.iter().any(
            |c| matches!(c, AlterCommand::AddColumn { column: added, .. } if added.name == column),
        )
    }

    pub(super) fn add_column(&self, column: &Column, if_not_exists: bool) -> Vec<Down> {
        let dropped = |c: &AlterCommand| matches!(c, AlterCommand::DropColumn { column: name, .. } if *name == column.name);
        let replaced = self.alter.commands.iter().any(dropped);
        if if_not_exists && !replaced && self.old(&column.name).is_some() {
            return Vec::new();
        }
        let word = self.part(&column.name).word();
        let sql = self.sql(&format!("DROP {word} {}", ident(&column.name)));
        vec![Down::syntax(sql)]
    }

    pub(super) fn drop_column(&self, column: &str, if_exists: bool, cascade: bool) -> Vec<Down> {
        let object = self.part(column);
        let Some(definition) = self.before.definition(&object) else {
            return restored(&object, if_exists, self.before);
        };
        let mut definitions = vec![definition];
        if cascade {
            definitions.extend(self.before.dependents(&object));
        }
        let mut downs = made_again(&definitions);
        let required = self.old(column).is_some_and(|old| {
            let filled = old.default.is_some() || old.generated.is_some() || old.identity.is_some();
            old.not_null && !filled
        });
        if let Some(first) = downs.first_mut().filter(|_| required) {
            let note = "the values are lost; fails while the table has rows, because the column is NOT NULL without a default";
            first.note = Some(note.to_owned());
        }
        downs
    }

    pub(super) fn default(&self, column: &str) -> Vec<Down> {
        // the change of its type puts the default back as well
        let typed = |c: &AlterCommand| matches!(c, AlterCommand::SetType { column: name, .. } if name == column);
        if self.alter.commands.iter().any(typed) {
            return Vec::new();
        }
        self.with_old(column, |old| {
            let what = match &old.default {
                Some(default) => format!("SET DEFAULT {default}"),
                None => "DROP DEFAULT".to_owned(),
            };
            vec![Down::catalog(self.alter_column(column, &what))]
        })
    }

    pub(super) fn not_null(&self, column: &str, set: bool) -> Vec<Down> {
        self.with_old(column, |old| match (set, old.not_null) {
            (true, false) => vec![Down::syntax(self.alter_column(column, "DROP NOT NULL"))],
            (false, true) => {
                let down = Down::catalog(self.alter_column(column, "SET NOT NULL"));
                vec![down.note("fails if the column has NULLs by then")]
            }
            _ => Vec::new(),
        })
    }

    pub(super) fn set_type(&self, column: &str, type_: &str, using: Using) -> Vec<Down> {
        self.with_old(column, |old| {
            let name = ident(column);
            let back = match self.alter.kind {
                // attributes have no USING
                ObjectKind::Type => old.type_.clone(),
                _ => inverse_type::back(&name, &old.type_, type_),
            };
            let default =
                |c: &AlterCommand| matches!(c, AlterCommand::SetDefault(name) if name == column);
            let touched = self.alter.commands.iter().any(default);
            let word = self.part(column).word();
            let mut commands = vec![format!("ALTER {word} {name} TYPE {back}")];
            // a default may not follow the change of type by itself
            if touched || old.default.is_some() {
                commands.insert(0, format!("ALTER {word} {name} DROP DEFAULT"));
            }
            if let Some(default) = &old.default {
                commands.push(format!("ALTER {word} {name} SET DEFAULT {default}"));
            }
            let sql = self.sql(&commands.join(", "));
            let keeps = using == Using::Same && inverse_type::keeps_values(&old.type_, type_);
            vec![match keeps {
                true => Down::catalog(sql).note("fails for values that the old type does not hold"),
                false => Down::new(Basis::DataLoss, sql)
                    .note("values that the new type did not hold as they were are lost"),
            }]
        })
    }

    pub(super) fn setting(&self, column: &str, setting: &ColumnSetting) -> Vec<Down> {
        self.with_old(column, |old| {
            let whats = match setting {
                ColumnSetting::Statistics => vec![format!("SET STATISTICS {}", old.statistics)],
                ColumnSetting::Storage => vec![format!("SET STORAGE {}", old.storage)],
                ColumnSetting::Compression => {
                    let method = old.compression.as_deref().unwrap_or("default");
                    vec![format!("SET COMPRESSION {method}")]
                }
                ColumnSetting::Options(names) => options(names, &old.options),
            };
            let down = |what: &String| Down::catalog(self.alter_column(column, what));
            whats.iter().map(down).collect()
        })
    }

    pub(super) fn drop_identity(&self, column: &str, if_exists: bool) -> Vec<Down> {
        self.with_old(column, |old| match old.identity {
            Some(identity) => vec![self.add_identity(column, &identity)],
            None if if_exists => Vec::new(),
            None => vec![unknown(&self.part(column))],
        })
    }

    pub(super) fn set_identity(&self, column: &str) -> Vec<Down> {
        self.with_old(column, |old| match old.identity {
            Some(identity) => vec![
                Down::catalog(self.alter_column(column, "DROP IDENTITY")),
                self.add_identity(column, &identity),
            ],
            None => vec![unknown(&self.part(column))],
        })
    }

    fn add_identity(&self, column: &str, identity: &str) -> Down {
        Down::catalog(self.alter_column(column, &format!("ADD {identity}")))
            .note("its sequence begins anew: setval brings it behind the highest value")
    }

    pub(super) fn identity_added(&self, column: &str) -> Vec<Down> {
        vec![Down::syntax(self.alter_column(column, "DROP IDENTITY"))]
    }

    /// A column cannot become a generated one: it is made anew.
    pub(super) fn drop_expression(&self, column: &str, if_exists: bool) -> Vec<Down> {
        self.with_old(column, |old| {
            if old.generated.is_none() && if_exists {
                return Vec::new();
            }
            let object = self.part(column);
            let Some(definition) = self.before.definition(&object) else {
                return vec![unknown(&object)];
            };
            let drop = Down::catalog(self.sql(&format!("DROP COLUMN {}", ident(column))))
                .note("values that were written since are lost");
            let mut downs = made_again(&[definition]);
            for down in &mut downs {
                *down = Down::catalog(std::mem::take(&mut down.sql));
            }
            downs.insert(0, drop);
            downs
        })
    }

    pub(super) fn set_expression(&self, column: &str) -> Vec<Down> {
        self.with_old(column, |old| match &old.generated {
            Some(expression) => {
                let what = format!("SET EXPRESSION AS ({expression})");
                vec![Down::catalog(self.alter_column(column, &what))]
            }
            None => vec![unknown(&self.part(column))],
        })
    }
}

/// The options of these names as they were: those that were set, and those that were not.
pub(super) fn options(names: &[String], old: &[(String, String)]) -> Vec<String> {
    let find = |name: &String| old.iter().find(|(n, _)| n == name);
    let set: Vec<String> = names
        .iter()
        .filter_map(find)
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    let unset: Vec<&str> = names
        .iter()
        .filter(|name| find(name).is_none())
        .map(String::as_str)
        .collect();
    let mut whats = Vec::new();
    if !set.is_empty() {
        whats.push(format!("SET ({})", set.join(", ")));
    }
    if !unset.is_empty() {
        whats.push(format!("RESET ({})", unset.join(", ")));
    }
    whats
}

#[cfg(test)]
#[path = "inverse_column_tests.rs"]
mod tests;
