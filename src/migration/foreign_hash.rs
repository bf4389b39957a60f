//! Checksums that other tools keep of their files, and whether a registered text still has them.
//!
//! Each tool hashes the bytes of its file, while our text may have come through a loader that lost the final newline
//! (psql drops one), a byte order mark or the line ends. So a stored checksum is tried on the text as it is, with LF
//! and with CRLF line ends, each as it is, without its final newline and with one more, and with the mark dropped or
//! put back. A match is a match: none of this can make a wrong text look right.

use super::foreign::Width;
use super::sha1::sha1_hex;
use super::siphash::siphash_1_3;
use super::version::Version;
use sha2::{Digest, Sha256, Sha384};
use std::borrow::Cow;
use std::fmt::Write;

const BOM: char = '\u{feff}';

/// A checksum as a foreign table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// SipHash-1-3 over name, version and text
    Refinery(u64),
    /// SHA-384 of the file
    Sqlx(Vec<u8>),
    /// CRC32 of the lines; a repeatable's text had its placeholders filled before
    Flyway { crc: i32, repeatable: bool },
    /// SHA-256, hexadecimal
    Prisma(String),
    /// SHA-1 of the deploy script, hexadecimal
    Sqitch(String),
    /// `sha1:` and SHA-1 over the previous such hash and the body
    Graphile {
        hash: String,
        previous: Option<String>,
    },
}

/// What `migrate_adopt` says of a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    Differs,
    /// there is no checksum, or it cannot be computed from the text alone
    None,
}

impl Verdict {
    /// The word that users see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Differs => "differs",
            Verdict::None => "none",
        }
    }
}

impl Checksum {
    /// Compares with a registered file: its version, the title in its name, its up text as registered.
    #[must_use]
    pub fn verify(&self, version: Option<&Version>, title: &str, text: &str) -> Verdict {
        let same = match self {
            Checksum::Refinery(sum) => {
                let Some(number) = version.and_then(Version::as_bigint) else {
                    return Verdict::Differs;
                };
                // which of the two refinery was built with cannot be seen from the number
                let widths = [Width::Int4, Width::Int8];
                any_form(text, |form| {
                    widths
                        .iter()
                        .any(|width| refinery(number, *width, title, form) == Some(*sum))
                })
            }
            Checksum::Sqlx(sum) => any_form(text, |form| sqlx(form).as_slice() == sum),
            Checksum::Flyway { crc, repeatable } => {
                let same = flyway(text) == *crc;
                if !same && *repeatable && text.contains("${") {
                    return Verdict::None;
                }
                same
            }
            Checksum::Prisma(sum) => any_form(text, |form| is_prisma(form, sum)),
            Checksum::Sqitch(sum) => any_form(text, |form| {
                sha1_hex(form.as_bytes()).eq_ignore_ascii_case(sum)
            }),
            Checksum::Graphile { hash, previous } => {
                let same = any_form(text, |form| graphile(form, previous.as_deref()) == *hash);
                if !same && allows_any_hash(text) {
                    return Verdict::None;
                }
                same
            }
        };
        if same { Verdict::Ok } else { Verdict::Differs }
    }
}

/// Whether the text in one of the forms it may have had as a file satisfies `same`.
fn any_form(text: &str, same: impl Fn(&str) -> bool) -> bool {
    let unmarked = text.strip_prefix(BOM).unwrap_or(text);
    let shorter = unmarked
        .strip_suffix("\r\n")
        .or_else(|| unmarked.strip_suffix('\n'));
    let longer = format!("{unmarked}\n");
    let tails = [Some(unmarked), shorter, Some(longer.as_str())];
    for tail in tails.into_iter().flatten() {
        let lf: Cow<str> = if tail.contains('\r') {
            Cow::Owned(tail.replace("\r\n", "\n"))
        } else {
            Cow::Borrowed(tail)
        };
        let crlf = lf.replace('\n', "\r\n");
        for form in [tail, &lf, &crlf] {
            if same(form) || same(&format!("{BOM}{form}")) {
                return true;
            }
        }
    }
    false
}

