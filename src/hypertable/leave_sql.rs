//! SPI statements about chunks on their way out; run as the extension's owner under the latest snapshot.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

const NOTE: &str = "INSERT INTO strata.detaching (chunk, hypertable, owner_oid, action, target, condition) \
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (chunk) DO UPDATE SET action = excluded.action, \
    target = excluded.target, condition = excluded.condition, owner_oid = excluded.owner_oid, \
    hypertable = excluded.hypertable, noted_at = clock_timestamp()";
const NOTE_FAILURE: &str = "INSERT INTO strata.detaching (chunk, hypertable, owner_oid, action, sqlerrcode, err_message) \
    SELECT $1, $2, c.relowner, 'failed', $3, $4 FROM pg_class c WHERE c.oid = $1 \
    ON CONFLICT (chunk) DO UPDATE SET sqlerrcode = excluded.sqlerrcode, err_message = excluded.err_message, \
    noted_at = clock_timestamp() WHERE strata.detaching.action = 'failed'";
const FAILURES: &str = "SELECT sqlerrcode, err_message FROM strata.detaching WHERE chunk = ANY ($1) AND action = 'failed'";
const NOTED: &str = "SELECT chunk, owner_oid, action, target, condition FROM strata.detaching \
    WHERE hypertable = $1 ORDER BY noted_at";
// why a chunk stays is there for whoever waits to read it
const NOTED_TABLES: &str = "SELECT DISTINCT hypertable FROM strata.detaching \
    WHERE action <> 'failed' OR noted_at < clock_timestamp() - interval '1 minute'";
const FORGET: &str = "DELETE FROM strata.detaching WHERE chunk = $1";
const UNANNOTATE: &str = "DELETE FROM strata.chunk WHERE chunk = $1::oid::regclass";
const PLACE: &str = "SELECT i.inhdetachpending FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid WHERE c.oid = $1";
const PENDING: &str = "SELECT inhrelid FROM pg_inherits WHERE inhparent = $1 AND inhdetachpending";
const LINKED: &str = "SELECT EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND (conrelid = $1 OR confrelid = $1))";
// a chunk's own constraint has a name that nobody gave it
const FOREIGN_KEYS: &str = "SELECT string_agg(DISTINCT format('%I of %s', r.conname, r.conrelid::regclass), ', ') \
    FROM pg_constraint c JOIN pg_constraint r ON r.oid = c.conparentid \
    WHERE c.confrelid = $1 AND c.contype = 'f' AND strpos($2, format('\"%s\"', c.conname)) > 0";
// views, functions with a body in SQL, foreign keys to the chunk itself, columns of its row type
const DEPENDENTS: &str = "SELECT string_agg(DISTINCT CASE WHEN r.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid) \
    ELSE pg_describe_object('pg_class'::regclass, r.ev_class, 0) END, ', ') \
    FROM pg_depend d LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid \
    LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid \
    WHERE d.deptype = 'n' AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 \
        AND (r.ev_class <> $1 OR d.classid = 'pg_proc'::regclass OR k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> $1) \
      OR d.refclassid = 'pg_type'::regclass AND d.refobjid = (SELECT c.reltype FROM pg_class c WHERE c.oid = $1) \
        AND d.classid IN ('pg_class'::regclass, 'pg_proc'::regclass))";
// its drop takes AccessExclusiveLock on the tables that it references; who has used them for long will go on
const LONG_USED: &str = "SELECT EXISTS (SELECT FROM pg_constraint c JOIN pg_locks l ON l.relation = c.confrelid \
    JOIN pg_stat_activity a ON a.pid = l.pid AND a.datid = l.database WHERE c.conrelid = $1 AND c.contype = 'f' \
    AND l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() \
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND a.xact_start < clock_timestamp() - interval '1 second')";
const BOUND: &str = "SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c WHERE c.oid = $1";
const IN_FILES: &str = "WITH RECURSIVE tree (rel) AS (SELECT $1::oid UNION ALL \
    SELECT i.inhrelid FROM pg_inherits i JOIN tree t ON i.inhparent = t.rel) \
    SELECT EXISTS (SELECT FROM tree t JOIN pg_class c ON c.oid = t.rel JOIN pg_am a ON a.oid = c.relam \
    WHERE a.amname = 'strata_cold')";
// who still uses the chunk: holders of locks on it, and snapshots in which it is still attached
const USERS: &str = "SELECT string_agg(DISTINCT format('%s (%s)', a.pid, coalesce(a.state, a.backend_type)), ', ') \
    FROM pg_stat_activity a LEFT JOIN pg_inherits i ON i.inhrelid = $1 AND i.inhdetachpending \
    WHERE a.pid <> pg_backend_pid() AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
    AND (EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation' AND l.relation = $1 \
                 AND l.database = a.datid AND l.granted) \
         OR a.backend_type <> 'autovacuum worker' AND age(a.backend_xmin) >= age(i.xmin))";
const OTHER_DETACHES: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() \
    AND state = 'active' AND query ~* 'detach\\s+partition' AND query ~* 'concurrently' \
    AND datid = (SELECT oid FROM pg_database WHERE datname = current_database()))";

