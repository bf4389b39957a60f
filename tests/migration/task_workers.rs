//! Tasks that several work on, that are killed, and that move to another server.

use crate::common::{Cluster, Stop};
use crate::support::{Db, database, exec, fails, one, plain, rows};
use crate::task_support::{Beside, fill};

/// The sum of what sessions give that all run at once.
fn sum(db: &Db, statements: impl Iterator<Item = String>) -> i64 {
    let running: Vec<_> = statements
        .map(|sql| Beside::run(db.session(), &sql))
        .collect();
    running
        .into_iter()
        .map(|worker| worker.done().parse::<i64>().expect("a number"))
        .sum()
}

/// Four workers with batches that overlap, each in an order of its own: each id is newly marked by one of them.
#[test]
fn workers_share_a_task() {
    let db = database("task_shared");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE ids AS SELECT b, array_agg('id-' || (b * 50 + g) ORDER BY hashint4(g)) AS a FROM generate_series(0, 39) b, generate_series(0, 69) g GROUP BY b;
         CREATE PROCEDURE work_by_batch(salt int, INOUT n bigint) LANGUAGE plpgsql AS $$
           DECLARE r record;
           BEGIN
             n := 0;
             FOR r IN SELECT a FROM ids ORDER BY hashint4(b + salt * 1000) LOOP
               n := n + strata.task_mark_many('w', r.a, ARRAY(SELECT 'new-' || x FROM unnest(r.a) x));
               COMMIT;
             END LOOP;
           END $$",
    );
    let calls = (1..=4).map(|w| format!("CALL work_by_batch({w}, 0)"));
    assert_eq!(sum(&db, calls), 2020);
    let marked = "SELECT (SELECT done FROM strata.task_progress('w')), count(*), bool_and(new_id = 'new-' || old_id) FROM strata.task_mark";
    assert_eq!(rows(&mut s, marked), "2020|2020|t");
    let left = "SELECT count(*) FROM ids, strata.task_unmarked('w', a)";
    assert_eq!(one(&mut s, left), "0");
    // the same ids in one call each: they wait for each other, and never in a circle
    let same = (1..=4).map(|w| {
        format!("SELECT strata.task_mark_many('same', (SELECT array_agg(g::text ORDER BY hashint4(g + {w} * 1000003)) FROM generate_series(1, 10000) g))")
    });
    assert_eq!(sum(&db, same), 10000);
    // single marks; and all of them begin the task
    let single = (1..=4).map(|w| {
        format!("SELECT count(*) FILTER (WHERE strata.task_mark('single', (g * {w} % 503)::text)) FROM generate_series(1, 500) g")
    });
    let single = sum(&db, single);
    let counted = one(&mut s, "SELECT done FROM strata.task_progress('single')");
    assert_eq!(single.to_string(), counted);
    // each of them took what it could; no marks are of a task that is not there
    let lost = "SELECT count(*) FROM strata.task_mark m WHERE NOT EXISTS (SELECT FROM strata.task t WHERE t.id = m.task_id)";
    assert_eq!(one(&mut s, lost), "0");
    // begun by four at once
    let begins = (1..=4).map(|_| "SELECT strata.task_begin('begun')::int".to_owned());
    assert_eq!(sum(&db, begins), 0);
    assert_eq!(
        one(
            &mut s,
            "SELECT count(*) FROM strata.task WHERE task = 'begun'"
        ),
        "1"
    );
}

