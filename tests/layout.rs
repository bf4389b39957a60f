//! The rules of the source tree, checked by reading it. Needs no server and nothing built.
//!
//! Each rule is a function from text to complaints, with tests on bad input below.

#![allow(clippy::unwrap_used)] // a tree that cannot be read is a failed test

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const NOUNS: [&str; 6] = [
    "hypertable",
    "cold",
    "queue",
    "migration",
    "document",
    "worker",
];

/// Which folder of `src` may name which noun. `lib.rs` wires all of them together and is free.
const EDGES: [(&str, &str); 7] = [
    ("queue", "worker"),
    ("migration", "worker"),
    ("hypertable", "queue"),
    ("cold", "hypertable"),
    ("cold", "queue"),
    ("document", "hypertable"),
    ("document", "queue"),
];

/// The same for single modules (empty: all of the noun), with the reason.
const MODULE_EDGES: &[(&str, &str, &str)] = &[
    // exports run in workers of their own; goes when jobs run on the project's queue
    ("cold", "worker", ""),
    // the VFS reads through the store's trait, and values travel as the mapping's cells
    ("pg", "cold", "store"),
    ("pg", "cold", "mapping"),
    // the PostgreSQL half of the cold tier uses its pure half: plain data, SQL text, hashes
    ("pg", "cold", "manifest"),
    ("pg", "cold", "bloom"),
    ("pg", "cold", "bloom_keys"),
    ("pg", "cold", "pushdown"),
    ("pg", "cold", "order"),
    ("pg", "cold", "aggregate"),
    ("pg", "cold", "groups"),
    ("pg", "cold", "pages"),
    ("pg", "cold", "cost"),
    ("pg", "cold", "content"),
    ("pg", "cold", "foreign"),
    ("pg", "cold", "file_schema"),
    ("pg", "cold", "facts"),
    ("pg", "cold", "runs"),
    // the boards of hints, and what a transaction makes ready, are plain numbers
    ("pg", "queue", "board"),
    ("pg", "queue", "hint"),
    ("pg", "queue", "counters"),
    ("pg", "queue", "ready"),
    ("pg", "queue", "dirty"),
    ("pg", "queue", "room"),
    // what a statement does is plain data, taken from parse trees
    ("pg", "migration", "ddl"),
    // so are the lists of those who wait
    ("pg", "queue", "waiters"),
    // calendar arithmetic is plain numbers
    ("pg", "hypertable", "calendar"),
    // so are the key ranges that follow from conditions
    ("pg", "hypertable", "predicate"),
    ("pg", "hypertable", "window"),
    ("pg", "hypertable", "histogram"),
    // the PostgreSQL half of gap filling uses its pure half
    ("pg", "hypertable", "gapfill"),
    ("pg", "hypertable", "bucket"),
];

const LINES: usize = 400;
/// Files that may be longer, each with its reason.
const LONG_FILES: [&str; 0] = [];

