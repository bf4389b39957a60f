//! How the rows of each tool are read.

use super::foreign::{Tool, list_order};
use super::foreign_flyway;
use super::foreign_hash::{Checksum, unhex};
use super::foreign_rows::{Cells, ForeignState, ForeignVersion, Imported, Row, UpTo};
use super::foreign_sql::select;
use super::golang_row;
use crate::error::{Error, Kind, Result};
use std::cmp::Ordering;

/// Reads the rows that the SELECT of the tool gave, in its order. Errors: 0A000 for a tool that is only detected;
/// 55000 for rows that the tool would not have written.
pub fn applied(tool: Tool, rows: &[Row]) -> Result<Imported> {
    let columns = select(tool)?.columns;
    let cells: Vec<Cells> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| Cells {
            tool,
            columns: &columns,
            row,
            number: at + 1,
        })
        .collect();
    match tool {
        Tool::GolangMigrate => golang_row::read(&cells),
        Tool::Tern => tern(&cells),
        Tool::Goose => goose(&cells),
        Tool::Flyway => foreign_flyway::replay(&cells),
        Tool::Prisma => prisma(&cells),
        Tool::GraphileMigrate => graphile(&cells),
        Tool::Sqitch | Tool::Django | Tool::Alembic => names(tool, &cells),
        _ => each_version(tool, &cells),
    }
}

/// Refuses more than one row in a table that keeps a head.
pub(super) fn only_row<'a, 'b>(
    tool: Tool,
    cells: &'a [Cells<'b>],
) -> Result<Option<&'a Cells<'b>>> {
    match cells {
        [] => Ok(None),
        [row] => Ok(Some(row)),
        more => Err(Error::new(
            Kind::NotInState,
            format!(
                "the table of \"{}\" holds {} rows, it should hold one",
                tool.as_str(),
                more.len()
            ),
        )),
    }
}

/// One row with the head; 0 is nothing.
fn tern(cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(Tool::Tern, cells.len());
    let Some(row) = only_row(read.tool, cells)? else {
        return Ok(read);
    };
    let number: u32 = row.number("version")?;
    if number > 0 {
        read.head = Some(number.to_string());
        read.up_to = Some(UpTo {
            version: number.to_string(),
            state: ForeignState::Applied,
        });
    }
    Ok(read)
}

/// One row for each version, with what else the tool keeps.
fn each_version(tool: Tool, cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(tool, cells.len());
    for row in cells {
        let mut listed = row.listed(Some(row.need("version")?.to_owned()), row.owned("name"));
        match tool {
            // people who insert rows by hand leave it out
            Tool::Refinery if row.text("checksum").is_some() => {
                listed.checksum = Some(Checksum::Refinery(row.number("checksum")?));
            }
            Tool::Sqlx => {
                let sum = row.need("checksum")?;
                let bytes = unhex(sum)
                    .ok_or_else(|| row.unreadable(format!("has \"{sum}\" for checksum")))?;
                listed.checksum = Some(Checksum::Sqlx(bytes));
                if !row.flag("success")? {
                    listed.state = ForeignState::Failed;
                }
            }
            _ => {}
        }
        read.applied.push(listed);
    }
    // the moment of refinery may be of any zone and any number of digits
    let timed = !matches!(tool, Tool::Refinery);
    read.applied.sort_by(|a, b| {
        let version = |row: &ForeignVersion| row.version.clone().unwrap_or_default();
        let moments = a.applied_at.cmp(&b.applied_at);
        let first = if timed { moments } else { Ordering::Equal };
        first.then_with(|| list_order(&version(a), &version(b)))
    });
    read.set_head();
    read.set_dirty();
    Ok(read)
}

/// Rows by id; for each version the last one says whether it is applied. goose before 2018 wrote a row on the way
/// down as well, later ones delete. Version 0 only marks that the table exists.
fn goose(cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(Tool::Goose, cells.len());
    for row in cells {
        let version: i64 = row.number("version")?;
        let listed = row.listed(Some(version.to_string()), None);
        read.applied.retain(|seen| seen.version != listed.version);
        if row.flag("applied")? && version != 0 {
            read.applied.push(listed);
        }
    }
    read.set_head();
    Ok(read)
}

/// A try that was rolled back does not count; one that is neither finished nor rolled back is a failed one.
fn prisma(cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(Tool::Prisma, cells.len());
    for row in cells {
        if row.text("rolled_back").is_some() {
            continue;
        }
        let name = row.need("name")?;
        let (version, title) = match name.split_once('_') {
            Some((digits, title))
                if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
            {
                (Some(digits.to_owned()), title)
            }
            _ => (None, name),
        };
        let mut listed = row.listed(version, Some(title.to_owned()));
        listed.checksum = row.owned("checksum").map(Checksum::Prisma);
        if row.text("at").is_none() {
            listed.state = ForeignState::Failed;
        }
        read.applied.push(listed);
    }
    read.set_head();
    read.set_dirty();
    Ok(read)
}

/// By file name; each row names the hash of the one before it.
fn graphile(cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(Tool::GraphileMigrate, cells.len());
    let mut previous: Option<&str> = None;
    for row in cells {
        let file = row.need("filename")?;
        let version = file.strip_suffix(".sql").unwrap_or(file);
        if row.text("previous") != previous && read.note.is_none() {
            read.note = Some(format!("The chain of hashes is broken at {file}."));
        }
        let hash = row.need("checksum")?;
        let mut listed = row.listed(Some(version.to_owned()), None);
        listed.checksum = Some(Checksum::Graphile {
            hash: hash.to_owned(),
            previous: row.owned("previous"),
        });
        read.applied.push(listed);
        previous = Some(hash);
    }
    read.set_head();
    Ok(read)
}

/// Names without numbers.
fn names(tool: Tool, cells: &[Cells]) -> Result<Imported> {
    let mut read = Imported::empty(tool, cells.len());
    for row in cells {
        let mut listed = row.listed(None, Some(row.need("name")?.to_owned()));
        listed.group = row.owned("project").or_else(|| row.owned("app"));
        // a registry that was upgraded and not used since has the id of the change in place of its hash
        if let Some(sum) = row
            .text("checksum")
            .filter(|sum| row.text("id") != Some(sum))
        {
            listed.checksum = Some(Checksum::Sqitch(sum.to_owned()));
        }
        read.applied.push(listed);
    }
    let groups = |read: &Imported| {
        let mut groups: Vec<_> = read.applied.iter().map(|row| row.group.clone()).collect();
        groups.sort();
        groups.dedup();
        groups.len()
    };
    match tool {
        Tool::Alembic => {
            if let [only] = read.applied.as_slice() {
                read.head.clone_from(&only.name);
            }
            read.note = Some("Alembic keeps its heads only, not what came before them.".to_owned());
        }
        Tool::Sqitch if groups(&read) > 1 => {
            read.note = Some(format!("Changes of {} projects.", groups(&read)));
        }
        Tool::Sqitch => read.head = read.applied.last().and_then(|row| row.name.clone()),
        _ => {}
    }
    Ok(read)
}

#[cfg(test)]
#[path = "foreign_read_tests.rs"]
mod tests;
