//! The files of a set as they are given: which of them are migrations, and their texts with what they include.

use super::catalog::{self, Stored};
use super::include::Includer;
use super::name::{self, Name};
use super::namespace::Namespace;
use super::server;
use crate::error::{Error, Kind, Result};
use crate::pg::latch;
use std::borrow::Cow;

/// A file of a set.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub filename: &'a str,
    pub body: &'a str,
}

/// What to do with files whose names are none of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherNames {
    Refuse,
    PassOver,
}

/// A migration of a set, with its name as it was read, and its whole text.
pub type Whole<'a> = (&'a str, Name, Cow<'a, str>);

/// The migrations of a set. Files that they include need not be migrations themselves.
pub fn texts<'a>(
    files: &'a [Given<'_>],
    known: &[Stored],
    namespace: &Namespace,
    other: OtherNames,
) -> Result<Vec<Whole<'a>>> {
    let find = |filename: &str| {
        latch::check_interrupts();
        text_of(filename, files, known)
    };
    let mut includer = Includer::new(find);
    let mut texts = Vec::with_capacity(files.len());
    let mut others = Vec::new();
    for given in files {
        let Some(name) = name::parse(given.filename, namespace.style) else {
            others.push(given.filename);
            continue;
        };
        let whole = includer.whole(given.filename, given.body)?;
        texts.push((given.filename, name, whole));
    }
    let used = includer.used();
    for filename in others.into_iter().filter(|other| !used.contains(*other)) {
        if other == OtherNames::Refuse {
            return Err(no_migration(filename, namespace));
        }
        server::tell(&format!(
            "\"{filename}\" is not the name of a migration, and was passed over"
        ));
    }
    Ok(texts)
}

/// The text of a file that another one includes: as it is given now, else as it is registered.
fn text_of<'a>(
    filename: &str,
    files: &'a [Given<'_>],
    known: &[Stored],
) -> Result<Option<Cow<'a, str>>> {
    if let Some(given) = files.iter().find(|f| f.filename == filename) {
        return Ok(Some(Cow::Borrowed(given.body)));
    }
    let is = |name: &Option<String>| name.as_deref() == Some(filename);
    let registered = known.iter().filter(|s| s.file.present).find_map(|s| {
        let up = s.file.up.filter(|_| is(&s.up_filename));
        up.or(s.file.down.filter(|_| is(&s.down_filename)))
    });
    let body = registered
        .map(|text| catalog::body(&text.sha))
        .transpose()?;
    Ok(body.map(|(text, _)| Cow::Owned(text)))
}

fn no_migration(filename: &str, namespace: &Namespace) -> Error {
    Error::new(
        Kind::InvalidParameter,
        format!("\"{filename}\" is not the name of a migration"),
    )
    .detail(format!(
        "Files of namespace \"{}\" are named in style {}.",
        namespace.name,
        namespace.style.name()
    ))
    .hint("Name it like 000001_title.up.sql, 000001_title.down.sql or V1__title.sql.")
}
