//! Every catalog statement of the cold tier.

pub mod bloom;
pub mod claims;
pub mod gc;
pub mod guard;
pub mod guard_server;
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
use crate::pg::{cold_datum, inject, spi};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys;
use std::collections::HashMap;
use std::rc::Rc;

const FILE: &str = "SELECT f.id::text, f.state, f.attempt, f.hypertable::oid, f.server::text, f.key, f.etag, \
    f.bytes, f.rows, f.raw_table, f.rowid_name, f.content_hash, c.relname::text, \
    coalesce((SELECT starts_with(o.option_value, 'file:') FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o \
              WHERE s.srvname = f.server AND o.option_name = 'location'), false), \
    coalesce(t.late_rows = 'reject', false), g.attempt, f.chunk_oid <> f.chunk::oid, f.chunk::oid, \
    CASE WHEN f.chunk_oid <> f.chunk::oid THEN (SELECT a.attname::text FROM pg_attribute a \
        WHERE a.attrelid = f.chunk AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (SELECT FROM strata.cold_column k \
        WHERE k.file = f.id AND k.attname = a.attname) ORDER BY a.attnum LIMIT 1) END \
    FROM strata.cold_file f JOIN pg_class c ON c.oid = f.chunk \
    LEFT JOIN strata.cold_setting t ON t.hypertable = f.hypertable \
    LEFT JOIN strata.cold_merge g ON g.chunk = f.chunk::oid WHERE f.chunk = ANY($1)";

// a file that came through a dump has its columns found by name: dropped columns are gone there
// and have no number, but are still columns of the file
const COLUMNS: &str = "SELECT f.chunk::oid, CASE WHEN f.chunk_oid = f.chunk::oid THEN c.attnum ELSE coalesce(a.attnum, 0::int2) END, \
    c.physical, c.encoding, c.mixed, c.missing, c.nulls, c.min_value, c.max_value, c.ascending \
    FROM strata.cold_column c JOIN strata.cold_file f ON f.id = c.file \
    LEFT JOIN pg_attribute a ON a.attrelid = f.chunk AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped \
    WHERE f.chunk = ANY($1) ORDER BY f.chunk, c.attnum";

// without the keys that have lost a column
const KEYS: &str = "SELECT f.chunk::oid, n.attnums FROM strata.cold_key k JOIN strata.cold_file f ON f.id = k.file \
    CROSS JOIN LATERAL (SELECT array_agg(a.attnum ORDER BY a.attnum) AS attnums FROM pg_attribute a \
        WHERE a.attrelid = f.chunk AND a.attname = ANY (k.columns) AND NOT a.attisdropped) n \
    WHERE f.chunk = ANY($1) AND cardinality(n.attnums) = cardinality(k.columns)";

const FILE_INDEXES: &str = "SELECT f.chunk::oid, i.columns, i.descending, i.is_unique \
    FROM strata.cold_index i JOIN strata.cold_file f ON f.id = i.file WHERE f.chunk = ANY($1) ORDER BY f.chunk, i.index_name";

const IS_LIVE: &str =
    "SELECT EXISTS (SELECT FROM strata.cold_file WHERE id = $1::uuid AND state = 'live')";
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
    let found = states_of(&[chunk])?.pop();
    Ok(found.map_or(ChunkState::Plain, |(_, state)| state))
}

/// States of several chunks, all as of one moment; in the order of `chunks`.
pub fn states_of(chunks: &[pg_sys::Oid]) -> Result<Vec<(pg_sys::Oid, ChunkState)>> {
    as_extension_owner(|| spi::at_one_moment(|| load(chunks)))
}

type ByChunk<T> = HashMap<pg_sys::Oid, Vec<T>>;

/// Rows of a statement whose first column names the chunk that they belong to.
fn by_chunk<T>(
    sql: &'static str,
    args: &[DatumWithOid],
    mut f: impl FnMut(spi::LatestRow) -> Result<T>,
) -> Result<ByChunk<T>> {
    let rows = spi::read_kept(sql, args, |row| Ok((row.need::<pg_sys::Oid>(1)?, f(row)?)))?;
    let mut found = ByChunk::new();
    for (chunk, row) in rows {
        found.entry(chunk).or_default().push(row);
    }
    Ok(found)
}