/// A transaction that marks is waited for by the end of the task and by the same id, by nothing else.
#[test]
fn the_end_waits_for_transactions_that_mark() {
    let db = database("task_waits");
    let mut s = db.session();
    let mut long = db.session();
    exec(&mut s, "SELECT strata.task_mark('l', 'a')");
    exec(
        &mut long,
        "BEGIN; SELECT strata.task_begin('l'); SELECT strata.task_mark('l', 'b')",
    );
    exec(&mut s, "SET lock_timeout = '1ms'");
    let others = "SELECT strata.task_begin('l'), strata.task_mark('l', 'c'), (SELECT done FROM strata.task_progress('l')), strata.task_is_marked('l', 'b')";
    assert_eq!(rows(&mut s, others), "t|t|1|f");
    for call in ["task_mark('l', 'b')", "task_finish('l')", "task_clear('l')"] {
        fails(
            &mut s,
            &format!("SELECT strata.{call}"),
            "55P03",
            &["lock timeout"],
        );
    }
    let finish = Beside::run(db.session(), "SELECT strata.task_finish('l')");
    finish.until_blocked(&mut s);
    exec(&mut long, "COMMIT");
    finish.done();
    assert_eq!(
        rows(&mut s, "SELECT state, done FROM strata.task_progress('l')"),
        "finished|3"
    );
    assert_eq!(one(&mut s, "SELECT count(*) FROM strata.task_mark"), "0");
    // a begin waits for a clear, and begins from nothing
    exec(&mut s, "SELECT strata.task_mark('c', 'a')");
    exec(&mut long, "BEGIN; SELECT strata.task_clear('c')");
    let begin = Beside::run(db.session(), "SELECT strata.task_begin('c', 7)");
    begin.until_blocked(&mut s);
    let mark = Beside::run(db.session(), "SELECT strata.task_mark('c', 'z')");
    mark.until_blocked(&mut s);
    exec(&mut long, "COMMIT");
    assert_eq!(mark.done(), "t");
    begin.done();
    assert_eq!(
        rows(
            &mut s,
            "SELECT done, total, state FROM strata.task_progress('c')"
        ),
        "1|7|running"
    );
}

