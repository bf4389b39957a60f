//! The length of a lease in seven bits, beside the fence of its row: so a heartbeat can renew each lease of a worker
//! for as long as it was given, without a write to its row.

/// Greatest code: 41 days.
const LAST: u8 = 127;

/// The code of a length in microseconds, rounded up: four codes for each doubling, from a millisecond on.
#[must_use]
pub fn encode(us: i64) -> u8 {
    (1..LAST).find(|code| decode(*code) >= us).unwrap_or(LAST)
}

/// Microseconds; 0 for 0, which stands for no lease by time.
#[must_use]
pub fn decode(code: u8) -> i64 {
    /// 2 ^ (n / 4), in millionths
    const QUARTERS: [i64; 4] = [1_000_000, 1_189_208, 1_414_214, 1_681_793];
    if code == 0 {
        return 0;
    }
    let n = code - 1;
    (QUARTERS[usize::from(n % 4)] << (n / 4)) / 1_000
}

/// What the column `fence` holds: the fence, and the length of the lease.
#[must_use]
pub fn pack(fence: u8, code: u8) -> i16 {
    i16::from(code & LAST) << 8 | i16::from(fence)
}

/// Fence and code of a column.
#[must_use]
pub fn unpack(column: i16) -> (u8, u8) {
    ((column & 255) as u8, (column >> 8 & 127) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_little_longer_than_the_lease() {
        for us in [1, 1_000, 2_000_000, 10_000_000, 300_000_000, 86_400_000_000] {
            let coded = decode(encode(us));
            assert!(coded >= us, "{us} became {coded}");
            assert!(us < 1_000 || coded < us + us / 5, "{us} became {coded}");
        }
        assert_eq!(encode(i64::MAX), LAST);
        assert_eq!((encode(0), decode(0)), (1, 0));
        assert!((1..LAST).all(|c| decode(c) < decode(c + 1)));
    }

    #[test]
    fn fence_and_code_share_a_column() {
        for (fence, code) in [(0, 0), (255, 127), (7, 1), (128, 90)] {
            assert_eq!(unpack(pack(fence, code)), (fence, code));
        }
        assert!(pack(255, 127) > 0);
    }
}
