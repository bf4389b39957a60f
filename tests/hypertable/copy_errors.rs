//! Errors of COPY into a hypertable are the server's: code, text, detail, and the line of the file.

use super::copy_cases::{Case, ROWS, SERVER, alone, copy_in, leaf_names, same, three};
use crate::common::{exec, fails, one, rows};

#[test]
fn a_broken_line_is_named_with_its_text() {
    for (name, data, words) in [
        (
            "e_type",
            &b"2024-01-02\t1\tx\n2024-01-03\tfoo\tx\n"[..],
            "COPY t, line 2, column a: \"foo\"",
        ),
        ("e_extra", b"2024-01-02\t1\tx\ty\n", "COPY t, line 1: "),
        (
            "e_few",
            b"2024-01-02\t1\tx\n2024-01-02\t1\n",
            "COPY t, line 2: ",
        ),
        ("e_key", b"2024-01-02\t1\tx\n\\N\t1\tx\n", "COPY t, line 2"),
        ("e_bytes", b"2024-01-02\t1\t\xff\n", "COPY t, line 1"),
        (
            "e_long",
            &[b"2024-01-02\tx\t".as_slice(), &[b'y'; 300], b"\n"].concat(),
            "line 1, column a",
        ),
    ] {
        let said = same(Case {
            name,
            data,
            ..Case::default()
        });
        assert!(said.contains(words), "{said}");
    }
}

const CHECKED: &str =
    "ts timestamptz NOT NULL, a int CHECK (a > 0), b text NOT NULL, UNIQUE (ts, a)";

#[test]
fn a_broken_constraint_is_reported_for_its_line() {
    let columns = CHECKED;
    for (name, data, words) in [
        (
            "c_check",
            &b"2024-01-02\t1\tx\n2024-01-03\t-1\tx\n2024-01-04\t-2\tx\n"[..],
            "line 2: \"2024-01-03",
        ),
        (
            "c_null",
            b"2024-01-02\t1\tx\n2024-01-03\t1\t\\N\n",
            "line 2: \"2024-01-03",
        ),
        (
            "c_both",
            b"2024-01-02\t1\tx\n2024-01-03\t-1\tx\n2024-01-04\tfoo\tx\n",
            "line 2: \"2024-01-03",
        ),
        (
            "c_unique",
            b"2024-01-02\t1\tx\n2024-01-03\t1\tx\n2024-01-02\t1\tx\n",
            "COPY t, line 3",
        ),
    ] {
        let said = same(Case {
            name,
            columns,
            data,
            ..Case::default()
        });
        assert!(said.contains(words), "{said}");
    }
    let generated = Case {
        name: "c_generated",
        columns: "ts timestamptz NOT NULL, a int, g int GENERATED ALWAYS AS (a - 5) STORED CHECK (g < 0)",
        data: b"2024-01-02\t1\n2024-01-03\t2\n2024-01-04\t9\n",
        ..Case::default()
    };
    assert!(same(generated).contains("line 3: \"2024-01-04"));
    let domain = Case {
        name: "c_domain",
        setup: "CREATE DOMAIN small AS int CHECK (value < 10); ALTER TABLE t ADD COLUMN c small",
        data: b"2024-01-02\t1\tx\t1\n2024-01-02\t1\tx\t11\n",
        ..Case::default()
    };
    assert!(same(domain).contains("line 2, column c: \"11\""));
}

#[test]
fn foreign_keys_are_checked_at_the_end() {
    let case = Case {
        name: "c_foreign",
        setup: "CREATE TABLE r (id int PRIMARY KEY); INSERT INTO r VALUES (1), (2);
                ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES r",
        data: b"2024-01-02\t1\tx\n2024-01-03\t2\tx\n",
        ..Case::default()
    };
    assert!(same(case).starts_with("COPY 2\n"));
    let broken = Case {
        name: "c_foreign_broken",
        data: b"2024-01-02\t1\tx\n2024-01-03\t3\tx\n",
        ..case
    };
    assert!(same(broken).contains("violates foreign key constraint"));
}

const JOE: &str = "DO $$ BEGIN CREATE ROLE joe LOGIN;
                   EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$";

/// Runs the same statements as `joe` on a native table, on a made and on a missing hypertable.
fn as_joe(name: &str, grants: &str, sql: &str) -> String {
    let case = Case {
        name,
        ..Case::default()
    };
    let [native, made, missing] = three(&case, |database, mut session| {
        exec(&mut session, JOE);
        exec(&mut session, grants);
        let said = copy_in(&mut SERVER.client_as("joe", database), sql, ROWS);
        let kept = rows(&mut session, "SELECT t FROM t ORDER BY 1");
        leaf_names(&format!("{said:?} {kept}"))
    });
    assert_eq!(made, native, "chunks were there");
    assert_eq!(missing, native, "chunks were missing");
    native
}

