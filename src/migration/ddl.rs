//! What one statement does, as far as advice ([`super::lint`]) and its inverse ([`super::inverse`]) need it: plain data
//! that `pg` takes from the parse tree.
//!
//! Where a value comes from is said as `Node.field` of parsenodes.h. Names are as the parser gives them: folded, cut to
//! 63 bytes, without quotes. Types are SQL text: the names of TypeName.names quoted where needed and joined by a dot,
//! typmods in parentheses, one `[]` for an array; so `int` is `pg_catalog.int4`, and `serial` stays `serial`.

pub use super::ddl_object::{Name, Object, ObjectKind, Role};
pub use super::ddl_quote::names_in;
pub use super::ddl_table::{
    AlterCommand, AlterTable, Check, Column, ColumnSetting, Constraint, ConstraintKind,
    CreateIndex, CreateTable, DefaultValue, Firing, Generated, IndexKey, Triggers, Using,
};

/// One statement. What CREATE SCHEMA holds (CreateSchemaStmt.schemaElts) comes as further ones behind it, with the
/// schema filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ddl {
    /// CreateStmt, CreateForeignTableStmt; CreateTableAsStmt of a table; SelectStmt with intoClause
    CreateTable(CreateTable),
    /// IndexStmt
    CreateIndex(CreateIndex),
    /// everything else that is made: ViewStmt, CreateTableAsStmt of a materialized view, CreateFunctionStmt,
    /// CreateTrigStmt, CreateEnumStmt, CreateRangeStmt, CompositeTypeStmt, DefineStmt (but of operators),
    /// CreateDomainStmt, CreateSeqStmt, CreateSchemaStmt, CreatePolicyStmt, RuleStmt, CreateExtensionStmt,
    /// CreateRoleStmt, CreateEventTrigStmt, CreateStatsStmt, CreatePublicationStmt, CreateSubscriptionStmt,
    /// CreateForeignServerStmt, CreateFdwStmt, CreatePLangStmt, CreateAmStmt
    Create(Create),
    /// DropStmt, DropRoleStmt; not of operators, casts, transforms
    Drop(DropObjects),
    /// AlterTableStmt
    AlterTable(AlterTable),
    /// RenameStmt; AlterEnumStmt with oldVal
    Rename(Rename),
    /// AlterObjectSchemaStmt
    SetSchema {
        object: Object,
        /// newschema
        to: String,
        /// missing_ok
        if_exists: bool,
    },
    /// AlterOwnerStmt (that of a relation is an [`AlterCommand`])
    SetOwner {
        object: Object,
    },
    /// AlterEnumStmt without oldVal
    AddLabel {
        /// typeName
        type_: Name,
        /// newVal
        label: String,
        /// skipIfNewValExists
        if_not_exists: bool,
    },
    /// AlterDomainStmt
    AlterDomain {
        /// typeName
        domain: Name,
        command: DomainCommand,
    },
    /// another change of one object: AlterSeqStmt, AlterPolicyStmt, AlterFunctionStmt, AlterExtensionStmt,
    /// AlterTypeStmt, AlterRoleStmt, AlterRoleSetStmt, AlterEventTrigStmt, AlterStatsStmt, AlterPublicationStmt,
    /// AlterForeignServerStmt, AlterFdwStmt, AlterCollationStmt
    Alter(Object),
    /// CommentStmt; of a part of a table the last name of object is its own
    Comment(Object),
    /// GrantStmt of a list of objects or of all in schemas
    Grant(Grant),
    /// AlterDefaultPrivilegesStmt: its action, whose `on` is [`Targets::Later`]
    DefaultPrivileges(Grant),
    /// GrantRoleStmt
    GrantRole {
        revoke: bool,
        /// granted_roles: AccessPriv.priv_name
        roles: Vec<String>,
        /// grantee_roles
        members: Vec<Role>,
        /// WITH ADMIN, INHERIT or SET OPTION, or REVOKE of one of these
        options: bool,
    },
    Rows(Rows),
    /// VariableSetStmt (but for VAR_SET_MULTI, which is [`Ddl::Nothing`]), DiscardStmt of ALL, and a SelectStmt that
    /// only calls `set_config` with constants
    Set(Set),
    /// TransactionStmt
    Transaction(Transaction),
    /// DoStmt, CallStmt, ExecuteStmt, EXPLAIN ANALYZE
    Run(Run),
    /// SelectStmt (no INTO): functions that it calls, FuncCall.funcname anywhere in it
    Select {
        calls: Vec<Name>,
    },
    /// ReindexStmt
    Reindex {
        /// kind: TABLE or INDEX; `None`: a schema, a database
        relation: Option<(ObjectKind, Name)>,
        /// params has `concurrently`
        concurrently: bool,
    },
    /// ClusterStmt; VacuumStmt with the option `full`. No names: all tables
    Rewrite {
        tables: Vec<Name>,
    },
    /// RefreshMatViewStmt
    Refresh(Name),
    /// Changes neither schema nor rows for good: VACUUM without FULL, ANALYZE, EXPLAIN, LOCK, LISTEN, NOTIFY, PREPARE,
    /// DEALLOCATE, cursors, CHECKPOINT, LOAD, SET CONSTRAINTS, SHOW, SET TRANSACTION
    Nothing,
    /// Anything else; its tag is in [`super::lint::Located`]
    Other,
}