/// Beginnings of paths that exist on one machine only; split so that this file passes.
const MACHINE_PATHS: [&str; 6] = [
    concat!("/wo", "rk/"),
    concat!("/tmp/", "boot"),
    concat!("/opt/", "strata"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// What CREATE makes and COMMENT describes.
const SQL_KINDS: [&str; 13] = [
    "ACCESS METHOD",
    "AGGREGATE",
    "DOMAIN",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "FUNCTION",
    "OPERATOR CLASS",
    "PROCEDURE",
    "SEQUENCE",
    "SERVER",
    "TABLE",
    "TYPE",
    "VIEW",
];

// ---- reading ----

/// Replaces Rust comments, and with `strings` also string literals, by spaces.
fn strip_rust(text: &str, strings: bool) -> String {
    let c: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < c.len() {
        let (end, blank) = match c[i] {
            '/' if c.get(i + 1) == Some(&'/') => (line_end(&c, i), true),
            '/' if c.get(i + 1) == Some(&'*') => (block_comment_end(&c, i), true),
            '"' => (string_end(&c, i), strings),
            'r' => raw_string_end(&c, i).map_or((i + 1, false), |end| (end, strings)),
            '\'' => (char_end(&c, i), false),
            _ => (i + 1, false),
        };
        for ch in &c[i..end] {
            out.push(if blank && *ch != '\n' { ' ' } else { *ch });
        }
        i = end;
    }
    out
}

fn line_end(c: &[char], from: usize) -> usize {
    (from..c.len()).find(|i| c[*i] == '\n').unwrap_or(c.len())
}

/// Block comments nest, in Rust and in PostgreSQL.
fn block_comment_end(c: &[char], from: usize) -> usize {
    let (mut depth, mut i) = (0, from);
    while i < c.len() {
        if c[i..].starts_with(&['/', '*']) {
            depth += 1;
            i += 2;
        } else if c[i..].starts_with(&['*', '/']) {
            depth -= 1;
            i += 2;
            if depth == 0 {
                return i;
            }
        } else {
            i += 1;
        }
    }
    c.len()
}

fn string_end(c: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while i < c.len() && c[i] != '"' {
        i += if c[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(c.len())
}

fn raw_string_end(c: &[char], from: usize) -> Option<usize> {
    // br"" and cr"" have a letter before; any other word before makes it a name that ends in r
    let before = from.checked_sub(1).map(|i| c[i]);
    if before.is_some_and(|b| is_word(b) && b != 'b' && b != 'c') {
        return None;
    }
    let hashes = c[from + 1..].iter().take_while(|h| **h == '#').count();
    let start = from + 1 + hashes;
    if c.get(start) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"')
        .chain(std::iter::repeat_n('#', hashes))
        .collect();
    let end = (start + 1..c.len()).find(|i| c[*i..].starts_with(&close));
    Some(end.map_or(c.len(), |i| i + close.len()))
}

/// A character literal, or just the quote of a lifetime.
fn char_end(c: &[char], from: usize) -> usize {
    if c.get(from + 1) == Some(&'\\') {
        let close = (from + 3..c.len()).find(|i| c[*i] == '\'');
        return close.map_or(c.len(), |i| i + 1);
    }
    let literal = c.get(from + 2) == Some(&'\'');
    from + if literal { 3 } else { 1 }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Lines on which `what` stands, not as a part of a longer word.
fn find(text: &str, what: &str) -> Vec<usize> {
    let starts_word = what.starts_with(is_word);
    let ends_word = what.ends_with(is_word);
    let stands = |at: usize| {
        let joined_before = starts_word && text[..at].ends_with(is_word);
        let joined_after = ends_word && text[at + what.len()..].starts_with(is_word);
        !joined_before && !joined_after
    };
    text.match_indices(what)
        .filter(|(at, _)| stands(*at))
        .map(|(at, _)| line_of(text, at))
        .collect()
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn complain(path: &str, lines: Vec<usize>, why: &str) -> Vec<String> {
    lines
        .into_iter()
        .map(|n| format!("{path}:{n}: {why}"))
        .collect()
}

// ---- rules for src ----

fn unsafe_outside_pg(path: &str, text: &str) -> Vec<String> {
    if path.starts_with("src/pg/") {
        return Vec::new();
    }
    let lines = find(&strip_rust(text, true), "unsafe");
    complain(path, lines, "unsafe outside src/pg")
}

fn spi_outside_its_file(path: &str, text: &str) -> Vec<String> {
    if path == "src/pg/spi.rs" {
        return Vec::new();
    }
    let code = strip_rust(text, true);
    let mut lines = find(&code, "Spi");
    lines.extend(find(&code, "pgrx::spi"));
    complain(path, lines, "SPI outside src/pg/spi.rs")
}

fn versions_outside_compat(path: &str, text: &str) -> Vec<String> {
    if path.starts_with("src/pg/compat") {
        return Vec::new();
    }
    // strings stay: the version stands in one
    let code = strip_rust(text, false).replace(' ', "");
    let lines = (13..20)
        .flat_map(|v| find(&code, &format!("feature=\"pg{v}\"")))
        .collect();
    complain(path, lines, "PostgreSQL version outside src/pg/compat*.rs")
}

fn too_long(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines <= LINES || LONG_FILES.contains(&path) {
        return Vec::new();
    }
    vec![format!(
        "{path}: {lines} lines, more than {LINES}: split it by content"
    )]
}

fn unfinished(path: &str, text: &str) -> Vec<String> {
    let code = strip_rust(text, true);
    ["todo!", "unimplemented!"]
        .iter()
        .flat_map(|w| complain(path, find(&code, w), w))
        .collect()
}

fn module_without_promise(path: &str, text: &str) -> Vec<String> {
    if path.ends_with("/mod.rs") && !text.starts_with("//!") {
        return vec![format!(
            "{path}: does not begin with what it promises (//!)"
        )];
    }
    Vec::new()
}

/// What follows each `crate::`, with groups taken apart: `crate::{a::b, c}` names `a::b` and `c`,
/// `crate::a::{b, c}` names `a::b` and `a::c`.
fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, what) in code.match_indices("crate::") {
        if code[..at].ends_with(|c| c == '$' || is_word(c)) {
            continue;
        }
        let line = line_of(code, at);
        let paths = paths_of(&code[at + what.len()..]);
        found.extend(paths.into_iter().map(|p| (line, p)));
    }
    found
}

fn paths_of(text: &str) -> Vec<String> {
    let text = text.trim_start();
    let head: String = text
        .chars()
        .take_while(|c| is_word(*c) || *c == ':')
        .collect();
    let Some(group) = text[head.len()..].strip_prefix('{') else {
        return vec![head];
    };
    let inner = split_group(group);
    let paths = inner.iter().flat_map(|part| paths_of(part));
    paths.map(|p| format!("{head}{p}")).collect()
}

fn split_group(group: &str) -> Vec<String> {
    let (mut depth, mut parts, mut part) = (0, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
    }
    parts.push(part);
    parts
}

fn allowed(from: &str, path: &str) -> bool {
    let mut parts = path.split("::");
    let to = parts.next().unwrap_or_default();
    let module = parts.next().unwrap_or_default();
    let by_module =
        |(f, t, m): &(&str, &str, &str)| *f == from && *t == to && (m.is_empty() || *m == module);
    from == to || EDGES.contains(&(from, to)) || MODULE_EDGES.iter().any(by_module)
}

fn edges(path: &str, text: &str) -> Vec<String> {
    let Some((from, _)) = path.trim_start_matches("src/").split_once('/') else {
        return Vec::new();
    };
    let mut complaints = Vec::new();
    for (line, to) in crate_paths(&strip_rust(text, true)) {
        let noun = to.split("::").next().unwrap_or_default();
        if NOUNS.contains(&noun) && !allowed(from, &to) {
            complaints.push(format!("{path}:{line}: {from} must not know {to}"));
        }
    }
    complaints
}

// ---- a rule for all files ----

fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (at, start) in MACHINE_PATHS.iter().flat_map(|p| text.match_indices(p)) {
        // the tail of a URL, a relative path or an expansion has the same letters
        if !text[..at].ends_with(|c| is_word(c) || ".}*".contains(c)) {
            complaints.push(format!("{path}:{}: path {start}", line_of(text, at)));
        }
    }
    complaints
}

// ---- rules for sql ----

/// Statements without comments, strings and dollar-quoted bodies, white space made single.
fn sql_statements(text: &str) -> Vec<String> {
    let c: Vec<char> = text.chars().collect();
    let mut plain = String::new();
    let mut i = 0;
    while i < c.len() {
        let end = match c[i] {
            '-' if c.get(i + 1) == Some(&'-') => line_end(&c, i),
            '/' if c.get(i + 1) == Some(&'*') => block_comment_end(&c, i),
            '\'' => (i + 1..c.len())
                .find(|j| c[*j] == '\'')
                .map_or(c.len(), |j| j + 1),
            '$' => dollar_end(&c, i),
            _ => i + 1,
        };
        plain.push(if end > i + 1 { ' ' } else { c[i] });
        i = end;
    }
    let single = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
    let statements = plain.split(';').map(single);
    statements.filter(|s| !s.is_empty()).collect()
}

fn dollar_end(c: &[char], from: usize) -> usize {
    let Some(close) = (from + 1..c.len()).find(|i| c[*i] == '$') else {
        return from + 1;
    };
    let tag = &c[from..=close];
    if tag[1..tag.len() - 1].iter().any(|t| !is_word(*t)) {
        return from + 1;
    }
    let end = (close + 1..c.len()).find(|i| c[*i..].starts_with(tag));
    end.map_or(c.len(), |i| i + tag.len())
}

/// `KIND name` after `words` at the beginning of a statement; the name ends before `(`.
fn object(statement: &str, words: &str) -> Option<String> {
    let mut rest = eat(statement, words)?;
    for noise in ["OR REPLACE", "UNLOGGED"] {
        rest = eat(rest, noise).unwrap_or(rest);
    }
    let kind = SQL_KINDS.iter().find(|k| eat(rest, k).is_some())?;
    rest = eat(rest, kind)?;
    rest = eat(rest, "IF NOT EXISTS").unwrap_or(rest);
    let name = rest.split([' ', '(']).next().unwrap_or_default();
    Some(format!("{kind} {name}"))
}

fn eat<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    let head = text.get(..words.len())?;
    let rest = text[words.len()..].strip_prefix(' ')?;
    head.eq_ignore_ascii_case(words).then_some(rest)
}

/// Objects with fewer descriptions than definitions; overloads of a function count one each.
fn without_comment(files: &[(String, String)]) -> Vec<String> {
    let mut made: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut described: BTreeMap<String, usize> = BTreeMap::new();
    for (path, text) in files {
        for statement in sql_statements(text) {
            if let Some(o) = object(&statement, "CREATE") {
                made.entry(o).or_insert((0, path.clone())).0 += 1;
            } else if let Some(o) = object(&statement, "COMMENT ON") {
                *described.entry(o).or_default() += 1;
            }
        }
    }
    made.into_iter()
        .filter(|(o, (n, _))| described.get(o).unwrap_or(&0) < n)
        .map(|(o, (n, path))| format!("{path}: CREATE {o} {n} times, COMMENT ON it less often"))
        .collect()
}

// ---- the tree ----

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for path in entries.map(|e| e.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
                found.push((name.to_string(), text));
            }
        }
    }
    found.sort();
    found
}

fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn sources_keep_the_rules() {
    let files = files_below("src");
    assert!(files.len() > 10, "src was not found");
    let rules = [
        unsafe_outside_pg,
        spi_outside_its_file,
        versions_outside_compat,
        too_long,
        unfinished,
        module_without_promise,
        edges,
    ];
    let check = |(path, text): &(String, String)| -> Vec<String> {
        rules.iter().flat_map(|rule| rule(path, text)).collect()
    };
    assert_none(files.iter().flat_map(check).collect());
}

#[test]
fn sql_objects_have_comments() {
    let mut files = files_below("sql");
    // upgrade steps and frozen scripts repeat what the nouns' folders hold
    files.retain(|(path, _)| !path.starts_with("sql/released") && !path.starts_with("sql/pg_"));
    assert!(files.len() > 3, "sql was not found");
    assert_none(without_comment(&files));
}

#[test]
fn no_paths_of_one_machine() {
    let mut files = Vec::new();
    for folder in ["src", "sql", "pg_test", "tests", ".ci", ".cargo"] {
        files.extend(files_below(folder));
    }
    for name in [
        "README.md",
        "CHANGELOG.md",
        "Cargo.toml",
        "pg_strata.control",
    ] {
        if let Ok(text) = fs::read_to_string(root().join(name)) {
            files.push((name.to_string(), text));
        }
    }
    let check = |(path, text): &(String, String)| machine_paths(path, text);
    assert_none(files.iter().flat_map(check).collect());
}