#[test]
fn rights_are_those_of_the_table() {
    assert!(
        as_joe("p_none", "", "COPY t FROM STDIN").contains("42501 permission denied for table t")
    );
    assert!(as_joe("p_insert", "GRANT INSERT ON t TO joe", "COPY t FROM STDIN").contains("Ok(5)"));
    let columns = "GRANT INSERT (ts, a) ON t TO joe";
    assert!(as_joe("p_column", columns, "COPY t (ts, a, b) FROM STDIN").contains("42501"));
    // defaults of the others need no right
    let all = "GRANT INSERT (ts, a, b) ON t TO joe; ALTER TABLE t ADD COLUMN c int DEFAULT 4";
    assert!(as_joe("p_columns", all, "COPY t (ts, a, b) FROM STDIN").contains("Ok(5)"));
    three(&Case::default(), |database, mut session| {
        exec(&mut session, JOE);
        exec(&mut session, "GRANT INSERT ON t TO joe");
        let mut joe = SERVER.client_as("joe", database);
        for sql in ["COPY t FROM '/etc/passwd'", "COPY t FROM PROGRAM 'true'"] {
            let error = fails(&mut joe, sql, "42501", &[]);
            assert!(
                error.hint().is_some_and(|h| h.contains("Anyone can COPY")),
                "{error:?}"
            );
        }
        exec(&mut session, "GRANT pg_execute_server_program TO joe");
        exec(&mut joe, "COPY t FROM PROGRAM 'true'");
        exec(&mut session, "REVOKE pg_execute_server_program FROM joe");
    });
}

#[test]
fn row_security_freeze_and_read_only_are_refused() {
    let policy = "GRANT INSERT ON t TO joe; ALTER TABLE t ENABLE ROW LEVEL SECURITY;
                  CREATE POLICY p ON t USING (true)";
    assert!(
        as_joe("r_rls", policy, "COPY t FROM STDIN")
            .contains("not supported with row-level security")
    );
    let bypass = format!("{policy}; ALTER ROLE joe BYPASSRLS");
    let said = as_joe("r_bypass", &bypass, "COPY t FROM STDIN");
    exec(&mut SERVER.client("postgres"), "ALTER ROLE joe NOBYPASSRLS");
    assert!(said.contains("Ok(5)"), "{said}");
    let freeze = Case {
        name: "r_freeze",
        data: ROWS,
        ..Case::default()
    };
    // by psql: the error comes right after the server asked for data, which the driver does not expect
    let refused = three(&freeze, |database, _| {
        let sql = "COPY t FROM STDIN (FREEZE);\n2024-01-02\t1\tx\n\\.\n";
        SERVER.try_psql(database, sql).unwrap_err()
    });
    assert!(refused[0].contains("cannot perform COPY FREEZE on a partitioned table"));
    assert!(refused.iter().all(|r| *r == refused[0]), "{refused:?}");
    let thawed = Case {
        name: "r_thawed",
        copy: "COPY t FROM STDIN (FREEZE false)",
        ..freeze
    };
    assert!(same(thawed).starts_with("COPY 5\n"));
    let read_only = Case {
        name: "r_read_only",
        setup: "SET default_transaction_read_only = on",
        copy: "COPY t FROM STDIN",
        ..freeze
    };
    assert!(same(read_only).contains("cannot execute COPY FROM in a read-only transaction"));
}

#[test]
fn guards_name_the_line() {
    let mut session = alone("copy_guards", &Case::default());
    let infinite = copy_in(
        &mut session,
        "COPY t FROM STDIN",
        b"2024-01-02\t1\tx\ninfinity\t2\tx\n",
    );
    let infinite = infinite.unwrap_err();
    assert!(
        infinite.starts_with("22008") && infinite.contains("COPY t, line 2"),
        "{infinite}"
    );
    exec(
        &mut session,
        "UPDATE strata.hypertable SET max_chunks_per_statement = 3",
    );
    let mut session = SERVER.client("copy_guards");
    let data: String = (1..9).map(|d| format!("2024-03-0{d}\t1\tx\n")).collect();
    let many = copy_in(&mut session, "COPY t FROM STDIN", data.as_bytes()).unwrap_err();
    assert!(many.starts_with("54000"), "{many}");
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "0");
    exec(
        &mut session,
        "UPDATE strata.hypertable SET on_missing_chunk = 'error'",
    );
    let mut session = SERVER.client("copy_guards");
    let none = copy_in(&mut session, "COPY t FROM STDIN", data.as_bytes()).unwrap_err();
    assert!(
        none.starts_with("23514 no partition of relation \"t\" found for row"),
        "{none}"
    );
}

#[test]
fn errors_of_other_utility_statements_keep_context_and_position() {
    let mut session = alone("copy_others", &Case::default());
    let error = fails(
        &mut session,
        "DO $$ BEGIN PERFORM 1 / 0; END $$",
        "22012",
        &[],
    );
    assert!(
        error
            .where_()
            .is_some_and(|w| w.contains("PL/pgSQL function inline_code_block")),
        "{error:?}"
    );
    let error = fails(&mut session, "CREATE TABLE x (a nosuch)", "42704", &[]);
    assert!(error.position().is_some(), "{error:?}");
    exec(
        &mut session,
        "CREATE TABLE plain (a int CONSTRAINT positive CHECK (a > 0))",
    );
    let error = copy_in(&mut session, "COPY plain FROM STDIN", b"1\n-1\n").unwrap_err();
    assert!(
        error.contains("COPY plain, line 2: \"-1\"") && error.contains("positive"),
        "{error}"
    );
}
