//! A made-up catalog, and runs on it, for tests.

use super::*;
use crate::migration::ddl::samples::name;
use std::collections::{HashMap, HashSet};

/// Pages of sizes that matter: small, then more than `lint_pages`, 10 MB, 100 MB, 1 GB.
pub const SMALL: u64 = 128;
pub const LARGE: u64 = 129;
pub const MB_10: u64 = 1_280;
pub const MB_100: u64 = 12_800;
pub const GB: u64 = 131_072;

/// Ten rows a page.
pub fn size(pages: u64) -> Size {
    Size {
        pages,
        rows: pages * 10,
        bytes: pages * 8_192,
    }
}

#[derive(Default)]
pub struct Catalog {
    pub relations: HashMap<Name, Relation>,
    pub columns: HashMap<(Name, String), ColumnFacts>,
    pub indexes: HashMap<Name, Vec<IndexFacts>>,
    pub constraints: HashMap<(Name, String), ConstraintFacts>,
    /// (table, column, type) that need no rewrite
    pub binary: HashSet<(Name, String, String)>,
    pub stable_functions: HashSet<String>,
    pub extensions: HashMap<String, Extension>,
    pub schemas: HashMap<String, Size>,
    /// columns by their type, or extension
    pub of_type: HashMap<String, Vec<(Name, String)>>,
    /// of files that do not begin with `public`
    pub paths: HashMap<String, Vec<String>>,
    pub major: u32,
}

impl Facts for Catalog {
    fn search_path(&self, filename: &str) -> Vec<String> {
        let path = self.paths.get(filename).cloned();
        path.unwrap_or_else(|| vec!["public".to_owned()])
    }

    fn server_major(&self) -> u32 {
        self.major
    }

    fn relation(&self, relation: &Name) -> Option<Relation> {
        assert!(relation.schema.is_some(), "{relation}");
        self.relations.get(relation).copied()
    }

    fn column(&self, relation: &Name, column: &str) -> Option<ColumnFacts> {
        self.columns
            .get(&(relation.clone(), column.to_owned()))
            .cloned()
    }

    fn rewrites(&self, relation: &Name, column: &str, type_: &str) -> bool {
        let change = (relation.clone(), column.to_owned(), type_.to_owned());
        !self.binary.contains(&change)
    }

    fn indexes(&self, relation: &Name) -> Vec<IndexFacts> {
        self.indexes.get(relation).cloned().unwrap_or_default()
    }

    fn table_of_index(&self, index: &Name) -> Option<Name> {
        let has = |(table, indexes): &(&Name, &Vec<IndexFacts>)| {
            table.schema == index.schema && indexes.iter().any(|i| i.name == index.name)
        };
        self.indexes
            .iter()
            .find(has)
            .map(|(table, _)| table.clone())
    }

    fn constraint(&self, relation: &Name, constraint: &str) -> Option<ConstraintFacts> {
        self.constraints
            .get(&(relation.clone(), constraint.to_owned()))
            .cloned()
    }

    fn has_schema(&self, schema: &str) -> bool {
        schema == "public" || self.schemas.contains_key(schema)
    }

    fn schema_size(&self, schema: &str) -> Size {
        self.schemas.get(schema).copied().unwrap_or_default()
    }

    fn columns_of_type(&self, type_: &Name) -> Vec<(Name, String)> {
        self.of_type
            .get(&type_.plain())
            .cloned()
            .unwrap_or_default()
    }

    fn columns_of_extension(&self, extension: &str) -> Vec<(Name, String)> {
        self.of_type.get(extension).cloned().unwrap_or_default()
    }

    fn is_volatile(&self, function: &Name) -> bool {
        !self.stable_functions.contains(&function.plain())
    }

    fn extension(&self, extension: &str) -> Option<Extension> {
        self.extensions.get(extension).copied()
    }
}

impl Catalog {
    /// A catalog with one ordinary table of that many pages, and columns a, b, c of type integer.
    pub fn with(table: &str, pages: u64) -> Catalog {
        let mut catalog = Catalog {
            major: 15,
            ..Catalog::default()
        };
        catalog.table(table, pages);
        catalog
    }

    pub fn table(&mut self, table: &str, pages: u64) {
        self.relation_of(table, RelationKind::Table, size(pages));
        for column in ["a", "b", "c"] {
            self.column_of(table, column, false, false);
        }
    }

    pub fn relation_of(&mut self, table: &str, kind: RelationKind, size: Size) {
        self.relations
            .insert(stored(table), Relation { kind, size });
    }

    pub fn column_of(&mut self, table: &str, column: &str, not_null: bool, checked: bool) {
        let facts = ColumnFacts {
            type_: "integer".to_owned(),
            not_null,
            checked_not_null: checked,
        };
        self.columns
            .insert((stored(table), column.to_owned()), facts);
    }

    pub fn index_of(&mut self, table: &str, index: &str, columns: &[&str]) {
        let facts = index_facts(index, columns);
        self.indexes.entry(stored(table)).or_default().push(facts);
    }
}

