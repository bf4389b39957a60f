//! `drop_hypertable`: back to one plain table under the same name, with its rows and everything on it.
//!
//! The same steps as making a hypertable of a small table, the other way round. What was forgotten and still
//! hangs on the partitioned table stops everything: it is dropped without CASCADE.

use super::catalog::{self, Hypertable};
use super::chunks::{self, ddl_settings};
use super::convert::{self, Phase, Role, Statement};
use super::create::{Subject, one};
use super::make::{Maker, with_options};
use super::target::{refuse_frozen, tables_of};
use super::{carry, extras, refuse, remake, reshape_sql, unique};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{check_owner, lock_relation, quote_literal, quote_qualified};
use crate::pg::guc::MOVE_LIMIT_MB;
use crate::pg::owner::{SettingScope, UserScope, as_extension_owner};
use crate::pg::session::transaction_snapshot_is_fixed;
use crate::pg::spi;
use crate::pg::subxact::attempt;
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys;

const SEARCH_PATH: &str = "SELECT pg_catalog.current_setting('search_path')";

const SIZE: &str = "
WITH RECURSIVE tree (rel) AS (
  SELECT $1::oid UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.rel)
SELECT COALESCE(sum(pg_table_size(c.oid)), 0)::int8 FROM tree t JOIN pg_class c ON c.oid = t.rel";

// what cannot be made again on another table; the rest is carried over
const BLOCKERS: &str = "
SELECT DISTINCT format('%s depends on it.', upper(left(x.d, 1)) || substr(x.d, 2)) FROM (
  SELECT CASE WHEN d.classid = 'pg_rewrite'::regclass
              THEN (SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0) FROM pg_rewrite r WHERE r.oid = d.objid)
              ELSE pg_describe_object(d.classid, d.objid, 0) END AS d
  FROM pg_depend d JOIN pg_class c ON c.oid = $1 LEFT JOIN pg_type y ON y.oid = c.reltype
  WHERE d.deptype = 'n'
    AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
         OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (c.reltype, y.typarray))
    AND d.classid NOT IN ('pg_constraint'::regclass, 'pg_trigger'::regclass, 'pg_publication_rel'::regclass,
                          'pg_statistic_ext'::regclass, 'pg_attrdef'::regclass)
    AND NOT (d.classid = 'pg_policy'::regclass AND EXISTS (SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polrelid = $1))
    AND NOT (d.classid = 'pg_rewrite'::regclass AND EXISTS (
      SELECT FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
      WHERE r.oid = d.objid AND (r.ev_class = $1 OR v.relkind = 'v' AND v.relpersistence <> 't')))) x
ORDER BY 1";

// what a chunk has for itself, besides what `reshape_sql::OWN_OBJECTS` tells and what we put there
const OWN_PARTS: &str = "
SELECT format('Index \"%s\".', x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)
  AND NOT EXISTS (SELECT FROM strata.leaf_key k JOIN strata.hypertable t ON t.id = k.hypertable_id
    WHERE t.relation = $2::oid::regclass AND i.indisunique AND i.indpred IS NULL AND k.columns::text[] = ARRAY(
      SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY u(n, o)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.n ORDER BY u.o))
UNION ALL SELECT format('CHECK \"%s\".', c.conname) FROM pg_constraint c
WHERE c.conrelid = $1 AND c.contype = 'c' AND c.coninhcount = 0 AND c.conname NOT IN ('strata_end', 'strata_zone')
ORDER BY 1";

/// Does it, in this transaction. AccessExclusiveLock on the hypertable, its chunks, and tables and views
/// linked to it. `keep_data` false: the table is empty afterwards.
pub fn drop_hypertable(relation: pg_sys::Oid, keep_data: bool) -> Result<()> {
    let h = chunks::hypertable(relation)?;
    check_owner(relation)?;
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    lock_relation(relation, mode);
    // a transaction that has an id reads with fresh snapshots: what others committed while we waited counts
    one::<i32>("SELECT 1")?;
    let path = spi::read_one(SEARCH_PATH, &[], |r| r.need::<String>(1))?.unwrap_or_default();
    let _settings = ddl_settings();
    let h = chunks::hypertable(h.table.oid)?;
    for oid in refuse::linked(relation)? {
        lock_relation(oid, mode);
    }
    refuse_chunks(&h)?;
    refuse_blockers(&h)?;
    warn_of_losses(&h)?;
    if keep_data {
        refuse_rows(&h)?;
    }
    remake_plain(&h, keep_data, &path)
}

