//! Background processes: one launcher per server, one worker per database with the extension, and
//! one-shot workers for jobs. Invariant: everything that they do could be done later, or by hand.
//!
//! This noun knows no other. Nouns register steps (short, in every round of a database's worker) and
//! jobs (long, each in a process of its own); `lib.rs` does it for them when the library is loaded.

mod catalog;
mod database;
mod job;
mod launcher;
mod leave;
mod prompt;
mod roster;
mod task;

use crate::error::Result;
use crate::pg;
use crate::pg::bgworker::{self, Worker};
use crate::pg::databases::Command;
use crate::pg::subxact::Caught;
use crate::pg::xact;
use pgrx::PgLogLevel;
use pgrx::pg_sys::Oid;
use pgrx::pg_sys::panic::ErrorReport;
use std::cell::Cell;
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const LAUNCHER: &str = "pg_strata launcher";
const DATABASE: &str = "pg_strata worker";
const JOB: &str = "pg_strata job";
/// `backend_type` of all our processes that are connected to a database.
const CONNECTED: [&str; 2] = [DATABASE, JOB];

/// A step or job.
pub type Work = fn() -> Result<()>;
type Named = Vec<(&'static str, Work)>;
type Watch = fn() -> Result<Duration>;
type Step = fn() -> Result<Prompt>;
static PROMPTS: Mutex<Vec<(&'static str, Step)>> = Mutex::new(Vec::new());
static WATCHES: Mutex<Vec<(&'static str, Watch)>> = Mutex::new(Vec::new());
static STEPS: Mutex<Named> = Mutex::new(Vec::new());
static JOBS: Mutex<Named> = Mutex::new(Vec::new());

pub use leave::gives_way;
pub use prompt::Prompt;
pub use task::{Task, register_task, start_task};

/// Adds a step to the round of every database worker.
///
/// It runs as superuser in a transaction of its own, with `search_path = pg_catalog, pg_temp`, and should
/// take well below a second. An error rolls it back and is logged; the other steps go on.
pub fn register_step(name: &'static str, run: fn() -> Result<()>) {
    list(&STEPS, |steps| steps.push((name, run)));
}

/// Adds a kind of job for [`start_dynamic`].
///
/// It runs as superuser outside of a transaction and opens its own with
/// [`crate::pg::bgworker::transaction`].
pub fn register_job(kind: &'static str, run: fn() -> Result<()>) {
    list(&JOBS, |jobs| jobs.push((kind, run)));
}

/// The steps of a round, for places without a background worker.
pub fn steps() -> Vec<(&'static str, Work)> {
    list(&STEPS, |steps| steps.clone())
}

/// True when the extension of this database has the version of the loaded library; inside a transaction.
pub fn is_current() -> bool {
    database::installed() == database::Installed::Ours
}

fn list<T>(registry: &Mutex<Named>, f: impl FnOnce(&mut Named) -> T) -> T {
    f(&mut registry.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Starts a job of a registered kind in `database`, once; works without preload.
///
/// It starts at once, so rows that it should find must be committed: see [`start_dynamic_at_commit`].
/// False when `max_worker_processes` is exhausted.
pub fn start_dynamic(database: Oid, kind: &str) -> bool {
    let worker = Worker {
        name: &format!("{JOB} \"{kind}\" in database {}", database.to_u32()),
        kind: JOB,
        database,
        role: &format!("job:{kind}"),
    };
    worker.start().is_some()
}

thread_local! {
    /// Kinds of jobs that start when the current transaction commits.
    static AT_COMMIT: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Like [`start_dynamic`] in this database, after the commit of the current transaction, and once for it: a
/// process for each call could take all that the server has, and others would find none. When there is no free
/// process then, the server log says so.
pub fn start_dynamic_at_commit(kind: &'static str) {
    let asked = AT_COMMIT.with_borrow_mut(|kinds| {
        let asked = kinds.contains(&kind);
        if !asked {
            kinds.push(kind);
        }
        asked
    });
    if asked {
        return;
    }
    xact::at_end(move |committed| {
        AT_COMMIT.with_borrow_mut(|kinds| kinds.retain(|k| *k != kind));
        if committed && !start_dynamic(bgworker::my_database(), kind) {
            pgrx::log!(
                "pg_strata: no free background worker for job \"{kind}\"; see max_worker_processes"
            );
        }
    });
}

/// Lets the worker of this database begin a round after the commit of the current transaction.
pub fn wake_at_commit() {
    xact::at_commit(|| {
        pg::shmem::wake_worker(bgworker::my_database());
    });
}

/// Adds a step that every waking of a database worker runs, before the others. It returns how long the
/// worker may sleep at most.
pub fn register_watch(name: &'static str, run: Watch) {
    let mut watches = WATCHES.lock().unwrap_or_else(PoisonError::into_inner);
    watches.push((name, run));
}

/// Adds a step that runs whenever a database worker is woken, at once: see [`Prompt`].
pub fn register_prompt(name: &'static str, run: fn() -> Result<Prompt>) {
    let mut prompts = PROMPTS.lock().unwrap_or_else(PoisonError::into_inner);
    prompts.push((name, run));
}

fn list_prompts(prompts: &Mutex<Vec<(&'static str, Step)>>) -> Vec<(&'static str, Step)> {
    let prompts = prompts.lock().unwrap_or_else(PoisonError::into_inner);
    prompts.clone()
}

/// How often a session without a launcher looks whether its database has a worker.
const LOOK_FOR_WORKER: Duration = Duration::from_secs(5);

/// Starts the worker of this database if it does not run, where there is no launcher to do it. Without a free
/// process it is tried again later. Takes and gives back a lock that only these workers take.
pub fn ensure_worker() {
    thread_local! {
        static LOOKED: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let fresh = |at: Instant| at.elapsed() < LOOK_FOR_WORKER;
    if pg::shmem::available() || LOOKED.get().is_some_and(fresh) || bgworker::is_worker() {
        return;
    }
    LOOKED.set(Some(Instant::now()));
    if !database::is_served() {
        // at once it might look before there is anything to be seen
        xact::at_commit(|| {
            database_worker(bgworker::my_database(), |worker| worker.start());
        });
    }
}

/// The worker of a database, as it is started.
fn database_worker<T>(database: Oid, start: impl FnOnce(&Worker<'_>) -> T) -> T {
    start(&Worker {
        name: &format!("{DATABASE} of database {}", database.to_u32()),
        kind: DATABASE,
        database,
        role: "database",
    })
}

/// Registers the launcher when preloading, and what every worker process of ours runs.
pub fn init() {
    if pg::binary_upgrade() {
        return;
    }
    bgworker::set_main(main);
    pg::hooks::before_command(before_command);
    if pg::preloading() {
        let launcher = Worker {
            name: LAUNCHER,
            kind: LAUNCHER,
            database: pgrx::pg_sys::InvalidOid,
            role: "launcher",
        };
        launcher.with_server(Duration::from_secs(5));
    }
}

fn main(database: Oid, role: &str) {
    match role.split_once(':') {
        Some(("job", kind)) => job::run(database, kind),
        Some(("task", task)) => task::run(database, task),
        _ if role == "launcher" => launcher::run(),
        _ => database::run(database),
    }
}

fn before_command(command: &Command) -> Result<()> {
    match command {
        Command::Extension => xact::at_commit(|| {
            let here = bgworker::my_database();
            // queues that were here before may come back from a dump: their numbers begin anew
            pg::queue_board::clear(here.to_u32());
            pg::shmem::wake_worker(here);
            pg::shmem::wake_launcher(Some(here));
        }),
        Command::AlterDatabase => look_again(),
        Command::ChangeDatabase { name } => {
            leave::before_change(name);
            look_again();
        }
        Command::CopyDatabase { template } => {
            leave::before_copy(template);
            look_again();
        }
        Command::Retype { .. } => {}
    }
    Ok(())
}

fn look_again() {
    xact::at_commit(|| pg::shmem::wake_launcher(None));
}

/// Writes an error of background work to the server log, and goes on.
pub fn log_failure(what: &str, error: Caught) {
    let mut report = ErrorReport::new(error.code, format!("{what} failed: {}", error.message), "");
    if let Some(detail) = error.detail {
        report = report.set_detail(detail);
    }
    if let Some(hint) = error.hint {
        report = report.set_hint(hint);
    }
    report.report(PgLogLevel::WARNING);
}
