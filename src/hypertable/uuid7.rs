//! Version 7 UUIDs (RFC 9562, section 5.7): 48 bits of Unix milliseconds, 4 bits version, 12 bits that
//! hold the fraction of the millisecond (method 3 of section 6.2), 2 bits variant, 62 random bits.

use super::calendar::DAY_US;
use crate::error::{Error, Kind, Result};

/// 2000-01-01 in microseconds since 1970-01-01.
const EPOCH_2000_US: i64 = 10_957 * DAY_US;
/// The first millisecond that 48 bits cannot hold.
const MS_END: i64 = 1 << 48;
/// Parts of a millisecond in the 12 bits.
const PARTS: i64 = 4096;

/// A point in time as an id holds it: Unix milliseconds * 4096 + fraction.
pub type Ticks = i64;

/// Ticks of a timestamp in microseconds since 2000-01-01. 22008 before 1970 and after the year 10889.
pub fn ticks(us: i64) -> Result<Ticks> {
    let unix = us.checked_add(EPOCH_2000_US).filter(|unix| *unix >= 0);
    match unix.map(|unix| (unix / 1000, unix % 1000)) {
        Some((ms, part)) if ms < MS_END => Ok(ms * PARTS + part * PARTS / 1000),
        _ => Err(
            Error::new(Kind::DatetimeOverflow, "timestamp out of range for a UUID")
                .hint("a version 7 UUID holds times from 1970-01-01 to the year 10889"),
        ),
    }
}

/// Ticks of a clock in nanoseconds since 1970, always above `last`.
#[must_use]
pub fn next_ticks(unix_ns: i64, last: Ticks) -> Ticks {
    let now = unix_ns / 1_000_000 * PARTS + unix_ns % 1_000_000 * PARTS / 1_000_000;
    now.max(last + 1)
}

/// The id of a point in time with these random bits, of which 62 are used.
#[must_use]
pub fn build(ticks: Ticks, random: u64) -> [u8; 16] {
    let high = ((ticks / PARTS) as u64) << 16 | 0x7000 | (ticks % PARTS) as u64;
    let low = 1 << 63 | random >> 2;
    let mut id = [0; 16];
    id[..8].copy_from_slice(&high.to_be_bytes());
    id[8..].copy_from_slice(&low.to_be_bytes());
    id
}

/// The smallest number that can stand where [`build`] puts the random bits. The variant bits are part of
/// it, so the bound is below every id of the same or a later time that follows the RFC.
#[must_use]
pub fn boundary(ticks: Ticks) -> [u8; 16] {
    build(ticks, 0)
}

/// The number in the version field.
#[must_use]
pub fn version(id: &[u8; 16]) -> i32 {
    i32::from(id[6] >> 4)
}

/// The milliseconds of a version 7 id, in microseconds since 2000-01-01. 22023 for other versions.
pub fn timestamp(id: &[u8; 16]) -> Result<i64> {
    if version(id) != 7 {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("a version {} UUID holds no time", version(id)),
        )
        .hint("strata.generate_uuidv7() makes version 7 UUIDs"));
    }
    let ms = id[..6].iter().fold(0, |ms, b| ms << 8 | i64::from(*b));
    Ok(ms * 1000 - EPOCH_2000_US)
}

/// As [`timestamp`], with the fraction of the millisecond that this module puts into the id.
pub fn timestamp_micros(id: &[u8; 16]) -> Result<i64> {
    let part = i64::from(id[6] & 0x0f) << 8 | i64::from(id[7]);
    // rounded up: what was rounded down comes back exactly
    Ok(timestamp(id)? + ((part * 1000 + PARTS - 1) / PARTS).min(999))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 9562, appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F, 2022-02-22 19:22:22 UTC
        let id = 0x017F_22E2_79B0_7CC3_98C4_DC0C_0C07_398F_u128.to_be_bytes();
        assert_eq!(version(&id), 7);
        let unix = timestamp(&id).unwrap() + EPOCH_2000_US;
        assert_eq!(unix, 0x017F_22E2_79B0 * 1000);
    }

    #[test]
    fn limits() {
        assert_eq!(
            boundary(ticks(-EPOCH_2000_US).unwrap())[6..9],
            [0x70, 0, 0x80]
        );
        let kind = |us| ticks(us).unwrap_err().kind;
        assert_eq!(kind(-EPOCH_2000_US - 1), Kind::DatetimeOverflow);
        assert_eq!(kind(i64::MAX), Kind::DatetimeOverflow);
        assert_eq!(kind(i64::MIN), Kind::DatetimeOverflow);
        let last = MS_END * 1000 - 1 - EPOCH_2000_US;
        assert_eq!(
            timestamp_micros(&build(ticks(last).unwrap(), u64::MAX)),
            Ok(last)
        );
        assert_eq!(kind(last + 1), Kind::DatetimeOverflow);
        let v4 = [0x44; 16];
        assert_eq!(timestamp(&v4).unwrap_err().kind, Kind::InvalidParameter);
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_still_gives_rising_ticks() {
        let mut last = 0;
        for ns in [5_000_000, 5_000_000, 5_000_100, 4_000_000, 5_000_000_000] {
            let next = next_ticks(ns, last);
            assert!(next > last);
            last = next;
        }
        assert_eq!(last, 5000 * PARTS);
    }

    proptest! {
        #[test]
        fn microseconds_come_back(unix in 0..MS_END * 1000, random: u64) {
            let us = unix - EPOCH_2000_US;
            let id = build(ticks(us).unwrap(), random);
            prop_assert_eq!(timestamp_micros(&id), Ok(us));
            prop_assert_eq!(timestamp(&id), Ok(us - unix % 1000));
            prop_assert_eq!((version(&id), id[8] >> 6), (7, 2));
            prop_assert!(boundary(ticks(us).unwrap()) <= id);
        }

        #[test]
        fn ids_sort_by_time(a in 0..MS_END * 1000, b in 0..MS_END * 1000, r: u64, s: u64) {
            let id = |unix: i64, random| build(ticks(unix - EPOCH_2000_US).unwrap(), random);
            if a != b {
                prop_assert_eq!(id(a, r) < id(b, s), a < b);
            }
        }
    }
}