pub fn index_facts(index: &str, columns: &[&str]) -> IndexFacts {
    IndexFacts {
        name: index.to_owned(),
        method: "btree".to_owned(),
        unique: false,
        of_constraint: false,
        leading: columns.iter().map(|c| (*c).to_owned()).collect(),
        plain: true,
        partial: false,
    }
}

/// With the schema that names have here.
pub fn stored(table: &str) -> Name {
    let name = name(table);
    match name.schema {
        Some(_) => name,
        None => Name::new(Some("public"), &name.name),
    }
}

/// A run, in the order of its statements.
#[derive(Default)]
pub struct Script {
    statements: Vec<Located<'static>>,
    file: &'static str,
}

impl Script {
    pub fn file(mut self, file: &'static str) -> Script {
        self.file = file;
        self
    }

    pub fn then(self, ddl: Ddl) -> Script {
        self.text("...", ddl)
    }

    /// With its text.
    pub fn text(self, sql: &'static str, ddl: Ddl) -> Script {
        self.all(sql, "COMMAND", Outside::No, ddl)
    }

    pub fn tagged(self, tag: &'static str, ddl: Ddl) -> Script {
        self.all("...", tag, Outside::No, ddl)
    }

    pub fn outside(self, tag: &'static str, outside: Outside, ddl: Ddl) -> Script {
        self.all("...", tag, outside, ddl)
    }

    pub fn all(
        mut self,
        sql: &'static str,
        tag: &'static str,
        outside: Outside,
        ddl: Ddl,
    ) -> Script {
        let filename = if self.file.is_empty() {
            "1.sql"
        } else {
            self.file
        };
        let before = self.statements.iter().filter(|s| s.filename == filename);
        let number = before.count() + 1;
        self.statements.push(Located {
            filename,
            statement: i32::try_from(number).unwrap(),
            line: number * 10,
            sql,
            tag,
            outside,
            ddl,
        });
        self
    }

    /// Another part of the statement before.
    pub fn part(mut self, ddl: Ddl) -> Script {
        let mut part = self.statements.last().unwrap().clone();
        part.ddl = ddl;
        self.statements.push(part);
        self
    }

    pub fn findings(&self, catalog: &Catalog) -> Vec<Finding> {
        lint(&self.statements, catalog, 128)
    }

    /// `rule severity object`, one a finding, with the file where there are two.
    pub fn told(&self, catalog: &Catalog) -> Vec<String> {
        let two = self
            .statements
            .iter()
            .any(|s| s.filename != self.statements[0].filename);
        let findings = self.findings(catalog);
        let line = |f: &Finding| {
            let object = f.object.as_deref().unwrap_or("-");
            let file = if two {
                format!("{} ", f.filename)
            } else {
                String::new()
            };
            let at = f.statement.unwrap_or_default();
            format!(
                "{file}{at} {} {} {object}",
                f.rule.word(),
                f.severity.word()
            )
        };
        findings.iter().map(line).collect()
    }

    #[track_caller]
    pub fn tells(&self, catalog: &Catalog, expected: &[&str]) {
        assert_eq!(self.told(catalog), expected);
    }

    /// Nothing to tell.
    #[track_caller]
    pub fn is_quiet(&self, catalog: &Catalog) {
        self.tells(catalog, &[]);
    }

    /// The only finding.
    #[track_caller]
    pub fn finding(&self, catalog: &Catalog) -> Finding {
        let mut all = self.findings(catalog);
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }
}

/// A run of one statement.
pub fn one(ddl: Ddl) -> Script {
    Script::default().then(ddl)
}

/// The same with its text.
pub fn sql(sql: &'static str, ddl: Ddl) -> Script {
    Script::default().text(sql, ddl)
}

/// The same statement on an empty table, on one at the edge of small, and on ever larger ones: which severity, if any.
#[track_caller]
pub fn by_size(ddl: &Ddl, expected: &str) {
    let sizes = [0, SMALL, LARGE, MB_10, MB_100, GB];
    let told: Vec<&str> = sizes
        .iter()
        .map(|pages| {
            let found = one(ddl.clone()).findings(&Catalog::with("t", *pages));
            match found.as_slice() {
                [] => "-",
                [one] => {
                    assert_eq!(one.est_rows, Some(pages * 10));
                    assert_eq!(one.bytes, Some(pages * 8_192));
                    one.severity.word()
                }
                more => panic!("{more:#?}"),
            }
        })
        .collect();
    assert_eq!(told.join(" "), expected, "{ddl:?}");
    // made in the same run, and not there at all
    let new = crate::migration::ddl::samples::new_table("t", Vec::new(), Vec::new());
    let after = one(Ddl::CreateTable(new)).then(ddl.clone());
    after.is_quiet(&Catalog::with("other", GB));
    one(ddl.clone()).is_quiet(&Catalog::with("other", GB));
}
