//! Searching a folder for leftovers: uploads that nobody remembers, objects that nothing names.

use super::gc::Run;
use crate::cold::catalog::gc::{self as rows, Leftover};
use crate::cold::catalog::owner::Folder;
use crate::cold::owner::is_file_of_ours;
use crate::cold::store::upkeep::Listed;
use crate::cold::upkeep_stores::Stores;
use crate::error::Result;
use crate::pg::time;

/// Objects and uploads younger than this may still be in somebody's hands.
const YOUNG_US: i64 = 24 * 3600 * 1_000_000;

impl Run {
    /// What uploads have left that nobody even remembers.
    pub(super) fn unfinished(&mut self, stores: &Stores, folder: &Folder) -> Result<()> {
        let prefix = format!("{}/", folder.folder);
        let found = self.net(|| stores.ask(|s| s.unfinished(&prefix)))?;
        for upload in found.map_err(|e| e.at(&prefix))? {
            if is_young(upload.begun_us) {
                continue;
            }
            if !self.looks_only() {
                let done = self.net(|| stores.ask(|s| s.abort_upload(&upload.key, &upload.id)))?;
                done.map_err(|e| e.at(&upload.key))?;
            }
            self.tell(
                &folder.server,
                "abort",
                &upload.key,
                None,
                "unfinished upload",
            )?;
        }
        Ok(())
    }

    /// Objects that nothing names: they join the queue.
    pub(super) fn orphans(&mut self, stores: &Stores, folder: &Folder) -> Result<()> {
        let prefix = format!("{}/", folder.folder);
        let mut from: Option<String> = None;
        loop {
            let page = self.net(|| stores.ask(|s| s.list(&prefix, from.as_deref())))?;
            let page = page.map_err(|e| e.at(&prefix))?;
            let mut old = page.objects;
            old.retain(|o| !is_young(o.modified_us) && is_file_of_ours(&o.key));
            // asked after the listing: what was named before it was written is named by now
            let keys = old.iter().map(|o| o.key.clone()).collect();
            let unknown = self.db(|| rows::unknown(keys))?;
            for object in old.iter().filter(|o| unknown.contains(&o.key)) {
                self.orphan(folder, object)?;
            }
            from = page.next;
            if from.is_none() {
                return Ok(());
            }
        }
    }

    fn orphan(&mut self, folder: &Folder, object: &Listed) -> Result<()> {
        let bytes = i64::try_from(object.size).ok();
        let left = Leftover {
            server: &folder.server,
            key: &object.key,
            token: &self.me.token,
            bytes,
            reason: "orphan",
        };
        if !self.looks_only() && !self.db(|| rows::queue_orphan(&left))? {
            return Ok(());
        }
        self.tell(&folder.server, "queue", &object.key, bytes, "orphan")
    }
}

fn is_young(since_1970_us: i64) -> bool {
    time::unix_ns() / 1000 - since_1970_us < YOUNG_US
}
