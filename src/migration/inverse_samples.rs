//! A made-up catalog for tests.

use super::*;
use crate::migration::ddl::samples::name;
use crate::migration::ddl::{Firing, Role};
use crate::migration::inverse_name::Space;
use std::collections::{HashMap, HashSet};

/// By the SQL of an object, such as `TABLE t` or `COLUMN t.c`.
#[derive(Default)]
pub struct Old {
    pub definitions: HashMap<String, Definition>,
    pub dependents: HashMap<String, Vec<Definition>>,
    pub made_here: HashSet<String>,
    pub schemas: HashMap<String, String>,
    pub owners: HashMap<String, String>,
    pub comments: HashMap<String, String>,
    pub relations: HashMap<String, OldRelation>,
    pub columns: HashMap<String, OldColumn>,
    pub domains: HashMap<String, OldDomain>,
    pub index_columns: HashMap<String, Vec<String>>,
    pub bounds: HashMap<String, String>,
    pub taken: HashSet<(Space, String)>,
    /// object and role
    pub privileges: HashMap<(String, String), Vec<Held>>,
    pub members: HashSet<(String, String)>,
}

impl Before for Old {
    fn exists(&self, object: &Object) -> bool {
        self.definitions.contains_key(&object.sql())
    }

    fn is_made_here(&self, object: &Object) -> bool {
        let table = match &object.on {
            Some(on) => format!("TABLE {on}"),
            None => object.sql(),
        };
        self.made_here.contains(&table)
    }

    fn definition(&self, object: &Object) -> Option<Definition> {
        self.definitions.get(&object.sql()).cloned()
    }

    fn dependents(&self, object: &Object) -> Vec<Definition> {
        self.dependents
            .get(&object.sql())
            .cloned()
            .unwrap_or_default()
    }

    fn schema(&self, object: &Object) -> Option<String> {
        self.schemas.get(&object.sql()).cloned()
    }

    fn owner(&self, object: &Object) -> Option<String> {
        self.owners.get(&object.sql()).cloned()
    }

    fn comment(&self, object: &Object) -> Option<String> {
        self.comments.get(&object.sql()).cloned()
    }

    fn relation(&self, name: &Name) -> Option<OldRelation> {
        self.relations.get(&name.to_string()).cloned()
    }

    fn column(&self, relation: &Name, column: &str) -> Option<OldColumn> {
        self.columns.get(&format!("{relation}.{column}")).cloned()
    }

    fn domain(&self, domain: &Name) -> Option<OldDomain> {
        self.domains.get(&domain.to_string()).cloned()
    }

    fn index_columns(&self, index: &Name) -> Vec<String> {
        let columns = self.index_columns.get(&index.to_string());
        columns.cloned().unwrap_or_default()
    }

    fn partition_bound(&self, partition: &Name) -> Option<String> {
        self.bounds.get(&partition.to_string()).cloned()
    }

    fn is_taken(&self, _: &Name, name: &str, space: Space) -> bool {
        self.taken.contains(&(space, name.to_owned()))
    }

    fn privileges(&self, object: &Object, role: &Role) -> Vec<Held> {
        let key = (object.sql(), role.to_string());
        self.privileges.get(&key).cloned().unwrap_or_default()
    }

    fn is_member(&self, role: &str, member: &Role) -> bool {
        self.members
            .contains(&(role.to_owned(), member.to_string()))
    }
}

impl Old {
    /// An object that is there, made by these statements.
    pub fn with(mut self, object: &Object, oid: u32, create: &[&str], links: &[&str]) -> Old {
        let definition = definition(object.kind, oid, create, links);
        self.definitions.insert(object.sql(), definition);
        self
    }

    pub fn depends(mut self, object: &Object, definition: Definition) -> Old {
        let all = self.dependents.entry(object.sql()).or_default();
        all.push(definition);
        self
    }

    pub fn made(mut self, what: &str) -> Old {
        self.made_here.insert(what.to_owned());
        self
    }

    pub fn relation(mut self, table: &str, change: impl FnOnce(&mut OldRelation)) -> Old {
        let mut relation = OldRelation {
            logged: true,
            tablespace: "pg_default".into(),
            access_method: "heap".into(),
            row_security: false,
            force_row_security: false,
            replica_identity: "DEFAULT".into(),
            clustered_on: None,
            options: Vec::new(),
            triggers: Vec::new(),
            rules: Vec::new(),
        };
        change(&mut relation);
        self.relations.insert(name(table).to_string(), relation);
        self
    }

    /// `column` is `t.c`.
    pub fn column(mut self, column: &str, type_: &str, change: impl FnOnce(&mut OldColumn)) -> Old {
        let mut old = OldColumn {
            type_: type_.to_owned(),
            not_null: false,
            default: None,
            generated: None,
            identity: None,
            statistics: -1,
            storage: "PLAIN".into(),
            compression: None,
            options: Vec::new(),
        };
        change(&mut old);
        self.columns.insert(column.to_owned(), old);
        self
    }

    pub fn taken(mut self, space: Space, name: &str) -> Old {
        self.taken.insert((space, name.to_owned()));
        self
    }
}

pub fn definition(kind: ObjectKind, oid: u32, create: &[&str], links: &[&str]) -> Definition {
    let all = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
    Definition {
        kind,
        oid,
        create: all(create),
        links: all(links),
    }
}

pub fn fires(all: &[(&str, Firing)]) -> Vec<(String, Firing)> {
    all.iter().map(|(n, f)| ((*n).to_owned(), *f)).collect()
}

/// `basis: sql`, one a statement.
pub fn told(ddl: &Ddl, old: &Old) -> Vec<String> {
    let downs = invert(ddl, old);
    let line = |d: &Down| format!("{}: {}", d.basis.word(), d.sql);
    downs.iter().map(line).collect()
}

#[track_caller]
pub fn comes_back(ddl: &Ddl, old: &Old, expected: &[&str]) {
    assert_eq!(told(ddl, old), expected, "{ddl:?}");
}

/// The only statement's note.
#[track_caller]
pub fn note(ddl: &Ddl, old: &Old) -> String {
    let downs = invert(ddl, old);
    assert_eq!(downs.len(), 1, "{downs:?}");
    downs[0].note.clone().unwrap_or_default()
}
