//! What reading a file costs: requests to the store, and bytes.

use super::manifest::Manifest;

/// A block of the cache: the least that is asked for.
const BLOCK: f64 = 65_536.0;
/// What one request of a sequential read brings.
const READ_AHEAD: f64 = 4.0 * 1024.0 * 1024.0;
/// An index entry with its rowid, roughly.
const ENTRY: f64 = 32.0;
/// A request to a directory of this machine, in planner units.
const LOCAL_GET: f64 = 4.0;

/// Requests and bytes of one way to read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Access {
    pub gets: f64,
    pub bytes: f64,
}

/// How conditions narrow a read through one index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Narrowing {
    /// part of all rows that the index hands out
    pub fraction: f64,
    /// these rows lie together in the table
    pub together: bool,
}

/// Planner units of one GET and one byte.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    pub get: f64,
    pub byte: f64,
}

impl Prices {
    /// The settings count for stores behind a network only.
    #[must_use]
    pub fn of(manifest: &Manifest, get: f64, byte: f64) -> Prices {
        if manifest.is_local {
            Prices {
                get: LOCAL_GET,
                byte: 0.0,
            }
        } else {
            Prices { get, byte }
        }
    }

    /// Planner units of an access.
    #[must_use]
    pub fn units(self, access: Access) -> f64 {
        access.gets * self.get + access.bytes * self.byte
    }
}

fn sequential(bytes: f64) -> Access {
    Access {
        gets: (bytes / READ_AHEAD).ceil(),
        bytes,
    }
}

fn plus(a: Access, b: Access) -> Access {
    Access {
        gets: a.gets + b.gets,
        bytes: a.bytes + b.bytes,
    }
}

/// Bytes of the rows alone.
fn table_bytes(manifest: &Manifest) -> f64 {
    let entries = manifest.rows.max(0) as f64 * ENTRY * manifest.indexes.len() as f64;
    let bytes = manifest.bytes as f64;
    (bytes - entries).max(bytes / 4.0)
}

/// Opening: schema and inner pages. Later scans of a session find them in the cache.
#[must_use]
pub fn open() -> Access {
    Access {
        gets: 1.0,
        bytes: BLOCK,
    }
}

/// All rows.
#[must_use]
pub fn full(manifest: &Manifest) -> Access {
    sequential(table_bytes(manifest))
}

/// Some rows by an index: its leaves, which lie together, then the rows, which may be anywhere.
#[must_use]
pub fn by_index(manifest: &Manifest, narrowing: Narrowing) -> Access {
    let table = table_bytes(manifest);
    let rows = (manifest.rows as f64 * narrowing.fraction).max(1.0);
    let leaves = sequential((rows * ENTRY).max(BLOCK));
    let rows = if narrowing.together {
        sequential((table * narrowing.fraction).max(BLOCK))
    } else {
        // rows that share a block are fetched once (as many as are hit by chance)
        let blocks = (table / BLOCK).max(1.0);
        let hit = blocks * (1.0 - (-rows / blocks).exp());
        let hit = hit.clamp(1.0, blocks);
        Access {
            gets: hit,
            bytes: hit * BLOCK,
        }
    };
    plus(leaves, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(is_local: bool) -> Manifest {
        Manifest {
            rows: 400_000,
            bytes: 63_000_000,
            is_local,
            ..Manifest::default()
        }
    }

    #[test]
    fn a_lookup_is_far_cheaper_than_the_file() {
        let m = manifest(false);
        let prices = Prices::of(&m, 2000.0, 0.0005);
        let one = Narrowing {
            fraction: 1.0 / 400_000.0,
            together: false,
        };
        let lookup = by_index(&m, one);
        assert!(lookup.gets <= 2.1, "{lookup:?}");
        assert!(prices.units(lookup) * 5.0 < prices.units(full(&m)));
    }

    #[test]
    fn scattered_rows_cost_more_than_neighbours_and_at_most_all_blocks() {
        let m = manifest(false);
        let of = |fraction, together| by_index(&m, Narrowing { fraction, together });
        assert!(of(0.001, true).gets < of(0.001, false).gets);
        let all = of(1.0, false);
        assert!(all.gets <= 63_000_000.0 / BLOCK + 10.0, "{all:?}");
        assert!(of(0.01, true).bytes <= 63_000_000.0 * 0.02);
    }

    #[test]
    fn a_local_directory_has_prices_of_its_own() {
        let local = Prices::of(&manifest(true), 2000.0, 0.0005);
        assert_eq!(local.units(full(&manifest(true))), 4.0 * 16.0);
        let remote = Prices::of(&manifest(false), 10.0, 0.0);
        assert_eq!(remote.get, 10.0);
    }
}
