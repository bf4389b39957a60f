//! IMPORT FOREIGN SCHEMA "key" FROM SERVER ...: the tables of a file as foreign tables.

use super::cold_fdw::{or_raise, pairs};
use super::cold_foreign_file::{FileTable, ForeignFile, Own};
use super::cold_foreign_open::open_file;
use super::cold_state::ForeignAccess;
use super::{catalog, spi};
use crate::cold::foreign::{self, is_builtin_type};
use crate::error::{Kind, Result};
use pgrx::{pg_guard, pg_sys};
use std::ffi::{CStr, CString};

/// Longest name of an object in PostgreSQL, in bytes.
const NAME: usize = 63;
/// Every table has these, so no column may be called so (heap.c, SysAtt).
const SYSTEM_COLUMNS: [&str; 6] = ["ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"];

#[pg_guard]
pub(super) unsafe extern "C-unwind" fn import(
    statement: *mut pg_sys::ImportForeignSchemaStmt,
    server: pg_sys::Oid,
) -> *mut pg_sys::List {
    // SAFETY: the statement that runs: its strings end with NUL
    let (schema, server_name, options) = unsafe {
        let text = |s| CStr::from_ptr(s).to_string_lossy().into_owned();
        (
            text((*statement).remote_schema),
            text((*statement).server_name),
            pairs((*statement).options),
        )
    };
    let given = or_raise(foreign::parse_import(&options));
    let is_cut = given.is_none() && schema.len() > NAME - 4;
    let key = given.unwrap_or(schema);
    let user = catalog::current_user();
    let access = ForeignAccess {
        server,
        user,
        owner: user,
        key: &key,
    };
    let file = open_file(&access).map_err(|e| match e.kind {
        // four bytes: where a character would have been split
        Kind::FileMissing if is_cut => e.hint(
            "PostgreSQL cuts names off after 63 bytes. Longer keys: IMPORT FOREIGN SCHEMA main ... OPTIONS (key '2025/a long name.sqlite')",
        ),
        _ => e,
    });
    let wanted = |name: &str| {
        // SAFETY: the statement that runs, and a name that ends with NUL
        CString::new(name)
            .is_ok_and(|name| unsafe { pg_sys::IsImportableForeignTable(name.as_ptr(), statement) })
    };
    let commands = or_raise(file.and_then(|file| commands(&file, &server_name, &wanted)));
    let mut out = std::ptr::null_mut();
    for command in commands {
        // SAFETY: the text is copied into the current memory context
        unsafe { out = pg_sys::lappend(out, pg_sys::pstrdup(command.as_ptr()).cast()) };
    }
    out
}

fn commands(
    file: &ForeignFile,
    server: &str,
    wanted: &impl Fn(&str) -> bool,
) -> Result<Vec<CString>> {
    let mut taken = vec![];
    let mut out = vec![];
    for name in file.tables()? {
        let table = file.table(&name)?;
        // a file of ours is imported under the name that its table had
        let own = if table.own.is_empty() {
            None
        } else {
            file.own_name()?
        };
        let name = own.filter(|n| usable(n)).unwrap_or(name);
        if !wanted(&name) {
            continue;
        }
        if !usable(&name) || taken.contains(&name) {
            return Err(file
                .error(
                    Kind::NotSupported,
                    &format!(
                        "the name of table \"{}\" is too long or not the only one",
                        table.name
                    ),
                )
                .hint("CREATE FOREIGN TABLE with the option table names it."));
        }
        if let Some(command) = command(file, &table, &name, server)? {
            out.push(command);
        }
        taken.push(name);
    }
    Ok(out)
}

fn usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME && !name.contains('\0')
}

/// None: no column can be read.
fn command(
    file: &ForeignFile,
    table: &FileTable,
    name: &str,
    server: &str,
) -> Result<Option<CString>> {
    let mut columns: Vec<String> = vec![];
    let mut names: Vec<String> = vec![];
    for declared in table.columns.iter().filter(|c| !c.generated) {
        let own = table
            .own
            .iter()
            .find(|o| o.physical.eq_ignore_ascii_case(&declared.name));
        let mut local = own.map_or(&declared.name, |o| &o.name).clone();
        let mut n = names.len();
        while !usable(&local) || SYSTEM_COLUMNS.contains(&local.as_str()) || names.contains(&local)
        {
            n += 1;
            local = format!("column_{n}");
        }
        let type_name = match own {
            Some(own) => known_type(own)?,
            None => String::from(declared.affinity.imported_type(&declared.type_name)),
        };
        let renamed = if local == declared.name {
            String::new()
        } else {
            format!(
                " OPTIONS (column_name {})",
                catalog::quote_literal(&declared.name)
            )
        };
        columns.push(format!(
            "{} {type_name}{renamed}",
            catalog::quote_ident(&local)
        ));
        names.push(local);
    }
    if columns.is_empty() {
        return Ok(None);
    }
    let sql = format!(
        "CREATE FOREIGN TABLE {} ({}) SERVER {} OPTIONS (key {}, \"table\" {})",
        catalog::quote_ident(name),
        columns.join(", "),
        catalog::quote_ident(server),
        catalog::quote_literal(&file.key),
        catalog::quote_literal(&table.name)
    );
    CString::new(sql)
        .map(Some)
        .map_err(|_| file.error(Kind::DataCorrupted, "a name in it holds NUL"))
}

/// The type of a column of a file of ours: what the file says is a name, never a piece of a command.
fn known_type(own: &Own) -> Result<String> {
    if is_builtin_type(&own.type_name) {
        return Ok(own.type_name.clone());
    }
    let plain = |part: &str| {
        let begins = part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        begins
            && part.len() <= NAME
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let bare = own.type_name.trim_end_matches("[]");
    if !bare.split('.').all(plain) || bare.split('.').count() > 2 {
        return Ok(String::from("text"));
    }
    let found = spi::read(
        "SELECT coalesce(pg_catalog.to_regtype($1)::text, 'text')",
        &[own.type_name.as_str().into()],
        |row| row.need::<String>(1),
    )?;
    Ok(found
        .into_iter()
        .next()
        .unwrap_or_else(|| String::from("text")))
}
