//! How a PostgreSQL value is stored in a SQLite file, and back: types, sentinels, epochs, quoting.
//!
//! Invariant: what comes back is the same value bit by bit. Where SQLite's storage class cannot
//! hold one value of a column (a timestamp beyond int64, text that is no UTF-8), that one value is
//! stored in another class and counted, so that nobody compares it in SQLite.

pub use super::cell::{Cell, CellRef};

/// How one column is stored. The names of `as_str` are part of the file format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// int2, int4, int8 as INTEGER
    Int,
    /// 0 or 1
    Bool,
    /// REAL; NaN as the text 'NaN', a NaN with other bits as BLOB of its 8 bytes (as float8)
    Float4,
    /// REAL; NaN as the text 'NaN', a NaN with other bits as BLOB of its 8 bytes
    Float8,
    /// text and varchar as TEXT; bytes that are no UTF-8 as BLOB
    Text,
    /// BLOB
    Bytea,
    /// TEXT in lower case with hyphens
    Uuid,
    /// days since 1970-01-01
    Date,
    /// microseconds since midnight, 24:00 included
    Time,
    /// microseconds since 1970-01-01; beyond int64 the text of the value
    Timestamp,
    /// microseconds since 1970-01-01 UTC; beyond int64 the text of the value
    TimestampTz,
    /// oid as number
    Oid,
    /// xid8 as INTEGER; beyond int64 its digits as text
    Xid8,
    /// any other type: the text of its output function, read by its input function
    #[default]
    TypeText,
}

const ENCODINGS: [(Encoding, &str); 14] = [
    (Encoding::Int, "int"),
    (Encoding::Bool, "bool"),
    (Encoding::Float4, "float4"),
    (Encoding::Float8, "float8"),
    (Encoding::Text, "text"),
    (Encoding::Bytea, "bytea"),
    (Encoding::Uuid, "uuid"),
    (Encoding::Date, "date"),
    (Encoding::Time, "time"),
    (Encoding::Timestamp, "timestamp"),
    (Encoding::TimestampTz, "timestamptz"),
    (Encoding::Oid, "oid"),
    (Encoding::Xid8, "xid8"),
    (Encoding::TypeText, "typetext"),
];

impl Encoding {
    /// Name in the catalog and in `_cold_columns`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ENCODINGS
            .iter()
            .find(|(e, _)| *e == self)
            .map_or("typetext", |(_, name)| name)
    }

    /// The encoding with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Encoding> {
        ENCODINGS.iter().find(|(_, n)| *n == name).map(|(e, _)| *e)
    }

    /// Declared SQLite type, empty for none. None for floats, since REAL affinity stores -0.0 as
    /// 0, and for xid8, since INTEGER affinity turns digits beyond int64 into a rounded REAL.
    #[must_use]
    pub fn declared_type(self) -> &'static str {
        use Encoding as E;
        match self {
            E::Int | E::Bool | E::Date | E::Time | E::Timestamp | E::TimestampTz | E::Oid => {
                "INTEGER"
            }
            E::Float4 | E::Float8 | E::Xid8 => "",
            E::Text | E::Uuid | E::TypeText => "TEXT",
            E::Bytea => "BLOB",
        }
    }

    /// True when `=`, `<>` and IN give the same answer in SQLite as in PostgreSQL, provided that
    /// the column has no fallback values. For text: only under a deterministic collation.
    #[must_use]
    pub fn eq_exact(self) -> bool {
        self != Encoding::TypeText
    }

    /// True when `<`, ORDER BY, min and max give the same answer in SQLite as in PostgreSQL,
    /// provided that the column has no fallback values. `bytewise`: the collation of the column
    /// is C, POSIX or another that compares bytes.
    #[must_use]
    pub fn order_exact(self, bytewise: bool) -> bool {
        match self {
            Encoding::TypeText | Encoding::Xid8 => false,
            Encoding::Text => bytewise,
            _ => true,
        }
    }

    /// True when the value is stored in another class than this column's own, so that SQLite
    /// cannot compare it with the others as PostgreSQL does.
    #[must_use]
    pub fn is_fallback(self, value: CellRef<'_>) -> bool {
        use CellRef as C;
        use Encoding as E;
        match value {
            C::Null => false,
            C::Int(_) => !matches!(self.declared_type(), "INTEGER") && self != E::Xid8,
            C::Real(_) => !matches!(self, E::Float4 | E::Float8),
            C::Text(t) => match self {
                E::Float4 | E::Float8 => t != b"NaN",
                _ => self.declared_type() != "TEXT",
            },
            C::Blob(_) => self != E::Bytea,
        }
    }
}

