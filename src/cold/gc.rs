//! Collecting garbage: objects that no chunk needs any more are deleted, after a delay, by the one who owns them.
//!
//! Nothing is deleted at once, and nothing by a copy of a database that is not sure to be the only one. What is
//! found lying around joins the same queue as what was dropped, so it waits as long, and a copy that takes the
//! origin's new files for leftovers is found out before its first deletion.

use crate::cold::catalog::gc::{self as rows, Action, Leftover, Queued, Upload};
use crate::cold::catalog::owner::{self as leases, Folder};
use crate::cold::lease::{self, Held, Work};
use crate::cold::owner::{Me, Verdict, judge, lease_key};
use crate::cold::store::{StoreError, StoreResult};
use crate::cold::upkeep_stores::Stores;
use crate::error::{Error, Result};
use crate::pg::{bgworker, databases, inject};

/// Why the first run after a file was queued leaves it alone.
const UNPROVEN: &str = "until a run some hours later finds the owner file as it was left";

/// How a run goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Only looks, in the caller's transaction.
    Look,
    /// The queue and expired uploads, in a background worker.
    Queue,
    /// The same, and it searches the folders for leftovers.
    Search,
}

/// One run over the servers.
pub(super) struct Run {
    how: How,
    /// names the run in the log
    id: String,
    pub(super) me: Me,
    actions: Vec<Action>,
    /// what a look would have put into the queue of a folder
    would_queue: Vec<Action>,
}

/// What a run would do; changes nothing. Works on a standby, which owns nothing.
pub fn look(server: Option<&str>) -> Result<Vec<Action>> {
    let mut run = Run {
        how: How::Look,
        id: String::new(),
        me: leases::me()?,
        actions: Vec::new(),
        would_queue: Vec::new(),
    };
    for server in rows::servers(server)? {
        run.server(&server)?;
    }
    Ok(run.actions)
}

/// Works through one server, or all, in a background worker; nothing when another one is at it. `id` names the
/// run in the log.
pub fn collect(id: &str, server: Option<&str>, search: bool) -> Result<()> {
    let held = bgworker::transaction(|| match search {
        // somebody waits for it
        true => Held::take(Work::Upkeep).map(Some),
        false => Held::try_take(Work::Upkeep),
    })?;
    let Some(_alone) = held else { return Ok(()) };
    let mut run = Run {
        how: if search { How::Search } else { How::Queue },
        id: id.to_owned(),
        me: bgworker::transaction(leases::me)?,
        actions: Vec::new(),
        would_queue: Vec::new(),
    };
    for server in bgworker::transaction(|| rows::servers(server))? {
        run.server(&server)?;
    }
    bgworker::transaction(rows::sweep_notes)?;
    Ok(())
}

