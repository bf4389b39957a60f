//! Columns that go with their type.

use super::ddl::Name;
use crate::error::Result;
use crate::pg::spi;

// The session's search_path is in force: every name and operator of this has its schema.
const COLUMNS: &str = "SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, a.attname::pg_catalog.text \
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) t.typnamespace \
    JOIN pg_catalog.pg_attribute a ON a.atttypid OPERATOR(pg_catalog.=) t.oid \
      OR (t.typarray OPERATOR(pg_catalog.<>) 0 AND a.atttypid OPERATOR(pg_catalog.=) t.typarray) \
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
    WHERE a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped AND NOT c.relispartition \
      AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p}'::pg_catalog.\"char\"[]) AND ";
const OF_TYPE: &str = "t.typname OPERATOR(pg_catalog.=) $2::pg_catalog.name \
    AND s.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name";
const OF_EXTENSION: &str = "t.oid OPERATOR(pg_catalog.=) ANY (SELECT d.objid FROM pg_catalog.pg_depend d \
    JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid \
    WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass AND d.deptype OPERATOR(pg_catalog.=) 'e' \
      AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass \
      AND e.extname OPERATOR(pg_catalog.=) $1::pg_catalog.name)";
const ORDER: &str = " ORDER BY 1, 2, a.attnum";

fn columns(of: &str, args: &[pgrx::datum::DatumWithOid<'_>]) -> Result<Vec<(Name, String)>> {
    let sql = [COLUMNS, of, ORDER].concat();
    spi::read_latest(&sql, args, |r| {
        let (schema, table): (String, String) = (r.need(1)?, r.need(2)?);
        Ok((Name::new(Some(&schema), &table), r.need(3)?))
    })
}

pub fn of_type(type_: &Name) -> Result<Vec<(Name, String)>> {
    let args = [type_.schema.as_deref().into(), type_.name.as_str().into()];
    columns(OF_TYPE, &args)
}

pub fn of_extension(extension: &str) -> Result<Vec<(Name, String)>> {
    columns(OF_EXTENSION, &[extension.into()])
}
