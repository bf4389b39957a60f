//! Classes of bytes, and a fast search for some of them.

pub(super) const BLANK: u8 = 1;
pub(super) const DIGIT: u8 = 2;
pub(super) const WORD_START: u8 = 4;
pub(super) const WORD: u8 = 8;
pub(super) const OPERATOR: u8 = 16;

/// The classes of each byte. A vertical tab is blank from 16 on; 15 refuses it.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => BLANK,
            b'0'..=b'9' => DIGIT | WORD,
            b'_' => DIGIT | WORD_START | WORD,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80..=0xff => WORD_START | WORD,
            b'$' => WORD,
            b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*'
            | b'/' | b'%' | b'<' | b'>' | b'=' => OPERATOR,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Is it of the class?
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// The first place from `from` on of one of a few bytes. Looks at 32 bytes at once, which compilers turn into a few
/// vector instructions.
pub(super) fn find<const N: usize>(bytes: &[u8], from: usize, wanted: [u8; N]) -> Option<usize> {
    let is_wanted = |b: &u8| wanted.iter().fold(false, |any, w| any | (w == b));
    let (chunks, tail) = bytes.get(from..)?.as_chunks::<32>();
    let without = chunks
        .iter()
        .take_while(|chunk| !chunk.iter().fold(false, |any, b| any | is_wanted(b)))
        .count();
    let chunk = chunks.get(without).map_or(tail, <[u8; 32]>::as_slice);
    let within = chunk.iter().position(is_wanted)?;
    Some(from + without * 32 + within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_at_any_place() {
        for length in [0, 1, 31, 32, 33, 64, 100] {
            for at in 0..length {
                let mut bytes = vec![b'x'; length];
                bytes[at] = b'!';
                assert_eq!(find(&bytes, 0, [b'!']), Some(at));
                assert_eq!(find(&bytes, at, [b'?', b'!']), Some(at));
                assert_eq!(find(&bytes, at + 1, [b'!']), None);
            }
            assert_eq!(find(&vec![b'x'; length], length + 1, [b'x']), None);
        }
    }
}
