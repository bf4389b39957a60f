//! What one statement did to relations that were there before: from locks and rows of pg_class, before and after it.

use std::collections::{BTreeMap, BTreeSet};

/// Modes of locks, the weakest first (lockdefs.h); a mode is known by its place, from 1.
const MODES: [&str; 8] = [
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
];
const ROW_EXCLUSIVE: u8 = 3;

/// The mode of a name of pg_locks; 0 for one that is not known.
#[must_use]
pub fn mode(name: &str) -> u8 {
    let at = MODES.iter().position(|m| *m == name);
    at.and_then(|n| u8::try_from(n + 1).ok()).unwrap_or(0)
}

/// The name of a mode.
#[must_use]
pub fn mode_name(mode: u8) -> Option<&'static str> {
    let at = usize::from(mode).checked_sub(1)?;
    MODES.get(at).copied()
}

/// The strongest mode that is held of each relation.
pub type Held = BTreeMap<u32, u8>;

/// A relation as pg_class has it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub schema: String,
    /// with its schema, quoted where that is needed
    pub name: String,
    /// as pg_class.relkind
    pub kind: char,
    pub temporary: bool,
    /// changes when its rows are written anew; 0: it has none
    pub file: u32,
    /// estimated; `None`: not known
    pub rows: Option<i64>,
    /// with indexes and TOAST; `None`: it has no rows of its own
    pub bytes: Option<i64>,
    /// of an index: its table
    pub table: Option<u32>,
}

/// Relations by their numbers.
pub type Relations = BTreeMap<u32, Relation>;

/// What a statement did, as far as its locks tell: whatever it wrote anew or dropped, it has locked.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub held_before: Held,
    pub held: Held,
    /// those that are locked, as they were before it
    pub before: Relations,
    /// the same as they are now
    pub now: Relations,
    /// of the one that the statement names, with indexes and TOAST, before it ran
    pub size: Option<(u32, i64)>,
}

/// What is said of one relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub object: String,
    /// the strongest lock that the statement took, where none as strong was held before
    pub mode: u8,
    /// relations whose rows were written anew: the table and its indexes
    pub rewrites: Vec<String>,
    pub rows: Option<i64>,
    pub bytes: Option<i64>,
    pub note: Option<String>,
}

/// Those that were not there before; an index that was made again, for a column of another type, was.
pub fn made(change: &Change) -> impl Iterator<Item = u32> + '_ {
    let new = |(oid, now): &(&u32, &Relation)| {
        !change.before.contains_key(*oid) && twin(&change.before, now).is_none()
    };
    change.now.iter().filter(new).map(|(oid, _)| *oid)
}

/// An index of the same name and table.
fn twin<'a>(all: &'a Relations, index: &Relation) -> Option<&'a Relation> {
    let same = |r: &&Relation| r.table.is_some() && r.table == index.table && r.name == index.name;
    all.values().find(same)
}

/// A relation of before, as it is now.
fn now(change: &Change, oid: u32) -> Option<&Relation> {
    let before = change.before.get(&oid)?;
    change.now.get(&oid).or_else(|| twin(&change.now, before))
}

/// One for each table, view and sequence that the statement locked, wrote anew or built an index of, the strongest lock
/// first. `own`: made by an earlier statement, so that nobody else knows of them. Indexes and TOAST belong to their table;
/// an index is told apart where its lock is the stronger one. `rewriting`: whether a new file means that rows were written.
#[must_use]
pub fn found(change: &Change, own: &BTreeSet<u32>, rewriting: bool) -> Vec<Found> {
    let mut all: Vec<Found> = groups(change, own)
        .iter()
        .flat_map(|(table, members)| of_group(change, *table, members, rewriting))
        .collect();
    all.sort_by(|a, b| b.mode.cmp(&a.mode).then_with(|| a.object.cmp(&b.object)));
    all
}

/// The same of the relation that a statement names, where nothing is found: its lock was held before.
#[must_use]
pub fn named(change: &Change, own: &BTreeSet<u32>, oid: Option<u32>) -> Option<Found> {
    let oid = oid.filter(|oid| !own.contains(oid) && change.held.contains_key(oid))?;
    let relation = change.before.get(&oid).filter(|r| !r.temporary)?;
    Some(described(change, oid, relation, 0, Vec::new(), Vec::new()))
}

/// Tables, each with the relations that belong to it and that the statement touched.
fn groups(change: &Change, own: &BTreeSet<u32>) -> BTreeMap<u32, Vec<u32>> {
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (oid, relation) in &change.before {
        let table = table_of(change, *oid, relation);
        let ours = relation.temporary || relation.schema == "strata";
        if ours || own.contains(oid) || own.contains(&table) || !is_touched(change, *oid) {
            continue;
        }
        groups.entry(table).or_default().push(*oid);
    }
    for oid in made(change) {
        // a new index of a table that was there
        let table = change.now.get(&oid).and_then(|r| r.table);
        if let Some(table) = table.filter(|t| change.before.contains_key(t) && !own.contains(t)) {
            groups.entry(table).or_default();
        }
    }
    groups
}

