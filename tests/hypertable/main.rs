//! Hypertables from outside: real servers, several sessions, workers, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

mod aggregates;
mod chunk_ops;
#[path = "../common/mod.rs"]
mod common;
mod copy;
mod copy_cases;
mod copy_errors;
mod copy_life;
mod copy_race;
mod copy_triggers;
mod differential;
mod differential_shape;
mod dump;
mod forms;
mod gaps;
mod jobs;
mod lens;
mod newer;
mod on_demand;
mod on_demand_concurrent;
mod on_demand_errors;
mod on_demand_moves;
mod on_demand_table;
mod online;
mod plans;
mod plans_fuzz;
mod retention;
mod same_script;
mod settings;
mod storm;
mod time;
mod zones;
