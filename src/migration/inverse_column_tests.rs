use super::*;
use crate::migration::ddl::Ddl;
use crate::migration::ddl::samples::{
    add_column, alter, altered, column, drop_column, part, primary_key, set_not_null, set_type,
    strings,
};
use crate::migration::inverse::samples::*;
use ObjectKind as K;

fn none() -> Old {
    Old::default()
}

fn integer() -> Old {
    none().column("t.a", "integer", |_| {})
}

#[test]
fn new_columns_are_dropped() {
    let add = |if_not_exists| {
        let column = column("My", "text");
        alter(
            "t",
            AlterCommand::AddColumn {
                column,
                if_not_exists,
            },
        )
    };
    comes_back(
        &add(false),
        &none(),
        &["syntax: ALTER TABLE t DROP COLUMN \"My\""],
    );
    comes_back(
        &add(true),
        &none(),
        &["syntax: ALTER TABLE t DROP COLUMN \"My\""],
    );
    let there = none().column("t.My", "text", |_| {});
    comes_back(&add(true), &there, &[]);
    comes_back(
        &add(false),
        &there,
        &["syntax: ALTER TABLE t DROP COLUMN \"My\""],
    );
    let mut attribute = altered("t", vec![]);
    attribute.kind = K::Type;
    attribute.commands.push(AlterCommand::AddColumn {
        column: column("a", "text"),
        if_not_exists: false,
    });
    comes_back(
        &Ddl::AlterTable(attribute),
        &none(),
        &["syntax: ALTER TYPE t DROP ATTRIBUTE a"],
    );
}

#[test]
fn a_column_that_is_replaced() {
    let old = none().column("t.a", "text", |_| {}).with(
        &part(K::Column, "a", "t"),
        1,
        &["ALTER TABLE t ADD COLUMN a text"],
        &[],
    );
    let drop = AlterCommand::DropColumn {
        column: "a".into(),
        if_exists: true,
        cascade: false,
    };
    let add = AlterCommand::AddColumn {
        column: column("a", "integer"),
        if_not_exists: true,
    };
    comes_back(
        &Ddl::AlterTable(altered("t", vec![drop, add])),
        &old,
        &[
            "syntax: ALTER TABLE t DROP COLUMN a",
            "data_loss: ALTER TABLE t ADD COLUMN a text",
        ],
    );
}

#[test]
fn dropped_columns_come_back_empty() {
    let a = part(K::Column, "a", "t");
    let index = "CREATE INDEX i ON t (a)";
    let old = |change: fn(&mut OldColumn)| {
        none()
            .column("t.a", "integer", change)
            .with(&a, 1, &["ALTER TABLE t ADD COLUMN a integer"], &[index])
            .depends(&a, definition(K::View, 2, &["CREATE VIEW v"], &[]))
    };
    let add = "data_loss: ALTER TABLE t ADD COLUMN a integer";
    let index = format!("catalog: {index}");
    comes_back(&drop_column("t", "a"), &old(|_| {}), &[add, &index]);
    let cascade = AlterCommand::DropColumn {
        column: "a".into(),
        if_exists: false,
        cascade: true,
    };
    comes_back(
        &alter("t", cascade),
        &old(|_| {}),
        &[add, "catalog: CREATE VIEW v", &index],
    );
    let note = |change| {
        let downs = crate::migration::inverse::invert(&drop_column("t", "a"), &old(change));
        downs[0].note.clone().unwrap()
    };
    let fails = "the values are lost; fails while the table has rows, because the column is NOT NULL without a default";
    assert_eq!(note(|_| {}), "the values are lost");
    assert_eq!(note(|c| c.not_null = true), fails);
    for filled in [
        |c: &mut OldColumn| c.default = Some("1".into()),
        |c: &mut OldColumn| c.generated = Some("1".into()),
        |c: &mut OldColumn| c.identity = Some("1".into()),
    ] {
        let both = old(|c| c.not_null = true);
        let mut columns = both.columns.clone();
        columns.values_mut().for_each(filled);
        let old = Old { columns, ..both };
        let downs = crate::migration::inverse::invert(&drop_column("t", "a"), &old);
        assert_eq!(downs[0].note.as_deref(), Some("the values are lost"));
    }
    let if_exists = |if_exists| {
        let column = "x".to_owned();
        alter(
            "t",
            AlterCommand::DropColumn {
                column,
                if_exists,
                cascade: true,
            },
        )
    };
    comes_back(&if_exists(true), &none(), &[]);
    comes_back(&if_exists(false), &none(), &["manual: -- COLUMN t.x"]);
}

