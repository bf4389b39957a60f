//! `drop_chunks` without blocking: a process does it while the caller, who holds no lock, waits.

use super::catalog::{Chunk, Hypertable};
use super::leave_sql::{self as sql, After, Place};
use super::select::{self, Points};
use super::{chunks, leave, retention, target};
use crate::error::{Error, Kind, Result};
use crate::pg::subxact::Caught;
use crate::pg::{bgworker, session};
use crate::queue::{self, Task};
use pgrx::pg_sys::Oid;
use std::time::{Duration, Instant};

/// Kind of the task.
pub const KIND: &str = "drop";
/// How long to try to start a process.
const PATIENCE: Duration = Duration::from_secs(10);

/// When nothing has changed for this long, the process goes on alone.
const STUCK: Duration = Duration::from_secs(3);

/// What a task is told: the table and the bounds, or only the table to finish what was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    hypertable: u32,
    points: Option<Points>,
}

impl Order {
    fn text(self) -> String {
        let Some(p) = self.points else {
            return self.hypertable.to_string();
        };
        let one = |v: Option<i64>| v.map_or_else(String::new, |v| v.to_string());
        format!(
            "{}:{}:{}:{}:{}:{}",
            self.hypertable,
            one(p.older),
            one(p.newer),
            one(p.before),
            one(p.after),
            if p.by_time { "t" } else { "" }
        )
    }

    fn parse(text: &str) -> Option<Order> {
        let parts: Vec<&str> = text.split(':').collect();
        let hypertable = parts.first()?.parse().ok()?;
        let one = |n: usize| parts[n].parse().ok();
        let points = (parts.len() == 6).then(|| Points {
            older: one(1),
            newer: one(2),
            before: one(3),
            after: one(4),
            by_time: parts[5] == "t",
        });
        Some(Order { hypertable, points })
    }
}

fn start(order: Order) -> Option<bgworker::Handle> {
    queue::start_task(
        bgworker::my_database(),
        &Task {
            kind: KIND,
            argument: &order.text(),
            role: None,
            nologin: false,
        },
    )
}

/// The task itself.
pub fn run(argument: &str) -> Result<()> {
    let order = Order::parse(argument).ok_or_else(|| Error::internal("unreadable task"))?;
    let hypertable = Oid::from(order.hypertable);
    let Some(points) = order.points else {
        let turn = bgworker::transaction(|| leave::Turn::take(hypertable))?;
        if turn.is_none() {
            return Ok(());
        }
        for e in leave::finish(hypertable)? {
            pgrx::log!("pg_strata: detaching goes on later: {}", e.message);
        }
        return Ok(());
    };
    let h = bgworker::transaction(|| chunks::hypertable(hypertable))?;
    let _turn = match retention::take_turn(&h) {
        Ok(turn) => turn,
        Err(e) => {
            for c in bgworker::transaction(|| chosen(&h, points))? {
                tell(hypertable, c.oid, &e)?;
            }
            return Err(e.into());
        }
    };
    let mut errors = leave::finish(hypertable)?;
    let found = bgworker::transaction(|| chosen(&h, points))?;
    let after = |c: &Chunk| retention::after_of(&h, points, c, &After::Drop);
    for (chunk, e) in retention::take_out(&h, &found, after)? {
        tell(hypertable, chunk, &e)?;
        errors.push(e);
    }
    // the caller learns why from the note; it may be gone, so the log has it, too
    retention::summary(errors)?;
    Ok(())
}

/// Notes why a chunk stays, for the caller.
fn tell(hypertable: Oid, chunk: Oid, e: &Caught) -> Result<()> {
    Ok(bgworker::transaction(|| match sql::place(chunk)? {
        Place::Attached => {
            let code = session::unpack_sqlstate(e.code as i32);
            sql::note_failure(chunk, hypertable, &code, &e.message)
        }
        _ => Ok(()),
    })?)
}

/// The chunks within the bounds that are still attached.
pub fn chosen(h: &Hypertable, points: Points) -> Result<Vec<Chunk>> {
    let mut out = Vec::new();
    for c in select::within(h, points, true)? {
        if sql::place(c.oid)? == Place::Attached {
            out.push(c);
        }
    }
    Ok(out)
}

