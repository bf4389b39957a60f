//! Tests inside a backend.

pub fn setup(_options: Vec<&str>) {}

#[must_use]
pub fn postgresql_conf_options() -> Vec<&'static str> {
    vec![]
}

#[cfg(feature = "s3")]
mod cold_store;

mod hypertable;

mod time;
