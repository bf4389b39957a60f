//! `create_hypertable_online`: the three parts of `attach_old` as transactions of their own, so that nobody
//! waits longer than the swap takes, and a call after any failure goes on where the last one stopped.

use super::attach_old::{self, CHECK, Incoming, Prepared};
use super::bounds::{Grid, Range};
use super::chunks::ddl_settings;
use super::create::{Request, Subject, fill, one};
use super::key::KeyType;
use super::patience::{LOCK_TIMEOUT, patiently, raise};
use super::{attach_range, catalog, chunks, extras, refuse, unique};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{check_owner, lock_relation, quote_literal, quote_qualified};
use crate::pg::owner::{SettingScope, UserScope};
use crate::pg::reader::as_reader;
use crate::pg::session::{notice, transaction_snapshot_is_fixed};
use crate::pg::subxact::attempt;
use crate::pg::{inject, nonatomic, spi};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;

// a foreign key of a partitioned table cannot be NOT VALID; one of the table itself would be checked again
const KEYS_IN: &str = "
SELECT CASE WHEN c.conrelid = $1 THEN format('Foreign key \"%s\" refers to the table itself.', c.conname)
            ELSE format('Foreign key \"%s\" of partitioned table %s refers to it.', c.conname, c.conrelid::regclass) END
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
WHERE c.confrelid = $1 AND c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = $1 OR r.relkind = 'p') ORDER BY 1";

// PostgreSQL before 18 leaves the parts per chunk marked as not valid: what counts is the key itself
const NOT_VALID: &str = "
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', c.conrelid::regclass, c.conname), c.conname::text, c.conrelid::regclass::text, r.relowner
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid WHERE c.confrelid = $1 AND c.contype = 'f' AND c.conparentid = 0 AND NOT c.convalidated ORDER BY 1";

/// What is left to do.
enum Next {
    /// put the CHECK on, after taking an outgrown one off
    Check {
        range: Range,
        replace: bool,
    },
    Validate,
    Swap,
    /// the table is a hypertable
    Finish(pg_sys::Oid),
}

/// Does it. Only from a CALL outside of a transaction block; commits after each part.
pub fn run(online: &Request) -> Result<()> {
    let Some(s) = first_look(online)? else {
        return finish(online.relation);
    };
    let name = s.target.clone();
    refuse_blockers(online, &s)?;
    drop(s);
    let mut violations = 0;
    loop {
        nonatomic::commit()?;
        match nonatomic::with_snapshot(|| next(online))? {
            Next::Check { range, replace } => {
                patiently(&name, || check(online, range, replace))?;
                inject::point("hypertable.online.checked");
            }
            Next::Validate => {
                let text = format!("reading the rows of {name}; readers and writers go on");
                notice(&text, None);
                if !validated(online, &name)? {
                    // a row that came between the look for the last one and the CHECK
                    violations += 1;
                    if violations > 3 {
                        return Err(Error::new(
                            Kind::NotInState,
                            format!("table {name} gets rows too far ahead of those it has"),
                        ));
                    }
                }
                inject::point("hypertable.online.validated");
            }
            Next::Swap => {
                let relation = patiently(&name, || swap(online))?;
                inject::point("hypertable.online.swapped");
                return finish(relation);
            }
            Next::Finish(relation) => return finish(relation),
        }
    }
}

/// Looks for the first and the last row without any lock that others would notice.
fn next(online: &Request) -> Result<Next> {
    let _settings = ddl_settings();
    let Some(s) = subject(online)? else {
        return Ok(Next::Finish(online.relation));
    };
    Ok(match attach_old::prepared(&s)? {
        // its end is near: rows beyond would be refused before the conversion is through
        Prepared::Checked(range) | Prepared::Validated(range)
            if attach_range::outgrown(&s, range)? =>
        {
            Next::Check {
                range: attach_range::range(&s)?,
                replace: true,
            }
        }
        // the last call asked for something else
        Prepared::Checked(range) | Prepared::Validated(range)
            if !attach_old::missing_rules(online, &s, range)?.is_empty() =>
        {
            Next::Check {
                range,
                replace: true,
            }
        }
        Prepared::Checked(_) => Next::Validate,
        Prepared::Validated(_) if !attach_old::open_checks(&s)?.is_empty() => Next::Validate,
        Prepared::Validated(_) => Next::Swap,
        Prepared::No => Next::Check {
            range: attach_range::range(&s)?,
            replace: false,
        },
        Prepared::Foreign => {
            return Err(Error::new(
                Kind::DuplicateObject,
                format!(
                    "table \"{}\" has a constraint \"{CHECK}\" that is not from here",
                    s.table.name
                ),
            )
            .hint(format!("ALTER TABLE {} DROP CONSTRAINT {CHECK}", s.target)));
        }
    })
}

