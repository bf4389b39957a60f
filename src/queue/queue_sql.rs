//! Statements about queues, rings and segments; all run as the extension's owner.

use super::known::{Keep, Notify, Queue, Ring, Segment, State};
use super::own;
use super::retry::Retry;
use crate::error::{Error, Result};
use crate::pg::owner::{as_extension_owner, making_tables};
use crate::pg::{catalog, queue_watch, spi};
use pgrx::pg_sys;

macro_rules! settings {
    ($owner:literal) => {
        concat!(
            "SELECT qid, ",
            $owner,
            ", ring, (extract(epoch FROM lease) * 1000000)::int8, max_attempts, paused, \
            (extract(epoch FROM retry_delay) * 1000000)::int8, retry_factor, (extract(epoch FROM retry_max) * 1000000)::int8, \
            retry_jitter, keep, dead_letter, max_ready, group_limit, group_on_fail = 'hold', notify, notify_channel \
            FROM strata.queue q WHERE q.name = $1"
        )
    };
}
/// Every session asks once: the view of roles would cost more than all the rest.
const QUEUE: &str = settings!("owner_oid");
/// In a copy of the database its owner is known by name.
const COPIED_QUEUE: &str =
    settings!("coalesce((SELECT r.oid FROM pg_roles r WHERE r.rolname = q.owner), 0::oid)");
const NAME: &str = "SELECT name FROM strata.queue WHERE qid = $1 \
    UNION ALL SELECT q.name FROM strata.queue_stream s JOIN strata.queue q ON q.qid = s.queue WHERE s.qid = $1";
const RING: &str = "SELECT s.slot, s.generation, s.first_seq, s.state, c.oid, i.indexrelid \
    FROM strata.queue_segment s \
    JOIN pg_class c ON c.relname = s.name AND c.relnamespace = 'strata'::regnamespace \
    JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
    WHERE s.ring = $1 AND s.state <> 'free' ORDER BY s.generation";
const ADD_SEGMENT: &str = "INSERT INTO strata.queue_segment (ring, slot, name, generation, first_seq, state) \
    SELECT $1, $2, $3, coalesce(max(generation), 0) + 1, (SELECT last_value FROM strata.queue_seq), $4 \
    FROM strata.queue_segment WHERE ring = $1";

/// The queue of this name.
pub fn queue(name: &str) -> Result<Option<Queue>> {
    let sql = match super::home::is_here()? {
        true => QUEUE,
        false => COPIED_QUEUE,
    };
    as_extension_owner(|| {
        let read = spi::read_kept(sql, &[name.into()], |row| {
            Ok(Queue {
                qid: row.need(1)?,
                name: name.to_string(),
                owner: row.need(2)?,
                ring: row.need(3)?,
                lease_us: row.need(4)?,
                max_attempts: i16::try_from(row.need::<i32>(5)?).unwrap_or(i16::MAX),
                paused: row.need(6)?,
                retry: Retry {
                    delay_us: row.need(7)?,
                    factor: row.need(8)?,
                    max_us: row.need(9)?,
                    jitter: row.need(10)?,
                },
                keep: match row.need::<String>(11)?.as_str() {
                    "none" => Keep::None,
                    "all" => Keep::All,
                    _ => Keep::Failed,
                },
                dead_letter: row.get(12)?,
                max_ready: row.get(13)?,
                group_limit: row.need(14)?,
                group_holds: row.need(15)?,
                notify: match row.need::<String>(16)?.as_str() {
                    "none" => Notify::None,
                    "transaction" => Notify::Transaction,
                    _ => Notify::Auto,
                },
                notify_channel: row.need(17)?,
            })
        })?;
        Ok(read.into_iter().next())
    })
}

/// Name of the queue with this number, or with this stream.
pub fn name(qid: i32) -> Result<Option<String>> {
    as_extension_owner(|| {
        let read = spi::read_kept(NAME, &[qid.into()], |row| row.need(1))?;
        Ok(read.into_iter().next())
    })
}

