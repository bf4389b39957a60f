//! What pg_dump sees of a cold chunk: the stub alone. The manifest travels as configuration data of
//! the extension, so that rows of the file would come twice after a restore. With `strata.dump_cold = rows` it is
//! the other way round.

use super::cold_state::{self, catalog, raise};
use super::guc::{DUMP_COLD, DumpCold};
use crate::cold::manifest::ChunkState;
use crate::error::{Error, Kind};
use pgrx::pg_sys;
use std::ffi::CStr;

/// True in a session of pg_dump (COPY of a chunk), whatever it is called: PGAPPNAME and connection strings give it
/// other names. It has locked the mark, or, as a worker of a parallel dump, has the settings with which all sessions
/// of pg_dump begin (pg_dump.c, setup_connection).
fn is_pg_dump() -> bool {
    // SAFETY: strings and flags of this process, NUL terminated or NULL; a plain look-up
    unsafe {
        let named = !pg_sys::application_name.is_null()
            && CStr::from_ptr(pg_sys::application_name) == c"pg_dump";
        let path = pg_sys::namespace_search_path;
        let set_up = !path.is_null()
            && matches!(CStr::from_ptr(path).to_bytes(), b"" | b"\"\"")
            && !pg_sys::synchronize_seqscans
            && pg_sys::XactReadOnly
            && pg_sys::XactIsoLevel >= pg_sys::XACT_REPEATABLE_READ as i32;
        let holds =
            || super::compat::lock_held(&mark(), pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        named || set_up || holds()
    }
}

/// The table that is locked by a dump which takes the manifest along.
fn mark() -> pg_sys::LOCKTAG {
    // SAFETY: look-ups by name
    let table = unsafe {
        let schema = pg_sys::get_namespace_oid(c"strata".as_ptr(), false);
        pg_sys::get_relname_relid(c"cold_dump_mark".as_ptr(), schema)
    };
    super::object_lock::relation_tag(table)
}

/// True in a session of pg_restore, or of another program that runs its scripts: all of them begin by setting
/// these. The application's name alone may be overridden.
pub(super) fn is_restore() -> bool {
    // SAFETY: strings and flags of this process; a name that is not there gives NULL
    unsafe {
        let named = !pg_sys::application_name.is_null()
            && CStr::from_ptr(pg_sys::application_name) == c"pg_restore";
        let path = pg_sys::namespace_search_path;
        let nowhere = !path.is_null() && matches!(CStr::from_ptr(path).to_bytes(), b"" | b"\"\"");
        named || (nowhere && !pg_sys::check_function_bodies && !pg_sys::row_security)
    }
}

/// True while pg_dump --inserts reads a table: through a cursor of this name, whatever the session
/// is called (pg_dump.c, dumpTableData_insert).
fn is_dump_cursor() -> bool {
    // SAFETY: the running portal, or NULL; its name is a NUL terminated string
    unsafe {
        let portal = pg_sys::ActivePortal;
        !portal.is_null()
            && !(*portal).name.is_null()
            && CStr::from_ptr((*portal).name) == c"_pg_dump_cursor"
    }
}

/// True when the dump holds the rows of files: then it leaves the manifest out, by the conditions of its tables.
fn dumps_rows() -> bool {
    DUMP_COLD.get() == DumpCold::Rows
}

/// True when COPY may read the stub as it is. 55000 when the dump leaves the manifest out.
pub(super) fn copies_stub(chunk: pg_sys::Oid) -> bool {
    let dumps = is_pg_dump() && !dumps_rows();
    if dumps {
        check_manifest_is_dumped(chunk);
    }
    dumps
}

/// True when a scan must leave out the file. 55000 when the dump leaves the manifest out.
pub(super) fn leaves_file_out(chunk: pg_sys::Oid) -> bool {
    let dumps = is_dump_cursor() && !dumps_rows();
    if dumps {
        check_manifest_is_dumped(chunk);
    }
    dumps
}

/// A dump of chosen tables or schemas would lose the cold rows without a word. pg_dump locks every
/// table that it knows it may dump, so the lock tells whether configuration data is among them;
/// in a parallel dump the leader holds it. It is a lock on a table that nobody reads: this look-up itself
/// locks those of the manifest.
///
/// A chunk that went cold between the dump's snapshot and its lock on the chunk has its rows in
/// neither: the heap is empty, the manifest too new for the snapshot.
fn check_manifest_is_dumped(chunk: pg_sys::Oid) {
    let ChunkState::Cold(manifest) = cold_state::of(chunk) else {
        return;
    };
    let dumped = (catalog().file_in_snapshot)(chunk).unwrap_or_else(|e| raise(e));
    if dumped.as_ref() != Some(&manifest.file) {
        raise(
            Error::new(
                Kind::Retry,
                format!(
                    "chunk \"{}\" was tiered after the dump began",
                    manifest.chunk_name
                ),
            )
            .hint("Run pg_dump again."),
        );
    }
    if !(catalog().is_current)(chunk).unwrap_or_else(|e| raise(e)) {
        let qualified = super::catalog::qualified_name(chunk).unwrap_or_default();
        raise(
            Error::new(
                Kind::NotInState,
                format!(
                    "columns of cold chunk \"{}\" were changed while event triggers were off",
                    manifest.chunk_name
                ),
            )
            .detail("A restored copy would take columns of its file for others.")
            .hint(format!(
                "With event triggers on, an ALTER TABLE notes the changes: ALTER TABLE {qualified} SET WITHOUT CLUSTER;"
            )),
        );
    }
    let tag = mark();
    // SAFETY: the lock tag lives on this stack
    let locked = unsafe {
        let mut others = 0;
        let exclusive = pg_sys::AccessExclusiveLock as pg_sys::LOCKMODE;
        pg_sys::GetLockConflicts(&tag, exclusive, &mut others);
        others > 0 || super::compat::lock_held(&tag, pg_sys::AccessShareLock as pg_sys::LOCKMODE)
    };
    if !locked {
        let name = &manifest.chunk_name;
        let qualified = super::catalog::qualified_name(chunk).unwrap_or_default();
        raise(
            Error::new(
                Kind::NotInState,
                format!("cannot dump cold chunk \"{name}\" without the manifest of its file"),
            )
            .detail("A dump of chosen tables or schemas leaves out the data of extension pg_strata.")
            .hint(format!(
                "Dump the whole database, or COPY (SELECT * FROM {qualified}) TO ..., or bring the chunk back first."
            )),
        );
    }
}
