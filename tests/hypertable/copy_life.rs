//! COPY into a hypertable beside other sessions, over cold chunks and foreign tables, in little memory.

use super::copy_cases::{Case, SERVER, alone, copy_in};
use crate::common::{exec, fails, one, rows, wait_until};
use std::io::Write;
use std::sync::Barrier;

/// Lines of one column for the days and numbers given.
fn lines(n: u32, day: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut data = Vec::new();
    for i in 0..n {
        let day = day(i);
        let at = format!(
            "2024-{:02}-{:02} {:02}:00",
            1 + day / 28,
            1 + day % 28,
            i % 24
        );
        writeln!(data, "{at}\t{i}\tx").unwrap();
    }
    data
}

#[test]
fn sessions_that_miss_the_same_chunks_do_not_disturb_each_other() {
    let mut session = alone("copy_together", &Case::default());
    let (n, sessions) = (3000, 6);
    let start = Barrier::new(sessions);
    std::thread::scope(|scope| {
        for k in 0..sessions as u32 {
            let start = &start;
            scope.spawn(move || {
                let mut session = SERVER.client("copy_together");
                let data = lines(n, |i| (i * 7 + k) % 40);
                start.wait();
                assert_eq!(
                    copy_in(&mut session, "COPY t FROM STDIN", &data),
                    Ok(u64::from(n))
                );
            });
        }
    });
    let seen = "SELECT count(*), count(DISTINCT tableoid) FROM t";
    assert_eq!(rows(&mut session, seen), "18000|40");
}

#[test]
fn a_rolled_back_copy_leaves_no_rows_and_no_warnings() {
    let case = Case {
        setup: "CREATE TABLE log (a int);
                CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
                  'BEGIN INSERT INTO log VALUES (new.a); RETURN NULL; END';
                CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note()",
        columns: "ts timestamptz NOT NULL, a int, b text, PRIMARY KEY (a, ts)",
        ..Case::default()
    };
    let mut session = alone("copy_rollback", &case);
    let data = lines(30_000, |i| i % 50);
    exec(&mut session, "BEGIN");
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN", &data),
        Ok(30_000)
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM log"), "30000");
    exec(&mut session, "ROLLBACK");
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "0");
    // the same again, cut off by a duplicate in the last line
    let mut broken = data.clone();
    broken.extend(b"2024-01-01 00:00\t0\tx\n");
    let error = copy_in(&mut session, "COPY t FROM STDIN", &broken).unwrap_err();
    assert!(
        error.starts_with("23505") && error.contains("COPY t, line 30001"),
        "{error}"
    );
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN", &data),
        Ok(30_000)
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), (SELECT count(*) FROM log) FROM t"
        ),
        "30000|30000"
    );
    let log = SERVER.log();
    assert!(
        !log.contains("leak") && !log.contains("PANIC") && !log.contains("TRAP"),
        "{log}"
    );
}

#[test]
fn a_cold_chunk_that_takes_no_late_rows_refuses_them_and_nothing_of_the_copy_stays() {
    let mut session = alone("copy_cold", &Case::default());
    let data = lines(300, |i| i % 3);
    assert_eq!(copy_in(&mut session, "COPY t FROM STDIN", &data), Ok(300));
    exec(
        &mut session,
        "SELECT strata.tier_chunk(c) FROM strata.show_chunks('t') c ORDER BY c::text LIMIT 1",
    );
    wait_until("the chunk is cold", || {
        one(
            &mut session,
            "SELECT count(*) FROM strata.chunks WHERE state = 'cold'",
        ) == "1"
    });
    let late_rows = |what| format!("SELECT strata.set_cold_storage('t', late_rows => '{what}')");
    exec(&mut session, &late_rows("reject"));
    let error = copy_in(&mut session, "COPY t FROM STDIN", &data).unwrap_err();
    assert!(
        error.starts_with("55000") && error.contains("cold"),
        "{error}"
    );
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "300");
    let hot = lines(300, |i| 1 + i % 2);
    assert_eq!(copy_in(&mut session, "COPY t FROM STDIN", &hot), Ok(300));
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "600");
    exec(&mut session, &late_rows("accept"));
    assert_eq!(copy_in(&mut session, "COPY t FROM STDIN", &data), Ok(300));
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "900");
}

