//! Values of foreign files as values of a foreign table's columns.

use super::cold_datum::{Codec, DecodeScope, base_type, is_utf8};
use super::cold_foreign_file::{FileTable, Own};
use crate::cold::foreign::{self, ColumnOptions, Declared, Fit, TimeForm};
use crate::cold::manifest::FileColumn;
use crate::cold::mapping::{Cell, CellRef, Encoding};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::{PgTryBuilder, pg_sys};
use std::panic::AssertUnwindSafe;

/// One column of a foreign table and where its values come from.
pub(super) struct Column {
    pub(super) attnum: i16,
    pub(super) name: String,
    declared: Declared,
    codec: Codec,
    form: Option<TimeForm>,
    /// stored as files of ours store this type; and whether some values may be of another class
    own: Option<bool>,
    /// most characters of a varchar
    longest: Option<usize>,
    /// digits after the second, where they are limited
    digits: Option<u32>,
    domain: Option<pg_sys::Oid>,
    domain_memory: *mut core::ffi::c_void,
    context: pg_sys::MemoryContext,
    owner: pg_sys::Oid,
}

impl Column {
    /// 42703 when the file has no such column, 42804 when its option `as` is for no time, 0A000 for
    /// one that the file computes.
    ///
    /// # Safety
    /// `att` must be an attribute of the foreign table.
    pub(super) unsafe fn new(
        att: *const pg_sys::FormData_pg_attribute,
        options: &ColumnOptions,
        table: &FileTable,
        owner: pg_sys::Oid,
    ) -> Result<Column> {
        // SAFETY: promised by the caller
        let (attnum, type_oid, typmod, name) = unsafe {
            let name = std::ffi::CStr::from_ptr((*att).attname.data.as_ptr());
            (
                (*att).attnum,
                (*att).atttypid,
                (*att).atttypmod,
                name.to_string_lossy().into_owned(),
            )
        };
        let (declared, own) = find(table, options, &name)?;
        if declared.generated {
            return Err(Error::new(
                Kind::NotSupported,
                format!("column \"{name}\" is computed inside the file, or hidden there"),
            ));
        }
        let codec = Codec::new(type_oid, typmod);
        let is_time = matches!(
            codec.encoding,
            Encoding::Date | Encoding::Timestamp | Encoding::TimestampTz
        );
        let is_clock = codec.encoding == Encoding::Time && options.form == Some(TimeForm::Iso);
        if options.form.is_some() && !is_time && !is_clock {
            return Err(Error::new(
                Kind::WrongType,
                format!("option \"as\" of column \"{name}\" is for dates and timestamps"),
            ));
        }
        let (base, base_typmod) = base_type(type_oid, typmod);
        let longest =
            (base == pg_sys::VARCHAROID && base_typmod >= 4).then(|| (base_typmod - 4) as usize);
        let as_ours = own.filter(|o| options.form.is_none() && o.encoding == Some(codec.encoding));
        Ok(Column {
            attnum,
            declared: declared.clone(),
            form: options.form,
            own: as_ours.map(|o| !o.pure),
            longest,
            digits: (is_time || codec.encoding == Encoding::Time)
                .then(|| u32::try_from(base_typmod).ok())
                .flatten(),
            domain: (base != type_oid).then_some(type_oid),
            domain_memory: std::ptr::null_mut(),
            // SAFETY: the context of the query, current when its scan begins
            context: unsafe { pg_sys::CurrentMemoryContext },
            codec,
            name,
            owner,
        })
    }

    /// Its name inside the file.
    pub(super) fn physical(&self) -> &str {
        &self.declared.name
    }

    /// True when reading a value runs code that may raise.
    pub(super) fn may_raise(&self) -> bool {
        let by_function = matches!(
            self.codec.encoding,
            Encoding::TypeText | Encoding::Uuid | Encoding::Timestamp | Encoding::TimestampTz
        );
        by_function || self.domain.is_some()
    }

    /// What to do when a value does not fit.
    pub(super) fn advice(&self) -> Option<String> {
        let name = super::catalog::quote_ident(&self.name);
        let is_time = matches!(
            self.codec.encoding,
            Encoding::Date | Encoding::Timestamp | Encoding::TimestampTz
        );
        match self.codec.encoding {
            Encoding::Text | Encoding::Bytea => None,
            _ if is_time && self.form.is_none() && self.own.is_none() => Some(format!(
                "Numbers need the column option as: ALTER FOREIGN TABLE ... ALTER COLUMN {name} OPTIONS (ADD as 'unix');"
            )),
            _ => Some(format!(
                "ALTER FOREIGN TABLE ... ALTER COLUMN {name} TYPE text; shows what is there, but for blobs."
            )),
        }
    }

    /// The column as conditions see it.
    pub(super) fn in_file(&self) -> FileColumn {
        let encoding = self.codec.encoding;
        let by_unit = self.form.is_some_and(|f| f != TimeForm::Iso)
            && self.declared.affinity != foreign::Affinity::Text;
        let is_number = !matches!(
            encoding,
            Encoding::Date | Encoding::Time | Encoding::Timestamp | Encoding::TimestampTz
        );
        let same = match self.own {
            Some(mixed) => {
                !mixed
                    && (encoding == Encoding::Uuid || foreign::compares(encoding, &self.declared))
            }
            // times are compared in their own units only
            None => is_number && foreign::compares(encoding, &self.declared),
        };
        FileColumn {
            attnum: self.attnum,
            physical: Some(self.declared.name.clone()),
            encoding,
            mixed: !(same || by_unit),
            has_nulls: true,
            form: self.form.filter(|_| by_unit),
            ..FileColumn::default()
        }
    }

