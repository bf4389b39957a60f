//! COPY FROM into a hypertable gives what the server's own COPY gives on the same table with its
//! partitions made before: rows, counts, messages, lines.
//!
//! Each case runs three times: on a native partitioned table, on a hypertable whose chunks are there,
//! and on one whose chunks are all missing.

use crate::common::{Cluster, Db, PgConfig, exec, one, rows};
use postgres::Client;
use std::io::Write;
use std::sync::LazyLock;

pub static SERVER: LazyLock<Cluster> = LazyLock::new(|| {
    Cluster::builder()
        .preload(true)
        .set("max_worker_processes", "250")
        .start()
});

/// A table, and what is copied into it.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub name: &'a str,
    /// columns and constraints of table `t`; the key is `ts`, in days of January 2024
    pub columns: &'a str,
    /// after the table and its partitions are made
    pub setup: &'a str,
    pub copy: &'a str,
    pub data: &'a [u8],
    /// what is compared, besides the rows of `t`
    pub also: &'a str,
}

impl Default for Case<'_> {
    fn default() -> Self {
        Case {
            name: "",
            columns: "ts timestamptz NOT NULL, a int, b text",
            setup: "",
            copy: "COPY t FROM STDIN",
            data: b"",
            also: "SELECT 1",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Native,
    Made,
    Missing,
}

pub fn database(case: &Case, kind: Kind) -> String {
    let suffix = match kind {
        Kind::Native => "native",
        Kind::Made => "made",
        Kind::Missing => "missing",
    };
    format!("{}_{suffix}", case.name)
}

/// Makes table `t` in a database of its own.
pub fn table(case: &Case, kind: Kind) -> Client {
    let name = database(case, kind);
    SERVER.create_database(&name);
    let mut session = SERVER.client(&name);
    if kind != Kind::Native {
        exec(&mut session, "CREATE EXTENSION pg_strata");
    }
    exec(
        &mut session,
        &format!(
            "SET timezone = 'UTC'; CREATE TABLE t ({}) PARTITION BY RANGE (ts)",
            case.columns
        ),
    );
    match kind {
        Kind::Native => exec(
            &mut session,
            "DO $$ BEGIN FOR i IN 0..30 LOOP
               EXECUTE format('CREATE TABLE %I PARTITION OF t FOR VALUES FROM (%L) TO (%L)',
                 't_h1_' || to_char(date '2024-01-01' + i, 'YYYYMMDD'),
                 date '2024-01-01' + i, date '2024-01-02' + i); END LOOP; END $$",
        ),
        Kind::Made | Kind::Missing => exec(
            &mut session,
            "SELECT FROM strata.create_hypertable('t', strata.by_range('ts', interval '1 day'),
                 create_default_indexes => false)",
        ),
    }
    if kind == Kind::Made {
        let make = "SELECT strata.premake_chunks('t', timestamptz '2024-01-01',
                                                 timestamptz '2024-01-31')";
        exec(&mut session, make);
    }
    exec(&mut session, case.setup);
    session
}

/// The row count of a COPY, or its error with everything that the client sees of it.
pub fn copy_in(session: &mut Client, sql: &str, data: &[u8]) -> Result<u64, String> {
    let outcome = session.copy_in(sql).and_then(|mut writer| {
        // an error of the server shows at the end
        let _ = writer.write_all(data);
        writer.finish()
    });
    outcome.map_err(|error| {
        let Some(db) = error.as_db_error() else {
            panic!("the connection broke: {error:?}\nin: {sql}");
        };
        format!(
            "{} {} | {} | {} | {} | {} {}",
            db.code().code(),
            db.message(),
            db.detail().unwrap_or_default(),
            db.hint().unwrap_or_default(),
            db.where_().unwrap_or_default(),
            db.constraint().unwrap_or_default(),
            db.column().unwrap_or_default(),
        )
    })
}

