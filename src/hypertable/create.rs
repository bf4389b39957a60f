//! `create_hypertable`: registers a partitioned table, or makes a plain one again as a partitioned one.

use super::bounds::{Grid, Range};
use super::carry;
use super::catalog::{self, Column, Hypertable, Partitioning, Table};
use super::chunks::{self, ddl_settings};
use super::convert::{self, NewTable, Role, Statement, Step};
use super::dimension::Dimension;
use super::refuse;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{check_owner, lock_relation, quote_ident, quote_qualified};
use crate::pg::guc::MOVE_LIMIT_MB;
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::session::{notice, transaction_snapshot_is_fixed};
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
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `None` in a dry run
    pub id: Option<i32>,
    pub relation: pg_sys::Oid,
    pub created: bool,
    pub chunks: i32,
    pub rows_moved: i64,
    pub report: Value,
}

/// A table with its key, seen under the lock.
struct Subject {
    table: Table,
    key: String,
    column: Column,
    grid: Grid,
    target: String,
}

const COUNT_NULLS: &str = "SELECT count(*) FROM ONLY {t} WHERE {k} IS NULL";
const HAS_ROWS: &str = "SELECT EXISTS (SELECT FROM {t})";
const SIZE: &str = "SELECT pg_catalog.pg_table_size($1::oid::regclass)";
const SEARCH_PATH: &str = "SELECT pg_catalog.current_setting('search_path')";
const EQUAL_INDEX: &str = "
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = $2::name
  WHERE i.indrelid = $1 AND m.amname = 'btree' AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL)";

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
    let table = catalog::table(request.relation)?.ok_or_else(missing)?;
    refuse::check_kind(&table)?;
    check_owner(table.oid)?;
    let mode = if request.dry_run {
        pg_sys::AccessShareLock
    } else {
        pg_sys::AccessExclusiveLock
    };
    lock_relation(table.oid, mode as pg_sys::LOCKMODE);
    let original_path =
        spi::read_one(SEARCH_PATH, &[], |r| r.need::<String>(1))?.unwrap_or_default();
    let _settings = ddl_settings();
    // once more, now that nobody can change it
    let table = catalog::table(request.relation)?.ok_or_else(missing)?;
    refuse::check_kind(&table)?;
    if let Some(h) = catalog::hypertable(table.oid)? {
        return already(request, &h);
    }
    let key = request.dimension.column.clone();
    let column = catalog::column(table.oid, &key)?.ok_or_else(|| {
        Error::new(
            Kind::UndefinedColumn,
            format!(
                "column \"{key}\" of table \"{}\" does not exist",
                table.name
            ),
        )
    })?;
    let partitioning = catalog::partitioning(table.oid)?;
    if let Some(p) = &partitioning {
        refuse::check_partitioning(&table, p, &key)?;
    }
    let key_type = refuse::check_key(&table, &key, &column)?;
    let subject = Subject {
        target: quote_qualified(&table.schema, &table.name),
        grid: Grid {
            key: key_type,
            width: request.dimension.width(key_type)?,
        },
        table,
        key,
        column,
    };
    match partitioning {
        Some(p) => register(request, &subject, &p),
        None => convert_plain(request, &subject, &original_path),
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
        relation: h.table.oid,
        created: false,
        chunks: catalog::chunks(h.table.oid, true)?.len() as i32,
        rows_moved: 0,
        report: json!({"action": "none"}),
    })
}

fn as_owner<T>(s: &Subject, f: impl FnOnce() -> Result<T>) -> Result<T> {
    let _owner = UserScope::restricted(s.table.owner);
    f()
}

fn one<T: pgrx::IntoDatum + pgrx::FromDatum>(sql: &str) -> Result<T> {
    spi::write_one(sql, &[], |r| r.need(1))?
        .ok_or_else(|| Error::internal("a query returned no row"))
}

