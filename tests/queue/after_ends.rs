//! Jobs that wait for others: ways in which parents and children end, and what else a child may be told.

use crate::after::{after, complete, next, pop, push};
use crate::common::{fails, wait_until};
use crate::support::{exec, one, plain, preloaded, rows, with_queue};
use postgres::Client;

pub fn told(session: &mut Client, id: &str) -> String {
    let sql = format!("SELECT state, error FROM strata.queue_result('q', {id})");
    rows(session, &sql)
}

fn fail(session: &mut Client, claim: &str) {
    let sql = format!("SELECT strata.queue_fail('q', {claim}, 'broken', final => true)");
    assert_eq!(one(session, &sql), "failed");
}

#[test]
fn a_failed_or_cancelled_parent_fails_its_children_with_all_that_follows() {
    for server in [preloaded(), plain()] {
        let db = with_queue(server, "after_fates");
        db.run(
            "SELECT strata.create_queue('dead'), strata.alter_queue('q', dead_letter => 'dead')",
        );
        let mut s = db.session();
        let (a, b) = (push(&mut s, "a", ""), push(&mut s, "b", ""));
        let more = format!(
            "{}, unique_key => 'k', group_key => 'g', kind => 'x'",
            after(&[&a, &b])
        );
        let child = push(&mut s, "child", &more);
        let parents = pop(&mut s);
        fail(&mut s, &parents[0].1);
        assert_eq!(told(&mut s, &child), "failed|parent", "at once");
        let letters = "SELECT payload -> 'origin' ->> 'id', payload -> 'origin' -> 'errors' -> 0 ->> 'parent' \
                       FROM strata.queue_pop('dead', n => 5) WHERE payload -> 'origin' ->> 'kind' = 'x'";
        assert_eq!(rows(&mut s, letters), format!("{child}|{a}"));
        let again = push(&mut s, "again", ", unique_key => 'k', group_key => 'g'");
        assert_ne!(again, "", "its key is free");
        let claim = next(&mut s, "again");
        complete(&mut s, &claim);
        complete(&mut s, &parents[1].1);
        assert!(pop(&mut s).is_empty());
        // a child that is brought back runs: whoever does that knows what he does
        assert_eq!(
            one(&mut s, &format!("SELECT strata.queue_retry('q', {child})")),
            "t"
        );
        let claim = next(&mut s, "child");
        complete(&mut s, &claim);
        // cancelled while it waits; the child has a child
        let a = push(&mut s, "a", ", run_at => now() + interval '1 h'");
        let child = push(&mut s, "child", &after(&[&a]));
        let grandchild = push(&mut s, "grandchild", &after(&[&child]));
        let cancel = format!("SELECT strata.queue_cancel('q', {a}, 'no')");
        exec(&mut s, "BEGIN");
        assert_eq!(one(&mut s, &cancel), "cancelled");
        assert_eq!(told(&mut s, &grandchild), "failed|parent");
        exec(&mut s, "ROLLBACK");
        assert_eq!(told(&mut s, &grandchild), "held|");
        assert_eq!(one(&mut s, &cancel), "cancelled");
        assert_eq!(told(&mut s, &grandchild), "failed|parent");
        // cancelled while it runs, which it learns when it fails
        let a = push(&mut s, "a", "");
        let child = push(&mut s, "child", &after(&[&a]));
        let claim = next(&mut s, "a");
        one(&mut s, &format!("SELECT strata.queue_cancel('q', {a})"));
        assert_eq!(told(&mut s, &child), "held|", "it may complete yet");
        let retried = format!("SELECT strata.queue_fail('q', {claim}, 'broken')");
        assert_eq!(one(&mut s, &retried), "cancelled");
        assert_eq!(told(&mut s, &child), "failed|parent");
        let left = "SELECT (SELECT count(*) FROM strata.queue_after_a) + (SELECT count(*) FROM strata.queue_held_a) \
                    + (SELECT count(*) FROM strata.queue_key_a)";
        assert_eq!(one(&mut s, left), "0");
    }
}

#[test]
fn a_parent_that_is_tried_again_keeps_its_child_waiting() {
    let db = with_queue(preloaded(), "after_retry");
    let mut s = db.session();
    let a = push(&mut s, "a", "");
    push(&mut s, "child", &after(&[&a]));
    for delay in ["0 s", "1 ms"] {
        let claim = next(&mut s, "a");
        let sql =
            format!("SELECT strata.queue_fail('q', {claim}, 'broken', retry_in => '{delay}')");
        assert_eq!(one(&mut s, &sql), "scheduled");
    }
    let claim = next(&mut s, "a");
    let release = format!("SELECT strata.queue_release('q', {claim})");
    assert_eq!(one(&mut s, &release), "t");
    let claim = next(&mut s, "a");
    push(&mut s, "late", &after(&[&a]));
    assert!(pop(&mut s).is_empty(), "it runs");
    complete(&mut s, &claim);
    let got: Vec<String> = [next_any(&mut s), next_any(&mut s)].into();
    assert_eq!(
        got,
        ["child", "late"],
        "in the order in which they became ready"
    );
}

pub fn next_any(session: &mut Client) -> String {
    let mut got = String::new();
    wait_until("a job is ready", || {
        got = rows(
            session,
            "SELECT payload #>> '{}' FROM strata.queue_pop('q')",
        );
        !got.is_empty()
    });
    got
}

