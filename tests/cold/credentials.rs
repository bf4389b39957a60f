//! Where credentials come from: a security token service, a container's endpoint, files, the environment; for how
//! long; and that they are shown nowhere.

use crate::common::{ACCESS_KEY, Cluster, Fault, SECRET_KEY, Scripted};
use crate::stores::{file, ready, works};
use crate::support::{ColdDb, Db, exec, fails, one, rows, s3, server};
use std::fs;
use std::sync::Mutex;

/// What the fake services answer at present: the moment when credentials expire, or an error.
static EXPIRES: Mutex<&str> = Mutex::new(FAR);
const FAR: &str = "2099-01-01T00:00:00Z";
const PAST: &str = "2020-01-01T00:00:00Z";
const REFUSE: &str = "";

/// Tests that turn the above one after another.
static TURN: Mutex<()> = Mutex::new(());

fn expires(when: &'static str) {
    *EXPIRES.lock().expect("no panic") = when;
}

/// `AssumeRoleWithWebIdentity` and `AssumeRole`. A refusal repeats what was sent, as a careless service might.
fn sts(_: &str, body: &str) -> (u16, String) {
    let when = *EXPIRES.lock().expect("no panic");
    if when == REFUSE {
        let text = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidIdentityToken</Code>\
             <Message>refused: {}</Message></Error></ErrorResponse>",
            body.replace('&', " ")
        );
        return (400, text);
    }
    let action = if body.contains("Action=AssumeRoleWithWebIdentity") {
        "AssumeRoleWithWebIdentity"
    } else {
        "AssumeRole"
    };
    let text = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{ACCESS_KEY}</AccessKeyId><SecretAccessKey>{SECRET_KEY}</SecretAccessKey>\
         <SessionToken>passing-token</SessionToken><Expiration>{when}</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    );
    (200, text)
}

/// The endpoint that a container's platform offers.
fn container(first: &str, _: &str) -> (u16, String) {
    let when = *EXPIRES.lock().expect("no panic");
    if when == REFUSE || !first.starts_with("GET /credentials ") {
        return (
            403,
            "{\"code\":\"Denied\",\"message\":\"hush-container\"}".into(),
        );
    }
    let text = format!(
        "{{\"AccessKeyId\":\"{ACCESS_KEY}\",\"SecretAccessKey\":\"{SECRET_KEY}\",\"Token\":\"passing-token\",\
         \"Expiration\":\"{when}\"}}"
    );
    (200, text)
}

const READ: &str = "SELECT strata.cold_cache_reset(); SELECT count(note || '') FROM m";

/// Credentials that hold are asked for once in a session.
fn asked_once(db: &Db, service: &Scripted) {
    let mut session = db.session();
    exec(&mut session, READ);
    let seen = service.requests().len();
    exec(&mut session, READ);
    assert_eq!(service.requests().len(), seen);
}

