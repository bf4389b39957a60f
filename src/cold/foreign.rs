//! Foreign tables over SQLite files: options, affinities, and which stored values fit which column.
//!
//! SQLite lets any row hold any class of value. The rule here: a value either fits its column, and
//! then SQLite compares it as PostgreSQL does wherever [`compares`] says so, or it raises. So no
//! condition that is handed to SQLite can lose a row that PostgreSQL could have shown.

use super::foreign_time;
pub use super::foreign_time::{TimeForm, to_digits};
use super::mapping::{Cell, CellRef, Encoding};
use super::option_values::{invalid, unknown};
use super::store::{StoreError, check_key};
use crate::error::Result;

/// Options of `CREATE FOREIGN TABLE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// object below the server's location
    pub key: String,
    /// table inside the file
    pub table: String,
}

/// Options of one column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnOptions {
    /// how a time is stored
    pub form: Option<TimeForm>,
    /// name inside the file, where it is another one
    pub name: Option<String>,
}

/// 22023 for anything else than both `key` and `table`.
pub fn parse_table(options: &[(String, String)]) -> Result<TableOptions> {
    let (mut key, mut table) = (None, None);
    for (name, value) in options {
        match name.as_str() {
            "key" => {
                parse_key(value)?;
                key = Some(value.clone());
            }
            "table" if !value.is_empty() && !value.contains('\0') => table = Some(value.clone()),
            "table" => return Err(invalid("option \"table\" must not be empty")),
            _ => return Err(unknown("foreign table", name, &["key", "table"])),
        }
    }
    let missing = |name: &str| {
        invalid(format!("option \"{name}\" is missing"))
            .hint("OPTIONS (key '2025/file.sqlite', table 'name'), or IMPORT FOREIGN SCHEMA \"2025/file.sqlite\"")
    };
    Ok(TableOptions {
        key: key.ok_or_else(|| missing("key"))?,
        table: table.ok_or_else(|| missing("table"))?,
    })
}

/// The key that IMPORT FOREIGN SCHEMA names as an option: a name is no longer than 63 bytes.
///
/// 22023 for other options.
pub fn parse_import(options: &[(String, String)]) -> Result<Option<String>> {
    let mut key = None;
    for (name, value) in options {
        if name != "key" {
            return Err(unknown("IMPORT FOREIGN SCHEMA", name, &["key"]));
        }
        parse_key(value)?;
        key = Some(value.clone());
    }
    Ok(key)
}

/// 22023 for a key that no store may be asked for.
pub fn parse_key(key: &str) -> Result<()> {
    check_key(key).map_err(|e| match e {
        StoreError::Protocol(what) => invalid(what),
        other => invalid(other.to_string()),
    })
}

/// 22023 for an unknown option or value.
pub fn parse_column(options: &[(String, String)]) -> Result<ColumnOptions> {
    let mut out = ColumnOptions::default();
    for (name, value) in options {
        match name.as_str() {
            "as" => {
                out.form = Some(TimeForm::parse(value).ok_or_else(|| {
                    invalid(format!(
                        "option \"as\" must be {}, not \"{value}\"",
                        foreign_time::FORMS
                    ))
                })?);
            }
            "column_name" if !value.is_empty() => out.name = Some(value.clone()),
            "column_name" => return Err(invalid("option \"column_name\" must not be empty")),
            _ => return Err(unknown("column", name, &["as", "column_name"])),
        }
    }
    Ok(out)
}

/// What SQLite makes of values on their way into a column (datatype3.html, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    Integer,
    Text,
    /// declared BLOB, or without a type
    None,
    Real,
    Numeric,
}

impl Affinity {
    /// By the declared type of a column.
    #[must_use]
    pub fn of(declared: &str) -> Affinity {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|w| declared.contains(w));
        if has(&["INT"]) {
            Affinity::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Affinity::Text
        } else if declared.is_empty() || has(&["BLOB"]) {
            Affinity::None
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Affinity::Real
        } else {
            Affinity::Numeric
        }
    }

    /// The type that IMPORT FOREIGN SCHEMA gives a column: one that takes what the column holds.
    #[must_use]
    pub fn imported_type(self, declared: &str) -> &'static str {
        match self {
            Affinity::Integer => "bigint",
            Affinity::Real => "double precision",
            Affinity::None if !declared.is_empty() => "bytea",
            _ => "text",
        }
    }
}

