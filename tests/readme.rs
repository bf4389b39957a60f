//! The README's SQL runs as it stands, block after block, on a fresh server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Cluster;

#[test]
fn every_sql_block_runs() {
    let text = include_str!("../README.md");
    let cluster = Cluster::builder().preload(true).start();
    cluster.create_database("readme");
    let blocks = sql_blocks(text);
    assert!(blocks.len() >= 2, "found only {} blocks", blocks.len());
    for (line, block) in blocks {
        if let Err(error) = cluster.try_psql("readme", &block) {
            panic!("README.md, block at line {line}: {error}\n{block}");
        }
    }
}

/// Blocks fenced as `sql`, with the number of their first line.
fn sql_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim_end()) {
            (None, "```sql") => open = Some((number + 2, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block of the README has no end");
    blocks
}
