//! Namespaces and files, apart from registering: configuring, forgetting, reading texts back.

use super::ask;
use super::known::Known;
use super::namespace::{self, Namespace};
use super::set::{Direction, FileKind, Set};
use super::style::Style;
use super::version::Version;
use super::{catalog, deferred_known, locks, name, text};
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};
use pgrx::JsonB;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The files of a JSON object; 22023 for anything but texts by their names.
pub fn files_of(files: &[u8]) -> Result<BTreeMap<String, String>> {
    let bad = |what: String| {
        Error::new(Kind::InvalidParameter, what)
            .hint("files => '{\"000001_x.up.sql\": \"CREATE TABLE ...\"}'")
    };
    let text = String::from_utf8_lossy(files);
    let read = serde_json::from_str(&text);
    let files = read.map_err(|e| Error::new(Kind::InvalidParameter, e.to_string()))?;
    let Value::Object(files) = files else {
        return Err(bad("files must be a JSON object".to_owned()));
    };
    if let Cow::Owned(_) = text {
        let texts = files
            .iter()
            .filter_map(|(name, body)| Some((name, body.as_str()?)));
        let wrong = |(name, body): (&String, &str)| {
            let at = body.find(char::REPLACEMENT_CHARACTER);
            at.map(|at| not_text(name, at))
        };
        let named = texts.filter_map(wrong).next();
        return Err(named.unwrap_or_else(|| not_text("", 0)));
    }
    files
        .into_iter()
        .map(|(name, body)| match body {
            Value::String(body) => Ok((name, body)),
            _ => Err(bad(format!("the text of file \"{name}\" must be a string"))),
        })
        .collect()
}

/// The text of a file, which is given as the database has it.
pub fn body_of<'a>(filename: &str, body: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(body).map_err(|e| not_text(filename, e.valid_up_to()))
}

/// 22021 for a text that is in the encoding of its database, and of no use.
fn not_text(filename: &str, at: usize) -> Error {
    Error::new(
        Kind::BadEncoding,
        format!("file \"{filename}\" is not in UTF-8: byte {at}"),
    )
    .detail("In a database of another encoding, migrations hold ASCII characters only.")
    .hint("U&'\\00e9' writes a character by its number.")
}

/// A version as an argument; 22023 for what is none.
pub fn version(text: &str) -> Result<Version> {
    Version::parse(text).ok_or_else(|| {
        not_a_version(text).hint("A version is a number, such as 38, 000038 or 1.2.")
    })
}

fn not_a_version(text: &str) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("\"{text}\" is not a version"),
    )
}

/// 42704 for a version that is not known.
fn unknown(version: &str, namespace: &str) -> Error {
    Error::new(
        Kind::UndefinedObject,
        format!("version \"{version}\" is not known in namespace \"{namespace}\""),
    )
    .hint(ask::command(
        namespace,
        "SELECT * FROM strata.migrate_status",
        &[],
    ))
}

const APPLIED_ANYWHERE: &str = "SELECT EXISTS (SELECT FROM strata.migrate_applied \
    WHERE namespace = $1 AND kind = $2 AND version = $3 AND ($3 <> '' OR name = $4))";

/// Whether a file is meant: by its version, or one without by its label (`R__views`) or file name.
fn is_meant(stored: &catalog::Stored, text: &str, version: Option<&Version>) -> bool {
    let key = &stored.file.key;
    if version.is_some() || key.version.is_some() {
        return version.is_some() && key.version.as_ref() == version;
    }
    let filename = stored.up_filename.as_deref().unwrap_or_default();
    [&key.label(), filename, filename.trim_end_matches(".sql")].contains(&text)
}

