//! `detach_chunk` without blocking: a process does it while the caller, who holds no lock, waits.

use super::leave_sql::{self as sql, After, Place};
use super::target::owned_chunk;
use super::{catalog, chunks, leave, retention};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::qualified_name;
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, nonatomic, session};
use crate::queue::{self, Task};
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// Kind of the task.
pub const KIND: &str = "detach";
/// How long to try to start a process.
const PATIENCE: Duration = Duration::from_secs(10);

/// The task itself: `hypertable:chunk`.
pub fn run(argument: &str) -> Result<()> {
    let unreadable = || Error::internal("unreadable task");
    let (table, chunk) = argument.split_once(':').ok_or_else(unreadable)?;
    let table = Oid::from(table.parse::<u32>().map_err(|_| unreadable())?);
    let chunk = Oid::from(chunk.parse::<u32>().map_err(|_| unreadable())?);
    let h = bgworker::transaction(|| chunks::hypertable(table))?;
    let _turn = retention::take_turn(&h)?;
    let earlier = leave::finish(table)?;
    let Err(e) = leave::leave(&h, chunk, &After::Keep) else {
        return Ok(retention::summary(earlier)?);
    };
    bgworker::transaction(|| match sql::place(chunk)? {
        Place::Attached => {
            let code = session::unpack_sqlstate(e.code as i32);
            sql::note_failure(chunk, table, &code, &e.message)
        }
        _ => Ok(()),
    })?;
    Err(e.into())
}

/// Has a process detach the chunk, and waits until it is a table of its own. Only from a CALL outside of a
/// transaction block; commits, so that no lock is held here. What the caller may do has been checked.
pub fn detach_concurrently(chunk: Oid) -> std::result::Result<(), Caught> {
    let target = owned_chunk(chunk)?;
    let table = target.h.table.oid;
    let argument = format!("{}:{}", table.to_u32(), chunk.to_u32());
    nonatomic::commit()?;
    let task = Task {
        kind: KIND,
        argument: &argument,
        role: None,
        nologin: false,
    };
    let begun = Instant::now();
    let handle = loop {
        if let Some(handle) = queue::start_task(bgworker::my_database(), &task) {
            break handle;
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::new(
                Kind::NoWorkerSlot,
                "no free background worker to detach the chunk",
            )
            .hint("raise max_worker_processes, or call detach_chunk between BEGIN and COMMIT, which locks the hypertable")
            .into());
        }
        bgworker::pause(Duration::from_millis(200));
    };
    loop {
        let ended = handle.ended();
        match nonatomic::with_snapshot(|| sql::place(chunk))? {
            Place::Detached | Place::Gone => return Ok(()),
            Place::Attached if ended => {
                return Err(nonatomic::with_snapshot(|| why(chunk))?);
            }
            Place::Detaching if ended => {
                return Err(Error::new(
                    Kind::InUse,
                    format!(
                        "chunk {} is detached, and still in use",
                        nonatomic::with_snapshot(|| qualified_name(chunk))?
                    ),
                )
                .detail("It is invisible in the hypertable; the background worker goes on with it.")
                .into());
            }
            _ => {}
        }
        nonatomic::commit()?;
        bgworker::pause(Duration::from_millis(20));
    }
}

/// Why the process left the chunk alone.
fn why(chunk: Oid) -> Result<Caught> {
    if let Some((code, message)) = sql::failures(&[chunk])?.into_iter().next() {
        return Ok(Caught {
            code: session::sqlstate(&code),
            message,
            detail: None,
            hint: None,
        });
    }
    let name = catalog::table(chunk).map_or_else(String::new, |t| t.name);
    Ok(Error::new(
        Kind::NotInState,
        format!("chunk \"{name}\" could not be detached"),
    )
    .hint("the server log says why")
    .into())
}