pub fn outcome(case: &Case, kind: Kind) -> String {
    let mut session = table(case, kind);
    let said = match copy_in(&mut session, case.copy, case.data) {
        Ok(n) => format!("COPY {n}"),
        Err(error) => {
            // the driver loses step when COPY fails before it asks for data
            session = SERVER.client(&database(case, kind));
            exec(&mut session, "SET timezone = 'UTC'");
            error.replace("strata_chunks.", "").replace("public.", "")
        }
    };
    let kept = rows(
        &mut session,
        "SELECT t::text, replace(tableoid::regclass::text, 'strata_chunks.', '') FROM t ORDER BY 1",
    );
    let also = rows(&mut session, case.also);
    format!("{said}\n{kept}\n{also}")
}

/// All three ways give the same; returns it.
#[track_caller]
pub fn same(case: Case) -> String {
    let native = outcome(&case, Kind::Native);
    assert_eq!(outcome(&case, Kind::Made), native, "chunks were there");
    assert_eq!(outcome(&case, Kind::Missing), native, "chunks were missing");
    native
}

pub const ROWS: &[u8] = b"2024-01-02 10:00\t1\tone\n2024-01-05 10:00\t2\t\\N\n\
2024-01-02 11:00\t3\tthree\n2024-01-20 10:00\t4\tfour\n2024-01-05 00:00\t5\tfive\n";

#[test]
fn text_arrives_as_in_a_native_table() {
    let case = Case {
        name: "text",
        data: ROWS,
        ..Case::default()
    };
    assert!(same(case).starts_with("COPY 5\n"));
}

#[test]
fn csv_with_header_match_null_quote_and_encoding_arrives() {
    let case = Case {
        name: "csv",
        copy: "COPY t FROM STDIN (FORMAT csv, HEADER match, NULL 'nil', DELIMITER ';', ENCODING 'LATIN1',
               FORCE_NULL (a))",
        data: b"ts;a;b\n2024-01-02;1;\"x;\xe4\"\n2024-01-03;nil;\n2024-01-04;\"nil\";\"a\nb\"\n",
        ..Case::default()
    };
    assert!(same(case).starts_with("COPY 3\n"));
    let wrong = Case {
        name: "csv_wrong",
        copy: "COPY t FROM STDIN (FORMAT csv, HEADER match)",
        data: b"ts;b;a\n",
        ..Case::default()
    };
    same(wrong);
    let wrong = Case {
        name: "csv_wrong_order",
        data: b"ts,b,a\n2024-01-02,1,2\n",
        ..wrong
    };
    assert!(same(wrong).contains("column name mismatch"));
}

#[test]
fn binary_arrives() {
    let mut data = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for day in 1_i64..200 {
        let day = day % 28;
        let us = (day + 8766) * 86_400_000_000;
        data.extend(3_i16.to_be_bytes());
        data.extend(8_i32.to_be_bytes());
        data.extend(us.to_be_bytes());
        data.extend(4_i32.to_be_bytes());
        data.extend((day as i32).to_be_bytes());
        data.extend((-1_i32).to_be_bytes());
    }
    let broken = Case {
        name: "binary_broken",
        copy: "COPY t FROM STDIN (FORMAT binary)",
        // cut short within the last tuple
        data: &data[..data.len() - 3],
        ..Case::default()
    };
    assert!(same(broken).contains("unexpected EOF in COPY data"));
    let whole = Case {
        name: "binary",
        data: &[&data[..], &(-1_i16).to_be_bytes()].concat(),
        ..broken
    };
    assert!(same(whole).starts_with("COPY 199\n"));
}

