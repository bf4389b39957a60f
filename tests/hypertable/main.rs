//! Hypertables from outside: real servers, several sessions, workers, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

#[path = "../common/mod.rs"]
mod common;
mod copy;
mod copy_errors;
mod copy_triggers;
mod newer;
mod on_demand;
mod on_demand_concurrent;
mod on_demand_errors;
mod online;
mod settings;
mod storm;
