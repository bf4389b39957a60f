//! Asking for chunks to be tiered, and waiting for it.

use crate::cold::catalog::jobs::{self, JobState};
use crate::cold::catalog::{self, claims, settings};
use crate::cold::check::check_chunk;
use crate::cold::export::JOB;
use crate::cold::manifest::ChunkState;
use crate::cold::merge;
use crate::cold::servers;
use crate::error::{Error, Kind, Result};
use crate::pg::{self, bgworker, nonatomic};
use crate::worker;
use pgrx::pg_sys;
use std::time::{Duration, Instant};

/// How long to try to start an exporter.
const PATIENCE: Duration = Duration::from_secs(10);

/// Queues one export job for a chunk and returns its id; for a cold chunk with late rows it merges them.
///
/// 55000 when the chunk is cold already without late rows, or its range has not ended.
pub fn queue_chunk(chunk: pg_sys::Oid) -> Result<i64> {
    pg::catalog::check_owner(chunk)?;
    let info = check_chunk(chunk)?;
    let cold = matches!(catalog::state_of(chunk)?, ChunkState::Cold(_));
    if cold && !merge::has_late_rows(chunk)? {
        return Err(Error::new(
            Kind::NotInState,
            format!("chunk \"{}\" is cold already", info.name),
        )
        .hint(format!(
            "SELECT * FROM strata.cold_files WHERE chunk = '{}.{}'::regclass;",
            info.schema, info.name
        )));
    }
    let server = settings::of(info.hypertable)?.server;
    servers::store_for(&server, info.hypertable)?;
    jobs::queue(chunk, pg::catalog::current_user())
}

/// Queues a chunk and starts the exporter after the commit of this transaction.
pub fn tier_chunk(chunk: pg_sys::Oid) -> Result<i64> {
    let job = queue_chunk(chunk)?;
    worker::start_dynamic_at_commit(JOB);
    Ok(job)
}

/// 22023 for limits that mean nothing.
pub fn check_limits(over_bytes: Option<i64>, max_chunks: Option<i32>) -> Result<()> {
    let bad = |what: &str, least: i64| {
        let text = format!("{what} must not be below {least}");
        Err(Error::new(Kind::InvalidParameter, text))
    };
    match (over_bytes, max_chunks) {
        (Some(..=-1), _) => bad("over_bytes", 0),
        (_, Some(..=0)) => bad("max_chunks", 1),
        _ => Ok(()),
    }
}

/// Chunks that are to go, oldest first, and why others cannot.
#[derive(Default)]
pub struct Choice {
    pub chunks: Vec<pg_sys::Oid>,
    pub refused: Vec<Error>,
}

impl Choice {
    /// Keeps the first so many chunks.
    pub fn limit(&mut self, most: i32) {
        self.chunks.truncate(usize::try_from(most).unwrap_or(0));
    }

    /// Adds what the other choice has more.
    pub fn join(&mut self, other: Choice) {
        for chunk in other.chunks {
            if !self.chunks.contains(&chunk) {
                self.chunks.push(chunk);
            }
        }
        for error in other.refused {
            if !self.refused.contains(&error) {
                self.refused.push(error);
            }
        }
    }
}

/// The chunks of `candidates` (oldest first) that are still hot and can go: at most `max_chunks`, with
/// `over_bytes` only until the hot part is that small. Those that failed last time come last.
pub fn choose(
    hypertable: pg_sys::Oid,
    candidates: Vec<pg_sys::Oid>,
    over_bytes: Option<i64>,
    max_chunks: Option<i32>,
) -> Result<Choice> {
    let states = settings::states(hypertable)?;
    let live = |chunk: &pg_sys::Oid| states.iter().any(|(c, s)| c == chunk && s == "live");
    let mut chosen = Choice::default();
    let mut hot_bytes = match over_bytes {
        Some(_) => {
            let all = crate::hypertable::chunks_between(hypertable, None, None)?;
            settings::size_bytes(&all.into_iter().filter(|c| !live(c)).collect::<Vec<_>>())?
        }
        None => 0,
    };
    let failed = jobs::failed_last(hypertable)?;
    let (last, first): (Vec<_>, Vec<_>) = candidates
        .into_iter()
        .filter(|c| !live(c))
        .partition(|c| failed.contains(c));
    for chunk in first.into_iter().chain(last) {
        if max_chunks.is_some_and(|max| chosen.chunks.len() as i64 >= i64::from(max)) {
            break;
        }
        if over_bytes.is_some_and(|limit| hot_bytes <= limit) {
            break;
        }
        match check_chunk(chunk) {
            Ok(_) => {
                if over_bytes.is_some() {
                    hot_bytes -= settings::size_bytes(&[chunk])?;
                }
                chosen.chunks.push(chunk);
            }
            // a range that has not ended is not an error here: it is just not old
            Err(e) if e.kind == Kind::NotInState => {}
            Err(e) => chosen.refused.push(e),
        }
    }
    Ok(chosen)
}

