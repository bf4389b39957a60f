//! What keeps a table from becoming a hypertable: all reasons at once, before anything is changed.
//!
//! Runs with `search_path = pg_catalog, pg_temp` (see `chunks::ddl_settings`).

use super::bounds::KeyType;
use super::catalog::{Column, Partitioning, Table};
use crate::error::{Error, Kind, Result};
use crate::pg::spi;
use pgrx::pg_sys;

// $1 the table, $2 the name of its key column, $3 true on PostgreSQL 15 and 16
const BLOCKERS: &str = "
WITH t AS (SELECT c.*, (SELECT attnum FROM pg_attribute WHERE attrelid = c.oid AND attname = $2::name) AS key FROM pg_class c WHERE c.oid = $1),
own AS (
  SELECT 'pg_class'::regclass::oid AS classid, $1::oid AS objid
  UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1
  UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = $1
  UNION ALL SELECT 'pg_type'::regclass, reltype FROM t
  UNION ALL SELECT 'pg_type'::regclass, y.typarray FROM t JOIN pg_type y ON y.oid = t.reltype)
SELECT 1 AS n, 'It is unlogged, which partitioned tables cannot be: ALTER TABLE ... SET LOGGED.' AS why FROM t WHERE relpersistence = 'u'
UNION ALL
SELECT 2, format('It is a typed table (OF %s).', reloftype::regtype) FROM t WHERE reloftype <> 0
UNION ALL
SELECT 3, format('It uses the table access method \"%s\", not heap.', a.amname) FROM t JOIN pg_am a ON a.oid = t.relam WHERE a.amname <> 'heap'
UNION ALL
SELECT 4, format('Column \"%s\" is generated, and a generated column cannot be the partition key.', $2)
FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = t.key WHERE a.attgenerated <> ''
UNION ALL
SELECT 5, format('It inherits from table %s.', i.inhparent::regclass) FROM pg_inherits i WHERE i.inhrelid = $1
UNION ALL
SELECT 5, format('Table %s inherits from it.', i.inhrelid::regclass) FROM pg_inherits i WHERE i.inhparent = $1
UNION ALL
SELECT 7, format('Exclusion constraint \"%s\" needs PostgreSQL 17 or later on a partitioned table.', c.conname)
FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'x' AND $3
UNION ALL
SELECT 8, format('Index \"%s\" is invalid: REINDEX or DROP it.', x.relname)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = $1 AND NOT i.indisvalid
UNION ALL
SELECT 9, format('CHECK constraint \"%s\" is NO INHERIT.', c.conname)
FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'c' AND c.connoinherit
UNION ALL
SELECT 9, format('Constraint \"%s\" is NOT VALID: ALTER TABLE ... VALIDATE CONSTRAINT %I.', c.conname, c.conname)
FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype IN ('c', 'f', 'n') AND NOT c.convalidated
    AND to_jsonb(c)->>'conenforced' IS DISTINCT FROM 'false'
UNION ALL
SELECT 9, format('Constraint \"%s\" is NOT ENFORCED: ALTER TABLE ... DROP CONSTRAINT %I.', c.conname, c.conname)
FROM pg_constraint c WHERE c.conrelid = $1 AND to_jsonb(c)->>'conenforced' = 'false'
UNION ALL
SELECT 10, format('Row trigger \"%s\" has transition tables.', g.tgname)
FROM pg_trigger g WHERE g.tgrelid = $1 AND NOT g.tgisinternal AND g.tgtype & 1 = 1 AND (g.tgoldtable IS NOT NULL OR g.tgnewtable IS NOT NULL)
UNION ALL
SELECT 11, format('Publication \"%s\" has a row filter or column list for it and publish_via_partition_root is off.', p.pubname)
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
WHERE r.prrelid = $1 AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL) AND NOT p.pubviaroot
UNION ALL
SELECT DISTINCT 12, format('Temporary view %s depends on it.', v.oid::regclass)
FROM pg_depend d JOIN own o ON d.refclassid = o.classid AND d.refobjid = o.objid
JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v' AND v.relpersistence = 't'
UNION ALL
SELECT DISTINCT 13, format('%s depends on the sequence of its identity column, and cannot be carried over.', upper(left(s.d, 1)) || substr(s.d, 2)) FROM (
  SELECT CASE WHEN d.classid = 'pg_rewrite'::regclass
              THEN (SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0) FROM pg_rewrite r WHERE r.oid = d.objid)
              ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END AS d
  FROM pg_depend q JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = q.objid
  WHERE q.classid = 'pg_class'::regclass AND q.refclassid = 'pg_class'::regclass AND q.refobjid = $1 AND q.deptype = 'i' AND q.refobjsubid > 0) s