fn fill(template: &str, table: &str, key: &str) -> String {
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
        if as_extension_owner(|| one::<bool>(&fill(HAS_ROWS, &name, &s.key)))? {
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
    if !s.column.not_null {
        let sql = format!(
            "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL",
            s.target,
            quote_ident(&s.key)
        );
        as_owner(s, || spi::execute(&sql, &[]))?;
        report["set_not_null"] = json!(s.key);
    }
    let id = catalog::add_hypertable(s.table.oid, s.grid, None)?;
    for c in &adopted {
        catalog::annotate(c.oid, "attach")?;
    }
    default_index(request, s, s.table.oid, &mut report)?;
    let h = chunks::hypertable(s.table.oid)?;
    chunks::premake(&h)?;
    finish(s, id, 0, report)
}

fn dry(s: &Subject, report: Value) -> Outcome {
    Outcome {
        id: None,
        relation: s.table.oid,
        created: false,
        chunks: 0,
        rows_moved: 0,
        report,
    }
}

fn finish(s: &Subject, id: i32, rows_moved: i64, report: Value) -> Result<Outcome> {
    let relation = relation_named(s)?;
    Ok(Outcome {
        id: Some(id),
        relation,
        created: true,
        chunks: catalog::chunks(relation, true)?.len() as i32,
        rows_moved,
        report,
    })
}

fn relation_named(s: &Subject) -> Result<pg_sys::Oid> {
    spi::write_one(
        "SELECT $1::pg_catalog.regclass::pg_catalog.oid",
        &[s.target.as_str().into()],
        |r| r.need(1),
    )?
    .ok_or_else(|| Error::internal("the new table vanished"))
}

fn default_index(
    request: &Request,
    s: &Subject,
    relation: pg_sys::Oid,
    report: &mut Value,
) -> Result<()> {
    if !request.default_indexes {
        return Ok(());
    }
    let exists = spi::write_one(
        EQUAL_INDEX,
        &[relation.into(), s.key.as_str().into()],
        |r| r.need::<bool>(1),
    )?;
    if exists == Some(true) {
        return Ok(());
    }
    // as the extension's owner: the table's owner may lack CREATE on the schema; the index has no expression
    let sql = format!(
        "CREATE INDEX ON {} ({} DESC)",
        s.target,
        quote_ident(&s.key)
    );
    as_extension_owner(|| spi::execute(&sql, &[]))?;
    report["default_index"] = json!(format!("({} DESC)", quote_ident(&s.key)));
    Ok(())
}

/// Section 9.2: one transaction, everything carried over or refused by name.
fn convert_plain(request: &Request, s: &Subject, original_path: &str) -> Result<Outcome> {
    let blockers = refuse::blockers(s.table.oid, &s.key)?;
    if !request.dry_run {
        if !blockers.is_empty() {
            return Err(refuse::error(&s.table, &s.key, &blockers));
        }
        check_snapshot(s)?;
        for oid in refuse::linked(s.table.oid)? {
            lock_relation(oid, pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE);
        }
    }
    let (has_rows, nulls) = count_rows(s)?;
    if !request.dry_run {
        check_rows(request, s, has_rows, nulls)?;
    }
    let carried = carry::capture(s.table.oid, &s.target)?;
    let mut report = json!({
        "action": if has_rows { "move" } else { "replace" },
        "interval": s.grid.width.text(s.grid.key),
        "carried": carried.counts,
        "not_carried": carried.lost,
    });
    if request.dry_run {
        report["blockers"] = json!(blockers);
        if has_rows && !request.migrate_data {
            report["needs"] = json!("migrate_data");
        }
        return Ok(dry(s, report));
    }
    if !s.column.not_null {
        report["set_not_null"] = json!(s.key);
    }
    let new = new_table(s)?;
    let work = Work {
        s,
        original_path,
        columns: carried.columns,
        options: carried.options,
        old: quote_qualified(&s.table.schema, &convert::old_name(s.table.oid.to_u32())),
    };
    let (id, rows) = work.run(convert::plan(&new, &carried.identities, carried.statements))?;
    default_index(request, s, relation_named(s)?, &mut report)?;
    finish(s, id, rows, report)
}

/// Rows committed after the snapshot of a REPEATABLE READ transaction would be lost by moving.
fn check_snapshot(s: &Subject) -> Result<()> {
    if !transaction_snapshot_is_fixed() {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotSupported,
        format!(
            "table \"{}\" can only become a hypertable in a READ COMMITTED transaction",
            s.table.name
        ),
    )
    .detail("REPEATABLE READ and SERIALIZABLE do not see rows that others have just committed; they would be lost."))
}

