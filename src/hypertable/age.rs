//! How old the chunks of a table are that is partitioned by ids: what counts is the time column of their rows,
//! not the id.

use super::catalog::{self, Chunk, Hypertable};
use super::key::KeyType;
use super::{calendar, chunks, settings};
use crate::error::Result;
use crate::pg::catalog::qualified_name;
use crate::pg::reader::as_reader;
use crate::pg::spi;

/// The column by which rows of a table with growing ids have an age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeColumn {
    pub name: String,
    /// a date or a timestamp
    pub key: KeyType,
}

/// `None` where the key itself is the time.
pub fn time_column(h: &Hypertable) -> Result<Option<TimeColumn>> {
    let Some(name) = settings::of(h.table.oid)?.and_then(|s| s.time_column) else {
        return Ok(None);
    };
    let key = catalog::column(h.table.oid, &name).and_then(|c| catalog::key_type(c.type_oid));
    Ok(key.map(|key| TimeColumn { name, key }))
}

fn literal(key: KeyType, value: i64) -> String {
    let (least, greatest) = key.limits();
    let text = if value < least {
        "-infinity".into()
    } else if value > greatest {
        "infinity".into()
    } else {
        key.literal(value)
    };
    let name = match key {
        KeyType::Date => "date",
        KeyType::Timestamp => "timestamp",
        _ => "timestamptz",
    };
    format!("'{text}'::pg_catalog.{name}")
}

/// In quotes, without asking the server whether it needs them.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl TimeColumn {
    /// What a row fulfils that keeps its chunk from lying wholly before `older` and at or after `newer`, for a
    /// table that is called `c`. Without a bound every row does.
    #[must_use]
    pub fn outside(&self, older: Option<i64>, newer: Option<i64>) -> String {
        let column = quoted(&self.name);
        let one = |op: &str, value: i64| {
            format!(
                "c.{column} OPERATOR(pg_catalog.{op}) {}",
                literal(self.key, value)
            )
        };
        let all: Vec<String> = [older.map(|v| one(">=", v)), newer.map(|v| one("<", v))]
            .into_iter()
            .flatten()
            .collect();
        match all.is_empty() {
            true => "true".into(),
            false => all.join(" OR "),
        }
    }

    /// Whether all rows of the chunk that have a time lie within the bounds; `None` when no row has one.
    pub fn holds(
        &self,
        chunk: &Chunk,
        older: Option<i64>,
        newer: Option<i64>,
    ) -> Result<Option<bool>> {
        let settings = chunks::ddl_settings();
        // the CHECK of a closed chunk answers without a scan
        settings.set("constraint_exclusion", "on");
        let name = qualified_name(chunk.oid)?;
        let sql = format!(
            "SELECT CASE WHEN EXISTS (SELECT FROM {name} c WHERE {}) THEN false \
             WHEN EXISTS (SELECT FROM {name} c WHERE c.{} IS NOT NULL) THEN true END",
            self.outside(older, newer),
            quoted(&self.name)
        );
        // the latest state: a row that came while somebody waited for a lock counts
        let found = as_reader(chunk.oid, || spi::read_latest(&sql, &[], |r| r.get(1)))?;
        Ok(found.into_iter().next().flatten())
    }

    /// A value of the column in microseconds.
    #[must_use]
    pub fn micros(&self, value: i64) -> i64 {
        match self.key {
            KeyType::Date => value.saturating_mul(calendar::DAY_US),
            _ => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_the_rows_that_keep_a_chunk() {
        let c = TimeColumn {
            name: "made At".into(),
            key: KeyType::Date,
        };
        assert_eq!(
            c.outside(Some(0), None),
            "c.\"made At\" OPERATOR(pg_catalog.>=) '2000-01-01'::pg_catalog.date"
        );
        assert_eq!(
            c.outside(Some(i64::MAX), Some(i64::MIN)),
            "c.\"made At\" OPERATOR(pg_catalog.>=) 'infinity'::pg_catalog.date OR \
             c.\"made At\" OPERATOR(pg_catalog.<) '-infinity'::pg_catalog.date"
        );
        assert_eq!(c.micros(1), calendar::DAY_US);
        assert_eq!(c.outside(None, None), "true");
    }
}
