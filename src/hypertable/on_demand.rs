//! Which rows may call a missing chunk into being, and its making: the hypertable's side of `pg::demand`.

use super::calendar::DAY_US;
use super::catalog::{self, Hypertable};
use super::chunks::{self, Made};
use super::settings::{self, Settings};
use super::{bounds::KeyType, zone, zone_open};
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{attribute_number, check_owner, extension, quote_literal, relation_oid};
use crate::pg::demand::{Found, Noun, Rules, register};
use crate::pg::managed::Managed;
use crate::pg::session;
use pgrx::pg_sys::Oid;
use std::rc::Rc;
use std::time::Duration;

/// From here on the server log warns that a hypertable has many chunks.
const MANY_CHUNKS: usize = 2000;

/// Registers the rules with the writing side.
pub fn init() {
    register(&OnDemand);
}

/// Makes the chunks that rows with these keys need, in the caller's own transaction: for sessions without
/// chunks on demand. 42501 unless the current user owns the hypertable, 54000 for too many chunks.
pub fn make_here(relation: Oid, keys: &[i64]) -> Result<()> {
    check_owner(relation)?;
    let h = chunks::hypertable(relation)?;
    let mut wanted: Vec<i64> = keys.iter().map(|key| h.grid.index(*key)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let limit = settings::need(relation)?.max_chunks_per_statement;
    if wanted.len() as i64 > i64::from(limit) {
        return Err(chunks::too_many(&h, wanted.len() as i64, limit));
    }
    chunks::make_missing(&h, &wanted, "user").map(|_| ())
}

struct OnDemand;

impl Noun for OnDemand {
    fn table(&self, relation: Oid) -> Result<Option<Found>> {
        // an older catalog lacks what is read here
        if extension().is_none_or(|e| e.version != env!("CARGO_PKG_VERSION")) {
            return Ok(None);
        }
        let Some(registry) = relation_oid("strata", "hypertable") else {
            return Ok(None);
        };
        let Some(settings) = settings::of(relation)? else {
            return Ok(Some((registry, None)));
        };
        Ok(Some((
            registry,
            Some(Managed {
                end_column: settings.end_column.clone(),
                time_column: settings.time_column.clone(),
                rules: rules(relation, settings)?,
            }),
        )))
    }

    fn make(&self, relation: Oid, indexes: &[i64]) -> Result<u32> {
        let h = chunks::hypertable(relation)?;
        // what was asked for because it is closed is there: only the rest is made
        let indexes = zone_open::open_for(&h, indexes)?;
        let mut made = 0;
        let limit = settings::need(relation)?.max_chunks_per_statement;
        for indexes in indexes.chunks(usize::try_from(limit).unwrap_or(1)) {
            let done = chunks::make_missing(&h, indexes, "on_demand")?;
            made += done.chunks.len();
            warn_of_many(&h, &done);
        }
        Ok(u32::try_from(made).unwrap_or(u32::MAX))
    }
}

/// The rules of a table, `None` where its chunks are not made on demand.
fn rules(relation: Oid, settings: Settings) -> Result<Option<Rc<dyn Rules>>> {
    if !settings.create_missing {
        return Ok(None);
    }
    let Some(h) = catalog::hypertable(relation)? else {
        return Ok(None);
    };
    let Some(attnum) = attribute_number(relation, &h.key) else {
        return Ok(None);
    };
    let closes = zone::has_closed(&h, &settings)?;
    Ok(Some(Rc::new(Table {
        h,
        settings,
        attnum,
        closes,
    })))
}

/// Says in the server log, once, that a table has many chunks: every plan of it gets slower.
fn warn_of_many(h: &Hypertable, made: &Made) {
    let now = made.now;
    if now > MANY_CHUNKS && now - made.chunks.len() <= MANY_CHUNKS {
        pgrx::log!(
            "pg_strata: hypertable \"{}\" has {now} chunks; a longer chunk interval makes it faster",
            h.table.name
        );
    }
}

struct Table {
    h: Hypertable,
    settings: Settings,
    attnum: i16,
    /// chunks may have a CHECK that a late row violates
    closes: bool,
}

impl Table {
    fn refusal(&self, message: &str) -> Error {
        Error::new(
            Kind::DatetimeOverflow,
            format!(
                "column \"{}\" of hypertable \"{}\" {message}",
                self.h.key, self.h.table.name
            ),
        )
    }

    /// 22008 for a time beyond the horizons; keys that are no times have none.
    fn check_horizons(&self, value: i64) -> Result<()> {
        let at = match self.h.grid.key {
            KeyType::Date => value.saturating_mul(DAY_US),
            key if key.is_time() => value,
            _ => return Ok(()),
        };
        let now = session::transaction_time();
        let (past, future) = (
            self.settings.horizon_past_us,
            self.settings.horizon_future_us,
        );
        let which = if past.is_some_and(|us| at < now.saturating_sub(us)) {
            "horizon_past"
        } else if future.is_some_and(|us| at > now.saturating_add(us)) {
            "horizon_future"
        } else {
            return Ok(());
        };
        Err(self
            .refusal(&format!("has a value beyond {which}, and no chunk for it"))
            .hint(format!(
                "SELECT strata.alter_hypertable({}, {which} => ...), or make the chunk: strata.premake_chunks",
                quote_literal(&self.h.table.name)
            )))
    }
}

impl Rules for Table {
    fn key(&self) -> (i16, Oid) {
        (self.attnum, self.h.key_type)
    }

    fn closes(&self) -> bool {
        self.closes
    }

    fn number(&self, value: i64) -> i64 {
        self.h.grid.index(value)
    }

    fn index(&self, value: i64) -> Result<i64> {
        self.check_horizons(value)?;
        let index = self.h.grid.index(value);
        self.h.grid.range(index)?;
        Ok(index)
    }

    fn infinite(&self) -> Error {
        self.refusal("must not be infinite")
    }

    fn not_version_7(&self) -> Error {
        Error::new(
            Kind::CheckViolation,
            format!(
                "column \"{}\" of hypertable \"{}\" takes uuids of version 7 only",
                self.h.key, self.h.table.name
            ),
        )
        .hint(format!(
            "ALTER TABLE {} ALTER COLUMN {} SET DEFAULT strata.generate_uuidv7()",
            self.h.table.name, self.h.key
        ))
    }

    fn max_chunks(&self) -> u32 {
        u32::try_from(self.settings.max_chunks_per_statement).unwrap_or(0)
    }

    fn too_many(&self, chunks: u32) -> Error {
        let max = self.settings.max_chunks_per_statement;
        Error::new(
            Kind::LimitExceeded,
            format!(
                "hypertable \"{}\" would need {chunks} new chunks in one statement, more than max_chunks_per_statement = {max}",
                self.h.table.name
            ),
        )
        .hint(format!(
            "SELECT strata.set_chunk_time_interval({name}, ...) to a longer interval, or strata.alter_hypertable({name}, max_chunks_per_statement => ...)",
            name = quote_literal(&self.h.table.name)
        ))
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.settings.lock_wait_ms).unwrap_or(0))
    }

    fn premakes(&self) -> bool {
        self.h.premake > 0
    }

    fn table_name(&self) -> &str {
        &self.h.table.name
    }
}
