//! Tables of events: making one, putting rows into it, asking it. As the caller, in the caller's search_path.

use crate::cold::events::{self, Event};
use crate::error::{Error, Kind, Result};
use crate::hypertable::on_demand::make_here;
use crate::hypertable::uuid7;
use crate::pg::subxact::attempt;
use crate::pg::{catalog, json_arg, query_shape, session, spi, time};
use pgrx::PgSqlErrorCode;
use pgrx::datum::{AnyElement, DatumWithOid, TimestampWithTimeZone, Uuid};
use pgrx::pg_sys;

const PARSE: &str = "SELECT pg_catalog.parse_ident($1)";
const FIND: &str = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
const HYPERTABLE: &str = "SELECT FROM strata.create_hypertable($1::pg_catalog.oid::pg_catalog.regclass, \
    strata.by_range('ts', $2), create_default_indexes => false)";
const COLD: &str = "SELECT strata.set_cold_storage($1::pg_catalog.oid::pg_catalog.regclass, server => $2::pg_catalog.name)";

/// Columns that a table of events has.
const COLUMNS: [(&str, pg_sys::Oid); 4] = [
    ("id", pg_sys::UUIDOID),
    ("ts", pg_sys::TIMESTAMPTZOID),
    ("labels", pg_sys::JSONBOID),
    ("value", pg_sys::TEXTOID),
];

/// Makes a hypertable of events with its indexes; with a server, its old chunks go there.
///
/// 22023 for a name that is none, 42P07 when the table exists.
pub fn create(name: &str, interval: &AnyElement, server: Option<&str>) -> Result<pg_sys::Oid> {
    let parts = spi::read_one(PARSE, &[name.into()], |row| row.need::<Vec<String>>(1))?;
    let parts = parts.unwrap_or_default();
    if parts.len() > 2 {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("\"{name}\" is not the name of a table"),
        ));
    }
    let quoted: Vec<String> = parts.iter().map(|p| catalog::quote_ident(p)).collect();
    let table = quoted.join(".");
    spi::execute(
        &format!(
            "CREATE TABLE {table} (id pg_catalog.uuid, ts pg_catalog.timestamptz, labels pg_catalog.jsonb, \
             value pg_catalog.text, PRIMARY KEY (id, ts)) PARTITION BY RANGE (ts)"
        ),
        &[],
    )?;
    let found = spi::write_one(FIND, &[table.as_str().into()], |row| row.need(1))?;
    let oid: pg_sys::Oid = found.ok_or_else(|| Error::internal("a new table was not found"))?;
    // from here on by its full name: a schema may have come before in the path
    let table = catalog::qualified_name(oid)?;
    let by = json_arg::any_handed_on(Some(interval), pg_sys::INTERVALOID);
    spi::execute(HYPERTABLE, &[oid.into(), by])?;
    spi::execute(&format!("CREATE INDEX ON {table} (ts)"), &[])?;
    spi::execute(&format!("CREATE INDEX ON {table} USING gin (labels)"), &[])?;
    if let Some(server) = server {
        spi::execute(COLD, &[oid.into(), server.into()])?;
    }
    Ok(oid)
}

/// A table of events.
pub struct Table {
    pub oid: pg_sys::Oid,
    /// Quoted, with its schema.
    pub name: String,
}

/// The table of events of this OID. 42P01 without one, 42809 when it is something else.
pub fn check(events: Option<pg_sys::Oid>) -> Result<Table> {
    let Some(oid) = events else {
        return Err(
            Error::new(Kind::UndefinedTable, "relation \"events\" does not exist")
                .hint("SELECT strata.create_events();"),
        );
    };
    let name = catalog::qualified_name(oid)?;
    let fits =
        |(column, kind): &(&str, pg_sys::Oid)| json_arg::column_type(oid, column) == Some(*kind);
    if COLUMNS.iter().all(fits) {
        return Ok(Table { oid, name });
    }
    Err(Error::new(
        Kind::WrongObjectType,
        format!("{name} is not a table of events"),
    )
    .detail("It needs the columns id uuid, ts timestamptz, labels jsonb, value text.")
    .hint("SELECT strata.create_events('name');"))
}

/// What a batch has become.
pub struct Put {
    pub ids: Vec<[u8; 16]>,
    /// Rows that were not there before.
    pub added: i64,
}

/// Without chunks on demand the owner makes them here: events come late, and from any time.
fn insert(table: &Table, events: &[Event], sql: &str, args: &[DatumWithOid<'_>]) -> Result<usize> {
    if session::preloaded_here() {
        return spi::execute(sql, args);
    }
    match attempt(|| spi::execute(sql, args)) {
        Ok(done) => return done,
        // for want of a partition, or of a CHECK: then no chunk is missing
        Err(e)
            if e.code == PgSqlErrorCode::ERRCODE_CHECK_VIOLATION
                && catalog::check_owner(table.oid).is_ok() =>
        {
            let times: Vec<i64> = events.iter().map(|e| e.us).collect();
            make_here(table.oid, &times)?;
        }
        Err(_) => {}
    }
    // what was wrong otherwise is said by the server itself
    spi::execute(sql, args)
}

/// Inserts events, in the order of `payloads`: one payload, or an array of them.
pub fn put(table: &Table, events: &[Event], payloads: &AnyElement, single: bool) -> Result<Put> {
    let mut ids = Vec::with_capacity(events.len());
    let mut times = Vec::with_capacity(events.len());
    for event in events {
        ids.push(match event.id {
            Some(id) => id,
            None => uuid7::build(uuid7::ticks(event.us)?, time::random()?),
        });
        let time = TimestampWithTimeZone::try_from(event.us)
            .map_err(|_| Error::internal("a checked time is out of range"))?;
        times.push(time);
    }
    let uuids: Vec<Uuid> = ids.iter().map(|id| Uuid::from_bytes(*id)).collect();
    let args: [DatumWithOid; 3] = [uuids.into(), times.into(), json_arg::handed_on(payloads)];
    let added = insert(
        table,
        events,
        &events::insert_sql(&table.name, single),
        &args,
    )?;
    Ok(Put {
        ids,
        added: i64::try_from(added).unwrap_or(i64::MAX),
    })
}

/// The statement around the caller's query. 22023 when that is not one SELECT, 42701 when it names two columns
/// alike, of which JSON could keep one only.
pub fn query(table: &Table, query: &str) -> Result<String> {
    let select = query_shape::single_select(query)?;
    let types = [pg_sys::TIMESTAMPTZOID, pg_sys::TIMESTAMPTZOID];
    let names = query_shape::column_names(&events::columns_sql(&table.name, &select), &types)?;
    let twice = names
        .iter()
        .enumerate()
        .find(|(n, name)| names[..*n].contains(name));
    if let Some((_, name)) = twice {
        return Err(Error::new(
            Kind::DuplicateColumn,
            format!("query has more than one column named \"{name}\""),
        )
        .hint("Name them: SELECT expression AS name, ..."));
    }
    Ok(events::query_sql(&table.name, &select))
}