/// Forgets the files of a version, or a repeatable or hook; false if there is none. 55000 for an applied one.
pub fn unregister(text: &str, namespace: &str) -> Result<bool> {
    let version = Version::parse(text);
    locks::whole(namespace)?;
    namespace::of_member(namespace)?;
    let mut found = false;
    for stored in catalog::files(namespace)? {
        let key = &stored.file.key;
        if text.is_empty() || !is_meant(&stored, text, version.as_ref()) {
            continue;
        }
        let args = [
            namespace.into(),
            key.kind.name().into(),
            key.version.as_ref().map_or("", Version::as_str).into(),
            key.name.as_str().into(),
        ];
        let applied = as_extension_owner(|| {
            spi::read_latest(APPLIED_ANYWHERE, &args, |r| r.need::<bool>(1))
        })?;
        if applied.first() == Some(&true) {
            let (what, hint) = match &version {
                Some(version) => (
                    format!("version \"{version}\""),
                    format!(
                        "{} takes it back; version {version} may be forgotten then.",
                        ask::command(
                            namespace,
                            "SELECT * FROM strata.migrate_down",
                            &["target => ..."]
                        )
                    ),
                ),
                None => (
                    key.line(),
                    "A set without it that is registered with prune => true marks it as missing."
                        .to_owned(),
                ),
            };
            return Err(Error::new(Kind::NotInState, format!("{what} is applied")).hint(hint));
        }
        catalog::drop_file(namespace, key)?;
        found = true;
    }
    // the name of a file that may be
    let file = format!("{}.sql", text.trim_end_matches(".sql"));
    match (found, version) {
        (false, None) if name::parse(&file, Style::Auto).is_none() => Err(not_a_version(text)
            .hint("A version is a number, such as 38 or 1.2; a repeatable is R__name, a hook its file name.")),
        _ => Ok(found),
    }
}

/// The text of one direction; `None` if there is none. `as_applied`: as it ran, where it has run.
pub fn source(
    text_of: &str,
    direction: &str,
    as_applied: bool,
    namespace: &str,
) -> Result<Option<String>> {
    let direction = Direction::of(direction).ok_or_else(|| {
        Error::new(
            Kind::InvalidParameter,
            format!("direction \"{direction}\" is not known"),
        )
        .hint("Use 'up' or 'down'.")
    })?;
    let version = version(text_of)?;
    let found = namespace::find(namespace)?.ok_or_else(|| namespace::unknown(namespace))?;
    found.need_member()?;
    let known = Known::of(found, None)?;
    let set = Set::new(&known.files, &known.applied);
    if !set.knows(&version) {
        return Err(unknown(text_of, namespace));
    }
    let of = |kind: FileKind| matches!(kind, FileKind::Versioned | FileKind::Baseline);
    let file = known
        .files
        .iter()
        .find(|f| of(f.key.kind) && f.key.version.as_ref() == Some(&version));
    let row = known
        .applied
        .iter()
        .find(|r| of(r.key.kind) && r.key.version.as_ref() == Some(&version));
    let registered = file.map(|f| (f.up.map(|t| t.sha), f.down.map(|t| t.sha)));
    let ran = row.map(|r| (r.up.map(|t| t.sha), r.down_sha));
    let Some((up, down)) = ran.filter(|_| as_applied).or(registered).or(ran) else {
        return Ok(None);
    };
    let sha = match direction {
        Direction::Up => up,
        Direction::Down => down,
    };
    let Some(sha) = sha else { return Ok(None) };
    Ok(Some(text::script(&sha, direction)?.part().to_owned()))
}

/// What `migrate_configure` was given; `None` leaves a setting as it is, an empty text takes it away.
pub struct Configuration<'a> {
    pub owner: Option<&'a str>,
    pub role: Option<&'a str>,
    pub search_path: Option<&'a str>,
    pub style: Option<&'a str>,
    pub settings: Option<Value>,
}

const CONFIGURE: &str = "UPDATE strata.migrate_ns SET owner = coalesce($2::name, owner), \
    role = CASE WHEN $3 IS NULL THEN role ELSE nullif($3, '')::name END, \
    search_path = CASE WHEN $4 IS NULL THEN search_path ELSE nullif($4, '') END, \
    style = coalesce($5, style), settings = settings || coalesce($6, '{}') WHERE namespace = $1";
const ROLE: &str = "SELECT oid FROM pg_roles WHERE rolname = $1";

/// The setting exists and takes this value: as SET would say.
const SETTINGS: [&str; 2] = ["lint_pages", "keep_snapshots"];

/// Makes or changes a namespace.
pub fn configure(name: &str, given: &Configuration<'_>) -> Result<()> {
    locks::whole(name)?;
    let found = namespace::for_files(name)?;
    let style: Option<Style> = given.style.map(str::parse).transpose()?;
    for role in [given.owner, given.role].into_iter().flatten() {
        if !role.is_empty() {
            need_role(role)?;
        }
    }
    if given.owner == Some("") {
        return Err(Error::new(
            Kind::InvalidParameter,
            "a namespace must have an owner",
        ));
    }
    if let Some(settings) = &given.settings {
        check_settings(settings)?;
    }
    if found.mirror_tool.as_deref() == Some("golang-migrate")
        && style.is_some_and(|s| !matches!(s, Style::Auto | Style::GolangMigrate))
    {
        return Err(Error::new(
            Kind::NotInState,
            format!("namespace \"{name}\" mirrors golang-migrate, whose names its files must have"),
        )
        .hint(ask::command(name, "SELECT strata.migrate_unmirror", &[])));
    }
    let args = [
        name.into(),
        given.owner.into(),
        given.role.into(),
        given.search_path.into(),
        style.map(Style::name).into(),
        given.settings.clone().map(JsonB).into(),
    ];
    as_extension_owner(|| spi::execute_latest(CONFIGURE, &args))
}

