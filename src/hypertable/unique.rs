//! Unique keys of a plain table that cannot be keys of a partitioned one, and what is done about them.
//!
//! Runs with `search_path = pg_catalog, pg_temp` (see `chunks::ddl_settings`).

use super::convert::widened;
use crate::error::{Error, Kind, Result};
use crate::pg::catalog::{quote_ident, quote_qualified};
use crate::pg::owner::as_extension_owner;
use crate::pg::spi;
use pgrx::pg_sys;
use serde_json::{Value, json};

/// `on_conflicting_unique`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// they are blockers
    Error,
    /// the missing columns are added to the key
    Widen,
    /// unique inside each chunk
    Leaf,
    Drop,
}

impl Action {
    pub fn parse(text: &str) -> Result<Action> {
        Ok(match text {
            "error" => Action::Error,
            "widen" => Action::Widen,
            "leaf" => Action::Leaf,
            "drop" => Action::Drop,
            other => {
                return Err(Error::new(
                    Kind::InvalidParameter,
                    format!(
                        "on_conflicting_unique must be 'error', 'widen', 'leaf' or 'drop', not '{other}'"
                    ),
                ));
            }
        })
    }
}

const PRIMARY: &str = "Primary key";

// $1 the table, $2 the columns that every unique key must contain
const CONFLICTS: &str = "
SELECT i.indexrelid, x.relname::text, n.nspname::text, COALESCE(c.conname::text, ''),
       CASE WHEN i.indisprimary THEN 'Primary key' WHEN c.oid IS NOT NULL THEN 'Unique constraint' ELSE 'Unique index' END,
       (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false), ', ' ORDER BY k) FROM generate_series(1, i.indnkeyatts) k),
       ARRAY(SELECT m FROM unnest($2) WITH ORDINALITY u(m, o) WHERE NOT EXISTS (
               SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = m
               AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])) ORDER BY o),
       i.indpred IS NULL AND i.indexprs IS NULL AND NOT COALESCE(c.condeferrable, false),
       ARRAY(SELECT a.attname::text FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY u(k, o)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.k ORDER BY u.o),
       i.indnullsnotdistinct, i.indisreplident,
       ARRAY(SELECT format('Foreign key \"%s\" of table %s references it.', f.conname, f.conrelid::regclass)
             FROM pg_constraint f WHERE f.contype = 'f' AND f.conindid = i.indexrelid AND f.conparentid = 0 ORDER BY f.oid)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid = $1 AND i.indisunique
ORDER BY i.indisprimary DESC, x.relname";

const ADD_LEAF_KEY: &str = "
INSERT INTO strata.leaf_key (hypertable_id, columns, nulls_not_distinct) VALUES ($1, $2::name[], $3)";

/// A unique key without a column that it needs.
#[derive(Debug, Clone)]
pub struct Conflict {
    pub index: pg_sys::Oid,
    pub name: String,
    schema: String,
    /// empty for a unique index
    constraint: String,
    kind: String,
    /// as in its definition
    list: String,
    missing: Vec<String>,
    /// plain columns, checked at once
    plain: bool,
    columns: Vec<String>,
    nulls_not_distinct: bool,
    replica_identity: bool,
    referenced: Vec<String>,
}

/// All conflicts of a table and what is done about them.
#[derive(Debug, Clone)]
pub struct Conflicts {
    pub action: Action,
    pub found: Vec<Conflict>,
}

/// The unique keys of the table that lack one of the columns.
pub fn conflicts(table: pg_sys::Oid, needed: &[String], action: Action) -> Result<Conflicts> {
    let found = spi::write(CONFLICTS, &[table.into(), needed.to_vec().into()], |r| {
        Ok(Conflict {
            index: r.need(1)?,
            name: r.need(2)?,
            schema: r.need(3)?,
            constraint: r.need(4)?,
            kind: r.need(5)?,
            list: r.need(6)?,
            missing: r.need(7)?,
            plain: r.need(8)?,
            columns: r.need(9)?,
            nulls_not_distinct: r.need(10)?,
            replica_identity: r.need(11)?,
            referenced: r.need(12)?,
        })
    })?;
    Ok(Conflicts {
        action,
        found: found
            .into_iter()
            .filter(|c| !c.missing.is_empty())
            .collect(),
    })
}

impl Conflict {
    fn title(&self) -> String {
        format!("{} \"{}\" ({})", self.kind, self.name, self.list)
    }

    fn lacks(&self) -> String {
        let columns: Vec<String> = self.missing.iter().map(|m| format!("\"{m}\"")).collect();
        format!(
            "{} does not contain column {}",
            self.title(),
            columns.join(" and ")
        )
    }

