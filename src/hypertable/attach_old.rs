//! A large table becomes the first chunk of a hypertable of its name: no row is written again.
//!
//! Three parts, each of which may be a transaction of its own: a CHECK of the range that the chunk will
//! have, not validated (a moment of AccessExclusiveLock); its validation (ShareUpdateExclusiveLock, readers
//! and writers go on); the swap (AccessExclusiveLock on the table and what is linked to it, catalog work
//! only: PostgreSQL takes the CHECK for a proof and adopts indexes and foreign keys that fit).

use super::attach_range::{parse_range, range, range_text};
use super::bounds::{Edge, Range, part_name};
use super::convert::{self, Phase, Statement, Step};
use super::create::{Request, Subject, one, relation_named};
use super::unique::Conflicts;
use super::{carry, catalog, chunks, extras, make, remake};
use crate::error::{Error, Result};
use crate::pg::catalog::{quote_ident, quote_literal, quote_qualified};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;

/// The CHECK of the range. Its comment says the range; it goes with the swap.
pub const CHECK: &str = "strata_online";

/// The CHECKs that a conversion adds, besides [`CHECK`].
const RULES: [&str; 3] = [extras::V7_CHECK, extras::ORDER_CHECK, make::END_CHECK];

const OPEN: &str = "
SELECT c.conname::text FROM pg_constraint c
WHERE c.conrelid = $1 AND c.contype = 'c' AND NOT c.convalidated AND c.conname::text = ANY ($2) ORDER BY 1";
const EXISTS: &str = "
SELECT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = $1 AND c.conname = $2::name)";

const STATE: &str = "
SELECT c.convalidated, COALESCE(obj_description(c.oid, 'pg_constraint'), ''), c.conkey = ARRAY[a.attnum]
FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attname = $2::name
WHERE c.conrelid = $1 AND c.conname = 'strata_online' AND c.contype = 'c'";

// what a chunk does not have: it is reached through the hypertable, which has it now
const STRIP: &str = "
SELECT 1, format('DROP TRIGGER %I ON %s', t.tgname, $2) FROM pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal
UNION ALL SELECT 2, format('DROP RULE %I ON %s', r.rulename, $2) FROM pg_rewrite r WHERE r.ev_class = $1
UNION ALL SELECT 3, format('DROP POLICY %I ON %s', p.polname, $2) FROM pg_policy p WHERE p.polrelid = $1
UNION ALL SELECT 4, format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, $2)
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1
UNION ALL SELECT 5, format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', $2, a.attname)
FROM pg_attribute a WHERE a.attrelid = $1 AND a.attidentity <> '' AND NOT a.attisdropped
UNION ALL SELECT 6, format('ALTER TABLE %s DROP CONSTRAINT %I', $2, c.conname)
FROM pg_constraint c WHERE c.conrelid = $1 AND c.confrelid = $1 AND c.contype = 'f'
UNION ALL SELECT DISTINCT 7, format('REVOKE ALL ON %s FROM %s CASCADE', $2, CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
FROM pg_class c, LATERAL (SELECT a.grantee FROM aclexplode(c.relacl) a
                          UNION SELECT a.grantee FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = c.oid AND NOT t.attisdropped) g
WHERE c.oid = $1 AND g.grantee <> c.relowner
ORDER BY 1, 2";

// names that make room for those of the hypertable; $2 is the name of the chunk
const RENAMED: &str = "
SELECT format('ALTER INDEX %s RENAME TO', i.indexrelid::regclass), 'index'
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1 AND c.relname = 'strata_old_' || i.indexrelid
UNION ALL
SELECT format('ALTER STATISTICS %I.%I RENAME TO', n.nspname, s.stxname), 'stat'
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1 AND s.stxname = 'strata_old_' || s.oid
ORDER BY 1";
const STATISTICS: &str = "
SELECT format('ALTER STATISTICS %I.%I SET SCHEMA strata_chunks', n.nspname, s.stxname)
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1 AND n.nspname <> 'strata_chunks'";

/// How far the preparation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prepared {
    No,
    /// rows outside of the range are refused, older ones may be there
    Checked(Range),
    Validated(Range),
    /// a CHECK of our name that says nothing to us, or about another column
    Foreign,
}

/// What an earlier, interrupted conversion left.
pub fn prepared(s: &Subject) -> Result<Prepared> {
    let found = spi::write_one(STATE, &[s.table.oid.into(), s.key.as_str().into()], |r| {
        Ok((r.need::<bool>(1)?, r.need::<String>(2)?, r.need::<bool>(3)?))
    })?;
    Ok(match found {
        None => Prepared::No,
        Some((valid, comment, true)) => match (parse_range(&comment), valid) {
            (Some(range), true) => Prepared::Validated(range),
            (Some(range), false) => Prepared::Checked(range),
            (None, _) => Prepared::Foreign,
        },
        Some(_) => Prepared::Foreign,
    })
}

