//! The cold tier.

pub mod api;
