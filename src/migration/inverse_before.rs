//! What the inverse of a statement asks the catalog, as it is just before the statement runs.

use super::ddl::{Firing, Name, Object, ObjectKind, Role};
use super::inverse_name::Space;

/// Answers from the catalog of that moment. Names are as the statement has them, so without a schema the search path
/// of that moment decides. SQL that is given back names everything with its schema.
pub trait Before {
    fn exists(&self, object: &Object) -> bool;

    /// Whether the same migration has made it, so that the way back drops it anyway; of a part of a table, type or
    /// domain (`on`): whether it has made that. A relation may be asked for as [`ObjectKind::Table`] whatever it is.
    fn is_made_here(&self, object: &Object) -> bool;

    /// How to make it as it is now; `None`: it is not there, or its kind has no such text.
    fn definition(&self, object: &Object) -> Option<Definition>;

    /// What DROP ... CASCADE takes along, without what [`Before::definition`] of the object makes anyway.
    fn dependents(&self, object: &Object) -> Vec<Definition>;

    /// The schema that it is in.
    fn schema(&self, object: &Object) -> Option<String>;

    fn owner(&self, object: &Object) -> Option<String>;

    fn comment(&self, object: &Object) -> Option<String>;

    /// Table, view, index, sequence, composite type.
    fn relation(&self, name: &Name) -> Option<OldRelation>;

    fn column(&self, relation: &Name, column: &str) -> Option<OldColumn>;

    fn domain(&self, domain: &Name) -> Option<OldDomain>;

    /// Key columns of an index; empty if there is no such index.
    fn index_columns(&self, index: &Name) -> Vec<String>;

    /// `FOR VALUES ...` or `DEFAULT` of a partition (pg_get_expr of relpartbound).
    fn partition_bound(&self, partition: &Name) -> Option<String>;

    /// Whether a name is taken in the schema of a table or domain.
    fn is_taken(&self, beside: &Name, name: &str, space: Space) -> bool;

    /// What the ACL of an object gives to a role itself, without columns; an owner without an ACL holds all.
    fn privileges(&self, object: &Object, role: &Role) -> Vec<Held>;

    fn is_member(&self, role: &str, member: &Role) -> bool;
}

/// How to make an object again. Statements without semicolons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub kind: ObjectKind,
    /// What is made earlier has a lower one, and cannot need what is made later. Of a column: that of its table.
    pub oid: u32,
    /// The object itself. Of a column `ALTER TABLE .. ADD COLUMN`, of a constraint `ALTER TABLE .. ADD CONSTRAINT`, of
    /// a function pg_get_functiondef.
    pub create: Vec<String>,
    /// What belongs to it and may name other objects: of a table its foreign keys and those that refer to it, indexes,
    /// triggers, policies, rules, statistics; of a column indexes and constraints; of a sequence `ALTER SEQUENCE ..
    /// OWNED BY`, also NONE; and owner, comments, privileges.
    pub links: Vec<String>,
}

/// A table or index, or what is altered like one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldRelation {
    /// relpersistence is `p`
    pub logged: bool,
    /// also where it is the database's own
    pub tablespace: String,
    pub access_method: String,
    pub row_security: bool,
    pub force_row_security: bool,
    /// as ALTER TABLE has it: `DEFAULT`, `FULL`, `NOTHING`, `USING INDEX i`
    pub replica_identity: String,
    /// the index that CLUSTER takes
    pub clustered_on: Option<String>,
    /// reloptions, those of TOAST as `toast.name`; values as SQL
    pub options: Vec<(String, String)>,
    /// triggers of users
    pub triggers: Vec<(String, Firing)>,
    pub rules: Vec<(String, Firing)>,
}

/// A column, or an attribute of a composite type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldColumn {
    /// format_type
    pub type_: String,
    pub not_null: bool,
    /// not of a generated column
    pub default: Option<String>,
    /// the expression of a generated column
    pub generated: Option<String>,
    /// `GENERATED .. AS IDENTITY (..)` with the options of its sequence
    pub identity: Option<String>,
    /// -1: the default
    pub statistics: i32,
    /// `PLAIN`, `EXTENDED` and so on
    pub storage: String,
    /// `None`: the default
    pub compression: Option<String>,
    /// attoptions
    pub options: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldDomain {
    pub default: Option<String>,
    pub not_null: bool,
}

/// A privilege that a role holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// in upper case
    pub privilege: String,
    pub grantable: bool,
}