#[test]
fn a_token_is_exchanged_for_credentials_until_they_expire() {
    let _turn = TURN.lock();
    expires(FAR);
    let (service, metadata) = (Scripted::start(sts), Scripted::start(container));
    let token = file(server(), "credentials_token", "first-identity");
    let cluster = Cluster::builder()
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", &token.to_string_lossy())
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/archive")
        .env("AWS_ENDPOINT_URL_STS", &service.endpoint())
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.endpoint())
        .start();
    let db = ready(
        &cluster,
        "web_identity",
        &s3().endpoint(),
        ", allow_http 'true'",
    );
    works(&db);
    assert!(service.requests().iter().all(|r| r.starts_with("POST / ")));
    assert!(
        service
            .bodies()
            .iter()
            .all(|b| b.contains("WebIdentityToken=first-identity"))
    );
    asked_once(&db, &service);
    // credentials that are about to expire are asked for again, with the token of that moment
    expires(PAST);
    let mut session = db.session();
    exec(&mut session, READ);
    fs::write(&token, "second-identity").expect("a token");
    let seen = service.bodies().len();
    exec(&mut session, READ);
    let later = service.bodies().split_off(seen);
    assert!(!later.is_empty(), "they were used beyond their time");
    assert!(
        later
            .iter()
            .all(|b| b.contains("WebIdentityToken=second-identity")),
        "{later:?}"
    );
    // refused: an error without what was sent; the session is well again when the service is
    expires(REFUSE);
    let error = fails(&mut session, READ, "42501", &["m_h1_20250101"]);
    let text = format!("{error:?}");
    assert!(text.contains("no usable credentials"), "{text}");
    assert!(!text.contains("second-identity"), "{text}");
    expires(FAR);
    exec(&mut session, READ);
    // whoever may not use what belongs to the server process sends nothing
    db.run("ALTER SERVER archive OPTIONS (ADD ambient_credentials 'false')");
    let seen = service.connections();
    fails(&mut db.session(), READ, "42501", &["m_h1_20250101"]);
    assert_eq!(service.connections(), seen);
    assert_eq!(
        metadata.connections(),
        0,
        "nobody has enabled the metadata service"
    );
    shows_no_secret(
        &db,
        &[
            "first-identity",
            "second-identity",
            "passing-token",
            SECRET_KEY,
        ],
    );
}

#[test]
fn a_container_has_its_own_endpoint() {
    let _turn = TURN.lock();
    expires(FAR);
    let (service, metadata) = (Scripted::start(container), Scripted::start(container));
    let cluster = Cluster::builder()
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &format!("{}/credentials", service.endpoint()),
        )
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush-authorization")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.endpoint())
        .start();
    let db = ready(
        &cluster,
        "container",
        &s3().endpoint(),
        ", allow_http 'true'",
    );
    works(&db);
    asked_once(&db, &service);
    expires(PAST);
    let mut session = db.session();
    exec(&mut session, READ);
    let seen = service.requests().len();
    exec(&mut session, READ);
    assert!(
        service.requests().len() > seen,
        "they were used beyond their time"
    );
    expires(REFUSE);
    let error = fails(&mut session, READ, "42501", &["m_h1_20250101"]);
    assert!(!format!("{error:?}").contains("hush-"), "{error:?}");
    expires(FAR);
    exec(&mut session, READ);
    // a server of somebody who is no superuser: it says so itself, or it is not so
    db.run(
        "CREATE ROLE archivist; GRANT USAGE ON FOREIGN DATA WRAPPER strata_sqlite TO archivist;
         ALTER SERVER archive OWNER TO archivist",
    );
    let seen = service.connections();
    fails(&mut db.session(), READ, "42501", &["m_h1_20250101"]);
    assert_eq!(service.connections(), seen);
    let grant = "ALTER SERVER archive OPTIONS (ADD ambient_credentials 'true')";
    let refused = format!("SET ROLE archivist; {grant}");
    fails(
        &mut db.session(),
        &refused,
        "42501",
        &["ambient_credentials"],
    );
    db.run(grant);
    exec(&mut db.session(), READ);
    assert!(service.connections() > seen);
    assert_eq!(
        metadata.connections(),
        0,
        "nobody has enabled the metadata service"
    );
    shows_no_secret(&db, &["hush-", "passing-token", SECRET_KEY]);
}

