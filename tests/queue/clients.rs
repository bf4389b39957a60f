//! The clients in README.md do what they say, each in its own language. `.ci/clients` fetches their libraries.

use crate::common::Cluster;
use crate::support::{Db, exec, one, preloaded, rows};
use std::path::{Path, PathBuf};
use std::process::Command;

const README: &str = include_str!("../../README.md");

/// The first block of a language in the chapter of the queue.
fn block(language: &str) -> String {
    let (_, chapter) = README.split_once("\n## Job queue\n").expect("the chapter");
    let fence = format!("```{language}\n");
    let (_, rest) = chapter.split_once(&fence).expect("a block");
    let (code, _) = rest.split_once("```").expect("its end");
    code.to_owned()
}

/// The libraries of clients.
fn folder() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/clients");
    let output = Command::new("bash").arg(script).output().expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

fn database(name: &str) -> Db<'_> {
    let db = Db::new(preloaded(), name);
    db.run("SELECT strata.create_queue('mail')");
    exec(
        &mut db.session(),
        "SELECT strata.queue_push('mail', jsonb_build_object('to', n)) FROM unnest('{ann,bob,cid}'::text[]) n",
    );
    db
}

/// Runs a program for a database; what it writes.
fn run(program: &Path, code: &str, end: &str, cluster: &Cluster, database: &str) -> String {
    let file = cluster
        .sandbox()
        .folder(database, 0o777)
        .join(format!("worker.{end}"));
    std::fs::write(&file, code).expect("a file");
    let folder = folder();
    let output = Command::new(program)
        .arg(&file)
        .env("PGHOST", cluster.socket())
        .env("PGPORT", "5432")
        .env("PGUSER", "postgres")
        .env("PGDATABASE", database)
        .env("NODE_PATH", folder.join("node_modules"))
        .output()
        .expect("a program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

const SAID: &str = "mail to ann\nmail to bob\nmail to cid\n";

fn all_are_done(db: &Db<'_>) {
    let left = "SELECT ready, running, done FROM strata.queue_stats";
    assert_eq!(rows(&mut db.session(), left), "0|0|3");
}

#[test]
fn python_works() {
    let db = database("python");
    let python = folder().join("python/bin/python");
    assert_eq!(
        run(&python, &block("python"), "py", db.cluster, db.name),
        SAID
    );
    all_are_done(&db);
}

#[test]
fn node_works() {
    let db = database("node");
    let said = run(Path::new("node"), &block("js"), "js", db.cluster, db.name);
    assert_eq!(said, SAID);
    all_are_done(&db);
}

#[rustfmt::skip] // as it stands in README.md
mod example {
async fn work(db: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> {
    let next = "SELECT claim, payload->>'to' FROM strata.queue_next('mail', worker => 'rust', done => $1)";
    let mut done: Vec<i64> = Vec::new();
    while let Some(job) = db.query_opt(next, &[&done]).await? {
        println!("mail to {}", job.get::<_, String>(1));
        done = vec![job.get(0)];
    }
    Ok(())
}

pub async fn run(db: &tokio_postgres::Client) -> Result<(), tokio_postgres::Error> { work(db).await }
}

#[test]
fn rust_works() {
    let source = include_str!("clients.rs");
    assert!(
        source.contains(&block("rust")),
        "README.md shows another program"
    );
    let db = database("rust");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(db.cluster.socket())
            .user("postgres")
            .dbname(db.name);
        let (client, connection) = config
            .connect(tokio_postgres::NoTls)
            .await
            .expect("a session");
        tokio::spawn(connection);
        example::run(&client).await.expect("a worker");
    });
    all_are_done(&db);
}

#[test]
fn psql_works() {
    let db = database("psql");
    let script = block("psql");
    let said = db.run(&script);
    assert!(
        said.contains("mail to ann") && said.contains("mail to cid"),
        "{said}"
    );
    assert_eq!(
        one(&mut db.session(), "SELECT done FROM strata.queue_stats"),
        "3"
    );
}
