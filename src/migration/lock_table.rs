//! How full the server's table of locks is: a run that holds thousands of locks to its end may leave none for others.

use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};

// lock.c, NLOCKENTS(); postinit.c, InitializeMaxBackends(), with NUM_SPECIAL_WORKER_PROCS of 18: what is held by the fast path takes no place, nor do predicate locks
const USED: &str = "SELECT count(*), \
    pg_catalog.current_setting('max_locks_per_transaction')::int8 * (pg_catalog.current_setting('max_connections')::int8 \
      + coalesce(pg_catalog.current_setting('autovacuum_worker_slots', true), pg_catalog.current_setting('autovacuum_max_workers'))::int8 \
      + CASE WHEN pg_catalog.current_setting('autovacuum_worker_slots', true) IS NULL THEN 1 ELSE 2 END \
      + pg_catalog.current_setting('max_worker_processes')::int8 + pg_catalog.current_setting('max_wal_senders')::int8 \
      + pg_catalog.current_setting('max_prepared_transactions')::int8), \
    pg_catalog.current_setting('max_locks_per_transaction')::int8 \
    FROM (SELECT DISTINCT locktype, database, relation, page, tuple, virtualxid, transactionid, classid, objid, objsubid \
      FROM pg_catalog.pg_locks WHERE NOT fastpath AND mode <> 'SIReadLock') AS locks";

/// A WARNING when more than half of it is used. `twin`: the procedure that gives its locks back after each file, where
/// that would help.
pub fn warn(twin: Option<&str>) -> Result<()> {
    let found = as_extension_owner(|| {
        spi::read_latest(USED, &[], |row| {
            Ok((
                row.need::<i64>(1)?,
                row.need::<i64>(2)?,
                row.need::<i64>(3)?,
            ))
        })
    })?;
    let Some((used, size, per_transaction)) = found.into_iter().next() else {
        return Ok(());
    };
    if used * 2 <= size {
        return Ok(());
    }
    let mut hint = format!(
        "Set max_locks_per_transaction, which is {per_transaction}, to {} or more and restart the server.",
        next_setting(used, size, per_transaction)
    );
    if let Some(twin) = twin {
        hint.push_str(&format!(" {twin} gives the locks back after each file."));
    }
    session::warning(
        &format!("more than half of the table of locks is used: {used} of {size}"),
        Some(&hint),
    );
    Ok(())
}

/// With which at most half of it would be used.
fn next_setting(used: i64, size: i64, per_transaction: i64) -> i64 {
    let sessions = (size / per_transaction.max(1)).max(1);
    (used * 2 + sessions - 1) / sessions
}

#[cfg(test)]
mod tests {
    use super::next_setting;

    #[test]
    fn half_of_the_table_is_enough_with_the_setting_that_is_told() {
        assert_eq!(next_setting(201, 320, 10), 13);
        assert_eq!(next_setting(7_817, 7_680, 64), 131);
        for used in [1, 160, 161, 9_999] {
            let per_transaction = next_setting(used, 320, 10);
            assert!(per_transaction * 32 >= used * 2);
            assert!((per_transaction - 1) * 32 < used * 2);
        }
    }
}