fn table_of(change: &Change, oid: u32, relation: &Relation) -> u32 {
    let table = relation.table.unwrap_or(oid);
    let name = change.before.get(&table).map_or("", |r| r.name.as_str());
    // the name of a TOAST table says whose it is (toasting.c)
    let digits = name
        .strip_prefix("pg_toast.pg_toast_")
        .map(|rest| rest.trim_end_matches(|c: char| !c.is_ascii_digit()));
    digits.and_then(|d| d.parse().ok()).unwrap_or(table)
}

fn new_mode(change: &Change, oid: u32) -> u8 {
    let now = change.held.get(&oid).copied().unwrap_or(0);
    let before = change.held_before.get(&oid).copied().unwrap_or(0);
    if now > before { now } else { 0 }
}

fn is_rewritten(change: &Change, oid: u32) -> bool {
    match (change.before.get(&oid), now(change, oid)) {
        (Some(before), Some(now)) => {
            matches!(before.kind, 'r' | 'm' | 't' | 'i') && before.file != now.file
        }
        _ => false,
    }
}

fn is_touched(change: &Change, oid: u32) -> bool {
    let mode = new_mode(change, oid);
    let is_sequence = change.before.get(&oid).is_some_and(|r| r.kind == 'S');
    // whoever draws a number holds up nobody
    let least = if is_sequence { ROW_EXCLUSIVE } else { 0 };
    mode > least || is_rewritten(change, oid) || now(change, oid).is_none()
}

fn of_group(change: &Change, table: u32, members: &[u32], rewriting: bool) -> Vec<Found> {
    let is_toast = |r: &Relation| r.schema == "pg_toast";
    let mut rewrites: Vec<(u32, &Relation)> = members
        .iter()
        .filter(|oid| rewriting && is_rewritten(change, **oid))
        .filter_map(|oid| Some((*oid, change.before.get(oid)?)))
        .collect();
    if rewrites.iter().any(|(oid, _)| *oid == table) {
        // it goes with its table
        rewrites.retain(|(_, r)| !is_toast(r));
    }
    // the table, then its indexes by their names
    rewrites.sort_by_key(|(oid, r)| (*oid != table, r.name.clone()));
    let mut rewrites: Vec<String> = rewrites.iter().map(|(_, r)| r.name.clone()).collect();

    let held = change.held.get(&table).copied().unwrap_or(0);
    let mode = new_mode(change, table);
    let mut found = Vec::new();
    let notes = notes(change, table, rewriting);
    if let Some(relation) = change.before.get(&table)
        && (mode > 0 || !rewrites.is_empty() || !notes.is_empty() || now(change, table).is_none())
    {
        let rewrites = std::mem::take(&mut rewrites);
        found.push(described(change, table, relation, mode, rewrites, notes));
    }
    for oid in members.iter().copied().filter(|oid| *oid != table) {
        let Some(relation) = change.before.get(&oid).filter(|r| !is_toast(r)) else {
            continue;
        };
        let mode = new_mode(change, oid);
        if mode > held {
            let rewrites = std::mem::take(&mut rewrites);
            found.push(described(change, oid, relation, mode, rewrites, Vec::new()));
        }
    }
    found
}

fn described(
    change: &Change,
    oid: u32,
    relation: &Relation,
    mode: u8,
    rewrites: Vec<String>,
    mut notes: Vec<String>,
) -> Found {
    let now = now(change, oid);
    if now.is_none() {
        let again = |r: &&Relation| r.table.is_none() && r.name == relation.name;
        notes.insert(
            0,
            match change.now.values().find(again) {
                Some(_) => "made anew under its name".to_owned(),
                None => "dropped".to_owned(),
            },
        );
    }
    if mode == 0 {
        let held = change.held.get(&oid).and_then(|m| mode_name(*m));
        notes.extend(held.map(|held| format!("an earlier statement took {held}")));
    }
    Found {
        object: relation.name.clone(),
        mode,
        rewrites,
        rows: relation.rows.or(now.and_then(|r| r.rows)),
        bytes: relation.bytes.max(now.and_then(|r| r.bytes)).max(
            change
                .size
                .filter(|(of, _)| *of == oid)
                .map(|(_, bytes)| bytes),
        ),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    }
}

/// Indexes that came and went, and rows that went at once.
fn notes(change: &Change, table: u32, rewriting: bool) -> Vec<String> {
    let indexes = |from: &Relations, to: &Relations| {
        let of = |(oid, r): &(&u32, &Relation)| {
            r.table == Some(table) && !to.contains_key(*oid) && twin(to, r).is_none()
        };
        let names = from.iter().filter(of).map(|(_, r)| r.name.clone());
        names.collect::<Vec<_>>().join(", ")
    };
    let mut notes = Vec::new();
    let built = indexes(&change.now, &change.before);
    if !built.is_empty() {
        notes.push(format!("builds index {built}"));
    }
    let gone = indexes(&change.before, &change.now);
    if !gone.is_empty() && change.now.contains_key(&table) {
        notes.push(format!("drops index {gone}"));
    }
    if !rewriting && is_rewritten(change, table) {
        notes.push("emptied at once: no rows are copied".to_owned());
    }
    notes
}

#[cfg(test)]
#[path = "explain_rows_tests.rs"]
mod tests;
