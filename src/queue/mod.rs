//! Schedules: jobs of users and policies of tables, each run by a process of its own when it is due.
//!
//! Invariants: a job never runs twice at once (a lock of its process that ends with the process), the one
//! that has been due longest goes first, and what a run did to the catalog says so before the process ends.
//! Issue "queue" replaces the inside by ring 0 of the job queue: what other nouns use is [`register_policy`],
//! [`add_policy`], [`policy_of`], [`remove_policy`], [`note_run`] and [`Job`].

mod api;
mod backoff;
mod catalog;
mod edit;
mod foreground;
mod health;
mod policy;
mod resolve;
mod run;
mod scheduler;

pub use catalog::{Job, Outcome, interval_text};
pub use policy::{
    NewPolicy, add_policy, is_switched_off, note_run, policy_of, register_policy, remove_policy,
    run_soon,
};

pub use crate::worker::{Task, register_step, register_task, start_task, wake_at_commit};
pub use edit::{check_schedule, check_times};
pub use foreground::tell_without_worker;

/// Registers what runs in our processes; once, when the library is loaded.
pub fn init() {
    crate::worker::register_watch("schedules", scheduler::watch);
    crate::worker::register_task(run::KIND, run::task);
}