UNION ALL
SELECT DISTINCT 13, format('%s depends on it, and cannot be carried over.', upper(left(s.d, 1)) || substr(s.d, 2)) FROM (
  SELECT CASE WHEN d.classid = 'pg_rewrite'::regclass
              THEN (SELECT pg_describe_object('pg_class'::regclass, r.ev_class, 0) FROM pg_rewrite r WHERE r.oid = d.objid)
              ELSE pg_describe_object(d.classid, d.objid, d.objsubid) END AS d
  FROM pg_depend d JOIN own o ON d.refclassid = o.classid AND d.refobjid = o.objid
  WHERE NOT EXISTS (SELECT FROM own x WHERE x.classid = d.classid AND x.objid = d.objid)
    AND NOT CASE d.classid
      WHEN 'pg_class'::regclass THEN d.refobjid = $1 AND EXISTS (SELECT FROM pg_class c WHERE c.oid = d.objid AND c.relkind IN ('S', 't', 'i'))
        OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = d.objid AND i.inhparent = $1)
      WHEN 'pg_attrdef'::regclass THEN EXISTS (SELECT FROM pg_attrdef a WHERE a.oid = d.objid AND a.adrelid = $1)
      WHEN 'pg_constraint'::regclass THEN EXISTS (SELECT FROM pg_constraint c WHERE c.oid = d.objid AND c.contype = 'f' AND c.confrelid = $1)
      WHEN 'pg_trigger'::regclass THEN EXISTS (SELECT FROM pg_trigger g WHERE g.oid = d.objid AND (g.tgrelid = $1 OR g.tgisinternal))
      WHEN 'pg_rewrite'::regclass THEN EXISTS (SELECT FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
                                               WHERE r.oid = d.objid AND (r.ev_class = $1 OR c.relkind = 'v'))
      WHEN 'pg_policy'::regclass THEN EXISTS (SELECT FROM pg_policy p WHERE p.oid = d.objid AND p.polrelid = $1)
      WHEN 'pg_statistic_ext'::regclass THEN EXISTS (SELECT FROM pg_statistic_ext s WHERE s.oid = d.objid AND s.stxrelid = $1)
      WHEN 'pg_publication_rel'::regclass THEN true
      ELSE false END) s
ORDER BY 1, 2";

// tables that a foreign key links, and views: locked before anything changes
const LINKED: &str = "
SELECT DISTINCT x.oid FROM (
  SELECT c.conrelid FROM pg_constraint c WHERE c.confrelid = $1 AND c.contype = 'f'
  UNION SELECT c.confrelid FROM pg_constraint c WHERE c.conrelid = $1 AND c.contype = 'f'
  UNION SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1) x(oid)
WHERE x.oid <> $1 ORDER BY 1";

fn no(kind: Kind, message: String) -> Error {
    Error::new(kind, message)
}

