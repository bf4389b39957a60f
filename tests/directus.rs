//! Directus as it is published, on hypertables: with the catalog lens everything works, without it the
//! fields are missing. `.ci/directus` installs it; the folder comes in STRATA_DIRECTUS or from that script.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // what is expected here is tested

mod common;

use common::{Cluster, Db, wait_until_within};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const LOGIN: &str = r#"{"email": "a@example.com", "password": "a password"}"#;

fn folder() -> PathBuf {
    if let Ok(folder) = std::env::var("STRATA_DIRECTUS") {
        return folder.into();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/directus");
    let output = Command::new("bash").arg(script).output().expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// A running Directus; ended by its own id when dropped.
struct Directus {
    process: Child,
    port: u16,
    token: String,
}

impl Drop for Directus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Directus {
    fn start(db: &Db, user: &str) -> Directus {
        let folder = folder();
        // free a moment ago, and nobody else asks the kernel for it so soon
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let scratch = db.cluster.sandbox().folder("directus", 0o777);
        let command = |verb: &str| {
            let mut c = Command::new(folder.join("node/bin/node"));
            c.arg(folder.join("node_modules/directus/cli.js")).arg(verb);
            c.current_dir(&scratch).env_clear().stdin(Stdio::null());
            for (name, value) in [
                ("DB_CLIENT", "pg"),
                ("DB_HOST", &*db.cluster.socket().to_string_lossy()),
                ("DB_PORT", "5432"),
                ("DB_DATABASE", db.name),
                ("DB_USER", user),
                ("DB_PASSWORD", "none"),
                ("SECRET", "for this test only"),
                ("HOST", "127.0.0.1"),
                ("PORT", &port.to_string()),
                ("ADMIN_EMAIL", "a@example.com"),
                ("ADMIN_PASSWORD", "a password"),
                ("TELEMETRY", "false"),
                ("LOG_LEVEL", "warn"),
                ("NODE_OPTIONS", "--no-node-snapshot"),
            ] {
                c.env(name, value);
            }
            c
        };
        let output = command("bootstrap").output().expect("directus bootstrap");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let process = command("start")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut directus = Directus {
            process: process.expect("directus start"),
            port,
            token: String::new(),
        };
        wait_until_within(Duration::from_secs(60), "Directus answers", || {
            directus
                .try_call("GET", "/server/ping", None)
                .is_some_and(|(status, _)| status == 200)
        });
        let login = directus.call(
            "POST",
            "/auth/login",
            Some(serde_json::from_str(LOGIN).unwrap()),
        );
        directus.token = login.1["data"]["access_token"]
            .as_str()
            .expect("a token")
            .into();
        directus
    }

    fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let token = match &*self.token {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: localhost\r\n{token}content-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        while line.trim() != "" {
            line.clear();
            reader.read_line(&mut line).ok()?;
        }
        let mut text = String::new();
        reader.read_to_string(&mut text).ok()?;
        Some((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }

    #[track_caller]
    fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.try_call(method, path, body.as_ref())
            .unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    #[track_caller]
    fn data(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer["data"].clone()
    }
}

fn database<'a>(cluster: &'a Cluster, name: &'a str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.run("GRANT ALL ON SCHEMA public TO directus");
    let mut owner = db.session_as("directus");
    common::exec(
        &mut owner,
        "CREATE TABLE device (id int PRIMARY KEY, label text);
         CREATE TABLE wide (id bigint GENERATED BY DEFAULT AS IDENTITY, ts timestamptz NOT NULL, v float8,
           name text, device int REFERENCES device, PRIMARY KEY (id, ts));
         SELECT FROM strata.create_hypertable('wide', strata.by_range('ts'));
         CREATE TABLE bare (id bigint NOT NULL, ts timestamptz NOT NULL, v float8);
         SELECT FROM strata.create_hypertable('bare', strata.by_range('ts'));
         CREATE TABLE by_number (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, v float8);
         SELECT FROM strata.create_hypertable('by_number', strata.by_range('id', 1000))",
    );
    db.run(
        "UPDATE strata.hypertable SET logical_key = 'id' WHERE relation <> 'by_number'::regclass",
    );
    db
}

fn field_names(directus: &Directus, table: &str) -> Vec<String> {
    let (status, answer) = directus.call("GET", &format!("/fields/{table}"), None);
    let fields = answer["data"]
        .as_array()
        .filter(|_| status == 200)
        .cloned()
        .unwrap_or_default();
    fields
        .iter()
        .map(|f| f["field"].as_str().unwrap().to_string())
        .collect()
}

/// Everything that a client does with one table; ids and times are given where the table has no default.
fn exercise(directus: &Directus, table: &str, ts: bool) {
    let row = |id: i64, hour: u32| {
        let mut row = json!({"id": id, "v": hour});
        if ts {
            row["ts"] = json!(format!("2026-11-21T{hour:02}:00:00Z"));
        }
        row
    };
    let items = format!("/items/{table}");
    let key = &directus.data("GET", &format!("/fields/{table}/id"), None)["schema"];
    assert_eq!(key["is_primary_key"], true, "{table}: {key}");
    let schema = &directus.data("GET", &format!("/collections/{table}"), None)["schema"];
    assert_eq!(schema["name"], table);
    assert_eq!(directus.data("POST", &items, Some(row(1, 10)))["id"], "1");
    let two = directus.data("POST", &items, Some(json!([row(2, 11), row(3, 12)])));
    assert_eq!(two.as_array().unwrap().len(), 2);
    assert_eq!(directus.data("GET", &format!("{items}/2"), None)["v"], 11);
    directus.data("PATCH", &format!("{items}/2"), Some(json!({"v": 99})));
    assert_eq!(
        directus.data("GET", &format!("{items}/2?fields=v"), None),
        json!({"v": 99})
    );
    directus.data(
        "PATCH",
        &items,
        Some(json!({"keys": [1, 3], "data": {"v": 7}})),
    );
    let found = directus.data(
        "GET",
        &format!("{items}?filter[v][_eq]=7&sort=-id&fields=id"),
        None,
    );
    assert_eq!(found, json!([{"id": "3"}, {"id": "1"}]));
    let page = directus.data(
        "GET",
        &format!("{items}?sort=id&limit=1&page=2&fields=id"),
        None,
    );
    assert_eq!(page, json!([{"id": "2"}]));
    let sum = directus.data("GET", &format!("{items}?aggregate[sum]=v"), None);
    assert_eq!(sum[0]["sum"]["v"], 113);
    let deleted = directus.call("DELETE", &format!("{items}/2"), None);
    assert_eq!(deleted.0, 204, "{}", deleted.1);
    assert_eq!(directus.call("GET", &format!("{items}/2"), None).0, 403);
    let meta = directus.call("GET", &format!("{items}?meta=total_count&limit=0"), None);
    assert_eq!(meta.1["meta"]["total_count"], 2);
}

#[test]
fn directus_works_on_exposed_hypertables_and_not_on_others() {
    let cluster = Cluster::builder().preload(true).start();
    cluster.psql("postgres", "CREATE ROLE directus LOGIN");
    let seen = database(&cluster, "seen");
    seen.run("SELECT strata.expose_to_client('directus')");
    let directus = Directus::start(&seen, "directus");
    assert_eq!(
        field_names(&directus, "wide"),
        ["id", "ts", "v", "name", "device"]
    );
    exercise(&directus, "wide", true);
    exercise(&directus, "bare", true);
    exercise(&directus, "by_number", false);
    // a relation out of a hypertable is found
    directus.data(
        "POST",
        "/items/device",
        Some(json!({"id": 5, "label": "five"})),
    );
    directus.data("PATCH", "/items/wide/1", Some(json!({"device": 5})));
    let relations = directus.data("GET", "/relations/wide", None);
    assert_eq!(relations[0]["related_collection"], "device", "{relations}");
    assert_eq!(
        directus.data("GET", "/items/wide/1?fields=device.label", None),
        json!({"device": {"label": "five"}})
    );
    drop(directus);

    let plain = database(&cluster, "plain");
    let directus = Directus::start(&plain, "directus");
    assert!(
        field_names(&directus, "wide").is_empty(),
        "the lens would not be needed"
    );
    assert_eq!(directus.call("GET", "/items/bare", None).0, 403);
}