#[test]
fn a_foreign_table_below_a_hypertable_gets_its_rows() {
    let mut session = alone("copy_foreign", &Case::default());
    let known = "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'";
    if one(&mut session, known) == "0" {
        return;
    }
    let socket = SERVER.socket().display();
    exec(
        &mut session,
        &format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw
               OPTIONS (host '{socket}', dbname 'copy_foreign', batch_size '7');
             CREATE USER MAPPING FOR postgres SERVER here OPTIONS (user 'postgres');
             CREATE TABLE far (ts timestamptz NOT NULL, a int, b text);
             CREATE FOREIGN TABLE f PARTITION OF t FOR VALUES FROM ('2024-01-02') TO ('2024-01-03')
               SERVER here OPTIONS (table_name 'far')"
        ),
    );
    let data = lines(60, |i| i % 3);
    assert_eq!(copy_in(&mut session, "COPY t FROM STDIN", &data), Ok(60));
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), (SELECT count(*) FROM far) FROM t"
        ),
        "60|20"
    );
}

#[test]
fn keys_of_every_type_find_their_chunks() {
    for (name, kind, interval, values) in [
        (
            "date",
            "date",
            "interval '1 day'",
            ["2024-01-01", "2024-01-09", "1999-12-31"],
        ),
        (
            "timestamp",
            "timestamp",
            "interval '1 month'",
            [
                "2024-01-01 10:00",
                "2024-03-31 23:59:59.999999",
                "1999-12-31",
            ],
        ),
        ("int2", "smallint", "100", ["-1", "100", "32767"]),
        ("int4", "int", "100", ["-2147483648", "99", "0"]),
        (
            "int8",
            "bigint",
            "1000000",
            ["-1", "9223372036854775807", "0"],
        ),
    ] {
        let name = format!("copy_key_{name}");
        crate::common::Db::new(&SERVER, &name);
        let mut session = SERVER.client(&name);
        exec(
            &mut session,
            &format!(
                "CREATE TABLE t (k {kind} NOT NULL, a int) PARTITION BY RANGE (k);
                 SELECT FROM strata.create_hypertable('t', strata.by_range('k', {interval}))"
            ),
        );
        let data: String = values.iter().map(|v| format!("{v}\t1\n")).collect();
        for times in 1..3 {
            assert_eq!(
                copy_in(&mut session, "COPY t FROM STDIN", data.as_bytes()),
                Ok(3),
                "{name}"
            );
            let seen = "SELECT count(*), count(DISTINCT k), count(DISTINCT tableoid) >= 2 FROM t";
            assert_eq!(
                rows(&mut session, seen),
                format!("{}|3|t", 3 * times),
                "{name}"
            );
        }
    }
}

#[test]
fn a_cancelled_copy_leaves_the_session_usable() {
    let case = Case {
        setup: "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
                  'BEGIN PERFORM pg_sleep(60); RETURN new; END';
                CREATE TRIGGER b BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()",
        ..Case::default()
    };
    let mut session = alone("copy_cancel", &case);
    let token = session.cancel_token();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = SERVER.client("copy_cancel");
            wait_until("the trigger sleeps", || {
                one(
                    &mut other,
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = 'copy_cancel' AND wait_event = 'PgSleep'",
                ) == "1"
            });
            token.cancel_query(postgres::NoTls).unwrap();
        });
        fails(
            &mut session,
            "COPY t FROM PROGRAM 'echo 2024-01-02,1,x' (FORMAT csv)",
            "57014",
            &[],
        );
    });
    // the server of 15 sends the signal twice, to the process and to its group (postmaster.c, signal_child):
    // the second one may come when this statement has ended
    let _ = session.simple_query("SELECT pg_sleep(0.3)");
    exec(&mut session, "DROP TRIGGER b ON t");
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN", &lines(10, |i| i)),
        Ok(10)
    );
}

