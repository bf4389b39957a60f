//! Aggregates that a cold file can work out: which ones, in which words, and from the manifest alone.
//!
//! What comes out are the states that PostgreSQL's own aggregates reach over the rows of the file, no
//! final values: they are combined with those of other chunks and of late rows. Without keys SQLite
//! aggregates, with keys [`super::groups`]; rows of one group may then come out in several states.

use super::manifest::{FileColumn, Manifest};
use super::mapping::{Cell, Encoding, quote_name, timestamp_from_stored};

/// More rows could add up to more than SQLite's integers hold.
const MOST_SUMMED: i64 = 1 << 31;
/// Times and widths that integer arithmetic surely holds.
const FAR_US: i64 = 1 << 60;

/// One column of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// GROUP BY column
    Key(i16),
    /// GROUP BY the start of a bucket of fixed width; one starts at `origin_us`, both as stored
    Bucket {
        attnum: i16,
        width_us: i64,
        origin_us: i64,
    },
    /// count(*)
    Rows,
    /// count(column)
    Count(i16),
    /// sum(column) of small integers
    Sum(i16),
    /// count and sum of small integers, two columns in SQLite
    Average(i16),
    Min(i16),
    Max(i16),
}

impl Output {
    /// The numbers that travel in a plan.
    pub fn write(self, out: &mut Vec<i32>) {
        let mut put = |kind: i32, attnum: i16| out.extend([kind, i32::from(attnum)]);
        match self {
            Output::Key(a) => put(1, a),
            Output::Rows => put(2, 0),
            Output::Count(a) => put(3, a),
            Output::Sum(a) => put(4, a),
            Output::Average(a) => put(5, a),
            Output::Min(a) => put(6, a),
            Output::Max(a) => put(7, a),
            Output::Bucket {
                attnum,
                width_us,
                origin_us,
            } => {
                put(8, attnum);
                for number in [width_us, origin_us] {
                    out.extend([(number >> 32) as i32, number as i32]);
                }
            }
        }
    }

    /// Reads what [`Output::write`] wrote.
    pub fn read(numbers: &mut impl Iterator<Item = i32>) -> Option<Output> {
        let kind = numbers.next()?;
        let attnum = i16::try_from(numbers.next()?).ok()?;
        let mut long = || {
            let (high, low) = (numbers.next()?, numbers.next()?);
            Some(i64::from(high) << 32 | i64::from(low as u32))
        };
        Some(match kind {
            1 => Output::Key(attnum),
            2 => Output::Rows,
            3 => Output::Count(attnum),
            4 => Output::Sum(attnum),
            5 => Output::Average(attnum),
            6 => Output::Min(attnum),
            7 => Output::Max(attnum),
            8 => Output::Bucket {
                attnum,
                width_us: long()?,
                origin_us: long()?,
            },
            _ => return None,
        })
    }

    pub fn is_key(self) -> bool {
        matches!(self, Output::Key(_) | Output::Bucket { .. })
    }

    /// The column that it is made of.
    pub fn attnum(self) -> Option<i16> {
        match self {
            Output::Rows => None,
            Output::Key(a)
            | Output::Bucket { attnum: a, .. }
            | Output::Count(a)
            | Output::Sum(a)
            | Output::Average(a)
            | Output::Min(a)
            | Output::Max(a) => Some(a),
        }
    }

    /// How many columns its state takes.
    pub fn width(self) -> usize {
        1 + usize::from(matches!(self, Output::Average(_)))
    }
}

/// A column in the form that its type has today, every value of it.
fn plain(manifest: &Manifest, attnum: i16, encoding: Encoding) -> Option<&FileColumn> {
    let column = manifest.column(attnum)?;
    let plain = column.physical.is_some() && !column.mixed && column.encoding == encoding;
    plain.then_some(column)
}

/// 0 and -0 are equal and print differently, and which of them an aggregate keeps depends on the order
/// of the rows: true where a column surely has neither.
fn has_no_zero(column: &FileColumn) -> bool {
    let above = matches!(column.min, Some(Cell::Real(min)) if min > 0.0);
    let below = matches!(column.max, Some(Cell::Real(max)) if max < 0.0);
    above || below
}

