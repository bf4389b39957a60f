//! Which chunks the rows of a plain table fall into.

use super::bounds::{Grid, KeyType, Width};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_ident;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;

/// The query that numbers the chunks of all rows exactly as `Grid::index` does; UTC is set.
#[must_use]
pub fn query(table: &str, key: &str, grid: Grid) -> String {
    let expression = match (grid.width, grid.key) {
        (Width::Months(m), _) => {
            let at = match grid.key {
                KeyType::TimestampTz => format!("timezone('UTC', {key})"),
                _ => key.to_string(),
            };
            format!(
                "floor(((extract(year FROM {at}) - CASE WHEN extract(year FROM {at}) < 0 THEN 1999 ELSE 2000 END) * 12 \
                 + extract(month FROM {at}) - 1) / {m})"
            )
        }
        (Width::Units(n), KeyType::Date) => {
            format!("floor(({key} - DATE '2000-01-03')::numeric / {n})")
        }
        (Width::Units(n), KeyType::Timestamp | KeyType::TimestampTz) => {
            // extract(epoch) is numeric and exact; 946857600 is Monday 2000-01-03
            format!("floor((extract(epoch FROM {key}) - 946857600) * 1000000 / {n})")
        }
        (Width::Units(n), _) => format!("floor({key}::numeric / {n})"),
    };
    format!("SELECT DISTINCT ({expression})::int8 FROM ONLY {table} ORDER BY 1")
}

/// Numbers of the chunks that the rows fall into, in order. Reads as the extension's owner, whom no policy
/// hides a row from; only built-in functions run.
pub fn used(table: &str, key: &str, grid: Grid) -> Result<Vec<i64>> {
    as_extension_owner(|| {
        check_finite(table, key, grid)?;
        spi::write(&query(table, &quote_ident(key), grid), &[], |r| r.need(1))
    })
}

fn check_finite(table: &str, key: &str, grid: Grid) -> Result<()> {
    if !grid.key.is_time() {
        return Ok(());
    }
    let sql = format!(
        "SELECT count(*) FROM ONLY {table} WHERE NOT isfinite({})",
        quote_ident(key)
    );
    match spi::write_one(&sql, &[], |r| r.need::<i64>(1))? {
        Some(n @ 1..) => Err(Error::new(
            Kind::DatetimeOverflow,
            format!(
                "column \"{key}\" contains {n} infinite value{}, which no chunk can hold",
                if n == 1 { "" } else { "s" }
            ),
        )),
        _ => Ok(()),
    }
}