#[test]
fn column_lists_take_defaults_identity_and_generated_columns() {
    let case = Case {
        name: "lists",
        columns: "ts timestamptz NOT NULL DEFAULT '2024-01-09', id int GENERATED BY DEFAULT AS IDENTITY,
                  a int DEFAULT 7, dropped int, twice int GENERATED ALWAYS AS (a * 2) STORED, s serial",
        setup: "ALTER TABLE t DROP COLUMN dropped",
        copy: "COPY t (a, ts) FROM STDIN",
        data: b"1\t2024-01-02\n2\t2024-01-03\n3\t2024-01-02\n",
        ..Case::default()
    };
    assert!(same(case).contains("(\"2024-01-03 00:00:00+00\",2,2,4,2)"));
    let key = Case {
        name: "lists_key",
        copy: "COPY t (a) FROM STDIN",
        data: b"1\n2\n",
        ..case
    };
    assert!(same(key).starts_with("COPY 2\n"));
    for (name, copy) in [
        ("lists_generated", "COPY t (twice) FROM STDIN"),
        ("lists_unknown", "COPY t (nosuch) FROM STDIN"),
        ("lists_double", "COPY t (a, a) FROM STDIN"),
        (
            "lists_null",
            "COPY t FROM STDIN (FORMAT csv, FORCE_NOT_NULL (nosuch))",
        ),
        ("lists_option", "COPY t FROM STDIN (FORMAT nosuch)"),
    ] {
        same(Case { name, copy, ..case });
    }
}

#[test]
fn columns_of_old_chunks_may_lie_elsewhere() {
    // the chunk of the 2nd has its columns in another order, with a dropped one before
    let case = Case {
        name: "remapped",
        columns: "ts timestamptz NOT NULL, a int CONSTRAINT positive CHECK (a > 0), b text, g int GENERATED ALWAYS AS (a + 1) STORED",
        setup: "CREATE TABLE other (x int, b text, a int CONSTRAINT positive CHECK (a > 0), ts timestamptz NOT NULL,
                  g int GENERATED ALWAYS AS (a + 1) STORED);
                ALTER TABLE other DROP COLUMN x;
                CREATE INDEX ON t (b);
                DO $$ BEGIN
                  IF to_regclass('t_h1_20240102') IS NOT NULL THEN DROP TABLE t_h1_20240102;
                  ELSIF to_regclass('strata_chunks.t_h1_20240102') IS NOT NULL THEN
                    DROP TABLE strata_chunks.t_h1_20240102; END IF; END $$;
                ALTER TABLE t ATTACH PARTITION other FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')",
        copy: "COPY t (ts, a, b) FROM STDIN",
        data: ROWS,
        ..Case::default()
    };
    assert!(same(case).contains("|other"));
    let broken = Case {
        name: "remapped_check",
        data: b"2024-01-02\t1\tx\n2024-01-02\t-1\tx\n",
        ..case
    };
    assert!(same(broken).contains("line 2"));
}

#[test]
fn hash_partitions_below_a_chunk_get_their_rows() {
    let case = Case {
        name: "hashed",
        setup: "DO $$ BEGIN
                  IF to_regclass('t_h1_20240102') IS NOT NULL THEN DROP TABLE t_h1_20240102;
                  ELSIF to_regclass('strata_chunks.t_h1_20240102') IS NOT NULL THEN
                    DROP TABLE strata_chunks.t_h1_20240102; END IF; END $$;
                CREATE TABLE c PARTITION OF t FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')
                  PARTITION BY HASH (a);
                CREATE TABLE c0 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 0);
                CREATE TABLE c1 PARTITION OF c FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        data: b"2024-01-02\t1\tx\n2024-01-02\t2\tx\n2024-01-03\t2\tx\n2024-01-02\t3\tx\n2024-01-02\t4\tx\n",
        ..Case::default()
    };
    let said = same(case);
    assert!(said.contains("|c0") && said.contains("|c1"), "{said}");
}

