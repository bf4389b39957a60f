//! `create_hypertable`: registers a partitioned table, or makes a plain one again as a partitioned one.

use super::bounds::Grid;
use super::catalog::{self, Column, Hypertable, Partitioning, Table};
use super::chunks::{self, ddl_settings};
use super::dimension::Dimension;
use super::make::Maker;
use super::remake::remake;
use super::{adopt, extras, refuse, unique};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{check_owner, lock_relation, quote_ident, quote_qualified};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::reader::as_reader;
use crate::pg::session::notice;
use crate::pg::spi;
use pgrx::pg_sys;
use serde_json::{Value, json};

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request {
    pub relation: pg_sys::Oid,
    pub dimension: Dimension,
    pub default_indexes: bool,
    pub if_not_exists: bool,
    pub migrate_data: bool,
    /// column and number of partitions of a hash dimension
    pub hash: Option<(String, i32)>,
    pub end_column: Option<String>,
    pub logical_key: Option<String>,
    pub conflicts: unique::Action,
    /// storage parameters of chunks, as `name=value`, of a table that cannot have them itself
    pub chunk_options: Vec<String>,
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `None` in a dry run
    pub id: Option<i32>,
    pub schema: String,
    pub table: String,
    pub created: bool,
    pub chunks: i32,
    pub rows_moved: i64,
    pub report: Value,
}

/// A table with its key, seen under the lock.
pub struct Subject {
    pub table: Table,
    pub key: String,
    pub column: Column,
    pub grid: Grid,
    /// `schema.table`, quoted
    pub target: String,
}

pub const HAS_ROWS: &str = "SELECT EXISTS (SELECT FROM {t})";
const SEARCH_PATH: &str = "SELECT pg_catalog.current_setting('search_path')";
const EQUAL_INDEX: &str = "
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
  WHERE i.indrelid = $1 AND m.amname = 'btree' AND i.indpred IS NULL AND $2 = ARRAY(
    SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY u(k, o)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.k ORDER BY u.o))";

/// Does it. Takes AccessExclusiveLock on the table and, for a plain one, on tables linked by foreign keys
/// and on views of it, before anything is changed; a dry run takes AccessShareLock on the table.
pub fn create(request: &Request) -> Result<Outcome> {
    let missing = || {
        Error::new(
            Kind::UndefinedTable,
            format!(
                "relation with OID {} does not exist",
                request.relation.to_u32()
            ),
        )
    };
    let table = catalog::table(request.relation).ok_or_else(missing)?;
    refuse::check_kind(&table)?;
    check_owner(table.oid)?;
    // the usual call at the start of a program: nobody waits for it, and it waits for nobody
    if let Some(h) = catalog::hypertable(table.oid)? {
        return already(request, &h);
    }
    let mode = if request.dry_run {
        pg_sys::AccessShareLock
    } else {
        pg_sys::AccessExclusiveLock
    };
    lock_relation(table.oid, mode as pg_sys::LOCKMODE);
    // a transaction that has an id reads with fresh snapshots: what others committed while we waited counts
    one::<i32>("SELECT 1")?;
    let original_path =
        spi::read_one(SEARCH_PATH, &[], |r| r.need::<String>(1))?.unwrap_or_default();
    let _settings = ddl_settings();
    // once more, now that nobody can change it
    let Some(table) = catalog::table(request.relation) else {
        return again(request, &table);
    };
    refuse::check_kind(&table)?;
    check_owner(table.oid)?;
    if let Some(h) = catalog::hypertable(table.oid)? {
        return already(request, &h);
    }
    let key = request.dimension.column.clone();
    let column = refuse::key_column(&table, &key)?;
    let partitioning = catalog::partitioning(table.oid)?;
    if let Some(p) = &partitioning {
        refuse::check_partitioning(&table, p, &key)?;
    }
    let key_type = refuse::check_key(&table, &key, &column)?;
    let subject = Subject {
        target: quote_qualified(&table.schema, &table.name),
        grid: Grid::new(key_type, request.dimension.width(key_type)?),
        table,
        key,
        column,
    };
    extras::check(request, &subject)?;
    match partitioning {
        Some(p) => register(request, &subject, &p),
        None => remake(request, &subject, &original_path),
    }
}

/// The table was dropped or made again (by another `create_hypertable`) while we waited for its lock.
fn again(request: &Request, gone: &Table) -> Result<Outcome> {
    let name = quote_qualified(&gone.schema, &gone.name);
    let now = spi::write_one(
        "SELECT to_regclass($1)::oid",
        &[name.as_str().into()],
        |r| r.get::<pg_sys::Oid>(1),
    )?;
    match now.flatten() {
        Some(relation) => create(&Request {
            relation,
            ..request.clone()
        }),
        None => Err(Error::new(
            Kind::UndefinedTable,
            format!("table \"{}\" was dropped by another session", gone.name),
        )),
    }
}

fn already(request: &Request, h: &Hypertable) -> Result<Outcome> {
    let message = format!("table \"{}\" is already a hypertable", h.table.name);
    if !request.if_not_exists {
        return Err(Error::new(Kind::DuplicateObject, message));
    }
    notice(&format!("{message}, skipping"), None);
    Ok(Outcome {
        id: Some(h.id),
        schema: h.table.schema.clone(),
        table: h.table.name.clone(),
        created: false,
        chunks: catalog::chunks(h.table.oid, true)?.len() as i32,
        rows_moved: 0,
        report: json!({"action": "none"}),
    })
}

pub fn as_owner<T>(s: &Subject, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let _owner = UserScope::reader(s.table.owner);
    f()
}