/// 42704 for a role that does not exist, 42501 for one that the current user is no member of.
fn need_role(role: &str) -> Result<()> {
    let found = as_extension_owner(|| {
        spi::read_latest(ROLE, &[role.into()], |r| r.need::<pgrx::pg_sys::Oid>(1))
    })?;
    let Some(oid) = found.first() else {
        return Err(Error::new(
            Kind::UndefinedObject,
            format!("role \"{role}\" does not exist"),
        ));
    };
    match session::is_superuser() || session::has_role(oid.to_u32()) {
        true => Ok(()),
        false => Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("must be a member of role \"{role}\""),
        )),
    }
}

fn check_settings(settings: &Value) -> Result<()> {
    let bad = |what: String| {
        Error::new(Kind::InvalidParameter, what)
            .hint("settings => '{\"lint_pages\": 128, \"keep_snapshots\": 10}'")
    };
    let Value::Object(settings) = settings else {
        return Err(bad("settings must be a JSON object".to_owned()));
    };
    for (name, value) in settings {
        if !SETTINGS.contains(&name.as_str()) {
            return Err(bad(format!("setting \"{name}\" is not known")));
        }
        if value.as_u64().is_none_or(|n| n > 1_000_000_000) {
            return Err(bad(format!(
                "setting \"{name}\" must be a number of 0 or more"
            )));
        }
    }
    Ok(())
}

const NAMES: &str = "SELECT namespace FROM strata.migrate_ns ORDER BY namespace";

/// The namespaces that the current user may see, with the number of their files and the highest applied version.
pub fn namespaces() -> Result<Vec<(Namespace, i32, Option<String>)>> {
    let names: Vec<String> = as_extension_owner(|| spi::read_latest(NAMES, &[], |r| r.need(1)))?;
    let mut shown = Vec::new();
    for name in names {
        let Some(found) = namespace::find(&name)? else {
            continue;
        };
        if found.need_reader().is_err() {
            continue;
        }
        let known = Known::of(found, None)?;
        let head = Set::new(&known.files, &known.applied)
            .head()
            .map(ToString::to_string);
        let files = known.files.iter().filter(|f| f.present).count();
        let files = i32::try_from(files).unwrap_or(i32::MAX);
        shown.push((known.namespace, files, head));
    }
    Ok(shown)
}

const ANY_APPLIED: &str = "SELECT EXISTS (SELECT FROM strata.migrate_applied WHERE namespace = $1)";
const DROP: [&str; 6] = [
    "DELETE FROM strata.migrate_snap WHERE namespace = $1",
    "DELETE FROM strata.migrate_job WHERE namespace = $1",
    "DELETE FROM strata.migrate_applied WHERE namespace = $1",
    "DELETE FROM strata.migrate_file WHERE namespace = $1",
    "DELETE FROM strata.migrate_tag_name WHERE namespace = $1",
    "DELETE FROM strata.migrate_ns WHERE namespace = $1",
];

/// Forgets a namespace. 55000 when something is applied, unless `force`.
pub fn drop_namespace(name: &str, force: bool) -> Result<()> {
    locks::whole(name)?;
    namespace::of_member(name)?;
    let any = as_extension_owner(|| {
        spi::read_latest(ANY_APPLIED, &[name.into()], |r| r.need::<bool>(1))
    })?;
    if any.first() == Some(&true) && !force {
        return Err(Error::new(
            Kind::NotInState,
            format!("migrations of namespace \"{name}\" are applied"),
        )
        .detail("What they made stays; what is known of them would be gone.")
        .hint("force => true forgets it all the same."));
    }
    if !force {
        deferred_known::refuse_any(name)?;
    }
    as_extension_owner(|| {
        DROP.iter()
            .try_for_each(|sql| spi::execute_latest(sql, &[name.into()]))
    })
}
