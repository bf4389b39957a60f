//! Holding a folder of a store: reading and writing the object that says who may delete there.

use crate::cold::catalog::owner::{self as rows, Folder};
use crate::cold::catalog::settings;
use crate::cold::owner::{Found, Lease, Me, Verdict, judge, lease_key};
use crate::cold::store::{StoreError, StoreResult};
use crate::cold::upkeep_stores::Stores;
use crate::error::{Error, Kind, Result};
use crate::pg::{bgworker, catalog, inject, object_lock, session, spi, time};
use pgrx::pg_sys;
use std::time::Duration;

/// How often one renewal looks at what somebody else has written in the same moment.
const LOOKS: usize = 3;

/// What is locked in this database while somebody works on folders, by [`object_lock`].
#[derive(Debug, Clone, Copy)]
pub enum Work {
    /// Deleting, adopting, forking.
    Upkeep = 1,
    /// Reading and writing one owner file.
    Renewal = 2,
}

/// A lock of this session, given back by Drop.
pub struct Held(pg_sys::Oid, Work);

impl Held {
    /// `None` when somebody else has it.
    pub fn try_take(work: Work) -> Result<Option<Held>> {
        let Some(class) = catalog::relation_oid("strata", "cold_lease") else {
            return Err(Error::internal("relation strata.cold_lease is missing"));
        };
        // not `then_some`: a Held that was never held would let go of the lock when it is dropped
        Ok(object_lock::try_hold(class, work as u32).then(|| Held(class, work)))
    }

