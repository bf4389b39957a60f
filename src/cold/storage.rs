//! How the chunks of a hypertable are tiered: what `set_cold_storage` takes, refuses and warns of.

use crate::cold::catalog::{settings, spec};
use crate::cold::file::ColumnSpec;
use crate::cold::file_schema::is_reserved_for_full_text;
use crate::cold::mapping::Encoding;
use crate::cold::servers;
use crate::error::{Error, Kind, Result};
use crate::hypertable;
use crate::pg::{catalog, cold_probe_keys, cold_state, cold_types};
use pgrx::{PgLogLevel, PgSqlErrorCode, ereport, pg_sys};

/// Which indexes a file carries beside the unique ones, which it always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    All,
    Unique,
    None,
}

/// How a stored file is looked at before the heap is emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// every value is read back and decoded
    Full,
    /// size, checksum, and some rows spread over the file
    Sample,
    /// size and checksum
    Checksum,
}

fn unknown(argument: &str, given: &str, known: &str) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("{argument} must be one of {known}, not '{given}'"),
    )
}

impl Carry {
    /// 22023 for anything else than the three words.
    pub fn parse(word: &str) -> Result<Carry> {
        match word {
            "all" => Ok(Carry::All),
            "unique" => Ok(Carry::Unique),
            "none" => Ok(Carry::None),
            other => Err(unknown("indexes", other, "all, unique, none")),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Carry::All => "all",
            Carry::Unique => "unique",
            Carry::None => "none",
        }
    }
}

impl Verify {
    /// 22023 for anything else than the three words.
    pub fn parse(word: &str) -> Result<Verify> {
        match word {
            "full" => Ok(Verify::Full),
            "sample" => Ok(Verify::Sample),
            "checksum" => Ok(Verify::Checksum),
            other => Err(unknown("verify", other, "full, sample, checksum")),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Verify::Full => "full",
            Verify::Sample => "sample",
            Verify::Checksum => "checksum",
        }
    }
}

/// The row of a hypertable in `strata.cold_setting`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub server: String,
    pub late_rows: String,
    /// `None`: by the partition column
    pub cluster_by: Option<Vec<String>>,
    pub bloom_columns: Option<Vec<String>>,
    /// columns of the full-text index that files get
    pub full_text: Option<Vec<String>>,
    pub carry: Carry,
    pub verify: Verify,
}

impl Default for Setting {
    fn default() -> Self {
        Setting {
            server: String::from("strata_local"),
            late_rows: String::from("accept"),
            cluster_by: None,
            bloom_columns: None,
            full_text: None,
            carry: Carry::All,
            verify: Verify::Full,
        }
    }
}

/// Checks everything and records it; tells of what the owner may not expect.
///
/// 42501 not owner or no USAGE on the server, 42704 no such server, 22023 a word that is none of the choices,
/// 42703 no such column, 0A000 what files cannot carry.
pub fn set(table: pg_sys::Oid, setting: &Setting) -> Result<()> {
    hypertable::check_hypertable(table)?;
    catalog::check_owner(table)?;
    check_late_rows(&setting.late_rows)?;
    check_server(&setting.server)?;
    let columns = spec::columns(table)?;
    check_types(table, &columns)?;
    if let Some(names) = &setting.cluster_by {
        check_cluster_by(table, &columns, names)?;
    }
    if let Some(names) = &setting.bloom_columns {
        check_bloom_columns(table, &columns, names)?;
    }
    if let Some(names) = &setting.full_text {
        check_full_text(table, &columns, names)?;
    }
    settings::set(table, setting)?;
    // sessions keep what they know of cold chunks
    for (chunk, _) in settings::states(table)? {
        cold_state::invalidate(chunk);
    }
    if settings::has_row_security(table)? {
        pgrx::notice!(
            "files of the cold tier carry all rows: whoever can read them is not bound by row security"
        );
    }
    tell_of_keys(table);
    Ok(())
}

fn check_late_rows(word: &str) -> Result<()> {
    match word {
        "accept" | "reject" => Ok(()),
        other => Err(unknown("late_rows", other, "accept, reject")),
    }
}

fn check_server(server: &str) -> Result<()> {
    match settings::may_use(server, catalog::current_user())? {
        None => Err(servers::unknown(server)),
        Some(false) => Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied for foreign server {server}"),
        )),
        Some(true) => Ok(()),
    }
}

/// 0A000 for types whose text form cannot be read back.
pub fn check_types(table: pg_sys::Oid, columns: &[ColumnSpec]) -> Result<()> {
    let one_way: Vec<String> = columns
        .iter()
        .filter(|c| cold_types::is_one_way(c.type_oid))
        .map(|c| format!("\"{}\" ({})", c.name, c.type_name))
        .collect();
    if one_way.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotSupported,
        format!(
            "table \"{}\" has columns that files of the cold tier cannot hold",
            catalog::relation_name(table)?
        ),
    )
    .detail(format!(
        "PostgreSQL cannot read what it writes of these types: {}.",
        one_way.join(", ")
    )))
}

