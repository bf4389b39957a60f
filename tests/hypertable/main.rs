//! Hypertables from outside: real servers, several sessions, workers, crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

mod again;
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
mod differ;
mod differential;
mod differential_shape;
mod dump;
mod dump_forms;
mod forms;
mod gaps;
mod health;
mod jobs;
mod jobs_edges;
mod leave_edges;
mod lens;
mod life;
mod making;
mod newer;
mod on_demand;
mod on_demand_concurrent;
mod on_demand_errors;
mod on_demand_moves;
mod online;
mod plans;
mod plans_fuzz;
mod privileges;
mod replication;
mod reshape;
mod retention;
mod settings;
mod standby;
mod storm;
mod time;
mod upgrade;
mod zones;
mod zones_late;