/// Fails for every kind of relation that is never a hypertable, whatever is done about it first.
pub fn check_kind(t: &Table) -> Result<()> {
    let name = &t.name;
    let what = match t.relkind {
        'r' | 'p' => None,
        'v' => Some("a view"),
        'm' => Some("a materialized view"),
        'f' => Some("a foreign table"),
        'i' | 'I' => Some("an index"),
        'S' => Some("a sequence"),
        'c' => Some("a composite type"),
        't' => Some("a TOAST table"),
        _ => Some("not a table"),
    };
    if let Some(what) = what {
        return Err(no(
            Kind::WrongObjectType,
            format!("\"{name}\" is {what}; only a table can become a hypertable"),
        ));
    }
    if t.is_system {
        return Err(no(
            Kind::InsufficientPrivilege,
            format!("\"{name}\" is a system catalog and cannot become a hypertable"),
        ));
    }
    if t.persistence == 't' {
        return Err(no(
            Kind::NotSupported,
            format!("temporary table \"{name}\" cannot become a hypertable"),
        ));
    }
    if t.is_partition {
        return Err(no(
            Kind::NotSupported,
            format!(
                "table \"{name}\" is a partition of another table and cannot become a hypertable"
            ),
        )
        .hint("make a hypertable of the partitioned table, or detach this partition first"));
    }
    if crate::pg::relation_facts::is_member(t.oid) {
        return Err(no(
            Kind::NotSupported,
            format!("table \"{name}\" belongs to an extension and cannot become a hypertable"),
        ));
    }
    Ok(())
}

/// Fails unless a partitioned table is partitioned by range of one plain column, the key.
pub fn check_partitioning(t: &Table, p: &Partitioning, key: &str) -> Result<()> {
    let name = &t.name;
    let how = match (p.strategy, p.columns) {
        ('r', 1) if p.column.is_empty() => "RANGE of an expression",
        ('r', 1) => "",
        ('r', _) => "RANGE of several columns",
        ('l', _) => "LIST",
        ('h', _) => "HASH",
        _ => "an unknown method",
    };
    if !how.is_empty() {
        return Err(no(
            Kind::NotSupported,
            format!(
                "table \"{name}\" is partitioned by {how}; a hypertable is partitioned by RANGE of one column"
            ),
        ));
    }
    if t.persistence == 'u' {
        return Err(no(
            Kind::NotSupported,
            format!("unlogged table \"{name}\" cannot become a hypertable"),
        ));
    }
    if p.column != key {
        return Err(no(
            Kind::InvalidParameter,
            format!(
                "table \"{name}\" is partitioned by column \"{}\", not by \"{key}\"",
                p.column
            ),
        ));
    }
    Ok(())
}

/// The key column, or 42703.
pub fn key_column(t: &Table, key: &str) -> Result<Column> {
    super::catalog::column(t.oid, key).ok_or_else(|| {
        Error::new(
            Kind::UndefinedColumn,
            format!("column \"{key}\" of table \"{}\" does not exist", t.name),
        )
    })
}

/// The type of the key column, or 42804.
pub fn check_key(t: &Table, key: &str, c: &Column) -> Result<KeyType> {
    super::catalog::key_type(c.type_oid).ok_or_else(|| {
        no(
            Kind::WrongType,
            format!(
                "column \"{key}\" of table \"{}\" has type {}, which cannot be the time dimension",
                t.name, c.type_name
            ),
        )
        .detail("The types are timestamp with time zone, timestamp, date, uuid (version 7), bigint, integer and smallint.")
    })
}

/// Everything that keeps a plain table from being made again as a partitioned one, as sentences.
pub fn blockers(table: pg_sys::Oid, key: &str) -> Result<Vec<String>> {
    spi::write(
        BLOCKERS,
        &[
            table.into(),
            key.into(),
            (!crate::pg::session::partitions_may_exclude()).into(),
        ],
        |r| r.need(2),
    )
}

/// Relations that a conversion will lock, in the order of their OIDs.
pub fn linked(table: pg_sys::Oid) -> Result<Vec<pg_sys::Oid>> {
    spi::write(LINKED, &[table.into()], |r| r.need(1))
}

/// One error for all blockers.
pub fn error(t: &Table, key: &str, blockers: &[String]) -> Error {
    let e = no(
        Kind::NotSupported,
        format!("table \"{}\" cannot become a hypertable as it is", t.name),
    )
    .detail(blockers.join("\n"));
    if blockers
        .iter()
        .any(|b| b.contains("does not contain column"))
    {
        let key = crate::pg::catalog::quote_ident(key);
        return e.hint(format!(
            "every primary key and unique index must contain the time column: ALTER TABLE ... DROP CONSTRAINT ..., ADD PRIMARY KEY (..., {key}), or on_conflicting_unique => 'widen'"
        ));
    }
    e
}