    /// The value of a cell in the current memory context; None for NULL.
    pub(super) fn read(&mut self, cell: CellRef<'_>) -> Result<Option<pg_sys::Datum>> {
        let value = match cell {
            CellRef::Null => None,
            cell => Some(self.value(cell)?),
        };
        if let Some(domain) = self.domain {
            // constraints of a domain are code of its owner
            let _scope = DecodeScope::begin(self.owner);
            // SAFETY: a value of the domain's base type; the memory is kept for this column alone
            unsafe {
                pg_sys::domain_check(
                    value.unwrap_or(pg_sys::Datum::null()),
                    value.is_none(),
                    domain,
                    &mut self.domain_memory,
                    self.context,
                );
            }
        }
        Ok(value)
    }

    fn value(&mut self, cell: CellRef<'_>) -> Result<pg_sys::Datum> {
        let fit = match self.own {
            Some(mixed) if foreign::is_sound(self.codec.encoding, mixed, cell, is_utf8()) => {
                Some(Fit::Same)
            }
            Some(_) => None,
            None => foreign::fit(self.codec.encoding, self.form, cell, &self.declared),
        };
        let misfit = || Error::new(Kind::DoesNotFit, foreign::describe(cell));
        let Some(fit) = fit else {
            return Err(misfit());
        };
        let rounded = match (&fit, self.digits) {
            (Fit::Stored(Cell::Int(us)), Some(digits)) => Cell::Int(foreign::to_digits(
                *us,
                digits,
                self.codec.encoding != Encoding::Time,
            )),
            _ => Cell::Null,
        };
        let stored = match &fit {
            Fit::Stored(_) if rounded != Cell::Null => rounded.as_ref(),
            Fit::Same => cell,
            Fit::Stored(cell) => cell.as_ref(),
            Fit::Read(text) => CellRef::Text(text.as_bytes()),
        };
        if let (Encoding::Float4, CellRef::Real(r)) = (self.codec.encoding, stored)
            && r.is_finite()
            && (r as f32).is_infinite()
        {
            return Err(misfit());
        }
        if let (Some(longest), CellRef::Text(t) | CellRef::Blob(t)) = (self.longest, stored) {
            // in UTF-8 each character begins with a byte of its own kind
            if t.iter().filter(|b| **b & 0xc0 != 0x80).count() > longest {
                return Err(misfit());
            }
        }
        // input functions raise what they cannot read
        let by_function = match (self.codec.encoding, stored) {
            (
                Encoding::TypeText | Encoding::Timestamp | Encoding::TimestampTz,
                CellRef::Text(_),
            ) => true,
            _ => matches!(fit, Fit::Read(_)),
        };
        let (true, CellRef::Text(text)) = (by_function, stored) else {
            return self.codec.decode(stored).map_err(|_| misfit());
        };
        let text = std::str::from_utf8(text).map_err(|_| misfit())?;
        let sensitive = self.codec.is_sensitive();
        let _scope = sensitive.then(|| DecodeScope::begin(self.owner));
        input(&mut self.codec, text).ok_or_else(misfit)
    }
}

/// The value that the type's input function reads. None: it refuses the text. Without a
/// subtransaction this is right only because the statement fails then, with an error of ours.
fn input(codec: &mut Codec, text: &str) -> Option<pg_sys::Datum> {
    PgTryBuilder::new(AssertUnwindSafe(|| codec.read_text(text).ok()))
        .catch_others(|error| match &error {
            CaughtError::PostgresError(report) if is_refusal(report.sql_error_code()) => None,
            _ => error.rethrow(),
        })
        .execute()
}

/// Classes 22 and 23: the value is none of the type. Everything else goes on as it is.
pub(super) fn is_refusal(code: pgrx::PgSqlErrorCode) -> bool {
    let state = super::session::unpack_sqlstate(code as i32);
    state.starts_with("22") || state.starts_with("23")
}

fn find<'t>(
    table: &'t FileTable,
    options: &ColumnOptions,
    name: &str,
) -> Result<(&'t Declared, Option<&'t Own>)> {
    let own = match &options.name {
        Some(given) => table
            .own
            .iter()
            .find(|o| o.physical.eq_ignore_ascii_case(given)),
        None => table.own.iter().find(|o| o.name == name),
    };
    let wanted = match (&options.name, own) {
        (Some(given), _) => given,
        (None, Some(own)) => &own.physical,
        (None, None) => name,
    };
    // SQLite does not tell upper from lower case in names
    let declared = table
        .columns
        .iter()
        .find(|c| c.name.eq_ignore_ascii_case(wanted));
    let Some(declared) = declared else {
        let names: Vec<&str> = table
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .take(20)
            .collect();
        return Err(Error::new(
            Kind::UndefinedColumn,
            format!(
                "table \"{}\" of the file has no column \"{wanted}\"",
                table.name
            ),
        )
        .hint(format!(
            "Its columns: {}. The column option column_name maps another name.",
            names.join(", ")
        )));
    };
    Ok((declared, own))
}
