//! Objects by the names that statements have for them, as the search path of the moment says, and whether they were there
//! before the migration.

use super::ddl::{Name, Object, ObjectKind as K};
use crate::error::Result;
use crate::pg::owner::SettingScope;
use crate::pg::{spi, subxact};
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::Oid;
use std::cell::RefCell;
use std::collections::HashSet;

/// Catalogs of objects whose making is followed.
pub(super) const CATALOGS: [&str; 14] = [
    "pg_class",
    "pg_type",
    "pg_proc",
    "pg_namespace",
    "pg_constraint",
    "pg_trigger",
    "pg_policy",
    "pg_rewrite",
    "pg_attrdef",
    "pg_statistic_ext",
    "pg_extension",
    "pg_publication",
    "pg_collation",
    "pg_foreign_server",
];
const RELATION: &str = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
const TYPE: &str = "SELECT pg_catalog.to_regtype($1)::pg_catalog.oid";
/// NULL where there are several
const ROUTINE: &str = "SELECT pg_catalog.to_regproc($1)::pg_catalog.oid";
const ADDRESS: &str = "SELECT a.classid::pg_catalog.regclass::pg_catalog.text, a.objid, a.objsubid \
    FROM pg_catalog.pg_get_object_address($1, $2, $3) a";
const COLUMN: &str = "SELECT attnum FROM pg_attribute WHERE attrelid = $1 AND attname = $2::name AND NOT attisdropped";
const TYPE_RELATION: &str = "SELECT typrelid FROM pg_type WHERE oid = $1 AND typrelid <> 0";
const LABEL: &str = "SELECT oid FROM pg_enum WHERE enumtypid = $1 AND enumlabel = $2::name";
const ALL: &str = "SELECT 'pg_class', oid FROM pg_class UNION ALL SELECT 'pg_type', oid FROM pg_type \
    UNION ALL SELECT 'pg_proc', oid FROM pg_proc UNION ALL SELECT 'pg_namespace', oid FROM pg_namespace \
    UNION ALL SELECT 'pg_extension', oid FROM pg_extension UNION ALL SELECT 'pg_publication', oid FROM pg_publication \
    UNION ALL SELECT 'pg_collation', oid FROM pg_collation \
    UNION ALL SELECT 'pg_foreign_server', oid FROM pg_foreign_server \
    UNION ALL SELECT 'pg_statistic_ext', oid FROM pg_statistic_ext \
    UNION ALL SELECT 'pg_database', oid FROM pg_database UNION ALL SELECT 'pg_authid', oid FROM pg_roles \
    UNION ALL SELECT 'pg_tablespace', oid FROM pg_tablespace UNION ALL SELECT 'pg_event_trigger', oid FROM pg_event_trigger";

/// An object of the server: name of its catalog, its OID, and the number of a column or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub catalog: &'static str,
    pub oid: Oid,
    pub part: i32,
}

/// The catalog as it is, and what was there before the migration.
pub struct Live {
    there: HashSet<(String, u32)>,
    /// the first error, which ends the call
    error: RefCell<Option<crate::error::Error>>,
}