/// Reads all rows. False when one lies outside of the range; then the CHECK is gone again.
fn validated(online: &Request, name: &str) -> Result<bool> {
    nonatomic::commit()?;
    let tried = nonatomic::with_snapshot(|| {
        Ok(attempt(|| {
            let _settings = ddl_settings();
            subject(online)?.map_or(Ok(()), |s| attach_old::validate(&s))
        }))
    })?;
    let caught = match tried {
        Ok(done) => return done.map(|()| true),
        Err(caught) if caught.code == PgSqlErrorCode::ERRCODE_CHECK_VIOLATION => caught,
        Err(caught) => return raise(caught),
    };
    let (nulls, rules) = nonatomic::with_snapshot(|| {
        let _settings = ddl_settings();
        let Some(s) = subject(online)? else {
            return Ok((0, Ok(())));
        };
        let sql = fill(
            "SELECT count(*) FROM ONLY {t} WHERE {k} IS NULL",
            &s.target,
            &s.key,
        );
        Ok((
            as_reader(s.table.oid, || one::<i64>(&sql))?,
            extras::check_rows(online, &s),
        ))
    })?;
    patiently(name, || {
        let settings = ddl_settings();
        match locked(online, &settings, false)? {
            Some(s) => attach_old::drop_checks(&s),
            None => Ok(()),
        }
    })?;
    if nulls > 0 {
        return Err(Error::new(
            Kind::NotNullViolation,
            format!(
                "column \"{}\" of table {name} contains {nulls} NULL value{}",
                online.dimension.column,
                if nulls == 1 { "" } else { "s" }
            ),
        ));
    }
    rules?;
    pgrx::debug1!("{}", caught.message);
    Ok(false)
}

/// The table as it is now; `None` when it is a hypertable.
fn subject(online: &Request) -> Result<Option<Subject>> {
    let missing = || Error::new(Kind::UndefinedTable, "the table does not exist any more");
    let table = catalog::table(online.relation).ok_or_else(missing)?;
    refuse::check_kind(&table)?;
    check_owner(table.oid)?;
    if catalog::hypertable(table.oid)?.is_some() {
        return Ok(None);
    }
    if table.relkind == 'p' {
        return Err(Error::new(
            Kind::WrongObjectType,
            format!("table \"{}\" is partitioned already", table.name),
        )
        .hint(format!(
            "SELECT * FROM strata.create_hypertable({}, ...) registers it, without touching data",
            quote_literal(&quote_qualified(&table.schema, &table.name))
        )));
    }
    let key = online.dimension.column.clone();
    let column = refuse::key_column(&table, &key)?;
    let key_type = refuse::check_key(&table, &key, &column)?;
    Ok(Some(Subject {
        target: quote_qualified(&table.schema, &table.name),
        grid: Grid::new(key_type, online.dimension.width(key_type)?),
        table,
        key,
        column,
    }))
}

fn first_look(online: &Request) -> Result<Option<Subject>> {
    if transaction_snapshot_is_fixed() {
        return Err(Error::new(
            Kind::NotSupported,
            "create_hypertable_online works in READ COMMITTED only",
        )
        .hint("SET default_transaction_isolation = 'read committed'"));
    }
    let _settings = ddl_settings();
    let s = subject(online)?;
    if let Some(s) = &s {
        extras::check(online, s)?;
        // ids of other versions tell no time: there would be no range
        if s.grid.key == KeyType::Uuid {
            extras::check_rows(online, s)?;
        }
    }
    Ok(s)
}

