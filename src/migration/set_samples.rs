//! Sets of files written in one line, and a model of a database that plans are applied to.

use super::{Applied, Direction, File, FileKind, Hash, Key, Lateness, Source, State, Text};
use crate::error::{Error, Result};
use crate::migration::ask::{Ask, Context, Mirror, MissingDown, Mode, OutOfOrder};
use crate::migration::declare::Change;
use crate::migration::name::Hook;
use crate::migration::plan::{Plan, Run, Step, plan};
use crate::migration::version::{Target, Version};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

pub fn v(text: &str) -> Version {
    Version::parse(text).unwrap()
}

pub fn sum(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// `words` is what it says, `blanks` what may change without harm.
pub fn text(words: &str, blanks: &str) -> Text {
    Text {
        sha: sum(&format!("{words}|{blanks}")),
        fingerprint: sum(words),
    }
}

/// `3`, `B3`, `R__views`, `H__before_each`.
pub fn key(label: &str) -> Key {
    let (kind, version, name) = if let Some(name) = label.strip_prefix("R__") {
        (FileKind::Repeatable, None, name.to_owned())
    } else if let Some(name) = label.strip_prefix("H__") {
        (FileKind::Hook(Hook::BeforeEach), None, name.to_owned())
    } else if let Some(version) = label.strip_prefix('B') {
        (FileKind::Baseline, Some(v(version)), "all".to_owned())
    } else {
        (FileKind::Versioned, Some(v(label)), format!("n{label}"))
    };
    Key {
        kind,
        version,
        name,
    }
}

/// Files by words: `3` has up and down, `3u` and `3d` only one, `3-` is no longer in the set, `3~` may come late,
/// `3>2,R__a` requires.
pub fn files(spec: &str) -> Vec<File> {
    spec.split_whitespace().map(file).collect()
}

pub fn file(word: &str) -> File {
    let (head, requires) = word.split_once('>').unwrap_or((word, ""));
    let label_end = head.find(['u', 'd', '-', '~']).unwrap_or(head.len());
    let plain = head.starts_with(['R', 'B', 'H']);
    let (label, flags) = if plain {
        let bare = head.trim_end_matches('-');
        (bare, &head[bare.len()..])
    } else {
        head.split_at(label_end)
    };
    let (only_up, only_down) = (flags.contains('u') || plain, flags.contains('d'));
    File {
        key: key(label),
        up: (!only_down).then(|| text(&format!("{label} up"), "")),
        down: (!only_up).then(|| text(&format!("{label} down"), "")),
        present: !flags.contains('-'),
        lateness: if flags.contains('~') {
            Lateness::Allowed
        } else {
            Lateness::AsAsked
        },
        requires: requires
            .split(',')
            .filter(|r| !r.is_empty())
            .map(str::to_owned)
            .collect(),
        up_error: None,
        down_error: None,
    }
}

/// A row as a run would leave it.
pub fn row(label: &str, applied_order: i64) -> Applied {
    let file = file(label);
    Applied {
        key: file.key,
        state: State::Applied,
        direction: Direction::Up,
        up: file.up,
        down_sha: file.down.map(|t| t.sha),
        applied_order,
        statements_done: 0,
        prefix: None,
        source: Source::Run,
    }
}

/// `up`, `up 2`, `up to 5`, `down`, `down 2`, `down to 3`, `down all`, `goto 4`, `redo 2`, each with `allow`,
/// `ignore` or `skip` behind it.
pub fn ask(words: &str) -> Result<Ask> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let steps = words.get(1).and_then(|w| w.parse::<i32>().ok());
    let after = |word: &str| {
        let at = words.iter().position(|w| *w == word)?;
        Some(Target::parse(words.get(at + 1)?).unwrap())
    };
    let late = words
        .iter()
        .find_map(|w| OutOfOrder::of(w))
        .unwrap_or(OutOfOrder::Error);
    let missing = words
        .iter()
        .find_map(|w| MissingDown::of(w))
        .unwrap_or(MissingDown::Error);
    match words[0] {
        "up" => Ask::up(steps, after("to"), late),
        "down" => Ask::down(steps, after("to"), words.contains(&"all"), missing),
        "goto" => Ok(Ask::Goto {
            target: after("goto").unwrap(),
            out_of_order: late,
        }),
        "redo" => Ask::redo(steps),
        other => panic!("{other}"),
    }
}

/// `+3`, `-3`; `+5()` and `-3()` run nothing; `+3..2` goes on after two statements; `+B3[1 2]` stands for two.
pub fn show(plan: &Plan) -> String {
    let mut all = Vec::new();
    for step in &plan.steps {
        let mut word = match step.direction {
            Direction::Up => format!("+{}", step.key.label()),
            Direction::Down => format!("-{}", step.key.label()),
        };
        match step.run {
            Run::Text(_) => {}
            Run::NoUp | Run::NoDown => word.push_str("()"),
            Run::Rest {
                statements_done, ..
            } => write!(word, "..{statements_done}").unwrap(),
        }
        if !step.covers.is_empty() {
            let covers: Vec<String> = step.covers.iter().map(|c| c.key.label()).collect();
            write!(word, "[{}]", covers.join(" ")).unwrap();
        }
        all.push(word);
    }
    all.join(" ")
}

/// A namespace and its database.
#[derive(Debug, Clone)]
pub struct World {
    pub files: Vec<File>,
    pub applied: Vec<Applied>,
    pub mode: Mode,
    pub mirror: Mirror,
    pub namespace: &'static str,
    pub tenant: Option<&'static str>,
    pub tags: BTreeMap<String, Option<Version>>,
    pub clock: i64,
}

