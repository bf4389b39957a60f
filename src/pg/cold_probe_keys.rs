//! The unique keys of a cold chunk, as far as the file can be asked about them.

use super::cold_datum::{self, Codec};
use super::cold_probe::{codec, refusal};
use super::list;
use super::sqlite::Cursor;
use crate::cold::manifest::Manifest;
use crate::cold::mapping::{Cell, CellRef};
use crate::error::Result;
use pgrx::pg_sys;
use std::cmp::Ordering;
use std::ffi::CStr;

/// One unique index of the chunk.
pub(super) struct Key {
    pub(super) index: pg_sys::Oid,
    /// in the order of the index
    pub(super) columns: Vec<KeyColumn>,
    /// NULLS NOT DISTINCT
    pub(super) nulls_equal: bool,
    pub(super) sql: String,
    pub(super) cursor: Option<Cursor>,
    /// numbers of the manifest's filters over columns of this key, and where these are in the key
    pub(super) blooms: Vec<(usize, Vec<usize>)>,
}

/// One column of a key.
pub(super) struct KeyColumn {
    pub(super) attnum: i16,
    pub(super) codec: Codec,
    pub(super) physical: String,
    /// the file holds values of this column that do not have its native form
    pub(super) mixed: bool,
    /// smallest and largest value in the file, where they are known exactly
    min: Option<Cell>,
    max: Option<Cell>,
}

impl KeyColumn {
    /// True when no row of the file has this value, by the bounds that the manifest knows.
    pub(super) fn is_outside(&self, value: CellRef<'_>) -> bool {
        if self.mixed || matches!(value, CellRef::Null) {
            return false;
        }
        let beyond = |bound: &Option<Cell>, side| {
            let bound = bound.as_ref().map(Cell::as_ref);
            bound.is_some_and(|b| value.order(&b) == side)
        };
        beyond(&self.min, Ordering::Less) || beyond(&self.max, Ordering::Greater)
    }
}

/// The keys; an error that says why late rows cannot be taken when one of them cannot be looked up.
///
/// # Safety
/// `rel` must be open, and locked so that its indexes stay.
pub(super) unsafe fn of(rel: pg_sys::Relation, manifest: &Manifest) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    // SAFETY: promised by the caller; every index entry is given back
    unsafe {
        let indexes = pg_sys::RelationGetIndexList(rel);
        let mut outcome = Ok(());
        for oid in list::oids(indexes) {
            let index = pg_sys::RelationIdGetRelation(oid);
            if index.is_null() {
                continue;
            }
            let form = (*index).rd_index;
            let unique = (*form).indisunique || (*form).indisexclusion;
            let key = (unique && (*form).indisready).then(|| key_of(rel, index, manifest));
            pg_sys::RelationClose(index);
            match key {
                Some(Ok(key)) => keys.push(key),
                Some(Err(e)) => outcome = outcome.and(Err(e)),
                None => {}
            }
        }
        pg_sys::list_free(indexes);
        outcome.map(|()| keys)
    }
}

/// One of them.
///
/// # Safety
/// Both must be open.
pub(super) unsafe fn key_of(
    rel: pg_sys::Relation,
    index: pg_sys::Relation,
    manifest: &Manifest,
) -> Result<Key> {
    // SAFETY: promised by the caller; the index has as many key columns as it says
    unsafe {
        let form = (*index).rd_index;
        let n = (*form).indnkeyatts as usize;
        let attnums = (*form).indkey.values.as_slice(n).to_vec();
        let why = |what: &str| {
            let name = CStr::from_ptr((*(*index).rd_rel).relname.data.as_ptr()).to_string_lossy();
            refusal(
                (*rel).rd_id,
                &format!("Its unique key \"{name}\" cannot be looked up in the file: {what}."),
            )
        };
        if let Some(reason) = blind(rel, index) {
            return Err(why(&reason));
        }
        if !manifest.has_key(&attnums) {
            return Err(why("the file does not carry its index"));
        }
        let mut columns = Vec::with_capacity(n);
        for attnum in &attnums {
            columns.push(column_of(rel, *attnum, manifest).map_err(|e| why(&e))?);
        }
        let mut key = Key {
            index: (*index).rd_id,
            columns,
            nulls_equal: (*form).indnullsnotdistinct,
            sql: String::new(),
            cursor: None,
            blooms: blooms_of(&attnums, manifest),
        };
        key.sql = key.sql(manifest, &[]);
        Ok(key)
    }
}

/// The filters that say something about a key: all of their columns are columns of it.
fn blooms_of(attnums: &[i16], manifest: &Manifest) -> Vec<(usize, Vec<usize>)> {
    let blooms = manifest.blooms.iter().enumerate();
    blooms
        .filter_map(|(n, bloom)| {
            let position = |a: &i16| attnums.iter().position(|k| k == a);
            let positions = bloom.attnums.iter().map(position).collect::<Option<_>>()?;
            Some((n, positions))
        })
        .collect()
}

