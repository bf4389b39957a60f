//! The clauses of an UPDATE that somebody gives as text: whether each is one clause and nothing else.

use super::compat_parse::returns;
use super::list;
use super::parse::Parsed;
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::CStr;

fn wrong(what: &str) -> Error {
    Error::new(Kind::Syntax, what)
}

/// The only statement of `sql`, an UPDATE that reaches to its end; else 42601 with `what`, unless it does not parse at all.
fn one_update(sql: &str, what: &str) -> Result<(Parsed, *mut pg_sys::UpdateStmt)> {
    let parsed = Parsed::of(sql)?;
    let raw = parsed.tree(0).filter(|_| parsed.statements.len() == 1);
    // SAFETY: a statement of the parser, whose trees live in `parsed`
    let update = raw.and_then(|raw| unsafe {
        let node = (*raw).stmt;
        let whole = (*raw).stmt_len == 0 && (*node).type_ == pg_sys::NodeTag::T_UpdateStmt;
        whole.then(|| node.cast::<pg_sys::UpdateStmt>())
    });
    update
        .map(|update| (parsed, update))
        .ok_or_else(|| wrong(what))
}

/// The columns that `set` assigns. 42601 unless `set` is one list of assignments, as behind SET, and `condition` one
/// expression, as behind WHERE.
///
/// Each is parsed twice, alone and with something behind it: what ends the statement early, or comments the rest out,
/// parses in one of the two ways only. Parentheses around it would let `a) OR (b` pass.
pub fn assigned_columns(set: &str, condition: Option<&str>) -> Result<Vec<String>> {
    let bad_set = "set_clause is not one list of assignments";
    let bad_condition = "where_clause is not one expression";
    let (parsed, update) = one_update(&format!("UPDATE x SET {set}\n"), bad_set)?;
    // SAFETY: the tree lives in `parsed`
    let columns = unsafe {
        let more = [(*update).whereClause, (*update).fromClause.cast()];
        if more.iter().any(|clause| !clause.is_null()) || returns(update) {
            return Err(wrong(bad_set));
        }
        list::pointers::<pg_sys::ResTarget>((*update).targetList)
            .map(|target| {
                CStr::from_ptr((*target).name)
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    };
    drop(parsed);
    one_update(&format!("UPDATE x SET {set}\nWHERE true"), bad_set)?;
    if let Some(condition) = condition {
        let (parsed, update) = one_update(
            &format!("UPDATE x SET a = 1 WHERE {condition}\n"),
            bad_condition,
        )?;
        // SAFETY: as above
        let other = unsafe {
            let node = (*update).whereClause;
            node.is_null() || (*node).type_ == pg_sys::NodeTag::T_CurrentOfExpr || returns(update)
        };
        drop(parsed);
        if other {
            return Err(wrong(bad_condition));
        }
        one_update(
            &format!("UPDATE x SET a = 1 WHERE {condition}\nRETURNING 1"),
            bad_condition,
        )?;
    }
    Ok(columns)
}
