//! Options of servers and user mappings against real stores: trust, credentials, the disk cache.

use crate::common::{ACCESS_KEY, CA, Cluster, OTHER_CA, REGION, SECRET_KEY, Scripted, TlsFront};
use crate::support::{BUCKET, ColdDb, Db, exec, fails, one, s3, server};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `m`, ready to be tiered to a server `archive` with these options and without a user mapping.
pub fn ready<'a>(cluster: &'a Cluster, name: &'a str, endpoint: &str, options: &str) -> Db<'a> {
    let db = Db::new(cluster, name);
    db.metrics();
    db.run(&format!(
        "CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://{BUCKET}/{name}',
             endpoint '{endpoint}', region '{REGION}', max_retries '0' {options});
         SELECT strata.set_cold_storage('m', server => 'archive')"
    ));
    db
}

/// A file that the server can read.
pub fn file(cluster: &Cluster, name: &str, text: &str) -> PathBuf {
    let path = cluster.sandbox().folder(name, 0o755).join("file");
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its mode");
    path
}

const FIRST: &str = "CALL strata.tier_chunks('m', older_than => timestamptz '2025-02-01 00:00+00')";

/// Tiers January, and reads it in a new session.
#[track_caller]
pub fn works(db: &Db) {
    let hash = db.hash();
    db.run(FIRST);
    assert_eq!(db.keys().len(), 1);
    assert_eq!(db.hash(), hash);
}

#[test]
fn https_with_an_authority_of_ones_own() {
    let front = TlsFront::start(s3().address());
    let db = ready(server(), "stores_tls", &front.endpoint(), "");
    db.run(&format!(
        "CREATE USER MAPPING FOR postgres SERVER archive
             OPTIONS (access_key_id '{ACCESS_KEY}', secret_access_key '{SECRET_KEY}')"
    ));
    // an authority that the system does not know, then one that did not sign this certificate
    let refused = |db: &Db| {
        let error = db.cluster.try_psql(db.name, FIRST);
        let error = error.expect_err("a certificate that nobody vouches for");
        assert!(error.to_lowercase().contains("certificate"), "{error}");
        assert!(!error.contains(SECRET_KEY), "{error}");
    };
    refused(&db);
    let other = file(db.cluster, "stores_other_ca", OTHER_CA);
    db.run(&format!(
        "ALTER SERVER archive OPTIONS (ADD ca_file '{}')",
        other.display()
    ));
    refused(&db);
    let ca = file(db.cluster, "stores_ca", CA);
    db.run(&format!(
        "ALTER SERVER archive OPTIONS (SET ca_file '{}')",
        ca.display()
    ));
    works(&db);
}

fn profile(name: &str, secret: &str) -> String {
    format!("[{name}]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n")
}

#[test]
fn credentials_come_from_files_and_profiles() {
    let text = profile("default", "wrong") + &profile("shelf", SECRET_KEY);
    let keys = file(server(), "stores_profiles", &text);
    let keys = keys.display();
    let endpoint = s3().endpoint();
    let options = format!(", allow_http 'true', credentials_file '{keys}', profile 'shelf'");
    let db = ready(server(), "stores_profile", &endpoint, &options);
    works(&db);
    // what the mapping names goes first, and is used alone
    db.run(&format!(
        "CREATE USER MAPPING FOR postgres SERVER archive OPTIONS (credentials_file '{keys}')"
    ));
    let read = "SELECT count(id + 0) FROM m";
    fails(&mut db.session(), read, "42501", &["m_h1_20250101"]);
    db.run("ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (ADD profile 'shelf')");
    assert_eq!(db.one(read), "2160");
    db.run("ALTER USER MAPPING FOR postgres SERVER archive OPTIONS (SET profile 'absent')");
    let error = fails(&mut db.session(), read, "42501", &["m_h1_20250101"]);
    assert!(!error.message().contains(SECRET_KEY), "{error:?}");
}

/// Answers as the metadata service of a cloud instance does.
fn metadata(first: &str, _: &str) -> (u16, String) {
    let credentials = format!(
        "{{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"{ACCESS_KEY}\",\
         \"SecretAccessKey\":\"{SECRET_KEY}\",\"Token\":\"t\",\"LastUpdated\":\"2026-01-01T00:00:00Z\",\
         \"Expiration\":\"2099-01-01T00:00:00Z\"}}"
    );
    match first.split(' ').nth(1).unwrap_or_default() {
        "/latest/api/token" => (200, "token".to_owned()),
        path if path.ends_with("/role") => (200, credentials),
        path if path.trim_end_matches('/').ends_with("security-credentials") => {
            (200, "role".to_owned())
        }
        _ => (404, String::new()),
    }
}

#[test]
fn the_servers_own_credentials_only_where_allowed() {
    let service = Scripted::start(metadata);
    let cluster = Cluster::builder()
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &service.endpoint())
        .start();
    let options = ", allow_http 'true'";
    let db = ready(&cluster, "stores_ambient", &s3().endpoint(), options);
    // ambient, since a superuser owns the server; but the metadata service is not asked
    let refused = |db: &Db| {
        let error = db.cluster.try_psql(db.name, FIRST);
        let error = error.expect_err("an upload without credentials");
        assert!(error.contains("credentials"), "{error}");
    };
    refused(&db);
    assert_eq!(service.connections(), 0, "{:?}", service.requests());
    db.run("ALTER SERVER archive OPTIONS (ADD instance_metadata 'true')");
    works(&db);
    assert!(service.connections() > 0);
    // a server that may not use what belongs to the server process
    db.run("ALTER SERVER archive OPTIONS (ADD ambient_credentials 'false')");
    let seen = service.connections();
    fails(
        &mut db.session(),
        "SELECT count(id + 0) FROM m",
        "42501",
        &["m_h1_20250101"],
    );
    assert_eq!(service.connections(), seen);
}

