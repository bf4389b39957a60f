//! The entries of a b-tree of an SQLite file, one page after another, without SQLite.
//!
//! For reading all rows of a table, or all entries of an index, from the first to the last: that takes a
//! fraction of the time in which a virtual machine does it. The format is fixed for ever and published
//! (sqlite.org/fileformat2.html, sections 1.5 to 1.7 and 2.1). The pages are no more trusted than by
//! SQLite: whatever does not fit together is an error.

use super::cell::CellRef;
use super::record::{Field, decode, fields, four, local_size, varint};

/// More levels than any tree of 2^32 pages has.
const DEEPEST: usize = 24;

/// Something that is no b-tree as SQLite writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Where the entries are, and which columns of them are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// first page of the tree
    pub root: u32,
    pub is_index: bool,
    pub page_size: u32,
    /// bytes at the end of each page that are not SQLite's
    pub reserved: u32,
    /// pages of the file
    pub pages: u32,
    /// places in the stored records
    pub columns: Vec<usize>,
}

/// A page on the way from the root to the entry at hand.
#[derive(Debug)]
struct Page {
    bytes: Vec<u8>,
    is_leaf: bool,
    cells: usize,
    /// the next entry; above the leaves of an index pages below and entries take turns
    next: usize,
}

/// A walk over a tree, and the entry where it stands.
#[derive(Debug)]
pub struct Walk {
    tree: Tree,
    /// from the root on
    path: Vec<Page>,
    /// buffers for pages to come
    spare: Vec<Vec<u8>>,
    begun: bool,
    /// pages that may still be read: a ring would never end
    left: u32,
    entries: i64,
    rowid: i64,
    /// fields of the record up to the last one wanted
    fields: Vec<Field>,
    /// where the record begins in the last page of the path
    start: usize,
    /// a record that goes on in other pages
    spill: Vec<u8>,
    is_spilled: bool,
}

impl Walk {
    /// None: no file has pages like these.
    #[must_use]
    pub fn new(tree: Tree) -> Option<Walk> {
        let size = tree.page_size;
        let sound = (512..=65536).contains(&size) && size.is_power_of_two();
        // the least that SQLite leaves of a page
        if !sound || tree.reserved > size - 480 {
            return None;
        }
        let wanted = tree.columns.iter().max().map_or(0, |last| last + 1);
        Some(Walk {
            path: Vec::new(),
            spare: Vec::new(),
            begun: false,
            left: tree.pages,
            entries: 0,
            rowid: 0,
            fields: vec![(0, 0); wanted],
            start: 0,
            spill: Vec::new(),
            is_spilled: false,
            tree,
        })
    }

    /// Goes to the next entry; false at the end. `read` fills a buffer from a place in the file.
    ///
    /// # Errors
    /// What `read` says, and where the pages make no sense. There is no going on then.
    pub fn next<E: From<Malformed>>(
        &mut self,
        read: &mut impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        if !self.begun {
            self.begun = true;
            self.descend(self.tree.root, read)?;
        }
        loop {
            let Some(page) = self.path.last_mut() else {
                return Ok(false);
            };
            if page.is_leaf && page.next < page.cells {
                let at = page.cell(page.next)?;
                page.next += 1;
                self.enter(at, read)?;
                return Ok(true);
            }
            let step = page.next;
            page.next += 1;
            // what comes at this step: an entry, or the page below
            let (entry, below) = match (page.is_leaf, self.tree.is_index) {
                (true, _) => (None, None),
                (false, false) => (None, (step <= page.cells).then_some(step)),
                (false, true) if step % 2 == 1 => {
                    ((step / 2 < page.cells).then_some(step / 2), None)
                }
                (false, true) => (None, (step / 2 <= page.cells).then_some(step / 2)),
            };
            if let Some(entry) = entry {
                // behind the number of the page below
                let at = page.cell(entry)? + 4;
                self.enter(at, read)?;
                return Ok(true);
            }
            match below {
                Some(below) => {
                    let number = page.below(below)?;
                    self.descend(number, read)?;
                }
                None => {
                    let done = self.path.pop();
                    self.spare.extend(done.map(|page| page.bytes));
                }
            }
        }
    }

    #[must_use]
    pub fn is_index(&self) -> bool {
        self.tree.is_index
    }

    /// Entries met so far.
    #[must_use]
    pub fn entries(&self) -> i64 {
        self.entries
    }

    /// The rowid of the row at hand; of a table only.
    #[must_use]
    pub fn rowid(&self) -> i64 {
        self.rowid
    }

