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

/// Whether policies may hide rows of `relation` from the active role.
fn policies_apply(relation: pg_sys::Oid) -> bool {
    // SAFETY: a catalog look-up by OID, inside a transaction; no error for a setting of row_security
    let answer = unsafe { pg_sys::check_enable_rls(relation, pg_sys::InvalidOid, true) };
    answer == pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32
}

/// As [`as_reader`], for what the active role may know: 42501 where it may not read the whole table, be it for want of
/// a privilege or because of policies.
pub fn as_permitted_reader<T>(
    relation: pg_sys::Oid,
    question: impl FnOnce() -> Result<T>,
) -> Result<T> {
    // SAFETY: reads two variables of the process
    let role = unsafe { pg_sys::GetUserId() };
    let refused = if !may_select(relation, role) {
        "permission denied for table"
    } else if policies_apply(relation) {
        "query would be affected by row-level security policy for table"
    } else {
        return as_reader(relation, question);
    };
    let name = qualified_name(relation)?;
    let role = quote_ident(&role_name(role));
    Err(
        Error::new(Kind::InsufficientPrivilege, format!("{refused} {name}")).hint(format!(
            "The whole table has to be read: GRANT SELECT ON {name} TO {role}, and policies must not apply to that role."
        )),
    )
}

fn ask<T>(owner: pg_sys::Oid, question: impl FnOnce() -> Result<T>) -> Result<T> {
    let settings = SettingScope::new();
    settings.set("search_path", "pg_catalog, pg_temp");
    let _owner = UserScope::reader(owner);
    question()
}

/// Of a role that exists: it owns a relation, or is the active one.
fn role_name(role: pg_sys::Oid) -> String {
    super::session::role_name(role).unwrap_or_else(|| role.to_u32().to_string())
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
