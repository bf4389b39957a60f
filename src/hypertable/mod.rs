//! Hypertables: tables partitioned by range of one column whose chunks appear ahead of time and leave by age.
//!
//! The promise: users' tables stay ordinary PostgreSQL tables; drop the extension and they remain.
//! Invariant: pg_inherits and relpartbound are the truth about chunks; `strata.chunk` only annotates.

mod adopt;
mod age;
mod alter;
pub mod api;
mod attach;
mod attach_old;
mod attach_range;
pub mod bounds;
pub mod bucket;
mod buckets;
pub mod calendar;
mod carry;
mod carry_sql;
pub mod catalog;
mod chunks;
pub mod clients;
pub mod columns;
pub mod convert;
mod create;
pub mod create_with;
mod detach_task;
pub mod dimension;
mod drop_task;
mod extras;
mod freeze;
pub mod gapfill;
pub mod histogram;
mod ident_list;
mod info;
pub mod key;
mod leave;
mod leave_back;
mod leave_sql;
mod lens;
mod make;
pub mod on_demand;
mod online;
mod patience;
mod place;
mod plain;
mod policy;
pub mod predicate;
mod rate;
mod reconcile;
mod reconcile_sql;
mod refuse;
mod remake;
mod reopen;
mod reshape;
mod reshape_copy;
mod reshape_sql;
mod retention;
mod select;
pub mod settings;
mod sizes;
mod split_merge;
mod tablespaces;
mod target;
mod unique;
mod upkeep;
pub mod uuid7;
pub mod window;
mod zone;
mod zone_open;

pub use info::{
    ChunkInfo, ages_by_rows, check_hypertable, chunk_info, chunks_between, premake_all,
};
pub use policy::{interval_text, policies};
pub use reopen::everywhere as open_closed_chunks;
pub use retention::interval as interval_of_text;
pub use target::refuse_frozen;
pub use zone::open_chunk;
