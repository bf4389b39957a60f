//! What keeps runs and changes of one namespace apart: advisory locks to the end of the transaction, taken by trying, so
//! that whoever waits holds up nobody.
//!
//! A run holds the lock of its namespace shared, and that of its tenant alone; what changes files or settings holds the
//! former alone. So tenants run beside each other, and no file changes under a run.

use super::{golang_lock, outside};
use crate::error::{Error, Kind, Result};
use crate::pg::session_lock::{self, Key};
use crate::pg::{advisory, bgworker, session};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How often to look whether another run has ended.
pub const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long changes of files and settings wait, in milliseconds.
pub const PATIENCE_MS: i64 = 60_000;

/// For a run. 55P03 when another one, or a change of the files, takes longer than `wait_ms`.
pub fn run(namespace: &str, tenant: Option<&str>, wait_ms: i64) -> Result<()> {
    let begun = Instant::now();
    let (class, number) = golang_lock::whole_key(namespace);
    let whole = (Key::Pair(class, number), true);
    until(namespace, begun, wait_ms, whole, || {
        session::try_advisory_shared(class, number)
    })?;
    let (class, number) = golang_lock::own_key(namespace, tenant);
    let own = (Key::Pair(class, number), false);
    until(namespace, begun, wait_ms, own, || {
        session::try_advisory(class, number)
    })
}

/// Locks of another tool, in this order, to the end of the transaction. 55P03 as [`run`].
pub fn others(namespace: &str, keys: &[Key], wait_ms: i64) -> Result<()> {
    let begun = Instant::now();
    keys.iter().try_for_each(|key| {
        until(namespace, begun, wait_ms, (*key, false), || {
            key.try_take_in_transaction()
        })
    })
}

/// For what changes files or settings of a namespace. 55P03 as [`run`], 55006 inside of a run, and while a run is at a
/// statement by itself.
pub fn whole(namespace: &str) -> Result<()> {
    refuse_inside()?;
    let (class, number) = golang_lock::whole_key(namespace);
    let key = (Key::Pair(class, number), false);
    until(namespace, Instant::now(), PATIENCE_MS, key, || {
        session::try_advisory(class, number)
    })?;
    match outside::living(namespace)? {
        None => Ok(()),
        Some(what) => Err(Error::new(
            Kind::InUse,
            format!("a run of namespace \"{namespace}\" goes on"),
        )
        .detail(format!("It is at {what}, which no transaction takes."))
        .hint("Try again when it has ended: SELECT * FROM strata.migrate_status()")),
    }
}

/// 55000 when a file has given back locks that are not its own: others may have come in between.
pub fn still_held() -> Result<()> {
    if session_lock::are_held() {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotInState,
        "the locks of this run were given back by its own statements",
    )
    .hint("Let files give back the advisory locks that they take, and no others: no pg_advisory_unlock_all()."))
}

/// For what changes the state of one tenant. As [`whole`].
pub fn state(namespace: &str, tenant: Option<&str>) -> Result<()> {
    refuse_inside()?;
    run(namespace, tenant, PATIENCE_MS)
}

/// For a procedure, which keeps it over its commits; `pause` is called between tries. As [`run`]; back with
/// [`session_lock::release_all`], or with an abort.
pub fn session(
    namespace: &str,
    tenant: Option<&str>,
    wait_ms: i64,
    pause: impl FnMut() -> Result<()>,
) -> Result<()> {
    let (class, number) = golang_lock::whole_key(namespace);
    let whole = Key::Pair(class, number);
    let (class, number) = golang_lock::own_key(namespace, tenant);
    let own = Key::Pair(class, number);
    keys(namespace, &[(whole, true), (own, false)], wait_ms, pause)
}

/// The same for these keys; with each whether it is shared.
pub fn keys(
    namespace: &str,
    keys: &[(Key, bool)],
    wait_ms: i64,
    mut pause: impl FnMut() -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    for (key, shared) in keys.iter().copied() {
        while !key.try_take(shared) {
            if is_over(begun, wait_ms) {
                session_lock::release_all();
                return Err(busy(namespace, wait_ms, &advisory::holders(key, shared)));
            }
            pause()?;
        }
    }
    Ok(())
}

fn is_over(begun: Instant, wait_ms: i64) -> bool {
    begun.elapsed() >= Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))
}

/// 55P03; with the processes that hold what is waited for.
pub fn busy(namespace: &str, wait_ms: i64, holders: &[i32]) -> Error {
    let detail = format!("It, or a change of its files, has not ended within {wait_ms} ms.");
    let error = Error::new(
        Kind::LockNotAvailable,
        format!("another run of namespace \"{namespace}\" goes on"),
    );
    match holders {
        [] => error.detail(detail).hint("wait => '10 min' waits longer."),
        holders => error
            .detail(format!("{detail} {}", held_by(holders)))
            .hint(format!("{} wait => '10 min' waits longer.", who(holders))),
    }
}

/// Who holds a lock, as a sentence.
#[must_use]
pub fn held_by(pids: &[i32]) -> String {
    match pids {
        [one] => format!("The lock is held by process {one}."),
        _ => format!("The lock is held by processes {}.", list(pids)),
    }
}

/// The statement that says more of them.
#[must_use]
pub fn who(pids: &[i32]) -> String {
    let list = list(pids);
    format!(
        "SELECT pid, usename, state, query_start, query FROM pg_stat_activity WHERE pid IN ({list}) says who that is."
    )
}

fn list(pids: &[i32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(", ")
}

fn until(
    namespace: &str,
    begun: Instant,
    wait_ms: i64,
    (key, shared): (Key, bool),
    mut got: impl FnMut() -> bool,
) -> Result<()> {
    while !got() {
        if is_over(begun, wait_ms) {
            return Err(busy(namespace, wait_ms, &advisory::holders(key, shared)));
        }
        bgworker::pause(LOOK_AGAIN);
    }
    Ok(())
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// While alive, statements of files are run.
pub struct Inside;

/// 55006 inside of a run: a file that runs migrations, or changes them.
pub fn refuse_inside() -> Result<()> {
    if !INSIDE.get() {
        return Ok(());
    }
    Err(
        Error::new(Kind::InUse, "a migration cannot run or change migrations")
            .detail("It is being run by such a call itself."),
    )
}

impl Inside {
    /// Begins a run; 55006 inside of another one.
    pub fn begin() -> Result<Inside> {
        refuse_inside()?;
        INSIDE.set(true);
        Ok(Inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}