/// Asks under settings that what is printed does not depend on.
pub(super) fn ask<T>(
    sql: &str,
    args: &[DatumWithOid<'_>],
    row: impl FnMut(spi::LatestRow) -> Result<T>,
) -> Result<Vec<T>> {
    let settings = SettingScope::new();
    for (name, value) in [
        ("search_path", "pg_catalog, pg_temp"),
        ("quote_all_identifiers", "off"),
        ("standard_conforming_strings", "on"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("extra_float_digits", "1"),
        ("bytea_output", "hex"),
        ("lc_monetary", "C"),
    ] {
        settings.set(name, value);
    }
    spi::read_latest(sql, args, row)
}

/// The texts of a question's first column, without NULLs.
pub(super) fn texts(sql: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<String>> {
    let found = ask(sql, args, |r| r.get::<String>(1))?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) fn first<T>(all: Vec<T>) -> Option<T> {
    all.into_iter().next()
}

impl Live {
    /// What is there now counts as made before the migration.
    pub fn now() -> Result<Live> {
        let there = ask(ALL, &[], |r| {
            Ok((r.need::<String>(1)?, r.need::<Oid>(2)?.to_u32()))
        })?;
        Ok(Live {
            there: there.into_iter().collect(),
            error: RefCell::default(),
        })
    }

    /// What went wrong while questions were answered.
    pub fn check(&self) -> Result<()> {
        match self.error.borrow_mut().take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    pub(super) fn told<T: Default>(&self, answer: Result<T>) -> T {
        answer.unwrap_or_else(|error| {
            self.error.borrow_mut().get_or_insert(error);
            T::default()
        })
    }

    pub(super) fn relation_oid(&self, name: &Name) -> Option<Oid> {
        let found = spi::read_latest(RELATION, &[name.to_string().into()], |r| r.get::<Oid>(1));
        first(self.told(found)).flatten()
    }

    pub(super) fn type_oid(&self, name: &Name) -> Option<Oid> {
        let found = spi::read_latest(TYPE, &[name.to_string().into()], |r| r.get::<Oid>(1));
        first(self.told(found)).flatten()
    }

    /// The relation of a composite type.
    fn type_relation(&self, name: &Name) -> Option<Oid> {
        let type_ = self.type_oid(name)?;
        first(self.told(ask(TYPE_RELATION, &[type_.into()], |r| r.need::<Oid>(1))))
    }

    pub(super) fn column_of(&self, relation: Oid, column: &str) -> Option<i32> {
        let args = [relation.into(), column.into()];
        let found = self.told(ask(COLUMN, &args, |r| r.need::<i16>(1)));
        first(found).map(i32::from)
    }

    /// The server's own look-up, which raises for what is not there.
    fn look_up(&self, kind: &str, names: Vec<String>, args: Vec<String>) -> Option<Address> {
        let found = subxact::attempt(|| {
            spi::read_latest(ADDRESS, &[kind.into(), names.into(), args.into()], |r| {
                Ok((r.need::<String>(1)?, r.need::<Oid>(2)?, r.need::<i32>(3)?))
            })
        });
        let (catalog, oid, part) = first(found.ok()?.ok()?)?;
        let known = [
            "pg_database",
            "pg_authid",
            "pg_tablespace",
            "pg_event_trigger",
        ];
        let all = CATALOGS.iter().chain(&known);
        let catalog = all
            .copied()
            .find(|c| catalog == **c || catalog.strip_prefix("pg_catalog.") == Some(*c))?;
        Some(Address { catalog, oid, part })
    }

    pub(super) fn find(&self, object: &Object) -> Option<Address> {
        let at = |catalog, oid| Address {
            catalog,
            oid,
            part: 0,
        };
        let names = |name: &Name| -> Vec<String> {
            name.schema.iter().chain([&name.name]).cloned().collect()
        };
        let own = object.name.name.clone();
        let of_table = |kind: &str| {
            let on = object.on.as_ref()?;
            let mut all = names(on);
            all.push(own.clone());
            self.look_up(kind, all, Vec::new())
        };
        match object.kind {
            kind if kind.is_relation() => self
                .relation_oid(&object.name)
                .map(|oid| at("pg_class", oid)),
            K::Type | K::Domain => self.type_oid(&object.name).map(|oid| at("pg_type", oid)),
            K::Column => {
                let oid = self.relation_oid(object.on.as_ref()?)?;
                let part = self.column_of(oid, &own)?;
                Some(Address {
                    catalog: "pg_class",
                    oid,
                    part,
                })
            }
            K::Attribute => {
                let oid = self.type_relation(object.on.as_ref()?)?;
                let part = self.column_of(oid, &own)?;
                Some(Address {
                    catalog: "pg_class",
                    oid,
                    part,
                })
            }
            K::Constraint => of_table("table constraint"),
            K::Trigger => of_table("trigger"),
            K::Rule => of_table("rule"),
            K::Policy => of_table("policy"),
            K::DomainConstraint => {
                let domain = object.on.as_ref()?.to_string();
                self.look_up("domain constraint", vec![domain], vec![own])
            }
            K::Label => {
                let type_ = self.type_oid(object.on.as_ref()?)?;
                let args = [type_.into(), own.into()];
                let found = self.told(ask(LABEL, &args, |r| r.need::<Oid>(1)));
                first(found).map(|oid| at("pg_enum", oid))
            }
            kind if kind.is_routine() => {
                let Some(args) = object.args.clone() else {
                    let name = object.name.to_string();
                    let found = spi::read_latest(ROUTINE, &[name.into()], |r| r.get::<Oid>(1));
                    return first(self.told(found))
                        .flatten()
                        .map(|oid| at("pg_proc", oid));
                };
                self.look_up(&kind.word().to_lowercase(), names(&object.name), args)
            }
            kind => {
                let word = match kind {
                    K::Statistics => "statistics object".to_owned(),
                    K::ForeignDataWrapper => "foreign-data wrapper".to_owned(),
                    kind => kind.word().to_lowercase(),
                };
                self.look_up(&word, names(&object.name), Vec::new())
            }
        }
    }

    pub(super) fn is_new(&self, catalog: &str, oid: Oid) -> bool {
        !self.there.contains(&(catalog.to_owned(), oid.to_u32()))
    }
}
