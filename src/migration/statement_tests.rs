use super::super::lexer::Tokens;
use super::*;

/// The statements of a text, each without blanks around, and what the last one of them was.
fn split(text: &str) -> (Vec<&str>, Option<End>) {
    let (mut statement, mut found) = (Statement::new(), Vec::new());
    let (mut start, mut last) = (0, None);
    for token in Tokens::new(text, Strings::Standard) {
        if let Some(end) = statement.see(text, &token, Strings::Standard) {
            assert!(!statement.is_open());
            found.push(text[start..token.end].trim());
            (start, last) = (token.end, Some(end));
        }
    }
    if statement.is_open() {
        found.push(text[start..].trim());
    }
    (found, last)
}

/// Each of them is one statement, alone and between others.
fn one(statements: &[&str]) {
    for statement in statements {
        assert_eq!(split(statement).0, [*statement]);
        let text = format!("SELECT 1;{statement}\n/* ; */ SELECT 2; --;\n{statement}BEGIN;END;");
        let wanted = [
            "SELECT 1;",
            statement,
            "/* ; */ SELECT 2;",
            &format!("--;\n{statement}"),
            "BEGIN;",
            "END;",
        ];
        assert_eq!(split(&text).0, wanted);
    }
}

fn ends(text: &str) -> Option<End> {
    split(text).1
}

#[test]
fn a_semicolon_at_the_top_level_ends_a_statement() {
    one(&[
        "SELECT 'a;b', E'\\';', \"c;\", U&'\\003b;', U&\";\", $x$;$$;$x$, B';' /* ; /* ; */ ; */;",
        "INSERT INTO t VALUES ('a''; b');",
        "DO $$ BEGIN PERFORM 1; END; $$;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $f$ BEGIN RETURN $1; END; $f$;",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; UPDATE b SET c = (SELECT 1););",
        ";",
    ]);
    let transaction = ["BEGIN;", "SELECT 1;", "END;", "COMMIT;"];
    assert_eq!(split("BEGIN; SELECT 1; END; COMMIT;").0, transaction);
}

#[test]
fn bodies_of_sql_statements_are_part_of_their_function() {
    one(&[
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;",
        "create or replace procedure p() LANGUAGE sql begin atomic\n insert into t values (1);\nend;",
        "CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC\n\
         SELECT CASE WHEN a = 1 THEN CASE a WHEN 2 THEN 3 END ELSE 4 END; RETURN 1; END;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC ; END;",
        "CREATE FUNCTION f() RETURNS int BEGIN /* x */ ATOMIC -- ;\n SELECT 1; /* y */ END;",
        "CREATE FUNCTION f(a int = (CASE WHEN true THEN 1 END)) RETURNS int RETURN a;",
        // a column may be named so
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT t.end, 1 AS end, 2 end FROM t; SELECT 1; END;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT begin atomic FROM t; END;",
        "CREATE FUNCTION \"create\"() RETURNS int BEGIN ATOMIC SELECT (SELECT 1); END;",
    ]);
}

#[test]
fn begin_is_no_body_elsewhere() {
    let both = |a, b| assert_eq!(split(&format!("{a} {b}")).0, [a, b]);
    both("BEGIN ATOMIC;", "SELECT 1;");
    both("CREATE TABLE begin (atomic int);", "SELECT 1;");
    both("CREATE VIEW v AS SELECT begin atomic FROM t;", "END;");
    both(
        "CREATE FUNCTION begin(atomic int) RETURNS int RETURN 1;",
        "END;",
    );
    both(
        "CREATE FUNCTION f(begin atomic) RETURNS int RETURN 1;",
        "END;",
    );
    both("CREATE FUNCTION f() RETURNS begin RETURN 1;", "SELECT 2;");
    both(
        "CREATE FUNCTION f() RETURNS int AS 'begin atomic; end';",
        "SELECT 2;",
    );
    both("ALTER FUNCTION f() BEGIN ATOMIC;", "SELECT 2;");
}

#[test]
fn parentheses_that_do_not_match_are_left_to_the_parser() {
    assert_eq!(split("SELECT 1); SELECT 2;").0, ["SELECT 1);", "SELECT 2;"]);
    assert_eq!(split("SELECT (1; SELECT 2;").0, ["SELECT (1; SELECT 2;"]);
}

