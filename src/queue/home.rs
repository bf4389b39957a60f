//! Whether this database is the one that its queues were made in. In a copy (restored from a dump, made by
//! CREATE DATABASE ... TEMPLATE, upgraded by pg_upgrade) nothing runs by itself until `strata.start_workers()`: a
//! copy for tests must not do production's jobs, and what is half restored must not be tidied up.

use super::catalog::here;
use super::{schedule_sql, streams};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_watch, session, spi};

const HOME: &str = "SELECT h.home = $1 FROM strata.queue_home h";
const EVER: &str = "SELECT true FROM strata.queue_home";
// a restored row says nothing, whatever it said (see the trigger): only an UPDATE does
const FIRST: &str = "INSERT INTO strata.queue_home (home) VALUES ('') ON CONFLICT DO NOTHING";
const SETTLE: &str = "UPDATE strata.queue_home SET home = $1 WHERE home <> $1";

/// True when workers may run here. False also where no queue was ever made: there is nothing to be done.
pub fn is_here() -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(HOME, &[here().into()], |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}

/// True when queues were ever made here, or have come with a dump.
pub fn has_queues() -> Result<bool> {
    let ever = as_extension_owner(|| spi::read_latest(EVER, &[], |r| r.need::<bool>(1)))?;
    Ok(!ever.is_empty())
}

/// To be called when a queue is made: the first one says where the queues of this database are at home.
pub fn settle_first() -> Result<()> {
    if !has_queues()? {
        let made = as_extension_owner(|| spi::execute(FIRST, &[]))?;
        if made > 0 {
            settle()?;
        }
    }
    Ok(())
}

fn settle() -> Result<usize> {
    let done = as_extension_owner(|| spi::execute(SETTLE, &[here().into()]))?;
    queue_watch::changed("queue_home");
    Ok(done)
}

// roles are known by number where a queue was made, and by name in a copy
const OWNERS: &str = "UPDATE strata.queue q SET owner_oid = r.oid FROM pg_roles r \
    WHERE r.rolname = q.owner AND r.oid <> q.owner_oid";
const GRANTS: &str = "UPDATE strata.queue_grant g SET role_oid = r.oid FROM pg_roles r \
    WHERE r.rolname = g.role AND r.oid <> g.role_oid";
const STRANGERS: &str = "DELETE FROM strata.queue_grant g WHERE g.role <> 'public' \
    AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = g.role)";
const OWNERLESS: &str = "SELECT count(*) FROM strata.queue q \
    WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = q.owner)";
const NO_OWNER: &str = "UPDATE strata.queue q SET owner_oid = 0 \
    WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = q.owner)";

/// Makes this database the home of its queues. True if it was another one.
pub fn move_in() -> Result<bool> {
    if !has_queues()? || is_here()? {
        return Ok(false);
    }
    let left = as_extension_owner(|| {
        spi::execute(OWNERS, &[])?;
        spi::execute(GRANTS, &[])?;
        spi::execute(STRANGERS, &[])?;
        spi::execute(NO_OWNER, &[])?;
        streams::adopt()?;
        schedule_sql::adopt()?;
        spi::read_one(OWNERLESS, &[], |r| r.need::<i64>(1))
    })?;
    settle()?;
    queue_watch::changed("queue");
    queue_watch::changed("queue_grant");
    if let Some(left @ 1..) = left {
        session::notice(
            &format!("{left} queues belong to roles that do not exist here"),
            Some(
                "SELECT strata.alter_queue(queue, owner => 'a_role') FROM strata.queues WHERE owner IS NULL",
            ),
        );
    }
    Ok(true)
}

// by name a queue finds its roles in a copy: it must be the present one
const RENAMED_OWNERS: &str = "UPDATE strata.queue q SET owner = r.rolname FROM pg_roles r \
    WHERE r.oid = q.owner_oid AND r.rolname <> q.owner";
const RENAMED_GRANTS: &str = "UPDATE strata.queue_grant g SET role = r.rolname FROM pg_roles r \
    WHERE r.oid = g.role_oid AND r.rolname <> g.role";
const GONE: &str = "DELETE FROM strata.queue_grant g WHERE g.role_oid <> 0 \
    AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = g.role_oid)";

/// Keeps names of roles current, where they are known by number; now and then.
pub fn note_renamed() -> Result<()> {
    if !is_here()? {
        return Ok(());
    }
    as_extension_owner(|| {
        spi::execute(RENAMED_OWNERS, &[])?;
        spi::execute(RENAMED_GRANTS, &[])?;
        streams::note_renamed()?;
        schedule_sql::note_renamed()?;
        spi::execute(GONE, &[])?;
        Ok(())
    })
}
