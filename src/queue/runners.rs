//! Who gets a process for its SQL jobs: roles with ready jobs, the one whose turn is longest ago first, as long as
//! the cluster has places. Part of every round of the background worker.

use super::known::{self, Queue};
use super::scheduler::Tx;
use super::streams::{self, Stream};
use super::{home, interrupts, look, runner};
use crate::error::Result;
use crate::pg::bgworker::{self, Handle};
use crate::pg::{compat, runner_slot, shmem};
use crate::worker::{self, Task};
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How soon to look again while jobs are ready and somebody may come to take them.
const SOON: Duration = Duration::from_millis(100);
/// Jobs that are ready for so long beside running processes of their role get one more.
const ONE_MORE: Duration = Duration::from_millis(200);
/// Who has just had a place lets those go first who wait for one, for so long.
const COURTESY: Duration = Duration::from_millis(500);
/// How often to look where nobody can wake this process, and where somebody can.
const BY_CLOCK: Duration = Duration::from_secs(1);
const AWAKE: Duration = Duration::from_secs(10);
/// A process that ended earlier could not connect, most likely.
const STILLBORN: Duration = Duration::from_millis(900);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(60);
const SAY_AGAIN: Duration = Duration::from_secs(600);

/// A process that this one has started.
struct Started {
    role: u32,
    handle: Handle,
    at: Instant,
}

/// What is remembered of a role.
#[derive(Default)]
struct Role {
    /// since when it has ready jobs without a break
    ready: Option<Instant>,
    started: Option<Instant>,
    /// processes that ended as soon as they began
    stillborn: u32,
    paused_until: Option<Instant>,
}

pub(super) struct Runners {
    tx: Tx,
    started: Vec<Started>,
    roles: HashMap<u32, Role>,
    /// this process has told that it waits for a place
    waiting: bool,
    /// when one of ours ended that had had its turn
    had_turn: Option<Instant>,
    said: Option<Instant>,
}

thread_local! {
    static RUNNERS: RefCell<Runners> = RefCell::new(Runners::new(Tx::Worker));
}

/// The watch of the background worker.
pub(super) fn watch() -> Result<Duration> {
    RUNNERS.with_borrow_mut(Runners::pass)
}

/// Starts processes for what is ready now, for places without the background worker.
pub(super) fn start_some(tx: Tx) -> Result<()> {
    let mut runners = Runners::new(tx);
    let out = runners.pass().map(drop);
    runners.stop_waiting();
    out
}

impl Runners {
    fn new(tx: Tx) -> Runners {
        Runners {
            tx,
            started: Vec::new(),
            roles: HashMap::new(),
            waiting: false,
            had_turn: None,
            said: None,
        }
    }

    fn pass(&mut self) -> Result<Duration> {
        self.reap();
        // others do not see what processes of other roles run
        let superuser = matches!(self.tx, Tx::Worker);
        let (streams, cancelling) = self.tx.run(|| {
            if !worker::is_current() || !home::is_here()? {
                return Ok((Vec::new(), false));
            }
            Ok((streams::all()?, superuser && interrupts::serve()?))
        })?;
        let ready = self.ready(&streams)?;
        self.roles
            .retain(|_, r| r.ready.is_some() || r.paused_until.is_some_and(|t| t > Instant::now()));
        if ready.is_empty() {
            self.stop_waiting();
        } else {
            self.serve(&ready)?;
        }
        Ok(
            match (ready.is_empty() && !cancelling, streams.is_empty()) {
                (false, _) => SOON,
                (true, false) if !shmem::available() => BY_CLOCK,
                (true, _) => AWAKE,
            },
        )
    }

    fn reap(&mut self) {
        let (ended, running) = std::mem::take(&mut self.started)
            .into_iter()
            .partition::<Vec<_>, _>(|s| s.handle.ended());
        self.started = running;
        for one in ended {
            let role = self.roles.entry(one.role).or_default();
            if one.at.elapsed() < STILLBORN {
                role.stillborn = (role.stillborn + 1).min(16);
                let pause = FIRST_PAUSE * 2_u32.pow(role.stillborn - 1);
                role.paused_until = Some(Instant::now() + pause.min(LAST_PAUSE));
            } else {
                role.stillborn = 0;
                self.had_turn = Some(Instant::now());
            }
        }
    }

