//! Files and state of a namespace, as runs and reports need them together.

use super::ask::{Context, Mirror, Mode};
use super::catalog::{self, AppliedRow, Stored};
use super::name::Hook;
use super::namespace::Namespace;
use super::plan::Step;
use super::set::{Applied, Direction, File, FileKind, Key, State};
use super::version::Version;
use super::{mirror, outside, progress};
use crate::error::Result;
use std::collections::{BTreeMap, HashMap};

/// What is known when a run is decided.
pub struct Known {
    pub namespace: Namespace,
    pub stored: Vec<Stored>,
    pub files: Vec<File>,
    pub rows: Vec<AppliedRow>,
    pub applied: Vec<Applied>,
    pub tags: BTreeMap<String, Option<Version>>,
    /// places in `stored`
    places: HashMap<(FileKind, String), usize>,
}

/// What tells files of one namespace apart: the version, or the name of one that has none.
fn id(key: &Key) -> (FileKind, String) {
    let version = key.version.as_ref().map(Version::as_str);
    (key.kind, version.unwrap_or(&key.name).to_owned())
}

impl Known {
    /// Reads files and state.
    pub fn of(namespace: Namespace, tenant: Option<&str>) -> Result<Known> {
        let mut stored = catalog::files(&namespace.name)?;
        if namespace.mirror_tool.is_some() {
            for file in &mut stored {
                let filename = file.up_filename.as_ref().or(file.down_filename.as_ref());
                file.written_version = filename.and_then(|f| mirror::written(f, namespace.style));
            }
        }
        let rows = catalog::applied(&namespace.name, tenant)?;
        let tags = catalog::tags(&namespace.name)?;
        let mut places = HashMap::with_capacity(stored.len());
        for (n, file) in stored.iter().enumerate() {
            places.entry(id(&file.file.key)).or_insert(n);
        }
        Ok(Known {
            places,
            files: stored.iter().map(|s| s.file.clone()).collect(),
            applied: rows.iter().map(|r| r.applied.clone()).collect(),
            namespace,
            stored,
            rows,
            tags,
        })
    }

    /// For a text that stands for itself.
    #[must_use]
    pub fn without_files(namespace: Namespace) -> Known {
        Known {
            namespace,
            stored: Vec::new(),
            files: Vec::new(),
            rows: Vec::new(),
            applied: Vec::new(),
            tags: BTreeMap::new(),
            places: HashMap::new(),
        }
    }

    /// Looks after files that somebody was at and is not any more; false while somebody is at a statement by itself. For
    /// whoever holds the locks of the namespace.
    pub fn settle_running(&mut self, tenant: Option<&str>) -> Result<bool> {
        if self.applied.iter().all(|r| r.state != State::Running) {
            return Ok(true);
        }
        let name = self.namespace.name.clone();
        let Some(ran) = outside::take_over(&name, tenant)? else {
            return Ok(false);
        };
        progress::settle(&name, tenant, &ran)?;
        self.read_applied(tenant)?;
        Ok(true)
    }

    /// Reads again what is applied.
    pub fn read_applied(&mut self, tenant: Option<&str>) -> Result<()> {
        self.rows = catalog::applied(&self.namespace.name, tenant)?;
        self.applied = self.rows.iter().map(|r| r.applied.clone()).collect();
        Ok(())
    }

    pub fn context<'a>(&'a self, tenant: Option<&'a str>, mode: Mode) -> Context<'a> {
        let one = self.namespace.mirror_tool.as_deref() == Some("golang-migrate");
        Context {
            mode,
            mirror: if one {
                Mirror::OneNumber
            } else {
                Mirror::AnySet
            },
            namespace: &self.namespace.name,
            tenant,
            dry_run: false,
            tags: &self.tags,
        }
    }

    /// The file of a step, or its version where that is gone.
    pub fn filename(&self, step: &Step) -> String {
        let stored = self.stored(&step.key);
        let filename = stored.and_then(|s| match step.direction {
            Direction::Up => s.up_filename.clone(),
            Direction::Down => s.down_filename.clone(),
        });
        filename.unwrap_or_else(|| step.key.label())
    }

    /// The hooks of one kind that are in the set, by their names.
    pub fn hooks(&self, hook: Hook) -> Vec<&Stored> {
        let of = |s: &&Stored| s.file.key.kind == FileKind::Hook(hook) && s.file.present;
        let mut hooks: Vec<&Stored> = self.stored.iter().filter(of).collect();
        hooks.sort_by(|a, b| a.file.key.name.cmp(&b.file.key.name));
        hooks
    }

    pub fn stored(&self, key: &Key) -> Option<&Stored> {
        self.places.get(&id(key)).and_then(|n| self.stored.get(*n))
    }
}
