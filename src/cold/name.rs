//! Names of objects in a store: readable, sortable by time, and never the same twice.
//!
//! `<prefix>/<database>-<tag>/<schema>.<hypertable>/<YYYY>/`
//! `<hypertable>__<start>__<end>__h<id>[-s<space>]-g<generation>-<8 hex of a new uuid>.sqlite`
//! The tag tells clusters, databases and forks apart; the uuid tells attempts apart. So two
//! writers cannot collide even on a store that ignores If-None-Match.

use sha2::{Digest, Sha256};

/// Longest slug before it is cut and gets a hash. A name of PostgreSQL has at most 63 bytes, so
/// only names with escaped bytes are cut, and a cut slug is longer than every whole one.
const SLUG_CHARS: usize = 63;

/// What a name is made of. Names are the true ones; ranges as in `ChunkInfo`
/// (20250101T000000Z or a whole number).
#[derive(Debug, Clone, Copy)]
pub struct ObjectName<'a> {
    /// folder inside the store, empty for none
    pub prefix: &'a str,
    pub database: &'a str,
    /// see [`tag`]
    pub tag: &'a str,
    pub schema: &'a str,
    pub hypertable: &'a str,
    pub range_start: &'a str,
    pub range_end: &'a str,
    pub hypertable_id: i32,
    /// number of the slice in a second dimension
    pub space: Option<u32>,
    pub generation: i32,
    /// a new uuid of each attempt; its first 8 hex digits are used
    pub attempt: [u8; 16],
}

/// 8 hex digits that tell this database from all others, also after a restore or a fork that got
/// a new install id.
#[must_use]
pub fn tag(system_identifier: u64, database_oid: u32, install: &[u8; 16]) -> String {
    let mut bytes = Vec::with_capacity(28);
    bytes.extend_from_slice(&system_identifier.to_be_bytes());
    bytes.extend_from_slice(&database_oid.to_be_bytes());
    bytes.extend_from_slice(install);
    hash8(&bytes)
}

/// The whole key of an object.
#[must_use]
pub fn object_key(name: &ObjectName<'_>) -> String {
    let prefix = name.prefix.trim_matches('/');
    let slash = if prefix.is_empty() { "" } else { "/" };
    format!(
        "{prefix}{slash}{}-{}/{}.{}/{}/{}",
        slug(name.database),
        name.tag,
        slug(name.schema),
        slug(name.hypertable),
        year_folder(name.range_start),
        file_name(name),
    )
}

/// The last part of the key: what a downloaded file is called.
#[must_use]
pub fn file_name(name: &ObjectName<'_>) -> String {
    let space = name.space.map_or(String::new(), |s| format!("-s{s}"));
    format!(
        "{}__{}__{}__h{}{space}-g{}-{}.sqlite",
        slug(name.hypertable),
        range_part(name.range_start),
        range_part(name.range_end),
        name.hypertable_id,
        name.generation,
        hex(&name.attempt[..4]),
    )
}

/// A name in `[a-z0-9_-]`; every other byte, capitals too, as `~hh`. Different names have
/// different slugs; beyond 63 characters up to a hash of 32 bits.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut cut = 0;
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => out.push(char::from(byte)),
            _ => {
                out.push('~');
                out.push_str(&hex(&[byte]));
            }
        }
        if out.len() <= SLUG_CHARS {
            cut = out.len();
        }
    }
    if out.len() > SLUG_CHARS {
        // never in the middle of ~hh; filled up so that no whole slug is as long
        out.truncate(cut);
        while out.len() < SLUG_CHARS {
            out.push('-');
        }
        out.push('-');
        out.push_str(&hash8(name.as_bytes()));
    }
    out
}

/// A bound as part of a file name: times as they are, whole numbers with 19 digits so that names
/// sort like numbers (negative ones stand before, in reverse).
fn range_part(bound: &str) -> String {
    if let Ok(number) = bound.parse::<i64>() {
        let sign = if number < 0 { "-" } else { "" };
        return format!("{sign}{:019}", number.unsigned_abs());
    }
    if is_time(bound) {
        bound.to_owned()
    } else {
        slug(bound)
    }
}

/// Compact times consist of digits, sign, T, Z and a point before a fraction.
fn is_time(bound: &str) -> bool {
    bound.contains('T')
        && bound
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'Z' | b'-' | b'.'))
}

/// Folder per year; whole numbers have one folder, `int`.
fn year_folder(start: &str) -> String {
    if start.parse::<i64>().is_ok() {
        return "int".to_owned();
    }
    let date = start.split('T').next().unwrap_or_default();
    match date.len().checked_sub(4) {
        Some(n) if n > 0 && is_time(start) && date.is_char_boundary(n) => date[..n].to_owned(),
        _ => slug(date),
    }
}

fn hash8(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..4])
}

/// Lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // writing to a String cannot fail
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
#[path = "name_tests.rs"]
mod tests;