/// Whether there are rows, and how many NULL keys. As the extension's owner, whom no policy hides a row
/// from; the questions contain no expression of a user.
fn count_rows(s: &Subject) -> Result<(bool, i64)> {
    as_extension_owner(|| {
        let has_rows: bool = one(&fill(HAS_ROWS, &s.target, &s.key))?;
        let nulls: i64 = match has_rows && !s.column.not_null {
            true => one(&fill(COUNT_NULLS, &s.target, &s.key))?,
            false => 0,
        };
        Ok((has_rows, nulls))
    })
}

fn check_rows(request: &Request, s: &Subject, has_rows: bool, nulls: i64) -> Result<()> {
    let name = &s.table.name;
    if has_rows && !request.migrate_data {
        return Err(Error::new(Kind::NotInState, format!("table \"{name}\" is not empty"))
            .hint("migrate_data => true moves its rows into chunks, in this transaction, with the table locked"));
    }
    if nulls > 0 {
        return Err(Error::new(
            Kind::NotNullViolation,
            format!(
                "column \"{}\" of table \"{name}\" contains {nulls} NULL value{}",
                s.key,
                if nulls == 1 { "" } else { "s" }
            ),
        ));
    }
    let bytes: i64 = spi::write_one(SIZE, &[s.table.oid.into()], |r| r.need(1))?.unwrap_or(0);
    let limit = i64::from(MOVE_LIMIT_MB.get()) << 20;
    if has_rows && bytes > limit {
        let mb = (bytes + (1 << 20) - 1) >> 20;
        return Err(Error::new(
            Kind::ConfiguredLimit,
            format!(
                "table \"{name}\" holds {mb} MB, more than strata.move_limit ({} MB)",
                MOVE_LIMIT_MB.get()
            ),
        )
        .detail("All its rows would be written again in one transaction, with the table locked.")
        .hint(format!("SET strata.move_limit = '{mb}MB' to do that")));
    }
    Ok(())
}

fn new_table(s: &Subject) -> Result<NewTable> {
    let tablespace = spi::write_one(
        "SELECT t.spcname::text FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.oid = $1",
        &[s.table.oid.into()],
        |r| r.need::<String>(1),
    )?;
    Ok(NewTable {
        target: s.target.clone(),
        schema: quote_ident(&s.table.schema),
        old: quote_ident(&convert::old_name(s.table.oid.to_u32())),
        name: quote_ident(&s.table.name),
        key: quote_ident(&s.key),
        key_not_null: s.column.not_null,
        tablespace: tablespace.as_deref().map(quote_ident),
        owner: quote_ident(&s.table.owner_name),
    })
}

/// A conversion under way.
struct Work<'a> {
    s: &'a Subject,
    original_path: &'a str,
    columns: Vec<String>,
    options: Vec<String>,
    old: String,
}

