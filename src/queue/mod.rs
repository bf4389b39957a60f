//! Job queues, and schedules: jobs of users and policies of tables, each run by a process of its own when it is due.
//!
//! Invariants of schedules: a job never runs twice at once (a lock of its process that ends with the process), the one
//! that has been due longest goes first, and what a run did to the catalog says so before the process ends. Runs are
//! jobs of ring 0, see [`own`]. What other nouns use is [`register_policy`], [`add_policy`], [`policy_of`],
//! [`remove_policy`], [`note_run`] and [`Job`].

mod after;
mod after_all;
mod after_sql;
mod again;
mod answer;
mod api;
mod asked;
mod backoff;
pub mod board;
mod bounded;
mod calls;
mod cancel;
mod catalog;
mod change;
mod circle;
mod claim;
mod claim_id;
pub mod counters;
mod cron;
mod dead;
pub mod dirty;
mod edit;
mod edit_queue;
mod end;
mod ended;
mod failure;
mod find;
mod foreground;
mod groups;
mod groups_sql;
mod health;
pub mod hint;
mod home;
mod interrupts;
mod job;
mod keys;
mod keys_tidy;
mod known;
mod lease_code;
mod leases;
mod length;
mod living;
mod look;
mod maintain;
mod many;
mod marks;
mod notify;
mod own;
mod pair;
mod pair_upkeep;
mod parents;
mod past;
mod past_api;
mod past_sql;
mod past_table;
mod policy;
mod push;
mod queue_api;
mod queue_sql;
pub mod ready;
mod replace;
mod resolve;
mod retry;
mod rights;
mod ring;
pub mod room;
mod rotate;
mod run;
mod runner;
mod runners;
mod running;
mod schedule_sql;
mod scheduled;
mod scheduler;
mod schedules;
mod settings;
mod settings_api;
mod settings_sql;
mod sql_push;
mod start;
mod stats;
mod streams;
mod sweep;
mod time_api;
mod times;
mod top;
mod wait;
pub mod waiters;
mod waiting;
mod wake_sql;
mod when;
mod workers;

pub use catalog::{Job, Outcome, interval_text};
pub use policy::{
    NewPolicy, add_policy, is_switched_off, note_run, policy_of, register_policy, remove_policy,
    run_soon,
};

pub use crate::worker::{Task, register_step, register_task, start_task, wake_at_commit};
pub use edit::{check_schedule, check_times};
pub use foreground::tell_without_worker;

use scheduler::Tx;

/// Registers what runs in our processes; once, when the library is loaded.
pub fn init() {
    crate::worker::register_watch("schedules", scheduler::watch);
    crate::worker::register_watch("queues", maintain::watch);
    crate::worker::register_watch("times of queues", times::watch);
    crate::worker::register_watch("schedules of queues", || schedules::fire(Tx::Worker));
    crate::worker::register_watch("SQL jobs", runners::watch);
    crate::worker::register_task(run::KIND, run::task);
    crate::worker::register_task(runner::KIND, runner::task);
    crate::pg::queue_call::register(&calls::Queues);
    crate::pg::queue_many_call::register(&many::Queues);
    // first what makes jobs ready, then what tells of them
    crate::worker::register_prompt("groups of queues", groups::prompt);
    crate::worker::register_prompt("notifications of queues", notify::prompt);
    crate::pg::queue_past::register(&past_api::Jobs);
}
