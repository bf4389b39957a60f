//! time_bucket in a time zone: to local time, bucket, back.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::bucket::{Span, bucket, is_finite};
use super::super::uuid7;
use super::time::{span, width};
use crate::error::Result;
use crate::pg::time::Zone;
use pgrx::datum::{Interval, Uuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Start of the bucket in local time. A start that the clock skips (summer time begins) is the moment
/// after; one that occurs twice (summer time ends) is the second, as `AT TIME ZONE` has it.
fn local_bucket(
    bucket_width: &Interval,
    ts: i64,
    zone: &str,
    origin: Option<i64>,
    offset: Option<&Interval>,
) -> Result<i64> {
    let width = width(bucket_width)?;
    let zone = Zone::named(zone)?;
    if !is_finite(ts) {
        return Ok(ts);
    }
    let origin = match origin {
        Some(us) if is_finite(us) => Some(zone.to_local(us)?),
        other => other,
    };
    let offset = offset.map_or(Span::default(), span);
    zone.to_utc(bucket(width, zone.to_local(ts)?, origin, offset)?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_zone(
    bucket_width: Option<Interval>,
    ts: Option<i64>,
    timezone: Option<&str>,
    origin: Option<i64>,
    offset: Option<Interval>,
) -> std::result::Result<Option<i64>, ErrorReport> {
    let (Some(width), Some(ts), Some(zone)) = (bucket_width, ts, timezone) else {
        return Ok(None);
    };
    Ok(Some(local_bucket(
        &width,
        ts,
        zone,
        origin,
        offset.as_ref(),
    )?))
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_uuid_zone(
    bucket_width: Option<Interval>,
    ts: Option<Uuid>,
    timezone: Option<&str>,
    origin: Option<i64>,
    offset: Option<Interval>,
) -> std::result::Result<Option<i64>, ErrorReport> {
    let (Some(width), Some(id), Some(zone)) = (bucket_width, ts, timezone) else {
        return Ok(None);
    };
    let ts = uuid7::timestamp(id.as_bytes())?;
    Ok(Some(local_bucket(
        &width,
        ts,
        zone,
        origin,
        offset.as_ref(),
    )?))
}
