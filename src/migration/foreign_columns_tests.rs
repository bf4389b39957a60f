use super::*;
use proptest::prelude::*;

#[path = "foreign_tables.rs"]
mod tables;

use tables::{STAMP, STAMPTZ, TABLES};

fn claims(schema: &str, table: &str, columns: &[(&str, &str)]) -> Vec<Tool> {
    SHAPES
        .iter()
        .filter(|shape| {
            shape.is_called(schema, table, columns.len()) && shape.lacks(columns).is_empty()
        })
        .map(|shape| shape.tool)
        .collect()
}

#[test]
fn every_tool_is_recognised_by_its_own_table_and_no_other_claims_it() {
    for (tool, schema, table, columns) in TABLES {
        assert_eq!(claims(schema, table, columns), [*tool], "{table}");
        assert_eq!(recognise(schema, table, columns), Some(*tool));
        assert_eq!(check_columns(*tool, table, columns), Ok(()));
    }
    for tool in Tool::ALL {
        assert!(TABLES.iter().any(|(t, ..)| *t == tool), "{tool:?}");
    }
}

#[test]
fn three_tools_share_a_name() {
    let named = |columns: &[(&str, &str)]| recognise("app", "schema_migrations", columns);
    assert_eq!(
        named(&[("version", "bigint"), ("dirty", "boolean")]),
        Some(Tool::GolangMigrate)
    );
    assert_eq!(named(&[("version", "text")]), Some(Tool::Dbmate));
    assert_eq!(
        named(&[("version", "bigint"), ("inserted_at", STAMP)]),
        Some(Tool::Ecto)
    );
    // a version alone, as a number: an ancient ancestor of golang-migrate; we do not know it
    assert_eq!(named(&[("version", "bigint")]), None);
    assert_eq!(named(&[("version", "integer")]), None);
}

#[test]
fn added_columns_do_not_matter() {
    let named = |columns: &[(&str, &str)]| recognise("public", "schema_migrations", columns);
    assert_eq!(
        named(&[
            ("version", "bigint"),
            ("dirty", "boolean"),
            ("inserted_at", STAMPTZ),
            ("comment", "text")
        ]),
        Some(Tool::GolangMigrate)
    );
    assert_eq!(
        named(&[("applied_by", "name"), ("version", "character varying")]),
        Some(Tool::Dbmate)
    );
    // Supabase keeps one row per version as well
    assert_eq!(
        recognise(
            "supabase_migrations",
            "schema_migrations",
            &[
                ("version", "text"),
                ("statements", "text[]"),
                ("name", "text")
            ]
        ),
        Some(Tool::Dbmate)
    );
}

#[test]
fn a_table_may_have_another_name_where_its_columns_are_enough() {
    for tool in [
        Tool::GolangMigrate,
        Tool::Refinery,
        Tool::Sqlx,
        Tool::Goose,
        Tool::Flyway,
        Tool::Prisma,
        Tool::Atlas,
        Tool::Liquibase,
        Tool::Pgroll,
    ] {
        for (_, _, _, columns) in TABLES.iter().filter(|(t, ..)| *t == tool) {
            assert_eq!(recognise("x", "y", columns), Some(tool));
        }
    }
}

#[test]
fn few_columns_need_a_name_that_says_so() {
    let one = [("version", "character varying")];
    assert_eq!(recognise("x", "my_migrations", &one), Some(Tool::Dbmate));
    assert_eq!(recognise("x", "firmware", &one), None);
    assert_eq!(recognise("x", "schema_migration", &one), Some(Tool::Pop));
    assert_eq!(recognise("x", "schema_version", &one), None);
    let more = [("version", "character varying"), ("title", "text")];
    assert_eq!(recognise("x", "bird_migrations", &more), None);
    // any table of an Elixir project may have these two
    let two = [("version", "integer"), ("inserted_at", STAMP)];
    assert_eq!(recognise("x", "documents", &two), None);
    assert_eq!(recognise("x", "tenant_migrations", &two), Some(Tool::Ecto));
    assert_eq!(
        recognise("x", "app_version", &[("version", "integer")]),
        None
    );
    let alembic = [("version_num", "character varying(32)")];
    assert_eq!(
        recognise("x", "alembic_version_billing", &alembic),
        Some(Tool::Alembic)
    );
    assert_eq!(recognise("x", "flights", &alembic), None);
    let diesel = [("version", "text"), ("run_on", STAMP)];
    assert_eq!(recognise("x", "reports", &diesel), None);
}