/// The segments of a ring that are not free, the oldest first.
pub fn ring(ring: i32) -> Result<Ring> {
    as_extension_owner(|| {
        let segments = spi::read_kept(RING, &[ring.into()], |row| {
            let text: String = row.need(4)?;
            Ok(Segment {
                slot: row.need(1)?,
                generation: u32::try_from(row.need::<i64>(2)?)
                    .map_err(|_| Error::internal("generations of segments are used up"))?,
                first_seq: row.need(3)?,
                state: state(&text).unwrap_or(State::Full),
                table: row.need(5)?,
                index: row.need(6)?,
            })
        })?;
        Ok(Ring { segments })
    })
}

/// Waits for whoever changes this ring, and keeps others from it until the transaction ends. No advisory lock: those
/// are in reach of users.
pub fn lock_ring(ring: i32) {
    if let Some(class) = catalog::relation_oid("strata", "queue_segment") {
        let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
        catalog::lock_object(class, pg_sys::Oid::from(ring as u32), mode);
    }
}

const REVOKES: &str = "SELECT DISTINCT format('REVOKE ALL ON %s FROM %s CASCADE', c.oid::regclass, \
    CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) \
    FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = $1::regclass AND a.grantee <> c.relowner";

/// Takes back what ALTER DEFAULT PRIVILEGES has given to others on a table that we have just made: who writes to it
/// has commands run as other roles.
pub fn for_nobody(table: &str) -> Result<()> {
    as_extension_owner(|| {
        for sql in spi::read_latest(REVOKES, &[table.into()], |r| r.need::<String>(1))? {
            spi::execute(&sql, &[])?;
        }
        Ok(())
    })
}

/// Makes the table of a slot, with this state. Of the kind that `pg::segment` writes to, whatever the session's
/// default is.
pub fn make_segment(ring: i32, slot: i32, state: &str) -> Result<()> {
    let name = format!("queue_seg_{ring}_{slot}");
    as_extension_owner(|| {
        let table = format!(
            "CREATE TABLE strata.{name} OF strata.queue_row (PRIMARY KEY (qid, lane, seq)) \
             WITH (fillfactor = 45, autovacuum_enabled = off, toast.autovacuum_enabled = off)"
        );
        making_tables(|| spi::execute(&table, &[]))?;
        spi::execute(
            &format!("COMMENT ON TABLE strata.{name} IS 'jobs of queues'"),
            &[],
        )?;
        for_nobody(&format!("strata.{name}"))?;
        if ring == own::RING {
            // neither dumped nor in the way of DROP EXTENSION
            spi::execute(
                &format!("ALTER EXTENSION pg_strata ADD TABLE strata.{name}"),
                &[],
            )?;
        }
        let args = [ring.into(), slot.into(), name.as_str().into(), state.into()];
        spi::execute(ADD_SEGMENT, &args)?;
        queue_watch::changed("queue_segment");
        Ok(())
    })
}

const NAMES: &str = "SELECT name FROM strata.queue ORDER BY qid";

/// Names of all queues.
pub fn names() -> Result<Vec<String>> {
    as_extension_owner(|| spi::read_kept(NAMES, &[], |row| row.need(1)))
}

const RINGS: &str = "SELECT DISTINCT ring FROM strata.queue_segment ORDER BY ring";

/// The rings of this database.
pub fn rings() -> Result<Vec<i32>> {
    as_extension_owner(|| spi::read_latest(RINGS, &[], |row| row.need(1)))
}

/// A slot of a ring, free or not.
pub struct Age {
    pub slot: i32,
    /// `None`: free
    pub state: Option<State>,
    pub age_ms: u64,
}

const AGES: &str = "SELECT slot, state, greatest(0, (extract(epoch FROM clock_timestamp() - turned_at) * 1000)::int8) \
    FROM strata.queue_segment WHERE ring = $1 ORDER BY generation";
const FULL: &str = "UPDATE strata.queue_segment SET state = 'full', turned_at = clock_timestamp() \
    WHERE ring = $1 AND state = 'tail'";