// ---- the rules can fail ----

#[test]
fn finds_unsafe_but_not_in_comments_strings_and_longer_words() {
    let bad = "fn f() {\n    unsafe { g() }\n}";
    assert_eq!(
        unsafe_outside_pg("src/cold/x.rs", bad),
        ["src/cold/x.rs:2: unsafe outside src/pg"]
    );
    assert!(unsafe_outside_pg("src/pg/x.rs", bad).is_empty());
    let fine = "// unsafe\n/* unsafe /* unsafe */ unsafe */\nlet a = \"unsafe \\\" unsafe\";\n\
                let b = r#\"unsafe \" unsafe\"#;\n#[allow(unsafe_code)]\nmod pg; let c = 'x';";
    assert_eq!(unsafe_outside_pg("src/lib.rs", fine), Vec::<String>::new());
    let after = "let q = '\"'; unsafe {} let l: &'static str; unsafe {} let b = br\"\"; unsafe {}";
    assert_eq!(unsafe_outside_pg("src/lib.rs", after).len(), 3);
}

#[test]
fn finds_spi() {
    let check = spi_outside_its_file;
    assert_eq!(check("src/pg/x.rs", "Spi::run(s)?;").len(), 1);
    assert_eq!(check("src/pg/x.rs", "use pgrx::spi::Query;").len(), 1);
    assert!(check("src/pg/spi.rs", "Spi::run(s)?;").is_empty());
    assert!(check("src/a.rs", "SpiError; crate::pg::spi::read()").is_empty());
}

#[test]
fn finds_versions() {
    let check = versions_outside_compat;
    let bad = "#[cfg(any(feature = \"pg15\", feature=\"pg16\"))]";
    assert_eq!(check("src/pg/x.rs", bad).len(), 2);
    assert!(check("src/pg/compat.rs", bad).is_empty());
    assert!(check("src/a.rs", "cfg(feature = \"pg_test\")").is_empty());
    assert!(check("src/a.rs", "// feature = \"pg15\"").is_empty());
}