impl Run {
    /// A piece of catalog work.
    pub(super) fn db<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        match self.how {
            How::Look => f(),
            _ => Ok(bgworker::transaction(f)?),
        }
    }

    /// A request to a store. No transaction is open meanwhile in a background worker: an export waits for old
    /// snapshots.
    pub(super) fn net<T>(&self, f: impl FnOnce() -> StoreResult<T>) -> Result<StoreResult<T>> {
        match self.how {
            How::Look => Ok(f()),
            _ => Ok(bgworker::contain(|| Ok(f()))?),
        }
    }

    pub(super) fn looks_only(&self) -> bool {
        self.how == How::Look
    }

    pub(super) fn tell(
        &mut self,
        server: &str,
        action: &str,
        key: &str,
        bytes: Option<i64>,
        reason: &str,
    ) -> Result<()> {
        let action = Action {
            action: action.to_owned(),
            key: key.to_owned(),
            bytes,
            reason: reason.to_owned(),
        };
        if !self.looks_only() {
            self.db(|| rows::note(&self.id, server, &action))?;
        }
        if self.looks_only() && action.action == "queue" {
            self.would_queue.push(action.clone());
        }
        self.actions.push(action);
        Ok(())
    }

    fn server(&mut self, server: &str) -> Result<()> {
        let folders = self.db(|| leases::folders(Some(server)))?;
        let stores = match self.db(|| Stores::of(server)) {
            Ok(Some(stores)) => stores,
            Ok(None) => {
                let why = format!("server \"{server}\" does not exist");
                return self.tell(server, "keep", "", None, &why);
            }
            // options that cannot be used any more
            Err(e) => {
                for folder in &folders {
                    self.gave_up(folder, &e)?;
                }
                return Ok(());
            }
        };
        for folder in &folders {
            match self.ours(&stores, folder) {
                Ok(None) => {
                    if let Err(e) = self.folder(&stores, folder) {
                        self.gave_up(folder, &e)?;
                    }
                }
                Ok(Some(why)) => self.stopped(folder, &why)?,
                Err(e) => self.gave_up(folder, &e)?,
            }
        }
        self.strangers(server, &folders)
    }

    /// `None` when this database may delete in a folder, else why not.
    fn ours(&self, stores: &Stores, folder: &Folder) -> Result<Option<String>> {
        if !self.looks_only() {
            return lease::renew(stores, folder, &self.me);
        }
        if databases::in_recovery() {
            return Ok(Some(String::from("a standby deletes nothing")));
        }
        if folder.stopped.is_some() {
            return Ok(folder.stopped.clone());
        }
        let found = lease::find(stores, &folder.folder);
        let (found, _) = found.map_err(|e| e.at(&lease_key(&folder.folder)))?;
        Ok(match judge(&folder.held, &self.me, &found) {
            Verdict::Ours => None,
            Verdict::No(why) | Verdict::Dispute(why) => Some(why),
        })
    }

    fn stopped(&mut self, folder: &Folder, why: &str) -> Result<()> {
        let text = format!(
            "nothing is deleted in folder \"{}\" of server \"{}\": {why}",
            folder.folder, folder.server
        );
        if !self.looks_only() {
            let hint = lease::hint(&folder.server);
            pgrx::warning!("pg_strata: {text}. {hint}");
        }
        self.tell(
            &folder.server,
            "stopped",
            &lease_key(&folder.folder),
            None,
            why,
        )
    }

    /// The store does not answer, refuses, or answers nonsense.
    fn gave_up(&mut self, folder: &Folder, e: &Error) -> Result<()> {
        if !self.looks_only() {
            self.db(|| leases::failed(folder, &e.message))?;
            pgrx::log!(
                "pg_strata: collecting garbage on server \"{}\": {}",
                folder.server,
                e.message
            );
        }
        self.tell(
            &folder.server,
            "failed",
            &lease_key(&folder.folder),
            None,
            &e.message,
        )
    }

    fn folder(&mut self, stores: &Stores, folder: &Folder) -> Result<()> {
        for upload in self.db(|| rows::uploads(&folder.server, &folder.folder))? {
            if upload.expired {
                self.upload(stores, folder, &upload)?;
            }
        }
        if self.how != How::Queue {
            self.unfinished(stores, folder)?;
            self.orphans(stores, folder)?;
        }
        let (token, looks) = (self.me.token.clone(), self.looks_only());
        for queued in
            self.db(|| rows::queue(&folder.server, Some(&folder.folder), &token, looks))?
        {
            self.queued(stores, folder, &queued)?;
        }
        // where nothing waits, a run deletes at once what it has just queued
        for a in std::mem::take(&mut self.would_queue) {
            if rows::nothing_waits() {
                self.tell(&folder.server, "delete", &a.key, a.bytes, &a.reason)?;
            }
        }
        Ok(())
    }

    /// An upload that has not become a file within a day.
    fn upload(&mut self, stores: &Stores, folder: &Folder, upload: &Upload) -> Result<()> {
        let (server, key) = (folder.server.as_str(), upload.key.as_str());
        let at = |e: StoreError| e.at(key);
        if let (Some(id), false) = (&upload.upload_id, self.looks_only()) {
            self.net(|| stores.ask(|s| s.abort_upload(key, id)))?
                .map_err(at)?;
        }
        let meta = match self.net(|| stores.ask(|s| s.head(key)))? {
            Err(StoreError::Missing) => None,
            other => Some(other.map_err(at)?),
        };
        let bytes = meta.as_ref().and_then(|m| i64::try_from(m.size).ok());
        let left = Leftover {
            server,
            key,
            token: &self.me.token,
            bytes,
            reason: "expired upload",
        };
        if !self.looks_only() {
            let moved = self.db(|| rows::upload_expired(&left, meta.is_some()))?;
            if !moved {
                return Ok(());
            }
        }
        let (action, reason) = match meta {
            Some(_) => ("queue", "expired upload"),
            None => ("forget", "expired upload that left no object"),
        };
        self.tell(server, action, key, bytes, reason)
    }

    fn queued(&mut self, stores: &Stores, folder: &Folder, queued: &Queued) -> Result<()> {
        let (server, key) = (folder.server.as_str(), queued.key.as_str());
        if !queued.ours || queued.live {
            return self.not_deleted(server, queued);
        }
        if !queued.due {
            let reason = format!("{}, not before {} UTC", queued.reason, queued.due_at);
            return match self.looks_only() {
                true => self.tell(server, "wait", key, queued.bytes, &reason),
                false => Ok(()),
            };
        }
        if !queued.proven {
            let reason = format!("{}, {UNPROVEN}", queued.reason);
            return match self.how {
                How::Queue => Ok(()),
                _ => self.tell(server, "wait", key, queued.bytes, &reason),
            };
        }
        if self.looks_only() {
            let reason = match &queued.last_error {
                Some(error) => format!("{}; failed before: {error}", queued.reason),
                None => queued.reason.clone(),
            };
            return self.tell(server, "delete", key, queued.bytes, &reason);
        }
        // who asked for this run gets what it fails at, too
        if self.how == How::Queue && !queued.try_now {
            return Ok(());
        }
        let token = self.me.token.clone();
        if !self.db(|| rows::may_delete(server, key, &token))? {
            return Ok(());
        }
        inject::point("cold.gc.deleting");
        match self.net(|| stores.ask(|s| s.delete(key)))? {
            Ok(()) => {
                inject::point("cold.gc.deleted");
                self.db(|| rows::drop_queued(server, key))?;
                self.tell(server, "delete", key, queued.bytes, &queued.reason)
            }
            Err(e) => {
                self.db(|| rows::delete_failed(server, key, &e.to_string()))?;
                self.tell(server, "failed", key, queued.bytes, &e.to_string())?;
                // the others would have to wait for the same
                match e {
                    StoreError::Unreachable(_) | StoreError::Timeout(_) => Err(e.at(key)),
                    _ => Ok(()),
                }
            }
        }
    }

    /// What somebody else owns, or a chunk needs.
    fn not_deleted(&mut self, server: &str, queued: &Queued) -> Result<()> {
        if queued.live {
            return self.tell(
                server,
                "keep",
                &queued.key,
                queued.bytes,
                "a live chunk has its rows there",
            );
        }
        let reason = format!("{}, but another database owns it", queued.reason);
        if queued.due {
            if !self.looks_only() {
                self.db(|| rows::drop_queued(server, &queued.key))?;
            }
            return self.tell(server, "forget", &queued.key, queued.bytes, &reason);
        }
        match self.looks_only() {
            true => self.tell(server, "wait", &queued.key, queued.bytes, &reason),
            false => Ok(()),
        }
    }

    /// Queued objects in folders that this database never wrote to.
    fn strangers(&mut self, server: &str, folders: &[Folder]) -> Result<()> {
        let (token, looks) = (self.me.token.clone(), self.looks_only());
        for queued in self.db(|| rows::queue(server, None, &token, looks))? {
            let folder = crate::cold::owner::folder(&queued.key);
            if folders.iter().any(|f| f.folder == folder) {
                continue;
            }
            if queued.ours {
                let why =
                    "this database owns it, but not its folder; strata.cold_adopt takes it over";
                self.tell(server, "keep", &queued.key, queued.bytes, why)?;
            } else {
                self.not_deleted(server, &queued)?;
            }
        }
        Ok(())
    }
}