/// See [`Ddl::Create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    pub object: Object,
    pub if_exists: IfExists,
    /// RangeVar.relpersistence is `t`, or the schema is pg_temp
    pub temporary: bool,
    /// A function or procedure that may give another result each time: DefElem `volatility` of
    /// CreateFunctionStmt.options is `volatile`, or absent. False for other objects.
    pub volatile: bool,
    /// makes something that only a superuser may: a function in C or internal, a role with SUPERUSER, a type by
    /// input function (DefineStmt of TYPE with definition)
    pub superuser: bool,
}

/// What CREATE does when the object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    Fails,
    /// IF NOT EXISTS: `if_not_exists`
    Keeps,
    /// OR REPLACE: `replace`
    Replaces,
}

/// See [`Ddl::Drop`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropObjects {
    /// removeType and objects; of a trigger, rule or policy the last name is its own, and those before it its table's
    pub objects: Vec<Object>,
    /// missing_ok
    pub if_exists: bool,
    /// behavior
    pub cascade: bool,
    /// concurrent
    pub concurrently: bool,
}

/// See [`Ddl::Rename`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// What is renamed, by its old name: renameType; relation, object or subname. A part of a table (column, attribute,
    /// constraint, trigger, rule, policy) is subname, and relation is its `on`; of a constraint of a domain, object is.
    pub object: Object,
    /// newname; newVal
    pub to: String,
    /// missing_ok
    pub if_exists: bool,
}

/// AlterDomainStmt.subtype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DomainCommand {
    /// `T`: SET DEFAULT, or DROP DEFAULT where def is NULL
    Default,
    /// `O`
    SetNotNull,
    /// `N`
    DropNotNull,
    /// `C`, with the name of the constraint
    AddConstraint(Option<String>),
    /// `X`; missing_ok
    DropConstraint { name: String, if_exists: bool },
    /// `V`
    Validate(String),
}

/// See [`Ddl::Grant`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// not is_grant
    pub revoke: bool,
    /// privileges; empty: ALL
    pub privileges: Vec<Privilege>,
    pub on: Targets,
    /// grantees
    pub roles: Vec<Role>,
    /// grant_option: WITH GRANT OPTION, or GRANT OPTION FOR where it is a REVOKE
    pub grant_option: bool,
}

/// AccessPriv.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privilege {
    /// priv_name in upper case; `ALL` where it is NULL, with columns
    pub name: String,
    /// cols
    pub columns: Vec<String>,
}

/// GrantStmt.targtype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// ACL_TARGET_OBJECT
    Objects(Vec<Object>),
    /// ACL_TARGET_ALL_IN_SCHEMA: objtype, and objects as names of schemas
    AllInSchemas(ObjectKind, Vec<String>),
    /// ACL_TARGET_DEFAULTS: objtype; options of the AlterDefaultPrivilegesStmt
    Later {
        kind: ObjectKind,
        /// `roles`; empty: the current one
        of: Vec<Role>,
        /// `schemas`; empty: all
        schemas: Vec<String>,
    },
}

