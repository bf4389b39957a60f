//! What the catalog knows about the bytes of a file before any of them is fetched.

use super::sums::PageSums;

/// Handed to the store when a file is opened; what is not known is empty.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct FileFacts {
    pub head: HeadPages,
    pub sums: Option<PageSums>,
}

/// Pages that every reader needs first: the schema and the inner pages of the b-trees.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HeadPages {
    page_size: u64,
    /// page numbers from 1, ascending
    numbers: Vec<u64>,
    bytes: Vec<u8>,
}

impl HeadPages {
    /// Pages with these numbers, one after the other in `bytes`; nothing if they do not fit.
    #[must_use]
    pub fn new(page_size: u64, numbers: Vec<u64>, bytes: Vec<u8>) -> HeadPages {
        let whole = (numbers.len() as u64).checked_mul(page_size) == Some(bytes.len() as u64);
        if !whole || !numbers.is_sorted_by(|a, b| a < b) || numbers.first() == Some(&0) {
            return HeadPages::default();
        }
        HeadPages {
            page_size,
            numbers,
            bytes,
        }
    }

    /// These bytes of the file, if they lie within one of the pages.
    #[must_use]
    pub fn get(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let number = offset.checked_div(self.page_size)? + 1;
        let at = self.numbers.binary_search(&number).ok()?;
        let inside = usize::try_from(offset % self.page_size).ok()?;
        let size = usize::try_from(self.page_size).ok()?;
        if inside.checked_add(len)? > size {
            return None;
        }
        let start = at.checked_mul(size)?.checked_add(inside)?;
        self.bytes.get(start..start + len)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Page size, numbers and bytes.
    #[must_use]
    pub fn parts(&self) -> (u64, &[u64], &[u8]) {
        (self.page_size, &self.numbers, &self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_answer_for_themselves_only() {
        let bytes = [[1u8; 512], [2; 512], [7; 512]].concat();
        let head = HeadPages::new(512, vec![1, 2, 7], bytes);
        assert_eq!(head.get(0, 100), Some(&[1u8; 100][..]));
        assert_eq!(head.get(24, 16), Some(&[1u8; 16][..]));
        assert_eq!(head.get(512, 512), Some(&[2u8; 512][..]));
        assert_eq!(head.get(6 * 512, 512), Some(&[7u8; 512][..]));
        assert_eq!(head.get(2 * 512, 512), None);
        assert_eq!(head.get(500, 100), None, "across pages");
        assert_eq!(head.get(u64::MAX, 1), None);
        assert_eq!(HeadPages::default().get(0, 1), None);
    }

    #[test]
    fn what_does_not_fit_is_no_head() {
        assert!(HeadPages::new(512, vec![1, 2], vec![0; 512]).is_empty());
        assert!(HeadPages::new(512, vec![2, 1], vec![0; 1024]).is_empty());
        assert!(HeadPages::new(512, vec![0, 1], vec![0; 1024]).is_empty());
        assert!(!HeadPages::new(512, vec![1, 2], vec![0; 1024]).is_empty());
    }
}
