//! ALTER TABLE as plain data.

use super::compat_parse::{altered_constraint, sets_expression};
use super::list;
use super::parse_ddl_name::{kind, relation, type_text};
use super::parse_ddl_table::{column, constraint, is_column};
use super::parse_kind::{optional, text};
use crate::migration::ddl::{AlterCommand, AlterTable, ColumnSetting, Firing, Triggers, Using};
use pgrx::pg_sys::{self, NodeTag};

/// `None` for kinds that the model does not have.
///
/// # Safety
/// An AlterTableStmt of the parser.
pub(super) unsafe fn alter(stmt: *const pg_sys::AlterTableStmt) -> Option<AlterTable> {
    // SAFETY: promised by the caller
    unsafe {
        Some(AlterTable {
            kind: kind((*stmt).objtype)?,
            table: relation((*stmt).relation),
            only: !(*(*stmt).relation).inh,
            if_exists: (*stmt).missing_ok,
            commands: list::pointers((*stmt).cmds).map(|c| command(c)).collect(),
        })
    }
}

/// # Safety
/// An AlterTableCmd of the parser.
unsafe fn command(cmd: *const pg_sys::AlterTableCmd) -> AlterCommand {
    use pg_sys::AlterTableType as T;
    // SAFETY: promised by the caller; `def` is what gram.y puts there for the type
    unsafe {
        let name = || text((*cmd).name);
        let if_exists = (*cmd).missing_ok;
        let cascade = (*cmd).behavior == pg_sys::DropBehavior::DROP_CASCADE;
        let column_of = |setting| match optional((*cmd).name) {
            Some(column) => AlterCommand::SetColumn(column, setting),
            // a column of an index, by its number
            None => AlterCommand::Other,
        };
        match (*cmd).subtype {
            T::AT_AddColumn => AlterCommand::AddColumn {
                column: column((*cmd).def.cast()),
                if_not_exists: if_exists,
            },
            T::AT_DropColumn => AlterCommand::DropColumn {
                column: name(),
                if_exists,
                cascade,
            },
            T::AT_ColumnDefault => AlterCommand::SetDefault(name()),
            T::AT_SetNotNull => AlterCommand::SetNotNull(name()),
            T::AT_DropNotNull => AlterCommand::DropNotNull(name()),
            T::AT_AlterColumnType => set_type(name(), (*cmd).def.cast()),
            T::AT_SetStatistics => column_of(ColumnSetting::Statistics),
            T::AT_SetStorage => column_of(ColumnSetting::Storage),
            T::AT_SetCompression => column_of(ColumnSetting::Compression),
            T::AT_SetOptions | T::AT_ResetOptions => {
                column_of(ColumnSetting::Options(options((*cmd).def.cast())))
            }
            T::AT_AddIdentity => AlterCommand::AddIdentity(name()),
            T::AT_SetIdentity => AlterCommand::SetIdentity(name()),
            T::AT_DropIdentity => AlterCommand::DropIdentity {
                column: name(),
                if_exists,
            },
            T::AT_DropExpression => AlterCommand::DropExpression {
                column: name(),
                if_exists,
            },
            T::AT_AddConstraint => match constraint((*cmd).def.cast()) {
                Some(constraint) => AlterCommand::AddConstraint(constraint),
                None => AlterCommand::Other,
            },
            T::AT_AlterConstraint => {
                AlterCommand::AlterConstraint(text(altered_constraint((*cmd).def)))
            }
            T::AT_DropConstraint => AlterCommand::DropConstraint {
                name: name(),
                if_exists,
                cascade,
            },
            T::AT_ValidateConstraint => AlterCommand::ValidateConstraint(name()),
            T::AT_AttachPartition => {
                let part = (*cmd).def.cast::<pg_sys::PartitionCmd>();
                AlterCommand::AttachPartition(relation((*part).name))
            }
            T::AT_DetachPartition => {
                let part = (*cmd).def.cast::<pg_sys::PartitionCmd>();
                AlterCommand::DetachPartition {
                    child: relation((*part).name),
                    concurrently: (*part).concurrent,
                }
            }
            T::AT_AddInherit => AlterCommand::Inherit(relation((*cmd).def.cast())),
            T::AT_DropInherit => AlterCommand::NoInherit(relation((*cmd).def.cast())),
            T::AT_ChangeOwner => AlterCommand::SetOwner,
            T::AT_EnableRowSecurity => AlterCommand::RowSecurity(true),
            T::AT_DisableRowSecurity => AlterCommand::RowSecurity(false),
            T::AT_ForceRowSecurity => AlterCommand::ForceRowSecurity(true),
            T::AT_NoForceRowSecurity => AlterCommand::ForceRowSecurity(false),
            T::AT_SetRelOptions | T::AT_ResetRelOptions => {
                AlterCommand::SetOptions(options((*cmd).def.cast()))
            }
            T::AT_SetLogged => AlterCommand::SetLogged(true),
            T::AT_SetUnLogged => AlterCommand::SetLogged(false),
            T::AT_SetTableSpace => AlterCommand::SetTablespace,
            T::AT_SetAccessMethod => AlterCommand::SetAccessMethod,
            T::AT_ClusterOn | T::AT_DropCluster => AlterCommand::ClusterOn,
            T::AT_ReplicaIdentity => AlterCommand::ReplicaIdentity,
            other if sets_expression(other) => AlterCommand::SetExpression(name()),
            other => fires(other, name).unwrap_or(AlterCommand::Other),
        }
    }
}

