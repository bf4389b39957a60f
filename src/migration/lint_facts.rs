//! What lint asks the catalog, as it is before the run.

use super::ddl::Name;
use super::lint_grade::Size;

/// Answers from the live catalog. Names of relations that are asked for have a schema.
pub trait Facts {
    /// The search path of a file before its first statement: header, namespace or caller, in order, `$user` resolved,
    /// without pg_catalog and pg_temp.
    fn search_path(&self, filename: &str) -> Vec<String>;

    /// Major version of the server.
    fn server_major(&self) -> u32;

    /// `None`: there is no such relation.
    fn relation(&self, relation: &Name) -> Option<Relation>;

    /// `None`: there is no such column.
    fn column(&self, relation: &Name, column: &str) -> Option<ColumnFacts>;

    /// Whether ALTER COLUMN TYPE without USING (or with one that only casts the column to it) writes the table anew:
    /// false for the same type, one that is binary coercible to it, and a length that only grows
    /// (ATColumnChangeRequiresRewrite, tablecmds.c). True for a type that the run makes.
    fn rewrites(&self, relation: &Name, column: &str, type_: &str) -> bool;

    /// The indexes of a table that are valid.
    fn indexes(&self, relation: &Name) -> Vec<IndexFacts>;

    /// The table of an index.
    fn table_of_index(&self, index: &Name) -> Option<Name>;

    fn constraint(&self, relation: &Name, constraint: &str) -> Option<ConstraintFacts>;

    /// Whether there is such a schema.
    fn has_schema(&self, schema: &str) -> bool;

    /// All tables of a schema together.
    fn schema_size(&self, schema: &str) -> Size;

    /// Columns of tables, partitions left out, that go when a type (or domain) goes with CASCADE. It has a schema.
    fn columns_of_type(&self, type_: &Name) -> Vec<(Name, String)>;

    /// The same for the types of an extension.
    fn columns_of_extension(&self, extension: &str) -> Vec<(Name, String)>;

    /// Whether any function of that name, found as the search path of the caller says, is volatile. True for a name
    /// that is not known.
    fn is_volatile(&self, function: &Name) -> bool;

    /// `None`: the server does not have it.
    fn extension(&self, extension: &str) -> Option<Extension>;
}

/// A relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    pub kind: RelationKind,
    pub size: Size,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    /// also a hypertable
    Partitioned,
    MaterializedView,
    /// views, foreign tables, sequences: without rows of their own
    Other,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnFacts {
    /// format_type
    pub type_: String,
    pub not_null: bool,
    /// a valid CHECK says that it is not null
    pub checked_not_null: bool,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexFacts {
    pub name: String,
    pub method: String,
    pub unique: bool,
    /// of a primary key, unique or exclusion constraint
    pub of_constraint: bool,
    /// key columns up to the first expression
    pub leading: Vec<String>,
    /// has no expressions, and no operator class, collation or order but the usual ones
    pub plain: bool,
    /// covers some rows only
    pub partial: bool,
}

/// A constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintFacts {
    pub valid: bool,
    /// columns that a CHECK says are not null
    pub not_null: Vec<String>,
}

/// An extension that the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// in this database
    pub installed: bool,
    /// whoever may create in the database may install it
    pub trusted: bool,
}
