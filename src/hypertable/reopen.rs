//! Opens closed chunks that no writer can open: those that a subscription feeds, and those that the extension
//! leaves behind or finds.

use super::catalog::{self, Hypertable};
use super::{retention, zone};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{bgworker, spi};
use crate::queue::Outcome;
use pgrx::pg_sys;

// the workers of subscriptions route rows themselves: nothing of ours sees those before the CHECK does
const IS_SUBSCRIBED: &str =
    "SELECT true FROM pg_subscription_rel s WHERE pg_partition_root(s.srrelid) = $1::oid LIMIT 1";

// a dump restores the schema's grants last, after the rows that may open a chunk
const MAY_ENTER: &str = "SELECT has_schema_privilege($1, c.relnamespace, 'USAGE') FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $2 AND n.nspname = 'strata_chunks'";

/// Lets the owner of a chunk into its schema, as when the schema was made.
pub fn let_in(owner: pg_sys::Oid, chunk: pg_sys::Oid) -> Result<()> {
    as_extension_owner(|| {
        let allowed = spi::read_one(MAY_ENTER, &[owner.into(), chunk.into()], |r| r.need(1))?;
        if allowed == Some(false) {
            spi::execute("GRANT USAGE ON SCHEMA strata_chunks TO PUBLIC", &[])?;
        }
        Ok(())
    })
}

/// True when a subscription writes to the hypertable or to one of its chunks: a late row that comes that way
/// cannot open a chunk, it would stop the replication.
pub fn is_subscribed(h: &Hypertable) -> Result<bool> {
    let found = spi::read_one(IS_SUBSCRIBED, &[h.table.oid.into()], |r| r.need(1))?;
    Ok(found.unwrap_or(false))
}

/// Opens the chunks of a table that got a subscription after they were closed. Takes AccessExclusiveLock on
/// each of them, one after the other.
pub fn for_subscription(h: &Hypertable) -> Outcome {
    let closed = bgworker::transaction(|| {
        if !is_subscribed(h)? {
            return Ok(Vec::new());
        }
        zone::with_check(h.table.oid)
    })?;
    let mut errors = Vec::new();
    for chunk in closed {
        match bgworker::transaction(|| zone::open(h, chunk)) {
            Err(e) if !zone::is_passing(&e) => errors.push(e),
            _ => {}
        }
    }
    retention::summary(errors)
}

/// Opens all chunks that have the CHECK, known to the catalog or not, in this transaction.
pub fn each(h: &Hypertable) -> Result<()> {
    for chunk in zone::with_check(h.table.oid)? {
        zone::open(h, chunk)?;
    }
    Ok(())
}

/// The same for all hypertables of the database: without the extension nobody would do it for late rows.
pub fn everywhere() -> Result<()> {
    for relation in catalog::all_hypertables()? {
        if let Some(h) = catalog::hypertable(relation)? {
            each(&h)?;
        }
    }
    Ok(())
}
