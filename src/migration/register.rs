//! Registering files: names, sections, headers, hashes, and what the parser says; then one row for each version.

use super::catalog::{self, Facts, HeaderPair, Stored};
pub use super::given::{Given, OtherNames};
use super::header::Headers;
use super::inspect::Inspected;
use super::mark::Tool;
use super::name::{Direction, Name};
use super::name_set;
use super::namespace::{self, Namespace};
use super::regions::Regions;
use super::sections::{Section, Sections, refuse_template};
use super::set::{File, Hash, Key, Text};
use super::style::Style;
use super::text::Script;
use super::token::Strings;
use super::vars::Vars;
use super::{ask, checksum, given, locks};
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What became of one file; a row of `migrate_register`.
#[derive(Debug, Clone)]
pub struct Registered {
    pub version: String,
    pub name: String,
    pub kind: &'static str,
    pub direction: &'static str,
    pub change: &'static str,
    pub statements: i32,
    pub needs: Option<String>,
    pub warning: Option<String>,
}

/// One direction of a file that was read.
struct Side {
    text: Text,
    headers: Headers,
    inspected: Inspected,
}

struct Read<'a> {
    given: Given<'a>,
    name: Name,
    /// the style whose marks tell its up from its down
    marks: Option<Style>,
    up: Option<Side>,
    down: Option<Side>,
}

/// How strings are read where a file begins: as psql would, whatever the session of the caller has set.
pub const STRINGS: Strings = Strings::Standard;

/// Registers a set of files; all of them or none. With `prune` the others of the namespace are marked as missing.
pub fn register(
    namespace: &str,
    files: &[Given<'_>],
    prune: bool,
    other: OtherNames,
) -> Result<Vec<Registered>> {
    locks::whole(namespace)?;
    let namespace = namespace::for_files(namespace)?;
    let known = catalog::files(&namespace.name)?;
    let texts = given::texts(files, &known, &namespace, other)?;
    let mut read = Vec::with_capacity(texts.len());
    for (filename, name, body) in &texts {
        let given = Given { filename, body };
        read.push(look(given, name.clone(), namespace.style)?);
    }
    let names: Vec<(&str, &Name)> = read.iter().map(|r| (r.given.filename, &r.name)).collect();
    let orphans = name_set::check(&names, &namespace.name)?;
    let mut merging = Merging::new(&namespace, known);
    merging.refuse_taken(&read, prune)?;
    let by = namespace::current_role()?;
    let mut rows = Vec::with_capacity(read.len());
    for file in read {
        rows.push(merging.put(file)?);
    }
    for row in &mut rows {
        let said = orphans.iter().find(|o| o.version.as_str() == row.version);
        // the other half may have been registered before
        let whole = merging.is_whole(&row.version);
        if let Some(orphan) = said.filter(|_| !whole) {
            row.warning
                .get_or_insert_with(|| match orphan.hint(&merging.namespace.name) {
                    Some(hint) => format!("{}. {hint}", orphan.warning()),
                    None => orphan.warning(),
                });
        }
    }
    merging.store(&by, prune)?;
    Ok(rows)
}

/// Reads one file.
fn look<'a>(given: Given<'a>, mut name: Name, style: Style) -> Result<Read<'a>> {
    let body = given.body;
    let in_file = |e: Error| Error {
        message: format!("{}: {}", given.filename, e.message),
        ..e
    };
    let both = name.direction == Direction::Both;
    let mut sections = Sections::whole(body);
    if both || body.contains("{{") {
        let regions = Regions::of(body, STRINGS);
        refuse_template(body, |at| regions.at(at)).map_err(in_file)?;
        if both {
            sections = Sections::find(body, style, |at| regions.at(at)).map_err(in_file)?;
            name.direction = sections.direction();
        }
    }
    let (up, down) = Headers::of_sections(body, &sections).map_err(in_file)?;
    let marks = sections.tool.map(Tool::style);
    let sha = match marks {
        Some(marks) => checksum::marked_hash(body, marks.name()),
        None => checksum::content_hash(body),
    };
    let side = |section: &Section, mut headers: Headers| -> Result<Side> {
        headers.lateness = name.lateness;
        let script = Script {
            body: body.into(),
            section: section.range.clone(),
            headers,
        };
        let inspected = script.inspect(&Vars::new(), style)?;
        let headers = &script.headers.effective_text();
        Ok(Side {
            text: Text {
                sha,
                fingerprint: checksum::fingerprint(script.part(), headers),
            },
            inspected,
            headers: script.headers,
        })
    };
    let first = side(&sections.up, up)?;
    let second = sections.down.as_ref().zip(down);
    let second = second
        .map(|(section, headers)| side(section, headers))
        .transpose()?;
    let (up, down) = match name.direction {
        Direction::Down => (None, Some(first)),
        _ => (Some(first), second),
    };
    Ok(Read {
        given,
        name,
        marks,
        up,
        down,
    })
}

/// Registered files, and those that come to them.
struct Merging<'a> {
    namespace: &'a Namespace,
    files: BTreeMap<Key, Stored>,
    changed: BTreeSet<Key>,
    seen: BTreeSet<Key>,
    /// files of another name whose version a new one takes over
    replaced: Vec<Key>,
    bodies: BTreeMap<Hash, (String, Option<Style>)>,
}

