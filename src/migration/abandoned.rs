//! Files that a run was at which is gone: readers, who change nothing, see them as the next run will find them.

use super::golang_lock::{LEASE_CLASS, own_key};
use super::known::Known;
use super::set::{Direction, State};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;

const RUNNING: &str = "SELECT array_agg(DISTINCT run::text ORDER BY run::text) FROM strata.migrate_applied \
    WHERE namespace = $1 AND tenant = $2::name AND state = 'running'";
// the lock of a run, and while its statement is run by itself that of the statement
const LIVES: &str = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
    WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted AND d.datname = current_database() \
      AND ((l.classid::int8 = $3 AND l.objid::int8 = $4) \
        OR (l.classid::int8 = $5 AND l.objid::int8 IN (SELECT id & 4294967295 FROM strata.migrate_job \
          WHERE namespace = $1 AND tenant = $2::name AND NOT deferred AND state IN ('running', 'ran')))))";
// as SETTLE and RAN in progress.rs leave them
const LEFT: &str = "SELECT a.kind, a.version, a.name, a.was, coalesce((SELECT max(j.statement) \
      FROM strata.migrate_job j WHERE NOT j.deferred AND j.state = 'ran' AND a.run = j.run \
        AND a.direction = j.direction AND (a.namespace, a.tenant, a.kind, a.version, a.name) = \
          (j.namespace, j.tenant, j.kind, j.version, j.name)), a.statements_done, 0) \
    FROM strata.migrate_applied a WHERE namespace = $1 AND tenant = $2::name AND state = 'running'";

/// What a file that nobody is at any more is.
struct Left {
    kind: String,
    version: String,
    name: String,
    was: Option<String>,
    statements: i32,
}

fn unsigned(key: i32) -> i64 {
    i64::from(key.cast_unsigned())
}

impl Known {
    /// Takes what is left running by a run that is gone for what it is: failed behind what is committed of it, or as it was
    /// before. Writes nothing; on a standby, which sees no locks of the primary, it stays as it is.
    pub fn see_abandoned(&mut self, tenant: Option<&str>) -> Result<()> {
        let some = |known: &Known| known.applied.iter().any(|r| r.state == State::Running);
        if !some(self) || crate::pg::databases::in_recovery() {
            return Ok(());
        }
        let name = self.namespace.name.clone();
        let place = || [name.as_str().into(), tenant.unwrap_or_default().into()];
        let runs = || {
            as_extension_owner(|| {
                spi::read_latest(RUNNING, &place(), |r| r.get::<Vec<Option<String>>>(1))
            })
        };
        let before = runs()?;
        let (class, number) = own_key(&name, tenant);
        let [namespace, of] = place();
        let args = [
            namespace,
            of,
            unsigned(class).into(),
            unsigned(number).into(),
            unsigned(LEASE_CLASS).into(),
        ];
        let lives = as_extension_owner(|| spi::read_latest(LIVES, &args, |r| r.need::<bool>(1)))?;
        if lives.contains(&true) {
            return Ok(());
        }
        // what has ended meanwhile wrote that down before it gave back its locks
        self.read_applied(tenant)?;
        if runs()? != before || !some(self) {
            return Ok(());
        }
        let left = as_extension_owner(|| {
            spi::read_latest(LEFT, &place(), |r| {
                Ok(Left {
                    kind: r.need(1)?,
                    version: r.need(2)?,
                    name: r.need(3)?,
                    was: r.get(4)?,
                    statements: r.need(5)?,
                })
            })
        })?;
        for left in left {
            self.leave(&left)?;
        }
        self.applied = self.rows.iter().map(|r| r.applied.clone()).collect();
        Ok(())
    }

    fn leave(&mut self, left: &Left) -> Result<()> {
        let at = self.rows.iter().position(|row| {
            let key = &row.applied.key;
            let version = key.version.as_ref().map_or("", |v| v.as_str());
            (key.kind.name(), version, key.name.as_str())
                == (
                    left.kind.as_str(),
                    left.version.as_str(),
                    left.name.as_str(),
                )
        });
        let Some(at) = at else { return Ok(()) };
        match (left.statements, &left.was) {
            (0, None) => drop(self.rows.remove(at)),
            (0, Some(was)) => {
                let corrupt =
                    || Error::new(Kind::DataCorrupted, format!("unknown state \"{was}\""));
                let row = &mut self.rows[at].applied;
                row.state = State::of(was).ok_or_else(corrupt)?;
                row.direction = Direction::Up;
                row.prefix = None;
            }
            (statements, _) => {
                let row = &mut self.rows[at].applied;
                row.state = State::Failed;
                row.statements_done = statements;
            }
        }
        Ok(())
    }
}
