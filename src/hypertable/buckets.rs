//! Which chunks the rows of a plain table fall into.

use super::bounds::{Grid, KeyType, Width};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_ident;
use crate::pg::reader::as_reader;
use crate::pg::spi;
use pgrx::pg_sys;

/// The query that numbers the chunks of all rows exactly as `Grid::index` does; UTC is set.
#[must_use]
pub fn query(table: &str, key: &str, grid: Grid) -> String {
    let origin = grid.origin();
    // milliseconds since 1970 of a uuid
    let ms = format!("('x' || encode(substr(uuid_send({key}), 1, 6), 'hex'))::bit(48)::int8");
    let expression = match (grid.width, grid.key) {
        (Width::Months(m), _) => {
            let at = match grid.key {
                KeyType::TimestampTz => format!("timezone('UTC', {key})"),
                // whole seconds, which double precision holds exactly
                KeyType::Uuid => format!("timezone('UTC', to_timestamp({ms} / 1000))"),
                _ => key.to_string(),
            };
            format!(
                "floor(((extract(year FROM {at}) - CASE WHEN extract(year FROM {at}) < 0 THEN 1999 ELSE 2000 END) * 12 \
                 + extract(month FROM {at}) - 1 - {origin}) / {m})"
            )
        }
        (Width::Units(n), KeyType::Date) => {
            format!("floor(({key} - DATE '2000-01-01' - {origin})::numeric / {n})")
        }
        (Width::Units(n), KeyType::Timestamp | KeyType::TimestampTz) => {
            // extract(epoch) is numeric and exact
            format!("floor(((extract(epoch FROM {key}) - 946684800) * 1000000 - {origin}) / {n})")
        }
        (Width::Units(n), KeyType::Uuid) => {
            format!("floor(({ms}::numeric * 1000 - 946684800000000 - {origin}) / {n})")
        }
        (Width::Units(n), _) => format!("floor({key}::numeric / {n})"),
    };
    format!("SELECT DISTINCT ({expression})::int8 FROM ONLY {table} ORDER BY 1")
}

/// Numbers of the chunks that the rows of a table, with its quoted name, fall into, in order.
pub fn used(relation: pg_sys::Oid, table: &str, key: &str, grid: Grid) -> Result<Vec<i64>> {
    as_reader(relation, || {
        check_finite(table, key, grid)?;
        spi::write(&query(table, &quote_ident(key), grid), &[], |r| r.need(1))
    })
}

fn check_finite(table: &str, key: &str, grid: Grid) -> Result<()> {
    if !grid.key.ends_early() {
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
