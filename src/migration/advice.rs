//! `migrate_lint`: reads files, or a text, and has the rules of [`super::lint`] look at their statements.

use super::advice_source::{ReadDown, Source, changes, of_body, sources};
use super::ask::literal;
use super::ddl::names_in;
use super::known::Known;
use super::lint::{self, Down, FileDown, Finding, Located, Rule, Severity};
use super::lint_catalog::Catalog;
use super::namespace::{self, Namespace};
use super::version::Version;
use crate::error::{Error, Kind, Result};
use crate::pg::owner::as_extension_owner;
use crate::pg::{session, spi};
use std::collections::HashMap;

const PAGES: &str = "SELECT coalesce((settings->>'lint_pages')::int8, 128) FROM strata.migrate_ns WHERE namespace = $1";

/// A row of `migrate_lint`.
pub struct Row {
    pub version: Option<String>,
    /// `None`: of a text that is no file
    pub filename: Option<String>,
    pub finding: Finding,
}

/// The names of a search path, `$user` being whoever runs the files.
fn path_of(names: Vec<String>, user: &str) -> Vec<String> {
    let names = names.into_iter().map(|name| match name.as_str() {
        "$user" => user.to_owned(),
        _ => name,
    });
    names
        .filter(|n| n != "pg_catalog" && n != "pg_temp")
        .collect()
}

fn pages(namespace: &str) -> Result<u64> {
    let pages =
        as_extension_owner(|| spi::read_latest(PAGES, &[namespace.into()], |r| r.need::<i64>(1)))?;
    Ok(pages
        .first()
        .and_then(|n| u64::try_from(*n).ok())
        .unwrap_or(128))
}

/// What the rules say of these texts, in the order of the texts.
fn findings(
    sources: &[Source],
    namespace: Option<&Namespace>,
    lint_pages: u64,
) -> Result<Vec<Row>> {
    let user = match namespace.and_then(|n| n.role.clone()) {
        Some(role) => role,
        None => namespace::current_role()?,
    };
    let path = namespace.and_then(|n| n.search_path.clone());
    let path = path.or_else(|| session::setting("search_path"));
    let paths: HashMap<String, Vec<String>> = sources
        .iter()
        .filter_map(|s| Some((s.filename.clone(), path_of(s.path.clone()?, &user))))
        .collect();
    let path = path_of(names_in(&path.unwrap_or_default()), &user);
    let catalog = Catalog::new(path, paths)?;
    let mut located = Vec::new();
    for source in sources {
        for statement in &source.statements {
            let sql = source.text.get(statement.range.clone()).unwrap_or_default();
            for ddl in &statement.ddl {
                located.push(Located {
                    filename: &source.filename,
                    statement: statement.number,
                    line: statement.line,
                    sql: sql.trim_end(),
                    tag: &statement.tag,
                    outside: statement.outside,
                    ddl: ddl.clone(),
                });
            }
        }
    }
    let mut by_file: HashMap<String, Vec<Finding>> = HashMap::new();
    for finding in lint::lint(&located, &catalog, lint_pages) {
        let of_file = by_file.entry(finding.filename.clone()).or_default();
        of_file.push(finding);
    }
    catalog.end()?;
    for finding in downs(sources) {
        let of_file = by_file.entry(finding.filename.clone()).or_default();
        of_file.push(finding);
    }
    let mut rows = Vec::new();
    for source in sources.iter().filter(|s| s.shown) {
        let unread = source
            .stop
            .as_ref()
            .map(|(line, why)| not_parsed(*line, why));
        let told = by_file.remove(&source.filename).unwrap_or_default();
        rows.extend(unread.into_iter().chain(told).map(|finding| Row {
            version: source.version.as_ref().map(ToString::to_string),
            filename: Some(source.filename.clone()).filter(|f| !f.is_empty()),
            finding,
        }));
    }
    Ok(rows)
}

fn not_parsed(line: usize, why: &str) -> Finding {
    Finding {
        filename: String::new(),
        statement: None,
        line: Some(line),
        rule: Rule::NotParsed,
        severity: Severity::Error,
        object: None,
        est_rows: None,
        bytes: None,
        message: format!("the text does not parse: {why}"),
        suggestion: None,
    }
}

fn downs(sources: &[Source]) -> Vec<Finding> {
    let versions: Vec<(&Source, String)> = sources
        .iter()
        .filter_map(|s| Some((s, s.version.as_ref()?.to_string())))
        .collect();
    let files: Vec<FileDown<'_>> = versions
        .iter()
        .filter_map(|(source, version)| {
            Some(FileDown {
                filename: &source.filename,
                version,
                up_changes: changes(&source.statements),
                down: match source.down.as_ref()? {
                    ReadDown::Missing => Down::Missing,
                    ReadDown::Text { changes } => Down::Text { changes: *changes },
                    ReadDown::NotParsed(why) => Down::NotParsed(why),
                },
            })
        })
        .collect();
    lint::downs(&files)
}

/// Calls of ours with the namespace that they need.
fn with_namespace(suggestion: String, namespace: &str) -> String {
    if namespace == "default" {
        return suggestion;
    }
    let argument = format!("namespace => {}", literal(namespace));
    suggestion
        .replace("migrate_deploy()", &format!("migrate_deploy({argument})"))
        .replace("=> 'skip')", &format!("=> 'skip', {argument})"))
        .replace(") ORDER BY step", &format!(", {argument}) ORDER BY step"))
}

/// `migrate_lint`. 22023 for an unknown severity, and for both a version and a text; 42704 for an unknown version; a text
/// that does not parse is an error, a file is a finding.
pub fn rows(
    version: Option<&Version>,
    body: Option<&str>,
    least: &str,
    name: &str,
) -> Result<Vec<Row>> {
    let least = Severity::of(least).ok_or_else(|| {
        Error::new(
            Kind::InvalidParameter,
            format!("min_severity \"{least}\" is not known"),
        )
        .hint("Use 'info', 'warning' or 'error'.")
    })?;
    let found = namespace::find(name)?;
    if let Some(found) = &found {
        // texts are for those who may run them
        found.need_member()?;
    }
    let mut rows = match (version, body) {
        (Some(_), Some(_)) => {
            let text = "version and body cannot be given together";
            return Err(Error::new(Kind::InvalidParameter, text));
        }
        (None, Some(body)) => findings(&[of_body(body)?], found.as_ref(), pages(name)?)?,
        (version, None) => {
            let found = found.ok_or_else(|| namespace::unknown(name))?;
            let known = Known::of(found, None)?;
            let sources = sources(&known, version, name)?;
            findings(&sources, Some(&known.namespace), pages(name)?)?
        }
    };
    rows.retain(|r| r.finding.severity >= least);
    for row in &mut rows {
        let suggestion = row.finding.suggestion.take();
        row.finding.suggestion = suggestion.map(|s| with_namespace(s, name));
    }
    Ok(rows)
}
