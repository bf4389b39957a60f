//! What a statement does, as far as its parse tree says it.

use super::list;
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::{CStr, c_char};

/// What a statement does to the transaction that it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// changes no row by itself, and needs nothing of its transaction
    Plain,
    /// may change rows, by itself or by functions that it calls
    Rows,
    /// PREPARE of a statement, by its name
    Prepare(String),
    /// DEALLOCATE; `None`: of all
    Deallocate(Option<String>),
    /// DECLARE CURSOR
    Cursor,
    /// DISCARD TEMP
    DiscardTemporary,
    Transaction(Transaction),
    Copy(Copy),
    Set(Set),
    /// ALTER TYPE ADD VALUE
    EnumValue(String),
    /// CREATE ROLE, USER or GROUP
    CreateRole(String),
    /// may not run in a transaction block
    Outside(Outside),
}

/// BEGIN, COMMIT and what belongs to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transaction {
    /// with modes such as an isolation level, or without
    Begin {
        modes: bool,
    },
    Commit {
        chain: bool,
    },
    Rollback,
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    /// PREPARE TRANSACTION, and the end of a prepared one
    Prepared,
    /// SET TRANSACTION
    Modes,
}

/// COPY, by where its rows come from or go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// FROM STDIN: the rows stand in the file
    FromText,
    /// FROM a file of the server
    FromServer,
    /// FROM a program, which the server runs
    FromProgram,
    /// TO STDOUT
    ToClient,
    /// TO a file or program of the server
    ToServer,
}

/// SET or RESET of one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// as written; empty for RESET ALL
    pub name: String,
    pub local: bool,
}

/// Statements that may not run in a transaction block (utility.c, PreventInTransactionBlock).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    CreateIndexConcurrently,
    DropIndexConcurrently,
    ReindexConcurrently,
    /// REINDEX SCHEMA, DATABASE, SYSTEM
    ReindexMany,
    /// CLUSTER without a table
    ClusterAll,
    DetachConcurrently,
    Vacuum,
    Database,
    Tablespace,
    AlterSystem,
    Subscription,
    DiscardAll,
}

impl Outside {
    /// Whether it may run without CONCURRENTLY, or be left out, with the same schema in the end.
    #[must_use]
    pub fn may_be_stripped(self) -> bool {
        match self {
            Outside::CreateIndexConcurrently
            | Outside::DropIndexConcurrently
            | Outside::ReindexConcurrently
            | Outside::DetachConcurrently
            | Outside::Vacuum => true,
            Outside::ReindexMany
            | Outside::ClusterAll
            | Outside::Database
            | Outside::Tablespace
            | Outside::AlterSystem
            | Outside::Subscription
            | Outside::DiscardAll => false,
        }
    }
}

/// # Safety
/// A statement of the parser.
pub(super) unsafe fn of(node: *mut pg_sys::Node) -> Kind {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        match (*node).type_ {
            NodeTag::T_TransactionStmt => Kind::Transaction(transaction(node.cast())),
            NodeTag::T_CopyStmt => Kind::Copy(copy(node.cast())),
            NodeTag::T_VariableSetStmt => set(node.cast()),
            NodeTag::T_AlterEnumStmt => added_value(node.cast()),
            NodeTag::T_CreateRoleStmt => {
                Kind::CreateRole(text((*node.cast::<pg_sys::CreateRoleStmt>()).role))
            }
            NodeTag::T_PrepareStmt => {
                Kind::Prepare(text((*node.cast::<pg_sys::PrepareStmt>()).name))
            }
            NodeTag::T_DeallocateStmt => {
                Kind::Deallocate(optional((*node.cast::<pg_sys::DeallocateStmt>()).name))
            }
            NodeTag::T_DeclareCursorStmt => Kind::Cursor,
            NodeTag::T_DiscardStmt
                if (*node.cast::<pg_sys::DiscardStmt>()).target
                    == pg_sys::DiscardMode::DISCARD_TEMP =>
            {
                Kind::DiscardTemporary
            }
            NodeTag::T_InsertStmt
            | NodeTag::T_UpdateStmt
            | NodeTag::T_DeleteStmt
            | NodeTag::T_MergeStmt
            | NodeTag::T_SelectStmt
            | NodeTag::T_DoStmt
            | NodeTag::T_CallStmt
            | NodeTag::T_ExecuteStmt
            | NodeTag::T_ExplainStmt
            | NodeTag::T_CreateTableAsStmt => Kind::Rows,
            _ => outside(node).map_or(Kind::Plain, Kind::Outside),
        }
    }
}

