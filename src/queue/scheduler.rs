//! Who is run next, and who did not come back. One pass is cheap; the background worker makes one whenever
//! it wakes, `run_maintenance` makes them until nothing is due.

use super::catalog::{self, Job, Seen};
use super::start::start_run;
use super::times::soon;
use super::{own, policy, run, running};
use crate::error::Result;
use crate::pg::bgworker::{self, Handle};
use crate::pg::subxact::attempt;
use crate::pg::{guc, nonatomic};
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// A run that did not end this long after its max_runtime is ended by force.
const GRACE: Duration = Duration::from_secs(10);
/// How soon to look again when the server had no free process.
const FULL: Duration = Duration::from_secs(1);
const SAY_AGAIN: Duration = Duration::from_secs(600);
const SWEEP: Duration = Duration::from_secs(3600);
const LONGEST_NAP: Duration = Duration::from_secs(60);
/// Jobs are queued for so long; then others have their turn.
const ROUND: Duration = Duration::from_millis(20);
/// How soon to look again at a job that is due and that some session runs by hand.
const BY_HAND: Duration = Duration::from_secs(2);

/// How a pass opens its transactions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tx {
    /// in a background worker
    Worker,
    /// in a procedure that commits
    Session,
}

impl Tx {
    pub(super) fn run<T>(self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        match self {
            Tx::Worker => Ok(bgworker::transaction(f)?),
            Tx::Session => {
                let out = nonatomic::with_snapshot(f)?;
                nonatomic::commit()?;
                Ok(out)
            }
        }
    }
}

/// A process that this one has started.
struct Running {
    job: i32,
    /// its runs before this one, and who it was to run as
    before: (i64, Oid),
    handle: Handle,
    kill_at: Option<Instant>,
}

pub(super) struct Scheduler {
    tx: Tx,
    running: Vec<Running>,
    /// jobs that this scheduler leaves alone: a session runs each once
    except: Vec<i32>,
    /// jobs that are left alone for a while
    held_back: Vec<(i32, Instant)>,
    said_full: Option<Instant>,
    said_held: Option<Instant>,
    swept: Option<Instant>,
}

/// What a pass leaves behind.
pub(super) struct Pass {
    /// how long to sleep at most; the end of a process wakes this one
    pub(super) nap: Duration,
    /// jobs that were started
    pub(super) started: usize,
    /// there was no free process for a job that is due
    pub(super) full: bool,
    /// there may be more jobs that are due
    pub(super) more: bool,
}

thread_local! {
    static SCHEDULER: RefCell<Scheduler> = const { RefCell::new(Scheduler::new(Tx::Worker)) };
}

/// The watch of the background worker.
pub(super) fn watch() -> Result<Duration> {
    SCHEDULER.with_borrow_mut(|s| {
        s.sweep()?;
        Ok(s.pass(&|_| true)?.nap)
    })
}

impl Scheduler {
    pub(super) const fn new(tx: Tx) -> Scheduler {
        Scheduler {
            tx,
            running: Vec::new(),
            except: Vec::new(),
            held_back: Vec::new(),
            said_full: None,
            said_held: None,
            swept: None,
        }
    }

    pub(super) fn idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Looks after the running jobs and starts those that are due and that `allowed` lets through.
    pub(super) fn pass(&mut self, allowed: &dyn Fn(&Job) -> bool) -> Result<Pass> {
        self.reap()?;
        let unfinished = self.bury_orphans()?;
        let mut pass = Pass {
            nap: Duration::ZERO,
            started: 0,
            full: false,
            more: false,
        };
        let most = usize::try_from(guc::MAX_RUNNING_JOBS.get()).unwrap_or(0);
        pass.more = self.push_due(allowed)? || unfinished;
        let mut passed_over = Vec::new();
        while self.running.len() < most {
            let mut except = self.busy();
            except.extend(&passed_over);
            let Some(job) = self.tx.run(|| catalog::waiting(&except))? else {
                break;
            };
            if !allowed(&job) {
                passed_over.push(job.id);
                continue;
            }
            if !self.start(&job)? {
                pass.full = true;
                self.say_full();
                break;
            }
            pass.started += 1;
        }
        if !pass.more {
            pass.nap = self.nap(pass.full)?;
        }
        Ok(pass)
    }

