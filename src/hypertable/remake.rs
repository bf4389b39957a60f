//! Making a plain table again as a hypertable, under its name, with its rows and everything on it.

use super::bounds::{Edge, Range};
use super::convert::{self, NewTable, Role, Statement, Step};
use super::create::{
    HAS_ROWS, Outcome, Request, Subject, as_owner, default_index, dry, fill, finish, one,
    relation_named,
};
use super::{attach_old, carry, catalog, chunks, extras, refuse, unique};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{lock_relation, qualified_name, quote_ident, quote_qualified};
use crate::pg::guc::MOVE_LIMIT_MB;
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::reader::as_reader;
use crate::pg::session::transaction_snapshot_is_fixed;
use crate::pg::spi;
use pgrx::pg_sys;
use serde_json::json;

const COUNT_NULLS: &str = "SELECT count(*) FROM ONLY {t} WHERE {k} IS NULL";
const SIZE: &str = "SELECT pg_catalog.pg_table_size($1::oid::regclass)";

/// Section 9.2: one transaction, everything carried over or refused by name.
pub fn remake(request: &Request, s: &Subject, original_path: &str) -> Result<Outcome> {
    let mut blockers = refuse::blockers(s.table.oid, &s.key)?;
    let needed = extras::key_columns(request, s);
    let conflicts = unique::conflicts(s.table.oid, &needed, request.conflicts)?;
    blockers.extend(conflicts.blockers());
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
        extras::check_rows(request, s)?;
    }
    // its rows would be written again in one transaction: it becomes the first chunk as it is, but for unique
    // keys that change, whose indexes are built
    let attach = has_rows && is_large(s)?;
    let carried = carry::capture(s.table.oid, &s.target, &conflicts)?;
    let checks = extras::checks(request, s)?;
    let mut report = json!({
        "action": if attach { "attach" } else if has_rows { "move" } else { "replace" },
        "interval": s.grid.width.text(s.grid.key),
        "carried": carried.counts,
        "not_carried": carried.lost,
    });
    if !conflicts.found.is_empty() {
        report["unique_keys"] = conflicts.report();
    }
    if !checks.is_empty() {
        report["checks"] = json!(checks);
    }
    if request.dry_run {
        let mut blockers = blockers;
        if nulls > 0 {
            blockers.push(format!(
                "Column \"{}\" contains {nulls} NULL values.",
                s.key
            ));
        }
        if let Err(e) = extras::check_rows(request, s) {
            blockers.push(e.message);
        }
        report["blockers"] = json!(blockers);
        if has_rows && !request.migrate_data {
            report["needs"] = json!("migrate_data");
        }
        return Ok(dry(s, report));
    }
    if !s.column.not_null {
        report["set_not_null"] = json!(s.key);
    }
    if attach {
        let id = attach_old::convert_locked(request, s, &conflicts)?;
        default_index(request, s, relation_named(s)?, &mut report)?;
        return finish(s, id, 0, report);
    }
    let new = new_table(s)?;
    let members = not_null(s, &s.target, &conflicts);
    let work = Work {
        s,
        request,
        conflicts,
        original_path,
        columns: carried.columns,
        options: carried.options,
        old: quote_qualified(&s.table.schema, &convert::old_name(s.table.oid.to_u32())),
    };
    let mut statements = carried.statements;
    statements.extend(members);
    statements.extend(checks.iter().map(|check| Statement {
        phase: convert::Phase::Create,
        role: Role::Owner,
        sql: format!("ALTER TABLE {} ADD {check}", s.target),
        tablespace: String::new(),
    }));
    let (id, rows) = work.run(convert::plan(&new, &carried.identities, statements))?;
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

