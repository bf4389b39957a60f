//! What a statement does to the schema, as plain data ([`crate::migration::ddl`]).

use super::list;
use super::parse::Parsed;
use super::parse_ddl_alter as alter;
use super::parse_ddl_grant as grant;
use super::parse_ddl_name::{self as name, dotted, relation, relations};
use super::parse_ddl_object as object;
use super::parse_ddl_set as set;
use super::parse_ddl_table::{self as table, Named};
use super::parse_kind::{option, optional, text};
use crate::migration::ddl::{Ddl, DomainCommand, Name, Object, ObjectKind, Rename, Rows, Run};
use pgrx::pg_sys::{self, NodeTag};

impl Parsed {
    /// What statement `n` does; for CREATE SCHEMA also what it holds.
    #[must_use]
    pub fn ddl(&self, n: usize) -> Vec<Ddl> {
        let Some(raw) = self.tree(n) else {
            return Vec::new();
        };
        // SAFETY: a statement of the parser, which lives as long as `self`
        unsafe {
            let node = (*raw).stmt;
            let mut all = vec![of(node)];
            if (*node).type_ == NodeTag::T_CreateSchemaStmt {
                let stmt = node.cast::<pg_sys::CreateSchemaStmt>();
                let schema = object::schema_name(stmt);
                for element in list::pointers::<pg_sys::Node>((*stmt).schemaElts) {
                    let mut ddl = of(element);
                    ddl.put_schema(&schema);
                    all.push(ddl);
                }
            }
            all
        }
    }
}

/// A field of a statement of this type.
macro_rules! field {
    ($node:expr, $stmt:ident . $field:ident) => {
        (*$node.cast::<pg_sys::$stmt>()).$field
    };
}

/// # Safety
/// A statement of the parser.
unsafe fn of(node: *mut pg_sys::Node) -> Ddl {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        let found = match (*node).type_ {
            NodeTag::T_CreateStmt => Some(created(node.cast(), ObjectKind::Table)),
            NodeTag::T_CreateForeignTableStmt => {
                Some(created(node.cast(), ObjectKind::ForeignTable))
            }
            NodeTag::T_CreateTableAsStmt => create_as(node.cast()),
            NodeTag::T_IndexStmt => Some(Ddl::CreateIndex(table::index(node.cast()))),
            NodeTag::T_AlterTableStmt => alter::alter(node.cast()).map(Ddl::AlterTable),
            NodeTag::T_DropStmt => object::drop(node.cast()),
            NodeTag::T_DropRoleStmt => object::drop_roles(node.cast()),
            NodeTag::T_RenameStmt => rename(node.cast()),
            NodeTag::T_AlterObjectSchemaStmt => set_schema(node.cast()),
            NodeTag::T_AlterOwnerStmt => set_owner(node.cast()),
            NodeTag::T_AlterEnumStmt => alter_enum(node.cast()),
            NodeTag::T_AlterDomainStmt => alter_domain(node.cast()),
            NodeTag::T_CommentStmt => {
                let kind = name::kind(field!(node, CommentStmt.objtype));
                let named = field!(node, CommentStmt.object);
                kind.and_then(|k| name::object(k, named)).map(Ddl::Comment)
            }
            NodeTag::T_GrantStmt => grant::grant(node.cast()).map(Ddl::Grant),
            NodeTag::T_AlterDefaultPrivilegesStmt => {
                grant::default_privileges(node.cast()).map(Ddl::DefaultPrivileges)
            }
            NodeTag::T_GrantRoleStmt => Some(grant::grant_role(node.cast())),
            NodeTag::T_InsertStmt
            | NodeTag::T_UpdateStmt
            | NodeTag::T_DeleteStmt
            | NodeTag::T_MergeStmt
            | NodeTag::T_CopyStmt
            | NodeTag::T_TruncateStmt => rows(node).map(Ddl::Rows),
            NodeTag::T_SelectStmt => Some(select(node.cast())),
            NodeTag::T_VariableSetStmt => Some(set::set(node.cast())),
            NodeTag::T_DiscardStmt => Some(set::discard(node.cast())),
            NodeTag::T_TransactionStmt => Some(Ddl::Transaction(set::transaction(node.cast()))),
            NodeTag::T_DoStmt => Some(Ddl::Run(Run::Do)),
            NodeTag::T_CallStmt => Some(Ddl::Run(Run::Call)),
            NodeTag::T_ExecuteStmt => Some(Ddl::Run(Run::Prepared)),
            NodeTag::T_ExplainStmt => {
                let analyze = option(field!(node, ExplainStmt.options), "analyze");
                Some(match analyze {
                    Some(true) => Ddl::Run(Run::Prepared),
                    _ => Ddl::Nothing,
                })
            }
            NodeTag::T_ReindexStmt => Some(reindex(node.cast())),
            NodeTag::T_ClusterStmt => {
                let range = field!(node, ClusterStmt.relation);
                let tables = (!range.is_null()).then(|| relation(range));
                Some(Ddl::Rewrite {
                    tables: tables.into_iter().collect(),
                })
            }
            NodeTag::T_VacuumStmt => Some(vacuum(node.cast())),
            NodeTag::T_RefreshMatViewStmt => Some(Ddl::Refresh(relation(field!(
                node,
                RefreshMatViewStmt.relation
            )))),
            NodeTag::T_LockStmt
            | NodeTag::T_ListenStmt
            | NodeTag::T_UnlistenStmt
            | NodeTag::T_NotifyStmt
            | NodeTag::T_PrepareStmt
            | NodeTag::T_DeallocateStmt
            | NodeTag::T_DeclareCursorStmt
            | NodeTag::T_FetchStmt
            | NodeTag::T_ClosePortalStmt
            | NodeTag::T_CheckPointStmt
            | NodeTag::T_LoadStmt
            | NodeTag::T_ConstraintsSetStmt
            | NodeTag::T_VariableShowStmt => Some(Ddl::Nothing),
            _ => object::create(node)
                .map(Ddl::Create)
                .or_else(|| object::altered(node).map(Ddl::Alter)),
        };
        found.unwrap_or(Ddl::Other)
    }
}