pub fn one<T: pgrx::IntoDatum + pgrx::FromDatum>(sql: &str) -> Result<T> {
    spi::write_one(sql, &[], |r| r.need(1))?
        .ok_or_else(|| Error::internal("a query returned no row"))
}

pub fn fill(template: &str, table: &str, key: &str) -> String {
    template
        .replace("{t}", table)
        .replace("{k}", &quote_ident(key))
}

/// Section 9.1: no data is touched.
fn register(request: &Request, s: &Subject, p: &Partitioning) -> Result<Outcome> {
    let mut report = json!({"action": "register", "interval": s.grid.width.text(s.grid.key)});
    let adopted = catalog::chunks(s.table.oid, true)?;
    report["adopted_partitions"] = json!(adopted.len());
    if p.default != pg_sys::InvalidOid {
        let name = crate::pg::catalog::qualified_name(p.default)?;
        if as_reader(p.default, || one::<bool>(&fill(HAS_ROWS, &name, &s.key)))? {
            return Err(Error::new(
                Kind::NotInState,
                format!("table \"{}\" has a DEFAULT partition {name} with rows in it", s.table.name),
            )
            .detail("A hypertable has no DEFAULT partition: it would hide missing chunks and block new ones.")
            .hint("move its rows to other partitions and drop it"));
        }
        report["dropped_default_partition"] = json!(name);
        if !request.dry_run {
            as_owner(s, || spi::execute(&format!("DROP TABLE {name}"), &[]))?;
        }
    }
    if request.dry_run {
        return Ok(dry(s, report));
    }
    check_hash_keys(request, s)?;
    extras::check_rows(request, s)?;
    if !s.column.not_null {
        let sql = format!(
            "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL",
            s.target,
            quote_ident(&s.key)
        );
        as_owner(s, || spi::execute(&sql, &[]))?;
        report["set_not_null"] = json!(s.key);
    }
    let checks = extras::checks(request, s)?;
    for check in &checks {
        let sql = format!("ALTER TABLE {} ADD {check}", s.target);
        as_owner(s, || spi::execute(&sql, &[]))?;
    }
    if !checks.is_empty() {
        report["checks"] = json!(checks);
    }
    let id = extras::enroll(request, s, s.table.oid, &request.chunk_options, None)?;
    for c in &adopted {
        catalog::annotate(c.oid, "attach")?;
    }
    let keys = adopt::adopt(s, id, &adopted)?;
    if !keys.is_empty() {
        report["leaf_keys"] = json!(keys);
    }
    default_index(request, s, s.table.oid, &mut report)?;
    let h = chunks::hypertable(s.table.oid)?;
    let maker = Maker::new(&h)?;
    for c in &adopted {
        extras::complete(&maker, c.oid, c.range)?;
    }
    // a copy of a table whose chunks were closed: nothing here knows yet what they were closed with
    super::reopen::each(&h)?;
    chunks::premake(&h)?;
    finish(s, id, 0, report)
}

/// A partitioned table may have keys that lack the hashed column.
fn check_hash_keys(request: &Request, s: &Subject) -> Result<()> {
    if request.hash.is_none() {
        return Ok(());
    }
    let needed = extras::key_columns(request, s);
    let blockers = unique::conflicts(s.table.oid, &needed, unique::Action::Error)?.blockers();
    if blockers.is_empty() {
        return Ok(());
    }
    Err(refuse::error(&s.table, &s.key, &blockers))
}

pub fn dry(s: &Subject, report: Value) -> Outcome {
    Outcome {
        id: None,
        schema: s.table.schema.clone(),
        table: s.table.name.clone(),
        created: false,
        chunks: 0,
        rows_moved: 0,
        report,
    }
}

pub fn finish(s: &Subject, id: i32, rows_moved: i64, report: Value) -> Result<Outcome> {
    let relation = relation_named(s)?;
    Ok(Outcome {
        id: Some(id),
        schema: s.table.schema.clone(),
        table: s.table.name.clone(),
        created: true,
        chunks: catalog::chunks(relation, true)?.len() as i32,
        rows_moved,
        report,
    })
}

pub fn relation_named(s: &Subject) -> Result<pg_sys::Oid> {
    spi::write_one(
        "SELECT $1::pg_catalog.regclass::pg_catalog.oid",
        &[s.target.as_str().into()],
        |r| r.need(1),
    )?
    .ok_or_else(|| Error::internal("the new table vanished"))
}

/// `(key DESC)`, and `(hashed column, key DESC)`, unless there are equal ones.
pub fn default_index(
    request: &Request,
    s: &Subject,
    relation: pg_sys::Oid,
    report: &mut Value,
) -> Result<()> {
    if !request.default_indexes {
        return Ok(());
    }
    let mut wanted = vec![vec![s.key.clone()]];
    if let Some((column, _)) = &request.hash {
        wanted.push(vec![column.clone(), s.key.clone()]);
    }
    let mut made = Vec::new();
    for columns in wanted {
        let args = [relation.into(), columns.clone().into()];
        if spi::write_one(EQUAL_INDEX, &args, |r| r.need::<bool>(1))? == Some(true) {
            continue;
        }
        let list: Vec<String> = columns.iter().map(|c| quote_ident(c)).collect();
        let list = format!("({} DESC)", list.join(", "));
        // as the extension's owner: the table's owner may lack CREATE on the schema; there is no expression
        let sql = format!("CREATE INDEX ON {} {list}", s.target);
        as_extension_owner(|| spi::execute(&sql, &[]))?;
        made.push(list);
    }
    if !made.is_empty() {
        report["default_index"] = json!(made.join(", "));
    }
    Ok(())
}
