//! The cold tier.

pub mod api;
pub mod cache;
pub mod credentials;
#[cfg(feature = "s3")]
pub mod io_thread;
mod option_values;
pub mod server_options;
pub mod store;
