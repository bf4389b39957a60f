//! The cold tier.

pub mod api;
pub mod column_stats;
pub mod file;
pub mod file_schema;
pub mod mapping;
pub mod name;
pub mod server_options;
pub mod store;