/// # Safety
/// As [`of`].
pub(super) unsafe fn transaction(stmt: *mut pg_sys::TransactionStmt) -> Transaction {
    use pg_sys::TransactionStmtKind as K;
    // SAFETY: promised by the caller; the names are strings where their kind has one
    unsafe {
        let name = || text((*stmt).savepoint_name);
        match (*stmt).kind {
            K::TRANS_STMT_BEGIN | K::TRANS_STMT_START => Transaction::Begin {
                modes: !(*stmt).options.is_null(),
            },
            K::TRANS_STMT_COMMIT => Transaction::Commit {
                chain: (*stmt).chain,
            },
            K::TRANS_STMT_ROLLBACK => Transaction::Rollback,
            K::TRANS_STMT_SAVEPOINT => Transaction::Savepoint(name()),
            K::TRANS_STMT_RELEASE => Transaction::Release(name()),
            K::TRANS_STMT_ROLLBACK_TO => Transaction::RollbackTo(name()),
            _ => Transaction::Prepared,
        }
    }
}

/// # Safety
/// As [`of`].
unsafe fn copy(stmt: *mut pg_sys::CopyStmt) -> Copy {
    // SAFETY: promised by the caller
    let (from, alone, program) = unsafe {
        (
            (*stmt).is_from,
            (*stmt).filename.is_null(),
            (*stmt).is_program,
        )
    };
    match (from, alone) {
        (true, true) => Copy::FromText,
        (true, false) if program => Copy::FromProgram,
        (true, false) => Copy::FromServer,
        (false, true) => Copy::ToClient,
        (false, false) => Copy::ToServer,
    }
}

/// # Safety
/// As [`of`].
unsafe fn set(stmt: *mut pg_sys::VariableSetStmt) -> Kind {
    // SAFETY: promised by the caller
    let (kind, name, local) = unsafe { ((*stmt).kind, optional((*stmt).name), (*stmt).is_local) };
    // SET TRANSACTION and SET SESSION CHARACTERISTICS (gram.y): the former only holds for this transaction
    if kind == pg_sys::VariableSetKind::VAR_SET_MULTI {
        return match name.as_deref() {
            Some("TRANSACTION" | "TRANSACTION SNAPSHOT") => Kind::Transaction(Transaction::Modes),
            _ => Kind::Plain,
        };
    }
    Kind::Set(Set {
        name: name.unwrap_or_default(),
        local,
    })
}

/// # Safety
/// As [`of`].
unsafe fn added_value(stmt: *mut pg_sys::AlterEnumStmt) -> Kind {
    // SAFETY: promised by the caller; with an old value it is a rename
    unsafe {
        if (*stmt).oldVal.is_null() {
            Kind::EnumValue(text((*stmt).newVal))
        } else {
            Kind::Plain
        }
    }
}

