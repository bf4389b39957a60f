//! Cancelling SQL jobs that run. Whoever cancels one writes it down; the background worker then interrupts the
//! process that runs it, and only as long as it does: a runner leaves a job under a lock, see
//! [`crate::pg::runner_slot::Still`].

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::runner_slot::Still;
use crate::pg::spi;

const ASK: &str = "INSERT INTO strata.queue_interrupt (id) VALUES ($1) ON CONFLICT DO NOTHING";
const ASKED: &str = "SELECT id FROM strata.queue_interrupt ORDER BY id LIMIT 100";
const DONE: &str = "DELETE FROM strata.queue_interrupt WHERE id = $1";
const WHO: &str = "SELECT a.pid FROM pg_stat_activity a WHERE a.backend_type = 'pg_strata job' \
    AND a.datname = current_database() AND a.state = 'active' AND starts_with(a.query, $1)";
const INTERRUPT: &str = "SELECT pg_cancel_backend(a.pid) FROM pg_stat_activity a WHERE a.pid = $2 \
    AND a.backend_type = 'pg_strata job' AND a.state = 'active' AND starts_with(a.query, $1)";
const FORGET: &str = "SELECT pg_stat_clear_snapshot()";

/// Most of a command that pg_stat_activity shows of it.
const SHOWN: usize = 500;

fn prefix(id: i64) -> String {
    format!("pg_strata: job {id} of ")
}

/// What pg_stat_activity shows of a runner while it runs this job.
pub fn activity(id: i64, queue: &str, command: &str) -> String {
    let shown: String = command.chars().take(SHOWN).collect();
    format!("{}queue \"{queue}\": {shown}", prefix(id))
}

/// Lets the runner of a SQL job be interrupted, once this transaction has committed.
pub fn ask(id: i64) -> Result<()> {
    as_extension_owner(|| spi::execute(ASK, &[id.into()]))?;
    crate::worker::wake_at_commit();
    Ok(())
}

/// Interrupts what is to be interrupted; true if it is to be called again soon. In a transaction of a superuser.
pub fn serve() -> Result<bool> {
    let asked = as_extension_owner(|| spi::read_latest(ASKED, &[], |row| row.need::<i64>(1)))?;
    for id in &asked {
        spi::read(FORGET, &[], |_| Ok(()))?;
        let prefix = prefix(*id);
        let who = spi::read_one(WHO, &[prefix.as_str().into()], |row| row.need::<i32>(1))?;
        let Some(pid) = who else {
            // it runs no more
            as_extension_owner(|| spi::execute(DONE, &[(*id).into()]))?;
            continue;
        };
        if let Some(_still) = Still::with(pid) {
            spi::read(FORGET, &[], |_| Ok(()))?;
            spi::read(INTERRUPT, &[prefix.as_str().into(), pid.into()], |_| Ok(()))?;
        }
    }
    Ok(!asked.is_empty())
}
