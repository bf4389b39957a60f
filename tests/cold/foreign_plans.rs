//! Plans over foreign tables: orders, estimates, joins, cursors, locks, partitions.

use crate::foreign::{Shelf, table};
use crate::support::{Db, exec, one, rows};
use postgres::Client;

/// 3000 rows: `id` the rowid, `k` sorted by bytes, `nc` without regard to case, `u` seconds with fractions
/// that round to the same microsecond, `d` descending in its index, `x` of two classes.
const SORTED: &str = "CREATE TABLE sorted(id INTEGER PRIMARY KEY, k TEXT, nc TEXT COLLATE NOCASE, u REAL, d INTEGER, x, g INTEGER);
    WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 3000)
    INSERT INTO sorted SELECT n * 3, CASE WHEN n % 11 THEN char(97 + n % 26, 65 + n % 7) || n * 7919 % 3000 END,
        CASE WHEN n % 2 THEN 'a' ELSE 'A' END || n * 7919 % 1000, n * 7919 % 1000 + (n % 4) / 10000000.0,
        CASE WHEN n % 13 THEN n * 7919 % 500 END, CASE WHEN n % 2 THEN n ELSE n * 1.0 END, n % 5 FROM g;
    CREATE INDEX sorted_k ON sorted(k); CREATE INDEX sorted_nc ON sorted(nc); CREATE INDEX sorted_u ON sorted(u, id);
    CREATE INDEX sorted_d ON sorted(d DESC, k); CREATE INDEX sorted_x ON sorted(x); CREATE INDEX sorted_g ON sorted(g, u);
    CREATE INDEX sorted_part ON sorted(g) WHERE g > 2; CREATE INDEX sorted_bin ON sorted(nc COLLATE BINARY)";

const SORTED_COLUMNS: &str = "id bigint, k text COLLATE \"C\", nc text COLLATE \"C\", u timestamptz OPTIONS (as 'unix'), \
    d int, x bigint, g int";

fn sorted(name: &'static str) -> Shelf {
    let shelf = Shelf::new(name);
    shelf.sqlite("sorted.db", SORTED);
    shelf.db.run(&table(SORTED_COLUMNS, "sorted.db", "sorted"));
    shelf.db.run("CREATE TABLE native AS SELECT * FROM sorted");
    shelf
}

/// The rows of the query from the file and from a table with the same rows.
#[track_caller]
fn like_native(session: &mut Client, query: &str) {
    let native = query.replace("sorted", "native");
    assert_eq!(rows(session, query), rows(session, &native), "{query}");
}

#[track_caller]
fn plan(session: &mut Client, query: &str) -> String {
    rows(session, &format!("EXPLAIN (COSTS OFF) {query}"))
}

#[test]
fn orders_are_those_of_postgres() {
    let shelf = sorted("foreign_orders");
    let mut session = shelf.db.session();
    let columns = ["id", "k", "nc", "u", "d", "x", "g"];
    for first in columns {
        for direction in ["ASC", "DESC", "ASC NULLS FIRST", "DESC NULLS LAST"] {
            for filter in ["true", "g = 3", "d > 100", "k > 'm'", "id < 600"] {
                for limit in ["LIMIT 7", "OFFSET 2990"] {
                    let order = format!("{first} {direction}");
                    like_native(
                        &mut session,
                        &format!(
                            "SELECT {first} FROM sorted WHERE {filter} ORDER BY {order} {limit}"
                        ),
                    );
                }
            }
            for second in columns.iter().filter(|c| **c != first) {
                // the rowid ends every order, so that there is one answer
                let order = format!("{first} {direction}, {second} {direction}, id");
                like_native(
                    &mut session,
                    &format!("SELECT id FROM sorted ORDER BY {order} LIMIT 40"),
                );
            }
        }
        like_native(
            &mut session,
            &format!("SELECT min({first}), max({first}) FROM sorted"),
        );
        like_native(
            &mut session,
            &format!("SELECT max({first}) FROM sorted WHERE g = 2"),
        );
    }
}

