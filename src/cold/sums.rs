//! Checksums of a file's pages: a page that comes back with other bits is an error, not other rows.
//!
//! CRC-32 as in zlib, one per page, kept in the catalog. They are computed from the finished file
//! before it is sent anywhere, so they vouch for the store, the network and every cache between.

/// One checksum per page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageSums {
    page_size: u64,
    sums: Vec<u32>,
}

impl PageSums {
    /// `None` for a page size that SQLite has not.
    #[must_use]
    pub fn new(page_size: u64, sums: Vec<u32>) -> Option<PageSums> {
        let sound = (512..=65536).contains(&page_size) && page_size.is_power_of_two();
        sound.then_some(PageSums { page_size, sums })
    }

    /// From the bytes that [`PageSums::to_bytes`] made.
    #[must_use]
    pub fn from_bytes(page_size: u64, bytes: &[u8]) -> Option<PageSums> {
        let (words, rest) = bytes.as_chunks::<4>();
        let sums = words.iter().map(|w| u32::from_be_bytes(*w)).collect();
        rest.is_empty()
            .then(|| PageSums::new(page_size, sums))
            .flatten()
    }

    /// Four bytes a page, big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sums.iter().flat_map(|s| s.to_be_bytes()).collect()
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// The first whole page within `bytes`, which begin at `offset` of the file, that is not as it
    /// was written; numbered from 1 as SQLite does.
    #[must_use]
    pub fn damaged(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let first = offset.div_ceil(self.page_size);
        let skip = usize::try_from(first * self.page_size - offset).ok()?;
        let size = usize::try_from(self.page_size).ok()?;
        let pages = bytes.get(skip..)?.chunks_exact(size);
        (first..).zip(pages).find_map(|(n, page)| {
            let known = usize::try_from(n).ok().and_then(|n| self.sums.get(n));
            (known != Some(&crc32fast::hash(page))).then_some(n + 1)
        })
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_counts() {
        let file: Vec<u8> = (0..4096u32).map(|n| (n * 7 % 251) as u8).collect();
        let sums = file.chunks(1024).map(crc32fast::hash).collect();
        let sums = PageSums::new(1024, sums).expect("a page size");
        assert_eq!(sums.damaged(0, &file), None);
        assert_eq!(sums.damaged(1024, &file[1024..3072]), None);
        for at in [0, 1023, 1024, 4095] {
            let mut bad = file.clone();
            bad[at] ^= 1;
            assert_eq!(sums.damaged(0, &bad), Some(at as u64 / 1024 + 1));
        }
        // parts of pages cannot be told; what lies behind them can
        assert_eq!(sums.damaged(0, &file[..100]), None);
        assert_eq!(sums.damaged(100, &file[100..3000]), None);
        let mut bad = file.clone();
        bad[1500] ^= 128;
        assert_eq!(sums.damaged(100, &bad[100..]), Some(2));
        // pages that the file does not have
        assert_eq!(sums.damaged(4096, &file[..1024]), Some(5));
    }

    #[test]
    fn there_and_back() {
        let sums = PageSums::new(512, vec![1, u32::MAX, 0]).expect("a page size");
        assert_eq!(
            PageSums::from_bytes(512, &sums.to_bytes()),
            Some(sums.clone())
        );
        assert_eq!(sums.to_bytes().len(), 12);
        assert_eq!(PageSums::from_bytes(512, &[1, 2, 3]), None);
        assert_eq!(PageSums::from_bytes(1000, &[]), None);
        // as python's zlib.crc32 says
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    }
}
