//! The harness keeps its own promises: servers start, restart and leave nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Cluster, Stop, is_alive, signal, wait_until};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// The postmaster and all its children.
fn processes(cluster: &Cluster) -> Vec<u32> {
    let output = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &cluster.postmaster().to_string()])
        .output()
        .expect("ps");
    let mut pids: Vec<u32> = String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .map(|pid| pid.parse().expect("a pid"))
        .collect();
    pids.push(cluster.postmaster());
    pids
}

#[test]
fn extension_installs_with_and_without_preload() {
    for preload in [false, true] {
        let cluster = Cluster::builder().preload(preload).start();
        cluster.psql("postgres", "CREATE EXTENSION pg_strata");
        let found = cluster.psql(
            "postgres",
            "SELECT extversion, extnamespace::regnamespace FROM pg_extension WHERE extname = 'pg_strata'",
        );
        assert_eq!(found, format!("{}|strata", env!("CARGO_PKG_VERSION")));
        let loaded = cluster.psql("postgres", "SHOW shared_preload_libraries");
        assert_eq!(loaded, if preload { "pg_strata" } else { "" });
        cluster.psql(
            "postgres",
            "DROP EXTENSION pg_strata; CREATE EXTENSION pg_strata",
        );
    }
}

#[test]
fn nothing_is_left_after_drop() {
    let cluster = Cluster::builder().preload(true).start();
    let mut session = cluster.client("postgres");
    session.simple_query("SELECT 1").expect("a session");
    let pids = processes(&cluster);
    let folder = cluster.sandbox().path().to_path_buf();
    assert!(pids.len() > 3, "found only {pids:?}");
    drop(cluster);
    for pid in pids {
        wait_until("the server's processes are gone", || !is_alive(pid));
    }
    assert!(!folder.exists());
}

#[test]
fn nothing_is_left_after_a_kill() {
    let mut child = Command::new(std::env::current_exe().expect("own path"))
        .args([
            "--exact",
            "server_for_the_kill_test",
            "--ignored",
            "--nocapture",
        ])
        .env("STRATA_KILL_TEST", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("own program");
    let lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
    let line = lines
        .map(|line| line.expect("UTF-8"))
        .find(|line| line.contains("server="))
        .expect("the line of the child");
    let mut words = line.split("server=").nth(1).expect("words").split(' ');
    let pid: u32 = words
        .next()
        .and_then(|word| word.parse().ok())
        .expect("pid");
    let folder = Path::new(words.next().expect("folder")).to_path_buf();
    assert!(is_alive(pid) && folder.exists());
    assert!(signal(child.id(), "KILL"));
    child.wait().expect("wait");
    wait_until("the server is gone", || !is_alive(pid));
    wait_until("its folder is gone", || !folder.exists());
}

/// Not a test: the program that `nothing_is_left_after_a_kill` kills.
#[test]
#[ignore = "started by another test"]
fn server_for_the_kill_test() {
    if std::env::var_os("STRATA_KILL_TEST").is_none() {
        return;
    }
    let cluster = Cluster::builder().start();
    println!(
        "server={} {}",
        cluster.postmaster(),
        cluster.sandbox().path().display()
    );
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[test]
fn server_survives_every_way_of_stopping() {
    let mut cluster = Cluster::builder().start();
    cluster.psql("postgres", "CREATE TABLE t (n int)");
    for (number, how) in [Stop::Fast, Stop::Immediate, Stop::Kill]
        .into_iter()
        .enumerate()
    {
        cluster.psql("postgres", &format!("INSERT INTO t VALUES ({number})"));
        cluster.restart(how);
    }
    let mut victim = cluster.client("postgres");
    let row = victim
        .query_one("SELECT pg_backend_pid()", &[])
        .expect("pid");
    cluster.kill_backend(u32::try_from(row.get::<_, i32>(0)).expect("a pid"));
    assert!(victim.simple_query("SELECT 1").is_err());
    assert_eq!(
        cluster.psql("postgres", "SELECT count(*), sum(n) FROM t"),
        "3|3"
    );
    assert!(cluster.log().contains("was terminated by signal 9"));
}

#[test]
fn dump_goes_into_another_database() {
    let cluster = Cluster::builder().start();
    cluster.psql("postgres", "CREATE TABLE t AS SELECT 42 AS n");
    cluster.dump_into("postgres", &cluster, "copy");
    assert_eq!(cluster.psql("copy", "TABLE t"), "42");
}

#[test]
fn errors_of_a_script_reach_the_test() {
    let cluster = Cluster::builder().set("log_min_messages", "log").start();
    let error = cluster
        .try_psql("postgres", "SELECT 1/0; SELECT 2")
        .expect_err("an error");
    assert!(error.contains("division by zero"), "{error}");
    assert!(!error.contains("backtrace"), "{error}");
}
