//! Hypertables for clients of ordinary tables: which role sees which of them through the catalog lens.

use super::chunks::ddl_settings;
use super::ident_list;
use super::lens::{CATALOGS, Column, path_with_lens, view_query};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{quote_ident, quote_literal};
use crate::pg::owner::as_extension_owner;
use crate::pg::session::notice;
use crate::pg::spi;
use pgrx::pg_sys;

const COLUMNS: &str = "
SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND c.relname OPERATOR(pg_catalog.=) $2
  AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped ORDER BY a.attnum";

const IS_MEMBER: &str = "
SELECT EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid
  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
  WHERE n.nspname OPERATOR(pg_catalog.=) 'strata_lens' AND c.relname OPERATOR(pg_catalog.=) $1
    AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
    AND d.deptype OPERATOR(pg_catalog.=) 'e')";

const ROLE: &str =
    "SELECT r.rolname::text FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) $1";

/// What a session of role $1 in this database would find, the most special setting first; then the
/// caller's own default, if no setting of its own stands in between.
const PATHS: &str = "
SELECT CASE WHEN s.setrole OPERATOR(pg_catalog.<>) 0::oid AND s.setdatabase OPERATOR(pg_catalog.<>) 0::oid THEN 1
            WHEN s.setrole OPERATOR(pg_catalog.<>) 0::oid THEN 2
            WHEN s.setdatabase OPERATOR(pg_catalog.<>) 0::oid THEN 3 ELSE 4 END AS rank,
       pg_catalog.substr(o.option, 13)
FROM pg_catalog.pg_db_role_setting s CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) o (option)
WHERE s.setrole OPERATOR(pg_catalog.=) ANY (ARRAY[0::oid, $1])
  AND s.setdatabase OPERATOR(pg_catalog.=) ANY (ARRAY[0::oid, (SELECT d.oid FROM pg_catalog.pg_database d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())])
  AND pg_catalog.starts_with(o.option, 'search_path=')
ORDER BY rank";

const DEFAULT_PATH: &str = "
SELECT CASE WHEN s.source OPERATOR(pg_catalog.=) ANY (ARRAY['user', 'database user', 'database', 'global'])
            THEN s.boot_val ELSE s.reset_val END
FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'search_path'";

const EXPOSURE: &str = "
SELECT e.saved_search_path FROM strata.client_exposure e WHERE e.role_name OPERATOR(pg_catalog.=) $1::pg_catalog.name";

const REMEMBER: &str = "
INSERT INTO strata.client_exposure (role_name, relations, saved_search_path) VALUES ($1, $2::oid[]::regclass[], $3)
ON CONFLICT (role_name) DO UPDATE SET relations = EXCLUDED.relations, saved_search_path = EXCLUDED.saved_search_path";

const FORGET: &str = "DELETE FROM strata.client_exposure e WHERE e.role_name OPERATOR(pg_catalog.=) $1::pg_catalog.name";

const EXPOSED_ROLES: &str = "
SELECT r.oid, r.rolname::text, e.saved_search_path FROM strata.client_exposure e
JOIN pg_catalog.pg_roles r ON r.rolname OPERATOR(pg_catalog.=) e.role_name ORDER BY e.role_name";

/// Registers what runs before the extension goes.
pub fn init() {
    crate::pg::cold_guard::before_drop_extension(put_paths_back);
}

/// Gives every role the search_path back that it had: the one with the lens searches pg_catalog last, which
/// nobody should keep without a reason.
fn put_paths_back() -> Result<()> {
    if crate::pg::catalog::extension().is_none() {
        return Ok(());
    }
    as_extension_owner(|| {
        let exposed = spi::read_latest(EXPOSED_ROLES, &[], |r| {
            Ok((r.need(1)?, r.need::<String>(2)?, r.get::<String>(3)?))
        })?;
        for (role, name, saved) in exposed {
            if search_path(role)?.0.as_deref().is_some_and(has_lens) {
                set_search_path(&name, saved.map(|p| ident_list::parse(&p)).as_deref())?;
            }
        }
        Ok(())
    })
}

fn columns(schema: &str, catalog: &str) -> Result<Vec<Column>> {
    spi::read(COLUMNS, &[schema.into(), catalog.into()], |r| {
        Ok((r.need(1)?, r.need(2)?))
    })
}

/// Makes the views of the lens, or makes them again where the server has other columns than they show
/// (after pg_upgrade).
pub fn build_lens() -> Result<()> {
    as_extension_owner(|| {
        let _settings = ddl_settings();
        for catalog in CATALOGS {
            let wanted = columns("pg_catalog", catalog)?;
            let shown = columns("strata_lens", catalog)?;
            if shown == wanted {
                continue;
            }
            let view = format!("strata_lens.{catalog}");
            let member = spi::read_one(IS_MEMBER, &[catalog.into()], |r| r.need::<bool>(1))?;
            if !shown.is_empty() {
                if member == Some(true) {
                    spi::execute(&format!("ALTER EXTENSION pg_strata DROP VIEW {view}"), &[])?;
                }
                spi::execute(&format!("DROP VIEW {view}"), &[])?;
            }
            let query = view_query(catalog, &wanted);
            spi::execute(&format!("CREATE VIEW {view} AS {query}"), &[])?;
            spi::execute(&format!("GRANT SELECT ON {view} TO PUBLIC"), &[])?;
            let comment = quote_literal(&format!(
                "{catalog}, with exposed hypertables shown as ordinary tables"
            ));
            spi::execute(&format!("COMMENT ON VIEW {view} IS {comment}"), &[])?;
            if !shown.is_empty() {
                spi::execute(&format!("ALTER EXTENSION pg_strata ADD VIEW {view}"), &[])?;
            }
        }
        Ok(())
    })
}