fn ask<T: pgrx::FromDatum>(sql: &str, relation: pg_sys::Oid) -> Result<Option<T>> {
    let found = as_extension_owner(|| spi::read_latest(sql, &[relation.into()], |r| r.get(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// What becomes of a chunk once it is detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    Drop,
    /// it comes back if it has rows, or some that fulfil a condition
    DropIf {
        /// its bound, as SQL
        bound: String,
        /// SQL about a row of the table `c`
        unless: Option<String>,
    },
    /// it stays as a table of its own
    Keep,
    /// the same, in another schema
    Move(String),
}

/// A chunk that was marked as detaching by us.
#[derive(Debug, Clone)]
pub struct Noted {
    pub chunk: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub after: After,
}

/// Remembers what is to become of a chunk.
pub fn note(
    chunk: pg_sys::Oid,
    hypertable: pg_sys::Oid,
    owner: pg_sys::Oid,
    after: &After,
) -> Result<()> {
    let (action, target, condition) = match after {
        After::Drop => ("drop", None, None),
        After::DropIf { bound, unless } => ("empty", Some(bound.as_str()), unless.as_deref()),
        After::Keep => ("keep", None, None),
        After::Move(schema) => ("move", Some(schema.as_str()), None),
    };
    let args = [
        chunk.into(),
        hypertable.into(),
        owner.into(),
        action.into(),
        target.into(),
        condition.into(),
    ];
    as_extension_owner(|| spi::execute(NOTE, &args)).map(|_| ())
}

/// Remembers why a chunk stays, for who asked for its drop.
pub fn note_failure(
    chunk: pg_sys::Oid,
    hypertable: pg_sys::Oid,
    code: &str,
    message: &str,
) -> Result<()> {
    let args = [chunk.into(), hypertable.into(), code.into(), message.into()];
    as_extension_owner(|| spi::execute(NOTE_FAILURE, &args)).map(|_| ())
}

/// Why chunks stay: SQLSTATE and message.
pub fn failures(chunks: &[pg_sys::Oid]) -> Result<Vec<(String, String)>> {
    let args = [chunks.to_vec().into()];
    as_extension_owner(|| spi::read_latest(FAILURES, &args, |r| Ok((r.need(1)?, r.need(2)?))))
}

/// What was remembered about chunks of a hypertable, oldest first.
pub fn noted(hypertable: pg_sys::Oid) -> Result<Vec<Noted>> {
    as_extension_owner(|| {
        spi::read_latest(NOTED, &[hypertable.into()], |r| {
            let (action, schema): (String, Option<String>) = (r.need(3)?, r.get(4)?);
            Ok(Noted {
                chunk: r.need(1)?,
                owner: r.need(2)?,
                after: match (action.as_str(), schema) {
                    ("drop", _) => After::Drop,
                    ("empty", Some(bound)) => After::DropIf {
                        bound,
                        unless: r.get(5)?,
                    },
                    ("move", Some(schema)) => After::Move(schema),
                    _ => After::Keep,
                },
            })
        })
    })
}

/// Hypertables of which something is remembered; they may be gone.
pub fn noted_tables() -> Result<Vec<pg_sys::Oid>> {
    as_extension_owner(|| spi::read_latest(NOTED_TABLES, &[], |r| r.need(1)))
}

/// Forgets a chunk that has left, or that has come back.
pub fn forget(chunk: pg_sys::Oid, annotation: bool) -> Result<()> {
    as_extension_owner(|| {
        spi::execute(FORGET, &[chunk.into()])?;
        if annotation {
            spi::execute(UNANNOTATE, &[chunk.into()])?;
        }
        Ok(())
    })
}

/// Where a chunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Gone,
    Detached,
    Detaching,
    Attached,
}

/// By the latest committed state, or that of this transaction.
pub fn place(chunk: pg_sys::Oid) -> Result<Place> {
    let found =
        as_extension_owner(|| spi::read_latest(PLACE, &[chunk.into()], |r| r.get::<bool>(1)))?;
    Ok(match found.into_iter().next() {
        None => Place::Gone,
        Some(None) => Place::Detached,
        Some(Some(true)) => Place::Detaching,
        Some(Some(false)) => Place::Attached,
    })
}

/// The chunk that is marked as detaching; there is one at most (PostgreSQL allows no more).
pub fn pending(hypertable: pg_sys::Oid) -> Result<Option<pg_sys::Oid>> {
    ask(PENDING, hypertable)
}

/// True when foreign keys link the table with others.
pub fn is_linked(hypertable: pg_sys::Oid) -> Result<bool> {
    Ok(ask(LINKED, hypertable)?.unwrap_or(true))
}

/// The foreign key of a hypertable of which an error about one of its chunks speaks: name and table.
pub fn foreign_key(chunk: pg_sys::Oid, message: &str) -> Result<Option<String>> {
    let args = [chunk.into(), message.into()];
    let found = as_extension_owner(|| spi::read_latest(FOREIGN_KEYS, &args, |r| r.get(1)))?;
    Ok(found.into_iter().next().flatten())
}

/// Objects that use the chunk itself, which would keep it from being dropped, for people.
pub fn dependents(chunk: pg_sys::Oid) -> Result<Option<String>> {
    ask(DEPENDENTS, chunk)
}

/// True while the DROP of a detached chunk would only make others wait, and fail.
pub fn long_used(chunk: pg_sys::Oid) -> Result<bool> {
    Ok(ask(LONG_USED, chunk)?.unwrap_or(false))
}

/// The bound of a chunk, as SQL that any session reads in the same way.
pub fn bound(chunk: pg_sys::Oid) -> Result<String> {
    let _settings = super::chunks::ddl_settings();
    Ok(ask(BOUND, chunk)?.unwrap_or_default())
}

/// True when rows lie in files, or are on their way there.
pub fn in_files(chunk: pg_sys::Oid) -> Result<bool> {
    Ok(ask(IN_FILES, chunk)?.unwrap_or(false))
}

/// Sessions that still use a detaching chunk, for people.
pub fn users(chunk: pg_sys::Oid) -> Result<Option<String>> {
    ask(USERS, chunk)
}

/// True when some session is just detaching a partition concurrently.
pub fn others_detach() -> Result<bool> {
    let found = as_extension_owner(|| spi::read_latest(OTHER_DETACHES, &[], |r| r.need(1)))?;
    Ok(found.first() == Some(&true))
}
