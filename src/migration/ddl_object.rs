//! Names of objects, and how SQL names them.

use super::ddl_quote::ident;
use super::set::words;
use std::fmt;

/// A name that a schema may stand before: RangeVar (schemaname, relname), or a list of strings; the name of a database
/// before them is left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub schema: Option<String>,
    pub name: String,
}

impl Name {
    #[must_use]
    pub fn new(schema: Option<&str>, name: &str) -> Name {
        Name {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        }
    }

    /// Without a schema.
    #[must_use]
    pub fn bare(name: &str) -> Name {
        Name::new(None, name)
    }

    /// Another name in the same schema.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Name {
        Name::new(self.schema.as_deref(), name)
    }

    /// For messages: as people say it, without quotes.
    #[must_use]
    pub fn plain(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.name),
            None => self.name.clone(),
        }
    }
}

impl fmt::Display for Name {
    /// As SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", ident(schema))?;
        }
        f.write_str(&ident(&self.name))
    }
}

words! {
    /// ObjectType; its word is that of DROP and COMMENT ON.
    ObjectKind {
        Table = "TABLE",
        ForeignTable = "FOREIGN TABLE",
        View = "VIEW",
        MaterializedView = "MATERIALIZED VIEW",
        Index = "INDEX",
        Sequence = "SEQUENCE",
        /// `on`: its table
        Column = "COLUMN",
        /// of a composite type, which is `on`
        Attribute = "ATTRIBUTE",
        /// of a table, which is `on`
        Constraint = "CONSTRAINT",
        /// of a domain, which is `on`
        DomainConstraint = "DOMAIN CONSTRAINT",
        /// `on`: its table
        Trigger = "TRIGGER",
        /// `on`: its table
        Rule = "RULE",
        /// `on`: its table
        Policy = "POLICY",
        Function = "FUNCTION",
        Procedure = "PROCEDURE",
        Routine = "ROUTINE",
        Aggregate = "AGGREGATE",
        Type = "TYPE",
        Domain = "DOMAIN",
        /// a label of an enum type, which is `on`
        Label = "VALUE",
        Schema = "SCHEMA",
        Extension = "EXTENSION",
        Role = "ROLE",
        Database = "DATABASE",
        Tablespace = "TABLESPACE",
        EventTrigger = "EVENT TRIGGER",
        Statistics = "STATISTICS",
        Collation = "COLLATION",
        Conversion = "CONVERSION",
        Publication = "PUBLICATION",
        Subscription = "SUBSCRIPTION",
        Server = "SERVER",
        ForeignDataWrapper = "FOREIGN DATA WRAPPER",
        Language = "LANGUAGE",
        AccessMethod = "ACCESS METHOD",
        SearchConfiguration = "TEXT SEARCH CONFIGURATION",
        SearchDictionary = "TEXT SEARCH DICTIONARY",
        SearchParser = "TEXT SEARCH PARSER",
        SearchTemplate = "TEXT SEARCH TEMPLATE",
    }
}

impl ObjectKind {
    /// Tables, and what is altered and named like them.
    #[must_use]
    pub fn is_relation(self) -> bool {
        matches!(
            self,
            ObjectKind::Table
                | ObjectKind::ForeignTable
                | ObjectKind::View
                | ObjectKind::MaterializedView
                | ObjectKind::Index
                | ObjectKind::Sequence
        )
    }

    /// What is dropped with its table, and named within it.
    #[must_use]
    pub fn is_part(self) -> bool {
        matches!(
            self,
            ObjectKind::Column
                | ObjectKind::Attribute
                | ObjectKind::Constraint
                | ObjectKind::DomainConstraint
                | ObjectKind::Trigger
                | ObjectKind::Rule
                | ObjectKind::Policy
                | ObjectKind::Label
        )
    }

    /// Functions and procedures: what CREATE OR REPLACE makes, and arguments belong to.
    #[must_use]
    pub fn is_routine(self) -> bool {
        matches!(
            self,
            ObjectKind::Function
                | ObjectKind::Procedure
                | ObjectKind::Routine
                | ObjectKind::Aggregate
        )
    }
}

