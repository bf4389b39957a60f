//! Chance for fuzzers, and what the environment says about a run.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*: enough for choosing, and the same everywhere.
pub struct Random(u64);

impl Random {
    /// From the environment, or by the clock; printed, so that a failure can be repeated.
    pub fn seeded() -> (Random, u64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = number("STRATA_FUZZ_SEED").unwrap_or(now.as_nanos() as u64 | 1);
        eprintln!("STRATA_FUZZ_SEED={seed}");
        (Random(seed), seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n as u64) as usize
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    pub fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

/// A number in the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
