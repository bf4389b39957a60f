//! Names, types and roles of the parser as plain data.

use super::list;
use super::parse_kind::{optional, text};
use crate::migration::ddl::{Name, Object, ObjectKind, Role};
use pgrx::pg_sys::{self, NodeTag};

/// A table, or what is named like one.
///
/// # Safety
/// A RangeVar of the parser.
pub(super) unsafe fn relation(range: *const pg_sys::RangeVar) -> Name {
    // SAFETY: promised by the caller
    unsafe {
        Name {
            schema: optional((*range).schemaname),
            name: text((*range).relname),
        }
    }
}

/// Whether a relation that is made under this name ends with the session.
///
/// # Safety
/// A RangeVar of the parser.
pub(super) unsafe fn is_temporary(range: *const pg_sys::RangeVar) -> bool {
    // SAFETY: promised by the caller
    unsafe {
        (*range).relpersistence as u8 == pg_sys::RELPERSISTENCE_TEMP
            || optional((*range).schemaname).as_deref() == Some("pg_temp")
    }
}

/// The relations of a list.
///
/// # Safety
/// A list of RangeVar.
pub(super) unsafe fn relations(all: *mut pg_sys::List) -> Vec<Name> {
    // SAFETY: promised by the caller
    unsafe { list::pointers(all).map(|r| relation(r)).collect() }
}

/// The strings of a list; other nodes are left out.
///
/// # Safety
/// A list of nodes of the parser.
pub(super) unsafe fn strings(all: *mut pg_sys::List) -> Vec<String> {
    // SAFETY: promised by the caller
    unsafe {
        list::pointers::<pg_sys::Node>(all)
            .filter_map(|n| string(n))
            .collect()
    }
}

/// # Safety
/// NULL, or a node of the parser.
pub(super) unsafe fn string(node: *const pg_sys::Node) -> Option<String> {
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        if node.is_null() || (*node).type_ != NodeTag::T_String {
            return None;
        }
        optional((*node.cast::<pg_sys::String>()).sval)
    }
}

/// A name of one to three parts.
pub(super) fn name(mut parts: Vec<String>) -> Option<Name> {
    let name = parts.pop()?;
    Some(Name {
        schema: parts.pop(),
        name,
    })
}

/// A name as a list of strings.
///
/// # Safety
/// A list of nodes of the parser.
pub(super) unsafe fn dotted(parts: *mut pg_sys::List) -> Option<Name> {
    // SAFETY: promised by the caller
    name(unsafe { strings(parts) })
}

/// The name of a type, without its modifiers.
///
/// # Safety
/// A TypeName of the parser.
pub(super) unsafe fn type_name(type_: *const pg_sys::TypeName) -> Option<Name> {
    // SAFETY: promised by the caller
    unsafe { dotted((*type_).names) }
}

