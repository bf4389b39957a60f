//! The event trigger function of ours: what has been run, as far as the server's own functions do not tell.

use super::call::{Call, c_function};
use super::cold_state::raise;
use super::parse_kind::optional;
use super::{binary_upgrade, list, parse_object};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys::{self, NodeTag};
use std::ffi::CStr;
use std::sync::OnceLock;

/// A statement at whose end the trigger fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    pub event: Event,
    /// its command tag
    pub tag: String,
    /// the object that it names first, as written; all of them for GRANT and REVOKE, relations with their schema
    pub objects: Vec<String>,
    /// the one schema that all partitions that it attaches or detaches, or all relations that it grants or publishes, are
    /// written with
    pub others_in: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    CommandEnd,
    Drop,
}

/// What is done then; its error is the statement's.
pub type Part = fn(&Fired) -> Result<()>;

static PART: OnceLock<Part> = OnceLock::new();

/// Registers it; once, when the library is loaded.
pub fn register(part: Part) {
    let _ = PART.set(part);
}

/// False where nothing can be written, or where what happens is the making of an extension or of an upgraded server.
#[must_use]
pub fn may_note() -> bool {
    // SAFETY: words of this process
    let (read_only, script) = unsafe { (pg_sys::XactReadOnly, pg_sys::creating_extension) };
    !read_only && !script && !binary_upgrade()
}

fn fire(call: Call) -> pg_sys::Datum {
    // SAFETY: a valid call, as the server made it
    let fired = unsafe { fired(call) };
    let done = fired.and_then(|fired| PART.get().map_or(Ok(()), |part| part(&fired)));
    if let Err(error) = done {
        raise(error);
    }
    call.null()
}
c_function!(
    migrate_captured_wrapper,
    pg_finfo_migrate_captured_wrapper,
    fire
);

/// # Safety
/// The call must be valid.
unsafe fn fired(call: Call) -> Result<Fired> {
    // SAFETY: promised by the caller; the tag says what the context is, and its parse tree is a statement of the parser
    unsafe {
        let context = call.context();
        if context.is_null() || (*context).type_ != NodeTag::T_EventTriggerData {
            let text = "this function is only for event triggers";
            return Err(Error::new(Kind::NotSupported, text));
        }
        let data = &*context.cast::<pg_sys::EventTriggerData>();
        let event = match CStr::from_ptr(data.event).to_bytes() {
            b"sql_drop" => Event::Drop,
            _ => Event::CommandEnd,
        };
        let tag = CStr::from_ptr(pg_sys::GetCommandTagName(data.tag));
        let tree = data.parsetree;
        let known = !tree.is_null();
        Ok(Fired {
            event,
            tag: tag.to_string_lossy().into_owned(),
            objects: if known { objects(tree) } else { Vec::new() },
            others_in: if known { others_in(tree) } else { None },
        })
    }
}

/// # Safety
/// A statement of the parser.
unsafe fn objects(node: *mut pg_sys::Node) -> Vec<String> {
    // SAFETY: promised by the caller; the tags are checked before the casts
    unsafe {
        if (*node).type_ != NodeTag::T_GrantStmt {
            return parse_object::of(node).into_iter().collect();
        }
        let grant = &*node.cast::<pg_sys::GrantStmt>();
        let all = grant.targtype == pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA;
        list::pointers::<pg_sys::Node>(grant.objects)
            .filter_map(|object| match ((*object).type_, all) {
                (_, true) => parse_object::named(object).map(|schema| format!("{schema}.*")),
                (NodeTag::T_RangeVar, _) => {
                    let missing_ok = pg_sys::RVROption::RVR_MISSING_OK;
                    // as it stands behind the statement, which has locked it; 0 is NoLock
                    let oid = pg_sys::RangeVarGetRelidExtended(
                        object.cast(),
                        0,
                        missing_ok,
                        None,
                        std::ptr::null_mut(),
                    );
                    let found = match oid == pg_sys::InvalidOid {
                        true => None,
                        false => super::catalog::qualified_name(oid).ok(),
                    };
                    found.or_else(|| parse_object::named(object))
                }
                _ => parse_object::named(object),
            })
            .collect()
    }
}

/// # Safety
/// A statement of the parser.
unsafe fn others_in(node: *mut pg_sys::Node) -> Option<String> {
    // SAFETY: promised by the caller; each tag is checked before its cast
    let schemas: Vec<Option<String>> = unsafe {
        match (*node).type_ {
            NodeTag::T_AlterTableStmt => {
                let commands = (*node.cast::<pg_sys::AlterTableStmt>()).cmds;
                list::pointers(commands)
                    .map(|c: *mut pg_sys::AlterTableCmd| partition_schema(c))
                    .collect()
            }
            NodeTag::T_GrantStmt => {
                let objects = (*node.cast::<pg_sys::GrantStmt>()).objects;
                list::pointers(objects).map(|o| schema(o)).collect()
            }
            NodeTag::T_AlterPublicationStmt => {
                let objects = (*node.cast::<pg_sys::AlterPublicationStmt>()).pubobjects;
                list::pointers::<pg_sys::PublicationObjSpec>(objects)
                    .map(|o| {
                        let table = (*o).pubtable;
                        (!table.is_null()).then(|| schema((*table).relation.cast()))?
                    })
                    .collect()
            }
            _ => return None,
        }
    };
    let first = schemas.first()?.clone()?;
    schemas
        .iter()
        .all(|s| s.as_deref() == Some(first.as_str()))
        .then_some(first)
}

/// # Safety
/// A part of an ALTER TABLE of the parser.
unsafe fn partition_schema(command: *mut pg_sys::AlterTableCmd) -> Option<String> {
    use pg_sys::AlterTableType as T;
    // SAFETY: promised by the caller; what these have is a PartitionCmd
    unsafe {
        let kind = (*command).subtype;
        let of_partition = [
            T::AT_AttachPartition,
            T::AT_DetachPartition,
            T::AT_DetachPartitionFinalize,
        ];
        let def = (*command).def;
        if !of_partition.contains(&kind) || def.is_null() {
            return None;
        }
        schema((*def.cast::<pg_sys::PartitionCmd>()).name.cast())
    }
}

/// # Safety
/// NULL, or a node.
unsafe fn schema(node: *mut pg_sys::Node) -> Option<String> {
    // SAFETY: promised by the caller; the tag is checked
    unsafe {
        if node.is_null() || (*node).type_ != NodeTag::T_RangeVar {
            return None;
        }
        optional((*node.cast::<pg_sys::RangeVar>()).schemaname)
    }
}