/// Triggers and rules, switched on and off.
fn fires(command: pg_sys::AlterTableType::Type, name: impl Fn() -> String) -> Option<AlterCommand> {
    use pg_sys::AlterTableType as T;
    let named = || Triggers::Named(name());
    let (which, firing) = match command {
        T::AT_EnableTrig => (named(), Firing::Origin),
        T::AT_EnableAlwaysTrig => (named(), Firing::Always),
        T::AT_EnableReplicaTrig => (named(), Firing::Replica),
        T::AT_DisableTrig => (named(), Firing::Disabled),
        T::AT_EnableTrigAll => (Triggers::All, Firing::Origin),
        T::AT_DisableTrigAll => (Triggers::All, Firing::Disabled),
        T::AT_EnableTrigUser => (Triggers::User, Firing::Origin),
        T::AT_DisableTrigUser => (Triggers::User, Firing::Disabled),
        T::AT_EnableRule => return Some(AlterCommand::SetRule(name(), Firing::Origin)),
        T::AT_EnableAlwaysRule => return Some(AlterCommand::SetRule(name(), Firing::Always)),
        T::AT_EnableReplicaRule => return Some(AlterCommand::SetRule(name(), Firing::Replica)),
        T::AT_DisableRule => return Some(AlterCommand::SetRule(name(), Firing::Disabled)),
        _ => return None,
    };
    Some(AlterCommand::SetTrigger(which, firing))
}

/// # Safety
/// A ColumnDef of ALTER COLUMN TYPE.
unsafe fn set_type(name: String, def: *const pg_sys::ColumnDef) -> AlterCommand {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        let type_ = type_text((*def).typeName);
        let value = (*def).raw_default;
        let same = value.is_null() || is_column(value, &name) || {
            let cast = value.cast::<pg_sys::TypeCast>();
            (*value).type_ == NodeTag::T_TypeCast
                && is_column((*cast).arg, &name)
                && type_text((*cast).typeName) == type_
        };
        AlterCommand::SetType {
            column: name,
            type_,
            using: if same { Using::Same } else { Using::Expression },
        }
    }
}

/// Names of options, with what stands before their dots.
///
/// # Safety
/// A list of DefElem.
unsafe fn options(all: *mut pg_sys::List) -> Vec<String> {
    // SAFETY: promised by the caller
    unsafe {
        list::pointers::<pg_sys::DefElem>(all)
            .map(|o| {
                let name = text((*o).defname);
                match optional((*o).defnamespace) {
                    Some(space) => format!("{space}.{name}"),
                    None => name,
                }
            })
            .collect()
    }
}
