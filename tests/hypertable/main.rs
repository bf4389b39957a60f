//! Hypertables from outside: real servers, several sessions, workers, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

mod again;
mod chunk_ops;
#[path = "../common/mod.rs"]
mod common;
mod copy;
mod copy_cases;
mod copy_errors;
mod copy_life;
mod copy_triggers;
mod differ;
mod dump;
mod forms;
mod jobs;
mod newer;
mod on_demand;
mod on_demand_concurrent;
mod on_demand_errors;
mod online;
mod plans;
mod plans_fuzz;
mod privileges;
mod reshape;
mod retention;
mod settings;
mod storm;
mod time;
mod zones;
