#![allow(clippy::expect_used, clippy::panic)]

use super::*;

fn list(options: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    options.iter().map(owned).collect()
}

fn server(options: &[(&str, &str)]) -> Result<ServerOptions> {
    parse_server(&list(options))
}

fn message(options: &[(&str, &str)]) -> String {
    let e = server(options).expect_err("must be refused");
    format!("{} / {}", e.message, e.hint.unwrap_or_default())
}

#[test]
fn locations() {
    let at = |text| server(&[("location", text)]).map(|s| s.location);
    let s3 = |bucket: &str, prefix: &str| Location::S3 {
        bucket: bucket.into(),
        prefix: prefix.into(),
    };
    assert_eq!(at("file:"), Ok(Location::Directory(None)));
    assert_eq!(
        at("file:///a/b/"),
        Ok(Location::Directory(Some("/a/b".into())))
    );
    assert_eq!(at("s3://bucket"), Ok(s3("bucket", "")));
    assert_eq!(at("s3://bucket/"), Ok(s3("bucket", "")));
    assert_eq!(at("s3://bucket/p/q/"), Ok(s3("bucket", "p/q")));
    let bad = [
        "",
        "bucket",
        "http://x",
        "s3://",
        "s3://a",
        "s3://a b c",
        "s3://bucket/a//b",
        "s3://bucket/../x",
        "file://",
        "file:///",
        "file://rel",
        "file:///a/../b",
        "FILE:",
    ];
    for text in bad {
        assert!(at(text).is_err(), "{text}");
    }
    assert!(message(&[]).contains("\"location\" is missing"));
}

#[test]
fn defaults_and_values() {
    let s = server(&[("location", "s3://bucket/p")]).expect("valid");
    assert!(!s.path_style && !s.allow_http && !s.instance_metadata);
    assert_eq!(s.connect_timeout, Duration::from_secs(2));
    assert_eq!(s.request_timeout, Duration::from_secs(10));
    assert_eq!((s.max_retries, s.max_connections), (4, 4));
    assert!(s.ambient(true) && !s.ambient(false));

    let s = server(&[
        ("location", "s3://bucket"),
        ("endpoint", "http://localhost:9000"),
        ("allow_http", "on"),
        ("request_timeout", "500ms"),
        ("connect_timeout", "1 min"),
        ("max_retries", "0"),
        ("ambient_credentials", "false"),
    ])
    .expect("valid");
    assert!(s.path_style, "a custom endpoint implies path style");
    assert_eq!(s.request_timeout, Duration::from_millis(500));
    assert_eq!(s.connect_timeout, Duration::from_secs(60));
    assert!(!s.ambient(true));
}

#[test]
fn bad_values_are_named() {
    let with = |name, value| message(&[("location", "s3://bucket"), (name, value)]);
    assert!(with("max_retrys", "1").contains("perhaps you meant \"max_retries\""));
    assert!(with("Region", "x").contains("perhaps you meant \"region\""));
    assert!(with("colour", "x").contains("known options: location, region"));
    for (name, value) in [
        ("max_retries", "many"),
        ("max_retries", "21"),
        ("max_connections", "0"),
        ("request_timeout", "5"),
        ("request_timeout", "99999999999999999999s"),
        ("request_timeout", "1h"),
        ("request_timeout", "ä"),
        ("connect_timeout", "1ms"),
        ("allow_http", "perhaps"),
        ("sse", "rot13"),
    ] {
        let text = with(name, value);
        assert!(
            text.contains(&format!("\"{name}\"")) && text.contains(value),
            "{text}"
        );
    }
    assert!(with("endpoint", "http://x").contains("allow_http 'true'"));
    assert!(with("endpoint", "localhost").contains("https://"));
    assert!(with("endpoint", "https://u:p@h").contains("plain host"));
    assert!(with("ca_file", "ca.pem").contains("absolute path"));
    assert!(with("kms_key_id", "k").contains("aws:kms"));
    assert!(with("skip_tls_verify", "true").contains("ca_file"));
    assert!(server(&[("location", "file:"), ("skip_tls_verify", "false")]).is_ok());
}

#[test]
fn secrets_stay_out_of_messages() {
    let keys = [
        ("access_key_id", "AKIA-X"),
        ("secret_access_key", "hush-hush"),
    ];
    let mapping = parse_mapping(&list(&keys)).expect("valid");
    let shown = format!("{mapping:?}");
    assert!(
        !shown.contains("hush") && !shown.contains("AKIA"),
        "{shown}"
    );
    for bad in [
        vec![keys[1]],
        vec![keys[0]],
        vec![("session_token", "hush-hush")],
        vec![keys[0], ("secret_access_key", "hush hush")],
        vec![keys[0], ("secret_key", "hush-hush")],
    ] {
        let e = parse_mapping(&list(&bad)).expect_err("must be refused");
        assert!(!format!("{e:?}").contains("hush"), "{e:?}");
    }
}

#[test]
fn rights() {
    let s = server(&[("location", "file:")]).expect("valid");
    assert_eq!(
        (s.rights().read_files, s.rights().write_files),
        (vec!["location"], vec!["location"])
    );
    let s = server(&[
        ("location", "s3://bucket"),
        ("instance_metadata", "true"),
        ("ambient_credentials", "true"),
        ("credentials_file", "/x"),
        ("profile", "p"),
    ])
    .expect("valid");
    assert_eq!(
        s.rights().superuser,
        ["ambient_credentials", "instance_metadata"]
    );
    assert_eq!(s.rights().read_files, ["profile", "credentials_file"]);
}

#[test]
fn classes_that_cannot_be_read_in_place() {
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        let text = message(&[("location", "s3://bucket"), ("storage_class", class)]);
        assert!(
            text.contains("read at once") && text.contains("GLACIER_IR"),
            "{text}"
        );
    }
    for class in ["STANDARD_IA", "GLACIER_IR", "OWN_CLASS"] {
        let s = server(&[("location", "s3://bucket"), ("storage_class", class)]);
        assert_eq!(s.expect("valid").storage_class.as_deref(), Some(class));
    }
    let s = server(&[("location", "s3://bucket"), ("requester_pays", "true")]);
    assert!(s.expect("valid").requester_pays);
}
