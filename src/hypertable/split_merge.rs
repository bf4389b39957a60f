//! `split_chunk` and `merge_chunks`: which chunks become which.

use super::bounds::Edge;
use super::reshape::reshape;
use super::target::{Target, owned_chunk};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;

/// Splits a chunk in two. Without `at`: at a boundary of the grid in its middle, or at its middle.
pub fn split(chunk: pg_sys::Oid, at: Option<i64>) -> Result<Vec<pg_sys::Oid>> {
    let t = owned_chunk(chunk)?;
    let (lo, hi) = t.chunk.range;
    let at = match at {
        Some(at) => at,
        None => middle(&t)?,
    };
    if Edge::At(at) <= lo || Edge::At(at) >= hi {
        let key = t.h.grid.key;
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("split_at is not inside of chunk \"{}\"", t.table.name),
        )
        .detail(format!("It goes from {} to {}.", lo.sql(key), hi.sql(key))));
    }
    reshape(
        &t.h,
        vec![t.chunk],
        &[(lo, Edge::At(at)), (Edge::At(at), hi)],
        "split",
    )
}

fn middle(t: &Target) -> Result<i64> {
    let grid = t.h.grid;
    let (Edge::At(lo), Edge::At(hi)) = t.chunk.range else {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!(
                "chunk \"{}\" has an open end and so no middle",
                t.table.name
            ),
        )
        .hint("give split_at"));
    };
    let (first, last) = (grid.index(lo), grid.index(hi.saturating_sub(1)));
    if last > first
        && let (Edge::At(at), _) = grid.range(first + (last - first + 1) / 2)?
        && at > lo
        && at < hi
    {
        return Ok(at);
    }
    Ok(lo + (hi - lo) / 2)
}

/// Merges neighbours into one chunk.
pub fn merge(chunks: &[pg_sys::Oid]) -> Result<Vec<pg_sys::Oid>> {
    let mut targets = chunks
        .iter()
        .map(|c| owned_chunk(*c))
        .collect::<Result<Vec<Target>>>()?;
    targets.sort_by_key(|t| t.chunk.range);
    targets.dedup_by_key(|t| t.chunk.oid);
    let (Some(first), Some(last)) = (targets.first(), targets.last()) else {
        return Err(too_few());
    };
    if targets.len() < 2 {
        return Err(too_few());
    }
    for pair in targets.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        if a.h.table.oid != b.h.table.oid {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!(
                    "chunks \"{}\" and \"{}\" belong to different hypertables",
                    a.table.name, b.table.name
                ),
            ));
        }
        if a.chunk.range.1 != b.chunk.range.0 {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!(
                    "chunks \"{}\" and \"{}\" are not neighbours",
                    a.table.name, b.table.name
                ),
            ));
        }
    }
    let range = (first.chunk.range.0, last.chunk.range.1);
    let sources = targets.iter().map(|t| t.chunk).collect();
    reshape(&first.h, sources, &[range], "merge")
}

fn too_few() -> Error {
    Error::new(
        Kind::InvalidParameter,
        "merge_chunks needs at least two different chunks",
    )
}