/// A name behind a dot: key words need no quotes there.
fn behind_dot(name: &str) -> String {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty() {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A type as SQL (see [`crate::migration::ddl`]).
///
/// # Safety
/// A TypeName of the parser.
pub(super) unsafe fn type_text(type_: *const pg_sys::TypeName) -> String {
    // SAFETY: promised by the caller
    unsafe {
        let parts = strings((*type_).names);
        let mut sql = match parts.split_first() {
            Some((first, [])) => Name::bare(first).to_string(),
            Some((first, rest)) => {
                let mut sql = Name::bare(first).to_string();
                for part in rest {
                    sql.push('.');
                    sql.push_str(&behind_dot(part));
                }
                sql
            }
            None => String::new(),
        };
        if (*type_).pct_type {
            sql.push_str("%TYPE");
        }
        let modifiers: Vec<String> = list::pointers::<pg_sys::Node>((*type_).typmods)
            .map(|n| modifier(n))
            .collect();
        if !modifiers.is_empty() {
            sql.push_str(&format!("({})", modifiers.join(", ")));
        }
        if !(*type_).arrayBounds.is_null() {
            sql.push_str("[]");
        }
        if (*type_).setof {
            sql.insert_str(0, "SETOF ");
        }
        sql
    }
}

/// A modifier of a type: mostly a number.
///
/// # Safety
/// A node of the parser.
unsafe fn modifier(node: *const pg_sys::Node) -> String {
    // SAFETY: promised by the caller; the tag is checked before the cast
    unsafe {
        if (*node).type_ == NodeTag::T_ColumnRef {
            return strings((*node.cast::<pg_sys::ColumnRef>()).fields).join(".");
        }
        match constant(node) {
            Some(Constant::Text(text)) => format!("'{}'", text.replace('\'', "''")),
            Some(Constant::Number(number)) => number,
            _ => "?".to_owned(),
        }
    }
}

/// A constant of the parser.
pub(super) enum Constant {
    Null,
    Text(String),
    Number(String),
    Bool(bool),
}

impl Constant {
    /// Its value as SET takes it.
    pub(super) fn into_text(self) -> Option<String> {
        match self {
            Constant::Null => None,
            Constant::Text(text) | Constant::Number(text) => Some(text),
            Constant::Bool(value) => Some(value.to_string()),
        }
    }
}

/// A constant, also below a cast; `None` for anything else.
///
/// # Safety
/// NULL, or a node of the parser.
pub(super) unsafe fn constant(node: *const pg_sys::Node) -> Option<Constant> {
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        if node.is_null() {
            return None;
        }
        match (*node).type_ {
            NodeTag::T_TypeCast => {
                let cast = node.cast::<pg_sys::TypeCast>();
                let inner = constant((*cast).arg)?;
                let type_ = (*cast).typeName;
                // before constants of their own, true and false were strings
                let is_bool = !type_.is_null() && type_text(type_) == "pg_catalog.bool";
                Some(match inner {
                    Constant::Text(text) if is_bool => Constant::Bool(text.starts_with(['t', 'T'])),
                    other => other,
                })
            }
            NodeTag::T_A_Const => {
                let value = node.cast::<pg_sys::A_Const>();
                if (*value).isnull {
                    return Some(Constant::Null);
                }
                match (*value).val.node.type_ {
                    NodeTag::T_String => Some(Constant::Text(text((*value).val.sval.sval))),
                    NodeTag::T_Integer => {
                        Some(Constant::Number((*value).val.ival.ival.to_string()))
                    }
                    NodeTag::T_Float => Some(Constant::Number(text((*value).val.fval.fval))),
                    NodeTag::T_Boolean => Some(Constant::Bool((*value).val.boolval.boolval)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

/// # Safety
/// A RoleSpec of the parser.
pub(super) unsafe fn role(spec: *const pg_sys::RoleSpec) -> Role {
    use pg_sys::RoleSpecType as T;
    // SAFETY: promised by the caller
    unsafe {
        match (*spec).roletype {
            T::ROLESPEC_PUBLIC => Role::Public,
            T::ROLESPEC_CURRENT_ROLE => Role::CurrentRole,
            T::ROLESPEC_CURRENT_USER => Role::CurrentUser,
            T::ROLESPEC_SESSION_USER => Role::SessionUser,
            _ => Role::Named(text((*spec).rolename)),
        }
    }
}

/// # Safety
/// A list of RoleSpec.
pub(super) unsafe fn roles(all: *mut pg_sys::List) -> Vec<Role> {
    // SAFETY: promised by the caller
    unsafe { list::pointers(all).map(|r| role(r)).collect() }
}

/// A routine with its arguments, as DROP names it.
///
/// # Safety
/// An ObjectWithArgs of the parser.
pub(super) unsafe fn routine(
    kind: ObjectKind,
    named: *const pg_sys::ObjectWithArgs,
) -> Option<Object> {
    // SAFETY: promised by the caller; arguments of routines are types, NULL only for operators
    unsafe {
        let mut object = Object::new(kind, dotted((*named).objname)?);
        if !(*named).args_unspecified {
            let types = list::pointers::<pg_sys::TypeName>((*named).objargs);
            object.args = Some(
                types
                    .filter(|t| !t.is_null())
                    .map(|t| type_text(t))
                    .collect(),
            );
        }
        Some(object)
    }
}

/// The kind of an object; `None` for what [`ObjectKind`] does not have.
pub(super) fn kind(kind: pg_sys::ObjectType::Type) -> Option<ObjectKind> {
    use ObjectKind as K;
    use pg_sys::ObjectType as T;
    Some(match kind {
        T::OBJECT_TABLE => K::Table,
        T::OBJECT_FOREIGN_TABLE => K::ForeignTable,
        T::OBJECT_VIEW => K::View,
        T::OBJECT_MATVIEW => K::MaterializedView,
        T::OBJECT_INDEX => K::Index,
        T::OBJECT_SEQUENCE => K::Sequence,
        T::OBJECT_COLUMN => K::Column,
        T::OBJECT_ATTRIBUTE => K::Attribute,
        T::OBJECT_TABCONSTRAINT => K::Constraint,
        T::OBJECT_DOMCONSTRAINT => K::DomainConstraint,
        T::OBJECT_TRIGGER => K::Trigger,
        T::OBJECT_RULE => K::Rule,
        T::OBJECT_POLICY => K::Policy,
        T::OBJECT_FUNCTION => K::Function,
        T::OBJECT_PROCEDURE => K::Procedure,
        T::OBJECT_ROUTINE => K::Routine,
        T::OBJECT_AGGREGATE => K::Aggregate,
        T::OBJECT_TYPE => K::Type,
        T::OBJECT_DOMAIN => K::Domain,
        T::OBJECT_SCHEMA => K::Schema,
        T::OBJECT_EXTENSION => K::Extension,
        T::OBJECT_ROLE => K::Role,
        T::OBJECT_DATABASE => K::Database,
        T::OBJECT_TABLESPACE => K::Tablespace,
        T::OBJECT_EVENT_TRIGGER => K::EventTrigger,
        T::OBJECT_STATISTIC_EXT => K::Statistics,
        T::OBJECT_COLLATION => K::Collation,
        T::OBJECT_CONVERSION => K::Conversion,
        T::OBJECT_PUBLICATION => K::Publication,
        T::OBJECT_SUBSCRIPTION => K::Subscription,
        T::OBJECT_FOREIGN_SERVER => K::Server,
        T::OBJECT_FDW => K::ForeignDataWrapper,
        T::OBJECT_LANGUAGE => K::Language,
        T::OBJECT_ACCESS_METHOD => K::AccessMethod,
        T::OBJECT_TSCONFIGURATION => K::SearchConfiguration,
        T::OBJECT_TSDICTIONARY => K::SearchDictionary,
        T::OBJECT_TSPARSER => K::SearchParser,
        T::OBJECT_TSTEMPLATE => K::SearchTemplate,
        _ => return None,
    })
}

/// An object as DROP, COMMENT and ALTER name it: a list of strings, a type, a routine, one string.
///
/// # Safety
/// NULL, or a node of the parser that names an object of this kind.
pub(super) unsafe fn object(kind: ObjectKind, node: *const pg_sys::Node) -> Option<Object> {
    use ObjectKind as K;
    // SAFETY: promised by the caller; each tag is checked before its cast
    unsafe {
        if node.is_null() {
            return None;
        }
        match (*node).type_ {
            NodeTag::T_String => Some(Object::new(kind, Name::bare(&string(node)?))),
            NodeTag::T_TypeName => Some(Object::new(kind, type_name(node.cast())?)),
            NodeTag::T_RangeVar => Some(Object::new(kind, relation(node.cast()))),
            NodeTag::T_RoleSpec => match role(node.cast()) {
                Role::Named(role) => Some(Object::new(kind, Name::bare(&role))),
                _ => None,
            },
            NodeTag::T_ObjectWithArgs => routine(kind, node.cast()),
            NodeTag::T_List => {
                let parts = node.cast_mut().cast::<pg_sys::List>();
                if kind == K::DomainConstraint {
                    let nodes: Vec<*mut pg_sys::Node> = list::pointers(parts).collect();
                    let [domain, constraint] = nodes.as_slice() else {
                        return None;
                    };
                    let on = match (**domain).type_ {
                        NodeTag::T_TypeName => type_name(domain.cast())?,
                        _ => return None,
                    };
                    return Some(Object::part(kind, &string(*constraint)?, &on));
                }
                let mut names = strings(parts);
                if kind.is_part() {
                    let own = names.pop()?;
                    return Some(Object::part(kind, &own, &name(names)?));
                }
                Some(Object::new(kind, name(names)?))
            }
            _ => None,
        }
    }
}