impl<'a> Merging<'a> {
    fn new(namespace: &'a Namespace, files: Vec<Stored>) -> Merging<'a> {
        Merging {
            namespace,
            files: files.into_iter().map(|f| (f.file.key.clone(), f)).collect(),
            changed: BTreeSet::new(),
            seen: BTreeSet::new(),
            replaced: Vec::new(),
            bodies: BTreeMap::new(),
        }
    }

    /// 42710 for a version that a registered file of another name has, unless the set replaces all files.
    fn refuse_taken(&mut self, read: &[Read<'_>], prune: bool) -> Result<()> {
        for file in read {
            let key = key(&file.name);
            let Some(version) = &key.version else {
                continue;
            };
            let taken = self.files.values().find(|s| {
                let other = &s.file.key;
                other.kind == key.kind && other.version.as_ref() == Some(version) && *other != key
            });
            let Some(taken) = taken else { continue };
            if prune || !taken.file.present {
                self.replaced.push(taken.file.key.clone());
                continue;
            }
            let other = taken.up_filename.as_ref().or(taken.down_filename.as_ref());
            let other = other.map_or("", String::as_str);
            return Err(Error::new(
                Kind::DuplicateObject,
                format!(
                    "two files claim version {version}: \"{other}\" and \"{}\"",
                    file.given.filename
                ),
            )
            .detail("The first of them is registered already.")
            .hint(format!(
                "SELECT strata.migrate_unregister({}, namespace => {})",
                ask::literal(&version.to_string()),
                ask::literal(&self.namespace.name)
            )));
        }
        Ok(())
    }

    fn put(&mut self, read: Read<'_>) -> Result<Registered> {
        let key = key(&read.name);
        let sides = [&read.up, &read.down];
        let statements = sides
            .iter()
            .filter_map(|s| s.as_ref())
            .map(|s| s.inspected.statements);
        let first = |of: fn(&Inspected) -> Option<String>| {
            sides
                .iter()
                .filter_map(|s| s.as_ref())
                .find_map(|s| of(&s.inspected))
        };
        let row = Registered {
            version: key
                .version
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            name: key.name.clone(),
            kind: key.kind.name(),
            direction: read.name.direction.name(),
            change: "unchanged",
            statements: statements.sum(),
            needs: first(|i| i.needs().map(str::to_owned)),
            warning: first(|i| i.error.clone().or_else(|| i.refused.clone())),
        };
        let known = self.files.get(&key);
        let mut stored = known.cloned().unwrap_or_else(|| Stored {
            file: File {
                key: key.clone(),
                up: None,
                down: None,
                present: true,
                lateness: read.name.lateness,
                requires: Vec::new(),
                up_error: None,
                down_error: None,
            },
            up_filename: None,
            down_filename: None,
            written_version: None,
            headers: HeaderPair::default(),
            facts: Facts::default(),
        });
        let before = (stored.file.up, stored.file.down, stored.file.present);
        let sha = sides.iter().find_map(|s| s.as_ref()).map(|s| s.text.sha);
        if let Some(sha) = sha {
            let body = (read.given.body.to_owned(), read.marks);
            self.bodies.insert(sha, body);
        }
        let filename = Some(read.given.filename.to_owned());
        if let Some(up) = read.up {
            stored.file.up = Some(up.text);
            stored.up_filename.clone_from(&filename);
            stored.headers.up = up.headers;
            stored.facts.up = Some(up.inspected);
        }
        // its other half stood in the same file, and does not any more
        if read.down.is_none() && stored.down_filename == filename {
            stored.file.down = None;
            stored.down_filename = None;
            stored.facts.down = None;
        }
        if let Some(down) = read.down {
            stored.file.down = Some(down.text);
            stored.down_filename = filename;
            stored.headers.down = down.headers;
            stored.facts.down = Some(down.inspected);
        }
        stored.file.present = true;
        let change = change(known.is_some(), before, &stored.file);
        if change != "unchanged" {
            self.changed.insert(key.clone());
        }
        self.seen.insert(key.clone());
        self.files.insert(key, stored);
        Ok(Registered { change, ..row })
    }

    /// True for a version that has an up.
    fn is_whole(&self, version: &str) -> bool {
        let of = |s: &&Stored| {
            s.file
                .key
                .version
                .as_ref()
                .is_some_and(|v| v.as_str() == version)
        };
        self.files.values().filter(of).any(|s| s.file.up.is_some())
    }

    fn store(&self, by: &str, prune: bool) -> Result<()> {
        let namespace = &self.namespace.name;
        for key in &self.replaced {
            catalog::drop_file(namespace, key)?;
        }
        for (sha, (body, marks)) in &self.bodies {
            catalog::put_body(sha, body, *marks)?;
        }
        for key in &self.changed {
            if let Some(stored) = self.files.get(key) {
                catalog::put_file(namespace, stored, by)?;
            }
        }
        if prune {
            let gone = self.files.values().map(|s| &s.file).filter(|f| f.present);
            let gone =
                gone.filter(|f| !self.seen.contains(&f.key) && !self.replaced.contains(&f.key));
            gone.map(|f| &f.key)
                .try_for_each(|key| catalog::mark_missing(namespace, key))?;
        }
        Ok(())
    }
}

fn key(name: &Name) -> Key {
    Key {
        kind: name.kind,
        version: name.version.clone(),
        name: name.title.clone(),
    }
}

type Halves = (Option<Text>, Option<Text>, bool);

/// The word for what became of a file.
fn change(known: bool, before: Halves, now: &File) -> &'static str {
    let same = |a: Option<Text>, b: Option<Text>| a.map(|t| t.sha) == b.map(|t| t.sha);
    let alike =
        |a: Option<Text>, b: Option<Text>| a.map(|t| t.fingerprint) == b.map(|t| t.fingerprint);
    match before {
        _ if !known => "new",
        (up, down, true) if same(up, now.up) && same(down, now.down) => "unchanged",
        (up, down, false) if same(up, now.up) && same(down, now.down) => "back",
        (None, _, _) if now.up.is_some() => "added",
        (_, None, _) if now.down.is_some() => "added",
        (up, down, _) if alike(up, now.up) && alike(down, now.down) => "cosmetic",
        _ => "changed",
    }
}
