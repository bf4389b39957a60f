//! The launcher: sees to it that every database with the extension has its worker.

use super::roster::{Millis, Roster, Sight};
use super::{LAUNCHER, database_worker, log_failure};
use crate::pg::bgworker::{self, Handle};
use crate::pg::databases;
use crate::pg::shmem::{self, Wishes};
use pgrx::pg_sys::Oid;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The server is full: said at most this often.
const SAY_AGAIN: Millis = 600_000;

struct Launcher {
    began: Instant,
    roster: Roster,
    workers: BTreeMap<u32, Handle>,
    said_full: Option<Millis>,
}

/// Runs until the server stops.
pub fn run() {
    bgworker::connect(None, LAUNCHER);
    shmem::become_launcher();
    let mut launcher = Launcher {
        began: Instant::now(),
        roster: Roster::default(),
        workers: BTreeMap::new(),
        said_full: None,
    };
    loop {
        let sleep = launcher.round();
        bgworker::report_idle();
        bgworker::wait(sleep);
    }
}

impl Launcher {
    fn now(&self) -> Millis {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    fn round(&mut self) -> Duration {
        bgworker::report_active("pg_strata: looking for databases");
        // before the look: who wishes later wakes us again
        let wishes = shmem::take_wishes();
        match bgworker::transaction(|| Ok(databases::connectable())) {
            Ok(databases) => self.see(&databases),
            Err(error) => log_failure("reading the list of databases", error),
        }
        let now = self.now();
        match wishes {
            Wishes::All => self.roster.wish_all(now),
            Wishes::Databases(list) => list.iter().for_each(|d| self.roster.wish(*d, now)),
        }
        self.start();
        let longest = bgworker::interval().as_millis();
        let longest = Millis::try_from(longest).unwrap_or(60_000);
        Duration::from_millis(self.roster.sleep(self.now(), longest))
    }

    fn see(&mut self, databases: &[u32]) {
        // a database that became a template, or closed, loses its worker
        self.workers
            .iter()
            .filter(|(d, _)| !databases.contains(d))
            .for_each(|(_, worker)| worker.terminate());
        self.workers.retain(|_, worker| !worker.ended());
        let alive: Vec<u32> = self.workers.keys().copied().collect();
        self.roster.see(&Sight {
            now: self.now(),
            databases,
            served: &shmem::served(),
            alive: &alive,
        });
    }

    fn start(&mut self) {
        while let Some(database) = self.roster.next(self.now()) {
            let started = database_worker(Oid::from(database), |worker| worker.start());
            let Some(handle) = started else {
                if self.roster.refused(self.now()) {
                    self.say_full();
                }
                return;
            };
            self.workers.insert(database, handle);
            self.roster.started(database, self.now());
        }
    }

    fn say_full(&mut self) {
        let now = self.now();
        if self.said_full.is_some_and(|at| now - at < SAY_AGAIN) {
            return;
        }
        self.said_full = Some(now);
        let waiting = self.roster.waiting(now);
        pgrx::ereport!(
            pgrx::PgLogLevel::WARNING,
            pgrx::PgSqlErrorCode::ERRCODE_INSUFFICIENT_RESOURCES,
            format!(
                "pg_strata: no free background worker, {waiting} databases are waiting for one"
            ),
            "Raise max_worker_processes in postgresql.conf and restart the server."
        );
    }
}