    /// The same key with the columns that it lacks.
    fn widen(&self, definition: &str) -> String {
        let more: Vec<String> = self.missing.iter().map(|m| quote_ident(m)).collect();
        widened(definition, &more.join(", "))
    }

    fn wide_list(&self) -> String {
        let more = self.missing.iter().map(|m| quote_ident(m));
        std::iter::once(self.list.clone())
            .chain(more)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Conflicts {
    /// Why the action cannot be taken, as sentences.
    pub fn blockers(&self) -> Vec<String> {
        let mut out = Vec::new();
        for c in &self.found {
            let mut why = Vec::new();
            match self.action {
                Action::Error => {
                    out.push(format!("{}.", c.lacks()));
                    continue;
                }
                Action::Leaf if !c.plain => {
                    why.push("It is deferrable, partial or has an expression.".to_string());
                }
                _ => {}
            }
            if c.replica_identity && self.action != Action::Widen {
                why.push("It is the replica identity.".into());
            }
            why.extend(c.referenced.iter().cloned());
            if !why.is_empty() {
                out.push(format!("{}. {}", c.lacks(), why.join(" ")));
            }
        }
        out
    }

    /// The definition under which an index or constraint is made again; `None`: not at all.
    pub fn definition(&self, index: pg_sys::Oid, definition: &str) -> Option<String> {
        match (self.found.iter().find(|c| c.index == index), self.action) {
            (None, _) => Some(definition.to_string()),
            (Some(c), Action::Widen) => Some(c.widen(definition)),
            _ => None,
        }
    }

    /// True for what is said about a key that is not made again.
    pub fn is_lost_comment(&self, sql: &str, target: &str) -> bool {
        if self.action == Action::Widen {
            return false;
        }
        self.found.iter().any(|c| {
            let index = quote_qualified(&c.schema, &c.name);
            let constraint = quote_ident(&c.constraint);
            sql.starts_with(&format!("COMMENT ON INDEX {index} IS"))
                || sql.starts_with(&format!("ALTER INDEX {index} DEPENDS"))
                || (!c.constraint.is_empty()
                    && sql.starts_with(&format!(
                        "COMMENT ON CONSTRAINT {constraint} ON {target} IS"
                    )))
        })
    }

    /// Columns that become members of a primary key, which must not be NULL.
    pub fn new_members(&self) -> Vec<String> {
        let widened = self.action == Action::Widen;
        let primary = self.found.iter().find(|c| c.kind == PRIMARY);
        let missing = primary.filter(|_| widened).map(|c| c.missing.clone());
        missing.unwrap_or_default()
    }

    /// Commands that take the keys off a table that had them, where they change or go. In a table that becomes
    /// one chunk, a key of each chunk stays as it is.
    pub fn drops(&self, table: &str) -> Vec<String> {
        if !matches!(self.action, Action::Widen | Action::Drop) {
            return Vec::new();
        }
        // an index takes its constraint along when it is renamed
        let drop = |c: &Conflict| {
            let name = super::convert::old_name(c.index.to_u32());
            match c.constraint.is_empty() {
                true => format!("DROP INDEX {}", quote_qualified(&c.schema, &name)),
                false => format!("ALTER TABLE {table} DROP CONSTRAINT {}", quote_ident(&name)),
            }
        };
        self.found.iter().map(drop).collect()
    }

    /// Enters the keys that are unique inside chunks from now on.
    pub fn enroll(&self, hypertable: i32) -> Result<()> {
        if self.action != Action::Leaf {
            return Ok(());
        }
        for c in &self.found {
            let args = [
                hypertable.into(),
                c.columns.clone().into(),
                c.nulls_not_distinct.into(),
            ];
            as_extension_owner(|| spi::execute(ADD_LEAF_KEY, &args))?;
        }
        Ok(())
    }

    /// What is done, for the report; null when there is nothing to do.
    pub fn report(&self) -> Value {
        let entries: Vec<Value> = self
            .found
            .iter()
            .map(|c| match self.action {
                Action::Error => json!({"key": c.title(), "action": "error"}),
                Action::Widen => {
                    json!({"key": c.title(), "action": "widen", "columns": c.wide_list()})
                }
                Action::Leaf => json!({"key": c.title(), "action": "leaf"}),
                Action::Drop => json!({"key": c.title(), "action": "drop"}),
            })
            .collect();
        if entries.is_empty() {
            Value::Null
        } else {
            json!(entries)
        }
    }
}
