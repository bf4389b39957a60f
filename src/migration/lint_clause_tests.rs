use super::*;
use proptest::prelude::*;

fn tidy(sql: &str) -> String {
    joined(sql, &code(sql))
}

#[test]
fn comments_and_line_ends_go() {
    assert_eq!(
        tidy("CREATE INDEX i -- of all\n  ON t\t( a,b ) /* x */ "),
        "CREATE INDEX i ON t ( a,b )"
    );
    assert_eq!(tidy("SELECT 'a -- b\n c'"), "SELECT 'a -- b\n c'");
    assert_eq!(tidy(""), "");
    assert_eq!(tidy("a/**/b"), "a b");
    // a string that goes on needs its line end
    assert_eq!(tidy("SELECT 'a' -- x\n\n  'b'"), "SELECT 'a'\n'b'");
}

#[test]
fn words_are_put_behind_the_first_of_these() {
    let of = |sql| insert_after(sql, &["index", "table"], "CONCURRENTLY");
    assert_eq!(
        of("create unique index IF NOT EXISTS i on t(a)").as_deref(),
        Some("create unique index CONCURRENTLY IF NOT EXISTS i on t(a)")
    );
    assert_eq!(
        of("REINDEX (VERBOSE) TABLE t").as_deref(),
        Some("REINDEX (VERBOSE) TABLE CONCURRENTLY t")
    );
    // a word in brackets or quotes is none
    assert_eq!(of("REINDEX (TABLE) \"index\" x"), None);
    assert_eq!(of("DROP VIEW v"), None);
}

#[test]
fn alter_table_is_cut_at_its_commas() {
    let of = |sql| {
        let parts = alter_parts(sql)?;
        Some((parts.head, parts.commands.join(" | ")))
    };
    for (sql, head, commands) in [
        ("ALTER TABLE t ADD a int", "ALTER TABLE t", "ADD a int"),
        (
            "alter table if exists only s.\"T\" ADD c numeric(8, 2), DROP d -- x",
            "alter table if exists only s.\"T\"",
            "ADD c numeric(8, 2) | DROP d",
        ),
        ("ALTER TABLE t * DROP a", "ALTER TABLE t *", "DROP a"),
        ("ALTER TABLE ONLY t DROP a", "ALTER TABLE ONLY t", "DROP a"),
        (
            "ALTER TABLE ONLY (t) DROP a",
            "ALTER TABLE ONLY (t)",
            "DROP a",
        ),
        ("ALTER TABLE d.s.t DROP a", "ALTER TABLE d.s.t", "DROP a"),
        (
            "ALTER TABLE t ALTER a SET DEFAULT ARRAY[1, 2], ADD CHECK (a > f(1, 2))",
            "ALTER TABLE t",
            "ALTER a SET DEFAULT ARRAY[1, 2] | ADD CHECK (a > f(1, 2))",
        ),
        ("ALTER TABLE if ADD a int", "ALTER TABLE if", "ADD a int"),
    ] {
        assert_eq!(of(sql), Some((head.into(), commands.into())), "{sql}");
    }
    assert_eq!(of("ALTER INDEX i SET (fillfactor = 70)"), None);
    assert_eq!(of("CREATE TABLE t (a int)"), None);
    assert_eq!(of("ALTER TABLE"), None);
    assert_eq!(of("ALTER TABLE ONLY"), None);
}

