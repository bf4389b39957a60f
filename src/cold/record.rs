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

/// Finds the first `wanted` fields of a record; where the last of them ends. None: their list does not
/// end within these bytes, or holds what is no type.
pub(super) fn fields(record: &[u8], wanted: usize, out: &mut Vec<Field>) -> Option<usize> {
    out.clear();
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok()?;
    let types = record.get(..header)?;
    let mut body = header;
    // a record may have fewer: the others are NULL
    while out.len() < wanted && at < header {
        let kind;
        (kind, at) = varint(types, at)?;
        out.push((kind, body));
        body = body.checked_add(width(kind)?)?;
    }
    Some(body)
}

/// Bytes of a value of this type. None: no such type.
fn width(kind: u64) -> Option<usize> {
    const SMALL: [usize; 10] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];
    match kind {
        0..10 => Some(SMALL[kind as usize]),
        10 | 11 => None,
        _ => usize::try_from((kind - 12) / 2).ok(),
    }
}

pub(super) fn decode(kind: u64, bytes: &[u8]) -> CellRef<'_> {
    fn int<const N: usize>(bytes: &[u8]) -> CellRef<'_> {
        let Some(bytes) = bytes.first_chunk::<N>() else {
            return CellRef::Null;
        };
        // the sign fills what lies before
        let mut all = [if bytes[0] & 0x80 == 0 { 0 } else { 0xff }; 8];
        all[8 - N..].copy_from_slice(bytes);
        CellRef::Int(i64::from_be_bytes(all))
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