/// 55000 while chunks are cold or frozen.
fn refuse_chunks(h: &Hypertable) -> Result<()> {
    let mut cold = 0;
    for c in catalog::chunks(h.table.oid, true)? {
        refuse_frozen(c.oid, "write again")?;
        let tables = tables_of(c.oid)?;
        cold += usize::from(tables.iter().any(|t| t.access_method == "strata_cold"));
    }
    if cold == 0 {
        return Ok(());
    }
    let name = quote_literal(&quote_qualified(&h.table.schema, &h.table.name));
    Err(Error::new(
        Kind::NotInState,
        format!(
            "{cold} chunk{} of hypertable \"{}\" {} cold",
            if cold == 1 { "" } else { "s" },
            h.table.name,
            if cold == 1 { "is" } else { "are" }
        ),
    )
    .detail("Their rows are in files of the cold tier.")
    .hint(format!("CALL strata.untier_chunks({name})")))
}

/// Says what single chunks have that one table for all rows cannot have.
fn warn_of_losses(h: &Hypertable) -> Result<()> {
    for c in catalog::chunks(h.table.oid, true)? {
        for table in tables_of(c.oid)? {
            let text = |r: spi::Row| r.need::<String>(1);
            let mut own = spi::write(reshape_sql::OWN_OBJECTS, &[table.oid.into()], text)?;
            let args = [table.oid.into(), h.table.oid.into()];
            own.extend(as_extension_owner(|| spi::write(OWN_PARTS, &args, text))?);
            if !own.is_empty() {
                let name = table.qualified();
                pgrx::warning!(
                    "what chunk {name} has for itself goes with it: {}",
                    own.join(" ")
                );
            }
        }
    }
    Ok(())
}

fn refuse_blockers(h: &Hypertable) -> Result<()> {
    let found = spi::write(BLOCKERS, &[h.table.oid.into()], |r| r.need::<String>(1))?;
    if found.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotSupported,
        format!(
            "hypertable \"{}\" cannot become a plain table as it is",
            h.table.name
        ),
    )
    .detail(found.join("\n")))
}

/// What it costs, where that is much; and rows that would not be seen.
fn refuse_rows(h: &Hypertable) -> Result<()> {
    let name = &h.table.name;
    if transaction_snapshot_is_fixed() {
        return Err(Error::new(
            Kind::NotSupported,
            format!("hypertable \"{name}\" can only become a plain table in a READ COMMITTED transaction"),
        )
        .detail("REPEATABLE READ and SERIALIZABLE do not see rows that others have just committed; they would be lost."));
    }
    let bytes: i64 = spi::write_one(SIZE, &[h.table.oid.into()], |r| r.need(1))?.unwrap_or(0);
    let (mb, limit) = (
        (bytes + (1 << 20) - 1) >> 20,
        i64::from(MOVE_LIMIT_MB.get()),
    );
    if mb <= limit {
        return Ok(());
    }
    Err(Error::new(
        Kind::ConfiguredLimit,
        format!("hypertable \"{name}\" holds {mb} MB, more than strata.move_limit ({limit} MB)"),
    )
    .detail(format!(
        "All its rows would be written again, {mb} MB and their indexes, in one transaction, with the table locked."
    ))
    .hint(format!("SET strata.move_limit = '{mb}MB' to do that")))
}

fn statement(phase: Phase, sql: String) -> Statement {
    Statement {
        phase,
        role: Role::Extension,
        sql,
        tablespace: String::new(),
    }
}

