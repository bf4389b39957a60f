//! What pg_class and its neighbours say about a relation: from the server's caches, without a query, and
//! as of the newest commit.

use pgrx::pg_sys;
use std::ffi::{CStr, CString, c_char};

/// One relation.
#[derive(Debug, Clone)]
pub struct Facts {
    pub oid: pg_sys::Oid,
    pub name: String,
    pub schema: String,
    pub relkind: char,
    pub persistence: char,
    pub is_partition: bool,
    pub owner: pg_sys::Oid,
    pub owner_name: String,
    pub is_system: bool,
    pub row_security: bool,
    /// as pg_class.relreplident
    pub replica_identity: char,
    /// `None` for the database's own
    pub tablespace: Option<String>,
}

/// One column.
#[derive(Debug, Clone)]
pub struct Column {
    pub type_oid: pg_sys::Oid,
    pub not_null: bool,
    pub generated: bool,
    pub type_name: String,
}

/// A row of a system cache, given back by Drop.
struct Tuple(pg_sys::HeapTuple);

impl Tuple {
    fn of_class(relation: pg_sys::Oid) -> Option<Tuple> {
        // SAFETY: a look-up by OID; messages first, since no lock is taken that would read them
        let tuple = unsafe {
            pg_sys::AcceptInvalidationMessages();
            pg_sys::SearchSysCache1(
                pg_sys::SysCacheIdentifier::RELOID as i32,
                pg_sys::Datum::from(relation),
            )
        };
        (!tuple.is_null()).then(|| Tuple(tuple))
    }

    /// # Safety
    /// `T` is what the rows of this cache begin with.
    unsafe fn form<T>(&self) -> &T {
        // SAFETY: promised by the caller; the row is held as long as this
        unsafe { &*pg_sys::GETSTRUCT(self.0).cast::<T>() }
    }
}

impl Drop for Tuple {
    fn drop(&mut self) {
        // SAFETY: found once, given back once
        unsafe { pg_sys::ReleaseSysCache(self.0) }
    }
}

/// # Safety
/// NULL, or a palloc'd NUL terminated string.
unsafe fn owned(text: *mut c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: promised by the caller; it is not used any more
    unsafe {
        let out = CStr::from_ptr(text).to_string_lossy().into_owned();
        pg_sys::pfree(text.cast());
        Some(out)
    }
}

fn name(data: &pg_sys::NameData) -> String {
    // SAFETY: a name is NUL terminated
    let text = unsafe { CStr::from_ptr(data.data.as_ptr()) };
    text.to_string_lossy().into_owned()
}

/// The relation, `None` when it does not exist (any more).
pub fn facts(relation: pg_sys::Oid) -> Option<Facts> {
    let tuple = Tuple::of_class(relation)?;
    // SAFETY: rows of pg_class begin with this; the look-ups give NULL or a palloc'd string
    unsafe {
        let class = tuple.form::<pg_sys::FormData_pg_class>();
        let schema = class.relnamespace;
        let is_system = relation.to_u32() < pg_sys::FirstNormalObjectId
            || schema == pg_sys::Oid::from(pg_sys::PG_CATALOG_NAMESPACE)
            || schema == pg_sys::get_namespace_oid(c"information_schema".as_ptr(), true);
        let tablespace = match class.reltablespace {
            pg_sys::InvalidOid => None,
            oid => owned(pg_sys::get_tablespace_name(oid)),
        };
        Some(Facts {
            oid: relation,
            name: name(&class.relname),
            schema: owned(pg_sys::get_namespace_name(schema))?,
            relkind: class.relkind as u8 as char,
            persistence: class.relpersistence as u8 as char,
            is_partition: class.relispartition,
            owner: class.relowner,
            owner_name: owned(pg_sys::GetUserNameFromId(class.relowner, true)).unwrap_or_default(),
            is_system,
            row_security: class.relrowsecurity,
            replica_identity: class.relreplident as u8 as char,
            tablespace,
        })
    }
}

/// True when the relation belongs to an extension.
pub fn is_member(relation: pg_sys::Oid) -> bool {
    // SAFETY: a look-up by OID
    unsafe {
        pg_sys::getExtensionOfObject(pg_sys::RelationRelationId, relation) != pg_sys::InvalidOid
    }
}

/// Owner of a relation, and whether anybody has been given or refused a privilege on it.
pub fn owner_and_grants(relation: pg_sys::Oid) -> Option<(pg_sys::Oid, bool)> {
    let tuple = Tuple::of_class(relation)?;
    let mut none = true;
    // SAFETY: rows of pg_class; the attribute is only asked for
    unsafe {
        pg_sys::SysCacheGetAttr(
            pg_sys::SysCacheIdentifier::RELOID as i32,
            tuple.0,
            pg_sys::Anum_pg_class_relacl as pg_sys::AttrNumber,
            &mut none,
        );
        let class = tuple.form::<pg_sys::FormData_pg_class>();
        Some((class.relowner, !none))
    }
}

/// A column that is not dropped.
pub fn column(relation: pg_sys::Oid, column: &str) -> Option<Column> {
    let column = CString::new(column).ok()?;
    // SAFETY: a look-up by OID and NUL terminated name; rows of pg_attribute begin with the struct
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        let tuple = pg_sys::SearchSysCacheAttName(relation, column.as_ptr());
        if tuple.is_null() {
            return None;
        }
        let tuple = Tuple(tuple);
        let attribute = tuple.form::<pg_sys::FormData_pg_attribute>();
        let typ = pg_sys::format_type_with_typemod(attribute.atttypid, attribute.atttypmod);
        (attribute.attnum > 0).then(|| Column {
            type_oid: attribute.atttypid,
            not_null: attribute.attnotnull,
            generated: attribute.attgenerated != 0,
            type_name: owned(typ).unwrap_or_default(),
        })
    }
}

/// True when a relation or a type of this name is in the schema: a new table cannot have it.
pub fn name_is_taken(schema: &str, name: &str) -> bool {
    let (Ok(schema), Ok(name)) = (CString::new(schema), CString::new(name)) else {
        return true;
    };
    // SAFETY: look-ups by NUL terminated names
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        pg_sys::get_relname_relid(name.as_ptr(), schema) != pg_sys::InvalidOid
            || pg_sys::SearchSysCacheExists(
                pg_sys::SysCacheIdentifier::TYPENAMENSP as i32,
                pg_sys::Datum::from(name.as_ptr()),
                pg_sys::Datum::from(schema),
                pg_sys::Datum::from(0),
                pg_sys::Datum::from(0),
            )
    }
}

/// Owner of a schema; `None` when there is none of this name.
pub fn schema_owner(schema: &str) -> Option<pg_sys::Oid> {
    let schema = CString::new(schema).ok()?;
    // SAFETY: a look-up by NUL terminated name; rows of pg_namespace begin with the struct
    unsafe {
        pg_sys::AcceptInvalidationMessages();
        let tuple = pg_sys::SearchSysCache1(
            pg_sys::SysCacheIdentifier::NAMESPACENAME as i32,
            pg_sys::Datum::from(schema.as_ptr()),
        );
        if tuple.is_null() {
            return None;
        }
        let tuple = Tuple(tuple);
        Some(tuple.form::<pg_sys::FormData_pg_namespace>().nspowner)
    }
}
