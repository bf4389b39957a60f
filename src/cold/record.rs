//! Records of SQLite files: the values of an entry (sqlite.org/fileformat2.html, 2.1).

use super::cell::CellRef;

/// A stored value: its type, and where it begins in the record.
pub(super) type Field = (u64, usize);

/// How much of a record lies in the page of its entry (sqlite.org/fileformat2.html, 1.6).
pub(super) fn local_size(size: usize, usable: usize, is_index: bool) -> usize {
    let least = (usable - 12) * 32 / 255 - 23;
    let most = if is_index {
        (usable - 12) * 64 / 255 - 23
    } else {
        usable - 35
    };
    if size <= most {
        return size;
    }
    let rest = least + (size - least) % (usable - 4);
    if rest <= most { rest } else { least }
}

/// Finds the first fields of a record, as many as `out` has room for; where the last of them ends. None:
/// their list does not end within these bytes, or holds what is no type.
#[inline]
pub(super) fn fields(record: &[u8], out: &mut [Field]) -> Option<usize> {
    let header = usize::from(*record.first()?);
    let types = record.get(1..header);
    let mut body = header;
    let mut found = 0;
    // nearly always all of these are numbers of one byte
    for (field, kind) in out.iter_mut().zip(types.unwrap_or(&[])) {
        let width = WIDTHS[usize::from(*kind)];
        if width == MANY {
            break;
        }
        *field = (u64::from(*kind), body);
        body += usize::from(width);
        found += 1;
    }
    if types.is_none() || header >= 0x80 || (found < out.len() && found < header - 1) {
        return long_fields(record, out);
    }
    // a record may have fewer: the others are NULL
    out[found..].fill((0, body));
    Some(body)
}

/// [`fields`] of a record with types of several bytes.
fn long_fields(record: &[u8], out: &mut [Field]) -> Option<usize> {
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok()?;
    let types = record.get(..header)?;
    let mut body = header;
    for field in out {
        let mut kind = 0;
        if at < header {
            (kind, at) = varint(types, at)?;
        }
        *field = (kind, body);
        body = body.checked_add(width(kind)?)?;
    }
    Some(body)
}

/// In [`WIDTHS`]: a type of several bytes, or none.
const MANY: u8 = u8::MAX;

/// Bytes of the values of the types of one byte.
static WIDTHS: [u8; 256] = {
    let mut widths = [MANY; 256];
    let mut kind = 0;
    while kind < 0x80 {
        widths[kind] = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind as u8,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => MANY,
            _ => ((kind - 12) / 2) as u8,
        };
        kind += 1;
    }
    widths
};

/// Bytes of a value of this type. None: no such type.
fn width(kind: u64) -> Option<usize> {
    match kind {
        0..0x80 => Some(WIDTHS[kind as usize])
            .filter(|width| *width != MANY)
            .map(usize::from),
        _ => usize::try_from((kind - 12) / 2).ok(),
    }
}

#[inline]
pub(super) fn decode(kind: u64, bytes: &[u8]) -> CellRef<'_> {
    #[inline]
    fn int<const N: usize>(bytes: &[u8]) -> CellRef<'_> {
        let Some(bytes) = bytes.first_chunk::<N>() else {
            return CellRef::Null;
        };
        let mut all = [0; 8];
        all[..N].copy_from_slice(bytes);
        // the sign fills what lies before
        CellRef::Int(i64::from_be_bytes(all) >> (64 - 8 * N))
    }
    match kind {
        1 => int::<1>(bytes),
        2 => int::<2>(bytes),
        3 => int::<3>(bytes),
        4 => int::<4>(bytes),
        5 => int::<6>(bytes),
        6 => int::<8>(bytes),
        7 => {
            let number = bytes.first_chunk().map(|b| f64::from_be_bytes(*b));
            // what is no number is NULL in SQLite
            let number = number.filter(|number| !number.is_nan());
            number.map_or(CellRef::Null, CellRef::Real)
        }
        8 => CellRef::Int(0),
        9 => CellRef::Int(1),
        0 | 10 | 11 => CellRef::Null,
        _ => {
            let n = width(kind).unwrap_or(0);
            let bytes = bytes.get(..n).unwrap_or(&[]);
            if kind.is_multiple_of(2) {
                CellRef::Blob(bytes)
            } else {
                CellRef::Text(bytes)
            }
        }
    }
}

pub(super) fn four(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// A number of one to nine bytes, and where it ends.
#[inline]
pub(super) fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let first = *bytes.get(at)?;
    if first < 0x80 {
        return Some((u64::from(first), at + 1));
    }
    let mut value = u64::from(first & 0x7f);
    for n in 1..8 {
        let byte = *bytes.get(at + n)?;
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            return Some((value, at + n + 1));
        }
    }
    let last = *bytes.get(at + 8)?;
    Some((value << 8 | u64::from(last), at + 9))
}
