//! Two lists of the objects of a schema, compared.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;

/// One object, as `strata._migrate_objects` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    #[serde(rename = "k")]
    pub kind: String,
    #[serde(rename = "i")]
    pub identity: String,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// what counts as a note only
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub side: Option<String>,
}

impl Object {
    fn key(&self) -> (&str, &str) {
        (&self.kind, &self.identity)
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Removed,
    Changed,
}

impl Change {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Changed => "changed",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub change: Change,
    pub kind: String,
    pub object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// What differs in definitions, and in what counts as a note only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    pub real: Vec<Difference>,
    pub notes: Vec<Difference>,
}

/// Compares two lists, each in the order of kind and identity, byte by byte.
#[must_use]
pub fn compare(expected: &[Object], found: &[Object]) -> Differences {
    let mut out = Differences::default();
    let (mut e, mut f) = (expected.iter().peekable(), found.iter().peekable());
    loop {
        let order = match (e.peek(), f.peek()) {
            (None, None) => return out,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.key().cmp(&b.key()),
        };
        let was = if order.is_le() { e.next() } else { None };
        let is = if order.is_ge() { f.next() } else { None };
        let Some(one) = was.or(is) else { return out };
        let difference = |change, expected: Option<&String>, found: Option<&String>| Difference {
            change,
            kind: one.kind.clone(),
            object: one.identity.clone(),
            expected: expected.cloned(),
            found: found.cloned(),
        };
        match (was, is) {
            (Some(was), None) => {
                let lost = difference(Change::Removed, was.definition.as_ref(), None);
                out.real.push(lost);
            }
            (None, Some(is)) => {
                let new = difference(Change::Added, None, is.definition.as_ref());
                out.real.push(new);
            }
            (Some(was), Some(is)) if was.definition != is.definition => {
                let (was, is) = (was.definition.as_ref(), is.definition.as_ref());
                out.real.push(difference(Change::Changed, was, is));
            }
            (Some(was), Some(is)) if was.side != is.side => {
                let (was, is) = (was.side.as_ref(), is.side.as_ref());
                out.notes.push(difference(Change::Changed, was, is));
            }
            _ => {}
        }
    }
}

/// SHA-256 of the definitions, in hex: equal where nothing but notes differs.
#[must_use]
pub fn fingerprint(objects: &[Object]) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        // with its length: no two lists run into the same bytes
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for object in objects {
        part(&object.kind);
        part(&object.identity);
        match &object.definition {
            Some(definition) => {
                part("1");
                part(definition);
            }
            None => part("0"),
        }
    }
    super::checksum::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(identity: &str, definition: Option<&str>, side: Option<&str>) -> Object {
        Object {
            kind: "table".to_owned(),
            identity: identity.to_owned(),
            definition: definition.map(str::to_owned),
            side: side.map(str::to_owned),
        }
    }

    #[test]
    fn each_difference_is_told_once() {
        let before = [
            object("a", Some("1"), None),
            object("b", Some("1"), Some("x")),
            object("c", Some("1"), None),
            object("d", None, None),
        ];
        let after = [
            object("b", Some("1"), Some("y")),
            object("c", Some("2"), None),
            object("d", None, None),
            object("e", Some("1"), None),
        ];
        let found = compare(&before, &after);
        let told: Vec<_> = found
            .real
            .iter()
            .map(|d| (d.change.word(), d.object.as_str()))
            .collect();
        assert_eq!(told, [("removed", "a"), ("changed", "c"), ("added", "e")]);
        assert_eq!(found.real[1].expected.as_deref(), Some("1"));
        assert_eq!(found.real[1].found.as_deref(), Some("2"));
        assert_eq!(found.notes.len(), 1);
        assert_eq!(found.notes[0].object, "b");
        assert_eq!(compare(&before, &before), Differences::default());
    }

    #[test]
    fn fingerprints_differ_where_definitions_do() {
        let one = |i, d, s| fingerprint(&[object(i, d, s)]);
        let base = one("a", Some("b"), None);
        assert_eq!(base.len(), 64);
        assert_eq!(base, one("a", Some("b"), Some("owner")));
        assert_ne!(base, one("a", Some("c"), None));
        assert_ne!(base, one("ab", Some(""), None));
        assert_ne!(one("a", Some(""), None), one("a", None, None));
        assert_ne!(base, fingerprint(&[]));
    }
}
