//! What the catalog knows about the bytes of a file: head, checksums, run maps.

use crate::cold::facts::{FileFacts, HeadPages};
use crate::cold::file_map::FileMap;
use crate::cold::runs::RunMap;
use crate::cold::sums::PageSums;
use crate::error::{Error, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use std::collections::HashMap;

const SUMS: &str = "SELECT page_size, crc32 FROM strata.cold_sum WHERE file = $1::uuid";
const HEAD: &str = "SELECT page_size, pages, bytes FROM strata.cold_head WHERE file = $1::uuid";
const RUNS: &str = "SELECT physical, keys, rowids, offsets, last_rowid, last_key, end_offset \
    FROM strata.cold_run WHERE file = $1::uuid";

const ADD_SUMS: &str =
    "INSERT INTO strata.cold_sum (file, page_size, crc32) VALUES ($1::uuid, $2, $3)";
const ADD_HEAD: &str =
    "INSERT INTO strata.cold_head (file, page_size, pages, bytes) VALUES ($1::uuid, $2, $3, $4)";
const ADD_RUNS: &str = "INSERT INTO strata.cold_run \
    (file, physical, keys, rowids, offsets, last_rowid, last_key, end_offset) \
    VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8)";

/// What helps to read a file; the head only where each read costs a request.
pub fn facts(file: &str, with_head: bool) -> Result<FileFacts> {
    as_extension_owner(|| {
        let sums = spi::read_kept(SUMS, &[file.into()], |row| {
            let page_size: i32 = row.need(1)?;
            let bytes: Vec<u8> = row.need(2)?;
            PageSums::from_bytes(u64::try_from(page_size).unwrap_or(0), &bytes)
                .ok_or_else(|| Error::internal("strata.cold_sum holds no checksums"))
        })?;
        let head = if with_head { head(file)? } else { None };
        Ok(FileFacts {
            head: head.unwrap_or_default(),
            sums: sums.into_iter().next(),
        })
    })
}

fn head(file: &str) -> Result<Option<HeadPages>> {
    let found = spi::read_kept(HEAD, &[file.into()], |row| {
        let page_size: i32 = row.need(1)?;
        let pages: Vec<i64> = row.need(2)?;
        Ok(HeadPages::new(
            u64::try_from(page_size).unwrap_or(0),
            unsigned(&pages),
            row.need(3)?,
        ))
    })?;
    Ok(found.into_iter().next())
}

/// The run maps of a file, by the names of the columns inside it.
pub fn runs(file: &str) -> Result<HashMap<String, RunMap>> {
    as_extension_owner(|| {
        let found = spi::read_kept(RUNS, &[file.into()], |row| {
            let offsets: Vec<i64> = row.need(4)?;
            let map = RunMap::new(
                row.need(2)?,
                row.need(3)?,
                unsigned(&offsets),
                row.need(5)?,
                row.need(6)?,
                u64::try_from(row.need::<i64>(7)?).unwrap_or(0),
            );
            let name: String = row.need(1)?;
            Ok(map.map(|map| (name, map)))
        })?;
        Ok(found.into_iter().flatten().collect())
    })
}

/// Keeps all of it for a new file; as the extension's owner.
pub(super) fn add(file: &str, map: &FileMap) -> Result<()> {
    let page_size = |size: u64| i32::try_from(size).unwrap_or(0);
    spi::execute(
        ADD_SUMS,
        &[
            file.into(),
            page_size(map.sums.page_size()).into(),
            map.sums.to_bytes().into(),
        ],
    )?;
    let (size, pages, bytes) = map.head.parts();
    if !pages.is_empty() {
        spi::execute(
            ADD_HEAD,
            &[
                file.into(),
                page_size(size).into(),
                signed(pages).into(),
                bytes.to_vec().into(),
            ],
        )?;
    }
    for (physical, runs) in &map.runs {
        let (keys, rowids, offsets, (last_rowid, last_key, end)) = runs.parts();
        spi::execute(
            ADD_RUNS,
            &[
                file.into(),
                physical.as_str().into(),
                keys.to_vec().into(),
                rowids.to_vec().into(),
                signed(offsets).into(),
                last_rowid.into(),
                last_key.into(),
                end.cast_signed().into(),
            ],
        )?;
    }
    Ok(())
}

fn unsigned(numbers: &[i64]) -> Vec<u64> {
    // a negative one cannot pass for an offset or a page: it becomes one beyond every file
    numbers.iter().map(|n| n.cast_unsigned()).collect()
}

fn signed(numbers: &[u64]) -> Vec<i64> {
    numbers.iter().map(|n| n.cast_signed()).collect()
}