    /// Column `n` of those wanted, of the entry at hand.
    #[inline]
    #[must_use]
    pub fn value(&self, n: usize) -> CellRef<'_> {
        let field = self.tree.columns.get(n).and_then(|c| self.fields.get(*c));
        let Some((kind, at)) = field else {
            return CellRef::Null;
        };
        let record = match self.path.last() {
            _ if self.is_spilled => self.spill.as_slice(),
            Some(page) => page.bytes.get(self.start..).unwrap_or(&[]),
            None => &[],
        };
        // fields lie within their record, see `enter`
        decode(*kind, record.get(*at..).unwrap_or(&[]))
    }

    fn usable(&self) -> usize {
        (self.tree.page_size - self.tree.reserved) as usize
    }

    fn fetch<E: From<Malformed>>(
        &mut self,
        number: u32,
        read: &mut impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<Vec<u8>, E> {
        // the first page is never a part of a table's or an index's tree
        if !(2..=self.tree.pages).contains(&number) {
            return Err(Malformed("a page that the file does not have").into());
        }
        let left = self.left.checked_sub(1);
        self.left = left.ok_or(Malformed("more pages than the file has"))?;
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.resize(self.tree.page_size as usize, 0);
        read(
            u64::from(number - 1) * u64::from(self.tree.page_size),
            &mut bytes,
        )?;
        Ok(bytes)
    }

    fn descend<E: From<Malformed>>(
        &mut self,
        number: u32,
        read: &mut impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.path.len() >= DEEPEST {
            return Err(Malformed("a tree too deep").into());
        }
        let bytes = self.fetch(number, read)?;
        let is_leaf = match (bytes[0], self.tree.is_index) {
            (0x0d, false) | (0x0a, true) => true,
            (0x05, false) | (0x02, true) => false,
            _ => return Err(Malformed("a page of another kind").into()),
        };
        let cells = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let page = Page {
            bytes,
            is_leaf,
            cells,
            next: 0,
        };
        if page.pointers() + 2 * cells > self.usable() {
            return Err(Malformed("more entries than a page holds").into());
        }
        self.path.push(page);
        Ok(())
    }

    /// Stands on the entry that begins at `at` of the last page.
    fn enter<E: From<Malformed>>(
        &mut self,
        at: usize,
        read: &mut impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        const BEYOND: Malformed = Malformed("an entry beyond the end of its page");
        let usable = self.usable();
        let bytes = self.path.last().map_or(&[][..], |page| &page.bytes);
        let bytes = bytes.get(..usable).ok_or(BEYOND)?;
        let (size, mut at) = varint(bytes, at).ok_or(BEYOND)?;
        if !self.tree.is_index {
            let rowid;
            (rowid, at) = varint(bytes, at).ok_or(BEYOND)?;
            let rowid = rowid as i64;
            if self.entries > 0 && rowid <= self.rowid {
                return Err(Malformed("rows out of order").into());
            }
            self.rowid = rowid;
        }
        self.entries += 1;
        let size = usize::try_from(size).map_err(|_| BEYOND)?;
        let local = local_size(size, usable, self.tree.is_index);
        let record = bytes.get(at..at + local).ok_or(BEYOND)?;
        self.start = at;
        self.is_spilled = false;
        let end = fields(record, &mut self.fields);
        if local == size {
            let fits = end.is_some_and(|end| end <= size);
            return if fits { Ok(()) } else { Err(BEYOND.into()) };
        }
        if end.is_some_and(|end| end <= local) {
            return Ok(());
        }
        self.gather(at + local, size, read)?;
        let end = fields(&self.spill, &mut self.fields);
        if end.is_none_or(|end| end > size) {
            return Err(BEYOND.into());
        }
        Ok(())
    }

    /// Puts the record at hand together, whose next part is named at `at` of its page.
    fn gather<E: From<Malformed>>(
        &mut self,
        at: usize,
        size: usize,
        read: &mut impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        const CUT: Malformed = Malformed("a record without its end");
        let usable = self.usable();
        self.is_spilled = true;
        self.spill.clear();
        let page = self.path.last().ok_or(CUT)?;
        let local = page.bytes.get(self.start..at).ok_or(CUT)?;
        self.spill.extend_from_slice(local);
        let mut number = page
            .bytes
            .get(..usable)
            .and_then(|b| four(b, at))
            .ok_or(CUT)?;
        while self.spill.len() < size {
            let bytes = self.fetch(number, read)?;
            let n = (size - self.spill.len()).min(usable - 4);
            self.spill.extend_from_slice(&bytes[4..4 + n]);
            number = four(&bytes, 0).ok_or(CUT)?;
            self.spare.push(bytes);
        }
        Ok(())
    }
}

impl Page {
    /// Where the list of entries begins.
    fn pointers(&self) -> usize {
        if self.is_leaf { 8 } else { 12 }
    }

    fn cell(&self, n: usize) -> Result<usize, Malformed> {
        let at = self.pointers() + 2 * n;
        let bytes = self.bytes.get(at..at + 2);
        let at = bytes.map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])));
        at.ok_or(Malformed("more entries than a page holds"))
    }

    /// The number of the page below, of which there is one more than entries.
    fn below(&self, n: usize) -> Result<u32, Malformed> {
        let at = if n == self.cells { 8 } else { self.cell(n)? };
        four(&self.bytes, at).ok_or(Malformed("an entry beyond the end of its page"))
    }
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