/// A job that somebody waits for.
pub struct Waiting {
    pub id: i64,
    pub name: String,
}

/// Waits until all jobs have ended; between two looks no transaction or snapshot is held, since
/// the export itself waits for old snapshots.
pub fn wait_for(jobs_waiting: Vec<Waiting>) -> Result<()> {
    let total = jobs_waiting.len();
    let mut open = jobs_waiting;
    let mut failed = Vec::new();
    let mut done = 0;
    let mut told = String::new();
    let mut exporters = Exporters::start();
    while !open.is_empty() {
        nonatomic::commit()?;
        bgworker::pause(Duration::from_millis(50));
        let mut still = Vec::new();
        for job in open {
            let state = nonatomic::with_snapshot(|| jobs::job_state(job.id))?;
            match state {
                Some(s) if s.state == "done" => {
                    done += 1;
                    let rows = s.rows_done.unwrap_or(0);
                    pgrx::notice!(
                        "tiered chunk \"{}\" ({done} of {total}): {rows} rows",
                        job.name
                    );
                }
                Some(s) if s.state == "failed" => {
                    failed.push((job.name, s.last_error.unwrap_or_default()))
                }
                Some(s) => {
                    tell_blocked(&job.name, &s, &mut told);
                    still.push(job);
                }
                None => failed.push((job.name, String::from("the chunk was dropped"))),
            }
        }
        open = still;
        if !open.is_empty() {
            exporters.keep_alive()?;
        }
    }
    report(failed, total)
}

/// The processes that do the work, seen from the one that waits for it.
struct Exporters {
    looked: Instant,
    seen: Instant,
}

impl Exporters {
    fn start() -> Self {
        worker::start_dynamic(bgworker::my_database(), JOB);
        Exporters {
            looked: Instant::now(),
            seen: Instant::now(),
        }
    }

    /// Starts another one while jobs wait and there may be more: one ended between two jobs, was killed, or
    /// found no free slot. 53000 when none was at work for a while.
    fn keep_alive(&mut self) -> Result<()> {
        if self.looked.elapsed() < Duration::from_secs(1) {
            return Ok(());
        }
        self.looked = Instant::now();
        let (wanted, alive) = nonatomic::with_snapshot(|| {
            Ok((claims::exporter_wanted()?, claims::exporter_alive()?))
        })?;
        let started = wanted && worker::start_dynamic(bgworker::my_database(), JOB);
        if alive || started || !wanted {
            self.seen = Instant::now();
        }
        if self.seen.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(Error::new(
            Kind::NoWorkerSlot,
            "no free background worker to tier chunks",
        )
        .detail("The chunks stay queued.")
        .hint("Raise max_worker_processes, then call strata.tier_chunks again."))
    }
}

fn tell_blocked(name: &str, state: &JobState, told: &mut String) {
    if let Some(by) = &state.blocked_by {
        let text = format!(
            "chunk \"{name}\" waits at step {}: {by}",
            state.step.as_deref().unwrap_or("?")
        );
        if *told != text {
            pgrx::notice!("{text}");
            *told = text;
        }
    }
}

fn report(failed: Vec<(String, String)>, total: usize) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = failed
        .iter()
        .map(|(name, e)| format!("{name}: {e}."))
        .collect();
    Err(Error::new(
        Kind::NotInState,
        format!("{} of {total} chunks could not be tiered", failed.len()),
    )
    .detail(lines.join("\n"))
    .hint("SELECT * FROM strata.cold_exports;"))
}
