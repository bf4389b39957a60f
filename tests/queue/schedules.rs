//! Schedules push one job for each time that they are due.

use crate::common::{Cluster, fails, wait_until};
use crate::sql_jobs::server;
use crate::support::{Db, exec, one, rows};
use postgres::Client;
use std::sync::{Barrier, OnceLock};

/// A server whose schedules are fired by hand only.
fn by_hand() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Cluster::builder().set("max_connections", "60").start();
        server.psql("postgres", "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN");
        server
    })
}

/// The same, where no worker of ours can look at them meanwhile.
fn alone() -> &'static Cluster {
    static SERVER: OnceLock<Cluster> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Cluster::builder().set("max_worker_processes", "0").start();
        server.psql("postgres", "CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN");
        server
    })
}

fn database<'a>(server: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(server, name);
    db.run("SELECT strata.create_queue('q')");
    db
}

/// Makes a schedule as if it had been made so long ago and not been looked at since.
fn backdate(session: &mut Client, name: &str, made: &str, next: &str) {
    exec(
        session,
        &format!(
            "UPDATE strata.queue_schedule SET made_at = now() - interval '{made}', \
             next_run = now() - interval '{next}' WHERE name = '{name}'"
        ),
    );
}

/// Fires all that is due: a call goes on only as long as it may.
#[track_caller]
fn fire_all(session: &mut Client) {
    wait_until("nothing is due", || {
        exec(session, "CALL strata.queue_maintain()");
        one(
            session,
            "SELECT count(*) FROM strata.queue_schedule WHERE NOT paused AND next_run <= now()",
        ) == "0"
    });
}

fn pushed(session: &mut Client) -> String {
    one(session, "SELECT count(*) FROM strata.queue_seg_1_0")
}

#[test]
fn eight_sessions_at_the_same_instant_push_one_job_per_tick() {
    let db = database(by_hand(), "ticks");
    let mut s = db.session();
    for n in 0..5 {
        let name = format!("s{n}");
        exec(
            &mut s,
            &format!("SELECT strata.queue_schedule('{name}', 'q', '1 hour', to_jsonb({n}))"),
        );
        backdate(&mut s, &name, "1 hour 1 second", "1 second");
    }
    let barrier = Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut s = db.session();
                barrier.wait();
                exec(&mut s, "CALL strata.queue_maintain()");
            });
        }
    });
    // who came last may have passed over one that another session had
    fire_all(&mut s);
    let got = "SELECT string_agg(payload::text, ' ' ORDER BY payload) FROM strata.queue_seg_1_0";
    assert_eq!(one(&mut s, got), "0 1 2 3 4");
    let view = "SELECT count(*) FROM strata.queue_schedules WHERE next_run BETWEEN now() + interval '50 min' \
        AND now() + interval '1 hour' AND last_run IS NOT NULL AND last_error IS NULL AND last_job IS NOT NULL";
    assert_eq!(one(&mut s, view), "5");
}

#[test]
fn times_that_were_missed_are_skipped_or_made_up_for() {
    let db = database(by_hand(), "missed");
    let mut s = db.session();
    for missed in ["skip", "once", "all"] {
        exec(
            &mut s,
            &format!(
                "SELECT strata.queue_schedule('{missed}', 'q', '10 minutes', '\"{missed}\"', missed => '{missed}', overlap => true)"
            ),
        );
        backdate(&mut s, missed, "65 minutes", "55 minutes");
    }
    fire_all(&mut s);
    let count = "SELECT payload #>> '{}', count(*) FROM strata.queue_seg_1_0 GROUP BY 1 ORDER BY 1";
    assert_eq!(rows(&mut s, count), "all|6\nonce|1");
    let next = "SELECT count(*) FROM strata.queue_schedules \
        WHERE next_run BETWEEN now() + interval '4 min' AND now() + interval '5 min'";
    assert_eq!(one(&mut s, next), "3", "all go on at their next time");
    // a moment late is not missed
    exec(&mut s, "DELETE FROM strata.queue_seg_1_0");
    backdate(&mut s, "skip", "10 minutes 2 seconds", "2 seconds");
    fire_all(&mut s);
    assert_eq!(rows(&mut s, count), "skip|1");
}

