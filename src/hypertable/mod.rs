//! Hypertables: tables partitioned by range of one column whose chunks appear ahead of time and leave by age.
//!
//! The promise: users' tables stay ordinary PostgreSQL tables; drop the extension and they remain.
//! Invariant: pg_inherits and relpartbound are the truth about chunks; `strata.chunk` only annotates.

mod alter;
pub mod api;
pub mod bounds;
mod buckets;
pub mod calendar;
mod carry;
mod carry_sql;
pub mod catalog;
mod chunks;
pub mod columns;
pub mod convert;
mod create;
pub mod dimension;
mod extras;
mod info;
pub mod key;
mod make;
mod rate;
mod refuse;
mod remake;
mod select;
pub mod settings;
mod unique;

pub use info::{ChunkInfo, check_hypertable, chunk_info, chunks_between, premake_all};