#[test]
fn parents_that_have_ended_before_count_as_they_ended() {
    let db = with_queue(preloaded(), "after_past");
    db.run("SELECT strata.create_queue('other', keep => 'none'), strata.create_queue('all', keep => 'all')");
    let mut s = db.session();
    let first = one(&mut s, "SELECT strata.queue_push('other', '1')");
    let second = one(&mut s, "SELECT strata.queue_push('all', '1')");
    exec(
        &mut s,
        "SELECT strata.queue_complete(q, claim) FROM unnest('{other,all}'::text[]) q, strata.queue_pop(q)",
    );
    push(&mut s, "child", &after(&[&first, &second, &second]));
    next(&mut s, "child");
    let failed = push(&mut s, "failed", "");
    let claim = next(&mut s, "failed");
    fail(&mut s, &claim);
    exec(&mut s, "CALL strata.queue_maintain()");
    let child = push(&mut s, "child", &after(&[&first, &failed]));
    assert_eq!(told(&mut s, &child), "failed|parent");
    // a number that no job can have, and what is no number of a job
    for bad in ["{0}", "{-1}", "{1000000}"] {
        let sql = format!("SELECT strata.queue_push('q', '1', after => '{bad}')");
        let error = fails(&mut s, &sql, "22023", &["in after does not exist"]);
        assert!(error.hint().is_some_and(|h| h.contains("queue_push")));
    }
    let claimed = push(&mut s, "a", "");
    let claim = next(&mut s, "a");
    let sql = format!("SELECT strata.queue_push('q', '1', after => '{{{claim}}}')");
    fails(&mut s, &sql, "22023", &[&claim]);
    fails(
        &mut s,
        "SELECT strata.queue_push('q', '1', after => '{1, NULL}')",
        "22004",
        &["after"],
    );
    push(&mut s, "free", ", after => '{}'");
    next(&mut s, "free");
    let _ = claimed;
}

#[test]
fn a_job_that_is_replaced_cannot_wait_for_itself() {
    let db = with_queue(preloaded(), "after_circle");
    let mut s = db.session();
    let more = ", unique_key => 'k', on_duplicate => 'replace'";
    let a = push(&mut s, "a", more);
    let b = push(&mut s, "b", &after(&[&a]));
    let c = push(&mut s, "c", &after(&[&b]));
    for parent in [&a, &b, &c] {
        let sql = format!(
            "SELECT strata.queue_push('q', '1'{more}{})",
            after(&[parent])
        );
        let error = fails(&mut s, &sql, "22023", &[&a, "would wait for itself"]);
        assert!(error.hint().is_some());
    }
    // held by others it is replaced as any job that waits: first with another parent, then with none
    let x = push(&mut s, "x", ", run_at => now() + interval '1 h'");
    let y = push(&mut s, "y", "");
    assert_eq!(push(&mut s, "a1", &format!("{more}{}", after(&[&x]))), a);
    let claim = next(&mut s, "y");
    assert_eq!(push(&mut s, "a2", &format!("{more}{}", after(&[&y]))), a);
    assert_eq!(
        push(
            &mut s,
            "a3",
            ", unique_key => 'k', on_duplicate => 'replace_payload'"
        ),
        a
    );
    assert_eq!(
        one(
            &mut s,
            &format!("SELECT strata.queue_change('q', {a}, priority => -3)")
        ),
        "t"
    );
    assert!(pop(&mut s).is_empty());
    complete(&mut s, &claim);
    let job = "SELECT id, payload #>> '{}', priority FROM strata.queue_pop('q')";
    let mut got = String::new();
    wait_until("the job goes on", || {
        got = rows(&mut s, job);
        !got.is_empty()
    });
    assert_eq!(got, format!("{a}|a3|-3"));
    assert_eq!(
        push(&mut s, "twin", ", unique_key => 'k'"),
        "",
        "it has its key"
    );
    // a parent that has failed fails the job that is replaced, and its key is free
    let failed = push(&mut s, "failed", ", priority => -50");
    let claim = next(&mut s, "failed");
    fail(&mut s, &claim);
    let more = ", unique_key => 'l', unique_for => '1 h', on_duplicate => 'replace'";
    let l = push(&mut s, "l", &format!("{more}{}", after(&[&x])));
    assert_eq!(
        push(&mut s, "l2", &format!("{more}{}", after(&[&failed]))),
        l
    );
    assert_eq!(told(&mut s, &l), "failed|parent");
    let key = "SELECT state FROM strata.queue_key_a WHERE key = 'l'";
    assert_eq!(one(&mut s, key), "e", "only the time holds it");
    // without parents
    let m = push(&mut s, "m", &format!(", unique_key => 'm'{}", after(&[&x])));
    assert_eq!(
        push(
            &mut s,
            "m2",
            ", unique_key => 'm', on_duplicate => 'replace', priority => -9"
        ),
        m
    );
    next(&mut s, "m2");
    let left = "SELECT count(*) FROM strata.queue_after_a";
    assert_eq!(one(&mut s, left), "2", "b and c wait");
}

#[test]
fn a_full_queue_has_room_for_children_that_wait_and_none_for_others() {
    let db = with_queue(preloaded(), "after_full");
    db.run("SELECT strata.alter_queue('q', max_ready => 2)");
    let mut s = db.session();
    let done = push(&mut s, "done", "");
    let claim = next(&mut s, "done");
    complete(&mut s, &claim);
    let (a, _) = (push(&mut s, "a", ""), push(&mut s, "b", ""));
    fails(
        &mut s,
        "SELECT strata.queue_push('q', '1')",
        "53400",
        &["\"q\""],
    );
    let sql = format!("SELECT strata.queue_push('q', '1'{})", after(&[&done]));
    fails(&mut s, &sql, "53400", &["\"q\""]);
    let child = push(&mut s, "child", &after(&[&a, &done]));
    assert_eq!(told(&mut s, &child), "held|");
}
