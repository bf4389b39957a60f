//! What the inverse of a statement asks, answered from the catalog just before the statement runs, as whoever runs it.
//! It runs in a subtransaction that is undone.

use super::ddl::{Firing, Name, Object, ObjectKind as K, Role};
use super::inverse::{Before, Definition, Held, OldColumn, OldDomain, OldRelation};
use super::inverse_find::{Address, CATALOGS, Live, ask, first, texts};
use super::inverse_name::Space;
use super::inverse_sql as sql;
use crate::error::Result;
use crate::pg::subxact;
use pgrx::datum::DatumWithOid;
use pgrx::pg_sys::Oid;

const RELATION_FACTS: &str = "SELECT c.relpersistence = 'p', coalesce(ts.spcname, (SELECT s.spcname FROM pg_database d \
      JOIN pg_tablespace s ON s.oid = d.dattablespace WHERE d.datname = current_database()))::text, \
    coalesce(am.amname, 'heap')::text, c.relrowsecurity, c.relforcerowsecurity, \
    CASE c.relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' WHEN 'i' THEN coalesce('USING INDEX ' || \
      (SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
        WHERE i.indrelid = c.oid AND i.indisreplident), 'NOTHING') ELSE 'DEFAULT' END, \
    (SELECT x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid \
      WHERE i.indrelid = c.oid AND i.indisclustered LIMIT 1) \
    FROM pg_class c LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace LEFT JOIN pg_am am ON am.oid = c.relam \
    WHERE c.oid = $1";
const OPTIONS: &str = "SELECT o.option_name, quote_literal(o.option_value) FROM pg_class c \
      CROSS JOIN LATERAL pg_options_to_table(c.reloptions) o WHERE c.oid = $1 \
    UNION ALL SELECT 'toast.' || o.option_name, quote_literal(o.option_value) FROM pg_class c \
      JOIN pg_class t ON t.oid = c.reltoastrelid CROSS JOIN LATERAL pg_options_to_table(t.reloptions) o WHERE c.oid = $1";
const TRIGGERS: &str = "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal ORDER BY 1";
const RULES: &str = "SELECT rulename::text, ev_enabled::text FROM pg_rewrite WHERE ev_class = $1 AND rulename <> '_RETURN' ORDER BY 1";
const COLUMN_FACTS: &str = "SELECT format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), \
    a.attgenerated <> '', coalesce(a.attstattarget, -1)::int4, CASE a.attstorage WHEN 'p' THEN 'PLAIN' \
      WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END, \
    CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END FROM pg_attribute a \
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE a.attrelid = $1 AND a.attnum = $2";
const COLUMN_OPTIONS: &str = "SELECT o.option_name, quote_literal(o.option_value) FROM pg_attribute a \
    CROSS JOIN LATERAL pg_options_to_table(a.attoptions) o WHERE a.attrelid = $1 AND a.attnum = $2 \
    AND o.option_name <> 'pg_attver'";
const DOMAIN_FACTS: &str =
    "SELECT pg_get_expr(typdefaultbin, 0), typnotnull FROM pg_type WHERE oid = $1";
const INDEX_COLUMNS: &str = "SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL \
    unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attrelid = i.indrelid \
    AND a.attnum = k.attnum WHERE i.indexrelid = $1 AND k.n <= i.indnkeyatts ORDER BY k.n";
const BOUND: &str =
    "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = $1 AND relispartition";
const RELATION_TAKEN: &str =
    "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $2::name AND relnamespace = $1)";
const CONSTRAINT_TAKEN: &str =
    "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = $2::name AND connamespace = $1)";
const MEMBER: &str = "SELECT EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid \
    JOIN pg_roles u ON u.oid = m.member WHERE r.rolname = $1::name AND u.rolname = $2::name)";
const ROLE: &str =
    "SELECT CASE $1 WHEN 'session_user' THEN session_user ELSE current_user END::text";
const COMMENT: &str = "SELECT description FROM pg_description WHERE classoid = $1::regclass AND objoid = $2 AND objsubid = $3 \
    UNION ALL SELECT description FROM pg_shdescription WHERE classoid = $1::regclass AND objoid = $2 AND $3 = 0";
