//! Words of TimescaleDB that mean nothing here: options of its columnstore and of continuous aggregates in ALTER
//! TABLE and CREATE MATERIALIZED VIEW. The server would only say that it knows no such namespace.

use super::catalog::extension;
use super::list::pointers;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::CStr;

/// What takes the place of a columnstore.
pub const TIERING: &str = "CALL strata.tier_chunks('table', older_than => INTERVAL '30 days') moves old chunks into compressed files";

fn columnstore(what: &str) -> Error {
    Error::new(
        Kind::NotSupported,
        format!("{what} is not supported: rows of chunks are not compressed where they lie"),
    )
    .hint(TIERING)
}

fn continuous(what: &str) -> Error {
    Error::new(
        Kind::NotSupported,
        format!("{what} is not supported yet: continuous aggregates are planned"),
    )
    .hint("a materialized view with time_bucket, and strata.add_job that refreshes it, does the same more slowly")
}

/// The error of a function of that name, which is there for scripts that call it.
#[must_use]
pub fn refusal(function: &str) -> Error {
    match function.contains("continuous_aggregate") {
        true => continuous(function),
        false => columnstore(function),
    }
}

/// The first option in a namespace of TimescaleDB.
///
/// # Safety
/// `options` must be a list of DefElem, or NIL.
unsafe fn foreign(options: *mut pg_sys::List) -> Option<String> {
    // SAFETY: promised by the caller; names are NUL terminated
    unsafe {
        pointers::<pg_sys::DefElem>(options).find_map(|option| {
            let space = (*option).defnamespace;
            if space.is_null() {
                return None;
            }
            let space = CStr::from_ptr(space).to_str().ok()?;
            let name = CStr::from_ptr((*option).defname).to_str().ok()?;
            ["timescaledb", "tsdb"]
                .contains(&space)
                .then(|| format!("{space}.{name}"))
        })
    }
}

/// 0A000 for a statement with such an option, where the extension is installed.
///
/// # Safety
/// `statement` must be the node of a utility statement.
pub(super) unsafe fn refuse(statement: *const pg_sys::Node) -> Result<()> {
    use pg_sys::NodeTag as Tag;
    // SAFETY: each cast follows the node's tag
    let error = unsafe {
        match (*statement).type_ {
            Tag::T_AlterTableStmt => {
                let alter = statement.cast::<pg_sys::AlterTableStmt>();
                let view = (*alter).objtype == pg_sys::ObjectType::OBJECT_MATVIEW;
                let option = pointers::<pg_sys::AlterTableCmd>((*alter).cmds).find_map(|c| {
                    use pg_sys::AlterTableType as Kind;
                    match (*c).subtype {
                        Kind::AT_SetRelOptions | Kind::AT_ResetRelOptions => {
                            foreign((*c).def.cast())
                        }
                        _ => None,
                    }
                });
                option.map(|option| match view {
                    true => continuous(&option),
                    false => columnstore(&option),
                })
            }
            Tag::T_CreateTableAsStmt => {
                let create = statement.cast::<pg_sys::CreateTableAsStmt>();
                foreign((*(*create).into).options).map(|option| continuous(&option))
            }
            _ => None,
        }
    };
    match error {
        Some(error) if extension().is_some() => Err(error),
        _ => Ok(()),
    }
}
