//! Options of cold servers and their user mappings: parsing and validation, nothing else.

use super::option_values::{
    absolute, boolean, encryption, invalid, number, secret, storage_class, timeout, unknown, word,
};
use crate::error::{Error, Kind, Result};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server keeps its files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// An absolute directory; `None` is `strata.cold_directory`.
    Directory(Option<PathBuf>),
    /// A bucket and the prefix below it, without slashes at its ends.
    S3 { bucket: String, prefix: String },
}

/// Options of `CREATE SERVER ... FOREIGN DATA WRAPPER strata_sqlite`, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerOptions {
    pub location: Location,
    pub region: Option<String>,
    /// URL with scheme `https`, or `http` where `allow_http` says so.
    pub endpoint: Option<String>,
    /// The bucket stands in the path of the URL, not in the host name.
    pub path_style: bool,
    pub allow_http: bool,
    /// PEM file of the authorities that may sign the endpoint's certificate.
    pub ca_file: Option<PathBuf>,
    pub profile: Option<String>,
    pub credentials_file: Option<PathBuf>,
    /// Environment, shared profile, web identity and container credentials of the server process
    /// may be used. `None`: yes for servers owned by a superuser.
    pub ambient_credentials: Option<bool>,
    /// The instance metadata service may be asked.
    pub instance_metadata: bool,
    pub connect_timeout: Duration,
    /// For one request, plus one second per megabyte asked for.
    pub request_timeout: Duration,
    /// Repetitions after the first attempt.
    pub max_retries: u32,
    /// Parts of one upload in flight at once.
    pub max_connections: u32,
    pub storage_class: Option<String>,
    /// Server-side encryption: `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub sse: Option<String>,
    pub kms_key_id: Option<String>,
    /// The caller pays for requests, not the bucket's owner.
    pub requester_pays: bool,
}

/// Options of `CREATE USER MAPPING`.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct MappingOptions {
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub session_token: Option<String>,
    pub profile: Option<String>,
    pub credentials_file: Option<PathBuf>,
}

impl fmt::Debug for MappingOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappingOptions")
            .field("keys", &self.access_key_id.is_some())
            .field("profile", &self.profile)
            .field("credentials_file", &self.credentials_file)
            .finish_non_exhaustive()
    }
}

/// What the role that sets the options must be allowed to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// These options hand out what belongs to the server's account: superuser only.
    pub superuser: Vec<&'static str>,
    /// These options name files of the server: pg_read_server_files.
    pub read_files: Vec<&'static str>,
    /// These options make files on the server: pg_write_server_files.
    pub write_files: Vec<&'static str>,
}

const SERVER: &[&str] = &[
    "location",
    "region",
    "endpoint",
    "path_style",
    "allow_http",
    "ca_file",
    "skip_tls_verify",
    "profile",
    "credentials_file",
    "ambient_credentials",
    "instance_metadata",
    "connect_timeout",
    "request_timeout",
    "max_retries",
    "max_connections",
    "storage_class",
    "sse",
    "kms_key_id",
    "requester_pays",
];

const MAPPING: &[&str] = &[
    "access_key_id",
    "secret_access_key",
    "session_token",
    "profile",
    "credentials_file",
];

/// Parses and checks the options of a server.
///
/// 22023 for an unknown option or a bad value, 0A000 for `skip_tls_verify`.
pub fn parse_server(options: &[(String, String)]) -> Result<ServerOptions> {
    let location = options
        .iter()
        .find(|(name, _)| name == "location")
        .ok_or_else(|| {
            invalid("option \"location\" is missing")
                .hint("OPTIONS (location 's3://bucket/prefix'), or location 'file:///directory'")
        })?;
    let mut server = defaults(parse_location(&location.1)?);
    let mut path_style = None;
    for (name, value) in options {
        match name.as_str() {
            "location" => {}
            "region" => server.region = Some(word(name, value)?),
            "endpoint" => server.endpoint = Some(word(name, value)?),
            "path_style" => path_style = Some(boolean(name, value)?),
            "allow_http" => server.allow_http = boolean(name, value)?,
            "ca_file" => server.ca_file = Some(absolute(name, value)?),
            "skip_tls_verify" => refuse_unverified(boolean(name, value)?)?,
            "profile" => server.profile = Some(word(name, value)?),
            "credentials_file" => server.credentials_file = Some(absolute(name, value)?),
            "ambient_credentials" => server.ambient_credentials = Some(boolean(name, value)?),
            "instance_metadata" => server.instance_metadata = boolean(name, value)?,
            "connect_timeout" => server.connect_timeout = timeout(name, value)?,
            "request_timeout" => server.request_timeout = timeout(name, value)?,
            "max_retries" => server.max_retries = number(name, value, 0, 20)?,
            "max_connections" => server.max_connections = number(name, value, 1, 16)?,
            "storage_class" => server.storage_class = Some(storage_class(name, value)?),
            "sse" => server.sse = Some(encryption(name, value)?),
            "kms_key_id" => server.kms_key_id = Some(word(name, value)?),
            "requester_pays" => server.requester_pays = boolean(name, value)?,
            _ => return Err(unknown("server", name, SERVER)),
        }
    }
    check_endpoint(&server)?;
    if server.kms_key_id.is_some() && !matches!(server.sse.as_deref(), Some(s) if s != "AES256") {
        return Err(invalid("option \"kms_key_id\" needs sse 'aws:kms'"));
    }
    server.path_style = path_style.unwrap_or(server.endpoint.is_some());
    Ok(server)
}

