//! Split-block Bloom filters over keys of a file: one that says no is right, one that says yes may be wrong
//! about one time in a hundred.
//!
//! Invariant: two values that PostgreSQL takes for equal have the same hash, whatever their stored form.
//! A filter is an array of blocks of 32 bytes; a key looks at one block only, so that asking about one
//! key reads 32 bytes of a large filter. The layout is that of Parquet's filters; hash and layout are
//! kept in catalogs and must never change.

use super::mapping::{Cell, CellRef, Encoding};

/// Bytes of a block.
pub const BLOCK_BYTES: usize = 32;
const BITS_PER_KEY: u64 = 10;
/// 16 MiB; above 13 million keys a filter is wrong more often.
const MAX_BLOCKS: u64 = 1 << 19;
/// Of 100 rows with a key in them, so many must differ in it for the filter to be good for the whole key.
const SELECTIVE_PERCENT: u64 = 95;

const SALT: [u32; 8] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// A filter of a file, as the manifest knows it; its bits are read when they are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BloomInfo {
    /// columns of the chunk, in the order in which their values are hashed
    pub attnums: Vec<i16>,
    /// their names inside the file
    pub columns: Vec<String>,
    pub blocks: u32,
}

/// The hash of a key, values in the order of the filter's columns. `None` when one of them is NULL: rows with
/// NULL are in no filter, since `=` finds none of them.
#[must_use]
pub fn hash<'a>(values: impl IntoIterator<Item = (Encoding, CellRef<'a>)>) -> Option<u64> {
    let mut hash = 0;
    for (encoding, value) in values {
        let float = matches!(encoding, Encoding::Float4 | Encoding::Float8);
        hash = match value {
            CellRef::Null => return None,
            CellRef::Int(i) => xxh64(&i.to_le_bytes(), hash ^ 1),
            // every NaN equals every other one, and -0.0 equals 0.0
            CellRef::Real(r) if r.is_nan() => xxh64(b"NaN", hash ^ 5),
            CellRef::Text(_) | CellRef::Blob(_) if float => xxh64(b"NaN", hash ^ 5),
            CellRef::Real(r) => xxh64(&(r + 0.0).to_bits().to_le_bytes(), hash ^ 2),
            CellRef::Text(t) => xxh64(t, hash ^ 3),
            CellRef::Blob(b) => xxh64(b, hash ^ 4),
        };
    }
    Some(hash)
}

/// The block that a key looks at.
#[must_use]
pub fn block_of(hash: u64, blocks: u32) -> u32 {
    (((hash >> 32) * u64::from(blocks)) >> 32) as u32
}

fn mask(hash: u64) -> [u32; 8] {
    let low = hash as u32;
    SALT.map(|salt| 1 << (low.wrapping_mul(salt) >> 27))
}

/// False when no key of this hash is in the filter that `block` belongs to.
#[must_use]
pub fn block_may_hold(block: &[u8], hash: u64) -> bool {
    let mut words = block.chunks_exact(4);
    mask(hash).iter().all(|bit| {
        words
            .next()
            .and_then(|w| w.try_into().ok())
            .is_none_or(|w| u32::from_le_bytes(w) & bit != 0)
    })
}

/// A filter to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// positions of the columns in a row, in the order in which they are hashed
    pub columns: Vec<usize>,
    /// not needed if the filter with this number turns out to tell nearly all rows apart
    unless: Option<usize>,
}

/// The filters for a file: one for each unique key without the partition column, by which queries look for
/// rows; one for the whole key where the rest does not tell rows apart; one for each column of `more`.
#[must_use]
pub fn wanted(
    encodings: &[Encoding],
    unique: &[Vec<usize>],
    partition: usize,
    more: &[usize],
) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    let mut add = |columns: &[usize], unless: Option<usize>| -> Option<usize> {
        let exact = |c: &usize| encodings.get(*c).is_some_and(|e| e.eq_exact());
        if columns.is_empty() || !columns.iter().all(exact) {
            return None;
        }
        let mut columns = columns.to_vec();
        columns.sort_unstable();
        columns.dedup();
        if let Some(known) = all.iter().position(|w| w.columns == columns) {
            if unless.is_none() {
                all[known].unless = None;
            }
            return Some(known);
        }
        all.push(Wanted { columns, unless });
        Some(all.len() - 1)
    };
    for key in unique {
        let rest: Vec<usize> = key.iter().copied().filter(|c| *c != partition).collect();
        let part = add(&rest, None);
        add(key, part.filter(|_| rest.len() < key.len()));
    }
    for column in more {
        add(&[*column], None);
    }
    all
}

/// A finished filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub columns: Vec<usize>,
    pub blocks: u32,
    pub bits: Vec<u8>,
}

/// Collects the filters of one file while its rows pass by.
#[derive(Debug, Default)]
pub struct Collection {
    encodings: Vec<Encoding>,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    wanted: Wanted,
    blocks: Vec<[u32; 8]>,
    keys: u64,
}

