//! `attach_chunk` and `detach_chunk`: a table becomes a chunk, a chunk becomes a table.

use super::bounds::{Edge, Range};
use super::catalog::{self, Hypertable, Table};
use super::chunks::{self, ddl_settings};
use super::make::Maker;
use super::target::{owned_chunk, refuse_cold, tables_of};
use super::{adopt, carry, extras, select};
use crate::error::{Error, Kind, Result};
use crate::pg::anyvalue::AnyValue;
use crate::pg::catalog::{check_owner, lock_relation, quote_ident, quote_qualified};
use crate::pg::owner::{UserScope, as_extension_owner};
use crate::pg::session::{in_transaction_block, notice};
use crate::pg::spi;
use pgrx::pg_sys;
use serde_json::Value;

const FORGET: &str =
    "DELETE FROM strata.chunk WHERE chunk OPERATOR(pg_catalog.=) $1::oid::regclass";

/// Makes a table a chunk with the range that `slices` gives: `{"key": [from, to]}`, null for an open end,
/// times without a zone in UTC. The table stays where it is and keeps its name.
///
/// ShareUpdateExclusiveLock on the hypertable, AccessExclusiveLock on the table while its rows are checked
/// (not at all when a CHECK of it says the same), and what ATTACH takes on tables linked by foreign keys.
pub fn attach(hypertable: pg_sys::Oid, chunk: pg_sys::Oid, slices: &Value) -> Result<()> {
    let h = chunks::hypertable(hypertable)?;
    check_owner(h.table.oid)?;
    check_owner(chunk)?;
    lock_relation(
        h.table.oid,
        pg_sys::ShareUpdateExclusiveLock as pg_sys::LOCKMODE,
    );
    let _settings = ddl_settings();
    let table = catalog::table(chunk)
        .ok_or_else(|| Error::new(Kind::UndefinedTable, "the table to attach is gone"))?;
    check_table(&h, &table)?;
    let (lo, hi) = range(&h, slices)?;
    let parent = quote_qualified(&h.table.schema, &h.table.name);
    let name = quote_qualified(&table.schema, &table.name);
    if table.owner != h.table.owner {
        let owner = quote_ident(&h.table.owner_name);
        as_extension_owner(|| spi::execute(&format!("ALTER TABLE {name} OWNER TO {owner}"), &[]))?;
    }
    {
        let _owner = UserScope::reader(h.table.owner);
        let key = h.grid.key;
        spi::execute(
            &format!(
                "ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ({}) TO ({})",
                lo.sql(key),
                hi.sql(key)
            ),
            &[],
        )?;
    }
    as_extension_owner(|| {
        carry::copy_row_security(h.table.oid, &name)?;
        carry::copy_replica_identity(h.table.oid, chunk, &name)
    })?;
    extras::complete(&Maker::new(&h)?, chunk, (lo, hi))?;
    catalog::annotate(chunk, "attach")?;
    for leaf in tables_of(chunk)? {
        adopt::mark(h.table.owner, leaf.oid)?;
    }
    Ok(())
}

fn check_table(h: &Hypertable, table: &Table) -> Result<()> {
    let name = &table.name;
    if table.oid == h.table.oid {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("hypertable \"{name}\" cannot be a chunk of itself"),
        ));
    }
    if !matches!(table.relkind, 'r' | 'p') {
        return Err(
            Error::new(Kind::WrongObjectType, format!("\"{name}\" is not a table"))
                .detail("Views and foreign tables cannot be chunks."),
        );
    }
    if catalog::hypertable(table.oid)?.is_some() {
        return Err(Error::new(
            Kind::NotSupported,
            format!("hypertable \"{name}\" cannot be a chunk"),
        )
        .hint("attach its chunks one by one: CALL strata.detach_chunk, CALL strata.attach_chunk"));
    }
    if table.is_partition {
        return Err(Error::new(
            Kind::NotInState,
            format!("\"{name}\" is already a partition"),
        )
        .hint("CALL strata.detach_chunk makes a chunk a table of its own"));
    }
    refuse_cold(table.oid, "attach")
}

/// The range in `slices`, as an error of the user where it is none.
fn range(h: &Hypertable, slices: &Value) -> Result<Range> {
    let bad = |what: String| {
        Err(Error::new(Kind::InvalidParameter, what).hint(format!(
            "slices => '{{\"{}\": [\"from\", \"to\"]}}'; null is an open end",
            h.key
        )))
    };
    let Some(map) = slices.as_object() else {
        return bad("slices must be a JSON object".into());
    };
    if let Some(other) = map.keys().find(|k| **k != h.key) {
        return bad(format!(
            "slices names \"{other}\", but chunks of hypertable \"{}\" are ranges of column \"{}\" alone",
            h.table.name, h.key
        ));
    }
    let Some([from, to]) = map.get(&h.key).and_then(Value::as_array).map(Vec::as_slice) else {
        return bad(format!(
            "slices must have an array of two values under \"{}\"",
            h.key
        ));
    };
    let (lo, hi) = (edge(h, from, Edge::Min)?, edge(h, to, Edge::Max)?);
    if lo >= hi {
        return bad("the range in slices is empty".into());
    }
    Ok((lo, hi))
}

fn edge(h: &Hypertable, value: &Value, open: Edge) -> Result<Edge> {
    let value = match value {
        Value::Null => return Ok(open),
        Value::String(s) => AnyValue::Text(s.clone()),
        Value::Number(n) => match n.as_i64() {
            Some(n) => AnyValue::Int(n),
            None => AnyValue::Other("a fraction".into()),
        },
        _ => AnyValue::Other("a JSON value that is neither text nor number".into()),
    };
    let at = select::point("a bound in slices", &value, h.grid.key, &h.key)?;
    let (min, max) = h.grid.key.limits();
    Ok(match at {
        // infinity is no bound that rows could be compared with
        v if v < min => Edge::Min,
        v if v > max => Edge::Max,
        v => Edge::At(v),
    })
}

/// Fails unless the caller may detach the chunk as it is; gives it to the hypertable's owner on the way.
pub fn may_detach(chunk: pg_sys::Oid) -> Result<()> {
    let target = owned_chunk(chunk)?;
    target.refuse_cold("detach")?;
    target.refuse_frozen("detach")?;
    let _settings = ddl_settings();
    target.align_owner()
}

/// Makes a chunk a table of its own: its rows, indexes and grants stay, it keeps its name.
///
/// In this transaction: AccessExclusiveLock on the hypertable and on tables linked by foreign keys.
pub fn detach(chunk: pg_sys::Oid) -> Result<()> {
    let target = owned_chunk(chunk)?;
    target.refuse_cold("detach")?;
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    lock_relation(target.h.table.oid, mode);
    let target = owned_chunk(chunk)?;
    target.refuse_cold("detach")?;
    target.refuse_frozen("detach")?;
    let _settings = ddl_settings();
    target.align_owner()?;
    {
        let _owner = UserScope::reader(target.h.table.owner);
        spi::execute(
            &format!(
                "ALTER TABLE {} DETACH PARTITION {}",
                target.parent(),
                target.qualified()
            ),
            &[],
        )?;
    }
    as_extension_owner(|| spi::execute(FORGET, &[chunk.into()]))?;
    if in_transaction_block() {
        notice(
            &format!(
                "hypertable \"{}\" stays locked until this transaction ends",
                target.h.table.name
            ),
            None,
        );
    }
    Ok(())
}
