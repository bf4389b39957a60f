//! Runs of procedures: a transaction for each file, or for each part of one that commits in between.
//!
//! Nothing is held between two transactions but locks of the session on the namespace. A file that fails is rolled back; what
//! it had committed before stays, is known by the number of its statements, and the next call goes on behind it.

use super::ask::{Ask, Mode};
use super::books::Books;
use super::call::Call;
use super::catalog::{self, AppliedRow, Event};
use super::deploy_file::File;
use super::known::Known;
use super::mirror::Mirrored;
use super::name::Hook;
use super::namespace;
use super::plan::{self, Plan, Step};
use super::runs::{self, Decided};
use super::{beforehand, capture, locks, snapshots, tenants};
use crate::error::{Error, Result};
use crate::pg::leftovers::Leftovers;
use crate::pg::subxact::{self, Caught};
use crate::pg::whole_error::{self, WholeError};
use crate::pg::{bgworker, nonatomic, session_lock, spi};
use pgrx::datum::Uuid;
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// The error that ended a run.
pub enum Failure {
    Ours(Error),
    /// of a statement of the file, with all that it carried
    Theirs(Box<WholeError>),
    /// the locks could not be had again: nothing more may be written, the next run looks after it
    Lost(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Ours(error)
    }
}

impl Failure {
    /// Raises it as it was.
    pub fn raise(self) -> Result<()> {
        match self {
            Failure::Ours(error) | Failure::Lost(error) => Err(error),
            Failure::Theirs(whole) => whole_error::again(*whole),
        }
    }

    /// What an attempt was ended by.
    pub fn of(caught: Caught) -> Failure {
        let whole = whole_error::take(&caught).unwrap_or_else(|| WholeError::of(&caught));
        Failure::Theirs(Box::new(whole))
    }
}

/// Does `work` in the transaction as it is, in a subtransaction, under a snapshot of its own.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, Failure> {
    let done = nonatomic::with_snapshot(|| Ok(subxact::attempt(work)))?;
    match done {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::Ours(error)),
        Err(caught) => Err(Failure::of(caught)),
    }
}

/// Decides and does all of it, file by file; the number of the run.
pub fn run(ask: &Ask, call: &Call, retries: u32, run: Uuid) -> Result<Uuid> {
    match try_run(ask, call, retries, run) {
        Ok(()) => Ok(run),
        Err(failure) => failure.raise().map(|()| run),
    }
}

/// The same; what ended it comes back, and is written down and committed.
pub fn try_run(
    ask: &Ask,
    call: &Call,
    retries: u32,
    run: Uuid,
) -> std::result::Result<(), Failure> {
    spi::refuse_read_only(c"a run of migrations");
    runs::need_read_committed()?;
    let _inside = locks::Inside::begin()?;
    let out = locked(ask, call, retries, run);
    session_lock::release_all();
    out
}

/// How long a run waits for another one that is at a statement by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

fn locked(ask: &Ask, call: &Call, retries: u32, run: Uuid) -> std::result::Result<(), Failure> {
    let begun = Instant::now();
    let tenant = call.tenant.as_deref();
    nonatomic::with_snapshot(|| namespace::of_member(&call.namespace).map(drop))?;
    loop {
        take_locks(call)?;
        let decided = nonatomic::with_snapshot(|| decide(ask, call))?;
        let Some((known, plan)) = decided else {
            // another run is at a statement that no transaction takes
            session_lock::release_all();
            if begun.elapsed() >= Duration::from_millis(call.wait_ms.unsigned_abs()) {
                return Err(Failure::Ours(locks::busy(
                    &call.namespace,
                    call.wait_ms,
                    &[],
                )));
            }
            nonatomic::commit()?;
            bgworker::pause(LOOK_AGAIN);
            continue;
        };
        nonatomic::commit()?;
        let starts_as = nonatomic::with_snapshot(|| known.namespace.starts_as())?;
        let decided = Decided {
            known: &known,
            call,
            starts_as,
            mode: Mode::Call,
        };
        let deploying = Deploying {
            mirrored: nonatomic::with_snapshot(|| {
                known.namespace.mirrored(tenant, &decided.starts_as)
            })?,
            mirrored_rows: RefCell::new(known.rows.clone()),
            before: nonatomic::with_snapshot(Leftovers::now)?,
            decided,
            tenant,
            run,
            retries,
        };
        deploying.all(&plan)?;
        return attempt(|| deploying.before.settle());
    }
}