    /// Queues a run of every job that is due and that `allowed` lets through; true if its time was over before.
    fn push_due(&mut self, allowed: &dyn Fn(&Job) -> bool) -> Result<bool> {
        let begun = Instant::now();
        let mut except = self.busy();
        loop {
            // one at a time: each look at a policy may take its time, and change what is due
            let due = self.tx.run(|| catalog::due(&except, 1))?;
            let Some(job) = due.into_iter().next() else {
                return Ok(false);
            };
            except.push(job.id);
            if !allowed(&job) {
                continue;
            }
            if self.needed(&job)? {
                self.contained(job.id, || own::push_run(job.id, &job.proc_name))?;
            } else {
                // who has set another time meanwhile, with another config perhaps, is not overruled
                self.tx
                    .run(|| run::next_tick(&job, Seen::Time(job.next_start)))?;
            }
            if self.is_over(begun) {
                return Ok(true);
            }
        }
    }

    /// A session does all that is due before it looks at anything else.
    fn is_over(&self, begun: Instant) -> bool {
        matches!(self.tx, Tx::Worker) && begun.elapsed() >= ROUND
    }

    fn busy(&self) -> Vec<i32> {
        let mut busy: Vec<i32> = self.running.iter().map(|r| r.job).collect();
        busy.extend(&self.except);
        busy.extend(self.held_back.iter().map(|(job, _)| job));
        busy
    }

