//! `reconcile_hypertable`: mends what commands of others changed behind our back. Each thing on its own:
//! what cannot be mended is a WARNING, and stays for the next call.

use super::catalog::{self, Hypertable};
use super::chunks::{self, ddl_settings};
use super::key::KeyType;
use super::reconcile_sql as sql;
use super::{extras, freeze, make, settings, target};
use crate::error::{Error, Result};
use crate::pg::catalog::{check_owner, lock_relation, qualified_name};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::session::has_written;
use crate::pg::spi;
use crate::pg::subxact::attempt;
use pgrx::pg_sys;

const HAS_CONSTRAINT: &str = "
SELECT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = $1 AND c.conname = $2::name)";

/// One thing that was mended, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    pub action: String,
    pub detail: String,
}

/// How a thing is mended.
enum Cure {
    Sql(String),
    /// what makes core fold CHECKs of the user: as the owner of the hypertable, whose chunks are its own by now
    Owner(pg_sys::Oid, String),
    Freeze,
}

struct Drift {
    mended: Mended,
    cure: Cure,
}

type Question = fn(&Hypertable) -> Result<Vec<Drift>>;

// in this order: a pending detach is in the way of other commands, and owners decide whose expressions run
const QUESTIONS: [Question; 12] = [
    |h| ask(sql::PENDING_DETACH, h),
    |h| ask(sql::LOST_COLUMNS, h),
    |h| ask(sql::OWNERS, h),
    |h| ask(sql::SCHEMA_RIGHT, h),
    |h| ask(sql::ROW_SECURITY, h),
    |h| as_owner(ask(sql::NOT_NULL, h)?, h),
    table_rules,
    chunk_rules,
    |h| ask(sql::MOVED, h),
    |h| ask(sql::INVALID_INDEXES, h),
    |h| ask(sql::MISSING_INDEXES, h),
    |h| ask(sql::FROZEN, h),
];

/// Does it, or only says what it would do. ShareUpdateExclusiveLock on the hypertable, and what each cure
/// takes: AccessExclusiveLock on chunks that are altered.
pub fn reconcile(relation: pg_sys::Oid, dry_run: bool) -> Result<Vec<Mended>> {
    let mut out = Vec::new();
    let registered = catalog::hypertable(relation)?;
    if registered.is_some() {
        check_owner(relation)?;
    }
    let _settings = ddl_settings();
    if registered.is_none() {
        // nothing but rows about tables that are gone
        forget(dry_run, &mut out)?;
        if !out.is_empty() {
            return Ok(out);
        }
    }
    let h = chunks::hypertable(relation)?;
    if !dry_run {
        lock_relation(
            relation,
            pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
        );
    }
    for question in QUESTIONS {
        mend(question(&h)?, dry_run, &mut out)?;
    }
    // last: a finished detach leaves one
    forget(dry_run, &mut out)?;
    Ok(out)
}

/// Rows about tables that are gone; they belong to nobody.
fn forget(dry_run: bool, out: &mut Vec<Mended>) -> Result<()> {
    for question in [sql::LOST_CHUNKS, sql::LOST_HYPERTABLES] {
        let found = as_extension_owner(|| spi::write(question, &[], drift))?;
        mend(found, dry_run, out)?;
    }
    Ok(())
}

fn drift(r: spi::Row) -> Result<Drift> {
    let statements: String = r.need(3)?;
    Ok(Drift {
        mended: Mended {
            action: r.need(1)?,
            detail: r.need(2)?,
        },
        cure: match statements.is_empty() {
            true => Cure::Freeze,
            false => Cure::Sql(statements),
        },
    })
}

fn ask(question: &str, h: &Hypertable) -> Result<Vec<Drift>> {
    let args = [h.table.oid.into(), h.key.as_str().into()];
    as_extension_owner(|| spi::write(question, &args, drift))
}

fn as_owner(mut found: Vec<Drift>, h: &Hypertable) -> Result<Vec<Drift>> {
    for d in &mut found {
        if let Cure::Sql(statements) = &mut d.cure {
            d.cure = Cure::Owner(h.table.owner, std::mem::take(statements));
        }
    }
    Ok(found)
}

fn mend(found: Vec<Drift>, dry_run: bool, out: &mut Vec<Mended>) -> Result<()> {
    for d in found {
        if !dry_run {
            let tried = attempt(|| {
                if has_written() {
                    // with an id of its own the subtransaction reads afresh
                    spi::execute("SELECT 1", &[])?;
                }
                cure(&d)
            });
            let error: Option<Error> = match tried {
                Ok(Ok(())) => None,
                Ok(Err(e)) => Some(e),
                Err(caught) => Some(caught.into()),
            };
            if let Some(error) = error {
                pgrx::warning!("cannot {} {}: {error}", d.mended.action, d.mended.detail);
                continue;
            }
        }
        out.push(d.mended);
    }
    Ok(())
}

fn cure(d: &Drift) -> Result<()> {
    match &d.cure {
        Cure::Sql(statements) => {
            as_extension_owner(|| spi::execute(statements, &[]))?;
            Ok(())
        }
        Cure::Owner(owner, statements) => {
            let _owner = UserScope::restricted(*owner);
            spi::execute(statements, &[])?;
            Ok(())
        }
        Cure::Freeze => {
            let oid = spi::write_one(
                "SELECT $1::regclass::oid",
                &[d.mended.detail.as_str().into()],
                |r| r.need::<pg_sys::Oid>(1),
            )?
            .ok_or_else(|| Error::internal("a frozen chunk vanished"))?;
            freeze::guard_again(&target::owned_chunk(oid)?)
        }
    }
}

fn has_constraint(relation: pg_sys::Oid, name: &str) -> Result<bool> {
    let found = spi::write_one(HAS_CONSTRAINT, &[relation.into(), name.into()], |r| {
        r.need(1)
    })?;
    Ok(found.unwrap_or(false))
}

fn add_check(relation: &str, name: &str, check: &str) -> Drift {
    Drift {
        mended: Mended {
            action: "add check".into(),
            detail: format!("{name} on {relation}"),
        },
        cure: Cure::Sql(format!("ALTER TABLE {relation} ADD {check}")),
    }
}

/// CHECKs of the hypertable.
fn table_rules(h: &Hypertable) -> Result<Vec<Drift>> {
    let mut out = Vec::new();
    let name = qualified_name(h.table.oid)?;
    let end = settings::of(h.table.oid)?.and_then(|s| s.end_column);
    for (rule, condition) in extras::rules(&h.key, h.grid.key == KeyType::Uuid, end.as_deref()) {
        if !has_constraint(h.table.oid, rule)? {
            let check = format!("CONSTRAINT {rule} CHECK ({condition})");
            out.push(add_check(&name, rule, &check));
        }
    }
    Ok(out)
}

/// CHECKs of single chunks.
fn chunk_rules(h: &Hypertable) -> Result<Vec<Drift>> {
    let mut out = Vec::new();
    let Some(end) = settings::of(h.table.oid)?.and_then(|s| s.end_column) else {
        return Ok(out);
    };
    let exists = catalog::column(h.table.oid, &end).is_some();
    for c in catalog::chunks(h.table.oid, true)? {
        if let Some(check) = make::end_check(&end, c.range, h.grid.key)
            && exists
            && !has_constraint(c.oid, make::END_CHECK)?
        {
            out.push(add_check(&qualified_name(c.oid)?, make::END_CHECK, &check));
        }
    }
    Ok(out)
}
