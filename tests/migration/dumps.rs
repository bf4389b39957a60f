//! A dump as the last numbered file, in each of its forms.

use crate::common::{Cluster, Db, succeeds};
use crate::support::{exec, one, plain, register, rows, run};

/// Rows with everything that is hard to write down.
const ROWS: &str = r#"CREATE TABLE client (id int PRIMARY KEY, note text, raw bytea, seen timestamptz);
    CREATE TABLE item (id int REFERENCES client, n numeric(8,2));
    INSERT INTO client VALUES (1, E'tab\there\nnew line\r\nand \\. and \\N', '\x00ff', '2024-01-01 UTC'),
      (2, E'\\.', NULL, NULL), (3, 'BEGIN; COMMIT; $$ ''quoted'' "double" -- no comment /* nor this */', '', 'infinity'),
      (4, '', 'x', 'epoch'), (5, NULL, NULL, NULL), (6, 'grüße ✓ 漢字', NULL, NULL), (7, E'\\restrict x\n\\! id', NULL, NULL);
    INSERT INTO item SELECT 1 + i % 7, i / 3.0 FROM generate_series(1, 500) i;"#;

const SUMS: &str = "SELECT md5(string_agg(c::text, '|' ORDER BY id)), (SELECT md5(string_agg(i::text, '|' ORDER BY id, n)) FROM item i) FROM client c";

#[test]
fn a_dump_in_any_form_is_a_migration() {
    let source = Db::empty(plain(), "dump_source");
    source.run(ROWS);
    let mut from = source.session();
    let sums = rows(&mut from, SUMS);
    for (n, options) in [
        &[][..],
        &["--inserts"],
        &["--column-inserts"],
        &["--rows-per-insert=3"],
    ]
    .into_iter()
    .enumerate()
    {
        let dump = succeeds(
            source
                .cluster
                .tool("pg_dump")
                .args(options)
                .arg("dump_source"),
        );
        assert!(
            dump.contains("\\restrict"),
            "the server's pg_dump is too old for this test"
        );
        let db = Db::new(plain(), Box::leak(format!("dump_{n}").into_boxed_str()));
        let mut s = db.session();
        register(
            &mut s,
            &[
                (
                    "000001_first.up.sql",
                    "BEGIN; CREATE TABLE first (x int); END;",
                ),
                ("999999_client_data.up.sql", &dump),
                ("1000000_after.up.sql", "CREATE TABLE after (x int)"),
            ],
        );
        assert_eq!(
            run(&mut s, "migrate_up()"),
            "1 applied, 999999 applied, 1000000 applied",
            "{options:?}"
        );
        assert_eq!(rows(&mut s, SUMS), sums, "{options:?}");
        // it has its own path again
        assert_eq!(
            one(
                &mut s,
                "SELECT 'after'::regclass = 'public.after'::regclass"
            ),
            "t"
        );
        // each statement that moves rows is one of its own
        for command in ["COPY", "INSERT"] {
            let begins = format!("{command} ");
            let written = dump.lines().filter(|l| l.starts_with(&begins)).count();
            let split = "SELECT count(*) FROM strata.migrate_split($1) WHERE command = $2";
            let split: i64 = s.query_one(split, &[&dump, &command]).unwrap().get(0);
            assert_eq!(split, written as i64, "{options:?} {command}");
            assert_eq!(written > 0, (command == "COPY") == options.is_empty());
        }
    }
}

#[test]
fn rows_go_into_hypertables_and_are_checked_like_others() {
    // chunks on demand
    let server = Cluster::builder().preload(true).start();
    let db = Db::new(&server, "dump_hyper");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE m (ts timestamptz NOT NULL, v int CHECK (v > 0)); SELECT strata.create_hypertable('m', 'ts');
         CREATE TABLE secret (x int); ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE TABLE csv (a int, b text)",
    );
    register(
        &mut s,
        &[
            (
                "1_rows.up.sql",
                "COPY m FROM STDIN;\n2024-01-01 00:00:00+00\t1\n2030-06-01 00:00:00+00\t2\n\\.\n",
            ),
            (
                "2_csv.up.sql",
                "COPY csv (b, a) FROM STDIN WITH (FORMAT csv, HEADER);\r\nb,a\r\n\"x, \"\"y\"\"\",1\r\nz,2\r\n",
            ),
        ],
    );
    assert_eq!(run(&mut s, "migrate_up()"), "1 applied, 2 applied");
    assert_eq!(
        rows(&mut s, "SELECT count(*), count(DISTINCT tableoid) FROM m"),
        "2|2"
    );
    assert_eq!(
        rows(&mut s, "SELECT a, b FROM csv ORDER BY a"),
        "1|x, \"y\"\n2|z"
    );
    for (n, (body, code)) in [
        ("COPY m FROM STDIN;\n2024-01-01\t-1\n\\.\n", "23514"),
        (
            "COPY csv FROM STDIN WITH (FORMAT binary);\nx\n\\.\n",
            "0A000",
        ),
        ("COPY nothing FROM STDIN;\nx\n\\.\n", "42P01"),
        ("COPY csv FROM STDIN;\n1\n\\.\n", "22P04"),
    ]
    .into_iter()
    .enumerate()
    {
        let ns = format!("n{n}");
        s.execute(
            "SELECT strata.migrate_register('1_a.up.sql', $1, $2)",
            &[&body, &ns],
        )
        .unwrap();
        let error = s
            .simple_query(&format!("SELECT strata.migrate_up(namespace => '{ns}')"))
            .unwrap_err();
        assert_eq!(error.code().unwrap().code(), code, "{body}: {error:?}");
    }
    exec(
        &mut s,
        "CREATE ROLE copier LOGIN; GRANT CREATE ON DATABASE dump_hyper TO copier; GRANT INSERT (a) ON csv TO copier; GRANT INSERT, SELECT ON secret TO copier",
    );
    let mut c = db.session_as("copier");
    for (n, (body, code)) in [
        ("COPY csv FROM STDIN;\n1\tx\n\\.\n", "42501"),
        ("COPY secret FROM STDIN;\n1\n\\.\n", "0A000"),
        ("COPY csv (a) FROM STDIN;\n7\n\\.\n", ""),
    ]
    .into_iter()
    .enumerate()
    {
        let ns = format!("c{n}");
        c.execute(
            "SELECT strata.migrate_register('1_a.up.sql', $1, $2)",
            &[&body, &ns],
        )
        .unwrap();
        let ran = c.simple_query(&format!("SELECT strata.migrate_up(namespace => '{ns}')"));
        let got = ran
            .err()
            .map_or(String::new(), |e| e.code().unwrap().code().to_string());
        assert_eq!(got, code, "{body}");
    }
}
