//! Tables, their columns, constraints and indexes, and what ALTER TABLE does to them.

use super::ddl_object::{Name, ObjectKind};

/// CREATE TABLE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTable {
    /// `Table` or `ForeignTable`
    pub kind: ObjectKind,
    /// relation; CreateTableAsStmt.into.rel
    pub table: Name,
    pub if_not_exists: bool,
    /// RangeVar.relpersistence is `t`, or the schema is pg_temp
    pub temporary: bool,
    /// ColumnDef in tableElts
    pub columns: Vec<Column>,
    /// Constraint in tableElts (and in constraints, where the parser puts them)
    pub constraints: Vec<Constraint>,
    /// has columns or indexes that are not listed: TableLikeClause, inhRelations, partbound, ofTypename, AS
    pub open: bool,
}

impl CreateTable {
    /// All constraints, those of the columns first.
    pub fn all_constraints(&self) -> impl Iterator<Item = &Constraint> {
        let of_columns = self.columns.iter().flat_map(|c| &c.constraints);
        of_columns.chain(&self.constraints)
    }

    /// Itself, if it is to stay, and the tables that it refers to.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        let referenced = self.all_constraints().filter_map(Constraint::referenced);
        let itself = Some(&self.table).filter(|_| !self.temporary);
        itself.into_iter().chain(referenced).collect()
    }
}

/// ColumnDef.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// colname
    pub name: String,
    /// typeName
    pub type_: String,
    /// is_not_null, or CONSTR_NOTNULL in constraints
    pub not_null: bool,
    /// raw_default, or CONSTR_DEFAULT in constraints
    pub default: Option<DefaultValue>,
    /// CONSTR_GENERATED in constraints
    pub generated: Option<Generated>,
    /// CONSTR_IDENTITY in constraints
    pub identity: bool,
    /// the rest of constraints: primary key, unique, check, references, each with this column in `columns`
    pub constraints: Vec<Constraint>,
}

impl Column {
    /// Whether its type is a short form for an integer with a sequence (transformColumnDefinition, parse_utilcmd.c).
    #[must_use]
    pub fn is_serial(&self) -> bool {
        matches!(
            self.type_.as_str(),
            "serial" | "serial4" | "bigserial" | "serial8" | "smallserial" | "serial2"
        )
    }

    /// Whether each row gets a value without being told one.
    #[must_use]
    pub fn fills_itself(&self) -> bool {
        let default = self.default.as_ref().is_some_and(|d| !d.null);
        default || self.generated.is_some() || self.identity || self.is_serial()
    }

    /// Whether it is part of the primary key by its own clause.
    #[must_use]
    pub fn is_primary_key(&self) -> bool {
        let mut kinds = self.constraints.iter().map(|c| &c.kind);
        kinds.any(|k| matches!(k, ConstraintKind::PrimaryKey { .. }))
    }
}

/// The expression of a DEFAULT.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DefaultValue {
    /// A_Const.isnull, also below a TypeCast
    pub null: bool,
    /// FuncCall.funcname anywhere in it. SQLValueFunction such as CURRENT_TIMESTAMP is none
    pub calls: Vec<Name>,
}

/// Constraint.generated_kind is 18's; before, all are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    Stored,
    Virtual,
}

/// Constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint {
    /// conname
    pub name: Option<String>,
    pub kind: ConstraintKind,
    /// keys; fk_attrs; of EXCLUDE the names of exclusions as IndexElem (see [`IndexKey::chosen`]); of CHECK each column
    /// (ColumnRef) that raw_expr names, once; of a column's own constraint, the column
    pub columns: Vec<String>,
    /// skip_validation
    pub not_valid: bool,
}

impl Constraint {
    /// The table that a foreign key refers to.
    #[must_use]
    pub fn referenced(&self) -> Option<&Name> {
        match &self.kind {
            ConstraintKind::ForeignKey { to } => Some(to),
            _ => None,
        }
    }
}

/// Constraint.contype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConstraintKind {
    PrimaryKey {
        /// indexname: USING INDEX
        using_index: Option<String>,
        /// including
        include: Vec<String>,
    },
    Unique {
        /// indexname: USING INDEX
        using_index: Option<String>,
        /// including
        include: Vec<String>,
    },
    Exclude {
        /// including
        include: Vec<String>,
    },
    ForeignKey {
        /// pktable
        to: Name,
    },
    Check(Check),
    /// CONSTR_NOTNULL of ALTER TABLE ADD, 18
    NotNull,
}

/// What a CHECK says, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// Columns whose `c IS NOT NULL` (NullTest of a ColumnRef with one name) is raw_expr, or a part of it joined by AND
    /// (BoolExpr, AND_EXPR).
    pub not_null: Vec<String>,
}

/// CREATE INDEX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// idxname
    pub name: Option<String>,
    /// relation
    pub table: Name,
    /// relation.inh is false: ON ONLY
    pub only: bool,
    pub unique: bool,
    /// concurrent
    pub concurrently: bool,
    pub if_not_exists: bool,
    /// accessMethod
    pub method: String,
    /// indexParams
    pub keys: Vec<IndexKey>,
    /// indexIncludingParams
    pub include: Vec<String>,
    /// whereClause is there
    pub partial: bool,
}

impl CreateIndex {
    /// Its leading columns up to the first expression.
    #[must_use]
    pub fn leading_columns(&self) -> Vec<String> {
        self.keys.iter().map_while(|k| k.column.clone()).collect()
    }
}