/// The encoding of a column. Domains are stored as their base type; `base_type_oid` is the type
/// itself when it is no domain (0 counts as that).
#[must_use]
pub fn encoding_for(type_oid: u32, base_type_oid: u32) -> Encoding {
    let oid = if base_type_oid == 0 {
        type_oid
    } else {
        base_type_oid
    };
    // numbers of built-in types never change (pg_type.dat)
    match oid {
        20 | 21 | 23 => Encoding::Int,
        16 => Encoding::Bool,
        700 => Encoding::Float4,
        701 => Encoding::Float8,
        25 | 1043 => Encoding::Text,
        17 => Encoding::Bytea,
        2950 => Encoding::Uuid,
        1082 => Encoding::Date,
        1083 => Encoding::Time,
        1114 => Encoding::Timestamp,
        1184 => Encoding::TimestampTz,
        // the reg types go as text: their numbers mean other objects after a dump and restore
        26 => Encoding::Oid,
        5069 => Encoding::Xid8,
        _ => Encoding::TypeText,
    }
}

/// Expression of the human view for one column; `column` is quoted already.
#[must_use]
pub fn view_expression(encoding: Encoding, column: &str) -> String {
    let c = column;
    match encoding {
        Encoding::TimestampTz => timestamp_expression(c, "+00"),
        Encoding::Timestamp => timestamp_expression(c, ""),
        Encoding::Date => format!(
            "case when {c}=2147483647 then 'infinity' when {c}=-2147483648 then '-infinity' \
             when {c} between -719162 and 2932896 then date({c}*86400,'unixepoch') else {c} end"
        ),
        Encoding::Bool => format!("case {c} when 1 then 'true' when 0 then 'false' end"),
        Encoding::Time => format!(
            "case when typeof({c})='integer' then printf('%02d:%02d:%02d.%06d',{c}/3600000000,\
             {c}/60000000%60,{c}/1000000%60,{c}%1000000) else {c} end"
        ),
        _ => c.to_owned(),
    }
}

fn timestamp_expression(c: &str, zone: &str) -> String {
    format!(
        "case when {c}=9223372036854775807 then 'infinity' \
         when {c}=-9223372036854775808 then '-infinity' \
         when {c} between -62135596800000000 and 253402300799999999 \
         then strftime('%Y-%m-%d %H:%M:%S',({c}-(({c}%1000000)+1000000)%1000000)/1000000,\
         'unixepoch')||printf('.%06d{zone}',(({c}%1000000)+1000000)%1000000) else {c} end"
    )
}

/// Microseconds from 1970-01-01 to PostgreSQL's epoch 2000-01-01.
pub const EPOCH_US: i64 = 946_684_800_000_000;
/// Days from 1970-01-01 to PostgreSQL's epoch 2000-01-01.
pub const EPOCH_DAYS: i64 = 10_957;
const DAY_US: i64 = 86_400_000_000;
/// 4714-11-24 BC to 294276-12-31 in PostgreSQL's microseconds (datatype/timestamp.h).
const TIMESTAMPS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;
/// 4714-11-24 BC to 5874897-12-31 in PostgreSQL's days (datatype/timestamp.h).
const DATES: std::ops::Range<i64> = -2_451_545..2_145_031_949;

/// timestamp(tz) to its stored number. None: the number does not fit, or would read as infinity;
/// then the text of the value is stored.
#[must_use]
pub fn timestamp_to_stored(pg_us: i64) -> Option<i64> {
    if pg_us == i64::MAX || pg_us == i64::MIN {
        return Some(pg_us);
    }
    pg_us.checked_add(EPOCH_US).filter(|us| *us != i64::MAX)
}