/// # Safety
/// A CreateStmt, or what begins with one.
unsafe fn created(stmt: *const pg_sys::CreateStmt, kind: ObjectKind) -> Ddl {
    // SAFETY: promised by the caller
    Ddl::CreateTable(unsafe { table::create(stmt, kind) })
}

/// # Safety
/// A CreateTableAsStmt of the parser.
unsafe fn create_as(stmt: *const pg_sys::CreateTableAsStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller
    unsafe {
        let (into, keeps) = ((*stmt).into, (*stmt).if_not_exists);
        Some(match name::kind((*stmt).objtype)? {
            ObjectKind::MaterializedView => {
                let view = relation((*into).rel);
                Ddl::Create(object::new(
                    ObjectKind::MaterializedView,
                    view,
                    keeps,
                    false,
                ))
            }
            _ => Ddl::CreateTable(table::create_as(into, keeps)),
        })
    }
}

/// # Safety
/// A RenameStmt of the parser.
unsafe fn rename(stmt: *const pg_sys::RenameStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller; which field names the object depends on its kind (gram.y)
    unsafe {
        let kind = name::kind((*stmt).renameType)?;
        let range = (*stmt).relation;
        let object = match (optional((*stmt).subname), kind) {
            (Some(part), ObjectKind::DomainConstraint) => {
                let domain = (*stmt).object.cast::<pg_sys::List>();
                Object::part(kind, &part, &dotted(domain)?)
            }
            (Some(part), _) if kind.is_part() && !range.is_null() => {
                Object::part(kind, &part, &relation(range))
            }
            // schemas, roles, databases
            (Some(own), _) if range.is_null() => Object::new(kind, Name::bare(&own)),
            _ if !range.is_null() => Object::new(kind, relation(range)),
            _ => name::object(kind, (*stmt).object)?,
        };
        Some(Ddl::Rename(Rename {
            object,
            to: text((*stmt).newname),
            if_exists: (*stmt).missing_ok,
        }))
    }
}

/// # Safety
/// An AlterObjectSchemaStmt of the parser.
unsafe fn set_schema(stmt: *const pg_sys::AlterObjectSchemaStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller
    unsafe {
        let kind = name::kind((*stmt).objectType)?;
        let range = (*stmt).relation;
        Some(Ddl::SetSchema {
            object: if range.is_null() {
                name::object(kind, (*stmt).object)?
            } else {
                Object::new(kind, relation(range))
            },
            to: text((*stmt).newschema),
            if_exists: (*stmt).missing_ok,
        })
    }
}

/// # Safety
/// An AlterOwnerStmt of the parser.
unsafe fn set_owner(stmt: *const pg_sys::AlterOwnerStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller
    unsafe {
        let kind = name::kind((*stmt).objectType)?;
        let range = (*stmt).relation;
        let object = if range.is_null() {
            name::object(kind, (*stmt).object)?
        } else {
            Object::new(kind, relation(range))
        };
        Some(Ddl::SetOwner { object })
    }
}

/// # Safety
/// An AlterEnumStmt of the parser.
unsafe fn alter_enum(stmt: *const pg_sys::AlterEnumStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller
    unsafe {
        let type_ = dotted((*stmt).typeName)?;
        let new = text((*stmt).newVal);
        Some(match optional((*stmt).oldVal) {
            Some(old) => Ddl::Rename(Rename {
                object: Object::part(ObjectKind::Label, &old, &type_),
                to: new,
                if_exists: false,
            }),
            None => Ddl::AddLabel {
                type_,
                label: new,
                if_not_exists: (*stmt).skipIfNewValExists,
            },
        })
    }
}

