//! Clock, random bits and time zones of the server.

use crate::error::{Error, Kind, Result};
use crate::hypertable::calendar::{self as cal, clock};
use pgrx::{IntoDatum, direct_function_call, pg_sys};
use std::cell::RefCell;
use std::ffi::CString;
use std::time::{SystemTime, UNIX_EPOCH};

/// The clock of now, in microseconds since 2000-01-01 UTC.
pub fn wall_clock() -> i64 {
    // SAFETY: reads the clock
    unsafe { pgrx::pg_sys::GetCurrentTimestamp() }
}

/// Nanoseconds since 1970 by the system's clock; 0 before.
pub fn unix_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// 64 bits from the server's strong generator.
pub fn random() -> Result<u64> {
    let mut bits = 0_u64;
    // SAFETY: writes as many bytes as the number has
    let done = unsafe { pg_sys::pg_strong_random((&raw mut bits).cast(), size_of::<u64>()) };
    if done {
        Ok(bits)
    } else {
        Err(Error::new(
            Kind::Internal,
            "could not generate random values",
        ))
    }
}

/// A time zone as `AT TIME ZONE` understands it. Microseconds since 2000-01-01, in UTC or local.
#[derive(Clone, Copy)]
pub enum Zone<'a> {
    /// a zone of the database, which lives as long as the process
    Region(*mut pg_sys::pg_tz),
    /// abbreviations and POSIX forms are looked up by the server at each conversion
    Other(&'a str),
}

thread_local! {
    /// the region asked for last
    static LAST: RefCell<(String, *mut pg_sys::pg_tz)> =
        const { RefCell::new((String::new(), std::ptr::null_mut())) };
}

impl<'a> Zone<'a> {
    /// 22023 for a name that the server does not know.
    pub fn named(name: &'a str) -> Result<Zone<'a>> {
        let unknown = || {
            let error = Error::new(
                Kind::InvalidParameter,
                format!("time zone \"{name}\" not recognized"),
            );
            match name.starts_with(|c: char| c.is_ascii_digit()) {
                true => error.hint(
                    "an untyped literal after the time is a time zone: name the argument, as in origin => '2025-01-01', or cast it",
                ),
                false => error,
            }
        };
        if looks_like_a_date(name) {
            return Err(unknown());
        }
        // abbreviations, which settings can redefine, come before regions and have no slash
        if !name.contains('/') {
            return Ok(Zone::Other(name));
        }
        if let Some(region) = LAST.with_borrow(|(last, tz)| (last == name).then_some(*tz)) {
            return Ok(Zone::Region(region));
        }
        let text = CString::new(name).map_err(|_| unknown())?;
        // SAFETY: a NUL terminated name; the result is NULL or lives as long as the process
        let region = unsafe { pg_sys::pg_tzset(text.as_ptr()) };
        if region.is_null() {
            return Err(unknown());
        }
        LAST.set((name.to_owned(), region));
        Ok(Zone::Region(region))
    }

    /// Local time of a moment.
    pub fn to_local(self, utc: i64) -> Result<i64> {
        match self {
            Zone::Region(region) => {
                let (mut tm, mut west, mut fraction) = (pg_sys::pg_tm::default(), 0, 0);
                // SAFETY: all results are on this stack; the zone is valid
                let failed = unsafe {
                    pg_sys::timestamp2tm(
                        utc,
                        &mut west,
                        &mut tm,
                        &mut fraction,
                        std::ptr::null_mut(),
                        region,
                    )
                };
                shifted(utc, if failed == 0 { -west } else { i32::MAX })
            }
            Zone::Other(name) => at_time_zone(pg_sys::timestamptz_zone, name, utc),
        }
    }

    /// The moment of a local time: of two, the one in standard time; for a skipped one, the clock as it
    /// was before.
    pub fn to_utc(self, local: i64) -> Result<i64> {
        match self {
            Zone::Region(region) => {
                let (day, hour, minute, second, _) = clock(local);
                let (y, m, d) = cal::civil(day);
                let mut tm = pg_sys::pg_tm {
                    tm_year: y as i32,
                    tm_mon: m as i32,
                    tm_mday: d as i32,
                    tm_hour: hour as i32,
                    tm_min: minute as i32,
                    tm_sec: second as i32,
                    ..Default::default()
                };
                // SAFETY: the fields are on this stack; the zone is valid
                let west = unsafe { pg_sys::DetermineTimeZoneOffset(&mut tm, region) };
                shifted(local, west)
            }
            Zone::Other(name) => at_time_zone(pg_sys::timestamp_zone, name, local),
        }
    }
}

/// No zone begins with the number of a year.
fn looks_like_a_date(name: &str) -> bool {
    let year = name.bytes().take_while(u8::is_ascii_digit).count();
    year >= 4 && name[year..].starts_with('-')
}

fn shifted(us: i64, seconds: i32) -> Result<i64> {
    let (min, end) = cal::TIMESTAMP_RANGE;
    match us.checked_add(i64::from(seconds) * 1_000_000) {
        Some(us) if (min..end).contains(&us) && seconds != i32::MAX => Ok(us),
        _ => Err(Error::new(Kind::DatetimeOverflow, "timestamp out of range")),
    }
}

type Function = unsafe fn(pg_sys::FunctionCallInfo) -> pg_sys::Datum;

fn at_time_zone(function: Function, zone: &str, us: i64) -> Result<i64> {
    // SAFETY: both functions take text and a number and return a number
    let result =
        unsafe { direct_function_call::<i64>(function, &[zone.into_datum(), us.into_datum()]) };
    result.ok_or_else(|| Error::internal("AT TIME ZONE gave NULL"))
}