/// Refuses rows outside of the range from now on, and those that break the rules of the hypertable.
/// AccessExclusiveLock on the table for a moment.
pub fn add_check(request: &Request, s: &Subject, range: Range) -> Result<()> {
    let (key, target) = (quote_ident(&s.key), &s.target);
    let mut condition = format!("{key} IS NOT NULL");
    if range.0 != Edge::Min {
        condition += &format!(" AND {key} >= {}", range.0.sql(s.grid.key));
    }
    if range.1 != Edge::Max {
        condition += &format!(" AND {key} < {}", range.1.sql(s.grid.key));
    }
    let mut checks = vec![format!("CONSTRAINT {CHECK} CHECK ({condition})")];
    checks.extend(missing_rules(request, s, range)?);
    as_extension_owner(|| {
        for check in checks {
            spi::execute(&format!("ALTER TABLE {target} ADD {check} NOT VALID"), &[])?;
        }
        let comment = quote_literal(&range_text(range));
        spi::execute(
            &format!("COMMENT ON CONSTRAINT {CHECK} ON {target} IS {comment}"),
            &[],
        )
    })?;
    Ok(())
}

/// Rules of the hypertable and of a chunk with this range that the table does not have.
pub fn missing_rules(request: &Request, s: &Subject, range: Range) -> Result<Vec<String>> {
    let mut missing = extras::checks(request, s)?;
    if let Some(end) = &request.end_column
        && let Some(check) = make::end_check(end, range, s.grid.key)
        && spi::write_one(EXISTS, &[s.table.oid.into(), make::END_CHECK.into()], |r| {
            r.need::<bool>(1)
        })? != Some(true)
    {
        missing.push(check);
    }
    Ok(missing)
}

/// Names of our CHECKs on the table that are not validated.
pub fn open_checks(s: &Subject) -> Result<Vec<String>> {
    let names: Vec<&str> = RULES.iter().copied().chain([CHECK]).collect();
    spi::write(OPEN, &[s.table.oid.into(), names.into()], |r| r.need(1))
}

/// Takes our CHECKs off again, but for those rules that all rows keep. AccessExclusiveLock on the table
/// for a moment.
pub fn drop_checks(s: &Subject) -> Result<()> {
    let mut names = open_checks(s)?;
    names.extend([CHECK, make::END_CHECK].map(String::from));
    for name in names {
        drop_check(&s.target, &name)?;
    }
    Ok(())
}

fn drop_check(table: &str, name: &str) -> Result<()> {
    let sql = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}");
    let _quietly = super::target::quietly();
    as_extension_owner(|| spi::execute(&sql, &[]))?;
    Ok(())
}

/// Reads all rows. ShareUpdateExclusiveLock: readers and writers go on.
pub fn validate(s: &Subject) -> Result<()> {
    let open = open_checks(s)?;
    as_extension_owner(|| {
        for name in open {
            let sql = format!("ALTER TABLE {} VALIDATE CONSTRAINT {name}", s.target);
            spi::execute(&sql, &[])?;
        }
        Ok(())
    })
}

/// Whether foreign keys of other tables to this one are checked within the swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    Validated,
    /// `NOT VALID`: new rows are checked from the swap on, those there are by VALIDATE CONSTRAINT later
    Later,
}

/// Puts a partitioned table in the place of the table, and the table into it as a chunk. The caller holds
/// AccessExclusiveLock on the table and everything linked to it, has found no blocker, and the CHECK is
/// validated. Returns the number of the hypertable.
pub fn swap(
    request: &Request,
    s: &Subject,
    range: Range,
    incoming: Incoming,
    conflicts: &Conflicts,
) -> Result<i32> {
    // comments are carried over; that of our CHECK is not one of the user
    let uncomment = format!("COMMENT ON CONSTRAINT {CHECK} ON {} IS NULL", s.target);
    as_extension_owner(|| spi::execute(&uncomment, &[]))?;
    let carried = carry::capture(s.table.oid, &s.target, conflicts)?;
    let new_members = remake::not_null(s, &s.target, conflicts);
    let old = quote_qualified(&s.table.schema, &convert::old_name(s.table.oid.to_u32()));
    let mut id = 0;
    let mut attached = false;
    for step in convert::plan(
        &remake::new_table(s)?,
        &carried.identities,
        carried.statements.into_iter().chain(new_members).collect(),
    ) {
        match step {
            Step::Run(statement) if statement.phase == Phase::Drop => {}
            Step::Run(statement) => {
                // keys and foreign keys of the empty table cost nothing, and the chunk's own are adopted
                if statement.phase > Phase::References && !attached {
                    attach(s, &old, range)?;
                    attached = true;
                }
                remake::run(s, &deferred(statement, incoming))?;
            }
            Step::Identity(identity) => remake::identity(&s.target, &old, &identity)?,
            Step::Register => {
                let relation = relation_named(s)?;
                as_extension_owner(|| carry::strip_privileges(relation))?;
                id = extras::enroll(request, s, relation, &carried.options, Some(conflicts))?;
                strip(s, &old)?;
                change_keys(s, &old, conflicts)?;
            }
            Step::MakeChunks | Step::MoveRows | Step::FinishChunks => {}
        }
    }
    if !attached {
        attach(s, &old, range)?;
    }
    if !conflicts.found.is_empty() {
        // the key may have been it
        let parent = relation_named(s)?;
        as_extension_owner(|| carry::copy_replica_identity(parent, s.table.oid, &old))?;
    }
    file_away(s, &old, range)?;
    catalog::annotate(s.table.oid, "attach")?;
    Ok(id)
}