#[test]
fn defaults_and_nulls() {
    let default = alter("t", AlterCommand::SetDefault("a".into()));
    comes_back(
        &default,
        &integer(),
        &["catalog: ALTER TABLE t ALTER COLUMN a DROP DEFAULT"],
    );
    let old = none().column("t.a", "integer", |c| c.default = Some("1 + 1".into()));
    comes_back(
        &default,
        &old,
        &["catalog: ALTER TABLE t ALTER COLUMN a SET DEFAULT 1 + 1"],
    );
    let not_null = || none().column("t.a", "integer", |c| c.not_null = true);
    let set = set_not_null("t", "a");
    comes_back(
        &set,
        &integer(),
        &["syntax: ALTER TABLE t ALTER COLUMN a DROP NOT NULL"],
    );
    comes_back(&set, &not_null(), &[]);
    let drop = alter("t", AlterCommand::DropNotNull("a".into()));
    comes_back(
        &drop,
        &not_null(),
        &["catalog: ALTER TABLE t ALTER COLUMN a SET NOT NULL"],
    );
    comes_back(&drop, &integer(), &[]);
    comes_back(&set, &none(), &["manual: -- COLUMN t.a"]);
    // of a column that the statement adds
    let column = column("a", "text");
    let commands = vec![
        AlterCommand::AddColumn {
            column,
            if_not_exists: false,
        },
        AlterCommand::SetNotNull("a".into()),
        AlterCommand::SetDefault("a".into()),
    ];
    let both = Ddl::AlterTable(altered("t", commands));
    comes_back(&both, &none(), &["syntax: ALTER TABLE t DROP COLUMN a"]);
}

#[test]
fn types_come_back() {
    let to = |type_: &str, using| set_type("t", "a", type_, using);
    let wide = to("pg_catalog.int8", Using::Same);
    comes_back(
        &wide,
        &integer(),
        &["catalog: ALTER TABLE t ALTER COLUMN a TYPE integer"],
    );
    assert_eq!(
        note(&wide, &integer()),
        "fails for values that the old type does not hold"
    );
    let narrow = to("pg_catalog.int2", Using::Same);
    comes_back(
        &narrow,
        &integer(),
        &["data_loss: ALTER TABLE t ALTER COLUMN a TYPE integer"],
    );
    assert!(note(&narrow, &integer()).ends_with("are lost"));
    let computed = to("pg_catalog.int8", Using::Expression);
    comes_back(
        &computed,
        &integer(),
        &["data_loss: ALTER TABLE t ALTER COLUMN a TYPE integer"],
    );
    let text = to("text", Using::Same);
    comes_back(
        &text,
        &integer(),
        &["catalog: ALTER TABLE t ALTER COLUMN a TYPE integer USING a::integer"],
    );
}

#[test]
fn a_default_follows_its_type() {
    let to_text = || set_type("t", "a", "text", Using::Same);
    let with_default = || none().column("t.a", "integer", |c| c.default = Some("7".into()));
    let whole = "catalog: ALTER TABLE t ALTER COLUMN a DROP DEFAULT, \
         ALTER COLUMN a TYPE integer USING a::integer, ALTER COLUMN a SET DEFAULT 7";
    comes_back(&to_text(), &with_default(), &[whole]);
    // what else the statement does to it is in that
    let commands = vec![
        AlterCommand::SetDefault("a".into()),
        AlterCommand::SetType {
            column: "a".into(),
            type_: "text".into(),
            using: Using::Same,
        },
        AlterCommand::SetDefault("a".into()),
    ];
    let all = Ddl::AlterTable(altered("t", commands.clone()));
    comes_back(&all, &with_default(), &[whole]);
    comes_back(
        &all,
        &integer(),
        &[
            "catalog: ALTER TABLE t ALTER COLUMN a DROP DEFAULT, ALTER COLUMN a TYPE integer USING a::integer",
        ],
    );
    // of another column it is not
    let mut other = commands;
    other[0] = AlterCommand::SetDefault("b".into());
    other.truncate(2);
    let both = integer().column("t.b", "integer", |_| {});
    comes_back(
        &Ddl::AlterTable(altered("t", other)),
        &both,
        &[
            "catalog: ALTER TABLE t ALTER COLUMN a TYPE integer USING a::integer",
            "catalog: ALTER TABLE t ALTER COLUMN b DROP DEFAULT",
        ],
    );
}