/// An object of the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Object {
    pub kind: ObjectKind,
    /// for parts of a table or type: the part's name
    pub name: Name,
    /// Types of a routine's arguments, as ObjectWithArgs.objargs has them (of CreateFunctionStmt.parameters: those
    /// whose mode is not `o` or `t`, but of a procedure all that are not `t`); `None`: args_unspecified, and for all
    /// other kinds
    pub args: Option<Vec<String>>,
    /// the table, type or domain that it is a part of
    pub on: Option<Name>,
}

impl Object {
    #[must_use]
    pub fn new(kind: ObjectKind, name: Name) -> Object {
        Object {
            kind,
            name,
            args: None,
            on: None,
        }
    }

    /// A part of a table, type or domain.
    #[must_use]
    pub fn part(kind: ObjectKind, name: &str, on: &Name) -> Object {
        Object {
            on: Some(on.clone()),
            ..Object::new(kind, Name::bare(name))
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn renamed(&self, name: &str) -> Object {
        Object {
            name: self.name.sibling(name),
            ..self.clone()
        }
    }

    /// Its kind and name as DROP and COMMENT ON have them: `TRIGGER a ON t`, `FUNCTION f(integer)`, `COLUMN t.c`.
    #[must_use]
    pub fn sql(&self) -> String {
        format!("{} {}", self.word(), self.name_sql())
    }

    /// What stands before its name.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.kind {
            ObjectKind::DomainConstraint => "CONSTRAINT",
            kind => kind.word(),
        }
    }

    /// Its name, with all that tells it from others of its kind.
    #[must_use]
    pub fn name_sql(&self) -> String {
        let name = &self.name;
        match (&self.on, self.kind) {
            (Some(on), ObjectKind::Column | ObjectKind::Attribute | ObjectKind::Label) => {
                format!("{on}.{}", ident(&name.name))
            }
            (Some(on), ObjectKind::DomainConstraint) => {
                format!("{} ON DOMAIN {on}", ident(&name.name))
            }
            (Some(on), _) => format!("{} ON {on}", ident(&name.name)),
            (None, _) => match &self.args {
                Some(args) if args.is_empty() && self.kind == ObjectKind::Aggregate => {
                    format!("{name}(*)")
                }
                Some(args) => format!("{name}({})", args.join(", ")),
                None => name.to_string(),
            },
        }
    }

    /// For messages, without quotes: `t`, `s.t`, `t.c`.
    #[must_use]
    pub fn plain(&self) -> String {
        match &self.on {
            Some(on) => format!("{}.{}", on.plain(), self.name.name),
            None => self.name.plain(),
        }
    }

    /// The names in it that a search path has a say in.
    #[must_use]
    pub fn names(&self) -> Vec<&Name> {
        match (&self.on, self.kind) {
            (Some(on), _) => vec![on],
            (
                None,
                ObjectKind::Schema
                | ObjectKind::Extension
                | ObjectKind::Role
                | ObjectKind::Database
                | ObjectKind::Tablespace
                | ObjectKind::EventTrigger
                | ObjectKind::Publication
                | ObjectKind::Subscription
                | ObjectKind::Server
                | ObjectKind::ForeignDataWrapper
                | ObjectKind::Language
                | ObjectKind::AccessMethod,
            ) => Vec::new(),
            (None, _) => vec![&self.name],
        }
    }
}

/// RoleSpec.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    Named(String),
    Public,
    CurrentRole,
    CurrentUser,
    SessionUser,
}

impl fmt::Display for Role {
    /// As SQL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Named(name) => f.write_str(&ident(name)),
            Role::Public => f.write_str("PUBLIC"),
            Role::CurrentRole => f.write_str("CURRENT_ROLE"),
            Role::CurrentUser => f.write_str("CURRENT_USER"),
            Role::SessionUser => f.write_str("SESSION_USER"),
        }
    }
}

#[cfg(test)]
#[path = "ddl_object_tests.rs"]
mod tests;
