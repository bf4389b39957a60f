//! Randomness of the server.

use pgrx::pg_sys;
use std::cell::RefCell;

/// Bytes that are drawn at once: most of what it costs is the way to the generator.
const STOCK: usize = 256;

/// Random bytes, of which so many are left.
struct Stock {
    bytes: [u8; STOCK],
    left: usize,
}

thread_local! {
    /// filled by the process that uses it, so that no two processes have the same
    static BYTES: RefCell<Stock> = const {
        RefCell::new(Stock {
            bytes: [0; STOCK],
            left: 0,
        })
    };
}

/// Eight random bits.
pub fn byte() -> u8 {
    BYTES.with_borrow_mut(|stock| {
        if stock.left == 0 {
            // SAFETY: as many bytes as the array has
            unsafe { pg_sys::pg_strong_random(stock.bytes.as_mut_ptr().cast(), STOCK) };
            stock.left = STOCK;
        }
        stock.left -= 1;
        stock.bytes[stock.left]
    })
}

/// A number from 0 up to 1.
pub fn fraction() -> f64 {
    let mut out = 0u32;
    // SAFETY: four bytes of this stack
    unsafe { pg_sys::pg_strong_random((&raw mut out).cast(), size_of::<u32>()) };
    f64::from(out) / f64::from(u32::MAX)
}
