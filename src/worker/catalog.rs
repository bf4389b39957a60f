//! Every SQL statement of the workers.

use super::CONNECTED;
use crate::error::Result;
use crate::pg::spi;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::Oid;

const CHANGEABLE: &str = "\
SELECT d.oid FROM pg_catalog.pg_database d
WHERE d.datname OPERATOR(pg_catalog.=) $1 AND pg_catalog.pg_has_role(d.datdba, 'USAGE')";

const COPYABLE: &str = "\
SELECT d.oid FROM pg_catalog.pg_database d
WHERE d.datname OPERATOR(pg_catalog.=) $1
  AND (pg_catalog.pg_has_role(d.datdba, 'USAGE')
       OR d.datistemplate AND EXISTS (
           SELECT FROM pg_catalog.pg_roles r
           WHERE r.rolname OPERATOR(pg_catalog.=) current_user AND r.rolcreatedb))";

const TERMINATE: &str = "\
SELECT pg_catalog.pg_terminate_backend(a.pid, 5000) FROM pg_catalog.pg_stat_activity a
WHERE a.datid OPERATOR(pg_catalog.=) $1
  AND a.backend_type OPERATOR(pg_catalog.=) ANY ($2)
  AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";

const FORGET: &str = "SELECT pg_catalog.pg_stat_clear_snapshot()";

/// The database of that name if the current user may drop, rename or move it.
pub fn changeable(name: &str) -> Result<Option<Oid>> {
    spi::read_one(CHANGEABLE, &[DatumWithOid::from(name)], |row| row.need(1))
}

/// The database of that name if the current user may copy it.
pub fn copyable(name: &str) -> Result<Option<Oid>> {
    spi::read_one(COPYABLE, &[DatumWithOid::from(name)], |row| row.need(1))
}

/// Ends all processes of ours in `database` and waits for it; the current user must be a superuser.
pub fn terminate(database: Oid) -> Result<usize> {
    // earlier statements of the transaction may have frozen the view of pg_stat_activity
    spi::read(FORGET, &[], |_| Ok(()))?;
    let kinds: Vec<&str> = CONNECTED.to_vec();
    let ended = spi::read(
        TERMINATE,
        &[DatumWithOid::from(database), DatumWithOid::from(kinds)],
        |row| row.need::<bool>(1),
    )?;
    Ok(ended.len())
}