pub fn world(spec: &str) -> World {
    World {
        files: files(spec),
        applied: Vec::new(),
        mode: Mode::Atomic,
        mirror: Mirror::AnySet,
        namespace: "default",
        tenant: None,
        tags: BTreeMap::new(),
        clock: 0,
    }
}

impl World {
    pub fn context(&self) -> Context<'_> {
        Context {
            mode: self.mode,
            mirror: self.mirror,
            namespace: self.namespace,
            tenant: self.tenant,
            dry_run: false,
            tags: &self.tags,
        }
    }

    pub fn plan(&self, words: &str) -> Result<Plan> {
        plan(&self.files, &self.applied, &ask(words)?, &self.context())
    }

    /// Plans and applies.
    pub fn run(&mut self, words: &str) -> Result<String> {
        let plan = self.plan(words)?;
        for step in &plan.steps {
            self.apply(step);
        }
        Ok(show(&plan))
    }

    /// What a run has to answer.
    pub fn says(&mut self, words: &str, expected: &str) {
        let got = self.run(words).unwrap_or_else(|e| panic!("{words}: {e:?}"));
        assert_eq!(got, expected, "{words}");
    }

    pub fn refuses(&self, words: &str) -> Error {
        match self.plan(words) {
            Ok(plan) => panic!("{words} plans {}", show(&plan)),
            Err(e) => e,
        }
    }

    fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }

    /// Applies a step, and fails where it makes no sense.
    pub fn apply(&mut self, step: &Step) {
        let at = self.applied.iter().position(|r| r.key == step.key);
        if step.direction == Direction::Down {
            let row = self
                .applied
                .remove(at.expect("only what is applied is reverted"));
            assert!(row.revertible() || matches!(step.run, Run::Rest { .. }));
            return;
        }
        if let Some(at) = at {
            let row = self.applied.remove(at);
            let again = step.key.kind == FileKind::Repeatable || !row.counts();
            assert!(again, "{} is applied already", step.key.label());
        }
        for covered in &step.covers {
            let order = self.tick();
            self.applied.retain(|r| r.key != covered.key || r.counts());
            self.applied.push(Applied {
                key: covered.key.clone(),
                state: State::Baseline,
                up: covered.up,
                down_sha: covered.down_sha,
                source: Source::Baseline,
                ..row("1", order)
            });
        }
        let order = self.tick();
        self.applied.push(Applied {
            key: step.key.clone(),
            up: step.up,
            down_sha: step.down_sha,
            ..row("1", order)
        });
    }

    pub fn change(&mut self, changes: &[Change]) {
        for change in changes {
            let at = self.applied.iter().position(|r| r.key == change.key);
            let old = at.map(|at| self.applied.remove(at));
            let Some(new) = change.row else {
                assert!(old.is_some(), "only rows that are there can go");
                continue;
            };
            let order = match old {
                Some(old) => old.applied_order,
                None => self.tick(),
            };
            self.applied.push(Applied {
                key: change.key.clone(),
                state: new.state,
                up: new.up,
                down_sha: new.down_sha,
                source: new.source,
                ..row("1", order)
            });
        }
    }

    /// Labels of what counts as applied, versions ascending.
    pub fn standing(&self) -> String {
        let rows = self.applied.iter().filter(|r| r.counts());
        let mut keys: Vec<&Key> = rows.map(|r| &r.key).collect();
        keys.sort_by_key(|k| (k.version.is_none(), k.version.clone(), *k));
        keys.iter().map(|k| k.label()).collect::<Vec<_>>().join(" ")
    }

    pub fn head(&self) -> String {
        let set = super::Set::new(&self.files, &self.applied);
        set.head()
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    }

    pub fn file(&mut self, label: &str) -> &mut File {
        let key = key(label);
        self.files.iter_mut().find(|f| f.key == key).unwrap()
    }

    pub fn row(&mut self, label: &str) -> &mut Applied {
        let key = key(label);
        self.applied.iter_mut().find(|r| r.key == key).unwrap()
    }

    /// Texts that a row keeps.
    pub fn kept(&self, label: &str) -> (Option<Text>, Option<Hash>) {
        let row = self.applied.iter().find(|r| r.key == key(label)).unwrap();
        (row.up, row.down_sha)
    }

    /// Texts of a file.
    pub fn registered(&self, label: &str) -> (Option<Text>, Option<Hash>) {
        let file = self.files.iter().find(|f| f.key == key(label)).unwrap();
        (file.up, file.down.map(|t| t.sha))
    }

    pub fn add(&mut self, spec: &str) {
        self.files.extend(files(spec));
    }

    pub fn row_named(&mut self, key: &Key) -> &mut Applied {
        self.applied.iter_mut().find(|r| r.key == *key).unwrap()
    }

    /// Changes the registered up text really, or only its blanks.
    pub fn edit(&mut self, label: &str) {
        self.file(label).up = Some(text(&format!("{label} other"), ""));
    }

    pub fn touch(&mut self, label: &str) {
        self.file(label).up = Some(text(&format!("{label} up"), "  "));
    }

    /// The file is no longer in the set.
    pub fn prune(&mut self, label: &str) {
        self.file(label).present = false;
    }

    /// A run stopped there after some statements.
    pub fn fail(&mut self, label: &str, direction: Direction, statements_done: i32) {
        let order = self.tick();
        if !self.applied.iter().any(|r| r.key == key(label)) {
            self.applied.push(row(label, order));
        }
        let row = self.row(label);
        row.state = State::Failed;
        row.direction = direction;
        row.statements_done = statements_done;
        row.prefix = Some(sum("prefix"));
    }
}