impl Work<'_> {
    fn run(&self, steps: Vec<Step>) -> Result<(i32, i64)> {
        let (mut id, mut rows) = (0, 0);
        for step in steps {
            match step {
                Step::Run(statement) => run(self.s, &statement)?,
                Step::Identity(identity) => self.identity(&identity)?,
                Step::Register => {
                    let relation = relation_named(self.s)?;
                    as_extension_owner(|| carry::strip_privileges(relation))?;
                    let options = Some(self.options.clone()).filter(|o| !o.is_empty());
                    id = catalog::add_hypertable(relation, self.s.grid, options)?;
                }
                Step::MakeChunks => self.make_chunks()?,
                Step::MoveRows => rows = self.move_rows()?,
                Step::FinishChunks => self.finish_chunks()?,
            }
        }
        Ok((id, rows))
    }

    fn identity(&self, i: &convert::Identity) -> Result<()> {
        let old = convert::old_name(self.old_sequence(i)?);
        let (schema, name) = (quote_ident(&i.schema), quote_ident(&i.sequence));
        as_extension_owner(|| {
            let made = spi::write_one(
                "SELECT pg_get_serial_sequence($1, $2)",
                &[self.s.target.as_str().into(), i.column.as_str().into()],
                |r| r.need::<String>(1),
            )?
            .ok_or_else(|| Error::internal("an identity column lost its sequence"))?;
            if made != format!("{schema}.{name}") {
                spi::execute(&format!("ALTER SEQUENCE {made} RENAME TO {name}"), &[])?;
            }
            spi::execute(
                &format!(
                    "SELECT setval('{schema}.{name}'::regclass, last_value, is_called) FROM {schema}.{old}"
                ),
                &[],
            )?;
            let oid = spi::write_one(
                "SELECT $1::regclass::oid",
                &[format!("{schema}.{name}").into()],
                |r| r.need::<pg_sys::Oid>(1),
            )?;
            oid.map_or(Ok(()), carry::strip_privileges)
        })
    }

    fn old_sequence(&self, i: &convert::Identity) -> Result<u32> {
        spi::write_one(
            "SELECT pg_get_serial_sequence($1, $2)::regclass::oid",
            &[self.old.as_str().into(), i.column.as_str().into()],
            |r| r.need::<pg_sys::Oid>(1),
        )?
        .map(pg_sys::Oid::to_u32)
        .ok_or_else(|| Error::internal("the old identity sequence vanished"))
    }

    fn make_chunks(&self) -> Result<()> {
        let h = chunks::hypertable(relation_named(self.s)?)?;
        let used = super::buckets::used(&self.old, &self.s.key, h.grid)?;
        let newest = used.last().copied();
        let mut wanted = used;
        wanted.extend(match newest {
            // the lower edge of the newest chunk stands for the newest row
            Some(i) => chunks::ahead(&h, Some(inside(h.grid.range(i)?))),
            None => chunks::ahead(&h, None),
        });
        wanted.sort_unstable();
        wanted.dedup();
        chunks::make_missing(&h, &wanted, "premake")?;
        Ok(())
    }

    /// As the owner and with the caller's search_path, as any INSERT of the owner would run.
    fn move_rows(&self) -> Result<i64> {
        let settings = SettingScope::new();
        settings.set("search_path", self.original_path);
        let sql = convert::move_rows(&self.s.target, &self.old, &self.columns);
        let moved = as_owner(self.s, || spi::execute(&sql, &[]))?;
        Ok(moved as i64)
    }

    fn finish_chunks(&self) -> Result<()> {
        let parent = relation_named(self.s)?;
        for c in catalog::chunks(parent, true)? {
            let name = crate::pg::catalog::qualified_name(c.oid)?;
            as_extension_owner(|| carry::copy_replica_identity(parent, c.oid, &name))?;
        }
        Ok(())
    }
}

/// A value inside a range.
fn inside(range: Range) -> i64 {
    match range {
        (super::bounds::Edge::At(lo), _) => lo,
        (_, super::bounds::Edge::At(hi)) => hi.saturating_sub(1),
        _ => 0,
    }
}

fn run(s: &Subject, statement: &Statement) -> Result<()> {
    let settings = SettingScope::new();
    if !statement.tablespace.is_empty() {
        settings.set("default_tablespace", &quote_ident(&statement.tablespace));
    }
    let sql = &statement.sql;
    match statement.role {
        Role::Extension => as_extension_owner(|| spi::execute(sql, &[]))?,
        Role::Owner => as_owner(s, || spi::execute(sql, &[]))?,
        Role::User(user) => {
            let _user = UserScope::restricted(pg_sys::Oid::from(user));
            spi::execute(sql, &[])?
        }
    };
    Ok(())
}
