//! The chunks of a table as a picture.

use crate::screen::{Colour, Screen, kilobytes, thousands};

const BAR: i64 = 40;

/// Columns: month, state, chunk, bytes in the database, bytes in the store, rows of the file.
const CHUNKS: &str = "
SELECT to_char(c.range_start AT TIME ZONE 'UTC', 'YYYY-MM'), c.state, c.chunk::text,
       pg_total_relation_size(c.chunk), f.bytes, f.rows
FROM strata.chunks c LEFT JOIN strata.cold_files f ON f.chunk = c.chunk
WHERE c.hypertable_name = $1 ORDER BY c.range_start";

struct Chunk {
    month: String,
    cold: bool,
    rows: i64,
    disk: i64,
    store: i64,
}

fn chunks(client: &mut postgres::Client, table: &str) -> Vec<Chunk> {
    let table = client.query(CHUNKS, &[&table]).expect("the chunks");
    let mut found = Vec::new();
    for row in table {
        let (chunk, in_file): (String, Option<i64>) = (row.get(2), row.get(5));
        let rows = in_file.unwrap_or_else(|| {
            let count = format!("SELECT count(*) FROM {chunk}");
            client.query_one(&count, &[]).expect("a count").get(0)
        });
        found.push(Chunk {
            month: row.get(0),
            cold: row.get::<_, String>(1) == "cold",
            rows,
            disk: row.get(3),
            store: row.get::<_, Option<i64>>(4).unwrap_or(0),
        });
    }
    found
}

/// Bytes of all chunks, in the database and in the store.
pub struct Sizes {
    pub disk: i64,
    pub store: i64,
}

/// Draws the chunks, one line each; empty ones that were made ahead share a line.
pub fn draw(screen: &Screen, client: &mut postgres::Client, table: &str) -> Sizes {
    let chunks = chunks(client, table);
    let (full, ahead): (Vec<&Chunk>, Vec<&Chunk>) = chunks.iter().partition(|chunk| chunk.rows > 0);
    let largest = full.iter().map(|chunk| chunk.disk.max(chunk.store)).max();
    let scale = largest.unwrap_or(1).max(1);
    println!();
    let heading = "  chunk       rows   database   SQLite file";
    println!("{}", screen.paint(Colour::Dim, heading));
    for chunk in &full {
        println!("{}", line(screen, chunk, scale));
    }
    let total = |size: fn(&Chunk) -> i64| chunks.iter().map(size).sum::<i64>();
    let sizes = Sizes {
        disk: total(|chunk| chunk.disk),
        store: total(|chunk| chunk.store),
    };
    println!(
        "  {:7} {:>8} {:>10} {:>13}",
        "all",
        thousands(total(|chunk| chunk.rows)),
        kilobytes(sizes.disk),
        kilobytes(sizes.store)
    );
    if let (Some(first), Some(last)) = (ahead.first(), ahead.last()) {
        screen.note(&format!(
            "and {} empty chunks that wait for rows of {} to {}",
            ahead.len(),
            first.month,
            last.month
        ));
    }
    sizes
}

fn line(screen: &Screen, chunk: &Chunk, scale: i64) -> String {
    let (bytes, block, colour, state) = if chunk.cold {
        (chunk.store, "░", Colour::Cold, "cold")
    } else {
        (chunk.disk, "█", Colour::Hot, "hot")
    };
    let length = ((bytes * BAR + scale / 2) / scale).max(1);
    let bar = block.repeat(usize::try_from(length).unwrap_or(1));
    let store = if chunk.cold {
        kilobytes(chunk.store)
    } else {
        "-".to_string()
    };
    format!(
        "  {:7} {:>8} {:>10} {store:>13}  {} {state}",
        chunk.month,
        thousands(chunk.rows),
        kilobytes(chunk.disk),
        screen.paint(colour, &bar),
    )
}
