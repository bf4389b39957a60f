//! The cold tier.

pub mod api;
mod cell;
pub mod column_stats;
pub mod file;
mod file_check;
pub mod file_schema;
pub mod mapping;
pub mod name;
pub mod server_options;
pub mod store;
