//! The cold tier: old chunks as SQLite files in a store, read in place through the hypertable.
//!
//! Invariant: a row moves between heap and file only when every snapshot that can still be used
//! agrees about it, and the catalog change that says so is the one atomic point.

pub mod api;
mod cell;
mod check;
pub mod catalog;
pub mod column_stats;
pub mod content;
pub mod export;
pub mod file;
mod file_check;
pub mod file_schema;
mod inspect;
pub mod manifest;
pub mod mapping;
pub mod name;
pub mod pushdown;
pub mod cache;
pub mod credentials;
#[cfg(feature = "s3")]
pub mod io_thread;
pub mod server_options;
pub mod servers;
pub mod store;
mod temp;
mod tier;
mod untier;