/// Ten million rows take the same: measured by hand, 13 MB in order and 17 MB shuffled.
#[test]
#[cfg(target_os = "linux")]
fn a_million_rows_shuffled_over_a_hundred_missing_chunks_take_little_memory() {
    let mut session = alone("copy_memory", &Case::default());
    let pid = one(&mut session, "SELECT pg_backend_pid()");
    let memory = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
        let kb: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kb / 1024
    };
    assert_eq!(
        copy_in(&mut session, "COPY t FROM STDIN", &lines(100, |_| 200)),
        Ok(100)
    );
    let before = memory();
    let mut peak = before;
    let mut writer = session.copy_in("COPY t FROM STDIN").unwrap();
    for part in 0..50_u32 {
        let data = lines(20_000, |i| (i * 37 + part) % 100);
        writer.write_all(&data).unwrap();
        peak = peak.max(memory());
    }
    assert_eq!(writer.finish().unwrap(), 1_000_000);
    peak = peak.max(memory());
    assert!(peak - before < 64, "grew from {before} to {peak} MB");
    assert_eq!(
        rows(
            &mut session,
            "SELECT count(*), count(DISTINCT tableoid) FROM t"
        ),
        "1000100|101"
    );
}

#[test]
fn uuids_and_leaves_of_hash_dimensions_lie_where_insert_puts_them() {
    crate::common::Db::new(&SERVER, "copy_uuid");
    let mut session = SERVER.client("copy_uuid");
    for name in ["copied", "inserted"] {
        exec(
            &mut session,
            &format!(
                "CREATE TABLE {name} (a int, id uuid NOT NULL);
                 SELECT FROM strata.create_hypertable('{name}', strata.by_range('id', interval '1 day'));
                 SELECT FROM strata.add_dimension('{name}', strata.by_hash('a', 3))"
            ),
        );
    }
    exec(
        &mut session,
        "CREATE TABLE source AS SELECT i AS a, overlay(strata.to_uuidv7_boundary('2024-01-01 00:00+00'::timestamptz
             + i * interval '37 minutes')::text placing lpad(to_hex(i), 4, '0') from 33)::uuid AS id
           FROM generate_series(1, 400) i;
         INSERT INTO inserted SELECT * FROM source",
    );
    let data = rows(
        &mut session,
        "SELECT a || E'\t' || id FROM source ORDER BY md5(a::text)",
    ) + "\n";
    // at first all chunks are missing, then all are there
    for (half, rows) in [data.split_at(data.len() / 80 * 40).0, &data]
        .iter()
        .enumerate()
    {
        let whole = rows.rfind('\n').unwrap() + 1;
        let n = copy_in(
            &mut session,
            "COPY copied FROM STDIN",
            &rows.as_bytes()[..whole],
        )
        .unwrap();
        assert_eq!(n == 400, half == 1);
        if half == 0 {
            exec(&mut session, "DELETE FROM copied");
        }
    }
    let places = |table: &str| {
        format!(
            "SELECT t.a, t.id, pg_get_expr(p.relpartbound, p.oid), pg_get_expr(c.relpartbound, c.oid)
             FROM {table} t JOIN pg_class c ON c.oid = t.tableoid JOIN pg_inherits i ON i.inhrelid = c.oid
             JOIN pg_class p ON p.oid = i.inhparent ORDER BY 1"
        )
    };
    let copied = rows(&mut session, &places("copied"));
    assert_eq!(copied, rows(&mut session, &places("inserted")));
    assert!(copied.contains("remainder 2"), "{copied}");
    // no other uuid, whether there are rows before it or not
    for data in [
        "7\t018cc251-f400-4000-8000-000000000001\n",
        "7\t018cc251-f400-7abc-8000-000000000001\n7\t018cc251-f400-4000-8000-000000000001\n",
    ] {
        let error = copy_in(&mut session, "COPY copied FROM STDIN", data.as_bytes()).unwrap_err();
        let last = format!("COPY copied, line {}", data.lines().count());
        assert!(
            error.starts_with("23514") && error.contains("version 7"),
            "{error}"
        );
        assert!(error.contains(&last), "{error}");
    }
    assert_eq!(rows(&mut session, "SELECT count(*) FROM copied"), "400");
}
