//! From the name of a server to its store: options, credentials of the hypertable's owner.

use super::foreign;
use super::server_options::{self, Location, MappingOptions, Rights};
use super::store::{ObjectStore, open_store};
use crate::error::{Error, Kind, Result};
use crate::pg::cold_state::{ForeignAccess, ForeignStore};
use crate::pg::owner::{SettingScope, as_extension_owner};
use crate::pg::{catalog, guc, session, spi};
use pgrx::pg_sys;
use std::rc::Rc;

const SERVER: &str = "SELECT s.srvoptions, r.rolsuper FROM pg_foreign_server s \
    JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw JOIN pg_roles r ON r.oid = s.srvowner \
    WHERE s.srvname = $1 AND w.fdwname = 'strata_sqlite'";

// the mapping of the hypertable's owner, else that of PUBLIC
const MAPPING: &str = "SELECT m.umoptions FROM pg_user_mapping m JOIN pg_foreign_server s ON s.oid = m.umserver \
    WHERE s.srvname = $1 AND m.umuser IN (0, (SELECT relowner FROM pg_class WHERE oid = $2)) \
    ORDER BY m.umuser = 0 LIMIT 1";

const SERVER_OF: &str = "SELECT s.srvname::text, s.srvoptions, r.rolsuper FROM pg_foreign_server s \
    JOIN pg_roles r ON r.oid = s.srvowner WHERE s.oid = $1";

// the usual rule of foreign tables: the mapping of the user, else that of PUBLIC
const MAPPING_OF: &str = "SELECT umoptions FROM pg_user_mapping WHERE umserver = $1 AND umuser IN (0, $2) \
    ORDER BY umuser = 0 LIMIT 1";

// the same object may be named from another prefix of its bucket, hence the ends of the keys;
// a file of a hypertable needs SELECT on it, and that no policy hides rows from the role; a file that
// no chunk has any more, or not yet, needs the right to read everything
const READABLE: &str = "SELECT has_table_privilege($2, f.hypertable::oid, 'SELECT') \
        AND (NOT c.relrowsecurity OR r.rolsuper OR r.rolbypassrls \
             OR (NOT c.relforcerowsecurity AND pg_has_role($2, c.relowner, 'USAGE'))) \
    FROM strata.cold_file f JOIN pg_class c ON c.oid = f.hypertable::oid JOIN pg_roles r ON r.oid = $2 \
    WHERE right('/' || f.key, length($1) + 1) = '/' || $1 OR right('/' || $1, length(f.key) + 1) = '/' || f.key \
    UNION ALL SELECT pg_has_role($2, 'pg_read_all_data'::name, 'USAGE') FROM \
        (SELECT key FROM strata.cold_delete_queue UNION ALL SELECT key FROM strata.cold_upload) k \
    WHERE right('/' || k.key, length($1) + 1) = '/' || $1 OR right('/' || $1, length(k.key) + 1) = '/' || k.key";

const OID: &str = "SELECT s.oid FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw \
    WHERE s.srvname = $1 AND w.fdwname = 'strata_sqlite'";
// what decides where an object is
const PLACE: &str = "SELECT concat_ws(' ', s.oid, (SELECT string_agg(o.option_name || '=' || o.option_value, ' ' \
    ORDER BY o.option_name) FROM pg_options_to_table(s.srvoptions) o \
    WHERE o.option_name IN ('location', 'endpoint', 'region'))) \
    FROM pg_foreign_server s WHERE s.srvname = $1 AND s.oid = $2";

pub(super) fn pairs(options: Option<Vec<String>>) -> Vec<(String, String)> {
    options
        .unwrap_or_default()
        .into_iter()
        .map(|option| match option.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (option, String::new()),
        })
        .collect()
}

/// The store behind a server, with the credentials of the hypertable's owner.
///
/// 42704 when the server does not exist or belongs to another wrapper.
pub fn store_for(server: &str, hypertable: pg_sys::Oid) -> Result<Rc<dyn ObjectStore>> {
    let found = as_extension_owner(|| {
        spi::read_latest(SERVER, &[server.into()], |row| {
            Ok((row.get::<Vec<String>>(1)?, row.need::<bool>(2)?))
        })
    })?;
    let Some((options, owned_by_superuser)) = found.into_iter().next() else {
        return Err(unknown(server));
    };
    let mut options = server_options::parse_server(&pairs(options))?;
    options.ambient_credentials = Some(options.ambient(owned_by_superuser));
    open_store(&options, &mapping(server, hypertable)?)
}

fn mapping(server: &str, hypertable: pg_sys::Oid) -> Result<MappingOptions> {
    let found = as_extension_owner(|| {
        spi::read_latest(MAPPING, &[server.into(), hypertable.into()], |row| {
            row.get::<Vec<String>>(1)
        })
    })?;
    server_options::parse_mapping(&pairs(found.into_iter().next().flatten()))
}

