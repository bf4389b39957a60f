//! Statements of the notifier; they run as the extension's owner.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;

const LAST_NUMBER: &str = "SELECT last_value FROM strata.queue_seq";
const LOUD: &str = "SELECT qid FROM strata.queue WHERE notify = 'auto'";

/// The newest number of a job or of a delivery.
pub fn last_number() -> Result<i64> {
    as_extension_owner(|| {
        let read = spi::read_kept(LAST_NUMBER, &[], |row| row.need(1))?;
        Ok(read.into_iter().next().unwrap_or(0))
    })
}

/// The queues whose jobs the background worker tells of.
pub fn loud() -> Result<Vec<i32>> {
    as_extension_owner(|| spi::read_kept(LOUD, &[], |row| row.need(1)))
}