/// # Safety
/// An AlterDomainStmt of the parser.
unsafe fn alter_domain(stmt: *const pg_sys::AlterDomainStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller; `def` of `C` is a Constraint
    unsafe {
        let command = match (*stmt).subtype as u8 {
            b'T' => DomainCommand::Default,
            b'N' => DomainCommand::DropNotNull,
            b'O' => DomainCommand::SetNotNull,
            b'C' => {
                let def = (*stmt).def.cast::<pg_sys::Constraint>();
                match (*def).contype {
                    pg_sys::ConstrType::CONSTR_NOTNULL => DomainCommand::SetNotNull,
                    _ => DomainCommand::AddConstraint(optional((*def).conname)),
                }
            }
            b'X' => DomainCommand::DropConstraint {
                name: text((*stmt).name),
                if_exists: (*stmt).missing_ok,
            },
            b'V' => DomainCommand::Validate(text((*stmt).name)),
            _ => return None,
        };
        Some(Ddl::AlterDomain {
            domain: dotted((*stmt).typeName)?,
            command,
        })
    }
}

/// # Safety
/// A statement of the parser that changes rows.
unsafe fn rows(node: *mut pg_sys::Node) -> Option<Rows> {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        Some(match (*node).type_ {
            NodeTag::T_InsertStmt => Rows::Insert(relation(field!(node, InsertStmt.relation))),
            NodeTag::T_UpdateStmt => Rows::Update {
                table: relation(field!(node, UpdateStmt.relation)),
                filtered: !field!(node, UpdateStmt.whereClause).is_null(),
            },
            NodeTag::T_DeleteStmt => Rows::Delete {
                table: relation(field!(node, DeleteStmt.relation)),
                filtered: !field!(node, DeleteStmt.whereClause).is_null(),
            },
            NodeTag::T_MergeStmt => Rows::Merge(relation(field!(node, MergeStmt.relation))),
            NodeTag::T_TruncateStmt => Rows::Truncate {
                tables: relations(field!(node, TruncateStmt.relations)),
                cascade: field!(node, TruncateStmt.behavior) == pg_sys::DropBehavior::DROP_CASCADE,
            },
            NodeTag::T_CopyStmt => {
                let server = !field!(node, CopyStmt.filename).is_null();
                match field!(node, CopyStmt.is_from) {
                    true => Rows::CopyFrom {
                        table: relation(field!(node, CopyStmt.relation)),
                        server,
                    },
                    false => Rows::CopyTo { server },
                }
            }
            _ => return None,
        })
    }
}

/// # Safety
/// A SelectStmt of the parser.
unsafe fn select(stmt: *mut pg_sys::SelectStmt) -> Ddl {
    // SAFETY: promised by the caller
    unsafe {
        // INTO stands in the first part of a UNION
        let mut first = stmt;
        while !(*first).larg.is_null() {
            first = (*first).larg;
        }
        let into = (*first).intoClause;
        if !into.is_null() {
            return Ddl::CreateTable(table::create_as(into, false));
        }
        if let Some(set) = set::set_config(stmt) {
            return Ddl::Set(set);
        }
        if let Some(rows) = with_rows((*stmt).withClause) {
            return Ddl::Rows(rows);
        }
        let calls = Named::of(stmt.cast()).calls;
        Ddl::Select { calls }
    }
}

/// The first part of a WITH that changes rows. Only the WITH of a whole statement may have one.
///
/// # Safety
/// A WithClause of the parser, or NULL.
unsafe fn with_rows(with: *const pg_sys::WithClause) -> Option<Rows> {
    // SAFETY: promised by the caller; the list holds CommonTableExpr
    unsafe {
        if with.is_null() {
            return None;
        }
        let mut parts = list::pointers::<pg_sys::CommonTableExpr>((*with).ctes);
        parts.find_map(|part| rows((*part).ctequery))
    }
}

/// # Safety
/// A ReindexStmt of the parser.
unsafe fn reindex(stmt: *const pg_sys::ReindexStmt) -> Ddl {
    use pg_sys::ReindexObjectType as T;
    // SAFETY: promised by the caller
    unsafe {
        let kind = match (*stmt).kind {
            T::REINDEX_OBJECT_INDEX => Some(ObjectKind::Index),
            T::REINDEX_OBJECT_TABLE => Some(ObjectKind::Table),
            _ => None,
        };
        Ddl::Reindex {
            relation: kind.map(|kind| (kind, relation((*stmt).relation))),
            concurrently: option((*stmt).params, "concurrently") == Some(true),
        }
    }
}

/// # Safety
/// A VacuumStmt of the parser.
unsafe fn vacuum(stmt: *const pg_sys::VacuumStmt) -> Ddl {
    // SAFETY: promised by the caller; the list holds VacuumRelation
    unsafe {
        if !(*stmt).is_vacuumcmd || option((*stmt).options, "full") != Some(true) {
            return Ddl::Nothing;
        }
        let tables = list::pointers::<pg_sys::VacuumRelation>((*stmt).rels);
        Ddl::Rewrite {
            tables: tables
                .filter(|r| !(**r).relation.is_null())
                .map(|r| relation((*r).relation))
                .collect(),
        }
    }
}