/// Step of the background worker: what a crash or a long reader left unfinished goes on.
pub fn finish_pending() -> Result<()> {
    for hypertable in sql::noted_tables()? {
        // nobody is at it: the turn is given back at once
        if leave::Turn::take(hypertable)?.is_some() {
            start(Order {
                hypertable: hypertable.to_u32(),
                points: None,
            });
        }
    }
    Ok(())
}

/// Has a process drop the chunks within the bounds, and waits. What sessions use is dropped when they
/// end, without the caller. Returns the names. No lock is held here.
pub fn drop_concurrently(
    h: &Hypertable,
    points: Points,
) -> std::result::Result<Vec<String>, Caught> {
    let mut waiting = Vec::new();
    for c in chosen(h, points)? {
        target::refuse_frozen(c.oid, "drop")?;
        waiting.push((c.oid, crate::pg::catalog::qualified_name(c.oid)?));
    }
    if waiting.is_empty() {
        return Ok(Vec::new());
    }
    let order = Order {
        hypertable: h.table.oid.to_u32(),
        points: Some(points),
    };
    let begun = Instant::now();
    let handle = loop {
        if let Some(handle) = start(order) {
            break handle;
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::new(
                Kind::NoWorkerSlot,
                "no free background worker to drop chunks",
            )
            .hint("raise max_worker_processes, or give concurrently => false")
            .into());
        }
        bgworker::pause(Duration::from_millis(200));
    };
    let mut before = (usize::MAX, usize::MAX);
    let mut changed = Instant::now();
    loop {
        let ended = handle.ended();
        let now = look(&waiting)?;
        if now != before {
            before = now;
            changed = Instant::now();
        }
        let (attached, left) = now;
        if attached == 0 && (left == 0 || ended) {
            break;
        }
        if ended {
            return Err(stayed(h, &waiting)?);
        }
        // one waits for sessions that use it, maybe for this very statement's snapshot
        if left > attached && changed.elapsed() > STUCK {
            session::notice(
                &format!(
                    "{left} chunks are dropped when the sessions that use the first of them end"
                ),
                None,
            );
            break;
        }
        bgworker::pause(Duration::from_millis(20));
    }
    Ok(waiting.into_iter().map(|(_, name)| name).collect())
}

/// How many chunks are attached, and how many are there at all.
fn look(waiting: &[(Oid, String)]) -> Result<(usize, usize)> {
    let (mut attached, mut left) = (0, 0);
    for (chunk, _) in waiting {
        match sql::place(*chunk)? {
            Place::Gone => {}
            Place::Attached => {
                attached += 1;
                left += 1;
            }
            Place::Detaching | Place::Detached => left += 1,
        }
    }
    Ok((attached, left))
}

/// Why the process left chunks alone.
fn stayed(h: &Hypertable, waiting: &[(Oid, String)]) -> Result<Caught> {
    let chunks: Vec<Oid> = waiting.iter().map(|(chunk, _)| *chunk).collect();
    let errors = sql::failures(&chunks)?
        .into_iter()
        .map(|(code, message)| Caught {
            code: session::sqlstate(&code),
            message,
            detail: None,
            hint: None,
        });
    if let Err(e) = retention::summary(errors.collect()) {
        return Ok(e);
    }
    Ok(Error::new(
        Kind::NotInState,
        format!("not all chunks of \"{}\" could be dropped", h.table.name),
    )
    .hint("the server log says why")
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_survive_the_way_to_the_process() {
        let all = Points {
            older: Some(i64::MIN),
            newer: Some(i64::MIN),
            before: Some(i64::MIN),
            after: Some(i64::MIN),
            by_time: true,
        };
        for points in [None, Some(all), Some(Points::default())] {
            let order = Order {
                hypertable: u32::MAX,
                points,
            };
            assert_eq!(Order::parse(&order.text()), Some(order));
            // together with "task:0:0:drop:" it fits into 127 bytes
            assert!(order.text().len() <= 113, "{}", order.text());
        }
        assert_eq!(Order::parse("x"), None);
    }
}
