//! Reading from the catalog what hangs on a table, as the statements that make it again.

use super::carry_sql as sql;
use super::catalog::Hypertable;
use super::convert::{Identity, Phase, Role, Statement, constraint_with_options};
use super::unique::Conflicts;
use crate::error::Result;
use crate::pg::catalog::quote_ident;
use crate::pg::owner::as_extension_owner;
use crate::pg::{relation_facts, spi};
use pgrx::pg_sys;
use std::collections::BTreeMap;

/// Everything that a plain table carries, ready to be made again on the table of the same name.
pub struct Carried {
    pub statements: Vec<Statement>,
    pub identities: Vec<Identity>,
    /// columns that are not generated, quoted, in order
    pub columns: Vec<String>,
    /// storage parameters, for the chunks
    pub options: Vec<String>,
    /// what is carried, by kind
    pub counts: BTreeMap<&'static str, usize>,
    /// what PostgreSQL has no place for on a partitioned table
    pub lost: Vec<String>,
}

type Source = (&'static str, &'static str, Phase, Role);

const SOURCES: &[Source] = &[
    ("", sql::RENAME_INDEXES, Phase::Rename, Role::Extension),
    ("", sql::RENAME_STATISTICS, Phase::Rename, Role::Extension),
    ("", sql::RENAME_IDENTITIES, Phase::Rename, Role::Extension),
    (
        "column settings",
        sql::COLUMN_SETTINGS,
        Phase::Create,
        Role::Extension,
    ),
    (
        "row security flags",
        sql::ROW_SECURITY,
        Phase::Create,
        Role::Extension,
    ),
    (
        "extended statistics",
        sql::STATISTICS,
        Phase::Create,
        Role::Extension,
    ),
    (
        "",
        sql::DROP_REFERENCES_IN,
        Phase::References,
        Role::Extension,
    ),
    (
        "foreign keys",
        sql::REFERENCES_OUT,
        Phase::References,
        Role::Owner,
    ),
    (
        "foreign keys to it",
        sql::REFERENCES_IN,
        Phase::Incoming,
        Role::Extension,
    ),
    ("triggers", sql::TRIGGERS, Phase::Attach, Role::Extension),
    ("rules", sql::RULES, Phase::Attach, Role::Extension),
    ("policies", sql::POLICIES, Phase::Attach, Role::Extension),
    (
        // after the foreign keys in: their check reads the table as an owner whom FORCE would stop
        "forced row security",
        sql::FORCE_ROW_SECURITY,
        Phase::Dependents,
        Role::Extension,
    ),
    (
        "replica identity",
        sql::REPLICA_IDENTITY,
        Phase::Attach,
        Role::Extension,
    ),
    (
        "owned sequences",
        sql::OWNED_SEQUENCES,
        Phase::Attach,
        Role::Extension,
    ),
    ("views", sql::VIEWS, Phase::Dependents, Role::Extension),
    (
        "publications",
        sql::PUBLICATIONS,
        Phase::Dependents,
        Role::Extension,
    ),
    ("", sql::EXTENSIONS, Phase::Describe, Role::Extension),
    ("comments", sql::COMMENTS, Phase::Describe, Role::Extension),
    (
        "security labels",
        sql::LABELS,
        Phase::Describe,
        Role::Extension,
    ),
    ("privileges", sql::GRANTS, Phase::Grant, Role::Extension),
];

fn statements(source: &Source, from: pg_sys::Oid, target: &str) -> Result<Vec<Statement>> {
    let (_, query, phase, role) = *source;
    spi::write(query, &[from.into(), target.into()], |r| {
        let user: pg_sys::Oid = r.need(2)?;
        Ok(Statement {
            phase,
            role: match user.to_u32() {
                0 => role,
                user => Role::User(user),
            },
            sql: r.need(1)?,
            tablespace: String::new(),
        })
    })
}