#[test]
fn where_filters_before_routing() {
    let case = Case {
        name: "filter",
        copy: "COPY t FROM STDIN WHERE a > 2 AND ts < '2024-01-10' AND tableoid = 't'::regclass",
        data: b"2024-01-02\t1\tx\n2030-01-02\t9\tx\n2024-01-03\t3\tx\n",
        ..Case::default()
    };
    assert!(same(case).starts_with("COPY 1\n"));
    for (name, copy) in [
        ("filter_false", "COPY t FROM STDIN WHERE false"),
        ("filter_true", "COPY t FROM STDIN WHERE true"),
        ("filter_null", "COPY t FROM STDIN WHERE NULL"),
        ("filter_volatile", "COPY t FROM STDIN WHERE random() < 2"),
        ("filter_column", "COPY t FROM STDIN WHERE nosuch > 1"),
        ("filter_type", "COPY t FROM STDIN WHERE a"),
        ("filter_aggregate", "COPY t FROM STDIN WHERE max(a) > 1"),
        ("filter_sub", "COPY t FROM STDIN WHERE a IN (SELECT 1)"),
    ] {
        same(Case {
            name,
            copy,
            data: ROWS,
            ..case
        });
    }
    let generated = Case {
        name: "filter_generated",
        columns: "ts timestamptz NOT NULL, a int, g int GENERATED ALWAYS AS (a + 1) STORED",
        copy: "COPY t FROM STDIN WHERE g > 1",
        ..case
    };
    assert!(same(generated).contains("generated columns are not supported"));
}

#[test]
fn default_markers_and_skipped_rows_of_newer_servers() {
    let major = PgConfig::get().major;
    let base = Case {
        columns: "ts timestamptz NOT NULL DEFAULT '2024-01-11', a int DEFAULT 3, b text",
        ..Case::default()
    };
    if major >= 16 {
        let case = Case {
            name: "markers",
            copy: "COPY t FROM STDIN (DEFAULT '\\D')",
            data: b"\\D\t1\tx\n2024-01-02\t\\D\ty\n",
            ..base
        };
        assert!(same(case).starts_with("COPY 2\n"));
    }
    let dirty = b"2024-01-02\t1\tx\nnever\t1\tx\n2024-01-03\tx\tx\n2024-01-04\t4\tx\n";
    if major >= 17 {
        let case = Case {
            name: "ignored",
            copy: "COPY t FROM STDIN (ON_ERROR ignore, LOG_VERBOSITY verbose)",
            data: dirty,
            ..base
        };
        assert!(same(case).starts_with("COPY 2\n"));
    }
    if major >= 18 {
        let copy = "COPY t FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 1)";
        let case = Case {
            name: "rejected",
            copy,
            data: dirty,
            ..base
        };
        assert!(same(case).contains("REJECT_LIMIT (1)"));
        let copy = "COPY t FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 2)";
        assert!(
            same(Case {
                name: "not_rejected",
                copy,
                ..case
            })
            .starts_with("COPY 2\n")
        );
    }
}

#[test]
fn files_and_programs_are_read() {
    let folder = SERVER.sandbox().folder("copy_files", 0o755);
    let file = folder.join("rows.txt");
    std::fs::write(&file, ROWS).unwrap();
    let file = file.to_string_lossy().into_owned();
    let case = Case {
        name: "files",
        ..Case::default()
    };
    for kind in [Kind::Native, Kind::Made, Kind::Missing] {
        let mut session = table(&case, kind);
        exec(&mut session, &format!("COPY t FROM '{file}'"));
        exec(&mut session, &format!("COPY t FROM PROGRAM 'cat {file}'"));
        assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "10");
        for (sql, code, words) in [
            (
                "COPY t FROM '/nonexistent/x'",
                "58P01",
                "could not open file",
            ),
            (
                "COPY t FROM PROGRAM 'exit 3'",
                "38000",
                "program \"exit 3\" failed",
            ),
            ("COPY t FROM '/'", "42809", "is a directory"),
        ] {
            crate::common::fails(&mut session, sql, code, &[words]);
        }
        assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "10");
    }
}

