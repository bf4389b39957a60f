//! Bloom filters of cold files in this backend: single blocks at first, then pieces that are kept.

use super::cold_state::catalog;
use crate::cold::bloom::{BLOCK_BYTES, BloomInfo, block_may_hold, block_of};
use crate::cold::manifest::Manifest;
use crate::error::Result;
use std::cell::RefCell;
use std::collections::HashMap;

/// Questions about one filter that are answered by its block alone; a statement that asks more often gets
/// whole pieces.
const SINGLE_LOOKS: u32 = 8;
/// Blocks of a piece: 256 KiB.
const PIECE_BLOCKS: u32 = 8192;
/// Bytes of all pieces.
const BUDGET: usize = 16 << 20;
/// Filters that are remembered, with pieces or without.
const FILTERS: usize = 1024;
/// A piece takes the place of others only when these were not used for so many looks: a loop over more filters
/// than there is room for would load each of them again and again.
const IDLE: u64 = 20_000;

/// How far to go for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// only what is in memory
    Memory,
    /// also a query of the catalog
    Catalog,
}

/// What is known of one filter.
struct Known {
    file: String,
    columns: Vec<String>,
    looks: u32,
    /// number of the last look at any piece of it
    used: u64,
    pieces: HashMap<u32, Vec<u8>>,
}

#[derive(Default)]
struct Cache {
    /// last used last
    filters: Vec<Known>,
    bytes: usize,
    looks: u64,
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(Cache::default());
}

impl Cache {
    /// The filter's entry, now the last one.
    fn entry(&mut self, file: &str, columns: &[String]) -> &mut Known {
        let at = self
            .filters
            .iter()
            .rposition(|k| k.file == file && k.columns == columns);
        let known = match at {
            Some(at) => self.filters.remove(at),
            None => {
                if self.filters.len() >= FILTERS {
                    self.drop_first();
                }
                Known {
                    file: file.to_owned(),
                    columns: columns.to_vec(),
                    looks: 0,
                    used: 0,
                    pieces: HashMap::new(),
                }
            }
        };
        let last = self.filters.len();
        self.filters.push(known);
        &mut self.filters[last]
    }

    fn drop_first(&mut self) {
        let gone = self.filters.remove(0);
        self.bytes -= gone.pieces.values().map(Vec::len).sum::<usize>();
    }

    /// True when a piece of this size finds a place.
    fn has_room(&self, len: usize) -> bool {
        let idle = |k: &Known| k.used + IDLE < self.looks;
        let oldest = self.filters.iter().find(|k| !k.pieces.is_empty());
        self.bytes + len <= BUDGET || oldest.is_some_and(idle)
    }

    fn keep(&mut self, manifest: &Manifest, bloom: &BloomInfo, number: u32, piece: Vec<u8>) {
        while self.bytes + piece.len() > BUDGET && !self.filters.is_empty() {
            self.drop_first();
        }
        self.bytes += piece.len();
        let now = self.looks;
        let entry = self.entry(&manifest.file, &bloom.columns);
        entry.used = now;
        if let Some(old) = entry.pieces.insert(number, piece) {
            self.bytes -= old.len();
        }
    }
}

/// False when the file has no row with this key (see [`crate::cold::bloom::hash`]); true when it may have one.
pub(super) fn may_hold(
    manifest: &Manifest,
    bloom: &BloomInfo,
    hash: u64,
    effort: Effort,
) -> Result<bool> {
    let block = block_of(hash, bloom.blocks);
    let (number, at) = (block / PIECE_BLOCKS, block % PIECE_BLOCKS);
    let within = |piece: &[u8]| {
        let start = at as usize * BLOCK_BYTES;
        piece
            .get(start..start + BLOCK_BYTES)
            .is_none_or(|b| block_may_hold(b, hash))
    };
    let single = CACHE.with_borrow_mut(|cache| {
        cache.looks += 1;
        let now = cache.looks;
        let room = cache.has_room(PIECE_BLOCKS as usize * BLOCK_BYTES);
        let entry = cache.entry(&manifest.file, &bloom.columns);
        if let Some(piece) = entry.pieces.get(&number) {
            entry.used = now;
            return Err(within(piece));
        }
        if effort == Effort::Memory {
            return Err(true);
        }
        entry.looks = entry.looks.saturating_add(1);
        Ok(entry.looks <= SINGLE_LOOKS || !room)
    });
    let single = match single {
        Ok(single) => single,
        Err(known) => return Ok(known),
    };
    // the cache is not borrowed here: a query of the catalog may come back to us
    let (first, blocks) = if single {
        (block, 1)
    } else {
        let first = number * PIECE_BLOCKS;
        (first, PIECE_BLOCKS.min(bloom.blocks - first))
    };
    let bytes = BLOCK_BYTES as u32;
    let read = (catalog().bloom_bits)(
        &manifest.file,
        &bloom.columns,
        first * bytes,
        blocks * bytes,
    )?;
    let Some(read) = read.filter(|read| read.len() == blocks as usize * BLOCK_BYTES) else {
        return Ok(true);
    };
    if single {
        return Ok(block_may_hold(&read, hash));
    }
    let answer = within(&read);
    CACHE.with_borrow_mut(|cache| cache.keep(manifest, bloom, number, read));
    Ok(answer)
}