#[test]
fn jobs_that_make_up_for_missed_times_go_one_after_the_other_in_every_queue() {
    let db = Db::new(by_hand(), "in_turn");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.create_queue('q', group_limit => 5); \
         SELECT strata.queue_schedule('s', 'q', '10 minutes', '1', missed => 'all')",
    );
    backdate(&mut s, "s", "65 minutes", "55 minutes");
    fire_all(&mut s);
    for left in (0..6).rev() {
        wait_until("the next one is ready", || {
            exec(&mut s, "CALL strata.queue_maintain()");
            one(&mut s, "SELECT strata.queue_length('q')") == "1"
        });
        assert_eq!(
            one(&mut s, "SELECT strata.queue_length('q', 'held')"),
            left.to_string()
        );
        let next = "SELECT count(*) FROM strata.queue_pop('q', n => 9) p WHERE strata.queue_complete('q', p.claim)";
        assert_eq!(one(&mut s, next), "1");
    }
}

#[test]
fn who_is_only_in_the_way_costs_no_job() {
    let db = database(alone(), "in_the_way");
    let mut s = db.session();
    let id = one(&mut s, "SELECT strata.queue_schedule('s', 'q', '1 hour')");
    backdate(&mut s, "s", "1 hour 1 second", "1 second");
    let mut other = db.session();
    exec(
        &mut other,
        &format!("BEGIN; SELECT strata.queue_push('q', '1', unique_key => 'schedule:{id}')"),
    );
    exec(&mut s, "SET lock_timeout = '10 s'");
    // a key that another transaction has in hand is not waited for, and keeps no other schedule from its time
    exec(&mut s, "SELECT strata.queue_schedule('t', 'q', '1 hour')");
    backdate(&mut s, "t", "1 hour 1 second", "1 second");
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pushed(&mut s), "1");
    exec(&mut other, "ROLLBACK");
    let view =
        "SELECT next_run < now(), last_error IS NULL FROM strata.queue_schedules WHERE name = 's'";
    assert_eq!(rows(&mut s, view), "t|t");
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pushed(&mut s), "2");
}

#[test]
fn who_calls_the_housekeeping_has_none_of_his_code_run_by_owners_of_schedules() {
    let db = database(alone(), "trap");
    let mut s = db.session();
    exec(&mut s, "CREATE SEQUENCE loot; GRANT ALL ON loot TO PUBLIC");
    exec(&mut s, "GRANT CREATE ON DATABASE trap TO bob");
    let mut bob = db.session_as("bob");
    exec(
        &mut bob,
        "SELECT strata.create_queue('trap'), strata.queue_grant('trap', 'alice', 'push')",
    );
    exec(
        &mut db.session_as("alice"),
        "SELECT strata.queue_schedule('s', 'trap', '1 hour')",
    );
    backdate(&mut s, "s", "1 hour 1 second", "1 second");
    exec(
        &mut bob,
        "SELECT strata.queue_revoke('trap', 'alice', 'push'); CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC; \
         CREATE FUNCTION evil.steal() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN \
         IF current_user <> 'bob' THEN PERFORM pg_catalog.setval('public.loot', 100); END IF; RETURN true; END $$; \
         CREATE DOMAIN evil.regrole AS pg_catalog.regrole CHECK (evil.steal()); \
         CREATE DOMAIN evil.text AS pg_catalog.text CHECK (evil.steal()); \
         CREATE DOMAIN evil.interval AS pg_catalog.interval CHECK (evil.steal()); \
         SET search_path = evil, pg_catalog",
    );
    exec(&mut bob, "CALL strata.queue_maintain()");
    let view = "SELECT last_error LIKE 'permission denied%' FROM strata.queue_schedules";
    assert_eq!(one(&mut s, view), "t", "it was looked at");
    assert_eq!(one(&mut s, "SELECT last_value FROM loot"), "1");
}

#[test]
fn in_a_copy_schedules_belong_to_names_not_to_numbers() {
    let db = database(by_hand(), "copied");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_grant('q', '-', 'push'); SELECT strata.queue_schedule('s', 'q', '1 hour')",
    );
    let mut alice = db.session_as("alice");
    let mine = "SELECT count(*) FROM strata.queue_schedules";
    let change = "SELECT strata.queue_schedule('s', 'q', '2 hours')";
    // as if it came from a server where the owner had the number that alice has here
    exec(
        &mut s,
        "UPDATE strata.queue_schedule SET owner_oid = 'alice'::regrole; UPDATE strata.queue_home SET home = 'elsewhere'",
    );
    assert_eq!(one(&mut alice, mine), "0");
    fails(&mut alice, change, "42501", &["owner"]);
    exec(&mut s, change);
    exec(
        &mut s,
        "UPDATE strata.queue_schedule SET owner_oid = 'postgres'::regrole, owner = 'alice'",
    );
    assert_eq!(one(&mut alice, mine), "1");
    exec(&mut alice, change);
}