    /// One stream for each role that has ready jobs, in the order of their turns.
    fn ready(&mut self, streams: &[Stream]) -> Result<Vec<Stream>> {
        let mut ready: Vec<Stream> = Vec::new();
        for stream in streams {
            if ready.iter().any(|s| s.role == stream.role) {
                continue;
            }
            let found = self.tx.run(|| has_ready(stream.qid))?;
            if found && !stream.role_exists {
                self.tx.run(|| runner::bury(stream))?;
            } else if found && (stream.can_login || compat::nologin_flags().is_some()) {
                ready.push(stream.clone());
            } else if found {
                self.say(&format!(
                    "role \"{}\" may not log in, so its SQL jobs wait",
                    stream.role_name
                ));
            }
        }
        let is_ready = |role: u32| ready.iter().any(|s| s.role.to_u32() == role);
        for (role, known) in &mut self.roles {
            if !is_ready(*role) {
                known.ready = None;
            }
        }
        for stream in &ready {
            let known = self.roles.entry(stream.role.to_u32()).or_default();
            known.ready.get_or_insert_with(Instant::now);
        }
        ready.sort_by_key(|s| self.roles.get(&s.role.to_u32()).and_then(|r| r.started));
        Ok(ready)
    }

    fn serve(&mut self, ready: &[Stream]) -> Result<()> {
        // whoever is idle takes a job at once
        for one in &self.started {
            if ready.iter().any(|s| s.role.to_u32() == one.role) {
                one.handle.pid().into_iter().for_each(runner_slot::wake);
            }
        }
        let mut wanting = ready.iter().filter(|s| self.wants(s.role)).peekable();
        if wanting.peek().is_none() {
            self.stop_waiting();
            return Ok(());
        }
        let wanting: Vec<Stream> = wanting.cloned().collect();
        self.stop_waiting();
        let polite = self.had_turn.is_some_and(|t| t.elapsed() < COURTESY);
        if polite && runner_slot::somebody_waits() {
            self.wait();
            return Ok(());
        }
        for stream in &wanting {
            if !runner_slot::any_free() {
                self.wait();
                return Ok(());
            }
            if !self.start(stream) {
                self.say("no free background worker for SQL jobs; see max_worker_processes");
                return Ok(());
            }
        }
        Ok(())
    }

    /// True for a role without a process, or whose processes do not keep up.
    fn wants(&self, role: Oid) -> bool {
        let Some(known) = self.roles.get(&role.to_u32()) else {
            return true;
        };
        let now = Instant::now();
        if known.paused_until.is_some_and(|until| until > now) {
            return false;
        }
        let running = self.started.iter().any(|s| s.role == role.to_u32());
        let since = known.ready.max(known.started);
        !running || since.is_some_and(|t| t.elapsed() >= ONE_MORE)
    }

    fn start(&mut self, stream: &Stream) -> bool {
        let role = stream.role.to_u32();
        let handle = worker::start_task(
            bgworker::my_database(),
            &Task {
                kind: runner::KIND,
                argument: &role.to_string(),
                role: Some(stream.role),
                nologin: !stream.can_login,
            },
        );
        let Some(handle) = handle else {
            return false;
        };
        let at = Instant::now();
        self.started.push(Started { role, handle, at });
        self.roles.entry(role).or_default().started = Some(at);
        true
    }

    fn wait(&mut self) {
        self.waiting = self.waiting || runner_slot::wait_for_one();
    }

    fn stop_waiting(&mut self) {
        if std::mem::take(&mut self.waiting) {
            runner_slot::stop_waiting();
        }
    }

    fn say(&mut self, what: &str) {
        if self.said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            self.said = Some(Instant::now());
            pgrx::log!("pg_strata: {what}");
        }
    }
}

fn has_ready(stream: i32) -> Result<bool> {
    let Some(queue) = known::by_number(stream)? else {
        return Ok(false);
    };
    look::any_ready(&Queue {
        qid: stream,
        ..(*queue).clone()
    })
}