fn role_name(role: pg_sys::Oid) -> Result<String> {
    spi::read_one(ROLE, &[role.into()], |r| r.need(1))?.ok_or_else(|| {
        Error::new(
            Kind::UndefinedObject,
            format!("role with OID {} does not exist", role.to_u32()),
        )
    })
}

/// The role's setting in this database, and the path that its sessions have.
fn search_path(role: pg_sys::Oid) -> Result<(Option<String>, String)> {
    let mut own = None;
    let mut first = None;
    for (rank, path) in spi::read(PATHS, &[role.into()], |r| {
        Ok((r.need::<i32>(1)?, r.need::<String>(2)?))
    })? {
        if rank == 1 {
            own = Some(path.clone());
        }
        first.get_or_insert(path);
    }
    let path = match first {
        Some(path) => path,
        None => spi::read_one(DEFAULT_PATH, &[], |r| r.need(1))?.unwrap_or_default(),
    };
    Ok((own, path))
}

fn set_search_path(role: &str, path: Option<&[String]>) -> Result<()> {
    let database = spi::read_one("SELECT pg_catalog.current_database()::text", &[], |r| {
        r.need::<String>(1)
    })?
    .unwrap_or_default();
    let who = format!(
        "ALTER ROLE {} IN DATABASE {}",
        quote_ident(role),
        quote_ident(&database)
    );
    let names = path.map(|p| {
        p.iter()
            .map(|n| quote_ident(n))
            .collect::<Vec<_>>()
            .join(", ")
    });
    let sql = match names {
        Some(names) if names.is_empty() => format!("{who} SET search_path = ''"),
        Some(names) => format!("{who} SET search_path = {names}"),
        None => format!("{who} RESET search_path"),
    };
    spi::execute(&sql, &[])?;
    Ok(())
}

fn has_lens(path: &str) -> bool {
    ident_list::parse(path).iter().any(|s| s == "strata_lens")
}

/// Lets `role` see these hypertables (`None`: all, also later ones) as ordinary tables in its next
/// sessions. The server demands that the caller may alter the role.
pub fn expose(role: pg_sys::Oid, tables: Option<Vec<pg_sys::Oid>>) -> Result<()> {
    let name = role_name(role)?;
    if let Some(tables) = &tables {
        if tables.is_empty() {
            return Err(
                Error::new(Kind::InvalidParameter, "tables must not be empty")
                    .hint("leave it out to expose all hypertables"),
            );
        }
        for t in tables {
            super::chunks::hypertable(*t)?;
        }
    }
    build_lens()?;
    let (own, path) = search_path(role)?;
    let before = as_extension_owner(|| {
        spi::read_one(EXPOSURE, &[name.as_str().into()], |r| r.get::<String>(1))
    })?;
    // called again, the path of before the first call is the one to go back to
    let saved = match before {
        Some(saved) if own.as_deref().is_some_and(has_lens) => saved,
        _ => own,
    };
    set_search_path(&name, Some(&path_with_lens(&ident_list::parse(&path))))?;
    as_extension_owner(|| {
        spi::execute(
            REMEMBER,
            &[name.as_str().into(), tables.clone().into(), saved.into()],
        )
    })?;
    Ok(())
}

/// Takes it back, and puts the search_path back that the role had, unless somebody changed it since.
pub fn unexpose(role: pg_sys::Oid) -> Result<()> {
    let name = role_name(role)?;
    let saved = as_extension_owner(|| {
        spi::read_one(EXPOSURE, &[name.as_str().into()], |r| r.get::<String>(1))
    })?
    .ok_or_else(|| {
        Error::new(
            Kind::UndefinedObject,
            format!("no hypertable is exposed to role \"{name}\""),
        )
        .hint("SELECT * FROM strata.client_exposure")
    })?;
    let (own, _) = search_path(role)?;
    let changed = !own.as_deref().is_some_and(has_lens);
    if changed {
        notice(
            &format!("search_path of role \"{name}\" was changed since, and is left as it is"),
            None,
        );
    }
    // also when nothing is to be changed: the server checks that the caller may alter this role
    let path = if changed { own } else { saved };
    set_search_path(&name, path.map(|p| ident_list::parse(&p)).as_deref())?;
    as_extension_owner(|| spi::execute(FORGET, &[name.as_str().into()]))?;
    Ok(())
}