#[test]
fn profiles_may_lead_to_roles_but_not_to_what_is_switched_off() {
    let _turn = TURN.lock();
    expires(FAR);
    let (service, metadata) = (Scripted::start(sts), Scripted::start(container));
    let touched = server()
        .sandbox()
        .folder("credentials_touched", 0o777)
        .join("file");
    let text = format!(
        "[role]\nrole_arn = arn:aws:iam::123456789012:role/archive\nsource_profile = base\n\
         [base]\naws_access_key_id = any\naws_secret_access_key = hush-base\n\
         [instance]\nrole_arn = arn:aws:iam::123456789012:role/archive\ncredential_source = Ec2InstanceMetadata\n\
         [ofprocess]\nrole_arn = arn:aws:iam::123456789012:role/archive\ncredential_source = Environment\n\
         [program]\ncredential_process = /bin/touch {}\n",
        touched.display()
    );
    let keys = file(server(), "credentials_profiles", &text);
    let cluster = Cluster::builder()
        .env("AWS_ENDPOINT_URL_STS", &service.endpoint())
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.endpoint())
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .start();
    let options = format!(
        ", allow_http 'true', ambient_credentials 'false', credentials_file '{}', profile 'role'",
        keys.display()
    );
    let db = ready(&cluster, "profiles", &s3().endpoint(), &options);
    works(&db);
    assert!(
        service
            .bodies()
            .iter()
            .any(|b| b.contains("Action=AssumeRole&"))
    );
    let seen = service.connections();
    for profile in ["instance", "ofprocess", "program", "absent"] {
        db.run(&format!(
            "ALTER SERVER archive OPTIONS (SET profile '{profile}')"
        ));
        let error = fails(&mut db.session(), READ, "42501", &["m_h1_20250101"]);
        assert!(!format!("{error:?}").contains("hush-"), "{error:?}");
    }
    assert_eq!(service.connections(), seen, "{:?}", service.requests());
    assert_eq!(metadata.connections(), 0);
    assert!(!touched.exists(), "a program was run");
    shows_no_secret(&db, &["hush-", "passing-token", SECRET_KEY]);
}

#[test]
fn keys_of_a_mapping_are_shown_nowhere_but_in_its_dump() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "credentials_shown");
    db.metrics();
    db.archive(&proxy.endpoint(), ", max_retries '0', request_timeout '1s'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    let plan = rows(
        &mut db.session(),
        "EXPLAIN (ANALYZE, VERBOSE, SETTINGS) SELECT * FROM m",
    );
    assert!(
        plan.contains("GETs: ") && !plan.contains(SECRET_KEY) && !plan.contains(ACCESS_KEY),
        "{plan}"
    );
    let refused = [
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(412),
        Fault::Status(503),
        Fault::CutBody(10),
        Fault::WholeObject,
        Fault::Reset,
        Fault::Hang,
    ];
    for fault in refused {
        proxy.inject("GET", "", fault.clone());
        let error = db.cluster.try_psql(
            db.name,
            "\\set VERBOSITY verbose\nSELECT count(note || '') FROM m",
        );
        proxy.clear();
        let error = error.expect_err("a broken store");
        assert!(
            !error.contains(SECRET_KEY) && !error.contains(ACCESS_KEY),
            "{fault:?}: {error}"
        );
    }
    // options that are wrong are not repeated either
    for sql in [
        "ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (SET secret_access_key E'hush-\\n')",
        "ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (ADD session_toke 'hush-')",
    ] {
        let error = db
            .cluster
            .try_psql(db.name, sql)
            .expect_err("a wrong option");
        assert!(!error.contains("hush-"), "{error}");
    }
    shows_no_secret(&db, &[SECRET_KEY, ACCESS_KEY]);
}

/// Neither the log, nor any view or table of the extension, nor a dump shows one of these, but for the mapping's
/// own line in the dump.
#[track_caller]
fn shows_no_secret(db: &Db, secrets: &[&str]) {
    let mut session = db.session();
    let relations = rows(
        &mut session,
        "SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'strata'::regnamespace AND relkind IN ('r', 'v')",
    );
    let mut shown = vec![("log".to_owned(), db.cluster.log())];
    for relation in relations.lines() {
        let sql = format!("SELECT coalesce(string_agg(x::text, ' '), '') FROM {relation} x");
        shown.push((relation.to_owned(), one(&mut session, &sql)));
    }
    let dump = db.cluster.dump(db.name);
    let kept: Vec<&str> = dump
        .split(";\n")
        .filter(|statement| !statement.contains("CREATE USER MAPPING"))
        .collect();
    shown.push(("dump".to_owned(), kept.join(";\n")));
    for (place, text) in &shown {
        for secret in secrets {
            assert!(!text.contains(secret), "{place} shows {secret}: {text}");
        }
    }
    assert!(shown.len() > 20, "{}", shown.len());
}
