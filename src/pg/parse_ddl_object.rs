//! Making, dropping and granting of objects as plain data.

use super::list;
use super::parse_ddl_name::{self as name, dotted, is_temporary, relation, string, type_text};
use super::parse_kind::{option, optional, text};
use crate::migration::ddl::{Create, Ddl, DropObjects, IfExists, Name, Object, ObjectKind};
use pgrx::pg_sys::{self, NodeTag};

/// A field of a statement of this type.
macro_rules! field {
    ($node:expr, $stmt:ident . $field:ident) => {
        (*$node.cast::<pg_sys::$stmt>()).$field
    };
}

/// What makes an object of this kind and name.
pub(super) fn new(kind: ObjectKind, name: Name, keeps: bool, replaces: bool) -> Create {
    made(Object::new(kind, name), keeps, replaces)
}

fn made(object: Object, keeps: bool, replaces: bool) -> Create {
    Create {
        object,
        if_exists: match (keeps, replaces) {
            (true, _) => IfExists::Keeps,
            (_, true) => IfExists::Replaces,
            _ => IfExists::Fails,
        },
        temporary: false,
        volatile: false,
        superuser: false,
    }
}

/// # Safety
/// A RangeVar of the parser.
unsafe fn made_relation(
    kind: ObjectKind,
    range: *const pg_sys::RangeVar,
    keeps: bool,
    replaces: bool,
) -> Create {
    // SAFETY: promised by the caller
    unsafe {
        Create {
            temporary: is_temporary(range),
            ..new(kind, relation(range), keeps, replaces)
        }
    }
}

/// The schema that CREATE SCHEMA makes.
///
/// # Safety
/// A CreateSchemaStmt of the parser.
pub(super) unsafe fn schema_name(stmt: *const pg_sys::CreateSchemaStmt) -> String {
    // SAFETY: promised by the caller
    unsafe {
        optional((*stmt).schemaname).unwrap_or_else(|| match (*stmt).authrole {
            role if role.is_null() => String::new(),
            role => text((*role).rolename),
        })
    }
}

/// `None` for a statement that makes no object of the model.
///
/// # Safety
/// A statement of the parser.
pub(super) unsafe fn create(node: *mut pg_sys::Node) -> Option<Create> {
    use ObjectKind as K;
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        let word = |kind, name| new(kind, Name::bare(&text(name)), false, false);
        Some(match (*node).type_ {
            NodeTag::T_ViewStmt => {
                let replaces = field!(node, ViewStmt.replace);
                made_relation(K::View, field!(node, ViewStmt.view), false, replaces)
            }
            NodeTag::T_CreateSeqStmt => {
                let keeps = field!(node, CreateSeqStmt.if_not_exists);
                made_relation(
                    K::Sequence,
                    field!(node, CreateSeqStmt.sequence),
                    keeps,
                    false,
                )
            }
            NodeTag::T_CompositeTypeStmt => made_relation(
                K::Type,
                field!(node, CompositeTypeStmt.typevar),
                false,
                false,
            ),
            NodeTag::T_CreateFunctionStmt => function(node.cast())?,
            NodeTag::T_CreateTrigStmt => {
                let trigger = text(field!(node, CreateTrigStmt.trigname));
                let table = relation(field!(node, CreateTrigStmt.relation));
                let object = Object::part(K::Trigger, &trigger, &table);
                made(object, false, field!(node, CreateTrigStmt.replace))
            }
            NodeTag::T_RuleStmt => {
                let rule = text(field!(node, RuleStmt.rulename));
                let table = relation(field!(node, RuleStmt.relation));
                let object = Object::part(K::Rule, &rule, &table);
                made(object, false, field!(node, RuleStmt.replace))
            }
            NodeTag::T_CreatePolicyStmt => {
                let policy = text(field!(node, CreatePolicyStmt.policy_name));
                let table = relation(field!(node, CreatePolicyStmt.table));
                made(Object::part(K::Policy, &policy, &table), false, false)
            }
            NodeTag::T_CreateEnumStmt => new(
                K::Type,
                dotted(field!(node, CreateEnumStmt.typeName))?,
                false,
                false,
            ),
            NodeTag::T_CreateRangeStmt => new(
                K::Type,
                dotted(field!(node, CreateRangeStmt.typeName))?,
                false,
                false,
            ),
            NodeTag::T_CreateDomainStmt => new(
                K::Domain,
                dotted(field!(node, CreateDomainStmt.domainname))?,
                false,
                false,
            ),
            NodeTag::T_DefineStmt => define(node.cast())?,
            NodeTag::T_CreateSchemaStmt => {
                let schema = schema_name(node.cast());
                let keeps = field!(node, CreateSchemaStmt.if_not_exists);
                new(K::Schema, Name::bare(&schema), keeps, false)
            }
            NodeTag::T_CreateExtensionStmt => {
                let extension = text(field!(node, CreateExtensionStmt.extname));
                let keeps = field!(node, CreateExtensionStmt.if_not_exists);
                new(K::Extension, Name::bare(&extension), keeps, false)
            }
            NodeTag::T_CreateRoleStmt => {
                let options = field!(node, CreateRoleStmt.options);
                let superuser = option(options, "superuser") == Some(true);
                let create = word(K::Role, field!(node, CreateRoleStmt.role));
                Create {
                    superuser,
                    ..create
                }
            }
            NodeTag::T_CreateStatsStmt => {
                // 16 and later choose a name where there is none
                let statistics = dotted(field!(node, CreateStatsStmt.defnames))?;
                let keeps = field!(node, CreateStatsStmt.if_not_exists);
                new(K::Statistics, statistics, keeps, false)
            }
            NodeTag::T_CreateForeignServerStmt => {
                let server = text(field!(node, CreateForeignServerStmt.servername));
                let keeps = field!(node, CreateForeignServerStmt.if_not_exists);
                new(K::Server, Name::bare(&server), keeps, false)
            }
            NodeTag::T_CreatePLangStmt => {
                let language = text(field!(node, CreatePLangStmt.plname));
                let replaces = field!(node, CreatePLangStmt.replace);
                new(K::Language, Name::bare(&language), false, replaces)
            }
            NodeTag::T_CreateEventTrigStmt => {
                word(K::EventTrigger, field!(node, CreateEventTrigStmt.trigname))
            }
            NodeTag::T_CreatePublicationStmt => {
                word(K::Publication, field!(node, CreatePublicationStmt.pubname))
            }
            NodeTag::T_CreateSubscriptionStmt => word(
                K::Subscription,
                field!(node, CreateSubscriptionStmt.subname),
            ),
            NodeTag::T_CreateFdwStmt => {
                word(K::ForeignDataWrapper, field!(node, CreateFdwStmt.fdwname))
            }
            NodeTag::T_CreateAmStmt => word(K::AccessMethod, field!(node, CreateAmStmt.amname)),
            _ => return None,
        })
    }
}