#[test]
fn attributes_have_no_using() {
    let mut alter = altered("t", vec![]);
    alter.kind = K::Type;
    alter.commands.push(AlterCommand::SetType {
        column: "a".into(),
        type_: "text".into(),
        using: Using::Same,
    });
    let ddl = Ddl::AlterTable(alter);
    comes_back(
        &ddl,
        &integer(),
        &["catalog: ALTER TYPE t ALTER ATTRIBUTE a TYPE integer"],
    );
}

#[test]
fn settings_of_columns() {
    let set = |setting| alter("t", AlterCommand::SetColumn("a".into(), setting));
    let back = |sql: &str| format!("catalog: ALTER TABLE t ALTER COLUMN a {sql}");
    comes_back(
        &set(ColumnSetting::Statistics),
        &integer(),
        &[&back("SET STATISTICS -1")],
    );
    comes_back(
        &set(ColumnSetting::Storage),
        &integer(),
        &[&back("SET STORAGE PLAIN")],
    );
    comes_back(
        &set(ColumnSetting::Compression),
        &integer(),
        &[&back("SET COMPRESSION default")],
    );
    let old = none().column("t.a", "text", |c| {
        c.compression = Some("lz4".into());
        c.options = vec![("n_distinct".into(), "-1".into())];
    });
    comes_back(
        &set(ColumnSetting::Compression),
        &old,
        &[&back("SET COMPRESSION lz4")],
    );
    let options = set(ColumnSetting::Options(strings(&["n_distinct", "x"])));
    comes_back(
        &options,
        &old,
        &[&back("SET (n_distinct = -1)"), &back("RESET (x)")],
    );
}

#[test]
fn identities() {
    let identity = "GENERATED ALWAYS AS IDENTITY (START WITH 1)";
    let old = || none().column("t.a", "integer", |c| c.identity = Some(identity.into()));
    let back = |sql: &str| format!("catalog: ALTER TABLE t ALTER COLUMN a {sql}");
    let add = alter("t", AlterCommand::AddIdentity("a".into()));
    comes_back(
        &add,
        &integer(),
        &["syntax: ALTER TABLE t ALTER COLUMN a DROP IDENTITY"],
    );
    let again = back(&format!("ADD {identity}"));
    let drop = |if_exists| {
        let column = "a".to_owned();
        alter("t", AlterCommand::DropIdentity { column, if_exists })
    };
    comes_back(&drop(false), &old(), &[&again]);
    assert!(note(&drop(false), &old()).starts_with("its sequence begins anew"));
    comes_back(&drop(true), &integer(), &[]);
    comes_back(&drop(false), &integer(), &["manual: -- COLUMN t.a"]);
    let set = alter("t", AlterCommand::SetIdentity("a".into()));
    comes_back(&set, &old(), &[&back("DROP IDENTITY"), &again]);
    comes_back(&set, &integer(), &["manual: -- COLUMN t.a"]);
}

#[test]
fn generated_columns() {
    let a = part(K::Column, "a", "t");
    let made = "ALTER TABLE t ADD COLUMN a integer GENERATED ALWAYS AS (b) STORED";
    let old = || {
        let old = none().column("t.a", "integer", |c| c.generated = Some("b".into()));
        old.with(&a, 1, &[made], &["CREATE INDEX i"])
    };
    let drop = |if_exists| {
        let column = "a".to_owned();
        alter("t", AlterCommand::DropExpression { column, if_exists })
    };
    let back = [
        "catalog: ALTER TABLE t DROP COLUMN a",
        &format!("catalog: {made}"),
        "catalog: CREATE INDEX i",
    ];
    comes_back(&drop(false), &old(), &back);
    comes_back(&drop(true), &old(), &back);
    let downs = crate::migration::inverse::invert(&drop(false), &old());
    assert_eq!(
        downs[0].note.as_deref(),
        Some("values that were written since are lost")
    );
    assert_eq!(downs[1].note, None);
    comes_back(&drop(true), &integer(), &[]);
    comes_back(&drop(false), &integer(), &["manual: -- COLUMN t.a"]);
    let set = alter("t", AlterCommand::SetExpression("a".into()));
    comes_back(
        &set,
        &old(),
        &["catalog: ALTER TABLE t ALTER COLUMN a SET EXPRESSION AS (b)"],
    );
    comes_back(&set, &integer(), &["manual: -- COLUMN t.a"]);
}

#[test]
fn a_new_table_needs_none_of_it() {
    let key = column("x", "text").with(primary_key(&["x"]));
    let made = none().made("TABLE t");
    comes_back(&add_column("t", key), &made, &[]);
    comes_back(&drop_column("t", "a"), &made, &[]);
}
