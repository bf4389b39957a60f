//! Unique keys: of the jobs of a queue with one key only one lives.
//!
//! A key is a row of `strata.queue_key_*` with the job that has it. The job is the owner only while the row has
//! its id: a push that takes a key over writes its own id into the row, and the old job then ends without it.

use super::job::{NewJob, OnDuplicate, Unique};
use super::known::{self, Queue};
use super::pair::{self, Half};
use super::replace;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{check_for_interrupts, relation_oid};
use crate::pg::key_store::{ENDED, Entry, HELD, Holder, KeyStore, STARTED};
use crate::pg::segment::{Values, column};
use crate::pg::time;

/// What became of a push with a key.
pub enum Entered {
    /// the new job has the key: it is to be pushed
    Mine,
    /// there is nothing left to do; what the push returns
    Answer(Option<i64>),
}

/// Bytes of a key, at most: it must fit into a page of the index together with others.
const LONGEST: usize = 1_000;
/// Free as soon as its job lets it go.
const AT_ONCE: i64 = i64::MIN;

/// The tables of keys that may have rows.
struct Stores {
    /// is being emptied
    old: Option<KeyStore>,
    /// takes new keys
    current: KeyStore,
}

impl Stores {
    /// From here to the end of the transaction no key moves, and all writers agree which table is which.
    fn open() -> Result<Stores> {
        let open = pair::KEY.write()?;
        Ok(Stores {
            old: open.old.map(store).transpose()?,
            current: store(open.current)?,
        })
    }

    /// Looks in the old table first: a key is entered only after a look there.
    fn look(&self, qid: i32, key: &str) -> Option<(&KeyStore, Entry)> {
        self.all()
            .find_map(|store| store.look(qid, key).map(|entry| (store, entry)))
    }

    /// The same without waiting for anybody: what somebody is about to change is not found.
    fn peek(&self, qid: i32, key: &str) -> Option<(&KeyStore, Entry)> {
        self.all()
            .find_map(|store| store.peek(qid, key).map(|entry| (store, entry)))
    }

    fn all(&self) -> impl Iterator<Item = &KeyStore> {
        self.old.iter().chain([&self.current])
    }
}

fn store(half: Half) -> Result<KeyStore> {
    let (table, index) = match half {
        Half::A => ("queue_key_a", "queue_key_a_pkey"),
        Half::B => ("queue_key_b", "queue_key_b_pkey"),
    };
    let table = relation_oid("strata", table);
    let index = relation_oid("strata", index);
    table
        .zip(index)
        .and_then(|(table, index)| KeyStore::open(table, index))
        .ok_or_else(|| Error::internal("the tables of unique keys do not exist"))
}

/// Takes the key for job `id`, or does what the pusher wants if it is taken.
pub fn enter(queue: &Queue, unique: &Unique, job: &NewJob, id: i64) -> Result<Entered> {
    let key = unique.key.as_str();
    check_length(key)?;
    let now = time::wall_clock();
    let mine = Holder {
        id,
        free_at: unique
            .for_us
            .map_or(AT_ONCE, |length| now.saturating_add(length)),
        state: HELD,
        until_start: unique.until_start,
    };
    let stores = Stores::open()?;
    loop {
        check_for_interrupts();
        let Some((store, entry)) = stores.look(queue.qid, key) else {
            if stores.current.add(queue.qid, key, &mine) {
                return Ok(Entered::Mine);
            }
            continue;
        };
        let holder = entry.holder;
        // a job that comes back from the history may have left it behind itself, with its rules
        if holder.id == id {
            let mine = Holder {
                state: HELD,
                ..holder
            };
            if store.change(queue.qid, key, &entry, &mine) {
                return Ok(Entered::Mine);
            }
            continue;
        }
        if !is_free(&holder, now) {
            match unique.on_duplicate {
                OnDuplicate::Skip => return Ok(Entered::Answer(None)),
                OnDuplicate::Id => return Ok(Entered::Answer(Some(holder.id))),
                OnDuplicate::Error => return Err(taken(queue, key, holder.id)),
                OnDuplicate::Replace | OnDuplicate::ReplacePayload => {}
            }
            // what only the time still holds has nobody who could be replaced
            if holder.state == ENDED {
                return Ok(Entered::Answer(None));
            }
            // the row of a job comes before its key, as for whoever ends it
            if replace::waiting(queue, unique.on_duplicate, job, holder.id)? {
                if unique.on_duplicate == OnDuplicate::Replace {
                    let id = holder.id;
                    set_rules(&stores, queue.qid, key, Holder { id, ..mine })?;
                }
                return Ok(Entered::Answer(Some(holder.id)));
            }
        }
        if store.change(queue.qid, key, &entry, &mine) {
            return Ok(Entered::Mine);
        }
    }
}

