//! What a query read, from EXPLAIN (ANALYZE, FORMAT JSON).

use crate::screen::{kilobytes, thousands};
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Default)]
pub struct Reads {
    files: BTreeSet<String>,
    file_rows: i64,
    gets: i64,
    bytes: i64,
    hot: BTreeSet<String>,
    hot_rows: i64,
    milliseconds: f64,
}

impl Reads {
    /// Adds up a plan as PostgreSQL prints it.
    pub fn of(explained: &str) -> Reads {
        let explained: Value = serde_json::from_str(explained).expect("JSON of EXPLAIN");
        let statement = &explained[0];
        let mut reads = Reads {
            milliseconds: statement["Execution Time"]
                .as_f64()
                .expect("a time in the plan"),
            ..Reads::default()
        };
        reads.add(&statement["Plan"]);
        reads
    }

    fn add(&mut self, node: &Value) {
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
        let number = |name: &str| node[name].as_i64().unwrap_or(0);
        let Some(relation) = node["Relation Name"].as_str() else {
            return;
        };
        let loops = number("Actual Loops");
        if loops == 0 {
            return; // pruned while the query ran
        }
        if node["Custom Plan Provider"] == "ColdScan" {
            self.files.insert(relation.to_string());
            self.file_rows += number("Rows Read");
            self.gets += number("GETs");
            self.bytes += number("Bytes");
        } else {
            self.hot.insert(relation.to_string());
            self.hot_rows += loops * (number("Actual Rows") + number("Rows Removed by Filter"));
        }
    }

    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// One line for people.
    pub fn summary(&self, chunks: usize) -> String {
        let mut parts = Vec::new();
        if !self.files.is_empty() {
            parts.push(format!(
                "{} ({}, {}, {})",
                count(self.files.len(), "file"),
                rows(self.file_rows),
                count(usize::try_from(self.gets).unwrap_or(0), "GET"),
                kilobytes(self.bytes)
            ));
        }
        if !self.hot.is_empty() {
            let chunks = count(self.hot.len(), "hot chunk");
            parts.push(format!("{chunks} ({})", rows(self.hot_rows)));
        }
        let skipped = chunks.saturating_sub(self.files.len() + self.hot.len());
        format!(
            "read: {}, {} skipped; {:.0} ms",
            parts.join(", "),
            count(skipped, "chunk"),
            self.milliseconds.max(1.0)
        )
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn rows(number: i64) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} row{plural}", thousands(number))
}