#[test]
fn what_a_transaction_made_itself_is_copied_into() {
    let db = Db::new(&SERVER, "own_transaction");
    let mut session = db.session();
    exec(
        &mut session,
        "SET timezone = 'UTC'; BEGIN;
         CREATE TABLE t (ts timestamptz NOT NULL, a int CONSTRAINT positive CHECK (a > 0), b text) PARTITION BY RANGE (ts);
         SELECT FROM strata.create_hypertable('t', strata.by_range('ts', interval '1 day'))",
    );
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN WHERE a <> 3", ROWS),
        Ok(4)
    );
    exec(&mut session, "SAVEPOINT s");
    let error = copy_in(
        &mut session,
        "COPY t FROM STDIN",
        b"2024-01-02\t1\tx\n2024-02-02\t-1\tx\n",
    );
    let error = error.unwrap_err();
    assert!(
        error.contains("violates check") && error.contains("COPY t, line 2"),
        "{error}"
    );
    exec(&mut session, "ROLLBACK TO s");
    exec(&mut session, "ALTER TABLE t ADD COLUMN c int DEFAULT 5");
    let more = b"2024-03-02\t1\tx\t8\n2024-01-02\t1\tx\t9\n";
    assert_eq!(copy_in(&mut session, "COPY t FROM STDIN", more), Ok(2));
    exec(&mut session, "COMMIT");
    assert_eq!(rows(&mut session, "SELECT count(*), sum(c) FROM t"), "6|37");
    exec(&mut session, "BEGIN; ALTER TABLE t ADD COLUMN d int");
    let late = b"2024-05-02\t1\tx\t8\t1\n";
    assert_eq!(copy_in(&mut session, "COPY t FROM STDIN", late), Ok(1));
    exec(&mut session, "ROLLBACK");
    assert_eq!(rows(&mut session, "SELECT count(*), sum(c) FROM t"), "6|37");
    // the chunk went with the transaction, and the next one makes it again
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN", b"2024-05-02\t1\tx\t8\n"),
        Ok(1)
    );
}

#[test]
fn rows_of_many_missing_chunks_come_by_one_maker() {
    let db = Db::new(&SERVER, "parking");
    let mut session = db.session();
    exec(
        &mut session,
        "SET timezone = 'UTC';
         CREATE TABLE t (ts timestamptz NOT NULL, id int PRIMARY KEY) PARTITION BY RANGE (ts)"
            .replace(" PRIMARY KEY", "")
            .as_str(),
    );
    exec(
        &mut session,
        "SELECT FROM strata.create_hypertable('t', strata.by_range('ts', interval '1 day'))",
    );
    let mut data = String::new();
    for i in 0..25_000 {
        let day = i * 37 % 60;
        data.push_str(&format!(
            "2024-{:02}-{:02} 12:00\t{i}\n",
            1 + day / 28,
            1 + day % 28
        ));
    }
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN", data.as_bytes()),
        Ok(25_000)
    );
    let seen = "SELECT count(*), count(DISTINCT id), count(DISTINCT tableoid) FROM t";
    assert_eq!(rows(&mut session, seen), "25000|25000|60");
    // made in one transaction: they all carry the same creation time
    let times = "SELECT count(*), count(DISTINCT xmin::text) FROM strata.chunk
                 WHERE origin = 'on_demand'";
    assert_eq!(rows(&mut session, times), "60|1");
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*) FROM t WHERE tableoid::regclass::text NOT LIKE
               '%' || to_char(ts, 'YYYYMMDD')"
        ),
        "0"
    );
}

#[test]
fn progress_counts_rows_and_what_the_filter_leaves_out() {
    let case = Case {
        name: "progress",
        setup: "CREATE TABLE seen (n bigint, left_out bigint, what text);
                CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                  PERFORM pg_stat_clear_snapshot();
                  INSERT INTO seen SELECT tuples_processed, tuples_excluded, relid::regclass || ' ' || command
                                          || ' ' || type
                    FROM pg_stat_progress_copy WHERE pid = pg_backend_pid(); RETURN new; END $$;
                CREATE TRIGGER look BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION look()",
        copy: "COPY t FROM STDIN WHERE a <> 3",
        data: ROWS,
        also: "SELECT * FROM seen ORDER BY 1",
        ..Case::default()
    };
    let said = same(case);
    assert!(said.contains("3|1|t COPY FROM PIPE"), "{said}");
    let mut session = SERVER.client("progress_missing");
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) FROM pg_stat_progress_copy WHERE datname = current_database()"
        ),
        "0"
    );
}
