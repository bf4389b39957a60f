//! Who may do what with a queue.
//!
//! The owner of a queue, and who is a member of it, may do everything. All else is granted by name of a right.
//! Sessions keep the grants that they have read; memberships are asked for at each check, PostgreSQL keeps those.

use super::home;
use super::known::{self, Queue};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{current_user, quote_literal};
use crate::pg::owner::as_extension_owner;
use crate::pg::{queue_watch, session, spi};
use pgrx::pg_sys::{InvalidOid, Oid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// A right that `queue_grant` gives; the owner of a queue has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privilege {
    Push,
    Pop,
    Read,
    Admin,
}

impl Privilege {
    const ALL: [Privilege; 4] = [
        Privilege::Push,
        Privilege::Pop,
        Privilege::Read,
        Privilege::Admin,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Privilege::Push => "push",
            Privilege::Pop => "pop",
            Privilege::Read => "read",
            Privilege::Admin => "admin",
        }
    }

    /// Reads the name of a right; 22023 for anything else.
    pub fn parse(text: &str) -> Result<Privilege> {
        let found = Privilege::ALL.into_iter().find(|p| p.name() == text);
        found.ok_or_else(|| {
            Error::new(
                Kind::InvalidParameter,
                format!("privilege \"{text}\" is not known"),
            )
            .hint("Use 'push', 'pop', 'read' or 'admin'.")
        })
    }
}

struct Grant {
    /// invalid: everybody
    role: Oid,
    privilege: Privilege,
}

#[derive(Default)]
struct Known {
    epoch: u64,
    grants: HashMap<i32, Rc<[Grant]>>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

const GRANTS: &str = "SELECT CASE WHEN g.role = 'public' THEN 0::oid WHEN $2 THEN g.role_oid \
    ELSE (SELECT r.oid FROM pg_roles r WHERE r.rolname = g.role) END, g.privilege \
    FROM strata.queue_grant g WHERE g.qid = $1";

fn grants(qid: i32) -> Result<Rc<[Grant]>> {
    let epoch = queue_watch::epoch();
    let kept = KNOWN.with_borrow(|k| (k.epoch == epoch).then(|| k.grants.get(&qid).cloned()));
    if let Some(Some(kept)) = kept {
        return Ok(kept);
    }
    let args = [qid.into(), home::is_here()?.into()];
    let read = as_extension_owner(|| {
        spi::read_kept(GRANTS, &args, |row| {
            let role: Option<Oid> = row.get(1)?;
            let privilege: String = row.need(2)?;
            Ok(role.zip(Privilege::parse(&privilege).ok()))
        })
    })?;
    let read = read.into_iter().flatten();
    let read: Rc<[Grant]> = read
        .map(|(role, privilege)| Grant { role, privilege })
        .collect();
    KNOWN.with_borrow_mut(|k| {
        if k.epoch != epoch {
            *k = Known {
                epoch,
                ..Known::default()
            };
        }
        if queue_watch::epoch() == epoch {
            k.grants.insert(qid, Rc::clone(&read));
        }
    });
    Ok(read)
}

/// True when the current user owns the queue, or is a member of its owner.
#[must_use]
pub fn is_owner(queue: &Queue) -> bool {
    session::has_role(queue.owner.to_u32())
}

/// True when the current user has the right.
pub fn has(queue: &Queue, privilege: Privilege) -> Result<bool> {
    if is_owner(queue) {
        return Ok(true);
    }
    let may = |g: &Grant| {
        g.privilege == privilege && (g.role == InvalidOid || session::has_role(g.role.to_u32()))
    };
    Ok(grants(queue.qid)?.iter().any(may))
}

/// Does nothing if the current user has the right, otherwise 42501.
pub fn need(queue: &Queue, privilege: Privilege) -> Result<()> {
    if has(queue, privilege)? {
        return Ok(());
    }
    let Queue { name, .. } = queue;
    let right = privilege.name();
    Err(Error::new(
        Kind::InsufficientPrivilege,
        format!("permission denied for queue \"{name}\""),
    )
    .detail(format!("This needs the right '{right}'."))
    .hint(format!(
        "Its owner may SELECT strata.queue_grant({}, {}, '{right}');",
        quote_literal(name),
        quote_literal(&role_name(current_user())?)
    )))
}

/// Does nothing if the current user has any right, otherwise 42501.
pub fn need_any(queue: &Queue) -> Result<()> {
    for privilege in Privilege::ALL {
        if has(queue, privilege)? {
            return Ok(());
        }
    }
    need(queue, Privilege::Read)
}

/// Does nothing if the current user owns the queue, otherwise 42501.
pub fn need_owner(queue: &Queue) -> Result<()> {
    if is_owner(queue) {
        return Ok(());
    }
    Err(Error::new(
        Kind::InsufficientPrivilege,
        format!("must be owner of queue \"{}\"", queue.name),
    ))
}

/// Name of a role as `regrole` reads it; a number if there is none.
fn role_name(role: Oid) -> Result<String> {
    let sql = "SELECT $1::oid::regrole::text";
    // not by names that the session finds first: the current user may be another one than that of the session
    let name = as_extension_owner(|| spi::read_one(sql, &[role.into()], |r| r.need(1)))?;
    Ok(name.unwrap_or_default())
}

const GRANT: &str = "INSERT INTO strata.queue_grant (qid, role, role_oid, privilege) \
    SELECT $1, CASE WHEN $2::oid = 0::oid THEN 'public' ELSE (SELECT r.rolname FROM pg_roles r WHERE r.oid = $2::oid) END, \
    $2::oid, p \
    FROM unnest($3::text[]) p ON CONFLICT DO NOTHING";
// a role of another server that has the number of this one is somebody else: it goes by its name
const REVOKE: &str = "DELETE FROM strata.queue_grant g WHERE g.qid = $1 AND g.privilege = ANY ($3::text[]) \
    AND CASE WHEN $2::oid = 0::oid THEN g.role = 'public' WHEN $4 THEN g.role_oid = $2::oid \
    ELSE g.role = (SELECT r.rolname FROM pg_roles r WHERE r.oid = $2::oid) END";
const ROLE: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE oid = $1)";

