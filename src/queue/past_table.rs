//! The table of the history: made when it is first needed, or missing, and a hypertable by the same functions
//! that users call. It is no member of the extension.

use super::queue_sql;
use crate::error::Result;
use crate::pg::owner::{as_extension_owner, extension_owner, making_tables};
use crate::pg::{catalog, queue_watch, spi};
use pgrx::pg_sys;
use std::cell::Cell;

const CREATE: &str = "CREATE TABLE strata.queue_ended (id bigint NOT NULL, pushed_at timestamptz NOT NULL, \
    started_at timestamptz, finished_at timestamptz NOT NULL, qid integer NOT NULL, stream integer NOT NULL, \
    attempts smallint NOT NULL, max_attempts smallint NOT NULL, priority smallint NOT NULL, state text NOT NULL, \
    queue text NOT NULL, kind text, worker text, unique_key text, group_key text, payload jsonb, result jsonb, \
    progress jsonb, errors jsonb, PRIMARY KEY (id, finished_at))";
const COMMENT: &str = "COMMENT ON TABLE strata.queue_ended IS \
    'ended jobs of queues: a hypertable, with retention and tiering as of any other; see the view strata.queue_history'";
const HYPERTABLE: &str = "SELECT FROM strata.create_hypertable('strata.queue_ended', \
    strata.by_range('finished_at', INTERVAL '1 day'), create_default_indexes => false, if_not_exists => true)";
const SKIPPING: &str =
    "SELECT FROM strata.enable_chunk_skipping('strata.queue_ended', 'id', if_not_exists => true)";
const VIEW: &str = "SELECT FROM strata._queue_show_ended()";

/// owner of the table, is it a hypertable, does the view show it
const STATE: &str = "SELECT c.relowner, EXISTS (SELECT FROM strata.hypertable h WHERE h.relation = c.oid), \
    EXISTS (SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid \
    WHERE r.ev_class = 'strata.queue_history'::regclass AND d.refclassid = 'pg_class'::regclass \
    AND d.refobjid = c.oid) \
    FROM pg_class c WHERE c.relname = 'queue_ended' AND c.relnamespace = 'strata'::regnamespace";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    ours: bool,
    hypertable: bool,
    shown: bool,
}

impl State {
    const READY: State = State {
        ours: true,
        hypertable: true,
        shown: true,
    };
}

fn state() -> Result<Option<State>> {
    as_extension_owner(|| {
        let read = spi::read_latest(STATE, &[], |row| {
            Ok(State {
                ours: Some(row.need::<pg_sys::Oid>(1)?) == extension_owner(),
                hypertable: row.need(2)?,
                shown: row.need(3)?,
            })
        })?;
        Ok(read.into_iter().next())
    })
}

const THERE: &str = "SELECT true FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner WHERE c.relname = 'queue_ended' \
    AND c.relnamespace = 'strata'::regnamespace AND c.relkind = 'p' AND o.rolname = current_user";

/// Is there a table of ours?
pub fn is_there() -> Result<bool> {
    as_extension_owner(|| Ok(!spi::read_kept(THERE, &[], |row| row.need::<bool>(1))?.is_empty()))
}

/// Makes what is missing: the table, its place among hypertables, its place in the view. False if somebody
/// else has made a table of this name: nothing is written to it. Takes a lock of its own to the end of the
/// transaction.
pub fn ensure() -> Result<bool> {
    if state()? == Some(State::READY) {
        return Ok(true);
    }
    as_extension_owner(|| {
        // no advisory lock: those are in reach of users
        if let Some(class) = catalog::relation_oid("strata", "queue_history_overflow") {
            let mode = pg_sys::ExclusiveLock as pg_sys::LOCKMODE;
            catalog::lock_object(class, pg_sys::Oid::from(1), mode);
        }
        let state = match state()? {
            Some(state) if !state.ours => {
                pgrx::warning!(
                    "strata.queue_ended belongs to another role than the extension: ended jobs stay in \
                     strata.queue_history_overflow"
                );
                return Ok(false);
            }
            Some(state) => state,
            None => {
                making_tables(|| spi::execute(CREATE, &[]))?;
                spi::execute(COMMENT, &[])?;
                queue_sql::for_nobody("strata.queue_ended")?;
                State {
                    hypertable: false,
                    shown: false,
                    ..State::READY
                }
            }
        };
        if !state.hypertable {
            spi::execute(HYPERTABLE, &[])?;
            spi::execute(SKIPPING, &[])?;
        }
        if !state.shown {
            spi::execute(VIEW, &[])?;
        }
        Ok(true)
    })
}

