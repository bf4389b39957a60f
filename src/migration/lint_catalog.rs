//! What lint asks the live catalog. Only catalogs are read, as the caller; no function of a user runs, and nobody's lock
//! is waited for. Each question is asked once.

use super::ddl::Name;
use super::lint::{
    ColumnFacts, ConstraintFacts, Extension, Facts, IndexFacts, Relation, RelationKind, Size,
};
use super::lint_dependents;
use crate::error::Result;
use crate::pg::catalog::check_for_interrupts;
use crate::pg::relation_sizes::{PAGE_BYTES, pages_and_rows};
use crate::pg::{column_type, session, spi};
use pgrx::pg_sys::Oid;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};

// The session's search_path is in force: every name and operator of these has its schema.
const FIND: &str = "SELECT c.oid, c.relkind::pg_catalog.text FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
    WHERE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name";
/// A relation with all its partitions, and the indexes and TOAST tables of each.
const STORED: &str = "WITH RECURSIVE part (oid) AS (SELECT $1 UNION SELECT i.inhrelid FROM part \
      JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) part.oid AND p.relkind OPERATOR(pg_catalog.=) 'p' \
      JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) part.oid), \
    main (oid, toast) AS (SELECT c.oid, c.reltoastrelid FROM part \
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) part.oid \
      WHERE c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}'::pg_catalog.\"char\"[])), \
    stored (oid, is_main) AS (SELECT oid, true FROM main \
      UNION ALL SELECT toast, false FROM main WHERE toast OPERATOR(pg_catalog.<>) 0 \
      UNION ALL SELECT i.indexrelid, false FROM main \
        JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) main.oid \
      UNION ALL SELECT i.indexrelid, false FROM main \
        JOIN pg_catalog.pg_index i ON i.indrelid OPERATOR(pg_catalog.=) main.toast) \
    SELECT s.oid, s.is_main, c.relpages, c.reltuples::pg_catalog.float8 FROM stored s \
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.oid";
const COLUMNS: &str = "SELECT a.attname::pg_catalog.text, a.attnum, a.atttypid, a.atttypmod, a.attcollation, \
    pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k \
      WHERE k.conrelid OPERATOR(pg_catalog.=) a.attrelid AND k.contype OPERATOR(pg_catalog.=) 'n' \
      AND NOT k.convalidated AND k.conkey[1] OPERATOR(pg_catalog.=) a.attnum) \
    FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) $1 \
    AND a.attnum OPERATOR(pg_catalog.>) 0 AND NOT a.attisdropped";
const CONSTRAINTS: &str = "SELECT k.conname::pg_catalog.text, k.convalidated, \
    CASE WHEN k.contype OPERATOR(pg_catalog.=) 'c' THEN k.conbin::pg_catalog.text END \
    FROM pg_catalog.pg_constraint k WHERE k.conrelid OPERATOR(pg_catalog.=) $1";
const INDEXES: &str = "SELECT c.relname::pg_catalog.text, m.amname::pg_catalog.text, i.indisunique, \
    EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid OPERATOR(pg_catalog.=) i.indexrelid \
      AND k.contype OPERATOR(pg_catalog.=) ANY ('{p,u,x}'::pg_catalog.\"char\"[])), \
    ARRAY(SELECT a.attname::pg_catalog.text \
      FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k (attnum, place) \
      LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid \
        AND a.attnum OPERATOR(pg_catalog.=) k.attnum AND k.attnum OPERATOR(pg_catalog.<>) 0 \
      WHERE k.place OPERATOR(pg_catalog.<=) i.indnkeyatts ORDER BY k.place), \
    i.indexprs IS NULL AND i.indkey::pg_catalog.int2[] OPERATOR(pg_catalog.<>) '{0}' \
      AND NOT EXISTS (SELECT FROM ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]), \
          pg_catalog.unnest(i.indclass::pg_catalog.oid[]), pg_catalog.unnest(i.indcollation::pg_catalog.oid[]), \
          pg_catalog.unnest(i.indoption::pg_catalog.int2[])) WITH ORDINALITY k (attnum, opclass, collation_id, option, place) \
        JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid \
          AND a.attnum OPERATOR(pg_catalog.=) k.attnum \
        JOIN pg_catalog.pg_opclass o ON o.oid OPERATOR(pg_catalog.=) k.opclass \
        WHERE k.place OPERATOR(pg_catalog.<=) i.indnkeyatts AND (k.option OPERATOR(pg_catalog.<>) 0 OR NOT o.opcdefault \
          OR k.collation_id OPERATOR(pg_catalog.<>) a.attcollation)), \
    i.indpred IS NOT NULL FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
    JOIN pg_catalog.pg_am m ON m.oid OPERATOR(pg_catalog.=) c.relam \
    WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisvalid ORDER BY c.relname";