#[test]
fn a_paused_schedule_pushes_nothing_and_has_missed_nothing() {
    let db = database(by_hand(), "paused");
    let mut s = db.session();
    let make = |paused: bool| {
        format!(
            "SELECT strata.queue_schedule('s', 'q', '1 hour', missed => 'all', paused => {paused})"
        )
    };
    let id = one(&mut s, &make(true));
    backdate(&mut s, "s", "3 hours 1 minute", "2 hours 1 minute");
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pushed(&mut s), "0");
    assert_eq!(
        one(
            &mut s,
            "SELECT next_run IS NULL FROM strata.queue_schedules"
        ),
        "t"
    );
    assert_eq!(
        one(&mut s, &make(false)),
        id,
        "it is changed, not made anew"
    );
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pushed(&mut s), "0");
    let next = "SELECT next_run BETWEEN now() + interval '58 min' AND now() + interval '59 min' FROM strata.queue_schedules";
    assert_eq!(one(&mut s, next), "t", "counted from the time it was made");
    assert_eq!(one(&mut s, "SELECT strata.queue_unschedule('s')"), "t");
    assert_eq!(one(&mut s, "SELECT strata.queue_unschedule('s')"), "f");
}

#[test]
fn patterns_follow_the_clock_of_their_zone() {
    let db = database(by_hand(), "zones");
    let mut s = db.session();
    for (name, schedule, zone) in [
        ("night", "0 3 * * *", "Europe/Berlin"),
        ("hourly", "@hourly", "UTC"),
        ("seconds", "*/10 * * * * *", "America/New_York"),
        ("months", "1 month", "Europe/Berlin"),
    ] {
        exec(
            &mut s,
            &format!(
                "SELECT strata.queue_schedule('{name}', 'q', '{schedule}', timezone => '{zone}')"
            ),
        );
    }
    let next = "SELECT name, to_char(next_run AT TIME ZONE timezone, 'HH24:MI:SS'), next_run - now() <= interval '25 hours' \
        FROM strata.queue_schedules WHERE name = 'night'";
    assert_eq!(rows(&mut s, next), "night|03:00:00|t");
    // From the time when it was made: the next full ten seconds, or the next hour, may have passed since then.
    let seconds = "SELECT v.next_run > s.made_at AND v.next_run <= s.made_at + interval '10 seconds' \
        AND extract(second FROM v.next_run)::int % 10 = 0 \
        FROM strata.queue_schedules v JOIN strata.queue_schedule s USING (name) WHERE v.name = 'seconds'";
    assert_eq!(one(&mut s, seconds), "t");
    let hourly = "SELECT v.next_run = date_trunc('hour', s.made_at) + interval '1 hour' \
        FROM strata.queue_schedules v JOIN strata.queue_schedule s USING (name) WHERE v.name = 'hourly'";
    assert_eq!(one(&mut s, hourly), "t");
    let months = "SELECT v.next_run = (s.made_at AT TIME ZONE 'Europe/Berlin' + interval '1 month') AT TIME ZONE 'Europe/Berlin' \
        FROM strata.queue_schedules v JOIN strata.queue_schedule s USING (name) WHERE v.name = 'months'";
    assert_eq!(one(&mut s, months), "t");
}

