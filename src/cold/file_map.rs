//! Where things lie in a finished file, read off its pages: head, checksums, run maps.
//!
//! Follows the file format of SQLite (sqlite.org/fileformat2.html, "B-tree Pages"). Only inner
//! pages are looked into; what is not as expected is left out, since all of this only saves
//! requests, except for the checksums, which are of bytes and do not depend on the format.

use super::facts::HeadPages;
use super::file_check::failed;
use super::file_schema::Layout;
use super::mapping::quote_name;
use super::runs::RunMap;
use super::sums::PageSums;
use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags, params};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Largest head kept in the catalog.
const HEAD_MAX: u64 = 256 * 1024;

/// Bytes of table pages that one entry of a run map stands for: little beside what a range of a
/// hundredth of a large file needs.
const RUN: u64 = 1 << 18;

const INNER_INDEX: u8 = 2;
const INNER_TABLE: u8 = 5;

/// Bytes of the header of an inner page, and of the file before page 1's.
const INNER_HEADER: usize = 12;
const FILE_HEADER: usize = 100;

/// What the catalog is told about the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileMap {
    pub head: HeadPages,
    pub sums: PageSums,
    /// run maps by the name of the column inside the file
    pub runs: Vec<(String, RunMap)>,
}

/// Reads a finished file. `ascending`: names of the columns whose values ascend with the rowid.
///
/// # Errors
/// 58030 when it cannot be read, 40001 when `stop` says so.
pub fn of(
    path: &Path,
    layout: &Layout,
    ascending: &[String],
    stop: fn() -> bool,
) -> Result<FileMap> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|e| failed(&e))?;
    let page_size: u32 = db
        .query_row("PRAGMA page_size", [], |r| r.get(0))
        .map_err(|e| failed(&e))?;
    let pages = Pages {
        file: File::open(path).map_err(|e| io(&e))?,
        size: u64::from(page_size),
    };
    let roots = roots(&db, &layout.raw_table)?;
    let head = head(&pages, &roots)?;
    let runs = match roots.first() {
        Some(table) if !ascending.is_empty() => runs(&db, &pages, table.page, layout, ascending)?,
        _ => Vec::new(),
    };
    Ok(FileMap {
        head,
        sums: sums(&pages, stop)?,
        runs,
    })
}

struct Root {
    page: u32,
    /// of the planner's statistics, which SQLite reads when it opens a file
    statistics: bool,
}

/// Root pages: of the table with the rows, of its indexes, of the statistics.
fn roots(db: &Connection, raw_table: &str) -> Result<Vec<Root>> {
    let sql = "SELECT rootpage, name = 'sqlite_stat1' FROM sqlite_master WHERE rootpage > 0 \
        AND (tbl_name = ?1 OR name = 'sqlite_stat1') \
        ORDER BY name = 'sqlite_stat1', type = 'index', rootpage";
    let mut find = db.prepare(sql).map_err(|e| failed(&e))?;
    let found = find.query_map([raw_table], |r| {
        Ok(Root {
            page: r.get(0)?,
            statistics: r.get(1)?,
        })
    });
    let found: rusqlite::Result<Vec<Root>> = found.map_err(|e| failed(&e))?.collect();
    found.map_err(|e| failed(&e))
}

/// Random access to pages, numbered from 1.
struct Pages {
    file: File,
    size: u64,
}

impl Pages {
    fn offset(&self, page: u32) -> u64 {
        u64::from(page.max(1) - 1) * self.size
    }

    fn read(&self, page: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(self.size).unwrap_or(0)];
        self.file
            .read_exact_at(&mut bytes, self.offset(page))
            .map_err(|e| io(&e))?;
        Ok(bytes)
    }

    fn is_inner(&self, page: u32) -> Result<bool> {
        let mut kind = [0];
        let at = if page == 1 { FILE_HEADER as u64 } else { 0 };
        self.file
            .read_exact_at(&mut kind, self.offset(page) + at)
            .map_err(|e| io(&e))?;
        Ok(matches!(kind[0], INNER_INDEX | INNER_TABLE))
    }
}

/// An inner page: its children in order, each with the largest key below it (tables; the last
/// child has none).
fn children(page: u32, bytes: &[u8]) -> Vec<(u32, Option<i64>)> {
    let start = if page == 1 { FILE_HEADER } else { 0 };
    let number = |at: usize, len: usize| {
        let bytes = bytes.get(at..at + len)?;
        Some(bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)))
    };
    let Some(kind) = bytes.get(start).copied() else {
        return Vec::new();
    };
    if !matches!(kind, INNER_INDEX | INNER_TABLE) {
        return Vec::new();
    }
    let cells = number(start + 3, 2).unwrap_or(0) as usize;
    let mut found = Vec::with_capacity(cells + 1);
    for n in 0..cells {
        let at = number(start + INNER_HEADER + 2 * n, 2).unwrap_or(0) as usize;
        let key = match kind {
            INNER_TABLE => varint(bytes.get(at + 4..).unwrap_or_default()),
            _ => None,
        };
        found.extend(number(at, 4).map(|child| (child, key)));
    }
    found.extend(number(start + 8, 4).map(|child| (child, None)));
    found
}

/// One to nine bytes, seven bits each, eight in the last.
fn varint(bytes: &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for (n, byte) in bytes.iter().take(9).enumerate() {
        if n == 8 {
            return Some((value << 8 | u64::from(*byte)).cast_signed());
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(value.cast_signed());
        }
    }
    None
}