/// The rights that an array of `queue_grant` names; 22023 for one that there is not.
pub fn parse(privileges: &[Option<String>]) -> Result<Vec<Privilege>> {
    if privileges.is_empty() {
        return Err(Error::new(Kind::InvalidParameter, "no privilege is given")
            .hint("Use 'push', 'pop', 'read' or 'admin', or several of them."));
    }
    let one = |name: &Option<String>| match name {
        Some(name) => Privilege::parse(name),
        None => Err(Error::new(
            Kind::NullNotAllowed,
            "a privilege must not be NULL",
        )),
    };
    privileges.iter().map(one).collect()
}

/// Gives rights on a queue of the current user, or takes them away. An invalid role is everybody.
pub fn change(queue: &Queue, role: Oid, privileges: &[Privilege], give: bool) -> Result<()> {
    need_owner(queue)?;
    let known = as_extension_owner(|| spi::read_latest(ROLE, &[role.into()], |r| r.need(1)))?;
    if role != InvalidOid && known.first() != Some(&true) {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("role with OID {} does not exist", role.to_u32()),
        ));
    }
    let names: Vec<&str> = privileges.iter().map(|p| p.name()).collect();
    known::hold(queue)?;
    let here = home::is_here()?;
    // a number, since pgrx hands an invalid OID on as NULL
    let number = i64::from(role.to_u32());
    as_extension_owner(|| {
        if give {
            spi::execute(GRANT, &[queue.qid.into(), number.into(), names.into()])
        } else {
            let args = [queue.qid.into(), number.into(), names.into(), here.into()];
            spi::execute(REVOKE, &args)
        }
    })?;
    queue_watch::changed("queue_grant");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Privilege;

    #[test]
    fn rights_are_read_as_they_are_written() {
        for right in Privilege::ALL {
            assert_eq!(Privilege::parse(right.name()).ok(), Some(right));
        }
        assert!(Privilege::parse("write").is_err());
        assert!(Privilege::parse("Push").is_err());
    }
}