#[test]
fn indexes_of_the_file_give_the_order_where_they_can() {
    let shelf = sorted("foreign_order_plans");
    let mut session = shelf.db.session();
    for (order, access) in [
        ("id", "NOT INDEXED ORDER BY \"rowid\" ASC"),
        ("id DESC", "NOT INDEXED ORDER BY \"rowid\" DESC"),
        ("k", "INDEXED BY \"sorted_k\" ORDER BY \"k\" ASC NULLS LAST"),
        (
            "k DESC",
            "INDEXED BY \"sorted_k\" ORDER BY \"k\" DESC NULLS FIRST",
        ),
        ("u", "INDEXED BY \"sorted_u\" ORDER BY \"u\" ASC"),
        ("d DESC NULLS LAST, k DESC", "Sort"),
        ("d", "INDEXED BY \"sorted_d\" ORDER BY \"d\" ASC NULLS LAST"),
        ("x", "INDEXED BY \"sorted_x\""),
    ] {
        let plan = plan(
            &mut session,
            &format!("SELECT * FROM sorted ORDER BY {order} LIMIT 5"),
        );
        assert!(plan.contains(access), "{order}: {plan}");
    }
    // without regard to case, another collation, rounded times: PostgreSQL sorts
    for order in ["nc", "k COLLATE \"und-x-icu\"", "u, id", "lower(k)"] {
        if order.contains("icu") && !crate::common::has_icu(&mut session) {
            continue;
        }
        let plan = plan(
            &mut session,
            &format!("SELECT * FROM sorted ORDER BY {order}"),
        );
        assert!(plan.contains("Sort"), "{order}: {plan}");
    }
    let plan = plan(
        &mut session,
        "SELECT * FROM sorted WHERE g = 3 ORDER BY u DESC LIMIT 3",
    );
    assert!(plan.contains("INDEXED BY \"sorted_g\""), "{plan}");
    let read = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)";
    for query in [
        "SELECT max(u) FROM sorted",
        "SELECT min(id) FROM sorted",
        "SELECT * FROM sorted ORDER BY k LIMIT 1",
    ] {
        let plan = rows(&mut session, &format!("{read} {query}"));
        assert!(plan.contains("Rows Read: 1"), "{query}: {plan}");
    }
}

#[test]
fn a_file_that_sorts_otherwise_than_planned_is_not_believed() {
    let shelf = Shelf::new("foreign_replaced");
    shelf.sqlite(
        "r.db",
        "CREATE TABLE r(k TEXT); CREATE INDEX rk ON r(k); INSERT INTO r VALUES ('a'), ('B')",
    );
    shelf.db.run(&table("k text COLLATE \"C\"", "r.db", "r"));
    let mut session = shelf.db.session();
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; SET enable_sort = off; PREPARE q AS SELECT k FROM r ORDER BY k",
    );
    assert_eq!(rows(&mut session, "EXECUTE q"), "B\na");
    // the index goes: SQLite sorts by itself
    shelf.sqlite("r.db", "DROP INDEX rk");
    assert_eq!(rows(&mut session, "EXECUTE q"), "B\na");
    shelf.sqlite(
        "r.db",
        "DROP TABLE r; CREATE TABLE r(k TEXT COLLATE NOCASE); INSERT INTO r VALUES ('a'), ('B')",
    );
    // unless something else has thrown the plan away in the meantime: then PostgreSQL sorts
    match session.batch_execute("EXECUTE q") {
        Ok(()) => assert_eq!(rows(&mut session, "EXECUTE q"), "B\na"),
        Err(error) => {
            let error = error.as_db_error().expect("an error of the server");
            assert_eq!(error.code().code(), "55000", "{error:?}");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("DISCARD"), "{error:?}");
        }
    }
    exec(
        &mut session,
        "DEALLOCATE q; PREPARE q AS SELECT k FROM r ORDER BY k",
    );
    assert_eq!(rows(&mut session, "EXECUTE q"), "B\na");
}

