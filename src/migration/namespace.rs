//! Namespaces: who may register and run their files, and how these begin.

use super::style::Style;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{current_user, quote_ident, quote_literal};
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};
use pgrx::pg_sys::Oid;

/// A namespace as it is configured.
#[derive(Debug, Clone)]
pub struct Namespace {
    pub name: String,
    pub owner: String,
    /// role that each file starts as
    pub role: Option<String>,
    pub search_path: Option<String>,
    pub style: Style,
    pub mirror_tool: Option<String>,
    pub mirror_relation: Option<String>,
    owner_oid: Option<Oid>,
    owner_is_superuser: bool,
    role_oid: Option<Oid>,
}

const FIND: &str = "SELECT n.owner::text, n.role::text, n.search_path, n.style, n.mirror_tool, n.mirror_relation, r.oid, \
    coalesce(r.rolsuper, false), a.oid FROM strata.migrate_ns n LEFT JOIN pg_roles r ON r.rolname = n.owner \
    LEFT JOIN pg_roles a ON a.rolname = n.role WHERE n.namespace = $1";
const MAKE: &str = "INSERT INTO strata.migrate_ns (namespace, owner, created_by) \
    SELECT $1, r.rolname, r.rolname FROM pg_roles r WHERE r.oid = $2 ON CONFLICT DO NOTHING";
const MAY_CREATE: &str =
    "SELECT pg_catalog.has_database_privilege($1, pg_catalog.current_database(), 'CREATE')";

/// The namespace, if there is one.
pub fn find(name: &str) -> Result<Option<Namespace>> {
    let found = as_extension_owner(|| {
        spi::read_latest(FIND, &[name.into()], |r| {
            let style: String = r.need(4)?;
            Ok(Namespace {
                name: name.to_owned(),
                owner: r.need(1)?,
                role: r.get(2)?,
                search_path: r.get(3)?,
                style: style.parse()?,
                mirror_tool: r.get(5)?,
                mirror_relation: r.get(6)?,
                owner_oid: r.get(7)?,
                owner_is_superuser: r.need(8)?,
                role_oid: r.get(9)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}

/// No namespace: what has no file runs as the caller, with his settings.
#[must_use]
pub fn none() -> Namespace {
    Namespace {
        name: String::new(),
        owner: String::new(),
        role: None,
        search_path: None,
        style: Style::Auto,
        mirror_tool: None,
        mirror_relation: None,
        owner_oid: None,
        owner_is_superuser: true,
        role_oid: None,
    }
}

/// A namespace that the current user may register in and run. 42704 if there is none, 42501 if he may not.
pub fn of_member(name: &str) -> Result<Namespace> {
    let found = find(name)?.ok_or_else(|| unknown(name))?;
    found.need_member()?;
    Ok(found)
}

/// The same, for registering: it is made by whoever may make objects in this database.
pub fn for_files(name: &str) -> Result<Namespace> {
    if let Some(found) = find(name)? {
        found.need_member()?;
        return Ok(found);
    }
    check_name(name)?;
    let user = current_user();
    let may =
        as_extension_owner(|| spi::read_latest(MAY_CREATE, &[user.into()], |r| r.need::<bool>(1)))?;
    if may.first() != Some(&true) {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied to make namespace \"{name}\" of migrations"),
        )
        .detail("This needs the privilege CREATE on the database.")
        .hint("GRANT CREATE ON DATABASE ... TO ..., or have its owner register the first file."));
    }
    as_extension_owner(|| spi::execute_latest(MAKE, &[name.into(), user.into()]))?;
    of_member(name)
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > 255 {
        return Err(Error::new(
            Kind::InvalidParameter,
            "the name of a namespace must have 1 to 255 bytes",
        ));
    }
    Ok(())
}

pub fn unknown(name: &str) -> Error {
    Error::new(
        Kind::UndefinedObject,
        format!("there is no namespace \"{name}\" of migrations"),
    )
    .hint("Registering its first file makes it: SELECT * FROM strata.migrate_register(...)")
}

/// Name of the current user.
pub fn current_role() -> Result<String> {
    name_of(current_user())
}

/// Name of a role that exists.
pub fn name_of(user: Oid) -> Result<String> {
    session::role_name(user).ok_or_else(|| Error::internal("the current user does not exist"))
}

impl Namespace {
    /// True for members of the owner.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.owner_oid
            .is_some_and(|o| session::has_role(o.to_u32()))
            || session::is_superuser()
    }

    /// 42501 for everybody else.
    pub fn need_member(&self) -> Result<()> {
        if self.is_member() {
            return Ok(());
        }
        Err(Error::new(
            Kind::InsufficientPrivilege,
            format!(
                "permission denied for namespace \"{}\" of migrations",
                self.name
            ),
        )
        .detail(format!("It belongs to role \"{}\".", self.owner)))
    }

    /// What is known of it is for its members and for pg_monitor.
    pub fn need_reader(&self) -> Result<()> {
        match session::has_role(pgrx::pg_sys::ROLE_PG_MONITOR) {
            true => Ok(()),
            false => self.need_member(),
        }
    }

    /// As whom its files run. 42501 for a superuser who would run what others have registered, without knowing: the role
    /// that is connected counts as much as the active one, since a file may say RESET ROLE.
    pub fn starts_as(&self) -> Result<StartsAs> {
        let powerful = session::is_superuser() || session::connected_as_superuser();
        if !powerful || self.owner_is_superuser {
            return Ok(match &self.role {
                Some(role) => StartsAs::Role(role.clone()),
                None => StartsAs::Caller,
            });
        }
        let (name, owner) = (&self.name, &self.owner);
        let Some(role) = &self.role else {
            return Err(Error::new(
                Kind::InsufficientPrivilege,
                format!("namespace \"{name}\" of migrations belongs to \"{owner}\", who is no superuser"),
            )
            .detail("Members of that role decide what its files do, and they would run as superuser.")
            .hint(format!(
                "Connect as {}, or have all files run as that role and no other: SELECT strata.migrate_configure({}, role => {})",
                quote_ident(owner),
                quote_literal(name),
                quote_literal(owner)
            )));
        };
        // the owner has named it, perhaps long ago: it must still be one that he may be himself
        let owner_is_member = |role: Oid| {
            self.owner_oid
                .is_some_and(|owner| session::is_member(owner, role))
        };
        let found = self.role_oid.filter(|oid| owner_is_member(*oid));
        found.map(StartsAs::Confined).ok_or_else(|| {
            Error::new(
                Kind::InsufficientPrivilege,
                format!("role \"{owner}\", who owns namespace \"{name}\" of migrations, is no member of \"{role}\""),
            )
            .detail("Files run as that role.")
            .hint(format!("GRANT {} TO {}", quote_ident(role), quote_ident(owner)))
        })
    }
}

/// As whom the files of a namespace run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartsAs {
    /// the active role of who calls
    Caller,
    /// as after SET ROLE: files may say RESET ROLE
    Role(String),
    /// this role, and no way back: for callers who are more than those who decide what the files do
    Confined(Oid),
}

/// 42704 for a namespace that is gone, but for those who may see everything.
pub fn need_monitor(name: &str) -> Result<()> {
    match session::is_superuser() || session::has_role(pgrx::pg_sys::ROLE_PG_MONITOR) {
        true => Ok(()),
        false => Err(unknown(name)),
    }
}