/// Inner pages of a b-tree, level by level; below the last level, all its leaves.
struct Tree {
    inner: Vec<u32>,
    /// leaves with the largest key that each may hold; only if asked for
    leaves: Vec<(u32, Option<i64>)>,
}

fn tree(pages: &Pages, root: u32, with_leaves: bool) -> Result<Tree> {
    let mut tree = Tree {
        inner: Vec::new(),
        leaves: Vec::new(),
    };
    let mut level = vec![(root, None)];
    // all leaves are at the same depth: one page tells about its level. 20 levels hold anything
    for _ in 0..20 {
        let Some((first, _)) = level.first() else {
            break;
        };
        if !pages.is_inner(*first)? {
            if with_leaves {
                tree.leaves = level;
            }
            break;
        }
        let mut next = Vec::new();
        for (page, upper) in level {
            tree.inner.push(page);
            let mut below = children(page, &pages.read(page)?);
            // the last child is bounded by what bounds its parent
            if let Some(last) = below.last_mut() {
                last.1 = upper;
            }
            next.append(&mut below);
        }
        level = next;
    }
    Ok(tree)
}

/// Schema and statistics whole, then root pages, then further inner pages while there is room.
fn head(pages: &Pages, roots: &[Root]) -> Result<HeadPages> {
    let mut wanted = Vec::new();
    let mut deeper = Vec::new();
    let schema = tree(pages, 1, true)?;
    wanted.extend(schema.inner);
    wanted.extend(schema.leaves.iter().map(|(page, _)| *page));
    for root in roots {
        let found = tree(pages, root.page, root.statistics)?;
        wanted.extend(found.leaves.iter().map(|(page, _)| *page));
        let mut inner = found.inner.into_iter();
        wanted.extend(inner.next());
        deeper.extend(inner);
    }
    wanted.extend(deeper);
    let room = usize::try_from(HEAD_MAX / pages.size).unwrap_or(0);
    wanted.truncate(room);
    wanted.sort_unstable();
    wanted.dedup();
    let mut bytes = Vec::new();
    for page in &wanted {
        bytes.extend(pages.read(*page)?);
    }
    let numbers = wanted.into_iter().map(u64::from).collect();
    Ok(HeadPages::new(pages.size, numbers, bytes))
}

/// One checksum a page.
fn sums(pages: &Pages, stop: fn() -> bool) -> Result<PageSums> {
    let total = pages.file.metadata().map_err(|e| io(&e))?.len();
    let mut sums = Vec::new();
    let mut page = vec![0; usize::try_from(pages.size).unwrap_or(0)];
    for start in (0..total).step_by(page.len().max(1)) {
        if start % RUN == 0 && stop() {
            return Err(Error::new(
                Kind::Retry,
                "writing the cold file was interrupted",
            ));
        }
        pages
            .file
            .read_exact_at(&mut page, start)
            .map_err(|e| io(&e))?;
        sums.push(crc32fast::hash(&page));
    }
    PageSums::new(pages.size, sums)
        .ok_or_else(|| Error::internal(format!("page size {} of a cold file", pages.size)))
}

/// Run maps of the columns that ascend with the rowid.
fn runs(
    db: &Connection,
    pages: &Pages,
    root: u32,
    layout: &Layout,
    ascending: &[String],
) -> Result<Vec<(String, RunMap)>> {
    let leaves = tree(pages, root, true)?.leaves;
    let Some((last_leaf, _)) = leaves.last() else {
        return Ok(Vec::new());
    };
    let end = pages.offset(*last_leaf) + pages.size;
    let (mut rowids, mut offsets): (Vec<i64>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut first = Some(1);
    for (page, last_rowid) in &leaves {
        let offset = pages.offset(*page);
        let Some(rowid) = first else { break };
        if offsets.last().is_none_or(|start| offset >= start + RUN) {
            rowids.push(rowid);
            offsets.push(offset);
        }
        first = last_rowid.and_then(|key: i64| key.checked_add(1));
    }
    let (table, rowid) = (quote_name(&layout.raw_table), &layout.rowid);
    let mut found = Vec::new();
    for column in ascending {
        let name = quote_name(column);
        let sql = format!(
            "SELECT {name}, {rowid} FROM {table} WHERE {rowid} >= ?1 ORDER BY {rowid} LIMIT 1"
        );
        let mut one = db.prepare(&sql).map_err(|e| failed(&e))?;
        let keys: rusqlite::Result<Vec<i64>> = rowids
            .iter()
            .map(|rowid| one.query_row(params![rowid], |r| r.get(0)))
            .collect();
        let sql = format!("SELECT {name}, {rowid} FROM {table} ORDER BY {rowid} DESC LIMIT 1");
        let last = db.query_row(&sql, [], |r| Ok((r.get::<_, i64>(0)?, r.get::<_, i64>(1)?)));
        let (last_key, last_rowid) = match last {
            Err(rusqlite::Error::QueryReturnedNoRows) => continue,
            other => other.map_err(|e| failed(&e))?,
        };
        let keys = keys.map_err(|e| failed(&e))?;
        let map = RunMap::new(
            keys,
            rowids.clone(),
            offsets.clone(),
            last_rowid,
            last_key,
            end,
        );
        found.extend(map.map(|map| (column.clone(), map)));
    }
    Ok(found)
}

fn io(e: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot read the cold file: {e}"))
}

#[cfg(test)]
#[path = "file_map_tests.rs"]
mod tests;