#[test]
fn finds_long_and_unfinished_files() {
    assert_eq!(too_long("src/a.rs", &"x\n".repeat(LINES + 1)).len(), 1);
    assert!(too_long("src/a.rs", &"x\n".repeat(LINES)).is_empty());
    let bad = "todo!() unimplemented!(\"x\")";
    assert_eq!(unfinished("src/a.rs", bad).len(), 2);
    assert!(unfinished("src/a.rs", "// todo! unimplemented!").is_empty());
    let check = module_without_promise;
    assert_eq!(check("src/a/mod.rs", "pub mod b;\n").len(), 1);
    assert!(check("src/a/mod.rs", "//! A.\n").is_empty());
}

#[test]
fn finds_forbidden_edges() {
    let forbidden = [
        ("src/worker/mod.rs", "use crate::hypertable;"),
        ("src/hypertable/api.rs", "let x = crate::cold::f();"),
        (
            "src/hypertable/api.rs",
            "use crate::{error::{A, B}, cold::name};",
        ),
        (
            "src/pg/x.rs",
            "use crate::cold::{store::RangeRead, catalog};",
        ),
        ("src/pg/x.rs", "use crate::hypertable::chunk;"),
        ("src/pg/x.rs", "use crate::cold::catalog::Row;"),
        ("src/hypertable/x.rs", "use crate::worker::wake;"),
    ];
    for (path, text) in forbidden {
        assert_eq!(edges(path, text).len(), 1, "{path}: {text}");
    }
    let fine = [
        ("src/cold/api.rs", "use crate::hypertable::chunk_info;"),
        ("src/cold/api.rs", "use crate::cold::name;"),
        (
            "src/pg/x.rs",
            "use crate::cold::store::{RangeRead, ReadStats};",
        ),
        (
            "src/worker/mod.rs",
            "// use crate::cold\nuse crate::pg::{cold_am, spi};",
        ),
        ("src/lib.rs", "crate::hypertable::premake_all()"),
        ("src/worker/mod.rs", "other_crate::cold::x; $crate::cold"),
    ];
    for (path, text) in fine {
        assert_eq!(edges(path, text), Vec::<String>::new());
    }
}

#[test]
fn finds_machine_paths() {
    for start in MACHINE_PATHS {
        assert_eq!(machine_paths("a", &format!("x = \"{start}y\"")).len(), 1);
        assert_eq!(machine_paths("a", &format!("cd {start}y")).len(), 1);
    }
    let fine = concat!(
        "https://example.org",
        "/ho",
        "me/x and ${X}",
        "/ho",
        "me/y, ./wo",
        "rk/x"
    );
    assert_eq!(machine_paths("a", fine), Vec::<String>::new());
}

#[test]
fn finds_objects_without_comment() {
    let check = |text: &str| without_comment(&[("x.sql".into(), text.into())]);
    for bad in [
        "CREATE TABLE strata.a (x int);",
        "create or replace function strata.f(a int) returns int language c as 'm', 'f';",
        "CREATE VIEW strata.v AS SELECT ';';\nCOMMENT ON TABLE strata.v IS 'x';",
        "CREATE FUNCTION strata.f(a int) ...; CREATE FUNCTION strata.f(b text) ...;\n\
         COMMENT ON FUNCTION strata.f(int) IS 'x';",
        "CREATE TABLE strata.a (x int); -- COMMENT ON TABLE strata.a IS 'x';",
        "CREATE FOREIGN DATA WRAPPER w HANDLER h;",
        "CREATE UNLOGGED TABLE strata.a ();",
    ] {
        assert_eq!(check(bad).len(), 1, "{bad}");
    }
    for fine in [
        "CREATE TABLE strata.a (x int);\nCOMMENT ON TABLE strata.a IS 'it''s; x';",
        "CREATE PROCEDURE strata.p() AS $x$ CREATE TABLE t (); $1 $x$;\n\
         COMMENT ON PROCEDURE strata.p IS 'x';",
        "COMMENT ON FUNCTION strata.f(int) IS 'x'; CREATE OR REPLACE FUNCTION strata.f(a int);",
        "-- CREATE TABLE a ();\n/* CREATE TABLE b (); */ CREATE INDEX ON a (b);",
    ] {
        assert_eq!(check(fine), Vec::<String>::new(), "{fine}");
    }
}
