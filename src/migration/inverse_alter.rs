//! The way back from ALTER TABLE, ALTER INDEX and the like.

use super::ddl::{
    AlterCommand, AlterTable, Constraint, ConstraintKind, Firing, Name, Object, ObjectKind,
    Triggers,
};
use super::ddl_quote::ident;
use super::inverse::{Before, Down, OldRelation, unknown};
use super::inverse_column::options;
use super::inverse_make::{made_again, not_valid_again, restored};
use super::inverse_name;

/// An ALTER TABLE that is being inverted.
pub(super) struct Altering<'a> {
    pub alter: &'a AlterTable,
    pub before: &'a dyn Before,
    /// names that the server chooses for constraints of this statement
    chosen: Vec<String>,
}

/// The last command is taken back first.
pub(super) fn alter_table(alter: &AlterTable, before: &dyn Before) -> Vec<Down> {
    let relation = Object::new(alter.kind, alter.table.clone());
    if alter.if_exists && !before.exists(&relation) {
        return Vec::new();
    }
    let made = before.is_made_here(&relation);
    let mut altering = Altering {
        alter,
        before,
        chosen: Vec::new(),
    };
    let mut groups: Vec<Vec<Down>> = Vec::new();
    for command in &alter.commands {
        match command {
            // what is a partition of it would go with it
            AlterCommand::AttachPartition(_) => groups.push(altering.command(command)),
            _ if made => {}
            _ => groups.push(altering.command(command)),
        }
    }
    groups.into_iter().rev().flatten().collect()
}

