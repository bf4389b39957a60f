//! PostgreSQL's own parser over a piece of SQL: its statements, where they stand, and what can be said of them
//! without running them.

use super::list;
use super::owner::SettingScope;
use super::parse_kind::{self, Kind};
use super::subxact::{self, Caught};
use crate::error::{Error, Result};
use crate::migration::ddl::Ddl;
use pgrx::PgSqlErrorCode;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::{pg_guard, pg_sys};
use std::ffi::{CStr, CString, c_void};
use std::ops::Range;

/// One statement of a piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Bytes of the piece that the parser counts to it: on 15 to 17 with the blanks and comments before it
    /// (gram.y, stmtmulti), without its semicolon.
    pub range: Range<usize>,
    /// the command tag, such as `CREATE TABLE`
    pub tag: String,
    pub kind: Kind,
    /// the object that it names first, as written
    pub object: Option<String>,
    /// what it does to the schema, where that was asked for ([`check_ddl`])
    pub ddl: Vec<Ddl>,
}

/// Why a piece does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    pub code: PgSqlErrorCode,
    pub message: String,
    pub hint: Option<String>,
    /// byte of the piece that it is about
    pub at: Option<usize>,
}

/// The parse trees of a piece, with their memory.
pub struct Parsed {
    sql: CString,
    trees: Vec<*mut pg_sys::RawStmt>,
    pub statements: Vec<Statement>,
    /// what the trees lie in; the last field, so that it goes last
    _memory: PgMemoryContexts,
}

impl Parsed {
    /// Parses; a syntax error is raised as such.
    pub fn of(sql: &str) -> Result<Parsed> {
        let sql = CString::new(sql).map_err(|_| Error::internal("NUL in a statement"))?;
        let mut memory = PgMemoryContexts::new("pg_strata parse trees");
        // SAFETY: a NUL terminated string that outlives the call; the trees copy what they need of it, into a context
        // that lives as long as they do
        let (trees, statements) = unsafe {
            memory.switch_to(|_| {
                let parsed = pg_sys::pg_parse_query(sql.as_ptr());
                let trees: Vec<_> = list::pointers::<pg_sys::RawStmt>(parsed).collect();
                let all = sql.as_bytes().len();
                let statements = trees.iter().map(|raw| statement(*raw, all)).collect();
                (trees, statements)
            })
        };
        Ok(Parsed {
            sql,
            trees,
            statements,
            _memory: memory,
        })
    }

    /// The text, as the parser saw it.
    #[must_use]
    pub fn sql(&self) -> &CStr {
        &self.sql
    }

    pub(super) fn tree(&self, n: usize) -> Option<*mut pg_sys::RawStmt> {
        self.trees.get(n).copied()
    }
}

/// # Safety
/// A statement of the parser, of a text of `all` bytes.
unsafe fn statement(raw: *mut pg_sys::RawStmt, all: usize) -> Statement {
    // SAFETY: promised by the caller; the tag is a constant string
    unsafe {
        let node = (*raw).stmt;
        let start = usize::try_from((*raw).stmt_location).unwrap_or(0);
        // length 0: to the end
        let end = match usize::try_from((*raw).stmt_len) {
            Ok(len) if len > 0 => start + len,
            _ => all,
        };
        let tag = pg_sys::GetCommandTagName(pg_sys::CreateCommandTag(node));
        Statement {
            range: start.min(all)..end.min(all),
            tag: CStr::from_ptr(tag).to_string_lossy().into_owned(),
            kind: parse_kind::of(node),
            object: super::parse_object::of(node),
            ddl: Vec::new(),
        }
    }
}

/// What the error context callback of [`check`] notes: the place of the error, in characters.
struct Place(std::ffi::c_int);

#[pg_guard]
unsafe extern "C-unwind" fn note_place(arg: *mut c_void) {
    // SAFETY: the struct of `check`, which outlives the callback; called while an error is being reported
    unsafe { (*arg.cast::<Place>()).0 = pg_sys::geterrposition() }
}

/// What [`check`] says of a text.
pub type Checked = std::result::Result<Vec<Statement>, SyntaxError>;

/// Parses `sql` without raising: its statements, or why it does not parse. `standard_strings`: how the text reads
/// backslashes in plain strings.
pub fn check(sql: &str, standard_strings: bool) -> Result<Checked> {
    check_with(sql, standard_strings, false)
}

/// The same, and says what each statement does to the schema.
pub fn check_ddl(sql: &str, standard_strings: bool) -> Result<Checked> {
    check_with(sql, standard_strings, true)
}

fn check_with(sql: &str, standard_strings: bool, ddl: bool) -> Result<Checked> {
    let mut place = Place(0);
    let parsed = subxact::attempt(|| {
        let settings = SettingScope::new();
        let on = if standard_strings { "on" } else { "off" };
        settings.set("standard_conforming_strings", on);
        // nobody wants to hear of each string that has a backslash while a file is only looked at
        settings.set("escape_string_warning", "off");
        let _context = ErrorContext::push(note_place, (&raw mut place).cast());
        let mut parsed = Parsed::of(sql)?;
        let mut statements = std::mem::take(&mut parsed.statements);
        if ddl {
            for (n, statement) in statements.iter_mut().enumerate() {
                statement.ddl = parsed.ddl(n);
            }
        }
        Ok(statements)
    });
    match parsed {
        Ok(statements) => Ok(Ok(statements?)),
        Err(Caught {
            code,
            message,
            hint,
            ..
        }) => Ok(Err(SyntaxError {
            code,
            message,
            hint,
            at: usize::try_from(place.0)
                .ok()
                .filter(|n| *n > 0)
                .map(|n| byte_of(sql, n - 1)),
        })),
    }
}

/// The byte at which character `n` begins, counted from 0.
#[must_use]
pub fn byte_of(text: &str, n: usize) -> usize {
    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
}

/// While alive, `callback` is asked about every error and notice.
pub(super) struct ErrorContext {
    frame: Box<pg_sys::ErrorContextCallback>,
}

impl ErrorContext {
    /// `arg` must outlive the returned value.
    pub(super) fn push(
        callback: unsafe extern "C-unwind" fn(*mut c_void),
        arg: *mut c_void,
    ) -> ErrorContext {
        // SAFETY: the frame does not move, and is taken off the stack before it goes
        unsafe {
            let mut frame = Box::new(pg_sys::ErrorContextCallback {
                previous: pg_sys::error_context_stack,
                callback: Some(callback),
                arg,
            });
            pg_sys::error_context_stack = &raw mut *frame;
            ErrorContext { frame }
        }
    }
}

impl Drop for ErrorContext {
    fn drop(&mut self) {
        // SAFETY: what was there when it was pushed; an error has put back this, or an earlier one, before
        unsafe { pg_sys::error_context_stack = self.frame.previous }
    }
}