/// The store of a foreign table. Any file below a directory needs pg_read_server_files, as it does for
/// file_fdw; in a bucket the credentials of the user decide, but the files of hypertables hold all rows of
/// a table, whatever its privileges and policies say: so the owner must be allowed to read it.
///
/// 42501 when the owner of the foreign table may not.
pub fn store_for_foreign(access: &ForeignAccess<'_>) -> Result<ForeignStore> {
    let found = as_extension_owner(|| {
        spi::read_latest(SERVER_OF, &[access.server.into()], |row| {
            Ok((
                row.need::<String>(1)?,
                row.get::<Vec<String>>(2)?,
                row.need::<bool>(3)?,
            ))
        })
    })?;
    let Some((server, options, owned_by_superuser)) = found.into_iter().next() else {
        return Err(Error::internal("a foreign table without its server"));
    };
    let mut options = server_options::parse_server(&pairs(options))?;
    options.ambient_credentials = Some(options.ambient(owned_by_superuser));
    let is_local = matches!(options.location, Location::Directory(_));
    let denied = |detail: String| {
        Error::new(
            Kind::InsufficientPrivilege,
            format!(
                "permission denied for file \"{}\" of server \"{server}\"",
                access.key
            ),
        )
        .detail(detail)
    };
    if is_local && !session::role_has(access.owner, pg_sys::ROLE_PG_READ_SERVER_FILES) {
        return Err(denied(String::from(
            "Only members of pg_read_server_files may own foreign tables over files of this machine.",
        )));
    }
    let allowed = as_extension_owner(|| {
        spi::read_latest(READABLE, &[access.key.into(), access.owner.into()], |row| {
            row.need::<bool>(1)
        })
    })?;
    if allowed.contains(&false) {
        return Err(denied(String::from(
            "It holds the rows of a hypertable that the owner of the foreign table may not read whole.",
        )));
    }
    let mapping = as_extension_owner(|| {
        spi::read_latest(
            MAPPING_OF,
            &[access.server.into(), access.user.into()],
            |row| row.get::<Vec<String>>(1),
        )
    })?;
    let mapping = server_options::parse_mapping(&pairs(mapping.into_iter().next().flatten()))?;
    Ok(ForeignStore {
        store: open_store(&options, &mapping)?,
        server,
        is_local,
    })
}

/// Keeps others from altering or dropping a server until the transaction ends, and tells where its files lie;
/// `None` when there is no such server. 55P03 when somebody alters it just now.
pub fn hold(server: &str) -> Result<Option<String>> {
    let settings = SettingScope::new();
    settings.set(
        "lock_timeout",
        &format!("{}ms", guc::COLD_LOCK_TIMEOUT_MS.get()),
    );
    as_extension_owner(|| {
        let Some(oid) = spi::read_latest(OID, &[server.into()], |row| row.need(1))?.pop() else {
            return Ok(None);
        };
        catalog::lock_object(
            pg_sys::ForeignServerRelationId,
            oid,
            pg_sys::AccessShareLock as pg_sys::LOCKMODE,
        );
        Ok(spi::read_latest(PLACE, &[server.into(), oid.into()], |row| row.need(1))?.pop())
    })
}

/// 42704 with the next command.
pub fn unknown(server: &str) -> Error {
    Error::new(Kind::UndefinedObject, format!("cold server \"{server}\" does not exist")).hint(format!(
        "CREATE SERVER {server} FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://bucket/prefix'); \
         or use the built-in server strata_local."
    ))
}

/// What CREATE and ALTER of servers and user mappings check.
///
/// 22023 bad option, 42501 an option that the current user may not set.
pub fn validate(options: Vec<String>, class: pg_sys::Oid) -> Result<()> {
    let options = pairs(Some(options));
    let rights = match class {
        pg_sys::ForeignServerRelationId => server_options::parse_server(&options)?.rights(),
        pg_sys::UserMappingRelationId => server_options::parse_mapping(&options)?.rights(),
        pg_sys::ForeignTableRelationId => return foreign::parse_table(&options).map(|_| ()),
        pg_sys::AttributeRelationId => return foreign::parse_column(&options).map(|_| ()),
        _ if options.is_empty() => return Ok(()),
        _ => {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("invalid option \"{}\"", options[0].0),
            )
            .hint("strata_sqlite has options for servers, user mappings, foreign tables and their columns."));
        }
    };
    allowed(&rights)
}

fn allowed(rights: &Rights) -> Result<()> {
    let refuse = |options: &[&str], who: &str| {
        let list: Vec<String> = options.iter().map(|o| format!("\"{o}\"")).collect();
        Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied to set option {}", list.join(", ")),
        )
        .detail(format!("Only {who} may set it.")))
    };
    if session::is_superuser() {
        return Ok(());
    }
    if !rights.superuser.is_empty() {
        return refuse(&rights.superuser, "superusers");
    }
    if !rights.read_files.is_empty() && !session::has_role(pg_sys::ROLE_PG_READ_SERVER_FILES) {
        return refuse(&rights.read_files, "members of pg_read_server_files");
    }
    if !rights.write_files.is_empty() && !session::has_role(pg_sys::ROLE_PG_WRITE_SERVER_FILES) {
        return refuse(&rights.write_files, "members of pg_write_server_files");
    }
    Ok(())
}