fn find<'a>(table: pg_sys::Oid, columns: &'a [ColumnSpec], name: &str) -> Result<&'a ColumnSpec> {
    columns.iter().find(|c| c.name == name).ok_or_else(|| {
        let table = catalog::relation_name(table).unwrap_or_default();
        Error::new(
            Kind::UndefinedColumn,
            format!("column \"{name}\" of table \"{table}\" does not exist"),
        )
    })
}

fn check_list(argument: &str, names: &[String]) -> Result<()> {
    let bad = |why: String| Err(Error::new(Kind::InvalidParameter, why));
    if names.is_empty() {
        return bad(format!("{argument} must name at least one column"));
    }
    // more than an index can have would not even be sorted by
    if names.len() > pg_sys::INDEX_MAX_KEYS as usize {
        return bad(format!(
            "{argument} names {} columns, more than {}",
            names.len(),
            pg_sys::INDEX_MAX_KEYS
        ));
    }
    for (n, name) in names.iter().enumerate() {
        if names[..n].contains(name) {
            return bad(format!("{argument} names column \"{name}\" twice"));
        }
    }
    Ok(())
}

fn check_cluster_by(table: pg_sys::Oid, columns: &[ColumnSpec], names: &[String]) -> Result<()> {
    check_list("cluster_by", names)?;
    for name in names {
        let column = find(table, columns, name)?;
        if !cold_types::has_order(column.type_oid) {
            return Err(Error::new(
                Kind::NotSupported,
                format!(
                    "cluster_by cannot name column \"{name}\": type {} has no order",
                    column.type_name
                ),
            ));
        }
    }
    Ok(())
}

fn check_bloom_columns(table: pg_sys::Oid, columns: &[ColumnSpec], names: &[String]) -> Result<()> {
    check_list("bloom_columns", names)?;
    for name in names {
        let column = find(table, columns, name)?;
        if !can_be_probed(column) {
            return Err(Error::new(
                Kind::NotSupported,
                format!(
                    "bloom_columns cannot name column \"{name}\": equal values of type {} may be stored differently",
                    column.type_name
                ),
            ));
        }
    }
    Ok(())
}

/// What a file holds as text can be searched for words there, but FTS5 keeps some names for itself.
fn check_full_text(table: pg_sys::Oid, columns: &[ColumnSpec], names: &[String]) -> Result<()> {
    check_list("full_text", names)?;
    for name in names {
        let column = find(table, columns, name)?;
        let why = if !matches!(column.encoding, Encoding::Text | Encoding::TypeText) {
            format!("files do not hold type {} as text", column.type_name)
        } else if is_reserved_for_full_text(name) {
            String::from("SQLite's full-text indexes cannot have a column of that name")
        } else {
            continue;
        };
        let message = format!("full_text cannot name column \"{name}\": {why}");
        return Err(Error::new(Kind::NotSupported, message));
    }
    Ok(())
}

/// True when values of the column are equal exactly when their stored forms are.
fn can_be_probed(column: &ColumnSpec) -> bool {
    match column.encoding {
        Encoding::TypeText | Encoding::Xid8 => false,
        Encoding::Text => column.deterministic,
        _ => true,
    }
}

/// Late rows can be told from rows of a file only by keys that can be looked up there.
fn tell_of_keys(table: pg_sys::Oid) {
    let blind = cold_probe_keys::blind_keys(table);
    if !blind.is_empty() {
        let names: Vec<String> = blind.iter().map(|(n, _)| format!("\"{n}\"")).collect();
        let reasons: Vec<String> = blind
            .iter()
            .map(|(n, why)| format!("\"{n}\": {why}."))
            .collect();
        ereport!(
            PgLogLevel::NOTICE,
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            format!(
                "cold chunks refuse late rows: files cannot be asked for keys of {}",
                names.join(", ")
            ),
            reasons.join(" ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Carry, Verify};

    #[test]
    fn words_come_back_and_others_are_refused() {
        for word in ["all", "unique", "none"] {
            assert_eq!(Carry::parse(word).unwrap().as_str(), word);
        }
        for word in ["full", "sample", "checksum"] {
            assert_eq!(Verify::parse(word).unwrap().as_str(), word);
        }
        for bad in ["", "All", "full ", "some"] {
            assert!(
                Carry::parse(bad).is_err() && Verify::parse(bad).is_err(),
                "{bad}"
            );
        }
    }
}
