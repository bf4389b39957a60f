//! The words of `WITH (tsdb.hypertable, ...)`, in any of our namespaces.

use super::list::pointers;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::{CStr, c_char};

const NAMESPACES: [&str; 3] = ["tsdb", "timescaledb", "strata"];

#[derive(Debug, Default)]
pub(super) struct Options {
    pub hypertable: bool,
    pub column: Option<String>,
    pub interval: Option<String>,
    pub default_indexes: Option<bool>,
    pub ignored: Vec<String>,
}

/// # Safety
/// `text` is NULL or NUL terminated.
pub(super) unsafe fn owned(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: promised by the caller
    let text = unsafe { CStr::from_ptr(text) };
    Some(text.to_string_lossy().into_owned())
}

/// # Safety
/// `option` is a DefElem.
pub(super) unsafe fn is_ours(option: *mut pg_sys::DefElem) -> bool {
    // SAFETY: promised by the caller
    unsafe { owned((*option).defnamespace) }.is_some_and(|n| NAMESPACES.contains(&n.as_str()))
}

/// The name of the first option of ours.
///
/// # Safety
/// `list` is NIL or a list of DefElem.
pub(super) unsafe fn first_of_ours(list: *mut pg_sys::List) -> Option<String> {
    // SAFETY: promised by the caller
    unsafe {
        pointers::<pg_sys::DefElem>(list)
            .find(|o| is_ours(*o))
            .and_then(|o| owned((*o).defname))
    }
}

pub(super) fn is_columnstore(word: &str) -> bool {
    word.starts_with("compress")
        || [
            "columnstore",
            "enable_columnstore",
            "segmentby",
            "orderby",
            "order_by",
            "segment_by",
            "sparse_index",
        ]
        .contains(&word)
}

/// What an option sets, by whatever name and in whatever namespace.
fn meaning(word: &str) -> Option<&'static str> {
    match word {
        "hypertable" => Some("hypertable"),
        "partition_column" | "time_column" => Some("partition_column"),
        "chunk_interval" | "chunk_time_interval" => Some("chunk_interval"),
        "create_default_indexes" => Some("create_default_indexes"),
        _ => None,
    }
}

/// # Safety
/// `options` is a list of DefElem.
pub(super) unsafe fn read(options: *mut pg_sys::List) -> Result<Options> {
    let mut out = Options::default();
    let mut seen = Vec::new();
    // SAFETY: promised by the caller; values come out of pgrx's guarded functions
    unsafe {
        for option in pointers::<pg_sys::DefElem>(options).filter(|o| is_ours(*o)) {
            let word = owned((*option).defname).unwrap_or_default();
            let text = || owned(pg_sys::defGetString(option));
            if let Some(meaning) = meaning(&word) {
                // of two values neither can be what is meant
                if seen.contains(&meaning) {
                    return Err(Error::new(
                        Kind::InvalidParameter,
                        format!("option \"{word}\" of a hypertable is given more than once"),
                    ));
                }
                seen.push(meaning);
            }
            match word.as_str() {
                "hypertable" => out.hypertable = pg_sys::defGetBoolean(option),
                "partition_column" | "time_column" => out.column = text(),
                "chunk_interval" | "chunk_time_interval" => out.interval = text(),
                "create_default_indexes" => {
                    out.default_indexes = Some(pg_sys::defGetBoolean(option));
                }
                _ if is_columnstore(&word) => out.ignored.push(word),
                _ => {
                    return Err(Error::new(
                        Kind::InvalidParameter,
                        format!("unknown option \"{word}\" of a hypertable"),
                    )
                    .detail("Options are hypertable, partition_column, chunk_interval and create_default_indexes."));
                }
            }
        }
    }
    Ok(out)
}
