//! Tables of other tools: finding, reading and writing them. They are written as the active role, for they are the user's, and
//! read as their owner; only catalogs are read as the owner of the extension.

use super::foreign::{Tool, Width};
use super::foreign_columns::{check_columns, recognise, version_width};
use super::foreign_read;
use super::foreign_rows::{Imported, Row};
use super::foreign_sql::{self, fill, select};
use super::foreign_writes::Write;
use super::namespace::StartsAs;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_qualified;
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::reader::as_permitted_reader;
use crate::pg::{spi, subxact};
use pgrx::pg_sys::Oid;

const NAMED: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";
const RESOLVE: &str = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
const COLUMNS: &str = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute \
    WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
// what the statements of tables of tools name; the columns decide
const CANDIDATES: &str = "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%' \
      AND n.nspname NOT IN ('information_schema', 'strata', 'strata_chunks') \
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
        AND a.attname IN ('version', 'version_id', 'installed_rank', 'change_id', 'hash', 'version_num', 'applied', \
          'migration_name', 'executed_at', 'md5sum', 'orderexecuted', 'name')) \
    ORDER BY n.nspname, c.relname";
const SCHEMA: &str = "SELECT pg_catalog.current_schema()::pg_catalog.text";

/// A table that may be another tool's.
#[derive(Debug, Clone)]
pub struct Table {
    pub oid: Oid,
    pub schema: String,
    pub name: String,
    columns: Vec<(String, String)>,
}

impl Table {
    /// The table with this number, if it is one.
    pub fn of(oid: Oid) -> Result<Option<Table>> {
        as_extension_owner(|| {
            let found = spi::read_latest(NAMED, &[oid.into()], |r| {
                let kind: String = r.need(4)?;
                Ok((
                    r.need::<String>(2)?,
                    r.need::<String>(3)?,
                    matches!(kind.as_str(), "r" | "p"),
                ))
            })?;
            let Some((schema, name, is_table)) = found.into_iter().next() else {
                return Ok(None);
            };
            if !is_table {
                return Err(Error::new(
                    Kind::WrongObjectType,
                    format!("\"{schema}.{name}\" is not a table"),
                ));
            }
            let columns = spi::read_latest(COLUMNS, &[oid.into()], |r| {
                Ok((r.need::<String>(1)?, r.need::<String>(2)?))
            })?;
            Ok(Some(Table {
                oid,
                schema,
                name,
                columns,
            }))
        })
    }

    /// As the active role and its search path find it.
    pub fn named(name: &str) -> Result<Option<Table>> {
        let found = spi::read_latest(RESOLVE, &[name.into()], |r| r.get::<Oid>(1))?;
        match found.into_iter().next().flatten() {
            Some(oid) => Table::of(oid),
            None => Ok(None),
        }
    }

    /// With quotes where they are needed.
    #[must_use]
    pub fn qualified(&self) -> String {
        quote_qualified(&self.schema, &self.name)
    }

    fn columns(&self) -> Vec<(&str, &str)> {
        self.columns
            .iter()
            .map(|(name, of)| (name.as_str(), of.as_str()))
            .collect()
    }

    /// Whose it is, as far as its columns tell.
    #[must_use]
    pub fn tool(&self) -> Option<Tool> {
        recognise(&self.schema, &self.name, &self.columns())
    }

    /// 22023 for a table that lacks columns of the tool.
    pub fn check(&self, tool: Tool) -> Result<()> {
        check_columns(tool, &self.qualified(), &self.columns())
    }

    #[must_use]
    pub fn width(&self) -> Width {
        version_width(&self.columns())
    }

    /// What it says. 42501 where the active role may not read all of it: rows that are hidden would count as reverted;
    /// 0A000 for a tool whose table is not read. Whatever code of its owner planning calls runs as its owner.
    pub fn read(&self, tool: Tool) -> Result<Imported> {
        let select = select(tool)?;
        let n = i32::try_from(select.columns.len()).unwrap_or(0);
        let sql = fill(&select.sql, &self.qualified());
        let rows = as_permitted_reader(self.oid, || {
            spi::read_latest(&sql, &[], |r| {
                (1..=n).map(|i| r.get::<String>(i)).collect::<Result<Row>>()
            })
        })?;
        foreign_read::applied(tool, &rows)
    }