#[test]
fn what_is_no_schedule_is_refused() {
    let db = database(by_hand(), "no_schedules");
    let mut s = db.session();
    let make = |more: &str| format!("SELECT strata.queue_schedule('s', 'q', {more})");
    for (more, code, word) in [
        ("'61 * * * *'", "22023", "61"),
        ("'@sometimes'", "22023", "@sometimes"),
        ("'often'", "22023", "neither a cron pattern nor an interval"),
        ("''", "22023", "neither a cron pattern nor an interval"),
        ("'1 hour often'", "22007", "often"),
        ("'300000 years'", "22023", "100 years"),
        ("'0.1 seconds'", "22023", "one second"),
        ("'-1 day'", "22023", "one second"),
        ("'0 0 30 2 *'", "22023", "never due"),
        ("'1 hour', timezone => 'Nowhere/Town'", "22023", "Nowhere"),
        ("'@daily', timezone => 'nowhere'", "22023", "nowhere"),
        ("'1 hour', missed => 'perhaps'", "22023", "perhaps"),
        ("'1 hour', run_as => 'alice'", "22023", "run_as"),
        ("'1 hour', command => 'SELEC'", "42601", "SELEC"),
    ] {
        fails(&mut s, &make(more), code, &[word]);
    }
    fails(
        &mut s,
        "SELECT strata.queue_schedule(repeat('s', 201), 'q', '1 hour')",
        "22023",
        &["name", "201"],
    );
    fails(
        &mut s,
        "SELECT strata.queue_schedule('s', 'none', '1 hour')",
        "42704",
        &["none"],
    );
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM strata.queue_schedules"),
        "0"
    );
}

#[test]
fn a_schedule_belongs_to_its_owner_and_pushes_with_its_rights() {
    let db = database(by_hand(), "owners");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_grant('q', 'alice', 'push'); SELECT strata.queue_grant('q', 'bob', 'push')",
    );
    let mut alice = db.session_as("alice");
    let mut bob = db.session_as("bob");
    let make = "SELECT strata.queue_schedule('s', 'q', '1 hour', command => 'SELECT 1')";
    exec(&mut alice, make);
    fails(&mut bob, make, "42501", &["owner", "s"]);
    fails(
        &mut bob,
        "SELECT strata.queue_unschedule('s')",
        "42501",
        &["owner"],
    );
    assert_eq!(
        one(&mut bob, "SELECT count(*) FROM strata.queue_schedules"),
        "0"
    );
    assert_eq!(
        one(&mut alice, "SELECT run_as FROM strata.queue_schedules"),
        "alice"
    );
    exec(&mut s, "SELECT strata.queue_revoke('q', 'alice', 'push')");
    backdate(&mut s, "s", "1 hour 1 second", "1 second");
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(pushed(&mut s), "0");
    let view = "SELECT last_error LIKE '%q%', next_run > now(), last_job IS NULL FROM strata.queue_schedules";
    assert_eq!(rows(&mut s, view), "t|t|t");
    exec(&mut s, "SELECT strata.queue_grant('q', 'alice', 'push')");
    backdate(&mut s, "s", "1 hour 1 second", "1 second");
    exec(&mut s, "CALL strata.queue_maintain()");
    assert_eq!(
        one(
            &mut s,
            "SELECT last_error IS NULL FROM strata.queue_schedules"
        ),
        "t"
    );
}

#[test]
fn the_background_worker_runs_a_command_every_second() {
    let db = database(server(), "every_second");
    let mut s = db.session();
    exec(&mut s, "CREATE TABLE beats (at timestamptz)");
    exec(
        &mut s,
        "SELECT strata.queue_schedule('beat', 'q', '* * * * * *', command => 'INSERT INTO beats SELECT now()')",
    );
    wait_until("three beats", || {
        one(&mut s, "SELECT count(*) >= 3 FROM beats") == "t"
    });
    exec(&mut s, "SELECT strata.queue_unschedule('beat')");
}

#[test]
fn without_overlap_no_job_is_pushed_while_the_last_one_lives() {
    let db = database(by_hand(), "overlap");
    let mut s = db.session();
    for overlap in [false, true] {
        exec(
            &mut s,
            &format!(
                "SELECT strata.queue_schedule('s{overlap}', 'q', '1 hour', '{overlap}', overlap => {overlap})"
            ),
        );
    }
    let fire = |s: &mut Client| {
        for name in ["sfalse", "strue"] {
            backdate(s, name, "1 hour 1 second", "1 second");
        }
        fire_all(s);
    };
    let count = "SELECT payload, count(*) FROM strata.queue_seg_1_0 GROUP BY 1 ORDER BY 1";
    fire(&mut s);
    fire(&mut s);
    assert_eq!(rows(&mut s, count), "false|1\ntrue|2");
    let complete = "SELECT count(*) FROM strata.queue_pop('q', n => 9) p WHERE strata.queue_complete('q', p.claim)";
    assert_eq!(one(&mut s, complete), "3");
    fire(&mut s);
    assert_eq!(rows(&mut s, count), "false|1\ntrue|1");
}