/// A column as the file declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub name: String,
    pub type_name: String,
    pub affinity: Affinity,
    /// compared byte by byte
    pub binary: bool,
    /// computed by an expression in the file
    pub generated: bool,
}

/// True when SQLite compares values of this encoding as PostgreSQL does, for all that fit.
///
/// Affinities that would turn the other side of a comparison into something else are left out, so
/// is REAL for integers, whose index rounds what it is searched for.
#[must_use]
pub fn compares(encoding: Encoding, column: &Declared) -> bool {
    use Affinity as A;
    use Encoding as E;
    match encoding {
        E::Int | E::Bool | E::Oid | E::Date | E::Time | E::Timestamp | E::TimestampTz => {
            matches!(column.affinity, A::Integer | A::Numeric | A::None)
        }
        E::Float8 => column.affinity != A::Text,
        E::Text => column.affinity == A::Text && column.binary,
        E::Bytea => true,
        // rounded, or written in several ways
        E::Float4 | E::Uuid | E::Xid8 | E::TypeText => false,
    }
}

/// How a value gets into its column.
#[derive(Debug, Clone, PartialEq)]
pub enum Fit {
    /// as it is
    Same,
    /// in the form that files of ours have
    Stored(Cell),
    /// by the input function of the type
    Read(String),
}

/// A text that PostgreSQL can hold, in UTF-8.
fn plain(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|t| !t.contains('\0'))
}

/// The integer behind a float without a fraction.
fn whole(r: f64) -> Option<i64> {
    let inside = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&r);
    (inside && r.trunc() == r).then_some(r as i64)
}

/// A value of a file that nobody vouches for, not NULL, in a column with this encoding. None: it
/// does not fit.
#[must_use]
pub fn fit(
    encoding: Encoding,
    form: Option<TimeForm>,
    cell: CellRef<'_>,
    column: &Declared,
) -> Option<Fit> {
    use CellRef as C;
    use Encoding as E;
    let number = |i: i64| Some(Fit::Stored(Cell::Int(i)));
    match (encoding, cell) {
        (E::Int | E::Oid, C::Int(_)) => Some(Fit::Same),
        (E::Bool, C::Int(0 | 1)) => Some(Fit::Same),
        (E::Int | E::Oid, C::Real(r)) => whole(r).and_then(number),
        (E::Xid8, C::Int(_)) => Some(Fit::Same),
        (E::Float4 | E::Float8, C::Real(_)) => Some(Fit::Same),
        // only where it is the same number
        (E::Float4 | E::Float8, C::Int(i)) => {
            let r = i as f64;
            (whole(r) == Some(i)).then_some(Fit::Stored(Cell::Real(r)))
        }
        (E::Bytea, C::Blob(_)) => Some(Fit::Same),
        (E::Text, C::Text(t)) => plain(t).map(|_| Fit::Same),
        // a column that turns numbers into text holds none
        (E::Text, C::Int(_) | C::Real(_)) if column.affinity == Affinity::Text => None,
        (E::Text, C::Int(i)) => Some(Fit::Stored(Cell::Text(i.to_string()))),
        (E::Text, C::Real(r)) => Some(Fit::Stored(Cell::Text(real_text(r)))),
        (E::Uuid, C::Text(t)) => plain(t).map(|t| Fit::Read(t.to_owned())),
        (E::Uuid, C::Blob(b)) => {
            let bytes: &[u8; 16] = b.try_into().ok()?;
            Some(Fit::Stored(Cell::Text(super::mapping::uuid_to_text(bytes))))
        }
        (E::TypeText, C::Text(t)) => plain(t).map(|t| Fit::Read(t.to_owned())),
        (E::TypeText, C::Int(i)) => Some(Fit::Read(i.to_string())),
        (E::TypeText, C::Real(r)) => Some(Fit::Read(real_text(r))),
        (E::Date, _) => foreign_time::date(form, cell).and_then(number),
        (E::Timestamp, _) => foreign_time::timestamp(form, cell, false).and_then(number),
        (E::TimestampTz, _) => foreign_time::timestamp(form, cell, true).and_then(number),
        (E::Time, C::Text(t)) => foreign_time::time(plain(t)?).and_then(number),
        _ => None,
    }
}

