//! The object that a statement names first.

use super::list;
use super::parse_kind::text;
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::c_char;

/// A field of a statement of this type.
macro_rules! field {
    ($node:expr, $stmt:ident . $field:ident) => {
        (*$node.cast::<pg_sys::$stmt>()).$field
    };
}

/// As written, without quotes; `None` where a statement names none.
///
/// # Safety
/// A statement of the parser.
pub(super) unsafe fn of(node: *mut pg_sys::Node) -> Option<String> {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        match (*node).type_ {
            NodeTag::T_CreateStmt => range(field!(node, CreateStmt.relation)),
            NodeTag::T_IndexStmt => range(field!(node, IndexStmt.relation)),
            NodeTag::T_AlterTableStmt => range(field!(node, AlterTableStmt.relation)),
            NodeTag::T_InsertStmt => range(field!(node, InsertStmt.relation)),
            NodeTag::T_UpdateStmt => range(field!(node, UpdateStmt.relation)),
            NodeTag::T_DeleteStmt => range(field!(node, DeleteStmt.relation)),
            NodeTag::T_MergeStmt => range(field!(node, MergeStmt.relation)),
            NodeTag::T_CopyStmt => range(field!(node, CopyStmt.relation)),
            NodeTag::T_ViewStmt => range(field!(node, ViewStmt.view)),
            NodeTag::T_CreateTrigStmt => range(field!(node, CreateTrigStmt.relation)),
            NodeTag::T_RuleStmt => range(field!(node, RuleStmt.relation)),
            NodeTag::T_RefreshMatViewStmt => range(field!(node, RefreshMatViewStmt.relation)),
            NodeTag::T_CreateSeqStmt => range(field!(node, CreateSeqStmt.sequence)),
            NodeTag::T_AlterSeqStmt => range(field!(node, AlterSeqStmt.sequence)),
            NodeTag::T_CompositeTypeStmt => range(field!(node, CompositeTypeStmt.typevar)),
            NodeTag::T_CreatePolicyStmt => range(field!(node, CreatePolicyStmt.table)),
            NodeTag::T_AlterPolicyStmt => range(field!(node, AlterPolicyStmt.table)),
            NodeTag::T_ClusterStmt => range(field!(node, ClusterStmt.relation)),
            NodeTag::T_CreateFunctionStmt => dotted(field!(node, CreateFunctionStmt.funcname)),
            NodeTag::T_CreateEnumStmt => dotted(field!(node, CreateEnumStmt.typeName)),
            NodeTag::T_CreateRangeStmt => dotted(field!(node, CreateRangeStmt.typeName)),
            NodeTag::T_AlterEnumStmt => dotted(field!(node, AlterEnumStmt.typeName)),
            NodeTag::T_AlterTypeStmt => dotted(field!(node, AlterTypeStmt.typeName)),
            NodeTag::T_CreateDomainStmt => dotted(field!(node, CreateDomainStmt.domainname)),
            NodeTag::T_AlterDomainStmt => dotted(field!(node, AlterDomainStmt.typeName)),
            NodeTag::T_DefineStmt => dotted(field!(node, DefineStmt.defnames)),
            NodeTag::T_CreateStatsStmt => dotted(field!(node, CreateStatsStmt.defnames)),
            NodeTag::T_CreateSchemaStmt => word(field!(node, CreateSchemaStmt.schemaname)),
            NodeTag::T_CreateExtensionStmt => word(field!(node, CreateExtensionStmt.extname)),
            NodeTag::T_CreatePublicationStmt => word(field!(node, CreatePublicationStmt.pubname)),
            NodeTag::T_CreateSubscriptionStmt => word(field!(node, CreateSubscriptionStmt.subname)),
            NodeTag::T_CreateRoleStmt => word(field!(node, CreateRoleStmt.role)),
            NodeTag::T_VariableSetStmt => word(field!(node, VariableSetStmt.name)),
            NodeTag::T_DropStmt => first(field!(node, DropStmt.objects)),
            NodeTag::T_TruncateStmt => first(field!(node, TruncateStmt.relations)),
            NodeTag::T_LockStmt => first(field!(node, LockStmt.relations)),
            NodeTag::T_GrantStmt => first(field!(node, GrantStmt.objects)),
            NodeTag::T_DropRoleStmt => first(field!(node, DropRoleStmt.roles)),
            NodeTag::T_AlterFunctionStmt => named(field!(node, AlterFunctionStmt.func).cast()),
            NodeTag::T_CommentStmt => named(field!(node, CommentStmt.object).cast()),
            NodeTag::T_AlterRoleStmt => named(field!(node, AlterRoleStmt.role).cast()),
            NodeTag::T_RenameStmt => range(field!(node, RenameStmt.relation))
                .or_else(|| named(field!(node, RenameStmt.object))),
            NodeTag::T_AlterObjectSchemaStmt => range(field!(node, AlterObjectSchemaStmt.relation))
                .or_else(|| named(field!(node, AlterObjectSchemaStmt.object))),
            NodeTag::T_AlterOwnerStmt => range(field!(node, AlterOwnerStmt.relation))
                .or_else(|| named(field!(node, AlterOwnerStmt.object))),
            NodeTag::T_ReindexStmt => range(field!(node, ReindexStmt.relation))
                .or_else(|| word(field!(node, ReindexStmt.name))),
            NodeTag::T_CreateTableAsStmt => range((*field!(node, CreateTableAsStmt.into)).rel),
            _ => None,
        }
    }
}

