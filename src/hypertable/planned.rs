//! What the planner asks about a table.

use crate::error::Result;
use crate::pg::managed::Managed;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const COLUMNS: &str = "
SELECT h.end_column::text, h.time_column::text
FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1";

/// The hypertable as the planner sees it, as of now; `None` for any other table.
pub fn managed(relation: pg_sys::Oid) -> Result<Option<Managed>> {
    let found = as_extension_owner(|| {
        spi::read_latest(COLUMNS, &[relation.into()], |row| {
            Ok(Managed {
                end_column: row.get(1)?,
                time_column: row.get(2)?,
            })
        })
    })?;
    Ok(found.into_iter().next())
}
