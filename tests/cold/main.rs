//! The cold tier from outside: real servers, a real S3 server, real crashes.
//!
//! Every part of what issue 2 calls done has a test here; `support` holds the few servers that they share.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

#[path = "../common/mod.rs"]
mod common;
mod support;

mod aggregate_values;
mod aggregates;
mod ahead;
mod batches;
mod blooms;
mod bypasses;
mod cancels;
mod check;
mod core;
mod core_answers;
mod counts;
mod crash;
mod credentials;
mod ddl;
mod disk_cache;
mod dump;
mod dump_modes;
mod events;
mod faults;
mod foreign;
mod foreign_fuzz;
mod foreign_hostile;
mod foreign_plans;
mod fuzz;
mod fuzz_columns;
mod fuzz_queries;
mod gc;
mod interrupts;
mod jit;
mod keys;
mod late;
mod late_keys;
mod late_merge;
mod moving;
mod negative_store;
mod other_stores;
mod owner;
mod plans;
mod requests;
mod restores;
mod rules;
mod scan;
mod serial;
mod snapshots;
mod stores;
mod tiering;
mod twins;
mod types;
mod untier;
mod uploads;
mod writes;