    /// Does something about the run of one job, and does not wait long for it: one whose rows somebody holds must not
    /// keep the others from running. If it fails the job is left alone for a while.
    fn contained<T>(&mut self, job: i32, work: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let done = match self.tx {
            Tx::Worker => soon(self.tx, work),
            Tx::Session => soon(self.tx, || {
                let tried = attempt(work);
                Ok(tried.and_then(|out| out.map_err(Into::into)))
            })?
            .map_err(Into::into),
        };
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) => {
                self.held_back.push((job, Instant::now() + BY_HAND));
                if self.said_held.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
                    self.said_held = Some(Instant::now());
                    let text = &error.message;
                    pgrx::log!("pg_strata: the run of job {job} has to wait: {text}");
                }
                Ok(None)
            }
        }
    }

    /// A policy that cannot be asked is run, so that its error is noted where people look.
    fn needed(&self, job: &Job) -> Result<bool> {
        let asked = match self.tx {
            Tx::Worker => bgworker::transaction(|| policy::needed(job)).ok(),
            // one that fails must not keep the others from running
            Tx::Session => self.tx.run(|| match attempt(|| policy::needed(job)) {
                Ok(Ok(needed)) => Ok(Some(needed)),
                _ => Ok(None),
            })?,
        };
        Ok(asked.unwrap_or(true))
    }

    fn start(&mut self, job: &Job) -> Result<bool> {
        let handle = start_run(self.tx, job, false)?;
        let Some(handle) = handle else {
            return Ok(false);
        };
        let limit = u64::try_from(job.max_runtime_ms).unwrap_or(0);
        let kill_at = (limit > 0).then(|| Instant::now() + Duration::from_millis(limit) + GRACE);
        self.running.push(Running {
            job: job.id,
            before: (job.runs, job.owner),
            handle,
            kill_at,
        });
        Ok(true)
    }

    fn reap(&mut self) -> Result<()> {
        self.held_back.retain(|(_, until)| *until > Instant::now());
        let (ended, running) = std::mem::take(&mut self.running)
            .into_iter()
            .partition::<Vec<_>, _>(|r| r.handle.ended());
        self.running = running;
        for r in &self.running {
            if r.kill_at.is_some_and(|at| at <= Instant::now()) {
                r.handle.terminate();
            }
        }
        for r in ended {
            if matches!(self.tx, Tx::Session) {
                self.except.push(r.job);
            }
            self.see_off(&r)?;
        }
        Ok(())
    }

    /// A process may end before it has begun the job: its role may not connect, or has too many connections.
    /// Without a failure on record the job would be started again at once, for ever.
    fn see_off(&mut self, r: &Running) -> Result<()> {
        let found = self.tx.run(|| {
            let job = catalog::find(r.job)?.filter(|job| (job.runs, job.owner) == r.before);
            match job {
                Some(job) if catalog::still_due(r.job)? && own::waits(r.job)? => {
                    Ok(Some((job, running::is_running(r.job)?)))
                }
                _ => Ok(None),
            }
        })?;
        match found {
            None => Ok(()),
            Some((_, true)) => {
                self.held_back.push((r.job, Instant::now() + BY_HAND));
                Ok(())
            }
            Some((job, false)) => {
                let outcome = Err(run::stillborn().into());
                let ended = self.contained(job.id, || {
                    // another process of it may have begun since
                    if !own::take_back(job.id)? {
                        return Ok(None);
                    }
                    let seen = catalog::begin(job.id)?;
                    run::finish(&job, &outcome, seen)
                })?;
                if let Some(failures) = ended.flatten() {
                    run::give_up(self.tx, &job, &outcome, failures)?;
                    run::say_failed(&job, "its process could not start");
                }
                Ok(())
            }
        }
    }

    /// Notes the failure of runs whose process was killed, here or with the whole server, and takes runs away that
    /// nobody wants any more; true if there may be more.
    fn bury_orphans(&mut self) -> Result<bool> {
        let begun = Instant::now();
        let held = self.held_back.iter().map(|(job, _)| *job);
        let except: Vec<i32> = self.running.iter().map(|r| r.job).chain(held).collect();
        for orphan in self.tx.run(|| running::orphans(&except))? {
            let outcome = Err(run::vanished().into());
            let id = orphan.job;
            let found = self.contained(id, || {
                if !running::hold_orphan(&orphan)? {
                    return Ok(None);
                }
                own::bury(id)?;
                let Some(job) = catalog::find(id)? else {
                    return Ok(None);
                };
                Ok(run::finish(&job, &outcome, Seen::Any)?.map(|failures| (job, failures)))
            })?;
            if let Some((job, failures)) = found.flatten() {
                run::give_up(self.tx, &job, &outcome, failures)?;
                run::say_failed(&job, "the process of the job ended without a result");
            }
            if self.is_over(begun) {
                return Ok(true);
            }
        }
        for (id, waits) in self.tx.run(own::stale)? {
            if self.held_back.iter().any(|(job, _)| *job == id) {
                continue;
            }
            self.contained(id, || match waits {
                true => own::take_back(id).map(drop),
                false => own::bury(id),
            })?;
            if self.is_over(begun) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn nap(&self, full: bool) -> Result<Duration> {
        if full {
            return Ok(FULL);
        }
        let mut nap = LONGEST_NAP;
        let held = self.held_back.iter().map(|(_, until)| *until);
        for at in self.running.iter().filter_map(|r| r.kill_at).chain(held) {
            nap = nap.min(at.saturating_duration_since(Instant::now()));
        }
        let busy = self.busy();
        if let Some(ms) = self.tx.run(|| catalog::until_next(&busy))? {
            // one more than asked for: the clock must have passed the time
            let ms = u64::try_from(ms).unwrap_or(0).saturating_add(1);
            nap = nap.min(Duration::from_millis(ms));
        }
        Ok(nap)
    }

    fn say_full(&mut self) {
        if self.said_full.is_some_and(|at| at.elapsed() < SAY_AGAIN) {
            return;
        }
        self.said_full = Some(Instant::now());
        pgrx::log!("pg_strata: no free background worker for jobs; see max_worker_processes");
    }

    fn sweep(&mut self) -> Result<()> {
        if self.swept.is_some_and(|at| at.elapsed() < SWEEP) {
            return Ok(());
        }
        self.swept = Some(Instant::now());
        self.tx.run(catalog::sweep)
    }
}
