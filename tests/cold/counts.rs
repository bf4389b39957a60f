//! How many late rows there are, for people who look in passing.

use crate::support::{ColdDb, Db, FEBRUARY, JANUARY, exec, one, rows, server};

const LATE: &str = "SELECT string_agg(coalesce(late_rows::text, '?'), ' ' ORDER BY range_start) FROM strata.cold_files";

#[test]
fn late_rows_are_counted_and_nobody_is_waited_for() {
    let db = Db::new(server(), "counts");
    db.metrics();
    db.tier("2025-03-01");
    let mut session = db.session();
    let approximately = format!(
        "SELECT strata.approximate_row_count('{JANUARY}') || ' ' || strata.approximate_row_count('{FEBRUARY}')"
    );
    assert_eq!(one(&mut session, LATE), "0 0");
    assert_eq!(one(&mut session, &approximately), "744 672");
    exec(
        &mut session,
        "BEGIN; INSERT INTO m SELECT 10000 + g, '2025-01-05 00:30+00', 1 FROM generate_series(1, 3) g",
    );
    assert_eq!(one(&mut session, LATE), "3 0");
    assert_eq!(one(&mut db.session(), LATE), "0 0");
    exec(&mut session, "COMMIT; DELETE FROM m WHERE id = 10001");
    assert_eq!(one(&mut session, LATE), "2 0");
    assert_eq!(one(&mut session, &approximately), "746 672");
    // also while workers run
    exec(
        &mut session,
        "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT sum(late_rows) FROM strata.cold_files f, (SELECT count(*) FROM m) c"
        ),
        "2"
    );
    // somebody who has a chunk for himself
    let mut other = db.session();
    exec(
        &mut other,
        &format!("BEGIN; LOCK TABLE {FEBRUARY} IN ACCESS EXCLUSIVE MODE"),
    );
    exec(&mut session, "SET lock_timeout = '5s'");
    assert_eq!(one(&mut session, LATE), "2 ?");
    assert_eq!(one(&mut session, &approximately), "746 672");
    exec(&mut other, "ROLLBACK");
    assert_eq!(one(&mut session, LATE), "2 0");
    let locks = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation = ANY (ARRAY[{}]::regclass[])"
        .replace("{}", &format!("'{JANUARY}', '{FEBRUARY}'"));
    exec(&mut session, "BEGIN");
    assert_eq!(one(&mut session, LATE), "2 0");
    assert_eq!(one(&mut session, &locks), "0");
    exec(&mut session, "COMMIT");
    // for strangers there is nothing to see
    exec(
        &mut session,
        "DO $$ BEGIN CREATE ROLE counts_stranger LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    );
    let mut stranger = db.session_as("counts_stranger");
    let direct = format!("SELECT coalesce(strata._cold_late_rows('{JANUARY}')::text, '?')");
    assert_eq!(rows(&mut stranger, LATE), "");
    if let Ok(found) = crate::support::try_one(&mut stranger, &direct) {
        assert_eq!(found, "?");
    }
    db.run(&format!("SELECT strata.tier_chunk('{JANUARY}')"));
}