/// Reads all of it. `target` is the quoted, qualified name that the table has and will have.
pub fn capture(table: pg_sys::Oid, target: &str, conflicts: &Conflicts) -> Result<Carried> {
    let mut out = Vec::new();
    let mut counts = BTreeMap::new();
    for source in SOURCES {
        let mut found = statements(source, table, target)?;
        found.retain(|s| !conflicts.is_lost_comment(&s.sql, target));
        // an object may need several statements, but exactly one that is not ALTER TABLE ... or REVOKE
        let objects = match source.0 {
            "" => 0,
            "triggers" | "rules" | "extended statistics" => {
                found.iter().filter(|s| s.sql.starts_with("CREATE")).count()
            }
            "privileges" => found.iter().filter(|s| s.sql.starts_with("GRANT")).count(),
            _ => found.len(),
        };
        if objects > 0 {
            counts.insert(source.0, objects);
        }
        out.extend(found);
    }
    let indexes = indexes(table, target, conflicts, &mut out)?;
    if indexes > 0 {
        counts.insert("indexes", indexes);
    }
    let mut identities = Vec::new();
    for (identity, sequence) in identity_columns(table)? {
        let name = format!(
            "{}.{}",
            quote_ident(&identity.schema),
            quote_ident(&identity.sequence)
        );
        let grants = statements(
            &("", sql::GRANTS, Phase::Grant, Role::Extension),
            sequence,
            &name,
        )?;
        out.extend(grants);
        identities.push(identity);
    }
    if !identities.is_empty() {
        counts.insert("identity columns", identities.len());
    }
    let text = |r: spi::Row| r.need::<String>(1);
    Ok(Carried {
        statements: out,
        identities,
        columns: spi::write(sql::COLUMNS, &[table.into()], text)?,
        options: spi::write_one(sql::OPTIONS, &[table.into()], |r| r.need(1))?.unwrap_or_default(),
        counts,
        lost: spi::write(sql::CLUSTERED, &[table.into()], text)?
            .into_iter()
            .map(|i| format!("CLUSTER mark of index \"{i}\""))
            .collect(),
    })
}

fn identity_columns(table: pg_sys::Oid) -> Result<Vec<(Identity, pg_sys::Oid)>> {
    spi::write(sql::IDENTITIES, &[table.into()], |r| {
        Ok((
            Identity {
                column: r.need(1)?,
                schema: r.need(2)?,
                sequence: r.need(3)?,
            },
            r.need(4)?,
        ))
    })
}

fn indexes(
    table: pg_sys::Oid,
    target: &str,
    conflicts: &Conflicts,
    out: &mut Vec<Statement>,
) -> Result<usize> {
    let found = spi::write(sql::INDEXES, &[table.into()], |r| {
        let index: pg_sys::Oid = r.need(8)?;
        let definition = match (r.get::<String>(3)?, r.get::<String>(4)?) {
            (Some(constraint), Some(name)) => conflicts.definition(index, &constraint).map(|d| {
                Ok::<_, crate::error::Error>(format!(
                    "ALTER TABLE {target} ADD CONSTRAINT {} {}",
                    quote_ident(&name),
                    constraint_with_options(&d, &r.need::<String>(5)?)
                ))
            }),
            _ => conflicts.definition(index, &r.need::<String>(2)?).map(Ok),
        };
        Ok(match definition {
            Some(d) => Some((d?, r.need::<String>(6)?, r.need::<Vec<String>>(7)?)),
            None => None,
        })
    })?;
    let found: Vec<_> = found.into_iter().flatten().collect();
    let n = found.len();
    for (sql, tablespace, settings) in found {
        // both run index expressions as the table's owner: core switches to that role itself
        let statement = |sql: String, tablespace| Statement {
            phase: Phase::Keys,
            role: Role::Extension,
            sql,
            tablespace,
        };
        out.push(statement(sql, tablespace));
        let settings = settings.into_iter();
        out.extend(settings.map(|s| statement(s, String::new())));
    }
    Ok(n)
}

/// Takes away what ALTER DEFAULT PRIVILEGES gave to others on a relation that we have just made.
pub fn strip_privileges(relation: pg_sys::Oid) -> Result<()> {
    for sql in spi::write(sql::REVOKES, &[relation.into()], |r| r.need::<String>(1))? {
        spi::execute(&sql, &[])?;
    }
    Ok(())
}

