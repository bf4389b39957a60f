//! Whether a value survives a change of type, and the change back.

/// A type, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Type {
    base: Base,
    /// length, or precision and scale
    modifiers: Vec<i64>,
    array: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Base {
    /// bytes
    Integer(u8),
    Numeric,
    /// bytes
    Float(u8),
    Text,
    Varchar,
    /// blank-padded
    Char,
    Date,
    Timestamp,
    TimestampTz,
    Json,
    Jsonb,
    Other(String),
}

/// Types between which the server assigns without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Family {
    Number,
    String,
    Time,
    Json,
    Only(String),
}

impl Type {
    /// Reads what format_type writes, and what stands in [`super::ddl::Column::type_`].
    fn of(text: &str) -> Type {
        let text = text.trim().to_ascii_lowercase();
        let (text, array) = match text.strip_suffix("[]") {
            Some(element) => (element.to_owned(), true),
            None => (text, false),
        };
        let (name, modifiers) = match (text.find('('), text.find(')')) {
            (Some(open), Some(close)) if open < close => {
                let inner = text.get(open + 1..close).unwrap_or_default();
                let numbers = inner.split(',').filter_map(|n| n.trim().parse().ok());
                let before = text.get(..open).unwrap_or_default();
                let behind = text.get(close + 1..).unwrap_or_default();
                (format!("{before}{behind}"), numbers.collect())
            }
            _ => (text, Vec::new()),
        };
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        Type {
            base: Base::of(name.trim()),
            modifiers,
            array,
        }
    }

    fn family(&self) -> Family {
        match &self.base {
            Base::Integer(_) | Base::Numeric | Base::Float(_) => Family::Number,
            Base::Text | Base::Varchar | Base::Char => Family::String,
            Base::Date | Base::Timestamp | Base::TimestampTz => Family::Time,
            Base::Json | Base::Jsonb => Family::Json,
            Base::Other(name) => Family::Only(name.clone()),
        }
    }

    /// Its only modifier; `None`: as long as the type goes.
    fn length(&self) -> Option<i64> {
        match (&self.base, self.modifiers.first()) {
            // char is char(1)
            (Base::Char, None) => Some(1),
            (_, length) => length.copied(),
        }
    }

    /// Digits before and behind the point that it holds; `None`: all.
    fn digits(&self) -> Option<(i64, i64)> {
        match (&self.base, self.modifiers.as_slice()) {
            (Base::Integer(2), _) => Some((5, 0)),
            (Base::Integer(4), _) => Some((10, 0)),
            (Base::Integer(_), _) => Some((19, 0)),
            (_, [precision]) => Some((*precision, 0)),
            (_, [precision, scale, ..]) => Some((precision - scale, *scale)),
            _ => None,
        }
    }
}

impl Base {
    fn of(name: &str) -> Base {
        match name {
            "int2" | "smallint" => Base::Integer(2),
            "int4" | "int" | "integer" => Base::Integer(4),
            "int8" | "bigint" => Base::Integer(8),
            "numeric" | "decimal" => Base::Numeric,
            "float4" | "real" => Base::Float(4),
            "float8" | "double precision" => Base::Float(8),
            "text" => Base::Text,
            "varchar" | "character varying" => Base::Varchar,
            "bpchar" | "char" | "character" => Base::Char,
            "date" => Base::Date,
            "timestamp" | "timestamp without time zone" => Base::Timestamp,
            "timestamptz" | "timestamp with time zone" => Base::TimestampTz,
            "bool" | "boolean" => Base::Other("boolean".to_owned()),
            "json" => Base::Json,
            "jsonb" => Base::Jsonb,
            other => Base::Other(other.to_owned()),
        }
    }
}

/// Whether every value of type `from` is the same value in `to`, and comes back as it was. False for what is not
/// known.
#[must_use]
pub fn keeps_values(from: &str, to: &str) -> bool {
    let (from, to) = (Type::of(from), Type::of(to));
    if from == to {
        return true;
    }
    let to_string = matches!(to.base, Base::Text | Base::Varchar) && to.modifiers.is_empty();
    if from.array != to.array {
        return to_string && !to.array;
    }
    let grows = match (from.length(), to.length()) {
        (_, None) => true,
        (Some(from), Some(to)) => from <= to,
        (None, Some(_)) => false,
    };
    match (&from.base, &to.base) {
        (Base::Integer(a), Base::Integer(b)) | (Base::Float(a), Base::Float(b)) => a < b,
        // 24 and 53 bits
        (Base::Integer(a), Base::Float(b)) => a < b,
        (Base::Integer(_) | Base::Numeric, Base::Numeric) => match (from.digits(), to.digits()) {
            (_, None) => true,
            (Some((whole, scale)), Some((to_whole, to_scale))) => {
                whole <= to_whole && scale <= to_scale
            }
            (None, Some(_)) => false,
        },
        (Base::Text | Base::Varchar, Base::Text | Base::Varchar) => grows,
        // the blanks at its end mean nothing
        (Base::Char, Base::Text | Base::Varchar | Base::Char) => grows,
        (Base::Date, Base::Timestamp) => true,
        (Base::Timestamp, Base::Timestamp) | (Base::TimestampTz, Base::TimestampTz) => {
            // none is six digits
            grows || to.length() == Some(6)
        }
        (Base::Jsonb, Base::Json) => true,
        _ => to_string,
    }
}

/// What stands behind `TYPE` to change a column back: the type, and where no assignment leads there, how. As text,
/// everything can be read as everything else, if its values allow.
#[must_use]
pub fn back(column: &str, old: &str, new: &str) -> String {
    let (from, to) = (Type::of(new), Type::of(old));
    let assigned = match to.family() {
        // everything can be written as text
        Family::String => !to.array || from.array,
        family => family == from.family() && to.array == from.array,
    };
    // the only number that has a cast to boolean and back
    let counts = |t: &Type| {
        let known = t.base == Base::Integer(4) || t.base == Base::Other("boolean".to_owned());
        known && !t.array
    };
    if assigned {
        old.to_owned()
    } else if from.family() == Family::String || (counts(&from) && counts(&to)) {
        format!("{old} USING {column}::{old}")
    } else {
        format!("{old} USING {column}::text::{old}")
    }
}

#[cfg(test)]
#[path = "inverse_type_tests.rs"]
mod tests;
