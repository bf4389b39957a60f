//! Small questions to PostgreSQL's catalogs and relation cache.

use crate::error::{Error, Kind, Result};
use pgrx::{FromDatum, pg_sys};
use std::ffi::{CStr, CString, c_char};

/// Our own row of pg_extension.
#[derive(Debug, Clone)]
pub struct Extension {
    pub oid: pg_sys::Oid,
    pub owner: pg_sys::Oid,
    pub schema: pg_sys::Oid,
    pub version: String,
}

/// The extension as installed in this database; `None` where it is not. No query: it is asked often.
pub fn extension() -> Option<Extension> {
    // SAFETY: a scan of pg_extension by name, as get_extension_oid does it; the row is copied out before
    // the scan ends, and a version is a text that is never NULL
    unsafe {
        let mut key = pg_sys::ScanKeyData::default();
        pg_sys::ScanKeyInit(
            &mut key,
            pg_sys::Anum_pg_extension_extname as pg_sys::AttrNumber,
            pg_sys::BTEqualStrategyNumber as pg_sys::StrategyNumber,
            pg_sys::F_NAMEEQ.into(),
            pg_sys::Datum::from(c"pg_strata".as_ptr()),
        );
        let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
        let table = pg_sys::table_open(pg_sys::ExtensionRelationId, mode);
        let scan = pg_sys::systable_beginscan(
            table,
            pg_sys::ExtensionNameIndexId.into(),
            true,
            std::ptr::null_mut(),
            1,
            &mut key,
        );
        let tuple = pg_sys::systable_getnext(scan);
        let found = (!tuple.is_null()).then(|| {
            let row = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_extension>();
            let mut null = false;
            let version = pg_sys::heap_getattr(
                tuple,
                pg_sys::Anum_pg_extension_extversion as i32,
                (*table).rd_att,
                &mut null,
            );
            Extension {
                oid: row.oid,
                owner: row.extowner,
                schema: row.extnamespace,
                version: String::from_datum(version, null).unwrap_or_default(),
            }
        });
        pg_sys::systable_endscan(scan);
        pg_sys::table_close(table, mode);
        found
    }
}

/// Keeps DROP EXTENSION waiting to the end of the transaction, and waits for one that is under way. For workers,
/// before they lock anything else: it locks the extension first and then its tables one after another, in
/// an order that nobody else follows.
pub fn hold_extension() {
    // SAFETY: a plain global; a worker without a database has no catalogs to look into. The lock is the one that
    // DROP takes on its object (objectaddress.c, get_object_address), in a weak mode
    unsafe {
        if pg_sys::MyDatabaseId == pg_sys::InvalidOid {
            return;
        }
        if let Some(extension) = extension() {
            let mode = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
            pg_sys::LockDatabaseObject(pg_sys::ExtensionRelationId, extension.oid, 0, mode);
        }
    }
}

/// `name` quoted as an identifier where the server would quote it.
pub fn quote_ident(name: &str) -> String {
    let Ok(name) = CString::new(name) else {
        return String::from("\"\"");
    };
    // SAFETY: quote_identifier returns its argument or a palloc'd string, both NUL terminated
    unsafe { CStr::from_ptr(pg_sys::quote_identifier(name.as_ptr())) }
        .to_string_lossy()
        .into_owned()
}

/// `schema.name`, each part quoted as the server would.
pub fn quote_qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quote_ident(schema), quote_ident(name))
}

/// `text` as a string literal.
pub fn quote_literal(text: &str) -> String {
    let Ok(text) = CString::new(text) else {
        return String::from("''");
    };
    // SAFETY: quote_literal_cstr returns a palloc'd NUL terminated string
    unsafe { CStr::from_ptr(pg_sys::quote_literal_cstr(text.as_ptr())) }
        .to_string_lossy()
        .into_owned()
}

/// Name of a relation, without schema; an error when it is gone.
pub fn relation_name(relation: pg_sys::Oid) -> Result<String> {
    // SAFETY: get_rel_name returns NULL or a palloc'd NUL terminated string
    unsafe { found(relation, pg_sys::get_rel_name(relation)) }
}

/// Name of a relation's schema.
pub fn schema_name(relation: pg_sys::Oid) -> Result<String> {
    // SAFETY: both look-ups give NULL or a palloc'd NUL terminated string
    unsafe {
        let name = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        found(relation, name)
    }
}

/// What the server's look-up of a relation has given.
///
/// # Safety
/// `name` must be NULL or NUL terminated.
unsafe fn found(relation: pg_sys::Oid, name: *const c_char) -> Result<String> {
    if name.is_null() {
        return Err(Error::new(
            Kind::UndefinedTable,
            format!("relation with OID {} does not exist", relation.to_u32()),
        ));
    }
    // SAFETY: promised by the caller; checked for NULL above
    let name = unsafe { CStr::from_ptr(name) };
    Ok(name.to_string_lossy().into_owned())
}

/// `schema.name` of a relation, quoted for use in SQL.
pub fn qualified_name(relation: pg_sys::Oid) -> Result<String> {
    let name = relation_name(relation)?;
    // SAFETY: the relation exists, so its namespace does; the result is palloc'd
    let schema = unsafe { pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation)) };
    if schema.is_null() {
        return Err(Error::internal(format!(
            "relation \"{name}\" has no schema"
        )));
    }
    // SAFETY: checked for NULL above
    let schema = unsafe { CStr::from_ptr(schema) }
        .to_string_lossy()
        .into_owned();
    Ok(quote_qualified(&schema, &name))
}

