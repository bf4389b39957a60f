//! Where the chunks of a hypertable go, and which of them are cold.

use crate::cold::storage::{Carry, Setting, Verify};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;

/// Numbers of the columns in a list of names.
macro_rules! attnums {
    ($names:literal) => {
        concat!(
            "(SELECT array_agg(a.attnum ORDER BY u.n) FROM unnest(",
            $names,
            "::name[]) WITH ORDINALITY AS u(name, n) JOIN pg_attribute a ON a.attrelid = $1::oid \
             AND a.attname = u.name AND NOT a.attisdropped)"
        )
    };
}
const SET: &str = concat!(
    "INSERT INTO strata.cold_setting (hypertable, hypertable_oid, server, late_rows, cluster_by, bloom_columns, \
     full_text, cluster_attnums, bloom_attnums, full_text_attnums, indexes, verify) \
     VALUES ($1, $1::oid, $2, $3, $4::name[], $5::name[], $8::name[], ",
    attnums!("$4"),
    ", ",
    attnums!("$5"),
    ", ",
    attnums!("$8"),
    ", $6, $7) ON CONFLICT (hypertable) DO UPDATE SET hypertable_oid = excluded.hypertable_oid, \
     server = excluded.server, late_rows = excluded.late_rows, cluster_by = excluded.cluster_by, \
     bloom_columns = excluded.bloom_columns, cluster_attnums = excluded.cluster_attnums, \
     bloom_attnums = excluded.bloom_attnums, full_text = excluded.full_text, \
     full_text_attnums = excluded.full_text_attnums, indexes = excluded.indexes, verify = excluded.verify"
);
const OF: &str = "SELECT server::text, late_rows, cluster_by::text[], bloom_columns::text[], indexes, verify, full_text::text[] \
    FROM strata.cold_setting WHERE hypertable = $1";
const REMOVE: &str = "DELETE FROM strata.cold_setting WHERE hypertable = $1";
const COLD_CHUNKS: &str =
    "SELECT count(*) FROM strata.cold_file WHERE hypertable = $1 AND state = 'live'";
const STATES: &str = "SELECT f.chunk::oid, f.state FROM strata.cold_file f WHERE f.hypertable = $1";
const USAGE: &str = "SELECT has_server_privilege($2::oid, s.oid, 'USAGE') FROM pg_foreign_server s \
    JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw WHERE s.srvname = $1 AND w.fdwname = 'strata_sqlite'";
const RLS: &str = "SELECT relrowsecurity FROM pg_class WHERE oid = $1";
const SIZE: &str =
    "SELECT coalesce(sum(pg_total_relation_size(c)), 0)::bigint FROM unnest($1::oid[]) AS c";
const LIVE: &str = "SELECT f.chunk::oid FROM strata.cold_file f WHERE f.state = 'live' \
    AND ($1::oid IS NULL OR f.hypertable = $1) AND pg_has_role($2::oid, \
    (SELECT relowner FROM pg_class WHERE oid = f.hypertable), 'USAGE') ORDER BY f.hypertable, f.range_start";

/// Records how the chunks of a hypertable are tiered from now on.
pub fn set(hypertable: pg_sys::Oid, setting: &Setting) -> Result<()> {
    let args = [
        hypertable.into(),
        setting.server.as_str().into(),
        setting.late_rows.as_str().into(),
        setting.cluster_by.clone().into(),
        setting.bloom_columns.clone().into(),
        setting.carry.as_str().into(),
        setting.verify.as_str().into(),
        setting.full_text.clone().into(),
    ];
    as_extension_owner(|| spi::execute(SET, &args)).map(|_| ())
}

/// How the chunks of a hypertable are tiered: as was set, or by the defaults.
pub fn of(hypertable: pg_sys::Oid) -> Result<Setting> {
    let found = as_extension_owner(|| {
        spi::read_latest(OF, &[hypertable.into()], |row| {
            Ok(Setting {
                server: row.need(1)?,
                late_rows: row.need(2)?,
                cluster_by: row.get(3)?,
                bloom_columns: row.get(4)?,
                carry: Carry::parse(&row.need::<String>(5)?)?,
                verify: Verify::parse(&row.need::<String>(6)?)?,
                full_text: row.get(7)?,
            })
        })
    })?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// Forgets it; how many there were.
/// Forgets where chunks of a hypertable go.
pub fn remove(hypertable: pg_sys::Oid) -> Result<usize> {
    as_extension_owner(|| spi::execute(REMOVE, &[hypertable.into()]))
}

/// How many chunks of a hypertable are in files.
pub fn cold_chunks(hypertable: pg_sys::Oid) -> Result<i64> {
    as_extension_owner(|| {
        Ok(
            spi::read_latest(COLD_CHUNKS, &[hypertable.into()], |row| row.need(1))?
                .into_iter()
                .next()
                .unwrap_or(0),
        )
    })
}

/// Chunks of a hypertable that are frozen or live, with their state.
pub fn states(hypertable: pg_sys::Oid) -> Result<Vec<(pg_sys::Oid, String)>> {
    as_extension_owner(|| {
        spi::read_latest(STATES, &[hypertable.into()], |row| {
            Ok((row.need(1)?, row.need(2)?))
        })
    })
}

/// Whether the role may use a server of our wrapper; `None` when there is no such server.
pub fn may_use(server: &str, role: pg_sys::Oid) -> Result<Option<bool>> {
    as_extension_owner(|| {
        Ok(
            spi::read_latest(USAGE, &[server.into(), role.into()], |row| row.need(1))?
                .into_iter()
                .next(),
        )
    })
}

/// True when row security is switched on for a table; false also when it is gone.
pub fn has_row_security(relation: pg_sys::Oid) -> Result<bool> {
    as_extension_owner(|| {
        Ok(spi::read_latest(RLS, &[relation.into()], |row| row.need(1))?.first() == Some(&true))
    })
}

/// Bytes that these relations take on disk, with indexes and TOAST.
pub fn size_bytes(relations: &[pg_sys::Oid]) -> Result<i64> {
    as_extension_owner(|| {
        Ok(
            spi::read_latest(SIZE, &[relations.to_vec().into()], |row| row.need(1))?
                .into_iter()
                .next()
                .unwrap_or(0),
        )
    })
}

/// Live cold chunks of one hypertable, or of all those that the role owns.
pub fn live_chunks(hypertable: Option<pg_sys::Oid>, role: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>> {
    as_extension_owner(|| {
        spi::read_latest(LIVE, &[hypertable.into(), role.into()], |row| row.need(1))
    })
}
