//! Runs a statement that no transaction takes; CREATE INDEX CONCURRENTLY leaves no index behind that is not valid.

use crate::error::{Error, Kind, Result};
use crate::pg::catalog::quote_qualified;
use crate::pg::object_lock::HeldRelation;
use crate::pg::owner::as_extension_owner;
use crate::pg::parse::Parsed;
use crate::pg::subxact::Caught;
use crate::pg::whole_error::{self, Place, WholeError};
use crate::pg::{bgworker, session, spi, toplevel};
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

const LAST_LOOK: Duration = Duration::from_millis(200);

fn run_alone(sql: &str) -> std::result::Result<(), Caught> {
    whole_error::watched(&Nowhere, || toplevel::run(sql, None, || Ok(())))
}

const INVALID: &str = "SELECT c.oid, n.nspname::text, c.relname::text FROM pg_index i \
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE i.indrelid = $1 AND NOT i.indisvalid";

/// An index that was not built to its end.
struct Invalid {
    oid: Oid,
    schema: String,
    name: String,
}

const STILL_INVALID: &str = "SELECT NOT indisvalid FROM pg_index WHERE indexrelid = $1";

impl Invalid {
    /// Drops it, unless somebody has built it to its end meanwhile: whoever builds one of the same table has it locked.
    /// 55P03 when that takes longer than lock_timeout. Nobody is waited for with a snapshot, which builds wait for.
    fn drop(&self, table: Oid) -> std::result::Result<(), Caught> {
        let patience = session::setting("lock_timeout").and_then(|ms| ms.parse::<u64>().ok());
        let patience = patience.filter(|ms| *ms > 0).map(Duration::from_millis);
        let begun = Instant::now();
        let held = loop {
            let took = bgworker::transaction(|| {
                let Some(held) = HeldRelation::try_take(table) else {
                    return Ok(None);
                };
                let still = as_extension_owner(|| {
                    spi::read_latest(STILL_INVALID, &[self.oid.into()], |r| r.need::<bool>(1))
                })?;
                Ok(Some((held, still.first() == Some(&true))))
            })?;
            match took {
                Some((held, true)) => break held,
                Some((held, false)) => {
                    held.release();
                    return Ok(());
                }
                None if patience.is_some_and(|patience| begun.elapsed() >= patience) => {
                    return Err(Caught::from(self.is_busy()));
                }
                None => bgworker::pause(LAST_LOOK),
            }
        };
        let name = quote_qualified(&self.schema, &self.name);
        run_alone(&format!("DROP INDEX CONCURRENTLY IF EXISTS {name}"))?;
        held.release();
        Ok(())
    }

    fn is_busy(&self) -> Error {
        Error::new(
            Kind::LockNotAvailable,
            format!(
                "index \"{}\", which an earlier try has left invalid, cannot be dropped: its table is locked",
                self.name
            ),
        )
    }
}

fn invalid(table: Oid) -> Result<Vec<Invalid>> {
    as_extension_owner(|| {
        spi::read_latest(INVALID, &[table.into()], |r| {
            Ok(Invalid {
                oid: r.need(1)?,
                schema: r.need(2)?,
                name: r.need(3)?,
            })
        })
    })
}

/// Runs the statement. An index of its name that an earlier try has left unfinished goes first, and one that this try
/// leaves goes with it, as long as nobody else has taken the job over.
pub fn run(sql: &str, still_ours: impl Fn() -> bool) -> std::result::Result<(), Caught> {
    let seen = bgworker::transaction(|| {
        let Some((table, name)) = Parsed::of(sql)?.concurrent_build(0) else {
            return Ok(None);
        };
        Ok(Some((table, name, invalid(table)?)))
    })?;
    let Some((table, name, before)) = seen else {
        return run_alone(sql);
    };
    for left in before.iter().filter(|i| name.as_ref() == Some(&i.name)) {
        left.drop(table)?;
    }
    let ran = run_alone(sql);
    if ran.is_err() && still_ours() {
        let whole = ran.as_ref().err().and_then(whole_error::take);
        let now = bgworker::transaction(|| invalid(table))?;
        for left in now.iter().filter(|i| before.iter().all(|b| b.oid != i.oid)) {
            // should it not go, the next try takes it away
            if let Err(error) = left.drop(table) {
                pgrx::log!(
                    "pg_strata: an index that is not valid is left: {}",
                    error.message
                );
            }
        }
        whole.into_iter().for_each(whole_error::keep_whole);
    }
    ran
}

/// The run knows where the statement stands.
struct Nowhere;

impl Place for Nowhere {
    fn explain(&self, _: &mut WholeError) {}
}
