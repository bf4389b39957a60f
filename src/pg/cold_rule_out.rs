//! Bloom filters at the start of a scan: files that cannot hold the values asked for stay closed.

use super::cold_bloom::{self, Effort};
use super::cold_run::{Scan, Skip};
use super::guc;
use crate::cold::bloom_keys::{Look, looks};
use crate::cold::pushdown::{Tree, Value};
use crate::error::Result;

/// What the filters said the last time.
#[derive(Default)]
pub(super) struct RuledOut {
    looks: Vec<Look>,
    answer: bool,
}

impl Scan {
    /// Finds out whether a filter knows that no row of the file has the values that the conditions want. The
    /// store is not asked.
    pub(super) fn rule_out(&mut self, values: &[Value]) -> Result<()> {
        if self.plan.skip.is_none() && self.is_ruled_out(values)? {
            self.plan.skip = Some(Skip::Bloom);
        }
        Ok(())
    }

    pub(super) fn is_ruled_out(&mut self, values: &[Value]) -> Result<bool> {
        if self.manifest.blooms.is_empty() || !guc::COLD_PUSHDOWN.get() {
            return Ok(false);
        }
        let trees: Vec<&Tree> = self.conditions.iter().map(|c| &c.tree).collect();
        let looks = looks(&self.manifest, &trees, values);
        if looks.is_empty() {
            return Ok(false);
        }
        // the siblings' first bytes are asked for with the values that they start with later
        if self.ruled_out.looks == looks {
            return Ok(self.ruled_out.answer);
        }
        // a query of the catalog costs more than a row of an open file on this machine
        let effort = if self.reader.is_some() && self.manifest.is_local {
            Effort::Memory
        } else {
            Effort::Catalog
        };
        let mut answer = false;
        for look in &looks {
            if !answer {
                answer = !self.any_may_be_there(look, effort)?;
            }
        }
        self.ruled_out = RuledOut { looks, answer };
        Ok(answer)
    }

    fn any_may_be_there(&self, look: &Look, effort: Effort) -> Result<bool> {
        let filter = &self.manifest.blooms[look.filter];
        for hash in &look.hashes {
            if cold_bloom::may_hold(&self.manifest, filter, *hash, effort)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