const TABLE_OF_INDEX: &str = "SELECT n.nspname::pg_catalog.text, t.relname::pg_catalog.text \
    FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace s ON s.oid OPERATOR(pg_catalog.=) c.relnamespace \
    JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid \
    JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace \
    WHERE s.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name AND c.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name";
const SCHEMAS: &str = "SELECT n.nspname::pg_catalog.text FROM pg_catalog.pg_namespace n";
const IN_SCHEMA: &str = "SELECT c.oid FROM pg_catalog.pg_class c \
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
    WHERE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name \
    AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,m}'::pg_catalog.\"char\"[])";
const VOLATILE: &str = "SELECT pg_catalog.bool_or(p.provolatile OPERATOR(pg_catalog.=) 'v') \
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
    WHERE p.proname OPERATOR(pg_catalog.=) $2::pg_catalog.name AND CASE WHEN $1 IS NULL \
      THEN pg_catalog.pg_function_is_visible(p.oid) ELSE n.nspname OPERATOR(pg_catalog.=) $1::pg_catalog.name END";
const EXTENSIONS: &str = "SELECT v.name::pg_catalog.text, \
    pg_catalog.bool_or(e.oid IS NOT NULL), pg_catalog.bool_or(v.trusted OR NOT v.superuser) \
    FROM pg_catalog.pg_available_extension_versions() v \
    LEFT JOIN pg_catalog.pg_extension e ON e.extname OPERATOR(pg_catalog.=) v.name GROUP BY v.name";

/// A column with what a change of its type needs.
struct Column {
    facts: ColumnFacts,
    type_: (Oid, i32, Oid),
}

/// What is known of a relation that somebody has asked about.
#[derive(Default)]
struct Known {
    columns: HashMap<String, Column>,
    constraints: HashMap<String, ConstraintFacts>,
}

/// The catalog as it is now.
pub struct Catalog {
    /// search paths of files that have one of their own
    paths: HashMap<String, Vec<String>>,
    /// that of all others
    path: Vec<String>,
    schemas: HashSet<String>,
    relations: RefCell<HashMap<Name, Option<(Oid, Relation)>>>,
    known: RefCell<HashMap<u32, Known>>,
    volatile: RefCell<HashMap<Name, bool>>,
    extensions: OnceCell<HashMap<String, Extension>>,
    /// the first error, which ends the call: rules go on without an answer meanwhile
    error: RefCell<Option<crate::error::Error>>,
}

impl Catalog {
    /// `path`: the search path of files but for those in `paths`.
    pub fn new(path: Vec<String>, paths: HashMap<String, Vec<String>>) -> Result<Catalog> {
        let schemas = spi::read_latest(SCHEMAS, &[], |r| r.need::<String>(1))?;
        Ok(Catalog {
            paths,
            path,
            schemas: schemas.into_iter().collect(),
            relations: RefCell::default(),
            known: RefCell::default(),
            volatile: RefCell::default(),
            extensions: OnceCell::new(),
            error: RefCell::default(),
        })
    }