/// OID of a relation by its names, without a look at anybody's search_path.
pub fn relation_oid(schema: &str, name: &str) -> Option<pg_sys::Oid> {
    let (schema, name) = (CString::new(schema).ok()?, CString::new(name).ok()?);
    // SAFETY: look-ups by NUL terminated names; invalid OIDs find nothing
    let oid = unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema)
    };
    (oid != pg_sys::InvalidOid).then_some(oid)
}

/// Number of a column.
pub fn attribute_number(relation: pg_sys::Oid, column: &str) -> Option<i16> {
    let column = CString::new(column).ok()?;
    // SAFETY: a look-up by OID and NUL terminated name
    let number = unsafe { pg_sys::get_attnum(relation, column.as_ptr()) };
    (number > 0).then_some(number)
}

/// Fails with 42501 unless the current user owns the relation, or is a member of its owner.
pub fn check_owner(relation: pg_sys::Oid) -> Result<()> {
    // SAFETY: plain catalog look-ups by OID
    let owner = unsafe { is_owner(relation) };
    if owner {
        return Ok(());
    }
    Err(Error::new(
        Kind::InsufficientPrivilege,
        format!("must be owner of table \"{}\"", relation_name(relation)?),
    ))
}

/// # Safety
/// Must run inside a transaction.
unsafe fn is_owner(relation: pg_sys::Oid) -> bool {
    // SAFETY: the caller is inside a transaction
    unsafe { super::compat::relation_ownercheck(relation, pg_sys::GetUserId()) }
}

/// Takes a lock on a relation and keeps it to the end of the transaction.
pub fn lock_relation(relation: pg_sys::Oid, mode: pg_sys::LOCKMODE) {
    if mode > pg_sys::RowExclusiveLock as pg_sys::LOCKMODE {
        super::spi::refuse_in_recovery();
    }
    // SAFETY: locking by OID is legal for any OID; released at transaction end
    unsafe { pg_sys::LockRelationOid(relation, mode) }
}

/// Takes a lock on an object that is no relation and keeps it to the end of the transaction.
pub fn lock_object(class: pg_sys::Oid, object: pg_sys::Oid, mode: pg_sys::LOCKMODE) {
    if mode > pg_sys::RowExclusiveLock as pg_sys::LOCKMODE {
        super::spi::refuse_in_recovery();
    }
    // SAFETY: as above
    unsafe { pg_sys::LockDatabaseObject(class, object, 0, mode) }
}

/// Like [`lock_object`], but gives up at once; false when the lock is taken by others, or they wait for it.
pub fn try_lock_object(class: pg_sys::Oid, object: pg_sys::Oid, mode: pg_sys::LOCKMODE) -> bool {
    // SAFETY: as above
    unsafe { pg_sys::ConditionalLockDatabaseObject(class, object, 0, mode) }
}

/// Like [`lock_relation`], but gives up at once; false when the lock is taken by others.
pub fn try_lock_relation(relation: pg_sys::Oid, mode: pg_sys::LOCKMODE) -> bool {
    // SAFETY: as above
    unsafe { pg_sys::ConditionalLockRelationOid(relation, mode) }
}

/// True when this transaction holds any lock on a relation.
pub fn lock_held_on(relation: pg_sys::Oid) -> bool {
    let tag = super::object_lock::relation_tag(relation);
    (pg_sys::AccessShareLock..=pg_sys::AccessExclusiveLock).any(|mode| {
        // SAFETY: the tag is valid
        unsafe { super::compat::lock_held(&tag, mode as pg_sys::LOCKMODE) }
    })
}

/// Makes the effects of the last command visible to the next one.
pub fn command_counter_increment() {
    // SAFETY: legal inside any transaction
    unsafe { pg_sys::CommandCounterIncrement() }
}

/// Raises the error of a pending cancel or shutdown.
pub fn check_for_interrupts() {
    pgrx::check_for_interrupts!();
}

/// True when a cancel or shutdown waits to be raised. `InterruptPending` would not do: CREATE and DROP DATABASE
/// (by a barrier), pg_log_backend_memory_contexts() and others set it, too, and nothing is to be given up for them.
pub fn interrupt_pending() -> bool {
    // SAFETY: words that signal handlers set
    unsafe {
        (&raw const pg_sys::QueryCancelPending).read_volatile() != 0
            || (&raw const pg_sys::ProcDiePending).read_volatile() != 0
    }
}

/// Lets in what other sessions have changed: caches forget it at once, not at the next lock.
pub fn accept_invalidations() {
    // SAFETY: what every lock of a relation does (lmgr.c); legal inside a transaction
    unsafe { pg_sys::AcceptInvalidationMessages() }
}

/// The current user id.
pub fn current_user() -> pg_sys::Oid {
    // SAFETY: a plain global
    unsafe { pg_sys::GetUserId() }
}

/// Tells all sessions that something about the relation changed: also what they keep in caches of ours.
pub fn invalidate(relation: pg_sys::Oid) {
    // SAFETY: legal for any relation that exists; a missing one raises an error
    unsafe { pg_sys::CacheInvalidateRelcacheByRelid(relation) }
}

/// True for types whose values can be hashed by a default operator class.
pub fn can_hash(typ: pg_sys::Oid) -> bool {
    // SAFETY: the type cache answers for any type that exists; its entries live as long as the session
    unsafe {
        let entry = pg_sys::lookup_type_cache(typ, pg_sys::TYPECACHE_HASH_OPFAMILY as i32);
        (*entry).hash_opf != pg_sys::InvalidOid
    }
}
