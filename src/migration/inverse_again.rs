//! How to make an object again, as the catalog has it now.

use super::ddl::ObjectKind as K;
use super::inverse::Definition;
use super::inverse_find::{Address, Live, ask, first, texts};
use super::inverse_sql as sql;
use crate::error::Result;
use pgrx::pg_sys::Oid;

impl Live {
    /// How to make an object, by its address.
    pub(super) fn made_again(&self, at: Address, kind: K) -> Result<Option<Definition>> {
        let oid = at.oid;
        let one = |sql| texts(sql, &[oid.into()]);
        let with_part = |sql| texts(sql, &[oid.into(), at.part.into()]);
        let (mut create, mut links) = (Vec::new(), Vec::new());
        let mut kind = match at.catalog {
            "pg_class" => kind,
            "pg_type" => K::Type,
            "pg_proc" => K::Function,
            "pg_constraint" => K::Constraint,
            "pg_namespace" => K::Schema,
            _ => K::Rule,
        };
        match (at.catalog, at.part) {
            ("pg_class", 0) => {
                let of = "SELECT relkind::text FROM pg_class WHERE oid = $1";
                let relkind = first(one(of)?).unwrap_or_default();
                match relkind.as_str() {
                    "r" | "p" => {
                        kind = K::Table;
                        self.table(oid, &mut create, &mut links)?;
                    }
                    "v" | "m" => {
                        kind = if relkind == "v" {
                            K::View
                        } else {
                            K::MaterializedView
                        };
                        create = one(sql::VIEW)?;
                        parts(oid, 0, &mut create, &mut links)?;
                    }
                    "i" | "I" => {
                        kind = K::Index;
                        create = one(sql::INDEX)?;
                    }
                    "S" => {
                        kind = K::Sequence;
                        create = one(sql::SEQUENCE)?;
                        links = one(sql::SEQUENCE_OWNER)?;
                        parts(oid, 0, &mut create, &mut links)?;
                    }
                    _ => return Ok(None),
                }
            }
            ("pg_class", part) if kind == K::Attribute => {
                create = texts(sql::ATTRIBUTE, &[oid.into(), part.into()])?;
            }
            ("pg_class", part) => {
                kind = K::Column;
                create = with_part(sql::COLUMN)?;
                create.extend(with_part(sql::SERIALS)?);
                let mut inner = Vec::new();
                parts(oid, part, &mut inner, &mut links)?;
                // keys first: others may refer to them
                links.splice(0..0, inner);
            }
            ("pg_type", _) => create = one(sql::TYPE)?,
            ("pg_proc", _) => {
                create = one(sql::FUNCTION)?;
                links = one(sql::FUNCTION_LINKS)?;
            }
            ("pg_namespace", _) => {
                create = one(sql::SCHEMA)?;
                links = one(sql::SCHEMA_LINKS)?;
            }
            ("pg_constraint", _) => create = one(sql::CONSTRAINT)?,
            ("pg_trigger", _) => create = one(sql::TRIGGER)?,
            ("pg_rewrite", _) => create = one(sql::RULE)?,
            ("pg_policy", _) => create = one(sql::POLICY)?,
            ("pg_attrdef", _) => create = one(sql::DEFAULT)?,
            ("pg_statistic_ext", _) => create = one(sql::STATISTICS)?,
            ("pg_extension", _) => create = one(sql::EXTENSION)?,
            _ => return Ok(None),
        }
        Ok((!create.is_empty()).then(|| Definition {
            kind,
            oid: oid.to_u32(),
            create,
            links,
        }))
    }

    /// A table with its partitions, which go with it.
    fn table(&self, oid: Oid, create: &mut Vec<String>, links: &mut Vec<String>) -> Result<()> {
        let made = texts(sql::TABLE, &[oid.into()])?;
        if made.is_empty() {
            return Ok(());
        }
        create.extend(made);
        create.extend(texts(sql::SERIALS, &[oid.into(), 0_i32.into()])?);
        parts(oid, 0, create, links)?;
        for child in ask(sql::PARTITIONS, &[oid.into()], |r| r.need::<Oid>(1))? {
            self.table(child, create, links)?;
        }
        Ok(())
    }
}

/// What belongs to a relation or column: what names it only, and what may name others.
fn parts(oid: Oid, part: i32, inner: &mut Vec<String>, links: &mut Vec<String>) -> Result<()> {
    let found = ask(sql::PARTS, &[oid.into(), part.into()], |r| {
        Ok((r.need::<bool>(1)?, r.need::<String>(2)?))
    })?;
    for (is_link, sql) in found {
        match is_link {
            true => links.push(sql),
            false => inner.push(sql),
        }
    }
    Ok(())
}