    /// What went wrong while questions were answered.
    pub fn end(self) -> Result<()> {
        match self.error.into_inner() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// The answer, or none where the question failed.
    fn told<T: Default>(&self, answer: Result<T>) -> T {
        answer.unwrap_or_else(|error| {
            self.error.borrow_mut().get_or_insert(error);
            T::default()
        })
    }

    fn find(&self, name: &Name) -> Option<(Oid, Relation)> {
        if let Some(known) = self.relations.borrow().get(name) {
            return *known;
        }
        let found = self.told(look_up(name));
        self.relations.borrow_mut().insert(name.clone(), found);
        found
    }

    fn with_known<T>(&self, relation: &Name, ask: impl FnOnce(&Known) -> T) -> Option<T> {
        let (oid, _) = self.find(relation)?;
        let mut all = self.known.borrow_mut();
        let known = all
            .entry(oid.to_u32())
            .or_insert_with(|| self.told(details(oid)));
        Some(ask(known))
    }
}

fn look_up(name: &Name) -> Result<Option<(Oid, Relation)>> {
    let Some(schema) = &name.schema else {
        return Ok(None);
    };
    check_for_interrupts();
    let args = [schema.as_str().into(), name.name.as_str().into()];
    let found = spi::read_kept(FIND, &args, |r| {
        Ok((r.need::<Oid>(1)?, r.need::<String>(2)?))
    })?;
    let Some((oid, kind)) = found.into_iter().next() else {
        return Ok(None);
    };
    let kind = match kind.as_str() {
        "r" => RelationKind::Table,
        "p" => RelationKind::Partitioned,
        "m" => RelationKind::MaterializedView,
        // indexes are asked for by table_of_index
        "i" | "I" | "t" => return Ok(None),
        _ => RelationKind::Other,
    };
    let size = match kind {
        RelationKind::Other => Size::default(),
        _ => size(oid)?,
    };
    Ok(Some((oid, Relation { kind, size })))
}

fn size(oid: Oid) -> Result<Size> {
    let parts = spi::read_kept(STORED, &[oid.into()], |r| {
        let (pages, rows) = (r.need::<i32>(3)?, r.need::<f64>(4)?);
        Ok((r.need::<Oid>(1)?, r.need::<bool>(2)?, pages, rows))
    })?;
    let mut size = Size::default();
    for (oid, is_main, pages, rows) in parts {
        // what somebody holds for himself is as large as it was when it was last looked at
        let (pages, rows) = pages_and_rows(oid).unwrap_or_else(|| {
            let pages = u64::try_from(pages).unwrap_or(0);
            (pages, rows.max(0.0) as u64)
        });
        if is_main {
            size.pages += pages;
            size.rows += rows;
        }
        size.bytes += pages * PAGE_BYTES;
    }
    Ok(size)
}

fn details(oid: Oid) -> Result<Known> {
    let args = [oid.into()];
    let mut known = Known::default();
    let mut names: HashMap<i16, String> = HashMap::new();
    let columns = spi::read_kept(COLUMNS, &args, |r| {
        let name: String = r.need(1)?;
        names.insert(r.need(2)?, name.clone());
        let column = Column {
            facts: ColumnFacts {
                type_: r.need(6)?,
                not_null: r.need(7)?,
                checked_not_null: false,
            },
            type_: (r.need(3)?, r.need(4)?, r.need(5)?),
        };
        Ok((name, column))
    })?;
    known.columns.extend(columns);
    let constraints = spi::read_kept(CONSTRAINTS, &args, |r| {
        Ok((
            r.need::<String>(1)?,
            r.need::<bool>(2)?,
            r.get::<String>(3)?,
        ))
    })?;
    for (name, valid, check) in constraints {
        let numbers = check.map(|c| column_type::not_null_columns(&c));
        let columns = numbers.into_iter().flatten();
        let not_null: Vec<String> = columns.filter_map(|n| names.get(&n).cloned()).collect();
        for column in not_null.iter().filter(|_| valid) {
            if let Some(column) = known.columns.get_mut(column) {
                column.facts.checked_not_null = true;
            }
        }
        known
            .constraints
            .insert(name, ConstraintFacts { valid, not_null });
    }
    Ok(known)
}

fn indexes(oid: Oid) -> Result<Vec<IndexFacts>> {
    spi::read_kept(INDEXES, &[oid.into()], |r| {
        let columns: Vec<Option<String>> = r.need(5)?;
        Ok(IndexFacts {
            name: r.need(1)?,
            method: r.need(2)?,
            unique: r.need(3)?,
            of_constraint: r.need(4)?,
            leading: columns.into_iter().map_while(|c| c).collect(),
            plain: r.need(6)?,
            partial: r.need(7)?,
        })
    })
}

fn table_of_index(index: &Name) -> Result<Option<Name>> {
    let Some(schema) = &index.schema else {
        return Ok(None);
    };
    let args = [schema.as_str().into(), index.name.as_str().into()];
    let found = spi::read_kept(TABLE_OF_INDEX, &args, |r| {
        let (schema, table): (String, String) = (r.need(1)?, r.need(2)?);
        Ok(Name::new(Some(&schema), &table))
    })?;
    Ok(found.into_iter().next())
}

fn schema_size(schema: &str) -> Result<Size> {
    let tables = spi::read_kept(IN_SCHEMA, &[schema.into()], |r| r.need::<Oid>(1))?;
    let mut all = Size::default();
    for table in tables {
        check_for_interrupts();
        let one = size(table)?;
        all.pages += one.pages;
        all.rows += one.rows;
        all.bytes += one.bytes;
    }
    Ok(all)
}

fn is_volatile(function: &Name) -> Result<Option<bool>> {
    let args = [
        function.schema.as_deref().into(),
        function.name.as_str().into(),
    ];
    let found = spi::read_kept(VOLATILE, &args, |r| r.get::<bool>(1))?;
    Ok(found.into_iter().next().flatten())
}

fn extensions() -> Result<HashMap<String, Extension>> {
    let all = spi::read_latest(EXTENSIONS, &[], |r| {
        let extension = Extension {
            installed: r.need(2)?,
            trusted: r.get(3)?.unwrap_or(false),
        };
        Ok((r.need::<String>(1)?, extension))
    })?;
    Ok(all.into_iter().collect())
}

impl Facts for Catalog {
    fn search_path(&self, filename: &str) -> Vec<String> {
        let path = self.paths.get(filename);
        path.unwrap_or(&self.path).clone()
    }