/// What new chunks of a hypertable get that LIKE and ATTACH do not give: owner, statistics targets, row
/// security, replica identity, labels. Read once for all of them. Grants are not copied: access through the
/// hypertable is checked there, and only there.
pub struct ForChunks {
    owner: pg_sys::Oid,
    owner_name: String,
    /// of ALTER TABLE
    actions: Vec<String>,
    /// statements in two halves, with the name of the chunk between them
    labels: Vec<(String, String)>,
    /// as pg_class.relreplident
    replica_identity: char,
}

impl ForChunks {
    pub fn of(h: &Hypertable) -> Result<ForChunks> {
        let (mut actions, mut labels) = (Vec::new(), Vec::new());
        // definitions are written for this search_path
        let found = as_extension_owner(|| {
            spi::write(sql::FOR_CHUNKS, &[h.table.oid.into()], |r| {
                Ok((r.need::<String>(1)?, r.get::<String>(2)?))
            })
        })?;
        for (text, rest) in found {
            match rest {
                None => actions.push(text),
                Some(rest) => labels.push((text, rest)),
            }
        }
        if h.table.row_security {
            actions.push("ENABLE ROW LEVEL SECURITY".to_string());
        }
        match h.table.replica_identity {
            'n' => actions.push("REPLICA IDENTITY NOTHING".to_string()),
            'f' => actions.push("REPLICA IDENTITY FULL".to_string()),
            _ => {}
        }
        Ok(ForChunks {
            owner: h.table.owner,
            owner_name: quote_ident(&h.table.owner_name),
            actions,
            labels,
            replica_identity: h.table.replica_identity,
        })
    }

    /// Gives all of it to a new table, and `more` actions of ALTER TABLE.
    pub fn give(&self, oid: pg_sys::Oid, chunk: &str, more: &[String]) -> Result<()> {
        let found = relation_facts::owner_and_grants(oid);
        let (owner, granted) = found.unwrap_or((pg_sys::InvalidOid, true));
        if granted {
            strip_privileges(oid)?;
        }
        let mut actions = self.actions.clone();
        if owner != self.owner {
            actions.push(format!("OWNER TO {}", self.owner_name));
        }
        actions.extend_from_slice(more);
        if !actions.is_empty() {
            spi::execute(&format!("ALTER TABLE {chunk} {}", actions.join(", ")), &[])?;
        }
        for (before, after) in &self.labels {
            spi::execute(&format!("{before}{chunk}{after}"), &[])?;
        }
        Ok(())
    }

    /// The replica identity of a hypertable is one of its indexes: chunks get theirs with ATTACH.
    pub fn identity_is_an_index(&self) -> bool {
        self.replica_identity == 'i'
    }
}

/// Gives a chunk the grants of its hypertable.
pub fn copy_grants(parent: pg_sys::Oid, chunk: &str) -> Result<()> {
    for s in statements(
        &("", sql::GRANTS, Phase::Grant, Role::Extension),
        parent,
        chunk,
    )? {
        match s.role {
            Role::User(user) => {
                let _user = crate::pg::owner::UserScope::restricted(user.into());
                spi::execute(&s.sql, &[])?
            }
            _ => spi::execute(&s.sql, &[])?,
        };
    }
    Ok(())
}

/// Switches row security on for a chunk whose hypertable has it: nobody goes round its policies.
pub fn copy_row_security(parent: pg_sys::Oid, chunk: &str) -> Result<()> {
    for s in statements(
        &("", sql::ROW_SECURITY, Phase::Create, Role::Extension),
        parent,
        chunk,
    )? {
        spi::execute(&s.sql, &[])?;
    }
    Ok(())
}

/// Gives a chunk the replica identity of its hypertable; needs the indexes, so it comes after ATTACH.
pub fn copy_replica_identity(parent: pg_sys::Oid, oid: pg_sys::Oid, chunk: &str) -> Result<()> {
    let sql = spi::write_one(
        sql::CHILD_REPLICA_IDENTITY,
        &[parent.into(), oid.into(), chunk.into()],
        |r| r.get::<String>(1),
    )?;
    if let Some(sql) = sql.flatten() {
        spi::execute(&sql, &[])?;
    }
    Ok(())
}
