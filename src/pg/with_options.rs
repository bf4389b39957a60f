//! `CREATE TABLE ... WITH (tsdb.hypertable, ...)`: options of ours are taken out of the statement before
//! the server sees them, which knows no such namespace, and PARTITION BY is put in.

use super::compat;
use super::foreign_words::TIERING;
use super::list::pointers;
use super::session::notice;
use super::spi;
use super::with_words::{Options, first_of_ours, is_columnstore, is_ours, owned, read};
use crate::error::{Error, Kind, Result};
use pgrx::pg_sys;
use std::ffi::c_char;
use std::sync::OnceLock;

/// A table that was made to become a hypertable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTable {
    pub relation: pg_sys::Oid,
    pub column: String,
    /// as written
    pub interval: Option<String>,
    pub default_indexes: bool,
    pub if_not_exists: bool,
    /// storage parameters, as `name=value`: chunks get them, a partitioned table cannot
    pub storage: Vec<String>,
}

/// What makes a hypertable of a new table.
pub type Register = fn(&NewTable) -> Result<()>;

static REGISTER: OnceLock<Register> = OnceLock::new();

/// Registers the part that runs after such a CREATE TABLE.
pub fn register(part: Register) {
    REGISTER.get_or_init(|| part);
}

const TIMES: [pg_sys::Oid; 3] = [
    pg_sys::DATEOID,
    pg_sys::TIMESTAMPOID,
    pg_sys::TIMESTAMPTZOID,
];

const LIKE_COLUMNS: &str = "
SELECT a.attname::text, a.atttypid FROM pg_catalog.pg_attribute a
WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// A statement with its options taken out.
pub struct Prepared {
    /// what the server is to run
    pub statement: *mut pg_sys::PlannedStmt,
    name: *const c_char,
    namespace: pg_sys::Oid,
    column: String,
    interval: Option<String>,
    default_indexes: bool,
    storage: Vec<String>,
    if_not_exists: bool,
    /// it was there before, and stays what it is
    exists: bool,
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(Kind::NotSupported, message)
}

fn elsewhere(word: &str, what: &str) -> Error {
    if is_columnstore(word) {
        return refuse(format!("\"{word}\": there is no columnstore")).hint(TIERING);
    }
    refuse(format!("option \"{word}\" is not for {what}"))
        .hint("settings of a hypertable: SELECT strata.alter_hypertable('table', ...)")
}

/// Looks at a utility statement: `None` when it has no option of ours, which is nearly always; else what to
/// run in its place, or why it is refused. Leaves statements alone where the extension is not installed.
///
/// # Safety
/// `statement` must be a valid utility statement that outlives the call.
pub unsafe fn prepare(statement: *mut pg_sys::PlannedStmt) -> Result<Option<Prepared>> {
    use pg_sys::NodeTag as Tag;
    // SAFETY: each cast follows the node's tag
    unsafe {
        let node = (*statement).utilityStmt;
        let found = match (*node).type_ {
            Tag::T_CreateStmt => first_of_ours((*node.cast::<pg_sys::CreateStmt>()).options),
            Tag::T_AlterTableStmt => {
                pointers::<pg_sys::AlterTableCmd>((*node.cast::<pg_sys::AlterTableStmt>()).cmds)
                    .filter(|c| {
                        matches!(
                            (**c).subtype,
                            pg_sys::AlterTableType::AT_SetRelOptions
                                | pg_sys::AlterTableType::AT_ResetRelOptions
                        )
                    })
                    .find_map(|c| first_of_ours((*c).def.cast()))
            }
            Tag::T_CreateTableAsStmt => {
                first_of_ours((*(*node.cast::<pg_sys::CreateTableAsStmt>()).into).options)
            }
            Tag::T_ViewStmt => first_of_ours((*node.cast::<pg_sys::ViewStmt>()).options),
            _ => None,
        };
        let Some(word) = found else { return Ok(None) };
        if super::catalog::extension().is_none() {
            return Ok(None);
        }
        match (*node).type_ {
            Tag::T_CreateStmt => prepare_create(statement).map(Some),
            Tag::T_AlterTableStmt => Err(elsewhere(&word, "ALTER TABLE")),
            _ if word == "continuous" => Err(refuse("continuous aggregates are planned, and not there yet")
                .hint("CREATE MATERIALIZED VIEW without WITH (...), and a job that refreshes it: SELECT strata.add_job(...)")),
            Tag::T_CreateTableAsStmt => Err(refuse("CREATE TABLE AS cannot make a hypertable")
                .hint("CREATE TABLE ... WITH (tsdb.hypertable), then INSERT INTO ... SELECT")),
            _ => Err(elsewhere(&word, "views")),
        }
    }
}

/// # Safety
/// `original` is a CREATE TABLE with options of ours.
unsafe fn prepare_create(original: *mut pg_sys::PlannedStmt) -> Result<Prepared> {
    // SAFETY: the copy is ours to change; each cast follows a tag
    unsafe {
        let statement = pg_sys::copyObjectImpl(original.cast()).cast::<pg_sys::PlannedStmt>();
        let create = (*statement).utilityStmt.cast::<pg_sys::CreateStmt>();
        let options = read((*create).options)?;
        let name = owned((*(*create).relation).relname).unwrap_or_default();
        if !options.hypertable {
            return Err(Error::new(
                Kind::InvalidParameter,
                format!("table \"{name}\" has options of a hypertable, but not tsdb.hypertable"),
            ));
        }
        check_kind(create, &name)?;
        let column = choose_column(create, &options, &name)?;
        if (*create).partspec.is_null() {
            (*create).partspec = compat::range_partition(&column);
        }
        let storage = storage((*create).options);
        (*create).options = std::ptr::null_mut();
        let namespace = pg_sys::RangeVarGetCreationNamespace((*create).relation);
        let relname = (*(*create).relation).relname;
        let exists = pg_sys::get_relname_relid(relname, namespace) != pg_sys::InvalidOid;
        if !options.ignored.is_empty() && !exists {
            let words = options.ignored.join(", ");
            notice(
                &format!("there is no columnstore, ignored: {words}"),
                Some(TIERING),
            );
        }
        Ok(Prepared {
            statement,
            name: relname,
            namespace,
            column,
            interval: options.interval,
            default_indexes: options.default_indexes.unwrap_or(true),
            storage,
            if_not_exists: (*create).if_not_exists,
            exists,
        })
    }
}