/// The chunk for now, as this session knows it.
#[derive(Debug, Clone, Copy, Default)]
struct Chunk {
    epoch: u64,
    table: u32,
    chunk: u32,
    /// microseconds since 2000-01-01 UTC
    from: i64,
    to: i64,
}

thread_local! {
    static CHUNK: Cell<Chunk> = const { Cell::new(Chunk { epoch: 0, table: 0, chunk: 0, from: 0, to: 0 }) };
}

/// chunk, and its range in microseconds since 2000-01-01 UTC
const CHUNKS: &str = "SELECT c.oid, (extract(epoch FROM r.range_start) * 1000000)::int8 - 946684800000000, \
    (extract(epoch FROM r.range_end) * 1000000)::int8 - 946684800000000 \
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_am a ON a.oid = c.relam \
    CROSS JOIN LATERAL strata._chunk_range(c.oid, 'timestamptz'::regtype) r \
    WHERE i.inhparent = $1 AND EXISTS (SELECT FROM pg_class p JOIN pg_roles o ON o.oid = p.relowner \
    WHERE p.oid = $1 AND o.rolname = current_user) AND NOT i.inhdetachpending AND c.relkind = 'r' AND a.amname = 'heap' \
    AND isfinite(r.range_start) AND isfinite(r.range_end) AND r.range_start <= $2 AND r.range_end > $2";

/// Does the hypertable take a row that ended at `at` (microseconds since 2000-01-01 UTC), without any wait? If so,
/// it and the chunk are locked RowExclusive until the transaction ends.
pub fn takes(at: i64) -> Result<bool> {
    let Some(table) = catalog::relation_oid("strata", "queue_ended") else {
        return Ok(false);
    };
    let mode = pg_sys::RowExclusiveLock as pg_sys::LOCKMODE;
    // the lock lets in what others have changed
    if !catalog::try_lock_relation(table, mode) {
        return Ok(false);
    }
    let Some(chunk) = chunk(table, at)? else {
        return Ok(false);
    };
    Ok(catalog::try_lock_relation(
        pg_sys::Oid::from(chunk.chunk),
        mode,
    ))
}

fn chunk(table: pg_sys::Oid, at: i64) -> Result<Option<Chunk>> {
    queue_watch::watch(table);
    let epoch = queue_watch::epoch();
    let known = CHUNK.get();
    let fits = |c: &Chunk| c.from <= at && at < c.to;
    if known.epoch == epoch && known.table == table.to_u32() && fits(&known) {
        return Ok(Some(known));
    }
    as_extension_owner(|| {
        let args = [table.into(), crate::pg::queue_args::time(at)];
        let found = spi::read_kept(CHUNKS, &args, |row| {
            Ok(Chunk {
                epoch,
                table: table.to_u32(),
                chunk: row.need::<pg_sys::Oid>(1)?.to_u32(),
                from: row.need(2)?,
                to: row.need(3)?,
            })
        })?;
        let found = found.into_iter().find(fits);
        if let Some(chunk) = found {
            CHUNK.set(chunk);
        }
        Ok(found)
    })
}

/// Days of the rows that are moved next, and the next hour: where chunks are needed.
const DAYS: &str = "SELECT DISTINCT date_trunc('day', n.at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' FROM ( \
    (SELECT finished_at FROM strata.queue_history_overflow ORDER BY finished_at LIMIT $1) \
    UNION ALL VALUES (clock_timestamp()), (clock_timestamp() + INTERVAL '1 hour')) n (at) \
    WHERE NOT EXISTS (SELECT FROM pg_inherits i CROSS JOIN LATERAL strata._chunk_range(i.inhrelid, 'timestamptz'::regtype) r \
    WHERE i.inhparent = 'strata.queue_ended'::regclass AND r.range_start <= n.at AND r.range_end > n.at)";
const MAKE: &str = "SELECT strata.premake_chunks('strata.queue_ended', $1, $1 + INTERVAL '1 day')";

/// Makes the chunks that the oldest `rows` of the overflow table, and jobs of the next hour, go to.
pub fn make_chunks(rows: i64) -> Result<()> {
    as_extension_owner(|| {
        let days = spi::read_latest(DAYS, &[rows.into()], |row| {
            row.need::<pgrx::datum::TimestampWithTimeZone>(1)
        })?;
        for day in days {
            spi::execute(MAKE, &[day.into()])?;
        }
        Ok(())
    })
}
