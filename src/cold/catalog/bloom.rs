//! Bloom filters of files.

use crate::cold::bloom::BloomInfo;
use crate::cold::file::Built;
use crate::cold::manifest::Manifest;
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;

pub(super) const OF_FILES: &str = "SELECT f.chunk::oid, b.columns, b.blocks \
    FROM strata.cold_bloom b JOIN strata.cold_file f ON f.id = b.file WHERE f.chunk = ANY($1) ORDER BY b.columns";
// a substring of what is stored EXTERNAL reads no more than it gives
const BITS: &str = "SELECT substring(bits FROM $3 FOR $4) FROM strata.cold_bloom \
    WHERE file = $1::uuid AND columns = $2::text[]";
const REMOVE: &str = "DELETE FROM strata.cold_bloom WHERE file = $1::uuid";
const ADD: &str = "INSERT INTO strata.cold_bloom (file, columns, blocks, bits) VALUES ($1::uuid, $2::text[], $3, $4)";

/// Columns and blocks: what [`OF_FILES`] says of one filter.
pub(super) type Kept = (Vec<String>, i32);

/// A row of [`OF_FILES`].
pub(super) fn row(row: &spi::LatestRow) -> Result<Kept> {
    Ok((row.need(2)?, row.need(3)?))
}

/// The filters of a file whose columns the chunk still has. Part of loading the manifest.
pub(super) fn of(manifest: &Manifest, found: Vec<Kept>) -> Vec<BloomInfo> {
    let attnum = |name: &String| {
        let columns = manifest.columns.iter();
        let mut known = columns.filter(|c| c.physical.as_deref() == Some(name.as_str()));
        known.next().map(|c| c.attnum).filter(|n| *n > 0)
    };
    let infos = found.into_iter().filter_map(|(columns, blocks)| {
        Some(BloomInfo {
            attnums: columns.iter().map(attnum).collect::<Option<_>>()?,
            columns,
            blocks: u32::try_from(blocks).ok().filter(|b| *b > 0)?,
        })
    });
    infos.collect()
}

/// `len` bytes of a filter from `start` on, counted from 0; `None` when there is no such filter.
pub fn bits(file: &str, columns: &[String], start: u32, len: u32) -> Result<Option<Vec<u8>>> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let args = [
        file.into(),
        columns.to_vec().into(),
        number(start.saturating_add(1)).into(),
        number(len).into(),
    ];
    let found = as_extension_owner(|| spi::read_kept(BITS, &args, |row| row.need(1)))?;
    Ok(found.into_iter().next())
}

/// Takes the filters of a file away that does not become live.
pub fn remove(file: &str) -> Result<()> {
    as_extension_owner(|| spi::execute(REMOVE, &[file.into()])).map(|_| ())
}

/// Keeps the filters of a file that is about to become live.
pub fn add(file: &str, built: &Built) -> Result<()> {
    as_extension_owner(|| {
        for filter in &built.blooms {
            let names = filter.columns.iter();
            let names: Vec<String> = names.map(|c| built.layout.columns[*c].clone()).collect();
            let args = [
                file.into(),
                names.into(),
                i32::try_from(filter.blocks).unwrap_or(0).into(),
                filter.bits.clone().into(),
            ];
            spi::execute(ADD, &args)?;
        }
        Ok(())
    })
}