    fn server_major(&self) -> u32 {
        session::server_major()
    }

    fn relation(&self, relation: &Name) -> Option<Relation> {
        self.find(relation).map(|(_, facts)| facts)
    }

    fn column(&self, relation: &Name, column: &str) -> Option<ColumnFacts> {
        let of = |known: &Known| known.columns.get(column).map(|c| c.facts.clone());
        self.with_known(relation, of).flatten()
    }

    fn rewrites(&self, relation: &Name, column: &str, type_: &str) -> bool {
        let of = |known: &Known| known.columns.get(column).map(|c| c.type_);
        let stored = self.with_known(relation, of).flatten();
        stored.is_none_or(|(from, modifier, collation)| {
            column_type::rewrites(from, modifier, collation, type_)
        })
    }

    fn indexes(&self, relation: &Name) -> Vec<IndexFacts> {
        match self.find(relation) {
            Some((oid, _)) => self.told(indexes(oid)),
            None => Vec::new(),
        }
    }

    fn table_of_index(&self, index: &Name) -> Option<Name> {
        self.told(table_of_index(index))
    }

    fn constraint(&self, relation: &Name, constraint: &str) -> Option<ConstraintFacts> {
        let of = |known: &Known| known.constraints.get(constraint).cloned();
        self.with_known(relation, of).flatten()
    }

    fn has_schema(&self, schema: &str) -> bool {
        self.schemas.contains(schema)
    }

    fn schema_size(&self, schema: &str) -> Size {
        self.told(schema_size(schema))
    }

    fn columns_of_type(&self, type_: &Name) -> Vec<(Name, String)> {
        self.told(lint_dependents::of_type(type_))
    }

    fn columns_of_extension(&self, extension: &str) -> Vec<(Name, String)> {
        self.told(lint_dependents::of_extension(extension))
    }

    fn is_volatile(&self, function: &Name) -> bool {
        if let Some(known) = self.volatile.borrow().get(function) {
            return *known;
        }
        let told = self.told(is_volatile(function)).unwrap_or(true);
        self.volatile.borrow_mut().insert(function.clone(), told);
        told
    }

    fn extension(&self, extension: &str) -> Option<Extension> {
        let all = self.extensions.get_or_init(|| self.told(extensions()));
        all.get(extension).copied()
    }
}