#[test]
fn copy_from_stdin_is_recognised() {
    for text in [
        "COPY t FROM STDIN;",
        "copy public.t (a, \"b;\") from stdin;",
        "COPY \"from\" FROM stdin WITH (FORMAT csv, HEADER);",
        "COPY s.from FROM STDIN;",
        "COPY t (a) /* from 'x' */ FROM -- x\n STDIN WHERE a > 'stdin';",
        "COPY BINARY t FROM STDIN;",
        "COPY t FROM STDIN DELIMITERS '|' WITH NULL AS '';",
        // gram.y, copy_file_name: takes one for the other
        "COPY t FROM STDOUT;",
    ] {
        assert_eq!(ends(text), Some(End::CopyFromStdin), "{text}");
    }
    for text in [
        "COPY t TO STDOUT;",
        "COPY t TO STDIN;",
        "COPY (SELECT * FROM stdin) TO STDOUT;",
        "COPY (SELECT 1 FROM a) TO 'from stdin';",
        "COPY t FROM 'stdin';",
        "COPY t FROM PROGRAM 'stdin';",
        "COPY t FROM \"stdin\";",
        "COPY t (stdin) FROM '/x';",
        "COPY t FROM '/stdin' WHERE stdin > 1;",
        "SELECT 1 FROM stdin;",
        "EXPLAIN COPY t FROM STDIN;",
        "CREATE FUNCTION f() RETURNS int AS $$ COPY t FROM STDIN; $$;",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC COPY t FROM STDIN; END;",
        "copying t FROM STDIN;",
        "\"copy\" t FROM STDIN;",
    ] {
        assert_eq!(ends(text), Some(End::Statement), "{text}");
    }
}

#[test]
fn settings_of_strings_are_seen() {
    let off = [
        "SET standard_conforming_strings = off;",
        "set standard_conforming_strings='off';",
        "SET SESSION Standard_Conforming_Strings TO FALSE;",
        "SET LOCAL \"STANDARD_CONFORMING_STRINGS\" TO n;",
        "SET standard_conforming_strings TO 0;",
        "/* x */ SET -- x\n standard_conforming_strings = E'of' ;",
        "SET standard_conforming_strings = $a$No$a$;",
        "SET standard_conforming_strings = \"off\";",
        "SET standard_conforming_strings TO U&'off';",
    ];
    for text in off {
        assert_eq!(ends(text), Some(End::Strings(Strings::Escaped)), "{text}");
    }
    let on = [
        "SET standard_conforming_strings = on;",
        "SET standard_conforming_strings TO 'TRUE';",
        "SET standard_conforming_strings TO y;",
        "SET standard_conforming_strings TO 1;",
        "SET standard_conforming_strings TO DEFAULT;",
        "RESET standard_conforming_strings;",
        "RESET ALL;",
        "DISCARD ALL;",
    ];
    for text in on {
        assert_eq!(ends(text), Some(End::Strings(Strings::Standard)), "{text}");
    }
    for text in [
        "SET search_path = off;",
        "SET standard_conforming_strings = o;",
        "SET standard_conforming_strings = 'off ';",
        "SET standard_conforming_strings = 'maybe';",
        "SET standard_conforming_strings = off, on;",
        "SET standard_conforming_strings FROM CURRENT;",
        "SET x.standard_conforming_strings = off;",
        "SET ALL;",
        "SET 'standard_conforming_strings' = off;",
        "RESET 'a';",
        "RESET search_path;",
        "RESET standard_conforming_strings = off;",
        "DISCARD PLANS;",
        "SHOW standard_conforming_strings;",
        "SELECT 'SET standard_conforming_strings = off';",
        "ALTER ROLE r SET standard_conforming_strings = off;",
        "CREATE FUNCTION f() RETURNS int SET standard_conforming_strings = off RETURN 1;",
    ] {
        assert_eq!(ends(text), Some(End::Statement), "{text}");
    }
}

#[test]
fn a_reset_goes_back_to_the_start() {
    let text = "RESET standard_conforming_strings;";
    let mut statement = Statement::new();
    let ends = Tokens::new(text, Strings::Standard)
        .filter_map(|token| statement.see(text, &token, Strings::Escaped));
    assert_eq!(ends.collect::<Vec<_>>(), [End::Strings(Strings::Escaped)]);
}