    /// As [`Table::read`], where it may be that the role may not read it, or that its rows are none of the tool.
    pub fn try_read(&self, tool: Tool) -> std::result::Result<Imported, String> {
        match subxact::attempt(|| self.read(tool)) {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(error)) => Err(error.message),
            Err(caught) => Err(caught.message),
        }
    }

    /// Writes to it, as the active role.
    pub fn write(&self, writes: &[Write]) -> Result<()> {
        for write in writes {
            let sql = fill(write.sql, &self.qualified());
            let args: Vec<_> = write
                .params
                .iter()
                .map(|p| p.value.as_deref().into())
                .collect();
            spi::execute_latest(&sql, &args)?;
        }
        Ok(())
    }
}

/// All tables that look like those of other tools.
pub fn all() -> Result<Vec<(Table, Tool)>> {
    let found: Vec<Oid> =
        as_extension_owner(|| spi::read_latest(CANDIDATES, &[], |r| r.need::<Oid>(1)))?;
    let mut tables = Vec::new();
    for oid in found {
        if let Some(table) = Table::of(oid)?
            && let Some(tool) = table.tool()
        {
            tables.push((table, tool));
        }
    }
    Ok(tables)
}

/// The usual table of a tool, or the one that is named; made as the tool would make it where there is none.
pub fn find_or_make(tool: Tool, relation: Option<&str>, starts_as: &StartsAs) -> Result<Table> {
    tool.check_mirror()?;
    let name = match relation {
        Some(relation) => relation.to_owned(),
        None => usual(tool)?,
    };
    if let Some(table) = Table::named(&name)? {
        table.check(tool)?;
        return Ok(table);
    }
    let (schema, table) = split(&name)?;
    let qualified = quote_qualified(&schema, &table);
    let statements = foreign_sql::create(tool, &qualified, &table, Width::Int8)?;
    // it belongs to whoever the files run as, who writes it
    let settings = SettingScope::new();
    let user = match starts_as {
        StartsAs::Confined(role) => Some(UserScope::local(*role)),
        StartsAs::Role(role) => {
            settings.set("role", role);
            None
        }
        StartsAs::Caller => None,
    };
    for statement in statements {
        spi::execute(&statement, &[])?;
    }
    drop(user);
    drop(settings);
    Table::named(&qualified)?.ok_or_else(|| Error::internal("a table that was made is not there"))
}

/// Name of the usual table of a tool, in the schema where the active role makes tables.
pub fn usual(tool: Tool) -> Result<String> {
    let (schema, table) = tool.usual_relation();
    let schema = match schema {
        Some(schema) => schema.to_owned(),
        None => current_schema()?,
    };
    Ok(quote_qualified(&schema, table))
}

/// The first schema of the search path that exists. 3F000 would be of no use here: 42704.
fn current_schema() -> Result<String> {
    let found = spi::read_latest(SCHEMA, &[], |r| r.get::<String>(1))?;
    found.into_iter().next().flatten().ok_or_else(|| {
        Error::new(
            Kind::UndefinedObject,
            "no schema of the search path exists, so it is not known where the table is",
        )
        .hint("Name it with its schema: relation => 'public.schema_migrations'")
    })
}

const PARSE: &str = "SELECT pg_catalog.parse_ident($1)";

/// Schema and name of a relation that need not exist. 22023 for more than two parts.
fn split(name: &str) -> Result<(String, String)> {
    let parts = spi::read_latest(PARSE, &[name.into()], |r| r.need::<Vec<String>>(1))?;
    let parts = parts.into_iter().next().unwrap_or_default();
    match parts.as_slice() {
        [table] => Ok((current_schema()?, table.clone())),
        [schema, table] => Ok((schema.clone(), table.clone())),
        _ => Err(Error::new(
            Kind::InvalidParameter,
            format!("\"{name}\" is not the name of a table"),
        )),
    }
}
