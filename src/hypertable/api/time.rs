//! time_bucket and the functions on version 7 UUIDs; declared in sql/hypertable/time_code.sql.
//!
//! Timestamps come and go as the number that PostgreSQL stores: no conversion, no allocation per row.

#![allow(clippy::result_large_err, reason = "ErrorReport is what pgrx takes")]

use super::super::bucket::{Span, Width, bucket, bucket_date, bucket_integer};
use super::super::uuid7;
use crate::pg::time as clock;
use pgrx::datum::{Interval, Uuid};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;
use std::cell::Cell;

type Answer<T> = Result<T, ErrorReport>;

pub(super) fn span(interval: &Interval) -> Span {
    Span {
        months: interval.months(),
        days: interval.days(),
        us: interval.micros(),
    }
}

pub(super) fn width(interval: &Interval) -> crate::error::Result<Width> {
    Width::of(span(interval))
}

/// For timestamp and timestamptz: without a time zone, both are bucketed as numbers.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket(bucket_width: Interval, ts: i64) -> Answer<i64> {
    Ok(bucket(width(&bucket_width)?, ts, None, Span::default())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_origin(bucket_width: Interval, ts: i64, origin: i64) -> Answer<i64> {
    let width = width(&bucket_width)?;
    Ok(bucket(width, ts, Some(origin), Span::default())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_offset(bucket_width: Interval, ts: i64, offset: Interval) -> Answer<i64> {
    Ok(bucket(width(&bucket_width)?, ts, None, span(&offset))?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_date(bucket_width: Interval, ts: i32) -> Answer<i32> {
    let width = width(&bucket_width)?;
    Ok(bucket_date(width, ts, None, Span::default())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_date_origin(bucket_width: Interval, ts: i32, origin: i32) -> Answer<i32> {
    let width = width(&bucket_width)?;
    Ok(bucket_date(width, ts, Some(origin), Span::default())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_date_offset(bucket_width: Interval, ts: i32, offset: Interval) -> Answer<i32> {
    Ok(bucket_date(width(&bucket_width)?, ts, None, span(&offset))?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_uuid(bucket_width: Interval, ts: Uuid) -> Answer<i64> {
    let at = uuid7::timestamp(ts.as_bytes())?;
    Ok(bucket(width(&bucket_width)?, at, None, Span::default())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_uuid_origin(bucket_width: Interval, ts: Uuid, origin: i64) -> Answer<i64> {
    let (width, at) = (width(&bucket_width)?, uuid7::timestamp(ts.as_bytes())?);
    Ok(bucket(width, at, Some(origin), Span::default())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_uuid_offset(bucket_width: Interval, ts: Uuid, offset: Interval) -> Answer<i64> {
    let at = uuid7::timestamp(ts.as_bytes())?;
    Ok(bucket(width(&bucket_width)?, at, None, span(&offset))?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_int2(bucket_width: i16, ts: i16) -> Answer<i16> {
    time_bucket_int2_offset(bucket_width, ts, 0)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_int2_offset(bucket_width: i16, ts: i16, offset: i16) -> Answer<i16> {
    let min = i64::from(i16::MIN);
    Ok(bucket_integer(bucket_width.into(), ts.into(), offset.into(), min)? as i16)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_int4(bucket_width: i32, ts: i32) -> Answer<i32> {
    time_bucket_int4_offset(bucket_width, ts, 0)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_int4_offset(bucket_width: i32, ts: i32, offset: i32) -> Answer<i32> {
    let min = i64::from(i32::MIN);
    Ok(bucket_integer(bucket_width.into(), ts.into(), offset.into(), min)? as i32)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_int8(bucket_width: i64, ts: i64) -> Answer<i64> {
    Ok(bucket_integer(bucket_width, ts, 0, i64::MIN)?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn time_bucket_int8_offset(bucket_width: i64, ts: i64, offset: i64) -> Answer<i64> {
    Ok(bucket_integer(bucket_width, ts, offset, i64::MIN)?)
}

/// Later than every id that this session has made before, also when the clock is set back.
#[pg_extern(sql = false, parallel_safe)]
fn generate_uuidv7() -> Answer<Uuid> {
    thread_local! {
        static LAST: Cell<uuid7::Ticks> = const { Cell::new(0) };
    }
    let ticks = uuid7::next_ticks(clock::unix_ns(), LAST.get());
    LAST.set(ticks);
    Ok(Uuid::from_bytes(uuid7::build(ticks, clock::random()?)))
}

#[pg_extern(sql = false, parallel_safe)]
fn to_uuidv7(ts: i64) -> Answer<Uuid> {
    let ticks = uuid7::ticks(ts)?;
    Ok(Uuid::from_bytes(uuid7::build(ticks, clock::random()?)))
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn to_uuidv7_boundary(ts: i64) -> Answer<Uuid> {
    Ok(Uuid::from_bytes(uuid7::boundary(uuid7::ticks(ts)?)))
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn uuid_timestamp(uuid: Uuid) -> Answer<i64> {
    Ok(uuid7::timestamp(uuid.as_bytes())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn uuid_timestamp_micros(uuid: Uuid) -> Answer<i64> {
    Ok(uuid7::timestamp_micros(uuid.as_bytes())?)
}

#[pg_extern(sql = false, immutable, parallel_safe)]
fn uuid_version(uuid: Uuid) -> i32 {
    uuid7::version(uuid.as_bytes())
}