#[test]
fn schemas_matter_where_the_tool_fixes_them() {
    let of = |tool: Tool| TABLES.iter().find(|(t, ..)| *t == tool).unwrap().3;
    let graphile = of(Tool::GraphileMigrate);
    assert_eq!(recognise("public", "migrations", graphile), None);
    assert_eq!(recognise("graphile_migrate", "current", graphile), None);
    // the registry of sqitch can lie anywhere
    let sqitch = of(Tool::Sqitch);
    assert_eq!(recognise("registry", "changes", sqitch), Some(Tool::Sqitch));
    assert_eq!(recognise("registry", "events", sqitch), None);
}

#[test]
fn types_count() {
    assert_eq!(
        recognise(
            "public",
            "schema_migrations",
            &[("version", "bigint"), ("dirty", "text")]
        ),
        None
    );
    // a version that is text beside `dirty` is nobody's
    assert_eq!(
        recognise(
            "public",
            "schema_migrations",
            &[("version", "text"), ("dirty", "boolean")]
        ),
        None
    );
    assert_eq!(
        recognise(
            "public",
            "schema_migrations",
            &[("version", "integer"), ("dirty", "boolean")]
        ),
        Some(Tool::GolangMigrate)
    );
    // tern is an int4
    assert_eq!(
        recognise("public", "schema_version", &[("version", "bigint")]),
        None
    );
    for (class, yes, no) in [
        (
            Class::Text,
            "character varying(50)",
            "character varying(50)[]",
        ),
        (Class::Text, "name", "citext"),
        (Class::Timestamp, "timestamp(0) with time zone", "date"),
        (Class::Int, "bigint", "numeric(10,0)"),
        (Class::Json, "jsonb", "json[]"),
        (Class::Bytea, "bytea", "text"),
    ] {
        assert!(class.has(yes), "{yes}");
        assert!(!class.has(no), "{no}");
    }
}

#[test]
fn a_named_table_must_have_the_columns() {
    let error = check_columns(
        Tool::Goose,
        "app.versions",
        &[("id", "integer"), ("version_id", "text")],
    )
    .unwrap_err();
    assert_eq!(error.kind, Kind::InvalidParameter);
    assert_eq!(
        error.message,
        "table \"app.versions\" does not have the columns of \"goose\""
    );
    assert_eq!(
        error.detail.unwrap(),
        "Column \"version_id\" is of type text. Column \"is_applied\" is missing. Column \"tstamp\" is missing."
    );
    // its name does not matter then
    assert_eq!(
        check_columns(Tool::Dbmate, "x.y", &[("version", "text"), ("z", "text")]),
        Ok(())
    );
    assert!(
        check_columns(
            Tool::Dbmate,
            "x.y",
            &[("version", "text"), ("dirty", "boolean")]
        )
        .is_err()
    );
}

#[test]
fn width_of_a_version() {
    assert_eq!(version_width(&[("version", "bigint")]), Width::Int8);
    assert_eq!(version_width(&[("version", "integer")]), Width::Int4);
    assert_eq!(
        version_width(&[("id", "bigint"), ("version", "integer")]),
        Width::Int4
    );
}

proptest! {
    #[test]
    fn order_and_added_columns_do_not_matter(
        which in 0..TABLES.len(),
        turn in 0usize..12,
        added in proptest::collection::vec("[a-z]{3}_user", 0..4),
    ) {
        let (tool, schema, table, own) = TABLES[which];
        let mut columns: Vec<(&str, &str)> = own.to_vec();
        columns.extend(added.iter().map(|name| (name.as_str(), "uuid")));
        let by = turn % columns.len();
        columns.rotate_left(by);
        prop_assert_eq!(claims(schema, table, &columns), vec![tool]);
    }

    #[test]
    fn a_table_that_lacks_a_column_of_the_tool_is_not_its_own(which in 0..TABLES.len(), lost in 0usize..12) {
        let (tool, schema, table, own) = TABLES[which];
        let shape = SHAPES.iter().find(|shape| shape.tool == tool).unwrap();
        let (lost, _) = shape.columns[lost % shape.columns.len()];
        let columns: Vec<(&str, &str)> = own.iter().copied().filter(|(name, _)| *name != lost).collect();
        prop_assert_ne!(recognise(schema, table, &columns), Some(tool));
        prop_assert!(check_columns(tool, table, &columns).is_err());
    }

    #[test]
    fn no_name_of_a_type_does_harm(name in "\\PC{0,20}") {
        prop_assert_eq!(recognise("s", "t", &[("version", &name)]), None);
    }
}
