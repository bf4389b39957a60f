//! What the catalog says about a chunk: plain, frozen for an export, or cold in a file.

use crate::cold::bloom::BloomInfo;
use crate::cold::foreign_time::TimeForm;
use crate::cold::mapping::{Cell, Encoding};
use std::rc::Rc;

/// Where the rows of a chunk with the access method `strata_cold` are.
#[derive(Debug, Clone)]
pub enum ChunkState {
    /// no manifest row: an ordinary heap (after a restore, or after untiering)
    Plain,
    /// an export is under way: the heap is the truth, writes leave a mark for the exporter
    Frozen {
        attempt: i64,
        /// writes are refused meanwhile
        rejects: bool,
    },
    /// the rows are in a file
    Cold(Rc<Manifest>),
}

/// One live file and its columns.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// id of the file, a uuid in text form
    pub file: String,
    pub chunk_name: String,
    pub hypertable: u32,
    pub server: String,
    pub key: String,
    pub etag: String,
    pub bytes: u64,
    pub rows: i64,
    /// name of the data table inside the file
    pub raw_table: String,
    /// name under which the rowid can be read there
    pub rowid_name: String,
    pub content_hash: String,
    pub columns: Vec<FileColumn>,
    /// columns (attnums) of each unique key whose index the file carries
    pub keys: Vec<Vec<i16>>,
    pub blooms: Vec<BloomInfo>,
    /// the hypertable takes no late rows
    pub rejects_late: bool,
    /// the row came through a dump, and the chunk was not altered since
    pub restored: bool,
    /// a column of the chunk that the manifest of a restored chunk lacks: it is not complete yet
    pub unknown_column: Option<String>,
    /// attempt of the merge that is under way: file and stub are the truth, writes leave a mark for it
    pub merging: Option<i64>,
    /// all indexes that the file carries
    pub indexes: Vec<FileIndex>,
    /// the store is a directory of this machine
    pub is_local: bool,
}

/// An index inside a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIndex {
    /// attnums of its columns, and which are descending
    pub columns: Vec<(i16, bool)>,
    pub unique: bool,
}

/// A column of the chunk as the file knows it.
#[derive(Debug, Clone, Default)]
pub struct FileColumn {
    pub attnum: i16,
    /// column name inside the file; `None` for a column added after the export
    pub physical: Option<String>,
    pub encoding: Encoding,
    /// some value did not fit the native form: comparisons inside the file are not exact
    pub mixed: bool,
    /// some value is NULL
    pub has_nulls: bool,
    /// rows with NULL, where that is known
    pub nulls: Option<i64>,
    /// smallest value in stored form (text: by bytes), where it is known
    pub min: Option<Cell>,
    /// largest value, likewise
    pub max: Option<Cell>,
    /// no NULL, and no row is smaller than the one before it, in stored form
    pub ascending: bool,
    /// a time in a form of others, which comparisons are rounded to (foreign tables)
    pub form: Option<TimeForm>,
    /// text form of the value of every cold row, for a column added after the export
    pub missing: Option<String>,
}

impl Manifest {
    /// The file's column for an attribute number.
    pub fn column(&self, attnum: i16) -> Option<&FileColumn> {
        self.columns.iter().find(|c| c.attnum == attnum)
    }

    /// True when the file itself guarantees that these columns together are unique.
    pub fn has_key(&self, attnums: &[i16]) -> bool {
        let mut wanted = attnums.to_vec();
        wanted.sort_unstable();
        self.keys.iter().any(|key| {
            let mut key = key.clone();
            key.sort_unstable();
            key == wanted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_whatever_its_column_order() {
        let manifest = Manifest {
            keys: vec![vec![1, 2], vec![5]],
            ..Manifest::default()
        };
        assert!(manifest.has_key(&[2, 1]));
        assert!(manifest.has_key(&[5]));
        assert!(!manifest.has_key(&[1]));
        assert!(!manifest.has_key(&[1, 2, 5]));
    }
}