    /// Waits for it.
    pub fn take(work: Work) -> Result<Held> {
        loop {
            match Held::try_take(work)? {
                Some(held) => return Ok(held),
                None => bgworker::pause(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        object_lock::release(self.0, self.1 as u32);
    }
}

/// What lies in the store, with the identity of the object.
pub fn find(stores: &Stores, folder: &str) -> StoreResult<(Found, Option<String>)> {
    let key = lease_key(folder);
    Ok(match stores.ask(|s| s.read_small(&key))? {
        None => (Found::Nothing, None),
        Some(small) => {
            let found = Lease::parse(&small.bytes).map_or(Found::Unreadable, Found::Lease);
            (found, Some(small.etag))
        }
    })
}

fn write(stores: &Stores, folder: &str, lease: &Lease, etag: Option<&str>) -> StoreResult<()> {
    let (key, json) = (lease_key(folder), lease.json());
    stores.ask(|s| s.write_small(&key, json.as_bytes(), etag))
}

/// Proves that a folder is ours by writing a new value there, in a background worker outside of a transaction.
/// The value is recorded before it is written and after, and looked at once more: a store that knows no conditions
/// takes two writes of one moment without a word.
///
/// `Ok(Some(why))`: it is not, or not for sure, and nothing may be deleted there.
pub fn renew(stores: &Stores, folder: &Folder, me: &Me) -> Result<Option<String>> {
    let _alone = bgworker::transaction(|| Held::take(Work::Renewal))?;
    for _ in 0..LOOKS {
        // the other one may have renewed it meanwhile
        let again = bgworker::transaction(|| rows::folders(Some(&folder.server)))?;
        let Some(folder) = again.into_iter().find(|f| f.folder == folder.folder) else {
            return Ok(Some(String::from("it was given up just now")));
        };
        if let Some(why) = &folder.stopped {
            remind(stores, &folder, me)?;
            return Ok(Some(why.clone()));
        }
        match renew_once(stores, &folder, me)? {
            Renewal::Ours => return Ok(None),
            Renewal::Not(why) => return Ok(Some(why)),
            Renewal::Again => {}
        }
    }
    Ok(Some(String::from(
        "its ownership is being changed just now",
    )))
}

/// What one look and one write have come to.
enum Renewal {
    Ours,
    Not(String),
    /// Somebody else was there at the same moment: what he wrote is to be judged.
    Again,
}

fn look(stores: &Stores, folder: &Folder) -> Result<(Found, Option<String>)> {
    let at = |e: StoreError| e.at(&lease_key(&folder.folder));
    Ok(bgworker::contain(|| {
        find(stores, &folder.folder).map_err(at)
    })?)
}

fn renew_once(stores: &Stores, folder: &Folder, me: &Me) -> Result<Renewal> {
    let (found, etag) = look(stores, folder)?;
    let why = match judge(&folder.held, me, &found) {
        // another value so soon would only begin the time anew that this one must stand
        Verdict::Ours if folder.young => return Ok(Renewal::Ours),
        Verdict::Ours => {
            let lease = new_lease(folder, me)?;
            return write_ours(stores, folder, &lease, etag);
        }
        Verdict::No(why) => why,
        Verdict::Dispute(why) => {
            dispute(stores, folder, me, etag)?;
            why
        }
    };
    bgworker::transaction(|| rows::stop(folder, &why))?;
    Ok(Renewal::Not(why))
}

fn new_lease(folder: &Folder, me: &Me) -> Result<Lease> {
    Ok(Lease {
        value: uuid::Uuid::new_v4().to_string(),
        owner_token: me.token.clone(),
        timeline: me.timeline,
        adopted_us: folder.held.adopted_us,
        disputed: false,
        written_by: bgworker::transaction(rows::here)?,
    })
}

/// Tells the twin. Best effort: who cannot write there cannot delete there either.
fn dispute(stores: &Stores, folder: &Folder, me: &Me, etag: Option<String>) -> Result<()> {
    let disputed = Lease {
        disputed: true,
        ..new_lease(folder, me)?
    };
    let told = bgworker::contain(|| Ok(write(stores, &folder.folder, &disputed, etag.as_deref())))?;
    if let Err(e) = told {
        pgrx::log!("pg_strata: {}", e.at(&lease_key(&folder.folder)));
    }
    Ok(())
}

/// A folder where this database has stopped: the twin may have overwritten what it was told in the same moment, and
/// would go on alone.
fn remind(stores: &Stores, folder: &Folder, me: &Me) -> Result<()> {
    match look(stores, folder) {
        Ok((found, etag)) => {
            if let Verdict::Dispute(_) = judge(&folder.held, me, &found) {
                dispute(stores, folder, me, etag)?;
            }
        }
        // nothing hangs on it today
        Err(e) => pgrx::log!("pg_strata: {}", e.message),
    }
    Ok(bgworker::transaction(|| rows::reminded(folder))?)
}

fn write_ours(
    stores: &Stores,
    folder: &Folder,
    lease: &Lease,
    etag: Option<String>,
) -> Result<Renewal> {
    if !bgworker::transaction(|| rows::intend(folder, &lease.value))? {
        return Ok(Renewal::Again);
    }
    inject::point("cold.lease.intended");
    let sent = bgworker::contain(|| Ok(write(stores, &folder.folder, lease, etag.as_deref())))?;
    match sent {
        // somebody wrote between our look and our write
        Err(StoreError::Changed(_)) => return Ok(Renewal::Again),
        other => other.map_err(|e| e.at(&lease_key(&folder.folder)))?,
    }
    inject::point("cold.lease.sent");
    if !bgworker::transaction(|| rows::written(folder, &lease.value))? {
        return Ok(Renewal::Again);
    }
    let (found, _) = look(stores, folder)?;
    Ok(match found {
        Found::Lease(there) if there.value == lease.value => Renewal::Ours,
        _ => Renewal::Again,
    })
}

/// What to do about a folder that is not ours for sure.
pub fn hint(server: &str) -> String {
    let server = catalog::quote_literal(server);
    format!(
        "SELECT strata.cold_adopt({server}) if this database alone owns the files now; \
         SELECT strata.cold_fork({server}) if it shall only read them."
    )
}

fn only_superusers(what: &str) -> Result<()> {
    if session::is_superuser() {
        return Ok(());
    }
    Err(Error::new(
        Kind::InsufficientPrivilege,
        format!("permission denied to {what} files of the cold tier"),
    )
    .detail("Only superusers may decide who deletes files."))
}

/// This database owns all files that it knows on a server, whoever wrote them; returns their number. Other
/// databases that delete there stop at their next run.
///
/// 42501 no superuser, 42704 no such server, 42501 or 58030 when an owner file cannot be written.
pub fn adopt(server: &str) -> Result<i64> {
    only_superusers("adopt")?;
    spi::refuse_in_recovery();
    let Some(stores) = Stores::of(server)? else {
        return Err(super::servers::unknown(server));
    };
    let _upkeep = Held::take(Work::Upkeep)?;
    let _renewal = Held::take(Work::Renewal)?;
    // in microseconds since 1970
    let (me, at_us) = (rows::me()?, time::unix_ns() / 1000);
    let written_by = rows::here()?;
    let known = rows::folders(Some(server))?;
    for folder in rows::named_folders(server)? {
        let at = |e: StoreError| e.at(&lease_key(&folder));
        let (found, etag) = find(&stores, &folder).map_err(at)?;
        tell_from_whom(
            &folder,
            &found,
            known.iter().find(|f| f.folder == folder),
            &me,
        );
        let lease = Lease {
            value: uuid::Uuid::new_v4().to_string(),
            owner_token: me.token.clone(),
            timeline: me.timeline,
            adopted_us: at_us,
            disputed: false,
            written_by: written_by.clone(),
        };
        write(&stores, &folder, &lease, etag.as_deref()).map_err(at)?;
        rows::adopt_folder(server, &folder, &me, &lease.value, at_us)?;
    }
    rows::adopt_files(server, &me)
}

fn tell_from_whom(folder: &str, found: &Found, known: Option<&Folder>, me: &Me) {
    let Found::Lease(lease) = found else { return };
    let ours = known.is_some_and(|f| {
        lease.owner_token == me.token && f.held.last.as_ref() == Some(&lease.value)
    });
    if !ours && !lease.written_by.is_empty() {
        session::notice(
            &format!(
                "folder \"{folder}\" is taken over from {}",
                lease.written_by
            ),
            None,
        );
    }
}

/// From now on this database only reads the files that it knows, on one server or on all, and writes new ones
/// under a tag of its own; returns the number of files.
///
/// 42501 no superuser, 42704 no such server.
pub fn fork(server: Option<&str>) -> Result<i64> {
    only_superusers("fork")?;
    spi::refuse_in_recovery();
    if let Some(server) = server
        && settings::may_use(server, catalog::current_user())?.is_none()
    {
        return Err(super::servers::unknown(server));
    }
    let _upkeep = Held::take(Work::Upkeep)?;
    let _renewal = Held::take(Work::Renewal)?;
    rows::fork(server)
}