/// Everything in the way, before anything is changed and once more under the lock.
fn refuse_blockers(online: &Request, s: &Subject) -> Result<()> {
    let _settings = ddl_settings();
    let mut blockers = refuse::blockers(s.table.oid, &s.key)?;
    for ours in attach_old::open_checks(s)? {
        let ours = format!("Constraint \"{ours}\" is NOT VALID");
        blockers.retain(|b| !b.starts_with(&ours));
    }
    let keys = extras::key_columns(online, s);
    let conflicts = unique::conflicts(s.table.oid, &keys, unique::Action::Error)?;
    blockers.extend(conflicts.blockers());
    blockers.extend(spi::write(KEYS_IN, &[s.table.oid.into()], |r| {
        r.need::<String>(1)
    })?);
    if blockers.is_empty() {
        return Ok(());
    }
    Err(refuse::error(&s.table, &s.key, &blockers))
}

/// Part one, in a subtransaction with a short lock_timeout.
fn check(online: &Request, range: Range, replace: bool) -> Result<()> {
    let settings = ddl_settings();
    let Some(s) = locked(online, &settings, false)? else {
        return Ok(());
    };
    match (attach_old::prepared(&s)?, replace) {
        (Prepared::Checked(_) | Prepared::Validated(_), true) => {
            attach_old::drop_checks(&s)?;
        }
        (Prepared::No, _) => {}
        // another session was faster: the next look says what is left
        _ => return Ok(()),
    }
    attach_old::add_check(online, &s, range)
}

/// The last part, in a subtransaction with a short lock_timeout.
fn swap(online: &Request) -> Result<pg_sys::Oid> {
    let settings = ddl_settings();
    let Some(s) = locked(online, &settings, true)? else {
        return Ok(online.relation);
    };
    let Prepared::Validated(range) = attach_old::prepared(&s)? else {
        return Err(Error::new(
            Kind::NotInState,
            format!(
                "constraint \"{CHECK}\" of table \"{}\" was changed by another session",
                s.table.name
            ),
        )
        .hint("call create_hypertable_online again"));
    };
    refuse_blockers(online, &s)?;
    // no unique key is changed on this way: all of them were found to contain the key
    let keys = extras::key_columns(online, &s);
    let conflicts = unique::conflicts(s.table.oid, &keys, unique::Action::Error)?;
    attach_old::swap(online, &s, range, Incoming::Later, &conflicts)?;
    let relation = super::create::relation_named(&s)?;
    inject::point("hypertable.online.before_commit");
    Ok(relation)
}

/// The table under its lock, with all that is linked to it if need be.
fn locked(online: &Request, settings: &SettingScope, linked: bool) -> Result<Option<Subject>> {
    settings.set("lock_timeout", LOCK_TIMEOUT);
    // a transaction that has an id reads with fresh snapshots: what others committed meanwhile counts
    one::<i32>("SELECT 1")?;
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    lock_relation(online.relation, mode);
    if linked {
        for oid in refuse::linked(online.relation)? {
            lock_relation(oid, mode);
        }
    }
    subject(online)
}

/// After the swap: chunks ahead, and a look at rows of other tables that refer to this one.
fn finish(relation: pg_sys::Oid) -> Result<()> {
    nonatomic::commit()?;
    let (name, open) = nonatomic::with_snapshot(|| {
        let _settings = ddl_settings();
        let h = chunks::hypertable(relation)?;
        chunks::premake(&h)?;
        let open = spi::write(NOT_VALID, &[relation.into()], |r| {
            Ok((
                r.need::<String>(1)?,
                r.need::<String>(2)?,
                r.need::<String>(3)?,
                r.need::<pg_sys::Oid>(4)?,
            ))
        })?;
        Ok((quote_qualified(&h.table.schema, &h.table.name), open))
    })?;
    for (sql, constraint, table, owner) in open {
        nonatomic::commit()?;
        let tried = nonatomic::with_snapshot(|| {
            Ok(attempt(|| {
                let _settings = ddl_settings();
                // a query of both tables, whose index expressions are folded: as the owner, like core's own
                let _owner = UserScope::reader(owner);
                spi::execute(&sql, &[])
            }))
        })?;
        match tried {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(error),
            Err(caught) if caught.code == PgSqlErrorCode::ERRCODE_FOREIGN_KEY_VIOLATION => {
                notice(
                    &format!(
                        "foreign key \"{constraint}\" of table {table} stays NOT VALID: {}",
                        caught.message
                    ),
                    None,
                );
            }
            Err(caught) => return raise(caught),
        }
    }
    nonatomic::commit()?;
    notice(&format!("table {name} is a hypertable"), None);
    Ok(())
}