/// Takes the locks of a run for the session, and those of the tool whose table is kept in step.
pub fn take_locks(call: &Call) -> Result<()> {
    let tenant = call.tenant.as_deref();
    let pause = || {
        nonatomic::commit()?;
        bgworker::pause(locks::LOOK_AGAIN);
        Ok(())
    };
    locks::session(&call.namespace, tenant, call.wait_ms, pause)?;
    let keys = nonatomic::with_snapshot(|| {
        let namespace = namespace::of_member(&call.namespace)?;
        let starts_as = namespace.starts_as()?;
        match namespace.mirrored(tenant, &starts_as)? {
            Some(mirrored) => mirrored.locks(),
            None => Ok(Vec::new()),
        }
    })?;
    let keys: Vec<_> = keys.into_iter().map(|key| (key, false)).collect();
    locks::keys(&call.namespace, &keys, call.wait_ms, pause)
}

/// What is to be done; `None` while another run is at a statement by itself.
fn decide(ask: &Ask, call: &Call) -> Result<Option<(Known, Plan)>> {
    let tenant = call.tenant.as_deref();
    tenant.map_or(Ok(()), tenants::need_schema)?;
    let namespace = namespace::of_member(&call.namespace)?;
    let starts_as = namespace.starts_as()?;
    let mut known = Known::of(namespace, tenant)?;
    if !known.settle_running(tenant)? {
        return Ok(None);
    }
    if let Some(mirrored) = known.namespace.mirrored(tenant, &starts_as)? {
        mirrored.take_over(&mut known, tenant)?;
    }
    beforehand::fill_errors(&mut known, &call.vars)?;
    let context = known.context(tenant, Mode::Call);
    let plan = plan::plan(&known.files, &known.applied, ask, &context)?;
    beforehand::refuse(&known, &plan, call, &starts_as, Mode::Call)?;
    Ok(Some((known, plan)))
}

/// A run that has been decided.
pub struct Deploying<'a> {
    pub decided: Decided<'a>,
    pub tenant: Option<&'a str>,
    pub run: Uuid,
    /// how often a file is tried again that did not get its locks
    pub retries: u32,
    /// what the session has of its own: each file leaves it so
    pub before: Leftovers,
    /// the table of another tool that is kept in step, and what it was told last
    mirrored: Option<Mirrored>,
    mirrored_rows: RefCell<Vec<AppliedRow>>,
}

impl Deploying<'_> {
    fn all(&self, plan: &Plan) -> std::result::Result<(), Failure> {
        if plan.steps.is_empty() {
            return Ok(());
        }
        let _during = capture::during(&self.decided.call.namespace, self.tenant, "", self.run);
        self.hooks(Hook::BeforeAll)?;
        for step in &plan.steps {
            File::of(self, step)?.run()?;
        }
        self.hooks(Hook::AfterAll)?;
        attempt(|| snapshots::after_run(self.decided.known, self.tenant, self.run))?;
        nonatomic::commit()?;
        Ok(())
    }

    /// Hooks of the whole run, in a transaction of their own.
    fn hooks(&self, hook: Hook) -> std::result::Result<(), Failure> {
        attempt(|| {
            self.decided
                .hooks(hook, &self.before, "Files that were applied before stay.")?;
            locks::still_held()
        })?;
        nonatomic::commit()?;
        Ok(())
    }

    /// Writes down that a file failed, in a transaction of its own.
    pub fn note_failure(&self, event: Event) -> Result<()> {
        let role = namespace::current_role()?;
        catalog::put_events(&self.decided.place(&role, self.run), &[event])
    }

    /// Writes down what has been done.
    pub fn write(&self, books: &Books) -> Result<()> {
        let role = namespace::current_role()?;
        books.write(&self.decided.place(&role, self.run))?;
        self.mirror()
    }

    /// Tells the other tool how things stand.
    pub fn mirror(&self) -> Result<()> {
        let Some(mirrored) = &self.mirrored else {
            return Ok(());
        };
        let known = self.decided.known;
        mirrored.write(known, &self.mirrored_rows.borrow(), self.tenant)?;
        let now = catalog::applied(&known.namespace.name, self.tenant)?;
        self.mirrored_rows.replace(now);
        Ok(())
    }

    /// Tells it that a step is on its way, or has stopped.
    pub fn mirror_dirty(&self, step: &Step) -> Result<()> {
        match (&self.mirrored, &step.key.version) {
            (Some(mirrored), Some(version)) => {
                let rows = self.mirrored_rows.borrow();
                let applied: Vec<_> = rows.iter().map(|r| r.applied.clone()).collect();
                mirrored.mark_dirty(&applied, version, step.direction)
            }
            _ => Ok(()),
        }
    }
}
