//! The range of the chunk that a whole table becomes: from its rows, and as the text that keeps it.

use super::bounds::{Edge, Range, Width};
use super::calendar::DAY_US;
use super::chunks;
use super::create::Subject;
use super::key::KeyType;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_ident;
use crate::pg::reader::as_reader;
use crate::pg::spi;

const EDGE: &str = "SELECT {e}, {f} FROM (SELECT {k} AS k FROM ONLY {t} WHERE {k} IS NOT NULL ORDER BY {k} {o} LIMIT 1) x";

/// An edge as it stands in the comment.
fn edge_text(edge: Edge) -> String {
    edge.value().map_or("-".into(), |v| v.to_string())
}

/// `range <lo> <hi>`, `-` for an open end.
#[must_use]
pub fn range_text((lo, hi): Range) -> String {
    format!("range {} {}", edge_text(lo), edge_text(hi))
}

/// Reads [`range_text`].
#[must_use]
pub fn parse_range(text: &str) -> Option<Range> {
    let mut words = text.strip_prefix("range ")?.split(' ');
    let edge = |word: &str, open: Edge| match word {
        "-" => Some(open),
        v => v.parse().ok().map(Edge::At),
    };
    let range = (
        edge(words.next()?, Edge::Min)?,
        edge(words.next()?, Edge::Max)?,
    );
    (words.next().is_none() && range.0 < range.1).then_some(range)
}

fn as_number(key: KeyType) -> (&'static str, &'static str) {
    match key {
        KeyType::Int2 | KeyType::Int4 | KeyType::Int8 => ("k::int8", "true"),
        KeyType::Date => ("(k - DATE '2000-01-01')::int8", "isfinite(k)"),
        KeyType::Timestamp | KeyType::TimestampTz => (
            "CASE WHEN isfinite(k) THEN ((extract(epoch FROM k) - 946684800) * 1000000)::int8 ELSE 0 END",
            "isfinite(k)",
        ),
        KeyType::Uuid => (
            "('x' || encode(substr(uuid_send(k), 1, 6), 'hex'))::bit(48)::int8 * 1000 - 946684800000000",
            "true",
        ),
    }
}

/// Least or greatest key. By an index on the key in no time, else by reading the table.
fn outermost(s: &Subject, order: &str) -> Result<Option<i64>> {
    let (expression, finite) = as_number(s.grid.key);
    // the date of an infinity has no number
    let expression = match s.grid.key {
        KeyType::Date => format!("CASE WHEN isfinite(k) THEN {expression} ELSE 0 END"),
        _ => expression.to_string(),
    };
    let sql = EDGE
        .replace("{e}", &expression)
        .replace("{f}", finite)
        .replace("{k}", &quote_ident(&s.key))
        .replace("{t}", &s.target)
        .replace("{o}", order);
    let found = as_reader(s.table.oid, || {
        spi::write_one(&sql, &[], |r| Ok((r.need::<i64>(1)?, r.need::<bool>(2)?)))
    })?;
    match found {
        Some((_, false)) => Err(Error::new(
            Kind::DatetimeOverflow,
            format!(
                "column \"{}\" of table \"{}\" contains infinite values, which no chunk can hold",
                s.key, s.table.name
            ),
        )),
        Some((value, true)) => Ok(Some(value)),
        None => Ok(None),
    }
}

/// The range of the chunk that the table will be: from a boundary at or below its first row to one that
/// new rows do not reach while the conversion runs. One interval ahead at least, and a day of time or a
/// tenth of the numbers.
pub fn range(s: &Subject) -> Result<Range> {
    let (first, last) = (outermost(s, "ASC")?, outermost(s, "DESC")?);
    let (grid, now) = (s.grid, chunks::now_of(s.grid.key));
    let head = last.max(now).unwrap_or(0);
    let tail = first.or(now).unwrap_or(0);
    let day = if grid.key == KeyType::Date { 1 } else { DAY_US };
    let width = match grid.width {
        Width::Units(n) => n,
        Width::Months(m) => i64::from(m).saturating_mul(31 * day),
    };
    let spare = match now {
        Some(_) => day,
        None => head.saturating_sub(tail) / 10,
    };
    let until = head.saturating_add(width.max(spare));
    Ok((
        grid.range(grid.index(tail))?.0,
        grid.range(grid.index(until))?.1,
    ))
}

/// True when new rows will soon come to the end of the range that an interrupted conversion chose.
pub fn outgrown(s: &Subject, range: Range) -> Result<bool> {
    let Edge::At(end) = range.1 else {
        return Ok(false);
    };
    let head = outermost(s, "DESC")?
        .max(chunks::now_of(s.grid.key))
        .unwrap_or(0);
    Ok(s.grid.index(head) >= s.grid.index(end.saturating_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_survive_their_comment() {
        for range in [
            (Edge::At(-5), Edge::At(7)),
            (Edge::Min, Edge::At(0)),
            (Edge::At(1), Edge::Max),
            (Edge::Min, Edge::Max),
        ] {
            assert_eq!(parse_range(&range_text(range)), Some(range));
        }
    }

    #[test]
    fn other_comments_are_no_ranges() {
        for text in [
            "",
            "range",
            "range 1",
            "range 2 1",
            "range 1 2 3",
            "range a 2",
            "x 1 2",
        ] {
            assert_eq!(parse_range(text), None, "{text}");
        }
    }
}