/// True when the file gives PostgreSQL's answer. `encoding`: that of the column's type today. For text
/// the caller knows that the collation fits: deterministic for keys, bytewise for min and max.
#[must_use]
pub fn serves(manifest: &Manifest, output: Output, encoding: Encoding) -> bool {
    use Encoding as E;
    let column = |attnum| plain(manifest, attnum, encoding);
    let no_float = |c: &FileColumn| !matches!(encoding, E::Float4 | E::Float8) || has_no_zero(c);
    match output {
        Output::Rows => true,
        Output::Count(a) => manifest.column(a).is_some_and(|c| c.physical.is_some()),
        Output::Key(a) => column(a).is_some_and(|c| encoding.eq_exact() && no_float(c)),
        Output::Sum(a) | Output::Average(a) => {
            encoding == E::Int && manifest.rows < MOST_SUMMED && column(a).is_some()
        }
        Output::Min(a) | Output::Max(a) => {
            column(a).is_some_and(|c| encoding.order_exact(true) && no_float(c))
        }
        Output::Bucket {
            attnum,
            width_us,
            origin_us,
        } => {
            matches!(encoding, E::Timestamp | E::TimestampTz)
                && (1..FAR_US).contains(&width_us)
                && column(attnum).is_some_and(|c| within_time(c, width_us, origin_us))
        }
    }
}

/// All values are finite, and so are the starts of their buckets.
fn within_time(column: &FileColumn, width_us: i64, origin_us: i64) -> bool {
    let (Some(Cell::Int(min)), Some(Cell::Int(max))) = (&column.min, &column.max) else {
        return false;
    };
    let shift = origin_us.rem_euclid(width_us);
    let tame = *min > -FAR_US && *max < FAR_US;
    tame && timestamp_from_stored(min - (min - shift).rem_euclid(width_us)).is_some()
}

/// The columns that outputs are made of, each once.
#[must_use]
pub fn columns(outputs: &[Output]) -> Vec<i16> {
    let mut columns = Vec::new();
    for attnum in outputs.iter().filter_map(|o| o.attnum()) {
        if !columns.contains(&attnum) {
            columns.push(attnum);
        }
    }
    columns
}

/// The statement for outputs without keys: one row with the columns of all outputs. `filter` is the
/// SQL of [`super::pushdown::push`] or empty. `range`: number of the first of two parameters, first and
/// last rowid to look at.
#[must_use]
pub fn whole(
    manifest: &Manifest,
    outputs: &[Output],
    filter: &str,
    range: Option<usize>,
) -> String {
    let mut list = Vec::with_capacity(outputs.len() + 1);
    for output in outputs {
        let name = output.attnum().map(|a| physical(manifest, a));
        let name = name.unwrap_or_else(|| "*".to_owned());
        match output {
            // without keys there are none
            Output::Key(_) | Output::Bucket { .. } => list.push(name),
            Output::Rows | Output::Count(_) => list.push(format!("COUNT({name})")),
            Output::Sum(_) => list.push(format!("SUM({name})")),
            Output::Average(_) => {
                list.push(format!("COUNT({name})"));
                list.push(format!("SUM({name})"));
            }
            Output::Min(_) => list.push(format!("MIN({name})")),
            Output::Max(_) => list.push(format!("MAX({name})")),
        }
    }
    select(manifest, &list, filter, range)
}

/// The statement for [`super::groups`]: rows with the values of [`columns`].
#[must_use]
pub fn rows(manifest: &Manifest, outputs: &[Output], filter: &str, range: Option<usize>) -> String {
    let columns = columns(outputs);
    let mut list: Vec<String> = columns.iter().map(|a| physical(manifest, *a)).collect();
    if list.is_empty() {
        list.push("1".to_owned());
    }
    select(manifest, &list, filter, range)
}

fn physical(manifest: &Manifest, attnum: i16) -> String {
    let column = manifest.column(attnum);
    quote_name(column.and_then(|c| c.physical.as_deref()).unwrap_or(""))
}

fn select(manifest: &Manifest, list: &[String], filter: &str, range: Option<usize>) -> String {
    let list = list.join(", ");
    let mut sql = format!("SELECT {list} FROM {}", quote_name(&manifest.raw_table));
    let rowid = quote_name(&manifest.rowid_name);
    let range = range.map(|n| format!("({rowid} BETWEEN ?{n} AND ?{})", n + 1));
    if range.is_some() {
        // the order of the rows finds them, an index would not
        sql.push_str(" NOT INDEXED");
    }
    let conditions = [range.as_deref(), Some(filter)].into_iter().flatten();
    let conditions: Vec<&str> = conditions.filter(|c| !c.is_empty()).collect();
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    sql
}

/// The values of all outputs over all rows of the file, when the manifest knows them.
#[must_use]
pub fn from_manifest(manifest: &Manifest, outputs: &[Output]) -> Option<Vec<Cell>> {
    outputs
        .iter()
        .map(|output| match output {
            Output::Rows => Some(Cell::Int(manifest.rows)),
            Output::Count(a) => {
                let column = manifest.column(*a)?;
                let nulls = if column.has_nulls { column.nulls? } else { 0 };
                Some(Cell::Int(manifest.rows - nulls))
            }
            Output::Min(a) => manifest.column(*a)?.min.clone(),
            Output::Max(a) => manifest.column(*a)?.max.clone(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