/// # Safety
/// NULL, or a NUL terminated string.
unsafe fn word(s: *const c_char) -> Option<String> {
    // SAFETY: promised by the caller
    Some(unsafe { text(s) }).filter(|s| !s.is_empty())
}

/// # Safety
/// NULL, or a RangeVar.
unsafe fn range(relation: *const pg_sys::RangeVar) -> Option<String> {
    if relation.is_null() {
        return None;
    }
    // SAFETY: promised by the caller
    unsafe {
        let name = word((*relation).relname)?;
        Some(match word((*relation).schemaname) {
            Some(schema) => format!("{schema}.{name}"),
            None => name,
        })
    }
}

/// # Safety
/// A list of strings, or of nodes that name something.
unsafe fn dotted(names: *mut pg_sys::List) -> Option<String> {
    // SAFETY: promised by the caller
    let parts: Vec<String> = unsafe {
        list::pointers::<pg_sys::Node>(names)
            .filter_map(|n| match (*n).type_ {
                NodeTag::T_String => word((*n.cast::<pg_sys::String>()).sval),
                _ => named(n),
            })
            .collect()
    };
    (!parts.is_empty()).then(|| parts.join("."))
}

/// # Safety
/// A list of objects as DROP has them.
unsafe fn first(objects: *mut pg_sys::List) -> Option<String> {
    // SAFETY: promised by the caller
    unsafe { named(list::pointers::<pg_sys::Node>(objects).next()?) }
}

/// # Safety
/// NULL, or a node that names something.
pub(super) unsafe fn named(node: *mut pg_sys::Node) -> Option<String> {
    if node.is_null() {
        return None;
    }
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        match (*node).type_ {
            NodeTag::T_List => dotted(node.cast()),
            NodeTag::T_String => word((*node.cast::<pg_sys::String>()).sval),
            NodeTag::T_RangeVar => range(node.cast()),
            NodeTag::T_TypeName => dotted((*node.cast::<pg_sys::TypeName>()).names),
            NodeTag::T_ObjectWithArgs => dotted((*node.cast::<pg_sys::ObjectWithArgs>()).objname),
            NodeTag::T_RoleSpec => word((*node.cast::<pg_sys::RoleSpec>()).rolename),
            _ => None,
        }
    }
}