fn check_length(key: &str) -> Result<()> {
    if key.len() <= LONGEST {
        return Ok(());
    }
    let length = key.len();
    Err(Error::new(
        Kind::InvalidParameter,
        format!("unique_key is {length} bytes long, more than {LONGEST}"),
    )
    .hint("Use a hash of it, for example md5()."))
}

/// The key of a job that was replaced obeys the new rules. The row of the job is ours, so nobody else starts or ends
/// it, and the key stays its own, unless it has ended at once with a job that it was to wait for.
fn set_rules(stores: &Stores, qid: i32, key: &str, rules: Holder) -> Result<()> {
    while let Some((store, entry)) = stores.look(qid, key) {
        if entry.holder.id != rules.id
            || entry.holder.state == ENDED
            || entry.holder == rules
            || store.change(qid, key, &entry, &rules)
        {
            break;
        }
        check_for_interrupts();
    }
    Ok(())
}

fn is_free(holder: &Holder, now: i64) -> bool {
    holder.state != HELD && holder.free_at <= now
}

fn taken(queue: &Queue, key: &str, id: i64) -> Error {
    let name = &queue.name;
    Error::new(
        Kind::UniqueViolation,
        format!("queue \"{name}\" has a job with the unique key \"{key}\""),
    )
    .detail(format!("It is job {id}."))
    .hint("With on_duplicate => 'id' the push returns its id, with 'skip' NULL.")
}

/// A job was given to a worker: a key until its start becomes free. The row stays as the mark of the job, which
/// takes the key again if it comes back. Never waits: a key that somebody has in hand is another job's by now.
pub fn started(queue: &Queue, row: &Values) -> Result<()> {
    own(queue.qid, row, Stores::peek, |holder| {
        let lets_go = holder.until_start && holder.state == HELD;
        lets_go.then_some(Some(STARTED))
    })
}

/// A job has ended: its key becomes free.
pub fn free(queue: &Queue, row: &Values) -> Result<()> {
    let now = time::wall_clock();
    own(queue.qid, row, Stores::look, |holder| {
        Some((holder.free_at > now).then_some(ENDED))
    })
}

/// A job comes back after its start: it takes its key again, unless another job has it by now, or somebody is
/// just taking it; then it goes on without. Never waits, and raises no error for a key that is taken.
pub fn returned(row: &Values) -> Result<()> {
    if row.value(column::UNIQUE_KEY).is_none() {
        return Ok(());
    }
    let Some(queue) = known::by_number(row.int(column::QID))? else {
        return Ok(());
    };
    own(queue.qid, row, Stores::peek, |holder| {
        (holder.state == STARTED).then_some(Some(HELD))
    })
}

/// True if the end of this job, or a push of its key, would wait: another transaction is just taking the key or giving
/// it back.
pub fn is_busy(queue: &Queue, key: Option<&str>) -> Result<bool> {
    let Some(key) = key else {
        return Ok(false);
    };
    let stores = Stores::open()?;
    Ok(stores.all().any(|store| store.is_busy(queue.qid, key)))
}

type Find = for<'a> fn(&'a Stores, i32, &str) -> Option<(&'a KeyStore, Entry)>;

/// Brings the key of a job into a state, or removes it (`Some(None)`), if it is still the job's own.
fn own(
    qid: i32,
    row: &Values,
    find: Find,
    wanted: impl Fn(&Holder) -> Option<Option<u8>>,
) -> Result<()> {
    let Some(key) = row.text(column::UNIQUE_KEY) else {
        return Ok(());
    };
    let id = row.long(column::ID);
    let stores = Stores::open()?;
    while let Some((store, entry)) = find(&stores, qid, &key)
        && entry.holder.id == id
        && let Some(state) = wanted(&entry.holder)
    {
        let done = match state {
            None => store.remove(&entry),
            Some(state) => {
                let holder = Holder {
                    state,
                    ..entry.holder
                };
                store.change(qid, &key, &entry, &holder)
            }
        };
        if done {
            break;
        }
        check_for_interrupts();
    }
    Ok(())
}
