//! The setting `strata.cold_reads`: whether a scan may read its file at all.

use super::guc::{COLD_READS, ColdReads};
use crate::cold::manifest::Manifest;
use crate::error::{Error, Kind};
use pgrx::{PgLogLevel, PgSqlErrorCode, ereport, pg_sys};
use std::cell::Cell;

thread_local! {
    /// start of the transaction that runs an ALTER TABLE, 0 for none
    static ALTERING: Cell<i64> = const { Cell::new(0) };
    static NOTICED: Cell<bool> = const { Cell::new(false) };
}

/// Why the file is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skip {
    ZoneMap,
    Bloom,
    ReadsOff,
    /// a node above asks the file for states of aggregates
    Aggregated,
}

impl Skip {
    pub(super) fn text(self) -> &'static str {
        match self {
            Skip::ZoneMap => "zone map",
            Skip::Bloom => "bloom",
            Skip::ReadsOff => "strata.cold_reads = off",
            Skip::Aggregated => "aggregated",
        }
    }
}

/// An ALTER TABLE begins: what it checks (foreign keys of all rows) must see all rows. Returns what
/// [`leave`] wants; an error may jump over that, and then the mark means nothing in the next transaction.
pub(super) fn enter(statement: *mut pg_sys::PlannedStmt) -> i64 {
    // SAFETY: the server passes a utility statement; asks for a time of the transaction
    unsafe {
        if (*(*statement).utilityStmt).type_ == pg_sys::NodeTag::T_AlterTableStmt {
            return ALTERING.replace(pg_sys::GetCurrentTransactionStartTimestamp());
        }
    }
    ALTERING.get()
}

/// The statement of [`enter`] has ended.
pub(super) fn leave(before: i64) {
    ALTERING.set(before);
}

/// False: the file's rows are left out. 55000 where the setting says `error`.
pub(super) fn allowed(manifest: &Manifest) -> Result<bool, Error> {
    // SAFETY: ask for flags and a time of this process
    let checks = unsafe {
        pg_sys::InNoForceRLSOperation()
            || ALTERING.get() == pg_sys::GetCurrentTransactionStartTimestamp()
    };
    match COLD_READS.get() {
        _ if checks => Ok(true),
        ColdReads::On => Ok(true),
        ColdReads::Off => {
            if !NOTICED.replace(true) {
                ereport!(
                    PgLogLevel::NOTICE,
                    PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
                    format!(
                        "rows of cold files are left out, first those of chunk \"{}\": strata.cold_reads is off",
                        manifest.chunk_name
                    )
                );
            }
            Ok(false)
        }
        ColdReads::Error => Err(Error::new(
            Kind::NotInState,
            format!(
                "cannot read cold chunk \"{}\": strata.cold_reads is error",
                manifest.chunk_name
            ),
        )
        .hint("SET strata.cold_reads = on; or leave the chunk's range out of the query.")),
    }
}

/// The setting as it is, for EXPLAIN.
pub(super) fn is_off() -> bool {
    COLD_READS.get() == ColdReads::Off
}
