//! A picture of the chunks: what is hot, what is cold, how many rows and bytes.

use super::fail;
use super::show::{Colour, Show, bytes, number};
use postgres::Client;

struct Chunk {
    name: String,
    month: String,
    cold: bool,
    rows: u64,
    bytes: u64,
    /// Table and indexes before the chunk went cold.
    hot_bytes: u64,
}

/// The chunks of the demo's table, oldest first.
pub struct ChunkMap {
    chunks: Vec<Chunk>,
}

/// Columns of a full bar.
const WIDTH: u64 = 32;

impl ChunkMap {
    pub fn read(client: &mut Client) -> ChunkMap {
        let rows = client.query(
            "SELECT c.chunk_name::text, to_char(c.range_start AT TIME ZONE 'UTC', 'YYYY-MM'), c.state = 'cold',
                    coalesce(n.rows, 0), coalesce(f.bytes, pg_total_relation_size(c.chunk))
             FROM strata.chunks c
             LEFT JOIN strata.cold_files f USING (chunk)
             LEFT JOIN (SELECT tableoid, count(*) AS rows FROM weather GROUP BY 1) n ON n.tableoid = c.chunk
             WHERE c.hypertable_name = 'weather' ORDER BY c.range_start",
            &[],
        );
        let rows = rows.unwrap_or_else(|error| fail(&error));
        let chunks = rows.iter().map(|row| Chunk {
            name: row.get(0),
            month: row.get(1),
            cold: row.get(2),
            rows: row.get::<_, i64>(3) as u64,
            bytes: row.get::<_, i64>(4) as u64,
            hot_bytes: 0,
        });
        ChunkMap {
            chunks: chunks.collect(),
        }
    }

    /// Takes over the sizes that the chunks had in an earlier map.
    pub fn after(mut self, earlier: &ChunkMap) -> ChunkMap {
        for chunk in &mut self.chunks {
            let before = earlier.chunks.iter().find(|old| old.name == chunk.name);
            chunk.hot_bytes = before.map_or(0, |old| old.bytes);
        }
        self
    }

    pub fn cold(&self) -> usize {
        self.chunks.iter().filter(|chunk| chunk.cold).count()
    }

    pub fn cold_bytes(&self) -> u64 {
        let cold = self.chunks.iter().filter(|chunk| chunk.cold);
        cold.map(|chunk| chunk.bytes).sum()
    }

    pub fn bytes_before_tiering(&self) -> u64 {
        let cold = self.chunks.iter().filter(|chunk| chunk.cold);
        cold.map(|chunk| chunk.hot_bytes).sum()
    }

    /// One line per chunk that has rows; the bar's length is its size.
    pub fn draw(&self, show: &Show) {
        let longest = self
            .chunks
            .iter()
            .map(|chunk| chunk.bytes.max(chunk.hot_bytes));
        let longest = longest.max().unwrap_or(1).max(1);
        println!();
        for chunk in self.chunks.iter().filter(|chunk| chunk.rows > 0) {
            let length = (chunk.bytes * WIDTH).div_ceil(longest) as usize;
            let (sign, word, colour) = if chunk.cold {
                ("░", "cold", Colour::Cold)
            } else {
                ("█", "hot ", Colour::Hot)
            };
            let bar = show.paint(&sign.repeat(length), colour);
            let space = " ".repeat((WIDTH as usize).saturating_sub(length));
            let (rows, size) = (number(chunk.rows), bytes(chunk.bytes));
            let before = match chunk.hot_bytes {
                old if chunk.cold && old > 0 => format!("  (was {})", bytes(old)),
                _ => String::new(),
            };
            println!(
                "     {}  {word}  {bar}{space} {rows:>6} rows {size:>7}{before}",
                chunk.month
            );
        }
        let mut empty = self.chunks.iter().filter(|chunk| chunk.rows == 0);
        if let Some(first) = empty.next() {
            let last = empty.next_back().unwrap_or(first);
            println!(
                "     and empty chunks for rows to come, {} to {}",
                first.month, last.month
            );
        }
        println!();
    }
}