#[test]
fn estimates_come_from_the_file_and_from_analyze() {
    let shelf = sorted("foreign_analyze");
    let mut session = shelf.db.session();
    let estimate = |session: &mut Client| -> f64 {
        let text = rows(session, "EXPLAIN SELECT * FROM sorted");
        let after = text.split("rows=").nth(1).expect("rows in the plan");
        after
            .split(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a number")
    };
    let guess = estimate(&mut session);
    assert!((3000.0..10_000.0).contains(&guess), "{guess}");
    shelf.sqlite("sorted.db", "ANALYZE");
    assert_eq!(estimate(&mut session), 3000.0, "by sqlite_stat1");
    exec(&mut session, "ANALYZE sorted");
    assert_eq!(
        one(
            &mut session,
            "SELECT reltuples FROM pg_class WHERE relname = 'sorted'"
        ),
        "3000"
    );
    let distinct = "SELECT n_distinct FROM pg_stats WHERE tablename = 'sorted' AND attname = 'g'";
    assert_eq!(one(&mut session, distinct), "5");
    // a sample of some of the rows
    exec(
        &mut session,
        "SET default_statistics_target = 1; ANALYZE sorted",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT reltuples FROM pg_class WHERE relname = 'sorted'"
        ),
        "3000"
    );
    assert_eq!(one(&mut session, distinct), "5");
    shelf.sqlite(
        "sorted.db",
        "INSERT INTO sorted(id, d) VALUES (-1, 'many'), (-2, 'more')",
    );
    exec(&mut session, "RESET default_statistics_target");
    let output = shelf.db.run("ANALYZE sorted");
    assert!(
        output.contains("2 rows of the sample") || output.is_empty(),
        "{output}"
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT reltuples FROM pg_class WHERE relname = 'sorted'"
        ),
        "3002"
    );
    std::fs::remove_file(shelf.folder.join("sorted.db")).expect("the file");
    crate::support::fails(&mut session, "ANALYZE sorted", "58P01", &["sorted.db"]);
    let plan = rows(&mut session, "EXPLAIN SELECT * FROM sorted ORDER BY id");
    assert!(plan.contains("Cold Error"), "a plan needs no file: {plan}");
}

#[test]
fn joins_search_the_file_and_rescans_start_anew() {
    let shelf = sorted("foreign_joins");
    let mut session = shelf.db.session();
    exec(
        &mut session,
        "CREATE TABLE few AS SELECT g * 30 AS id, g FROM generate_series(1, 20) g; ANALYZE few",
    );
    let join = "SELECT count(*), sum(s.d) FROM few JOIN sorted s USING (id)";
    let plan = rows(
        &mut session,
        &format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {join}"),
    );
    assert!(
        plan.contains("Nested Loop") && plan.contains("Rows Read: 20"),
        "{plan}"
    );
    for query in [
        join,
        "SELECT few.id, s.k FROM few LEFT JOIN sorted s ON s.id = few.id + 1 ORDER BY 1",
        "SELECT few.id, x.k FROM few, LATERAL (SELECT k FROM sorted s WHERE s.g = few.g % 5 ORDER BY s.k DESC LIMIT 2) x ORDER BY 1, 2",
        "SELECT few.id, (SELECT max(s.u) FROM sorted s WHERE s.g = few.g % 5 AND s.id < few.id) FROM few ORDER BY 1",
        "SELECT count(*) FROM few WHERE EXISTS (SELECT FROM sorted s WHERE s.id = few.id AND s.g > 2)",
        "SELECT count(*) FROM sorted a JOIN sorted b ON a.id = b.id + 3 WHERE a.g = 1",
        "SELECT few.id, x.* FROM few, LATERAL (SELECT few.g + s.g AS sum FROM sorted s WHERE s.id = 3) x ORDER BY 1",
        "SELECT s FROM sorted s WHERE id = ANY (ARRAY(SELECT id FROM few WHERE g < 4)) ORDER BY id",
        "WITH w AS MATERIALIZED (SELECT * FROM sorted WHERE g = 2) SELECT count(*), min(a.id) FROM w a JOIN w b USING (id)",
    ] {
        like_native(&mut session, query);
    }
    exec(
        &mut session,
        "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT id FROM sorted ORDER BY id",
    );
    assert_eq!(rows(&mut session, "FETCH 3 FROM c"), "3\n6\n9");
    assert_eq!(rows(&mut session, "FETCH BACKWARD 2 FROM c"), "6\n3");
    assert_eq!(rows(&mut session, "FETCH LAST FROM c"), "9000");
    assert_eq!(rows(&mut session, "FETCH ABSOLUTE 2 FROM c"), "6");
    exec(
        &mut session,
        "COMMIT; BEGIN; DECLARE h CURSOR WITH HOLD FOR SELECT id FROM sorted WHERE g = 1 ORDER BY id; COMMIT",
    );
    assert_eq!(rows(&mut session, "FETCH 2 FROM h"), "3\n18");
    exec(&mut session, "CLOSE h");
    let system = "SELECT tableoid::regclass FROM sorted LIMIT 1";
    assert_eq!(one(&mut session, system), "sorted");
}

