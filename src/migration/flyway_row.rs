//! The rows that Flyway's table gets. It is a log: nothing in it is ever changed or deleted.

use super::foreign_hash;
use super::foreign_rows::ForeignVersion;
use super::foreign_writes::{AppliedFile, Write, description, int4, text, written};
use super::name::Kind;

/// The row that `flyway migrate` writes for a file. Source: SchemaHistory.java, `addAppliedMigration`.
pub(super) fn insert(applied: &AppliedFile, body: &str) -> Write {
    let type_name = match applied.kind {
        Kind::Baseline => "SQL_BASELINE",
        _ => "SQL",
    };
    let version = applied.version.map(|_| written(applied));
    let millis = i32::try_from(applied.duration_ns / 1_000_000).unwrap_or(i32::MAX);
    Write {
        sql: "INSERT INTO {} (installed_rank, version, description, type, script, checksum, installed_by, \
              execution_time, success) \
              SELECT COALESCE(pg_catalog.max(installed_rank), 0) OPERATOR(pg_catalog.+) 1, $1::pg_catalog.text, \
              $2::pg_catalog.text, $3::pg_catalog.text, $4::pg_catalog.text, $5::pg_catalog.int4, CURRENT_USER, \
              $6::pg_catalog.int4, true FROM {}",
        params: vec![
            text(version),
            text(Some(&shortened(&description(applied.title), 200))),
            text(Some(type_name)),
            text(Some(&cut_in_front(applied.filename, 1000))),
            int4(Some(foreign_hash::flyway(body))),
            int4(Some(millis)),
        ],
    }
}

/// Flyway never deletes. What `flyway repair` writes for a version that is to count no longer is a row of type DELETE
/// with the data of the one it voids; free editions stumble over the UNDO_SQL of the paid ones ("no enum constant").
pub(super) fn strike_out(row: &ForeignVersion, again: bool) -> Option<Write> {
    // a repeatable simply gets another row
    if again && row.version.is_none() {
        return None;
    }
    const VERSION: &str = "INSERT INTO {} (installed_rank, version, description, type, script, checksum, \
        installed_by, execution_time, success) \
        SELECT (SELECT pg_catalog.max(installed_rank) OPERATOR(pg_catalog.+) 1 FROM {}), version, description, \
        'DELETE', script, checksum, CURRENT_USER, 0, success FROM {} \
        WHERE version OPERATOR(pg_catalog.=) $1::pg_catalog.text \
        AND type OPERATOR(pg_catalog.!~) '^(SCHEMA|BASELINE|DELETE|UNDO_.*)$' \
        ORDER BY installed_rank DESC LIMIT 1";
    const REPEATABLE: &str = "INSERT INTO {} (installed_rank, version, description, type, script, checksum, \
        installed_by, execution_time, success) \
        SELECT (SELECT pg_catalog.max(installed_rank) OPERATOR(pg_catalog.+) 1 FROM {}), version, description, \
        'DELETE', script, checksum, CURRENT_USER, 0, success FROM {} \
        WHERE version IS NULL AND description OPERATOR(pg_catalog.=) $1::pg_catalog.text \
        AND type OPERATOR(pg_catalog.!~) '^(SCHEMA|BASELINE|DELETE|UNDO_.*)$' \
        ORDER BY installed_rank DESC LIMIT 1";
    match (&row.version, &row.name) {
        (Some(version), _) => Some(Write {
            sql: VERSION,
            params: vec![text(Some(version))],
        }),
        (None, Some(name)) => Some(Write {
            sql: REPEATABLE,
            params: vec![text(Some(name))],
        }),
        (None, None) => None,
    }
}

/// Flyway's way to make a description fit.
fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most - 3).collect();
    format!("{head}...")
}

/// Flyway's way to make a script's name fit: the first letters give way to dots, and what is too long is cut behind.
fn cut_in_front(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let rest: String = text.chars().skip(3).take(most - 3).collect();
    format!("...{rest}")
}

#[cfg(test)]
#[path = "flyway_row_tests.rs"]
mod tests;
