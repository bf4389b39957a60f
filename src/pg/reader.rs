//! Reading the rows of a user's table: all of them, and without running anything of the user as somebody else.
//!
//! Planning a query calls IMMUTABLE functions in index expressions, index predicates, CHECKs and statistics of
//! the table (relcache.c, RelationGetIndexExpressions; plancat.c, get_relation_constraints). So the one who
//! asks is the table's owner, in a security-restricted operation, whom no policy hides a row from.

use super::catalog::{qualified_name, quote_ident};
use super::owner::{SettingScope, UserScope, as_extension_owner};
use super::spi;
use super::subxact::attempt;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::CStr;

const OWNER: &str = "
SELECT c.relowner FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) $1";

fn owner_of(relation: pg_sys::Oid) -> Result<pg_sys::Oid> {
    spi::read_latest(OWNER, &[relation.into()], |r| r.need(1))?
        .pop()
        .ok_or_else(|| {
            Error::new(
                Kind::UndefinedTable,
                format!("relation with OID {} does not exist", relation.to_u32()),
            )
        })
}

fn may_select(relation: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by OIDs, inside a transaction; a missing relation is an error
    let answer = unsafe {
        pg_sys::pg_class_aclcheck(relation, role, pg_sys::AclMode::from(pg_sys::ACL_SELECT))
    };
    answer == pg_sys::AclResult::ACLCHECK_OK
}

fn ask<T>(owner: pg_sys::Oid, question: impl FnOnce() -> Result<T>) -> Result<T> {
    let settings = SettingScope::new();
    settings.set("search_path", "pg_catalog, pg_temp");
    let _owner = UserScope::reader(owner);
    question()
}

fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: the role exists: it owns a relation; the result is palloc'd
    let name = unsafe { CStr::from_ptr(pg_sys::GetUserNameFromId(role, false)) };
    name.to_string_lossy().into_owned()
}

/// Runs a question about the rows of `relation`, or of its partitions, as its owner. An owner who took the
/// right to read from itself has it for the time of the question.
pub fn as_reader<T>(relation: pg_sys::Oid, question: impl FnOnce() -> Result<T>) -> Result<T> {
    let owner = owner_of(relation)?;
    if may_select(relation, owner) {
        return ask(owner, question);
    }
    let mut answer = None;
    let grant = format!(
        "GRANT SELECT ON {} TO {}",
        qualified_name(relation)?,
        quote_ident(&role_name(owner))
    );
    // rolled back, and so is the grant
    let tried = attempt(|| -> Result<()> {
        as_extension_owner(|| spi::execute(&grant, &[]))?;
        answer = Some(ask(owner, question));
        Err(Error::internal("enough"))
    });
    match (answer, tried) {
        (Some(answer), Ok(_)) => answer,
        (_, Err(caught)) => {
            caught.raise().report(pgrx::PgLogLevel::ERROR);
            Err(Error::internal("an error did not end the statement"))
        }
        (None, Ok(Err(error))) => Err(error),
        (None, Ok(Ok(()))) => Err(Error::internal("no answer")),
    }
}