impl Altering<'_> {
    /// `ALTER TABLE t ...`
    pub(super) fn sql(&self, what: &str) -> String {
        let only = if self.alter.only { "ONLY " } else { "" };
        format!(
            "ALTER {} {only}{} {what}",
            self.alter.kind.word(),
            self.alter.table
        )
    }

    fn relation(&self) -> Object {
        Object::new(self.alter.kind, self.alter.table.clone())
    }

    fn command(&mut self, command: &AlterCommand) -> Vec<Down> {
        match command {
            AlterCommand::AddColumn {
                column,
                if_not_exists,
            } => self.add_column(column, *if_not_exists),
            AlterCommand::DropColumn {
                column,
                if_exists,
                cascade,
            } => self.drop_column(column, *if_exists, *cascade),
            AlterCommand::SetDefault(column) => self.default(column),
            AlterCommand::SetNotNull(column) => self.not_null(column, true),
            AlterCommand::DropNotNull(column) => self.not_null(column, false),
            AlterCommand::SetType {
                column,
                type_,
                using,
            } => self.set_type(column, type_, *using),
            AlterCommand::SetColumn(column, setting) => self.setting(column, setting),
            AlterCommand::AddIdentity(column) => self.identity_added(column),
            AlterCommand::SetIdentity(column) => self.set_identity(column),
            AlterCommand::DropIdentity { column, if_exists } => {
                self.drop_identity(column, *if_exists)
            }
            AlterCommand::DropExpression { column, if_exists } => {
                self.drop_expression(column, *if_exists)
            }
            AlterCommand::SetExpression(column) => self.set_expression(column),
            AlterCommand::AddConstraint(constraint) => self.add_constraint(constraint),
            AlterCommand::AlterConstraint(name) => self.alter_constraint(name),
            AlterCommand::DropConstraint {
                name,
                if_exists,
                cascade,
            } => self.drop_constraint(name, *if_exists, *cascade),
            AlterCommand::ValidateConstraint(name) => self.validated(name),
            AlterCommand::AttachPartition(child) => self.attached(child),
            AlterCommand::DetachPartition { child, .. } => self.detached(child),
            AlterCommand::Inherit(parent) => {
                vec![Down::syntax(self.sql(&format!("NO INHERIT {parent}")))]
            }
            AlterCommand::NoInherit(parent) => {
                vec![Down::syntax(self.sql(&format!("INHERIT {parent}")))]
            }
            AlterCommand::SetOwner => super::inverse::owner(&self.relation(), self.before),
            AlterCommand::Other => {
                let what = self.sql("...");
                vec![Down::manual(&what, "this kind of change is not known")]
            }
            _ => self.relation_wide(command),
        }
    }

    /// What is set for the relation as a whole.
    fn relation_wide(&self, command: &AlterCommand) -> Vec<Down> {
        let Some(old) = self.before.relation(&self.alter.table) else {
            return vec![unknown(&self.relation())];
        };
        let whats = match command {
            AlterCommand::SetTrigger(which, firing) => triggers(which, *firing, &old),
            AlterCommand::SetRule(rule, _) => {
                let found = old.rules.iter().find(|(name, _)| name == rule);
                let back = |(name, firing): &(String, Firing)| {
                    format!("{} RULE {}", firing.sql(), ident(name))
                };
                found.map(back).into_iter().collect()
            }
            AlterCommand::RowSecurity(on) if *on != old.row_security => {
                let word = if old.row_security {
                    "ENABLE"
                } else {
                    "DISABLE"
                };
                vec![format!("{word} ROW LEVEL SECURITY")]
            }
            AlterCommand::ForceRowSecurity(on) if *on != old.force_row_security => {
                let word = if old.force_row_security {
                    "FORCE"
                } else {
                    "NO FORCE"
                };
                vec![format!("{word} ROW LEVEL SECURITY")]
            }
            AlterCommand::SetOptions(names) => options(names, &old.options),
            AlterCommand::SetLogged(logged) if *logged != old.logged => {
                let word = if old.logged { "LOGGED" } else { "UNLOGGED" };
                vec![format!("SET {word}")]
            }
            AlterCommand::SetTablespace => {
                vec![format!("SET TABLESPACE {}", ident(&old.tablespace))]
            }
            AlterCommand::SetAccessMethod => {
                vec![format!("SET ACCESS METHOD {}", ident(&old.access_method))]
            }
            AlterCommand::ClusterOn => vec![match &old.clustered_on {
                Some(index) => format!("CLUSTER ON {}", ident(index)),
                None => "SET WITHOUT CLUSTER".to_owned(),
            }],
            AlterCommand::ReplicaIdentity => {
                vec![format!("REPLICA IDENTITY {}", old.replica_identity)]
            }
            _ => Vec::new(),
        };
        whats
            .iter()
            .map(|what| Down::catalog(self.sql(what)))
            .collect()
    }

    fn constraint(&self, name: &str) -> Object {
        Object::part(ObjectKind::Constraint, name, &self.alter.table)
    }

    fn dropped(&self, name: &str) -> String {
        self.sql(&format!("DROP CONSTRAINT {}", ident(name)))
    }

    fn add_constraint(&mut self, constraint: &Constraint) -> Vec<Down> {
        let table = &self.alter.table;
        let name = inverse_name::of_constraint(&table.name, constraint, |space, name| {
            self.chosen.iter().any(|c| c == name) || self.before.is_taken(table, name, space)
        });
        let mut downs = vec![Down::syntax(self.dropped(&name))];
        let (primary, index) = match &constraint.kind {
            ConstraintKind::PrimaryKey { using_index, .. } => (true, using_index.as_ref()),
            ConstraintKind::Unique { using_index, .. } => (false, using_index.as_ref()),
            _ => (false, None),
        };
        let mut columns = constraint.columns.clone();
        if let Some(index) = index {
            let index = table.sibling(index);
            columns = self.before.index_columns(&index);
            // it belongs to the constraint now, and is dropped with it
            downs.extend(restored(
                &Object::new(ObjectKind::Index, index),
                false,
                self.before,
            ));
        }
        for column in columns.iter().filter(|_| primary) {
            let old = self.before.column(table, column);
            if old.is_some_and(|old| !old.not_null) {
                let sql = self.sql(&format!("ALTER COLUMN {} DROP NOT NULL", ident(column)));
                downs.push(Down::catalog(sql));
            }
        }
        self.chosen.push(name);
        downs
    }

    /// Only how late it is checked can be altered.
    fn alter_constraint(&self, name: &str) -> Vec<Down> {
        let object = self.constraint(name);
        let definition = self.before.definition(&object);
        let Some(text) = definition.and_then(|d| d.create.into_iter().next()) else {
            return vec![unknown(&object)];
        };
        // as pg_get_constraintdef says it
        let when = if text.contains(" INITIALLY DEFERRED") {
            "DEFERRABLE INITIALLY DEFERRED"
        } else if text.contains(" DEFERRABLE") {
            "DEFERRABLE INITIALLY IMMEDIATE"
        } else {
            "NOT DEFERRABLE"
        };
        let sql = self.sql(&format!("ALTER CONSTRAINT {} {when}", ident(name)));
        vec![Down::catalog(sql)]
    }

    fn drop_constraint(&self, name: &str, if_exists: bool, cascade: bool) -> Vec<Down> {
        let object = self.constraint(name);
        let Some(definition) = self.before.definition(&object) else {
            return restored(&object, if_exists, self.before);
        };
        let mut definitions = vec![definition];
        if cascade {
            definitions.extend(self.before.dependents(&object));
        }
        made_again(&definitions)
    }

    fn validated(&self, name: &str) -> Vec<Down> {
        not_valid_again(&self.constraint(name), &self.dropped(name), self.before)
    }

    fn attached(&self, child: &Name) -> Vec<Down> {
        if self.alter.kind == ObjectKind::Index {
            let note = "the index of a partition cannot be detached: it goes when the partition is detached";
            return vec![Down::manual(
                &self.sql(&format!("DETACH PARTITION {child}")),
                note,
            )];
        }
        let child_object = Object::new(ObjectKind::Table, child.clone());
        let both =
            self.before.is_made_here(&self.relation()) && self.before.is_made_here(&child_object);
        if both {
            return Vec::new();
        }
        let down = Down::syntax(self.sql(&format!("DETACH PARTITION {child}")));
        vec![down.note("indexes, constraints and triggers that ATTACH has made in it stay")]
    }

    fn detached(&self, child: &Name) -> Vec<Down> {
        match self.before.partition_bound(child) {
            Some(bound) => {
                let sql = self.sql(&format!("ATTACH PARTITION {child} {bound}"));
                vec![Down::catalog(sql)]
            }
            None => vec![unknown(&Object::new(ObjectKind::Table, child.clone()))],
        }
    }
}

/// Triggers as they fired before.
fn triggers(which: &Triggers, firing: Firing, old: &OldRelation) -> Vec<String> {
    let back =
        |(name, firing): &(String, Firing)| format!("{} TRIGGER {}", firing.sql(), ident(name));
    let word = match which {
        Triggers::Named(trigger) => {
            let found = old.triggers.iter().find(|(name, _)| name == trigger);
            return found.map(back).into_iter().collect();
        }
        Triggers::All => "ALL",
        Triggers::User => "USER",
    };
    let mut whats = Vec::new();
    if firing == Firing::Disabled {
        whats.push(format!("ENABLE TRIGGER {word}"));
    }
    let odd = old.triggers.iter().filter(|(_, f)| *f != Firing::Origin);
    whats.extend(odd.map(back));
    whats
}

#[cfg(test)]
#[path = "inverse_alter_tests.rs"]
mod tests;