/// IndexElem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// name; `None` for an expression
    pub column: Option<String>,
    /// The name that the server gives it in the index's name: the column, or FigureIndexColname(expr) (parse_target.c;
    /// `expr` where that is NULL)
    pub chosen: String,
    /// no opclass, collation, ordering or nulls_ordering, or such as are the default of every type (ASC, NULLS LAST
    /// with ASC)
    pub plain: bool,
}

/// ALTER TABLE, ALTER INDEX and the like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    /// objtype; `Type` for a composite type
    pub kind: ObjectKind,
    /// relation
    pub table: Name,
    /// relation.inh is false: ONLY
    pub only: bool,
    /// missing_ok
    pub if_exists: bool,
    /// cmds
    pub commands: Vec<AlterCommand>,
}

impl AlterTable {
    /// Itself, and the tables that it refers to.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        let others = self.commands.iter().flat_map(|command| match command {
            AlterCommand::AddColumn { column, .. } => {
                let referenced = column.constraints.iter().filter_map(Constraint::referenced);
                referenced.collect()
            }
            AlterCommand::AddConstraint(constraint) => {
                constraint.referenced().into_iter().collect()
            }
            AlterCommand::AttachPartition(other)
            | AlterCommand::DetachPartition { child: other, .. }
            | AlterCommand::Inherit(other)
            | AlterCommand::NoInherit(other) => vec![other],
            _ => Vec::new(),
        });
        std::iter::once(&self.table).chain(others).collect()
    }
}

/// AlterTableCmd; its fields are name, def, behavior (`cascade`), missing_ok (`if_exists`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterCommand {
    /// AT_AddColumn
    AddColumn { column: Column, if_not_exists: bool },
    /// AT_DropColumn
    DropColumn {
        column: String,
        if_exists: bool,
        cascade: bool,
    },
    /// AT_ColumnDefault: SET or DROP
    SetDefault(String),
    /// AT_SetNotNull
    SetNotNull(String),
    /// AT_DropNotNull
    DropNotNull(String),
    /// AT_AlterColumnType: def is a ColumnDef
    SetType {
        column: String,
        type_: String,
        using: Using,
    },
    /// AT_SetStatistics, AT_SetStorage, AT_SetCompression, AT_SetOptions, AT_ResetOptions
    SetColumn(String, ColumnSetting),
    /// AT_AddIdentity
    AddIdentity(String),
    /// AT_SetIdentity
    SetIdentity(String),
    /// AT_DropIdentity
    DropIdentity { column: String, if_exists: bool },
    /// AT_DropExpression
    DropExpression { column: String, if_exists: bool },
    /// AT_SetExpression (17)
    SetExpression(String),
    /// AT_AddConstraint
    AddConstraint(Constraint),
    /// AT_AlterConstraint: conname of def, a Constraint (18: an ATAlterConstraint)
    AlterConstraint(String),
    /// AT_DropConstraint
    DropConstraint {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    /// AT_ValidateConstraint
    ValidateConstraint(String),
    /// AT_AttachPartition: PartitionCmd.name; of an index: an index
    AttachPartition(Name),
    /// AT_DetachPartition: PartitionCmd.name, concurrent
    DetachPartition { child: Name, concurrently: bool },
    /// AT_AddInherit
    Inherit(Name),
    /// AT_DropInherit
    NoInherit(Name),
    /// AT_ChangeOwner
    SetOwner,
    /// AT_EnableTrig and so on
    SetTrigger(Triggers, Firing),
    /// AT_EnableRule and so on
    SetRule(String, Firing),
    /// AT_EnableRowSecurity, AT_DisableRowSecurity
    RowSecurity(bool),
    /// AT_ForceRowSecurity, AT_NoForceRowSecurity
    ForceRowSecurity(bool),
    /// AT_SetRelOptions, AT_ResetRelOptions: DefElem, as `name` or `namespace.name`
    SetOptions(Vec<String>),
    /// AT_SetLogged (true), AT_SetUnLogged
    SetLogged(bool),
    /// AT_SetTableSpace
    SetTablespace,
    /// AT_SetAccessMethod
    SetAccessMethod,
    /// AT_ClusterOn, AT_DropCluster
    ClusterOn,
    /// AT_ReplicaIdentity
    ReplicaIdentity,
    /// any other
    Other,
}

/// What ALTER COLUMN sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnSetting {
    Statistics,
    Storage,
    Compression,
    /// n_distinct and so on
    Options(Vec<String>),
}

/// ColumnDef.raw_default of ALTER COLUMN TYPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Using {
    /// none, or the column itself, or a TypeCast of it to the new type
    Same,
    /// another expression
    Expression,
}

/// Which triggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Triggers {
    Named(String),
    All,
    User,
}

/// When a trigger or rule fires (pg_trigger.tgenabled).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firing {
    /// `O`: ENABLE
    Origin,
    /// `D`: DISABLE
    Disabled,
    /// `R`: ENABLE REPLICA
    Replica,
    /// `A`: ENABLE ALWAYS
    Always,
}

impl Firing {
    /// As ALTER TABLE says it.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Firing::Origin => "ENABLE",
            Firing::Disabled => "DISABLE",
            Firing::Replica => "ENABLE REPLICA",
            Firing::Always => "ENABLE ALWAYS",
        }
    }
}

#[cfg(test)]
#[path = "ddl_table_tests.rs"]
mod tests;