/// The checksum of refinery: SipHash-1-3 over the bytes of the name, 0xff, the version in little endian, the text,
/// 0xff. Source: refinery_core/src/runner.rs, `Migration::unapplied` (Rust hashes a string with 0xff behind it).
/// `None`: the version does not fit the width.
#[must_use]
pub fn refinery(version: i64, width: Width, name: &str, text: &str) -> Option<u64> {
    let mut bytes = Vec::with_capacity(name.len() + text.len() + 10);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0xff);
    match width {
        Width::Int4 => bytes.extend_from_slice(&i32::try_from(version).ok()?.to_le_bytes()),
        Width::Int8 => bytes.extend_from_slice(&version.to_le_bytes()),
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0xff);
    Some(siphash_1_3(&bytes))
}

/// The checksum of sqlx: SHA-384 of the file. Source: sqlx-core/src/migrate/migration.rs. Not covered: `ignored-chars`
/// of its configuration.
#[must_use]
pub fn sqlx(text: &str) -> Vec<u8> {
    Sha384::digest(text.as_bytes()).as_slice().to_vec()
}

/// The checksum of Flyway: CRC32 over the lines without their ends, a byte order mark dropped, as a signed number.
/// Java ends a line at LF, CR or both, so no byte of either counts. Source: ChecksumCalculator.java.
#[must_use]
pub fn flyway(text: &str) -> i32 {
    let mut crc = crc32fast::Hasher::new();
    let unmarked = text.strip_prefix(BOM).unwrap_or(text);
    for line in unmarked.split(['\r', '\n']) {
        crc.update(line.as_bytes());
    }
    crc.finalize().cast_signed()
}

/// The checksum of Prisma: SHA-256, hexadecimal. Source: schema-connector/src/checksum.rs.
#[must_use]
pub fn prisma(text: &str) -> String {
    hex(Sha256::digest(text.as_bytes()).as_slice())
}

/// Until 2021 Prisma wrote each byte without its leading zero (prisma-engines#1887); such sums are shorter.
fn is_prisma(text: &str, sum: &str) -> bool {
    if sum.len() == 64 {
        return prisma(text) == sum;
    }
    let mut short = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()).as_slice() {
        let _ = write!(short, "{byte:x}");
    }
    short == sum
}

/// The hash of graphile-migrate for a committed file, whose header lines (`--! Previous: ...`) do not count. Sources:
/// src/hash.ts, and `parseMigrationText` in src/migration.ts.
#[must_use]
pub fn graphile(text: &str, previous: Option<&str>) -> String {
    let mut body = text;
    while let Some((line, rest)) = body.split_once('\n') {
        if header_name(line).is_none() {
            break;
        }
        body = rest;
    }
    let joined = format!("{}\n{}", previous.unwrap_or(""), trim(body));
    format!(
        "sha1:{}",
        sha1_hex(format!("{}\n", trim(&joined)).as_bytes())
    )
}

/// The name in a header line of graphile-migrate: `--! Name` or `--! Name: value`.
fn header_name(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--! ")?;
    let name = rest.split_once(':').map_or(rest, |(name, _)| name);
    let word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (word && name.starts_with(|c: char| c.is_ascii_uppercase()) && !line.contains('\r'))
        .then_some(name)
}

fn allows_any_hash(text: &str) -> bool {
    text.lines()
        .map_while(header_name)
        .any(|name| name == "AllowInvalidHash")
}

/// What JavaScript's `trim` cuts: as in Rust, but the byte order mark is a blank and the control character NEL is not.
fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c == BOM || (c.is_whitespace() && c != '\u{85}'))
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // writing to a String does not fail
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The bytes of hexadecimal digits; `None` for anything else.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
#[path = "foreign_hash_tests.rs"]
mod tests;