/// Stored number to timestamp(tz). None: no export wrote that number.
#[must_use]
pub fn timestamp_from_stored(stored: i64) -> Option<i64> {
    if stored == i64::MAX || stored == i64::MIN {
        return Some(stored);
    }
    stored
        .checked_sub(EPOCH_US)
        .filter(|us| TIMESTAMPS.contains(us))
}

/// date to its stored number.
#[must_use]
pub fn date_to_stored(pg_days: i32) -> i64 {
    let days = i64::from(pg_days);
    if pg_days == i32::MAX || pg_days == i32::MIN {
        return days;
    }
    days + EPOCH_DAYS
}

/// Stored number to date. None: no export wrote that number.
#[must_use]
pub fn date_from_stored(stored: i64) -> Option<i32> {
    if stored == i64::from(i32::MAX) || stored == i64::from(i32::MIN) {
        return i32::try_from(stored).ok();
    }
    let days = stored.checked_sub(EPOCH_DAYS)?;
    i32::try_from(days).ok().filter(|_| DATES.contains(&days))
}

/// Stored number to time (both count from midnight). None: not within 00:00 to 24:00.
#[must_use]
pub fn time_from_stored(stored: i64) -> Option<i64> {
    (0..=DAY_US).contains(&stored).then_some(stored)
}

/// A float as cell. NaN becomes text, which SQLite sorts above every number, as PostgreSQL does.
/// A NaN with other bits than the constant's (`inf - inf` has the sign set on x86) is equal to it
/// and yet sent differently: it is kept as its bytes, a fallback value.
#[must_use]
pub fn float_to_cell(value: f64) -> Cell {
    if !value.is_nan() {
        Cell::Real(value)
    } else if value.to_bits() == f64::NAN.to_bits() {
        Cell::Text("NaN".to_owned())
    } else {
        Cell::Blob(value.to_bits().to_be_bytes().to_vec())
    }
}

/// A stored float. None: not a float of ours.
#[must_use]
pub fn float_from_cell(value: CellRef<'_>) -> Option<f64> {
    match value {
        CellRef::Real(r) => Some(r),
        CellRef::Text(b"NaN") => Some(f64::NAN),
        CellRef::Blob(b) => {
            let bits = u64::from_be_bytes(b.try_into().ok()?);
            Some(f64::from_bits(bits)).filter(|f| f.is_nan())
        }
        _ => None,
    }
}

/// xid8 as cell: digits where int64 ends.
#[must_use]
pub fn xid8_to_cell(value: u64) -> Cell {
    i64::try_from(value).map_or_else(|_| Cell::Text(value.to_string()), Cell::Int)
}

/// A stored xid8. None: not an xid8 of ours.
#[must_use]
pub fn xid8_from_cell(value: CellRef<'_>) -> Option<u64> {
    match value {
        CellRef::Int(i) => u64::try_from(i).ok(),
        CellRef::Text(t) => std::str::from_utf8(t).ok()?.parse().ok(),
        _ => None,
    }
}

/// Lower-case text of a uuid, as PostgreSQL prints it.
#[must_use]
pub fn uuid_to_text(bytes: &[u8; 16]) -> String {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

/// Bytes of a uuid from exactly the form of [`uuid_to_text`].
#[must_use]
pub fn uuid_from_text(text: &[u8]) -> Option<[u8; 16]> {
    let nibble = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    const HYPHENS: [usize; 4] = [8, 13, 18, 23];
    if text.len() != 36 || HYPHENS.iter().any(|i| text[*i] != b'-') {
        return None;
    }
    let mut bytes = [0u8; 16];
    let digits = (0..36).filter(|i| !HYPHENS.contains(i));
    for (n, at) in digits.enumerate() {
        bytes[n / 2] = bytes[n / 2] << 4 | nibble(text[at])?;
    }
    Some(bytes)
}

/// Identifier for SQLite.
#[must_use]
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// String literal for SQLite.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
