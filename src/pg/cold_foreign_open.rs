//! A foreign file as planner and executor see it: columns, conditions and orders of one of its tables.

use super::cold_fdw;
use super::cold_foreign_file::{FileTable, ForeignFile};
use super::cold_foreign_index::of_columns;
use super::cold_foreign_value::Column;
use super::cold_state::{ForeignAccess, catalog};
use crate::cold::foreign::ColumnOptions;
use crate::cold::manifest::{FileColumn, Manifest};
use crate::cold::mapping::quote_name;
use crate::cold::order::{self, Key};
use crate::cold::pushdown::{self, Query};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;

/// A table of an open file.
pub(super) struct Opened {
    pub(super) file: ForeignFile,
    pub(super) table: FileTable,
    pub(super) columns: Vec<Column>,
    /// the table with these columns, in the words of cold chunks
    pub(super) manifest: Manifest,
    /// names of `manifest.indexes`
    index_names: Vec<String>,
}

/// What IMPORT FOREIGN SCHEMA reads.
pub(super) fn open_file(access: &ForeignAccess<'_>) -> Result<ForeignFile> {
    crate::cold::foreign::parse_key(access.key)?;
    ForeignFile::open((catalog().foreign_store)(access)?, access.key)
}

impl Opened {
    /// A table with all of these columns of the foreign table.
    ///
    /// # Safety
    /// `desc` must be the foreign table's; the current memory context must outlive the result.
    pub(super) unsafe fn new(
        file: ForeignFile,
        name: &str,
        needed: &[(i16, ColumnOptions)],
        desc: pg_sys::TupleDesc,
        owner: pg_sys::Oid,
    ) -> Result<Opened> {
        let table = file.table(name)?;
        let mut columns = Vec::with_capacity(needed.len());
        for (attnum, options) in needed {
            // SAFETY: a live attribute of the table
            let column = unsafe {
                let att = super::compat::attribute(desc, (*attnum - 1) as usize);
                Column::new(att, options, &table, owner)?
            };
            columns.push(column);
        }
        Ok(Opened::with(file, table, columns))
    }

    /// The same with those columns that the file has, for the planner.
    ///
    /// # Safety
    /// As above.
    pub(super) unsafe fn of_relation(
        file: ForeignFile,
        name: &str,
        rel: pg_sys::Relation,
    ) -> Result<Opened> {
        let table = file.table(name)?;
        let mut columns = vec![];
        // SAFETY: an open relation with its descriptor
        unsafe {
            let desc = (*rel).rd_att;
            for i in 0..(*desc).natts as usize {
                let att = super::compat::attribute(desc, i);
                if (*att).attisdropped {
                    continue;
                }
                let options = cold_fdw::column_options((*rel).rd_id, (*att).attnum)?;
                // what the file lacks is said when it is read
                let column = Column::new(att, &options, &table, (*(*rel).rd_rel).relowner);
                columns.extend(column.ok());
            }
        }
        Ok(Opened::with(file, table, columns))
    }

    fn with(file: ForeignFile, table: FileTable, columns: Vec<Column>) -> Opened {
        let manifest = Manifest {
            key: file.key.clone(),
            server: file.server.clone(),
            bytes: file.meta.size,
            // how many is not known; 0 would mean that the file need not be read
            rows: i64::MAX,
            raw_table: table.name.clone(),
            rowid_name: table.rowid.to_owned(),
            columns: columns.iter().map(Column::in_file).collect(),
            is_local: file.is_local,
            ..Manifest::default()
        };
        Opened {
            file,
            table,
            columns,
            manifest,
            index_names: vec![],
        }
    }

    /// Looks up what the file is sorted by.
    pub(super) fn read_indexes(&mut self) -> Result<()> {
        let indexes = self.file.indexes(&self.table)?;
        let (indexes, names) = of_columns(&indexes, &self.columns);
        self.manifest.indexes = indexes;
        self.index_names = names;
        let Some(rowid) = self.file.rowid_column(&self.table)? else {
            return Ok(());
        };
        for column in &mut self.manifest.columns {
            let physical = column.physical.as_deref().unwrap_or_default();
            if physical.eq_ignore_ascii_case(&rowid) {
                column.ascending = true;
                column.has_nulls = false;
            }
        }
        Ok(())
    }

    /// 55000 when the file does not sort these columns as PostgreSQL does: it is not the file any more
    /// that the plan was made for.
    pub(super) fn check_order(&self, keys: &[Key]) -> Result<()> {
        let known = |key: &Key| self.manifest.column(key.attnum).is_some_and(can_sort);
        if keys.iter().all(known) && sortable(&self.manifest, keys) == keys.len() {
            return Ok(());
        }
        Err(self
            .file
            .error(
                Kind::NotInState,
                "it sorts otherwise than when the statement was planned",
            )
            .hint("DISCARD PLANS; and run the statement again."))
    }

    /// The statement for SQLite. An order is read off an index wherever one gives it: SQLite would
    /// sort in memory. `fixed`: columns that the conditions hold at one value.
    pub(super) fn statement(
        &self,
        needed: &[i16],
        filter: &str,
        keys: &[Key],
        fixed: &[i16],
    ) -> Query {
        let served = order::served(&self.manifest, keys, fixed).filter(|s| s.keys == keys.len());
        let access = match served.filter(|_| !keys.is_empty()).map(|s| s.index) {
            Some(None) => String::from(" NOT INDEXED"),
            Some(Some(n)) => self
                .index_names
                .get(n)
                .map(|name| format!(" INDEXED BY {}", quote_name(name)))
                .unwrap_or_default(),
            None => String::new(),
        };
        pushdown::select_by(&self.manifest, needed, &access, filter, keys)
    }

    /// HV004, naming row and column, never the value. `row`: its rowid, or how many were read.
    pub(super) fn misfit(&self, column: &Column, row: &str, what: &str) -> Error {
        let file = &self.file;
        let error = Error::new(
            Kind::DoesNotFit,
            format!("{what} in the file does not fit column \"{}\"", column.name),
        )
        .detail(format!(
            "It is in {row} of table \"{}\" in file \"{}\" on server \"{}\".",
            self.table.name, file.key, file.server
        ));
        match column.advice() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

fn can_sort(column: &FileColumn) -> bool {
    column.physical.is_some() && !column.mixed
}

/// How many of these keys SQLite sorts by as PostgreSQL does, from the first on. Times in other units
/// are rounded when they are read: rows that are one moment then are several before, so nothing can be
/// sorted below them.
pub(super) fn sortable(manifest: &Manifest, keys: &[Key]) -> usize {
    let rounded = |key: &Key| {
        manifest
            .column(key.attnum)
            .is_some_and(|c| c.form.is_some())
    };
    keys.iter()
        .position(rounded)
        .map_or(keys.len(), |last| last + 1)
}
