//! The cold tier.

pub mod api;
pub mod server_options;
pub mod store;