fn deferred(mut statement: Statement, incoming: Incoming) -> Statement {
    if statement.phase == Phase::Incoming
        && incoming == Incoming::Later
        && !statement.sql.ends_with(" NOT VALID")
    {
        statement.sql += " NOT VALID";
    }
    statement
}

/// Makes the old table bare enough for a chunk.
fn strip(s: &Subject, old: &str) -> Result<()> {
    as_extension_owner(|| {
        // the new table got those of the chunk with the other CHECKs
        drop_check(&s.target, CHECK)?;
        drop_check(&s.target, make::END_CHECK)?;
        for sql in spi::write(STRIP, &[s.table.oid.into(), old.into()], |r| {
            r.need::<String>(2)
        })? {
            spi::execute(&sql, &[])?;
        }
        Ok::<_, Error>(())
    })?;
    if s.column.not_null {
        return Ok(());
    }
    // not read again: the CHECK says it. As the owner: core folds all CHECKs in order to find that one
    let key = quote_ident(&s.key);
    let sql = format!("ALTER TABLE {old} ALTER COLUMN {key} SET NOT NULL");
    super::create::as_owner(s, || spi::execute(&sql, &[])).map(|_| ())
}

/// Takes off the unique keys that the hypertable has otherwise, or not at all: ATTACH builds the wider ones.
fn change_keys(s: &Subject, old: &str, conflicts: &Conflicts) -> Result<()> {
    for sql in conflicts.drops(old) {
        as_extension_owner(|| spi::execute(&sql, &[]))?;
    }
    for statement in remake::not_null(s, old, conflicts) {
        remake::run(s, &statement)?;
    }
    Ok(())
}

fn attach(s: &Subject, old: &str, range: Range) -> Result<()> {
    let key = s.grid.key;
    let sql = format!(
        "ALTER TABLE {} ATTACH PARTITION {old} FOR VALUES FROM ({}) TO ({})",
        s.target,
        range.0.sql(key),
        range.1.sql(key)
    );
    // an index that the old table lacks would be built here, by expressions of the owner: core runs them so
    super::create::as_owner(s, || spi::execute(&sql, &[]))?;
    drop_check(old, CHECK)
}

/// Gives the old table the place and the names of a chunk.
fn file_away(s: &Subject, old: &str, range: Range) -> Result<()> {
    let h = chunks::hypertable(relation_named(s)?)?;
    as_extension_owner(|| {
        chunks::ensure_schema()?;
        let chunk = make::free_name(&h, range.0)?;
        for (n, (sql, kind)) in spi::write(RENAMED, &[s.table.oid.into()], |r| {
            Ok((r.need::<String>(1)?, r.need::<String>(2)?))
        })?
        .into_iter()
        .enumerate()
        {
            let name = quote_ident(&part_name(&chunk, &format!("_{kind}{n}")));
            spi::execute(&format!("{sql} {name}"), &[])?;
        }
        for sql in spi::write(STATISTICS, &[s.table.oid.into()], |r| r.need::<String>(1))? {
            spi::execute(&sql, &[])?;
        }
        let named = quote_ident(&chunk);
        spi::execute(&format!("ALTER TABLE {old} RENAME TO {named}"), &[])?;
        spi::execute(
            &format!(
                "ALTER TABLE {} SET SCHEMA {}",
                quote_qualified(&s.table.schema, &chunk),
                chunks::SCHEMA
            ),
            &[],
        )?;
        Ok(())
    })
}

/// All of it in this transaction; the table stays locked while its rows are read. Returns the number of the
/// hypertable. The caller holds AccessExclusiveLock and has found no blocker.
pub fn convert_locked(request: &Request, s: &Subject, conflicts: &Conflicts) -> Result<i32> {
    // a transaction that has an id reads with fresh snapshots
    one::<i32>("SELECT 1")?;
    if prepared(s)? != Prepared::No {
        drop_checks(s)?;
    }
    let range = range(s)?;
    add_check(request, s, range)?;
    validate(s)?;
    let id = swap(request, s, range, Incoming::Validated, conflicts)?;
    chunks::premake(&chunks::hypertable(relation_named(s)?)?)?;
    Ok(id)
}
