//! `CREATE TABLE ... WITH (tsdb.hypertable)`: the hypertable's side of `pg::with_options`.

use super::create::{self, Request};
use super::dimension::{Dimension, DimensionKind, GivenInterval};
use super::unique::Action;
use crate::error::{Error, Result};
use crate::pg::spi;
use crate::pg::with_options::{self, NewTable};
use pgrx::datum::Interval;

/// Registers it with the statement side.
pub fn init() {
    with_options::register(register);
}

fn register(table: &NewTable) -> Result<()> {
    create::create(&Request {
        relation: table.relation,
        dimension: Dimension {
            kind: DimensionKind::Range,
            column: table.column.clone(),
            interval: table.interval.as_deref().map(interval).transpose()?,
            partitions: None,
            time_column: None,
        },
        hash: None,
        default_indexes: table.default_indexes,
        if_not_exists: table.if_not_exists,
        migrate_data: false,
        end_column: None,
        logical_key: None,
        conflicts: Action::Error,
        chunk_options: table.storage.clone(),
        dry_run: false,
    })?;
    Ok(())
}

/// A number, or what PostgreSQL reads as an interval.
fn interval(text: &str) -> Result<GivenInterval> {
    if let Ok(n) = text.trim().parse() {
        return Ok(GivenInterval::Number(n));
    }
    let i = spi::read_one("SELECT $1::pg_catalog.interval", &[text.into()], |r| {
        r.need::<Interval>(1)
    })?
    .ok_or_else(|| Error::internal("a cast returned no row"))?;
    Ok(GivenInterval::Fields {
        months: i.months(),
        days: i.days(),
        microseconds: i.micros(),
    })
}
