//! Chunks of growing ids: how many ids come in the time that a chunk should hold.

use super::bounds::{Edge, Width};
use super::catalog::{self, Chunk, Hypertable};
use super::settings;
use crate::error::Result;
use crate::pg::catalog::{invalidate, qualified_name, quote_ident};
use crate::pg::owner::as_extension_owner;
use crate::pg::reader::as_reader;
use crate::pg::spi;

const INTERVAL: &str = "
SELECT (extract(epoch FROM h.chunk_interval) OPERATOR(pg_catalog.*) 1000000)::int8
FROM strata.hypertable h WHERE h.relation OPERATOR(pg_catalog.=) $1
  AND h.chunk_interval IS NOT NULL AND h.integer_interval IS NOT NULL";

/// Fewer ids than these say nothing about a rate, and no chunk is narrower.
const FEW: i64 = 1000;

/// The width in ids, a 1-2-5 number, for chunks that hold about `interval_us`, when `ids` came in
/// `elapsed_us`; `None` where that is too little to go by.
#[must_use]
pub fn width(ids: i64, elapsed_us: i64, interval_us: i64) -> Option<i64> {
    if ids < FEW || elapsed_us < interval_us / 50 || elapsed_us <= 0 {
        return None;
    }
    let wanted = i128::from(ids) * i128::from(interval_us) / i128::from(elapsed_us);
    let wanted = wanted.clamp(i128::from(FEW), i128::from(i64::MAX / 10));
    let mut step: i128 = 1;
    while step * 10 <= wanted {
        step *= 10;
    }
    // the middle between two steps, by ratio
    let n = match wanted * 100 / step {
        0..142 => step,
        142..317 => 2 * step,
        317..708 => 5 * step,
        _ => 10 * step,
    };
    i64::try_from(n).ok()
}

/// Chooses the width of chunks made from now on, for tables that asked for it; a change below a factor of
/// two is none. Looks at the newest chunk that has rows.
pub fn adapt(h: &Hypertable, chunks: &[Chunk]) -> Result<Option<Width>> {
    if h.grid.key.is_time() {
        return Ok(None);
    }
    let interval = as_extension_owner(|| {
        spi::read_one(INTERVAL, &[h.table.oid.into()], |r| r.need::<i64>(1))
    })?;
    let (Some(interval), Some(time), Width::Units(now)) = (
        interval,
        settings::need(h.table.oid)?.time_column,
        h.grid.width,
    ) else {
        return Ok(None);
    };
    for c in chunks.iter().rev().filter(|c| c.range.0 != Edge::Max) {
        if let Some((ids, elapsed)) = observed(h, c, &time)? {
            let max = h.grid.key.limits().1;
            let Some(n) = width(ids, elapsed, interval).map(|n| n.min(max)) else {
                return Ok(None);
            };
            if n < now.saturating_mul(2) && n > now / 2 {
                return Ok(None);
            }
            let width = Width::Units(n);
            catalog::set_id_width(h.table.oid, n)?;
            invalidate(h.table.oid);
            return Ok(Some(width));
        }
    }
    Ok(None)
}

/// How many ids lie between the first and the last row of a chunk, and how much time.
fn observed(h: &Hypertable, c: &Chunk, time: &str) -> Result<Option<(i64, i64)>> {
    let (chunk, k, t) = (
        qualified_name(c.oid)?,
        quote_ident(&h.key),
        quote_ident(time),
    );
    let end = |order: &str| {
        format!(
            "(SELECT {k}::int8 AS k, ((extract(epoch FROM {t}) - 946684800) * 1000000)::int8 AS t FROM {chunk} \
             WHERE {t} IS NOT NULL AND isfinite({t}) ORDER BY {k} {order} LIMIT 1)"
        )
    };
    let sql = format!(
        "SELECT z.k - a.k, z.t - a.t FROM {} a, {} z",
        end("ASC"),
        end("DESC")
    );
    as_reader(c.oid, || {
        spi::read_one(&sql, &[], |r| Ok((r.need(1)?, r.need(2)?)))
    })
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn widths_are_round_and_near_the_rate() {
        let day = 86_400_000_000;
        assert_eq!(width(10_000, day, 7 * day), Some(50_000));
        assert_eq!(width(100_000, day, day), Some(100_000));
        assert_eq!(width(290_000, day, day), Some(200_000));
        assert_eq!(width(330_000, day, day), Some(500_000));
        assert_eq!(width(800_000, day, day), Some(1_000_000));
        assert_eq!(width(i64::MAX, 1, 50), Some(1_000_000_000_000_000_000));
        assert_eq!(width(1500, 70 * day, day), Some(1000));
    }

    #[test]
    fn too_little_says_nothing() {
        let day = 86_400_000_000;
        assert_eq!(width(999, day, day), None);
        assert_eq!(width(5000, day / 100, day), None);
        assert_eq!(width(5000, 0, 0), None);
    }
}