fn load(chunks: &[pg_sys::Oid]) -> Result<Vec<(pg_sys::Oid, ChunkState)>> {
    let args: [DatumWithOid; 1] = [chunks.to_vec().into()];
    let mut states: HashMap<pg_sys::Oid, ChunkState> =
        spi::read_kept(FILE, &args, file)?.into_iter().collect();
    let mut manifests: Vec<(pg_sys::Oid, &mut Manifest)> = states
        .iter_mut()
        .filter_map(|(chunk, state)| match state {
            ChunkState::Cold(manifest) => Some((*chunk, Rc::get_mut(manifest)?)),
            _ => None,
        })
        .collect();
    if chunks.len() > 1 {
        inject::point("cold.states.read");
    }
    if !manifests.is_empty() {
        let cold: Vec<pg_sys::Oid> = manifests.iter().map(|(chunk, _)| *chunk).collect();
        fill(&mut manifests, &[cold.into()])?;
    }
    let state = |chunk: &pg_sys::Oid| {
        let found = states.get(chunk).cloned();
        (*chunk, found.unwrap_or(ChunkState::Plain))
    };
    Ok(chunks.iter().map(state).collect())
}

/// A row of [`FILE`].
fn file(row: spi::LatestRow) -> Result<(pg_sys::Oid, ChunkState)> {
    let chunk = row.need(18)?;
    let state: String = row.need(2)?;
    if state == "frozen" {
        let frozen = ChunkState::Frozen {
            attempt: row.need(3)?,
            rejects: row.need(15)?,
        };
        return Ok((chunk, frozen));
    }
    let hypertable: pg_sys::Oid = row.need(4)?;
    let manifest = Manifest {
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
        unknown_column: row.get(19)?,
        ..Manifest::default()
    };
    Ok((chunk, ChunkState::Cold(Rc::new(manifest))))
}

/// What other tables know about these files.
fn fill(manifests: &mut [(pg_sys::Oid, &mut Manifest)], args: &[DatumWithOid]) -> Result<()> {
    let mut columns = by_chunk(COLUMNS, args, column)?;
    let mut keys = by_chunk(KEYS, args, |row| row.need(2))?;
    let mut blooms = by_chunk(bloom::OF_FILES, args, |row| bloom::row(&row))?;
    let mut indexes = by_chunk(FILE_INDEXES, args, |row| {
        let (names, descending) = (row.need::<Vec<String>>(2)?, row.need::<Vec<bool>>(3)?);
        Ok((names, descending, row.need::<bool>(4)?))
    })?;
    for (chunk, manifest) in manifests {
        manifest.columns = columns.remove(chunk).unwrap_or_default();
        manifest.keys = keys.remove(chunk).unwrap_or_default();
        manifest.blooms = bloom::of(manifest, blooms.remove(chunk).unwrap_or_default());
        let indexes = indexes.remove(chunk).unwrap_or_default().into_iter();
        manifest.indexes = indexes
            .filter_map(|(names, descending, unique)| {
                let columns = names.iter().zip(descending).map(|(name, descending)| {
                    let mut all = manifest.columns.iter();
                    let found = all.find(|c| c.physical.as_ref() == Some(name))?;
                    Some((found.attnum, descending))
                });
                let columns = columns.collect::<Option<_>>()?;
                Some(FileIndex { columns, unique })
            })
            .collect();
    }
    Ok(())
}

/// A row of [`COLUMNS`].
fn column(row: spi::LatestRow) -> Result<FileColumn> {
    let encoding: String = row.need(4)?;
    let encoding = Encoding::parse(&encoding).ok_or_else(|| {
        Error::internal(format!(
            "unknown encoding \"{encoding}\" in strata.cold_column"
        ))
    })?;
    let nulls: Option<i64> = row.get(7)?;
    let bound = |text: Option<String>| text.and_then(|t| Cell::parse(encoding, &t));
    Ok(FileColumn {
        attnum: row.need(2)?,
        physical: row.get(3)?,
        encoding,
        mixed: row.get(5)?.unwrap_or(true),
        missing: row.get(6)?,
        form: None,
        has_nulls: nulls.is_none_or(|n| n > 0),
        nulls,
        min: bound(row.get(8)?),
        max: bound(row.get(9)?),
        ascending: row.get(10)?.unwrap_or(false),
    })
}

/// Id of the chunk's live file as the running query's snapshot has it, not the latest one.
pub fn file_in_snapshot(chunk: pg_sys::Oid) -> Result<Option<String>> {
    as_extension_owner(|| spi::read_one(IN_SNAPSHOT, &[chunk.into()], |row| row.need(1)))
}

/// True while a file is the one of its chunk, whatever the running query's snapshot says.
pub fn is_live(file: &str) -> Result<bool> {
    let found = as_extension_owner(|| {
        spi::read_latest(IS_LIVE, &[file.into()], |row| row.need::<bool>(1))
    })?;
    Ok(found.first() == Some(&true))
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
