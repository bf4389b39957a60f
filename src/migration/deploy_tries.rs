//! Of one file of a procedure: where it goes on, and what is tried again.

use super::checksum;
use super::deploy::Failure;
use super::deploy_file::File;
use super::inspect::{self, Item};
use super::progress::Done;
use super::register::STRINGS;
use super::scene::Scene;
use super::set::Hash;
use super::vars::Filled;
use super::{act, server};
use crate::error::{Error, Kind, Result};
use std::time::Duration;

/// The statements as they ran: with what stood for variables then.
pub fn prefix(filled: &Filled<'_>, end: usize) -> Hash {
    checksum::prefix_fingerprint(&filled.text, end)
}

/// Where statement `number` ends, from 1; with the rows of a COPY.
fn end_of(filled: &Filled<'_>, number: i32) -> Result<Option<usize>> {
    let (mut seen, mut end) = (0, None);
    let stop = inspect::each(&filled.text, STRINGS, |item| {
        match item {
            Item::Statement { range, .. } => {
                seen += 1;
                if seen == number {
                    end = Some(range.end);
                }
            }
            Item::Rows(rows) if seen == number => end = Some(rows.end),
            Item::Rows(_) | Item::Command { .. } => {}
        }
        Ok(())
    })?;
    // what follows may be wrong still
    drop(stop);
    Ok(end)
}

/// 55000 unless the statements of a file that are done are still those of the text.
pub fn check_prefix(file: &str, done: Done, filled: &Filled<'_>) -> Result<()> {
    let n = done.statements;
    if n == 0 {
        return Ok(());
    }
    let now = end_of(filled, n)?.map(|end| prefix(filled, end));
    if now.is_some() && now == done.prefix {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotInState,
        format!("\"{file}\" cannot go on behind its statement {n}: what stands before has changed"),
    )
    .detail(format!("Its first {n} statements have taken effect as they were then."))
    .hint("Restore these statements and change what follows, or do the rest by hand and say so: SELECT strata.migrate_force(...)"))
}

/// True for an error after which a file may be tried again.
pub fn is_lock_timeout(failure: &Failure) -> bool {
    match failure {
        Failure::Ours(_) | Failure::Lost(_) => false,
        Failure::Theirs(whole) => whole.sqlstate == "55P03",
    }
}

const FIRST_PAUSE_MS: u64 = 1_000;
const LAST_PAUSE_MS: u64 = 60_000;

/// 1 s, doubled for each try up to a minute, with up to a quarter more, so that several runs do not meet again.
pub fn backoff(tries: u32) -> Duration {
    let base = FIRST_PAUSE_MS
        .saturating_mul(1_u64.checked_shl(tries).unwrap_or(u64::MAX))
        .min(LAST_PAUSE_MS);
    let random = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(base + base * random / 1_024)
}

impl File<'_> {
    /// True for a statement that turns out to be none for a transaction: it gets a process of its own.
    pub(super) fn goes_by_itself(&self, failure: &Failure, scene: &Scene<'_>) -> bool {
        let Failure::Theirs(whole) = failure else {
            return false;
        };
        let n = scene.now.borrow().statement;
        let new = act::is_outside(&whole.sqlstate) && n > self.done.get().statements;
        let new = new && self.by_itself.borrow_mut().insert(n);
        if new {
            let file = &self.filename;
            server::tell(&format!(
                "{file}: statement {n} does not run in a transaction, and gets a process of its own"
            ));
        }
        new
    }
}
