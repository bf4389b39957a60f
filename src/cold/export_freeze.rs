//! The exporter's first steps: the chunk is frozen, and everybody who still needs old versions of rows is waited for.

use super::export::{Attempt, Attempted, Stop};
use crate::cold::catalog::{self, jobs, settings, spec};
use crate::cold::check::check_chunk;
use crate::cold::file::ColumnSpec;
use crate::cold::manifest::{ChunkState, Manifest};
use crate::cold::storage::Setting;
use crate::cold::{merge, servers};
use crate::error::{Error, Kind, Result};
use crate::hypertable::{self, ChunkInfo};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, cold_move, cold_state, guc, inject, spi};
use pgrx::pg_sys;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What step 1 leaves for the later ones.
pub(super) struct Frozen {
    pub(super) attempt: i64,
    pub(super) xid: u32,
    pub(super) file_number: u32,
    /// columns by which the rows are ordered in the file
    pub(super) order: Vec<i16>,
    pub(super) info: ChunkInfo,
    pub(super) setting: Setting,
    /// where the server's files lie
    place: String,
    /// the file that the chunk has already: its rows and the late ones are merged
    pub(super) old: Option<Rc<Manifest>>,
}

impl Frozen {
    /// False once the server is gone or elsewhere. Keeps it from that until the transaction ends.
    pub(super) fn place_is_same(&self) -> Result<bool> {
        Ok(servers::hold(&self.setting.server)?.as_ref() == Some(&self.place))
    }

    /// False when the chunk is not any more what this attempt made of it: it was untiered or truncated, or another
    /// attempt has begun. The caller's lock keeps the answer true.
    pub(super) fn holds(&self, chunk: pg_sys::Oid) -> Result<bool> {
        Ok(match (catalog::state_of(chunk)?, &self.old) {
            (ChunkState::Cold(now), Some(old)) => {
                now.file == old.file && now.merging == Some(self.attempt)
            }
            (ChunkState::Frozen { attempt, .. }, None) => attempt == self.attempt,
            _ => false,
        })
    }
}

impl Attempt<'_> {
    /// Statistics from now on belong to the file: ANALYZE of a cold chunk changes nothing. Waiting for its lock
    /// ends an autovacuum of the chunk, which the short attempts of the freeze would not, and stops nobody else.
    pub(super) fn analyze(&self) -> Attempted<()> {
        let chunk = self.job.chunk;
        let out = bgworker::transaction(|| {
            crate::pg::owner::set_local("lock_timeout", "5s");
            let name = crate::pg::catalog::qualified_name(chunk)?;
            spi::execute(&format!("ANALYZE {name}"), &[]).map(|_| ())
        });
        self.note_lock_holders(&out)?;
        Ok(out?)
    }

    /// Step 1. From the commit on every write leaves a mark, and no earlier writer is left.
    pub(super) fn freeze(&self) -> Attempted<Option<Frozen>> {
        let chunk = self.job.chunk;
        let out = bgworker::transaction(|| {
            let setting = settings::of(hypertable::chunk_info(chunk)?.hypertable)?;
            let place = servers::hold(&setting.server)?;
            let place = place.ok_or_else(|| servers::unknown(&setting.server))?;
            cold_move::lock_exclusively(chunk, guc::COLD_LOCK_TIMEOUT_MS.get());
            if jobs::is_withdrawn(self.job.id)? {
                return Err(Error::new(Kind::NotInState, jobs::UNTIERED));
            }
            let info = check_chunk(chunk)?;
            let order = order_of(&info, &setting, &spec::columns(chunk)?)?;
            let old = match catalog::state_of(chunk)? {
                ChunkState::Cold(manifest) => Some(manifest),
                _ => None,
            };
            let attempt = match &old {
                Some(_) => merge::freeze(chunk)?,
                None => jobs::freeze(info.hypertable, chunk)?,
            };
            let Some(attempt) = attempt else {
                return Ok(None);
            };
            if old.is_none() {
                cold_move::set_access_method(chunk, true)?;
            }
            cold_state::invalidate(chunk);
            let file_number = cold_move::OpenRelation::locked(chunk).file_number();
            let xid = cold_move::current_xid();
            inject::point("cold.export.freezing");
            Ok(Some(Frozen {
                attempt,
                xid,
                file_number,
                order,
                info,
                setting,
                place,
                old,
            }))
        });
        self.note_lock_holders(&out)?;
        Ok(out?)
    }

    pub(super) fn note_lock_holders<T>(
        &self,
        out: &std::result::Result<T, Caught>,
    ) -> Attempted<()> {
        if out.is_err() {
            bgworker::transaction(|| match jobs::lock_holders(self.job.chunk)? {
                Some(holders) => jobs::set_blocked(self.job.id, &holders),
                None => Ok(()),
            })?;
        }
        Ok(())
    }

    /// Step 2. After it no snapshot can see less than all that was written before the freeze.
    pub(super) fn wait_for_snapshots(&self, frozen: &Frozen) -> Attempted<()> {
        let chunk = self.job.chunk;
        let mut pause = Duration::from_millis(5);
        loop {
            let blockers = bgworker::transaction(|| {
                if !crate::pg::catalog::try_lock_relation(chunk, pg_sys::AccessShareLock as i32) {
                    return Ok(Some(String::from("a lock on the chunk")));
                }
                if cold_move::all_snapshots_after(chunk, frozen.xid) {
                    return Ok(None);
                }
                let found = jobs::older_than(frozen.xid)?;
                Ok(Some(found.unwrap_or_else(|| {
                    String::from("somebody whose snapshot is gone by now")
                })))
            })?;
            let Some(blockers) = blockers else {
                return Ok(());
            };
            if Instant::now() >= self.deadline {
                return Err(Stop::GiveWay(format!(
                    "snapshots older than the export: {blockers}"
                )));
            }
            if pause >= Duration::from_millis(100) {
                bgworker::transaction(|| jobs::set_blocked(self.job.id, &blockers))?;
            }
            bgworker::pause(pause);
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }
}

/// Numbers of the columns that order the file: those of `cluster_by`, then the partition column.
fn order_of(info: &ChunkInfo, setting: &Setting, columns: &[ColumnSpec]) -> Result<Vec<i16>> {
    let number = |name: &String| columns.iter().find(|c| c.name == *name).map(|c| c.attnum);
    let key = number(&info.key);
    let key = key.ok_or_else(|| Error::internal("the chunk lacks the partition column"))?;
    let wanted = setting.cluster_by.as_deref().unwrap_or_default();
    let mut order = Vec::with_capacity(wanted.len() + 1);
    for name in wanted {
        match number(name) {
            Some(found) => order.push(found),
            // it is the speed of later queries that depends on it, nothing else
            None => pgrx::log!(
                "pg_strata: cluster_by of chunk \"{}\" names column \"{name}\", which does not exist any more",
                info.name
            ),
        }
    }
    if !order.contains(&key) {
        order.push(key);
    }
    Ok(order)
}
