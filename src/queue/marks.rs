//! Marks of groups and of jobs that wait for others, taken off the shared set to be looked at.

use super::dirty::Mark;
use crate::error::Result;
use crate::pg::queue_dirty;

/// Marks that were taken off the set; what is left of them when an error comes goes back.
pub struct Taken(pub Vec<Mark>);

impl Taken {
    /// Adds up what `work` has done about each.
    pub fn each(mut self, work: impl Fn(Mark) -> Result<Option<usize>>) -> Result<usize> {
        let mut sum = 0;
        while let Some(mark) = self.0.last().copied() {
            sum += work(mark)?.unwrap_or(0);
            self.0.pop();
        }
        Ok(sum)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.drain(..).for_each(queue_dirty::give_back);
    }
}