impl Collection {
    /// For `rows` rows, with encodings in the order of their values; the true number may be another one.
    #[must_use]
    pub fn new(encodings: Vec<Encoding>, wanted: Vec<Wanted>, rows: u64) -> Self {
        let size = blocks_for(rows);
        let open = wanted
            .into_iter()
            .map(|wanted| Open {
                wanted,
                blocks: vec![[0; 8]; size],
                keys: 0,
            })
            .collect();
        Collection { encodings, open }
    }

    /// Takes note of one row.
    pub fn add(&mut self, row: &[Cell]) {
        for filter in &mut self.open {
            let values = filter.wanted.columns.iter();
            let values = values.map(|c| (self.encodings[*c], row[*c].as_ref()));
            if let Some(hash) = hash(values) {
                let at = block_of(hash, filter.blocks.len() as u32) as usize;
                for (word, bit) in filter.blocks[at].iter_mut().zip(mask(hash)) {
                    *word |= bit;
                }
                filter.keys += 1;
            }
        }
    }

    /// The filters that are worth keeping.
    #[must_use]
    pub fn finish(self) -> Vec<Filter> {
        let selective: Vec<bool> = self.open.iter().map(Open::is_selective).collect();
        self.open
            .into_iter()
            .filter(|f| !f.wanted.unless.is_some_and(|other| selective[other]))
            .map(Open::finish)
            .collect()
    }
}

/// Blocks for so many keys, such that they can be folded several times.
fn blocks_for(keys: u64) -> usize {
    let bits = keys.saturating_mul(BITS_PER_KEY);
    let blocks = bits.div_ceil(8 * BLOCK_BYTES as u64).clamp(1, MAX_BLOCKS);
    let step = (blocks / 16 + 1).next_power_of_two() / 2;
    blocks.next_multiple_of(step.max(1)) as usize
}

impl Open {
    /// An estimate of how many different keys there are, from the share of bits that are set.
    fn distinct(&self) -> u64 {
        let set: u64 = self
            .blocks
            .iter()
            .flatten()
            .map(|w| u64::from(w.count_ones()))
            .sum();
        let blocks = self.blocks.len() as f64;
        let share = set as f64 / (blocks * 256.0);
        let per_block = (1.0 - share.min(0.999_999)).ln() / (31.0_f64 / 32.0).ln();
        (blocks * per_block).round() as u64
    }

    fn is_selective(&self) -> bool {
        self.distinct() * 100 >= self.keys * SELECTIVE_PERCENT
    }

    /// Halves the filter while it stays large enough for its keys: neighbouring blocks become one, and
    /// [`block_of`] with half the number finds it.
    fn finish(mut self) -> Filter {
        let distinct = self.distinct();
        while self.blocks.len().is_multiple_of(2)
            && self.blocks.len() as u64 * 128 >= distinct * BITS_PER_KEY
        {
            let halves = self.blocks.chunks_exact(2);
            self.blocks = halves
                .map(|pair| std::array::from_fn(|i| pair[0][i] | pair[1][i]))
                .collect();
        }
        Filter {
            columns: self.wanted.columns,
            blocks: self.blocks.len() as u32,
            bits: self
                .blocks
                .iter()
                .flatten()
                .flat_map(|w| w.to_le_bytes())
                .collect(),
        }
    }
}

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

fn round(state: u64, input: u64) -> u64 {
    state
        .wrapping_add(input.wrapping_mul(P2))
        .rotate_left(31)
        .wrapping_mul(P1)
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// XXH64, as published.
fn xxh64(data: &[u8], seed: u64) -> u64 {
    let mut stripes = data.chunks_exact(32);
    let mut hash = if data.len() >= 32 {
        let mut lanes = [
            seed.wrapping_add(P1).wrapping_add(P2),
            seed.wrapping_add(P2),
            seed,
            seed.wrapping_sub(P1),
        ];
        for stripe in &mut stripes {
            for (lane, input) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
                *lane = round(*lane, word(input));
            }
        }
        let mut hash = lanes[0]
            .rotate_left(1)
            .wrapping_add(lanes[1].rotate_left(7))
            .wrapping_add(lanes[2].rotate_left(12))
            .wrapping_add(lanes[3].rotate_left(18));
        for lane in lanes {
            hash = (hash ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4);
        }
        hash
    } else {
        seed.wrapping_add(P5)
    };
    hash = hash.wrapping_add(data.len() as u64);
    let mut words = stripes.remainder().chunks_exact(8);
    for input in &mut words {
        hash = (hash ^ round(0, word(input)))
            .rotate_left(27)
            .wrapping_mul(P1)
            .wrapping_add(P4);
    }
    let mut rest = words.remainder();
    if rest.len() >= 4 {
        hash ^= word(&rest[..4]).wrapping_mul(P1);
        hash = hash.rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        rest = &rest[4..];
    }
    for byte in rest {
        hash ^= u64::from(*byte).wrapping_mul(P5);
        hash = hash.rotate_left(11).wrapping_mul(P1);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(P2);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(P3);
    hash ^ (hash >> 32)
}

#[cfg(test)]
#[path = "bloom_tests.rs"]
mod tests;
