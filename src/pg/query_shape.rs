//! Looking at a query of a caller before it becomes a part of one of ours.

use super::list::pointers;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::new(Kind::InvalidParameter, "NUL in a query"))
}

/// The one SELECT (or VALUES, or TABLE) that the text consists of, without what follows its semicolon.
///
/// A whole SELECT has its parentheses, quotes and comments closed, but for a comment up to the line's end; so the
/// text can stand inside other parentheses, on lines of its own, and cannot reach beyond them.
/// 22023 for anything else, 42601 when it cannot be parsed.
pub fn single_select(text: &str) -> Result<String> {
    let sql = c_text(text)?;
    // SAFETY: a NUL terminated text; the tree lives in the current memory context
    let found = unsafe {
        let list = pg_sys::raw_parser(sql.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let mut statements = pointers::<pg_sys::RawStmt>(list);
        match (statements.next(), statements.next()) {
            (Some(raw), None) if (*(*raw).stmt).type_ == pg_sys::NodeTag::T_SelectStmt => {
                Some(((*raw).stmt_location, (*raw).stmt_len))
            }
            _ => None,
        }
    };
    let place = found.and_then(|(start, len)| {
        let start = usize::try_from(start).unwrap_or(0);
        let rest = text.get(start..)?;
        match usize::try_from(len) {
            Ok(0) | Err(_) => Some(rest),
            Ok(len) => rest.get(..len),
        }
    });
    place.map(str::to_owned).ok_or_else(|| {
        Error::new(Kind::InvalidParameter, "query must be one SELECT statement")
            .hint("SELECT payload FROM events WHERE labels @> '{\"order_id\": \"111\"}'")
    })
}

/// Names of the columns that a SELECT of ours gives, whose parameters have these types.
pub fn column_names(sql: &str, types: &[pg_sys::Oid]) -> Result<Vec<String>> {
    let sql = c_text(sql)?;
    // SAFETY: a NUL terminated text, as many types as it says; trees live in the current memory context, and
    // every entry of a target list is a TargetEntry
    unsafe {
        let parsed = pg_sys::pg_parse_query(sql.as_ptr());
        let Some(raw) = pointers::<pg_sys::RawStmt>(parsed).next() else {
            return Ok(vec![]);
        };
        let queries = pg_sys::pg_analyze_and_rewrite_fixedparams(
            raw,
            sql.as_ptr(),
            types.as_ptr(),
            types.len() as i32,
            std::ptr::null_mut(),
        );
        let Some(query) = pointers::<pg_sys::Query>(queries).next() else {
            return Ok(vec![]);
        };
        let entries = pointers::<pg_sys::TargetEntry>((*query).targetList);
        let names = entries.filter(|e| !(**e).resjunk && !(**e).resname.is_null());
        Ok(names
            .map(|e| CStr::from_ptr((*e).resname).to_string_lossy().into_owned())
            .collect())
    }
}