/// True when a value of a file of ours is what its column says and PostgreSQL can hold: someone may
/// have written into the file since. `mixed`: the file says that some values are of another class.
#[must_use]
pub fn is_sound(encoding: Encoding, mixed: bool, cell: CellRef<'_>, utf8: bool) -> bool {
    if !mixed && encoding.is_fallback(cell) {
        return false;
    }
    match (encoding, cell) {
        (Encoding::Bool, CellRef::Int(i)) => i == 0 || i == 1,
        (Encoding::Bytea | Encoding::Float4 | Encoding::Float8, _) => true,
        (_, CellRef::Text(t) | CellRef::Blob(t)) => {
            !t.contains(&0) && (!utf8 || std::str::from_utf8(t).is_ok())
        }
        _ => true,
    }
}

/// As SQLite's own text form of a number as far as needed: it reads back as the same number.
fn real_text(r: f64) -> String {
    if r.is_infinite() {
        return String::from(if r > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if r.trunc() == r && r.abs() < 1e15 {
        format!("{r:.1}")
    } else if r != 0.0 && !(1e-5..1e15).contains(&r.abs()) {
        format!("{r:e}")
    } else {
        r.to_string()
    }
}

/// What a value is, for messages: never the value itself.
#[must_use]
pub fn describe(cell: CellRef<'_>) -> &'static str {
    match cell {
        CellRef::Null => "NULL",
        CellRef::Int(_) => "an integer",
        CellRef::Real(_) => "a floating-point number",
        CellRef::Text(_) => "a text",
        CellRef::Blob(_) => "a blob",
    }
}

/// True for the name of a built-in type with modifiers, as `format_type` writes it: safe to stand in
/// a command, whoever wrote it into a file.
#[must_use]
pub fn is_builtin_type(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "smallint",
        "integer",
        "bigint",
        "oid",
        "xid8",
        "boolean",
        "real",
        "double precision",
        "numeric",
        "text",
        "character varying",
        "character",
        "bytea",
        "uuid",
        "date",
        "time without time zone",
        "time with time zone",
        "timestamp without time zone",
        "timestamp with time zone",
        "interval",
        "json",
        "jsonb",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
        "bit",
        "bit varying",
        "xml",
        "pg_lsn",
        "money",
        "tsvector",
        "tsquery",
        "point",
        "line",
        "lseg",
        "box",
        "path",
        "polygon",
        "circle",
        "int4range",
        "int8range",
        "numrange",
        "tsrange",
        "tstzrange",
        "daterange",
        "int4multirange",
        "int8multirange",
        "nummultirange",
        "tsmultirange",
        "tstzmultirange",
        "datemultirange",
        "name",
        "\"char\"",
    ];
    let mut rest = name;
    while let Some(element) = rest.strip_suffix("[]") {
        rest = element;
    }
    let (mut word, mut digits) = (rest.to_owned(), "");
    if let (Some(open), Some(close)) = (rest.find('('), rest.find(')')) {
        if close < open {
            return false;
        }
        digits = &rest[open + 1..close];
        word = format!("{}{}", &rest[..open], &rest[close + 1..]);
        let numbers = digits.split(',').all(|d| {
            let d = d.strip_prefix('-').unwrap_or(d);
            !d.is_empty() && d.len() < 6 && d.bytes().all(|b| b.is_ascii_digit())
        });
        if !numbers {
            return false;
        }
    }
    NAMES.contains(&word.as_str()) && digits.is_empty() != rest.contains('(')
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
