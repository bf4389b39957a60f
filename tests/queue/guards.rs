//! What a SQL job runs is said by who may say it, and by nobody else.

use crate::common::{fails, wait_until};
use crate::sql_jobs::{database, push, server};
use crate::support::{exec, one, rows};
use postgres::Client;

/// In every state in which a job waits.
#[test]
fn nobody_puts_another_command_under_the_name_of_somebody_else() {
    let db = database(server(), "guards");
    let mut s = db.session();
    exec(
        &mut s,
        "SELECT strata.queue_pause('q'); SELECT strata.queue_grant('q', 'bob', 'admin')",
    );
    let mut alice = db.session_as("alice");
    let mut clerk = db.session_as("clerk");
    let mut bob = db.session_as("bob");
    let note =
        "INSERT INTO seen SELECT $2, current_user || ' ' || coalesce($1 #>> '{}', 'nothing')";
    let evil = r#"{"command": "INSERT INTO seen VALUES (0, current_user)"}"#;
    let states = [
        ("ready", ""),
        ("scheduled", ", run_at => now() + interval '1 day'"),
        ("held", ", group_key => 'g'"),
    ];
    // keeps the group from going on
    let first = push(&mut s, "SELECT 1", ", group_key => 'g'");
    let is = |s: &mut Client, id: i64, state: &str| {
        one(
            s,
            &format!("SELECT state FROM strata.queue_result('q', {id})"),
        ) == state
    };
    exec(&mut s, "CALL strata.queue_maintain()");
    assert!(is(&mut s, first, "ready"));
    let mut ids = Vec::new();
    for (state, how) in states {
        let id = push(
            &mut alice,
            note,
            &format!(r#", '"hers"', unique_key => '{state}'{how}"#),
        );
        assert!(is(&mut s, id, state), "{state}");
        let replace = |call: &str| {
            format!(
                "SELECT strata.{call}, unique_key => '{state}', on_duplicate => 'replace_payload')"
            )
        };
        for call in [
            format!("queue_push('q', '{evil}'"),
            r#"queue_push('q', '"INSERT INTO seen VALUES (0, 1)"'"#.to_owned(),
            "queue_push_sql('q', 'INSERT INTO seen VALUES (0, ''bob was here'')'".to_owned(),
        ] {
            fails(&mut bob, &replace(&call), "55000", &[]);
        }
        // of a job of his own the kind stays what it is, too
        let own = format!("SELECT strata.queue_push('q', '1', 'own_{state}'{how})");
        exec(&mut bob, &own);
        let other = format!(
            "SELECT strata.queue_push_sql('q', 'SELECT 1', unique_key => 'own_{state}', on_duplicate => 'replace_payload')"
        );
        fails(&mut bob, &other, "55000", &[]);
        let change = format!("SELECT strata.queue_change('q', {id}, payload => '{evil}')");
        assert_eq!(
            one(&mut bob, &change),
            "t",
            "an administrator changes what the command is given"
        );
        ids.push(id);
    }
    // whoever may become her may change what she runs
    let hers = "SELECT strata.queue_push_sql('q', 'INSERT INTO seen SELECT $2, current_user || '' by her clerk''', \
        run_as => 'alice', unique_key => 'ready', on_duplicate => 'replace_payload')";
    assert_eq!(one(&mut clerk, hers), ids[0].to_string());
    exec(&mut s, "SELECT strata.queue_resume('q')");
    for half in ["a", "b"] {
        exec(
            &mut s,
            &format!("UPDATE strata.queue_scheduled_{half} SET lease_until = now()"),
        );
    }
    wait_until("all of hers have run", || {
        exec(&mut s, "CALL strata.queue_maintain()");
        one(&mut s, "SELECT count(*) FROM seen") == "3"
    });
    let wanted = [
        format!("{}|alice by her clerk", ids[0]),
        format!("{}|alice {evil}", ids[1]),
        format!("{}|alice {evil}", ids[2]),
    ];
    assert_eq!(
        rows(&mut s, "SELECT * FROM seen ORDER BY id"),
        wanted.join("\n")
    );
    // a job that has failed comes back as what it was
    let id = push(
        &mut alice,
        "INSERT INTO seen SELECT $2, current_user || 1 / 0",
        ", max_attempts => 1",
    );
    wait_until("it has failed", || is(&mut s, id, "failed"));
    assert_eq!(
        one(&mut bob, &format!("SELECT strata.queue_retry('q', {id})")),
        "t"
    );
    wait_until("it has failed again", || is(&mut s, id, "failed"));
    assert_eq!(
        one(&mut s, "SELECT count(*) FROM seen WHERE what LIKE 'bob%'"),
        "0"
    );
}