#[test]
fn what_an_update_sets() {
    let of = |sql| set_clause(sql);
    assert_eq!(
        of("UPDATE t SET a = 1, b = (SELECT 2 FROM x)").as_deref(),
        Some("a = 1, b = (SELECT 2 FROM x)")
    );
    assert_eq!(of("update only s.t x set a = 1").as_deref(), Some("a = 1"));
    for other in [
        "UPDATE t SET a = u.a FROM u",
        "UPDATE t SET a = 1 WHERE b",
        "UPDATE t SET a = 1 RETURNING a",
        "WITH w AS (SELECT 1) UPDATE t SET a = 1",
        "DELETE FROM t",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn where_a_default_begins_and_ends() {
    let of = |sql: &str| default_clause(sql);
    let is = |sql: &str, before: &str, default: &str| {
        assert_eq!(of(sql), Some((before.into(), default.into())), "{sql}");
    };
    is(
        "ADD COLUMN a uuid DEFAULT f(1, 'x') NOT NULL",
        "ADD COLUMN a uuid",
        "f(1, 'x')",
    );
    is(
        "ADD a int NOT NULL default 1 + g()",
        "ADD a int NOT NULL",
        "1 + g()",
    );
    is("ADD a int DEFAULT NULL REFERENCES t", "ADD a int", "NULL");
    is(
        "ADD a text DEFAULT (not f()) UNIQUE",
        "ADD a text",
        "(not f())",
    );
    for word in AFTER_DEFAULT {
        is(
            &format!("ADD a int DEFAULT f() {word} x"),
            "ADD a int",
            "f()",
        );
    }
    assert_eq!(of("ADD a int"), None);
    assert_eq!(of("ADD a int CHECK (a > default)"), None);
}

#[test]
fn strings_are_found_by_their_value() {
    for sql in [
        "INSERT INTO t VALUES ('new')",
        "SELECT E'new'",
        "SELECT N'new'",
        "SELECT $$new$$",
        "SELECT $a$new$a$",
        "SELECT e'new' -- x",
    ] {
        assert!(has_string(sql, "new", false), "{sql}");
    }
    for sql in [
        "SELECT new",
        "SELECT \"new\"",
        "SELECT 'newer'",
        "SELECT 'a new'",
        "-- 'new'",
        "DO $$ BEGIN PERFORM 'new'; END $$",
    ] {
        assert!(!has_string(sql, "new", false), "{sql}");
    }
    assert!(has_string("SELECT 'it''s'", "it's", false));
    assert!(has_string("DO $$ BEGIN PERFORM 'new'; END $$", "new", true));
    assert!(has_string("DO 'BEGIN PERFORM $a$new$a$; END'", "new", true));
    assert!(!has_string(
        "DO $$ BEGIN PERFORM 'old'; END $$",
        "new",
        true
    ));
    assert!(!has_string("DO $a$ DO $$ SELECT 'new' $$ $a$", "new", true));
}

#[test]
fn names_are_long_from_64_bytes_on() {
    let (fits, long) = ("a".repeat(63), "b".repeat(64));
    assert!(long_names(&format!("SELECT {fits}, \"{fits}\", '{long}'")).is_empty());
    assert_eq!(
        long_names(&format!("SELECT {long}, {long}")),
        *std::slice::from_ref(&long)
    );
    assert_eq!(
        long_names(&format!("SELECT \"{long}\"")),
        *std::slice::from_ref(&long)
    );
    // quotes within count once
    let quotes = "\"\"".repeat(63);
    assert!(long_names(&format!("SELECT \"{quotes}\"")).is_empty());
    // bytes, not characters
    let umlauts = "ä".repeat(32);
    assert_eq!(long_names(&format!("SELECT {umlauts}")), [umlauts]);
    assert!(long_names(&format!("SELECT $${long}$$ /* {long} */")).is_empty());
}

#[test]
fn what_stands_behind_using() {
    let of = |sql| using_clause(sql);
    assert_eq!(
        of("ALTER a TYPE date USING to_date(a, 'using') -- x").as_deref(),
        Some("to_date(a, 'using')")
    );
    assert_eq!(of("ALTER a TYPE date"), None);
}

#[test]
fn options_of_keys() {
    for (sql, index, constraint) in [
        ("ADD UNIQUE (a)", "", ""),
        ("ADD CONSTRAINT nulls_ok UNIQUE (a, b) INCLUDE (c)", "", ""),
        (
            "ADD UNIQUE NULLS NOT DISTINCT (a)",
            " NULLS NOT DISTINCT",
            "",
        ),
        (
            "ADD UNIQUE (a) WITH (fillfactor = 70) USING INDEX TABLESPACE fast DEFERRABLE INITIALLY DEFERRED",
            " WITH (fillfactor = 70) TABLESPACE fast",
            " DEFERRABLE INITIALLY DEFERRED",
        ),
        ("ADD PRIMARY KEY (a) NOT DEFERRABLE", "", " NOT DEFERRABLE"),
        (
            "ADD UNIQUE (a) INITIALLY IMMEDIATE",
            "",
            " INITIALLY IMMEDIATE",
        ),
    ] {
        let expected = (index.to_owned(), constraint.to_owned());
        assert_eq!(key_options(sql), expected, "{sql}");
    }
}

proptest! {
    #[test]
    fn tidying_twice_is_tidying_once(sql in "[a-z0-9 '\"(),;\n-]{0,40}") {
        let once = tidy(&sql);
        prop_assert_eq!(tidy(&once), once);
    }

    #[test]
    fn nothing_here_panics(sql in "(ALTER TABLE )?[a-zA-Z0-9 '\"$(),.;\\[\\]*ä-]{0,40}") {
        let _ = (alter_parts(&sql), set_clause(&sql), long_names(&sql));
        let _ = (insert_after(&sql, &["a"], "b"), has_string(&sql, "a", true));
        let _ = (default_clause(&sql), using_clause(&sql), key_options(&sql));
    }
}