/// # Safety
/// `create` is a CREATE TABLE.
unsafe fn check_kind(create: *const pg_sys::CreateStmt, name: &str) -> Result<()> {
    // SAFETY: promised by the caller
    let (persistence, partition, typed) = unsafe {
        (
            (*(*create).relation).relpersistence as u8,
            !(*create).partbound.is_null(),
            !(*create).ofTypename.is_null(),
        )
    };
    let why = if persistence == b't' {
        "temporary tables"
    } else if persistence == b'u' {
        "unlogged tables"
    } else if partition {
        "partitions of other tables"
    } else if typed {
        "typed tables"
    } else {
        return Ok(());
    };
    Err(refuse(format!(
        "table \"{name}\" cannot be a hypertable: {why} cannot"
    )))
}

/// The options of the table itself.
///
/// # Safety
/// `list` is a list of DefElem.
unsafe fn storage(list: *mut pg_sys::List) -> Vec<String> {
    // SAFETY: promised by the caller
    unsafe {
        pointers::<pg_sys::DefElem>(list)
            .filter(|o| !is_ours(*o))
            .map(|o| {
                let value = match (*o).arg.is_null() {
                    true => Some("true".to_string()),
                    false => owned(pg_sys::defGetString(o)),
                };
                let space = owned((*o).defnamespace).map_or(String::new(), |n| n + ".");
                let name = owned((*o).defname).unwrap_or_default();
                format!("{space}{name}={}", value.unwrap_or_default())
            })
            .collect()
    }
}

/// # Safety
/// `create` is a CREATE TABLE.
unsafe fn choose_column(
    create: *const pg_sys::CreateStmt,
    options: &Options,
    name: &str,
) -> Result<String> {
    // SAFETY: promised by the caller; each cast follows a tag
    unsafe {
        if let Some(column) = &options.column {
            return Ok(column.clone());
        }
        if !(*create).partspec.is_null() {
            let mut keys = pointers::<pg_sys::PartitionElem>((*(*create).partspec).partParams);
            if let Some(column) = keys.next().and_then(|k| owned((*k).name)) {
                return Ok(column);
            }
        }
        let mut times = Vec::new();
        for element in pointers::<pg_sys::Node>((*create).tableElts) {
            for (column, typ) in columns(element)? {
                if TIMES.contains(&typ) {
                    times.push(column);
                }
            }
        }
        if let [column] = times.as_slice() {
            return Ok(column.clone());
        }
        let found = if times.is_empty() {
            "no column".to_string()
        } else {
            format!("columns {}", times.join(", "))
        };
        Err(Error::new(
            Kind::InvalidParameter,
            format!("the time column of table \"{name}\" is not clear"),
        )
        .detail(format!(
            "Of type date, timestamp or timestamptz the table has {found}."
        ))
        .hint("WITH (tsdb.hypertable, tsdb.partition_column = 'column')"))
    }
}

/// Names and types of the columns that an element of a table brings.
///
/// # Safety
/// `element` is an element of CREATE TABLE.
unsafe fn columns(element: *mut pg_sys::Node) -> Result<Vec<(String, pg_sys::Oid)>> {
    // SAFETY: each cast follows the node's tag
    unsafe {
        match (*element).type_ {
            pg_sys::NodeTag::T_ColumnDef => {
                let column = element.cast::<pg_sys::ColumnDef>();
                if (*column).typeName.is_null() {
                    return Ok(Vec::new());
                }
                let typ = pg_sys::LookupTypeNameOid(std::ptr::null_mut(), (*column).typeName, true);
                Ok(owned((*column).colname)
                    .map(|n| (n, typ))
                    .into_iter()
                    .collect())
            }
            pg_sys::NodeTag::T_TableLikeClause => {
                let like = (*element.cast::<pg_sys::TableLikeClause>()).relation;
                let relation = pg_sys::RangeVarGetRelidExtended(
                    like,
                    pg_sys::NoLock as i32,
                    0,
                    None,
                    std::ptr::null_mut(),
                );
                spi::read(LIKE_COLUMNS, &[relation.into()], |r| {
                    Ok((r.need(1)?, r.need(2)?))
                })
            }
            _ => Ok(Vec::new()),
        }
    }
}

/// Makes a hypertable of the table that the statement has made.
///
/// # Safety
/// `prepared` comes from [`prepare`] and its statement has been run.
pub unsafe fn finish(prepared: &Prepared) -> Result<()> {
    let (Some(register), false) = (REGISTER.get(), prepared.exists) else {
        return Ok(());
    };
    super::catalog::command_counter_increment();
    // SAFETY: the name lives as long as the copied statement
    let relation = unsafe { pg_sys::get_relname_relid(prepared.name, prepared.namespace) };
    if relation == pg_sys::InvalidOid {
        return Err(Error::internal("a new table vanished"));
    }
    register(&NewTable {
        relation,
        column: prepared.column.clone(),
        interval: prepared.interval.clone(),
        default_indexes: prepared.default_indexes,
        // another session may have been faster
        if_not_exists: prepared.if_not_exists,
        storage: prepared.storage.clone(),
    })
}
