//! The blocks that a backend keeps: least recently used ones go first, within a budget.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// Content and number of a block.
pub type BlockId = (Rc<str>, u64);

/// The budget is in bytes.
#[derive(Default)]
pub struct BlockCache {
    blocks: HashMap<BlockId, (u64, Rc<[u8]>)>,
    order: BTreeMap<u64, BlockId>,
    clock: u64,
    bytes: u64,
}

impl BlockCache {
    /// A block, which counts as used now.
    pub fn get(&mut self, id: &BlockId) -> Option<Rc<[u8]>> {
        self.clock += 1;
        let (used, data) = self.blocks.get_mut(id)?;
        self.order.remove(used);
        *used = self.clock;
        self.order.insert(self.clock, id.clone());
        Some(Rc::clone(data))
    }

    #[must_use]
    pub fn contains(&self, id: &BlockId) -> bool {
        self.blocks.contains_key(id)
    }

    /// Keeps a block, at the cost of older ones.
    pub fn put(&mut self, id: BlockId, data: &[u8], budget: u64) {
        self.clock += 1;
        self.bytes += data.len() as u64;
        self.order.insert(self.clock, id.clone());
        if let Some((used, old)) = self.blocks.insert(id, (self.clock, data.into())) {
            self.order.remove(&used);
            self.bytes -= old.len() as u64;
        }
        while self.bytes > budget {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            if let Some((_, data)) = self.blocks.remove(&oldest) {
                self.bytes -= data.len() as u64;
            }
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = BlockCache::default();
    }
}