/// Why no file can be asked for keys of this unique or exclusion index, whatever the file holds.
///
/// # Safety
/// Both must be open.
unsafe fn blind(rel: pg_sys::Relation, index: pg_sys::Relation) -> Option<String> {
    // SAFETY: promised by the caller; the index has as many key columns as it says
    unsafe {
        let form = (*index).rd_index;
        if (*form).indisexclusion {
            return Some(String::from("it is an exclusion constraint"));
        }
        let attnums = (*form).indkey.values.as_slice((*form).indnkeyatts as usize);
        let whole = pg_sys::heap_attisnull(
            (*index).rd_indextuple,
            pg_sys::Anum_pg_index_indpred as i32,
            std::ptr::null_mut(),
        );
        if attnums.iter().any(|a| *a <= 0) || !whole {
            return Some(String::from("it has expressions or a predicate"));
        }
        let columns = attnums.iter().enumerate();
        columns
            .filter_map(|(i, attnum)| blind_column(rel, index, i, *attnum))
            .next()
    }
}

/// # Safety
/// Both must be open; `i` is a key column of the index, the attribute `attnum` of the table.
unsafe fn blind_column(
    rel: pg_sys::Relation,
    index: pg_sys::Relation,
    i: usize,
    attnum: i16,
) -> Option<String> {
    // SAFETY: promised by the caller
    unsafe {
        let att = super::compat::attribute((*rel).rd_att, (attnum - 1) as usize);
        let name = CStr::from_ptr((*att).attname.data.as_ptr()).to_string_lossy();
        let (type_oid, typmod) = ((*att).atttypid, (*att).atttypmod);
        if !cold_datum::encoding_of(type_oid).eq_exact() {
            let type_name = CStr::from_ptr(pg_sys::format_type_be(type_oid)).to_string_lossy();
            return Some(format!("column \"{name}\" is of type {type_name}"));
        }
        let collation = *(*index).rd_indcollation.add(i);
        if collation != pg_sys::InvalidOid && !pg_sys::get_collation_isdeterministic(collation) {
            return Some(format!(
                "the collation of column \"{name}\" is not deterministic"
            ));
        }
        let (base, _) = cold_datum::base_type(type_oid, typmod);
        let cache = pg_sys::lookup_type_cache(base, pg_sys::TYPECACHE_BTREE_OPFAMILY as i32);
        (*(*index).rd_opfamily.add(i) != (*cache).btree_opf)
            .then(|| format!("column \"{name}\" has an operator class of its own there"))
    }
}

/// Unique and exclusion indexes of a table for whose keys no file can be asked, with the reason.
pub fn blind_keys(table: pg_sys::Oid) -> Vec<(String, String)> {
    let mut found = Vec::new();
    // SAFETY: opened here with the lock of a reader, which stays; every index entry is given back
    unsafe {
        let rel = pg_sys::relation_open(table, pg_sys::AccessShareLock as pg_sys::LOCKMODE);
        let indexes = pg_sys::RelationGetIndexList(rel);
        for oid in list::oids(indexes) {
            let index = pg_sys::RelationIdGetRelation(oid);
            if index.is_null() {
                continue;
            }
            let form = (*index).rd_index;
            if ((*form).indisunique || (*form).indisexclusion)
                && let Some(why) = blind(rel, index)
            {
                let name = CStr::from_ptr((*(*index).rd_rel).relname.data.as_ptr());
                found.push((name.to_string_lossy().into_owned(), why));
            }
            pg_sys::RelationClose(index);
        }
        pg_sys::list_free(indexes);
        pg_sys::relation_close(rel, pg_sys::NoLock as pg_sys::LOCKMODE);
    }
    found.sort();
    found
}

/// # Safety
/// `rel` must be open; `attnum` is one of its columns.
unsafe fn column_of(
    rel: pg_sys::Relation,
    attnum: i16,
    manifest: &Manifest,
) -> std::result::Result<KeyColumn, String> {
    // SAFETY: promised by the caller
    unsafe {
        let att = super::compat::attribute((*rel).rd_att, (attnum - 1) as usize);
        let name = CStr::from_ptr((*att).attname.data.as_ptr()).to_string_lossy();
        let (type_oid, typmod) = ((*att).atttypid, (*att).atttypmod);
        let encoding = cold_datum::encoding_of(type_oid);
        let stored = manifest.column(attnum).filter(|c| c.encoding == encoding);
        let Some((stored, physical)) = stored.and_then(|c| Some((c, c.physical.clone()?))) else {
            return Err(format!(
                "column \"{name}\" had another type when it was written"
            ));
        };
        Ok(KeyColumn {
            attnum,
            codec: codec(type_oid, typmod),
            physical,
            mixed: stored.mixed,
            min: stored.min.clone(),
            max: stored.max.clone(),
        })
    }
}
