use super::*;
use crate::migration::ddl::samples::{
    add_column, alter, column, create, default, drop_column, new, object, primary_key,
};
use crate::migration::ddl::{Ddl, DefaultValue};
use crate::migration::lint::samples::*;

fn volatile(type_: &str) -> Column {
    Column {
        default: default("gen"),
        ..column("x", type_)
    }
}

#[test]
fn a_required_column_without_values() {
    let required = || add_column("t", column("x", "text").not_null());
    by_size(&required(), "- error error error error error");
    let found = one(required()).finding(&Catalog::with("t", SMALL));
    assert_eq!(found.rule, Rule::AddRequiredColumn);
    assert_eq!(found.object.as_deref(), Some("public.t.x"));
    assert_eq!(
        found.message,
        "\"public.t.x\" is NOT NULL without a default: this fails, because the table has rows"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD COLUMN x text; \
             CALL strata.task_backfill('t_x', 't', 'x = ...', 'x IS NULL'); \
             ALTER TABLE t ALTER COLUMN x SET NOT NULL"
        )
    );
    let catalog = Catalog::with("t", SMALL);
    let told = |column: Column| one(add_column("t", column)).told(&catalog);
    assert!(told(column("x", "text")).is_empty());
    let null = Some(DefaultValue {
        null: true,
        calls: Vec::new(),
    });
    let required = column("x", "text").not_null();
    let with = |default| Column {
        default,
        ..required.clone()
    };
    assert_eq!(told(with(null)), ["1 add_required_column error public.t.x"]);
    assert!(told(with(default(""))).is_empty());
    assert!(told(column("x", "bigserial").not_null()).is_empty());
    let key = column("x", "text").with(primary_key(&["x"]));
    assert_eq!(told(key), ["1 add_required_column error public.t.x"]);
}

#[test]
fn a_default_of_its_own_for_each_row() {
    by_size(
        &add_column("t", volatile("uuid")),
        "- - warning warning error error",
    );
    let mut catalog = Catalog::with("t", LARGE);
    let text = "ALTER TABLE t ADD COLUMN x uuid DEFAULT gen() NOT NULL";
    let found = sql(text, add_column("t", volatile("uuid"))).finding(&catalog);
    assert_eq!(found.rule, Rule::RewriteDefault);
    assert_eq!(found.object.as_deref(), Some("public.t.x"));
    assert_eq!(
        found.message,
        "adding \"public.t.x\" writes the table anew, locked against all others: gen() gives each row another value"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD COLUMN x uuid; ALTER TABLE t ALTER COLUMN x SET DEFAULT gen(); \
             CALL strata.task_backfill('t_x', 't', 'x = gen()', 'x IS NULL')"
        )
    );
    assert_eq!(
        one(add_column("t", volatile("uuid")))
            .finding(&catalog)
            .suggestion,
        None
    );
    let constant = Column {
        default: default(""),
        ..column("x", "text")
    };
    one(add_column("t", constant)).is_quiet(&catalog);
    catalog.stable_functions.insert("gen".into());
    one(add_column("t", volatile("uuid"))).is_quiet(&catalog);
}

#[test]
fn functions_of_the_run_say_themselves_whether_they_are_volatile() {
    let mut catalog = Catalog::with("t", LARGE);
    let function = |volatile| {
        let mut create = new(object(ObjectKind::Function, "gen"));
        create.volatile = volatile;
        Ddl::Create(create)
    };
    let add = || add_column("t", volatile("uuid"));
    one(function(false)).then(add()).is_quiet(&catalog);
    catalog.stable_functions.insert("gen".into());
    let told = ["2 rewrite_default warning public.t.x"];
    one(function(true)).then(add()).tells(&catalog, &told);
    // what is no function has no say in it
    let other = create(ObjectKind::Statistics, "gen");
    catalog.stable_functions.clear();
    one(other).then(add()).tells(&catalog, &told);
    // one of two of the same name
    let told = ["3 rewrite_default warning public.t.x"];
    one(function(true))
        .then(function(false))
        .then(add())
        .tells(&catalog, &told);
}