/// The statements that only this direction has.
fn frame(h: &Hypertable, s: &Subject, old: &str) -> Result<Vec<Statement>> {
    let new = remake::new_table(s)?;
    let mut clauses = with_options(&h.chunk_options);
    if let Some(t) = &new.tablespace {
        clauses += &format!(" TABLESPACE {t}");
    }
    let (target, owner) = (&s.target, &new.owner);
    let mut out = vec![
        statement(
            Phase::Rename,
            format!("ALTER TABLE {target} RENAME TO {}", new.old),
        ),
        // a forced policy or a revoked right must not hide rows from the move
        statement(
            Phase::Rename,
            format!("ALTER TABLE {old} NO FORCE ROW LEVEL SECURITY"),
        ),
        statement(Phase::Rename, format!("GRANT SELECT ON {old} TO {owner}")),
        statement(
            Phase::Create,
            format!(
                "CREATE TABLE {target} (LIKE {old} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED \
                 INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMPRESSION){clauses}"
            ),
        ),
        statement(
            Phase::Create,
            format!("ALTER TABLE {target} OWNER TO {owner}"),
        ),
        statement(Phase::Drop, format!("DROP TABLE {old}")),
    ];
    // rules of the hypertable, not of the user
    for rule in [extras::V7_CHECK, extras::ORDER_CHECK] {
        out.push(statement(
            Phase::Create,
            format!("ALTER TABLE {target} DROP CONSTRAINT IF EXISTS {rule}"),
        ));
    }
    Ok(out)
}

fn remake_plain(h: &Hypertable, keep_data: bool, path: &str) -> Result<()> {
    let column = catalog::column(h.table.oid, &h.key)
        .ok_or_else(|| Error::internal("a hypertable lost its key"))?;
    let s = Subject {
        target: quote_qualified(&h.table.schema, &h.table.name),
        grid: h.grid,
        table: h.table.clone(),
        key: h.key.clone(),
        column,
    };
    let old = quote_qualified(&h.table.schema, &convert::old_name(h.table.oid.to_u32()));
    let keys = unique::conflicts(h.table.oid, &[], unique::Action::Error)?;
    let carried = carry::capture(h.table.oid, &s.target, &keys)?;
    let leaf_keys = Maker::new(h)?.leaf_keys(&s.target);
    let mut statements = frame(h, &s, &old)?;
    // comments of rules that go
    let ours = |sql: &str| {
        [extras::V7_CHECK, extras::ORDER_CHECK]
            .iter()
            .any(|rule| sql.starts_with(&format!("COMMENT ON CONSTRAINT {rule} ")))
    };
    statements.extend(carried.statements.into_iter().filter(|c| !ours(&c.sql)));
    statements.sort_by_key(|s| s.phase);
    let after_move = statements.partition_point(|s| s.phase < Phase::Keys);
    let rest = statements.split_off(after_move);
    let _quietly = super::target::quietly();
    for s1 in statements {
        remake::run(&s, &s1)?;
    }
    for identity in &carried.identities {
        remake::identity(&s.target, &old, identity)?;
    }
    let plain = super::create::relation_named(&s)?;
    as_extension_owner(|| carry::strip_privileges(plain))?;
    if keep_data {
        let settings = SettingScope::new();
        settings.set("search_path", path);
        let list = carried.columns.join(", ");
        let _owner = UserScope::reader(h.table.owner);
        spi::execute(
            &format!(
                "INSERT INTO {} ({list}) OVERRIDING SYSTEM VALUE SELECT {list} FROM {}",
                s.target,
                quote_qualified(&h.table.schema, &convert::old_name(h.table.oid.to_u32()))
            ),
            &[],
        )?;
    }
    for s2 in rest {
        remake::run(&s, &s2)?;
    }
    leaf_keys.iter().try_for_each(|sql| whole_key(h, sql))
}

/// A key that was unique inside each chunk is one of the table, if it is unique there. Never dropped silently.
fn whole_key(h: &Hypertable, sql: &str) -> Result<()> {
    match attempt(|| as_extension_owner(|| spi::execute(sql, &[]))) {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(error),
        Err(caught) if caught.code == PgSqlErrorCode::ERRCODE_UNIQUE_VIOLATION => {
            pgrx::warning!(
                "table \"{}\" has no longer a key that was unique in each chunk: {}",
                h.table.name,
                caught.message
            );
        }
        Err(caught) => return super::patience::raise(caught),
    }
    Ok(())
}