/// # Safety
/// As [`of`].
unsafe fn outside(node: *mut pg_sys::Node) -> Option<Outside> {
    use pg_sys::AlterSubscriptionType as Subscription;
    // SAFETY: promised by the caller; each tag is checked before its cast, and lists hold what gram.y puts there
    unsafe {
        match (*node).type_ {
            NodeTag::T_IndexStmt => (*node.cast::<pg_sys::IndexStmt>())
                .concurrent
                .then_some(Outside::CreateIndexConcurrently),
            NodeTag::T_DropStmt => (*node.cast::<pg_sys::DropStmt>())
                .concurrent
                .then_some(Outside::DropIndexConcurrently),
            NodeTag::T_ReindexStmt => reindex(node.cast()),
            NodeTag::T_ClusterStmt => (*node.cast::<pg_sys::ClusterStmt>())
                .relation
                .is_null()
                .then_some(Outside::ClusterAll),
            NodeTag::T_AlterTableStmt => {
                let commands = (*node.cast::<pg_sys::AlterTableStmt>()).cmds;
                let detach = pg_sys::AlterTableType::AT_DetachPartition;
                list::pointers::<pg_sys::AlterTableCmd>(commands)
                    .any(|c| {
                        (*c).subtype == detach
                            && !(*c).def.is_null()
                            && (*(*c).def.cast::<pg_sys::PartitionCmd>()).concurrent
                    })
                    .then_some(Outside::DetachConcurrently)
            }
            NodeTag::T_VacuumStmt => (*node.cast::<pg_sys::VacuumStmt>())
                .is_vacuumcmd
                .then_some(Outside::Vacuum),
            NodeTag::T_CreatedbStmt | NodeTag::T_DropdbStmt => Some(Outside::Database),
            NodeTag::T_AlterDatabaseStmt => option(
                (*node.cast::<pg_sys::AlterDatabaseStmt>()).options,
                "tablespace",
            )
            .map(|_| Outside::Database),
            NodeTag::T_CreateTableSpaceStmt | NodeTag::T_DropTableSpaceStmt => {
                Some(Outside::Tablespace)
            }
            NodeTag::T_AlterSystemStmt => Some(Outside::AlterSystem),
            NodeTag::T_CreateSubscriptionStmt => {
                let options = (*node.cast::<pg_sys::CreateSubscriptionStmt>()).options;
                let none = ["connect", "create_slot"]
                    .iter()
                    .any(|name| option(options, name) == Some(false));
                (!none).then_some(Outside::Subscription)
            }
            // one with a slot; whether it has one, only the catalog knows
            NodeTag::T_DropSubscriptionStmt => Some(Outside::Subscription),
            NodeTag::T_AlterSubscriptionStmt => {
                let stmt = node.cast::<pg_sys::AlterSubscriptionStmt>();
                let refreshes = match (*stmt).kind {
                    Subscription::ALTER_SUBSCRIPTION_REFRESH => true,
                    Subscription::ALTER_SUBSCRIPTION_SET_PUBLICATION
                    | Subscription::ALTER_SUBSCRIPTION_ADD_PUBLICATION
                    | Subscription::ALTER_SUBSCRIPTION_DROP_PUBLICATION => {
                        option((*stmt).options, "refresh") != Some(false)
                    }
                    _ => false,
                };
                refreshes.then_some(Outside::Subscription)
            }
            NodeTag::T_DiscardStmt => ((*node.cast::<pg_sys::DiscardStmt>()).target
                == pg_sys::DiscardMode::DISCARD_ALL)
                .then_some(Outside::DiscardAll),
            _ => None,
        }
    }
}

/// # Safety
/// As [`of`].
unsafe fn reindex(stmt: *mut pg_sys::ReindexStmt) -> Option<Outside> {
    use pg_sys::ReindexObjectType as Object;
    // SAFETY: promised by the caller
    unsafe {
        if option((*stmt).params, "concurrently") == Some(true) {
            return Some(Outside::ReindexConcurrently);
        }
        match (*stmt).kind {
            Object::REINDEX_OBJECT_INDEX | Object::REINDEX_OBJECT_TABLE => None,
            _ => Some(Outside::ReindexMany),
        }
    }
}

/// An option of a list of DefElem, as a truth value; one that is none counts as true, as one without a value does.
///
/// # Safety
/// The list must hold DefElem, or be empty.
pub(super) unsafe fn option(options: *mut pg_sys::List, name: &str) -> Option<bool> {
    // SAFETY: promised by the caller; the tags are checked before the casts
    unsafe {
        let found = list::pointers::<pg_sys::DefElem>(options)
            .find(|o| CStr::from_ptr((**o).defname).to_bytes() == name.as_bytes())?;
        let arg = (*found).arg;
        if arg.is_null() {
            return Some(true);
        }
        Some(match (*arg).type_ {
            NodeTag::T_Boolean => (*arg.cast::<pg_sys::Boolean>()).boolval,
            NodeTag::T_Integer => (*arg.cast::<pg_sys::Integer>()).ival != 0,
            NodeTag::T_String => {
                let word = text((*arg.cast::<pg_sys::String>()).sval).to_ascii_lowercase();
                !matches!(word.as_str(), "false" | "off" | "0")
            }
            _ => true,
        })
    }
}

/// A string of the parser; empty for none.
///
/// # Safety
/// NULL, or a NUL terminated string.
pub(super) unsafe fn text(s: *const c_char) -> String {
    // SAFETY: promised by the caller
    unsafe { optional(s) }.unwrap_or_default()
}

/// # Safety
/// As [`text`].
pub(super) unsafe fn optional(s: *const c_char) -> Option<String> {
    // SAFETY: promised by the caller
    (!s.is_null()).then(|| unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned())
}
