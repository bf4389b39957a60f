//! The job queue from outside: real servers, many sessions, kills.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

mod after;
mod after_ends;
mod after_others;
mod bounded;
mod cancel;
mod chaos;
mod churn;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod cost;
mod dead;
mod delivery;
mod dropped;
mod effects;
mod groups;
mod groups_chaos;
mod guards;
mod keys;
mod many;
mod past;
mod policies;
mod policies_others;
mod retries;
mod rights;
mod rotation;
mod schedules;
mod sessions;
mod sql_ends;
mod sql_guards;
mod sql_jobs;
mod states;
mod states_model;
mod stats;
mod support;
mod times;
mod wake;
