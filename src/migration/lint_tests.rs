use super::samples::*;
use super::*;
use crate::migration::ddl::samples::*;
use crate::migration::ddl::{AlterCommand, ObjectKind, Using};
use proptest::prelude::*;

#[test]
fn a_finding_says_where_and_what() {
    let catalog = Catalog::with("t", MB_10);
    let index = Ddl::CreateIndex(index("t", &["a"]).named("i"));
    let mut script = Script::default().file("7_x.up.sql").then(Ddl::Nothing);
    script = script.text("CREATE INDEX i\n  ON t (a)", index);
    assert_eq!(
        script.finding(&catalog),
        Finding {
            filename: "7_x.up.sql".into(),
            statement: Some(2),
            line: Some(20),
            rule: Rule::IndexBlocksWrites,
            severity: Severity::Warning,
            object: Some("public.t".into()),
            est_rows: Some(12_800),
            bytes: Some(1_280 * 8_192),
            message: "nobody writes to \"public.t\" while index \"i\" is being built".into(),
            suggestion: Some(
                "CREATE INDEX CONCURRENTLY i ON t (a); -- run by CALL strata.migrate_deploy()"
                    .into()
            ),
        }
    );
}

#[test]
fn findings_stand_in_the_order_of_the_statements() {
    let mut catalog = Catalog::with("t", GB);
    catalog.table("u", GB);
    // the foreign key is only told at the end, but belongs to the first statement
    let script = one(add("t", foreign_key(&["a"], "u")))
        .then(set_not_null("t", "b"))
        .file("2.sql")
        .then(drop_column("t", "c"));
    script.tells(
        &catalog,
        &[
            "1.sql 1 fk_scan error public.t",
            "1.sql 1 fk_without_index warning public.t",
            "1.sql 2 not_null_scan error public.t.b",
            "2.sql 1 drop_column error public.t.c",
        ],
    );
}

#[test]
fn the_setting_says_what_is_small() {
    let catalog = Catalog::with("t", 10);
    let statement = Located {
        filename: "1.sql",
        statement: 1,
        line: 1,
        sql: "...",
        tag: "ALTER TABLE",
        outside: Outside::No,
        ddl: set_not_null("t", "a"),
    };
    let count = |pages| lint(std::slice::from_ref(&statement), &catalog, pages).len();
    assert_eq!(
        [count(9), count(10), count(0), count(u64::MAX)],
        [1, 0, 1, 0]
    );
}

#[test]
fn every_rule_has_its_word() {
    // the table of the design, and a text that does not parse
    assert_eq!(Rule::WORDS.len(), 32 + 1);
    for word in Rule::WORDS {
        assert_eq!(Rule::of(word).map(Rule::word), Some(*word));
    }
    assert!(lint(&[], &Catalog::default(), 128).is_empty());
}

/// Statements on two tables that are there, and two that are made.
fn any_statement() -> impl Strategy<Value = Ddl> {
    let table = prop::sample::select(vec!["t", "u", "x", "y"]);
    let column = prop::sample::select(vec!["a", "b", "d"]);
    (table.clone(), table, column, 0..22).prop_map(|(t, u, c, n)| match n {
        0 => create_table(t, vec![column_of(c)], vec![primary_key(&[c])]),
        1 => drop_one(ObjectKind::Table, t),
        2 => rename(object(ObjectKind::Table, t), u),
        3 => rename(part(ObjectKind::Column, c, t), "d"),
        4 => add_column(t, column_of(c)),
        5 => drop_column(t, c),
        6 => set_not_null(t, c),
        7 => set_type(t, c, "text", Using::Same),
        8 => add(t, foreign_key(&[c], u)),
        9 => add(t, unique(&[c])),
        10 => add(t, check(&[c], &[c]).named("k").not_valid()),
        11 => alter(t, AlterCommand::ValidateConstraint("k".into())),
        12 => Ddl::CreateIndex(index(t, &[c]).named("i")),
        13 => drop_one(ObjectKind::Index, "i"),
        14 => rename(object(ObjectKind::Index, "i"), "j"),
        15 => alter(
            t,
            AlterCommand::DropConstraint {
                name: "k".into(),
                if_exists: true,
                cascade: false,
            },
        ),
        16 => set("search_path", Some(&["s"])),
        17 => Ddl::Transaction(crate::migration::ddl::Transaction::Commit),
        18 => rename(object(ObjectKind::Schema, "public"), "s"),
        19 => drop_one(ObjectKind::Schema, "s"),
        20 => add(t, primary_key_using("i").named("p")),
        _ => Ddl::Rows(crate::migration::ddl::Rows::Delete {
            table: name(t),
            filtered: false,
        }),
    })
}

fn column_of(name: &str) -> crate::migration::ddl::Column {
    column(name, "pg_catalog.int4").not_null()
}

fn script(statements: &[(Ddl, bool)]) -> Script {
    let mut files = ["2.sql", "3.sql", "4.sql"].into_iter();
    let mut script = Script::default();
    for (ddl, next) in statements {
        if let Some(file) = next.then(|| files.next()).flatten() {
            script = script.file(file);
        }
        script = script.then(ddl.clone());
    }
    script
}

proptest! {
    #[test]
    fn on_small_tables_nothing_is_about_time(
        statements in prop::collection::vec((any_statement(), any::<bool>()), 1..14)
    ) {
        let mut catalog = Catalog::with("t", SMALL);
        catalog.table("u", 0);
        for finding in script(&statements).findings(&catalog) {
            let told = matches!(
                finding.rule,
                Rule::AddRequiredColumn | Rule::CommitInside | Rule::DuplicateIndex | Rule::DropTable
                    | Rule::DropColumn | Rule::FkWithoutIndex | Rule::IntPrimaryKey | Rule::SetLeaks
                    | Rule::RenameBreaksClients | Rule::UnqualifiedAfterSearchPath
            );
            prop_assert!(told, "{finding:?}");
        }
    }

    #[test]
    fn more_pages_never_make_it_better(
        statements in prop::collection::vec((any_statement(), any::<bool>()), 1..14)
    ) {
        let script = script(&statements);
        let found = |pages| {
            let mut catalog = Catalog::with("t", pages);
            catalog.table("u", pages);
            script.findings(&catalog)
        };
        let sizes = [1, LARGE, MB_10, MB_100, GB];
        for pair in sizes.windows(2) {
            let (less, more) = (found(pair[0]), found(pair[1]));
            for f in &less {
                let same = |m: &&Finding| {
                    (m.rule, m.statement, &m.filename, &m.object) == (f.rule, f.statement, &f.filename, &f.object)
                };
                let worst = more.iter().filter(same).map(|m| m.severity).max();
                prop_assert!(worst >= Some(f.severity), "{f:?}");
            }
        }
    }

    #[test]
    fn positions_and_order_are_those_of_the_statements(
        statements in prop::collection::vec((any_statement(), any::<bool>()), 1..14)
    ) {
        let mut catalog = Catalog::with("t", GB);
        catalog.table("u", GB);
        let found = script(&statements).findings(&catalog);
        let places: Vec<_> = found.iter().map(|f| (f.filename.clone(), f.statement)).collect();
        prop_assert!(places.is_sorted());
        for f in &found {
            prop_assert!(!f.message.ends_with('.') && !f.message.is_empty());
            prop_assert!(!f.message.starts_with(|c: char| c.is_ascii_uppercase()) || f.message.starts_with("SET"));
        }
    }
}
