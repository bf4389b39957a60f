//! Manifests that change by other hands than this library's: a restore loads them table by table, while sessions
//! may have looked at the chunks already.
//!
//! What this library writes it announces chunk by chunk. Everybody else is noticed by an invalidation of the
//! table itself, which each session takes for one of all chunks. A trigger sends it; where triggers were off
//! (pg_restore --disable-triggers), the server does, when they are put on again after the data.

use super::cold_state::raise;
use crate::cold::manifest::Manifest;
use crate::error::{Error, Kind};
use pgrx::{pg_guard, pg_sys};
use std::cell::Cell;
use std::ffi::CStr;

/// The tables that states of chunks are read from.
const TABLES: [&CStr; 7] = [
    c"cold_file",
    c"cold_column",
    c"cold_key",
    c"cold_index",
    c"cold_bloom",
    c"cold_setting",
    c"cold_merge",
];

thread_local! {
    static OIDS: Cell<[u32; TABLES.len()]> = const { Cell::new([0; TABLES.len()]) };
}

/// Before states are read: from now on changes of these tables concern this session.
pub(super) fn watch() {
    // SAFETY: look-ups by name; what is not there gives 0
    OIDS.set(unsafe {
        let schema = pg_sys::get_namespace_oid(c"strata".as_ptr(), true);
        TABLES.map(|table| pg_sys::get_relname_relid(table.as_ptr(), schema).to_u32())
    });
}

/// True for one of the tables that states were read from. May be called from callbacks.
pub(super) fn concerns(relation: u32) -> bool {
    relation != 0 && OIDS.get().contains(&relation)
}

/// Plans were made for what the chunks were until now.
pub(super) fn forget_plans() {
    // SAFETY: marks the plans of this process; takes no locks and raises nothing
    unsafe { pg_sys::ResetPlanCache() };
}

/// AFTER INSERT OR UPDATE OR DELETE on these tables, for each statement.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn strata_cold_changed(
    call: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: called by the trigger machinery with its own data
    unsafe {
        let context = (*call).context;
        if !context.is_null()
            && (*context).type_ == pg_sys::NodeTag::T_TriggerData
            && !is_own_statement()
        {
            let table = (*context.cast::<pg_sys::TriggerData>()).tg_relation;
            pg_sys::CacheInvalidateRelcacheByRelid((*table).rd_id);
        }
    }
    pg_sys::Datum::null()
}

/// Calling convention of the trigger function (fmgr.h).
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_strata_cold_changed() -> &'static pg_sys::Pg_finfo_record {
    static CONVENTION: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &CONVENTION
}

/// BEFORE INSERT OR UPDATE OR DELETE, for each row of the catalog of the cold tier: what a subscription to all
/// tables of another database brings along is left out. It would speak of files whose rows come with the chunks.
#[unsafe(no_mangle)]
#[pg_guard]
pub unsafe extern "C-unwind" fn strata_cold_unreplicated(
    call: pg_sys::FunctionCallInfo,
) -> pg_sys::Datum {
    // SAFETY: called by the trigger machinery with its own data
    unsafe {
        let context = (*call).context;
        if context.is_null()
            || (*context).type_ != pg_sys::NodeTag::T_TriggerData
            || super::compat::is_logical_worker()
        {
            return pg_sys::Datum::null();
        }
        let data = context.cast::<pg_sys::TriggerData>();
        let row = match (*data).tg_event & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_UPDATE => (*data).tg_newtuple,
            _ => (*data).tg_trigtuple,
        };
        pg_sys::Datum::from(row)
    }
}

/// Calling convention of the trigger function (fmgr.h).
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_strata_cold_unreplicated() -> &'static pg_sys::Pg_finfo_record {
    static CONVENTION: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &CONVENTION
}

/// True inside `as_extension_owner` and in functions of the extension that run as its owner: they name the
/// chunks that they change.
fn is_own_statement() -> bool {
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: both out pointers live on this stack
    unsafe { pg_sys::GetUserIdAndSecContext(&mut user, &mut context) };
    context & pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32 != 0
}

/// 55000 while the manifest of a chunk is still being restored: its columns would pass for NULL.
pub(super) fn check_complete(manifest: &Manifest) -> Result<(), Error> {
    let Some(column) = &manifest.unknown_column else {
        return Ok(());
    };
    Err(Error::new(
        Kind::NotInState,
        format!(
            "the manifest of cold chunk \"{}\" is not complete",
            manifest.chunk_name
        ),
    )
    .detail(format!(
        "The chunk came through a dump, and strata.cold_column does not know its column \"{column}\"."
    ))
    .hint(
        "Wait until the restore has loaded all of it. A column that was added while event triggers were off is \
         noted by the next ALTER TABLE with event triggers on.",
    ))
}

/// The same for callbacks that return no Result.
pub(super) fn demand_complete(manifest: &Manifest) {
    if let Err(e) = check_complete(manifest) {
        raise(e);
    }
}
