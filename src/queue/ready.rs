//! What a transaction has made ready, or would make ready by being undone, per subtransaction.

use super::hint::{Generation, Ready};

/// More than this many rows of one lane and segment are noted by their smallest number only.
const FEW: usize = 16;

/// Rows of one lane and segment of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub qid: i32,
    pub ready: Ready,
    /// how many rows
    pub count: u64,
    /// the newest job among them
    pub last: i64,
}

/// Rows by queue, lane and segment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batches(Vec<Batch>);

impl Batches {
    #[must_use]
    pub const fn new() -> Batches {
        Batches(Vec::new())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Batch> {
        self.0.iter()
    }

    pub fn add(&mut self, qid: i32, lane: u8, generation: Generation, seq: i64, id: i64) {
        let of =
            |b: &&mut Batch| (b.qid, b.ready.lane, b.ready.generation) == (qid, lane, generation);
        let Some(batch) = self.0.iter_mut().find(of) else {
            self.0.push(Batch {
                qid,
                ready: Ready {
                    lane,
                    generation,
                    first: seq,
                    seqs: vec![seq],
                },
                count: 1,
                last: id,
            });
            return;
        };
        batch.ready.first = batch.ready.first.min(seq);
        batch.count += 1;
        batch.last = batch.last.max(id);
        let seqs = &mut batch.ready.seqs;
        if batch.count as usize > FEW {
            seqs.clear();
        } else {
            seqs.push(seq);
        }
    }

    fn append(&mut self, other: Batches) {
        for new in other.0 {
            let key = |b: &Batch| (b.qid, b.ready.lane, b.ready.generation);
            match self.0.iter_mut().find(|b| key(b) == key(&new)) {
                None => self.0.push(new),
                Some(old) => {
                    old.count += new.count;
                    old.last = old.last.max(new.last);
                    old.ready.first = old.ready.first.min(new.ready.first);
                    if old.count as usize > FEW {
                        old.ready.seqs.clear();
                    } else {
                        old.ready.seqs.extend(new.ready.seqs);
                    }
                }
            }
        }
    }
}

/// One level: the transaction, or a subtransaction in it.
#[derive(Debug, Default)]
struct Level {
    /// 1 for the transaction
    nesting: i32,
    pushed: Batches,
    locked: Batches,
}

/// The running transaction.
#[derive(Debug, Default)]
pub struct Transaction(Vec<Level>);

impl Transaction {
    #[must_use]
    pub const fn new() -> Transaction {
        Transaction(Vec::new())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn level(&mut self, nesting: i32) -> &mut Level {
        if self.0.last().is_none_or(|l| l.nesting < nesting) {
            self.0.push(Level {
                nesting,
                ..Level::default()
            });
        }
        let at = self.0.len() - 1;
        &mut self.0[at]
    }

    /// A row that will be ready when this level and all above it commit.
    pub fn pushed(
        &mut self,
        nesting: i32,
        qid: i32,
        lane: u8,
        generation: Generation,
        seq: i64,
        id: i64,
    ) {
        let level = self.level(nesting);
        level.pushed.add(qid, lane, generation, seq, id);
    }

    /// A ready row that this level has locked, claimed or deleted: ready again if it is undone.
    pub fn locked(&mut self, nesting: i32, qid: i32, lane: u8, generation: Generation, seq: i64) {
        // the job of a row that comes back is as good as any: its id is not known here
        let level = self.level(nesting);
        level.locked.add(qid, lane, generation, seq, seq);
    }

    /// The subtransaction of this nesting has committed into the one above.
    pub fn sub_commit(&mut self, nesting: i32) {
        if self.0.last().is_some_and(|l| l.nesting >= nesting)
            && let Some(level) = self.0.pop()
        {
            let above = self.level(nesting - 1);
            above.pushed.append(level.pushed);
            above.locked.append(level.locked);
        }
    }

    /// The subtransaction of this nesting was undone: what is ready again.
    pub fn sub_abort(&mut self, nesting: i32) -> Batches {
        match self.0.last() {
            Some(level) if level.nesting >= nesting => {
                self.0.pop().map_or_else(Batches::new, |l| l.locked)
            }
            _ => Batches::new(),
        }
    }

    /// The newest job of each queue (more than one of a queue, perhaps) that will be ready by a commit.
    pub fn newest(&self) -> Vec<(i32, i64)> {
        let batches = self.0.iter().flat_map(|level| level.pushed.iter());
        batches.map(|b| (b.qid, b.last)).collect()
    }

    /// Committed: what is ready now.
    pub fn commit(&mut self) -> Batches {
        self.end(|level| level.pushed)
    }

    /// Undone: what is ready again.
    pub fn abort(&mut self) -> Batches {
        self.end(|level| level.locked)
    }

    fn end(&mut self, part: impl Fn(Level) -> Batches) -> Batches {
        let mut out = Batches::new();
        self.0.drain(..).for_each(|level| out.append(part(level)));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(batches: &Batches) -> Vec<i64> {
        batches.iter().flat_map(|b| b.ready.seqs.clone()).collect()
    }

    #[test]
    fn what_is_undone_was_never_pushed_and_is_ready_again() {
        let mut t = Transaction::new();
        t.pushed(1, 5, 101, 1, 10, 10);
        t.locked(1, 5, 101, 1, 3);
        t.pushed(2, 5, 101, 1, 11, 11);
        t.locked(2, 5, 101, 1, 4);
        assert_eq!(seqs(&t.sub_abort(2)), [4]);
        assert!(t.sub_abort(2).is_empty());
        t.locked(3, 5, 101, 1, 6);
        t.sub_commit(3);
        t.sub_commit(2);
        t.sub_commit(2);
        assert_eq!(seqs(&t.abort()), [3, 6]);
        assert!(t.is_empty());
    }

    #[test]
    fn subtransactions_that_commit_belong_to_the_one_above() {
        let mut t = Transaction::new();
        t.pushed(4, 5, 101, 1, 12, 12);
        t.sub_commit(4);
        t.sub_commit(3);
        t.pushed(2, 6, 99, 1, 13, 13);
        t.sub_commit(2);
        let out = t.commit();
        assert_eq!(out.iter().map(|b| b.qid).collect::<Vec<_>>(), [5, 6]);
        assert_eq!(seqs(&out), [12, 13]);
    }

    #[test]
    fn many_rows_are_told_by_the_first() {
        let mut t = Transaction::new();
        for seq in (100..200).rev() {
            t.pushed(1, 5, 101, 1, seq, seq);
        }
        t.pushed(1, 5, 101, 2, 7, 7);
        let out = t.commit();
        let told: Vec<_> = out
            .iter()
            .map(|b| (b.count, b.ready.first, b.ready.seqs.len()))
            .collect();
        assert_eq!(told, [(100, 100, 0), (1, 7, 1)]);
    }
}