#[test]
fn sequences_and_computed_columns_write_all_rows() {
    let catalog = Catalog::with("t", LARGE);
    let found = one(add_column("t", column("x", "bigserial"))).finding(&catalog);
    assert_eq!(found.rule, Rule::RewriteDefault);
    assert!(
        found
            .message
            .ends_with(": bigserial gives each row another value")
    );
    let suggestion = "ALTER TABLE t ADD COLUMN x bigint; CREATE SEQUENCE t_x_seq OWNED BY t.x; \
         ALTER TABLE t ALTER COLUMN x SET DEFAULT nextval('t_x_seq'); \
         CALL strata.task_backfill('t_x', 't', 'x = nextval(''t_x_seq'')', 'x IS NULL')";
    assert_eq!(found.suggestion.as_deref(), Some(suggestion));
    let identity = Column {
        identity: true,
        ..column("x", "bigint")
    };
    let found = one(add_column("t", identity)).finding(&catalog);
    assert_eq!(found.rule, Rule::RewriteOther);
    assert!(
        found
            .message
            .ends_with(": an identity gives each row another value")
    );
    assert_eq!(found.suggestion.as_deref(), Some(suggestion));
    let generated = |kind| Column {
        generated: Some(kind),
        ..column("x", "text")
    };
    let found = one(add_column("t", generated(Generated::Stored))).finding(&catalog);
    assert_eq!(found.rule, Rule::RewriteOther);
    assert!(
        found
            .message
            .ends_with(": a stored generated column is computed for each row")
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ADD COLUMN x text; -- a trigger for new rows; \
             CALL strata.task_backfill('t_x', 't', 'x = ...', 'x IS NULL')"
        )
    );
    one(add_column("t", generated(Generated::Virtual))).is_quiet(&catalog);
}

#[test]
fn a_column_that_is_there_is_not_added() {
    let catalog = Catalog::with("t", GB);
    let add = |name: &str, if_not_exists| {
        let column = Column {
            name: name.into(),
            ..volatile("uuid")
        };
        alter(
            "t",
            AlterCommand::AddColumn {
                column,
                if_not_exists,
            },
        )
    };
    one(add("a", true)).is_quiet(&catalog);
    one(add("a", false)).tells(&catalog, &["1 rewrite_default error public.t.a"]);
    let new = |if_not_exists| {
        let column = column("a", "integer").with(primary_key(&["a"]));
        let add = AlterCommand::AddColumn {
            column,
            if_not_exists,
        };
        let table = crate::migration::ddl::samples::create_table("x", Vec::new(), Vec::new());
        one(table).then(alter("x", add))
    };
    new(true).tells(&catalog, &["2 int_primary_key info public.x.a"]);
    let first = "1 rewrite_default error public.t.x";
    one(add("x", true)).tells(&catalog, &[first]);
    one(add("x", false))
        .then(add("x", true))
        .tells(&catalog, &[first]);
}

#[test]
fn lost_columns() {
    by_size(&drop_column("t", "a"), "- info warning warning error error");
    let catalog = Catalog::with("t", LARGE);
    let found = one(drop_column("t", "a")).finding(&catalog);
    assert_eq!(found.rule, Rule::DropColumn);
    assert_eq!(found.object.as_deref(), Some("public.t.a"));
    assert_eq!(
        found.message,
        "the values of \"public.t.a\" in about 1290 rows are lost"
    );
    assert_eq!(
        found.suggestion.as_deref(),
        Some(
            "ALTER TABLE t ALTER COLUMN a DROP NOT NULL; -- and DROP COLUMN once no program reads it"
        )
    );
    // made by the run
    one(add_column("t", column("x", "text")))
        .then(drop_column("t", "x"))
        .is_quiet(&catalog);
}
