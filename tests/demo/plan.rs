//! What a query has read, from EXPLAIN (ANALYZE, FORMAT JSON).

use super::fail;
use super::show::{bytes, number};
use postgres::Client;
use serde_json::Value;

/// Sums over the scans of one executed plan.
#[derive(Default)]
pub struct Read {
    cold_files: u64,
    hot_chunks: u64,
    gets: u64,
    bytes: u64,
    milliseconds: f64,
}

impl Read {
    pub fn of(client: &mut Client, sql: &str) -> Read {
        let sql = format!("EXPLAIN (ANALYZE, FORMAT JSON) {sql}");
        let row = client
            .query_one(&sql, &[])
            .unwrap_or_else(|error| fail(&error));
        let Json(plan) = row.get(0);
        let mut read = Read {
            milliseconds: plan[0]["Execution Time"].as_f64().unwrap_or(0.0),
            ..Read::default()
        };
        read.add(&plan[0]["Plan"]);
        read
    }

    fn add(&mut self, node: &Value) {
        let number = |name: &str| node[name].as_u64().unwrap_or(0);
        if number("Actual Loops") > 0 {
            if node["Cold File"].is_string() {
                self.cold_files += u64::from(node["GETs"].is_u64());
                self.gets += number("GETs");
                self.bytes += number("Bytes");
            } else if node["Relation Name"].is_string() {
                self.hot_chunks += 1;
            }
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child);
        }
    }

    /// `cold`: how many cold chunks there are.
    pub fn sentence(&self, cold: usize) -> String {
        format!(
            "read {} of {cold} files ({} reads, {}) and {} hot chunks in {:.0} ms",
            self.cold_files,
            number(self.gets),
            bytes(self.bytes),
            self.hot_chunks,
            self.milliseconds
        )
    }
}

/// A json column, without the driver's optional feature for it.
struct Json(Value);

impl<'a> postgres::types::FromSql<'a> for Json {
    fn from_sql(
        _: &postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Json(serde_json::from_slice(raw)?))
    }

    fn accepts(found: &postgres::types::Type) -> bool {
        *found == postgres::types::Type::JSON
    }
}