/// Parses and checks the options of a user mapping. 22023 as above; values are never repeated.
pub fn parse_mapping(options: &[(String, String)]) -> Result<MappingOptions> {
    let mut mapping = MappingOptions::default();
    for (name, value) in options {
        match name.as_str() {
            "access_key_id" => mapping.access_key_id = Some(secret(name, value)?),
            "secret_access_key" => mapping.secret_access_key = Some(secret(name, value)?),
            "session_token" => mapping.session_token = Some(secret(name, value)?),
            "profile" => mapping.profile = Some(word(name, value)?),
            "credentials_file" => mapping.credentials_file = Some(absolute(name, value)?),
            _ => return Err(unknown("user mapping", name, MAPPING)),
        }
    }
    let keys = (&mapping.access_key_id, &mapping.secret_access_key);
    if keys.0.is_some() != keys.1.is_some() {
        return Err(invalid(
            "options \"access_key_id\" and \"secret_access_key\" go together",
        ));
    }
    if mapping.session_token.is_some() && keys.0.is_none() {
        return Err(invalid(
            "option \"session_token\" needs \"access_key_id\" and \"secret_access_key\"",
        ));
    }
    Ok(mapping)
}

impl ServerOptions {
    /// Whether credentials of the server process may be used.
    #[must_use]
    pub fn ambient(&self, owner_is_superuser: bool) -> bool {
        self.ambient_credentials.unwrap_or(owner_is_superuser)
    }

    /// What the role that sets these options must be allowed to do.
    #[must_use]
    pub fn rights(&self) -> Rights {
        let mut rights = Rights::default();
        // strata.cold_directory was chosen by a superuser, but who may use it is decided here
        if matches!(self.location, Location::Directory(_)) {
            rights.read_files.push("location");
            rights.write_files.push("location");
        }
        if self.ambient_credentials == Some(true) {
            rights.superuser.push("ambient_credentials");
        }
        if self.instance_metadata {
            rights.superuser.push("instance_metadata");
        }
        if self.ca_file.is_some() {
            rights.read_files.push("ca_file");
        }
        file_rights(&mut rights, &self.profile, &self.credentials_file);
        rights
    }
}

impl MappingOptions {
    /// What the role that sets these options must be allowed to do.
    #[must_use]
    pub fn rights(&self) -> Rights {
        let mut rights = Rights::default();
        file_rights(&mut rights, &self.profile, &self.credentials_file);
        rights
    }
}

fn file_rights(rights: &mut Rights, profile: &Option<String>, file: &Option<PathBuf>) {
    if profile.is_some() {
        rights.read_files.push("profile");
    }
    if file.is_some() {
        rights.read_files.push("credentials_file");
    }
}

fn defaults(location: Location) -> ServerOptions {
    ServerOptions {
        location,
        region: None,
        endpoint: None,
        path_style: false,
        allow_http: false,
        ca_file: None,
        profile: None,
        credentials_file: None,
        ambient_credentials: None,
        instance_metadata: false,
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(10),
        max_retries: 4,
        max_connections: 4,
        storage_class: None,
        sse: None,
        kms_key_id: None,
        requester_pays: false,
    }
}

/// `s3://bucket/prefix`, `file:///directory`, or `file:` for `strata.cold_directory`.
fn parse_location(text: &str) -> Result<Location> {
    let bad = |why: &str| {
        invalid(format!("option \"location\": {why}"))
            .hint("write 's3://bucket/prefix', 'file:///directory' or 'file:'")
    };
    if text.chars().any(char::is_control) {
        return Err(bad("a control character is not allowed"));
    }
    if text == "file:" {
        return Ok(Location::Directory(None));
    }
    if let Some(path) = text.strip_prefix("file://") {
        let path = path.trim_end_matches('/');
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(bad("the directory must be absolute and without \"..\""));
        }
        return Ok(Location::Directory(Some(path.into())));
    }
    let Some(rest) = text.strip_prefix("s3://") else {
        return Err(bad("the scheme must be s3 or file"));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(allowed) {
        return Err(bad(
            "a bucket name has 3 to 63 letters, digits, dots or dashes",
        ));
    }
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty()
        && prefix
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."))
    {
        return Err(bad("the prefix has an empty, \".\" or \"..\" part"));
    }
    Ok(Location::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

fn check_endpoint(server: &ServerOptions) -> Result<()> {
    let Some(endpoint) = &server.endpoint else {
        return Ok(());
    };
    let lower = endpoint.to_ascii_lowercase();
    let host = if let Some(host) = lower.strip_prefix("https://") {
        host
    } else if let Some(host) = lower.strip_prefix("http://") {
        if !server.allow_http {
            return Err(invalid(
                "option \"endpoint\" is plain http: keys would travel unprotected",
            )
            .hint("use https, or add the option allow_http 'true'"));
        }
        host
    } else {
        return Err(invalid(
            "option \"endpoint\" must begin with https:// or http://",
        ));
    };
    // user:password@ would end up in catalogs and messages
    if host.is_empty() || host.contains(['@', '?', '#']) {
        return Err(invalid("option \"endpoint\" must be a plain host and port"));
    }
    Ok(())
}

fn refuse_unverified(asked: bool) -> Result<()> {
    if !asked {
        return Ok(());
    }
    Err(Error::new(
        Kind::NotSupported,
        "option \"skip_tls_verify\" is not supported: certificates are always verified",
    )
    .hint("name the authority that signed the certificate: OPTIONS (ADD ca_file '/path/ca.pem')"))
}

#[cfg(test)]
#[path = "server_options_tests.rs"]
mod tests;
