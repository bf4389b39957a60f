//! Every catalog statement of the cold tier.

pub mod bloom;
pub mod claims;
pub mod gc;
pub mod guard;
pub mod inspect;
pub mod jobs;
pub mod keys;
pub mod layout;
pub mod merge;
pub mod owner;
pub mod settings;
pub mod spec;
pub mod uploads;

use crate::cold::file::{Built, ColumnSpec, IndexSpec};
use crate::cold::manifest::{ChunkState, FileColumn, FileIndex, Manifest};
use crate::cold::mapping::{Cell, Encoding};
use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{cold_datum, spi};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use std::rc::Rc;

const FILE: &str = "SELECT f.id::text, f.state, f.attempt, f.hypertable::oid, f.server::text, f.key, f.etag, \
    f.bytes, f.rows, f.raw_table, f.rowid_name, f.content_hash, c.relname::text, \
    coalesce((SELECT starts_with(o.option_value, 'file:') FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o \
              WHERE s.srvname = f.server AND o.option_name = 'location'), false), \
    coalesce(t.late_rows = 'reject', false), g.attempt, f.chunk_oid <> f.chunk::oid \
    FROM strata.cold_file f JOIN pg_class c ON c.oid = f.chunk \
    LEFT JOIN strata.cold_setting t ON t.hypertable = f.hypertable \
    LEFT JOIN strata.cold_merge g ON g.chunk = f.chunk::oid WHERE f.chunk = $1";

// a file that came through a dump has its columns found by name: dropped columns are gone there
// and have no number, but are still columns of the file
const COLUMNS: &str = "SELECT CASE WHEN f.chunk_oid = f.chunk::oid THEN c.attnum ELSE coalesce(a.attnum, 0::int2) END, \
    c.physical, c.encoding, c.mixed, c.missing, c.nulls, c.min_value, c.max_value, c.ascending \
    FROM strata.cold_column c JOIN strata.cold_file f ON f.id = c.file \
    LEFT JOIN pg_attribute a ON a.attrelid = f.chunk AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE f.chunk = $1 ORDER BY c.attnum";

const FILE_INDEXES: &str = "SELECT i.columns, i.descending, i.is_unique \
    FROM strata.cold_index i JOIN strata.cold_file f ON f.id = i.file WHERE f.chunk = $1 ORDER BY i.index_name";

const IN_SNAPSHOT: &str =
    "SELECT id::text FROM strata.cold_file WHERE chunk = $1 AND state = 'live'";

const FORGET: &str = "WITH gone AS (DELETE FROM strata.cold_file WHERE chunk = $1 \
    RETURNING server, key, owner_token, chunk::oid AS chunk, generation, bytes) \
    INSERT INTO strata.cold_delete_queue (key, server, owner_token, chunk, generation, bytes, reason) \
    SELECT key, server, owner_token, chunk, generation, bytes, $2 FROM gone WHERE key IS NOT NULL ON CONFLICT DO NOTHING";

const SET_LIVE: &str = "UPDATE strata.cold_file SET id = $2::uuid, state = 'live', generation = $3, server = $4, \
    key = $5, etag = $6, bytes = $7, sha256 = $8, rows = $9, content_hash = $10, raw_table = $11, rowid_name = $12, \
    range_start = $13, range_end = $14, owner_token = $15, created_at = clock_timestamp() \
    WHERE chunk = $1 AND state = 'frozen' AND attempt = $16";

const ADD_COLUMN: &str = "INSERT INTO strata.cold_column \
    (file, attnum, attname, physical, type_name, encoding, mixed, nulls, min_value, max_value, ascending) \
    VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

const ADD_INDEX: &str = "INSERT INTO strata.cold_index (file, index_name, columns, descending, is_unique) \
    VALUES ($1::uuid, $2, $3, $4, $5)";

/// State of a chunk by the latest snapshot, whatever snapshot the query uses.
pub fn state_of(chunk: pg_sys::Oid) -> Result<ChunkState> {
    as_extension_owner(|| load(chunk))
}

fn load(chunk: pg_sys::Oid) -> Result<ChunkState> {
    let args: [DatumWithOid; 1] = [chunk.into()];
    let found = spi::read_latest(FILE, &args, |row| {
        let state: String = row.need(2)?;
        if state == "frozen" {
            return Ok(ChunkState::Frozen {
                attempt: row.need(3)?,
                rejects: row.need(15)?,
            });
        }
        let hypertable: pg_sys::Oid = row.need(4)?;
        Ok(ChunkState::Cold(Rc::new(Manifest {
            file: row.need(1)?,
            hypertable: hypertable.to_u32(),
            server: row.need(5)?,
            key: row.need(6)?,
            etag: row.need(7)?,
            bytes: u64::try_from(row.need::<i64>(8)?).unwrap_or(0),
            rows: row.need(9)?,
            raw_table: row.need(10)?,
            rowid_name: row.get(11)?.unwrap_or_else(|| String::from("rowid")),
            content_hash: row.get(12)?.unwrap_or_default(),
            chunk_name: row.need(13)?,
            is_local: row.get(14)?.unwrap_or(false),
            rejects_late: row.need(15)?,
            merging: row.get(16)?,
            restored: row.need(17)?,
            ..Manifest::default()
        })))
    })?;
    let Some(state) = found.into_iter().next() else {
        return Ok(ChunkState::Plain);
    };
    let ChunkState::Cold(manifest) = state else {
        return Ok(state);
    };
    let mut manifest = Rc::unwrap_or_clone(manifest);
    manifest.columns = spi::read_latest(COLUMNS, &args, column)?;
    manifest.keys = keys::of(chunk)?;
    manifest.blooms = bloom::of(&manifest)?;
    let indexes = spi::read_latest(FILE_INDEXES, &args, |row| {
        let names: Vec<String> = row.need(1)?;
        let descending: Vec<bool> = row.need(2)?;
        let unique = row.need(3)?;
        let columns = names.iter().zip(descending).map(|(name, descending)| {
            let found = (manifest.columns.iter()).find(|c| c.physical.as_ref() == Some(name))?;
            Some((found.attnum, descending))
        });
        let columns: Option<Vec<(i16, bool)>> = columns.collect();
        Ok(columns.map(|columns| FileIndex { columns, unique }))
    })?;
    manifest.indexes = indexes.into_iter().flatten().collect();
    Ok(ChunkState::Cold(Rc::new(manifest)))
}

