//! The end of a file: what a commit would check.

use crate::error::Result;
use crate::pg::catalog::{current_user, quote_qualified};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::parse::Parsed;
use crate::pg::spi;

// by a name that a constraint INITIALLY DEFERRED of the same schema has as well, both would be meant
const IMMEDIATE: &str = "SELECT n.nspname::text, c.conname::text FROM pg_constraint c \
    JOIN pg_namespace n ON n.oid = c.connamespace WHERE c.condeferrable AND has_schema_privilege($1, n.oid, 'USAGE') \
    GROUP BY 1, 2 HAVING NOT bool_or(c.condeferred) ORDER BY 1, 2";

/// Runs one statement of ours as the active role.
fn run(sql: &str) -> Result<()> {
    Parsed::of(sql)?.execute(0)
}

/// Checks all constraints that were put off, and leaves them as a new transaction has them. `confined`: a trigger that puts
/// off something once more is an error, 42501, since the commit would run that as somebody else (trigger.c,
/// afterTriggerMarkEvents).
pub fn constraints(confined: bool) -> Result<()> {
    let restricted = confined.then(|| UserScope::restricted(current_user()));
    run("SET CONSTRAINTS ALL IMMEDIATE")?;
    drop(restricted);
    run("SET CONSTRAINTS ALL DEFERRED")?;
    // Never as the owner of the extension: triggers may have put off something again, which fires here.
    let user = current_user();
    let names = as_extension_owner(|| {
        spi::read_kept(IMMEDIATE, &[user.into()], |r| {
            Ok((r.need::<String>(1)?, r.need::<String>(2)?))
        })
    })?;
    let names: Vec<String> = names.iter().map(|(s, n)| quote_qualified(s, n)).collect();
    match names.is_empty() {
        true => Ok(()),
        false => run(&format!("SET CONSTRAINTS {} IMMEDIATE", names.join(", "))),
    }
}