#[test]
fn locks_on_another_table_leave_the_rows_of_the_file() {
    let shelf = sorted("foreign_epq");
    let db: &Db = &shelf.db;
    db.run("CREATE TABLE hot (id bigint PRIMARY KEY, n int); INSERT INTO hot VALUES (6, 1)");
    let mut writer = db.session();
    exec(&mut writer, "BEGIN; UPDATE hot SET n = 2");
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let sql = "SELECT hot.n || ' ' || s.id || ' ' || (s).g FROM hot JOIN sorted s USING (id) \
                       WHERE s.u > to_timestamp(0) FOR UPDATE OF hot";
            one(&mut db.session(), sql)
        });
        crate::common::wait_until("the reader waits for the row", || {
            db.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == "1"
        });
        exec(&mut writer, "COMMIT");
        assert_eq!(reader.join().expect("the reader"), "2 6 2");
    });
    let mut session = db.session();
    assert_eq!(
        one(
            &mut session,
            "SELECT id FROM sorted WHERE id = 9 FOR UPDATE"
        ),
        "9"
    );
    let update =
        "UPDATE hot SET n = s.g FROM sorted s WHERE s.id = hot.id RETURNING s.id || ' ' || n";
    assert_eq!(one(&mut session, update), "6 2");
}

#[test]
fn partitions_and_children_are_read_and_never_written() {
    let shelf = sorted("foreign_parts");
    let mut session = shelf.db.session();
    exec(
        &mut session,
        "CREATE TABLE p (id bigint, k text COLLATE \"C\", nc text COLLATE \"C\", u timestamptz, d int, x bigint, g int) PARTITION BY RANGE (id);
         CREATE TABLE p_hot PARTITION OF p FOR VALUES FROM (10000) TO (20000);
         ALTER TABLE p ATTACH PARTITION sorted FOR VALUES FROM (0) TO (10000);
         INSERT INTO p(id, g) SELECT g, 1 FROM generate_series(10001, 10010) g",
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM p WHERE g = 1"),
        "610"
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT id FROM p ORDER BY id DESC OFFSET 9 LIMIT 3"
        ),
        "10001\n9000\n8997"
    );
    let plan = plan(&mut session, "SELECT id FROM p ORDER BY id LIMIT 3");
    assert!(
        !plan.contains("Sort Key: sorted") && plan.contains("ORDER BY \"rowid\""),
        "{plan}"
    );
    crate::support::fails(
        &mut session,
        "INSERT INTO p(id) VALUES (5)",
        "0A000",
        &["sorted"],
    );
    exec(
        &mut session,
        "SET plan_cache_mode = force_generic_plan; PREPARE one(bigint) AS SELECT g FROM p WHERE id = $1",
    );
    for _ in 0..7 {
        assert_eq!(one(&mut session, "EXECUTE one(9)"), "3");
        assert_eq!(one(&mut session, "EXECUTE one(10001)"), "1");
    }
    exec(&mut session, "UPDATE p SET g = 2 WHERE id = 10001");
    crate::support::fails(
        &mut session,
        "UPDATE p SET g = 2 WHERE g = 99",
        "0A000",
        &["sorted"],
    );
    exec(
        &mut session,
        "ALTER TABLE p DETACH PARTITION sorted; CREATE TABLE parent (id bigint, g int); ALTER TABLE sorted INHERIT parent",
    );
    assert_eq!(
        one(
            &mut session,
            "SELECT count(*) || ' ' || max(id) FROM parent WHERE g = 4"
        ),
        "600 8997"
    );
    exec(
        &mut session,
        "ALTER FOREIGN TABLE sorted DROP COLUMN nc; ALTER FOREIGN TABLE sorted ADD COLUMN again text OPTIONS (column_name 'nc')",
    );
    assert_eq!(
        one(&mut session, "SELECT s::text FROM sorted s WHERE id = 3"),
        one(
            &mut session,
            "SELECT row(n.id, k, u, d, x, g, nc)::text FROM native n WHERE id = 3"
        )
    );
}