const TAIL: &str = "UPDATE strata.queue_segment SET state = 'tail', turned_at = clock_timestamp(), \
    generation = (SELECT max(generation) + 1 FROM strata.queue_segment WHERE ring = $1), \
    first_seq = (SELECT last_value FROM strata.queue_seq) WHERE ring = $1 AND slot = $2 AND state = 'free'";
const STATE: &str = "UPDATE strata.queue_segment SET state = $3, turned_at = clock_timestamp() \
    WHERE ring = $1 AND slot = $2 AND state <> 'tail'";
const FORGET: &str =
    "DELETE FROM strata.queue_segment WHERE ring = $1 AND slot = $2 AND state = 'free'";

fn state(text: &str) -> Option<State> {
    match text {
        "tail" => Some(State::Tail),
        "full" => Some(State::Full),
        "draining" => Some(State::Draining),
        "parked" => Some(State::Parked),
        _ => None,
    }
}

/// All slots of a ring.
pub fn ages(ring: i32) -> Result<Vec<Age>> {
    as_extension_owner(|| {
        spi::read_latest(AGES, &[ring.into()], |row| {
            Ok(Age {
                slot: row.need(1)?,
                state: state(&row.need::<String>(2)?),
                age_ms: u64::try_from(row.need::<i64>(3)?).unwrap_or(0),
            })
        })
    })
}

/// Makes a free slot the tail.
pub fn turn(ring: i32, slot: i32) -> Result<()> {
    as_extension_owner(|| {
        spi::execute(FULL, &[ring.into()])?;
        spi::execute(TAIL, &[ring.into(), slot.into()])?;
        queue_watch::changed("queue_segment");
        Ok(())
    })
}

fn set_state(ring: i32, slot: i32, to: &str) -> Result<()> {
    as_extension_owner(|| {
        spi::execute(STATE, &[ring.into(), slot.into(), to.into()])?;
        queue_watch::changed("queue_segment");
        Ok(())
    })
}

/// Notes that somebody holds a segment that is to be emptied.
pub fn park(ring: i32, slot: i32) -> Result<()> {
    set_state(ring, slot, "parked")
}

/// Locks a table AccessExclusive to the end of the transaction, without waiting.
fn try_lock_alone(table: pg_sys::Oid) -> bool {
    let mode = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
    crate::pg::catalog::try_lock_relation(table, mode)
}

/// Empties a segment without living rows; false if somebody holds it, or has written to it meanwhile. Locks it
/// AccessExclusive, without waiting, to the end of the transaction.
pub fn truncate(ring: i32, slot: i32) -> Result<bool> {
    let name = format!("queue_seg_{ring}_{slot}");
    let Some(table) = crate::pg::catalog::relation_oid("strata", &name) else {
        return Ok(false);
    };
    if !try_lock_alone(table) {
        return Ok(false);
    }
    as_extension_owner(|| {
        // whoever writes holds a lock to the end of his transaction: under ours a look of now sees all
        let rows = spi::read_latest(&format!("SELECT FROM strata.{name} LIMIT 1"), &[], |_| {
            Ok(())
        })?;
        if !rows.is_empty() {
            return Ok(false);
        }
        spi::execute(&format!("TRUNCATE strata.{name}"), &[])?;
        set_state(ring, slot, "free")?;
        Ok(true)
    })
}

/// Drops a free segment, unless somebody holds it, as a dump does: it is kept then.
pub fn drop_segment(ring: i32, slot: i32) -> Result<()> {
    // whoever drops the extension takes it before its tables
    crate::pg::catalog::hold_extension();
    let name = format!("queue_seg_{ring}_{slot}");
    if !crate::pg::catalog::relation_oid("strata", &name).is_some_and(try_lock_alone) {
        return Ok(());
    }
    as_extension_owner(|| {
        if ring == own::RING {
            spi::execute(
                &format!("ALTER EXTENSION pg_strata DROP TABLE strata.{name}"),
                &[],
            )?;
        }
        spi::execute(&format!("DROP TABLE strata.{name}"), &[])?;
        spi::execute(FORGET, &[ring.into(), slot.into()])?;
        queue_watch::changed("queue_segment");
        Ok(())
    })
}
