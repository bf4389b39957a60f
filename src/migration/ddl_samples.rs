//! Statements for tests, in as few words as possible.

use super::*;

/// `t` or `s.t`.
pub fn name(text: &str) -> Name {
    match text.split_once('.') {
        Some((schema, name)) => Name::new(Some(schema), name),
        None => Name::bare(text),
    }
}

pub fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|t| name(t)).collect()
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

pub fn object(kind: ObjectKind, text: &str) -> Object {
    Object::new(kind, name(text))
}

impl Object {
    /// A routine.
    pub fn routine(kind: ObjectKind, name: Name, args: &[&str]) -> Object {
        Object {
            args: Some(strings(args)),
            ..Object::new(kind, name)
        }
    }
}

pub fn part(kind: ObjectKind, text: &str, on: &str) -> Object {
    Object::part(kind, text, &name(on))
}

pub fn column(name: &str, type_: &str) -> Column {
    Column {
        name: name.to_owned(),
        type_: type_.to_owned(),
        not_null: false,
        default: None,
        generated: None,
        identity: false,
        constraints: Vec::new(),
    }
}

/// A default that calls this function; none for an empty name.
pub fn default(function: &str) -> Option<DefaultValue> {
    Some(DefaultValue {
        null: false,
        calls: Some(name(function))
            .filter(|_| !function.is_empty())
            .into_iter()
            .collect(),
    })
}

pub fn constraint(kind: ConstraintKind, columns: &[&str]) -> Constraint {
    Constraint {
        name: None,
        kind,
        columns: strings(columns),
        not_valid: false,
    }
}

pub fn primary_key(columns: &[&str]) -> Constraint {
    let kind = ConstraintKind::PrimaryKey {
        using_index: None,
        include: Vec::new(),
    };
    constraint(kind, columns)
}

pub fn unique(columns: &[&str]) -> Constraint {
    let kind = ConstraintKind::Unique {
        using_index: None,
        include: Vec::new(),
    };
    constraint(kind, columns)
}

/// A primary key of an index that is there.
pub fn primary_key_using(index: &str) -> Constraint {
    let kind = ConstraintKind::PrimaryKey {
        using_index: Some(index.to_owned()),
        include: Vec::new(),
    };
    constraint(kind, &[])
}

pub fn foreign_key(columns: &[&str], to: &str) -> Constraint {
    constraint(ConstraintKind::ForeignKey { to: name(to) }, columns)
}

pub fn check(columns: &[&str], not_null: &[&str]) -> Constraint {
    let not_null = strings(not_null);
    constraint(ConstraintKind::Check(Check { not_null }), columns)
}

impl Constraint {
    pub fn named(mut self, name: &str) -> Constraint {
        self.name = Some(name.to_owned());
        self
    }

    pub fn not_valid(mut self) -> Constraint {
        self.not_valid = true;
        self
    }
}

impl Column {
    pub fn not_null(mut self) -> Column {
        self.not_null = true;
        self
    }

    pub fn with(mut self, constraint: Constraint) -> Column {
        self.constraints.push(constraint);
        self
    }
}

pub fn new_table(table: &str, columns: Vec<Column>, constraints: Vec<Constraint>) -> CreateTable {
    CreateTable {
        kind: ObjectKind::Table,
        table: name(table),
        if_not_exists: false,
        temporary: false,
        columns,
        constraints,
        open: false,
    }
}

pub fn create_table(table: &str, columns: Vec<Column>, constraints: Vec<Constraint>) -> Ddl {
    Ddl::CreateTable(new_table(table, columns, constraints))
}

pub fn index(table: &str, columns: &[&str]) -> CreateIndex {
    let key = |column: &&str| IndexKey {
        column: Some((*column).to_owned()),
        chosen: (*column).to_owned(),
        plain: true,
    };
    CreateIndex {
        name: None,
        table: name(table),
        only: false,
        unique: false,
        concurrently: false,
        if_not_exists: false,
        method: "btree".to_owned(),
        keys: columns.iter().map(key).collect(),
        include: Vec::new(),
        partial: false,
    }
}

impl CreateIndex {
    pub fn named(mut self, name: &str) -> CreateIndex {
        self.name = Some(name.to_owned());
        self
    }
}

pub fn altered(table: &str, commands: Vec<AlterCommand>) -> AlterTable {
    AlterTable {
        kind: ObjectKind::Table,
        table: name(table),
        only: false,
        if_exists: false,
        commands,
    }
}

pub fn alter(table: &str, command: AlterCommand) -> Ddl {
    Ddl::AlterTable(altered(table, vec![command]))
}

pub fn add(table: &str, constraint: Constraint) -> Ddl {
    alter(table, AlterCommand::AddConstraint(constraint))
}

pub fn add_column(table: &str, column: Column) -> Ddl {
    let if_not_exists = false;
    alter(
        table,
        AlterCommand::AddColumn {
            column,
            if_not_exists,
        },
    )
}

pub fn drop_column(table: &str, column: &str) -> Ddl {
    alter(
        table,
        AlterCommand::DropColumn {
            column: column.to_owned(),
            if_exists: false,
            cascade: false,
        },
    )
}

pub fn set_type(table: &str, column: &str, type_: &str, using: Using) -> Ddl {
    alter(
        table,
        AlterCommand::SetType {
            column: column.to_owned(),
            type_: type_.to_owned(),
            using,
        },
    )
}

pub fn set_not_null(table: &str, column: &str) -> Ddl {
    alter(table, AlterCommand::SetNotNull(column.to_owned()))
}

pub fn drop_objects(objects: &[Object]) -> DropObjects {
    DropObjects {
        objects: objects.to_vec(),
        if_exists: false,
        cascade: false,
        concurrently: false,
    }
}

pub fn drop_one(kind: ObjectKind, text: &str) -> Ddl {
    Ddl::Drop(drop_objects(&[object(kind, text)]))
}

pub fn new(object: Object) -> Create {
    Create {
        object,
        if_exists: IfExists::Fails,
        temporary: false,
        volatile: false,
        superuser: false,
    }
}

pub fn create(kind: ObjectKind, text: &str) -> Ddl {
    Ddl::Create(new(object(kind, text)))
}

pub fn rename(object: Object, to: &str) -> Ddl {
    Ddl::Rename(Rename {
        object,
        to: to.to_owned(),
        if_exists: false,
    })
}

pub fn set(name: &str, to: Option<&[&str]>) -> Ddl {
    Ddl::Set(Set {
        name: name.to_owned(),
        to: to.map(strings),
        local: false,
    })
}