/// Catalogs of objects in schemas, or with owners and rights: columns of schema, owner, ACL, and the kind of the ACL.
const PLACES: [(&str, &str, &str, &str, &str); 9] = [
    (
        "pg_class",
        "relnamespace",
        "relowner",
        "relacl",
        "CASE relkind WHEN 'S' THEN 's' ELSE 'r' END",
    ),
    ("pg_type", "typnamespace", "typowner", "typacl", "'T'"),
    ("pg_proc", "pronamespace", "proowner", "proacl", "'f'"),
    (
        "pg_collation",
        "collnamespace",
        "collowner",
        "NULL::aclitem[]",
        "'r'",
    ),
    (
        "pg_statistic_ext",
        "stxnamespace",
        "stxowner",
        "NULL::aclitem[]",
        "'r'",
    ),
    ("pg_namespace", "NULL::oid", "nspowner", "nspacl", "'n'"),
    (
        "pg_publication",
        "NULL::oid",
        "pubowner",
        "NULL::aclitem[]",
        "'r'",
    ),
    (
        "pg_foreign_server",
        "NULL::oid",
        "srvowner",
        "srvacl",
        "'S'",
    ),
    ("pg_database", "NULL::oid", "datdba", "datacl", "'d'"),
];

fn pairs(sql: &str, args: &[DatumWithOid<'_>]) -> Result<Vec<(String, String)>> {
    ask(sql, args, |r| Ok((r.need(1)?, r.need(2)?)))
}

fn firing(letter: &str) -> Firing {
    match letter {
        "D" => Firing::Disabled,
        "R" => Firing::Replica,
        "A" => Firing::Always,
        _ => Firing::Origin,
    }
}

impl Live {
    fn place(&self, object: &Object, what: impl Fn(&Place) -> String) -> Option<Vec<String>> {
        let at = self.find(object)?;
        let place = PLACES.iter().find(|p| p.0 == at.catalog)?;
        let expression = what(place);
        let sql = format!("SELECT {expression} FROM {} WHERE oid = $1", place.0);
        Some(self.told(texts(&sql, &[at.oid.into()])))
    }

    fn role_name(&self, role: &Role) -> Option<String> {
        match role {
            Role::Named(name) => Some(name.clone()),
            Role::Public => None,
            Role::CurrentRole | Role::CurrentUser => {
                first(self.told(texts(ROLE, &["current_user".into()])))
            }
            Role::SessionUser => first(self.told(texts(ROLE, &["session_user".into()]))),
        }
    }
}

type Place = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

impl Before for Live {
    fn exists(&self, object: &Object) -> bool {
        self.find(object).is_some()
    }

    fn is_made_here(&self, object: &Object) -> bool {
        let Some(on) = &object.on else {
            return self
                .find(object)
                .is_some_and(|at| at.part == 0 && self.is_new(at.catalog, at.oid));
        };
        match object.kind {
            K::Attribute | K::DomainConstraint | K::Label => self
                .type_oid(on)
                .is_some_and(|oid| self.is_new("pg_type", oid)),
            _ => self
                .relation_oid(on)
                .is_some_and(|oid| self.is_new("pg_class", oid)),
        }
    }

    fn definition(&self, object: &Object) -> Option<Definition> {
        let at = self.find(object)?;
        self.told(self.made_again(at, object.kind))
    }

    fn dependents(&self, object: &Object) -> Vec<Definition> {
        let Some(at) = self.find(object) else {
            return Vec::new();
        };
        let args = [at.catalog.into(), at.oid.into(), at.part.into()];
        let question = sql::DEPENDENTS.replace("$1", "$1::regclass::oid");
        let found = ask(&question, &args, |r| {
            Ok((r.need::<String>(1)?, r.need::<Oid>(2)?, r.need::<i32>(3)?))
        });
        let mut all = Vec::new();
        for (catalog, oid, part) in self.told(found) {
            let Some(catalog) = CATALOGS.iter().copied().find(|c| *c == catalog) else {
                continue;
            };
            let at = Address { catalog, oid, part };
            let made = subxact::attempt(|| self.made_again(at, K::Table));
            if let Ok(Ok(Some(definition))) = made {
                all.push(definition);
            }
        }
        all
    }

    fn schema(&self, object: &Object) -> Option<String> {
        let name = |p: &Place| {
            format!(
                "(SELECT nspname::text FROM pg_namespace n WHERE n.oid = {})",
                p.1
            )
        };
        first(self.place(object, name)?)
    }

    fn owner(&self, object: &Object) -> Option<String> {
        let name = |p: &Place| {
            format!(
                "(SELECT rolname::text FROM pg_roles r WHERE r.oid = {})",
                p.2
            )
        };
        first(self.place(object, name)?)
    }

    fn comment(&self, object: &Object) -> Option<String> {
        let at = self.find(object)?;
        let args = [at.catalog.into(), at.oid.into(), at.part.into()];
        first(self.told(texts(COMMENT, &args)))
    }

    fn relation(&self, name: &Name) -> Option<OldRelation> {
        let oid = self.relation_oid(name)?;
        let args = [oid.into()];
        let states = |sql| {
            let found = self.told(pairs(sql, &args)).into_iter();
            found.map(|(name, f)| (name, firing(&f))).collect()
        };
        let found = ask(RELATION_FACTS, &args, |r| {
            Ok(OldRelation {
                logged: r.need(1)?,
                tablespace: r.need(2)?,
                access_method: r.need(3)?,
                row_security: r.need(4)?,
                force_row_security: r.need(5)?,
                replica_identity: r.need(6)?,
                clustered_on: r.get(7)?,
                options: Vec::new(),
                triggers: Vec::new(),
                rules: Vec::new(),
            })
        });
        let mut relation = first(self.told(found))?;
        relation.options = self.told(pairs(OPTIONS, &args));
        relation.triggers = states(TRIGGERS);
        relation.rules = states(RULES);
        Some(relation)
    }

    fn column(&self, relation: &Name, column: &str) -> Option<OldColumn> {
        let oid = self.relation_oid(relation)?;
        let part = self.column_of(oid, column)?;
        let args = [oid.into(), part.into()];
        let found = ask(COLUMN_FACTS, &args, |r| {
            let (expression, generated) = (r.get::<String>(3)?, r.need::<bool>(4)?);
            Ok(OldColumn {
                type_: r.need(1)?,
                not_null: r.need(2)?,
                default: expression.clone().filter(|_| !generated),
                generated: expression.filter(|_| generated),
                identity: None,
                statistics: r.need(5)?,
                storage: r.need(6)?,
                compression: r.get(7)?,
                options: Vec::new(),
            })
        });
        let mut found = first(self.told(found))?;
        found.identity = first(self.told(texts(sql::IDENTITY, &args)));
        found.options = self.told(pairs(COLUMN_OPTIONS, &args));
        Some(found)
    }

    fn domain(&self, domain: &Name) -> Option<OldDomain> {
        let oid = self.type_oid(domain)?;
        let found = ask(DOMAIN_FACTS, &[oid.into()], |r| {
            Ok(OldDomain {
                default: r.get(1)?,
                not_null: r.need(2)?,
            })
        });
        first(self.told(found))
    }

    fn index_columns(&self, index: &Name) -> Vec<String> {
        let Some(oid) = self.relation_oid(index) else {
            return Vec::new();
        };
        self.told(texts(INDEX_COLUMNS, &[oid.into()]))
    }

    fn partition_bound(&self, partition: &Name) -> Option<String> {
        let oid = self.relation_oid(partition)?;
        first(self.told(texts(BOUND, &[oid.into()])))
    }

    fn is_taken(&self, beside: &Name, name: &str, space: Space) -> bool {
        let schema = match self.relation_oid(beside) {
            Some(oid) => ("SELECT relnamespace FROM pg_class WHERE oid = $1", oid),
            None => match self.type_oid(beside) {
                Some(oid) => ("SELECT typnamespace FROM pg_type WHERE oid = $1", oid),
                None => return false,
            },
        };
        let found = ask(schema.0, &[schema.1.into()], |r| r.need::<Oid>(1));
        let Some(schema) = first(self.told(found)) else {
            return false;
        };
        let sql = match space {
            Space::Relations => RELATION_TAKEN,
            Space::Constraints => CONSTRAINT_TAKEN,
        };
        let taken = ask(sql, &[schema.into(), name.into()], |r| r.need::<bool>(1));
        first(self.told(taken)).unwrap_or(false)
    }

    fn privileges(&self, object: &Object, role: &Role) -> Vec<Held> {
        let Some(at) = self.find(object) else {
            return Vec::new();
        };
        let Some(place) = PLACES.iter().find(|p| p.0 == at.catalog) else {
            return Vec::new();
        };
        let (catalog, _, owner, acl, kind) = place;
        let sql = format!(
            "SELECT x.privilege_type, x.is_grantable FROM {catalog} o \
             CROSS JOIN LATERAL aclexplode(coalesce({acl}, acldefault(({kind})::\"char\", {owner}))) x \
             LEFT JOIN pg_roles r ON r.oid = x.grantee \
             WHERE o.oid = $1 AND CASE WHEN $2 IS NULL THEN x.grantee = 0 ELSE r.rolname = $2::name END ORDER BY 1"
        );
        let args = [at.oid.into(), self.role_name(role).into()];
        self.told(ask(&sql, &args, |r| {
            Ok(Held {
                privilege: r.need(1)?,
                grantable: r.need(2)?,
            })
        }))
    }

    fn is_member(&self, role: &str, member: &Role) -> bool {
        let Some(member) = self.role_name(member) else {
            return false;
        };
        let found = ask(MEMBER, &[role.into(), member.into()], |r| r.need::<bool>(1));
        first(self.told(found)).unwrap_or(false)
    }
}
