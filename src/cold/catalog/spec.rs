//! What an export must know about a chunk: columns, indexes, server.

use crate::cold::file::{ColumnSpec, IndexSpec};
use crate::cold::manifest::Manifest;
use crate::cold::mapping;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{cold_datum, spi};
use pgrx::pg_sys;

const COLUMNS: &str = "SELECT a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), a.atttypid, \
    coalesce((SELECT c.collisdeterministic FROM pg_collation c WHERE c.oid = a.attcollation), true) \
    FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

const ENUM_LABELS: &str = "SELECT e.oid, e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = $1 ORDER BY e.enumsortorder";

// key columns as attnums; INCLUDE columns need no index inside the file
const INDEXES: &str = "SELECT c.relname::text, i.indisunique, \
    (i.indkey::int2[])[0:i.indnkeyatts - 1], \
    ARRAY(SELECT (o & 1) = 1 FROM unnest((i.indoption::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS u(o, n) ORDER BY n), \
    i.indexprs IS NOT NULL OR i.indpred IS NOT NULL, i.indisexclusion, am.amname = 'btree' \
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam \
    WHERE i.indrelid = $1 AND i.indisvalid ORDER BY c.relname";

// labels and attributes of all types that values of the chunk are made of: their text forms hang on them
const TYPES: &str = "WITH RECURSIVE used (typ) AS ( \
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped UNION \
    SELECT x.typ FROM used u JOIN pg_type t ON t.oid = u.typ CROSS JOIN LATERAL ( \
    SELECT t.typelem UNION ALL SELECT t.typbasetype UNION ALL \
    SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid) UNION ALL \
    SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) \
    AS x (typ) WHERE x.typ <> 0) \
    SELECT hashtextextended(concat((SELECT string_agg(concat_ws(' ', e.oid, e.enumlabel), ',' ORDER BY e.oid) FROM pg_enum e \
    WHERE e.enumtypid IN (SELECT typ FROM used)), ';', \
    (SELECT string_agg(concat_ws(' ', a.attrelid, a.attnum, a.attname, a.atttypid), ',' ORDER BY a.attrelid, a.attnum) \
    FROM pg_attribute a JOIN pg_type t ON t.typrelid = a.attrelid \
    WHERE t.oid IN (SELECT typ FROM used) AND a.attnum > 0 AND NOT a.attisdropped)) COLLATE \"C\", 0)::text";

const RELATION: &str =
    "SELECT c.relkind::text, c.relpersistence::text, c.relowner FROM pg_class c WHERE c.oid = $1";

const IDENTITY: &str = "SELECT (SELECT system_identifier FROM pg_control_system()), \
    (SELECT oid FROM pg_database WHERE datname = current_database()), current_database()::text, \
    (SELECT uuid_send(install) FROM strata.cold_owner)";

/// An index of the chunk, as far as files are concerned.
pub struct ChunkIndex {
    pub spec: IndexSpec,
    /// has expressions or a predicate
    pub special: bool,
    pub exclusion: bool,
    pub btree: bool,
}

/// Who writes: parts of every object name and of the owner token.
pub struct Identity {
    pub system_identifier: i64,
    pub database: pg_sys::Oid,
    pub database_name: String,
    pub install: [u8; 16],
}

impl Identity {
    /// What marks files as ours.
    #[must_use]
    pub fn token(&self) -> String {
        format!(
            "{}/{}/{}",
            self.system_identifier as u64,
            self.database.to_u32(),
            crate::cold::name::hex(&self.install)
        )
    }

    /// 8 hex digits for object names.
    #[must_use]
    pub fn tag(&self) -> String {
        crate::cold::name::tag(
            self.system_identifier as u64,
            self.database.to_u32(),
            &self.install,
        )
    }
}