/// A change of rows by the statement itself, not by WITH before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// InsertStmt
    Insert(Name),
    /// UpdateStmt; `filtered`: whereClause is there
    Update { table: Name, filtered: bool },
    /// DeleteStmt; `filtered`: whereClause is there
    Delete { table: Name, filtered: bool },
    /// MergeStmt
    Merge(Name),
    /// CopyStmt, is_from; `server`: filename is there (a file or program of the server)
    CopyFrom { table: Name, server: bool },
    /// CopyStmt, not is_from; `server` as before
    CopyTo { server: bool },
    /// TruncateStmt; `cascade`: behavior
    Truncate { tables: Vec<Name>, cascade: bool },
}

/// See [`Ddl::Set`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// name; empty for RESET ALL and DISCARD ALL
    pub name: String,
    /// args as text, one value each; `None`: VAR_SET_DEFAULT, VAR_RESET, VAR_RESET_ALL. A list in one string, as
    /// set_config has it, is taken apart at its commas.
    pub to: Option<Vec<String>>,
    /// is_local
    pub local: bool,
}

/// TransactionStmt.kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// BEGIN, START TRANSACTION
    Begin,
    /// COMMIT, END
    Commit,
    /// ROLLBACK, ABORT
    Rollback,
    /// savepoints, prepared transactions
    Other,
}

/// What runs code that the parse tree does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    Do,
    Call,
    /// EXECUTE, EXPLAIN ANALYZE
    Prepared,
}

impl Ddl {
    /// Whether it may change schema, rows or rights: false for settings, transaction commands, and SELECT of nothing
    /// but operators.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Ddl::Set(_)
            | Ddl::Transaction(_)
            | Ddl::Nothing
            | Ddl::Reindex { .. }
            | Ddl::Rewrite { .. }
            | Ddl::Rows(Rows::CopyTo { .. }) => false,
            Ddl::Select { calls } => !calls.is_empty(),
            _ => true,
        }
    }

    /// The relations, types, functions that it names, made or used, each once, in order; but for what it makes as
    /// temporary, and what an expression or a body names.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        let mut names: Vec<&Name> = match self {
            Ddl::CreateTable(table) => table.names(),
            Ddl::CreateIndex(index) => vec![&index.table],
            Ddl::Create(Create {
                temporary: true, ..
            }) => Vec::new(),
            Ddl::Create(Create { object, .. })
            | Ddl::Rename(Rename { object, .. })
            | Ddl::SetSchema { object, .. }
            | Ddl::SetOwner { object }
            | Ddl::Alter(object)
            | Ddl::Comment(object) => object.names(),
            Ddl::Drop(drop) => drop.objects.iter().flat_map(Object::names).collect(),
            Ddl::AlterTable(alter) => alter.names(),
            Ddl::AddLabel { type_: name, .. }
            | Ddl::AlterDomain { domain: name, .. }
            | Ddl::Refresh(name)
            | Ddl::Reindex {
                relation: Some((_, name)),
                ..
            } => vec![name],
            Ddl::Grant(Grant {
                on: Targets::Objects(objects),
                ..
            }) => objects.iter().flat_map(Object::names).collect(),
            Ddl::Rows(rows) => rows.names(),
            Ddl::Rewrite { tables } => tables.iter().collect(),
            _ => Vec::new(),
        };
        names.sort();
        names.dedup();
        names
    }
}

impl Ddl {
    /// Puts the schema to what a statement within CREATE SCHEMA makes, and works on, without one.
    pub fn put_schema(&mut self, schema: &str) {
        let put = |name: &mut Name| {
            name.schema.get_or_insert_with(|| schema.to_owned());
        };
        let put_all = |object: &mut Object| put(object.on.as_mut().unwrap_or(&mut object.name));
        match self {
            Ddl::CreateTable(create) => put(&mut create.table),
            Ddl::CreateIndex(create) => put(&mut create.table),
            Ddl::Create(create) => put_all(&mut create.object),
            Ddl::Grant(Grant {
                on: Targets::Objects(objects),
                ..
            }) => objects.iter_mut().for_each(put_all),
            _ => {}
        }
    }
}

impl Rows {
    /// The tables that it names.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        match self {
            Rows::Insert(table)
            | Rows::Merge(table)
            | Rows::Update { table, .. }
            | Rows::Delete { table, .. }
            | Rows::CopyFrom { table, .. } => vec![table],
            Rows::CopyTo { .. } => Vec::new(),
            Rows::Truncate { tables, .. } => tables.iter().collect(),
        }
    }
}

#[cfg(test)]
#[path = "ddl_samples.rs"]
pub mod samples;

#[cfg(test)]
#[path = "ddl_tests.rs"]
mod tests;
