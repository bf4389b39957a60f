//! Running jobs whose cancel was asked for: what a heartbeat tells their worker.

use super::claim_id::{Claim, Lane};
use super::known;
use super::rights::{self, Privilege};
use super::{end, lease_code};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{CANCELLING, Values, column};
use crate::pg::spi;

const ADD: &str = "INSERT INTO strata.queue_asked (qid, claim, worker) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
const OF_WORKER: &str = "SELECT a.qid, a.claim FROM strata.queue_asked a \
    JOIN strata.queue_worker w ON w.id = a.worker WHERE w.name = $1 ORDER BY a.claim";
const ALL: &str = "SELECT qid, claim FROM strata.queue_asked ORDER BY qid, claim LIMIT 1000";
const FORGET: &str = "DELETE FROM strata.queue_asked WHERE qid = $1 AND claim = $2";

/// To be called when a running job (with these values) is flagged as [`CANCELLING`]. One without a named worker is
/// told by `queue_extend` only.
pub fn note(row: &Values) -> Result<()> {
    let worker = row.int(column::WORKER);
    let Some(lane) = Lane::from_number(row.short(column::LANE)).filter(|_| worker != 0) else {
        return Ok(());
    };
    let claim = Claim {
        seq: row.long(column::SEQ),
        lane,
        fence: lease_code::unpack(row.short(column::FENCE)).0,
    };
    let args = [
        row.int(column::QID).into(),
        claim.pack().into(),
        worker.into(),
    ];
    as_extension_owner(|| spi::write_kept(ADD, &args, |_| Ok(()))).map(drop)
}

/// The claims of a worker whose cancel was asked for, in queues that the current user may pop.
pub fn of_worker(name: &str) -> Result<Vec<i64>> {
    let asked = as_extension_owner(|| {
        spi::read_kept(OF_WORKER, &[name.into()], |row| {
            Ok((row.need::<i32>(1)?, row.need::<i64>(2)?))
        })
    })?;
    let mut claims = Vec::new();
    for (qid, claim) in asked {
        let Some(queue) = known::by_number(qid)? else {
            continue;
        };
        if rights::has(&queue, Privilege::Pop)? && is_asked(qid, claim)? {
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Forgets those that have ended, or come back.
pub fn tidy() -> Result<()> {
    let all = as_extension_owner(|| {
        spi::read_latest(ALL, &[], |row| {
            Ok((row.need::<i32>(1)?, row.need::<i64>(2)?))
        })
    })?;
    for (qid, claim) in all {
        if !is_asked(qid, claim)? {
            as_extension_owner(|| {
                spi::write_kept(FORGET, &[qid.into(), claim.into()], |_| Ok(()))
            })?;
        }
    }
    Ok(())
}

fn is_asked(qid: i32, claim: i64) -> Result<bool> {
    let Some(queue) = known::by_number(qid)? else {
        return Ok(false);
    };
    let state = end::visit(&queue, qid, claim, |_, row, _| Some(row.state()))?;
    Ok(state == Some(CANCELLING))
}