/// Whether there are rows, and how many NULL keys.
fn count_rows(s: &Subject) -> Result<(bool, i64)> {
    as_reader(s.table.oid, || {
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
    Ok(())
}

fn megabytes(s: &Subject) -> Result<i64> {
    let bytes: i64 = spi::write_one(SIZE, &[s.table.oid.into()], |r| r.need(1))?.unwrap_or(0);
    Ok((bytes + (1 << 20) - 1) >> 20)
}

fn is_large(s: &Subject) -> Result<bool> {
    Ok(megabytes(s)? > i64::from(MOVE_LIMIT_MB.get()))
}

/// Columns that become members of a primary key must not be NULL. As the owner: core folds CHECKs of the user
/// when it sets NOT NULL, as ADD PRIMARY KEY would.
pub fn not_null(s: &Subject, table: &str, conflicts: &unique::Conflicts) -> Vec<Statement> {
    let members = conflicts.new_members().into_iter();
    let others = members.filter(|column| *column != s.key);
    others
        .map(|column| Statement {
            phase: convert::Phase::Create,
            role: Role::Owner,
            sql: format!(
                "ALTER TABLE {table} ALTER COLUMN {} SET NOT NULL",
                quote_ident(&column)
            ),
            tablespace: String::new(),
        })
        .collect()
}

pub fn new_table(s: &Subject) -> Result<NewTable> {
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
    request: &'a Request,
    conflicts: unique::Conflicts,
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
                Step::Identity(i) => identity(&self.s.target, &self.old, &i)?,
                Step::Register => {
                    let relation = relation_named(self.s)?;
                    as_extension_owner(|| carry::strip_privileges(relation))?;
                    let (request, conflicts) = (self.request, Some(&self.conflicts));
                    id = extras::enroll(request, self.s, relation, &self.options, conflicts)?;
                }
                Step::MakeChunks => self.make_chunks()?,
                Step::MoveRows => rows = self.move_rows()?,
                Step::FinishChunks => self.finish_chunks()?,
            }
        }
        Ok((id, rows))
    }

    fn make_chunks(&self) -> Result<()> {
        let h = chunks::hypertable(relation_named(self.s)?)?;
        let used = super::buckets::used(self.s.table.oid, &self.old, &self.s.key, h.grid)?;
        let newest = used.last().copied();
        let mut wanted = used;
        wanted.extend(match newest {
            // the lower edge of the newest chunk stands for the newest row
            Some(i) => chunks::ahead(&h, chunks::now(&h)?, Some(inside(h.grid.range(i)?))),
            None => chunks::ahead(&h, chunks::now(&h)?, None),
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
            let name = qualified_name(c.oid)?;
            as_extension_owner(|| carry::copy_replica_identity(parent, c.oid, &name))?;
        }
        Ok(())
    }
}

/// The sequence of an identity column of the new table gets the name, value and rights of the old one's.
pub fn identity(target: &str, old_table: &str, i: &convert::Identity) -> Result<()> {
    let old = old_sequence(old_table, i)?;
    // LIKE makes all of them bigint
    let of = spi::write_one(
        "SELECT format_type(q.seqtypid, NULL) FROM pg_sequence q WHERE q.seqrelid = $1",
        &[pg_sys::Oid::from(old).into()],
        |r| r.need::<String>(1),
    )?
    .ok_or_else(|| Error::internal("an identity column has no sequence"))?;
    let old = convert::old_name(old);
    let (schema, name) = (quote_ident(&i.schema), quote_ident(&i.sequence));
    as_extension_owner(|| {
        let made = spi::write_one(
            "SELECT pg_get_serial_sequence($1, $2)",
            &[target.into(), i.column.as_str().into()],
            |r| r.need::<String>(1),
        )?
        .ok_or_else(|| Error::internal("an identity column lost its sequence"))?;
        if made != format!("{schema}.{name}") {
            spi::execute(&format!("ALTER SEQUENCE {made} RENAME TO {name}"), &[])?;
        }
        spi::execute(&format!("ALTER SEQUENCE {schema}.{name} AS {of}"), &[])?;
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

fn old_sequence(old_table: &str, i: &convert::Identity) -> Result<u32> {
    spi::write_one(
        "SELECT pg_get_serial_sequence($1, $2)::regclass::oid",
        &[old_table.into(), i.column.as_str().into()],
        |r| r.need::<pg_sys::Oid>(1),
    )?
    .map(pg_sys::Oid::to_u32)
    .ok_or_else(|| Error::internal("the old identity sequence vanished"))
}

/// A value inside a range.
fn inside(range: Range) -> i64 {
    match range {
        (Edge::At(lo), _) => lo,
        (_, Edge::At(hi)) => hi.saturating_sub(1),
        _ => 0,
    }
}

pub fn run(s: &Subject, statement: &Statement) -> Result<()> {
    let settings = SettingScope::new();
    if !statement.tablespace.is_empty() {
        settings.set("default_tablespace", &quote_ident(&statement.tablespace));
    }
    let sql = &statement.sql;
    match statement.role {
        Role::Extension => as_extension_owner(|| spi::execute(sql, &[]))?,
        Role::Owner => as_owner(s, || spi::execute(sql, &[]))?,
        Role::User(user) => {
            let _user = UserScope::reader(pg_sys::Oid::from(user));
            spi::execute(sql, &[])?
        }
    };
    Ok(())
}
