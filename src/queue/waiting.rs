//! The stores of jobs that wait, as far as jobs are reached by their id.

use super::pair::{Each, HELD, Pair, SCHEDULED, both, each};
use crate::error::Result;
use crate::pg::owner::as_extension_owner;
use crate::pg::segment::{Values, column};
use crate::pg::{catalog, queue_args, queue_rows, spi};

/// A store of jobs that wait. Their rows are those of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// for their time
    Scheduled,
    /// for their group, or for other jobs
    Held,
}

macro_rules! statements {
    ($pair:literal) => {
        Statements {
            find: both!("SELECT * FROM ", $pair, " WHERE qid = ANY ($1) AND id = $2"),
            all: both!("SELECT * FROM ", $pair, " WHERE qid = ANY ($1)"),
            count: both!("SELECT count(*) FROM ", $pair, " WHERE qid = ANY ($1)"),
            take: each!("DELETE FROM ", $pair, " WHERE qid = $1 AND id = $2 RETURNING *"),
            take_some: Each {
                a: concat!("DELETE FROM strata.", $pair, "_a WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.", $pair,
                    "_a WHERE qid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING *"),
                b: concat!("DELETE FROM strata.", $pair, "_b WHERE ctid = ANY (ARRAY(SELECT ctid FROM strata.", $pair,
                    "_b WHERE qid = ANY ($1) LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING *"),
            },
            change: each!("UPDATE ", $pair,
                " SET payload = $3, lane = $4, lease_until = $5 WHERE qid = $1 AND id = $2 RETURNING 1"),
        }
    };
}

struct Statements {
    find: &'static str,
    all: &'static str,
    count: &'static str,
    take: Each,
    take_some: Each,
    change: Each,
}

const OF_SCHEDULED: Statements = statements!("queue_scheduled");
const OF_HELD: Statements = statements!("queue_held");

impl Store {
    pub fn all() -> impl Iterator<Item = Store> {
        [Store::Scheduled, Store::Held]
            .into_iter()
            .filter(|s| s.is_there())
    }

    fn is_there(self) -> bool {
        let name = format!("{}_a", self.pair().name);
        catalog::relation_oid("strata", &name).is_some()
    }

    #[must_use]
    pub fn pair(self) -> Pair {
        match self {
            Store::Scheduled => SCHEDULED,
            Store::Held => HELD,
        }
    }

    /// The state of its jobs, for users.
    #[must_use]
    pub fn state(self) -> &'static str {
        match self {
            Store::Scheduled => "scheduled",
            Store::Held => "held",
        }
    }

    fn sql(self) -> &'static Statements {
        match self {
            Store::Scheduled => &OF_SCHEDULED,
            Store::Held => &OF_HELD,
        }
    }

    /// The row of a job. `streams`: see [`super::find::streams`].
    pub fn find(self, streams: &[i32], id: i64) -> Result<Option<Values>> {
        let args = [streams.to_vec().into(), id.into()];
        let rows = as_extension_owner(|| queue_rows::read(self.sql().find, &args))?;
        Ok(rows.into_iter().next())
    }

    /// All rows of a queue.
    pub fn rows(self, streams: &[i32]) -> Result<Vec<Values>> {
        as_extension_owner(|| queue_rows::read(self.sql().all, &[streams.to_vec().into()]))
    }

    /// How many jobs of a queue are in it.
    pub fn count(self, streams: &[i32]) -> Result<i64> {
        self.pair().read()?;
        as_extension_owner(|| {
            let halves = spi::read_kept(self.sql().count, &[streams.to_vec().into()], |row| {
                row.need::<i64>(1)
            })?;
            Ok(halves.iter().sum())
        })
    }

    /// Takes a job out of it; `None` if it has gone. Waits for another transaction that has it.
    pub fn take(self, row: &Values) -> Result<Option<Values>> {
        let args = [
            queue_args::column(row, column::QID),
            queue_args::column(row, column::ID),
        ];
        let open = self.pair().write()?;
        as_extension_owner(|| {
            for half in open.halves() {
                let rows = queue_rows::take(self.sql().take.of(half), &args)?;
                if let Some(row) = rows.into_iter().next() {
                    return Ok(Some(row));
                }
            }
            Ok(None)
        })
    }

    /// Takes up to `n` jobs of a queue out of it, but for those that somebody has at the moment.
    pub fn take_some(self, streams: &[i32], n: i64) -> Result<Vec<Values>> {
        let args = [streams.to_vec().into(), n.into()];
        let open = self.pair().write()?;
        as_extension_owner(|| {
            let mut rows = Vec::new();
            for half in open.halves() {
                rows.extend(queue_rows::take(self.sql().take_some.of(half), &args)?);
            }
            Ok(rows)
        })
    }

    /// Writes payload, lane and time of a row to the job in the store; false if it has gone.
    pub fn change(self, row: &Values) -> Result<bool> {
        let args = [
            column::QID,
            column::ID,
            column::PAYLOAD,
            column::LANE,
            column::LEASE_UNTIL,
        ]
        .map(|column| queue_args::column(row, column));
        let open = self.pair().write()?;
        as_extension_owner(|| {
            for half in open.halves() {
                if !spi::write_kept(self.sql().change.of(half), &args, |_| Ok(()))?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }
}