/// # Safety
/// A CreateFunctionStmt of the parser.
unsafe fn function(stmt: *const pg_sys::CreateFunctionStmt) -> Option<Create> {
    use pg_sys::FunctionParameterMode as Mode;
    // SAFETY: promised by the caller
    unsafe {
        let (kind, is_procedure) = match (*stmt).is_procedure {
            true => (ObjectKind::Procedure, true),
            false => (ObjectKind::Function, false),
        };
        let parameters = list::pointers::<pg_sys::FunctionParameter>((*stmt).parameters);
        let counts = |p: &*mut pg_sys::FunctionParameter| match (**p).mode {
            Mode::FUNC_PARAM_TABLE => false,
            Mode::FUNC_PARAM_OUT => is_procedure,
            _ => true,
        };
        let types = parameters.filter(counts).map(|p| type_text((*p).argType));
        let mut object = Object::new(kind, dotted((*stmt).funcname)?);
        object.args = Some(types.collect());
        let option = |name: &str| {
            let mut all = list::pointers::<pg_sys::DefElem>((*stmt).options);
            let found = all.find(|o| text((**o).defname) == name)?;
            string((*found).arg)
        };
        let (volatility, language) = (option("volatility"), option("language"));
        let mut create = made(object, false, (*stmt).replace);
        create.volatile = volatility.is_none_or(|v| v == "volatile");
        create.superuser =
            language.is_some_and(|l| matches!(l.to_ascii_lowercase().as_str(), "c" | "internal"));
        Some(create)
    }
}

/// # Safety
/// A DefineStmt of the parser.
unsafe fn define(stmt: *const pg_sys::DefineStmt) -> Option<Create> {
    // SAFETY: promised by the caller; `args` of an aggregate are parameters and a number, or nothing in the old style
    unsafe {
        let kind = name::kind((*stmt).kind)?;
        let mut object = Object::new(kind, dotted((*stmt).defnames)?);
        if kind == ObjectKind::Aggregate {
            object.args = Some(match (*stmt).oldstyle {
                true => old_style((*stmt).definition),
                false => {
                    let first = list::pointers::<pg_sys::List>((*stmt).args).next();
                    let parameters = first.unwrap_or(std::ptr::null_mut());
                    list::pointers::<pg_sys::FunctionParameter>(parameters)
                        .map(|p| type_text((*p).argType))
                        .collect()
                }
            });
        }
        let mut create = made(object, (*stmt).if_not_exists, (*stmt).replace);
        create.superuser = kind == ObjectKind::Type && !(*stmt).definition.is_null();
        Some(create)
    }
}