fn column(row: spi::LatestRow) -> Result<FileColumn> {
    let encoding: String = row.need(3)?;
    let encoding = Encoding::parse(&encoding).ok_or_else(|| {
        Error::internal(format!(
            "unknown encoding \"{encoding}\" in strata.cold_column"
        ))
    })?;
    let nulls: Option<i64> = row.get(6)?;
    let bound = |text: Option<String>| text.and_then(|t| Cell::parse(encoding, &t));
    Ok(FileColumn {
        attnum: row.need(1)?,
        physical: row.get(2)?,
        encoding,
        mixed: row.get(4)?.unwrap_or(true),
        missing: row.get(5)?,
        has_nulls: nulls.is_none_or(|n| n > 0),
        nulls,
        min: bound(row.get(7)?),
        max: bound(row.get(8)?),
        ascending: row.get(9)?.unwrap_or(false),
    })
}

/// Id of the chunk's live file as the running query's snapshot has it, not the latest one.
pub fn file_in_snapshot(chunk: pg_sys::Oid) -> Result<Option<String>> {
    as_extension_owner(|| spi::read_one(IN_SNAPSHOT, &[chunk.into()], |row| row.need(1)))
}

/// Takes the manifest row of a chunk away and queues its file for deletion.
pub fn forget_file(chunk: pg_sys::Oid, reason: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(FORGET, &[chunk.into(), reason.into()])).map(|_| ())
}

/// Everything that the catalog keeps about a file that was just verified.
pub struct LiveFile<'a> {
    pub chunk: pg_sys::Oid,
    pub attempt: i64,
    pub generation: i32,
    pub sha256: &'a str,
    pub range: (&'a str, &'a str),
    pub owner_token: &'a str,
    pub columns: &'a [ColumnSpec],
    pub built: &'a Built,
    pub indexes: &'a [IndexSpec],
}

/// Turns the frozen mark of an attempt into the live manifest. False when the mark is gone.
pub fn set_live(manifest: &Manifest, live: &LiveFile<'_>) -> Result<bool> {
    as_extension_owner(|| {
        let updated = spi::execute(
            SET_LIVE,
            &[
                live.chunk.into(),
                manifest.file.as_str().into(),
                live.generation.into(),
                manifest.server.as_str().into(),
                manifest.key.as_str().into(),
                manifest.etag.as_str().into(),
                (manifest.bytes as i64).into(),
                live.sha256.into(),
                manifest.rows.into(),
                manifest.content_hash.as_str().into(),
                manifest.raw_table.as_str().into(),
                manifest.rowid_name.as_str().into(),
                live.range.0.into(),
                live.range.1.into(),
                live.owner_token.into(),
                live.attempt.into(),
            ],
        )?;
        if updated != 1 {
            return Ok(false);
        }
        add_columns(manifest, live)?;
        keys::add(manifest, live)?;
        add_indexes(manifest, live)?;
        layout::add(&manifest.file, &live.built.map)?;
        Ok(true)
    })
}

fn add_columns(manifest: &Manifest, live: &LiveFile<'_>) -> Result<()> {
    for (i, column) in live.columns.iter().enumerate() {
        let stats = &live.built.columns[i];
        spi::execute(
            ADD_COLUMN,
            &[
                manifest.file.as_str().into(),
                column.attnum.into(),
                column.name.as_str().into(),
                live.built.layout.columns[i].as_str().into(),
                column.type_name.as_str().into(),
                column.encoding.as_str().into(),
                (stats.fallback > 0).into(),
                stats.nulls.into(),
                stats.min.as_ref().and_then(written).into(),
                stats.max.as_ref().and_then(written).into(),
                stats.ascending.into(),
            ],
        )?;
    }
    Ok(())
}

/// A bound of the zone map. Not one that an encoding of the server or of a dump could change: a
/// wrong bound hides rows.
fn written(bound: &Cell) -> Option<String> {
    match bound {
        Cell::Text(t) if !t.is_ascii() && !cold_datum::is_utf8() => None,
        cell => Some(cell.written()),
    }
}

fn add_indexes(manifest: &Manifest, live: &LiveFile<'_>) -> Result<()> {
    for index in live.indexes {
        let columns: Vec<String> = index
            .columns
            .iter()
            .map(|i| live.built.layout.columns[*i].clone())
            .collect();
        // SQLite's default is ascending
        let mut descending = index.descending.clone();
        descending.resize(columns.len(), false);
        spi::execute(
            ADD_INDEX,
            &[
                manifest.file.as_str().into(),
                index.name.as_str().into(),
                columns.into(),
                descending.into(),
                index.unique.into(),
            ],
        )?;
    }
    Ok(())
}