/// The identity of this database and installation.
pub fn identity() -> Result<Identity> {
    let found = as_extension_owner(|| {
        spi::read_latest(IDENTITY, &[], |row| {
            let install: Vec<u8> = row.need(4)?;
            Ok(Identity {
                system_identifier: row.need(1)?,
                database: row.need(2)?,
                database_name: row.need(3)?,
                install: install
                    .try_into()
                    .map_err(|_| Error::internal("strata.cold_owner holds no uuid"))?,
            })
        })
    })?;
    found
        .into_iter()
        .next()
        .ok_or_else(|| Error::internal("strata.cold_owner is empty"))
}

/// The live columns of a chunk, for the file.
pub fn columns(chunk: pg_sys::Oid) -> Result<Vec<ColumnSpec>> {
    as_extension_owner(|| {
        let found = spi::read_latest(COLUMNS, &[chunk.into()], |row| {
            Ok((
                row.need::<i16>(1)?,
                row.need::<String>(2)?,
                row.need::<String>(3)?,
                row.need::<pg_sys::Oid>(4)?,
                row.need::<bool>(5)?,
            ))
        })?;
        found
            .into_iter()
            .map(|(attnum, name, type_name, type_oid, deterministic)| {
                let encoding = cold_datum::encoding_of(type_oid);
                let enum_labels = if encoding == mapping::Encoding::TypeText {
                    let (base, _) = cold_datum::base_type(type_oid, -1);
                    spi::read_latest(ENUM_LABELS, &[base.into()], |row| {
                        Ok((row.need::<pg_sys::Oid>(1)?.to_u32(), row.need(2)?))
                    })?
                } else {
                    vec![]
                };
                Ok(ColumnSpec {
                    attnum,
                    name,
                    type_name,
                    type_oid: type_oid.to_u32(),
                    deterministic,
                    encoding,
                    enum_labels,
                })
            })
            .collect()
    })
}

/// True when the live columns of a chunk are those of its file: none was added or dropped since.
pub fn has_columns_of(chunk: pg_sys::Oid, manifest: &Manifest) -> Result<bool> {
    let columns = columns(chunk)?;
    let in_file = |attnum| {
        let column = manifest.column(attnum);
        column.is_some_and(|c| c.physical.is_some())
    };
    Ok(columns.len() == manifest.columns.len() && columns.iter().all(|c| in_file(c.attnum)))
}

/// What the text forms of the chunk's values hang on, beside its columns.
pub fn types(chunk: pg_sys::Oid) -> Result<String> {
    let found = as_extension_owner(|| spi::read_latest(TYPES, &[chunk.into()], |row| row.need(1)))?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// The indexes of a chunk. Column positions refer to `columns`.
pub fn indexes(chunk: pg_sys::Oid, columns: &[ColumnSpec]) -> Result<Vec<ChunkIndex>> {
    let position = |attnum: &i16| columns.iter().position(|c| c.attnum == *attnum);
    as_extension_owner(|| {
        spi::read_latest(INDEXES, &[chunk.into()], |row| {
            let keys: Vec<i16> = row.need(3)?;
            Ok(ChunkIndex {
                spec: IndexSpec {
                    name: row.need(1)?,
                    unique: row.need(2)?,
                    columns: keys.iter().filter_map(position).collect(),
                    descending: row.need(4)?,
                },
                special: row.need(5)?,
                exclusion: row.need(6)?,
                btree: row.need(7)?,
            })
        })
    })
}

/// What pg_class says about a chunk.
pub struct Kinds {
    pub relkind: String,
    pub persistence: String,
    pub owner: pg_sys::Oid,
}

/// 42P01 when the relation is gone.
pub fn relation(chunk: pg_sys::Oid) -> Result<Kinds> {
    let found = as_extension_owner(|| {
        spi::read_latest(RELATION, &[chunk.into()], |row| {
            Ok(Kinds {
                relkind: row.need(1)?,
                persistence: row.need(2)?,
                owner: row.need(3)?,
            })
        })
    })?;
    found.into_iter().next().ok_or_else(|| {
        Error::new(
            Kind::UndefinedTable,
            format!("relation with OID {} does not exist", chunk.to_u32()),
        )
    })
}