/// The argument of an aggregate that names it as `basetype`; none for `"ANY"`.
///
/// # Safety
/// A list of DefElem.
unsafe fn old_style(definition: *mut pg_sys::List) -> Vec<String> {
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        let mut all = list::pointers::<pg_sys::DefElem>(definition);
        let base = all.find(|o| text((**o).defname).eq_ignore_ascii_case("basetype"));
        let arg = base.map(|o| (*o).arg).filter(|arg| !arg.is_null());
        let type_ = match arg {
            Some(arg) if (*arg).type_ == NodeTag::T_TypeName => type_text(arg.cast()),
            _ => return Vec::new(),
        };
        match type_.eq_ignore_ascii_case("\"any\"") || type_.eq_ignore_ascii_case("any") {
            true => Vec::new(),
            false => vec![type_],
        }
    }
}

/// Another change of one object; `None` for what the model does not have.
///
/// # Safety
/// A statement of the parser.
pub(super) unsafe fn altered(node: *mut pg_sys::Node) -> Option<Object> {
    use ObjectKind as K;
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        let word = |kind, name| Object::new(kind, Name::bare(&text(name)));
        Some(match (*node).type_ {
            NodeTag::T_AlterSeqStmt => {
                Object::new(K::Sequence, relation(field!(node, AlterSeqStmt.sequence)))
            }
            NodeTag::T_AlterPolicyStmt => {
                let policy = text(field!(node, AlterPolicyStmt.policy_name));
                let table = relation(field!(node, AlterPolicyStmt.table));
                Object::part(K::Policy, &policy, &table)
            }
            NodeTag::T_AlterFunctionStmt => {
                let kind = name::kind(field!(node, AlterFunctionStmt.objtype))?;
                name::routine(kind, field!(node, AlterFunctionStmt.func))?
            }
            NodeTag::T_AlterTypeStmt => {
                Object::new(K::Type, dotted(field!(node, AlterTypeStmt.typeName))?)
            }
            NodeTag::T_AlterStatsStmt => Object::new(
                K::Statistics,
                dotted(field!(node, AlterStatsStmt.defnames))?,
            ),
            NodeTag::T_AlterCollationStmt => Object::new(
                K::Collation,
                dotted(field!(node, AlterCollationStmt.collname))?,
            ),
            NodeTag::T_AlterRoleStmt => {
                let role = field!(node, AlterRoleStmt.role);
                name::object(K::Role, role.cast())?
            }
            NodeTag::T_AlterRoleSetStmt => {
                let role = field!(node, AlterRoleSetStmt.role);
                name::object(K::Role, role.cast())?
            }
            NodeTag::T_AlterExtensionStmt => {
                word(K::Extension, field!(node, AlterExtensionStmt.extname))
            }
            NodeTag::T_AlterEventTrigStmt => {
                word(K::EventTrigger, field!(node, AlterEventTrigStmt.trigname))
            }
            NodeTag::T_AlterPublicationStmt => {
                word(K::Publication, field!(node, AlterPublicationStmt.pubname))
            }
            NodeTag::T_AlterForeignServerStmt => {
                word(K::Server, field!(node, AlterForeignServerStmt.servername))
            }
            NodeTag::T_AlterFdwStmt => {
                word(K::ForeignDataWrapper, field!(node, AlterFdwStmt.fdwname))
            }
            _ => return None,
        })
    }
}

/// # Safety
/// A DropStmt of the parser.
pub(super) unsafe fn drop(stmt: *const pg_sys::DropStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller
    unsafe {
        let kind = name::kind((*stmt).removeType)?;
        let named = list::pointers::<pg_sys::Node>((*stmt).objects);
        let objects: Option<Vec<Object>> = named.map(|n| name::object(kind, n)).collect();
        Some(Ddl::Drop(DropObjects {
            objects: objects?,
            if_exists: (*stmt).missing_ok,
            cascade: (*stmt).behavior == pg_sys::DropBehavior::DROP_CASCADE,
            concurrently: (*stmt).concurrent,
        }))
    }
}

/// # Safety
/// A DropRoleStmt of the parser.
pub(super) unsafe fn drop_roles(stmt: *const pg_sys::DropRoleStmt) -> Option<Ddl> {
    // SAFETY: promised by the caller
    unsafe {
        let named = list::pointers::<pg_sys::Node>((*stmt).roles);
        let roles: Option<Vec<Object>> = named.map(|n| name::object(ObjectKind::Role, n)).collect();
        Some(Ddl::Drop(DropObjects {
            objects: roles?,
            if_exists: (*stmt).missing_ok,
            cascade: false,
            concurrently: false,
        }))
    }
}
