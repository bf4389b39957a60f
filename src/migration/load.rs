//! Reading the files of a directory of the server.

use super::register::{self, OtherNames, Registered};
use crate::error::{Error, Kind, Result};
use crate::pg::session;
use pgrx::pg_sys;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Registers the regular files of `path` and of its folders, one level deep, whose names match `pattern`.
///
/// 42501 for whoever may not read files of the server, 22023 for a path that is not absolute, 58P01 and 58030 for what
/// cannot be read, 22021 for text that is not in the encoding of the database.
pub fn load(path: &str, pattern: &str, prune: bool, namespace: &str) -> Result<Vec<Registered>> {
    if !session::has_role(pg_sys::ROLE_PG_READ_SERVER_FILES) && !session::is_superuser() {
        return Err(Error::new(
            Kind::InsufficientPrivilege,
            format!("permission denied to read directory \"{path}\" of the server"),
        )
        .detail("This needs the privileges of role pg_read_server_files.")
        .hint("strata.migrate_register(filename, body) takes the text from the client."));
    }
    let root = Path::new(path);
    if !root.is_absolute() {
        return Err(Error::new(
            Kind::InvalidParameter,
            format!("the path \"{path}\" must be absolute"),
        ));
    }
    let mut files = Vec::new();
    for entry in entries(root)? {
        if entry.is_dir() {
            files.extend(entries(&entry)?.into_iter().filter(|e| e.is_file()));
        } else if entry.is_file() {
            files.push(entry);
        }
    }
    let mut given = Vec::new();
    for file in &files {
        let name = relative(root, file)?;
        let last = name.rsplit('/').next().unwrap_or_default();
        if matches(pattern, last) {
            given.push((name, read(file)?));
        }
    }
    let given: Vec<register::Given<'_>> = given
        .iter()
        .map(|(filename, body)| register::Given { filename, body })
        .collect();
    register::register(namespace, &given, prune, OtherNames::PassOver)
}

/// The name below the directory, as on every system. 22021 for one that is no text of the database.
fn relative(root: &Path, file: &Path) -> Result<String> {
    let below = file.strip_prefix(root).unwrap_or(file);
    let parts = below.iter().map(|part| {
        session::text_of_database(part.as_bytes().to_vec()).map_err(|at| {
            let text = format!(
                "the name of file \"{}\" is not in the encoding of the database: byte {at}",
                shown(file)
            );
            Error::new(Kind::BadEncoding, text).detail(ASCII_ELSEWHERE)
        })
    });
    Ok(parts.collect::<Result<Vec<_>>>()?.join("/"))
}

/// As errors name it: in ASCII where other characters cannot be said.
fn shown(path: &Path) -> String {
    let path = path.to_string_lossy();
    match session::has_other_texts() {
        true => path.escape_default().to_string(),
        false => path.into_owned(),
    }
}

/// As the server says it, without the number.
fn said(e: &std::io::Error) -> String {
    let text = e.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_owned()
}

/// What is in a directory, by name.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: &std::io::Error| {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => Kind::FileMissing,
            std::io::ErrorKind::PermissionDenied => Kind::InsufficientPrivilege,
            _ => Kind::Io,
        };
        let path = shown(path);
        Error::new(
            kind,
            format!("could not read directory \"{path}\": {}", said(e)),
        )
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|e| failed(&e))? {
        found.push(entry.map_err(|e| failed(&e))?.path());
    }
    found.sort();
    Ok(found)
}

const ASCII_ELSEWHERE: &str =
    "In a database of another encoding than UTF8, migrations hold ASCII characters only.";
/// A text longer than this the server does not take, in bytes.
const LONGEST: u64 = 1 << 30;

fn read(file: &Path) -> Result<String> {
    let name = shown(file);
    let failed = |e: std::io::Error| {
        Error::new(
            Kind::Io,
            format!("could not read file \"{name}\": {}", said(&e)),
        )
    };
    let length = fs::metadata(file).map_err(failed)?.len();
    if length >= LONGEST {
        return Err(Error::new(
            Kind::LimitExceeded,
            format!("file \"{name}\" has {length} bytes, more than 1 GB"),
        ));
    }
    let bytes = fs::read(file).map_err(failed)?;
    session::text_of_database(bytes).map_err(|at| {
        Error::new(
            Kind::BadEncoding,
            format!("file \"{name}\" is not in the encoding of the database: byte {at}"),
        )
        .detail(ASCII_ELSEWHERE)
    })
}

/// A name against a pattern of the shell: `*` and `?`, all else stands for itself.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // behind the last star, and how much of the name it has taken
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match (pattern.get(p), star) {
            (Some('*'), _) => {
                star = Some((p + 1, n));
                p += 1;
            }
            (Some(c), _) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            (_, Some((behind, taken))) => {
                star = Some((behind, taken + 1));
                p = behind;
                n = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_those_of_the_shell() {
        for (pattern, name, fits) in [
            ("*.sql", "a.sql", true),
            ("*.sql", ".sql", true),
            ("*.sql", "a.sql.bak", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("0*_?.up.sql", "0001_x.up.sql", true),
            ("0*_?.up.sql", "0001_xy.up.sql", false),
            ("*a*b", "xaxxb", true),
            ("*a*b", "xaxxbc", false),
            ("é?", "éü", true),
            ("[a]", "a", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