/// Nothing that was read before the end of a task makes a mark behind it.
#[test]
fn older_snapshots_do_not_mark_in_a_task_that_has_ended() {
    let db = database("task_snapshots");
    let (mut s, mut old) = (db.session(), db.session());
    for (task, end) in [("f", "task_finish('f', true)"), ("c", "task_clear('c')")] {
        let mark = |id: &str| format!("SELECT strata.task_mark('{task}', '{id}')");
        exec(&mut s, &mark("1"));
        exec(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ");
        let seen = format!("SELECT strata.task_is_marked('{task}', '1')");
        assert_eq!(one(&mut old, &seen), "t");
        exec(&mut s, &format!("SELECT strata.{end}"));
        fails(&mut old, &mark("2"), "40001", &["concurrent"]);
        exec(&mut old, "ROLLBACK");
    }
    let marks = "SELECT string_agg(old_id, ' ') FROM strata.task_mark";
    assert_eq!(one(&mut s, marks), "1");
}

/// Marks, ends and clears at random: no mark is left without its task, and nobody waits in a circle. Locks of the row do
/// not see to that: PostgreSQL grants FOR KEY SHARE beside FOR UPDATE now and then (heap_lock_tuple).
#[test]
fn clears_and_marks_at_once_leave_nothing_over() {
    let db = database("task_random");
    let mut s = db.session();
    let marks = "DO $$ BEGIN FOR i IN 1..4000 LOOP BEGIN PERFORM strata.task_mark('c', (i % 50)::text); EXCEPTION WHEN object_not_in_prerequisite_state THEN PERFORM strata.task_begin('c'); END; COMMIT; END LOOP; END $$";
    let ends = "DO $$ BEGIN FOR i IN 1..1500 LOOP IF i % 2 = 0 THEN PERFORM strata.task_clear('c'); ELSE PERFORM strata.task_begin('c'); PERFORM strata.task_finish('c'); END IF; COMMIT; END LOOP; END $$";
    let running: Vec<_> = [marks, marks, marks, ends]
        .iter()
        .map(|sql| Beside::run(db.session(), sql))
        .collect();
    for worker in running {
        worker.done();
    }
    let lost = "SELECT count(*) FROM strata.task_mark m WHERE NOT EXISTS (SELECT FROM strata.task t WHERE t.id = m.task_id)";
    assert_eq!(one(&mut s, lost), "0");
    assert_eq!(one(&mut s, "SELECT count(*) < 2 FROM strata.task"), "t");
}

const MOVE: &str = "DO $$ BEGIN FOR i IN 1..1500 LOOP IF strata.task_mark('k', i::text) THEN INSERT INTO moved VALUES (i); END IF; COMMIT; END LOOP; END $$";

/// Work and marks are one, whoever is killed.
#[test]
fn killed_workers_go_on_and_do_no_id_twice() {
    let mut server = Cluster::builder().start();
    Db::new(&server, "task_killed").run("CREATE TABLE moved (id int)");
    for (round, end) in ["terminate", "kill", "immediate", "postmaster"]
        .iter()
        .enumerate()
    {
        let mut watch = server.client("task_killed");
        // somebody stands in the way of the id that ends this round
        let mut holder = server.client("task_killed");
        let stop = 300 * (round + 1);
        exec(
            &mut holder,
            &format!("BEGIN; SELECT strata.task_mark('k', '{stop}')"),
        );
        let workers: Vec<_> = (0..3)
            .map(|_| Beside::run(server.client("task_killed"), MOVE))
            .collect();
        for worker in &workers {
            worker.until_blocked(&mut watch);
        }
        match *end {
            "terminate" => exec(
                &mut watch,
                &format!("SELECT pg_terminate_backend({})", workers[0].pid),
            ),
            "kill" => server.kill_backend(workers[0].pid.parse().expect("a pid")),
            "immediate" => server.restart(Stop::Immediate),
            _ => server.restart(Stop::Kill),
        }
        drop(holder);
        let survivors = workers.into_iter().map(Beside::end).filter(Result::is_ok);
        assert_eq!(survivors.count(), if *end == "terminate" { 2 } else { 0 });
        let mut watch = server.client("task_killed");
        let one_thing = "SELECT count(*) = count(DISTINCT id) AND count(*) = (SELECT done FROM strata.task_progress('k')) AND count(*) >= $ FROM moved";
        assert_eq!(
            one(&mut watch, &one_thing.replace('$', &(stop - 1).to_string())),
            "t",
            "{end}"
        );
        assert_eq!(one(&mut watch, "SELECT strata.task_begin('k')"), "t");
        if *end == "terminate" {
            exec(
                &mut watch,
                "DELETE FROM moved WHERE id > 300; DELETE FROM strata.task_mark WHERE old_id::int > 300",
            );
        }
    }
    let mut s = server.client("task_killed");
    exec(&mut s, MOVE);
    let all = "SELECT count(*), count(DISTINCT id), (SELECT done FROM strata.task_progress('k')) FROM moved";
    assert_eq!(rows(&mut s, all), "1500|1500|1500");
}

#[test]
fn a_dump_keeps_tasks_marks_and_positions() {
    let db = database("task_dumped");
    let mut s = db.session();
    exec(
        &mut s,
        "CREATE TABLE r (id timestamptz PRIMARY KEY, n int DEFAULT 0); INSERT INTO r SELECT '2026-10-25 00:00+00'::timestamptz + g * interval '7 min' FROM generate_series(1, 100) g;
         SELECT strata.task_begin('d', 5, E'tab\\there'); SELECT strata.task_mark_many('d', ARRAY['a', E'b\\nc'], ARRAY['A', NULL]);
         SELECT strata.task_begin('ended'); SELECT strata.task_finish('ended'); SET timezone = 'Asia/Tokyo'",
    );
    assert_eq!(
        fill(
            &mut s,
            "'f', 'r', 'n = n + 1', batch_size => 50, max_batches => 1"
        ),
        "50"
    );
    let told = "SELECT task, state, started_at AT TIME ZONE 'UTC', last_at AT TIME ZONE 'UTC', done, total, note FROM strata.task_progress()";
    let before = rows(&mut s, told);
    let other = Cluster::builder().start();
    plain().dump_into("task_dumped", &other, "restored");
    let mut r = other.client("restored");
    assert_eq!(rows(&mut r, told), before);
    assert_eq!(one(&mut r, "SELECT strata.task_begin('d')"), "t");
    assert_eq!(
        one(&mut r, "SELECT strata.task_is_marked('d', E'b\\nc')"),
        "t"
    );
    assert_eq!(one(&mut r, "SELECT strata.task_new_id('d', 'a')"), "A");
    assert_eq!(
        fill(&mut r, "'f', 'r', 'n = n + 1', batch_size => 50"),
        "50"
    );
    assert_eq!(rows(&mut r, "SELECT min(n), max(n) FROM r"), "1|1");
    // numbers go on as well
    exec(&mut r, "SELECT strata.task_mark('new', 'a')");
    assert_eq!(
        one(
            &mut r,
            "SELECT count(*) = count(DISTINCT id) FROM strata.task"
        ),
        "t"
    );
    assert_eq!(one(&mut r, "SELECT strata.task_is_marked('d', 'a')"), "t");
}