#[test]
fn environment_of_the_server() {
    // what the environment says of addresses is not for us: the options say where to go
    let elsewhere = Scripted::start(metadata);
    let cluster = Cluster::builder()
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_ENDPOINT_URL", &elsewhere.endpoint())
        .env("AWS_ENDPOINT_URL_S3", &elsewhere.endpoint())
        .env("HTTP_PROXY", &elsewhere.endpoint())
        .env("http_proxy", &elsewhere.endpoint())
        .start();
    let options = ", allow_http 'true'";
    let db = ready(&cluster, "stores_env", &s3().endpoint(), options);
    works(&db);
    assert_eq!(elsewhere.connections(), 0, "{:?}", elsewhere.requests());
}

#[test]
fn the_bucket_is_addressed_as_the_options_say() {
    let db = Db::new(server(), "stores_address");
    let create = |options: &str| {
        format!(
            "DROP SERVER IF EXISTS archive CASCADE;
             CREATE SERVER archive FOREIGN DATA WRAPPER strata_sqlite OPTIONS (location 's3://{BUCKET}/address',
                 region '{REGION}', max_retries '0' {options});
             CREATE USER MAPPING FOR postgres SERVER archive
                 OPTIONS (access_key_id '{ACCESS_KEY}', secret_access_key '{SECRET_KEY}')"
        )
    };
    let store = Scripted::start(|_, _| (403, String::new()));
    let endpoint = format!(", endpoint '{}'", store.endpoint());
    let error = db.cluster.try_psql(db.name, &create(&endpoint));
    assert!(error.expect_err("plain http").contains("plain http"));
    db.metrics();
    let tier = |options: &str| {
        db.run(&create(&format!(", allow_http 'true' {options}")));
        db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
        let error = db.cluster.try_psql(db.name, FIRST);
        error.expect_err("a store that refuses everything")
    };
    // an endpoint of one's own: the bucket stands in the path
    let error = tier(&endpoint);
    assert!(error.contains("access refused"), "{error}");
    let seen = store.requests();
    assert!(!seen.is_empty());
    let path = format!(" /{BUCKET}/address/");
    assert!(seen.iter().all(|r| r.contains(&path)), "{seen:?}");
    // in the host name, which may lead nowhere; an address of digits cannot have one before it
    let named = endpoint.replace("127.0.0.1", "localhost");
    tier(&format!(
        "{named}, path_style 'false', connect_timeout '1s', request_timeout '1s'"
    ));
    let later = store.requests().split_off(seen.len());
    assert!(!later.iter().any(|r| r.contains(&path)), "{later:?}");
}

/// Bytes below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.path() {
        path if path.is_dir() => size(&path),
        path => path.metadata().map_or(0, |meta| meta.len()),
    });
    sizes.sum()
}

#[test]
fn blocks_on_the_local_disk_serve_other_sessions() {
    let proxy = s3().proxy();
    let db = Db::new(server(), "stores_disk");
    db.metrics();
    db.archive(&proxy.endpoint(), ", max_retries '0'");
    db.run("SELECT strata.set_cold_storage('m', server => 'archive')");
    db.tier("2025-03-01");
    let folder = db.cluster.sandbox().folder("stores_disk", 0o700);
    let hash = db.hash();
    let session = |on: bool| {
        let mut session = db.session();
        if on {
            let set = format!(
                "SET strata.cold_disk_cache = '{}'; SET strata.cold_disk_cache_size = '16MB'",
                folder.display()
            );
            exec(&mut session, &set);
        }
        session
    };
    assert_eq!(one(&mut session(true), crate::support::HASH), hash);
    assert!(size(&folder) > 100_000);
    proxy.reset();
    assert_eq!(one(&mut session(true), crate::support::HASH), hash);
    assert_eq!(proxy.counts().gets, 0, "{:?}", proxy.requests());
    assert_eq!(one(&mut session(false), crate::support::HASH), hash);
    assert!(proxy.counts().gets > 0);
    // blocks that were damaged here are fetched again
    let mut damaged = 0;
    for group in fs::read_dir(&folder).expect("the folder").flatten() {
        for block in fs::read_dir(group.path()).expect("a folder").flatten() {
            let mut bytes = fs::read(block.path()).expect("a block");
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            fs::write(block.path(), bytes).expect("a block");
            damaged += 1;
        }
    }
    assert!(damaged > 0);
    proxy.reset();
    assert_eq!(one(&mut session(true), crate::support::HASH), hash);
    assert!(proxy.counts().gets > 0);
    // a folder that cannot be written is none
    let mut session = session(false);
    exec(
        &mut session,
        "SET strata.cold_disk_cache = '/proc/none'; SET strata.cold_disk_cache_size = '16MB'",
    );
    assert_eq!(one(&mut session, crate::support::HASH), hash);
}
